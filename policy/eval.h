// SPDX-License-Identifier: GPL-3.0-or-later
// The stack machine that evaluates conditions, at load (constants) and per decision. It allocates from the request's
// arena only, recurses only into the depth of values, and stops when its steps are used up.
#ifndef SALLYPORT_POLICY_EVAL_H
#define SALLYPORT_POLICY_EVAL_H

#include "policy/request.h"
#include "policy/table.h"

enum pol_outcome {
    POL_DONE,
    POL_FAILED, // a Cedar evaluation error: what and where are in the struct
    POL_SPENT,  // out of steps
    POL_MEMORY,
    POL_PAUSED, // pol_eval_pause only
};

struct pol_eval {
    const struct pol_set *set;
    struct pol_request *request; // NULL while folding constants
    struct arena *arena;
    struct pol_value *stack; // at least set->code.stack_most + 1
    uint32_t steps;
    bool quiet;       // no texts: the caller only wants to know whether it fails
    struct span what; // after POL_FAILED
    struct pol_place at;
    const struct pol_value *known; // pol_eval_pause: a record of members of the context
    uint32_t left_at, left_steps;  // after POL_PAUSED: where to go on, with an empty stack, and the steps left there
};

// Runs insns [from, to); the one value left on the stack goes to `*out`.
enum pol_outcome pol_eval_run(struct pol_eval *e, uint32_t from, uint32_t to, struct pol_value *out);
// The same without the context: stops, at the last instruction at which the stack was empty, when it reads a member of it that is not known.
enum pol_outcome pol_eval_pause(struct pol_eval *e, uint32_t from, uint32_t to, struct pol_value *out);

// like.c: whether the text matches.
bool pol_like(const struct pol_pattern *p, struct span text);

#endif

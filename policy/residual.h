// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of partial evaluation, between partial.c (keeps) and decide.c (makes and uses): what was decided of a
// request without its context. A condition that asks for more is left where the machine's stack was last empty, so that a
// place in its code is all there is to know about it.
#ifndef SALLYPORT_POLICY_RESIDUAL_H
#define SALLYPORT_POLICY_RESIDUAL_H

#include "gateway/base/buf.h"
#include "policy/decide.h"
#include "policy/facts.h"
#include "policy/partial.h"

struct pol_undecided {
    uint32_t policy, at; // the instruction to go on with
};

struct pol_residual {
    unsigned refs;
    struct pol_counted *owner;
    struct span *parts; // of the key
    size_t n_parts;
    size_t bytes;
    struct pol_request base; // its entities, closed
    struct span text;        // what pol_request_text writes of them; SPAN_NONE: it was not kept
    size_t n_head;           // of its bytes
    bool known;              // the rest is there; else it was too much, and everything is decided each time
    uint32_t steps, candidates, permit_errors, forbid_errors;
    const uint32_t *permits, *forbids;
    uint32_t n_permits, n_forbids;
    const struct pol_failure *failures;
    uint32_t n_failures;
    const struct pol_undecided *undecided;
    uint32_t n_undecided;
};

// request_json.c: what pol_request_to_json writes of a request, but for its context, in two pieces: `*n_head` bytes up to the context, then the list of
// its entities, and of those that were looked at so far, without its end. `r` is closed. False when the buffer failed.
bool pol_request_text(const struct pol_request *r, struct buf *out, size_t *n_head);

// decide.c: fills the members from `known` on, with lists in the request's arena. `r` is closed and has no err.
void pol_decide_partly(struct pol_request *r, const struct pol_value *known, struct pol_residual *out);

#endif

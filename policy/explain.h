// SPDX-License-Identifier: GPL-3.0-or-later
// Why a request was decided as it was: what became of each policy, and for a condition what it was made of: the smallest comparisons that
// settle it, each with the values it saw. The texts are parsed once more, and the machine that decides is asked for the value of each
// piece; deciding itself knows nothing of it and is not slowed.
#ifndef SALLYPORT_POLICY_EXPLAIN_H
#define SALLYPORT_POLICY_EXPLAIN_H

#include "policy/decide.h"

enum pol_became {
    POL_HELD,      // counts for the decision
    POL_FALSE,     // its scope fits, a condition does not hold
    POL_ERRED,     // its scope fits, a condition could not be evaluated
    POL_ELSEWHERE, // its scope does not fit; conditions are not looked at
};

struct pol_saw {
    struct span expr, value; // as Cedar text; "ancestors of principal" for what `in` looks through
};

// A part of the scope or of a condition that settled it: all of them together do, or, where alternatives were joined by ||, are what
// there was to choose from.
struct pol_because {
    struct span expr;      // as Cedar text
    bool is;               // what it was
    struct span failed;    // it could not be evaluated: why; else SPAN_NONE
    unsigned line, column; // 0: of the scope
    const struct pol_saw *saw;
    size_t n_saw;
};

struct pol_account {
    uint32_t policy; // index; pol_set_policy
    enum pol_became became;
    const struct pol_because *because; // empty where nothing was asked
    size_t n_because;
};

#define POL_BECAUSE_MAX 32u // a policy; further reasons are left out
#define POL_SAW_MAX 16u     // a reason

// For each policy of the set, in order. `set` must belong to the caller alone, for code is appended to it for a moment; it was made of just
// these texts and options; `r` is a request to it that pol_decide has answered. Everything is in the request's arena. False when
// out of memory.
bool pol_explain(struct pol_set *set, const struct pol_source *policies, size_t n_policies,
                 const struct pol_options *options, struct pol_request *r, const struct pol_account **accounts);

// The permits that came nearest to permitting, best first: at most `cap` of them, all as near as the first. Fewest parts of the scope that do not
// fit, then fewest reasons. How many were written.
size_t pol_nearest(const struct pol_set *set, const struct pol_account *accounts, uint32_t *out, size_t cap);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The decision. As Cedar's authoriser: any satisfied forbid denies; else any satisfied permit allows; else deny.
// Policies whose evaluation fails are skipped and reported. The gateway adds one rule (checklist 36): when a forbid
// could not be evaluated the answer is deny. Going over the step budget, or a request that could not be built, denies
// whatever was found before. An allowed request is told what the permits oblige to (obligation.h); where that cannot
// be evaluated, the answer is deny.
//
// Policies with @mode("shadow") are tried out: they have no part in the decision, whatever becomes of them. Afterwards,
// with steps and memory of their own, they are asked too, and the answer says what would have been decided with them.
#ifndef SALLYPORT_POLICY_DECIDE_H
#define SALLYPORT_POLICY_DECIDE_H

#include "policy/obligation.h"
#include "policy/request.h"

#define POL_STEPS_DEFAULT 1000000u

enum pol_mode { POL_MODE_GATEWAY, POL_MODE_CEDAR };

struct pol_failure {
    uint32_t policy;       // index; pol_set_policy
    unsigned line, column; // of the expression that failed
    struct span text;      // "attribute `tenant` not found on Workload::\"a\"", without values of attributes
};

// The trying out of shadow policies; all zero if the set has none, if the decision itself went over its budget, or if
// nothing could be decided at all.
struct pol_shadow {
    bool differs; // with them in force the answer would have been the other one
    int err;      // and this, as pol_answer.err
    // Those that would have been determining; of _FORBID_ERROR and _BUDGET those that would have brought it about.
    // Indexes, ascending.
    const uint32_t *policies;
    size_t n;
    uint32_t errors; // so many of them could not be evaluated
};

struct pol_answer {
    bool allow;
    int err; // 0 when allowed; else ERR_POLICY_NO_PERMIT, _FORBID, _FORBID_ERROR, _BUDGET, _OBLIGATION, or the request's own error
    const uint32_t *determining; // policy indexes, ascending: the forbids that held, else the permits that held
    size_t n_determining;
    const struct pol_failure *failures; // ascending by policy
    size_t n_failures;
    uint32_t permit_errors, forbid_errors; // of the failures
    uint32_t candidates;                   // policies whose scope matched
    uint32_t steps;                        // spent
    struct pol_shadow shadow;              // POL_MODE_GATEWAY only; to Cedar a shadow policy is like any other
    // POL_MODE_GATEWAY, when allowed: those of all determining permits, in order of the policies; the same filter once.
    // Those of shadow policies are looked at by nobody.
    const struct pol_obligation *obligations;
    size_t n_obligations;
};

// Decides. `budget` in steps (0: POL_STEPS_DEFAULT); a step is about one instruction or one compared element.
// Temporaries and the answer's lists are in the request's arena. Returns answer->err. May be called again for the same
// request.
int pol_decide(struct pol_request *r, enum pol_mode mode, uint32_t budget, struct pol_answer *answer);

// Whether it would have been allowed with the shadow policies in force.
static inline bool pol_answer_would_allow(const struct pol_answer *a)
{
    return a->allow != a->shadow.differs;
}

// The answer's policies by name, as tests and audit want them: 0 <= i < n_determining.
static inline struct span pol_answer_id(const struct pol_request *r, const struct pol_answer *a, size_t i)
{
    return pol_set_policy(r->set, a->determining[i])->id;
}

#endif

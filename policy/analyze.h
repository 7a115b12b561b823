// SPDX-License-Identifier: GPL-3.0-or-later
// What is questionable about a whole policy set, seen without a request. Sound as far as it goes – what is said about a policy is so for
// every request, given the entities texts (a request adds parents, it removes none) – and not complete: conditions are compared only for
// being constant or the same. Two conditions that mean the same in other words, or that exclude each other, are not found.
#ifndef SALLYPORT_POLICY_ANALYZE_H
#define SALLYPORT_POLICY_ANALYZE_H

#include "policy/set.h"

enum pol_finding_kind {
    POL_NEVER,     // its condition is constantly false
    POL_NO_ACTION, // its scope is `action in []`
    POL_SAME,      // says what `other`, before it, says
    POL_COVERED,   // decides nothing that `other`, of the same effect, does not
    POL_FORBIDDEN, // a permit: whenever it holds, the forbid `other` does
    POL_EVERYBODY, // a permit without conditions, for every principal, on every resource
    POL_ANYBODY, // a permit of changing actions that asks nothing about who it is, neither the principal nor the token
    POL_DOMAIN,  // the same, for every workload of a trust domain, of administrative actions
    POL_NOWHERE, // can never apply: no request has such a principal, action or resource
    POL_ROLE,    // names a role that nobody has
};

struct pol_finding {
    enum pol_finding_kind kind;
    uint32_t policy, other; // indexes; `other` where there is one
    uint32_t actions;       // EVERYBODY, ANYBODY, DOMAIN: bits of pol_analysis.actions
    bool conditions;        // ANYBODY, DOMAIN: there are some, about what is asked for
    struct span role;       // ROLE: its id; DOMAIN: the trust domain's
    // ANYBODY, DOMAIN: the resource its scope names, and of it the entities of the types in pol_analysis.resources that the entities texts
    // know. NOWHERE: the type or id that there is not. None: any resource.
    struct span type, id;
    const struct span *within; // ids
    uint32_t n_within;
};

#define POL_WITHIN_MAX 8u // of them that are told

// What to look at, and what was found.
struct pol_analysis {
    // In. The actions to tell EVERYBODY by, of the type Action; at most 32.
    const struct span *actions;
    size_t n_actions;
    uint32_t changing, administrative; // bits of them: ANYBODY and DOMAIN tell these
    // Types of the principals and resources of requests, to tell NOWHERE by; none: not known.
    const struct span *principals, *resources;
    size_t n_principals, n_resources;
    // Roles are entities of the type Role, `issuer/name`, that tokens of these issuers bring. NULL: not known, and then a role counts as
    // nobody's when no entity has it.
    const struct span *issuers;
    size_t n_issuers;
    uint64_t pairs_most; // policies compared with each other; 0: POL_PAIRS_DEFAULT
    // Out, in the arena, ascending by policy.
    const struct pol_finding *findings;
    size_t n;
    bool bounded; // pairs_most was reached: there may be more SAME, COVERED and FORBIDDEN
};

#define POL_PAIRS_DEFAULT 50000000u

// False when out of memory.
bool pol_analyze(const struct pol_set *set, struct pol_analysis *a, struct arena *arena);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// What scopes fit, seen one policy at a time, for who explains or looks ahead; decide.c finds policies by their files instead (index.c).
// And the filters (obligation.h) that policies have, whatever their conditions say.
#ifndef SALLYPORT_POLICY_SCOPE_H
#define SALLYPORT_POLICY_SCOPE_H

#include "policy/obligation.h"
#include "policy/request.h"

struct pol_scope;
struct pol_policy;

// Of a request whose entities are complete (pol_facts_close).
bool pol_scope_fits(struct pol_request *r, const struct pol_scope *s, uint32_t entity);
bool pol_scope_action_fits(struct pol_request *r, const struct pol_policy *p, uint32_t action);

// A filter as it is written.
struct pol_filter {
    struct span field;     // as long as the set
    enum pol_kind kind;    // of its values: STRING, LONG or BOOL; NONE: a request decides it
    unsigned line, column; // of the value, in the policy's file
    bool one_resource;     // its policy is about one resource by name
};

// The i-th filter of a policy that decides. False: it has no more.
bool pol_filter_at(const struct pol_set *s, uint32_t policy, size_t i, struct pol_filter *out);
// Whether the policy may hold for requests with the action and the resource of `r`, whoever's they are: its conditions, and what it says of the
// principal, are not looked at. False after an error of the request's. Nothing can be added to the request any more.
bool pol_filter_may_hold(struct pol_request *r, uint32_t policy);

#endif

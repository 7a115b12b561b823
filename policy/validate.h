// SPDX-License-Identifier: GPL-3.0-or-later
// The type of one expression in one environment: for an action, a principal type and a resource type. As Cedar's strict
// typechecker; see https://github.com/cedar-policy/cedar-spec for the rules it is proved against.
#ifndef SALLYPORT_POLICY_VALIDATE_H
#define SALLYPORT_POLICY_VALIDATE_H

#include "policy/schema_table.h"
#include "policy/validate_core.h"
#include "policy/validate_known.h"

struct pol_check {
    const struct pol_schema *s;
    struct pol_shapes *shapes; // of the policy
    struct arena *scratch;
    struct diags *diags;
    struct span file;
    const struct pol_schema_entity *principal, *resource;
    const struct pol_schema_action *action;
};

struct pol_typed {
    const struct pol_type_of *type; // NULL: unknown, after a complaint
    const struct pol_known *known;  // what is there if the expression is true
    bool ok;
};

// Complains once about each fault of each node, whatever the number of environments. `known` is what is there already.
struct pol_typed pol_check_condition(struct pol_check *c, struct pol_core *e, const struct pol_known *known);
// The value that @filter asks of a field of records: a String, Long or Bool, or a set of those. Likewise.
void pol_check_field_value(struct pol_check *c, struct pol_core *e, const struct pol_known *known);

#endif

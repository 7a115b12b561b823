// SPDX-License-Identifier: GPL-3.0-or-later
// Everything that a policy set is made of, as texts: gathered first, from files (policy_files.h) or from one archive, and
// compiled and validated then, whole. Texts of policies that stand together may belong to an owner, who is confined to some
// resources (policy/set.h).
//
// Validation is Cedar's strict one, as `policy check` does it: against the schemas among the texts or, without any, the shipped one. Either is cut to
// the actions of the role that decides by the set: a policy for any action is one for any of its own. Entities texts may leave out
// what requests bring.
#ifndef SALLYPORT_CONFIG_POLICY_TEXTS_H
#define SALLYPORT_CONFIG_POLICY_TEXTS_H

#include "gateway/base/buf.h"
#include "policy/set.h"

// Who decides by the set: that gives the built-in actions.
enum gw_policy_role { GW_POLICY_GATEWAY, GW_POLICY_AUTHORITY };

// Appends the actions of a role and their groups as an entities text: `action in Action::"readonly"` then means what docs/policy.md says. Such a
// text has the name below. False when out of memory.
#define GW_POLICY_ACTIONS SPAN("built-in actions")
bool gw_policy_actions(enum gw_policy_role role, struct buf *out);

struct gw_policy_list {
    struct pol_source *v;
    size_t n, cap;
};

struct gw_policy_texts {
    struct arena arena; // of all names and texts
    struct gw_policy_list policies, entities, schemas, links;
    struct pol_owner *owners;
    size_t owners_n;
    // What gw_policy_texts_options makes of the links.
    struct pol_link *linked;
    size_t linked_n;
};

void gw_policy_texts_init(struct gw_policy_texts *t);
void gw_policy_texts_fini(struct gw_policy_texts *t);

// Adds a text to one of the lists above; both are copied. False when out of memory.
bool gw_policy_texts_add(struct gw_policy_texts *t, struct gw_policy_list *list, struct span name, struct span text);
// The same for entities, which are YAML when the name ends in .yaml or .yml. False after a complaint.
bool gw_policy_texts_add_entities(struct gw_policy_texts *t, struct span name, struct span text, struct diags *diags);
// The policies that are added from here to gw_policy_texts_owned belong to `name`, who is confined to `within`, a Cedar entity such as
// Namespace::"team-a". False: it is none, or out of memory.
bool gw_policy_texts_owner(struct gw_policy_texts *t, struct span name, struct span within);
void gw_policy_texts_owned(struct gw_policy_texts *t);

// The gateway's rules for a set of these texts, with the actions of `role` among the entities. Once. The options borrow from the texts. False after
// a complaint.
bool gw_policy_texts_options(struct gw_policy_texts *t, enum gw_policy_role role, struct pol_options *out,
                             struct diags *diags);
struct pol_schema;
// Cuts a schema to the actions of a role: neither is ever asked about the other's.
void gw_policy_confine(struct pol_schema *s, enum gw_policy_role role);
// Holds policies, links and entities to the schema. Errors and warnings in `diags`.
void gw_policy_texts_validate(const struct gw_policy_texts *t, enum gw_policy_role role,
                              const struct pol_options *options, struct diags *diags);
// Both, and the set. NULL with errors in `diags` (warnings may be there on success).
struct pol_set *gw_policy_texts_compile(struct gw_policy_texts *t, enum gw_policy_role role, bool validate,
                                        struct diags *diags);

#endif

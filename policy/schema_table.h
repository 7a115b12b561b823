// SPDX-License-Identifier: GPL-3.0-or-later
// A schema as the validator asks it: everything resolved, and by number. Numbers are those of `names`: of its types for
// entity types, of its uids for actions. Nothing changes once it is built.
#ifndef SALLYPORT_POLICY_SCHEMA_TABLE_H
#define SALLYPORT_POLICY_SCHEMA_TABLE_H

#include "policy/schema_ast.h"
#include "policy/type.h"
#include "policy/uid.h"

// The same set of numbers, however it came about: ascending, without repetitions.
struct pol_numbers {
    uint32_t *at;
    uint32_t n;
};

struct pol_schema_entity {
    bool declared;
    bool action; // the type of actions; declared by them
    struct span name;
    const struct pol_type_of *self;
    const struct pol_type_of *attrs; // a record
    const struct pol_type_of *tags;  // NULL: none
    struct pol_numbers parents, ancestors;
    const struct span *choices; // of an enumeration; NULL: it is none
    uint32_t n_choices;
};

struct pol_schema_action {
    bool declared;
    struct span id;
    uint32_t type;
    const struct pol_type_of *context; // a record
    struct pol_numbers principals, resources;
    struct pol_numbers parents, ancestors;
};

struct pol_schema {
    struct arena arena;
    struct pol_uids names;
    struct pol_types types;
    struct pol_schema_entity *entities; // as many as names.types
    struct pol_schema_action *actions;  // as many as names.uids
    uint32_t n_entities, n_actions;     // declared
};

// The type of actions, in whatever namespace.
bool pol_schema_action_type(struct span name);
bool pol_numbers_have(const struct pol_numbers *s, uint32_t number);

// Whether the type is known, and can an entity of type `inner` be in one of type `outer`.
const struct pol_schema_entity *pol_schema_entity(const struct pol_schema *s, struct span name);
const struct pol_schema_action *pol_schema_action(const struct pol_schema *s, struct span type, struct span id);
bool pol_schema_type_in(const struct pol_schema *s, uint32_t inner, uint32_t outer);
bool pol_schema_chosen(const struct pol_schema_entity *e, struct span id);

// Near misses, for complaints; SPAN_NONE if nothing is near.
struct span pol_schema_near_type(const struct pol_schema *s, struct span name);
struct span pol_schema_near_action(const struct pol_schema *s, struct span type, struct span id);

// schema_close.c: ancestors from parents. False when it reported what is wrong with them.
bool pol_schema_close(struct pol_schema *s, struct diags *diags);

#endif

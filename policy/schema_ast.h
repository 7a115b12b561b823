// SPDX-License-Identifier: GPL-3.0-or-later
// What the readers of the two syntaxes make of a schema's texts: the declarations as written, with names not yet
// resolved. All of it lives in an arena of the schema's making.
#ifndef SALLYPORT_POLICY_SCHEMA_AST_H
#define SALLYPORT_POLICY_SCHEMA_AST_H

#include "policy/ast.h"
#include "policy/schema.h"

enum pol_decl_type_kind {
    DECL_NAME,   // an entity type or a common type
    DECL_COMMON, // a common type
    DECL_ENTITY, // an entity type
    DECL_PLAIN,  // .plain
    DECL_SET,    // .element
    DECL_RECORD, // .fields
};

struct pol_decl_field {
    struct span name;
    struct pol_place place;
    bool optional;
    struct pol_decl_type *type;
    struct pol_decl_field *next;
};

struct pol_decl_type {
    uint8_t kind;  // enum pol_decl_type_kind
    uint8_t plain; // enum pol_type_kind
    struct pol_place place;
    struct span name;
    struct pol_decl_type *element;
    struct pol_decl_field *fields;
};

struct pol_decl_name {
    struct span name;
    struct span type; // of an action's parent; SPAN_NONE: Action
    struct pol_place place;
    struct pol_decl_name *next;
};

// One declaration may declare several names.
struct pol_decl_entity {
    struct pol_decl_name *names, *parents;
    struct pol_decl_type *attrs, *tags; // NULL: none
    struct pol_decl_name *choices;      // of an enumeration; NULL: it is none
    struct pol_decl_entity *next;
};

struct pol_decl_action {
    struct pol_decl_name *names, *parents;
    struct pol_decl_name *principals, *resources;
    struct pol_decl_type *context; // NULL: empty
    struct pol_decl_action *next;
};

struct pol_decl_common {
    struct span name;
    struct pol_place place;
    struct pol_decl_type *type;
    struct pol_decl_common *next;
};

struct pol_decl_namespace {
    struct span file;
    struct span name; // empty: the empty namespace
    struct pol_place place;
    struct pol_decl_entity *entities;
    struct pol_decl_action *actions;
    struct pol_decl_common *commons;
    struct pol_decl_namespace *next;
};

// Each reads one text and appends to *list what it declares. False when it reported an error. Names borrow from the text.
bool pol_schema_parse(struct arena *a, struct span file, struct span text, struct pol_decl_namespace **list,
                      struct diags *diags);
bool pol_schema_read_json(struct arena *a, struct span file, struct span text, struct pol_decl_namespace **list,
                          struct diags *diags);

// Whether a common type may have this name; "Set", "Long" and others mean something else in one of the syntaxes.
bool pol_schema_common_name_free(struct span name);

#endif

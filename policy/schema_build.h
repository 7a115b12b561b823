// SPDX-License-Identifier: GPL-3.0-or-later
// A schema under construction: what its declarations declare, by number, and what the names in them stand for. Between
// schema.c, which makes the tables, and schema_names.c.
#ifndef SALLYPORT_POLICY_SCHEMA_BUILD_H
#define SALLYPORT_POLICY_SCHEMA_BUILD_H

#include "policy/schema_table.h"

enum pol_build_state { COMMON_NEW, COMMON_OPEN, COMMON_DONE };

struct pol_build_common {
    const struct pol_decl_namespace *ns;
    const struct pol_decl_common *decl;
    enum pol_build_state state;
    const struct pol_type_of *type; // once done; NULL: it has an error
};

// Where an entity type or an action was declared.
struct pol_build_site {
    const struct pol_decl_namespace *ns;
    const struct pol_decl_entity *entity;
    const struct pol_decl_action *action;
    struct pol_place place;
};

POL_VEC(pol_build_commons, struct pol_build_common);
POL_VEC(pol_build_sites, struct pol_build_site);

struct pol_build {
    struct pol_schema *s;
    struct diags *diags;
    struct arena scratch; // declarations
    struct pol_decl_namespace *namespaces;
    struct pol_uids common_names;          // as types
    struct pol_build_commons commons;      // by their number
    struct pol_build_sites types, actions; // by theirs
    bool plain_hidden[TYPE_PLAIN];         // somebody declared the name
    unsigned depth;
    bool memory;
};

enum { FIND_COMMON = 1, FIND_ENTITY = 2 };

struct pol_build_found {
    enum { FOUND_NONE, FOUND_PLAIN, FOUND_COMMON, FOUND_ENTITY } what;
    uint32_t number;
};

enum { CANDIDATES = 512, SUGGESTIONS_MOST = 100 };

// Reports, and returns false. `ns` tells the file; NULL: none.
bool pol_build_fail(struct pol_build *b, const struct pol_decl_namespace *ns, struct pol_place at, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
bool pol_build_no_memory(struct pol_build *b);
struct span pol_build_qualify(struct pol_build *b, struct span ns, struct span name); // SPAN_NONE when out of memory
bool pol_build_qualified(struct span name);

// Gives every name that is declared its number. False when nothing further can be done.
bool pol_build_declare(struct pol_build *b);
// What is declared inside of a namespace may not have the name of what is declared outside of all.
void pol_build_shadowing(struct pol_build *b);
// What a name stands for, said in this namespace; `where`: FIND_COMMON | FIND_ENTITY.
struct pol_build_found pol_build_look_up(struct pol_build *b, const struct pol_decl_namespace *ns, struct span name,
                                         unsigned where);
void pol_build_undefined(struct pol_build *b, const struct pol_decl_namespace *ns, struct pol_place at,
                         struct span name, unsigned where);

#endif

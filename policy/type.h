// SPDX-License-Identifier: GPL-3.0-or-later
// The types a schema gives to values, as Cedar's strict validator has them: true and false are types of their own below
// Bool, entities of different types have no type above them, and neither have records of different fields.
//
// A type is a tree that shares its parts and never changes. Those of a schema are interned: two of them are the same
// exactly when their pointers are; so no comparison ever unfolds what common types share.
#ifndef SALLYPORT_POLICY_TYPE_H
#define SALLYPORT_POLICY_TYPE_H

#include "policy/ext.h"

enum pol_type_kind {
    TYPE_BOOL,
    TYPE_TRUE,
    TYPE_FALSE,
    TYPE_LONG,
    TYPE_STRING,
    TYPE_DECIMAL,
    TYPE_IP,
    TYPE_DATETIME,
    TYPE_DURATION,
    TYPE_PLAIN, // how many there are of those above, which have no parts
    TYPE_ENTITY = TYPE_PLAIN,
    TYPE_SET,
    TYPE_RECORD,
};

struct pol_type_of;

// What an extension function takes and gives: of enum pol_type_kind.
struct pol_type_signature {
    uint8_t argument, second, result; // without a second one that is 0
};

struct pol_type_field {
    struct span name;
    const struct pol_type_of *type;
    bool optional;
};

struct pol_type_of {
    uint8_t kind; // enum pol_type_kind
    uint32_t n;   // fields of a record
    uint32_t hash;
    uint32_t depth;   // of sets and records within each other
    uint32_t entity;  // number of the schema's entity type
    struct span name; // of the entity type
    const struct pol_type_of *element;
    const struct pol_type_field *fields; // in the order of pol_name_cmp
};

// The types without parts, TYPE_BOOL to TYPE_DURATION.
const struct pol_type_of *pol_type_plain(enum pol_type_kind kind);
// "Bool", "ipaddr", …: what a schema calls it.
struct span pol_type_plain_name(enum pol_type_kind kind);
const struct pol_type_signature *pol_type_signature(enum pol_ext_fn fn);

// A table that hands out equal types as the same pointer. The arena is the owner of both.
struct pol_types {
    struct arena *arena;
    const struct pol_type_of **slots;
    uint32_t n, n_slots;
};

// Common types within common types: no deeper than this, which the schema's reader checks.
#define POL_TYPE_DEPTH 128u

// Each NULL when out of memory. `fields` are copied, and must be in order without repetitions; names are borrowed.
const struct pol_type_of *pol_types_entity(struct pol_types *t, uint32_t entity, struct span name);
const struct pol_type_of *pol_types_set(struct pol_types *t, const struct pol_type_of *element);
const struct pol_type_of *pol_types_record(struct pol_types *t, const struct pol_type_field *fields, uint32_t n);

// The field, or NULL.
const struct pol_type_field *pol_type_field(const struct pol_type_of *record, struct span name);

// The least type above both, in the strict sense; NULL when there is none. New types are the arena's; NULL, too, with
// arena->failed when it is full.
const struct pol_type_of *pol_type_join(struct arena *a, const struct pol_type_of *x, const struct pol_type_of *y);
bool pol_type_same(const struct pol_type_of *x, const struct pol_type_of *y);

// As a schema would write it, cut when long. NUL-terminated.
#define POL_TYPE_TEXT 160
void pol_type_text(const struct pol_type_of *t, char out[POL_TYPE_TEXT]);

#endif

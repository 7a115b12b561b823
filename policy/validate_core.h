// SPDX-License-Identifier: GPL-3.0-or-later
// A condition in the few forms that Cedar's validator knows: `!=` is a negated `==`, `has a.b` two tests joined by &&, and
// every chain a tree that leans to the left. Whoever walks it goes down the first operands with a loop (they are the deep
// ones: a && b && …, a.b.c…) and recurses into the others, which nest no deeper than the parser allows.
//
// Nodes of the same shape – the same expression, wherever it stands – have the same number. What is known of an expression
// is known by that.
#ifndef SALLYPORT_POLICY_VALIDATE_CORE_H
#define SALLYPORT_POLICY_VALIDATE_CORE_H

#include "policy/ast.h"

enum pol_core_kind {
    // without a first operand
    CORE_BOOL,
    CORE_LONG,
    CORE_STRING,
    CORE_ENTITY,
    CORE_VAR,
    CORE_SET,    // list
    CORE_RECORD, // list, each with .text the name and .a the value
    // with one
    CORE_AND,
    CORE_OR,
    CORE_NOT,
    CORE_NEG,
    CORE_EQ,
    CORE_LESS, // < or <=
    CORE_ARITHMETIC,
    CORE_IN,
    CORE_CONTAINS,
    CORE_CONTAINS_ALL,
    CORE_CONTAINS_ANY,
    CORE_IS_EMPTY,
    CORE_HAS_TAG,
    CORE_GET_TAG,
    CORE_GET, // .text
    CORE_HAS, // .text
    CORE_LIKE,
    CORE_IS, // .type
    CORE_IF,
    CORE_CALL, // .fn; .a the first argument or NULL, list the others
    // parts of shapes
    CORE_FIELD,
    CORE_ITEM,
    CORE_KNOWN_ATTR,
    CORE_KNOWN_TAG,
};

struct pol_core {
    uint8_t kind; // enum pol_core_kind
    uint8_t op;   // enum pol_variable, pol_ext_fn, or what tells < from <=, + from *
    uint8_t told; // complaints about this node were made, a bit each
    uint32_t n;   // of the list
    uint32_t shape;
    struct pol_place place;
    int64_t number;
    struct span text, type;
    struct pol_core *a, *b, *c;
    struct pol_core *first, *next;
};

// Something of which equal ones get the same number.
struct pol_shape {
    uint8_t kind, op;
    uint32_t a, b, c;
    int64_t number;
    struct span text, type;
    uint32_t hash;
};

struct pol_shapes {
    struct arena *arena;
    struct pol_shape *at;
    uint32_t n, cap;
    uint32_t *slots; // number + 1
    uint32_t n_slots;
};

#define POL_SHAPE_NONE UINT32_MAX

void pol_shapes_init(struct pol_shapes *s, struct arena *arena);
// POL_SHAPE_NONE when out of memory. Spans are borrowed.
uint32_t pol_shapes_add(struct pol_shapes *s, struct pol_shape like);

// The condition as a core expression, in the shapes' arena. NULL when out of memory, or with `*wrong` at what is too long
// to be looked at.
struct pol_core *pol_core_make(struct pol_shapes *s, const struct pol_node *node, const struct pol_node **wrong);
struct pol_core *pol_core_not(struct pol_shapes *s, struct pol_core *inner);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// What the parser makes of Cedar text: policies with their scope as data and their conditions as trees. Chains (a && b
// && c, a + b - c, a.b.c) are one node with a list of children, so that the depth of a tree is the nesting somebody
// wrote, which the parser bounds. All of it lives in the parser's arena.
#ifndef SALLYPORT_POLICY_AST_H
#define SALLYPORT_POLICY_AST_H

#include "policy/obligation.h"
#include "policy/set.h"

struct pol_place {
    unsigned line, column;
};

enum pol_node_kind {
    NODE_BOOL,   // .number
    NODE_LONG,   // .number
    NODE_STRING, // .text
    NODE_ENTITY, // .type, .text
    NODE_VAR,    // .var
    NODE_SET,    // children
    NODE_RECORD, // children, each with .text the field's name, sorted by it
    NODE_AND,    // children, two or more
    NODE_OR,
    NODE_NOT, // one child
    NODE_NEG,
    NODE_RELATION, // two children, .op
    NODE_CHAIN,    // + - *: children, each but the first with the .op that joins it to what is before
    NODE_MEMBER,   // children: the base, then accessors
    NODE_IF,       // three children
    NODE_HAS,      // one child and .path
    NODE_LIKE,     // one child, .text and .wild
    NODE_IS,       // one child, .type; a second child for `is … in`
    NODE_CALL,     // .fn, its arguments
    // accessors of NODE_MEMBER
    NODE_GET,    // .text
    NODE_METHOD, // .op, at most one child; OPERATOR_EXTENSION: .fn, any number
};

enum pol_operator {
    OPERATOR_NONE,
    OPERATOR_EQ,
    OPERATOR_NE,
    OPERATOR_LT,
    OPERATOR_LE,
    OPERATOR_GT,
    OPERATOR_GE,
    OPERATOR_IN,
    OPERATOR_ADD,
    OPERATOR_SUB,
    OPERATOR_MUL,
    OPERATOR_CONTAINS,
    OPERATOR_CONTAINS_ALL,
    OPERATOR_CONTAINS_ANY,
    OPERATOR_IS_EMPTY,
    OPERATOR_GET_TAG,
    OPERATOR_HAS_TAG,
    OPERATOR_EXTENSION,
};

enum pol_variable { VAR_PRINCIPAL, VAR_ACTION, VAR_RESOURCE, VAR_CONTEXT };

struct pol_name_list {
    struct span name;
    struct pol_name_list *next;
};

struct pol_node {
    uint8_t kind;  // enum pol_node_kind
    uint8_t op;    // enum pol_operator
    uint8_t joint; // enum pol_operator that joins a child of NODE_CHAIN to what is before it
    uint8_t var;   // enum pol_variable
    uint8_t fn;    // enum pol_ext_fn
    uint32_t n;    // children
    struct pol_place place;
    int64_t number;
    struct span text;
    struct span type;
    const bool *wild;
    struct pol_name_list *path;
    struct pol_node *first, *next; // first child, next sibling
};

enum pol_scope_op { SCOPE_ANY, SCOPE_EQ, SCOPE_IN, SCOPE_IS, SCOPE_IS_IN };

struct pol_ast_uid {
    struct span type, id;
    struct pol_ast_uid *next;
};

struct pol_ast_scope {
    enum pol_scope_op op;
    struct span type;         // IS, IS_IN
    struct pol_ast_uid *uids; // EQ, IN, IS_IN: one, or none and `slot`; an action's IN: any number
    uint32_t n;
    bool slot;
};

struct pol_ast_condition {
    bool unless;
    struct pol_node *expr;
    struct pol_ast_condition *next;
};

struct pol_ast_annotation {
    struct span name, value;
    struct span second; // of @filter with two texts; else SPAN_NONE
    struct pol_place place;
    struct pol_ast_annotation *next;
};

// What an annotation obliges to, under strict_annotations.
struct pol_ast_obligation {
    enum pol_obligation_kind kind;
    struct pol_place place;
    struct span field;      // FILTER
    struct pol_node *value; // FILTER
    uint64_t count;         // LIMIT
    int64_t period_ms;      // LIMIT
    struct pol_ast_obligation *next;
};

struct pol_ast_policy {
    struct pol_place place;
    enum pol_effect effect;
    struct pol_ast_annotation *annotations;
    uint32_t n_annotations;
    struct pol_ast_obligation *obligations; // in order
    uint32_t n_obligations;
    struct pol_ast_scope principal, action, resource;
    struct pol_ast_condition *conditions;
    struct pol_ast_policy *next;
};

#endif

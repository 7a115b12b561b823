// SPDX-License-Identifier: GPL-3.0-or-later
// Expressions, by Cedar's grammar: or, and, relation, sum, product, unary; parse_member.c has what binds tighter. Only
// pol_parse_expr recurses into itself (through brackets, arguments and if), and it counts.
#include "policy/parse.h"

struct pol_node *pol_parse_node(struct pol_parser *p, enum pol_node_kind kind, struct pol_place at)
{
    struct pol_node *n = pol_parse_alloc(p, sizeof *n);

    if (n) {
        n->kind = (uint8_t)kind;
        n->place = at;
    }
    return n;
}

struct pol_node *pol_parse_add(struct pol_node_list *l, struct pol_node *child)
{
    if (!child)
        return NULL;
    if (l->last)
        l->last->next = child;
    else
        l->parent->first = child;
    l->last = child;
    l->parent->n++;
    return child;
}

struct pol_node_list pol_parse_chain(struct pol_parser *p, enum pol_node_kind kind, struct pol_node *first,
                                     struct pol_place at)
{
    struct pol_node_list l = { .parent = pol_parse_node(p, kind, at) };

    if (l.parent)
        pol_parse_add(&l, first);
    return l;
}

// ------------------------------------------------------------------------------------------------------ operators

enum { UNARY_MOST = 4 };

static struct pol_node *unary(struct pol_parser *p)
{
    enum pol_token_kind sign = p->token.kind;
    struct pol_place at[UNARY_MOST];
    struct pol_node *inner, *outer;
    unsigned n = 0;

    if (sign != TOK_NOT && sign != TOK_MINUS)
        return pol_parse_member(p);
    for (; p->token.kind == sign; n++) {
        if (n == UNARY_MOST) {
            pol_parse_fail(p, pol_parse_place(p), "more than four '%s' in a row; remove pairs",
                           sign == TOK_NOT ? "!" : "-");
            return NULL;
        }
        at[n] = pol_parse_place(p);
        pol_parse_next(p);
    }
    // -9223372036854775808 is a literal; the sign belongs to the number unless something is accessed on it.
    if (sign == TOK_MINUS && p->token.kind == TOK_NUMBER && !pol_parse_accessible(pol_parse_ahead(p)->kind)) {
        inner = pol_parse_number(p, true);
        n--;
    } else {
        inner = pol_parse_member(p);
    }
    while (inner && n-- > 0) {
        outer = pol_parse_node(p, sign == TOK_NOT ? NODE_NOT : NODE_NEG, at[n]);
        if (!outer)
            return NULL;
        outer->first = inner;
        outer->n = 1;
        inner = outer;
    }
    return inner;
}

static enum pol_operator joint(enum pol_token_kind kind, bool product)
{
    return product             ? kind == TOK_STAR ? OPERATOR_MUL : OPERATOR_NONE
           : kind == TOK_PLUS  ? OPERATOR_ADD
           : kind == TOK_MINUS ? OPERATOR_SUB
                               : OPERATOR_NONE;
}

static struct pol_node *arithmetic(struct pol_parser *p, bool product)
{
    struct pol_node *first = product ? unary(p) : arithmetic(p, true);
    struct pol_node_list l = { 0 };
    enum pol_operator op;

    while (first && (op = joint(p->token.kind, product)) != OPERATOR_NONE) {
        struct pol_place at = pol_parse_place(p);
        struct pol_node *child;

        if (!l.parent && !(l = pol_parse_chain(p, NODE_CHAIN, first, at)).parent)
            return NULL;
        pol_parse_next(p);
        child = product ? unary(p) : arithmetic(p, true);
        if (!pol_parse_add(&l, child))
            return NULL;
        child->joint = (uint8_t)op;
    }
    if (first && (p->token.kind == TOK_SLASH || p->token.kind == TOK_PERCENT)) {
        pol_parse_fail(p, pol_parse_place(p), "Cedar has no '%c'; compare multiples instead",
                       p->token.kind == TOK_SLASH ? '/' : '%');
        return NULL;
    }
    return l.parent ? l.parent : first;
}

struct pol_node *pol_parse_sum(struct pol_parser *p)
{
    return arithmetic(p, false);
}

// `has a.b.c` or `has "any string"`.
static bool has_path(struct pol_parser *p, struct pol_node *n)
{
    struct pol_name_list **tail = &n->path;
    bool quoted = p->token.kind == TOK_STRING;

    do {
        if (n->path)
            pol_parse_next(p);
        if (!(*tail = pol_parse_alloc(p, sizeof **tail)))
            return false;
        if (quoted) {
            (*tail)->name = pol_parse_string(p, false, NULL);
        } else if (pol_parse_ident_ok(p)) {
            (*tail)->name = p->token.text;
            pol_parse_next(p);
        }
        if (span_is_none((*tail)->name))
            return false;
        tail = &(*tail)->next;
        n->n++;
    } while (p->token.kind == TOK_DOT && !quoted);
    return true;
}

static struct pol_node *has(struct pol_parser *p, struct pol_node *left, struct pol_place at)
{
    struct pol_node *n = pol_parse_node(p, NODE_HAS, at);

    if (!n)
        return NULL;
    n->first = left;
    return has_path(p, n) ? n : NULL;
}

static struct pol_node *like(struct pol_parser *p, struct pol_node *left, struct pol_place at)
{
    struct pol_node *n = pol_parse_node(p, NODE_LIKE, at);

    if (!n)
        return NULL;
    n->first = left;
    n->n = 1;
    n->text = pol_parse_string(p, true, &n->wild);
    return span_is_none(n->text) ? NULL : n;
}

static struct pol_node *is(struct pol_parser *p, struct pol_node *left, struct pol_place at)
{
    struct pol_node_list l = pol_parse_chain(p, NODE_IS, left, at);

    if (!l.parent)
        return NULL;
    l.parent->type = pol_parse_path(p);
    if (span_is_none(l.parent->type))
        return NULL;
    if (pol_parse_word(p, "in")) {
        pol_parse_next(p);
        if (!pol_parse_add(&l, arithmetic(p, false)))
            return NULL;
    }
    return l.parent;
}

static enum pol_operator relation_op(const struct pol_parser *p)
{
    switch (p->token.kind) {
    case TOK_EQ: return OPERATOR_EQ;
    case TOK_NE: return OPERATOR_NE;
    case TOK_LT: return OPERATOR_LT;
    case TOK_LE: return OPERATOR_LE;
    case TOK_GT: return OPERATOR_GT;
    case TOK_GE: return OPERATOR_GE;
    default: return pol_parse_word(p, "in") ? OPERATOR_IN : OPERATOR_NONE;
    }
}

static struct pol_node *relation(struct pol_parser *p)
{
    struct pol_node *left = arithmetic(p, false);
    struct pol_place at = pol_parse_place(p);
    enum pol_operator op;
    struct pol_node_list l;

    if (!left)
        return NULL;
    if (pol_parse_word(p, "has")) {
        pol_parse_next(p);
        left = has(p, left, at);
    } else if (pol_parse_word(p, "like")) {
        pol_parse_next(p);
        left = like(p, left, at);
    } else if (pol_parse_word(p, "is")) {
        pol_parse_next(p);
        left = is(p, left, at);
    } else if ((op = relation_op(p)) != OPERATOR_NONE) {
        l = pol_parse_chain(p, NODE_RELATION, left, at);
        if (!l.parent)
            return NULL;
        pol_parse_next(p);
        l.parent->op = (uint8_t)op;
        left = pol_parse_add(&l, arithmetic(p, false)) ? l.parent : NULL;
    } else {
        return left;
    }
    if (left && (relation_op(p) != OPERATOR_NONE || pol_parse_word(p, "has") || pol_parse_word(p, "like") ||
                 pol_parse_word(p, "is"))) {
        pol_parse_fail(p, pol_parse_place(p), "two comparisons in a row; put parentheses around one");
        return NULL;
    }
    return left;
}

static struct pol_node *logical(struct pol_parser *p, enum pol_node_kind kind)
{
    struct pol_node *first = kind == NODE_OR ? logical(p, NODE_AND) : relation(p);
    enum pol_token_kind sign = kind == NODE_OR ? TOK_OR : TOK_AND;
    struct pol_node_list l = { 0 };

    while (first && p->token.kind == sign) {
        if (!l.parent && !(l = pol_parse_chain(p, kind, first, pol_parse_place(p))).parent)
            return NULL;
        pol_parse_next(p);
        if (!pol_parse_add(&l, kind == NODE_OR ? logical(p, NODE_AND) : relation(p)))
            return NULL;
    }
    return l.parent ? l.parent : first;
}

static struct pol_node *conditional(struct pol_parser *p)
{
    static const char *const words[] = { NULL, "then", "else" };
    struct pol_node_list l = { .parent = pol_parse_node(p, NODE_IF, pol_parse_place(p)) };

    if (!l.parent)
        return NULL;
    for (unsigned i = 0; i < 3; i++) {
        if (words[i] && !pol_parse_word(p, words[i])) {
            pol_parse_unexpected(p, i == 1 ? "an operator or 'then'" : "an operator or 'else'");
            return NULL;
        }
        pol_parse_next(p);
        if (!pol_parse_add(&l, pol_parse_expr(p)))
            return NULL;
    }
    return l.parent;
}

struct pol_node *pol_parse_expr(struct pol_parser *p)
{
    struct pol_node *n;

    if (p->depth >= POL_DEPTH_MAX) {
        pol_parse_fail(p, pol_parse_place(p), "nested deeper than %u; simplify the expression", POL_DEPTH_MAX);
        return NULL;
    }
    p->depth++;
    n = pol_parse_word(p, "if") ? conditional(p) : logical(p, NODE_OR);
    p->depth--;
    return n;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Expressions, by Cedar's grammar: or, and, relation, sum, product, unary, member, primary. Only expr() recurses into itself (through
// brackets, arguments and if), and it counts.
#include "policy/parse.h"
#include "policy/uid.h"

static struct pol_node *node(struct pol_parser *p, enum pol_node_kind kind, struct pol_place at)
{
    struct pol_node *n = pol_parse_alloc(p, sizeof *n);

    if (n) {
        n->kind = (uint8_t)kind;
        n->place = at;
    }
    return n;
}

// A list of children under construction.
struct list {
    struct pol_node *parent, *last;
};

static struct pol_node *add(struct list *l, struct pol_node *child)
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

// Turns `first` into the first child of a new node, where a chain continues.
static struct list chain(struct pol_parser *p, enum pol_node_kind kind, struct pol_node *first, struct pol_place at)
{
    struct list l = { .parent = node(p, kind, at) };

    if (l.parent)
        add(&l, first);
    return l;
}

// -------------------------------------------------------------------------------------------------------- primary

static struct pol_node *elements(struct pol_parser *p)
{
    struct list l = { .parent = node(p, NODE_SET, pol_parse_place(p)) };

    if (!l.parent)
        return NULL;
    pol_parse_next(p);
    while (p->token.kind != TOK_RBRACKET) {
        if (!add(&l, pol_parse_expr(p)))
            return NULL;
        if (l.parent->n > POL_ELEMENTS_MAX) {
            pol_parse_fail(p, l.parent->place, "a set of more than %u elements; put the data into entities",
                POL_ELEMENTS_MAX);
            return NULL;
        }
        if (p->token.kind != TOK_COMMA)
            break;
        pol_parse_next(p);
    }
    return pol_parse_take(p, TOK_RBRACKET, "an operator, ',' or ']'") ? l.parent : NULL;
}

static struct span field_name(struct pol_parser *p)
{
    struct span s;

    if (p->token.kind == TOK_STRING)
        return pol_parse_string(p, false, NULL);
    if (!pol_parse_ident_ok(p))
        return SPAN_NONE;
    s = p->token.text;
    pol_parse_next(p);
    return s;
}

// Fields in the order of their names, so that evaluation yields a record that is in order; false when the name is there already.
static bool place_field(struct pol_node *record, struct pol_node *wrapper)
{
    struct pol_node **at = &record->first;

    while (*at && pol_name_cmp((*at)->text, wrapper->text) < 0)
        at = &(*at)->next;
    if (*at && pol_name_cmp((*at)->text, wrapper->text) == 0)
        return false;
    wrapper->next = *at;
    *at = wrapper;
    record->n++;
    return true;
}

enum { FIELDS_MOST = 256 };

static struct pol_node *fields(struct pol_parser *p)
{
    struct pol_node *record = node(p, NODE_RECORD, pol_parse_place(p)), *field;

    if (!record)
        return NULL;
    pol_parse_next(p);
    while (p->token.kind != TOK_RBRACE) {
        // The field is a GET node that holds the name, with the value as its child.
        field = node(p, NODE_GET, pol_parse_place(p));
        if (!field)
            return NULL;
        field->text = field_name(p);
        if (span_is_none(field->text) || !pol_parse_take(p, TOK_COLON, "':'"))
            return NULL;
        field->n = 1;
        if (!(field->first = pol_parse_expr(p)))
            return NULL;
        if (!place_field(record, field)) {
            pol_parse_fail(p, field->place, "the record has '%.*s' twice; keep one", SPAN_FMT(span_sub(field->text, 0, 64)));
            return NULL;
        }
        if (record->n > FIELDS_MOST) {
            pol_parse_fail(p, record->place, "a record of more than %d fields; put the data into entities", FIELDS_MOST);
            return NULL;
        }
        if (p->token.kind != TOK_COMMA)
            break;
        pol_parse_next(p);
    }
    return pol_parse_take(p, TOK_RBRACE, "an operator, ',' or '}'") ? record : NULL;
}

static struct pol_node *number(struct pol_parser *p, bool negative)
{
    struct pol_node *n = node(p, NODE_LONG, pol_parse_place(p));
    struct span s = p->token.text;
    uint64_t v = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            v = UINT64_MAX;
        if (v > (uint64_t)INT64_MAX + negative) {
            pol_parse_fail(p, pol_parse_place(p), "%.*s does not fit in 64 bits; longs go up to 9223372036854775807",
                SPAN_FMT(span_sub(s, 0, 40)));
            return NULL;
        }
    }
    if (n)
        n->number = negative ? (int64_t)(0 - v) : (int64_t)v;
    pol_parse_next(p);
    return n;
}

static bool extension(struct span name)
{
    static const struct span names[] = { SPAN("ip"), SPAN("decimal"), SPAN("datetime"), SPAN("duration") };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (span_eq(name, names[i]))
            return true;
    return false;
}

// A variable, true, false, or an entity Type::"id".
static struct pol_node *named(struct pol_parser *p)
{
    static const struct span variables[] = { SPAN("principal"), SPAN("action"), SPAN("resource"), SPAN("context") };
    struct pol_place at = pol_parse_place(p);
    struct pol_node *n;
    struct span name, near;

    if (pol_parse_word(p, "true") || pol_parse_word(p, "false")) {
        if ((n = node(p, NODE_BOOL, at)))
            n->number = pol_parse_word(p, "true");
        pol_parse_next(p);
        return n;
    }
    if (pol_parse_word(p, "if")) {
        pol_parse_fail(p, at, "'if' inside an operator; put parentheses around it");
        return NULL;
    }
    name = pol_parse_path(p);
    if (span_is_none(name))
        return NULL;
    if (p->token.kind == TOK_PATH) {
        pol_parse_next(p);
        if (!(n = node(p, NODE_ENTITY, at)))
            return NULL;
        n->type = name;
        n->text = pol_parse_string(p, false, NULL);
        return span_is_none(n->text) ? NULL : n;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (span_eq(name, variables[i]) && p->token.kind != TOK_LPAREN) {
            if ((n = node(p, NODE_VAR, at)))
                n->var = (uint8_t)i;
            return n;
        }
    }
    name = span_sub(name, 0, 64);
    near = diag_suggest(name, variables, 4);
    if (p->token.kind == TOK_LPAREN && extension(name))
        pol_parse_fail(p, at, "%.*s(): extension types are not supported by this version; compare strings or longs",
            SPAN_FMT(name));
    else if (p->token.kind == TOK_LPAREN)
        pol_parse_fail(p, at, "there is no function '%.*s'", SPAN_FMT(name));
    else if (!span_is_none(near))
        pol_parse_fail(p, at, "unknown name '%.*s'; did you mean '%.*s'?", SPAN_FMT(name), SPAN_FMT(near));
    else
        pol_parse_fail(p, at, "unknown name '%.*s'; known are principal, action, resource, context, and entities such as Role::\"x\"",
            SPAN_FMT(name));
    return NULL;
}

static struct pol_node *primary(struct pol_parser *p)
{
    struct pol_node *n;

    switch (p->token.kind) {
    case TOK_NUMBER:
        return number(p, false);
    case TOK_STRING:
        n = node(p, NODE_STRING, pol_parse_place(p));
        if (!n)
            return NULL;
        n->text = pol_parse_string(p, false, NULL);
        return span_is_none(n->text) ? NULL : n;
    case TOK_IDENT:
        return named(p);
    case TOK_LPAREN:
        pol_parse_next(p);
        n = pol_parse_expr(p);
        return n && pol_parse_take(p, TOK_RPAREN, "an operator or ')'") ? n : NULL;
    case TOK_LBRACKET:
        return elements(p);
    case TOK_LBRACE:
        return fields(p);
    default:
        pol_parse_unexpected(p, "an expression");
        return NULL;
    }
}

// --------------------------------------------------------------------------------------------------------- member

static const struct {
    struct span name;
    enum pol_operator op; // NONE: known, not supported
    unsigned arguments;
} methods[] = {
    { SPAN("contains"), OPERATOR_CONTAINS, 1 },
    { SPAN("containsAll"), OPERATOR_CONTAINS_ALL, 1 },
    { SPAN("containsAny"), OPERATOR_CONTAINS_ANY, 1 },
    { SPAN("isEmpty"), OPERATOR_IS_EMPTY, 0 },
    { SPAN("getTag"), OPERATOR_NONE, 0 },
    { SPAN("hasTag"), OPERATOR_NONE, 0 },
    { SPAN("lessThan"), OPERATOR_NONE, 0 },
    { SPAN("lessThanOrEqual"), OPERATOR_NONE, 0 },
    { SPAN("greaterThan"), OPERATOR_NONE, 0 },
    { SPAN("greaterThanOrEqual"), OPERATOR_NONE, 0 },
    { SPAN("isIpv4"), OPERATOR_NONE, 0 },
    { SPAN("isIpv6"), OPERATOR_NONE, 0 },
    { SPAN("isLoopback"), OPERATOR_NONE, 0 },
    { SPAN("isMulticast"), OPERATOR_NONE, 0 },
    { SPAN("isInRange"), OPERATOR_NONE, 0 },
    { SPAN("offset"), OPERATOR_NONE, 0 },
    { SPAN("durationSince"), OPERATOR_NONE, 0 },
    { SPAN("toDate"), OPERATOR_NONE, 0 },
    { SPAN("toTime"), OPERATOR_NONE, 0 },
    { SPAN("toMilliseconds"), OPERATOR_NONE, 0 },
    { SPAN("toSeconds"), OPERATOR_NONE, 0 },
    { SPAN("toMinutes"), OPERATOR_NONE, 0 },
    { SPAN("toHours"), OPERATOR_NONE, 0 },
    { SPAN("toDays"), OPERATOR_NONE, 0 },
};

enum { METHODS = sizeof methods / sizeof *methods };

static int method(struct pol_parser *p, struct span name, struct pol_place at)
{
    struct span names[METHODS], near;

    for (int i = 0; i < METHODS; i++) {
        names[i] = methods[i].name;
        if (!span_eq(name, methods[i].name))
            continue;
        if (methods[i].op == OPERATOR_NONE) {
            pol_parse_fail(p, at, "%.*s() is not supported by this version; remove it", SPAN_FMT(name));
            return -1;
        }
        return i;
    }
    near = diag_suggest(name, names, METHODS);
    if (span_is_none(near))
        pol_parse_fail(p, at, "there is no method '%.*s'; known are contains, containsAll, containsAny, isEmpty",
            SPAN_FMT(span_sub(name, 0, 64)));
    else
        pol_parse_fail(p, at, "there is no method '%.*s'; did you mean '%.*s'?", SPAN_FMT(span_sub(name, 0, 64)),
            SPAN_FMT(near));
    return -1;
}

// ".name(" was read up to the parenthesis.
static struct pol_node *call(struct pol_parser *p, struct span name, struct pol_place at)
{
    int which = method(p, name, at);
    struct list l;

    if (which < 0)
        return NULL;
    l = (struct list){ .parent = node(p, NODE_METHOD, at) };
    if (!l.parent)
        return NULL;
    l.parent->op = (uint8_t)methods[which].op;
    pol_parse_next(p);
    while (p->token.kind != TOK_RPAREN) {
        if (!add(&l, pol_parse_expr(p)))
            return NULL;
        if (p->token.kind != TOK_COMMA || l.parent->n > methods[which].arguments)
            break;
        pol_parse_next(p);
    }
    if (l.parent->n != methods[which].arguments) {
        pol_parse_fail(p, at, "%.*s() takes %s", SPAN_FMT(name), methods[which].arguments ? "one argument" : "no arguments");
        return NULL;
    }
    return pol_parse_take(p, TOK_RPAREN, "an operator or ')'") ? l.parent : NULL;
}

static struct pol_node *accessor(struct pol_parser *p)
{
    struct pol_place at = pol_parse_place(p);
    struct pol_node *n;
    struct span name;

    if (p->token.kind == TOK_LBRACKET) {
        pol_parse_next(p);
        if (!(n = node(p, NODE_GET, at)))
            return NULL;
        n->text = pol_parse_string(p, false, NULL);
        return !span_is_none(n->text) && pol_parse_take(p, TOK_RBRACKET, "']'") ? n : NULL;
    }
    if (p->token.kind == TOK_LPAREN) {
        pol_parse_fail(p, at, "only methods and functions can be called");
        return NULL;
    }
    pol_parse_next(p);
    at = pol_parse_place(p);
    if (!pol_parse_ident_ok(p))
        return NULL;
    name = p->token.text;
    pol_parse_next(p);
    if (p->token.kind == TOK_LPAREN)
        return call(p, name, at);
    if ((n = node(p, NODE_GET, at)))
        n->text = name;
    return n;
}

static bool accessible(enum pol_token_kind kind)
{
    return kind == TOK_DOT || kind == TOK_LBRACKET || kind == TOK_LPAREN;
}

static struct pol_node *accessors(struct pol_parser *p, struct pol_node *base)
{
    struct list l;

    if (!base || !accessible(p->token.kind))
        return base;
    l = chain(p, NODE_MEMBER, base, base->place);
    if (!l.parent)
        return NULL;
    while (accessible(p->token.kind))
        if (!add(&l, accessor(p)))
            return NULL;
    return l.parent;
}

static struct pol_node *member(struct pol_parser *p)
{
    return accessors(p, primary(p));
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
        return member(p);
    for (; p->token.kind == sign; n++) {
        if (n == UNARY_MOST) {
            pol_parse_fail(p, pol_parse_place(p), "more than four '%s' in a row; remove pairs", sign == TOK_NOT ? "!" : "-");
            return NULL;
        }
        at[n] = pol_parse_place(p);
        pol_parse_next(p);
    }
    // -9223372036854775808 is a literal; the sign belongs to the number unless something is accessed on it.
    if (sign == TOK_MINUS && p->token.kind == TOK_NUMBER && !accessible(pol_parse_ahead(p)->kind)) {
        inner = number(p, true);
        n--;
    } else {
        inner = member(p);
    }
    while (inner && n-- > 0) {
        outer = node(p, sign == TOK_NOT ? NODE_NOT : NODE_NEG, at[n]);
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
    return product ? kind == TOK_STAR ? OPERATOR_MUL : OPERATOR_NONE
           : kind == TOK_PLUS         ? OPERATOR_ADD
           : kind == TOK_MINUS        ? OPERATOR_SUB
                                      : OPERATOR_NONE;
}

static struct pol_node *arithmetic(struct pol_parser *p, bool product)
{
    struct pol_node *first = product ? unary(p) : arithmetic(p, true);
    struct list l = { 0 };
    enum pol_operator op;

    while (first && (op = joint(p->token.kind, product)) != OPERATOR_NONE) {
        struct pol_place at = pol_parse_place(p);
        struct pol_node *child;

        if (!l.parent && !(l = chain(p, NODE_CHAIN, first, at)).parent)
            return NULL;
        pol_parse_next(p);
        child = product ? unary(p) : arithmetic(p, true);
        if (!add(&l, child))
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
    struct pol_node *n = node(p, NODE_HAS, at);

    if (!n)
        return NULL;
    n->first = left;
    return has_path(p, n) ? n : NULL;
}

static struct pol_node *like(struct pol_parser *p, struct pol_node *left, struct pol_place at)
{
    struct pol_node *n = node(p, NODE_LIKE, at);

    if (!n)
        return NULL;
    n->first = left;
    n->n = 1;
    n->text = pol_parse_string(p, true, &n->wild);
    return span_is_none(n->text) ? NULL : n;
}

static struct pol_node *is(struct pol_parser *p, struct pol_node *left, struct pol_place at)
{
    struct list l = chain(p, NODE_IS, left, at);

    if (!l.parent)
        return NULL;
    l.parent->type = pol_parse_path(p);
    if (span_is_none(l.parent->type))
        return NULL;
    if (pol_parse_word(p, "in")) {
        pol_parse_next(p);
        if (!add(&l, arithmetic(p, false)))
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
    struct list l;

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
        l = chain(p, NODE_RELATION, left, at);
        if (!l.parent)
            return NULL;
        pol_parse_next(p);
        l.parent->op = (uint8_t)op;
        left = add(&l, arithmetic(p, false)) ? l.parent : NULL;
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
    struct list l = { 0 };

    while (first && p->token.kind == sign) {
        if (!l.parent && !(l = chain(p, kind, first, pol_parse_place(p))).parent)
            return NULL;
        pol_parse_next(p);
        if (!add(&l, kind == NODE_OR ? logical(p, NODE_AND) : relation(p)))
            return NULL;
    }
    return l.parent ? l.parent : first;
}

static struct pol_node *conditional(struct pol_parser *p)
{
    static const char *const words[] = { NULL, "then", "else" };
    struct list l = { .parent = node(p, NODE_IF, pol_parse_place(p)) };

    if (!l.parent)
        return NULL;
    for (unsigned i = 0; i < 3; i++) {
        if (words[i] && !pol_parse_word(p, words[i])) {
            pol_parse_unexpected(p, i == 1 ? "an operator or 'then'" : "an operator or 'else'");
            return NULL;
        }
        pol_parse_next(p);
        if (!add(&l, pol_parse_expr(p)))
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

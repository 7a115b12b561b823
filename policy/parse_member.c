// SPDX-License-Identifier: GPL-3.0-or-later
// The tight end of the grammar: literals, names, brackets, and what is accessed on them.
#include "policy/ext.h"
#include "policy/parse.h"
#include "policy/uid.h"

// -------------------------------------------------------------------------------------------------------- primary

static struct pol_node *elements(struct pol_parser *p)
{
    struct pol_node_list l = { .parent = pol_parse_node(p, NODE_SET, pol_parse_place(p)) };

    if (!l.parent)
        return NULL;
    pol_parse_next(p);
    while (p->token.kind != TOK_RBRACKET) {
        if (!pol_parse_add(&l, pol_parse_expr(p)))
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

// Fields in the order of their names, so that evaluation yields a record that is in order; false when the name is there
// already.
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
    struct pol_node *record = pol_parse_node(p, NODE_RECORD, pol_parse_place(p)), *field;

    if (!record)
        return NULL;
    pol_parse_next(p);
    while (p->token.kind != TOK_RBRACE) {
        // The field is a GET node that holds the name, with the value as its child.
        field = pol_parse_node(p, NODE_GET, pol_parse_place(p));
        if (!field)
            return NULL;
        field->text = field_name(p);
        if (span_is_none(field->text) || !pol_parse_take(p, TOK_COLON, "':'"))
            return NULL;
        field->n = 1;
        if (!(field->first = pol_parse_expr(p)))
            return NULL;
        if (!place_field(record, field)) {
            pol_parse_fail(p, field->place, "the record has '%.*s' twice; keep one",
                           SPAN_FMT(span_sub(field->text, 0, 64)));
            return NULL;
        }
        if (record->n > FIELDS_MOST) {
            pol_parse_fail(p, record->place, "a record of more than %d fields; put the data into entities",
                           FIELDS_MOST);
            return NULL;
        }
        if (p->token.kind != TOK_COMMA)
            break;
        pol_parse_next(p);
    }
    return pol_parse_take(p, TOK_RBRACE, "an operator, ',' or '}'") ? record : NULL;
}

struct pol_node *pol_parse_number(struct pol_parser *p, bool negative)
{
    struct pol_node *n = pol_parse_node(p, NODE_LONG, pol_parse_place(p));
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

// The methods of the language itself.
static const struct {
    struct span name;
    enum pol_operator op;
    unsigned arguments;
} methods[] = {
    { SPAN("contains"), OPERATOR_CONTAINS, 1 },        { SPAN("containsAll"), OPERATOR_CONTAINS_ALL, 1 },
    { SPAN("containsAny"), OPERATOR_CONTAINS_ANY, 1 }, { SPAN("isEmpty"), OPERATOR_IS_EMPTY, 0 },
    { SPAN("getTag"), OPERATOR_GET_TAG, 1 },           { SPAN("hasTag"), OPERATOR_HAS_TAG, 1 },
};

enum { METHODS = sizeof methods / sizeof *methods };

static bool is_method(struct span name)
{
    enum pol_ext_fn fn = pol_ext_find(name);

    for (int i = 0; i < METHODS; i++)
        if (span_eq(name, methods[i].name))
            return true;
    return fn != EXT_NONE && pol_ext_function(fn)->method;
}

// The arguments of a call; the parenthesis is the current token. A trailing comma is fine.
static bool arguments(struct pol_parser *p, struct pol_node *call)
{
    struct pol_node_list l = { .parent = call };

    pol_parse_next(p);
    while (p->token.kind != TOK_RPAREN) {
        if (!pol_parse_add(&l, pol_parse_expr(p)))
            return false;
        if (p->token.kind != TOK_COMMA)
            break;
        pol_parse_next(p);
    }
    return pol_parse_take(p, TOK_RPAREN, "an operator, ',' or ')'");
}

// "name(", where the name is no variable's.
static struct pol_node *function(struct pol_parser *p, struct span name, struct pol_place at)
{
    static const struct span constructors[] = { SPAN("ip"), SPAN("decimal"), SPAN("datetime"), SPAN("duration") };
    enum pol_ext_fn fn = pol_ext_find(name);
    struct pol_node *n;
    struct span near;

    if (fn != EXT_NONE && !pol_ext_function(fn)->method) {
        n = pol_parse_node(p, NODE_CALL, at);
        if (!n)
            return NULL;
        n->fn = (uint8_t)fn;
        return arguments(p, n) ? n : NULL;
    }
    name = span_sub(name, 0, 64);
    near = diag_suggest(name, constructors, 4);
    if (is_method(name))
        pol_parse_fail(p, at, "%.*s is a method, not a function; write value.%.*s(…)", SPAN_FMT(name), SPAN_FMT(name));
    else if (span_is_none(near))
        pol_parse_fail(p, at, "there is no function '%.*s'; known are ip, decimal, datetime, duration", SPAN_FMT(name));
    else
        pol_parse_fail(p, at, "there is no function '%.*s'; did you mean '%.*s'?", SPAN_FMT(name), SPAN_FMT(near));
    return NULL;
}

// A variable, true, false, an entity Type::"id", or a call of a function.
static struct pol_node *named(struct pol_parser *p)
{
    static const struct span variables[] = { SPAN("principal"), SPAN("action"), SPAN("resource"), SPAN("context") };
    struct pol_place at = pol_parse_place(p);
    struct pol_node *n;
    struct span name, near;

    if (pol_parse_word(p, "true") || pol_parse_word(p, "false")) {
        if ((n = pol_parse_node(p, NODE_BOOL, at)))
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
        if (!(n = pol_parse_node(p, NODE_ENTITY, at)))
            return NULL;
        n->type = name;
        n->text = pol_parse_string(p, false, NULL);
        return span_is_none(n->text) ? NULL : n;
    }
    if (p->token.kind == TOK_LPAREN)
        return function(p, name, at);
    for (unsigned i = 0; i < 4; i++) {
        if (span_eq(name, variables[i])) {
            if ((n = pol_parse_node(p, NODE_VAR, at)))
                n->var = (uint8_t)i;
            return n;
        }
    }
    name = span_sub(name, 0, 64);
    near = diag_suggest(name, variables, 4);
    if (!span_is_none(near))
        pol_parse_fail(p, at, "unknown name '%.*s'; did you mean '%.*s'?", SPAN_FMT(name), SPAN_FMT(near));
    else
        pol_parse_fail(
            p, at,
            "unknown name '%.*s'; known are principal, action, resource, context, and entities such as Role::\"x\"",
            SPAN_FMT(name));
    return NULL;
}

static struct pol_node *primary(struct pol_parser *p)
{
    struct pol_node *n;

    switch (p->token.kind) {
    case TOK_NUMBER: return pol_parse_number(p, false);
    case TOK_STRING:
        n = pol_parse_node(p, NODE_STRING, pol_parse_place(p));
        if (!n)
            return NULL;
        n->text = pol_parse_string(p, false, NULL);
        return span_is_none(n->text) ? NULL : n;
    case TOK_IDENT: return named(p);
    case TOK_LPAREN:
        pol_parse_next(p);
        n = pol_parse_expr(p);
        return n && pol_parse_take(p, TOK_RPAREN, "an operator or ')'") ? n : NULL;
    case TOK_LBRACKET: return elements(p);
    case TOK_LBRACE: return fields(p);
    default: pol_parse_unexpected(p, "an expression"); return NULL;
    }
}

// --------------------------------------------------------------------------------------------------------- member

static int method(struct pol_parser *p, struct span name, struct pol_place at)
{
    struct span names[METHODS + EXT_NONE], near;
    size_t n = 0;

    for (; n < METHODS; n++) {
        names[n] = methods[n].name;
        if (span_eq(name, names[n]))
            return (int)n;
    }
    for (unsigned i = 0; i < EXT_NONE; i++)
        if (pol_ext_function((enum pol_ext_fn)i)->method)
            names[n++] = pol_ext_function((enum pol_ext_fn)i)->name;
    name = span_sub(name, 0, 64);
    near = diag_suggest(name, names, n);
    if (pol_ext_find(name) != EXT_NONE)
        pol_parse_fail(p, at, "%.*s is a function, not a method; write %.*s(…)", SPAN_FMT(name), SPAN_FMT(name));
    else if (span_is_none(near))
        pol_parse_fail(p, at,
                       "there is no method '%.*s'; known are contains, containsAll, containsAny, isEmpty, getTag, "
                       "hasTag, and those of extension types",
                       SPAN_FMT(name));
    else
        pol_parse_fail(p, at, "there is no method '%.*s'; did you mean '%.*s'?", SPAN_FMT(name), SPAN_FMT(near));
    return -1;
}

// ".name(" was read up to the parenthesis.
static struct pol_node *call(struct pol_parser *p, struct span name, struct pol_place at)
{
    enum pol_ext_fn fn = pol_ext_find(name);
    bool extension = fn != EXT_NONE && pol_ext_function(fn)->method;
    int which = extension ? 0 : method(p, name, at);
    struct pol_node *n;

    if (which < 0)
        return NULL;
    n = pol_parse_node(p, NODE_METHOD, at);
    if (!n)
        return NULL;
    n->op = (uint8_t)(extension ? OPERATOR_EXTENSION : methods[which].op);
    n->fn = (uint8_t)fn;
    if (!arguments(p, n))
        return NULL;
    // Those of extension types are counted when they are evaluated, as Cedar does.
    if (!extension && n->n != methods[which].arguments) {
        pol_parse_fail(p, at, "%.*s() takes %s", SPAN_FMT(name),
                       methods[which].arguments ? "one argument" : "no arguments");
        return NULL;
    }
    return n;
}

static struct pol_node *accessor(struct pol_parser *p)
{
    struct pol_place at = pol_parse_place(p);
    struct pol_node *n;
    struct span name;

    if (p->token.kind == TOK_LBRACKET) {
        pol_parse_next(p);
        if (!(n = pol_parse_node(p, NODE_GET, at)))
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
    if ((n = pol_parse_node(p, NODE_GET, at)))
        n->text = name;
    return n;
}

bool pol_parse_accessible(enum pol_token_kind kind)
{
    return kind == TOK_DOT || kind == TOK_LBRACKET || kind == TOK_LPAREN;
}

static struct pol_node *accessors(struct pol_parser *p, struct pol_node *base)
{
    struct pol_node_list l;

    if (!base || !pol_parse_accessible(p->token.kind))
        return base;
    l = pol_parse_chain(p, NODE_MEMBER, base, base->place);
    if (!l.parent)
        return NULL;
    while (pol_parse_accessible(p->token.kind))
        if (!pol_parse_add(&l, accessor(p)))
            return NULL;
    return l.parent;
}

struct pol_node *pol_parse_member(struct pol_parser *p)
{
    return accessors(p, primary(p));
}

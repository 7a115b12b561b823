// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/print.h"

#include "policy/ext.h"
#include "policy/facts.h"
#include "policy/uid.h"

#include <inttypes.h>

// How tightly an expression binds; a child that binds less tightly than its place demands gets parentheses.
enum binding { BIND_IF, BIND_OR, BIND_AND, BIND_RELATION, BIND_SUM, BIND_PRODUCT, BIND_UNARY, BIND_MEMBER };

static void print(struct buf *out, const struct pol_node *n, enum binding at_least);

// ------------------------------------------------------------------------------------------------------------- strings

static void escaped(struct buf *out, struct span s, const bool *wild)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (wild && c == '*')
            buf_append(out, wild[i] ? SPAN("*") : SPAN("\\*"));
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_append(out, SPAN("\\n"));
        else if (c == '\t')
            buf_append(out, SPAN("\\t"));
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_byte(out, (char)c);
    }
    buf_byte(out, '"');
}

void pol_print_string(struct buf *out, struct span s)
{
    escaped(out, s, NULL);
}

static bool is_ident(struct span s)
{
    return pol_name_valid(s) && !memchr(s.p, ':', s.n);
}

static void name_or_string(struct buf *out, struct span s)
{
    if (is_ident(s))
        buf_append(out, s);
    else
        pol_print_string(out, s);
}

// --------------------------------------------------------------------------------------------------------- expressions

static const struct span operators[] = {
    [OPERATOR_EQ] = SPAN("=="),
    [OPERATOR_NE] = SPAN("!="),
    [OPERATOR_LT] = SPAN("<"),
    [OPERATOR_LE] = SPAN("<="),
    [OPERATOR_GT] = SPAN(">"),
    [OPERATOR_GE] = SPAN(">="),
    [OPERATOR_IN] = SPAN("in"),
    [OPERATOR_ADD] = SPAN("+"),
    [OPERATOR_SUB] = SPAN("-"),
    [OPERATOR_MUL] = SPAN("*"),
    [OPERATOR_CONTAINS] = SPAN("contains"),
    [OPERATOR_CONTAINS_ALL] = SPAN("containsAll"),
    [OPERATOR_CONTAINS_ANY] = SPAN("containsAny"),
    [OPERATOR_IS_EMPTY] = SPAN("isEmpty"),
    [OPERATOR_GET_TAG] = SPAN("getTag"),
    [OPERATOR_HAS_TAG] = SPAN("hasTag"),
};

static enum binding binding(const struct pol_node *n)
{
    switch ((enum pol_node_kind)n->kind) {
    case NODE_IF: return BIND_IF;
    case NODE_OR: return BIND_OR;
    case NODE_AND: return BIND_AND;
    case NODE_RELATION:
    case NODE_HAS:
    case NODE_LIKE:
    case NODE_IS: return BIND_RELATION;
    case NODE_CHAIN: return n->first->next->joint == OPERATOR_MUL ? BIND_PRODUCT : BIND_SUM;
    case NODE_NOT:
    case NODE_NEG: return BIND_UNARY;
    case NODE_LONG: return n->number < 0 ? BIND_UNARY : BIND_MEMBER;
    default: return BIND_MEMBER;
    }
}

static void list(struct buf *out, const struct pol_node *first)
{
    for (const struct pol_node *c = first; c; c = c->next) {
        if (c != first)
            buf_append(out, SPAN(", "));
        print(out, c, BIND_IF);
    }
}

static void joined(struct buf *out, const struct pol_node *n, struct span sign, enum binding each)
{
    for (const struct pol_node *c = n->first; c; c = c->next) {
        if (c != n->first)
            buf_printf(out, " %.*s ", SPAN_FMT(span_is_none(sign) ? operators[c->joint] : sign));
        print(out, c, each);
    }
}

static void accessor(struct buf *out, const struct pol_node *c)
{
    if (c->kind == NODE_GET && is_ident(c->text)) {
        buf_printf(out, ".%.*s", SPAN_FMT(c->text));
    } else if (c->kind == NODE_GET) {
        buf_byte(out, '[');
        pol_print_string(out, c->text);
        buf_byte(out, ']');
    } else {
        buf_printf(
            out, ".%.*s(",
            SPAN_FMT(c->op == OPERATOR_EXTENSION ? pol_ext_function((enum pol_ext_fn)c->fn)->name : operators[c->op]));
        list(out, c->first);
        buf_byte(out, ')');
    }
}

static void record(struct buf *out, const struct pol_node *n)
{
    buf_byte(out, '{');
    for (const struct pol_node *c = n->first; c; c = c->next) {
        if (c != n->first)
            buf_append(out, SPAN(", "));
        name_or_string(out, c->text);
        buf_append(out, SPAN(": "));
        print(out, c->first, BIND_IF);
    }
    buf_byte(out, '}');
}

static void relation(struct buf *out, const struct pol_node *n)
{
    print(out, n->first, BIND_SUM);
    if (n->kind == NODE_RELATION) {
        buf_printf(out, " %.*s ", SPAN_FMT(operators[n->op]));
        print(out, n->first->next, BIND_SUM);
    } else if (n->kind == NODE_HAS) {
        buf_append(out, SPAN(" has "));
        for (const struct pol_name_list *p = n->path; p; p = p->next) {
            name_or_string(out, p->name);
            if (p->next)
                buf_byte(out, '.');
        }
    } else if (n->kind == NODE_LIKE) {
        buf_append(out, SPAN(" like "));
        escaped(out, n->text, n->wild);
    } else {
        buf_printf(out, " is %.*s", SPAN_FMT(n->type));
        if (n->first->next) {
            buf_append(out, SPAN(" in "));
            print(out, n->first->next, BIND_SUM);
        }
    }
}

static void bare(struct buf *out, const struct pol_node *n)
{
    static const struct span variables[] = { SPAN("principal"), SPAN("action"), SPAN("resource"), SPAN("context") };

    switch ((enum pol_node_kind)n->kind) {
    case NODE_BOOL: buf_append(out, n->number ? SPAN("true") : SPAN("false")); break;
    case NODE_LONG: buf_printf(out, "%" PRId64, n->number); break;
    case NODE_STRING: pol_print_string(out, n->text); break;
    case NODE_ENTITY:
        buf_printf(out, "%.*s::", SPAN_FMT(n->type));
        pol_print_string(out, n->text);
        break;
    case NODE_VAR: buf_append(out, variables[n->var]); break;
    case NODE_SET:
        buf_byte(out, '[');
        list(out, n->first);
        buf_byte(out, ']');
        break;
    case NODE_RECORD: record(out, n); break;
    case NODE_AND: joined(out, n, SPAN("&&"), BIND_RELATION); break;
    case NODE_OR: joined(out, n, SPAN("||"), BIND_AND); break;
    case NODE_CHAIN: joined(out, n, SPAN_NONE, binding(n) == BIND_PRODUCT ? BIND_UNARY : BIND_PRODUCT); break;
    case NODE_NOT:
    case NODE_NEG:
        buf_byte(out, n->kind == NODE_NOT ? '!' : '-');
        // `!-x` is not in the grammar, and -(1) is not the literal -1.
        if (n->kind == NODE_NEG && n->first->kind == NODE_LONG) {
            buf_byte(out, '(');
            print(out, n->first, BIND_IF);
            buf_byte(out, ')');
        } else {
            print(out, n->first, n->first->kind == n->kind ? BIND_UNARY : BIND_MEMBER);
        }
        break;
    case NODE_RELATION:
    case NODE_HAS:
    case NODE_LIKE:
    case NODE_IS: relation(out, n); break;
    case NODE_MEMBER:
        print(out, n->first, BIND_MEMBER);
        for (const struct pol_node *c = n->first->next; c; c = c->next)
            accessor(out, c);
        break;
    case NODE_IF:
        buf_append(out, SPAN("if "));
        print(out, n->first, BIND_IF);
        buf_append(out, SPAN(" then "));
        print(out, n->first->next, BIND_IF);
        buf_append(out, SPAN(" else "));
        print(out, n->first->next->next, BIND_IF);
        break;
    case NODE_CALL:
        buf_append(out, pol_ext_function((enum pol_ext_fn)n->fn)->name);
        buf_byte(out, '(');
        list(out, n->first);
        buf_byte(out, ')');
        break;
    case NODE_GET:
    case NODE_METHOD: accessor(out, n); break;
    }
}

// Recursion follows the nesting of the tree, which the parser bounds.
static void print(struct buf *out, const struct pol_node *n, enum binding at_least)
{
    bool enclose = binding(n) < at_least;

    if (enclose)
        buf_byte(out, '(');
    bare(out, n);
    if (enclose)
        buf_byte(out, ')');
}

void pol_print_expr(struct buf *out, const struct pol_node *n)
{
    print(out, n, BIND_IF);
}

// -------------------------------------------------------------------------------------------------------------- values

void pol_print_uid(struct buf *out, const struct pol_request *r, uint32_t entity)
{
    buf_printf(out, "%.*s::", SPAN_FMT(pol_facts_type_name(r->set, r, entity)));
    pol_print_string(out, pol_facts_id(r->set, r, entity));
}

void pol_print_question(struct buf *out, const struct pol_request *r)
{
    const struct pol_entity *three[] = { r->principal, r->action, r->resource };

    for (size_t i = 0; i < 3; i++) {
        buf_append(out, i ? SPAN("  ") : SPAN(""));
        if (three[i])
            pol_print_uid(out, r, three[i]->number);
    }
}

static void value(struct buf *out, const struct pol_request *r, const struct pol_value *v, size_t end);

static void extension(struct buf *out, const struct pol_value *v)
{
    static const char *const names[] = {
        [POL_DECIMAL] = "decimal", [POL_IP] = "ip", [POL_DATETIME] = "datetime", [POL_DURATION] = "duration"
    };
    char text[POL_EXT_TEXT_MAX];

    if (pol_ext_text(v, text))
        buf_printf(out, "%s(\"%s\")", names[v->kind], text);
    else
        buf_printf(out, "datetime(\"1970-01-01\").offset(duration(\"%" PRId64 "ms\"))", v->i);
}

static void elements(struct buf *out, const struct pol_request *r, const struct pol_value *v, size_t end)
{
    bool set = v->kind == POL_SET;

    buf_byte(out, set ? '[' : '{');
    for (uint32_t i = 0; i < v->n; i++) {
        if (i > 0)
            buf_append(out, SPAN(", "));
        if (buf_len(out) >= end) {
            buf_append(out, SPAN("…"));
            break;
        }
        if (!set) {
            name_or_string(out, v->fields[i].name);
            buf_append(out, SPAN(": "));
        }
        value(out, r, set ? &v->items[i] : &v->fields[i].value, end);
    }
    buf_byte(out, set ? ']' : '}');
}

// Recursion follows the nesting of values, which is bounded.
static void value(struct buf *out, const struct pol_request *r, const struct pol_value *v, size_t end)
{
    size_t room = end > buf_len(out) ? end - buf_len(out) : 1;
    struct span s;

    switch ((enum pol_kind)v->kind) {
    case POL_NONE: break;
    case POL_BOOL: buf_append(out, v->b ? SPAN("true") : SPAN("false")); break;
    case POL_LONG: buf_printf(out, "%" PRId64, v->i); break;
    case POL_STRING:
        s = pol_value_span(*v);
        // Not inside a character.
        while (room < s.n && ((unsigned char)s.p[room] & 0xc0) == 0x80)
            room++;
        pol_print_string(out, span_sub(s, 0, room));
        if (s.n > room)
            buf_append(out, SPAN("…"));
        break;
    case POL_ENTITY: pol_print_uid(out, r, v->entity); break;
    case POL_SET:
    case POL_RECORD: elements(out, r, v, end); break;
    case POL_DECIMAL:
    case POL_IP:
    case POL_DATETIME:
    case POL_DURATION: extension(out, v); break;
    }
}

void pol_print_value(struct buf *out, const struct pol_request *r, const struct pol_value *v, size_t max)
{
    value(out, r, v, buf_len(out) + max);
}

// -------------------------------------------------------------------------------------------------------- obligations

void pol_print_obligation(struct buf *out, const struct pol_request *r, const struct pol_obligation *o, size_t max)
{
    switch (o->kind) {
    case POL_OBLIGATION_FILTER:
        buf_append(out, SPAN("filter "));
        name_or_string(out, o->field);
        buf_append(out, o->value.kind == POL_SET ? SPAN(" in ") : SPAN(" = "));
        pol_print_value(out, r, &o->value, max);
        break;
    case POL_OBLIGATION_LIMIT:
        buf_printf(out, "limit %" PRIu64 "/%.*s", o->count, SPAN_FMT(pol_obligation_period(o->period_ms)));
        break;
    case POL_OBLIGATION_AUDIT: buf_append(out, SPAN("audit full")); break;
    }
}

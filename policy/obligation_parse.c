// SPDX-License-Identifier: GPL-3.0-or-later
// Obligations as they are written (obligation.h). The expressions in them are read by the parser of conditions, from within their string.
#include "policy/parse.h"
#include "policy/uid.h"

enum { FIELD_MAX = 256, OBLIGATIONS_MAX = 64 };
#define LIMIT_COUNT_MAX 1000000000u

static struct pol_ast_obligation *add(struct pol_parser *p, struct pol_ast_policy *policy,
                                      const struct pol_ast_annotation *a, enum pol_obligation_kind kind)
{
    struct pol_ast_obligation **tail = &policy->obligations, *o;

    if (policy->n_obligations >= OBLIGATIONS_MAX) {
        pol_parse_fail(p, a->place, "more than %d filters of one policy; say it with fewer", OBLIGATIONS_MAX);
        return NULL;
    }
    if (!(o = pol_parse_alloc(p, sizeof *o)))
        return NULL;
    *o = (struct pol_ast_obligation){ .kind = kind, .place = a->place, .field = SPAN_NONE };
    while (*tail)
        tail = &(*tail)->next;
    *tail = o;
    policy->n_obligations++;
    return o;
}

// ------------------------------------------------------------------------------------------------------------- filters

// Where the parser was in the file while it reads what is in a string.
struct outside {
    struct pol_lexer lexer;
    struct pol_token token, ahead;
    bool has_ahead;
};

static bool enter(struct pol_parser *p, const struct pol_token *string, struct span text, struct outside *out)
{
    struct pol_lexer inside;

    if (!pol_lexer_inside(&inside, string, text, p->arena)) {
        pol_parse_fail(p, pol_parse_place(p), "out of memory while reading policies; split the file");
        return false;
    }
    *out = (struct outside){ p->lexer, p->token, p->ahead, p->has_ahead };
    p->lexer = inside;
    p->has_ahead = false;
    pol_parse_next(p);
    return true;
}

static void leave(struct pol_parser *p, const struct outside *out)
{
    p->lexer = out->lexer;
    p->token = out->token;
    p->ahead = out->ahead;
    p->has_ahead = out->has_ahead;
}

// Whatever a database can call a field; no control characters, which nobody sees.
static bool field_ok(struct pol_parser *p, struct span field, struct pol_place at)
{
    if (span_is_none(field))
        return false;
    if (field.n == 0 || field.n > FIELD_MAX) {
        pol_parse_fail(p, at, "@filter: the field's name is empty or longer than %d bytes", FIELD_MAX);
        return false;
    }
    for (size_t i = 0; i < field.n; i++) {
        if ((unsigned char)field.p[i] < 0x20 || field.p[i] == 0x7f) {
            pol_parse_fail(p, at, "@filter: a control character in the field's name; remove it");
            return false;
        }
    }
    return true;
}

static bool is_variable(struct span name)
{
    return span_eq(name, SPAN("principal")) || span_eq(name, SPAN("action")) || span_eq(name, SPAN("resource")) ||
           span_eq(name, SPAN("context"));
}

// IDENT {"." IDENT}, as payloads within payloads are called.
static struct span dotted(struct pol_parser *p)
{
    struct pol_place at = pol_parse_place(p);
    struct span all = p->token.text;

    if (is_variable(all)) {
        pol_parse_fail(p, at,
                       "@filter: the record's field stands to the left of '==', what it must be to the right: "
                       "\"tenant_id == principal.tenant\"");
        return SPAN_NONE;
    }
    if (pol_name_reserved(all)) {
        pol_parse_fail(p, at, "@filter: '%.*s' is a reserved word; write @filter(\"%.*s\", \"…\")", SPAN_FMT(all),
                       SPAN_FMT(all));
        return SPAN_NONE;
    }
    pol_parse_next(p);
    while (p->token.kind == TOK_DOT) {
        pol_parse_next(p);
        if (p->token.kind != TOK_IDENT) {
            pol_parse_unexpected(p, "a field's name");
            return SPAN_NONE;
        }
        all = arena_printf(p->arena, "%.*s.%.*s", SPAN_FMT(span_sub(all, 0, FIELD_MAX + 1)),
                           SPAN_FMT(span_sub(p->token.text, 0, FIELD_MAX + 1)));
        if (span_is_none(all)) {
            pol_parse_fail(p, at, "out of memory while reading policies; split the file");
            return SPAN_NONE;
        }
        pol_parse_next(p);
    }
    return all;
}

// field == expression; the expression ends where && does.
static bool confined(struct pol_parser *p, struct pol_ast_policy *policy, const struct pol_ast_annotation *a)
{
    struct pol_place at = pol_parse_place(p);
    struct pol_ast_obligation *o;
    struct span field;

    if (p->token.kind != TOK_IDENT && p->token.kind != TOK_STRING) {
        pol_parse_unexpected(p, "a field's name, as in \"tenant_id == principal.tenant\",");
        return false;
    }
    field = p->token.kind == TOK_STRING ? pol_parse_string(p, false, NULL) : dotted(p);
    if (!field_ok(p, field, at))
        return false;
    if (p->token.kind != TOK_EQ) {
        pol_parse_unexpected(p, "'==' behind the field of @filter");
        return false;
    }
    pol_parse_next(p);
    if (!(o = add(p, policy, a, POL_OBLIGATION_FILTER)))
        return false;
    o->field = field;
    o->value = pol_parse_sum(p);
    return o->value != NULL;
}

static bool one_text(struct pol_parser *p, struct pol_ast_policy *policy, const struct pol_ast_annotation *a)
{
    while (confined(p, policy, a)) {
        if (p->token.kind == TOK_END)
            return true;
        if (p->token.kind == TOK_OR) {
            pol_parse_fail(p, pol_parse_place(p),
                           "@filter: '||' cannot be asked for; name a set of values: any of them is enough");
            return false;
        }
        if (!pol_parse_take(p, TOK_AND, "'&&' or the end of the filter"))
            return false;
    }
    return false;
}

static bool two_texts(struct pol_parser *p, struct pol_ast_policy *policy, const struct pol_ast_annotation *a)
{
    struct pol_ast_obligation *o;

    if (!field_ok(p, a->value, a->place) || !(o = add(p, policy, a, POL_OBLIGATION_FILTER)))
        return false;
    o->field = a->value;
    o->value = pol_parse_expr(p);
    if (o->value && p->token.kind != TOK_END)
        pol_parse_unexpected(p, "an operator or the end of the expression");
    return !p->failed;
}

static bool filter(struct pol_parser *p, struct pol_ast_policy *policy, struct pol_ast_annotation *a)
{
    struct pol_token string = p->token;
    struct outside outside;
    bool two, ok;

    a->value = pol_parse_string(p, false, NULL);
    if (span_is_none(a->value))
        return false;
    two = p->token.kind == TOK_COMMA;
    if (two) {
        pol_parse_next(p);
        string = p->token;
        a->second = pol_parse_string(p, false, NULL);
        if (span_is_none(a->second))
            return false;
    }
    if (!pol_parse_take(p, TOK_RPAREN, "')'") || !enter(p, &string, two ? a->second : a->value, &outside))
        return false;
    ok = two ? two_texts(p, policy, a) : one_text(p, policy, a);
    leave(p, &outside);
    return ok;
}

// ------------------------------------------------------------------------------------------------------ limits, audit

static const struct {
    struct span name;
    int64_t ms;
} periods[] = {
    { SPAN("s"), 1000 },
    { SPAN("min"), 60 * 1000 },
    { SPAN("h"), 60 * 60 * 1000 },
    { SPAN("day"), 24 * 60 * 60 * 1000 },
};

struct span pol_obligation_period(int64_t period_ms)
{
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
        if (periods[i].ms == period_ms)
            return periods[i].name;
    return SPAN("");
}

int64_t pol_obligation_period_ms(struct span name)
{
    for (size_t i = 0; i < sizeof periods / sizeof *periods; i++)
        if (span_eq(periods[i].name, name))
            return periods[i].ms;
    return 0;
}

static bool rate(struct span text, uint64_t *count, int64_t *period_ms)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < text.n && text.p[i] >= '0' && text.p[i] <= '9' && n <= LIMIT_COUNT_MAX; i++)
        n = n * 10 + (uint64_t)(text.p[i] - '0');
    if (i == 0 || text.p[0] == '0' || n > LIMIT_COUNT_MAX || i == text.n || text.p[i] != '/')
        return false;
    *count = n;
    *period_ms = pol_obligation_period_ms(span_sub(text, i + 1, SIZE_MAX));
    return *period_ms > 0;
}

static bool limit(struct pol_parser *p, struct pol_ast_policy *policy, const struct pol_ast_annotation *a)
{
    struct pol_ast_obligation *o = add(p, policy, a, POL_OBLIGATION_LIMIT);

    if (!o)
        return false;
    if (rate(a->value, &o->count, &o->period_ms))
        return true;
    pol_parse_fail(
        p, a->place,
        "@limit(\"%.*s\") is not understood; write @limit(\"1000/min\"): 1 to %u requests, of the periods s, "
        "min, h, day",
        SPAN_FMT(span_sub(a->value, 0, 64)), LIMIT_COUNT_MAX);
    return false;
}

static bool audit(struct pol_parser *p, struct pol_ast_policy *policy, const struct pol_ast_annotation *a)
{
    if (span_eq(a->value, SPAN("full")))
        return add(p, policy, a, POL_OBLIGATION_AUDIT) != NULL;
    pol_parse_fail(p, a->place, "@audit(\"%.*s\") is not understood; write @audit(\"full\") or remove it",
                   SPAN_FMT(span_sub(a->value, 0, 64)));
    return false;
}

// ----------------------------------------------------------------------------------------------------------- the whole

bool pol_parse_obligation(struct pol_parser *p, struct pol_ast_policy *policy, struct pol_ast_annotation *a)
{
    bool is_filter = span_eq(a->name, SPAN("filter"));

    // That it stands twice is what is to be said, not what else is wrong with the second one.
    for (const struct pol_ast_annotation *o = policy->annotations; o; o = o->next) {
        if (span_eq(o->name, a->name)) {
            pol_parse_fail(p, a->place, "@%.*s stands twice; keep one%s", SPAN_FMT(a->name),
                           is_filter ? ", and join what they ask for by '&&'" : "");
            return false;
        }
    }
    if (p->token.kind != TOK_LPAREN) {
        pol_parse_fail(p, a->place, "@%.*s says nothing; write %s", SPAN_FMT(a->name),
                       is_filter                         ? "@filter(\"tenant_id\", \"principal.tenant\")"
                       : span_eq(a->name, SPAN("limit")) ? "@limit(\"1000/min\")"
                                                         : "@audit(\"full\")");
        return false;
    }
    pol_parse_next(p);
    if (is_filter)
        return filter(p, policy, a);
    a->value = pol_parse_string(p, false, NULL);
    if (span_is_none(a->value) || !pol_parse_take(p, TOK_RPAREN, "')'"))
        return false;
    return span_eq(a->name, SPAN("limit")) ? limit(p, policy, a) : audit(p, policy, a);
}

void pol_parse_obligations_check(struct pol_parser *p, const struct pol_ast_policy *policy)
{
    static const char *const names[] = {
        [POL_OBLIGATION_FILTER] = "filter", [POL_OBLIGATION_LIMIT] = "limit", [POL_OBLIGATION_AUDIT] = "audit"
    };
    const struct pol_ast_obligation *o = policy->obligations;

    // Not fatal to the parse: what else is wrong with the policy is worth knowing.
    if (o && p->options->no_obligations)
        diag_error(p->diags, p->file, o->place.line, o->place.column,
                   "@%s obliges the gateway, and can be met by nobody else; remove it", names[o->kind]);
    else if (o && policy->effect == POL_FORBID)
        diag_error(
            p->diags, p->file, o->place.line, o->place.column,
            "@%s on a forbid: what is forbidden is not done, so there is nothing to oblige to; remove it, or put "
            "it on the permit",
            names[o->kind]);
}

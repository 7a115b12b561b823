// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/parse.h"

#include <stdarg.h>
#include <stdio.h>

#include "policy/uid.h"

// -------------------------------------------------------------------------------------------------- shared helpers

void pol_parse_fail(struct pol_parser *p, struct pol_place at, const char *fmt, ...)
{
    char text[512];
    va_list args;

    if (p->failed)
        return;
    p->failed = true;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    diag_error(p->diags, p->file, at.line, at.column, "%s", text);
}

void *pol_parse_alloc(struct pol_parser *p, size_t n)
{
    void *m = arena_alloc(p->arena, n);

    if (!m)
        pol_parse_fail(p, pol_parse_place(p), "out of memory while reading policies; split the file");
    return m;
}

void pol_parse_next(struct pol_parser *p)
{
    if (p->has_ahead) {
        p->token = p->ahead;
        p->has_ahead = false;
    } else {
        p->token = pol_lex(&p->lexer);
    }
}

const struct pol_token *pol_parse_ahead(struct pol_parser *p)
{
    if (!p->has_ahead) {
        p->ahead = pol_lex(&p->lexer);
        p->has_ahead = true;
    }
    return &p->ahead;
}

void pol_parse_unexpected(struct pol_parser *p, const char *wanted)
{
    const struct pol_token *t = &p->token;
    struct span shown = span_sub(t->text, 0, 40);

    if (t->kind == TOK_END)
        pol_parse_fail(p, pol_parse_place(p), "the text ends where %s is due; complete the policy", wanted);
    else if (t->kind == TOK_BAD && shown.n && shown.p[0] == '"')
        pol_parse_fail(p, pol_parse_place(p), "a string that is not closed; put a '\"' at its end");
    else if (t->kind == TOK_ASSIGN)
        pol_parse_fail(p, pol_parse_place(p), "'=' is no operator; did you mean '=='?");
    else if (t->kind == TOK_SLOT)
        pol_parse_fail(p, pol_parse_place(p),
                       "the slot %.*s here; ?principal stands for principal's entity in the scope, ?resource for "
                       "resource's, and nowhere else",
                       SPAN_FMT(shown));
    else
        pol_parse_fail(p, pol_parse_place(p), "expected %s, found '%.*s'", wanted, SPAN_FMT(shown));
}

bool pol_parse_take(struct pol_parser *p, enum pol_token_kind kind, const char *what)
{
    if (p->failed)
        return false;
    if (p->token.kind != kind) {
        pol_parse_unexpected(p, what);
        return false;
    }
    pol_parse_next(p);
    return true;
}

bool pol_parse_word(const struct pol_parser *p, const char *word)
{
    return p->token.kind == TOK_IDENT && span_eq(p->token.text, span_str(word));
}

bool pol_parse_ident_ok(struct pol_parser *p)
{
    if (p->token.kind != TOK_IDENT) {
        pol_parse_unexpected(p, "a name");
        return false;
    }
    if (pol_name_reserved(p->token.text)) {
        pol_parse_fail(p, pol_parse_place(p),
                       "'%.*s' is a reserved word; use another name, or [\"%.*s\"] for an attribute",
                       SPAN_FMT(p->token.text), SPAN_FMT(p->token.text));
        return false;
    }
    return true;
}

struct span pol_parse_path(struct pol_parser *p)
{
    struct span one, all;
    char *joined;

    if (!pol_parse_ident_ok(p))
        return SPAN_NONE;
    all = p->token.text;
    pol_parse_next(p);
    while (p->token.kind == TOK_PATH && pol_parse_ahead(p)->kind == TOK_IDENT) {
        pol_parse_next(p);
        if (!pol_parse_ident_ok(p))
            return SPAN_NONE;
        one = p->token.text;
        if (all.n + one.n > 1024) {
            pol_parse_fail(p, pol_parse_place(p), "a name longer than 1024 bytes; shorten it");
            return SPAN_NONE;
        }
        joined = pol_parse_alloc(p, all.n + 2 + one.n);
        if (!joined)
            return SPAN_NONE;
        memcpy(joined, all.p, all.n);
        memcpy(joined + all.n, "::", 2);
        memcpy(joined + all.n + 2, one.p, one.n);
        all = span_of(joined, all.n + 2 + one.n);
        pol_parse_next(p);
    }
    return all;
}

struct span pol_parse_string(struct pol_parser *p, bool pattern, const bool **wild)
{
    struct span out = SPAN_NONE;
    const char *wrong;

    if (p->token.kind != TOK_STRING) {
        pol_parse_unexpected(p, "a string");
        return SPAN_NONE;
    }
    wrong = p->token.text.n > POL_STRING_MAX ? "a string over 1 MiB; shorten it"
                                             : pol_unescape(p->arena, p->token.text, pattern, &out, wild);
    if (wrong) {
        pol_parse_fail(p, pol_parse_place(p), "%s", wrong);
        return SPAN_NONE;
    }
    pol_parse_next(p);
    return out;
}

// --------------------------------------------------------------------------------------------------------- scopes

// Parentheses around it, as Cedar allows them: how many were opened.
static unsigned opened(struct pol_parser *p)
{
    unsigned n = 0;

    for (; p->token.kind == TOK_LPAREN && n < POL_DEPTH_MAX; n++)
        pol_parse_next(p);
    return n;
}

static bool closed(struct pol_parser *p, unsigned n)
{
    while (n-- > 0)
        if (!pol_parse_take(p, TOK_RPAREN, "')'"))
            return false;
    return true;
}

static struct pol_ast_uid *entity(struct pol_parser *p)
{
    struct pol_ast_uid *u = pol_parse_alloc(p, sizeof *u);
    unsigned n = opened(p);

    if (!u)
        return NULL;
    if (p->token.kind == TOK_SLOT) {
        pol_parse_unexpected(p, "an entity");
        return NULL;
    }
    u->type = pol_parse_path(p);
    if (span_is_none(u->type) || !pol_parse_take(p, TOK_PATH, "an entity such as Type::\"id\""))
        return NULL;
    u->id = pol_parse_string(p, false, NULL);
    return !span_is_none(u->id) && closed(p, n) ? u : NULL;
}

// `in [A, B]`; the bracket is the current token.
static bool entity_list(struct pol_parser *p, struct pol_ast_scope *s)
{
    struct pol_ast_uid **tail = &s->uids;

    pol_parse_next(p);
    while (p->token.kind != TOK_RBRACKET) {
        if (!(*tail = entity(p)))
            return false;
        tail = &(*tail)->next;
        if (++s->n > POL_ELEMENTS_MAX) {
            pol_parse_fail(p, pol_parse_place(p), "a list of more than %u entities; use a group", POL_ELEMENTS_MAX);
            return false;
        }
        if (p->token.kind != TOK_COMMA)
            break;
        pol_parse_next(p);
    }
    return pol_parse_take(p, TOK_RBRACKET, "',' or ']'");
}

static bool action_typed(const struct pol_ast_uid *u)
{
    return span_eq(u->type, SPAN("Action")) || span_ends(u->type, SPAN("::Action"));
}

static bool actions_only(struct pol_parser *p, const struct pol_ast_scope *s, struct pol_place at)
{
    for (const struct pol_ast_uid *u = s->uids; u; u = u->next) {
        if (!action_typed(u)) {
            pol_parse_fail(p, at, "%.*s is no action type; actions are Action::\"…\"", SPAN_FMT(u->type));
            return false;
        }
    }
    return true;
}

// What stands behind == or in: an entity, a list of actions, a slot.
static bool scope_operand(struct pol_parser *p, struct pol_ast_scope *s, const char *variable, bool action)
{
    unsigned n = opened(p);

    if (action && s->op == SCOPE_IN && p->token.kind == TOK_LBRACKET)
        return entity_list(p, s) && closed(p, n);
    if (p->token.kind == TOK_LBRACKET) {
        pol_parse_fail(p, pol_parse_place(p), "only 'action in' takes a list; use a when clause or a group");
        return false;
    }
    if (!action && p->token.kind == TOK_SLOT && span_eq(span_sub(p->token.text, 1, SIZE_MAX), span_str(variable))) {
        s->slot = true;
        pol_parse_next(p);
        return closed(p, n);
    }
    s->n = 1;
    return (s->uids = entity(p)) != NULL && closed(p, n);
}

static bool scope_relation(struct pol_parser *p, struct pol_ast_scope *s, const char *variable, bool action)
{
    bool eq = p->token.kind == TOK_EQ;

    if (eq && s->op == SCOPE_IS) {
        pol_parse_fail(p, pol_parse_place(p), "'is' with '=='; use '==' alone, it names the type already");
        return false;
    }
    pol_parse_next(p);
    s->op = eq ? SCOPE_EQ : s->op == SCOPE_IS ? SCOPE_IS_IN : SCOPE_IN;
    return scope_operand(p, s, variable, action);
}

static bool scope(struct pol_parser *p, struct pol_ast_scope *s, const char *variable)
{
    bool action = strcmp(variable, "action") == 0;
    struct pol_place at;
    char wanted[32];

    if (!pol_parse_word(p, variable)) {
        snprintf(wanted, sizeof wanted, "'%s'", variable);
        pol_parse_unexpected(p, wanted);
        return false;
    }
    pol_parse_next(p);
    if (pol_parse_word(p, "is")) {
        if (action) {
            pol_parse_fail(p, pol_parse_place(p), "'action is' does not exist; use '==' or 'in'");
            return false;
        }
        pol_parse_next(p);
        s->op = SCOPE_IS;
        s->type = pol_parse_path(p);
        if (span_is_none(s->type))
            return false;
    }
    at = pol_parse_place(p);
    if (p->token.kind == TOK_EQ || pol_parse_word(p, "in")) {
        if (!scope_relation(p, s, variable, action))
            return false;
        if (pol_parse_word(p, "is")) {
            pol_parse_fail(p, pol_parse_place(p), "'is' stands before 'in': '%s is Type in Entity'", variable);
            return false;
        }
    }
    return !action || actions_only(p, s, at);
}

static bool scopes(struct pol_parser *p, struct pol_ast_policy *policy)
{
    if (!pol_parse_take(p, TOK_LPAREN, "'('") || !scope(p, &policy->principal, "principal") ||
        !pol_parse_take(p, TOK_COMMA, "','") || !scope(p, &policy->action, "action") ||
        !pol_parse_take(p, TOK_COMMA, "','") || !scope(p, &policy->resource, "resource"))
        return false;
    if (p->token.kind == TOK_COMMA)
        pol_parse_next(p);
    return pol_parse_take(p, TOK_RPAREN, "')'");
}

// ------------------------------------------------------------------------------------------------------- policies

static void skip_arguments(struct pol_parser *p)
{
    if (p->token.kind != TOK_LPAREN)
        return;
    while (p->token.kind != TOK_RPAREN && p->token.kind != TOK_SEMI && p->token.kind != TOK_END)
        pol_parse_next(p);
    if (p->token.kind == TOK_RPAREN)
        pol_parse_next(p);
}

// ("…"), and ("…", "…") where that may stand.
static bool texts(struct pol_parser *p, struct pol_ast_annotation *a)
{
    pol_parse_next(p);
    a->value = pol_parse_string(p, false, NULL);
    if (span_is_none(a->value))
        return false;
    if (p->two_texts && span_eq(a->name, SPAN("filter")) && p->token.kind == TOK_COMMA) {
        pol_parse_next(p);
        a->second = pol_parse_string(p, false, NULL);
        if (span_is_none(a->second))
            return false;
    }
    return pol_parse_take(p, TOK_RPAREN, "')'");
}

static bool annotation(struct pol_parser *p, struct pol_ast_policy *policy, struct pol_ast_annotation ***tail)
{
    struct pol_ast_annotation *a = pol_parse_alloc(p, sizeof *a);

    if (!a)
        return false;
    a->place = pol_parse_place(p);
    pol_parse_next(p);
    if (p->token.kind != TOK_IDENT) {
        pol_parse_unexpected(p, "an annotation's name");
        return false;
    }
    a->name = p->token.text;
    a->value = SPAN("");
    a->second = SPAN_NONE;
    pol_parse_next(p);
    // Not fatal to the parse: what else is wrong with the policy is worth knowing.
    if (p->options->strict_annotations && !pol_annotation_check(a, p->file, p->diags)) {
        skip_arguments(p);
        return true;
    }
    if (p->options->strict_annotations && pol_annotation_obliges(a->name)) {
        if (!pol_parse_obligation(p, policy, a))
            return false;
    } else if (p->token.kind == TOK_LPAREN) {
        if (!texts(p, a))
            return false;
    }
    if (p->options->strict_annotations)
        pol_annotation_check_value(a, p->file, p->diags);
    for (const struct pol_ast_annotation *o = policy->annotations; o; o = o->next) {
        if (span_eq(o->name, a->name)) {
            pol_parse_fail(p, a->place, "@%.*s stands twice; keep one", SPAN_FMT(a->name));
            return false;
        }
    }
    if (p->options->strict_annotations && span_eq(a->name, SPAN("id")) && (a->value.n == 0 || a->value.n > 256)) {
        pol_parse_fail(p, a->place, "@id is empty or longer than 256 bytes; give the policy a short name");
        return false;
    }
    if (++policy->n_annotations > 64) {
        pol_parse_fail(p, a->place, "more than 64 annotations; remove some");
        return false;
    }
    **tail = a;
    *tail = &a->next;
    return true;
}

static bool condition(struct pol_parser *p, struct pol_ast_condition ***tail)
{
    struct pol_ast_condition *c = pol_parse_alloc(p, sizeof *c);

    if (!c)
        return false;
    c->unless = pol_parse_word(p, "unless");
    pol_parse_next(p);
    if (!pol_parse_take(p, TOK_LBRACE, "'{'"))
        return false;
    if (p->token.kind == TOK_RBRACE) {
        pol_parse_fail(p, pol_parse_place(p), "an empty condition; write one, or leave the clause out");
        return false;
    }
    c->expr = pol_parse_expr(p);
    if (!c->expr || !pol_parse_take(p, TOK_RBRACE, "an operator or '}'"))
        return false;
    **tail = c;
    *tail = &c->next;
    return true;
}

static struct pol_ast_policy *policy(struct pol_parser *p)
{
    struct pol_ast_policy *a = pol_parse_alloc(p, sizeof *a);
    struct pol_ast_annotation **annotations;
    struct pol_ast_condition **conditions;

    if (!a)
        return NULL;
    annotations = &a->annotations;
    conditions = &a->conditions;
    while (p->token.kind == TOK_AT)
        if (!annotation(p, a, &annotations))
            return NULL;
    a->place = pol_parse_place(p);
    if (!pol_parse_word(p, "permit") && !pol_parse_word(p, "forbid")) {
        pol_parse_unexpected(p, "'permit' or 'forbid'");
        return NULL;
    }
    a->effect = pol_parse_word(p, "permit") ? POL_PERMIT : POL_FORBID;
    pol_parse_obligations_check(p, a);
    pol_parse_next(p);
    if (!scopes(p, a))
        return NULL;
    while (pol_parse_word(p, "when") || pol_parse_word(p, "unless"))
        if (!condition(p, &conditions))
            return NULL;
    return pol_parse_take(p, TOK_SEMI, "'when', 'unless' or ';'") ? a : NULL;
}

static struct pol_ast_policy *parse(struct arena *arena, const struct pol_source *source,
                                    const struct pol_options *options, bool two_texts, struct diags *diags)
{
    struct pol_parser p = {
        .arena = arena, .diags = diags, .file = source->name, .options = options, .two_texts = two_texts
    };
    struct pol_ast_policy *first = NULL, **tail = &first;
    unsigned line, column;

    if (source->text.n > POL_TEXT_MAX) {
        diag_error(diags, source->name, 0, 0, "the text is over %u MiB; split it", POL_TEXT_MAX >> 20);
        return NULL;
    }
    if (!pol_text_valid(source->text, &line, &column)) {
        diag_error(diags, source->name, line, column, "not UTF-8, or a byte order mark; save the file as plain UTF-8");
        return NULL;
    }
    pol_lexer_init(&p.lexer, source->text);
    pol_parse_next(&p);
    while (p.token.kind != TOK_END) {
        p.failed = false;
        p.depth = 0;
        *tail = policy(&p);
        if (*tail) {
            tail = &(*tail)->next;
            continue;
        }
        // The first fault of this policy is known; the next one starts behind a semicolon.
        while (p.token.kind != TOK_END && p.token.kind != TOK_SEMI)
            pol_parse_next(&p);
        if (p.token.kind == TOK_SEMI)
            pol_parse_next(&p);
        if (arena->failed)
            break;
    }
    return first;
}

struct pol_ast_policy *pol_parse(struct arena *arena, const struct pol_source *source,
                                 const struct pol_options *options, struct diags *diags)
{
    return parse(arena, source, options, false, diags);
}

struct pol_ast_policy *pol_parse_any(struct arena *arena, const struct pol_source *source, struct diags *diags)
{
    static const struct pol_options any = { .strict_annotations = false };

    return parse(arena, source, &any, true, diags);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The text is parsed, so that what follows can rely on it. Then its tokens, each with the comments around it, become a list of items: texts,
// places where a line may break, and groups of them that break together when they do not fit. format_layout.c prints the items.
#include "policy/format.h"

#include "policy/format_layout.h"
#include "policy/parse.h"

struct token {
    enum pol_token_kind kind;
    struct span text;    // with the quotes of a string
    struct span *before; // comments on lines of their own; an empty one is a blank line
    uint32_t n_before;
    struct span beside; // the comment behind it on its line; SPAN_NONE: none
};

POL_VEC(token_vec, struct token);
POL_VEC(span_vec, struct span);

struct formatter {
    struct arena *arena;
    struct token_vec tokens;
    size_t at;
    struct pol_layout layout;
    bool no_memory;
};

// ------------------------------------------------------------------------------------------------------------- tokens

// The comments of the gap before a token. `*beside` gets the one that stands on the line where the gap begins.
static bool comments(struct formatter *f, struct span gap, bool first, struct span *beside, struct token *t)
{
    struct span_vec found = { 0 };
    unsigned newlines = first ? 1 : 0;
    bool ok = true;

    for (size_t i = 0; i < gap.n && ok;) {
        size_t from = i;
        struct span *s;

        if (gap.p[i] == '\n') {
            newlines++;
            i++;
            continue;
        }
        if (gap.p[i] != '/') {
            i++;
            continue;
        }
        while (i < gap.n && gap.p[i] != '\n' && gap.p[i] != '\r')
            i++;
        struct span text = span_of(gap.p + from, i - from);
        while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
            text.n--;
        if (newlines == 0 && found.n == 0 && span_is_none(*beside)) {
            *beside = text;
            continue;
        }
        if (newlines > 1 && found.n && (s = pol_vec_add(&found)))
            *s = SPAN("");
        ok = (s = pol_vec_add(&found)) != NULL;
        if (ok)
            *s = text;
        newlines = 0;
    }
    if (ok && found.n && newlines > 1 && t->kind != TOK_END) {
        struct span *s = pol_vec_add(&found);
        ok = s != NULL;
        if (ok)
            *s = SPAN("");
    }
    t->before = ok ? arena_array(f->arena, found.n ? found.n : 1, sizeof *t->before) : NULL;
    if (t->before && found.n)
        memcpy(t->before, found.at, found.n * sizeof *found.at);
    t->n_before = found.n;
    pol_vec_free(&found);
    return t->before != NULL;
}

static bool read_tokens(struct formatter *f, struct span text)
{
    struct pol_lexer lexer;
    struct pol_token p;
    const char *end = text.p;

    pol_lexer_init(&lexer, text);
    do {
        struct span none = SPAN_NONE, *beside = f->tokens.n ? &f->tokens.at[f->tokens.n - 1].beside : &none;
        struct token t = { .beside = SPAN_NONE };

        p = pol_lex(&lexer);
        t.kind = p.kind;
        t.text = p.kind == TOK_STRING ? span_of(p.text.p - 1, p.text.n + 2) : p.text;
        if (!comments(f, span_of(end, (size_t)(t.text.p - end)), f->tokens.n == 0, beside, &t))
            return false;
        end = t.text.p + t.text.n;
        struct token *kept = pol_vec_add(&f->tokens);
        if (!kept)
            return false;
        *kept = t;
    } while (p.kind != TOK_END);
    return true;
}

// -------------------------------------------------------------------------------------------------------------- items

static const struct token *now(const struct formatter *f)
{
    return &f->tokens.at[f->at];
}

static bool is(const struct formatter *f, enum pol_token_kind kind)
{
    return now(f)->kind == kind;
}

static bool word(const struct formatter *f, const char *w)
{
    return is(f, TOK_IDENT) && span_eq(now(f)->text, span_str(w));
}

static void add(struct formatter *f, enum pol_layout_kind kind)
{
    pol_layout_add(&f->layout, kind, SPAN_NONE);
}

// The comments before the current token, unless they are printed already.
static void lead(struct formatter *f)
{
    struct token *t = &f->tokens.at[f->at];

    for (uint32_t i = 0; i < t->n_before; i++)
        pol_layout_add(&f->layout, LAYOUT_COMMENT, t->before[i]);
    t->n_before = 0;
}

static void take(struct formatter *f)
{
    const struct token *t = now(f);

    lead(f);
    pol_layout_add(&f->layout, LAYOUT_TEXT, t->text);
    if (!span_is_none(t->beside))
        pol_layout_add(&f->layout, LAYOUT_BESIDE, t->beside);
    if (f->at + 1 < f->tokens.n)
        f->at++;
}

static void space(struct formatter *f)
{
    pol_layout_add(&f->layout, LAYOUT_TEXT, SPAN(" "));
}

// A trailing comma goes, unless a comment hangs on it.
static bool spare_comma(const struct formatter *f)
{
    const struct token *t = now(f);
    enum pol_token_kind next = t->kind == TOK_COMMA ? f->tokens.at[f->at + 1].kind : TOK_END;

    return t->kind == TOK_COMMA && t->n_before == 0 && span_is_none(t->beside) &&
           (next == TOK_RPAREN || next == TOK_RBRACKET || next == TOK_RBRACE);
}

static void expr(struct formatter *f);

// From an opening bracket to its closing one, `each` between commas. Spaces inside of braces.
static void bracketed(struct formatter *f, enum pol_token_kind close, void (*each)(struct formatter *))
{
    bool braces = close == TOK_RBRACE;

    add(f, LAYOUT_GROUP);
    take(f);
    if (!is(f, close) || now(f)->n_before) {
        add(f, LAYOUT_INDENT);
        add(f, braces ? LAYOUT_LINE : LAYOUT_BREAK);
        while (!is(f, close) && !is(f, TOK_END)) {
            if (spare_comma(f)) {
                f->at++;
            } else if (is(f, TOK_COMMA)) {
                take(f);
                add(f, LAYOUT_LINE);
            } else {
                each(f);
            }
        }
        lead(f);
        add(f, LAYOUT_OUTDENT);
        add(f, braces ? LAYOUT_LINE : LAYOUT_BREAK);
    }
    take(f);
    add(f, LAYOUT_END);
}

// ------------------------------------------------------------------------------------------------------- expressions

static void path(struct formatter *f)
{
    take(f);
    while (is(f, TOK_PATH)) {
        take(f);
        take(f);
    }
}

static void field(struct formatter *f)
{
    take(f);
    take(f); // the colon
    space(f);
    expr(f);
}

static void primary(struct formatter *f)
{
    switch (now(f)->kind) {
    case TOK_LPAREN: bracketed(f, TOK_RPAREN, expr); break;
    case TOK_LBRACKET: bracketed(f, TOK_RBRACKET, expr); break;
    case TOK_LBRACE: bracketed(f, TOK_RBRACE, field); break;
    case TOK_IDENT: path(f); break;
    default: take(f); break;
    }
}

static void member(struct formatter *f)
{
    while (is(f, TOK_NOT) || is(f, TOK_MINUS))
        take(f);
    primary(f);
    for (;;) {
        if (is(f, TOK_DOT)) {
            take(f);
            take(f);
        } else if (is(f, TOK_LPAREN)) {
            bracketed(f, TOK_RPAREN, expr);
        } else if (is(f, TOK_LBRACKET)) {
            bracketed(f, TOK_RBRACKET, expr);
        } else {
            return;
        }
    }
}

static bool product_sign(const struct formatter *f)
{
    return is(f, TOK_STAR);
}

static bool sum_sign(const struct formatter *f)
{
    return is(f, TOK_PLUS) || is(f, TOK_MINUS);
}

static bool relation_sign(const struct formatter *f)
{
    enum pol_token_kind k = now(f)->kind;

    return (k >= TOK_EQ && k <= TOK_GT) || word(f, "in") || word(f, "has") || word(f, "like") || word(f, "is");
}

static bool and_sign(const struct formatter *f)
{
    return is(f, TOK_AND);
}

static bool or_sign(const struct formatter *f)
{
    return is(f, TOK_OR);
}

static const struct {
    bool (*sign)(const struct formatter *f);
    bool indents;
} levels[] = {
    { or_sign, false }, { and_sign, true }, { relation_sign, true }, { sum_sign, true }, { product_sign, true }
};

enum { LEVELS = sizeof levels / sizeof *levels };

// Operands of one level of binding, joined by its operators. && inside of || is set in, so that one sees what belongs together; alone it is
// not.
static void chain(struct formatter *f, size_t level, bool inside)
{
    bool joined = false, indented = false;

    if (level == LEVELS) {
        member(f);
        return;
    }
    add(f, LAYOUT_GROUP);
    chain(f, level + 1, inside);
    while (levels[level].sign(f)) {
        if (!joined && levels[level].indents && (level > 1 || inside)) {
            add(f, LAYOUT_INDENT);
            indented = true;
        }
        joined = true;
        space(f);
        take(f);
        add(f, LAYOUT_LINE);
        chain(f, level + 1, inside);
    }
    if (indented)
        add(f, LAYOUT_OUTDENT);
    add(f, LAYOUT_END);
}

// Whether an || follows at this level of brackets before the expression ends.
static bool has_or(const struct formatter *f)
{
    unsigned depth = 0;

    for (size_t i = f->at; i < f->tokens.n; i++) {
        enum pol_token_kind k = f->tokens.at[i].kind;

        if (k == TOK_LPAREN || k == TOK_LBRACKET || k == TOK_LBRACE)
            depth++;
        else if (k == TOK_OR && depth == 0)
            return true;
        else if (k == TOK_SEMI ||
                 (depth == 0 && (k == TOK_RPAREN || k == TOK_RBRACKET || k == TOK_RBRACE || k == TOK_COMMA)))
            return false;
        else if (k == TOK_RPAREN || k == TOK_RBRACKET || k == TOK_RBRACE)
            depth--;
    }
    return false;
}

static void expr(struct formatter *f)
{
    if (!word(f, "if")) {
        chain(f, 0, has_or(f));
        return;
    }
    add(f, LAYOUT_GROUP);
    take(f);
    space(f);
    expr(f);
    add(f, LAYOUT_INDENT);
    for (int i = 0; i < 2; i++) {
        add(f, LAYOUT_LINE);
        take(f); // then, else
        space(f);
        expr(f);
    }
    add(f, LAYOUT_OUTDENT);
    add(f, LAYOUT_END);
}

// ------------------------------------------------------------------------------------------------------------ policies

static void scope(struct formatter *f)
{
    take(f);
    while (!is(f, TOK_COMMA) && !is(f, TOK_RPAREN) && !is(f, TOK_END)) {
        space(f);
        if (is(f, TOK_LBRACKET))
            bracketed(f, TOK_RBRACKET, primary);
        else
            primary(f);
    }
}

static void condition(struct formatter *f)
{
    add(f, LAYOUT_NEWLINE);
    take(f);
    space(f);
    add(f, LAYOUT_GROUP);
    take(f);
    add(f, LAYOUT_INDENT);
    add(f, LAYOUT_LINE);
    expr(f);
    lead(f);
    add(f, LAYOUT_OUTDENT);
    add(f, LAYOUT_LINE);
    take(f);
    add(f, LAYOUT_END);
}

static void policy(struct formatter *f)
{
    while (is(f, TOK_AT)) {
        take(f);
        take(f);
        if (is(f, TOK_LPAREN)) {
            take(f);
            take(f);
            if (is(f, TOK_COMMA)) {
                take(f);
                space(f);
                take(f);
            }
            take(f);
        }
        add(f, LAYOUT_NEWLINE);
    }
    take(f);
    space(f);
    bracketed(f, TOK_RPAREN, scope);
    while (word(f, "when") || word(f, "unless"))
        condition(f);
    take(f);
    add(f, LAYOUT_NEWLINE);
}

// Prints what was laid out, behind an empty line if something stands before it.
static bool flush(struct formatter *f, struct buf *out, bool first)
{
    bool ok = (first || buf_byte(out, '\n')) && pol_layout_print(&f->layout, POL_FORMAT_WIDTH, out);

    f->layout.items.n = 0;
    return ok;
}

bool pol_format(const struct pol_source *source, struct buf *out, struct diags *diags)
{
    size_t errors = diags->errors, before = buf_len(out);
    struct arena arena;
    struct formatter f = { .arena = &arena };
    bool ok;

    arena_init(&arena, 0);
    pol_parse_any(&arena, source, diags);
    if (diags->errors != errors) {
        arena_fini(&arena);
        return false;
    }
    ok = read_tokens(&f, source->text);
    while (ok && !is(&f, TOK_END)) {
        bool first = f.at == 0;

        policy(&f);
        ok = flush(&f, out, first);
    }
    if (ok && now(&f)->n_before) {
        lead(&f);
        ok = flush(&f, out, f.at == 0);
    }
    pol_layout_fini(&f.layout);
    pol_vec_free(&f.tokens);
    arena_fini(&arena);
    if (!ok) {
        out->end = out->start + before;
        diag_error(diags, source->name, 0, 0, "out of memory while formatting; split the file");
    }
    return ok;
}

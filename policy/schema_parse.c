// SPDX-License-Identifier: GPL-3.0-or-later
// The syntax for people. By recursive descent, only into types, which is bounded; after an error the parser goes on behind
// the declaration, so one run shows the first fault of every declaration.
#include <stdarg.h>
#include <stdio.h>

#include "policy/lex.h"
#include "policy/schema_ast.h"
#include "policy/uid.h"

struct parser {
    struct pol_lexer lexer;
    struct pol_token token;
    struct arena *arena;
    struct diags *diags;
    struct span file;
    unsigned braces; // open ones before the token
    unsigned depth;  // of types
    bool failed;     // the declaration at hand has an error, which was reported
    bool memory;     // was enough
};

static void next(struct parser *p)
{
    if (p->token.kind == TOK_LBRACE)
        p->braces++;
    if (p->token.kind == TOK_RBRACE && p->braces)
        p->braces--;
    p->token = pol_lex(&p->lexer);
}

static struct pol_place here(const struct parser *p)
{
    return (struct pol_place){ p->token.line, p->token.column };
}

__attribute__((format(printf, 3, 4))) static bool fail(struct parser *p, struct pol_place at, const char *fmt, ...)
{
    char text[320];
    va_list ap;

    if (p->failed)
        return false;
    p->failed = true;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(p->diags, p->file, at.line, at.column, "%s", text);
    return false;
}

static bool unexpected(struct parser *p, const char *wanted)
{
    struct span text = span_sub(p->token.text, 0, 48);

    if (p->token.kind == TOK_END)
        return fail(p, here(p), "expected %s, found the end of the file", wanted);
    if (p->token.kind == TOK_BAD && p->token.text.n && *p->token.text.p == '"')
        return fail(p, here(p), "a string that is not closed; add a '\"'");
    return fail(p, here(p), "expected %s, found '%.*s'", wanted, SPAN_FMT(text));
}

static bool take(struct parser *p, enum pol_token_kind kind, const char *wanted)
{
    if (p->token.kind != kind)
        return unexpected(p, wanted);
    next(p);
    return true;
}

static bool word(const struct parser *p, const char *w)
{
    return p->token.kind == TOK_IDENT && span_eq(p->token.text, span_str(w));
}

static void *alloc(struct parser *p, size_t n)
{
    void *m = arena_alloc(p->arena, n);

    if (!m && p->memory) {
        p->memory = false;
        p->failed = false;
        fail(p, here(p), "out of memory while reading a schema; make it smaller");
    }
    return m;
}

// --------------------------------------------------------------------------------------------------------------- names

static bool ident(struct parser *p, bool cedar, struct span *out)
{
    struct span s = p->token.text;

    if (p->token.kind != TOK_IDENT)
        return unexpected(p, "a name");
    if (pol_name_reserved(s) && !(cedar && span_eq(s, SPAN("__cedar"))))
        return fail(p, here(p), "'%.*s' is reserved; choose another name, or put an attribute's into quotes",
                    SPAN_FMT(s));
    next(p);
    *out = s;
    return true;
}

static bool string(struct parser *p, struct span *out)
{
    const char *wrong;

    if (p->token.kind != TOK_STRING)
        return unexpected(p, "a string");
    wrong = pol_unescape(p->arena, p->token.text, false, out, NULL);
    if (wrong)
        return fail(p, here(p), "%s", wrong);
    next(p);
    return true;
}

static bool name_or_string(struct parser *p, struct span *out)
{
    return p->token.kind == TOK_STRING ? string(p, out) : ident(p, true, out);
}

// A name and what is joined to it by "::"; the text is of the pieces without what stands between them. With `id`, a
// string may stand at the end, or alone: Type::"id".
static bool path(struct parser *p, struct span *out, struct span *id)
{
    struct span pieces[64];
    size_t n = 0, bytes = 0;
    char *text;

    if (id)
        *id = SPAN_NONE;
    if (id && p->token.kind == TOK_STRING)
        return string(p, id);
    do {
        if (n && id && p->token.kind == TOK_STRING) {
            if (!string(p, id))
                return false;
            break;
        }
        if (n == sizeof pieces / sizeof *pieces)
            return fail(p, here(p), "a name of more than %zu parts; shorten it", n);
        if (!ident(p, true, &pieces[n]))
            return false;
        bytes += pieces[n++].n + 2;
        if (p->token.kind != TOK_PATH)
            break;
        next(p);
    } while (true);
    if (!(text = alloc(p, bytes)))
        return false;
    *out = span_of(text, bytes - 2);
    for (size_t i = 0; i < n; i++) {
        if (i) {
            memcpy(text, "::", 2);
            text += 2;
        }
        memcpy(text, pieces[i].p, pieces[i].n);
        text += pieces[i].n;
    }
    return true;
}

static struct pol_decl_name *append_name(struct parser *p, struct pol_decl_name ***tail, struct pol_place at)
{
    struct pol_decl_name *n = alloc(p, sizeof *n);

    if (!n)
        return NULL;
    n->place = at;
    **tail = n;
    *tail = &n->next;
    return n;
}

enum name_kind { NAME_IDENT, NAME_TEXT, NAME_PATH, NAME_ACTION, NAME_STRING };

static bool one_name(struct parser *p, enum name_kind kind, struct pol_decl_name ***tail)
{
    struct pol_decl_name *n = append_name(p, tail, here(p));
    struct span id;

    if (!n)
        return false;
    n->type = SPAN_NONE;
    switch (kind) {
    case NAME_IDENT: return ident(p, false, &n->name);
    case NAME_TEXT: return name_or_string(p, &n->name);
    case NAME_PATH: return path(p, &n->name, NULL);
    case NAME_STRING: return string(p, &n->name);
    case NAME_ACTION: break;
    }
    if (!path(p, &n->type, &id))
        return false;
    if (span_is_none(id)) {
        // No string: one name, which is the id.
        n->name = n->type;
        n->type = SPAN_NONE;
        if (memmem(n->name.p, n->name.n, "::", 2))
            return fail(p, n->place, "an action of another namespace is written %.*s::Action::\"…\"",
                        SPAN_FMT(span_sub(n->name, 0, 96)));
    } else {
        n->name = id;
    }
    return true;
}

static bool names(struct parser *p, enum name_kind kind, struct pol_decl_name **out)
{
    struct pol_decl_name **tail = out;

    if (!one_name(p, kind, &tail))
        return false;
    while (p->token.kind == TOK_COMMA) {
        next(p);
        if (!one_name(p, kind, &tail))
            return false;
    }
    return true;
}

// One, or any number in brackets.
static bool name_or_list(struct parser *p, enum name_kind kind, bool empty, struct pol_decl_name **out)
{
    struct pol_decl_name **tail = out;

    *out = NULL;
    if (p->token.kind != TOK_LBRACKET)
        return one_name(p, kind, &tail);
    next(p);
    if (!(empty && p->token.kind == TOK_RBRACKET) && !names(p, kind, out))
        return false;
    return take(p, TOK_RBRACKET, "',' or ']'");
}

// --------------------------------------------------------------------------------------------------------- annotations

struct seen {
    struct span name;
    struct seen *next;
};

static bool annotations(struct parser *p, bool *any)
{
    struct seen *list = NULL;

    *any = false;
    while (p->token.kind == TOK_AT) {
        struct seen *s = alloc(p, sizeof *s);
        struct span value;

        *any = true;
        if (!s)
            return false;
        next(p);
        if (p->token.kind != TOK_IDENT)
            return unexpected(p, "the name of an annotation");
        s->name = p->token.text;
        for (const struct seen *o = list; o; o = o->next)
            if (span_eq(o->name, s->name))
                return fail(p, here(p), "the annotation @%.*s is here already; keep one",
                            SPAN_FMT(span_sub(s->name, 0, 64)));
        s->next = list;
        list = s;
        next(p);
        if (p->token.kind != TOK_LPAREN)
            continue;
        next(p);
        if (!string(p, &value) || !take(p, TOK_RPAREN, "')'"))
            return false;
    }
    return true;
}

// --------------------------------------------------------------------------------------------------------------- types

static struct pol_decl_type *type(struct parser *p);

static struct pol_decl_type *record(struct parser *p)
{
    struct pol_decl_type *t = alloc(p, sizeof *t);
    struct pol_decl_field **tail = t ? &t->fields : NULL;
    bool any;

    if (!t)
        return NULL;
    t->kind = DECL_RECORD;
    t->place = here(p);
    if (!take(p, TOK_LBRACE, "'{'"))
        return NULL;
    while (p->token.kind != TOK_RBRACE) {
        struct pol_decl_field *f = alloc(p, sizeof *f);

        if (!f || !annotations(p, &any))
            return NULL;
        f->place = here(p);
        if (!name_or_string(p, &f->name))
            return NULL;
        if (p->token.kind == TOK_BAD && span_eq(p->token.text, SPAN("?"))) {
            f->optional = true;
            next(p);
        }
        if (!take(p, TOK_COLON, "':'") || !(f->type = type(p)))
            return NULL;
        *tail = f;
        tail = &f->next;
        if (p->token.kind != TOK_COMMA)
            break;
        next(p);
    }
    return take(p, TOK_RBRACE, "',' or '}'") ? t : NULL;
}

static struct pol_decl_type *named_type(struct parser *p)
{
    struct pol_decl_type *t = alloc(p, sizeof *t);

    if (!t)
        return NULL;
    t->place = here(p);
    t->kind = DECL_NAME;
    if (!path(p, &t->name, NULL))
        return NULL;
    if (!span_eq(t->name, SPAN("Set")) || p->token.kind != TOK_LT)
        return t;
    next(p);
    t->kind = DECL_SET;
    if (!(t->element = type(p)))
        return NULL;
    return take(p, TOK_GT, "'>'") ? t : NULL;
}

static struct pol_decl_type *type(struct parser *p)
{
    struct pol_decl_type *t;

    if (p->depth == POL_SCHEMA_DEPTH) {
        fail(p, here(p), "types nested deeper than %u; give parts a name with `type`", POL_SCHEMA_DEPTH);
        return NULL;
    }
    p->depth++;
    t = p->token.kind == TOK_LBRACE ? record(p) : named_type(p);
    p->depth--;
    return t;
}

// -------------------------------------------------------------------------------------------------------- declarations

static bool entity(struct parser *p, struct pol_decl_namespace *ns)
{
    struct pol_decl_entity *e = alloc(p, sizeof *e);

    if (!e)
        return false;
    if (!names(p, NAME_IDENT, &e->names))
        return false;
    if (word(p, "enum")) {
        next(p);
        if (!take(p, TOK_LBRACKET, "'['") || !names(p, NAME_STRING, &e->choices) ||
            !take(p, TOK_RBRACKET, "',' or ']'"))
            return false;
    } else {
        if (word(p, "in")) {
            next(p);
            if (!name_or_list(p, NAME_PATH, true, &e->parents))
                return false;
        }
        if (p->token.kind == TOK_ASSIGN) {
            next(p);
            if (p->token.kind != TOK_LBRACE)
                return unexpected(p, "'{'");
        }
        if (p->token.kind == TOK_LBRACE && !(e->attrs = record(p)))
            return false;
        if (word(p, "tags")) {
            next(p);
            if (!(e->tags = type(p)))
                return false;
        }
    }
    e->next = ns->entities;
    ns->entities = e;
    return take(p, TOK_SEMI, e->attrs || e->tags || e->choices ? "';'" : "';', 'in', 'enum', 'tags' or '{'");
}

static bool once(struct parser *p, bool *seen, const char *what)
{
    if (*seen)
        return fail(p, here(p), "'%s' is here already; keep one", what);
    *seen = true;
    next(p);
    return take(p, TOK_COLON, "':'");
}

static bool applies(struct parser *p, struct pol_decl_action *a)
{
    bool principal = false, resource = false, context = false;
    struct pol_place at = here(p);

    if (!take(p, TOK_LBRACE, "'{'"))
        return false;
    do {
        if (word(p, "principal")) {
            if (!once(p, &principal, "principal") || !name_or_list(p, NAME_PATH, true, &a->principals))
                return false;
            if (!a->principals)
                return fail(p, at, "no principal types; list at least one, or leave 'appliesTo' out");
        } else if (word(p, "resource")) {
            if (!once(p, &resource, "resource") || !name_or_list(p, NAME_PATH, true, &a->resources))
                return false;
            if (!a->resources)
                return fail(p, at, "no resource types; list at least one, or leave 'appliesTo' out");
        } else if (word(p, "context")) {
            if (!once(p, &context, "context"))
                return false;
            if (p->token.kind == TOK_LBRACE) {
                a->context = record(p);
            } else if ((a->context = alloc(p, sizeof *a->context))) {
                a->context->place = here(p);
                a->context->kind = DECL_COMMON;
                if (!path(p, &a->context->name, NULL))
                    return false;
            }
            if (!a->context)
                return false;
        } else {
            return unexpected(p, "'principal', 'resource' or 'context'");
        }
        if (p->token.kind != TOK_COMMA)
            break;
        next(p);
    } while (p->token.kind != TOK_RBRACE);
    if (!take(p, TOK_RBRACE, "',' or '}'"))
        return false;
    if (!principal || !resource)
        return fail(p, at, "'appliesTo' without '%s'; add it", principal ? "resource" : "principal");
    return true;
}

static bool action(struct parser *p, struct pol_decl_namespace *ns)
{
    struct pol_decl_action *a = alloc(p, sizeof *a);

    if (!a || !names(p, NAME_TEXT, &a->names))
        return false;
    if (word(p, "in")) {
        next(p);
        if (!name_or_list(p, NAME_ACTION, false, &a->parents))
            return false;
    }
    if (word(p, "appliesTo")) {
        next(p);
        if (!applies(p, a))
            return false;
    }
    if (word(p, "attributes")) {
        next(p);
        if (!take(p, TOK_LBRACE, "'{'") || !take(p, TOK_RBRACE, "'}'; actions have no attributes"))
            return false;
    }
    a->next = ns->actions;
    ns->actions = a;
    return take(p, TOK_SEMI, "';', 'in' or 'appliesTo'");
}

static bool common(struct parser *p, struct pol_decl_namespace *ns)
{
    struct pol_decl_common *c = alloc(p, sizeof *c);

    if (!c)
        return false;
    c->place = here(p);
    if (!ident(p, false, &c->name))
        return false;
    if (!pol_schema_common_name_free(c->name))
        return fail(p, c->place, "'%.*s' is a word of the schema language; choose another name", SPAN_FMT(c->name));
    if (!take(p, TOK_ASSIGN, "'='") || !(c->type = type(p)))
        return false;
    c->next = ns->commons;
    ns->commons = c;
    return take(p, TOK_SEMI, "';'");
}

static bool declaration(struct parser *p, struct pol_decl_namespace *ns)
{
    static const struct span words[] = { SPAN("entity"), SPAN("action"), SPAN("type"), SPAN("namespace") };
    struct span near;

    if (word(p, "entity")) {
        next(p);
        return entity(p, ns);
    }
    if (word(p, "action")) {
        next(p);
        return action(p, ns);
    }
    if (word(p, "type")) {
        next(p);
        return common(p, ns);
    }
    near = p->token.kind == TOK_IDENT ? diag_suggest(p->token.text, words, 4) : SPAN_NONE;
    if (span_is_none(near) || span_eq(near, p->token.text))
        return unexpected(p, ns->name.n ? "'entity', 'action', 'type' or '}'"
                                        : "'entity', 'action', 'type' or 'namespace'");
    return fail(p, here(p), "'%.*s' starts no declaration; did you mean '%.*s'?",
                SPAN_FMT(span_sub(p->token.text, 0, 48)), SPAN_FMT(near));
}

// Behind the semicolon, or before the brace that closes what is around the declaration.
static void recover(struct parser *p, unsigned braces)
{
    // A namespace did so already for what is in it.
    if (!p->failed)
        return;
    while (p->token.kind != TOK_END && p->token.kind != TOK_SEMI &&
           !(p->token.kind == TOK_RBRACE && p->braces <= braces))
        next(p);
    if (p->token.kind == TOK_SEMI) {
        next(p);
        p->braces = braces;
    }
    p->failed = false;
}

static struct pol_decl_namespace *new_namespace(struct parser *p, struct pol_decl_namespace **list)
{
    struct pol_decl_namespace *ns = alloc(p, sizeof *ns);

    if (!ns)
        return NULL;
    ns->file = p->file;
    ns->name = SPAN("");
    ns->place = here(p);
    ns->next = *list;
    *list = ns;
    return ns;
}

static bool in_namespace(struct parser *p, struct pol_decl_namespace **list)
{
    struct pol_decl_namespace *ns;
    bool ok = true, any;

    next(p);
    if (!(ns = new_namespace(p, list)) || !path(p, &ns->name, NULL))
        return false;
    if (span_eq(ns->name, SPAN("__cedar")) || span_starts(ns->name, SPAN("__cedar::")) ||
        memmem(ns->name.p, ns->name.n, "::__cedar", 9))
        return fail(p, ns->place, "'__cedar' is reserved; choose another name");
    for (const struct pol_decl_namespace *o = ns->next; o; o = o->next)
        if (o->name.n && span_eq(o->name, ns->name) && o->file.p == ns->file.p)
            return fail(p, ns->place, "the namespace '%.*s' is at line %u already; put all of it there",
                        SPAN_FMT(span_sub(ns->name, 0, 96)), o->place.line);
    if (!take(p, TOK_LBRACE, "'{'"))
        return false;
    while (p->token.kind != TOK_RBRACE && p->token.kind != TOK_END && p->memory) {
        unsigned braces = p->braces;

        if (annotations(p, &any) && declaration(p, ns))
            continue;
        ok = false;
        recover(p, braces);
    }
    return take(p, TOK_RBRACE, "'}'") && ok;
}

bool pol_schema_parse(struct arena *a, struct span file, struct span text, struct pol_decl_namespace **list,
                      struct diags *diags)
{
    struct parser p = { .arena = a, .diags = diags, .file = file, .memory = true };
    struct pol_decl_namespace *outside = NULL;
    unsigned line, column;
    bool ok = true, any;

    if (!pol_text_valid(text, &line, &column)) {
        diag_error(diags, file, line, column, "not UTF-8, or a byte order mark; save the file as plain UTF-8");
        return false;
    }
    pol_lexer_init(&p.lexer, text);
    p.token = pol_lex(&p.lexer);
    while (p.token.kind != TOK_END && p.memory) {
        bool good = annotations(&p, &any);

        if (good && word(&p, "namespace"))
            good = in_namespace(&p, list);
        else if (good)
            good = (outside || (outside = new_namespace(&p, list))) && declaration(&p, outside);
        if (good)
            continue;
        ok = false;
        recover(&p, 0);
        if (p.token.kind == TOK_RBRACE)
            next(&p);
    }
    return ok;
}

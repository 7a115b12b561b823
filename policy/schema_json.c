// SPDX-License-Identifier: GPL-3.0-or-later
// The JSON syntax. The document is read by the JSON library, and walked along in its text at the same time, since that is
// what knows the places.
#include <stdarg.h>
#include <stdio.h>

#include "policy/json_walk.h"
#include "policy/schema_ast.h"
#include "policy/type.h"
#include "policy/uid.h"

struct reader {
    struct arena *arena;
    struct diags *diags;
    struct span file;
    unsigned depth; // of types
};

// -------------------------------------------------------------------------------------------------------------- helpers

static struct pol_place place(const struct pol_cursor *c)
{
    return (struct pol_place){ c->line, c->column };
}

__attribute__((format(printf, 3, 4))) static bool wrong(struct reader *r, const struct pol_cursor *at, const char *fmt,
                                                        ...)
{
    char text[320];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(r->diags, r->file, at->line, at->column, "%s", text);
    return false;
}

static void *alloc(struct reader *r, const struct pol_cursor *at, size_t n)
{
    void *m = arena_alloc(r->arena, n);

    if (!m)
        wrong(r, at, "out of memory while reading a schema; make it smaller");
    return m;
}

static bool is(struct reader *r, const struct pol_json_node *n, enum json_type type, const char *what)
{
    return json_type(n->v) == type ? true : wrong(r, &n->at, "expected %s", what);
}

static bool unknown(struct reader *r, const struct pol_cursor *at, struct span name, const struct span *known, size_t n)
{
    struct span near = diag_suggest(name, known, n);

    if (span_is_none(near))
        return wrong(r, at, "unknown member '%.*s'; remove it", SPAN_FMT(span_sub(name, 0, 64)));
    return wrong(r, at, "unknown member '%.*s'; did you mean '%.*s'?", SPAN_FMT(span_sub(name, 0, 64)), SPAN_FMT(near));
}

static size_t which(struct span name, const struct span *known, size_t n)
{
    size_t i = 0;

    while (i < n && !span_eq(name, known[i]))
        i++;
    return i;
}

static bool text(struct reader *r, const struct pol_json_node *n, struct span *out)
{
    struct span s = json_string(n->v);

    if (span_is_none(s))
        return wrong(r, &n->at, "expected a string");
    *out = arena_dup(r->arena, s);
    return span_is_none(*out) ? wrong(r, &n->at, "out of memory while reading a schema; make it smaller") : true;
}

// A name, which may be of __cedar where it refers to a type.
static bool valid_name(struct span s, bool cedar)
{
    struct span inner = s;

    if (cedar && span_starts(s, SPAN("__cedar::")))
        inner = span_sub(s, 9, s.n);
    return pol_name_valid(inner);
}

static bool name_text(struct reader *r, const struct pol_json_node *n, bool cedar, struct span *out)
{
    if (!text(r, n, out))
        return false;
    return valid_name(*out, cedar) ? true
                                   : wrong(r, &n->at, "'%.*s' is no name of a type", SPAN_FMT(span_sub(*out, 0, 96)));
}

static bool annotations(struct reader *r, const struct pol_json_node *n)
{
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    struct pol_json_node v;

    if (!is(r, n, JSON_OBJECT, "an object of annotations"))
        return false;
    while (pol_json_step(&w, &name, &v))
        if (json_type(v.v) != JSON_STRING && json_type(v.v) != JSON_NULL)
            return wrong(r, &v.at, "the value of an annotation is a string");
    return true;
}

static struct pol_decl_name *append(struct reader *r, const struct pol_cursor *at, struct pol_decl_name ***tail)
{
    struct pol_decl_name *n = alloc(r, at, sizeof *n);

    if (!n)
        return NULL;
    n->type = SPAN_NONE;
    n->place = place(at);
    **tail = n;
    *tail = &n->next;
    return n;
}

static bool name_list(struct reader *r, const struct pol_json_node *n, bool names, struct pol_decl_name **out)
{
    struct pol_decl_name **tail = out, *one;
    struct pol_json_walk w = pol_json_walk(n);
    struct span none;
    struct pol_json_node v;

    if (!is(r, n, JSON_ARRAY, "a list"))
        return false;
    while (pol_json_step(&w, &none, &v))
        if (!(one = append(r, &v.at, &tail)) || !(names ? name_text(r, &v, true, &one->name) : text(r, &v, &one->name)))
            return false;
    return true;
}

// ---------------------------------------------------------------------------------------------------------------- types

enum type_member {
    MEMBER_TYPE,
    MEMBER_ELEMENT,
    MEMBER_ATTRIBUTES,
    MEMBER_ADDITIONAL,
    MEMBER_NAME,
    MEMBER_REQUIRED,
    MEMBER_ANNOTATIONS,
    TYPE_MEMBERS,
};

static const struct span type_members[] = {
    SPAN("type"), SPAN("element"),  SPAN("attributes"),  SPAN("additionalAttributes"),
    SPAN("name"), SPAN("required"), SPAN("annotations"),
};

static struct pol_decl_type *type(struct reader *r, const struct pol_json_node *n, bool *required, bool annotated);

static bool attributes(struct reader *r, const struct pol_json_node *n, struct pol_decl_type *t)
{
    struct pol_decl_field **tail = &t->fields;
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    struct pol_json_node v;

    if (!is(r, n, JSON_OBJECT, "an object of attributes"))
        return false;
    while (pol_json_step(&w, &name, &v)) {
        struct pol_decl_field *f = alloc(r, &v.at, sizeof *f);
        bool required = true;

        if (!f || span_is_none(f->name = arena_dup(r->arena, name)) || !(f->type = type(r, &v, &required, true)))
            return false;
        f->place = place(&w.name_at);
        f->optional = !required;
        *tail = f;
        tail = &f->next;
    }
    return true;
}

static bool plain_type(struct span name, uint8_t *out)
{
    static const struct {
        struct span name;
        uint8_t plain;
    } plain[] = { { SPAN("String"), TYPE_STRING }, { SPAN("Long"), TYPE_LONG }, { SPAN("Boolean"), TYPE_BOOL } };

    for (size_t i = 0; i < 3; i++) {
        if (span_eq(name, plain[i].name)) {
            *out = plain[i].plain;
            return true;
        }
    }
    return false;
}

static bool extension_type(struct reader *r, const struct pol_json_node *n, struct pol_decl_type *t)
{
    struct span names[] = { SPAN("decimal"), SPAN("ipaddr"), SPAN("datetime"), SPAN("duration") }, near;

    if (!text(r, n, &t->name))
        return false;
    t->kind = DECL_PLAIN;
    for (unsigned i = 0; i < 4; i++) {
        if (span_eq(t->name, names[i])) {
            t->plain = (uint8_t)(TYPE_DECIMAL + i);
            return true;
        }
    }
    near = diag_suggest(t->name, names, 4);
    return wrong(r, &n->at, "there is no extension type '%.*s'; %s%.*s%s", SPAN_FMT(span_sub(t->name, 0, 64)),
                 span_is_none(near) ? "known are decimal, ipaddr, datetime, duration" : "did you mean '",
                 SPAN_FMT(near), span_is_none(near) ? "" : "'?");
}

// What the members besides "type" must be, and may be, by the type.
static bool members_of(struct reader *r, const struct pol_json_node *n, struct span type, const struct pol_json_node *m,
                       unsigned must, unsigned may)
{
    for (unsigned i = MEMBER_ELEMENT; i <= MEMBER_NAME; i++) {
        if (m[i].v && !((must | may) & 1u << i))
            return wrong(r, &m[i].at, "the type '%.*s' takes no '%.*s'; remove it", SPAN_FMT(span_sub(type, 0, 64)),
                         SPAN_FMT(type_members[i]));
        if (!m[i].v && (must & 1u << i))
            return wrong(r, &n->at, "the type '%.*s' needs '%.*s'", SPAN_FMT(type), SPAN_FMT(type_members[i]));
    }
    return true;
}

static bool by_name(struct reader *r, const struct pol_json_node *n, struct span name, const struct pol_json_node *m,
                    struct pol_decl_type *t)
{
    if (plain_type(name, &t->plain)) {
        t->kind = DECL_PLAIN;
        return members_of(r, n, name, m, 0, 0);
    }
    if (span_eq(name, SPAN("Set"))) {
        t->kind = DECL_SET;
        return members_of(r, n, name, m, 1u << MEMBER_ELEMENT, 0) &&
               (t->element = type(r, &m[MEMBER_ELEMENT], NULL, false)) != NULL;
    }
    if (span_eq(name, SPAN("Record"))) {
        t->kind = DECL_RECORD;
        return members_of(r, n, name, m, 1u << MEMBER_ATTRIBUTES, 1u << MEMBER_ADDITIONAL) &&
               attributes(r, &m[MEMBER_ATTRIBUTES], t);
    }
    if (span_eq(name, SPAN("Entity")) || span_eq(name, SPAN("EntityOrCommon"))) {
        t->kind = name.n == 6 ? DECL_ENTITY : DECL_NAME;
        return members_of(r, n, name, m, 1u << MEMBER_NAME, 0) && name_text(r, &m[MEMBER_NAME], true, &t->name);
    }
    if (span_eq(name, SPAN("Extension")))
        return members_of(r, n, name, m, 1u << MEMBER_NAME, 0) && extension_type(r, &m[MEMBER_NAME], t);
    t->kind = DECL_COMMON;
    return members_of(r, n, name, m, 0, 0) && name_text(r, &m[MEMBER_TYPE], true, &t->name);
}

static bool type_parts(struct reader *r, const struct pol_json_node *n, bool *required, bool annotated,
                       struct pol_decl_type *t)
{
    struct pol_json_node m[TYPE_MEMBERS] = { 0 }, v;
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    bool additional;

    while (pol_json_step(&w, &name, &v)) {
        size_t i = which(name, type_members, TYPE_MEMBERS);

        if (i == TYPE_MEMBERS || (i == MEMBER_REQUIRED && !required) || (i == MEMBER_ANNOTATIONS && !annotated))
            return unknown(r, &w.name_at, name, type_members,
                           required    ? TYPE_MEMBERS
                           : annotated ? TYPE_MEMBERS
                                       : MEMBER_REQUIRED);
        m[i] = v;
    }
    if (m[MEMBER_REQUIRED].v && !json_bool(m[MEMBER_REQUIRED].v, required))
        return wrong(r, &m[MEMBER_REQUIRED].at, "expected true or false");
    if (m[MEMBER_ANNOTATIONS].v && !annotations(r, &m[MEMBER_ANNOTATIONS]))
        return false;
    if (m[MEMBER_ADDITIONAL].v && !json_bool(m[MEMBER_ADDITIONAL].v, &additional))
        return wrong(r, &m[MEMBER_ADDITIONAL].at, "expected true or false");
    if (m[MEMBER_ADDITIONAL].v && additional)
        return wrong(r, &m[MEMBER_ADDITIONAL].at,
                     "records with additional attributes cannot be validated; list them all");
    if (!m[MEMBER_TYPE].v)
        return wrong(r, &n->at, "a type needs 'type'");
    if (!text(r, &m[MEMBER_TYPE], &t->name))
        return false;
    return by_name(r, n, t->name, m, t);
}

static struct pol_decl_type *type(struct reader *r, const struct pol_json_node *n, bool *required, bool annotated)
{
    struct pol_decl_type *t = alloc(r, &n->at, sizeof *t);
    bool ok;

    if (!t || !is(r, n, JSON_OBJECT, "a type: an object"))
        return NULL;
    if (r->depth == POL_SCHEMA_DEPTH) {
        wrong(r, &n->at, "types nested deeper than %u; give parts a name under 'commonTypes'", POL_SCHEMA_DEPTH);
        return NULL;
    }
    t->place = place(&n->at);
    r->depth++;
    ok = type_parts(r, n, required, annotated, t);
    r->depth--;
    return ok ? t : NULL;
}

// --------------------------------------------------------------------------------------------------------- declarations

static struct pol_decl_name *declared(struct reader *r, struct pol_json_walk *w, struct span name)
{
    struct pol_decl_name *list = NULL, **tail = &list, *n = append(r, &w->name_at, &tail);

    if (n && span_is_none(n->name = arena_dup(r->arena, name)))
        return NULL;
    return n;
}

static bool identifier(struct reader *r, const struct pol_json_walk *w, struct span name)
{
    if (pol_name_valid(name) && !memchr(name.p, ':', name.n))
        return true;
    return wrong(r, &w->name_at, "'%.*s' is no name of a type; a namespace stands outside",
                 SPAN_FMT(span_sub(name, 0, 96)));
}

static bool entity(struct reader *r, const struct pol_json_node *n, struct pol_decl_name *names,
                   struct pol_decl_namespace *ns)
{
    static const struct span known[] = { SPAN("memberOfTypes"), SPAN("shape"), SPAN("tags"), SPAN("enum"),
                                         SPAN("annotations") };
    struct pol_decl_entity *e = alloc(r, &n->at, sizeof *e);
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    bool ok = true, others = false, choices = false;
    struct pol_json_node v;

    if (!e || !is(r, n, JSON_OBJECT, "an entity type: an object"))
        return false;
    e->names = names;
    while (ok && pol_json_step(&w, &name, &v)) {
        size_t i = which(name, known, 5);

        others = others || i < 3;
        choices = choices || i == 3;
        switch (i) {
        case 0: ok = name_list(r, &v, true, &e->parents); break;
        case 1: ok = (e->attrs = type(r, &v, NULL, false)) != NULL; break;
        case 2: ok = (e->tags = type(r, &v, NULL, false)) != NULL; break;
        case 3:
            ok = name_list(r, &v, false, &e->choices) &&
                 (e->choices ? true : wrong(r, &v.at, "an enumeration of nothing; list its ids"));
            break;
        case 4: ok = annotations(r, &v); break;
        default: ok = unknown(r, &w.name_at, name, known, 5); break;
        }
    }
    if (ok && others && choices)
        ok = wrong(r, &n->at, "an enumeration has no memberOfTypes, shape or tags; remove them");
    e->next = ns->entities;
    ns->entities = e;
    return ok;
}

static bool action_parents(struct reader *r, const struct pol_json_node *n, struct pol_decl_action *a)
{
    static const struct span known[] = { SPAN("id"), SPAN("type") };
    struct pol_decl_name **tail = &a->parents;
    struct pol_json_walk w = pol_json_walk(n);
    struct span none, name;
    struct pol_json_node v, member;

    if (json_type(n->v) == JSON_NULL)
        return true;
    if (!is(r, n, JSON_ARRAY, "a list of actions"))
        return false;
    while (pol_json_step(&w, &none, &v)) {
        struct pol_decl_name *one = append(r, &v.at, &tail);
        struct pol_json_walk inner = pol_json_walk(&v);

        if (!one || !is(r, &v, JSON_OBJECT, "an action: {\"id\": …}"))
            return false;
        while (pol_json_step(&inner, &name, &member)) {
            size_t i = which(name, known, 2);

            if (i == 1 && json_type(member.v) == JSON_NULL)
                continue;
            if (!(i == 0   ? text(r, &member, &one->name)
                  : i == 1 ? name_text(r, &member, false, &one->type)
                           : unknown(r, &inner.name_at, name, known, 2)))
                return false;
        }
        if (span_is_none(one->name))
            return wrong(r, &v.at, "an action needs 'id'");
    }
    return true;
}

static bool applies(struct reader *r, const struct pol_json_node *n, struct pol_decl_action *a)
{
    static const struct span known[] = { SPAN("principalTypes"), SPAN("resourceTypes"), SPAN("context") };
    bool ok = true, seen[4] = { false };
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    struct pol_json_node v;

    if (json_type(n->v) == JSON_NULL)
        return true;
    if (!is(r, n, JSON_OBJECT, "an object"))
        return false;
    while (ok && pol_json_step(&w, &name, &v)) {
        size_t i = which(name, known, 3);

        seen[i] = true;
        switch (i) {
        case 0: ok = name_list(r, &v, true, &a->principals); break;
        case 1: ok = name_list(r, &v, true, &a->resources); break;
        case 2: ok = (a->context = type(r, &v, NULL, false)) != NULL; break;
        default: ok = unknown(r, &w.name_at, name, known, 3); break;
        }
    }
    if (ok && (!seen[0] || !seen[1]))
        ok = wrong(r, &n->at, "'appliesTo' without '%s'; add it", seen[0] ? "resourceTypes" : "principalTypes");
    return ok;
}

static bool action(struct reader *r, const struct pol_json_node *n, struct pol_decl_name *names,
                   struct pol_decl_namespace *ns)
{
    static const struct span known[] = { SPAN("appliesTo"), SPAN("memberOf"), SPAN("annotations"), SPAN("attributes") };
    struct pol_decl_action *a = alloc(r, &n->at, sizeof *a);
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    bool ok = true;
    struct pol_json_node v;

    if (!a || !is(r, n, JSON_OBJECT, "an action: an object"))
        return false;
    a->names = names;
    while (ok && pol_json_step(&w, &name, &v)) {
        switch (which(name, known, 4)) {
        case 0: ok = applies(r, &v, a); break;
        case 1: ok = action_parents(r, &v, a); break;
        case 2: ok = annotations(r, &v); break;
        case 3:
            ok = json_type(v.v) == JSON_NULL ? true : wrong(r, &w.name_at, "actions have no attributes; remove them");
            break;
        default: ok = unknown(r, &w.name_at, name, known, 3); break;
        }
    }
    a->next = ns->actions;
    ns->actions = a;
    return ok;
}

static bool common(struct reader *r, const struct pol_json_node *n, struct pol_decl_name *name,
                   struct pol_decl_namespace *ns)
{
    struct pol_decl_common *c = alloc(r, &n->at, sizeof *c);

    if (!c || !(c->type = type(r, n, NULL, true)))
        return false;
    c->name = name->name;
    c->place = name->place;
    c->next = ns->commons;
    ns->commons = c;
    return true;
}

enum section { SECTION_ENTITIES, SECTION_ACTIONS, SECTION_COMMON, SECTION_ANNOTATIONS, SECTIONS };

static bool declarations(struct reader *r, const struct pol_json_node *n, enum section section,
                         struct pol_decl_namespace *ns)
{
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    bool ok = true;
    struct pol_json_node v;

    if (section == SECTION_ANNOTATIONS)
        return annotations(r, n);
    if (!is(r, n, JSON_OBJECT, "an object"))
        return false;
    while (pol_json_step(&w, &name, &v)) {
        struct pol_decl_name *d;

        if (section != SECTION_ACTIONS && !identifier(r, &w, name)) {
            ok = false;
            continue;
        }
        if (section == SECTION_COMMON && !pol_schema_common_name_free(name)) {
            ok = wrong(r, &w.name_at, "'%.*s' is a word of the schema language; choose another name", SPAN_FMT(name));
            continue;
        }
        if (!(d = declared(r, &w, name)))
            return false;
        ok = (section == SECTION_ENTITIES  ? entity(r, &v, d, ns)
              : section == SECTION_ACTIONS ? action(r, &v, d, ns)
                                           : common(r, &v, d, ns)) &&
             ok;
    }
    return ok;
}

static bool one_namespace(struct reader *r, const struct pol_json_node *n, struct pol_decl_namespace *ns)
{
    static const struct span known[] = { SPAN("entityTypes"), SPAN("actions"), SPAN("commonTypes"),
                                         SPAN("annotations") };
    bool ok = true, seen[SECTIONS + 1] = { false };
    struct pol_json_walk w = pol_json_walk(n);
    struct span name;
    struct pol_json_node v;

    if (!is(r, n, JSON_OBJECT, "a namespace: an object"))
        return false;
    while (pol_json_step(&w, &name, &v)) {
        size_t i = which(name, known, SECTIONS);

        seen[i] = true;
        ok = (i == SECTIONS ? unknown(r, &w.name_at, name, known, SECTIONS)
                            : declarations(r, &v, (enum section)i, ns)) &&
             ok;
    }
    if (!seen[SECTION_ENTITIES] || !seen[SECTION_ACTIONS])
        return wrong(r, &n->at, "a namespace needs '%s', if only an empty one",
                     seen[SECTION_ENTITIES] ? "actions" : "entityTypes");
    return ok;
}

static bool document(struct reader *r, const struct pol_json_node *root, struct pol_decl_namespace **list)
{
    struct pol_json_walk w = pol_json_walk(root);
    struct span name;
    bool ok = true;
    struct pol_json_node v;

    if (!is(r, root, JSON_OBJECT, "an object of namespaces"))
        return false;
    while (pol_json_step(&w, &name, &v)) {
        struct pol_decl_namespace *ns = alloc(r, &v.at, sizeof *ns);

        if (!ns || span_is_none(ns->name = arena_dup(r->arena, name)))
            return false;
        if (name.n && !pol_name_valid(name)) {
            ok = wrong(r, &w.name_at, "'%.*s' is no name of a namespace", SPAN_FMT(span_sub(name, 0, 96)));
            continue;
        }
        ns->file = r->file;
        ns->place = place(&w.name_at);
        ns->next = *list;
        *list = ns;
        ok = one_namespace(r, &v, ns) && ok;
    }
    return ok;
}

bool pol_schema_read_json(struct arena *a, struct span file, struct span in, struct pol_decl_namespace **list,
                          struct diags *diags)
{
    // A level of types is two of JSON; around them are namespaces, entity types, their names and the shape.
    static const struct json_limits limits = { .bytes = POL_SCHEMA_TEXT_MAX,
                                               .depth = 2 * POL_SCHEMA_DEPTH + 8,
                                               .nul_names = true };
    struct reader r = { .arena = a, .diags = diags, .file = file };
    struct pol_json_node root;
    struct json_error error;
    struct json_doc *doc = json_parse(in, &limits, &error);
    bool ok;

    if (!doc) {
        diag_error(diags, file, error.line, error.column, "not JSON: %s", error.what);
        return false;
    }
    root = pol_json_node(in, doc);
    ok = document(&r, &root, list);
    json_free(doc);
    return ok;
}

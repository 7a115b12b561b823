// SPDX-License-Identifier: GPL-3.0-or-later
// From declarations to tables. First every name that is declared gets its number, then every name that is used is looked
// up: in the namespace it stands in, then outside of all (Cedar RFC 24, 70). A common type is put in where it is named.
#include "policy/schema.h"

#include <stdarg.h>
#include <stdio.h>

#include "policy/schema_table.h"
#include "policy/table.h"
#include "policy/value.h"

enum common_state { COMMON_NEW, COMMON_OPEN, COMMON_DONE };

struct common {
    const struct pol_decl_namespace *ns;
    const struct pol_decl_common *decl;
    enum common_state state;
    const struct pol_type_of *type; // once done; NULL: it has an error
};

// Where an entity type or an action was declared.
struct site {
    const struct pol_decl_namespace *ns;
    const struct pol_decl_entity *entity;
    const struct pol_decl_action *action;
    struct pol_place place;
};

POL_VEC(commons, struct common);
POL_VEC(sites, struct site);

struct builder {
    struct pol_schema *s;
    struct diags *diags;
    struct arena scratch; // declarations
    struct pol_decl_namespace *namespaces;
    struct pol_uids common_names;  // as types
    struct commons commons;        // by their number
    struct sites types, actions;   // by theirs
    bool plain_hidden[TYPE_PLAIN]; // somebody declared the name
    unsigned depth;
    bool memory;
};

__attribute__((format(printf, 4, 5))) static bool fail(struct builder *b, const struct pol_decl_namespace *ns,
                                                       struct pol_place at, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(b->diags, ns ? ns->file : SPAN_NONE, at.line, at.column, "%s", text);
    return false;
}

static bool no_memory(struct builder *b)
{
    if (b->memory)
        fail(b, NULL, (struct pol_place){ 0 }, "out of memory while reading a schema; make it smaller");
    b->memory = false;
    return false;
}

static struct span qualify(struct builder *b, struct span ns, struct span name)
{
    struct span s = ns.n ? arena_printf(&b->scratch, "%.*s::%.*s", SPAN_FMT(ns), SPAN_FMT(name)) : name;

    if (span_is_none(s))
        no_memory(b);
    return s;
}

static bool qualified(struct span name)
{
    return memmem(name.p, name.n, "::", 2) != NULL;
}

static struct span basename_of(struct span name)
{
    size_t at = name.n;

    while (at && name.p[at - 1] != ':')
        at--;
    return span_sub(name, at, name.n);
}

// ------------------------------------------------------------------------------------------------------- what is declared

static enum pol_type_kind plain_named(struct span name)
{
    for (unsigned k = TYPE_BOOL; k < TYPE_PLAIN; k++)
        if (k != TYPE_TRUE && k != TYPE_FALSE && span_eq(name, pol_type_plain_name((enum pol_type_kind)k)))
            return (enum pol_type_kind)k;
    return TYPE_PLAIN;
}

// The site of a number, made if the number is new.
static struct site *site(struct builder *b, struct sites *sites, uint32_t number)
{
    struct site *one;

    while (sites->n <= number) {
        if (!(one = pol_vec_add(sites))) {
            no_memory(b);
            return NULL;
        }
        *one = (struct site){ 0 };
    }
    return &sites->at[number];
}

static bool there_already(struct builder *b, const struct pol_decl_namespace *ns, struct pol_place at, const char *what,
                          struct span name, const struct pol_decl_namespace *other, struct pol_place there)
{
    return fail(b, ns, at, "%s '%.*s' is declared at %.*s:%u already; keep one", what, SPAN_FMT(span_sub(name, 0, 96)),
                SPAN_FMT(other->file), there.line);
}

static void declare_entity(struct builder *b, const struct pol_decl_namespace *ns, const struct pol_decl_entity *e)
{
    for (const struct pol_decl_name *n = e->names; n && b->memory; n = n->next) {
        struct span name = qualify(b, ns->name, n->name);
        uint32_t number = span_is_none(name) ? POL_ID_NONE : pol_uids_add_type(&b->s->names, name);
        struct site *at = number == POL_ID_NONE ? NULL : site(b, &b->types, number);

        if (!at) {
            no_memory(b);
        } else if (span_eq(n->name, SPAN("Action"))) {
            fail(b, ns, n->place, "the entity type 'Action' is there already, for actions; choose another name");
        } else if (at->entity) {
            there_already(b, ns, n->place, "the entity type", name, at->ns, at->place);
        } else {
            *at = (struct site){ .ns = ns, .entity = e, .place = n->place };
            b->s->n_entities++;
        }
    }
}

static void declare_common(struct builder *b, const struct pol_decl_namespace *ns, const struct pol_decl_common *c)
{
    struct span name = qualify(b, ns->name, c->name);
    uint32_t number = span_is_none(name) ? POL_ID_NONE : pol_uids_add_type(&b->common_names, name);

    if (number == POL_ID_NONE) {
        no_memory(b);
    } else if (number < b->commons.n) {
        const struct common *o = &b->commons.at[number];

        there_already(b, ns, c->place, "the type", name, o->ns, o->decl->place);
    } else {
        struct common *one = pol_vec_add(&b->commons);

        if (one)
            *one = (struct common){ .ns = ns, .decl = c };
        else
            no_memory(b);
    }
}

static void declare_action(struct builder *b, const struct pol_decl_namespace *ns, const struct pol_decl_action *a)
{
    struct span type = qualify(b, ns->name, SPAN("Action"));

    for (const struct pol_decl_name *n = a->names; n && b->memory; n = n->next) {
        uint32_t number = span_is_none(type) ? POL_ID_NONE : pol_uids_add(&b->s->names, type, n->name);
        struct site *at = number == POL_ID_NONE ? NULL : site(b, &b->actions, number);

        if (!at) {
            no_memory(b);
        } else if (at->action) {
            there_already(b, ns, n->place, "the action", n->name, at->ns, at->place);
        } else {
            *at = (struct site){ .ns = ns, .action = a, .place = n->place };
            b->s->n_actions++;
        }
    }
}

static bool counted(struct builder *b)
{
    if (b->s->n_entities > POL_SCHEMA_TYPES_MAX)
        return fail(b, NULL, (struct pol_place){ 0 }, "more than %u entity types; split the schema",
                    POL_SCHEMA_TYPES_MAX);
    if (b->s->n_actions > POL_SCHEMA_ACTIONS_MAX)
        return fail(b, NULL, (struct pol_place){ 0 }, "more than %u actions; split the schema", POL_SCHEMA_ACTIONS_MAX);
    return true;
}

// The readers prepend; what is first in the text is to be first here, so that a repetition is the later one.
#define REVERSED(type, list)               \
    do {                                   \
        type *done = NULL, *rest = (list); \
        while (rest) {                     \
            type *after = rest->next;      \
            rest->next = done;             \
            done = rest;                   \
            rest = after;                  \
        }                                  \
        (list) = done;                     \
    } while (0)

static bool declare(struct builder *b)
{
    REVERSED(struct pol_decl_namespace, b->namespaces);
    for (struct pol_decl_namespace *ns = b->namespaces; ns && b->memory; ns = ns->next) {
        REVERSED(struct pol_decl_entity, ns->entities);
        REVERSED(struct pol_decl_common, ns->commons);
        REVERSED(struct pol_decl_action, ns->actions);
        for (const struct pol_decl_entity *e = ns->entities; e; e = e->next)
            declare_entity(b, ns, e);
        for (const struct pol_decl_common *c = ns->commons; c; c = c->next)
            declare_common(b, ns, c);
        for (const struct pol_decl_action *a = ns->actions; a; a = a->next)
            declare_action(b, ns, a);
    }
    // Numbers that only actions' types got, and the other way round.
    return b->memory && (!b->s->names.types.n || site(b, &b->types, b->s->names.types.n - 1)) && counted(b);
}

// ------------------------------------------------------------------------------------------------------------- shadowing

static void shadowed(struct builder *b, const struct pol_uids *outside, struct span name,
                     const struct pol_decl_namespace *ns, struct pol_place at)
{
    if (qualified(name) && pol_uids_find_type(outside, basename_of(name)) != POL_ID_NONE)
        fail(b, ns, at, "'%.*s' hides the type '%.*s' outside of namespaces; rename one",
             SPAN_FMT(span_sub(name, 0, 96)), SPAN_FMT(span_sub(basename_of(name), 0, 96)));
}

static void plain_shadowed(struct builder *b, struct span name, const struct pol_decl_namespace *ns,
                           struct pol_place at)
{
    enum pol_type_kind plain = plain_named(basename_of(name));

    if (plain == TYPE_PLAIN)
        return;
    if (!qualified(name))
        b->plain_hidden[plain] = true;
    diag_warning(b->diags, ns->file, at.line, at.column,
                 "'%.*s' hides the built-in type, which is __cedar::%.*s from now on; rename it",
                 SPAN_FMT(span_sub(name, 0, 96)), SPAN_FMT(pol_type_plain_name(plain)));
}

// What is declared inside of a namespace may not have the name of what is declared outside of all.
static void shadowing(struct builder *b)
{
    struct pol_uids *types = &b->s->names, outside;
    bool ok = true;

    pol_uids_init(&outside, &b->scratch, 0);
    for (uint32_t i = 0; i < b->types.n && ok; i++)
        if (b->types.at[i].entity && !qualified(types->types.at[i].name))
            ok = pol_uids_add_type(&outside, types->types.at[i].name) != POL_ID_NONE;
    for (uint32_t i = 0; i < b->commons.n && ok; i++)
        if (!qualified(b->common_names.types.at[i].name))
            ok = pol_uids_add_type(&outside, b->common_names.types.at[i].name) != POL_ID_NONE;
    for (uint32_t i = 0; i < b->types.n && ok; i++) {
        const struct site *at = &b->types.at[i];

        if (!at->entity)
            continue;
        shadowed(b, &outside, types->types.at[i].name, at->ns, at->place);
        plain_shadowed(b, types->types.at[i].name, at->ns, at->place);
    }
    for (uint32_t i = 0; i < b->commons.n && ok; i++) {
        const struct common *c = &b->commons.at[i];

        shadowed(b, &outside, b->common_names.types.at[i].name, c->ns, c->decl->place);
        plain_shadowed(b, b->common_names.types.at[i].name, c->ns, c->decl->place);
    }
    for (uint32_t i = 0; i < b->actions.n && ok; i++) {
        const struct pol_uid *u = &types->uids.at[i];
        uint32_t hash, other = pol_uids_find(types, SPAN("Action"), u->id, &hash);

        if (other != POL_ID_NONE && other != i && b->actions.at[i].action)
            fail(b, b->actions.at[i].ns, b->actions.at[i].place,
                 "the action \"%.*s\" hides the one outside of namespaces; rename one",
                 SPAN_FMT(span_sub(u->id, 0, 96)));
    }
    pol_uids_fini(&outside);
    if (!ok)
        no_memory(b);
}

// ----------------------------------------------------------------------------------------------------- what names stand for

enum { FIND_COMMON = 1, FIND_ENTITY = 2 };

struct found {
    enum { FOUND_NONE, FOUND_PLAIN, FOUND_COMMON, FOUND_ENTITY } what;
    uint32_t number;
};

static bool entity_defined(const struct builder *b, uint32_t number)
{
    return number != POL_ID_NONE &&
           (b->types.at[number].entity || pol_schema_action_type(b->s->names.types.at[number].name));
}

static struct found exactly(const struct builder *b, struct span name, unsigned where)
{
    bool cedar = span_starts(name, SPAN("__cedar::"));
    enum pol_type_kind plain = plain_named(cedar ? span_sub(name, 9, name.n) : name);
    uint32_t number;

    if (where & FIND_COMMON) {
        number = pol_uids_find_type(&b->common_names, name);
        if (number != POL_ID_NONE)
            return (struct found){ FOUND_COMMON, number };
        if (plain != TYPE_PLAIN && (cedar || !b->plain_hidden[plain]))
            return (struct found){ FOUND_PLAIN, plain };
    }
    number = pol_uids_find_type(&b->s->names, name);
    if ((where & FIND_ENTITY) && entity_defined(b, number))
        return (struct found){ FOUND_ENTITY, number };
    return (struct found){ .what = FOUND_NONE };
}

static struct found look_up(struct builder *b, const struct pol_decl_namespace *ns, struct span name, unsigned where)
{
    struct found f = { .what = FOUND_NONE };
    struct span inside;

    if (!qualified(name) && ns->name.n) {
        inside = qualify(b, ns->name, name);
        if (!span_is_none(inside))
            f = exactly(b, inside, where);
    }
    return f.what == FOUND_NONE ? exactly(b, name, where) : f;
}

enum { CANDIDATES = 512, SUGGESTIONS_MOST = 100 };

static struct span near_name(struct builder *b, const struct pol_decl_namespace *ns, struct span name, unsigned where)
{
    struct span names[CANDIDATES];
    size_t n = 0;

    if (b->diags->errors > SUGGESTIONS_MOST)
        return SPAN_NONE;
    for (unsigned k = TYPE_BOOL; k < TYPE_PLAIN && (where & FIND_COMMON); k++)
        names[n++] = pol_type_plain_name((enum pol_type_kind)k);
    for (uint32_t i = 0; i < b->types.n && n < CANDIDATES; i++)
        if (b->types.at[i].entity && (where & FIND_ENTITY))
            names[n++] = b->s->names.types.at[i].name;
    for (uint32_t i = 0; i < b->commons.n && n < CANDIDATES; i++)
        if (where & FIND_COMMON)
            names[n++] = b->common_names.types.at[i].name;
    // What is in the same namespace is named without it.
    for (size_t i = 0; i < n && ns->name.n; i++)
        if (names[i].n > ns->name.n + 2 && span_starts(names[i], ns->name) && names[i].p[ns->name.n] == ':')
            names[i] = span_sub(names[i], ns->name.n + 2, names[i].n);
    return diag_suggest(name, names, n);
}

static void undefined(struct builder *b, const struct pol_decl_namespace *ns, struct pol_place at, struct span name,
                      unsigned where)
{
    struct span near = near_name(b, ns, name, where);
    const char *what = where == FIND_COMMON ? "type" : where == FIND_ENTITY ? "entity type" : "type or entity type";

    if (span_is_none(near))
        fail(b, ns, at, "there is no %s '%.*s'; declare it", what, SPAN_FMT(span_sub(name, 0, 96)));
    else
        fail(b, ns, at, "there is no %s '%.*s'; did you mean '%.*s'?", what, SPAN_FMT(span_sub(name, 0, 96)),
             SPAN_FMT(near));
}

// ---------------------------------------------------------------------------------------------------------------- types

static const struct pol_type_of *type(struct builder *b, const struct pol_decl_namespace *ns,
                                      const struct pol_decl_type *d);

static int by_name(const void *x, const void *y)
{
    return pol_name_cmp(((const struct pol_type_field *)x)->name, ((const struct pol_type_field *)y)->name);
}

static void repeated(struct builder *b, const struct pol_decl_namespace *ns, const struct pol_decl_field *f)
{
    diag_warning(b->diags, ns->file, f->place.line, f->place.column,
                 "the attribute '%.*s' is declared again below, which counts; remove this one",
                 SPAN_FMT(span_sub(f->name, 0, 96)));
}

static const struct pol_type_of *record_type(struct builder *b, const struct pol_decl_namespace *ns,
                                             const struct pol_decl_type *d)
{
    struct pol_uids seen;
    struct pol_type_field *fields;
    const struct pol_decl_field **last;
    const struct pol_type_of *t = NULL;
    uint32_t n = 0, all = 0;
    bool ok = true;

    for (const struct pol_decl_field *f = d->fields; f; f = f->next)
        all++;
    fields = arena_array(&b->scratch, all ? all : 1, sizeof *fields);
    last = arena_array(&b->scratch, all ? all : 1, sizeof *last);
    pol_uids_init(&seen, &b->scratch, 0);
    ok = (fields && last) || no_memory(b);
    for (const struct pol_decl_field *f = d->fields; f && b->memory; f = f->next) {
        uint32_t at = pol_uids_add_type(&seen, f->name);
        const struct pol_type_of *of = type(b, ns, f->type);

        if (at == POL_ID_NONE)
            ok = no_memory(b);
        ok = ok && of;
        if (!ok)
            continue;
        if (at < n)
            repeated(b, ns, last[at]);
        else
            n++;
        last[at] = f;
        fields[at] = (struct pol_type_field){ .name = seen.types.at[at].name, .type = of, .optional = f->optional };
    }
    pol_uids_fini(&seen);
    if (!ok)
        return NULL;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = !span_is_none(fields[i].name = arena_dup(&b->s->arena, fields[i].name));
    qsort(fields, n, sizeof *fields, by_name);
    if (!ok || !(t = pol_types_record(&b->s->types, fields, n)))
        no_memory(b);
    return t;
}

static const struct pol_type_of *common_type(struct builder *b, uint32_t number)
{
    struct common *c = &b->commons.at[number];

    if (c->state == COMMON_OPEN) {
        fail(b, c->ns, c->decl->place, "the type '%.*s' is made of itself; break the circle",
             SPAN_FMT(span_sub(c->decl->name, 0, 96)));
        return NULL;
    }
    if (c->state == COMMON_NEW) {
        c->state = COMMON_OPEN;
        c->type = type(b, c->ns, c->decl->type);
        c->state = COMMON_DONE;
    }
    return c->type;
}

static const struct pol_type_of *found_type(struct builder *b, struct found f)
{
    if (f.what == FOUND_PLAIN)
        return pol_type_plain((enum pol_type_kind)f.number);
    return f.what == FOUND_COMMON ? common_type(b, f.number)
                                  : pol_types_entity(&b->s->types, f.number, b->s->names.types.at[f.number].name);
}

static const struct pol_type_of *named_type(struct builder *b, const struct pol_decl_namespace *ns,
                                            const struct pol_decl_type *d)
{
    unsigned where = d->kind == DECL_COMMON   ? FIND_COMMON
                     : d->kind == DECL_ENTITY ? FIND_ENTITY
                                              : FIND_COMMON | FIND_ENTITY;
    struct found f = look_up(b, ns, d->name, where);

    if (f.what == FOUND_NONE) {
        undefined(b, ns, d->place, d->name, where);
        return NULL;
    }
    return found_type(b, f);
}

static const struct pol_type_of *type(struct builder *b, const struct pol_decl_namespace *ns,
                                      const struct pol_decl_type *d)
{
    const struct pol_type_of *t = NULL, *element;

    // A level is a record, a name, and what the name stands for.
    if (b->depth == 4 * POL_TYPE_DEPTH) {
        fail(b, ns, d->place, "types within types deeper than %u; flatten them", POL_TYPE_DEPTH);
        return NULL;
    }
    b->depth++;
    switch (d->kind) {
    case DECL_PLAIN: t = pol_type_plain((enum pol_type_kind)d->plain); break;
    case DECL_SET:
        element = type(b, ns, d->element);
        if (element && !(t = pol_types_set(&b->s->types, element)))
            no_memory(b);
        break;
    case DECL_RECORD: t = record_type(b, ns, d); break;
    default: t = named_type(b, ns, d); break;
    }
    b->depth--;
    if (t && t->depth > POL_TYPE_DEPTH) {
        fail(b, ns, d->place, "types within types deeper than %u; flatten them", POL_TYPE_DEPTH);
        return NULL;
    }
    return t;
}

// Attributes and context: NULL after an error.
static const struct pol_type_of *attributes(struct builder *b, const struct site *at, const struct pol_decl_type *d,
                                            const char *what)
{
    const struct pol_type_of *t;

    if (!d) {
        t = pol_types_record(&b->s->types, NULL, 0);
        return t ? t : (no_memory(b), NULL);
    }
    t = type(b, at->ns, d);
    if (t && t->kind != TYPE_RECORD) {
        fail(b, at->ns, d->place, "%s must be a record", what);
        return NULL;
    }
    return t;
}

// ------------------------------------------------------------------------------------------------------ types and actions

static struct pol_numbers entity_numbers(struct builder *b, const struct pol_decl_namespace *ns,
                                         const struct pol_decl_name *list)
{
    struct pol_numbers s = { 0 };
    uint32_t n = 0;

    for (const struct pol_decl_name *e = list; e; e = e->next)
        n++;
    s.at = arena_array(&b->s->arena, n ? n : 1, sizeof *s.at);
    if (!s.at) {
        no_memory(b);
        return s;
    }
    for (const struct pol_decl_name *e = list; e; e = e->next) {
        struct found f = look_up(b, ns, e->name, FIND_ENTITY);

        if (f.what == FOUND_ENTITY && b->types.at[f.number].entity)
            s.at[s.n++] = f.number;
        else
            undefined(b, ns, e->place, e->name, FIND_ENTITY);
    }
    s.n = pol_ids_sort(s.at, s.n);
    return s;
}

static struct span action_near(struct builder *b, struct span id)
{
    struct span ids[CANDIDATES];
    size_t n = 0;

    for (uint32_t i = 0; i < b->actions.n && n < CANDIDATES; i++)
        ids[n++] = b->s->names.uids.at[i].id;
    return b->diags->errors > SUGGESTIONS_MOST ? SPAN_NONE : diag_suggest(id, ids, n);
}

static uint32_t action_number(struct builder *b, const struct pol_decl_namespace *ns, const struct pol_decl_name *p)
{
    struct span name = span_is_none(p->type) ? SPAN("Action") : p->type, inside;
    uint32_t hash, n = POL_ID_NONE;

    if (!qualified(name) && ns->name.n) {
        inside = qualify(b, ns->name, name);
        if (!span_is_none(inside))
            n = pol_uids_find(&b->s->names, inside, p->name, &hash);
    }
    return n != POL_ID_NONE ? n : pol_uids_find(&b->s->names, name, p->name, &hash);
}

static struct pol_numbers action_numbers(struct builder *b, const struct pol_decl_namespace *ns,
                                         const struct pol_decl_name *list)
{
    struct pol_numbers s = { 0 };
    uint32_t n = 0;

    for (const struct pol_decl_name *p = list; p; p = p->next)
        n++;
    s.at = arena_array(&b->s->arena, n ? n : 1, sizeof *s.at);
    if (!s.at) {
        no_memory(b);
        return s;
    }
    for (const struct pol_decl_name *p = list; p; p = p->next) {
        uint32_t number = action_number(b, ns, p);
        struct span near;

        if (number != POL_ID_NONE) {
            s.at[s.n++] = number;
            continue;
        }
        near = action_near(b, p->name);
        fail(b, ns, p->place, "there is no action \"%.*s\"; %s%.*s%s", SPAN_FMT(span_sub(p->name, 0, 96)),
             span_is_none(near) ? "declare it" : "did you mean \"", SPAN_FMT(near), span_is_none(near) ? "" : "\"?");
    }
    s.n = pol_ids_sort(s.at, s.n);
    return s;
}

static void choices(struct builder *b, const struct pol_decl_entity *d, struct pol_schema_entity *e)
{
    struct span *ids;
    uint32_t n = 0;

    for (const struct pol_decl_name *c = d->choices; c; c = c->next)
        n++;
    if (!n)
        return;
    if (!(ids = arena_array(&b->s->arena, n, sizeof *ids))) {
        no_memory(b);
        return;
    }
    for (const struct pol_decl_name *c = d->choices; c; c = c->next)
        if (span_is_none(ids[e->n_choices++] = arena_dup(&b->s->arena, c->name)))
            no_memory(b);
    e->choices = ids;
}

static void resolve_entity(struct builder *b, uint32_t number)
{
    const struct site *at = &b->types.at[number];
    struct pol_schema_entity *e = &b->s->entities[number];

    e->name = b->s->names.types.at[number].name;
    e->self = pol_types_entity(&b->s->types, number, e->name);
    e->attrs = pol_types_record(&b->s->types, NULL, 0);
    e->action = pol_schema_action_type(e->name);
    if (!e->self || !e->attrs) {
        no_memory(b);
        return;
    }
    if (!at->entity)
        return;
    e->declared = true;
    e->attrs = attributes(b, at, at->entity->attrs, "the shape of an entity type");
    if (at->entity->tags)
        e->tags = type(b, at->ns, at->entity->tags);
    e->parents = entity_numbers(b, at->ns, at->entity->parents);
    choices(b, at->entity, e);
}

static void resolve_action(struct builder *b, uint32_t number)
{
    const struct site *at = &b->actions.at[number];
    struct pol_schema_action *a = &b->s->actions[number];

    a->declared = true;
    a->id = b->s->names.uids.at[number].id;
    a->type = b->s->names.uids.at[number].type;
    a->context = attributes(b, at, at->action->context, "the context of an action");
    a->principals = entity_numbers(b, at->ns, at->action->principals);
    a->resources = entity_numbers(b, at->ns, at->action->resources);
    a->parents = action_numbers(b, at->ns, at->action->parents);
}

static bool resolve(struct builder *b)
{
    struct pol_schema *s = b->s;

    s->entities = arena_array(&s->arena, s->names.types.n ? s->names.types.n : 1, sizeof *s->entities);
    s->actions = arena_array(&s->arena, s->names.uids.n ? s->names.uids.n : 1, sizeof *s->actions);
    if (!s->entities || !s->actions)
        return no_memory(b);
    for (uint32_t i = 0; i < b->commons.n && b->memory; i++)
        common_type(b, i);
    for (uint32_t i = 0; i < s->names.types.n && b->memory; i++)
        resolve_entity(b, i);
    for (uint32_t i = 0; i < s->names.uids.n && b->memory; i++)
        resolve_action(b, i);
    return b->memory;
}

// ------------------------------------------------------------------------------------------------------------- the whole

static bool is_json(struct span text)
{
    size_t i = 0;

    while (i < text.n && text.p[i] && strchr(" \t\r\n", text.p[i]))
        i++;
    return i < text.n && text.p[i] == '{';
}

static bool read_texts(struct builder *b, const struct pol_source *texts, size_t n)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        struct span file = arena_dup(&b->scratch, texts[i].name);

        total = texts[i].text.n > POL_SCHEMA_TEXT_MAX - total ? POL_SCHEMA_TEXT_MAX + 1 : total + texts[i].text.n;
        if (total > POL_SCHEMA_TEXT_MAX) {
            diag_error(b->diags, texts[i].name, 0, 0, "a schema of over %u MiB; make it smaller",
                       POL_SCHEMA_TEXT_MAX >> 20);
            return false;
        }
        if (span_is_none(file))
            return no_memory(b);
        (is_json(texts[i].text) ? pol_schema_read_json : pol_schema_parse)(&b->scratch, file, texts[i].text,
                                                                           &b->namespaces, b->diags);
    }
    return b->scratch.failed ? no_memory(b) : true;
}

static bool build(struct builder *b, const struct pol_source *texts, size_t n)
{
    size_t before = b->diags->errors;

    if (!read_texts(b, texts, n) || !declare(b) || b->diags->errors != before)
        return false;
    shadowing(b);
    if (!resolve(b) || b->diags->errors != before)
        return false;
    return pol_schema_close(b->s, b->diags) ? true : b->diags->errors == before ? no_memory(b) : false;
}

struct pol_schema *pol_schema_new(const struct pol_source *texts, size_t n, struct diags *diags)
{
    struct pol_schema *s = calloc(1, sizeof *s);
    struct builder b = { .s = s, .diags = diags, .memory = true };
    bool ok = false;

    arena_init(&b.scratch, 0);
    pol_uids_init(&b.common_names, &b.scratch, 0);
    if (s) {
        arena_init(&s->arena, 0);
        pol_uids_init(&s->names, &s->arena, 0);
        s->types.arena = &s->arena;
        ok = build(&b, texts, n);
    } else {
        no_memory(&b);
    }
    pol_uids_fini(&b.common_names);
    pol_vec_free(&b.commons);
    pol_vec_free(&b.types);
    pol_vec_free(&b.actions);
    arena_fini(&b.scratch);
    if (ok)
        return s;
    pol_schema_free(s);
    return NULL;
}

void pol_schema_free(struct pol_schema *s)
{
    if (!s)
        return;
    pol_uids_fini(&s->names);
    arena_fini(&s->arena);
    free(s);
}

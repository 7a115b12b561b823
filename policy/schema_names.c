// SPDX-License-Identifier: GPL-3.0-or-later
// Every name that is declared gets its number, every name that is used is looked up: in the namespace it stands in, then
// outside of all (Cedar RFC 24, 70).
#include <stdarg.h>
#include <stdio.h>

#include "policy/schema_build.h"

bool pol_build_fail(struct pol_build *b, const struct pol_decl_namespace *ns, struct pol_place at, const char *fmt, ...)
{
    char text[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_error(b->diags, ns ? ns->file : SPAN_NONE, at.line, at.column, "%s", text);
    return false;
}

bool pol_build_no_memory(struct pol_build *b)
{
    if (b->memory)
        pol_build_fail(b, NULL, (struct pol_place){ 0 }, "out of memory while reading a schema; make it smaller");
    b->memory = false;
    return false;
}

struct span pol_build_qualify(struct pol_build *b, struct span ns, struct span name)
{
    struct span s = ns.n ? arena_printf(&b->scratch, "%.*s::%.*s", SPAN_FMT(ns), SPAN_FMT(name)) : name;

    if (span_is_none(s))
        pol_build_no_memory(b);
    return s;
}

bool pol_schema_common_name_free(struct span name)
{
    static const struct span taken[] = { SPAN("Bool"), SPAN("Boolean"), SPAN("Entity"), SPAN("Extension"),
                                         SPAN("Long"), SPAN("Record"),  SPAN("Set"),    SPAN("String") };

    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (span_eq(name, taken[i]))
            return false;
    return true;
}

bool pol_build_qualified(struct span name)
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
static struct pol_build_site *site(struct pol_build *b, struct pol_build_sites *sites, uint32_t number)
{
    struct pol_build_site *one;

    while (sites->n <= number) {
        if (!(one = pol_vec_add(sites))) {
            pol_build_no_memory(b);
            return NULL;
        }
        *one = (struct pol_build_site){ 0 };
    }
    return &sites->at[number];
}

static bool there_already(struct pol_build *b, const struct pol_decl_namespace *ns, struct pol_place at,
                          const char *what, struct span name, const struct pol_decl_namespace *other,
                          struct pol_place there)
{
    return pol_build_fail(b, ns, at, "%s '%.*s' is declared at %.*s:%u already; keep one", what,
                          SPAN_FMT(span_sub(name, 0, 96)), SPAN_FMT(other->file), there.line);
}

static void declare_entity(struct pol_build *b, const struct pol_decl_namespace *ns, const struct pol_decl_entity *e)
{
    for (const struct pol_decl_name *n = e->names; n && b->memory; n = n->next) {
        struct span name = pol_build_qualify(b, ns->name, n->name);
        uint32_t number = span_is_none(name) ? POL_ID_NONE : pol_uids_add_type(&b->s->names, name);
        struct pol_build_site *at = number == POL_ID_NONE ? NULL : site(b, &b->types, number);

        if (!at) {
            pol_build_no_memory(b);
        } else if (span_eq(n->name, SPAN("Action"))) {
            pol_build_fail(b, ns, n->place,
                           "the entity type 'Action' is there already, for actions; choose another name");
        } else if (at->entity) {
            there_already(b, ns, n->place, "the entity type", name, at->ns, at->place);
        } else {
            *at = (struct pol_build_site){ .ns = ns, .entity = e, .place = n->place };
            b->s->n_entities++;
        }
    }
}

static void declare_common(struct pol_build *b, const struct pol_decl_namespace *ns, const struct pol_decl_common *c)
{
    struct span name = pol_build_qualify(b, ns->name, c->name);
    uint32_t number = span_is_none(name) ? POL_ID_NONE : pol_uids_add_type(&b->common_names, name);

    if (number == POL_ID_NONE) {
        pol_build_no_memory(b);
    } else if (number < b->commons.n) {
        const struct pol_build_common *o = &b->commons.at[number];

        there_already(b, ns, c->place, "the type", name, o->ns, o->decl->place);
    } else {
        struct pol_build_common *one = pol_vec_add(&b->commons);

        if (one)
            *one = (struct pol_build_common){ .ns = ns, .decl = c };
        else
            pol_build_no_memory(b);
    }
}

static void declare_action(struct pol_build *b, const struct pol_decl_namespace *ns, const struct pol_decl_action *a)
{
    struct span type = pol_build_qualify(b, ns->name, SPAN("Action"));

    for (const struct pol_decl_name *n = a->names; n && b->memory; n = n->next) {
        uint32_t number = span_is_none(type) ? POL_ID_NONE : pol_uids_add(&b->s->names, type, n->name);
        struct pol_build_site *at = number == POL_ID_NONE ? NULL : site(b, &b->actions, number);

        if (!at) {
            pol_build_no_memory(b);
        } else if (at->action) {
            there_already(b, ns, n->place, "the action", n->name, at->ns, at->place);
        } else {
            *at = (struct pol_build_site){ .ns = ns, .action = a, .place = n->place };
            b->s->n_actions++;
        }
    }
}

static bool counted(struct pol_build *b)
{
    if (b->s->n_entities > POL_SCHEMA_TYPES_MAX)
        return pol_build_fail(b, NULL, (struct pol_place){ 0 }, "more than %u entity types; split the schema",
                              POL_SCHEMA_TYPES_MAX);
    if (b->s->n_actions > POL_SCHEMA_ACTIONS_MAX)
        return pol_build_fail(b, NULL, (struct pol_place){ 0 }, "more than %u actions; split the schema",
                              POL_SCHEMA_ACTIONS_MAX);
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

bool pol_build_declare(struct pol_build *b)
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

static void shadowed(struct pol_build *b, const struct pol_uids *outside, struct span name,
                     const struct pol_decl_namespace *ns, struct pol_place at)
{
    if (pol_build_qualified(name) && pol_uids_find_type(outside, basename_of(name)) != POL_ID_NONE)
        pol_build_fail(b, ns, at, "'%.*s' hides the type '%.*s' outside of namespaces; rename one",
                       SPAN_FMT(span_sub(name, 0, 96)), SPAN_FMT(span_sub(basename_of(name), 0, 96)));
}

static void plain_shadowed(struct pol_build *b, struct span name, const struct pol_decl_namespace *ns,
                           struct pol_place at)
{
    enum pol_type_kind plain = plain_named(basename_of(name));

    if (plain == TYPE_PLAIN)
        return;
    if (!pol_build_qualified(name))
        b->plain_hidden[plain] = true;
    diag_warning(b->diags, ns->file, at.line, at.column,
                 "'%.*s' hides the built-in type, which is __cedar::%.*s from now on; rename it",
                 SPAN_FMT(span_sub(name, 0, 96)), SPAN_FMT(pol_type_plain_name(plain)));
}

// What is declared inside of a namespace may not have the name of what is declared outside of all.
void pol_build_shadowing(struct pol_build *b)
{
    struct pol_uids *types = &b->s->names, outside;
    bool ok = true;

    pol_uids_init(&outside, &b->scratch, 0);
    for (uint32_t i = 0; i < b->types.n && ok; i++)
        if (b->types.at[i].entity && !pol_build_qualified(types->types.at[i].name))
            ok = pol_uids_add_type(&outside, types->types.at[i].name) != POL_ID_NONE;
    for (uint32_t i = 0; i < b->commons.n && ok; i++)
        if (!pol_build_qualified(b->common_names.types.at[i].name))
            ok = pol_uids_add_type(&outside, b->common_names.types.at[i].name) != POL_ID_NONE;
    for (uint32_t i = 0; i < b->types.n && ok; i++) {
        const struct pol_build_site *at = &b->types.at[i];

        if (!at->entity)
            continue;
        shadowed(b, &outside, types->types.at[i].name, at->ns, at->place);
        plain_shadowed(b, types->types.at[i].name, at->ns, at->place);
    }
    for (uint32_t i = 0; i < b->commons.n && ok; i++) {
        const struct pol_build_common *c = &b->commons.at[i];

        shadowed(b, &outside, b->common_names.types.at[i].name, c->ns, c->decl->place);
        plain_shadowed(b, b->common_names.types.at[i].name, c->ns, c->decl->place);
    }
    for (uint32_t i = 0; i < b->actions.n && ok; i++) {
        const struct pol_uid *u = &types->uids.at[i];
        uint32_t hash, other = pol_uids_find(types, SPAN("Action"), u->id, &hash);

        if (other != POL_ID_NONE && other != i && b->actions.at[i].action)
            pol_build_fail(b, b->actions.at[i].ns, b->actions.at[i].place,
                           "the action \"%.*s\" hides the one outside of namespaces; rename one",
                           SPAN_FMT(span_sub(u->id, 0, 96)));
    }
    pol_uids_fini(&outside);
    if (!ok)
        pol_build_no_memory(b);
}

// ----------------------------------------------------------------------------------------------------- what names stand for

static bool entity_defined(const struct pol_build *b, uint32_t number)
{
    return number != POL_ID_NONE &&
           (b->types.at[number].entity || pol_schema_action_type(b->s->names.types.at[number].name));
}

static struct pol_build_found exactly(const struct pol_build *b, struct span name, unsigned where)
{
    bool cedar = span_starts(name, SPAN("__cedar::"));
    enum pol_type_kind plain = plain_named(cedar ? span_sub(name, 9, name.n) : name);
    uint32_t number;

    if (where & FIND_COMMON) {
        number = pol_uids_find_type(&b->common_names, name);
        if (number != POL_ID_NONE)
            return (struct pol_build_found){ FOUND_COMMON, number };
        if (plain != TYPE_PLAIN && (cedar || !b->plain_hidden[plain]))
            return (struct pol_build_found){ FOUND_PLAIN, plain };
    }
    number = pol_uids_find_type(&b->s->names, name);
    if ((where & FIND_ENTITY) && entity_defined(b, number))
        return (struct pol_build_found){ FOUND_ENTITY, number };
    return (struct pol_build_found){ .what = FOUND_NONE };
}

struct pol_build_found pol_build_look_up(struct pol_build *b, const struct pol_decl_namespace *ns, struct span name,
                                         unsigned where)
{
    struct pol_build_found f = { .what = FOUND_NONE };
    struct span inside;

    if (!pol_build_qualified(name) && ns->name.n) {
        inside = pol_build_qualify(b, ns->name, name);
        if (!span_is_none(inside))
            f = exactly(b, inside, where);
    }
    return f.what == FOUND_NONE ? exactly(b, name, where) : f;
}

static struct span near_name(struct pol_build *b, const struct pol_decl_namespace *ns, struct span name, unsigned where)
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

void pol_build_undefined(struct pol_build *b, const struct pol_decl_namespace *ns, struct pol_place at,
                         struct span name, unsigned where)
{
    struct span near = near_name(b, ns, name, where);
    const char *what = where == FIND_COMMON ? "type" : where == FIND_ENTITY ? "entity type" : "type or entity type";

    if (span_is_none(near))
        pol_build_fail(b, ns, at, "there is no %s '%.*s'; declare it", what, SPAN_FMT(span_sub(name, 0, 96)));
    else
        pol_build_fail(b, ns, at, "there is no %s '%.*s'; did you mean '%.*s'?", what, SPAN_FMT(span_sub(name, 0, 96)),
                       SPAN_FMT(near));
}

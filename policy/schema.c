// SPDX-License-Identifier: GPL-3.0-or-later
// From declarations to tables: types, attributes, actions. A common type is put in where it is named.
#include "policy/schema.h"

#include "policy/schema_build.h"
#include "policy/table.h"
#include "policy/value.h"

// ---------------------------------------------------------------------------------------------------------------- types

static const struct pol_type_of *type(struct pol_build *b, const struct pol_decl_namespace *ns,
                                      const struct pol_decl_type *d);

static int by_name(const void *x, const void *y)
{
    return pol_name_cmp(((const struct pol_type_field *)x)->name, ((const struct pol_type_field *)y)->name);
}

static void repeated(struct pol_build *b, const struct pol_decl_namespace *ns, const struct pol_decl_field *f)
{
    diag_warning(b->diags, ns->file, f->place.line, f->place.column,
                 "the attribute '%.*s' is declared again below, which counts; remove this one",
                 SPAN_FMT(span_sub(f->name, 0, 96)));
}

static const struct pol_type_of *record_type(struct pol_build *b, const struct pol_decl_namespace *ns,
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
    ok = (fields && last) || pol_build_no_memory(b);
    for (const struct pol_decl_field *f = d->fields; f && ok; f = f->next) {
        uint32_t at = pol_uids_add_type(&seen, f->name);

        if (at == POL_ID_NONE) {
            ok = pol_build_no_memory(b);
            continue;
        }
        if (at < n)
            repeated(b, ns, last[at]);
        else
            n++;
        last[at] = f;
    }
    // What is declared again has no part in it, were its type not even there: so Cedar has it.
    for (uint32_t i = 0; i < n && b->memory; i++) {
        const struct pol_type_of *of = type(b, ns, last[i]->type);

        ok = ok && of;
        fields[i] = (struct pol_type_field){ .name = last[i]->name, .type = of, .optional = last[i]->optional };
    }
    ok = ok && b->memory;
    pol_uids_fini(&seen);
    if (!ok)
        return NULL;
    for (uint32_t i = 0; i < n && ok; i++)
        ok = !span_is_none(fields[i].name = arena_dup(&b->s->arena, fields[i].name));
    qsort(fields, n, sizeof *fields, by_name);
    if (!ok || !(t = pol_types_record(&b->s->types, fields, n)))
        pol_build_no_memory(b);
    return t;
}

static const struct pol_type_of *common_type(struct pol_build *b, uint32_t number)
{
    struct pol_build_common *c = &b->commons.at[number];

    if (c->state == COMMON_OPEN) {
        pol_build_fail(b, c->ns, c->decl->place, "the type '%.*s' is made of itself; break the circle",
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

static const struct pol_type_of *found_type(struct pol_build *b, struct pol_build_found f)
{
    if (f.what == FOUND_PLAIN)
        return pol_type_plain((enum pol_type_kind)f.number);
    return f.what == FOUND_COMMON ? common_type(b, f.number)
                                  : pol_types_entity(&b->s->types, f.number, b->s->names.types.at[f.number].name);
}

static const struct pol_type_of *named_type(struct pol_build *b, const struct pol_decl_namespace *ns,
                                            const struct pol_decl_type *d)
{
    unsigned where = d->kind == DECL_COMMON   ? FIND_COMMON
                     : d->kind == DECL_ENTITY ? FIND_ENTITY
                                              : FIND_COMMON | FIND_ENTITY;
    struct pol_build_found f = pol_build_look_up(b, ns, d->name, where);

    if (f.what == FOUND_NONE) {
        pol_build_undefined(b, ns, d->place, d->name, where);
        return NULL;
    }
    return found_type(b, f);
}

static const struct pol_type_of *type(struct pol_build *b, const struct pol_decl_namespace *ns,
                                      const struct pol_decl_type *d)
{
    const struct pol_type_of *t = NULL, *element;

    // A level is a record, a name, and what the name stands for.
    if (b->depth == 4 * POL_TYPE_DEPTH) {
        pol_build_fail(b, ns, d->place, "types within types deeper than %u; flatten them", POL_TYPE_DEPTH);
        return NULL;
    }
    b->depth++;
    switch (d->kind) {
    case DECL_PLAIN: t = pol_type_plain((enum pol_type_kind)d->plain); break;
    case DECL_SET:
        element = type(b, ns, d->element);
        if (element && !(t = pol_types_set(&b->s->types, element)))
            pol_build_no_memory(b);
        break;
    case DECL_RECORD: t = record_type(b, ns, d); break;
    default: t = named_type(b, ns, d); break;
    }
    b->depth--;
    if (t && t->depth > POL_TYPE_DEPTH) {
        pol_build_fail(b, ns, d->place, "types within types deeper than %u; flatten them", POL_TYPE_DEPTH);
        return NULL;
    }
    return t;
}

// Attributes and context: NULL after an error.
static const struct pol_type_of *attributes(struct pol_build *b, const struct pol_build_site *at,
                                            const struct pol_decl_type *d, const char *what)
{
    const struct pol_type_of *t;

    if (!d) {
        t = pol_types_record(&b->s->types, NULL, 0);
        return t ? t : (pol_build_no_memory(b), NULL);
    }
    t = type(b, at->ns, d);
    if (t && t->kind != TYPE_RECORD) {
        pol_build_fail(b, at->ns, d->place, "%s must be a record", what);
        return NULL;
    }
    return t;
}

// ------------------------------------------------------------------------------------------------------ types and actions

static struct pol_numbers entity_numbers(struct pol_build *b, const struct pol_decl_namespace *ns,
                                         const struct pol_decl_name *list)
{
    struct pol_numbers s = { 0 };
    uint32_t n = 0;

    for (const struct pol_decl_name *e = list; e; e = e->next)
        n++;
    s.at = arena_array(&b->s->arena, n ? n : 1, sizeof *s.at);
    if (!s.at) {
        pol_build_no_memory(b);
        return s;
    }
    for (const struct pol_decl_name *e = list; e; e = e->next) {
        struct pol_build_found f = pol_build_look_up(b, ns, e->name, FIND_ENTITY);

        if (f.what == FOUND_ENTITY && b->types.at[f.number].entity)
            s.at[s.n++] = f.number;
        else
            pol_build_undefined(b, ns, e->place, e->name, FIND_ENTITY);
    }
    s.n = pol_ids_sort(s.at, s.n);
    return s;
}

static struct span action_near(struct pol_build *b, struct span id)
{
    struct span ids[CANDIDATES];
    size_t n = 0;

    for (uint32_t i = 0; i < b->actions.n && n < CANDIDATES; i++)
        ids[n++] = b->s->names.uids.at[i].id;
    return b->diags->errors > SUGGESTIONS_MOST ? SPAN_NONE : diag_suggest(id, ids, n);
}

static uint32_t action_number(struct pol_build *b, const struct pol_decl_namespace *ns, const struct pol_decl_name *p)
{
    struct span name = span_is_none(p->type) ? SPAN("Action") : p->type, inside;
    uint32_t hash, n = POL_ID_NONE;

    if (!pol_build_qualified(name) && ns->name.n) {
        inside = pol_build_qualify(b, ns->name, name);
        if (!span_is_none(inside))
            n = pol_uids_find(&b->s->names, inside, p->name, &hash);
    }
    return n != POL_ID_NONE ? n : pol_uids_find(&b->s->names, name, p->name, &hash);
}

static struct pol_numbers action_numbers(struct pol_build *b, const struct pol_decl_namespace *ns,
                                         const struct pol_decl_name *list)
{
    struct pol_numbers s = { 0 };
    uint32_t n = 0;

    for (const struct pol_decl_name *p = list; p; p = p->next)
        n++;
    s.at = arena_array(&b->s->arena, n ? n : 1, sizeof *s.at);
    if (!s.at) {
        pol_build_no_memory(b);
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
        pol_build_fail(b, ns, p->place, "there is no action \"%.*s\"; %s%.*s%s", SPAN_FMT(span_sub(p->name, 0, 96)),
                       span_is_none(near) ? "declare it" : "did you mean \"", SPAN_FMT(near),
                       span_is_none(near) ? "" : "\"?");
    }
    s.n = pol_ids_sort(s.at, s.n);
    return s;
}

static void choices(struct pol_build *b, const struct pol_decl_entity *d, struct pol_schema_entity *e)
{
    struct span *ids;
    uint32_t n = 0;

    for (const struct pol_decl_name *c = d->choices; c; c = c->next)
        n++;
    if (!n)
        return;
    if (!(ids = arena_array(&b->s->arena, n, sizeof *ids))) {
        pol_build_no_memory(b);
        return;
    }
    for (const struct pol_decl_name *c = d->choices; c; c = c->next)
        if (span_is_none(ids[e->n_choices++] = arena_dup(&b->s->arena, c->name)))
            pol_build_no_memory(b);
    e->choices = ids;
}

static void resolve_entity(struct pol_build *b, uint32_t number)
{
    const struct pol_build_site *at = &b->types.at[number];
    struct pol_schema_entity *e = &b->s->entities[number];

    e->name = b->s->names.types.at[number].name;
    e->self = pol_types_entity(&b->s->types, number, e->name);
    e->attrs = pol_types_record(&b->s->types, NULL, 0);
    e->action = pol_schema_action_type(e->name);
    if (!e->self || !e->attrs) {
        pol_build_no_memory(b);
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

static void resolve_action(struct pol_build *b, uint32_t number)
{
    const struct pol_build_site *at = &b->actions.at[number];
    struct pol_schema_action *a = &b->s->actions[number];

    a->declared = true;
    a->id = b->s->names.uids.at[number].id;
    a->type = b->s->names.uids.at[number].type;
    a->context = attributes(b, at, at->action->context, "the context of an action");
    a->principals = entity_numbers(b, at->ns, at->action->principals);
    a->resources = entity_numbers(b, at->ns, at->action->resources);
    a->parents = action_numbers(b, at->ns, at->action->parents);
}

static bool resolve(struct pol_build *b)
{
    struct pol_schema *s = b->s;

    s->entities = arena_array(&s->arena, s->names.types.n ? s->names.types.n : 1, sizeof *s->entities);
    s->actions = arena_array(&s->arena, s->names.uids.n ? s->names.uids.n : 1, sizeof *s->actions);
    if (!s->entities || !s->actions)
        return pol_build_no_memory(b);
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

static bool read_texts(struct pol_build *b, const struct pol_source *texts, size_t n)
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
            return pol_build_no_memory(b);
        (is_json(texts[i].text) ? pol_schema_read_json : pol_schema_parse)(&b->scratch, file, texts[i].text,
                                                                           &b->namespaces, b->diags);
    }
    return b->scratch.failed ? pol_build_no_memory(b) : true;
}

static bool build(struct pol_build *b, const struct pol_source *texts, size_t n)
{
    size_t before = b->diags->errors;

    if (!read_texts(b, texts, n) || !pol_build_declare(b) || b->diags->errors != before)
        return false;
    pol_build_shadowing(b);
    if (!resolve(b) || b->diags->errors != before)
        return false;
    return pol_schema_close(b->s, b->diags) ? true : b->diags->errors == before ? pol_build_no_memory(b) : false;
}

struct pol_schema *pol_schema_new(const struct pol_source *texts, size_t n, struct diags *diags)
{
    struct pol_schema *s = calloc(1, sizeof *s);
    struct pol_build b = { .s = s, .diags = diags, .memory = true };
    bool ok = false;

    arena_init(&b.scratch, 0);
    pol_uids_init(&b.common_names, &b.scratch, 0);
    if (s) {
        arena_init(&s->arena, 0);
        pol_uids_init(&s->names, &s->arena, 0);
        s->types.arena = &s->arena;
        ok = build(&b, texts, n);
    } else {
        pol_build_no_memory(&b);
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

// SPDX-License-Identifier: GPL-3.0-or-later
// Ancestors, transitive, of entity types and of actions; and what is asked of them. Types of entities may be among their
// own ancestors (a folder is in a folder), actions may not.
#include "policy/schema_table.h"
#include "policy/table.h"

bool pol_numbers_have(const struct pol_numbers *s, uint32_t number)
{
    return pol_ids_have(s->at, s->n, number);
}

// A search from each start over the parents of the others.
struct search {
    struct pol_schema *schema;
    bool actions;
    uint32_t n;       // numbers there are
    uint32_t *marked; // by the search of which start, plus one
    uint32_t *found, *stack;
    size_t total; // found over all searches
};

static const struct pol_numbers *parents(const struct search *s, uint32_t of)
{
    return s->actions ? &s->schema->actions[of].parents : &s->schema->entities[of].parents;
}

static bool one(struct search *s, uint32_t start, struct pol_numbers *out)
{
    uint32_t n = 0, depth = 0;

    s->stack[depth++] = start;
    while (depth) {
        const struct pol_numbers *up = parents(s, s->stack[--depth]);

        for (uint32_t i = 0; i < up->n; i++) {
            if (s->marked[up->at[i]] == start + 1)
                continue;
            s->marked[up->at[i]] = start + 1;
            s->found[n++] = s->stack[depth++] = up->at[i];
        }
    }
    s->total += n;
    out->at = arena_array(&s->schema->arena, n ? n : 1, sizeof *out->at);
    if (!out->at)
        return false;
    memcpy(out->at, s->found, n * sizeof *out->at);
    out->n = pol_ids_sort(out->at, n);
    return true;
}

static bool close_all(struct search *s, struct diags *diags)
{
    s->marked = calloc(s->n ? s->n : 1, sizeof *s->marked);
    s->found = calloc(s->n ? s->n : 1, sizeof *s->found);
    // Every number is pushed once a search, on top of the start.
    s->stack = calloc((size_t)s->n + 1, sizeof *s->stack);
    if (!s->marked || !s->found || !s->stack) {
        diag_error(diags, SPAN_NONE, 0, 0, "out of memory while reading a schema; make it smaller");
        return false;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (!one(s, i, s->actions ? &s->schema->actions[i].ancestors : &s->schema->entities[i].ancestors)) {
            diag_error(diags, SPAN_NONE, 0, 0, "out of memory while reading a schema; make it smaller");
            return false;
        }
        if (s->total > POL_SCHEMA_RELATIONS_MAX) {
            diag_error(diags, SPAN_NONE, 0, 0, "more than %u relations in the hierarchy of %s, at '%.*s'; flatten it",
                       POL_SCHEMA_RELATIONS_MAX, s->actions ? "actions" : "entity types",
                       SPAN_FMT(span_sub(s->actions ? s->schema->actions[i].id : s->schema->entities[i].name, 0, 96)));
            return false;
        }
    }
    return true;
}

static bool closed(struct pol_schema *schema, bool actions, struct diags *diags)
{
    struct search s = { .schema = schema,
                        .actions = actions,
                        .n = actions ? schema->names.uids.n : schema->names.types.n };
    bool ok = close_all(&s, diags);

    free(s.marked);
    free(s.found);
    free(s.stack);
    return ok;
}

// A type of actions is in another where an action of it is in one of the other.
static bool action_types(struct pol_schema *s)
{
    for (uint32_t i = 0; i < s->names.uids.n; i++) {
        const struct pol_schema_action *a = &s->actions[i];
        struct pol_numbers *up = &s->entities[a->type].ancestors;

        for (uint32_t k = 0; k < a->ancestors.n; k++) {
            uint32_t type = s->actions[a->ancestors.at[k]].type, *more;

            if (type == a->type || pol_numbers_have(up, type))
                continue;
            if (!(more = arena_array(&s->arena, up->n + 1, sizeof *more)))
                return false;
            memcpy(more, up->at, up->n * sizeof *more);
            more[up->n] = type;
            up->at = more;
            up->n = pol_ids_sort(more, up->n + 1);
        }
    }
    return true;
}

bool pol_schema_close(struct pol_schema *s, struct diags *diags)
{
    if (!closed(s, false, diags) || !closed(s, true, diags))
        return false;
    for (uint32_t i = 0; i < s->names.uids.n; i++) {
        if (pol_numbers_have(&s->actions[i].ancestors, i)) {
            diag_error(diags, SPAN_NONE, 0, 0, "the action \"%.*s\" is in itself; take one of its groups away",
                       SPAN_FMT(span_sub(s->actions[i].id, 0, 96)));
            return false;
        }
    }
    return action_types(s);
}

// ------------------------------------------------------------------------------------------------------------- questions

bool pol_schema_action_type(struct span name)
{
    return span_eq(name, SPAN("Action")) || span_ends(name, SPAN("::Action"));
}

const struct pol_schema_entity *pol_schema_entity(const struct pol_schema *s, struct span name)
{
    uint32_t n = pol_uids_find_type(&s->names, name);

    return n != POL_ID_NONE && s->entities[n].declared ? &s->entities[n] : NULL;
}

const struct pol_schema_action *pol_schema_action(const struct pol_schema *s, struct span type, struct span id)
{
    uint32_t hash, n = pol_uids_find(&s->names, type, id, &hash);

    return n != POL_ID_NONE && s->actions[n].declared ? &s->actions[n] : NULL;
}

bool pol_schema_type_in(const struct pol_schema *s, uint32_t inner, uint32_t outer)
{
    return inner == outer || pol_numbers_have(&s->entities[inner].ancestors, outer);
}

bool pol_schema_chosen(const struct pol_schema_entity *e, struct span id)
{
    for (uint32_t i = 0; i < e->n_choices; i++)
        if (span_eq(e->choices[i], id))
            return true;
    return e->choices == NULL;
}

enum { CANDIDATES = 256 };

struct span pol_schema_near_type(const struct pol_schema *s, struct span name)
{
    struct span names[CANDIDATES];
    size_t n = 0;

    for (uint32_t i = 0; i < s->names.types.n && n < CANDIDATES; i++)
        if (s->entities[i].declared)
            names[n++] = s->entities[i].name;
    return diag_suggest(name, names, n);
}

struct span pol_schema_near_action(const struct pol_schema *s, struct span type, struct span id)
{
    uint32_t number = pol_uids_find_type(&s->names, type);
    struct span ids[CANDIDATES];
    size_t n = 0;

    for (uint32_t i = 0; i < s->names.uids.n && n < CANDIDATES; i++)
        if (s->actions[i].declared && s->actions[i].type == number)
            ids[n++] = s->actions[i].id;
    return diag_suggest(id, ids, n);
}

size_t pol_schema_types(const struct pol_schema *s)
{
    return s->n_entities;
}

size_t pol_schema_actions(const struct pol_schema *s)
{
    return s->n_actions;
}

bool pol_schema_has_action(const struct pol_schema *s, struct span type, struct span id)
{
    return pol_schema_action(s, type, id) != NULL;
}

void pol_schema_confine(struct pol_schema *s, const struct span *prefixes, size_t n, bool with)
{
    for (uint32_t i = 0; i < s->names.uids.n; i++) {
        bool has = false;
        for (size_t k = 0; k < n; k++)
            has |= span_starts(s->actions[i].id, prefixes[k]);
        if (has == with)
            s->actions[i].principals.n = s->actions[i].resources.n = 0;
    }
}

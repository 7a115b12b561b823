// SPDX-License-Identifier: GPL-3.0-or-later
// Whether what a team writes stays with what it owns. Only the scope counts: it says what a policy is asked about, so a policy that passes is never
// evaluated – never permits, never forbids, never fails – for a resource of anybody else. What a request brings cannot undo that: it may give a
// resource more parents, but takes none away, so whatever is in an entity that was in the owner's here is in the owner's then.
#include "policy/table.h"

#include <stdio.h>

struct confined {
    const struct pol_set *set;
    const struct pol_owner *owner;
    uint32_t within; // POL_ID_NONE: nothing is in it
    struct diags *diags;
};

static bool inside(const struct confined *c, const struct pol_scope *s)
{
    const struct pol_facts *f;

    if (s->op == SCOPE_ANY || s->op == SCOPE_IS || s->entity == POL_ID_NONE || c->within == POL_ID_NONE)
        return false;
    f = &c->set->facts[s->entity];
    return s->entity == c->within || pol_ids_have(f->ancestors, f->n_ancestors, c->within);
}

// `link`: the policy is one; else NULL.
static void outside(const struct confined *c, const struct pol_policy *p, const struct pol_link *link)
{
    const struct pol_owner *o = c->owner;
    const struct pol_scope *s = &p->resource;
    const struct pol_uid *e = s->entity == POL_ID_NONE ? NULL : &c->set->uids.uids.at[s->entity];
    struct span type = span_sub(o->within.type, 0, 64), id = span_sub(o->within.id, 0, 64);
    char what[128] = "", why[256] = "";

    if (link)
        snprintf(what, sizeof what, "the link '%.*s': ", SPAN_FMT(span_sub(link->id, 0, 96)));
    if (e)
        snprintf(why, sizeof why, ", and %.*s::\"%.*s\" is not, by the entities; put it there, or",
                 SPAN_FMT(span_sub(c->set->uids.types.at[e->type].name, 0, 64)), SPAN_FMT(span_sub(e->id, 0, 96)));
    diag_error(c->diags, link ? link->file : p->info.file, link ? link->line : p->info.line,
               link ? link->column : p->info.column,
               "%spolicies of %.*s may only speak of what is in %.*s::\"%.*s\"%s write `resource in %.*s::\"%.*s\"`",
               what, SPAN_FMT(span_sub(o->name, 0, 64)), SPAN_FMT(type), SPAN_FMT(id), e ? why : ";", SPAN_FMT(type),
               SPAN_FMT(id));
}

const struct pol_owner *pol_owner_of(const struct pol_options *o, uint32_t text)
{
    for (size_t i = 0; i < o->n_owners; i++)
        if (text - o->owners[i].first < o->owners[i].n && text >= o->owners[i].first)
            return &o->owners[i];
    return NULL;
}

static void check(struct confined *c, const struct pol_options *options, const struct pol_policy *p,
                  const struct pol_link *link)
{
    const struct pol_owner *o = pol_owner_of(options, p->text);
    uint32_t hash;

    if (!o)
        return;
    if (o != c->owner) {
        c->owner = o;
        c->within = pol_uids_find(&c->set->uids, o->within.type, o->within.id, &hash);
    }
    if (!inside(c, &p->resource))
        outside(c, p, link);
}

void pol_owners_check(const struct pol_set *s, const struct pol_options *options, uint32_t n_static,
                      struct diags *diags)
{
    struct confined c = { .set = s, .within = POL_ID_NONE, .diags = diags };

    for (uint32_t i = 0; i < n_static && options->n_owners; i++)
        check(&c, options, &s->policies.at[i], NULL);
    // A slot of the resource is what the links say; without one, they say nothing about it.
    for (uint32_t i = 0; i < s->templates.n && options->n_owners; i++)
        if (!s->templates.at[i].resource_slot)
            check(&c, options, &s->templates.at[i], NULL);
    for (uint32_t i = n_static; i < s->policies.n && options->n_owners; i++)
        if (!span_is_none(options->links[i - n_static].resource.type))
            check(&c, options, &s->policies.at[i], &options->links[i - n_static]);
}

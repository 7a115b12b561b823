// SPDX-License-Identifier: GPL-3.0-or-later
// Templates become policies here: a link is the template's policy with entities in its slots, under an id of its own. The
// condition is compiled once and shared.
#include "policy/table.h"

struct linker {
    struct pol_set *set;
    struct diags *diags;
    struct pol_uids ids; // of templates: as its types, in order
    bool *used;
};

static bool complain(struct linker *k, const struct pol_link *l, const char *what, struct span name)
{
    diag_error(k->diags, l->file, l->line, l->column, "the link '%.*s': %s '%.*s'", SPAN_FMT(span_sub(l->id, 0, 160)),
               what, SPAN_FMT(span_sub(name, 0, 160)));
    return false;
}

static bool no_memory(struct linker *k)
{
    diag_error(k->diags, SPAN_NONE, 0, 0, "out of memory while linking templates; make the policy set smaller");
    return false;
}

// One slot: what the template has and what the link gives must agree.
static bool slot(struct linker *k, const struct pol_link *l, bool has, struct span type, struct span id,
                 const char *name, struct pol_scope *scope)
{
    bool given = !span_is_none(type) && !span_is_none(id);

    if (has && !given)
        return complain(k, l, "no value for the slot", span_str(name));
    if (!has && given)
        return complain(k, l, "the template has no slot", span_str(name));
    if (!has)
        return true;
    if (!pol_name_valid(type))
        return complain(k, l, "no entity type:", type);
    scope->entity = pol_uids_add(&k->set->uids, type, id);
    return scope->entity != POL_ID_NONE ? true : no_memory(k);
}

// False when out of memory; other errors are in diags.
static bool link_one(struct linker *k, const struct pol_link *l)
{
    uint32_t n = pol_uids_find_type(&k->ids, l->template_id);
    struct pol_policy p, *kept;

    if (span_is_none(l->id) || l->id.n == 0 || l->id.n > 256) {
        diag_error(k->diags, l->file, l->line, l->column, "a link's id is empty or longer than 256 bytes");
        return true;
    }
    if (n == POL_ID_NONE) {
        complain(k, l, "there is no template", l->template_id);
        return true;
    }
    if (k->set->policies.n >= POL_POLICIES_MAX) {
        diag_error(k->diags, l->file, l->line, l->column, "more than %u policies; split the policy set",
                   POL_POLICIES_MAX);
        return false;
    }
    k->used[n] = true;
    p = k->set->templates.at[n];
    if (!slot(k, l, p.principal_slot, l->principal.type, l->principal.id, "?principal", &p.principal) ||
        !slot(k, l, p.resource_slot, l->resource.type, l->resource.id, "?resource", &p.resource))
        return !k->set->arena.failed;
    p.principal_slot = p.resource_slot = false;
    p.info.template_id = p.info.id;
    p.info.id = arena_dup(&k->set->arena, l->id);
    kept = span_is_none(p.info.id) ? NULL : pol_vec_add(&k->set->policies);
    if (!kept)
        return no_memory(k);
    *kept = p;
    return true;
}

static bool find_templates(struct linker *k)
{
    const struct pol_policies *t = &k->set->templates;

    k->used = calloc(t->n ? t->n : 1, sizeof *k->used);
    for (uint32_t i = 0; k->used && i < t->n; i++) {
        uint32_t n = pol_uids_add_type(&k->ids, t->at[i].info.id);

        if (n == POL_ID_NONE)
            return no_memory(k);
        // A second one of the same id is complained about elsewhere; the numbers must not shift.
        if (n != i)
            return false;
    }
    return k->used != NULL ? true : no_memory(k);
}

void pol_links_apply(struct pol_set *s, const struct pol_options *options, struct diags *diags)
{
    const bool must_be_linked = options->linked_templates;
    struct linker k = { .set = s, .diags = diags };
    bool ok;

    pol_uids_init(&k.ids, &s->arena, s->uids.key);
    ok = find_templates(&k);
    for (size_t i = 0; ok && i < options->n_links; i++)
        ok = link_one(&k, &options->links[i]);
    for (uint32_t i = 0; ok && i < s->templates.n; i++) {
        const struct pol_policy_info *t = &s->templates.at[i].info;

        if (!k.used[i])
            (must_be_linked ? diag_error : diag_warning)(diags, t->file, t->line, t->column,
                                                         "no link uses the template '%.*s', so it has no effect",
                                                         SPAN_FMT(span_sub(t->id, 0, 160)));
    }
    free(k.used);
    pol_uids_fini(&k.ids);
}

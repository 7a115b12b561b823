// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/set.h"

#include "policy/parse.h"
#include "policy/table.h"

struct loader {
    struct pol_set *set;
    const struct pol_options *options;
    struct diags *diags;
    struct arena scratch; // trees
    struct span file;     // the set's copy of the current file's name
    bool several;         // files
    uint32_t text;        // number of the current one
    uint32_t in_file;     // policies and templates of the current file so far
    uint32_t n_static;    // policies that are no links
};

static bool no_memory(struct loader *l)
{
    diag_error(l->diags, SPAN_NONE, 0, 0, "out of memory while loading policies; make the policy set smaller");
    return false;
}

// ------------------------------------------------------------------------------------------------------------- scopes

static bool scope(struct loader *l, const struct pol_ast_scope *a, struct pol_scope *out)
{
    *out = (struct pol_scope){ .op = (uint8_t)a->op, .type = POL_ID_NONE, .entity = POL_ID_NONE };
    if (a->op == SCOPE_IS || a->op == SCOPE_IS_IN) {
        out->type = pol_uids_add_type(&l->set->uids, a->type);
        if (out->type == POL_ID_NONE)
            return no_memory(l);
    }
    if (a->uids) {
        out->entity = pol_uids_add(&l->set->uids, a->uids->type, a->uids->id);
        if (out->entity == POL_ID_NONE)
            return no_memory(l);
    }
    return true;
}

static bool actions(struct loader *l, const struct pol_ast_scope *a, struct pol_policy *p)
{
    uint32_t *ids = arena_array(&l->set->arena, a->n ? a->n : 1, sizeof *ids), n = 0;

    if (!ids)
        return no_memory(l);
    for (const struct pol_ast_uid *u = a->uids; u; u = u->next) {
        ids[n] = pol_uids_add(&l->set->uids, u->type, u->id);
        if (ids[n++] == POL_ID_NONE)
            return no_memory(l);
    }
    p->action_op = (uint8_t)a->op;
    p->actions = ids;
    p->n_actions = pol_ids_sort(ids, n);
    return true;
}

// ----------------------------------------------------------------------------------------------------------- policies

static bool annotations(struct loader *l, const struct pol_ast_policy *a, struct pol_policy_info *info)
{
    struct pol_annotation *list = arena_array(&l->set->arena, a->n_annotations ? a->n_annotations : 1, sizeof *list);

    if (!list)
        return no_memory(l);
    for (const struct pol_ast_annotation *n = a->annotations; n; n = n->next) {
        struct pol_annotation *to = &list[info->n_annotations++];

        to->name = arena_dup(&l->set->arena, n->name);
        to->value = arena_dup(&l->set->arena, n->value);
        to->second = span_is_none(n->second) ? SPAN_NONE : arena_dup(&l->set->arena, n->second);
        if (span_eq(n->name, SPAN("id")) && !l->options->ids_by_position && n->value.n)
            info->id = to->value;
        // Its only value, or the parser would have complained.
        info->shadow |= l->options->strict_annotations && span_eq(n->name, SPAN("mode"));
    }
    info->annotations = list;
    return true;
}

static bool named(struct loader *l, const struct pol_ast_policy *a, struct pol_policy_info *info)
{
    *info = (struct pol_policy_info){
        .file = l->file,
        .line = a->place.line,
        .column = a->place.column,
        .effect = a->effect,
        .template_id = SPAN_NONE,
    };
    if (!annotations(l, a, info))
        return false;
    if (!span_is_none(info->id))
        return true;
    if (l->options->ids_by_position)
        info->id = arena_printf(&l->set->arena, "policy%u", l->set->policies.n + l->set->templates.n);
    else if (l->several)
        info->id = arena_printf(&l->set->arena, "%.*s#policy%u", SPAN_FMT(l->file), l->in_file);
    else
        info->id = arena_printf(&l->set->arena, "policy%u", l->in_file);
    return !span_is_none(info->id) ? true : no_memory(l);
}

static bool policy(struct loader *l, const struct pol_ast_policy *a)
{
    struct pol_policy p = { .effect = (uint8_t)a->effect,
                            .principal_slot = a->principal.slot,
                            .resource_slot = a->resource.slot },
                      *kept;

    if (l->set->policies.n + l->set->templates.n >= POL_POLICIES_MAX) {
        diag_error(l->diags, l->file, a->place.line, a->place.column, "more than %u policies; split the policy set",
                   POL_POLICIES_MAX);
        return false;
    }
    if (!named(l, a, &p.info) || !scope(l, &a->principal, &p.principal) || !actions(l, &a->action, &p) ||
        !scope(l, &a->resource, &p.resource))
        return false;
    p.shadow = p.info.shadow;
    p.text = l->text;
    p.owned = pol_owner_of(l->options, l->text) != NULL;
    // What the compiler complained about is reported; the other policies are looked at all the same.
    if (!pol_compile(l->set, a, l->file, &p, l->diags) || !pol_duties_compile(l->set, a, l->file, &p, l->diags))
        return !l->set->arena.failed;
    kept = pol_vec_add(p.principal_slot || p.resource_slot ? &l->set->templates : &l->set->policies);
    if (!kept)
        return no_memory(l);
    *kept = p;
    l->in_file++;
    return true;
}

static bool source(struct loader *l, const struct pol_source *s)
{
    struct pol_ast_policy *first;
    bool ok = true;

    arena_init(&l->scratch, 0);
    l->in_file = 0;
    l->file = arena_dup(&l->set->arena, s->name);
    first = pol_parse(&l->scratch, s, l->options, l->diags);
    for (const struct pol_ast_policy *a = first; a && ok; a = a->next)
        ok = policy(l, a);
    arena_fini(&l->scratch);
    return ok;
}

// The policies that texts hold, the templates, the links.
static const struct pol_policy_info *nth(const struct loader *l, uint32_t i)
{
    uint32_t templates = l->set->templates.n;

    if (i < l->n_static)
        return &l->set->policies.at[i].info;
    i -= l->n_static;
    return i < templates ? &l->set->templates.at[i].info : &l->set->policies.at[i - templates + l->n_static].info;
}

static bool shadows_few(struct loader *l)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->set->policies.n; i++) {
        const struct pol_policy_info *info = &l->set->policies.at[i].info;

        if (!info->shadow || ++n <= POL_SHADOWS_MAX)
            continue;
        diag_error(l->diags, info->file, info->line, info->column,
                   "more than %u policies with @mode(\"shadow\"); try fewer out at a time", POL_SHADOWS_MAX);
        return false;
    }
    return true;
}

// Ids are what audit records and metrics go by.
static bool ids_differ(struct loader *l)
{
    uint32_t texts = l->n_static + l->set->templates.n, all = l->set->policies.n + l->set->templates.n;
    struct pol_uids seen;
    bool ok = true;

    pol_uids_init(&seen, &l->set->arena, l->set->uids.key);
    for (uint32_t i = 0; i < all && ok; i++) {
        const struct pol_policy_info *info = nth(l, i);
        uint32_t n = pol_uids_add_type(&seen, info->id);

        if (n == POL_ID_NONE) {
            ok = no_memory(l);
        } else if (n < i) {
            // Numbers are given in order, so up to the first repetition the n-th name is the n-th policy's.
            const struct pol_policy_info *o = nth(l, n);
            const struct pol_link *link = i < texts ? NULL : &l->options->links[i - texts];

            diag_error(l->diags, link ? link->file : info->file, link ? link->line : info->line,
                       link ? link->column : info->column,
                       "the id '%.*s' belongs to the policy at %.*s:%u already; choose another",
                       SPAN_FMT(span_sub(info->id, 0, 160)), SPAN_FMT(o->file), o->line);
            ok = false;
        }
    }
    pol_uids_fini(&seen);
    return ok;
}

static struct span type_name(const struct pol_set *s, const struct pol_uid *u)
{
    return s->uids.types.at[u->type].name;
}

static struct span action_near(const struct pol_set *s, struct span id)
{
    struct span ids[64];
    size_t n = 0;

    for (uint32_t i = 0; i < s->uids.uids.n && n < sizeof ids / sizeof *ids; i++)
        if (s->facts[i].exists && span_eq(type_name(s, &s->uids.uids.at[i]), SPAN("Action")))
            ids[n++] = s->uids.uids.at[i].id;
    return diag_suggest(id, ids, n);
}

static void actions_exist(struct loader *l, const struct pol_policies *policies, uint32_t n)
{
    const struct pol_set *s = l->set;

    for (uint32_t i = 0; i < n; i++) {
        const struct pol_policy *p = &policies->at[i];

        for (uint32_t k = 0; k < p->n_actions; k++) {
            const struct pol_uid *u = &s->uids.uids.at[p->actions[k]];
            struct span near;

            if (s->facts[p->actions[k]].exists)
                continue;
            near = action_near(s, u->id);
            diag_error(l->diags, p->info.file, p->info.line, p->info.column,
                       "there is no action %.*s::\"%.*s\"; %s%.*s%s", SPAN_FMT(span_sub(type_name(s, u), 0, 96)),
                       SPAN_FMT(span_sub(u->id, 0, 96)),
                       span_is_none(near) ? "docs/policy.md lists them" : "did you mean Action::\"", SPAN_FMT(near),
                       span_is_none(near) ? "" : "\"?");
        }
    }
}

// ----------------------------------------------------------------------------------------------------------- the whole

static bool bounded(const struct pol_source *a, size_t n_a, const struct pol_source *b, size_t n_b, struct diags *diags)
{
    size_t total = 0;

    for (size_t i = 0; i < n_a + n_b; i++) {
        size_t n = i < n_a ? a[i].text.n : b[i - n_a].text.n;

        total = n > POL_TEXTS_MAX - total ? POL_TEXTS_MAX + 1 : total + n;
        if (total > POL_TEXTS_MAX) {
            diag_error(diags, i < n_a ? a[i].name : b[i - n_a].name, 0, 0,
                       "policies and entities are over %u MiB together; make the policy set smaller",
                       POL_TEXTS_MAX >> 20);
            return false;
        }
    }
    return true;
}

static size_t weigh(const struct pol_set *s)
{
    return sizeof *s + s->arena.used + s->uids.uids.cap * sizeof(struct pol_uid) +
           (s->uids.types.cap + s->names.types.cap) * sizeof(struct pol_type) +
           (s->uids.n_slots + s->uids.n_type_slots + s->names.n_type_slots) * sizeof(uint32_t) +
           s->code.insns.cap * sizeof(struct pol_insn) + s->code.consts.cap * sizeof(struct pol_value) +
           s->code.patterns.cap * sizeof(struct pol_pattern) +
           (s->policies.cap + s->templates.cap) * sizeof(struct pol_policy);
}

// Room that vectors took in advance. What cannot be given back is kept.
static void trim(void **at, uint32_t *cap, uint32_t n, size_t size)
{
    void *p = n > 0 && n < *cap ? realloc(*at, n * size) : NULL;

    if (!p)
        return;
    *at = p;
    *cap = n;
}

#define TRIM(v) trim((void **)&(v)->at, &(v)->cap, (v)->n, sizeof *(v)->at)

static void trim_all(struct pol_set *s)
{
    TRIM(&s->uids.uids);
    TRIM(&s->uids.types);
    TRIM(&s->names.types);
    TRIM(&s->code.insns);
    TRIM(&s->code.consts);
    TRIM(&s->code.patterns);
    TRIM(&s->policies);
    TRIM(&s->templates);
}

static bool load(struct loader *l, const struct pol_source *policies, size_t n_policies,
                 const struct pol_source *entities, size_t n_entities)
{
    size_t before = l->diags->errors;

    if (!bounded(policies, n_policies, entities, n_entities, l->diags))
        return false;
    for (size_t i = 0; i < n_policies; i++) {
        l->text = (uint32_t)i;
        if (!source(l, &policies[i]))
            return false;
    }
    l->n_static = l->set->policies.n;
    if (l->diags->errors == before)
        pol_links_apply(l->set, l->options, l->diags);
    if (l->diags->errors == before && shadows_few(l))
        ids_differ(l);
    pol_entities_read(l->set, entities, n_entities, before, l->diags);
    if (l->diags->errors == before && l->options->declared_actions) {
        actions_exist(l, &l->set->policies, l->n_static);
        actions_exist(l, &l->set->templates, l->set->templates.n);
    }
    if (l->diags->errors == before)
        pol_owners_check(l->set, l->options, l->n_static, l->diags);
    if (l->diags->errors != before)
        return false;
    return pol_index_build(l->set) ? true : no_memory(l);
}

struct pol_set *pol_set_new(const struct pol_source *policies, size_t n_policies, const struct pol_source *entities,
                            size_t n_entities, const struct pol_options *options, struct diags *diags)
{
    struct pol_set *s = calloc(1, sizeof *s);
    struct loader l = { .set = s, .options = options, .diags = diags, .several = n_policies > 1 };

    if (!s) {
        no_memory(&l);
        return NULL;
    }
    arena_init(&s->arena, 0);
    pol_uids_init(&s->uids, &s->arena, options->hash_key);
    pol_uids_init(&s->names, &s->arena, options->hash_key);
    if (!load(&l, policies, n_policies, entities, n_entities)) {
        pol_set_free(s);
        return NULL;
    }
    trim_all(s);
    s->bytes = weigh(s);
    return s;
}

void pol_set_free(struct pol_set *s)
{
    if (!s)
        return;
    pol_uids_fini(&s->uids);
    pol_uids_fini(&s->names);
    pol_vec_free(&s->code.insns);
    pol_vec_free(&s->code.consts);
    pol_vec_free(&s->code.patterns);
    pol_vec_free(&s->policies);
    pol_vec_free(&s->templates);
    arena_fini(&s->arena);
    free(s);
}

size_t pol_set_count(const struct pol_set *s)
{
    return s->policies.n;
}

size_t pol_set_shadows(const struct pol_set *s)
{
    return s->n_shadows;
}

const struct pol_policy_info *pol_set_policy(const struct pol_set *s, uint32_t index)
{
    return &s->policies.at[index].info;
}

size_t pol_set_entities(const struct pol_set *s)
{
    return s->n_defined;
}

size_t pol_set_bytes(const struct pol_set *s)
{
    return s->bytes;
}

// NULL: the texts do not define it.
static const struct pol_facts *defined(const struct pol_set *s, struct span type, struct span id)
{
    uint32_t hash, n = pol_uids_find(&s->uids, type, id, &hash);

    return n != POL_ID_NONE && s->facts[n].exists ? &s->facts[n] : NULL;
}

struct span pol_set_text(const struct pol_set *s, struct span type, struct span id, struct span attr)
{
    const struct pol_facts *f = defined(s, type, id);

    for (uint32_t i = 0; f && i < f->n_attrs; i++)
        if (span_eq(f->attrs[i].name, attr) && f->attrs[i].value.kind == POL_STRING)
            return pol_value_span(f->attrs[i].value);
    return SPAN_NONE;
}

size_t pol_set_parents(const struct pol_set *s, struct span type, struct span id, struct span parent_type,
                       struct span *out, size_t cap)
{
    const struct pol_facts *f = defined(s, type, id);
    uint32_t wanted = pol_uids_find_type(&s->uids, parent_type);
    size_t n = 0;

    for (uint32_t i = 0; f && wanted != POL_ID_NONE && i < f->n_parents; i++) {
        const struct pol_uid *u = &s->uids.uids.at[f->parents[i]];

        if (u->type != wanted)
            continue;
        if (n < cap)
            out[n] = u->id;
        n++;
    }
    return n;
}

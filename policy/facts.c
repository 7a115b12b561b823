// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/facts.h"

#include "gateway/base/err.h"

static bool is_local(const struct pol_set *s, uint32_t entity)
{
    return entity >= s->uids.uids.n;
}

static const struct pol_local *local(const struct pol_set *s, const struct pol_request *r, uint32_t entity)
{
    return &r->locals[entity - s->uids.uids.n];
}

struct span pol_facts_type_name(const struct pol_set *s, const struct pol_request *r, uint32_t entity)
{
    return is_local(s, entity) ? local(s, r, entity)->type : s->uids.types.at[s->uids.uids.at[entity].type].name;
}

struct span pol_facts_id(const struct pol_set *s, const struct pol_request *r, uint32_t entity)
{
    return is_local(s, entity) ? local(s, r, entity)->id : s->uids.uids.at[entity].id;
}

uint32_t pol_facts_type(const struct pol_set *s, const struct pol_request *r, uint32_t entity)
{
    return is_local(s, entity) ? local(s, r, entity)->type_number : s->uids.uids.at[entity].type;
}

struct pol_entity *pol_facts_declared_many(const struct pol_request *r, uint32_t entity)
{
    uint32_t at = pol_number_hash(entity), i;

    while ((i = pol_slots_get(&r->entity_slots, &at)) != POL_ID_NONE)
        if (r->entities[i]->number == entity)
            return r->entities[i];
    return NULL;
}

bool pol_facts_exists(const struct pol_request *r, uint32_t entity)
{
    return pol_facts_declared(r, entity) || (!is_local(r->set, entity) && r->set->facts[entity].exists);
}

// Notes an entity that only the set describes, so that an audit record can hold what the decision saw.
static void touch(struct pol_request *r, uint32_t entity)
{
    uint32_t at = pol_number_hash(entity), i;
    bool fresh;

    while ((i = pol_slots_get(&r->touched_slots, &at)) != POL_ID_NONE)
        if (r->touched[i] == entity)
            return;
    if (!pol_request_room(r, (void **)&r->touched, r->n_touched, &r->cap_touched, sizeof *r->touched) ||
        !pol_slots_make(r, &r->touched_slots, r->n_touched + 1, &fresh))
        return;
    r->touched[r->n_touched++] = entity;
    for (i = fresh ? 0 : r->n_touched - 1; i < r->n_touched; i++)
        pol_slots_put(&r->touched_slots, pol_number_hash(r->touched[i]), i);
}

const struct pol_value *pol_facts_attr(struct pol_request *r, uint32_t entity, struct span name)
{
    const struct pol_entity *e = pol_facts_declared(r, entity);
    const struct pol_value *v = e ? pol_fields_get(e->attrs.fields, e->attrs.n, name) : NULL;
    const struct pol_facts *f;

    if (v || is_local(r->set, entity))
        return v;
    f = &r->set->facts[entity];
    if (!e && f->exists)
        touch(r, entity);
    return pol_fields_get(f->attrs, f->n_attrs, name);
}

const struct pol_value *pol_facts_tag(struct pol_request *r, uint32_t entity, struct span name)
{
    const struct pol_entity *e = pol_facts_declared(r, entity);
    const struct pol_value *v = e ? pol_fields_get(e->tags.fields, e->tags.n, name) : NULL;
    const struct pol_facts *f;

    if (v || is_local(r->set, entity))
        return v;
    f = &r->set->facts[entity];
    if (!e && f->exists)
        touch(r, entity);
    return pol_fields_get(f->tags, f->n_tags, name);
}

bool pol_facts_in(struct pol_request *r, uint32_t entity, uint32_t other)
{
    const struct pol_entity *e;
    const struct pol_facts *f;

    if (entity == other)
        return true;
    e = pol_facts_declared(r, entity);
    if (e)
        return pol_ids_have(e->ancestors, e->n_ancestors, other);
    if (is_local(r->set, entity))
        return false;
    f = &r->set->facts[entity];
    if (f->exists)
        touch(r, entity);
    if (pol_ids_have(f->ancestors, f->n_ancestors, other))
        return true;
    // An ancestor may have got further parents from the request.
    for (uint32_t i = 0; r->extends_set && i < r->n_entities; i++) {
        e = r->entities[i];
        if (e->n_parents && pol_ids_have(f->ancestors, f->n_ancestors, e->number) &&
            pol_ids_have(e->ancestors, e->n_ancestors, other))
            return true;
    }
    return false;
}

// ------------------------------------------------------------------------------------------------------- ancestors

enum { CLOSURE_MOST = 1 << 20, PLAIN_MOST = 256 };

struct closure {
    struct pol_request *r;
    uint32_t *ids, n, cap;
    struct pol_entity *pending;
    uint32_t round;
};

// One more ancestor; if the request gave it parents of its own, those are looked at too.
static bool reach(struct closure *c, uint32_t id)
{
    struct pol_entity *d;

    if (c->n >= CLOSURE_MOST) {
        pol_request_fail(c->r, ERR_NOMEM, "too many ancestors");
        return false;
    }
    if (!pol_request_room(c->r, (void **)&c->ids, c->n, &c->cap, sizeof *c->ids))
        return false;
    c->ids[c->n++] = id;
    d = pol_facts_declared(c->r, id);
    if (d && d->n_parents && d->visited != c->round) {
        d->visited = c->round;
        d->pending = c->pending;
        c->pending = d;
    }
    return true;
}

static bool reach_known(struct closure *c, uint32_t id)
{
    const struct pol_facts *f;

    if (is_local(c->r->set, id))
        return true;
    f = &c->r->set->facts[id];
    for (uint32_t i = 0; i < f->n_ancestors; i++)
        if (!reach(c, f->ancestors[i]))
            return false;
    return true;
}

// Whether another declared entity with parents of its own is among these.
static bool goes_on(const struct pol_request *r, const struct pol_entity *e, const uint32_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < r->n_entities; i++)
        if (r->entities[i]->n_parents && r->entities[i] != e && pol_ids_have(ids, n, r->first_numbers[i]))
            return true;
    return false;
}

// The parents that the request gives, theirs, and those of the set, in no order. NULL when there is no room.
static uint32_t *gather(struct pol_request *r, const struct pol_entity *e, const uint32_t *known, uint32_t n_known,
                        uint32_t *n)
{
    const struct pol_facts *facts = r->set->facts;
    uint64_t most = n_known;
    uint32_t *ids;

    for (uint32_t i = 0; i < e->n_parents; i++)
        most += 1 + (is_local(r->set, e->parents[i]) ? 0 : (uint64_t)facts[e->parents[i]].n_ancestors);
    ids = most <= PLAIN_MOST ? arena_array(r->arena, most, sizeof *ids) : NULL;
    for (*n = 0; ids && *n < n_known; ++*n)
        ids[*n] = known[*n];
    for (uint32_t i = 0; ids && i < e->n_parents; i++) {
        uint32_t p = e->parents[i];

        ids[(*n)++] = p;
        for (uint32_t k = 0; !is_local(r->set, p) && k < facts[p].n_ancestors; k++)
            ids[(*n)++] = facts[p].ancestors[k];
    }
    return ids;
}

// The usual case: none of an entity's ancestors got parents from the request, so those are all. False, and nothing
// changed, when it is another case.
static bool close_plain(struct pol_request *r, struct pol_entity *e)
{
    const uint32_t *ancestors = NULL;
    uint32_t *ids, n = 0;

    if (r->n_entities > POL_FACTS_FEW)
        return false;
    if (!is_local(r->set, e->number)) {
        ancestors = r->set->facts[e->number].ancestors;
        n = r->set->facts[e->number].n_ancestors;
    }
    if (e->n_parents) {
        ids = gather(r, e, ancestors, n, &n);
        if (!ids)
            return false;
        n = pol_ids_sort(ids, n);
        ancestors = ids;
    }
    if (goes_on(r, e, ancestors, n) || pol_ids_have(ancestors, n, e->number))
        return false;
    e->ancestors = ancestors;
    e->n_ancestors = n;
    return true;
}

static bool close_one(struct pol_request *r, struct pol_entity *e, uint32_t round)
{
    struct closure c = { .r = r, .pending = e, .round = round };

    if (close_plain(r, e))
        return true;
    if (!e->n_parents && !r->extends_set) {
        if (!is_local(r->set, e->number)) {
            e->ancestors = r->set->facts[e->number].ancestors;
            e->n_ancestors = r->set->facts[e->number].n_ancestors;
        }
        return true;
    }
    e->visited = round;
    e->pending = NULL;
    if (!reach_known(&c, e->number))
        return false;
    while (c.pending) {
        const struct pol_entity *d = c.pending;

        c.pending = d->pending;
        for (uint32_t i = 0; i < d->n_parents; i++)
            if (!reach(&c, d->parents[i]) || !reach_known(&c, d->parents[i]))
                return false;
    }
    c.n = pol_ids_sort(c.ids, c.n);
    if (pol_ids_have(c.ids, c.n, e->number)) {
        pol_request_fail(r, ERR_INTERNAL, "an entity is its own ancestor");
        return false;
    }
    e->ancestors = c.ids;
    e->n_ancestors = c.n;
    return true;
}

bool pol_facts_close(struct pol_request *r)
{
    for (uint32_t i = 0; i < r->n_entities && !r->closed && !r->sealed; i++)
        if (!close_one(r, r->entities[i], i + 1))
            return false;
    r->closed = true;
    return r->err == 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/request.h"

#include <assert.h>

#include "gateway/base/err.h"
#include "policy/ext.h"
#include "policy/facts.h"

void pol_request_fail(struct pol_request *r, int err, const char *why)
{
    if (r->err)
        return;
    r->err = err;
    r->why = why;
}

void pol_request_init(struct pol_request *r, const struct pol_set *set, struct arena *arena)
{
    *r = (struct pol_request){ .set = set, .arena = arena };
}

// ------------------------------------------------------------------------------------------------- arrays and slots

bool pol_request_grow(struct pol_request *r, void **at, uint32_t n, uint32_t *cap, size_t size)
{
    uint32_t want = *cap ? *cap * 2 : 8;
    void *p;

    p = arena_array(r->arena, want, size);
    if (!p) {
        pol_request_fail(r, ERR_NOMEM, "out of memory for the request");
        return false;
    }
    if (n)
        memcpy(p, *at, n * size);
    *at = p;
    *cap = want;
    return true;
}

uint32_t pol_slots_get(const struct pol_slots *s, uint32_t *at)
{
    uint32_t i = s->n ? s->at[*at & (s->n - 1)] : 0;

    ++*at;
    return i ? i - 1 : POL_ID_NONE;
}

bool pol_slots_make(struct pol_request *r, struct pol_slots *s, uint32_t n, bool *fresh)
{
    uint32_t want = s->n ? s->n : 32;
    uint32_t *p;

    *fresh = false;
    while (want < n * 2)
        want *= 2;
    if (want == s->n)
        return true;
    p = arena_array(r->arena, want, sizeof *p);
    if (!p) {
        pol_request_fail(r, ERR_NOMEM, "out of memory for the request");
        return false;
    }
    *fresh = true;
    *s = (struct pol_slots){ p, want };
    return true;
}

void pol_slots_put(struct pol_slots *s, uint32_t hash, uint32_t index)
{
    uint32_t at = hash & (s->n - 1);

    while (s->at[at])
        at = (at + 1) & (s->n - 1);
    s->at[at] = index + 1;
}

// ---------------------------------------------------------------------------------------------------------- entities

enum { LOCALS_FEW = 8 }; // are found by looking at each

static bool local_is(const struct pol_local *l, struct span type, struct span id, uint32_t hash)
{
    return l->hash == hash && span_eq(l->id, id) && span_eq(l->type, type);
}

static uint32_t local_find(const struct pol_request *r, struct span type, struct span id, uint32_t hash)
{
    uint32_t at = hash, i;

    if (r->n_locals <= LOCALS_FEW) {
        for (i = 0; i < r->n_locals; i++)
            if (local_is(&r->locals[i], type, id, hash))
                return i;
        return POL_ID_NONE;
    }
    while ((i = pol_slots_get(&r->local_slots, &at)) != POL_ID_NONE)
        if (local_is(&r->locals[i], type, id, hash))
            return i;
    return POL_ID_NONE;
}

// The number of a uid: the set's, else one of this request.
static uint32_t number(struct pol_request *r, struct span type, struct span id)
{
    uint32_t base = r->set->uids.uids.n, hash, n;
    bool fresh;

    if (span_is_none(type) || span_is_none(id) || id.n > POL_STRING_MAX) {
        pol_request_fail(r, ERR_INTERNAL, "an entity without type or id");
        return POL_ID_NONE;
    }
    n = pol_uids_find(&r->set->uids, type, id, &hash);
    if (n != POL_ID_NONE)
        return n;
    n = local_find(r, type, id, hash);
    if (n != POL_ID_NONE)
        return base + n;
    if (r->n_locals >= POL_REQUEST_ENTITIES_MAX) {
        pol_request_fail(r, ERR_NOMEM, "the request names too many entities");
        return POL_ID_NONE;
    }
    if (!pol_request_room(r, (void **)&r->locals, r->n_locals, &r->cap_locals, sizeof *r->locals))
        return POL_ID_NONE;
    r->locals[r->n_locals++] = (struct pol_local){
        .type = type, .id = id, .hash = hash, .type_number = pol_uids_find_type(&r->set->uids, type)
    };
    if (r->n_locals <= LOCALS_FEW)
        return base + r->n_locals - 1;
    if (!pol_slots_make(r, &r->local_slots, r->n_locals, &fresh))
        return POL_ID_NONE;
    for (n = fresh ? 0 : r->n_locals - 1; n < r->n_locals; n++)
        pol_slots_put(&r->local_slots, r->locals[n].hash, n);
    return base + r->n_locals - 1;
}

// False, and an error, for whoever builds on after a decision.
static bool open(struct pol_request *r)
{
    if (r->closed)
        pol_request_fail(r, ERR_INTERNAL, "the request was decided already");
    return !r->err;
}

// The same for whoever builds on entities when something was decided of them.
static bool entities_open(struct pol_request *r)
{
    if (r->sealed)
        pol_request_fail(r, ERR_INTERNAL, "the request has its entities already");
    return open(r);
}

struct pol_entity *pol_request_entity(struct pol_request *r, struct span type, struct span id)
{
    struct pol_entity *e;
    uint32_t n;
    bool fresh;

    if (!entities_open(r) || (n = number(r, type, id)) == POL_ID_NONE)
        return NULL;
    e = pol_facts_declared(r, n);
    if (e)
        return e;
    if (r->n_entities >= POL_REQUEST_ENTITIES_MAX) {
        pol_request_fail(r, ERR_NOMEM, "the request declares too many entities");
        return NULL;
    }
    e = arena_alloc(r->arena, sizeof *e);
    if (!e) {
        pol_request_fail(r, ERR_NOMEM, "out of memory for the request");
        return NULL;
    }
    e->number = n;
    if (!pol_request_room(r, (void **)&r->entities, r->n_entities, &r->cap_entities, sizeof(struct pol_entity *)))
        return NULL;
    if (r->n_entities < POL_FACTS_FEW)
        r->first_numbers[r->n_entities] = e->number;
    r->entities[r->n_entities++] = e;
    if (r->n_entities <= POL_FACTS_FEW)
        return e;
    if (!pol_slots_make(r, &r->entity_slots, r->n_entities, &fresh))
        return NULL;
    for (n = fresh ? 0 : r->n_entities - 1; n < r->n_entities; n++)
        pol_slots_put(&r->entity_slots, pol_number_hash(r->entities[n]->number), n);
    return e;
}

static struct pol_entity *role(struct pol_request *r, struct pol_entity **which, struct span type, struct span id)
{
    if (*which) {
        pol_request_fail(r, ERR_INTERNAL, "principal, action or resource given twice");
        return NULL;
    }
    return *which = pol_request_entity(r, type, id);
}

struct pol_entity *pol_request_principal(struct pol_request *r, struct span type, struct span id)
{
    return role(r, &r->principal, type, id);
}

struct pol_entity *pol_request_action(struct pol_request *r, struct span type, struct span id)
{
    return role(r, &r->action, type, id);
}

struct pol_entity *pol_request_resource(struct pol_request *r, struct span type, struct span id)
{
    return role(r, &r->resource, type, id);
}

void pol_request_parent(struct pol_request *r, struct pol_entity *e, struct span type, struct span id)
{
    uint32_t n;

    if (!e || !entities_open(r) || (n = number(r, type, id)) == POL_ID_NONE)
        return;
    if (!pol_request_room(r, (void **)&e->parents, e->n_parents, &e->cap_parents, sizeof *e->parents))
        return;
    e->parents[e->n_parents++] = n;
    if (e->number < r->set->uids.uids.n)
        r->extends_set = true;
}

struct pol_value pol_request_ref(struct pol_request *r, struct span type, struct span id)
{
    uint32_t n = r->err ? POL_ID_NONE : number(r, type, id);

    return n == POL_ID_NONE ? (struct pol_value){ .kind = POL_NONE }
                            : (struct pol_value){ .kind = POL_ENTITY, .entity = n };
}

// ----------------------------------------------------------------------------------------------------------- records

// Puts a field where its name belongs.
static void put(struct pol_request *r, struct pol_record *rec, struct span name, struct pol_value v)
{
    uint32_t at = rec->n;
    int order = 0;

    if (span_is_none(name) || v.kind == POL_NONE) {
        pol_request_fail(r, ERR_INTERNAL, "an attribute without name or value");
        return;
    }
    if (rec->n >= POL_ELEMENTS_MAX) {
        pol_request_fail(r, ERR_NOMEM, "too many attributes");
        return;
    }
    if (!pol_request_room(r, (void **)&rec->fields, rec->n, &rec->cap, sizeof *rec->fields))
        return;
    while (at > 0 && (order = pol_name_cmp(rec->fields[at - 1].name, name)) > 0)
        at--;
    if (at > 0 && order == 0) {
        pol_request_fail(r, ERR_INTERNAL, "an attribute given twice");
        return;
    }
    if (at < rec->n)
        memmove(&rec->fields[at + 1], &rec->fields[at], (rec->n - at) * sizeof *rec->fields);
    rec->fields[at] = (struct pol_field){ name, v };
    rec->n++;
}

struct pol_record *pol_record_new(struct pol_request *r)
{
    struct pol_record *rec = r->err ? NULL : arena_alloc(r->arena, sizeof *rec);

    if (!rec)
        pol_request_fail(r, ERR_NOMEM, "out of memory for the request");
    return rec;
}

void pol_record_put(struct pol_request *r, struct pol_record *rec, struct span name, struct pol_value v)
{
    if (rec && !r->err)
        put(r, rec, name, v);
}

struct pol_value pol_record_value(const struct pol_record *rec)
{
    if (!rec)
        return (struct pol_value){ .kind = POL_NONE };
    return (struct pol_value){ .kind = POL_RECORD, .n = rec->n, .fields = rec->fields };
}

void pol_request_attr(struct pol_request *r, struct pol_entity *e, struct span name, struct pol_value v)
{
    if (e && entities_open(r))
        put(r, &e->attrs, name, v);
}

void pol_request_tag(struct pol_request *r, struct pol_entity *e, struct span name, struct pol_value v)
{
    if (e && entities_open(r))
        put(r, &e->tags, name, v);
}

void pol_request_context(struct pol_request *r, struct span name, struct pol_value v)
{
    if (!open(r))
        return;
    if (!r->context)
        r->context = pol_record_new(r);
    pol_record_put(r, r->context, name, v);
}

void pol_request_context_text(struct pol_request *r, struct pol_value record, struct span text)
{
    assert(record.kind == POL_RECORD && !span_is_none(text));
    r->written = record.fields;
    r->text = text;
}

bool pol_request_context_is(struct pol_request *r, struct pol_value record)
{
    if (!open(r) || !(r->context = pol_record_new(r)))
        return false;
    // Borrowed and full: a further member moves it to a copy.
    r->context->fields = (struct pol_field *)(uintptr_t)record.fields;
    r->context->n = r->context->cap = record.n;
    return true;
}

struct pol_value pol_request_set(struct pol_request *r, const struct pol_value *items, size_t n)
{
    struct pol_value *copy = NULL, set;
    uint32_t steps = UINT32_MAX;

    if (r->err)
        return (struct pol_value){ .kind = POL_NONE };
    if (n <= POL_ELEMENTS_MAX)
        copy = arena_array(r->arena, n ? n : 1, sizeof *copy);
    if (!copy) {
        pol_request_fail(r, ERR_NOMEM, "a set too large for the request");
        return (struct pol_value){ .kind = POL_NONE };
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].kind == POL_NONE) {
            pol_request_fail(r, ERR_INTERNAL, "a set with an element that has no value");
            return (struct pol_value){ .kind = POL_NONE };
        }
        copy[i] = items[i];
    }
    set = pol_value_set(copy, n, &steps);
    if (set.kind == POL_NONE)
        pol_request_fail(r, ERR_NOMEM, "a set too large for the request");
    return set;
}

struct pol_value pol_request_ip(struct pol_request *r, struct span text)
{
    struct pol_value v = { .kind = POL_NONE };

    if (!r->err && pol_ip_read(text, r->arena, &v) != NULL)
        pol_request_fail(r, r->arena->failed ? ERR_NOMEM : ERR_INTERNAL, "an address that cannot be read");
    return r->err ? (struct pol_value){ .kind = POL_NONE } : v;
}

struct pol_value pol_request_strings(struct pol_request *r, const struct span *items, size_t n)
{
    struct pol_value *values = r->err || n > POL_ELEMENTS_MAX ? NULL : arena_array(r->arena, n ? n : 1, sizeof *values);
    uint32_t steps = UINT32_MAX;
    struct pol_value set = { .kind = POL_NONE };

    if (!values) {
        pol_request_fail(r, ERR_NOMEM, "a set too large for the request");
        return set;
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = pol_string(items[i]);
        if (values[i].kind == POL_NONE) {
            pol_request_fail(r, ERR_INTERNAL, "a set with an element that has no value");
            return set;
        }
    }
    set = pol_value_set(values, n, &steps);
    if (set.kind == POL_NONE)
        pol_request_fail(r, ERR_NOMEM, "a set too large for the request");
    return set;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/partial.h"

#include <stdlib.h>

#include "gateway/base/err.h"
#include "policy/pack.h"
#include "policy/residual.h"

// Of what is larger no text is kept.
enum { WAYS = 4, TEXT_MAX = POL_PARTIAL_MAX / 4 };

// Where a key was met the hash stands alone, until it comes again.
struct place {
    uint64_t hash; // 0: free
    uint64_t used;
    struct pol_residual *residual;
    bool large; // it is not kept
};

struct pol_partials {
    const struct pol_set *set;
    uint64_t key, clock;
    size_t buckets; // a power of two
    size_t n, bytes;
    bool keeps_text;
    struct place *places; // WAYS a bucket
};

void pol_counted_unref(struct pol_counted *c)
{
    if (c && --c->refs == 0)
        c->free(c);
}

static void unref(struct pol_residual *r)
{
    if (!r || --r->refs > 0)
        return;
    pol_counted_unref(r->owner);
    free(r);
}

// ------------------------------------------------------------------------------------------------------------- copying

static struct pol_record pack_record(struct pol_pack *p, const struct pol_record *from)
{
    return (struct pol_record){ pol_pack_fields(p, from->fields, from->n), from->n, from->n };
}

static struct pol_slots pack_slots(struct pol_pack *p, const struct pol_slots *from)
{
    return (struct pol_slots){ pol_pack_array(p, from->at, from->n, sizeof *from->at), from->n };
}

static struct pol_entity *pack_entity(struct pol_pack *p, const struct pol_entity *from)
{
    struct pol_entity *to = pol_pack_array(p, from, 1, sizeof *from), e = *from;

    e.pending = NULL;
    e.attrs = pack_record(p, &from->attrs);
    e.tags = pack_record(p, &from->tags);
    e.parents = pol_pack_array(p, from->parents, from->n_parents, sizeof *from->parents);
    e.cap_parents = e.n_parents;
    e.ancestors = pol_pack_array(p, from->ancestors, from->n_ancestors, sizeof *from->ancestors);
    if (to)
        *to = e;
    return to;
}

static void pack_entities(struct pol_pack *p, const struct pol_request *from, struct pol_request *to)
{
    to->entities = pol_pack_array(p, from->entities, from->n_entities, sizeof *from->entities);
    to->cap_entities = to->n_entities;
    for (uint32_t i = 0; i < from->n_entities; i++) {
        struct pol_entity *e = pack_entity(p, from->entities[i]);

        if (to->entities)
            to->entities[i] = e;
        if (from->principal == from->entities[i])
            to->principal = e;
        if (from->action == from->entities[i])
            to->action = e;
        if (from->resource == from->entities[i])
            to->resource = e;
    }
    to->entity_slots = pack_slots(p, &from->entity_slots);
}

static void pack_request(struct pol_pack *p, const struct pol_request *from, struct pol_request *to)
{
    *to = *from;
    to->arena = NULL;
    to->context = NULL;
    pack_entities(p, from, to);
    to->locals = pol_pack_array(p, from->locals, from->n_locals, sizeof *from->locals);
    to->cap_locals = to->n_locals;
    for (uint32_t i = 0; i < from->n_locals; i++) {
        struct span type = pol_pack_text(p, from->locals[i].type), id = pol_pack_text(p, from->locals[i].id);

        if (to->locals) {
            to->locals[i].type = type;
            to->locals[i].id = id;
        }
    }
    to->local_slots = pack_slots(p, &from->local_slots);
    to->touched = pol_pack_array(p, from->touched, from->n_touched, sizeof *from->touched);
    to->cap_touched = to->n_touched;
    to->touched_slots = pack_slots(p, &from->touched_slots);
}

static struct span *pack_key(struct pol_pack *p, const struct pol_partial_key *key)
{
    struct span *parts = pol_pack_array(p, key->parts, key->n, sizeof *parts);

    for (size_t i = 0; i < key->n; i++) {
        struct span part = pol_pack_text(p, key->parts[i]);

        if (parts)
            parts[i] = part;
    }
    return parts;
}

static const struct pol_failure *pack_failures(struct pol_pack *p, const struct pol_residual *from)
{
    struct pol_failure *to = pol_pack_array(p, from->failures, from->n_failures, sizeof *to);

    for (uint32_t i = 0; i < from->n_failures; i++) {
        struct span text = pol_pack_text(p, from->failures[i].text);

        if (to)
            to[i].text = text;
    }
    return to;
}

static void pack(struct pol_pack *p, const struct pol_partial_key *key, const struct pol_request *r,
                 const struct pol_residual *from, struct pol_residual *to)
{
    *to = *from;
    to->refs = 1;
    to->owner = key->owner;
    to->parts = pack_key(p, key);
    to->n_parts = key->n;
    pack_request(p, r, &to->base);
    to->text = pol_pack_text(p, from->text);
    to->permits = pol_pack_array(p, from->permits, from->n_permits, sizeof *from->permits);
    to->forbids = pol_pack_array(p, from->forbids, from->n_forbids, sizeof *from->forbids);
    to->failures = pack_failures(p, from);
    to->undecided = pol_pack_array(p, from->undecided, from->n_undecided, sizeof *from->undecided);
}

static struct pol_residual *copy(const struct pol_partial_key *key, const struct pol_request *r,
                                 const struct pol_residual *from)
{
    struct pol_pack measured = { 0 }, p;
    struct pol_residual unplaced, *to;

    pack(&measured, key, r, from, &unplaced);
    if (sizeof *to + pol_pack_size(&measured) + (key->owner ? key->owner->bytes : 0) > POL_PARTIAL_MAX)
        return NULL;
    to = malloc(sizeof *to + pol_pack_size(&measured));
    if (!to)
        return NULL;
    p = pol_pack_into(&measured, to + 1);
    pack(&p, key, r, from, to);
    to->bytes = sizeof *to + pol_pack_size(&measured);
    if (!to->owner)
        return to;
    to->bytes += to->owner->bytes;
    to->owner->refs++;
    return to;
}

// ----------------------------------------------------------------------------------------------------------- the table

struct pol_partials *pol_partials_new(const struct pol_set *set, size_t most, uint64_t hash_key)
{
    struct pol_partials *c = malloc(sizeof *c);

    if (!c)
        return NULL;
    *c = (struct pol_partials){ .set = set, .key = hash_key, .buckets = 1 };
    while (c->buckets < most / WAYS)
        c->buckets *= 2;
    c->places = calloc(c->buckets * WAYS, sizeof *c->places);
    if (c->places)
        return c;
    free(c);
    return NULL;
}

void pol_partials_free(struct pol_partials *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->buckets * WAYS; i++)
        unref(c->places[i].residual);
    free(c->places);
    free(c);
}

void pol_partials_keep_text(struct pol_partials *c)
{
    c->keeps_text = true;
}

const struct pol_set *pol_partials_set(const struct pol_partials *c)
{
    return c->set;
}

size_t pol_partials_count(const struct pol_partials *c)
{
    return c->n;
}

size_t pol_partials_bytes(const struct pol_partials *c)
{
    return sizeof *c + c->buckets * WAYS * sizeof *c->places + c->bytes;
}

static uint64_t hash_of(const struct pol_partials *c, const struct pol_partial_key *key)
{
    uint64_t h = c->key ^ (uint64_t)(uintptr_t)key->owner;

    for (size_t i = 0; i < key->n; i++)
        h = pol_hash(h, key->parts[i]);
    return h ? h : 1;
}

static bool same_text(struct span a, struct span b)
{
    return span_is_none(a) == span_is_none(b) && span_eq(a, b);
}

static bool is(const struct pol_residual *r, const struct pol_partial_key *key)
{
    if (r->owner != key->owner || r->n_parts != key->n)
        return false;
    for (size_t i = 0; i < key->n; i++)
        if (!same_text(r->parts[i], key->parts[i]))
            return false;
    return true;
}

static struct place *bucket(const struct pol_partials *c, uint64_t hash)
{
    return &c->places[(hash >> 20 & (c->buckets - 1)) * WAYS];
}

// The place of the key, or where it was met; NULL: neither.
static struct place *find(const struct pol_partials *c, uint64_t hash, const struct pol_partial_key *key)
{
    struct place *b = bucket(c, hash);

    for (unsigned i = 0; i < WAYS; i++)
        if (b[i].hash == hash && (!b[i].residual || is(b[i].residual, key)))
            return &b[i];
    return NULL;
}

static struct place *oldest(const struct pol_partials *c, uint64_t hash)
{
    struct place *b = bucket(c, hash), *p = b;

    for (unsigned i = 1; i < WAYS; i++)
        if (b[i].used < p->used)
            p = &b[i];
    return p;
}

static void put(struct pol_partials *c, struct place *p, uint64_t hash, struct pol_residual *r)
{
    if (p->residual) {
        c->n--;
        c->bytes -= p->residual->bytes;
        unref(p->residual);
    }
    *p = (struct place){ hash, ++c->clock, r, false };
    if (r) {
        c->n++;
        c->bytes += r->bytes;
    }
}

// --------------------------------------------------------------------------------------------------------- of requests

// Slots are written to when something is added; all else is copied when it grows.
static bool own_slots(struct pol_request *r, struct pol_slots *s)
{
    uint32_t *at;

    if (s->n == 0)
        return true;
    at = arena_array(r->arena, s->n, sizeof *at);
    if (!at) {
        pol_request_fail(r, ERR_NOMEM, "out of memory for the request");
        return false;
    }
    memcpy(at, s->at, s->n * sizeof *at);
    s->at = at;
    return true;
}

static void adopt(struct pol_request *r, struct pol_residual *from, struct arena *arena)
{
    *r = from->base;
    r->arena = arena;
    r->residual = from;
    from->refs++;
    if (own_slots(r, &r->local_slots))
        own_slots(r, &r->touched_slots);
}

enum pol_partial_found pol_partials_get(struct pol_partials *c, const struct pol_partial_key *key,
                                        struct pol_request *r, struct arena *arena)
{
    uint64_t hash = hash_of(c, key);
    struct place *p = find(c, hash, key);

    pol_request_init(r, c->set, arena);
    if (!p) {
        put(c, oldest(c, hash), hash, NULL);
        return POL_PARTIAL_NEW;
    }
    p->used = ++c->clock;
    if (!p->residual)
        return p->large ? POL_PARTIAL_NEW : POL_PARTIAL_AGAIN;
    adopt(r, p->residual, arena);
    return POL_PARTIAL_FOUND;
}

void pol_partials_keep(struct pol_partials *c, const struct pol_partial_key *key, const struct pol_value *known,
                       struct pol_request *r)
{
    struct pol_residual made = { 0 }, *kept;
    struct buf text;
    uint64_t hash;
    struct place *p;

    if (r->err || r->context || !r->principal || !r->action || !r->resource || !pol_facts_close(r))
        return;
    pol_decide_partly(r, known, &made);
    buf_init(&text, TEXT_MAX);
    if (c->keeps_text && pol_request_text(r, &text, &made.n_head))
        made.text = buf_span(&text);
    // Open again, for the context.
    r->closed = false;
    r->sealed = true;
    kept = r->err ? NULL : copy(key, r, &made);
    buf_fini(&text);
    hash = hash_of(c, key);
    p = find(c, hash, key);
    if (!kept) {
        if (p && !p->residual)
            p->large = true;
        return;
    }
    put(c, p ? p : oldest(c, hash), hash, kept);
    adopt(r, kept, r->arena);
}

void pol_partial_release(struct pol_request *r)
{
    struct pol_residual *held = r->residual;

    r->residual = NULL;
    unref(held);
}

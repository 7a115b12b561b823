// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/sightings.h"

#include "gateway/base/map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SETS 1024 // a power of two
#define WAYS 4
#define TEXT_MAX 4096

struct gw_sightings {
    uint64_t key[2];
    _Atomic(uint64_t) told[SETS][WAYS]; // fingerprints; 0: free
    pthread_mutex_t lock;               // of what follows
    struct gw_sighting *first, **last;
    size_t n;
};

struct gw_sightings *gw_sightings_new(const uint64_t key[static 2])
{
    struct gw_sightings *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    memcpy(s->key, key, sizeof s->key);
    s->last = &s->first;
    if (pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

void gw_sightings_free(struct gw_sightings *s)
{
    if (!s)
        return;
    for (struct gw_sighting *one = s->first, *next; one; one = next) {
        next = one->next;
        free(one);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

// Each name is hashed under what came before it, so that none can pass for a part of its neighbour.
static uint64_t fingerprint(const struct gw_sightings *s, uint64_t generation, unsigned shard,
                            const struct gw_survey_subject *q, int64_t now_ms)
{
    const uint64_t numbers[] = { generation, shard, (uint64_t)(now_ms / GW_SIGHTINGS_AGAIN_MS),
                                 (uint64_t)q->aspect << 8 | (uint64_t)q->of << 1 | q->any_kind };
    const struct span names[] = { q->api, q->database, q->tenant, q->collection, q->field };
    uint64_t h = siphash24(s->key, span_of(numbers, sizeof numbers));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const uint64_t key[2] = { s->key[0] ^ h, s->key[1] + i };
        h = siphash24(key, span_is_none(names[i]) ? SPAN("") : names[i]);
    }
    return h ? h : 1;
}

static struct span put(char **at, struct span s)
{
    if (span_is_none(s))
        return s;
    memcpy(*at, s.p, s.n);
    struct span kept = span_of(*at, s.n);
    *at += s.n;
    return kept;
}

static struct gw_sighting *copy(uint64_t generation, unsigned shard, const struct gw_survey_subject *q)
{
    size_t n = q->api.n + q->database.n + q->tenant.n + q->collection.n + q->field.n;
    struct gw_sighting *one = n <= TEXT_MAX ? malloc(sizeof *one + n + 1) : NULL;
    if (!one)
        return NULL;
    char *at = one->text;
    *one = (struct gw_sighting){ .generation = generation, .shard = shard, .subject = *q };
    one->subject.api = put(&at, q->api);
    one->subject.database = put(&at, q->database);
    one->subject.tenant = put(&at, q->tenant);
    one->subject.collection = put(&at, q->collection);
    one->subject.field = put(&at, q->field);
    return one;
}

static bool enqueue(struct gw_sightings *s, uint64_t generation, unsigned shard, const struct gw_survey_subject *q)
{
    if (pthread_mutex_trylock(&s->lock) != 0)
        return false;
    struct gw_sighting *one = s->n < GW_SIGHTINGS_WAITING ? copy(generation, shard, q) : NULL;
    if (one) {
        *s->last = one;
        s->last = &one->next;
        s->n++;
    }
    pthread_mutex_unlock(&s->lock);
    return one != NULL;
}

void gw_sightings_tell(struct gw_sightings *s, uint64_t generation, unsigned shard,
                       const struct gw_survey_subject *subject, int64_t now_ms)
{
    uint64_t h = fingerprint(s, generation, shard, subject, now_ms);
    _Atomic(uint64_t) *set = s->told[h & (SETS - 1)];
    size_t way = h >> 32 & (WAYS - 1);
    for (size_t i = 0; i < WAYS; i++) {
        uint64_t there = atomic_load_explicit(&set[i], memory_order_relaxed);
        if (there == h)
            return;
        if (there == 0)
            way = i;
    }
    if (enqueue(s, generation, shard, subject))
        atomic_store_explicit(&set[way], h, memory_order_relaxed);
}

struct gw_sighting *gw_sightings_take(struct gw_sightings *s)
{
    pthread_mutex_lock(&s->lock);
    struct gw_sighting *first = s->first;
    s->first = NULL;
    s->last = &s->first;
    s->n = 0;
    pthread_mutex_unlock(&s->lock);
    return first;
}

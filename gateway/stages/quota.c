// SPDX-License-Identifier: GPL-3.0-or-later
// A place is a key and a time, two words that are not changed at once. What keeps them together is that a place's time only ever grows when it
// changes hands, so that whoever read (key, time, the same key again) and then exchanges the time has exchanged that of the same bucket: had the
// place gone to another meanwhile, its time would be a later one. (A charge that is given back, since another of the same request lost a race,
// sets a time back within the same hands: then that other's would have to meet it to the nanosecond, and one charge would be counted for another.)
#include "gateway/stages/quota.h"

#include <assert.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/base/map.h"

#define OWNERS 4096 // counters; owners whose hashes meet share one, and its share
#define MOVING INT64_MIN
#define FULL_MAX ((int64_t)1 << 61)
#define NS_PER_MS 1000000

struct group {
    _Alignas(64) _Atomic uint64_t keys[GW_QUOTA_GROUP]; // 0: free
    _Atomic int64_t full_at[GW_QUOTA_GROUP];            // of a free place: what it was last; MOVING: changing hands
    _Atomic uint16_t owners[GW_QUOTA_GROUP];
    _Atomic bool locked;
};

struct gw_quota {
    uint64_t key[2];
    size_t n_groups; // a power of two
    uint32_t share;
    _Atomic uint32_t used;
    _Atomic size_t hand; // the group that is looked through next for places that nobody needs
    _Atomic uint32_t owned[OWNERS];
    struct group *groups;
    void *memory; // they are aligned in it
};

// ------------------------------------------------------------------------------------------------------- the table

struct gw_quota *gw_quota_new(const struct gw_quota_options *o)
{
    assert(o->share_percent >= 1 && o->share_percent <= 100);
    struct gw_quota *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->n_groups = 1;
    while (q->n_groups * GW_QUOTA_GROUP < o->buckets)
        q->n_groups *= 2;
    q->key[0] = o->key[0];
    q->key[1] = o->key[1];
    q->share = (uint32_t)(q->n_groups * GW_QUOTA_GROUP * o->share_percent / 100);
    if (q->share == 0)
        q->share = 1;
    // So much from calloc is fresh pages of zeros, which nothing has touched.
    q->memory = calloc(q->n_groups + 1, sizeof *q->groups);
    if (!q->memory) {
        free(q);
        return NULL;
    }
    q->groups =
        (void *)(((uintptr_t)q->memory + _Alignof(struct group) - 1) & ~(uintptr_t)(_Alignof(struct group) - 1));
    return q;
}

void gw_quota_free(struct gw_quota *q)
{
    if (q)
        free(q->memory);
    free(q);
}

size_t gw_quota_buckets(const struct gw_quota *q)
{
    return q->n_groups * GW_QUOTA_GROUP;
}

size_t gw_quota_used(const struct gw_quota *q)
{
    return atomic_load_explicit(&((struct gw_quota *)(uintptr_t)q)->used, memory_order_relaxed);
}

static void lock(struct group *g)
{
    while (atomic_exchange_explicit(&g->locked, true, memory_order_acquire))
        sched_yield();
}

static void unlock(struct group *g)
{
    atomic_store_explicit(&g->locked, false, memory_order_release);
}

static unsigned find(struct group *g, uint64_t key)
{
    unsigned i = 0;
    while (i < GW_QUOTA_GROUP && atomic_load_explicit(&g->keys[i], memory_order_acquire) != key)
        i++;
    return i;
}

// False: it has no place. `*full_at` is that of this bucket, at some moment of the call.
static bool look(struct group *g, uint64_t key, unsigned *place, int64_t *full_at)
{
    for (;;) {
        unsigned i = find(g, key);
        if (i == GW_QUOTA_GROUP)
            return false;
        int64_t t = atomic_load_explicit(&g->full_at[i], memory_order_acquire);
        if (t != MOVING && atomic_load_explicit(&g->keys[i], memory_order_acquire) == key) {
            *place = i;
            *full_at = t;
            return true;
        }
        sched_yield(); // a few stores of somebody who has the lock
    }
}

static bool exchange(struct group *g, unsigned place, int64_t from, int64_t to)
{
    return atomic_compare_exchange_strong_explicit(&g->full_at[place], &from, to, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

// With the lock. Takes the place out of use if its bucket is full by now; `*was` gets the time that it had.
static bool vacate(struct gw_quota *q, struct group *g, unsigned place, int64_t now, int64_t *was)
{
    *was = atomic_load_explicit(&g->full_at[place], memory_order_acquire);
    if (*was > now || !exchange(g, place, *was, MOVING))
        return false;
    if (atomic_load_explicit(&g->keys[place], memory_order_relaxed) == 0)
        return true;
    uint16_t owner = atomic_load_explicit(&g->owners[place], memory_order_relaxed);
    atomic_store_explicit(&g->keys[place], 0, memory_order_release);
    atomic_fetch_sub_explicit(&q->owned[owner], 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&q->used, 1, memory_order_relaxed);
    return true;
}

// Whoever asks for a place looks through one group for those that nobody needs any more, so that what an owner is counted for is what it uses.
static void sweep(struct gw_quota *q, int64_t now)
{
    struct group *g = &q->groups[atomic_fetch_add_explicit(&q->hand, 1, memory_order_relaxed) & (q->n_groups - 1)];
    int64_t was;
    if (atomic_exchange_explicit(&g->locked, true, memory_order_acquire))
        return;
    for (unsigned i = 0; i < GW_QUOTA_GROUP; i++)
        if (atomic_load_explicit(&g->keys[i], memory_order_relaxed) != 0 && vacate(q, g, i, now, &was))
            atomic_store_explicit(&g->full_at[i], was + 1, memory_order_release);
    unlock(g);
}

// ------------------------------------------------------------------------------------------------------- the charge

struct gw_quota_rate gw_quota_rate(uint64_t count, int64_t period_ms, uint64_t burst)
{
    assert(count > 0 && period_ms > 0 && burst > 0);
    int64_t period_ns = period_ms < FULL_MAX / NS_PER_MS ? period_ms * NS_PER_MS : FULL_MAX;
    uint64_t unit = ((uint64_t)period_ns - 1) / count + 1;
    uint64_t most = (uint64_t)FULL_MAX / unit;
    struct gw_quota_rate r = { .unit_ns = (int64_t)unit, .burst = burst < most ? burst : most };
    r.full_ns = (int64_t)(r.burst * unit);
    return r;
}

uint64_t gw_quota_bucket(const struct gw_quota *q, const struct span *parts, size_t n, const struct gw_quota_rate *rate)
{
    // A chain of keyed hashes: each part is hashed under a key that the ones before it made, so that "ab","c" is not "a","bc".
    uint64_t chain[2] = { q->key[0], q->key[1] };
    const uint64_t numbers[2] = { (uint64_t)rate->unit_ns, rate->burst };
    uint64_t h = siphash24(chain, span_of(numbers, sizeof numbers));
    for (size_t i = 0; i < n; i++) {
        chain[0] = h ^ (span_is_none(parts[i]) ? 1 : 0);
        h = siphash24(chain, parts[i]);
    }
    return h ? h : 1;
}

static struct group *group_of(struct gw_quota *q, uint64_t key)
{
    return &q->groups[key & (q->n_groups - 1)];
}

// What there is to say of a bucket that is full at `full_at`, before the charge. Returns whether it can be taken.
static bool judge(struct gw_quota_charge *c, int64_t full_at, int64_t now)
{
    int64_t owed = full_at > now ? full_at - now : 0;
    c->reset_ns = owed;
    c->remaining = owed < c->rate.full_ns ? (uint64_t)((c->rate.full_ns - owed) / c->rate.unit_ns) : 0;
    c->wait_ns = 0;
    c->outcome = GW_QUOTA_NEVER;
    if (c->cost > c->rate.burst)
        return false;
    int64_t more = (int64_t)c->cost * c->rate.unit_ns;
    c->outcome = owed > c->rate.full_ns - more ? GW_QUOTA_WAIT : GW_QUOTA_OK;
    c->wait_ns = c->outcome == GW_QUOTA_OK ? 0 : owed + more - c->rate.full_ns;
    return c->outcome == GW_QUOTA_OK;
}

static void taken(struct gw_quota_charge *c)
{
    c->reset_ns += (int64_t)c->cost * c->rate.unit_ns;
    c->remaining = (uint64_t)((c->rate.full_ns - c->reset_ns) / c->rate.unit_ns);
}

// The first charge of a bucket without a place. 0; 1: it has one by now; ERR_RATE, ERR_OVERLOADED.
static int settle(struct gw_quota *q, struct group *g, struct gw_quota_charge *c, uint16_t owner, int64_t now)
{
    int64_t was = 0;
    unsigned i = 0;
    sweep(q, now);
    lock(g);
    if (find(g, c->bucket) < GW_QUOTA_GROUP) {
        unlock(g);
        return 1;
    }
    if (atomic_load_explicit(&q->owned[owner], memory_order_relaxed) >= q->share) {
        // It may have one to give here, that is full by now.
        for (; i < GW_QUOTA_GROUP; i++)
            if (atomic_load_explicit(&g->keys[i], memory_order_relaxed) != 0 &&
                atomic_load_explicit(&g->owners[i], memory_order_relaxed) == owner && vacate(q, g, i, now, &was))
                break;
        c->outcome = GW_QUOTA_SHARE;
    } else {
        while (i < GW_QUOTA_GROUP && !vacate(q, g, i, now, &was))
            i++;
        c->outcome = GW_QUOTA_CROWDED;
    }
    if (i == GW_QUOTA_GROUP) {
        unlock(g);
        return c->outcome == GW_QUOTA_SHARE ? ERR_RATE : ERR_OVERLOADED;
    }
    int64_t full_at = now + (int64_t)c->cost * c->rate.unit_ns;
    atomic_fetch_add_explicit(&q->owned[owner], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->used, 1, memory_order_relaxed);
    atomic_store_explicit(&g->owners[i], owner, memory_order_relaxed);
    atomic_store_explicit(&g->keys[i], c->bucket, memory_order_release);
    atomic_store_explicit(&g->full_at[i], full_at > was ? full_at : was + 1, memory_order_release);
    unlock(g);
    c->outcome = GW_QUOTA_OK;
    taken(c);
    return 0;
}

static int take(struct gw_quota *q, struct gw_quota_charge *c, uint16_t owner, int64_t now)
{
    struct group *g = group_of(q, c->bucket);
    for (;;) {
        unsigned place;
        int64_t full_at = 0;
        bool placed = look(g, c->bucket, &place, &full_at);
        if (!judge(c, full_at, now))
            return ERR_RATE;
        if (placed) {
            int64_t from = full_at > now ? full_at : now;
            if (!exchange(g, place, full_at, from + (int64_t)c->cost * c->rate.unit_ns))
                continue;
            taken(c);
            return 0;
        }
        int rc = settle(q, g, c, owner, now);
        if (rc <= 0)
            return rc;
    }
}

// A place that is gone meanwhile was full, and there is nothing to give back.
static void give_back(struct gw_quota *q, const struct gw_quota_charge *c)
{
    struct group *g = group_of(q, c->bucket);
    unsigned place;
    int64_t full_at;
    while (look(g, c->bucket, &place, &full_at))
        if (exchange(g, place, full_at, full_at - (int64_t)c->cost * c->rate.unit_ns))
            return;
}

void gw_quota_look(struct gw_quota *q, struct gw_quota_charge *charge, int64_t now_ms)
{
    unsigned place;
    int64_t full_at = 0;
    assert(charge->bucket != 0 && charge->cost > 0);
    look(group_of(q, charge->bucket), charge->bucket, &place, &full_at);
    judge(charge, full_at, now_ms * NS_PER_MS);
}

int gw_quota_take(struct gw_quota *q, struct gw_quota_charge *charges, size_t n, uint64_t owner, int64_t now_ms)
{
    assert(now_ms >= 0 && now_ms < FULL_MAX / NS_PER_MS);
    int64_t now = now_ms * NS_PER_MS;
    uint16_t owner_row = (uint16_t)(owner % OWNERS);
    int rc = 0;
    // All are looked at before any is touched: what one of them refuses costs nothing from the others.
    for (size_t i = 0; i < n; i++) {
        gw_quota_look(q, &charges[i], now_ms);
        if (charges[i].outcome != GW_QUOTA_OK)
            rc = ERR_RATE;
    }
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = take(q, &charges[i], owner_row, now);
        // Somebody was faster, or there was no room.
        for (size_t k = 0; rc != 0 && k < i; k++)
            give_back(q, &charges[k]);
    }
    return rc;
}

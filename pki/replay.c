// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/replay.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "gateway/base/map.h"
#include "gateway/base/secret.h"
#include "pki/digest.h"

// Indices count from 1, so that fresh zero pages are empty tables: a large store costs memory only as it fills.
#define NIL 0u
#define WHEEL 1024 // seconds; an entry that lives longer goes round again
#define AGE_MAX UINT16_MAX
#define WORKLOADS_MAX 4096 // that a stripe knows at a time; it refuses further ones

// 32 bytes. Free entries are chained by `next`.
struct entry {
    uint64_t tag[2];
    uint32_t next;     // of the hash chain
    uint32_t due;      // next of the wheel's slot
    uint32_t expires;  // seconds after the store's birth, rounded up
    uint16_t age;      // expires - iat, in seconds; AGE_MAX for more
    uint16_t workload; // slot in `workloads`
};
_Static_assert(sizeof(struct entry) == 32, "the promise of replay.h");
_Static_assert(WORKLOADS_MAX <= UINT16_MAX, "struct entry numbers workloads");

// How many entries a workload holds in this stripe.
struct workload {
    uint64_t id;
    uint32_t count;
    uint32_t next; // of the hash chain, or of the free ones
};

struct stripe {
    pthread_mutex_t lock;
    struct entry *entries;
    uint32_t *buckets, bucket_mask;
    uint32_t free, fresh, limit; // chain of freed ones; the first never used; the last there is
    struct workload *workloads;
    uint32_t *workload_buckets, workload_mask;
    uint32_t workload_free, workload_fresh, workload_limit;
    uint32_t count, share;
    uint32_t turned;    // the wheel was turned up to this second
    uint32_t forgotten; // behind the latest iat of an entry that was let go of: an earlier proof may be one of them
    uint32_t wheel[WHEEL];
};

struct pki_replay {
    uint64_t keys[3][2];
    int64_t birth_ms, not_before_ms;
    unsigned stripe_mask;
    size_t capacity;
    struct stripe *stripes;
};

static uint32_t power_of_two(uint32_t n)
{
    uint32_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

static bool stripe_init(struct stripe *s, uint32_t entries, unsigned share_percent)
{
    uint32_t workloads = entries < WORKLOADS_MAX ? entries : WORKLOADS_MAX;
    s->bucket_mask = power_of_two(entries) - 1;
    s->workload_mask = power_of_two(workloads) - 1;
    s->entries = calloc(entries + 1, sizeof *s->entries);
    s->buckets = calloc(s->bucket_mask + 1, sizeof *s->buckets);
    s->workloads = calloc(workloads + 1, sizeof *s->workloads);
    s->workload_buckets = calloc(s->workload_mask + 1, sizeof *s->workload_buckets);
    if (!s->entries || !s->buckets || !s->workloads || !s->workload_buckets ||
        pthread_mutex_init(&s->lock, NULL) != 0) {
        free(s->entries);
        free(s->buckets);
        free(s->workloads);
        free(s->workload_buckets);
        return false;
    }
    s->fresh = s->workload_fresh = 1;
    s->limit = entries;
    s->workload_limit = workloads;
    uint64_t share = (uint64_t)entries * share_percent / 100;
    s->share = share > 0 ? (uint32_t)share : 1;
    return true;
}

struct pki_replay *pki_replay_new(const struct pki_replay_options *o)
{
    size_t entries = o->entries ? o->entries : (size_t)1 << 20;
    unsigned share = o->share_percent ? o->share_percent : 10;
    uint32_t stripes = power_of_two(o->stripes ? o->stripes : 64);
    while (stripes > 1 && entries / stripes < 64)
        stripes /= 2;
    size_t each = (entries + stripes - 1) / stripes;
    if (each >= UINT32_MAX / 2)
        return NULL;
    struct pki_replay *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->stripes = calloc(stripes, sizeof *r->stripes);
    if (!r->stripes) {
        free(r);
        return NULL;
    }
    pki_random(r->keys, sizeof r->keys);
    r->not_before_ms = r->birth_ms = o->not_before_ms;
    for (uint32_t i = 0; i < stripes; i++) {
        if (!stripe_init(&r->stripes[i], (uint32_t)each, share > 100 ? 100 : share)) {
            pki_replay_free(r);
            return NULL;
        }
        r->stripe_mask = i;
        r->capacity += each;
    }
    return r;
}

void pki_replay_free(struct pki_replay *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; i <= r->stripe_mask && r->capacity > 0; i++) {
        struct stripe *s = &r->stripes[i];
        pthread_mutex_destroy(&s->lock);
        free(s->entries);
        free(s->buckets);
        free(s->workloads);
        free(s->workload_buckets);
    }
    free(r->stripes);
    secret_wipe(r->keys, sizeof r->keys);
    free(r);
}

// ---- a stripe, under its lock

static uint32_t *workload_chain(struct stripe *s, uint64_t id)
{
    return &s->workload_buckets[id & s->workload_mask];
}

static uint32_t workload_find(struct stripe *s, uint64_t id)
{
    uint32_t i = *workload_chain(s, id);
    while (i != NIL && s->workloads[i].id != id)
        i = s->workloads[i].next;
    return i;
}

static uint32_t workload_add(struct stripe *s, uint64_t id)
{
    uint32_t i = s->workload_free, *chain = workload_chain(s, id);
    if (i != NIL)
        s->workload_free = s->workloads[i].next;
    else if (s->workload_fresh <= s->workload_limit)
        i = s->workload_fresh++;
    else
        return NIL;
    s->workloads[i] = (struct workload){ .id = id, .next = *chain };
    *chain = i;
    return i;
}

static void workload_release(struct stripe *s, uint32_t i)
{
    struct workload *w = &s->workloads[i];
    if (--w->count > 0)
        return;
    uint32_t *link = workload_chain(s, w->id);
    while (*link != i)
        link = &s->workloads[*link].next;
    *link = w->next;
    w->next = s->workload_free;
    s->workload_free = i;
}

static void entry_remove(struct stripe *s, uint32_t i)
{
    struct entry *e = &s->entries[i];
    uint32_t *link = &s->buckets[e->tag[0] & s->bucket_mask];
    while (*link != i)
        link = &s->entries[*link].next;
    *link = e->next;
    workload_release(s, e->workload);
    e->next = s->free;
    s->free = i;
    s->count--;
}

// Frees what expired. Every second since the last turn is looked at once, at most the whole wheel.
static void turn(struct stripe *s, uint32_t now)
{
    if (now <= s->turned)
        return;
    uint32_t steps = now - s->turned < WHEEL ? now - s->turned : WHEEL;
    for (uint32_t second = now - steps + 1; steps > 0; second++, steps--) {
        uint32_t i = s->wheel[second % WHEEL];
        s->wheel[second % WHEEL] = NIL;
        while (i != NIL) {
            struct entry *e = &s->entries[i];
            uint32_t due = e->due;
            if (e->expires <= now) {
                if (s->forgotten < e->expires - e->age + 1)
                    s->forgotten = e->expires - e->age + 1;
                entry_remove(s, i);
            } else { // a turn of the wheel too early
                e->due = s->wheel[e->expires % WHEEL];
                s->wheel[e->expires % WHEEL] = i;
            }
            i = due;
        }
    }
    s->turned = now;
}

static int insert(struct stripe *s, const uint64_t tag[static 2], uint64_t workload_id, uint32_t iat, uint32_t expires,
                  uint32_t now)
{
    turn(s, now);
    uint32_t *chain = &s->buckets[tag[0] & s->bucket_mask];
    for (uint32_t i = *chain; i != NIL; i = s->entries[i].next)
        if (s->entries[i].tag[0] == tag[0] && s->entries[i].tag[1] == tag[1])
            return ERR_PROOF_REPLAYED;
    // An entry is let go of when its proof is too old. Should that have changed since (the clock was set back, a reload made the window
    // wider, another loop's clock is ahead), what was forgotten cannot be told from what was never seen.
    if (iat < s->forgotten)
        return ERR_PROOF_REPLAYED;
    if (s->free == NIL && s->fresh > s->limit)
        return ERR_REPLAY_FULL;
    // Loops read their clocks at different moments: never into a slot that was turned already.
    if (expires <= s->turned)
        expires = s->turned + 1;
    uint32_t w = workload_find(s, workload_id);
    if (w == NIL)
        w = workload_add(s, workload_id);
    if (w == NIL || s->workloads[w].count >= s->share)
        return ERR_REPLAY_FULL;

    uint32_t age = expires > iat ? expires - iat : 0;
    uint32_t i = s->free, *slot = &s->wheel[expires % WHEEL];
    if (i != NIL)
        s->free = s->entries[i].next;
    else
        i = s->fresh++;
    s->entries[i] = (struct entry){
        .tag = { tag[0], tag[1] },
        .next = *chain,
        .due = *slot,
        .expires = expires,
        .age = age < AGE_MAX ? (uint16_t)age : AGE_MAX,
        .workload = (uint16_t)w,
    };
    *chain = i;
    *slot = i;
    s->workloads[w].count++;
    s->count++;
    return 0;
}

// ---- from outside

static uint32_t second_of(const struct pki_replay *r, int64_t ms, bool up)
{
    int64_t since = ms - r->birth_ms + (up ? 999 : 0);
    if (since < 0)
        return 0;
    return since / 1000 > UINT32_MAX - 1 ? UINT32_MAX - 1 : (uint32_t)(since / 1000);
}

// Each part behind its length, so that no two tuples make the same bytes.
static size_t put(char *out, size_t at, struct span s)
{
    uint32_t n = (uint32_t)s.n;
    memcpy(out + at, &n, sizeof n);
    if (s.n > 0)
        memcpy(out + at + sizeof n, s.p, s.n);
    return at + sizeof n + s.n;
}

int pki_replay_insert(struct pki_replay *r, const struct pki_replay_entry *e, int64_t now_ms)
{
    if (e->iat_ms < r->not_before_ms)
        return ERR_PROOF_BEFORE_START;

    char stack[1024], *text = stack;
    size_t n = 32 + e->jti.n + e->htm.n + e->htu.n + 3 * sizeof(uint32_t);
    if (n > sizeof stack && !(text = malloc(n)))
        return ERR_REPLAY_FULL;
    memcpy(text, e->jkt, 32);
    size_t at = put(text, put(text, put(text, 32, e->jti), e->htm), e->htu);
    assert(at == n);
    uint64_t tag[2] = { siphash24(r->keys[0], span_of(text, at)), siphash24(r->keys[1], span_of(text, at)) };
    if (text != stack)
        free(text);

    uint64_t workload = siphash24(r->keys[2], e->workload);
    uint32_t now = second_of(r, now_ms, false), expires = second_of(r, e->keep_until_ms, true);
    // Different bits than the bucket's.
    struct stripe *s = &r->stripes[(tag[1] >> 32) & r->stripe_mask];
    pthread_mutex_lock(&s->lock);
    int rc = insert(s, tag, workload, second_of(r, e->iat_ms, false), expires, now);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

size_t pki_replay_count(const struct pki_replay *r)
{
    size_t n = 0;
    for (uint32_t i = 0; i <= r->stripe_mask; i++) {
        struct stripe *s = &r->stripes[i];
        pthread_mutex_lock(&s->lock);
        n += s->count;
        pthread_mutex_unlock(&s->lock);
    }
    return n;
}

size_t pki_replay_capacity(const struct pki_replay *r)
{
    return r->capacity;
}

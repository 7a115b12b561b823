// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/replay.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/map.h"
#include "pki/digest.h"

// One piece of memory without a pointer in it, which two processes can have at different addresses: struct store, then the stripes, each followed by
// its tables. Indices count from 1, so that fresh zero pages are empty tables: a large store costs memory only as it fills.
#define LAYOUT 0x5350525031000000u // raised with each change of what stands in that memory
#define NIL 0u
#define WHEEL 1024 // seconds; an entry that lives longer goes round again
#define AGE_MAX UINT16_MAX
#define SHARE_LEAST \
    256 // of a workload in a stripe. Proofs fall into stripes as chance has it: with less, one is full long before the others
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
    uint32_t bucket_mask;
    uint32_t free, fresh, limit; // chain of freed ones; the first never used; the last there is
    uint32_t workload_mask;
    uint32_t workload_free, workload_fresh, workload_limit;
    uint32_t count, share;
    uint32_t turned;    // the wheel was turned up to this second
    uint32_t forgotten; // behind the latest iat of an entry that was let go of: an earlier proof may be one of them
    uint32_t wheel[WHEEL];
};

struct store {
    uint64_t layout, bytes;
    uint64_t keys[3][2];
    int64_t birth_ms, not_before_ms;
    uint32_t stripes, each; // entries a stripe
};

struct pki_replay {
    struct store *store;
    char *first; // stripe
    size_t stride;
    uint32_t stripe_mask;
    int fd;
};

// ---- where things are

static uint32_t power_of_two(uint32_t n)
{
    uint32_t p = 1;
    while (p < n)
        p *= 2;
    return p;
}

static uint32_t workloads_of(uint32_t entries)
{
    return entries < WORKLOADS_MAX ? entries : WORKLOADS_MAX;
}

static struct entry *entries_of(struct stripe *s)
{
    return (struct entry *)(s + 1);
}

static struct workload *workloads_in(struct stripe *s)
{
    return (struct workload *)(entries_of(s) + s->limit + 1);
}

static uint32_t *buckets_of(struct stripe *s)
{
    return (uint32_t *)(workloads_in(s) + s->workload_limit + 1);
}

static uint32_t *workload_buckets_of(struct stripe *s)
{
    return buckets_of(s) + s->bucket_mask + 1;
}

#define LINE ((size_t)64) // two stripes share no cache line

static size_t rounded(size_t n)
{
    return (n + LINE - 1) / LINE * LINE;
}

static size_t stride_of(uint32_t entries)
{
    uint32_t workloads = workloads_of(entries);
    return rounded(sizeof(struct stripe) + ((size_t)entries + 1) * sizeof(struct entry) +
                   ((size_t)workloads + 1) * sizeof(struct workload) +
                   ((size_t)power_of_two(entries) + power_of_two(workloads)) * sizeof(uint32_t));
}

static struct stripe *stripe_at(const struct pki_replay *r, uint32_t i)
{
    return (struct stripe *)(r->first + i * r->stride);
}

// ---- made, found, let go of

static bool stripe_init(struct stripe *s, uint32_t entries, unsigned share_percent)
{
    pthread_mutexattr_t attr;
    uint64_t share = (uint64_t)entries * share_percent / 100;
    s->limit = entries;
    s->workload_limit = workloads_of(entries);
    s->bucket_mask = power_of_two(entries) - 1;
    s->workload_mask = power_of_two(s->workload_limit) - 1;
    s->fresh = s->workload_fresh = 1;
    s->share = share > 0 ? (uint32_t)share : 1;
    // Robust: a process that is killed inside leaves the lock to the next one, which then knows.
    bool ok = pthread_mutexattr_init(&attr) == 0;
    ok = ok && pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) == 0 &&
         pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST) == 0 && pthread_mutex_init(&s->lock, &attr) == 0;
    pthread_mutexattr_destroy(&attr);
    return ok;
}

// Takes `fd`, also on failure.
static struct pki_replay *map(int fd, size_t bytes)
{
    struct pki_replay *r = calloc(1, sizeof *r);
    void *memory = r ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (memory == MAP_FAILED) {
        free(r);
        close(fd);
        return NULL;
    }
    r->fd = fd;
    r->store = memory;
    r->first = (char *)memory + rounded(sizeof(struct store));
    return r;
}

struct pki_replay *pki_replay_new(const struct pki_replay_options *o)
{
    size_t entries = o->entries ? o->entries : (size_t)1 << 20;
    unsigned share = o->share_percent ? o->share_percent : 10;
    uint32_t stripes = power_of_two(o->stripes ? o->stripes : 64);
    while (stripes > 1 && entries / stripes * share / 100 < SHARE_LEAST)
        stripes /= 2;
    size_t each = (entries + stripes - 1) / stripes;
    if (each >= UINT32_MAX / 2)
        return NULL;
    size_t stride = stride_of((uint32_t)each), bytes = rounded(sizeof(struct store)) + stripes * stride;
    int fd = memfd_create("sallyport-replay", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    // Sealed: whoever has it too cannot take pages away from under us.
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    struct pki_replay *r = map(fd, bytes);
    if (!r)
        return NULL;
    *r->store = (struct store){
        .layout = LAYOUT,
        .bytes = bytes,
        .birth_ms = o->not_before_ms,
        .not_before_ms = o->not_before_ms,
        .stripes = stripes,
        .each = (uint32_t)each,
    };
    pki_random(r->store->keys, sizeof r->store->keys);
    r->stride = stride;
    r->stripe_mask = stripes - 1;
    for (uint32_t i = 0; i < stripes; i++)
        if (!stripe_init(stripe_at(r, i), (uint32_t)each, share > 100 ? 100 : share)) {
            pki_replay_free(r);
            return NULL;
        }
    return r;
}

struct pki_replay *pki_replay_adopt(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (fstat(fd, &st) != 0 || (size_t)st.st_size < rounded(sizeof(struct store)) || seals < 0 ||
        (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW)) {
        close(fd);
        return NULL;
    }
    struct pki_replay *r = map(fd, (size_t)st.st_size);
    if (!r)
        return NULL;
    const struct store *s = r->store;
    bool ours = s->layout == LAYOUT && s->bytes == (uint64_t)st.st_size && s->each > 0 && s->each < UINT32_MAX / 2 &&
                s->stripes > 0 && s->stripes == power_of_two(s->stripes);
    r->stride = ours ? stride_of(s->each) : 0;
    if (!ours || (s->bytes - rounded(sizeof *s)) / s->stripes != r->stride) {
        munmap(r->store, (size_t)st.st_size);
        close(fd);
        free(r);
        return NULL;
    }
    r->stripe_mask = s->stripes - 1;
    return r;
}

void pki_replay_free(struct pki_replay *r)
{
    if (!r)
        return;
    // The locks stay as they are: another process may be using them.
    munmap(r->store, r->store->bytes);
    close(r->fd);
    free(r);
}

int pki_replay_fd(const struct pki_replay *r)
{
    return r->fd;
}

// ---- a stripe, under its lock

static uint32_t *workload_chain(struct stripe *s, uint64_t id)
{
    return &workload_buckets_of(s)[id & s->workload_mask];
}

static uint32_t workload_find(struct stripe *s, uint64_t id)
{
    uint32_t i = *workload_chain(s, id);
    while (i != NIL && workloads_in(s)[i].id != id)
        i = workloads_in(s)[i].next;
    return i;
}

static uint32_t workload_add(struct stripe *s, uint64_t id)
{
    uint32_t i = s->workload_free, *chain = workload_chain(s, id);
    if (i != NIL)
        s->workload_free = workloads_in(s)[i].next;
    else if (s->workload_fresh <= s->workload_limit)
        i = s->workload_fresh++;
    else
        return NIL;
    workloads_in(s)[i] = (struct workload){ .id = id, .next = *chain };
    *chain = i;
    return i;
}

static void workload_release(struct stripe *s, uint32_t i)
{
    struct workload *w = &workloads_in(s)[i];
    if (--w->count > 0)
        return;
    uint32_t *link = workload_chain(s, w->id);
    while (*link != i)
        link = &workloads_in(s)[*link].next;
    *link = w->next;
    w->next = s->workload_free;
    s->workload_free = i;
}

static void entry_remove(struct stripe *s, uint32_t i)
{
    struct entry *e = &entries_of(s)[i];
    uint32_t *link = &buckets_of(s)[e->tag[0] & s->bucket_mask];
    while (*link != i)
        link = &entries_of(s)[*link].next;
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
            struct entry *e = &entries_of(s)[i];
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
    uint32_t *chain = &buckets_of(s)[tag[0] & s->bucket_mask];
    for (uint32_t i = *chain; i != NIL; i = entries_of(s)[i].next)
        if (entries_of(s)[i].tag[0] == tag[0] && entries_of(s)[i].tag[1] == tag[1])
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
    if (w == NIL || workloads_in(s)[w].count >= s->share)
        return ERR_REPLAY_FULL;

    uint32_t age = expires > iat ? expires - iat : 0;
    uint32_t i = s->free, *slot = &s->wheel[expires % WHEEL];
    if (i != NIL)
        s->free = entries_of(s)[i].next;
    else
        i = s->fresh++;
    entries_of(s)[i] = (struct entry){
        .tag = { tag[0], tag[1] },
        .next = *chain,
        .due = *slot,
        .expires = expires,
        .age = age < AGE_MAX ? (uint16_t)age : AGE_MAX,
        .workload = (uint16_t)w,
    };
    *chain = i;
    *slot = i;
    workloads_in(s)[w].count++;
    s->count++;
    return 0;
}

// ---- the lock

// Somebody was killed while he changed this stripe. What it held is forgotten, in a way that lets nothing be used again: proofs no younger than the
// latest that it may have known count as used.
static void start_over(struct stripe *s)
{
    uint32_t latest = s->forgotten;
    for (uint32_t i = 1; i <= s->limit; i++) {
        const struct entry *e = &entries_of(s)[i];
        uint32_t iat = e->expires > e->age ? e->expires - e->age : 0;
        if (e->expires != 0 && latest < iat + 1)
            latest = iat + 1;
    }
    s->forgotten = latest;
    s->free = s->workload_free = NIL;
    s->fresh = s->workload_fresh = 1;
    s->count = 0;
    memset(s->wheel, 0, sizeof s->wheel);
    memset(buckets_of(s), 0, ((size_t)s->bucket_mask + 1) * sizeof(uint32_t));
    memset(workload_buckets_of(s), 0, ((size_t)s->workload_mask + 1) * sizeof(uint32_t));
    memset(workloads_in(s), 0, ((size_t)s->workload_limit + 1) * sizeof(struct workload));
    memset(entries_of(s), 0, ((size_t)s->limit + 1) * sizeof(struct entry));
}

static void lock(struct stripe *s)
{
    if (pthread_mutex_lock(&s->lock) == EOWNERDEAD) {
        start_over(s);
        pthread_mutex_consistent(&s->lock);
    }
}

// ---- from outside

static uint32_t second_of(const struct pki_replay *r, int64_t ms, bool up)
{
    int64_t since = ms - r->store->birth_ms + (up ? 999 : 0);
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
    if (e->iat_ms < r->store->not_before_ms)
        return ERR_PROOF_BEFORE_START;

    char stack[1024], *text = stack;
    size_t n = 32 + e->jti.n + e->htm.n + e->htu.n + 3 * sizeof(uint32_t);
    if (n > sizeof stack && !(text = malloc(n)))
        return ERR_REPLAY_FULL;
    memcpy(text, e->jkt, 32);
    size_t at = put(text, put(text, put(text, 32, e->jti), e->htm), e->htu);
    assert(at == n);
    uint64_t tag[2] = { siphash24(r->store->keys[0], span_of(text, at)),
                        siphash24(r->store->keys[1], span_of(text, at)) };
    if (text != stack)
        free(text);

    uint64_t workload = siphash24(r->store->keys[2], e->workload);
    uint32_t now = second_of(r, now_ms, false), expires = second_of(r, e->keep_until_ms, true);
    // Different bits than the bucket's.
    struct stripe *s = stripe_at(r, (uint32_t)(tag[1] >> 32) & r->stripe_mask);
    lock(s);
    int rc = insert(s, tag, workload, second_of(r, e->iat_ms, false), expires, now);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

size_t pki_replay_count(const struct pki_replay *r)
{
    size_t n = 0;
    for (uint32_t i = 0; i <= r->stripe_mask; i++) {
        struct stripe *s = stripe_at(r, i);
        lock(s);
        n += s->count;
        pthread_mutex_unlock(&s->lock);
    }
    return n;
}

size_t pki_replay_capacity(const struct pki_replay *r)
{
    return (size_t)r->store->stripes * r->store->each;
}

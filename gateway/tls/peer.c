// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/tls/peer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WAYS 8     // entries of one set: what a leaf's hash may displace
#define STRIPES 64 // locks

struct entry {
    struct gw_tls_peer *peer;
    int64_t used_s;
};

struct gw_tls_peers {
    pthread_mutex_t locks[STRIPES];
    _Atomic(size_t) count;
    size_t sets; // a power of two
    struct entry entries[];
};

// ---- one peer

static struct gw_tls_peer *peer_new(uint32_t generation)
{
    struct gw_tls_peer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    atomic_init(&p->refs, 1);
    arena_init(&p->arena, 0);
    p->mapped = arena_alloc(&p->arena, sizeof *p->mapped);
    if (!p->mapped) {
        gw_tls_peer_unref(p);
        return NULL;
    }
    atomic_init(p->mapped, generation);
    return p;
}

struct gw_tls_peer *gw_tls_peer_ref(struct gw_tls_peer *p)
{
    if (p)
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

void gw_tls_peer_unref(struct gw_tls_peer *p)
{
    if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    arena_fini(&p->arena);
    free(p);
}

int gw_tls_peer_verify(const struct gw_tls_trust *trust, enum pki_purpose purpose, struct span server_name,
                       struct span leaf, const struct span *intermediates, size_t n, int64_t now_s,
                       struct gw_tls_peer **out)
{
    if (!trust->trust)
        return ERR_CERT_TRUST_DOMAIN;
    struct gw_tls_peer *p = peer_new(trust->trust_generation);
    if (!p)
        return ERR_NOMEM;
    struct pki_verify_options options = trust->options;
    options.purpose = purpose;
    int e = span_is_none(server_name) ? pki_trust_verify(trust->trust, trust->revocation, &options, leaf, intermediates,
                                                         n, now_s, &p->arena, &p->identity)
                                      : pki_trust_verify_server(trust->trust, trust->revocation, &options, server_name,
                                                                leaf, intermediates, n, now_s, &p->arena, &p->identity);
    if (e)
        gw_tls_peer_unref(p);
    else
        *out = p;
    return e;
}

int gw_tls_peer_recheck(const struct gw_tls_peer *p, const struct gw_tls_trust *trust, int64_t now_s)
{
    if (!trust->trust)
        return ERR_CERT_UNTRUSTED;
    if (atomic_load_explicit(p->mapped, memory_order_relaxed) != trust->trust_generation) {
        int e = pki_trust_remap(&p->identity, trust->options.map);
        if (e)
            return e;
        atomic_store_explicit(p->mapped, trust->trust_generation, memory_order_relaxed);
    }
    return pki_trust_recheck(trust->trust, trust->revocation, &trust->options, &p->identity, now_s);
}

// ---- the table

struct gw_tls_peers *gw_tls_peers_new(size_t capacity)
{
    size_t sets = 64 / WAYS;
    while (sets * WAYS < capacity && sets < SIZE_MAX / 2 / WAYS / sizeof(struct entry))
        sets *= 2;
    struct gw_tls_peers *t = calloc(1, sizeof *t + sets * WAYS * sizeof(struct entry));
    if (!t)
        return NULL;
    t->sets = sets;
    for (size_t i = 0; i < STRIPES; i++)
        pthread_mutex_init(&t->locks[i], NULL);
    return t;
}

void gw_tls_peers_free(struct gw_tls_peers *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->sets * WAYS; i++)
        gw_tls_peer_unref(t->entries[i].peer);
    for (size_t i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&t->locks[i]);
    free(t);
}

// The hash of a certificate that a CA of ours signed: nobody chooses where it falls without many certificates.
static size_t set_of(const struct gw_tls_peers *t, const uint8_t sha256[static 32])
{
    uint64_t h;
    memcpy(&h, sha256, sizeof h);
    return (size_t)h & (t->sets - 1);
}

static struct entry *lookup(struct entry *set, const uint8_t sha256[static 32])
{
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].peer && memcmp(set[i].peer->identity.leaf_sha256, sha256, 32) == 0)
            return &set[i];
    return NULL;
}

static struct entry *oldest(struct entry *set)
{
    struct entry *found = &set[0];
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].peer)
            return &set[i];
        if (set[i].used_s < found->used_s)
            found = &set[i];
    }
    return found;
}

// Same leaf is given; the same ID (mapping rules may have changed) along the same path is asked.
static bool same(const struct pki_identity *a, const struct pki_identity *b)
{
    if (!span_eq(a->spiffe_id, b->spiffe_id) || !span_eq(a->dns, b->dns) || a->steps_n != b->steps_n)
        return false;
    for (size_t i = 0; i < a->steps_n; i++)
        if (memcmp(a->steps[i].sha256, b->steps[i].sha256, 32) != 0)
            return false;
    return true;
}

struct gw_tls_peer *gw_tls_peers_put(struct gw_tls_peers *t, struct gw_tls_peer *p, int64_t now_s)
{
    size_t at = set_of(t, p->identity.leaf_sha256);
    struct entry *set = &t->entries[at * WAYS];
    struct gw_tls_peer *drop;
    pthread_mutex_lock(&t->locks[at % STRIPES]);
    struct entry *e = lookup(set, p->identity.leaf_sha256);
    if (e && same(&e->peer->identity, &p->identity)) {
        drop = p;
        p = gw_tls_peer_ref(e->peer);
    } else {
        e = e ? e : oldest(set);
        drop = e->peer;
        if (!drop)
            atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
        e->peer = gw_tls_peer_ref(p);
    }
    e->used_s = now_s;
    pthread_mutex_unlock(&t->locks[at % STRIPES]);
    gw_tls_peer_unref(drop);
    return p;
}

struct gw_tls_peer *gw_tls_peers_get(struct gw_tls_peers *t, const uint8_t leaf_sha256[static 32], int64_t now_s)
{
    size_t at = set_of(t, leaf_sha256);
    pthread_mutex_lock(&t->locks[at % STRIPES]);
    struct entry *e = lookup(&t->entries[at * WAYS], leaf_sha256);
    if (e)
        e->used_s = now_s;
    struct gw_tls_peer *p = e ? gw_tls_peer_ref(e->peer) : NULL;
    pthread_mutex_unlock(&t->locks[at % STRIPES]);
    return p;
}

size_t gw_tls_peers_count(struct gw_tls_peers *t)
{
    return atomic_load_explicit(&t->count, memory_order_relaxed);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/health.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 256

struct gw_health_board {
    pthread_mutex_t lock;
    struct gw_health *first[BUCKETS];
};

struct gw_health_board *gw_health_board_new(void)
{
    struct gw_health_board *b = calloc(1, sizeof *b);
    if (b)
        pthread_mutex_init(&b->lock, NULL);
    return b;
}

void gw_health_board_free(struct gw_health_board *b)
{
    if (!b)
        return;
    pthread_mutex_destroy(&b->lock);
    free(b);
}

// Parts that no other parts can make the same bytes of: none of them has a NUL.
static size_t put(char *at, size_t used, struct span part)
{
    if (part.n > 0)
        memcpy(at + used, part.p, part.n);
    at[used + part.n] = '\0';
    return used + part.n + 1;
}

static struct gw_health *health_new(struct span shard, const struct gw_endpoint *e)
{
    struct span host = span_str(e->host);
    const char port[] = { (char)('A' + (e->port >> 12)), (char)('A' + (e->port >> 8 & 15)),
                          (char)('A' + (e->port >> 4 & 15)), (char)('A' + (e->port & 15)) };
    struct gw_health *h = calloc(1, sizeof *h + shard.n + host.n + e->authority.n + e->name.n + sizeof port + 5);
    if (!h)
        return NULL;
    h->n = put(h->key, 0, shard);
    h->n = put(h->key, h->n, host);
    h->n = put(h->key, h->n, span_of(port, sizeof port));
    h->n = put(h->key, h->n, e->authority);
    h->n = put(h->key, h->n, e->name);
    h->refs = 1;
    atomic_init(&h->sick, false);
    return h;
}

static size_t bucket(const struct gw_health *h)
{
    uint32_t v = 2166136261u; // FNV-1a; the names are the operator's own
    for (size_t i = 0; i < h->n; i++)
        v = (v ^ (unsigned char)h->key[i]) * 16777619u;
    return v % BUCKETS;
}

struct gw_health *gw_health_of(struct gw_health_board *b, struct span shard, const struct gw_endpoint *e)
{
    struct gw_health *fresh = health_new(shard, e);
    if (!fresh)
        return NULL;
    fresh->board = b;
    struct gw_health **link = &b->first[bucket(fresh)];
    pthread_mutex_lock(&b->lock);
    struct gw_health *h = *link;
    while (h && (h->n != fresh->n || memcmp(h->key, fresh->key, h->n) != 0))
        h = h->next;
    if (h) {
        h->refs++;
    } else {
        fresh->next = *link;
        *link = fresh;
    }
    pthread_mutex_unlock(&b->lock);
    if (!h)
        return fresh;
    free(fresh);
    return h;
}

void gw_health_unref(struct gw_health *h)
{
    if (!h)
        return;
    struct gw_health_board *b = h->board;
    struct gw_health **link = &b->first[bucket(h)];
    pthread_mutex_lock(&b->lock);
    bool last = --h->refs == 0;
    if (last) {
        while (*link != h)
            link = &(*link)->next;
        *link = h->next;
    }
    pthread_mutex_unlock(&b->lock);
    if (last)
        free(h);
}

bool gw_health_told(struct gw_health *h, bool good, unsigned unhealthy, unsigned healthy)
{
    bool sick = gw_health_is_sick(h);
    if (good != sick) { // as it was
        h->in_row = 0;
        return false;
    }
    if (++h->in_row < (sick ? healthy : unhealthy))
        return false;
    h->in_row = 0;
    atomic_store_explicit(&h->sick, !sick, memory_order_relaxed);
    return true;
}

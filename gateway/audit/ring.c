// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/ring.h"

#include <stdatomic.h>
#include <stdlib.h>

bool gw_ring_init(struct gw_ring *r, size_t cap)
{
    size_t rounded = 4096;

    while (rounded < cap && rounded <= SIZE_MAX / 4)
        rounded *= 2;
    *r = (struct gw_ring){ .data = malloc(rounded), .cap = rounded };
    return r->data != NULL;
}

void gw_ring_fini(struct gw_ring *r)
{
    free(r->data);
    r->data = NULL;
}

bool gw_ring_put(struct gw_ring *r, struct span s, uint64_t *end)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    size_t at = (size_t)(head & (r->cap - 1)), first = r->cap - at;

    if (s.n > r->cap - (size_t)(head - tail))
        return false;
    if (first > s.n)
        first = s.n;
    if (first)
        memcpy(r->data + at, s.p, first);
    if (s.n > first)
        memcpy(r->data, s.p + first, s.n - first);
    // Sequentially consistent, because the producer looks next whether the consumer sleeps, and the consumer says that it sleeps and
    // looks next whether there is something: one of the two must see the other.
    atomic_store_explicit(&r->head, head + s.n, memory_order_seq_cst);
    *end = head + s.n;
    return true;
}

size_t gw_ring_used(const struct gw_ring *r)
{
    // The tail first: it never passes a head that is read later.
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);

    return (size_t)(atomic_load_explicit(&r->head, memory_order_acquire) - tail);
}

int gw_ring_view(const struct gw_ring *r, uint64_t from, uint64_t to, struct iovec out[static 2])
{
    size_t n = (size_t)(to - from), at = (size_t)(from & (r->cap - 1)), first = r->cap - at;

    if (n == 0)
        return 0;
    if (first > n)
        first = n;
    out[0] = (struct iovec){ r->data + at, first };
    out[1] = (struct iovec){ r->data, n - first };
    return n > first ? 2 : 1;
}

char gw_ring_at(const struct gw_ring *r, uint64_t position)
{
    return r->data[position & (r->cap - 1)];
}

uint64_t gw_ring_head(const struct gw_ring *r)
{
    return atomic_load_explicit(&r->head, memory_order_seq_cst);
}

void gw_ring_release(struct gw_ring *r, uint64_t to)
{
    atomic_store_explicit(&r->tail, to, memory_order_release);
}

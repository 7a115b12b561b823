// SPDX-License-Identifier: GPL-3.0-or-later
// A ring of bytes between one producer and one consumer thread, without locks. Positions only grow (64 bits of bytes outlast any disk); the place of
// a position in memory is its remainder. The producer appends whole records; the consumer looks at what is there and releases it when done.
#ifndef SALLYPORT_AUDIT_RING_H
#define SALLYPORT_AUDIT_RING_H

#include <sys/uio.h>

#include "gateway/base/span.h"

struct gw_ring {
    char *data;
    size_t cap;                          // a power of two
    _Alignas(64) _Atomic(uint64_t) head; // written by the producer: end of what is there
    _Alignas(64) _Atomic(uint64_t) tail; // written by the consumer: end of what is released
};

// `cap` is rounded up to a power of two. False when out of memory.
bool gw_ring_init(struct gw_ring *r, size_t cap);
void gw_ring_fini(struct gw_ring *r);

// Producer. False when there is no room for all of `s`; nothing is changed then. `*end` is the position behind it.
bool gw_ring_put(struct gw_ring *r, struct span s, uint64_t *end);
// Any thread: bytes not yet released, of a moment ago.
size_t gw_ring_used(const struct gw_ring *r);

// Consumer. The bytes [from, to) as one or two pieces; returns how many pieces.
int gw_ring_view(const struct gw_ring *r, uint64_t from, uint64_t to, struct iovec out[static 2]);
char gw_ring_at(const struct gw_ring *r, uint64_t position);
uint64_t gw_ring_head(const struct gw_ring *r);
void gw_ring_release(struct gw_ring *r, uint64_t to);

#endif

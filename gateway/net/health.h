// SPDX-License-Identifier: GPL-3.0-or-later
// Whether endpoints of shards are ready, as the process's own checks (prober.h) found. One `gw_health` an endpoint and shard: the main thread
// judges, every loop reads it without a lock when it chooses where a request goes. What nobody checked yet counts as ready.
//
// The board finds or makes them by name. Finding takes a lock, and is done when a set of endpoints is taken up, never for a request; so an endpoint
// keeps its state over a reload as long as somebody holds it.
#ifndef SALLYPORT_NET_HEALTH_H
#define SALLYPORT_NET_HEALTH_H

#include "gateway/config/endpoint.h"

#include <stdatomic.h>

struct gw_health_board;

struct gw_health {
    struct gw_health_board *board;
    struct gw_health *next; // in its bucket; with the rest, up to `sick`, the board's under its lock
    unsigned refs;
    size_t n;
    atomic_bool sick;
    unsigned in_row; // answers that speak against the present state; the judge's, who is one thread
    char key[];
};

struct gw_health_board *gw_health_board_new(void); // NULL: out of memory
// After the last gw_health_unref. NULL is fine.
void gw_health_board_free(struct gw_health_board *b);

// Counted. NULL: out of memory; then it counts as ready. From any thread, as gw_health_unref (NULL is fine).
struct gw_health *gw_health_of(struct gw_health_board *b, struct span shard, const struct gw_endpoint *e);
void gw_health_unref(struct gw_health *h);

static inline bool gw_health_is_sick(const struct gw_health *h)
{
    return h && atomic_load_explicit(&h->sick, memory_order_relaxed);
}

// A check's answer; by one thread only. It turns after `unhealthy` bad ones in a row, and back after `healthy` good ones. True: it turned.
bool gw_health_told(struct gw_health *h, bool good, unsigned unhealthy, unsigned healthy);

#endif

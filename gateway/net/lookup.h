// SPDX-License-Identifier: GPL-3.0-or-later
// Addresses of a name, asked of the system's resolver. One question of a loop about a name is under way at a time, and whoever wants the same joins it, also
// when everybody who asked before has given up: a question that a thread has begun cannot be called off, libuv lends all loops together half of its
// threads for them, and a name whose servers are silent, tried again and again, would take them all and keep every other name from being resolved.
// Nothing is remembered: names move.
#ifndef SALLYPORT_NET_LOOKUP_H
#define SALLYPORT_NET_LOOKUP_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

// Threads of the process for questions and the rest, unless UV_THREADPOOL_SIZE says otherwise.
#define GW_LOOKUP_THREADS "32"

struct gw_lookup;

// Of one loop; zeroed but for `uv`. Empty when the loop has nothing more to do.
struct gw_lookups {
    uv_loop_t *uv;
    struct gw_lookup *first;
};

// What was found, shared by all who asked. Of one loop: references are not atomic.
struct gw_addresses {
    unsigned refs;
    struct addrinfo *first;
};
void gw_addresses_unref(struct gw_addresses *a); // NULL is fine

// Who waits; zeroed before its first use.
struct gw_lookup_wait {
    // `status` 0 and a reference to what was found, or a uv error and NULL. It waits no longer then.
    void (*on_found)(struct gw_lookup_wait *w, int status, struct gw_addresses *found);
    struct gw_lookup *lookup; // NULL: it does not wait
    struct gw_lookup_wait *next, **link;
};

// `w` waits; on_found comes from the loop. 0 or a uv error.
int gw_lookup_begin(struct gw_lookups *l, const char *host, uint16_t port, struct gw_lookup_wait *w);
// Fine at any time.
void gw_lookup_leave(struct gw_lookup_wait *w);

#endif

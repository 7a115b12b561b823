// SPDX-License-Identifier: GPL-3.0-or-later
// Where a server is reached.
//
// `struct gw_endpoints` is the equivalent places of one server at one time: whoever picks one for a connection may pick any. A set never changes; a
// server that moves gets another set. Where sets come from:
//   the configuration names them           one set for the life of the snapshot
//   a DNS name, a service, or a file says  the main thread looks again and again (net/discovery.h) and hands every loop the newest
// and where they go: each loop's pool (net/pool.h) holds the set it picks from, and swaps it without a lock, since sets only ever come to a
// loop by message. Connections hold the set they were made from, so an endpoint outlives its place in the set.
#ifndef SALLYPORT_CONFIG_ENDPOINT_H
#define SALLYPORT_CONFIG_ENDPOINT_H

#include "gateway/base/span.h"

#include <stdatomic.h>

// Of one server. What a list has beyond that is not used.
#define GW_ENDPOINTS_MAX 64

struct gw_endpoint {
    const char *host; // name or address to connect to, NUL-terminated
    uint16_t port;
    struct span authority; // for the Host field
    struct span name; // what its certificate must be for, where neither a SPIFFE ID nor a server name is configured
};

// Two of one address but different names are two: each has connections of its own.
bool gw_endpoint_same(const struct gw_endpoint *a, const struct gw_endpoint *b);

struct gw_endpoints {
    _Atomic(unsigned) refs;
    size_t n;
    struct gw_endpoint v[]; // each once, at most GW_ENDPOINTS_MAX
};

// A copy, texts included, of what is in `v`, in its order, less repetitions and what is too much. One reference. NULL: out of memory.
struct gw_endpoints *gw_endpoints_new(const struct gw_endpoint *v, size_t n);
struct gw_endpoints *gw_endpoints_ref(struct gw_endpoints *e);
void gw_endpoints_unref(struct gw_endpoints *e); // from any thread; NULL is fine
// Whether both name the same, in whatever order. Either may be NULL, which is the same as NULL only.
bool gw_endpoints_same(const struct gw_endpoints *a, const struct gw_endpoints *b);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// One request asked of several shards at once, and their answers. Names of collections are learned here as well: a listing is one GET
// after another to one shard until its last page, shared by all exchanges that wait for it.
#ifndef SALLYPORT_NET_GATHER_H
#define SALLYPORT_NET_GATHER_H

#include "gateway/net/core.h"

struct gw_gather {
    size_t n, left;
    struct gw_fetch *fetches;             // in the order of the shards asked
    unsigned *shards;                     // their numbers in the API's placement
    void (*on_done)(struct gw_gather *g); // once, when all have ended
    void *owner;
};

struct gw_gather_request {
    struct gw_view *view;
    size_t api;
    const struct gw_shard_set *shards;
    enum gw_method method;
    struct span target, body;
    const char *request_id;
    struct span traceparent, tracestate; // SPAN_NONE: none
    int64_t until_ms;                    // 0: none
};

// The spans must live until the end. NULL: out of memory. Then gw_gather_start, which may call on_done before it returns.
struct gw_gather *gw_gather_new(const struct gw_gather_request *r);
void gw_gather_start(struct gw_gather *g);
// Ends what is still running, without on_done.
void gw_gather_free(struct gw_gather *g);

// Begins the listings that an exchange waits for. After each page gw_flow_listed(view) is called. What is running already is left alone.
void gw_listing_begin(struct gw_view *view, size_t api, const struct gw_resolve_wait *wait);
// Ends all that are under way, when nobody waits for them any more.
void gw_listings_end(struct gw_core *core);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// One whole request to a shard whose answer is wanted in memory: listings, requests that go to several shards.
#ifndef SALLYPORT_NET_FETCH_H
#define SALLYPORT_NET_FETCH_H

#include "gateway/net/core.h"

#define GW_FETCH_BODY_MAX (16u << 20)

struct gw_fetch {
    // Set before the start; the rest zeroed.
    struct gw_view_shard *shard;
    enum gw_method method;
    struct span target;                  // path and query; must live until the end
    struct span body;                    // sent as JSON; SPAN_NONE: none. Likewise
    const char *request_id;              // sent along; may be NULL
    void (*on_done)(struct gw_fetch *f); // once; the fetch may be freed or started again inside
    void *owner;

    // The answer. `error` 0: `status` and `answer` are there.
    int error;
    unsigned status;
    struct buf answer;

    struct arena arena;
    struct gw_call call;
    bool running;
};

// May call on_done before it returns.
void gw_fetch_start(struct gw_fetch *f);
// Ends a running one without on_done, and frees what it holds. Fine at any time.
void gw_fetch_fini(struct gw_fetch *f);

#endif

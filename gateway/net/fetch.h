// SPDX-License-Identifier: GPL-3.0-or-later
// One whole request of the gateway's own whose answer is wanted in memory: listings, requests that go to several shards, introspection, an
// issuer's keys, the revocation feed. It runs on the thread of its origin. What the answer means is for the caller to say: any status is an
// answer, a redirect too, which is never followed.
#ifndef SALLYPORT_NET_FETCH_H
#define SALLYPORT_NET_FETCH_H

#include "gateway/net/origin.h"

#define GW_FETCH_BODY_MAX (16u << 20)

struct gw_fetch_field {
    struct span name, value; // lower case; the value may be a secret
};

struct gw_fetch {
    // Set before the start; the rest zeroed. Spans and fields must live until the end.
    struct gw_origin *origin;
    enum gw_method method;
    struct span target;                  // path and query
    struct span body;                    // SPAN_NONE: none
    struct span content_type;            // of the body; SPAN_NONE: application/json
    struct span accept;                  // SPAN_NONE: application/json
    const struct gw_fetch_field *fields; // more of them: authorization, if-none-match …
    size_t n_fields;
    size_t answer_max; // bytes; a longer answer is ERR_SHARD_ANSWER. 0: GW_FETCH_BODY_MAX
    int64_t until_ms;  // monotonic; as in upstream.h. 0: none
    int64_t within_ms; // from start to end, all attempts: else ERR_SHARD_TIMEOUT. 0: the origin's timeouts alone
    bool repeatable;   // sent again when a kept connection was dead, although its method does not say that it may be
    const char *request_id;              // sent along; may be NULL
    struct span traceparent, tracestate; // likewise
    void (*on_done)(struct gw_fetch *f); // once; the fetch may be freed or started again inside
    void *owner;

    // The end. `error` 0: `status`, `answer` and gw_fetch_header are there, until the fetch is started again or freed.
    int error;
    const char *what; // static text behind `error`; may be NULL
    unsigned status;
    struct buf answer;

    struct arena arena;
    struct gw_call call;
    struct gw_deadline deadline;
    bool running;
};

// May call on_done before it returns.
void gw_fetch_start(struct gw_fetch *f);
// A field of the answer by its lower-case name; SPAN_NONE when it is not there, or there more than once.
struct span gw_fetch_header(const struct gw_fetch *f, struct span name);
// Ends a running one without on_done, and frees what it holds. Fine at any time.
void gw_fetch_fini(struct gw_fetch *f);

#endif

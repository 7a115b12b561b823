// SPDX-License-Identifier: GPL-3.0-or-later
// The way to a shard. A `gw_pool` keeps one loop's connections to one set of equivalent endpoints; a `gw_call` is one request on one of
// them, streamed both ways. The same two serve the gateway's own errands (fetch.h) and `sallyport call`.
//
//   gw_call_start ─▶ on_ready: write head and body, then gw_call_sent ─▶ on_head ─▶ on_body* ─▶ on_end
//                └▶ on_failed, at any point before on_end; nothing comes after either of the two.
//
// A request is sent once. Two exceptions, neither after a byte of an answer: an endpoint that could not be connected to got nothing,
// so the next one is tried; and a kept connection that turned out to be dead is replaced if the caller says so (`may_retry`: idempotent and
// able to write the same bytes again), which is a second on_ready.
// A connection is kept only if the answer ended cleanly, after the whole request, with nothing behind it (checklist 35).
#ifndef SALLYPORT_NET_UPSTREAM_H
#define SALLYPORT_NET_UPSTREAM_H

#include "gateway/base/clock.h"
#include "gateway/config/endpoint.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/http/h1.h"
#include "gateway/net/breaker.h"
#include "gateway/net/socket.h"
#include "gateway/net/wheel.h"
#include "gateway/tls/engine.h"

// Read only; must outlive the pool.
struct gw_pool_config {
    const struct gw_endpoint *endpoints;
    size_t n_endpoints;
    struct gw_tls_context *tls;                          // NULL: plain
    const struct gw_tls_trust *trust;                    // with tls
    const struct gw_tls_target *targets;                 // with tls: one an endpoint
    struct gw_breaker *breakers;                         // one an endpoint; NULL: none rests. Written to
    const struct gw_h1_limits *limits;                   // of responses
    int64_t connect_ms, first_byte_ms, idle_ms, keep_ms; // keep: how long an unused connection stays
    size_t max_connections, max_idle, max_waiting;
};

struct gw_upstream; // a connection

struct gw_pool {
    const struct gw_pool_config *config;
    struct gw_dialler dialler;
    struct gw_wheel *wheel;
    const struct clock_now *now; // the loop's, kept fresh by it
    struct gw_metrics *metrics;
    size_t open, next_endpoint;
    struct gw_upstream *idle; // most recently used first
    size_t n_idle;
    struct gw_call *waiting, **waiting_end;
    size_t n_waiting;
    bool retired;
    void (*on_empty)(struct gw_pool *p); // after gw_pool_retire, when the last connection is gone
    void *owner;
};

struct gw_call {
    // Set by the user before the start.
    void *owner;
    struct gw_pool *pool;
    struct arena *arena; // the parsed answer's head lives there
    bool head_request, may_retry;
    void (*on_ready)(struct gw_call *c);
    void (*on_head)(struct gw_call *c, const struct gw_response *r);
    void (*on_body)(struct gw_call *c, struct span piece); // borrowed
    void (*on_lull)(struct gw_call *c); // what had come so far was handed over, and the answer goes on; may be NULL
    void (*on_end)(struct gw_call *c);
    void (*on_failed)(struct gw_call *c, int err, const char *what); // `what` static, may be NULL
    void (*on_drained)(struct gw_call *c);                           // after gw_call_congested

    // The pool's own.
    struct gw_upstream *upstream;
    struct gw_call *next;
    size_t endpoint; // which one on_ready is about
    bool started, in_queue, sent, paused, answered;
    unsigned attempts, connects; // in all; of new connections
    struct gw_deadline deadline; // while waiting for a connection
    struct gw_response response;
};

void gw_pool_init(struct gw_pool *p, const struct gw_pool_config *config, struct gw_dialler dialler,
                  struct gw_wheel *wheel, const struct clock_now *now, struct gw_metrics *metrics);
// Closes idle connections, and the others when their calls end. on_empty comes at once if there are none.
void gw_pool_retire(struct gw_pool *p);

// A failure may be reported before this returns.
void gw_call_start(struct gw_call *c);
void gw_call_write(struct gw_call *c, struct span bytes);
// The request is whole; the clock for the first byte of the answer starts.
void gw_call_sent(struct gw_call *c);
// True while more than the high mark waits to go out: stop producing until on_drained.
bool gw_call_congested(const struct gw_call *c);
// Stops and restarts on_body; pausing twice is one pause.
void gw_call_pause(struct gw_call *c, bool pause);
// Ends the call without a callback; the connection is closed. Fine at any moment, also after its end, also when never started.
void gw_call_abort(struct gw_call *c);

#endif

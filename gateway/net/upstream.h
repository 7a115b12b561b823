// SPDX-License-Identifier: GPL-3.0-or-later
// The way to a shard. A `gw_pool` (pool.h) keeps one loop's connections to one set of equivalent endpoints; a `gw_call` is one request on one
// of them, streamed both ways. The same two serve the gateway's own errands (fetch.h) and `sallyport call`.
//
//   gw_call_start ─▶ on_ready: write head and body, then gw_call_sent ─▶ on_head ─▶ on_body* ─▶ on_end
//                └▶ on_failed, at any point before on_end; nothing comes after either of the two.
//
// A request is sent again in three cases, never after an answer's head was handed over. An endpoint that could not be connected to got nothing,
// so the next one is tried. If the caller says so (`may_retry`: idempotent and able to write the same bytes again, in another on_ready), a kept connection
// that turned out to be dead is replaced, and an endpoint of a shard that died or said that it cannot answer (502, 503, 504) is replaced by another, both
// within a budget (retry_budget.h). All tries together have the time for the first byte that begins with the end of the first.
// If the caller says so (`may_hedge`: reads, is whole when on_ready returns, and can be written again), one that is slow to be answered is on two connections at
// a time (hedge.c); nobody above need know, but that on_ready is called a second time.
// A connection is kept only if the answer ended cleanly, after the whole request, with nothing behind it (checklist 35).
#ifndef SALLYPORT_NET_UPSTREAM_H
#define SALLYPORT_NET_UPSTREAM_H

#include "gateway/net/pool.h"

struct gw_call {
    // Set by the user before the start.
    void *owner;
    struct gw_pool *pool;
    struct arena *arena; // the parsed answer's head lives there
    bool head_request, may_retry, may_hedge;
    int64_t
        until_ms; // no try goes on for longer, if the answer's head is not there: ERR_SHARD_TIMEOUT. 0: the pool's timeouts alone
    void (*on_ready)(struct gw_call *c);
    void (*on_head)(struct gw_call *c, const struct gw_response *r);
    void (*on_body)(struct gw_call *c, struct span piece); // borrowed
    void (*on_lull)(struct gw_call *c); // what had come so far was handed over, and the answer goes on; may be NULL
    void (*on_end)(struct gw_call *c);
    void (*on_failed)(struct gw_call *c, int err, const char *what); // `what` static, may be NULL
    void (*on_drained)(struct gw_call *c);                           // after gw_call_congested

    // The pool's own.
    struct gw_upstream *upstream, *other; // where on_ready writes to; the connection beside it of a hedged request
    struct gw_call *next;
    uint64_t tried; // slots of the endpoints that it does not go to again
    bool started, in_queue, sent, paused, answered, hedged;
    bool
        unread; // failed: the server closed in an orderly way (close_notify), or refused our certificate, without a byte of an answer: our gateways
                // do that with connections on which they read no request
    unsigned admitted;        // how many of those under way it is
    unsigned attempts, sends; // at a connection; of them those that on_ready was called of
    int64_t began_ms;
    int64_t answer_by_ms;                // all tries together; 0: none was whole yet, and until_ms is not set
    struct gw_deadline deadline;         // while waiting for a connection
    struct gw_deadline hedge_due;        // when it goes to another endpoint as well
    int64_t wait_until_ms;               // once it had to
    struct gw_response response, *spare; // spare: of a second connection, while both are read
};

// A failure may be reported before this returns.
void gw_call_start(struct gw_call *c);
// What on_ready writes into the Host field: the connection's endpoint. Lives as long as the connection is the call's.
struct span gw_call_authority(const struct gw_call *c);
void gw_call_write(struct gw_call *c, struct span bytes);
// The request is whole; the clock for the first byte of the answer starts.
void gw_call_sent(struct gw_call *c);
// True while more than the high mark waits to go out: stop producing until on_drained.
bool gw_call_congested(const struct gw_call *c);
// Bytes that wait to go out.
size_t gw_call_queued(const struct gw_call *c);
// The rest of the answer is read in large pieces, or no longer.
void gw_call_bulk(struct gw_call *c, bool bulk);
// Stops and restarts on_body; pausing twice is one pause.
void gw_call_pause(struct gw_call *c, bool pause);
// Ends the call without a callback; the connection is closed. Fine at any moment, also after its end, also when never started.
void gw_call_abort(struct gw_call *c);

#endif

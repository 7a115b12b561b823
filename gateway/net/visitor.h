// SPDX-License-Identifier: GPL-3.0-or-later
// An HTTPS server of whole requests and whole answers: what the authority's listener is made of. TLS below, HTTP/1.1 above, one visit
// (endpoint/visit.h) at a time; requests that were pipelined wait for their turn. Bodies are collected whole and bounded, answers are made
// whole. No libuv and no clock of its own, so it runs in a test over memory.
//
//   accepted ─▶ handshake ─▶ head ─▶ body ─▶ asked ──▶ (waits ─▶ asked again) ──▶ recorded ─▶ answered ─▶ idle ─▶ head …
//
// Before an endpoint is asked the certificate was looked at once more, each time, also after a wait. A client that is slow in any way meets
// a deadline, and gives way to a new one where there are `max_open`; one that leaves while it waits is forgotten. An answer that audit must know of is sent when its record was handed over, or, where
// the configuration says so, when it is on the disk.
#ifndef SALLYPORT_NET_VISITOR_H
#define SALLYPORT_NET_VISITOR_H

#include "gateway/config/config.h"
#include "gateway/endpoint/visit.h"
#include "gateway/http/h1.h"
#include "gateway/net/accepted.h"
#include "gateway/tls/engine.h"

#define GW_VISITOR_BODY (64u << 10) // most bytes of a request's body
#define GW_VISITOR_WAIT_MS 60000    // most that a visit waits, whatever it says

struct gw_visitor;

// Who serves. All are called with the server's `ctx`, from its own thread.
struct gw_visitors_ops {
    // Answers a visit: 0, or GW_VISIT_WAITS. What it finds in `v` is whole; the certificate stands.
    int (*visit)(void *ctx, struct gw_visit *v);
    // Whether a certificate still stands now: 0 or ERR_CERT_*, ERR_CRL_STALE.
    int (*standing)(void *ctx, const struct gw_tls_peer *peer);
    // Hands over the record of a visit. 0 and where it is in the queue (0: nothing to wait for), or ERR_AUDIT_FULL.
    int (*record)(void *ctx, const struct gw_visit *v, uint64_t *ticket);
    // 1: the record is where it must be; 0: not yet; ERR_AUDIT_FULL: it will not get there now.
    int (*recorded)(void *ctx, uint64_t ticket);
    // A visit's answer is on its way; for counting.
    void (*answered)(void *ctx, const struct gw_visit *v);
    // A handshake ended: 0 and whether it was resumed, or the error with a static text (may be NULL).
    void (*handshake)(void *ctx, const char *remote, int err, const char *detail, bool resumed);
    // Draining, and the last one is gone.
    void (*on_idle)(void *ctx);
};

// The server. The owner sets everything above the line and keeps it; it reads the clock into `now` before it calls anything here.
struct gw_visitors {
    const struct gw_visitors_ops *ops;
    void *ctx;
    struct clock_now now;
    struct gw_wheel wheel;
    struct gw_tls_context *tls;             // for new connections
    const struct gw_tls_trust *trust;       // a slot that outlives the connections
    const struct gw_target_options *target; // for new visits
    struct gw_h1_limits limits;             // gw_visitors_limits() is a good start
    struct gw_config_timeouts timeouts;     // `drain` is the owner's business
    size_t max_open, max_waiting;
    bool draining;
    // ----
    struct gw_visitor *first;
    size_t n_open, n_waiting;
};

// Small requests: 8 KiB line, 16 KiB in 64 fields, GW_VISITOR_BODY.
struct gw_h1_limits gw_visitors_limits(void);
// A connection to be accepted by `accept` (see client.h); it frees itself when closed. NULL: out of memory, or not accepted.
struct gw_visitor *gw_visitor_new(struct gw_visitors *s, gw_accept accept, void *ctx);
// Something changed that a visit may wait for: those that wait are asked again.
void gw_visitors_changed(struct gw_visitors *s);
// Records have reached the disk, or the disk fails: answers that waited for theirs go out.
void gw_visitors_recorded(struct gw_visitors *s);
// No request after the present ones; those that wait are asked as though their time had come. Then on_idle, perhaps at once.
void gw_visitors_drain(struct gw_visitors *s);
// Ends all connections now.
void gw_visitors_cut(struct gw_visitors *s);

#endif

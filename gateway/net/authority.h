// SPDX-License-Identifier: GPL-3.0-or-later
// The authority role at work: a thread of its own with an event loop, its listeners, its stores, and the endpoints (endpoint/authority.h)
// behind a server of visits (visitor.h). Not an event loop of the gateway, whose requests must not wait for a disk or a PKCS#11 token; here
// a commit may take its time. Other threads speak to it as to a loop (loop.h): a new generation, "drain", "stop".
#ifndef SALLYPORT_NET_AUTHORITY_H
#define SALLYPORT_NET_AUTHORITY_H

#include "gateway/endpoint/authority.h"
#include "gateway/net/enrol_desk.h"
#include "gateway/net/loop.h"
#include "gateway/net/visitor.h"

#define GW_AUTHORITY_OPEN 1024   // connections
#define GW_AUTHORITY_WAITING 512 // visits that wait for a revocation

struct gw_authority_server {
    struct gw_visitors visitors;
    struct gw_authority endpoints;
    struct gw_enrol_desk desk; // where workloads get their certificates; not open: that is not configured
    struct gw_tls_trust trust;
    struct gw_snapshot *snapshot;
    struct gw_revocations *revocations;
    const struct gw_shared *shared;
    unsigned producer; // of the audit writer
    struct gw_metrics metrics;
    struct gw_tcp_loop tcp;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick, second;
    uv_tcp_t *listeners;
    size_t n_listeners, n_own; // the first are the token service's, the rest the enrolment's
    uv_thread_t thread;
    int64_t looked_ms; // whether something was revoked
    _Atomic(struct gw_generation *) next;
    _Atomic(int64_t) failed_ms;      // monotonic: when a store last failed; 0: never
    _Atomic(const char *) keys_what; // static: why the signing keys cannot be looked after at present; NULL: they can
    atomic_bool drain, stop, drained;
    bool made, started, over;
    void (*on_drained)(void *ctx); // from the server's thread
    void *ctx;
};

// Opens the stores, makes what is not there, and takes over the listening `fds` (of authority.addresses, then of enrolment.addresses) and both
// references. What went wrong is in `diags`, under the
// place of its key. 0 or an error, after which gw_authority_server_stop and _fini are still due.
int gw_authority_server_init(struct gw_authority_server *s, const struct gw_shared *shared, unsigned producer,
                             const int *fds, size_t n_fds, struct gw_snapshot *snapshot,
                             struct gw_revocations *revocations, struct diags *diags);
int gw_authority_server_start(struct gw_authority_server *s);
// From the control thread; `g` is taken over. A snapshot without the role is not taken up.
void gw_authority_server_adopt(struct gw_authority_server *s, struct gw_generation *g);
void gw_authority_server_drain(struct gw_authority_server *s);
// Ends the thread, cutting what is still there, closes the stores and joins. One that was never started ends as well, and so does a zeroed one.
void gw_authority_server_stop(struct gw_authority_server *s);
// Frees a stopped one, when the audit it listens to is closed.
void gw_authority_server_fini(struct gw_authority_server *s);
// For readiness, from any thread: static text, or SPAN_NONE when it can do its work.
struct span gw_authority_server_fault(struct gw_authority_server *s, int64_t mono_ms);

#endif

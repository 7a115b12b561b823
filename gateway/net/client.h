// SPDX-License-Identifier: GPL-3.0-or-later
// A client's connection: TLS below, HTTP/1.1 above, one flow (flow.h) at a time. It decides when bytes are taken and when they are
// sent, keeps the deadlines of a client that is slow in any way, and closes so that the other side can tell a whole answer
// from a cut one: close_notify only after the last byte of one.
#ifndef SALLYPORT_NET_CLIENT_H
#define SALLYPORT_NET_CLIENT_H

#include "gateway/net/accepted.h"
#include "gateway/net/core.h"

struct gw_client {
    struct gw_accepted conn;
    struct gw_core *core;
    struct gw_client *next, *prev;
    struct gw_h1 h1;
    struct gw_h1_limits limits;
    struct gw_config_timeouts timeouts;
    struct gw_flow *flow; // NULL between requests
    struct buf held;      // plaintext that was not taken yet: pipelined, or the flow cannot take more
    size_t answer_at;     // of conn.out: where the present answer begins, while all of that is there; else SIZE_MAX
    int64_t began_ms;     // of the handshake, or of the present request's head or body
    int64_t accepted_ns;
    int flow_state; // in which the flow was last seen, and since when it is
    int64_t since_ms;
    int64_t paused_until_ms; // no request is taken before; 0: now
    unsigned place;          // at the door, during the handshake
    bool inside;             // the handshake is over
    bool pumping;            // inside the loop that takes bytes
    bool hold;               // conn.out waits for the audit writer
    bool last;               // no request after this one
};

// The client frees itself when closed. NULL: out of memory, or not accepted.
struct gw_client *gw_client_new(struct gw_core *core, gw_accept accept, void *ctx);
// Ends it now, without close_notify: the client sees a cut.
void gw_client_cut(struct gw_client *c);
// The core drains: a connection closes with the next answer, which says so, or when it has been idle for a moment.
void gw_client_drain(struct gw_client *c);

// For the flow.
// Queues plaintext; sent at the end of the wake-up. gw_client_out is what it is queued in, to be appended to.
void gw_client_send(struct gw_client *c, struct span bytes);
struct buf *gw_client_out(struct gw_client *c);
// Sends what is queued, and then these, which are many and not the last of an answer.
void gw_client_pass(struct gw_client *c, struct span bytes);
// What is queued from now on, in what it gives back, is an answer. gw_client_retract takes it back; false: some of it has gone out.
struct buf *gw_client_begin_answer(struct gw_client *c);
bool gw_client_retract(struct gw_client *c);
bool gw_client_congested(const struct gw_client *c);
// The answer is whole and recorded: what was held goes out. The flow is freed and the connection goes on or ends (`close`).
void gw_client_done(struct gw_client *c, bool close);
// The flow can take more of the request; also to be called after anything was sent outside of the client's own wake-up.
void gw_client_resume(struct gw_client *c);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// What pool.c, which says who gets which connection, and upstream.c, which speaks on it, share. Not for other files.
#ifndef SALLYPORT_NET_UPSTREAM_INSIDE_H
#define SALLYPORT_NET_UPSTREAM_INSIDE_H

#include "gateway/net/upstream.h"

#define GW_POOL_UNTIL "no answer within the time that the client gave"

enum gw_upstream_state { GW_UP_CONNECTING, GW_UP_HANDSHAKE, GW_UP_BUSY, GW_UP_IDLE, GW_UP_CLOSING };

struct gw_upstream {
    struct gw_socket socket;
    struct gw_pool *pool;
    struct gw_pool_endpoint *at;     // counted
    struct gw_call *call;            // NULL when idle or closing
    struct gw_upstream *next, *prev; // among the idle
    struct gw_deadline deadline;
    struct gw_tls_engine tls;
    struct gw_h1 h1;
    struct buf held; // plaintext that a paused call has not taken
    size_t queued;   // what waited to go out when the deadline was last looked at
    unsigned nth;    // send of its call
    int64_t sent_ms; // when that was whole
    int64_t sent_ns; // likewise; 0: nobody wants to know
    enum gw_upstream_state state;
    bool secure, reused, heard, pumping;
    bool hedge;   // the call has, or had, another connection beside it
    bool early;   // the answer began before the request was whole
    bool ended;   // the shard closed its side; acted upon when what it sent before was taken
    bool refused; // nobody took the connection, which was said at once
};

// ---- upstream.c

// Opens a connection to `at` for the call. 0, or an error that leaves nothing behind.
int gw_upstream_open(struct gw_pool *p, struct gw_pool_endpoint *at, struct gw_call *c);
// The call is on this kept connection now, which has left the idle ones.
void gw_upstream_reuse(struct gw_upstream *u, struct gw_call *c);
void gw_upstream_close(struct gw_upstream *u);

// Whether it is the client's patience that it runs out of first.
static inline bool gw_call_is_hurried(const struct gw_call *c)
{
    return c->until_ms != 0 && c->answer_by_ms >= c->until_ms;
}

// ---- care.c

// The request begins. False: the shard has as many as it can work on.
bool gw_pool_admit(struct gw_call *c);
// It is over, however: it may be started again.
void gw_pool_release(struct gw_call *c);
// What a request, or a try of it, came to: a status, or 0.
void gw_pool_count(struct gw_pool *p, unsigned status);
// The head of an answer is here.
void gw_pool_heard(struct gw_upstream *u);
// A whole answer, or one that is thrown away for another try.
void gw_pool_answered(struct gw_upstream *u, unsigned status);
// The connection's request failed after it had begun to go out.
void gw_pool_unanswered(struct gw_upstream *u, int err);
// Whether it goes out once more, to another endpoint, or as a kept connection turned out to be dead to any; `err` is why. Takes it out of the budget.
bool gw_pool_may_send_again(struct gw_upstream *u, int err);

// ---- hedge.c

// The request is whole: should no answer come in usual time, another endpoint gets it as well.
void gw_hedge_arm(struct gw_call *c);
// How long the connection's answer took, or would have at least.
void gw_hedge_learn(struct gw_upstream *u);
// The connection, which is about to be closed, leaves its call to the other one. False: there is no other.
bool gw_hedge_leave(struct gw_upstream *u);
// It has the answer's head: the other one is closed, and u->call->response holds the head.
void gw_hedge_answered(struct gw_upstream *u);

// ---- pool.c

// Finds a connection for the call, or lets it wait, or fails it.
void gw_pool_attempt(struct gw_call *c);
void gw_pool_enqueue(struct gw_call *c);
void gw_pool_unqueue(struct gw_call *c);
// For a call that is out, one more connection, if one is to be had at once.
bool gw_pool_attempt_beside(struct gw_call *c);
// Whether there is an endpoint that the call has not tried yet.
bool gw_pool_has_other(const struct gw_pool *p, const struct gw_call *c);
// … and that could take it now.
bool gw_pool_has_good(const struct gw_pool *p, const struct gw_call *c);
// Its call does not go there again.
void gw_pool_mark_tried(struct gw_upstream *u);
void gw_pool_serve_waiting(struct gw_pool *p);
// Among the idle ones of its endpoint, and out of them.
void gw_pool_keep(struct gw_upstream *u);
void gw_pool_unkeep(struct gw_upstream *u);
// What came of a connection: told of each that was opened, once.
enum gw_pool_outcome { GW_POOL_CONNECTED, GW_POOL_REFUSED, GW_POOL_FAILED };
void gw_pool_outcome(struct gw_pool *p, struct gw_pool_endpoint *at, enum gw_pool_outcome outcome);
void gw_pool_endpoint_unref(struct gw_pool_endpoint *at);

#endif

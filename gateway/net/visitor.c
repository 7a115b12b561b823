// SPDX-License-Identifier: GPL-3.0-or-later
// The connection of a visitor: bytes, TLS, deadlines, the end. What a request is answered with is visitor_request.c's.
#include "gateway/net/visitor.h"

#include "gateway/net/visitor_inside.h"

#include <stdlib.h>

// How long a record may be on its way to the disk.
#define AUDIT_MS 15000
// Plaintext that is kept while a request is decided; then the socket is not read any more.
#define HELD_MAX (32u << 10)

struct gw_h1_limits gw_visitors_limits(void)
{
    struct gw_h1_limits l = gw_h1_default_limits;
    l.header_bytes = 16u << 10;
    l.header_count = 64;
    l.body = GW_VISITOR_BODY;
    return l;
}

static int64_t now_ms(const struct gw_visitor *c)
{
    return c->server->now.mono_ms;
}

void gw_visitor_enter(struct gw_visitor *c, enum gw_visitor_state state)
{
    c->server->n_waiting -= c->state == GW_VISITOR_WAITS;
    c->server->n_waiting += state == GW_VISITOR_WAITS;
    c->state = state;
    c->since_ms = now_ms(c);
}

// -------------------------------------------------------------------------------------------------------- sending

static struct gw_visitor *visitor_of(struct gw_accepted *a)
{
    return (struct gw_visitor *)((char *)a - offsetof(struct gw_visitor, conn));
}

static void on_flush(struct gw_accepted *a)
{
    gw_accepted_send(a);
    if (buf_len(&a->out) == 0)
        buf_wipe(&a->out); // it may have been a token
}

static void end_request(struct gw_visitor *c)
{
    gw_visitor_enter(c, GW_VISITOR_IDLE);
    gw_visitor_request_free(c->r);
    c->r = NULL;
}

static void on_closing(struct gw_accepted *a)
{
    end_request(visitor_of(a));
}

static void linger(struct gw_visitor *c)
{
    buf_wipe(&c->held);
    gw_accepted_linger(&c->conn);
}

static void on_handshake(struct gw_accepted *a, int err, const char *detail)
{
    struct gw_visitors *s = visitor_of(a)->server;
    s->ops->handshake(s->ctx, a->remote, err, detail, err == 0 && a->tls.facts.resumed);
}

// ------------------------------------------------------------------------------------------------------- deadlines

static void arm(struct gw_visitor *c)
{
    const struct gw_config_timeouts *t = &c->server->timeouts;
    int64_t due = now_ms(c) + t->idle;
    if (c->conn.socket.closing || c->conn.lingering)
        return;
    if (c->conn.tls.state == GW_TLS_HANDSHAKE)
        due = c->since_ms + t->handshake;
    else if (c->conn.socket.congested)
        ; // moves only with what the client takes
    else if (c->state == GW_VISITOR_HEAD)
        due = c->since_ms + t->header;
    else if (c->state == GW_VISITOR_BODY_STATE)
        due = c->since_ms + t->body;
    else if (c->state == GW_VISITOR_WAITS)
        due = c->r->visit.wait_until_ms;
    else if (c->state == GW_VISITOR_RECORD)
        due = c->since_ms + AUDIT_MS;
    gw_deadline_set(&c->server->wheel, &c->conn.deadline, due);
}

static void resume(struct gw_visitor *c);

static void on_due(struct gw_deadline *d)
{
    struct gw_visitor *c = (struct gw_visitor *)((char *)d - offsetof(struct gw_visitor, conn.deadline));
    if (gw_accepted_due(&c->conn))
        return;
    switch (c->state) {
    case GW_VISITOR_HEAD:
    case GW_VISITOR_BODY_STATE: gw_visitor_refuse(c, ERR_HTTP_TIMEOUT, NULL); break;
    case GW_VISITOR_WAITS: gw_visitor_ask_again(c, true); break;
    case GW_VISITOR_RECORD:
        gw_accepted_close(&c->conn);
        return; // a disk that hangs does not fail: no record, no answer
    default: linger(c); return;
    }
    resume(c);
}

// -------------------------------------------------------------------------------------------------------- taking

static bool takes(const struct gw_visitor *c)
{
    if (c->conn.socket.closing || c->conn.lingering || c->conn.socket.congested || c->conn.out.failed)
        return false;
    return c->state == GW_VISITOR_HEAD || c->state == GW_VISITOR_BODY_STATE ||
           (c->state == GW_VISITOR_IDLE && !c->last);
}

// Takes as much of `in` as can be taken now. Returns how much.
static size_t take(struct gw_visitor *c, struct span in)
{
    size_t used = 0;
    while (takes(c)) {
        if (!c->r && used == in.n)
            break;
        if (!c->r && !gw_visitor_begin(c)) {
            gw_accepted_close(&c->conn);
            break;
        }
        size_t n = 0;
        enum gw_h1_event event = gw_h1_feed(&c->h1, span_sub(in, used, in.n), &n);
        used += n;
        if (event == GW_H1_NEED_MORE)
            break;
        switch (event) {
        case GW_H1_HEAD:
            gw_visitor_on_head(c);
            // Without a body the end is due at once, and the parser is ready for the next request whatever becomes of this one.
            if (!c->r->whole)
                break;
            gw_h1_feed(&c->h1, SPAN(""), &n);
            if (c->state == GW_VISITOR_BODY_STATE)
                gw_visitor_on_end(c);
            break;
        case GW_H1_BODY: gw_visitor_on_body(c, c->h1.body); break;
        case GW_H1_END: gw_visitor_on_end(c); break;
        default: gw_visitor_refuse(c, c->h1.error, c->h1.what); break;
        }
        if (c->state == GW_VISITOR_ANSWERED) {
            if (!c->r->whole) {
                // The rest of this request is not read.
                c->last = true;
                used = in.n;
            }
            end_request(c);
        }
    }
    return used;
}

static void pump(struct gw_visitor *c, struct span in)
{
    if (c->pumping)
        return;
    c->pumping = true;
    if (in.n > 0 && !buf_append(&c->held, in))
        gw_accepted_close(&c->conn);
    size_t used = 1;
    while (!c->conn.socket.closing && used > 0 && buf_len(&c->held) > 0 && takes(c)) {
        used = take(c, buf_span(&c->held));
        buf_consume(&c->held, used);
    }
    if (buf_len(&c->held) == 0)
        buf_wipe(&c->held);
    c->pumping = false;
}

// The end of every wake-up: what was produced goes out, and what can happen next is looked at once.
static void settle(struct gw_visitor *c)
{
    if (c->conn.socket.closing || c->pumping)
        return;
    if (c->conn.out.failed) {
        gw_accepted_close(&c->conn);
        return;
    }
    on_flush(&c->conn);
    if (c->conn.socket.closing || c->conn.lingering)
        return;
    if (c->conn.tls.state == GW_TLS_FAILED) {
        gw_accepted_close(&c->conn);
        return;
    }
    if (!c->r && (c->last || (c->conn.ended && buf_len(&c->held) == 0))) {
        linger(c);
        return;
    }
    if (c->conn.ended && c->r && c->state != GW_VISITOR_RECORD && buf_len(&c->held) == 0) {
        gw_accepted_close(&c->conn); // in the middle of a request, or it waited for something and left
        return;
    }
    // With nothing held back reading stays on, so that a client that goes away is noticed.
    bool full = buf_len(&c->held) >= HELD_MAX || c->conn.socket.congested || !gw_tls_wants_input(&c->conn.tls);
    gw_socket_read(&c->conn.socket, !full && !c->conn.ended);
    arm(c);
}

static void resume(struct gw_visitor *c)
{
    if (c->conn.socket.closing || c->pumping)
        return;
    if (c->state == GW_VISITOR_ANSWERED) {
        c->last = c->last || !c->r->whole;
        end_request(c);
    }
    if (c->conn.tls.state == GW_TLS_OPEN || c->conn.tls.state == GW_TLS_PEER_CLOSED)
        pump(c, SPAN(""));
    settle(c);
}

// ------------------------------------------------------------------------------------------------------- the socket

static void on_plain(struct gw_accepted *a, struct span bytes)
{
    pump(visitor_of(a), bytes);
}

static void on_settle(struct gw_accepted *a)
{
    settle(visitor_of(a));
}

static void on_drained(struct gw_accepted *a)
{
    resume(visitor_of(a));
}

static void on_closed(struct gw_accepted *a)
{
    struct gw_visitor *c = visitor_of(a);
    struct gw_visitors *server = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        server->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    server->n_open--;
    buf_wipe(&c->held);
    free(c);
    if (server->draining && server->n_open == 0)
        server->ops->on_idle(server->ctx);
}

// ------------------------------------------------------------------------------------------------------- the server

static const struct gw_accepted_ops ops = {
    .handshake = on_handshake,
    .plain = on_plain,
    .settle = on_settle,
    .flush = on_flush,
    .drained = on_drained,
    .closing = on_closing,
    .closed = on_closed,
};

// Who has been doing nothing for longest, or is slowest: nobody may keep others out by connections that ask for nothing. NULL: all are being answered.
static struct gw_visitor *laggard(const struct gw_visitors *s, const struct gw_visitor *but)
{
    struct gw_visitor *oldest = NULL;
    for (struct gw_visitor *c = s->first; c; c = c->next)
        if (c != but && !c->conn.socket.closing && c->state != GW_VISITOR_WAITS && c->state != GW_VISITOR_RECORD &&
            (!oldest || c->since_ms <= oldest->since_ms)) // the newest come first in the list
            oldest = c;
    return oldest;
}

static void refuse_one(struct gw_visitors *s, struct gw_visitor *c)
{
    if (c->conn.tls.state == GW_TLS_HANDSHAKE)
        s->ops->handshake(s->ctx, c->conn.remote, ERR_OVERLOADED, NULL, false);
    gw_accepted_close(&c->conn);
}

struct gw_visitor *gw_visitor_new(struct gw_visitors *s, gw_accept accept, void *ctx)
{
    struct gw_visitor *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = s;
    c->limits = s->limits;
    c->conn.ops = &ops;
    c->conn.on_due = on_due;
    c->conn.wheel = &s->wheel;
    c->conn.now = &s->now;
    c->conn.idle_ms = s->timeouts.idle;
    buf_init(&c->held, 0);
    gw_h1_init_server(&c->h1, &c->limits);
    if (gw_accepted_init(&c->conn, s->tls, s->trust, accept, ctx) != 0) {
        free(c);
        return NULL;
    }
    c->next = s->first;
    if (c->next)
        c->next->prev = c;
    s->first = c;
    s->n_open++;
    c->since_ms = now_ms(c);
    // Over the bound somebody else goes; or it is accepted and closed, since waiting in the kernel's queue would only hide it from its sender.
    if (s->n_open > s->max_open) {
        struct gw_visitor *other = laggard(s, c);
        refuse_one(s, other ? other : c);
        if (!other)
            return c;
    }
    gw_socket_read(&c->conn.socket, true);
    arm(c);
    return c;
}

void gw_visitors_changed(struct gw_visitors *s)
{
    for (struct gw_visitor *c = s->first; c; c = c->next)
        if (c->state == GW_VISITOR_WAITS && !c->conn.socket.closing) {
            gw_visitor_ask_again(c, false);
            resume(c);
        }
}

void gw_visitors_recorded(struct gw_visitors *s)
{
    for (struct gw_visitor *c = s->first; c; c = c->next)
        if (c->state == GW_VISITOR_RECORD && !c->conn.socket.closing) {
            gw_visitor_try_answer(c);
            resume(c);
        }
}

void gw_visitors_drain(struct gw_visitors *s)
{
    s->draining = true;
    // Nobody is freed here: a socket that closes says so later.
    for (struct gw_visitor *c = s->first; c; c = c->next) {
        if (c->conn.socket.closing || c->conn.lingering)
            continue;
        c->last = true;
        if (c->conn.tls.state == GW_TLS_HANDSHAKE) {
            gw_accepted_close(&c->conn);
            continue;
        }
        if (c->state == GW_VISITOR_WAITS)
            gw_visitor_ask_again(c, true);
        resume(c);
    }
    if (s->n_open == 0)
        s->ops->on_idle(s->ctx);
}

void gw_visitors_cut(struct gw_visitors *s)
{
    for (struct gw_visitor *c = s->first; c; c = c->next)
        gw_accepted_close(&c->conn);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The connection of a visitor: bytes, TLS, deadlines, the end. What a request is answered with is visitor_request.c's.
#include "gateway/net/visitor.h"

#include "gateway/net/visitor_inside.h"

#include <stdlib.h>

// How long a closing connection is read from, so that the last answer is not lost to a reset.
#define LINGER_MS 2000
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

static void flush_tls(struct gw_visitor *c)
{
    struct span out = gw_tls_output(&c->tls);
    if (out.n == 0)
        return;
    gw_socket_write(&c->socket, out);
    gw_tls_sent(&c->tls, out.n);
}

static void flush(struct gw_visitor *c)
{
    while (buf_len(&c->out) > 0 && !c->socket.closing) {
        ssize_t n = gw_tls_write(&c->tls, buf_span(&c->out));
        if (n < 0)
            break;
        buf_consume(&c->out, (size_t)n);
        flush_tls(c);
    }
    if (buf_len(&c->out) == 0)
        buf_wipe(&c->out); // it may have been a token
    flush_tls(c);
}

static void end_request(struct gw_visitor *c)
{
    gw_visitor_enter(c, GW_VISITOR_IDLE);
    gw_visitor_request_free(c->r);
    c->r = NULL;
}

static void close_socket(struct gw_visitor *c)
{
    if (c->socket.closing)
        return;
    end_request(c);
    gw_deadline_remove(&c->deadline);
    gw_socket_close(&c->socket);
}

static void arm_linger(struct gw_visitor *c)
{
    c->unsent = c->socket.queued;
    gw_deadline_set(&c->server->wheel, &c->deadline,
                    now_ms(c) + (c->unsent > 0 ? c->server->timeouts.idle : LINGER_MS));
}

// Everything due was sent: close_notify, FIN, and then reading until the client has closed too, since a reset would take away what is
// still on its way.
static void linger(struct gw_visitor *c)
{
    if (c->lingering || c->socket.closing)
        return;
    c->lingering = true;
    flush(c);
    gw_tls_shutdown(&c->tls);
    flush_tls(c);
    gw_socket_shutdown(&c->socket);
    buf_wipe(&c->held);
    if (c->ended) {
        close_socket(c);
        return;
    }
    gw_socket_read(&c->socket, true);
    arm_linger(c);
}

static void handshake_failed(struct gw_visitor *c, int err, const char *detail)
{
    struct gw_visitors *s = c->server;
    s->ops->handshake(s->ctx, c->remote, err, detail, false);
    flush_tls(c); // the alert
    gw_socket_shutdown(&c->socket);
    c->lingering = true;
    arm_linger(c);
}

// ------------------------------------------------------------------------------------------------------- deadlines

static void arm(struct gw_visitor *c)
{
    const struct gw_config_timeouts *t = &c->server->timeouts;
    int64_t due = now_ms(c) + t->idle;
    if (c->socket.closing || c->lingering)
        return;
    if (c->tls.state == GW_TLS_HANDSHAKE)
        due = c->since_ms + t->handshake;
    else if (c->socket.congested)
        ; // moves only with what the client takes
    else if (c->state == GW_VISITOR_HEAD)
        due = c->since_ms + t->header;
    else if (c->state == GW_VISITOR_BODY_STATE)
        due = c->since_ms + t->body;
    else if (c->state == GW_VISITOR_WAITS)
        due = c->r->visit.wait_until_ms;
    else if (c->state == GW_VISITOR_RECORD)
        due = c->since_ms + AUDIT_MS;
    gw_deadline_set(&c->server->wheel, &c->deadline, due);
}

static void resume(struct gw_visitor *c);

static void on_due(struct gw_deadline *d)
{
    struct gw_visitor *c = (struct gw_visitor *)((char *)d - offsetof(struct gw_visitor, deadline));
    if (c->lingering && c->socket.queued < c->unsent) {
        arm_linger(c);
        return;
    }
    if (c->lingering || c->socket.congested) {
        close_socket(c);
        return;
    }
    if (c->tls.state == GW_TLS_HANDSHAKE) {
        handshake_failed(c, ERR_TLS, "the handshake took too long");
        return;
    }
    switch (c->state) {
    case GW_VISITOR_HEAD:
    case GW_VISITOR_BODY_STATE: gw_visitor_refuse(c, ERR_HTTP_TIMEOUT, NULL); break;
    case GW_VISITOR_WAITS: gw_visitor_ask_again(c, true); break;
    case GW_VISITOR_RECORD: close_socket(c); return; // a disk that hangs does not fail: no record, no answer
    default: linger(c); return;
    }
    resume(c);
}

// -------------------------------------------------------------------------------------------------------- taking

static bool takes(const struct gw_visitor *c)
{
    if (c->socket.closing || c->lingering || c->socket.congested || c->out.failed)
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
            close_socket(c);
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
        close_socket(c);
    size_t used = 1;
    while (!c->socket.closing && used > 0 && buf_len(&c->held) > 0 && takes(c)) {
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
    if (c->socket.closing || c->pumping)
        return;
    if (c->out.failed) {
        close_socket(c);
        return;
    }
    flush(c);
    if (c->socket.closing || c->lingering)
        return;
    if (c->tls.state == GW_TLS_FAILED) {
        close_socket(c);
        return;
    }
    if (!c->r && (c->last || (c->ended && buf_len(&c->held) == 0))) {
        linger(c);
        return;
    }
    if (c->ended && c->r && c->state != GW_VISITOR_RECORD && buf_len(&c->held) == 0) {
        close_socket(c); // in the middle of a request, or it waited for something and left
        return;
    }
    // With nothing held back reading stays on, so that a client that goes away is noticed.
    bool full = buf_len(&c->held) >= HELD_MAX || c->socket.congested || !gw_tls_wants_input(&c->tls);
    gw_socket_read(&c->socket, !full && !c->ended);
    arm(c);
}

static void resume(struct gw_visitor *c)
{
    if (c->socket.closing || c->pumping)
        return;
    if (c->state == GW_VISITOR_ANSWERED) {
        c->last = c->last || !c->r->whole;
        end_request(c);
    }
    if (c->tls.state == GW_TLS_OPEN || c->tls.state == GW_TLS_PEER_CLOSED)
        pump(c, SPAN(""));
    settle(c);
}

// ------------------------------------------------------------------------------------------------------- the socket

static void input_ended(struct gw_visitor *c)
{
    c->ended = true;
    if (c->lingering)
        close_socket(c);
    else
        settle(c);
}

static void on_bytes(struct gw_socket *s, struct span in)
{
    struct gw_visitor *c = s->owner;
    if (c->lingering)
        return;
    c->fed = true;
    bool handshake = c->tls.state == GW_TLS_HANDSHAKE;
    int err = gw_tls_feed(&c->tls, in, c->server->now.wall_ms / 1000);
    if (handshake && err != 0) {
        handshake_failed(c, err, c->tls.detail);
        return;
    }
    if (handshake && c->tls.state == GW_TLS_OPEN)
        c->server->ops->handshake(c->server->ctx, c->remote, 0, NULL, c->tls.facts.resumed);
    char plain[16384];
    ssize_t n;
    while (!c->socket.closing && !c->lingering && (n = gw_tls_read(&c->tls, plain, sizeof plain)) > 0)
        pump(c, span_of(plain, (size_t)n));
    if (c->socket.closing || c->lingering)
        return;
    if (c->tls.state == GW_TLS_FAILED)
        close_socket(c);
    else if (c->tls.state == GW_TLS_PEER_CLOSED && !c->ended)
        input_ended(c);
    else
        settle(c);
}

static void on_end(struct gw_socket *s)
{
    struct gw_visitor *c = s->owner;
    if (c->tls.state == GW_TLS_HANDSHAKE && !c->lingering) {
        if (c->fed) // a port scan that sent nothing is not worth a record
            handshake_failed(c, ERR_TLS, "the client left during the handshake");
        close_socket(c);
        return;
    }
    bool cut = gw_tls_feed_eof(&c->tls) != 0;
    if (c->lingering || cut)
        close_socket(c);
    else if (!c->ended)
        input_ended(c);
}

static void on_error(struct gw_socket *s, int why)
{
    struct gw_visitor *c = s->owner;
    (void)why;
    if (c->tls.state == GW_TLS_HANDSHAKE && c->fed && !c->lingering)
        handshake_failed(c, ERR_TLS, "the connection broke during the handshake");
    close_socket(c);
}

static void on_drained(struct gw_socket *s)
{
    struct gw_visitor *c = s->owner;
    if (!c->lingering)
        resume(c);
}

static void on_closed(struct gw_socket *s)
{
    struct gw_visitor *c = s->owner;
    struct gw_visitors *server = c->server;
    if (c->prev)
        c->prev->next = c->next;
    else
        server->first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    server->n_open--;
    gw_tls_fini(&c->tls);
    buf_wipe(&c->held);
    buf_wipe(&c->out);
    free(c);
    if (server->draining && server->n_open == 0)
        server->ops->on_idle(server->ctx);
}

// ------------------------------------------------------------------------------------------------------- the server

struct gw_visitor *gw_visitor_new(struct gw_visitors *s, gw_accept accept, void *ctx)
{
    struct gw_visitor *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->server = s;
    c->limits = s->limits;
    c->deadline.on_due = on_due;
    c->socket = (struct gw_socket){ .owner = c,
                                    .on_bytes = on_bytes,
                                    .on_end = on_end,
                                    .on_error = on_error,
                                    .on_drained = on_drained,
                                    .on_closed = on_closed };
    buf_init(&c->held, 0);
    buf_init(&c->out, 0);
    gw_h1_init_server(&c->h1, &c->limits);
    if (gw_tls_server_init(&c->tls, s->tls, s->trust) != 0) {
        free(c);
        return NULL;
    }
    if (accept(ctx, &c->socket, c->remote) != 0) {
        gw_tls_fini(&c->tls);
        free(c);
        return NULL;
    }
    c->next = s->first;
    if (c->next)
        c->next->prev = c;
    s->first = c;
    s->n_open++;
    c->since_ms = now_ms(c);
    // Over the bound it is accepted and closed, since waiting in the kernel's queue would only hide it from its sender.
    if (s->n_open > s->max_open) {
        s->ops->handshake(s->ctx, c->remote, ERR_OVERLOADED, NULL, false);
        close_socket(c);
        return c;
    }
    gw_socket_read(&c->socket, true);
    arm(c);
    return c;
}

void gw_visitors_changed(struct gw_visitors *s)
{
    for (struct gw_visitor *c = s->first; c; c = c->next)
        if (c->state == GW_VISITOR_WAITS && !c->socket.closing) {
            gw_visitor_ask_again(c, false);
            resume(c);
        }
}

void gw_visitors_recorded(struct gw_visitors *s)
{
    for (struct gw_visitor *c = s->first; c; c = c->next)
        if (c->state == GW_VISITOR_RECORD && !c->socket.closing) {
            gw_visitor_try_answer(c);
            resume(c);
        }
}

void gw_visitors_drain(struct gw_visitors *s)
{
    s->draining = true;
    // Nobody is freed here: a socket that closes says so later.
    for (struct gw_visitor *c = s->first; c; c = c->next) {
        if (c->socket.closing || c->lingering)
            continue;
        c->last = true;
        if (c->tls.state == GW_TLS_HANDSHAKE) {
            close_socket(c);
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
        close_socket(c);
}

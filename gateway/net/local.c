// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/local.h"

#include "gateway/net/relay.h"

#include <stdlib.h>

#define HEAD_MS 30000   // for a head, and for more of a body that has stopped coming
#define IDLE_MS 300000  // between two requests: longer than clients keep their connections
#define STUCK_MS 120000 // for an application that takes nothing of its answer
#define LINGER_MS 2000
#define OUT_HIGH (64u << 10)

static int64_t now_ms(const struct gw_local *l)
{
    return gw_connector_mono(l->connector);
}

static void due_in(struct gw_local *l, int64_t ms)
{
    gw_deadline_set(l->connector->ground.wheel, &l->deadline, now_ms(l) + ms);
}

// -------------------------------------------------------------------------------------------------------- sending

static void flush(struct gw_local *l)
{
    if (l->relay)
        gw_relay_flush(l->relay);
    if (buf_len(&l->out) > 0 && !l->socket.closing) {
        gw_socket_write(&l->socket, buf_span(&l->out));
        buf_clear(&l->out);
    }
    buf_release(&l->out);
}

void gw_local_send(struct gw_local *l, struct span bytes)
{
    if (l->out.failed) // settle closes it: not here, below a relay that goes on
        return;
    if (buf_len(&l->out) >= OUT_HIGH)
        flush(l);
    buf_append(&l->out, bytes);
}

// -------------------------------------------------------------------------------------------------------- closing

static void close_socket(struct gw_local *l)
{
    if (l->socket.closing)
        return;
    if (l->relay) {
        struct gw_relay *r = l->relay;
        l->relay = NULL;
        gw_relay_free(r);
    }
    gw_deadline_remove(&l->deadline);
    gw_socket_close(&l->socket);
}

void gw_local_cut(struct gw_local *l)
{
    close_socket(l);
}

static void arm_linger(struct gw_local *l)
{
    l->unsent = l->socket.queued;
    due_in(l, l->unsent > 0 ? STUCK_MS : LINGER_MS);
}

// Everything due was sent: FIN, and then reading until the application has closed too, since a reset would take away what is still on its way.
static void linger(struct gw_local *l)
{
    if (l->lingering || l->socket.closing)
        return;
    l->lingering = true;
    flush(l);
    gw_socket_shutdown(&l->socket);
    buf_fini(&l->held);
    if (l->ended) {
        close_socket(l);
        return;
    }
    gw_socket_read(&l->socket, true);
    arm_linger(l);
}

void gw_local_done(struct gw_local *l, bool close)
{
    struct gw_relay *r = l->relay;
    l->relay = NULL;
    gw_relay_free(r);
    l->last = l->last || close || l->connector->draining;
}

void gw_local_drain(struct gw_local *l)
{
    l->last = true;
    gw_local_resume(l);
}

// ------------------------------------------------------------------------------------------------------- deadlines

static void arm(struct gw_local *l)
{
    if (l->socket.closing || l->lingering)
        return;
    if (l->socket.congested)
        due_in(l, STUCK_MS);
    else if (!l->relay)
        due_in(l, IDLE_MS);
    else if (gw_relay_takes(l->relay))
        due_in(l, HEAD_MS); // moves with what comes
    else
        gw_deadline_clear(&l->deadline); // the gateway's turn, or the token's: both have deadlines of their own
}

static void on_due(struct gw_deadline *d)
{
    struct gw_local *l = (struct gw_local *)((char *)d - offsetof(struct gw_local, deadline));
    if (l->lingering && l->socket.queued < l->unsent) {
        arm_linger(l);
        return;
    }
    if (l->lingering || l->socket.congested) {
        close_socket(l);
        return;
    }
    if (!l->relay) {
        linger(l);
        return;
    }
    gw_relay_bad(l->relay, ERR_HTTP_TIMEOUT, NULL);
    gw_local_resume(l);
}

// --------------------------------------------------------------------------------------------------------- taking

static bool takes(const struct gw_local *l)
{
    if (l->socket.closing || l->lingering || l->socket.congested)
        return false;
    return l->relay ? gw_relay_takes(l->relay) : !l->last;
}

static bool begin(struct gw_local *l)
{
    l->relay = gw_relay_new(l);
    if (!l->relay) {
        close_socket(l);
        return false;
    }
    gw_h1_begin_request(&l->h1, &l->relay->arena, &l->relay->request);
    return true;
}

// Takes as much of `in` as can be taken now. Returns how much.
static size_t take(struct gw_local *l, struct span in)
{
    size_t used = 0;
    while (takes(l)) {
        if (!l->relay && (used == in.n || !begin(l)))
            break;
        size_t n = 0;
        enum gw_h1_event event = gw_h1_feed(&l->h1, span_sub(in, used, in.n), &n);
        used += n;
        if (event == GW_H1_NEED_MORE)
            break;
        switch (event) {
        case GW_H1_HEAD:
            // Without a body the end is due at once, and the parser is ready for the next request whatever becomes of this one.
            if (l->relay->request.framing == GW_FRAMING_NONE)
                gw_h1_feed(&l->h1, SPAN(""), &n);
            gw_relay_head(l->relay);
            break;
        case GW_H1_BODY: gw_relay_body(l->relay, l->h1.body); break;
        case GW_H1_END: gw_relay_end(l->relay); break;
        default: gw_relay_bad(l->relay, l->h1.error, l->h1.what); return used;
        }
    }
    return used;
}

static void pump(struct gw_local *l, struct span in)
{
    if (l->pumping) { // a callback below us asked; the loop above it goes on by itself
        if (in.n > 0 && !buf_append(&l->held, in))
            close_socket(l);
        return;
    }
    l->pumping = true;
    if (buf_len(&l->held) > 0) {
        if (in.n > 0 && !buf_append(&l->held, in))
            close_socket(l);
        size_t used;
        while (!l->socket.closing && buf_len(&l->held) > 0 && takes(l) && (used = take(l, buf_span(&l->held))) > 0 &&
               !l->lingering)
            buf_consume(&l->held, used);
        buf_release(&l->held);
    } else {
        size_t used = take(l, in);
        if (used < in.n && !l->socket.closing && !l->lingering && !buf_append(&l->held, span_sub(in, used, in.n)))
            close_socket(l);
    }
    l->pumping = false;
}

// The end of every wake-up: what was produced goes out, and what can happen next is looked at once.
static void settle(struct gw_local *l)
{
    if (l->socket.closing || l->pumping)
        return;
    if (l->out.failed) { // half of an answer is worse than none
        close_socket(l);
        return;
    }
    flush(l);
    if (l->socket.closing || l->lingering)
        return;
    bool quiet = !l->relay && buf_len(&l->out) == 0;
    if (quiet && (l->last || (l->ended && buf_len(&l->held) == 0))) {
        linger(l);
        return;
    }
    if (l->ended && l->relay && gw_relay_takes(l->relay) && buf_len(&l->held) == 0) {
        close_socket(l); // in the middle of a request
        return;
    }
    bool full = buf_len(&l->held) >= GW_SOCKET_LOW || l->socket.congested;
    gw_socket_read(&l->socket, !full && !l->ended);
    arm(l);
}

void gw_local_resume(struct gw_local *l)
{
    if (l->socket.closing || l->pumping)
        return;
    pump(l, SPAN(""));
    settle(l);
}

// ------------------------------------------------------------------------------------------------------ the socket

static void on_bytes(struct gw_socket *s, struct span in)
{
    struct gw_local *l = s->owner;
    if (l->lingering)
        return;
    pump(l, in);
    settle(l);
}

static void on_end(struct gw_socket *s)
{
    struct gw_local *l = s->owner;
    l->ended = true;
    if (l->lingering)
        close_socket(l);
    else
        settle(l);
}

static void on_error(struct gw_socket *s, int why)
{
    (void)why;
    close_socket(s->owner);
}

static void on_drained(struct gw_socket *s)
{
    struct gw_local *l = s->owner;
    if (l->lingering)
        return;
    if (l->relay)
        gw_relay_drained(l->relay);
    gw_local_resume(l);
}

static void on_closed(struct gw_socket *s)
{
    struct gw_local *l = s->owner;
    struct gw_connector *c = l->connector;
    if (l->prev)
        l->prev->next = l->next;
    else
        c->locals = l->next;
    if (l->next)
        l->next->prev = l->prev;
    c->n_locals--;
    buf_fini(&l->held);
    buf_fini(&l->out);
    free(l);
    if (c->draining && c->n_locals == 0 && c->on_idle)
        c->on_idle(c);
}

struct gw_local *gw_local_new(struct gw_connector *c, gw_accept accept, void *ctx)
{
    struct gw_local *l = calloc(1, sizeof *l);
    char remote[GW_SOCKET_PEER];
    if (!l)
        return NULL;
    l->connector = c;
    l->deadline.on_due = on_due;
    l->socket = (struct gw_socket){ .owner = l,
                                    .on_bytes = on_bytes,
                                    .on_end = on_end,
                                    .on_error = on_error,
                                    .on_drained = on_drained,
                                    .on_closed = on_closed };
    buf_init(&l->held, 0);
    buf_init(&l->out, 0);
    gw_h1_init_server(&l->h1, gw_relay_limits());
    if (accept(ctx, &l->socket, remote) != 0) {
        free(l);
        return NULL;
    }
    l->next = c->locals;
    if (l->next)
        l->next->prev = l;
    c->locals = l;
    c->n_locals++;
    if (c->n_locals > c->max_locals) {
        close_socket(l);
        return l;
    }
    gw_socket_read(&l->socket, true);
    arm(l);
    return l;
}

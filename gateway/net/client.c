// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/client.h"

#include "gateway/net/door.h"
#include "gateway/net/flow.h"
#include "gateway/stages/account.h"

#include <stdlib.h>

// Plaintext that is sent before more is added to it.
#define OUT_HIGH (64u << 10)
#define DRAIN_QUIET_MS 2000 // on its way longer than that is no request
// How long a stage may wait for a listing.
#define LISTING_MS 15000
// And for an issuer's answer, which has a timeout of its own: longer than any that can be configured.
#define ANSWER_MS 65000
// How long a record may be on its way to the disk.
#define AUDIT_MS 15000
// How long a client that is answered "too many failures" has to wait for its next request to be read, whatever it sends.
#define PAUSE_MS 1000
// A body must come at this rate on average, beyond the configured time.
#define BODY_BYTES_PER_MS 1

static int64_t now_ms(const struct gw_client *c)
{
    return c->core->now.mono_ms;
}

// -------------------------------------------------------------------------------------------------------- sending

static struct gw_client *client_of(struct gw_accepted *a)
{
    return (struct gw_client *)((char *)a - offsetof(struct gw_client, conn));
}

static void flush(struct gw_client *c)
{
    if (c->flow)
        gw_flow_flush(c->flow);
    if (c->hold)
        return;
    if (buf_len(&c->conn.out) > 0)
        c->answer_at = SIZE_MAX;
    gw_accepted_send(&c->conn);
    buf_release(&c->conn.out);
}

static void on_flush(struct gw_accepted *a)
{
    flush(client_of(a));
}

struct buf *gw_client_out(struct gw_client *c)
{
    // What was queued before goes first; what is added now stays until the end of the wake-up, so that the last
    // piece of an answer is still here when the answer is recorded.
    if (!c->hold && !c->conn.out.failed && buf_len(&c->conn.out) >= OUT_HIGH)
        flush(c);
    return &c->conn.out;
}

void gw_client_send(struct gw_client *c, struct span bytes)
{
    if (c->conn.out.failed) // settle closes it: not here, below a flow that goes on
        return;
    buf_append(gw_client_out(c), bytes);
}

void gw_client_pass(struct gw_client *c, struct span bytes)
{
    flush(c);
    if (c->conn.out.failed)
        return;
    c->answer_at = SIZE_MAX;
    gw_accepted_pass(&c->conn, bytes);
}

struct buf *gw_client_begin_answer(struct gw_client *c)
{
    struct buf *out = gw_client_out(c);
    c->answer_at = buf_len(out);
    return out;
}

bool gw_client_retract(struct gw_client *c)
{
    if (c->answer_at == SIZE_MAX || c->conn.out.failed)
        return false;
    c->conn.out.end = c->conn.out.start + c->answer_at;
    c->answer_at = SIZE_MAX;
    return true;
}

bool gw_client_congested(const struct gw_client *c)
{
    return c->conn.socket.congested;
}

// -------------------------------------------------------------------------------------------------------- closing

static void leave_door(struct gw_client *c)
{
    if (!c->inside)
        gw_door_leave(c->core, c->place);
    c->inside = true;
}

static void on_closing(struct gw_accepted *a)
{
    struct gw_client *c = client_of(a);
    struct gw_flow *f = c->flow;
    leave_door(c);
    c->flow = NULL;
    if (f)
        gw_flow_free(f);
}

void gw_client_cut(struct gw_client *c)
{
    gw_accepted_close(&c->conn);
}

static void linger(struct gw_client *c)
{
    buf_wipe(&c->held);
    gw_accepted_linger(&c->conn);
}

static void on_handshake(struct gw_accepted *a, int err, const char *detail)
{
    struct gw_client *c = client_of(a);
    struct gw_core *core = c->core;
    leave_door(c);
    if (err == 0) {
        bool resumed = a->tls.facts.resumed;
        gw_count(core->metrics, resumed ? GW_METRIC_HANDSHAKE_RESUMED : GW_METRIC_HANDSHAKE_FULL, 1);
        gw_histogram_add(&core->metrics->handshake[resumed], GW_BOUNDS_COARSE, clock_mono_ns() - c->accepted_ns);
        return;
    }
    gw_door_failed(core, a->remote, err);
    gw_count(core->metrics, GW_METRIC_HANDSHAKE_REFUSED, 1);
    gw_count_refused(core->metrics, err);
    struct buf line;
    buf_init(&line, 0);
    if (!gw_account_handshake(core->now.wall_ms, a->remote, err, detail, &line) ||
        gw_audit_submit(core->shared->audit, core->index, buf_span(&line), NULL) != 0)
        gw_count(core->metrics, GW_METRIC_AUDIT_REFUSED, 1);
    else
        gw_count(core->metrics, GW_METRIC_AUDIT_WRITTEN, 1);
    buf_fini(&line);
}

void gw_client_done(struct gw_client *c, bool close)
{
    struct gw_flow *f = c->flow;
    c->flow = NULL;
    c->hold = false;
    c->conn.kept |= f->x.error == 0;
    if (f->x.error == ERR_FAILING)
        c->paused_until_ms = now_ms(c) + PAUSE_MS;
    gw_flow_free(f);
    c->last = c->last || close;
}

// Who was not told that this is the end may have a request on its way: he gets an answer that says so. Quiet for a while, and nobody is hurt.
void gw_client_drain(struct gw_client *c)
{
    gw_client_resume(c);
}

// ------------------------------------------------------------------------------------------------------- deadlines

static void arm(struct gw_client *c)
{
    if (c->conn.socket.closing || c->conn.lingering)
        return;
    const struct gw_config_timeouts *t = &c->timeouts;
    int64_t due = INT64_MAX;
    if (c->flow && c->flow_state != (int)c->flow->state) {
        c->flow_state = (int)c->flow->state;
        c->since_ms = now_ms(c);
    }
    if (c->conn.tls.state == GW_TLS_HANDSHAKE)
        due = c->began_ms + t->handshake;
    else if (c->conn.socket.congested)
        due = now_ms(c) + t->idle; // moves only with what the client takes
    else if (!c->flow && c->paused_until_ms > 0)
        due = c->paused_until_ms;
    else if (!c->flow)
        due = now_ms(c) + (c->core->draining && t->idle > DRAIN_QUIET_MS ? DRAIN_QUIET_MS : t->idle);
    else if (c->flow->state == GW_FLOW_HEAD)
        due = c->began_ms + t->header;
    else if (c->flow->state == GW_FLOW_WAIT)
        due = c->since_ms + (c->flow->x.waits_for == GW_WAIT_INTROSPECTION ? ANSWER_MS : LISTING_MS);
    else if (c->flow->state == GW_FLOW_INTENT || c->flow->state == GW_FLOW_RECORD)
        due = c->since_ms + AUDIT_MS;
    else if (gw_flow_takes(c->flow))
        due = c->began_ms + t->body + (int64_t)c->h1.body_bytes / BODY_BYTES_PER_MS;
    if (due == INT64_MAX)
        gw_deadline_clear(&c->conn.deadline);
    else
        gw_deadline_set(&c->core->wheel, &c->conn.deadline, due);
}

static void on_due(struct gw_deadline *d)
{
    struct gw_client *c = (struct gw_client *)((char *)d - offsetof(struct gw_client, conn.deadline));
    if (gw_accepted_due(&c->conn))
        return;
    if (!c->flow && c->paused_until_ms > 0) {
        c->paused_until_ms = 0;
        gw_client_resume(c);
        return;
    }
    if (!c->flow) {
        linger(c);
        return;
    }
    if (c->flow->state == GW_FLOW_INTENT || c->flow->state == GW_FLOW_RECORD) {
        // A disk that hangs does not fail: no record, no change and no answer.
        if (c->flow->state == GW_FLOW_INTENT)
            c->flow->x.error = ERR_AUDIT_FULL;
        gw_accepted_close(&c->conn);
        return;
    }
    if (c->flow->state == GW_FLOW_WAIT && c->flow->x.waits_for == GW_WAIT_INTROSPECTION)
        gw_flow_bad(c->flow, ERR_INTROSPECTION, "the issuer did not answer in time");
    else if (c->flow->state == GW_FLOW_WAIT)
        gw_flow_bad(c->flow, ERR_SHARD_TIMEOUT, "a shard's collections could not be listed in time");
    else
        gw_flow_bad(c->flow, ERR_HTTP_TIMEOUT, NULL);
    gw_client_resume(c);
}

// -------------------------------------------------------------------------------------------------------- taking

static bool takes(const struct gw_client *c)
{
    if (c->conn.socket.closing || c->conn.lingering || c->conn.socket.congested)
        return false;
    return c->flow ? gw_flow_takes(c->flow) : !c->last && c->paused_until_ms == 0;
}

static bool begin(struct gw_client *c)
{
    c->flow = gw_flow_new(c);
    if (!c->flow) {
        gw_accepted_close(&c->conn);
        return false;
    }
    c->began_ms = now_ms(c);
    c->flow_state = GW_FLOW_HEAD;
    gw_h1_begin_request(&c->h1, &c->flow->x.arena, &c->flow->x.request);
    return true;
}

// Takes as much of `in` as can be taken now. Returns how much.
static size_t take(struct gw_client *c, struct span in)
{
    size_t used = 0;
    while (takes(c)) {
        if (!c->flow && (used == in.n || !begin(c)))
            break;
        size_t n = 0;
        enum gw_h1_event event = gw_h1_feed(&c->h1, span_sub(in, used, in.n), &n);
        used += n;
        if (event == GW_H1_NEED_MORE)
            break;
        switch (event) {
        case GW_H1_HEAD:
            c->began_ms = now_ms(c);
            // Without a body the end is due at once, and the parser is ready for the next request whatever becomes of this one.
            if (c->flow->x.request.framing == GW_FRAMING_NONE)
                gw_h1_feed(&c->h1, SPAN(""), &n);
            gw_flow_head(c->flow);
            break;
        case GW_H1_BODY: gw_flow_body(c->flow, c->h1.body); break;
        case GW_H1_END: gw_flow_end(c->flow); break;
        default: gw_flow_bad(c->flow, c->h1.error, c->h1.what); return used;
        }
    }
    return used;
}

static void pump(struct gw_client *c, struct span in)
{
    if (c->pumping) { // a callback below us asked; the loop above it goes on by itself
        if (in.n > 0 && !buf_append(&c->held, in))
            gw_accepted_close(&c->conn);
        return;
    }
    c->pumping = true;
    if (buf_len(&c->held) > 0) {
        if (in.n > 0 && !buf_append(&c->held, in))
            gw_accepted_close(&c->conn);
        size_t used;
        while (!c->conn.socket.closing && buf_len(&c->held) > 0 && takes(c) &&
               (used = take(c, buf_span(&c->held))) > 0 && !c->conn.lingering)
            buf_consume(&c->held, used);
        buf_release(&c->held);
    } else {
        size_t used = take(c, in);
        if (used < in.n && !c->conn.socket.closing && !c->conn.lingering &&
            !buf_append(&c->held, span_sub(in, used, in.n)))
            gw_accepted_close(&c->conn);
    }
    c->pumping = false;
}

// The end of every wake-up: what was produced goes out, and what can happen next is looked at once.
static void settle(struct gw_client *c)
{
    if (c->conn.socket.closing || c->pumping)
        return;
    if (c->conn.out.failed) { // half of an answer is worse than none
        gw_accepted_close(&c->conn);
        return;
    }
    flush(c);
    if (c->conn.socket.closing || c->conn.lingering)
        return;
    if (c->conn.tls.state == GW_TLS_FAILED) {
        gw_accepted_close(&c->conn);
        return;
    }
    bool quiet = !c->flow && buf_len(&c->conn.out) == 0;
    if (quiet && (c->last || (c->conn.ended && buf_len(&c->held) == 0))) {
        linger(c);
        return;
    }
    if (c->conn.ended && c->flow && gw_flow_takes(c->flow) && buf_len(&c->held) == 0) {
        gw_accepted_close(&c->conn); // in the middle of a request
        return;
    }
    // While a request is decided or answered, reading goes on only as far as the next bytes can be taken; with nothing held back
    // it stays on, so that a client that goes away is noticed.
    c->conn.socket.bulk = c->flow && gw_flow_streams(c->flow);
    bool full = (!c->flow && c->paused_until_ms > 0) || buf_len(&c->held) >= GW_SOCKET_LOW ||
                c->conn.socket.congested || !gw_tls_wants_input(&c->conn.tls);
    gw_socket_read(&c->conn.socket, !full && !c->conn.ended);
    arm(c);
}

void gw_client_resume(struct gw_client *c)
{
    if (c->conn.socket.closing || c->pumping)
        return;
    if (c->conn.tls.state == GW_TLS_OPEN || c->conn.tls.state == GW_TLS_PEER_CLOSED)
        pump(c, SPAN(""));
    settle(c);
}

// ------------------------------------------------------------------------------------------------------- the socket

static void on_plain(struct gw_accepted *a, struct span bytes)
{
    pump(client_of(a), bytes);
}

static void on_settle(struct gw_accepted *a)
{
    settle(client_of(a));
}

static void on_drained(struct gw_accepted *a)
{
    struct gw_client *c = client_of(a);
    if (c->flow)
        gw_flow_drained(c->flow);
    gw_client_resume(c);
}

static void on_closed(struct gw_accepted *a)
{
    struct gw_client *c = client_of(a);
    struct gw_core *core = c->core;
    if (c->prev)
        c->prev->next = c->next;
    else
        core->clients = c->next;
    if (c->next)
        c->next->prev = c->prev;
    core->n_clients--;
    gw_count_down(core->metrics, GW_METRIC_CONNECTIONS_OPEN);
    buf_wipe(&c->held);
    free(c);
    if (core->draining && core->n_clients == 0 && core->on_idle)
        core->on_idle(core);
}

static const struct gw_accepted_ops ops = {
    .handshake = on_handshake,
    .plain = on_plain,
    .settle = on_settle,
    .flush = on_flush,
    .drained = on_drained,
    .closing = on_closing,
    .closed = on_closed,
};

struct gw_client *gw_client_new(struct gw_core *core, gw_accept accept, void *ctx)
{
    const struct gw_config_listener *listener = &core->view->snapshot->config->listener;
    struct gw_client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->core = core;
    c->limits = core->view->snapshot->request_limits;
    c->timeouts = listener->timeouts;
    c->conn.ops = &ops;
    c->conn.on_due = on_due;
    c->conn.room = core->room;
    c->conn.wheel = &core->wheel;
    c->conn.now = &core->now;
    c->conn.metrics = core->metrics;
    c->conn.turns = core->turns;
    c->conn.idle_ms = c->timeouts.idle;
    buf_init(&c->held, 0);
    c->answer_at = SIZE_MAX;
    gw_h1_init_server(&c->h1, &c->limits);
    if (gw_accepted_init(&c->conn, core->view->tls, &core->present.trust, accept, ctx) != 0) {
        free(c);
        return NULL;
    }
    c->next = core->clients;
    if (c->next)
        c->next->prev = c;
    core->clients = c;
    core->n_clients++;
    c->place = gw_door_enter(core, c->conn.remote);
    gw_count(core->metrics, GW_METRIC_CONNECTIONS, 1);
    gw_count(core->metrics, GW_METRIC_CONNECTIONS_OPEN, 1);
    c->began_ms = now_ms(c);
    c->accepted_ns = clock_mono_ns();
    // Over the bound it is accepted and closed, since waiting in the kernel's queue would only hide it from its sender.
    if (core->n_clients > listener->limits.connections / core->loops + 1) {
        gw_count_refused(core->metrics, ERR_OVERLOADED);
        gw_accepted_close(&c->conn);
        return c;
    }
    gw_socket_read(&c->conn.socket, true);
    arm(c);
    return c;
}

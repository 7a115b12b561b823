// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/upstream_inside.h"

#include <assert.h>
#include <stdlib.h>

#define CONNECTS 3 // times connect_ms: how long endpoints are tried, one after the other

void gw_upstream_close(struct gw_upstream *u)
{
    if (u->state == GW_UP_CLOSING)
        return;
    if (u->state == GW_UP_IDLE)
        gw_pool_unkeep(u);
    else
        u->at->under_way--;
    u->state = GW_UP_CLOSING;
    u->call = NULL;
    gw_deadline_remove(&u->deadline);
    gw_socket_close(&u->socket);
}

static int64_t now_s(const struct gw_upstream *u)
{
    return u->pool->now->wall_ms / 1000;
}

static void due_in(struct gw_upstream *u, int64_t ms)
{
    gw_deadline_set(u->pool->wheel, &u->deadline, u->pool->now->mono_ms + ms);
}

static void flush_tls(struct gw_upstream *u)
{
    struct span out = gw_tls_output(&u->tls);
    if (out.n == 0)
        return;
    gw_socket_write(&u->socket, out);
    gw_tls_sent(&u->tls, out.n);
}

// Until when an answer may come. Later tries get what time the first left.
static void await(struct gw_upstream *u)
{
    const struct gw_call *c = u->call;
    int64_t due_ms = u->pool->now->mono_ms + u->pool->config->first_byte_ms;
    if (c->answer_by_ms != 0 && c->answer_by_ms < due_ms)
        due_ms = c->answer_by_ms;
    gw_deadline_set(u->pool->wheel, &u->deadline, due_ms);
}

// The first try is whole: so long may all of them take.
static void set_answer_by(struct gw_call *c)
{
    c->answer_by_ms = c->pool->now->mono_ms + c->pool->config->first_byte_ms;
    if (c->until_ms != 0 && c->until_ms < c->answer_by_ms)
        c->answer_by_ms = c->until_ms;
}

static const char *late(const struct gw_call *c)
{
    return gw_call_is_hurried(c) ? GW_POOL_UNTIL : "no answer in time";
}

static bool is_too_late(const struct gw_call *c)
{
    return c->answer_by_ms != 0 && c->pool->now->mono_ms >= c->answer_by_ms;
}

// The call goes out once more, on another connection.
static void send_again(struct gw_call *c)
{
    gw_count(c->pool->metrics, GW_METRIC_UPSTREAM_RETRIED, 1);
    c->sent = false;
    gw_pool_attempt(c);
}

// Nothing of it was sent, so another endpoint may have it, if there is time.
static bool may_connect_elsewhere(const struct gw_call *c, int err)
{
    const struct gw_pool *p = c->pool;
    return err != ERR_SHARD_TIMEOUT && gw_pool_has_other(p, c) &&
           p->now->mono_ms - c->began_ms < CONNECTS * p->config->connect_ms;
}

// The call leaves its connection, which ends; then either another attempt or the end of the call.
static void fail(struct gw_upstream *u, int err, const char *what)
{
    struct gw_call *c = u->call;
    bool nothing_sent = u->state == GW_UP_CONNECTING || u->state == GW_UP_HANDSHAKE, again = false;
    if (nothing_sent && (err == ERR_SHARD_CONNECT || err == ERR_SHARD_TLS))
        gw_pool_outcome(u->pool, u->at, u->refused ? GW_POOL_REFUSED : GW_POOL_FAILED);
    if (c && nothing_sent) {
        gw_pool_mark_tried(u);
    } else if (c) {
        gw_pool_unanswered(u, err);
        if (c->other)
            gw_pool_mark_tried(u);
        else
            again = gw_pool_may_send_again(u, err);
    }
    bool goes_on = c && gw_hedge_leave(u);
    gw_upstream_close(u);
    if (!c || goes_on)
        return;
    c->upstream = NULL;
    if (again) {
        send_again(c);
        return;
    }
    if (nothing_sent && may_connect_elsewhere(c, err)) {
        gw_pool_attempt(c);
        return;
    }
    if (nothing_sent) {
        gw_count(c->pool->metrics, GW_METRIC_UPSTREAM_FAILED, 1);
        gw_pool_count(c->pool, 0);
    }
    gw_pool_release(c);
    c->on_failed(c, err, what);
}

static void on_due(struct gw_deadline *d)
{
    struct gw_upstream *u = (struct gw_upstream *)((char *)d - offsetof(struct gw_upstream, deadline));
    switch (u->state) {
    case GW_UP_CONNECTING:
    case GW_UP_HANDSHAKE:
        if (is_too_late(u->call))
            fail(u, ERR_SHARD_TIMEOUT, late(u->call));
        else
            fail(u, ERR_SHARD_CONNECT, "timed out while connecting");
        break;
    case GW_UP_BUSY:
        if (u->call->paused) { // our client is slow, not the shard
            due_in(u, u->pool->config->idle_ms);
            break;
        }
        // The shard's time begins with the end of the request. Before, it only has to take what our client sends, and the client has
        // deadlines of its own.
        if (!u->call->sent && !u->call->answered && !u->socket.congested && !is_too_late(u->call)) {
            await(u);
            break;
        }
        // A long request is not yet with the shard when we have sent it; while it takes some, it is not late.
        if (!u->call->answered && u->socket.queued < u->queued && !gw_call_is_hurried(u->call)) {
            u->queued = u->socket.queued;
            if (u->call->sends == 1 && u->call->sent)
                set_answer_by(u->call);
            await(u);
            break;
        }
        fail(u, u->call->answered ? ERR_SHARD_CUT : ERR_SHARD_TIMEOUT,
             u->call->answered ? "the answer stalled" : late(u->call));
        break;
    case GW_UP_IDLE: gw_upstream_close(u); break;
    case GW_UP_CLOSING: break;
    }
}

static void begin_call(struct gw_upstream *u)
{
    struct gw_call *c = u->call;
    if (!u->reused)
        gw_pool_outcome(u->pool, u->at, GW_POOL_CONNECTED);
    u->state = GW_UP_BUSY;
    u->heard = u->early = u->socket.bulk = false;
    c->answered = c->paused = c->unread = false;
    u->nth = ++c->sends;
    gw_h1_begin_response(&u->h1, c->arena, c->other ? c->spare : &c->response, c->head_request);
    await(u);
    c->on_ready(c);
}

// Whether the shard said more than it was asked. Records are only opened when read, so an idle connection is read from too: what is left
// in it would be taken for the answer to the next request, which may be somebody else's.
static bool has_surplus(struct gw_upstream *u)
{
    char byte;
    return u->secure && (gw_tls_read(&u->tls, &byte, 1) > 0 || u->tls.state != GW_TLS_OPEN);
}

// The answer is whole. Kept only when nothing speaks against it.
static void end_call(struct gw_upstream *u, bool surplus)
{
    struct gw_call *c = u->call;
    struct gw_pool *p = u->pool;
    bool keep = c->sent && c->response.keep_alive && !u->early && !surplus && !p->retired && !u->at->gone &&
                u->at->n_idle < p->config->max_idle && !u->socket.congested && !has_surplus(u);
    gw_pool_answered(u, c->response.status);
    u->call = NULL;
    c->upstream = NULL;
    gw_pool_release(c);
    if (keep) {
        u->state = GW_UP_IDLE;
        u->hedge = false;
        buf_fini(&u->held);
        u->at->under_way--;
        gw_pool_keep(u);
        due_in(u, p->config->keep_ms);
    } else {
        gw_upstream_close(u);
    }
    c->on_end(c);
    gw_pool_serve_waiting(p);
}

// The endpoint says that it cannot answer; another one may. True: the connection is closed and the call goes on.
static bool goes_elsewhere(struct gw_upstream *u)
{
    struct gw_call *c = u->call;
    unsigned status = u->h1.response->status;
    if (!gw_outlier_is_failure(status) || (!c->other && !gw_pool_may_send_again(u, ERR_SHARD_ANSWER)))
        return false;
    gw_pool_answered(u, status);
    gw_pool_mark_tried(u);
    bool beside = gw_hedge_leave(u);
    gw_upstream_close(u);
    if (beside)
        return true;
    c->upstream = NULL;
    send_again(c);
    return true;
}

// Feeds plaintext to the parser until it is used up, the call pauses, or the connection has no call any more. Returns what was consumed.
static size_t take(struct gw_upstream *u, struct span in)
{
    size_t used = 0;
    while (u->state == GW_UP_BUSY && !u->call->paused) {
        size_t n = 0;
        struct gw_call *c = u->call;
        enum gw_h1_event event = gw_h1_feed(&u->h1, span_sub(in, used, in.n), &n);
        used += n;
        switch (event) {
        case GW_H1_NEED_MORE: return used;
        case GW_H1_INTERIM: break;
        case GW_H1_HEAD:
            gw_pool_heard(u);
            if (goes_elsewhere(u))
                return used;
            gw_hedge_answered(u);
            c->answered = true;
            u->early = !c->sent;
            c->on_head(c, &c->response);
            break;
        case GW_H1_BODY: c->on_body(c, u->h1.body); break;
        case GW_H1_END: end_call(u, used < in.n); return used;
        case GW_H1_ERROR: fail(u, u->h1.error, u->h1.what); return used;
        }
    }
    return used;
}

static void finish_input(struct gw_upstream *u);

// Plaintext arrived or a pause ended.
static void receive(struct gw_upstream *u, struct span in)
{
    if (u->pumping) { // a callback below us paused and resumed: the bytes wait in `held`
        buf_append(&u->held, in);
        return;
    }
    u->pumping = true;
    if (buf_len(&u->held) > 0) {
        if (in.n > 0 && !buf_append(&u->held, in)) {
            u->pumping = false;
            fail(u, ERR_NOMEM, NULL);
            return;
        }
        size_t used = take(u, buf_span(&u->held));
        buf_consume(&u->held, used < buf_len(&u->held) ? used : buf_len(&u->held));
        if (buf_len(&u->held) == 0)
            buf_fini(&u->held);
    } else {
        size_t used = take(u, in);
        if (u->state == GW_UP_BUSY && used < in.n && !buf_append(&u->held, span_sub(in, used, in.n))) {
            u->pumping = false;
            fail(u, ERR_NOMEM, NULL);
            return;
        }
    }
    if (u->state == GW_UP_BUSY && u->call->answered && u->call->on_lull)
        u->call->on_lull(u->call);
    u->pumping = false;
    if (u->state != GW_UP_BUSY)
        return;
    if (u->ended && !u->call->paused)
        finish_input(u);
    else
        gw_socket_read(&u->socket, !u->call->paused);
}

static void finish_input(struct gw_upstream *u)
{
    if (u->state == GW_UP_BUSY) {
        u->ended = true;
        if (u->call->paused)
            return;
        switch (gw_h1_eof(&u->h1)) {
        case GW_H1_END: end_call(u, true); return;
        case GW_H1_NEED_MORE:
        default:
            u->call->unread = u->secure && u->tls.state == GW_TLS_PEER_CLOSED && !u->heard;
            fail(u, u->call->answered ? ERR_SHARD_CUT : ERR_SHARD_ANSWER,
                 "the shard closed the connection before its answer was whole");
            return;
        }
    }
    if (u->state == GW_UP_CONNECTING || u->state == GW_UP_HANDSHAKE)
        fail(u, u->secure ? ERR_SHARD_TLS : ERR_SHARD_CONNECT, "the shard closed the connection");
    else
        gw_upstream_close(u);
}

static void hear(struct gw_upstream *u)
{
    u->heard = true;
    due_in(u, u->pool->config->idle_ms);
}

// Whether an alert says that our certificate was not accepted (RFC 8446 §6.2), and nothing we sent was read. Others do not: whoever spoils the bytes of an
// open connection makes the server end it with bad_record_mac, and it may have read all of the request by then.
static bool judges_certificate(int alert)
{
    switch (alert) {
    case 40:  // handshake_failure
    case 42:  // bad_certificate
    case 43:  // unsupported_certificate
    case 44:  // certificate_revoked
    case 45:  // certificate_expired
    case 46:  // certificate_unknown
    case 48:  // unknown_ca
    case 49:  // access_denied
    case 116: // certificate_required
        return true;
    default: return false;
    }
}

static void receive_tls(struct gw_upstream *u, struct span in)
{
    int err = gw_tls_feed(&u->tls, in, now_s(u));
    flush_tls(u);
    if (err == 0 && u->state == GW_UP_HANDSHAKE && u->tls.state == GW_TLS_OPEN)
        begin_call(u);
    char plain[16384];
    while (u->state == GW_UP_BUSY) {
        ssize_t n = gw_tls_read(&u->tls, plain, sizeof plain);
        if (n <= 0)
            break;
        hear(u);
        receive(u, span_of(plain, (size_t)n));
    }
    if (u->state == GW_UP_IDLE && has_surplus(u))
        gw_upstream_close(u);
    if (u->state == GW_UP_CLOSING)
        return;
    if (u->tls.state == GW_TLS_FAILED) {
        // In TLS 1.3 a server judges our certificate when we have sent the first request already.
        if (u->state == GW_UP_BUSY)
            u->call->unread = judges_certificate(u->tls.alert) && !u->heard;
        fail(u, ERR_SHARD_TLS, u->tls.detail);
    } else if (u->tls.state == GW_TLS_PEER_CLOSED || u->tls.state == GW_TLS_CLOSED) {
        finish_input(u);
    }
}

static struct gw_upstream *of(struct gw_socket *s)
{
    return s->owner;
}

static void on_bytes(struct gw_socket *s, struct span in)
{
    struct gw_upstream *u = of(s);
    if (u->secure) {
        // Session tickets come whenever the server likes, on an idle connection too.
        receive_tls(u, in);
    } else if (u->state == GW_UP_BUSY) {
        hear(u);
        receive(u, in);
    } else {
        gw_upstream_close(u);
    }
}

static void on_end(struct gw_socket *s)
{
    struct gw_upstream *u = of(s);
    if (u->secure && gw_tls_feed_eof(&u->tls) != 0 && u->state == GW_UP_BUSY) {
        // Without close_notify the end may be an attacker's; only a length or the last chunk can end an answer then.
        fail(u, u->call->answered ? ERR_SHARD_CUT : ERR_SHARD_ANSWER, "the shard's TLS connection was cut");
        return;
    }
    finish_input(u);
}

static void on_error(struct gw_socket *s, int why)
{
    struct gw_upstream *u = of(s);
    (void)why;
    if (u->state == GW_UP_CONNECTING || u->state == GW_UP_HANDSHAKE)
        fail(u, ERR_SHARD_CONNECT, "the connection broke");
    else
        fail(u, u->call && u->call->answered ? ERR_SHARD_CUT : ERR_SHARD_ANSWER, "the connection broke");
}

static void on_drained(struct gw_socket *s)
{
    struct gw_upstream *u = of(s);
    if (u->state != GW_UP_BUSY)
        return;
    if (u->call->sent && !u->call->answered)
        await(u);
    if (u->call->on_drained)
        u->call->on_drained(u->call);
}

static void on_closed(struct gw_socket *s)
{
    struct gw_upstream *u = of(s);
    struct gw_pool *p = u->pool;
    if (u->secure)
        gw_tls_fini(&u->tls);
    buf_fini(&u->held);
    u->at->open--;
    gw_pool_endpoint_unref(u->at);
    free(u);
    p->open--;
    gw_count_down(p->metrics, GW_METRIC_UPSTREAM_OPEN);
    if (p->open == 0 && p->retired && p->on_empty)
        p->on_empty(p);
    else
        gw_pool_serve_waiting(p);
}

static void on_connected(struct gw_socket *s, const char *why)
{
    struct gw_upstream *u = of(s);
    if (why) {
        u->refused = true;
        fail(u, ERR_SHARD_CONNECT, why);
        return;
    }
    gw_count(u->pool->metrics, GW_METRIC_UPSTREAM_CONNECT, 1);
    gw_socket_read(s, true);
    if (!u->secure) {
        begin_call(u);
        return;
    }
    const struct gw_pool_config *config = u->pool->config;
    if (gw_tls_client_init(&u->tls, config->tls, config->trust, &u->at->target, now_s(u)) != 0) {
        u->secure = false; // nothing to fini
        fail(u, ERR_NOMEM, NULL);
        return;
    }
    u->state = GW_UP_HANDSHAKE;
    flush_tls(u);
}

int gw_upstream_open(struct gw_pool *p, struct gw_pool_endpoint *at, struct gw_call *c)
{
    struct gw_upstream *u = calloc(1, sizeof *u);
    if (!u)
        return ERR_NOMEM;
    u->pool = p;
    u->at = at;
    u->call = c;
    u->deadline.on_due = on_due;
    u->socket = (struct gw_socket){ .owner = u,
                                    .on_bytes = on_bytes,
                                    .on_end = on_end,
                                    .on_error = on_error,
                                    .on_drained = on_drained,
                                    .on_closed = on_closed };
    gw_h1_init_client(&u->h1, p->config->limits);
    buf_init(&u->held, 0);
    if (p->dialler.dial(p->dialler.ctx, &u->socket, at->endpoint->host, at->endpoint->port, on_connected) != 0) {
        gw_pool_outcome(p, at, GW_POOL_FAILED);
        free(u);
        return ERR_SHARD_CONNECT;
    }
    u->secure = p->config->tls != NULL;
    if (u->secure)
        u->tls.state = GW_TLS_HANDSHAKE;
    at->refs++;
    at->open++;
    at->under_way++;
    p->open++;
    gw_count(p->metrics, GW_METRIC_UPSTREAM_OPEN, 1);
    c->upstream = u;
    int64_t left_ms = c->answer_by_ms != 0 ? c->answer_by_ms - p->now->mono_ms : p->config->connect_ms;
    due_in(u, left_ms < p->config->connect_ms ? left_ms : p->config->connect_ms);
    return 0;
}

void gw_upstream_reuse(struct gw_upstream *u, struct gw_call *c)
{
    u->at->under_way++;
    u->call = c;
    u->reused = true;
    c->upstream = u;
    gw_socket_read(&u->socket, true);
    begin_call(u);
}

void gw_call_start(struct gw_call *c)
{
    assert(!c->started);
    c->started = true;
    c->sent = c->paused = c->answered = c->in_queue = c->unread = c->hedged = false;
    c->attempts = c->sends = c->admitted = 0;
    c->tried = 0;
    c->wait_until_ms = 0;
    c->answer_by_ms = c->until_ms;
    c->began_ms = c->pool->now->mono_ms;
    c->upstream = c->other = NULL;
    if (is_too_late(c)) {
        c->started = false;
        c->on_failed(c, ERR_SHARD_TIMEOUT, GW_POOL_UNTIL);
        return;
    }
    if (!gw_pool_admit(c)) {
        c->started = false;
        c->on_failed(c, ERR_SHARD_BUSY, "it has as many requests as it works on without delay");
        return;
    }
    // Behind those who wait already: a connection that has just become free is theirs.
    if (c->pool->waiting)
        gw_pool_enqueue(c);
    else
        gw_pool_attempt(c);
}

struct span gw_call_authority(const struct gw_call *c)
{
    return c->upstream->at->endpoint->authority;
}

void gw_call_write(struct gw_call *c, struct span bytes)
{
    struct gw_upstream *u = c->upstream;
    if (!u || u->state != GW_UP_BUSY)
        return;
    if (!c->answered)
        await(u);
    if (!u->secure) {
        gw_socket_write(&u->socket, bytes);
        return;
    }
    while (bytes.n > 0 && u->state == GW_UP_BUSY) {
        ssize_t n = gw_tls_write(&u->tls, bytes);
        if (n < 0)
            return; // reading will tell
        bytes = span_sub(bytes, (size_t)n, bytes.n);
        flush_tls(u);
    }
}

void gw_call_sent(struct gw_call *c)
{
    c->sent = true;
    if (!c->upstream || c->upstream->state != GW_UP_BUSY)
        return;
    struct gw_upstream *u = c->upstream;
    u->queued = u->socket.queued;
    if (c->answer_by_ms == c->until_ms) // of none it is not known yet
        set_answer_by(c);
    u->sent_ms = c->pool->now->mono_ms;
    u->sent_ns = c->pool->config->care.adaptive || c->pool->counts ? clock_mono_ns() : 0;
    await(u);
    gw_hedge_arm(c);
}

size_t gw_call_queued(const struct gw_call *c)
{
    return c->upstream ? c->upstream->socket.queued : 0;
}

void gw_call_bulk(struct gw_call *c, bool bulk)
{
    if (c->upstream)
        c->upstream->socket.bulk = bulk;
}

bool gw_call_congested(const struct gw_call *c)
{
    return c->upstream && c->upstream->socket.congested;
}

void gw_call_pause(struct gw_call *c, bool pause)
{
    struct gw_upstream *u = c->upstream;
    if (c->paused == pause)
        return;
    c->paused = pause;
    if (!u || u->state != GW_UP_BUSY)
        return;
    if (pause) {
        gw_socket_read(&u->socket, false);
        return;
    }
    due_in(u, u->pool->config->idle_ms);
    if (u->pumping)
        return;
    receive(u, span_of("", 0));
    // `c` may have ended and be gone by now, and the connection carry another call.
    if (u->secure && u->state == GW_UP_BUSY && !u->call->paused)
        receive_tls(u, span_of("", 0));
}

void gw_call_abort(struct gw_call *c)
{
    if (c->in_queue)
        gw_pool_unqueue(c);
    struct gw_upstream *both[] = { c->upstream, c->other };
    c->upstream = c->other = NULL;
    for (size_t i = 0; i < 2; i++)
        if (both[i])
            gw_upstream_close(both[i]);
    gw_pool_release(c);
}

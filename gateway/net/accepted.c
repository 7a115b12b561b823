// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/accepted.h"

// How long a closing connection is read from, so that the last answer is not lost to a reset.
#define LINGER_MS 2000

// ---------------------------------------------------------------------------------------------------------------- out

static void send_records(struct gw_accepted *a)
{
    struct span out = gw_tls_output(&a->tls);
    if (out.n == 0)
        return;
    if (a->metrics)
        gw_count(a->metrics, GW_METRIC_BYTES_OUT, out.n);
    gw_socket_write(&a->socket, out);
    gw_tls_sent(&a->tls, out.n);
}

// Returns what is left when TLS takes no more, which it says again when it is read.
static struct span encrypt(struct gw_accepted *a, struct span plain)
{
    while (plain.n > 0 && !a->socket.closing) {
        ssize_t n = gw_tls_write(&a->tls, plain);
        if (n < 0)
            break;
        plain = span_sub(plain, (size_t)n, plain.n);
        send_records(a);
    }
    return plain;
}

void gw_accepted_send(struct gw_accepted *a)
{
    size_t left = encrypt(a, buf_span(&a->out)).n;
    buf_consume(&a->out, buf_len(&a->out) - left);
    send_records(a);
}

void gw_accepted_pass(struct gw_accepted *a, struct span plain)
{
    gw_accepted_send(a);
    struct span left = encrypt(a, plain);
    buf_append(&a->out, left);
}

// ---------------------------------------------------------------------------------------------------------------- end

void gw_accepted_close(struct gw_accepted *a)
{
    if (a->socket.closing)
        return;
    a->ops->closing(a);
    if (a->turns)
        gw_turns_drop(a->turns, &a->turn);
    gw_deadline_remove(&a->deadline);
    gw_socket_close(&a->socket);
}

// Who still takes what is queued may do so at his own pace; who has all of it has little to wait for.
static void arm(struct gw_accepted *a)
{
    a->unsent = a->socket.queued;
    gw_deadline_set(a->wheel, &a->deadline, a->now->mono_ms + (a->unsent > 0 ? a->idle_ms : LINGER_MS));
}

void gw_accepted_linger(struct gw_accepted *a)
{
    if (a->lingering || a->socket.closing)
        return;
    a->lingering = true;
    a->ops->flush(a);
    gw_tls_shutdown(&a->tls);
    send_records(a);
    gw_socket_shutdown(&a->socket);
    if (a->ended) {
        gw_accepted_close(a);
        return;
    }
    gw_socket_read(&a->socket, true);
    arm(a);
}

// What it sent has not been looked at: whatever becomes of it is no failure of its sender's.
static bool waits(const struct gw_accepted *a)
{
    return a->turn.link != NULL;
}

void gw_accepted_refuse(struct gw_accepted *a, int err, const char *detail)
{
    if (waits(a))
        gw_turns_drop(a->turns, &a->turn);
    a->ops->handshake(a, err, detail);
    send_records(a); // the alert
    gw_socket_shutdown(&a->socket);
    gw_socket_read(&a->socket, true); // what is not read when it closes makes a reset of that, before the alert arrives
    a->lingering = true;
    arm(a);
}

bool gw_accepted_due(struct gw_accepted *a)
{
    if (a->lingering && a->socket.queued < a->unsent)
        arm(a);
    else if (a->lingering || a->socket.congested)
        gw_accepted_close(a);
    else if (waits(a))
        gw_accepted_refuse(a, ERR_OVERLOADED, "the handshake waited too long for its turn");
    else if (a->tls.state == GW_TLS_HANDSHAKE)
        gw_accepted_refuse(a, ERR_TLS, "the handshake took too long");
    else
        return false;
    return true;
}

// ----------------------------------------------------------------------------------------------------------------- in

// After a whole request the other side may still wait for the answer; what the middle of one means is the owner's to say.
static void input_ended(struct gw_accepted *a)
{
    a->ended = true;
    if (a->lingering)
        gw_accepted_close(a);
    else
        a->ops->settle(a);
}

// As many records as have room, or as there are. `room` has at least that of one.
static struct span decrypt(struct gw_accepted *a, char *room, size_t n)
{
    size_t have = 0;
    ssize_t more = 1;
    while (more > 0 && n - have >= GW_ACCEPTED_RECORD) {
        more = gw_tls_read(&a->tls, room + have, n - have);
        have += more > 0 ? (size_t)more : 0;
    }
    return span_of(room, have);
}

static void receive(struct gw_accepted *a, struct span in)
{
    bool handshake = a->tls.state == GW_TLS_HANDSHAKE;
    int err = gw_tls_lend(&a->tls, in, a->now->wall_ms / 1000);
    if (handshake && err != 0) {
        gw_accepted_refuse(a, err, a->tls.detail);
        return;
    }
    if (handshake && a->tls.state == GW_TLS_OPEN)
        a->ops->handshake(a, 0, NULL);
    char one[GW_ACCEPTED_RECORD];
    struct span plain;
    while (!a->socket.closing && !a->lingering &&
           (plain = a->room ? decrypt(a, a->room, GW_ACCEPTED_ROOM) : decrypt(a, one, sizeof one)).n > 0)
        a->ops->plain(a, plain);
    if (a->socket.closing || a->lingering)
        return;
    if (a->tls.state == GW_TLS_FAILED)
        gw_accepted_close(a);
    else if (a->tls.state == GW_TLS_PEER_CLOSED && !a->ended)
        input_ended(a);
    else
        a->ops->settle(a);
}

static void take(struct gw_accepted *a, struct span in)
{
    receive(a, in);
    if (gw_tls_keep(&a->tls) != 0 && !a->lingering)
        gw_accepted_close(a);
}

static void on_turn(struct gw_turn *turn, struct span in)
{
    struct gw_accepted *a = (struct gw_accepted *)((char *)turn - offsetof(struct gw_accepted, turn));
    take(a, in);
}

static void on_bytes(struct gw_socket *s, struct span in)
{
    struct gw_accepted *a = s->owner;
    if (a->lingering)
        return;
    a->fed = true;
    if (a->metrics)
        gw_count(a->metrics, GW_METRIC_BYTES_IN, in.n);
    if (a->turns && a->kept)
        gw_turns_others(a->turns, a->now->mono_ms);
    if (a->tls.state != GW_TLS_HANDSHAKE || !a->turns) {
        take(a, in);
    } else if (gw_turns_put(a->turns, &a->turn, in)) {
        gw_socket_read(s, false); // until its turn, which settles what comes next: the room is for many
    } else {
        gw_accepted_refuse(a, ERR_OVERLOADED, "so many handshakes wait that what this one sent finds no room");
        gw_accepted_close(a);
    }
}

static void on_end(struct gw_socket *s)
{
    struct gw_accepted *a = s->owner;
    if (a->tls.state == GW_TLS_HANDSHAKE && !a->lingering) {
        if (a->fed) // a port scan that sent nothing is not worth a record
            gw_accepted_refuse(a, ERR_TLS, "the client left during the handshake");
        gw_accepted_close(a);
        return;
    }
    bool cut = gw_tls_feed_eof(&a->tls) != 0;
    if (a->lingering || cut)
        gw_accepted_close(a);
    else if (!a->ended)
        input_ended(a);
}

static void on_error(struct gw_socket *s, int why)
{
    struct gw_accepted *a = s->owner;
    (void)why;
    if (a->tls.state == GW_TLS_HANDSHAKE && a->fed && !a->lingering)
        gw_accepted_refuse(a, ERR_TLS, "the connection broke during the handshake");
    gw_accepted_close(a);
}

static void on_drained(struct gw_socket *s)
{
    struct gw_accepted *a = s->owner;
    if (!a->lingering)
        a->ops->drained(a);
}

static void on_closed(struct gw_socket *s)
{
    struct gw_accepted *a = s->owner;
    gw_tls_fini(&a->tls);
    buf_wipe(&a->out); // there may have been a token in it
    a->ops->closed(a);
}

int gw_accepted_init(struct gw_accepted *a, struct gw_tls_context *tls, const struct gw_tls_trust *trust,
                     gw_accept accept, void *ctx)
{
    a->deadline.on_due = a->on_due;
    a->turn.on_turn = on_turn;
    buf_init(&a->turn.in, 0);
    a->socket = (struct gw_socket){ .owner = a,
                                    .on_bytes = on_bytes,
                                    .on_end = on_end,
                                    .on_error = on_error,
                                    .on_drained = on_drained,
                                    .on_closed = on_closed };
    buf_init(&a->out, 0);
    int rc = gw_tls_server_init(&a->tls, tls, trust);
    if (rc != 0)
        return rc;
    rc = accept(ctx, &a->socket, a->remote);
    if (rc != 0)
        gw_tls_fini(&a->tls);
    return rc;
}

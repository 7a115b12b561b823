// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/tcp.h"

#include <errno.h>
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define FLIGHT_MAX (256u << 10)

struct tcp {
    uv_tcp_t *handle; // on the heap: one that failed closes while the next address is tried
    struct gw_socket *s;
    struct gw_tcp_loop *loop;
    uv_write_t write;
    uv_connect_t connect;
    uv_shutdown_t shutdown;
    struct gw_lookup_wait lookup;
    gw_on_connected on_connected;
    struct gw_addresses *found; // what a name resolved to …
    struct addrinfo *address;   // … and the one that is tried
    bool writing, shutting, shut;
    struct buf flight, waiting; // with the kernel's queue; behind it
};

int gw_tcp_loop_init(struct gw_tcp_loop *l, uv_loop_t *uv)
{
    *l = (struct gw_tcp_loop){ .uv = uv, .read_buffer = malloc(GW_TCP_READ_BULK), .lookups = { .uv = uv } };
    uv->data = l;
    return l->read_buffer ? 0 : -ENOMEM;
}

void gw_tcp_loop_fini(struct gw_tcp_loop *l)
{
    free(l->read_buffer);
    l->read_buffer = NULL;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct gw_tcp_loop *l = h->loop->data;
    const struct tcp *t = h->data;
    *out = uv_buf_init(l->read_buffer, t->s->bulk ? GW_TCP_READ_BULK : GW_TCP_READ);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct tcp *t = stream->data;
    if (n == 0)
        return;
    if (t->loop->on_wake)
        t->loop->on_wake(t->loop);
    if (n > 0) {
        t->s->on_bytes(t->s, span_of(b->base, (size_t)n));
        return;
    }
    uv_read_stop(stream);
    t->s->reading = false;
    if (n == UV_EOF)
        t->s->on_end(t->s);
    else
        t->s->on_error(t->s, (int)n);
}

static bool flush(struct tcp *t);

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)status;
    struct tcp *t = req->data;
    t->shut = true;
}

static void on_written(uv_write_t *req, int status)
{
    struct tcp *t = req->data;
    struct gw_socket *s = t->s;
    t->writing = false;
    s->queued -= buf_len(&t->flight);
    buf_fini(&t->flight);
    if (s->closing)
        return;
    if (status < 0) {
        s->on_error(s, status);
        return;
    }
    if (!flush(t)) {
        s->on_error(s, -ENOMEM);
        return;
    }
    if (s->congested && s->queued <= GW_SOCKET_LOW) {
        s->congested = false;
        if (t->loop->on_wake)
            t->loop->on_wake(t->loop);
        s->on_drained(s);
    }
}

// False: out of memory.
static bool flush(struct tcp *t)
{
    if (t->writing)
        return true;
    if (buf_len(&t->waiting) == 0) {
        if (t->shutting && !t->shut) {
            t->shut = true;
            t->shutdown.data = t;
            uv_shutdown(&t->shutdown, (uv_stream_t *)t->handle, on_shutdown);
        }
        return true;
    }
    // In pieces, so that `queued` tells how far the other side has come with what is long.
    if (buf_len(&t->waiting) <= FLIGHT_MAX) {
        t->flight = t->waiting;
        buf_init(&t->waiting, 0);
    } else if (buf_append(&t->flight, span_sub(buf_span(&t->waiting), 0, FLIGHT_MAX))) {
        buf_consume(&t->waiting, FLIGHT_MAX);
    } else {
        return false;
    }
    struct span out = buf_span(&t->flight);
    uv_buf_t b = uv_buf_init((char *)(uintptr_t)out.p, (unsigned)out.n);
    t->write.data = t;
    int rc = uv_write(&t->write, (uv_stream_t *)t->handle, &b, 1, on_written);
    if (rc == 0) {
        t->writing = true;
        return true;
    }
    // Told from the next turn's read; a failed write of a dead connection is never silent, since reading ends too.
    t->s->queued -= out.n;
    buf_fini(&t->flight);
    return true;
}

// Half of a stream is worse than none: without memory for the rest the connection ends. Its owner hears of it from the loop, not here, in the
// middle of what it does.
static void break_off(struct tcp *t)
{
    uv_os_fd_t fd;
    t->shutting = true;
    if (uv_fileno((const uv_handle_t *)t->handle, &fd) == 0)
        shutdown(fd, SHUT_RDWR);
}

static void tcp_write(struct gw_socket *s, struct span bytes)
{
    struct tcp *t = s->impl;
    if (t->shutting)
        return;
    if (!t->writing && s->queued == 0) {
        uv_buf_t b = uv_buf_init((char *)(uintptr_t)bytes.p, (unsigned)bytes.n);
        int n = uv_try_write((uv_stream_t *)t->handle, &b, 1);
        if (n > 0) {
            bytes.p += n;
            bytes.n -= (size_t)n;
        }
        if (bytes.n == 0)
            return;
    }
    if (!buf_append(&t->waiting, bytes)) {
        break_off(t);
        return;
    }
    s->queued += bytes.n;
    if (s->queued > GW_SOCKET_HIGH)
        s->congested = true;
    if (!flush(t))
        break_off(t);
}

static void tcp_read_start(struct gw_socket *s)
{
    struct tcp *t = s->impl;
    uv_read_start((uv_stream_t *)t->handle, on_alloc, on_read);
}

static void tcp_read_stop(struct gw_socket *s)
{
    struct tcp *t = s->impl;
    uv_read_stop((uv_stream_t *)t->handle);
}

static void tcp_shutdown(struct gw_socket *s)
{
    struct tcp *t = s->impl;
    t->shutting = true;
    if (!flush(t))
        break_off(t);
}

static void on_closed(uv_handle_t *h)
{
    struct tcp *t = h->data;
    struct gw_socket *s = t->s;
    buf_fini(&t->flight);
    buf_fini(&t->waiting);
    gw_addresses_unref(t->found);
    free(h);
    free(t);
    s->impl = NULL;
    s->on_closed(s);
}

static void tcp_close(struct gw_socket *s)
{
    struct tcp *t = s->impl;
    s->reading = false;
    gw_lookup_leave(&t->lookup);
    uv_close((uv_handle_t *)t->handle, on_closed);
}

static bool tcp_quiet(struct gw_socket *s)
{
    struct tcp *t = s->impl;
    uv_os_fd_t fd;
    char byte;
    return uv_fileno((const uv_handle_t *)t->handle, &fd) == 0 &&
           recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static const struct gw_socket_ops ops = {
    .write = tcp_write,
    .read_start = tcp_read_start,
    .read_stop = tcp_read_stop,
    .shutdown = tcp_shutdown,
    .close = tcp_close,
    .quiet = tcp_quiet,
};

static bool new_handle(struct tcp *t)
{
    t->handle = malloc(sizeof *t->handle);
    if (!t->handle)
        return false;
    if (uv_tcp_init(t->loop->uv, t->handle) != 0) {
        free(t->handle);
        return false;
    }
    t->handle->data = t;
    return true;
}

static struct tcp *tcp_new(struct gw_tcp_loop *l, struct gw_socket *s)
{
    struct tcp *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->s = s;
    t->loop = l;
    if (new_handle(t))
        return t;
    free(t);
    return NULL;
}

static void attach(struct tcp *t)
{
    t->s->ops = &ops;
    t->s->impl = t;
    t->s->queued = 0;
    t->s->congested = t->s->reading = t->s->closing = t->s->bulk = false;
}

static void on_discarded(uv_handle_t *h)
{
    free(h->data);
    free(h);
}

static void on_replaced(uv_handle_t *h)
{
    free(h);
}

int gw_tcp_accept(struct gw_tcp_loop *l, uv_stream_t *listener, struct gw_socket *s)
{
    struct tcp *t = tcp_new(l, s);
    if (!t)
        return UV_ENOMEM;
    int rc = uv_accept(listener, (uv_stream_t *)t->handle);
    if (rc != 0) {
        uv_close((uv_handle_t *)t->handle, on_discarded);
        return rc;
    }
    uv_tcp_nodelay(t->handle, 1);
    attach(t);
    return 0;
}

static void peer_of(const uv_tcp_t *handle, char out[static GW_SOCKET_PEER])
{
    struct sockaddr_storage addr;
    int n = sizeof addr;
    char host[46] = "";
    out[0] = '\0';
    if (uv_tcp_getpeername(handle, (struct sockaddr *)&addr, &n) != 0)
        return;
    bool v6 = addr.ss_family == AF_INET6;
    if (v6)
        uv_ip6_name((const struct sockaddr_in6 *)&addr, host, sizeof host);
    else
        uv_ip4_name((const struct sockaddr_in *)&addr, host, sizeof host);
    uint16_t port =
        ntohs(v6 ? ((const struct sockaddr_in6 *)&addr)->sin6_port : ((const struct sockaddr_in *)&addr)->sin_port);
    snprintf(out, GW_SOCKET_PEER, v6 ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
}

bool gw_tcp_take(struct gw_tcp_loop *l, uv_stream_t *listener, uv_tcp_t **taken, char remote[static GW_SOCKET_PEER])
{
    uv_tcp_t *handle = malloc(sizeof *handle);
    *taken = NULL;
    if (!handle)
        return false;
    if (uv_tcp_init(l->uv, handle) != 0) {
        free(handle);
        return false;
    }
    if (uv_accept(listener, (uv_stream_t *)handle) != 0) {
        uv_close((uv_handle_t *)handle, on_replaced);
        return true;
    }
    peer_of(handle, remote);
    *taken = handle;
    return true;
}

int gw_tcp_adopt(struct gw_tcp_loop *l, uv_tcp_t *taken, struct gw_socket *s)
{
    struct tcp *t = calloc(1, sizeof *t);
    if (!t)
        return UV_ENOMEM;
    t->s = s;
    t->loop = l;
    t->handle = taken;
    taken->data = t;
    uv_tcp_nodelay(taken, 1);
    attach(t);
    return 0;
}

void gw_tcp_turn_away(uv_tcp_t *taken)
{
    if (uv_tcp_close_reset(taken, on_replaced) != 0)
        uv_close((uv_handle_t *)taken, on_replaced);
}

static bool try_next(struct tcp *t);

static void on_connect(uv_connect_t *req, int status)
{
    struct tcp *t = req->data;
    if (t->s->closing || (status != 0 && try_next(t)))
        return;
    if (status == 0)
        uv_tcp_nodelay(t->handle, 1);
    if (t->loop->on_wake)
        t->loop->on_wake(t->loop);
    t->on_connected(t->s, status == 0 ? NULL : uv_strerror(status));
}

static int connect_to(struct tcp *t, const struct sockaddr *addr)
{
    t->connect.data = t;
    return uv_tcp_connect(&t->connect, t->handle, addr, on_connect);
}

// A name may have several addresses, of which a server need not listen on all ("localhost"). The handle of the one that failed
// cannot be used again. False when there is none left.
static bool try_next(struct tcp *t)
{
    while (t->address && (t->address = t->address->ai_next) != NULL) {
        uv_tcp_t *failed = t->handle;
        if (!new_handle(t)) {
            t->handle = failed;
            return false;
        }
        uv_close((uv_handle_t *)failed, on_replaced);
        if (connect_to(t, t->address->ai_addr) == 0)
            return true;
    }
    return false;
}

static void on_found(struct gw_lookup_wait *w, int status, struct gw_addresses *found)
{
    struct tcp *t = (struct tcp *)((char *)w - offsetof(struct tcp, lookup));
    t->found = found;
    t->address = found ? found->first : NULL;
    if (status == 0)
        status = connect_to(t, t->address->ai_addr);
    if (status == 0 || try_next(t))
        return;
    if (t->loop->on_wake)
        t->loop->on_wake(t->loop);
    t->on_connected(t->s, uv_strerror(status));
}

static int dial(void *ctx, struct gw_socket *s, const char *host, uint16_t port, gw_on_connected on_connected)
{
    struct gw_tcp_loop *l = ctx;
    struct tcp *t = tcp_new(l, s);
    if (!t)
        return UV_ENOMEM;
    t->on_connected = on_connected;
    struct sockaddr_storage addr;
    int rc;
    if (uv_ip4_addr(host, port, (struct sockaddr_in *)&addr) == 0 ||
        uv_ip6_addr(host, port, (struct sockaddr_in6 *)&addr) == 0) {
        rc = connect_to(t, (const struct sockaddr *)&addr);
    } else {
        t->lookup.on_found = on_found;
        rc = gw_lookup_begin(&l->lookups, host, port, &t->lookup);
    }
    if (rc != 0) {
        uv_close((uv_handle_t *)t->handle, on_discarded);
        return rc;
    }
    attach(t);
    return 0;
}

struct gw_dialler gw_tcp_dialler(struct gw_tcp_loop *l)
{
    return (struct gw_dialler){ dial, l };
}

int gw_tcp_descriptor(const struct gw_socket *s)
{
    const struct tcp *t = s->impl;
    uv_os_fd_t fd;
    return t && uv_fileno((const uv_handle_t *)t->handle, &fd) == 0 ? fd : -1;
}

void gw_tcp_peer(const struct gw_socket *s, char out[static GW_SOCKET_PEER])
{
    const struct tcp *t = s->impl;
    out[0] = '\0';
    if (t)
        peer_of(t->handle, out);
}

// Splits at the last colon; brackets around an IPv6 address are taken off.
static bool split_address(struct span address, char host[static 256], char port[static 6])
{
    size_t colon = address.n;
    while (colon > 0 && address.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct span h = span_sub(address, 0, colon - 1), p = span_sub(address, colon, address.n);
    if (h.n >= 2 && h.p[0] == '[' && h.p[h.n - 1] == ']')
        h = span_sub(h, 1, h.n - 1);
    uint64_t number;
    if (h.n == 0 || h.n > 255 || p.n > 5 || !span_to_u64(p, &number) || number > 65535)
        return false;
    memcpy(host, h.p, h.n);
    host[h.n] = '\0';
    memcpy(port, p.p, p.n);
    port[p.n] = '\0';
    return true;
}

int gw_tcp_bind(struct span address, bool reuse_port, int *fd, const char **what)
{
    char host[256], port[6];
    if (!split_address(address, host, port)) {
        *what = "is not host:port";
        return -EINVAL;
    }
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV }, *res = NULL;
    if (getaddrinfo(host, port, &hints, &res) != 0 || !res) {
        *what = "cannot be resolved";
        return -EADDRNOTAVAIL;
    }
    int rc = 0, one = 1;
    int s = socket(res->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        (reuse_port && setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        bind(s, res->ai_addr, res->ai_addrlen) != 0) {
        rc = -errno;
        *what = rc == -EADDRINUSE ? "is in use by another process" : strerror(-rc);
    }
    freeaddrinfo(res);
    if (rc != 0) {
        if (s >= 0)
            close(s);
        return rc;
    }
    *fd = s;
    return 0;
}

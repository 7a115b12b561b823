// SPDX-License-Identifier: GPL-3.0-or-later
// A TCP connection as its users see it: bytes come in by callback, bytes go out through a bounded queue. Clients and upstreams stand on
// it and never see libuv; a test gives them a socket made of memory instead (`ops`).
//
// Reading stops and starts on request (back-pressure). Writing is tried at once and what the kernel does not take is queued;
// `queued` tells how much, and on_drained comes when a queue over the high mark has gone below the low one.
#ifndef SALLYPORT_NET_SOCKET_H
#define SALLYPORT_NET_SOCKET_H

#include "gateway/base/buf.h"

struct gw_socket;

struct gw_socket_ops {
    void (*write)(struct gw_socket *s, struct span bytes);
    void (*read_start)(struct gw_socket *s);
    void (*read_stop)(struct gw_socket *s);
    // Sends FIN once the queue is empty; reading goes on.
    void (*shutdown)(struct gw_socket *s);
    // No callback but on_closed comes after this; the queue is dropped.
    void (*close)(struct gw_socket *s);
    // Whether nothing waits to be read, the peer's end included, not even what the loop has not been told of yet.
    bool (*quiet)(struct gw_socket *s);
};

struct gw_socket {
    const struct gw_socket_ops *ops;
    void *impl;     // the implementation's; NULL once closed
    void *owner;    // the user's
    size_t queued;  // bytes accepted and not yet with the kernel
    bool congested; // queued went over the high mark and not yet below the low one
    bool reading;
    bool closing;
    bool bulk; // set by the user: a long body is coming in, so that more may be read at once
    // Bytes are borrowed for the call. The callee may close the socket inside any callback.
    void (*on_bytes)(struct gw_socket *s, struct span bytes);
    void (*on_end)(struct gw_socket *s);            // FIN from the peer
    void (*on_error)(struct gw_socket *s, int why); // -errno; the socket is useless: close it
    void (*on_drained)(struct gw_socket *s);
    void (*on_closed)(struct gw_socket *s); // last callback: the memory may go
};

// Opens an outgoing connection for `s`, whose callbacks are set. 0, or an error (then `s` is untouched). on_connected comes once, never before
// this returns, with `why` NULL or a static text; after a failure the caller closes `s`. Closing it earlier is fine: then only
// on_closed comes.
typedef void (*gw_on_connected)(struct gw_socket *s, const char *why);
struct gw_dialler {
    int (*dial)(void *ctx, struct gw_socket *s, const char *host, uint16_t port, gw_on_connected on_connected);
    void *ctx;
};

#define GW_SOCKET_PEER 64 // "address:port", NUL-terminated
#define GW_SOCKET_HIGH (256u * 1024)
#define GW_SOCKET_LOW (64u * 1024)

static inline void gw_socket_write(struct gw_socket *s, struct span bytes)
{
    if (bytes.n > 0 && !s->closing)
        s->ops->write(s, bytes);
}
static inline void gw_socket_read(struct gw_socket *s, bool on)
{
    if (s->closing || s->reading == on)
        return;
    s->reading = on;
    if (on)
        s->ops->read_start(s);
    else
        s->ops->read_stop(s);
}
static inline void gw_socket_shutdown(struct gw_socket *s)
{
    if (!s->closing)
        s->ops->shutdown(s);
}
static inline bool gw_socket_quiet(struct gw_socket *s)
{
    return !s->closing && s->ops->quiet(s);
}
static inline void gw_socket_close(struct gw_socket *s)
{
    if (s->closing)
        return;
    s->closing = true;
    s->ops->close(s);
}

// Accepts somebody who waits, into `s`, whose callbacks are set: fills in its operations, and who it is. 0, or an error, and then `s` is untouched.
typedef int (*gw_accept)(void *ctx, struct gw_socket *s, char remote[static GW_SOCKET_PEER]);

#endif

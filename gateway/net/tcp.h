// SPDX-License-Identifier: GPL-3.0-or-later
// The socket made of libuv's TCP: accepted descriptors and outgoing connections. One read buffer a loop serves every connection, since
// bytes are consumed within the callback; a connection with nothing queued holds no buffer.
#ifndef SALLYPORT_NET_TCP_H
#define SALLYPORT_NET_TCP_H

#include <uv.h>

#include "gateway/net/lookup.h"
#include "gateway/net/socket.h"

#define GW_TCP_READ (64u << 10)       // most that is read at once …
#define GW_TCP_READ_BULK (256u << 10) // … in a long body

// What a thread's sockets share; `uv->data` points to it.
struct gw_tcp_loop {
    uv_loop_t *uv;
    char *read_buffer; // GW_TCP_READ_BULK bytes
    struct gw_lookups lookups;
    void (*on_wake)(struct gw_tcp_loop *l); // before each batch of bytes: the owner reads the clock here
};

int gw_tcp_loop_init(struct gw_tcp_loop *l, uv_loop_t *uv);
void gw_tcp_loop_fini(struct gw_tcp_loop *l);

// A listening descriptor for `host:port` ("127.0.0.1:8443", "[::1]:0", "localhost:8443") with SO_REUSEPORT when asked. 0 and *fd, or -errno
// (or a uv error) and a static text in *what.
int gw_tcp_bind(struct span address, bool reuse_port, int *fd, const char **what);

// Accepts what waits on `listener`, a Unix socket too. The callbacks of `s` must be set. 0 or a uv error (then `s` is untouched).
int gw_tcp_accept(struct gw_tcp_loop *l, uv_stream_t *listener, struct gw_socket *s);

// The same in two steps: who waits comes in, and is said to be `remote`; he is then given to `s`, or sent away with a reset. `*taken` is NULL when he is
// gone already. False: out of memory, and he still waits; libuv asks for nobody else before.
bool gw_tcp_take(struct gw_tcp_loop *l, uv_stream_t *listener, uv_tcp_t **taken, char remote[static GW_SOCKET_PEER]);
int gw_tcp_adopt(struct gw_tcp_loop *l, uv_tcp_t *taken, struct gw_socket *s);
void gw_tcp_turn_away(uv_tcp_t *taken);

// Resolves and connects over this loop's TCP; `ctx` is the struct gw_tcp_loop.
struct gw_dialler gw_tcp_dialler(struct gw_tcp_loop *l);

// The descriptor of an open connection; -1: it has none.
int gw_tcp_descriptor(const struct gw_socket *s);
// "address:port" of the peer, for audit; NUL-terminated.
void gw_tcp_peer(const struct gw_socket *s, char out[static GW_SOCKET_PEER]);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The plain listener of the control thread for /healthz, /readyz and /metrics: one request a connection, answered and closed.
#ifndef SALLYPORT_NET_OPERATIONS_H
#define SALLYPORT_NET_OPERATIONS_H

#include "gateway/endpoint/operations.h"
#include "gateway/net/tcp.h"

struct gw_operations_listener {
    uv_tcp_t handle;
    size_t open; // connections, bounded
    struct gw_operations_visitor *visitors;
    // Fills the state of this moment.
    void (*describe)(void *ctx, struct gw_operations_state *state);
    void *ctx;
};

// Takes over `fd`. `uv->data` is a struct gw_tcp_loop. 0 or a uv error.
int gw_operations_listen(struct gw_operations_listener *o, uv_loop_t *uv, int fd);
// Closes what visitors there are; the loop runs once more after it. The listener's own handle is the loop's to close.
// Takes no new connections; those that are there are answered. Fine when it never listened.
void gw_operations_close(struct gw_operations_listener *o);
void gw_operations_end(struct gw_operations_listener *o);

#endif

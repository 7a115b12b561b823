// SPDX-License-Identifier: GPL-3.0-or-later
// An application's connection on this machine: plain HTTP/1.1, one request (relay.h) at a time; those that were pipelined wait for their turn.
// No libuv and no clock of its own.
#ifndef SALLYPORT_NET_LOCAL_H
#define SALLYPORT_NET_LOCAL_H

#include "gateway/net/connector.h"

struct gw_local {
    struct gw_socket socket;
    struct gw_connector *connector;
    struct gw_local *next, *prev;
    struct gw_h1 h1;
    struct gw_relay *relay; // NULL between requests
    struct buf held;        // what was not taken yet
    struct buf out;         // goes out at the end of the wake-up
    struct gw_deadline deadline;
    size_t unsent; // of a closing connection, when it was last looked at
    bool pumping;
    bool last;      // no request after this one
    bool lingering; // everything was sent; what still comes is thrown away
    bool ended;     // the application closed its side
};

// A connection to be accepted by `accept` (client.h); it frees itself when closed. NULL: out of memory, or not accepted.
struct gw_local *gw_local_new(struct gw_connector *c, gw_accept accept, void *ctx);
// Ends it now: the application sees a cut.
void gw_local_cut(struct gw_local *l);
void gw_local_drain(struct gw_local *l);

// For the relay.
void gw_local_send(struct gw_local *l, struct span bytes);
static inline bool gw_local_congested(const struct gw_local *l)
{
    return l->socket.congested;
}
// The answer is whole. The relay is freed, and the connection goes on or ends (`close`).
void gw_local_done(struct gw_local *l, bool close);
// More of the request can be taken; also after anything was sent outside of the application's own wake-up.
void gw_local_resume(struct gw_local *l);

#endif

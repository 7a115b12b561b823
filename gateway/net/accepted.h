// SPDX-License-Identifier: GPL-3.0-or-later
// A connection that was accepted, with TLS on it: what clients of the gateway (client.h) and visitors of the authority (visitor.h) stand on alike. It does
// the handshake, hands plaintext up, sends what is put into `out`, and closes so that the other side can tell a whole answer from a cut one:
// close_notify only after the last byte of one, and then reading on until the other side has closed too, since a reset would take away what is still on
// its way.
//
// The owner embeds it, says at the end of each wake-up what can happen next (`settle`), and keeps the one deadline there is while the connection is open.
#ifndef SALLYPORT_NET_ACCEPTED_H
#define SALLYPORT_NET_ACCEPTED_H

#include "gateway/base/clock.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/net/socket.h"
#include "gateway/net/turns.h"
#include "gateway/net/wheel.h"
#include "gateway/tls/engine.h"

#define GW_ACCEPTED_RECORD 16384
#define GW_ACCEPTED_ROOM (17 * GW_ACCEPTED_RECORD)

struct gw_accepted;

struct gw_accepted_ops {
    // The handshake is over: 0, or why it was refused. Once, and not for whoever left without a byte.
    void (*handshake)(struct gw_accepted *a, int err, const char *detail);
    void (*plain)(struct gw_accepted *a, struct span bytes);
    // The end of a wake-up: what was produced goes out, and what can happen next is looked at once. Also when the other side will send no more (`ended`).
    void (*settle)(struct gw_accepted *a);
    // Before the end: what may still go into `out` does, and out of it (gw_accepted_send).
    void (*flush)(struct gw_accepted *a);
    // More may be sent again.
    void (*drained)(struct gw_accepted *a);
    // It is about to be closed: what belongs to a request goes. (What it is made from stays until `closed`: somebody above may be reading it.)
    void (*closing)(struct gw_accepted *a);
    // It is gone, and this is the last call: the owner frees itself.
    void (*closed)(struct gw_accepted *a);
};

struct gw_accepted {
    // Set before gw_accepted_init.
    const struct gw_accepted_ops *ops;
    struct gw_wheel *wheel;
    const struct clock_now *now;
    struct gw_metrics *metrics; // that bytes are counted in; NULL: nowhere
    char *
        room; // GW_ACCEPTED_ROOM bytes, the loop's: many records of plaintext are handed up at once. NULL: one at a time
    int64_t idle_ms;                              // for whoever takes nothing of what is left for him
    void (*on_due)(struct gw_deadline *deadline); // the owner's, which asks gw_accepted_due first

    struct gw_turns *turns; // of handshakes; NULL: each goes on as its bytes come

    struct gw_turn turn;
    struct gw_socket socket;
    struct gw_tls_engine tls;
    struct buf out; // plaintext
    struct gw_deadline deadline;
    size_t unsent; // of a closing connection, when it was last looked at
    char remote[GW_SOCKET_PEER];
    bool fed;       // some byte arrived
    bool lingering; // everything was sent; what still comes is thrown away
    bool ended;     // the other side closed its side
    bool kept;      // it had an answer: handshakes do not take its time
};

// `socket` is accepted by `accept`. 0, ERR_NOMEM or what `accept` gave: then nothing is left to close.
int gw_accepted_init(struct gw_accepted *a, struct gw_tls_context *tls, const struct gw_tls_trust *trust,
                     gw_accept accept, void *ctx);

// Sends `out`, and what TLS has to say. Some of it may stay, while the other side takes nothing.
void gw_accepted_send(struct gw_accepted *a);
// The same, and then `plain`, which need not be copied into `out` first.
void gw_accepted_pass(struct gw_accepted *a, struct span plain);
// Ends it now, without close_notify: the other side sees a cut.
void gw_accepted_close(struct gw_accepted *a);
// Everything due was produced: flush, close_notify, FIN, and then the other side has a while to take it.
void gw_accepted_linger(struct gw_accepted *a);
// The handshake is refused: the owner is told, and the other side with an alert.
void gw_accepted_refuse(struct gw_accepted *a, int err, const char *detail);
// The deadline came. True: it was about the connection itself, which is dealt with.
bool gw_accepted_due(struct gw_accepted *a);

#endif

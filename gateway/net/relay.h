// SPDX-License-Identifier: GPL-3.0-or-later
// One request of an application on its way to a gateway and back: stripped of the credentials that came with it, given ours, streamed both ways with
// back-pressure, and sent again where that mends what went wrong and can do no harm:
//
//   nothing of it was sent: the gateway takes no connection    to the next gateway, whatever the request is
//   the gateway closed in an orderly way, unread               likewise, from the buffer
//   a gateway that decided nothing (draining, overloaded …)    likewise
//   the connection broke, or there was no answer               to the next, if the method is idempotent or it is a search
//   it wants a nonce, or finds the proof too old               once more, with a new proof
//   it does not accept the token                               once more, when there is another
//
// A body is kept for that until its answer begins, up to connect.buffer; what is longer is sent once.
#ifndef SALLYPORT_NET_RELAY_H
#define SALLYPORT_NET_RELAY_H

#include "gateway/http/body.h"
#include "gateway/http/target.h"
#include "gateway/net/links.h"
#include "gateway/net/local.h"

enum gw_relay_state {
    GW_RELAY_HEAD,    // the head is coming
    GW_RELAY_WAIT,    // there is no token, or no certificate
    GW_RELAY_CONNECT, // no connection to a gateway yet
    GW_RELAY_FORWARD, // bytes move
    GW_RELAY_DISCARD, // the answer went out; the rest of the request is thrown away
};

struct gw_relay {
    struct gw_local *local;
    struct arena arena;
    struct gw_request request;
    struct gw_target target;
    char id[33];
    enum gw_relay_state state;
    struct gw_links *links; // that it is on; NULL: none yet
    size_t at;              // the gateway that is tried
    uint32_t tried;         // gateways that it does not go to again
    unsigned serial;        // of the token that was sent
    struct gw_call call;
    struct gw_body up_body, down_body;
    struct buf up;                 // for the gateway, at the end of the wake-up
    struct buf kept;               // of the body, from its beginning
    struct buf problem;            // of an answer that is a refusal
    struct gw_relay *next, **link; // among those that wait
    struct gw_deadline patience;
    int64_t until_ms; // it waits in all; 0: it has not waited yet
    uint64_t discarded;
    bool long_body; // longer than may be kept
    bool whole;     // the request is
    bool collects;  // the answer is a refusal, which is read first
    bool answered, keep_alive, wants_nonce;
    bool waits_for_token;                      // another than that of `serial`, which was refused …
    unsigned failures;                         // … and what of attempts to get one had failed by then
    bool proof_again, token_again, call_again; // once each
    int error;                                 // what the last gateway that was tried came to
    const char *what;
};

const struct gw_h1_limits *gw_relay_limits(void);
struct gw_relay *gw_relay_new(struct gw_local *l); // NULL: out of memory
void gw_relay_free(struct gw_relay *r);

// From the application. Each may end the relay (local->relay is NULL then).
void gw_relay_head(struct gw_relay *r);
void gw_relay_body(struct gw_relay *r, struct span piece);
void gw_relay_end(struct gw_relay *r);
void gw_relay_bad(struct gw_relay *r, int err, const char *what);
void gw_relay_drained(struct gw_relay *r);
bool gw_relay_takes(const struct gw_relay *r);
void gw_relay_flush(struct gw_relay *r);

// It waits no longer: what it waited for may be there.
void gw_relay_again(struct gw_relay *r);

#endif

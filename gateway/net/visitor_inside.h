// SPDX-License-Identifier: GPL-3.0-or-later
// What visitor.c (the connection) and visitor_request.c (the request on it) share. Not for other files.
#ifndef SALLYPORT_NET_VISITOR_INSIDE_H
#define SALLYPORT_NET_VISITOR_INSIDE_H

#include "gateway/net/visitor.h"

enum gw_visitor_state {
    GW_VISITOR_IDLE,
    GW_VISITOR_HEAD,
    GW_VISITOR_BODY_STATE,
    GW_VISITOR_WAITS,   // the endpoint waits for something
    GW_VISITOR_RECORD,  // the answer waits for its record
    GW_VISITOR_ANSWERED // and is queued; the visit can go
};

// One request, from its first byte to its answer.
struct gw_visitor_request {
    struct arena arena;
    struct gw_request request;
    struct gw_visit visit;
    struct buf body;
    uint64_t ticket;
    bool head;  // HEAD: the visit is told GET, and the body of the answer stays here
    bool whole; // its end was seen: what comes behind it is another request
};

struct gw_visitor {
    struct gw_accepted conn;
    struct gw_visitors *server;
    struct gw_visitor *next, *prev;
    struct gw_h1 h1;
    struct gw_h1_limits limits;
    struct gw_visitor_request *r; // NULL between requests
    enum gw_visitor_state state;
    struct buf held;  // plaintext that was not taken yet
    int64_t since_ms; // of the handshake, or of the present state
    bool pumping, last;
};

// Begins a request. False: out of memory.
bool gw_visitor_begin(struct gw_visitor *c);
void gw_visitor_request_free(struct gw_visitor_request *r); // NULL is fine
// What the parser found. Each leads to another state.
void gw_visitor_on_head(struct gw_visitor *c);
void gw_visitor_on_body(struct gw_visitor *c, struct span piece);
void gw_visitor_on_end(struct gw_visitor *c);
// Answers with a problem instead. `what` is static text for audit, or NULL.
void gw_visitor_refuse(struct gw_visitor *c, int err, const char *what);
// Asks the endpoint again; `due`: as though its time had come.
void gw_visitor_ask_again(struct gw_visitor *c, bool due);
// Sends the answer if its record is where it has to be.
void gw_visitor_try_answer(struct gw_visitor *c);

void gw_visitor_enter(struct gw_visitor *c, enum gw_visitor_state state);

#endif

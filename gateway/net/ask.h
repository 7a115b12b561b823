// SPDX-License-Identifier: GPL-3.0-or-later
// One question to a server, outside of what loops do: on connections of its own that end with it, and within a time. The main thread asks in
// the background (surveyor.h); a command asks and waits.
#ifndef SALLYPORT_NET_ASK_H
#define SALLYPORT_NET_ASK_H

#include "gateway/config/snapshot.h"
#include "gateway/net/control.h"
#include "gateway/net/fetch.h"

struct gw_ask;

struct gw_ask_question {
    const struct gw_remote *remote;   // of a snapshot
    struct gw_endpoints *endpoints;   // any of them is asked; a reference is taken
    struct gw_fetch_field credential; // its name SPAN_NONE: none. Of the snapshot
    enum gw_method method;
    struct span target, body; // copied; body SPAN_NONE: none
    size_t answer_max;
    int64_t within_ms; // from start to end, whatever happens
    bool repeatable;
};

struct gw_ask_reply {
    int error;        // 0: the rest is there; else ERR_SHARD_*
    const char *what; // static text behind `error`; may be NULL
    unsigned status;
    struct span body; // while on_done runs
};

typedef void (*gw_ask_answered)(void *ctx, const struct gw_ask_reply *a);

// `s` has the remote, and a reference is taken. on_done comes once, later, and not after gw_ask_free. NULL: it could not even be tried (out of
// memory, TLS options that cannot be used), and on_done never comes.
struct gw_ask *gw_ask_new(const struct gw_origin_ground *ground, struct gw_snapshot *s, const struct gw_ask_question *q,
                          gw_ask_answered on_done, void *ctx);
// Also from inside of on_done, and when it has come: that does not free. NULL is fine. Connections close in their own time, on the loop.
void gw_ask_free(struct gw_ask *a);

// Asks and waits, on a loop of its own. `bundles` vouch for a server that has no CAs of its own. The answer's body is put into `body` (initialised,
// with a limit); `a->body` is not set.
void gw_ask_now(struct gw_snapshot *s, const struct gw_tls_trust *bundles, const struct gw_ask_question *q,
                struct gw_ask_reply *a, struct buf *body);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// One request of a command, on a loop of its own: connects, sends what is given, hands the answer over as it comes, and ends.
#ifndef SALLYPORT_NET_ERRAND_H
#define SALLYPORT_NET_ERRAND_H

#include "gateway/http/h1.h"
#include "gateway/tls/context.h"

struct gw_tls_target;
struct gw_tls_trust;

struct gw_errand {
    const char *host;
    uint16_t port;
    struct gw_tls_context *tls; // NULL: plain
    const struct gw_tls_trust *trust;
    const struct gw_tls_target *target;
    struct span request; // head and body, ready to send
    bool head_request;
    int64_t connect_ms, idle_ms; // idle: until the first byte, and between two
    void (*on_head)(void *ctx, const struct gw_response *r);
    void (*on_body)(void *ctx, struct span piece);
    void *ctx;
};

// 0 when the answer is whole; else an ERR_SHARD_* with a static text in `*what` (may be NULL), after which part of it may have been handed over.
int gw_errand_run(const struct gw_errand *e, const char **what);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Somewhere a thread sends requests to: the TLS context, the trust and the pool of connections made of a `gw_remote`. The shards of a view are
// origins, and so are the servers of an issuer's keys, of introspection and of the revocation feed. fetch.h sends one request to one.
//
// An origin belongs to one thread. Its end is in two steps, since connections close in their own time:
//   gw_origin_init ─▶ … ─▶ gw_origin_retire ─▶ on_empty, once ─▶ gw_origin_fini
#ifndef SALLYPORT_NET_ORIGIN_H
#define SALLYPORT_NET_ORIGIN_H

#include "gateway/config/remote.h"
#include "gateway/net/upstream.h"

// What a thread lends its origins: a loop's core (core.h), or the control thread (control.h). All of it outlives them.
struct gw_origin_ground {
    struct gw_dialler dialler;
    struct gw_wheel *wheel;
    const struct clock_now *now;
    struct gw_metrics *metrics;
    const struct gw_tls_trust
        *bundles; // the present ones of the trust domains, for servers that name themselves by SPIFFE ID
    struct gw_health_board *health; // NULL: whatever is checked counts as ready
};

struct gw_origin {
    const struct gw_remote *remote;
    struct gw_pool pool; // owner and on_empty of its own: use those below
    struct gw_pool_config config;
    struct gw_tls_trust trust; // when the remote has CAs of its own
    void (*on_empty)(struct gw_origin *o);
    void *owner;
};

// `remote` and `limits` (of answers) outlive the origin, which must not move. 0; ERR_NOMEM, or ERR_INTERNAL with the reasons in `diags`: then
// nothing is held.
int gw_origin_init(struct gw_origin *o, const struct gw_remote *remote, const struct gw_h1_limits *limits,
                   const struct gw_origin_ground *ground, int64_t now_s, struct diags *diags);
// Closes what is idle, and the rest when its calls end. `on_empty` (may be NULL) may come before this returns.
void gw_origin_retire(struct gw_origin *o);
// After on_empty, or when no call was ever made. Fine on one that is zeroed.
void gw_origin_fini(struct gw_origin *o);

#endif

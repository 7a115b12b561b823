// SPDX-License-Identifier: GPL-3.0-or-later
// What the control thread's own requests stand on: an issuer's keys, the revocation feed. A clock, deadlines, a dialler and the trust that is in
// force, all on the main thread's libuv loop, which serves no workload.
#ifndef SALLYPORT_NET_CONTROL_H
#define SALLYPORT_NET_CONTROL_H

#include "gateway/net/origin.h"
#include "gateway/net/tcp.h"

// Zeroed, then init. Must not move.
struct gw_control {
    struct gw_tcp_loop tcp;
    struct gw_wheel wheel;
    struct clock_now now; // refreshed at each wake-up
    struct gw_metrics metrics;
    struct gw_tls_trust bundles;
    uv_timer_t tick;
};

// The timer begins at once. 0 or a uv error.
int gw_control_init(struct gw_control *c, uv_loop_t *uv);
// After the loop's handles are closed.
void gw_control_fini(struct gw_control *c);
struct gw_origin_ground gw_control_ground(struct gw_control *c);

struct gw_snapshot;
struct gw_revocations;
// Other generations are in force; they stay alive until the next call.
void gw_control_trust(struct gw_control *c, const struct gw_snapshot *s, const struct gw_revocations *r);

#endif

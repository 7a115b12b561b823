// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/control.h"

#include "gateway/config/snapshot.h"

#include <stddef.h>

static void on_wake(struct gw_tcp_loop *tcp)
{
    struct gw_control *c = (struct gw_control *)((char *)tcp - offsetof(struct gw_control, tcp));
    c->now = clock_read();
}

static void on_tick(uv_timer_t *t)
{
    struct gw_control *c = t->data;
    c->now = clock_read();
    gw_wheel_advance(&c->wheel, c->now.mono_ms);
}

int gw_control_init(struct gw_control *c, uv_loop_t *uv)
{
    int rc = gw_tcp_loop_init(&c->tcp, uv);
    if (rc != 0)
        return rc;
    c->tcp.on_wake = on_wake;
    c->now = clock_read();
    gw_wheel_init(&c->wheel, c->now.mono_ms);
    uv_timer_init(uv, &c->tick);
    c->tick.data = c;
    return uv_timer_start(&c->tick, on_tick, GW_WHEEL_TICK_MS, GW_WHEEL_TICK_MS);
}

void gw_control_fini(struct gw_control *c)
{
    gw_tcp_loop_fini(&c->tcp);
}

struct gw_origin_ground gw_control_ground(struct gw_control *c)
{
    return (struct gw_origin_ground){ gw_tcp_dialler(&c->tcp), &c->wheel, &c->now, &c->metrics, &c->bundles, NULL };
}

void gw_control_trust(struct gw_control *c, const struct gw_snapshot *s, const struct gw_revocations *r)
{
    c->bundles = (struct gw_tls_trust){
        .trust = s->trust,
        .revocation = r->certificates,
        .options = s->verify,
        .trust_generation = (uint32_t)s->generation,
        .revocation_generation = (uint32_t)r->generation,
    };
}

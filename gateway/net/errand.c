// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/errand.h"

#include "gateway/net/tcp.h"
#include "gateway/net/upstream.h"

#include <signal.h>

struct run {
    const struct gw_errand *errand;
    uv_loop_t uv;
    uv_timer_t tick;
    struct gw_tcp_loop tcp;
    struct gw_wheel wheel;
    struct clock_now now;
    struct gw_metrics metrics;
    struct gw_pool pool;
    struct gw_call call;
    struct arena arena;
    int error;
    const char *what;
};

static void on_wake(struct gw_tcp_loop *tcp)
{
    struct run *r = (struct run *)((char *)tcp - offsetof(struct run, tcp));
    r->now = clock_read();
}

static void on_tick(uv_timer_t *t)
{
    struct run *r = t->data;
    r->now = clock_read();
    gw_wheel_advance(&r->wheel, r->now.mono_ms);
}

static void finish(struct run *r, int error, const char *what)
{
    r->error = error;
    r->what = what;
    gw_pool_retire(&r->pool);
    uv_close((uv_handle_t *)&r->tick, NULL);
}

static void on_ready(struct gw_call *c)
{
    struct run *r = c->owner;
    gw_call_write(c, r->errand->request);
    gw_call_sent(c);
}

static void on_head(struct gw_call *c, const struct gw_response *response)
{
    struct run *r = c->owner;
    r->errand->on_head(r->errand->ctx, response);
}

static void on_body(struct gw_call *c, struct span piece)
{
    struct run *r = c->owner;
    r->errand->on_body(r->errand->ctx, piece);
}

static void on_end(struct gw_call *c)
{
    finish(c->owner, 0, NULL);
}

static void on_failed(struct gw_call *c, int err, const char *what)
{
    finish(c->owner, err, what);
}

int gw_errand_run(const struct gw_errand *e, const char **what)
{
    struct run r = { .errand = e, .now = clock_read() };
    const struct gw_endpoint endpoint = { .host = e->host, .port = e->port };
    struct gw_endpoints *endpoints = gw_endpoints_new(&endpoint, 1);
    struct gw_pool_config config = {
        .tls = e->tls,
        .trust = e->trust,
        .target = e->target ? *e->target : (struct gw_tls_target){ .dns = SPAN_NONE },
        .limits = &gw_h1_default_limits,
        .connect_ms = e->connect_ms,
        .first_byte_ms = e->idle_ms,
        .idle_ms = e->idle_ms,
        .max_connections = 1,
    };
    struct gw_h1_limits limits = gw_h1_default_limits;
    limits.body = 0;
    config.limits = &limits;
    signal(SIGPIPE, SIG_IGN);
    if (!endpoints || uv_loop_init(&r.uv) != 0) {
        gw_endpoints_unref(endpoints);
        return ERR_NOMEM;
    }
    if (gw_tcp_loop_init(&r.tcp, &r.uv) != 0) {
        gw_endpoints_unref(endpoints);
        uv_loop_close(&r.uv);
        return ERR_NOMEM;
    }
    r.tcp.on_wake = on_wake;
    gw_wheel_init(&r.wheel, r.now.mono_ms);
    arena_init(&r.arena, 1 << 20);
    uv_timer_init(&r.uv, &r.tick);
    r.tick.data = &r;
    uv_timer_start(&r.tick, on_tick, GW_WHEEL_TICK_MS, GW_WHEEL_TICK_MS);
    gw_pool_init(&r.pool, &config, gw_tcp_dialler(&r.tcp), &r.wheel, &r.now, &r.metrics);
    r.call = (struct gw_call){
        .owner = &r,
        .pool = &r.pool,
        .arena = &r.arena,
        .head_request = e->head_request,
        .on_ready = on_ready,
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .on_failed = on_failed,
    };
    r.error = gw_pool_set(&r.pool, endpoints);
    gw_endpoints_unref(endpoints);
    if (r.error == 0)
        gw_call_start(&r.call);
    else
        finish(&r, r.error, NULL);
    uv_run(&r.uv, UV_RUN_DEFAULT);
    gw_pool_fini(&r.pool);
    uv_loop_close(&r.uv);
    gw_tcp_loop_fini(&r.tcp);
    arena_fini(&r.arena);
    *what = r.what;
    return r.error;
}

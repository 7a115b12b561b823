// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/locate.h"

#include "gateway/config/discover.h"
#include "gateway/net/resolver.h"

#include <stdio.h>

struct gw_endpoints *gw_locate_endpoints(const struct gw_config_discover *c, const struct gw_resolver_answer *a)
{
    struct gw_endpoint v[GW_ENDPOINTS_MAX];
    struct arena arena;
    arena_init(&arena, 256 << 10);
    for (size_t i = 0; i < a->n; i++) {
        const struct gw_resolver_place *p = &a->v[i];
        v[i] = (struct gw_endpoint){ .host = p->address, .port = c->port, .authority = c->authority, .name = c->host };
        if (c->kind == GW_DISCOVER_SERVICE) {
            v[i].port = p->port;
            v[i].authority = gw_endpoint_authority(&arena, span_str(p->name), p->port, c->tls);
        }
    }
    struct gw_endpoints *e = arena.failed ? NULL : gw_endpoints_new(v, a->n);
    arena_fini(&arena);
    return e;
}

struct asked {
    const struct gw_config_discover *config;
    struct gw_endpoints *found;
    char *what;
};

static void on_answer(void *ctx, const struct gw_resolver_answer *a)
{
    struct asked *q = ctx;
    if (!a->what)
        q->found = gw_locate_endpoints(q->config, a);
    snprintf(q->what, GW_ENDPOINT_FILE_WHAT, "%s", a->what ? a->what : "out of memory");
}

struct gw_endpoints *gw_locate_now(const struct gw_config_discover *c, char *what)
{
    if (c->kind == GW_DISCOVER_FILE)
        return gw_endpoint_file_read(c->file.v.p, c->tls, what);
    struct asked q = { .config = c, .what = what };
    uv_loop_t uv;
    snprintf(what, GW_ENDPOINT_FILE_WHAT, "the resolver cannot be set up");
    if (uv_loop_init(&uv) != 0)
        return NULL;
    const struct gw_resolver_request r = {
        .uv = &uv,
        .name = c->host.p,
        .service = c->kind == GW_DISCOVER_SERVICE,
        .servers = c->server_list,
        .on_answer = on_answer,
        .ctx = &q,
    };
    gw_resolver_ask(&r); // when it cannot be asked, nothing is on the loop
    uv_run(&uv, UV_RUN_DEFAULT);
    uv_loop_close(&uv);
    return q.found;
}

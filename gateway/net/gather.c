// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/gather.h"

#include "gateway/net/flow.h"

#include <stdlib.h>

static struct gw_view_shard *view_shard(struct gw_view *v, size_t api, unsigned shard)
{
    return &v->shards[v->snapshot->apis[api].shards[shard]];
}

static void on_fetched(struct gw_fetch *f)
{
    struct gw_gather *g = f->owner;
    if (--g->left == 0)
        g->on_done(g);
}

struct gw_gather *gw_gather_new(const struct gw_gather_request *r)
{
    struct gw_gather *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    size_t n_shards = r->view->snapshot->apis[r->api].placement.n_names;
    g->fetches = calloc(n_shards + 1, sizeof *g->fetches);
    g->shards = calloc(n_shards + 1, sizeof *g->shards);
    if (!g->fetches || !g->shards) {
        gw_gather_free(g);
        return NULL;
    }
    for (unsigned i = 0; i < n_shards; i++) {
        if (!gw_shard_set_has(r->shards, i))
            continue;
        g->shards[g->n] = i;
        struct gw_view_shard *vs = view_shard(r->view, r->api, i);
        g->fetches[g->n++] = (struct gw_fetch){
            .origin = &vs->origin,
            .fields = &vs->credential,
            .n_fields = vs->n_credential,
            .method = r->method,
            .target = r->target,
            .body = r->body,
            .request_id = r->request_id,
            .traceparent = r->traceparent,
            .tracestate = r->tracestate,
            .until_ms = r->until_ms,
            .on_done = on_fetched,
            .owner = g,
        };
    }
    return g;
}

void gw_gather_start(struct gw_gather *g)
{
    // One more than there are fetches, so that one which fails at once cannot end the gather before the last was begun.
    g->left = g->n + 1;
    for (size_t i = 0; i < g->n; i++)
        gw_fetch_start(&g->fetches[i]);
    if (--g->left == 0)
        g->on_done(g);
}

void gw_gather_free(struct gw_gather *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++)
        gw_fetch_fini(&g->fetches[i]);
    free(g->fetches);
    free(g->shards);
    free(g);
}

struct gw_listing {
    struct gw_listing *next, **link; // among core->listings
    struct gw_view *view;            // counted
    size_t api;
    struct gw_name_scope scope; // in the arena
    struct arena arena;
    struct gw_fetch fetch;
};

static void listing_free(struct gw_listing *l)
{
    *l->link = l->next;
    if (l->next)
        l->next->link = l->link;
    gw_fetch_fini(&l->fetch);
    arena_fini(&l->arena);
    gw_view_unref(l->view);
    free(l);
}

static void on_page(struct gw_fetch *f)
{
    struct gw_listing *l = f->owner;
    struct gw_name_map *names = l->view->services.names;
    int64_t now_ms = l->view->core->now.mono_ms;
    int rc = 0;
    if (f->error != 0)
        gw_name_map_abandon(names, l->scope, now_ms);
    else
        rc = gw_name_map_page(names, l->scope, (int)f->status, buf_span(&f->answer), now_ms, &l->arena, &f->target);
    if (rc == 1) {
        gw_flow_listed(l->view);
        gw_fetch_start(f);
        return;
    }
    struct gw_view *v = gw_view_ref(l->view);
    listing_free(l);
    gw_flow_listed(v);
    gw_view_unref(v);
}

// Not started yet. NULL: out of memory, or the map does not want it.
static struct gw_listing *listing_new(struct gw_view *view, size_t api, unsigned shard,
                                      const struct gw_resolve_wait *wait)
{
    struct gw_listing *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    arena_init(&l->arena, 1 << 20);
    l->view = gw_view_ref(view);
    l->api = api;
    l->scope =
        (struct gw_name_scope){ shard, arena_dup(&l->arena, wait->tenant), arena_dup(&l->arena, wait->database) };
    struct gw_view_shard *vs = view_shard(view, api, shard);
    l->fetch = (struct gw_fetch){
        .origin = &vs->origin,
        .fields = &vs->credential,
        .n_fields = vs->n_credential,
        .method = GW_METHOD_GET,
        .on_done = on_page,
        .owner = l,
    };
    if (gw_name_map_begin(view->services.names, l->scope, view->core->now.mono_ms, &l->arena, &l->fetch.target) != 0) {
        arena_fini(&l->arena);
        free(l);
        gw_view_unref(view);
        return NULL;
    }
    l->link = &view->core->listings;
    l->next = *l->link;
    if (l->next)
        l->next->link = &l->next;
    *l->link = l;
    return l;
}

void gw_listing_begin(struct gw_view *view, size_t api, const struct gw_resolve_wait *wait)
{
    // All are made before the first is started: one that fails at once comes back to the exchange that waits, which may end there, and
    // `wait` with it.
    struct gw_listing *begun[GW_PLACEMENT_SHARDS_MAX];
    size_t n = 0;
    gw_view_ref(view); // nor must it take the view with it
    for (unsigned i = 0; i < view->snapshot->apis[api].placement.n_names && n < GW_PLACEMENT_SHARDS_MAX; i++)
        if (gw_shard_set_has(&wait->begin, i) && (begun[n] = listing_new(view, api, i, wait)) != NULL)
            n++;
    for (size_t i = 0; i < n; i++)
        gw_fetch_start(&begun[i]->fetch);
    gw_view_unref(view);
}

void gw_listings_end(struct gw_core *core)
{
    while (core->listings)
        listing_free(core->listings);
}

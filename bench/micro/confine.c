// SPDX-License-Identifier: GPL-3.0-or-later
// Confining a request to a tenant: what is read of it anyway, and what the filter adds, for 768 floats of three digits (4.6 KiB) and of eight.
#include "bench/support/bodies.h"
#include "bench/support/micro.h"
#include "gateway/api/confine.h"

enum { UPSERT = 1, CONFINE = 2, EIGHT = 4 };

struct setting {
    struct gw_api *api;
    struct arena bodies, arena;
    struct gw_api_request requests[8];
    struct gw_api_meaning meaning;
};

static void set_up(void *ctx)
{
    static const struct span segments[] = { { "collections", 11 }, { "docs", 4 }, { "points", 6 }, { "query", 5 } };
    struct setting *s = ctx;
    s->api = gw_api_new(gw_api_def_find(SPAN("qdrant")));
    micro_must(s->api != NULL, "set up");
    arena_init(&s->bodies, 0);
    for (unsigned which = 0; which < 8; which++) {
        unsigned digits = which & EIGHT ? 8 : 3;
        s->requests[which] = (struct gw_api_request){
            .method = which & UPSERT ? SPAN("PUT") : SPAN("POST"),
            .segments = segments,
            .n_segments = which & UPSERT ? 3 : 4,
            .has_body = true,
            .body_ready = true,
            .body = which & UPSERT ? bodies_upsert(&s->bodies, digits) : bodies_query(&s->bodies, digits),
        };
    }
}

static void tear_down(void *ctx)
{
    struct setting *s = ctx;
    arena_fini(&s->bodies);
    gw_api_free(s->api);
}

static void run(void *ctx, unsigned which)
{
    static const struct gw_api_value value = { .kind = GW_API_TEXT, .text = { "acme", 4 } };
    const struct gw_api_filter filter = { 0, SPAN("tenant"), &value, 1 };
    struct setting *s = ctx;
    const struct gw_api_request *q = &s->requests[which];
    if (which & CONFINE)
        micro_must(gw_api_confine(s->api, q, &filter, 1, &s->arena, &s->meaning, NULL) == 0 &&
                       s->meaning.body.n > q->body.n,
                   "confine");
    else
        micro_must(gw_api_match(s->api, q, &s->arena, &s->meaning, NULL) == 0, "match");
}

static void before(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    arena_init(&s->arena, 0);
    if (which & CONFINE)
        run(s, which & ~(unsigned)CONFINE);
}

static void after(void *ctx, unsigned which)
{
    struct setting *s = ctx;
    (void)which;
    arena_fini(&s->arena);
}

#define STAGE(called, which, says)                                                                               \
    {                                                                                                            \
        .name = called, .what = says, .counted = 100, .arg = which, .before = before, .run = run, .after = after \
    }

int main(int argc, char **argv)
{
    static struct setting s;
    static const struct micro all[] = {
        STAGE("read-query-3", 0, "what a query by 768 floats of three digits asks for"),
        STAGE("confine-query-3", CONFINE, "that query, confined to a tenant"),
        STAGE("read-query-8", EIGHT, "what a query by 768 floats of eight digits asks for"),
        STAGE("confine-query-8", EIGHT | CONFINE, "that query, confined to a tenant"),
        STAGE("confine-upsert-3", UPSERT | CONFINE,
              "an upsert of 768 floats of three digits, confined; without a filter it streams"),
        STAGE("confine-upsert-8", UPSERT | EIGHT | CONFINE, "an upsert of 768 floats of eight digits, confined"),
    };
    return micro_main(
        argc, argv,
        &(struct micro_program){
            .stages = all, .n = sizeof all / sizeof *all, .ctx = &s, .set_up = set_up, .tear_down = tear_down });
}

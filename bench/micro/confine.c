// SPDX-License-Identifier: GPL-3.0-or-later
// What confining a request to a tenant costs, in nanoseconds: what is read of it anyway, and what the filter adds. A query of 768 floats in 4 KiB and one
// with all their digits, and upserts of the same, which stream unread where no filter holds.
#include "gateway/api/confine.h"
#include "gateway/base/buf.h"
#include "gateway/base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 4000
#define FLOATS 768

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static struct span body(struct arena *a, bool upsert, unsigned digits)
{
    struct buf b;
    unsigned seed = 7, most = 1;
    for (unsigned i = 0; i < digits; i++)
        most *= 10;
    buf_init(&b, 0);
    buf_printf(&b, upsert ? "{\"points\":[{\"id\":1,\"payload\":{\"n\":1},\"vector\":[" : "{\"limit\":10,\"query\":[");
    for (unsigned i = 0; i < FLOATS; i++, seed = seed * 1103515245 + 12345)
        buf_printf(&b, "%s0.%0*u", i ? "," : "", (int)digits, (seed >> 8) % most);
    buf_printf(&b, upsert ? "]}]}" : "],\"filter\":{\"must\":[{\"key\":\"n\",\"match\":{\"value\":1}}]}}");
    struct span s = arena_dup(a, buf_span(&b));
    buf_fini(&b);
    return s;
}

static void measure(const struct gw_api *api, const char *name, bool upsert, struct span text)
{
    static int64_t before[ROUNDS], added[ROUNDS];
    static const struct gw_api_value value = { .kind = GW_API_TEXT, .text = { "acme", 4 } };
    const struct gw_api_filter filter = { 0, SPAN("tenant"), &value, 1 };
    const struct span segments[] = { SPAN("collections"), SPAN("docs"), SPAN("points"), SPAN("query") };
    const struct gw_api_request q = { .method = upsert ? SPAN("PUT") : SPAN("POST"),
                                      .segments = segments,
                                      .n_segments = upsert ? 3 : 4,
                                      .has_body = true,
                                      .body_ready = true,
                                      .body = text };
    for (size_t i = 0; i < ROUNDS; i++) {
        struct arena arena;
        struct gw_api_meaning m;
        arena_init(&arena, 0);
        int64_t t0 = clock_mono_ns();
        int rc = gw_api_match(api, &q, &arena, &m, NULL);
        int64_t t1 = clock_mono_ns();
        int confined = gw_api_confine(api, &q, &filter, 1, &arena, &m, NULL);
        added[i] = clock_mono_ns() - t1;
        before[i] = t1 - t0;
        assert(rc == 0 && confined == 0 && m.body.n > text.n);
        (void)rc;
        (void)confined;
        arena_fini(&arena);
    }
    qsort(before, ROUNDS, sizeof before[0], compare);
    qsort(added, ROUNDS, sizeof added[0], compare);
    printf("%-28s %6zu B %10lld %10lld %10lld\n", name, text.n, (long long)before[ROUNDS / 2],
           (long long)added[ROUNDS / 2], (long long)added[ROUNDS * 9 / 10]);
}

int main(void)
{
    struct arena arena;
    struct gw_api *api = gw_api_new(gw_api_def_find(SPAN("qdrant")));
    assert(api);
    arena_init(&arena, 0);
    printf("%-28s %8s %10s %10s %10s\n", "ns", "body", "without", "added p50", "added p90");
    measure(api, "query, 3 digits", false, body(&arena, false, 3));
    measure(api, "query, 8 digits", false, body(&arena, false, 8));
    measure(api, "upsert of one, 3 digits", true, body(&arena, true, 3));
    measure(api, "upsert of one, 8 digits", true, body(&arena, true, 8));
    arena_fini(&arena);
    gw_api_free(api);
    return 0;
}

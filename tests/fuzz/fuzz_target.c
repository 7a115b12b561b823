// SPDX-License-Identifier: GPL-3.0-or-later
// The request target: "host LF target". What is accepted is a fixed point of normalisation, its segments hold nothing a server could take
// for structure, and the query, where it can be read, is text.
#include <stdlib.h>

#include "gateway/http/percent.h"
#include "gateway/http/query.h"
#include "gateway/http/target.h"
#include "gateway/http/time_left.h"

static void demand(bool holds)
{
    if (!holds)
        abort();
}

static void check_segments(const struct gw_target *t)
{
    for (size_t i = 0; i < t->n_segments; i++) {
        struct span s = t->segments[i];
        demand(s.n || i + 1 == t->n_segments);
        demand(!span_eq(s, SPAN(".")) && !span_eq(s, SPAN("..")));
        demand(span_find(s, '/') == s.n && span_find(s, '\\') == s.n && gw_is_text(s));
    }
}

static void check_query(struct span query, struct arena *arena)
{
    struct gw_query q = gw_query(query, arena);
    struct span name, value;
    while (gw_query_next(&q, &name, &value) == 1)
        demand(name.n && gw_is_text(name) && gw_is_text(value));
}

// Whatever the query was, the server is not told more time than there is, and nothing else is said twice or lost.
static void check_time_left(struct span query, struct arena *arena)
{
    struct span out, value = SPAN_NONE, a, b, v;
    uint64_t seconds;
    if (gw_time_left_in_query(query, SPAN("timeout"), 1500, arena, &out) != 0)
        return;
    demand(gw_query_get(out, SPAN("timeout"), arena, &value) == 0 && !span_is_none(value));
    demand(!span_to_u64(value, &seconds) || (seconds > 0 && seconds <= 2));
    struct gw_query before = gw_query(query, arena), after = gw_query(out, arena);
    while (gw_query_next(&before, &a, &v) == 1) {
        if (span_eq(a, SPAN("timeout")))
            continue;
        do
            demand(gw_query_next(&after, &b, &v) == 1);
        while (span_eq(b, SPAN("timeout")));
        demand(span_eq(a, b));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size), host = span_cut(&rest, '\n'),
                target = span_is_none(rest) ? SPAN("/") : rest;
    struct gw_target_options any = { .scheme = SPAN("https"), .any_authority = true };
    struct arena arena;
    struct gw_target t, again;
    const char *what = NULL;
    arena_init(&arena, 0);
    int rc = gw_target_parse(size % 2 ? GW_METHOD_OPTIONS : GW_METHOD_GET, target, host, &any, &arena, &t, &what);
    demand(rc == 0 || what);
    if (rc == 0 && !t.asterisk) {
        demand(gw_target_parse(GW_METHOD_GET, t.path, t.authority, &any, &arena, &again, &what) == 0);
        demand(span_eq(t.path, again.path) && span_eq(t.authority, again.authority) &&
               t.n_segments == again.n_segments);
        check_segments(&t);
        check_query(t.query, &arena);
        check_time_left(t.query, &arena);
    }
    arena_fini(&arena);
    return 0;
}

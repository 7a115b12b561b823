// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/time_left.h"

#include "gateway/http/query.h"

int gw_time_left(const struct gw_headers *h, int64_t *ms)
{
    uint64_t v = 0;
    size_t n = gw_headers_count(h, GW_FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS);
    if (n > 1)
        return ERR_HTTP_TIME_LEFT;
    if (n == 1 && (!span_to_u64(gw_headers_get(h, GW_FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS), &v) || v == 0 ||
                   v > GW_TIME_LEFT_MOST_MS))
        return ERR_HTTP_TIME_LEFT;
    *ms = (int64_t)v;
    return 0;
}

int gw_time_left_in_query(struct span query, struct span name, int64_t ms, struct arena *a, struct span *out)
{
    uint64_t seconds = ms > 1000 ? ((uint64_t)ms + 999) / 1000 : 1, given;
    struct span value, rest = query, kept = SPAN("");
    int rc = gw_query_get(query, name, a, &value);
    if (rc != 0)
        return rc;
    if (!span_is_none(value) && (!span_to_u64(value, &given) || (given > 0 && given <= seconds))) {
        *out = query;
        return 0;
    }
    while (rest.n > 0) {
        struct span pair = span_cut(&rest, '&'), one, ignored;
        struct gw_query q = gw_query(pair, a);
        if (gw_query_next(&q, &one, &ignored) == 1 && span_eq(one, name))
            continue;
        kept = arena_printf(a, "%.*s%.*s&", SPAN_FMT(kept), SPAN_FMT(pair));
        if (span_is_none(kept))
            return ERR_NOMEM;
    }
    struct span all = arena_printf(a, "%.*s%.*s=%llu", SPAN_FMT(kept), SPAN_FMT(name), (unsigned long long)seconds);
    if (span_is_none(all))
        return ERR_NOMEM;
    *out = all;
    return 0;
}

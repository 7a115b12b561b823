// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/query.h"

#include "gateway/http/percent.h"

struct gw_query gw_query(struct span query, struct arena *arena)
{
    return (struct gw_query){ query.n ? query : SPAN_NONE, arena };
}

static int decode(struct span s, struct arena *arena, struct span *out)
{
    struct span decoded = s;
    if (span_find(s, '%') < s.n || span_find(s, '+') < s.n) {
        char *p = arena_alloc(arena, s.n);
        if (!p)
            return ERR_NOMEM;
        size_t n = 0;
        for (size_t i = 0; i < s.n; i++) {
            int byte = (unsigned char)s.p[i];
            if (byte == '%') {
                if ((byte = gw_percent_byte(s, i)) < 0)
                    return ERR_API_QUERY;
                i += 2;
            } else if (byte == '+') {
                byte = ' ';
            }
            p[n++] = (char)byte;
        }
        decoded = span_of(p, n);
    }
    if (!gw_is_text(decoded))
        return ERR_API_QUERY;
    *out = decoded;
    return 0;
}

int gw_query_next(struct gw_query *q, struct span *name, struct span *value)
{
    if (span_is_none(q->rest))
        return 0;
    struct span rest = q->rest, right = span_cut(&rest, '&');
    if (span_find(right, ';') < right.n)
        return ERR_API_QUERY;
    struct span left = span_cut(&right, '='), decoded_value = SPAN_NONE;
    int rc = left.n ? decode(left, q->arena, &left) : ERR_API_QUERY;
    if (rc == 0 && !span_is_none(right))
        rc = decode(right, q->arena, &decoded_value);
    if (rc)
        return rc;
    q->rest = rest;
    *name = left;
    *value = decoded_value;
    return 1;
}

int gw_query_get(struct span query, struct span name, struct arena *arena, struct span *value)
{
    struct gw_query q = gw_query(query, arena);
    struct span n, v, found = SPAN_NONE;
    int rc;
    while ((rc = gw_query_next(&q, &n, &v)) == 1) {
        if (!span_eq(n, name))
            continue;
        if (span_is_none(v) || !span_is_none(found))
            return ERR_API_QUERY;
        found = v;
    }
    if (rc == 0)
        *value = found;
    return rc;
}

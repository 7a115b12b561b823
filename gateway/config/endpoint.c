// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/endpoint.h"

#include <stdlib.h>
#include <string.h>

bool gw_endpoint_same(const struct gw_endpoint *a, const struct gw_endpoint *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0 && span_eq(a->authority, b->authority) &&
           span_eq(a->name, b->name);
}

static bool has(const struct gw_endpoints *set, const struct gw_endpoint *e)
{
    for (size_t i = 0; i < set->n; i++)
        if (gw_endpoint_same(&set->v[i], e))
            return true;
    return false;
}

static struct span copy(char **at, struct span s)
{
    if (span_is_none(s))
        return SPAN_NONE;
    struct span c = span_of(*at, s.n);
    memcpy(*at, s.p, s.n);
    *at += s.n;
    return c;
}

struct gw_endpoints *gw_endpoints_new(const struct gw_endpoint *v, size_t n)
{
    size_t texts = 0;
    for (size_t i = 0; i < n; i++)
        texts += strlen(v[i].host) + 1 + v[i].authority.n + v[i].name.n;
    size_t places = n < GW_ENDPOINTS_MAX ? n : GW_ENDPOINTS_MAX;
    struct gw_endpoints *set = malloc(sizeof *set + places * sizeof *set->v + texts);
    if (!set)
        return NULL;
    char *at = (char *)(set->v + places);
    atomic_init(&set->refs, 1);
    set->n = 0;
    for (size_t i = 0; i < n && set->n < places; i++) {
        if (has(set, &v[i]))
            continue;
        struct span host = copy(&at, span_of(v[i].host, strlen(v[i].host) + 1));
        set->v[set->n++] = (struct gw_endpoint){ host.p, v[i].port, copy(&at, v[i].authority), copy(&at, v[i].name) };
    }
    return set;
}

struct gw_endpoints *gw_endpoints_ref(struct gw_endpoints *e)
{
    atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    return e;
}

void gw_endpoints_unref(struct gw_endpoints *e)
{
    if (e && atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
        free(e);
}

bool gw_endpoints_same(const struct gw_endpoints *a, const struct gw_endpoints *b)
{
    if (!a || !b)
        return a == b;
    for (size_t i = 0; i < a->n; i++)
        if (!has(b, &a->v[i]))
            return false;
    return a->n == b->n;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/directory.h"

#include <stdlib.h>
#include <string.h>

struct gw_directory *gw_directory_new(const struct gw_directory_entry *v, size_t n)
{
    size_t texts = 0;
    for (size_t i = 0; i < n; i++)
        texts += v[i].key.n;
    struct gw_directory *d = malloc(sizeof *d + n * sizeof *d->v + texts);
    if (!d)
        return NULL;
    char *at = (char *)(d->v + n);
    atomic_init(&d->refs, 1);
    d->n = n;
    for (size_t i = 0; i < n; i++) {
        memcpy(at, v[i].key.p, v[i].key.n);
        d->v[i].key = span_of(at, v[i].key.n);
        d->v[i].endpoints = v[i].endpoints ? gw_endpoints_ref(v[i].endpoints) : NULL;
        at += v[i].key.n;
    }
    return d;
}

struct gw_directory *gw_directory_ref(struct gw_directory *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void gw_directory_unref(struct gw_directory *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < d->n; i++)
        gw_endpoints_unref(d->v[i].endpoints);
    free(d);
}

struct gw_endpoints *gw_directory_get(const struct gw_directory *d, struct span key)
{
    for (size_t i = 0; d && i < d->n; i++)
        if (span_eq(d->v[i].key, key))
            return d->v[i].endpoints;
    return NULL;
}

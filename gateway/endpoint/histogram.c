// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/histogram.h"

#include <inttypes.h>
#include <stdatomic.h>

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define S INT64_C(1000000000)

static const int64_t bounds_ns[][GW_HISTOGRAM_BOUNDS] = {
    [GW_BOUNDS_FINE] = { 1 * US, 2500, 5 * US, 10 * US, 25 * US, 50 * US, 100 * US, 250 * US, 500 * US, 1 * MS,
                         2500 * US, 5 * MS, 10 * MS, 100 * MS },
    [GW_BOUNDS_COARSE] = { 50 * US, 100 * US, 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 100 * MS,
                           250 * MS, 500 * MS, 1 * S, 10 * S },
};

static void grow(_Atomic uint64_t *v, uint64_t by)
{
    atomic_store_explicit(v, atomic_load_explicit(v, memory_order_relaxed) + by, memory_order_relaxed);
}

void gw_histogram_add(struct gw_histogram *h, enum gw_bounds bounds, int64_t ns)
{
    size_t i = 0;
    while (i < GW_HISTOGRAM_BOUNDS && ns > bounds_ns[bounds][i])
        i++;
    grow(&h->bucket[i], 1);
    grow(&h->sum_ns, ns > 0 ? (uint64_t)ns : 0);
}

void gw_histogram_write(const struct gw_page *p, enum gw_family_id f, const char *label, enum gw_bounds bounds,
                        struct gw_histogram *const *h, size_t n)
{
    const char *name = gw_families[f].name, *comma = *label ? "," : "";
    uint64_t count = 0, sum = 0;
    for (size_t b = 0; b <= GW_HISTOGRAM_BOUNDS; b++) {
        for (size_t i = 0; i < n; i++)
            count += atomic_load_explicit(&h[i]->bucket[b], memory_order_relaxed);
        buf_printf(p->out, "sallyport_%s_bucket{%s%sle=\"", name, label, comma);
        if (b < GW_HISTOGRAM_BOUNDS)
            buf_printf(p->out, "%g\"} %" PRIu64 "\n", (double)bounds_ns[bounds][b] / 1e9, count);
        else
            buf_printf(p->out, "+Inf\"} %" PRIu64 "\n", count);
    }
    for (size_t i = 0; i < n; i++)
        sum += atomic_load_explicit(&h[i]->sum_ns, memory_order_relaxed);
    const char *open = *label ? "{" : "", *close = *label ? "}" : "";
    buf_printf(p->out, "sallyport_%s_sum%s%s%s %.9f\nsallyport_%s_count%s%s%s %" PRIu64 "\n", name, open, label, close,
               (double)sum / 1e9, name, open, label, close, count);
}

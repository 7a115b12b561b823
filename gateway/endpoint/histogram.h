// SPDX-License-Identifier: GPL-3.0-or-later
// How long things took, counted in buckets by one thread and read by another, as metrics.h has it. Two sets of bounds: fine ones for what the gateway
// does itself, which is microseconds, and coarse ones for what waits for others.
#ifndef SALLYPORT_ENDPOINT_HISTOGRAM_H
#define SALLYPORT_ENDPOINT_HISTOGRAM_H

#include <stdint.h>

#include "gateway/endpoint/exposition.h"

#define GW_HISTOGRAM_BOUNDS 14

struct gw_histogram {
    _Atomic uint64_t bucket[GW_HISTOGRAM_BOUNDS + 1]; // the last is +Inf
    _Atomic uint64_t sum_ns;
};

enum gw_bounds { GW_BOUNDS_FINE, GW_BOUNDS_COARSE }; // 1 µs to 100 ms; 50 µs to 10 s

// By the owning thread only.
void gw_histogram_add(struct gw_histogram *h, enum gw_bounds bounds, int64_t ns);
// The samples of the sum of `n` of them. `label` with its value, `stage="token"`, or "".
void gw_histogram_write(const struct gw_page *p, enum gw_family_id f, const char *label, enum gw_bounds bounds,
                        struct gw_histogram *const *h, size_t n);

#endif

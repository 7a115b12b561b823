// SPDX-License-Identifier: GPL-3.0-or-later
// The operations listener's three pages: /healthz (the process runs), /readyz (it can decide requests, and if not, why) and /metrics.
// Plain HTTP on an address of its own, loopback unless configured otherwise; nothing else is served there.
#ifndef SALLYPORT_ENDPOINT_OPERATIONS_H
#define SALLYPORT_ENDPOINT_OPERATIONS_H

#include "gateway/endpoint/metrics.h"

struct gw_operations_state {
    struct gw_metrics *const *loops;
    size_t n_loops;
    struct gw_metrics_state process;
    struct span not_ready; // why, one line; SPAN_NONE when ready
};

// Appends a whole HTTP/1.1 answer. `path` without the query.
// `accept` is the field's value, or SPAN_NONE.
void gw_operations_answer(struct buf *out, struct span method, struct span path, struct span accept,
                          const struct gw_operations_state *state);

#endif

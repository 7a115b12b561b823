// SPDX-License-Identifier: GPL-3.0-or-later
// Which counter of gw_metrics belongs to which rate limit, by named_rows.h. Limits that policies oblige to (@limit) share one: their audit records
// name the policy.
//
// Of the main thread only. Loops read the arrays that gw_limit_rows_take made, with the snapshot that holds them.
#ifndef SALLYPORT_ENDPOINT_LIMIT_ROWS_H
#define SALLYPORT_ENDPOINT_LIMIT_ROWS_H

#include "gateway/config/config.h"
#include "gateway/endpoint/metrics.h"

// For each rule its index into gw_metrics.limit, in `arena`. NULL when out of memory: they are not counted then.
const uint16_t *gw_limit_rows_take(struct gw_named_rows *r, const struct gw_config_rates *limits, struct arena *arena);

// Appends the metric; nothing when there is nothing to count.
void gw_limit_rows_write(const struct gw_page *page, const struct gw_named_rows *r, struct gw_metrics *const *loops,
                         size_t n);

#endif

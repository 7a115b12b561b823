// SPDX-License-Identifier: GPL-3.0-or-later
// Which counter of gw_metrics belongs to which rate limit. As policy_rows.h has it: a row is given to a name when it is first seen and kept as
// long as the process lives; the first GW_LIMIT_ROWS get one of their own. Limits that policies oblige to (@limit) share one: their audit records
// name the policy.
//
// Of the main thread only. Loops read the arrays that gw_limit_rows_take made, with the snapshot that holds them.
#ifndef SALLYPORT_ENDPOINT_LIMIT_ROWS_H
#define SALLYPORT_ENDPOINT_LIMIT_ROWS_H

#include "gateway/config/config.h"
#include "gateway/endpoint/metrics.h"

#define GW_LIMIT_NAME 64 // as gw_fault_name bounds them

struct gw_limit_rows {
    char names[GW_LIMIT_ROWS][GW_LIMIT_NAME + 1];
    size_t n;
};

// For each rule its index into gw_metrics.limit, in `arena`. NULL when out of memory: they are not counted then.
const uint16_t *gw_limit_rows_take(struct gw_limit_rows *r, const struct gw_config_rates *limits, struct arena *arena);

// Appends the metric; nothing when there is nothing to count.
void gw_limit_rows_write(struct buf *out, const struct gw_limit_rows *r, struct gw_metrics *const *loops, size_t n);

#endif

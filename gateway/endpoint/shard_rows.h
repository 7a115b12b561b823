// SPDX-License-Identifier: GPL-3.0-or-later
// Which counters of gw_metrics belong to which shard, by named_rows.h. Loops give them to the pools of the shard's connections (net/pool.h), with the
// snapshot that holds the numbers.
#ifndef SALLYPORT_ENDPOINT_SHARD_ROWS_H
#define SALLYPORT_ENDPOINT_SHARD_ROWS_H

#include "gateway/config/config.h"
#include "gateway/endpoint/metrics.h"

// For each shard of the configuration its index into gw_metrics.shard, in `arena`. NULL when out of memory: they are not counted then.
const uint16_t *gw_shard_rows_take(struct gw_named_rows *r, const struct gw_config *config, struct arena *arena);

// Appends the metrics; nothing when there are no shards.
void gw_shard_rows_write(const struct gw_page *page, const struct gw_named_rows *r, struct gw_metrics *const *loops,
                         size_t n);

#endif

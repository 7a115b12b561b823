// SPDX-License-Identifier: GPL-3.0-or-later
// UUIDs become names before policy sees them. The shard of a UUID is not known beforehand, so each candidate shard of the
// path's tenant and database is looked up; the one that has it must also be the one where placement puts the name, or a left-over copy on
// another shard would be served under the policy of the live one.
//
// A WAIT is described, not done: the caller sends what `*wait` says and calls again.
#ifndef SALLYPORT_API_RESOLVE_H
#define SALLYPORT_API_RESOLVE_H

#include "gateway/api/api.h"
#include "gateway/api/name_map.h"
#include "gateway/api/placement.h"

#define GW_RESOLVE_WAIT 1

struct gw_resolve_wait {
    struct span tenant, database;
    struct gw_shard_set begin;   // shards to list: gw_name_map_begin with {shard, tenant, database}, and send
    struct gw_shard_set running; // shards that are being listed for another exchange: wait for those
};

// Replaces the UUIDs in `meaning` by names (copied into the arena) and sets `*shard`. 0; or GW_RESOLVE_WAIT, `*wait` filled, all else
// untouched: call again when one of the listings has brought a page. Or:
//   ERR_API_COLLECTION  no shard has the UUID in this tenant and database, or it is on a shard where the name is not placed
//   ERR_SHARD_ANSWER    not found, and a shard could not be listed just now
//   ERR_NOMEM           not found, and a shard has more collections than the map holds
//   ERR_ROUTE_NONE, ERR_ROUTE_SPLIT  as gw_placement_shard
// A meaning without a UUID is placed at once. For requests of fan ONE.
int gw_api_resolve(struct gw_name_map *map, const struct gw_placement *placement, struct gw_api_meaning *meaning,
                   int64_t now_ms, struct arena *arena, unsigned *shard, struct gw_resolve_wait *wait);

#endif

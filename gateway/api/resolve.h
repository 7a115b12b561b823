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
    struct gw_name_scope scope; // shard, tenant, database
    bool begin;                 // true: gw_name_map_begin and send; false: a listing of it runs already, wait for that
};

// Replaces the UUIDs in `meaning` by names (copied into the arena). 0; or GW_RESOLVE_WAIT, `*wait` filled, `meaning` untouched; or:
//   ERR_API_COLLECTION  no shard has the UUID in this tenant and database, or it is on a shard where the name is not placed
//   ERR_NOMEM, ERR_ROUTE_NONE
// The same call with no UUID in the meaning is 0 at once.
int gw_api_resolve(struct gw_name_map *map, const struct gw_placement *placement, struct gw_api_meaning *meaning,
                   int64_t now_ms, struct arena *arena, struct gw_resolve_wait *wait);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Which shard, or which shards, the request goes to.
#include "gateway/stages/pipeline.h"

int gw_stage_route(struct gw_exchange *x)
{
    const struct gw_placement *placement = &x->snapshot->apis[x->api].placement;
    const struct gw_api_authorisation *first = &x->meaning.authorisations[0];
    if (x->meaning.fan == GW_API_FAN_ONE) {
        gw_shard_set_add(&x->shards, x->shard); // placed by the api stage, together with the name
        return GW_PASS;
    }
    return gw_placement_candidates(placement, first->database, first->tenant, &x->shards) > 0 ? GW_PASS
                                                                                              : ERR_ROUTE_NONE;
}

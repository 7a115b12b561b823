// SPDX-License-Identifier: GPL-3.0-or-later
// What the routes of a configuration come to, and what a change of them would leave behind. A rule says where a collection is looked for; nothing moves because a rule
// says something else. So the set of a `hash` may only change with a word from whoever moved the collections: the new rule's `moved_from`
// is the set that they were on before. A rule is the same as one before when it is for the same database API and has the same three patterns.
#ifndef SALLYPORT_CONFIG_ROUTING_H
#define SALLYPORT_CONFIG_ROUTING_H

#include "gateway/api/placement.h"
#include "gateway/config/config.h"

// The placement of one API (gw_config_api_at), whose shards are numbered as in the configuration. Arrays are in `arena`. 0 or ERR_NOMEM.
int gw_config_placement(const struct gw_config *c, size_t api, struct arena *arena, struct gw_placement *out);

// Whether `next` may follow `now`: complains, in `next`, of every rule that spreads collections over another set than its counterpart did, and whose moved_from is not that set; and warns of a
// hash that has no counterpart any more. False when there was an error.
bool gw_config_hashes_follow(const struct gw_config *now, const struct gw_config *next, struct diags *diags);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Which counter of gw_metrics belongs to which policy. A row is given to a policy's id when it is first seen and kept as long as the
// process lives, so that a reload neither moves nor resets a counter; the first GW_POLICY_ROWS get one of their own, and all later ones share
// those of their effect and mode: what is scraped stays bounded however many policies there are.
//
// Of the main thread only. Loops read the arrays that gw_policy_rows_take made, with the snapshot that holds them.
#ifndef SALLYPORT_ENDPOINT_POLICY_ROWS_H
#define SALLYPORT_ENDPOINT_POLICY_ROWS_H

#include "gateway/base/arena.h"
#include "gateway/base/map.h"
#include "gateway/endpoint/metrics.h"
#include "policy/set.h"

struct gw_policy_row {
    struct span id;
    enum pol_effect effect;
    bool shadow; // counts what it would have decided
};

struct gw_policy_rows {
    struct arena arena; // ids
    struct map places;
    struct gw_policy_row rows[GW_POLICY_ROWS];
    size_t n;
};

void gw_policy_rows_init(struct gw_policy_rows *p);
void gw_policy_rows_fini(struct gw_policy_rows *p);

// For each policy of the set its index into gw_metrics.policy, in `arena`. NULL when out of memory: they are not counted then.
const uint16_t *gw_policy_rows_take(struct gw_policy_rows *p, const struct pol_set *set, struct arena *arena);

// Appends the metric; nothing when no policy was ever seen.
void gw_policy_rows_write(const struct gw_page *page, const struct gw_policy_rows *p, struct gw_metrics *const *loops,
                          size_t n);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The inspectors that Qdrant's table names. Two files: what asks (qdrant_query.c) and what changes (qdrant_change.c).
#ifndef SALLYPORT_API_QDRANT_H
#define SALLYPORT_API_QDRANT_H

#include "gateway/api/table.h"

struct gw_confine;

// Reading. A second collection is in `lookup_from` (any depth of `prefetch`) and `with_lookup`: an authorisation to read it.
int gw_qdrant_point(struct gw_api_build *b);
int gw_qdrant_points(struct gw_api_build *b, json body);
int gw_qdrant_scroll(struct gw_api_build *b, json body);
int gw_qdrant_count(struct gw_api_build *b, json body);
int gw_qdrant_facet(struct gw_api_build *b, json body);
int gw_qdrant_query(struct gw_api_build *b, json body);
int gw_qdrant_query_batch(struct gw_api_build *b, json body);
int gw_qdrant_query_groups(struct gw_api_build *b, json body);
int gw_qdrant_search(struct gw_api_build *b, json body);
int gw_qdrant_search_batch(struct gw_api_build *b, json body);
int gw_qdrant_search_groups(struct gw_api_build *b, json body);
int gw_qdrant_matrix(struct gw_api_build *b, json body);
int gw_qdrant_recommend(struct gw_api_build *b, json body);
int gw_qdrant_recommend_batch(struct gw_api_build *b, json body);
int gw_qdrant_recommend_groups(struct gw_api_build *b, json body);
int gw_qdrant_discover(struct gw_api_build *b, json body);
int gw_qdrant_discover_batch(struct gw_api_build *b, json body);

// Changing.
int gw_qdrant_upsert(struct gw_api_build *b, json body);
int gw_qdrant_update_vectors(struct gw_api_build *b, json body);
int gw_qdrant_set_payload(struct gw_api_build *b, json body);
int gw_qdrant_select(struct gw_api_build *b, json body);
int gw_qdrant_delete_payload(struct gw_api_build *b, json body);
int gw_qdrant_delete_vectors(struct gw_api_build *b, json body);
int gw_qdrant_batch(struct gw_api_build *b, json body);
int gw_qdrant_aliases(struct gw_api_build *b, json body);
int gw_qdrant_create(struct gw_api_build *b, json body);
int gw_qdrant_recover(struct gw_api_build *b, json body);

// What a batch can hold, for deciding about it and for confining it (confine_qdrant_change.c).
struct gw_qdrant_operation {
    struct span name;
    enum gw_action action;
    unsigned members;                                // which of the changes' members it may have
    int (*rewrite)(struct gw_confine *c, json body); // NULL: cannot be confined
};
// NULL: not known.
const struct gw_qdrant_operation *gw_qdrant_operation_named(struct span name);

// `shard_key`: a string, an integer, a list of those, or {target, fallback}. Adds them to the facts.
int gw_qdrant_shard_key(struct gw_api_build *b, json v);

#endif

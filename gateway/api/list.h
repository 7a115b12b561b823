// SPDX-License-Identifier: GPL-3.0-or-later
// List requests ask every shard and answer with what the subject may see. The answers are parsed strictly, each entry is
// shown to a filter, what passes becomes one answer in the database's own shape. A collection that two shards report is
// kept once (the filter knows the shard, so that the caller can insist on the one where it is placed). A shard that failed is
// named in the result, never silently missing: the caller says so in a header or refuses, as configured.
//
// Pure. Memory: everything is in the arena.
#ifndef SALLYPORT_API_LIST_H
#define SALLYPORT_API_LIST_H

#include "gateway/api/api.h"

// One shard's answer. `status` 0: there was none (connection, timeout).
struct gw_api_list_answer {
    unsigned shard;
    int status;
    struct span body;
};

// Tells whether the subject may see it. `collection` is SPAN_NONE for an entry that is a database.
typedef bool (*gw_api_visible)(void *ctx, unsigned shard, struct span database, struct span tenant,
                               struct span collection);

struct gw_api_list_result {
    struct span body; // JSON
    size_t shown, hidden;
    unsigned *failed; // shards whose answer is not in it
    size_t n_failed;
};

// `meaning` is the list request's (list, list_limit, list_offset, first authorisation's tenant and database). 0, or:
//   ERR_SHARD_ANSWER    no shard gave an answer that can be used; `*result` has `failed` only
//   ERR_API_COLLECTION  every shard said 404: no such tenant or database
//   ERR_NOMEM
// A 404 is an empty list when another shard has an answer (a tenant need not exist on all of them).
int gw_api_list_merge(const struct gw_api_meaning *meaning, const struct gw_api_list_answer *answers, size_t n,
                      gw_api_visible visible, void *ctx, struct arena *arena, struct gw_api_list_result *result);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Least privilege from what was seen: policy requests are counted by who did what to which resource, and become Cedar permits that
// allow just these. Reading and changing are apart, so that a reviewer can take the one and leave the other. A permit asks for the token's
// tenant where all its requests had the same, or each that of its resource. What is said by these permits:
//
//   principal  one workload, or with `by_folder` all workloads whose SPIFFE ID begins like its, up to the last '/'
//   action     the actions that were seen, each by its name, never a group
//   resource   the resources that were seen, each by its name, or with `by_tenant` all collections of a tenant of which one was seen
#ifndef SALLYPORT_CLI_SUGGESTION_H
#define SALLYPORT_CLI_SUGGESTION_H

#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/base/json.h"
#include "gateway/base/map.h"

#define GW_SUGGESTION_EXAMPLES 3

struct gw_suggestion_item;

struct gw_suggestions {
    struct arena *arena;
    bool by_folder, by_tenant;
    struct map by;
    struct gw_suggestion_item **items;
    size_t n, cap;
    size_t foreign; // requests that are no gateway's, and were passed over
};

void gw_suggestions_init(struct gw_suggestions *s, struct arena *arena);
void gw_suggestions_fini(struct gw_suggestions *s);
// Counts one policy request in the form of policy/request_json.h, seen at `time` (as records have it) in the request with this id. False when out of memory.
bool gw_suggestions_see(struct gw_suggestions *s, json request, struct span time, struct span id);

// Puts the items in order, before they are written. Nothing is seen afterwards.
void gw_suggestions_close(struct gw_suggestions *s);
// The permits as Cedar text, not formatted, with a comment each that says what it was made of.
void gw_suggestions_text(struct gw_suggestions *s, struct buf *out);
// The same as a JSON list.
void gw_suggestions_json(struct gw_suggestions *s, struct json_writer *w);
size_t gw_suggestions_count(const struct gw_suggestions *s);

#endif

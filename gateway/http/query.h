// SPDX-License-Identifier: GPL-3.0-or-later
// Query parameters as forms write them (`a=1&b=x%20y`, '+' is a space), decoded strictly for the parameters that
// decide an authorisation. Refused: empty pairs and names, `;` (which some servers split at), bad
// percent-encoding, control characters, non-UTF-8.
#ifndef SALLYPORT_HTTP_QUERY_H
#define SALLYPORT_HTTP_QUERY_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"

struct gw_query {
    struct span rest; // SPAN_NONE at the end
    struct arena *arena;
};

// `query` as in struct gw_target; SPAN_NONE and empty have no pairs.
struct gw_query gw_query(struct span query, struct arena *arena);
// 1 with the next pair, 0 at the end, or ERR_API_QUERY, ERR_NOMEM. A name without '=' has the value SPAN_NONE.
// Decoded spans borrow the query where nothing had to be decoded, else the arena.
int gw_query_next(struct gw_query *q, struct span *name, struct span *value);
// The value of `name`, SPAN_NONE when absent. ERR_API_QUERY when it is there twice, has no '=', or when any pair
// is malformed.
int gw_query_get(struct span query, struct span name, struct arena *arena, struct span *value);

#endif

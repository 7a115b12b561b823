// SPDX-License-Identifier: GPL-3.0-or-later
// How long a client waits for its answer, as it says itself in x-envoy-expected-rq-timeout-ms: the field with which Envoy, and the meshes made of
// it, pass on what is left of a request's time. It is read here for the gateway, and told on to the shard, less what has passed: as the same field,
// and as the query parameter that some servers have for it.
#ifndef SALLYPORT_HTTP_TIME_LEFT_H
#define SALLYPORT_HTTP_TIME_LEFT_H

#include "gateway/base/arena.h"
#include "gateway/http/headers.h"

#define GW_TIME_LEFT_FIELD "x-envoy-expected-rq-timeout-ms"
#define GW_TIME_LEFT_MOST_MS 86400000 // beyond a day nobody waits

// `*ms` is 0 when the request does not say. 0, or ERR_HTTP_TIME_LEFT: the field is there twice, or not digits for a number from 1 to
// GW_TIME_LEFT_MOST_MS.
int gw_time_left(const struct gw_headers *h, int64_t *ms);
// `query` with the parameter `name` no longer than `ms`, in whole seconds, rounded up: a server that stops then never stops while somebody still
// waits. A smaller one of the client's stays, and so does what is no number, for the server to refuse. `query` was read strictly before
// (query.h) and may be SPAN_NONE. 0, ERR_NOMEM, or ERR_API_QUERY, which such a query does not bring.
int gw_time_left_in_query(struct span query, struct span name, int64_t ms, struct arena *a, struct span *out);

#endif

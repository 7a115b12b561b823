// SPDX-License-Identifier: GPL-3.0-or-later
// One loop's connections to one server: which of its equivalent endpoints a request goes to, what is kept, who waits. upstream.h is the requests.
//
// The set of endpoints (config/endpoint.h) may be replaced at any time by gw_pool_set. An endpoint that is in the old set and the new one keeps its
// connections, its load and what was learned of its health. One that is gone gets no new request: what it keeps unused is closed, a request under way ends
// in peace, and then its connection is closed as well. A pool without any endpoint, because none was found yet, lets requests wait for the first set
// as long as they would wait for a connection.
//
// A request goes to the endpoint with the fewest requests of this loop under way, in proportion to its weight (outlier.h); among equals, to the
// next in turn. Passed over are endpoints that rest (breaker.h), those that checks found sick (health.h), those with as many connections as there may
// be, and those that this request has been to already. Those that are ejected (outlier.h) get requests only when all others are passed over.
#ifndef SALLYPORT_NET_POOL_H
#define SALLYPORT_NET_POOL_H

#include "gateway/base/clock.h"
#include "gateway/config/remote.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/http/h1.h"
#include "gateway/net/breaker.h"
#include "gateway/net/concurrency.h"
#include "gateway/net/health.h"
#include "gateway/net/latency.h"
#include "gateway/net/outlier.h"
#include "gateway/net/retry_budget.h"
#include "gateway/net/socket.h"
#include "gateway/net/wheel.h"
#include "gateway/tls/engine.h"

// Read only; must outlive the pool.
struct gw_pool_config {
    struct gw_tls_context *tls;        // NULL: plain
    const struct gw_tls_trust *trust;  // with tls
    struct gw_tls_target target;       // with tls; when it has neither a SPIFFE ID nor a name, an endpoint's name is it
    const struct gw_h1_limits *limits; // of responses
    struct gw_remote_care care;
    int64_t connect_ms, first_byte_ms, idle_ms, keep_ms; // keep: how long an unused connection stays
    size_t max_connections, max_idle;                    // to one endpoint
    size_t max_waiting;                                  // requests
    struct gw_health_board *health; // where endpoints that are checked are found; NULL: all count as ready
};

struct gw_upstream; // a connection
struct gw_call;

// What this loop knows of one endpoint.
struct gw_pool_endpoint {
    unsigned refs;             // of the pool, while it is in its set, and of its connections
    struct gw_endpoints *from; // counted: `endpoint` is one of it
    const struct gw_endpoint *endpoint;
    struct gw_tls_target target;
    unsigned slot;            // its bit in gw_call.tried; of no other in the set
    bool gone;                // from the set
    size_t open, under_way;   // connections, and those of them that a request is on
    struct gw_upstream *idle; // most recently used first
    size_t n_idle;
    struct gw_breaker breaker;
    struct gw_outlier outlier;
    bool away;                // when it was last looked at, checks or the breaker kept it from requests
    struct gw_health *health; // counted; NULL: not checked
};

struct gw_pool {
    const struct gw_pool_config *config;
    struct gw_dialler dialler;
    struct gw_wheel *wheel;
    const struct clock_now *now; // the loop's, kept fresh by it
    struct gw_metrics *metrics;
    struct gw_shard_counts *counts; // of the shard; NULL: it is none
    struct gw_pool_endpoint *endpoints[GW_ENDPOINTS_MAX];
    size_t n_endpoints, turn;
    size_t open;        // connections in all, also to endpoints that are gone
    unsigned under_way; // requests, those that wait included; a hedged one is two
    struct gw_retry_budget retries, hedges;
    struct gw_latency latency; // while something is timed by it
    struct gw_concurrency concurrency;
    struct gw_call *waiting, **waiting_end;
    size_t n_waiting;
    bool retired;
    void (*on_empty)(struct gw_pool *p); // after gw_pool_retire, when the last connection is gone
    void *owner;
};

void gw_pool_init(struct gw_pool *p, const struct gw_pool_config *config, struct gw_dialler dialler,
                  struct gw_wheel *wheel, const struct clock_now *now, struct gw_metrics *metrics);
// From now on these endpoints, of which it takes references; NULL: none are known. 0, or ERR_NOMEM, after which the old ones stay.
int gw_pool_set(struct gw_pool *p, struct gw_endpoints *set);
// Closes idle connections, and the others when their calls end. on_empty comes at once if there are none.
void gw_pool_retire(struct gw_pool *p);
// After on_empty, or when no call was ever made. Fine on one that is zeroed.
void gw_pool_fini(struct gw_pool *p);

#endif

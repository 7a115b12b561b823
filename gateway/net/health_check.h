// SPDX-License-Identifier: GPL-3.0-or-later
// What an endpoint is asked to know whether it is ready, and what its answer says. Pure.
//
//   qdrant    GET /readyz                              the shards of its collections are loaded; needs no key
//   chroma    GET /api/v2/heartbeat
//   weaviate  GET /v1/.well-known/ready
//   milvus    POST /v2/vectordb/collections/has        cheap, and goes through the proxy to the coordinator. Its own /healthz is on another port, and
//                                                      says nothing of this one. Milvus answers 200 whatever happens: its `code` is looked at
// or GET of a path of the operator's own.
#ifndef SALLYPORT_NET_HEALTH_CHECK_H
#define SALLYPORT_NET_HEALTH_CHECK_H

#include "gateway/http/request.h"

struct gw_health_check {
    enum gw_method method;
    struct span target, body; // body: SPAN_NONE: none
    bool codes;               // the answer's body has a code
};

enum gw_health_answer {
    GW_HEALTH_WELL,
    GW_HEALTH_ODD, // it answers, but not what it was asked: another path or credential is wanted. It counts as well: an operator's mistake must not
                   // take a shard away that serves requests
    GW_HEALTH_SICK,
};

// `path`: of the configuration, or SPAN_NONE. `api`: its name; of an operator's own table nothing is known, and without a path the target is SPAN_NONE.
struct gw_health_check gw_health_check_of(struct span api, struct span path);
// Of a whole answer: 2xx is well; 429 and 5xx are sick; what else there is is odd.
enum gw_health_answer gw_health_answer(const struct gw_health_check *check, unsigned status, struct span body);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The authority's registry of revocations, to be followed and to be written to.
//
//   GET /revocations?feed=ID&after=N&mark=M&wait=SECONDS
//
// answers with the batch (pki/revocation_feed.h) behind that point as soon as there is one, and with an empty one when `wait` is over (30 at most):
// a gateway that hears nothing knows that it is cut off. Without `feed`, `after` and `mark`, or when the point is not known, it is the beginning of the whole
// set; `place` goes on with it. 200 and application/jwt. Only for workloads that `authority.followers` names.
//
//   POST /revocations
//   {"revocations": [{"jti": "0b3c…", "issuer": "https://…", "reason": "found in a log"}, …]}
//
// enters all or none, with the members of a file of revocations (config/revoked_file.h), and is committed when it is answered. Only for workloads that
// `authority.revokers` names.
//
// Others get 403; without `authority.feed` it is 404. Both need a certificate and no token.
#ifndef SALLYPORT_ENDPOINT_FEED_H
#define SALLYPORT_ENDPOINT_FEED_H

#include "gateway/endpoint/authority.h"

#define GW_FEED_PATH SPAN("/revocations")
#define GW_FEED_WAIT_S 30        // most that a follower is kept waiting
#define GW_FEED_REVOCATIONS 1000 // entries of one POST

// 0, or GW_VISIT_WAITS.
int gw_feed_visit(struct gw_authority *a, struct gw_visit *v);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// What a Kubernetes cluster says about a pod: read from the claims of a projected service-account token whose signature holds (pki/token.h), or from the
// cluster's answer to a TokenReview. Both become the same facts, which are then held against the configuration. Pure; fuzzed.
#ifndef SALLYPORT_ENDPOINT_ATTEST_H
#define SALLYPORT_ENDPOINT_ATTEST_H

#include "gateway/config/config.h"

// Names are checked to be Kubernetes' own (RFC 1123), so they can stand in a path, a policy's entity and a log. SPAN_NONE: not said.
struct gw_attested {
    struct span account_name, namespace; // of the service account
    struct span account_uid;
    struct span pod, pod_uid, node;
};

#define GW_REVIEW_ANSWER_MAX (256u << 10)
// Path of the API that TokenReviews are posted to.
#define GW_REVIEW_PATH SPAN("/apis/authentication.k8s.io/v1/tokenreviews")

// `claims` is one JSON object. 0 or ERR_ENROL_CLAIMS, ERR_NOMEM. Texts are in the arena.
int gw_attest_claims(struct span claims, struct arena *a, struct gw_attested *out);
// Appends the question. False: out of memory.
bool gw_attest_ask(struct span token, struct span audience, struct buf *out);
// The answer, of status 2xx: authenticated, for `audience`, a service account. 0, ERR_REVIEW_REFUSED, ERR_REVIEW_FAILED (it is no answer), ERR_NOMEM.
int gw_attest_review(struct span body, struct span audience, struct arena *a, struct gw_attested *out);

// Whether the configuration lets it enrol: 0, ERR_ENROL_ACCOUNT, ERR_ENROL_POD.
int gw_attest_check(const struct gw_config_cluster *c, const struct gw_attested *at);
// The SPIFFE ID of who asks for none. SPAN_NONE: out of memory.
struct span gw_attest_id(const struct gw_config_cluster *c, const struct gw_attested *at, struct span trust_domain,
                         struct arena *a);
// Whether it may have this DNS name.
bool gw_attest_dns(const struct gw_config_cluster *c, const struct gw_attested *at, struct span name, struct arena *a);

// Whose a token says it is: its `iss`, which is to be believed by nobody: it only chooses who is asked. SPAN_NONE: no JWT, or without one.
struct span gw_attest_issuer(struct span compact, struct arena *a);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Where workloads get their certificates: the endpoints behind the enrolment listener (net/authority.h), which asks nobody for one.
//
//   POST /enrol          a credential and a certification request → chain, bundle, lifetimes (config/enrolment.h has the form)
//   GET  /bundle.pem     the trust domain's roots          GET /bundle.json     the same as a SPIFFE bundle
//   GET  /crl.pem        the CRLs as signed last (`sallyport ca crl`)
//
// Who asks is attested by one of: a Kubernetes service-account token, verified here or by the cluster (attest.h); a join token (pki/ca_join.h); a certificate of
// this CA that is still valid, registered and not revoked, which is good for its own names only. What it may be called is decided by policy
// (`Action::"svid:issue"`, enrol_policy.c), and everything is denied without a permit. Of the request only the key and the wish for a name are used;
// one that asks for more is refused rather than cut down, since whoever made it expects something else.
//
// Each answer of /enrol leaves a record: who was attested how, what was asked for, what was decided by, and the serial number. Never a token.
#ifndef SALLYPORT_ENDPOINT_ENROL_H
#define SALLYPORT_ENDPOINT_ENROL_H

#include "gateway/config/snapshot.h"
#include "gateway/endpoint/attest.h"
#include "gateway/endpoint/enrol_rate.h"
#include "gateway/endpoint/visit.h"
#include "pki/ca.h"

#define GW_ENROL_WAIT_MS 8000 // for keys, or for a cluster's word

// What the endpoints work with. Of one thread.
struct gw_enrol {
    const struct gw_snapshot *snapshot;
    const struct gw_revocations *revocations;
    struct pki_ca *ca; // unlocked; NULL: it cannot be used now
    struct gw_metrics *metrics;
    struct gw_enrol_rate rate;
    // Asks a cluster about a token: 0 and its answer, until this thread does something else; GW_VISIT_WAITS; or ERR_REVIEW_FAILED, ERR_OVERLOADED,
    // ERR_NOMEM.
    int (*review)(void *ctx, size_t cluster, struct span token, const uint8_t sha256[static 32], struct span *answer);
    void *ctx;
};

// Answers a visit: 0, or GW_VISIT_WAITS. Every fault becomes an answer.
int gw_enrol_visit(struct gw_enrol *e, struct gw_visit *v);

#endif

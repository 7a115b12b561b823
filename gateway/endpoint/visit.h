// SPDX-License-Identifier: GPL-3.0-or-later
// One request to the authority, whole, and its answer: what stands between its listener (net/authority.h), which moves bytes, and its
// endpoints (authority.h), which know no socket. An endpoint gets all it may look at, and fills in the answer and what audit is to know.
//
// An endpoint may also say GW_VISIT_WAITS (the revocation feed's long poll): it is asked again when something was revoked and at
// `wait_until_ms` at the latest, with a new `now`. Whatever it decided is dropped when the visitor left meanwhile.
#ifndef SALLYPORT_ENDPOINT_VISIT_H
#define SALLYPORT_ENDPOINT_VISIT_H

#include "gateway/audit/record.h"
#include "gateway/base/arena.h"
#include "gateway/base/clock.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/http/request.h"
#include "gateway/http/target.h"
#include "pki/trust.h"

#define GW_VISIT_WAITS 1
#define GW_VISIT_FIELDS 8

struct gw_visit_field {
    struct span name, value;
};

struct gw_visit {
    // Given.
    struct arena *arena; // of this visit
    const struct gw_request *request;
    struct gw_target to; // normalised; its authority is the one of `authority.issuer`
    struct span body;    // whole, bounded; empty when there is none
    const struct pki_identity
        *certificate;   // the client's, verified in this connection and looked at again now; NULL: none was presented
    const char *remote; // "address:port"
    struct clock_now now;
    char id[33]; // request id
    bool again;  // asked again after GW_VISIT_WAITS
    // The answer. Spans live in the arena or are static.
    unsigned status;
    struct span content_type; // SPAN_NONE: no body
    struct span answer;
    bool no_store; // cache-control: no-store
    struct gw_visit_field
        fields[GW_VISIT_FIELDS]; // besides Content-Type, Content-Length, Date, X-Request-Id, Connection
    size_t n_fields;
    unsigned endpoint;     // enum gw_visit_endpoint; the dispatcher says which it was, for counting
    int64_t wait_until_ms; // with GW_VISIT_WAITS; monotonic
    // For audit. The server fills in the request's side; a record is written for every visit with `audited`, before the answer is sent.
    bool audited;
    struct gw_audit_record record;
};

// Makes a visit's answer the problem document of `err` (http/answer.h): status, body, no_store and, for 429 and 503, Retry-After; its record says why.
// Fields that are there stay.
void gw_visit_problem(struct gw_visit *v, int err);

#endif

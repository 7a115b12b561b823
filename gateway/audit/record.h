// SPDX-License-Identifier: GPL-3.0-or-later
// One line of the audit log: what was asked, by whom, what was decided and why, with everything the decision was made of, so that it can
// be made again later. There is no field for a token, a proof, a key, a body, a cookie or a query string, and that is how they
// stay out. Members that are absent are left out of the line; the order is fixed.
#ifndef SALLYPORT_AUDIT_RECORD_H
#define SALLYPORT_AUDIT_RECORD_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"

enum gw_audit_kind {
    GW_AUDIT_REQUEST,   // an exchange that ended, allowed or not
    GW_AUDIT_HANDSHAKE, // a connection that was refused before any request
    GW_AUDIT_INTENT, // a request that changes data, or whose policies want it, is about to be forwarded; its REQUEST follows
};

// One authorisation that the request needed. SPAN_NONE where there is none.
struct gw_audit_access {
    struct span action, database, tenant, collection;
};

// What a gate that only observes would have refused.
struct gw_audit_observed {
    struct span gate;                 // "token", "policy"
    int err;                          // gives `code` and `rule`
    struct span why;                  // SPAN_NONE: no more is known
    uint64_t hidden;                  // entries of a list that would not have been shown
    struct span issuer, subject, jti; // of a genuine token that was not believed; SPAN_NONE: none
};

struct gw_audit_latency {
    struct span stage; // "token", "policy", "shard" ...
    int64_t us;
};

// Everything is borrowed for the call.
struct gw_audit_record {
    enum gw_audit_kind kind;
    int64_t wall_ms;
    struct span request_id;
    struct span trace_id; // SPAN_NONE: it is in no trace
    // who
    struct span remote; // address:port
    struct span workload, certificate_serial, certificate_sha256;
    struct span subject, issuer, client_id, jti;
    struct span proof_thumbprint;
    // what
    struct span method, path; // the normalised path; what is behind a '?' is not written
    struct span api, operation;
    const struct gw_audit_access *accesses;
    size_t accesses_n;
    // decided how
    bool allowed;
    int err;                                  // 0, or the enum err it ended with: gives `code` and `reason`
    const char *detail;                       // static text that says more than the reason; may be NULL
    const struct gw_audit_observed *observed; // what would have been refused; an allowed request then is "observed"
    size_t observed_n;
    const struct span *policies; // determining
    size_t policies_n;
    bool shadow_differs, shadow_allows; // with the shadow policies in force it would have been decided otherwise: so
    const struct span *shadow_policies; // and by these; written only if it differs
    size_t shadow_policies_n;
    struct span policy_errors; // JSON text, or SPAN_NONE
    struct span obligations;   // of the policies that permit it: JSON text, or SPAN_NONE
    struct span policy_set;    // which policies: the generation, and the version of a bundle
    struct span enrolment;     // who was attested how, and what was issued: JSON text, or SPAN_NONE
    // The list of policy requests as evaluated, in the form of policy/request_json.h: JSON text, or what appends it as one line, false when it cannot.
    // SPAN_NONE and NULL: none.
    struct span inputs;
    bool (*write_inputs)(const void *ctx, struct buf *out);
    const void *inputs_ctx;
    // went where
    struct span shard;
    bool hedged;         // to two endpoints of it at a time
    bool has_shard_code; // the shard said with its status that all was well, and with this what was:
    int64_t shard_code;
    unsigned status; // of the answer to the client; 0: none
    uint64_t bytes_in, bytes_out;
    const struct gw_audit_latency *latencies;
    size_t latencies_n;
};

// Appends one line of JSON and its '\n'. False when out of memory, or when `write_inputs` failed (the buffer is as before).
bool gw_audit_record_write(const struct gw_audit_record *r, struct buf *out);

#endif

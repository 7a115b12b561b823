// SPDX-License-Identifier: GPL-3.0-or-later
// What the authority role works with, of the configuration generation: what the files of `authority:` hold, read and checked.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_AUTHORITY_H
#define SALLYPORT_CONFIG_SNAPSHOT_AUTHORITY_H

#include "gateway/config/config.h"
#include "gateway/http/target.h"
#include "pki/dpop.h"
#include "pki/jwks.h"
#include "policy/set.h"

#define GW_SVID_ISSUE SPAN("svid:issue")

struct gw_policy_bundle;
struct gw_remote;
struct gw_tls_context;
struct gw_tls_peers;
struct gw_tls_ticket_keys;

// What policies call the three things that are asked of the token service: `Action::"token:issue"` …
#define GW_TOKEN_ISSUE SPAN("token:issue")
#define GW_TOKEN_EXCHANGE SPAN("token:exchange")
#define GW_TOKEN_IMPERSONATE SPAN("token:impersonate")

struct gw_snapshot_authority {
    const struct gw_config_authority *config; // NULL: this process has no such role, and nothing below is set
    struct span issuer;                       // `iss` of its tokens, as configured
    struct span base;                         // the same without a trailing slash: what paths are put behind
    struct gw_target_options target;          // its one authority
    struct pol_set *policies;
    struct gw_policy_bundle *policy_bundle; // that they came in; NULL: from files
    uint32_t policy_budget;
    const uint16_t *policy_rows;                   // as the gateway's (snapshot.h)
    struct pki_dpop_params dpop;                   // at the token endpoint
    struct pki_jwks **clients;                     // one each of config->clients; NULL: it has no keys of its own
    struct span passphrase;                        // of the signing keys; SPAN_NONE: none. Secret
    struct span cert_pem, key_pem, key_passphrase; // of its listener
    int64_t certificate_not_after_s;
    const char *keys_path, *grants_path; // in the state folder
    // Where workloads get their certificates; nothing of it is set without config->enrolment.
    struct gw_target_options enrol_target;
    struct span ca_passphrase;   // SPAN_NONE: none. Secret
    struct gw_remote *reviewers; // one each of config->enrolment.clusters; n_endpoints 0: it is not asked
};

struct gw_snapshot;
// Reads what `authority:` names into the snapshot; nothing when it is not there. Complaints in `diags`.
void gw_snapshot_authority_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags);
void gw_snapshot_authority_fini(struct gw_snapshot_authority *a); // wipes secrets

#define GW_AUTHORITY_LISTENER 2 // in tickets: the gateway's is 1
// The context of its listener. Tickets (both may be NULL) only where certificates are required. NULL with the reasons in `diags`.
struct gw_tls_context *gw_snapshot_authority_tls(const struct gw_snapshot *s, struct gw_tls_ticket_keys *tickets,
                                                 struct gw_tls_peers *peers, int64_t now_s, struct diags *diags);
// The same certificate where nobody needs one: the enrolment listener's.
struct gw_tls_context *gw_snapshot_enrolment_tls(const struct gw_snapshot *s, int64_t now_s, struct diags *diags);

#endif

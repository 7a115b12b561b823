// SPDX-License-Identifier: GPL-3.0-or-later
// Everything a request is decided by, built and checked whole from one reading of the configuration and the files it names, and never
// changed afterwards: the *configuration* generation. A reload builds another; one that has an error is thrown away and the old one stays.
//
// The *revocation* generation is separate: CRLs, the CAs and the issuer keys that are still in their files, and the registry of API keys. It is built from whatever
// could be read, even when the configuration beside it is refused, so that taking something away always takes effect.
//
// Both are counted by reference, with atomics: each event loop holds one reference of each, its exchanges count on the loop's own.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_H
#define SALLYPORT_CONFIG_SNAPSHOT_H

#include "gateway/api/placement.h"
#include "gateway/config/config.h"
#include "gateway/config/revoked_term.h"
#include "gateway/config/introspector.h"
#include "gateway/config/key_bell.h"
#include "gateway/config/remote.h"
#include "gateway/config/snapshot_audit.h"
#include "gateway/config/snapshot_authority.h"
#include "gateway/config/snapshot_connect.h"
#include "gateway/config/snapshot_feed.h"
#include "gateway/config/snapshot_tracing.h"
#include "gateway/http/h1.h"
#include "gateway/http/target.h"
#include "pki/api_keys.h"
#include "pki/dpop.h"
#include "pki/issuer.h"
#include "pki/revoked.h"
#include "pki/trust.h"
#include "policy/set.h"

// One independent deployment of a database.
struct gw_shard {
    const struct gw_config_shard *config;
    struct span name;
    size_t api;                              // index into gw_snapshot.apis
    struct gw_remote remote;                 // without endpoints where they are found out: config->discover
    struct span credential_name, credential; // SPAN_NONE: none. Secret; wiped with the snapshot
};

// One database API and the shards that speak it.
struct gw_served_api {
    struct gw_api *api;
    struct gw_placement placement; // of this API's shards only
    const unsigned *shards;        // the placement's shard numbers → indexes into gw_snapshot.shards
    unsigned assured;              // enum gw_api_assurance, what is so of all of them
};

struct gw_policy_bundle;

struct gw_snapshot {
    _Atomic(unsigned) refs;
    uint64_t generation;
    bool start; // the first of a process: where a policy bundle does not load, the last good one does (policy_load.h)
    struct gw_config *config;
    struct arena arena; // of everything below that is not an object of its own

    struct pki_trust *trust;
    struct pki_verify_options verify;
    struct pki_issuers *issuers;
    struct pki_issuers *subjects;      // whose tokens may be exchanged at the token service; NULL: nobody's
    struct pki_issuers *attestors;     // whose tokens are good for a certificate; NULL: nobody's
    const struct pki_issuer *api_keys; // what keys of the registry are tokens of; NULL: none are accepted
    struct pki_dpop_params dpop;
    struct pol_set *policies;
    struct gw_policy_bundle *policy_bundle; // that they came in; NULL: from files
    struct span policy_set;                 // as records name them: "generation 3", "bundle 42, generation 3"
    uint32_t policy_budget;
    const uint16_t *policy_rows; // by policy: where its decisions are counted (endpoint/policy_rows.h); NULL: nowhere
    const uint16_t *limit_rows;  // likewise by limit of the configuration (endpoint/limit_rows.h)
    const uint16_t *shard_rows;  // likewise by shard (endpoint/shard_rows.h)

    struct gw_target_options target;
    struct gw_h1_limits request_limits, response_limits;
    uint64_t inspected_body; // most bytes of a body that the api stage asks for

    struct gw_served_api *apis;
    size_t n_apis;
    struct gw_shard *shards;
    size_t n_shards;
    struct gw_snapshot_feed feed;
    struct gw_snapshot_audit audit;
    struct gw_snapshot_tracing tracing;
    struct gw_remote *key_servers; // of the issuers of the configuration, in its order; n_endpoints 0: not fetched
    struct gw_introspector *introspectors; // of the issuers that answer for opaque tokens
    size_t n_introspectors;

    struct span cert_pem, key_pem, passphrase; // of the listener
    int64_t certificate_not_after_s;           // of its certificate
    struct span algs;                          // "ES256 EdDSA": for DPoP challenges
    bool accepts_bearer, accepts_dpop;         // which schemes some issuer's tokens may use

    struct gw_snapshot_authority authority;
    struct gw_snapshot_connect connect;

    // Every file that was read, NUL-terminated, for the watcher.
    const char **files;
    size_t n_files, max_files;
};

// Reads `path` and all it names. NULL with the reasons in `diags` (warnings may be there on success too). One reference.
struct gw_snapshot *gw_snapshot_load(const char *path, uint64_t generation, int64_t now_s, struct diags *diags);
struct gw_enrolled;
// The same for the connect role, with the certificate that the authority issued; NULL: as the one above.
struct gw_snapshot *gw_snapshot_load_enrolled(const char *path, uint64_t generation, const struct gw_enrolled *enrolled,
                                              int64_t now_s, struct diags *diags);
// The first of a process that starts: the last good policy bundle stands in for one that does not load, with a warning. Generation 1.
struct gw_snapshot *gw_snapshot_start(const char *path, int64_t now_s, struct diags *diags);
struct gw_snapshot *gw_snapshot_ref(struct gw_snapshot *s);
// Frees with the last reference, in whatever thread that is. NULL is fine.
void gw_snapshot_unref(struct gw_snapshot *s);

struct gw_revocation_text; // a file as it was last good

// Where revocations of single things come from (revoked_source.h; the feed: net/follower.h); each is a set of its own.
enum gw_revoked_from { GW_REVOKED_STORE, GW_REVOKED_FILE, GW_REVOKED_FEED, GW_REVOKED_FROM_COUNT };

struct gw_revocations {
    _Atomic(unsigned) refs;
    uint64_t generation;
    struct gw_revocations *base; // whose files these are, when only the sets differ; NULL: its own
    struct pki_revoked *revoked[GW_REVOKED_FROM_COUNT]; // counted; NULL: none
    struct gw_revoked_term *fresh;                      // of revoked[GW_REVOKED_FEED]; counted; NULL: for ever
    struct pki_revocation *certificates;                // CRLs and remaining CAs
    struct pki_key_view *keys;                          // remaining issuer keys
    struct pki_api_keys *api_keys;                      // counted; NULL: none, or never read
    const struct gw_issuer_bell *bells;                 // of the issuers whose keys are fetched; in the arena
    size_t n_bells;
    bool whole; // every file was good, now or before: none revokes nobody for want of reading
    struct arena arena;
    struct gw_revocation_text *texts;
};

// Reads the CRL, bundle and JWKS files and the registry of API keys that `config` names, as they are now. A file that cannot be read or used is complained about in `diags`, and
// counts as it was in `previous` (NULL at the start), with the age it then has: its clock runs on towards max_stale. NULL only when out of
// memory.
struct gw_revocations *gw_revocations_load(const struct gw_config *config, const struct gw_revocations *previous,
                                           uint64_t generation, int64_t now_s, struct diags *diags);
// The same files, which are not read again, and no sets: those are for the caller to put in before anybody else sees it. NULL: out of memory.
struct gw_revocations *gw_revocations_derive(struct gw_revocations *from, uint64_t generation);
struct gw_revocations *gw_revocations_ref(struct gw_revocations *r);
void gw_revocations_unref(struct gw_revocations *r);

#endif

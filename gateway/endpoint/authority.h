// SPDX-License-Identifier: GPL-3.0-or-later
// The authority's endpoints, behind its listener (net/authority.h): the token service of RFC 6749 and the revocation feed.
//
//   POST /oauth2/token       token.h       POST /oauth2/introspect   RFC 7662      GET /.well-known/oauth-authorization-server   RFC 8414
//   POST /oauth2/revoke      RFC 7009      GET  /oauth2/jwks         RFC 7517      GET /revocations                              feed.h
//
// Pure but for the stores: a request, the stores and `now` give an answer. Everything is used by one thread, the authority's.
#ifndef SALLYPORT_ENDPOINT_AUTHORITY_H
#define SALLYPORT_ENDPOINT_AUTHORITY_H

#include "gateway/config/snapshot.h"
#include "gateway/endpoint/visit.h"
#include "pki/grants.h"
#include "pki/replay.h"
#include "pki/revoked_store.h"
#include "pki/signing_keys.h"

// What own tokens are verified by, for as long as neither the keys nor the configuration change. Zeroed: not made yet.
struct gw_own_issuer {
    struct pki_issuers *issuers;
    uint64_t generation; // of the snapshot
    uint8_t keys[32];    // SHA-256 over the published ones
};

// What the endpoints work with. `snapshot` and `revocations` are of the present generations; the rest is there from start to end.
struct gw_authority {
    const struct gw_snapshot *snapshot;
    const struct gw_revocations *revocations;
    struct pki_signing_keys *keys;
    struct pki_grants *grants;
    struct pki_revoked_store *revoked; // NULL: `revocations.store` is not configured
    struct pki_replay *replay;         // of proofs, as the gateway has it
    struct pki_replay *assertions;     // of client assertions, which live longer: neither is to push the other out
    struct pki_proof_cache *proofs;
    const struct pki_nonce_keys *nonces;
    struct gw_metrics *metrics; // NULL: nothing is counted
    struct gw_own_issuer own;   // own_token.c's
};

// Answers a visit: 0, or GW_VISIT_WAITS. Every fault becomes an answer.
int gw_authority_visit(struct gw_authority *a, struct gw_visit *v);
// Frees what the endpoints made for themselves; what they were given stays.
void gw_authority_forget(struct gw_authority *a);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// An issuer: who may sign access tokens, and how far its word goes. `pki_issuers` is the immutable set of a configuration snapshot,
// looked up by exact `iss`; loops share it. `pki_key_view` belongs to the other generation, revocations: which of an issuer's keys
// are still in its key file as read last. A removal there counts at once, also while a new configuration is refused. Of an issuer whose keys are
// fetched from a URL it holds the keys themselves, so that they change without a new configuration.
#ifndef SALLYPORT_PKI_ISSUER_H
#define SALLYPORT_PKI_ISSUER_H

#include "pki/jwks.h"

struct pki_names {
    const struct span *at;
    size_t n;
};

// What a token of the issuer must be bound to. Zero is strict; the last needs an operator's word.
enum pki_binding { PKI_BIND_EITHER, PKI_BIND_DPOP, PKI_BIND_CERTIFICATE, PKI_BIND_BOTH, PKI_BIND_UNBOUND_ALLOWED };

// How the workload claim names the presenting workload (checklist 26c). PREFIX: the claim is a SPIFFE ID, or one cut at a path
// segment; the workload is it or below it. UNCHECKED: the issuer names no workload, by an operator's word.
enum pki_workload_match { PKI_WORKLOAD_EXACT, PKI_WORKLOAD_PREFIX, PKI_WORKLOAD_UNCHECKED };

// A scope and the actions it covers; the bits are the caller's.
struct pki_scope {
    struct span name;
    uint64_t actions;
};

// Claim names: a member of the claims, or, with a leading '/', a JSON Pointer of member names ("/realm_access/roles"). SPAN_NONE: not
// read. List claims hold an array of strings or one string; `scope` is split at spaces as well.
struct pki_claim_names {
    struct span roles, groups, tenant, workload;
    struct span scope; // SPAN_NONE: "scope"
};

// An issuer that answers for its opaque tokens (introspected.h).
struct pki_introspection {
    bool enabled;
    bool alone;         // it has no keys: it is asked about tokens in the form of a JWT as well
    struct span prefix; // its opaque tokens begin with it; SPAN_NONE: any
    int64_t cache_s;    // how long an answer holds, at most
    bool audience_implied, expiry_optional;
};

// All spans are copied by pki_issuers_add.
struct pki_issuer {
    struct span name;           // the operator's short name; policy namespaces roles by it
    struct span iss;            // exact
    unsigned algs;              // PKI_ALG_BIT mask; HS* count with a symmetric key, which then allows no others
    struct pki_names audiences; // one of these is in `aud`
    struct span
        typ; // "at+jwt" (RFC 9068; then sub, client_id, jti are required as well), or another; "": there is none;
             // SPAN_NONE: any
    enum pki_binding binding;
    int64_t max_lifetime_s;    // exp - iat; 0: no bound
    int64_t max_age_s;         // now - iat; 0: no bound
    int64_t skew_s;            // of clocks, for exp, nbf, iat
    struct pki_names required; // claims that must be there, besides iss, exp, iat, aud
    struct pki_claim_names claims;
    enum pki_workload_match
        workload_match; // with claims.workload, a SPIFFE ID; UNCHECKED: it may be absent, or something else
    const struct pki_scope *scopes;
    size_t scopes_n;
    bool scopeless; // every action is covered; else a scope that is not listed covers nothing
    // What it may assert: exact, or with '*' for any run of characters. An empty list: nothing.
    struct pki_names assert_roles, assert_groups, assert_tenants, assert_trust_domains;
    bool api_keys;       // signs nothing: it stands for a registry of API keys (api_keys.h)
    int64_t max_stale_s; // keys older than this refuse everything (ERR_KEYS_STALE); 0: no bound
    int64_t keys_read_s; // when `keys` was read
    struct pki_introspection introspection;
    bool fetched; // its keys come and go with the revocation generation (pki_key_view_put), and `keys` are NULL
    const struct pki_jwks *keys; // filled by pki_issuers_add; may be NULL
    size_t index;                // likewise: position in the set
};

struct pki_issuers;
struct pki_issuers *pki_issuers_new(void);
// Frees the keys too.
void pki_issuers_free(struct pki_issuers *s);
// Copies `issuer` and takes `keys` (on success only; NULL: none). 0, ERR_TOKEN_ISSUER when `iss` is there already or empty, ERR_NOMEM.
int pki_issuers_add(struct pki_issuers *s, const struct pki_issuer *issuer, struct pki_jwks *keys);
size_t pki_issuers_count(const struct pki_issuers *s);
const struct pki_issuer *pki_issuers_at(const struct pki_issuers *s, size_t i);
const struct pki_issuer *pki_issuers_find(const struct pki_issuers *s, struct span iss);
// Union of `algs` of all issuers.
unsigned pki_issuers_algs(const struct pki_issuers *s);

// Builder use: new, add an issuer's set as read now, then read-only and shared. An issuer that was not added is not restricted
// (its file could not be read; its keys go stale by max_stale). A set with no key: say so with keys == NULL, n = 0 remain.
struct pki_key_view;
struct pki_key_view *pki_key_view_new(void);
void pki_key_view_free(struct pki_key_view *v);
int pki_key_view_add(struct pki_key_view *v, struct span iss, const struct pki_jwks *keys, int64_t read_s);
// Of a symmetric key that was read earlier only this is remembered (RFC 7638, never shown).
int pki_key_view_add_thumbprint(struct pki_key_view *v, struct span iss, const uint8_t thumbprint[static 32],
                                int64_t read_s);
// For a set that cannot be used as a whole: what is not even published in it is gone, what is remains by an earlier reading, which the caller
// adds. 0, ERR_TOKEN_KEY when `text` is no JWK set (nothing is gone then), ERR_NOMEM.
int pki_key_view_narrow(struct pki_key_view *v, struct span iss, struct span text);
// For an issuer whose keys are fetched: what was fetched last (a reference is taken), and when. `published` are the thumbprints a later answer
// still had that could not be used as a whole: only these count; NULL: all do. There must be no entry for it yet. 0 or ERR_NOMEM.
int pki_key_view_put(struct pki_key_view *v, struct span iss, struct pki_jwks *keys, const uint8_t (*published)[32],
                     size_t n, int64_t read_s);
// A view of one's own to add to, with everything but what was put. NULL: out of memory.
struct pki_key_view *pki_key_view_copy(const struct pki_key_view *v);
// The keys to verify with: the snapshot's, or what was fetched. NULL: nothing was yet. `v` may be NULL.
const struct pki_jwks *pki_key_view_keys(const struct pki_key_view *v, const struct pki_issuer *issuer);
// Whether the issuer's keys are older than max_stale, or were never fetched: then nothing verifies with them.
bool pki_key_view_stale(const struct pki_key_view *v, const struct pki_issuer *issuer, int64_t now_s);
// 0; ERR_TOKEN_REVOKED when the key is gone; ERR_KEYS_STALE when both the snapshot's and the view's reading are older than max_stale.
// `v` may be NULL.
int pki_key_view_check(const struct pki_key_view *v, const struct pki_issuer *issuer,
                       const uint8_t thumbprint[static 32], int64_t now_s);

// '*' matches any run of characters, everything else itself. Not recursive; linear in practice, n*m at worst.
bool pki_pattern_match(struct span pattern, struct span s);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// JWT access tokens (RFC 9068, RFC 8725; checklist 14, 18, 21–26c). Verifying has two halves, so that the first can be remembered:
//   pki_token_verify  what never changes about these bytes under this snapshot: signature, claims, containment → an immutable token;
//   pki_token_check   what must be looked at on every request: time, key still there, scheme, certificate, workload.
// The proof's half of the binding is dpop.h's; the scope is asked for when the action is known (pki_token_check_scope).
// A token is reference-counted without atomics: it stays in the loop that verified it. `issuer` points into the snapshot's
// `pki_issuers`; whoever holds a token across a reload holds the snapshot as well.
#ifndef SALLYPORT_PKI_TOKEN_H
#define SALLYPORT_PKI_TOKEN_H

#include "pki/issuer.h"
#include "pki/trace.h"

#define PKI_TOKEN_MAX 16384 // bytes of a compact token

// What another layer made of a token, once: it belongs to the token and goes with it (pki_token_cache_attach).
struct pki_token_extra {
    void (*on_drop)(struct pki_token_extra *e);
};

struct pki_token {
    const struct pki_issuer *issuer;
    struct span subject, client_id, jti; // SPAN_NONE when absent
    struct span kid;                     // of the header; SPAN_NONE when absent
    struct span scope;                   // as sent, for audit; SPAN_NONE when absent or a list
    struct span tenant, workload;        // SPAN_NONE when absent
    struct pki_names roles, groups;
    struct span claims;    // the payload: one JSON object, for the policy's context
    int64_t iat, nbf, exp; // seconds; nbf 0 when absent
    uint64_t actions;      // ceiling of the scopes; all ones for a scope-less issuer
    bool has_jkt, has_x5t;
    bool introspected;        // an issuer's answer, not its signature: no key, no kid (introspected.h)
    int64_t recheck_s;        // then: until when the answer may be remembered
    uint8_t jkt[32], x5t[32]; // cnf
    uint8_t key_thumbprint[32];
    uint8_t sha256[32]; // of the compact form: cache key, and `ath`
    size_t bytes;       // memory it holds, for the cache's bound
    unsigned refs;
    struct pki_token_extra *extra; // NULL: none
};

// `sha256` is SHA-256 of `compact` (the caller has it for the cache look-up). `keys` and `trace` may be NULL. 0 and `*out` with one
// reference; or ERR_TOKEN_*, ERR_CNF_UNKNOWN, ERR_KEYS_STALE, ERR_NOMEM.
int pki_token_verify(const struct pki_issuers *issuers, const struct pki_key_view *keys, struct span compact,
                     const uint8_t sha256[static 32], int64_t now_s, const struct pki_trace *trace,
                     struct pki_token **out);
// After ERR_TOKEN_KEY: the issuer whose keys are fetched and of which none has the token's kid, so that fetching them again may help. NULL: it
// would not.
const struct pki_issuer *pki_token_unknown_key(const struct pki_issuers *issuers, const struct pki_key_view *keys,
                                               struct span compact);
struct pki_token *pki_token_ref(struct pki_token *t);
void pki_token_unref(struct pki_token *t); // NULL is fine

enum pki_scheme { PKI_SCHEME_BEARER, PKI_SCHEME_DPOP };

// One presentation of a token.
struct pki_token_use {
    int64_t now_s;
    enum pki_scheme scheme;
    const uint8_t *certificate_sha256; // of this connection's leaf, 32 bytes; NULL: none
    struct span workload;              // SPIFFE ID of the presenting workload
    const struct pki_key_view *keys;   // present revocation generation; may be NULL
};
// 0, ERR_TOKEN_EXPIRED, ERR_TOKEN_NOT_YET, ERR_TOKEN_REVOKED, ERR_KEYS_STALE, ERR_BOUND_AS_BEARER, ERR_TOKEN_UNBOUND (DPoP scheme, no
// cnf.jkt), ERR_CNF_CERTIFICATE, ERR_TOKEN_WORKLOAD.
// When the token has a jkt, the caller owes a pki_dpop_verify with it.
int pki_token_check(const struct pki_token *t, const struct pki_token_use *use, const struct pki_trace *trace);
// The part of it that asks whether the key it was signed with is still there. 0 for a token that nobody signed; or what pki_key_view_check says.
int pki_token_check_key(const struct pki_token *t, const struct pki_key_view *keys, int64_t now_s);
// Every bit of `actions` is covered: 0, or ERR_SCOPE (also for no bit at all).
int pki_token_check_scope(const struct pki_token *t, uint64_t actions, const struct pki_trace *trace);

// Checklist 26c, by itself: does `workload` satisfy `claim`? For PREFIX at a path-segment boundary in the same trust domain.
bool pki_workload_matches(enum pki_workload_match match, struct span claim, struct span workload);

#endif

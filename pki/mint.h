// SPDX-License-Identifier: GPL-3.0-or-later
// Makes RFC 9068 access tokens from a local issuer key, bound to a DPoP key (RFC 9449 §6.1), a certificate (RFC 8705 §3.1) or both:
// `sallyport token mint`, and later the token service.
#ifndef SALLYPORT_PKI_MINT_H
#define SALLYPORT_PKI_MINT_H

#include "pki/issuer.h"

struct pki_mint {
    struct span iss, subject, client_id; // required
    struct pki_names audiences;          // at least one; one is written as a string
    struct span scope;                   // space-separated; SPAN_NONE: no claim
    struct span jti;                     // SPAN_NONE: 128 random bits
    struct span kid;                     // SPAN_NONE: the key's thumbprint; none for a symmetric key
    int64_t iat_s, lifetime_s;
    int64_t nbf_s;            // 0: no claim
    const uint8_t *jkt, *x5t; // 32 bytes each; NULL: not bound to it
    // Members by the names the issuer is configured with; a SPAN_NONE name is not written. Names are plain members, not pointers.
    struct span roles_claim, groups_claim, tenant_claim, workload_claim;
    struct pki_names roles, groups;
    struct span tenant, workload;
    struct span extra; // a JSON object whose members are added; none may repeat a claim above. SPAN_NONE: none
};

// The algorithm a key signs with when nobody says: ES256, ES384, ES512, EdDSA, RS256.
enum pki_alg pki_mint_alg(const struct pki_key *key);
// Appends the compact token. `alg` PKI_ALG_NONE: pki_mint_alg. 0; ERR_TOKEN_CLAIM (something required is missing, `extra` is no object
// or repeats a claim), ERR_INTERNAL (the key cannot sign that), ERR_NOMEM.
int pki_mint_token(const struct pki_mint *m, const struct pki_key *key, enum pki_alg alg, struct buf *out);

#endif

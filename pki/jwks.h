// SPDX-License-Identifier: GPL-3.0-or-later
// The keys of one issuer: a JWK Set (RFC 7517 §5) read once and never changed. Each key ends up with exactly one algorithm (RFC 8725
// §3.1): its `alg`, or the only one of the issuer's allowed algorithms that fits it. Keys for another use (`use` other than sig,
// `key_ops` without verify), of an unknown `kty` or `crv`, or of an algorithm that is not allowed are left out, with a warning.
// Or the one secret that an issuer shares with us, read by pki_jwks_read_symmetric: a set never holds both kinds.
// Errors, each with the key's index: symmetric or private keys, points off the curve, weak RSA, `alg` that contradicts `kty`, an RSA
// key that two allowed algorithms fit, two keys that `kid` + alg cannot tell apart, and a set with nothing left.
#ifndef SALLYPORT_PKI_JWKS_H
#define SALLYPORT_PKI_JWKS_H

#include "gateway/base/diag.h"
#include "pki/key.h"

struct pki_jwks_key {
    const struct pki_key *key;
    struct span kid; // SPAN_NONE when the set gives none
    enum pki_alg alg;
    uint8_t thumbprint[32]; // RFC 7638
};

struct pki_jwks;

// Complaints go to `diags` under `file`. NULL after an error (at least one diag_error then, out of memory included).
struct pki_jwks *pki_jwks_read(struct span text, unsigned algs, struct span file, struct diags *diags);
// The secret of an issuer that signs with HMAC, from its file: a JWK of `kty` oct, or else the text of one line, which is the key as it
// stands (nothing is decoded; the newline at its end is not part of it). `algs` is exactly one of HS256, HS384, HS512, and the key no shorter
// than its hash (RFC 7518 §3.2). Errors as above, and never a byte of the key in them.
struct pki_jwks *pki_jwks_read_symmetric(struct span text, unsigned algs, struct span file, struct diags *diags);
bool pki_jwks_is_symmetric(const struct pki_jwks *s); // false for NULL
// Threads may share a set: references are counted with atomics.
struct pki_jwks *pki_jwks_ref(struct pki_jwks *s);
// Gives a reference back; the last one frees, and wipes secrets. NULL is fine.
void pki_jwks_free(struct pki_jwks *s);
size_t pki_jwks_count(const struct pki_jwks *s);
const struct pki_jwks_key *pki_jwks_at(const struct pki_jwks *s, size_t i);
// `kid` is only a lookup key: the entry with this kid and alg; without a kid, the only entry of that alg. NULL: none, or ambiguous. A secret
// that has no kid of its own goes by any.
const struct pki_jwks_key *pki_jwks_find(const struct pki_jwks *s, struct span kid, enum pki_alg alg);

// Whether some key has this kid, for whatever algorithm.
bool pki_jwks_has_kid(const struct pki_jwks *s, struct span kid);

// What a set still publishes, whatever is wrong with other members of it: the thumbprints of its sound public keys. A removal must not wait
// until the set as a whole can be used. `*out` is the caller's to free. 0; ERR_TOKEN_KEY when the text is no set, ERR_NOMEM.
int pki_jwks_published(struct span text, uint8_t (**out)[32], size_t *n);

// Appends a set of public keys, with kid = thumbprint, alg and use: what `token keygen` publishes.
int pki_jwks_write(const struct pki_key *const *keys, const enum pki_alg *algs, size_t n, struct buf *out);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// A public key, or a key pair: EC on P-256, P-384 or P-521, Ed25519, RSA; or a symmetric key, which only HS256, HS384 and HS512 take. It
// signs and verifies with JWS algorithms (RFC 7518 §3, RFC 8037); all but a symmetric one is written to and read from PEM (PKCS#8, encrypted with PBES2/AES-256 when a passphrase is given; SPKI for public
// keys). Every import checks what it imports: points on the curve, RSA of 2,048 bits up to what wolfSSL is built
// for (8,192 as deploy/deps does it, and never more) with an odd exponent >= 65537, symmetric keys of 32 octets or more.
// Using one key from two threads at once is not allowed, but for pki_key_verify_shared and pki_key_thumbprint.
#ifndef SALLYPORT_PKI_KEY_H
#define SALLYPORT_PKI_KEY_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"
#include "gateway/base/span.h"

enum pki_alg {
    PKI_ALG_NONE, // never accepted anywhere; the zero value
    PKI_ES256,
    PKI_ES384,
    PKI_ES512,
    PKI_EDDSA,
    PKI_RS256,
    PKI_RS384,
    PKI_RS512,
    PKI_PS256,
    PKI_PS384,
    PKI_PS512,
    PKI_HS256,
    PKI_HS384,
    PKI_HS512,
    PKI_ALG_COUNT
};
// "ES256" …; SPAN_NONE for PKI_ALG_NONE. Names are case-sensitive; an unknown name is PKI_ALG_NONE.
struct span pki_alg_name(enum pki_alg alg);
enum pki_alg pki_alg_parse(struct span name);
#define PKI_ALG_BIT(alg) (1u << (alg)) // sets of algorithms are bit masks

enum pki_key_type { PKI_KEY_P256 = 1, PKI_KEY_P384, PKI_KEY_P521, PKI_KEY_ED25519, PKI_KEY_RSA, PKI_KEY_SYMMETRIC };

struct pki_key;

#define PKI_KEY_SECRET_MIN 32
#define PKI_KEY_SECRET_MAX 512

// NULL when out of memory or entropy. `bits` for RSA only (0: 3072). Not for PKI_KEY_SYMMETRIC.
struct pki_key *pki_key_generate(enum pki_key_type type, unsigned bits);
// A symmetric key, copied from `secret`. 0, ERR_CERT_WEAK (under PKI_KEY_SECRET_MIN octets), ERR_CERT_MALFORMED (over PKI_KEY_SECRET_MAX),
// ERR_NOMEM.
int pki_key_symmetric(struct span secret, struct pki_key **out);
// Wipes and frees; NULL is fine.
void pki_key_free(struct pki_key *k);
enum pki_key_type pki_key_type(const struct pki_key *k);
bool pki_key_is_private(const struct pki_key *k); // a symmetric key is
// Which algorithms this key can be used with, as a mask (P-256: ES256; RSA: RS* and PS*; symmetric: those whose hash is no longer than
// the key, RFC 7518 §3.2).
unsigned pki_key_algs(const struct pki_key *k);

// RFC 7517 object → key. Private members give a key pair, `oct` a symmetric key, unless `public_only`, which refuses any of d p q dp dq qi
// oth k (ERR_PROOF_PRIVATE). ERR_PROOF_KEY for everything else that is wrong; `*what` (may be NULL) says which member, static text.
int pki_key_from_jwk(json jwk, bool public_only, struct pki_key **out, const char **what);
// Appends {"kty":…} members into an open writer object: public members, and the private ones when asked (and not in a token).
void pki_key_to_jwk(const struct pki_key *k, bool private_members, struct json_writer *w);
// RFC 7638 thumbprint, SHA-256. That of a symmetric key is a hash of the secret: to compare with, never to show.
void pki_key_thumbprint(const struct pki_key *k, uint8_t out[static 32]);

// PEM or DER. Private: PKCS#8, encrypted PKCS#8 (`passphrase` needed), SEC1 EC, PKCS#1. Public: SPKI, or the key inside an X.509
// certificate. 0, ERR_CERT_MALFORMED (not a key, or the passphrase is wrong), ERR_CERT_WEAK, ERR_NOMEM.
int pki_key_read_private(struct span pem, struct span passphrase, struct pki_key **out);
int pki_key_read_public(struct span pem, struct pki_key **out);
// Appends PEM. SPAN_NONE passphrase: unencrypted PKCS#8. ERR_INTERNAL for a symmetric key, here and below; ERR_HSM for one in a
// token, which it does not leave.
int pki_key_write_private(const struct pki_key *k, struct span passphrase, struct buf *out);
int pki_key_write_public(const struct pki_key *k, struct buf *out);
// SPKI DER, for certificates and key identifiers.
int pki_key_spki(const struct pki_key *k, struct buf *out);

// JWS signatures: raw R||S for EC, of exact length; a whole MAC, compared in constant time. 0 or ERR_TOKEN_SIGNATURE (bad signature, or alg not of this key), ERR_NOMEM.
int pki_key_verify(const struct pki_key *k, enum pki_alg alg, struct span message, struct span signature);
// The same on a copy of the public half (about a microsecond more): for keys of a snapshot that several loops read at once.
int pki_key_verify_shared(const struct pki_key *k, enum pki_alg alg, struct span message, struct span signature);
// Appends the signature. 0, ERR_INTERNAL (no private key, alg not of this key), ERR_HSM (hsm.h: pki_hsm_why says why), ERR_NOMEM.
int pki_key_sign(const struct pki_key *k, enum pki_alg alg, struct span message, struct buf *out);

#endif

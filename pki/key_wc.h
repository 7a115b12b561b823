// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of a `pki_key`, for the files of pki/ that hand keys to wolfSSL. The wolfSSL structures are reached through pointers, so
// that a `const struct pki_key` can be used with wolfSSL's functions, which keep scratch state in them: that is why one key may not be
// used by two threads at once (pki_key_verify_shared works on a copy).
#ifndef SALLYPORT_PKI_KEY_WC_H
#define SALLYPORT_PKI_KEY_WC_H

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "pki/key.h"

#define PKI_KEY_EC_OCTETS_MAX 66
// At most what wolfSSL's arithmetic is built for (SP_INT_BITS): a larger key would import and then never verify.
#define PKI_KEY_RSA_OCTETS_MAX (RSA_MAX_SIZE / 8 < 1024 ? RSA_MAX_SIZE / 8 : 1024)

struct pki_key {
    enum pki_key_type type;
    bool is_private;
    ecc_key *ec;             // P-256, P-384, P-521; else NULL
    ed25519_key *ed;         // Ed25519; else NULL
    RsaKey *rsa;             // RSA; else NULL
    WC_RNG *rng;             // of a private key here, for signing (nonces, blinding); else NULL
    struct pki_hsm_key *hsm; // the private half is in a PKCS#11 token (hsm.h); else NULL
    uint8_t *secret;         // symmetric; else NULL
    size_t secret_n;
};

// An initialised, empty key pair or public key; NULL when out of memory, or, for a private one, of entropy.
struct pki_key *pki_key_alloc_(enum pki_key_type type, bool is_private);
// wolfSSL's curve id and the octets of a coordinate, for the three EC types; 0 for others.
int pki_key_curve_(enum pki_key_type type);
unsigned pki_key_octets_(enum pki_key_type type);
// Imports of public parts into an empty key, with every check of key.h. 0, ERR_CERT_MALFORMED, ERR_CERT_WEAK.
int pki_key_set_ec_(struct pki_key *k, struct span x, struct span y, bool untrusted);
int pki_key_set_ed_(struct pki_key *k, struct span x, bool untrusted);
int pki_key_set_rsa_(struct pki_key *k, struct span n, struct span e);
// What RSA keys must satisfy, however they were imported. 0, ERR_CERT_WEAK.
int pki_key_check_rsa_(const RsaKey *rsa);
// What the private half signs, the public half verifies. For imported RSA pairs: wolfSSL's own check is not built.
bool pki_key_pair_works_(const struct pki_key *k);

// The public parts, big-endian. Buffers of the sizes above; `*n` gets the octets.
void pki_key_get_ec_(const struct pki_key *k, uint8_t x[static PKI_KEY_EC_OCTETS_MAX],
                     uint8_t y[static PKI_KEY_EC_OCTETS_MAX], size_t *n);
void pki_key_get_rsa_(const struct pki_key *k, uint8_t *modulus, size_t *modulus_n, uint8_t *exponent,
                      size_t *exponent_n);

// Signs in the token: a hash for ECDSA (`n` octets of R || S come), the message for Ed25519. 0, ERR_HSM, ERR_NOMEM.
int pki_hsm_sign_(const struct pki_key *k, struct span data, size_t n, struct buf *out);
// Sets what pki_hsm_why says; ERR_HSM.
int pki_hsm_refuse_(const struct pki_key *k, const char *why);
// Closes the session. NULL is fine.
void pki_hsm_key_free_(struct pki_hsm_key *h);

// What a key occupies.
static inline size_t pki_key_bytes_(const struct pki_key *k)
{
    return sizeof *k + (k->ec ? sizeof *k->ec : 0) + (k->ed ? sizeof *k->ed : 0) + (k->rsa ? sizeof *k->rsa : 0) +
           k->secret_n;
}

// One ECDSA verification of a hash; `signature` is R || S. 0, ERR_TOKEN_SIGNATURE, ERR_NOMEM.
int pki_key_verify_ec_(const struct pki_key *k, struct span hash, struct span signature);

#endif

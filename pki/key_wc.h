// SPDX-License-Identifier: GPL-3.0-or-later
// The inside of a `pki_key`, for the files of pki/ that hand keys to wolfSSL (certificate and CSR signing). The wolfSSL structures are
// reached through pointers, so that a `const struct pki_key` can be used with wolfSSL's functions, which keep scratch state in them:
// that is why one key may not be used by two threads at once (pki_key_verify_shared works on a copy).
#ifndef SALLYPORT_PKI_KEY_WC_H
#define SALLYPORT_PKI_KEY_WC_H

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/random.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "pki/key.h"

struct pki_key {
    enum pki_key_type type;
    bool is_private;
    ecc_key *ec;     // P-256, P-384, P-521; else NULL
    ed25519_key *ed; // Ed25519; else NULL
    RsaKey *rsa;     // RSA; else NULL
};

// A generator seeded from the operating system, of the calling thread; NULL when the kernel has no entropy to give.
WC_RNG *pki_rng(void);

// An initialised, empty key of `type`; NULL when out of memory.
struct pki_key *pki_key_alloc_(enum pki_key_type type);
// After an import: what every key must satisfy (curve, bits, exponent). 0 or ERR_CERT_WEAK, ERR_CERT_MALFORMED.
int pki_key_accept_(const struct pki_key *k);
// wolfSSL's curve id and the octets of a coordinate, for the three EC types; 0 for others.
int pki_key_curve_(enum pki_key_type type);
unsigned pki_key_octets_(enum pki_key_type type);

#endif

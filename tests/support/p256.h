// SPDX-License-Identifier: GPL-3.0-or-later
// What tests, fuzzers and benches of ES256 verification need: what wolfSSL says of a signature, and signatures whose scalars are chosen, so
// that a verification meets the cases which chance never brings.
#ifndef SALLYPORT_TESTS_SUPPORT_P256_H
#define SALLYPORT_TESTS_SUPPORT_P256_H

#include "pki/key.h"

struct p256_claim {
    uint8_t point[64], hash[32], signature[64];
};

// X || Y of the public half.
void p256_point_of(const struct pki_key *key, uint8_t point[static 64]);
// k·G for k (big-endian, taken mod n). False: it is infinity.
bool p256_multiply(const uint8_t k[static 32], uint8_t point[static 64]);
// The key d·G, and a hash and a signature that make a verification compute u1·G + u2·(d·G). All are taken mod n; for 0 in d and u2 1 is taken.
// The signature holds, unless that sum is infinity (false).
bool p256_forge(const uint8_t d[static 32], const uint8_t u1[static 32], const uint8_t u2[static 32],
                struct p256_claim *out);
// One of random numbers, which holds.
bool p256_forge_random(struct p256_claim *out);
// wolfSSL's own verification, without any table of ours. 0, ERR_TOKEN_SIGNATURE, ERR_PROOF_KEY (no such point).
int p256_verify_wolfssl(const struct p256_claim *claim);
// The same, with our table.
int p256_verify_table(const struct p256_claim *claim);

#endif

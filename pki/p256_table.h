// SPDX-License-Identifier: GPL-3.0-or-later
// A P-256 public key prepared for many verifications: the seam behind which precomputed tables live. Today the tables are wolfSSL's
// fixed-point cache (of the thread, keyed by the point, filled at the second use); the caller sees a prepared key and nothing else,
// so tables of our own can replace it. For verification only, never for signing or ECDH: cached multiplication is not constant-time.
// One thread at a time.
#ifndef SALLYPORT_PKI_P256_TABLE_H
#define SALLYPORT_PKI_P256_TABLE_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

struct pki_p256_table;

// `point` is X || Y, big-endian. 0, ERR_PROOF_KEY (not on the curve), ERR_NOMEM.
int pki_p256_table_new(const uint8_t point[static 64], struct pki_p256_table **out);
void pki_p256_table_free(struct pki_p256_table *t);
// `signature` is R || S. 0 or ERR_TOKEN_SIGNATURE.
int pki_p256_table_verify(const struct pki_p256_table *t, const uint8_t hash[static 32],
                          const uint8_t signature[static 64]);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// A P-256 public key prepared for verifications: a table of its multiples, 4 KiB, made for its first one (p256_point.h). Making it and one
// verification take together no longer than a verification without it, so there is none without it. For verification only, never for signing
// or ECDH: the sums are not constant-time.
//
// Field arithmetic is wolfSSL's (p256_field.h). Where its assembly cannot be had – not x86-64, or a processor without BMI2, ADX and AVX2 – the
// key is wolfSSL's too, verified in its own way; then it is for one thread at a time. Nobody but p256_table.c sees the difference.
#ifndef SALLYPORT_PKI_P256_TABLE_H
#define SALLYPORT_PKI_P256_TABLE_H

#include "gateway/base/err.h"
#include "gateway/base/span.h"

struct pki_p256_table;

// `point` is X || Y, big-endian. 0, ERR_PROOF_KEY (not on the curve), ERR_NOMEM.
int pki_p256_table_new(const uint8_t point[static 64], struct pki_p256_table **out);
void pki_p256_table_free(struct pki_p256_table *t);
// What it occupies.
size_t pki_p256_table_bytes(const struct pki_p256_table *t);
// `signature` is R || S. 0, ERR_TOKEN_SIGNATURE, or, without our tables, ERR_NOMEM.
int pki_p256_table_verify(const struct pki_p256_table *t, const uint8_t hash[static 32],
                          const uint8_t signature[static 64]);

#endif

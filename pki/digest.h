// SPDX-License-Identifier: GPL-3.0-or-later
// Hashes, keyed hashes and random bytes, behind four functions so that no other header needs wolfSSL's.
#ifndef SALLYPORT_PKI_DIGEST_H
#define SALLYPORT_PKI_DIGEST_H

#include "gateway/base/span.h"

#define PKI_SHA256 32

void pki_sha256(struct span s, uint8_t out[static PKI_SHA256]);
// Over two pieces without copying them together.
void pki_sha256_2(struct span a, struct span b, uint8_t out[static PKI_SHA256]);
void pki_hmac_sha256(struct span key, struct span s, uint8_t out[static PKI_SHA256]);
// From the operating system (getrandom). Never fails after start; aborts the process if the kernel refuses.
void pki_random(void *out, size_t n);

#endif

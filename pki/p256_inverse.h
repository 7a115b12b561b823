// SPDX-License-Identifier: GPL-3.0-or-later
// 1 / a modulo p or n, for public values (variable time): a third of the time of wolfSSL's, which was a third of a verification.
//
// Division steps (Bernstein and Yang, "Fast constant-time gcd computation and modular inversion", https://gcd.cr.yp.to; the variant with early
// ends that Pieter Wuille describes in libsecp256k1's doc/safegcd_implementation.md). A step maps (f, g), f odd, to (f, g/2), (f, (g+f)/2) or
// (g, (g-f)/2); which one depends on the lowest bits only. So 62 steps are chosen by the lowest 64 bits of f and g, collected into a matrix of
// words, and applied once to the long numbers. From (m, a) they lead to (±1, 0), and the same matrices, applied modulo m, turn (0, 1) into
// (±1/a, 0).
//
// A wrong inverse w of s would be no hole: what verifies with w is a signature (r, 1/w) that holds.
#ifndef SALLYPORT_PKI_P256_INVERSE_H
#define SALLYPORT_PKI_P256_INVERSE_H

#include "pki/p256_field.h"

#if PKI_P256_FIELD

// `a` and the result are plain numbers, not in Montgomery form; `a` is not 0 mod n (mod p), and may be any number below 2^256.
void pki_p256_invert_mod_n_(const struct fe *a, struct fe *out);
void pki_p256_invert_mod_p_(const struct fe *a, struct fe *out);

#endif
#endif

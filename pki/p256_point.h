// SPDX-License-Identifier: GPL-3.0-or-later
// Points of P-256, y² = x³ - 3x + b, and the tables of their multiples that a verification sums up. Variable time, for public values only
// (p256_field.h, which says what numbers look like).
//
// A sum is kept in XYZZ coordinates (Explicit-Formulas Database, "short Weierstrass, xyzz"): x = X / ZZ, y = Y / ZZZ, ZZ³ = ZZZ². They have the
// cheapest addition of an affine point: 8 multiplications and 2 squarings.
//
// A table is a signed comb (Hamburg, "Fast and compact elliptic-curve cryptography", §3.3; the comb itself is algorithm 3.44 in the Guide to
// Elliptic Curve Cryptography). A scalar k is written with 264 digits that are all +1 or -1, and laid out in rows of 22:
//
//      k = Σ d(i) · 2^i, i < 264          digit i stands in column i mod 22 of row i / 22 (12 rows)
//
// A table of `t` rows holds, for each choice of signs in a column, the sum ± 1·P ± 2^22·P ± 2^44·P …: 2^t sums, of which half are the negatives
// of the other half, so 2^(t-1) affine points of 64 bytes, those with + in the last row. One column costs one addition, and all tables are read
// at the same column before the sum is doubled: 21 doublings, whatever the number of tables.
//
//      the public key:  2 tables of 6 rows, of Q and of 2^132·Q      2 · 32 points    4 KiB      44 additions
//      the generator:   1 table of 12 rows                           2048 points      128 KiB    22 additions
//
// So u1·G + u2·Q is 65 additions and 21 doublings. Since no digit is 0, every column takes its addition.
#ifndef SALLYPORT_PKI_P256_POINT_H
#define SALLYPORT_PKI_P256_POINT_H

#include "pki/p256_field.h"

#define PKI_P256_COLUMNS 22
#define PKI_P256_ROWS 12 // of a scalar: 264 digits

#if PKI_P256_FIELD

// 64 bytes: one line of the processor's caches, where it is aligned.
struct pki_p256_affine {
    struct fe x, y;
};

// `infinity`: the other members mean nothing.
struct pki_p256_sum {
    struct fe x, y, zz, zzz;
    bool infinity;
};

// From X || Y, big-endian. False: a coordinate is not below p, or the point is not on the curve. (The group has prime order: every point of
// the curve is in it.)
bool pki_p256_point_read_(const uint8_t bytes[static 64], struct pki_p256_affine *out);
// sum = 2·sum (dbl-2008-s-1).
void pki_p256_double_(struct pki_p256_sum *sum);
// sum = sum + point, or - point (madd-2008-s); all cases: an empty sum, the same point, the opposite one.
void pki_p256_add_(struct pki_p256_sum *sum, const struct pki_p256_affine *point, bool negative);

// The tables of `rows` rows each (2 to 12) of P, 2^(22·rows)·P, … into `out`, 2^(rows-1) points each; tables · rows ≤ 12. 0 or ERR_NOMEM.
int pki_p256_comb_(const struct pki_p256_affine *point, unsigned rows, unsigned tables, struct pki_p256_affine *out);
// One column of a table: the digits of its rows, + as 1, the first row's in the lowest bit.
static inline void pki_p256_add_column_(struct pki_p256_sum *sum, const struct pki_p256_affine *table, unsigned rows,
                                        unsigned digits)
{
    unsigned last = 1u << (rows - 1);
    bool negative = !(digits & last);
    pki_p256_add_(sum, &table[(negative ? ~digits : digits) & (last - 1)], negative);
}

#endif
#endif

// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/p256_table.h"

#include <pthread.h>
#include <stdlib.h>

#include "pki/key_wc.h"
#include "pki/p256_inverse.h"
#include "pki/p256_point.h"

// One of the two.
struct pki_p256_table {
    struct pki_p256_affine *points; // two combs of KEY_ROWS
    struct pki_key *key;            // for wolfSSL's verification, where its field arithmetic is not to be had
};

#if PKI_P256_FIELD

enum {
    KEY_ROWS = 6,
    KEY_ENTRIES = 1 << (KEY_ROWS - 1), // of each of the two tables
    KEY_BYTES = 2 * KEY_ENTRIES * sizeof(struct pki_p256_affine),
    G_ENTRIES = 1 << (PKI_P256_ROWS - 1),
};

// ---- the generator

// Made once, at the first key, and only read from then on: 128 KiB, in a third of a millisecond.
static struct pki_p256_affine g_table[G_ENTRIES] __attribute__((aligned(64)));
static bool g_usable;
static pthread_once_t g_once = PTHREAD_ONCE_INIT;

static void g_make(void)
{
    static const struct pki_p256_affine g = {
        { { 0x79e730d418a9143c, 0x75ba95fc5fedb601, 0x79fb732b77622510, 0x18905f76a53755c6 } },
        { { 0xddf25357ce95560a, 0x8b4ab8e4ba19e45c, 0xd2e88688dd21f325, 0x8571ff1825885d85 } },
    };
    g_usable = fe_is_usable() && pki_p256_comb_(&g, PKI_P256_ROWS, 1, g_table) == 0;
}

// The one place that chooses between our sums and wolfSSL's verification.
static bool is_usable(void)
{
    pthread_once(&g_once, g_make);
    return g_usable;
}

// ---- scalars

// A scalar's 264 digits of +1 (bit set) and -1, in rows of 22 (p256_point.h).
struct digits {
    uint32_t row[PKI_P256_ROWS];
};

// Those of u = number / s mod n. With d(i) = 2·b(i) - 1, Σ d(i)·2^i = 2·B - (2^264 - 1), so the bits b(i) are those of
// B = u/2 + (2^264 - 1)/2 mod n. Any B below 2^264 will do: nothing is reduced. `half_inverse` is R / 2s.
static void recode(const struct fe *number, const struct fe *half_inverse, struct digits *out)
{
    // (2^264 - 1)/2 mod n
    static const struct fe offset = { { 0x9cf783e34c9eea28, 0x6af6268347bc8cc8, 0x8000000000000021,
                                        0x8000007f7fffff80 } };
    struct fe u;
    scalar_mul(&u, number, half_inverse);
    uint64_t carry = fe_plain_add(&u, &u, &offset), bits[6] = { u.limb[0], u.limb[1], u.limb[2], u.limb[3], carry };
    for (unsigned i = 0; i < PKI_P256_ROWS; i++) {
        unsigned at = PKI_P256_COLUMNS * i, limb = at / 64;
        unsigned __int128 two = (unsigned __int128)bits[limb + 1] << 64 | bits[limb];
        out->row[i] = (uint32_t)(two >> at % 64) & ((1u << PKI_P256_COLUMNS) - 1);
    }
}

static unsigned column(const struct digits *d, unsigned from_row, unsigned rows, int at)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < rows; i++)
        bits |= (d->row[from_row + i] >> at & 1) << i;
    return bits;
}

// ---- a verification

static const struct fe zero;

static bool is_in_range(const struct fe *a)
{
    return fe_is_below(&zero, a) && fe_is_below(a, &fe_n);
}

// Is number the sum's x mod p? Without an inversion: X = number · ZZ.
static bool is_x(const struct pki_p256_sum *sum, const struct fe *number)
{
    struct fe x;
    fe_mul(&x, number, &fe_r_squared);
    fe_mul(&x, &x, &sum->zz);
    fe_sub(&x, &x, &sum->x);
    return fe_is_zero(&x);
}

// Is r the sum's x mod n? x is below p, so it is r, or r + n where that is below p.
static bool is_x_mod_n(const struct pki_p256_sum *sum, const struct fe *r)
{
    static const struct fe p_minus_n = { { 0x0c46353d039cdaae, 0x4319055358e8617b, 0, 0 } };
    struct fe more;
    if (is_x(sum, r))
        return true;
    if (!fe_is_below(r, &p_minus_n))
        return false;
    fe_plain_add(&more, r, &fe_n);
    return is_x(sum, &more);
}

// FIPS 186-5 §6.4.2, Guide to Elliptic Curve Cryptography algorithm 4.30.
static bool holds(const struct pki_p256_affine *q_table, const uint8_t hash[static 32],
                  const uint8_t signature[static 64])
{
    // R²/2 mod n
    static const struct fe half_r_squared = { { 0x4192264adf3cf751, 0xa34cbcce24deb7d3, 0x1422d91c95b5f62c,
                                                0x337096ca79ecab10 } };
    struct fe r, s, e, half_inverse;
    fe_load(&r, signature);
    fe_load(&s, signature + 32);
    fe_load(&e, hash);
    // Zeros are nobody's hash, but what is left in a buffer that nobody filled; wolfSSL refuses them too.
    if (!is_in_range(&r) || !is_in_range(&s) || !fe_is_below(&zero, &e))
        return false;
    // Of many keys in turn none is in the nearer caches: all of it comes while s is inverted.
    for (size_t i = 0; i < 2 * KEY_ENTRIES; i++)
        __builtin_prefetch(&q_table[i]);
    pki_p256_invert_mod_n_(&s, &half_inverse);
    scalar_mul(&half_inverse, &half_inverse, &half_r_squared);

    struct digits u1, u2;
    recode(&e, &half_inverse, &u1);
    recode(&r, &half_inverse, &u2);
    struct pki_p256_sum sum = { .infinity = true };
    for (int at = PKI_P256_COLUMNS - 1; at >= 0; at--) {
        pki_p256_double_(&sum);
        pki_p256_add_column_(&sum, q_table, KEY_ROWS, column(&u2, 0, KEY_ROWS, at));
        pki_p256_add_column_(&sum, q_table + KEY_ENTRIES, KEY_ROWS, column(&u2, KEY_ROWS, KEY_ROWS, at));
        pki_p256_add_column_(&sum, g_table, PKI_P256_ROWS, column(&u1, 0, PKI_P256_ROWS, at));
    }
    return !sum.infinity && is_x_mod_n(&sum, &r);
}

static int make_points(const uint8_t point[static 64], struct pki_p256_table *t)
{
    struct pki_p256_affine q;
    if (!pki_p256_point_read_(point, &q))
        return ERR_PROOF_KEY;
    t->points = aligned_alloc(64, KEY_BYTES);
    return t->points ? pki_p256_comb_(&q, KEY_ROWS, 2, t->points) : ERR_NOMEM;
}

#else

enum { KEY_BYTES = 0 };

static bool is_usable(void)
{
    return false;
}

static int make_points(const uint8_t point[static 64], struct pki_p256_table *t)
{
    (void)point;
    (void)t;
    return ERR_INTERNAL;
}

static bool holds(const struct pki_p256_affine *q_table, const uint8_t hash[static 32],
                  const uint8_t signature[static 64])
{
    (void)q_table;
    (void)hash;
    (void)signature;
    return false;
}

#endif

// ---- wolfSSL's

static int make_key(const uint8_t point[static 64], struct pki_p256_table *t)
{
    t->key = pki_key_alloc_(PKI_KEY_P256, false);
    if (!t->key)
        return ERR_NOMEM;
    return pki_key_set_ec_(t->key, span_of(point, 32), span_of(point + 32, 32), true) == 0 ? 0 : ERR_PROOF_KEY;
}

// ---- either

int pki_p256_table_new(const uint8_t point[static 64], struct pki_p256_table **out)
{
    struct pki_p256_table *t = calloc(1, sizeof *t);
    if (!t)
        return ERR_NOMEM;
    int rc = is_usable() ? make_points(point, t) : make_key(point, t);
    if (rc == 0)
        *out = t;
    else
        pki_p256_table_free(t);
    return rc;
}

void pki_p256_table_free(struct pki_p256_table *t)
{
    if (!t)
        return;
    free(t->points);
    pki_key_free(t->key);
    free(t);
}

size_t pki_p256_table_bytes(const struct pki_p256_table *t)
{
    return sizeof *t + (t->points ? KEY_BYTES : pki_key_bytes_(t->key));
}

int pki_p256_table_verify(const struct pki_p256_table *t, const uint8_t hash[static 32],
                          const uint8_t signature[static 64])
{
    if (t->points)
        return holds(t->points, hash, signature) ? 0 : ERR_TOKEN_SIGNATURE;
    return pki_key_verify_ec_(t->key, span_of(hash, 32), span_of(signature, 64));
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/p256.h"

#include <assert.h>
#include <stdlib.h>

#include "pki/digest.h"
#include "pki/key_wc.h"
#include "pki/p256_table.h"

// The results of wolfSSL's arithmetic on numbers that are what they must be.
static void must(int rc)
{
    if (rc != 0)
        abort();
}

void p256_point_of(const struct pki_key *key, uint8_t point[static 64])
{
    uint8_t x[PKI_KEY_EC_OCTETS_MAX], y[PKI_KEY_EC_OCTETS_MAX];
    size_t n;
    pki_key_get_ec_(key, x, y, &n);
    assert(n == 32);
    memcpy(point, x, 32);
    memcpy(point + 32, y, 32);
}

static const ecc_set_type *curve(void)
{
    return wc_ecc_get_curve_params(wc_ecc_get_curve_idx(ECC_SECP256R1));
}

static void read_hex(mp_int *out, const char *hex)
{
    must(mp_init(out));
    must(mp_read_radix(out, hex, MP_RADIX_HEX));
}

static void read_mod_n(mp_int *out, const uint8_t bytes[static 32])
{
    mp_int n;
    read_hex(&n, curve()->order);
    must(mp_init(out));
    must(mp_read_unsigned_bin(out, bytes, 32));
    must(mp_mod(out, &n, out));
}

static bool multiply(mp_int *k, uint8_t point[static 64])
{
    mp_int p, a;
    if (mp_iszero(k))
        return false;
    read_hex(&p, curve()->prime);
    read_hex(&a, curve()->Af);
    ecc_point *g = wc_ecc_new_point(), *r = wc_ecc_new_point();
    if (!g || !r)
        abort();
    must(mp_read_radix(g->x, curve()->Gx, MP_RADIX_HEX));
    must(mp_read_radix(g->y, curve()->Gy, MP_RADIX_HEX));
    must(mp_set(g->z, 1));
    must(wc_ecc_mulmod(k, g, r, &a, &p, 1));
    must(mp_to_unsigned_bin_len(r->x, point, 32));
    must(mp_to_unsigned_bin_len(r->y, point + 32, 32));
    wc_ecc_del_point(g);
    wc_ecc_del_point(r);
    return true;
}

bool p256_multiply(const uint8_t k[static 32], uint8_t point[static 64])
{
    mp_int number;
    read_mod_n(&number, k);
    return multiply(&number, point);
}

bool p256_forge(const uint8_t d[static 32], const uint8_t u1[static 32], const uint8_t u2[static 32],
                struct p256_claim *out)
{
    mp_int n, key, a, b, sum, r, s;
    uint8_t at[64];
    read_hex(&n, curve()->order);
    read_mod_n(&key, d);
    read_mod_n(&a, u1);
    read_mod_n(&b, u2);
    if (mp_iszero(&key))
        must(mp_set(&key, 1));
    if (mp_iszero(&b))
        must(mp_set(&b, 1));
    multiply(&key, out->point);

    must(mp_init(&sum));
    must(mp_mulmod(&b, &key, &n, &sum));
    must(mp_addmod(&sum, &a, &n, &sum));
    must(mp_init(&r));
    bool finite = multiply(&sum, at);
    if (finite) {
        must(mp_read_unsigned_bin(&r, at, 32));
        must(mp_mod(&r, &n, &r));
    }
    if (mp_iszero(&r))
        must(mp_set(&r, 1));
    // s = r / u2, e = u1 · s
    must(mp_init(&s));
    must(mp_invmod(&b, &n, &s));
    must(mp_mulmod(&s, &r, &n, &s));
    must(mp_to_unsigned_bin_len(&r, out->signature, 32));
    must(mp_to_unsigned_bin_len(&s, out->signature + 32, 32));
    must(mp_mulmod(&a, &s, &n, &a));
    if (mp_iszero(&a))
        must(mp_copy(&n, &a)); // a hash of zeros is refused
    must(mp_to_unsigned_bin_len(&a, out->hash, 32));
    return finite;
}

bool p256_forge_random(struct p256_claim *out)
{
    uint8_t d[32], u1[32], u2[32];
    pki_random(d, 32);
    pki_random(u1, 32);
    pki_random(u2, 32);
    return p256_forge(d, u1, u2, out);
}

int p256_verify_wolfssl(const struct p256_claim *claim)
{
    struct pki_key *key = pki_key_alloc_(PKI_KEY_P256, false);
    if (!key)
        abort();
    int rc = pki_key_set_ec_(key, span_of(claim->point, 32), span_of(claim->point + 32, 32), true);
    rc = rc != 0 ? ERR_PROOF_KEY : pki_key_verify_ec_(key, span_of(claim->hash, 32), span_of(claim->signature, 64));
    pki_key_free(key);
    return rc;
}

int p256_verify_table(const struct p256_claim *claim)
{
    struct pki_p256_table *table;
    int rc = pki_p256_table_new(claim->point, &table);
    if (rc != 0)
        return rc;
    rc = pki_p256_table_verify(table, claim->hash, claim->signature);
    pki_p256_table_free(table);
    return rc;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Points and combs against wolfSSL's multiplication, and the additions that chance never brings.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/p256_point.h"
#include "tests/support/p256.h"

#if PKI_P256_FIELD

static void small(unsigned k, bool negative, uint8_t out[32])
{
    static const uint8_t order[32] = { 0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17,
                                       0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
    memset(out, 0, 32);
    if (!negative) {
        out[31] = (uint8_t)k;
        return;
    }
    memcpy(out, order, 32);
    out[31] = (uint8_t)(out[31] - k);
}

static struct pki_p256_affine multiple(unsigned k, bool negative)
{
    uint8_t number[32], point[64];
    struct pki_p256_affine p;
    small(k, negative, number);
    assert_true(p256_multiply(number, point));
    assert_true(pki_p256_point_read_(point, &p));
    return p;
}

// X = x · ZZ, Y = y · ZZZ, ZZ³ = ZZZ².
static bool is(const struct pki_p256_sum *sum, const struct pki_p256_affine *p)
{
    struct fe a, b, c;
    if (sum->infinity)
        return false;
    fe_mul(&a, &p->x, &sum->zz);
    fe_sub(&a, &a, &sum->x);
    fe_mul(&b, &p->y, &sum->zzz);
    fe_sub(&b, &b, &sum->y);
    if (!fe_is_zero(&a) || !fe_is_zero(&b))
        return false;
    fe_sqr(&a, &sum->zz);
    fe_mul(&a, &a, &sum->zz);
    fe_sqr(&c, &sum->zzz);
    fe_sub(&a, &a, &c);
    return fe_is_zero(&a);
}

static void sums_of_small_multiples_are_the_multiples(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    // a·G + (±b)·G, where a is reached by doublings, so that ZZ is not 1.
    for (unsigned a = 1; a <= 16; a *= 2)
        for (unsigned b = 1; b <= 17; b++)
            for (int negative = 0; negative < 2; negative++) {
                struct pki_p256_affine g = multiple(1, false), p = multiple(b, false);
                struct pki_p256_sum sum = { .infinity = true };
                pki_p256_double_(&sum);
                assert_true(sum.infinity);
                pki_p256_add_(&sum, &g, false);
                for (unsigned i = 1; i < a; i *= 2)
                    pki_p256_double_(&sum);
                pki_p256_add_(&sum, &p, negative);
                if (negative && a == b) {
                    assert_true(sum.infinity);
                    continue;
                }
                struct pki_p256_affine want = !negative ? multiple(a + b, false)
                                              : a > b   ? multiple(a - b, false)
                                                        : multiple(b - a, true);
                assert_true(is(&sum, &want));
            }
}

// The same point with another ZZ, on both sides of the sign: 2·P, and nothing.
static void same_point_doubles_and_the_opposite_cancels(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    struct pki_p256_affine g = multiple(1, false), four = multiple(4, false), eight = multiple(8, false),
                           minus_four = multiple(4, true);
    struct pki_p256_sum sum = { .infinity = true }, again;
    pki_p256_add_(&sum, &g, false);
    pki_p256_double_(&sum);
    pki_p256_double_(&sum);
    again = sum;
    pki_p256_add_(&again, &four, false);
    assert_true(is(&again, &eight));
    again = sum;
    pki_p256_add_(&again, &minus_four, true);
    assert_true(is(&again, &eight));
    again = sum;
    pki_p256_add_(&again, &four, true);
    assert_true(again.infinity);
    pki_p256_add_(&again, &four, true);
    assert_true(is(&again, &minus_four));
    again = sum;
    pki_p256_add_(&again, &minus_four, false);
    assert_true(again.infinity);
}

// Numbers are not fully reduced: p is as good a 0 as 0.
static void zero_has_two_forms(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    static const struct fe zero, one = { { 1 } };
    struct fe almost = fe_p;
    assert_true(fe_is_zero(&zero));
    assert_true(fe_is_zero(&fe_p));
    assert_false(fe_is_zero(&one));
    for (int i = 0; i < 4; i++) {
        almost.limb[i] ^= 1;
        assert_false(fe_is_zero(&almost));
        almost.limb[i] ^= 1;
    }
    // Differences of what stands for the same residue, up to the largest number there is.
    struct fe top = { { ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0), ~UINT64_C(0) } }, low, r;
    unsigned __int128 borrow = 0;
    for (int i = 0; i < 4; i++) {
        unsigned __int128 v = (unsigned __int128)top.limb[i] - fe_p.limb[i] - borrow;
        low.limb[i] = (uint64_t)v;
        borrow = v >> 64 & 1;
    }
    fe_sub(&r, &top, &low);
    assert_true(fe_is_zero(&r));
    fe_sub(&r, &low, &top);
    assert_true(fe_is_zero(&r));
    fe_add(&r, &top, &top);
    fe_dbl(&low, &low);
    fe_sub(&r, &r, &low);
    assert_true(fe_is_zero(&r));
}

// Each entry of a comb is the multiple that its signs say.
static void a_comb_holds_what_its_signs_say(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    static struct pki_p256_affine table[64] __attribute__((aligned(64)));
    struct pki_p256_affine g = multiple(1, false);
    assert_int_equal(pki_p256_comb_(&g, 6, 2, table), 0);
    for (unsigned t = 0; t < 2; t++)
        for (unsigned v = 0; v < 32; v++) {
            // Σ ±2^(22·(row + 6t)), with + in row 5: by doubling and adding from the top.
            struct pki_p256_sum sum = { .infinity = true };
            for (int bit = 22 * 11; bit >= 0; bit--) {
                pki_p256_double_(&sum);
                unsigned row = (unsigned)bit / 22;
                if (bit % 22 == 0 && row / 6 == t)
                    pki_p256_add_(&sum, &g, row % 6 != 5 && !(v >> row % 6 & 1));
            }
            assert_true(is(&sum, &table[32 * t + v]));
        }
}

static void points_that_are_not_on_the_curve_are_refused(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    uint8_t k[32], point[64], prime[32];
    struct pki_p256_affine p;
    small(5, false, k);
    assert_true(p256_multiply(k, point));
    assert_true(pki_p256_point_read_(point, &p));
    for (int i = 0; i < 64; i++) {
        point[i] ^= 1;
        assert_false(pki_p256_point_read_(point, &p));
        point[i] ^= 1;
    }
    memset(point, 0, sizeof point);
    assert_false(pki_p256_point_read_(point, &p));
    memset(point, 0xff, sizeof point);
    assert_false(pki_p256_point_read_(point, &p));
    // x = 0 has a point, √b; the same with x = p is not its encoding.
    static const uint8_t root_of_b[32] = { 0x66, 0x48, 0x5c, 0x78, 0x0e, 0x2f, 0x83, 0xd7, 0x24, 0x33, 0xbd,
                                           0x5d, 0x84, 0xa0, 0x6b, 0xb6, 0x54, 0x1c, 0x2a, 0xf3, 0x1d, 0xae,
                                           0x87, 0x17, 0x28, 0xbf, 0x85, 0x6a, 0x17, 0x4f, 0x93, 0xf4 };
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 8; j++)
            prime[31 - 8 * i - j] = (uint8_t)(fe_p.limb[i] >> 8 * j);
    memset(point, 0, 32);
    memcpy(point + 32, root_of_b, 32);
    assert_true(pki_p256_point_read_(point, &p));
    memcpy(point, prime, 32);
    assert_false(pki_p256_point_read_(point, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_of_small_multiples_are_the_multiples),
        cmocka_unit_test(same_point_doubles_and_the_opposite_cancels),
        cmocka_unit_test(zero_has_two_forms),
        cmocka_unit_test(a_comb_holds_what_its_signs_say),
        cmocka_unit_test(points_that_are_not_on_the_curve_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// a · 1/a is 1: by wolfSSL's multiplication, for chance's numbers and for those with long runs of ones and zeros.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "pki/p256_inverse.h"

#if PKI_P256_FIELD

// (a·R)·b / R = a·b
static void must_be_inverse_mod_p(const struct fe *a)
{
    struct fe inverse, product;
    static const struct fe one = { { 1 } };
    pki_p256_invert_mod_p_(a, &inverse);
    assert_true(fe_is_below(&inverse, &fe_p));
    fe_mul(&product, a, &fe_r_squared);
    fe_mul(&product, &product, &inverse);
    fe_sub(&product, &product, &one);
    assert_true(fe_is_zero(&product));
}

static void must_be_inverse_mod_n(const struct fe *a)
{
    // R² mod n
    static const struct fe r_squared = { { 0x83244c95be79eea2, 0x4699799c49bd6fa6, 0x2845b2392b6bec59,
                                           0x66e12d94f3d95620 } };
    struct fe inverse, product;
    pki_p256_invert_mod_n_(a, &inverse);
    assert_true(fe_is_below(&inverse, &fe_n));
    scalar_mul(&product, a, &r_squared);
    scalar_mul(&product, &product, &inverse);
    if (!fe_is_below(&product, &fe_n))
        for (uint64_t i = 0, borrow = 0; i < 4; i++) {
            unsigned __int128 v = (unsigned __int128)product.limb[i] - fe_n.limb[i] - borrow;
            product.limb[i] = (uint64_t)v;
            borrow = v >> 64 & 1;
        }
    assert_true(product.limb[0] == 1 && (product.limb[1] | product.limb[2] | product.limb[3]) == 0);
}

static void must_be_inverse(const struct fe *a)
{
    static const struct fe zero;
    if (!fe_is_below(&zero, a))
        return;
    if (memcmp(a, &fe_p, sizeof *a) != 0)
        must_be_inverse_mod_p(a);
    if (memcmp(a, &fe_n, sizeof *a) != 0)
        must_be_inverse_mod_n(a);
}

static void random_numbers_have_their_inverses(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    for (int i = 0; i < 20000; i++) {
        struct fe a;
        pki_random(&a, sizeof a);
        must_be_inverse(&a);
    }
}

static void small_sparse_and_largest_numbers_have_theirs(void **state)
{
    (void)state;
    if (!fe_is_usable())
        skip();
    static const struct fe *const near[] = { &fe_p, &fe_n };
    for (unsigned k = 1; k < 300; k++) {
        struct fe a = { { k } };
        must_be_inverse(&a);
        for (int i = 0; i < 2; i++) {
            a = *near[i];
            a.limb[0] -= k;
            must_be_inverse(&a);
            fe_plain_add(&a, near[i], &(struct fe){ { k } });
            must_be_inverse(&a);
        }
    }
    // 2^i, 2^i ± 2^j, and all ones from i up to j.
    for (int i = 0; i < 256; i++)
        for (int j = 0; j <= i; j++) {
            struct fe high = { { 0 } }, deep = { { 0 } }, a;
            high.limb[i / 64] = UINT64_C(1) << i % 64;
            deep.limb[j / 64] = UINT64_C(1) << j % 64;
            must_be_inverse(&high);
            if (fe_plain_add(&a, &high, &deep) == 0)
                must_be_inverse(&a);
            uint64_t borrow = 0;
            for (int l = 0; l < 4; l++) {
                unsigned __int128 v = (unsigned __int128)high.limb[l] - deep.limb[l] - borrow;
                a.limb[l] = (uint64_t)v;
                borrow = v >> 64 & 1;
            }
            must_be_inverse(&a);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_numbers_have_their_inverses),
        cmocka_unit_test(small_sparse_and_largest_numbers_have_theirs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
    return 0;
}

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The tables of P-256 keys on a processor that lacks what our field arithmetic needs: it is wolfSSL's verification then, behind the same functions.
// A program of its own, since the choice is made once in a process.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/err.h"
#include "pki/key_wc.h"
#include "pki/p256_table.h"
#include "tests/support/p256.h"

#include <wolfssl/wolfcrypt/cpuid.h>

static void signatures_are_verified_without_our_arithmetic(void **state)
{
    (void)state;
#if defined(HAVE_CPUID)
    cpuid_select_flags(0);
#endif
    for (int i = 0; i < 20; i++) {
        struct p256_claim c;
        assert_true(p256_forge_random(&c));
        assert_int_equal(p256_verify_table(&c), 0);
        c.signature[i] ^= 1;
        assert_int_equal(p256_verify_table(&c), ERR_TOKEN_SIGNATURE);
        c.point[i] ^= 1;
        assert_int_equal(p256_verify_table(&c), ERR_PROOF_KEY);
    }
}

// It counts for the cache as what it is, not as a table.
static void its_bytes_are_those_of_a_key(void **state)
{
    (void)state;
    uint8_t one[32] = { [31] = 1 }, point[64];
    struct pki_p256_table *t;
    assert_true(p256_multiply(one, point));
    assert_int_equal(pki_p256_table_new(point, &t), 0);
    assert_true(pki_p256_table_bytes(t) >= sizeof(struct pki_key) + sizeof(ecc_key));
    pki_p256_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_are_verified_without_our_arithmetic),
        cmocka_unit_test(its_bytes_are_those_of_a_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

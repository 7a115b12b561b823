// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/nonce.h"

#define T INT64_C(1700000000000)

static void rule_10_only_our_fresh_nonces_are_accepted(void **state)
{
    (void)state;
    struct pki_nonce_keys k, other;
    char n[PKI_NONCE_TEXT];
    pki_nonce_keys_init(&k, 60000, 180000);
    pki_nonce_keys_init(&other, 60000, 180000);
    int64_t start = T / 60000 * 60000, expires = 0;
    bool rolled = true;
    pki_nonce_make(&k, start + 10, n);
    struct span s = span_of(n, sizeof n);
    assert_true(pki_nonce_check(&k, s, start + 10, &expires, &rolled));
    assert_int_equal(expires, start + 180000);
    assert_false(rolled);
    assert_true(pki_nonce_check(&k, s, start + 59999, &expires, &rolled));
    assert_false(rolled);
    assert_true(pki_nonce_check(&k, s, start + 60000, NULL, &rolled));
    assert_true(rolled);
    assert_true(pki_nonce_check(&k, s, start + 179999, NULL, NULL));
    assert_false(pki_nonce_check(&k, s, start + 180000, NULL, NULL));
    assert_false(pki_nonce_check(&k, s, start - 1, NULL, NULL)); // from the future
    other.id[0] = k.id[0];
    assert_false(pki_nonce_check(&other, s, start + 10, NULL, NULL));
}

static void every_changed_character_is_refused(void **state)
{
    (void)state;
    struct pki_nonce_keys k;
    char n[PKI_NONCE_TEXT];
    pki_nonce_keys_init(&k, 60000, 60000);
    pki_nonce_make(&k, T, n);
    for (size_t i = 0; i < sizeof n; i++) {
        char was = n[i];
        n[i] = was == 'A' ? 'B' : 'A';
        assert_false(pki_nonce_check(&k, span_of(n, sizeof n), T, NULL, NULL));
        n[i] = was;
    }
    assert_true(pki_nonce_check(&k, span_of(n, sizeof n), T, NULL, NULL));
    assert_false(pki_nonce_check(&k, span_of(n, sizeof n - 1), T, NULL, NULL));
    assert_false(pki_nonce_check(&k, SPAN_NONE, T, NULL, NULL));
    assert_false(pki_nonce_check(&k, SPAN(""), T, NULL, NULL));
}

static void rotation_refuses_nobody_and_ends_the_oldest_key(void **state)
{
    (void)state;
    struct pki_nonce_keys a, b, c;
    char n[PKI_NONCE_TEXT], m[PKI_NONCE_TEXT];
    bool rolled = false;
    pki_nonce_keys_init(&a, 60000, 600000);
    pki_nonce_make(&a, T, n);
    pki_nonce_keys_rotate(&a, &b);
    assert_true(pki_nonce_check(&b, span_of(n, sizeof n), T, NULL, &rolled));
    assert_true(rolled); // a client should move on
    pki_nonce_make(&b, T, m);
    assert_memory_not_equal(n, m, sizeof n);
    pki_nonce_keys_rotate(&b, &c);
    assert_true(pki_nonce_check(&c, span_of(m, sizeof m), T, NULL, NULL));
    assert_false(pki_nonce_check(&c, span_of(n, sizeof n), T, NULL, NULL));
}

static void rule_15_nonces_of_two_buckets_share_nothing_predictable(void **state)
{
    (void)state;
    struct pki_nonce_keys k;
    char a[PKI_NONCE_TEXT], b[PKI_NONCE_TEXT], again[PKI_NONCE_TEXT];
    pki_nonce_keys_init(&k, 1000, 5000);
    pki_nonce_make(&k, T, a);
    pki_nonce_make(&k, T, again);
    pki_nonce_make(&k, T + 1000, b);
    assert_memory_equal(a, again, sizeof a);
    assert_memory_not_equal(a + 10, b + 10, 8);
}

// A second's life in four buckets: what the shortest `nonce_lifetime` comes to.
static void short_lives_are_possible(void **state)
{
    (void)state;
    struct pki_nonce_keys k;
    char n[PKI_NONCE_TEXT];
    int64_t expires = 0;
    pki_nonce_keys_init(&k, 250, 1000);
    pki_nonce_make(&k, T + 249, n);
    assert_true(pki_nonce_check(&k, span_of(n, sizeof n), T + 249, &expires, NULL));
    assert_int_equal(expires, T + 1000);
    assert_true(pki_nonce_check(&k, span_of(n, sizeof n), T + 999, NULL, NULL));
    assert_false(pki_nonce_check(&k, span_of(n, sizeof n), T + 1000, NULL, NULL));
    // A number of a bucket that nobody made is no reason to compute with it.
    memset(n, '_', sizeof n);
    n[sizeof n - 1] = '8';
    assert_false(pki_nonce_check(&k, span_of(n, sizeof n), T, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_10_only_our_fresh_nonces_are_accepted),
        cmocka_unit_test(every_changed_character_is_refused),
        cmocka_unit_test(rotation_refuses_nobody_and_ends_the_oldest_key),
        cmocka_unit_test(short_lives_are_possible),
        cmocka_unit_test(rule_15_nonces_of_two_buckets_share_nothing_predictable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

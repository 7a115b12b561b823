// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "tests/support/jose.h"

static void is(const uint8_t *got, const char *hex)
{
    struct span want = jose_hex(span_str(hex));
    assert_memory_equal(got, want.p, 32);
    free((void *)(uintptr_t)want.p);
}

static void sha256_of_fips_180(void **state)
{
    (void)state;
    uint8_t out[32];
    pki_sha256(SPAN(""), out);
    is(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    pki_sha256(SPAN("abc"), out);
    is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pki_sha256_2(SPAN("a"), SPAN("bc"), out);
    is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    pki_sha256_2(SPAN("abc"), SPAN_NONE, out);
    is(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmac_of_wycheproof(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("wycheproof/hmac_sha256_test.json");
    if (!doc)
        skip();
    struct span name;
    json group, test;
    size_t n = 0;
    for (struct json_iter g = json_iter(json_get(json_root(doc), SPAN("testGroups"))); json_next(&g, &name, &group);) {
        for (struct json_iter t = json_iter(json_get(group, SPAN("tests"))); json_next(&t, &name, &test);) {
            struct span key = jose_hex(json_string(json_get(test, SPAN("key"))));
            struct span msg = jose_hex(json_string(json_get(test, SPAN("msg"))));
            struct span tag = jose_hex(json_string(json_get(test, SPAN("tag"))));
            bool valid = span_eq(json_string(json_get(test, SPAN("result"))), SPAN("valid"));
            uint8_t out[32];
            pki_hmac_sha256(key, msg, out);
            assert_int_equal(tag.n <= 32 && memcmp(out, tag.p, tag.n) == 0, valid);
            n++;
            free((void *)(uintptr_t)key.p);
            free((void *)(uintptr_t)msg.p);
            free((void *)(uintptr_t)tag.p);
        }
    }
    json_free(doc);
    assert_true(n > 100);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t a[32] = { 0 }, b[32] = { 0 }, zero[32] = { 0 };
    pki_random(a, sizeof a);
    pki_random(b, sizeof b);
    assert_memory_not_equal(a, b, 32);
    assert_memory_not_equal(a, zero, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_fips_180),
        cmocka_unit_test(hmac_of_wycheproof),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Project Wycheproof's signature files: every valid signature verifies, every invalid one is refused. "acceptable" (BER, missing
// NULL) is refused as well: our comparison takes one encoding.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/jose.h"

struct file {
    const char *name;
    enum pki_alg alg;
};

static struct pki_key *group_key(json group)
{
    struct pki_key *key = NULL;
    struct span der = jose_hex(json_string(json_get(group, SPAN("publicKeyDer"))));
    int rc = pki_key_read_public(der, &key);
    // A few RSA groups have the exponent 3: the key is refused, and with it every signature.
    bool small = span_eq(json_string(json_get(json_get(group, SPAN("publicKey")), SPAN("publicExponent"))), SPAN("03"));
    assert_int_equal(rc, small ? ERR_CERT_WEAK : 0);
    free((void *)(uintptr_t)der.p);
    // Where the file has the key as a JWK too, it is the same key.
    json jwk = json_get(group, SPAN("publicKeyJwk"));
    if (key && jwk) {
        struct pki_key *other;
        const char *what = "";
        uint8_t a[32], b[32];
        if (pki_key_from_jwk(jwk, true, &other, &what) != 0)
            fail_msg("publicKeyJwk: %s", what);
        pki_key_thumbprint(key, a);
        pki_key_thumbprint(other, b);
        assert_memory_equal(a, b, 32);
        pki_key_free(other);
    }
    return key;
}

static void run(void **state)
{
    const struct file *file = *state;
    struct json_doc *doc = jose_vectors(file->name);
    if (!doc)
        skip();
    size_t valid = 0, invalid = 0, wrong = 0;
    struct span name;
    json group, test;
    for (struct json_iter g = json_iter(json_get(json_root(doc), SPAN("testGroups"))); json_next(&g, &name, &group);) {
        struct pki_key *key = group_key(group);
        if (!key)
            continue;
        for (struct json_iter t = json_iter(json_get(group, SPAN("tests"))); json_next(&t, &name, &test);) {
            struct span message = jose_hex(json_string(json_get(test, SPAN("msg"))));
            struct span signature = jose_hex(json_string(json_get(test, SPAN("sig"))));
            bool want = span_eq(json_string(json_get(test, SPAN("result"))), SPAN("valid"));
            int rc = pki_key_verify(key, file->alg, message, signature);
            int shared = pki_key_verify_shared(key, file->alg, message, signature);
            int64_t id = 0;
            json_i64(json_get(test, SPAN("tcId")), &id);
            if ((rc == 0) != want || shared != rc) {
                print_error("tcId %lld: %.*s\n", (long long)id, SPAN_FMT(json_string(json_get(test, SPAN("comment")))));
                wrong++;
            }
            valid += want;
            invalid += !want;
            free((void *)(uintptr_t)message.p);
            free((void *)(uintptr_t)signature.p);
        }
        pki_key_free(key);
    }
    json_free(doc);
    assert_int_equal(wrong, 0);
    assert_true(valid > 0 && invalid > 0);
}

#define FILE_(name, alg)                     \
    {                                        \
        "wycheproof/" name "_test.json", alg \
    }
static struct file files[] = {
    FILE_("ecdsa_secp256r1_sha256_p1363", PKI_ES256), FILE_("ecdsa_secp384r1_sha384_p1363", PKI_ES384),
    FILE_("ecdsa_secp521r1_sha512_p1363", PKI_ES512), FILE_("ed25519", PKI_EDDSA),
    FILE_("rsa_signature_2048_sha256", PKI_RS256),    FILE_("rsa_signature_2048_sha384", PKI_RS384),
    FILE_("rsa_signature_2048_sha512", PKI_RS512),    FILE_("rsa_signature_3072_sha256", PKI_RS256),
    FILE_("rsa_pss_2048_sha256_mgf1_32", PKI_PS256),  FILE_("rsa_pss_2048_sha384_mgf1_48", PKI_PS384),
    FILE_("rsa_pss_3072_sha256_mgf1_32", PKI_PS256),  FILE_("rsa_pss_4096_sha512_mgf1_64", PKI_PS512),
};

// DER signatures are another encoding: not one of them, valid as DER or not, is a JWS signature.
static void der_signatures_are_refused(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("wycheproof/ecdsa_secp256r1_sha256_test.json");
    if (!doc)
        skip();
    struct span name;
    json group, test;
    for (struct json_iter g = json_iter(json_get(json_root(doc), SPAN("testGroups"))); json_next(&g, &name, &group);) {
        struct pki_key *key = group_key(group);
        for (struct json_iter t = json_iter(json_get(group, SPAN("tests"))); json_next(&t, &name, &test);) {
            struct span message = jose_hex(json_string(json_get(test, SPAN("msg"))));
            struct span signature = jose_hex(json_string(json_get(test, SPAN("sig"))));
            assert_int_equal(pki_key_verify(key, PKI_ES256, message, signature), ERR_TOKEN_SIGNATURE);
            free((void *)(uintptr_t)message.p);
            free((void *)(uintptr_t)signature.p);
        }
        pki_key_free(key);
    }
    json_free(doc);
}

int main(void)
{
    enum { N = sizeof files / sizeof *files };
    struct CMUnitTest tests[N + 1];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){ files[i].name, run, NULL, NULL, &files[i] };
    tests[N] = (struct CMUnitTest)cmocka_unit_test(der_signatures_are_refused);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

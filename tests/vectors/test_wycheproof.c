// SPDX-License-Identifier: GPL-3.0-or-later
// Project Wycheproof's signature and MAC files through what verifies a JWS: every valid signature verifies, every invalid one is refused.
// "acceptable" (BER, missing NULL) is refused as well: our comparison takes one encoding. So is what is valid there and no JWS: ECDSA
// signatures in DER, shortened MACs, MAC keys shorter than the hash, RSA keys with the exponent 3 (each is said where it is done). No file of
// the folder is left out.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "pki/jws.h"
#include "pki/p256_table.h"
#include "tests/support/jose.h"
#include "tests/support/p256.h"

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

// The signature as a JWS carries it. What is signed is not a header and a payload here, which nothing looks at that late.
static int verify_as_jws(const struct pki_key *key, enum pki_alg alg, struct span message, struct span signature)
{
    char *text = jose_b64(signature);
    struct pki_jws jws = { .signing_input = message, .signature = span_str(text) };
    int rc = pki_jws_verify(&jws, key, alg);
    free(text);
    return rc;
}

// A proof's signature is verified with a table of the key. 64 octets are asked for before it.
static int verify_with_table(const struct pki_p256_table *table, struct span message, struct span signature)
{
    uint8_t hash[PKI_SHA256];
    if (signature.n != 64)
        return ERR_TOKEN_SIGNATURE;
    pki_sha256(message, hash);
    return pki_p256_table_verify(table, hash, (const uint8_t *)signature.p);
}

static struct pki_p256_table *table_of(const struct pki_key *key)
{
    struct pki_p256_table *table;
    uint8_t point[64];
    p256_point_of(key, point);
    assert_int_equal(pki_p256_table_new(point, &table), 0);
    return table;
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
        struct pki_p256_table *table = file->alg == PKI_ES256 ? table_of(key) : NULL;
        for (struct json_iter t = json_iter(json_get(group, SPAN("tests"))); json_next(&t, &name, &test);) {
            struct span message = jose_hex(json_string(json_get(test, SPAN("msg"))));
            struct span signature = jose_hex(json_string(json_get(test, SPAN("sig"))));
            bool want = span_eq(json_string(json_get(test, SPAN("result"))), SPAN("valid"));
            int rc = pki_key_verify(key, file->alg, message, signature);
            int shared = verify_as_jws(key, file->alg, message, signature);
            int with_table = table ? verify_with_table(table, message, signature) : rc;
            int64_t id = 0;
            json_i64(json_get(test, SPAN("tcId")), &id);
            if ((rc == 0) != want || (shared == 0) != want || (with_table == 0) != want) {
                print_error("tcId %lld: %.*s\n", (long long)id, SPAN_FMT(json_string(json_get(test, SPAN("comment")))));
                wrong++;
            }
            valid += want;
            invalid += !want;
            free((void *)(uintptr_t)message.p);
            free((void *)(uintptr_t)signature.p);
        }
        pki_p256_table_free(table);
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

// ---- HMAC

static struct file hmac_files[] = {
    FILE_("hmac_sha256", PKI_HS256),
    FILE_("hmac_sha384", PKI_HS384),
    FILE_("hmac_sha512", PKI_HS512),
};

// The MAC itself, whole, where our key may be used for it. A shortened one of the file must begin it, or not.
static void compare_with_own(const struct pki_key *key, enum pki_alg alg, struct span message, struct span tag,
                             bool valid)
{
    struct buf own;
    buf_init(&own, 0);
    assert_int_equal(pki_key_sign(key, alg, message, &own), 0);
    assert_int_equal(span_eq(span_sub(buf_span(&own), 0, tag.n), tag), valid);
    buf_fini(&own);
}

static void run_hmac(void **state)
{
    const struct file *file = *state;
    struct json_doc *doc = jose_vectors(file->name);
    if (!doc)
        skip();
    size_t whole = file->alg == PKI_HS256 ? 32 : file->alg == PKI_HS384 ? 48 : 64;
    size_t accepted = 0, refused = 0, shortened = 0, weak = 0;
    struct span name;
    json group, test;
    for (struct json_iter g = json_iter(json_get(json_root(doc), SPAN("testGroups"))); json_next(&g, &name, &group);)
        for (struct json_iter t = json_iter(json_get(group, SPAN("tests"))); json_next(&t, &name, &test);) {
            struct span secret = jose_hex(json_string(json_get(test, SPAN("key"))));
            struct span message = jose_hex(json_string(json_get(test, SPAN("msg"))));
            struct span tag = jose_hex(json_string(json_get(test, SPAN("tag"))));
            bool valid = span_eq(json_string(json_get(test, SPAN("result"))), SPAN("valid"));
            struct pki_key *key = NULL;
            assert_int_equal(pki_key_symmetric(secret, &key), secret.n < 32 ? ERR_CERT_WEAK : 0);
            bool long_enough = key && (pki_key_algs(key) & PKI_ALG_BIT(file->alg));
            assert_int_equal(long_enough, secret.n >= whole); // RFC 7518 §3.2
            bool want = valid && long_enough && tag.n == whole;
            if (key) {
                int rc = verify_as_jws(key, file->alg, message, tag);
                if (rc != (want ? 0 : ERR_TOKEN_SIGNATURE))
                    fail_msg("%.*s", SPAN_FMT(json_string(json_get(test, SPAN("comment")))));
            }
            if (long_enough)
                compare_with_own(key, file->alg, message, tag, valid);
            accepted += want;
            refused += !valid;
            shortened += valid && long_enough && tag.n < whole;
            weak += valid && !long_enough;
            pki_key_free(key);
            free((void *)(uintptr_t)secret.p);
            free((void *)(uintptr_t)message.p);
            free((void *)(uintptr_t)tag.p);
        }
    json_free(doc);
    assert_true(accepted > 0 && refused > 0 && shortened > 0 && weak > 0);
}

#define DER_FILE "wycheproof/ecdsa_secp256r1_sha256_test.json" // der_signatures_are_refused

// DER signatures are another encoding: not one of them, valid as DER or not, is a JWS signature.
static void der_signatures_are_refused(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors(DER_FILE);
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

static void is_run(void *ctx, const char *name)
{
    size_t *n = ctx;
    bool found = strcmp(name, DER_FILE) == 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        found = found || strcmp(name, files[i].name) == 0;
    for (size_t i = 0; i < sizeof hmac_files / sizeof *hmac_files; i++)
        found = found || strcmp(name, hmac_files[i].name) == 0;
    if (!found)
        fail_msg("%s is not run", name);
    (*n)++;
}

static void no_file_is_left_out(void **state)
{
    (void)state;
    size_t n = 0;
    if (!jose_vectors_each("wycheproof", is_run, &n))
        skip();
    assert_int_equal(n, sizeof files / sizeof *files + sizeof hmac_files / sizeof *hmac_files + 1);
}

int main(void)
{
    enum { N = sizeof files / sizeof *files, H = sizeof hmac_files / sizeof *hmac_files };
    struct CMUnitTest tests[N + H + 2];
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){ files[i].name, run, NULL, NULL, &files[i] };
    for (size_t i = 0; i < H; i++)
        tests[N + i] = (struct CMUnitTest){ hmac_files[i].name, run_hmac, NULL, NULL, &hmac_files[i] };
    tests[N + H] = (struct CMUnitTest)cmocka_unit_test(der_signatures_are_refused);
    tests[N + H + 1] = (struct CMUnitTest)cmocka_unit_test(no_file_is_left_out);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

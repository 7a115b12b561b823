// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/jwks.h"
#include "tests/support/jose.h"

#define EC                                                                                                      \
    "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\",\"y\":\"9VE4jf_Ok_" \
    "o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\""
#define ED "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define RSA                                                                                     \
    "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"                                                     \
    "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_" \
    "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"  \
    "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"         \
    "bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\""

#define ALGS (PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_EDDSA) | PKI_ALG_BIT(PKI_RS256) | PKI_ALG_BIT(PKI_PS256))

static struct pki_jwks *read_set(const char *text, unsigned algs, struct diags *d)
{
    diags_init(d);
    return pki_jwks_read(span_str(text), algs, SPAN("keys.json"), d);
}

static void refused(const char *text, const char *why)
{
    struct diags d;
    struct arena a;
    struct pki_jwks *s = read_set(text, ALGS, &d);
    arena_init(&a, 0);
    if (s || d.errors == 0)
        fail_msg("accepted: %s", text);
    struct span line = diag_format(&a, d.first);
    if (!strstr(line.p, why) || !span_starts(line, SPAN("keys.json:")))
        fail_msg("%s\n  said: %s\n  want: %s", text, line.p, why);
    arena_fini(&a);
    diags_fini(&d);
}

static void faults_are_errors_with_a_place(void **state)
{
    (void)state;
    refused("", "not a JWK set");
    refused("{", "1:");
    refused("[]", "`keys`");
    refused("{\"keys\":{}}", "`keys`");
    refused("{\"keys\":[]}", "no key in the set");
    refused("{\"keys\":["
            "{" EC "}],\"keys\":[]}",
            "duplicate");
    refused("{\"keys\":[{" EC "},7]}", "keys[1]");
    refused("{\"keys\":[{" EC ",\"kid\":1}]}", "`kid`");
    refused("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\",\"y\":"
            "\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDE\"}]}",
            "not a point");
    refused("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"}]}", "(x)");
    refused("{\"keys\":[{}]}", "(kty)");
    refused("{\"keys\":[{" EC ",\"alg\":\"RS256\"}]}", "RS256 cannot be used");
    refused("{\"keys\":[{" EC ",\"alg\":\"HS256\"}]}", "HS256 cannot be used");
    refused("{\"keys\":[{" EC ",\"alg\":\"none\"}]}", "not a signature algorithm");
    refused("{\"keys\":[{" EC ",\"alg\":null}]}", "not a signature algorithm");
    refused("{\"keys\":[{" RSA "}]}", "more than one allowed algorithm");
    refused("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"AQAB\",\"alg\":\"RS256\"}]}",
            "RSA key of 2,048 to 8,192 bits");
}

static void symmetric_and_private_keys_are_refused(void **state)
{
    (void)state;
    refused("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\",\"alg\":\"HS256\"}]}", "private or symmetric");
    refused("{\"keys\":[{\"kty\":\"oct\"}]}", "private or symmetric");
    refused("{\"keys\":[{" EC ",\"d\":\"AAAA\"}]}", "private or symmetric");
    refused("{\"keys\":[{" ED ",\"kid\":\"a\"},{" EC ",\"k\":\"AAAA\"}]}", "keys[1]");
}

static void duplicate_kid_is_an_error_when_it_is_ambiguous(void **state)
{
    (void)state;
    struct pki_key *other = pki_key_generate(PKI_KEY_P256, 0);
    char *jwk = jose_jwk(other, false), text[4096];
    jwk[strlen(jwk) - 1] = 0;
    snprintf(text, sizeof text, "{\"keys\":[{" EC ",\"kid\":\"a\"},%s,\"kid\":\"a\"}]}", jwk);
    refused(text, "same `kid`");
    snprintf(text, sizeof text, "{\"keys\":[{" EC "},%s}]}", jwk);
    refused(text, "same `kid`");
    snprintf(text, sizeof text, "{\"keys\":[{" EC ",\"kid\":\"a\"},{" EC ",\"kid\":\"a\"}]}");
    refused(text, "same `kid`");
    free(jwk);
    pki_key_free(other);

    // RFC 7517 §4.5 allows it for keys of different types; kid and alg together tell them apart.
    struct diags d;
    struct pki_jwks *s = read_set("{\"keys\":[{" EC ",\"kid\":\"a\"},{" ED ",\"kid\":\"a\"}]}", ALGS, &d);
    assert_non_null(s);
    assert_int_equal(pki_key_type(pki_jwks_find(s, SPAN("a"), PKI_ES256)->key), PKI_KEY_P256);
    assert_int_equal(pki_key_type(pki_jwks_find(s, SPAN("a"), PKI_EDDSA)->key), PKI_KEY_ED25519);
    pki_jwks_free(s);
    diags_fini(&d);
}

static void keys_for_something_else_are_left_out_with_a_warning(void **state)
{
    (void)state;
    static const char *const others[] = {
        EC ",\"use\":\"enc\"",
        EC ",\"use\":7",
        EC ",\"key_ops\":[\"sign\"]",
        EC ",\"key_ops\":[]",
        EC ",\"key_ops\":\"verify\"",
        "\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AAAA\"",
        "\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"",
        "\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"",
        EC ",\"alg\":\"ES256K\"",
        RSA ",\"alg\":\"RS512\"",
        RSA ",\"alg\":\"RSA-OAEP\"",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char text[4096];
        struct diags d;
        snprintf(text, sizeof text, "{\"keys\":[{%s},{" ED ",\"kid\":\"x\"}]}", others[i]);
        struct pki_jwks *s = read_set(text, ALGS, &d);
        if (!s || pki_jwks_count(s) != 1 || d.warnings != 1)
            fail_msg("%s", text);
        assert_non_null(pki_jwks_find(s, SPAN("x"), PKI_EDDSA));
        pki_jwks_free(s);
        diags_fini(&d);
        snprintf(text, sizeof text, "{\"keys\":[{%s}]}", others[i]);
        assert_null(read_set(text, ALGS, &d));
        assert_int_equal(d.errors, 1); // nothing left
        diags_fini(&d);
    }
}

static void rule_21_one_key_has_one_alg(void **state)
{
    (void)state;
    struct diags d;
    // `alg` decides where it is given.
    struct pki_jwks *s = read_set(
        "{\"keys\":[{" RSA ",\"alg\":\"PS256\",\"kid\":\"r\",\"use\":\"sig\",\"key_ops\":[\"verify\"]}]}", ALGS, &d);
    assert_non_null(s);
    assert_int_equal(d.warnings, 0);
    assert_non_null(pki_jwks_find(s, SPAN("r"), PKI_PS256));
    assert_null(pki_jwks_find(s, SPAN("r"), PKI_RS256));
    assert_null(pki_jwks_find(s, SPAN_NONE, PKI_RS256));
    pki_jwks_free(s);
    diags_fini(&d);
    // Else the one allowed algorithm that fits.
    s = read_set("{\"keys\":[{" RSA "}]}", PKI_ALG_BIT(PKI_RS256) | PKI_ALG_BIT(PKI_ES256), &d);
    assert_non_null(s);
    assert_int_equal(pki_jwks_at(s, 0)->alg, PKI_RS256);
    assert_null(pki_jwks_at(s, 1));
    pki_jwks_free(s);
    diags_fini(&d);
}

static void kid_is_only_a_lookup_key(void **state)
{
    (void)state;
    struct diags d;
    struct pki_jwks *s = read_set("{\"keys\":[{" EC ",\"kid\":\"../../etc/passwd\"},{" ED "}]}", ALGS, &d);
    assert_non_null(s);
    assert_non_null(pki_jwks_find(s, SPAN("../../etc/passwd"), PKI_ES256));
    assert_null(pki_jwks_find(s, SPAN("../../etc/passwd"), PKI_EDDSA));
    assert_null(pki_jwks_find(s, SPAN("other"), PKI_ES256));
    assert_null(pki_jwks_find(s, SPAN(""), PKI_ES256));
    assert_null(pki_jwks_find(s, SPAN("x"), PKI_EDDSA)); // an entry without kid answers to none
    assert_non_null(pki_jwks_find(s, SPAN_NONE, PKI_EDDSA));
    assert_non_null(pki_jwks_find(s, SPAN_NONE, PKI_ES256)); // the only one of its alg
    assert_null(pki_jwks_find(s, SPAN_NONE, PKI_ALG_NONE));
    pki_jwks_free(s);
    diags_fini(&d);
}

static void token_without_kid_is_refused_when_two_keys_fit(void **state)
{
    (void)state;
    struct pki_key *other = pki_key_generate(PKI_KEY_P256, 0);
    char *jwk = jose_jwk(other, false), text[4096];
    struct diags d;
    jwk[strlen(jwk) - 1] = 0;
    snprintf(text, sizeof text, "{\"keys\":[{" EC ",\"kid\":\"a\"},%s,\"kid\":\"b\"}]}", jwk);
    struct pki_jwks *s = read_set(text, ALGS, &d);
    assert_non_null(s);
    assert_null(pki_jwks_find(s, SPAN_NONE, PKI_ES256));
    assert_non_null(pki_jwks_find(s, SPAN("b"), PKI_ES256));
    pki_jwks_free(s);
    diags_fini(&d);
    free(jwk);
    pki_key_free(other);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct pki_key *keys[] = { pki_key_generate(PKI_KEY_P256, 0), pki_key_generate(PKI_KEY_ED25519, 0) };
    const enum pki_alg algs[] = { PKI_ES256, PKI_EDDSA };
    struct buf out;
    struct diags d;
    buf_init(&out, 0);
    assert_int_equal(pki_jwks_write((const struct pki_key *const *)keys, algs, 2, &out), 0);
    buf_byte(&out, 0);
    assert_null(strstr(buf_span(&out).p, "\"d\""));
    struct pki_jwks *s = read_set(buf_span(&out).p, ALGS, &d);
    assert_non_null(s);
    assert_int_equal(d.warnings, 0);
    for (size_t i = 0; i < 2; i++) {
        uint8_t thumbprint[32];
        pki_key_thumbprint(keys[i], thumbprint);
        char *kid = jose_b64(span_of(thumbprint, 32));
        const struct pki_jwks_key *k = pki_jwks_find(s, span_str(kid), algs[i]);
        assert_non_null(k);
        assert_memory_equal(k->thumbprint, thumbprint, 32);
        free(kid);
        pki_key_free(keys[i]);
    }
    pki_jwks_free(s);
    diags_fini(&d);
    buf_fini(&out);
}

// ---- a secret

#define SECRET "0123456789abcdef0123456789ABCDEF"
#define K32 "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY" // of SECRET

static struct pki_jwks *read_secret(const char *text, unsigned algs, struct diags *d)
{
    diags_init(d);
    return pki_jwks_read_symmetric(span_str(text), algs, SPAN("hmac.key"), d);
}

static void a_secret_is_a_line_or_a_jwk(void **state)
{
    (void)state;
    static const char *const same[] = {
        SECRET,
        SECRET "\n",
        SECRET "\r\n",
        "{\"kty\":\"oct\",\"k\":\"" K32 "\"}",
        " {\"kty\":\"oct\",\"k\":\"" K32 "\",\"alg\":\"HS256\",\"use\":\"sig\"}\n",
    };
    struct diags d;
    uint8_t want[32];
    struct pki_key *key;
    assert_int_equal(pki_key_symmetric(SPAN(SECRET), &key), 0);
    pki_key_thumbprint(key, want);
    pki_key_free(key);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct pki_jwks *s = read_secret(same[i], PKI_ALG_BIT(PKI_HS256), &d);
        assert_non_null(s);
        assert_true(pki_jwks_is_symmetric(s));
        assert_int_equal(pki_jwks_count(s), 1);
        const struct pki_jwks_key *k = pki_jwks_find(s, SPAN("whatever"), PKI_HS256); // it has no name to compare with
        assert_non_null(k);
        assert_memory_equal(k->thumbprint, want, 32);
        assert_ptr_equal(pki_jwks_find(s, SPAN_NONE, PKI_HS256), k);
        assert_null(pki_jwks_find(s, SPAN_NONE, PKI_HS384));
        assert_null(pki_jwks_find(s, SPAN_NONE, PKI_ES256));
        assert_int_equal(d.errors + d.warnings, 0);
        pki_jwks_free(s);
        diags_fini(&d);
    }
    struct pki_jwks *s =
        read_secret("{\"kty\":\"oct\",\"k\":\"" K32 "\",\"kid\":\"2026\"}", PKI_ALG_BIT(PKI_HS256), &d);
    assert_non_null(s);
    assert_non_null(pki_jwks_find(s, SPAN("2026"), PKI_HS256));
    assert_non_null(pki_jwks_find(s, SPAN_NONE, PKI_HS256));
    assert_null(pki_jwks_find(s, SPAN("2025"), PKI_HS256));
    pki_jwks_free(s);
    diags_fini(&d);
    // A set of public keys is not one of secrets.
    s = read_set("{\"keys\":[{" EC "}]}", ALGS, &d);
    assert_false(pki_jwks_is_symmetric(s));
    assert_false(pki_jwks_is_symmetric(NULL));
    pki_jwks_free(s);
    diags_fini(&d);
}

static void rule_21_secret_is_used_with_one_hmac_no_longer_than_itself(void **state)
{
    (void)state;
    const unsigned hs256 = PKI_ALG_BIT(PKI_HS256), hs384 = PKI_ALG_BIT(PKI_HS384), hs512 = PKI_ALG_BIT(PKI_HS512);
    static const char jwk[] = "{\"kty\":\"oct\",\"k\":\"" K32 "\"}";
    const struct {
        const char *text;
        unsigned algs;
    } wrong[] = {
        { SECRET, 0 },
        { SECRET, hs256 | hs384 },
        { SECRET, PKI_ALG_BIT(PKI_ES256) },
        { SECRET, hs256 | PKI_ALG_BIT(PKI_RS256) },
        { SECRET, hs384 },
        { SECRET SECRET, 0 },
        { SECRET "0123456789abcde", hs384 },
        { SECRET SECRET "\n\n", hs512 },
        { jwk, hs384 },
        { jwk, hs512 },
        { "", hs256 },
        { "\n", hs256 },
        { "0123456789abcdef0123456789ABCDE\n", hs256 },
        { SECRET "\n" SECRET, hs256 },
        { "\x01" SECRET, hs256 },
        { "{\"kty\":\"oct\",\"k\":\"" K32 "\"", hs256 },
        { "{\"kty\":\"oct\"}", hs256 },
        { "{\"kty\":\"oct\",\"k\":\"AAAA\"}", hs256 },
        { "{\"kty\":\"oct\",\"k\":7}", hs256 },
        { "{\"kty\":\"oct\",\"k\":\"" K32 "\",\"alg\":\"HS512\"}", hs256 },
        { "{\"kty\":\"oct\",\"k\":\"" K32 "\",\"alg\":\"none\"}", hs256 },
        { "{\"kty\":\"oct\",\"k\":\"" K32 "\",\"alg\":\"A256GCM\",\"use\":\"enc\"}", hs256 },
        { "{\"kty\":\"oct\",\"k\":\"" K32 "\",\"use\":\"enc\"}", hs256 },
        { "{\"kty\":\"oct\",\"k\":\"" K32 "\",\"kid\":1}", hs256 },
        { "{" EC "}", hs256 },
        { "{\"keys\":[{\"kty\":\"oct\",\"k\":\"" K32 "\"}]}", hs256 },
    };
    struct diags d;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct pki_jwks *s = read_secret(wrong[i].text, wrong[i].algs, &d);
        if (s || d.errors != 1)
            fail_msg("%s with %x: %s, %zu errors", wrong[i].text, wrong[i].algs, s ? "read" : "refused",
                     (size_t)d.errors);
        // What is said of a secret does not hold it.
        for (const struct diag *k = d.first; k; k = k->next)
            assert_null(memmem(k->text.p, k->text.n, "456789", 6));
        diags_fini(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_errors_with_a_place),
        cmocka_unit_test(symmetric_and_private_keys_are_refused),
        cmocka_unit_test(duplicate_kid_is_an_error_when_it_is_ambiguous),
        cmocka_unit_test(keys_for_something_else_are_left_out_with_a_warning),
        cmocka_unit_test(rule_21_one_key_has_one_alg),
        cmocka_unit_test(kid_is_only_a_lookup_key),
        cmocka_unit_test(token_without_kid_is_refused_when_two_keys_fit),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_secret_is_a_line_or_a_jwk),
        cmocka_unit_test(rule_21_secret_is_used_with_one_hmac_no_longer_than_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/jws.h"
#include "tests/support/jose.h"

static int split(const char *text)
{
    struct pki_jws jws;
    return pki_jws_split(span_str(text), 100, &jws);
}

static void only_three_segments_are_a_jws(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",     ".",    "..",      "a",           "a.b",   "a.b.",
                                         ".b.c", "a..c", "a.b.c.d", "a.b.c.d.e.f", "......" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(split(wrong[i]), ERR_TOKEN_MALFORMED);
    assert_int_equal(split("a.b.c"), 0);
    assert_int_equal(split("a.b.c.d.e"), ERR_TOKEN_ENCRYPTED);
    assert_int_equal(split("a..c.d.e"), ERR_TOKEN_ENCRYPTED); // a direct JWE has no encrypted key
    char long_one[102];
    memset(long_one, 'a', sizeof long_one);
    long_one[1] = long_one[3] = '.';
    long_one[101] = 0;
    assert_int_equal(split(long_one), ERR_TOKEN_MALFORMED);
    long_one[100] = 0;
    assert_int_equal(split(long_one), 0);

    struct pki_jws jws;
    assert_int_equal(pki_jws_split(SPAN("ab.cd.ef"), 100, &jws), 0);
    assert_true(span_eq(jws.signing_input, SPAN("ab.cd")));
    assert_true(span_eq(jws.header, SPAN("ab")));
    assert_true(span_eq(jws.payload, SPAN("cd")));
    assert_true(span_eq(jws.signature, SPAN("ef")));
}

static int header(const char *text, struct pki_jws_header *out)
{
    char *segment = jose_b64(span_str(text));
    int rc = pki_jws_header_read(span_str(segment), out);
    free(segment);
    return rc;
}

static void header_is_read_strictly(void **state)
{
    (void)state;
    struct pki_jws_header h;
    static const struct {
        const char *text;
        int rc;
    } wrong[] = {
        { "", ERR_TOKEN_MALFORMED },
        { "null", ERR_TOKEN_MALFORMED },
        { "[]", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\"", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\"}x", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\",\"alg\":\"none\"}", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\",\"\\u0061lg\":\"none\"}", ERR_TOKEN_MALFORMED },
        { "{\"alg\":[\"ES256\"]}", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\",\"kid\":7}", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\",\"typ\":null}", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\",\"kid\":\"\xff\"}", ERR_TOKEN_MALFORMED },
        { "{\"alg\":\"ES256\",\"crit\":[\"exp\"]}", ERR_TOKEN_CRIT },
        { "{\"alg\":\"ES256\",\"crit\":[]}", ERR_TOKEN_CRIT },
        { "{\"alg\":\"ES256\",\"crit\":null}", ERR_TOKEN_CRIT },
        { "{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":true}", ERR_TOKEN_CRIT },
        { "{\"alg\":\"ES256\",\"b64\":false}", ERR_TOKEN_CRIT },
        { "{\"alg\":\"ES256\",\"b64\":\"true\"}", ERR_TOKEN_CRIT },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int rc = header(wrong[i].text, &h);
        if (rc != wrong[i].rc)
            fail_msg("%s: %d", wrong[i].text, rc);
    }
    assert_int_equal(header("{\"alg\":\"ES256\",\"typ\":\"at+jwt\",\"kid\":\"k\",\"b64\":true,\"more\":{}}", &h), 0);
    assert_int_equal(h.alg, PKI_ES256);
    assert_true(span_eq(h.typ, SPAN("at+jwt")) && span_eq(h.kid, SPAN("k")) && !h.brings_key && !h.jwk);
    pki_jws_header_fini(&h);
    assert_int_equal(header("{\"alg\":\"none\"}", &h), 0);
    assert_int_equal(h.alg, PKI_ALG_NONE);
    assert_true(span_is_none(h.kid) && span_is_none(h.typ));
    pki_jws_header_fini(&h);
    static const char *const own[] = { "\"jwk\":{}", "\"jku\":\"\"", "\"x5u\":\"\"", "\"x5c\":[]" };
    for (size_t i = 0; i < 4; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"alg\":\"ES256\",%s}", own[i]);
        assert_int_equal(header(text, &h), 0);
        assert_true(h.brings_key);
        pki_jws_header_fini(&h);
    }
}

static void rule_26_base64url_has_no_padding_no_stray_bits_no_white_space(void **state)
{
    (void)state;
    struct pki_jws_header h;
    // {"alg":"ES256"} is eyJhbGciOiJFUzI1NiJ9
    assert_int_equal(pki_jws_header_read(SPAN("eyJhbGciOiJFUzI1NiJ9"), &h), 0);
    pki_jws_header_fini(&h);
    static const char *const wrong[] = {
        "eyJhbGciOiJFUzI1NiJ9=",  "eyJhbGciOiJFUzI1NiJ9 ",    " eyJhbGciOiJFUzI1NiJ9",
        "eyJhbGciOiJF\nUzI1NiJ9", "eyJhbGciOiJFUzI1NiJ9Cg==", "eyJhbGciOiJFUzI1NiJ9Ch" /* stray bits */,
        "eyJhbGciOiJFUzI1NiJ9I",  "eyJhbGciOiJFUzI1NiJ+",     "eyJhbGciOiJFUzI1NiJ/",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(pki_jws_header_read(span_str(wrong[i]), &h), ERR_TOKEN_MALFORMED);
}

static void signature_in_another_spelling_is_refused(void **state)
{
    (void)state;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    char *token = jose_sign("{\"alg\":\"ES256\"}", "{}", key, PKI_ES256);
    struct pki_jws jws;
    assert_int_equal(pki_jws_split(span_str(token), 1000, &jws), 0);
    assert_int_equal(pki_jws_verify(&jws, key, PKI_ES256), 0);
    assert_int_equal(pki_jws_verify(&jws, key, PKI_ES384), ERR_TOKEN_SIGNATURE);
    assert_int_equal(pki_jws_verify(&jws, key, PKI_ALG_NONE), ERR_TOKEN_SIGNATURE);
    assert_int_equal(pki_jws_verify(&jws, key, PKI_HS256), ERR_TOKEN_SIGNATURE);
    // 64 bytes end in a character with 4 bits that must be zero: 15 others decode to the same bytes in a lax decoder.
    char *last = token + strlen(token) - 1;
    char was = *last;
    *last = (char)(was == 'A' ? 'B' : was == 'Q' ? 'R' : was == 'g' ? 'h' : 'x');
    assert_int_equal(pki_jws_verify(&jws, key, PKI_ES256), ERR_TOKEN_MALFORMED);
    *last = was;
    // Every bit of header and payload is signed.
    for (char *p = token; *p != 0 && p < token + jws.signing_input.n; p++) {
        *p ^= 1;
        assert_int_not_equal(pki_jws_verify(&jws, key, PKI_ES256), 0);
        *p ^= 1;
    }
    free(token);
    pki_key_free(key);
}

static void signing_and_splitting_are_inverse(void **state)
{
    (void)state;
    struct pki_key *key = pki_key_generate(PKI_KEY_ED25519, 0);
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(pki_jws_sign(SPAN("{\"alg\":\"EdDSA\"}"), SPAN("hello"), key, PKI_EDDSA, &out), 0);
    struct pki_jws jws;
    struct arena arena;
    struct span payload;
    arena_init(&arena, 0);
    assert_int_equal(pki_jws_split(buf_span(&out), 1000, &jws), 0);
    assert_int_equal(pki_jws_verify(&jws, key, PKI_EDDSA), 0);
    assert_int_equal(pki_jws_decode(jws.payload, &arena, &payload), 0);
    assert_true(span_eq(payload, SPAN("hello")));
    buf_clear(&out);
    assert_int_equal(pki_jws_sign(SPAN("{}"), SPAN("hello"), key, PKI_ES256, &out), ERR_INTERNAL);
    assert_int_equal(buf_len(&out), 0);
    arena_fini(&arena);
    buf_fini(&out);
    pki_key_free(key);
}

static void detached_signature_is_of_these_bytes_and_no_others(void **state)
{
    (void)state;
    static const char header_json[] = "{\"alg\":\"ES256\",\"kid\":\"k\"}";
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0), *other = pki_key_generate(PKI_KEY_P256, 0);
    struct span payload = span_of("a.b\0c\xff", 6);
    struct pki_jws jws;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(pki_jws_sign_detached(span_str(header_json), payload, key, PKI_ES256, &out), 0);
    assert_int_equal(pki_jws_split_detached(buf_span(&out), 1000, &jws), 0);
    assert_int_equal(jws.payload.n, 0);
    assert_int_equal(pki_jws_verify_detached(&jws, payload, key, PKI_ES256), 0);
    assert_int_equal(pki_jws_verify_detached(&jws, payload, other, PKI_ES256), ERR_TOKEN_SIGNATURE);
    for (size_t n = 0; n < payload.n; n++)
        assert_int_equal(pki_jws_verify_detached(&jws, span_sub(payload, 0, n), key, PKI_ES256), ERR_TOKEN_SIGNATURE);
    // It is the signature of the whole JWS, without its payload.
    char *encoded = jose_b64(payload), whole[512];
    snprintf(whole, sizeof whole, "%.*s.%s.%.*s", SPAN_FMT(jws.header), encoded, SPAN_FMT(jws.signature));
    assert_int_equal(pki_jws_split(span_str(whole), 1000, &jws), 0);
    assert_int_equal(pki_jws_verify(&jws, key, PKI_ES256), 0);
    free(encoded);
    buf_fini(&out);
    pki_key_free(key);
    pki_key_free(other);
}

static void detached_signature_has_three_segments_and_the_middle_one_is_empty(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",    ".",   "..",    "a",    "a.",    "a..",   ".b",
                                         "..b", "a.b", "a.b.c", "a...", "a..b.", "a..b.c" };
    struct pki_jws jws;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(pki_jws_split_detached(span_str(wrong[i]), 100, &jws), ERR_TOKEN_MALFORMED);
    assert_int_equal(pki_jws_split_detached(SPAN("a..b"), 3, &jws), ERR_TOKEN_MALFORMED);
    assert_int_equal(pki_jws_split_detached(SPAN("ab..cd"), 6, &jws), 0);
    assert_true(span_eq(jws.header, SPAN("ab")) && span_eq(jws.signature, SPAN("cd")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_three_segments_are_a_jws),
        cmocka_unit_test(header_is_read_strictly),
        cmocka_unit_test(rule_26_base64url_has_no_padding_no_stray_bits_no_white_space),
        cmocka_unit_test(signature_in_another_spelling_is_refused),
        cmocka_unit_test(signing_and_splitting_are_inverse),
        cmocka_unit_test(detached_signature_is_of_these_bytes_and_no_others),
        cmocka_unit_test(detached_signature_has_three_segments_and_the_middle_one_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

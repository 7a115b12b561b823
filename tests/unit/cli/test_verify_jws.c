// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport verify jws` says yes to what its key signed, and names the rule for everything else.
#include "tests/unit/cli/cmd_run.h"

#include "tests/support/jose.h"

#define SECRET "0123456789abcdef0123456789ABCDEF"
#define SECRET_JWK "\"kty\":\"oct\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlBQkNERUY\""
#define VERIFY "verify jws --jwk key.json --in t "

#define refuses(error, rule, ...)                             \
    do {                                                      \
        cmd_expect(1, __VA_ARGS__);                           \
        cmd_says("invalid: " error ":");                      \
        cmd_says("✗ " rule);                                  \
        cmd_expect(1, __VA_ARGS__ " --json");                 \
        cmd_says("{\"valid\":false,\"error\":\"" error "\""); \
        cmd_says("\"rule\":\"" rule "\",\"rules\":[");        \
    } while (0)

static struct pki_key *key, *other, *secret;

static int setup(void **state)
{
    key = pki_key_generate(PKI_KEY_P256, 0);
    other = pki_key_generate(PKI_KEY_P256, 0);
    return !key || !other || pki_key_symmetric(SPAN(SECRET), &secret) != 0 || cmd_init(state);
}

static int teardown(void **state)
{
    pki_key_free(key);
    pki_key_free(other);
    pki_key_free(secret);
    return cmd_fini(state);
}

static void put_jws(const char *header, const struct pki_key *k, enum pki_alg alg)
{
    char *text = jose_sign(header, "anything", k, alg);
    cmd_put("t", text, 0600);
    free(text);
}

// `more` are members after the key's own, with a comma before.
static char *jwk_with(const struct pki_key *k, bool private_members, const char *more)
{
    char *jwk = jose_jwk(k, private_members), *text;
    assert_true(asprintf(&text, "%.*s%s}", (int)strlen(jwk) - 1, jwk, more) > 0);
    free(jwk);
    return text;
}

static void put_key(const struct pki_key *k, bool private_members, const char *more)
{
    char *text = jwk_with(k, private_members, more);
    cmd_put("key.json", text, 0600);
    free(text);
}

static void what_a_key_signed_is_valid(void **state)
{
    (void)state;
    put_jws("{\"alg\":\"ES256\",\"kid\":\"k\",\"typ\":\"JOSE\"}", key, PKI_ES256);
    for (int private_members = 0; private_members < 2; private_members++) {
        put_key(key, private_members, "");
        cmd_expect(0, VERIFY);
        cmd_says("✓ 22      the signature verifies with that key");
        cmd_says("valid\n");
        cmd_says("8 bytes");
        cmd_expect(0, VERIFY "--alg ES256 --json");
        struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
        bool valid = false;
        assert_true(json_bool(json_get(json_root(doc), SPAN("valid")), &valid) && valid);
        json facts = json_get(json_root(doc), SPAN("facts"));
        assert_true(span_eq(json_string(json_get(facts, SPAN("algorithm"))), SPAN("ES256")));
        assert_true(span_eq(json_string(json_get(facts, SPAN("typ"))), SPAN("JOSE")));
        json_free(doc);
    }
    cmd_stdin("t");
    cmd_expect(0, "verify jws --jwk key.json");
}

static void a_symmetric_key_verifies_and_nothing_of_it_is_shown(void **state)
{
    (void)state;
    put_jws("{\"alg\":\"HS256\"}", secret, PKI_HS256);
    cmd_put("key.json", "{" SECRET_JWK ",\"alg\":\"HS256\",\"use\":\"sig\"}", 0600);
    cmd_expect(0, VERIFY);
    uint8_t thumbprint[32];
    pki_key_thumbprint(secret, thumbprint);
    char *hash = jose_b64(span_of(thumbprint, sizeof thumbprint));
    assert_null(strstr(cmd.out, hash));
    assert_null(strstr(cmd.out, "MDEyMzQ1"));
    free(hash);
    refuses("TOKEN_ALG", "21", VERIFY "--alg HS384");
    cmd_put("key.json", "{" SECRET_JWK ",\"alg\":\"A256GCM\",\"use\":\"enc\"}", 0600);
    refuses("TOKEN_ALG", "21", VERIFY);
    cmd_put("key.json", "{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}", 0600);
    refuses("TOKEN_KEY", "22", VERIFY);
}

static void rule_21_hmac_with_a_public_key_and_none_are_refused(void **state)
{
    (void)state;
    put_key(key, false, "");
    char *jwk = jose_jwk(key, false), *text = jose_hmac("{\"alg\":\"HS256\"}", "x", span_str(jwk));
    cmd_put("t", text, 0600);
    refuses("TOKEN_ALG", "21", VERIFY);
    free(text);
    free(jwk);
    put_jws("{\"alg\":\"none\"}", key, PKI_ES256);
    refuses("TOKEN_ALG", "21", VERIFY);
    put_jws("{\"alg\":\"es256\"}", key, PKI_ES256);
    refuses("TOKEN_ALG", "21", VERIFY);
    put_jws("{\"alg\":\"ES384\"}", key, PKI_ES256);
    refuses("TOKEN_ALG", "21", VERIFY);
    cmd_put("t", "eyJhbGciOiJub25lIn0.eA.", 0600);
    refuses("TOKEN_MALFORMED", "26", VERIFY);
    cmd_says("nothing stands after the last dot");
}

static void rule_21_what_the_key_is_for_is_held_to(void **state)
{
    (void)state;
    static const char *const wrong[] = { ",\"use\":\"enc\"", ",\"key_ops\":[\"encrypt\"]", ",\"alg\":\"RS256\"",
                                         ",\"alg\":7", ",\"use\":null" };
    put_jws("{\"alg\":\"ES256\"}", key, PKI_ES256);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        put_key(key, false, wrong[i]);
        refuses("TOKEN_ALG", "21", VERIFY);
    }
    put_key(key, false, ",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"alg\":\"ES256\"");
    cmd_expect(0, VERIFY);
}

static void a_set_gives_the_one_key_with_the_kid(void **state)
{
    (void)state;
    char *a = jwk_with(key, false, ",\"kid\":\"a\""), *b = jwk_with(other, false, ",\"kid\":\"b\""), *set;
    assert_true(asprintf(&set, "{\"keys\":[%s,%s,{" SECRET_JWK ",\"kid\":\"a\"},{\"kty\":\"new\"}]}", a, b) > 0);
    cmd_put("key.json", set, 0600);
    put_jws("{\"alg\":\"ES256\",\"kid\":\"b\"}", other, PKI_ES256);
    cmd_expect(0, VERIFY);
    put_jws("{\"alg\":\"ES256\",\"kid\":\"a\"}", other, PKI_ES256);
    refuses("TOKEN_SIGNATURE", "22", VERIFY);
    put_jws("{\"alg\":\"ES256\",\"kid\":\"c\"}", other, PKI_ES256);
    refuses("TOKEN_KEY", "21", VERIFY);
    put_jws("{\"alg\":\"ES256\"}", other, PKI_ES256);
    refuses("TOKEN_KEY", "21", VERIFY); // two fit
    put_jws("{\"alg\":\"HS256\"}", secret, PKI_HS256);
    cmd_expect(0, VERIFY);
    free(set);
    free(a);
    free(b);
}

static void rule_22_a_changed_text_and_an_unsound_key_are_refused(void **state)
{
    (void)state;
    char *text = jose_sign("{\"alg\":\"ES256\"}", "anything", key, PKI_ES256), *payload = strchr(text, '.') + 1;
    put_key(key, false, "");
    *payload = *payload == 'A' ? 'B' : 'A';
    cmd_put("t", text, 0600);
    refuses("TOKEN_SIGNATURE", "22", VERIFY);
    free(text);
    put_jws("{\"alg\":\"ES256\"}", key, PKI_ES256);
    cmd_put("key.json", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}", 0600);
    refuses("TOKEN_KEY", "22", VERIFY);
    cmd_put("key.json",
            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
            "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
            0600);
    refuses("TOKEN_KEY", "22", VERIFY);
    cmd_says("not a point of the curve");
    cmd_put("key.json", "{\"kty\":\"new\"}", 0600);
    refuses("TOKEN_KEY", "22", VERIFY);
}

static void rule_23_crit_is_refused_and_a_key_in_the_header_is_not_used(void **state)
{
    (void)state;
    char *jwk = jose_jwk(other, false), *header;
    put_key(key, false, "");
    put_jws("{\"alg\":\"ES256\",\"crit\":[\"exp\"],\"exp\":1}", key, PKI_ES256);
    refuses("TOKEN_CRIT", "23", VERIFY);
    assert_true(asprintf(&header, "{\"alg\":\"ES256\",\"jwk\":%s}", jwk) > 0);
    put_jws(header, other, PKI_ES256); // signed with the key it brings
    refuses("TOKEN_SIGNATURE", "22", VERIFY);
    put_jws(header, key, PKI_ES256);
    cmd_expect(0, VERIFY);
    cmd_says("– 23");
    free(header);
    free(jwk);
}

static void rule_26_what_is_no_compact_jws_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error, *why;
    } cases[] = {
        { "a.b.c.d.e", "TOKEN_ENCRYPTED", "encrypted (JWE)" },
        { "{\"payload\":\"eA\",\"protected\":\"e30\",\"signature\":\"a.b.c.d.e\"}", "TOKEN_MALFORMED",
          "a JSON serialisation" },
        { "a.b", "TOKEN_MALFORMED", "not three segments" },
        { "a.b.c.d", "TOKEN_MALFORMED", "not three segments" },
        { "e30=.eA.AA", "TOKEN_MALFORMED", "the header cannot be read" },
        { "W10.eA.AA", "TOKEN_MALFORMED", "the header cannot be read" },
    };
    put_key(key, false, "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cmd_put("t", cases[i].text, 0600);
        cmd_expect(1, VERIFY);
        cmd_says(cases[i].error);
        cmd_says(cases[i].why);
        cmd_says("✗ 26");
    }
    // A header of a megabyte is not looked into.
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < (1u << 20) - 100; i++)
        buf_byte(&text, 'A');
    buf_append(&text, SPAN(".eA.AA"));
    buf_byte(&text, 0);
    cmd_put("t", buf_span(&text).p, 0600);
    refuses("TOKEN_MALFORMED", "26", VERIFY);
    buf_fini(&text);
    // One bit more in the last character of a segment is another text.
    char *jws = jose_sign("{\"alg\":\"ES256\"}", "x", key, PKI_ES256), *dot = strrchr(jws, '.');
    dot[-1] = (char)(dot[-1] + 1);
    cmd_put("t", jws, 0600);
    refuses("TOKEN_MALFORMED", "26", VERIFY);
    free(jws);
}

static void what_cannot_be_read_is_bad_usage(void **state)
{
    (void)state;
    put_jws("{\"alg\":\"ES256\"}", key, PKI_ES256);
    put_key(key, false, "");
    cmd_expect(2, "verify jws --in t");
    cmd_expect(2, "verify jws --jwk none.json --in t");
    cmd_expect(2, "verify jws --jwk key.json --in none");
    cmd_expect(2, VERIFY "--alg none");
    cmd_expect(2, VERIFY "--alg ES257");
    static const char *const keys[] = { "", "[]", "{}", "{\"keys\":{}}", "-----BEGIN PUBLIC KEY-----" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        cmd_put("key.json", keys[i], 0600);
        cmd_expect(2, VERIFY);
    }
    cmd_put("key.json", "{\"keys\":[]}", 0600);
    refuses("TOKEN_KEY", "21", VERIFY);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_a_key_signed_is_valid),
        TEST(a_symmetric_key_verifies_and_nothing_of_it_is_shown),
        TEST(rule_21_hmac_with_a_public_key_and_none_are_refused),
        TEST(rule_21_what_the_key_is_for_is_held_to),
        TEST(a_set_gives_the_one_key_with_the_kid),
        TEST(rule_22_a_changed_text_and_an_unsound_key_are_refused),
        TEST(rule_23_crit_is_refused_and_a_key_in_the_header_is_not_used),
        TEST(rule_26_what_is_no_compact_jws_is_refused_with_its_reason),
        TEST(what_cannot_be_read_is_bad_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/cli/cmd_run.h"

#include "gateway/base/base64url.h"
#include "gateway/cli/argument.h"
#include "pki/digest.h"
#include "pki/jws.h"
#include "tests/support/certs.h"
#include "tests/support/jose.h"

#define TEST(f) cmocka_unit_test_setup_teardown(f, cmd_init, cmd_fini)
#define MINT "token mint --key issuer.pem --issuer https://issuer.example --audience vectors --subject alice "

static void keys(void)
{
    cmd_expect(0, "token keygen --out issuer.pem --no-passphrase");
    cmd_expect(0, "token keygen --out client/ --no-passphrase");
}

// The claims of the token that the last command printed.
static struct json_doc *minted(void)
{
    struct pki_jws jws;
    struct arena a;
    struct span payload;
    arena_init(&a, 0);
    assert_int_equal(0, pki_jws_split(span_of(cmd.out, strcspn(cmd.out, "\n")), 16384, &jws));
    assert_int_equal(0, pki_jws_decode(jws.payload, &a, &payload));
    struct json_doc *doc = json_parse(payload, NULL, NULL);
    assert_non_null(doc);
    arena_fini(&a);
    return doc;
}

static void assert_member(json object, const char *name, const char *value)
{
    struct span s = json_string(json_get(object, span_str(name)));
    if (!span_eq(s, span_str(value)))
        fail_msg("%s is '%.*s', not '%s'", name, SPAN_FMT(s), value);
}

// ---- keygen

static void a_private_key_is_for_its_owner_only_and_is_not_in_the_set(void **state)
{
    (void)state;
    struct stat st;
    cmd_expect(0, "token keygen --out issuer/ --no-passphrase");
    assert_int_equal(0, stat("issuer/key.pem", &st));
    assert_int_equal(0600, st.st_mode & 07777);
    assert_int_equal(0, stat("issuer", &st));
    assert_int_equal(0700, st.st_mode & 07777);
    char *set = cmd_get("issuer/jwks.json");
    struct json_doc *doc = json_parse(span_str(set), NULL, NULL);
    json key = json_at(json_get(json_root(doc), SPAN("keys")), 0);
    assert_member(key, "kty", "EC");
    assert_member(key, "alg", "ES256");
    assert_null(json_get(key, SPAN("d")));
    json_free(doc);
    free(set);
}

static void a_key_is_encrypted_unless_told_otherwise(void **state)
{
    (void)state;
    cmd_put("pass", "correct horse\n", 0600);
    cmd_put("other", "wrong horse\n", 0600);
    cmd_expect(0, "token keygen --out issuer.pem --passphrase-file pass");
    char *pem = cmd_get("issuer.pem");
    assert_non_null(strstr(pem, "BEGIN ENCRYPTED PRIVATE KEY"));
    free(pem);
    cmd_expect(2, MINT "--unbound --passphrase-file other");
    cmd_complains("the passphrase is wrong");
    cmd_expect(0, MINT "--unbound --passphrase-file pass");
    // The environment may name the file.
    setenv("SALLYPORT_PASSPHRASE_FILE", "pass", 1);
    cmd_expect(0, MINT "--unbound");
    unsetenv("SALLYPORT_PASSPHRASE_FILE");
    cmd_expect(2, "token keygen --out b.pem --passphrase-file pass --no-passphrase");
}

static void a_key_is_never_overwritten(void **state)
{
    (void)state;
    cmd_expect(0, "token keygen --out k.pem --no-passphrase");
    char *before = cmd_get("k.pem"), *set_before = cmd_get("k.jwks.json");
    cmd_expect(2, "token keygen --out k.pem --no-passphrase");
    cmd_complains("never overwritten");
    char *after = cmd_get("k.pem"), *set_after = cmd_get("k.jwks.json");
    assert_string_equal(before, after);
    assert_string_equal(set_before, set_after);
    free(before);
    free(after);
    free(set_before);
    free(set_after);
}

static void a_new_key_joins_the_old_ones_in_the_set(void **state)
{
    (void)state;
    cmd_expect(0, "token keygen --out a.pem --no-passphrase --jwks set.json");
    cmd_expect(0, "token keygen --out b.pem --no-passphrase --jwks set.json --type ed25519");
    char *set = cmd_get("set.json");
    struct json_doc *doc = json_parse(span_str(set), NULL, NULL);
    json list = json_get(json_root(doc), SPAN("keys"));
    assert_int_equal(2, json_count(list));
    assert_member(json_at(list, 0), "alg", "ES256");
    assert_member(json_at(list, 1), "alg", "EdDSA");
    json_free(doc);
    free(set);
}

static void a_set_that_cannot_be_added_to_is_left_alone_and_leaves_no_key(void **state)
{
    (void)state;
    cmd_put("set.json", "{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0\"}]}", 0644);
    cmd_expect(2, "token keygen --out a.pem --no-passphrase --jwks set.json");
    assert_int_not_equal(0, access("a.pem", F_OK));
    cmd_expect(2, "token keygen --out a.pem --no-passphrase --jwks no/such/folder/set.json");
    assert_int_not_equal(0, access("a.pem", F_OK));
    char *set = cmd_get("set.json");
    assert_non_null(strstr(set, "oct"));
    free(set);
}

// ---- mint

static void every_kind_of_key_signs_a_token_that_verifies(void **state)
{
    (void)state;
    static const char *const types[] = { "p256", "p384", "p521", "ed25519", "rsa" };
    cmd_expect(0, "token keygen --out client/ --no-passphrase");
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        cmd_expect(0, "token keygen --out %s.pem --no-passphrase --type %s", types[i], types[i]);
        cmd_expect(
            0,
            "token mint --key %s.pem --issuer https://i.example --audience a --audience b --subject s --dpop-key "
            "client/jwks.json",
            types[i]);
        cmd_keep_output("token");
        cmd_expect(0, "verify token @token --jwks %s.jwks.json --issuer https://i.example --audience b", types[i]);
    }
}

static void the_token_says_what_was_asked_for(void **state)
{
    (void)state;
    int64_t iat = 0, exp = 0;
    keys();
    cmd_expect(0, MINT
               "--dpop-key client/key.pem --client-id app --scope 'read write' --ttl 90s --role a --role b --group g "
               "--tenant t1 --workload spiffe://example.org/search --claim level=3 --claim 'tags=[\"x\"]'");
    struct json_doc *doc = minted();
    json c = json_root(doc);
    assert_member(c, "iss", "https://issuer.example");
    assert_member(c, "sub", "alice");
    assert_member(c, "aud", "vectors");
    assert_member(c, "client_id", "app");
    assert_member(c, "scope", "read write");
    assert_member(c, "tenant", "t1");
    assert_member(c, "workload", "spiffe://example.org/search");
    assert_int_equal(2, json_count(json_get(c, SPAN("roles"))));
    assert_int_equal(1, json_count(json_get(c, SPAN("groups"))));
    assert_true(json_i64(json_get(c, SPAN("iat")), &iat) && json_i64(json_get(c, SPAN("exp")), &exp));
    assert_int_equal(90, exp - iat);
    assert_int_equal(JSON_UINT, json_type(json_get(c, SPAN("level"))));
    assert_int_equal(JSON_ARRAY, json_type(json_get(c, SPAN("tags"))));
    json_free(doc);
}

static void a_workload_without_a_subject_is_the_subject(void **state)
{
    (void)state;
    keys();
    cmd_expect(
        0,
        "token mint --key issuer.pem --issuer https://i --audience a --workload spiffe://example.org/search --unbound");
    struct json_doc *doc = minted();
    assert_member(json_root(doc), "sub", "spiffe://example.org/search");
    assert_null(json_get(json_root(doc), SPAN("workload")));
    json_free(doc);
    cmd_expect(2, "token mint --key issuer.pem --issuer https://i --audience a --unbound");
    cmd_expect(2, MINT "--workload spiffe://Example.org/search --unbound");
}

static void an_unbound_token_is_made_only_when_asked_for(void **state)
{
    (void)state;
    keys();
    cmd_expect(2, MINT);
    cmd_complains("--unbound");
    assert_string_equal("", cmd.out);
    cmd_expect(2, MINT "--unbound --dpop-key client/jwks.json");
    cmd_expect(0, MINT "--unbound");
    struct json_doc *doc = minted();
    assert_null(json_get(json_root(doc), SPAN("cnf")));
    json_free(doc);
}

static void any_form_of_the_client_key_binds_to_the_same_thumbprint(void **state)
{
    (void)state;
    static const char *const forms[] = { "client/key.pem", "client/jwks.json", "public.pem", "private.jwk" };
    struct pki_key *key;
    struct buf pem;
    uint8_t hash[32];
    keys();
    char *text = cmd_get("client/key.pem");
    assert_int_equal(0, pki_key_read_private(span_str(text), SPAN_NONE, &key));
    free(text);
    buf_init(&pem, 0);
    assert_int_equal(0, pki_key_write_public(key, &pem));
    assert_int_equal(0, file_write("public.pem", buf_span(&pem), 0644));
    buf_fini(&pem);
    text = jose_jwk(key, true);
    cmd_put("private.jwk", text, 0600);
    free(text);
    pki_key_thumbprint(key, hash);
    pki_key_free(key);
    char *jkt = jose_b64(span_of(hash, sizeof hash));
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        cmd_expect(0, MINT "--dpop-key %s", forms[i]);
        struct json_doc *doc = minted();
        assert_member(json_get(json_root(doc), SPAN("cnf")), "jkt", jkt);
        json_free(doc);
    }
    free(jkt);
}

static void a_certificate_binds_by_the_hash_of_its_der(void **state)
{
    (void)state;
    struct certs certs;
    uint8_t hash[32];
    keys();
    certs_init(&certs);
    certs_ca(&certs, "ca");
    certs_workload(&certs, "search", "ca", "spiffe://example.org/search");
    struct buf der = certs_der(&certs, "search");
    pki_sha256(buf_span(&der), hash);
    buf_fini(&der);
    char *x5t = jose_b64(span_of(hash, sizeof hash));
    cmd_expect(0, MINT "--cert %s/search.pem --dpop-key client/jwks.json", certs.dir);
    struct json_doc *doc = minted();
    json cnf = json_get(json_root(doc), SPAN("cnf"));
    assert_member(cnf, "x5t#S256", x5t);
    assert_int_equal(2, json_count(cnf));
    json_free(doc);
    free(x5t);
    cmd_expect(2, MINT "--cert issuer.pem");
    cmd_complains("no certificate in it");
    certs_fini(&certs);
}

static void the_issuer_key_is_no_client_key(void **state)
{
    (void)state;
    keys();
    cmd_expect(2, MINT "--dpop-key issuer.jwks.json");
    cmd_complains("the issuer's own key");
}

static void a_claim_is_said_once(void **state)
{
    (void)state;
    keys();
    cmd_expect(2, MINT "--unbound --claim 'sub=\"mallory\"'");
    cmd_expect(2, MINT "--unbound --claim exp=99999999999");
    cmd_expect(2, MINT "--dpop-key client/jwks.json --claim 'cnf={}'");
    cmd_expect(2, MINT "--unbound --claim a=1 --claim a=2");
    cmd_expect(2, MINT "--unbound --claim a=word");
    cmd_complains("not JSON");
    cmd_expect(2, MINT "--unbound --claim novalue");
}

static void what_makes_no_sense_is_bad_usage(void **state)
{
    (void)state;
    keys();
    cmd_expect(2, MINT "--unbound --ttl 0s");
    cmd_expect(2, MINT "--unbound --ttl 5");
    cmd_expect(2, "token mint --key issuer.pem --issuer https://i --subject s --unbound");
    cmd_expect(2, "token mint --key nowhere.pem --issuer https://i --audience a --subject s --unbound");
    cmd_expect(2, "token mint --key issuer.jwks.json --issuer https://i --audience a --subject s --unbound");
    cmd_expect(2, "token mint --key issuer.pem --issuer '' --audience a --subject s --unbound");
}

static void json_holds_token_and_claims(void **state)
{
    (void)state;
    keys();
    cmd_expect(0, MINT "--dpop-key client/jwks.json --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_non_null(doc);
    assert_member(json_root(doc), "token_type", "DPoP");
    assert_member(json_get(json_root(doc), SPAN("claims")), "sub", "alice");
    assert_true(json_string(json_get(json_root(doc), SPAN("access_token"))).n > 100);
    json_free(doc);
    cmd_expect(0, MINT "--unbound --json");
    cmd_says("\"token_type\":\"Bearer\"");
}

static void no_private_key_or_passphrase_is_printed(void **state)
{
    (void)state;
    cmd_put("pass", "correct horse battery\n", 0600);
    cmd_expect(0, "token keygen --out issuer.pem --passphrase-file pass --json");
    cmd_keeps_quiet_of("PRIVATE");
    cmd_keeps_quiet_of("correct horse");
    cmd_expect(0, MINT "--unbound --passphrase-file pass");
    cmd_keeps_quiet_of("PRIVATE");
    cmd_keeps_quiet_of("correct horse");
    // Given where a set or a public key belongs, a private key is complained about by name only.
    cmd_expect(0, "token keygen --out plain.pem --no-passphrase");
    char *pem = cmd_get("plain.pem");
    char *line = strchr(pem, '\n') + 1;
    line[strcspn(line, "\n")] = 0;
    cmd_expect(2, "verify token abc --jwks plain.pem --issuer i --audience a");
    cmd_keeps_quiet_of(line);
    cmd_expect(2, "token inspect @plain.pem");
    cmd_keeps_quiet_of(line);
    free(pem);
}

static void a_private_key_that_others_may_read_is_warned_of(void **state)
{
    (void)state;
    keys();
    assert_int_equal(0, chmod("issuer.pem", 0644));
    cmd_expect(0, MINT "--unbound");
    cmd_complains("others may read");
}

// ---- inspect

static void put_token(const char *path, const char *header, const char *claims)
{
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    char *token = jose_sign(header, claims, key, PKI_ES256);
    cmd_put(path, token, 0600);
    free(token);
    pki_key_free(key);
}

static void inspect_says_that_nothing_is_verified(void **state)
{
    (void)state;
    put_token("t", "{\"alg\":\"none\",\"typ\":\"at+jwt\"}", "{\"sub\":\"root\",\"exp\":1}");
    cmd_expect(0, "token inspect @t");
    assert_int_equal(0, strncmp(cmd.out, "not verified", 12));
    cmd_says("root");
    cmd_says("not bound");
    cmd_expect(0, "token inspect @t --json");
    cmd_says("\"verified\":false");
}

static void inspect_tells_expiry_in_words(void **state)
{
    (void)state;
    keys();
    cmd_expect(0, MINT "--unbound --ttl 2h");
    cmd_keep_output("t");
    cmd_expect(0, "token inspect @t");
    cmd_says("expires in 1 hour 59 minutes");
    put_token("t", "{\"alg\":\"ES256\"}", "{\"exp\":86400}");
    cmd_expect(0, "token inspect @t");
    cmd_says("1970-01-02T00:00:00Z, ");
    cmd_says("expired ");
    put_token("t", "{\"alg\":\"ES256\"}", "{\"exp\":\"soon\"}");
    cmd_expect(0, "token inspect @t");
    cmd_says("does not say when it expires");
    put_token("t", "{\"alg\":\"ES256\"}", "{\"exp\":1e308,\"iat\":-9223372036854775808,\"nbf\":9223372036854775807}");
    cmd_expect(0, "token inspect @t");
    cmd_says("beyond the calendar");
}

static void a_token_cannot_move_the_cursor(void **state)
{
    (void)state;
    // ESC, CSI as C1, right-to-left override, in a value, a name, and nested; raw and escaped.
    put_token("t", "{\"alg\":\"ES256\",\"\\u001b[2J\":\"\\u009b31m\"}",
              "{\"sub\":\"\\u001b[1mroot\\nexp  never\",\"a\":[\"\xc2\x9b\",\"\xe2\x80\xae\"]}");
    cmd_expect(0, "token inspect @t");
    assert_null(strchr(cmd.out, '\033'));
    assert_null(strstr(cmd.out, "\xc2\x9b"));
    assert_null(strstr(cmd.out, "\xe2\x80\xae"));
    cmd_says("\\u001b[1mroot\\u000aexp  never");
}

static void what_is_no_token_is_unreadable(void **state)
{
    (void)state;
    static const char *const bad[] = { "abc",       "a.b",           "a.b.c",    "e30.W10.AA", "e30.e30.A",
                                       "a.b.c.d.e", "e30=.e30.AAAA", "e30.e30.", "@missing" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cmd_expect(2, "token inspect %s", bad[i]);
        assert_string_equal("", cmd.out);
    }
    cmd_expect(2, "token inspect a.b.c.d.e");
    cmd_complains("encrypted");
}

static void a_token_can_come_from_a_file_or_standard_input(void **state)
{
    (void)state;
    keys();
    cmd_expect(0, MINT "--unbound");
    cmd_keep_output("t");
    cmd_stdin("t");
    cmd_expect(0, "token inspect -");
    cmd_says("alice");
    cmd_stdin("/dev/null");
    cmd_expect(2, "token inspect -");
    cmd_complains("empty");
    char *token = cmd_get("t");
    token[strcspn(token, "\n")] = 0;
    cmd_expect(0, "token inspect %s", token);
    free(token);
}

// ---- words

static void moments_read_as_people_say_them(void **state)
{
    (void)state;
    char words[GW_CLI_WORDS], moment[GW_CLI_MOMENT];
    gw_cli_words(0, words);
    assert_string_equal("0 seconds", words);
    gw_cli_words(-61000, words);
    assert_string_equal("1 minute 1 second", words);
    gw_cli_words(2 * 86400000LL + 3600000, words);
    assert_string_equal("2 days 1 hour", words);
    gw_cli_words(INT64_MIN, words);
    assert_non_null(strstr(words, "days"));
    gw_cli_moment(1800000000, 1800000000500, moment);
    assert_string_equal("2027-01-15T08:00:00Z, 0 seconds ago", moment);
    gw_cli_moment(-1, 0, moment);
    assert_string_equal("beyond the calendar", moment);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_private_key_is_for_its_owner_only_and_is_not_in_the_set),
        TEST(a_key_is_encrypted_unless_told_otherwise),
        TEST(a_key_is_never_overwritten),
        TEST(a_new_key_joins_the_old_ones_in_the_set),
        TEST(a_set_that_cannot_be_added_to_is_left_alone_and_leaves_no_key),
        TEST(every_kind_of_key_signs_a_token_that_verifies),
        TEST(the_token_says_what_was_asked_for),
        TEST(a_workload_without_a_subject_is_the_subject),
        TEST(an_unbound_token_is_made_only_when_asked_for),
        TEST(any_form_of_the_client_key_binds_to_the_same_thumbprint),
        TEST(a_certificate_binds_by_the_hash_of_its_der),
        TEST(the_issuer_key_is_no_client_key),
        TEST(a_claim_is_said_once),
        TEST(what_makes_no_sense_is_bad_usage),
        TEST(json_holds_token_and_claims),
        TEST(no_private_key_or_passphrase_is_printed),
        TEST(a_private_key_that_others_may_read_is_warned_of),
        TEST(inspect_says_that_nothing_is_verified),
        TEST(inspect_tells_expiry_in_words),
        TEST(a_token_cannot_move_the_cursor),
        TEST(what_is_no_token_is_unreadable),
        TEST(a_token_can_come_from_a_file_or_standard_input),
        TEST(moments_read_as_people_say_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

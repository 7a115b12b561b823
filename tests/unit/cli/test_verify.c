// SPDX-License-Identifier: GPL-3.0-or-later
// `sallyport verify` says no with the gateway's own error and the checklist's rule, and says what it did not look at.
#include "tests/unit/cli/cmd_run.h"

#include "gateway/base/clock.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "tests/support/certs.h"
#include "tests/support/jose.h"

#define ISSUER "https://issuer.example"
#define VERIFY "verify token @t --jwks issuer.jwks.json --issuer " ISSUER " --audience vectors "

// Exit status 1, the error's name, and the rule; the same in JSON.
#define refuses(error, rule, ...)                             \
    do {                                                      \
        cmd_expect(1, __VA_ARGS__);                           \
        cmd_says("invalid: " error ":");                      \
        cmd_says("(rule " rule ")");                          \
        cmd_says("✗ " rule);                                  \
        cmd_expect(1, __VA_ARGS__ " --json");                 \
        cmd_says("{\"valid\":false,\"error\":\"" error "\""); \
        cmd_says("\"rule\":\"" rule "\",\"rules\":[");        \
    } while (0)

// ---- certificates

static struct certs certs;

static int certs_setup(void **state)
{
    certs_init(&certs);
    certs_ca(&certs, "ca");
    certs_ca(&certs, "other");
    certs_workload(&certs, "search", "ca", "spiffe://example.org/search");
    return cmd_init(state) || chdir(certs.dir);
}

static int certs_teardown(void **state)
{
    int rc = cmd_fini(state);
    certs_fini(&certs);
    return rc;
}
#define CERT_TEST(f) cmocka_unit_test_setup_teardown(f, certs_setup, certs_teardown)
#define BUNDLE " --bundle ca.pem --trust-domain example.org"

static void a_certificate_without_a_spiffe_id_is_whose_identity_says(void **state)
{
    (void)state;
    certs_make(&certs, "server", "ca", "/CN=db", CERTS_LEAF "subjectAltName=DNS:db.example.org\n", 0);
    refuses("CERT_UNMAPPED", "28", "verify cert server.pem --purpose server" BUNDLE);
    cmd_expect(0, "verify cert server.pem --purpose server --identity spiffe://example.org/db" BUNDLE);
    cmd_says("spiffe://example.org/db");
    refuses("CERT_TRUST_DOMAIN", "27",
            "verify cert server.pem --purpose server --identity spiffe://elsewhere.org/db" BUNDLE);
    // An ID that is there is not replaced.
    cmd_expect(0, "verify cert search.pem --identity spiffe://example.org/other" BUNDLE);
    cmd_says("spiffe://example.org/search");
    cmd_expect(2, "verify cert search.pem --identity nonsense" BUNDLE);
}

static void a_server_is_verified_by_its_name(void **state)
{
    (void)state;
    certs_make(&certs, "server", "ca", "/CN=db", CERTS_LEAF "subjectAltName=DNS:db.example.org\n", 0);
    cmd_expect(0, "verify cert server.pem --bundle ca.pem --server-name db.example.org");
    refuses("CERT_SAN", "27", "verify cert server.pem --bundle ca.pem --server-name other.example.org");
    refuses("CERT_UNTRUSTED", "27", "verify cert server.pem --bundle other.pem --server-name db.example.org");
    cmd_expect(2, "verify cert server.pem --bundle ca.pem");
    cmd_expect(2, "verify cert server.pem --bundle ca.pem --server-name db.example.org --trust-domain example.org");
    cmd_expect(2, "verify cert server.pem --bundle ca.pem --server-name db.example.org --purpose client");
}

static void a_workload_certificate_verifies(void **state)
{
    (void)state;
    cmd_expect(0, "verify cert search.pem" BUNDLE);
    cmd_says("valid\n");
    cmd_says("spiffe://example.org/search");
    cmd_says("– 30      no certificate of the path was revoked: no CRL was given");
    cmd_expect(0, "verify cert search.pem" BUNDLE " --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    bool valid = false;
    assert_true(json_bool(json_get(json_root(doc), SPAN("valid")), &valid) && valid);
    struct span id = json_string(json_get(json_get(json_root(doc), SPAN("facts")), SPAN("workload")));
    assert_true(span_eq(id, SPAN("spiffe://example.org/search")));
    json_free(doc);
    cmd_stdin("search.pem");
    cmd_expect(0, "verify cert -" BUNDLE);
}

static void rule_27_path_to_another_bundle_is_refused(void **state)
{
    (void)state;
    refuses("CERT_UNTRUSTED", "27", "verify cert search.pem --bundle other.pem --trust-domain example.org");
    refuses("CERT_TRUST_DOMAIN", "27", "verify cert search.pem --bundle ca.pem --trust-domain other.org");
}

static void rule_27_an_intermediate_that_is_not_there_is_missed(void **state)
{
    (void)state;
    certs_make(&certs, "mid", "ca", "/O=mid", CERTS_CA, 0);
    certs_workload(&certs, "deep", "mid", "spiffe://example.org/deep");
    refuses("CERT_UNTRUSTED", "27", "verify cert deep.pem" BUNDLE);
    cmd_expect(0, "verify cert deep.pem --chain mid.pem" BUNDLE);
    struct buf chain = certs_chain(&certs, "deep", "mid");
    assert_int_equal(0, file_write("chain.pem", buf_span(&chain), 0644));
    buf_fini(&chain);
    cmd_expect(0, "verify cert chain.pem" BUNDLE);
}

static void rule_28_not_exactly_one_uri_is_refused(void **state)
{
    (void)state;
    certs_make(&certs, "none", "ca", "/CN=x", CERTS_LEAF "subjectAltName=DNS:x.example.org\n", 0);
    certs_make(&certs, "two", "ca", "/CN=x",
               CERTS_LEAF "subjectAltName=URI:spiffe://example.org/a,URI:spiffe://example.org/b\n", 0);
    refuses("CERT_UNMAPPED", "28", "verify cert none.pem" BUNDLE);
    refuses("CERT_SAN", "28", "verify cert two.pem" BUNDLE);
}

static void rule_29_a_ca_or_another_usage_is_no_workload(void **state)
{
    (void)state;
    certs_make(&certs, "sub", "ca", "/CN=x", CERTS_CA CERTS_URI("spiffe://example.org/ca"), 0);
    certs_make(
        &certs, "usage", "ca", "/CN=x",
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyAgreement\nauthorityKeyIdentifier=keyid\n" CERTS_URI(
            "spiffe://example.org/x"),
        0);
    certs_make(&certs, "client", "ca", "/CN=x",
               "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage="
               "clientAuth\n" CERTS_URI("spiffe://example.org/x"),
               0);
    refuses("CERT_IS_CA", "29", "verify cert sub.pem" BUNDLE);
    refuses("CERT_USAGE", "29", "verify cert usage.pem" BUNDLE);
    cmd_expect(0, "verify cert client.pem" BUNDLE);
    refuses("CERT_USAGE", "29", "verify cert client.pem --purpose server" BUNDLE);
}

static void rule_30_a_malformed_id_an_expired_and_a_revoked_certificate_are_refused(void **state)
{
    (void)state;
    certs_workload(&certs, "bad", "ca", "spiffe://example.org/a/../b");
    certs_crl(&certs, "crl", "ca", 30, (const char *const[]){ "search", NULL });
    certs_crl(&certs, "clean", "ca", 1, (const char *const[]){ NULL });
    refuses("CERT_SPIFFE_ID", "30", "verify cert bad.pem" BUNDLE);
    refuses("CERT_EXPIRED", "30", "verify cert search.pem --at +30d" BUNDLE);
    refuses("CERT_NOT_YET", "30", "verify cert search.pem --at 2001-01-01T00:00:00Z" BUNDLE);
    refuses("CERT_REVOKED", "30", "verify cert search.pem --crl crl.crl" BUNDLE);
    cmd_expect(0, "verify cert search.pem --crl clean.crl" BUNDLE);
    cmd_says("✓ 30      no certificate of the path was revoked\n");
    refuses("CRL_STALE", "30", "verify cert search.pem --crl-required" BUNDLE);
}

static void rule_27_a_certificate_that_does_not_parse_is_invalid_and_no_file_is_unreadable(void **state)
{
    (void)state;
    struct buf der = certs_der(&certs, "search");
    assert_int_equal(0, file_write("cut.der", span_sub(buf_span(&der), 0, buf_len(&der) - 9), 0644));
    assert_int_equal(0, file_write("whole.der", buf_span(&der), 0644));
    buf_fini(&der);
    cmd_expect(0, "verify cert whole.der" BUNDLE);
    refuses("CERT_MALFORMED", "27", "verify cert cut.der" BUNDLE);
    cmd_put("text", "hello", 0644);
    cmd_expect(2, "verify cert text" BUNDLE);
    cmd_expect(2, "verify cert missing.pem" BUNDLE);
    cmd_expect(2, "verify cert search.pem --bundle text --trust-domain example.org");
    cmd_expect(2, "verify cert search.pem --bundle ca.pem --trust-domain spiffe://example.org");
    cmd_expect(2, "verify cert search.pem --crl text" BUNDLE);
    cmd_expect(2, "verify cert search.pem --at yesterday" BUNDLE);
    cmd_expect(2, "verify cert search.pem --at 2026-02-31" BUNDLE);
}

// ---- tokens

static struct pki_key *issuer_key;

static int token_setup(void **state)
{
    if (cmd_init(state) != 0)
        return -1;
    cmd_expect(0, "token keygen --out issuer.pem --no-passphrase");
    cmd_expect(0, "token keygen --out client/ --no-passphrase");
    char *pem = cmd_get("issuer.pem");
    assert_int_equal(0, pki_key_read_private(span_str(pem), SPAN_NONE, &issuer_key));
    free(pem);
    return 0;
}

static int token_teardown(void **state)
{
    pki_key_free(issuer_key);
    issuer_key = NULL;
    return cmd_fini(state);
}
#define TOKEN_TEST(f) cmocka_unit_test_setup_teardown(f, token_setup, token_teardown)

static void mint(const char *more)
{
    cmd_expect(0,
               "token mint --key issuer.pem --issuer " ISSUER
               " --audience vectors --subject spiffe://example.org/search "
               "--dpop-key client/jwks.json %s",
               more);
    cmd_keep_output("t");
}

// A token as nobody should make it: `%s` of the header is the members before alg, of the claims those after the usual ones.
static void forge(const char *header, const char *alg, const char *claims)
{
    char h[512], c[1024];
    long long now = (long long)(clock_read().wall_ms / 1000);
    snprintf(h, sizeof h, "{%s\"alg\":\"%s\"}", header, alg);
    snprintf(c, sizeof c,
             "{\"iss\":\"" ISSUER
             "\",\"sub\":\"s\",\"client_id\":\"c\",\"jti\":\"j\",\"aud\":\"vectors\",\"iat\":%lld,\"exp\":%lld%s}",
             now, now + 300, claims);
    char *token = jose_sign(h, c, issuer_key, PKI_ES256);
    cmd_put("t", token, 0600);
    free(token);
}

static void a_token_verifies_and_the_account_holds_none_of_it(void **state)
{
    (void)state;
    mint("");
    cmd_expect(0, VERIFY);
    cmd_says("valid\n");
    cmd_says("spiffe://example.org/search");
    char *token = cmd_get("t"), *signature = strrchr(token, '.') + 1;
    signature[strcspn(signature, "\n")] = 0;
    cmd_keeps_quiet_of(signature);
    cmd_expect(0, VERIFY "--json");
    cmd_keeps_quiet_of(signature);
    free(token);
}

static void what_was_not_given_is_not_reported_as_held(void **state)
{
    (void)state;
    mint("");
    cmd_expect(0, VERIFY);
    cmd_says("– 14 ");
    cmd_says("– 26c");
    cmd_says("– 26b");
    assert_null(strstr(cmd.out, "✓ 14"));
    assert_null(strstr(cmd.out, "✓ 26c"));
    assert_null(strstr(cmd.out, "✓ 26b"));
    cmd_expect(0, VERIFY "--scheme dpop --workload spiffe://example.org/search");
    cmd_says("✓ 14 ");
    cmd_says("✓ 26c");
    assert_null(strstr(cmd.out, "– 26c"));
    cmd_expect(0, VERIFY "--json");
    cmd_says("\"ok\":null,\"detail\":\"no scheme was given (--scheme)\"");
}

static void rule_14_a_dpop_bound_token_as_bearer_is_refused(void **state)
{
    (void)state;
    mint("");
    refuses("BOUND_AS_BEARER", "14", VERIFY "--scheme bearer");
}

static void rule_18_another_certificate_and_an_unbound_token_are_refused(void **state)
{
    (void)state;
    struct certs c;
    certs_init(&c);
    certs_ca(&c, "ca");
    certs_workload(&c, "search", "ca", "spiffe://example.org/search");
    certs_workload(&c, "thief", "ca", "spiffe://example.org/thief");
    char bind[128], with[256];
    snprintf(bind, sizeof bind, "--cert %s/search.pem", c.dir);
    mint(bind);
    cmd_expect(0, VERIFY "%s", bind);
    cmd_says("✓ 18      cnf.x5t#S256 is");
    cmd_expect(0, VERIFY);
    cmd_says("– 18      cnf.x5t#S256 is");
    snprintf(with, sizeof with, VERIFY "--cert %s/thief.pem", c.dir);
    cmd_expect(1, "%s", with);
    cmd_says("invalid: CNF_CERTIFICATE:");
    cmd_says("✗ 18");
    certs_fini(&c);
    cmd_expect(0, VERIFY "--binding both");
    mint("");
    refuses("TOKEN_UNBOUND", "18", VERIFY "--binding certificate");
    forge("\"typ\":\"at+jwt\",", "ES256", "");
    refuses("TOKEN_UNBOUND", "18", VERIFY);
    cmd_expect(0, VERIFY "--binding none");
    forge("\"typ\":\"at+jwt\",", "ES256", ",\"cnf\":{\"kid\":\"x\"}");
    refuses("CNF_UNKNOWN", "18", VERIFY "--binding none");
}

static void rule_21_alg_none_hmac_and_another_alg_are_refused(void **state)
{
    (void)state;
    forge("\"typ\":\"at+jwt\",", "none", "");
    refuses("TOKEN_ALG", "21", VERIFY);
    forge("\"typ\":\"at+jwt\",", "HS256", "");
    refuses("TOKEN_ALG", "21", VERIFY);
    mint("");
    cmd_expect(2, VERIFY "--algorithms HS256");
    cmd_expect(2, VERIFY "--algorithms none");
    cmd_expect(2, VERIFY "--algorithms EdDSA");
    cmd_complains("no key in the set");
}

static void rule_22_a_token_of_another_key_or_changed_is_refused(void **state)
{
    (void)state;
    mint("");
    cmd_expect(0, "token keygen --out other.pem --no-passphrase");
    cmd_expect(1, "verify token @t --jwks other.jwks.json --issuer " ISSUER " --audience vectors");
    cmd_says("invalid: TOKEN_KEY:");
    char *token = cmd_get("t");
    char *at = strrchr(token, '.') + 5;
    *at = *at == 'A' ? 'B' : 'A';
    cmd_put("t", token, 0600);
    free(token);
    refuses("TOKEN_SIGNATURE", "22", VERIFY);
}

static void rule_23_a_token_that_brings_a_key_or_crit_is_refused(void **state)
{
    (void)state;
    forge("\"typ\":\"at+jwt\",\"jku\":\"https://evil.example/jwks\",", "ES256", "");
    refuses("TOKEN_HEADER_KEY", "23", VERIFY);
    forge("\"typ\":\"at+jwt\",\"crit\":[\"x\"],", "ES256", "");
    refuses("TOKEN_CRIT", "23", VERIFY);
    forge("\"typ\":\"at+jwt\",", "ES256", ",\"sub\":\"twice\"");
    refuses("TOKEN_MALFORMED", "23", VERIFY);
}

static void rule_24_another_typ_is_refused(void **state)
{
    (void)state;
    forge("\"typ\":\"JWT\",", "ES256", "");
    refuses("TOKEN_TYP", "24", VERIFY "--binding none");
    cmd_expect(0, VERIFY "--binding none --typ any");
    cmd_expect(0, VERIFY "--binding none --typ JWT");
}

static void rule_25_issuer_audience_time_and_lifetime_are_held_to(void **state)
{
    (void)state;
    mint("--ttl 10m");
    refuses("TOKEN_ISSUER", "25", "verify token @t --jwks issuer.jwks.json --issuer " ISSUER "/ --audience vectors");
    refuses("TOKEN_AUDIENCE", "25", "verify token @t --jwks issuer.jwks.json --issuer " ISSUER " --audience vector");
    cmd_expect(0, VERIFY "--audience another");
    refuses("TOKEN_EXPIRED", "25", VERIFY "--at +11m");
    cmd_expect(0, VERIFY "--at +11m --leeway 2m");
    refuses("TOKEN_NOT_YET", "25", VERIFY "--at -2m");
    refuses("TOKEN_LIFETIME", "25", VERIFY "--max-lifetime 5m");
    forge("\"typ\":\"at+jwt\",", "ES256", ",\"nbf\":99999999999");
    refuses("TOKEN_NOT_YET", "25", VERIFY);
}

static void rule_26c_another_workload_is_refused_and_a_prefix_ends_at_a_segment(void **state)
{
    (void)state;
    mint("");
    refuses("TOKEN_WORKLOAD", "26c", VERIFY "--workload spiffe://example.org/search2");
    refuses("TOKEN_WORKLOAD", "26c", VERIFY "--workload spiffe://example.org/search/a");
    cmd_expect(0, VERIFY "--workload spiffe://example.org/search/a --workload-match prefix");
    refuses("TOKEN_WORKLOAD", "26c", VERIFY "--workload spiffe://example.org/search2 --workload-match prefix");
    mint("--workload spiffe://example.org/ingest");
    cmd_expect(0, VERIFY "--workload spiffe://example.org/ingest --workload-claim workload");
    refuses("TOKEN_WORKLOAD", "26c", VERIFY "--workload spiffe://example.org/search --workload-claim workload");
}

static void rule_26_what_is_no_jwt_is_invalid_and_missing_options_are_bad_usage(void **state)
{
    (void)state;
    cmd_put("t", "not.a-token", 0600);
    refuses("TOKEN_MALFORMED", "26", VERIFY);
    cmd_put("t", "a.b.c.d.e", 0600);
    refuses("TOKEN_ENCRYPTED", "26", VERIFY);
    cmd_put("t", "", 0600);
    cmd_expect(2, VERIFY);
    cmd_expect(2, "verify token @missing --jwks issuer.jwks.json --issuer i --audience a");
    cmd_expect(2, "verify token abc");
    cmd_expect(2, "verify token abc --jwks client/key.pem --issuer i --audience a");
    cmd_expect(2, "verify token abc --config x.yaml --issuer i");
    cmd_expect(2, "verify token abc --config missing.yaml");
}

// ---- proofs

#define PROOF "verify proof @p --method POST --url https://gw.example/collections/docs/points?wait=true "

static void prove(const char *key_path, const char *token_path)
{
    struct pki_key *key;
    uint8_t ath[32];
    struct buf proof;
    char *pem = cmd_get(key_path), *token = token_path ? cmd_get(token_path) : NULL;
    assert_int_equal(0, pki_key_read_private(span_str(pem), SPAN_NONE, &key));
    if (token)
        pki_sha256(span_of(token, strcspn(token, "\n")), ath);
    buf_init(&proof, 0);
    assert_int_equal(0,
                     pki_dpop_make(key, PKI_ALG_NONE, SPAN("POST"), SPAN("https://gw.example/collections/docs/points"),
                                   token ? ath : NULL, SPAN("nonce-1"), clock_read().wall_ms / 1000, &proof));
    assert_int_equal(0, file_write("p", buf_span(&proof), 0600));
    buf_fini(&proof);
    pki_key_free(key);
    free(pem);
    free(token);
}

static void a_proof_verifies_with_its_token_and_says_that_replay_was_not_looked_at(void **state)
{
    (void)state;
    mint("");
    prove("client/key.pem", "t");
    cmd_expect(0, PROOF "--token @t");
    cmd_says("✓ 12");
    cmd_says("– 16");
    cmd_says("– 10");
    cmd_expect(0, PROOF);
    cmd_says("– 12");
    assert_null(strstr(cmd.out, "✓ 12"));
}

static void rule_8_9_11_another_method_url_or_moment_is_refused(void **state)
{
    (void)state;
    prove("client/key.pem", NULL);
    refuses("PROOF_HTM", "8", "verify proof @p --method GET --url https://gw.example/collections/docs/points");
    refuses("PROOF_HTM", "8", "verify proof @p --method post --url https://gw.example/collections/docs/points");
    refuses("PROOF_HTU", "9", "verify proof @p --method POST --url https://gw.example/collections/other/points");
    cmd_expect(0, "verify proof @p --method POST --url HTTPS://GW.example:443/collections/./docs/points");
    refuses("PROOF_IAT", "11", PROOF "--at +2m");
    refuses("PROOF_IAT", "11", PROOF "--at -1m");
    cmd_expect(2, "verify proof @p --method POST --url /collections");
}

static void rule_12_another_token_key_or_an_unbound_token_is_refused(void **state)
{
    (void)state;
    mint("");
    prove("client/key.pem", NULL);
    refuses("PROOF_ATH", "12", PROOF "--token @t");
    prove("issuer.pem", "t");
    refuses("PROOF_JKT", "12", PROOF "--token @t");
    forge("\"typ\":\"at+jwt\",", "ES256", "");
    prove("client/key.pem", "t");
    refuses("TOKEN_UNBOUND", "12", PROOF "--token @t");
    cmd_expect(2, PROOF "--token abc");
    cmd_expect(2, "verify proof - --method GET --url https://gw.example/ --token -");
}

static void rule_10_another_nonce_is_refused(void **state)
{
    (void)state;
    prove("client/key.pem", NULL);
    cmd_expect(0, PROOF "--nonce nonce-1");
    cmd_says("✓ 10");
    refuses("PROOF_NONCE", "10", PROOF "--nonce nonce-2");
    refuses("PROOF_NONCE", "10", PROOF "--nonce none");
}

static void rule_2_4_6_7_malformed_mistyped_changed_and_private_proofs_are_refused(void **state)
{
    (void)state;
    char header[1024], claims[256];
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    char *public_jwk = jose_jwk(key, false), *private_jwk = jose_jwk(key, true);
    snprintf(claims, sizeof claims,
             "{\"jti\":\"j\",\"htm\":\"POST\",\"htu\":\"https://gw.example/collections/docs/points\",\"iat\":%lld}",
             (long long)(clock_read().wall_ms / 1000));
    const struct {
        const char *typ, *jwk, *error, *rule;
        bool change;
    } cases[] = {
        { "JWT", public_jwk, "PROOF_TYP", "✗ 4", false },
        { "dpop+jwt", private_jwk, "PROOF_PRIVATE", "✗ 7", false },
        { "dpop+jwt", public_jwk, "PROOF_SIGNATURE", "✗ 6", true },
        { "dpop+jwt", "{}", "PROOF_KEY", "✗ 22", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(header, sizeof header, "{\"typ\":\"%s\",\"alg\":\"ES256\",\"jwk\":%s}", cases[i].typ, cases[i].jwk);
        char *proof = jose_sign(header, claims, key, PKI_ES256), *at = strrchr(proof, '.') + 5;
        if (cases[i].change)
            *at = *at == 'A' ? 'B' : 'A';
        cmd_put("p", proof, 0600);
        free(proof);
        cmd_expect(1, PROOF);
        cmd_says(cases[i].error);
        cmd_says(cases[i].rule);
    }
    cmd_put("p", "a.b", 0600);
    refuses("PROOF_MALFORMED", "2", PROOF);
    free(public_jwk);
    free(private_jwk);
    pki_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CERT_TEST(a_certificate_without_a_spiffe_id_is_whose_identity_says),
        CERT_TEST(a_server_is_verified_by_its_name),
        CERT_TEST(a_workload_certificate_verifies),
        CERT_TEST(rule_27_path_to_another_bundle_is_refused),
        CERT_TEST(rule_27_an_intermediate_that_is_not_there_is_missed),
        CERT_TEST(rule_28_not_exactly_one_uri_is_refused),
        CERT_TEST(rule_29_a_ca_or_another_usage_is_no_workload),
        CERT_TEST(rule_30_a_malformed_id_an_expired_and_a_revoked_certificate_are_refused),
        CERT_TEST(rule_27_a_certificate_that_does_not_parse_is_invalid_and_no_file_is_unreadable),
        TOKEN_TEST(a_token_verifies_and_the_account_holds_none_of_it),
        TOKEN_TEST(what_was_not_given_is_not_reported_as_held),
        TOKEN_TEST(rule_14_a_dpop_bound_token_as_bearer_is_refused),
        TOKEN_TEST(rule_18_another_certificate_and_an_unbound_token_are_refused),
        TOKEN_TEST(rule_21_alg_none_hmac_and_another_alg_are_refused),
        TOKEN_TEST(rule_22_a_token_of_another_key_or_changed_is_refused),
        TOKEN_TEST(rule_23_a_token_that_brings_a_key_or_crit_is_refused),
        TOKEN_TEST(rule_24_another_typ_is_refused),
        TOKEN_TEST(rule_25_issuer_audience_time_and_lifetime_are_held_to),
        TOKEN_TEST(rule_26c_another_workload_is_refused_and_a_prefix_ends_at_a_segment),
        TOKEN_TEST(rule_26_what_is_no_jwt_is_invalid_and_missing_options_are_bad_usage),
        TOKEN_TEST(a_proof_verifies_with_its_token_and_says_that_replay_was_not_looked_at),
        TOKEN_TEST(rule_8_9_11_another_method_url_or_moment_is_refused),
        TOKEN_TEST(rule_12_another_token_key_or_an_unbound_token_is_refused),
        TOKEN_TEST(rule_10_another_nonce_is_refused),
        TOKEN_TEST(rule_2_4_6_7_malformed_mistyped_changed_and_private_proofs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

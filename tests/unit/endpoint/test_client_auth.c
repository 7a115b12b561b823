// SPDX-License-Identifier: GPL-3.0-or-later
// Who asks the token service: each way to authenticate, one at a time, and everything that is nearly one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/token.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/certs.h"
#include "tests/support/jose.h"
#include "tests/support/token_bench.h"
#include "tests/support/trust_bench.h"

#define ASK "grant_type=client_credentials&scope=vectors:read&audience=" BENCH_AUDIENCE

static int setup(void **state)
{
    struct token_bench *b = malloc(sizeof *b);
    token_bench_init(b, token_bench_permissive);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    token_bench_fini(*state);
    free(*state);
    return 0;
}

static void refused(struct token_bench *b, unsigned status, const char *error)
{
    assert_int_equal(b->v.status, status);
    assert_true(token_bench_says(b, "error", error));
    if (status == 401)
        assert_non_null(token_bench_field(b, "www-authenticate"));
}

static unsigned ask(struct token_bench *b, const char *more)
{
    return token_bench_post(b, gw_token_visit, ASK, more, NULL);
}

// ---- certificates

// A certificate with a chain, of the real clock's day; the bench's clock goes there.
struct chain {
    struct certs certs;
    struct trust_bench trust;
};

static void chain_init(struct chain *c, struct token_bench *b, const char *id, const char *subject, const char *names)
{
    char extensions[512];
    certs_init(&c->certs);
    certs_ca(&c->certs, "ca");
    snprintf(extensions, sizeof extensions, CERTS_LEAF "subjectAltName=URI:%s%s\n", id, names);
    certs_make(&c->certs, "leaf", "ca", subject, extensions, 0);
    trust_bench_init(&c->trust, &c->certs, time(NULL) + 5);
    assert_int_equal(0, trust_bench_add(&c->trust, "prod.example", "ca"));
    assert_int_equal(0, trust_bench_verify(&c->trust, "leaf", NULL));
    b->certificate = &c->trust.id;
    b->now_ms = c->trust.now_s * 1000;
}

static void chain_fini(struct chain *c)
{
    trust_bench_fini(&c->trust);
    certs_fini(&c->certs);
}

static void rule_20_the_certificates_workload_is_the_client(void **state)
{
    struct token_bench *b = *state;
    assert_int_equal(ask(b, ""), 200);
    assert_int_equal(ask(b, "&client_id=" BENCH_RAG), 200);
    ask(b, "&client_id=" BENCH_OTHER);
    refused(b, 401, "invalid_client");
    ask(b, "&client_id=nobody");
    refused(b, 401, "invalid_client");
    b->certificate = NULL;
    ask(b, "");
    refused(b, 401, "invalid_client");
    assert_int_equal(b->v.record.err, ERR_CERT_MISSING);
    ask(b, "&client_id=" BENCH_RAG);
    refused(b, 401, "invalid_client");
}

static void rule_20_a_registered_dns_name_must_be_in_the_certificate(void **state)
{
    struct token_bench *b = *state;
    struct chain with, without;
    chain_init(&with, b, BENCH_RAG, "/O=Example", ",DNS:other.example,DNS:RAG.example");
    assert_int_equal(ask(b, "&client_id=named"), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "client_id", "\"named\""));
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "workload", "\"" BENCH_RAG "\""));
    chain_init(&without, b, BENCH_RAG, "/CN=rag.example", ",DNS:rag.example.evil.example");
    ask(b, "&client_id=named");
    refused(b, 401, "invalid_client");
    chain_fini(&with);
    chain_fini(&without);
}

static void rule_20_a_registered_subject_is_the_whole_one(void **state)
{
    struct token_bench *b = *state;
    struct chain with, without;
    chain_init(&with, b, BENCH_OTHER, "/O=Example/CN=odd", "");
    assert_int_equal(ask(b, "&client_id=odd"), 200);
    chain_init(&without, b, BENCH_OTHER, "/O=Example/OU=x/CN=odd", "");
    ask(b, "&client_id=odd");
    refused(b, 401, "invalid_client");
    chain_fini(&with);
    chain_fini(&without);
}

static void rule_20_a_registered_uri_is_exact(void **state)
{
    struct token_bench *b = *state;
    struct chain c;
    chain_init(&c, b, BENCH_RAG, "/O=Example", "");
    b->clients[1].san_dns.v = SPAN_NONE;
    b->clients[1].san_uri.v = SPAN(BENCH_RAG);
    assert_int_equal(ask(b, "&client_id=named"), 200);
    b->clients[1].san_uri.v = SPAN(BENCH_RAG "x");
    ask(b, "&client_id=named");
    refused(b, 401, "invalid_client");
    chain_fini(&c);
}

static void rule_20_the_right_name_in_another_workloads_certificate_is_refused(void **state)
{
    struct token_bench *b = *state;
    struct chain c;
    chain_init(&c, b, BENCH_OTHER, "/O=Example", ",DNS:rag.example");
    ask(b, "&client_id=named");
    refused(b, 401, "invalid_client");
    chain_fini(&c);
}

static void rule_20_who_is_registered_for_signatures_does_not_come_with_a_certificate_alone(void **state)
{
    struct token_bench *b = *state;
    ask(b, "&client_id=signer");
    refused(b, 401, "invalid_client");
    // Also when its id is the workload itself.
    b->clients[0].id.v = SPAN(BENCH_RAG);
    ask(b, "");
    refused(b, 401, "invalid_client");
}

// ---- assertions

static unsigned ask_with(struct token_bench *b, char *assertion, const char *more)
{
    char *form = token_bench_assertion_form(assertion);
    unsigned status = token_bench_post(b, gw_token_visit, ASK, form, more, NULL);
    free(form);
    free(assertion);
    return status;
}

static void an_assertion_authenticates_its_client(void **state)
{
    struct token_bench *b = *state;
    assert_int_equal(ask_with(b, token_bench_assertion(b, "a1", NULL), ""), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "client_id", "\"signer\""));
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "sub", "\"" BENCH_RAG "\""));
    assert_int_equal(
        ask_with(b, token_bench_assertion(b, "a2", "aud", "\"" BENCH_TOKEN_URL "\"", NULL), "&client_id=signer"), 200);
    assert_int_equal(ask_with(b, token_bench_assertion(b, "a3", "aud", "[\"" BENCH_ISSUER "\"]", NULL), ""), 200);
    assert_int_equal(
        ask_with(b, token_bench_assertion(b, "a4", "header", "{\"alg\":\"ES256\",\"typ\":\"JWT\"}", NULL), ""), 200);
    // Without a certificate it is bound to a proof.
    b->certificate = NULL;
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(ask_with(b, token_bench_assertion(b, "a5", NULL), ""), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "workload", "\"" BENCH_RAG "\""));
}

static void an_assertion_that_says_something_else_is_refused(void **state)
{
    struct token_bench *b = *state;
    static const char *const wrong[][2] = {
        { "iss", "\"named\"" },
        { "iss", NULL },
        { "sub", "\"named\"" },
        { "sub", NULL },
        { "aud", "\"https://elsewhere.example\"" },
        { "aud", "[\"" BENCH_ISSUER "\",\"https://elsewhere.example\"]" },
        { "aud", "[]" },
        { "aud", "\"" BENCH_ISSUER "/\"" },
        { "aud", NULL },
        { "exp", NULL },
        { "exp", "\"1800000060\"" },
        { "exp", "1799999969" },
        { "exp", "1800000400" },
        { "iat", NULL },
        { "iat", "1800000006" },
        { "iat", "1799999000" },
        { "nbf", "1800000100" },
        { "nbf", "\"x\"" },
        { "jti", NULL },
        { "jti", "\"\"" },
        { "jti", "7" },
        { "header", "{\"alg\":\"none\"}" },
        { "header", "{\"alg\":\"ES384\"}" },
        { "header", "{\"alg\":\"HS256\"}" },
        { "header", "{\"alg\":\"ES256\",\"typ\":\"at+jwt\"}" },
        { "header", "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\"}" },
        { "header", "{\"alg\":\"ES256\",\"kid\":\"unheard\"}" },
        { "header", "{\"alg\":\"ES256\",\"jku\":\"https://evil.example\"}" },
        { "header", "{\"alg\":\"ES256\",\"crit\":[\"x\"],\"x\":1}" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask_with(b, token_bench_assertion(b, "same", wrong[i][0], wrong[i][1], NULL), "");
        refused(b, 401, "invalid_client");
    }
    // None of them used the jti up.
    assert_int_equal(ask_with(b, token_bench_assertion(b, "same", NULL), ""), 200);
}

static void an_assertion_works_once(void **state)
{
    struct token_bench *b = *state;
    char *assertion = token_bench_assertion(b, "once", NULL);
    assert_int_equal(ask_with(b, strdup(assertion), ""), 200);
    ask_with(b, assertion, "");
    refused(b, 401, "invalid_client");
    assert_int_equal(b->v.record.err, ERR_OAUTH_ASSERTION_REPLAYED);
    // The same jti in another text as well.
    ask_with(b, token_bench_assertion(b, "once", "exp", "1800000050", NULL), "");
    refused(b, 401, "invalid_client");
}

// It would be let go of at once, and what the store let go of makes everything as old look used.
static void an_assertion_that_ends_at_once_makes_nobody_elses_look_used(void **state)
{
    struct token_bench *b = *state;
    assert_int_equal(
        ask_with(b, token_bench_assertion(b, "poison", "exp", "1799999971", "iat", "1800000005", NULL), ""), 200);
    b->now_ms += 2000;
    assert_int_equal(ask_with(b, token_bench_assertion(b, "honest", "iat", "1800000001", NULL), ""), 200);
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(ask(b, ""), 200);
}

static void proofs_that_are_over_make_no_assertion_look_used(void **state)
{
    struct token_bench *b = *state;
    char *early = token_bench_assertion(b, "early", "exp", "1800000290", NULL);
    b->now_ms += 10000;
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(ask(b, ""), 200);
    b->now_ms += 120000;
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(ask_with(b, early, ""), 200);
}

static void an_assertion_is_known_again_for_as_long_as_it_is_good(void **state)
{
    struct token_bench *b = *state;
    char *assertion = token_bench_assertion(b, "long", "exp", "1800000300", NULL);
    assert_int_equal(ask_with(b, strdup(assertion), ""), 200);
    static const int64_t after_s[] = { 1, 60, 200, 299, 329, 330, 331, 360, 400 };
    for (size_t i = 0; i < sizeof after_s / sizeof *after_s; i++) {
        b->now_ms = (BENCH_NOW + after_s[i]) * 1000;
        ask_with(b, strdup(assertion), "");
        refused(b, 401, "invalid_client");
        assert_int_equal(b->v.record.err, after_s[i] < 330 ? ERR_OAUTH_ASSERTION_REPLAYED : ERR_TOKEN_EXPIRED);
    }
    free(assertion);
}

static void an_assertion_from_before_a_restart_is_refused(void **state)
{
    struct token_bench *b = *state;
    char *assertion = token_bench_assertion(b, "restart", NULL);
    assert_int_equal(ask_with(b, strdup(assertion), ""), 200);
    pki_replay_free(b->a.assertions);
    b->a.assertions = pki_replay_new(
        &(struct pki_replay_options){ .entries = 4096, .stripes = 1, .not_before_ms = (BENCH_NOW + 1) * 1000 });
    b->now_ms += 1000;
    ask_with(b, assertion, "");
    refused(b, 401, "invalid_client");
    assert_int_equal(b->v.record.err, ERR_PROOF_BEFORE_START);
}

static void an_assertion_under_another_workloads_certificate_is_refused(void **state)
{
    struct token_bench *b = *state;
    b->certificate = &b->other;
    ask_with(b, token_bench_assertion(b, "x", NULL), "");
    refused(b, 401, "invalid_client");
}

static void an_assertion_of_another_key_or_type_is_refused(void **state)
{
    struct token_bench *b = *state;
    struct pki_key *own = b->client;
    b->client = b->idp;
    ask_with(b, token_bench_assertion(b, "x", NULL), "");
    b->client = own;
    refused(b, 401, "invalid_client");
    char *assertion = token_bench_assertion(b, "y", NULL);
    token_bench_post(b, gw_token_visit, ASK "&client_assertion=", assertion, NULL);
    refused(b, 401, "invalid_client");
    token_bench_post(b, gw_token_visit,
                     ASK "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
                         "&client_assertion=",
                     assertion, NULL);
    refused(b, 401, "invalid_client");
    token_bench_post(b, gw_token_visit,
                     ASK "&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer", NULL);
    refused(b, 401, "invalid_client");
    ask_with(b, assertion, "&client_id=named");
    refused(b, 401, "invalid_client");
}

static void a_nonce_that_is_missing_does_not_use_the_assertion_up(void **state)
{
    struct token_bench *b = *state;
    char *assertion = token_bench_assertion(b, "n1", NULL);
    b->snapshot.authority.dpop.nonce_required = true;
    token_bench_prove(b, b->proof_key, NULL);
    ask_with(b, strdup(assertion), "");
    refused(b, 400, "use_dpop_nonce");
    char nonce[PKI_NONCE_TEXT + 1];
    snprintf(nonce, sizeof nonce, "%s", token_bench_field(b, "dpop-nonce"));
    token_bench_prove(b, b->proof_key, nonce);
    assert_int_equal(ask_with(b, assertion, ""), 200);
}

// ---- API keys

static void an_api_key_authenticates_its_owner_up_to_its_scopes(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1], bearer[PKI_API_KEY_MAX + 16];
    token_bench_api_key(b, BENCH_RAG, "vectors:read", key);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "client_id", "\"" BENCH_RAG "\""));
    snprintf(bearer, sizeof bearer, "Bearer %s", key);
    b->authorization = bearer;
    assert_int_equal(ask(b, ""), 200);
    token_bench_post(b, gw_token_visit,
                     "grant_type=client_credentials&scope=vectors:read+vectors:write&audience=" BENCH_AUDIENCE, NULL);
    refused(b, 400, "invalid_scope");
    ask(b, "&client_id=signer");
    refused(b, 401, "invalid_client");
}

// The record is written when the endpoint is done, and the key's token is gone by then.
static void a_record_outlives_the_api_key_that_it_names(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1];
    token_bench_api_key(b, BENCH_RAG, "vectors:read", key);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL), 200);
    assert_true(span_eq(b->v.record.client_id, SPAN(BENCH_RAG)));
    assert_true(span_eq(b->v.record.subject, SPAN(BENCH_RAG)));
    // Without an owner it is the key's id.
    b->certificate = NULL;
    token_bench_api_key(b, NULL, "vectors:read", key);
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL), 200);
    struct pki_api_key parts;
    assert_int_equal(pki_api_key_parse(span_str(key), &parts), 0);
    assert_true(span_eq(b->v.record.client_id, parts.id));
    assert_true(span_eq(b->v.record.subject, parts.id));
}

static void a_token_ends_with_the_api_key_that_asked_for_it(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1];
    token_bench_api_key(b, BENCH_RAG, "vectors:read", key);
    b->now_ms = (BENCH_NOW + 86400 - 100) * 1000;
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "exp", "1800086400"));
}

static void an_api_key_under_another_certificate_or_none_is_refused(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1];
    token_bench_api_key(b, BENCH_RAG, "vectors:read", key);
    b->certificate = &b->other;
    token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL);
    refused(b, 401, "invalid_client");
    assert_int_equal(b->v.record.err, ERR_APIKEY_WORKLOAD);
    b->certificate = NULL;
    token_bench_prove(b, b->proof_key, NULL);
    token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL);
    refused(b, 401, "invalid_client");
    key[30] = key[30] == 'a' ? 'b' : 'a';
    b->certificate = &b->rag;
    token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL);
    refused(b, 401, "invalid_client");
    assert_null(strstr(b->v.record.detail ? b->v.record.detail : "", key));
}

static void an_api_key_of_nobody_is_a_client_that_is_no_workload(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1];
    token_bench_api_key(b, NULL, "vectors:read", key);
    token_bench_policies(b, "permit(principal is Client, action, resource);");
    b->certificate = NULL;
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "workload", NULL));
}

static void an_api_key_of_nobody_is_no_way_around_the_signature_of_a_client(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1];
    token_bench_api_key(b, NULL, "vectors:read", key);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "workload", "\"" BENCH_RAG "\""));
    b->clients[0].id.v = SPAN(BENCH_RAG);
    token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL);
    refused(b, 401, "invalid_client");
}

// ---- all

static void more_than_one_way_is_refused(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1], bearer[PKI_API_KEY_MAX + 16];
    token_bench_api_key(b, BENCH_RAG, "vectors:read", key);
    snprintf(bearer, sizeof bearer, "Bearer %s", key);
    ask_with(b, token_bench_assertion(b, "m", NULL), "&client_secret=x");
    refused(b, 400, "invalid_request");
    b->authorization = bearer;
    token_bench_post(b, gw_token_visit, ASK "&client_secret=", key, NULL);
    refused(b, 400, "invalid_request");
    ask_with(b, token_bench_assertion(b, "m", NULL), "");
    refused(b, 400, "invalid_request");
}

static void the_challenge_is_of_the_scheme_that_was_tried(void **state)
{
    struct token_bench *b = *state;
    b->authorization = "Basic cmFnOnB3";
    ask(b, "");
    refused(b, 401, "invalid_client");
    assert_non_null(strstr(token_bench_field(b, "www-authenticate"), "Basic "));
    static const char *const bad[] = { "Bearer", "Bearer eyJhbGciOiJub25lIn0.e30.", "DPoP x", "" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        b->authorization = bad[i];
        ask(b, "");
        refused(b, 401, "invalid_client");
        assert_non_null(strstr(token_bench_field(b, "www-authenticate"), "Bearer "));
    }
}

static void a_revoked_client_is_refused_by_whatever_it_authenticates(void **state)
{
    struct token_bench *b = *state;
    token_bench_revoke(b, PKI_REVOKED_CLIENT, "signer", 0);
    ask_with(b, token_bench_assertion(b, "r1", NULL), "");
    refused(b, 401, "invalid_client");
    assert_int_equal(b->v.record.err, ERR_TOKEN_REVOKED);
    assert_int_equal(ask(b, ""), 200);
    token_bench_revoke(b, PKI_REVOKED_SERIAL, "3c00ca", 0);
    ask(b, "");
    refused(b, 401, "invalid_client");
}

static void a_revoked_workload_is_refused_without_its_certificate_too(void **state)
{
    struct token_bench *b = *state;
    token_bench_revoke(b, PKI_REVOKED_WORKLOAD, BENCH_RAG, 0);
    b->certificate = NULL;
    token_bench_prove(b, b->proof_key, NULL);
    ask_with(b, token_bench_assertion(b, "r1", NULL), "");
    refused(b, 401, "invalid_client");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(rule_20_the_certificates_workload_is_the_client),
        TEST(rule_20_a_registered_dns_name_must_be_in_the_certificate),
        TEST(rule_20_a_registered_subject_is_the_whole_one),
        TEST(rule_20_a_registered_uri_is_exact),
        TEST(rule_20_the_right_name_in_another_workloads_certificate_is_refused),
        TEST(rule_20_who_is_registered_for_signatures_does_not_come_with_a_certificate_alone),
        TEST(an_assertion_authenticates_its_client),
        TEST(an_assertion_that_says_something_else_is_refused),
        TEST(an_assertion_works_once),
        TEST(an_assertion_that_ends_at_once_makes_nobody_elses_look_used),
        TEST(proofs_that_are_over_make_no_assertion_look_used),
        TEST(an_assertion_is_known_again_for_as_long_as_it_is_good),
        TEST(an_assertion_from_before_a_restart_is_refused),
        TEST(an_assertion_under_another_workloads_certificate_is_refused),
        TEST(an_assertion_of_another_key_or_type_is_refused),
        TEST(a_nonce_that_is_missing_does_not_use_the_assertion_up),
        TEST(an_api_key_authenticates_its_owner_up_to_its_scopes),
        TEST(a_record_outlives_the_api_key_that_it_names),
        TEST(a_token_ends_with_the_api_key_that_asked_for_it),
        TEST(an_api_key_under_another_certificate_or_none_is_refused),
        TEST(an_api_key_of_nobody_is_a_client_that_is_no_workload),
        TEST(an_api_key_of_nobody_is_no_way_around_the_signature_of_a_client),
        TEST(more_than_one_way_is_refused),
        TEST(the_challenge_is_of_the_scheme_that_was_tried),
        TEST(a_revoked_client_is_refused_by_whatever_it_authenticates),
        TEST(a_revoked_workload_is_refused_without_its_certificate_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The token endpoint: what a client gets, bound to what, and how it is told that it gets nothing.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/metadata.h"
#include "gateway/endpoint/token.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/jose.h"
#include "tests/support/token_bench.h"

#define CREDENTIALS "grant_type=client_credentials"
#define ASK CREDENTIALS "&scope=vectors:read&audience=" BENCH_AUDIENCE

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
    assert_non_null(token_bench_text(b, "error_description"));
    assert_null(token_bench_text(b, "access_token"));
    assert_true(b->v.no_store);
    assert_true(b->v.audited);
    assert_false(b->v.record.allowed);
    assert_true(b->v.record.err < 0);
}

static void a_certificate_gets_a_token_that_is_bound_to_it(void **state)
{
    struct token_bench *b = *state;
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_true(b->v.no_store);
    assert_true(token_bench_says(b, "token_type", "Bearer"));
    assert_true(token_bench_says(b, "scope", "vectors:read"));
    const char *token = token_bench_text(b, "access_token");
    assert_true(token_bench_claims(token, "iss", "\"" BENCH_ISSUER "\""));
    assert_true(token_bench_claims(token, "sub", "\"" BENCH_RAG "\""));
    assert_true(token_bench_claims(token, "client_id", "\"" BENCH_RAG "\""));
    assert_true(token_bench_claims(token, "workload", "\"" BENCH_RAG "\""));
    assert_true(token_bench_claims(token, "aud", "\"" BENCH_AUDIENCE "\""));
    assert_true(token_bench_claims(token, "scope", "\"vectors:read\""));
    assert_true(token_bench_claims(token, "cnf", "{\"x5t#S256\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}"));
    assert_true(token_bench_claims(token, "exp", "1800000300"));
    // Its own roles and tenant, not those that its roles have in turn.
    assert_true(token_bench_claims(token, "roles", "[\"reader\"]"));
    assert_true(token_bench_claims(token, "tenant", "\"acme\""));
    assert_true(token_bench_claims(token, "act", NULL));
}

static void the_record_has_the_jti_and_the_decision_and_no_token(void **state)
{
    struct token_bench *b = *state;
    struct buf line;
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    const struct gw_audit_record *r = &b->v.record;
    const char *token = token_bench_text(b, "access_token");
    char jti[80];
    snprintf(jti, sizeof jti, "\"%.*s\"", SPAN_FMT(r->jti));
    assert_true(b->v.audited && r->allowed && r->err == 0);
    assert_true(token_bench_claims(token, "jti", jti));
    assert_true(span_eq(r->client_id, SPAN(BENCH_RAG)));
    assert_true(span_eq(r->operation, SPAN("client_credentials")));
    assert_int_equal(r->policies_n, 1);
    buf_init(&line, 0);
    assert_true(gw_audit_record_write(r, &line) && buf_byte(&line, 0));
    assert_non_null(strstr(buf_span(&line).p, "token:issue"));
    assert_non_null(strstr(buf_span(&line).p, "vectors:read"));
    assert_null(strstr(buf_span(&line).p, token));
    buf_fini(&line);
}

static void a_proof_gets_a_token_that_is_bound_to_its_key_and_only_to_it(void **state)
{
    struct token_bench *b = *state;
    uint8_t jkt[32];
    pki_key_thumbprint(b->proof_key, jkt);
    char *text = jose_b64(span_of(jkt, 32)), cnf[96];
    snprintf(cnf, sizeof cnf, "{\"jkt\":\"%s\"}", text);
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, "&dpop_jkt=", text, NULL), 200);
    assert_true(token_bench_says(b, "token_type", "DPoP"));
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "cnf", cnf));
    assert_true(span_eq(b->v.record.proof_thumbprint, span_str(text)));
    free(text);
}

static void without_proof_and_certificate_there_is_no_token(void **state)
{
    struct token_bench *b = *state;
    char *assertion = token_bench_assertion(b, "j1", NULL), *form = token_bench_assertion_form(assertion);
    b->certificate = NULL;
    token_bench_post(b, gw_token_visit, ASK, form, NULL);
    refused(b, 400, "invalid_request");
    assert_int_equal(b->v.record.err, ERR_OAUTH_UNBOUND);
    // It was not used up by that.
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, form, NULL), 200);
    free(form);
    free(assertion);
}

static void dpop_jkt_must_be_the_proofs_key(void **state)
{
    struct token_bench *b = *state;
    token_bench_prove(b, b->proof_key, NULL);
    token_bench_post(b, gw_token_visit, ASK, "&dpop_jkt=0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", NULL);
    refused(b, 400, "invalid_dpop_proof");
    token_bench_post(b, gw_token_visit, ASK, "&dpop_jkt=0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I", NULL);
    refused(b, 400, "invalid_request");
}

static void a_proof_works_once(void **state)
{
    struct token_bench *b = *state;
    token_bench_prove(b, b->proof_key, NULL);
    char *again = strdup(b->proofs[0]);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    b->proofs[0] = again;
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "invalid_dpop_proof");
    assert_int_equal(b->v.record.err, ERR_PROOF_REPLAYED);
}

static void a_proof_for_another_url_or_two_proofs_are_refused(void **state)
{
    struct token_bench *b = *state;
    struct buf proof;
    buf_init(&proof, 0);
    assert_int_equal(0, pki_dpop_make(b->proof_key, PKI_ALG_NONE, SPAN("POST"), SPAN(BENCH_ISSUER "/oauth2/revoke"),
                                      NULL, SPAN_NONE, BENCH_NOW, &proof));
    buf_byte(&proof, 0);
    b->proofs[0] = strdup(buf_span(&proof).p);
    buf_fini(&proof);
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "invalid_dpop_proof");
    token_bench_prove(b, b->proof_key, NULL);
    token_bench_prove(b, b->proof_key, NULL);
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "invalid_dpop_proof");
    assert_int_equal(b->v.record.err, ERR_PROOF_REPEATED);
}

static void rule_15_a_nonce_is_demanded_with_400_and_given(void **state)
{
    struct token_bench *b = *state;
    b->snapshot.authority.dpop.nonce_required = true;
    token_bench_prove(b, b->proof_key, NULL);
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "use_dpop_nonce");
    char nonce[PKI_NONCE_TEXT + 1];
    assert_non_null(token_bench_field(b, "dpop-nonce"));
    snprintf(nonce, sizeof nonce, "%s", token_bench_field(b, "dpop-nonce"));
    token_bench_prove(b, b->proof_key, nonce);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_null(token_bench_field(b, "dpop-nonce"));
    // When it rolls, the next one comes with the answer.
    b->now_ms += 61000;
    token_bench_prove(b, b->proof_key, nonce);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_non_null(token_bench_field(b, "dpop-nonce"));
    token_bench_prove(b, b->proof_key, "made-up");
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "use_dpop_nonce");
}

static void a_token_ends_with_the_certificate_that_it_is_bound_to(void **state)
{
    struct token_bench *b = *state;
    b->rag.path_not_after = BENCH_NOW + 100;
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "exp", "1800000100"));
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "exp", "1800000300"));
    b->rag.path_not_after = BENCH_NOW;
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "unauthorized_client");
}

static void an_issuer_with_a_slash_at_its_end_has_the_same_endpoints(void **state)
{
    struct token_bench *b = *state;
    b->snapshot.authority.issuer = SPAN(BENCH_ISSUER "/");
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "iss", "\"" BENCH_ISSUER "/\""));
    assert_int_equal(token_bench_post(b, gw_metadata_visit, NULL), 200);
    assert_true(token_bench_says(b, "issuer", BENCH_ISSUER "/"));
    assert_true(token_bench_says(b, "token_endpoint", BENCH_TOKEN_URL));
}

static void scopes_are_asked_for_by_name_and_well_formed(void **state)
{
    struct token_bench *b = *state;
    static const char *const bad[] = { "",
                                       "&scope=",
                                       "&scope=a++b",
                                       "&scope=a%22b",
                                       "&scope=a%5Cb",
                                       "&scope=+a",
                                       "&scope=%C3%A9",
                                       "&scope=a+",
                                       "&scope=a+offline_access",
                                       "&scope=offline_access" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        token_bench_post(b, gw_token_visit, CREDENTIALS "&audience=" BENCH_AUDIENCE, bad[i], NULL);
        refused(b, 400, "invalid_scope");
    }
    assert_int_equal(token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=a+b+a&audience=" BENCH_AUDIENCE, NULL),
                     200);
    assert_true(token_bench_says(b, "scope", "a b"));
    char many[512] = "&scope=s";
    for (unsigned i = 0; i < 64; i++)
        sprintf(many + strlen(many), "+s%u", i);
    token_bench_post(b, gw_token_visit, CREDENTIALS "&audience=" BENCH_AUDIENCE, many, NULL);
    refused(b, 400, "invalid_scope");
}

static void audiences_are_those_that_are_configured(void **state)
{
    struct token_bench *b = *state;
    token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=a&audience=https://elsewhere.example", NULL);
    refused(b, 400, "invalid_target");
    token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=a&resource=" BENCH_AUDIENCE "&resource=https://x.example",
                     NULL);
    refused(b, 400, "invalid_target");
    // Two are configured, so one must be said.
    token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=a", NULL);
    refused(b, 400, "invalid_target");
    assert_int_equal(token_bench_post(b, gw_token_visit,
                                      CREDENTIALS "&scope=a&resource=" BENCH_AUDIENCE "&audience=https://gw2.example",
                                      NULL),
                     200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "aud",
                                   "[\"" BENCH_AUDIENCE "\",\"https://gw2.example\"]"));
    b->config.authority.audiences.n = 1;
    assert_int_equal(token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=a", NULL), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "aud", "\"" BENCH_AUDIENCE "\""));
}

static void grants_that_are_not_offered_are_said_to_be(void **state)
{
    struct token_bench *b = *state;
    static const char *const bad[] = { "password&username=a&password=b", "authorization_code", "implicit",
                                       "CLIENT_CREDENTIALS" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        token_bench_post(b, gw_token_visit, "scope=a&grant_type=", bad[i], NULL);
        refused(b, 400, "unsupported_grant_type");
    }
    token_bench_post(b, gw_token_visit, "scope=a", NULL);
    refused(b, 400, "invalid_request");
}

static void policies_decide_deny_is_the_default(void **state)
{
    struct token_bench *b = *state;
    token_bench_policies(
        b, "permit(principal == Workload::\"" BENCH_RAG "\", action == Action::\"token:issue\", resource == "
           "Audience::\"" BENCH_AUDIENCE "\") when { context.scopes == [\"vectors:read\"] && "
           "context.grant_type == \"client_credentials\" && context.client_auth == \"tls_client_auth\" && "
           "context.bound_to == \"certificate\" && context.client_id == \"" BENCH_RAG "\" && "
           "context.time.now == datetime(\"2027-01-15T08:00:00Z\") && context.time.weekday == \"friday\" && "
           "principal.trust_domain == \"prod.example\" && "
           "principal.tenant == \"acme\" && principal in Role::\"any\" && "
           "principal in TrustDomain::\"prod.example\" && !(context has subject) };");
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    token_bench_post(b, gw_token_visit, ASK "&scope=x", NULL);
    refused(b, 400, "invalid_request"); // twice
    token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=vectors:write&audience=" BENCH_AUDIENCE, NULL);
    refused(b, 400, "unauthorized_client");
    assert_int_equal(b->v.record.err, ERR_POLICY_NO_PERMIT);
    assert_false(span_is_none(b->v.record.inputs));
    // One decision for each audience, and all must permit.
    token_bench_post(b, gw_token_visit, ASK "&audience=https://gw2.example", NULL);
    refused(b, 400, "unauthorized_client");
    b->certificate = &b->other;
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "unauthorized_client");
    // A forbid that cannot be evaluated denies.
    b->certificate = &b->rag;
    token_bench_policies(b, "permit(principal, action, resource);"
                            "forbid(principal, action, resource) when { context.nothing == 1 };");
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "unauthorized_client");
    assert_int_equal(b->v.record.err, ERR_POLICY_FORBID_ERROR);
}

static void shadow_policies_change_no_issue_and_are_recorded(void **state)
{
    struct token_bench *b = *state;
    const struct gw_audit_record *r = &b->v.record;
    token_bench_policies(b, "permit(principal, action, resource);"
                            "@mode(\"shadow\") @id(\"s\") forbid(principal, action == Action::\"token:issue\", "
                            "resource == Audience::\"https://gw2.example\");");
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_false(r->shadow_differs);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&audience=https://gw2.example", NULL), 200);
    assert_true(r->shadow_differs && !r->shadow_allows);
    assert_int_equal(r->shadow_policies_n, 1);
    assert_true(span_eq(r->shadow_policies[0], SPAN("s")));
    // One audience more than before is not all that was asked for.
    token_bench_policies(b,
                         "@mode(\"shadow\") permit(principal, action, resource == Audience::\"" BENCH_AUDIENCE "\");");
    token_bench_post(b, gw_token_visit, ASK "&audience=https://gw2.example", NULL);
    refused(b, 400, "unauthorized_client");
    assert_false(r->shadow_differs);
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "unauthorized_client");
    assert_true(r->shadow_differs && r->shadow_allows);
}

// A decision for each audience; what is only tried out beside it.
static void decisions_are_counted_by_policy(void **state)
{
    static const uint16_t rows[] = { 5, 6 };
    struct token_bench *b = *state;
    struct gw_metrics *m = aligned_alloc(64, sizeof *m);
    assert_non_null(m);
    memset(m, 0, sizeof *m);
    token_bench_policies(b, "permit(principal, action, resource);"
                            "@mode(\"shadow\") @id(\"s\") forbid(principal, action == Action::\"token:issue\", "
                            "resource == Audience::\"https://gw2.example\");");
    b->snapshot.authority.policy_rows = rows;
    b->a.metrics = m;
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    assert_int_equal(m->policy[5], 1);
    assert_int_equal(m->policy[6], 0);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&audience=https://gw2.example", NULL), 200);
    assert_int_equal(m->policy[5], 3);
    assert_int_equal(m->policy[6], 1);
    assert_int_equal(m->value[GW_METRIC_SHADOW_DENY], 1);
    b->a.metrics = NULL;
    free(m);
}

static void what_is_revoked_gets_nothing(void **state)
{
    struct token_bench *b = *state;
    uint8_t jkt[32];
    pki_key_thumbprint(b->proof_key, jkt);
    char *text = jose_b64(span_of(jkt, 32));
    token_bench_revoke(b, PKI_REVOKED_THUMBPRINT, text, 0);
    free(text);
    token_bench_prove(b, b->proof_key, NULL);
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 400, "unauthorized_client");
    // "Issued before" a moment that is past meets nothing new.
    token_bench_revoke(b, PKI_REVOKED_CLIENT, BENCH_RAG, BENCH_NOW);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK, NULL), 200);
    token_bench_revoke(b, PKI_REVOKED_WORKLOAD, BENCH_RAG, 0);
    token_bench_post(b, gw_token_visit, ASK, NULL);
    refused(b, 401, "invalid_client");
    assert_int_equal(b->v.record.err, ERR_CERT_REVOKED);
}

static void a_full_replay_store_is_503(void **state)
{
    struct token_bench *b = *state;
    pki_replay_free(b->a.replay);
    b->a.replay = pki_replay_new(&(struct pki_replay_options){
        .entries = 16, .stripes = 1, .share_percent = 100, .not_before_ms = (BENCH_NOW - 3600) * 1000 });
    unsigned status = 0;
    for (unsigned i = 0; i < 64 && status != 503; i++) {
        token_bench_prove(b, b->proof_key, NULL);
        status = token_bench_post(b, gw_token_visit, ASK, NULL);
    }
    refused(b, 503, "temporarily_unavailable");
    assert_non_null(token_bench_field(b, "retry-after"));
}

static void an_answer_tells_no_reason(void **state)
{
    struct token_bench *b = *state;
    b->certificate = NULL;
    token_bench_post(b, gw_token_visit, ASK "&client_id=" BENCH_RAG, NULL);
    assert_true(span_eq(b->v.answer,
                        SPAN("{\"error\":\"invalid_client\",\"error_description\":\"client authentication failed\"}")));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_gets_a_token_that_is_bound_to_it),
        TEST(the_record_has_the_jti_and_the_decision_and_no_token),
        TEST(a_proof_gets_a_token_that_is_bound_to_its_key_and_only_to_it),
        TEST(without_proof_and_certificate_there_is_no_token),
        TEST(dpop_jkt_must_be_the_proofs_key),
        TEST(a_proof_works_once),
        TEST(a_proof_for_another_url_or_two_proofs_are_refused),
        TEST(rule_15_a_nonce_is_demanded_with_400_and_given),
        TEST(a_token_ends_with_the_certificate_that_it_is_bound_to),
        TEST(an_issuer_with_a_slash_at_its_end_has_the_same_endpoints),
        TEST(scopes_are_asked_for_by_name_and_well_formed),
        TEST(audiences_are_those_that_are_configured),
        TEST(grants_that_are_not_offered_are_said_to_be),
        TEST(policies_decide_deny_is_the_default),
        TEST(shadow_policies_change_no_issue_and_are_recorded),
        TEST(decisions_are_counted_by_policy),
        TEST(what_is_revoked_gets_nothing),
        TEST(a_full_replay_store_is_503),
        TEST(an_answer_tells_no_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

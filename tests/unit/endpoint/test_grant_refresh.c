// SPDX-License-Identifier: GPL-3.0-or-later
// Refresh tokens at the endpoint: for their sender only, once, no wider, and no longer than everything that they stand for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/token.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/jose.h"
#include "tests/support/token_bench.h"

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

static void refused(struct token_bench *b, const char *error)
{
    assert_int_equal(b->v.status, 400);
    assert_true(token_bench_says(b, "error", error));
    assert_null(token_bench_text(b, "access_token"));
    assert_null(token_bench_text(b, "refresh_token"));
}

// A family for "a b", bound to the certificate or to a key.
static char *begin(struct token_bench *b, const struct pki_key *key)
{
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a b\",\"tenant\":\"acme\"");
    if (key)
        token_bench_prove(b, key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit,
                                      BENCH_EXCHANGE "&scope=a+b+offline_access&audience=" BENCH_AUDIENCE
                                                     "&audience=https://gw2.example&subject_token_type=" BENCH_TYPE
                                                     "jwt&subject_token=",
                                      subject, NULL),
                     200);
    free(subject);
    return strdup(token_bench_text(b, "refresh_token"));
}

static unsigned refresh(struct token_bench *b, const char *token, const char *more)
{
    return token_bench_post(b, gw_token_visit, "grant_type=refresh_token&refresh_token=", token, more, NULL);
}

static void a_refresh_gives_a_new_pair_that_says_the_same(void **state)
{
    struct token_bench *b = *state;
    char *first = begin(b, NULL);
    b->now_ms += 1000 * 1000; // behind the subject token's end
    assert_int_equal(refresh(b, first, ""), 200);
    const char *token = token_bench_text(b, "access_token");
    assert_true(token_bench_claims(token, "sub", "\"alice\""));
    assert_true(token_bench_claims(token, "act", "{\"sub\":\"" BENCH_RAG "\"}"));
    assert_true(token_bench_claims(token, "scope", "\"a b\""));
    assert_true(token_bench_claims(token, "tenant", "\"acme\""));
    assert_true(token_bench_claims(token, "aud", "[\"" BENCH_AUDIENCE "\",\"https://gw2.example\"]"));
    assert_string_not_equal(token_bench_text(b, "refresh_token"), first);
    assert_true(span_eq(b->v.record.operation, SPAN("refresh_token")));
    free(first);
}

static void scope_and_audience_only_narrow_and_the_family_stays_what_it_is(void **state)
{
    struct token_bench *b = *state;
    char *first = begin(b, NULL);
    refresh(b, first, "&scope=a+b+c");
    refused(b, "invalid_scope");
    refresh(b, first, "&audience=https://elsewhere.example");
    refused(b, "invalid_target");
    // None of that used it up.
    assert_int_equal(refresh(b, first, "&scope=a&audience=" BENCH_AUDIENCE), 200);
    assert_true(token_bench_says(b, "scope", "a"));
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "aud", "\"" BENCH_AUDIENCE "\""));
    char *second = strdup(token_bench_text(b, "refresh_token"));
    assert_int_equal(refresh(b, second, ""), 200);
    assert_true(token_bench_says(b, "scope", "a b"));
    free(first);
    free(second);
}

static void a_token_that_was_replaced_kills_the_family(void **state)
{
    struct token_bench *b = *state;
    char *first = begin(b, NULL);
    assert_int_equal(refresh(b, first, ""), 200);
    char *second = strdup(token_bench_text(b, "refresh_token"));
    b->now_ms += (PKI_GRANT_RETRY_S + 2) * 1000;
    // Who has the token and not what it is bound to ends nothing.
    b->certificate = &b->other;
    refresh(b, first, "");
    refused(b, "invalid_grant");
    assert_int_equal(b->v.record.err, ERR_GRANT_SENDER);
    b->certificate = &b->rag;
    assert_int_equal(refresh(b, second, ""), 200);
    free(second);
    second = strdup(token_bench_text(b, "refresh_token"));
    b->now_ms += (PKI_GRANT_RETRY_S + 2) * 1000;
    refresh(b, first, "");
    refused(b, "invalid_grant");
    assert_int_equal(b->v.record.err, ERR_GRANT_REUSED);
    refresh(b, second, "");
    refused(b, "invalid_grant");
    assert_int_equal(b->v.record.err, ERR_GRANT_REVOKED);
    free(first);
    free(second);
}

static void an_answer_that_was_lost_is_given_again(void **state)
{
    struct token_bench *b = *state;
    char *first = begin(b, NULL);
    assert_int_equal(refresh(b, first, ""), 200);
    char *second = strdup(token_bench_text(b, "refresh_token"));
    b->now_ms += 1000;
    assert_int_equal(refresh(b, first, ""), 200);
    assert_string_equal(token_bench_text(b, "refresh_token"), second);
    free(first);
    free(second);
}

static void it_is_bound_to_its_sender(void **state)
{
    struct token_bench *b = *state;
    char *mine = begin(b, NULL), *keyed = begin(b, b->proof_key);
    b->certificate = &b->other;
    refresh(b, mine, "");
    refused(b, "invalid_grant");
    assert_int_equal(b->v.record.err, ERR_GRANT_SENDER);
    b->certificate = &b->rag;
    refresh(b, keyed, "");
    refused(b, "invalid_grant");
    token_bench_prove(b, b->proof_key2, NULL);
    refresh(b, keyed, "");
    refused(b, "invalid_grant");
    // A renewed certificate is another one.
    b->rag.leaf_sha256[0] ^= 1;
    refresh(b, mine, "");
    refused(b, "invalid_grant");
    // With the right key under the renewed one it goes on, and nothing of the above ended the family.
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(refresh(b, keyed, ""), 200);
    assert_true(token_bench_says(b, "token_type", "DPoP"));
    b->rag.leaf_sha256[0] ^= 1;
    assert_int_equal(refresh(b, mine, ""), 200);
    free(mine);
    free(keyed);
}

static void a_family_of_the_certificate_stays_bound_to_it_when_a_proof_is_there(void **state)
{
    struct token_bench *b = *state;
    char *mine = begin(b, NULL);
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(refresh(b, mine, ""), 200);
    assert_true(token_bench_says(b, "token_type", "Bearer"));
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "cnf",
                                   "{\"x5t#S256\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\"}"));
    free(mine);
}

static void another_client_of_the_same_workload_is_another_client(void **state)
{
    struct token_bench *b = *state;
    char *mine = begin(b, NULL), *assertion = token_bench_assertion(b, "1", NULL),
         *form = token_bench_assertion_form(assertion);
    refresh(b, mine, form);
    refused(b, "invalid_grant");
    free(form);
    free(assertion);
    free(mine);
}

static void policies_are_asked_anew(void **state)
{
    struct token_bench *b = *state;
    char *mine = begin(b, NULL);
    token_bench_policies(b, "permit(principal, action == Action::\"token:issue\", resource);");
    refresh(b, mine, "");
    refused(b, "unauthorized_client");
    token_bench_policies(
        b, "permit(principal, action, resource) when { context.grant_type == \"refresh_token\" && context.subject == "
           "\"alice\" && context.subject_issuer == \"" BENCH_IDP "\" && context.actor == \"" BENCH_RAG "\" };");
    assert_int_equal(refresh(b, mine, ""), 200);
    free(mine);
}

static void a_grant_to_impersonate_that_was_withdrawn_is_not_refreshed(void **state)
{
    struct token_bench *b = *state;
    assert_int_equal(
        token_bench_post(b, gw_token_visit, "grant_type=client_credentials&scope=a&audience=" BENCH_AUDIENCE, NULL),
        200);
    char *stolen = strdup(token_bench_text(b, "access_token"));
    b->certificate = &b->other;
    assert_int_equal(token_bench_post(b, gw_token_visit,
                                      BENCH_EXCHANGE "&scope=a+offline_access&audience=" BENCH_AUDIENCE
                                                     "&subject_token_type=" BENCH_TYPE "access_token&subject_token=",
                                      stolen, NULL),
                     200);
    char *token = strdup(token_bench_text(b, "refresh_token"));
    token_bench_policies(
        b,
        "permit(principal, action, resource); forbid(principal, action == Action::\"token:impersonate\", resource);");
    refresh(b, token, "");
    refused(b, "unauthorized_client");
    free(token);
    free(stolen);
}

static void revocations_end_a_family(void **state)
{
    struct token_bench *b = *state;
    char *mine = begin(b, NULL);
    b->now_ms += 2000;
    // Everything of alice's that was issued before now.
    token_bench_revoke(b, PKI_REVOKED_SUBJECT, "alice", BENCH_NOW + 1);
    refresh(b, mine, "");
    refused(b, "invalid_grant");
    assert_int_equal(b->v.record.err, ERR_TOKEN_REVOKED);
    char *newer = begin(b, NULL);
    assert_int_equal(refresh(b, newer, ""), 200);
    free(mine);
    free(newer);
}

static void a_subject_that_its_own_issuer_lost_is_not_refreshed(void **state)
{
    struct token_bench *b = *state;
    static const struct pki_revoked_entry entries[] = {
        { .kind = PKI_REVOKED_SUBJECT, .value = { "alice", 5 }, .issuer = { BENCH_IDP, sizeof BENCH_IDP - 1 } },
        { .kind = PKI_REVOKED_ALL, .issuer = { BENCH_IDP, sizeof BENCH_IDP - 1 }, .before_s = BENCH_NOW + 1 },
    };
    char *mine = begin(b, NULL);
    for (size_t i = 0; i < 2; i++) {
        struct pki_revoked **set = &b->revocations.revoked[GW_REVOKED_STORE];
        *set = pki_revoked_new();
        assert_int_equal(pki_revoked_add(*set, &entries[i]), 0);
        refresh(b, mine, "");
        refused(b, "invalid_grant");
        assert_int_equal(b->v.record.err, ERR_TOKEN_REVOKED);
        pki_revoked_unref(*set);
        *set = NULL;
    }
    // Another issuer's alice is somebody else.
    struct pki_revoked_entry other = entries[0];
    other.issuer = SPAN("https://kubernetes.default.svc");
    b->revocations.revoked[GW_REVOKED_STORE] = pki_revoked_new();
    assert_int_equal(pki_revoked_add(b->revocations.revoked[GW_REVOKED_STORE], &other), 0);
    assert_int_equal(refresh(b, mine, ""), 200);
    assert_true(token_bench_claims(token_bench_text(b, "access_token"), "subject_issuer", "\"" BENCH_IDP "\""));
    free(mine);
}

static void it_expires_and_garbage_is_no_token(void **state)
{
    struct token_bench *b = *state;
    char *mine = begin(b, NULL);
    static const char *const bad[] = { "sr_", "x",
                                       "sr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
    for (size_t i = 0; i < 3; i++) {
        refresh(b, bad[i], "");
        refused(b, "invalid_grant");
    }
    token_bench_post(b, gw_token_visit, "grant_type=refresh_token", NULL);
    refused(b, "invalid_request");
    b->now_ms += 86401 * INT64_C(1000);
    b->rag.path_not_after += 100000;
    refresh(b, mine, "");
    refused(b, "invalid_grant");
    assert_int_equal(b->v.record.err, ERR_GRANT_EXPIRED);
    free(mine);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refresh_gives_a_new_pair_that_says_the_same),
        TEST(scope_and_audience_only_narrow_and_the_family_stays_what_it_is),
        TEST(a_token_that_was_replaced_kills_the_family),
        TEST(an_answer_that_was_lost_is_given_again),
        TEST(it_is_bound_to_its_sender),
        TEST(a_family_of_the_certificate_stays_bound_to_it_when_a_proof_is_there),
        TEST(another_client_of_the_same_workload_is_another_client),
        TEST(policies_are_asked_anew),
        TEST(a_grant_to_impersonate_that_was_withdrawn_is_not_refreshed),
        TEST(revocations_end_a_family),
        TEST(a_subject_that_its_own_issuer_lost_is_not_refreshed),
        TEST(it_expires_and_garbage_is_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

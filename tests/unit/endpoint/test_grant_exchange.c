// SPDX-License-Identifier: GPL-3.0-or-later
// Token exchange: narrower and never wider, in the open about who acts, and only with what is one's own to give.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/token.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/jose.h"
#include "tests/support/token_bench.h"

#define CREDENTIALS "grant_type=client_credentials&audience=" BENCH_AUDIENCE
#define ASK BENCH_EXCHANGE "&audience=" BENCH_AUDIENCE
#define SUBJECT "&subject_token_type=" BENCH_TYPE "access_token&subject_token="
#define SUBJECT_JWT "&subject_token_type=" BENCH_TYPE "jwt&subject_token="
#define ACTOR "&actor_token_type=" BENCH_TYPE "jwt&actor_token="

// Everything but acting for others without a proof.
static const char honest[] =
    "permit(principal, action in [Action::\"token:issue\", Action::\"token:exchange\"], resource);";

static int setup(void **state)
{
    struct token_bench *b = malloc(sizeof *b);
    token_bench_init(b, honest);
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
    assert_false(b->v.record.allowed);
}

// A token of our own, bound to the certificate or, with a key, to the key.
static char *own_token(struct token_bench *b, const char *scope, const struct pki_key *key)
{
    if (key)
        token_bench_prove(b, key, NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, CREDENTIALS "&scope=", scope, NULL), 200);
    return strdup(token_bench_text(b, "access_token"));
}

static unsigned exchange(struct token_bench *b, const char *subject, const char *more)
{
    return token_bench_post(b, gw_token_visit, ASK SUBJECT, subject, more, NULL);
}

static const char *token(struct token_bench *b)
{
    return token_bench_text(b, "access_token");
}

static void a_users_token_becomes_one_that_says_who_acts(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"vectors:read vectors:write\",\"tenant\":\"acme\"");
    assert_int_equal(exchange(b, subject, "&scope=vectors:read"), 200);
    assert_true(token_bench_says(b, "issued_token_type", BENCH_TYPE "access_token"));
    assert_true(token_bench_says(b, "token_type", "Bearer"));
    assert_null(token_bench_text(b, "refresh_token"));
    assert_true(token_bench_claims(token(b), "sub", "\"alice\""));
    assert_true(token_bench_claims(token(b), "client_id", "\"" BENCH_RAG "\""));
    assert_true(token_bench_claims(token(b), "workload", "\"" BENCH_RAG "\""));
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"" BENCH_RAG "\"}"));
    assert_true(token_bench_claims(token(b), "tenant", "\"acme\""));
    assert_true(token_bench_claims(token(b), "scope", "\"vectors:read\""));
    // No longer than the subject's.
    assert_true(token_bench_claims(token(b), "exp", "1800000200"));
    assert_non_null(strstr(b->v.record.detail, "subject token s1 of " BENCH_IDP));
    assert_true(span_eq(b->v.record.subject, SPAN("alice")));
    free(subject);
}

static void scope_is_only_ever_narrower(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"vectors:read\""),
         *none = token_bench_subject(b, "alice", "");
    static const char *const wide[] = { "&scope=vectors:write", "&scope=vectors:read+vectors:write", "" };
    for (size_t i = 0; i < 3; i++) {
        exchange(b, subject, wide[i]);
        refused(b, "invalid_scope");
    }
    exchange(b, none, "&scope=vectors:read");
    refused(b, "invalid_scope");
    char *own = own_token(b, "vectors:read", NULL);
    assert_int_equal(exchange(b, own, "&scope=vectors:read"), 200);
    exchange(b, own, "&scope=vectors:write");
    refused(b, "invalid_scope");
    free(own);
    free(subject);
    free(none);
}

static void a_service_account_token_has_no_scopes_to_narrow(void **state)
{
    struct token_bench *b = *state;
    char *subject =
        token_bench_subject(b, "system:serviceaccount:rag:api", "\"iss\":\"https://kubernetes.default.svc\"");
    token_bench_policies(
        b, "permit(principal, action, resource) when { context.subject == \"system:serviceaccount:rag:api\" && "
           "context.subject_issuer == \"https://kubernetes.default.svc\" && context.scopes == [\"vectors:read\"]"
           " && context.actor == \"" BENCH_RAG "\" };");
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&scope=vectors:read" SUBJECT_JWT, subject, NULL), 200);
    assert_true(token_bench_claims(token(b), "sub", "\"system:serviceaccount:rag:api\""));
    token_bench_post(b, gw_token_visit, ASK "&scope=vectors:write" SUBJECT_JWT, subject, NULL);
    refused(b, "unauthorized_client");
    free(subject);
}

static void a_bound_subject_token_needs_proof_of_its_binding(void **state)
{
    struct token_bench *b = *state;
    char *mine = own_token(b, "vectors:read", NULL), *keyed = own_token(b, "vectors:read", b->proof_key);
    // Another workload has got hold of them.
    b->certificate = &b->other;
    exchange(b, mine, "&scope=vectors:read");
    refused(b, "invalid_request");
    assert_int_equal(b->v.record.err, ERR_OAUTH_UNPROVEN);
    exchange(b, keyed, "&scope=vectors:read");
    refused(b, "invalid_request");
    token_bench_prove(b, b->proof_key2, NULL);
    exchange(b, keyed, "&scope=vectors:read");
    refused(b, "invalid_request");
    // Its own: with the certificate, or with the key.
    b->certificate = &b->rag;
    assert_int_equal(exchange(b, mine, "&scope=vectors:read"), 200);
    exchange(b, keyed, "&scope=vectors:read");
    refused(b, "invalid_request");
    token_bench_prove(b, b->proof_key, NULL);
    assert_int_equal(exchange(b, keyed, "&scope=vectors:read"), 200);
    assert_true(token_bench_claims(token(b), "act", NULL));
    free(mine);
    free(keyed);
}

static void the_key_alone_does_not_prove_another_workloads_token(void **state)
{
    struct token_bench *b = *state;
    char *keyed = own_token(b, "vectors:read", b->proof_key);
    b->certificate = &b->other;
    token_bench_prove(b, b->proof_key, NULL);
    exchange(b, keyed, "&scope=vectors:read");
    refused(b, "invalid_request");
    free(keyed);
}

static void policies_may_permit_to_impersonate_by_name(void **state)
{
    struct token_bench *b = *state;
    char *mine = own_token(b, "vectors:read", NULL);
    b->certificate = &b->other;
    token_bench_policies(
        b, "permit(principal, action in [Action::\"token:issue\", Action::\"token:exchange\"], resource);"
           "permit(principal == Workload::\"" BENCH_OTHER "\", action == Action::\"token:impersonate\", resource);");
    assert_int_equal(exchange(b, mine, "&scope=vectors:read"), 200);
    assert_true(token_bench_claims(token(b), "sub", "\"" BENCH_RAG "\""));
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"" BENCH_OTHER "\"}"));
    assert_true(token_bench_claims(token(b), "workload", "\"" BENCH_OTHER "\""));
    assert_non_null(strstr(b->v.record.detail, "without proof"));
    free(mine);
}

static void exchanging_must_be_permitted_beside_issuing(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    token_bench_policies(b, "permit(principal, action == Action::\"token:issue\", resource);");
    exchange(b, subject, "&scope=a");
    refused(b, "unauthorized_client");
    token_bench_policies(b, "permit(principal, action == Action::\"token:exchange\", resource);");
    exchange(b, subject, "&scope=a");
    refused(b, "unauthorized_client");
    free(subject);
}

static void an_actor_token_names_who_acts_and_needs_proof_too(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\""), *actor = token_bench_subject(b, "agent-7", ""),
         *mine = own_token(b, "a", NULL);
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, actor, NULL), 200);
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"agent-7\",\"iss\":\"" BENCH_IDP "\"}"));
    assert_int_equal(token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, mine, NULL), 200);
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"" BENCH_RAG "\"}"));
    b->certificate = &b->other;
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, mine, NULL);
    refused(b, "invalid_request");
    // One without its type, or the other way round.
    b->certificate = &b->rag;
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, "&actor_token=", actor, NULL);
    refused(b, "invalid_request");
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, "&actor_token_type=" BENCH_TYPE "jwt", NULL);
    refused(b, "invalid_request");
    free(subject);
    free(actor);
    free(mine);
}

static void the_chain_of_actors_is_kept_and_bounded(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\",\"act\":{\"sub\":\"first\"}");
    assert_int_equal(exchange(b, subject, "&scope=a"), 200);
    assert_true(token_bench_claims(
        token(b), "act", "{\"sub\":\"" BENCH_RAG "\",\"act\":{\"sub\":\"first\",\"iss\":\"" BENCH_IDP "\"}}"));
    // Exchanged again, by the same: it acts already.
    char *again = strdup(token(b));
    assert_int_equal(exchange(b, again, "&scope=a"), 200);
    free(again);
    free(subject);
    char act[400] = "\"scope\":\"a\"", *at;
    for (unsigned depth = 1; depth <= 9; depth++) {
        at = act + sprintf(act, "\"scope\":\"a\"");
        for (unsigned i = 0; i < depth; i++)
            at += sprintf(at, "%s\"act\":{\"sub\":\"x\"", ",");
        for (unsigned i = 0; i < depth; i++)
            at += sprintf(at, "}");
        subject = token_bench_subject(b, "alice", act);
        assert_int_equal(exchange(b, subject, "&scope=a"), depth < 8 ? 200 : 400);
        free(subject);
    }
    static const char *const malformed[] = { "\"x\"", "{}", "[]", "{\"sub\":\"a\",\"act\":7}", "null" };
    for (size_t i = 0; i < 5; i++) {
        snprintf(act, sizeof act, "\"scope\":\"a\",\"act\":%s", malformed[i]);
        subject = token_bench_subject(b, "alice", act);
        exchange(b, subject, "&scope=a");
        refused(b, "invalid_request");
        free(subject);
    }
}

static void an_act_of_another_issuer_names_nobody_of_ours(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(
        b, "alice", "\"scope\":\"a\",\"act\":{\"sub\":\"" BENCH_OTHER "\",\"admin\":true,\"roles\":[\"root\"]}");
    assert_int_equal(exchange(b, subject, "&scope=a"), 200);
    static const char names[] =
        "{\"sub\":\"" BENCH_RAG "\",\"act\":{\"sub\":\"" BENCH_OTHER "\",\"iss\":\"" BENCH_IDP "\"}}";
    assert_true(token_bench_claims(token(b), "act", names));
    // And it stays so when ours is exchanged.
    char *ours = strdup(token(b));
    assert_int_equal(exchange(b, ours, "&scope=a"), 200);
    char *act = token_bench_claim(token(b), "act");
    assert_non_null(strstr(act, names));
    free(act);
    free(ours);
    // Nor does it when the subject brings itself as its actor.
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, subject, NULL);
    assert_int_equal(b->v.status, 200);
    act = token_bench_claim(token(b), "act");
    assert_int_equal(strncmp(act, "{\"sub\":\"alice\",\"iss\":\"" BENCH_IDP "\"", 40), 0);
    free(act);
    free(subject);
}

static void who_brings_one_token_twice_acts_all_the_same(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, subject, NULL);
    assert_int_equal(b->v.status, 200);
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"alice\",\"iss\":\"" BENCH_IDP "\"}"));
    free(subject);
}

static void an_exchanged_subject_stays_his_issuers(void **state)
{
    struct token_bench *b = *state;
    // An issuer calls somebody by the name of a workload of ours: this very one's.
    char *subject = token_bench_subject(b, BENCH_RAG, "\"scope\":\"a\"");
    assert_int_equal(exchange(b, subject, "&scope=a"), 200);
    assert_true(token_bench_claims(token(b), "subject_issuer", "\"" BENCH_IDP "\""));
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"" BENCH_RAG "\"}"));
    char *ours = strdup(token(b));
    // Washing him by exchanging our token does not make him ours, for policies and in what they permit.
    token_bench_policies(b, "permit(principal, action, resource) when { context.subject_issuer == \"" BENCH_ISSUER
                            "\" };");
    exchange(b, ours, "&scope=a");
    refused(b, "unauthorized_client");
    token_bench_policies(b, honest);
    assert_int_equal(exchange(b, ours, "&scope=a"), 200);
    assert_true(token_bench_claims(token(b), "subject_issuer", "\"" BENCH_IDP "\""));
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"" BENCH_RAG "\",\"act\":{\"sub\":\"" BENCH_RAG "\"}}"));
    // As an actor neither.
    char *alice = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, alice, ACTOR, ours, NULL);
    assert_int_equal(b->v.status, 200);
    assert_true(token_bench_claims(token(b), "act", "{\"sub\":\"" BENCH_RAG "\",\"iss\":\"" BENCH_IDP "\"}"));
    // Our own workload is just that.
    char *own = own_token(b, "a", NULL);
    assert_true(token_bench_claims(own, "subject_issuer", NULL));
    assert_int_equal(exchange(b, own, "&scope=a"), 200);
    assert_true(token_bench_claims(token(b), "subject_issuer", NULL));
    free(own);
    free(alice);
    free(ours);
    free(subject);
}

static void a_subject_that_its_issuer_lost_is_not_exchanged_a_second_time(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    assert_int_equal(exchange(b, subject, "&scope=a"), 200);
    char *ours = strdup(token(b));
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_SUBJECT, .value = SPAN("alice"), .issuer = SPAN(BENCH_IDP) };
    b->revocations.revoked[GW_REVOKED_STORE] = pki_revoked_new();
    assert_int_equal(pki_revoked_add(b->revocations.revoked[GW_REVOKED_STORE], &e), 0);
    exchange(b, ours, "&scope=a+offline_access");
    refused(b, "invalid_request");
    assert_int_equal(b->v.record.err, ERR_TOKEN_REVOKED);
    free(ours);
    free(subject);
}

static void may_act_without_an_issuer_means_none_of_a_third_ones(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\",\"may_act\":{\"sub\":\"agent\"}"),
         *agent = token_bench_subject(b, "agent", ""),
         *other = token_bench_subject(b, "agent", "\"iss\":\"https://kubernetes.default.svc\"");
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, other, NULL);
    refused(b, "invalid_request");
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, agent, NULL);
    assert_int_equal(b->v.status, 200);
    free(subject);
    free(agent);
    free(other);
}

static void may_act_is_honoured(void **state)
{
    struct token_bench *b = *state;
    static const struct {
        const char *may;
        unsigned status;
    } cases[] = { { "{\"sub\":\"" BENCH_RAG "\"}", 200 },
                  { "{\"sub\":\"" BENCH_RAG "\",\"iss\":\"" BENCH_ISSUER "\"}", 200 },
                  { "{\"client_id\":\"" BENCH_RAG "\"}", 200 },
                  { "{\"sub\":\"" BENCH_OTHER "\"}", 400 },
                  { "{\"sub\":\"" BENCH_RAG "\",\"iss\":\"" BENCH_IDP "\"}", 400 },
                  { "{\"sub\":\"" BENCH_RAG "\",\"weekday\":\"monday\"}", 400 },
                  { "{}", 400 },
                  { "null", 400 },
                  { "{\"sub\":[\"" BENCH_RAG "\"]}", 400 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char more[300];
        snprintf(more, sizeof more, "\"scope\":\"a\",\"may_act\":%s", cases[i].may);
        char *subject = token_bench_subject(b, "alice", more);
        assert_int_equal(exchange(b, subject, "&scope=a"), cases[i].status);
        free(subject);
    }
}

static void subject_tokens_that_do_not_verify_are_refused(void **state)
{
    struct token_bench *b = *state;
    struct pki_key *idp = b->idp;
    static const char *const bad[] = { "\"iss\":\"https://unheard.example\",\"scope\":\"a\"",
                                       "\"iss\":\"" BENCH_ISSUER "\",\"scope\":\"a\"" };
    for (size_t i = 0; i < 2; i++) {
        char *subject = token_bench_subject(b, "alice", bad[i]);
        exchange(b, subject, "&scope=a");
        refused(b, "invalid_request");
        free(subject);
    }
    b->idp = b->client;
    char *forged = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    b->idp = idp;
    exchange(b, forged, "&scope=a");
    refused(b, "invalid_request");
    char *late = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    b->now_ms += 201 * 1000;
    exchange(b, late, "&scope=a");
    refused(b, "invalid_request");
    assert_int_equal(b->v.record.err, ERR_TOKEN_EXPIRED);
    exchange(b, "not-a-token", "&scope=a");
    refused(b, "invalid_request");
    free(forged);
    free(late);
}

static void types_that_are_not_offered_are_refused(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    static const char *const types[] = { "id_token", "refresh_token", "saml2" };
    for (size_t i = 0; i < 3; i++) {
        token_bench_post(b, gw_token_visit, ASK "&scope=a&subject_token=", subject, "&subject_token_type=" BENCH_TYPE,
                         types[i], NULL);
        refused(b, "invalid_request");
    }
    token_bench_post(b, gw_token_visit, ASK "&scope=a&subject_token=", subject, NULL);
    refused(b, "invalid_request");
    token_bench_post(b, gw_token_visit, ASK "&scope=a", NULL);
    refused(b, "invalid_request");
    exchange(b, subject, "&scope=a&requested_token_type=" BENCH_TYPE "id_token");
    refused(b, "invalid_request");
    free(subject);
}

static void what_was_revoked_cannot_be_exchanged(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\""), *actor = token_bench_subject(b, "mallory", "");
    token_bench_revoke(b, PKI_REVOKED_SUBJECT, "mallory", 0);
    assert_int_equal(exchange(b, subject, "&scope=a"), 200);
    token_bench_post(b, gw_token_visit, ASK "&scope=a" SUBJECT, subject, ACTOR, actor, NULL);
    refused(b, "invalid_request");
    token_bench_revoke(b, PKI_REVOKED_JTI, "s1", 0);
    exchange(b, subject, "&scope=a");
    refused(b, "invalid_request");
    assert_int_equal(b->v.record.err, ERR_TOKEN_REVOKED);
    free(subject);
    free(actor);
}

static void a_tenant_is_not_crossed(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\",\"tenant\":\"rival\"");
    exchange(b, subject, "&scope=a");
    refused(b, "unauthorized_client");
    // Who has none of his own takes the subject's.
    b->certificate = &b->other;
    assert_int_equal(exchange(b, subject, "&scope=a"), 200);
    assert_true(token_bench_claims(token(b), "tenant", "\"rival\""));
    free(subject);
}

static void a_refresh_token_is_given_when_it_is_asked_for_and_permitted(void **state)
{
    struct token_bench *b = *state;
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    assert_int_equal(exchange(b, subject, "&scope=a+offline_access"), 200);
    assert_non_null(token_bench_text(b, "refresh_token"));
    assert_true(token_bench_says(b, "scope", "a"));
    assert_true(token_bench_claims(token(b), "scope", "\"a\""));
    assert_int_equal(exchange(b, subject, "&scope=a+offline_access&requested_token_type=" BENCH_TYPE "refresh_token"),
                     200);
    assert_true(token_bench_says(b, "token_type", "N_A"));
    assert_true(token_bench_says(b, "issued_token_type", BENCH_TYPE "refresh_token"));
    assert_int_equal(strncmp(token(b), "sr_", 3), 0);
    assert_null(token_bench_text(b, "refresh_token"));
    exchange(b, subject, "&scope=a&requested_token_type=" BENCH_TYPE "refresh_token");
    refused(b, "invalid_scope");
    token_bench_policies(b,
                         "permit(principal, action, resource) unless { context.scopes.contains(\"offline_access\") };");
    exchange(b, subject, "&scope=a+offline_access");
    refused(b, "unauthorized_client");
    free(subject);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_users_token_becomes_one_that_says_who_acts),
        TEST(scope_is_only_ever_narrower),
        TEST(a_service_account_token_has_no_scopes_to_narrow),
        TEST(a_bound_subject_token_needs_proof_of_its_binding),
        TEST(the_key_alone_does_not_prove_another_workloads_token),
        TEST(policies_may_permit_to_impersonate_by_name),
        TEST(exchanging_must_be_permitted_beside_issuing),
        TEST(an_actor_token_names_who_acts_and_needs_proof_too),
        TEST(the_chain_of_actors_is_kept_and_bounded),
        TEST(an_act_of_another_issuer_names_nobody_of_ours),
        TEST(who_brings_one_token_twice_acts_all_the_same),
        TEST(an_exchanged_subject_stays_his_issuers),
        TEST(a_subject_that_its_issuer_lost_is_not_exchanged_a_second_time),
        TEST(may_act_without_an_issuer_means_none_of_a_third_ones),
        TEST(may_act_is_honoured),
        TEST(subject_tokens_that_do_not_verify_are_refused),
        TEST(types_that_are_not_offered_are_refused),
        TEST(what_was_revoked_cannot_be_exchanged),
        TEST(a_tenant_is_not_crossed),
        TEST(a_refresh_token_is_given_when_it_is_asked_for_and_permitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Taking tokens back, asking about them, and what anybody may know of the service.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/endpoint/introspect.h"
#include "gateway/endpoint/metadata.h"
#include "gateway/endpoint/revoke.h"
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

static char *access_token(struct token_bench *b)
{
    assert_int_equal(
        token_bench_post(b, gw_token_visit, "grant_type=client_credentials&scope=a&audience=" BENCH_AUDIENCE, NULL),
        200);
    return strdup(token_bench_text(b, "access_token"));
}

static char *refresh_token(struct token_bench *b)
{
    char *subject = token_bench_subject(b, "alice", "\"scope\":\"a\"");
    assert_int_equal(token_bench_post(b, gw_token_visit,
                                      BENCH_EXCHANGE "&scope=a+offline_access&audience=" BENCH_AUDIENCE
                                                     "&subject_token_type=" BENCH_TYPE "jwt&subject_token=",
                                      subject, NULL),
                     200);
    free(subject);
    return strdup(token_bench_text(b, "refresh_token"));
}

static unsigned revoke(struct token_bench *b, const char *token)
{
    return token_bench_post(b, gw_revoke_visit, "token=", token, NULL);
}

static bool active(struct token_bench *b, const char *token)
{
    bool is = false;
    assert_int_equal(token_bench_post(b, gw_introspect_visit, "token=", token, NULL), 200);
    assert_true(json_bool(json_get(json_root(b->doc), SPAN("active")), &is));
    if (!is)
        assert_true(span_eq(b->v.answer, SPAN("{\"active\":false}")));
    return is;
}

static int remember(void *ctx, const struct pki_revoked_entry *e)
{
    struct pki_revoked **set = ctx;
    return pki_revoked_add(*set, e);
}

// What the process does when the registry changed.
static size_t load_revocations(struct token_bench *b)
{
    struct pki_revoked **set = &b->revocations.revoked[GW_REVOKED_STORE];
    pki_revoked_unref(*set);
    *set = pki_revoked_new();
    assert_int_equal(0, pki_revoked_store_each(b->a.revoked, b->now_ms / 1000, remember, set));
    return pki_revoked_count(*set);
}

static void an_access_token_is_revoked_by_its_client_and_dead_then(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b);
    assert_true(active(b, token));
    assert_int_equal(revoke(b, token), 200);
    assert_int_equal(b->v.answer.n, 0);
    assert_true(b->v.audited && b->v.record.allowed && b->v.record.jti.n > 0);
    // It is in the registry when the client hears of it.
    assert_int_equal(load_revocations(b), 1);
    assert_false(active(b, token));
    assert_int_equal(revoke(b, token), 200);
    token_bench_post(b, gw_token_visit,
                     BENCH_EXCHANGE "&scope=a&audience=" BENCH_AUDIENCE "&subject_token_type=" BENCH_TYPE
                                    "access_token&subject_token=",
                     token, NULL);
    assert_int_equal(b->v.status, 400);
    free(token);
}

static void a_refresh_token_is_revoked_with_its_family(void **state)
{
    struct token_bench *b = *state;
    char *first = refresh_token(b);
    assert_int_equal(token_bench_post(b, gw_token_visit, "grant_type=refresh_token&refresh_token=", first, NULL), 200);
    char *second = strdup(token_bench_text(b, "refresh_token"));
    assert_true(active(b, second));
    b->now_ms += 60000;
    assert_false(active(b, first));
    // Also by one that was replaced.
    assert_int_equal(revoke(b, first), 200);
    assert_false(active(b, second));
    token_bench_post(b, gw_token_visit, "grant_type=refresh_token&refresh_token=", second, NULL);
    assert_true(token_bench_says(b, "error", "invalid_grant"));
    assert_int_equal(revoke(b, second), 200);
    free(first);
    free(second);
}

static void another_clients_token_is_not_revoked(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b), *refresh = refresh_token(b);
    b->certificate = &b->other;
    assert_int_equal(revoke(b, token), 400);
    assert_true(token_bench_says(b, "error", "unauthorized_client"));
    assert_int_equal(revoke(b, refresh), 400);
    assert_true(token_bench_says(b, "error", "unauthorized_client"));
    assert_int_equal(load_revocations(b), 0);
    b->certificate = &b->rag;
    assert_true(active(b, token));
    assert_true(active(b, refresh));
    free(token);
    free(refresh);
}

static void what_is_no_token_of_ours_is_200(void **state)
{
    struct token_bench *b = *state;
    char *foreign = token_bench_subject(b, "alice", "");
    assert_int_equal(revoke(b, "garbage"), 200);
    assert_int_equal(revoke(b, foreign), 200);
    assert_int_equal(token_bench_post(b, gw_revoke_visit, "token=x&token_type_hint=unheard", NULL), 200);
    assert_int_equal(load_revocations(b), 0);
    assert_int_equal(token_bench_post(b, gw_revoke_visit, "token_type_hint=access_token", NULL), 400);
    assert_true(token_bench_says(b, "error", "invalid_request"));
    b->certificate = NULL;
    assert_int_equal(revoke(b, "garbage"), 401);
    free(foreign);
}

static void without_a_registry_access_tokens_are_said_not_to_be_revoked(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b);
    struct pki_revoked_store *store = b->a.revoked;
    b->a.revoked = NULL;
    assert_int_equal(revoke(b, token), 400);
    assert_true(token_bench_says(b, "error", "unsupported_token_type"));
    b->a.revoked = store;
    free(token);
}

static void introspection_tells_a_follower_and_the_client_and_nobody_else(void **state)
{
    struct token_bench *b = *state;
    struct pki_identity gateway = b->other;
    char *token = access_token(b), *refresh = refresh_token(b);
    gateway.spiffe_id = SPAN("spiffe://prod.example/gateway/node-1");
    gateway.path = SPAN("/gateway/node-1");
    b->certificate = &gateway;
    assert_true(active(b, token));
    assert_true(token_bench_says(b, "sub", BENCH_RAG));
    assert_true(token_bench_says(b, "client_id", BENCH_RAG));
    assert_true(token_bench_says(b, "scope", "a"));
    assert_true(token_bench_says(b, "token_type", "Bearer"));
    // Rule 17: with its binding.
    struct span x5t = json_string(json_get(json_get(json_root(b->doc), SPAN("cnf")), SPAN("x5t#S256")));
    assert_int_equal(x5t.n, 43);
    assert_true(active(b, refresh));
    assert_true(token_bench_says(b, "sub", "alice"));
    b->certificate = &b->other;
    assert_false(active(b, token));
    assert_false(active(b, refresh));
    b->certificate = NULL;
    assert_int_equal(token_bench_post(b, gw_introspect_visit, "token=", token, NULL), 401);
    free(token);
    free(refresh);
}

static void introspection_says_no_more_than_inactive_of_anything_else(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b), *foreign = token_bench_subject(b, "alice", "");
    assert_false(active(b, "garbage"));
    assert_false(active(b, "sr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    assert_false(active(b, foreign));
    token[strlen(token) - 2] = token[strlen(token) - 2] == 'A' ? 'B' : 'A';
    assert_false(active(b, token));
    free(token);
    token = access_token(b);
    b->now_ms += 300 * 1000;
    assert_false(active(b, token));
    assert_int_equal(token_bench_post(b, gw_introspect_visit, "token=", NULL), 400);
    free(token);
    free(foreign);
}

static void introspection_sees_revocations_of_what_a_family_stands_for(void **state)
{
    struct token_bench *b = *state;
    char *refresh = refresh_token(b);
    token_bench_revoke(b, PKI_REVOKED_SUBJECT, "alice", 0);
    assert_false(active(b, refresh));
    free(refresh);
}

static bool lists(struct token_bench *b, const char *name, const char *json_text)
{
    struct buf text;
    buf_init(&text, 0);
    json v = json_get(json_root(b->doc), span_str(name));
    bool same = v ? json_write(&text, v) && span_eq(buf_span(&text), span_str(json_text)) : !json_text;
    if (!same)
        fprintf(stderr, "%s: %.*s\n", name, SPAN_FMT(buf_span(&text)));
    buf_fini(&text);
    return same;
}

static void metadata_says_what_is_there_and_nothing_else(void **state)
{
    struct token_bench *b = *state;
    char key[PKI_API_KEY_MAX + 1];
    assert_int_equal(token_bench_post(b, gw_metadata_visit, NULL), 200);
    assert_true(token_bench_says(b, "issuer", BENCH_ISSUER));
    assert_true(token_bench_says(b, "token_endpoint", BENCH_TOKEN_URL));
    assert_true(token_bench_says(b, "revocation_endpoint", BENCH_ISSUER "/oauth2/revoke"));
    assert_true(token_bench_says(b, "introspection_endpoint", BENCH_ISSUER "/oauth2/introspect"));
    assert_true(token_bench_says(b, "jwks_uri", BENCH_ISSUER "/oauth2/jwks"));
    assert_true(
        lists(b, "grant_types_supported",
              "[\"client_credentials\",\"refresh_token\",\"urn:ietf:params:oauth:grant-type:token-exchange\"]"));
    assert_true(lists(b, "response_types_supported", "[]"));
    assert_true(lists(b, "token_endpoint_auth_methods_supported", "[\"tls_client_auth\",\"private_key_jwt\"]"));
    assert_true(lists(b, "token_endpoint_auth_signing_alg_values_supported", "[\"ES256\"]"));
    assert_true(lists(b, "introspection_endpoint_auth_methods_supported", "[\"tls_client_auth\",\"private_key_jwt\"]"));
    assert_true(lists(b, "dpop_signing_alg_values_supported", "[\"ES256\",\"EdDSA\"]"));
    assert_true(lists(b, "tls_client_certificate_bound_access_tokens", "true"));
    assert_string_equal(token_bench_field(b, "cache-control"), "public, max-age=60");
    assert_false(b->v.no_store);
    // Only as much as is configured.
    token_bench_api_key(b, BENCH_RAG, "a", key);
    struct pki_jwks *keys = b->client_keys[0];
    b->client_keys[0] = NULL;
    assert_int_equal(token_bench_post(b, gw_metadata_visit, NULL), 200);
    b->client_keys[0] = keys;
    assert_true(lists(b, "token_endpoint_auth_methods_supported", "[\"tls_client_auth\",\"client_secret_post\"]"));
    assert_true(lists(b, "token_endpoint_auth_signing_alg_values_supported", NULL));
}

static void the_published_keys_verify_what_was_issued(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b);
    struct pki_jws jws;
    struct pki_jws_header header;
    assert_int_equal(token_bench_post(b, gw_jwks_visit, NULL), 200);
    assert_true(span_eq(b->v.content_type, SPAN("application/jwk-set+json")));
    struct pki_jwks *keys = pki_jwks_read(b->v.answer, PKI_ALG_BIT(PKI_ES256), SPAN("jwks"), &b->diags);
    assert_non_null(keys);
    assert_int_equal(0, pki_jws_split(span_str(token), PKI_TOKEN_MAX, &jws));
    assert_int_equal(0, pki_jws_header_read(jws.header, &header));
    assert_true(span_eq(header.typ, SPAN("at+jwt")));
    const struct pki_jwks_key *key = pki_jwks_find(keys, header.kid, header.alg);
    assert_non_null(key);
    assert_int_equal(0, pki_jws_verify(&jws, key->key, key->alg));
    assert_null(strstr(arena_dup(&b->visit_arena, b->v.answer).p, "\"d\""));
    pki_jws_header_fini(&header);
    pki_jwks_free(keys);
    free(token);
}

static void a_token_of_the_key_before_is_still_ours(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b);
    assert_int_equal(0, pki_signing_keys_rotate(b->a.keys, true, b->now_ms / 1000));
    char *newer = access_token(b);
    assert_true(active(b, token));
    assert_true(active(b, newer));
    free(token);
    free(newer);
}

static void our_keys_are_read_once_until_they_change(void **state)
{
    struct token_bench *b = *state;
    char *token = access_token(b);
    assert_true(active(b, token));
    const struct pki_issuers *first = b->a.own.issuers;
    uint8_t keys[32];
    memcpy(keys, b->a.own.keys, sizeof keys);
    assert_true(active(b, token));
    assert_ptr_equal(b->a.own.issuers, first);
    assert_int_equal(0, pki_signing_keys_rotate(b->a.keys, true, b->now_ms / 1000));
    assert_true(active(b, token));
    assert_memory_not_equal(b->a.own.keys, keys, sizeof keys);
    // A key that was thrown away verifies nothing any more.
    assert_int_equal(0, pki_signing_keys_forget(b->a.keys, b->now_ms / 1000));
    assert_false(active(b, token));
    // Nor does an audience that the configuration dropped.
    char *newer = access_token(b);
    assert_true(active(b, newer));
    b->snapshot.generation++;
    b->audiences[0].v = SPAN("https://other.example");
    assert_false(active(b, newer));
    free(newer);
    free(token);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_access_token_is_revoked_by_its_client_and_dead_then),
        TEST(a_refresh_token_is_revoked_with_its_family),
        TEST(another_clients_token_is_not_revoked),
        TEST(what_is_no_token_of_ours_is_200),
        TEST(without_a_registry_access_tokens_are_said_not_to_be_revoked),
        TEST(introspection_tells_a_follower_and_the_client_and_nobody_else),
        TEST(introspection_says_no_more_than_inactive_of_anything_else),
        TEST(introspection_sees_revocations_of_what_a_family_stands_for),
        TEST(metadata_says_what_is_there_and_nothing_else),
        TEST(the_published_keys_verify_what_was_issued),
        TEST(a_token_of_the_key_before_is_still_ours),
        TEST(our_keys_are_read_once_until_they_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

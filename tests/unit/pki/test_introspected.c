// SPDX-License-Identifier: GPL-3.0-or-later
// What an introspection server's answer is held to.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "pki/digest.h"
#include "pki/introspected.h"
#include "pki/token_cache.h"
#include "tests/support/jose_token.h"

#define OPAQUE "mF_9.B5f-4.1JqM~+/aa=="
#define X5T "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"

static char base[2048];

static struct pki_issuer asked_issuer(void)
{
    struct pki_issuer issuer = jose_issuer();
    issuer.claims.scope = SPAN("scope"); // as pki_issuers_add makes it
    issuer.introspection = (struct pki_introspection){ .enabled = true, .alone = true, .cache_s = 30 };
    return issuer;
}

static int setup(void **state)
{
    (void)state;
    char *active = jose_with(jose_token_base, "active", "true");
    snprintf(base, sizeof base, "%s", active);
    free(active);
    return 0;
}

static int read_as(const struct pki_issuer *issuer, const char *token, struct span answer, struct pki_token **out)
{
    uint8_t sha256[32];
    pki_sha256(span_str(token), sha256);
    return pki_introspected_read(issuer, span_str(token), sha256, answer, T + 1, NULL, out);
}

// The verdict on an answer; what comes of it is thrown away.
static int verdict(const struct pki_issuer *issuer, const char *answer)
{
    struct pki_token *t = NULL;
    int rc = read_as(issuer, OPAQUE, span_str(answer), &t);
    assert_true((rc == 0) == (t != NULL));
    pki_token_unref(t);
    return rc;
}

// The verdict on the base with one member changed.
static int with(const struct pki_issuer *issuer, const char *name, const char *value)
{
    char *answer = jose_with(base, name, value);
    int rc = verdict(issuer, answer);
    free(answer);
    return rc;
}

static void rule_17_an_answer_becomes_the_token_that_a_signature_would_have_made(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    struct pki_token *t;
    assert_int_equal(read_as(&issuer, OPAQUE, span_str(base), &t), 0);
    assert_true(t->introspected && t->issuer == &issuer);
    assert_true(span_eq(t->subject, SPAN("alice")) && span_eq(t->client_id, SPAN("rag")) &&
                span_eq(t->jti, SPAN("t1")) && span_eq(t->tenant, SPAN("acme")) &&
                span_eq(t->workload, SPAN(WORKLOAD)));
    assert_int_equal(t->roles.n, 2);
    assert_int_equal(t->actions, READ | WRITE);
    assert_true(t->has_jkt && !t->has_x5t);
    assert_int_equal(t->exp, T + 300);
    assert_int_equal(t->recheck_s, T + 1 + 30);
    uint8_t sha256[32];
    pki_sha256(SPAN(OPAQUE), sha256);
    assert_memory_equal(t->sha256, sha256, 32);
    pki_token_unref(t);
}

static void rule_17_active_is_literally_true_or_the_token_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(with(&issuer, "active", "false"), ERR_TOKEN_INACTIVE);
    static const char *const no_answer[] = { NULL, "1", "\"true\"", "null", "[true]" };
    for (size_t i = 0; i < sizeof no_answer / sizeof *no_answer; i++)
        assert_int_equal(with(&issuer, "active", no_answer[i]), ERR_INTROSPECTION);
    assert_int_equal(verdict(&issuer, "{\"active\":false}"), ERR_TOKEN_INACTIVE);
}

static void an_answer_that_is_not_one_strict_object_is_none(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    static const char *const bad[] = {
        "", "[]", "true", "{\"active\":true", "{\"active\":true}x", "{\"active\":false,\"active\":true}", "active=true",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(verdict(&issuer, bad[i]), ERR_INTROSPECTION);
    // Longer than an answer may be, and well formed.
    char *big = malloc(PKI_INTROSPECTED_MAX + 64);
    size_t n = (size_t)sprintf(big, "{\"active\":true,\"x\":\"");
    memset(big + n, 'x', PKI_INTROSPECTED_MAX);
    strcpy(big + n + PKI_INTROSPECTED_MAX, "\"}");
    assert_int_equal(verdict(&issuer, big), ERR_INTROSPECTION);
    free(big);
}

static void rule_25_iss_aud_and_times_of_an_answer_are_held_to(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(with(&issuer, "iss", NULL), 0);
    assert_int_equal(with(&issuer, "iss", "\"https://idp.example/\""), ERR_TOKEN_ISSUER);
    assert_int_equal(with(&issuer, "iss", "1"), ERR_TOKEN_ISSUER);
    assert_int_equal(with(&issuer, "aud", "\"https://elsewhere.example\""), ERR_TOKEN_AUDIENCE);
    assert_int_equal(with(&issuer, "aud", "[\"x\",\"https://gw.example\"]"), 0);
    assert_int_equal(with(&issuer, "aud", "1"), ERR_TOKEN_AUDIENCE);
    assert_int_equal(with(&issuer, "exp", "1700000001"), 0); // within the skew
    assert_int_equal(with(&issuer, "iat", "1699999000"), 0);
    assert_int_equal(with(&issuer, "nbf", "1700000100"), ERR_TOKEN_NOT_YET);
    assert_int_equal(with(&issuer, "iat", "1700000100"), ERR_TOKEN_NOT_YET);
    assert_int_equal(with(&issuer, "exp", "1700003601"), ERR_TOKEN_LIFETIME);
    assert_int_equal(with(&issuer, "exp", "\"1700000300\""), ERR_TOKEN_CLAIM);
    assert_int_equal(with(&issuer, "nbf", "\"1\""), ERR_TOKEN_CLAIM);
    char *old = jose_with(base, "iat", "1699990000"), *older = jose_with(old, "exp", "1699990300");
    assert_int_equal(verdict(&issuer, older), ERR_TOKEN_EXPIRED);
    free(old);
    free(older);
}

static void a_missing_audience_is_refused_unless_it_is_implied(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(with(&issuer, "aud", NULL), ERR_TOKEN_AUDIENCE);
    issuer.introspection.audience_implied = true;
    assert_int_equal(with(&issuer, "aud", NULL), 0);
    assert_int_equal(with(&issuer, "aud", "\"https://elsewhere.example\""), ERR_TOKEN_AUDIENCE);
    assert_int_equal(with(&issuer, "aud", "[]"), ERR_TOKEN_AUDIENCE);
}

// exp of what is read of the base without some members.
static int64_t end_without(const struct pki_issuer *issuer, bool iat, bool exp, const char *exp_value)
{
    char *one = jose_with(base, "iat", iat ? "1700000000" : NULL), *two = jose_with(one, "exp", exp ? exp_value : NULL);
    struct pki_token *t = NULL;
    int rc = read_as(issuer, OPAQUE, span_str(two), &t);
    int64_t end = rc == 0 ? t->exp : rc;
    assert_true(rc != 0 || t->recheck_s <= T + 31);
    pki_token_unref(t);
    free(one);
    free(two);
    return end;
}

static void without_exp_or_iat_max_lifetime_still_holds(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(end_without(&issuer, false, true, "1700000300"), ERR_TOKEN_CLAIM);
    assert_int_equal(end_without(&issuer, true, false, NULL), ERR_TOKEN_CLAIM);
    issuer.introspection.expiry_optional = true;
    assert_int_equal(end_without(&issuer, true, false, NULL), T + 3600);
    assert_int_equal(end_without(&issuer, false, false, NULL), T + 1 + 3600);
    assert_int_equal(end_without(&issuer, false, true, "1700003601"), T + 3601);
    assert_int_equal(end_without(&issuer, false, true, "1700003602"), ERR_TOKEN_LIFETIME);
    issuer.max_age_s = 60;
    assert_int_equal(end_without(&issuer, false, true, "1700000300"), ERR_TOKEN_CLAIM);
}

static void rule_17_cnf_of_an_answer_is_held_to(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(with(&issuer, "cnf", NULL), ERR_TOKEN_UNBOUND);
    assert_int_equal(with(&issuer, "cnf", "{}"), ERR_TOKEN_UNBOUND);
    assert_int_equal(with(&issuer, "cnf", "{\"jkt\":\"" JKT "\",\"kid\":\"x\"}"), ERR_CNF_UNKNOWN);
    assert_int_equal(with(&issuer, "cnf", "{\"jkt\":\"short\"}"), ERR_TOKEN_CLAIM);
    assert_int_equal(with(&issuer, "cnf", "\"" JKT "\""), ERR_TOKEN_CLAIM);
    assert_int_equal(with(&issuer, "cnf", "{\"x5t#S256\":\"" X5T "\"}"), 0);
    static const struct {
        enum pki_binding binding;
        int jkt, x5t, both;
    } cases[] = {
        { PKI_BIND_DPOP, 0, ERR_TOKEN_UNBOUND, 0 },
        { PKI_BIND_CERTIFICATE, ERR_TOKEN_UNBOUND, 0, 0 },
        { PKI_BIND_BOTH, ERR_TOKEN_UNBOUND, ERR_TOKEN_UNBOUND, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        issuer.binding = cases[i].binding;
        assert_int_equal(with(&issuer, "cnf", "{\"jkt\":\"" JKT "\"}"), cases[i].jkt);
        assert_int_equal(with(&issuer, "cnf", "{\"x5t#S256\":\"" X5T "\"}"), cases[i].x5t);
        assert_int_equal(with(&issuer, "cnf", "{\"jkt\":\"" JKT "\",\"x5t#S256\":\"" X5T "\"}"), cases[i].both);
    }
    // And on each use: the certificate of this connection, or the DPoP scheme.
    issuer.binding = PKI_BIND_EITHER;
    struct pki_token *t;
    char *answer = jose_with(base, "cnf", "{\"x5t#S256\":\"" X5T "\"}");
    assert_int_equal(read_as(&issuer, OPAQUE, span_str(answer), &t), 0);
    uint8_t other[32] = { 0 };
    struct pki_token_use use = { .now_s = T + 1, .workload = SPAN(WORKLOAD), .certificate_sha256 = t->x5t };
    assert_int_equal(pki_token_check(t, &use, NULL), 0);
    use.certificate_sha256 = other;
    assert_int_equal(pki_token_check(t, &use, NULL), ERR_CNF_CERTIFICATE);
    use.workload = SPAN("spiffe://prod.example/thief");
    use.certificate_sha256 = t->x5t;
    assert_int_equal(pki_token_check(t, &use, NULL), ERR_TOKEN_WORKLOAD);
    pki_token_unref(t);
    free(answer);
}

static void token_type_must_agree_with_cnf(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(with(&issuer, "token_type", "\"DPoP\""), 0);
    assert_int_equal(with(&issuer, "token_type", "\"dpop\""), 0);
    static const char *const bad[] = { "\"Bearer\"", "\"refresh_token\"", "\"\"", "1", "null" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(with(&issuer, "token_type", bad[i]), ERR_TOKEN_CLAIM);
    char *bound = jose_with(base, "cnf", "{\"x5t#S256\":\"" X5T "\"}"),
         *answer = jose_with(bound, "token_type", "\"Bearer\"");
    assert_int_equal(verdict(&issuer, answer), 0);
    free(answer);
    answer = jose_with(bound, "token_type", "\"DPoP\"");
    assert_int_equal(verdict(&issuer, answer), ERR_TOKEN_CLAIM);
    free(answer);
    free(bound);
}

static void rule_26b_an_answer_asserts_no_more_than_a_signature_could(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    assert_int_equal(with(&issuer, "roles", "[\"admin\"]"), ERR_TOKEN_ASSERTS);
    assert_int_equal(with(&issuer, "groups", "[\"g\"]"), ERR_TOKEN_ASSERTS);
    assert_int_equal(with(&issuer, "tenant", "\"other\""), ERR_TOKEN_ASSERTS);
    assert_int_equal(with(&issuer, "workload", "\"spiffe://other.example/a\""), ERR_TOKEN_ASSERTS);
    assert_int_equal(with(&issuer, "workload", NULL), ERR_TOKEN_CLAIM);
    assert_int_equal(with(&issuer, "roles", "{\"a\":1}"), ERR_TOKEN_CLAIM);
    static const struct span needed[] = { { "dept", 4 } };
    issuer.required = (struct pki_names){ needed, 1 };
    assert_int_equal(verdict(&issuer, base), ERR_TOKEN_CLAIM);
    assert_int_equal(with(&issuer, "dept", "\"x\""), 0);
}

static bool holds(struct span s, const char *part)
{
    return s.n > 0 && memmem(s.p, s.n, part, strlen(part)) != NULL;
}

static void a_token_that_the_answer_repeats_stays_out_of_all_that_lasts(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    char *one = jose_with(base, "jti", "\"mF_9.B5f-4.1JqM~+\\/aa==\""); // escaped, as some write it
    char *two = jose_with(one, "deep", "{\"a\":[\"x" OPAQUE "y\",1.50]}");
    struct pki_token *t;
    assert_int_equal(read_as(&issuer, OPAQUE, span_str(two), &t), 0);
    char hash[BASE64URL_ENCODED(32) + 1] = { 0 };
    base64url_encode(span_of(t->sha256, 32), hash);
    assert_true(holds(t->jti, hash) && span_starts(t->jti, SPAN("sha256:")));
    assert_true(holds(t->claims, hash) && !holds(t->claims, "mF_9") && holds(t->claims, "\"alice\""));
    pki_token_unref(t);
    free(two);
    two = jose_with(one, OPAQUE, "1");
    assert_int_equal(verdict(&issuer, two), ERR_INTROSPECTION);
    free(two);
    free(one);
}

static void rule_17_the_cache_keeps_an_answer_no_longer_than_it_may(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    struct pki_token_cache *cache = pki_token_cache_new(16, 1 << 20, 0);
    struct pki_token *t, *again;
    assert_int_equal(read_as(&issuer, OPAQUE, span_str(base), &t), 0);
    assert_true(pki_token_cache_put(cache, t, SPAN(WORKLOAD), 7));
    again = pki_token_cache_get(cache, t->sha256, 7, T + 30);
    assert_ptr_equal(again, t);
    pki_token_unref(again);
    assert_null(pki_token_cache_get(cache, t->sha256, 7, T + 31));
    assert_true(pki_token_cache_put(cache, t, SPAN(WORKLOAD), 7));
    assert_null(pki_token_cache_get(cache, t->sha256, 8, T + 2)); // another configuration
    pki_token_unref(t);
    // exp comes first, without the skew that a signed token has.
    char *answer = jose_with(base, "exp", "1700000004");
    assert_int_equal(read_as(&issuer, OPAQUE, span_str(answer), &t), 0);
    assert_int_equal(t->recheck_s, T + 4);
    pki_token_unref(t);
    free(answer);
    issuer.introspection.cache_s = 0;
    assert_int_equal(read_as(&issuer, OPAQUE, span_str(base), &t), 0);
    assert_true(pki_token_cache_put(cache, t, SPAN(WORKLOAD), 7));
    assert_null(pki_token_cache_get(cache, t->sha256, 7, T + 1));
    pki_token_unref(t);
    pki_token_cache_free(cache);
}

// ---- whose token it is

static struct pki_issuers *several(void)
{
    static const struct {
        const char *iss, *prefix;
        bool enabled, alone;
    } rows[] = {
        { "https://signs.example", NULL, false, false },
        { "https://any.example", NULL, true, false },
        { "https://acme.example", "acme_", true, true },
        { "https://beta.example", "beta.", true, true },
    };
    struct pki_issuers *s = pki_issuers_new();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pki_issuer issuer = jose_issuer();
        issuer.iss = span_str(rows[i].iss);
        issuer.introspection = (struct pki_introspection){ .enabled = rows[i].enabled,
                                                           .alone = rows[i].alone,
                                                           .prefix = span_str(rows[i].prefix) };
        assert_int_equal(pki_issuers_add(s, &issuer, NULL), 0);
    }
    return s;
}

static const char *asked(const struct pki_issuers *s, const char *token)
{
    const struct pki_issuer *i = pki_introspected_by(s, span_str(token));
    return i ? i->iss.p : "nobody";
}

static void an_opaque_token_is_asked_about_at_one_issuer_only(void **state)
{
    (void)state;
    struct pki_issuers *s = several();
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    assert_string_equal(asked(s, OPAQUE), "https://any.example");
    assert_string_equal(asked(s, "acme_0123456789abcdef"), "https://acme.example");
    assert_string_equal(asked(s, "acme-0123456789abcdef"), "https://any.example");
    assert_string_equal(asked(s, "beta.0123456789.abcdef"), "https://beta.example");
    static const char *const none[] = {
        "",
        "short",
        "0123456789abcde",
        "0123456789 abcdef",
        "0123456789abcdef\"",
        "=0123456789abcdef",
        "0123456789=abcdef",
        "0123456789abcd\xc3\xa9",
        "sp_test_0123456789abcdef_0123456789abcdef",
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_string_equal(asked(s, none[i]), "nobody");
    char *longest = malloc(PKI_OPAQUE_MAX + 2);
    memset(longest, 'x', PKI_OPAQUE_MAX + 1);
    longest[PKI_OPAQUE_MAX + 1] = '\0';
    assert_string_equal(asked(s, longest), "nobody");
    assert_string_equal(asked(s, longest + 1), "https://any.example");
    free(longest);
    // In the form of a JWT: only of an issuer that signs nothing, and by its own name.
    static const struct {
        const char *payload, *want;
    } signed_by[] = {
        { "{\"iss\":\"https://acme.example\"}", "https://acme.example" },
        { "{\"iss\":\"https://any.example\"}", "nobody" }, // it has keys
        { "{\"iss\":\"https://signs.example\"}", "nobody" },
        { "{\"iss\":\"https://unknown.example\"}", "nobody" },
        { "{\"iss\":1}", "nobody" },
        { "{}", "nobody" },
        { "not json", "nobody" },
    };
    for (size_t i = 0; i < sizeof signed_by / sizeof *signed_by; i++) {
        char *jwt = jose_sign("{\"alg\":\"ES256\"}", signed_by[i].payload, key, PKI_ES256);
        assert_string_equal(asked(s, jwt), signed_by[i].want);
        free(jwt);
    }
    // A JWE is refused as one, wherever there are issuers to ask. What only has dots in it is opaque.
    assert_string_equal(asked(s, "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc"), "nobody");
    assert_string_equal(asked(s, "aaaaaaaa.bbbbbbbb.cccccccc"), "https://any.example");
    pki_key_free(key);
    pki_issuers_free(s);
}

static void a_signed_token_of_an_issuer_without_keys_is_never_verified(void **state)
{
    (void)state;
    struct pki_issuer issuer = asked_issuer();
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_issuers *s = pki_issuers_new();
    assert_int_equal(pki_issuers_add(s, &issuer, NULL), 0);
    char *jwt = jose_sign(HEADER, jose_token_base, key, PKI_ES256);
    uint8_t sha256[32];
    struct pki_token *t;
    pki_sha256(span_str(jwt), sha256);
    assert_int_equal(pki_token_verify(s, NULL, span_str(jwt), sha256, T + 1, NULL, &t), ERR_TOKEN_ALG);
    free(jwt);
    pki_key_free(key);
    pki_issuers_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_17_an_answer_becomes_the_token_that_a_signature_would_have_made),
        cmocka_unit_test(rule_17_active_is_literally_true_or_the_token_is_refused),
        cmocka_unit_test(an_answer_that_is_not_one_strict_object_is_none),
        cmocka_unit_test(rule_25_iss_aud_and_times_of_an_answer_are_held_to),
        cmocka_unit_test(a_missing_audience_is_refused_unless_it_is_implied),
        cmocka_unit_test(without_exp_or_iat_max_lifetime_still_holds),
        cmocka_unit_test(rule_17_cnf_of_an_answer_is_held_to),
        cmocka_unit_test(token_type_must_agree_with_cnf),
        cmocka_unit_test(rule_26b_an_answer_asserts_no_more_than_a_signature_could),
        cmocka_unit_test(a_token_that_the_answer_repeats_stays_out_of_all_that_lasts),
        cmocka_unit_test(rule_17_the_cache_keeps_an_answer_no_longer_than_it_may),
        cmocka_unit_test(an_opaque_token_is_asked_about_at_one_issuer_only),
        cmocka_unit_test(a_signed_token_of_an_issuer_without_keys_is_never_verified),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}

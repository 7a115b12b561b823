// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "tests/support/jose_token.h"

static struct pki_key *key;

static void rule_26c_prefix_ends_at_a_segment_in_the_same_trust_domain(void **state)
{
    (void)state;
    static const struct {
        enum pki_workload_match match;
        const char *claim, *workload;
        bool want;
    } cases[] = {
        { PKI_WORKLOAD_EXACT, WORKLOAD, WORKLOAD, true },
        { PKI_WORKLOAD_EXACT, WORKLOAD, WORKLOAD "/x", false },
        { PKI_WORKLOAD_EXACT, "", "", false },
        { PKI_WORKLOAD_PREFIX, WORKLOAD, WORKLOAD, true },
        { PKI_WORKLOAD_PREFIX, "spiffe://prod.example/ns/rag", WORKLOAD, true },
        { PKI_WORKLOAD_PREFIX, "spiffe://prod.example/ns/ra", WORKLOAD, false },
        { PKI_WORKLOAD_PREFIX, "spiffe://prod.example/ns/rag", "spiffe://prod.example/ns/rag-evil", false },
        { PKI_WORKLOAD_PREFIX, "spiffe://prod.example/ns/rag/", WORKLOAD, false }, // no SPIFFE ID
        { PKI_WORKLOAD_PREFIX, "spiffe://prod.example", WORKLOAD, true },
        { PKI_WORKLOAD_PREFIX, "spiffe://prod.example", "spiffe://prod.example.evil/ns/rag", false },
        { PKI_WORKLOAD_PREFIX, "spiffe://prod", "spiffe://prod.example/ns/rag", false },
        { PKI_WORKLOAD_PREFIX, "spiffe:", WORKLOAD, false },
        { PKI_WORKLOAD_PREFIX, "spiffe://", WORKLOAD, false },
        { PKI_WORKLOAD_PREFIX, "", WORKLOAD, false },
        { PKI_WORKLOAD_PREFIX, WORKLOAD, "spiffe://prod.example/ns/rag", false }, // the wrong way round
        { PKI_WORKLOAD_UNCHECKED, "", WORKLOAD, true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pki_workload_matches(cases[i].match, span_str(cases[i].claim), span_str(cases[i].workload)) !=
            cases[i].want)
            fail_msg("%s on %s", cases[i].claim, cases[i].workload);
}

// ---- the every-time half

struct presented {
    struct pki_issuers *issuers;
    struct pki_token *token;
};

static struct presented present(const struct pki_issuer *issuer, const char *payload)
{
    struct presented p = { .issuers = jose_issuers(issuer, key) };
    char *compact = jose_sign(HEADER, payload, key, PKI_ES256);
    uint8_t sha256[32];
    pki_sha256(span_str(compact), sha256);
    assert_int_equal(pki_token_verify(p.issuers, NULL, span_str(compact), sha256, T + 1, NULL, &p.token), 0);
    free(compact);
    return p;
}

static void away(struct presented *p)
{
    pki_token_unref(p->token);
    pki_issuers_free(p->issuers);
}

static void rule_14_dpop_bound_token_as_bearer_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    issuer.binding = PKI_BIND_UNBOUND_ALLOWED;
    struct presented p = present(&issuer, jose_token_base);
    struct pki_token_use use = { .now_s = T + 1, .scheme = PKI_SCHEME_BEARER, .workload = SPAN(WORKLOAD) };
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_BOUND_AS_BEARER);
    use.scheme = PKI_SCHEME_DPOP;
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    away(&p);
    // The other way round: an unbound token does not become bound by the scheme's name.
    char *payload = jose_with(jose_token_base, "cnf", NULL);
    p = present(&issuer, payload);
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_UNBOUND);
    use.scheme = PKI_SCHEME_BEARER;
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    away(&p);
    free(payload);
}

static void rule_18_certificate_is_the_one_of_this_connection(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    char *payload = jose_with(jose_token_base, "cnf", "{\"x5t#S256\":\"" JKT "\"}");
    struct presented p = present(&issuer, payload);
    uint8_t other[32] = { 1 };
    struct pki_token_use use = { .now_s = T + 1, .workload = SPAN(WORKLOAD), .certificate_sha256 = p.token->x5t };
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    use.certificate_sha256 = other;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_CNF_CERTIFICATE);
    use.certificate_sha256 = NULL;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_CNF_CERTIFICATE);
    away(&p);
    free(payload);
    // Both members: both must hold.
    payload = jose_with(jose_token_base, "cnf", "{\"jkt\":\"" JKT "\",\"x5t#S256\":\"" JKT "\"}");
    p = present(&issuer, payload);
    use.certificate_sha256 = p.token->x5t;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_BOUND_AS_BEARER);
    use.scheme = PKI_SCHEME_DPOP;
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    use.certificate_sha256 = other;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_CNF_CERTIFICATE);
    away(&p);
    free(payload);
}

static void rule_26c_token_of_another_workload_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    struct presented p = present(&issuer, jose_token_base);
    struct pki_token_use use = { .now_s = T + 1,
                                 .scheme = PKI_SCHEME_DPOP,
                                 .workload = SPAN("spiffe://prod.example/ns/rag/sa/thief") };
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_WORKLOAD);
    use.workload = SPAN_NONE;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_WORKLOAD);
    use.workload = SPAN(WORKLOAD);
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    away(&p);
}

static void remembered_token_still_expires(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    issuer.max_age_s = 200;
    char *payload = jose_with(jose_token_base, "nbf", "1700000001");
    struct presented p = present(&issuer, payload);
    struct pki_token_use use = { .now_s = T + 204, .scheme = PKI_SCHEME_DPOP, .workload = SPAN(WORKLOAD) };
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    use.now_s = T + 206;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_EXPIRED); // max_age
    use.now_s = T + 400;
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_EXPIRED);
    use.now_s = T - 100; // the clock was set back
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_NOT_YET);
    away(&p);
    free(payload);
}

static void remembered_token_of_a_removed_key_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    struct presented p = present(&issuer, jose_token_base);
    struct pki_key_view *v = pki_key_view_new();
    struct pki_token_use use = { .now_s = T + 1, .scheme = PKI_SCHEME_DPOP, .workload = SPAN(WORKLOAD), .keys = v };
    assert_int_equal(pki_token_check(p.token, &use, NULL), 0);
    assert_int_equal(pki_key_view_add(v, issuer.iss, NULL, T), 0);
    assert_int_equal(pki_token_check(p.token, &use, NULL), ERR_TOKEN_REVOKED);
    // and a new look at the same bytes refuses as well
    char *compact = jose_sign(HEADER, jose_token_base, key, PKI_ES256);
    uint8_t sha256[32];
    struct pki_token *t = NULL;
    pki_sha256(span_str(compact), sha256);
    assert_int_equal(pki_token_verify(p.issuers, v, span_str(compact), sha256, T + 1, NULL, &t), ERR_TOKEN_REVOKED);
    assert_int_equal(pki_token_verify(p.issuers, NULL, span_str(compact), sha256, T + 100001, NULL, &t),
                     ERR_KEYS_STALE);
    assert_null(t);
    free(compact);
    pki_key_view_free(v);
    away(&p);
}

static void rule_26a_scopes_are_a_ceiling(void **state)
{
    (void)state;
    static const struct {
        const char *scope;
        bool scopeless;
        uint64_t actions;
    } cases[] = {
        { "\"vectors:read\"", false, READ },
        { "\"vectors:write\"", false, READ | WRITE },
        { "\"openid vectors:read  profile\"", false, READ },
        { "[\"vectors:write\"]", false, READ | WRITE },
        { "\"\"", false, 0 },
        { NULL, false, 0 },
        { "\"vectors:READ\"", false, 0 },
        { "\"vectors\"", false, 0 },
        { NULL, true, UINT64_MAX },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pki_issuer issuer = jose_issuer();
        issuer.scopeless = cases[i].scopeless;
        char *payload = jose_with(jose_token_base, "scope", cases[i].scope);
        struct presented p = present(&issuer, payload);
        assert_int_equal(p.token->actions, cases[i].actions);
        for (uint64_t bit = READ; bit <= DROP; bit *= 2)
            assert_int_equal(pki_token_check_scope(p.token, bit, NULL), cases[i].actions & bit ? 0 : ERR_SCOPE);
        assert_int_equal(pki_token_check_scope(p.token, READ | DROP, NULL), cases[i].scopeless ? 0 : ERR_SCOPE);
        assert_int_equal(pki_token_check_scope(p.token, 0, NULL), ERR_SCOPE);
        away(&p);
        free(payload);
    }
}

// ---- the account for `verify token`

static void on_rule(void *ctx, const char *rule, const char *what, bool ok, const char *detail)
{
    size_t *held = ctx;
    (void)detail;
    assert_true(rule && what && ok);
    *held += 1;
}

static void trace_tells_every_rule_of_a_good_presentation(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    struct presented p = present(&issuer, jose_token_base);
    size_t held = 0;
    struct pki_trace trace = { on_rule, &held };
    struct pki_token_use use = { .now_s = T, .scheme = PKI_SCHEME_DPOP, .workload = SPAN(WORKLOAD) };
    assert_int_equal(pki_token_check(p.token, &use, &trace), 0);
    assert_int_equal(held, 9);
    away(&p);
}

static int make_keys(void **state)
{
    (void)state;
    key = pki_key_generate(PKI_KEY_P256, 0);
    return key ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    pki_key_free(key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_26c_prefix_ends_at_a_segment_in_the_same_trust_domain),
        cmocka_unit_test(rule_14_dpop_bound_token_as_bearer_is_refused),
        cmocka_unit_test(rule_18_certificate_is_the_one_of_this_connection),
        cmocka_unit_test(rule_26c_token_of_another_workload_is_refused),
        cmocka_unit_test(remembered_token_still_expires),
        cmocka_unit_test(remembered_token_of_a_removed_key_is_refused),
        cmocka_unit_test(rule_26a_scopes_are_a_ceiling),
        cmocka_unit_test(trace_tells_every_rule_of_a_good_presentation),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

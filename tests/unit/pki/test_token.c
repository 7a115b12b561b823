// SPDX-License-Identifier: GPL-3.0-or-later
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "tests/support/jose_token.h"

static struct pki_key *key, *other_key;

static int verify_compact(const struct pki_issuer *issuer, const char *compact, int64_t now_s, struct pki_token **out)
{
    struct pki_issuers *s = jose_issuers(issuer, key);
    uint8_t sha256[32];
    struct pki_token *t = NULL;
    pki_sha256(span_str(compact), sha256);
    int rc = pki_token_verify(s, NULL, span_str(compact), sha256, now_s, NULL, &t);
    assert_true((rc == 0) == (t != NULL));
    if (out) {
        assert_non_null(t);
        *out = t; // its issuer is gone: only for looking at values
    } else {
        pki_token_unref(t);
    }
    pki_issuers_free(s);
    return rc;
}

static int verify(const struct pki_issuer *issuer, const char *payload, int64_t now_s)
{
    char *compact = jose_sign(HEADER, payload, key, PKI_ES256);
    int rc = verify_compact(issuer, compact, now_s, NULL);
    free(compact);
    return rc;
}

static int verify_with(const struct pki_issuer *issuer, const char *name, const char *value)
{
    char *payload = jose_with(jose_token_base, name, value);
    int rc = verify(issuer, payload, T + 1);
    free(payload);
    return rc;
}

static int verify_header_of(const struct pki_issuer *issuer, const char *header)
{
    char *compact = jose_sign(header, jose_token_base, key, PKI_ES256);
    int rc = verify_compact(issuer, compact, T + 1, NULL);
    free(compact);
    return rc;
}

static int verify_header(const char *header)
{
    struct pki_issuer issuer = jose_issuer();
    return verify_header_of(&issuer, header);
}

struct change {
    const char *name, *value;
    int rc;
};

static void all(const struct pki_issuer *issuer, const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = verify_with(issuer, changes[i].name, changes[i].value);
        if (rc != changes[i].rc)
            fail_msg("%s = %s: %.*s, not %.*s", changes[i].name, changes[i].value ? changes[i].value : "(absent)",
                     SPAN_FMT(rc ? err_info(rc)->name : SPAN("accepted")),
                     SPAN_FMT(changes[i].rc ? err_info(changes[i].rc)->name : SPAN("accepted")));
    }
}
#define ALL(issuer, changes) all(issuer, changes, sizeof changes / sizeof *changes)

static void valid_token_gives_its_claims(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    struct pki_token *t;
    char *compact = jose_sign(HEADER, jose_token_base, key, PKI_ES256);
    assert_int_equal(verify_compact(&issuer, compact, T + 1, &t), 0);
    assert_true(span_eq(t->subject, SPAN("alice")) && span_eq(t->client_id, SPAN("rag")) &&
                span_eq(t->jti, SPAN("t1")));
    assert_true(span_eq(t->kid, SPAN("k1")) && span_eq(t->tenant, SPAN("acme")) &&
                span_eq(t->workload, SPAN(WORKLOAD)));
    assert_true(span_eq(t->scope, SPAN("vectors:read vectors:write")));
    assert_int_equal(t->roles.n, 2);
    assert_true(span_eq(t->roles.at[0], SPAN("reader")) && span_eq(t->roles.at[1], SPAN("team-a")));
    assert_int_equal(t->groups.n, 0);
    assert_true(t->iat == T && t->exp == T + 300 && t->nbf == 0);
    assert_int_equal(t->actions, READ | WRITE);
    assert_true(t->has_jkt && !t->has_x5t);
    assert_true(span_eq(t->claims, span_str(jose_token_base)));
    uint8_t thumbprint[32], sha256[32];
    pki_key_thumbprint(key, thumbprint);
    pki_sha256(span_str(compact), sha256);
    assert_memory_equal(t->key_thumbprint, thumbprint, 32);
    assert_memory_equal(t->sha256, sha256, 32);
    pki_token_unref(t);
    free(compact);
}

static void rule_21_alg_none_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const char *const spellings[] = { "none", "None", "NONE", "nOnE", "" };
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char header[100];
        snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"%s\",\"kid\":\"k1\"}", spellings[i]);
        assert_int_equal(verify_header(header), ERR_TOKEN_ALG);
    }
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"kid\":\"k1\"}"), ERR_TOKEN_ALG);
    // and without a signature
    char *compact = jose_sign("{\"typ\":\"at+jwt\",\"alg\":\"none\"}", jose_token_base, key, PKI_ES256);
    strrchr(compact, '.')[1] = 0;
    assert_int_equal(verify_compact(&issuer, compact, T + 1, NULL), ERR_TOKEN_MALFORMED);
    free(compact);
}

static void rule_21_hmac_with_the_public_key_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    issuer.algs |= PKI_ALG_BIT(PKI_HS256); // even if somebody configures it
    struct buf spki, pem;
    buf_init(&spki, 0);
    buf_init(&pem, 0);
    assert_int_equal(pki_key_spki(key, &spki), 0);
    assert_int_equal(pki_key_write_public(key, &pem), 0);
    char *jwk = jose_jwk(key, false);
    const struct span secrets[] = { buf_span(&spki), buf_span(&pem), span_str(jwk), SPAN("") };
    for (size_t i = 0; i < 4; i++) {
        char *compact = jose_hmac("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\"}", jose_token_base, secrets[i]);
        assert_int_equal(verify_compact(&issuer, compact, T + 1, NULL), ERR_TOKEN_ALG);
        free(compact);
    }
    free(jwk);
    buf_fini(&spki);
    buf_fini(&pem);
}

static void rule_21_alg_not_on_the_issuers_list_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"alg\":\"RS256\",\"kid\":\"k1\"}"), ERR_TOKEN_ALG);
    // On the list, but no key of the issuer has it: one key, one alg.
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"alg\":\"ES384\",\"kid\":\"k1\"}"), ERR_TOKEN_KEY);
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"alg\":\"EdDSA\",\"kid\":\"k1\"}"), ERR_TOKEN_KEY);
    assert_int_equal(verify(&issuer, jose_token_base, T + 1), 0);
}

static void rule_22_signature_of_another_key_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    char *compact = jose_sign(HEADER, jose_token_base, other_key, PKI_ES256);
    assert_int_equal(verify_compact(&issuer, compact, T + 1, NULL), ERR_TOKEN_SIGNATURE);
    free(compact);
}

static void rule_23_token_that_brings_its_own_key_is_refused(void **state)
{
    (void)state;
    char *jwk = jose_jwk(other_key, false), header[1024];
    snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"jwk\":%s}", jwk);
    assert_int_equal(verify_header(header), ERR_TOKEN_HEADER_KEY);
    static const char *const members[] = { "\"jku\":\"https://evil.example/keys\"",
                                           "\"x5u\":\"https://evil.example/c\"", "\"x5c\":[\"MIIB\"]" };
    for (size_t i = 0; i < 3; i++) {
        snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\",%s}", members[i]);
        assert_int_equal(verify_header(header), ERR_TOKEN_HEADER_KEY);
    }
    free(jwk);
}

static void rule_23_unknown_crit_is_refused(void **state)
{
    (void)state;
    assert_int_equal(
        verify_header("{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\",\"crit\":[\"exp\"],\"exp\":1}"),
        ERR_TOKEN_CRIT);
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\",\"b64\":false}"),
                     ERR_TOKEN_CRIT);
}

static void rule_23_duplicate_members_are_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"k1\",\"kid\":\"k1\"}"),
                     ERR_TOKEN_MALFORMED);
    char payload[2048];
    snprintf(payload, sizeof payload, "{\"sub\":\"root\",%s", jose_token_base + 1);
    assert_int_equal(verify(&issuer, payload, T + 1), ERR_TOKEN_MALFORMED);
    assert_int_equal(verify_with(&issuer, "x", "{\"a\":1,\"a\":2}"), ERR_TOKEN_MALFORMED);
}

static void rule_23_kid_is_only_a_lookup_key(void **state)
{
    (void)state;
    assert_int_equal(verify_header("{\"typ\":\"at+jwt\",\"alg\":\"ES256\"}"), 0); // one key: no kid needed
    static const char *const kids[] = { "", "k2", "k1 ", "K1", "../k1", "' OR 1=1 --" };
    for (size_t i = 0; i < sizeof kids / sizeof *kids; i++) {
        char header[200];
        snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"ES256\",\"kid\":\"%s\"}", kids[i]);
        assert_int_equal(verify_header(header), ERR_TOKEN_KEY);
    }
}

static void rule_24_typ_is_explicit(void **state)
{
    (void)state;
    assert_int_equal(verify_header("{\"typ\":\"application/at+jwt\",\"alg\":\"ES256\"}"), 0);
    assert_int_equal(verify_header("{\"typ\":\"AT+JWT\",\"alg\":\"ES256\"}"), 0); // media types have no case
    static const char *const others[] = { "{\"alg\":\"ES256\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"JWT\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"at+jwt2\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"text/at+jwt\"}",
                                          "{\"alg\":\"ES256\",\"typ\":\"application/\"}" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(verify_header(others[i]), ERR_TOKEN_TYP);
}

static void rule_24_where_typ_is_absent_a_token_with_one_is_something_else(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    issuer.typ = SPAN("");
    assert_int_equal(verify_header_of(&issuer, "{\"alg\":\"ES256\"}"), 0);
    assert_int_equal(verify_header_of(&issuer, "{\"alg\":\"ES256\",\"typ\":\"\"}"), ERR_TOKEN_TYP);
    assert_int_equal(verify_header_of(&issuer, "{\"alg\":\"ES256\",\"typ\":\"JWT\"}"), ERR_TOKEN_TYP);
    assert_int_equal(verify_header_of(&issuer, "{\"alg\":\"ES256\",\"typ\":\"dpop+jwt\"}"), ERR_TOKEN_TYP);
}

static void rule_25_iss_is_exact(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change changes[] = {
        { "iss", NULL, ERR_TOKEN_ISSUER },
        { "iss", "\"https://idp.example/\"", ERR_TOKEN_ISSUER },
        { "iss", "\"https://IDP.example\"", ERR_TOKEN_ISSUER },
        { "iss", "[\"https://idp.example\"]", ERR_TOKEN_ISSUER },
        { "iss", "null", ERR_TOKEN_ISSUER },
    };
    ALL(&issuer, changes);
}

static void rule_25_aud_contains_this_gateway(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change changes[] = {
        { "aud", "[\"x\",\"https://gw.example\"]", 0 },
        { "aud", "\"https://other.example\"", 0 },
        { "aud", NULL, ERR_TOKEN_AUDIENCE },
        { "aud", "[]", ERR_TOKEN_AUDIENCE },
        { "aud", "\"https://gw.example/\"", ERR_TOKEN_AUDIENCE },
        { "aud", "\"https://gw.example https://gw.example\"", ERR_TOKEN_AUDIENCE },
        { "aud", "{\"https://gw.example\":1}", ERR_TOKEN_AUDIENCE },
        { "aud", "[7,\"https://gw.example\"]", ERR_TOKEN_AUDIENCE },
        { "aud", "null", ERR_TOKEN_AUDIENCE },
    };
    ALL(&issuer, changes);
    issuer.audiences.n = 0; // nothing configured: nothing accepted
    assert_int_equal(verify(&issuer, jose_token_base, T + 1), ERR_TOKEN_AUDIENCE);
}

static void rule_25_times_are_numbers_and_hold(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change changes[] = {
        { "exp", NULL, ERR_TOKEN_CLAIM },
        { "exp", "\"1700000300\"", ERR_TOKEN_CLAIM },
        { "exp", "-1", ERR_TOKEN_CLAIM },
        { "exp", "1e300", ERR_TOKEN_CLAIM },
        { "exp", "1700000300.9", 0 },
        { "exp", "1700000000", ERR_TOKEN_CLAIM }, // not after iat
        { "iat", NULL, ERR_TOKEN_CLAIM },
        { "iat", "true", ERR_TOKEN_CLAIM },
        { "iat", "1700000006", 0 }, // a clock five seconds ahead
        { "iat", "1700000007", ERR_TOKEN_NOT_YET },
        { "nbf", "1700000006", 0 },
        { "nbf", "1700000007", ERR_TOKEN_NOT_YET },
        { "nbf", "\"soon\"", ERR_TOKEN_CLAIM },
        { "nbf", "null", ERR_TOKEN_CLAIM },
        { "exp", "1700003600", 0 }, // an hour
        { "exp", "1700003601", ERR_TOKEN_LIFETIME },
    };
    ALL(&issuer, changes);
    assert_int_equal(verify(&issuer, jose_token_base, T + 304), 0); // skew
    assert_int_equal(verify(&issuer, jose_token_base, T + 305), ERR_TOKEN_EXPIRED);
    issuer.max_age_s = 60;
    assert_int_equal(verify(&issuer, jose_token_base, T + 65), 0);
    assert_int_equal(verify(&issuer, jose_token_base, T + 66), ERR_TOKEN_EXPIRED);
}

static void rule_25_required_claims_are_there(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change rfc9068[] = {
        { "sub", NULL, ERR_TOKEN_CLAIM },
        { "sub", "7", ERR_TOKEN_CLAIM },
        { "sub", "\"\"", ERR_TOKEN_CLAIM },
        { "client_id", NULL, ERR_TOKEN_CLAIM },
        { "jti", NULL, ERR_TOKEN_CLAIM },
        { "jti", "{}", ERR_TOKEN_CLAIM },
        { "sub", "\"a\\u0000b\"", ERR_TOKEN_CLAIM },
    };
    ALL(&issuer, rfc9068);
    static const struct span required[] = { { "acr", 3 }, { "/ctx/region", 11 } };
    issuer.required = (struct pki_names){ required, 2 };
    assert_int_equal(verify(&issuer, jose_token_base, T + 1), ERR_TOKEN_CLAIM);
    char *one = jose_with(jose_token_base, "acr", "\"2\""), *both = jose_with(one, "ctx", "{\"region\":\"eu\"}"),
         *null = jose_with(one, "ctx", "{\"region\":null}");
    assert_int_equal(verify(&issuer, one, T + 1), ERR_TOKEN_CLAIM);
    assert_int_equal(verify(&issuer, null, T + 1), ERR_TOKEN_CLAIM);
    assert_int_equal(verify(&issuer, both, T + 1), 0);
    free(one);
    free(both);
    free(null);
}

static void rule_26_what_is_no_jwt_is_refused(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const char *const wrong[] = { "",
                                         "x",
                                         "a.b",
                                         "opaque-token-of-some-kind",
                                         "e30.e30.e30.e30",
                                         "e30.e30.",
                                         "eyJhbGciOiJFUzI1NiJ9.*.e30",
                                         "*.e30.e30",
                                         "eyJhbGciOiJFUzI1NiJ9.e30" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(verify_compact(&issuer, wrong[i], T, NULL), ERR_TOKEN_MALFORMED);
    assert_int_equal(verify_compact(&issuer, "e30.e30.e30.e30.e30", T, NULL), ERR_TOKEN_ENCRYPTED);
    static const char *const payloads[] = { "", "[]", "null", "\"x\"", "{\"iss\":", "{} {}", "\xef\xbb\xbf{}" };
    for (size_t i = 1; i < sizeof payloads / sizeof *payloads; i++)
        assert_int_equal(verify(&issuer, payloads[i], T), ERR_TOKEN_MALFORMED);
    // One character more, padding, white space: other bytes are another token.
    char *compact = jose_sign(HEADER, jose_token_base, key, PKI_ES256), text[4096];
    snprintf(text, sizeof text, "%s=", compact);
    assert_int_equal(verify_compact(&issuer, text, T, NULL), ERR_TOKEN_MALFORMED);
    snprintf(text, sizeof text, "%s ", compact);
    assert_int_equal(verify_compact(&issuer, text, T, NULL), ERR_TOKEN_MALFORMED);
    snprintf(text, sizeof text, "%sA", compact);
    assert_int_not_equal(verify_compact(&issuer, text, T, NULL), 0);
    free(compact);
    char *huge = malloc(PKI_TOKEN_MAX + 2);
    memset(huge, 'A', PKI_TOKEN_MAX + 1);
    huge[10] = huge[20] = '.';
    huge[PKI_TOKEN_MAX + 1] = 0;
    assert_int_equal(verify_compact(&issuer, huge, T, NULL), ERR_TOKEN_MALFORMED);
    free(huge);
}

static void rule_18_cnf_is_understood_whole(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change changes[] = {
        { "cnf", "{\"jkt\":\"" JKT "\",\"x5t#S256\":\"" JKT "\"}", 0 },
        { "cnf", "{\"x5t#S256\":\"" JKT "\"}", 0 },
        { "cnf", "{\"jkt\":\"" JKT "\",\"kid\":\"k\"}", ERR_CNF_UNKNOWN },
        { "cnf", "{\"jwk\":{}}", ERR_CNF_UNKNOWN },
        { "cnf", "{\"x5t#s256\":\"" JKT "\",\"jkt\":\"" JKT "\"}", ERR_CNF_UNKNOWN },
        { "cnf", "{\"jkt\":\"" JKT "=\"}", ERR_TOKEN_CLAIM },
        { "cnf", "{\"jkt\":\"short\"}", ERR_TOKEN_CLAIM },
        { "cnf", "{\"jkt\":null,\"x5t#S256\":\"" JKT "\"}", ERR_TOKEN_CLAIM },
        { "cnf", "[\"" JKT "\"]", ERR_TOKEN_CLAIM },
        { "cnf", "null", ERR_TOKEN_CLAIM },
        { "cnf", "{}", ERR_TOKEN_UNBOUND },
        { "cnf", NULL, ERR_TOKEN_UNBOUND },
    };
    ALL(&issuer, changes);
}

static void unbound_token_is_refused_unless_allowed_by_name(void **state)
{
    (void)state;
    static const char *const cnf[] = { NULL, "{\"jkt\":\"" JKT "\"}", "{\"x5t#S256\":\"" JKT "\"}",
                                       "{\"jkt\":\"" JKT "\",\"x5t#S256\":\"" JKT "\"}" };
    static const struct {
        enum pki_binding binding;
        bool ok[4]; // none, jkt, x5t, both
    } rows[] = {
        { PKI_BIND_EITHER, { false, true, true, true } },         { PKI_BIND_DPOP, { false, true, false, true } },
        { PKI_BIND_CERTIFICATE, { false, false, true, true } },   { PKI_BIND_BOTH, { false, false, false, true } },
        { PKI_BIND_UNBOUND_ALLOWED, { true, true, true, true } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pki_issuer issuer = jose_issuer();
        issuer.binding = rows[i].binding;
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(verify_with(&issuer, "cnf", cnf[j]), rows[i].ok[j] ? 0 : ERR_TOKEN_UNBOUND);
    }
}

static void rule_26b_issuer_asserts_only_what_is_its_own(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change changes[] = {
        { "roles", "[\"reader\"]", 0 },
        { "roles", "\"team-z\"", 0 },
        { "roles", NULL, 0 },
        { "roles", "[]", 0 },
        { "roles", "[\"reader\",\"admin\"]", ERR_TOKEN_ASSERTS },
        { "roles", "[\"Reader\"]", ERR_TOKEN_ASSERTS },
        { "roles", "\"reader admin\"", ERR_TOKEN_ASSERTS }, // roles are not split
        { "roles", "[7]", ERR_TOKEN_CLAIM },
        { "roles", "{\"reader\":true}", ERR_TOKEN_CLAIM },
        { "scope", "7", ERR_TOKEN_CLAIM },
        { "groups", "[\"staff\"]", ERR_TOKEN_ASSERTS }, // none listed: none may be asserted
        { "tenant", "\"globex\"", ERR_TOKEN_ASSERTS },
        { "tenant", "[\"acme\"]", ERR_TOKEN_CLAIM },
        { "tenant", NULL, 0 },
        { "workload", "\"spiffe://evil.example/ns/rag/sa/api\"", ERR_TOKEN_ASSERTS },
        { "workload", "\"spiffe://prod.example.evil/ns/rag/sa/api\"", ERR_TOKEN_ASSERTS },
    };
    ALL(&issuer, changes);
    issuer.assert_roles.n = issuer.assert_tenants.n = 0;
    assert_int_equal(verify(&issuer, jose_token_base, T + 1), ERR_TOKEN_ASSERTS);
}

static void claims_are_found_by_pointer(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    issuer.claims.roles = SPAN("/realm_access/roles");
    struct pki_token *t;
    char *payload = jose_with(jose_token_base, "realm_access", "{\"roles\":[\"team-q\"]}");
    char *compact = jose_sign(HEADER, payload, key, PKI_ES256);
    assert_int_equal(verify_compact(&issuer, compact, T + 1, &t), 0);
    assert_int_equal(t->roles.n, 1);
    assert_true(span_eq(t->roles.at[0], SPAN("team-q")));
    pki_token_unref(t);
    free(compact);
    free(payload);
    issuer.claims.roles = SPAN("/a~1b/~0");
    assert_int_equal(verify_with(&issuer, "a/b", "{\"~\":[\"admin\"]}"), ERR_TOKEN_ASSERTS); // found, and refused
}

static void rule_26c_workload_claim_is_a_spiffe_id(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    static const struct change changes[] = {
        { "workload", NULL, ERR_TOKEN_CLAIM },
        { "workload", "\"\"", ERR_TOKEN_CLAIM },
        { "workload", "\"rag\"", ERR_TOKEN_CLAIM },
        { "workload", "\"spiffe:\"", ERR_TOKEN_CLAIM },
        { "workload", "\"spiffe://prod.example/ns/../x\"", ERR_TOKEN_CLAIM },
        { "workload", "\"spiffe://prod.example/ns/\"", ERR_TOKEN_CLAIM },
        { "workload", "[\"" WORKLOAD "\"]", ERR_TOKEN_CLAIM },
    };
    ALL(&issuer, changes);
    issuer.workload_match = PKI_WORKLOAD_UNCHECKED;
    assert_int_equal(verify_with(&issuer, "workload", NULL), 0);
    assert_int_equal(verify_with(&issuer, "workload", "\"system:serviceaccount:prod:rag\""), 0);
    assert_int_equal(verify_with(&issuer, "workload", "\"spiffe://elsewhere.example/rag\""), ERR_TOKEN_ASSERTS);
}

// ---- the account for `verify token`

struct log {
    size_t held, broken;
    char rule[16];
};

static void on_rule(void *ctx, const char *rule, const char *what, bool ok, const char *detail)
{
    struct log *log = ctx;
    (void)detail;
    assert_non_null(what);
    assert_int_equal(log->broken, 0); // nothing is looked at after the first that does not hold
    *(ok ? &log->held : &log->broken) += 1;
    snprintf(log->rule, sizeof log->rule, "%s", rule);
}

static void trace_ends_with_the_rule_that_failed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *rule;
    } cases[] = {
        { "iss", "\"x\"", "25" },       { "aud", "\"x\"", "25" },        { "exp", "1", "25" },
        { "cnf", "{\"a\":1}", "18" },   { "roles", "\"admin\"", "26b" }, { "workload", "7", "25" },
        { "workload", "\"x\"", "26c" },
    };
    struct pki_issuer issuer = jose_issuer();
    struct pki_issuers *s = jose_issuers(&issuer, key);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log log = { 0 };
        struct pki_trace trace = { on_rule, &log };
        char *payload = jose_with(jose_token_base, cases[i].name, cases[i].value),
             *compact = jose_sign(HEADER, payload, key, PKI_ES256);
        uint8_t sha256[32];
        struct pki_token *t;
        pki_sha256(span_str(compact), sha256);
        assert_int_not_equal(pki_token_verify(s, NULL, span_str(compact), sha256, T, &trace, &t), 0);
        assert_int_equal(log.broken, 1);
        assert_string_equal(log.rule, cases[i].rule);
        free(compact);
        free(payload);
    }
    pki_issuers_free(s);
}

// Of a fleet whose tokens ran out each may be sent many times: no signature is verified for that. Who asks why hears of the signature first.
static void a_token_that_is_over_is_refused_before_its_signature(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    struct pki_issuers *s = jose_issuers(&issuer, key);
    struct log log = { 0 };
    struct pki_trace trace = { on_rule, &log };
    char *compact = jose_sign(HEADER, jose_token_base, other_key, PKI_ES256);
    uint8_t sha256[32];
    struct pki_token *t;
    pki_sha256(span_str(compact), sha256);
    assert_int_equal(verify_compact(&issuer, compact, T, NULL), ERR_TOKEN_SIGNATURE);
    assert_int_equal(verify_compact(&issuer, compact, T + 100000, NULL), ERR_TOKEN_EXPIRED);
    assert_int_equal(verify_compact(&issuer, compact, T - 100000, NULL), ERR_TOKEN_NOT_YET);
    assert_int_equal(pki_token_verify(s, NULL, span_str(compact), sha256, T + 100000, &trace, &t), ERR_TOKEN_SIGNATURE);
    free(compact);
    pki_issuers_free(s);
}

// ---- loops at once

enum { KINDS = 6, LOOPS = 3, ROUNDS = 40 };
static const struct {
    enum pki_key_type type;
    enum pki_alg alg;
    const char *name;
} kinds[KINDS] = {
    { PKI_KEY_P256, PKI_ES256, "ES256" },    { PKI_KEY_P384, PKI_ES384, "ES384" }, { PKI_KEY_P521, PKI_ES512, "ES512" },
    { PKI_KEY_ED25519, PKI_EDDSA, "EdDSA" }, { PKI_KEY_RSA, PKI_RS256, "RS256" },  { PKI_KEY_RSA, PKI_PS256, "PS256" },
};

struct shared {
    struct pki_issuers *issuers;
    char *good[KINDS], *bad[KINDS];
    _Atomic(int) wrong;
};

static void *one_loop(void *ctx)
{
    struct shared *s = ctx;
    for (int i = 0; i < ROUNDS * KINDS; i++) {
        struct span compact = span_str(i % 4 == 3 ? s->bad[i % KINDS] : s->good[i % KINDS]);
        uint8_t sha256[32];
        struct pki_token *t = NULL;
        pki_sha256(compact, sha256);
        int rc = pki_token_verify(s->issuers, NULL, compact, sha256, T + 1, NULL, &t);
        if (rc != (i % 4 == 3 ? ERR_TOKEN_SIGNATURE : 0))
            s->wrong = 1;
        pki_token_unref(t);
    }
    return NULL;
}

// The keys of an issuer are in the snapshot, and wolfSSL keeps scratch state in its keys: every loop verifies with them at once.
// (The thread sanitizer says what this test can only hope to see.)
static void rule_21_issuer_keys_serve_all_loops_at_once(void **state)
{
    (void)state;
    struct pki_issuer issuer = jose_issuer();
    struct shared s = { .issuers = pki_issuers_new() };
    struct pki_key *keys[KINDS];
    struct buf set;
    struct diags d;
    buf_init(&set, 0);
    diags_init(&d);
    issuer.algs = 0;
    for (int i = 0; i < KINDS; i++) {
        char header[128];
        keys[i] = pki_key_generate(kinds[i].type, 2048);
        assert_non_null(keys[i]);
        issuer.algs |= PKI_ALG_BIT(kinds[i].alg);
        char *jwk = jose_jwk(keys[i], false);
        buf_printf(&set, "%s%.*s,\"kid\":\"k%d\",\"alg\":\"%s\"}", i ? "," : "{\"keys\":[", (int)strlen(jwk) - 1, jwk,
                   i, kinds[i].name);
        free(jwk);
        snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"%s\",\"kid\":\"k%d\"}", kinds[i].name, i);
        s.good[i] = jose_sign(header, jose_token_base, keys[i], kinds[i].alg);
        s.bad[i] = jose_sign(header, jose_token_base, keys[i], kinds[i].alg);
        char *last = strrchr(s.bad[i], '.') + 20;
        *last = *last == 'A' ? 'B' : 'A';
    }
    buf_append(&set, SPAN("]}"));
    struct pki_jwks *jwks = pki_jwks_read(buf_span(&set), issuer.algs, SPAN("f"), &d);
    assert_non_null(jwks);
    assert_int_equal(pki_issuers_add(s.issuers, &issuer, jwks), 0);
    pthread_t threads[LOOPS];
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_loop, &s), 0);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(s.wrong, 0);
    for (int i = 0; i < KINDS; i++) {
        free(s.good[i]);
        free(s.bad[i]);
        pki_key_free(keys[i]);
    }
    pki_issuers_free(s.issuers);
    buf_fini(&set);
    diags_fini(&d);
}

static int make_keys(void **state)
{
    (void)state;
    key = pki_key_generate(PKI_KEY_P256, 0);
    other_key = pki_key_generate(PKI_KEY_P256, 0);
    return key && other_key ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    pki_key_free(key);
    pki_key_free(other_key);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_token_gives_its_claims),
        cmocka_unit_test(rule_21_alg_none_is_refused),
        cmocka_unit_test(rule_21_hmac_with_the_public_key_is_refused),
        cmocka_unit_test(rule_21_alg_not_on_the_issuers_list_is_refused),
        cmocka_unit_test(rule_22_signature_of_another_key_is_refused),
        cmocka_unit_test(rule_23_token_that_brings_its_own_key_is_refused),
        cmocka_unit_test(rule_23_unknown_crit_is_refused),
        cmocka_unit_test(rule_23_duplicate_members_are_refused),
        cmocka_unit_test(rule_23_kid_is_only_a_lookup_key),
        cmocka_unit_test(rule_24_typ_is_explicit),
        cmocka_unit_test(rule_24_where_typ_is_absent_a_token_with_one_is_something_else),
        cmocka_unit_test(rule_25_iss_is_exact),
        cmocka_unit_test(rule_25_aud_contains_this_gateway),
        cmocka_unit_test(rule_25_times_are_numbers_and_hold),
        cmocka_unit_test(rule_25_required_claims_are_there),
        cmocka_unit_test(rule_26_what_is_no_jwt_is_refused),
        cmocka_unit_test(rule_18_cnf_is_understood_whole),
        cmocka_unit_test(unbound_token_is_refused_unless_allowed_by_name),
        cmocka_unit_test(rule_26b_issuer_asserts_only_what_is_its_own),
        cmocka_unit_test(claims_are_found_by_pointer),
        cmocka_unit_test(rule_26c_workload_claim_is_a_spiffe_id),
        cmocka_unit_test(trace_ends_with_the_rule_that_failed),
        cmocka_unit_test(a_token_that_is_over_is_refused_before_its_signature),
        cmocka_unit_test(rule_21_issuer_keys_serve_all_loops_at_once),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

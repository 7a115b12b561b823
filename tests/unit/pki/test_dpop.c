// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/htu.h"
#include "tests/support/jose.h"

#define T INT64_C(1700000000)
#define HTU "https://gw.example/collections/docs/points/search"
#define ALGS (PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_ES384) | PKI_ALG_BIT(PKI_EDDSA) | PKI_ALG_BIT(PKI_RS256))

static struct pki_key *key, *other_key, *p384, *ed, *rsa;
static uint8_t ath[32], jkt[32];
static char ath_text[44];
static struct pki_nonce_keys nonces;

static struct pki_dpop_params params_base(void)
{
    return (struct pki_dpop_params){ .algs = ALGS, .window_ms = 60000, .ahead_ms = 5000 };
}

static struct pki_dpop_request request_base(void)
{
    return (struct pki_dpop_request){
        .method = SPAN("POST"),
        .htu = SPAN(HTU),
        .ath = ath,
        .jkt = jkt,
        .now_ms = T * 1000 + 500,
        .nonces = &nonces,
    };
}

// A header for `k`; `more` is put in as written.
static char *header_of(const struct pki_key *k, const char *typ, const char *alg, const char *more)
{
    char *jwk = jose_jwk(k, false), *text;
    assert_true(asprintf(&text, "{\"typ\":\"%s\",\"alg\":\"%s\",\"jwk\":%s%s}", typ, alg, jwk, more) > 0);
    free(jwk);
    return text;
}

static char *payload_base(void)
{
    char *text;
    assert_true(asprintf(&text,
                         "{\"jti\":\"j1\",\"htm\":\"POST\",\"htu\":\"" HTU "\",\"iat\":1700000000,\"ath\":\"%s\"}",
                         ath_text) > 0);
    return text;
}

static int check(const struct pki_dpop_params *params, const struct pki_dpop_request *request, const char *compact)
{
    struct arena arena;
    struct pki_proof proof = { .jti = SPAN_NONE };
    arena_init(&arena, 0);
    int rc = pki_dpop_verify(params, request, span_str(compact), NULL, &arena, NULL, &proof);
    if (rc == 0)
        pki_proof_fini(&proof);
    arena_fini(&arena);
    return rc;
}

static int check_parts(const char *header, const char *payload, const struct pki_key *k, enum pki_alg alg)
{
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char *compact = jose_sign(header, payload, k, alg);
    int rc = check(&params, &request, compact);
    free(compact);
    return rc;
}

static int check_header(const char *typ, const char *alg, const char *more)
{
    char *header = header_of(key, typ, alg, more), *payload = payload_base();
    int rc = check_parts(header, payload, key, PKI_ES256);
    free(header);
    free(payload);
    return rc;
}

static int check_claim_with(const struct pki_dpop_params *params, const struct pki_dpop_request *request,
                            const char *name, const char *value)
{
    char *header = header_of(key, "dpop+jwt", "ES256", ""), *base = payload_base(),
         *payload = jose_with(base, name, value);
    char *compact = jose_sign(header, payload, key, PKI_ES256);
    int rc = check(params, request, compact);
    free(compact);
    free(payload);
    free(base);
    free(header);
    return rc;
}

static int check_claim(const char *name, const char *value)
{
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    return check_claim_with(&params, &request, name, value);
}

struct change {
    const char *name, *value;
    int rc;
};

static void all(const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = check_claim(changes[i].name, changes[i].value);
        if (rc != changes[i].rc)
            fail_msg("%s = %s: %.*s", changes[i].name, changes[i].value ? changes[i].value : "(absent)",
                     SPAN_FMT(rc ? err_info(rc)->name : SPAN("accepted")));
    }
}
#define ALL(changes) all(changes, sizeof changes / sizeof *changes)

static void valid_proof_gives_its_facts(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    struct arena arena;
    struct pki_proof proof;
    char *header = header_of(key, "dpop+jwt", "ES256", ""), *payload = payload_base();
    char *compact = jose_sign(header, payload, key, PKI_ES256);
    arena_init(&arena, 0);
    assert_int_equal(pki_dpop_verify(&params, &request, span_str(compact), NULL, &arena, NULL, &proof), 0);
    assert_memory_equal(proof.jkt, jkt, 32);
    assert_true(span_eq(proof.jti, SPAN("j1")));
    assert_int_equal(proof.alg, PKI_ES256);
    assert_true(proof.iat_ms == T * 1000 && proof.keep_until_ms == T * 1000 + 65000 && !proof.nonce_due);
    assert_non_null(proof.fresh);
    pki_proof_fini(&proof);
    assert_null(proof.fresh);
    arena_fini(&arena);
    free(compact);
    free(header);
    free(payload);
}

static void rule_2_proof_is_one_compact_jws(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char *header = header_of(key, "dpop+jwt", "ES256", ""), *payload = payload_base(), text[4096];
    char *compact = jose_sign(header, payload, key, PKI_ES256);
    assert_int_equal(check(&params, &request, compact), 0);
    static const char *const around[][2] = { { "", "," }, { "", " " }, { " ", "" }, { "", "=" },
                                             { "", "." }, { ".", "" }, { "", "\n" } };
    for (size_t i = 0; i < sizeof around / sizeof *around; i++) {
        snprintf(text, sizeof text, "%s%s%s", around[i][0], compact, around[i][1]);
        assert_int_equal(check(&params, &request, text), ERR_PROOF_MALFORMED);
    }
    snprintf(text, sizeof text, "%s, %s", compact, compact); // two fields joined by a proxy
    assert_int_equal(check(&params, &request, text), ERR_PROOF_MALFORMED);
    static const char *const wrong[] = { "", "x", "..", "a.b.c.d.e", "e30.e30", "{}.{}.{}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(check(&params, &request, wrong[i]), ERR_PROOF_MALFORMED);
    // A lax decoder would take the last character of the signature in several spellings.
    char *last = compact + strlen(compact) - 1;
    *last = (char)(*last == 'A' ? 'B' : *last == 'Q' ? 'R' : *last == 'g' ? 'h' : 'x');
    assert_int_equal(check(&params, &request, compact), ERR_PROOF_MALFORMED);
    assert_int_equal(check_parts(header, "[]", key, PKI_ES256), ERR_PROOF_MALFORMED);
    assert_int_equal(check_parts(header, "{\"jti\":\"a\",\"jti\":\"b\"}", key, PKI_ES256), ERR_PROOF_MALFORMED);
    char *huge = malloc(PKI_PROOF_MAX + 2);
    memset(huge, 'A', PKI_PROOF_MAX + 1);
    huge[10] = huge[20] = '.';
    huge[PKI_PROOF_MAX + 1] = 0;
    assert_int_equal(check(&params, &request, huge), ERR_PROOF_MALFORMED);
    free(huge);
    free(compact);
    free(header);
    free(payload);
    assert_int_equal(check_header("dpop+jwt", "ES256", ",\"crit\":[\"b64\"],\"b64\":true"), ERR_PROOF_CRIT);
    assert_int_equal(check_header("dpop+jwt", "ES256", ",\"typ\":\"dpop+jwt\""), ERR_PROOF_MALFORMED);
}

static void rule_3_claims_are_there_with_the_right_types(void **state)
{
    (void)state;
    static const struct change changes[] = {
        { "jti", NULL, ERR_PROOF_CLAIM },
        { "jti", "\"\"", ERR_PROOF_CLAIM },
        { "jti", "7", ERR_PROOF_CLAIM },
        { "jti", "null", ERR_PROOF_CLAIM },
        { "jti", "[\"j\"]", ERR_PROOF_CLAIM },
        { "jti", "\"a\\u0000\"", ERR_PROOF_CLAIM },
        { "htm", NULL, ERR_PROOF_CLAIM },
        { "htm", "[\"POST\"]", ERR_PROOF_CLAIM },
        { "htu", NULL, ERR_PROOF_CLAIM },
        { "htu", "{}", ERR_PROOF_CLAIM },
        { "iat", NULL, ERR_PROOF_CLAIM },
        { "iat", "\"1700000000\"", ERR_PROOF_CLAIM },
        { "iat", "true", ERR_PROOF_CLAIM },
        { "iat", "-1", ERR_PROOF_CLAIM },
        { "iat", "1e40", ERR_PROOF_CLAIM },
        { "iat", "1700000000.25", 0 },
        { "exp", "1", 0 }, // not a claim of proofs
    };
    ALL(changes);
}

static void rule_4_typ_is_dpop_jwt(void **state)
{
    (void)state;
    assert_int_equal(check_header("dpop+jwt", "ES256", ""), 0);
    assert_int_equal(check_header("application/dpop+jwt", "ES256", ""), 0);
    static const char *const others[] = { "", "JWT", "at+jwt", "dpop", "dpop+jwt ", "dpop+jws" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(check_header(others[i], "ES256", ""), ERR_PROOF_TYP);
    char *jwk = jose_jwk(key, false), *header, *payload = payload_base();
    assert_true(asprintf(&header, "{\"alg\":\"ES256\",\"jwk\":%s}", jwk) > 0);
    assert_int_equal(check_parts(header, payload, key, PKI_ES256), ERR_PROOF_TYP);
    free(header);
    free(jwk);
    free(payload);
}

static void rule_5_alg_is_asymmetric_and_allowed(void **state)
{
    (void)state;
    static const char *const others[] = { "none",  "NONE",  "",      "HS256", "HS512", "ES384",
                                          "ES512", "EdDSA", "RS256", "PS256", "es256" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(check_header("dpop+jwt", others[i], ""), ERR_PROOF_ALG);
    // Signed with the public key as MAC secret, even where somebody allows HS256.
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    params.algs = ~0u;
    char *jwk = jose_jwk(key, false), *header = header_of(key, "dpop+jwt", "HS256", ""), *payload = payload_base();
    char *compact = jose_hmac(header, payload, span_str(jwk));
    assert_int_equal(check(&params, &request, compact), ERR_PROOF_ALG);
    free(compact);
    free(header);
    free(payload);
    free(jwk);
}

static void rule_5_allowed_algorithms_work(void **state)
{
    (void)state;
    const struct {
        struct pki_key *key;
        const char *alg;
        enum pki_alg id;
    } cases[] = { { key, "ES256", PKI_ES256 },
                  { p384, "ES384", PKI_ES384 },
                  { ed, "EdDSA", PKI_EDDSA },
                  { rsa, "RS256", PKI_RS256 },
                  { rsa, "PS256", PKI_PS256 } };
    struct pki_dpop_request request = request_base();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pki_dpop_params params = params_base();
        params.algs |= PKI_ALG_BIT(cases[i].id);
        uint8_t thumbprint[32];
        pki_key_thumbprint(cases[i].key, thumbprint);
        request.jkt = thumbprint;
        char *header = header_of(cases[i].key, "dpop+jwt", cases[i].alg, ""), *payload = payload_base();
        char *compact = jose_sign(header, payload, cases[i].key, cases[i].id);
        assert_int_equal(check(&params, &request, compact), 0);
        params.algs &= ~PKI_ALG_BIT(cases[i].id);
        assert_int_equal(check(&params, &request, compact), ERR_PROOF_ALG);
        free(compact);
        free(header);
        free(payload);
    }
}

static void rule_6_signature_is_of_the_headers_key(void **state)
{
    (void)state;
    char *header = header_of(key, "dpop+jwt", "ES256", ""), *payload = payload_base();
    assert_int_equal(check_parts(header, payload, other_key, PKI_ES256), ERR_PROOF_SIGNATURE);
    // Short, empty and zero signatures.
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char *compact = jose_sign(header, payload, key, PKI_ES256);
    char *signature = strrchr(compact, '.') + 1;
    memset(signature, 'A', strlen(signature));
    assert_int_equal(check(&params, &request, compact), ERR_PROOF_SIGNATURE);
    signature[84] = 0; // 63 bytes
    assert_int_equal(check(&params, &request, compact), ERR_PROOF_SIGNATURE);
    signature[0] = 0;
    assert_int_equal(check(&params, &request, compact), ERR_PROOF_MALFORMED);
    free(compact);
    free(header);
    free(payload);
}

static void rule_7_jwk_holds_no_private_member(void **state)
{
    (void)state;
    char *jwk = jose_jwk(key, true), *header, *payload = payload_base();
    assert_true(asprintf(&header, "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":%s}", jwk) > 0);
    assert_int_equal(check_parts(header, payload, key, PKI_ES256), ERR_PROOF_PRIVATE);
    free(header);
    free(jwk);
    static const char *const members[] = { "p", "q", "dp", "dq", "qi", "oth", "k" };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        jwk = jose_jwk(key, false);
        char name[8];
        snprintf(name, sizeof name, "%s", members[i]);
        char *more = jose_with(jwk, name, "\"AAAA\"");
        assert_true(asprintf(&header, "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":%s}", more) > 0);
        assert_int_equal(check_parts(header, payload, key, PKI_ES256), ERR_PROOF_PRIVATE);
        free(header);
        free(more);
        free(jwk);
    }
    static const char *const headers[] = {
        "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\"}",
        "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":null}",
        "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":\"x\"}",
        "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":{}}",
        "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"kid\":\"x\"}",
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        assert_int_equal(check_parts(headers[i], payload, key, PKI_ES256), ERR_PROOF_KEY);
    free(payload);
}

static void rule_8_htm_is_the_method(void **state)
{
    (void)state;
    static const struct change changes[] = {
        { "htm", "\"post\"", ERR_PROOF_HTM },  { "htm", "\"GET\"", ERR_PROOF_HTM },   { "htm", "\"\"", ERR_PROOF_HTM },
        { "htm", "\"POST \"", ERR_PROOF_HTM }, { "htm", "\"POSTX\"", ERR_PROOF_HTM },
    };
    ALL(changes);
}

static void rule_9_htu_is_the_requests_uri(void **state)
{
    (void)state;
    static const struct change changes[] = {
        { "htu", "\"" HTU "?limit=1#f\"", 0 },
        { "htu", "\"HTTPS://GW.example:443/collections/docs/./points/%73earch\"", 0 },
        { "htu", "\"https://gw.example/collections/x/../docs/points/search\"", 0 },
        { "htu", "\"http://gw.example/collections/docs/points/search\"", ERR_PROOF_HTU },
        { "htu", "\"https://gw.example.evil/collections/docs/points/search\"", ERR_PROOF_HTU },
        { "htu", "\"https://gw.example:8443/collections/docs/points/search\"", ERR_PROOF_HTU },
        { "htu", "\"https://gw.example/collections/docs/points\"", ERR_PROOF_HTU },
        { "htu", "\"https://gw.example/collections/docs/points/search/\"", ERR_PROOF_HTU },
        { "htu", "\"https://gw.example/Collections/docs/points/search\"", ERR_PROOF_HTU },
        { "htu", "\"https://gw.example/collections/docs/points%2fsearch\"", ERR_PROOF_HTU },
        { "htu", "\"https://x@gw.example/collections/docs/points/search\"", ERR_PROOF_HTU },
        { "htu", "\"/collections/docs/points/search\"", ERR_PROOF_HTU },
        { "htu", "\"\"", ERR_PROOF_HTU },
    };
    ALL(changes);
}

static void rule_10_nonce_is_ours_and_fresh_once_demanded(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char n[PKI_NONCE_TEXT], text[PKI_NONCE_TEXT + 3];
    pki_nonce_make(&nonces, request.now_ms - 60000, n);
    snprintf(text, sizeof text, "\"%.*s\"", PKI_NONCE_TEXT, n);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "\"anything\""), 0); // mode off
    params.nonce_required = true;
    assert_int_equal(check_claim_with(&params, &request, "nonce", text), 0);
    assert_int_equal(check_claim_with(&params, &request, "nonce", NULL), ERR_PROOF_NONCE);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "\"anything\""), ERR_PROOF_NONCE_INVENTED);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "7"), ERR_PROOF_NONCE_INVENTED);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "null"), ERR_PROOF_NONCE_INVENTED);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "\"\""), ERR_PROOF_NONCE_INVENTED);
    request.nonces = NULL;
    assert_int_equal(check_claim_with(&params, &request, "nonce", text), ERR_PROOF_NONCE_INVENTED);
    request.nonces = &nonces;
    pki_nonce_make(&nonces, request.now_ms - 400000, n);
    snprintf(text, sizeof text, "\"%.*s\"", PKI_NONCE_TEXT, n);
    assert_int_equal(check_claim_with(&params, &request, "nonce", text), ERR_PROOF_NONCE);
}

// Where it is not demanded just now: a client may go on with an old one, and nobody makes one up without a reason.
static void rule_10_a_nonce_that_is_not_demanded_is_ours_if_it_is_there(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char n[PKI_NONCE_TEXT], text[PKI_NONCE_TEXT + 3];
    params.nonce_ours = true;
    assert_int_equal(check_claim_with(&params, &request, "nonce", NULL), 0);
    for (int64_t age = 0; age < 4000000; age += 1300000) {
        pki_nonce_make(&nonces, request.now_ms - age, n);
        snprintf(text, sizeof text, "\"%.*s\"", PKI_NONCE_TEXT, n);
        assert_int_equal(check_claim_with(&params, &request, "nonce", text), 0);
    }
    text[PKI_NONCE_TEXT] = text[PKI_NONCE_TEXT] == 'A' ? 'Q' : 'A';
    assert_int_equal(check_claim_with(&params, &request, "nonce", text), ERR_PROOF_NONCE_INVENTED);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "\"anything\""), ERR_PROOF_NONCE_INVENTED);
    assert_int_equal(check_claim_with(&params, &request, "nonce", "null"), ERR_PROOF_NONCE_INVENTED);
}

// A client with a wrong clock learns the nonce, and with the nonce learns of its clock.
static void rule_10_a_demand_is_heard_before_rule_11(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    params.nonce_required = true;
    assert_int_equal(check_claim_with(&params, &request, "iat", "1699990000"), ERR_PROOF_NONCE);
}

static void rule_15_and_16_nonce_rolls_and_lengthens_the_replay_entry(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    params.nonce_required = true;
    for (int age = 0; age < 2; age++) {
        char n[PKI_NONCE_TEXT];
        struct arena arena;
        struct buf out;
        struct pki_proof proof;
        int64_t made = request.now_ms - age * 60000, bucket = made / 60000 * 60000;
        pki_nonce_make(&nonces, made, n);
        buf_init(&out, 0);
        arena_init(&arena, 0);
        assert_int_equal(
            pki_dpop_make(key, PKI_ALG_NONE, SPAN("POST"), SPAN(HTU "?q"), ath, span_of(n, sizeof n), T, &out), 0);
        assert_int_equal(pki_dpop_verify(&params, &request, buf_span(&out), NULL, &arena, NULL, &proof), 0);
        assert_int_equal(proof.nonce_due, age > 0);
        int64_t expiry = bucket + nonces.life_ms, window = T * 1000 + 60000;
        assert_int_equal(proof.keep_until_ms, (expiry > window ? expiry : window) + 5000);
        pki_proof_fini(&proof);
        arena_fini(&arena);
        buf_fini(&out);
    }
}

static void rule_11_iat_is_inside_the_window(void **state)
{
    (void)state;
    // now is T + 0.5 s
    static const struct change changes[] = {
        { "iat", "1699999941", 0 },
        { "iat", "1699999940", ERR_PROOF_IAT },
        { "iat", "1700000005", 0 },
        { "iat", "1700000006", ERR_PROOF_IAT },
        { "iat", "0", ERR_PROOF_IAT },
        { "iat", "1700000000000", ERR_PROOF_CLAIM },
        { "iat", "4000000000", ERR_PROOF_IAT },
    };
    ALL(changes);
    // with a nonce as well
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char n[PKI_NONCE_TEXT];
    struct buf out;
    params.nonce_required = true;
    pki_nonce_make(&nonces, request.now_ms, n);
    buf_init(&out, 0);
    assert_int_equal(pki_dpop_make(key, PKI_ES256, SPAN("POST"), SPAN(HTU), ath, span_of(n, sizeof n), T - 100, &out),
                     0);
    buf_byte(&out, 0);
    assert_int_equal(check(&params, &request, buf_span(&out).p), ERR_PROOF_IAT);
    buf_fini(&out);
}

static void rule_12_ath_is_the_hash_of_this_token(void **state)
{
    (void)state;
    char padded[50], other[50];
    snprintf(padded, sizeof padded, "\"%s=\"", ath_text);
    snprintf(other, sizeof other, "\"%s\"", ath_text);
    other[3] ^= 1;
    const struct change changes[] = {
        { "ath", NULL, ERR_PROOF_ATH },   { "ath", "\"\"", ERR_PROOF_ATH }, { "ath", "7", ERR_PROOF_ATH },
        { "ath", padded, ERR_PROOF_ATH }, { "ath", other, ERR_PROOF_ATH },
    };
    ALL(changes);
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    request.ath = NULL; // the token endpoint: there is no token yet
    assert_int_equal(check_claim_with(&params, &request, "ath", NULL), 0);
}

static void rule_12_proof_key_is_the_one_the_token_is_bound_to(void **state)
{
    (void)state;
    struct pki_dpop_params params = params_base();
    struct pki_dpop_request request = request_base();
    char *header = header_of(other_key, "dpop+jwt", "ES256", ""), *payload = payload_base();
    assert_int_equal(check_parts(header, payload, other_key, PKI_ES256), ERR_PROOF_JKT);
    request.jkt = NULL;
    char *compact = jose_sign(header, payload, other_key, PKI_ES256);
    assert_int_equal(check(&params, &request, compact), 0);
    free(compact);
    free(header);
    free(payload);
}

static void made_proofs_are_fresh_each_time(void **state)
{
    (void)state;
    const struct pki_key *makers[] = { key, p384, ed, rsa };
    for (size_t i = 0; i < 4; i++) {
        struct buf a, b;
        buf_init(&a, 0);
        buf_init(&b, 0);
        assert_int_equal(
            pki_dpop_make(makers[i], PKI_ALG_NONE, SPAN("POST"), SPAN(HTU "?a=b#c"), ath, SPAN_NONE, T, &a), 0);
        assert_int_equal(pki_dpop_make(makers[i], PKI_ALG_NONE, SPAN("POST"), SPAN(HTU), ath, SPAN_NONE, T, &b), 0);
        struct span x = buf_span(&a), y = buf_span(&b);
        struct span hx = span_cut(&x, '.'), hy = span_cut(&y, '.');
        assert_true(span_eq(hx, hy)); // one header
        assert_false(span_eq(x, y));  // another jti
        struct pki_dpop_params params = params_base();
        struct pki_dpop_request request = request_base();
        uint8_t thumbprint[32];
        pki_key_thumbprint(makers[i], thumbprint);
        request.jkt = thumbprint;
        buf_byte(&a, 0);
        assert_int_equal(check(&params, &request, buf_span(&a).p), 0);
        buf_fini(&a);
        buf_fini(&b);
    }
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(pki_dpop_make(key, PKI_RS256, SPAN("POST"), SPAN(HTU), NULL, SPAN_NONE, T, &out), ERR_INTERNAL);
    assert_int_equal(buf_len(&out), 0);
}

static int make_keys(void **state)
{
    (void)state;
    key = pki_key_generate(PKI_KEY_P256, 0);
    other_key = pki_key_generate(PKI_KEY_P256, 0);
    p384 = pki_key_generate(PKI_KEY_P384, 0);
    ed = pki_key_generate(PKI_KEY_ED25519, 0);
    rsa = pki_key_generate(PKI_KEY_RSA, 2048);
    pki_key_thumbprint(key, jkt);
    pki_sha256(SPAN("the access token"), ath);
    base64url_encode(span_of(ath, 32), ath_text);
    pki_nonce_keys_init(&nonces, 60000, 300000);
    return key && other_key && p384 && ed && rsa ? 0 : -1;
}

static int free_keys(void **state)
{
    (void)state;
    pki_key_free(key);
    pki_key_free(other_key);
    pki_key_free(p384);
    pki_key_free(ed);
    pki_key_free(rsa);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_proof_gives_its_facts),
        cmocka_unit_test(rule_2_proof_is_one_compact_jws),
        cmocka_unit_test(rule_3_claims_are_there_with_the_right_types),
        cmocka_unit_test(rule_4_typ_is_dpop_jwt),
        cmocka_unit_test(rule_5_alg_is_asymmetric_and_allowed),
        cmocka_unit_test(rule_5_allowed_algorithms_work),
        cmocka_unit_test(rule_6_signature_is_of_the_headers_key),
        cmocka_unit_test(rule_7_jwk_holds_no_private_member),
        cmocka_unit_test(rule_8_htm_is_the_method),
        cmocka_unit_test(rule_9_htu_is_the_requests_uri),
        cmocka_unit_test(rule_10_nonce_is_ours_and_fresh_once_demanded),
        cmocka_unit_test(rule_10_a_nonce_that_is_not_demanded_is_ours_if_it_is_there),
        cmocka_unit_test(rule_10_a_demand_is_heard_before_rule_11),
        cmocka_unit_test(rule_15_and_16_nonce_rolls_and_lengthens_the_replay_entry),
        cmocka_unit_test(rule_11_iat_is_inside_the_window),
        cmocka_unit_test(rule_12_ath_is_the_hash_of_this_token),
        cmocka_unit_test(rule_12_proof_key_is_the_one_the_token_is_bound_to),
        cmocka_unit_test(made_proofs_are_fresh_each_time),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

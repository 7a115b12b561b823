// SPDX-License-Identifier: GPL-3.0-or-later
// Examples of RFC 7515, RFC 7520 (the JOSE cookbook), RFC 7638, RFC 8037, RFC 8705, RFC 9449, and the proofs of go-dpop's tests.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "pki/claims.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/htu.h"
#include "pki/jws.h"
#include "tests/support/jose.h"

#define ALL_ALGS (~0u & ~PKI_ALG_BIT(PKI_ALG_NONE))

// A whole compact JWS against a JWK, which may hold the private half.
static int verify(struct span compact, json jwk)
{
    struct pki_jws jws;
    struct pki_jws_header header;
    struct pki_key *key;
    int rc = pki_jws_split(compact, 1 << 16, &jws);
    if (rc == 0)
        rc = pki_jws_header_read(jws.header, &header);
    if (rc != 0)
        return rc;
    enum pki_alg alg = header.alg;
    pki_jws_header_fini(&header);
    rc = pki_key_from_jwk(jwk, false, &key, NULL);
    if (rc != 0)
        return rc;
    rc = pki_jws_verify(&jws, key, alg);
    pki_key_free(key);
    return rc;
}

static void rfc7515_appendix_a(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("dpop/rfc7515-appendix-a.json");
    if (!doc)
        skip();
    // A.1 is HMAC, A.2 RS256, A.3 ES256, A.4 ES512, A.5 none, E unknown crit (and none: its signature is empty); A.6 and A.7 are the
    // JSON serialisations, which are not read here.
    static const struct {
        const char *name;
        int rc;
    } want[] = {
        { "RFC7515 A.1", 0 },
        { "RFC7515 A.2", 0 },
        { "RFC7515 A.3", 0 },
        { "RFC7515 A.4", 0 },
        { "RFC7515 A.5", ERR_TOKEN_MALFORMED },
        { "RFC7515 A.6 general JSON", ERR_TOKEN_MALFORMED },
        { "RFC7515 A.7 flattened JSON", ERR_TOKEN_MALFORMED },
        { "RFC7515 E negative crit", ERR_TOKEN_MALFORMED },
    };
    size_t seen = 0;
    struct span name;
    json v;
    for (struct json_iter it = json_iter(json_root(doc)); json_next(&it, &name, &v);) {
        struct span title = json_string(json_get(v, SPAN("name"))), compact = json_string(json_get(v, SPAN("jws")));
        if (span_is_none(compact))
            compact = json_string(json_get(v, SPAN("json")));
        for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
            if (!span_eq(title, span_str(want[i].name)))
                continue;
            int rc = verify(compact, json_get(v, SPAN("jwk")));
            if (rc != want[i].rc)
                fail_msg("%s: %d", want[i].name, rc);
            seen++;
        }
    }
    assert_int_equal(seen, json_count(json_root(doc)));
    json_free(doc);
    assert_int_equal(seen, sizeof want / sizeof *want);
}

#define BOOK "jose-cookbook/"

// A compact JWS out of the parts that the JSON serialisations have apart.
static int verify_parts(json protected_, json payload, json signature, json jwk)
{
    char *text;
    assert_true(asprintf(&text, "%.*s.%.*s.%.*s", SPAN_FMT(json_string(protected_)), SPAN_FMT(json_string(payload)),
                         SPAN_FMT(json_string(signature))) > 0);
    int rc = verify(span_str(text), jwk);
    free(text);
    return rc;
}

// A JSON serialisation (RFC 7515 §7.2) is not read here, whatever it holds.
static void json_is_refused(json serialised)
{
    struct buf text;
    struct pki_jws jws;
    buf_init(&text, 0);
    if (serialised) {
        json_write(&text, serialised);
        assert_int_equal(pki_jws_split(buf_span(&text), 1 << 16, &jws), ERR_TOKEN_MALFORMED);
    }
    buf_fini(&text);
}

static void cookbook(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int rc;
    } files[] = {
        { BOOK "jws/4_1.rsa_v15_signature.json", 0 },
        { BOOK "jws/4_2.rsa-pss_signature.json", 0 },
        { BOOK "jws/4_3.ecdsa_signature.json", 0 },
        { BOOK "jws/4_4.hmac-sha2_integrity_protection.json", 0 },
        { BOOK "jws/4_5.signature_with_detached_content.json", ERR_TOKEN_MALFORMED }, // the payload is somewhere else
        { BOOK "curve25519/jws.json", 0 },
        { BOOK "rfc7797/hmac-sha2_b64_false.json", ERR_TOKEN_CRIT },
        { BOOK "curve25519/ecdh-es.json", ERR_TOKEN_ENCRYPTED },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct json_doc *doc = jose_vectors(files[i].file);
        if (!doc)
            skip();
        json root = json_root(doc), output = json_get(root, SPAN("output")), signing = json_get(root, SPAN("signing"));
        json key = json_get(json_get(root, SPAN("input")), SPAN("key"));
        int rc = verify(json_string(json_get(output, SPAN("compact"))), key);
        if (rc != files[i].rc)
            fail_msg("%s: %d", files[i].file, rc);
        json_is_refused(json_get(output, SPAN("json")));
        json_is_refused(json_get(output, SPAN("json_flat")));
        // What was signed verifies, put together again.
        struct span input = json_string(json_get(signing, SPAN("sig-input")));
        if (signing && rc != ERR_TOKEN_CRIT) {
            char *text;
            assert_true(asprintf(&text, "%.*s.%.*s", SPAN_FMT(input),
                                 SPAN_FMT(json_string(json_get(signing, SPAN("sig"))))) > 0);
            assert_int_equal(verify(span_str(text), key), 0);
            // … and not with its last bit turned.
            char *last = text + input.n - 1;
            *last = *last == 'A' ? 'B' : 'A';
            assert_int_not_equal(verify(span_str(text), key), 0);
            free(text);
        }
        json_free(doc);
    }
}

// §4.6 to §4.8 and RFC 7797 §4.2 are published in JSON only. What is protected in them is a compact JWS all the same; what has no protected
// header has no algorithm that anybody signed.
static void cookbook_json_only(void **state)
{
    (void)state;
    struct json_doc *some = jose_vectors(BOOK "jws/4_6.protecting_specific_header_fields.json");
    struct json_doc *content = jose_vectors(BOOK "jws/4_7.protecting_content_only.json");
    struct json_doc *many = jose_vectors(BOOK "jws/4_8.multiple_signatures.json");
    struct json_doc *b64 = jose_vectors(BOOK "rfc7797/4.2.hmac-sha2_b64_false.json");
    if (!some || !content || !many || !b64)
        skip();
    struct json_doc *const docs[] = { some, content, b64 };
    static const int want[] = { 0, ERR_TOKEN_MALFORMED, ERR_TOKEN_CRIT };
    for (size_t i = 0; i < 3; i++) {
        json output = json_get(json_root(docs[i]), SPAN("output")), flat = json_get(output, SPAN("json_flat"));
        json key = json_get(json_get(json_root(docs[i]), SPAN("input")), SPAN("key"));
        json_is_refused(json_get(output, SPAN("json")));
        json_is_refused(flat);
        json payload = json_get(flat, SPAN("payload"));
        if (i == 2) // "$.02" has a dot: unencoded, it is not even three segments
            assert_int_equal(
                verify_parts(json_get(flat, SPAN("protected")), payload, json_get(flat, SPAN("signature")), key),
                ERR_TOKEN_MALFORMED);
        assert_int_equal(verify_parts(json_get(flat, SPAN("protected")),
                                      i == 2 ? json_get(flat, SPAN("signature")) : payload,
                                      json_get(flat, SPAN("signature")), key),
                         want[i]);
    }
    json root = json_root(many), keys = json_get(json_get(root, SPAN("input")), SPAN("key"));
    json all = json_get(json_get(root, SPAN("output")), SPAN("json")), signatures = json_get(all, SPAN("signatures"));
    static const int each[] = { 0, ERR_TOKEN_MALFORMED, 0 }; // RS256; ES512 without protected header; HS256
    json_is_refused(all);
    assert_int_equal(json_count(signatures), 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            json one = json_at(signatures, i);
            int rc = verify_parts(json_get(one, SPAN("protected")), json_get(all, SPAN("payload")),
                                  json_get(one, SPAN("signature")), json_at(keys, k));
            assert_int_equal(rc, each[i] == 0 && i != k ? ERR_TOKEN_SIGNATURE : each[i]);
        }
    json_free(some);
    json_free(content);
    json_free(many);
    json_free(b64);
}

static void cookbook_nesting(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors(BOOK "6.nesting_signatures_and_encryption.json");
    if (!doc)
        skip();
    json sign = json_get(json_root(doc), SPAN("sign")), encrypt = json_get(json_root(doc), SPAN("encrypt"));
    json key = json_get(json_get(sign, SPAN("input")), SPAN("key"));
    struct span inner = json_string(json_get(json_get(sign, SPAN("output")), SPAN("compact")));
    struct span outer = json_string(json_get(json_get(encrypt, SPAN("output")), SPAN("compact")));
    assert_true(inner.n > 0 && outer.n > 0);
    assert_int_equal(verify(inner, key), 0);
    assert_int_equal(verify(outer, key), ERR_TOKEN_ENCRYPTED);
    json_free(doc);
}

static void in_this_file(void *ctx, const char *name)
{
    static const char *const files[] = {
        BOOK "6.nesting_signatures_and_encryption.json",
        BOOK "curve25519/ecdh-es.json",
        BOOK "curve25519/jws.json",
        BOOK "jwk/3_1.ec_public_key.json",
        BOOK "jwk/3_2.ec_private_key.json",
        BOOK "jwk/3_3.rsa_public_key.json",
        BOOK "jwk/3_4.rsa_private_key.json",
        BOOK "jwk/3_5.symmetric_key_mac_computation.json",
        BOOK "jwk/3_6.symmetric_key_encryption.json",
        BOOK "jws/4_1.rsa_v15_signature.json",
        BOOK "jws/4_2.rsa-pss_signature.json",
        BOOK "jws/4_3.ecdsa_signature.json",
        BOOK "jws/4_4.hmac-sha2_integrity_protection.json",
        BOOK "jws/4_5.signature_with_detached_content.json",
        BOOK "jws/4_6.protecting_specific_header_fields.json",
        BOOK "jws/4_7.protecting_content_only.json",
        BOOK "jws/4_8.multiple_signatures.json",
        BOOK "rfc7797/4.2.hmac-sha2_b64_false.json",
        BOOK "rfc7797/hmac-sha2_b64_false.json",
        BOOK "package.json", // of npm: no vector
    };
    size_t *n = ctx;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i], name) == 0) {
            (*n)++;
            return;
        }
    fail_msg("%s is not run", name);
}

static void no_file_of_the_cookbook_is_left_out(void **state)
{
    (void)state;
    static const char *const folders[] = { "jose-cookbook", "jose-cookbook/jwk", "jose-cookbook/jws",
                                           "jose-cookbook/curve25519", "jose-cookbook/rfc7797" };
    size_t n = 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        if (!jose_vectors_each(folders[i], in_this_file, &n))
            skip();
    assert_int_equal(n, 20);
}

// Ed25519, PKCS#1 v1.5 and HMAC have one signature: ours is the published one.
static void deterministic_signatures_are_the_published_ones(void **state)
{
    (void)state;
    static const char *const files[] = { "jose-cookbook/curve25519/jws.json",
                                         "jose-cookbook/jws/4_1.rsa_v15_signature.json",
                                         "jose-cookbook/jws/4_4.hmac-sha2_integrity_protection.json" };
    static const enum pki_alg algs[] = { PKI_EDDSA, PKI_RS256, PKI_HS256 };
    for (size_t i = 0; i < 3; i++) {
        struct json_doc *doc = jose_vectors(files[i]);
        if (!doc)
            skip();
        json root = json_root(doc), signing = json_get(root, SPAN("signing"));
        struct pki_key *key;
        assert_int_equal(pki_key_from_jwk(json_get(json_get(root, SPAN("input")), SPAN("key")), false, &key, NULL), 0);
        struct buf signature;
        buf_init(&signature, 0);
        assert_int_equal(pki_key_sign(key, algs[i], json_string(json_get(signing, SPAN("sig-input"))), &signature), 0);
        char *text = jose_b64(buf_span(&signature));
        assert_true(span_eq(span_str(text), json_string(json_get(signing, SPAN("sig")))));
        free(text);
        buf_fini(&signature);
        pki_key_free(key);
        json_free(doc);
    }
}

static void cookbook_keys_survive_import_and_export(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        int public_rc, any_rc;
    } files[] = {
        { "jose-cookbook/jwk/3_1.ec_public_key.json", 0, 0 },
        { "jose-cookbook/jwk/3_2.ec_private_key.json", ERR_PROOF_PRIVATE, 0 },
        { "jose-cookbook/jwk/3_3.rsa_public_key.json", 0, 0 },
        { "jose-cookbook/jwk/3_4.rsa_private_key.json", ERR_PROOF_PRIVATE, 0 },
        { "jose-cookbook/jwk/3_5.symmetric_key_mac_computation.json", ERR_PROOF_PRIVATE, 0 },
        // `use` and `alg` say what a key is for: for those who choose one (jwks.c, cmd_verify_jws.c), not for the import.
        { "jose-cookbook/jwk/3_6.symmetric_key_encryption.json", ERR_PROOF_PRIVATE, 0 },
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct json_doc *doc = jose_vectors(files[i].file);
        if (!doc)
            skip();
        struct pki_key *key = NULL;
        assert_int_equal(pki_key_from_jwk(json_root(doc), true, &key, NULL), files[i].public_rc);
        pki_key_free(key);
        key = NULL;
        assert_int_equal(pki_key_from_jwk(json_root(doc), false, &key, NULL), files[i].any_rc);
        if (key) {
            // Each member we write is the file's.
            char *text = jose_jwk(key, true);
            struct json_doc *again = json_parse(span_str(text), NULL, NULL);
            struct span name;
            json v;
            for (struct json_iter it = json_iter(json_root(again)); json_next(&it, &name, &v);)
                assert_true(span_eq(json_string(v), json_string(json_get(json_root(doc), name))));
            json_free(again);
            free(text);
        }
        pki_key_free(key);
        json_free(doc);
    }
}

static void rfc7638_thumbprint(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("dpop/static-vectors.json");
    if (!doc)
        skip();
    json v = json_get(json_root(doc), SPAN("rfc7638"));
    struct pki_key *key;
    uint8_t thumbprint[32];
    assert_int_equal(pki_key_from_jwk(json_get(v, SPAN("jwk")), true, &key, NULL), 0);
    pki_key_thumbprint(key, thumbprint);
    char *text = jose_b64(span_of(thumbprint, 32));
    assert_true(span_eq(span_str(text), json_string(json_get(v, SPAN("thumbprint")))));
    free(text);
    pki_key_free(key);
    json_free(doc);
}

static int base64(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(alphabet, c) : NULL;
    return p ? (int)(p - alphabet) : -1;
}

static void rfc8705_certificate_hash(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("dpop/static-vectors.json");
    if (!doc)
        skip();
    json v = json_get(json_root(doc), SPAN("rfc8705_appendix_a"));
    struct span text = json_string(json_get(v, SPAN("cert_der_b64")));
    struct buf der;
    unsigned bits = 0, n = 0;
    buf_init(&der, 0);
    for (size_t i = 0; i < text.n; i++) {
        if (base64(text.p[i]) < 0)
            continue;
        bits = bits << 6 | (unsigned)base64(text.p[i]);
        if ((n += 6) >= 8)
            buf_byte(&der, (char)(bits >> (n -= 8)));
    }
    uint8_t hash[32];
    pki_sha256(buf_span(&der), hash);
    char *encoded = jose_b64(span_of(hash, 32));
    assert_true(span_eq(span_str(encoded), json_string(json_get(v, SPAN("x5t_S256")))));
    free(encoded);
    buf_fini(&der);
    json_free(doc);
}

// The clock stands at the proof's own iat.
static int check_proof(struct span compact, struct span htm, struct span htu, struct span token, struct span jkt_text,
                       int64_t iat)
{
    struct pki_dpop_params params = { .algs = ALL_ALGS, .window_ms = 60000, .ahead_ms = 5000 };
    uint8_t ath[32], jkt[32];
    size_t n;
    struct arena arena;
    struct pki_proof proof;
    arena_init(&arena, 0);
    struct pki_dpop_request request = { .method = htm,
                                        .htu = pki_htu_normalise_dup(&arena, htu),
                                        .now_ms = iat * 1000 };
    if (!span_is_none(token)) {
        pki_sha256(token, ath);
        request.ath = ath;
    }
    if (!span_is_none(jkt_text)) {
        assert_true(base64url_decode(jkt_text, jkt, &n) && n == 32);
        request.jkt = jkt;
    }
    int rc = pki_dpop_verify(&params, &request, compact, NULL, &arena, NULL, &proof);
    if (rc == 0)
        pki_proof_fini(&proof);
    arena_fini(&arena);
    return rc;
}

static void rfc9449_proofs(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("dpop/static-vectors.json");
    if (!doc)
        skip();
    struct span name;
    json v;
    size_t n = 0;
    for (struct json_iter it = json_iter(json_get(json_root(doc), SPAN("rfc9449"))); json_next(&it, &name, &v); n++) {
        struct span compact = json_string(json_get(v, SPAN("proof"))), htm = json_string(json_get(v, SPAN("htm")));
        struct span htu = json_string(json_get(v, SPAN("htu"))), token = json_string(json_get(v, SPAN("access_token")));
        struct span jkt = json_string(json_get(v, SPAN("jkt")));
        int64_t iat;
        assert_true(json_i64(json_get(json_get(v, SPAN("claims")), SPAN("iat")), &iat));
        assert_int_equal(check_proof(compact, htm, htu, token, jkt, iat), 0);
        assert_int_equal(check_proof(compact, htm, htu, token, jkt, iat + 61), ERR_PROOF_IAT);
        assert_int_equal(check_proof(compact, SPAN("PUT"), htu, token, jkt, iat), ERR_PROOF_HTM);
        assert_int_equal(check_proof(compact, htm, htu, SPAN("another"), jkt, iat), ERR_PROOF_ATH);
    }
    assert_int_equal(n, 3);
    // §6.1: the token that is bound to that key.
    struct pki_jws jws;
    struct arena arena;
    struct span payload;
    arena_init(&arena, 0);
    struct span token = json_string(json_get(json_root(doc), SPAN("rfc9449_bound_access_token")));
    assert_int_equal(pki_jws_split(token, 4096, &jws), 0);
    assert_int_equal(pki_jws_decode(jws.payload, &arena, &payload), 0);
    struct json_doc *claims = json_parse(payload, NULL, NULL);
    assert_true(span_eq(json_string(pki_claim(json_root(claims), SPAN("/cnf/jkt"))),
                        SPAN("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I")));
    json_free(claims);
    arena_fini(&arena);
    json_free(doc);
}

static void go_dpop_proofs(void **state)
{
    (void)state;
    struct json_doc *doc = jose_vectors("dpop/static-vectors.json");
    if (!doc)
        skip();
    static const struct {
        const char *name;
        int rc;
    } invalid[] = {
        { "invalidSignature_proof", ERR_PROOF_SIGNATURE }, { "invalidMissingTyp_proof", ERR_PROOF_TYP },
        { "invalidMissingClaims_proof", ERR_PROOF_CLAIM }, { "malformedJWKHeader_proof", ERR_PROOF_KEY },
        { "missingJWKHeader_proof", ERR_PROOF_KEY },       { "unsupportedKeyAlg_proof", ERR_PROOF_ALG },
    };
    json set = json_get(json_root(doc), SPAN("axis_go_dpop")), v;
    struct span name;
    size_t n = 0;
    for (struct json_iter it = json_iter(json_get(set, SPAN("cases"))); json_next(&it, &name, &v); n++) {
        struct span title = json_string(json_get(v, SPAN("name")));
        int64_t iat;
        assert_true(json_i64(json_get(json_get(v, SPAN("claims")), SPAN("iat")), &iat));
        int want = 0;
        for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
            if (span_eq(title, span_str(invalid[i].name)))
                want = invalid[i].rc;
        struct span jkt = span_eq(title, SPAN("validES256LeadingZeroes_proof"))
                              ? json_string(json_get(set, SPAN("leading_zero_jkt")))
                              : SPAN_NONE;
        int rc = check_proof(json_string(json_get(v, SPAN("proof"))), json_string(json_get(v, SPAN("htm"))),
                             json_string(json_get(v, SPAN("htu"))), SPAN_NONE, jkt, iat);
        if (rc != want)
            fail_msg("%.*s: %.*s", SPAN_FMT(title), SPAN_FMT(rc ? err_info(rc)->name : SPAN("accepted")));
    }
    assert_int_equal(n, 14);
    json_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc7515_appendix_a),
        cmocka_unit_test(cookbook),
        cmocka_unit_test(cookbook_json_only),
        cmocka_unit_test(cookbook_nesting),
        cmocka_unit_test(no_file_of_the_cookbook_is_left_out),
        cmocka_unit_test(deterministic_signatures_are_the_published_ones),
        cmocka_unit_test(cookbook_keys_survive_import_and_export),
        cmocka_unit_test(rfc7638_thumbprint),
        cmocka_unit_test(rfc8705_certificate_hash),
        cmocka_unit_test(rfc9449_proofs),
        cmocka_unit_test(go_dpop_proofs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Each algorithm under the issuer it is for, and under those it is not for.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "tests/support/jose_token.h"

static struct pki_key *key;

#define SECRET "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"
#define OTHER_ISS "https://hmac.example"
static const enum pki_alg hmacs[] = { PKI_HS256, PKI_HS384, PKI_HS512 };

// One issuer with a secret, beside the one with public keys.
static struct pki_issuers *issuers_with_secret(enum pki_alg alg)
{
    struct pki_issuer issuer = jose_issuer();
    struct pki_issuers *s = jose_issuers(&issuer, key);
    struct diags d;
    diags_init(&d);
    struct pki_jwks *keys = pki_jwks_read_symmetric(SPAN(SECRET), PKI_ALG_BIT(alg), SPAN("f"), &d);
    assert_non_null(keys);
    diags_fini(&d);
    issuer.iss = SPAN(OTHER_ISS);
    issuer.algs = ~0u; // only HS* are left of it
    assert_int_equal(pki_issuers_add(s, &issuer, keys), 0);
    return s;
}

static int verify_among(const struct pki_issuers *s, const char *compact)
{
    uint8_t sha256[32];
    struct pki_token *t = NULL;
    pki_sha256(span_str(compact), sha256);
    int rc = pki_token_verify(s, NULL, span_str(compact), sha256, T + 1, NULL, &t);
    pki_token_unref(t);
    return rc;
}

static char *sign_as(const struct pki_key *k, enum pki_alg alg, const char *payload)
{
    char header[100];
    snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"%.*s\",\"kid\":\"k1\"}",
             SPAN_FMT(pki_alg_name(alg)));
    return jose_sign(header, payload, k, alg);
}

static void rule_21_hmac_is_for_an_issuer_with_a_symmetric_key_and_nothing_else(void **state)
{
    (void)state;
    struct pki_key *secret, *wrong;
    char *theirs = jose_with(jose_token_base, "iss", "\"" OTHER_ISS "\"");
    assert_int_equal(pki_key_symmetric(SPAN(SECRET), &secret), 0);
    assert_int_equal(pki_key_symmetric(span_of(SECRET, 63), &wrong), 0);
    for (size_t i = 0; i < 3; i++) {
        struct pki_issuers *s = issuers_with_secret(hmacs[i]);
        assert_int_equal(pki_issuers_find(s, SPAN(OTHER_ISS))->algs,
                         PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512));
        for (size_t j = 0; j < 3; j++) {
            // One key, one algorithm.
            char *compact = sign_as(secret, hmacs[j], theirs);
            assert_int_equal(verify_among(s, compact), i == j ? 0 : ERR_TOKEN_KEY);
            free(compact);
            // The same secret says nothing for the issuer with public keys.
            compact = sign_as(secret, hmacs[j], jose_token_base);
            assert_int_equal(verify_among(s, compact), ERR_TOKEN_ALG);
            free(compact);
        }
        char *compact = sign_as(wrong, PKI_HS256, theirs);
        assert_int_equal(verify_among(s, compact), hmacs[i] == PKI_HS256 ? ERR_TOKEN_SIGNATURE : ERR_TOKEN_KEY);
        free(compact);
        // A public key says nothing for the issuer with a secret.
        compact = sign_as(key, PKI_ES256, theirs);
        assert_int_equal(verify_among(s, compact), ERR_TOKEN_ALG);
        free(compact);
        compact = sign_as(key, PKI_ES256, jose_token_base);
        assert_int_equal(verify_among(s, compact), 0);
        free(compact);
        pki_issuers_free(s);
    }
    free(theirs);
    pki_key_free(wrong);
    pki_key_free(secret);
}

// The classic attack, where both kinds of issuer are served: HS256 is then known to the first look at the header.
static void rule_21_hmac_with_a_public_key_is_refused_beside_an_issuer_with_a_secret(void **state)
{
    (void)state;
    struct pki_issuers *s = issuers_with_secret(PKI_HS256);
    struct buf spki, pem;
    buf_init(&spki, 0);
    buf_init(&pem, 0);
    assert_int_equal(pki_key_spki(key, &spki), 0);
    assert_int_equal(pki_key_write_public(key, &pem), 0);
    char *jwk = jose_jwk(key, false), *theirs = jose_with(jose_token_base, "iss", "\"" OTHER_ISS "\"");
    const struct span secrets[] = { buf_span(&spki), buf_span(&pem), span_str(jwk), SPAN("") };
    for (size_t i = 0; i < 4; i++) {
        char *compact = jose_hmac("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\"}", jose_token_base, secrets[i]);
        assert_int_equal(verify_among(s, compact), ERR_TOKEN_ALG);
        free(compact);
        compact = jose_hmac("{\"typ\":\"at+jwt\",\"alg\":\"HS256\",\"kid\":\"k1\"}", theirs, secrets[i]);
        assert_int_equal(verify_among(s, compact), ERR_TOKEN_SIGNATURE);
        free(compact);
    }
    free(theirs);
    free(jwk);
    buf_fini(&pem);
    buf_fini(&spki);
    pki_issuers_free(s);
}

static void every_asymmetric_algorithm_signs_tokens(void **state)
{
    (void)state;
    static const struct {
        enum pki_key_type type;
        enum pki_alg alg;
    } kinds[] = {
        { PKI_KEY_P256, PKI_ES256 },    { PKI_KEY_P384, PKI_ES384 }, { PKI_KEY_P521, PKI_ES512 },
        { PKI_KEY_ED25519, PKI_EDDSA }, { PKI_KEY_RSA, PKI_RS256 },  { PKI_KEY_RSA, PKI_RS384 },
        { PKI_KEY_RSA, PKI_RS512 },     { PKI_KEY_RSA, PKI_PS256 },  { PKI_KEY_RSA, PKI_PS384 },
        { PKI_KEY_RSA, PKI_PS512 },
    };
    struct pki_key *rsa = pki_key_generate(PKI_KEY_RSA, 2048);
    assert_non_null(rsa);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct pki_key *k = kinds[i].type == PKI_KEY_RSA ? rsa : pki_key_generate(kinds[i].type, 0);
        const struct pki_key *list[] = { k };
        struct pki_issuer issuer = jose_issuer();
        struct diags d;
        struct buf set;
        diags_init(&d);
        buf_init(&set, 0);
        assert_int_equal(pki_jwks_write(list, &kinds[i].alg, 1, &set), 0);
        issuer.algs = PKI_ALG_BIT(kinds[i].alg);
        struct pki_issuers *s = pki_issuers_new();
        assert_int_equal(pki_issuers_add(s, &issuer, pki_jwks_read(buf_span(&set), issuer.algs, SPAN("f"), &d)), 0);
        char header[64];
        snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"%.*s\"}", SPAN_FMT(pki_alg_name(kinds[i].alg)));
        char *compact = jose_sign(header, jose_token_base, k, kinds[i].alg);
        assert_int_equal(verify_among(s, compact), 0);
        char *last = strrchr(compact, '.') + 1;
        *last = *last == 'A' ? 'B' : 'A';
        assert_int_equal(verify_among(s, compact), ERR_TOKEN_SIGNATURE);
        free(compact);
        // The RSA key signs with its siblings too, and they are not what it is published for.
        for (size_t j = 0; j < sizeof kinds / sizeof *kinds; j++) {
            if (j == i || kinds[j].type != kinds[i].type)
                continue;
            snprintf(header, sizeof header, "{\"typ\":\"at+jwt\",\"alg\":\"%.*s\"}",
                     SPAN_FMT(pki_alg_name(kinds[j].alg)));
            compact = jose_sign(header, jose_token_base, k, kinds[j].alg);
            assert_int_equal(verify_among(s, compact), ERR_TOKEN_ALG);
            free(compact);
        }
        pki_issuers_free(s);
        buf_fini(&set);
        diags_fini(&d);
        if (k != rsa)
            pki_key_free(k);
    }
    pki_key_free(rsa);
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
        cmocka_unit_test(rule_21_hmac_is_for_an_issuer_with_a_symmetric_key_and_nothing_else),
        cmocka_unit_test(rule_21_hmac_with_a_public_key_is_refused_beside_an_issuer_with_a_secret),
        cmocka_unit_test(every_asymmetric_algorithm_signs_tokens),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

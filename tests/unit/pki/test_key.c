// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "tests/support/jose.h"

static const struct {
    enum pki_key_type type;
    unsigned bits, algs;
} kinds[] = {
    { PKI_KEY_P256, 0, PKI_ALG_BIT(PKI_ES256) },
    { PKI_KEY_P384, 0, PKI_ALG_BIT(PKI_ES384) },
    { PKI_KEY_P521, 0, PKI_ALG_BIT(PKI_ES512) },
    { PKI_KEY_ED25519, 0, PKI_ALG_BIT(PKI_EDDSA) },
    { PKI_KEY_RSA, 2048,
      PKI_ALG_BIT(PKI_RS256) | PKI_ALG_BIT(PKI_RS384) | PKI_ALG_BIT(PKI_RS512) | PKI_ALG_BIT(PKI_PS256) |
          PKI_ALG_BIT(PKI_PS384) | PKI_ALG_BIT(PKI_PS512) },
};
enum { KINDS = sizeof kinds / sizeof *kinds };

// RSA generation is slow: one of each for the whole program.
static struct pki_key *keys[KINDS];

static int make_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        if (!(keys[i] = pki_key_generate(kinds[i].type, kinds[i].bits)))
            return -1;
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++)
        pki_key_free(keys[i]);
    return 0;
}

static void algorithm_names_are_exact(void **state)
{
    (void)state;
    for (unsigned a = PKI_ES256; a < PKI_ALG_COUNT; a++)
        assert_int_equal(pki_alg_parse(pki_alg_name((enum pki_alg)a)), a);
    static const char *const wrong[] = { "", "none", "None", "es256", "ES256 ", "ES256K", "RS1", "HS", "EDDSA" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(pki_alg_parse(span_str(wrong[i])), PKI_ALG_NONE);
    assert_true(span_is_none(pki_alg_name(PKI_ALG_NONE)));
}

static void what_a_key_signs_it_verifies_and_nothing_else(void **state)
{
    (void)state;
    struct span text = SPAN("header.payload"), other = SPAN("header.payloae");
    for (size_t i = 0; i < KINDS; i++) {
        for (unsigned a = PKI_ALG_NONE; a <= PKI_ALG_COUNT; a++) {
            struct buf sig;
            buf_init(&sig, 0);
            int rc = pki_key_sign(keys[i], (enum pki_alg)a, text, &sig);
            if (!(kinds[i].algs & (1u << a))) {
                assert_int_equal(rc, ERR_INTERNAL);
                assert_int_equal(buf_len(&sig), 0);
                assert_int_equal(pki_key_verify(keys[i], (enum pki_alg)a, text, SPAN("x")), ERR_TOKEN_SIGNATURE);
                continue;
            }
            assert_int_equal(rc, 0);
            assert_int_equal(pki_key_verify(keys[i], (enum pki_alg)a, text, buf_span(&sig)), 0);
            assert_int_equal(pki_key_verify_shared(keys[i], (enum pki_alg)a, text, buf_span(&sig)), 0);
            assert_int_equal(pki_key_verify(keys[i], (enum pki_alg)a, other, buf_span(&sig)), ERR_TOKEN_SIGNATURE);
            // Rule 22: exact length, one byte less and one byte more.
            buf_byte(&sig, 0);
            assert_int_equal(pki_key_verify(keys[i], (enum pki_alg)a, text, buf_span(&sig)), ERR_TOKEN_SIGNATURE);
            struct span shorter = span_sub(buf_span(&sig), 0, buf_len(&sig) - 2);
            assert_int_equal(pki_key_verify(keys[i], (enum pki_alg)a, text, shorter), ERR_TOKEN_SIGNATURE);
            assert_int_equal(pki_key_verify(keys[i], (enum pki_alg)a, text, SPAN("")), ERR_TOKEN_SIGNATURE);
            // Another algorithm of the same key does not accept it.
            for (unsigned b = PKI_ES256; b < PKI_ALG_COUNT; b++)
                if (b != a)
                    assert_int_equal(
                        pki_key_verify(keys[i], (enum pki_alg)b, text, span_sub(buf_span(&sig), 0, buf_len(&sig) - 1)),
                        ERR_TOKEN_SIGNATURE);
            buf_fini(&sig);
        }
    }
}

static void same_key(const struct pki_key *a, const struct pki_key *b)
{
    uint8_t x[32], y[32];
    assert_int_equal(pki_key_type(a), pki_key_type(b));
    pki_key_thumbprint(a, x);
    pki_key_thumbprint(b, y);
    assert_memory_equal(x, y, 32);
}

static void still_signs(const struct pki_key *private_key, const struct pki_key *public_key)
{
    struct buf sig;
    buf_init(&sig, 0);
    for (unsigned a = PKI_ES256; a < PKI_ALG_COUNT; a++) {
        if (!(pki_key_algs(private_key) & (1u << a)))
            continue;
        buf_clear(&sig);
        assert_int_equal(pki_key_sign(private_key, (enum pki_alg)a, SPAN("m"), &sig), 0);
        assert_int_equal(pki_key_verify(public_key, (enum pki_alg)a, SPAN("m"), buf_span(&sig)), 0);
    }
    buf_fini(&sig);
}

static void keys_survive_pem(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pki_key *k;
        struct buf pem;
        buf_init(&pem, 0);
        assert_int_equal(pki_key_write_private(keys[i], SPAN_NONE, &pem), 0);
        assert_int_equal(pki_key_read_private(buf_span(&pem), SPAN_NONE, &k), 0);
        assert_true(pki_key_is_private(k));
        same_key(keys[i], k);
        still_signs(k, keys[i]);
        pki_key_free(k);

        buf_clear(&pem);
        assert_int_equal(pki_key_write_public(keys[i], &pem), 0);
        assert_int_equal(pki_key_read_public(buf_span(&pem), &k), 0);
        assert_false(pki_key_is_private(k));
        same_key(keys[i], k);
        still_signs(keys[i], k);
        struct buf sig;
        buf_init(&sig, 0);
        assert_int_equal(pki_key_sign(k, PKI_ES256, SPAN("m"), &sig), ERR_INTERNAL);
        assert_int_equal(pki_key_write_private(k, SPAN_NONE, &sig), ERR_INTERNAL);
        pki_key_free(k);

        // DER, too.
        buf_clear(&pem);
        assert_int_equal(pki_key_spki(keys[i], &pem), 0);
        assert_int_equal(pki_key_read_public(buf_span(&pem), &k), 0);
        same_key(keys[i], k);
        pki_key_free(k);
        buf_fini(&pem);
    }
}

static void encrypted_key_needs_its_passphrase(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pki_key *k = NULL;
        struct buf pem;
        buf_init(&pem, 0);
        assert_int_equal(pki_key_write_private(keys[i], SPAN("correct horse"), &pem), 0);
        assert_non_null(strstr(buf_span(&pem).p, "ENCRYPTED PRIVATE KEY"));
        assert_int_equal(pki_key_read_private(buf_span(&pem), SPAN_NONE, &k), ERR_CERT_MALFORMED);
        if (i == 0) {
            assert_int_equal(pki_key_read_private(buf_span(&pem), SPAN("correct hors"), &k), ERR_CERT_MALFORMED);
            assert_int_equal(pki_key_read_private(buf_span(&pem), SPAN(""), &k), ERR_CERT_MALFORMED);
        }
        assert_null(k);
        assert_int_equal(pki_key_read_private(buf_span(&pem), SPAN("correct horse"), &k), 0);
        same_key(keys[i], k);
        still_signs(k, keys[i]);
        pki_key_free(k);
        buf_fini(&pem);
    }
}

// What we write, OpenSSL reads, and the other way round.
static void openssl_and_we_read_each_other(void **state)
{
    (void)state;
    if (system("openssl version >/dev/null 2>&1") != 0)
        skip();
    char dir[] = "/tmp/sallyport-key-XXXXXX", path[128], command[512];
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < KINDS; i++) {
        struct buf pem;
        buf_init(&pem, 0);
        assert_int_equal(pki_key_write_private(keys[i], SPAN("pass"), &pem), 0);
        snprintf(path, sizeof path, "%s/key.pem", dir);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fwrite(buf_span(&pem).p, 1, buf_len(&pem), f);
        fclose(f);
        // Decrypts ours, encrypts again its own way; and its public half.
        snprintf(command, sizeof command,
                 "openssl pkcs8 -topk8 -v2 aes-256-cbc -in %s -passin pass:pass -out %s.again -passout pass:other",
                 path, path);
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "openssl pkey -in %s -passin pass:pass %s -out %s.old", path,
                 kinds[i].type == PKI_KEY_ED25519 ? "" : "-traditional", path); // SEC1, PKCS#1
        assert_int_equal(system(command), 0);
        snprintf(command, sizeof command, "openssl pkey -in %s -passin pass:pass -pubout -out %s.pub", path, path);
        assert_int_equal(system(command), 0);
        static const char *const suffixes[] = { "again", "old", "pub" };
        for (size_t s = 0; s < 3; s++) {
            char text[16384];
            struct pki_key *k;
            snprintf(command, sizeof command, "%s.%s", path, suffixes[s]);
            f = fopen(command, "r");
            assert_non_null(f);
            size_t n = fread(text, 1, sizeof text, f);
            fclose(f);
            unlink(command);
            if (s == 2)
                assert_int_equal(pki_key_read_public(span_of(text, n), &k), 0);
            else
                assert_int_equal(pki_key_read_private(span_of(text, n), s == 0 ? SPAN("other") : SPAN_NONE, &k), 0);
            same_key(keys[i], k);
            pki_key_free(k);
        }
        unlink(path);
        buf_fini(&pem);
    }
    rmdir(dir);
}

static void pem_that_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "-",
        "-----BEGIN PRIVATE KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
        "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n",
        "0\x03\x02\x01\x05",
    };
    struct pki_key *k = NULL;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(pki_key_read_private(span_str(texts[i]), SPAN("p"), &k), ERR_CERT_MALFORMED);
        assert_int_equal(pki_key_read_public(span_str(texts[i]), &k), ERR_CERT_MALFORMED);
        assert_null(k);
    }
}

static int from_text(const char *text, bool public_only, struct pki_key **out, const char **what)
{
    struct json_doc *doc = json_parse(span_str(text), NULL, NULL);
    assert_non_null(doc);
    int rc = pki_key_from_jwk(json_root(doc), public_only, out, what);
    json_free(doc);
    return rc;
}

static void keys_survive_jwk(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pki_key *k = NULL;
        const char *what = "";
        char *pair = jose_jwk(keys[i], true), *public_only = jose_jwk(keys[i], false);
        assert_null(strstr(public_only, "\"d\""));
        assert_int_equal(from_text(pair, false, &k, &what), 0);
        assert_true(pki_key_is_private(k));
        same_key(keys[i], k);
        still_signs(k, keys[i]);
        pki_key_free(k);
        assert_int_equal(from_text(public_only, true, &k, &what), 0);
        assert_false(pki_key_is_private(k));
        same_key(keys[i], k);
        pki_key_free(k);
        // Rule 7.
        assert_int_equal(from_text(pair, true, &k, &what), ERR_PROOF_PRIVATE);
        free(pair);
        free(public_only);
    }
}

static void private_half_of_another_key_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pki_key *other = pki_key_generate(kinds[i].type, kinds[i].bits), *k = NULL;
        char *ours = jose_jwk(keys[i], false), *theirs = jose_jwk(other, true), *mixed;
        char *d = strstr(theirs, ",\"d\"");
        assert_non_null(d);
        ours[strlen(ours) - 1] = 0;
        assert_true(asprintf(&mixed, "%s%s", ours, d) > 0);
        const char *what = "";
        assert_int_equal(from_text(mixed, false, &k, &what), ERR_PROOF_KEY);
        assert_null(k);
        free(mixed);
        free(ours);
        free(theirs);
        pki_key_free(other);
    }
}

#define X1 "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"
#define Y1 "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"

static void rule_22_points_and_sizes_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
    } cases[] = {
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X1 "\",\"y\":\"" Y1 "\"}", 0 },
        // off the curve: y's last bit
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X1 "\",\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDE\"}",
          ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" Y1 "\",\"y\":\"" X1 "\"}", ERR_PROOF_KEY },
        // the point at infinity, as (0, 0)
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":"
          "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
          ERR_PROOF_KEY },
        // x one byte short, one byte long, padded, with a stray bit, missing, a number
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"y0WuHH7fi1XeFEgJENj3MKQOWkGEXjZRBR9ZUBYEWw\",\"y\":\"" Y1 "\"}",
          ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AJfLRa4cft-LVd4USAkQ2PcwpA5aQYReNlEFH1lQFgRb\",\"y\":\"" Y1 "\"}",
          ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X1 "=\",\"y\":\"" Y1 "\"}", ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFt\",\"y\":\"" Y1 "\"}",
          ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y1 "\"}", ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":1,\"y\":\"" Y1 "\"}", ERR_PROOF_KEY },
        // another curve's name, an unknown one, an unknown type
        { "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" X1 "\",\"y\":\"" Y1 "\"}", ERR_PROOF_KEY },
        { "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" X1 "\",\"y\":\"" Y1 "\"}", ERR_PROOF_KEY },
        { "{\"kty\":\"ec\",\"crv\":\"P-256\",\"x\":\"" X1 "\",\"y\":\"" Y1 "\"}", ERR_PROOF_KEY },
        { "{}", ERR_PROOF_KEY },
        { "[]", ERR_PROOF_KEY },
        { "\"key\"", ERR_PROOF_KEY },
        // Ed25519: RFC 8037 A.2; short; of small order (the identity); X25519
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}", 0 },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUQ\"}", ERR_PROOF_KEY },
        { "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
          ERR_PROOF_KEY },
        { "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}", ERR_PROOF_KEY },
        // symmetric
        { "{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", ERR_PROOF_PRIVATE },
        { "{\"kty\":\"oct\"}", ERR_PROOF_PRIVATE },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pki_key *k = NULL;
        const char *what = "";
        int rc = from_text(cases[i].text, true, &k, &what);
        if (rc != cases[i].rc)
            fail_msg("%s: %d (%s)", cases[i].text, rc, what);
        assert_true((rc == 0) == (k != NULL));
        pki_key_free(k);
    }
}

// Keys that anybody can sign for, or that have a second spelling: the eight points of small order, and encodings that RFC 8032 §5.1.3
// does not let decode (y of the prime or more, a sign without an x).
static void rule_22_ed25519_points_of_small_order_are_refused(void **state)
{
    (void)state;
    static const char *const points[] = {
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "7P_______________________________________38",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA",
        "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o",
        "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU", "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU",
        "7f_______________________________________38", "7v_______________________________________38",
        "7f________________________________________8", "7v________________________________________8",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA", "7P________________________________________8",
        "8P_______________________________________38",
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        char text[128];
        struct pki_key *k = NULL;
        snprintf(text, sizeof text, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}", points[i]);
        if (from_text(text, true, &k, NULL) != ERR_PROOF_KEY)
            fail_msg("%s is accepted", points[i]);
    }
}

// x = p + 5 would be x = 5 after reduction, where P-256 has a point: one key with two spellings and two thumbprints.
static void coordinate_above_the_prime_is_refused(void **state)
{
    (void)state;
    static const char p_plus_5[] = "ffffffff00000001000000000000000000000001000000000000000000000004";
    static const char y_of_5[] = "459243b9aa581806fe913bce99817ade11ca503c64d9a3c533415c083248fbcc";
    struct span x = jose_hex(span_str(p_plus_5)), y = jose_hex(span_str(y_of_5));
    uint8_t five[32] = { [31] = 5 };
    char *bad = jose_b64(x), *good = jose_b64(span_of(five, 32)), *yy = jose_b64(y), *text;
    struct pki_key *k = NULL;
    assert_true(asprintf(&text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", good, yy) > 0);
    assert_int_equal(from_text(text, true, &k, NULL), 0);
    pki_key_free(k);
    k = NULL;
    free(text);
    assert_true(asprintf(&text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", bad, yy) > 0);
    assert_int_equal(from_text(text, true, &k, NULL), ERR_PROOF_KEY);
    assert_null(k);
    free(text);
    free(bad);
    free(good);
    free(yy);
    free((void *)(uintptr_t)x.p);
    free((void *)(uintptr_t)y.p);
}

static void rule_22_weak_rsa_is_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned octets;
        uint8_t first, last;
        const char *e;
        int rc;
    } cases[] = {
        { 256, 0x80, 1, "AQAB", 0 },
        { 256, 0x7f, 1, "AQAB", ERR_PROOF_KEY }, // 2,047 bits
        { 128, 0x80, 1, "AQAB", ERR_PROOF_KEY },
        { 256, 0x80, 2, "AQAB", ERR_PROOF_KEY }, // even
        { 257, 0x00, 1, "AQAB", ERR_PROOF_KEY }, // a leading zero
        { 256, 0x80, 1, "Aw", ERR_PROOF_KEY },
        { 256, 0x80, 1, "AQ", ERR_PROOF_KEY },
        { 256, 0x80, 1, "AQAA", ERR_PROOF_KEY },
        { 256, 0x80, 1, "AAEAAQ", ERR_PROOF_KEY },
        { 256, 0x80, 1, "AQAAAAAAAAAB", ERR_PROOF_KEY }, // 9 octets
        { 512, 0x80, 1, "AQAB", 0 },
        { 1024, 0x80, 1, "AQAB", 0 },
        { 1025, 0x80, 1, "AQAB", ERR_PROOF_KEY },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t n[1025];
        memset(n, 0x5a, sizeof n);
        n[0] = cases[i].first;
        n[cases[i].octets - 1] = cases[i].last;
        if (cases[i].first == 0)
            n[1] = 0x80;
        char *modulus = jose_b64(span_of(n, cases[i].octets)), *text;
        assert_true(asprintf(&text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}", modulus, cases[i].e) > 0);
        struct pki_key *k = NULL;
        int rc = from_text(text, true, &k, NULL);
        if (rc != cases[i].rc)
            fail_msg("case %zu: %d", i, rc);
        pki_key_free(k);
        free(text);
        free(modulus);
    }
}

static void rule_7_every_private_member_is_refused(void **state)
{
    (void)state;
    static const char *const members[] = { "d", "p", "q", "dp", "dq", "qi", "oth", "k" };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        char *text;
        struct pki_key *k = NULL;
        // Whatever its type: null is a member as well.
        assert_true(asprintf(&text, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X1 "\",\"y\":\"" Y1 "\",\"%s\":null}",
                             members[i]) > 0);
        assert_int_equal(from_text(text, true, &k, NULL), ERR_PROOF_PRIVATE);
        assert_null(k);
        free(text);
    }
}

static void thumbprint_is(const char *jwk, const char *want)
{
    struct pki_key *k;
    uint8_t thumbprint[32];
    assert_int_equal(from_text(jwk, true, &k, NULL), 0);
    pki_key_thumbprint(k, thumbprint);
    char *text = jose_b64(span_of(thumbprint, 32));
    assert_string_equal(text, want);
    free(text);
    pki_key_free(k);
}

static void thumbprints_of_the_rfcs(void **state)
{
    (void)state;
    // RFC 9449 §4.1 and §6.1, RFC 8037 A.3
    thumbprint_is("{\"kty\":\"EC\",\"x\":\"" X1 "\",\"y\":\"" Y1
                  "\",\"crv\":\"P-256\",\"use\":\"sig\",\"kid\":\"ignored\"}",
                  "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    thumbprint_is("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
                  "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
}

#define OCTETS_64 "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF"

static void a_symmetric_key_is_for_hmac_no_longer_than_itself(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        unsigned algs;
    } sizes[] = {
        { 32, PKI_ALG_BIT(PKI_HS256) },
        { 47, PKI_ALG_BIT(PKI_HS256) },
        { 48, PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) },
        { 63, PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) },
        { 64, PKI_ALG_BIT(PKI_HS256) | PKI_ALG_BIT(PKI_HS384) | PKI_ALG_BIT(PKI_HS512) },
    };
    struct pki_key *k;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        assert_int_equal(pki_key_symmetric(span_of(OCTETS_64, sizes[i].n), &k), 0);
        assert_int_equal(pki_key_algs(k), sizes[i].algs);
        for (enum pki_alg alg = PKI_ALG_NONE; alg < PKI_ALG_COUNT; alg++) {
            struct buf mac;
            buf_init(&mac, 0);
            bool fits = alg != PKI_ALG_NONE && (sizes[i].algs & PKI_ALG_BIT(alg));
            assert_int_equal(pki_key_sign(k, alg, SPAN("text"), &mac), fits ? 0 : ERR_INTERNAL);
            if (fits) {
                struct span whole = buf_span(&mac);
                assert_int_equal(whole.n, alg == PKI_HS256 ? 32 : alg == PKI_HS384 ? 48 : 64);
                assert_int_equal(pki_key_verify(k, alg, SPAN("text"), whole), 0);
                assert_int_equal(pki_key_verify_shared(k, alg, SPAN("text"), whole), 0);
                assert_int_equal(pki_key_verify(k, alg, SPAN("Text"), whole), ERR_TOKEN_SIGNATURE);
                // A shortened MAC is no MAC, and neither is none.
                assert_int_equal(pki_key_verify(k, alg, SPAN("text"), span_sub(whole, 0, whole.n - 1)),
                                 ERR_TOKEN_SIGNATURE);
                assert_int_equal(pki_key_verify(k, alg, SPAN("text"), SPAN("")), ERR_TOKEN_SIGNATURE);
            }
            assert_int_equal(pki_key_verify(k, alg, SPAN("text"), SPAN(OCTETS_64)), ERR_TOKEN_SIGNATURE);
            buf_fini(&mac);
        }
        pki_key_free(k);
    }
    assert_int_equal(pki_key_symmetric(span_of(OCTETS_64, 31), &k), ERR_CERT_WEAK);
    assert_int_equal(pki_key_symmetric(SPAN(""), &k), ERR_CERT_WEAK);
    static const char long_one[PKI_KEY_SECRET_MAX + 1];
    assert_int_equal(pki_key_symmetric(span_of(long_one, sizeof long_one), &k), ERR_CERT_MALFORMED);
    assert_null(pki_key_generate(PKI_KEY_SYMMETRIC, 0));
}

static void a_symmetric_key_goes_nowhere_but_into_a_private_jwk(void **state)
{
    (void)state;
    struct pki_key *k, *again;
    uint8_t a[32], b[32];
    struct buf out;
    assert_int_equal(pki_key_symmetric(SPAN(OCTETS_64), &k), 0);
    buf_init(&out, 0);
    assert_int_equal(pki_key_write_private(k, SPAN_NONE, &out), ERR_INTERNAL);
    assert_int_equal(pki_key_write_public(k, &out), ERR_INTERNAL);
    assert_int_equal(pki_key_spki(k, &out), ERR_INTERNAL);
    assert_int_equal(buf_len(&out), 0);
    char *public = jose_jwk(k, false), *private = jose_jwk(k, true);
    assert_string_equal(public, "{\"kty\":\"oct\"}");
    assert_int_equal(from_text(private, true, &again, NULL), ERR_PROOF_PRIVATE);
    assert_int_equal(from_text(private, false, &again, NULL), 0);
    pki_key_thumbprint(k, a);
    pki_key_thumbprint(again, b);
    assert_memory_equal(a, b, sizeof a);
    // RFC 7638 §3: the required members of `oct` are k and kty. Computed with Python's hashlib.
    char *text = jose_b64(span_of(a, sizeof a));
    assert_string_equal(text, "c4RibBL3s9u5sFxJkg1dMJp-ceCrtUugvVVr9nyrzd4");
    free(text);
    free(public);
    free(private);
    buf_fini(&out);
    pki_key_free(again);
    pki_key_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(algorithm_names_are_exact),
        cmocka_unit_test(what_a_key_signs_it_verifies_and_nothing_else),
        cmocka_unit_test(keys_survive_pem),
        cmocka_unit_test(encrypted_key_needs_its_passphrase),
        cmocka_unit_test(openssl_and_we_read_each_other),
        cmocka_unit_test(pem_that_is_no_key_is_refused),
        cmocka_unit_test(keys_survive_jwk),
        cmocka_unit_test(private_half_of_another_key_is_refused),
        cmocka_unit_test(rule_22_points_and_sizes_are_checked),
        cmocka_unit_test(rule_22_ed25519_points_of_small_order_are_refused),
        cmocka_unit_test(coordinate_above_the_prime_is_refused),
        cmocka_unit_test(rule_22_weak_rsa_is_refused),
        cmocka_unit_test(rule_7_every_private_member_is_refused),
        cmocka_unit_test(thumbprints_of_the_rfcs),
        cmocka_unit_test(a_symmetric_key_is_for_hmac_no_longer_than_itself),
        cmocka_unit_test(a_symmetric_key_goes_nowhere_but_into_a_private_jwk),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}

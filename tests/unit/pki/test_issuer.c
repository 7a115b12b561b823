// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/issuer.h"
#include "tests/support/jose.h"

static void patterns_match_whole_values(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *s;
        bool want;
    } cases[] = {
        { "", "", true },
        { "", "a", false },
        { "a", "a", true },
        { "a", "A", false },
        { "a", "ab", false },
        { "*", "", true },
        { "*", "anything/at:all", true },
        { "team-*", "team-a", true },
        { "team-*", "team-", true },
        { "team-*", "xteam-a", false },
        { "*.example.org", "a.example.org", true },
        { "*.example.org", "example.org", false },
        { "*.example.org", "a.example.org.evil", false },
        { "a*b*c", "a1b2c", true },
        { "a*b*c", "abcbc", true },
        { "a*b*c", "abcb", false },
        { "**", "x", true },
        { "a?c", "abc", false },
        { "*aab", "aaaaaaab", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (pki_pattern_match(span_str(cases[i].pattern), span_str(cases[i].s)) != cases[i].want)
            fail_msg("%s on %s", cases[i].pattern, cases[i].s);
}

static struct pki_jwks *set_of(const struct pki_key *const *keys, size_t n)
{
    enum pki_alg algs[4] = { PKI_ES256, PKI_ES256, PKI_ES256, PKI_ES256 };
    struct buf text;
    struct diags d;
    buf_init(&text, 0);
    diags_init(&d);
    assert_int_equal(pki_jwks_write(keys, algs, n, &text), 0);
    struct pki_jwks *s = pki_jwks_read(buf_span(&text), PKI_ALG_BIT(PKI_ES256), SPAN("f"), &d);
    assert_non_null(s);
    diags_fini(&d);
    buf_fini(&text);
    return s;
}

static void issuers_are_found_by_exact_iss(void **state)
{
    (void)state;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct pki_issuers *s = pki_issuers_new();
    char iss[] = "https://idp.example/";
    struct pki_issuer issuer = { .name = SPAN("idp"),
                                 .iss = span_str(iss),
                                 .algs = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_HS256) | 1 };
    struct pki_jwks *keys = set_of((const struct pki_key *const[]){ key }, 1);
    assert_int_equal(pki_issuers_add(s, &issuer, keys), 0);
    struct pki_jwks *again = set_of((const struct pki_key *const[]){ key }, 1);
    assert_int_equal(pki_issuers_add(s, &issuer, again), ERR_TOKEN_ISSUER);
    issuer.iss = SPAN("");
    assert_int_equal(pki_issuers_add(s, &issuer, again), ERR_TOKEN_ISSUER);
    pki_jwks_free(again);
    iss[0] = 'X'; // the set has its own copy
    const struct pki_issuer *found = pki_issuers_find(s, SPAN("https://idp.example/"));
    assert_non_null(found);
    assert_int_equal(found->algs, PKI_ALG_BIT(PKI_ES256)); // HS* never with public keys
    assert_int_equal(pki_issuers_algs(s), PKI_ALG_BIT(PKI_ES256));
    assert_ptr_equal(found, pki_issuers_at(s, 0));
    assert_null(pki_issuers_at(s, 1));
    static const char *const others[] = { "", "https://idp.example", "https://idp.example/x", "HTTPS://idp.example/",
                                          "https://IDP.example/" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(pki_issuers_find(s, span_str(others[i])));
    assert_null(pki_issuers_find(s, SPAN_NONE));
    pki_issuers_free(s);
    pki_key_free(key);
}

static void removed_key_is_refused_and_stale_keys_refuse(void **state)
{
    (void)state;
    struct pki_key *a = pki_key_generate(PKI_KEY_P256, 0), *b = pki_key_generate(PKI_KEY_P256, 0);
    uint8_t ta[32], tb[32];
    pki_key_thumbprint(a, ta);
    pki_key_thumbprint(b, tb);
    struct pki_issuer issuer = { .iss = SPAN("i"), .max_stale_s = 100, .keys_read_s = 1000 };
    assert_int_equal(pki_key_view_check(NULL, &issuer, ta, 1100), 0);
    assert_int_equal(pki_key_view_check(NULL, &issuer, ta, 1101), ERR_KEYS_STALE);

    struct pki_jwks *only_a = set_of((const struct pki_key *const[]){ a }, 1);
    struct pki_key_view *v = pki_key_view_new();
    assert_int_equal(pki_key_view_check(v, &issuer, tb, 1000), 0); // an issuer that was not read is not restricted
    assert_int_equal(pki_key_view_add(v, SPAN("i"), only_a, 1200), 0);
    assert_int_equal(pki_key_view_add(v, SPAN("empty"), NULL, 1200), 0);
    pki_jwks_free(only_a);
    assert_int_equal(pki_key_view_check(v, &issuer, ta, 1300), 0); // read again since
    assert_int_equal(pki_key_view_check(v, &issuer, ta, 1301), ERR_KEYS_STALE);
    assert_int_equal(pki_key_view_check(v, &issuer, tb, 1200), ERR_TOKEN_REVOKED);
    issuer.iss = SPAN("empty");
    assert_int_equal(pki_key_view_check(v, &issuer, ta, 1200), ERR_TOKEN_REVOKED);
    issuer.max_stale_s = 0;
    issuer.iss = SPAN("other");
    assert_int_equal(pki_key_view_check(v, &issuer, ta, INT32_MAX), 0);
    pki_key_view_free(v);
    pki_key_free(a);
    pki_key_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_whole_values),
        cmocka_unit_test(issuers_are_found_by_exact_iss),
        cmocka_unit_test(removed_key_is_refused_and_stale_keys_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

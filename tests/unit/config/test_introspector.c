// SPDX-License-Identifier: GPL-3.0-or-later
// Issuers that are asked about opaque tokens: told apart, and with a way to authenticate.
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/config/introspector.h"

#define AUTH "client_id: g, client_secret_file: s"
#define HTTP "url: \"http://127.0.0.1:9/i\""

// The complaints about two issuers with these `introspection` maps, and these further keys.
static bool complains(const char *first, const char *second, const char *keys, const char *of)
{
    char text[4096];
    struct gw_config *c = NULL;
    struct diags diags;
    bool found = false;
    snprintf(text, sizeof text,
             "issuers:\n"
             "  - { name: a, issuer: \"https://a\", audiences: [x], scopes: none, asserts: { trust_domains: [d.org] }, "
             "introspection: { %s }%s }\n"
             "  - { name: b, issuer: \"https://b\", audiences: [x], scopes: none, asserts: { trust_domains: [d.org] }, "
             "introspection: { %s } }\n",
             first, keys, second);
    diags_init(&diags);
    gw_config_parse(span_str(text), SPAN("t.yaml"), &c, &diags);
    for (const struct diag *d = diags.first; d && !found; d = d->next)
        found = memmem(d->text.p, d->text.n, of, strlen(of)) != NULL;
    gw_config_free(c);
    diags_fini(&diags);
    return found;
}

static void two_issuers_of_opaque_tokens_must_be_told_apart(void **state)
{
    (void)state;
    static const char plain[] = HTTP ", " AUTH;
    assert_true(complains(plain, plain, "", "nothing tells whose a token is"));
    assert_false(complains(plain, HTTP ", " AUTH ", prefix: b_", "", "nothing tells whose a token is"));
    assert_true(complains(HTTP ", " AUTH ", prefix: b_", HTTP ", " AUTH ", prefix: b_x", "", "begins with the other"));
    assert_false(complains(HTTP ", " AUTH ", prefix: a_", HTTP ", " AUTH ", prefix: b_", "", "begins with the other"));
    assert_true(complains(HTTP ", " AUTH ", prefix: \"a b\"", plain, "", "of the characters of a token"));
}

static void the_gateway_must_be_able_to_authenticate_and_to_know_the_server(void **state)
{
    (void)state;
    static const char other[] = HTTP ", " AUTH ", prefix: b_";
    assert_true(complains(HTTP ", client_id: g", other, "", "nothing authenticates the gateway"));
    assert_false(complains(HTTP ", " AUTH, other, "", "nothing authenticates the gateway"));
    assert_false(complains("url: \"https://i.test/i\", client_id: g, tls: { ca: c, certificate: c, key: k }", other, "",
                           "nothing authenticates the gateway"));
    assert_true(complains("url: \"https://i.test/i\", " AUTH, other, "", "nothing vouches for it"));
    assert_true(complains("url: \"http://i.test/i\", " AUTH, other, "", "https:// is expected"));
    assert_true(complains(AUTH, other, "", "url"));
}

static void keys_are_optional_beside_introspection(void **state)
{
    (void)state;
    static const char a[] = HTTP ", " AUTH, b[] = HTTP ", " AUTH ", prefix: b_";
    assert_false(complains(a, b, "", "an issuer has one of"));
    assert_false(complains(a, b, ", jwks: j", "an issuer has one of"));
    assert_true(complains(a, b, ", jwks: j, symmetric_key_file: k", "an issuer has one of"));
}

static void a_form_is_encoded_as_the_rfc_says(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    gw_form_encode(&out, SPAN("aZ09-._~ %&+:=/\xc2\xa3"));
    assert_true(span_eq(buf_span(&out), SPAN("aZ09-._~%20%25%26%2B%3A%3D%2F%C2%A3")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_issuers_of_opaque_tokens_must_be_told_apart),
        cmocka_unit_test(the_gateway_must_be_able_to_authenticate_and_to_know_the_server),
        cmocka_unit_test(keys_are_optional_beside_introspection),
        cmocka_unit_test(a_form_is_encoded_as_the_rfc_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

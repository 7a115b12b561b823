// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/digest.h"
#include "pki/mint.h"
#include "pki/token.h"
#include "tests/support/jose.h"

#define T INT64_C(1700000000)
#define WORKLOAD "spiffe://prod.example/ns/rag/sa/api"

static const struct span gw[] = { { "https://gw.example", 18 }, { "https://two.example", 19 } };
static const struct span any[] = { { "*", 1 } };

static struct pki_mint mint_base(void)
{
    return (struct pki_mint){
        .iss = SPAN("https://local.example"),
        .subject = SPAN("alice"),
        .client_id = SPAN("rag"),
        .audiences = { gw, 1 },
        .scope = SPAN("read"),
        .iat_s = T,
        .lifetime_s = 300,
        .workload_claim = SPAN("workload"),
        .workload = SPAN(WORKLOAD),
    };
}

// What is minted is accepted by an issuer configured from the published set: RFC 9068, both bindings, every kind of key.
static void minted_token_is_accepted(void **state)
{
    (void)state;
    static const struct {
        enum pki_key_type type;
        enum pki_alg alg, want;
    } cases[] = {
        { PKI_KEY_P256, PKI_ALG_NONE, PKI_ES256 },    { PKI_KEY_P384, PKI_ALG_NONE, PKI_ES384 },
        { PKI_KEY_ED25519, PKI_ALG_NONE, PKI_EDDSA }, { PKI_KEY_RSA, PKI_ALG_NONE, PKI_RS256 },
        { PKI_KEY_RSA, PKI_PS256, PKI_PS256 },
    };
    static const struct span roles[] = { { "reader", 6 }, { "w\"riter", 7 } };
    static const struct pki_scope scopes[] = { { { "read", 4 }, 1 } };
    uint8_t jkt[32], x5t[32];
    pki_random(jkt, sizeof jkt);
    pki_random(x5t, sizeof x5t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pki_key *key = pki_key_generate(cases[i].type, 2048);
        struct buf set, token;
        struct diags d;
        buf_init(&set, 0);
        buf_init(&token, 0);
        diags_init(&d);
        assert_int_equal(pki_jwks_write((const struct pki_key *const[]){ key }, &cases[i].want, 1, &set), 0);
        struct pki_jwks *keys = pki_jwks_read(buf_span(&set), PKI_ALG_BIT(cases[i].want), SPAN("f"), &d);
        assert_non_null(keys);
        struct pki_issuers *issuers = pki_issuers_new();
        struct pki_issuer issuer = {
            .iss = SPAN("https://local.example"),
            .algs = PKI_ALG_BIT(cases[i].want),
            .audiences = { gw + 1, 1 },
            .typ = SPAN("at+jwt"),
            .binding = PKI_BIND_BOTH,
            .max_lifetime_s = 300,
            .scopes = scopes,
            .scopes_n = 1,
            .claims = { .roles = SPAN("roles"),
                        .groups = SPAN("groups"),
                        .tenant = SPAN("tenant"),
                        .workload = SPAN("workload") },
            .assert_roles = { any, 1 },
            .assert_groups = { any, 1 },
            .assert_tenants = { any, 1 },
            .assert_trust_domains = { any, 1 },
        };
        assert_int_equal(pki_issuers_add(issuers, &issuer, keys), 0);

        struct pki_mint m = mint_base();
        m.audiences.n = 2;
        m.nbf_s = T;
        m.jkt = jkt;
        m.x5t = x5t;
        m.roles_claim = SPAN("roles");
        m.roles = (struct pki_names){ roles, 2 };
        m.groups_claim = SPAN("groups");
        m.groups = (struct pki_names){ roles, 1 };
        m.tenant_claim = SPAN("tenant");
        m.tenant = SPAN("acme");
        m.extra = SPAN("{\"region\":\"eu\",\"n\":[1,{}]}");
        assert_int_equal(pki_mint_token(&m, key, cases[i].alg, &token), 0);
        uint8_t sha256[32];
        struct pki_token *t;
        pki_sha256(buf_span(&token), sha256);
        assert_int_equal(pki_token_verify(issuers, NULL, buf_span(&token), sha256, T, NULL, &t), 0);
        assert_memory_equal(t->jkt, jkt, 32);
        assert_memory_equal(t->x5t, x5t, 32);
        assert_true(t->has_jkt && t->has_x5t && t->actions == 1 && t->exp == T + 300 && t->nbf == T);
        assert_true(t->roles.n == 2 && span_eq(t->roles.at[1], SPAN("w\"riter")) && t->groups.n == 1);
        assert_true(span_eq(t->tenant, SPAN("acme")) && t->jti.n == 22);
        assert_non_null(memmem(t->claims.p, t->claims.n, "\"region\":\"eu\"", 13));
        pki_token_unref(t);
        pki_issuers_free(issuers);
        diags_fini(&d);
        buf_fini(&set);
        buf_fini(&token);
        pki_key_free(key);
    }
}

static void what_is_missing_or_doubled_is_not_signed(void **state)
{
    (void)state;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct buf out;
    buf_init(&out, 0);
    for (int i = 0; i < 12; i++) {
        struct pki_mint m = mint_base();
        switch (i) {
        case 0: m.iss = SPAN_NONE; break;
        case 1: m.subject = SPAN(""); break;
        case 2: m.client_id = SPAN_NONE; break;
        case 3: m.audiences.n = 0; break;
        case 4: m.lifetime_s = 0; break;
        case 5: m.iat_s = 0; break;
        case 6: m.extra = SPAN("[]"); break;
        case 7: m.extra = SPAN("{"); break;
        case 8: m.extra = SPAN("{\"sub\":\"root\"}"); break;
        case 9: m.extra = SPAN("{\"\\u0065xp\":9}"); break;
        case 10: m.workload_claim = SPAN("sub"); break;
        case 11: m.extra = SPAN("{\"a\":1,\"a\":2}"); break;
        }
        assert_int_equal(pki_mint_token(&m, key, PKI_ALG_NONE, &out), ERR_TOKEN_CLAIM);
        assert_int_equal(buf_len(&out), 0);
    }
    struct pki_mint m = mint_base();
    assert_int_equal(pki_mint_token(&m, key, PKI_RS256, &out), ERR_INTERNAL);
    assert_int_equal(buf_len(&out), 0);
    pki_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minted_token_is_accepted),
        cmocka_unit_test(what_is_missing_or_doubled_is_not_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

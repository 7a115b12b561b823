// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/jose_token.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

const char jose_token_base[] =
    "{\"iss\":\"https://idp.example\",\"sub\":\"alice\",\"client_id\":\"rag\",\"aud\":\"https://"
    "gw.example\",\"jti\":\"t1\","
    "\"iat\":1700000000,\"exp\":1700000300,\"scope\":\"vectors:read vectors:write\",\"roles\":[\"reader\",\"team-a\"],"
    "\"tenant\":\"acme\",\"workload\":\"" WORKLOAD "\",\"cnf\":{\"jkt\":\"" JKT "\"}}";

struct pki_issuer jose_issuer(void)
{
    static const struct span audiences[] = { { "https://other.example", 21 }, { "https://gw.example", 18 } };
    static const struct pki_scope scopes[] = { { { "vectors:read", 12 }, READ },
                                               { { "vectors:write", 13 }, READ | WRITE } };
    static const struct span roles[] = { { "reader", 6 }, { "team-*", 6 } };
    static const struct span tenants[] = { { "acme", 4 } }, domains[] = { { "prod.example", 12 } };
    return (struct pki_issuer){
        .name = SPAN("idp"),
        .iss = SPAN("https://idp.example"),
        .algs = ALGS,
        .audiences = { audiences, 2 },
        .typ = SPAN("at+jwt"),
        .max_lifetime_s = 3600,
        .skew_s = 5,
        .claims = { .roles = SPAN("roles"),
                    .groups = SPAN("groups"),
                    .tenant = SPAN("tenant"),
                    .workload = SPAN("workload") },
        .scopes = scopes,
        .scopes_n = 2,
        .assert_roles = { roles, 2 },
        .assert_tenants = { tenants, 1 },
        .assert_trust_domains = { domains, 1 },
        .max_stale_s = 100000,
        .keys_read_s = T,
    };
}

struct pki_issuers *jose_issuers(const struct pki_issuer *issuer, const struct pki_key *key)
{
    char *jwk = jose_jwk(key, false), text[2048];
    struct diags d;
    diags_init(&d);
    jwk[strlen(jwk) - 1] = 0;
    snprintf(text, sizeof text, "{\"keys\":[%s,\"kid\":\"k1\",\"alg\":\"ES256\"}]}", jwk);
    free(jwk);
    struct pki_jwks *keys = pki_jwks_read(span_str(text), issuer->algs, SPAN("f"), &d);
    assert(keys);
    diags_fini(&d);
    struct pki_issuers *s = pki_issuers_new();
    int rc = pki_issuers_add(s, issuer, keys);
    assert(rc == 0);
    (void)rc;
    return s;
}

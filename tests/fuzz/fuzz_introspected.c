// SPDX-License-Identifier: GPL-3.0-or-later
// Answers of introspection servers, and whose an opaque token is. The input is a token, a newline, and the answer about it. What is accepted must be
// what the rules say, and must not hold the token any more.
#include <assert.h>
#include <stdlib.h>

#include "pki/digest.h"
#include "pki/introspected.h"

static struct pki_issuers *issuers;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct span aud[] = { { "gw", 2 } }, any[] = { { "team-*", 6 }, { "prod.*", 6 } };
    static const struct pki_scope scopes[] = { { { "read", 4 }, 1 } };
    (void)argc;
    (void)argv;
    struct pki_issuer issuer = {
        .iss = SPAN("i"),
        .audiences = { aud, 1 },
        .max_lifetime_s = 1000,
        .claims = { SPAN("roles"), SPAN("/a/groups"), SPAN("tenant"), SPAN("workload"), SPAN_NONE },
        .scopes = scopes,
        .scopes_n = 1,
        .assert_roles = { any, 1 },
        .assert_groups = { any, 1 },
        .assert_tenants = { any, 1 },
        .assert_trust_domains = { any + 1, 1 },
        .introspection = { .enabled = true, .alone = true, .cache_s = 30 },
    };
    issuers = pki_issuers_new();
    int rc = pki_issuers_add(issuers, &issuer, NULL);
    issuer.iss = SPAN("lenient");
    issuer.introspection.prefix = SPAN("lax_");
    issuer.introspection.audience_implied = issuer.introspection.expiry_optional = true;
    rc = rc == 0 ? pki_issuers_add(issuers, &issuer, NULL) : rc;
    assert(rc == 0);
    (void)rc;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span answer = span_of(data, size), token = span_cut(&answer, '\n');
    const struct pki_issuer *issuer = pki_introspected_by(issuers, token);
    struct pki_token *t;
    uint8_t sha256[32];
    if (!issuer || span_is_none(answer))
        return 0;
    pki_sha256(token, sha256);
    if (pki_introspected_read(issuer, token, sha256, answer, 1000, NULL, &t) != 0)
        return 0;
    bool lenient = issuer->introspection.expiry_optional;
    assert(t->introspected && t->issuer == issuer && t->exp > 1000 && t->iat <= 1000 && t->recheck_s <= 1030);
    assert(t->exp - (lenient && t->iat == 0 ? 1000 : t->iat) <= 1000 && (t->has_jkt || t->has_x5t));
    assert((t->actions & ~UINT64_C(1)) == 0 && span_starts(t->workload, SPAN("spiffe://prod.")));
    for (size_t i = 0; i < t->roles.n; i++)
        assert(span_starts(t->roles.at[i], SPAN("team-")));
    assert(!memmem(t->claims.p, t->claims.n, token.p, token.n));
    assert(!t->jti.n || !memmem(t->jti.p, t->jti.n, token.p, token.n));
    pki_token_unref(t);
    return 0;
}

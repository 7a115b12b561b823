// SPDX-License-Identifier: GPL-3.0-or-later
// Access tokens. A first byte 's' signs what follows (header, newline, payload) with the issuer's key, so that everything behind the
// signature is reached; anything else is taken as a compact token. What is accepted must be what the rules say, and one flipped bit
// in it must not be.
#include <assert.h>
#include <stdlib.h>

#include "pki/digest.h"
#include "pki/jws.h"
#include "pki/token.h"

#define JWK                                                                                    \
    "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define D ",\"d\":\"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI\"}" // RFC 7515 A.3

static struct pki_key *key;
static struct pki_issuers *issuers;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const struct span aud[] = { { "gw", 2 } }, any[] = { { "team-*", 6 }, { "prod.*", 6 } };
    static const struct pki_scope scopes[] = { { { "read", 4 }, 1 } };
    (void)argc;
    (void)argv;
    struct json_doc *doc = json_parse(SPAN(JWK D), NULL, NULL);
    struct diags diags;
    int rc = pki_key_from_jwk(json_root(doc), false, &key, NULL);
    json_free(doc);
    diags_init(&diags);
    struct pki_issuer issuer = {
        .iss = SPAN("i"),
        .algs = PKI_ALG_BIT(PKI_ES256),
        .audiences = { aud, 1 },
        .typ = SPAN("at+jwt"),
        .max_lifetime_s = 1000,
        .claims = { SPAN("roles"), SPAN("/a/groups"), SPAN("tenant"), SPAN("workload"), SPAN_NONE },
        .scopes = scopes,
        .scopes_n = 1,
        .assert_roles = { any, 1 },
        .assert_groups = { any, 1 },
        .assert_tenants = { any, 1 },
        .assert_trust_domains = { any + 1, 1 },
    };
    struct pki_jwks *keys = pki_jwks_read(SPAN("{\"keys\":[" JWK "}]}"), issuer.algs, SPAN("f"), &diags);
    issuers = pki_issuers_new();
    assert(rc == 0 && keys && issuers);
    rc = pki_issuers_add(issuers, &issuer, keys);
    assert(rc == 0);
    return 0;
}

static int verify(struct span compact, struct pki_token **t)
{
    uint8_t sha256[32];
    pki_sha256(compact, sha256);
    return pki_token_verify(issuers, NULL, compact, sha256, 1000, NULL, t);
}

static void look(struct span compact)
{
    struct pki_token *t;
    if (verify(compact, &t) != 0)
        return;
    assert(t->exp > 1000 && t->iat <= 1000 && t->exp - t->iat <= 1000 && (t->has_jkt || t->has_x5t));
    assert(t->subject.n && t->client_id.n && t->jti.n && (t->actions & ~UINT64_C(1)) == 0);
    assert(span_starts(t->workload, SPAN("spiffe://prod.")));
    for (size_t i = 0; i < t->roles.n; i++)
        assert(span_starts(t->roles.at[i], SPAN("team-")));
    struct pki_token_use use = {
        .now_s = 1000, .scheme = PKI_SCHEME_DPOP, .workload = t->workload, .certificate_sha256 = t->x5t
    };
    int rc = pki_token_check(t, &use, NULL);
    assert(rc == (t->has_jkt ? 0 : ERR_TOKEN_UNBOUND));
    struct pki_token *none;
    char *copy = malloc(compact.n);
    memcpy(copy, compact.p, compact.n);
    copy[t->sha256[0] % compact.n] ^= 1;
    rc = verify(span_of(copy, compact.n), &none);
    assert(rc != 0);
    free(copy);
    pki_token_unref(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    if (size == 0 || data[0] != 's') {
        look(in);
        return 0;
    }
    struct span payload = span_sub(in, 1, in.n), header = span_cut(&payload, '\n');
    struct buf out;
    buf_init(&out, 0);
    if (!span_is_none(payload) && pki_jws_sign(header, payload, key, PKI_ES256, &out) == 0)
        look(buf_span(&out));
    buf_fini(&out);
    return 0;
}

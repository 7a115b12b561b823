// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/own_token.h"

#include "pki/digest.h"

// The configuration's audiences as a list of names.
static struct pki_names audiences(struct gw_oauth *o)
{
    const struct gw_config_texts *t = &gw_oauth_config(o)->audiences;
    struct span *at = arena_array(o->v->arena, t->n + 1, sizeof *at);
    for (size_t i = 0; at && i < t->n; i++)
        at[i] = t->v[i].v;
    return (struct pki_names){ at, at ? t->n : 0 };
}

// ES256 and EdDSA, whichever the keys of before and now have.
static struct pki_jwks *published(const struct gw_oauth *o)
{
    struct buf text;
    struct diags diags;
    buf_init(&text, 0);
    diags_init(&diags);
    struct pki_jwks *keys = NULL;
    if (pki_signing_keys_publish(o->a->keys, &text) == 0)
        keys = pki_jwks_read(buf_span(&text), PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_EDDSA), SPAN("signing keys"),
                             &diags);
    diags_fini(&diags);
    buf_fini(&text);
    return keys;
}

static int make_issuer(struct gw_oauth *o)
{
    static const struct span anything = { "*", 1 };
    const struct pki_names all = { &anything, 1 };
    if (o->own)
        return 0;
    struct pki_issuer issuer = {
        .name = SPAN("self"),
        .iss = o->a->snapshot->authority.issuer,
        .algs = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_EDDSA),
        .audiences = audiences(o),
        .typ = SPAN("at+jwt"),
        .binding = PKI_BIND_EITHER,
        .claims = { .roles = SPAN(GW_OWN_ROLES),
                    .groups = SPAN_NONE,
                    .tenant = SPAN(GW_OWN_TENANT),
                    .workload = SPAN(GW_OWN_WORKLOAD),
                    .scope = SPAN("scope") },
        .workload_match = PKI_WORKLOAD_UNCHECKED, // a client may be no workload
        .scopeless = true,
        .assert_roles = all,
        .assert_groups = all,
        .assert_tenants = all,
        .assert_trust_domains = all,
    };
    struct pki_issuers *set = pki_issuers_new();
    struct pki_jwks *keys = set ? published(o) : NULL;
    if (!keys || pki_issuers_add(set, &issuer, keys) != 0) {
        pki_jwks_free(keys);
        pki_issuers_free(set);
        return ERR_NOMEM;
    }
    o->own = set;
    return 0;
}

int gw_own_token(struct gw_oauth *o, struct span compact, struct pki_token **out, struct span *detail)
{
    uint8_t sha256[PKI_SHA256];
    struct pki_token *token;
    int rc = make_issuer(o);
    if (rc != 0)
        return rc;
    if (compact.n > PKI_TOKEN_MAX)
        return ERR_TOKEN_MALFORMED;
    pki_sha256(compact, sha256);
    rc = pki_token_verify(o->own, NULL, compact, sha256, o->now_s, NULL, &token);
    if (rc != 0)
        return rc;
    rc = gw_oauth_revoked(o, token, detail);
    if (rc != 0) {
        pki_token_unref(token);
        return rc;
    }
    *out = token;
    return 0;
}

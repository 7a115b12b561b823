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

// What is published, as one hash: a key that came or went makes another one.
static void hash_published(const struct gw_oauth *o, uint8_t out[static PKI_SHA256])
{
    uint8_t each[PKI_SIGNING_MAX][PKI_SHA256];
    size_t n = pki_signing_keys_count(o->a->keys);
    for (size_t i = 0; i < n && i < PKI_SIGNING_MAX; i++)
        pki_sha256(pki_signing_keys_at(o->a->keys, i)->kid, each[i]);
    pki_sha256(span_of(each, (n < PKI_SIGNING_MAX ? n : PKI_SIGNING_MAX) * PKI_SHA256), out);
}

// Made anew when the keys or the configuration did change: parsing keys is dearer than all else that a request does here.
static int make_issuer(struct gw_oauth *o)
{
    struct gw_own_issuer *own = &o->a->own;
    uint8_t present[PKI_SHA256];
    static const struct span anything = { "*", 1 };
    const struct pki_names all = { &anything, 1 };
    hash_published(o, present);
    if (own->issuers && own->generation == o->a->snapshot->generation &&
        memcmp(own->keys, present, sizeof present) == 0)
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
    // Tokens refer to their issuer, and none lives longer than its request.
    gw_authority_forget(o->a);
    *own = (struct gw_own_issuer){ .issuers = set, .generation = o->a->snapshot->generation };
    memcpy(own->keys, present, sizeof present);
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
    rc = pki_token_verify(o->a->own.issuers, NULL, compact, sha256, o->now_s, NULL, &token);
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

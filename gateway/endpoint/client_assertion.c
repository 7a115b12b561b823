// SPDX-License-Identifier: GPL-3.0-or-later
// private_key_jwt (RFC 7523 §2.2, §3; OpenID Core §9): what a client signed about itself, for us, a moment ago, and only once.
#include "gateway/endpoint/client_auth.h"

#include "gateway/endpoint/oauth.h"
#include "pki/claims.h"
#include "pki/jws.h"

#define ASSERTION_MAX 16384
#define ASSERTION_LIFE_S 300 // how far ahead its exp may be, and how old its iat
#define ASSERTION_SKEW_S 30  // of the client's clock
#define JTI_MAX 256

static const struct span type_jwt_bearer = { "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", 54 };

// What is being read. The documents are freed at the end; what stays is copied into the visit's arena.
struct reading {
    struct pki_jws jws;
    struct pki_jws_header header;
    struct json_doc *doc;
    json claims;
    const struct gw_config_client *client;
    const struct pki_jwks *keys;
    const struct pki_jwks_key *key;
};

static int refuse(struct gw_oauth *o, int err, const char *detail)
{
    return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_CLIENT, err, NULL, span_str(detail));
}

static int take_apart(struct gw_oauth *o, struct reading *r)
{
    struct json_limits limits = { .bytes = ASSERTION_MAX, .depth = 8 };
    struct span payload;
    if (!span_eq(o->form.v[GW_FORM_CLIENT_ASSERTION_TYPE], type_jwt_bearer) ||
        span_is_none(o->form.v[GW_FORM_CLIENT_ASSERTION]))
        return refuse(o, ERR_OAUTH_CLIENT, "client_assertion_type is not jwt-bearer, or there is no assertion");
    int rc = pki_jws_split(o->form.v[GW_FORM_CLIENT_ASSERTION], ASSERTION_MAX, &r->jws);
    if (rc == 0)
        rc = pki_jws_header_read(r->jws.header, &r->header);
    if (rc == 0)
        rc = pki_jws_decode(r->jws.payload, o->v->arena, &payload);
    if (rc != 0)
        return refuse(o, rc, "client assertion");
    r->doc = json_parse(payload, &limits, NULL);
    r->claims = r->doc ? json_root(r->doc) : NULL;
    return json_type(r->claims) == JSON_OBJECT ? 0 : refuse(o, ERR_TOKEN_MALFORMED, "client assertion");
}

static int find_client(struct gw_oauth *o, struct reading *r)
{
    struct span said = o->form.v[GW_FORM_CLIENT_ID], iss = json_string(json_get(r->claims, SPAN("iss")));
    size_t index;
    if (iss.n == 0 || !span_eq(iss, json_string(json_get(r->claims, SPAN("sub")))))
        return refuse(o, ERR_OAUTH_CLIENT, "iss and sub of the assertion are not the same client");
    if (!span_is_none(said) && !span_eq(said, iss))
        return refuse(o, ERR_OAUTH_CLIENT, "client_id is not the assertion's");
    r->client = gw_client_find(gw_oauth_config(o), iss, &index);
    r->keys = r->client ? o->a->snapshot->authority.clients[index] : NULL;
    return r->keys ? 0 : refuse(o, ERR_OAUTH_CLIENT, "no such client, or one without keys");
}

// A token or a proof that the client signed with the same key must not pass for an assertion (RFC 8725 §3.11).
static bool typ_is_free(struct span typ)
{
    return span_is_none(typ) || span_ieq(typ, SPAN("JWT")) || span_ieq(typ, SPAN("client-authentication+jwt"));
}

static int check_signature(struct gw_oauth *o, struct reading *r)
{
    enum pki_alg alg = r->header.alg;
    if (r->header.brings_key)
        return refuse(o, ERR_TOKEN_HEADER_KEY, "client assertion");
    if (!typ_is_free(r->header.typ))
        return refuse(o, ERR_TOKEN_TYP, "client assertion");
    if (alg == PKI_ALG_NONE || !(r->client->algorithms & PKI_ALG_BIT(alg)))
        return refuse(o, ERR_TOKEN_ALG, "client assertion");
    r->key = pki_jwks_find(r->keys, r->header.kid, alg);
    if (!r->key)
        return refuse(o, ERR_TOKEN_KEY, "client assertion");
    int rc = pki_jws_verify(&r->jws, r->key->key, alg);
    return rc == 0 ? 0 : refuse(o, rc, "client assertion");
}

// For us, by one of our two names, and for nobody else.
static bool is_for_us(struct gw_oauth *o, json claims)
{
    struct pki_names aud;
    if (!pki_claim_list(json_get(claims, SPAN("aud")), false, o->v->arena, &aud) || aud.n != 1)
        return false;
    return span_eq(aud.at[0], o->a->snapshot->authority.issuer) || span_eq(aud.at[0], gw_oauth_url(o, "/oauth2/token"));
}

static int check_claims(struct gw_oauth *o, struct reading *r)
{
    int64_t exp, iat, nbf = 0, now = o->v->now.wall_ms;
    const int64_t skew = ASSERTION_SKEW_S * 1000, life = ASSERTION_LIFE_S * 1000;
    const int64_t ahead =
        o->a->snapshot->authority.dpop.ahead_ms < skew ? o->a->snapshot->authority.dpop.ahead_ms : skew;
    json not_before = json_get(r->claims, SPAN("nbf"));
    struct span jti = json_string(json_get(r->claims, SPAN("jti")));
    if (!is_for_us(o, r->claims))
        return refuse(o, ERR_TOKEN_AUDIENCE, "client assertion");
    if (!pki_claim_date(json_get(r->claims, SPAN("exp")), &exp) ||
        !pki_claim_date(json_get(r->claims, SPAN("iat")), &iat) || (not_before && !pki_claim_date(not_before, &nbf)))
        return refuse(o, ERR_TOKEN_CLAIM, "client assertion: exp, iat or nbf");
    if (jti.n == 0 || jti.n > JTI_MAX)
        return refuse(o, ERR_TOKEN_CLAIM, "client assertion: jti");
    if (now >= exp + skew || now > iat + life + skew)
        return refuse(o, ERR_TOKEN_EXPIRED, "client assertion");
    // No further ahead than a proof: what says that it was made after a restart could have been used before it.
    if (iat > now + ahead || nbf > now + skew)
        return refuse(o, ERR_TOKEN_NOT_YET, "client assertion");
    if (exp > now + life + skew)
        return refuse(o, ERR_TOKEN_LIFETIME, "client assertion");
    struct gw_client *c = &o->client;
    c->assertion_jti = arena_dup(o->v->arena, jti);
    c->assertion_iat_ms = iat;
    // By iat, whatever exp says: what is let go of young makes the store refuse everything as old (replay.h), and whoever
    // may sign could end his assertions so early that nobody else's pass.
    c->assertion_keep_until_ms = iat + life + 2 * skew;
    memcpy(c->assertion_key, r->key->thumbprint, sizeof c->assertion_key);
    c->config = r->client;
    c->method = GW_CLIENT_ASSERTION;
    c->asserted = true;
    c->id = r->client->id.v;
    return o->v->arena->failed ? refuse(o, ERR_NOMEM, NULL) : 0;
}

int gw_client_assertion(struct gw_oauth *o)
{
    static int (*const steps[])(struct gw_oauth *, struct reading *) = { take_apart, find_client, check_signature,
                                                                         check_claims };
    struct reading r = { 0 };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++)
        rc = steps[i](o, &r);
    json_free(r.doc);
    pki_jws_header_fini(&r.header);
    return rc;
}

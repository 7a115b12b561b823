// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/client_auth.h"

#include "gateway/endpoint/oauth.h"
#include "pki/cert.h"

struct span gw_client_method_name(enum gw_client_method method)
{
    switch (method) {
    case GW_CLIENT_NONE: break;
    case GW_CLIENT_TLS: return SPAN("tls_client_auth");
    case GW_CLIENT_ASSERTION: return SPAN("private_key_jwt");
    case GW_CLIENT_API_KEY: return SPAN("client_secret_post");
    }
    return SPAN_NONE;
}

const struct gw_config_client *gw_client_find(const struct gw_config_authority *config, struct span id, size_t *index)
{
    for (size_t i = 0; i < config->clients_n; i++) {
        if (!span_eq(config->clients[i].id.v, id))
            continue;
        *index = i;
        return &config->clients[i];
    }
    return NULL;
}

static int refuse(struct gw_oauth *o, int err, const char *detail)
{
    return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_CLIENT, err, NULL, span_str(detail));
}

// ---- the certificate

static bool has_name(const struct pki_cert *cert, enum pki_name_type type, struct span wanted)
{
    for (size_t i = 0; i < cert->names_n; i++) {
        const struct pki_general_name *n = &cert->names[i];
        if (n->type == type && (type == PKI_NAME_DNS ? span_ieq(n->value, wanted) : span_eq(n->value, wanted)))
            return true;
    }
    return false;
}

// RFC 8705 §2.1.2: the one subject value that the client is registered with.
static int check_registered(struct gw_oauth *o, const struct gw_config_client *c)
{
    const struct pki_identity *id = o->v->certificate;
    struct pki_cert cert;
    if (id->steps_n == 0)
        return refuse(o, ERR_CERT_MALFORMED, NULL);
    int rc = pki_cert_parse(id->steps[0].der, o->v->arena, &cert, NULL);
    if (rc != 0)
        return refuse(o, rc, NULL);
    bool holds;
    if (!span_is_none(c->san_dns.v))
        holds = has_name(&cert, PKI_NAME_DNS, c->san_dns.v);
    else if (!span_is_none(c->san_uri.v))
        holds = has_name(&cert, PKI_NAME_URI, c->san_uri.v);
    else
        holds = span_eq(pki_dn_text(cert.subject, o->v->arena), c->subject.v);
    return holds ? 0 : refuse(o, ERR_OAUTH_CLIENT, "the certificate lacks the name that the client is registered with");
}

static bool is_registered_by_name(const struct gw_config_client *c)
{
    return !span_is_none(c->san_dns.v) || !span_is_none(c->san_uri.v) || !span_is_none(c->subject.v);
}

static int by_certificate(struct gw_oauth *o)
{
    const struct pki_identity *id = o->v->certificate;
    struct span said = o->form.v[GW_FORM_CLIENT_ID];
    size_t index;
    if (!id)
        return refuse(o, ERR_CERT_MISSING, NULL);
    struct span client = span_is_none(said) ? id->spiffe_id : said;
    const struct gw_config_client *c = gw_client_find(gw_oauth_config(o), client, &index);
    if (!c && !span_eq(client, id->spiffe_id))
        return refuse(o, ERR_OAUTH_CLIENT, "client_id is neither the certificate's workload nor a client");
    if (c && is_registered_by_name(c)) {
        int rc = check_registered(o, c);
        if (rc != 0)
            return rc;
    } else if (c && !span_is_none(c->jwks.v)) {
        // One registered way a client: who demanded signatures of it gets no less.
        return refuse(o, ERR_OAUTH_CLIENT, "the client is registered for private_key_jwt");
    } else if (c && span_is_none(c->workload.v) && !span_eq(client, id->spiffe_id)) {
        return refuse(o, ERR_OAUTH_CLIENT, "the client is registered with no name of a certificate");
    }
    o->client.method = GW_CLIENT_TLS;
    o->client.config = c;
    o->client.id = client;
    return 0;
}

// ---- API keys

static int by_api_key(struct gw_oauth *o, struct span text)
{
    const struct gw_snapshot *s = o->a->snapshot;
    const struct pki_identity *id = o->v->certificate;
    if (!s->api_keys || !pki_api_key_looks_like(text))
        return refuse(o, ERR_OAUTH_CLIENT, "a secret that is no API key, or none are configured");
    struct pki_api_key_use use = {
        .text = text,
        .workload = id ? id->spiffe_id : SPAN_NONE,
        .now_s = o->now_s,
        .max_stale_s = s->config->api_keys.max_stale / 1000,
    };
    struct pki_api_key_result result;
    int rc = pki_api_keys_use(o->a->revocations ? o->a->revocations->api_keys : NULL, s->api_keys, &use, &result);
    if (rc != 0) {
        o->fault.retry_after_s = result.retry_after_s;
        struct span detail = SPAN_NONE;
        if (!span_is_none(result.id))
            detail = arena_printf(o->v->arena, result.known ? "key %.*s" : "id %.*s", SPAN_FMT(result.id));
        return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_CLIENT, rc, NULL, detail);
    }
    struct gw_client *c = &o->client;
    c->key = result.token;
    c->method = GW_CLIENT_API_KEY;
    // The record of this visit is written when the key's token is gone.
    c->id = arena_dup(o->v->arena, span_is_none(c->key->workload) ? c->key->client_id : c->key->workload);
    if (span_is_none(c->id))
        return refuse(o, ERR_NOMEM, NULL);
    struct span said = o->form.v[GW_FORM_CLIENT_ID], detail = SPAN_NONE;
    if (!span_is_none(said) && !span_eq(said, c->id) && !span_eq(said, c->key->client_id))
        return refuse(o, ERR_OAUTH_CLIENT, "client_id is not the API key's owner");
    rc = gw_oauth_revoked(o, c->key, &detail);
    return rc == 0 ? 0 : gw_oauth_refuse_with(o, GW_OAUTH_INVALID_CLIENT, rc, NULL, detail);
}

// ---- all of them

// The workload that a configured client acts as; SPAN_NONE: it is no workload by itself.
static struct span declared_workload(const struct gw_client *c)
{
    struct pki_spiffe id;
    if (c->key)
        return span_is_none(c->key->workload) ? SPAN_NONE : c->id;
    if (c->config && !span_is_none(c->config->workload.v))
        return c->config->workload.v;
    return pki_spiffe_parse_workload(c->id, &id, NULL) == 0 ? c->id : SPAN_NONE;
}

static int settle_workload(struct gw_oauth *o)
{
    const struct pki_identity *id = o->v->certificate;
    struct span declared = declared_workload(&o->client);
    // Also with a secret or an assertion: who holds another workload's certificate is not this one.
    if (id && !span_is_none(declared) && !span_eq(declared, id->spiffe_id))
        return refuse(o, ERR_OAUTH_CLIENT, "the certificate is another workload's than the client's");
    // A key of nobody's is whose certificate it comes with, and that must do for him by itself.
    size_t index;
    const struct gw_config_client *holder =
        id && span_is_none(declared) ? gw_client_find(gw_oauth_config(o), id->spiffe_id, &index) : NULL;
    if (holder && !span_is_none(holder->jwks.v) && !is_registered_by_name(holder))
        return refuse(o, ERR_OAUTH_CLIENT, "the certificate's workload is registered for private_key_jwt");
    o->client.workload = span_is_none(declared) && id ? id->spiffe_id : declared;
    return 0;
}

static int check_standing(struct gw_oauth *o)
{
    const struct gw_revocations *r = o->a->revocations;
    const struct pki_issuer issuer = { .iss = o->a->snapshot->authority.issuer };
    const struct pki_token as_token = {
        .issuer = &issuer, .client_id = o->client.id, .workload = o->client.workload, .iat = o->now_s
    };
    struct span detail = SPAN_NONE;
    for (size_t i = 0; r && o->v->certificate && i < GW_REVOKED_FROM_COUNT; i++)
        if (pki_revoked_certificate(r->revoked[i], o->v->certificate, o->now_s, NULL) != 0)
            return refuse(o, ERR_CERT_REVOKED, NULL);
    int rc = gw_oauth_revoked(o, &as_token, &detail);
    return rc == 0 ? 0 : gw_oauth_refuse_with(o, GW_OAUTH_INVALID_CLIENT, rc, NULL, detail);
}

// RFC 6749 §2.3: "the client MUST NOT use more than one authentication method in each request".
static int choose(struct gw_oauth *o)
{
    const struct gw_headers *h = &o->v->request->headers;
    struct span secret = o->form.v[GW_FORM_CLIENT_SECRET], header = gw_headers_get(h, GW_FIELD_AUTHORIZATION);
    bool asserts =
        !span_is_none(o->form.v[GW_FORM_CLIENT_ASSERTION]) || !span_is_none(o->form.v[GW_FORM_CLIENT_ASSERTION_TYPE]);
    size_t ways = gw_headers_count(h, GW_FIELD_AUTHORIZATION) + gw_headers_count(h, GW_FIELD_API_KEY) +
                  !span_is_none(secret) + asserts;
    if (ways > 1)
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_TOKEN_WAYS,
                               "the client authenticates in more than one way");
    if (asserts)
        return gw_client_assertion(o);
    if (!span_is_none(secret))
        return by_api_key(o, secret);
    if (ways == 0)
        return by_certificate(o);
    struct span scheme = span_cut(&header, ' ');
    if (!span_ieq(scheme, SPAN("Bearer")) || span_is_none(header))
        return refuse(o, ERR_TOKEN_SCHEME, NULL);
    return by_api_key(o, span_trim(header));
}

int gw_client_authenticate(struct gw_oauth *o)
{
    int rc = choose(o);
    if (rc == 0)
        rc = settle_workload(o);
    if (rc == 0)
        rc = check_standing(o);
    return rc;
}

int gw_client_use_up(struct gw_oauth *o)
{
    const struct gw_client *c = &o->client;
    if (!c->asserted)
        return 0;
    struct pki_replay_entry entry = {
        .jkt = c->assertion_key,
        .jti = c->assertion_jti,
        .htm = SPAN("client_assertion"),
        .htu = o->a->snapshot->authority.issuer,
        .workload = span_is_none(c->workload) ? c->id : c->workload,
        .iat_ms = c->assertion_iat_ms,
        .keep_until_ms = c->assertion_keep_until_ms,
    };
    int rc = pki_replay_insert(o->a->assertions, &entry, o->v->now.wall_ms);
    if (rc == ERR_PROOF_REPLAYED)
        rc = ERR_OAUTH_ASSERTION_REPLAYED;
    return rc == 0 ? 0 : refuse(o, rc, "client assertion");
}

void gw_client_fini(struct gw_client *c)
{
    pki_token_unref(c->key);
    c->key = NULL;
}

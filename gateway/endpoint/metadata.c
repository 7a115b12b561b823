// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/metadata.h"

#include "gateway/endpoint/issue.h"

#define FRESH_MOST_S 300

// A key is published for `publish` before it signs: who asks again within half of that has met it.
static struct span cache_control(const struct gw_authority *a, struct gw_visit *v)
{
    int64_t fresh_s = a->snapshot->authority.config->signing.publish / 2000;
    return arena_printf(v->arena, "public, max-age=%lld", (long long)(fresh_s > FRESH_MOST_S ? FRESH_MOST_S : fresh_s));
}

static int answer(const struct gw_authority *a, struct gw_visit *v, struct span type, struct buf *body)
{
    v->answer = body->failed ? SPAN_NONE : arena_dup(v->arena, buf_span(body));
    buf_fini(body);
    v->n_fields = 0;
    v->audited = false; // public, and asked for by everybody every few minutes
    if (span_is_none(v->answer)) {
        v->status = 503;
        v->no_store = true;
        v->content_type = SPAN("application/json");
        v->answer = SPAN("{\"error\":\"temporarily_unavailable\"}");
        return 0;
    }
    v->status = 200;
    v->no_store = false;
    v->content_type = type;
    gw_visit_add(v, SPAN("cache-control"), cache_control(a, v));
    return 0;
}

int gw_jwks_visit(struct gw_authority *a, struct gw_visit *v)
{
    struct buf body;
    buf_init(&body, 0);
    if (pki_signing_keys_publish(a->keys, &body) != 0)
        body.failed = true;
    return answer(a, v, SPAN("application/jwk-set+json"), &body);
}

// ---- RFC 8414

static void put_url(struct json_writer *w, const char *name, struct span base, const char *path, struct arena *arena)
{
    json_w_key(w, span_str(name));
    json_w_string(w, arena_printf(arena, "%.*s%s", SPAN_FMT(base), path));
}

static void put_list(struct json_writer *w, const char *name, const struct span *items, size_t n)
{
    json_w_key(w, span_str(name));
    json_w_array(w);
    for (size_t i = 0; i < n; i++)
        json_w_string(w, items[i]);
    json_w_end(w);
}

static void put_algs(struct json_writer *w, const char *name, unsigned algs)
{
    if (algs == 0)
        return;
    json_w_key(w, span_str(name));
    json_w_array(w);
    for (enum pki_alg alg = PKI_ALG_NONE + 1; alg < PKI_HS256; alg++)
        if (algs & PKI_ALG_BIT(alg))
            json_w_string(w, pki_alg_name(alg));
    json_w_end(w);
}

// Of the clients that can sign.
static unsigned assertion_algs(const struct gw_snapshot_authority *s)
{
    unsigned algs = 0;
    for (size_t i = 0; i < s->config->clients_n; i++)
        if (s->clients && s->clients[i])
            algs |= s->config->clients[i].algorithms;
    return algs;
}

int gw_metadata_visit(struct gw_authority *a, struct gw_visit *v)
{
    const struct gw_snapshot_authority *s = &a->snapshot->authority;
    const struct span grants[] = { GW_GRANT_CREDENTIALS, GW_GRANT_REFRESH, GW_GRANT_EXCHANGE };
    static const char *const endpoints[] = { "token", "revocation", "introspection" };
    struct span methods[3];
    size_t n_methods = 0;
    unsigned algs = assertion_algs(s);
    methods[n_methods++] = gw_client_method_name(GW_CLIENT_TLS);
    if (algs != 0)
        methods[n_methods++] = gw_client_method_name(GW_CLIENT_ASSERTION);
    if (a->snapshot->api_keys)
        methods[n_methods++] = gw_client_method_name(GW_CLIENT_API_KEY);

    struct buf body;
    buf_init(&body, 0);
    struct json_writer w = json_writer(&body);
    json_w_object(&w);
    json_w_key(&w, SPAN("issuer"));
    json_w_string(&w, s->issuer);
    put_url(&w, "token_endpoint", s->base, "/oauth2/token", v->arena);
    put_url(&w, "revocation_endpoint", s->base, "/oauth2/revoke", v->arena);
    put_url(&w, "introspection_endpoint", s->base, "/oauth2/introspect", v->arena);
    put_url(&w, "jwks_uri", s->base, "/oauth2/jwks", v->arena);
    // Required by §2, and there is no authorization endpoint.
    put_list(&w, "response_types_supported", NULL, 0);
    put_list(&w, "grant_types_supported", grants, sizeof grants / sizeof *grants);
    for (size_t i = 0; i < 3; i++) {
        put_list(&w, arena_printf(v->arena, "%s_endpoint_auth_methods_supported", endpoints[i]).p, methods, n_methods);
        put_algs(&w, arena_printf(v->arena, "%s_endpoint_auth_signing_alg_values_supported", endpoints[i]).p, algs);
    }
    put_algs(&w, "dpop_signing_alg_values_supported", s->dpop.algs);
    json_w_key(&w, SPAN("tls_client_certificate_bound_access_tokens"));
    json_w_bool(&w, true);
    json_w_end(&w);
    if (v->arena->failed)
        body.failed = true;
    return answer(a, v, SPAN("application/json"), &body);
}

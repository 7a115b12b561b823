// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/introspect.h"

#include "gateway/base/json.h"
#include "gateway/endpoint/issue.h"
#include "gateway/endpoint/own_token.h"

// May this caller know what is somebody else's?
static bool follows(const struct gw_oauth *o)
{
    const struct gw_config_texts *f = &gw_oauth_config(o)->followers;
    for (size_t i = 0; i < f->n && !span_is_none(o->client.workload); i++)
        if (pki_pattern_match(f->v[i].v, o->client.workload))
            return true;
    return false;
}

static void put(struct json_writer *w, const char *name, struct span value)
{
    if (span_is_none(value))
        return;
    json_w_key(w, span_str(name));
    json_w_string(w, value);
}

static void put_hash(struct gw_oauth *o, struct json_writer *w, const char *name, const uint8_t *hash)
{
    if (hash)
        put(w, name, gw_oauth_thumbprint(o, hash));
}

// The claims as they were signed (`cnf` among them: checklist 17), and what RFC 7662 adds.
static void write_token(const struct pki_token *t, struct json_writer *w)
{
    struct json_doc *doc = json_parse(t->claims, NULL, NULL);
    struct span name;
    json value;
    put(w, "token_type", t->has_jkt ? SPAN("DPoP") : SPAN("Bearer"));
    for (struct json_iter it = json_iter(doc ? json_root(doc) : NULL); json_next(&it, &name, &value);) {
        // Ours, and not to be had twice.
        if (span_eq(name, SPAN("active")) || span_eq(name, SPAN("token_type")))
            continue;
        json_w_key(w, name);
        json_w_value(w, value);
    }
    json_free(doc);
}

static void write_grant(struct gw_oauth *o, const struct pki_grant *g, struct json_writer *w)
{
    put(w, "token_type", SPAN("N_A"));
    put(w, "iss", o->a->snapshot->authority.issuer);
    put(w, "sub", g->subject);
    put(w, "client_id", g->client_id);
    put(w, "scope", g->scope);
    json_w_key(w, SPAN("iat"));
    json_w_int(w, g->created_s);
    json_w_key(w, SPAN("exp"));
    json_w_int(w, g->expires_s);
    json_w_key(w, SPAN("cnf"));
    json_w_object(w);
    put_hash(o, w, "jkt", g->jkt);
    put_hash(o, w, "x5t#S256", g->x5t);
    json_w_end(w);
}

// 0, or a fault of ours: to call a token dead because a store is busy would be a lie that gateways believe.
static int find(struct gw_oauth *o, struct pki_grant *g, bool *is_grant, struct pki_token **token)
{
    struct span text = o->form.v[GW_FORM_TOKEN], detail = SPAN_NONE;
    bool current = false;
    int rc = pki_grants_look(o->a->grants, text, o->now_s, o->v->arena, g, &current);
    if (rc == 0) {
        rc = current && (follows(o) || span_eq(g->client_id, o->client.id)) ? gw_grant_stands(o, g, &detail)
                                                                            : ERR_TOKEN_REVOKED;
        *is_grant = rc == 0;
        return rc == ERR_TOKEN_REVOKED ? 0 : rc;
    }
    if (rc != ERR_GRANT_UNKNOWN)
        return rc == ERR_GRANT_EXPIRED || rc == ERR_GRANT_REVOKED || rc == ERR_GRANT_REUSED ? 0 : rc;
    rc = gw_own_token(o, text, token, &detail);
    if (rc == 0 && !follows(o) && !span_eq((*token)->client_id, o->client.id)) {
        pki_token_unref(*token);
        *token = NULL;
    }
    return rc == ERR_NOMEM ? rc : 0;
}

static int introspect(struct gw_oauth *o)
{
    struct pki_grant g;
    struct pki_token *token = NULL;
    struct buf body;
    bool is_grant = false;
    if (span_is_none(o->form.v[GW_FORM_TOKEN]))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_FORM, "token is missing");
    int rc = find(o, &g, &is_grant, &token);
    if (rc != 0)
        return gw_oauth_refuse(o, GW_OAUTH_SERVER_ERROR, rc, NULL);
    buf_init(&body, 0);
    struct json_writer w = json_writer(&body);
    json_w_object(&w);
    json_w_key(&w, SPAN("active"));
    json_w_bool(&w, is_grant || token);
    if (token) {
        write_token(token, &w);
        o->v->record.jti = arena_dup(o->v->arena, token->jti);
        o->v->record.subject = arena_dup(o->v->arena, token->subject);
    } else if (is_grant) {
        write_grant(o, &g, &w);
        o->v->record.subject = g.subject;
    }
    json_w_end(&w);
    pki_token_unref(token);
    return gw_oauth_answer(o, &body);
}

int gw_introspect_visit(struct gw_authority *a, struct gw_visit *v)
{
    static const gw_oauth_step steps[] = { gw_oauth_read, gw_client_authenticate, gw_client_use_up, introspect };
    return gw_oauth_run(a, v, SPAN("introspect"), steps, sizeof steps / sizeof *steps);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): beginning a family, and using its token. Who uses it is the client that got it, as the same workload,
// with the same key or certificate; then the policies are asked anew, so that what was withdrawn is not refreshed.
//
// The access token is made before the refresh token is rotated: should making it fail, the client still has a refresh token that works.
#include "gateway/endpoint/issue.h"

#include "gateway/base/json.h"

// ---- what a family remembers beside the columns of struct pki_grant

static void put(struct json_writer *w, const char *name, struct span value)
{
    if (span_is_none(value))
        return;
    json_w_key(w, span_str(name));
    json_w_string(w, value);
}

static void write_extra(const struct gw_issue *i, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    put(&w, "tenant", i->tenant);
    put(&w, "subject_issuer", i->subject_issuer);
    put(&w, "actor", i->actor);
    put(&w, "actor_issuer", i->actor_issuer);
    json_w_key(&w, SPAN("impersonates"));
    json_w_bool(&w, i->impersonates);
    if (!span_is_none(i->act)) {
        json_w_key(&w, SPAN("act"));
        json_w_raw(&w, i->act);
    }
    json_w_end(&w);
}

static struct span get(struct arena *a, json extra, const char *name)
{
    return arena_dup(a, json_string(json_get(extra, span_str(name))));
}

// False: it is not what write_extra writes. `impersonates` stays on when in doubt: more is asked of the policies then.
static bool read_extra(struct arena *a, struct span text, struct gw_issue *i)
{
    struct json_doc *doc = json_parse(text, NULL, NULL);
    json extra = doc ? json_root(doc) : NULL, act = json_get(extra, SPAN("act"));
    bool ok = json_bool(json_get(extra, SPAN("impersonates")), &i->impersonates);
    i->tenant = get(a, extra, "tenant");
    i->subject_issuer = get(a, extra, "subject_issuer");
    i->actor = get(a, extra, "actor");
    i->actor_issuer = get(a, extra, "actor_issuer");
    if (ok && act) {
        struct buf b;
        buf_init(&b, 0);
        ok = json_write(&b, act);
        i->act = ok ? arena_dup(a, buf_span(&b)) : SPAN_NONE;
        buf_fini(&b);
    }
    json_free(doc);
    return ok && !a->failed;
}

int gw_grant_begin(struct gw_oauth *o, const struct gw_issue *i, struct buf *token)
{
    struct buf extra;
    buf_init(&extra, 0);
    write_extra(i, &extra);
    struct pki_grant grant = {
        .client_id = o->client.id,
        .workload = o->client.workload,
        .jkt = o->bound.jkt,
        .x5t = o->bound.x5t,
        .subject = i->subject,
        .scope = gw_scope_text(o->v->arena, i->scopes),
        .audiences = gw_scope_text(o->v->arena, i->audiences),
        .extra = buf_span(&extra),
        .created_s = o->now_s,
        .expires_s = o->now_s + gw_oauth_config(o)->refresh_lifetime / 1000,
    };
    int rc = extra.failed || o->v->arena->failed ? ERR_NOMEM : pki_grants_begin(o->a->grants, &grant, o->now_s, token);
    buf_fini(&extra);
    return rc == 0 ? 0 : gw_oauth_refuse(o, GW_OAUTH_SERVER_ERROR, rc, NULL);
}

// ---- using one

static int refuse(struct gw_oauth *o, int err, const char *detail)
{
    return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_GRANT, err, NULL, span_str(detail));
}

static bool same(struct span a, struct span b)
{
    return span_is_none(a) == span_is_none(b) && span_eq(a, b);
}

static int check_sender(struct gw_oauth *o, const struct pki_grant *g)
{
    if (!same(g->client_id, o->client.id) || !same(g->workload, o->client.workload))
        return refuse(o, ERR_GRANT_SENDER, "another client's");
    if ((!g->jkt && !g->x5t) || !gw_oauth_proves(o, g->jkt, g->x5t))
        return refuse(o, ERR_GRANT_SENDER, "bound to another key or certificate");
    // The new access token is bound as the family is.
    o->bound.jkt = g->jkt;
    o->bound.x5t = g->x5t;
    return 0;
}

// A family ends with what it stands for: what was revoked since it began, and what was revoked as "issued before" a moment after that. The
// subject and the actor are also revoked by what their own issuers call them.
int gw_grant_stands(struct gw_oauth *o, const struct pki_grant *g, struct span *detail)
{
    struct gw_issue i = { .impersonates = true };
    const struct pki_issuer issuer = { .iss = o->a->snapshot->authority.issuer };
    struct pki_token t = { .issuer = &issuer,
                           .subject = g->subject,
                           .client_id = g->client_id,
                           .workload = g->workload,
                           .iat = g->created_s,
                           .has_jkt = g->jkt != NULL };
    if (g->jkt)
        memcpy(t.jkt, g->jkt, sizeof t.jkt);
    if (!read_extra(o->v->arena, g->extra, &i))
        return o->v->arena->failed ? ERR_NOMEM : ERR_INTERNAL;
    int rc = gw_oauth_revoked(o, &t, detail);
    if (rc == 0)
        rc = gw_oauth_subject_revoked(o, i.subject_issuer, g->subject, g->created_s, detail);
    if (rc == 0)
        rc = gw_oauth_subject_revoked(o, i.actor_issuer, i.actor, g->created_s, detail);
    return rc;
}

static int check_standing(struct gw_oauth *o, const struct pki_grant *g)
{
    struct span detail = SPAN_NONE;
    int rc = gw_grant_stands(o, g, &detail);
    return rc == 0 ? 0 : gw_oauth_refuse_with(o, GW_OAUTH_INVALID_GRANT, rc, NULL, detail);
}

static int look(struct gw_oauth *o, struct pki_grant *g)
{
    struct span token = o->form.v[GW_FORM_REFRESH_TOKEN];
    if (span_is_none(token))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_FORM, "refresh_token is missing");
    int rc = pki_grants_look(o->a->grants, token, o->now_s, o->v->arena, g, NULL);
    if (rc == ERR_GRANT_REUSED) {
        // Two have it, and the key to it, and nobody can tell which of them is the client: the family ends. Who has the token alone ends nothing.
        rc = check_sender(o, g);
        if (rc != 0)
            return rc;
        rc = pki_grants_revoke(o->a->grants, token, o->now_s);
        return refuse(o, rc == 0 ? ERR_GRANT_REUSED : rc, NULL);
    }
    return rc == 0 ? 0 : refuse(o, rc, NULL);
}

static int narrow(struct gw_oauth *o, const struct pki_grant *g, struct gw_issue *i)
{
    struct arena *a = o->v->arena;
    struct pki_names granted, audiences;
    int rc = gw_scope_read(a, g->scope, &granted);
    if (rc == 0)
        rc = gw_scope_read(a, g->audiences, &audiences);
    if (rc != 0)
        return refuse(o, rc, "the grant's scope or audiences");
    rc = gw_issue_scope(o, i, g->scope);
    if (rc != 0)
        return rc;
    // Asking for it again changes nothing: the family is what it is.
    i->offline = true;
    if (!gw_scope_within(i->scopes, granted))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_SCOPE, ERR_OAUTH_SCOPE, "more than was granted");
    return gw_issue_audience(o, i, audiences, true);
}

int gw_grant_refresh(struct gw_oauth *o)
{
    struct pki_grant g;
    struct gw_issue i = { .grant = GW_GRANT_REFRESH, .exchanged = true, .impersonates = true };
    struct gw_issued issued = { .type = SPAN_NONE };
    int rc = look(o, &g);
    if (rc == 0)
        rc = check_sender(o, &g);
    if (rc == 0)
        rc = check_standing(o, &g);
    if (rc == 0 && !read_extra(o->v->arena, g.extra, &i))
        rc = refuse(o, o->v->arena->failed ? ERR_NOMEM : ERR_INTERNAL, NULL);
    i.subject = rc == 0 ? g.subject : SPAN_NONE;
    if (rc == 0)
        rc = narrow(o, &g, &i);
    if (rc == 0)
        rc = gw_issue_decide(o, &i);
    if (rc != 0)
        return rc;
    struct buf token, successor;
    buf_init(&token, 0);
    buf_init(&successor, 0);
    rc = gw_issue_mint(o, &i, &token, &issued.lifetime_s);
    if (rc == 0) {
        rc = pki_grants_rotate(o->a->grants, o->form.v[GW_FORM_REFRESH_TOKEN], o->now_s, &successor);
        if (rc != 0)
            rc = refuse(o, rc, NULL);
    }
    if (rc == 0) {
        issued.access_token = buf_span(&token);
        issued.refresh_token = buf_span(&successor);
        rc = gw_issue_answer(o, &i, &issued);
    } else {
        o->v->record.jti = SPAN_NONE; // nobody got it
    }
    buf_wipe(&token);
    buf_wipe(&successor);
    return rc;
}

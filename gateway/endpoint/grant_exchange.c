// SPDX-License-Identifier: GPL-3.0-or-later
// Token exchange (RFC 8693): a token about a subject becomes a narrower one for the client that asks. The subject's (and the actor's) token is one
// of ours, or of an issuer that is configured to be exchanged; whoever brings it proves its binding in this very request, or the policies permit
// Action::"token:impersonate". What is issued names the subject in `sub` and who acts for him in `act`, whether or not there was an actor token:
// a token never hides in whose hands it is.
#include "gateway/endpoint/issue.h"

#include "gateway/base/json.h"
#include "gateway/endpoint/own_token.h"
#include "pki/claims.h"
#include "pki/digest.h"
#include "pki/jws.h"

#define ACT_DEPTH 8 // actors that a token may name

// One token that was handed in.
struct handed {
    struct pki_token *token; // counted
    struct json_doc *doc;    // of its claims
    json claims;
    bool ours;
    bool proven;        // this request proves its binding, and it is not another workload's
    struct span origin; // the issuer whose subject it is about
};

struct exchange {
    struct gw_oauth *o;
    struct handed subject, actor;
    struct gw_issue issue;
    struct span actor_client; // client_id of the actor, as `may_act` may ask
    bool wants_refresh;
};

// RFC 8693 §2.2.2: a token that is invalid or unacceptable is invalid_request.
static int refuse(struct gw_oauth *o, int err, const char *line, const char *detail)
{
    return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_REQUEST, err, line, span_str(detail));
}

// ---- the tokens

static struct span issuer_of(struct gw_oauth *o, struct span compact)
{
    struct pki_jws jws;
    struct span payload, iss = SPAN_NONE;
    if (pki_jws_split(compact, PKI_TOKEN_MAX, &jws) != 0 || pki_jws_decode(jws.payload, o->v->arena, &payload) != 0)
        return iss;
    struct json_limits limits = { .bytes = PKI_TOKEN_MAX, .depth = 16 };
    struct json_doc *doc = json_parse(payload, &limits, NULL);
    if (doc)
        iss = arena_dup(o->v->arena, json_string(json_get(json_root(doc), SPAN("iss"))));
    json_free(doc);
    return iss;
}

static int verify_foreign(struct gw_oauth *o, struct span compact, struct pki_token **out, struct span *detail)
{
    const struct gw_revocations *r = o->a->revocations;
    uint8_t sha256[PKI_SHA256];
    struct pki_token *token;
    if (!o->a->snapshot->subjects)
        return ERR_TOKEN_ISSUER;
    pki_sha256(compact, sha256);
    int rc = pki_token_verify(o->a->snapshot->subjects, r ? r->keys : NULL, compact, sha256, o->now_s, NULL, &token);
    if (rc != 0)
        return rc;
    rc = gw_oauth_revoked(o, token, detail);
    if (rc == 0)
        *out = token;
    else
        pki_token_unref(token);
    return rc;
}

static int take(struct gw_oauth *o, enum gw_form_field token, enum gw_form_field type, const char *which,
                struct handed *h)
{
    struct span compact = o->form.v[token], kind = o->form.v[type], detail = SPAN_NONE;
    if (!span_eq(kind, GW_TYPE_ACCESS) && !span_eq(kind, GW_TYPE_JWT))
        return refuse(o, ERR_OAUTH_FORM, "subject and actor tokens are access tokens or JWTs, and say so", which);
    h->ours = span_eq(issuer_of(o, compact), o->a->snapshot->authority.issuer);
    int rc = h->ours ? gw_own_token(o, compact, &h->token, &detail) : verify_foreign(o, compact, &h->token, &detail);
    if (rc != 0)
        return gw_oauth_refuse_with(
            o, GW_OAUTH_INVALID_REQUEST, rc, "the subject or actor token is not acceptable",
            arena_printf(o->v->arena, "%s%s%.*s", which, span_is_none(detail) ? "" : ": ", SPAN_FMT(detail)));
    const struct pki_token *t = h->token;
    h->doc = json_parse(t->claims, NULL, NULL);
    h->claims = h->doc ? json_root(h->doc) : NULL;
    if (!h->claims || t->subject.n == 0)
        return refuse(o, h->claims ? ERR_TOKEN_CLAIM : ERR_NOMEM, "the subject or actor token is not acceptable",
                      which);
    h->origin = t->issuer->iss;
    if (h->ours && json_get(h->claims, SPAN(GW_OWN_SUBJECT_ISSUER))) {
        // An exchange of what was exchanged: he stays whose he was, and revoked where he is.
        h->origin = json_string(json_get(h->claims, SPAN(GW_OWN_SUBJECT_ISSUER)));
        if ((rc = gw_oauth_subject_revoked(o, h->origin, t->subject, t->iat, &detail)) != 0)
            return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_REQUEST, rc, "the subject or actor token is not acceptable",
                                        detail);
    }
    bool of_this = span_is_none(t->workload) ||
                   pki_workload_matches(t->issuer->workload_match == PKI_WORKLOAD_PREFIX ? PKI_WORKLOAD_PREFIX
                                                                                         : PKI_WORKLOAD_EXACT,
                                        t->workload, o->client.workload);
    h->proven = of_this && gw_oauth_proves(o, t->has_jkt ? t->jkt : NULL, t->has_x5t ? t->x5t : NULL);
    return 0;
}

static int read_tokens(struct exchange *x)
{
    struct gw_oauth *o = x->o;
    const struct span *v = o->form.v;
    bool acts = !span_is_none(v[GW_FORM_ACTOR_TOKEN]);
    if (span_is_none(v[GW_FORM_SUBJECT_TOKEN]))
        return refuse(o, ERR_OAUTH_FORM, "subject_token is missing", NULL);
    if (acts == span_is_none(v[GW_FORM_ACTOR_TOKEN_TYPE]))
        return refuse(o, ERR_OAUTH_FORM, "actor_token and actor_token_type come together", NULL);
    int rc = take(o, GW_FORM_SUBJECT_TOKEN, GW_FORM_SUBJECT_TOKEN_TYPE, "subject_token", &x->subject);
    if (rc == 0 && acts)
        rc = take(o, GW_FORM_ACTOR_TOKEN, GW_FORM_ACTOR_TOKEN_TYPE, "actor_token", &x->actor);
    return rc;
}

static int read_wanted(struct exchange *x)
{
    struct span wanted = x->o->form.v[GW_FORM_REQUESTED_TOKEN_TYPE];
    x->wants_refresh = span_eq(wanted, GW_TYPE_REFRESH);
    if (span_is_none(wanted) || span_eq(wanted, GW_TYPE_ACCESS) || x->wants_refresh)
        return 0;
    return refuse(x->o, ERR_OAUTH_FORM, "requested_token_type is neither access_token nor refresh_token", NULL);
}

// ---- who acts

static struct span own_iss(const struct exchange *x)
{
    return x->o->a->snapshot->authority.issuer;
}

// The actor: of the actor token, else the client itself.
static void find_actor(struct exchange *x)
{
    const struct gw_client *c = &x->o->client;
    if (x->actor.token) {
        x->issue.actor = x->actor.token->subject;
        x->issue.actor_issuer = x->actor.origin;
        x->actor_client = x->actor.token->client_id;
        return;
    }
    x->issue.actor = span_is_none(c->workload) ? c->id : c->workload;
    x->issue.actor_issuer = own_iss(x);
    x->actor_client = c->id;
}

// RFC 8693 §4.4: whoever the subject says may act for him, and nobody else. A member that is not understood excludes everybody.
static int check_may_act(struct exchange *x)
{
    json may = json_get(x->subject.claims, SPAN("may_act")), value;
    struct span name;
    if (!may)
        return 0;
    // Without `iss` it means a name of ours or of the subject's issuer, and not what a third one calls somebody.
    bool near = span_eq(x->issue.actor_issuer, own_iss(x)) || span_eq(x->issue.actor_issuer, x->subject.origin);
    bool ok = json_type(may) == JSON_OBJECT && json_count(may) > 0 && (near || json_get(may, SPAN("iss")));
    for (struct json_iter it = json_iter(ok ? may : NULL); ok && json_next(&it, &name, &value);) {
        struct span wanted = json_string(value), is = SPAN_NONE;
        if (span_eq(name, SPAN("sub")))
            is = x->issue.actor;
        else if (span_eq(name, SPAN("iss")))
            is = x->issue.actor_issuer;
        else if (span_eq(name, SPAN("client_id")))
            is = x->actor_client;
        ok = !span_is_none(wanted) && !span_is_none(is) && span_eq(wanted, is);
    }
    return ok ? 0 : refuse(x->o, ERR_TOKEN_WORKLOAD, "the subject token names another actor (may_act)", NULL);
}

// How many actors are named already; ACT_DEPTH and more for what is malformed.
static unsigned act_depth(json act)
{
    unsigned n = 0;
    for (; act && n < ACT_DEPTH; n++) {
        if (json_type(act) != JSON_OBJECT || json_string(json_get(act, SPAN("sub"))).n == 0)
            return ACT_DEPTH;
        act = json_get(act, SPAN("act"));
    }
    return n;
}

static void write_actor(const struct exchange *x, struct span sub, struct span iss, struct json_writer *w)
{
    json_w_object(w);
    json_w_key(w, SPAN("sub"));
    json_w_string(w, sub);
    if (!span_eq(iss, own_iss(x))) {
        json_w_key(w, SPAN("iss"));
        json_w_string(w, iss);
    }
}

// Who acted before, by name and issuer and nothing else. Whom another issuer names without saying whose he is, is his own, not ours.
static void write_before(const struct exchange *x, json act, struct json_writer *w)
{
    unsigned n = 0;
    for (; act; act = json_get(act, SPAN("act")), n++) {
        struct span iss = json_string(json_get(act, SPAN("iss")));
        if (n > 0)
            json_w_key(w, SPAN("act"));
        write_actor(x, json_string(json_get(act, SPAN("sub"))), iss.n > 0 ? iss : x->subject.token->issuer->iss, w);
    }
    for (; n > 0; n--)
        json_w_end(w);
}

// Nobody acts for another: the client itself narrows a token about itself. Not whoever brings one token twice.
static bool acts_for_itself(const struct exchange *x)
{
    const struct gw_client *c = &x->o->client;
    return span_eq(x->issue.actor, x->subject.token->subject) && span_eq(x->issue.actor_issuer, x->subject.origin) &&
           span_eq(x->issue.actor_issuer, own_iss(x)) &&
           span_eq(x->issue.actor, span_is_none(c->workload) ? c->id : c->workload);
}

// RFC 8693 §4.1: the present actor outermost, those before it inside.
static int write_act(struct exchange *x)
{
    json before = json_get(x->subject.claims, SPAN("act"));
    bool itself = acts_for_itself(x);
    if (act_depth(before) + !itself > ACT_DEPTH)
        return refuse(x->o, ERR_TOKEN_CLAIM, "the chain of actors is too long", NULL);
    // Who narrows a token of his own acts for nobody.
    if (itself && !before)
        return 0;
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    if (itself) {
        write_before(x, before, &w);
    } else {
        write_actor(x, x->issue.actor, x->issue.actor_issuer, &w);
        if (before) {
            json_w_key(&w, SPAN("act"));
            write_before(x, before, &w);
        }
        json_w_end(&w);
    }
    x->issue.act = out.failed ? SPAN_NONE : arena_dup(x->o->v->arena, buf_span(&out));
    buf_fini(&out);
    return span_is_none(x->issue.act) ? refuse(x->o, ERR_NOMEM, NULL, NULL) : 0;
}

// ---- how much of it

// Only ever narrower: what the subject's token has no scope for, nobody gets with it. An issuer without scopes (`scopes: none`) sets no ceiling.
static int narrow(struct exchange *x)
{
    struct gw_oauth *o = x->o;
    const struct pki_token *t = x->subject.token;
    struct pki_names ceiling;
    int rc = gw_issue_scope(o, &x->issue, SPAN_NONE);
    if (rc != 0)
        return rc;
    if (x->wants_refresh && !x->issue.offline)
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_SCOPE, ERR_OAUTH_SCOPE, "a refresh token needs offline_access");
    if (x->subject.ours || !t->issuer->scopeless) {
        json scope = pki_claim(x->subject.claims, t->issuer->claims.scope);
        if (!pki_claim_list(scope, true, o->v->arena, &ceiling) || !gw_scope_within(x->issue.scopes, ceiling))
            return gw_oauth_refuse(o, GW_OAUTH_INVALID_SCOPE, ERR_OAUTH_SCOPE, "more than the subject token's scope");
    }
    return gw_issue_audience(o, &x->issue, gw_issue_audiences(o), false);
}

static int settle(struct exchange *x)
{
    struct gw_issue *i = &x->issue;
    const struct pki_token *s = x->subject.token, *a = x->actor.token;
    i->exchanged = true;
    i->subject = s->subject;
    i->subject_issuer = x->subject.origin;
    i->tenant = s->tenant;
    i->ends_s = a && a->exp < s->exp ? a->exp : s->exp;
    i->impersonates = !x->subject.proven || (a && !x->actor.proven);
    x->o->v->record.detail = arena_printf(x->o->v->arena, "subject token %.*s of %.*s%s",
                                          SPAN_FMT(span_is_none(s->jti) ? SPAN("-") : s->jti), SPAN_FMT(s->issuer->iss),
                                          i->impersonates ? ", without proof of a binding" : "")
                                 .p;
    find_actor(x);
    int rc = check_may_act(x);
    return rc == 0 ? write_act(x) : rc;
}

static int decide(struct exchange *x)
{
    int rc = gw_issue_decide(x->o, &x->issue);
    struct gw_oauth_fault *f = &x->o->fault;
    // What is missing is the proof: to say so helps an honest client, and tells a thief what he knows.
    if (rc != 0 && f->error == GW_OAUTH_UNAUTHORIZED_CLIENT && x->issue.impersonates)
        return gw_oauth_refuse_with(x->o, GW_OAUTH_INVALID_REQUEST, ERR_OAUTH_UNPROVEN,
                                    "prove the binding of the subject and actor tokens", f->detail);
    return rc;
}

static int issue(struct exchange *x)
{
    struct gw_oauth *o = x->o;
    struct gw_issued issued = { .type = x->wants_refresh ? GW_TYPE_REFRESH : GW_TYPE_ACCESS,
                                .refresh_only = x->wants_refresh };
    struct buf token, refresh;
    buf_init(&token, 0);
    buf_init(&refresh, 0);
    int rc = gw_issue_mint(o, &x->issue, &token, &issued.lifetime_s);
    if (rc == 0 && x->issue.offline)
        rc = gw_grant_begin(o, &x->issue, &refresh);
    if (rc == 0) {
        issued.access_token = buf_span(&token);
        issued.refresh_token = x->issue.offline ? buf_span(&refresh) : SPAN_NONE;
        if (x->wants_refresh) {
            issued.lifetime_s = gw_oauth_config(o)->refresh_lifetime / 1000;
            o->v->record.jti = SPAN_NONE; // the access token stays here
        }
        rc = gw_issue_answer(o, &x->issue, &issued);
    }
    buf_wipe(&token);
    buf_wipe(&refresh);
    return rc;
}

static void handed_fini(struct handed *h)
{
    json_free(h->doc);
    pki_token_unref(h->token);
}

int gw_grant_exchange(struct gw_oauth *o)
{
    static int (*const steps[])(struct exchange *) = { read_wanted, read_tokens, settle, narrow, decide, issue };
    struct exchange x = { .o = o, .issue = { .grant = GW_GRANT_EXCHANGE } };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof steps / sizeof *steps; i++)
        rc = steps[i](&x);
    // Spans of the record live as long as the visit, not as the tokens.
    o->v->record.subject = arena_dup(o->v->arena, o->v->record.subject);
    handed_fini(&x.subject);
    handed_fini(&x.actor);
    return rc;
}

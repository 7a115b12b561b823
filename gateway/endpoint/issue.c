// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/issue.h"

#include "gateway/base/base64url.h"
#include "gateway/base/json.h"
#include "gateway/endpoint/own_token.h"
#include "pki/digest.h"
#include "pki/mint.h"

#define ROLES_MAX 256
#define OFFLINE SPAN("offline_access")

// ---- scopes

// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E )
static bool is_scope_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < 0x21 || s.p[i] > 0x7e || s.p[i] == '"' || s.p[i] == '\\')
            return false;
    return s.n > 0;
}

bool gw_scope_has(struct pki_names scopes, struct span scope)
{
    for (size_t i = 0; i < scopes.n; i++)
        if (span_eq(scopes.at[i], scope))
            return true;
    return false;
}

bool gw_scope_within(struct pki_names scopes, struct pki_names ceiling)
{
    for (size_t i = 0; i < scopes.n; i++)
        if (!gw_scope_has(ceiling, scopes.at[i]))
            return false;
    return true;
}

int gw_scope_read(struct arena *a, struct span text, struct pki_names *out)
{
    struct span *at = arena_array(a, GW_SCOPES_MAX, sizeof *at), one;
    size_t n = 0;
    if (!at)
        return ERR_NOMEM;
    for (struct span rest = text; !span_is_none(rest);) {
        one = span_cut(&rest, ' ');
        if (!is_scope_token(one))
            return ERR_OAUTH_SCOPE;
        if (gw_scope_has((struct pki_names){ at, n }, one))
            continue;
        if (n == GW_SCOPES_MAX)
            return ERR_OAUTH_SCOPE;
        at[n++] = one;
    }
    *out = (struct pki_names){ at, n };
    return 0;
}

struct span gw_scope_text(struct arena *a, struct pki_names scopes)
{
    size_t size = 1, n = 0;
    for (size_t i = 0; i < scopes.n; i++)
        size += scopes.at[i].n + 1;
    char *p = arena_alloc(a, size);
    for (size_t i = 0; p && i < scopes.n; i++) {
        if (i > 0)
            p[n++] = ' ';
        memcpy(p + n, scopes.at[i].p, scopes.at[i].n);
        n += scopes.at[i].n;
    }
    return span_of(p, n);
}

static int refuse_scope(struct gw_oauth *o, int rc, const char *detail)
{
    return gw_oauth_refuse_with(o, GW_OAUTH_INVALID_SCOPE, rc, NULL, span_str(detail));
}

// Checklist 26a at the source: a key gets no token that may do more than itself.
static int check_key_ceiling(struct gw_oauth *o, const struct gw_issue *i)
{
    const struct pki_token *key = o->client.key;
    struct pki_names ceiling = { NULL, 0 };
    if (!key || key->issuer->scopeless)
        return 0;
    if (key->scope.n > 0 && gw_scope_read(o->v->arena, key->scope, &ceiling) != 0)
        return refuse_scope(o, ERR_OAUTH_SCOPE, "the API key's own scopes cannot be read");
    return gw_scope_within(i->scopes, ceiling) ? 0 : refuse_scope(o, ERR_OAUTH_SCOPE, "more than the API key's scopes");
}

int gw_issue_scope(struct gw_oauth *o, struct gw_issue *i, struct span fallback)
{
    struct span text = o->form.v[GW_FORM_SCOPE];
    struct pki_names scopes;
    if (span_is_none(text))
        text = fallback;
    if (span_is_none(text))
        return refuse_scope(o, ERR_OAUTH_SCOPE, "no scope");
    int rc = gw_scope_read(o->v->arena, text, &scopes);
    if (rc != 0)
        return refuse_scope(o, rc, NULL);
    struct span *kept = arena_array(o->v->arena, scopes.n + 1, sizeof *kept);
    if (!kept)
        return refuse_scope(o, ERR_NOMEM, NULL);
    i->scopes = (struct pki_names){ kept, 0 };
    for (size_t k = 0; k < scopes.n; k++) {
        if (span_eq(scopes.at[k], OFFLINE))
            i->offline = true;
        else
            kept[i->scopes.n++] = scopes.at[k];
    }
    if (i->scopes.n == 0)
        return refuse_scope(o, ERR_OAUTH_SCOPE, "no scope but offline_access");
    return check_key_ceiling(o, i);
}

// ---- audiences

struct pki_names gw_issue_audiences(struct gw_oauth *o)
{
    const struct gw_config_texts *t = &gw_oauth_config(o)->audiences;
    struct span *at = arena_array(o->v->arena, t->n + 1, sizeof *at);
    for (size_t i = 0; at && i < t->n; i++)
        at[i] = t->v[i].v;
    return (struct pki_names){ at, at ? t->n : 0 };
}

int gw_issue_audience(struct gw_oauth *o, struct gw_issue *i, struct pki_names allowed, bool all)
{
    const struct pki_names wanted = { o->form.targets, o->form.n_targets };
    i->audiences = wanted.n > 0 ? wanted : allowed;
    if (wanted.n == 0 && (allowed.n == 0 || (allowed.n > 1 && !all)))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_TARGET, ERR_OAUTH_TARGET, "name an audience or a resource");
    if (!gw_scope_within(i->audiences, allowed) || !gw_scope_within(i->audiences, gw_issue_audiences(o)))
        return gw_oauth_refuse(o, GW_OAUTH_INVALID_TARGET, ERR_OAUTH_TARGET, NULL);
    return 0;
}

// ---- the token

// How long it may live: as configured, but no longer than the certificate that it is bound to, nor than what it was exchanged or asked for with.
static int64_t lifetime(const struct gw_oauth *o, const struct gw_issue *i)
{
    int64_t ends_s = o->now_s + gw_oauth_config(o)->lifetime / 1000;
    if (i->ends_s > 0 && ends_s > i->ends_s)
        ends_s = i->ends_s;
    if (o->client.key && ends_s > o->client.key->exp)
        ends_s = o->client.key->exp;
    if (o->bound.x5t && ends_s > o->v->certificate->path_not_after)
        ends_s = o->v->certificate->path_not_after;
    return ends_s - o->now_s;
}

// What pki_mint has no members for.
static bool extra(const struct gw_oauth *o, const struct gw_issue *i, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    if (!span_is_none(i->subject_issuer) && !span_eq(i->subject_issuer, o->a->snapshot->authority.issuer)) {
        json_w_key(&w, SPAN(GW_OWN_SUBJECT_ISSUER));
        json_w_string(&w, i->subject_issuer);
    }
    if (!span_is_none(i->act)) {
        json_w_key(&w, SPAN("act"));
        json_w_raw(&w, i->act);
    }
    json_w_end(&w);
    return !out->failed;
}

// What is no good is called by what brought it: only a refresh token is a grant (RFC 6749 §5.2; of an exchange, RFC 8693 §2.2.2).
static enum gw_oauth_error fault_of(const struct gw_issue *i)
{
    if (span_eq(i->grant, GW_GRANT_REFRESH))
        return GW_OAUTH_INVALID_GRANT;
    return span_eq(i->grant, GW_GRANT_EXCHANGE) ? GW_OAUTH_INVALID_REQUEST : GW_OAUTH_UNAUTHORIZED_CLIENT;
}

// Revocations by subject, client, workload or key stop what would be issued as they stop what was.
static int check_standing(struct gw_oauth *o, const struct gw_issue *i)
{
    const struct pki_issuer issuer = { .iss = o->a->snapshot->authority.issuer };
    struct pki_token t = { .issuer = &issuer,
                           .subject = i->subject,
                           .client_id = o->client.id,
                           .workload = o->client.workload,
                           .iat = o->now_s };
    if (o->bound.jkt) {
        t.has_jkt = true;
        memcpy(t.jkt, o->bound.jkt, sizeof t.jkt);
    }
    struct span detail = SPAN_NONE;
    int rc = gw_oauth_revoked(o, &t, &detail);
    return rc == 0 ? 0 : gw_oauth_refuse_with(o, fault_of(i), rc, NULL, detail);
}

static struct span new_jti(struct gw_oauth *o)
{
    uint8_t random[16];
    char *p = arena_alloc(o->v->arena, BASE64URL_ENCODED(sizeof random) + 1);
    pki_random(random, sizeof random);
    return p ? span_of(p, base64url_encode(span_of(random, sizeof random), p)) : SPAN_NONE;
}

int gw_issue_mint(struct gw_oauth *o, const struct gw_issue *i, struct buf *token, int64_t *lifetime_s)
{
    const struct pki_signing_key *key = pki_signing_keys_active(o->a->keys);
    const struct pol_set *entities = o->a->snapshot->authority.policies;
    struct span type = span_is_none(o->client.workload) ? SPAN("Client") : SPAN("Workload");
    struct span principal = span_is_none(o->client.workload) ? o->client.id : o->client.workload;
    struct span roles[ROLES_MAX], own_tenant = pol_set_text(entities, type, principal, SPAN("tenant"));
    size_t n_roles = pol_set_parents(entities, type, principal, SPAN("Role"), roles, ROLES_MAX);
    int rc = check_standing(o, i);
    if (rc != 0)
        return rc;
    int64_t life_s = lifetime(o, i);
    if (life_s <= 0)
        return gw_oauth_refuse_with(o, fault_of(i), ERR_TOKEN_EXPIRED, NULL,
                                    SPAN("what it would be bound to, or was exchanged for, ends now"));
    // A tenant is a wall: nobody takes another one's data through it by exchanging.
    if (!span_is_none(i->tenant) && !span_is_none(own_tenant) && !span_eq(i->tenant, own_tenant))
        return gw_oauth_refuse_with(o, GW_OAUTH_UNAUTHORIZED_CLIENT, ERR_TOKEN_ASSERTS, NULL,
                                    SPAN("the subject token is of another tenant than the client"));
    if (n_roles > ROLES_MAX)
        return gw_oauth_refuse_with(o, GW_OAUTH_SERVER_ERROR, ERR_TOKEN_CLAIM, NULL, SPAN("too many roles"));
    struct buf claims;
    buf_init(&claims, 0);
    struct pki_mint m = {
        .iss = o->a->snapshot->authority.issuer,
        .subject = i->subject,
        .client_id = o->client.id,
        .audiences = i->audiences,
        .scope = gw_scope_text(o->v->arena, i->scopes),
        .jti = new_jti(o),
        .kid = key->kid,
        .iat_s = o->now_s,
        .lifetime_s = life_s,
        .jkt = o->bound.jkt,
        .x5t = o->bound.x5t,
        .roles_claim = SPAN(GW_OWN_ROLES),
        .tenant_claim = SPAN(GW_OWN_TENANT),
        .workload_claim = SPAN(GW_OWN_WORKLOAD),
        .roles = { roles, n_roles },
        .tenant = span_is_none(i->tenant) ? own_tenant : i->tenant,
        .workload = o->client.workload,
    };
    bool ok = !span_is_none(m.jti) && !span_is_none(m.scope) && extra(o, i, &claims);
    m.extra = buf_span(&claims);
    rc = ok ? pki_mint_token(&m, key->key, key->alg, token) : ERR_NOMEM;
    buf_fini(&claims);
    if (rc != 0)
        return gw_oauth_refuse(o, GW_OAUTH_SERVER_ERROR, rc, NULL);
    o->v->record.subject = i->subject;
    o->v->record.jti = m.jti;
    *lifetime_s = life_s;
    return 0;
}

// ---- the answer

static void put(struct json_writer *w, struct span name, struct span value)
{
    if (span_is_none(value))
        return;
    json_w_key(w, name);
    json_w_string(w, value);
}

int gw_issue_answer(struct gw_oauth *o, const struct gw_issue *i, const struct gw_issued *issued)
{
    struct buf body;
    buf_init(&body, 0);
    struct json_writer w = json_writer(&body);
    json_w_object(&w);
    // RFC 8693 §2.2.1: whatever was issued goes by this name, and "N_A" says that it is no access token.
    put(&w, SPAN("access_token"), issued->refresh_only ? issued->refresh_token : issued->access_token);
    put(&w, SPAN("issued_token_type"), issued->type);
    put(&w, SPAN("token_type"), issued->refresh_only ? SPAN("N_A") : o->bound.jkt ? SPAN("DPoP") : SPAN("Bearer"));
    json_w_key(&w, SPAN("expires_in"));
    json_w_int(&w, issued->lifetime_s);
    put(&w, SPAN("scope"), gw_scope_text(o->v->arena, i->scopes));
    if (!issued->refresh_only)
        put(&w, SPAN("refresh_token"), issued->refresh_token);
    json_w_end(&w);
    return gw_oauth_answer(o, &body);
}

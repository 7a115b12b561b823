// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/feed.h"

#include "gateway/config/revoked_file.h"
#include "gateway/http/answer.h"
#include "pki/revocation_feed.h"

static int refuse(struct gw_visit *v, int err)
{
    gw_visit_problem(v, err);
    return 0;
}

// 0, or refused: ERR_CERT_MISSING, ERR_POLICY_NO_PERMIT.
static int must_be_one_of(const struct gw_visit *v, const struct gw_config_texts *globs)
{
    if (!v->certificate)
        return ERR_CERT_MISSING;
    for (size_t i = 0; i < globs->n; i++)
        if (pki_pattern_match(globs->v[i].v, v->certificate->spiffe_id))
            return 0;
    return ERR_POLICY_NO_PERMIT;
}

// Takes the text over.
static int answer(struct gw_visit *v, struct span type, struct buf *text)
{
    struct span copy = text->failed ? SPAN_NONE : arena_dup(v->arena, buf_span(text));
    buf_fini(text);
    if (span_is_none(copy))
        return refuse(v, ERR_NOMEM);
    v->status = 200;
    v->no_store = true;
    v->content_type = type;
    v->answer = copy;
    return 0;
}

// ---- what followers ask for

static int give(struct gw_authority *a, struct gw_visit *v, const struct pki_feed_ask *ask)
{
    const struct pki_signing_key *key = pki_signing_keys_active(a->keys);
    struct pki_feed_signer signer = {
        .iss = a->snapshot->authority.issuer, .key = key->key, .alg = key->alg, .kid = key->kid
    };
    struct buf text;
    buf_init(&text, 0);
    int rc = pki_feed_make(a->revoked, ask, &signer, v->now.wall_ms / 1000, &text, NULL);
    if (rc == 0)
        return answer(v, SPAN("application/jwt"), &text);
    buf_fini(&text);
    return refuse(v, rc);
}

static int follow(struct gw_authority *a, struct gw_visit *v)
{
    struct pki_feed_ask ask;
    struct pki_revoked_point head;
    v->record.operation = SPAN("revocations:read");
    int rc = must_be_one_of(v, &a->snapshot->authority.config->followers);
    if (rc != 0)
        return refuse(v, rc);
    if (!pki_feed_ask_read(v->to.query, &ask))
        return refuse(v, ERR_API_QUERY);
    if ((rc = pki_revoked_log_head(a->revoked, &head)) != 0)
        return refuse(v, rc);
    if (!v->again)
        v->wait_until_ms = v->now.mono_ms + 1000 * (int64_t)(ask.wait_s < GW_FEED_WAIT_S ? ask.wait_s : GW_FEED_WAIT_S);
    if (!ask.reset && pki_revoked_point_eq(&ask.after, &head) && v->now.mono_ms < v->wait_until_ms)
        return GW_VISIT_WAITS;
    return give(a, v, &ask);
}

// ---- what revokers enter

struct entering {
    struct gw_visit *v;
    struct pki_revoked_entry *entries;
    size_t n;
};

static int keep(void *ctx, const struct pki_revoked_entry *e)
{
    struct entering *in = ctx;
    struct arena *arena = in->v->arena;
    struct pki_revoked_entry *to = &in->entries[in->n];
    int64_t now_s = in->v->now.wall_ms / 1000;
    *to = *e;
    to->value = arena_dup(arena, span_is_none(e->value) ? SPAN("") : e->value);
    to->issuer = arena_dup(arena, span_is_none(e->issuer) ? SPAN("") : e->issuer);
    to->reason = arena_dup(arena, span_is_none(e->reason) ? SPAN("") : e->reason);
    to->revoked_s = now_s;
    if (to->expires_s == 0)
        to->expires_s = pki_revoked_until(e, now_s);
    in->n++;
    return arena->failed ? ERR_NOMEM : 0;
}

// The problem document, with what is wrong: whoever may revoke may know.
static int explain(struct gw_visit *v, struct span what, unsigned entry)
{
    struct buf text;
    refuse(v, ERR_API_BODY);
    buf_init(&text, 0);
    struct json_writer w = json_writer(&text);
    json_w_object(&w);
    json_w_key(&w, SPAN("type"));
    json_w_string(&w, SPAN("about:blank"));
    json_w_key(&w, SPAN("title"));
    json_w_string(&w, SPAN("Bad Request"));
    json_w_key(&w, SPAN("status"));
    json_w_int(&w, v->status);
    json_w_key(&w, SPAN("code"));
    json_w_string(&w, err_info(ERR_API_BODY)->code);
    json_w_key(&w, SPAN("detail"));
    json_w_string(&w, entry ? arena_printf(v->arena, "revocation %u: %.*s", entry, SPAN_FMT(what)) : what);
    json_w_key(&w, SPAN("request_id"));
    json_w_string(&w, span_str(v->id));
    json_w_end(&w);
    struct span copy = text.failed ? SPAN_NONE : arena_dup(v->arena, buf_span(&text));
    if (!span_is_none(copy))
        v->answer = copy;
    buf_fini(&text);
    return 0;
}

// The list of a body, into `in`. 0, or refused and 1.
static int read_entries(struct gw_visit *v, json root, struct entering *in)
{
    struct diags diags;
    json list = json_get(root, SPAN("revocations"));
    size_t n = json_count(list);
    if (json_type(list) != JSON_ARRAY || json_count(root) != 1 || n == 0 || n > GW_FEED_REVOCATIONS) {
        explain(v, SPAN("the body is {\"revocations\": [...]} with 1 to 1000 of them, and nothing else"), 0);
        return 1;
    }
    in->entries = arena_array(v->arena, n, sizeof *in->entries);
    if (!in->entries) {
        refuse(v, ERR_NOMEM);
        return 1;
    }
    diags_init(&diags);
    int rc = gw_revoked_json_read(list, &diags, keep, in);
    if (rc == ERR_CONFIG && diags.first)
        explain(v, diags.first->text, diags.first->line);
    else if (rc != 0)
        refuse(v, rc);
    diags_fini(&diags);
    return rc == 0 ? 0 : 1;
}

// Of one revocation the record says what it is; of several, the registry does.
static void note(struct gw_visit *v, const struct entering *in)
{
    const struct pki_revoked_entry *e = in->entries;
    if (in->n != 1)
        return;
    v->record.issuer = e->issuer;
    switch (e->kind) {
    case PKI_REVOKED_JTI: v->record.jti = e->value; break;
    case PKI_REVOKED_SUBJECT: v->record.subject = e->value; break;
    case PKI_REVOKED_CLIENT: v->record.client_id = e->value; break;
    case PKI_REVOKED_THUMBPRINT: v->record.proof_thumbprint = e->value; break;
    default: break;
    }
}

static int enter(struct gw_authority *a, struct gw_visit *v, const struct entering *in)
{
    struct pki_revoked_point head;
    struct buf text;
    note(v, in);
    int rc = pki_revoked_store_add(a->revoked, in->entries, in->n, v->now.wall_ms / 1000);
    if (rc == 0)
        rc = pki_revoked_log_head(a->revoked, &head);
    if (rc != 0)
        return refuse(v, rc);
    v->audited = true;
    v->record.allowed = true;
    buf_init(&text, 0);
    struct json_writer w = json_writer(&text);
    json_w_object(&w);
    json_w_key(&w, SPAN("revoked"));
    json_w_uint(&w, in->n);
    json_w_key(&w, SPAN("sequence"));
    json_w_uint(&w, head.sequence);
    json_w_end(&w);
    return answer(v, SPAN("application/json"), &text);
}

static int revoke(struct gw_authority *a, struct gw_visit *v)
{
    static const struct json_limits limits = { .depth = 4 };
    struct entering in = { .v = v };
    v->record.operation = SPAN("revocations:write");
    int rc = must_be_one_of(v, &a->snapshot->authority.config->revokers);
    if (rc != 0)
        return refuse(v, rc);
    struct json_doc *doc = json_parse(v->body, &limits, NULL);
    if (!doc)
        return explain(v, SPAN("the body is no JSON"), 0);
    rc = read_entries(v, json_root(doc), &in);
    json_free(doc);
    return rc != 0 ? 0 : enter(a, v, &in);
}

int gw_feed_visit(struct gw_authority *a, struct gw_visit *v)
{
    if (!a->revoked || !a->snapshot->authority.config || !a->snapshot->authority.config->feed)
        return refuse(v, ERR_HTTP_NOT_FOUND);
    return v->request->method == GW_METHOD_POST ? revoke(a, v) : follow(a, v);
}

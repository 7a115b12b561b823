// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/oauth.h"

#include <assert.h>

#include "gateway/base/base64url.h"
#include "gateway/base/json.h"

static const struct {
    struct span code, line;
    unsigned status;
} errors[] = {
#define X(id, name, http, text) \
    [GW_OAUTH_##id] = { .code = { name, sizeof(name) - 1 }, .line = { text, sizeof(text) - 1 }, .status = http },
    GW_OAUTH_TABLE(X)
#undef X
};

// ---- refusing

// What says nothing about the request must not be told as if it did.
static enum gw_oauth_error ours(enum gw_oauth_error error, int err)
{
    switch (err) {
    case ERR_NOMEM:
    case ERR_STORE_BUSY:
    case ERR_STORE_FAILED:
    case ERR_REPLAY_FULL:
    case ERR_KEYS_STALE:
    case ERR_CRL_STALE:
    case ERR_REVOCATIONS_STALE:
    case ERR_HSM: return GW_OAUTH_UNAVAILABLE;
    case ERR_APIKEY_QUOTA: return GW_OAUTH_SLOW_DOWN;
    case ERR_INTERNAL: return GW_OAUTH_SERVER_ERROR;
    default: return error;
    }
}

int gw_oauth_refuse_with(struct gw_oauth *o, enum gw_oauth_error error, int err, const char *line, struct span detail)
{
    assert(err < 0);
    enum gw_oauth_error said = ours(error, err);
    uint64_t retry_after_s = o->fault.retry_after_s;
    if (retry_after_s == 0 && (said == GW_OAUTH_UNAVAILABLE || said == GW_OAUTH_SLOW_DOWN))
        retry_after_s = 1;
    o->fault = (struct gw_oauth_fault){ said, err, said == error ? line : NULL, detail, retry_after_s };
    return err;
}

int gw_oauth_refuse(struct gw_oauth *o, enum gw_oauth_error error, int err, const char *line)
{
    return gw_oauth_refuse_with(o, error, err, line, SPAN_NONE);
}

// ---- the answer

void gw_visit_add(struct gw_visit *v, struct span name, struct span value)
{
    assert(v->n_fields < GW_VISIT_FIELDS);
    if (!span_is_none(value))
        v->fields[v->n_fields++] = (struct gw_visit_field){ name, value };
}

int gw_oauth_answer(struct gw_oauth *o, struct buf *body)
{
    struct gw_visit *v = o->v;
    struct span copy = body->failed ? SPAN_NONE : arena_dup(v->arena, buf_span(body));
    buf_wipe(body);
    if (span_is_none(copy))
        return gw_oauth_refuse(o, GW_OAUTH_UNAVAILABLE, ERR_NOMEM, NULL);
    v->status = 200;
    v->content_type = SPAN("application/json");
    v->answer = copy;
    return 0;
}

// RFC 6749 §5.2: the challenge is of the scheme that was tried; RFC 9110 §15.5.2 wants one in any case.
static struct span challenge(const struct gw_oauth *o)
{
    struct span sent = gw_headers_get(&o->v->request->headers, GW_FIELD_AUTHORIZATION), rest = sent;
    if (span_ieq(span_is_none(sent) ? sent : span_cut(&rest, ' '), SPAN("Basic")))
        return SPAN("Basic realm=\"sallyport\"");
    return span_is_none(sent) ? SPAN("Bearer realm=\"sallyport\"")
                              : SPAN("Bearer realm=\"sallyport\", error=\"invalid_token\"");
}

// Of fixed texts only, so that it cannot fail for want of memory but in the copy.
static void answer_fault(struct gw_oauth *o)
{
    const struct gw_oauth_fault *f = &o->fault;
    struct gw_visit *v = o->v;
    v->status = errors[f->error].status;
    v->content_type = SPAN("application/json");
    v->answer =
        arena_printf(v->arena, "{\"error\":\"%.*s\",\"error_description\":\"%.*s\"}", SPAN_FMT(errors[f->error].code),
                     SPAN_FMT(f->line ? span_str(f->line) : errors[f->error].line));
    if (span_is_none(v->answer))
        v->answer = SPAN("{\"error\":\"temporarily_unavailable\"}");
    if (f->error == GW_OAUTH_INVALID_CLIENT)
        gw_visit_add(v, SPAN("www-authenticate"), challenge(o));
    if (f->retry_after_s > 0)
        gw_visit_add(v, SPAN("retry-after"), arena_printf(v->arena, "%llu", (unsigned long long)f->retry_after_s));
}

static void add_nonce(struct gw_oauth *o)
{
    char *nonce = o->nonce_due && o->a->nonces ? arena_alloc(o->v->arena, PKI_NONCE_TEXT) : NULL;
    if (!nonce)
        return;
    pki_nonce_make(o->a->nonces, o->v->now.wall_ms, nonce);
    gw_visit_add(o->v, SPAN("dpop-nonce"), span_of(nonce, PKI_NONCE_TEXT));
}

// ---- the record

static void add_record(struct gw_oauth *o, struct span operation)
{
    struct gw_audit_record *r = &o->v->record;
    r->api = SPAN("oauth");
    if (span_is_none(r->operation))
        r->operation = operation;
    r->issuer = o->a->snapshot->authority.issuer;
    r->err = o->fault.err;
    r->allowed = o->fault.err == 0;
    r->status = o->v->status;
    if (!span_is_none(o->client.id))
        r->client_id = o->client.id;
    if (o->bound.proven)
        r->proof_thumbprint = gw_oauth_thumbprint(o, o->bound.proof.jkt);
    if (!span_is_none(o->fault.detail))
        r->detail = arena_dup(o->v->arena, o->fault.detail).p;
    else if (o->fault.err != 0 && !r->detail)
        r->detail = o->fault.line;
    o->v->audited = true;
}

int gw_oauth_run(struct gw_authority *a, struct gw_visit *v, struct span operation, const gw_oauth_step *steps,
                 size_t n)
{
    struct gw_oauth o = { .a = a, .v = v, .now_s = v->now.wall_ms / 1000 };
    int rc = 0;
    v->no_store = true;
    v->n_fields = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = steps[i](&o);
    if (rc != 0) {
        // A step that forgot to say how it was refused.
        if (o.fault.err == 0)
            gw_oauth_refuse(&o, GW_OAUTH_SERVER_ERROR, rc, NULL);
        answer_fault(&o);
    }
    add_nonce(&o);
    // RFC 6749 §5.1 asks for it by name beside Cache-Control.
    gw_visit_add(v, SPAN("pragma"), SPAN("no-cache"));
    add_record(&o, operation);
    gw_client_fini(&o.client);
    gw_oauth_bound_fini(&o.bound);
    return 0;
}

int gw_oauth_read(struct gw_oauth *o)
{
    const char *why = NULL;
    int rc = gw_oauth_form_read(o->v, &o->form, &why);
    return rc == 0 ? 0 : gw_oauth_refuse(o, GW_OAUTH_INVALID_REQUEST, rc, why);
}

struct span gw_oauth_url(const struct gw_oauth *o, const char *path)
{
    return arena_printf(o->v->arena, "%.*s%s", SPAN_FMT(o->a->snapshot->authority.base), path);
}

struct span gw_oauth_thumbprint(const struct gw_oauth *o, const uint8_t hash[static 32])
{
    char *p = arena_alloc(o->v->arena, BASE64URL_ENCODED(32) + 1);
    return p ? span_of(p, base64url_encode(span_of(hash, 32), p)) : SPAN_NONE;
}

int gw_oauth_revoked(const struct gw_oauth *o, const struct pki_token *t, struct span *detail)
{
    const struct gw_revocations *r = o->a->revocations;
    const struct pki_revoked_entry *by;
    for (size_t i = 0; r && i < GW_REVOKED_FROM_COUNT; i++) {
        int rc = pki_revoked_token(r->revoked[i], t, o->now_s, &by);
        if (rc != 0) {
            *detail = arena_printf(o->v->arena, "revoked by %.*s", SPAN_FMT(pki_revoked_kind_name(by->kind)));
            return rc;
        }
    }
    return 0;
}

int gw_oauth_subject_revoked(const struct gw_oauth *o, struct span iss, struct span subject, int64_t since_s,
                             struct span *detail)
{
    const struct pki_issuer issuer = { .iss = iss };
    const struct pki_token t = { .issuer = &issuer,
                                 .subject = subject,
                                 .client_id = SPAN_NONE,
                                 .workload = SPAN_NONE,
                                 .jti = SPAN_NONE,
                                 .iat = since_s };
    return span_is_none(iss) || span_is_none(subject) ? 0 : gw_oauth_revoked(o, &t, detail);
}

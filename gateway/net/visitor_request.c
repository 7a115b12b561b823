// SPDX-License-Identifier: GPL-3.0-or-later
// One request of a visitor: from its head to its answer.
#include "gateway/base/base64url.h"
#include "gateway/http/answer.h"
#include "gateway/net/visitor_inside.h"
#include "pki/digest.h"

#include <stdlib.h>

// Most memory of a request: its head, its body, what an endpoint makes of it, its answer.
#define REQUEST_MAX (16u << 20)

static void random_id(char out[static 33])
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[16];
    pki_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes; i++) {
        out[2 * i] = hex[bytes[i] >> 4];
        out[2 * i + 1] = hex[bytes[i] & 15];
    }
    out[32] = '\0';
}

bool gw_visitor_begin(struct gw_visitor *c)
{
    struct gw_visitor_request *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    arena_init(&r->arena, REQUEST_MAX);
    buf_init(&r->body, GW_VISITOR_BODY);
    r->visit = (struct gw_visit){
        .arena = &r->arena,
        .request = &r->request,
        .body = SPAN(""),
        .remote = c->conn.remote,
        .now = c->server->now,
        .content_type = SPAN_NONE,
        .answer = SPAN(""),
    };
    random_id(r->visit.id);
    gw_h1_begin_request(&c->h1, &r->arena, &r->request);
    c->r = r;
    gw_visitor_enter(c, GW_VISITOR_HEAD);
    return true;
}

// A request may have been a secret's (an assertion, a refresh token), and its answer may be one.
void gw_visitor_request_free(struct gw_visitor_request *r)
{
    if (!r)
        return;
    buf_wipe(&r->body);
    arena_fini(&r->arena);
    free(r);
}

// --------------------------------------------------------------------------------------------------------- answer

static bool write_answer(struct gw_visitor *c, const struct gw_visit *v)
{
    struct gw_answer_field fields[GW_VISIT_FIELDS];
    for (size_t i = 0; i < v->n_fields; i++)
        fields[i] = (struct gw_answer_field){ v->fields[i].name, v->fields[i].value };
    // After a refusal in the middle of a body there is no telling where the next request begins.
    c->last = c->last || !c->r->whole || !c->r->request.keep_alive || c->server->draining;
    struct gw_answer a = {
        .status = v->status,
        .content_type = v->content_type,
        .body = v->answer,
        .request_id = span_str(v->id),
        .dpop_nonce = SPAN_NONE,
        .fields = fields,
        .n_fields = v->n_fields,
        .wall_ms = c->server->now.wall_ms,
        .head = c->r->head,
        .close = c->last,
        .no_store = v->no_store,
    };
    return gw_answer_write(&a, &c->conn.out) == 0;
}

void gw_visitor_try_answer(struct gw_visitor *c)
{
    struct gw_visitors *s = c->server;
    struct gw_visitor_request *r = c->r;
    if (c->state != GW_VISITOR_RECORD)
        return;
    int rc = r->ticket != 0 ? s->ops->recorded(s->ctx, r->ticket) : 1;
    if (rc == 0)
        return;
    if (rc < 0) {
        r->visit.n_fields = 0;
        gw_visit_problem(&r->visit, rc);
    }
    if (!write_answer(c, &r->visit)) {
        // A header that cannot be written, or no memory: nothing of it has been sent.
        r->visit.n_fields = 0;
        gw_visit_problem(&r->visit, ERR_INTERNAL);
        if (!write_answer(c, &r->visit))
            c->conn.out.failed = true;
    }
    s->ops->answered(s->ctx, &r->visit);
    gw_visitor_enter(c, GW_VISITOR_ANSWERED);
}

// The request's side of the record: what the endpoint need not know.
static void fill_record(struct gw_visitor *c)
{
    struct gw_visit *v = &c->r->visit;
    struct gw_audit_record *a = &v->record;
    a->kind = GW_AUDIT_REQUEST;
    a->wall_ms = v->now.wall_ms;
    a->request_id = span_str(v->id);
    a->remote = span_str(c->conn.remote);
    a->method = c->r->head ? SPAN("HEAD") : gw_method_name(c->r->request.method);
    a->path = v->to.path;
    a->status = v->status;
    a->bytes_in = buf_len(&c->r->body);
    a->bytes_out = c->r->head ? 0 : v->answer.n;
    if (!v->certificate)
        return;
    char *hash = arena_alloc(v->arena, BASE64URL_ENCODED(32) + 1);
    a->workload = v->certificate->spiffe_id;
    a->certificate_serial = v->certificate->serial;
    if (hash)
        a->certificate_sha256 = span_of(hash, base64url_encode(span_of(v->certificate->leaf_sha256, 32), hash));
}

// The answer stands in the visit: recorded, then sent.
static void finish(struct gw_visitor *c)
{
    struct gw_visitors *s = c->server;
    struct gw_visit *v = &c->r->visit;
    c->r->ticket = 0;
    if (v->audited) {
        fill_record(c);
        int rc = s->ops->record(s->ctx, v, &c->r->ticket);
        // Without a record there is no answer but this one.
        if (rc != 0) {
            v->n_fields = 0;
            gw_visit_problem(v, rc);
        }
    }
    gw_visitor_enter(c, GW_VISITOR_RECORD);
    gw_visitor_try_answer(c);
}

void gw_visitor_refuse(struct gw_visitor *c, int err, const char *what)
{
    struct gw_visit *v = &c->r->visit;
    v->n_fields = 0;
    gw_visit_problem(v, err);
    v->record.allowed = false;
    v->record.detail = what;
    c->last = c->last || gw_problem_must_close(err);
    finish(c);
}

// ------------------------------------------------------------------------------------------------------- question

// 0, or the refusal was sent on its way.
static int look_at_certificate(struct gw_visitor *c)
{
    struct gw_visit *v = &c->r->visit;
    if (!c->conn.tls.peer)
        return 0;
    v->certificate = &c->conn.tls.peer->identity;
    int rc = c->server->ops->standing(c->server->ctx, c->conn.tls.peer);
    if (rc == 0)
        return 0;
    c->last = true;
    gw_visitor_refuse(c, rc, NULL);
    return rc;
}

static void ask(struct gw_visitor *c, bool due)
{
    struct gw_visitors *s = c->server;
    struct gw_visit *v = &c->r->visit;
    v->now = s->now;
    if (look_at_certificate(c) != 0)
        return;
    if (due && v->now.mono_ms < v->wait_until_ms)
        v->now.mono_ms = v->wait_until_ms;
    if (s->ops->visit(s->ctx, v) != GW_VISIT_WAITS) {
        finish(c);
        return;
    }
    // One follower more than may wait hears nothing new at once instead: refused, it would be cut off and let nobody in.
    if (s->n_waiting >= s->max_waiting && !due && !s->draining) {
        v->again = true;
        ask(c, true);
        return;
    }
    if (s->draining || s->n_waiting >= s->max_waiting) {
        gw_visitor_refuse(c, s->draining ? ERR_DRAINING : ERR_OVERLOADED, NULL);
        return;
    }
    if (v->wait_until_ms > s->now.mono_ms + GW_VISITOR_WAIT_MS)
        v->wait_until_ms = s->now.mono_ms + GW_VISITOR_WAIT_MS;
    v->again = true;
    gw_visitor_enter(c, GW_VISITOR_WAITS);
}

void gw_visitor_ask_again(struct gw_visitor *c, bool due)
{
    gw_visitor_enter(c, GW_VISITOR_BODY_STATE); // it no longer counts among those that wait
    ask(c, due);
}

void gw_visitor_on_head(struct gw_visitor *c)
{
    struct gw_visitor_request *r = c->r;
    const char *what = NULL;
    r->whole = r->request.framing == GW_FRAMING_NONE;
    gw_visitor_enter(c, GW_VISITOR_BODY_STATE);
    int rc = gw_target_of(&r->request, c->server->target, &r->arena, &r->visit.to, &what);
    if (rc != 0) {
        gw_visitor_refuse(c, rc, what);
        return;
    }
    r->head = r->request.method == GW_METHOD_HEAD;
    if (r->head)
        r->request.method = GW_METHOD_GET;
    if (r->whole || look_at_certificate(c) != 0)
        return;
    if (r->request.framing == GW_FRAMING_LENGTH && r->request.content_length > GW_VISITOR_BODY)
        gw_visitor_refuse(c, ERR_HTTP_BODY_SIZE, NULL);
    else if (r->request.expect_continue)
        buf_append(&c->conn.out, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
}

void gw_visitor_on_body(struct gw_visitor *c, struct span piece)
{
    if (!buf_append(&c->r->body, piece))
        gw_visitor_refuse(c, ERR_HTTP_BODY_SIZE, NULL);
}

void gw_visitor_on_end(struct gw_visitor *c)
{
    c->r->whole = true;
    c->r->visit.body = buf_span(&c->r->body);
    ask(c, false);
}

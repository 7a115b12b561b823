// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/flow_inside.h"

#include "gateway/http/forward.h"
#include "gateway/http/time_left.h"

// A head of a message is rarely longer.
#define HEAD_USUAL 1024

// A failure told by a call's callback, where nobody above sends what was queued.
static void fail_call(struct gw_flow *f, int err, const char *what)
{
    struct gw_client *c = f->client;
    gw_flow_fail(f, err, what);
    gw_client_resume(c);
}

// The same of a body that cannot be passed on: `err` where it is the shard's fault, not for want of memory here.
static void fail_body(struct gw_flow *f, int rc, int err, const char *what)
{
    if (rc == ERR_NOMEM)
        fail_call(f, ERR_NOMEM, "no memory for an answer on its way to the client");
    else
        fail_call(f, err, what);
}

struct span gw_flow_whole_body(const struct gw_flow *f)
{
    const struct gw_exchange *x = &f->x;
    if (!span_is_none(x->meaning.body))
        return x->meaning.body;
    return x->body_asked ? x->body : SPAN_NONE;
}

static struct gw_view_shard *shard_of(struct gw_flow *f)
{
    return &f->view->shards[f->x.snapshot->apis[f->x.api].shards[f->x.shard]];
}

void gw_flow_flush(struct gw_flow *f)
{
    if (buf_len(&f->up) == 0)
        return;
    gw_call_write(&f->call, buf_span(&f->up));
    buf_fini(&f->up);
}

static void forget_names(struct gw_flow *f)
{
    const struct gw_api_authorisation *a = &f->x.meaning.authorisations[0];
    if (f->x.meaning.forgets_names)
        gw_name_map_forget(f->view->services.names, (struct gw_name_scope){ f->x.shard, a->tenant, a->database },
                           SPAN_NONE, SPAN_NONE);
}

void gw_flow_request_ended(struct gw_flow *f)
{
    if (gw_body_end(&f->up_body, &f->up) != 0) {
        fail_call(f, ERR_INTERNAL, "the request's body did not end where it should");
        return;
    }
    gw_flow_flush(f);
    gw_call_sent(&f->call);
}

// Of what the client gave; the shard has no more than its own.
static int64_t time_left(struct gw_flow *f)
{
    int64_t left_ms = f->x.until_ms - core_of(f)->now.mono_ms, most_ms = shard_of(f)->shard->remote.first_byte_ms;
    return left_ms < 1 ? 1 : left_ms < most_ms ? left_ms : most_ms;
}

static void on_ready(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    struct gw_exchange *x = &f->x;
    const struct gw_shard *shard = shard_of(f)->shard;
    struct gw_to_shard to = gw_to_shard(&x->request, &x->to);
    struct span body = gw_flow_whole_body(f);
    to.host = gw_call_authority(call);
    if (x->trace.own)
        x->trace.endpoint = arena_dup(&x->arena, to.host);
    to.request_id = span_str(x->id);
    to.traced = true;
    to.traceparent = gw_flow_traceparent(f);
    to.tracestate = x->trace.state;
    to.credential_name = shard->credential_name;
    to.credential = shard->credential;
    to.plain_answer = f->learns;
    if (!span_is_none(x->meaning.method))
        to.method = gw_method_parse(x->meaning.method);
    if (!span_is_none(x->meaning.target)) {
        to.query = x->meaning.target;
        to.path = span_cut(&to.query, '?');
    }
    int rc = 0;
    if (x->until_ms != 0) {
        to.time_left_ms = time_left(f);
        if (!span_is_none(x->meaning.timeout))
            rc = gw_time_left_in_query(to.query, x->meaning.timeout, to.time_left_ms, &x->arena, &to.query);
    }
    if (!span_is_none(body)) {
        to.framing = body.n > 0 ? GW_FRAMING_LENGTH : GW_FRAMING_NONE;
        to.content_length = body.n;
        to.body_rewritten = true;
    }
    buf_fini(&f->up);
    buf_reserve(&f->up, HEAD_USUAL + body.n);
    if (rc == 0)
        rc = gw_forward_request(&to, &f->up, &f->up_body);
    if (rc == 0 && !span_is_none(body) && body.n > 0)
        rc = gw_body_write(&f->up_body, body, &f->up);
    if (rc != 0) {
        fail_call(f, rc, "the request for the shard could not be written");
        return;
    }
    if (x->upstream_ns == 0)
        x->upstream_ns = clock_mono_ns();
    f->state = GW_FLOW_FORWARD;
    if (!span_is_none(body) || f->whole)
        gw_flow_request_ended(f);
    else
        gw_client_resume(f->client); // takes what is there of the body, then flushes it together with the head
}

static void on_drained(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    gw_client_resume(f->client);
}

// ------------------------------------------------------------------------------------------------ from the shard

static void on_answer(struct gw_call *call, const struct gw_response *r)
{
    struct gw_flow *f = call->owner;
    struct gw_exchange *x = &f->x;
    if (is_refusal(r->status)) {
        fail_call(f, ERR_SHARD_ANSWER, GW_FLOW_REFUSAL);
        return;
    }
    char nonce[PKI_NONCE_TEXT];
    struct gw_to_client to = {
        .response = r,
        .method = x->request.method,
        .minor = x->request.minor,
        .keep_alive = x->request.keep_alive && !x->close && !core_of(f)->draining,
        .request_id = span_str(x->id),
        .fields = x->fields,
        .n_fields = GW_ANSWER_FIELDS,
    };
    if (x->nonce_due) {
        pki_nonce_make(x->services->nonces, x->now.wall_ms, nonce);
        to.dpop_nonce = span_of(nonce, sizeof nonce);
    }
    struct buf *out = gw_client_begin_answer(f->client);
    if (r->framing == GW_FRAMING_LENGTH && r->content_length <= PASS_MIN)
        buf_reserve(out, HEAD_USUAL + (size_t)r->content_length); // at once: growing copies
    int rc = gw_forward_response(&to, out, &f->down_body, &f->keep_alive);
    if (rc != 0) {
        fail_call(f, ERR_SHARD_ANSWER, "its head cannot be passed on");
        return;
    }
    x->status = r->status;
    f->answered = true;
    f->learns = f->learns && r->status == 200;
}

static void on_piece(struct gw_call *call, struct span piece)
{
    struct gw_flow *f = call->owner;
    struct gw_body *body = &f->down_body;
    f->x.bytes_out += piece.n;
    if (f->learns)
        buf_append(&f->lesson, piece);
    if (f->x.meaning.codes && f->x.answer_head_n < sizeof f->x.answer_head) {
        struct span more = span_sub(piece, 0, sizeof f->x.answer_head - f->x.answer_head_n);
        memcpy(f->x.answer_head + f->x.answer_head_n, more.p, more.n);
        f->x.answer_head_n += more.n;
    }
    // The last piece is not passed: it waits until the answer is recorded.
    if (piece.n >= PASS_MIN && piece.n < body->left && gw_body_pass(body, piece)) {
        gw_client_pass(f->client, piece);
        return;
    }
    int rc = body->framing == GW_FRAMING_NONE ? 0 : gw_body_write(body, piece, gw_client_out(f->client));
    if (rc != 0)
        fail_body(f, rc, ERR_SHARD_ANSWER, "more of an answer than it announced");
}

static void on_lull(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    struct gw_client *c = f->client;
    gw_client_resume(c); // sends what was queued, and may end the flow
    if (c->flow != f)
        return;
    gw_call_bulk(call, c->conn.socket.queued == 0); // what may wait for a client that takes nothing stays as it is
    if (gw_client_congested(c))
        gw_call_pause(call, true);
}

static void on_answered(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    struct gw_exchange *x = &f->x;
    int rc = f->down_body.framing == GW_FRAMING_NONE ? 0 : gw_body_end(&f->down_body, gw_client_out(f->client));
    if (rc != 0) {
        fail_body(f, rc, ERR_SHARD_CUT, "less of an answer than it announced");
        return;
    }
    forget_names(f);
    const struct gw_api_authorisation *a = &x->meaning.authorisations[0];
    struct gw_name_scope scope = { x->shard, a->tenant, a->database };
    if (f->learns && !f->lesson.failed)
        gw_name_map_learn(f->view->services.names, scope, buf_span(&f->lesson), core_of(f)->now.mono_ms);
    if (f->learns && x->meaning.changes_data)
        gw_name_map_made(f->view->services.names, scope);
    struct gw_client *c = f->client;
    gw_flow_conclude(f);
    gw_client_resume(c);
}

static void on_failed(struct gw_call *call, int err, const char *what)
{
    fail_call(call->owner, err, what);
}

void gw_flow_call(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    forget_names(f);
    f->learns = x->meaning.teaches_names;
    struct span body = gw_flow_whole_body(f);
    bool replayable = !span_is_none(body) || x->request.framing == GW_FRAMING_NONE;
    f->call = (struct gw_call){
        .owner = f,
        .pool = &shard_of(f)->origin.pool,
        .arena = &x->arena,
        .until_ms = x->until_ms,
        .head_request = x->request.method == GW_METHOD_HEAD,
        .may_retry = x->meaning.idempotent && replayable,
        .may_hedge = x->meaning.idempotent && replayable && !x->meaning.changes_data,
        .on_ready = on_ready,
        .on_head = on_answer,
        .on_body = on_piece,
        .on_lull = on_lull,
        .on_end = on_answered,
        .on_failed = on_failed,
        .on_drained = on_drained,
    };
    f->state = GW_FLOW_CONNECT;
    gw_call_start(&f->call);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/fetch.h"

#include "gateway/http/writer.h"

static void done(struct gw_fetch *f, int error)
{
    f->running = false;
    f->error = error;
    f->on_done(f);
}

static void on_ready(struct gw_call *call)
{
    struct gw_fetch *f = call->owner;
    const struct gw_shard *shard = f->shard->shard;
    struct buf out;
    buf_init(&out, 0);
    struct span query = f->target, path = span_cut(&query, '?');
    struct gw_head h = gw_head_request(&out, f->method, path, query);
    gw_head_field(&h, SPAN("host"), shard->endpoints[call->endpoint].authority);
    gw_head_field(&h, SPAN("accept"), SPAN("application/json"));
    gw_head_field(&h, SPAN("accept-encoding"), SPAN("identity"));
    if (f->request_id)
        gw_head_field(&h, SPAN("x-request-id"), span_str(f->request_id));
    if (!span_is_none(shard->credential_name))
        gw_head_field(&h, shard->credential_name, shard->credential);
    if (!span_is_none(f->body)) {
        gw_head_field(&h, SPAN("content-type"), SPAN("application/json"));
        gw_head_framing(&h, GW_FRAMING_LENGTH, f->body.n);
    }
    int rc = gw_head_end(&h);
    if (rc == 0 && !span_is_none(f->body) && !buf_append(&out, f->body))
        rc = ERR_NOMEM;
    if (rc == 0) {
        gw_call_write(call, buf_span(&out));
        gw_call_sent(call);
    }
    buf_wipe(&out); // the shard's credential was in it
    if (rc != 0) {
        gw_call_abort(call);
        done(f, rc);
    }
}

static void on_head(struct gw_call *call, const struct gw_response *r)
{
    struct gw_fetch *f = call->owner;
    f->status = r->status;
    struct span encoding = gw_headers_get(&r->headers, GW_FIELD_CONTENT_ENCODING);
    if (!span_is_none(encoding) && !span_ieq(encoding, SPAN("identity"))) {
        gw_call_abort(call);
        done(f, ERR_SHARD_ANSWER);
    }
}

static void on_body(struct gw_call *call, struct span piece)
{
    struct gw_fetch *f = call->owner;
    if (!buf_append(&f->answer, piece)) {
        gw_call_abort(call);
        done(f, ERR_SHARD_ANSWER);
    }
}

static void on_end(struct gw_call *call)
{
    done(call->owner, 0);
}

static void on_failed(struct gw_call *call, int err, const char *what)
{
    (void)what;
    done(call->owner, err);
}

void gw_fetch_start(struct gw_fetch *f)
{
    arena_fini(&f->arena);
    arena_init(&f->arena, 1 << 20);
    buf_fini(&f->answer);
    buf_init(&f->answer, GW_FETCH_BODY_MAX);
    f->status = 0;
    f->running = true;
    f->call = (struct gw_call){
        .owner = f,
        .pool = &f->shard->pool,
        .arena = &f->arena,
        .may_retry = gw_method_is_idempotent(f->method),
        .on_ready = on_ready,
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .on_failed = on_failed,
    };
    gw_call_start(&f->call);
}

void gw_fetch_fini(struct gw_fetch *f)
{
    if (f->running)
        gw_call_abort(&f->call);
    f->running = false;
    arena_fini(&f->arena);
    buf_fini(&f->answer);
}

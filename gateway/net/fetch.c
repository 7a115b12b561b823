// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/fetch.h"

#include "gateway/http/writer.h"

#include <stddef.h>

static void done(struct gw_fetch *f, int error, const char *what)
{
    gw_deadline_remove(&f->deadline);
    f->running = false;
    f->error = error;
    f->what = what;
    f->on_done(f);
}

static void give_up(struct gw_fetch *f, int error, const char *what)
{
    gw_call_abort(&f->call);
    done(f, error, what);
}

static void on_ready(struct gw_call *call)
{
    struct gw_fetch *f = call->owner;
    struct buf out;
    buf_init(&out, 0);
    struct span query = f->target, path = span_cut(&query, '?');
    struct gw_head h = gw_head_request(&out, f->method, path, query);
    gw_head_field(&h, SPAN("host"), gw_call_authority(call));
    gw_head_field(&h, SPAN("accept"), span_is_none(f->accept) ? SPAN("application/json") : f->accept);
    gw_head_field(&h, SPAN("accept-encoding"), SPAN("identity"));
    if (f->request_id)
        gw_head_field(&h, SPAN("x-request-id"), span_str(f->request_id));
    if (!span_is_none(f->traceparent))
        gw_head_field(&h, SPAN("traceparent"), f->traceparent);
    if (!span_is_none(f->tracestate))
        gw_head_field(&h, SPAN("tracestate"), f->tracestate);
    for (size_t i = 0; i < f->n_fields; i++)
        gw_head_field(&h, f->fields[i].name, f->fields[i].value);
    if (!span_is_none(f->body)) {
        gw_head_field(&h, SPAN("content-type"),
                      span_is_none(f->content_type) ? SPAN("application/json") : f->content_type);
        gw_head_framing(&h, GW_FRAMING_LENGTH, f->body.n);
    }
    int rc = gw_head_end(&h);
    if (rc == 0 && !span_is_none(f->body) && !buf_append(&out, f->body))
        rc = ERR_NOMEM;
    if (rc == 0) {
        gw_call_write(call, buf_span(&out));
        gw_call_sent(call);
    }
    buf_wipe(&out); // credentials were in it
    if (rc != 0)
        give_up(f, rc, NULL);
}

static void on_head(struct gw_call *call, const struct gw_response *r)
{
    struct gw_fetch *f = call->owner;
    f->status = r->status;
    struct span encoding = gw_headers_get(&r->headers, GW_FIELD_CONTENT_ENCODING);
    if (!span_is_none(encoding) && !span_ieq(encoding, SPAN("identity")))
        give_up(f, ERR_SHARD_ANSWER, "the answer has a content encoding that was not asked for");
    else if (r->framing == GW_FRAMING_LENGTH && r->content_length > f->answer.limit)
        give_up(f, ERR_SHARD_ANSWER, "the answer is too long");
}

static void on_body(struct gw_call *call, struct span piece)
{
    struct gw_fetch *f = call->owner;
    if (!buf_append(&f->answer, piece))
        give_up(f, ERR_SHARD_ANSWER, "the answer is too long");
}

static void on_end(struct gw_call *call)
{
    done(call->owner, 0, NULL);
}

static void on_failed(struct gw_call *call, int err, const char *what)
{
    done(call->owner, err, what);
}

static void on_late(struct gw_deadline *d)
{
    struct gw_fetch *f = (struct gw_fetch *)((char *)d - offsetof(struct gw_fetch, deadline));
    give_up(f, ERR_SHARD_TIMEOUT, "the answer took too long");
}

void gw_fetch_start(struct gw_fetch *f)
{
    struct gw_pool *pool = &f->origin->pool;
    arena_fini(&f->arena);
    arena_init(&f->arena, 1 << 20);
    buf_fini(&f->answer);
    buf_init(&f->answer, f->answer_max > 0 ? f->answer_max : GW_FETCH_BODY_MAX);
    f->status = 0;
    f->what = NULL;
    f->running = true;
    f->deadline.on_due = on_late;
    if (f->within_ms > 0)
        gw_deadline_set(pool->wheel, &f->deadline, pool->now->mono_ms + f->within_ms);
    f->call = (struct gw_call){
        .owner = f,
        .pool = pool,
        .arena = &f->arena,
        .until_ms = f->until_ms,
        .may_retry = f->repeatable || gw_method_is_idempotent(f->method),
        .on_ready = on_ready,
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .on_failed = on_failed,
    };
    gw_call_start(&f->call);
}

struct span gw_fetch_header(const struct gw_fetch *f, struct span name)
{
    const struct gw_headers *h = &f->call.response.headers;
    return gw_headers_count_name(h, name) == 1 ? gw_headers_find(h, name) : SPAN_NONE;
}

void gw_fetch_fini(struct gw_fetch *f)
{
    if (f->running)
        gw_call_abort(&f->call);
    gw_deadline_remove(&f->deadline);
    f->running = false;
    arena_fini(&f->arena);
    buf_fini(&f->answer);
}

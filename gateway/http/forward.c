// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/forward.h"

#include "gateway/http/time_left.h"

static bool is_listed(struct span name, const struct span *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(name, list[i]))
            return true;
    return false;
}

// By the field table, or by the API's list; reserved, framing and hop-by-hop fields by neither.
static bool may_pass(const struct gw_header *f, unsigned direction, const struct span *allow, size_t n_allow)
{
    if (f->hop || gw_field_is_reserved(f->name))
        return false;
    if (f->id != GW_FIELD_OTHER)
        return gw_field_flags(f->id) & direction;
    return is_listed(f->name, allow, n_allow);
}

struct gw_to_shard gw_to_shard(const struct gw_request *r, const struct gw_target *t)
{
    return (struct gw_to_shard){
        .request = r,
        .method = r->method,
        .path = t->path,
        .query = t->query,
        .framing = r->framing,
        .content_length = r->content_length,
    };
}

// An empty POST, PUT or PATCH says so (RFC 9110 §8.6).
static bool expects_body(enum gw_method m)
{
    return m == GW_METHOD_POST || m == GW_METHOD_PUT || m == GW_METHOD_PATCH;
}

static bool is_dropped(const struct gw_to_shard *f, enum gw_field id)
{
    return (f->body_rewritten && (id == GW_FIELD_CONTENT_ENCODING || id == GW_FIELD_CONTENT_TYPE)) ||
           (f->plain_answer && id == GW_FIELD_ACCEPT_ENCODING) ||
           (f->traced && (id == GW_FIELD_TRACEPARENT || id == GW_FIELD_TRACESTATE));
}

int gw_forward_request(const struct gw_to_shard *f, struct buf *out, struct gw_body *body)
{
    struct gw_head h = gw_head_request(out, f->method, f->path, f->query);
    bool bodiless = f->framing == GW_FRAMING_NONE && expects_body(f->method);
    enum gw_framing framing = bodiless ? GW_FRAMING_LENGTH : f->framing;
    uint64_t length = bodiless ? 0 : f->content_length;
    h.failed |= f->framing == GW_FRAMING_CLOSE || f->host.n == 0;
    gw_head_field(&h, SPAN("host"), f->host);
    gw_head_framing(&h, framing, length);
    if (f->body_rewritten && length > 0)
        gw_head_field(&h, SPAN("content-type"), SPAN("application/json"));
    for (size_t i = 0; i < f->request->headers.n; i++) {
        const struct gw_header *field = &f->request->headers.v[i];
        if (may_pass(field, GW_TO_SHARD, f->allow, f->n_allow) && !is_dropped(f, field->id))
            gw_head_field(&h, field->name, field->value);
    }
    if (f->plain_answer)
        gw_head_field(&h, SPAN("accept-encoding"), SPAN("identity"));
    if (!span_is_none(f->request_id))
        gw_head_field(&h, SPAN("x-request-id"), f->request_id);
    if (!span_is_none(f->traceparent))
        gw_head_field(&h, SPAN("traceparent"), f->traceparent);
    if (!span_is_none(f->tracestate))
        gw_head_field(&h, SPAN("tracestate"), f->tracestate);
    if (f->time_left_ms > 0)
        gw_head_uint(&h, SPAN(GW_TIME_LEFT_FIELD), (uint64_t)f->time_left_ms);
    if (!span_is_none(f->credential_name))
        gw_head_field(&h, f->credential_name, f->credential);
    for (size_t i = 0; i < f->n_fields; i++)
        gw_head_field(&h, f->fields[i].name, f->fields[i].value);
    int rc = gw_head_end(&h);
    if (rc == 0)
        *body = gw_body(framing, length);
    return rc;
}

// How the client is told where the body ends. `*has_length`: Content-Length is written, though perhaps no body follows.
static enum gw_framing client_framing(const struct gw_to_client *f, bool *has_length, uint64_t *length)
{
    const struct gw_response *r = f->response;
    *has_length = f->body_rewritten || r->has_length;
    *length = f->body_rewritten ? f->content_length : r->content_length;
    if (r->status == 204) {
        *has_length = false;
        return GW_FRAMING_NONE;
    }
    if (f->method == GW_METHOD_HEAD || r->status == 304)
        return GW_FRAMING_NONE;
    if (*has_length)
        return GW_FRAMING_LENGTH;
    return f->minor == 0 ? GW_FRAMING_CLOSE : GW_FRAMING_CHUNKED;
}

int gw_forward_response(const struct gw_to_client *f, struct buf *out, struct gw_body *body, bool *keep_alive)
{
    const struct gw_response *r = f->response;
    struct gw_head h = gw_head_response(out, r->status);
    bool has_length, alive = f->keep_alive && f->minor > 0;
    uint64_t length;
    enum gw_framing framing = client_framing(f, &has_length, &length);
    h.failed |= r->status < 200;
    for (size_t i = 0; i < r->headers.n; i++) {
        const struct gw_header *field = &r->headers.v[i];
        if (may_pass(field, GW_TO_CLIENT, f->allow, f->n_allow) &&
            !(f->body_rewritten && (field->id == GW_FIELD_CONTENT_ENCODING || field->id == GW_FIELD_ETAG)))
            gw_head_field(&h, field->name, field->value);
    }
    gw_head_framing(&h, has_length ? GW_FRAMING_LENGTH : framing, length);
    if (!span_is_none(f->request_id))
        gw_head_field(&h, SPAN("x-request-id"), f->request_id);
    if (!span_is_none(f->dpop_nonce))
        gw_head_field(&h, SPAN("dpop-nonce"), f->dpop_nonce);
    for (size_t i = 0; i < f->n_fields; i++)
        if (!span_is_none(f->fields[i].value))
            gw_head_field(&h, f->fields[i].name, f->fields[i].value);
    if (!alive)
        gw_head_field(&h, SPAN("connection"), SPAN("close"));
    int rc = gw_head_end(&h);
    if (rc)
        return rc;
    *body = gw_body(framing, length);
    *keep_alive = alive;
    return 0;
}

bool gw_forward_continue(struct buf *out)
{
    return buf_append(out, SPAN("HTTP/1.1 100 Continue\r\n\r\n"));
}

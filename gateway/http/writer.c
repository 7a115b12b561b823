// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/writer.h"

static const struct {
    unsigned status;
    struct span reason;
} reasons[] = {
#define R(status, text)            \
    {                              \
        status,                    \
        {                          \
            text, sizeof(text) - 1 \
        }                          \
    }
    R(100, "Continue"),
    R(200, "OK"),
    R(201, "Created"),
    R(202, "Accepted"),
    R(204, "No Content"),
    R(206, "Partial Content"),
    R(301, "Moved Permanently"),
    R(302, "Found"),
    R(303, "See Other"),
    R(304, "Not Modified"),
    R(307, "Temporary Redirect"),
    R(308, "Permanent Redirect"),
    R(400, "Bad Request"),
    R(401, "Unauthorized"),
    R(403, "Forbidden"),
    R(404, "Not Found"),
    R(405, "Method Not Allowed"),
    R(406, "Not Acceptable"),
    R(408, "Request Timeout"),
    R(409, "Conflict"),
    R(410, "Gone"),
    R(411, "Length Required"),
    R(412, "Precondition Failed"),
    R(413, "Content Too Large"),
    R(414, "URI Too Long"),
    R(415, "Unsupported Media Type"),
    R(417, "Expectation Failed"),
    R(421, "Misdirected Request"),
    R(422, "Unprocessable Content"),
    R(429, "Too Many Requests"),
    R(431, "Request Header Fields Too Large"),
    R(500, "Internal Server Error"),
    R(501, "Not Implemented"),
    R(502, "Bad Gateway"),
    R(503, "Service Unavailable"),
    R(504, "Gateway Timeout"),
    R(505, "HTTP Version Not Supported"),
#undef R
};

struct span gw_status_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return SPAN("");
}

// A target part that cannot end the line or start another part.
static bool is_target(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f || s.p[i] == '#')
            return false;
    return true;
}

struct gw_head gw_head_request(struct buf *out, enum gw_method method, struct span path, struct span query)
{
    struct gw_head h = { .out = out, .mark = buf_len(out) };
    struct span name = gw_method_name(method);
    h.failed =
        span_is_none(name) || path.n == 0 || !is_target(path) || !is_target(query) || span_find(path, '?') < path.n;
    buf_append(out, name);
    buf_byte(out, ' ');
    buf_append(out, path);
    if (!span_is_none(query)) {
        buf_byte(out, '?');
        buf_append(out, query);
    }
    buf_append(out, SPAN(" HTTP/1.1\r\n"));
    return h;
}

struct gw_head gw_head_response(struct buf *out, unsigned status)
{
    struct gw_head h = { .out = out, .mark = buf_len(out), .failed = status < 100 || status > 999 };
    char line[] = "HTTP/1.1 000 ";
    for (size_t i = 11, v = status % 1000; i >= 9; i--, v /= 10)
        line[i] = (char)('0' + v % 10);
    buf_append(out, span_str(line));
    buf_append(out, gw_status_reason(status));
    buf_append(out, SPAN("\r\n"));
    return h;
}

void gw_head_field(struct gw_head *h, struct span name, struct span value)
{
    if (!gw_is_token(name) || !gw_is_field_value(value)) {
        h->failed = true;
        return;
    }
    buf_append(h->out, name);
    buf_append(h->out, SPAN(": "));
    buf_append(h->out, value);
    buf_append(h->out, SPAN("\r\n"));
}

void gw_head_uint(struct gw_head *h, struct span name, uint64_t value)
{
    char text[20];
    size_t at = sizeof(text);
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    gw_head_field(h, name, span_of(text + at, sizeof(text) - at));
}

void gw_head_framing(struct gw_head *h, enum gw_framing framing, uint64_t content_length)
{
    if (framing == GW_FRAMING_LENGTH)
        gw_head_uint(h, SPAN("content-length"), content_length);
    if (framing == GW_FRAMING_CHUNKED)
        gw_head_field(h, SPAN("transfer-encoding"), SPAN("chunked"));
}

void gw_buf_rewind(struct buf *b, size_t mark)
{
    b->end = b->start + mark;
}

int gw_head_end(struct gw_head *h)
{
    buf_append(h->out, SPAN("\r\n"));
    if (!h->failed && !h->out->failed)
        return 0;
    gw_buf_rewind(h->out, h->mark);
    return h->out->failed ? ERR_NOMEM : ERR_INTERNAL;
}

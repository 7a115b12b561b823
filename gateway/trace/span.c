// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/trace/span.h"

#include "gateway/base/json.h"

#include <inttypes.h>
#include <stdio.h>

#define FLAG_HAS_REMOTE 0x100U // trace.proto, SpanFlags: it is known whether the parent is …
#define FLAG_IS_REMOTE 0x200U  // … another process's
#define STATUS_ERROR 2

static void text(struct json_writer *w, const char *key, struct span value)
{
    json_w_key(w, span_str(key));
    json_w_string(w, value);
}

// 64-bit numbers are text in this encoding.
static void number(struct json_writer *w, const char *key, int64_t v)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, v);
    text(w, key, span_str(digits));
}

static void attribute(struct json_writer *w, const struct gw_span_attribute *a)
{
    if (!a->has_number && span_is_none(a->text))
        return;
    json_w_object(w);
    text(w, "key", span_str(a->key));
    json_w_key(w, SPAN("value"));
    json_w_object(w);
    if (a->has_number)
        number(w, "intValue", a->number);
    else
        text(w, "stringValue", a->text);
    json_w_end(w);
    json_w_end(w);
}

static void attributes(struct json_writer *w, const struct gw_span_attribute *a, size_t n)
{
    json_w_key(w, SPAN("attributes"));
    json_w_array(w);
    for (size_t i = 0; i < n; i++)
        attribute(w, &a[i]);
    json_w_end(w);
}

bool gw_span_write(const struct gw_span *s, struct buf *out)
{
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    text(&w, "traceId", span_str(s->trace_id));
    text(&w, "spanId", span_str(s->span_id));
    if (s->parent_id)
        text(&w, "parentSpanId", span_str(s->parent_id));
    if (!span_is_none(s->state))
        text(&w, "traceState", s->state);
    json_w_key(&w, SPAN("flags"));
    json_w_uint(&w, s->flags | FLAG_HAS_REMOTE | (s->remote ? FLAG_IS_REMOTE : 0U));
    text(&w, "name", s->name);
    json_w_key(&w, SPAN("kind"));
    json_w_uint(&w, (uint64_t)s->kind);
    number(&w, "startTimeUnixNano", s->start_ns);
    number(&w, "endTimeUnixNano", s->end_ns);
    attributes(&w, s->attributes, s->n);
    if (s->failed) {
        json_w_key(&w, SPAN("status"));
        json_w_object(&w);
        json_w_key(&w, SPAN("code"));
        json_w_uint(&w, STATUS_ERROR);
        json_w_end(&w);
    }
    json_w_end(&w);
    buf_byte(out, '\n');
    return !out->failed;
}

bool gw_spans_wrap(const struct gw_span_resource *r, struct span lines, struct buf *out)
{
    const struct gw_span_attribute who[] = {
        { .key = "service.name", .text = r->service },
        { .key = "service.version", .text = r->version },
        { .key = "service.instance.id", .text = r->instance },
        { .key = "host.name", .text = r->host },
    };
    struct json_writer w = json_writer(out);
    json_w_object(&w);
    json_w_key(&w, SPAN("resourceSpans"));
    json_w_array(&w);
    json_w_object(&w);
    json_w_key(&w, SPAN("resource"));
    json_w_object(&w);
    attributes(&w, who, sizeof who / sizeof *who);
    json_w_end(&w);
    json_w_key(&w, SPAN("scopeSpans"));
    json_w_array(&w);
    json_w_object(&w);
    json_w_key(&w, SPAN("scope"));
    json_w_object(&w);
    text(&w, "name", SPAN("sallyport"));
    json_w_end(&w);
    json_w_key(&w, SPAN("spans"));
    json_w_array(&w);
    for (struct span rest = lines; rest.n > 0;)
        json_w_raw(&w, span_cut(&rest, '\n'));
    json_w_end(&w);
    json_w_end(&w);
    json_w_end(&w);
    json_w_end(&w);
    json_w_end(&w);
    json_w_end(&w);
    return !out->failed;
}

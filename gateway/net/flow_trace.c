// SPDX-License-Identifier: GPL-3.0-or-later
// The part of a flow that distributed tracing sees: the caller's context is read with the head, the shard is given one, and at the end the gateway's two spans are
// made: one of the request as it was served, and one of what it asked the shard. Both only if the caller, or for want of one the configured share, wanted them.
#include "gateway/net/exporter.h"
#include "gateway/net/flow_inside.h"
#include "gateway/stages/observe.h"
#include "gateway/stages/pipeline.h"
#include "gateway/trace/span.h"

#include <stdio.h>
#include <time.h>

#define MILLION 1000000u

// Several lines are one list (RFC 9110 §5.3).
static struct span state_of(struct gw_exchange *x)
{
    const struct gw_headers *h = &x->request.headers;
    struct span all = SPAN_NONE;
    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].id == GW_FIELD_TRACESTATE)
            all = span_is_none(all) ? h->v[i].value
                                    : arena_printf(&x->arena, "%.*s,%.*s", SPAN_FMT(all), SPAN_FMT(h->v[i].value));
    return !span_is_none(all) && gw_tracestate_holds(all) ? all : SPAN_NONE;
}

// An id of zeroes is none.
static void put_id(char *to, const char *from, size_t n)
{
    memcpy(to, from, n);
    to[n] = '\0';
    if (strspn(to, "0") == n)
        to[n - 1] = '1';
}

static bool is_chosen(struct gw_core *core, uint32_t ppm)
{
    char id[33];
    unsigned v = 0;
    if (ppm == 0 || ppm >= MILLION)
        return ppm != 0;
    gw_core_random_id(core, id);
    id[8] = '\0';
    sscanf(id, "%x", &v);
    return v % MILLION < ppm;
}

void gw_flow_trace(struct gw_flow *f)
{
    struct gw_core *core = core_of(f);
    struct gw_exchange *x = &f->x;
    struct gw_exchange_trace *t = &x->trace;
    const struct gw_snapshot_tracing *tracing = &x->snapshot->tracing;
    const struct gw_headers *h = &x->request.headers;
    t->state = SPAN_NONE;
    t->known = gw_headers_count(h, GW_FIELD_TRACEPARENT) == 1 &&
               gw_traceparent_read(gw_headers_get(h, GW_FIELD_TRACEPARENT), &t->context);
    if (t->known)
        t->state = state_of(x);
    if (!tracing->config)
        return;
    char ids[33];
    gw_core_random_id(core, ids);
    if (t->known) {
        memcpy(t->parent, t->context.span_id, sizeof t->parent);
    } else {
        char id[33];
        gw_core_random_id(core, id);
        put_id(t->context.trace_id, id, 32);
        t->context.flags = GW_TRACE_RANDOM | (is_chosen(core, tracing->sample_ppm) ? GW_TRACE_SAMPLED : 0U);
    }
    t->known = t->own = true;
    put_id(t->context.span_id, ids, 16);
    put_id(t->to_shard, ids + 16, 16);
}

struct span gw_flow_traceparent(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    if (!x->trace.known)
        return SPAN_NONE;
    if (!x->trace.own)
        return gw_headers_get(&x->request.headers, GW_FIELD_TRACEPARENT);
    struct gw_trace_context c = x->trace.context;
    // Without a span of ours for it the shard's parent is one that exists all the same: nobody gets to see either.
    memcpy(c.span_id, x->trace.to_shard, sizeof c.span_id);
    char *text = arena_alloc(&x->arena, GW_TRACEPARENT_TEXT + 1);
    if (!text)
        return SPAN_NONE;
    gw_traceparent_write(&c, text);
    return span_of(text, GW_TRACEPARENT_TEXT);
}

// ------------------------------------------------------------------------------------------------------------- spans

#define TEXT(name, value)              \
    {                                  \
        .key = (name), .text = (value) \
    }
#define NUMBER(name, value)                                           \
    {                                                                 \
        .key = (name), .has_number = true, .number = (int64_t)(value) \
    }

// "host:port", "[::1]:443", "host".
static struct span split(struct span authority, int64_t *port)
{
    uint64_t v;
    size_t colon = authority.n;
    while (colon > 0 && authority.p[colon - 1] != ':' && authority.p[colon - 1] != ']')
        colon--;
    *port = 0;
    if (colon == 0 || authority.p[colon - 1] != ':' || !span_to_u64(span_sub(authority, colon, authority.n), &v) ||
        v > 65535)
        return authority;
    *port = (int64_t)v;
    return span_sub(authority, 0, colon - 1);
}

static struct span error_type(struct gw_exchange *x)
{
    if (x->error != 0)
        return err_info(x->error)->name;
    return x->status >= 500 ? arena_printf(&x->arena, "%u", x->status) : SPAN_NONE;
}

static void write_server(struct gw_exchange *x, int64_t end_ns, struct buf *out)
{
    const struct gw_exchange_trace *t = &x->trace;
    int64_t port, client_port;
    struct span host = split(x->to.authority, &port), client = split(span_str(x->remote), &client_port);
    struct span method = gw_method_name(x->request.method), operation = x->meant ? x->meaning.operation : SPAN_NONE;
    bool observed = gw_observed(x);
    struct gw_span_attribute all[16 + GW_STAGE_COUNT] = {
        TEXT("http.request.method", method),
        TEXT("url.scheme", SPAN("https")),
        TEXT("url.path", x->to.path),
        TEXT("server.address", span_is_none(x->to.authority) ? SPAN_NONE : host),
        TEXT("client.address", client),
        TEXT("network.protocol.version", x->request.minor == 0 ? SPAN("1.0") : SPAN("1.1")),
        TEXT("error.type", error_type(x)),
        TEXT("sallyport.request_id", span_str(x->id)),
        TEXT("sallyport.decision", x->verdict != GW_ALLOW ? SPAN("deny")
                                   : observed             ? SPAN("observed")
                                                          : SPAN("allow")),
        TEXT("sallyport.workload", x->peer ? x->peer->identity.spiffe_id : SPAN_NONE),
        NUMBER("http.request.body.size", x->bytes_in),
        NUMBER("http.response.body.size", x->bytes_out),
    };
    size_t n = 12;
    if (x->status != 0)
        all[n++] = (struct gw_span_attribute)NUMBER("http.response.status_code", x->status);
    if (port != 0)
        all[n++] = (struct gw_span_attribute)NUMBER("server.port", port);
    for (unsigned i = 0; i < GW_STAGE_COUNT; i++)
        if (x->stage_ns[i] > 0) {
            struct span key = arena_printf(&x->arena, "sallyport.stage.%.*s_us", SPAN_FMT(gw_stage_name(i)));
            if (!span_is_none(key))
                all[n++] = (struct gw_span_attribute)NUMBER(key.p, x->stage_ns[i] / 1000);
        }
    const struct gw_span s = {
        .trace_id = t->context.trace_id,
        .span_id = t->context.span_id,
        .parent_id = t->parent[0] ? t->parent : NULL,
        .state = t->state,
        .flags = t->context.flags,
        .remote = t->parent[0] != '\0',
        .kind = GW_SPAN_SERVER,
        .name = span_is_none(operation) ? method
                                        : arena_printf(&x->arena, "%.*s %.*s", SPAN_FMT(method), SPAN_FMT(operation)),
        .start_ns = end_ns - (x->done_ns - x->started_ns),
        .end_ns = end_ns,
        .attributes = all,
        .n = n,
        .failed = x->status >= 500 || (x->error != 0 && x->status == 0),
    };
    gw_span_write(&s, out);
}

static struct span namespace_of(struct gw_exchange *x, const struct gw_api_authorisation *a)
{
    if (span_is_none(a->tenant) || span_is_none(a->database))
        return span_is_none(a->tenant) ? a->database : a->tenant;
    return arena_printf(&x->arena, "%.*s/%.*s", SPAN_FMT(a->tenant), SPAN_FMT(a->database));
}

static struct span shard_name(const struct gw_flow *f)
{
    const struct gw_placement *p = placement_of(f);
    for (unsigned i = 0; i < p->n_names; i++)
        if (gw_shard_set_has(&f->x.shards, i))
            return p->names[i];
    return SPAN_NONE;
}

static void write_client(struct gw_flow *f, int64_t end_ns, struct buf *out)
{
    struct gw_exchange *x = &f->x;
    const struct gw_exchange_trace *t = &x->trace;
    const struct gw_api_authorisation *a = x->meaning.n_authorisations > 0 ? &x->meaning.authorisations[0] : NULL;
    bool one = x->meaning.n_authorisations == 1;
    struct span operation = x->meaning.operation, collection = one ? a->collection : SPAN_NONE;
    int64_t port;
    struct span host = split(t->endpoint, &port);
    struct gw_span_attribute all[10] = {
        TEXT("db.system.name", x->meaning.api),
        TEXT("db.operation.name", operation),
        TEXT("db.collection.name", collection),
        TEXT("db.namespace", one ? namespace_of(x, a) : SPAN_NONE),
        TEXT("server.address", span_is_none(t->endpoint) ? SPAN_NONE : host),
        TEXT("error.type", error_type(x)),
        TEXT("sallyport.shard", shard_name(f)),
    };
    size_t n = 7;
    if (x->status != 0 && x->error == 0)
        all[n++] = (struct gw_span_attribute)NUMBER("http.response.status_code", x->status);
    if (!span_is_none(t->endpoint) && port != 0)
        all[n++] = (struct gw_span_attribute)NUMBER("server.port", port);
    const struct gw_span s = {
        .trace_id = t->context.trace_id,
        .span_id = t->to_shard,
        .parent_id = t->context.span_id,
        .state = t->state,
        .flags = t->context.flags,
        .kind = GW_SPAN_CLIENT,
        .name = span_is_none(collection)
                    ? operation
                    : arena_printf(&x->arena, "%.*s %.*s", SPAN_FMT(operation), SPAN_FMT(collection)),
        .start_ns = end_ns - (x->done_ns - x->upstream_ns),
        .end_ns = end_ns,
        .attributes = all,
        .n = n,
        .failed = x->error != 0 || x->status >= 500,
    };
    gw_span_write(&s, out);
}

void gw_flow_trace_end(struct gw_flow *f)
{
    struct gw_core *core = core_of(f);
    struct gw_exchange *x = &f->x;
    struct gw_exporter *e = core->shared->exporter;
    if (!e || !x->trace.own || !(x->trace.context.flags & GW_TRACE_SAMPLED))
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t end_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    struct buf lines;
    buf_init(&lines, 0);
    bool asked = x->upstream_ns != 0 && x->meant;
    write_server(x, end_ns, &lines);
    if (asked)
        write_client(f, end_ns, &lines);
    bool ok = !lines.failed && gw_exporter_put(e, core->index, buf_span(&lines));
    gw_count(core->metrics, ok ? GW_METRIC_SPAN_QUEUED : GW_METRIC_SPAN_DROPPED, 1U + asked);
    buf_fini(&lines);
}

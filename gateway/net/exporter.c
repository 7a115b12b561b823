// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/exporter.h"

#include "gateway/audit/ring.h"
#include "gateway/net/line.h"
#include "gateway/trace/span.h"
#include "pki/digest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define RING_BYTES (256u << 10)  // of one loop: some hundred spans
#define BATCH_BYTES (512u << 10) // of spans in a request
#define INTERVAL_MS 1000
#define RETRY_MOST_MS 30000
#define TRIES_MOST 6
#define FLUSH_MS 2000

struct gw_exporter {
    struct gw_origin_ground ground;
    struct log *log;
    struct gw_ring *rings;
    uint64_t *at; // how far each was read
    size_t n;
    struct gw_line *line;
    struct gw_fetch fetch;
    struct gw_fetch_field fields[GW_OTLP_HEADERS];
    struct buf batch, body; // spans that are on their way, and the request around them
    unsigned tries;
    uint64_t taken, lost;
    struct gw_deadline due, patience;
    char instance[33], host[65];
    void (*on_flushed)(void *ctx);
    void *ctx;
    bool said, ended;
};

static void set_due(struct gw_exporter *e, int64_t after_ms)
{
    if (!e->ended && e->line)
        gw_deadline_set(e->ground.wheel, &e->due, e->ground.now->mono_ms + after_ms);
}

static size_t lines_in(struct span s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

// ------------------------------------------------------------------------------------------------------ the batch

// As many whole lines of the ring as there is room for.
static void take_from(struct gw_exporter *e, size_t i)
{
    struct gw_ring *r = &e->rings[i];
    uint64_t to = gw_ring_head(r);
    if (to - e->at[i] > BATCH_BYTES - buf_len(&e->batch))
        to = e->at[i] + BATCH_BYTES - buf_len(&e->batch);
    while (to > e->at[i] && gw_ring_at(r, to - 1) != '\n')
        to--;
    struct iovec pieces[2];
    int n = gw_ring_view(r, e->at[i], to, pieces);
    for (int k = 0; k < n; k++)
        buf_append(&e->batch, span_of(pieces[k].iov_base, pieces[k].iov_len));
    e->at[i] = to;
    gw_ring_release(r, to);
}

static void take(struct gw_exporter *e)
{
    for (size_t i = 0; i < e->n; i++)
        take_from(e, i);
}

static void drop_batch(struct gw_exporter *e, bool taken)
{
    *(taken ? &e->taken : &e->lost) += lines_in(buf_span(&e->batch));
    buf_fini(&e->batch);
    buf_fini(&e->body);
    e->tries = 0;
}

// ----------------------------------------------------------------------------------------------------- the request

static void flushed(struct gw_exporter *e)
{
    void (*on_flushed)(void *ctx) = e->on_flushed;
    e->on_flushed = NULL;
    gw_deadline_remove(&e->patience);
    if (on_flushed)
        on_flushed(e->ctx);
}

static void send_batch(struct gw_exporter *e);

static void went_wrong(struct gw_exporter *e, const char *what)
{
    if (!e->said)
        log_warn(e->log, "tracing: the collector did not take spans: %s", what);
    e->said = true;
}

static bool is_passing(unsigned status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

static void on_done(struct gw_fetch *f)
{
    struct gw_exporter *e = f->owner;
    char text[64];
    bool taken = f->error == 0 && f->status >= 200 && f->status < 300;
    if (taken) {
        if (e->said)
            log_info(e->log, "tracing: the collector takes spans again");
        e->said = false;
        drop_batch(e, true);
        take(e);
        if (buf_len(&e->batch) > 0)
            set_due(e, 0);
        else if (e->on_flushed)
            flushed(e);
        else
            set_due(e, INTERVAL_MS);
        return;
    }
    snprintf(text, sizeof text, "it answered with %u", f->status);
    went_wrong(e, f->error == 0 ? text : f->what ? f->what : err_info(f->error)->reason.p);
    int64_t wait_ms = INTERVAL_MS << e->tries;
    if ((f->error == 0 && !is_passing(f->status)) || ++e->tries == TRIES_MOST)
        drop_batch(e, false);
    if (e->on_flushed)
        flushed(e);
    else
        set_due(e, wait_ms < RETRY_MOST_MS ? wait_ms : RETRY_MOST_MS);
}

static void send_batch(struct gw_exporter *e)
{
    const struct gw_snapshot_tracing *t = &e->line->snapshot->tracing;
    const struct gw_span_resource who = { t->config->service.v, SPAN(SALLYPORT_VERSION), span_str(e->instance),
                                          e->host[0] ? span_str(e->host) : SPAN_NONE };
    buf_fini(&e->body);
    buf_init(&e->body, 0);
    if (e->batch.failed || !gw_spans_wrap(&who, buf_span(&e->batch), &e->body)) {
        drop_batch(e, false);
        set_due(e, INTERVAL_MS);
        return;
    }
    for (size_t i = 0; i < t->n_headers; i++)
        e->fields[i] = (struct gw_fetch_field){ t->headers[i].name, t->headers[i].value };
    e->fetch.origin = &e->line->origin;
    e->fetch.method = GW_METHOD_POST;
    e->fetch.target = t->config->otlp.remote.target;
    e->fetch.body = buf_span(&e->body);
    e->fetch.fields = e->fields;
    e->fetch.n_fields = t->n_headers;
    e->fetch.repeatable = true; // a collector knows a span by its id
    e->fetch.answer_max = 64u << 10;
    e->fetch.within_ms = t->config->otlp.remote.timeouts.connect + t->config->otlp.remote.timeouts.first_byte;
    e->fetch.on_done = on_done;
    e->fetch.owner = e;
    gw_fetch_start(&e->fetch);
}

static void on_due(struct gw_deadline *d)
{
    struct gw_exporter *e = (struct gw_exporter *)((char *)d - offsetof(struct gw_exporter, due));
    if (e->fetch.running)
        return;
    if (buf_len(&e->batch) == 0)
        take(e);
    if (buf_len(&e->batch) > 0)
        send_batch(e);
    else if (e->on_flushed)
        flushed(e);
    else
        set_due(e, INTERVAL_MS);
}

static void on_impatient(struct gw_deadline *d)
{
    flushed((struct gw_exporter *)((char *)d - offsetof(struct gw_exporter, patience)));
}

void gw_exporter_flush(struct gw_exporter *e, void (*on_flushed)(void *ctx), void *ctx)
{
    if (!e || !e->line || e->ended) {
        on_flushed(ctx);
        return;
    }
    e->on_flushed = on_flushed;
    e->ctx = ctx;
    gw_deadline_set(e->ground.wheel, &e->patience, e->ground.now->mono_ms + FLUSH_MS);
    on_due(&e->due);
}

// ------------------------------------------------------------------------------------------------------------ the line

static void hang_up(struct gw_exporter *e)
{
    gw_deadline_remove(&e->due);
    gw_fetch_fini(&e->fetch);
    gw_line_hang_up(e->line);
    e->line = NULL;
}

static struct gw_line *dial(struct gw_exporter *e, struct gw_snapshot *s)
{
    struct diags diags;
    diags_init(&diags);
    struct gw_line *l = gw_line_dial(s, &s->tracing.collector, &e->ground, &diags);
    diags_fini(&diags);
    return l;
}

void gw_exporter_adopt(struct gw_exporter *e, struct gw_snapshot *s)
{
    if (!e || e->ended)
        return;
    hang_up(e);
    if (!s->tracing.config)
        return;
    e->line = dial(e, s);
    if (!e->line)
        log_error(e->log, "tracing: the collector cannot be reached as it is configured now");
    set_due(e, INTERVAL_MS);
}

struct gw_exporter *gw_exporter_new(const struct gw_origin_ground *ground, struct log *log, size_t loops)
{
    static const char hex[] = "0123456789abcdef";
    struct gw_exporter *e = calloc(1, sizeof *e);
    uint8_t id[16];
    if (!e)
        return NULL;
    *e = (struct gw_exporter){ .ground = *ground, .log = log };
    e->due.on_due = on_due;
    e->patience.on_due = on_impatient;
    buf_init(&e->batch, 0);
    buf_init(&e->body, 0);
    pki_random(id, sizeof id);
    for (size_t i = 0; i < sizeof id; i++) {
        e->instance[2 * i] = hex[id[i] >> 4];
        e->instance[2 * i + 1] = hex[id[i] & 15];
    }
    if (gethostname(e->host, sizeof e->host - 1) != 0)
        e->host[0] = '\0';
    e->rings = calloc(loops + 1, sizeof *e->rings);
    e->at = calloc(loops + 1, sizeof *e->at);
    bool ok = e->rings && e->at;
    for (; ok && e->n < loops; e->n += ok)
        ok = gw_ring_init(&e->rings[e->n], RING_BYTES);
    if (!ok) {
        gw_exporter_free(e);
        return NULL;
    }
    return e;
}

bool gw_exporter_put(struct gw_exporter *e, unsigned loop, struct span lines)
{
    uint64_t end;
    return loop < e->n && gw_ring_put(&e->rings[loop], lines, &end);
}

void gw_exporter_count(const struct gw_exporter *e, uint64_t *taken, uint64_t *lost)
{
    *taken = e ? e->taken : 0;
    *lost = e ? e->lost : 0;
}

void gw_exporter_retire(struct gw_exporter *e)
{
    if (!e)
        return;
    e->ended = true;
    gw_deadline_remove(&e->patience);
    hang_up(e);
}

void gw_exporter_free(struct gw_exporter *e)
{
    if (!e)
        return;
    gw_exporter_retire(e);
    for (size_t i = 0; i < e->n; i++)
        gw_ring_fini(&e->rings[i]);
    buf_fini(&e->batch);
    buf_fini(&e->body);
    free(e->rings);
    free(e->at);
    free(e);
}

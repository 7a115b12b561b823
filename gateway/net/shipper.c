// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/shipper.h"

#include "gateway/audit/spool.h"
#include "gateway/base/file.h"
#include "gateway/base/secret.h"
#include "gateway/net/line.h"
#include "pki/digest.h"

#include <stdio.h>
#include <stdlib.h>

#define TOKEN_MAX 8192
#define LOOK_MS 1000   // between two looks at how much is not sent: the next try may be a minute away
#define SLACK_MS 30000 // beyond the timeouts, for a body that a slow collector takes

struct gw_shipper {
    struct gw_origin_ground ground;
    struct log *log;
    struct gw_audit *audit;
    struct gw_spool spool;
    bool spooling; // there is one
    struct gw_line *line;
    struct gw_fetch fetch;
    struct gw_fetch_field fields[3];
    struct buf token; // "Bearer …"; secret
    char seq[64], log_name[GW_CHAIN_LOG];
    struct gw_deadline due, look;
    bool said, behind, ended;
};

static const struct gw_config_audit *config_of(const struct gw_shipper *s)
{
    return &s->line->snapshot->config->audit;
}

static void set_due(struct gw_shipper *s, int64_t after_ms)
{
    if (!s->ended && s->line)
        gw_deadline_set(s->ground.wheel, &s->due, s->ground.now->mono_ms + after_ms);
}

// What the writer may delete, and whether it is to hold back.
static void tell_writer(struct gw_shipper *s, const struct gw_journal_end *end)
{
    const struct gw_config_audit *a = config_of(s);
    uint64_t unsent = gw_spool_unsent(&s->spool, end);
    bool behind = unsent > a->http.spool;

    if (behind != s->behind)
        log_write(s->log, behind ? LOG_ERROR : LOG_WARN, "audit: %llu bytes are not sent to the collector%s",
                  (unsigned long long)unsent,
                  !behind             ? ", which is within audit.http.spool again"
                  : a->drop_when_full ? "; what audit.rotate.keep deletes will never be"
                                      : "; requests are refused until there are fewer (audit.http.spool)");
    s->behind = behind;
    gw_audit_need(s->audit, behind && a->drop_when_full ? UINT32_MAX : s->spool.at.file, behind);
}

// -------------------------------------------------------------------------------------------------------- one batch

static void went_wrong(struct gw_shipper *s, const char *what)
{
    if (!s->said)
        log_warn(s->log, "audit: the collector did not take a batch: %s; it is sent again, nothing is lost", what);
    s->said = true;
}

static void on_done(struct gw_fetch *f)
{
    struct gw_shipper *s = f->owner;
    char text[64];
    bool taken = f->error == 0 && f->status >= 200 && f->status < 300;
    int e;

    buf_wipe(&s->token);
    if (!taken) {
        snprintf(text, sizeof text, "it answered with %u", f->status);
        went_wrong(s, f->error == 0 ? text : f->what ? f->what : err_info(f->error)->reason.p);
        set_due(s, gw_spool_failed(&s->spool, f->error == 0 && f->status == 413));
        return;
    }
    e = gw_spool_sent(&s->spool);
    if (e) {
        went_wrong(s, "how far the log is sent cannot be written down");
        set_due(s, gw_spool_failed(&s->spool, false));
        return;
    }
    if (s->said)
        log_info(s->log, "audit: the collector takes batches again");
    s->said = false;
    set_due(s, s->spool.full ? 0 : config_of(s)->http.interval);
}

// Its file is read each time, since who renews tokens writes files. False: it cannot be.
static bool read_token(struct gw_shipper *s)
{
    const struct gw_config_text *file = &config_of(s)->http.token_file;
    struct buf text;
    bool ok;

    buf_wipe(&s->token);
    if (span_is_none(file->v))
        return true;
    buf_init(&text, 0);
    ok = file_read(file->v.p, TOKEN_MAX, &text) == 0;
    struct span token = buf_span(&text);
    while (token.n && strchr(" \t\r\n", token.p[token.n - 1]))
        token.n--;
    for (size_t i = 0; i < token.n; i++)
        ok = ok && token.p[i] > ' ' && token.p[i] < 0x7f;
    ok = ok && token.n && buf_append(&s->token, SPAN("Bearer ")) && buf_append(&s->token, token);
    buf_wipe(&text);
    buf_fini(&text);
    return ok;
}

static void send_batch(struct gw_shipper *s)
{
    const struct gw_config_audit *a = config_of(s);
    size_t n = 0;

    if (!read_token(s)) {
        went_wrong(s, "audit.http.bearer_token_file holds no token");
        set_due(s, gw_spool_failed(&s->spool, false));
        return;
    }
    if (buf_len(&s->token))
        s->fields[n++] = (struct gw_fetch_field){ SPAN("authorization"), buf_span(&s->token) };
    snprintf(s->seq, sizeof s->seq, "%llu-%llu", (unsigned long long)s->spool.first, (unsigned long long)s->spool.last);
    memcpy(s->log_name, s->spool.at.log, sizeof s->log_name);
    s->fields[n++] = (struct gw_fetch_field){ SPAN("sallyport-audit-log"), span_str(s->log_name) };
    s->fields[n++] = (struct gw_fetch_field){ SPAN("sallyport-audit-seq"), span_str(s->seq) };
    s->fetch.origin = &s->line->origin;
    s->fetch.method = GW_METHOD_POST;
    s->fetch.target = a->http.remote.target;
    s->fetch.body = buf_span(&s->spool.body);
    s->fetch.content_type = a->http.array ? SPAN("application/json") : SPAN("application/x-ndjson");
    s->fetch.fields = s->fields;
    s->fetch.n_fields = n;
    s->fetch.repeatable = true;
    s->fetch.answer_max = 1 << 20;
    s->fetch.within_ms = a->http.remote.timeouts.connect + a->http.remote.timeouts.first_byte + SLACK_MS;
    s->fetch.on_done = on_done;
    s->fetch.owner = s;
    gw_fetch_start(&s->fetch);
}

static void on_due(struct gw_deadline *d)
{
    struct gw_shipper *s = (struct gw_shipper *)((char *)d - offsetof(struct gw_shipper, due));
    struct gw_journal_end end = gw_audit_end(s->audit);
    enum gw_spool_step step = gw_spool_next(&s->spool, &end);

    if (step == GW_SPOOL_BATCH)
        send_batch(s);
    else if (step == GW_SPOOL_NOTHING)
        set_due(s, config_of(s)->http.interval);
    else
        set_due(s, gw_spool_failed(&s->spool, false));
}

static void on_look(struct gw_deadline *d)
{
    struct gw_shipper *s = (struct gw_shipper *)((char *)d - offsetof(struct gw_shipper, look));
    struct gw_journal_end end = gw_audit_end(s->audit);

    tell_writer(s, &end);
    gw_deadline_set(s->ground.wheel, &s->look, s->ground.now->mono_ms + LOOK_MS);
}

// ------------------------------------------------------------------------------------------------------------ the line

static void hang_up(struct gw_shipper *s)
{
    gw_deadline_remove(&s->due);
    gw_deadline_remove(&s->look);
    gw_fetch_fini(&s->fetch);
    gw_line_hang_up(s->line);
    s->line = NULL;
}

static struct gw_line *dial(struct gw_shipper *s, struct gw_snapshot *snapshot)
{
    struct diags diags;
    diags_init(&diags);
    struct gw_line *l = gw_line_dial(snapshot, &snapshot->audit.collector, &s->ground, &diags);
    diags_fini(&diags);
    return l;
}

static bool open_spool(struct gw_shipper *s, const struct gw_config_audit *a)
{
    struct gw_spool_options o = {
        .file = a->file.v.p, .batch = (size_t)a->http.batch, .array = a->http.array, .log = s->log
    };
    int e;

    if (s->spooling)
        gw_spool_close(&s->spool);
    pki_random(&o.seed, sizeof o.seed);
    e = gw_spool_open(&s->spool, &o);
    s->spooling = e == 0;
    if (e)
        log_error(s->log, "audit: %s.cursor: %s; nothing is sent to the collector", a->file.v.p, strerror(-e));
    return s->spooling;
}

struct gw_shipper *gw_shipper_new(const struct gw_origin_ground *ground, struct log *log, struct gw_audit *audit)
{
    struct gw_shipper *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->ground = *ground;
    s->log = log;
    s->audit = audit;
    s->due.on_due = on_due;
    s->look.on_due = on_look;
    buf_init(&s->token, 0);
    return s;
}

void gw_shipper_adopt(struct gw_shipper *s, struct gw_snapshot *snapshot)
{
    const struct gw_config_audit *a = &snapshot->config->audit;
    struct gw_line *l;

    if (!s || s->ended)
        return;
    if (!a->present || !a->http.present || snapshot->audit.collector.n_endpoints == 0) {
        hang_up(s);
        gw_audit_need(s->audit, UINT32_MAX, false);
        return;
    }
    l = dial(s, snapshot);
    if (!l) {
        log_error(s->log, "audit: the collector cannot be reached as it is configured now");
        return;
    }
    hang_up(s);
    s->line = l;
    // audit.file itself is fixed while the process runs.
    if (!open_spool(s, a)) {
        hang_up(s);
        return;
    }
    // Nothing is deleted before it is known what was sent.
    gw_audit_need(s->audit, 1, false);
    set_due(s, 0);
    gw_deadline_set(s->ground.wheel, &s->look, s->ground.now->mono_ms + LOOK_MS);
}

void gw_shipper_retire(struct gw_shipper *s)
{
    if (!s)
        return;
    s->ended = true;
    hang_up(s);
}

void gw_shipper_free(struct gw_shipper *s)
{
    if (!s)
        return;
    gw_shipper_retire(s);
    if (s->spooling)
        gw_spool_close(&s->spool);
    buf_wipe(&s->token);
    buf_fini(&s->token);
    free(s);
}

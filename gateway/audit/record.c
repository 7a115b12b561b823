// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/record.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"

static const struct span kinds[] = {
    [GW_AUDIT_REQUEST] = { "request", 7 },
    [GW_AUDIT_HANDSHAKE] = { "handshake", 9 },
    [GW_AUDIT_INTENT] = { "intent", 6 },
};

static void text(struct json_writer *w, struct span name, struct span value)
{
    if (span_is_none(value))
        return;
    json_w_key(w, name);
    json_w_string(w, value);
}

static void blank(char *p, char *end, char c)
{
    while (p < end && (p = memchr(p, c, (size_t)(end - p))))
        *p++ = ' ';
}

// JSON text that came from elsewhere. A line break can only be white space between its tokens, and would end our line early.
static void json_text(struct json_writer *w, struct span name, struct span value)
{
    size_t from;

    if (span_is_none(value))
        return;
    json_w_key(w, name);
    from = buf_len(w->out);
    json_w_raw(w, value);
    if (w->out->failed)
        return;
    blank(w->out->base + w->out->start + from, w->out->base + w->out->end, '\n');
    blank(w->out->base + w->out->start + from, w->out->base + w->out->end, '\r');
}

static void count(struct json_writer *w, struct span name, uint64_t value)
{
    json_w_key(w, name);
    json_w_uint(w, value);
}

static void accesses(struct json_writer *w, const struct gw_audit_record *r)
{
    if (r->accesses_n == 0)
        return;
    json_w_key(w, SPAN("accesses"));
    json_w_array(w);
    for (size_t i = 0; i < r->accesses_n; i++) {
        const struct gw_audit_access *a = &r->accesses[i];
        json_w_object(w);
        text(w, SPAN("action"), a->action);
        text(w, SPAN("database"), a->database);
        text(w, SPAN("tenant"), a->tenant);
        text(w, SPAN("collection"), a->collection);
        json_w_end(w);
    }
    json_w_end(w);
}

static void names(struct json_writer *w, struct span key, const struct span *at, size_t n)
{
    json_w_key(w, key);
    json_w_array(w);
    for (size_t i = 0; i < n; i++)
        json_w_string(w, at[i]);
    json_w_end(w);
}

static void observed(struct json_writer *w, const struct gw_audit_record *r)
{
    if (r->observed_n == 0)
        return;
    json_w_key(w, SPAN("observed"));
    json_w_array(w);
    for (size_t i = 0; i < r->observed_n; i++) {
        const struct gw_audit_observed *o = &r->observed[i];
        json_w_object(w);
        text(w, SPAN("gate"), o->gate);
        text(w, SPAN("code"), err_info(o->err)->code);
        text(w, SPAN("rule"), err_info(o->err)->name);
        text(w, SPAN("reason"), err_info(o->err)->reason);
        text(w, SPAN("why"), o->why);
        if (o->hidden)
            count(w, SPAN("hidden"), o->hidden);
        text(w, SPAN("issuer"), o->issuer);
        text(w, SPAN("subject"), o->subject);
        text(w, SPAN("jti"), o->jti);
        json_w_end(w);
    }
    json_w_end(w);
}

static void decision(struct json_writer *w, const struct gw_audit_record *r)
{
    const struct err_info *info = r->err ? err_info(r->err) : NULL;

    text(w, SPAN("decision"), !r->allowed ? SPAN("deny") : r->observed_n > 0 ? SPAN("observed") : SPAN("allow"));
    if (info) {
        text(w, SPAN("error"), info->name);
        text(w, SPAN("code"), info->code);
        text(w, SPAN("reason"), info->reason);
    }
    text(w, SPAN("detail"), span_str(r->detail));
    observed(w, r);
    if (r->policies_n)
        names(w, SPAN("policies"), r->policies, r->policies_n);
    if (r->shadow_differs) {
        json_w_key(w, SPAN("shadow"));
        json_w_object(w);
        text(w, SPAN("decision"), r->shadow_allows ? SPAN("allow") : SPAN("deny"));
        names(w, SPAN("policies"), r->shadow_policies, r->shadow_policies_n);
        json_w_end(w);
    }
    json_text(w, SPAN("policy_errors"), r->policy_errors);
    json_text(w, SPAN("obligations"), r->obligations);
    text(w, SPAN("policy_set"), r->policy_set);
}

static void latencies(struct json_writer *w, const struct gw_audit_record *r)
{
    if (r->latencies_n == 0)
        return;
    json_w_key(w, SPAN("latency_us"));
    json_w_object(w);
    for (size_t i = 0; i < r->latencies_n; i++) {
        json_w_key(w, r->latencies[i].stage);
        json_w_int(w, r->latencies[i].us);
    }
    json_w_end(w);
}

bool gw_audit_record_write(const struct gw_audit_record *r, struct buf *out)
{
    size_t before = buf_len(out);
    struct json_writer w = json_writer(out);
    char when[CLOCK_TEXT];

    if (out->failed)
        return false;
    clock_format(r->wall_ms, when);
    json_w_object(&w);
    text(&w, SPAN("time"), span_str(when));
    text(&w, SPAN("kind"), kinds[r->kind]);
    text(&w, SPAN("request_id"), r->request_id);
    text(&w, SPAN("trace_id"), r->trace_id);
    text(&w, SPAN("remote"), r->remote);
    text(&w, SPAN("workload"), r->workload);
    text(&w, SPAN("certificate_serial"), r->certificate_serial);
    text(&w, SPAN("certificate_sha256"), r->certificate_sha256);
    text(&w, SPAN("subject"), r->subject);
    text(&w, SPAN("issuer"), r->issuer);
    text(&w, SPAN("client_id"), r->client_id);
    text(&w, SPAN("jti"), r->jti);
    text(&w, SPAN("proof_thumbprint"), r->proof_thumbprint);
    text(&w, SPAN("method"), r->method);
    // A query string can hold a token (RFC 6750 §2.3), and what decides in it is in the accesses and the inputs.
    text(&w, SPAN("path"), span_sub(r->path, 0, span_find(r->path, '?')));
    text(&w, SPAN("api"), r->api);
    text(&w, SPAN("operation"), r->operation);
    accesses(&w, r);
    decision(&w, r);
    text(&w, SPAN("shard"), r->shard);
    if (r->hedged) {
        json_w_key(&w, SPAN("hedged"));
        json_w_bool(&w, true);
    }
    if (r->has_shard_code) {
        json_w_key(&w, SPAN("shard_code"));
        json_w_int(&w, r->shard_code);
    }
    if (r->status)
        count(&w, SPAN("status"), r->status);
    count(&w, SPAN("bytes_in"), r->bytes_in);
    count(&w, SPAN("bytes_out"), r->bytes_out);
    latencies(&w, r);
    json_text(&w, SPAN("enrolment"), r->enrolment);
    json_text(&w, SPAN("inputs"), r->inputs);
    json_w_end(&w);
    buf_byte(out, '\n');
    if (!out->failed)
        return true;
    out->end = out->start + before;
    out->failed = false;
    return false;
}

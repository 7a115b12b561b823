// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/record.h"

#include "gateway/base/clock.h"
#include "gateway/base/json.h"

static const struct span kinds[] = {
    [GW_AUDIT_REQUEST] = { "request", 7 },
    [GW_AUDIT_HANDSHAKE] = { "handshake", 9 },
    [GW_AUDIT_INTENT] = { "intent", 6 },
};

// A member, unless there is nothing to say.
#define TEXT(w, name, value)          \
    do {                              \
        struct span value_ = (value); \
        if (!span_is_none(value_)) {  \
            JSON_W_KEY(w, name);      \
            json_w_string(w, value_); \
        }                             \
    } while (0)

static void blank(char *p, char *end, char c)
{
    while (p < end && (p = memchr(p, c, (size_t)(end - p))))
        *p++ = ' ';
}

// JSON text that came from elsewhere. A line break can only be white space between its tokens, and would end our line early.
static void foreign(struct json_writer *w, struct span value)
{
    size_t from = buf_len(w->out);

    json_w_raw(w, value);
    if (w->out->failed)
        return;
    blank(w->out->base + w->out->start + from, w->out->base + w->out->end, '\n');
    blank(w->out->base + w->out->start + from, w->out->base + w->out->end, '\r');
}

#define FOREIGN(w, name, value)       \
    do {                              \
        struct span value_ = (value); \
        if (!span_is_none(value_)) {  \
            JSON_W_KEY(w, name);      \
            foreign(w, value_);       \
        }                             \
    } while (0)

#define COUNT(w, name, value) (JSON_W_KEY(w, name), json_w_uint(w, value))

static void accesses(struct json_writer *w, const struct gw_audit_record *r)
{
    if (r->accesses_n == 0)
        return;
    JSON_W_KEY(w, "accesses");
    json_w_array(w);
    for (size_t i = 0; i < r->accesses_n; i++) {
        const struct gw_audit_access *a = &r->accesses[i];
        json_w_object(w);
        TEXT(w, "action", a->action);
        TEXT(w, "database", a->database);
        TEXT(w, "tenant", a->tenant);
        TEXT(w, "collection", a->collection);
        json_w_end(w);
    }
    json_w_end(w);
}

static void policies(struct json_writer *w, const struct span *at, size_t n)
{
    JSON_W_KEY(w, "policies");
    json_w_array(w);
    for (size_t i = 0; i < n; i++)
        json_w_string(w, at[i]);
    json_w_end(w);
}

static void observed(struct json_writer *w, const struct gw_audit_record *r)
{
    if (r->observed_n == 0)
        return;
    JSON_W_KEY(w, "observed");
    json_w_array(w);
    for (size_t i = 0; i < r->observed_n; i++) {
        const struct gw_audit_observed *o = &r->observed[i];
        json_w_object(w);
        TEXT(w, "gate", o->gate);
        TEXT(w, "code", err_info(o->err)->code);
        TEXT(w, "rule", err_info(o->err)->name);
        TEXT(w, "reason", err_info(o->err)->reason);
        TEXT(w, "why", o->why);
        if (o->hidden)
            COUNT(w, "hidden", o->hidden);
        TEXT(w, "issuer", o->issuer);
        TEXT(w, "subject", o->subject);
        TEXT(w, "jti", o->jti);
        json_w_end(w);
    }
    json_w_end(w);
}

static void decision(struct json_writer *w, const struct gw_audit_record *r)
{
    const struct err_info *info = r->err ? err_info(r->err) : NULL;

    TEXT(w, "decision", !r->allowed ? SPAN("deny") : r->observed_n > 0 ? SPAN("observed") : SPAN("allow"));
    if (info) {
        TEXT(w, "error", info->name);
        TEXT(w, "code", info->code);
        TEXT(w, "reason", info->reason);
    }
    TEXT(w, "detail", span_str(r->detail));
    observed(w, r);
    if (r->policies_n)
        policies(w, r->policies, r->policies_n);
    if (r->shadow_differs) {
        JSON_W_KEY(w, "shadow");
        json_w_object(w);
        TEXT(w, "decision", r->shadow_allows ? SPAN("allow") : SPAN("deny"));
        policies(w, r->shadow_policies, r->shadow_policies_n);
        json_w_end(w);
    }
    FOREIGN(w, "policy_errors", r->policy_errors);
    FOREIGN(w, "obligations", r->obligations);
    TEXT(w, "policy_set", r->policy_set);
}

static void latencies(struct json_writer *w, const struct gw_audit_record *r)
{
    if (r->latencies_n == 0)
        return;
    JSON_W_KEY(w, "latency_us");
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
    bool ok = true;

    if (out->failed)
        return false;
    clock_format(r->wall_ms, when);
    json_w_object(&w);
    TEXT(&w, "time", span_of(when, sizeof when - 1));
    TEXT(&w, "kind", kinds[r->kind]);
    TEXT(&w, "request_id", r->request_id);
    TEXT(&w, "trace_id", r->trace_id);
    TEXT(&w, "remote", r->remote);
    TEXT(&w, "workload", r->workload);
    TEXT(&w, "certificate_serial", r->certificate_serial);
    TEXT(&w, "certificate_sha256", r->certificate_sha256);
    TEXT(&w, "subject", r->subject);
    TEXT(&w, "issuer", r->issuer);
    TEXT(&w, "client_id", r->client_id);
    TEXT(&w, "jti", r->jti);
    TEXT(&w, "proof_thumbprint", r->proof_thumbprint);
    TEXT(&w, "method", r->method);
    // A query string can hold a token (RFC 6750 §2.3), and what decides in it is in the accesses and the inputs.
    TEXT(&w, "path", span_sub(r->path, 0, span_find(r->path, '?')));
    TEXT(&w, "api", r->api);
    TEXT(&w, "operation", r->operation);
    accesses(&w, r);
    decision(&w, r);
    TEXT(&w, "shard", r->shard);
    if (r->hedged) {
        JSON_W_KEY(&w, "hedged");
        json_w_bool(&w, true);
    }
    if (r->has_shard_code) {
        JSON_W_KEY(&w, "shard_code");
        json_w_int(&w, r->shard_code);
    }
    if (r->status)
        COUNT(&w, "status", r->status);
    COUNT(&w, "bytes_in", r->bytes_in);
    COUNT(&w, "bytes_out", r->bytes_out);
    latencies(&w, r);
    FOREIGN(&w, "enrolment", r->enrolment);
    FOREIGN(&w, "inputs", r->inputs);
    if (r->write_inputs) {
        JSON_W_KEY(&w, "inputs");
        json_w_raw(&w, SPAN(""));
        ok = r->write_inputs(r->inputs_ctx, out);
    }
    json_w_end(&w);
    buf_byte(out, '\n');
    if (ok && !out->failed)
        return true;
    out->end = out->start + before;
    out->failed = false;
    return false;
}

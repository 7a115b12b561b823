// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/snapshot_tracing.h"

#include "gateway/base/secret.h"
#include "gateway/config/fault.h"
#include "gateway/config/snapshot_files.h"
#include "gateway/http/headers.h"

#define MILLION 1000000u

bool gw_config_share(struct span s, uint32_t *ppm)
{
    uint32_t v = 0, unit = MILLION;
    if (s.n == 0 || s.n > 8 || (s.p[0] != '0' && s.p[0] != '1') || (s.n > 1 && (s.p[1] != '.' || s.n == 2)))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (i == 1)
            continue;
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v += (uint32_t)(s.p[i] - '0') * unit;
        unit /= 10;
    }
    if (v > MILLION)
        return false;
    *ppm = v;
    return true;
}

const char *gw_fault_share(struct span s)
{
    uint32_t ppm;
    return gw_config_share(s, &ppm) ? NULL : "a share is expected, 0 to 1, such as 0.05, with at most six decimals";
}

void gw_config_tracing_check(const struct gw_config *c, struct diags *diags)
{
    if (c->tracing.present)
        gw_config_remote_check(c, &c->tracing.otlp.remote, "tracing.otlp", diags);
}

// A name of ours would be written twice, or say something else than the body is.
static bool is_ours(struct span name)
{
    static const struct span ours[] = { { "host", 4 },          { "accept", 6 },          { "accept-encoding", 15 },
                                        { "content-type", 12 }, { "content-length", 14 }, { "transfer-encoding", 17 },
                                        { "connection", 10 },   { "x-request-id", 12 } };
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (span_eq(name, ours[i]))
            return true;
    return false;
}

// The text is a secret: a complaint names the line, and shows nothing of it.
static void read_headers(struct gw_snapshot *s, struct gw_snapshot_tracing *t, struct diags *diags)
{
    const struct gw_config_text *file = &t->config->otlp.headers_file;
    struct span rest = t->header_text;
    for (unsigned line = 1; !span_is_none(rest); line++) {
        struct span value = span_cut(&rest, '\n');
        if (value.n > 0 && value.p[value.n - 1] == '\r')
            value.n--;
        if (span_trim(value).n == 0)
            continue;
        struct span name = span_trim(span_cut(&value, ':'));
        if (span_is_none(value) || gw_fault_field_name(name) || !gw_is_field_value(span_trim(value)) || is_ours(name) ||
            t->n_headers == GW_OTLP_HEADERS) {
            gw_config_error(
                s->config, file->at, diags,
                "%.*s: line %u: `name: value` is expected, the name in lower case and none that the gateway "
                "writes itself, on at most %d lines",
                SPAN_FMT(file->v), line, GW_OTLP_HEADERS);
            return;
        }
        t->headers[t->n_headers].name = name;
        t->headers[t->n_headers++].value = span_trim(value);
    }
}

void gw_snapshot_tracing_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags)
{
    const struct gw_config_tracing *config = &s->config->tracing;
    struct gw_snapshot_tracing *t = &s->tracing;
    if (!config->present)
        return;
    t->config = config;
    gw_config_share(config->sample.v, &t->sample_ppm);
    gw_remote_load(s, &config->otlp.remote, &t->collector, now_s, diags);
    t->header_text = gw_snapshot_read(s, &config->otlp.headers_file, GW_SECRET_MAX, diags);
    read_headers(s, t, diags);
}

void gw_snapshot_tracing_fini(struct gw_snapshot_tracing *t)
{
    gw_remote_fini(&t->collector);
    secret_wipe((void *)(uintptr_t)t->header_text.p, t->header_text.n);
}

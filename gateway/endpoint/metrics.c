// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/metrics.h"

#include "gateway/endpoint/limit_rows.h"
#include "gateway/endpoint/policy_rows.h"

#include <inttypes.h>
#include <stdatomic.h>

static const struct {
    const char *metric, *label, *type, *help;
} rows[GW_METRIC_COUNT] = {
#define X(name, metric, label, type, help) [GW_METRIC_##name] = { metric, label, type, help },
    GW_METRIC_TABLE(X)
#undef X
};

static const int64_t bounds_us[GW_DURATION_BUCKETS] = { 50,    100,   250,    500,    1000,   2500,    5000,
                                                        10000, 25000, 100000, 250000, 500000, 1000000, 10000000 };

void gw_count_refused(struct gw_metrics *m, int err)
{
    int index = -1 - err;
    if (index >= 0 && index < ERR_INDEX_COUNT)
        gw_count_(&m->refused[index], 1);
}

void gw_count_observed(struct gw_metrics *m, enum gw_gate gate, int err)
{
    int index = -1 - err;
    if (index >= 0 && index < ERR_INDEX_COUNT)
        gw_count_(&m->observed[gate][index], 1);
}

void gw_count_duration(struct gw_metrics *m, int64_t us)
{
    size_t i = 0;
    while (i < GW_DURATION_BUCKETS && us > bounds_us[i])
        i++;
    gw_count_(&m->duration[i], 1);
    gw_count_(&m->duration_sum_us, us > 0 ? (uint64_t)us : 0);
}

void gw_count_visit(struct gw_metrics *m, unsigned endpoint, unsigned status)
{
    if (endpoint < GW_VISIT_ENDPOINTS && status >= 200 && status < 600)
        gw_count_(&m->visits[endpoint][status / 100 - 2], 1);
}

static uint64_t get(_Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void head(struct buf *out, const char *metric, const char *type, const char *help)
{
    buf_printf(out, "# HELP sallyport_%s %s\n# TYPE sallyport_%s %s\n", metric, help, metric, type);
}

static void gauge(struct buf *out, const char *metric, const char *type, const char *help, int64_t v)
{
    head(out, metric, type, help);
    buf_printf(out, "sallyport_%s %" PRId64 "\n", metric, v);
}

static void write_durations(struct buf *out, struct gw_metrics *const *loops, size_t n)
{
    head(out, "request_duration_seconds", "histogram", "From the end of the request's head to the end of the answer.");
    uint64_t count = 0, sum = 0;
    for (size_t b = 0; b <= GW_DURATION_BUCKETS; b++) {
        for (size_t i = 0; i < n; i++)
            count += get(&loops[i]->duration[b]);
        if (b < GW_DURATION_BUCKETS)
            buf_printf(out, "sallyport_request_duration_seconds_bucket{le=\"%g\"} %" PRIu64 "\n",
                       (double)bounds_us[b] / 1e6, count);
        else
            buf_printf(out, "sallyport_request_duration_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", count);
    }
    for (size_t i = 0; i < n; i++)
        sum += get(&loops[i]->duration_sum_us);
    buf_printf(out,
               "sallyport_request_duration_seconds_sum %.6f\nsallyport_request_duration_seconds_count %" PRIu64 "\n",
               (double)sum / 1e6, count);
}

static void write_visits(struct buf *out, struct gw_metrics *const *loops, size_t n)
{
    static const char *const names[] = {
#define X(name) #name,
        GW_VISIT_TABLE(X)
#undef X
    };
    head(out, "authority_requests_total", "counter", "Requests to the authority by endpoint and class of the status.");
    for (size_t e = 0; e < GW_VISIT_ENDPOINTS; e++)
        for (size_t c = 0; c < GW_VISIT_CLASSES; c++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += get(&loops[i]->visits[e][c]);
            if (sum > 0)
                buf_printf(out, "sallyport_authority_requests_total{endpoint=\"%s\",status=\"%zuxx\"} %" PRIu64 "\n",
                           names[e], c + 2, sum);
        }
}

static void write_feed(struct buf *out, const struct gw_feed_state *f)
{
    if (!f->followed)
        return;
    gauge(out, "revocation_feed_sequence", "gauge", "Number of the last change of the registry that is in force here.",
          (int64_t)f->sequence);
    gauge(out, "revocation_feed_head", "gauge", "Number of the newest change that the authority spoke of.",
          (int64_t)f->head);
    gauge(out, "revocation_feed_entries", "gauge", "Revocations that came over the feed.", (int64_t)f->entries);
    head(out, "revocation_feed_age_seconds", "gauge",
         "Since the authority signed what is in force; over max_stale everything is refused. NaN: nothing was heard "
         "yet.");
    if (f->age_ms < 0)
        buf_printf(out, "sallyport_revocation_feed_age_seconds NaN\n");
    else
        buf_printf(out, "sallyport_revocation_feed_age_seconds %.3f\n", (double)f->age_ms / 1000);
    head(out, "revocation_feed_batches_total", "counter", "Answers of the authority by result.");
    buf_printf(out,
               "sallyport_revocation_feed_batches_total{result=\"ok\"} %" PRIu64
               "\nsallyport_revocation_feed_batches_total{result=\"failed\"} %" PRIu64 "\n",
               f->batches, f->failures);
    gauge(out, "revocation_feed_resets_total", "counter", "Times that the whole set was taken anew.",
          (int64_t)f->resets);
}

static void write_issuers(struct buf *out, const struct gw_metrics_issuer *issuers, size_t n)
{
    if (n == 0)
        return;
    head(out, "issuer_key_fetches_total", "counter", "Fetches of issuers' keys by result.");
    for (size_t i = 0; i < n; i++)
        buf_printf(out,
                   "sallyport_issuer_key_fetches_total{issuer=\"%.*s\",result=\"ok\"} %" PRIu64
                   "\nsallyport_issuer_key_fetches_total{issuer=\"%.*s\",result=\"failed\"} %" PRIu64 "\n",
                   SPAN_FMT(issuers[i].name), issuers[i].fetched, SPAN_FMT(issuers[i].name), issuers[i].failed);
    head(out, "issuer_keys", "gauge", "Keys that are known of an issuer whose keys are fetched.");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "sallyport_issuer_keys{issuer=\"%.*s\"} %" PRIu64 "\n", SPAN_FMT(issuers[i].name),
                   issuers[i].keys);
    head(out, "issuer_keys_read_timestamp_seconds", "gauge", "When they were last fetched well; 0: never.");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "sallyport_issuer_keys_read_timestamp_seconds{issuer=\"%.*s\"} %" PRId64 "\n",
                   SPAN_FMT(issuers[i].name), issuers[i].read_s);
}

static void write_shards(struct buf *out, const struct gw_metrics_shard *shards, size_t n)
{
    bool any = false;
    if (n == 0)
        return;
    head(out, "shard_endpoints", "gauge", "Endpoints that are known of a shard.");
    for (size_t i = 0; i < n; i++) {
        any = any || shards[i].discovered;
        buf_printf(out, "sallyport_shard_endpoints{shard=\"%.*s\"} %" PRIu64 "\n", SPAN_FMT(shards[i].name),
                   shards[i].endpoints);
    }
    if (!any)
        return;
    head(out, "shard_lookups_total", "counter", "Look-ups of the endpoints of shards by result.");
    for (size_t i = 0; i < n; i++)
        if (shards[i].discovered)
            buf_printf(out,
                       "sallyport_shard_lookups_total{shard=\"%.*s\",result=\"ok\"} %" PRIu64
                       "\nsallyport_shard_lookups_total{shard=\"%.*s\",result=\"failed\"} %" PRIu64 "\n",
                       SPAN_FMT(shards[i].name), shards[i].found, SPAN_FMT(shards[i].name), shards[i].failed);
    head(out, "shard_endpoints_found_timestamp_seconds", "gauge", "When they were last found; 0: never.");
    for (size_t i = 0; i < n; i++)
        if (shards[i].discovered)
            buf_printf(out, "sallyport_shard_endpoints_found_timestamp_seconds{shard=\"%.*s\"} %" PRId64 "\n",
                       SPAN_FMT(shards[i].name), shards[i].found_s);
}

static void write_endpoints(struct buf *out, const struct gw_metrics_endpoint *v, size_t n)
{
    if (n == 0)
        return;
    head(out, "shard_endpoint_ready", "gauge", "Whether checks found the endpoint of a shard ready.");
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "sallyport_shard_endpoint_ready{shard=\"%.*s\",address=\"%.*s\",port=\"%u\"} %d\n",
                   SPAN_FMT(v[i].shard), SPAN_FMT(v[i].address), v[i].port, v[i].ready);
    head(out, "shard_checks_total", "counter", "Checks of endpoints of shards by result.");
    for (size_t i = 0; i < n; i++)
        buf_printf(
            out,
            "sallyport_shard_checks_total{shard=\"%.*s\",address=\"%.*s\",port=\"%u\",result=\"ok\"} %" PRIu64
            "\nsallyport_shard_checks_total{shard=\"%.*s\",address=\"%.*s\",port=\"%u\",result=\"failed\"} %" PRIu64
            "\n",
            SPAN_FMT(v[i].shard), SPAN_FMT(v[i].address), v[i].port, v[i].good, SPAN_FMT(v[i].shard),
            SPAN_FMT(v[i].address), v[i].port, v[i].bad);
}

static void write_surveys(struct buf *out, const struct gw_metrics_survey *v, size_t n,
                          const struct gw_metrics_surveyor *totals)
{
    head(out, "filter_questions_total", "counter", "Questions to shards about the fields of filters by result.");
    buf_printf(out,
               "sallyport_filter_questions_total{result=\"answered\"} %" PRIu64
               "\nsallyport_filter_questions_total{result=\"failed\"} %" PRIu64
               "\nsallyport_filter_questions_total{result=\"unasked\"} %" PRIu64 "\n",
               totals->answered, totals->failed, totals->unasked);
    if (n == 0)
        return;
    head(out, "filter_findings", "gauge",
         "Collections and fields of filters that a shard is not made for, by what is wrong.");
    for (size_t i = 0; i < n; i++)
        for (unsigned f = 0; f < GW_FINDING_COUNT; f++)
            buf_printf(out, "sallyport_filter_findings{shard=\"%.*s\",finding=\"%.*s\"} %" PRIu64 "\n",
                       SPAN_FMT(v[i].shard), SPAN_FMT(gw_finding_name((enum gw_finding)f)), v[i].found[f]);
}

static void write_bundles(struct buf *out, const struct gw_bundle_state bundles[static 2])
{
    if (!bundles[0].role && !bundles[1].role)
        return;
    head(out, "policy_bundle", "gauge", "Version of the policy bundle in force, by where it came from.");
    for (size_t i = 0; i < 2; i++)
        if (bundles[i].role)
            buf_printf(out, "sallyport_policy_bundle{role=\"%s\",source=\"%s\"} %" PRIu64 "\n", bundles[i].role,
                       bundles[i].last_good ? "last_good" : "file", bundles[i].version);
}

static void write_observed(struct buf *out, struct gw_metrics *const *loops, size_t n,
                           const struct gw_metrics_gate *gates)
{
    head(out, "modes_observing", "gauge", "Rules of the configuration that have a gate observe, and not enforce, now.");
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        buf_printf(out, "sallyport_modes_observing{gate=\"%.*s\"} %" PRIu64 "\n",
                   SPAN_FMT(gw_gate_name((enum gw_gate)g)), gates[g].observers);
    head(out, "modes_until_timestamp_seconds", "gauge", "When the first of them ends; 0: there is none.");
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        buf_printf(out, "sallyport_modes_until_timestamp_seconds{gate=\"%.*s\"} %" PRId64 "\n",
                   SPAN_FMT(gw_gate_name((enum gw_gate)g)), gates[g].until_ms / 1000);
    head(out, "observed_total", "counter", "Requests that a gate would have refused if it enforced, by reason.");
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        for (int e = 0; e < ERR_INDEX_COUNT; e++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += get(&loops[i]->observed[g][e]);
            if (sum > 0)
                buf_printf(out, "sallyport_observed_total{gate=\"%.*s\",code=\"%.*s\",reason=\"%.*s\"} %" PRIu64 "\n",
                           SPAN_FMT(gw_gate_name((enum gw_gate)g)), SPAN_FMT(err_info(-1 - e)->code),
                           SPAN_FMT(err_info(-1 - e)->name), sum);
        }
}

void gw_metrics_write(struct buf *out, struct gw_metrics *const *loops, size_t n, const struct gw_metrics_state *state)
{
    const char *last = "";
    for (size_t m = 0; m < GW_METRIC_COUNT; m++) {
        if (strcmp(last, rows[m].metric) != 0)
            head(out, rows[m].metric, rows[m].type, rows[m].help);
        last = rows[m].metric;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += get(&loops[i]->value[m]);
        buf_printf(out, "sallyport_%s%s%s%s %" PRIu64 "\n", rows[m].metric, *rows[m].label ? "{" : "", rows[m].label,
                   *rows[m].label ? "}" : "", sum);
    }
    head(out, "refusals_total", "counter", "Refused requests and handshakes by reason.");
    for (int e = 0; e < ERR_INDEX_COUNT; e++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += get(&loops[i]->refused[e]);
        if (sum > 0)
            buf_printf(out, "sallyport_refusals_total{reason=\"%.*s\"} %" PRIu64 "\n", SPAN_FMT(err_info(-1 - e)->name),
                       sum);
    }
    write_observed(out, loops, n, state->gates);
    gw_policy_rows_write(out, state->policies, loops, n);
    gw_limit_rows_write(out, state->limits, loops, n);
    gauge(out, "limit_buckets_used", "gauge", "Budgets of rate limits that are in use, or were a while ago.",
          (int64_t)state->limit_buckets_used);
    gauge(out, "limit_buckets", "gauge", "Budgets that can be in use at once; full, requests are refused.",
          (int64_t)state->limit_buckets);
    write_bundles(out, state->bundles);
    write_durations(out, loops, n);
    write_visits(out, loops, n);
    gauge(out, "loops", "gauge", "Event loops.", (int64_t)state->loops);
    gauge(out, "configuration_generation", "gauge", "Generation of the configuration in force.",
          (int64_t)state->configuration_generation);
    gauge(out, "revocation_generation", "gauge", "Generation of the revocations in force.",
          (int64_t)state->revocation_generation);
    head(out, "reloads_total", "counter", "Reloads by result.");
    buf_printf(out,
               "sallyport_reloads_total{result=\"ok\"} %" PRIu64
               "\nsallyport_reloads_total{result=\"refused\"} %" PRIu64 "\n",
               state->reloads_ok, state->reloads_failed);
    gauge(out, "replay_entries", "gauge", "Proofs remembered by the replay store.", (int64_t)state->replay_entries);
    gauge(out, "replay_capacity", "gauge", "Proofs the replay store can remember; full, it refuses.",
          (int64_t)state->replay_capacity);
    gauge(out, "audit_dropped_total", "counter", "Audit records dropped because the writer could not keep up.",
          (int64_t)state->audit_dropped);
    write_feed(out, &state->feed);
    gauge(out, "certificate_expiry_timestamp_seconds", "gauge", "When the gateway's own certificate expires.",
          state->certificate_expires_s);
    write_issuers(out, state->issuers, state->n_issuers);
    write_shards(out, state->shards, state->n_shards);
    write_endpoints(out, state->endpoints, state->n_endpoints);
    write_surveys(out, state->surveys, state->n_surveys, &state->surveyor);
    gauge(out, "start_time_seconds", "gauge", "When the process started.", state->start_s);
    gauge(out, "ready", "gauge", "1 while /readyz answers 200.", state->ready);
}

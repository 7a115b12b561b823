// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/metrics.h"

#include "gateway/endpoint/limit_rows.h"
#include "gateway/endpoint/policy_rows.h"
#include "gateway/endpoint/shard_rows.h"

#include <inttypes.h>
#include <stdatomic.h>

static const struct {
    const char *metric, *label, *type, *help;
} rows[GW_METRIC_COUNT] = {
#define X(name, metric, label, type, help) [GW_METRIC_##name] = { metric, label, type, help },
    GW_METRIC_TABLE(X)
#undef X
};

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

void gw_count_answer(struct gw_shard_counts *c, unsigned status)
{
    gw_count_(&c->answers[status < 200 || status > 599 ? 0 : status / 100 - 1], 1);
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

static void number(const struct gw_page *page, enum gw_family_id f, int64_t v)
{
    gw_page_family(page, f);
    buf_printf(page->out, "sallyport_%s %" PRId64 "\n", gw_families[f].name, v);
}

// One histogram of every loop.
static void write_histogram(const struct gw_page *page, enum gw_family_id f, const char *label, enum gw_bounds bounds,
                            struct gw_metrics *const *loops, size_t n, size_t offset)
{
    struct gw_histogram *all[GW_METRICS_LOOPS_MAX];
    for (size_t i = 0; i < n; i++)
        all[i] = (struct gw_histogram *)((char *)loops[i] + offset);
    gw_histogram_write(page, f, label, bounds, all, n);
}

static void write_durations(const struct gw_page *page, struct gw_metrics *const *loops, size_t n)
{
    static const char *const stages[] = {
#define X(name) "stage=\"" #name "\"",
        GW_STAGE_TABLE(X)
#undef X
    };
    static const char *const results[] = { "result=\"full\"", "result=\"resumed\"" };
    if (n > GW_METRICS_LOOPS_MAX)
        return;
    gw_page_family(page, GW_FAMILY_HANDSHAKE_DURATION);
    for (size_t i = 0; i < 2; i++)
        write_histogram(page, GW_FAMILY_HANDSHAKE_DURATION, results[i], GW_BOUNDS_COARSE, loops, n,
                        offsetof(struct gw_metrics, handshake) + i * sizeof(struct gw_histogram));
    gw_page_family(page, GW_FAMILY_REQUEST_DURATION);
    write_histogram(page, GW_FAMILY_REQUEST_DURATION, "", GW_BOUNDS_COARSE, loops, n,
                    offsetof(struct gw_metrics, request));
    gw_page_family(page, GW_FAMILY_STAGE_DURATION);
    for (size_t i = 0; i < GW_STAGE_COUNT; i++)
        write_histogram(page, GW_FAMILY_STAGE_DURATION, stages[i], GW_BOUNDS_FINE, loops, n,
                        offsetof(struct gw_metrics, stage) + i * sizeof(struct gw_histogram));
}

static void write_visits(const struct gw_page *page, struct gw_metrics *const *loops, size_t n)
{
    static const char *const names[] = {
#define X(name) #name,
        GW_VISIT_TABLE(X)
#undef X
    };
    gw_page_family(page, GW_FAMILY_AUTHORITY_REQUESTS);
    for (size_t e = 0; e < GW_VISIT_ENDPOINTS; e++)
        for (size_t c = 0; c < GW_VISIT_CLASSES; c++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += get(&loops[i]->visits[e][c]);
            if (sum > 0)
                buf_printf(page->out,
                           "sallyport_authority_requests_total{endpoint=\"%s\",status=\"%zuxx\"} %" PRIu64 "\n",
                           names[e], c + 2, sum);
        }
}

static void write_feed(const struct gw_page *page, const struct gw_feed_state *f)
{
    if (!f->followed)
        return;
    number(page, GW_FAMILY_REVOCATION_FEED_SEQUENCE, (int64_t)f->sequence);
    number(page, GW_FAMILY_REVOCATION_FEED_HEAD, (int64_t)f->head);
    number(page, GW_FAMILY_REVOCATION_FEED_ENTRIES, (int64_t)f->entries);
    gw_page_family(page, GW_FAMILY_REVOCATION_FEED_AGE);
    if (f->age_ms < 0)
        buf_printf(page->out, "sallyport_revocation_feed_age_seconds NaN\n");
    else
        buf_printf(page->out, "sallyport_revocation_feed_age_seconds %.3f\n", (double)f->age_ms / 1000);
    number(page, GW_FAMILY_REVOCATION_FEED_MAX_STALE, f->max_stale_ms / 1000);
    gw_page_family(page, GW_FAMILY_REVOCATION_FEED_BATCHES);
    buf_printf(page->out,
               "sallyport_revocation_feed_batches_total{result=\"ok\"} %" PRIu64
               "\nsallyport_revocation_feed_batches_total{result=\"failed\"} %" PRIu64 "\n",
               f->batches, f->failures);
    number(page, GW_FAMILY_REVOCATION_FEED_RESETS, (int64_t)f->resets);
}

static void write_issuers(const struct gw_page *page, const struct gw_metrics_issuer *issuers, size_t n)
{
    if (n == 0)
        return;
    gw_page_family(page, GW_FAMILY_ISSUER_KEY_FETCHES);
    for (size_t i = 0; i < n; i++)
        buf_printf(page->out,
                   "sallyport_issuer_key_fetches_total{issuer=\"%.*s\",result=\"ok\"} %" PRIu64
                   "\nsallyport_issuer_key_fetches_total{issuer=\"%.*s\",result=\"failed\"} %" PRIu64 "\n",
                   SPAN_FMT(issuers[i].name), issuers[i].fetched, SPAN_FMT(issuers[i].name), issuers[i].failed);
    gw_page_family(page, GW_FAMILY_ISSUER_KEYS);
    for (size_t i = 0; i < n; i++)
        buf_printf(page->out, "sallyport_issuer_keys{issuer=\"%.*s\"} %" PRIu64 "\n", SPAN_FMT(issuers[i].name),
                   issuers[i].keys);
    gw_page_family(page, GW_FAMILY_ISSUER_KEYS_READ_TIMESTAMP);
    for (size_t i = 0; i < n; i++)
        buf_printf(page->out, "sallyport_issuer_keys_read_timestamp_seconds{issuer=\"%.*s\"} %" PRId64 "\n",
                   SPAN_FMT(issuers[i].name), issuers[i].read_s);
    gw_page_family(page, GW_FAMILY_ISSUER_KEYS_MAX_STALE);
    for (size_t i = 0; i < n; i++)
        buf_printf(page->out, "sallyport_issuer_keys_max_stale_seconds{issuer=\"%.*s\"} %" PRId64 "\n",
                   SPAN_FMT(issuers[i].name), issuers[i].max_stale_s);
}

static void write_shards(const struct gw_page *page, const struct gw_metrics_shard *shards, size_t n)
{
    bool any = false;
    if (n == 0)
        return;
    gw_page_family(page, GW_FAMILY_SHARD_ENDPOINTS);
    for (size_t i = 0; i < n; i++) {
        any = any || shards[i].discovered;
        buf_printf(page->out, "sallyport_shard_endpoints{shard=\"%.*s\"} %" PRIu64 "\n", SPAN_FMT(shards[i].name),
                   shards[i].endpoints);
    }
    if (!any)
        return;
    gw_page_family(page, GW_FAMILY_SHARD_LOOKUPS);
    for (size_t i = 0; i < n; i++)
        if (shards[i].discovered)
            buf_printf(page->out,
                       "sallyport_shard_lookups_total{shard=\"%.*s\",result=\"ok\"} %" PRIu64
                       "\nsallyport_shard_lookups_total{shard=\"%.*s\",result=\"failed\"} %" PRIu64 "\n",
                       SPAN_FMT(shards[i].name), shards[i].found, SPAN_FMT(shards[i].name), shards[i].failed);
    gw_page_family(page, GW_FAMILY_SHARD_ENDPOINTS_FOUND_TIMESTAMP);
    for (size_t i = 0; i < n; i++)
        if (shards[i].discovered)
            buf_printf(page->out, "sallyport_shard_endpoints_found_timestamp_seconds{shard=\"%.*s\"} %" PRId64 "\n",
                       SPAN_FMT(shards[i].name), shards[i].found_s);
}

static void write_endpoints(const struct gw_page *page, const struct gw_metrics_endpoint *v, size_t n)
{
    if (n == 0)
        return;
    gw_page_family(page, GW_FAMILY_SHARD_ENDPOINT_READY);
    for (size_t i = 0; i < n; i++)
        buf_printf(page->out, "sallyport_shard_endpoint_ready{shard=\"%.*s\",address=\"%.*s\",port=\"%u\"} %d\n",
                   SPAN_FMT(v[i].shard), SPAN_FMT(v[i].address), v[i].port, v[i].ready);
    gw_page_family(page, GW_FAMILY_SHARD_CHECKS);
    for (size_t i = 0; i < n; i++)
        buf_printf(
            page->out,
            "sallyport_shard_checks_total{shard=\"%.*s\",address=\"%.*s\",port=\"%u\",result=\"ok\"} %" PRIu64
            "\nsallyport_shard_checks_total{shard=\"%.*s\",address=\"%.*s\",port=\"%u\",result=\"failed\"} %" PRIu64
            "\n",
            SPAN_FMT(v[i].shard), SPAN_FMT(v[i].address), v[i].port, v[i].good, SPAN_FMT(v[i].shard),
            SPAN_FMT(v[i].address), v[i].port, v[i].bad);
}

static void write_surveys(const struct gw_page *page, const struct gw_metrics_survey *v, size_t n,
                          const struct gw_metrics_surveyor *totals)
{
    gw_page_family(page, GW_FAMILY_FILTER_QUESTIONS);
    buf_printf(page->out,
               "sallyport_filter_questions_total{result=\"answered\"} %" PRIu64
               "\nsallyport_filter_questions_total{result=\"failed\"} %" PRIu64
               "\nsallyport_filter_questions_total{result=\"unasked\"} %" PRIu64 "\n",
               totals->answered, totals->failed, totals->unasked);
    if (n == 0)
        return;
    gw_page_family(page, GW_FAMILY_FILTER_FINDINGS);
    for (size_t i = 0; i < n; i++)
        for (unsigned f = 0; f < GW_FINDING_COUNT; f++)
            buf_printf(page->out, "sallyport_filter_findings{shard=\"%.*s\",finding=\"%.*s\"} %" PRIu64 "\n",
                       SPAN_FMT(v[i].shard), SPAN_FMT(gw_finding_name((enum gw_finding)f)), v[i].found[f]);
}

static void write_bundles(const struct gw_page *page, const struct gw_bundle_state bundles[static 2])
{
    if (!bundles[0].role && !bundles[1].role)
        return;
    gw_page_family(page, GW_FAMILY_POLICY_BUNDLE);
    for (size_t i = 0; i < 2; i++)
        if (bundles[i].role)
            buf_printf(page->out, "sallyport_policy_bundle{role=\"%s\",source=\"%s\"} %" PRIu64 "\n", bundles[i].role,
                       bundles[i].last_good ? "last_good" : "file", bundles[i].version);
}

static void write_observed(const struct gw_page *page, struct gw_metrics *const *loops, size_t n,
                           const struct gw_metrics_gate *gates)
{
    gw_page_family(page, GW_FAMILY_MODES_OBSERVING);
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        buf_printf(page->out, "sallyport_modes_observing{gate=\"%.*s\"} %" PRIu64 "\n",
                   SPAN_FMT(gw_gate_name((enum gw_gate)g)), gates[g].observers);
    gw_page_family(page, GW_FAMILY_MODES_UNTIL_TIMESTAMP);
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        buf_printf(page->out, "sallyport_modes_until_timestamp_seconds{gate=\"%.*s\"} %" PRId64 "\n",
                   SPAN_FMT(gw_gate_name((enum gw_gate)g)), gates[g].until_ms / 1000);
    gw_page_family(page, GW_FAMILY_OBSERVED);
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        for (int e = 0; e < ERR_INDEX_COUNT; e++) {
            uint64_t sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += get(&loops[i]->observed[g][e]);
            if (sum > 0)
                buf_printf(page->out,
                           "sallyport_observed_total{gate=\"%.*s\",code=\"%.*s\",reason=\"%.*s\"} %" PRIu64 "\n",
                           SPAN_FMT(gw_gate_name((enum gw_gate)g)), SPAN_FMT(err_info(-1 - e)->code),
                           SPAN_FMT(err_info(-1 - e)->name), sum);
        }
}

struct gw_family gw_metrics_counted(size_t i)
{
    return i < GW_METRIC_COUNT ? (struct gw_family){ rows[i].metric, rows[i].type, rows[i].label, rows[i].help }
                               : (struct gw_family){ NULL, NULL, NULL, NULL };
}

void gw_metrics_write(const struct gw_page *page, struct gw_metrics *const *loops, size_t n,
                      const struct gw_metrics_state *state)
{
    const char *last = "";
    gw_page_family(page, GW_FAMILY_BUILD_INFO);
    buf_printf(page->out, "sallyport_build_info{version=\"" SALLYPORT_VERSION "\"} 1\n");
    for (size_t m = 0; m < GW_METRIC_COUNT; m++) {
        if (strcmp(last, rows[m].metric) != 0)
            gw_page_head(page, rows[m].metric, rows[m].type, rows[m].help);
        last = rows[m].metric;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += get(&loops[i]->value[m]);
        buf_printf(page->out, "sallyport_%s%s%s%s %" PRIu64 "\n", rows[m].metric, *rows[m].label ? "{" : "",
                   rows[m].label, *rows[m].label ? "}" : "", sum);
    }
    gw_page_family(page, GW_FAMILY_REFUSALS);
    for (int e = 0; e < ERR_INDEX_COUNT; e++) {
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += get(&loops[i]->refused[e]);
        if (sum > 0)
            buf_printf(page->out, "sallyport_refusals_total{reason=\"%.*s\"} %" PRIu64 "\n",
                       SPAN_FMT(err_info(-1 - e)->name), sum);
    }
    write_observed(page, loops, n, state->gates);
    gw_policy_rows_write(page, state->policies, loops, n);
    gw_limit_rows_write(page, state->limits, loops, n);
    gw_shard_rows_write(page, state->shard_names, loops, n);
    number(page, GW_FAMILY_LIMIT_BUCKETS_USED, (int64_t)state->limit_buckets_used);
    number(page, GW_FAMILY_LIMIT_BUCKETS, (int64_t)state->limit_buckets);
    write_bundles(page, state->bundles);
    write_durations(page, loops, n);
    write_visits(page, loops, n);
    number(page, GW_FAMILY_LOOPS, (int64_t)state->loops);
    number(page, GW_FAMILY_CONFIGURATION_GENERATION, (int64_t)state->configuration_generation);
    number(page, GW_FAMILY_REVOCATION_GENERATION, (int64_t)state->revocation_generation);
    gw_page_family(page, GW_FAMILY_RELOADS);
    buf_printf(page->out,
               "sallyport_reloads_total{result=\"ok\"} %" PRIu64
               "\nsallyport_reloads_total{result=\"refused\"} %" PRIu64 "\n",
               state->reloads_ok, state->reloads_failed);
    number(page, GW_FAMILY_REPLAY_ENTRIES, (int64_t)state->replay_entries);
    number(page, GW_FAMILY_REPLAY_CAPACITY, (int64_t)state->replay_capacity);
    number(page, GW_FAMILY_AUDIT_DROPPED, (int64_t)state->audit_dropped);
    gw_page_family(page, GW_FAMILY_TRACE_SPANS_EXPORTED);
    buf_printf(page->out,
               "sallyport_trace_spans_exported_total{result=\"ok\"} %" PRIu64
               "\nsallyport_trace_spans_exported_total{result=\"failed\"} %" PRIu64 "\n",
               state->spans_taken, state->spans_lost);
    number(page, GW_FAMILY_AUDIT_FAILING, state->audit_failing);
    write_feed(page, &state->feed);
    number(page, GW_FAMILY_CERTIFICATE_EXPIRY_TIMESTAMP, state->certificate_expires_s);
    write_issuers(page, state->issuers, state->n_issuers);
    write_shards(page, state->shards, state->n_shards);
    write_endpoints(page, state->endpoints, state->n_endpoints);
    write_surveys(page, state->surveys, state->n_surveys, &state->surveyor);
    number(page, GW_FAMILY_START_TIME, state->start_s);
    number(page, GW_FAMILY_READY, state->ready);
    gw_page_end(page);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// What the process counts. Each loop owns one `gw_metrics` and is its only writer, so counting is a plain load and store on a line
// that nobody else writes; the operations listener reads them all and adds them up on a page (exposition.h).
#ifndef SALLYPORT_ENDPOINT_METRICS_H
#define SALLYPORT_ENDPOINT_METRICS_H

#include "gateway/api/survey.h"
#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/config/modes.h"
#include "gateway/endpoint/histogram.h"
#include "gateway/endpoint/named_rows.h"
#include "gateway/endpoint/stage.h"

// X(NAME, metric, label or "", type, help): rows of one metric stand together.
#define GW_METRIC_TABLE(X)                                                                                             \
    X(CONNECTIONS, "connections_total", "", "counter", "Client connections accepted.")                                 \
    X(CONNECTIONS_OPEN, "connections_open", "", "gauge", "Client connections open now.")                               \
    X(HANDSHAKE_FULL, "handshakes_total", "result=\"full\"", "counter", "TLS handshakes by result.")                   \
    X(HANDSHAKE_RESUMED, "handshakes_total", "result=\"resumed\"", "counter", "")                                      \
    X(HANDSHAKE_REFUSED, "handshakes_total", "result=\"refused\"", "counter", "")                                      \
    X(REQUEST_ALLOWED, "requests_total", "decision=\"allow\"", "counter", "Requests by decision.")                     \
    X(REQUEST_DENIED, "requests_total", "decision=\"deny\"", "counter", "")                                            \
    X(REQUEST_OBSERVED, "requests_total", "decision=\"observed\"", "counter", "")                                      \
    X(TOKEN_HIT, "token_cache_total", "result=\"hit\"", "counter", "Look-ups of the verified-token cache.")            \
    X(TOKEN_MISS, "token_cache_total", "result=\"miss\"", "counter", "")                                               \
    X(PROOF_HIT, "proof_cache_total", "result=\"hit\"", "counter",                                                     \
      "Proofs that held, by whether their header and its key were known.")                                             \
    X(PROOF_MISS, "proof_cache_total", "result=\"miss\"", "counter", "")                                               \
    X(PARTIAL_HIT, "policy_cache_total", "result=\"hit\"", "counter",                                                  \
      "Policy decisions by whether what does not depend on the request was decided before.")                           \
    X(PARTIAL_MISS, "policy_cache_total", "result=\"miss\"", "counter", "")                                            \
    X(INTROSPECTION_CACHED, "introspections_total", "result=\"cached\"", "counter",                                    \
      "Opaque tokens by what became of the question about them.")                                                      \
    X(INTROSPECTION_REFUSED, "introspections_total", "result=\"cached_refusal\"", "counter", "")                       \
    X(INTROSPECTION_ASKED, "introspections_total", "result=\"asked\"", "counter", "")                                  \
    X(INTROSPECTION_JOINED, "introspections_total", "result=\"joined\"", "counter", "")                                \
    X(INTROSPECTION_TURNED_AWAY, "introspections_total", "result=\"turned_away\"", "counter", "")                      \
    X(INTROSPECTION_FAILED, "introspection_failures_total", "", "counter",                                             \
      "Questions that the issuer's server did not answer.")                                                            \
    X(INTROSPECTION_OPEN, "introspection_breakers_open", "", "gauge",                                                  \
      "Servers, times loops, that are not asked for a while.")                                                         \
    X(POLICY_ERROR, "policy_errors_total", "", "counter", "Policies skipped because their evaluation failed.")         \
    X(SHADOW_ERROR, "policy_shadow_errors_total", "", "counter", "Shadow policies whose evaluation failed.")           \
    X(SHADOW_ALLOW, "policy_shadow_differences_total", "decision=\"allow\"", "counter",                                \
      "Requests that shadow policies, in force, would have decided otherwise: so.")                                    \
    X(SHADOW_DENY, "policy_shadow_differences_total", "decision=\"deny\"", "counter", "")                              \
    X(UPSTREAM_CONNECT, "upstream_connections_total", "result=\"opened\"", "counter", "Connections to shards.")        \
    X(UPSTREAM_FAILED, "upstream_connections_total", "result=\"failed\"", "counter", "")                               \
    X(UPSTREAM_OPEN, "upstream_connections_open", "", "gauge", "Connections to shards open now.")                      \
    X(UPSTREAM_REUSED, "upstream_reuses_total", "", "counter", "Requests sent on a kept connection.")                  \
    X(UPSTREAM_RETRIED, "upstream_retries_total", "", "counter", "Idempotent requests sent a second time.")            \
    X(UPSTREAM_RETRY_REFUSED, "upstream_retries_refused_total", "", "counter",                                         \
      "Requests not sent a second time because the budget was used up.")                                               \
    X(UPSTREAM_HEDGED, "upstream_hedges_total", "", "counter",                                                         \
      "Reads sent to a second endpoint because the first was slow to answer.")                                         \
    X(UPSTREAM_HEDGE_WON, "upstream_hedges_won_total", "", "counter", "Those of them that the second answered.")       \
    X(UPSTREAM_EJECTED, "upstream_ejections_total", "", "counter",                                                     \
      "Endpoints of shards, times loops, that were ejected for their failures.")                                       \
    X(UPSTREAM_SHED, "upstream_shed_total", "", "counter",                                                             \
      "Requests refused because their shard had as many as it works on without delay.")                                \
    X(BYTES_IN, "client_bytes_total", "direction=\"in\"", "counter", "Bytes of TLS records from and to clients.")      \
    X(BYTES_OUT, "client_bytes_total", "direction=\"out\"", "counter", "")                                             \
    X(SPAN_QUEUED, "trace_spans_total", "result=\"queued\"", "counter",                                                \
      "Spans that loops made, by whether there was room for them.")                                                    \
    X(SPAN_DROPPED, "trace_spans_total", "result=\"dropped\"", "counter", "")                                          \
    X(AUDIT_REFUSED, "audit_records_total", "result=\"refused\"", "counter", "Audit records the writer did not take.") \
    X(AUDIT_WRITTEN, "audit_records_total", "result=\"handed_over\"", "counter", "")

enum gw_metric {
#define X(name, metric, label, type, help) GW_METRIC_##name,
    GW_METRIC_TABLE(X)
#undef X
        GW_METRIC_COUNT
};

// The authority's endpoints, by whom their visits are counted.
#define GW_VISIT_TABLE(X) \
    X(other) X(token) X(introspect) X(revoke) X(jwks) X(metadata) X(revocations) X(enrol) X(bundle)
enum gw_visit_endpoint {
#define X(name) GW_VISIT_##name,
    GW_VISIT_TABLE(X)
#undef X
        GW_VISIT_ENDPOINTS
};
#define GW_VISIT_CLASSES 4 // of the status: 2xx, 3xx, 4xx, 5xx

#define GW_METRICS_LOOPS_MAX 1025 // that can be configured, and the authority

// Policies that are counted each by its id, and the rows that all others share, by effect and mode (policy_rows.h).
#define GW_POLICY_ROWS 256
#define GW_POLICY_SHARED 4

// Limits of the configuration that are counted each by its name; the row behind them counts those of policies, and the last all others (limit_rows.h).
#define GW_LIMIT_ROWS GW_NAMED_ROWS
#define GW_LIMIT_ROW_POLICIES GW_LIMIT_ROWS
#define GW_LIMIT_ROW_OTHERS (GW_LIMIT_ROWS + 1)

// Shards that are counted each by its name, and all others (shard_rows.h).
#define GW_SHARD_ROW_OTHERS GW_NAMED_ROWS
#define GW_SHARD_OUTCOMES 5 // no answer, or its class: 2xx to 5xx

// Of one shard. `idle`, `busy` and `waiting` are looked up once a second.
struct gw_shard_counts {
    struct gw_histogram first_byte;
    _Atomic uint64_t answers[GW_SHARD_OUTCOMES];
    _Atomic uint64_t idle, busy, waiting;
};

struct gw_metrics {
    _Alignas(64) _Atomic uint64_t value[GW_METRIC_COUNT];
    _Atomic uint64_t refused[ERR_INDEX_COUNT];                 // requests and handshakes by reason
    _Atomic uint64_t observed[GW_GATE_COUNT][ERR_INDEX_COUNT]; // what gates that only observe would have refused
    struct gw_histogram request, stage[GW_STAGE_COUNT];
    struct gw_histogram handshake[2]; // full, resumed
    struct gw_shard_counts shard[GW_NAMED_ROWS + 1];
    _Atomic uint64_t visits[GW_VISIT_ENDPOINTS][GW_VISIT_CLASSES];
    _Atomic uint64_t policy[GW_POLICY_ROWS + GW_POLICY_SHARED]; // decisions
    _Atomic uint64_t limit[GW_LIMIT_ROWS + 2];                  // refusals
};

// By the owning loop only.
static inline void gw_count_(_Atomic uint64_t *v, uint64_t by)
{
    __atomic_store_n((uint64_t *)v, __atomic_load_n((uint64_t *)v, __ATOMIC_RELAXED) + by, __ATOMIC_RELAXED);
}
static inline void gw_count(struct gw_metrics *m, enum gw_metric which, uint64_t by)
{
    gw_count_(&m->value[which], by);
}
static inline void gw_count_down(struct gw_metrics *m, enum gw_metric which)
{
    gw_count_(&m->value[which], UINT64_MAX);
}
// `err` is negative (gateway/base/err.h).
void gw_count_refused(struct gw_metrics *m, int err);
void gw_count_observed(struct gw_metrics *m, enum gw_gate gate, int err);
// A request to a shard ended: with that status, or 0.
void gw_count_answer(struct gw_shard_counts *c, unsigned status);
static inline void gw_count_policy(struct gw_metrics *m, uint16_t row)
{
    gw_count_(&m->policy[row], 1);
}
static inline void gw_count_limit(struct gw_metrics *m, uint16_t row)
{
    gw_count_(&m->limit[row], 1);
}
void gw_count_visit(struct gw_metrics *m, unsigned endpoint, unsigned status);

// The revocation feed, as followed.
struct gw_feed_state {
    bool followed;
    uint64_t sequence, head, entries, batches, failures, resets;
    int64_t max_stale_ms;
    int64_t age_ms; // since what is in force was signed; -1: nothing was heard yet
};

// An issuer whose keys are fetched.
struct gw_metrics_issuer {
    struct span name;
    uint64_t fetched, failed; // rounds
    uint64_t keys;
    int64_t read_s;      // when they were read last, seconds since the epoch; 0: never
    int64_t max_stale_s; // how old they may be; 0: no bound
};

// Where a shard is.
struct gw_metrics_shard {
    struct span name;
    bool discovered;        // its endpoints are found out
    uint64_t endpoints;     // that are known now
    uint64_t found, failed; // look-ups
    int64_t found_s;        // the last one that found something, seconds since the epoch; 0: never
};

// An endpoint of a shard that is checked.
struct gw_metrics_endpoint {
    struct span shard, address;
    uint16_t port;
    bool ready;
    uint64_t good, bad; // checks
};

// What was found about the fields that filters hold on, in one shard: so many pairs of collection and field.
struct gw_metrics_survey {
    struct span shard;
    uint64_t found[GW_FINDING_COUNT];
};

// Questions about them.
struct gw_metrics_surveyor {
    uint64_t answered, failed;
    uint64_t unasked; // there was no room for
};

// A policy bundle in force.
struct gw_bundle_state {
    const char *role; // "gateway", "authority"; NULL: none
    uint64_t version;
    bool last_good; // the one of the configuration did not load
};

// A gate that can be told to observe.
struct gw_metrics_gate {
    uint64_t observers; // rules of the configuration that have it observe now
    int64_t until_ms;   // the first of them ends; 0: none
};

struct gw_policy_rows;

// What is not a loop's count but the process's state; filled by the control thread.
struct gw_metrics_state {
    uint64_t loops;
    uint64_t configuration_generation, revocation_generation;
    uint64_t reloads_ok, reloads_failed;
    uint64_t replay_entries, replay_capacity;
    uint64_t audit_dropped;
    bool audit_failing;
    uint64_t spans_taken, spans_lost;
    int64_t certificate_expires_s; // of the gateway's own certificate, seconds since the epoch
    int64_t start_s;
    bool ready;
    struct gw_feed_state feed;
    const struct gw_policy_rows *policies;            // may be NULL
    const struct gw_named_rows *limits, *shard_names; // likewise
    uint64_t limit_buckets, limit_buckets_used;
    struct gw_bundle_state bundles[2];
    struct gw_metrics_gate gates[GW_GATE_COUNT];
    const struct gw_metrics_issuer *issuers;
    size_t n_issuers;
    const struct gw_metrics_shard *shards;
    size_t n_shards;
    const struct gw_metrics_endpoint *endpoints;
    size_t n_endpoints;
    const struct gw_metrics_survey *surveys;
    size_t n_surveys;
    struct gw_metrics_surveyor surveyor;
};

// Metrics that loops count, for who renders or checks all there are: the i-th, without a name behind the last. Several in a row may have the same name.
struct gw_family gw_metrics_counted(size_t i);

// Appends the whole page.
void gw_metrics_write(const struct gw_page *page, struct gw_metrics *const *loops, size_t n,
                      const struct gw_metrics_state *state);

#endif

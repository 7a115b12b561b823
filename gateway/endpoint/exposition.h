// SPDX-License-Identifier: GPL-3.0-or-later
// The page that a scraper gets, in Prometheus' text format 0.0.4 or, when it asks for it, in OpenMetrics 1.0.0. Samples are written alike in both; what
// stands above them differs: OpenMetrics names a counter without its `_total`, states units, and ends with `# EOF`.
//
// Every metric is a row here, or of GW_METRIC_TABLE (metrics.h), which the loops count. docs/metrics.md is rendered from the two, and dashboards and
// alerts (deploy/monitoring) are checked against them. Names are without the `sallyport_` that the page puts before them all.
#ifndef SALLYPORT_ENDPOINT_EXPOSITION_H
#define SALLYPORT_ENDPOINT_EXPOSITION_H

#include "gateway/base/buf.h"

// X(ID, name, type, labels, help)
#define GW_FAMILY_TABLE(X)                                                                                            \
    X(BUILD_INFO, "build_info", "gauge", "version", "1; the version of the program is in the label.")                 \
    X(START_TIME, "start_time_seconds", "gauge", "", "When the process started.")                                     \
    X(READY, "ready", "gauge", "", "1 while /readyz answers 200.")                                                    \
    X(LOOPS, "loops", "gauge", "", "Event loops.")                                                                    \
    X(CONFIGURATION_GENERATION, "configuration_generation", "gauge", "", "Generation of the configuration in force.") \
    X(RELOADS, "reloads_total", "counter", "result", "Reloads by result.")                                            \
    X(CERTIFICATE_EXPIRY_TIMESTAMP, "certificate_expiry_timestamp_seconds", "gauge", "",                              \
      "When the gateway's own certificate expires.")                                                                  \
    X(HANDSHAKE_DURATION, "handshake_duration_seconds", "histogram", "result",                                        \
      "TLS handshakes from the connection to their good end, by result.")                                             \
    X(REFUSALS, "refusals_total", "counter", "reason", "Refused requests and handshakes by reason.")                  \
    X(REQUEST_DURATION, "request_duration_seconds", "histogram", "",                                                  \
      "From the end of the request's head to the end of the answer.")                                                 \
    X(STAGE_DURATION, "stage_duration_seconds", "histogram", "stage",                                                 \
      "Time in each stage of the decision, waiting not counted.")                                                     \
    X(MODES_OBSERVING, "modes_observing", "gauge", "gate",                                                            \
      "Rules of the configuration that have a gate observe, and not enforce, now.")                                   \
    X(MODES_UNTIL_TIMESTAMP, "modes_until_timestamp_seconds", "gauge", "gate",                                        \
      "When the first of them ends; 0: there is none.")                                                               \
    X(OBSERVED, "observed_total", "counter", "gate, code, reason",                                                    \
      "Requests that a gate would have refused if it enforced, by reason.")                                           \
    X(POLICY_DECISIONS, "policy_decisions_total", "counter", "policy, effect, mode",                                  \
      "Decisions by determining policy; with mode=\"shadow\": that it would have determined.")                        \
    X(POLICY_BUNDLE, "policy_bundle", "gauge", "role, source",                                                        \
      "Version of the policy bundle in force, by where it came from.")                                                \
    X(LIMIT_REFUSALS, "limit_refusals_total", "counter", "rule",                                                      \
      "Requests refused by a rate limit, by the limit that would have to be waited for longest.")                     \
    X(LIMIT_BUCKETS_USED, "limit_buckets_used", "gauge", "",                                                          \
      "Budgets of rate limits that are in use, or were a while ago.")                                                 \
    X(LIMIT_BUCKETS, "limit_buckets", "gauge", "", "Budgets that can be in use at once; full, requests are refused.") \
    X(REPLAY_ENTRIES, "replay_entries", "gauge", "", "Proofs remembered by the replay store.")                        \
    X(REPLAY_CAPACITY, "replay_capacity", "gauge", "", "Proofs the replay store can remember; full, it refuses.")     \
    X(ISSUER_KEY_FETCHES, "issuer_key_fetches_total", "counter", "issuer, result",                                    \
      "Fetches of issuers' keys by result.")                                                                          \
    X(ISSUER_KEYS, "issuer_keys", "gauge", "issuer", "Keys that are known of an issuer whose keys are fetched.")      \
    X(ISSUER_KEYS_READ_TIMESTAMP, "issuer_keys_read_timestamp_seconds", "gauge", "issuer",                            \
      "When they were last fetched well; 0: never.")                                                                  \
    X(ISSUER_KEYS_MAX_STALE, "issuer_keys_max_stale_seconds", "gauge", "issuer",                                      \
      "How old they may get; then the issuer's tokens are refused. 0: no bound.")                                     \
    X(REVOCATION_GENERATION, "revocation_generation", "gauge", "", "Generation of the revocations in force.")         \
    X(REVOCATION_FEED_SEQUENCE, "revocation_feed_sequence", "gauge", "",                                              \
      "Number of the last change of the registry that is in force here.")                                             \
    X(REVOCATION_FEED_HEAD, "revocation_feed_head", "gauge", "",                                                      \
      "Number of the newest change that the authority spoke of.")                                                     \
    X(REVOCATION_FEED_ENTRIES, "revocation_feed_entries", "gauge", "", "Revocations that came over the feed.")        \
    X(REVOCATION_FEED_AGE, "revocation_feed_age_seconds", "gauge", "",                                                \
      "Since the authority signed what is in force; over max_stale everything is refused. NaN: nothing was heard "    \
      "yet.")                                                                                                         \
    X(REVOCATION_FEED_MAX_STALE, "revocation_feed_max_stale_seconds", "gauge", "",                                    \
      "How old it may get; then every request is refused.")                                                           \
    X(REVOCATION_FEED_BATCHES, "revocation_feed_batches_total", "counter", "result",                                  \
      "Answers of the authority by result.")                                                                          \
    X(REVOCATION_FEED_RESETS, "revocation_feed_resets_total", "counter", "",                                          \
      "Times that the whole set was taken anew.")                                                                     \
    X(SHARD_FIRST_BYTE, "shard_first_byte_seconds", "histogram", "shard",                                             \
      "From the end of a request to the head of the shard's answer.")                                                 \
    X(SHARD_ANSWERS, "shard_answers_total", "counter", "shard, status",                                               \
      "What requests to a shard came to: the class of the status, or none.")                                          \
    X(SHARD_CONNECTIONS, "shard_connections", "gauge", "shard, state",                                                \
      "Connections to a shard, as of the last second.")                                                               \
    X(SHARD_WAITING, "shard_waiting", "gauge", "shard",                                                               \
      "Requests that wait for a connection to a shard, as of the last second.")                                       \
    X(SHARD_ENDPOINTS, "shard_endpoints", "gauge", "shard", "Endpoints that are known of a shard.")                   \
    X(SHARD_LOOKUPS, "shard_lookups_total", "counter", "shard, result",                                               \
      "Look-ups of the endpoints of shards by result.")                                                               \
    X(SHARD_ENDPOINTS_FOUND_TIMESTAMP, "shard_endpoints_found_timestamp_seconds", "gauge", "shard",                   \
      "When they were last found; 0: never.")                                                                         \
    X(SHARD_ENDPOINT_READY, "shard_endpoint_ready", "gauge", "shard, address, port",                                  \
      "Whether checks found the endpoint of a shard ready.")                                                          \
    X(SHARD_CHECKS, "shard_checks_total", "counter", "shard, address, port, result",                                  \
      "Checks of endpoints of shards by result.")                                                                     \
    X(FILTER_QUESTIONS, "filter_questions_total", "counter", "result",                                                \
      "Questions to shards about the fields of filters by result.")                                                   \
    X(FILTER_FINDINGS, "filter_findings", "gauge", "shard, finding",                                                  \
      "Collections and fields of filters that a shard is not made for, by what is wrong.")                            \
    X(TRACE_SPANS_EXPORTED, "trace_spans_exported_total", "counter", "result",                                        \
      "Spans that the collector took, and that it never did.")                                                        \
    X(AUDIT_DROPPED, "audit_dropped_total", "counter", "",                                                            \
      "Audit records dropped because the writer could not keep up.")                                                  \
    X(AUDIT_FAILING, "audit_failing", "gauge", "", "1 while the audit log cannot be written.")                        \
    X(AUTHORITY_REQUESTS, "authority_requests_total", "counter", "endpoint, status",                                  \
      "Requests to the authority by endpoint and class of the status.")

enum gw_family_id {
#define X(id, name, type, labels, help) GW_FAMILY_##id,
    GW_FAMILY_TABLE(X)
#undef X
        GW_FAMILY_COUNT
};

struct gw_family {
    const char *name, *type, *labels, *help;
};

struct gw_page {
    struct buf *out;
    bool open; // OpenMetrics
};

extern const struct gw_family gw_families[GW_FAMILY_COUNT];

// What stands above a metric's samples.
void gw_page_head(const struct gw_page *p, const char *name, const char *type, const char *help);
void gw_page_family(const struct gw_page *p, enum gw_family_id f);
// A label's value as both formats quote it.
void gw_page_quoted(const struct gw_page *p, struct span s);
void gw_page_end(const struct gw_page *p);

// Of an Accept field (SPAN_NONE: there is none): whether OpenMetrics 1 is wanted rather than text (RFC 9110 §12.5.1, by weight).
bool gw_page_wants_open(struct span accept);

#endif

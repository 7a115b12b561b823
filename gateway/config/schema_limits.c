// SPDX-License-Identifier: GPL-3.0-or-later
// Rate limits: the rules, and what no single key of them can tell.
#include "gateway/api/action.h"
#include "gateway/base/remote.h"
#include "gateway/config/schema_table.h"
#include "policy/obligation.h"

enum { RULES_MOST = 64, COUNT_MOST = 1000000000, PER_SECOND_MOST = 1000000 };
#define FILLS_IN_MOST (31 * DAY)

#define ACTION(action, word) { NAME(word), (int)GW_ACTION_BIT(GW_ACTION_##action) },
#define GROUP(group, word) { NAME(word), (int)GW_ACTIONS_##group },
static const struct gw_choice actions[] = { GW_ACTION_WORDS(ACTION) GW_ACTION_GROUP_WORDS(GROUP) };

static const struct gw_choice pers[] = {
    { NAME("subject"), GW_LIMIT_PER_SUBJECT }, { NAME("workload"), GW_LIMIT_PER_WORKLOAD },
    { NAME("tenant"), GW_LIMIT_PER_TENANT },   { NAME("client"), GW_LIMIT_PER_CLIENT },
    { NAME("all"), GW_LIMIT_PER_ALL },         { NAME("collection"), GW_LIMIT_PER_COLLECTION },
};
static const struct gw_choice costs[] = { { NAME("request"), 0 }, { NAME("results"), 1 } };

static bool parse_rate(struct span s, uint64_t *count, int64_t *period)
{
    struct span rest = s, number = span_trim(span_cut(&rest, '/'));
    if (!span_to_u64(number, count) || *count == 0)
        return false;
    *period = pol_obligation_period_ms(span_trim(rest));
    return *period > 0;
}

static const char *fault_rate(struct span s)
{
    uint64_t count;
    int64_t period;
    if (!parse_rate(s, &count, &period))
        return "a number a period is expected, of s, min, h and day: 1000/min";
    if (count > COUNT_MOST || count > PER_SECOND_MOST * (uint64_t)(period / SECOND))
        return "this is no limit; at most 1000000/s, and 1000000000 a period, are counted";
    return NULL;
}

#define GLOBS(member, text)                                                                                      \
    {                                                                                                            \
        .key = NAME(#member), .type = GW_FIELD_TEXTS, AT(gw_config_limit_match, member), .fault = gw_fault_glob, \
        .doc = "patterns of " text "; everything without it"                                                     \
    }

static const struct gw_field match_fields[] = {
    { .key = NAME("actions"),
      .type = GW_FIELD_FLAGS,
      AT(gw_config_limit_match, actions),
      CHOICES(actions),
      .doc = "list of actions or action groups; all without it" },
    GLOBS(databases, "the database"),
    GLOBS(tenants, "the token's tenant, or of the one that the request names when the token has none"),
    GLOBS(collections, "the collection"),
    GLOBS(workloads, "the workload's SPIFFE ID"),
    GLOBS(roles, "roles of the token, one of which must match"),
};
static const struct gw_schema match_schema = PART(match_fields, gw_config_limit_match);

static const struct gw_field rule_fields[] = {
    { .key = NAME("name"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_limit, name),
      .required = true,
      .fault = gw_fault_name,
      .doc = "a short name, for metrics, records and the RateLimit fields of answers: clients see it" },
    { .key = NAME("match"),
      .type = GW_FIELD_MAP,
      AT(gw_config_limit, match),
      .schema = &match_schema,
      .doc = "which requests it is for; all without it" },
    { .key = NAME("per"),
      .type = GW_FIELD_CHOICE,
      AT(gw_config_limit, per),
      CHOICES(pers),
      .fallback = "subject",
      .doc = "who has a budget of their own: each subject (of an issuer), workload, tenant, client (client_id of an "
             "issuer) or collection; all: one for everybody together" },
    { .key = NAME("rate"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_limit, rate),
      .required = true,
      .fault = fault_rate,
      .doc = "how much a period comes back, which is s, min, h or day: 1000/min" },
    { .key = NAME("burst"),
      .type = GW_FIELD_COUNT,
      AT(gw_config_limit, burst),
      .low = 1,
      .high = COUNT_MOST,
      .doc = "how much can be used at once; without it the number of rate" },
    { .key = NAME("cost"),
      .type = GW_FIELD_SWITCH,
      AT(gw_config_limit, by_results),
      CHOICES(costs),
      .fallback = "request",
      .doc =
          "request: every request costs 1; results: a search or a read costs as many units as records it may return" },
    { .key = NAME("unit"),
      .type = GW_FIELD_COUNT,
      AT(gw_config_limit, unit),
      .fallback = "10",
      .low = 1,
      .high = 1000000,
      .doc = "with cost: results, how many records cost 1" },
};
static const struct gw_schema rule_schema = PLACED(rule_fields, gw_config_limit);

static const char *fault_network(struct span s)
{
    return remote_network_parses(s) ? NULL : "an address or a network is expected, such as 192.0.2.1 or 2001:db8::/32";
}

#define FAILURE_FIELDS(name_, rate_, burst_, what_)                                                \
    static const struct gw_field name_##_fields[] = {                                              \
        { .key = NAME("rate"),                                                                     \
          .type = GW_FIELD_TEXT,                                                                   \
          AT(gw_config_failure, rate),                                                             \
          .fallback = rate_,                                                                       \
          .fault = fault_rate,                                                                     \
          .doc = "how many " what_ " a period, which is s, min, h or day, are looked at: 100/s" }, \
        { .key = NAME("burst"),                                                                    \
          .type = GW_FIELD_COUNT,                                                                  \
          AT(gw_config_failure, burst),                                                            \
          .fallback = burst_,                                                                      \
          .low = 1,                                                                                \
          .high = COUNT_MOST,                                                                      \
          .doc = "how many at once" },                                                             \
    };                                                                                             \
    static const struct gw_schema name_##_schema = PLACED(name_##_fields, gw_config_failure)
FAILURE_FIELDS(failed_requests, "100/s", "1000", "requests of a workload that are refused for token or proof");
FAILURE_FIELDS(failed_handshakes, "100/s", "1000", "handshakes of an address, or an IPv6 /64, that fail");

static const struct gw_field failures_fields[] = {
    { .key = NAME("requests"),
      .type = GW_FIELD_MAP,
      AT(gw_config_failures, requests),
      .schema = &failed_requests_schema,
      .doc = "those of a workload that are refused for their token or proof; over it all of its requests are answered "
             "429" },
    { .key = NAME("handshakes"),
      .type = GW_FIELD_MAP,
      AT(gw_config_failures, handshakes),
      .schema = &failed_handshakes_schema,
      .doc = "those of an address that fail; over it its new connections are closed at once" },
    { .key = NAME("open_handshakes"),
      .type = GW_FIELD_COUNT,
      AT(gw_config_failures, open_handshakes),
      .fallback = "2048",
      .low = 1,
      .high = 10000000,
      .doc = "handshakes of an address, or an IPv6 /64, that can be under way at once; divided among the loops" },
    { .key = NAME("shared_addresses"),
      .type = GW_FIELD_TEXTS,
      AT(gw_config_failures, shared_addresses),
      .fallback = "[127.0.0.0/8, '::1']",
      .fault = fault_network,
      .doc = "addresses and networks that many share, such as those of proxies, of NAT and of nodes: nobody is turned "
             "away for what others there do" },
};
static const struct gw_schema failures_schema = PART(failures_fields, gw_config_failures);

static const struct gw_field rates_fields[] = {
    { .key = NAME("rules"),
      .type = GW_FIELD_LIST,
      AT(gw_config_rates, rules),
      .extra = offsetof(struct gw_config_rates, rules_n),
      .schema = &rule_schema,
      .doc = "limits, of which all that match a request apply to it" },
    { .key = NAME("headers"),
      .type = GW_FIELD_BOOL,
      AT(gw_config_rates, headers),
      .fallback = "true",
      .doc = "whether answers have RateLimit and RateLimit-Policy fields" },
    { .key = NAME("buckets"),
      .type = GW_FIELD_COUNT,
      AT(gw_config_rates, buckets),
      .fallback = "65536",
      .low = 1024,
      .high = 16777216,
      .doc = "how many budgets can be in use at once, of which one workload's requests may take up a quarter; over "
             "that they are refused" },
    { .key = NAME("failures"),
      .type = GW_FIELD_MAP,
      AT(gw_config_rates, failures),
      .schema = &failures_schema,
      .doc = "how often somebody may fail before he is turned away" },
};
const struct gw_schema gw_config_rates_schema = PLACED(rates_fields, gw_config_rates);

void gw_config_check_limits(struct gw_config *c, struct diags *diags)
{
    struct gw_config_limit *rules = (void *)(uintptr_t)c->limits.rules;

    struct gw_config_failure *failures[] = { &c->limits.failures.requests, &c->limits.failures.handshakes };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (!parse_rate(failures[i]->rate.v, &failures[i]->count, &failures[i]->period))
            failures[i]->count = (uint64_t)(failures[i]->period = 1); // it was complained about
    if (c->limits.rules_n > RULES_MOST)
        gw_config_error(c, rules[RULES_MOST].at, diags, "more than %d limits", RULES_MOST);
    for (size_t i = 0; i < c->limits.rules_n; i++) {
        struct gw_config_limit *r = &rules[i];
        for (size_t j = 0; j < i && !span_is_none(r->name.v); j++)
            if (span_eq(rules[j].name.v, r->name.v)) {
                gw_config_error(c, r->name.at, diags, "the limit '%.*s' is already in line %u; names must differ",
                                SPAN_FMT(r->name.v), rules[j].name.at.line);
                break;
            }
        if (span_is_none(r->rate.v) || !parse_rate(r->rate.v, &r->count, &r->period))
            continue; // it was complained about
        if (r->burst == 0)
            r->burst = r->count;
        if (r->burst / r->count >= (uint64_t)(FILLS_IN_MOST / r->period))
            gw_config_error(c, r->at, diags,
                            "a burst of %llu takes more than a month to come back at %.*s; lower 'burst'",
                            (unsigned long long)r->burst, SPAN_FMT(r->rate.v));
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
// How often, and how much: every limit that the request counts for, of the configuration and of the policies that permitted it, must have enough
// left (docs/limits.md). All are charged, or none is.
//
// A rule of the configuration counts a request once, however many authorisations of it match; one that counts by collection, once for each
// collection. A policy's @limit counts it once, however many authorisations the policy permitted.
#include "gateway/api/placement.h"
#include "gateway/stages/pipeline.h"

#define NS_PER_S 1000000000
#define SF_INTEGER_MAX 999999999999999u // RFC 9651 §3.3.1

// What a charge is for. A policy's id is for the record only: clients are told "@limit".
struct limit {
    struct span name; // of the rule; SPAN_NONE: of a policy
    uint32_t policy;
    uint16_t row; // of metrics
};

struct charges {
    struct gw_exchange *x;
    struct gw_quota_charge *charge;
    struct limit *limit;
    size_t n;
};

// ------------------------------------------------------------------------------------------------------ what matches

static bool matches(const struct gw_config_texts *globs, struct span name)
{
    for (size_t i = 0; i < globs->n; i++)
        if (span_eq(globs->v[i].v, SPAN("*")) || (!span_is_none(name) && gw_placement_glob(globs->v[i].v, name)))
            return true;
    return globs->n == 0;
}

// As policies call them: issuer/role.
static bool matches_role(struct gw_exchange *x, const struct gw_config_texts *globs)
{
    const struct pki_token *t = x->token;
    for (size_t i = 0; t && globs->n > 0 && i < t->roles.n; i++) {
        struct span role = arena_join(&x->arena, t->issuer->name, '/', t->roles.at[i]);
        // Without memory to tell, the limit counts.
        if (span_is_none(role) || matches(globs, role))
            return true;
    }
    return globs->n == 0;
}

static struct span tenant_of(const struct gw_exchange *x, const struct gw_api_authorisation *a)
{
    return !x->token || span_is_none(x->token->tenant) ? a->tenant : x->token->tenant;
}

static bool matches_authorisation(const struct gw_exchange *x, const struct gw_config_limit_match *m,
                                  const struct gw_api_authorisation *a)
{
    return (m->actions == 0 || (m->actions & GW_ACTION_BIT(a->action))) && matches(&m->databases, a->database) &&
           matches(&m->tenants, tenant_of(x, a)) && matches(&m->collections, a->collection);
}

// ---------------------------------------------------------------------------------------------------- what it costs

// In units of the rule, of the records that the answer may have. What nobody bounded costs all that a full bucket holds.
static uint64_t cost_of(const struct gw_api_meaning *m, const struct gw_config_limit *rule, uint64_t burst)
{
    unsigned actions = 0;
    uint64_t records;
    if (!rule->by_results)
        return 1;
    for (size_t i = 0; i < m->n_authorisations; i++)
        actions |= GW_ACTION_BIT(m->authorisations[i].action);
    if (actions & GW_ACTION_BIT(GW_ACTION_EXPORT))
        return burst;
    if (m->counts || !(actions & (GW_ACTION_BIT(GW_ACTION_SEARCH) | GW_ACTION_BIT(GW_ACTION_READ))))
        return 1;
    if (!m->facts.has_limit)
        return burst;
    if (__builtin_mul_overflow(m->facts.limit, m->facts.has_queries ? m->facts.queries : 1, &records))
        return UINT64_MAX;
    return records == 0 ? 1 : (records - 1) / rule->unit + 1;
}

// ----------------------------------------------------------------------------------------------------- the charges

static struct span workload_of(const struct gw_exchange *x)
{
    return x->peer ? x->peer->identity.spiffe_id : SPAN_NONE;
}

// Who it is counted for, as the parts behind the limit's kind and name. Every kind has as many.
#define PARTS 6
static void parts_of(const struct gw_exchange *x, const struct gw_config_limit *rule,
                     const struct gw_api_authorisation *a, struct span parts[static PARTS])
{
    const struct pki_token *t = x->token;
    enum gw_config_limit_per per = rule->per;
    // Without a token the workload is all that there is to count for.
    if (!t && (per == GW_LIMIT_PER_SUBJECT || per == GW_LIMIT_PER_CLIENT))
        per = GW_LIMIT_PER_WORKLOAD;
    switch (per) {
    case GW_LIMIT_PER_SUBJECT:
        parts[2] = SPAN("subject");
        parts[3] = t->issuer->iss;
        parts[4] = t->subject;
        parts[5] = span_is_none(t->subject) ? t->client_id : SPAN_NONE;
        break;
    case GW_LIMIT_PER_WORKLOAD:
        parts[2] = SPAN("workload");
        parts[3] = workload_of(x);
        break;
    case GW_LIMIT_PER_TENANT:
        parts[2] = SPAN("tenant");
        parts[3] = tenant_of(x, a);
        break;
    case GW_LIMIT_PER_CLIENT:
        parts[2] = SPAN("client");
        parts[3] = t->issuer->iss;
        parts[4] = t->client_id;
        break;
    case GW_LIMIT_PER_COLLECTION:
        parts[2] = SPAN("collection");
        parts[3] = a->tenant;
        parts[4] = a->database;
        parts[5] = a->collection;
        break;
    case GW_LIMIT_PER_ALL: parts[2] = SPAN("all"); break;
    }
}

// Once for each bucket.
static void add(struct charges *c, uint64_t bucket, const struct gw_quota_rate *rate, uint64_t cost, struct limit limit)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->charge[i].bucket == bucket)
            return;
    c->charge[c->n] = (struct gw_quota_charge){ .bucket = bucket, .rate = *rate, .cost = cost };
    c->limit[c->n++] = limit;
}

static void add_rule(struct charges *c, size_t index)
{
    struct gw_exchange *x = c->x;
    const struct gw_config_limit *rule = &x->snapshot->config->limits.rules[index];
    const struct gw_api_meaning *m = &x->meaning;
    const uint16_t *rows = x->snapshot->limit_rows;
    if (!matches(&rule->match.workloads, workload_of(x)) || !matches_role(x, &rule->match.roles))
        return;
    struct gw_quota_rate rate = gw_quota_rate(rule->count, rule->period, rule->burst);
    uint64_t cost = cost_of(m, rule, rate.burst);
    for (size_t i = 0; i < m->n_authorisations; i++) {
        const struct gw_api_authorisation *a = &m->authorisations[i];
        struct span parts[PARTS] = { SPAN("rule"), rule->name.v };
        if (!matches_authorisation(x, &rule->match, a))
            continue;
        parts_of(x, rule, a, parts);
        add(c, gw_quota_bucket(x->services->quota, parts, PARTS, &rate), &rate, cost,
            (struct limit){ .name = rule->name.v, .row = rows ? rows[index] : GW_LIMIT_ROW_OTHERS });
        if (rule->per != GW_LIMIT_PER_COLLECTION)
            return;
    }
}

// Of the decisions that the request was allowed by, not of one that a lesser request took the place of.
static bool decided_by(const struct gw_exchange *x, const struct gw_decision *d)
{
    const struct gw_api_authorisation *first = x->meaning.authorisations;
    return d->answer.allow && d->authorisation >= first && d->authorisation < first + x->meaning.n_authorisations;
}

static void add_obligation(struct charges *c, const struct gw_decision *d, const struct pol_obligation *o)
{
    struct gw_exchange *x = c->x;
    const struct pki_token *t = x->token;
    struct gw_quota_rate rate = gw_quota_rate(o->count, o->period_ms, o->count);
    const struct span parts[PARTS] = {
        SPAN("policy"),
        pol_set_policy(d->request.set, o->policy)->id,
        workload_of(x),
        t ? t->issuer->iss : SPAN_NONE,
        t ? t->subject : SPAN_NONE,
        t && span_is_none(t->subject) ? t->client_id : SPAN_NONE,
    };
    add(c, gw_quota_bucket(x->services->quota, parts, PARTS, &rate), &rate, 1,
        (struct limit){ .name = SPAN_NONE, .policy = o->policy, .row = GW_LIMIT_ROW_POLICIES });
}

// At most so many charges; 0: no limit concerns the request.
static size_t most(const struct gw_exchange *x)
{
    const struct gw_config_rates *limits = &x->snapshot->config->limits;
    size_t n = 0;
    for (size_t i = 0; i < limits->rules_n; i++)
        n += limits->rules[i].per == GW_LIMIT_PER_COLLECTION ? x->meaning.n_authorisations : 1;
    for (size_t i = 0; i < x->n_decisions; i++)
        if (decided_by(x, &x->decisions[i]))
            for (size_t k = 0; k < x->decisions[i].answer.n_obligations; k++)
                n += x->decisions[i].answer.obligations[k].kind == POL_OBLIGATION_LIMIT;
    return n;
}

static void gather(struct charges *c)
{
    struct gw_exchange *x = c->x;
    for (size_t i = 0; i < x->snapshot->config->limits.rules_n; i++)
        add_rule(c, i);
    for (size_t i = 0; i < x->n_decisions; i++) {
        const struct gw_decision *d = &x->decisions[i];
        for (size_t k = 0; decided_by(x, d) && k < d->answer.n_obligations; k++)
            if (d->answer.obligations[k].kind == POL_OBLIGATION_LIMIT)
                add_obligation(c, d, &d->answer.obligations[k]);
    }
}

// ----------------------------------------------------------------------------------------------------- what is said

// Which of two a client should know about: one that refused, for good or for longer; else the one of which less is left.
static bool matters_more(const struct gw_quota_charge *a, const struct gw_quota_charge *b)
{
    if (a->outcome != b->outcome)
        return a->outcome > b->outcome;
    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns;
    return a->remaining != b->remaining ? a->remaining < b->remaining : a->reset_ns > b->reset_ns;
}

static uint64_t seconds(int64_t ns)
{
    return ((uint64_t)ns + NS_PER_S - 1) / NS_PER_S;
}

static uint64_t sf(uint64_t n)
{
    return n < SF_INTEGER_MAX ? n : SF_INTEGER_MAX;
}

// draft-ietf-httpapi-ratelimit-headers-10 §3, §4: of a token bucket, q is what a full one holds and w in how long it fills up, so that r never is
// more than q, nor t more than w.
static void tell(struct gw_exchange *x, const struct gw_quota_charge *c, const struct limit *limit)
{
    struct span name = span_is_none(limit->name) ? SPAN("@limit") : limit->name;
    struct gw_answer_field *policy = &x->fields[GW_ANSWER_LIMIT_POLICY], *left = &x->fields[GW_ANSWER_LIMIT];
    *policy = (struct gw_answer_field){
        SPAN("ratelimit-policy"),
        arena_printf(&x->arena, "\"%.*s\";q=%llu;w=%llu", SPAN_FMT(name), (unsigned long long)sf(c->rate.burst),
                     (unsigned long long)sf(seconds(c->rate.full_ns))),
    };
    *left = (struct gw_answer_field){
        SPAN("ratelimit"),
        arena_printf(&x->arena, "\"%.*s\";r=%llu;t=%llu", SPAN_FMT(name), (unsigned long long)sf(c->remaining),
                     (unsigned long long)sf(seconds(c->reset_ns))),
    };
    if (span_is_none(policy->value) || span_is_none(left->value))
        *policy = *left = (struct gw_answer_field){ SPAN_NONE, SPAN_NONE };
}

static struct span refusal(struct gw_exchange *x, const struct gw_quota_charge *c, const struct limit *limit)
{
    struct span kind = span_is_none(limit->name) ? SPAN("@limit of policy") : SPAN("limit");
    struct span name =
        span_is_none(limit->name) ? pol_set_policy(x->snapshot->policies, limit->policy)->id : limit->name;
    switch (c->outcome) {
    case GW_QUOTA_NEVER:
        return arena_printf(&x->arena, "%.*s %.*s: a request that costs %llu is more than its burst of %llu",
                            SPAN_FMT(kind), SPAN_FMT(name), (unsigned long long)c->cost,
                            (unsigned long long)c->rate.burst);
    case GW_QUOTA_SHARE:
        return arena_printf(&x->arena, "%.*s %.*s: the workload has its share of limits.buckets in use", SPAN_FMT(kind),
                            SPAN_FMT(name));
    case GW_QUOTA_CROWDED:
        return arena_printf(&x->arena, "%.*s %.*s: no place is left in limits.buckets", SPAN_FMT(kind), SPAN_FMT(name));
    default: return arena_printf(&x->arena, "%.*s %.*s", SPAN_FMT(kind), SPAN_FMT(name));
    }
}

int gw_stage_limits(struct gw_exchange *x)
{
    size_t n = most(x), told = 0;
    if (n == 0)
        return GW_PASS;
    if (!x->services->quota)
        return ERR_OVERLOADED;
    struct charges c = { .x = x,
                         .charge = arena_array(&x->arena, n, sizeof *c.charge),
                         .limit = arena_array(&x->arena, n, sizeof *c.limit) };
    if (!c.charge || !c.limit)
        return ERR_NOMEM;
    gather(&c);
    if (x->arena.failed) // a role may have been missed for want of memory
        return ERR_NOMEM;
    if (c.n == 0)
        return GW_PASS;
    const struct span workload = workload_of(x);
    uint64_t owner = gw_quota_bucket(x->services->quota, &workload, 1, &(struct gw_quota_rate){ 0 });
    int rc = gw_quota_take(x->services->quota, c.charge, c.n, owner, x->now.mono_ms);
    for (size_t i = 1; i < c.n; i++)
        if (matters_more(&c.charge[i], &c.charge[told]))
            told = i;
    if (x->snapshot->config->limits.headers)
        tell(x, &c.charge[told], &c.limit[told]);
    if (rc == 0)
        return GW_PASS;
    gw_count_limit(x->services->metrics, c.limit[told].row);
    x->never = c.charge[told].outcome == GW_QUOTA_NEVER;
    x->retry_after_s = seconds(c.charge[told].wait_ns);
    return gw_refuse(x, rc, refusal(x, &c.charge[told], &c.limit[told]));
}

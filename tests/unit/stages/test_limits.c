// SPDX-License-Identifier: GPL-3.0-or-later
// The limits stage: which limits a request counts for, for whom, at what cost, and what is said of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/err.h"
#include "gateway/stages/pipeline.h"
#include "tests/unit/config/least.h"

struct fixture {
    struct diags diags;
    struct gw_config *config;
    struct gw_snapshot snapshot;
    struct gw_metrics metrics;
    struct gw_services services;
    uint16_t rows[8];
    int64_t now_ms;
};

// One request: who makes it and what it is. What is left empty has a default.
struct request {
    const char *workload, *subject, *client, *tenant, *role;
    struct gw_api_authorisation authorisations[3]; // those with a collection or an action; one at least
    size_t n;
    struct gw_api_facts facts;
    bool counts;
    struct pol_obligation obligations[2]; // of every decision
    size_t n_obligations;
};

struct outcome {
    int rc;
    uint64_t retry_after_s;
    bool never;
    char detail[160], policy[80], state[80]; // "": none
};

static void fixture_init(struct fixture *f, const char *limits)
{
    struct buf b;
    memset(f, 0, sizeof *f);
    diags_init(&f->diags);
    buf_init(&b, 0);
    buf_printf(&b, LEAST "%s", limits);
    int rc = gw_config_parse(buf_span(&b), SPAN("f.yaml"), &f->config, &f->diags);
    for (const struct diag *d = f->diags.first; d; d = d->next)
        print_error("%.*s\n", SPAN_FMT(d->text));
    assert_int_equal(rc, 0);
    buf_fini(&b);
    static const struct pol_options options = { .strict_annotations = false, .hash_key = 7 };
    struct pol_source source = { SPAN("p.cedar"), SPAN("@id(\"p0\") permit(principal, action, resource);"
                                                       "@id(\"p1\") permit(principal, action, resource);") };
    f->snapshot.policies = pol_set_new(&source, 1, NULL, 0, &options, &f->diags);
    assert_non_null(f->snapshot.policies);
    for (uint16_t i = 0; i < 8; i++)
        f->rows[i] = i;
    f->snapshot.config = f->config;
    f->snapshot.limit_rows = f->rows;
    f->services.metrics = &f->metrics;
    f->services.quota = gw_quota_new(&(struct gw_quota_options){ .buckets = 1024, .share_percent = 25, .key = { 1 } });
    f->now_ms = 1000000;
}

static void fixture_fini(struct fixture *f)
{
    gw_quota_free(f->services.quota);
    pol_set_free(f->snapshot.policies);
    gw_config_free(f->config);
    diags_fini(&f->diags);
}

static void keep(char *to, size_t cap, struct span s)
{
    snprintf(to, cap, "%.*s", SPAN_FMT(s));
}

static struct outcome ask(struct fixture *f, const struct request *r)
{
    struct pki_issuer issuer = { .name = SPAN("corp"), .iss = SPAN("https://i") };
    struct span role = span_str(r->role);
    struct pki_token token = { .issuer = &issuer,
                               .subject = r->subject ? span_str(r->subject) : SPAN("alice"),
                               .client_id = span_str(r->client),
                               .tenant = span_str(r->tenant),
                               .roles = { &role, r->role != NULL } };
    struct gw_tls_peer peer = { .identity = { .spiffe_id =
                                                  r->workload ? span_str(r->workload) : SPAN("spiffe://a/w") } };
    struct gw_api_authorisation authorisations[3];
    struct gw_decision decisions[3];
    size_t n = r->n ? r->n : 1;
    memcpy(authorisations, r->authorisations, sizeof authorisations);
    memset(decisions, 0, sizeof decisions);
    for (size_t i = 0; i < n; i++) {
        decisions[i] = (struct gw_decision){ .authorisation = &authorisations[i], .decided = true };
        decisions[i].request.set = f->snapshot.policies;
        decisions[i].answer.allow = true;
        decisions[i].answer.obligations = r->obligations;
        decisions[i].answer.n_obligations = r->n_obligations;
    }
    struct gw_exchange x = { .snapshot = &f->snapshot,
                             .services = &f->services,
                             .peer = &peer,
                             .token = &token,
                             .now = { .mono_ms = f->now_ms },
                             .decisions = decisions,
                             .n_decisions = n };
    x.meaning.authorisations = authorisations;
    x.meaning.n_authorisations = n;
    x.meaning.facts = r->facts;
    x.meaning.counts = r->counts;
    arena_init(&x.arena, 1 << 20);
    struct outcome o = { .rc = gw_stage_limits(&x), .retry_after_s = x.retry_after_s, .never = x.never };
    keep(o.detail, sizeof o.detail, x.detail);
    if (!span_is_none(x.fields[GW_ANSWER_LIMIT].name)) {
        keep(o.policy, sizeof o.policy, x.fields[GW_ANSWER_LIMIT_POLICY].value);
        keep(o.state, sizeof o.state, x.fields[GW_ANSWER_LIMIT].value);
    }
    arena_fini(&x.arena);
    return o;
}

// How many such requests get through at this moment, up to `most`.
static int through(struct fixture *f, const struct request *r, int most)
{
    int n = 0;
    while (n < most && ask(f, r).rc == 0)
        n++;
    return n;
}

static void no_limits_no_fields(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "");
    struct outcome o = ask(&f, &(struct request){ 0 });
    assert_int_equal(o.rc, 0);
    assert_string_equal(o.policy, "");
    assert_int_equal(gw_quota_used(f.services.quota), 0);
    fixture_fini(&f);
}

static void a_limit_is_told_held_to_and_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "limits: {rules: [{name: few, rate: 3/min}]}\n");
    const struct request r = { 0 };
    struct outcome o = ask(&f, &r);
    assert_int_equal(o.rc, 0);
    assert_string_equal(o.policy, "\"few\";q=3;w=60");
    assert_string_equal(o.state, "\"few\";r=2;t=20");
    assert_int_equal(through(&f, &r, 10), 2);
    o = ask(&f, &r);
    assert_int_equal(o.rc, ERR_RATE);
    assert_int_equal(o.retry_after_s, 20);
    assert_false(o.never);
    assert_string_equal(o.detail, "limit few");
    assert_string_equal(o.state, "\"few\";r=0;t=60");
    assert_int_equal(f.metrics.limit[0], 2);
    f.now_ms += 20000;
    assert_int_equal(through(&f, &r, 10), 1);
    fixture_fini(&f);
}

static void fields_can_be_left_out(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "limits: {headers: false, rules: [{name: few, rate: 1/min}]}\n");
    assert_string_equal(ask(&f, &(struct request){ 0 }).policy, "");
    struct outcome o = ask(&f, &(struct request){ 0 });
    assert_int_equal(o.rc, ERR_RATE);
    assert_int_equal(o.retry_after_s, 60);
    assert_string_equal(o.policy, "");
    fixture_fini(&f);
}

static void each_has_a_budget_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *per;
        struct request other; // than alice's first
        bool shared;
    } rows[] = {
        { "subject", { .subject = "bob" }, false },
        { "subject", { .workload = "spiffe://a/x", .client = "c" }, true },
        { "workload", { .workload = "spiffe://a/x" }, false },
        { "workload", { .subject = "bob", .client = "c" }, true },
        { "tenant", { .tenant = "acme" }, false },
        { "tenant", { .subject = "bob" }, true },
        { "client", { .client = "c" }, false },
        { "client", { .subject = "bob" }, true },
        { "collection", { .authorisations = { { .collection = SPAN("logs") } } }, false },
        { "collection", { .authorisations = { { .collection = SPAN("docs"), .database = SPAN("d") } } }, false },
        { "collection", { .subject = "bob", .authorisations = { { .collection = SPAN("docs") } } }, true },
        { "all", { .subject = "bob", .workload = "spiffe://a/x", .tenant = "t", .client = "c" }, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        char limits[120];
        snprintf(limits, sizeof limits, "limits: {rules: [{name: few, per: %s, rate: 2/h}]}\n", rows[i].per);
        fixture_init(&f, limits);
        const struct request first = { .authorisations = { { .collection = SPAN("docs") } } };
        assert_int_equal(through(&f, &first, 9), 2);
        if (through(&f, &rows[i].other, 9) != (rows[i].shared ? 0 : 2))
            fail_msg("row %zu", i);
        fixture_fini(&f);
    }
}

static void a_token_s_tenant_counts_before_the_one_in_the_path(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "limits: {rules: [{name: few, per: tenant, rate: 2/h, match: {tenants: [acme]}}]}\n");
    struct request r = { .tenant = "acme", .authorisations = { { .tenant = SPAN("other") } } };
    assert_int_equal(through(&f, &r, 9), 2);
    r = (struct request){ .authorisations = { { .tenant = SPAN("acme") } } };
    assert_int_equal(through(&f, &r, 9), 0);
    r = (struct request){ .tenant = "other", .authorisations = { { .tenant = SPAN("acme") } } };
    assert_int_equal(through(&f, &r, 9), 9);
    fixture_fini(&f);
}

static void rules_are_for_what_they_match(void **state)
{
    (void)state;
    static const struct {
        const char *match;
        struct request request;
        bool matches;
    } rows[] = {
        { "{actions: [search]}", { .authorisations = { { .action = GW_ACTION_SEARCH } } }, true },
        { "{actions: [search]}", { .authorisations = { { .action = GW_ACTION_READ } } }, false },
        { "{actions: [readwrite]}", { .authorisations = { { .action = GW_ACTION_DELETE } } }, true },
        { "{actions: [readwrite]}", { .authorisations = { { .action = GW_ACTION_DROP } } }, false },
        { "{collections: [\"doc*\", x]}", { .authorisations = { { .collection = SPAN("docs") } } }, true },
        { "{collections: [\"doc*\", x]}", { .authorisations = { { .collection = SPAN("logs") } } }, false },
        { "{collections: [\"doc*\", x]}", { .n = 1 }, false },
        { "{collections: [\"*\"]}", { .n = 1 }, true },
        { "{databases: [d]}", { .authorisations = { { .database = SPAN("d") } } }, true },
        { "{databases: [d]}", { .authorisations = { { .database = SPAN("e") } } }, false },
        { "{workloads: [\"spiffe://a/*\"]}", { .n = 1 }, true },
        { "{workloads: [\"spiffe://b/*\"]}", { .n = 1 }, false },
        { "{roles: [corp/batch]}", { .role = "batch" }, true },
        { "{roles: [corp/batch]}", { .role = "online" }, false },
        { "{roles: [\"*\"]}", { .n = 1 }, false },
        { "{roles: [batch]}", { .role = "batch" }, false }, // an issuer's roles are its own
        // One authorisation must match with both; a second one may be the one that does.
        { "{actions: [read], collections: [b]}",
          { .authorisations = { { .action = GW_ACTION_READ, .collection = SPAN("a") },
                                { .action = GW_ACTION_SEARCH, .collection = SPAN("b") } },
            .n = 2 },
          false },
        { "{actions: [read], collections: [b]}",
          { .authorisations = { { .action = GW_ACTION_SEARCH, .collection = SPAN("a") },
                                { .action = GW_ACTION_READ, .collection = SPAN("b") } },
            .n = 2 },
          true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        char limits[160];
        snprintf(limits, sizeof limits, "limits: {rules: [{name: few, match: %s, rate: 2/h}]}\n", rows[i].match);
        fixture_init(&f, limits);
        if (through(&f, &rows[i].request, 5) != (rows[i].matches ? 2 : 5))
            fail_msg("row %zu", i);
        fixture_fini(&f);
    }
}

static void a_request_counts_once_or_once_for_each_collection(void **state)
{
    (void)state;
    const struct request both = { .authorisations = { { .action = GW_ACTION_SEARCH, .collection = SPAN("a") },
                                                      { .action = GW_ACTION_READ, .collection = SPAN("b") },
                                                      { .action = GW_ACTION_READ, .collection = SPAN("b") } },
                                  .n = 3 };
    struct fixture f;
    fixture_init(&f, "limits: {rules: [{name: few, rate: 4/h}]}\n");
    assert_int_equal(through(&f, &both, 9), 4);
    fixture_fini(&f);
    fixture_init(&f, "limits: {rules: [{name: few, rate: 4/h, per: collection}]}\n");
    const struct request b = { .authorisations = { { .collection = SPAN("b") } } };
    assert_int_equal(through(&f, &b, 1), 1);
    assert_int_equal(through(&f, &both, 9), 3); // of b there is no more
    const struct request a = { .authorisations = { { .collection = SPAN("a") } } };
    assert_int_equal(through(&f, &a, 9), 1);
    fixture_fini(&f);
}

static void a_costly_search_costs_what_it_may_return(void **state)
{
    (void)state;
    static const struct {
        struct request request;
        uint64_t left; // of 1000; UINT64_MAX: refused for ever
    } rows[] = {
        { { .authorisations = { { .action = GW_ACTION_SEARCH } }, .facts = { .has_limit = true, .limit = 10 } }, 999 },
        { { .authorisations = { { .action = GW_ACTION_SEARCH } }, .facts = { .has_limit = true, .limit = 11 } }, 998 },
        { { .authorisations = { { .action = GW_ACTION_SEARCH } }, .facts = { .has_limit = true, .limit = 0 } }, 999 },
        { { .authorisations = { { .action = GW_ACTION_SEARCH } }, .facts = { .has_limit = true, .limit = 10000 } }, 0 },
        { { .authorisations = { { .action = GW_ACTION_SEARCH } }, .facts = { .has_limit = true, .limit = 10001 } },
          UINT64_MAX },
        { { .authorisations = { { .action = GW_ACTION_SEARCH } },
            .facts = { .has_limit = true, .limit = 100, .has_queries = true, .queries = 7 } },
          930 },
        { { .authorisations = { { .action = GW_ACTION_SEARCH } },
            .facts = { .has_limit = true, .limit = UINT64_MAX, .has_queries = true, .queries = 7 } },
          UINT64_MAX },
        // Nobody bounded it: all there is.
        { { .authorisations = { { .action = GW_ACTION_READ } } }, 0 },
        { { .authorisations = { { .action = GW_ACTION_EXPORT } } }, 0 },
        { { .authorisations = { { .action = GW_ACTION_WRITE }, { .action = GW_ACTION_READ } }, .n = 2 }, 0 },
        // A number is no record, and a write returns none.
        { { .authorisations = { { .action = GW_ACTION_READ } }, .counts = true }, 999 },
        { { .authorisations = { { .action = GW_ACTION_WRITE } }, .facts = { .unread = true } }, 999 },
        { { .authorisations = { { .action = GW_ACTION_DELETE } }, .facts = { .has_limit = true, .limit = 500 } }, 999 },
        { { .authorisations = { { .action = GW_ACTION_META } } }, 999 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        char expected[60];
        fixture_init(&f, "limits: {rules: [{name: results, rate: 1000/day, cost: results}]}\n");
        struct outcome o = ask(&f, &rows[i].request);
        if (rows[i].left == UINT64_MAX) {
            assert_int_equal(o.rc, ERR_RATE);
            assert_true(o.never);
            assert_int_equal(o.retry_after_s, 0);
            assert_non_null(strstr(o.detail, "is more than its burst of 1000"));
        } else {
            assert_int_equal(o.rc, 0);
            snprintf(expected, sizeof expected, "\"results\";r=%llu;", (unsigned long long)rows[i].left);
            if (strncmp(o.state, expected, strlen(expected)) != 0)
                fail_msg("row %zu: %s", i, o.state);
        }
        fixture_fini(&f);
    }
}

static void all_limits_apply_and_what_one_refuses_costs_the_others_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "limits:\n  rules:\n    - {name: wide, rate: 100/h}\n    - {name: narrow, per: all, rate: 2/h}\n"
                     "    - {name: day, rate: 50/day}\n");
    const struct request r = { 0 };
    struct outcome o = ask(&f, &r);
    assert_string_equal(o.state, "\"narrow\";r=1;t=1800"); // the one of which least is left
    assert_int_equal(through(&f, &r, 9), 1);
    for (int i = 0; i < 60; i++) {
        o = ask(&f, &r);
        assert_int_equal(o.rc, ERR_RATE);
        assert_string_equal(o.detail, "limit narrow");
        assert_string_equal(o.policy, "\"narrow\";q=2;w=3600");
    }
    f.now_ms += 3600000;
    // 98 and 48 were left of the others, and some came back.
    o = ask(&f, &r);
    assert_int_equal(o.rc, 0);
    assert_int_equal(f.metrics.limit[1], 61);
    assert_int_equal(f.metrics.limit[0] + f.metrics.limit[2], 0);
    fixture_fini(&f);
}

static void rule37_limits_of_all_determining_policies_apply(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "");
    const struct pol_obligation two = { .kind = POL_OBLIGATION_LIMIT, .policy = 0, .count = 2, .period_ms = 60000 };
    const struct pol_obligation five = { .kind = POL_OBLIGATION_LIMIT, .policy = 1, .count = 5, .period_ms = 60000 };
    // Two authorisations under the same policy are one request.
    struct request r = { .n = 2, .obligations = { two }, .n_obligations = 1 };
    struct outcome o = ask(&f, &r);
    assert_int_equal(o.rc, 0);
    assert_string_equal(o.policy, "\"@limit\";q=2;w=60"); // what policies are called is nobody's business
    assert_int_equal(through(&f, &r, 9), 1);
    o = ask(&f, &r);
    assert_int_equal(o.rc, ERR_RATE);
    assert_int_equal(o.retry_after_s, 30);
    assert_string_equal(o.detail, "@limit of policy p0");
    assert_int_equal(f.metrics.limit[GW_LIMIT_ROW_POLICIES], 2);
    // Another subject, another workload, another policy: another budget.
    r.subject = "bob";
    assert_int_equal(through(&f, &r, 9), 2);
    r.workload = "spiffe://a/x";
    assert_int_equal(through(&f, &r, 9), 2);
    r.obligations[0] = five;
    assert_int_equal(through(&f, &r, 9), 5);
    // Both apply.
    r.workload = "spiffe://a/y";
    r.obligations[1] = two;
    r.n_obligations = 2;
    assert_int_equal(through(&f, &r, 9), 2);
    r.n_obligations = 1;
    assert_int_equal(through(&f, &r, 9), 3);
    // What else a policy obliges to is not ours.
    r.obligations[0].kind = POL_OBLIGATION_AUDIT;
    assert_int_equal(through(&f, &r, 9), 9);
    fixture_fini(&f);
}

static void a_changed_rate_applies_at_once_and_an_unchanged_one_goes_on(void **state)
{
    (void)state;
    static const char two[] = "limits: {rules: [{name: a, rate: 2/h}, {name: b, rate: 2/h}]}\n";
    static const char more[] =
        "limits: {rules: [{name: new, rate: 100/h}, {name: b, rate: 2/h}, {name: a, rate: 4/h}]}\n";
    struct fixture f, g;
    fixture_init(&f, two);
    fixture_init(&g, more);
    assert_int_equal(through(&f, &(struct request){ 0 }, 9), 2);
    // The next generation of the configuration draws from the same buckets, whatever the order of its rules.
    struct gw_config *old = f.config;
    f.snapshot.config = g.config;
    struct outcome o = ask(&f, &(struct request){ 0 });
    assert_int_equal(o.rc, ERR_RATE);
    assert_string_equal(o.detail, "limit b");
    f.snapshot.config = old;
    fixture_fini(&g);
    fixture_init(&g, "limits: {rules: [{name: a, rate: 4/h}]}\n");
    f.snapshot.config = g.config;
    assert_int_equal(through(&f, &(struct request){ 0 }, 9), 4);
    fixture_fini(&g);
    fixture_fini(&f);
}

static void without_a_table_nothing_that_has_a_limit_passes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, "limits: {rules: [{name: few, rate: 3/min}]}\n");
    gw_quota_free(f.services.quota);
    f.services.quota = NULL;
    assert_int_equal(ask(&f, &(struct request){ 0 }).rc, ERR_OVERLOADED);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limits_no_fields),
        cmocka_unit_test(a_limit_is_told_held_to_and_comes_back),
        cmocka_unit_test(fields_can_be_left_out),
        cmocka_unit_test(each_has_a_budget_of_their_own),
        cmocka_unit_test(a_token_s_tenant_counts_before_the_one_in_the_path),
        cmocka_unit_test(rules_are_for_what_they_match),
        cmocka_unit_test(a_request_counts_once_or_once_for_each_collection),
        cmocka_unit_test(a_costly_search_costs_what_it_may_return),
        cmocka_unit_test(all_limits_apply_and_what_one_refuses_costs_the_others_nothing),
        cmocka_unit_test(rule37_limits_of_all_determining_policies_apply),
        cmocka_unit_test(a_changed_rate_applies_at_once_and_an_unchanged_one_goes_on),
        cmocka_unit_test(without_a_table_nothing_that_has_a_limit_passes),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}

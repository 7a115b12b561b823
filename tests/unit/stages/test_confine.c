// SPDX-License-Identifier: GPL-3.0-or-later
// Checklist rule 37 in the policy stage: a filter is met or the request is refused, and the record tells of everything that the policies oblige to.
#include "tests/unit/stages/asked.h"

#include "gateway/stages/observe.h"
#include "gateway/stages/sightings.h"

#include <stdlib.h>

#define ON(action) "(principal, action == Action::\"" action "\", resource)"
#define FILTER "@filter(\"tenant_id == \\\"acme\\\"\") "

static void init(struct asked *f, const char *policies, enum gw_action first, enum gw_action second)
{
    asked_init(f, policies, NULL, first == second ? 1 : 2);
    f->authorisations[0] = (struct gw_api_authorisation){ .action = first,
                                                          .collection = SPAN("docs"),
                                                          .collection_is_new = first == GW_ACTION_CREATE };
    f->authorisations[1] = (struct gw_api_authorisation){ .action = second,
                                                          .collection = SPAN("notes"),
                                                          .collection_is_new = second == GW_ACTION_CREATE };
    f->served.api = gw_api_new(gw_api_def_find(SPAN("qdrant")));
    f->snapshot.apis = &f->served;
    f->snapshot.n_apis = 1;
    f->snapshot.inspected_body = 1000;
}

// A request to Qdrant as it comes, up to the policies. `body` NULL: there is none; else it has come whole if it is asked for.
static void request(struct asked *f, const char *policies, enum gw_method method, const char *path, const char *body)
{
    struct span rest = span_str(path);
    init(f, policies, GW_ACTION_META, GW_ACTION_META);
    f->x.request.method = method;
    f->type = (struct gw_header){ .id = GW_FIELD_CONTENT_TYPE,
                                  .name = SPAN("content-type"),
                                  .value = SPAN("application/json") };
    f->x.request.headers = (struct gw_headers){ &f->type, 1, 1ull << GW_FIELD_CONTENT_TYPE };
    f->x.request.content_length = body ? strlen(body) : 0;
    f->x.to.segments = f->segments;
    while (rest.n)
        f->segments[f->x.to.n_segments++] = span_cut(&rest, '/');
    struct gw_api_request q = gw_api_question(&f->x);
    int rc = gw_api_match(f->served.api, &q, &f->x.arena, &f->x.meaning, NULL);
    if (rc == GW_API_NEED_BODY) {
        f->x.body_asked = q.body_ready = true;
        f->x.body = q.body = span_str(body);
        rc = gw_api_match(f->served.api, &q, &f->x.arena, &f->x.meaning, NULL);
    }
    assert_int_equal(rc, 0);
    f->x.meant = true;
}

static void rule37_a_filter_is_met_or_the_request_is_refused(void **state)
{
    static const enum gw_action nothing_to_do[] = { GW_ACTION_LIST, GW_ACTION_META, GW_ACTION_CREATE };
    (void)state;
    for (unsigned action = 0; action < GW_ACTION_COUNT; action++) {
        struct asked f;
        bool passes = false;
        for (size_t i = 0; i < sizeof nothing_to_do / sizeof *nothing_to_do; i++)
            passes = passes || nothing_to_do[i] == action;
        init(&f, FILTER "permit" ANYBODY ";", (enum gw_action)action, (enum gw_action)action);
        assert_int_equal(asked_decide(&f), passes ? 0 : ERR_POLICY_OBLIGATION);
        asked_fini(&f);
        // The very same without a filter.
        init(&f, "permit" ANYBODY ";", (enum gw_action)action, (enum gw_action)action);
        assert_int_equal(asked_decide(&f), 0);
        asked_fini(&f);
    }
}

static void rule37_a_filter_on_any_of_the_authorisations_counts(void **state)
{
    static const struct {
        const char *policies;
        enum gw_action first, second;
        int rc;
    } rows[] = {
        { FILTER "permit" ON("export") "; permit" ON("create") ";", GW_ACTION_CREATE, GW_ACTION_EXPORT,
          ERR_POLICY_OBLIGATION },
        { FILTER "permit" ON("create") "; permit" ON("export") ";", GW_ACTION_CREATE, GW_ACTION_EXPORT, 0 },
        { FILTER "permit" ON("drop") "; permit" ANYBODY ";", GW_ACTION_META, GW_ACTION_DROP, ERR_POLICY_OBLIGATION },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        init(&f, rows[i].policies, rows[i].first, rows[i].second);
        assert_int_equal(asked_decide(&f), rows[i].rc);
        asked_fini(&f);
    }
}

static void rule37_a_search_is_sent_with_its_filter(void **state)
{
    static const struct {
        const char *policies, *body;
        int rc;
    } rows[] = {
        { FILTER "permit" ANYBODY ";", "{\"key\":\"tenant_id\",\"match\":{\"value\":\"acme\"}}", 0 },
        { "@filter(\"n == [1, 2]\") permit" ANYBODY ";", "\"match\":{\"any\":[1,2]}", 0 },
        { "@filter(\"f == true\") permit" ANYBODY ";", "\"match\":{\"value\":true}", 0 },
        // All of them hold, and two of one field leave what both leave.
        { FILTER "permit" ANYBODY "; @filter(\"f == true\") permit" ANYBODY ";", "\"match\":{\"value\":true}", 0 },
        { FILTER "permit" ANYBODY "; @filter(\"tenant_id == \\\"zen\\\"\") permit" ANYBODY ";", NULL,
          ERR_POLICY_OBLIGATION },
        { "@filter(\"n\", \"context.token.gone\") permit" ANYBODY ";", NULL, ERR_POLICY_OBLIGATION },
        { "permit" ANYBODY ";", NULL, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        request(&f, rows[i].policies, GW_METHOD_POST, "collections/docs/points/search",
                "{\"vector\":[1,2],\"limit\":3}");
        assert_int_equal(asked_decide(&f), rows[i].rc);
        struct span sent = f.x.meaning.body;
        assert_int_equal(rows[i].body != NULL, memmem(sent.p, sent.n, "must", 4) != NULL);
        if (rows[i].body && !memmem(sent.p, sent.n, rows[i].body, strlen(rows[i].body)))
            fail_msg("%s: %.*s", rows[i].policies, SPAN_FMT(sent));
        asked_fini(&f);
    }
}

static void rule37_a_write_that_streams_is_read_for_its_filter(void **state)
{
    static const char mine[] = "{\"points\":[{\"id\":1,\"vector\":[1,2],\"payload\":{}}]}",
                      theirs[] = "{\"points\":[{\"id\":1,\"vector\":[1,2],\"payload\":{\"tenant_id\":\"zen\"}}]}";
    struct asked f;
    (void)state;
    for (int k = 0; k < 2; k++) {
        request(&f, FILTER "permit" ANYBODY ";", GW_METHOD_PUT, "collections/docs/points", k ? theirs : mine);
        assert_false(f.x.body_asked);
        assert_int_equal(asked_decide(&f), GW_BODY);
        assert_true(f.x.body_asked);
        assert_int_equal(f.x.n_decisions, 1);
        f.x.body = span_str(k ? theirs : mine);
        assert_int_equal(asked_decide(&f), k ? ERR_API_BODY : 0);
        // Decided once, whatever came between.
        assert_int_equal(f.x.n_decisions, 1);
        assert_true(k || memmem(f.x.meaning.body.p, f.x.meaning.body.n, "\"tenant_id\":\"acme\"", 18));
        asked_fini(&f);
    }
    request(&f, FILTER "permit" ANYBODY ";", GW_METHOD_PUT, "collections/docs/points", mine);
    f.x.request.content_length = 1001;
    assert_int_equal(asked_decide(&f), ERR_HTTP_BODY_SIZE);
    asked_fini(&f);
}

static void rule37_what_cannot_carry_a_filter_is_refused(void **state)
{
    static const struct {
        enum gw_method method;
        const char *path;
    } rows[] = {
        { GW_METHOD_GET, "collections/docs/points/1" },   { GW_METHOD_HEAD, "collections/docs/points/1" },
        { GW_METHOD_GET, "collections/docs/memory" },     { GW_METHOD_DELETE, "collections/docs" },
        { GW_METHOD_POST, "collections/docs/snapshots" }, { GW_METHOD_GET, "telemetry" },
    };
    struct asked f;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        request(&f, FILTER "permit" ANYBODY ";", rows[i].method, rows[i].path, NULL);
        assert_int_equal(asked_decide(&f), ERR_POLICY_OBLIGATION);
        assert_true(f.x.detail.n > 0);
        asked_fini(&f);
    }
    request(&f, FILTER "permit" ANYBODY ";", GW_METHOD_GET, "collections/docs", NULL);
    assert_int_equal(asked_decide(&f), 0);
    asked_fini(&f);
}

// What is confined is told of, so that the shard can be asked how it takes it; what is refused, or shows no record, is not.
static void what_was_confined_is_told_of(void **state)
{
    static const struct {
        const char *policies, *path, *body;
        size_t told;
    } rows[] = {
        { FILTER "permit" ANYBODY ";", "collections/docs/points/search", "{\"vector\":[1],\"limit\":3}", 1 },
        { "@filter(\"n == 1 && f == true\") permit" ANYBODY ";", "collections/docs/points/scroll", "{}", 2 },
        { FILTER "permit" ANYBODY ";", "collections/docs/points/payload", "{\"payload\":{},\"points\":[1]}",
          2 }, // its version, too
        { FILTER "permit" ANYBODY ";", "collections/docs/points/payload/clear", "{\"points\":[1]}", 0 },
        { FILTER "permit" ANYBODY ";", "collections/docs", NULL, 0 },
        { "permit" ANYBODY ";", "collections/docs/points/scroll", "{}", 0 },
    };
    static const uint64_t key[2] = { 1, 2 };
    static const unsigned shards[] = { 7 };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        size_t told = 0;
        request(&f, rows[i].policies, rows[i].body ? GW_METHOD_POST : GW_METHOD_GET, rows[i].path, rows[i].body);
        f.served.shards = shards;
        f.services.sightings = gw_sightings_new(key);
        int rc = asked_decide(&f);
        if (rc == GW_BODY) {
            f.x.body = span_str(rows[i].body);
            rc = asked_decide(&f);
        }
        assert_int_equal(rc == 0, rows[i].told > 0 || !strstr(rows[i].path, "clear"));
        for (struct gw_sighting *one = gw_sightings_take(f.services.sightings), *next; one; one = next, told++) {
            next = one->next;
            assert_int_equal(one->shard, 7);
            assert_true(one->subject.aspect == GW_SURVEY_SERVER || span_eq(one->subject.collection, SPAN("docs")));
            free(one);
        }
        if (told != rows[i].told)
            fail_msg("%s: %zu", rows[i].path, told);
        gw_sightings_free(f.services.sightings);
        asked_fini(&f);
    }
}

static void of_the_lesser_request_only_its_own_filters_count(void **state)
{
    struct asked f;
    (void)state;
    init(&f, FILTER "permit" ON("drop") "; permit" ON("meta") ";", GW_ACTION_DROP, GW_ACTION_CREATE);
    f.x.meaning.alternative.present = true;
    f.x.meaning.alternative.authorisation =
        (struct gw_api_authorisation){ .action = GW_ACTION_META, .collection = SPAN("docs") };
    assert_int_equal(asked_decide(&f), 0);
    asked_fini(&f);
}

static void a_listed_name_is_no_record(void **state)
{
    struct asked f;
    (void)state;
    init(&f, FILTER "permit" ON("list") ";", GW_ACTION_LIST, GW_ACTION_LIST);
    assert_int_equal(asked_decide(&f), 0);
    assert_true(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("docs")));
    asked_fini(&f);
    init(&f, "@filter(\"t == principal.gone\") permit" ON("list") ";", GW_ACTION_LIST, GW_ACTION_LIST);
    assert_int_equal(asked_decide(&f), ERR_POLICY_OBLIGATION);
    assert_false(gw_policy_shows(&f.x, SPAN_NONE, SPAN_NONE, SPAN("docs")));
    asked_fini(&f);
}

// Milvus and Weaviate make aliases by `create`: of the collection that is there, too, whose records would all be seen under the other name.
static void rule37_an_alias_does_not_lead_around_a_filter(void **state)
{
    struct asked f;
    (void)state;
    init(&f, FILTER "permit(principal, action, resource == Collection::\"docs\"); permit" ON("create") ";",
         GW_ACTION_CREATE, GW_ACTION_CREATE);
    f.authorisations[0].collection_is_new = false;
    f.authorisations[1] =
        (struct gw_api_authorisation){ GW_ACTION_CREATE, .collection = SPAN("mine"), .collection_is_new = true };
    f.x.meaning.n_authorisations = 2;
    assert_int_equal(asked_decide(&f), ERR_POLICY_OBLIGATION);
    asked_fini(&f);
}

static void the_record_names_every_obligation(void **state)
{
    struct asked f;
    (void)state;
    init(&f,
         "@id(\"one\") @filter(\"t == 1 && u == [\\\"a\\\"]\") permit" ON(
             "meta") ";"
                     "@id(\"two\") @limit(\"5/min\") @audit(\"full\") permit" ON("create") ";",
         GW_ACTION_META, GW_ACTION_CREATE);
    assert_int_equal(asked_decide(&f), 0);
    assert_true(asked_recorded(&f,
                               "\"obligations\":[{\"policy\":\"one\",\"filter\":\"t\",\"value\":1},{\"policy\":\"one\","
                               "\"filter\":\"u\",\"value\":[\"a\"]},{\"policy\":\"two\",\"limit\":\"5/min\"},"
                               "{\"policy\":\"two\",\"audit\":\"full\"}]"));
    asked_fini(&f);
    init(&f, "permit" ANYBODY ";", GW_ACTION_META, GW_ACTION_META);
    assert_int_equal(asked_decide(&f), 0);
    assert_false(asked_recorded(&f, "obligations"));
    asked_fini(&f);
}

static void rule37_a_full_record_leaves_nothing_out_and_comes_first(void **state)
{
    static const struct {
        enum gw_config_audit_inputs inputs;
        const char *policies;
        bool allowed, recorded, first;
    } rows[] = {
        { GW_CONFIG_INPUTS_ALWAYS, "permit" ANYBODY ";", true, true, false },
        { GW_CONFIG_INPUTS_DENIED, "permit" ANYBODY ";", true, false, false },
        { GW_CONFIG_INPUTS_DENIED, "forbid" ANYBODY ";", false, true, false },
        { GW_CONFIG_INPUTS_NEVER, "permit" ANYBODY ";", true, false, false },
        { GW_CONFIG_INPUTS_NEVER, "forbid" ANYBODY ";", false, false, false },
        { GW_CONFIG_INPUTS_NEVER, "permit" ANYBODY "; @audit(\"full\") permit" ANYBODY ";", true, true, true },
        { GW_CONFIG_INPUTS_DENIED, "@audit(\"full\") permit" ANYBODY ";", true, true, true },
        { GW_CONFIG_INPUTS_NEVER, "permit" ANYBODY "; @audit(\"full\") permit" ON("drop") ";", true, false, false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct asked f;
        init(&f, rows[i].policies, GW_ACTION_META, GW_ACTION_LIST);
        f.config.audit.inputs = rows[i].inputs;
        assert_int_equal(asked_decide(&f) == 0, rows[i].allowed);
        assert_int_equal(asked_recorded(&f, "\"inputs\":[{"), rows[i].recorded);
        assert_int_equal(gw_account_first(&f.x), rows[i].first);
        f.x.meaning.changes_data = true;
        assert_true(gw_account_first(&f.x));
        asked_fini(&f);
    }
}

static void a_request_that_is_only_observed_keeps_the_filter_of_what_holds(void **state)
{
    (void)state;
    struct asked f;
    request(&f, FILTER "permit(principal, action, resource == Collection::\"docs\");", GW_METHOD_POST,
            "collections/docs/points/query", "{\"query\":[1,2],\"lookup_from\":{\"collection\":\"faq\"},\"limit\":3}");
    assert_int_equal(f.x.meaning.n_authorisations, 2);
    f.config.listener.modes = (struct gw_config_mode){ .policy = true, .until_ms = 1 };
    int rc = gw_stage_policy(&f.x);
    assert_int_equal(rc, ERR_POLICY_NO_PERMIT);
    assert_int_equal(gw_observe(&f.x, rc), GW_PASS);
    struct span sent = f.x.meaning.body;
    assert_non_null(memmem(sent.p, sent.n, "\"match\":{\"value\":\"acme\"}", 24));
    gw_decisions_release(&f.x);
    asked_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule37_a_filter_is_met_or_the_request_is_refused),
        cmocka_unit_test(rule37_a_filter_on_any_of_the_authorisations_counts),
        cmocka_unit_test(rule37_a_search_is_sent_with_its_filter),
        cmocka_unit_test(rule37_a_write_that_streams_is_read_for_its_filter),
        cmocka_unit_test(rule37_what_cannot_carry_a_filter_is_refused),
        cmocka_unit_test(what_was_confined_is_told_of),
        cmocka_unit_test(of_the_lesser_request_only_its_own_filters_count),
        cmocka_unit_test(a_listed_name_is_no_record),
        cmocka_unit_test(rule37_an_alias_does_not_lead_around_a_filter),
        cmocka_unit_test(the_record_names_every_obligation),
        cmocka_unit_test(rule37_a_full_record_leaves_nothing_out_and_comes_first),
        cmocka_unit_test(a_request_that_is_only_observed_keeps_the_filter_of_what_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

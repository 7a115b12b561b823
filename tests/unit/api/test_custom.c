// SPDX-License-Identifier: GPL-3.0-or-later
// An operator's own table: what a row says about path, body and query, and what is refused.
#include "ask.h"

#include "gateway/api/custom.h"

static const struct span members[] = { SPAN("vector"), SPAN("params.ef"), SPAN("target.index") };
static const struct span query[] = { SPAN("verbose") };

static const struct gw_api_custom_row rows[] = {
    { .method = SPAN("GET"), .path = SPAN("/"), .action = GW_ACTION_META },
    { .method = SPAN("POST"),
      .path = SPAN("/search"),
      .action = GW_ACTION_SEARCH,
      .where = { [GW_API_CUSTOM_COLLECTION] = SPAN("$.target.collection"),
                 [GW_API_CUSTOM_TENANT] = SPAN("?ns"),
                 [GW_API_CUSTOM_LIMIT] = SPAN("$.limit"),
                 [GW_API_CUSTOM_FILTER] = SPAN("$.filter"),
                 [GW_API_CUSTOM_QUERIES] = SPAN("$.queries") },
      .members = members,
      .n_members = 3 },
    { .method = SPAN("POST"),
      .path = SPAN("/any"),
      .action = GW_ACTION_READ,
      .where = { [GW_API_CUSTOM_COLLECTION] = SPAN("$.collection") },
      .any_member = true },
    { .method = SPAN("POST"),
      .path = SPAN("/rename"),
      .action = GW_ACTION_ALTER,
      .where = { [GW_API_CUSTOM_DATABASE] = SPAN("$.db"),
                 [GW_API_CUSTOM_COLLECTION] = SPAN("$.from"),
                 [GW_API_CUSTOM_NEW_COLLECTION] = SPAN("$.to") } },
    { .method = SPAN("GET"),
      .path = SPAN("/{d}/{c}/{x}"),
      .action = GW_ACTION_READ,
      .where = { [GW_API_CUSTOM_LIMIT] = SPAN("?limit") } },
    { .method = SPAN("GET"), .path = SPAN("/{d}/{c}/stats"), .action = GW_ACTION_META },
    { .method = SPAN("PUT"), .path = SPAN("/{d}/{c}"), .action = GW_ACTION_CREATE, .is_new = true },
    { .method = SPAN("POST"), .path = SPAN("/{d}/{c}"), .action = GW_ACTION_WRITE },
};
static const struct gw_api_custom spec = { SPAN("own"), query, 1, rows, sizeof(rows) / sizeof(rows[0]) };

struct own {
    struct arena arena;
    struct asked a;
};

static void own_init(struct own *o)
{
    arena_init(&o->arena, 0);
    memset(&o->a, 0, sizeof(o->a));
    const struct gw_api_def *def = gw_api_custom_def(&spec, &o->arena);
    assert_non_null(def);
    o->a.api = gw_api_new(def);
    assert_non_null(o->a.api);
    arena_init(&o->a.arena, 0);
}

static void own_fini(struct own *o)
{
    asked_fini(&o->a);
    arena_fini(&o->arena);
}

static void own_rows(const struct ask_row *asked, size_t n)
{
    struct own o;
    size_t wrong = 0;
    own_init(&o);
    for (size_t i = 0; i < n; i++) {
        const char *got = ask(&o.a, asked[i].method, asked[i].target, asked[i].body);
        if (strcmp(got, asked[i].expected) == 0)
            continue;
        wrong++;
        print_error("%s %s %s\n  expected %s\n  got      %s (%.*s)\n", asked[i].method, asked[i].target,
                    asked[i].body ? asked[i].body : "", asked[i].expected, got, SPAN_FMT(o.a.why));
    }
    own_fini(&o);
    assert_int_equal(wrong, 0);
}
#define OWN_ROWS(table) own_rows((table), sizeof(table) / sizeof((table)[0]))

static void every_place_is_read(void **state)
{
    (void)state;
    static const struct ask_row asked[] = {
        { "GET", "/", NULL, "meta -" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":\"docs\"},\"limit\":3}", "search acme/docs" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":[\"docs\",\"more\"],\"index\":1}}",
          "search acme/docs, search acme/more" },
        { "POST", "/rename", "{\"db\":\"main\",\"from\":\"a\",\"to\":\"b\"}", "alter main/a, alter main/+b" },
        { "GET", "/main/docs/7?limit=4", NULL, "read main/docs" },
        { "GET", "/main/docs/7?verbose=1", NULL, "read main/docs" },
        { "GET", "/main/docs/stats", NULL, "meta main/docs" },
        { "PUT", "/main/docs", "{}", "create main/+docs" },
        { "POST", "/main/docs", "anything", "write main/docs" },
        { "POST", "/any", "{\"collection\":\"docs\",\"whatever\":{\"collection\":\"x\"}}", "read docs" },
    };
    OWN_ROWS(asked);
}

static void what_no_row_has_is_denied(void **state)
{
    (void)state;
    static const struct ask_row asked[] = {
        { "DELETE", "/main/docs", NULL, "!API_UNKNOWN" },
        { "GET", "/search", NULL, "!API_UNKNOWN" },
        { "GET", "/main/docs/7/8", NULL, "!API_UNKNOWN" },
        { "GET", "/main//7", NULL, "!API_UNKNOWN" },
    };
    OWN_ROWS(asked);
}

static void a_name_that_is_missing_or_no_name_is_refused(void **state)
{
    (void)state;
    static const struct ask_row asked[] = {
        { "POST", "/search?ns=acme", "{}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{}}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":\"docs\"}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":[{\"collection\":\"docs\"}]}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":7}}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":[]}}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":[\"docs\",\"../x\"]}}", "!API_BODY" },
        { "POST", "/search?ns=acme", NULL, "!API_BODY" },
        { "POST", "/search", "{\"target\":{\"collection\":\"docs\"}}", "!API_QUERY" },
        { "POST", "/search?ns=", "{\"target\":{\"collection\":\"docs\"}}", "!API_QUERY" },
        { "POST", "/rename", "{\"db\":\"main\",\"from\":\"a\"}", "!API_BODY" },
        { "GET", "/main/docs/7", "{}", "!API_BODY" },
    };
    OWN_ROWS(asked);
}

static void a_second_name_cannot_hide(void **state)
{
    (void)state;
    static const struct ask_row asked[] = {
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":\"docs\"},\"collection\":\"theirs\"}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":\"docs\",\"Collection\":\"theirs\"}}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":\"docs\",\"alias\":\"theirs\"}}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":\"docs\"},\"Target\":{}}", "!API_BODY" },
        { "POST", "/search?ns=acme", "{\"target\":{\"collection\":\"docs\",\"collection\":\"theirs\"}}", "!API_BODY" },
        { "POST", "/search?ns=acme&ns=other", "{\"target\":{\"collection\":\"docs\"}}", "!API_QUERY" },
        { "POST", "/any", "{\"collection\":\"docs\",\"COLLECTION\":\"theirs\"}", "!API_BODY" },
        { "POST", "/any", "{\"collection\":\"docs\",\"\xc7\x82ollection\":\"theirs\"}", "!API_BODY" },
        { "POST", "/any", "[{\"collection\":\"docs\"}]", "!API_BODY" },
        // A parameter that names the tenant in one row is not known to mean nothing in another.
        { "GET", "/main/docs/7?ns=theirs", NULL, "!API_QUERY" },
        { "POST", "/any?limit=1", "{\"collection\":\"docs\"}", "!API_QUERY" },
        { "GET", "/main/docs/7?limit=many", NULL, "!API_QUERY" },
    };
    OWN_ROWS(asked);
}

static void facts_are_what_is_named_and_else_unknown(void **state)
{
    (void)state;
    struct own o;
    own_init(&o);
    ask(&o.a, "POST", "/search?ns=a",
        "{\"target\":{\"collection\":\"docs\"},\"limit\":7,\"filter\":{\"a\":1},\"queries\":[[1],[2]]}");
    const struct gw_api_facts *f = &o.a.meaning.facts;
    assert_int_equal(o.a.rc, 0);
    assert_true(f->has_limit && f->limit == 7 && f->has_filter && f->has_queries && f->queries == 2);
    assert_true(f->with_vectors && f->with_payload && !f->has_points);
    assert_span(o.a.meaning.body,
                "{\"target\":{\"collection\":\"docs\"},\"limit\":7,\"filter\":{\"a\":1},\"queries\":[[1],[2]]}");
    ask(&o.a, "POST", "/search?ns=a", "{\"target\":{\"collection\":\"docs\"},\"filter\":{}}");
    assert_true(!f->has_limit && !f->has_filter && !f->has_queries);
    ask(&o.a, "GET", "/main/docs/7?limit=0", NULL);
    assert_true(o.a.rc == 0 && !f->has_limit);
    ask(&o.a, "POST", "/main/docs", "not JSON");
    assert_true(f->unread && !o.a.body_was_needed && span_is_none(o.a.meaning.body));
    assert_true(o.a.meaning.changes_data && !o.a.meaning.idempotent);
    assert_span(o.a.meaning.api, "own");
    own_fini(&o);
}

static void faults_are_found(void **state)
{
    (void)state;
    static const char *const bad_paths[] = { "",      "a",         "/a/",
                                             "//a",   "/{y}",      "/{c}/{c}",
                                             "/a?b=", "/a%20b",    "/../a",
                                             "/a{c}", "/{cc}",     "/a b",
                                             "/a#b",  "/a\\b/{c}", "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17" };
    static const char *const bad_places[] = { "",  "$", "$.",   "$.a.",   "$..a",
                                              "a", "?", "?a b", "$.a[0]", "$.a.b.c.d.e.f.g.h.i" };
    for (size_t i = 0; i < sizeof(bad_paths) / sizeof(bad_paths[0]); i++)
        if (!gw_api_custom_path_fault(span_str(bad_paths[i])))
            fail_msg("%s", bad_paths[i]);
    for (size_t i = 0; i < sizeof(bad_places) / sizeof(bad_places[0]); i++)
        if (!gw_api_custom_place_fault(span_str(bad_places[i])))
            fail_msg("%s", bad_places[i]);
    for (size_t i = 0; i < spec.n_rows; i++) {
        assert_null(gw_api_custom_path_fault(rows[i].path));
        assert_null(gw_api_custom_row_fault(&rows[i]));
        for (size_t k = 0; k < GW_API_CUSTOM_FACTS; k++)
            if (!span_is_none(rows[i].where[k]))
                assert_null(gw_api_custom_place_fault(rows[i].where[k]));
    }
    const struct gw_api_custom_row bad[] = {
        { .method = SPAN("GET"), .path = SPAN("/collections"), .action = GW_ACTION_LIST },
        { .method = SPAN("GET"), .path = SPAN("/"), .action = GW_ACTION_META, .any_member = true },
        { .method = SPAN("POST"), .path = SPAN("/{c}"), .where = { [GW_API_CUSTOM_COLLECTION] = SPAN("$.c") } },
        { .method = SPAN("POST"), .path = SPAN("/{t}"), .where = { [GW_API_CUSTOM_TENANT] = SPAN("?t") } },
        { .method = SPAN("POST"), .path = SPAN("/a"), .where = { [GW_API_CUSTOM_NEW_COLLECTION] = SPAN("$.c") } },
        { .method = SPAN("POST"),
          .path = SPAN("/a"),
          .where = { [GW_API_CUSTOM_COLLECTION] = SPAN("$.c"), [GW_API_CUSTOM_TENANT] = SPAN("$.c") } },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (!gw_api_custom_row_fault(&bad[i]))
            fail_msg("%zu", i);
}

static void rows_for_one_request_are_the_same(void **state)
{
    (void)state;
    const struct gw_api_custom_row a = { .method = SPAN("GET"), .path = SPAN("/a/{c}") },
                                   b = { .method = SPAN("GET"), .path = SPAN("/a/{x}") },
                                   c = { .method = SPAN("GET"), .path = SPAN("/a/b") },
                                   d = { .method = SPAN("PUT"), .path = SPAN("/a/{c}") },
                                   e = { .method = SPAN("GET"), .path = SPAN("/a/{c}/b") };
    assert_true(gw_api_custom_same(&a, &b));
    assert_false(gw_api_custom_same(&a, &c));
    assert_false(gw_api_custom_same(&a, &d));
    assert_false(gw_api_custom_same(&a, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_place_is_read),
        cmocka_unit_test(what_no_row_has_is_denied),
        cmocka_unit_test(a_name_that_is_missing_or_no_name_is_refused),
        cmocka_unit_test(a_second_name_cannot_hide),
        cmocka_unit_test(facts_are_what_is_named_and_else_unknown),
        cmocka_unit_test(faults_are_found),
        cmocka_unit_test(rows_for_one_request_are_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

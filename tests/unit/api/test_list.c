// SPDX-License-Identifier: GPL-3.0-or-later
// Lists of several shards as one, showing only what may be seen.
#include "ask.h"

#include "gateway/api/list.h"

#define C(name) "{\"id\":\"x-" name "\",\"name\":\"" name "\",\"tenant\":\"t\",\"database\":\"d\",\"dimension\":3}"
#define LIST "/api/v2/tenants/t/databases/d/collections"

// Names that start with "secret" are not visible; nor is anything on shard 9.
static bool visible(void *ctx, unsigned shard, struct span database, struct span tenant, struct span collection)
{
    unsigned *asked = ctx;
    (*asked)++;
    assert_true(span_is_none(database) || span_is_none(collection) || span_eq(database, SPAN("d")));
    assert_true(span_is_none(tenant) || span_eq(tenant, SPAN("t")));
    struct span name = span_is_none(collection) ? database : collection;
    return shard != 9 && !span_starts(name, SPAN("secret"));
}

struct merged {
    struct asked a;
    struct gw_api_list_result result;
    int rc;
    unsigned calls;
};

static void merge_asked(struct merged *m, const char *api, const char *method, const char *target, const char *body,
                        const struct gw_api_list_answer *answers, size_t n)
{
    memset(m, 0, sizeof(*m));
    asked_init(&m->a, api);
    ask(&m->a, method, target, body);
    assert_int_equal(m->a.rc, 0);
    m->rc = gw_api_list_merge(&m->a.meaning, answers, n, visible, &m->calls, &m->a.arena, &m->result);
}

static void merge(struct merged *m, const char *api, const char *target, const struct gw_api_list_answer *answers,
                  size_t n)
{
    merge_asked(m, api, "GET", target, NULL, answers, n);
}

static void only_visible_collections_are_shown(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200, SPAN("[" C("docs") "," C("secret-1") "]") },
        { 1, 200, SPAN("[" C("letters") "," C("docs") "]") },
        { 9, 200, SPAN("[" C("elsewhere") "]") },
    };
    struct merged m;
    merge(&m, "chroma", LIST, answers, 3);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "[" C("docs") "," C("letters") "]");
    assert_int_equal(m.result.shown, 2);
    assert_int_equal(m.result.hidden, 2);
    assert_int_equal(m.result.n_failed, 0);
    assert_int_equal(m.calls, 5);
    asked_fini(&m.a);
}

static void the_count_counts_what_is_visible(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200, SPAN("[" C("docs") "," C("secret-1") "]") },
        { 1, 200, SPAN("[" C("letters") "]") },
    };
    struct merged m;
    merge(&m, "chroma", "/api/v2/tenants/t/databases/d/collections_count", answers, 2);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "2");
    asked_fini(&m.a);
}

static void paging_does_not_tell_what_is_hidden(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200, SPAN("[" C("secret-0") "," C("a") "," C("secret-1") "," C("b") "]") },
        { 1, 200, SPAN("[" C("c") "," C("d") "]") },
    };
    static const struct {
        const char *query, *body;
    } pages[] = {
        { "?limit=2", "[" C("a") "," C("b") "]" },
        { "?limit=2&offset=2", "[" C("c") "," C("d") "]" },
        { "?limit=2&offset=3", "[" C("d") "]" },
        { "?offset=4", "[]" },
        { "?limit=0", "[]" },
        { "?offset=18446744073709551615", "[]" },
    };
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        struct merged m;
        char target[128];
        snprintf(target, sizeof(target), LIST "%s", pages[i].query);
        merge(&m, "chroma", target, answers, 2);
        assert_int_equal(m.rc, 0);
        assert_span(m.result.body, pages[i].body);
        asked_fini(&m.a);
    }
}

static void qdrant_lists_keep_their_shape(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200,
          SPAN("{\"result\":{\"collections\":[{\"name\":\"docs\"},{\"name\":\"secret\"}]},\"status\":\"ok\",\"time\":0."
               "25}") },
        { 1, 200,
          SPAN("{\"usage\":null,\"result\":{\"collections\":[{\"name\":\"letters\"}]},\"status\":\"ok\",\"time\":0."
               "5}") },
    };
    struct merged m;
    merge(&m, "qdrant", "/collections", answers, 2);
    assert_int_equal(m.rc, 0);
    assert_span(
        m.result.body,
        "{\"result\":{\"collections\":[{\"name\":\"docs\"},{\"name\":\"letters\"}]},\"status\":\"ok\",\"time\":0.5}");
    asked_fini(&m.a);
}

static void an_alias_shows_only_when_both_names_may_be_seen(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200,
          SPAN("{\"result\":{\"aliases\":[{\"alias_name\":\"a\",\"collection_name\":\"docs\"},"
               "{\"alias_name\":\"b\",\"collection_name\":\"secret\"},{\"alias_name\":\"secret-a\",\"collection_name\":"
               "\"docs\"}]},"
               "\"status\":\"ok\",\"time\":0}") },
    };
    struct merged m;
    merge(&m, "qdrant", "/aliases", answers, 1);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "{\"result\":{\"aliases\":[{\"alias_name\":\"a\",\"collection_name\":\"docs\"}]},"
                               "\"status\":\"ok\",\"time\":0.0}");
    asked_fini(&m.a);
}

static void databases_are_filtered_too(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200,
          SPAN(
              "[{\"id\":\"1\",\"name\":\"d\",\"tenant\":\"t\"},{\"id\":\"2\",\"name\":\"secret\",\"tenant\":\"t\"}]") },
        { 1, 200, SPAN("[{\"id\":\"7\",\"name\":\"d\",\"tenant\":\"t\"}]") },
    };
    struct merged m;
    merge(&m, "chroma", "/api/v2/tenants/t/databases", answers, 2);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "[{\"id\":\"1\",\"name\":\"d\",\"tenant\":\"t\"}]");
    asked_fini(&m.a);
}

static void a_shard_that_failed_is_named(void **state)
{
    (void)state;
    static const struct gw_api_list_answer bad[] = {
        { 5, 0, { NULL, 0 } },
        { 5, 500, { "[]", 2 } },
        { 5, 200, { "", 0 } },
        { 5, 200, { "{}", 2 } },
        { 5, 200, { "[1]", 3 } },
        { 5, 200, { "[{\"name\":1}]", 12 } },
        { 5, 200, { "[{\"name\":\"a\",\"name\":\"b\"}]", 25 } },
        { 5, 200, { "[{\"name\":\"a\",\"tenant\":\"evil\",\"database\":\"d\"}]", 44 } },
        { 5, 200, { "[{\"name\":\"a\",\"tenant\":\"t\",\"database\":\"evil\"}]", 44 } },
        { 5, 200, { "[{\"name\":\"a\"}]", 14 } },
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct gw_api_list_answer answers[] = { { 3, 200, SPAN("[" C("docs") "]") }, bad[i] };
        struct merged m;
        merge(&m, "chroma", LIST, answers, 2);
        assert_int_equal(m.rc, 0);
        assert_span(m.result.body, "[" C("docs") "]");
        assert_int_equal(m.result.n_failed, 1);
        assert_int_equal(m.result.failed[0], 5);
        asked_fini(&m.a);
        merge(&m, "chroma", LIST, &bad[i], 1);
        assert_int_equal(m.rc, ERR_SHARD_ANSWER);
        assert_int_equal(m.result.n_failed, 1);
        assert_true(span_is_none(m.result.body));
        asked_fini(&m.a);
    }
}

static void a_tenant_that_some_shards_do_not_have_is_no_failure(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = { { 0, 404, SPAN("{}") }, { 1, 200, SPAN("[" C("docs") "]") } };
    struct merged m;
    merge(&m, "chroma", LIST, answers, 2);
    assert_int_equal(m.rc, 0);
    assert_int_equal(m.result.n_failed, 0);
    asked_fini(&m.a);
    merge(&m, "chroma", LIST, answers, 1);
    assert_int_equal(m.rc, ERR_API_COLLECTION);
    asked_fini(&m.a);
    const struct gw_api_list_answer one_down[] = { { 0, 404, SPAN("{}") }, { 1, 0, SPAN_NONE } };
    merge(&m, "chroma", LIST, one_down, 2);
    assert_int_equal(m.rc, ERR_SHARD_ANSWER);
    assert_int_equal(m.result.n_failed, 1);
    assert_int_equal(m.result.failed[0], 1);
    asked_fini(&m.a);
}

// Milvus says with 200 and a code that there is no such database.
static void milvus_names_are_shown_and_its_codes_understood(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200, SPAN("{\"code\":0,\"data\":[\"docs\",\"secret-1\"]}") },
        { 1, 200, SPAN("{\"code\":800,\"message\":\"database not found\"}") },
        { 2, 200, SPAN("{\"code\":0,\"data\":[\"letters\",\"docs\"],\"cost\":0}") },
        { 3, 200, SPAN("{\"code\":65535,\"message\":\"broken\"}") },
        { 4, 200, SPAN("{\"code\":0,\"data\":[{\"name\":\"secret\"}]}") },
    };
    struct merged m;
    merge_asked(&m, "milvus", "POST", "/v2/vectordb/collections/list", "{\"dbName\":\"d\"}", answers, 5);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "{\"code\":0,\"data\":[\"docs\",\"letters\"]}");
    assert_int_equal(m.result.hidden, 1);
    assert_int_equal(m.result.n_failed, 2);
    asked_fini(&m.a);
    merge_asked(&m, "milvus", "POST", "/v2/vectordb/collections/list", "{\"dbName\":\"d\"}", &answers[1], 1);
    assert_int_equal(m.rc, ERR_API_COLLECTION);
    asked_fini(&m.a);
    merge_asked(&m, "milvus", "POST", "/v2/vectordb/collections/list", "{\"dbName\":\"d\"}", &answers[3], 1);
    assert_int_equal(m.rc, ERR_SHARD_ANSWER);
    asked_fini(&m.a);
}

static void weaviates_schema_shows_visible_classes(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200, SPAN("{\"classes\":[{\"class\":\"Docs\",\"a\":1},{\"class\":\"secret\"}]}") },
        { 1, 200, SPAN("{\"classes\":[]}") },
        { 2, 200, SPAN("{\"classes\":[{\"Class\":\"Docs\"}]}") },
    };
    struct merged m;
    merge(&m, "weaviate", "/v1/schema", answers, 3);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "{\"classes\":[{\"class\":\"Docs\",\"a\":1}]}");
    assert_int_equal(m.result.hidden, 1);
    assert_int_equal(m.result.n_failed, 1);
    asked_fini(&m.a);
}

static void weaviates_aliases_show_when_both_names_may_be_seen(void **state)
{
    (void)state;
    const struct gw_api_list_answer answers[] = {
        { 0, 200,
          SPAN("{\"aliases\":[{\"alias\":\"A\",\"class\":\"Docs\"},{\"alias\":\"B\",\"class\":\"secret\"},"
               "{\"alias\":\"secret\",\"class\":\"Docs\"}]}") },
        { 1, 200, SPAN("{\"aliases\":[{\"alias\":\"A\"}]}") },
    };
    struct merged m;
    merge(&m, "weaviate", "/v1/aliases", answers, 2);
    assert_int_equal(m.rc, 0);
    assert_span(m.result.body, "{\"aliases\":[{\"alias\":\"A\",\"class\":\"Docs\"}]}");
    assert_int_equal(m.result.hidden, 2);
    assert_int_equal(m.result.n_failed, 1);
    asked_fini(&m.a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_visible_collections_are_shown),
        cmocka_unit_test(the_count_counts_what_is_visible),
        cmocka_unit_test(paging_does_not_tell_what_is_hidden),
        cmocka_unit_test(qdrant_lists_keep_their_shape),
        cmocka_unit_test(an_alias_shows_only_when_both_names_may_be_seen),
        cmocka_unit_test(databases_are_filtered_too),
        cmocka_unit_test(a_shard_that_failed_is_named),
        cmocka_unit_test(a_tenant_that_some_shards_do_not_have_is_no_failure),
        cmocka_unit_test(milvus_names_are_shown_and_its_codes_understood),
        cmocka_unit_test(weaviates_schema_shows_visible_classes),
        cmocka_unit_test(weaviates_aliases_show_when_both_names_may_be_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

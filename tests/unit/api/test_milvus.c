// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's table: what every request is about stands in its body, and goes on with the database that was authorised.
#include "ask.h"

#define V "/v2/vectordb"
#define DOCS "{\"collectionName\":\"docs\"}"

static void every_row_of_the_specification_has_its_action(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", V "/collections/list", "{}", "list default/-" },
        { "POST", V "/collections/list", "{\"dbName\":\"main\"}", "list main/-" },
        { "POST", V "/collections/has", DOCS, "meta default/docs" },
        { "POST", V "/collections/describe", "{\"dbName\":\"main\",\"collectionName\":\"docs\"}", "meta main/docs" },
        { "POST", V "/collections/get_stats", DOCS, "meta default/docs" },
        { "POST", V "/collections/get_load_state", DOCS, "meta default/docs" },
        { "POST", V "/collections/create", "{\"collectionName\":\"docs\",\"dimension\":4}", "create default/+docs" },
        { "POST", V "/collections/drop", DOCS, "drop default/docs" },
        { "POST", V "/collections/load", DOCS, "alter default/docs" },
        { "POST", V "/collections/release", DOCS, "alter default/docs" },
        { "POST", V "/collections/flush", DOCS, "alter default/docs" },
        { "POST", V "/collections/alter_properties", "{\"collectionName\":\"docs\",\"properties\":{}}",
          "alter default/docs" },
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"filter\":\"id > 0\"}", "read default/docs" },
        { "POST", V "/entities/get", "{\"collectionName\":\"docs\",\"id\":[1]}", "read default/docs" },
        { "POST", V "/entities/search", "{\"collectionName\":\"docs\",\"data\":[[1]]}", "search default/docs" },
        { "POST", V "/entities/hybrid_search", "{\"collectionName\":\"docs\",\"search\":[{\"data\":[[1]]}]}",
          "search default/docs" },
        { "POST", V "/entities/advanced_search", "{\"collectionName\":\"docs\",\"search\":[]}", "search default/docs" },
        { "POST", V "/entities/insert", "{\"collectionName\":\"docs\",\"data\":[{}]}", "write default/docs" },
        { "POST", V "/entities/upsert", "{\"collectionName\":\"docs\",\"data\":[{}]}", "write default/docs" },
        { "POST", V "/entities/delete", "{\"collectionName\":\"docs\",\"filter\":\"id in [1]\"}",
          "delete default/docs" },
        { "POST", V "/partitions/list", DOCS, "list default/docs" },
        { "POST", V "/partitions/create", "{\"collectionName\":\"docs\",\"partitionName\":\"p\"}",
          "create default/docs" },
        { "POST", V "/partitions/drop", "{\"collectionName\":\"docs\",\"partitionName\":\"p\"}", "drop default/docs" },
        { "POST", V "/partitions/load", "{\"collectionName\":\"docs\",\"partitionNames\":[\"p\"]}",
          "alter default/docs" },
        { "POST", V "/indexes/list", DOCS, "list default/docs" },
        { "POST", V "/indexes/describe", "{\"collectionName\":\"docs\",\"indexName\":\"i\"}", "meta default/docs" },
        { "POST", V "/indexes/create", "{\"collectionName\":\"docs\",\"indexParams\":[]}", "create default/docs" },
        { "POST", V "/indexes/drop", "{\"collectionName\":\"docs\",\"indexName\":\"i\"}", "drop default/docs" },
        { "POST", V "/jobs/import/create", "{\"collectionName\":\"docs\",\"files\":[[\"a.json\"]]}",
          "write default/docs, ops -" },
        { "POST", V "/jobs/import/list", DOCS, "list default/docs" },
        { "POST", V "/collections/truncate", DOCS, "drop default/docs" },
        { "POST", V "/collections/fields/add", "{\"collectionName\":\"docs\",\"schema\":{}}", "alter default/docs" },
        { "POST", V "/collections/fields/drop", "{\"collectionName\":\"docs\",\"fieldName\":\"f\"}",
          "alter default/docs" },
        { "POST", V "/collections/add_function", "{\"collectionName\":\"docs\",\"function\":{}}",
          "alter default/docs" },
        { "POST", V "/common/run_analyzer", "{\"text\":[\"a b\"]}", "meta default/-" },
        { "POST", V "/common/run_analyzer", "{\"text\":[\"a\"],\"collectionName\":\"docs\",\"fieldName\":\"f\"}",
          "meta default/docs" },
        { "POST", V "/quotacenter/describe", "{}", "ops -" },
        { "POST", V "/jobs/import/get_progress", "{\"jobId\":\"1\"}", "ops -" },
        { "POST", V "/databases/create", "{\"dbName\":\"other\"}", "create other/-" },
        { "POST", V "/databases/drop", "{\"dbName\":\"other\"}", "drop other/-" },
        { "POST", V "/databases/list", "{}", "ops -" },
        { "POST", V "/users/list", "{}", "ops -" },
        { "POST", V "/roles/grant_privilege", "{}", "ops -" },
        { "POST", V "/privilege_groups/list", "{}", "ops -" },
        { "POST", V "/resource_groups/list", "{}", "ops -" },
    };
    ASK_ROWS("milvus", rows);
}

static void what_is_not_listed_is_denied(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", V "/collections/list", NULL, "!API_UNKNOWN" },
        { "POST", V "/collections/List", "{}", "!API_UNKNOWN" },
        { "POST", V "/collections/clone", DOCS, "!API_UNKNOWN" },
        { "POST", V "/collections", "{}", "!API_UNKNOWN" },
        { "POST", V "/entities/export", DOCS, "!API_UNKNOWN" },
        { "POST", "/v1/vector/search", DOCS, "!API_UNKNOWN" },
        { "POST", "/api/v1/collections", DOCS, "!API_UNKNOWN" },
        { "POST", V "/entities/query?collectionName=other", DOCS, "!API_QUERY" },
    };
    ASK_ROWS("milvus", rows);
}

// The server looks a search parameter up by name and takes the first it finds: those of searchParams come before the members.
static void search_parameters_cannot_say_otherwise_than_the_members(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", V "/entities/search",
          "{\"collectionName\":\"docs\",\"data\":[[1]],\"limit\":1,"
          "\"searchParams\":{\"topk\":16384}}",
          "!API_BODY" },
        { "POST", V "/entities/search",
          "{\"collectionName\":\"docs\",\"data\":[[1]],"
          "\"searchParams\":{\"group_size\":100}}",
          "!API_BODY" },
        { "POST", V "/entities/search",
          "{\"collectionName\":\"docs\",\"data\":[[1]],"
          "\"searchParams\":{\"search_iter_batch_size\":100}}",
          "!API_BODY" },
        { "POST", V "/entities/search", "{\"collectionName\":\"docs\",\"data\":[[1]],\"searchParams\":[]}",
          "!API_BODY" },
        { "POST", V "/entities/hybrid_search",
          "{\"collectionName\":\"docs\",\"search\":[{\"data\":[[1]],"
          "\"params\":{\"offset\":5}}]}",
          "!API_BODY" },
        { "POST", V "/entities/search", "{\"collectionName\":\"docs\",\"data\":[[1]],\"skipRls\":true}", "!API_BODY" },
        { "POST", V "/entities/search",
          "{\"collectionName\":\"docs\",\"data\":[[1]],\"searchParams\":"
          "{\"metric_type\":\"L2\",\"params\":{\"ef\":10}}}",
          "search default/docs" },
    };
    ASK_ROWS("milvus", rows);
}

static void a_limit_of_groups_counts_their_records(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "milvus");
    ask(&a, "POST", V "/entities/search",
        "{\"collectionName\":\"docs\",\"data\":[[1]],\"limit\":5,\"groupingField\":\"g\",\"groupSize\":20}");
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.meaning.facts.limit, 100);
    ask(&a, "POST", V "/entities/hybrid_search",
        "{\"collectionName\":\"docs\",\"search\":[{\"data\":[[1]]}],\"limit\":9223372036854775807,\"groupSize\":3}");
    assert_int_equal(a.rc, 0);
    assert_true(a.meaning.facts.limit == UINT64_MAX);
    asked_fini(&a);
}

static void every_second_name_is_authorised(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", V "/collections/rename", "{\"collectionName\":\"docs\",\"newCollectionName\":\"theirs\"}",
          "alter default/docs, alter default/+theirs" },
        { "POST", V "/collections/rename",
          "{\"dbName\":\"main\",\"collectionName\":\"docs\",\"newCollectionName\":\"docs\",\"newDbName\":\"other\"}",
          "alter main/docs, alter other/+docs" },
        { "POST", V "/collections/rename",
          "{\"dbName\":\"main\",\"collectionName\":\"docs\",\"newCollectionName\":\"b\",\"newDbName\":\"\"}",
          "alter main/docs, alter main/+b" },
        { "POST", V "/aliases/create", "{\"collectionName\":\"docs\",\"aliasName\":\"d\"}",
          "create default/docs, create default/+d" },
        { "POST", V "/aliases/alter", "{\"collectionName\":\"docs\",\"aliasName\":\"d\"}",
          "alter default/docs, alter default/+d" },
        { "POST", V "/aliases/create", "{\"aliasName\":\"d\"}", "!API_BODY" },
        { "POST", V "/aliases/drop", "{\"aliasName\":\"d\"}", "drop default/d" },
        { "POST", V "/aliases/describe", "{\"aliasName\":\"d\"}", "meta default/d" },
        { "POST", V "/aliases/drop", "{\"aliasName\":\"d\",\"collectionName\":\"docs\"}", "!API_BODY" },
        { "POST", V "/aliases/list", "{}", "list default/-" },
        { "POST", V "/aliases/list", "{\"collectionName\":\"\"}", "list default/-" },
        { "POST", V "/aliases/list", DOCS, "list default/docs" },
    };
    ASK_ROWS("milvus", rows);
}

// The server's decoder takes a member in any case, the last of several, and null for nothing.
static void the_server_cannot_read_another_name_than_we_did(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"CollectionName\":\"theirs\"}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"COLLECTIONNAME\":\"theirs\"}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"collectionName\":\"theirs\"}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"db_name\":\"theirs\"}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"dbName\":7}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":null}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":\"\"}", "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":[\"docs\"]}", "!API_BODY" },
        { "POST", V "/entities/query", "[\"docs\"]", "!API_BODY" },
        { "POST", V "/entities/query", NULL, "!API_BODY" },
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"filter\":{}}", "!API_BODY" },
        { "POST", V "/entities/hybrid_search",
          "{\"collectionName\":\"docs\",\"search\":[{\"collectionName\":\"theirs\",\"data\":[]}]}", "!API_BODY" },
        { "POST", V "/entities/hybrid_search", "{\"collectionName\":\"docs\",\"search\":[[]]}", "!API_BODY" },
        { "POST", V "/databases/drop", "{}", "!API_BODY" },
        { "POST", V "/databases/drop", "{\"dbName\":\"\"}", "!API_BODY" },
    };
    ASK_ROWS("milvus", rows);
}

// Without one in the body a header would name the database.
static void the_database_is_always_written(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "milvus");
    static const struct {
        const char *sent, *forwarded;
    } bodies[] = {
        { "{\"collectionName\":\"docs\",\"id\":1}", "{\"dbName\":\"default\",\"collectionName\":\"docs\",\"id\":1}" },
        { "{\"collectionName\":\"docs\",\"id\":1,\"dbName\":null}",
          "{\"dbName\":\"default\",\"collectionName\":\"docs\",\"id\":1}" },
        { "{\"collectionName\":\"docs\",\"id\":1,\"dbName\":\"\"}",
          "{\"dbName\":\"default\",\"collectionName\":\"docs\",\"id\":1}" },
        { "{ \"id\" : [1, 2.50], \"dbName\":\"ma\\u0069n\", \"collectionName\":\"docs\" }",
          "{\"dbName\":\"main\",\"id\":[1,2.50],\"collectionName\":\"docs\"}" },
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        ask(&a, "POST", V "/entities/get", bodies[i].sent);
        assert_int_equal(a.rc, 0);
        assert_true(span_eq(a.meaning.body, span_str(bodies[i].forwarded)));
    }
    asked_fini(&a);
}

static void searches_have_their_facts(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "milvus");
    const struct gw_api_facts *f = &a.meaning.facts;
    ask(&a, "POST", V "/entities/search",
        "{\"collectionName\":\"docs\",\"data\":[[1],[2]],\"limit\":7,\"filter\":\" color == \\\"red\\\"\"}");
    assert_true(f->has_limit && f->limit == 7 && f->has_queries && f->queries == 2 && f->has_filter);
    assert_false(f->with_payload || f->with_vectors || f->by_id);
    ask(&a, "POST", V "/entities/search",
        "{\"collectionName\":\"docs\",\"data\":[[1]],\"filter\":\"  \",\"outputFields\":[\"vector\"]}");
    assert_true(f->limit == 100 && !f->has_filter && f->with_payload && f->with_vectors);
    ask(&a, "POST", V "/entities/hybrid_search",
        "{\"collectionName\":\"docs\",\"limit\":3,\"search\":[{\"data\":[[1]],\"filter\":\"a > "
        "1\"},{\"data\":[[1]]}]}");
    assert_true(f->limit == 3 && f->queries == 2 && !f->has_filter);
    ask(&a, "POST", V "/entities/query", DOCS);
    assert_true(f->limit == 100 && f->with_payload && f->with_vectors && !f->has_filter);
    ask(&a, "POST", V "/entities/get", "{\"collectionName\":\"docs\",\"id\":[1,2,3]}");
    assert_true(f->by_id && f->points == 3 && f->limit == 3);
    ask(&a, "POST", V "/entities/insert", "{\"collectionName\":\"docs\",\"data\":[{},{}]}");
    assert_true(f->has_points && f->points == 2);
    assert_true(a.meaning.changes_data && !a.meaning.idempotent);
    asked_fini(&a);
}

static void a_list_of_one_collections_aliases_asks_one_shard(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "milvus");
    ask(&a, "POST", V "/aliases/list", "{}");
    assert_true(a.meaning.fan == GW_API_FAN_MERGE && a.meaning.list == GW_API_LIST_MILVUS_NAMES);
    ask(&a, "POST", V "/aliases/list", DOCS);
    assert_true(a.meaning.fan == GW_API_FAN_ONE && a.meaning.list == GW_API_LIST_NONE);
    ask(&a, "POST", V "/databases/create", "{\"dbName\":\"other\"}");
    assert_int_equal(a.meaning.fan, GW_API_FAN_ALL);
    asked_fini(&a);
}

// The server takes it for none at all and answers with every record: policies that bound the limit must not take it for little.
static void a_limit_of_nothing_is_no_limit(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "milvus");
    ask(&a, "POST", "/v2/vectordb/entities/query", "{\"collectionName\":\"docs\",\"filter\":\"id >= 0\",\"limit\":0}");
    assert_int_equal(a.rc, 0);
    assert_false(a.meaning.facts.has_limit);
    ask(&a, "POST", "/v2/vectordb/entities/query",
        "{\"collectionName\":\"docs\",\"filter\":\"id >= 0\",\"limit\":null}");
    assert_true(a.meaning.facts.has_limit && a.meaning.facts.limit == 100);
    ask(&a, "POST", "/v2/vectordb/entities/query", "{\"collectionName\":\"docs\",\"filter\":\"id >= 0\",\"limit\":-0}");
    assert_false(a.rc == 0 && a.meaning.facts.has_limit);
    asked_fini(&a);
}

// The server does not look at the type, and its own client for REST says text/plain. What is not JSON is refused all the same.
static void json_that_calls_itself_plain_text_is_read_as_json(void **state)
{
    (void)state;
    static const struct {
        const char *type, *body, *expected;
    } rows[] = {
        { "text/plain;charset=UTF-8", "{\"collectionName\":\"docs\"}", "drop default/docs" },
        { "text/plain", "{\"collectionName\":\"docs\"}", "drop default/docs" },
        { "text/plain", "{\"collectionName\":\"docs\",\"CollectionName\":\"other\"}", "!API_BODY" },
        { "text/plain", "collectionName=docs", "!API_BODY" },
        { "text/plain; charset=utf-16", "{\"collectionName\":\"docs\"}", "!API_ENCODING" },
        { "text/html", "{\"collectionName\":\"docs\"}", "!API_ENCODING" },
        { "application/x-www-form-urlencoded", "{\"collectionName\":\"docs\"}", "!API_ENCODING" },
    };
    struct asked a;
    asked_init(&a, "milvus");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        a.type = span_str(rows[i].type);
        assert_string_equal(ask(&a, "POST", "/v2/vectordb/collections/drop", rows[i].body), rows[i].expected);
    }
    asked_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_specification_has_its_action),
        cmocka_unit_test(what_is_not_listed_is_denied),
        cmocka_unit_test(every_second_name_is_authorised),
        cmocka_unit_test(search_parameters_cannot_say_otherwise_than_the_members),
        cmocka_unit_test(a_limit_of_groups_counts_their_records),
        cmocka_unit_test(the_server_cannot_read_another_name_than_we_did),
        cmocka_unit_test(the_database_is_always_written),
        cmocka_unit_test(searches_have_their_facts),
        cmocka_unit_test(a_limit_of_nothing_is_no_limit),
        cmocka_unit_test(a_list_of_one_collections_aliases_asks_one_shard),
        cmocka_unit_test(json_that_calls_itself_plain_text_is_read_as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

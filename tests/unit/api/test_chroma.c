// SPDX-License-Identifier: GPL-3.0-or-later
// Chroma's table: every method and path, UUID or name, and the names that create, rename and fork carry in the body.
#include "ask.h"

#define U "3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6f"
#define P "/api/v2/tenants/acme/databases/main/collections"
#define PU P "/" U
#define AT "acme/main/"

static void every_row_of_the_specification_has_its_action(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "GET", "/api/v2", NULL, "meta -" },
        { "GET", "/api/v2/heartbeat", NULL, "meta -" },
        { "GET", "/api/v2/healthcheck", NULL, "meta -" },
        { "GET", "/api/v2/version", NULL, "meta -" },
        { "GET", "/api/v2/pre-flight-checks", NULL, "meta -" },
        { "GET", "/api/v2/auth/identity", NULL, "meta -" },
        { "GET", "/api/v2/tenants/acme", NULL, "meta acme/-" },
        { "GET", "/api/v2/tenants/acme/databases/main", NULL, "meta " AT "-" },
        { "GET", P, NULL, "list " AT "-" },
        { "GET", "/api/v2/tenants/acme/databases/main/collections_count", NULL, "list " AT "-" },
        { "POST", P, "{\"name\":\"docs\"}", "create " AT "+docs" },
        { "GET", P "/docs", NULL, "meta " AT "docs" },
        { "DELETE", P "/docs", NULL, "drop " AT "docs" },
        { "PUT", PU, "{\"new_metadata\":{\"a\":1}}", "alter " AT "#" U },
        { "POST", PU "/get", "{}", "read " AT "#" U },
        { "GET", PU "/count?read_level=index_and_wal", NULL, "read " AT "#" U },
        { "POST", PU "/query", "{\"query_embeddings\":[[1]]}", "search " AT "#" U },
        { "POST", PU "/search", "{\"searches\":[{}]}", "search " AT "#" U },
        { "POST", PU "/add", "{\"ids\":[]}", "write " AT "#" U },
        { "POST", PU "/update", "{\"ids\":[]}", "write " AT "#" U },
        { "POST", PU "/upsert", "{\"ids\":[]}", "write " AT "#" U },
        { "POST", PU "/delete", "{\"ids\":[\"a\"]}", "delete " AT "#" U },
        { "POST", PU "/fork", "{\"new_name\":\"copy\"}", "export " AT "#" U ", create " AT "+copy" },
        { "POST", "/api/v2/tenants", "{\"name\":\"beta\"}", "create beta/-" },
        { "DELETE", "/api/v2/tenants/beta", NULL, "drop beta/-" },
        { "POST", "/api/v2/tenants/acme/databases", "{\"name\":\"other\"}", "create acme/other/-" },
        { "DELETE", "/api/v2/tenants/acme/databases/main", NULL, "drop " AT "-" },
        { "POST", "/api/v2/reset", NULL, "ops -" },
        // What the clients have beyond the specification's table.
        { "GET", "/api/v2/tenants/acme/databases?limit=2", NULL, "list acme/-" },
        { "PATCH", "/api/v2/tenants/acme", "{\"resource_name\":\"x\"}", "alter acme/-" },
        { "GET", "/api/v2/collections/acme:main:docs", NULL, "ops -" },
        { "GET", P "/by-id/" U, NULL, "meta " AT "#" U },
        { "GET", PU "/fork_count", NULL, "meta " AT "#" U },
        { "GET", PU "/indexing_status", NULL, "meta " AT "#" U },
    };
    ASK_ROWS("chroma", rows);
}

static void what_is_not_listed_is_denied(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "HEAD", "/api/v2/heartbeat", NULL, "!API_UNKNOWN" },
        { "GET", "/", NULL, "!API_UNKNOWN" },
        { "GET", "/api/v1/collections", NULL, "!API_UNKNOWN" },
        { "GET", "/api/v2/", NULL, "!API_UNKNOWN" },
        { "GET", "/API/v2", NULL, "!API_UNKNOWN" },
        { "GET", "/api/v2/tenants", NULL, "!API_UNKNOWN" },
        { "GET", "/api/v2/reset", NULL, "!API_UNKNOWN" },
        { "POST", P "/docs", "{}", "!API_UNKNOWN" },
        { "PATCH", PU, "{}", "!API_UNKNOWN" },
        { "GET", PU "/get", NULL, "!API_UNKNOWN" },
        { "GET", PU "/count/", NULL, "!API_UNKNOWN" },
        { "POST", PU "/functions/attach", "{\"output_collection\":\"secret\"}", "!API_UNKNOWN" },
        { "GET", PU "/functions/f", NULL, "!API_UNKNOWN" },
        { "POST", PU "/attached_functions/f/detach", "{}", "!API_UNKNOWN" },
        { "POST", PU "/conditional/get", "{}", "!API_UNKNOWN" },
        { "POST", PU "/conditional/commit", "{}", "!API_UNKNOWN" },
        { "GET", "/docs", NULL, "!API_UNKNOWN" },
        { "GET", "/openapi.json", NULL, "!API_UNKNOWN" },
        { "GET", "/collections", NULL, "!API_UNKNOWN" },
    };
    ASK_ROWS("chroma", rows);
}

// The server's parser also takes these spellings; the map of names knows one.
static void only_the_canonical_uuid_is_one(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", P "/3F2B8C1E-9D4A-4E6B-8F70-1A2B3C4D5E6F/get", "{}", "read " AT "#" U },
        { "POST", P "/3f2b8c1e9d4a4e6b8f701a2b3c4d5e6f/get", "{}", "!API_COLLECTION" },
        { "POST", P "/{3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6f}/get", "{}", "!API_COLLECTION" },
        { "POST", P "/urn:uuid:3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6f/get", "{}", "!API_COLLECTION" },
        { "POST", P "/3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6g/get", "{}", "!API_COLLECTION" },
        { "POST", P "/3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6/get", "{}", "!API_COLLECTION" },
        { "POST", P "/3f2b8c1e_9d4a_4e6b_8f70_1a2b3c4d5e6f/get", "{}", "!API_COLLECTION" },
        { "POST", P "/docs/get", "{}", "!API_COLLECTION" },
        { "PUT", P "/docs", "{\"new_name\":\"a\"}", "!API_COLLECTION" },
        { "GET", P "/by-id/count", NULL, "!API_COLLECTION" },
        { "GET", P "/by-id/docs", NULL, "!API_COLLECTION" },
        // On the routes by name it is a name like any other.
        { "GET", PU, NULL, "meta " AT U },
        { "DELETE", PU, NULL, "drop " AT U },
    };
    ASK_ROWS("chroma", rows);
}

static void names_in_bodies_are_authorised(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "PUT", PU, "{\"new_name\":\"theirs\"}", "alter " AT "#" U ", alter " AT "+theirs" },
        { "PUT", PU, "{\"new_name\":null}", "alter " AT "#" U },
        { "PUT", PU, "{\"new_name\":5}", "!API_BODY" },
        { "PUT", PU, "{\"New_Name\":\"theirs\"}", "!API_BODY" },
        { "PUT", PU, "{\"new_name\":\"a\",\"new_name\":\"b\"}", "!API_BODY" },
        { "PUT", PU, "{\"new_name\":\"a\",\"\\u006eew_name\":\"b\"}", "!API_BODY" },
        { "PUT", PU, "[\"theirs\",null,null]", "!API_BODY" },
        { "POST", PU "/fork", "{}", "!API_BODY" },
        { "POST", PU "/fork", "[\"copy\"]", "!API_BODY" },
        { "POST", PU "/fork", "{\"new_name\":\"copy\",\"database\":\"x\"}", "!API_BODY" },
        { "POST", PU "/fork", NULL, "!API_BODY" },
        { "POST", P, "{\"name\":\"docs\",\"tenant\":\"x\"}", "!API_BODY" },
        { "POST", P, "[\"docs\",null,null,null,true]", "!API_BODY" },
        { "POST", P, "{\"name\":\"docs\",\"get_or_create\":1}", "!API_BODY" },
        { "POST", P, "{\"name\":\"docs\",\"get_or_create\":null}", "!API_BODY" },
        { "POST", P, "{\"Name\":\"docs\"}", "!API_BODY" },
        { "POST", P, "{\"name\":\"a/b\"}", "!API_BODY" },
        { "POST", "/api/v2/tenants", "{\"name\":\"a\",\"name\":\"b\"}", "!API_BODY" },
        { "POST", "/api/v2/tenants", "[\"a\"]", "!API_BODY" },
        { "POST", "/api/v2/tenants", "{}", "!API_BODY" },
        { "POST", "/api/v2/tenants/acme/databases", "{\"name\":\"a\",\"tenant\":\"b\"}", "!API_BODY" },
    };
    ASK_ROWS("chroma", rows);
}

static void get_or_create_needs_both_or_becomes_a_get(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "chroma");
    const char *line = ask(&a, "POST", "/api/v2/tenants/a b/databases/main/collections",
                           "{\"name\":\"my docs\",\"configuration\":{},\"metadata\":null,\"get_or_create\":true}");
    assert_string_equal(line, "create a b/main/+my docs, meta a b/main/+my docs");
    const struct gw_api_alternative *alt = &a.meaning.alternative;
    assert_true(alt->present);
    assert_span(alt->method, "GET");
    assert_span(alt->target, "/api/v2/tenants/a%20b/databases/main/collections/my%20docs");
    assert_int_equal(alt->authorisation.action, GW_ACTION_META);
    assert_span(alt->authorisation.collection, "my docs");
    assert_true(a.meaning.changes_data && a.meaning.teaches_names);
    line = ask(&a, "POST", P, "{\"name\":\"docs\",\"get_or_create\":false}");
    assert_string_equal(line, "create " AT "+docs");
    assert_false(a.meaning.alternative.present);
    asked_fini(&a);
}

static void an_encoded_body_is_415_where_it_is_read(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "chroma");
    a.encoding = SPAN("gzip");
    assert_string_equal(ask(&a, "POST", P, "{\"name\":\"docs\"}"), "!API_ENCODING");
    assert_string_equal(ask(&a, "PUT", PU, "{}"), "!API_ENCODING");
    assert_string_equal(ask(&a, "POST", PU "/query", "{}"), "!API_ENCODING");
    assert_string_equal(ask(&a, "POST", PU "/add", "{}"), "write " AT "#" U);
    a.inspect_writes = true;
    assert_string_equal(ask(&a, "POST", PU "/add", "{}"), "!API_ENCODING");
    asked_fini(&a);
}

static void lists_are_paged_after_filtering(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "chroma");
    ask(&a, "GET", P "?limit=10&offset=20", NULL);
    assert_int_equal(a.rc, 0);
    assert_int_equal(a.meaning.fan, GW_API_FAN_MERGE);
    assert_int_equal(a.meaning.list, GW_API_LIST_CHROMA_COLLECTIONS);
    assert_int_equal(a.meaning.list_limit, 10);
    assert_int_equal(a.meaning.list_offset, 20);
    assert_span(a.meaning.target, P); // the shards are asked for all
    ask(&a, "GET", P, NULL);
    assert_true(a.meaning.list_limit == UINT64_MAX && a.meaning.list_offset == 0);
    ask(&a, "GET", "/api/v2/tenants/acme/databases/main/collections_count", NULL);
    assert_int_equal(a.meaning.list, GW_API_LIST_CHROMA_COUNT);
    assert_span(a.meaning.target, P); // counted by us
    ask(&a, "GET", "/api/v2/tenants/acme/databases?offset=1", NULL);
    assert_int_equal(a.meaning.list, GW_API_LIST_CHROMA_DATABASES);
    assert_span(a.meaning.target, "/api/v2/tenants/acme/databases");
    static const struct ask_row rows[] = {
        { "GET", P "?limit=1&limit=100", NULL, "!API_QUERY" },
        { "GET", P "?limit=1&l%69mit=100", NULL, "!API_QUERY" },
        { "GET", P "?limit=-1", NULL, "!API_QUERY" },
        { "GET", P "?limit=", NULL, "!API_QUERY" },
        { "GET", P "?limit", NULL, "!API_QUERY" },
        { "GET", P "?offset=1e3", NULL, "!API_QUERY" },
        { "GET", P "?limit=99999999999999999999999", NULL, "!API_QUERY" },
        { "GET", P "?tenant=other", NULL, "!API_QUERY" },
        { "GET", P "/docs?database=other", NULL, "!API_QUERY" },
        { "GET", P "?limit=1;offset=2", NULL, "!API_QUERY" },
    };
    asked_fini(&a);
    ASK_ROWS("chroma", rows);
}

static void facts_say_how_much_is_asked_for(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "chroma");
    const struct gw_api_facts *f = &a.meaning.facts;
    ask(&a, "POST", PU "/query",
        "{\"query_embeddings\":[[1,2],[3,4],[5,6]],\"n_results\":25,\"where\":{\"a\":1},\"include\":[\"embeddings\","
        "\"documents\"]}");
    assert_true(f->has_limit && f->limit == 25 && f->has_queries && f->queries == 3);
    assert_true(f->has_filter && f->with_vectors && f->with_payload && !f->by_id);
    ask(&a, "POST", PU "/query",
        "{\"query_embeddings\":[[1]],\"where\":{},\"where_document\":null,\"include\":[\"distances\"]}");
    assert_true(f->limit == 10 && !f->has_filter && !f->with_vectors && !f->with_payload);
    ask(&a, "POST", PU "/query", "{\"query_embeddings\":[[1]],\"ids\":[\"a\",\"b\"]}");
    assert_true(f->by_id && f->points == 2 && f->with_payload);
    // Everything there is has no number: a policy that compares it must not permit.
    ask(&a, "POST", PU "/get", "{}");
    assert_false(f->has_limit);
    ask(&a, "POST", PU "/get", "{\"limit\":3,\"where_document\":{\"$contains\":\"x\"}}");
    assert_true(f->limit == 3 && f->has_filter);
    ask(&a, "POST", PU "/get", "{\"ids\":[\"a\"],\"limit\":100}");
    assert_true(f->limit == 1 && f->by_id);
    ask(&a, "POST", PU "/search",
        "{\"searches\":[{\"limit\":{\"limit\":7,\"offset\":1},\"filter\":{\"a\":1}},{\"limit\":{\"limit\":9},"
        "\"filter\":{\"a\":1},"
        "\"select\":{\"keys\":[\"#embedding\"]}}]}");
    assert_true(f->has_limit && f->limit == 9 && f->queries == 2 && f->has_filter && f->with_vectors &&
                !f->with_payload);
    ask(&a, "POST", PU "/search", "{\"searches\":[{\"limit\":{\"limit\":7},\"filter\":{\"a\":1}},{}]}");
    assert_true(!f->has_limit && !f->has_filter);
    ask(&a, "POST", PU "/delete", "{\"where\":{\"a\":1},\"limit\":5}");
    assert_true(f->has_filter && f->limit == 5 && !f->by_id);
    ask(&a, "POST", PU "/add", "{\"ids\":[\"a\"]}");
    assert_true(!f->has_points && !a.body_was_needed);
    a.inspect_writes = true;
    ask(&a, "POST", PU "/add",
        "{\"ids\":[\"a\",\"b\"],\"embeddings\":[[1],[2]],\"documents\":null,\"metadatas\":[null,{\"x\":1}],\"uris\":"
        "null}");
    assert_true(f->has_points && f->points == 2);
    asked_fini(&a);
    static const struct ask_row rows[] = {
        { "POST", PU "/query", "{\"query_embeddings\":[[1]],\"where\":[1]}", "!API_BODY" },
        { "POST", PU "/query", "{\"query_embeddings\":[[1]],\"n_results\":-1}", "!API_BODY" },
        { "POST", PU "/query", "{\"query_embeddings\":[[1]],\"Where\":{}}", "!API_BODY" },
        { "POST", PU "/search", "{\"searches\":[[1]]}", "!API_BODY" },
        { "POST", PU "/get", "[null]", "!API_BODY" },
        { "POST", PU "/delete", "{\"ids\":\"a\"}", "!API_BODY" },
    };
    ASK_ROWS("chroma", rows);
}

// serde takes a struct as the list of its fields and a word as {"word": null}. A real Chroma 1.0 answers the first of these with the
// vectors.
static void what_the_server_spells_otherwise_hides_no_vectors(void **state)
{
    (void)state;
    static const struct ask_row rows[] = {
        { "POST", PU "/get", "{\"include\":[{\"embeddings\":null}]}", "!API_BODY" },
        { "POST", PU "/get", "{\"include\":[\"documents\",[\"embeddings\"]]}", "!API_BODY" },
        { "POST", PU "/get", "{\"include\":{\"0\":\"embeddings\"}}", "!API_BODY" },
        { "POST", PU "/query", "{\"query_embeddings\":[[1]],\"include\":[{\"embeddings\":null}]}", "!API_BODY" },
        { "POST", PU "/search", "{\"searches\":[{\"select\":[[\"#embedding\"]]}]}", "!API_BODY" },
        { "POST", PU "/search", "{\"searches\":[{\"select\":{\"keys\":{\"#embedding\":null}}}]}", "!API_BODY" },
        { "POST", PU "/search", "{\"searches\":[{\"select\":{\"keys\":[{\"#embedding\":null}]}}]}", "!API_BODY" },
        { "POST", PU "/search", "{\"searches\":[{\"limit\":[0,7]}]}", "!API_BODY" },
        { "POST", PU "/search", "{\"searches\":[{\"select\":{\"keys\":[\"#embedding\"]}}]}", "search " AT "#" U },
        { "POST", PU "/get", "{\"include\":[]}", "read " AT "#" U },
    };
    ASK_ROWS("chroma", rows);
}

static void facts_of_a_body_that_streams_unread_are_not_known(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "chroma");
    ask(&a, "POST", PU "/upsert", "{\"ids\":[\"a\"]}");
    assert_true(a.rc == 0 && !a.body_was_needed && a.meaning.facts.unread);
    ask(&a, "POST", PU "/delete", "{\"ids\":[\"a\"]}");
    assert_false(a.meaning.facts.unread);
    ask(&a, "GET", PU "/count", NULL);
    assert_false(a.meaning.facts.unread);
    a.inspect_writes = true;
    ask(&a, "POST", PU "/upsert", "{\"ids\":[\"a\"]}");
    assert_false(a.meaning.facts.unread);
    asked_fini(&a);
}

static void tenants_and_databases_concern_every_shard(void **state)
{
    (void)state;
    struct asked a;
    asked_init(&a, "chroma");
    ask(&a, "POST", "/api/v2/tenants", "{\"name\":\"a\"}");
    assert_int_equal(a.meaning.fan, GW_API_FAN_ALL);
    ask(&a, "POST", "/api/v2/tenants/a/databases", "{\"name\":\"d\"}");
    assert_int_equal(a.meaning.fan, GW_API_FAN_ALL);
    ask(&a, "DELETE", "/api/v2/tenants/a/databases/d", NULL);
    assert_int_equal(a.meaning.fan, GW_API_FAN_ALL);
    assert_true(a.meaning.forgets_names);
    ask(&a, "POST", "/api/v2/reset", NULL);
    assert_int_equal(a.meaning.fan, GW_API_FAN_ALL);
    ask(&a, "GET", "/api/v2/tenants/a/databases/d", NULL);
    assert_int_equal(a.meaning.fan, GW_API_FAN_ONE);
    ask(&a, "PUT", PU, "{\"new_name\":\"b\"}");
    assert_true(a.meaning.forgets_names && a.meaning.fan == GW_API_FAN_ONE);
    ask(&a, "GET", P "/docs", NULL);
    assert_true(a.meaning.teaches_names);
    asked_fini(&a);
}

static void actions_have_names_and_groups(void **state)
{
    (void)state;
    static const char *const names[] = { "search", "read",  "list", "meta",   "write", "delete",
                                         "create", "alter", "drop", "export", "ops" };
    for (unsigned i = 0; i < GW_ACTION_COUNT; i++) {
        assert_span(gw_action_name(i), names[i]);
        assert_int_equal(gw_action_mask(span_str(names[i])), GW_ACTION_BIT(i));
    }
    assert_int_equal(gw_action_mask(SPAN("readonly")), GW_ACTIONS_READONLY);
    assert_int_equal(gw_action_mask(SPAN("readwrite")),
                     GW_ACTIONS_READONLY | GW_ACTION_BIT(GW_ACTION_WRITE) | GW_ACTION_BIT(GW_ACTION_DELETE));
    assert_int_equal(gw_action_mask(SPAN("admin")), GW_ACTIONS_ADMIN);
    assert_int_equal(gw_action_mask(SPAN("Search")), 0);
    assert_int_equal(gw_action_mask(SPAN("")), 0);
    // Nobody gets ops by a group.
    for (unsigned i = 0; i < GW_ACTION_GROUPS; i++)
        assert_int_equal(gw_action_groups[i].mask & GW_ACTION_BIT(GW_ACTION_OPS), 0);
    assert_null(gw_api_def_find(SPAN("milvusx")));
    assert_span(gw_api_def_name(gw_api_def_at(0)), "qdrant");
    assert_null(gw_api_def_at(99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_specification_has_its_action),
        cmocka_unit_test(what_is_not_listed_is_denied),
        cmocka_unit_test(only_the_canonical_uuid_is_one),
        cmocka_unit_test(names_in_bodies_are_authorised),
        cmocka_unit_test(get_or_create_needs_both_or_becomes_a_get),
        cmocka_unit_test(an_encoded_body_is_415_where_it_is_read),
        cmocka_unit_test(lists_are_paged_after_filtering),
        cmocka_unit_test(facts_say_how_much_is_asked_for),
        cmocka_unit_test(what_the_server_spells_otherwise_hides_no_vectors),
        cmocka_unit_test(facts_of_a_body_that_streams_unread_are_not_known),
        cmocka_unit_test(tenants_and_databases_concern_every_shard),
        cmocka_unit_test(actions_have_names_and_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

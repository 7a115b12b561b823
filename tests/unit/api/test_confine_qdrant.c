// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant's requests under a filter, by what a hostile tenant would try.
#include "tests/unit/api/confined.h"

#define D "/collections/docs"
#define P D "/points"
#define A "{\"key\":\"tenant\",\"match\":{\"value\":\"a\"}}"
#define MUST "{\"must\":[" A "]}"
#define DENIED "!POLICY_OBLIGATION"
#define REFUSED "!API_BODY"

static void the_filter_is_put_where_there_was_none(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", P "/scroll", "{}", "{\"filter\":" MUST "}" },
        { "POST", P "/scroll", "{\"filter\":null,\"limit\":3}", "{\"limit\":3,\"filter\":" MUST "}" },
        { "POST", P "/scroll", "{\"filter\":{}}", "{\"filter\":" MUST "}" },
        { "POST", P "/count", "{\"exact\":true}", "{\"exact\":true,\"filter\":" MUST "}" },
        { "POST", D "/facet", "{\"key\":\"tenant\"}", "{\"key\":\"tenant\",\"filter\":" MUST "}" },
        { "POST", P "/query", "{\"query\":[1.50,2]}", "{\"query\":[1.50,2],\"filter\":" MUST "}" },
        { "POST", P "/query", "{\"query\":{\"order_by\":\"n\"}}",
          "{\"query\":{\"order_by\":\"n\"},\"filter\":" MUST "}" },
        { "POST", P "/query/groups", "{\"query\":[1],\"group_by\":\"g\"}",
          "{\"query\":[1],\"group_by\":\"g\",\"filter\":" MUST "}" },
        { "POST", P "/search", "{\"vector\":[1],\"limit\":2}", "{\"vector\":[1],\"limit\":2,\"filter\":" MUST "}" },
        { "POST", P "/search/groups", "{\"vector\":[1],\"group_by\":\"g\"}",
          "{\"vector\":[1],\"group_by\":\"g\",\"filter\":" MUST "}" },
        { "POST", P "/search/matrix/pairs", "{\"sample\":9}", "{\"sample\":9,\"filter\":" MUST "}" },
        { "POST", P "/search/matrix/offsets", "{\"sample\":9}", "{\"sample\":9,\"filter\":" MUST "}" },
        { "POST", P "/recommend", "{\"positive\":[[1,2]]}", "{\"positive\":[[1,2]],\"filter\":" MUST "}" },
        { "POST", P "/recommend/groups", "{\"positive\":[[1,2]]}", "{\"positive\":[[1,2]],\"filter\":" MUST "}" },
        { "POST", P "/discover", "{\"target\":[1,2]}", "{\"target\":[1,2],\"filter\":" MUST "}" },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

// Whatever it says is one condition beside ours.
static void a_clients_filter_cannot_widen_it(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
#define WITH(f) { "POST", P "/scroll", "{\"filter\":" f "}", "{\"filter\":{\"must\":[" A "," f "]}}" }
        WITH("{\"should\":[{\"key\":\"tenant\",\"match\":{\"value\":\"b\"}}]}"),
        WITH("{\"should\":[]}"),
        WITH("{\"must\":{\"has_id\":[1]}}"),
        WITH("{\"must_not\":[{\"key\":\"tenant\",\"match\":{\"value\":\"a\"}}]}"),
        WITH("{\"min_should\":{\"conditions\":[{\"has_id\":[1]}],\"min_count\":1}}"),
        WITH("{\"must\":[{\"nested\":{\"key\":\"x\",\"filter\":{\"must_not\":[{\"has_id\":[]}]}}}]}"),
        WITH("{\"must\":null,\"should\":null}"),
        WITH("{\"key\":\"tenant\",\"match\":{\"value\":\"b\"}}"),
#undef WITH
        { "POST", P "/scroll", "{\"filter\":[{\"has_id\":[1]}]}", REFUSED },
        { "POST", P "/scroll", "{\"filter\":\"\"}", REFUSED },
        { "POST", P "/scroll", "{\"filter\":{},\"filter\":null}", REFUSED },
        { "POST", P "/scroll", "{\"Filter\":{}}", REFUSED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void every_prefetch_and_every_element_of_a_batch_is_confined(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", P "/query", "{\"prefetch\":{\"query\":[1]}}",
          "{\"filter\":" MUST ",\"prefetch\":{\"query\":[1],\"filter\":" MUST "}}" },
        { "POST", P "/query",
          "{\"prefetch\":[{\"prefetch\":[{\"limit\":1},{\"filter\":{\"must\":[]}}]},{}],\"limit\":1}",
          "{\"limit\":1,\"filter\":" MUST ",\"prefetch\":[{\"filter\":" MUST
          ",\"prefetch\":[{\"limit\":1,\"filter\":" MUST "},{\"filter\":{\"must\":[" A
          ",{\"must\":[]}]}}]},{\"filter\":" MUST "}]}" },
        { "POST", P "/query", "{\"prefetch\":null}", "{\"filter\":" MUST "}" },
        { "POST", P "/query/batch", "{\"searches\":[{},{\"prefetch\":{}}]}",
          "{\"searches\":[{\"filter\":" MUST "},{\"filter\":" MUST ",\"prefetch\":{\"filter\":" MUST "}}]}" },
        { "POST", P "/search/batch", "{\"searches\":[{\"vector\":[1]},{\"filter\":{\"should\":[]}}]}",
          "{\"searches\":[{\"vector\":[1],\"filter\":" MUST "},{\"filter\":{\"must\":[" A ",{\"should\":[]}]}}]}" },
        { "POST", P "/recommend/batch", "{\"searches\":[{\"positive\":[[1]]}]}",
          "{\"searches\":[{\"positive\":[[1]],\"filter\":" MUST "}]}" },
        { "POST", P "/discover/batch", "{\"searches\":[{\"target\":[1]}]}",
          "{\"searches\":[{\"target\":[1],\"filter\":" MUST "}]}" },
        { "POST", P "/search/batch", "{\"searches\":[[[1],{},null]]}", REFUSED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void a_point_as_the_query_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", P "/query", "{\"query\":7}", DENIED },
        { "POST", P "/query", "{\"query\":\"0b2f6e1c-0000-4000-8000-000000000001\"}", DENIED },
        { "POST", P "/query", "{\"query\":{\"nearest\":7}}", DENIED },
        { "POST", P "/query", "{\"query\":{\"nearest\":7,\"mmr\":{}}}", DENIED },
        { "POST", P "/query", "{\"query\":{\"recommend\":{\"positive\":[[1,2],7]}}}", DENIED },
        { "POST", P "/query", "{\"query\":{\"recommend\":{\"negative\":[7]}}}", DENIED },
        { "POST", P "/query", "{\"query\":{\"recommend\":[[7]]}}", DENIED },
        { "POST", P "/query",
          "{\"query\":{\"discover\":{\"target\":[1],\"context\":[{\"positive\":7,\"negative\":[1]}]}}}", DENIED },
        { "POST", P "/query", "{\"query\":{\"context\":{\"positive\":[1],\"negative\":7}}}", DENIED },
        { "POST", P "/query",
          "{\"query\":{\"relevance_feedback\":{\"target\":[1],\"feedback\":[{\"example\":7,\"score\":1}]}}}", DENIED },
        { "POST", P "/query", "{\"prefetch\":[{\"query\":[1]},{\"prefetch\":{\"query\":7}}]}", DENIED },
        { "POST", P "/query/batch", "{\"searches\":[{\"query\":[1]},{\"query\":7}]}", DENIED },
        { "POST", P "/query/groups", "{\"query\":7,\"group_by\":\"g\"}", DENIED },
        { "POST", P "/recommend", "{\"positive\":[7]}", DENIED },
        { "POST", P "/recommend", "{\"positive\":[[1]],\"negative\":[7]}", DENIED },
        { "POST", P "/recommend/batch", "{\"searches\":[{\"positive\":[7]}]}", DENIED },
        { "POST", P "/recommend/groups", "{\"positive\":[7]}", DENIED },
        { "POST", P "/discover", "{\"target\":7}", DENIED },
        { "POST", P "/discover", "{\"context\":[{\"positive\":7,\"negative\":8}]}", DENIED },
        { "POST", P "/discover/batch", "{\"searches\":[{\"target\":7}]}", DENIED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void a_second_collection_is_denied_when_it_is_confined(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", P "/query", "{\"query\":[1],\"lookup_from\":{\"collection\":\"other\"}}", DENIED },
        { "POST", P "/query", "{\"query\":[1],\"lookup_from\":{\"collection\":\"docs\"}}", DENIED },
        { "POST", P "/query", "{\"prefetch\":{\"lookup_from\":{\"collection\":\"other\"}}}", DENIED },
        { "POST", P "/recommend", "{\"positive\":[[1]],\"lookup_from\":{\"collection\":\"other\"}}", DENIED },
        { "POST", P "/search/groups", "{\"vector\":[1],\"with_lookup\":\"other\"}", DENIED },
        { "POST", P "/query/groups", "{\"query\":[1],\"with_lookup\":{\"collection\":\"other\"}}", DENIED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
    // Who may read all of the other one may look things up in it.
    static const struct confined_by main_only[] = { { "tenant", { TEXT("a") }, 1, GW_ACTION_SEARCH },
                                                    { .field = NULL } };
    static const struct confined_row open[] = {
        { "POST", P "/search/groups", "{\"vector\":[1],\"with_lookup\":\"other\"}",
          "{\"vector\":[1],\"with_lookup\":\"other\",\"filter\":" MUST "}" },
    };
    CONFINED_ROWS("qdrant", main_only, open);
    // Nor is a filter on the other one alone left out.
    static const struct confined_by other_only[] = { { "tenant", { TEXT("a") }, 1, GW_ACTION_READ },
                                                     { .field = NULL } };
    CONFINED_ROWS("qdrant", other_only, rows);
}

static void a_read_by_id_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "GET", P "/7", NULL, DENIED },
        { "POST", P, "{\"ids\":[7]}", DENIED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void what_concerns_the_whole_collection_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "PUT", D, "{}", DENIED },
        { "PATCH", D, "{}", DENIED },
        { "DELETE", D, NULL, DENIED },
        { "PUT", D "/index", "{}", DENIED },
        { "DELETE", D "/index/tenant", NULL, DENIED },
        { "PUT", D "/vectors/x", "{}", DENIED },
        { "POST", D "/cluster", "{}", DENIED },
        { "POST", "/collections/aliases",
          "{\"actions\":[{\"create_alias\":{\"collection_name\":\"docs\",\"alias_name\":\"x\"}}]}", DENIED },
        { "GET", D "/snapshots", NULL, DENIED },
        { "POST", D "/snapshots", NULL, DENIED },
        { "GET", D "/snapshots/x", NULL, DENIED },
        { "DELETE", D "/snapshots/x", NULL, DENIED },
        { "PUT", D "/snapshots/recover", "{\"location\":\"file:///x\"}", DENIED },
        { "GET", D "/shards/0/snapshot", NULL, DENIED },
        { "GET", D "/cluster", NULL, DENIED },
        { "GET", D "/shards", NULL, DENIED },
        { "GET", D "/optimizations", NULL, DENIED },
        { "GET", D "/memory", NULL, DENIED },
        { "GET", "/metrics", NULL, DENIED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void what_shows_no_record_passes(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "GET", D, NULL, "unchanged" },
        { "GET", D "/exists", NULL, "unchanged" },
        { "GET", D "/aliases", NULL, "unchanged" },
        { "GET", "/collections", NULL, "unchanged" },
        { "GET", "/", NULL, "unchanged" },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

// --------------------------------------------------------------------------------------------------------------- changes

static void a_change_by_id_becomes_one_by_filter(void **state)
{
    (void)state;
#define IDS "{\"must\":[" A ",{\"has_id\":[1,\"x\"]}]}"
    static const struct confined_row rows[] = {
        { "POST", P "/delete", "{\"points\":[1,\"x\"]}", "{\"filter\":" IDS "}" },
        { "POST", P "/delete?wait=true", "{\"points\":[1,\"x\"],\"shard_key\":\"k\"}",
          "{\"shard_key\":\"k\",\"filter\":" IDS "}" },
        { "POST", P "/delete", "{\"filter\":{\"must_not\":[{\"has_id\":[1]}]}}",
          "{\"filter\":{\"must\":[" A ",{\"must_not\":[{\"has_id\":[1]}]}]}}" },
        { "POST", P "/delete", "{\"filter\":{}}", "{\"filter\":" MUST "}" },
        { "POST", P "/delete", "{\"points\":[]}", "{\"filter\":{\"must\":[" A ",{\"has_id\":[]}]}}" },
        { "POST", P "/vectors/delete", "{\"points\":[1,\"x\"],\"vector\":[\"v\"]}",
          "{\"vector\":[\"v\"],\"filter\":" IDS "}" },
        { "POST", P "/payload/delete", "{\"points\":[1,\"x\"],\"keys\":[\"k\"]}",
          "{\"keys\":[\"k\"],\"filter\":" IDS "}" },
        { "POST", P "/payload", "{\"points\":[1,\"x\"],\"payload\":{\"k\":1}}",
          "{\"filter\":" IDS ",\"payload\":{\"k\":1}}" },
        { "PUT", P "/payload", "{\"points\":[1,\"x\"],\"payload\":{\"k\":1}}",
          "{\"filter\":" IDS ",\"payload\":{\"k\":1,\"tenant\":\"a\"}}" },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

// Ours alone would make it all that the tenant has.
static void a_change_of_nothing_does_not_become_one_of_everything(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", P "/delete", "{}", REFUSED },
        { "POST", P "/delete", "{\"filter\":null}", REFUSED },
        { "POST", P "/delete", "{\"points\":null}", REFUSED },
        { "POST", P "/vectors/delete", "{\"vector\":[\"v\"]}", REFUSED },
        { "POST", P "/payload/delete", "{\"keys\":[\"k\"]}", REFUSED },
        { "POST", P "/payload", "{\"payload\":{\"k\":1}}", REFUSED },
        { "PUT", P "/payload", "{\"payload\":{\"k\":1}}", REFUSED },
        { "POST", P "/batch", "{\"operations\":[{\"delete\":{}}]}", REFUSED },
        { "POST", P "/delete", "{\"points\":[1],\"filter\":{}}", REFUSED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void an_upsert_carries_the_tenant_and_replaces_no_other_tenants_point(void **state)
{
    (void)state;
#define UP "{\"update_filter\":" MUST ","
    static const struct confined_row rows[] = {
        { "PUT", P, "{\"points\":[{\"id\":1,\"vector\":[1]}]}",
          UP "\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{\"tenant\":\"a\"}}]}" },
        { "PUT", P, "{\"points\":[{\"id\":1,\"vectors\":[1],\"payload\":null}]}",
          UP "\"points\":[{\"id\":1,\"vectors\":[1],\"payload\":{\"tenant\":\"a\"}}]}" },
        { "PUT", P, "{\"points\":[{\"payload\":{\"tenant\":\"a\",\"n\":1},\"id\":1,\"vector\":[1]}]}",
          UP "\"points\":[{\"id\":1,\"vector\":[1],\"payload\":{\"n\":1,\"tenant\":\"a\"}}]}" },
        { "PUT", P, "{\"update_mode\":\"insert_only\",\"update_filter\":{\"should\":[]},\"points\":[]}",
          "{\"update_mode\":\"insert_only\",\"update_filter\":{\"must\":[" A ",{\"should\":[]}]},\"points\":[]}" },
        { "PUT", P, "{\"batch\":{\"ids\":[1,2],\"vectors\":[[1],[2]]}}",
          UP "\"batch\":{\"ids\":[1,2],\"vectors\":[[1],[2]],\"payloads\":[{\"tenant\":\"a\"},{\"tenant\":\"a\"}]}}" },
        { "PUT", P, "{\"batch\":{\"ids\":[1,2],\"vectors\":[[1],[2]],\"payloads\":[null,{\"n\":1}]}}",
          UP "\"batch\":{\"ids\":[1,2],\"vectors\":[[1],[2]],\"payloads\":[{\"tenant\":\"a\"},{\"n\":1,\"tenant\":"
             "\"a\"}]}}" },
        { "PUT", P "/vectors", "{\"points\":[{\"id\":1,\"vector\":[1]}]}",
          "{\"points\":[{\"id\":1,\"vector\":[1]}],\"update_filter\":" MUST "}" },
        { "PUT", P "/vectors", "{\"points\":[],\"update_filter\":{\"should\":[]}}",
          "{\"points\":[],\"update_filter\":{\"must\":[" A ",{\"should\":[]}]}}" },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void a_point_for_another_tenant_is_refused(void **state)
{
    (void)state;
#define ONE(payload)                                                                          \
    {                                                                                         \
        "PUT", P, "{\"points\":[{\"id\":1,\"vector\":[1],\"payload\":" payload "}]}", REFUSED \
    }
    static const struct confined_row rows[] = {
        ONE("{\"tenant\":\"b\"}"),
        ONE("{\"tenant\":null}"),
        ONE("{\"tenant\":[\"a\"]}"),
        ONE("{\"tenant\":[\"a\",\"b\"]}"),
        ONE("{\"tenant\":{\"a\":1}}"),
        ONE("{\"tenant\":1}"),
        ONE("{\"tenant\":true}"),
        ONE("{\"tenant\":\"A\"}"),
        ONE("{\"tenant\":\"a\\u0000\"}"),
        ONE("{\"tenant\":\"a\",\"\\u0074enant\":\"b\"}"),
        ONE("[[\"tenant\",\"b\"]]"),
        ONE("\"\""),
        { "PUT", P, "{\"points\":[[1,[1],{\"tenant\":\"b\"}]]}", REFUSED },
        { "PUT", P, "{\"points\":{\"id\":1}}", REFUSED },
        { "PUT", P, "{}", REFUSED },
        { "PUT", P, "{\"points\":[],\"batch\":{\"ids\":[]}}", REFUSED },
        { "PUT", P, "{\"points\":[],\"batch\":null}", REFUSED },
        { "PUT", P, "{\"batch\":[[1],[[1]],[{\"tenant\":\"b\"}]]}", REFUSED },
        { "PUT", P, "{\"batch\":{\"vectors\":[[1]]}}", REFUSED },
        { "PUT", P, "{\"batch\":{\"ids\":[1,2],\"vectors\":[],\"payloads\":[{}]}}", REFUSED },
        { "PUT", P, "{\"batch\":{\"ids\":[1],\"vectors\":[],\"payloads\":[{\"tenant\":\"b\"}]}}", REFUSED },
        { "PUT", P, "{\"batch\":{\"ids\":[1],\"vectors\":[],\"payloads\":{\"0\":{}}}}", REFUSED },
        { "PUT", P, "{\"points\":[],\"update_filter\":[[],null,null,null]}", REFUSED },
        { "PUT", P "/vectors", "{\"points\":[],\"update_filter\":[[],null,null,null]}", REFUSED },
        { "PUT", P, "{\"points\":[],\"Update_filter\":{}}", REFUSED },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

// Keys that only look like the field are other fields to Qdrant.
static void what_looks_like_the_field_is_copied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "PUT", P,
          "{\"points\":[{\"id\":1,\"payload\":{\"Tenant\":\"b\",\"\\\"tenant\\\"\":\"b\",\"tenant "
          "\":\"b\",\"tenant[]\":\"b\"}}]}",
          UP "\"points\":[{\"id\":1,\"payload\":{\"Tenant\":\"b\",\"\\\"tenant\\\"\":\"b\",\"tenant "
             "\":\"b\",\"tenant[]\":\"b\","
             "\"tenant\":\"a\"}}]}" },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void a_point_cannot_be_given_away_later(void **state)
{
    (void)state;
#define SET(more) "{\"points\":[1]," more "}"
    static const struct confined_row rows[] = {
        { "POST", P "/payload", SET("\"payload\":{\"tenant\":\"b\"}"), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{\"tenant\":null}"), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":\"tenant\""), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":\"tenant.x\""), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":\"tenant[0]\""), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":\"tenant[].x\""), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":\"\\\"tenant\\\"\""), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":\"\\\"tenant\\\".x\""), REFUSED },
        { "POST", P "/payload", SET("\"payload\":{},\"key\":[\"tenant\"]"), REFUSED },
        { "POST", P "/payload", SET("\"payload\":[]"), REFUSED },
        { "POST", P "/payload", SET("\"payload\":null"), REFUSED },
        { "PUT", P "/payload", SET("\"payload\":{\"tenant\":\"b\"}"), REFUSED },
        { "PUT", P "/payload", SET("\"payload\":{},\"key\":\"x\""), REFUSED },
        { "POST", P "/payload/delete", SET("\"keys\":[\"x\",\"tenant\"]"), REFUSED },
        { "POST", P "/payload/delete", SET("\"keys\":[\"tenant.x\"]"), REFUSED },
        { "POST", P "/payload/delete", SET("\"keys\":[\"\\\"tenant\\\"\"]"), REFUSED },
        { "POST", P "/payload/delete", SET("\"keys\":\"tenant\""), REFUSED },
        { "POST", P "/payload/delete", SET("\"keys\":[[\"tenant\"]]"), REFUSED },
        { "POST", P "/payload/clear", "{\"points\":[1]}", DENIED },
        { "POST", P "/payload/clear", "{\"filter\":{}}", DENIED },
        { "POST", P "/batch", "{\"operations\":[{\"clear_payload\":{\"points\":[1]}}]}", DENIED },
        // What stays inside the point's own fields goes through.
        { "POST", P "/payload", SET("\"payload\":{\"tenant\":\"b\"},\"key\":\"x.tenant\""),
          "{\"key\":\"x.tenant\",\"filter\":{\"must\":[" A ",{\"has_id\":[1]}]},\"payload\":{\"tenant\":\"b\"}}" },
        { "POST", P "/payload/delete", SET("\"keys\":[\"tenants\",\"x.tenant\",\"\\\"tenant.\\\"\"]"),
          "{\"keys\":[\"tenants\",\"x.tenant\",\"\\\"tenant.\\\"\"],\"filter\":{\"must\":[" A ",{\"has_id\":[1]}]}}" },
    };
    CONFINED_ROWS("qdrant", tenant_a, rows);
}

static void each_operation_of_a_batch_is_confined_by_its_own_action(void **state)
{
    (void)state;
    static const struct confined_row all[] = {
        { "POST", P "/batch",
          "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"update_vectors\":{\"points\":[]}},{\"set_payload\":{"
          "\"payload\":{},"
          "\"points\":[]}},{\"overwrite_payload\":{\"payload\":{},\"filter\":{}}},{\"delete\":{\"points\":[1]}},{"
          "\"delete_vectors\":{"
          "\"filter\":{},\"vector\":[]}},{\"delete_payload\":{\"keys\":[],\"filter\":{}}}]}",
          "{\"operations\":[{\"upsert\":" UP
          "\"points\":[]}},{\"update_vectors\":{\"points\":[],\"update_filter\":" MUST
          "}},{\"set_payload\":{\"filter\":{\"must\":[" A
          ",{\"has_id\":[]}]},\"payload\":{}}},{\"overwrite_payload\":{\"filter\":" MUST
          ",\"payload\":{\"tenant\":\"a\"}}},{\"delete\":{\"filter\":{\"must\":[" A
          ",{\"has_id\":[1]}]}}},{\"delete_vectors\":{\"vector\":"
          "[],\"filter\":" MUST "}},{\"delete_payload\":{\"keys\":[],\"filter\":" MUST "}}]}" },
    };
    CONFINED_ROWS("qdrant", tenant_a, all);
    static const struct confined_by deletes[] = { { "tenant", { TEXT("a") }, 1, GW_ACTION_DELETE }, { .field = NULL } };
    static const struct confined_row some[] = {
        { "POST", P "/batch", "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"delete\":{\"points\":[1]}}]}",
          "{\"operations\":[{\"upsert\":{\"points\":[]}},{\"delete\":{\"filter\":{\"must\":[" A
          ",{\"has_id\":[1]}]}}}]}" },
    };
    CONFINED_ROWS("qdrant", deletes, some);
}

static void a_write_that_streams_is_read_when_it_is_confined(void **state)
{
    (void)state;
    struct confined c;
    confined_init(&c, "qdrant");
    confined(&c, tenant_a, "PUT", P, "{\"points\":[]}");
    assert_true(c.body_was_needed);
    assert_int_equal(c.rc, 0);
    // Refused before any of it is asked for.
    confined(&c, tenant_a, "POST", P "/payload/clear", "{\"points\":[]}");
    assert_false(c.body_was_needed);
    assert_string_equal(confined(&c, tenant_a, "PUT", P, NULL), REFUSED);
    assert_string_equal(confined(&c, tenant_a, "PUT", P, "{\"points\":[]"), REFUSED);
    confined_fini(&c);
}

// ---------------------------------------------------------------------------------------------------------------- filters

static void several_values_are_any_of_them_and_no_record_is_given_one_of_them(void **state)
{
    (void)state;
    static const struct confined_by texts[] = { { "tenant", { TEXT("a"), TEXT("b") }, 2, -1 }, { .field = NULL } };
#define AB "{\"must\":[{\"key\":\"tenant\",\"match\":{\"any\":[\"a\",\"b\"]}}]}"
    static const struct confined_row rows[] = {
        { "POST", P "/scroll", "{}", "{\"filter\":" AB "}" },
        { "PUT", P, "{\"points\":[{\"id\":1,\"payload\":{\"tenant\":\"b\"}}]}",
          "{\"update_filter\":" AB ",\"points\":[{\"id\":1,\"payload\":{\"tenant\":\"b\"}}]}" },
        { "PUT", P, "{\"points\":[{\"id\":1}]}", REFUSED },
        { "PUT", P, "{\"points\":[{\"id\":1,\"payload\":{\"tenant\":\"c\"}}]}", REFUSED },
    };
    CONFINED_ROWS("qdrant", texts, rows);
    static const struct confined_by flags[] = { { "open", { FLAG(true), FLAG(false) }, 2, -1 }, { .field = NULL } };
    static const struct confined_row booleans[] = {
        { "POST", P "/scroll", "{}",
          "{\"filter\":{\"must\":[{\"should\":[{\"key\":\"open\",\"match\":{\"value\":true}},{\"key\":\"open\","
          "\"match\":{\"value\":false}}]}"
          "]}}" },
    };
    CONFINED_ROWS("qdrant", flags, booleans);
}

static void a_number_is_an_integer_and_nothing_else(void **state)
{
    (void)state;
    static const struct confined_by seven[] = { { "t", { NUMBER(7) }, 1, -1 }, { .field = NULL } };
#define SEVEN "{\"must\":[{\"key\":\"t\",\"match\":{\"value\":7}}]}"
#define POINT(v) "{\"points\":[{\"id\":1,\"payload\":{\"t\":" v "}}]}"
    static const struct confined_row rows[] = {
        { "PUT", P, POINT("7"), "{\"update_filter\":" SEVEN ",\"points\":[{\"id\":1,\"payload\":{\"t\":7}}]}" },
        { "PUT", P, POINT("7.0"), REFUSED },
        { "PUT", P, POINT("7e0"), REFUSED },
        { "PUT", P, POINT("\"7\""), REFUSED },
        { "PUT", P, POINT("-7"), REFUSED },
        { "PUT", P, POINT("18446744073709551623"), REFUSED },
    };
    CONFINED_ROWS("qdrant", seven, rows);
    // What is written is ours, digit by digit: to the server, "-0" is another number than 0.
    static const struct confined_by zero[] = { { "t", { NUMBER(0) }, 1, -1 }, { .field = NULL } };
    static const struct confined_row zeros[] = {
        { "PUT", P, POINT("0"),
          "{\"update_filter\":{\"must\":[{\"key\":\"t\",\"match\":{\"value\":0}}]},\"points\":[{\"id\":1,\"payload\":{"
          "\"t\":0}}]}" },
    };
    CONFINED_ROWS("qdrant", zero, zeros);
    struct confined c;
    confined_init(&c, "qdrant");
    assert_null(strstr(confined(&c, zero, "PUT", P, POINT("-0")), "-0"));
    confined_fini(&c);
}

static void filters_of_several_policies_hold_together(void **state)
{
    (void)state;
    static const struct confined_by two[] = { { "tenant", { TEXT("a"), TEXT("b") }, 2, -1 },
                                              { "level", { NUMBER(1) }, 1, -1 },
                                              { "tenant", { TEXT("b"), TEXT("c") }, 2, -1 },
                                              { .field = NULL } };
    static const struct confined_row rows[] = {
        { "POST", P "/scroll", "{}",
          "{\"filter\":{\"must\":[{\"key\":\"tenant\",\"match\":{\"value\":\"b\"}},{\"key\":\"level\",\"match\":{"
          "\"value\":1}}]}}" },
        { "PUT", P, "{\"points\":[{\"id\":1,\"payload\":{\"tenant\":\"a\"}}]}", REFUSED },
    };
    CONFINED_ROWS("qdrant", two, rows);
    static const struct confined_by apart[] = { { "tenant", { TEXT("a") }, 1, -1 },
                                                { "tenant", { TEXT("b") }, 1, -1 },
                                                { .field = NULL } };
    static const struct confined_by kinds[] = { { "tenant", { TEXT("1") }, 1, -1 },
                                                { "tenant", { NUMBER(1) }, 1, -1 },
                                                { .field = NULL } };
    static const struct confined_by none[] = { { "tenant", { NUMBER(0) }, 0, -1 }, { .field = NULL } };
    static const struct confined_row denied[] = {
        { "POST", P "/scroll", "{}", DENIED },
        { "POST", P "/batch", "{\"operations\":[{\"delete\":{\"filter\":{}}}]}", DENIED },
    };
    CONFINED_ROWS("qdrant", apart, denied);
    CONFINED_ROWS("qdrant", kinds, denied);
    CONFINED_ROWS("qdrant", none, denied);
}

static void a_field_that_is_no_path_of_plain_keys_is_denied(void **state)
{
    (void)state;
    static const char *const fields[] = { "", ".", "a.", ".a", "a..b", "a[]", "a[0]", "\"a\"", "a b", "a\xc3\xa9" };
    static const struct confined_row rows[] = { { "POST", P "/scroll", "{}", DENIED } };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct confined_by by[] = { { fields[i], { TEXT("a") }, 1, -1 }, { .field = NULL } };
        CONFINED_ROWS("qdrant", by, rows);
    }
}

static void a_field_inside_an_object_confines_reads_and_denies_writes(void **state)
{
    (void)state;
    static const struct confined_by inside[] = { { "owner.tenant", { TEXT("a") }, 1, -1 }, { .field = NULL } };
#define INSIDE "{\"must\":[{\"key\":\"owner.tenant\",\"match\":{\"value\":\"a\"}}]}"
    static const struct confined_row rows[] = {
        { "POST", P "/scroll", "{}", "{\"filter\":" INSIDE "}" },
        { "POST", P "/delete", "{\"filter\":{}}", "{\"filter\":" INSIDE "}" },
        { "PUT", P, "{\"points\":[{\"id\":1,\"payload\":{\"owner\":{\"tenant\":\"a\"},\"owner.tenant\":\"a\"}}]}",
          DENIED },
        { "POST", P "/payload", "{\"points\":[1],\"payload\":{\"owner\":null}}", DENIED },
        { "PUT", P "/payload", "{\"points\":[1],\"payload\":{}}", DENIED },
        { "POST", P "/payload/delete", "{\"points\":[1],\"keys\":[\"owner\"]}", DENIED },
    };
    CONFINED_ROWS("qdrant", inside, rows);
}

static void values_are_written_as_json_whatever_they_hold(void **state)
{
    (void)state;
    static const struct confined_by odd[] = { { "tenant", { TEXT("a\"}]},\n{\xe2\x82\xac") }, 1, -1 },
                                              { .field = NULL } };
    static const struct confined_row rows[] = {
        { "POST", P "/scroll", "{}",
          "{\"filter\":{\"must\":[{\"key\":\"tenant\",\"match\":{\"value\":\"a\\\"}]},\\n{\xe2\x82\xac\"}}]}}" },
    };
    CONFINED_ROWS("qdrant", odd, rows);
}

// `n` times `one`, with commas between, in `before` and `after`.
static char *many(const char *before, const char *one, size_t n, const char *after)
{
    char *text = malloc(strlen(before) + n * (strlen(one) + 1) + strlen(after) + 1), *at = text;
    assert_non_null(text);
    at = stpcpy(at, before);
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, one);
        *at++ = ',';
    }
    strcpy(at - 1, after);
    return text;
}

static void a_filter_in_each_of_very_many_queries_does_not_fill_the_memory(void **state)
{
    static const struct {
        const char *target, *before, *one, *after;
    } rows[] = {
        { P "/query/batch", "{\"searches\":[", "{}", "]}" },
        { P "/query", "{\"prefetch\":[", "{}", "]}" },
        { P "/batch", "{\"operations\":[", "{\"upsert\":{\"points\":[]}}", "]}" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct confined c;
        char *few = many(rows[i].before, rows[i].one, 1000, rows[i].after);
        char *lots = many(rows[i].before, rows[i].one, 400000, rows[i].after);
        confined_init(&c, "qdrant");
        assert_true(confined(&c, tenant_a, "POST", rows[i].target, few)[0] == '{');
        assert_string_equal(confined(&c, tenant_a, "POST", rows[i].target, lots), "!HTTP_BODY_SIZE");
        assert_true(c.arena.used < 32u << 20);
        confined_fini(&c);
        free(lots);
        free(few);
    }
}

static void a_filter_of_very_many_values_is_denied(void **state)
{
    static struct gw_api_value values[4097];
    struct gw_api_filter filter = { 0, SPAN("tenant"), values, 4096 };
    struct span segments[] = { SPAN("collections"), SPAN("docs"), SPAN("points"), SPAN("count") }, why;
    struct gw_api_request q = { .method = SPAN("POST"),
                                .segments = segments,
                                .n_segments = 4,
                                .has_body = true,
                                .body_ready = true,
                                .body = SPAN("{}") };
    struct confined c;
    (void)state;
    for (size_t i = 0; i < 4097; i++)
        values[i] = (struct gw_api_value){ .kind = GW_API_NUMBER, .number = (int64_t)i };
    confined_init(&c, "qdrant");
    assert_int_equal(gw_api_match(c.api, &q, &c.arena, &c.meaning, &why), 0);
    assert_int_equal(gw_api_confine(c.api, &q, &filter, 1, &c.arena, &c.meaning, &why), 0);
    filter.n_values++;
    assert_int_equal(gw_api_confine(c.api, &q, &filter, 1, &c.arena, &c.meaning, &why), ERR_POLICY_OBLIGATION);
    confined_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_put_where_there_was_none),
        cmocka_unit_test(a_clients_filter_cannot_widen_it),
        cmocka_unit_test(every_prefetch_and_every_element_of_a_batch_is_confined),
        cmocka_unit_test(a_point_as_the_query_is_denied),
        cmocka_unit_test(a_second_collection_is_denied_when_it_is_confined),
        cmocka_unit_test(a_read_by_id_is_denied),
        cmocka_unit_test(what_concerns_the_whole_collection_is_denied),
        cmocka_unit_test(what_shows_no_record_passes),
        cmocka_unit_test(a_change_by_id_becomes_one_by_filter),
        cmocka_unit_test(a_change_of_nothing_does_not_become_one_of_everything),
        cmocka_unit_test(an_upsert_carries_the_tenant_and_replaces_no_other_tenants_point),
        cmocka_unit_test(a_point_for_another_tenant_is_refused),
        cmocka_unit_test(what_looks_like_the_field_is_copied),
        cmocka_unit_test(a_point_cannot_be_given_away_later),
        cmocka_unit_test(each_operation_of_a_batch_is_confined_by_its_own_action),
        cmocka_unit_test(a_write_that_streams_is_read_when_it_is_confined),
        cmocka_unit_test(several_values_are_any_of_them_and_no_record_is_given_one_of_them),
        cmocka_unit_test(a_number_is_an_integer_and_nothing_else),
        cmocka_unit_test(filters_of_several_policies_hold_together),
        cmocka_unit_test(a_field_that_is_no_path_of_plain_keys_is_denied),
        cmocka_unit_test(a_field_inside_an_object_confines_reads_and_denies_writes),
        cmocka_unit_test(values_are_written_as_json_whatever_they_hold),
        cmocka_unit_test(a_filter_in_each_of_very_many_queries_does_not_fill_the_memory),
        cmocka_unit_test(a_filter_of_very_many_values_is_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

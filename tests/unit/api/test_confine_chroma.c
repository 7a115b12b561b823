// SPDX-License-Identifier: GPL-3.0-or-later
// Chroma's requests under a filter, by what a hostile tenant would try. That the server reads them so is tests/e2e/tenancy.test.mjs.
#include "tests/unit/api/confined.h"

#define D "/api/v2/tenants/t/databases/d/collections"
#define U D "/00000000-0000-4000-8000-000000000001"
#define A "{\"tenant\":{\"$eq\":\"a\"}}"
#define DENIED "!POLICY_OBLIGATION"
#define REFUSED "!API_BODY"

static void the_filter_is_put_where_there_was_none(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", U "/get", "{}", "{\"where\":" A "}" },
        { "POST", U "/get", "{\"where\":null,\"limit\":2}", "{\"limit\":2,\"where\":" A "}" },
        { "POST", U "/get", "{\"ids\":[\"1\"]}", "{\"ids\":[\"1\"],\"where\":" A "}" },
        { "POST", U "/get", "{\"where_document\":{\"$contains\":\"x\"}}",
          "{\"where_document\":{\"$contains\":\"x\"},\"where\":" A "}" },
        { "POST", U "/query", "{\"query_embeddings\":[[1.50]],\"ids\":[\"1\"]}",
          "{\"query_embeddings\":[[1.50]],\"ids\":[\"1\"],\"where\":" A "}" },
        { "POST", U "/search", "{\"searches\":[{\"limit\":1},{\"filter\":{}},{\"filter\":null}]}",
          "{\"searches\":[{\"limit\":1,\"filter\":" A "},{\"filter\":" A "},{\"filter\":" A "}]}" },
        { "POST", U "/delete", "{\"ids\":[\"1\"]}", "{\"ids\":[\"1\"],\"where\":" A "}" },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

static void a_clients_filter_cannot_widen_it(void **state)
{
    (void)state;
#define WITH(f)                                                                       \
    {                                                                                 \
        "POST", U "/get", "{\"where\":" f "}", "{\"where\":{\"$and\":[" A "," f "]}}" \
    }
    static const struct confined_row rows[] = {
        WITH("{\"$or\":[{\"tenant\":\"b\"},{\"n\":{\"$gt\":0}}]}"),
        WITH("{\"$and\":[]}"),
        WITH("{\"$or\":[]}"),
        WITH("{\"tenant\":{\"$ne\":\"a\"}}"),
        WITH("{\"tenant\":\"b\"}"),
        WITH("{}"),
        WITH("{\"$and\":[],\"x\":1}"),
        { "POST", U "/delete", "{\"where\":{\"$or\":[]}}", "{\"where\":{\"$and\":[" A ",{\"$or\":[]}]}}" },
        { "POST", U "/query", "{\"query_embeddings\":[[1]],\"where\":{\"tenant\":\"b\"}}",
          "{\"query_embeddings\":[[1]],\"where\":{\"$and\":[" A ",{\"tenant\":\"b\"}]}}" },
        { "POST", U "/search", "{\"searches\":[{\"filter\":{\"$or\":[{\"#id\":{\"$in\":[\"1\"]}}]}}]}",
          "{\"searches\":[{\"filter\":{\"$and\":[" A ",{\"$or\":[{\"#id\":{\"$in\":[\"1\"]}}]}]}}]}" },
        { "POST", U "/get", "{\"where\":[[]]}", REFUSED },
        { "POST", U "/get", "{\"where\":\"\"}", REFUSED },
        { "POST", U "/get", "{\"where\":{},\"\\u0077here\":{}}", REFUSED },
        { "POST", U "/get", "{\"Where\":{}}", REFUSED },
        { "POST", U "/search", "{\"searches\":[[{},null]]}", REFUSED },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

static void a_deletion_of_nothing_does_not_become_one_of_everything(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", U "/delete", "{}", REFUSED },
        { "POST", U "/delete", "{\"ids\":null,\"where\":null}", REFUSED },
        { "POST", U "/delete", "{\"ids\":[]}", REFUSED },
        { "POST", U "/delete", "{\"limit\":1}", REFUSED },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

static void what_is_added_carries_the_tenant(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", U "/add", "{\"ids\":[\"1\",\"2\"],\"embeddings\":[[1],[2]]}",
          "{\"ids\":[\"1\",\"2\"],\"embeddings\":[[1],[2]],\"metadatas\":[{\"tenant\":\"a\"},{\"tenant\":\"a\"}]}" },
        { "POST", U "/add", "{\"ids\":[\"1\",\"2\",\"3\"],\"metadatas\":[null,{\"n\":1},{\"tenant\":\"a\",\"n\":2}]}",
          "{\"ids\":[\"1\",\"2\",\"3\"],\"metadatas\":[{\"tenant\":\"a\"},{\"n\":1,\"tenant\":\"a\"},{\"n\":2,"
          "\"tenant\":\"a\"}]}" },
        { "POST", U "/add", "{\"ids\":[],\"metadatas\":null}", "{\"ids\":[],\"metadatas\":[]}" },
        // Keys are flat, and these are others.
        { "POST", U "/add", "{\"ids\":[\"1\"],\"metadatas\":[{\"Tenant\":\"b\",\"tenant \":\"b\",\"x.tenant\":\"b\"}]}",
          "{\"ids\":[\"1\"],\"metadatas\":[{\"Tenant\":\"b\",\"tenant "
          "\":\"b\",\"x.tenant\":\"b\",\"tenant\":\"a\"}]}" },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

static void what_is_added_for_another_tenant_is_refused(void **state)
{
    (void)state;
#define ADD(m)                                                                   \
    {                                                                            \
        "POST", U "/add", "{\"ids\":[\"1\",\"2\"],\"metadatas\":" m "}", REFUSED \
    }
    static const struct confined_row rows[] = {
        ADD("[{},{\"tenant\":\"b\"}]"),
        ADD("[{},{\"tenant\":null}]"),
        ADD("[{},{\"tenant\":[\"a\"]}]"),
        ADD("[{},{\"tenant\":\"a\",\"\\u0074enant\":\"b\"}]"),
        ADD("[{}]"),
        ADD("[{},{},{\"tenant\":\"b\"}]"),
        ADD("{\"tenant\":\"b\"}"),
        ADD("[[],[]]"),
        ADD("\"\""),
        { "POST", U "/add", "{\"metadatas\":[]}", REFUSED },
        { "POST", U "/add", "[[\"1\"],[[1]],null,null,[{\"tenant\":\"b\"}]]", REFUSED },
        { "POST", U "/add", "{\"ids\":[\"1\"],\"Metadatas\":[{\"tenant\":\"b\"}]}", REFUSED },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

// They go by the id alone, whosever record has it.
static void a_change_that_could_be_of_another_tenants_record_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", U "/update", "{\"ids\":[\"1\"]}", DENIED },
        { "POST", U "/upsert", "{\"ids\":[\"1\"]}", DENIED },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

static void what_counts_all_tenants_records_or_concerns_them_all_is_denied(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "GET", U "/count", NULL, DENIED },
        { "GET", U "/indexing_status", NULL, DENIED },
        { "POST", D, "{\"name\":\"docs\"}", DENIED },
        { "POST", D, "{\"name\":\"docs\",\"get_or_create\":true}", DENIED },
        { "PUT", U, "{\"new_name\":\"x\"}", DENIED },
        { "DELETE", D "/docs", NULL, DENIED },
        { "POST", U "/fork", "{\"new_name\":\"x\"}", DENIED },
        { "DELETE", "/api/v2/tenants/t/databases/d", NULL, DENIED },
        { "POST", "/api/v2/tenants", "{\"name\":\"x\"}", DENIED },
        { "POST", "/api/v2/reset", NULL, DENIED },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
}

static void what_shows_no_record_passes(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "GET", D, NULL, "unchanged" },
        { "GET", D "/docs", NULL, "unchanged" },
        { "GET", "/api/v2/tenants/t", NULL, "unchanged" },
        { "GET", "/api/v2/tenants/t/databases/d/collections_count", NULL, "unchanged" },
        { "GET", "/api/v2/heartbeat", NULL, "unchanged" },
    };
    CONFINED_ROWS("chroma", tenant_a, rows);
    // Whoever may make any collection, and look at what is there under a filter, may ask for the collection as the clients do.
    static const struct confined_by looks[] = { { "tenant", { TEXT("a") }, 1, GW_ACTION_META }, { .field = NULL } };
    static const struct confined_row makes[] = { { "POST", D, "{\"name\":\"docs\",\"get_or_create\":true}",
                                                   "unchanged" } };
    CONFINED_ROWS("chroma", looks, makes);
}

static void filters_of_several_policies_hold_together(void **state)
{
    (void)state;
    static const struct confined_by two[] = { { "tenant", { TEXT("a"), TEXT("b") }, 2, -1 },
                                              { "n", { NUMBER(-1) }, 1, -1 },
                                              { "open", { FLAG(true) }, 1, -1 },
                                              { .field = NULL } };
#define ALL "{\"tenant\":{\"$in\":[\"a\",\"b\"]}},{\"n\":{\"$eq\":-1}},{\"open\":{\"$eq\":true}}"
    static const struct confined_row rows[] = {
        { "POST", U "/get", "{}", "{\"where\":{\"$and\":[" ALL "]}}" },
        { "POST", U "/get", "{\"where\":{\"x\":1}}", "{\"where\":{\"$and\":[" ALL ",{\"x\":1}]}}" },
        { "POST", U "/add", "{\"ids\":[\"1\"],\"metadatas\":[{\"tenant\":\"b\"}]}",
          "{\"ids\":[\"1\"],\"metadatas\":[{\"tenant\":\"b\",\"n\":-1,\"open\":true}]}" },
        { "POST", U "/add", "{\"ids\":[\"1\"],\"metadatas\":[{\"n\":-1}]}", REFUSED },
        { "POST", U "/add", "{\"ids\":[\"1\"],\"metadatas\":[{\"tenant\":\"b\",\"n\":-1.0}]}", REFUSED },
        { "POST", U "/add", "{\"ids\":[\"1\"],\"metadatas\":[{\"tenant\":\"b\",\"open\":1}]}", REFUSED },
    };
    CONFINED_ROWS("chroma", two, rows);
}

static void a_field_that_means_something_else_to_chroma_is_denied(void **state)
{
    (void)state;
    static const char *const fields[] = { "", "$and", "$or", "#id", "#document", "#embedding", "chroma:document" };
    static const struct confined_row rows[] = { { "POST", U "/get", "{}", DENIED } };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct confined_by by[] = { { fields[i], { TEXT("a") }, 1, -1 }, { .field = NULL } };
        CONFINED_ROWS("chroma", by, rows);
    }
}

static void a_write_that_streams_is_read_when_it_is_confined(void **state)
{
    (void)state;
    struct confined c;
    confined_init(&c, "chroma");
    confined(&c, tenant_a, "POST", U "/add", "{\"ids\":[]}");
    assert_true(c.body_was_needed);
    assert_int_equal(c.rc, 0);
    confined(&c, tenant_a, "POST", U "/upsert", "{\"ids\":[]}");
    assert_false(c.body_was_needed);
    confined_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_put_where_there_was_none),
        cmocka_unit_test(a_clients_filter_cannot_widen_it),
        cmocka_unit_test(a_deletion_of_nothing_does_not_become_one_of_everything),
        cmocka_unit_test(what_is_added_carries_the_tenant),
        cmocka_unit_test(what_is_added_for_another_tenant_is_refused),
        cmocka_unit_test(a_change_that_could_be_of_another_tenants_record_is_denied),
        cmocka_unit_test(what_counts_all_tenants_records_or_concerns_them_all_is_denied),
        cmocka_unit_test(what_shows_no_record_passes),
        cmocka_unit_test(filters_of_several_policies_hold_together),
        cmocka_unit_test(a_field_that_means_something_else_to_chroma_is_denied),
        cmocka_unit_test(a_write_that_streams_is_read_when_it_is_confined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

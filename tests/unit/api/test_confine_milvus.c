// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's requests under a filter, by what a hostile tenant would try.
#include "tests/unit/api/confined.h"

#define V "/v2/vectordb/entities"
#define B "{\"dbName\":\"default\",\"collectionName\":\"docs\""
#define P "\"exprParams\":{\"sallyport_0\":\"a\"}"
#define DENIED "!POLICY_OBLIGATION"
#define REFUSED "!API_BODY"

static void the_filter_is_put_where_there_was_none(void **state)
{
    (void)state;
#define NONE(path, more)                                            \
    {                                                               \
        "POST", V path, "{\"collectionName\":\"docs\"" more "}",    \
            B more ",\"filter\":\"tenant == {sallyport_0}\"," P "}" \
    }
    static const struct confined_row rows[] = {
        NONE("/query", ""),
        NONE("/query", ",\"outputFields\":[\"count(*)\"]"),
        NONE("/search", ",\"data\":[[1.50]],\"limit\":3"),
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":\" \\n\"}",
          B ",\"filter\":\"tenant == {sallyport_0}\"," P "}" },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":null,\"exprParams\":null}",
          B ",\"filter\":\"tenant == {sallyport_0}\"," P "}" },
        { "POST", V "/hybrid_search",
          "{\"collectionName\":\"docs\",\"search\":[{\"data\":[[1]]},{\"data\":[[1]],\"filter\":\"n > "
          "1\"}],\"limit\":1}",
          B ",\"limit\":1,\"search\":[{\"data\":[[1]],\"filter\":\"tenant == {sallyport_0}\"," P
            "},{\"data\":[[1]],\"filter\":\"tenant == {sallyport_0} and ( n > 1 )\"," P "}]}" },
    };
    CONFINED_ROWS("milvus", tenant_a, rows);
}

static void a_clients_filter_cannot_widen_it(void **state)
{
    (void)state;
#define WITH(f, sent)                                                             \
    {                                                                             \
        "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":\"" f "\"}", \
            B ",\"filter\":\"tenant == {sallyport_0} and ( " sent " )\"," P "}"   \
    }
#define WITHOUT(f)                                                                        \
    {                                                                                     \
        "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":\"" f "\"}", REFUSED \
    }
    static const struct confined_row rows[] = {
        WITH("n > 1 or tenant == 'b'", "n > 1 or tenant == 'b'"),
        WITH("not (tenant == 'a')", "not ( tenant == 'a' )"),
        WITH("true", "true"),
        WITH("x == ') or (1 == 1'", "x == ') or (1 == 1'"),
        WITH("x == \\\"\\\\\\\") or (1 == 1\\\"", "x == \\\"\\\\\\\") or (1 == 1\\\""),
        WITHOUT("n > 1) or (n < 5"),
        WITHOUT("n > 1) or tenant == 'b' or (n < 5"),
        WITH("x == '\\\\') or (y == ' or 1 == 1", "x == '\\\\') or (y == ' or 1 == 1"),
        WITHOUT("x == '\\\\\\\\') or (y == 'z'"),
        WITHOUT("random_sample(0.5)"),
        WITHOUT("tenant == {sallyport_0}"),
        WITHOUT("n > 1 -- "),
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":[]}", REFUSED },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"Filter\":\"n > 1\"}", REFUSED },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":\"\",\"filter\":\"n > 1\"}", REFUSED },
        { "POST", V "/hybrid_search",
          "{\"collectionName\":\"docs\",\"search\":[{\"data\":[[1]],\"filter\":\"a) or (b\"}]}", REFUSED },
        { "POST", V "/hybrid_search", "{\"collectionName\":\"docs\",\"filter\":\"n > 1\",\"search\":[]}", REFUSED },
    };
    CONFINED_ROWS("milvus", tenant_a, rows);
}

static void a_clients_parameters_stay_and_cannot_be_ours(void **state)
{
    (void)state;
    static const struct confined_row rows[] = {
        { "POST", V "/query",
          "{\"collectionName\":\"docs\",\"filter\":\"n in {list}\",\"exprParams\":{\"list\":[1,2]}}",
          B ",\"filter\":\"tenant == {sallyport_0} and ( n in { list } "
            ")\",\"exprParams\":{\"list\":[1,2],\"sallyport_0\":\"a\"}}" },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"exprParams\":{\"sallyport_0\":\"b\"}}", REFUSED },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"exprParams\":{\"sallyport_9\":\"b\"}}", REFUSED },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"exprParams\":[]}", REFUSED },
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"ExprParams\":{\"sallyport_0\":\"b\"}}", REFUSED },
        { "POST", V "/search",
          "{\"collectionName\":\"docs\",\"data\":[[1]],\"exprParams\":{\"\\u0073allyport_0\":\"b\"}}", REFUSED },
    };
    CONFINED_ROWS("milvus", tenant_a, rows);
}

static void values_are_parameters_or_literals_of_their_type(void **state)
{
    (void)state;
    static const struct confined_by two[] = { { "tenant", { TEXT("a"), TEXT("b' or 1 == 1 or '") }, 2, -1 },
                                              { .field = NULL } };
    static const struct confined_by number[] = { { "n", { NUMBER(-9007199254740993) }, 1, -1 }, { .field = NULL } };
    static const struct confined_by numbers[] = { { "n", { NUMBER(7), NUMBER(8) }, 2, -1 },
                                                  { "open", { FLAG(true) }, 1, -1 },
                                                  { "tenant", { TEXT("a") }, 1, -1 },
                                                  { .field = NULL } };
    static const struct confined_row with_two[] = {
        { "POST", V "/query", "{\"collectionName\":\"docs\"}",
          B ",\"filter\":\"tenant in {sallyport_0}\",\"exprParams\":{\"sallyport_0\":[\"a\",\"b' or 1 == 1 or '\"]}}" },
    };
    static const struct confined_row with_number[] = {
        { "POST", V "/query", "{\"collectionName\":\"docs\"}",
          B ",\"filter\":\"n == -9007199254740993\",\"exprParams\":{}}" },
    };
    static const struct confined_row with_numbers[] = {
        { "POST", V "/query", "{\"collectionName\":\"docs\",\"filter\":\"x > 0 or y > 0\"}",
          B ",\"filter\":\"n in [7, 8] and open == true and tenant == {sallyport_2} and ( x > 0 or y > 0 "
            ")\",\"exprParams\":{"
            "\"sallyport_2\":\"a\"}}" },
    };
    CONFINED_ROWS("milvus", two, with_two);
    CONFINED_ROWS("milvus", number, with_number);
    CONFINED_ROWS("milvus", numbers, with_numbers);
}

static void a_field_that_is_more_than_a_name_is_denied(void **state)
{
    (void)state;
    static const char *const fields[] = { "owner.tenant", "m['x']", "tenant or x", "in", "$meta", "$tenant", "1" };
    static const struct confined_row rows[] = { { "POST", V "/query", "{\"collectionName\":\"docs\"}", DENIED } };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const struct confined_by by[] = { { fields[i], { TEXT("a") }, 1, -1 }, { .field = NULL } };
        CONFINED_ROWS("milvus", by, rows);
    }
}

static void what_is_inserted_carries_the_tenant(void **state)
{
    (void)state;
#define INSERT(data, sent)                                                           \
    {                                                                                \
        "POST", V "/insert", "{\"collectionName\":\"docs\",\"data\":" data "}", sent \
    }
    static const struct confined_row rows[] = {
        INSERT("[{\"v\":[1.50]},{\"tenant\":\"a\",\"v\":[1]}]",
               B ",\"data\":[{\"v\":[1.50],\"tenant\":\"a\"},{\"v\":[1],\"tenant\":\"a\"}]}"),
        INSERT("[]", "unchanged"),
        INSERT("[{\"tenant\":\"b\"}]", REFUSED),
        INSERT("[{},{\"tenant\":\"b\"}]", REFUSED),
        INSERT("[{\"tenant\":null}]", REFUSED),
        INSERT("[{\"tenant\":[\"a\"]}]", REFUSED),
        INSERT("[{\"tenant\":\"a\",\"\\u0074enant\":\"b\"}]", REFUSED),
        INSERT("[{\"tenant\":\"a\",\"$meta\":{\"tenant\":\"b\"}}]", REFUSED),
        INSERT("[null]", REFUSED),
        INSERT("[[\"tenant\",\"b\"]]", REFUSED),
        INSERT("{\"tenant\":\"b\"}", REFUSED),
        { "POST", V "/insert", "{\"collectionName\":\"docs\",\"data\":[{}],\"partialUpdate\":true}", DENIED },
    };
    CONFINED_ROWS("milvus", tenant_a, rows);
}

// By key the server deletes whatever has it, so that a key of another tenant's, inserted once more, would take the other's record along.
static void a_deletion_passes_only_where_no_client_chooses_keys(void **state)
{
    (void)state;
    static const struct confined_row denied[] = {
        { "POST", V "/delete", "{\"collectionName\":\"docs\",\"filter\":\"id in [1]\"}", DENIED },
    };
    static const struct confined_row rows[] = {
        { "POST", V "/delete", "{\"collectionName\":\"docs\",\"filter\":\"id in [1] or n > 1\"}",
          B ",\"filter\":\"tenant == {sallyport_0} and ( id in [ 1 ] or n > 1 )\"," P "}" },
        { "POST", V "/delete", "{\"collectionName\":\"docs\"}", REFUSED },
        { "POST", V "/delete", "{\"collectionName\":\"docs\",\"filter\":\" \\n \"}", REFUSED },
        { "POST", V "/delete", "{\"collectionName\":\"docs\",\"filter\":null}", REFUSED },
        { "POST", V "/delete", "{\"collectionName\":\"docs\",\"filter\":\"id == 1) or (id > 0\"}", REFUSED },
    };
    CONFINED_ROWS("milvus", tenant_a, denied);
    CONFINED_ROWS_ASSURED("milvus", GW_API_ASSIGNED_IDS, tenant_a, rows);
}

static void what_goes_by_key_or_counts_all_tenants_is_denied(void **state)
{
    (void)state;
#define C "{\"collectionName\":\"docs\"}"
    static const struct confined_row rows[] = {
        { "POST", V "/get", "{\"collectionName\":\"docs\",\"id\":[1]}", DENIED },
        { "POST", V "/upsert", "{\"collectionName\":\"docs\",\"data\":[{\"tenant\":\"a\"}]}", DENIED },
        { "POST", "/v2/vectordb/jobs/import/create", "{\"collectionName\":\"docs\",\"files\":[[\"x\"]]}", DENIED },
        { "POST", "/v2/vectordb/collections/get_stats", C, DENIED },
        { "POST", "/v2/vectordb/partitions/get_stats", "{\"collectionName\":\"docs\",\"partitionName\":\"b\"}",
          DENIED },
        { "POST", "/v2/vectordb/partitions/list", C, DENIED },
        { "POST", "/v2/vectordb/partitions/has", "{\"collectionName\":\"docs\",\"partitionName\":\"b\"}", DENIED },
        { "POST", "/v2/vectordb/jobs/import/list", C, DENIED },
        { "POST", "/v2/vectordb/collections/drop", C, DENIED },
        { "POST", "/v2/vectordb/collections/truncate", C, DENIED },
        { "POST", "/v2/vectordb/collections/describe", C, "unchanged" },
        { "POST", "/v2/vectordb/collections/has", C, "unchanged" },
    };
    CONFINED_ROWS_ASSURED("milvus", GW_API_ASSIGNED_IDS, tenant_a, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_filter_is_put_where_there_was_none),
        cmocka_unit_test(a_clients_filter_cannot_widen_it),
        cmocka_unit_test(a_clients_parameters_stay_and_cannot_be_ours),
        cmocka_unit_test(values_are_parameters_or_literals_of_their_type),
        cmocka_unit_test(a_field_that_is_more_than_a_name_is_denied),
        cmocka_unit_test(what_is_inserted_carries_the_tenant),
        cmocka_unit_test(a_deletion_passes_only_where_no_client_chooses_keys),
        cmocka_unit_test(what_goes_by_key_or_counts_all_tenants_is_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Databases whose requests are not rewritten: a filter is met by refusing (checklist rule 37).
#include "tests/unit/api/confined.h"

#define V "/v2/vectordb"
#define DENIED "!POLICY_OBLIGATION"

static void milvus_sees_and_changes_no_record_under_a_filter(void **state)
{
    static const struct confined_row rows[] = {
        { "POST", V "/entities/query", "{\"collectionName\":\"docs\",\"filter\":\"tenant == 'a'\"}", DENIED },
        { "POST", V "/entities/insert", "{\"collectionName\":\"docs\",\"data\":[{\"id\":1}]}", DENIED },
        { "POST", V "/collections/describe", "{\"collectionName\":\"docs\"}", "unchanged" },
    };
    (void)state;
    CONFINED_ROWS("milvus", tenant_a, rows);
}

static void milvus_tells_no_partitions_under_a_filter(void **state)
{
    static const struct confined_row rows[] = {
        { "POST", V "/partitions/list", "{\"collectionName\":\"docs\"}", DENIED },
        { "POST", V "/partitions/has", "{\"collectionName\":\"docs\",\"partitionName\":\"b\"}", DENIED },
        { "POST", V "/partitions/get_stats", "{\"collectionName\":\"docs\",\"partitionName\":\"b\"}", DENIED },
        { "POST", V "/jobs/import/list", "{\"collectionName\":\"docs\"}", DENIED },
    };
    (void)state;
    CONFINED_ROWS("milvus", tenant_a, rows);
}

static void weaviate_tells_no_tenants_under_a_filter(void **state)
{
    static const struct confined_row rows[] = {
        { "GET", "/v1/schema/Docs", NULL, "unchanged" },
        { "GET", "/v1/objects/Docs/4b2ac2c0-6bd7-4b6c-9c8c-3a0a3c9b1c11", NULL, DENIED },
        { "GET", "/v1/schema/Docs/shards", NULL, DENIED },
        { "GET", "/v1/schema/Docs/tenants", NULL, DENIED },
        { "GET", "/v1/schema/Docs/tenants/b", NULL, DENIED },
    };
    (void)state;
    CONFINED_ROWS("weaviate", tenant_a, rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(milvus_sees_and_changes_no_record_under_a_filter),
        cmocka_unit_test(milvus_tells_no_partitions_under_a_filter),
        cmocka_unit_test(weaviate_tells_no_tenants_under_a_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus and Weaviate under a filter: nothing of theirs is rewritten, so what sees or changes records has no row. What stands here describes a
// collection and says more than that: its parts are often called as its tenants are, or are counted apart.
#include "gateway/api/confine_table.h"

#define V "/v2/vectordb"
#define S "/v1/schema/{c}"
#define INSIDE "what is inside a collection tells of all tenants: partitions, shards, tenants, imports"

const struct gw_confine_row gw_confine_milvus[] = {
    { .method = "POST", .path = V "/partitions/list", .why = INSIDE },
    { .method = "POST", .path = V "/partitions/has", .why = INSIDE },
    { .method = "POST", .path = V "/partitions/get_stats", .why = INSIDE },
    { .method = "POST", .path = V "/jobs/import/list", .why = INSIDE },
    { .method = NULL },
};

const struct gw_confine_row gw_confine_weaviate[] = {
    { .method = "GET", .path = S "/shards", .why = INSIDE },
    { .method = "GET", .path = S "/tenants", .why = INSIDE },
    { .method = "GET", .path = S "/tenants/{t}", .why = INSIDE },
    { .method = NULL },
};

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/health_check.h"

#include "gateway/base/json.h"

static const struct {
    struct span api;
    struct gw_health_check check;
} checks[] = {
    { { "qdrant", 6 }, { .method = GW_METHOD_GET, .target = { "/readyz", 7 } } },
    { { "chroma", 6 }, { .method = GW_METHOD_GET, .target = { "/api/v2/heartbeat", 17 } } },
    { { "milvus", 6 },
      { .method = GW_METHOD_POST,
        .target = { "/v2/vectordb/collections/has", 28 },
        .body = { "{\"collectionName\":\"sallyport\"}", 30 },
        .codes = true } },
    { { "weaviate", 8 }, { .method = GW_METHOD_GET, .target = { "/v1/.well-known/ready", 21 } } },
};

struct gw_health_check gw_health_check_of(struct span api, struct span path)
{
    for (size_t i = 0; span_is_none(path) && i < sizeof checks / sizeof *checks; i++)
        if (span_eq(checks[i].api, api))
            return checks[i].check;
    return (struct gw_health_check){ .method = GW_METHOD_GET, .target = path };
}

// Milvus's codes that speak of the server and not of the question: 1 not ready, 2 unavailable, 3 out of memory, 5 internal, 7 disk full.
static bool speaks_of_the_server(struct span body)
{
    static const int64_t codes[] = { 1, 2, 3, 5, 7 };
    struct json_doc *doc = json_parse(body, NULL, NULL);
    int64_t code = 0;
    bool bad = false;
    if (json_i64(json_get(doc ? json_root(doc) : NULL, SPAN("code")), &code))
        for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
            bad = bad || code == codes[i];
    json_free(doc);
    return bad;
}

enum gw_health_answer gw_health_answer(const struct gw_health_check *check, unsigned status, struct span body)
{
    if (status == 429 || status >= 500 || (check->codes && speaks_of_the_server(body)))
        return GW_HEALTH_SICK;
    return status >= 200 && status < 300 ? GW_HEALTH_WELL : GW_HEALTH_ODD;
}

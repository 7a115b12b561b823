// SPDX-License-Identifier: GPL-3.0-or-later
// Bodies of the requests that can be confined. The first byte chooses the request, the rest is the body. What is sent parses, means what the client's
// means, and has our filter at the top of everything that selects and our value in everything that is stored.
#include "gateway/api/confine.h"
#include "gateway/base/err.h"
#include "gateway/base/json.h"

#include <assert.h>
#include <stdlib.h>

#define Q "collections/docs/points"
#define M "v2/vectordb/entities"
#define U "api/v2/tenants/t/databases/d/collections/00000000-0000-4000-8000-000000000001"

static const struct {
    const char *api, *method, *path, *filter; // the member that must hold ours; NULL: in each element of `searches`
} requests[] = {
    { "qdrant", "POST", Q "/scroll", "filter" },
    { "qdrant", "POST", Q "/query", "filter" },
    { "qdrant", "POST", Q "/query/batch", NULL },
    { "qdrant", "POST", Q "/recommend", "filter" },
    { "qdrant", "POST", Q "/search/matrix/pairs", "filter" },
    { "qdrant", "POST", Q "/delete", "filter" },
    { "qdrant", "POST", Q "/vectors/delete", "filter" },
    { "qdrant", "POST", Q "/payload/delete", "filter" },
    { "qdrant", "POST", Q "/payload", "filter" },
    { "qdrant", "PUT", Q "/payload", "filter" },
    { "qdrant", "PUT", Q, "update_filter" },
    { "qdrant", "PUT", Q "/vectors", "update_filter" },
    { "qdrant", "POST", Q "/batch", "operations" },
    { "chroma", "POST", U "/get", "where" },
    { "chroma", "POST", U "/query", "where" },
    { "chroma", "POST", U "/search", NULL },
    { "chroma", "POST", U "/delete", "where" },
    { "chroma", "POST", U "/add", "metadatas" },
    { "milvus", "POST", M "/query", "filter" },
    { "milvus", "POST", M "/search", "filter" },
    { "milvus", "POST", M "/delete", "filter" },
    { "milvus", "POST", M "/hybrid_search", "search" },
    { "milvus", "POST", M "/insert", "data" },
    { "weaviate", "POST", "v1/graphql", "query" },
    { "weaviate", "POST", "v1/objects", "properties" },
    { "weaviate", "POST", "v1/batch/objects", "objects" },
    { "weaviate", "DELETE", "v1/batch/objects", "match" },
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static struct gw_api *compiled(const char *name)
{
    static struct gw_api *apis[4];
    size_t i = 0;
    while (!span_eq(gw_api_def_name(gw_api_def_at(i)), span_str(name)))
        i++;
    if (!apis[i])
        apis[i] = gw_api_new(gw_api_def_at(i));
    assert(apis[i]);
    return apis[i];
}

// {"must":[ours, …]}
static void is_qdrants(json filter)
{
    json first = json_at(json_get(filter, SPAN("must")), 0);
    assert(json_count(filter) == 1 && span_eq(json_string(json_get(first, SPAN("key"))), SPAN("tenant")));
    assert(span_eq(json_string(json_get(json_get(first, SPAN("match")), SPAN("value"))), SPAN("a")));
}

// Ours, or {"$and":[ours, …]}
static void is_chromas(json where)
{
    json both = json_get(where, SPAN("$and"));
    json ours = both ? json_at(both, 0) : where;
    assert(json_count(where) == 1 && json_count(ours) == 1);
    assert(span_eq(json_string(json_get(json_get(ours, SPAN("tenant")), SPAN("$eq"))), SPAN("a")));
}

// "tenant == {sallyport_0}", alone or with the client's in parentheses, and the parameter.
static void is_milvus(json v)
{
    static const struct span ours = SPAN("tenant == {sallyport_0}"), with = SPAN("tenant == {sallyport_0} and ( ");
    struct span filter = json_string(json_get(v, SPAN("filter")));
    assert(span_eq(filter, ours) || (span_starts(filter, with) && span_ends(filter, SPAN(" )"))));
    assert(span_eq(json_string(json_get(json_get(v, SPAN("exprParams")), SPAN("sallyport_0"))), SPAN("a")));
}

static void is_the_tenants(json record)
{
    assert(span_eq(json_string(json_get(record, SPAN("tenant"))), SPAN("a")));
}

static void has_ours_of_milvus(const char *name, json body)
{
    json list = json_get(body, span_str(name));
    for (size_t i = 0; i < json_count(list); i++)
        if (name[0] == 'd')
            is_the_tenants(json_at(list, i));
        else
            is_milvus(json_at(list, i));
    if (name[0] == 'f')
        is_milvus(body);
}

// In a query ours stands once for each class that is searched.
static void has_ours_of_weaviate(const char *name, json body, uint64_t classes)
{
    static const struct span ours = SPAN("{ path : [ \"tenant\" ] operator : Equal valueText : \"a\" }");
    json v = json_get(body, span_str(name));
    struct span text = json_string(v);
    uint64_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += span_starts(span_sub(text, i, text.n), ours);
    if (name[0] == 'q')
        assert(n >= classes);
    if (name[0] == 'p')
        is_the_tenants(v);
    for (size_t i = 0; name[0] == 'o' && i < json_count(v); i++)
        is_the_tenants(json_get(json_at(v, i), SPAN("properties")));
    if (name[0] == 'm') {
        json operands = json_get(json_get(v, SPAN("where")), SPAN("operands"));
        assert(json_count(operands) == 2);
        assert(span_eq(json_string(json_get(json_at(operands, 0), SPAN("valueText"))), SPAN("a")));
    }
}

static void has_ours(size_t which, json body, uint64_t queries)
{
    if (requests[which].api[0] == 'm') {
        has_ours_of_milvus(requests[which].filter, body);
        return;
    }
    if (requests[which].api[0] == 'w') {
        has_ours_of_weaviate(requests[which].filter, body, queries);
        return;
    }
    void (*is_ours)(json) = requests[which].api[0] == 'q' ? is_qdrants : is_chromas;
    const char *name = requests[which].filter;
    json list = json_get(body, span_str(name ? name : "searches"));
    if (name && json_type(list) == JSON_OBJECT) {
        is_ours(list);
        return;
    }
    assert(json_type(list) == JSON_ARRAY);
    for (size_t i = 0; i < json_count(list); i++) {
        json element = json_at(list, i);
        if (!name) {
            is_ours(json_get(element, SPAN("filter")));
        } else if (requests[which].api[0] == 'c') {
            assert(span_eq(json_string(json_get(element, SPAN("tenant"))), SPAN("a")));
        } else {
            struct json_iter it = json_iter(element);
            struct span operation;
            json v;
            assert(json_next(&it, &operation, &v));
            json filter = json_get(v, SPAN("filter"));
            is_ours(filter ? filter : json_get(v, SPAN("update_filter")));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct gw_api_value a = { .kind = GW_API_TEXT, .text = { "a", 1 } };
    if (n == 0)
        return 0;
    size_t which = data[0] % REQUESTS;
    struct span segments[16], rest = span_str(requests[which].path), why = SPAN_NONE;
    struct gw_api_request q = { .method = span_str(requests[which].method),
                                .segments = segments,
                                .has_body = true,
                                .body_ready = true,
                                .assured = GW_API_EXACT_TEXT | GW_API_ASSIGNED_IDS,
                                .body = span_of(data + 1, n - 1) };
    while (!span_is_none(rest))
        segments[q.n_segments++] = span_cut(&rest, '/');
    struct arena arena;
    struct gw_api_meaning m;
    arena_init(&arena, 0);
    const struct gw_api *api = compiled(requests[which].api);
    if (gw_api_match(api, &q, &arena, &m, &why) != 0)
        goto out;
    struct gw_api_filter filters[GW_API_AUTHORISATIONS_MAX];
    for (size_t i = 0; i < m.n_authorisations; i++)
        filters[i] = (struct gw_api_filter){ i, SPAN("tenant"), &a, 1 };
    if (gw_api_confine(api, &q, filters, m.n_authorisations, &arena, &m, &why) != 0) {
        assert(!span_is_none(why));
        goto out;
    }
    struct json_doc *doc =
        json_parse(m.body, &(struct json_limits){ .bytes = m.body.n + 1, .depth = 100, .raw_numbers = true }, NULL);
    assert(doc);
    has_ours(which, json_root(doc), m.facts.queries);
    json_free(doc);
    // The API's table takes it for what it was.
    struct gw_api_meaning again;
    q.body = m.body;
    q.inspect_writes = true;
    int rc = gw_api_match(api, &q, &arena, &again, &why);
    assert(rc == 0 || rc == ERR_API_BODY); // too deep now
    assert(rc != 0 || again.n_authorisations == m.n_authorisations);
out:
    arena_fini(&arena);
    return 0;
}

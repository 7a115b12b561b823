// SPDX-License-Identifier: GPL-3.0-or-later
// Bodies of every inspected request, and shards' lists. The first byte chooses the request, the rest is the body. What is checked beside memory: a body that
// was accepted is re-serialised into one that means exactly the same, so that the shard cannot read in it what we did not.
#include "gateway/api/api.h"
#include "gateway/api/list.h"
#include "gateway/api/name_map.h"

#include <assert.h>
#include <stdlib.h>

#define Q "collections/docs"
#define P "api/v2/tenants/t/databases/d/collections"
#define M "v2/vectordb"
#define U P "/00000000-0000-4000-8000-000000000001"

static const struct {
    const char *api, *method, *path;
} requests[] = {
    { "qdrant", "POST", Q "/points/query" },
    { "qdrant", "POST", Q "/points/query/batch" },
    { "qdrant", "POST", Q "/points/query/groups" },
    { "qdrant", "POST", Q "/points/search" },
    { "qdrant", "POST", Q "/points/search/batch" },
    { "qdrant", "POST", Q "/points/search/groups" },
    { "qdrant", "POST", Q "/points/search/matrix/pairs" },
    { "qdrant", "POST", Q "/points/recommend" },
    { "qdrant", "POST", Q "/points/recommend/groups" },
    { "qdrant", "POST", Q "/points/discover" },
    { "qdrant", "POST", Q "/points" },
    { "qdrant", "POST", Q "/points/scroll" },
    { "qdrant", "POST", Q "/points/count" },
    { "qdrant", "POST", Q "/facet" },
    { "qdrant", "PUT", Q "/points" },
    { "qdrant", "POST", Q "/points/batch" },
    { "qdrant", "POST", Q "/points/delete" },
    { "qdrant", "POST", Q "/points/payload" },
    { "qdrant", "POST", "collections/aliases" },
    { "qdrant", "PUT", Q },
    { "qdrant", "PUT", Q "/snapshots/recover" },
    { "chroma", "POST", P },
    { "chroma", "PUT", U },
    { "chroma", "POST", U "/fork" },
    { "chroma", "POST", U "/get" },
    { "chroma", "POST", U "/query" },
    { "chroma", "POST", U "/search" },
    { "chroma", "POST", U "/delete" },
    { "chroma", "POST", U "/add" },
    { "chroma", "POST", "api/v2/tenants" },
    { "chroma", "POST", "api/v2/tenants/t/databases" },
    { "milvus", "POST", M "/entities/query" },
    { "milvus", "POST", M "/entities/get" },
    { "milvus", "POST", M "/entities/search" },
    { "milvus", "POST", M "/entities/hybrid_search" },
    { "milvus", "POST", M "/entities/insert" },
    { "milvus", "POST", M "/entities/delete" },
    { "milvus", "POST", M "/collections/create" },
    { "milvus", "POST", M "/collections/rename" },
    { "milvus", "POST", M "/aliases/create" },
    { "milvus", "POST", M "/aliases/list" },
    { "milvus", "POST", M "/databases/drop" },
    { "weaviate", "POST", "v1/graphql" },
    { "weaviate", "POST", "v1/graphql/batch" },
    { "weaviate", "POST", "v1/objects" },
    { "weaviate", "POST", "v1/batch/objects" },
    { "weaviate", "DELETE", "v1/batch/objects" },
    { "weaviate", "POST", "v1/batch/references" },
    { "weaviate", "POST", "v1/schema" },
};
#define REQUESTS (sizeof(requests) / sizeof(requests[0]))

static const struct {
    const char *api, *method, *path, *body;
} lists[] = {
    { "qdrant", "GET", "collections", NULL },
    { "qdrant", "GET", "aliases", NULL },
    { "chroma", "GET", P, NULL },
    { "chroma", "GET", "api/v2/tenants/t/databases", NULL },
    { "milvus", "POST", M "/collections/list", "{}" },
    { "weaviate", "GET", "v1/schema", NULL },
};
#define LISTS (sizeof(lists) / sizeof(lists[0]))

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

static int match(const char *api, const char *method, const char *path, struct span body, struct arena *arena,
                 struct gw_api_meaning *m)
{
    struct span segments[16], rest = span_str(path);
    struct gw_api_request q = { .method = span_str(method),
                                .segments = segments,
                                .has_body = !span_is_none(body),
                                .body_ready = true,
                                .body = body,
                                .inspect_writes = true };
    while (!span_is_none(rest))
        segments[q.n_segments++] = span_cut(&rest, '/');
    struct span why;
    struct gw_api_request *kept = arena_alloc(arena, sizeof(q) + sizeof(segments));
    assert(kept);
    *kept = q;
    memcpy(kept + 1, segments, sizeof(segments)); // the meaning borrows from the request
    kept->segments = (const struct span *)(kept + 1);
    return gw_api_match(compiled(api), kept, arena, m, &why);
}

static bool odd_ones(void *ctx, unsigned shard, struct span database, struct span tenant, struct span collection)
{
    (void)ctx;
    (void)database;
    (void)tenant;
    return (collection.n + shard) % 2 == 1;
}

static void lists_and_names(size_t which, struct span body)
{
    static const uint64_t key[2] = { 5, 6 };
    struct gw_api_meaning m;
    struct gw_api_list_result r;
    struct span target;
    struct arena arena;
    arena_init(&arena, 0);
    int rc = match(lists[which].api, lists[which].method, lists[which].path,
                   lists[which].body ? span_str(lists[which].body) : SPAN_NONE, &arena, &m);
    assert(rc == 0);
    const struct gw_api_list_answer answers[] = { { 0, 200, body }, { 1, 200, body } };
    if (gw_api_list_merge(&m, answers, 2, odd_ones, NULL, &arena, &r) == 0) {
        const struct gw_api_list_answer again = { 0, 200, r.body };
        rc = gw_api_list_merge(&m, &again, 1, odd_ones, NULL, &arena, &r);
        assert(rc == 0);
    }
    struct gw_name_map *map = gw_name_map_new(&(struct gw_name_map_limits){ .scope_entries = 4, .page = 2 }, key);
    struct gw_name_scope scope = { .tenant = SPAN("t"), .database = SPAN("d") };
    if (map && gw_name_map_begin(map, scope, 0, &arena, &target) == 0) {
        (void)gw_name_map_page(map, scope, 200, body, 1, &arena, &target);
        (void)gw_name_map_learn(map, scope, body, 2);
        gw_name_map_forget(map, scope, SPAN_NONE, SPAN("a"));
    }
    gw_name_map_free(map);
    arena_fini(&arena);
}

static void same(const struct gw_api_meaning *a, const struct gw_api_meaning *b)
{
    assert(a->n_authorisations == b->n_authorisations && a->n_authorisations > 0);
    for (size_t i = 0; i < a->n_authorisations; i++) {
        const struct gw_api_authorisation *x = &a->authorisations[i], *y = &b->authorisations[i];
        assert(x->action == y->action && span_eq(x->collection, y->collection) && span_eq(x->tenant, y->tenant) &&
               span_eq(x->database, y->database) && x->collection_is_uuid == y->collection_is_uuid);
    }
    assert(a->facts.limit == b->facts.limit && a->facts.queries == b->facts.queries &&
           a->facts.points == b->facts.points);
    assert(a->facts.has_filter == b->facts.has_filter && a->facts.by_id == b->facts.by_id);
    assert(span_eq(a->body, b->body));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    struct span body = span_of(data + 1, n - 1);
    size_t which = data[0] % (REQUESTS + LISTS);
    if (which >= REQUESTS) {
        lists_and_names(which - REQUESTS, body);
        return 0;
    }
    struct arena arena;
    struct gw_api_meaning first, second;
    arena_init(&arena, 0);
    if (match(requests[which].api, requests[which].method, requests[which].path, body, &arena, &first) == 0) {
        int rc = match(requests[which].api, requests[which].method, requests[which].path, first.body, &arena, &second);
        assert(rc == 0);
        same(&first, &second);
    }
    arena_fini(&arena);
    return 0;
}

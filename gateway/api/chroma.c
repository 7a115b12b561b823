// SPDX-License-Identifier: GPL-3.0-or-later
// Chroma's v2 router (1.x), row by row. Functions attached to collections and conditional commits have no row: they name second
// collections and are not part of the clients. A collection by its resource name (crn) is `ops`: the tenant in it is the
// tenant's resource name, which policies do not know. Nothing here carries a collection in a body but create, rename and fork.
#include "gateway/api/table.h"

#define T "/api/v2/tenants"
#define D "/api/v2/tenants/{t}/databases"
#define P "/api/v2/tenants/{t}/databases/{d}/collections"

#define DEFAULT_RESULTS 10

enum kind {
    CREATE = 1 << 0,
    UPDATE = 1 << 1,
    FORK = 1 << 2,
    TENANT = 1 << 3,
    DATABASE = 1 << 4,
    RESOURCE = 1 << 5,
    GET = 1 << 6,
    QUERY = 1 << 7,
    SEARCH = 1 << 8,
    DELETE = 1 << 9,
    RECORDS = 1 << 10,
    ONE_SEARCH = 1 << 11,
    LIMIT = 1 << 12,
    SELECT = 1 << 13,
};

static const struct gw_api_member members[] = {
    { "name", CREATE | TENANT | DATABASE },
    { "schema", CREATE },
    { "configuration", CREATE },
    { "metadata", CREATE },
    { "get_or_create", CREATE },
    { "new_name", UPDATE | FORK },
    { "new_metadata", UPDATE },
    { "new_configuration", UPDATE },
    { "resource_name", RESOURCE },
    { "ids", GET | QUERY | DELETE | RECORDS },
    { "where", GET | QUERY | DELETE },
    { "where_document", GET | QUERY | DELETE },
    { "limit", GET | DELETE | ONE_SEARCH | LIMIT },
    { "offset", GET | LIMIT },
    { "sort", GET },
    { "include", GET | QUERY },
    { "query_embeddings", QUERY },
    { "n_results", QUERY },
    { "searches", SEARCH },
    { "read_level", SEARCH },
    { "filter", ONE_SEARCH },
    { "rank", ONE_SEARCH },
    { "group_by", ONE_SEARCH },
    { "select", ONE_SEARCH },
    { "keys", SELECT },
    { "embeddings", RECORDS },
    { "documents", RECORDS },
    { "metadatas", RECORDS },
    { "uris", RECORDS },
};

static struct span collections_path(struct gw_api_build *b, struct span name)
{
    const struct span s[] = { SPAN("api"),       SPAN("v2"),  SPAN("tenants"),     b->tenant,
                              SPAN("databases"), b->database, SPAN("collections"), name };
    return gw_api_path(b->arena, s, span_is_none(name) ? 7 : 8);
}

static int create_collection(struct gw_api_build *b, json body)
{
    struct span name;
    bool get_or_create = false;
    int rc = GW_API_MEMBERS(b, body, members, CREATE);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("name")), &name);
    json flag = json_get(body, SPAN("get_or_create"));
    if (rc == 0 && flag && !json_bool(flag, &get_or_create))
        rc = gw_api_refuse(b, ERR_API_BODY, "get_or_create is no boolean", SPAN_NONE);
    if (rc == 0)
        rc = gw_api_authorise_collection(b, GW_ACTION_CREATE, name, true);
    if (rc < 0 || !get_or_create)
        return rc;
    // It answers with the collection that is there; who may only look gets to look.
    rc = gw_api_authorise_collection(b, GW_ACTION_META, name, true);
    struct gw_api_alternative *a = &b->meaning.alternative;
    *a = (struct gw_api_alternative){
        .present = true,
        .authorisation = { .action = GW_ACTION_META, .database = b->database, .tenant = b->tenant, .collection = name },
        .method = SPAN("GET"),
        .target = collections_path(b, name)
    };
    return rc == 0 && span_is_none(a->target) ? ERR_NOMEM : rc;
}

static int update_collection(struct gw_api_build *b, json body)
{
    struct span name;
    int rc = GW_API_MEMBERS(b, body, members, UPDATE);
    json new_name = json_get(body, SPAN("new_name"));
    if (rc < 0 || !gw_api_given(new_name))
        return rc;
    rc = gw_api_body_name(b, new_name, &name);
    return rc == 0 ? gw_api_authorise_collection(b, GW_ACTION_ALTER, name, true) : rc;
}

static int fork_collection(struct gw_api_build *b, json body)
{
    struct span name;
    int rc = GW_API_MEMBERS(b, body, members, FORK);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("new_name")), &name);
    return rc == 0 ? gw_api_authorise_collection(b, GW_ACTION_CREATE, name, true) : rc;
}

static int create_tenant(struct gw_api_build *b, json body)
{
    struct gw_api_authorisation a = { .action = GW_ACTION_CREATE };
    int rc = GW_API_MEMBERS(b, body, members, TENANT);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("name")), &a.tenant);
    return rc == 0 ? gw_api_authorise(b, a) : rc;
}

static int create_database(struct gw_api_build *b, json body)
{
    struct gw_api_authorisation a = { .action = GW_ACTION_CREATE, .tenant = b->tenant };
    int rc = GW_API_MEMBERS(b, body, members, DATABASE);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("name")), &a.database);
    return rc == 0 ? gw_api_authorise(b, a) : rc;
}

static int update_tenant(struct gw_api_build *b, json body)
{
    struct span name;
    int rc = GW_API_MEMBERS(b, body, members, RESOURCE);
    return rc == 0 ? gw_api_body_name(b, json_get(body, SPAN("resource_name")), &name) : rc;
}

// The next of a list of words. 1, 0 at its end, or ERR_API_BODY: the server also reads {"embeddings": null} as the word.
static int next_word(struct gw_api_build *b, struct json_iter *it, struct span *word)
{
    struct span name;
    json v;
    if (!json_next(it, &name, &v))
        return 0;
    *word = json_string(v);
    return span_is_none(*word) ? gw_api_refuse(b, ERR_API_BODY, "not a string where the API has one", SPAN_NONE) : 1;
}

// `include` of a get or query: what the answer carries.
static int fact_include(struct gw_api_build *b, json include)
{
    struct gw_api_facts *f = &b->meaning.facts;
    if (!gw_api_given(include)) {
        f->with_payload = true;
        return 0;
    }
    if (json_type(include) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "include is no list", SPAN_NONE);
    struct json_iter it = json_iter(include);
    struct span s;
    int rc;
    while ((rc = next_word(b, &it, &s)) == 1) {
        f->with_vectors = f->with_vectors || span_eq(s, SPAN("embeddings"));
        f->with_payload = f->with_payload || span_eq(s, SPAN("documents")) || span_eq(s, SPAN("metadatas")) ||
                          span_eq(s, SPAN("uris"));
    }
    return rc;
}

// `select` of a search: the same.
static int fact_select(struct gw_api_build *b, json select)
{
    struct gw_api_facts *f = &b->meaning.facts;
    if (!gw_api_given(select))
        return 0;
    int rc = GW_API_MEMBERS(b, select, members, SELECT);
    json keys = json_get(select, SPAN("keys"));
    if (rc == 0 && gw_api_given(keys) && json_type(keys) != JSON_ARRAY)
        rc = gw_api_refuse(b, ERR_API_BODY, "keys is no list", SPAN_NONE);
    if (rc < 0)
        return rc;
    struct json_iter it = json_iter(keys);
    struct span key;
    while ((rc = next_word(b, &it, &key)) == 1) {
        bool vector = span_eq(key, SPAN("#embedding"));
        f->with_vectors = f->with_vectors || vector;
        f->with_payload = f->with_payload || !vector;
    }
    return rc;
}

static bool has_something(json v)
{
    return json_type(v) == JSON_OBJECT && json_count(v) > 0;
}

// `where` and `where_document` are one filter; `ids` name records.
static int fact_where(struct gw_api_build *b, json body)
{
    json where = json_get(body, SPAN("where")), document = json_get(body, SPAN("where_document"));
    if ((gw_api_given(where) && json_type(where) != JSON_OBJECT) ||
        (gw_api_given(document) && json_type(document) != JSON_OBJECT))
        return gw_api_refuse(b, ERR_API_BODY, "a filter that is no object", SPAN_NONE);
    json ids = json_get(body, SPAN("ids"));
    struct gw_api_facts *f = &b->meaning.facts;
    f->has_filter = has_something(where) || has_something(document);
    if (!gw_api_given(ids))
        return 0;
    if (json_type(ids) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "ids is no list", SPAN_NONE);
    f->by_id = true;
    f->has_points = true;
    f->points = json_count(ids);
    return 0;
}

static int get_records(struct gw_api_build *b, json body)
{
    uint64_t limit = UINT64_MAX;
    int rc = GW_API_MEMBERS(b, body, members, GET);
    if (rc == 0)
        rc = fact_where(b, body);
    if (rc == 0)
        rc = gw_api_body_count(b, json_get(body, SPAN("limit")), &limit);
    if (rc < 0)
        return rc;
    if (b->meaning.facts.has_points && b->meaning.facts.points < limit)
        limit = b->meaning.facts.points;
    if (limit != UINT64_MAX)
        gw_api_fact_limit(b, limit);
    return fact_include(b, json_get(body, SPAN("include")));
}

static int query_records(struct gw_api_build *b, json body)
{
    uint64_t limit = DEFAULT_RESULTS;
    int rc = GW_API_MEMBERS(b, body, members, QUERY);
    if (rc == 0)
        rc = fact_where(b, body);
    if (rc == 0)
        rc = gw_api_body_count(b, json_get(body, SPAN("n_results")), &limit);
    json vectors = json_get(body, SPAN("query_embeddings"));
    if (rc == 0 && json_type(vectors) != JSON_ARRAY)
        rc = gw_api_refuse(b, ERR_API_BODY, "query_embeddings is no list", SPAN_NONE);
    if (rc < 0)
        return rc;
    gw_api_fact_limit(b, limit);
    b->meaning.facts.has_queries = true;
    b->meaning.facts.queries = json_count(vectors);
    return fact_include(b, json_get(body, SPAN("include")));
}

static int one_search(struct gw_api_build *b, json v, bool *unbounded)
{
    uint64_t limit = UINT64_MAX;
    int rc = GW_API_MEMBERS(b, v, members, ONE_SEARCH);
    if (rc == 0)
        rc = gw_api_fact_filter(b, json_get(v, SPAN("filter")));
    json bound = json_get(v, SPAN("limit"));
    if (rc == 0 && json_type(bound) == JSON_OBJECT) {
        rc = GW_API_MEMBERS(b, bound, members, LIMIT);
        bound = json_get(bound, SPAN("limit"));
    }
    if (rc == 0)
        rc = gw_api_body_count(b, bound, &limit);
    if (rc < 0)
        return rc;
    if (limit == UINT64_MAX)
        *unbounded = true;
    else
        gw_api_fact_limit(b, limit);
    b->meaning.facts.queries++;
    return fact_select(b, json_get(v, SPAN("select")));
}

static int search_records(struct gw_api_build *b, json body)
{
    int rc = GW_API_MEMBERS(b, body, members, SEARCH);
    json searches = json_get(body, SPAN("searches"));
    if (rc == 0 && json_type(searches) != JSON_ARRAY)
        rc = gw_api_refuse(b, ERR_API_BODY, "searches is no list", SPAN_NONE);
    if (rc < 0)
        return rc;
    b->meaning.facts.has_queries = true;
    bool unbounded = false;
    struct json_iter it = json_iter(searches);
    struct span name;
    json v;
    while (rc == 0 && json_next(&it, &name, &v))
        rc = one_search(b, v, &unbounded);
    if (unbounded)
        b->meaning.facts.has_limit = false;
    return rc;
}

static int delete_records(struct gw_api_build *b, json body)
{
    uint64_t limit = UINT64_MAX;
    int rc = GW_API_MEMBERS(b, body, members, DELETE);
    if (rc == 0)
        rc = fact_where(b, body);
    if (rc == 0)
        rc = gw_api_body_count(b, json_get(body, SPAN("limit")), &limit);
    if (rc == 0 && limit != UINT64_MAX)
        gw_api_fact_limit(b, limit);
    return rc;
}

static int write_records(struct gw_api_build *b, json body)
{
    int rc = GW_API_MEMBERS(b, body, members, RECORDS);
    json ids = json_get(body, SPAN("ids"));
    if (rc == 0 && json_type(ids) != JSON_ARRAY)
        rc = gw_api_refuse(b, ERR_API_BODY, "ids is no list", SPAN_NONE);
    if (rc < 0)
        return rc;
    b->meaning.facts.has_points = true;
    b->meaning.facts.points = json_count(ids);
    return 0;
}

// Paging is ours: the shards are asked for all, what the subject may not see is left out, then the page is cut.
static int list(struct gw_api_build *b)
{
    for (size_t i = 0; i < b->n_query; i++) {
        struct span name = b->query[i].name;
        uint64_t n;
        if (!span_eq(name, SPAN("limit")) && !span_eq(name, SPAN("offset")))
            continue;
        if (span_is_none(b->query[i].value) || !span_to_u64(b->query[i].value, &n))
            return gw_api_refuse(b, ERR_API_QUERY, "a query parameter that is no number", name);
        if (span_eq(name, SPAN("limit")))
            b->meaning.list_limit = n;
        else
            b->meaning.list_offset = n;
    }
    if (b->meaning.list == GW_API_LIST_CHROMA_DATABASES) {
        const struct span s[] = { SPAN("api"), SPAN("v2"), SPAN("tenants"), b->tenant, SPAN("databases") };
        b->meaning.target = gw_api_path(b->arena, s, 5);
    } else {
        b->meaning.target = collections_path(b, SPAN_NONE);
    }
    return span_is_none(b->meaning.target) ? ERR_NOMEM : 0;
}

// clang-format off
static const struct gw_api_row rows[] = {
    { "GET", "/api/v2",                   GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/api/v2/heartbeat",         GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/api/v2/healthcheck",       GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/api/v2/version",           GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/api/v2/pre-flight-checks", GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/api/v2/auth/identity",     GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST", "/api/v2/reset",            GW_ACTION_OPS,  GW_API_BODY_NONE, GW_API_ALL, 0, NULL, NULL },
    { "GET", "/api/v2/collections/{x}",   GW_ACTION_OPS,  GW_API_BODY_NONE, 0, 0, NULL, NULL },

    { "POST",   T,          GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ALL, 0, create_tenant, NULL },
    { "GET",    T "/{t}",   GW_ACTION_META,   GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "PATCH",  T "/{t}",   GW_ACTION_ALTER,  GW_API_BODY_INSPECT, GW_API_ALL, 0, update_tenant, NULL },
    { "DELETE", T "/{t}",   GW_ACTION_DROP,   GW_API_BODY_NONE, GW_API_ALL, 0, NULL, NULL },
    { "GET",    D,          GW_ACTION_LIST,   GW_API_BODY_NONE, 0, GW_API_LIST_CHROMA_DATABASES, NULL, list },
    { "POST",   D,          GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ALL, 0, create_database, NULL },
    { "GET",    D "/{d}",   GW_ACTION_META,   GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", D "/{d}",   GW_ACTION_DROP,   GW_API_BODY_NONE, GW_API_ALL | GW_API_FORGETS, 0, NULL, NULL },

    { "GET",    P,                        GW_ACTION_LIST, GW_API_BODY_NONE, GW_API_TEACHES, GW_API_LIST_CHROMA_COLLECTIONS, NULL, list },
    { "GET",    D "/{d}/collections_count", GW_ACTION_LIST, GW_API_BODY_NONE, GW_API_TEACHES, GW_API_LIST_CHROMA_COUNT, NULL, list },
    { "POST",   P,                        GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_TEACHES, 0, create_collection, NULL },
    { "GET",    P "/{c}",                 GW_ACTION_META, GW_API_BODY_NONE, GW_API_TEACHES, 0, NULL, NULL },
    { "DELETE", P "/{c}",                 GW_ACTION_DROP, GW_API_BODY_NONE, GW_API_FORGETS, 0, NULL, NULL },
    { "GET",    P "/by-id/{c}",           GW_ACTION_META, GW_API_BODY_NONE, GW_API_UUID | GW_API_TEACHES, 0, NULL, NULL },
    { "PUT",    P "/{c}",                 GW_ACTION_ALTER, GW_API_BODY_INSPECT, GW_API_UUID | GW_API_FORGETS, 0, update_collection, NULL },

    { "POST", P "/{c}/get",             GW_ACTION_READ,   GW_API_BODY_INSPECT, GW_API_UUID, 0, get_records, NULL },
    { "GET",  P "/{c}/count",           GW_ACTION_READ,   GW_API_BODY_NONE, GW_API_UUID | GW_API_COUNTS, 0, NULL, NULL },
    { "GET",  P "/{c}/indexing_status", GW_ACTION_META,   GW_API_BODY_NONE, GW_API_UUID, 0, NULL, NULL },
    { "GET",  P "/{c}/fork_count",      GW_ACTION_META,   GW_API_BODY_NONE, GW_API_UUID, 0, NULL, NULL },
    { "POST", P "/{c}/query",           GW_ACTION_SEARCH, GW_API_BODY_INSPECT, GW_API_UUID, 0, query_records, NULL },
    { "POST", P "/{c}/search",          GW_ACTION_SEARCH, GW_API_BODY_INSPECT, GW_API_UUID, 0, search_records, NULL },
    { "POST", P "/{c}/add",             GW_ACTION_WRITE,  GW_API_BODY_FACTS, GW_API_UUID, 0, write_records, NULL },
    { "POST", P "/{c}/update",          GW_ACTION_WRITE,  GW_API_BODY_FACTS, GW_API_UUID, 0, write_records, NULL },
    { "POST", P "/{c}/upsert",          GW_ACTION_WRITE,  GW_API_BODY_FACTS, GW_API_UUID, 0, write_records, NULL },
    { "POST", P "/{c}/delete",          GW_ACTION_DELETE, GW_API_BODY_INSPECT, GW_API_UUID, 0, delete_records, NULL },
    { "POST", P "/{c}/fork",            GW_ACTION_EXPORT, GW_API_BODY_INSPECT, GW_API_UUID | GW_API_TEACHES, 0, fork_collection, NULL },
};
// clang-format on

static const char *const query[] = { "limit", "offset", "read_level", NULL };

const struct gw_api_def gw_api_chroma = {
    .name = "chroma",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0]),
    .query = query,
};

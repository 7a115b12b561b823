// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant's reading requests: which members each may have (from the server's own structures and their aliases), and the few that mean
// something here. All else in them (vectors, filters, formulas, parameters) is copied as it is.
#include "gateway/api/qdrant.h"

#define PREFETCH_DEPTH 16
#define DEFAULT_LIMIT 10
#define DEFAULT_GROUPS 10
#define DEFAULT_GROUP_SIZE 3
#define DEFAULT_MATRIX_SAMPLE 10
#define DEFAULT_MATRIX_LIMIT 3

enum kind {
    QUERY = 1 << 0,
    QUERY_GROUPS = 1 << 1,
    PREFETCH = 1 << 2,
    SEARCH = 1 << 3,
    SEARCH_GROUPS = 1 << 4,
    RECOMMEND = 1 << 5,
    RECOMMEND_GROUPS = 1 << 6,
    DISCOVER = 1 << 7,
    MATRIX = 1 << 8,
    POINTS = 1 << 9,
    SCROLL = 1 << 10,
    COUNT = 1 << 11,
    FACET = 1 << 12,
    GROUPS = QUERY_GROUPS | SEARCH_GROUPS | RECOMMEND_GROUPS,
    PLAIN = QUERY | SEARCH | RECOMMEND | DISCOVER,
    // Where the server takes each of the two spellings for the other.
    VECTOR_ALIAS = PLAIN | GROUPS | POINTS | SCROLL,
    TOP_ALIAS = SEARCH | RECOMMEND | DISCOVER,
};

static const struct gw_api_member members[] = {
    { "filter", PLAIN | GROUPS | PREFETCH | MATRIX | SCROLL | COUNT | FACET },
    { "limit", PLAIN | GROUPS | PREFETCH | MATRIX | SCROLL | FACET },
    { "top", TOP_ALIAS },
    { "offset", PLAIN | SCROLL },
    { "shard_key", PLAIN | GROUPS | MATRIX | POINTS | SCROLL | COUNT | FACET },
    { "with_payload", PLAIN | GROUPS | POINTS | SCROLL },
    { "with_vector", VECTOR_ALIAS },
    { "with_vectors", VECTOR_ALIAS },
    { "params", PLAIN | GROUPS | PREFETCH },
    { "score_threshold", QUERY | SEARCH | RECOMMEND | GROUPS | PREFETCH },
    { "using", QUERY | QUERY_GROUPS | PREFETCH | RECOMMEND | RECOMMEND_GROUPS | DISCOVER | MATRIX },
    { "lookup_from", QUERY | QUERY_GROUPS | PREFETCH | RECOMMEND | RECOMMEND_GROUPS | DISCOVER },
    { "with_lookup", GROUPS },
    { "group_by", GROUPS },
    { "group_size", GROUPS },
    { "prefetch", QUERY | QUERY_GROUPS | PREFETCH },
    { "query", QUERY | QUERY_GROUPS | PREFETCH },
    { "vector", SEARCH | SEARCH_GROUPS },
    { "positive", RECOMMEND | RECOMMEND_GROUPS },
    { "negative", RECOMMEND | RECOMMEND_GROUPS },
    { "strategy", RECOMMEND | RECOMMEND_GROUPS },
    { "target", DISCOVER },
    { "context", DISCOVER },
    { "sample", MATRIX },
    { "ids", POINTS },
    { "order_by", SCROLL },
    { "exact", COUNT | FACET },
    { "key", FACET },
};

static const struct gw_api_member batch_members[] = { { "searches", 1 } };

enum { LOOKUP_FROM = 1, WITH_LOOKUP = 2 };
static const struct gw_api_member lookup_members[] = {
    { "collection", LOOKUP_FROM | WITH_LOOKUP },
    { "vector", LOOKUP_FROM },
    { "shard_key", LOOKUP_FROM },
    { "with_payload", WITH_LOOKUP },
    { "with_vector", WITH_LOOKUP },
    { "with_vectors", WITH_LOOKUP },
};

static const struct gw_api_member fallback_members[] = { { "target", 1 }, { "fallback", 1 } };

static int add_shard_key(struct gw_api_build *b, json v)
{
    int64_t n;
    struct span text = json_string(v);
    if (!span_is_none(text))
        text = arena_dup(b->arena, text);
    else if (json_i64(v, &n) && n >= 0)
        text = arena_printf(b->arena, "%llu", (unsigned long long)n);
    else
        return gw_api_refuse(b, ERR_API_BODY, "a shard key that is neither string nor integer", SPAN_NONE);
    if (span_is_none(text))
        return ERR_NOMEM;
    struct gw_api_facts *f = &b->meaning.facts;
    for (size_t i = 0; i < f->n_shard_keys; i++)
        if (span_eq(b->shard_keys[i], text))
            return 0;
    if (f->n_shard_keys == GW_API_SHARD_KEYS_MAX)
        return gw_api_refuse(b, ERR_API_BODY, "too many shard keys", SPAN_NONE);
    b->shard_keys[f->n_shard_keys++] = text;
    return 0;
}

int gw_qdrant_shard_key(struct gw_api_build *b, json v)
{
    int rc = 0;
    if (!gw_api_given(v))
        return 0;
    if (json_type(v) == JSON_OBJECT) {
        rc = GW_API_MEMBERS(b, v, fallback_members, 1);
        if (rc == 0)
            rc = add_shard_key(b, json_get(v, SPAN("target")));
        return rc == 0 ? add_shard_key(b, json_get(v, SPAN("fallback"))) : rc;
    }
    if (json_type(v) != JSON_ARRAY)
        return add_shard_key(b, v);
    struct json_iter it = json_iter(v);
    struct span name;
    json element;
    while (rc == 0 && json_next(&it, &name, &element))
        rc = add_shard_key(b, element);
    return rc;
}

// What the API has in a place where a point's id may be.
enum place {
    VECTOR,  // a vector, an id, or an object with one inside
    STRUCT,  // an object with places inside
    VECTORS, // a list of the former
    STRUCTS  // a list of the latter, or one
};

static const struct {
    const char *name;
    enum place place;
} places[] = {
    { "nearest", VECTOR },   { "target", VECTOR },    { "example", VECTOR },
    { "discover", STRUCT },  { "recommend", STRUCT }, { "relevance_feedback", STRUCT },
    { "positive", VECTORS }, { "negative", VECTORS }, { "context", STRUCTS },
    { "feedback", STRUCTS },
};

// Numbers, or rows of them.
static bool is_vector(json v, unsigned depth)
{
    if (json_is_numbers(v))
        return true;
    if (depth == 0 || json_type(v) != JSON_ARRAY)
        return false;
    struct json_iter it = json_iter(v);
    struct span name;
    json row;
    while (json_next(&it, &name, &row))
        if (!is_vector(row, depth - 1))
            return false;
    return true;
}

// Whether a point is named. A list that is no vector counts as one that does: the server takes a struct also as the list of its fields.
static bool names_points(json v, unsigned depth, enum place place)
{
    enum json_type t = json_type(v);
    if (t == JSON_STRING || t == JSON_UINT || t == JSON_INT)
        return true;
    if (t != JSON_OBJECT && t != JSON_ARRAY)
        return false;
    if (t == JSON_ARRAY && place == VECTOR)
        return !is_vector(v, 1);
    if (depth == 0 || (t == JSON_ARRAY && place == STRUCT))
        return true;
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    while (json_next(&it, &name, &value)) {
        if (t == JSON_ARRAY) {
            if (names_points(value, depth - 1, place == VECTORS ? VECTOR : STRUCT))
                return true;
            continue;
        }
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
            if (span_eq(name, span_str(places[i].name)) && names_points(value, depth - 1, places[i].place))
                return true;
    }
    return false;
}

static bool wants(json v, bool otherwise)
{
    bool yes;
    if (!gw_api_given(v))
        return otherwise;
    if (json_bool(v, &yes))
        return yes;
    return json_type(v) != JSON_ARRAY || json_count(v) > 0;
}

static void fact_with(struct gw_api_build *b, json q, bool payload_default)
{
    struct gw_api_facts *f = &b->meaning.facts;
    f->with_payload = f->with_payload || wants(json_get(q, SPAN("with_payload")), payload_default);
    f->with_vectors = f->with_vectors || wants(json_get(q, SPAN("with_vector")), false) ||
                      wants(json_get(q, SPAN("with_vectors")), false);
}

static int lookup_from(struct gw_api_build *b, json v)
{
    struct span name;
    if (!gw_api_given(v))
        return 0;
    int rc = GW_API_MEMBERS(b, v, lookup_members, LOOKUP_FROM);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(v, SPAN("collection")), &name);
    if (rc == 0)
        rc = gw_qdrant_shard_key(b, json_get(v, SPAN("shard_key")));
    return rc == 0 ? gw_api_authorise_collection(b, GW_ACTION_READ, name, false) : rc;
}

static int with_lookup(struct gw_api_build *b, json v)
{
    struct span name;
    int rc = 0;
    if (!gw_api_given(v))
        return 0;
    if (json_type(v) == JSON_STRING) {
        rc = gw_api_body_name(b, v, &name);
        b->meaning.facts.with_payload = true;
    } else {
        rc = GW_API_MEMBERS(b, v, lookup_members, WITH_LOOKUP);
        if (rc == 0)
            rc = gw_api_body_name(b, json_get(v, SPAN("collection")), &name);
        if (rc == 0)
            fact_with(b, v, true);
    }
    return rc == 0 ? gw_api_authorise_collection(b, GW_ACTION_READ, name, false) : rc;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t out;
    return __builtin_mul_overflow(a, b, &out) ? UINT64_MAX : out;
}

// The largest number of records that one query of this kind can return.
static int fact_limit(struct gw_api_build *b, json q, unsigned kind)
{
    uint64_t limit = (kind & GROUPS) != 0   ? DEFAULT_GROUPS
                     : (kind & MATRIX) != 0 ? DEFAULT_MATRIX_LIMIT
                                            : DEFAULT_LIMIT;
    uint64_t top = 0, size = 1;
    int rc = gw_api_body_count(b, json_get(q, SPAN("limit")), &limit);
    if (rc == 0)
        rc = gw_api_body_count(b, json_get(q, SPAN("top")), &top);
    if (rc == 0 && (kind & GROUPS) != 0) {
        size = DEFAULT_GROUP_SIZE;
        rc = gw_api_body_count(b, json_get(q, SPAN("group_size")), &size);
    }
    if (rc == 0 && (kind & MATRIX) != 0) {
        size = DEFAULT_MATRIX_SAMPLE;
        rc = gw_api_body_count(b, json_get(q, SPAN("sample")), &size);
    }
    if (gw_api_given(json_get(q, SPAN("top"))))
        limit = gw_api_given(json_get(q, SPAN("limit"))) && limit > top ? limit : top;
    if (rc == 0)
        gw_api_fact_limit(b, times(limit, size));
    return rc;
}

static int ask(struct gw_api_build *b, json q, unsigned kind, unsigned depth);

// One object or a list of objects, each of which may have its own.
static int prefetch(struct gw_api_build *b, json v, unsigned depth)
{
    if (!gw_api_given(v))
        return 0;
    if (depth == 0)
        return gw_api_refuse(b, ERR_API_BODY, "prefetch is nested too deep", SPAN_NONE);
    if (json_type(v) == JSON_OBJECT)
        return ask(b, v, PREFETCH, depth - 1);
    if (json_type(v) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "prefetch is neither object nor list", SPAN_NONE);
    struct json_iter it = json_iter(v);
    struct span name;
    json element;
    int rc = 0;
    while (rc == 0 && json_next(&it, &name, &element))
        rc = ask(b, element, PREFETCH, depth - 1);
    return rc;
}

static int ask(struct gw_api_build *b, json q, unsigned kind, unsigned depth)
{
    int rc = GW_API_MEMBERS(b, q, members, kind);
    if (rc == 0 && (kind & (PLAIN | GROUPS | PREFETCH | MATRIX | SCROLL | FACET)) != 0)
        rc = fact_limit(b, q, kind);
    if (rc == 0 && kind == PREFETCH && gw_api_given(json_get(q, SPAN("filter"))) &&
        json_type(json_get(q, SPAN("filter"))) != JSON_OBJECT)
        rc = gw_api_refuse(b, ERR_API_BODY, "a filter that is no object", SPAN_NONE);
    if (rc == 0 && kind != PREFETCH)
        rc = gw_api_fact_filter(b, json_get(q, SPAN("filter")));
    if (rc == 0)
        rc = gw_qdrant_shard_key(b, json_get(q, SPAN("shard_key")));
    if (rc == 0)
        rc = lookup_from(b, json_get(q, SPAN("lookup_from")));
    if (rc == 0)
        rc = with_lookup(b, json_get(q, SPAN("with_lookup")));
    if (rc == 0)
        rc = prefetch(b, json_get(q, SPAN("prefetch")), depth);
    if (rc < 0)
        return rc;
    if ((kind & (PLAIN | GROUPS | POINTS | SCROLL)) != 0)
        fact_with(b, q, (kind & (POINTS | SCROLL)) != 0);
    // In a query object the body itself stands where {recommend}, {discover} and {context} do.
    if ((kind & (QUERY | QUERY_GROUPS | PREFETCH)) != 0)
        b->meaning.facts.by_id = b->meaning.facts.by_id || names_points(json_get(q, SPAN("query")), 6, VECTOR);
    if ((kind & (RECOMMEND | RECOMMEND_GROUPS | DISCOVER)) != 0)
        b->meaning.facts.by_id = b->meaning.facts.by_id || names_points(q, 6, STRUCT);
    if ((kind & (PLAIN | GROUPS | MATRIX)) != 0) {
        b->meaning.facts.has_queries = true;
        b->meaning.facts.queries++;
    }
    return 0;
}

static int batch(struct gw_api_build *b, json body, unsigned kind)
{
    int rc = GW_API_MEMBERS(b, body, batch_members, 1);
    if (rc < 0)
        return rc;
    json searches = json_get(body, SPAN("searches"));
    if (json_type(searches) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "searches is no list", SPAN_NONE);
    b->meaning.facts.has_queries = true;
    struct json_iter it = json_iter(searches);
    struct span name;
    json element;
    while (rc == 0 && json_next(&it, &name, &element))
        rc = ask(b, element, kind, PREFETCH_DEPTH);
    return rc;
}

int gw_qdrant_point(struct gw_api_build *b)
{
    b->meaning.facts.by_id = true;
    b->meaning.facts.with_payload = true;
    b->meaning.facts.with_vectors = true;
    b->meaning.facts.has_points = true;
    b->meaning.facts.points = 1;
    gw_api_fact_limit(b, 1);
    return 0;
}

int gw_qdrant_points(struct gw_api_build *b, json body)
{
    int rc = ask(b, body, POINTS, 0);
    json ids = json_get(body, SPAN("ids"));
    if (rc == 0 && json_type(ids) != JSON_ARRAY)
        rc = gw_api_refuse(b, ERR_API_BODY, "ids is no list", SPAN_NONE);
    if (rc < 0)
        return rc;
    b->meaning.facts.by_id = true;
    b->meaning.facts.has_points = true;
    b->meaning.facts.points = json_count(ids);
    gw_api_fact_limit(b, json_count(ids));
    return 0;
}

int gw_qdrant_scroll(struct gw_api_build *b, json body)
{
    return ask(b, body, SCROLL, 0);
}
int gw_qdrant_count(struct gw_api_build *b, json body)
{
    return ask(b, body, COUNT, 0);
}
int gw_qdrant_facet(struct gw_api_build *b, json body)
{
    return ask(b, body, FACET, 0);
}
int gw_qdrant_query(struct gw_api_build *b, json body)
{
    return ask(b, body, QUERY, PREFETCH_DEPTH);
}
int gw_qdrant_query_batch(struct gw_api_build *b, json body)
{
    return batch(b, body, QUERY);
}
int gw_qdrant_query_groups(struct gw_api_build *b, json body)
{
    return ask(b, body, QUERY_GROUPS, PREFETCH_DEPTH);
}
int gw_qdrant_search(struct gw_api_build *b, json body)
{
    return ask(b, body, SEARCH, 0);
}
int gw_qdrant_search_batch(struct gw_api_build *b, json body)
{
    return batch(b, body, SEARCH);
}
int gw_qdrant_search_groups(struct gw_api_build *b, json body)
{
    return ask(b, body, SEARCH_GROUPS, 0);
}
int gw_qdrant_matrix(struct gw_api_build *b, json body)
{
    return ask(b, body, MATRIX, 0);
}
int gw_qdrant_recommend(struct gw_api_build *b, json body)
{
    return ask(b, body, RECOMMEND, 0);
}
int gw_qdrant_recommend_batch(struct gw_api_build *b, json body)
{
    return batch(b, body, RECOMMEND);
}
int gw_qdrant_recommend_groups(struct gw_api_build *b, json body)
{
    return ask(b, body, RECOMMEND_GROUPS, 0);
}
int gw_qdrant_discover(struct gw_api_build *b, json body)
{
    return ask(b, body, DISCOVER, 0);
}
int gw_qdrant_discover_batch(struct gw_api_build *b, json body)
{
    return batch(b, body, DISCOVER);
}

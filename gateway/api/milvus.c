// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's REST API v2, row by row: every request is a POST, and says in its body which database and collection it is about. So every body is
// read, and written anew with the database in it: where the client names none, a header of its own would decide at the server, and `default`
// is what everybody means. The server takes member names in any case; we take them in one.
//
// Partitions are no names that policies know. A collection's alias is just a name: whoever makes one had to be allowed both. Jobs that are named by
// a number belong to no collection that can be seen here, so asking about one is `ops`; users, roles and resource groups likewise. The older
// v1 API has no row.
#include "gateway/api/table.h"

#define V "/v2/vectordb"

#define DEFAULT_DATABASE SPAN("default")
#define DEFAULT_LIMIT 100

enum kind {
    DATABASE = 1 << 0,
    COLLECTION = 1 << 1,
    CREATE = 1 << 2,
    RENAME = 1 << 3,
    PROPERTIES = 1 << 4,
    FIELD = 1 << 5,
    COMPACT = 1 << 6,
    PARTITION = 1 << 7,
    PARTITIONS = 1 << 8,
    INDEX = 1 << 9,
    INDEXES = 1 << 10,
    ALIAS = 1 << 11,
    QUERY = 1 << 12,
    GET = 1 << 13,
    SEARCH = 1 << 14,
    HYBRID = 1 << 15,
    SUB_SEARCH = 1 << 16,
    DATA = 1 << 17,
    DELETE = 1 << 18,
    IMPORT = 1 << 19,
    OF_DATABASE = 1 << 20,
    ALIASES = 1 << 21,
    ALIAS_OF = 1 << 22,
    SCHEMA = 1 << 23,
    FUNCTION = 1 << 24,
    ANALYZER = 1 << 25,
    READS = QUERY | GET | SEARCH | HYBRID,
    ENTITIES = READS | DATA | DELETE,
    OF_COLLECTION = COLLECTION | CREATE | RENAME | PROPERTIES | FIELD | COMPACT | PARTITION | PARTITIONS | INDEX |
                    INDEXES | ALIASES | ALIAS_OF | ENTITIES | IMPORT | SCHEMA | FUNCTION | ANALYZER,
};

static const struct gw_api_member members[] = {
    { "dbName", DATABASE | OF_DATABASE | ALIAS | OF_COLLECTION },
    { "collectionName", OF_COLLECTION },
    { "newDbName", RENAME },
    { "newCollectionName", RENAME },
    { "aliasName", ALIAS | ALIAS_OF },
    { "partitionName", PARTITION | DATA | DELETE | GET | IMPORT },
    { "partitionNames", COLLECTION | PARTITIONS | READS },
    { "properties", OF_DATABASE | PROPERTIES | INDEX },
    { "propertyKeys", OF_DATABASE | PROPERTIES | INDEX },
    { "fieldName", FIELD | ANALYZER },
    { "fieldParams", FIELD },
    { "isClustering", COMPACT },
    { "indexName", INDEX },
    { "indexParams", INDEXES | CREATE },
    { "dimension", CREATE },
    { "idType", CREATE },
    { "autoID", CREATE },
    { "metricType", CREATE | SUB_SEARCH },
    { "primaryFieldName", CREATE },
    { "vectorFieldName", CREATE },
    { "schema", CREATE | SCHEMA },
    { "functionName", FUNCTION },
    { "function", FUNCTION },
    { "params", CREATE | SEARCH | SUB_SEARCH },
    { "description", CREATE },
    { "outputFields", READS },
    { "filter", QUERY | SEARCH | SUB_SEARCH | DELETE },
    { "exprParams", QUERY | SEARCH | SUB_SEARCH | DELETE },
    { "limit", QUERY | SEARCH | HYBRID | SUB_SEARCH },
    { "offset", QUERY | SEARCH | SUB_SEARCH },
    { "consistencyLevel", READS },
    { "id", GET },
    { "data", SEARCH | SUB_SEARCH | DATA },
    { "annsField", SEARCH | SUB_SEARCH },
    { "groupingField", SEARCH | HYBRID | SUB_SEARCH },
    { "groupSize", SEARCH | HYBRID },
    { "strictGroupSize", SEARCH | HYBRID },
    { "searchParams", SEARCH },
    { "functionScore", SEARCH | HYBRID },
    { "search", HYBRID },
    { "rerank", HYBRID },
    { "files", IMPORT },
    { "options", IMPORT },
    { "partialUpdate", DATA },
    { "fieldOps", DATA },
    { "text", ANALYZER },
    { "analyzerParams", ANALYZER },
    { "analyzerNames", ANALYZER },
    { "withDetail", ANALYZER },
    { "withHash", ANALYZER },
};

// ------------------------------------------------------------------------------------------------------------- names

// The server takes an absent name, null and "" for the same.
static bool is_named(json v)
{
    return gw_api_given(v) && (json_type(v) != JSON_STRING || json_string(v).n > 0);
}

static int database_name(struct gw_api_build *b, json v, struct span otherwise, struct span *out)
{
    if (!is_named(v)) {
        *out = otherwise;
        return 0;
    }
    return gw_api_body_name(b, v, out);
}

// The body as it goes on: with the database that was authorised.
static int write_body(struct gw_api_build *b, json body)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    struct json_iter it = json_iter(body);
    struct span name;
    json v;
    json_w_object(&w);
    json_w_key(&w, SPAN("dbName"));
    json_w_string(&w, b->database);
    while (json_next(&it, &name, &v)) {
        if (span_eq(name, SPAN("dbName")))
            continue;
        json_w_key(&w, name);
        json_w_value(&w, v);
    }
    json_w_end(&w);
    b->meaning.body = out.failed ? SPAN_NONE : arena_dup(b->arena, buf_span(&out));
    buf_fini(&out);
    return span_is_none(b->meaning.body) ? ERR_NOMEM : 0;
}

// The database, what is in it, and the body.
static int in_database(struct gw_api_build *b, json body, unsigned kind)
{
    int rc = GW_API_MEMBERS(b, body, members, kind);
    if (rc == 0)
        rc = database_name(b, json_get(body, SPAN("dbName")), DEFAULT_DATABASE, &b->database);
    return rc == 0 ? write_body(b, body) : rc;
}

static int in_collection(struct gw_api_build *b, json body, unsigned kind, bool is_new)
{
    int rc = in_database(b, body, kind);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("collectionName")), &b->collection);
    return rc == 0 ? gw_api_authorise_collection(b, b->row->action, b->collection, is_new) : rc;
}

static struct gw_api_authorisation of_database(const struct gw_api_build *b)
{
    return (struct gw_api_authorisation){ .action = b->row->action, .database = b->database };
}

static int collections(struct gw_api_build *b, json body)
{
    int rc = in_database(b, body, DATABASE);
    return rc == 0 ? gw_api_authorise(b, of_database(b)) : rc;
}

// It has to be named: a request to drop nothing must not drop the default one.
static int one_database(struct gw_api_build *b, json body)
{
    int rc = GW_API_MEMBERS(b, body, members, OF_DATABASE);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("dbName")), &b->database);
    return rc == 0 ? gw_api_authorise(b, of_database(b)) : rc;
}

static int collection(struct gw_api_build *b, json body)
{
    return in_collection(b, body, COLLECTION, false);
}

static int create(struct gw_api_build *b, json body)
{
    return in_collection(b, body, CREATE, true);
}

static int rename_collection(struct gw_api_build *b, json body)
{
    struct gw_api_authorisation to = { .action = GW_ACTION_ALTER, .collection_is_new = true };
    int rc = in_collection(b, body, RENAME, false);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("newCollectionName")), &to.collection);
    if (rc == 0)
        rc = database_name(b, json_get(body, SPAN("newDbName")), b->database, &to.database);
    return rc == 0 ? gw_api_authorise(b, to) : rc;
}

static int properties(struct gw_api_build *b, json body)
{
    return in_collection(b, body, PROPERTIES, false);
}

static int field(struct gw_api_build *b, json body)
{
    return in_collection(b, body, FIELD, false);
}

static int compact(struct gw_api_build *b, json body)
{
    return in_collection(b, body, COMPACT, false);
}

static int partition(struct gw_api_build *b, json body)
{
    return in_collection(b, body, PARTITION, false);
}

static int partitions(struct gw_api_build *b, json body)
{
    return in_collection(b, body, PARTITIONS, false);
}

static int one_index(struct gw_api_build *b, json body)
{
    return in_collection(b, body, INDEX, false);
}

static int make_indexes(struct gw_api_build *b, json body)
{
    return in_collection(b, body, INDEXES, false);
}

static int alias(struct gw_api_build *b, json body)
{
    int rc = in_database(b, body, ALIAS);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("aliasName")), &b->collection);
    return rc == 0 ? gw_api_authorise_collection(b, b->row->action, b->collection, false) : rc;
}

// A second name for a collection: both are authorised.
static int bind_alias(struct gw_api_build *b, json body)
{
    struct span name;
    int rc = in_collection(b, body, ALIAS_OF, false);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(body, SPAN("aliasName")), &name);
    return rc == 0 ? gw_api_authorise_collection(b, b->row->action, name, true) : rc;
}

// All of a database's aliases, or a collection's: those are its own.
static int list_aliases(struct gw_api_build *b, json body)
{
    if (!is_named(json_get(body, SPAN("collectionName")))) {
        int rc = in_database(b, body, ALIASES);
        return rc == 0 ? gw_api_authorise(b, of_database(b)) : rc;
    }
    b->meaning.list = GW_API_LIST_NONE;
    b->meaning.fan = GW_API_FAN_ONE;
    return in_collection(b, body, ALIASES, false);
}

static int add_field(struct gw_api_build *b, json body)
{
    return in_collection(b, body, SCHEMA, false);
}

static int function(struct gw_api_build *b, json body)
{
    return in_collection(b, body, FUNCTION, false);
}

// How a text would be taken apart: by an analyzer that is described, or by that of a collection's field.
static int analyze(struct gw_api_build *b, json body)
{
    if (is_named(json_get(body, SPAN("collectionName"))))
        return in_collection(b, body, ANALYZER, false);
    int rc = in_database(b, body, ANALYZER);
    return rc == 0 ? gw_api_authorise(b, of_database(b)) : rc;
}

// The files are read from the server's own storage with its own rights, what other collections keep there among them.
static int import_files(struct gw_api_build *b, json body)
{
    int rc = in_collection(b, body, IMPORT, false);
    return rc == 0 ? gw_api_authorise(b, (struct gw_api_authorisation){ .action = GW_ACTION_OPS }) : rc;
}

// ------------------------------------------------------------------------------------------------------------- facts

static int list_of(struct gw_api_build *b, json v, uint64_t *n)
{
    if (json_type(v) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "not a list where the API has one", SPAN_NONE);
    *n = json_count(v);
    return 0;
}

// Which of the fields are vectors only the collection's schema knows: any may be one.
static int fact_output(struct gw_api_build *b, json body, bool otherwise)
{
    json fields = json_get(body, SPAN("outputFields"));
    uint64_t n = otherwise;
    int rc = gw_api_given(fields) ? list_of(b, fields, &n) : 0;
    b->meaning.facts.with_payload = b->meaning.facts.with_vectors = n > 0;
    return rc;
}

// With groups the limit counts those.
static int fact_limit(struct gw_api_build *b, json v)
{
    uint64_t limit = DEFAULT_LIMIT, size = 0;
    int rc = gw_api_body_count(b, json_get(v, SPAN("limit")), &limit);
    if (rc == 0)
        rc = gw_api_body_count(b, json_get(v, SPAN("groupSize")), &size);
    if (rc != 0)
        return rc;
    if (limit == 0)
        return 0; // a query without an end
    if (size == 0)
        size = 1;
    gw_api_fact_limit(b, limit > UINT64_MAX / size ? UINT64_MAX : limit * size);
    return 0;
}

// What the server takes search parameters of this name for before it looks at the members of its own: the one that is meant must be the one that
// was read.
static int search_params(struct gw_api_build *b, json v)
{
    static const char *const theirs[] = {
        "topk",       "limit",           "offset",   "anns_field",       "group_by_field",
        "group_size", "group_by_fields", "iterator", "strict_group_size"
    };
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    if (!gw_api_given(v))
        return 0;
    if (json_type(v) != JSON_OBJECT)
        return gw_api_refuse(b, ERR_API_BODY, "search parameters that are no object", SPAN_NONE);
    while (json_next(&it, &name, &value)) {
        if (span_starts(name, SPAN("search_iter")))
            return gw_api_refuse(b, ERR_API_BODY, "a search parameter that says what a member should", name);
        for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
            if (span_eq(name, span_str(theirs[i])))
                return gw_api_refuse(b, ERR_API_BODY, "a search parameter that says what a member should", name);
    }
    return 0;
}

// An expression, which the server parses; whether there is one.
static int fact_filter(struct gw_api_build *b, json v, bool *filtered)
{
    json filter = json_get(v, SPAN("filter"));
    struct span text = json_string(filter);
    if (gw_api_given(filter) && span_is_none(text))
        return gw_api_refuse(b, ERR_API_BODY, "a filter that is no string", SPAN_NONE);
    *filtered = span_trim(text).n > 0;
    return 0;
}

static int query(struct gw_api_build *b, json body)
{
    int rc = in_collection(b, body, QUERY, false);
    if (rc == 0)
        rc = fact_filter(b, body, &b->meaning.facts.has_filter);
    if (rc == 0)
        rc = fact_limit(b, body);
    return rc == 0 ? fact_output(b, body, true) : rc;
}

static int get(struct gw_api_build *b, json body)
{
    struct gw_api_facts *f = &b->meaning.facts;
    int rc = in_collection(b, body, GET, false);
    json id = json_get(body, SPAN("id"));
    if (rc < 0)
        return rc;
    if (!gw_api_given(id))
        return gw_api_refuse(b, ERR_API_BODY, "no id", SPAN_NONE);
    f->by_id = f->has_points = true;
    f->points = json_type(id) == JSON_ARRAY ? json_count(id) : 1;
    gw_api_fact_limit(b, f->points);
    return fact_output(b, body, true);
}

static int search(struct gw_api_build *b, json body)
{
    struct gw_api_facts *f = &b->meaning.facts;
    int rc = in_collection(b, body, SEARCH, false);
    if (rc == 0)
        rc = fact_filter(b, body, &f->has_filter);
    if (rc == 0)
        rc = list_of(b, json_get(body, SPAN("data")), &f->queries);
    f->has_queries = true;
    if (rc == 0)
        rc = search_params(b, json_get(body, SPAN("searchParams")));
    if (rc == 0)
        rc = fact_limit(b, body);
    return rc == 0 ? fact_output(b, body, false) : rc;
}

static int hybrid(struct gw_api_build *b, json body)
{
    struct gw_api_facts *f = &b->meaning.facts;
    int rc = in_collection(b, body, HYBRID, false);
    json searches = json_get(body, SPAN("search"));
    if (rc == 0)
        rc = list_of(b, searches, &f->queries);
    f->has_queries = true;
    f->has_filter = f->queries > 0;
    struct json_iter it = json_iter(searches);
    struct span name;
    json v;
    while (rc == 0 && json_next(&it, &name, &v)) {
        bool filtered = false;
        rc = GW_API_MEMBERS(b, v, members, SUB_SEARCH);
        if (rc == 0)
            rc = fact_filter(b, v, &filtered);
        if (rc == 0)
            rc = search_params(b, json_get(v, SPAN("params")));
        f->has_filter = f->has_filter && filtered;
    }
    if (rc == 0)
        rc = fact_limit(b, body);
    return rc == 0 ? fact_output(b, body, false) : rc;
}

static int write_entities(struct gw_api_build *b, json body)
{
    struct gw_api_facts *f = &b->meaning.facts;
    int rc = in_collection(b, body, DATA, false);
    f->has_points = true;
    return rc == 0 ? list_of(b, json_get(body, SPAN("data")), &f->points) : rc;
}

static int delete_entities(struct gw_api_build *b, json body)
{
    int rc = in_collection(b, body, DELETE, false);
    return rc == 0 ? fact_filter(b, body, &b->meaning.facts.has_filter) : rc;
}

// --------------------------------------------------------------------------------------------------------------- rows

// clang-format off
#define ROW(path, action, inspect) { "POST", V path, GW_ACTION_##action, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, inspect, NULL }
#define OPS(path) { "POST", V path, GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL }
static const struct gw_api_row rows[] = {
    { "POST", V "/collections/list", GW_ACTION_LIST, GW_API_BODY_INSPECT, GW_API_BY_BODY, GW_API_LIST_MILVUS_NAMES, collections, NULL },
    ROW("/collections/has",              META,   collection),
    ROW("/collections/describe",         META,   collection),
    ROW("/collections/get_stats",        META,   collection),
    ROW("/collections/get_load_state",   META,   collection),
    ROW("/collections/create",           CREATE, create),
    ROW("/collections/drop",             DROP,   collection),
    ROW("/collections/truncate",         DROP,   collection), // all of its records at once
    ROW("/collections/rename",           ALTER,  rename_collection),
    ROW("/collections/load",             ALTER,  collection),
    ROW("/collections/refresh_load",     ALTER,  collection),
    ROW("/collections/release",          ALTER,  collection),
    ROW("/collections/alter_properties", ALTER,  properties),
    ROW("/collections/drop_properties",  ALTER,  properties),
    ROW("/collections/compact",          ALTER,  compact),
    ROW("/collections/flush",            ALTER,  collection),
    ROW("/collections/add_function",     ALTER,  function),
    ROW("/collections/alter_function",   ALTER,  function),
    ROW("/collections/drop_function",    ALTER,  function),
    ROW("/collections/fields/alter_properties", ALTER, field),
    ROW("/collections/fields/add",       ALTER,  add_field),
    ROW("/collections/fields/drop",      ALTER,  field),
    ROW("/collections/struct_fields/add", ALTER, add_field),
    ROW("/common/run_analyzer",          META,   analyze),

    ROW("/entities/query",           READ,   query),
    ROW("/entities/get",             READ,   get),
    ROW("/entities/search",          SEARCH, search),
    ROW("/entities/hybrid_search",   SEARCH, hybrid),
    ROW("/entities/advanced_search", SEARCH, hybrid),
    ROW("/entities/insert",          WRITE,  write_entities),
    ROW("/entities/upsert",          WRITE,  write_entities),
    ROW("/entities/delete",          DELETE, delete_entities),

    ROW("/partitions/list",      LIST,   collection),
    ROW("/partitions/has",       META,   partition),
    ROW("/partitions/get_stats", META,   partition),
    ROW("/partitions/create",    CREATE, partition),
    ROW("/partitions/drop",      DROP,   partition),
    ROW("/partitions/load",      ALTER,  partitions),
    ROW("/partitions/release",   ALTER,  partitions),

    ROW("/indexes/list",             LIST,   collection),
    ROW("/indexes/describe",         META,   one_index),
    ROW("/indexes/create",           CREATE, make_indexes),
    ROW("/indexes/drop",             DROP,   one_index),
    ROW("/indexes/alter_properties", ALTER,  one_index),
    ROW("/indexes/drop_properties",  ALTER,  one_index),

    { "POST", V "/aliases/list", GW_ACTION_LIST, GW_API_BODY_INSPECT, GW_API_BY_BODY, GW_API_LIST_MILVUS_NAMES, list_aliases, NULL },
    ROW("/aliases/describe", META,   alias),
    ROW("/aliases/create",   CREATE, bind_alias),
    ROW("/aliases/alter",    ALTER,  bind_alias),
    ROW("/aliases/drop",     DROP,   alias),

    ROW("/jobs/import/create", WRITE, import_files),
    ROW("/jobs/import/list",   LIST,  collection),
    OPS("/jobs/import/get_progress"),
    OPS("/jobs/import/describe"),
    OPS("/jobs/import/commit"),
    OPS("/jobs/import/abort"),
    OPS("/collections/get_compaction_state"),

    { "POST", V "/databases/create", GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ALL, 0, one_database, NULL },
    { "POST", V "/databases/drop",   GW_ACTION_DROP,   GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ALL, 0, one_database, NULL },
    { "POST", V "/databases/alter",  GW_ACTION_OPS,    GW_API_BODY_STREAM, GW_API_ALL, 0, NULL, NULL },
    { "POST", V "/databases/alter_properties", GW_ACTION_OPS, GW_API_BODY_STREAM, GW_API_ALL, 0, NULL, NULL },
    { "POST", V "/databases/drop_properties",  GW_ACTION_OPS, GW_API_BODY_STREAM, GW_API_ALL, 0, NULL, NULL },
    OPS("/databases/list"),
    OPS("/databases/describe"),

    OPS("/users/list"),
    OPS("/users/describe"),
    OPS("/users/create"),
    OPS("/users/update_password"),
    OPS("/users/drop"),
    OPS("/users/grant_role"),
    OPS("/users/revoke_role"),
    OPS("/roles/list"),
    OPS("/roles/describe"),
    OPS("/roles/create"),
    OPS("/roles/alter"),
    OPS("/roles/drop"),
    OPS("/roles/grant_privilege"),
    OPS("/roles/revoke_privilege"),
    OPS("/roles/grant_privilege_v2"),
    OPS("/roles/revoke_privilege_v2"),
    OPS("/privilege_groups/list"),
    OPS("/privilege_groups/create"),
    OPS("/privilege_groups/drop"),
    OPS("/privilege_groups/add_privileges_to_group"),
    OPS("/privilege_groups/remove_privileges_from_group"),
    OPS("/resource_groups/list"),
    OPS("/resource_groups/describe"),
    OPS("/resource_groups/create"),
    OPS("/resource_groups/drop"),
    OPS("/resource_groups/alter"),
    OPS("/resource_groups/transfer_replica"),
    OPS("/file_resources/list"),
    OPS("/file_resources/add"),
    OPS("/file_resources/remove"),
    OPS("/segments/describe"),
    OPS("/quotacenter/describe"),
};
// clang-format on

static const char *const parameters[] = { NULL };

const struct gw_api_def gw_api_milvus = {
    .name = "milvus",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0]),
    .query = parameters,
    .codes = true,
    .plain = true,
};

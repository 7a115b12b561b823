// SPDX-License-Identifier: GPL-3.0-or-later
// Weaviate's REST API (1.3x), row by row, and its GraphQL. A collection is a class; a tenant, where a class has tenants, is named by a parameter, in the
// body, or in the query's arguments. The server takes "docs" for "Docs"; policies see the latter.
//
// What names no class (an object by its id alone, Explore) has no row or is refused. A reference from one object to another lets whoever reads the one
// see the other, so making one needs the right to read what it points at.
#include "gateway/api/graphql.h"
#include "gateway/api/weaviate.h"

enum kind {
    OBJECT = 1 << 0,
    BATCH = 1 << 1,
    BATCH_DELETE = 1 << 2,
    MATCH = 1 << 3,
    REFERENCE = 1 << 4,
    REFERENCES = 1 << 5,
    ALIAS = 1 << 7,
    RETARGET = 1 << 8,
};

static const struct gw_api_member members[] = {
    { "class", OBJECT | MATCH | REFERENCE | ALIAS | RETARGET },
    { "alias", ALIAS },
    { "id", OBJECT },
    { "tenant", OBJECT | REFERENCES },
    { "properties", OBJECT },
    { "vector", OBJECT },
    { "vectors", OBJECT },
    { "vectorWeights", OBJECT },
    { "additional", OBJECT },
    { "creationTimeUnix", OBJECT },
    { "lastUpdateTimeUnix", OBJECT },
    { "fields", BATCH },
    { "objects", BATCH },
    { "match", BATCH_DELETE },
    { "dryRun", BATCH_DELETE },
    { "output", BATCH_DELETE },
    { "deletionTimeUnixMilli", BATCH_DELETE },
    { "where", MATCH },
    { "beacon", REFERENCE },
    { "href", REFERENCE },
    { "schema", REFERENCE },
    { "classification", REFERENCE },
    { "from", REFERENCES },
    { "to", REFERENCES },
};

// ------------------------------------------------------------------------------------------------------------- names

// As the server writes it.
static int class_name(struct gw_api_build *b, struct span name, int error, struct span *out)
{
    if (!gw_graphql_is_class(name) || name.n > GW_API_NAME_MAX)
        return gw_api_refuse(b, error, "what names a class cannot be one", SPAN_NONE);
    char *copy = arena_alloc(b->arena, name.n);
    if (!copy)
        return ERR_NOMEM;
    memcpy(copy, name.p, name.n);
    if (copy[0] >= 'a' && copy[0] <= 'z')
        copy[0] = (char)(copy[0] - 'a' + 'A');
    *out = span_of(copy, name.n);
    return 0;
}

static int tenant_name(struct gw_api_build *b, json v, struct span *out)
{
    *out = SPAN_NONE;
    return gw_api_given(v) ? gw_api_body_name(b, v, out) : 0;
}

int gw_weaviate_authorise(struct gw_api_build *b, enum gw_action action, struct span tenant, struct span name,
                          int error)
{
    struct gw_api_authorisation a = { .action = action, .tenant = tenant };
    int rc = class_name(b, name, error, &a.collection);
    return rc == 0 ? gw_api_authorise(b, a) : rc;
}

// The value of a parameter; SPAN_NONE: it is not there.
static struct span parameter(const struct gw_api_build *b, const char *name)
{
    for (size_t i = 0; i < b->n_query; i++)
        if (span_eq(b->query[i].name, span_str(name)))
            return b->query[i].value;
    return SPAN_NONE;
}

static int tenant_parameter(struct gw_api_build *b, struct span *out)
{
    struct span v = parameter(b, "tenant");
    *out = SPAN_NONE;
    if (v.n > 0 && !gw_api_name_ok(v))
        return gw_api_refuse(b, ERR_API_QUERY, "a tenant that cannot be one", SPAN_NONE);
    if (v.n > 0)
        *out = v;
    return 0;
}

// A class in the path or, for a list of objects, in a parameter; the tenant likewise.
static int of_path(struct gw_api_build *b)
{
    struct span tenant;
    int rc = tenant_parameter(b, &tenant);
    if (!span_is_none(b->tenant))
        tenant = b->tenant;
    return rc == 0 ? gw_weaviate_authorise(b, b->row->action, tenant, b->collection, ERR_API_COLLECTION) : rc;
}

// The schema is a class's as a whole: a tenant that is said beside it the server does not read, and policies would take the class for the tenant's.
static int of_schema(struct gw_api_build *b)
{
    if (!span_is_none(parameter(b, "tenant")))
        return gw_api_refuse(b, ERR_API_QUERY, "a tenant, where the request is about the whole class", SPAN_NONE);
    return of_path(b);
}

static int fact_objects(struct gw_api_build *b)
{
    b->meaning.facts.with_payload = true;
    // "vector", or "classification,vector": what else there may be costs nothing to count in.
    b->meaning.facts.with_vectors = parameter(b, "include").n > 0;
    return 0;
}

static int object_by_id(struct gw_api_build *b)
{
    struct gw_api_facts *f = &b->meaning.facts;
    f->by_id = f->has_points = true;
    f->points = 1;
    gw_api_fact_limit(b, 1);
    fact_objects(b);
    return of_path(b);
}

static int objects(struct gw_api_build *b)
{
    uint64_t limit;
    b->collection = parameter(b, "class");
    if (span_is_none(b->collection))
        return gw_api_refuse(b, ERR_API_QUERY, "objects of which class is not said; add ?class=", SPAN_NONE);
    struct span v = parameter(b, "limit");
    if (!span_is_none(v) && !span_to_u64(v, &limit))
        return gw_api_refuse(b, ERR_API_QUERY, "a query parameter that is no number", SPAN("limit"));
    if (!span_is_none(v))
        gw_api_fact_limit(b, limit);
    fact_objects(b);
    return of_path(b);
}

// ------------------------------------------------------------------------------------------------------------- writing

static int beacon(struct gw_api_build *b, json v, struct span tenant)
{
    struct span class = gw_graphql_beacon(json_string(v), false);
    if (span_is_none(class))
        return gw_api_refuse(b, ERR_API_BODY, "a beacon that names no class", SPAN_NONE);
    return gw_weaviate_authorise(b, GW_ACTION_READ, tenant, class, ERR_API_BODY);
}

// Properties that are lists of references.
static int references_in(struct gw_api_build *b, json properties, struct span tenant)
{
    struct json_iter it = json_iter(properties);
    struct span name;
    json v, one;
    int rc = 0;
    if (gw_api_given(properties) && json_type(properties) != JSON_OBJECT)
        return gw_api_refuse(b, ERR_API_BODY, "properties are no object", SPAN_NONE);
    while (rc == 0 && json_next(&it, &name, &v)) {
        struct json_iter items = json_iter(v);
        while (rc == 0 && json_type(v) == JSON_ARRAY && json_next(&items, &name, &one))
            if (json_type(one) == JSON_OBJECT && json_get(one, SPAN("beacon")))
                rc = beacon(b, json_get(one, SPAN("beacon")), tenant);
    }
    return rc;
}

static int object(struct gw_api_build *b, json v, enum gw_action action, struct span *class)
{
    struct span tenant;
    int rc = GW_API_MEMBERS(b, v, members, OBJECT);
    if (rc == 0)
        rc = tenant_name(b, json_get(v, SPAN("tenant")), &tenant);
    if (rc == 0)
        rc = class_name(b, json_string(json_get(v, SPAN("class"))), ERR_API_BODY, class);
    if (rc == 0)
        rc = gw_weaviate_authorise(b, action, tenant, *class, ERR_API_BODY);
    return rc == 0 ? references_in(b, json_get(v, SPAN("properties")), tenant) : rc;
}

static void fact_points(struct gw_api_build *b, uint64_t n)
{
    b->meaning.facts.has_points = true;
    b->meaning.facts.points = n;
}

static int create_object(struct gw_api_build *b, json body)
{
    struct span class;
    fact_points(b, 1);
    return object(b, body, b->row->action, &class);
}

// The class stands in the path too, and has to be the same.
static int replace_object(struct gw_api_build *b, json body)
{
    struct span in_path, in_body;
    int rc = class_name(b, b->collection, ERR_API_COLLECTION, &in_path);
    if (rc == 0)
        rc = create_object(b, body);
    if (rc == 0)
        rc = class_name(b, json_string(json_get(body, SPAN("class"))), ERR_API_BODY, &in_body);
    if (rc == 0 && !span_eq(in_path, in_body))
        rc = gw_api_refuse(b, ERR_API_BODY, "the body is about another class than the path", SPAN_NONE);
    b->meaning.facts.by_id = true;
    return rc;
}

static int create_objects(struct gw_api_build *b, json body)
{
    int rc = GW_API_MEMBERS(b, body, members, BATCH);
    json list = json_get(body, SPAN("objects"));
    if (rc == 0 && json_type(list) != JSON_ARRAY)
        rc = gw_api_refuse(b, ERR_API_BODY, "objects is no list", SPAN_NONE);
    fact_points(b, json_count(list));
    struct json_iter it = json_iter(list);
    struct span name, class;
    json v;
    while (rc == 0 && json_next(&it, &name, &v))
        rc = object(b, v, b->row->action, &class);
    return rc;
}

// { match: { class, where: { path: […] } } }: the path may lead through other classes.
static int paths_in(struct gw_api_build *b, json v, struct span tenant, unsigned depth)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json item;
    int rc = 0;
    if (json_type(v) != JSON_OBJECT && json_type(v) != JSON_ARRAY)
        return 0;
    if (depth == 0)
        return gw_api_refuse(b, ERR_API_BODY, "a filter that is nested too deep", SPAN_NONE);
    while (rc == 0 && json_next(&it, &name, &item)) {
        if (json_type(v) != JSON_OBJECT || !span_ieq(name, SPAN("path"))) {
            rc = paths_in(b, item, tenant, depth - 1);
            continue;
        }
        if (json_type(item) != JSON_ARRAY)
            return gw_api_refuse(b, ERR_API_BODY, "a path that is no list", SPAN_NONE);
        struct json_iter steps = json_iter(item);
        json step;
        for (size_t i = 0; rc == 0 && json_next(&steps, &name, &step); i++)
            if (i % 2 == 1)
                rc = gw_weaviate_authorise(b, GW_ACTION_READ, tenant, json_string(step), ERR_API_BODY);
    }
    return rc;
}

static int delete_objects(struct gw_api_build *b, json body)
{
    struct span tenant;
    int rc = GW_API_MEMBERS(b, body, members, BATCH_DELETE);
    json match = json_get(body, SPAN("match"));
    if (rc == 0)
        rc = GW_API_MEMBERS(b, match, members, MATCH);
    if (rc == 0)
        rc = tenant_parameter(b, &tenant);
    if (rc == 0)
        rc =
            gw_weaviate_authorise(b, b->row->action, tenant, json_string(json_get(match, SPAN("class"))), ERR_API_BODY);
    json where = json_get(match, SPAN("where"));
    b->meaning.facts.has_filter = json_type(where) == JSON_OBJECT && json_count(where) > 0;
    return rc == 0 ? paths_in(b, where, tenant, 32) : rc;
}

static int one_reference(struct gw_api_build *b, json v, struct span tenant)
{
    int rc = GW_API_MEMBERS(b, v, members, REFERENCE);
    return rc == 0 ? beacon(b, json_get(v, SPAN("beacon")), tenant) : rc;
}

// POST and DELETE: one; PUT: all of them, as a list.
static int references(struct gw_api_build *b, json body)
{
    struct span tenant, name;
    int rc = of_path(b);
    if (rc == 0)
        rc = tenant_parameter(b, &tenant);
    if (rc != 0 || json_type(body) == JSON_OBJECT)
        return rc == 0 ? one_reference(b, body, tenant) : rc;
    struct json_iter it = json_iter(body);
    json v;
    while (rc == 0 && json_next(&it, &name, &v))
        rc = one_reference(b, v, tenant);
    return rc;
}

// [{ from: "weaviate://localhost/Class/id/property", to: "weaviate://localhost/Other/id", tenant }]
static int batch_references(struct gw_api_build *b, json body)
{
    struct json_iter it = json_iter(body);
    struct span name, tenant;
    json v;
    int rc = 0;
    fact_points(b, json_count(body));
    while (rc == 0 && json_next(&it, &name, &v)) {
        rc = GW_API_MEMBERS(b, v, members, REFERENCES);
        if (rc == 0)
            rc = tenant_name(b, json_get(v, SPAN("tenant")), &tenant);
        struct span from = gw_graphql_beacon(json_string(json_get(v, SPAN("from"))), true);
        if (rc == 0)
            rc = gw_weaviate_authorise(b, b->row->action, tenant, from, ERR_API_BODY);
        if (rc == 0)
            rc = beacon(b, json_get(v, SPAN("to")), tenant);
    }
    return rc;
}

// ------------------------------------------------------------------------------------------------------------ the schema

// Of a class's many members only its name matters. The server's decoder folds case, beyond ASCII, too: U+017F is an s to it.
static bool could_be_class(struct span name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] >= 0x80)
            return true;
    return span_ieq(name, SPAN("class")) && !span_eq(name, SPAN("class"));
}

static int create_class(struct gw_api_build *b, json body)
{
    struct gw_api_authorisation a = { .action = b->row->action, .collection_is_new = true };
    int rc = class_name(b, json_string(json_get(body, SPAN("class"))), ERR_API_BODY, &a.collection);
    struct json_iter it = json_iter(body);
    struct span name;
    json v;
    while (rc == 0 && json_next(&it, &name, &v))
        if (could_be_class(name))
            rc = gw_api_refuse(b, ERR_API_BODY, "a case variant of a known member", name);
    return rc == 0 ? gw_api_authorise(b, a) : rc;
}

static int alter_class(struct gw_api_build *b, json body)
{
    struct span in_path;
    int rc = class_name(b, b->collection, ERR_API_COLLECTION, &in_path);
    if (rc == 0)
        rc = create_class(b, body);
    if (rc == 0 && !span_eq(in_path, b->authorisations[0].collection))
        rc = gw_api_refuse(b, ERR_API_BODY, "the body is about another class than the path", SPAN_NONE);
    if (rc == 0)
        b->authorisations[0].collection_is_new = false;
    return rc;
}

// An alias is a second name for a class, wherever one is named: whoever makes it has to be allowed both.
static int create_alias(struct gw_api_build *b, json body)
{
    struct gw_api_authorisation alias = { .action = b->row->action, .collection_is_new = true };
    int rc = GW_API_MEMBERS(b, body, members, ALIAS);
    if (rc == 0)
        rc = gw_weaviate_authorise(b, b->row->action, SPAN_NONE, json_string(json_get(body, SPAN("class"))),
                                   ERR_API_BODY);
    if (rc == 0)
        rc = class_name(b, json_string(json_get(body, SPAN("alias"))), ERR_API_BODY, &alias.collection);
    return rc == 0 ? gw_api_authorise(b, alias) : rc;
}

static int alter_alias(struct gw_api_build *b, json body)
{
    int rc = GW_API_MEMBERS(b, body, members, RETARGET);
    if (rc == 0)
        rc = gw_weaviate_authorise(b, b->row->action, SPAN_NONE, b->collection, ERR_API_COLLECTION);
    return rc == 0 ? gw_weaviate_authorise(b, b->row->action, SPAN_NONE, json_string(json_get(body, SPAN("class"))),
                                           ERR_API_BODY)
                   : rc;
}

// All aliases, or those of a class: they are its own.
static int list_aliases(struct gw_api_build *b)
{
    struct span class = parameter(b, "class");
    if (span_is_none(class))
        return gw_api_authorise(b, (struct gw_api_authorisation){ .action = b->row->action });
    b->meaning.list = GW_API_LIST_NONE;
    b->meaning.fan = GW_API_FAN_ONE;
    return gw_weaviate_authorise(b, b->row->action, SPAN_NONE, class, ERR_API_COLLECTION);
}

// --------------------------------------------------------------------------------------------------------------- rows

#define O "/v1/objects"
#define S "/v1/schema"
#define A "/v1/aliases"

// clang-format off
#define OPS(method, path) { method, path, GW_ACTION_OPS, GW_API_BODY_STREAM, 0, 0, NULL, NULL }
#define PATH(method, path, action, body) { method, path, GW_ACTION_##action, body, GW_API_BY_BODY, 0, NULL, of_schema }
static const struct gw_api_row rows[] = {
    { "GET", "/v1",                     GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/v1/meta",                GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/v1/.well-known/live",    GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/v1/.well-known/ready",   GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET", "/v1/.well-known/openid-configuration", GW_ACTION_META, GW_API_BODY_NONE, 0, 0, NULL, NULL },

    { "GET",    O,            GW_ACTION_READ,   GW_API_BODY_NONE, GW_API_BY_BODY, 0, NULL, objects },
    { "POST",   O,            GW_ACTION_WRITE,  GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, create_object, NULL },
    { "GET",    O "/{c}/{x}", GW_ACTION_READ,   GW_API_BODY_NONE, GW_API_BY_BODY, 0, NULL, object_by_id },
    { "HEAD",   O "/{c}/{x}", GW_ACTION_READ,   GW_API_BODY_NONE, GW_API_BY_BODY, 0, NULL, object_by_id },
    { "PUT",    O "/{c}/{x}", GW_ACTION_WRITE,  GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, replace_object, NULL },
    { "PATCH",  O "/{c}/{x}", GW_ACTION_WRITE,  GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, replace_object, NULL },
    { "DELETE", O "/{c}/{x}", GW_ACTION_DELETE, GW_API_BODY_NONE, GW_API_BY_BODY, 0, NULL, object_by_id },
    { "POST",   O "/{c}/{x}/references/{x}", GW_ACTION_WRITE, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, references, NULL },
    { "PUT",    O "/{c}/{x}/references/{x}", GW_ACTION_WRITE, GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ARRAY, 0, references, NULL },
    { "DELETE", O "/{c}/{x}/references/{x}", GW_ACTION_WRITE, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, references, NULL },

    { "POST",   O "/validate", GW_ACTION_READ,  GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, create_object, NULL },

    { "POST",   "/v1/batch/objects",    GW_ACTION_WRITE,  GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, create_objects, NULL },
    { "DELETE", "/v1/batch/objects",    GW_ACTION_DELETE, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, delete_objects, NULL },
    { "POST",   "/v1/batch/references", GW_ACTION_WRITE,  GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ARRAY, 0, batch_references, NULL },

    { "POST", "/v1/graphql",       GW_ACTION_SEARCH, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, gw_weaviate_graphql, NULL },
    { "POST", "/v1/graphql/batch", GW_ACTION_SEARCH, GW_API_BODY_INSPECT, GW_API_BY_BODY | GW_API_ARRAY, 0, gw_weaviate_graphql, NULL },

    { "GET",    S,                    GW_ACTION_LIST,   GW_API_BODY_NONE, 0, GW_API_LIST_WEAVIATE_SCHEMA, NULL, NULL },
    { "POST",   S,                    GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, create_class, NULL },
    PATH("GET",    S "/{c}",             META,  GW_API_BODY_NONE),
    { "PUT",    S "/{c}",             GW_ACTION_ALTER, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, alter_class, NULL },
    PATH("DELETE", S "/{c}",             DROP,  GW_API_BODY_NONE),
    PATH("POST",   S "/{c}/properties",  ALTER, GW_API_BODY_STREAM),
    { "GET",    S "/{c}/shards",      GW_ACTION_META, GW_API_BODY_NONE, GW_API_BY_BODY, 0, NULL, of_path },
    PATH("PUT",    S "/{c}/shards/{x}",  ALTER, GW_API_BODY_STREAM),
    PATH("GET",    S "/{c}/tenants",     META,  GW_API_BODY_NONE),
    PATH("GET",    S "/{c}/tenants/{t}", META,  GW_API_BODY_NONE),
    PATH("HEAD",   S "/{c}/tenants/{t}", META,  GW_API_BODY_NONE),
    PATH("POST",   S "/{c}/tenants",     ALTER, GW_API_BODY_STREAM),
    PATH("PUT",    S "/{c}/tenants",     ALTER, GW_API_BODY_STREAM),
    PATH("DELETE", S "/{c}/tenants",     ALTER, GW_API_BODY_STREAM),

    PATH("POST",   S "/{c}/properties/{x}/tokenize", META, GW_API_BODY_STREAM),
    PATH("GET",    S "/{c}/indexes",     META,  GW_API_BODY_NONE),
    PATH("PUT",    S "/{c}/properties/{x}/index/{x}", ALTER, GW_API_BODY_STREAM),
    PATH("DELETE", S "/{c}/properties/{x}/index/{x}", ALTER, GW_API_BODY_NONE),
    PATH("POST",   S "/{c}/properties/{x}/index/{x}/rebuild", ALTER, GW_API_BODY_STREAM),
    PATH("POST",   S "/{c}/properties/{x}/index/{x}/cancel",  ALTER, GW_API_BODY_STREAM),
    PATH("DELETE", S "/{c}/vectors/{x}/index", ALTER, GW_API_BODY_NONE),
    { "POST",   "/v1/tokenize",       GW_ACTION_META,   GW_API_BODY_STREAM, 0, 0, NULL, NULL },

    { "GET",    A,                    GW_ACTION_LIST,   GW_API_BODY_NONE, GW_API_BY_BODY, GW_API_LIST_WEAVIATE_ALIASES, NULL, list_aliases },
    { "POST",   A,                    GW_ACTION_CREATE, GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, create_alias, NULL },
    PATH("GET",    A "/{c}",             META,  GW_API_BODY_NONE),
    { "PUT",    A "/{c}",             GW_ACTION_ALTER,  GW_API_BODY_INSPECT, GW_API_BY_BODY, 0, alter_alias, NULL },
    PATH("DELETE", A "/{c}",             DROP,  GW_API_BODY_NONE),

    // A backup is of every class that it names, or of all; to restore one writes them.
    { "POST",   "/v1/backups/{x}",             GW_ACTION_EXPORT, GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "GET",    "/v1/backups/{x}",             GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "GET",    "/v1/backups/{x}/{x}",         GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "DELETE", "/v1/backups/{x}/{x}",         GW_ACTION_EXPORT, GW_API_BODY_NONE, 0, 0, NULL, NULL },
    { "POST",   "/v1/backups/{x}/{x}/restore", GW_ACTION_OPS,    GW_API_BODY_STREAM, 0, 0, NULL, NULL },
    { "GET",    "/v1/backups/{x}/{x}/restore", GW_ACTION_OPS,    GW_API_BODY_NONE, 0, 0, NULL, NULL },

    OPS("DELETE", "/v1/backups/{x}/{x}/restore"),
    OPS("GET",    "/v1/nodes"),
    OPS("GET",    "/v1/nodes/{x}"),
    OPS("GET",    "/v1/tasks"),
    OPS("GET",    "/v1/cluster/statistics"),
    OPS("POST",   "/v1/replication/replicate"),
    OPS("DELETE", "/v1/replication/replicate"),
    OPS("POST",   "/v1/replication/replicate/force-delete"),
    OPS("GET",    "/v1/replication/replicate/list"),
    OPS("GET",    "/v1/replication/replicate/{x}"),
    OPS("DELETE", "/v1/replication/replicate/{x}"),
    OPS("POST",   "/v1/replication/replicate/{x}/cancel"),
    OPS("GET",    "/v1/replication/sharding-state"),
    OPS("GET",    "/v1/replication/scale"),
    OPS("POST",   "/v1/replication/scale"),
    OPS("GET",    "/v1/authz/roles"),
    OPS("POST",   "/v1/authz/roles"),
    OPS("GET",    "/v1/authz/roles/{x}"),
    OPS("DELETE", "/v1/authz/roles/{x}"),
    OPS("POST",   "/v1/authz/roles/{x}/add-permissions"),
    OPS("POST",   "/v1/authz/roles/{x}/remove-permissions"),
    OPS("POST",   "/v1/authz/roles/{x}/has-permission"),
    OPS("GET",    "/v1/authz/roles/{x}/users"),
    OPS("GET",    "/v1/authz/roles/{x}/user-assignments"),
    OPS("GET",    "/v1/authz/roles/{x}/group-assignments"),
    OPS("GET",    "/v1/authz/users/{x}/roles"),
    OPS("GET",    "/v1/authz/users/{x}/roles/{x}"),
    OPS("POST",   "/v1/authz/users/{x}/assign"),
    OPS("POST",   "/v1/authz/users/{x}/revoke"),
    OPS("POST",   "/v1/authz/groups/{x}/assign"),
    OPS("POST",   "/v1/authz/groups/{x}/revoke"),
    OPS("GET",    "/v1/authz/groups/{x}/roles/{x}"),
    OPS("GET",    "/v1/authz/groups/{x}"),
    OPS("GET",    "/v1/users/own-info"),
    OPS("GET",    "/v1/users/db"),
    OPS("GET",    "/v1/users/db/{x}"),
    OPS("POST",   "/v1/users/db/{x}"),
    OPS("DELETE", "/v1/users/db/{x}"),
    OPS("POST",   "/v1/users/db/{x}/rotate-key"),
    OPS("POST",   "/v1/users/db/{x}/activate"),
    OPS("POST",   "/v1/users/db/{x}/deactivate"),
};
// clang-format on

static const char *const parameters[] = { "class",
                                          "tenant",
                                          "limit",
                                          "offset",
                                          "after",
                                          "sort",
                                          "order",
                                          "include",
                                          "consistency_level",
                                          "node_name",
                                          "output",
                                          "bucket",
                                          "path",
                                          "tenants",
                                          "collection",
                                          "shard",
                                          "shardName",
                                          "targetNode",
                                          "replicationFactor",
                                          "includeHistory",
                                          "includeLastUsedTime",
                                          "includeFullRoles",
                                          NULL };

const struct gw_api_def gw_api_weaviate = {
    .name = "weaviate",
    .rows = rows,
    .n_rows = sizeof(rows) / sizeof(rows[0]),
    .query = parameters,
};

// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant's changing requests. A batch is what its operations are; aliases name collections only in the body.
#include "gateway/api/confine_qdrant.h"
#include "gateway/api/qdrant.h"

enum kind {
    UPSERT = 1 << 0,
    UPDATE_VECTORS = 1 << 1,
    SET_PAYLOAD = 1 << 2,
    SELECT = 1 << 3,
    DELETE_PAYLOAD = 1 << 4,
    DELETE_VECTORS = 1 << 5,
};

static const struct gw_api_member members[] = {
    { "points", UPSERT | UPDATE_VECTORS | SET_PAYLOAD | SELECT | DELETE_PAYLOAD | DELETE_VECTORS },
    { "filter", SET_PAYLOAD | SELECT | DELETE_PAYLOAD | DELETE_VECTORS },
    { "shard_key", UPSERT | UPDATE_VECTORS | SET_PAYLOAD | SELECT | DELETE_PAYLOAD | DELETE_VECTORS },
    { "batch", UPSERT },
    { "update_filter", UPSERT | UPDATE_VECTORS },
    { "update_mode", UPSERT },
    { "payload", SET_PAYLOAD },
    { "key", SET_PAYLOAD },
    { "keys", DELETE_PAYLOAD },
    { "vector", DELETE_VECTORS },
    { "vectors", DELETE_VECTORS },
};

// Records that are named by id or carried; a change by filter has no number.
static int change(struct gw_api_build *b, json v, unsigned kind)
{
    struct gw_api_facts *f = &b->meaning.facts;
    int rc = GW_API_MEMBERS(b, v, members, kind);
    if (rc == 0)
        rc = gw_qdrant_shard_key(b, json_get(v, SPAN("shard_key")));
    if (rc < 0)
        return rc;
    json points = json_get(v, SPAN("points"));
    json filter = json_get(v, SPAN("filter"));
    if (gw_api_given(points) && json_type(points) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "points is no list", SPAN_NONE);
    // Of the two the server heeds one, or for vectors both: the number of points would say nothing.
    if (gw_api_given(points) && gw_api_given(filter))
        return gw_api_refuse(b, ERR_API_BODY, "points and filter at once", SPAN_NONE);
    uint64_t n = json_count(points);
    json ids = json_get(json_get(v, SPAN("batch")), SPAN("ids"));
    if (!gw_api_given(points))
        n = json_count(ids);
    bool counted = gw_api_given(points) || json_type(ids) == JSON_ARRAY;
    // One uncounted operation of a batch leaves the whole without a number.
    f->has_points = counted && (!b->seen_query || f->has_points);
    f->points += n;
    if ((kind & (SET_PAYLOAD | SELECT | DELETE_PAYLOAD | DELETE_VECTORS)) != 0 && gw_api_given(points))
        f->by_id = true;
    return gw_api_fact_filter(b, gw_api_given(points) ? NULL : filter);
}

int gw_qdrant_upsert(struct gw_api_build *b, json body)
{
    return change(b, body, UPSERT);
}
int gw_qdrant_update_vectors(struct gw_api_build *b, json body)
{
    return change(b, body, UPDATE_VECTORS);
}
int gw_qdrant_set_payload(struct gw_api_build *b, json body)
{
    return change(b, body, SET_PAYLOAD);
}
int gw_qdrant_select(struct gw_api_build *b, json body)
{
    return change(b, body, SELECT);
}
int gw_qdrant_delete_payload(struct gw_api_build *b, json body)
{
    return change(b, body, DELETE_PAYLOAD);
}
int gw_qdrant_delete_vectors(struct gw_api_build *b, json body)
{
    return change(b, body, DELETE_VECTORS);
}

static const struct gw_qdrant_operation operations[] = {
    { SPAN("upsert"), GW_ACTION_WRITE, UPSERT, gw_confine_qdrant_upsert },
    { SPAN("update_vectors"), GW_ACTION_WRITE, UPDATE_VECTORS, gw_confine_qdrant_update_vectors },
    { SPAN("set_payload"), GW_ACTION_WRITE, SET_PAYLOAD, gw_confine_qdrant_set_payload },
    { SPAN("overwrite_payload"), GW_ACTION_WRITE, SET_PAYLOAD, gw_confine_qdrant_overwrite_payload },
    { SPAN("delete"), GW_ACTION_DELETE, SELECT, gw_confine_qdrant_select },
    { SPAN("delete_vectors"), GW_ACTION_DELETE, DELETE_VECTORS, gw_confine_qdrant_select },
    { SPAN("delete_payload"), GW_ACTION_DELETE, DELETE_PAYLOAD, gw_confine_qdrant_delete_payload },
    { SPAN("clear_payload"), GW_ACTION_DELETE, SELECT, NULL },
};

const struct gw_qdrant_operation *gw_qdrant_operation_named(struct span name)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        if (span_eq(name, operations[i].name))
            return &operations[i];
    return NULL;
}

// The server takes the first operation that fits an object; so that this is the one we saw, an object has exactly one.
static int only_member(struct gw_api_build *b, json v, struct span *name, json *value)
{
    if (json_type(v) != JSON_OBJECT || json_count(v) != 1)
        return gw_api_refuse(b, ERR_API_BODY, "an operation is no object with exactly one member", SPAN_NONE);
    struct json_iter it = json_iter(v);
    (void)json_next(&it, name, value);
    return 0;
}

static int batch_operation(struct gw_api_build *b, json v)
{
    struct span name;
    json value;
    int rc = only_member(b, v, &name, &value);
    if (rc < 0)
        return rc;
    const struct gw_qdrant_operation *op = gw_qdrant_operation_named(name);
    if (!op)
        return gw_api_refuse(b, ERR_API_BODY, "an operation that is not known", name);
    rc = gw_api_authorise_collection(b, op->action, b->collection, false);
    return rc == 0 ? change(b, value, op->members) : rc;
}

static int each(struct gw_api_build *b, json list, int (*one)(struct gw_api_build *b, json v))
{
    if (json_type(list) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "the body has no list of operations", SPAN_NONE);
    struct json_iter it = json_iter(list);
    struct span name;
    json v;
    int rc = 0;
    while (rc == 0 && json_next(&it, &name, &v))
        rc = one(b, v);
    return rc;
}

int gw_qdrant_batch(struct gw_api_build *b, json body)
{
    static const struct gw_api_member known[] = { { "operations", 1 } };
    int rc = GW_API_MEMBERS(b, body, known, 1);
    return rc == 0 ? each(b, json_get(body, SPAN("operations")), batch_operation) : rc;
}

enum { CREATE_ALIAS = 1, DELETE_ALIAS = 2, RENAME_ALIAS = 4 };

static int alias_name(struct gw_api_build *b, json v, const char *member, bool is_new)
{
    struct span name;
    int rc = gw_api_body_name(b, json_get(v, span_str(member)), &name);
    return rc == 0 ? gw_api_authorise_collection(b, GW_ACTION_ALTER, name, is_new) : rc;
}

static int alias_operation(struct gw_api_build *b, json v)
{
    static const struct gw_api_member known[] = {
        { "collection_name", CREATE_ALIAS },
        { "alias_name", CREATE_ALIAS | DELETE_ALIAS },
        { "old_alias_name", RENAME_ALIAS },
        { "new_alias_name", RENAME_ALIAS },
    };
    struct span name;
    json value;
    int rc = only_member(b, v, &name, &value);
    if (rc < 0)
        return rc;
    if (span_eq(name, SPAN("create_alias"))) {
        rc = GW_API_MEMBERS(b, value, known, CREATE_ALIAS);
        if (rc == 0)
            rc = alias_name(b, value, "collection_name", false);
        return rc == 0 ? alias_name(b, value, "alias_name", true) : rc;
    }
    if (span_eq(name, SPAN("delete_alias"))) {
        rc = GW_API_MEMBERS(b, value, known, DELETE_ALIAS);
        return rc == 0 ? alias_name(b, value, "alias_name", false) : rc;
    }
    if (span_eq(name, SPAN("rename_alias"))) {
        rc = GW_API_MEMBERS(b, value, known, RENAME_ALIAS);
        if (rc == 0)
            rc = alias_name(b, value, "old_alias_name", false);
        return rc == 0 ? alias_name(b, value, "new_alias_name", true) : rc;
    }
    return gw_api_refuse(b, ERR_API_BODY, "an alias operation that is not known", name);
}

int gw_qdrant_aliases(struct gw_api_build *b, json body)
{
    static const struct gw_api_member known[] = { { "actions", 1 } };
    int rc = GW_API_MEMBERS(b, body, known, 1);
    return rc == 0 ? each(b, json_get(body, SPAN("actions")), alias_operation) : rc;
}

// Servers before 1.16 copy another collection's points when told to: that collection is exported.
int gw_qdrant_create(struct gw_api_build *b, json body)
{
    static const struct gw_api_member known[] = {
        { "vectors", 1 },
        { "sparse_vectors", 1 },
        { "shard_number", 1 },
        { "sharding_method", 1 },
        { "replication_factor", 1 },
        { "write_consistency_factor", 1 },
        { "on_disk_payload", 1 },
        { "payload", 1 },
        { "hnsw_config", 1 },
        { "wal_config", 1 },
        { "optimizers_config", 1 },
        { "optimizer_config", 1 },
        { "quantization_config", 1 },
        { "quantization", 1 },
        { "strict_mode_config", 1 },
        { "uuid", 1 },
        { "metadata", 1 },
        { "init_from", 1 },
    };
    static const struct gw_api_member source[] = { { "collection", 1 } };
    int rc = GW_API_MEMBERS(b, body, known, 1);
    json from = json_get(body, SPAN("init_from"));
    if (rc < 0 || !gw_api_given(from))
        return rc;
    struct span name;
    rc = GW_API_MEMBERS(b, from, source, 1);
    if (rc == 0)
        rc = gw_api_body_name(b, json_get(from, SPAN("collection")), &name);
    return rc == 0 ? gw_api_authorise_collection(b, GW_ACTION_EXPORT, name, false) : rc;
}

int gw_qdrant_recover(struct gw_api_build *b, json body)
{
    static const struct gw_api_member known[] = {
        { "location", 1 }, { "priority", 1 }, { "checksum", 1 }, { "api_key", 1 }
    };
    int rc = GW_API_MEMBERS(b, body, known, 1);
    if (rc == 0 && span_is_none(json_string(json_get(body, SPAN("location")))))
        rc = gw_api_refuse(b, ERR_API_BODY, "location is no string", SPAN_NONE);
    return rc == 0 ? gw_api_authorise(b, (struct gw_api_authorisation){ .action = GW_ACTION_OPS }) : rc;
}

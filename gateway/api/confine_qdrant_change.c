// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant under a filter: what changes.
//
// What names points by id gets them as a condition (`has_id`) beside ours. An upsert replaces whatever point has the id: `update_filter` (Qdrant 1.16) lets
// it replace only points that the filter holds for, and insert those that are new. What is written carries the field, and no later change
// gives it another value or takes it away.
#include "gateway/api/confine_qdrant.h"
#include "gateway/api/qdrant.h"

// Ends so many objects and lists, unless what was to be in them was refused and nothing is sent.
static int finish(struct gw_confine *c, unsigned levels, int rc)
{
    while (rc == 0 && levels-- > 0)
        json_w_end(&c->w);
    return rc;
}

// A field inside an object could be written as a whole, in part, or by a path: whether a write leaves it alone is not ours to work out.
static int plain_fields(struct gw_confine *c)
{
    for (size_t i = 0; i < c->n_fields; i++)
        if (span_find(c->fields[i].name, '.') < c->fields[i].name.n)
            return gw_confine_refuse(c, ERR_POLICY_OBLIGATION,
                                     "a write cannot be confined by a field inside an object");
    return 0;
}

// The first key of a path as Qdrant reads it: tenant of tenant.x, tenant[0] and "tenant".x.
static struct span first_key(struct span path)
{
    if (path.n > 0 && path.p[0] == '"') {
        struct span rest = span_sub(path, 1, path.n);
        return span_cut(&rest, '"');
    }
    size_t dot = span_find(path, '.'), bracket = span_find(path, '[');
    return span_sub(path, 0, dot < bracket ? dot : bracket);
}

static int leaves_alone(struct gw_confine *c, json path)
{
    struct span text = json_string(path);
    if (span_is_none(text))
        return gw_confine_refuse(c, ERR_API_BODY, "a key of a payload is no string");
    for (size_t i = 0; i < c->n_fields; i++)
        if (span_eq(c->fields[i].name, first_key(text)))
            return gw_confine_refuse(c, ERR_API_BODY, "a change of a field that the policies confine");
    return 0;
}

// The members of `v` but `without`, and what it is about as a filter. Without points or filter the server does nothing; ours alone would be everything that
// the tenant has.
static int about(struct gw_confine *c, json v, const char *const *without)
{
    json points = json_get(v, SPAN("points")), filter = json_get(v, SPAN("filter"));
    if (!gw_api_given(points) && !gw_api_given(filter))
        return gw_confine_refuse(c, ERR_API_BODY, "a change that names neither points nor a filter");
    gw_confine_copy(c, v, without);
    json_w_key(&c->w, SPAN("filter"));
    gw_confine_qdrant_filter(c, gw_api_given(points) ? points : NULL, filter);
    return 0;
}

int gw_confine_qdrant_select(struct gw_confine *c, json body)
{
    static const char *const without[] = { "points", "filter", NULL };
    json_w_object(&c->w);
    return finish(c, 1, about(c, body, without));
}

int gw_confine_qdrant_delete_payload(struct gw_confine *c, json body)
{
    json keys = json_get(body, SPAN("keys"));
    int rc = plain_fields(c);
    if (rc == 0 && json_type(keys) != JSON_ARRAY)
        rc = gw_confine_refuse(c, ERR_API_BODY, "keys is no list");
    struct json_iter it = json_iter(keys);
    struct span name;
    json key;
    while (rc == 0 && json_next(&it, &name, &key))
        rc = leaves_alone(c, key);
    return rc == 0 ? gw_confine_qdrant_select(c, body) : rc;
}

static int write_payload(struct gw_confine *c, json body, bool whole)
{
    static const char *const without[] = { "points", "filter", "payload", NULL };
    json payload = json_get(body, SPAN("payload")), key = json_get(body, SPAN("key"));
    int rc = plain_fields(c);
    if (rc == 0 && json_type(payload) != JSON_OBJECT)
        rc = gw_confine_refuse(c, ERR_API_BODY, "payload is no object");
    if (rc == 0 && gw_api_given(key))
        rc = whole ? gw_confine_refuse(c, ERR_API_BODY, "a whole payload and a key") : leaves_alone(c, key);
    if (rc != 0)
        return rc;
    json_w_object(&c->w);
    rc = about(c, body, without);
    if (rc != 0)
        return rc;
    json_w_key(&c->w, SPAN("payload"));
    if (gw_api_given(key))
        json_w_value(&c->w, payload);
    else
        rc = whole ? gw_confine_record(c, payload) : gw_confine_fields(c, payload);
    return finish(c, 1, rc);
}

int gw_confine_qdrant_set_payload(struct gw_confine *c, json body)
{
    return write_payload(c, body, false);
}
int gw_confine_qdrant_overwrite_payload(struct gw_confine *c, json body)
{
    return write_payload(c, body, true);
}

static void update_filter(struct gw_confine *c, json body)
{
    json_w_key(&c->w, SPAN("update_filter"));
    gw_confine_qdrant_filter(c, NULL, json_get(body, SPAN("update_filter")));
}

// A vector that is changed says nothing of whose the point is, so that the field need not be a plain one.
int gw_confine_qdrant_update_vectors(struct gw_confine *c, json body)
{
    static const char *const without[] = { "update_filter", NULL };
    json filter = json_get(body, SPAN("update_filter"));
    if (gw_api_given(filter) && json_type(filter) != JSON_OBJECT)
        return gw_confine_refuse(c, ERR_API_BODY, "update_filter is no object");
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    update_filter(c, body);
    json_w_end(&c->w);
    return 0;
}

// Each point is an object; the server would take the list of its members as well, in which the payload has no name.
static int point_list(struct gw_confine *c, json points)
{
    static const char *const without[] = { "payload", NULL };
    struct json_iter it = json_iter(points);
    struct span name;
    json point;
    int rc = 0;
    json_w_array(&c->w);
    while (rc == 0 && json_next(&it, &name, &point)) {
        if (json_type(point) != JSON_OBJECT)
            return gw_confine_refuse(c, ERR_API_BODY, "a point is no object");
        json_w_object(&c->w);
        gw_confine_copy(c, point, without);
        json_w_key(&c->w, SPAN("payload"));
        rc = finish(c, 1, gw_confine_record(c, json_get(point, SPAN("payload"))));
    }
    return finish(c, 1, rc);
}

// Columns: `payloads` has an entry for each id, or is absent.
static int point_columns(struct gw_confine *c, json batch)
{
    static const char *const without[] = { "payloads", NULL };
    json ids = json_get(batch, SPAN("ids")), payloads = json_get(batch, SPAN("payloads"));
    size_t n = json_count(ids);
    if (json_type(batch) != JSON_OBJECT || json_type(ids) != JSON_ARRAY)
        return gw_confine_refuse(c, ERR_API_BODY, "batch is no object with a list of ids");
    if (gw_api_given(payloads) && (json_type(payloads) != JSON_ARRAY || json_count(payloads) != n))
        return gw_confine_refuse(c, ERR_API_BODY, "payloads is no list with one entry for each id");
    struct json_iter it = json_iter(payloads);
    struct span name;
    int rc = 0;
    json_w_object(&c->w);
    gw_confine_copy(c, batch, without);
    json_w_key(&c->w, SPAN("payloads"));
    json_w_array(&c->w);
    for (size_t i = 0; i < n && rc == 0; i++) {
        json payload = NULL;
        (void)json_next(&it, &name, &payload);
        rc = gw_confine_record(c, payload);
    }
    return finish(c, 2, rc);
}

int gw_confine_qdrant_upsert(struct gw_confine *c, json body)
{
    static const char *const without[] = { "points", "batch", "update_filter", NULL };
    json points = json_get(body, SPAN("points")), batch = json_get(body, SPAN("batch"));
    json filter = json_get(body, SPAN("update_filter"));
    int rc = plain_fields(c);
    if (rc == 0 && (points != NULL) == (batch != NULL))
        rc = gw_confine_refuse(c, ERR_API_BODY, "an upsert has either points or a batch");
    if (rc == 0 && points && json_type(points) != JSON_ARRAY)
        rc = gw_confine_refuse(c, ERR_API_BODY, "points is no list");
    if (rc == 0 && gw_api_given(filter) && json_type(filter) != JSON_OBJECT)
        rc = gw_confine_refuse(c, ERR_API_BODY, "update_filter is no object");
    if (rc != 0)
        return rc;
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    update_filter(c, body);
    json_w_key(&c->w, points ? SPAN("points") : SPAN("batch"));
    return finish(c, 1, points ? point_list(c, points) : point_columns(c, batch));
}

// Each by the filters on its own action: the inspector found exactly one known operation in each object.
static int operation(struct gw_confine *c, json v)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    if (json_count(v) != 1 || !json_next(&it, &name, &value))
        return gw_confine_refuse(c, ERR_API_BODY, "an operation is no object with exactly one member");
    const struct gw_qdrant_operation *op = gw_qdrant_operation_named(name);
    if (!op)
        return gw_confine_refuse(c, ERR_API_BODY, "an operation that is not known");
    int rc = gw_confine_action(c, op->action, SPAN_NONE);
    if (rc != 0)
        return rc;
    if (c->n_fields > 0 && !op->rewrite)
        return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, GW_CONFINE_QDRANT_CLEAR);
    json_w_object(&c->w);
    json_w_key(&c->w, name);
    if (c->n_fields > 0)
        rc = op->rewrite(c, value);
    else
        json_w_value(&c->w, value);
    return finish(c, 1, rc);
}

int gw_confine_qdrant_batch(struct gw_confine *c, json body)
{
    struct json_iter it = json_iter(json_get(body, SPAN("operations")));
    struct span name;
    json v;
    int rc = 0;
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("operations"));
    json_w_array(&c->w);
    while (rc == 0 && !c->out.failed && json_next(&it, &name, &v))
        rc = operation(c, v);
    return finish(c, 2, rc);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Qdrant under a filter: what asks. A filter object is itself a condition in Qdrant, so the client's whole filter becomes one member of a `must` beside
// ours, at the top and in every prefetch. What changes is confine_qdrant_change.c.
#include "gateway/api/confine_qdrant.h"
#include "gateway/api/table.h"

static bool is_word(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') || ch == '_' || ch == '-';
}

// A path of plain keys: "tenant", "owner.tenant". Quoted keys and list items are paths to Qdrant, too, but a field whose values are
// items of lists says not of which tenant a point is.
const char *gw_confine_qdrant_field(const struct gw_confine *c, const struct gw_api_filter *f)
{
    struct span field = f->field;
    (void)c;
    for (size_t i = 0; i < field.n; i++)
        if (!is_word(field.p[i]) && (field.p[i] != '.' || i == 0 || i + 1 == field.n || field.p[i - 1] == '.'))
            return "the filter's field is no path of plain keys";
    return field.n > 0 ? NULL : "the filter's field is empty";
}

static void match(struct gw_confine *c, const struct gw_confine_field *field, const struct gw_api_value *v, size_t n)
{
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("key"));
    json_w_string(&c->w, field->name);
    json_w_key(&c->w, SPAN("match"));
    json_w_object(&c->w);
    json_w_key(&c->w, n == 1 ? SPAN("value") : SPAN("any"));
    if (n == 1) {
        gw_confine_value(c, v);
    } else {
        json_w_array(&c->w);
        for (size_t i = 0; i < n; i++)
            gw_confine_value(c, &v[i]);
        json_w_end(&c->w);
    }
    json_w_end(&c->w);
    json_w_end(&c->w);
}

static void condition(struct gw_confine *c, const struct gw_confine_field *field)
{
    if (field->values[0].kind != GW_API_FLAG || field->n == 1) {
        match(c, field, field->values, field->n);
        return;
    }
    // `any` takes no booleans.
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("should"));
    json_w_array(&c->w);
    for (size_t i = 0; i < field->n; i++)
        match(c, field, &field->values[i], 1);
    json_w_end(&c->w);
    json_w_end(&c->w);
}

void gw_confine_qdrant_filter(struct gw_confine *c, json ids, json client)
{
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("must"));
    json_w_array(&c->w);
    for (size_t i = 0; i < c->n_fields; i++)
        condition(c, &c->fields[i]);
    if (ids) {
        json_w_object(&c->w);
        json_w_key(&c->w, SPAN("has_id"));
        json_w_value(&c->w, ids);
        json_w_end(&c->w);
    }
    if (json_count(client) > 0)
        json_w_value(&c->w, client);
    json_w_end(&c->w);
    json_w_end(&c->w);
}

// One query, and the prefetches below it: one object or a list of them, as the inspector found them.
static void ask(struct gw_confine *c, json q)
{
    static const char *const without[] = { "filter", "prefetch", NULL };
    json prefetch = json_get(q, SPAN("prefetch"));
    json_w_object(&c->w);
    gw_confine_copy(c, q, without);
    json_w_key(&c->w, SPAN("filter"));
    gw_confine_qdrant_filter(c, NULL, json_get(q, SPAN("filter")));
    if (json_type(prefetch) == JSON_OBJECT) {
        json_w_key(&c->w, SPAN("prefetch"));
        ask(c, prefetch);
    } else if (gw_api_given(prefetch)) {
        struct json_iter it = json_iter(prefetch);
        struct span name;
        json one;
        json_w_key(&c->w, SPAN("prefetch"));
        json_w_array(&c->w);
        while (!c->out.failed && json_next(&it, &name, &one))
            ask(c, one);
        json_w_end(&c->w);
    }
    json_w_end(&c->w);
}

// A point that is the query is read, whosever it is: the answer's scores measure its vector.
static int no_points(struct gw_confine *c)
{
    return c->meaning->facts.by_id
               ? gw_confine_refuse(
                     c, ERR_POLICY_OBLIGATION,
                     "a point's id stands for its vector, and the point may be another tenant's: send the vector")
               : 0;
}

static int one(struct gw_confine *c, json body)
{
    int rc = no_points(c);
    if (rc == 0)
        ask(c, body);
    return rc;
}

static int batch(struct gw_confine *c, json body)
{
    int rc = no_points(c);
    if (rc != 0)
        return rc;
    struct json_iter it = json_iter(json_get(body, SPAN("searches")));
    struct span name;
    json q;
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("searches"));
    json_w_array(&c->w);
    while (!c->out.failed && json_next(&it, &name, &q))
        ask(c, q);
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

#define C "/collections/{c}"
#define P "/collections/{c}/points"
#define BY_ID "a read by id takes no filter: scroll with has_id"
#define INSIDE "what is inside a collection tells of all tenants: shard keys, counts"

const struct gw_confine_row gw_confine_qdrant[] = {
    { .method = "POST", .path = P "/scroll", .rewrite = one },
    { .method = "POST", .path = P "/count", .rewrite = one },
    { .method = "POST", .path = C "/facet", .rewrite = one },
    { .method = "POST", .path = P "/query", .rewrite = one },
    { .method = "POST", .path = P "/query/batch", .rewrite = batch },
    { .method = "POST", .path = P "/query/groups", .rewrite = one },
    { .method = "POST", .path = P "/search", .rewrite = one },
    { .method = "POST", .path = P "/search/batch", .rewrite = batch },
    { .method = "POST", .path = P "/search/groups", .rewrite = one },
    { .method = "POST", .path = P "/search/matrix/pairs", .rewrite = one },
    { .method = "POST", .path = P "/search/matrix/offsets", .rewrite = one },
    { .method = "POST", .path = P "/recommend", .rewrite = one },
    { .method = "POST", .path = P "/recommend/batch", .rewrite = batch },
    { .method = "POST", .path = P "/recommend/groups", .rewrite = one },
    { .method = "POST", .path = P "/discover", .rewrite = one },
    { .method = "POST", .path = P "/discover/batch", .rewrite = batch },
    { .method = "GET", .path = P "/{x}", .why = BY_ID },
    { .method = "POST", .path = P, .why = BY_ID },

    { .method = "PUT", .path = P, .rewrite = gw_confine_qdrant_upsert },
    { .method = "PUT", .path = P "/vectors", .rewrite = gw_confine_qdrant_update_vectors },
    { .method = "PUT", .path = P "/payload", .rewrite = gw_confine_qdrant_overwrite_payload },
    { .method = "POST", .path = P "/payload", .rewrite = gw_confine_qdrant_set_payload },
    { .method = "POST", .path = P "/batch", .rewrite = gw_confine_qdrant_batch, .operations = true },
    { .method = "POST", .path = P "/delete", .rewrite = gw_confine_qdrant_select },
    { .method = "POST", .path = P "/vectors/delete", .rewrite = gw_confine_qdrant_select },
    { .method = "POST", .path = P "/payload/delete", .rewrite = gw_confine_qdrant_delete_payload },
    { .method = "POST", .path = P "/payload/clear", .why = GW_CONFINE_QDRANT_CLEAR },

    { .method = "GET", .path = C "/cluster", .why = INSIDE },
    { .method = "GET", .path = C "/shards", .why = INSIDE },
    { .method = "GET", .path = C "/optimizations", .why = INSIDE },
    { .method = "GET", .path = C "/memory", .why = INSIDE },
    { .method = NULL },
};

// SPDX-License-Identifier: GPL-3.0-or-later
// Chroma v2 under a filter. `where` is one expression with one member; ours and the client's become the members of an `$and`, and the server joins that to
// `ids` and `where_document` by AND. A metadata key is flat: what looks like a path is a name.
//
// An `add` leaves a record alone that is there already, whosever it is. `update` and `upsert` change the record that has the id and take no
// condition, so another tenant's could be meant: refused.
#include "gateway/api/confine_table.h"
#include "gateway/api/table.h"

const char *gw_confine_chroma_field(const struct gw_confine *c, const struct gw_api_filter *f)
{
    struct span field = f->field;
    (void)c;
    if (field.n == 0 || field.p[0] == '$' || field.p[0] == '#' || span_starts(field, SPAN("chroma:")))
        return "the filter's field cannot be a key of Chroma's metadata";
    return NULL;
}

// {"field":{"$in":[…]}}
static void condition(struct gw_confine *c, const struct gw_confine_field *field)
{
    json_w_object(&c->w);
    json_w_key(&c->w, field->name);
    json_w_object(&c->w);
    json_w_key(&c->w, field->n == 1 ? SPAN("$eq") : SPAN("$in"));
    if (field->n == 1) {
        gw_confine_value(c, field->values);
    } else {
        json_w_array(&c->w);
        for (size_t i = 0; i < field->n; i++)
            gw_confine_value(c, &field->values[i]);
        json_w_end(&c->w);
    }
    json_w_end(&c->w);
    json_w_end(&c->w);
}

static void where(struct gw_confine *c, json client)
{
    if (!gw_api_given(client) && c->n_fields == 1) {
        condition(c, c->fields);
        return;
    }
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("$and"));
    json_w_array(&c->w);
    for (size_t i = 0; i < c->n_fields; i++)
        condition(c, &c->fields[i]);
    if (gw_api_given(client))
        json_w_value(&c->w, client);
    json_w_end(&c->w);
    json_w_end(&c->w);
}

static int ask(struct gw_confine *c, json body)
{
    static const char *const without[] = { "where", NULL };
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("where"));
    where(c, json_get(body, SPAN("where")));
    json_w_end(&c->w);
    return 0;
}

// One that says nothing of what is to go is refused by the server, and ours would make it everything that the tenant has. An empty
// list of ids beside no condition may be taken for none.
static int remove_records(struct gw_confine *c, json body)
{
    if (json_count(json_get(body, SPAN("ids"))) == 0 && !gw_api_given(json_get(body, SPAN("where"))) &&
        !gw_api_given(json_get(body, SPAN("where_document"))))
        return gw_confine_refuse(c, ERR_API_BODY, "a deletion that names neither ids nor a condition");
    return ask(c, body);
}

// Here an empty filter is none to the server, while in an `$and` it would be an error.
static int search(struct gw_confine *c, json body)
{
    static const char *const without[] = { "searches", NULL }, *const no_filter[] = { "filter", NULL };
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("searches"));
    json_w_array(&c->w);
    struct json_iter it = json_iter(json_get(body, SPAN("searches")));
    struct span name;
    json one;
    while (!c->out.failed && json_next(&it, &name, &one)) {
        json filter = json_get(one, SPAN("filter"));
        json_w_object(&c->w);
        gw_confine_copy(c, one, no_filter);
        json_w_key(&c->w, SPAN("filter"));
        where(c, json_count(filter) > 0 ? filter : NULL);
        json_w_end(&c->w);
    }
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

// `metadatas` has an entry for each id; absent, all records are without.
static int add(struct gw_confine *c, json body)
{
    static const char *const without[] = { "metadatas", NULL };
    json metadatas = json_get(body, SPAN("metadatas"));
    size_t n = json_count(json_get(body, SPAN("ids")));
    if (gw_api_given(metadatas) && (json_type(metadatas) != JSON_ARRAY || json_count(metadatas) != n))
        return gw_confine_refuse(c, ERR_API_BODY, "metadatas is no list with one entry for each id");
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("metadatas"));
    json_w_array(&c->w);
    struct json_iter it = json_iter(metadatas);
    struct span name;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        json record = NULL;
        (void)json_next(&it, &name, &record);
        rc = gw_confine_record(c, record);
    }
    if (rc != 0)
        return rc;
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

#define P "/api/v2/tenants/{t}/databases/{d}/collections/{c}"
#define OVERWRITES \
    "Chroma changes the record that has the id, whosever it is, and takes no condition: add, or delete and add"

const struct gw_confine_row gw_confine_chroma[] = {
    { .method = "POST", .path = P "/get", .rewrite = ask },
    { .method = "POST", .path = P "/query", .rewrite = ask },
    { .method = "POST", .path = P "/search", .rewrite = search },
    { .method = "POST", .path = P "/delete", .rewrite = remove_records },
    { .method = "POST", .path = P "/add", .rewrite = add },
    { .method = "POST", .path = P "/update", .why = OVERWRITES },
    { .method = "POST", .path = P "/upsert", .why = OVERWRITES },
    { .method = "GET",
      .path = P "/count",
      .why = "Chroma counts all tenants' records: get with include [] and count the ids" },
    { .method = "GET", .path = P "/indexing_status", .why = "Chroma counts all tenants' operations" },
    { .method = NULL },
};

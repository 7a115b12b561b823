// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus under a filter. A request's own filter is an expression in a string; it goes on, parsed and in parentheses, behind ours and an `and`. Texts
// are never written into it: they are template parameters (`tenant == {sallyport_0}`, Milvus 2.5), which an older server knows nothing of and
// answers with an error. Numbers and booleans stand in it, since the server would read a parameter's number as a double.
//
// Milvus does not look whether a primary key is there already, and deletes by primary key: a deletion by an expression first finds the keys, then deletes
// every record that has one of them. So whoever can choose keys adds a record under another tenant's key, deletes "its own", and both are gone. Deletions
// pass only where an operator says that the server makes the keys; an upsert replaces by key and is refused.
#include "gateway/api/confine_table.h"
#include "gateway/api/milvus_expr.h"
#include "gateway/api/table.h"
#include <stdio.h>

#define RESERVED "sallyport_"

const char *gw_confine_milvus_field(const struct gw_confine *c, const struct gw_api_filter *f)
{
    (void)c;
    return gw_milvus_expr_is_field(f->field) ? NULL
                                             : "the filter's field is no plain name that an expression could have";
}

static bool is_text(const struct gw_confine_field *field)
{
    return field->values[0].kind == GW_API_TEXT;
}

static void literal(struct buf *out, const struct gw_api_value *v)
{
    if (v->kind == GW_API_FLAG)
        buf_append(out, v->flag ? SPAN("true") : SPAN("false"));
    else
        buf_printf(out, "%lld", (long long)v->number);
}

// field == {sallyport_0}, field in {sallyport_0}, field == 7, field in [7, 8]
static void condition(struct gw_confine *c, size_t i, struct buf *out)
{
    const struct gw_confine_field *field = &c->fields[i];
    buf_append(out, field->name);
    buf_append(out, field->n == 1 ? SPAN(" == ") : SPAN(" in "));
    if (is_text(field)) {
        buf_printf(out, "{" RESERVED "%zu}", i);
        return;
    }
    buf_append(out, field->n == 1 ? SPAN("") : SPAN("["));
    for (size_t k = 0; k < field->n; k++) {
        buf_append(out, k > 0 ? SPAN(", ") : SPAN(""));
        literal(out, &field->values[k]);
    }
    buf_append(out, field->n == 1 ? SPAN("") : SPAN("]"));
}

static int filter(struct gw_confine *c, json client)
{
    struct buf ours, theirs;
    buf_init(&ours, 0);
    buf_init(&theirs, 0);
    for (size_t i = 0; i < c->n_fields; i++) {
        buf_append(&ours, i > 0 ? SPAN(" and ") : SPAN(""));
        condition(c, i, &ours);
    }
    const char *problem = NULL;
    struct span text = json_string(client);
    int rc = span_is_none(text) ? 0 : gw_milvus_expr_read(text, SPAN(RESERVED), &theirs, &problem);
    if (problem)
        gw_confine_refuse(c, rc, problem);
    if (rc == 0 && buf_len(&theirs) > 0) {
        buf_append(&ours, SPAN(" and ( "));
        buf_append(&ours, buf_span(&theirs));
        buf_byte(&ours, ')');
    }
    if (rc == 0 && ours.failed)
        rc = ERR_NOMEM;
    if (rc == 0) {
        json_w_key(&c->w, SPAN("filter"));
        json_w_string(&c->w, buf_span(&ours));
    }
    buf_fini(&ours);
    buf_fini(&theirs);
    return rc;
}

static void parameter(struct gw_confine *c, size_t i)
{
    char name[40];
    int n = snprintf(name, sizeof(name), RESERVED "%zu", i);
    const struct gw_confine_field *field = &c->fields[i];
    json_w_key(&c->w, span_of(name, (size_t)n));
    if (field->n == 1) {
        gw_confine_value(c, field->values);
        return;
    }
    json_w_array(&c->w);
    for (size_t k = 0; k < field->n; k++)
        gw_confine_value(c, &field->values[k]);
    json_w_end(&c->w);
}

static int parameters(struct gw_confine *c, json client)
{
    struct json_iter it = json_iter(client);
    struct span name;
    json v;
    if (gw_api_given(client) && json_type(client) != JSON_OBJECT)
        return gw_confine_refuse(c, ERR_API_BODY, "exprParams is no object");
    json_w_key(&c->w, SPAN("exprParams"));
    json_w_object(&c->w);
    while (json_next(&it, &name, &v)) {
        if (span_starts(name, SPAN(RESERVED)))
            return gw_confine_refuse(c, ERR_API_BODY, "exprParams has a name that is the gateway's");
        json_w_key(&c->w, name);
        json_w_value(&c->w, v);
    }
    for (size_t i = 0; i < c->n_fields; i++)
        if (is_text(&c->fields[i]))
            parameter(c, i);
    json_w_end(&c->w);
    return 0;
}

static int ask(struct gw_confine *c, json body)
{
    static const char *const without[] = { "filter", "exprParams", NULL };
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    int rc = filter(c, json_get(body, SPAN("filter")));
    if (rc == 0)
        rc = parameters(c, json_get(body, SPAN("exprParams")));
    if (rc == 0)
        json_w_end(&c->w);
    return rc;
}

static int hybrid(struct gw_confine *c, json body)
{
    static const char *const without[] = { "search", NULL };
    struct json_iter it = json_iter(json_get(body, SPAN("search")));
    struct span name;
    json one;
    int rc = 0;
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("search"));
    json_w_array(&c->w);
    while (rc == 0 && !c->out.failed && json_next(&it, &name, &one))
        rc = ask(c, one);
    if (rc != 0)
        return rc;
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

// A deletion that says nothing of what is to go is refused by the server, and ours would make it everything that the tenant has.
static int remove_entities(struct gw_confine *c, json body)
{
    struct span text = json_string(json_get(body, SPAN("filter")));
    if (!(c->request->assured & GW_API_ASSIGNED_IDS))
        return gw_confine_refuse(
            c, ERR_POLICY_OBLIGATION,
            "Milvus deletes whatever has the primary key, whosever it is, and clients may choose keys: "
            "an operator has to assure that they do not (assures: assigned_ids)");
    while (text.n > 0 && (unsigned char)text.p[0] <= ' ')
        text = span_sub(text, 1, text.n);
    return text.n > 0 ? ask(c, body) : gw_confine_refuse(c, ERR_API_BODY, "a deletion without a condition");
}

// A member whose name begins with '$' is no field: `$meta` would set all fields that the schema does not have, ours perhaps.
static int entity(struct gw_confine *c, json v)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    if (json_type(v) != JSON_OBJECT)
        return gw_confine_refuse(c, ERR_API_BODY, "an entity is no object");
    while (json_next(&it, &name, &value))
        if (span_starts(name, SPAN("$")))
            return gw_confine_refuse(c, ERR_API_BODY, "an entity has a member that is no field");
    return gw_confine_record(c, v);
}

static int insert(struct gw_confine *c, json body)
{
    static const char *const without[] = { "data", NULL };
    struct json_iter it = json_iter(json_get(body, SPAN("data")));
    struct span name;
    json v;
    int rc = 0;
    if (gw_api_given(json_get(body, SPAN("partialUpdate"))) || gw_api_given(json_get(body, SPAN("fieldOps"))))
        return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, "an insert that changes what is there");
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("data"));
    json_w_array(&c->w);
    while (rc == 0 && !c->out.failed && json_next(&it, &name, &v))
        rc = entity(c, v);
    if (rc != 0)
        return rc;
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

#define V "/v2/vectordb"
#define INSIDE "what is inside a collection tells of all tenants: partitions, imports"
#define COUNTS "Milvus counts all tenants' records: query with outputFields [\"count(*)\"]"

const struct gw_confine_row gw_confine_milvus[] = {
    { .method = "POST", .path = V "/entities/query", .rewrite = ask },
    { .method = "POST", .path = V "/entities/search", .rewrite = ask },
    { .method = "POST", .path = V "/entities/hybrid_search", .rewrite = hybrid },
    { .method = "POST", .path = V "/entities/advanced_search", .rewrite = hybrid },
    { .method = "POST",
      .path = V "/entities/get",
      .why = "a read by id takes no filter, and only the schema knows the key's name: query with `key in [...]`" },
    { .method = "POST", .path = V "/entities/insert", .rewrite = insert },
    { .method = "POST",
      .path = V "/entities/upsert",
      .why = "Milvus replaces the record that has the primary key, whosever it is: insert" },
    { .method = "POST", .path = V "/entities/delete", .rewrite = remove_entities },
    { .method = "POST",
      .path = V "/jobs/import/create",
      .why = "the records are in files, which the gateway does not see" },
    { .method = "POST", .path = V "/collections/get_stats", .why = COUNTS },
    { .method = "POST", .path = V "/partitions/list", .why = INSIDE },
    { .method = "POST", .path = V "/partitions/has", .why = INSIDE },
    { .method = "POST", .path = V "/partitions/get_stats", .why = INSIDE },
    { .method = "POST", .path = V "/jobs/import/list", .why = INSIDE },
    { .method = NULL },
};

// SPDX-License-Identifier: GPL-3.0-or-later
// Weaviate under a filter. Its own tenants (the field "$tenant") need nothing written: confine.c compares what the request names. Everything here is for tenants
// that share a class and are told apart by a property.
//
// A `where` is one condition; ours and the client's become the operands of an And. An object that is named by its id is read, replaced, merged and deleted
// whosever it is; only creating one alone fails when its id is there, so a batch of objects may not name ids.
//
// A text property is compared by its words unless it is tokenised as a `field`: "acme" is then equal to "acme-eu". So texts pass only where an
// operator says that they are compared as a whole; even then the server leaves out white space around them. Integers go through a double.
#include "gateway/api/confine_table.h"
#include "gateway/api/graphql.h"
#include "gateway/api/table.h"

#define EXACT_INTEGER (INT64_C(1) << 53)

// What the server takes for white space, at either end.
static bool is_trimmed(struct span s)
{
    static const char *const spaces[] = { "\xc2\x85", "\xc2\xa0", "\xe1\x9a\x80", "\xe2\x81\x9f", "\xe3\x80\x80" };
    if (s.n == 0 || (unsigned char)s.p[0] <= ' ' || (unsigned char)s.p[s.n - 1] <= ' ')
        return false;
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
        if (span_starts(s, span_str(spaces[i])) || span_ends(s, span_str(spaces[i])))
            return false;
    // U+2000 to U+203F: spaces among other punctuation.
    struct span last = span_sub(s, s.n >= 3 ? s.n - 3 : 0, s.n);
    return !span_starts(s, SPAN("\xe2\x80")) && !span_starts(last, SPAN("\xe2\x80"));
}

static const char *value_problem(const struct gw_confine *c, const struct gw_api_value *v)
{
    if (v->kind == GW_API_NUMBER && (v->number > EXACT_INTEGER || v->number < -EXACT_INTEGER))
        return "the filter's value is a number that Weaviate would round";
    if (v->kind != GW_API_TEXT)
        return NULL;
    if (!(c->request->assured & GW_API_EXACT_TEXT))
        return "Weaviate compares texts by their words: an operator has to assure that the property is tokenised as a "
               "field "
               "(assures: exact_text)";
    return is_trimmed(v->text) ? NULL
                               : "the filter's value is empty, or has white space at an end, which Weaviate leaves out";
}

// The server writes the first letter of a property small.
const char *gw_confine_weaviate_field(const struct gw_confine *c, const struct gw_api_filter *f)
{
    struct span name = f->field;
    const char *problem = NULL;
    if (!gw_graphql_is_class(name) || name.p[0] < 'a' || name.p[0] > 'z' || span_eq(name, SPAN("id")))
        return "the filter's field cannot be a property of Weaviate's, which begins with a small letter";
    for (size_t i = 0; i < f->n_values && !problem; i++)
        problem = value_problem(c, &f->values[i]);
    return problem;
}

static struct span value_name(const struct gw_api_value *v)
{
    switch (v->kind) {
    case GW_API_TEXT: return SPAN("valueText");
    case GW_API_NUMBER: return SPAN("valueInt");
    case GW_API_FLAG: return SPAN("valueBoolean");
    }
    return SPAN_NONE;
}

// -------------------------------------------------------------------------------------------------------------- GraphQL

// A string of JSON's is one of GraphQL's.
static void graphql_value(struct buf *out, const struct gw_api_value *v)
{
    struct json_writer w = json_writer(out);
    switch (v->kind) {
    case GW_API_TEXT: json_w_string(&w, v->text); break;
    case GW_API_NUMBER: json_w_int(&w, v->number); break;
    case GW_API_FLAG: json_w_bool(&w, v->flag); break;
    }
}

static void graphql_equal(struct buf *out, struct span field, const struct gw_api_value *v)
{
    buf_append(out, SPAN("{ path : [ \""));
    buf_append(out, field);
    buf_append(out, SPAN("\" ] operator : Equal "));
    buf_append(out, value_name(v));
    buf_append(out, SPAN(" : "));
    graphql_value(out, v);
    buf_append(out, SPAN(" }"));
}

static void graphql_condition(struct buf *out, const struct gw_confine_field *field)
{
    if (field->n > 1)
        buf_append(out, SPAN("{ operator : Or operands : [ "));
    for (size_t i = 0; i < field->n; i++) {
        if (i > 0)
            buf_byte(out, ' ');
        graphql_equal(out, field->name, &field->values[i]);
    }
    if (field->n > 1)
        buf_append(out, SPAN(" ] }"));
}

static struct span canonical(struct gw_confine *c, struct span class)
{
    struct span copy = arena_dup(c->arena, class);
    if (!span_is_none(copy) && copy.p[0] >= 'a' && copy.p[0] <= 'z')
        ((char *)(uintptr_t)copy.p)[0] = (char)(copy.p[0] - 'a' + 'A');
    return copy;
}

static int on_where(void *ctx, struct span class, struct gw_graphql_condition *condition)
{
    struct gw_confine *c = ctx;
    struct gw_confine_known *known;
    struct span name = canonical(c, class);
    int rc = span_is_none(name) ? ERR_NOMEM : gw_confine_collection(c, GW_ACTION_SEARCH, name, &known);
    if (rc != 0 || c->n_fields == 0)
        return rc;
    if (span_is_none(known->text)) {
        struct buf out;
        buf_init(&out, 0);
        for (size_t i = 0; i < c->n_fields; i++) {
            if (i > 0)
                buf_byte(&out, ' ');
            graphql_condition(&out, &c->fields[i]);
        }
        known->text = out.failed ? SPAN_NONE : arena_dup(c->arena, buf_span(&out));
        buf_fini(&out);
    }
    *condition = (struct gw_graphql_condition){ known->text, c->n_fields };
    return span_is_none(known->text) ? ERR_NOMEM : 0;
}

static int one_query(struct gw_confine *c, json body)
{
    struct buf out;
    const char *problem = NULL;
    buf_init(&out, c->out.limit);
    int rc = gw_graphql_confine(json_string(json_get(body, SPAN("query"))), on_where, c, &out, &problem);
    if (problem)
        rc = gw_confine_refuse(c, rc, problem);
    if (rc == ERR_NOMEM && out.failed) {
        c->out.failed = true; // too long
        rc = 0;
    }
    if (rc == 0) {
        json_w_object(&c->w);
        json_w_key(&c->w, SPAN("query"));
        json_w_string(&c->w, buf_span(&out));
        json_w_end(&c->w);
    }
    buf_fini(&out);
    return rc;
}

// An object that is the query is read, whosever it is: the answer's distances measure its vector.
static int graphql(struct gw_confine *c, json body)
{
    struct json_iter it = json_iter(body);
    struct span name;
    json v;
    int rc = 0;
    if (c->meaning->facts.by_id)
        return gw_confine_refuse(
            c, ERR_POLICY_OBLIGATION,
            "an object's id stands for its vector, and the object may be another tenant's: send the vector");
    if (json_type(body) != JSON_ARRAY)
        return one_query(c, body);
    json_w_array(&c->w);
    while (rc == 0 && !c->out.failed && json_next(&it, &name, &v))
        rc = one_query(c, v);
    if (rc == 0)
        json_w_end(&c->w);
    return rc;
}

// -------------------------------------------------------------------------------------------------------------- objects

// "Tenant" is `tenant` to the server, as is whatever else it may write small.
static bool could_be(struct span name, struct span field)
{
    bool folded = name.n >= field.n && (unsigned char)name.p[0] >= 0x80 && span_ends(name, span_sub(field, 1, field.n));
    return folded || (span_ieq(name, field) && !span_eq(name, field));
}

static int properties(struct gw_confine *c, json v)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    while (json_type(v) == JSON_OBJECT && json_next(&it, &name, &value))
        for (size_t i = 0; i < c->n_fields; i++)
            if (could_be(name, c->fields[i].name))
                return gw_confine_refuse(c, ERR_API_BODY,
                                         "an object has a case variant of a field that the policies confine");
    return gw_confine_record(c, v);
}

static int one_object(struct gw_confine *c, json v)
{
    static const char *const without[] = { "properties", NULL };
    struct span class = canonical(c, json_string(json_get(v, SPAN("class"))));
    int rc = span_is_none(class) ? ERR_NOMEM : gw_confine_action(c, GW_ACTION_WRITE, class);
    if (rc != 0)
        return rc;
    if (c->n_fields == 0) {
        json_w_value(&c->w, v);
        return 0;
    }
    json_w_object(&c->w);
    gw_confine_copy(c, v, without);
    json_w_key(&c->w, SPAN("properties"));
    rc = properties(c, json_get(v, SPAN("properties")));
    if (rc == 0)
        json_w_end(&c->w);
    return rc;
}

static int many_objects(struct gw_confine *c, json body)
{
    static const char *const without[] = { "objects", NULL };
    struct json_iter it = json_iter(json_get(body, SPAN("objects")));
    struct span name;
    json v;
    int rc = 0;
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("objects"));
    json_w_array(&c->w);
    while (rc == 0 && !c->out.failed && json_next(&it, &name, &v)) {
        rc = one_object(c, v);
        if (rc == 0 && c->n_fields > 0 && gw_api_given(json_get(v, SPAN("id"))))
            rc = gw_confine_refuse(
                c, ERR_POLICY_OBLIGATION,
                "a batch replaces the object that has the id, whosever it is: leave ids out, or create one at a time");
    }
    if (rc != 0)
        return rc;
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

static void json_equal(struct gw_confine *c, struct span field, const struct gw_api_value *v)
{
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("path"));
    json_w_array(&c->w);
    json_w_string(&c->w, field);
    json_w_end(&c->w);
    json_w_key(&c->w, SPAN("operator"));
    json_w_string(&c->w, SPAN("Equal"));
    json_w_key(&c->w, value_name(v));
    gw_confine_value(c, v);
    json_w_end(&c->w);
}

static void operands_of(struct gw_confine *c, struct span operator)
{
    json_w_object(&c->w);
    json_w_key(&c->w, SPAN("operator"));
    json_w_string(&c->w, operator);
    json_w_key(&c->w, SPAN("operands"));
    json_w_array(&c->w);
}

static void end_operands(struct gw_confine *c)
{
    json_w_end(&c->w);
    json_w_end(&c->w);
}

static void where(struct gw_confine *c, json client)
{
    operands_of(c, SPAN("And"));
    for (size_t i = 0; i < c->n_fields; i++) {
        const struct gw_confine_field *field = &c->fields[i];
        if (field->n > 1)
            operands_of(c, SPAN("Or"));
        for (size_t k = 0; k < field->n; k++)
            json_equal(c, field->name, &field->values[k]);
        if (field->n > 1)
            end_operands(c);
    }
    json_w_value(&c->w, client);
    end_operands(c);
}

static int remove_objects(struct gw_confine *c, json body)
{
    static const char *const without[] = { "match", NULL }, *const no_where[] = { "where", NULL };
    json match = json_get(body, SPAN("match")), client = json_get(match, SPAN("where"));
    if (json_type(client) != JSON_OBJECT || json_count(client) == 0)
        return gw_confine_refuse(c, ERR_API_BODY, "a deletion without a condition");
    json_w_object(&c->w);
    gw_confine_copy(c, body, without);
    json_w_key(&c->w, SPAN("match"));
    json_w_object(&c->w);
    gw_confine_copy(c, match, no_where);
    json_w_key(&c->w, SPAN("where"));
    where(c, client);
    json_w_end(&c->w);
    json_w_end(&c->w);
    return 0;
}

#define O "/v1/objects"
#define S "/v1/schema/{c}"
#define BY_ID \
    "an object is read and changed by its id, whosever it is, and no filter goes with it: Get with a where on id"
#define INSIDE "what is inside a collection tells of all tenants: shards, tenants"

const struct gw_confine_row gw_confine_weaviate[] = {
    { .method = "POST", .path = "/v1/graphql", .rewrite = graphql, .several = true },
    { .method = "POST", .path = "/v1/graphql/batch", .rewrite = graphql, .several = true },
    { .method = "POST", .path = O, .rewrite = one_object },
    { .method = "POST", .path = "/v1/batch/objects", .rewrite = many_objects, .several = true },
    { .method = "DELETE", .path = "/v1/batch/objects", .rewrite = remove_objects },
    { .method = "GET", .path = O, .why = "a list of objects takes no filter: Get with a where" },
    { .method = "GET", .path = O "/{c}/{x}", .why = BY_ID },
    { .method = "HEAD", .path = O "/{c}/{x}", .why = BY_ID },
    { .method = "PUT", .path = O "/{c}/{x}", .why = BY_ID },
    { .method = "PATCH", .path = O "/{c}/{x}", .why = BY_ID },
    { .method = "DELETE", .path = O "/{c}/{x}", .why = BY_ID },
    { .method = "POST", .path = O "/{c}/{x}/references/{x}", .why = BY_ID },
    { .method = "PUT", .path = O "/{c}/{x}/references/{x}", .why = BY_ID },
    { .method = "DELETE", .path = O "/{c}/{x}/references/{x}", .why = BY_ID },
    { .method = "POST", .path = "/v1/batch/references", .why = BY_ID, .several = true },
    { .method = "GET", .path = S "/shards", .why = INSIDE },
    { .method = "GET", .path = S "/tenants", .why = INSIDE },
    { .method = "GET", .path = S "/tenants/{t}", .why = INSIDE },
    { .method = "HEAD", .path = S "/tenants/{t}", .why = INSIDE },
    { .method = NULL },
};

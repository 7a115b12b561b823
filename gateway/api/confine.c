// SPDX-License-Identifier: GPL-3.0-or-later
// What is common to all databases: which filters hold for what, and what a record must carry.
#include "gateway/api/confine_table.h"
#include "gateway/api/table.h"

// A database is asked for no more values of one field.
#define VALUES_MAX 4096
// A filter in each of many small queries makes much of little: so much longer than twice its length a body may become.
#define GROWTH_MAX (4u << 20)

int gw_confine_refuse(struct gw_confine *c, int error, const char *problem)
{
    c->problem = problem;
    return error;
}

static bool same_value(const struct gw_api_value *a, const struct gw_api_value *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case GW_API_TEXT: return span_eq(a->text, b->text);
    case GW_API_NUMBER: return a->number == b->number;
    case GW_API_FLAG: return a->flag == b->flag;
    }
    return false;
}

static bool has_value(const struct gw_api_value *values, size_t n, const struct gw_api_value *v)
{
    for (size_t i = 0; i < n; i++)
        if (same_value(&values[i], v))
            return true;
    return false;
}

// A second filter on the field takes away.
static int add_filter(struct gw_confine *c, const struct gw_api_filter *f)
{
    struct gw_confine_field *field = c->fields;
    while (field < c->fields + c->n_fields && !span_eq(field->name, f->field))
        field++;
    size_t n = 0;
    if (field < c->fields + c->n_fields) {
        for (size_t i = 0; i < field->n; i++)
            if (has_value(f->values, f->n_values, &field->values[i]))
                field->values[n++] = field->values[i];
    } else {
        field->name = f->field;
        field->values = arena_array(c->arena, f->n_values + 1, sizeof *field->values);
        if (!field->values)
            return ERR_NOMEM;
        for (; n < f->n_values; n++)
            field->values[n] = f->values[n];
        c->n_fields++;
    }
    field->n = n;
    return n > 0 ? 0
                 : gw_confine_refuse(c, ERR_POLICY_OBLIGATION,
                                     "the policies' filters leave no value: there is nothing to be seen");
}

int gw_confine_action(struct gw_confine *c, enum gw_action action)
{
    c->n_fields = c->of[action].n;
    c->fields = c->of[action].fields;
    if (c->fields)
        return 0;
    c->fields = arena_array(c->arena, c->n_filters, sizeof *c->fields);
    int rc = c->fields ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < c->n_filters && rc == 0; i++)
        if (c->meaning->authorisations[c->filters[i].authorisation].action == action)
            rc = add_filter(c, &c->filters[i]);
    if (rc == 0) {
        c->of[action].fields = c->fields;
        c->of[action].n = c->n_fields;
    }
    return rc;
}

void gw_confine_value(struct gw_confine *c, const struct gw_api_value *v)
{
    switch (v->kind) {
    case GW_API_TEXT: json_w_string(&c->w, v->text); break;
    case GW_API_NUMBER: json_w_int(&c->w, v->number); break;
    case GW_API_FLAG: json_w_bool(&c->w, v->flag); break;
    }
}

void gw_confine_copy(struct gw_confine *c, json v, const char *const *without)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    while (json_next(&it, &name, &value)) {
        size_t i = 0;
        while (without[i] && !span_eq(span_str(without[i]), name))
            i++;
        if (without[i])
            continue;
        json_w_key(&c->w, name);
        json_w_value(&c->w, value);
    }
}

// The one of the field's values that `v` is, type and all; NULL when it is another.
static const struct gw_api_value *which(const struct gw_confine_field *field, json v)
{
    struct gw_api_value value = { .kind = GW_API_TEXT, .text = json_string(v) };
    if (json_bool(v, &value.flag))
        value.kind = GW_API_FLAG;
    else if (json_i64(v, &value.number))
        value.kind = GW_API_NUMBER;
    else if (span_is_none(value.text))
        return NULL;
    for (size_t i = 0; i < field->n; i++)
        if (same_value(&field->values[i], &value))
            return &field->values[i];
    return NULL;
}

static bool is_field(const struct gw_confine *c, struct span name)
{
    for (size_t i = 0; i < c->n_fields; i++)
        if (span_eq(c->fields[i].name, name))
            return true;
    return false;
}

static int record(struct gw_confine *c, json v, bool whole)
{
    if (gw_api_given(v) && json_type(v) != JSON_OBJECT)
        return gw_confine_refuse(c, ERR_API_BODY, "a record's fields are no object");
    json_w_object(&c->w);
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    while (json_next(&it, &name, &value)) {
        if (is_field(c, name))
            continue;
        json_w_key(&c->w, name);
        json_w_value(&c->w, value);
    }
    for (size_t i = 0; i < c->n_fields; i++) {
        const struct gw_confine_field *field = &c->fields[i];
        json given = json_get(v, field->name);
        if (!given && !whole)
            continue;
        const struct gw_api_value *its = given ? which(field, given) : field->n == 1 ? field->values : NULL;
        if (!its)
            return gw_confine_refuse(c, ERR_API_BODY,
                                     given
                                         ? "a record has another value in a field that the policies confine"
                                         : "a record lacks a field that the policies confine to one of several values");
        json_w_key(&c->w, field->name);
        gw_confine_value(c, its);
    }
    json_w_end(&c->w);
    return 0;
}

int gw_confine_record(struct gw_confine *c, json v)
{
    return record(c, v, true);
}
int gw_confine_fields(struct gw_confine *c, json v)
{
    return record(c, v, false);
}

static const struct gw_confine_row *find_row(const struct gw_confine_row *rows, const struct gw_confine *c)
{
    for (; rows->method; rows++)
        if (span_eq(span_str(rows->path), c->meaning->operation) && span_eq(span_str(rows->method), c->request->method))
            return rows;
    return NULL;
}

// Which filters there are anything to do for. A list shows what may be listed, whatever is in it, and `meta` shows no record, unless a row says otherwise.
static int concerns(struct gw_confine *c, const struct gw_confine_row *row, bool *any)
{
    *any = false;
    for (size_t i = 0; i < c->n_filters; i++) {
        size_t which_one = c->filters[i].authorisation;
        switch (c->meaning->authorisations[which_one].action) {
        case GW_ACTION_META:
        case GW_ACTION_LIST:
            if (row && row->why)
                return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, row->why);
            break;
        case GW_ACTION_SEARCH:
        case GW_ACTION_READ:
        case GW_ACTION_WRITE:
        case GW_ACTION_DELETE:
            if (!row || !row->rewrite)
                return gw_confine_refuse(c, ERR_POLICY_OBLIGATION,
                                         row && row->why ? row->why : "no filter can be put into this request");
            if (which_one != 0 && !row->operations)
                return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, "a second collection cannot be confined");
            *any = true;
            break;
        default:
            return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, "what concerns a whole collection cannot be confined");
        }
    }
    return 0;
}

static int rewrite(struct gw_confine *c, const struct gw_confine_row *row, struct span body, struct span *out)
{
    const struct json_limits limits = { .bytes = body.n + 1, .depth = 64, .raw_numbers = true };
    struct json_doc *doc = json_parse(body, &limits, NULL);
    if (!doc)
        return ERR_NOMEM; // it was written by us
    buf_init(&c->out, 2 * body.n + GROWTH_MAX);
    // Most of the body stays, and growing would copy it.
    int rc = buf_reserve(&c->out, body.n + 512) ? 0 : ERR_NOMEM;
    c->w = json_writer(&c->out);
    if (rc == 0)
        rc = row->rewrite(c, json_root(doc));
    if (rc == 0 && c->out.failed)
        rc = gw_confine_refuse(c, ERR_HTTP_BODY_SIZE,
                               "with the policies' filters in all their places the body is too long");
    if (rc == 0) {
        struct span text = arena_dup(c->arena, buf_span(&c->out));
        if (span_is_none(text))
            rc = ERR_NOMEM;
        else
            *out = text;
    }
    buf_fini(&c->out);
    json_free(doc);
    return rc;
}

// What was inspected is re-serialised already. A write may have been let through unread: it is read now.
static int read_body(const struct gw_api *api, const struct gw_api_request *request, struct arena *arena,
                     const struct gw_api_meaning *meaning, struct span *body, struct span *why)
{
    *body = meaning->body;
    if (!span_is_none(*body))
        return 0;
    struct gw_api_request all = *request;
    struct gw_api_meaning read;
    all.inspect_writes = true;
    int rc = gw_api_match(api, &all, arena, &read, why);
    if (rc == 0)
        *body = read.body;
    return rc;
}

static const struct {
    const char *api;
    const struct gw_confine_row *rows;
    const char *(*field)(struct span field); // of those that are rewritten
} databases[] = {
    { "qdrant", gw_confine_qdrant, gw_confine_qdrant_field },
    { "chroma", gw_confine_chroma, gw_confine_chroma_field },
    { "milvus", gw_confine_milvus, NULL },
    { "weaviate", gw_confine_weaviate, NULL },
};

static int confine(struct gw_confine *c, const struct gw_api *api, struct span *body, struct span *why)
{
    size_t k = 0, n = sizeof databases / sizeof *databases;
    bool any;
    while (k < n && !span_eq(span_str(databases[k].api), c->meaning->api))
        k++;
    const struct gw_confine_row *row = k < n ? find_row(databases[k].rows, c) : NULL;
    int rc = concerns(c, row, &any);
    if (rc != 0 || !any)
        return rc;
    for (size_t i = 0; i < c->n_filters; i++) {
        const char *problem = databases[k].field(c->filters[i].field);
        if (!problem && c->filters[i].n_values > VALUES_MAX)
            problem = "a filter has more values than a database is asked for";
        if (problem)
            return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, problem);
    }
    struct span sent;
    rc = gw_confine_action(c, c->meaning->authorisations[0].action);
    if (rc == 0)
        rc = read_body(api, c->request, c->arena, c->meaning, &sent, why);
    if (rc != 0)
        return rc;
    if (span_is_none(sent))
        return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, "no filter can be put into a request without a body");
    return rewrite(c, row, sent, body);
}

int gw_api_confine(const struct gw_api *api, const struct gw_api_request *request, const struct gw_api_filter *filters,
                   size_t n, struct arena *arena, struct gw_api_meaning *meaning, struct span *why)
{
    struct gw_confine c = {
        .request = request, .meaning = meaning, .filters = filters, .n_filters = n, .arena = arena
    };
    struct span body = SPAN_NONE;
    if (n == 0)
        return 0;
    int rc = confine(&c, api, &body, why);
    if (rc == 0 && !span_is_none(body))
        meaning->body = body;
    if (rc < 0 && why && c.problem)
        *why = arena_dup(arena, span_str(c.problem));
    return rc;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// What is common to all databases: which filters hold for what, and what a record must carry.
#include "gateway/api/confine_table.h"
#include "gateway/api/table.h"

// A database is asked for no more values of one field.
#define VALUES_MAX 4096
// A filter in each of many small queries makes much of little: so much longer than twice its length a body may become.
#define GROWTH_MAX (4u << 20)

static const struct gw_confine_row no_rows[] = { { .method = NULL } };

static const struct database {
    struct span api;
    const struct gw_confine_row *rows;
    const char *(*field)(const struct gw_confine *c, const struct gw_api_filter *f);
    struct span
        tenant; // the field that stands for the API's own tenants; SPAN_NONE: it has none that a filter could mean
} databases[] = {
    { { "qdrant", 6 }, gw_confine_qdrant, gw_confine_qdrant_field, { NULL, 0 } },
    { { "chroma", 6 }, gw_confine_chroma, gw_confine_chroma_field, { NULL, 0 } },
    { { "milvus", 6 }, gw_confine_milvus, gw_confine_milvus_field, { NULL, 0 } },
    { { "weaviate", 8 }, gw_confine_weaviate, gw_confine_weaviate_field, { "$tenant", 7 } },
    { { NULL, 0 }, no_rows, NULL, { NULL, 0 } }, // any other: its records cannot be confined
};

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

// Collections are those of authorisations, or none.
#define KNOWN_MAX (GW_API_AUTHORISATIONS_MAX + GW_ACTION_COUNT)

static struct gw_confine_known *find_known(struct gw_confine *c, enum gw_action action, struct span collection)
{
    for (size_t i = 0; i < c->n_known; i++)
        if (c->known[i].action == action && span_eq(c->known[i].collection, collection))
            return &c->known[i];
    return NULL;
}

static int work_out(struct gw_confine *c, enum gw_action action, struct span collection)
{
    c->n_fields = 0;
    c->fields = arena_array(c->arena, c->n_filters + 1, sizeof *c->fields);
    if (!c->known)
        c->known = arena_array(c->arena, KNOWN_MAX, sizeof *c->known);
    int rc = c->fields && c->known ? 0 : ERR_NOMEM;
    for (size_t i = 0; i < c->n_filters && rc == 0; i++) {
        const struct gw_api_authorisation *a = &c->meaning->authorisations[c->filters[i].authorisation];
        if (a->action == action && (span_is_none(collection) || span_eq(collection, a->collection)))
            rc = add_filter(c, &c->filters[i]);
    }
    if (rc == 0 && c->n_known == KNOWN_MAX)
        rc = gw_confine_refuse(c, ERR_API_BODY, "too many collections at once");
    if (rc == 0)
        c->known[c->n_known++] = (struct gw_confine_known){ action, collection, c->fields, c->n_fields, SPAN_NONE };
    return rc;
}

int gw_confine_collection(struct gw_confine *c, enum gw_action action, struct span collection,
                          struct gw_confine_known **known)
{
    struct gw_confine_known *k = find_known(c, action, collection);
    int rc = k ? 0 : work_out(c, action, collection);
    if (rc != 0)
        return rc;
    *known = k ? k : &c->known[c->n_known - 1];
    c->fields = (*known)->fields;
    c->n_fields = (*known)->n;
    return 0;
}

int gw_confine_action(struct gw_confine *c, enum gw_action action, struct span collection)
{
    struct gw_confine_known *known;
    return gw_confine_collection(c, action, collection, &known);
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

// A tenant of the API's own: the server keeps them apart, by id too, so that there is nothing to be written into the request. It has to name the
// tenant itself, as the policies saw it. What it refers to in another collection may be there for all tenants.
static int in_tenant(struct gw_confine *c, const struct gw_api_filter *f)
{
    const struct gw_api_authorisation *a = &c->meaning->authorisations[f->authorisation];
    const struct gw_api_value its = { .kind = GW_API_TEXT, .text = a->tenant };
    if (a->action != c->meaning->authorisations[0].action)
        return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, "what is referred to cannot be confined to a tenant");
    if (span_is_none(a->tenant))
        return gw_confine_refuse(c, ERR_POLICY_OBLIGATION,
                                 "the request names no tenant, and the policies confine it to one");
    return has_value(f->values, f->n_values, &its)
               ? 0
               : gw_confine_refuse(c, ERR_POLICY_OBLIGATION,
                                   "the request names another tenant than the policies' filter");
}

// Which filters there are anything to do for. A list shows what may be listed, whatever is in it, and `meta` shows no record, unless a row says otherwise.
static int concerns(struct gw_confine *c, const struct database *db, const struct gw_confine_row *row, bool *any)
{
    *any = false;
    for (size_t i = 0; i < c->n_filters; i++) {
        size_t which_one = c->filters[i].authorisation;
        enum gw_action action = c->meaning->authorisations[which_one].action;
        bool same = action == c->meaning->authorisations[0].action;
        bool native = !span_is_none(db->tenant) && span_eq(c->filters[i].field, db->tenant);
        int rc;
        switch (action) {
        case GW_ACTION_META:
        case GW_ACTION_LIST:
            if (row && row->why)
                return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, row->why);
            break;
        case GW_ACTION_SEARCH:
        case GW_ACTION_READ:
        case GW_ACTION_WRITE:
        case GW_ACTION_DELETE:
            if (native) {
                if ((rc = in_tenant(c, &c->filters[i])) != 0)
                    return rc;
                break;
            }
            if (!row || !row->rewrite)
                return gw_confine_refuse(c, ERR_POLICY_OBLIGATION,
                                         row && row->why ? row->why : "no filter can be put into this request");
            if (which_one != 0 && !row->operations && !(row->several && same))
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

static const struct database *find_database(const struct gw_confine *c)
{
    const struct database *db = databases;
    while (!span_is_none(db->api) && !span_eq(db->api, c->meaning->api))
        db++;
    return db;
}

// Leaves the filters that something is to be written for.
static int by_fields(struct gw_confine *c, const struct database *db)
{
    struct gw_api_filter *kept = arena_array(c->arena, c->n_filters, sizeof *kept);
    size_t n = 0;
    if (!kept)
        return ERR_NOMEM;
    for (size_t i = 0; i < c->n_filters; i++) {
        const struct gw_api_filter *f = &c->filters[i];
        if (!span_is_none(db->tenant) && span_eq(f->field, db->tenant))
            continue;
        const char *problem = db->field(c, f);
        if (!problem && f->n_values > VALUES_MAX)
            problem = "a filter has more values than a database is asked for";
        if (problem)
            return gw_confine_refuse(c, ERR_POLICY_OBLIGATION, problem);
        kept[n++] = *f;
    }
    c->filters = kept;
    c->n_filters = n;
    return 0;
}

static int confine(struct gw_confine *c, const struct gw_api *api, struct span *body, struct span *why)
{
    const struct database *db = find_database(c);
    bool any;
    const struct gw_confine_row *row = find_row(db->rows, c);
    int rc = concerns(c, db, row, &any);
    if (rc != 0 || !any)
        return rc;
    rc = by_fields(c, db);
    struct span sent;
    const struct gw_api_authorisation *main_one = &c->meaning->authorisations[0];
    if (rc == 0)
        rc = gw_confine_action(c, main_one->action, row->several ? main_one->collection : SPAN_NONE);
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

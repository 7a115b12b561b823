// SPDX-License-Identifier: GPL-3.0-or-later
// API tables of the operator's own: their keys, their checks, and what they are compiled from.
#include "gateway/api/custom.h"
#include "gateway/config/schema_table.h"

static const struct gw_choice methods[] = { { NAME("GET"), 0 }, { NAME("HEAD"), 0 },  { NAME("POST"), 0 },
                                            { NAME("PUT"), 0 }, { NAME("PATCH"), 0 }, { NAME("DELETE"), 0 } };
#define ACTION(action, word) { NAME(word), GW_ACTION_##action },
static const struct gw_choice actions[] = { GW_ACTION_WORDS(ACTION) };

// One of the words, as text.
static void read_method(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_api_row *row = at;
    if (!gw_config_read_text(r, node, &row->method))
        return;
    for (size_t i = 0; i < COUNT_OF(methods); i++)
        if (span_eq(methods[i].name, row->method.v))
            return;
    gw_config_complain(r, node, "'%.*s' is not a value of 'method'; write GET, HEAD, POST, PUT, PATCH or DELETE",
                       SPAN_FMT(span_sub(row->method.v, 0, 64)));
    row->method.v = SPAN_NONE;
}

// The word any, or a list of members.
static void read_members(struct gw_reader *r, const struct gw_yaml *node, void *at)
{
    struct gw_config_api_row *row = at;
    struct gw_config_text *v;
    size_t n = 0;
    if (node->kind == GW_YAML_SCALAR && !node->quoted && span_eq(node->text, SPAN("any"))) {
        row->any_member = true;
        return;
    }
    if (!gw_config_read_is(r, node, GW_YAML_LIST, "a list of members: [vector, params.ef], or the word any"))
        return;
    v = arena_array(r->arena, node->count, sizeof *v);
    if (!v) {
        r->failed = true;
        return;
    }
    for (const struct gw_yaml *item = node->first; item; item = item->next) {
        if (!gw_config_read_text(r, item, &v[n]))
            continue;
        const char *fault = gw_api_custom_member_fault(v[n].v);
        if (fault)
            gw_config_complain(r, item, "'%.*s' for 'members': %s", SPAN_FMT(span_sub(v[n].v, 0, 200)), fault);
        n++;
    }
    row->members = (struct gw_config_texts){ v, n, { node->line, node->column } };
}

#define PLACE(key_, member, doc_)                                                                                    \
    {                                                                                                                \
        .key = NAME(key_), .type = GW_FIELD_TEXT, AT(gw_config_api_row, member), .fault = gw_api_custom_place_fault, \
        .doc = doc_                                                                                                  \
    }

static const struct gw_field row_fields[] = {
    { .key = NAME("method"),
      .type = GW_FIELD_CUSTOM,
      .required = true,
      .custom = read_method,
      .doc = "GET, HEAD, POST, PUT, PATCH or DELETE" },
    { .key = NAME("path"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_api_row, path),
      .required = true,
      .fault = gw_api_custom_path_fault,
      .doc =
          "of the request, decoded: words, and {c} for the collection, {t} the tenant, {d} the database, {x} any one "
          "segment" },
    { .key = NAME("action"),
      .type = GW_FIELD_CHOICE,
      AT(gw_config_api_row, action),
      CHOICES(actions),
      .required = true,
      .doc = "what it is to policies: search, read, list, meta, write, delete, create, alter, drop, export or ops" },
    PLACE("collection", collection,
          "where the collection is named, or a list of them: $.member of the body, $.member.member, or ?parameter"),
    PLACE("new_collection", new_collection,
          "where a second one is named that will exist: of a rename, a copy, an alias"),
    PLACE("tenant", tenant, "where the tenant is named"),
    PLACE("database", database, "where the database is named"),
    PLACE("limit", limit, "where the most records to be returned are said; not there: unknown"),
    PLACE("filter", filter, "where a filter is, when there is one"),
    PLACE("points", points, "where a list is whose elements are the records that the request is about"),
    PLACE("queries", queries, "where a list is whose elements are the queries that the request makes"),
    { .key = NAME("new"),
      .type = GW_FIELD_BOOL,
      AT(gw_config_api_row, is_new),
      .fallback = "false",
      .doc = "whether the collection need not exist yet" },
    { .key = NAME("members"),
      .type = GW_FIELD_CUSTOM,
      .custom = read_members,
      .doc =
          "other members that the body may have: [vector, params.ef], or any; a body of which nothing is named streams "
          "unread" },
};
static const struct gw_schema row_schema = PLACED(row_fields, gw_config_api_row);

static const char *parameter_fault(struct span s)
{
    return gw_api_custom_member_fault(s) || span_find(s, '.') < s.n ? "a parameter's name is expected" : NULL;
}

static const struct gw_field api_fields[] = {
    { .key = NAME("name"),
      .type = GW_FIELD_TEXT,
      AT(gw_config_api, name),
      .required = true,
      .fault = gw_fault_name,
      .doc = "what shards, metrics and records know it by" },
    { .key = NAME("query"),
      .type = GW_FIELD_TEXTS,
      AT(gw_config_api, query),
      .fault = parameter_fault,
      .doc = "list of query parameters that concern no authorisation; one that no row knows is refused" },
    { .key = NAME("rows"),
      .type = GW_FIELD_LIST,
      AT(gw_config_api, rows),
      .extra = offsetof(struct gw_config_api, rows_n),
      .required = true,
      .schema = &row_schema,
      .doc = "its requests; one that no row has is denied" },
};
const struct gw_schema gw_config_api_schema = PLACED(api_fields, gw_config_api);

// ------------------------------------------------------------------------------------------------------------- checks

static struct span *spans(struct arena *arena, const struct gw_config_texts *texts)
{
    struct span *v = arena_array(arena, texts->n + 1, sizeof *v);
    for (size_t i = 0; v && i < texts->n; i++)
        v[i] = texts->v[i].v;
    return v;
}

static bool convert(struct gw_api_custom_row *to, const struct gw_config_api_row *row, struct arena *arena)
{
    *to = (struct gw_api_custom_row){
        .method = row->method.v,
        .path = row->path.v,
        .action = row->action,
        .is_new = row->is_new,
        .where = {
            [GW_API_CUSTOM_DATABASE] = row->database.v,
            [GW_API_CUSTOM_TENANT] = row->tenant.v,
            [GW_API_CUSTOM_COLLECTION] = row->collection.v,
            [GW_API_CUSTOM_NEW_COLLECTION] = row->new_collection.v,
            [GW_API_CUSTOM_LIMIT] = row->limit.v,
            [GW_API_CUSTOM_FILTER] = row->filter.v,
            [GW_API_CUSTOM_POINTS] = row->points.v,
            [GW_API_CUSTOM_QUERIES] = row->queries.v,
        },
        .members = spans(arena, &row->members),
        .n_members = row->members.n,
        .any_member = row->any_member,
    };
    return to->members != NULL;
}

// False when out of memory.
static bool compile(struct gw_config *c, struct gw_config_api *api, struct diags *diags)
{
    struct gw_api_custom *spec = arena_alloc(&c->arena, sizeof *spec);
    struct gw_api_custom_row *rows = arena_array(&c->arena, api->rows_n + 1, sizeof *rows);
    size_t errors = diags->errors;

    if (!spec || !rows)
        return false;
    for (size_t i = 0; i < api->rows_n; i++) {
        if (!convert(&rows[i], &api->rows[i], &c->arena))
            return false;
        const char *fault = gw_api_custom_row_fault(&rows[i]);
        if (fault)
            gw_config_error(c, api->rows[i].at, diags, "%s", fault);
        for (size_t k = 0; k < i; k++)
            if (gw_api_custom_same(&rows[i], &rows[k])) {
                gw_config_error(c, api->rows[i].at, diags,
                                "two rows for one request: the row in line %u takes it already; remove one",
                                api->rows[k].at.line);
                break;
            }
    }
    if (api->rows_n > GW_API_CUSTOM_ROWS)
        gw_config_error(c, api->at, diags, "an API has at most %d rows", GW_API_CUSTOM_ROWS);
    *spec = (struct gw_api_custom){ .name = api->name.v,
                                    .query = spans(&c->arena, &api->query),
                                    .n_query = api->query.n,
                                    .rows = rows,
                                    .n_rows = api->rows_n };
    if (!spec->query)
        return false;
    if (diags->errors == errors)
        api->def = gw_api_custom_def(spec, &c->arena);
    return diags->errors > errors || api->def;
}

static void name_shards_api(struct gw_config *c, struct gw_config_shard *s, struct diags *diags)
{
    struct span names[32], near;
    size_t n = 0;
    const struct gw_api_def *def;

    s->api = gw_config_api_find(c, s->api_name.v);
    if (s->api != SIZE_MAX)
        return;
    s->api = 0; // the reading has failed; what looks at the shard after this still finds an API
    if (span_is_none(s->api_name.v))
        return;
    for (; n < COUNT_OF(names) && (def = gw_config_api_at(NULL, n)); n++)
        names[n] = gw_api_def_name(def);
    for (size_t i = 0; i < c->apis_n && n < COUNT_OF(names); i++)
        if (!span_is_none(c->apis[i].name.v))
            names[n++] = c->apis[i].name.v;
    near = diag_suggest(s->api_name.v, names, n);
    if (span_is_none(near))
        gw_config_error(
            c, s->api_name.at, diags,
            "'%.*s' is not a value of 'api'; write qdrant, chroma, milvus, weaviate, or describe it in apis",
            SPAN_FMT(s->api_name.v));
    else
        gw_config_error(c, s->api_name.at, diags, "'%.*s' is not a value of 'api'; did you mean '%.*s'?",
                        SPAN_FMT(s->api_name.v), SPAN_FMT(near));
}

void gw_config_check_apis(struct gw_config *c, struct diags *diags)
{
    struct gw_config_api *all = (void *)(uintptr_t)c->apis;
    struct gw_config_shard *shards = (void *)(uintptr_t)c->shards;

    for (size_t i = 0; i < c->apis_n; i++) {
        struct span name = all[i].name.v;
        if (!span_is_none(name) && gw_api_def_find(name))
            gw_config_error(c, all[i].name.at, diags, "'%.*s' is built in; choose another name", SPAN_FMT(name));
        for (size_t k = 0; k < i; k++)
            if (!span_is_none(name) && span_eq(all[k].name.v, name))
                gw_config_error(c, all[i].name.at, diags, "API '%.*s' is already in line %u", SPAN_FMT(name),
                                all[k].name.at.line);
        if (!compile(c, &all[i], diags))
            return; // the arena is marked
    }
    for (size_t i = 0; i < c->shards_n; i++)
        name_shards_api(c, &shards[i], diags);
}

// ------------------------------------------------------------------------------------------------------------- numbers

const struct gw_api_def *gw_config_api_at(const struct gw_config *c, size_t i)
{
    size_t n = 0;
    while (n <= i && gw_api_def_at(n))
        n++;
    if (n > i)
        return gw_api_def_at(i);
    return c && i - n < c->apis_n ? c->apis[i - n].def : NULL;
}

size_t gw_config_api_find(const struct gw_config *c, struct span name)
{
    const struct gw_api_def *def;
    size_t n = 0;
    for (; (def = gw_api_def_at(n)); n++)
        if (span_eq(gw_api_def_name(def), name))
            return n;
    for (size_t i = 0; c && i < c->apis_n; i++)
        if (!span_is_none(name) && span_eq(c->apis[i].name.v, name))
            return n + i;
    return SIZE_MAX;
}

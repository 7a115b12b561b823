// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/list.h"

#include "gateway/base/err.h"
#include "gateway/base/json.h"

#include <stdlib.h>

// What the entries stand in.
enum envelope {
    ARRAY,  // nothing
    RESULT, // Qdrant: {"result": {"…": […]}, "status": "ok", "time": …}
    DATA,   // Milvus: {"code": 0, "data": […]}
    MEMBER, // Weaviate: {"…": […]}
};

// What differs between the kinds of list.
struct shape {
    enum envelope envelope;
    const char *result; // RESULT, MEMBER: the member that holds the entries
    const char *name;   // member of an entry that names it; NULL: it is a name
    const char *target; // member that names a collection which must be visible too; NULL: none
    bool count;         // answered with a number
    bool database;      // an entry is a database
};

static const struct shape shapes[] = {
    [GW_API_LIST_QDRANT_COLLECTIONS] = { .envelope = RESULT, .result = "collections", .name = "name" },
    [GW_API_LIST_QDRANT_ALIASES] = { .envelope = RESULT,
                                     .result = "aliases",
                                     .name = "alias_name",
                                     .target = "collection_name" },
    [GW_API_LIST_CHROMA_COLLECTIONS] = { .name = "name" },
    [GW_API_LIST_CHROMA_COUNT] = { .name = "name", .count = true },
    [GW_API_LIST_CHROMA_DATABASES] = { .name = "name", .database = true },
    [GW_API_LIST_MILVUS_NAMES] = { .envelope = DATA },
    [GW_API_LIST_WEAVIATE_SCHEMA] = { .envelope = MEMBER, .result = "classes", .name = "class" },
    [GW_API_LIST_WEAVIATE_ALIASES] = { .envelope = MEMBER, .result = "aliases", .name = "alias", .target = "class" },
};

struct item {
    struct span name;
    size_t order;
    json value;
    bool again; // a shard before this one has it too
};

struct merge {
    const struct shape *shape;
    struct span database, tenant;
    gw_api_visible visible;
    void *ctx;
    struct arena *arena;
    struct json_doc **docs;
    struct item *items;
    size_t n_items, hidden;
    double time;
};

// Milvus says it with 200: its codes for a database and for a collection that are not there.
static bool is_absent(const struct shape *shape, int status, json root)
{
    int64_t code;
    if (status == 404)
        return true;
    return shape->envelope == DATA && json_i64(json_get(root, SPAN("code")), &code) && (code == 800 || code == 100);
}

static json entries_of(const struct shape *shape, json root)
{
    json list = root;
    int64_t code;
    if (shape->envelope == RESULT)
        list = span_eq(json_string(json_get(root, SPAN("status"))), SPAN("ok"))
                   ? json_get(json_get(root, SPAN("result")), span_str(shape->result))
                   : NULL;
    else if (shape->envelope == DATA)
        list = json_i64(json_get(root, SPAN("code")), &code) && code == 0 ? json_get(root, SPAN("data")) : NULL;
    else if (shape->envelope == MEMBER)
        list = json_get(root, span_str(shape->result));
    return json_type(list) == JSON_ARRAY ? list : NULL;
}

static struct span name_of(const struct shape *shape, json v)
{
    return json_string(shape->name ? json_get(v, span_str(shape->name)) : v);
}

// Every entry has to be what we take it for, or nothing of the answer is used.
static bool well_formed(const struct merge *m, json list)
{
    struct json_iter it = json_iter(list);
    struct span member;
    json v;
    while (json_next(&it, &member, &v)) {
        if (span_is_none(name_of(m->shape, v)))
            return false;
        if (m->shape->target && span_is_none(json_string(json_get(v, span_str(m->shape->target)))))
            return false;
        // Chroma's entries say where they are; the filter would judge them by the path's.
        if (m->shape->envelope != ARRAY)
            continue;
        if (!span_eq(json_string(json_get(v, SPAN("tenant"))), m->tenant))
            return false;
        if (!m->shape->database && !span_eq(json_string(json_get(v, SPAN("database"))), m->database))
            return false;
    }
    return true;
}

static bool shown(const struct merge *m, unsigned shard, struct span name, json v)
{
    if (m->shape->database)
        return m->visible(m->ctx, shard, name, m->tenant, SPAN_NONE);
    if (!m->visible(m->ctx, shard, m->database, m->tenant, name))
        return false;
    return !m->shape->target ||
           m->visible(m->ctx, shard, m->database, m->tenant, json_string(json_get(v, span_str(m->shape->target))));
}

static int take(struct merge *m, unsigned shard, json list)
{
    size_t n = json_count(list);
    struct item *grown = arena_array(m->arena, m->n_items + n + 1, sizeof(*grown));
    if (!grown)
        return ERR_NOMEM;
    if (m->n_items > 0)
        memcpy(grown, m->items, m->n_items * sizeof(*grown));
    m->items = grown;
    struct json_iter it = json_iter(list);
    struct span member;
    json v;
    while (json_next(&it, &member, &v)) {
        struct span name = name_of(m->shape, v);
        if (!shown(m, shard, name, v)) {
            m->hidden++;
            continue;
        }
        m->items[m->n_items] = (struct item){ .name = name, .order = m->n_items, .value = v };
        m->n_items++;
    }
    return 0;
}

static int by_name(const void *pa, const void *pb)
{
    const struct item *a = *(const struct item *const *)pa, *b = *(const struct item *const *)pb;
    int c = span_cmp(a->name, b->name);
    return c != 0 ? c : a->order < b->order ? -1 : a->order > b->order;
}

// Sorting, not hashing: the names are the tenants' own.
static int mark_repeated(struct merge *m)
{
    if (m->n_items < 2)
        return 0;
    struct item **sorted = arena_array(m->arena, m->n_items, sizeof(*sorted));
    if (!sorted)
        return ERR_NOMEM;
    for (size_t i = 0; i < m->n_items; i++)
        sorted[i] = &m->items[i];
    qsort(sorted, m->n_items, sizeof(*sorted), by_name);
    for (size_t i = 1; i < m->n_items; i++)
        sorted[i]->again = span_eq(sorted[i]->name, sorted[i - 1]->name);
    return 0;
}

static int write_answer(struct merge *m, const struct gw_api_meaning *meaning, struct gw_api_list_result *result)
{
    struct buf out;
    buf_init(&out, 0);
    struct json_writer w = json_writer(&out);
    if (m->shape->envelope == RESULT) {
        json_w_object(&w);
        json_w_key(&w, SPAN("result"));
        json_w_object(&w);
        json_w_key(&w, span_str(m->shape->result));
    } else if (m->shape->envelope == DATA) {
        json_w_object(&w);
        json_w_key(&w, SPAN("code"));
        json_w_int(&w, 0);
        json_w_key(&w, SPAN("data"));
    } else if (m->shape->envelope == MEMBER) {
        json_w_object(&w);
        json_w_key(&w, span_str(m->shape->result));
    }
    if (!m->shape->count)
        json_w_array(&w);
    uint64_t at = 0, written = 0;
    for (size_t i = 0; i < m->n_items; i++) {
        if (m->items[i].again)
            continue;
        bool in_page = at >= meaning->list_offset && written < meaning->list_limit;
        at++;
        if (!in_page)
            continue;
        written++;
        if (!m->shape->count)
            json_w_value(&w, m->items[i].value);
    }
    if (m->shape->count)
        json_w_uint(&w, written);
    else
        json_w_end(&w);
    if (m->shape->envelope == DATA || m->shape->envelope == MEMBER) {
        json_w_end(&w);
    } else if (m->shape->envelope == RESULT) {
        json_w_end(&w);
        json_w_key(&w, SPAN("status"));
        json_w_string(&w, SPAN("ok"));
        json_w_key(&w, SPAN("time"));
        json_w_real(&w, m->time);
        json_w_end(&w);
    }
    struct span body = out.failed ? SPAN_NONE : arena_dup(m->arena, buf_span(&out));
    buf_fini(&out);
    if (span_is_none(body))
        return ERR_NOMEM;
    result->body = body;
    result->shown = (size_t)written;
    return 0;
}

int gw_api_list_merge(const struct gw_api_meaning *meaning, const struct gw_api_list_answer *answers, size_t n,
                      gw_api_visible visible, void *ctx, struct arena *arena, struct gw_api_list_result *result)
{
    struct gw_api_list_result r = { .body = SPAN_NONE };
    struct merge m = { .shape = &shapes[meaning->list],
                       .database = meaning->authorisations[0].database,
                       .tenant = meaning->authorisations[0].tenant,
                       .visible = visible,
                       .ctx = ctx,
                       .arena = arena };
    size_t usable = 0;
    int rc = 0;
    m.docs = arena_array(arena, n + 1, sizeof(*m.docs));
    r.failed = arena_array(arena, n + 1, sizeof(*r.failed));
    if (!m.docs || !r.failed)
        return ERR_NOMEM;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct json_limits limits = { .bytes = answers[i].body.n + 1, .depth = 64, .raw_numbers = true };
        if (answers[i].status == 200)
            m.docs[i] = json_parse(answers[i].body, &limits, NULL);
        // The tenant is not there: this shard has nothing of it.
        if (is_absent(m.shape, answers[i].status, m.docs[i] ? json_root(m.docs[i]) : NULL))
            continue;
        json list = m.docs[i] ? entries_of(m.shape, json_root(m.docs[i])) : NULL;
        if (!list || !well_formed(&m, list)) {
            r.failed[r.n_failed++] = answers[i].shard;
            continue;
        }
        double time;
        if (json_real(json_get(json_root(m.docs[i]), SPAN("time")), &time) && time > m.time)
            m.time = time;
        usable++;
        rc = take(&m, answers[i].shard, list);
    }
    if (rc == 0 && usable == 0)
        rc = r.n_failed == 0 ? ERR_API_COLLECTION : ERR_SHARD_ANSWER;
    if (rc == 0)
        rc = mark_repeated(&m);
    if (rc == 0)
        rc = write_answer(&m, meaning, &r);
    for (size_t i = 0; i < n; i++)
        json_free(m.docs[i]);
    if (rc == 0) {
        r.hidden = m.hidden;
        *result = r;
    } else if (rc == ERR_SHARD_ANSWER) {
        *result = (struct gw_api_list_result){ .body = SPAN_NONE, .failed = r.failed, .n_failed = r.n_failed };
    }
    return rc;
}

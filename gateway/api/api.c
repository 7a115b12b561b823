// SPDX-License-Identifier: GPL-3.0-or-later
// The compiled table and the one lookup a request costs. Rows are sorted by method, number of segments and pattern
// (literals before placeholders), so that a request is compared with the few rows of its own bucket, in the order in which the
// first that fits is the right one.
#include "gateway/api/api.h"
#include "gateway/api/name_map.h"
#include "gateway/api/table.h"
#include "gateway/http/query.h"

#include <assert.h>
#include <stdlib.h>

struct compiled_row {
    const struct gw_api_row *row;
    struct span method;
    size_t n;
    struct span segments[GW_API_SEGMENTS_MAX];
};

struct gw_api {
    const struct gw_api_def *def;
    size_t n;
    struct compiled_row rows[];
};

static const struct gw_api_def *const defs[] = { &gw_api_qdrant, &gw_api_chroma, &gw_api_milvus, &gw_api_weaviate };

const struct gw_api_def *gw_api_def_at(size_t i)
{
    return i < sizeof(defs) / sizeof(defs[0]) ? defs[i] : NULL;
}

const struct gw_api_def *gw_api_def_find(struct span name)
{
    for (size_t i = 0; i < sizeof(defs) / sizeof(defs[0]); i++)
        if (span_eq(span_str(defs[i]->name), name))
            return defs[i];
    return NULL;
}

struct span gw_api_def_name(const struct gw_api_def *def)
{
    return span_str(def->name);
}

static bool is_placeholder(struct span s)
{
    return s.n == 3 && s.p[0] == '{' && s.p[2] == '}';
}

static int compare_rows(const void *pa, const void *pb)
{
    const struct compiled_row *a = pa, *b = pb;
    int c = span_cmp(a->method, b->method);
    if (c != 0)
        return c;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = 0; i < a->n; i++) {
        bool pha = is_placeholder(a->segments[i]), phb = is_placeholder(b->segments[i]);
        if (pha != phb)
            return pha ? 1 : -1;
        if (!pha && (c = span_cmp(a->segments[i], b->segments[i])) != 0)
            return c;
    }
    return 0;
}

struct gw_api *gw_api_new(const struct gw_api_def *def)
{
    struct gw_api *api = calloc(1, sizeof(*api) + def->n_rows * sizeof(api->rows[0]));
    if (!api)
        return NULL;
    api->def = def;
    api->n = def->n_rows;
    for (size_t i = 0; i < def->n_rows; i++) {
        struct compiled_row *r = &api->rows[i];
        r->row = &def->rows[i];
        r->method = span_str(def->rows[i].method);
        struct span rest = span_str(def->rows[i].path);
        assert(rest.n > 0 && rest.p[0] == '/');
        rest = span_sub(rest, 1, rest.n);
        while (rest.n > 0 && !span_is_none(rest)) {
            assert(r->n < GW_API_SEGMENTS_MAX);
            r->segments[r->n++] = span_cut(&rest, '/');
        }
    }
    qsort(api->rows, api->n, sizeof(api->rows[0]), compare_rows);
    for (size_t i = 1; i < api->n; i++)
        assert(compare_rows(&api->rows[i - 1], &api->rows[i]) != 0 && "two rows for one request");
    return api;
}

void gw_api_free(struct gw_api *api)
{
    free(api);
}

struct span gw_api_name(const struct gw_api *api)
{
    return span_str(api->def->name);
}

// From the end, where the rows of a bucket differ.
static bool fits(const struct compiled_row *r, const struct gw_api_request *q)
{
    for (size_t i = r->n; i-- > 0;) {
        if (q->segments[i].n == 0)
            return false;
        if (!is_placeholder(r->segments[i]) && !span_eq(r->segments[i], q->segments[i]))
            return false;
    }
    return true;
}

static const struct compiled_row *find(const struct gw_api *api, const struct gw_api_request *q)
{
    size_t low = 0, high = api->n;
    while (low < high) { // the first row of the bucket
        size_t mid = low + (high - low) / 2;
        int c = span_cmp(api->rows[mid].method, q->method);
        if (c < 0 || (c == 0 && api->rows[mid].n < q->n_segments))
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < api->n && api->rows[low].n == q->n_segments && span_eq(api->rows[low].method, q->method); low++)
        if (fits(&api->rows[low], q))
            return &api->rows[low];
    return NULL;
}

// Every parameter must be one that the API has, and be there once: what we let through means to the server what it meant to us.
static bool could_be(const struct gw_api_row *row, struct span method, const struct span *segments, size_t n)
{
    struct span rest = span_str(row->path);
    size_t i = 0;
    if (!span_eq(span_str(row->method), method))
        return false;
    span_cut(&rest, '/'); // what is before the first
    for (; !span_is_none(rest); i++) {
        struct span pattern = span_cut(&rest, '/');
        if (i == n || (!is_placeholder(pattern) && !span_eq(pattern, segments[i])))
            return false;
    }
    return i == n;
}

bool gw_api_only_reads(struct span method, const struct span *segments, size_t n)
{
    bool known = false;
    for (size_t d = 0; d < sizeof defs / sizeof *defs; d++)
        for (size_t i = 0; i < defs[d]->n_rows; i++) {
            const struct gw_api_row *row = &defs[d]->rows[i];
            if (!could_be(row, method, segments, n))
                continue;
            if (!gw_action_reads(row->action))
                return false;
            known = true;
        }
    return known;
}

static int read_query(struct gw_api_build *b, const struct gw_api_def *def)
{
    struct gw_query q = gw_query(b->request->query, b->arena);
    struct span name, value;
    int rc;
    while ((rc = gw_query_next(&q, &name, &value)) == 1) {
        size_t known = 0;
        while (def->query[known] && !span_eq(span_str(def->query[known]), name))
            known++;
        if (!def->query[known])
            return gw_api_refuse(b, ERR_API_QUERY, "a query parameter that the API does not have", name);
        for (size_t i = 0; i < b->n_query; i++)
            if (span_eq(b->query[i].name, name))
                return gw_api_refuse(b, ERR_API_QUERY, "a query parameter that is there twice", name);
        if (b->n_query == GW_API_PAIRS_MAX)
            return gw_api_refuse(b, ERR_API_QUERY, "too many query parameters", SPAN_NONE);
        b->query[b->n_query].name = name;
        b->query[b->n_query++].value = value;
    }
    return rc == ERR_API_QUERY ? gw_api_refuse(b, rc, "the query is malformed", SPAN_NONE) : rc;
}

// What the placeholders stand for.
static int read_path(struct gw_api_build *b, const struct compiled_row *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (!is_placeholder(r->segments[i]))
            continue;
        struct span s = b->request->segments[i];
        if (!gw_api_name_ok(s))
            return gw_api_refuse(b, ERR_API_COLLECTION, "a path segment that cannot be a name", SPAN_NONE);
        switch (r->segments[i].p[1]) {
        case 't': b->tenant = s; break;
        case 'd': b->database = s; break;
        case 'c': b->collection = s; break;
        default: assert(r->segments[i].p[1] == 'x');
        }
    }
    if ((r->row->flags & GW_API_UUID) == 0)
        return 0;
    if (!gw_name_is_uuid(b->collection))
        return gw_api_refuse(b, ERR_API_COLLECTION, "the path's collection is not a UUID", SPAN_NONE);
    char *lower = arena_alloc(b->arena, b->collection.n);
    if (!lower)
        return ERR_NOMEM;
    for (size_t i = 0; i < b->collection.n; i++) {
        char c = b->collection.p[i];
        lower[i] = (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
    }
    b->collection = span_of(lower, b->collection.n);
    return 0;
}

// "application/json", with no parameter but charset=utf-8. No field at all is taken for it: that is how we send it on. So it is
// with `plain` and text/plain, as what does not say what it sends has it (fetch of a string).
static bool is_json_type(struct span type, bool plain)
{
    if (span_is_none(type))
        return true;
    struct span rest = type, essence = span_trim(span_cut(&rest, ';'));
    if (!span_ieq(essence, SPAN("application/json")) && !(plain && span_ieq(essence, SPAN("text/plain"))))
        return false;
    if (span_is_none(rest))
        return true;
    rest = span_trim(rest);
    return span_ieq(rest, SPAN("charset=utf-8")) || span_ieq(rest, SPAN("charset=\"utf-8\""));
}

// What goes on is what was read, written anew. When each byte that was sent is the byte that would be written, it is that.
static int write_body(struct gw_api_build *b, json root)
{
    struct span sent = b->request->body, text = json_as_written(root);
    struct buf out;
    if (text.n == sent.n) {
        b->meaning.body = sent;
        return 0;
    }
    buf_init(&out, 0);
    if (span_is_none(text) && buf_reserve(&out, sent.n) && json_write(&out, root))
        text = buf_span(&out);
    if (!span_is_none(text))
        b->meaning.body = arena_dup(b->arena, text);
    buf_fini(&out);
    return span_is_none(b->meaning.body) ? ERR_NOMEM : 0;
}

static int inspect_body(struct gw_api_build *b)
{
    const struct json_limits limits = { .bytes = b->request->body.n + 1, .depth = 64, .raw_numbers = true };
    struct json_error error;
    struct json_doc *doc = json_parse(b->request->body, &limits, &error);
    if (!doc)
        return gw_api_refuse(b, ERR_API_BODY, error.what ? error.what : "the body is not JSON", SPAN_NONE);
    json root = json_root(doc);
    bool list = (b->row->flags & GW_API_ARRAY) != 0;
    int rc = json_type(root) == (list ? JSON_ARRAY : JSON_OBJECT)
                 ? b->row->inspect(b, root)
                 : gw_api_refuse(b, ERR_API_BODY, list ? "the body is no JSON list" : "the body is no JSON object",
                                 SPAN_NONE);
    if (rc == 0 && span_is_none(b->meaning.body))
        rc = write_body(b, root);
    json_free(doc);
    return rc;
}

static int read_body(struct gw_api_build *b)
{
    const struct gw_api_request *q = b->request;
    switch (b->row->body) {
    case GW_API_BODY_NONE:
        if (q->has_body && (span_eq(q->method, SPAN("GET")) || span_eq(q->method, SPAN("HEAD"))))
            return gw_api_refuse(b, ERR_API_BODY, "a GET or HEAD with a body", SPAN_NONE);
        return 0;
    case GW_API_BODY_STREAM: return 0;
    case GW_API_BODY_FACTS:
        if (!q->inspect_writes) {
            b->meaning.facts.unread = true;
            return 0;
        }
        break;
    case GW_API_BODY_INSPECT: break;
    }
    if (!q->has_body)
        return gw_api_refuse(b, ERR_API_BODY, "a body is required", SPAN_NONE);
    if (!span_is_none(q->content_encoding))
        return gw_api_refuse(b, ERR_API_ENCODING, "Content-Encoding on a body that has to be read", SPAN_NONE);
    if (!is_json_type(q->content_type, b->def->plain))
        return gw_api_refuse(b, ERR_API_ENCODING, "a body that has to be read is not application/json", SPAN_NONE);
    return q->body_ready ? inspect_body(b) : GW_API_NEED_BODY;
}

static int build(struct gw_api_build *b, const struct gw_api *api)
{
    const struct compiled_row *r = find(api, b->request);
    if (!r)
        return ERR_API_UNKNOWN;
    b->def = api->def;
    b->row = r->row;
    b->meaning.api = span_str(api->def->name);
    b->meaning.operation = span_str(r->row->path);
    b->meaning.list = r->row->list;
    b->meaning.list_limit = UINT64_MAX;
    b->meaning.fan = r->row->list != GW_API_LIST_NONE    ? GW_API_FAN_MERGE
                     : (r->row->flags & GW_API_ALL) != 0 ? GW_API_FAN_ALL
                                                         : GW_API_FAN_ONE;
    b->meaning.codes = api->def->codes;
    bool reads = r->row->action == GW_ACTION_READ || r->row->action == GW_ACTION_SEARCH;
    b->meaning.timeout =
        reads && r->row->body == GW_API_BODY_INSPECT && api->def->timeout ? span_str(api->def->timeout) : SPAN_NONE;
    b->meaning.counts = (r->row->flags & GW_API_COUNTS) != 0;
    b->meaning.teaches_names = (r->row->flags & GW_API_TEACHES) != 0;
    b->meaning.forgets_names = (r->row->flags & GW_API_FORGETS) != 0;
    int rc = read_query(b, api->def);
    if (rc == 0)
        rc = read_path(b, r);
    if (rc == 0 && (r->row->flags & GW_API_BY_BODY) == 0)
        rc = gw_api_authorise(b,
                              (struct gw_api_authorisation){ .action = r->row->action,
                                                             .database = b->database,
                                                             .tenant = b->tenant,
                                                             .collection = b->collection,
                                                             .collection_is_uuid = (r->row->flags & GW_API_UUID) != 0,
                                                             .collection_is_new = (r->row->flags & GW_API_NEW) != 0 });
    if (rc == 0)
        rc = read_body(b);
    if (rc == 0 && r->row->finish)
        rc = r->row->finish(b);
    return rc;
}

// Moves what was built on the stack into the arena.
static int settle(struct gw_api_build *b, struct gw_api_meaning *out)
{
    struct gw_api_meaning *m = &b->meaning;
    if (m->n_authorisations == 0)
        return gw_api_refuse(b, ERR_API_BODY, "the body asks for nothing", SPAN_NONE);
    m->idempotent = true;
    for (size_t i = 0; i < m->n_authorisations; i++)
        if (!gw_action_reads(b->authorisations[i].action))
            m->idempotent = false;
    m->changes_data = !m->idempotent;
    size_t bytes = m->n_authorisations * sizeof(b->authorisations[0]);
    m->authorisations = arena_alloc(b->arena, bytes);
    if (!m->authorisations)
        return ERR_NOMEM;
    memcpy(m->authorisations, b->authorisations, bytes);
    if (m->facts.n_shard_keys > 0) {
        bytes = m->facts.n_shard_keys * sizeof(b->shard_keys[0]);
        m->facts.shard_keys = arena_alloc(b->arena, bytes);
        if (!m->facts.shard_keys)
            return ERR_NOMEM;
        memcpy(m->facts.shard_keys, b->shard_keys, bytes);
    }
    *out = *m;
    return 0;
}

// Names are the client's: what a terminal might act upon is not repeated.
static struct span explain(const struct gw_api_build *b)
{
    if (!b->problem)
        return SPAN_NONE;
    if (span_is_none(b->problem_name))
        return arena_dup(b->arena, span_str(b->problem));
    char shown[65];
    size_t n = 0;
    for (; n < b->problem_name.n && n < sizeof(shown) - 1; n++) {
        unsigned char c = (unsigned char)b->problem_name.p[n];
        shown[n] = (char)(c < 0x20 || c >= 0x7f ? '?' : c);
    }
    shown[n] = '\0';
    return arena_printf(b->arena, "%s: \"%s\"", b->problem, shown);
}

int gw_api_match(const struct gw_api *api, const struct gw_api_request *request, struct arena *arena,
                 struct gw_api_meaning *meaning, struct span *why)
{
    struct gw_api_build b;
    memset(&b, 0, sizeof(b));
    b.request = request;
    b.arena = arena;
    int rc = build(&b, api);
    if (rc == 0)
        rc = settle(&b, meaning);
    if (rc < 0 && why)
        *why = explain(&b);
    return rc;
}

struct span gw_api_path(struct arena *arena, const struct span *segments, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t most = 1;
    for (size_t i = 0; i < n; i++)
        most += 1 + 3 * segments[i].n;
    char *out = arena_alloc(arena, most);
    if (!out)
        return SPAN_NONE;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        out[at++] = '/';
        for (size_t k = 0; k < segments[i].n; k++) {
            unsigned char c = (unsigned char)segments[i].p[k];
            if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
                c == '_' || c == '~') {
                out[at++] = (char)c;
                continue;
            }
            out[at++] = '%';
            out[at++] = hex[c >> 4];
            out[at++] = hex[c & 15];
        }
    }
    if (n == 0)
        out[at++] = '/';
    return span_of(out, at);
}

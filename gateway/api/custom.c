// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/custom.h"

#include "gateway/api/table.h"

struct steps {
    struct span v[GW_API_CUSTOM_STEPS];
    size_t n;
};

// A row as it is used: with the body's known members.
struct compiled {
    const struct gw_api_custom_row *row;
    struct steps *known;
    size_t n_known;
};

struct table {
    struct gw_api_def def; // first: the inspector comes from it to the rest
    const struct gw_api_custom *spec;
    struct compiled rows[];
};

// ------------------------------------------------------------------------------------------------------------ faults

static bool is_word(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return s.n > 0 && s.n <= 128;
}

static bool is_literal(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_word(span_sub(s, i, i + 1)) && !memchr(".~:@+,=", s.p[i], 7))
            return false;
    return s.n > 0 && !span_eq(s, SPAN(".")) && !span_eq(s, SPAN(".."));
}

static bool is_placeholder(struct span s)
{
    return s.n == 3 && s.p[0] == '{' && s.p[2] == '}' && memchr("ctdx", s.p[1], 4);
}

const char *gw_api_custom_path_fault(struct span path)
{
    struct span rest = path;
    size_t n = 0;
    unsigned seen[128] = { 0 };
    if (path.n == 0 || path.p[0] != '/')
        return "a path begins with '/'";
    rest = span_sub(path, 1, path.n);
    while (!span_is_none(rest) && path.n > 1) {
        struct span s = span_cut(&rest, '/');
        if (++n > GW_API_SEGMENTS_MAX)
            return "a path has at most 16 segments";
        if (is_placeholder(s) && s.p[1] != 'x' && seen[(unsigned char)s.p[1]]++ > 0)
            return "a path names its collection, tenant and database once each";
        if (!is_placeholder(s) && !is_literal(s))
            return "a path's segments are {c}, {t}, {d}, {x}, or letters, digits and -._~:@+,= as the decoded path has "
                   "them";
    }
    return NULL;
}

const char *gw_api_custom_member_fault(struct span member)
{
    struct span rest = member;
    size_t n = 0;
    do {
        if (!is_word(span_cut(&rest, '.')) || ++n > GW_API_CUSTOM_STEPS)
            return "a member is named by up to 8 words of letters, digits, '_' and '-' with dots between";
    } while (!span_is_none(rest));
    return NULL;
}

const char *gw_api_custom_place_fault(struct span place)
{
    if (place.n > 1 && place.p[0] == '?' && is_word(span_sub(place, 1, place.n)))
        return NULL;
    if (span_starts(place, SPAN("$.")) && !gw_api_custom_member_fault(span_sub(place, 2, place.n)))
        return NULL;
    return "a place is '$.member' or '$.member.member' of the body, or '?parameter' of the query";
}

static bool in_body(struct span place)
{
    return place.n > 0 && place.p[0] == '$';
}

static bool reads_body(const struct gw_api_custom_row *row)
{
    bool body = row->n_members > 0 || row->any_member;
    for (size_t i = 0; i < GW_API_CUSTOM_FACTS; i++)
        body |= in_body(row->where[i]);
    return body;
}

static bool has_segment(struct span path, struct span segment)
{
    while (!span_is_none(path))
        if (span_eq(span_cut(&path, '/'), segment))
            return true;
    return false;
}

const char *gw_api_custom_row_fault(const struct gw_api_custom_row *row)
{
    static const struct span segments[] = { SPAN("{d}"), SPAN("{t}"), SPAN("{c}") };
    for (size_t i = 0; i < sizeof(segments) / sizeof(segments[0]); i++)
        if (!span_is_none(row->where[i]) && has_segment(row->path, segments[i]))
            return "a name that the path has is looked for elsewhere too; take one of the two away";
    for (size_t i = 0; i < GW_API_CUSTOM_FACTS; i++)
        for (size_t k = 0; k < i; k++)
            if (!span_is_none(row->where[i]) && span_eq(row->where[i], row->where[k]))
                return "one place for two things";
    bool names = has_segment(row->path, SPAN("{c}")) || !span_is_none(row->where[GW_API_CUSTOM_COLLECTION]);
    if (!names && (!span_is_none(row->where[GW_API_CUSTOM_NEW_COLLECTION]) || row->is_new))
        return "a new collection, but none that the request is about; say where 'collection' is";
    if (row->action == GW_ACTION_LIST && !names)
        return "its answer would name every collection to everybody who may list one; make it 'ops', or name the "
               "collection that it is about";
    if ((span_eq(row->method, SPAN("GET")) || span_eq(row->method, SPAN("HEAD"))) && reads_body(row))
        return "a GET or HEAD has no body";
    return NULL;
}

bool gw_api_custom_same(const struct gw_api_custom_row *a, const struct gw_api_custom_row *b)
{
    struct span x = a->path, y = b->path;
    if (!span_eq(a->method, b->method))
        return false;
    while (!span_is_none(x) && !span_is_none(y)) {
        struct span s = span_cut(&x, '/'), t = span_cut(&y, '/');
        if (is_placeholder(s) ? !is_placeholder(t) : !span_eq(s, t))
            return false;
    }
    return span_is_none(x) && span_is_none(y);
}

// -------------------------------------------------------------------------------------------------------- inspecting

static const struct table *table_of(const struct gw_api_build *b)
{
    return (const void *)b->def;
}

static const struct compiled *compiled_of(const struct gw_api_build *b)
{
    return &table_of(b)->rows[b->row - b->def->rows];
}

// What `k` says about a member `name` at `at`.
enum relation { OTHER, VARIANT, ENDS, LEADS_ON };

static enum relation relation(const struct steps *k, const struct steps *at, struct span name)
{
    for (size_t i = 0; i < at->n; i++)
        if (k->n <= at->n || !span_eq(k->v[i], at->v[i]))
            return OTHER;
    if (span_eq(k->v[at->n], name))
        return k->n == at->n + 1 ? ENDS : LEADS_ON;
    return span_ieq(k->v[at->n], name) ? VARIANT : OTHER;
}

static bool is_ascii(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static int check(struct gw_api_build *b, const struct compiled *c, json v, struct steps *at, bool any)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    if (json_type(v) != JSON_OBJECT)
        return gw_api_refuse(b, ERR_API_BODY, "not an object where the API has one", SPAN_NONE);
    while (json_next(&it, &name, &value)) {
        bool found[LEADS_ON + 1] = { false };
        for (size_t i = 0; i < c->n_known; i++)
            found[relation(&c->known[i], at, name)] = true;
        if (found[VARIANT])
            return gw_api_refuse(b, ERR_API_BODY, "a case variant of a known member", name);
        if (!found[ENDS] && !found[LEADS_ON] && (!any || !is_ascii(name)))
            return gw_api_refuse(b, ERR_API_BODY, "a member that is not known here", name);
        if (!found[LEADS_ON] || !gw_api_given(value))
            continue;
        at->v[at->n++] = name;
        int rc = check(b, c, value, at, any || found[ENDS]);
        at->n--;
        if (rc != 0)
            return rc;
    }
    return 0;
}

// `$.a.b`; NULL: it is not there.
static json member(json v, struct span place)
{
    struct span rest = span_sub(place, 2, place.n);
    while (!span_is_none(rest))
        v = json_get(v, span_cut(&rest, '.'));
    return v;
}

static struct span parameter(const struct gw_api_build *b, struct span place)
{
    for (size_t i = 0; i < b->n_query; i++)
        if (span_eq(b->query[i].name, span_sub(place, 1, place.n)))
            return b->query[i].value;
    return SPAN_NONE;
}

static int name_at(struct gw_api_build *b, json body, struct span place, struct span *out)
{
    if (span_is_none(place))
        return 0;
    if (in_body(place))
        return gw_api_body_name(b, member(body, place), out);
    struct span v = parameter(b, place);
    if (span_is_none(v) || !gw_api_name_ok(v))
        return gw_api_refuse(b, ERR_API_QUERY, "a parameter with a name is missing, or cannot be a name",
                             span_sub(place, 1, place.n));
    *out = v;
    return 0;
}

static int collections(struct gw_api_build *b, const struct gw_api_custom_row *row, json body)
{
    struct span place = row->where[GW_API_CUSTOM_COLLECTION], name = b->collection;
    json list = in_body(place) ? member(body, place) : NULL;
    if (json_type(list) != JSON_ARRAY) {
        int rc = name_at(b, body, place, &name);
        return rc == 0 ? gw_api_authorise_collection(b, row->action, name, row->is_new) : rc;
    }
    struct json_iter it = json_iter(list);
    struct span none;
    json v;
    int rc = 0;
    while (rc == 0 && json_next(&it, &none, &v)) {
        rc = gw_api_body_name(b, v, &name);
        if (rc == 0)
            rc = gw_api_authorise_collection(b, row->action, name, row->is_new);
    }
    return rc;
}

static int fact_limit(struct gw_api_build *b, json body, struct span place)
{
    uint64_t limit = 0;
    if (span_is_none(place))
        return 0;
    if (in_body(place)) {
        json v = member(body, place);
        int rc = gw_api_body_count(b, v, &limit);
        if (rc != 0 || !gw_api_given(v))
            return rc;
    } else {
        struct span v = parameter(b, place);
        if (span_is_none(v))
            return 0;
        if (!span_to_u64(v, &limit))
            return gw_api_refuse(b, ERR_API_QUERY, "a query parameter that is no number", span_sub(place, 1, place.n));
    }
    if (limit > 0) // 0 is none at all to many a server
        gw_api_fact_limit(b, limit);
    return 0;
}

static bool is_filter(struct gw_api_build *b, json body, struct span place)
{
    if (span_is_none(place))
        return false;
    if (!in_body(place))
        return span_trim(parameter(b, place)).n > 0;
    json v = member(body, place);
    return json_type(v) == JSON_STRING
               ? span_trim(json_string(v)).n > 0
               : (json_type(v) == JSON_OBJECT || json_type(v) == JSON_ARRAY) && json_count(v) > 0;
}

static int fact_count(struct gw_api_build *b, json body, struct span place, bool *has, uint64_t *n)
{
    if (!in_body(place))
        return 0;
    json v = member(body, place);
    if (!gw_api_given(v))
        return 0;
    if (json_type(v) != JSON_ARRAY)
        return gw_api_refuse(b, ERR_API_BODY, "not a list where the API has one", SPAN_NONE);
    *has = true;
    *n = json_count(v);
    return 0;
}

// What names something in one row may do so in another, where we do not look.
static int check_query(struct gw_api_build *b)
{
    const struct gw_api_custom *spec = table_of(b)->spec;
    const struct gw_api_custom_row *row = compiled_of(b)->row;
    for (size_t i = 0; i < b->n_query; i++) {
        struct span name = b->query[i].name;
        bool known = false;
        for (size_t k = 0; k < spec->n_query && !known; k++)
            known = span_eq(spec->query[k], name);
        for (size_t k = 0; k < GW_API_CUSTOM_FACTS && !known; k++)
            known = row->where[k].n > 0 && row->where[k].p[0] == '?' &&
                    span_eq(span_sub(row->where[k], 1, row->where[k].n), name);
        if (!known)
            return gw_api_refuse(b, ERR_API_QUERY, "a query parameter that is not known here", name);
    }
    return 0;
}

static int read_places(struct gw_api_build *b, json body)
{
    const struct gw_api_custom_row *row = compiled_of(b)->row;
    const struct span *where = row->where;
    struct gw_api_facts *f = &b->meaning.facts;
    struct span other = SPAN_NONE;
    int rc = check_query(b);
    if (rc == 0)
        rc = name_at(b, body, where[GW_API_CUSTOM_DATABASE], &b->database);
    if (rc == 0)
        rc = name_at(b, body, where[GW_API_CUSTOM_TENANT], &b->tenant);
    if (rc == 0)
        rc = collections(b, row, body);
    if (rc == 0)
        rc = name_at(b, body, where[GW_API_CUSTOM_NEW_COLLECTION], &other);
    if (rc == 0 && !span_is_none(other))
        rc = gw_api_authorise_collection(b, row->action, other, true);
    if (rc == 0)
        rc = fact_limit(b, body, where[GW_API_CUSTOM_LIMIT]);
    if (rc == 0)
        rc = fact_count(b, body, where[GW_API_CUSTOM_POINTS], &f->has_points, &f->points);
    if (rc == 0)
        rc = fact_count(b, body, where[GW_API_CUSTOM_QUERIES], &f->has_queries, &f->queries);
    f->has_filter = is_filter(b, body, where[GW_API_CUSTOM_FILTER]);
    f->with_vectors = f->with_payload = row->action == GW_ACTION_SEARCH || row->action == GW_ACTION_READ;
    return rc;
}

static int inspect(struct gw_api_build *b, json body)
{
    struct steps at = { .n = 0 };
    const struct compiled *c = compiled_of(b);
    int rc = check(b, c, body, &at, c->row->any_member);
    return rc == 0 ? read_places(b, body) : rc;
}

static int without_body(struct gw_api_build *b)
{
    b->meaning.facts.unread = b->request->has_body;
    return read_places(b, NULL);
}

// --------------------------------------------------------------------------------------------------------- compiling

static const char *text(struct arena *arena, struct span s)
{
    return arena_dup(arena, s).p;
}

static void split(struct steps *s, struct span path)
{
    while (!span_is_none(path))
        s->v[s->n++] = span_cut(&path, '.');
}

static bool compile_row(struct compiled *c, struct gw_api_row *r, const struct gw_api_custom_row *row,
                        struct arena *arena)
{
    bool body = reads_body(row);
    const struct gw_api_row compiled = {
        .method = text(arena, row->method),
        .path = text(arena, row->path),
        .action = row->action,
        .body = body                                                                      ? GW_API_BODY_INSPECT
                : span_eq(row->method, SPAN("GET")) || span_eq(row->method, SPAN("HEAD")) ? GW_API_BODY_NONE
                                                                                          : GW_API_BODY_STREAM,
        .flags = GW_API_BY_BODY,
        .inspect = body ? inspect : NULL,
        .finish = body ? NULL : without_body,
    };
    c->row = row;
    c->known = arena_array(arena, row->n_members + GW_API_CUSTOM_FACTS, sizeof(*c->known));
    if (!c->known || !compiled.method || !compiled.path)
        return false;
    for (size_t i = 0; i < GW_API_CUSTOM_FACTS; i++)
        if (in_body(row->where[i]))
            split(&c->known[c->n_known++], span_sub(row->where[i], 2, row->where[i].n));
    for (size_t i = 0; i < row->n_members; i++)
        split(&c->known[c->n_known++], row->members[i]);
    memcpy(r, &compiled, sizeof(compiled));
    return true;
}

// The parameters of all rows are the API's.
static const char *const *parameters(const struct gw_api_custom *spec, struct arena *arena)
{
    const char **all = arena_array(arena, spec->n_query + spec->n_rows * GW_API_CUSTOM_FACTS + 1, sizeof(*all));
    size_t n = 0;
    if (!all)
        return NULL;
    for (size_t i = 0; i < spec->n_query; i++)
        if (!(all[n++] = text(arena, spec->query[i])))
            return NULL;
    for (size_t i = 0; i < spec->n_rows; i++)
        for (size_t k = 0; k < GW_API_CUSTOM_FACTS; k++) {
            struct span place = spec->rows[i].where[k];
            if (place.n > 0 && place.p[0] == '?' && !(all[n++] = text(arena, span_sub(place, 1, place.n))))
                return NULL;
        }
    all[n] = NULL;
    return all;
}

const struct gw_api_def *gw_api_custom_def(const struct gw_api_custom *spec, struct arena *arena)
{
    struct table *t = arena_alloc(arena, sizeof(*t) + spec->n_rows * sizeof(t->rows[0]));
    struct gw_api_row *rows = arena_array(arena, spec->n_rows + 1, sizeof(*rows));
    const char *name = text(arena, spec->name);
    const char *const *query = parameters(spec, arena);
    if (!t || !rows || !name || !query)
        return NULL;
    t->spec = spec;
    t->def = (struct gw_api_def){ .name = name, .rows = rows, .n_rows = spec->n_rows, .query = query };
    for (size_t i = 0; i < spec->n_rows; i++)
        if (!compile_row(&t->rows[i], &rows[i], &spec->rows[i], arena))
            return NULL;
    return &t->def;
}

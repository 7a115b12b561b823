// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/graphql.h"

#include "gateway/api/graphql_token.h"
#include "gateway/base/err.h"

struct reader {
    struct gw_graphql_tokens in;
    unsigned depth;
    struct gw_graphql_class *class; // whose arguments or fields are read
    bool own;                       // its arguments
    bool aggregates;                // it is in Aggregate, not in Get
    gw_graphql_on_where on_where;   // may be NULL
    struct gw_graphql_condition condition;
    gw_graphql_on_class on_class;
    void *ctx;
};

static bool deeper(struct reader *r)
{
    return ++r->depth <= GW_GRAPHQL_DEPTH ? true : gw_graphql_fail(&r->in, "the query is nested too deep");
}

// ------------------------------------------------------------------------------------------------------------- values

static bool refer(struct reader *r, struct span class)
{
    if (!gw_graphql_is_class(class))
        return gw_graphql_fail(&r->in, "the query refers to something that cannot be a class");
    if (r->class->n_references == GW_GRAPHQL_REFERENCES)
        return gw_graphql_fail(&r->in, "the query refers to too many classes");
    r->class->references[r->class->n_references++] = class;
    return true;
}

static bool plain_string(struct reader *r, struct span *text)
{
    if (r->in.token != GW_GRAPHQL_STRING || r->in.escaped)
        return gw_graphql_fail(&r->in, "the query names a class or tenant otherwise than by a plain string");
    *text = r->in.text;
    return gw_graphql_advance(&r->in);
}

// Property, class, property, …
static bool path(struct reader *r)
{
    struct span step;
    if (r->in.token == GW_GRAPHQL_STRING)
        return gw_graphql_advance(&r->in);
    if (!gw_graphql_take(&r->in, '[', "the query has a path that is no list of strings"))
        return false;
    for (unsigned i = 0; !gw_graphql_at(&r->in, ']'); i++) {
        if (i % 2 == 0 && r->in.token == GW_GRAPHQL_STRING) {
            if (!gw_graphql_advance(&r->in))
                return false;
        } else if (!plain_string(r, &step) || !refer(r, step)) {
            return false;
        }
    }
    return gw_graphql_advance(&r->in);
}

static bool beacon(struct reader *r)
{
    struct span text;
    if (!plain_string(r, &text))
        return false;
    struct span class = gw_graphql_beacon(text, false);
    return !span_is_none(class) ? refer(r, class)
                                : gw_graphql_fail(&r->in, "the query has a beacon that names no class");
}

static bool value(struct reader *r);

static bool object(struct reader *r)
{
    struct span name;
    while (!gw_graphql_at(&r->in, '}')) {
        if (!gw_graphql_take_name(&r->in, &name) ||
            !gw_graphql_take(&r->in, ':', "the query lacks a colon behind a member's name"))
            return false;
        // nearObject: { id: … }, nearText: { moveTo: { objects: [{ id: … }] } }
        r->class->by_id |= r->own && (span_eq(name, SPAN("id")) || span_eq(name, SPAN("beacon")));
        bool ok = span_eq(name, SPAN("path")) ? path(r) : span_eq(name, SPAN("beacon")) ? beacon(r) : value(r);
        if (!ok)
            return false;
    }
    return true;
}

static bool list(struct reader *r)
{
    while (!gw_graphql_at(&r->in, ']'))
        if (!value(r))
            return false;
    return true;
}

static bool value(struct reader *r)
{
    if (r->in.token == GW_GRAPHQL_STRING || r->in.token == GW_GRAPHQL_NUMBER || r->in.token == GW_GRAPHQL_NAME)
        return gw_graphql_advance(&r->in);
    bool is_list = gw_graphql_at(&r->in, '[');
    if (!is_list && !gw_graphql_at(&r->in, '{'))
        return gw_graphql_fail(&r->in, "the query lacks a value where one has to be");
    if (!deeper(r) || !gw_graphql_advance(&r->in) || !(is_list ? list(r) : object(r)))
        return false;
    r->depth--;
    return gw_graphql_advance(&r->in);
}

// ---------------------------------------------------------------------------------------------------------- arguments

static bool limit(struct reader *r)
{
    if (r->in.token != GW_GRAPHQL_NUMBER || !span_to_u64(r->in.text, &r->class->limit))
        return gw_graphql_fail(&r->in, "the query has a limit that is no count");
    r->class->has_limit = r->class->limit > 0; // a keyword search takes 0 for everything there is
    return gw_graphql_advance(&r->in);
}

// `where:` stands already. Ours are objects, and so has the client's to be: a list there would be several.
static bool where(struct reader *r)
{
    r->class->has_filter = true;
    if (r->condition.n == 0)
        return value(r);
    if (!gw_graphql_at(&r->in, '{'))
        return gw_graphql_fail(&r->in, "the query has a where that is no object");
    buf_append(r->in.out, SPAN("{ operator : And operands : [ "));
    buf_append(r->in.out, r->condition.text);
    buf_byte(r->in.out, ' ');
    if (!value(r))
        return false;
    buf_append(r->in.out, SPAN("] } "));
    r->condition.n = 0;
    return true;
}

// The client has none.
static void write_where(struct reader *r)
{
    bool several = r->condition.n > 1;
    buf_append(r->in.out, several ? SPAN("where : { operator : And operands : [ ") : SPAN("where : "));
    buf_append(r->in.out, r->condition.text);
    buf_append(r->in.out, several ? SPAN(" ] } ") : SPAN(" "));
    r->condition.n = 0;
}

// Of a class (`own`), or of a field inside.
static bool argument(struct reader *r, struct span name, bool own)
{
    if (!own)
        return value(r);
    if (span_eq(name, SPAN("tenant")))
        return plain_string(r, &r->class->tenant);
    if (span_eq(name, SPAN("limit")))
        return limit(r);
    if (span_eq(name, SPAN("where")))
        return where(r);
    r->class->by_id |= span_eq(name, SPAN("nearObject"));
    return value(r);
}

enum { ARGUMENTS_MAX = 32 };

// The server would take the last of two.
static bool arguments(struct reader *r, bool own)
{
    struct span names[ARGUMENTS_MAX];
    size_t n = 0;
    if (!gw_graphql_at(&r->in, '(')) {
        if (own && r->condition.n > 0) {
            buf_append(r->in.out, SPAN("( "));
            write_where(r);
            buf_append(r->in.out, SPAN(") "));
        }
        return true;
    }
    if (!gw_graphql_advance(&r->in))
        return false;
    r->own = own;
    while (!gw_graphql_at(&r->in, ')')) {
        if (n == ARGUMENTS_MAX)
            return gw_graphql_fail(&r->in, "the query has too many arguments");
        if (!gw_graphql_take_name(&r->in, &names[n]))
            return false;
        for (size_t i = 0; i < n; i++)
            if (span_eq(names[i], names[n]))
                return gw_graphql_fail(&r->in, "the query has an argument twice");
        if (!gw_graphql_take(&r->in, ':', "the query lacks a colon behind an argument's name") ||
            !argument(r, names[n], own))
            return false;
        n++;
    }
    r->own = false;
    if (own && r->condition.n > 0)
        write_where(r);
    return gw_graphql_advance(&r->in);
}

// ------------------------------------------------------------------------------------------------------------- fields

// [alias :] name
static bool field_name(struct reader *r, struct span *name)
{
    if (!gw_graphql_take_name(&r->in, name))
        return false;
    if (!gw_graphql_at(&r->in, ':'))
        return true;
    return gw_graphql_advance(&r->in) && gw_graphql_take_name(&r->in, name);
}

static bool introspects(struct span name)
{
    return span_starts(name, SPAN("__")) && !span_eq(name, SPAN("__typename"));
}

// What the fields of a selection are.
enum place {
    OBJECT,     // of a class: properties
    REFERRED,   // of a class that it refers to, or parts of a property
    ADDITIONAL, // what there is beside properties
    VECTORS,    // names of vectors
    HITS,       // of the objects of a group: properties
};

// Beside properties there are modules' answers, which are made of them, and groups' values, which are one's.
static bool tells_properties(struct span name)
{
    // clang-format off
    static const char *const silent[] = {
        "id", "vector", "vectors", "certainty", "distance", "score", "explainScore", "creationTimeUnix",
        "lastUpdateTimeUnix", "isConsistent", "queryProfile", "rerank", "group", "count", "minDistance", "maxDistance",
        "hits", "__typename", NULL };
    // clang-format on
    size_t i = 0;
    while (silent[i] && !span_eq(name, span_str(silent[i])))
        i++;
    return !silent[i];
}

static void fact_field(struct reader *r, enum place place, struct span name)
{
    bool is_additional = span_eq(name, SPAN("_additional"));
    bool is_property = !is_additional && !span_eq(name, SPAN("__typename"));
    if (place == OBJECT || place == HITS)
        r->class->with_payload |= is_property && !(r->aggregates && span_eq(name, SPAN("meta")));
    if (place != ADDITIONAL)
        return;
    r->class->with_payload |= tells_properties(name);
    r->class->with_vectors |=
        span_eq(name, SPAN("vector")) || span_eq(name, SPAN("vectors")) || span_eq(name, SPAN("featureProjection"));
}

static enum place place_inside(enum place place, struct span name)
{
    if (place != ADDITIONAL)
        return span_eq(name, SPAN("_additional")) ? ADDITIONAL : REFERRED;
    return span_eq(name, SPAN("hits")) ? HITS : span_eq(name, SPAN("vectors")) ? VECTORS : ADDITIONAL;
}

static bool fields(struct reader *r, enum place place);

static bool field(struct reader *r, enum place place)
{
    struct span name;
    if (!field_name(r, &name))
        return false;
    if (introspects(name))
        return gw_graphql_fail(&r->in, "the query asks for the schema");
    fact_field(r, place, name);
    return arguments(r, false) && (!gw_graphql_at(&r->in, '{') || fields(r, place_inside(place, name)));
}

// ... on Class { … }
static bool fragment(struct reader *r, enum place place)
{
    struct span class;
    if (!gw_graphql_advance(&r->in))
        return false;
    if (r->in.token != GW_GRAPHQL_NAME || !span_eq(r->in.text, SPAN("on")))
        return gw_graphql_fail(&r->in, "the query has a fragment other than `... on Class`");
    return gw_graphql_advance(&r->in) && gw_graphql_take_name(&r->in, &class) && refer(r, class) && fields(r, place);
}

static bool fields(struct reader *r, enum place place)
{
    if (!deeper(r) || !gw_graphql_take(&r->in, '{', "the query lacks a brace"))
        return false;
    if (gw_graphql_at(&r->in, '}'))
        return gw_graphql_fail(&r->in, "the query has an empty selection");
    while (!gw_graphql_at(&r->in, '}'))
        if (!(r->in.token == GW_GRAPHQL_SPREAD ? fragment(r, place) : field(r, place)))
            return false;
    r->depth--;
    return gw_graphql_advance(&r->in);
}

static bool class(struct reader *r)
{
    struct gw_graphql_class c = { .tenant = SPAN_NONE };
    if (!field_name(r, &c.name))
        return false;
    if (span_eq(c.name, SPAN("__typename")))
        return true;
    if (!gw_graphql_is_class(c.name))
        return gw_graphql_fail(&r->in, "the query searches something that cannot be a class");
    if (r->on_where && (r->in.error = r->on_where(r->ctx, c.name, &r->condition)) != 0)
        return false;
    r->class = &c;
    bool ok = arguments(r, true) && fields(r, OBJECT);
    r->class = NULL;
    if (ok && r->on_class)
        r->in.error = r->on_class(r->ctx, &c);
    return ok && r->in.error == 0;
}

// { Get { … } Aggregate { … } }
static bool root(struct reader *r)
{
    struct span name;
    if (!field_name(r, &name))
        return false;
    if (span_eq(name, SPAN("__typename")))
        return true;
    if (span_eq(name, SPAN("Explore")))
        return gw_graphql_fail(&r->in, "Explore searches every class; use Get");
    if (!span_eq(name, SPAN("Get")) && !span_eq(name, SPAN("Aggregate")))
        return gw_graphql_fail(&r->in, "the query asks for something other than Get and Aggregate");
    r->aggregates = span_eq(name, SPAN("Aggregate"));
    if (!deeper(r) || !gw_graphql_take(&r->in, '{', "the query lacks a brace"))
        return false;
    while (!gw_graphql_at(&r->in, '}'))
        if (!class(r))
            return false;
    r->depth--;
    return gw_graphql_advance(&r->in);
}

static bool document(struct reader *r)
{
    if (!gw_graphql_next(&r->in))
        return false;
    if (r->in.token == GW_GRAPHQL_NAME) {
        if (!span_eq(r->in.text, SPAN("query")))
            return gw_graphql_fail(&r->in, "the text is no query");
        if (!gw_graphql_advance(&r->in) || (r->in.token == GW_GRAPHQL_NAME && !gw_graphql_advance(&r->in)))
            return false;
    }
    if (!deeper(r) || !gw_graphql_take(&r->in, '{', "the query lacks a brace"))
        return false;
    while (!gw_graphql_at(&r->in, '}'))
        if (!root(r))
            return false;
    if (!gw_graphql_advance(&r->in))
        return false;
    return r->in.token == GW_GRAPHQL_END ? true : gw_graphql_fail(&r->in, "there is something behind the query");
}

static int read_all(struct reader *r, const char **problem)
{
    document(r);
    if (r->in.error == 0 && r->in.out->failed)
        return ERR_NOMEM;
    if (r->in.problem)
        *problem = r->in.problem;
    return r->in.error;
}

int gw_graphql_read(struct span text, gw_graphql_on_class on_class, void *ctx, struct buf *out, const char **problem)
{
    struct reader r = { .in = { .at = text.p, .end = text.p + text.n, .out = out }, .on_class = on_class, .ctx = ctx };
    return read_all(&r, problem);
}

int gw_graphql_confine(struct span text, gw_graphql_on_where on_where, void *ctx, struct buf *out, const char **problem)
{
    struct reader r = { .in = { .at = text.p, .end = text.p + text.n, .out = out }, .on_where = on_where, .ctx = ctx };
    return read_all(&r, problem);
}

struct span gw_graphql_beacon(struct span text, bool with_property)
{
    static const struct span scheme = SPAN("weaviate://");
    if (!span_starts(text, scheme))
        return SPAN_NONE;
    struct span rest = span_sub(text, scheme.n, text.n);
    span_cut(&rest, '/'); // the host
    struct span name = span_cut(&rest, '/');
    for (unsigned left = with_property ? 2 : 1; left > 0; left--)
        if (span_cut(&rest, '/').n == 0)
            return SPAN_NONE;
    return span_is_none(rest) && gw_graphql_is_class(name) ? name : SPAN_NONE;
}

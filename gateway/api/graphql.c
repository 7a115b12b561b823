// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/graphql.h"

#include "gateway/base/err.h"

enum token {
    END,
    NAME,
    NUMBER,
    STRING,
    SPREAD, // ...
    MARK,   // one of ( ) [ ] { } :
};

struct reader {
    const char *at, *end;
    struct buf *out;
    unsigned depth;
    const char *problem;
    int error;
    // The current token; of a string what is between the quotes.
    enum token token;
    struct span text;
    bool escaped;                   // the string has escapes
    struct gw_graphql_class *class; // whose arguments or fields are read
    bool own;                       // its arguments
    bool aggregates;                // it is in Aggregate, not in Get
    gw_graphql_on_where on_where;   // may be NULL
    struct gw_graphql_condition condition;
    gw_graphql_on_class on_class;
    void *ctx;
};

static bool fail(struct reader *r, const char *problem)
{
    if (r->error == 0) {
        r->error = ERR_API_BODY;
        r->problem = problem;
    }
    return false;
}

// ------------------------------------------------------------------------------------------------------------- tokens

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char peek(const struct reader *r)
{
    return r->at < r->end ? *r->at : '\0';
}

static bool digits(struct reader *r)
{
    if (!is_digit(peek(r)))
        return fail(r, "the query has a number that cannot be read");
    while (is_digit(peek(r)))
        r->at++;
    return true;
}

static bool number(struct reader *r)
{
    if (peek(r) == '-')
        r->at++;
    bool zero = peek(r) == '0';
    const char *first = r->at;
    if (!digits(r))
        return false;
    if (zero && r->at > first + 1)
        return fail(r, "the query has a number with a leading zero");
    if (peek(r) == '.') {
        r->at++;
        if (!digits(r))
            return false;
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        r->at++;
        if (peek(r) == '+' || peek(r) == '-')
            r->at++;
        if (!digits(r))
            return false;
    }
    return !is_letter(peek(r)) && peek(r) != '.' ? true : fail(r, "the query has a number that runs into a name");
}

static bool escape(struct reader *r)
{
    r->at++;
    if (peek(r) == 'u') {
        for (unsigned i = 1; i <= 4; i++) {
            char c = r->at + i < r->end ? r->at[i] : '\0';
            if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'f'))
                return fail(r, "the query has an escape that cannot be read");
        }
        r->at += 5;
        return true;
    }
    if (peek(r) == '\0' || !strchr("\"\\/bfnrt", peek(r)))
        return fail(r, "the query has an escape that cannot be read");
    r->at++;
    return true;
}

static bool string(struct reader *r)
{
    const char *first = ++r->at;
    r->escaped = false;
    while (r->at < r->end && *r->at != '"') {
        if ((unsigned char)*r->at < 0x20)
            return fail(r, "the query has a line end or control character in a string");
        if (*r->at != '\\') {
            r->at++;
            continue;
        }
        r->escaped = true;
        if (!escape(r))
            return false;
    }
    if (r->at == r->end)
        return fail(r, "the query has a string without end");
    r->text = span_of(first, (size_t)(r->at - first));
    r->at++;
    if (r->text.n == 0 && peek(r) == '"')
        return fail(r, "the query has a block string, which is not read here");
    return true;
}

// What cannot be read here, by what it begins with.
static bool odd(struct reader *r, char c)
{
    switch (c) {
    case '$': return fail(r, "the query has variables, which are not read here; write the values into it");
    case '@': return fail(r, "the query has directives, which are not read here");
    case '#': return fail(r, "the query has comments, which are not read here");
    default: return fail(r, "the query has a character that is not of the language");
    }
}

// Reads the next token and writes the one before it.
static bool next(struct reader *r)
{
    while (r->at < r->end && strchr(" \t\r\n,", *r->at) && *r->at)
        r->at++;
    r->text = SPAN_NONE;
    if (r->at == r->end) {
        r->token = END;
        return true;
    }
    const char *first = r->at;
    char c = *r->at;
    if (is_letter(c)) {
        while (r->at < r->end && (is_letter(*r->at) || is_digit(*r->at)))
            r->at++;
        r->token = NAME;
    } else if (is_digit(c) || c == '-') {
        r->token = NUMBER;
        if (!number(r))
            return false;
    } else if (c == '"') {
        r->token = STRING;
        return string(r);
    } else if (c == '.') {
        if (r->end - r->at < 3 || memcmp(r->at, "...", 3) != 0)
            return odd(r, c);
        r->at += 3;
        r->token = SPREAD;
    } else if (c && strchr("()[]{}:", c)) {
        r->at++;
        r->token = MARK;
    } else {
        return odd(r, c);
    }
    r->text = span_of(first, (size_t)(r->at - first));
    return true;
}

static void write_token(struct reader *r)
{
    bool quoted = r->token == STRING;
    buf_append(r->out, quoted ? SPAN("\"") : SPAN(""));
    buf_append(r->out, r->text);
    buf_append(r->out, quoted ? SPAN("\" ") : SPAN(" "));
}

// Takes the current token over into what is written.
static bool advance(struct reader *r)
{
    write_token(r);
    return next(r);
}

static bool is_mark(const struct reader *r, char c)
{
    return r->token == MARK && r->text.p[0] == c;
}

static bool take(struct reader *r, char c, const char *problem)
{
    return is_mark(r, c) ? advance(r) : fail(r, problem);
}

static bool take_name(struct reader *r, struct span *name)
{
    if (r->token != NAME)
        return fail(r, "the query lacks a name where one has to be");
    *name = r->text;
    return advance(r);
}

static bool deeper(struct reader *r)
{
    return ++r->depth <= GW_GRAPHQL_DEPTH ? true : fail(r, "the query is nested too deep");
}

// ------------------------------------------------------------------------------------------------------------- values

static bool refer(struct reader *r, struct span class)
{
    if (!gw_graphql_is_class(class))
        return fail(r, "the query refers to something that cannot be a class");
    if (r->class->n_references == GW_GRAPHQL_REFERENCES)
        return fail(r, "the query refers to too many classes");
    r->class->references[r->class->n_references++] = class;
    return true;
}

static bool plain_string(struct reader *r, struct span *text)
{
    if (r->token != STRING || r->escaped)
        return fail(r, "the query names a class or tenant otherwise than by a plain string");
    *text = r->text;
    return advance(r);
}

// Property, class, property, …
static bool path(struct reader *r)
{
    struct span step;
    if (r->token == STRING)
        return advance(r);
    if (!take(r, '[', "the query has a path that is no list of strings"))
        return false;
    for (unsigned i = 0; !is_mark(r, ']'); i++) {
        if (i % 2 == 0 && r->token == STRING) {
            if (!advance(r))
                return false;
        } else if (!plain_string(r, &step) || !refer(r, step)) {
            return false;
        }
    }
    return advance(r);
}

static bool beacon(struct reader *r)
{
    struct span text;
    if (!plain_string(r, &text))
        return false;
    struct span class = gw_graphql_beacon(text, false);
    return !span_is_none(class) ? refer(r, class) : fail(r, "the query has a beacon that names no class");
}

static bool value(struct reader *r);

static bool object(struct reader *r)
{
    struct span name;
    while (!is_mark(r, '}')) {
        if (!take_name(r, &name) || !take(r, ':', "the query lacks a colon behind a member's name"))
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
    while (!is_mark(r, ']'))
        if (!value(r))
            return false;
    return true;
}

static bool value(struct reader *r)
{
    if (r->token == STRING || r->token == NUMBER || r->token == NAME)
        return advance(r);
    bool is_list = is_mark(r, '[');
    if (!is_list && !is_mark(r, '{'))
        return fail(r, "the query lacks a value where one has to be");
    if (!deeper(r) || !advance(r) || !(is_list ? list(r) : object(r)))
        return false;
    r->depth--;
    return advance(r);
}

// ---------------------------------------------------------------------------------------------------------- arguments

static bool limit(struct reader *r)
{
    if (r->token != NUMBER || !span_to_u64(r->text, &r->class->limit))
        return fail(r, "the query has a limit that is no count");
    r->class->has_limit = r->class->limit > 0; // a keyword search takes 0 for everything there is
    return advance(r);
}

// `where:` stands already. Ours are objects, and so has the client's to be: a list there would be several.
static bool where(struct reader *r)
{
    r->class->has_filter = true;
    if (r->condition.n == 0)
        return value(r);
    if (!is_mark(r, '{'))
        return fail(r, "the query has a where that is no object");
    buf_append(r->out, SPAN("{ operator : And operands : [ "));
    buf_append(r->out, r->condition.text);
    buf_byte(r->out, ' ');
    if (!value(r))
        return false;
    buf_append(r->out, SPAN("] } "));
    r->condition.n = 0;
    return true;
}

// The client has none.
static void write_where(struct reader *r)
{
    bool several = r->condition.n > 1;
    buf_append(r->out, several ? SPAN("where : { operator : And operands : [ ") : SPAN("where : "));
    buf_append(r->out, r->condition.text);
    buf_append(r->out, several ? SPAN(" ] } ") : SPAN(" "));
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
    if (!is_mark(r, '(')) {
        if (own && r->condition.n > 0) {
            buf_append(r->out, SPAN("( "));
            write_where(r);
            buf_append(r->out, SPAN(") "));
        }
        return true;
    }
    if (!advance(r))
        return false;
    r->own = own;
    while (!is_mark(r, ')')) {
        if (n == ARGUMENTS_MAX)
            return fail(r, "the query has too many arguments");
        if (!take_name(r, &names[n]))
            return false;
        for (size_t i = 0; i < n; i++)
            if (span_eq(names[i], names[n]))
                return fail(r, "the query has an argument twice");
        if (!take(r, ':', "the query lacks a colon behind an argument's name") || !argument(r, names[n], own))
            return false;
        n++;
    }
    r->own = false;
    if (own && r->condition.n > 0)
        write_where(r);
    return advance(r);
}

// ------------------------------------------------------------------------------------------------------------- fields

// [alias :] name
static bool field_name(struct reader *r, struct span *name)
{
    if (!take_name(r, name))
        return false;
    if (!is_mark(r, ':'))
        return true;
    return advance(r) && take_name(r, name);
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
        return fail(r, "the query asks for the schema");
    fact_field(r, place, name);
    return arguments(r, false) && (!is_mark(r, '{') || fields(r, place_inside(place, name)));
}

// ... on Class { … }
static bool fragment(struct reader *r, enum place place)
{
    struct span class;
    if (!advance(r))
        return false;
    if (r->token != NAME || !span_eq(r->text, SPAN("on")))
        return fail(r, "the query has a fragment other than `... on Class`");
    return advance(r) && take_name(r, &class) && refer(r, class) && fields(r, place);
}

static bool fields(struct reader *r, enum place place)
{
    if (!deeper(r) || !take(r, '{', "the query lacks a brace"))
        return false;
    if (is_mark(r, '}'))
        return fail(r, "the query has an empty selection");
    while (!is_mark(r, '}'))
        if (!(r->token == SPREAD ? fragment(r, place) : field(r, place)))
            return false;
    r->depth--;
    return advance(r);
}

static bool class(struct reader *r)
{
    struct gw_graphql_class c = { .tenant = SPAN_NONE };
    if (!field_name(r, &c.name))
        return false;
    if (span_eq(c.name, SPAN("__typename")))
        return true;
    if (!gw_graphql_is_class(c.name))
        return fail(r, "the query searches something that cannot be a class");
    if (r->on_where && (r->error = r->on_where(r->ctx, c.name, &r->condition)) != 0)
        return false;
    r->class = &c;
    bool ok = arguments(r, true) && fields(r, OBJECT);
    r->class = NULL;
    if (ok && r->on_class)
        r->error = r->on_class(r->ctx, &c);
    return ok && r->error == 0;
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
        return fail(r, "Explore searches every class; use Get");
    if (!span_eq(name, SPAN("Get")) && !span_eq(name, SPAN("Aggregate")))
        return fail(r, "the query asks for something other than Get and Aggregate");
    r->aggregates = span_eq(name, SPAN("Aggregate"));
    if (!deeper(r) || !take(r, '{', "the query lacks a brace"))
        return false;
    while (!is_mark(r, '}'))
        if (!class(r))
            return false;
    r->depth--;
    return advance(r);
}

static bool document(struct reader *r)
{
    if (!next(r))
        return false;
    if (r->token == NAME) {
        if (!span_eq(r->text, SPAN("query")))
            return fail(r, "the text is no query");
        if (!advance(r) || (r->token == NAME && !advance(r)))
            return false;
    }
    if (!deeper(r) || !take(r, '{', "the query lacks a brace"))
        return false;
    while (!is_mark(r, '}'))
        if (!root(r))
            return false;
    if (!advance(r))
        return false;
    return r->token == END ? true : fail(r, "there is something behind the query");
}

static int read_all(struct reader *r, const char **problem)
{
    document(r);
    if (r->error == 0 && r->out->failed)
        return ERR_NOMEM;
    if (r->problem)
        *problem = r->problem;
    return r->error;
}

int gw_graphql_read(struct span text, gw_graphql_on_class on_class, void *ctx, struct buf *out, const char **problem)
{
    struct reader r = { .at = text.p, .end = text.p + text.n, .out = out, .on_class = on_class, .ctx = ctx };
    return read_all(&r, problem);
}

int gw_graphql_confine(struct span text, gw_graphql_on_where on_where, void *ctx, struct buf *out, const char **problem)
{
    struct reader r = { .at = text.p, .end = text.p + text.n, .out = out, .on_where = on_where, .ctx = ctx };
    return read_all(&r, problem);
}

bool gw_graphql_is_class(struct span name)
{
    if (name.n == 0 || !is_letter(name.p[0]) || name.p[0] == '_')
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!is_letter(name.p[i]) && !is_digit(name.p[i]))
            return false;
    return true;
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

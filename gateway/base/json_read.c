// SPDX-License-Identifier: GPL-3.0-or-later
// The reader: one pass over a copy of the text, without recursion. What is refused is refused where it stands.
#include "gateway/base/json_inside.h"

#include <stdlib.h>
#include <yyjson.h>

enum {
    BYTES_MOST = 1024 * 1024,
    BYTES_EVER = UINT32_MAX - JSON_PADDING,
    DEPTH_MOST = 32,
    DEPTH_EVER = 512,
    PAIRWISE_MOST = 8,
    DOUBLE_DIGITS = 300 // so many digits without an exponent are surely less than infinity
};

struct reader {
    struct json_doc *doc;
    char *at, *end;
    const char *other; // behind the last thing that the writer would write otherwise: space, an escape
    uint32_t open;     // the innermost container that is open, counted from 1; 0: none
    unsigned depth, depth_most;
    bool nul_names, raw_numbers;
    const char *what, *where; // of the error
};

static void complain(struct json_error *err, struct span text, size_t offset, const char *what)
{
    if (!err)
        return;
    if (offset > text.n)
        offset = text.n;
    *err = (struct json_error){ .what = what, .offset = offset, .line = 1, .column = 1 };
    for (size_t i = 0; i < offset; i++) {
        err->column++;
        if (text.p[i] == '\n') {
            err->line++;
            err->column = 1;
        }
    }
}

static bool fail(struct reader *r, const char *where, const char *what)
{
    r->where = where;
    r->what = where >= r->end ? "the text ends too early" : what;
    return false;
}

static bool no_memory(struct reader *r)
{
    r->where = r->doc->text;
    r->what = "out of memory";
    return false;
}

static bool grow(struct json_doc *doc)
{
    uint32_t cap = doc->cap * 2; // of a text below 4 GiB
    size_t size = sizeof *doc->nodes;
    struct json_value_ *nodes;
    bool first = doc->nodes == doc->first;

    if (doc->arena)
        nodes = arena_array(doc->arena, cap, size);
    else
        nodes = realloc(first ? NULL : doc->nodes, cap * size);
    if (!nodes)
        return false;
    if (doc->arena || first)
        memcpy(nodes, doc->nodes, doc->n * size);
    doc->nodes = nodes;
    doc->cap = cap;
    return true;
}

// The next node; what pointed to others is void. NULL when out of memory.
static struct json_value_ *push(struct reader *r, enum json_type type, const char *p)
{
    struct json_doc *doc = r->doc;

    if (doc->n == doc->cap && !grow(doc)) {
        no_memory(r);
        return NULL;
    }
    struct json_value_ *v = &doc->nodes[doc->n++];
    *v = (struct json_value_){ .p = p, .skip = 1, .type = (uint8_t)type, .same = true };
    return v;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void space(struct reader *r)
{
    if (!is_space(*r->at))
        return;
    do
        r->at++;
    while (is_space(*r->at));
    r->other = r->at;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int hex_4(const char *p)
{
    int v = 0;

    for (int i = 0; i < 4; i++) {
        char lower = (char)(p[i] | 0x20);
        if (is_digit(p[i]))
            v = v << 4 | (p[i] - '0');
        else if (lower >= 'a' && lower <= 'f')
            v = v << 4 | (lower - 'a' + 10);
        else
            return -1;
    }
    return v;
}

static size_t utf8(char *to, unsigned c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; --i > 0; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((0xf00u >> n & 0xf0) | c);
    return n;
}

// The escape at `from`, written to `*to`. How long it is; 0 with the error.
static size_t unescape(struct reader *r, const char *from, char **to, bool name)
{
    static const char plain[256] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'
    };
    char c = plain[(unsigned char)from[1]];
    int high, low;

    if (c) {
        *(*to)++ = c;
        return 2;
    }
    if (from[1] != 'u' || (high = hex_4(from + 2)) < 0)
        return fail(r, from, "an escape that does not exist");
    if (high == 0 && name && !r->nul_names)
        return fail(r, r->doc->nodes[r->doc->n - 1].p - 1, "NUL in a member's name");
    if (high < 0xd800 || high > 0xdfff) {
        *to += utf8(*to, (unsigned)high);
        return 6;
    }
    if (high > 0xdbff || from[6] != '\\' || from[7] != 'u' || (low = hex_4(from + 8)) < 0xdc00 || low > 0xdfff)
        return fail(r, from, "half of a surrogate pair");
    *to += utf8(*to, 0x10000 + ((unsigned)(high - 0xd800) << 10) + (unsigned)(low - 0xdc00));
    return 12;
}

// The rest of a string of which `from` is the first byte that is not plain. Where it ends in the text, `*to` where it ends now.
static char *string_rest(struct reader *r, char *from, char **to, bool name)
{
    *to = from;
    for (;;) {
        size_t n;
        if (*from == '"')
            return from;
        if (*from == '\\') {
            r->other = from + 1;
            n = unescape(r, from, to, name);
            if (!n)
                return NULL;
            from += n;
            continue;
        }
        if (!(n = json_plain_(from)))
            n = (unsigned char)*from < 0x20 ? 0 : span_utf8(span_of(from, (size_t)(r->end - from)), 0);
        if (!n) {
            fail(r, from, (unsigned char)*from < 0x20 ? "a control character in a string" : "not UTF-8");
            return NULL;
        }
        if (*to != from)
            memmove(*to, from, n);
        *to += n;
        from += n;
    }
}

static bool string(struct reader *r, bool name)
{
    char *start = r->at + 1, *p = start;
    struct json_value_ *v = push(r, JSON_STRING, start);
    const char *other = r->other;
    unsigned n;

    if (!v)
        return false;
    do
        p += n = json_plain_(p);
    while (n == 16);
    r->at = p;
    if (*p != '"' && !(r->at = string_rest(r, p, &p, name)))
        return false;
    r->at++;
    v->n = (uint32_t)(p - start);
    v->same = r->other == other;
    return true;
}

// Of RFC 8259 §6. What follows it is looked at by the caller.
static bool number(struct reader *r)
{
    struct json_value_ *v = push(r, JSON_REAL, r->at);
    const char *p = r->at;
    bool exponent = false;

    if (!v)
        return false;
    p += *p == '-';
    if (!is_digit(*p))
        return fail(r, p, "no digit where a number has to have one");
    if (*p++ != '0')
        while (is_digit(*p))
            p++;
    if (*p == '.') {
        if (!is_digit(*++p))
            return fail(r, p, "no digit where a number has to have one");
        while (is_digit(*p))
            p++;
    }
    if ((*p | 0x20) == 'e') {
        exponent = true;
        p++;
        p += *p == '+' || *p == '-';
        if (!is_digit(*p))
            return fail(r, p, "no digit where a number has to have one");
        while (is_digit(*p))
            p++;
    }
    yyjson_val as = { 0 };
    if (!r->raw_numbers && (exponent || p - v->p > DOUBLE_DIGITS) &&
        !yyjson_read_number(v->p, &as, YYJSON_READ_NOFLAG, NULL, NULL))
        return fail(r, v->p, "a number that is infinity to whoever reads it");
    v->n = (uint32_t)(p - v->p);
    r->at += v->n;
    return true;
}

static bool literal(struct reader *r, struct span text, enum json_type type)
{
    struct json_value_ *v;

    if (memcmp(r->at, text.p, text.n) != 0)
        return fail(r, r->at, "no value");
    v = push(r, type, r->at);
    if (!v)
        return false;
    v->n = (uint32_t)text.n;
    r->at += text.n;
    return true;
}

static void measure(struct reader *r, struct json_value_ *container)
{
    container->n = (uint32_t)(r->at - container->p);
    container->same = r->other <= container->p;
}

// At what opens it. An empty container, and an array of numbers, are whole then.
static bool open_container(struct reader *r, enum json_type type)
{
    struct json_value_ *v;

    if (r->depth == r->depth_most)
        return fail(r, r->at, "nested too deeply");
    if (!(v = push(r, type, r->at)))
        return false;
    r->at++;
    space(r);
    if (*r->at == (type == JSON_OBJECT ? '}' : ']')) {
        r->at++;
        measure(r, v);
        return true;
    }
    if (type == JSON_ARRAY && r->raw_numbers && (is_digit(*r->at) || *r->at == '-')) {
        bool spaced;
        const char *end = json_numbers_(r->at, &v->count, &spaced);
        if (end) {
            r->at += end + 1 - r->at;
            if (spaced)
                r->other = end;
            v->numbers = true;
            measure(r, v);
            return true;
        }
    }
    v->count = 1;
    v->skip = r->open;
    r->open = r->doc->n;
    r->depth++;
    return true;
}

static struct span name_of(const struct json_value_ *v)
{
    return span_of(v->p, v->n);
}

static int by_name(const void *a, const void *b)
{
    return span_cmp(name_of(*(const struct json_value_ *const *)a), name_of(*(const struct json_value_ *const *)b));
}

// Few members are compared pairwise; many are sorted, so that a large object does not cost the square of its size.
static bool names_differ(struct reader *r, const struct json_value_ *object)
{
    const struct json_value_ *few[PAIRWISE_MOST], **names = few, *twice = NULL, *name = object + 1;
    uint32_t n = object->count;

    if (n > PAIRWISE_MOST && !(names = malloc(n * sizeof *names)))
        return no_memory(r);
    for (uint32_t i = 0; i < n; i++) {
        names[i] = name;
        for (uint32_t k = 0; k < i && n <= PAIRWISE_MOST && !twice; k++)
            if (span_eq(name_of(names[k]), name_of(name)))
                twice = name;
        name += 1 + name[1].skip;
    }
    if (n > PAIRWISE_MOST) {
        qsort(names, n, sizeof *names, by_name);
        for (uint32_t i = 1; i < n && !twice; i++)
            if (span_eq(name_of(names[i - 1]), name_of(names[i])))
                twice = names[i - 1] > names[i] ? names[i - 1] : names[i];
    }
    if (names != few)
        free(names);
    return twice ? fail(r, twice->p - 1, "duplicate member") : true;
}

static bool close_container(struct reader *r)
{
    struct json_value_ *v = &r->doc->nodes[r->open - 1];
    uint32_t parent = v->skip;

    if (*r->at != (v->type == JSON_OBJECT ? '}' : ']'))
        return fail(r, r->at,
                    v->type == JSON_OBJECT ? "neither a comma nor '}' behind a member"
                                           : "neither a comma nor ']' behind an element");
    r->at++;
    measure(r, v);
    v->skip = r->doc->n - (r->open - 1);
    r->open = parent;
    r->depth--;
    return v->type == JSON_OBJECT && v->count > 1 ? names_differ(r, v) : true;
}

static bool name(struct reader *r)
{
    if (*r->at != '"')
        return fail(r, r->at, "no member's name where one has to be");
    if (!string(r, true))
        return false;
    space(r);
    if (*r->at != ':')
        return fail(r, r->at, "no colon behind a member's name");
    r->at++;
    space(r);
    return true;
}

static bool value(struct reader *r)
{
    switch (*r->at) {
    case '"': return string(r, false);
    case '{': return open_container(r, JSON_OBJECT);
    case '[': return open_container(r, JSON_ARRAY);
    case 't': return literal(r, SPAN("true"), JSON_BOOL);
    case 'f': return literal(r, SPAN("false"), JSON_BOOL);
    case 'n': return literal(r, SPAN("null"), JSON_NULL);
    default: return is_digit(*r->at) || *r->at == '-' ? number(r) : fail(r, r->at, "no value where one has to be");
    }
}

static bool read_text(struct reader *r)
{
    space(r);
    for (;;) {
        uint32_t open = r->open;
        if (!value(r))
            return false;
        bool more = r->open != open; // it opened something
        while (!more && r->open) {
            space(r);
            more = *r->at == ',';
            if (more) {
                r->doc->nodes[r->open - 1].count++;
                r->at++;
                space(r);
            } else if (!close_container(r)) {
                return false;
            }
        }
        if (!more)
            break;
        if (r->doc->nodes[r->open - 1].type == JSON_OBJECT && !name(r))
            return false;
    }
    space(r);
    return r->at == r->end ? true : fail(r, r->at, "something behind the value");
}

static struct json_doc *parse(struct arena *arena, struct span text, const struct json_limits *limits,
                              struct json_error *err)
{
    size_t bytes = limits && limits->bytes ? limits->bytes : BYTES_MOST, size;
    unsigned depth = limits && limits->depth ? limits->depth : DEPTH_MOST;
    struct json_doc *doc;

    if (text.n > bytes || text.n > BYTES_EVER) {
        complain(err, text, bytes, "over the size that is allowed here");
        return NULL;
    }
    size = sizeof *doc + text.n + JSON_PADDING;
    doc = arena ? arena_alloc(arena, size) : malloc(size);
    if (!doc) {
        complain(err, text, 0, "out of memory");
        return NULL;
    }
    doc->nodes = doc->first;
    doc->n = 0;
    doc->cap = JSON_NODES;
    doc->arena = arena;
    if (text.n)
        memcpy(doc->text, text.p, text.n);
    memset(doc->text + text.n, 0, JSON_PADDING);
    struct reader r = {
        .doc = doc,
        .at = doc->text,
        .end = doc->text + text.n,
        .depth_most = depth < DEPTH_EVER ? depth : DEPTH_EVER,
        .nul_names = limits && limits->nul_names,
        .raw_numbers = limits && limits->raw_numbers,
        .other = doc->text,
    };
    if (!read_text(&r)) {
        complain(err, text, (size_t)(r.where - doc->text), r.what);
        json_free(doc);
        return NULL;
    }
    return doc;
}

struct json_doc *json_parse(struct span text, const struct json_limits *limits, struct json_error *err)
{
    return parse(NULL, text, limits, err);
}

struct json_doc *json_parse_in(struct arena *arena, struct span text, const struct json_limits *limits,
                               struct json_error *err)
{
    return parse(arena, text, limits, err);
}

void json_free(struct json_doc *doc)
{
    if (!doc || doc->arena)
        return;
    if (doc->nodes != doc->first)
        free(doc->nodes);
    free(doc);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The text is copied once and parsed in place: strings then point into that copy, at the very offset where they stood in the text,
// which is how a duplicate member is reported with its place.
#include "gateway/base/json_inside.h"

#include <stdlib.h>
#include <yyjson.h>

enum { BYTES_MOST = 1024 * 1024, DEPTH_MOST = 32, DEPTH_EVER = 512, PAIRWISE_MOST = 8 };

struct json_doc {
    yyjson_doc *parsed;
    size_t n;
    char text[]; // n bytes and yyjson's padding
};

static yyjson_val *raw(json v)
{
    // yyjson takes const values too, but half of its functions return them without const.
    return (yyjson_val *)(uintptr_t)v;
}

static json wrapped(const yyjson_val *v)
{
    return (json)(const void *)v;
}

static struct span string_of(const yyjson_val *v)
{
    return span_of(unsafe_yyjson_get_str((void *)(uintptr_t)v), unsafe_yyjson_get_len((void *)(uintptr_t)v));
}

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

// Runs of so many bytes are looked at as a whole, in a form that compilers make vector instructions of.
enum { RUN = 16 };

// Nothing in the run opens, closes or quotes anything: digits, commas, spaces, most of a vector. The brackets are among the bytes from '@'
// to DEL, whose other letters, those of `true` and of exponents, merely take the slow way.
static bool dull_outside(const char *p)
{
    unsigned char found = 0;

    for (int i = 0; i < RUN; i++)
        found |= (unsigned char)((p[i] & 0x40) | (p[i] == '"'));
    return !found;
}

static bool dull_inside(const char *p)
{
    unsigned char found = 0;

    for (int i = 0; i < RUN; i++)
        found |= (unsigned char)((p[i] == '"') | (p[i] == '\\'));
    return !found;
}

// Depth is bounded on the text, before anything is built from it. Brackets inside strings do not count.
static bool depth_holds(struct span text, unsigned most, size_t *where)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.n;) {
        size_t end = text.n - i < RUN ? text.n : i + RUN;
        if (end - i == RUN && (in_string ? dull_inside(text.p + i) : dull_outside(text.p + i))) {
            i = end;
            continue;
        }
        for (; i < end; i++) {
            char c = text.p[i];
            if (in_string) {
                if (c == '\\')
                    i++; // perhaps past the run
                else if (c == '"')
                    in_string = false;
            } else if (c == '"') {
                in_string = true;
            } else if (c == '[' || c == '{') {
                *where = i;
                if (++depth > most)
                    return false;
            } else if ((c == ']' || c == '}') && depth) {
                depth--;
            }
        }
    }
    return true;
}

static int by_name(const void *a, const void *b)
{
    return span_cmp(string_of(*(yyjson_val *const *)a), string_of(*(yyjson_val *const *)b));
}

// What is wrong with the members' names, or NULL; `*at` is the offending name's value. Few members are compared pairwise; many
// are sorted, so that a large object does not cost the square of its size.
static const char *names_check(yyjson_val *object, bool nul, yyjson_val **at)
{
    static const char duplicate[] = "duplicate member", no_memory[] = "out of memory";
    size_t n = unsafe_yyjson_get_len(object), i = 0;
    yyjson_val *few[PAIRWISE_MOST], **names = few, *name;
    const char *what = NULL;
    yyjson_obj_iter it;

    if (n > PAIRWISE_MOST) {
        names = malloc(n * sizeof *names);
        if (!names)
            return no_memory;
    }
    yyjson_obj_iter_init(object, &it);
    while ((name = yyjson_obj_iter_next(&it))) {
        struct span s = string_of(name);
        if (!what && !nul && span_find(s, '\0') < s.n) {
            what = "NUL in a member's name";
            *at = name;
        }
        names[i++] = name;
    }
    if (!what && n > PAIRWISE_MOST) {
        qsort(names, n, sizeof *names, by_name);
        for (i = 1; i < n && !what; i++) {
            if (!span_eq(string_of(names[i - 1]), string_of(names[i])))
                continue;
            what = duplicate;
            *at = names[i - 1] > names[i] ? names[i - 1] : names[i];
        }
    } else if (!what) {
        for (i = 1; i < n && !what; i++)
            for (size_t k = 0; k < i && !what; k++)
                if (span_eq(string_of(names[k]), string_of(names[i]))) {
                    what = duplicate;
                    *at = names[i];
                }
    }
    if (names != few)
        free(names);
    return what;
}

// Recursion is as deep as depth_holds allowed.
static const char *values_check(yyjson_val *v, bool nul, yyjson_val **at)
{
    const char *what = NULL;
    size_t i, n;
    yyjson_val *name, *child;

    if (yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, child)
        {
            if (unsafe_yyjson_is_ctn(child) && (what = values_check(child, nul, at)))
                return what;
        }
    } else if (yyjson_is_obj(v)) {
        if ((what = names_check(v, nul, at)))
            return what;
        yyjson_obj_foreach(v, i, n, name, child)
        {
            if (unsafe_yyjson_is_ctn(child) && (what = values_check(child, nul, at)))
                return what;
        }
    }
    return NULL;
}

struct json_doc *json_parse(struct span text, const struct json_limits *limits, struct json_error *err)
{
    size_t bytes = limits && limits->bytes ? limits->bytes : BYTES_MOST, where = 0;
    unsigned depth = limits && limits->depth ? limits->depth : DEPTH_MOST;
    yyjson_read_err failed = { 0 };
    yyjson_val *at = NULL;
    struct json_doc *doc;
    const char *what;

    if (text.n > bytes || text.n > PTRDIFF_MAX / 16) {
        complain(err, text, bytes, "over the size that is allowed here");
        return NULL;
    }
    if (!depth_holds(text, depth < DEPTH_EVER ? depth : DEPTH_EVER, &where)) {
        complain(err, text, where, "nested too deeply");
        return NULL;
    }
    doc = malloc(sizeof *doc + text.n + YYJSON_PADDING_SIZE);
    if (!doc) {
        complain(err, text, 0, "out of memory");
        return NULL;
    }
    if (text.n)
        memcpy(doc->text, text.p, text.n);
    memset(doc->text + text.n, 0, YYJSON_PADDING_SIZE);
    doc->n = text.n;
    yyjson_read_flag flags = YYJSON_READ_INSITU | (limits && limits->raw_numbers ? YYJSON_READ_NUMBER_AS_RAW : 0);
    doc->parsed = yyjson_read_opts(doc->text, text.n, flags, NULL, &failed);
    if (!doc->parsed) {
        complain(err, text, failed.pos, failed.msg ? failed.msg : "not JSON");
        free(doc);
        return NULL;
    }
    what = values_check(yyjson_doc_get_root(doc->parsed), limits && limits->nul_names, &at);
    if (what) {
        complain(err, text, at ? (size_t)(string_of(at).p - doc->text) - 1 : 0, what);
        json_free(doc);
        return NULL;
    }
    return doc;
}

void json_free(struct json_doc *doc)
{
    if (!doc)
        return;
    yyjson_doc_free(doc->parsed);
    free(doc);
}

json json_root(const struct json_doc *doc)
{
    return doc ? wrapped(yyjson_doc_get_root(doc->parsed)) : NULL;
}

// The number itself, converted into `*as` when it was kept as text. NULL when it is larger than a double.
static yyjson_val *number_of(json v, yyjson_val *as)
{
    if (!unsafe_yyjson_is_raw(raw(v)))
        return raw(v);
    // It was checked as a number when it was read; what follows it in the text ends it.
    return yyjson_read_number(unsafe_yyjson_get_raw(raw(v)), as, YYJSON_READ_NOFLAG, NULL, NULL) ? as : NULL;
}

enum json_type json_type(json v)
{
    yyjson_val as = { 0 }, *number;

    if (!v)
        return JSON_ABSENT;
    switch (unsafe_yyjson_get_type(raw(v))) {
    case YYJSON_TYPE_NULL: return JSON_NULL;
    case YYJSON_TYPE_BOOL: return JSON_BOOL;
    case YYJSON_TYPE_STR: return JSON_STRING;
    case YYJSON_TYPE_ARR: return JSON_ARRAY;
    case YYJSON_TYPE_OBJ: return JSON_OBJECT;
    case YYJSON_TYPE_NUM:
    case YYJSON_TYPE_RAW:
        number = number_of(v, &as);
        if (!number || unsafe_yyjson_is_real(number))
            return JSON_REAL;
        return unsafe_yyjson_is_uint(number) ? JSON_UINT : JSON_INT;
    default: return JSON_ABSENT;
    }
}

bool json_bool(json v, bool *out)
{
    if (json_type(v) != JSON_BOOL)
        return false;
    *out = unsafe_yyjson_get_bool(raw(v));
    return true;
}

bool json_i64(json v, int64_t *out)
{
    enum json_type type = json_type(v);
    yyjson_val as = { 0 };

    if (type != JSON_INT && type != JSON_UINT)
        return false;
    yyjson_val *number = number_of(v, &as);
    if (type == JSON_UINT && unsafe_yyjson_get_uint(number) > INT64_MAX)
        return false;
    *out = unsafe_yyjson_get_sint(number);
    return true;
}

bool json_real(json v, double *out)
{
    enum json_type type = json_type(v);
    yyjson_val as = { 0 };

    if (type != JSON_REAL && type != JSON_UINT && type != JSON_INT)
        return false;
    yyjson_val *number = number_of(v, &as);
    if (!number)
        return false;
    if (type == JSON_REAL)
        *out = unsafe_yyjson_get_real(number);
    else if (type == JSON_UINT)
        *out = (double)unsafe_yyjson_get_uint(number);
    else
        *out = (double)unsafe_yyjson_get_sint(number);
    return true;
}

struct span json_string(json v)
{
    return json_type(v) == JSON_STRING ? string_of(raw(v)) : SPAN_NONE;
}

json json_get(json v, struct span name)
{
    return json_type(v) == JSON_OBJECT ? wrapped(yyjson_obj_getn(raw(v), name.p ? name.p : "", name.n)) : NULL;
}

size_t json_count(json v)
{
    enum json_type type = json_type(v);

    return type == JSON_ARRAY || type == JSON_OBJECT ? unsafe_yyjson_get_len(raw(v)) : 0;
}

json json_at(json v, size_t i)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value = NULL;

    if (i >= it.n)
        return NULL;
    for (size_t k = 0; k <= i; k++)
        json_next(&it, &name, &value);
    return value;
}

bool json_is_numbers(json v)
{
    if (json_type(v) != JSON_ARRAY)
        return false;
    yyjson_val *at = unsafe_yyjson_get_first(raw(v));
    for (size_t n = unsafe_yyjson_get_len(raw(v)); n > 0; n--, at = unsafe_yyjson_get_next(at))
        if (!unsafe_yyjson_is_num(at) && !unsafe_yyjson_is_raw(at))
            return false;
    return true;
}

struct json_iter json_iter(json container)
{
    size_t n = json_count(container);

    return (struct json_iter){
        .container = container,
        .next = n ? wrapped(unsafe_yyjson_get_first(raw(container))) : NULL,
        .n = n,
    };
}

bool json_next(struct json_iter *it, struct span *name, json *value)
{
    yyjson_val *v = raw(it->next);

    if (it->i >= it->n)
        return false;
    *name = SPAN_NONE;
    if (json_type(it->container) == JSON_OBJECT) {
        *name = string_of(v);
        v = v + 1;
    }
    *value = wrapped(v);
    it->next = wrapped(unsafe_yyjson_get_next(v));
    it->i++;
    return true;
}

bool json_write(struct buf *out, json v)
{
    size_t n;
    char *text = v ? yyjson_val_write_opts(raw(v), YYJSON_WRITE_NOFLAG, NULL, &n, NULL) : NULL;
    bool ok = text && buf_append(out, span_of(text, n));

    if (!text)
        out->failed = true;
    free(text);
    return ok;
}

void json_real_write_(struct buf *out, double v)
{
    yyjson_val number = { .tag = YYJSON_TYPE_NUM | YYJSON_SUBTYPE_REAL, .uni.f64 = v };
    // JSON has no infinities; yyjson writes them as null with this flag.
    char *text = yyjson_val_write_opts(&number, YYJSON_WRITE_INF_AND_NAN_AS_NULL, NULL, NULL, NULL);

    if (text)
        buf_append(out, span_str(text));
    else
        out->failed = true;
    free(text);
}

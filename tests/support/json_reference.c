// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/json_reference.h"

#include <stdlib.h>
#include <yyjson.h>

static bool depth_holds(struct span text, unsigned most)
{
    unsigned depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > most)
            return false;
        else if (!in_string && (c == ']' || c == '}') && depth)
            depth--;
    }
    return true;
}

static struct span string_of(yyjson_val *v)
{
    return span_of(yyjson_get_str(v), yyjson_get_len(v));
}

static int by_name(const void *a, const void *b)
{
    return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

static bool names_hold(yyjson_val *object, bool nul)
{
    size_t n = yyjson_obj_size(object), i, most;
    struct span *names = malloc((n + 1) * sizeof *names);
    yyjson_val *name, *child;
    bool ok = names != NULL;

    yyjson_obj_foreach(object, i, most, name, child)
    {
        if (ok)
            names[i] = string_of(name);
        ok = ok && (nul || span_find(names[i], '\0') == names[i].n);
    }
    if (ok)
        qsort(names, n, sizeof *names, by_name);
    for (i = 1; ok && i < n; i++)
        ok = !span_eq(names[i - 1], names[i]);
    free(names);
    return ok;
}

static bool values_hold(yyjson_val *v, bool nul)
{
    size_t i, n;
    yyjson_val *name, *child;

    if (yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, child) if (!values_hold(child, nul)) return false;
    } else if (yyjson_is_obj(v)) {
        if (!names_hold(v, nul))
            return false;
        yyjson_obj_foreach(v, i, n, name, child) if (!values_hold(child, nul)) return false;
    }
    return true;
}

// The number's type and value by yyjson.
static const char *number_differs(json ours, yyjson_val *theirs)
{
    yyjson_val number = { 0 };
    bool finite = yyjson_read_number(yyjson_get_raw(theirs), &number, YYJSON_READ_NOFLAG, NULL, NULL) != NULL;
    enum json_type type = !finite || yyjson_is_real(&number) ? JSON_REAL
                          : yyjson_is_uint(&number)          ? JSON_UINT
                                                             : JSON_INT;
    int64_t integer = 0;
    double real = 0;

    if (json_type(ours) != type)
        return "a number's type";
    if (json_real(ours, &real) != finite || (finite && real != yyjson_get_num(&number)))
        return "a number's value";
    bool fits = type == JSON_INT || (type == JSON_UINT && yyjson_get_uint(&number) <= INT64_MAX);
    if (json_i64(ours, &integer) != fits || (fits && integer != yyjson_get_sint(&number)))
        return "an integer's value";
    return NULL;
}

// Walks both, and writes what theirs comes to.
static const char *value_differs(json ours, yyjson_val *theirs, struct buf *out)
{
    struct json_iter it = json_iter(ours);
    struct json_writer w = json_writer(out);
    struct span name;
    yyjson_val *key = NULL, *child;
    const char *what = NULL;
    bool flag, object = yyjson_is_obj(theirs), numbers = true;
    size_t n;
    json v;

    switch (yyjson_get_type(theirs)) {
    case YYJSON_TYPE_NULL: json_w_null(&w); return json_type(ours) == JSON_NULL ? NULL : "null";
    case YYJSON_TYPE_BOOL:
        json_w_bool(&w, yyjson_get_bool(theirs));
        return json_bool(ours, &flag) && flag == yyjson_get_bool(theirs) ? NULL : "a boolean";
    case YYJSON_TYPE_STR:
        json_w_string(&w, string_of(theirs));
        return json_type(ours) == JSON_STRING && span_eq(json_string(ours), string_of(theirs)) ? NULL : "a string";
    case YYJSON_TYPE_RAW:
        buf_append(out, span_of(yyjson_get_raw(theirs), yyjson_get_len(theirs)));
        return number_differs(ours, theirs);
    default: break;
    }
    n = yyjson_get_len(theirs);
    if (json_type(ours) != (object ? JSON_OBJECT : JSON_ARRAY) || json_count(ours) != n)
        return "a container";
    yyjson_obj_iter members = yyjson_obj_iter_with(theirs);
    yyjson_arr_iter elements = yyjson_arr_iter_with(theirs);
    buf_byte(out, object ? '{' : '[');
    for (size_t i = 0; i < n && !what; i++) {
        if (!json_next(&it, &name, &v))
            return "how many there are";
        if (i)
            buf_byte(out, ',');
        if (object) {
            key = yyjson_obj_iter_next(&members);
            child = yyjson_obj_iter_get_val(key);
            w = json_writer(out);
            json_w_string(&w, string_of(key));
            buf_byte(out, ':');
            if (!span_eq(name, string_of(key)) || json_get(ours, name) != v)
                return "a name";
        } else {
            child = yyjson_arr_iter_next(&elements);
            if (!span_is_none(name) || (i < 9 && json_at(ours, i) != v))
                return "an element";
        }
        numbers &= yyjson_is_raw(child);
        what = value_differs(v, child, out);
    }
    buf_byte(out, object ? '}' : ']');
    if (!what && json_next(&it, &name, &v))
        return "where it ends";
    if (!what && json_is_numbers(ours) != (!object && numbers))
        return "what is nothing but numbers";
    return what;
}

static const char *document_differs(struct json_doc *ours, yyjson_doc *theirs)
{
    struct buf theirs_written, written;
    const char *what = !ours == !theirs ? NULL : ours ? "only we take it" : "only the other takes it";

    if (what || !ours)
        return what;
    buf_init(&theirs_written, 0);
    buf_init(&written, 0);
    what = value_differs(json_root(ours), yyjson_doc_get_root(theirs), &theirs_written);
    if (!what && (!json_write(&written, json_root(ours)) || !span_eq(buf_span(&written), buf_span(&theirs_written))))
        what = "what is written";
    struct span as_written = json_as_written(json_root(ours));
    if (!what && !span_is_none(as_written) && !span_eq(as_written, buf_span(&written)))
        what = "what stands as it would be written";
    buf_fini(&theirs_written);
    buf_fini(&written);
    return what;
}

const char *json_differs(struct span text, const struct json_limits *limits)
{
    yyjson_read_flag flags = limits->raw_numbers ? YYJSON_READ_NUMBER_AS_RAW : YYJSON_READ_NOFLAG;
    bool fits = text.n <= limits->bytes && depth_holds(text, limits->depth);
    struct json_error error = { 0 };
    struct arena arena;
    yyjson_doc *raw = fits ? yyjson_read(text.p, text.n, YYJSON_READ_NUMBER_AS_RAW) : NULL;
    yyjson_doc *taken = fits ? yyjson_read(text.p, text.n, flags) : NULL;

    if (!taken || !values_hold(yyjson_doc_get_root(taken), limits->nul_names)) {
        yyjson_doc_free(raw);
        raw = NULL;
    }
    arena_init(&arena, 0);
    struct json_doc *heap = json_parse(text, limits, &error);
    struct json_doc *in_arena = json_parse_in(&arena, text, limits, NULL);
    const char *what = document_differs(heap, raw);
    if (!what)
        what = document_differs(in_arena, raw);
    if (!what && !heap && (!error.what || error.offset > text.n || error.line < 1 || error.column < 1))
        what = "an error without its place";
    json_free(heap);
    json_free(in_arena);
    arena_fini(&arena);
    yyjson_doc_free(raw);
    yyjson_doc_free(taken);
    return what;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// What a document holds. json_read.c makes one.
#include "gateway/base/json_inside.h"

#include <stdlib.h>
#include <yyjson.h>

_Static_assert(sizeof(uintptr_t) == 8, "json_element_ shifts addresses by a bit");

static struct span string_of(const struct json_value_ *v)
{
    return span_of(v->p, v->n);
}

json json_root(const struct json_doc *doc)
{
    return doc ? doc->nodes : NULL;
}

// The type without a look at which kind of number it is.
static enum json_type kind(json v)
{
    if (!v)
        return JSON_ABSENT;
    return json_is_element_(v) ? JSON_REAL : v->type;
}

static const char *number_text(json v)
{
    return json_is_element_(v) ? json_element_text_(v) : v->p;
}

// The kind of number, and what an integer comes to without its sign.
static enum json_type number_type(json v, uint64_t *magnitude)
{
    const char *p = number_text(v);
    bool negative = *p == '-', fits = true;
    uint64_t n = 0;

    for (p += negative; *p >= '0' && *p <= '9'; p++)
        fits = fits && !__builtin_mul_overflow(n, 10u, &n) && !__builtin_add_overflow(n, (uint64_t)(*p - '0'), &n);
    if (!fits || *p == '.' || (*p | 0x20) == 'e' || (negative && n > (uint64_t)INT64_MAX + 1))
        return JSON_REAL;
    *magnitude = n;
    return negative ? JSON_INT : JSON_UINT;
}

enum json_type json_type(json v)
{
    uint64_t magnitude;
    enum json_type type = kind(v);

    return type == JSON_REAL ? number_type(v, &magnitude) : type;
}

bool json_bool(json v, bool *out)
{
    if (kind(v) != JSON_BOOL)
        return false;
    *out = *v->p == 't';
    return true;
}

bool json_i64(json v, int64_t *out)
{
    uint64_t n;
    enum json_type type = kind(v) == JSON_REAL ? number_type(v, &n) : JSON_ABSENT;

    if ((type != JSON_INT && type != JSON_UINT) || (type == JSON_UINT && n > INT64_MAX))
        return false;
    *out = (int64_t)(type == JSON_INT ? 0 - n : n);
    return true;
}

bool json_real(json v, double *out)
{
    yyjson_val as = { 0 };
    uint64_t n;

    if (kind(v) != JSON_REAL)
        return false;
    switch (number_type(v, &n)) {
    case JSON_UINT: *out = (double)n; return true;
    case JSON_INT: *out = (double)(int64_t)(0 - n); return true;
    default: break;
    }
    // Its grammar was checked when it was read; what follows it in the text ends it.
    if (!yyjson_read_number(number_text(v), &as, YYJSON_READ_NOFLAG, NULL, NULL))
        return false;
    *out = unsafe_yyjson_get_real(&as);
    return true;
}

struct span json_string(json v)
{
    return kind(v) == JSON_STRING ? string_of(v) : SPAN_NONE;
}

json json_get(json v, struct span name)
{
    if (kind(v) != JSON_OBJECT)
        return NULL;
    json member = v + 1;
    for (uint32_t n = v->count; n > 0; n--, member += 1 + member[1].skip)
        if (span_eq(string_of(member), name))
            return member + 1;
    return NULL;
}

size_t json_count(json v)
{
    enum json_type type = kind(v);

    return type == JSON_ARRAY || type == JSON_OBJECT ? v->count : 0;
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
    if (kind(v) != JSON_ARRAY)
        return false;
    if (v->numbers)
        return true;
    json at = v + 1;
    for (uint32_t n = v->count; n > 0; n--, at += at->skip)
        if (at->type != JSON_REAL)
            return false;
    return true;
}

struct json_iter json_iter(json container)
{
    size_t n = json_count(container);
    json next = NULL;

    if (n && container->numbers) {
        const char *p = container->p + 1;
        while ((unsigned char)*p <= ' ')
            p++;
        next = json_element_(p);
    } else if (n) {
        next = container + 1;
    }
    return (struct json_iter){ .container = container, .next = next, .n = n };
}

bool json_next(struct json_iter *it, struct span *name, json *value)
{
    json v = it->next;

    if (it->i >= it->n)
        return false;
    *name = SPAN_NONE;
    if (json_is_element_(v)) {
        it->next = json_element_(json_number_next_(json_element_text_(v)));
    } else {
        if (it->container->type == JSON_OBJECT)
            *name = string_of(v++);
        it->next = v + v->skip;
    }
    *value = v;
    it->i++;
    return true;
}

struct span json_as_written(json v)
{
    if (!v)
        return SPAN_NONE;
    if (json_is_element_(v)) {
        const char *p = json_element_text_(v);
        return span_of(p, (size_t)(json_number_end_(p) - p));
    }
    if (!v->same)
        return SPAN_NONE;
    return v->type == JSON_STRING ? span_of(v->p - 1, v->n + 2u) : span_of(v->p, v->n);
}

// As deep as the reader allowed.
static void write_value(struct buf *out, json v)
{
    struct span text = json_as_written(v), name;
    struct json_iter it;
    json child;

    if (!span_is_none(text)) {
        buf_append(out, text);
        return;
    }
    if (v->type == JSON_STRING) {
        json_quoted_(out, string_of(v));
        return;
    }
    if (v->type == JSON_ARRAY && v->numbers) {
        json_numbers_write_(out, span_of(v->p, v->n));
        return;
    }
    bool object = v->type == JSON_OBJECT;
    buf_byte(out, object ? '{' : '[');
    it = json_iter(v);
    while (json_next(&it, &name, &child)) {
        if (it.i > 1)
            buf_byte(out, ',');
        if (object) {
            json_quoted_(out, name);
            buf_byte(out, ':');
        }
        write_value(out, child);
    }
    buf_byte(out, object ? '}' : ']');
}

bool json_write(struct buf *out, json v)
{
    if (v)
        write_value(out, v);
    else
        out->failed = true;
    return !out->failed;
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

// SPDX-License-Identifier: GPL-3.0-or-later
// The filter languages of Qdrant and Chroma as their documentation has them, evaluated on one record: small, slow and written from the
// documentation alone, so that what is sent can be held against what the client asked for.
#ifndef SALLYPORT_TESTS_UNIT_API_FILTERS_H
#define SALLYPORT_TESTS_UNIT_API_FILTERS_H

#include "gateway/base/json.h"

static inline bool is_given(json v)
{
    return json_type(v) != JSON_ABSENT && json_type(v) != JSON_NULL;
}

static inline bool same_scalar(json a, json b)
{
    bool x, y;
    int64_t i, j;
    if (json_bool(a, &x))
        return json_bool(b, &y) && x == y;
    if (json_i64(a, &i))
        return json_i64(b, &j) && i == j;
    return json_type(a) == JSON_STRING && json_type(b) == JSON_STRING && span_eq(json_string(a), json_string(b));
}

static inline bool among(json list, json v)
{
    for (size_t i = 0; i < json_count(list); i++)
        if (same_scalar(json_at(list, i), v))
            return true;
    return false;
}

static inline bool in_range(json range, const char *const names[4], json v)
{
    double x, bound;
    if (!json_real(v, &x))
        return false;
    return (!json_real(json_get(range, span_str(names[0])), &bound) || x > bound) &&
           (!json_real(json_get(range, span_str(names[1])), &bound) || x >= bound) &&
           (!json_real(json_get(range, span_str(names[2])), &bound) || x < bound) &&
           (!json_real(json_get(range, span_str(names[3])), &bound) || x <= bound);
}

// ---------------------------------------------------------------------------------------------------------------- Qdrant

static inline bool qdrant_filter(json filter, json id, json payload);

static inline bool qdrant_match(json condition, json v)
{
    static const char *const bounds[] = { "gt", "gte", "lt", "lte" };
    json match = json_get(condition, SPAN("match")), range = json_get(condition, SPAN("range"));
    if (is_given(range) && in_range(range, bounds, v))
        return true;
    if (json_get(match, SPAN("value")))
        return same_scalar(json_get(match, SPAN("value")), v);
    if (json_get(match, SPAN("any")))
        return among(json_get(match, SPAN("any")), v);
    if (json_get(match, SPAN("except")))
        return !among(json_get(match, SPAN("except")), v);
    return false;
}

// A list satisfies a condition when one of its elements does.
static inline bool qdrant_field(json condition, json payload)
{
    json v = json_get(payload, json_string(json_get(condition, SPAN("key"))));
    if (json_type(v) != JSON_ARRAY)
        return v && qdrant_match(condition, v);
    for (size_t i = 0; i < json_count(v); i++)
        if (qdrant_match(condition, json_at(v, i)))
            return true;
    return false;
}

static inline bool qdrant_condition(json c, json id, json payload)
{
    json inner;
    if (json_get(c, SPAN("key")))
        return qdrant_field(c, payload);
    if ((inner = json_get(c, SPAN("is_empty")))) {
        json v = json_get(payload, json_string(json_get(inner, SPAN("key"))));
        return !is_given(v) || (json_type(v) == JSON_ARRAY && json_count(v) == 0);
    }
    if ((inner = json_get(c, SPAN("is_null"))))
        return json_type(json_get(payload, json_string(json_get(inner, SPAN("key"))))) == JSON_NULL;
    if ((inner = json_get(c, SPAN("has_id"))))
        return among(inner, id);
    if ((inner = json_get(c, SPAN("nested")))) {
        json list = json_get(payload, json_string(json_get(inner, SPAN("key"))));
        for (size_t i = 0; i < json_count(list); i++)
            if (qdrant_filter(json_get(inner, SPAN("filter")), id, json_at(list, i)))
                return true;
        return false;
    }
    return qdrant_filter(c, id, payload);
}

// How many of a clause's conditions hold: one condition, or a list of them.
static inline size_t qdrant_holding(json clause, json id, json payload)
{
    size_t n = 0;
    if (json_type(clause) == JSON_OBJECT)
        return qdrant_condition(clause, id, payload);
    for (size_t i = 0; i < json_count(clause); i++)
        n += qdrant_condition(json_at(clause, i), id, payload);
    return n;
}

static inline size_t qdrant_size(json clause)
{
    return json_type(clause) == JSON_OBJECT ? 1 : json_count(clause);
}

static inline bool qdrant_filter(json filter, json id, json payload)
{
    json must = json_get(filter, SPAN("must")), must_not = json_get(filter, SPAN("must_not"));
    json should = json_get(filter, SPAN("should")), at_least = json_get(filter, SPAN("min_should"));
    int64_t count = 0;
    if (qdrant_holding(must, id, payload) != qdrant_size(must) || qdrant_holding(must_not, id, payload) > 0)
        return false;
    if (qdrant_size(should) > 0 && qdrant_holding(should, id, payload) == 0)
        return false;
    return !json_i64(json_get(at_least, SPAN("min_count")), &count) ||
           (int64_t)qdrant_holding(json_get(at_least, SPAN("conditions")), id, payload) >= count;
}

// ---------------------------------------------------------------------------------------------------------------- Chroma

static inline bool chroma_operator(struct span op, json operand, json v)
{
    static const char *const names[] = { "$gt", "$gte", "$lt", "$lte" };
    double x, y;
    if (span_eq(op, SPAN("$eq")))
        return v && same_scalar(operand, v);
    if (span_eq(op, SPAN("$ne")))
        return !v || !same_scalar(operand, v);
    if (span_eq(op, SPAN("$in")))
        return v && among(operand, v);
    if (span_eq(op, SPAN("$nin")))
        return !v || !among(operand, v);
    if (!json_real(v, &x) || !json_real(operand, &y))
        return false;
    return span_eq(op, span_str(names[0]))   ? x > y
           : span_eq(op, span_str(names[1])) ? x >= y
           : span_eq(op, span_str(names[2])) ? x < y
                                             : x <= y;
}

static inline bool chroma_where(json where, json metadata)
{
    struct json_iter it = json_iter(where), inner;
    struct span key, op;
    json value, operand;
    if (!json_next(&it, &key, &value))
        return true;
    bool all = span_eq(key, SPAN("$and"));
    if (all || span_eq(key, SPAN("$or"))) {
        for (size_t i = 0; i < json_count(value); i++)
            if (chroma_where(json_at(value, i), metadata) != all)
                return !all;
        return all;
    }
    json v = json_get(metadata, key);
    if (json_type(value) != JSON_OBJECT)
        return v && same_scalar(value, v);
    inner = json_iter(value);
    return json_next(&inner, &op, &operand) && chroma_operator(op, operand, v);
}

#endif

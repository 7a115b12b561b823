// SPDX-License-Identifier: GPL-3.0-or-later
// What inspectors build a meaning with.
#include "gateway/api/table.h"

#include <stdint.h>

int gw_api_refuse(struct gw_api_build *b, int error, const char *problem, struct span name)
{
    b->problem = problem;
    b->problem_name = name;
    if (!span_is_none(name) && b->arena) {
        // Member names live in the parsed body, which is gone when the reason is read.
        struct span copy = arena_dup(b->arena, span_sub(name, 0, 64));
        b->problem_name = copy;
    }
    return error;
}

static bool same_name(struct span a, struct span b)
{
    return span_is_none(a) == span_is_none(b) && span_eq(a, b);
}

int gw_api_authorise(struct gw_api_build *b, struct gw_api_authorisation a)
{
    for (size_t i = 0; i < b->meaning.n_authorisations; i++) {
        struct gw_api_authorisation *o = &b->authorisations[i];
        if (o->action == a.action && o->collection_is_uuid == a.collection_is_uuid &&
            same_name(o->collection, a.collection) && same_name(o->database, a.database) &&
            same_name(o->tenant, a.tenant)) {
            o->collection_is_new = o->collection_is_new && a.collection_is_new;
            return 0;
        }
    }
    if (b->meaning.n_authorisations == GW_API_AUTHORISATIONS_MAX)
        return gw_api_refuse(b, ERR_API_BODY, "the request names too many collections", SPAN_NONE);
    b->authorisations[b->meaning.n_authorisations++] = a;
    return 0;
}

int gw_api_authorise_collection(struct gw_api_build *b, enum gw_action action, struct span collection, bool is_new)
{
    return gw_api_authorise(b, (struct gw_api_authorisation){ .action = action,
                                                              .database = b->database,
                                                              .tenant = b->tenant,
                                                              .collection = collection,
                                                              .collection_is_new = is_new });
}

int gw_api_members(struct gw_api_build *b, json v, const struct gw_api_member *members, size_t n, unsigned kind)
{
    if (json_type(v) != JSON_OBJECT)
        return gw_api_refuse(b, ERR_API_BODY, "not an object where the API has one", SPAN_NONE);
    struct json_iter it = json_iter(v);
    struct span name;
    json value;
    while (json_next(&it, &name, &value)) {
        size_t i = 0;
        while (i < n && ((members[i].kinds & kind) == 0 || !span_eq(span_str(members[i].name), name)))
            i++;
        if (i < n)
            continue;
        for (i = 0; i < n; i++)
            if (span_ieq(span_str(members[i].name), name) && !span_eq(span_str(members[i].name), name))
                return gw_api_refuse(b, ERR_API_BODY, "a case variant of a known member", name);
        return gw_api_refuse(b, ERR_API_BODY, "a member that is not known here", name);
    }
    return 0;
}

bool gw_api_name_ok(struct span name)
{
    if (name.n == 0 || name.n > GW_API_NAME_MAX || span_eq(name, SPAN(".")) || span_eq(name, SPAN("..")))
        return false;
    for (size_t i = 0; i < name.n; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
            return false;
    }
    return true;
}

int gw_api_body_name(struct gw_api_build *b, json v, struct span *out)
{
    struct span s = json_string(v);
    if (span_is_none(s) || !gw_api_name_ok(s))
        return gw_api_refuse(b, ERR_API_BODY, "a name in the body is missing, no string, or one that cannot be a name",
                             SPAN_NONE);
    struct span copy = arena_dup(b->arena, s);
    if (span_is_none(copy))
        return ERR_NOMEM;
    *out = copy;
    return 0;
}

int gw_api_body_count(struct gw_api_build *b, json v, uint64_t *out)
{
    if (!gw_api_given(v))
        return 0;
    int64_t n;
    if (!json_i64(v, &n) || n < 0)
        return gw_api_refuse(b, ERR_API_BODY, "a count that is no non-negative integer", SPAN_NONE);
    *out = (uint64_t)n;
    return 0;
}

void gw_api_fact_limit(struct gw_api_build *b, uint64_t limit)
{
    struct gw_api_facts *f = &b->meaning.facts;
    if (!f->has_limit || limit > f->limit)
        f->limit = limit;
    f->has_limit = true;
}

int gw_api_fact_filter(struct gw_api_build *b, json filter)
{
    bool filtered = false;
    if (gw_api_given(filter)) {
        if (json_type(filter) != JSON_OBJECT)
            return gw_api_refuse(b, ERR_API_BODY, "a filter that is no object", SPAN_NONE);
        struct json_iter it = json_iter(filter);
        struct span name;
        json value;
        while (json_next(&it, &name, &value)) {
            bool empty =
                json_type(value) == JSON_NULL ||
                ((json_type(value) == JSON_ARRAY || json_type(value) == JSON_OBJECT) && json_count(value) == 0);
            filtered = filtered || !empty;
        }
    }
    b->meaning.facts.has_filter = filtered && (!b->seen_query || b->meaning.facts.has_filter);
    b->seen_query = true;
    return 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/links_json.h"

#include "gateway/base/json.h"
#include "policy/uid.h"
#include "policy/value_json.h"

struct reader {
    struct arena *arena;
    struct diags *diags;
    struct span file;
    size_t at; // which link
    struct pol_json j;
};

static bool complain(struct reader *r, const char *what, struct span detail)
{
    diag_error(r->diags, r->file, 0, 0, "link %zu: %s%.*s", r->at, what, SPAN_FMT(span_sub(detail, 0, 200)));
    return false;
}

// The member under either name; NULL and a complaint when it is missing or there twice.
static json member(struct reader *r, json v, struct span name, struct span other)
{
    json a = json_get(v, name), b = json_get(v, other);

    if (!a == !b) {
        complain(r, a ? "two of the same: " : "missing: ", name);
        return NULL;
    }
    return a ? a : b;
}

static bool text(struct reader *r, json v, struct span name, struct span other, struct span *out)
{
    json m = member(r, v, name, other);

    if (!m)
        return false;
    if (json_type(m) != JSON_STRING)
        return complain(r, "a string is due: ", name);
    *out = arena_dup(r->arena, json_string(m));
    return !span_is_none(*out) ? true : complain(r, "out of memory", SPAN(""));
}

static bool values(struct reader *r, json v, struct pol_link *l)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json value;

    if (json_type(v) != JSON_OBJECT)
        return complain(r, "the values must be an object", SPAN(""));
    while (json_next(&it, &name, &value)) {
        bool principal = span_eq(name, SPAN("?principal"));

        if (!principal && !span_eq(name, SPAN("?resource")))
            return complain(r, "slots are ?principal and ?resource; there is no ", name);
        r->j.depth = 0;
        if (!pol_json_uid(&r->j, value, true, principal ? &l->principal.type : &l->resource.type,
                          principal ? &l->principal.id : &l->resource.id))
            return complain(r, "", r->j.wrong);
    }
    return true;
}

static bool link_of(struct reader *r, json v, struct pol_link *l)
{
    static const struct span known[] = { SPAN("templateId"), SPAN("template_id"), SPAN("newId"),
                                         SPAN("link_id"),    SPAN("values"),      SPAN("args") };
    struct json_iter it = json_iter(v);
    struct span name;
    json m;

    if (json_type(v) != JSON_OBJECT)
        return complain(r, "expected {\"templateId\": …, \"newId\": …, \"values\": …}", SPAN(""));
    while (json_next(&it, &name, &m)) {
        bool found = false;

        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || span_eq(name, known[i]);
        if (!found)
            return complain(r, "unknown member ", name);
    }
    *l = (struct pol_link){ .file = r->file };
    l->principal.type = l->principal.id = l->resource.type = l->resource.id = SPAN_NONE;
    if (!text(r, v, known[0], known[1], &l->template_id) || !text(r, v, known[2], known[3], &l->id))
        return false;
    m = member(r, v, known[4], known[5]);
    return m && values(r, m, l);
}

static bool all(struct reader *r, json list, const struct pol_link **links, size_t *n)
{
    struct json_iter it = json_iter(list);
    struct span name;
    struct pol_link *kept;
    size_t count = json_count(list);
    bool ok = true;
    json v;

    if (json_type(list) != JSON_ARRAY || count > POL_LINKS_MAX)
        return complain(r, "expected a list of at most a million links", SPAN(""));
    kept = arena_array(r->arena, count ? count : 1, sizeof *kept);
    if (!kept)
        return complain(r, "out of memory", SPAN(""));
    for (r->at = 1; json_next(&it, &name, &v); r->at++)
        ok = link_of(r, v, &kept[r->at - 1]) && ok;
    if (!ok)
        return false;
    *links = kept;
    *n = count;
    return true;
}

bool pol_links_read(const struct pol_source *source, struct arena *arena, const struct pol_link **links, size_t *n,
                    struct diags *diags)
{
    struct json_limits limits = { .bytes = POL_TEXT_MAX, .depth = POL_VALUE_DEPTH + 8, .nul_names = true };
    struct reader r = { .arena = arena, .diags = diags, .file = arena_dup(arena, source->name) };
    struct json_error error;
    struct json_doc *doc = json_parse(source->text, &limits, &error);
    json root;
    bool ok;

    r.j = (struct pol_json){ .arena = arena };
    if (!doc) {
        diag_error(diags, source->name, error.line, error.column, "not valid JSON: %s", error.what);
        return false;
    }
    root = json_root(doc);
    if (json_type(root) == JSON_OBJECT && json_count(root) == 1 && json_get(root, SPAN("templateLinks")))
        root = json_get(root, SPAN("templateLinks"));
    ok = all(&r, root, links, n);
    json_free(doc);
    return ok;
}

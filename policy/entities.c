// SPDX-License-Identifier: GPL-3.0-or-later
// Entities texts: [{"uid": …, "attrs": {…}, "tags": {…}, "parents": […]}], as Cedar has them.
#include "policy/table.h"
#include "policy/value_json.h"

// What was read of one uid, by its number.
struct draft {
    struct pol_value attrs; // POL_NONE: not defined
    struct pol_value tags;
    uint32_t *parents; // ascending
    uint32_t n_parents;
    struct span file;
    struct pol_place place;
};

POL_VEC(drafts, struct draft);

struct reader {
    struct pol_set *set;
    struct diags *diags;
    struct drafts drafts; // as many as uids
    struct pol_json j;
    struct span file;
    struct pol_place place; // of the entity at hand
};

static bool complain(struct reader *r, struct span wrong)
{
    diag_error(r->diags, r->file, r->place.line, r->place.column, "%.*s", SPAN_FMT(wrong));
    return false;
}

static bool no_memory(struct reader *r)
{
    return complain(r, SPAN("out of memory while reading entities"));
}

static uint32_t number(void *ctx, struct span type, struct span id)
{
    struct reader *r = ctx;

    return pol_uids_add(&r->set->uids, type, id);
}

// ------------------------------------------------------------------------------------------ where an entity stands

// Walks the elements of an array that is known to be valid JSON, to tell their places.
struct cursor {
    struct span text;
    size_t at;
    unsigned line, column;
};

static void advance(struct cursor *c)
{
    unsigned char b = (unsigned char)c->text.p[c->at++];

    if (b == '\n') {
        c->line++;
        c->column = 1;
    } else if ((b & 0xc0) != 0x80) {
        c->column++;
    }
}

static void skip_until_element(struct cursor *c)
{
    while (c->at < c->text.n && strchr(" \t\r\n,[", c->text.p[c->at]) && c->text.p[c->at])
        advance(c);
}

static void skip_element(struct cursor *c)
{
    unsigned depth = 0;
    bool quoted = false;

    while (c->at < c->text.n) {
        char b = c->text.p[c->at];

        if (!quoted && depth == 0 && (b == ',' || b == ']'))
            return;
        advance(c);
        if (quoted && b == '\\' && c->at < c->text.n)
            advance(c);
        else if (b == '"')
            quoted = !quoted;
        else if (!quoted && (b == '{' || b == '['))
            depth++;
        else if (!quoted && (b == '}' || b == ']'))
            depth--;
    }
}

// ---------------------------------------------------------------------------------------------------------- reading

static bool grow(struct reader *r)
{
    while (r->drafts.n < r->set->uids.uids.n) {
        struct draft *d = pol_vec_add(&r->drafts);

        if (!d)
            return no_memory(r);
        *d = (struct draft){ .attrs = { .kind = POL_NONE } };
    }
    return true;
}

static bool parents(struct reader *r, json v, bool action, struct draft *d)
{
    struct json_iter it = json_iter(v);
    struct span name, type, id;
    size_t n = json_count(v);
    json parent;

    if (!v)
        return true;
    if (json_type(v) != JSON_ARRAY)
        return complain(r, SPAN("'parents' must be a list of entity references"));
    if (n > POL_ELEMENTS_MAX)
        return complain(r, SPAN("more than 65536 parents; put groups between"));
    d->parents = arena_array(&r->set->arena, n ? n : 1, sizeof *d->parents);
    if (!d->parents)
        return no_memory(r);
    while (json_next(&it, &name, &parent)) {
        if (!pol_json_uid(&r->j, parent, false, &type, &id))
            return complain(r, r->j.wrong);
        if (action && !pol_json_action_type(type))
            return complain(r, SPAN("a parent of an action must be an action"));
        d->parents[d->n_parents] = pol_uids_add(&r->set->uids, type, id);
        if (d->parents[d->n_parents++] == POL_ID_NONE)
            return no_memory(r);
    }
    d->n_parents = pol_ids_sort(d->parents, d->n_parents);
    return true;
}

static bool members(struct reader *r, json v)
{
    static const struct span known[] = { SPAN("uid"), SPAN("attrs"), SPAN("parents"), SPAN("tags") };
    struct json_iter it = json_iter(v);
    struct span name, near;
    json member;

    if (json_type(v) != JSON_OBJECT)
        return complain(r, SPAN("expected an entity {\"uid\": …, \"attrs\": …, \"parents\": …}"));
    while (json_next(&it, &name, &member)) {
        bool found = false;

        for (size_t i = 0; i < 4; i++)
            found = found || span_eq(name, known[i]);
        near = span_sub(diag_suggest(name, known, 4), 0, 16);
        if (!found) {
            diag_error(r->diags, r->file, r->place.line, r->place.column, "unknown member '%.*s' of an entity; %s%.*s",
                       SPAN_FMT(span_sub(name, 0, 64)),
                       span_is_none(near) ? "known are uid, attrs, parents, tags" : "did you mean ", SPAN_FMT(near));
            return false;
        }
    }
    return true;
}

static bool same(const struct draft *a, const struct draft *b)
{
    uint32_t steps = UINT32_MAX;

    return a->n_parents == b->n_parents &&
           (a->n_parents == 0 || memcmp(a->parents, b->parents, a->n_parents * sizeof *a->parents) == 0) &&
           pol_value_cmp(&a->attrs, &b->attrs, &steps) == 0 && pol_value_cmp(&a->tags, &b->tags, &steps) == 0;
}

// The attributes or tags of an entity; absent ones are none.
static bool record(struct reader *r, json v, const char *member, struct span type, struct span id,
                   struct pol_value *out)
{
    r->j.depth = 0;
    if (!v)
        return true;
    if (json_type(v) != JSON_OBJECT) {
        diag_error(r->diags, r->file, r->place.line, r->place.column, "'%s' must be an object", member);
        return false;
    }
    if (pol_json_record(&r->j, v, out))
        return true;
    diag_error(r->diags, r->file, r->place.line, r->place.column, "%.*s::\"%.*s\": %.*s", SPAN_FMT(type),
               SPAN_FMT(span_sub(id, 0, 160)), SPAN_FMT(r->j.wrong));
    return false;
}

static bool entity(struct reader *r, json v)
{
    struct draft d = {
        .attrs = { .kind = POL_RECORD }, .tags = { .kind = POL_RECORD }, .file = r->file, .place = r->place
    };
    struct span type, id;
    uint32_t n;

    r->j.depth = 0;
    if (!members(r, v))
        return false;
    if (!json_get(v, SPAN("uid")))
        return complain(r, SPAN("an entity without 'uid'"));
    if (!pol_json_uid(&r->j, json_get(v, SPAN("uid")), false, &type, &id))
        return complain(r, r->j.wrong);
    if (!record(r, json_get(v, SPAN("attrs")), "attrs", type, id, &d.attrs) ||
        !record(r, json_get(v, SPAN("tags")), "tags", type, id, &d.tags) ||
        !parents(r, json_get(v, SPAN("parents")), pol_json_action_type(type), &d))
        return false;
    n = pol_uids_add(&r->set->uids, type, id);
    if (n == POL_ID_NONE || !grow(r))
        return no_memory(r);
    if (r->drafts.at[n].attrs.kind == POL_NONE) {
        r->drafts.at[n] = d;
        r->set->n_defined++;
    } else if (!same(&r->drafts.at[n], &d)) {
        const struct draft *o = &r->drafts.at[n];

        diag_error(r->diags, r->file, r->place.line, r->place.column,
                   "%.*s::\"%.*s\" is defined differently at %.*s:%u; keep one", SPAN_FMT(type),
                   SPAN_FMT(span_sub(id, 0, 160)), SPAN_FMT(o->file), o->place.line);
    }
    return true;
}

static void text(struct reader *r, const struct pol_source *source)
{
    struct json_limits limits = { .bytes = POL_TEXT_MAX, .depth = POL_VALUE_DEPTH + 8, .nul_names = true };
    struct cursor c = { .text = source->text, .line = 1, .column = 1 };
    struct json_error error;
    struct json_doc *doc = json_parse(source->text, &limits, &error);
    struct json_iter it;
    struct span name;
    json v;

    r->file = arena_dup(&r->set->arena, source->name);
    if (!doc) {
        diag_error(r->diags, source->name, error.line, error.column, "not valid JSON: %s", error.what);
        return;
    }
    if (json_type(json_root(doc)) != JSON_ARRAY) {
        diag_error(r->diags, source->name, 1, 1, "expected a list of entities: [{\"uid\": …}, …]");
        json_free(doc);
        return;
    }
    it = json_iter(json_root(doc));
    while (json_next(&it, &name, &v)) {
        if (r->set->n_defined >= POL_ENTITIES_MAX) {
            diag_error(r->diags, source->name, 0, 0, "more than %u entities; split the policy set", POL_ENTITIES_MAX);
            break;
        }
        skip_until_element(&c);
        r->place = (struct pol_place){ c.line, c.column };
        skip_element(&c);
        entity(r, v);
        if (r->set->arena.failed)
            break;
    }
    json_free(doc);
}

// ----------------------------------------------------------------------------------------------------------- the whole

static bool finish(struct reader *r)
{
    uint32_t n = r->set->uids.uids.n;
    struct pol_parents *up = calloc(n ? n : 1, sizeof *up);
    bool ok;

    r->set->facts = arena_array(&r->set->arena, n ? n : 1, sizeof *r->set->facts);
    ok = up && r->set->facts && grow(r);
    for (uint32_t i = 0; ok && i < n; i++) {
        const struct draft *d = &r->drafts.at[i];

        if (d->attrs.kind == POL_NONE)
            continue;
        r->set->facts[i] = (struct pol_facts){ .attrs = d->attrs.fields,
                                               .n_attrs = d->attrs.n,
                                               .tags = d->tags.fields,
                                               .n_tags = d->tags.n,
                                               .parents = d->parents,
                                               .n_parents = d->n_parents,
                                               .exists = true };
        up[i] = (struct pol_parents){ d->parents, d->n_parents, d->file, d->place };
    }
    ok = ok && pol_hierarchy_close(r->set, up, r->diags);
    free(up);
    return ok;
}

void pol_entities_read(struct pol_set *s, const struct pol_source *texts, size_t n, size_t errors_before,
                       struct diags *diags)
{
    struct reader r = { .set = s, .diags = diags };

    r.j = (struct pol_json){ .arena = &s->arena, .number = number, .ctx = &r };
    for (size_t i = 0; i < n; i++)
        text(&r, &texts[i]);
    if (diags->errors == errors_before && !finish(&r))
        no_memory(&r);
    pol_vec_free(&r.drafts);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Entities and requests against a schema. Complaints name the member by its path: `context.token.bound_to`.
#include <stdio.h>

#include "gateway/base/json.h"
#include "policy/facts.h"
#include "policy/json_walk.h"
#include "policy/schema_table.h"
#include "policy/value_json.h"

enum { PATH_MOST = 256 };

struct conformer {
    const struct pol_schema *s;
    struct diags *diags;
    struct span file;
    struct pol_place place;
    struct pol_request *request; // or
    const struct pol_uids *uids; // who knows the numbers of entities
    char path[PATH_MOST];
    size_t n_path;
};

static size_t enter(struct conformer *c, struct span name)
{
    size_t before = c->n_path;
    int n =
        snprintf(c->path + before, PATH_MOST - before, "%s%.*s", before ? "." : "", SPAN_FMT(span_sub(name, 0, 96)));

    c->n_path = n < 0 || before + (size_t)n >= PATH_MOST ? PATH_MOST - 1 : before + (size_t)n;
    return before;
}

static void leave(struct conformer *c, size_t before)
{
    c->n_path = before;
    c->path[before] = 0;
}

static void complain(struct conformer *c, const char *what)
{
    diag_error(c->diags, c->file, c->place.line, c->place.column, "%s: %s", c->path, what);
}

static struct span type_of(const struct conformer *c, uint32_t entity, struct span *id)
{
    if (c->request) {
        *id = pol_facts_id(c->request->set, c->request, entity);
        return pol_facts_type_name(c->request->set, c->request, entity);
    }
    *id = c->uids->uids.at[entity].id;
    return c->uids->types.at[c->uids->uids.at[entity].type].name;
}

// An id of an enumeration, an action: those there are.
static bool uid_known(struct conformer *c, struct span type, struct span id)
{
    const struct pol_schema_entity *e = pol_schema_entity(c->s, type);
    char text[256];

    if (pol_schema_action_type(type) ? pol_schema_action(c->s, type, id) != NULL : e && pol_schema_chosen(e, id))
        return true;
    snprintf(text, sizeof text, "the schema has no %.*s::\"%.*s\"", SPAN_FMT(span_sub(type, 0, 96)),
             SPAN_FMT(span_sub(id, 0, 96)));
    complain(c, text);
    return false;
}

static void wrong_type(struct conformer *c, const struct pol_type_of *t, const struct pol_value *v)
{
    char text[POL_TYPE_TEXT + 64], name[POL_TYPE_TEXT];

    pol_type_text(t, name);
    snprintf(text, sizeof text, "a %s, where the schema has %s", pol_kind_name(v->kind), name);
    complain(c, text);
}

static void value(struct conformer *c, const struct pol_type_of *t, const struct pol_value *v);

static void near_member(struct conformer *c, const struct pol_type_of *record, struct span name)
{
    struct span names[128], near;
    char text[256];
    size_t n = 0;

    for (; n < record->n && n < sizeof names / sizeof *names; n++)
        names[n] = record->fields[n].name;
    near = diag_suggest(name, names, n);
    if (span_is_none(near)) {
        complain(c, "not declared in the schema; declare it");
        return;
    }
    snprintf(text, sizeof text, "not declared in the schema; did you mean '%.*s'?", SPAN_FMT(span_sub(near, 0, 96)));
    complain(c, text);
}

static void fields(struct conformer *c, const struct pol_type_of *record, const struct pol_field *f, uint32_t n,
                   bool whole)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct pol_type_field *declared = pol_type_field(record, f[i].name);
        size_t before = enter(c, f[i].name);

        if (declared)
            value(c, declared->type, &f[i].value);
        else
            near_member(c, record, f[i].name);
        leave(c, before);
    }
    for (uint32_t i = 0; i < record->n && whole; i++) {
        struct pol_value all = { .kind = POL_RECORD, .n = n, .fields = f };
        size_t before;

        if (record->fields[i].optional || pol_record_get(&all, record->fields[i].name))
            continue;
        before = enter(c, record->fields[i].name);
        complain(c, "missing; the schema requires it");
        leave(c, before);
    }
}

static bool kind_fits(const struct pol_type_of *t, const struct pol_value *v)
{
    static const uint8_t kinds[] = {
        [TYPE_BOOL] = POL_BOOL,     [TYPE_TRUE] = POL_BOOL,         [TYPE_FALSE] = POL_BOOL,
        [TYPE_LONG] = POL_LONG,     [TYPE_STRING] = POL_STRING,     [TYPE_DECIMAL] = POL_DECIMAL,
        [TYPE_IP] = POL_IP,         [TYPE_DATETIME] = POL_DATETIME, [TYPE_DURATION] = POL_DURATION,
        [TYPE_ENTITY] = POL_ENTITY, [TYPE_SET] = POL_SET,           [TYPE_RECORD] = POL_RECORD,
    };

    return kinds[t->kind] == v->kind;
}

static void value(struct conformer *c, const struct pol_type_of *t, const struct pol_value *v)
{
    struct span type, id;
    char text[256];

    if (!kind_fits(t, v)) {
        wrong_type(c, t, v);
        return;
    }
    switch (v->kind) {
    case POL_ENTITY:
        type = type_of(c, v->entity, &id);
        if (span_eq(type, t->name)) {
            uid_known(c, type, id);
            return;
        }
        snprintf(text, sizeof text, "an entity of the type %.*s, where the schema has %.*s",
                 SPAN_FMT(span_sub(type, 0, 96)), SPAN_FMT(span_sub(t->name, 0, 96)));
        complain(c, text);
        return;
    case POL_SET:
        // The first of another kind is enough.
        for (uint32_t i = 0; i < v->n; i++) {
            size_t before = c->diags->errors;

            value(c, t->element, &v->items[i]);
            if (c->diags->errors != before)
                return;
        }
        return;
    case POL_RECORD: fields(c, t, v->fields, v->n, true); return;
    default: return;
    }
}

static void tags(struct conformer *c, const struct pol_schema_entity *e, const struct pol_field *f, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        size_t before = enter(c, f[i].name);

        if (e->tags)
            value(c, e->tags, &f[i].value);
        else
            complain(c, "the schema declares no tags for this type; add 'tags'");
        leave(c, before);
    }
}

static void parent(struct conformer *c, struct span type, struct span id, struct span parent_type,
                   struct span parent_id)
{
    const struct pol_schema_entity *e = pol_schema_entity(c->s, type), *p = pol_schema_entity(c->s, parent_type);
    char text[256];

    (void)id;
    if (p && e && pol_numbers_have(&e->ancestors, (uint32_t)(p - c->s->entities))) {
        uid_known(c, parent_type, parent_id);
        return;
    }
    snprintf(text, sizeof text, "a %.*s cannot be in a %.*s; the schema has no such 'in'",
             SPAN_FMT(span_sub(type, 0, 80)), SPAN_FMT(span_sub(parent_type, 0, 80)));
    complain(c, text);
}

// ------------------------------------------------------------------------------------------------------------- requests

static void whole_path(struct conformer *c, const char *start)
{
    c->n_path = 0;
    enter(c, span_str(start));
}

static void declared_entity(struct conformer *c, struct pol_entity *e, bool whole)
{
    const struct pol_set *set = c->request->set;
    struct span id, type = type_of(c, e->number, &id);
    const struct pol_schema_entity *s = pol_schema_entity(c->s, type);

    if (pol_schema_action_type(type) || !uid_known(c, type, id))
        return;
    fields(c, s->attrs, e->attrs.fields, e->attrs.n, whole);
    tags(c, s, e->tags.fields, e->tags.n);
    for (uint32_t i = 0; i < e->n_parents; i++)
        parent(c, type, id, pol_facts_type_name(set, c->request, e->parents[i]),
               pol_facts_id(set, c->request, e->parents[i]));
}

static void may_meet(struct conformer *c, const struct pol_schema_action *a, struct pol_entity *e,
                     const struct pol_numbers *types, const char *role)
{
    struct span id, type = type_of(c, e->number, &id);
    const struct pol_schema_entity *s = pol_schema_entity(c->s, type);
    char text[256];

    whole_path(c, role);
    if (!s || pol_numbers_have(types, (uint32_t)(s - c->s->entities)))
        return;
    snprintf(text, sizeof text, "the action \"%.*s\" does not apply to a %.*s", SPAN_FMT(span_sub(a->id, 0, 80)),
             SPAN_FMT(span_sub(type, 0, 80)));
    complain(c, text);
}

bool pol_schema_validate_request(const struct pol_schema *s, struct pol_request *r, bool whole, struct span file,
                                 struct diags *diags)
{
    struct conformer c = { .s = s, .diags = diags, .file = file, .request = r };
    size_t before = diags->errors;
    const struct pol_schema_action *a;
    struct span id, type;

    if (r->err || !r->principal || !r->action || !r->resource) {
        diag_error(diags, file, 0, 0, "the request is not complete: %s", r->why ? r->why : "a part is missing");
        return false;
    }
    type = type_of(&c, r->action->number, &id);
    whole_path(&c, "action");
    if (!uid_known(&c, type, id))
        return false;
    if (!(a = pol_schema_action(s, type, id))) {
        complain(&c, "not an action");
        return false;
    }
    may_meet(&c, a, r->principal, &a->principals, "principal");
    may_meet(&c, a, r->resource, &a->resources, "resource");
    for (uint32_t i = 0; i < r->n_entities; i++) {
        whole_path(&c, r->entities[i] == r->principal  ? "principal"
                       : r->entities[i] == r->resource ? "resource"
                                                       : "entity");
        declared_entity(&c, r->entities[i], whole && (r->entities[i] == r->principal || r->entities[i] == r->resource));
    }
    whole_path(&c, "context");
    fields(&c, a->context, r->context ? r->context->fields : NULL, r->context ? r->context->n : 0, true);
    return diags->errors == before;
}

// ------------------------------------------------------------------------------------------------------------- entities

struct entities {
    struct conformer c;
    struct arena arena;
    struct pol_uids uids;
    struct pol_json j;
    bool whole;
};

static uint32_t number(void *ctx, struct span type, struct span id)
{
    return pol_uids_add(ctx, type, id);
}

static void place_at(struct entities *e, const struct pol_cursor *at)
{
    e->c.place = (struct pol_place){ at->line, at->column };
}

// What cannot be read at all is for the loader to say in detail.
static void unread(struct entities *e)
{
    complain(&e->c, span_is_none(e->j.wrong) ? "cannot be read" : e->j.wrong.p);
}

static void attributes_of(struct entities *e, const struct pol_schema_entity *type, const struct pol_json_node *n,
                          bool is_tags)
{
    struct pol_value v = { .kind = POL_RECORD };

    place_at(e, &n->at);
    if (n->v && (json_type(n->v) != JSON_OBJECT || !pol_json_record(&e->j, n->v, &v)))
        unread(e);
    else if (is_tags)
        tags(&e->c, type, v.fields, v.n);
    else
        fields(&e->c, type->attrs, v.fields, v.n, e->whole);
}

static void action_entity(struct entities *e, struct span type, struct span id, const struct pol_json_node *attrs,
                          const struct pol_json_node *parents)
{
    const struct pol_schema_action *a = pol_schema_action(e->c.s, type, id), *p;
    struct pol_json_walk w = pol_json_walk(parents);
    struct pol_json_node v;
    struct span none;

    if (!uid_known(&e->c, type, id))
        return;
    if (json_count(attrs->v))
        complain(&e->c, "actions have no attributes");
    while (parents->v && pol_json_step(&w, &none, &v)) {
        place_at(e, &v.at);
        if (!pol_json_uid(&e->j, v.v, false, &type, &id))
            unread(e);
        else if (!(p = pol_schema_action(e->c.s, type, id)) ||
                 !pol_numbers_have(&a->ancestors, (uint32_t)(p - e->c.s->actions)))
            complain(&e->c, "the schema has the action in other groups");
    }
}

static void one_entity(struct entities *e, const struct pol_json_node *n)
{
    struct pol_json_node attrs = { .at = n->at }, tag_node = { .at = n->at }, parents = { .at = n->at }, v;
    struct pol_json_walk w = pol_json_walk(n);
    struct span name, type, id, parent_type, parent_id;
    const struct pol_schema_entity *s;

    leave(&e->c, 0);
    enter(&e->c, SPAN("entity"));
    place_at(e, &n->at);
    while (json_type(n->v) == JSON_OBJECT && pol_json_step(&w, &name, &v)) {
        if (span_eq(name, SPAN("attrs")))
            attrs = v;
        else if (span_eq(name, SPAN("tags")))
            tag_node = v;
        else if (span_eq(name, SPAN("parents")))
            parents = v;
    }
    if (!pol_json_uid(&e->j, json_get(n->v, SPAN("uid")), false, &type, &id)) {
        unread(e);
        return;
    }
    leave(&e->c, 0);
    enter(&e->c,
          arena_printf(&e->arena, "%.*s::\"%.*s\"", SPAN_FMT(span_sub(type, 0, 64)), SPAN_FMT(span_sub(id, 0, 96))));
    if (pol_schema_action_type(type)) {
        action_entity(e, type, id, &attrs, &parents);
        return;
    }
    if (!uid_known(&e->c, type, id))
        return;
    s = pol_schema_entity(e->c.s, type);
    attributes_of(e, s, &attrs, false);
    attributes_of(e, s, &tag_node, true);
    w = pol_json_walk(&parents);
    while (json_type(parents.v) == JSON_ARRAY && pol_json_step(&w, &name, &v)) {
        place_at(e, &v.at);
        if (pol_json_uid(&e->j, v.v, false, &parent_type, &parent_id))
            parent(&e->c, type, id, parent_type, parent_id);
        else
            unread(e);
    }
}

static void entities_text(struct entities *e, const struct pol_source *text)
{
    static const struct json_limits limits = { .bytes = POL_TEXT_MAX,
                                               .depth = 2 * POL_VALUE_DEPTH + 8,
                                               .nul_names = true };
    struct json_error error;
    struct json_doc *doc = json_parse(text->text, &limits, &error);
    struct pol_json_node root, v;
    struct pol_json_walk w;
    struct span none;

    if (!doc) {
        diag_error(e->c.diags, text->name, error.line, error.column, "not JSON: %s", error.what);
        return;
    }
    e->c.file = text->name;
    root = pol_json_node(text->text, doc);
    w = pol_json_walk(&root);
    if (json_type(root.v) != JSON_ARRAY)
        diag_error(e->c.diags, text->name, 1, 1, "expected a list of entities");
    while (json_type(root.v) == JSON_ARRAY && pol_json_step(&w, &none, &v))
        one_entity(e, &v);
    json_free(doc);
}

bool pol_schema_validate_entities(const struct pol_schema *s, const struct pol_source *entities, size_t n, bool whole,
                                  struct diags *diags)
{
    struct entities e = { .c = { .s = s, .diags = diags, .uids = &e.uids }, .whole = whole };
    size_t before = diags->errors;

    arena_init(&e.arena, 0);
    pol_uids_init(&e.uids, &e.arena, 0);
    e.j = (struct pol_json){ .arena = &e.arena, .number = number, .ctx = &e.uids };
    for (size_t i = 0; i < n; i++)
        entities_text(&e, &entities[i]);
    if (e.arena.failed)
        diag_error(diags, SPAN_NONE, 0, 0, "out of memory while reading entities");
    pol_uids_fini(&e.uids);
    arena_fini(&e.arena);
    return diags->errors == before;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/request_json.h"

#include "policy/facts.h"
#include "policy/residual.h"
#include "policy/value_json.h"

struct reading {
    struct pol_request *request;
    struct diags *diags;
    struct span file;
    struct pol_json j;
};

static uint32_t number(void *ctx, struct span type, struct span id)
{
    struct reading *r = ctx;
    struct pol_value v = pol_request_ref(r->request, type, id);

    return v.kind == POL_ENTITY ? v.entity : POL_ID_NONE;
}

static bool complain(struct reading *r, const char *where, struct span what)
{
    diag_error(r->diags, r->file, 0, 0, "%s: %.*s", where, SPAN_FMT(what));
    return false;
}

// ------------------------------------------------------------------------------------------------------------- reading

static bool role(struct reading *r, json v, const char *name,
                 struct pol_entity *(*declare)(struct pol_request *, struct span, struct span))
{
    struct span type, id;

    r->j.depth = 0;
    if (!v)
        return complain(r, name, SPAN("is missing; write \"Type::\\\"id\\\"\" or {\"type\": …, \"id\": …}"));
    if (!pol_json_uid(&r->j, v, true, &type, &id))
        return complain(r, name, r->j.wrong);
    return declare(r->request, type, id) != NULL ? true : complain(r, name, span_str(r->request->why));
}

static bool parents(struct reading *r, struct pol_entity *e, bool action, json v)
{
    struct json_iter it = json_iter(v);
    struct span name, type, id;
    json parent;

    if (v && json_type(v) != JSON_ARRAY)
        return complain(r, "entities", SPAN("'parents' must be a list of entity references"));
    while (json_next(&it, &name, &parent)) {
        if (!pol_json_uid(&r->j, parent, false, &type, &id))
            return complain(r, "entities", r->j.wrong);
        if (action && !pol_json_action_type(type))
            return complain(r, "entities", SPAN("a parent of an action must be an action"));
        pol_request_parent(r->request, e, type, id);
    }
    return true;
}

static bool attributes(struct reading *r, struct pol_record *into, json v, bool tags)
{
    struct pol_value record;

    if (!v)
        return true;
    if (json_type(v) != JSON_OBJECT)
        return complain(r, "entities", tags ? SPAN("'tags' must be an object") : SPAN("'attrs' must be an object"));
    r->j.depth = 0;
    if (!pol_json_record(&r->j, v, &record))
        return complain(r, "entities", r->j.wrong);
    if (into->n)
        return complain(r, "entities", SPAN("an entity stands twice"));
    *into = (struct pol_record){ (struct pol_field *)(uintptr_t)record.fields, record.n, record.n };
    return true;
}

static bool entity(struct reading *r, json v)
{
    struct json_iter it = json_iter(v);
    struct span name, type, id;
    struct pol_entity *e;
    json member;

    r->j.depth = 0;
    if (json_type(v) != JSON_OBJECT || !json_get(v, SPAN("uid")))
        return complain(r, "entities", SPAN("expected {\"uid\": …, \"attrs\": …, \"parents\": …}"));
    while (json_next(&it, &name, &member)) {
        if (!span_eq(name, SPAN("uid")) && !span_eq(name, SPAN("attrs")) && !span_eq(name, SPAN("parents")) &&
            !span_eq(name, SPAN("tags")))
            return complain(r, "entities", SPAN("unknown member of an entity; known are uid, attrs, parents, tags"));
    }
    if (!pol_json_uid(&r->j, json_get(v, SPAN("uid")), true, &type, &id))
        return complain(r, "entities", r->j.wrong);
    e = pol_request_entity(r->request, type, id);
    if (!e)
        return complain(r, "entities", span_str(r->request->why));
    return attributes(r, &e->attrs, json_get(v, SPAN("attrs")), false) &&
           attributes(r, &e->tags, json_get(v, SPAN("tags")), true) &&
           parents(r, e, pol_json_action_type(type), json_get(v, SPAN("parents")));
}

static bool entities(struct reading *r, json v)
{
    struct json_iter it = json_iter(v);
    struct span name;
    json e;

    if (v && json_type(v) != JSON_ARRAY)
        return complain(r, "entities", SPAN("expected a list"));
    while (json_next(&it, &name, &e))
        if (!entity(r, e))
            return false;
    return true;
}

static bool context_record(struct reading *r, json v, struct pol_value *record)
{
    r->j.depth = 0;
    if (json_type(v) != JSON_OBJECT)
        return complain(r, "context", SPAN("expected an object"));
    return pol_json_record(&r->j, v, record) ? true : complain(r, "context", r->j.wrong);
}

static bool context(struct reading *r, json v)
{
    struct pol_value record;

    if (!v)
        return true;
    if (!context_record(r, v, &record))
        return false;
    return pol_request_context_is(r->request, record) ? true : complain(r, "context", span_str(r->request->why));
}

static bool members(struct reading *r, json v)
{
    static const struct span known[] = {
        SPAN("principal"), SPAN("action"), SPAN("resource"), SPAN("context"), SPAN("entities"),
    };
    struct json_iter it = json_iter(v);
    struct span name, near;
    json member;

    while (json_next(&it, &name, &member)) {
        bool found = false;

        for (size_t i = 0; i < 5; i++)
            found = found || span_eq(name, known[i]);
        if (found)
            continue;
        near = diag_suggest(name, known, 5);
        diag_error(r->diags, r->file, 0, 0, "unknown member '%.*s' of a request; %s%.*s",
                   SPAN_FMT(span_sub(name, 0, 64)),
                   span_is_none(near) ? "known are principal, action, resource, context, entities" : "did you mean ",
                   SPAN_FMT(near));
        return false;
    }
    return true;
}

static void reading_init(struct reading *r, struct pol_request *request, struct span file, struct diags *diags)
{
    *r = (struct reading){ .request = request, .diags = diags, .file = file };
    r->j = (struct pol_json){ .arena = request->arena, .number = number, .ctx = r };
}

static bool roles_and_entities(struct reading *r, json v)
{
    return role(r, json_get(v, SPAN("principal")), "principal", pol_request_principal) &&
           role(r, json_get(v, SPAN("action")), "action", pol_request_action) &&
           role(r, json_get(v, SPAN("resource")), "resource", pol_request_resource) &&
           entities(r, json_get(v, SPAN("entities")));
}

bool pol_request_entities_from_value(struct pol_request *request, struct span file, json v, struct diags *diags)
{
    struct reading r;

    reading_init(&r, request, file, diags);
    return roles_and_entities(&r, v);
}

bool pol_request_record_from_value(struct pol_request *request, struct span file, json v, struct pol_value *record,
                                   struct diags *diags)
{
    struct reading r;

    reading_init(&r, request, file, diags);
    return context_record(&r, v, record);
}

bool pol_request_from_value(struct pol_request *request, struct span file, json v, bool lenient, struct diags *diags)
{
    struct reading r;

    reading_init(&r, request, file, diags);
    if (json_type(v) != JSON_OBJECT)
        return complain(&r, "request", SPAN("expected {\"principal\": …, \"action\": …, \"resource\": …}"));
    if ((!lenient && !members(&r, v)) || !roles_and_entities(&r, v) || !context(&r, json_get(v, SPAN("context"))))
        return false;
    return request->err ? complain(&r, "request", span_str(request->why)) : true;
}

bool pol_request_from_json(struct pol_request *request, struct span file, struct span text, bool lenient,
                           struct diags *diags)
{
    struct json_limits limits = { .bytes = POL_TEXT_MAX, .depth = POL_VALUE_DEPTH + 8, .nul_names = true };
    struct json_error error;
    struct json_doc *doc = json_parse(text, &limits, &error);
    bool ok;

    if (!doc) {
        diag_error(diags, file, error.line, error.column, "not valid JSON: %s", error.what);
        return false;
    }
    // Strings are copied into the request's arena, so the document may go.
    ok = pol_request_from_value(request, file, json_root(doc), lenient, diags);
    json_free(doc);
    return ok;
}

// ------------------------------------------------------------------------------------------------------------- writing

// Both lists are sorted by name; where both have one, the request's is written.
static void write_fields(struct json_writer *w, const struct pol_request *r, const struct pol_record *ours,
                         const struct pol_field *theirs, uint32_t m)
{
    uint32_t i = 0, k = 0, n = ours ? ours->n : 0;

    json_w_object(w);
    while (i < n || k < m) {
        int c = i == n ? 1 : k == m ? -1 : pol_name_cmp(ours->fields[i].name, theirs[k].name);
        const struct pol_field *field = c <= 0 ? &ours->fields[i] : &theirs[k];

        i += c <= 0;
        k += c >= 0;
        json_w_key(w, field->name);
        pol_json_write(w, r, &field->value);
    }
    json_w_end(w);
}

static void write_entity(struct json_writer *w, const struct pol_request *r, uint32_t number,
                         const struct pol_entity *e)
{
    const struct pol_facts *f = number < r->set->uids.uids.n ? &r->set->facts[number] : NULL;
    const uint32_t *ids = e ? e->ancestors : f ? f->ancestors : NULL;
    uint32_t n = e ? e->n_ancestors : f ? f->n_ancestors : 0;

    json_w_object(w);
    json_w_key(w, SPAN("uid"));
    pol_json_write_uid(w, r, number);
    json_w_key(w, SPAN("attrs"));
    write_fields(w, r, e ? &e->attrs : NULL, f ? f->attrs : NULL, f ? f->n_attrs : 0);
    if ((e && e->tags.n) || (f && f->n_tags)) {
        json_w_key(w, SPAN("tags"));
        write_fields(w, r, e ? &e->tags : NULL, f ? f->tags : NULL, f ? f->n_tags : 0);
    }
    json_w_key(w, SPAN("parents"));
    json_w_array(w);
    for (uint32_t i = 0; i < n; i++)
        pol_json_write_uid(w, r, ids[i]);
    json_w_end(w);
    json_w_end(w);
}

#define WRITE_ROLE(w, r, role)                           \
    do {                                                 \
        if ((r)->role) {                                 \
            JSON_W_KEY(w, #role);                        \
            pol_json_write_uid(w, r, (r)->role->number); \
        }                                                \
    } while (0)

// The beginning of the object, up to the context.
static void write_head(struct buf *out, const struct pol_request *r)
{
    struct json_writer w = json_writer(out);

    json_w_object(&w);
    WRITE_ROLE(&w, r, principal);
    WRITE_ROLE(&w, r, action);
    WRITE_ROLE(&w, r, resource);
    JSON_W_KEY(&w, "context");
}

static void write_context(struct buf *out, const struct pol_request *r)
{
    struct json_writer w = json_writer(out);
    const struct pol_record *c = r->context;

    json_w_object(&w);
    for (uint32_t i = 0; c && i < c->n; i++) {
        const struct pol_value *v = &c->fields[i].value;

        json_w_key(&w, c->fields[i].name);
        if (v->kind == POL_RECORD && r->written && v->fields == r->written)
            json_w_raw(&w, r->text);
        else
            pol_json_write(&w, r, v);
    }
    json_w_end(&w);
}

// The list of entities, without its end.
static void write_entities(struct buf *out, const struct pol_request *r)
{
    struct json_writer w = json_writer(out);

    json_w_array(&w);
    for (uint32_t i = 0; i < r->n_entities; i++)
        write_entity(&w, r, r->entities[i]->number, r->entities[i]);
    for (uint32_t i = 0; i < r->n_touched; i++)
        write_entity(&w, r, r->touched[i], NULL);
}

// The same when it was written before, and more entities have been looked at since.
static void add_entities(struct buf *out, const struct pol_request *r, const struct pol_residual *kept)
{
    buf_append(out, span_sub(kept->text, kept->n_head, kept->text.n));
    for (uint32_t i = kept->base.n_touched; i < r->n_touched; i++) {
        struct json_writer w = json_writer(out);

        buf_byte(out, ',');
        write_entity(&w, r, r->touched[i], NULL);
    }
}

bool pol_request_text(const struct pol_request *r, struct buf *out, size_t *n_head)
{
    write_head(out, r);
    *n_head = buf_len(out);
    write_entities(out, r);
    return !out->failed;
}

bool pol_request_to_json(struct pol_request *r, struct buf *out)
{
    const struct pol_residual *kept = r->residual && r->residual->text.n ? r->residual : NULL;

    if (!r->err)
        pol_facts_close(r);
    if (kept)
        buf_append(out, span_sub(kept->text, 0, kept->n_head));
    else
        write_head(out, r);
    write_context(out, r);
    buf_append(out, SPAN(",\"entities\":"));
    if (kept)
        add_entities(out, r, kept);
    else
        write_entities(out, r);
    return buf_append(out, SPAN("]}")) && !out->failed;
}

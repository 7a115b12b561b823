// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/value_json.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "policy/ext.h"
#include "policy/facts.h"
#include "policy/lex.h"

static bool wrong(struct pol_json *j, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// "at .team[2]: what; what to do"
static bool wrong(struct pol_json *j, const char *fmt, ...)
{
    char text[256], path[256];
    size_t n = 0;
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    path[0] = '\0';
    for (unsigned i = 0; i < j->depth && i <= POL_VALUE_DEPTH && n + 64 < sizeof path; i++)
        n += (size_t)(span_is_none(j->path[i].name)
                          ? snprintf(path + n, sizeof path - n, "[%zu]", j->path[i].index)
                          : snprintf(path + n, sizeof path - n, ".%.*s", SPAN_FMT(span_sub(j->path[i].name, 0, 48))));
    j->wrong = n ? arena_printf(j->arena, "at %s: %s", path, text) : arena_printf(j->arena, "%s", text);
    if (span_is_none(j->wrong))
        j->wrong = SPAN("out of memory");
    return false;
}

static struct span copy(struct pol_json *j, struct span s)
{
    return arena_dup(j->arena, s);
}

// --------------------------------------------------------------------------------------------------------------- uids

static bool uid_members(struct pol_json *j, json v, struct span *type, struct span *id)
{
    struct json_iter it = json_iter(v);
    struct span name, t = SPAN_NONE, i = SPAN_NONE;
    json member;

    while (json_next(&it, &name, &member)) {
        if (span_eq(name, SPAN("type")))
            t = json_string(member);
        else if (span_eq(name, SPAN("id")))
            i = json_string(member);
        else
            return wrong(j, "an entity reference has 'type' and 'id' only; remove '%.*s'",
                         SPAN_FMT(span_sub(name, 0, 64)));
    }
    if (span_is_none(t) || span_is_none(i))
        return wrong(j, "an entity reference needs the strings 'type' and 'id'");
    if (!pol_name_valid(t))
        return wrong(j, "'%.*s' is no entity type; a type is a name such as Role or Acme::Role",
                     SPAN_FMT(span_sub(t, 0, 64)));
    *type = copy(j, t);
    *id = copy(j, i);
    return !span_is_none(*type) && !span_is_none(*id) ? true : wrong(j, "out of memory");
}

// Type::"id", as policies write it.
bool pol_json_uid_text(struct pol_json *j, struct span s, struct span *type, struct span *id)
{
    struct pol_lexer l;
    struct pol_token t;
    size_t quote = span_find(s, '"');
    const char *fault;

    if (quote >= s.n || quote < 3 || s.p[quote - 1] != ':' || s.p[quote - 2] != ':' ||
        !pol_name_valid(span_sub(s, 0, quote - 2)))
        return wrong(j, "'%.*s' is no entity; write Type::\\\"id\\\"", SPAN_FMT(span_sub(s, 0, 64)));
    pol_lexer_init(&l, span_sub(s, quote, s.n));
    t = pol_lex(&l);
    if (t.kind != TOK_STRING || pol_lex(&l).kind != TOK_END)
        return wrong(j, "'%.*s' is no entity; write Type::\\\"id\\\"", SPAN_FMT(span_sub(s, 0, 64)));
    fault = pol_unescape(j->arena, t.text, false, id, NULL);
    if (fault)
        return wrong(j, "%s", fault);
    *type = copy(j, span_sub(s, 0, quote - 2));
    return !span_is_none(*type) ? true : wrong(j, "out of memory");
}

bool pol_json_uid(struct pol_json *j, json v, bool text, struct span *type, struct span *id)
{
    json inner = json_get(v, SPAN("__entity"));

    if (text && json_type(v) == JSON_STRING)
        return pol_json_uid_text(j, json_string(v), type, id);
    if (inner && json_count(v) == 1)
        v = inner;
    if (json_type(v) != JSON_OBJECT)
        return wrong(j, "expected an entity reference {\"type\": …, \"id\": …}");
    return uid_members(j, v, type, id);
}

bool pol_json_action_type(struct span type)
{
    return span_eq(type, SPAN("Action")) || span_ends(type, SPAN("::Action"));
}

// ------------------------------------------------------------------------------------------------------------- values

static bool entity_value(struct pol_json *j, json v, struct pol_value *out)
{
    struct span type, id;
    uint32_t n;

    if (!pol_json_uid(j, v, false, &type, &id))
        return false;
    n = j->number(j->ctx, type, id);
    if (n == POL_ID_NONE)
        return wrong(j, "out of memory, or too many entities");
    *out = (struct pol_value){ .kind = POL_ENTITY, .entity = n };
    return true;
}

// One level down: false at the bound.
static bool down(struct pol_json *j, struct span name, size_t index)
{
    if (j->depth >= POL_VALUE_DEPTH)
        return wrong(j, "nested deeper than %u", POL_VALUE_DEPTH);
    j->path[j->depth].name = name;
    j->path[j->depth].index = index;
    j->depth++;
    return true;
}

static bool set_value(struct pol_json *j, json v, struct pol_value *out)
{
    size_t n = json_count(v), i = 0;
    struct pol_value *items = n <= POL_ELEMENTS_MAX ? arena_array(j->arena, n ? n : 1, sizeof *items) : NULL;
    uint32_t steps = UINT32_MAX;
    struct json_iter it = json_iter(v);
    struct span name;
    json element;

    if (!items)
        return n > POL_ELEMENTS_MAX ? wrong(j, "a set of more than %u elements; use parents and 'in'", POL_ELEMENTS_MAX)
                                    : wrong(j, "out of memory");
    while (json_next(&it, &name, &element)) {
        if (!down(j, SPAN_NONE, i) || !pol_json_value(j, element, &items[i]))
            return false;
        j->depth--;
        i++;
    }
    *out = pol_value_set(items, n, &steps);
    return out->kind != POL_NONE ? true : wrong(j, "a set that takes too long to sort");
}

bool pol_json_record(struct pol_json *j, json v, struct pol_value *out)
{
    size_t n = json_count(v), i = 0;
    struct pol_field *fields = n <= POL_ELEMENTS_MAX ? arena_array(j->arena, n ? n : 1, sizeof *fields) : NULL;
    struct json_iter it = json_iter(v);
    struct span name;
    json member;

    if (!fields)
        return n > POL_ELEMENTS_MAX ? wrong(j, "a record of more than %u attributes", POL_ELEMENTS_MAX)
                                    : wrong(j, "out of memory");
    while (json_next(&it, &name, &member)) {
        fields[i].name = copy(j, name);
        if (span_is_none(fields[i].name))
            return wrong(j, "out of memory");
        if (!down(j, fields[i].name, 0) || !pol_json_value(j, member, &fields[i].value))
            return false;
        j->depth--;
        i++;
    }
    // Repeated members were refused by the JSON reader.
    *out = pol_value_record(fields, n, NULL);
    return out->kind != POL_NONE ? true : wrong(j, "an attribute stands twice");
}

// An argument of a call: {"fn": …, "arg": …} has one, {"fn": …, "args": […]} any number.
static bool argument(struct pol_json *j, json v, size_t i, struct pol_value *out)
{
    if (!down(j, SPAN_NONE, i) || !pol_json_value(j, v, out))
        return false;
    j->depth--;
    return true;
}

static bool arguments(struct pol_json *j, enum pol_ext_fn fn, json one, json many, struct pol_value *out)
{
    const struct pol_ext_function *f = pol_ext_function(fn);
    struct json_iter it = json_iter(many);
    size_t n = one ? 1 : json_count(many);
    struct span name;
    json v;

    if (n != f->arguments)
        return wrong(j, "%.*s takes %u arguments, got %zu", SPAN_FMT(f->name), f->arguments, n);
    if (one)
        return argument(j, one, 0, &out[0]);
    for (size_t i = 0; json_next(&it, &name, &v); i++)
        if (!argument(j, v, i, &out[i]))
            return false;
    return true;
}

// Constructors as well as methods: Cedar writes a datetime as datetime("1970-01-01").offset(…).
static bool extension_value(struct pol_json *j, json v, struct pol_value *out)
{
    json call = json_get(v, SPAN("__extn")), one = json_get(call, SPAN("arg")), many = json_get(call, SPAN("args"));
    struct span name = json_string(json_get(call, SPAN("fn")));
    struct pol_value args[2];
    struct pol_ext_error error;
    enum pol_ext_fn fn = span_is_none(name) ? EXT_NONE : pol_ext_find(name);

    if (json_type(call) != JSON_OBJECT || json_count(call) != 2 || span_is_none(name) || !one == !many ||
        (many && json_type(many) != JSON_ARRAY))
        return wrong(j, "'__extn' is {\"fn\": …, \"arg\": …} or {\"fn\": …, \"args\": […]}");
    if (fn == EXT_NONE)
        return wrong(j, "there is no extension function '%.*s'; use ip, decimal, datetime or duration",
                     SPAN_FMT(span_sub(name, 0, 64)));
    if (!arguments(j, fn, one, many, args))
        return false;
    if (pol_ext_call(fn, args, j->arena, out, &error))
        return true;
    return error.what ? wrong(j, "%.*s(): %s", SPAN_FMT(name), error.what)
                      : wrong(j, "%.*s() takes a %s, got a %s", SPAN_FMT(name), pol_kind_name(error.wanted),
                              pol_kind_name(error.got));
}

static bool object_value(struct pol_json *j, json v, struct pol_value *out)
{
    static const struct span escapes[] = { SPAN("__entity"), SPAN("__extn"), SPAN("__expr") };

    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        if (!json_get(v, escapes[i]))
            continue;
        if (json_count(v) != 1)
            return wrong(j, "'%.*s' stands alone in its object", SPAN_FMT(escapes[i]));
        return i == 0   ? entity_value(j, v, out)
               : i == 1 ? extension_value(j, v, out)
                        : wrong(j, "'__expr' is not supported by Cedar any more; use '__entity' or '__extn'");
    }
    return pol_json_record(j, v, out);
}

bool pol_json_value(struct pol_json *j, json v, struct pol_value *out)
{
    struct span s;
    int64_t i;
    bool b;

    switch (json_type(v)) {
    case JSON_BOOL: *out = pol_bool(json_bool(v, &b) && b); return true;
    case JSON_INT:
    case JSON_UINT:
        if (!json_i64(v, &i))
            return wrong(j, "a number that does not fit in 64 bits");
        *out = pol_long(i);
        return true;
    case JSON_STRING:
        s = copy(j, json_string(v));
        *out = pol_string(s);
        return out->kind != POL_NONE ? true : wrong(j, "a string over 1 MiB, or out of memory");
    case JSON_ARRAY: return set_value(j, v, out);
    case JSON_OBJECT: return object_value(j, v, out);
    case JSON_REAL: return wrong(j, "Cedar has no fractions, and longs of 64 bits; use a smaller unit or a string");
    default: return wrong(j, "Cedar has no null; leave the attribute out");
    }
}

// ------------------------------------------------------------------------------------------------------------ writing

void pol_json_write_uid(struct json_writer *w, const struct pol_request *r, uint32_t entity)
{
    json_w_object(w);
    JSON_W_KEY(w, "type");
    json_w_string(w, pol_facts_type_name(r->set, r, entity));
    JSON_W_KEY(w, "id");
    json_w_string(w, pol_facts_id(r->set, r, entity));
    json_w_end(w);
}

static void write_call(struct json_writer *w, enum pol_ext_fn fn, struct span argument)
{
    json_w_object(w);
    JSON_W_KEY(w, "__extn");
    json_w_object(w);
    JSON_W_KEY(w, "fn");
    json_w_string(w, pol_ext_function(fn)->name);
    JSON_W_KEY(w, "arg");
    json_w_string(w, argument);
    json_w_end(w);
    json_w_end(w);
}

static void write_extension(struct json_writer *w, const struct pol_value *v)
{
    struct pol_value since = pol_duration(v->i);
    char text[POL_EXT_TEXT_MAX];

    if (pol_ext_text(v, text)) {
        write_call(w,
                   v->kind == POL_IP         ? EXT_IP
                   : v->kind == POL_DECIMAL  ? EXT_DECIMAL
                   : v->kind == POL_DATETIME ? EXT_DATETIME
                                             : EXT_DURATION,
                   span_str(text));
        return;
    }
    // A datetime that no text stands for.
    pol_ext_text(&since, text);
    json_w_object(w);
    json_w_key(w, SPAN("__extn"));
    json_w_object(w);
    json_w_key(w, SPAN("fn"));
    json_w_string(w, SPAN("offset"));
    json_w_key(w, SPAN("args"));
    json_w_array(w);
    write_call(w, EXT_DATETIME, SPAN("1970-01-01"));
    write_call(w, EXT_DURATION, span_str(text));
    json_w_end(w);
    json_w_end(w);
    json_w_end(w);
}

void pol_json_write(struct json_writer *w, const struct pol_request *r, const struct pol_value *v)
{
    switch (v->kind) {
    case POL_BOOL: json_w_bool(w, v->b); break;
    case POL_LONG: json_w_int(w, v->i); break;
    case POL_STRING: json_w_string(w, pol_value_span(*v)); break;
    case POL_ENTITY:
        json_w_object(w);
        json_w_key(w, SPAN("__entity"));
        pol_json_write_uid(w, r, v->entity);
        json_w_end(w);
        break;
    case POL_SET:
        json_w_array(w);
        for (uint32_t i = 0; i < v->n; i++)
            pol_json_write(w, r, &v->items[i]);
        json_w_end(w);
        break;
    case POL_RECORD:
        json_w_object(w);
        for (uint32_t i = 0; i < v->n; i++) {
            json_w_key(w, v->fields[i].name);
            pol_json_write(w, r, &v->fields[i].value);
        }
        json_w_end(w);
        break;
    case POL_DECIMAL:
    case POL_IP:
    case POL_DATETIME:
    case POL_DURATION: write_extension(w, v); break;
    default: json_w_null(w);
    }
}

void pol_json_write_obligation(struct json_writer *w, const struct pol_request *r, const struct pol_obligation *o)
{
    struct span period = pol_obligation_period(o->period_ms);
    char text[48];

    json_w_object(w);
    json_w_key(w, SPAN("policy"));
    json_w_string(w, pol_set_policy(r->set, o->policy)->id);
    switch (o->kind) {
    case POL_OBLIGATION_FILTER:
        json_w_key(w, SPAN("filter"));
        json_w_string(w, o->field);
        json_w_key(w, SPAN("value"));
        pol_json_write(w, r, &o->value);
        break;
    case POL_OBLIGATION_LIMIT:
        json_w_key(w, SPAN("limit"));
        snprintf(text, sizeof text, "%" PRIu64 "/%.*s", o->count, SPAN_FMT(period));
        json_w_string(w, span_str(text));
        break;
    case POL_OBLIGATION_AUDIT:
        json_w_key(w, SPAN("audit"));
        json_w_string(w, SPAN("full"));
        break;
    }
    json_w_end(w);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/type.h"

#include <stdio.h>

#include "policy/uid.h"
#include "policy/value.h"

static const struct span names[] = {
    [TYPE_BOOL] = SPAN("Bool"), [TYPE_TRUE] = SPAN("Bool"),         [TYPE_FALSE] = SPAN("Bool"),
    [TYPE_LONG] = SPAN("Long"), [TYPE_STRING] = SPAN("String"),     [TYPE_DECIMAL] = SPAN("decimal"),
    [TYPE_IP] = SPAN("ipaddr"), [TYPE_DATETIME] = SPAN("datetime"), [TYPE_DURATION] = SPAN("duration"),
};

static const struct pol_type_of plain[] = {
    [TYPE_BOOL] = { .kind = TYPE_BOOL, .hash = 1 },
    [TYPE_TRUE] = { .kind = TYPE_TRUE, .hash = 2 },
    [TYPE_FALSE] = { .kind = TYPE_FALSE, .hash = 3 },
    [TYPE_LONG] = { .kind = TYPE_LONG, .hash = 4 },
    [TYPE_STRING] = { .kind = TYPE_STRING, .hash = 5 },
    [TYPE_DECIMAL] = { .kind = TYPE_DECIMAL, .hash = 6 },
    [TYPE_IP] = { .kind = TYPE_IP, .hash = 7 },
    [TYPE_DATETIME] = { .kind = TYPE_DATETIME, .hash = 8 },
    [TYPE_DURATION] = { .kind = TYPE_DURATION, .hash = 9 },
};

static const struct pol_type_signature signatures[] = {
    [EXT_IP] = { TYPE_STRING, 0, TYPE_IP },
    [EXT_DECIMAL] = { TYPE_STRING, 0, TYPE_DECIMAL },
    [EXT_DATETIME] = { TYPE_STRING, 0, TYPE_DATETIME },
    [EXT_DURATION] = { TYPE_STRING, 0, TYPE_DURATION },
    [EXT_LESS_THAN] = { TYPE_DECIMAL, TYPE_DECIMAL, TYPE_BOOL },
    [EXT_LESS_THAN_OR_EQUAL] = { TYPE_DECIMAL, TYPE_DECIMAL, TYPE_BOOL },
    [EXT_GREATER_THAN] = { TYPE_DECIMAL, TYPE_DECIMAL, TYPE_BOOL },
    [EXT_GREATER_THAN_OR_EQUAL] = { TYPE_DECIMAL, TYPE_DECIMAL, TYPE_BOOL },
    [EXT_IS_IPV4] = { TYPE_IP, 0, TYPE_BOOL },
    [EXT_IS_IPV6] = { TYPE_IP, 0, TYPE_BOOL },
    [EXT_IS_LOOPBACK] = { TYPE_IP, 0, TYPE_BOOL },
    [EXT_IS_MULTICAST] = { TYPE_IP, 0, TYPE_BOOL },
    [EXT_IS_IN_RANGE] = { TYPE_IP, TYPE_IP, TYPE_BOOL },
    [EXT_OFFSET] = { TYPE_DATETIME, TYPE_DURATION, TYPE_DATETIME },
    [EXT_DURATION_SINCE] = { TYPE_DATETIME, TYPE_DATETIME, TYPE_DURATION },
    [EXT_TO_DATE] = { TYPE_DATETIME, 0, TYPE_DATETIME },
    [EXT_TO_TIME] = { TYPE_DATETIME, 0, TYPE_DURATION },
    [EXT_TO_MILLISECONDS] = { TYPE_DURATION, 0, TYPE_LONG },
    [EXT_TO_SECONDS] = { TYPE_DURATION, 0, TYPE_LONG },
    [EXT_TO_MINUTES] = { TYPE_DURATION, 0, TYPE_LONG },
    [EXT_TO_HOURS] = { TYPE_DURATION, 0, TYPE_LONG },
    [EXT_TO_DAYS] = { TYPE_DURATION, 0, TYPE_LONG },
};

const struct pol_type_of *pol_type_plain(enum pol_type_kind kind)
{
    return &plain[kind];
}

const struct pol_type_signature *pol_type_signature(enum pol_ext_fn fn)
{
    return &signatures[fn];
}

struct span pol_type_plain_name(enum pol_type_kind kind)
{
    return names[kind];
}

// --------------------------------------------------------------------------------------------------------- interning

static uint32_t mix(uint32_t h, uint32_t v)
{
    uint64_t m = (uint64_t)(h ^ v) * 0x9e3779b97f4a7c15u;

    return (uint32_t)(m >> 32) ^ (uint32_t)m;
}

// Parts are interned, so they are compared as pointers.
static bool twins(const struct pol_type_of *x, const struct pol_type_of *y)
{
    if (x->hash != y->hash || x->kind != y->kind || x->n != y->n || x->entity != y->entity || x->element != y->element)
        return false;
    for (uint32_t i = 0; i < x->n; i++) {
        const struct pol_type_field *a = &x->fields[i], *b = &y->fields[i];

        if (a->type != b->type || a->optional != b->optional || !span_eq(a->name, b->name))
            return false;
    }
    return true;
}

static bool roomy(struct pol_types *t)
{
    uint32_t want = t->n_slots ? t->n_slots * 2 : 64;
    const struct pol_type_of **fresh;

    if (t->n < t->n_slots / 2)
        return true;
    if (want < t->n_slots || !(fresh = arena_array(t->arena, want, sizeof *fresh)))
        return false;
    for (uint32_t i = 0; i < t->n_slots; i++) {
        uint32_t at;

        if (!t->slots[i])
            continue;
        for (at = t->slots[i]->hash & (want - 1); fresh[at]; at = (at + 1) & (want - 1))
            ;
        fresh[at] = t->slots[i];
    }
    t->slots = fresh;
    t->n_slots = want;
    return true;
}

static const struct pol_type_of *intern(struct pol_types *t, const struct pol_type_of *like)
{
    struct pol_type_of *fresh;
    struct pol_type_field *fields;
    uint32_t at;

    if (!roomy(t))
        return NULL;
    for (at = like->hash & (t->n_slots - 1); t->slots[at]; at = (at + 1) & (t->n_slots - 1))
        if (twins(t->slots[at], like))
            return t->slots[at];
    fresh = arena_alloc(t->arena, sizeof *fresh);
    fields = like->n ? arena_array(t->arena, like->n, sizeof *fields) : NULL;
    if (!fresh || (like->n && !fields))
        return NULL;
    *fresh = *like;
    for (uint32_t i = 0; i < like->n; i++)
        fields[i] = like->fields[i];
    fresh->fields = fields;
    t->slots[at] = fresh;
    t->n++;
    return fresh;
}

const struct pol_type_of *pol_types_entity(struct pol_types *t, uint32_t entity, struct span name)
{
    struct pol_type_of like = { .kind = TYPE_ENTITY, .entity = entity, .name = name, .hash = mix(TYPE_ENTITY, entity) };

    return intern(t, &like);
}

const struct pol_type_of *pol_types_set(struct pol_types *t, const struct pol_type_of *element)
{
    struct pol_type_of like = {
        .kind = TYPE_SET, .element = element, .hash = mix(TYPE_SET, element->hash), .depth = element->depth + 1
    };

    return intern(t, &like);
}

const struct pol_type_of *pol_types_record(struct pol_types *t, const struct pol_type_field *fields, uint32_t n)
{
    struct pol_type_of like = { .kind = TYPE_RECORD, .fields = fields, .n = n, .hash = mix(TYPE_RECORD, n) };

    for (uint32_t i = 0; i < n; i++) {
        like.hash = mix(like.hash, (uint32_t)(pol_hash(0, fields[i].name) >> 32));
        like.hash = mix(like.hash, fields[i].type->hash * 2 + fields[i].optional);
        if (fields[i].type->depth > like.depth)
            like.depth = fields[i].type->depth;
    }
    like.depth++;
    return intern(t, &like);
}

const struct pol_type_field *pol_type_field(const struct pol_type_of *record, struct span name)
{
    uint32_t lo = 0, hi = record->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = pol_name_cmp(record->fields[mid].name, name);

        if (c == 0)
            return &record->fields[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

// ----------------------------------------------------------------------------------------------------------- the lattice

static bool boolean(const struct pol_type_of *t)
{
    return t->kind == TYPE_BOOL || t->kind == TYPE_TRUE || t->kind == TYPE_FALSE;
}

bool pol_type_same(const struct pol_type_of *x, const struct pol_type_of *y)
{
    if (x == y)
        return true;
    if (x->kind != y->kind || x->n != y->n)
        return false;
    if (x->kind == TYPE_ENTITY)
        return x->entity == y->entity;
    if (x->kind == TYPE_SET)
        return pol_type_same(x->element, y->element);
    for (uint32_t i = 0; i < x->n; i++) {
        const struct pol_type_field *a = &x->fields[i], *b = &y->fields[i];

        if (a->optional != b->optional || !span_eq(a->name, b->name) || !pol_type_same(a->type, b->type))
            return false;
    }
    return true;
}

static const struct pol_type_of *join_records(struct arena *a, const struct pol_type_of *x, const struct pol_type_of *y)
{
    struct pol_type_field *fields;
    struct pol_type_of *t;

    if (x->n != y->n)
        return NULL;
    for (uint32_t i = 0; i < x->n; i++)
        if (x->fields[i].optional != y->fields[i].optional || !span_eq(x->fields[i].name, y->fields[i].name))
            return NULL;
    fields = arena_array(a, x->n ? x->n : 1, sizeof *fields);
    t = arena_alloc(a, sizeof *t);
    if (!fields || !t)
        return NULL;
    for (uint32_t i = 0; i < x->n; i++) {
        fields[i] = x->fields[i];
        fields[i].type = pol_type_join(a, x->fields[i].type, y->fields[i].type);
        if (!fields[i].type)
            return NULL;
    }
    *t = (struct pol_type_of){ .kind = TYPE_RECORD, .n = x->n, .fields = fields };
    return t;
}

const struct pol_type_of *pol_type_join(struct arena *a, const struct pol_type_of *x, const struct pol_type_of *y)
{
    const struct pol_type_of *element;
    struct pol_type_of *t;

    if (x == y)
        return x;
    if (boolean(x) && boolean(y))
        return &plain[TYPE_BOOL];
    if (x->kind != y->kind)
        return NULL;
    if (x->kind == TYPE_RECORD)
        return join_records(a, x, y);
    if (x->kind == TYPE_ENTITY)
        return x->entity == y->entity ? x : NULL;
    if (x->kind != TYPE_SET)
        return x;
    element = pol_type_join(a, x->element, y->element);
    if (!element || element == x->element || element == y->element)
        return !element ? NULL : element == x->element ? x : y;
    t = arena_alloc(a, sizeof *t);
    if (t)
        *t = (struct pol_type_of){ .kind = TYPE_SET, .element = element };
    return t;
}

// ---------------------------------------------------------------------------------------------------------------- text

struct text {
    char *at;
    size_t left; // without the NUL
    bool cut;
};

static void put(struct text *t, struct span s)
{
    size_t n = s.n < t->left ? s.n : t->left;

    t->cut = t->cut || n < s.n;
    if (n)
        memcpy(t->at, s.p, n);
    t->at += n;
    t->left -= n;
}

static void write_type(struct text *t, const struct pol_type_of *type)
{
    if (t->cut)
        return;
    switch (type->kind) {
    case TYPE_ENTITY: put(t, type->name); break;
    case TYPE_SET:
        put(t, SPAN("Set<"));
        write_type(t, type->element);
        put(t, SPAN(">"));
        break;
    case TYPE_RECORD:
        put(t, SPAN("{"));
        for (uint32_t i = 0; i < type->n && !t->cut; i++) {
            put(t, i ? SPAN(", ") : SPAN(""));
            put(t, type->fields[i].name);
            put(t, type->fields[i].optional ? SPAN("?: ") : SPAN(": "));
            write_type(t, type->fields[i].type);
        }
        put(t, SPAN("}"));
        break;
    default: put(t, names[type->kind]); break;
    }
}

void pol_type_text(const struct pol_type_of *type, char out[POL_TYPE_TEXT])
{
    struct text t = { .at = out, .left = POL_TYPE_TEXT - 5 };

    write_type(&t, type);
    // Cut between characters.
    while (t.cut && t.at > out && ((unsigned char)t.at[-1] & 0x80))
        t.at--;
    memcpy(t.at, t.cut ? "…" : "", t.cut ? 4 : 1);
}

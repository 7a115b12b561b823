// SPDX-License-Identifier: GPL-3.0-or-later
// YAML into structs, by the tables of schema.c.
#include "gateway/config/schema.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "gateway/base/clock.h"

static const char *const kind_names[] = {
    [GW_YAML_SCALAR] = "a single value", [GW_YAML_LIST] = "a list", [GW_YAML_MAP] = "a map"
};

void gw_config_complain(struct gw_reader *r, const struct gw_yaml *node, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    diag_error(r->diags, r->file, node->line, node->column, "%s", text);
}

static struct gw_config_place place_of(const struct gw_yaml *node)
{
    return (struct gw_config_place){ node->line, node->column };
}

static void *allocate(struct gw_reader *r, size_t n, size_t size)
{
    void *p = arena_array(r->arena, n, size);

    if (!p)
        r->failed = true;
    return p;
}

bool gw_config_read_is(struct gw_reader *r, const struct gw_yaml *node, enum gw_yaml_kind kind, const char *what)
{
    if (node->kind == kind && !(kind == GW_YAML_SCALAR && gw_yaml_is_null(node)))
        return true;
    if (gw_yaml_is_null(node))
        gw_config_complain(r, node, "no value; write %s, or remove the key", what);
    else
        gw_config_complain(r, node, "%s where %s belongs; write %s", kind_names[node->kind], kind_names[kind], what);
    return false;
}

static bool has_control(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

bool gw_config_read_text(struct gw_reader *r, const struct gw_yaml *node, struct gw_config_text *out)
{
    if (!gw_config_read_is(r, node, GW_YAML_SCALAR, "a text"))
        return false;
    if (node->text.n == 0) {
        gw_config_complain(r, node, "an empty text; write a value, or remove the key");
        return false;
    }
    if (has_control(node->text)) {
        gw_config_complain(r, node, "control characters or line breaks in a text; write it in one line");
        return false;
    }
    *out = (struct gw_config_text){ node->text, place_of(node) };
    return true;
}

static bool checked_text(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node,
                         struct gw_config_text *out)
{
    const char *fault;

    if (!gw_config_read_text(r, node, out))
        return false;
    fault = f->fault ? f->fault(out->v) : NULL;
    if (fault)
        gw_config_complain(r, node, "'%.*s' for '%.*s': %s", SPAN_FMT(span_sub(out->v, 0, 200)), SPAN_FMT(f->key),
                           fault);
    return !fault;
}

static bool path(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node, struct gw_config_text *out)
{
    struct gw_config_text text;

    if (!checked_text(r, f, node, &text))
        return false;
    if (text.v.p[0] != '/' && r->folder.n) {
        text.v = arena_printf(r->arena, "%.*s%.*s", SPAN_FMT(r->folder), SPAN_FMT(text.v));
        r->failed |= span_is_none(text.v);
    }
    *out = text;
    return true;
}

static const struct gw_choice *choice(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node)
{
    struct span names[32], near;
    char list[256] = "";
    size_t used = 0;

    if (!gw_config_read_is(r, node, GW_YAML_SCALAR, "one of the names"))
        return NULL;
    assert(f->choices_n <= sizeof names / sizeof *names);
    for (size_t i = 0; i < f->choices_n; i++) {
        if (span_eq(f->choices[i].name, node->text))
            return &f->choices[i];
        names[i] = f->choices[i].name;
        int n = snprintf(list + used, sizeof list - used, "%s%.*s", i ? ", " : "", SPAN_FMT(names[i]));
        used += n > 0 && (size_t)n < sizeof list - used ? (size_t)n : 0;
    }
    near = diag_suggest(node->text, names, f->choices_n);
    if (span_is_none(near))
        gw_config_complain(r, node, "'%.*s' is not a value of '%.*s'; write one of: %s",
                           SPAN_FMT(span_sub(node->text, 0, 64)), SPAN_FMT(f->key), list);
    else
        gw_config_complain(r, node, "'%.*s' is not a value of '%.*s'; did you mean '%.*s'?",
                           SPAN_FMT(span_sub(node->text, 0, 64)), SPAN_FMT(f->key), SPAN_FMT(near));
    return NULL;
}

static void texts(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node,
                  struct gw_config_texts *out)
{
    struct gw_config_text *v;
    size_t n = 0;

    if (!gw_config_read_is(r, node, GW_YAML_LIST, "a list of texts: [a, b]"))
        return;
    if (f->required && node->count == 0)
        gw_config_complain(r, node, "'%.*s' is an empty list; name at least one", SPAN_FMT(f->key));
    v = allocate(r, node->count, sizeof *v);
    if (!v)
        return;
    for (const struct gw_yaml *item = node->first; item; item = item->next) {
        if (f->choices && !choice(r, f, item))
            continue;
        if (!(f->type == GW_FIELD_PATHS ? path(r, f, item, &v[n]) : checked_text(r, f, item, &v[n])))
            continue;
        for (size_t i = 0; i < n; i++)
            if (span_eq(v[i].v, v[n].v))
                gw_config_complain(r, item, "'%.*s' is in the list already; remove one of the two",
                                   SPAN_FMT(span_sub(v[n].v, 0, 200)));
        n++;
    }
    *out = (struct gw_config_texts){ v, n, place_of(node) };
}

static void flags(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node, unsigned *out)
{
    unsigned mask = 0;

    if (!gw_config_read_is(r, node, GW_YAML_LIST, "a list of names: [a, b]"))
        return;
    if (node->count == 0)
        gw_config_complain(r, node, "'%.*s' is an empty list; name at least one", SPAN_FMT(f->key));
    for (const struct gw_yaml *item = node->first; item; item = item->next) {
        const struct gw_choice *c = choice(r, f, item);
        if (c && mask & (unsigned)c->value)
            gw_config_complain(r, item, "'%.*s' is in the list already; remove one of the two", SPAN_FMT(c->name));
        mask |= c ? (unsigned)c->value : 0;
    }
    *out = mask;
}

static bool parse_size(struct span s, uint64_t *out)
{
    static const struct gw_choice units[] = { { { "KiB", 3 }, 10 }, { { "MiB", 3 }, 20 }, { { "GiB", 3 }, 30 } };
    uint64_t v;

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (!span_ends(s, units[i].name))
            continue;
        if (!span_to_u64(span_sub(s, 0, s.n - units[i].name.n), &v) || v > UINT64_MAX >> units[i].value)
            return false;
        *out = v << units[i].value;
        return true;
    }
    return span_to_u64(s, out);
}

void gw_config_format(enum gw_field_type type, int64_t v, char *out, size_t cap)
{
    static const struct {
        const char *unit;
        int64_t worth;
    } durations[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } },
      sizes[] = { { "GiB", 1 << 30 }, { "MiB", 1 << 20 }, { "KiB", 1 << 10 }, { "", 1 } };
    size_t i = 0;

    if (type == GW_FIELD_DURATION) {
        while (v == 0 ? durations[i].worth != 1000 : v % durations[i].worth != 0)
            i++;
        snprintf(out, cap, "%lld%s", (long long)(v / durations[i].worth), durations[i].unit);
    } else if (type == GW_FIELD_SIZE) {
        while (v == 0 ? sizes[i].worth != 1 : v % sizes[i].worth != 0)
            i++;
        snprintf(out, cap, "%lld%s", (long long)(v / sizes[i].worth), sizes[i].unit);
    } else {
        snprintf(out, cap, "%lld", (long long)v);
    }
}

static bool number(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node, uint64_t *out)
{
    const char *what = f->type == GW_FIELD_DURATION ? "a duration such as 500ms, 90s, 15m, 24h or 7d"
                       : f->type == GW_FIELD_SIZE   ? "a size such as 8KiB, 64MiB, 1GiB or a number of bytes"
                                                    : "a whole number";
    char low[32], high[32];
    uint64_t v = 0;
    int64_t ms = 0;
    bool ok;

    if (!gw_config_read_is(r, node, GW_YAML_SCALAR, what))
        return false;
    if (f->type == GW_FIELD_DURATION) {
        ok = clock_parse_duration(node->text, &ms);
        v = (uint64_t)ms;
    } else if (f->type == GW_FIELD_SIZE) {
        ok = parse_size(node->text, &v);
    } else {
        ok = !node->quoted && span_to_u64(node->text, &v);
    }
    if (!ok) {
        gw_config_complain(r, node, "'%.*s' is not a value of '%.*s'; write %s", SPAN_FMT(span_sub(node->text, 0, 64)),
                           SPAN_FMT(f->key), what);
        return false;
    }
    if ((f->low || f->high) && (v < (uint64_t)f->low || v > (uint64_t)f->high)) {
        gw_config_format(f->type, f->low, low, sizeof low);
        gw_config_format(f->type, f->high, high, sizeof high);
        gw_config_complain(r, node, "'%.*s' for '%.*s' is out of range; write %s to %s", SPAN_FMT(node->text),
                           SPAN_FMT(f->key), low, high);
        return false;
    }
    *out = v;
    return true;
}

static void boolean(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node, bool *out)
{
    if (!gw_config_read_is(r, node, GW_YAML_SCALAR, "true or false"))
        return;
    if (!node->quoted && span_eq(node->text, SPAN("true")))
        *out = true;
    else if (!node->quoted && span_eq(node->text, SPAN("false")))
        *out = false;
    else
        gw_config_complain(r, node, "'%.*s' is not a value of '%.*s'; write true or false",
                           SPAN_FMT(span_sub(node->text, 0, 64)), SPAN_FMT(f->key));
}

static void list(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node, char *to)
{
    char *items, *item;

    if (!gw_config_read_is(r, node, GW_YAML_LIST, "a list of maps, each started by '- '"))
        return;
    if (f->required && node->count == 0)
        gw_config_complain(r, node, "'%.*s' is an empty list; name at least one", SPAN_FMT(f->key));
    item = items = allocate(r, node->count, f->schema->size);
    if (!items)
        return;
    for (const struct gw_yaml *n = node->first; n; n = n->next, item += f->schema->size)
        if (gw_config_read_is(r, n, GW_YAML_MAP, "a map: 'key: value'"))
            gw_config_read(r, f->schema, n, place_of(n), item);
    memcpy(to + f->offset, &items, sizeof items);
    memcpy(to + f->extra, &node->count, sizeof node->count);
}

static void value(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *node, char *to)
{
    const struct gw_choice *c;
    uint64_t v;

    switch (f->type) {
    case GW_FIELD_TEXT: checked_text(r, f, node, (struct gw_config_text *)(void *)(to + f->offset)); break;
    case GW_FIELD_PATH: path(r, f, node, (struct gw_config_text *)(void *)(to + f->offset)); break;
    case GW_FIELD_TEXTS:
    case GW_FIELD_PATHS: texts(r, f, node, (struct gw_config_texts *)(void *)(to + f->offset)); break;
    case GW_FIELD_BOOL: boolean(r, f, node, (bool *)(to + f->offset)); break;
    case GW_FIELD_COUNT:
    case GW_FIELD_SIZE:
    case GW_FIELD_DURATION:
        if (number(r, f, node, &v))
            memcpy(to + f->offset, &v, sizeof v);
        break;
    case GW_FIELD_NUMBER:
        if (number(r, f, node, &v))
            *(unsigned *)(void *)(to + f->offset) = (unsigned)v;
        break;
    case GW_FIELD_CHOICE:
        if ((c = choice(r, f, node)))
            memcpy(to + f->offset, &c->value, sizeof c->value);
        break;
    case GW_FIELD_SWITCH:
        if ((c = choice(r, f, node)))
            *(bool *)(to + f->offset) = c->value != 0;
        break;
    case GW_FIELD_FLAGS: flags(r, f, node, (unsigned *)(void *)(to + f->offset)); break;
    case GW_FIELD_MAP:
        if (gw_config_read_is(r, node, GW_YAML_MAP, "a map: 'key: value'")) {
            if (f->extra)
                *(bool *)(to + f->extra) = true;
            gw_config_read(r, f->schema, node, place_of(node), to + f->offset);
        }
        break;
    case GW_FIELD_LIST: list(r, f, node, to); break;
    case GW_FIELD_CUSTOM: f->custom(r, node, to + f->offset); break;
    }
}

static void forget_places(struct gw_yaml *node)
{
    node->line = node->column = 0;
    for (struct gw_yaml *child = node->first; child; child = child->next)
        forget_places(child);
}

static void fallback(struct gw_reader *r, const struct gw_field *f, char *to)
{
    struct gw_yaml *node = NULL;
    struct span folder = r->folder;
    size_t errors = r->diags->errors;

    if (gw_yaml_parse(span_str(f->fallback), SPAN("default"), r->arena, r->diags, &node) || !node) {
        r->failed = true;
        return;
    }
    forget_places(node);
    r->folder = SPAN("");
    value(r, f, node, to);
    r->folder = folder;
    assert(r->diags->errors == errors || r->failed); // a default of ours that its own field refuses
    (void)errors;
}

static void unknown_key(struct gw_reader *r, const struct gw_schema *schema, const struct gw_yaml *node)
{
    struct span keys[32], near;

    assert(schema->n <= sizeof keys / sizeof *keys);
    for (size_t i = 0; i < schema->n; i++)
        keys[i] = schema->fields[i].key;
    near = diag_suggest(node->key, keys, schema->n);
    if (span_is_none(near))
        diag_error(r->diags, r->file, node->key_line, node->key_column,
                   "unknown key '%.*s'; remove it (docs/config.md lists the keys)",
                   SPAN_FMT(span_sub(node->key, 0, 64)));
    else
        diag_error(r->diags, r->file, node->key_line, node->key_column, "unknown key '%.*s'; did you mean '%.*s'?",
                   SPAN_FMT(span_sub(node->key, 0, 64)), SPAN_FMT(near));
}

static void absent(struct gw_reader *r, const struct gw_field *f, const struct gw_yaml *map,
                   struct gw_config_place place, char *to)
{
    bool excused = false;
    for (struct span rest = f->unless; rest.n > 0 && !excused;)
        excused = gw_yaml_get(map, span_cut(&rest, ' ')) != NULL;
    if (f->required && !excused)
        diag_error(r->diags, r->file, place.line, place.column, "'%.*s' is missing; add it: %s", SPAN_FMT(f->key),
                   f->doc);
    else if (f->fallback)
        fallback(r, f, to);
    else if (f->type == GW_FIELD_MAP && !f->extra)
        gw_config_read(r, f->schema, NULL, place, to + f->offset);
}

void gw_config_read(struct gw_reader *r, const struct gw_schema *schema, const struct gw_yaml *map,
                    struct gw_config_place parent, void *to)
{
    if (schema->place != GW_NO_PLACE)
        memcpy((char *)to + schema->place, &parent, sizeof parent);
    for (const struct gw_yaml *node = map ? map->first : NULL; node; node = node->next) {
        bool known = false;
        for (size_t i = 0; i < schema->n && !known; i++)
            known = span_eq(schema->fields[i].key, node->key);
        if (!known)
            unknown_key(r, schema, node);
    }
    for (size_t i = 0; i < schema->n; i++) {
        const struct gw_yaml *node = gw_yaml_get(map, schema->fields[i].key);
        if (node)
            value(r, &schema->fields[i], node, to);
        else
            absent(r, &schema->fields[i], map, parent, to);
    }
}

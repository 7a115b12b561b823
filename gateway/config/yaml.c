// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/yaml.h"

#include <stdlib.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct span text, file;
    struct arena *arena;
    struct diags *diags;
    bool stopped; // syntax error, or out of memory: no further event
    int error;
};

static void complain(struct reader *r, yaml_mark_t at, const char *what)
{
    diag_error(r->diags, r->file, (unsigned)at.line + 1, (unsigned)at.column + 1, "%s", what);
    if (!r->error)
        r->error = ERR_CONFIG;
}

static void out_of_memory(struct reader *r)
{
    r->stopped = true;
    r->error = ERR_NOMEM;
}

static void place_of(struct span text, size_t offset, yaml_mark_t *at)
{
    at->line = at->column = 0;
    for (size_t i = 0; i < offset && i < text.n; i++) {
        if (text.p[i] == '\n') {
            at->line++;
            at->column = 0;
        } else if ((text.p[i] & 0xc0) != 0x80) {
            at->column++;
        }
    }
}

// What no reader of YAML agrees about is settled before libyaml sees it; it would also guess UTF-16.
static bool bytes_hold(struct reader *r)
{
    const char *what = NULL;
    yaml_mark_t at;
    size_t i, n;

    if (r->text.n > GW_YAML_BYTES_MAX) {
        place_of(r->text, 0, &at);
        complain(r, at, "the file is over 16 MiB; split it");
        return false;
    }
    if (span_starts(r->text, SPAN("\xef\xbb\xbf"))) {
        place_of(r->text, 0, &at);
        complain(r, at, "the file starts with a byte order mark; save it as UTF-8 without one");
        return false;
    }
    for (i = 0; i < r->text.n && !what; i += n) {
        unsigned char c = (unsigned char)r->text.p[i];
        n = span_utf8(r->text, i);
        if (n == 0)
            what = "not UTF-8; save the file as UTF-8";
        else if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
            what = "a control character; remove it, or write it as an escape in double quotes";
        if (what)
            break;
    }
    if (!what)
        return true;
    place_of(r->text, i, &at);
    complain(r, at, what);
    return false;
}

// True when the line's indentation holds a tab, the most common reason of a syntax error that names something else.
static bool tab_indents(struct span text, size_t line)
{
    struct span rest = text, here = SPAN_NONE;

    for (size_t i = 0; i <= line && !span_is_none(rest); i++)
        here = span_cut(&rest, '\n');
    for (size_t i = 0; i < here.n && (here.p[i] == ' ' || here.p[i] == '\t'); i++)
        if (here.p[i] == '\t')
            return true;
    return false;
}

static void syntax(struct reader *r)
{
    yaml_parser_t *p = &r->parser;
    yaml_mark_t at = p->problem_mark;
    char what[256];

    r->stopped = true;
    if (p->error == YAML_MEMORY_ERROR || p->error == YAML_NO_ERROR) {
        out_of_memory(r);
        return;
    }
    if (p->error == YAML_READER_ERROR)
        place_of(r->text, p->problem_offset, &at);
    if (tab_indents(r->text, at.line)) {
        complain(r, at, "a tab in the indentation; indent with spaces");
        return;
    }
    snprintf(what, sizeof what, "not YAML: %s%s%s; check indentation, colons and quotes here and in the line above",
             p->problem ? p->problem : "unreadable", p->context ? " " : "", p->context ? p->context : "");
    complain(r, at, what);
}

// False when there is no further event; else the event is the caller's to delete.
static bool next_event(struct reader *r, yaml_event_t *e)
{
    if (r->stopped)
        return false;
    if (yaml_parser_parse(&r->parser, e))
        return true;
    syntax(r);
    return false;
}

static void refuse_extras(struct reader *r, const yaml_event_t *e, const yaml_char_t *anchor, const yaml_char_t *tag)
{
    if (anchor)
        complain(r, e->start_mark, "an anchor (&); write the value out where it is needed");
    if (tag)
        complain(r, e->start_mark, "a tag (!); remove it, types follow from the key");
}

static struct gw_yaml *new_node(struct reader *r, const yaml_event_t *e, enum gw_yaml_kind kind)
{
    struct gw_yaml *node = arena_alloc(r->arena, sizeof *node);

    if (!node) {
        out_of_memory(r);
        return NULL;
    }
    node->kind = kind;
    node->line = (unsigned)e->start_mark.line + 1;
    node->column = (unsigned)e->start_mark.column + 1;
    return node;
}

static struct gw_yaml *scalar(struct reader *r, const yaml_event_t *e)
{
    struct span text = span_of(e->data.scalar.value, e->data.scalar.length);
    struct gw_yaml *node = new_node(r, e, GW_YAML_SCALAR);

    if (!node)
        return NULL;
    refuse_extras(r, e, e->data.scalar.anchor, e->data.scalar.tag);
    if (span_find(text, '\0') < text.n)
        complain(r, e->start_mark, "a NUL character; remove it");
    node->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    node->text = arena_dup(r->arena, text);
    if (span_is_none(node->text)) {
        out_of_memory(r);
        return NULL;
    }
    return node;
}

static int by_key(const void *a, const void *b)
{
    const struct gw_yaml *x = *(const struct gw_yaml *const *)a, *y = *(const struct gw_yaml *const *)b;
    int order = span_cmp(x->key, y->key);

    // Equal keys in the order of the file, so that the second one is complained about.
    if (order == 0 && x->key_line != y->key_line)
        return x->key_line < y->key_line ? -1 : 1;
    if (order == 0)
        return (x->key_column > y->key_column) - (x->key_column < y->key_column);
    return order;
}

static void refuse_duplicates(struct reader *r, const struct gw_yaml *map)
{
    const struct gw_yaml **sorted;
    size_t n = 0;

    if (map->count < 2)
        return;
    sorted = malloc(map->count * sizeof *sorted);
    if (!sorted) {
        out_of_memory(r);
        return;
    }
    for (const struct gw_yaml *v = map->first; v; v = v->next)
        sorted[n++] = v;
    qsort(sorted, n, sizeof *sorted, by_key);
    for (size_t i = 1; i < n; i++) {
        if (!span_eq(sorted[i - 1]->key, sorted[i]->key))
            continue;
        diag_error(r->diags, r->file, sorted[i]->key_line, sorted[i]->key_column,
                   "'%.*s' is already set in line %u; remove one of the two", SPAN_FMT(sorted[i]->key),
                   sorted[i - 1]->key_line);
        if (!r->error)
            r->error = ERR_CONFIG;
    }
    free(sorted);
}

static struct gw_yaml *value(struct reader *r, yaml_event_t *e, unsigned depth);

// Reads past a node that cannot be kept.
static void skip(struct reader *r, yaml_event_t *e, unsigned depth)
{
    (void)value(r, e, depth);
}

static bool key_holds(struct reader *r, const yaml_event_t *e)
{
    struct span text;

    if (e->type != YAML_SCALAR_EVENT) {
        complain(r, e->start_mark, "a key that is not a word; write 'key: value'");
        return false;
    }
    text = span_of(e->data.scalar.value, e->data.scalar.length);
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && span_eq(text, SPAN("<<"))) {
        complain(r, e->start_mark, "a merge key (<<); write the values out");
        return false;
    }
    if (text.n == 0) {
        complain(r, e->start_mark, "an empty key; write 'key: value'");
        return false;
    }
    return true;
}

static struct gw_yaml *children(struct reader *r, struct gw_yaml *node, unsigned depth)
{
    yaml_event_type_t end = node->kind == GW_YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    struct gw_yaml **link = &node->first, *key, *child;
    yaml_event_t e;
    bool keep;

    while (next_event(r, &e)) {
        if (e.type == end) {
            yaml_event_delete(&e);
            if (node->kind == GW_YAML_MAP)
                refuse_duplicates(r, node);
            return r->stopped ? NULL : node;
        }
        key = NULL;
        keep = true;
        if (node->kind == GW_YAML_MAP) {
            keep = key_holds(r, &e);
            key = value(r, &e, depth);
            if (!next_event(r, &e))
                return NULL;
        }
        if (!keep) {
            skip(r, &e, depth);
            continue;
        }
        child = value(r, &e, depth);
        if (!child || (node->kind == GW_YAML_MAP && !key))
            return NULL;
        if (key) {
            child->key = key->text;
            child->key_line = key->line;
            child->key_column = key->column;
        }
        *link = child;
        link = &child->next;
        node->count++;
    }
    return NULL;
}

// The node that starts with this event, which is deleted. NULL when reading stopped.
static struct gw_yaml *value(struct reader *r, yaml_event_t *e, unsigned depth)
{
    struct gw_yaml *node = NULL;
    bool container = false;

    switch (e->type) {
    case YAML_SCALAR_EVENT: node = scalar(r, e); break;
    case YAML_SEQUENCE_START_EVENT:
        refuse_extras(r, e, e->data.sequence_start.anchor, e->data.sequence_start.tag);
        node = new_node(r, e, GW_YAML_LIST);
        container = true;
        break;
    case YAML_MAPPING_START_EVENT:
        refuse_extras(r, e, e->data.mapping_start.anchor, e->data.mapping_start.tag);
        node = new_node(r, e, GW_YAML_MAP);
        container = true;
        break;
    case YAML_ALIAS_EVENT:
        complain(r, e->start_mark, "an alias (*); write the value out");
        node = new_node(r, e, GW_YAML_SCALAR);
        if (node)
            node->text = SPAN("");
        break;
    default:
        complain(r, e->start_mark, "not YAML: the text ends early");
        r->stopped = true;
        break;
    }
    if (node && container && depth >= GW_YAML_DEPTH_MAX) {
        complain(r, e->start_mark, "nested too deeply; at most 32 levels");
        r->stopped = true;
        node = NULL;
    }
    yaml_event_delete(e);
    return node && container ? children(r, node, depth + 1) : node;
}

static void document(struct reader *r, struct gw_yaml **root)
{
    bool seen = false;
    yaml_event_t e;

    while (next_event(r, &e)) {
        bool last = e.type == YAML_STREAM_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT) {
            if (seen) {
                complain(r, e.start_mark, "a second document (---); one file holds one document");
                r->stopped = true;
            }
            if (e.data.document_start.version_directive ||
                e.data.document_start.tag_directives.start != e.data.document_start.tag_directives.end)
                complain(r, e.start_mark, "a directive (%); remove it");
            seen = true;
        } else if (e.type != YAML_STREAM_START_EVENT && e.type != YAML_DOCUMENT_END_EVENT && !last) {
            *root = value(r, &e, 0);
            continue;
        }
        yaml_event_delete(&e);
        if (last)
            return;
    }
}

int gw_yaml_parse_on(struct span text, struct span file, struct arena *arena, struct diags *diags,
                     struct gw_yaml **root)
{
    struct reader r = { .text = text, .file = file, .arena = arena, .diags = diags };
    struct gw_yaml *found = NULL;

    if (!bytes_hold(&r))
        return r.error;
    if (!yaml_parser_initialize(&r.parser))
        return ERR_NOMEM;
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)(text.p ? text.p : ""), text.n);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    document(&r, &found);
    yaml_parser_delete(&r.parser);
    if (!r.stopped)
        *root = found;
    return r.error;
}

int gw_yaml_parse(struct span text, struct span file, struct arena *arena, struct diags *diags, struct gw_yaml **root)
{
    struct gw_yaml *found = NULL;
    int e = gw_yaml_parse_on(text, file, arena, diags, &found);

    if (!e)
        *root = found;
    return e;
}

bool gw_yaml_is_null(const struct gw_yaml *node)
{
    return node->kind == GW_YAML_SCALAR && !node->quoted &&
           (node->text.n == 0 || span_eq(node->text, SPAN("~")) || span_eq(node->text, SPAN("null")));
}

const struct gw_yaml *gw_yaml_get(const struct gw_yaml *map, struct span key)
{
    if (map && map->kind == GW_YAML_MAP)
        for (const struct gw_yaml *v = map->first; v; v = v->next)
            if (span_eq(v->key, key))
                return v;
    return NULL;
}

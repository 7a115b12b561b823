// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/json_walk.h"

static void advance(struct pol_cursor *c)
{
    unsigned char b = (unsigned char)c->text.p[c->at++];

    if (b == '\n') {
        c->line++;
        c->column = 1;
    } else if ((b & 0xc0) != 0x80) {
        c->column++;
    }
}

// Up to the next byte that is none of these.
static void skip_any(struct pol_cursor *c, const char *of)
{
    while (c->at < c->text.n && c->text.p[c->at] && strchr(of, c->text.p[c->at]))
        advance(c);
}

static void skip_string(struct pol_cursor *c)
{
    advance(c);
    while (c->at < c->text.n && c->text.p[c->at] != '"') {
        if (c->text.p[c->at] == '\\')
            advance(c);
        if (c->at < c->text.n)
            advance(c);
    }
    if (c->at < c->text.n)
        advance(c);
}

static void skip_value(struct pol_cursor *c)
{
    unsigned depth = 0;

    while (c->at < c->text.n) {
        char b = c->text.p[c->at];

        if (b == '"') {
            skip_string(c);
            continue;
        }
        if (depth == 0 && (b == ',' || b == ']' || b == '}'))
            return;
        depth += b == '{' || b == '[';
        depth -= b == '}' || b == ']';
        advance(c);
    }
}

struct pol_json_walk pol_json_walk(const struct pol_json_node *n)
{
    return (struct pol_json_walk){ .it = json_iter(n->v), .c = n->at, .object = json_type(n->v) == JSON_OBJECT };
}

bool pol_json_step(struct pol_json_walk *w, struct span *name, struct pol_json_node *child)
{
    if (!json_next(&w->it, name, &child->v))
        return false;
    if (w->started)
        skip_value(&w->c);
    else
        advance(&w->c);
    w->started = true;
    skip_any(&w->c, " \t\r\n,");
    w->name_at = w->c;
    if (w->object) {
        skip_string(&w->c);
        skip_any(&w->c, " \t\r\n:");
    }
    child->at = w->c;
    return true;
}

struct pol_json_node pol_json_node(struct span text, const struct json_doc *doc)
{
    struct pol_json_node n = { .v = json_root(doc), .at = { .text = text, .line = 1, .column = 1 } };

    skip_any(&n.at, " \t\r\n");
    return n;
}

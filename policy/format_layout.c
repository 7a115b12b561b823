// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/format_layout.h"

enum { INDENT = 2, GROUPS_MAX = 4096 };

void pol_layout_add(struct pol_layout *l, enum pol_layout_kind kind, struct span text)
{
    struct pol_layout_item *i = pol_vec_add(&l->items);
    uint32_t width = 0;

    if (!i) {
        l->failed = true;
        return;
    }
    for (size_t k = 0; k < text.n; k++)
        width += ((unsigned char)text.p[k] & 0xc0) != 0x80;
    *i = (struct pol_layout_item){ .kind = (uint8_t)kind, .width = width, .text = text };
}

void pol_layout_fini(struct pol_layout *l)
{
    pol_vec_free(&l->items);
}

struct printer {
    const struct pol_layout *l;
    struct buf *out;
    unsigned width;
    unsigned column, indent;
    bool at_start; // of a line: the indent is still due
    bool ended;    // by a comment: a new line is due
    bool space;    // is due before the next text
    bool any;      // something was printed
    unsigned blanks;
    bool broken[GROUPS_MAX];
    uint32_t depth;
};

static void newline(struct printer *p)
{
    p->ended = p->space = false;
    if (p->at_start)
        return;
    buf_byte(p->out, '\n');
    p->at_start = true;
    p->column = 0;
}

static void blank(struct printer *p)
{
    newline(p);
    // Not at the start of the text, and never two.
    if (p->any && p->blanks == 0)
        buf_byte(p->out, '\n');
    p->blanks = 1;
}

static void text(struct printer *p, const struct pol_layout_item *i)
{
    if (p->ended)
        newline(p);
    // White space is put neither where a line starts nor where it ends.
    if (i->text.n == 1 && i->text.p[0] == ' ') {
        p->space = !p->at_start;
        return;
    }
    if (p->space) {
        buf_byte(p->out, ' ');
        p->column++;
        p->space = false;
    }
    if (p->at_start) {
        for (unsigned k = 0; k < p->indent * INDENT; k++)
            buf_byte(p->out, ' ');
        p->column = p->indent * INDENT;
        p->at_start = false;
    }
    buf_append(p->out, i->text);
    p->column += i->width;
    p->any = true;
    p->blanks = 0;
}

// Whether the group that starts at item `at`, and what follows it up to the next place where a line may break, fit on this line.
static bool fits(const struct printer *p, uint32_t at)
{
    unsigned column = p->at_start ? p->indent * INDENT : p->column + p->space;
    uint32_t depth = 0;

    for (; at < p->l->items.n && column <= p->width; at++) {
        const struct pol_layout_item *i = &p->l->items.at[at];

        switch ((enum pol_layout_kind)i->kind) {
        case LAYOUT_TEXT: column += i->width; break;
        case LAYOUT_GROUP: depth++; break;
        case LAYOUT_END: depth -= depth > 0; break;
        case LAYOUT_LINE:
        case LAYOUT_BREAK:
            if (depth == 0)
                return true;
            column += i->kind == LAYOUT_LINE;
            break;
        case LAYOUT_COMMENT:
        case LAYOUT_BESIDE:
            // Behind the group it is somebody else's.
            return depth == 0;
        case LAYOUT_NEWLINE:
        case LAYOUT_BLANK: return depth == 0;
        case LAYOUT_INDENT:
        case LAYOUT_OUTDENT: break;
        }
    }
    return column <= p->width;
}

static void item(struct printer *p, uint32_t at)
{
    const struct pol_layout_item *i = &p->l->items.at[at];
    bool broken = p->depth == 0 || p->broken[p->depth - 1];

    switch ((enum pol_layout_kind)i->kind) {
    case LAYOUT_TEXT: text(p, i); break;
    case LAYOUT_LINE:
    case LAYOUT_BREAK:
        if (broken || p->ended)
            newline(p);
        else if (i->kind == LAYOUT_LINE)
            text(p, &(struct pol_layout_item){ .width = 1, .text = SPAN(" ") });
        break;
    case LAYOUT_NEWLINE: newline(p); break;
    case LAYOUT_BLANK: blank(p); break;
    case LAYOUT_GROUP:
        if (p->depth < GROUPS_MAX)
            p->broken[p->depth] = (p->depth == 0 || broken) && !fits(p, at);
        p->depth++;
        break;
    case LAYOUT_END: p->depth--; break;
    case LAYOUT_INDENT: p->indent++; break;
    case LAYOUT_OUTDENT: p->indent--; break;
    case LAYOUT_COMMENT:
        if (i->text.n == 0) {
            blank(p);
            break;
        }
        newline(p);
        text(p, i);
        p->ended = true;
        break;
    case LAYOUT_BESIDE:
        p->space = false;
        buf_byte(p->out, ' ');
        buf_append(p->out, i->text);
        p->ended = true;
        break;
    }
}

bool pol_layout_print(const struct pol_layout *l, unsigned width, struct buf *out)
{
    struct printer *p = calloc(1, sizeof *p);
    size_t before = buf_len(out);
    bool ok = p && !l->failed;

    if (ok) {
        p->l = l;
        p->out = out;
        p->width = width;
        p->at_start = true;
        for (uint32_t i = 0; i < l->items.n; i++)
            item(p, i);
        newline(p);
        ok = !out->failed;
    }
    if (!ok)
        out->end = out->start + before;
    free(p);
    return ok;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/diag.h"

#include <stdarg.h>
#include <stdio.h>

enum { KEPT_MOST = 200, WORD_MOST = 64 };

void diags_init(struct diags *d)
{
    *d = (struct diags){ 0 };
    arena_init(&d->arena, 0);
}

void diags_fini(struct diags *d)
{
    arena_fini(&d->arena);
    diags_init(d);
}

static struct diag *entry(struct diags *d, struct span file, const char *fmt, va_list args)
{
    char text[1024];
    struct diag *e = NULL;
    int n = vsnprintf(text, sizeof text, fmt, args);

    if (n < 0)
        return NULL;
    if ((size_t)n >= sizeof text)
        n = sizeof text - 1;
    // What a file holds may be quoted here; it must not steer the terminal.
    for (int i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    e = arena_alloc(&d->arena, sizeof *e);
    if (!e)
        return NULL;
    e->file = arena_dup(&d->arena, file);
    e->text = arena_dup(&d->arena, span_of(text, (size_t)n));
    return e;
}

static void add(struct diags *d, bool warning, struct span file, unsigned line, unsigned column, const char *fmt,
                va_list args)
{
    // Counted even when it cannot be kept: what was wrong must never come out as right. Nor do many warnings hide an error.
    struct diag *e = (warning ? d->warnings : d->errors) < KEPT_MOST ? entry(d, file, fmt, args) : NULL;

    if (warning)
        d->warnings++;
    else
        d->errors++;
    if (!e) {
        d->dropped++;
        return;
    }
    e->line = line;
    e->column = column;
    e->warning = warning;
    if (d->last)
        d->last->next = e;
    else
        d->first = e;
    d->last = e;
}

void diag_error(struct diags *d, struct span file, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(d, false, file, line, column, fmt, args);
    va_end(args);
}

void diag_warning(struct diags *d, struct span file, unsigned line, unsigned column, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    add(d, true, file, line, column, fmt, args);
    va_end(args);
}

struct span diag_format(struct arena *a, const struct diag *d)
{
    char place[32] = "";

    if (d->line && d->column)
        snprintf(place, sizeof place, ":%u:%u", d->line, d->column);
    else if (d->line)
        snprintf(place, sizeof place, ":%u", d->line);
    return arena_printf(a, "%.*s%s%s%s: %.*s", SPAN_FMT(d->file), place, d->file.n || *place ? ": " : "",
                        d->warning ? "warning" : "error", SPAN_FMT(d->text));
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

// Insertions, deletions, substitutions and swaps of neighbours (optimal string alignment).
static unsigned distance(struct span a, struct span b)
{
    unsigned rows[3][WORD_MOST + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2], *oldest;

    for (unsigned j = 0; j <= b.n; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned same = a.p[i - 1] == b.p[j - 1] ? 0 : 1;
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + same);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[b.n];
}

struct span diag_suggest(struct span word, const struct span *candidates, size_t n)
{
    struct span best = SPAN_NONE;
    unsigned best_distance = WORD_MOST;

    if (word.n == 0 || word.n > WORD_MOST)
        return SPAN_NONE;
    for (size_t i = 0; i < n; i++) {
        unsigned d;
        if (candidates[i].n == 0 || candidates[i].n > WORD_MOST)
            continue;
        d = distance(word, candidates[i]);
        // A word that shares nothing with the candidate is no near miss, however short both are.
        if (d < best_distance && d <= 1 + word.n / 4 && d < (word.n > candidates[i].n ? word.n : candidates[i].n)) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best;
}

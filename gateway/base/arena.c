// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHUNK_FIRST = 4096 - 64, CHUNK_MOST = 64 * 1024 - 64, ALIGN = _Alignof(max_align_t) };

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap, used;
    _Alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t limit)
{
    *a = (struct arena){ .limit = limit };
}

void arena_fini(struct arena *a)
{
    struct arena_chunk *c = a->head;

    while (c) {
        struct arena_chunk *next = c->next;
        free(c);
        c = next;
    }
    arena_init(a, a->limit);
}

static void *fail(struct arena *a)
{
    a->failed = true;
    return NULL;
}

// A chunk with at least n bytes free becomes the head, unless it is a large one of its own, which goes behind the head
// so that what is left in the head is still handed out.
static struct arena_chunk *chunk_for(struct arena *a, size_t n)
{
    struct arena_chunk *head = a->head, *c;
    size_t cap = CHUNK_FIRST;

    if (head && head->cap - head->used >= n)
        return head;
    // Most exchanges do with the first and a second, four times as large.
    if (head)
        cap = head->cap >= CHUNK_MOST / 4 ? CHUNK_MOST : head->cap * 4;
    if (cap < n)
        cap = n;
    if (cap > PTRDIFF_MAX - sizeof *c)
        return NULL;
    c = malloc(sizeof *c + cap);
    if (!c)
        return NULL;
    c->cap = cap;
    c->used = 0;
    if (head && n > CHUNK_MOST / 4) {
        c->next = head->next;
        head->next = c;
    } else {
        c->next = head;
        a->head = c;
    }
    return c;
}

// Not zeroed: whoever takes it writes all of it.
static void *take(struct arena *a, size_t n)
{
    struct arena_chunk *c;
    size_t rounded;
    void *p;

    if (n > PTRDIFF_MAX - ALIGN)
        return fail(a);
    rounded = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (rounded == 0)
        rounded = ALIGN;
    if (a->limit && (rounded > a->limit || a->used > a->limit - rounded))
        return fail(a);
    c = chunk_for(a, rounded);
    if (!c)
        return fail(a);
    p = c->data + c->used;
    c->used += rounded;
    a->used += rounded;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = take(a, n);

    return p ? memset(p, 0, n) : NULL;
}

void *arena_array(struct arena *a, size_t n, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(n, size, &total))
        return fail(a);
    return arena_alloc(a, total);
}

struct span arena_dup(struct arena *a, struct span s)
{
    char *p;

    if (span_is_none(s))
        return SPAN_NONE;
    p = s.n < SIZE_MAX ? take(a, s.n + 1) : fail(a);
    if (!p)
        return SPAN_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return span_of(p, s.n);
}

struct span arena_join(struct arena *a, struct span head, char between, struct span tail)
{
    char *p = tail.n < SIZE_MAX - 1 - head.n ? take(a, head.n + 1 + tail.n) : fail(a);

    if (!p)
        return SPAN_NONE;
    if (head.n)
        memcpy(p, head.p, head.n);
    p[head.n] = between;
    if (tail.n)
        memcpy(p + head.n + 1, tail.p, tail.n);
    return span_of(p, head.n + 1 + tail.n);
}

struct span arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    char *p;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    p = n < 0 ? fail(a) : arena_alloc(a, (size_t)n + 1);
    if (!p)
        return SPAN_NONE;
    va_start(args, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, args);
    va_end(args);
    return span_of(p, (size_t)n);
}

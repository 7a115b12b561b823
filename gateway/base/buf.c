// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/secret.h"

enum { CAP_FIRST = 256 };

void buf_init(struct buf *b, size_t limit)
{
    *b = (struct buf){ .limit = limit };
}

void buf_fini(struct buf *b)
{
    free(b->base);
    buf_init(b, b->limit);
}

void buf_wipe(struct buf *b)
{
    secret_wipe(b->base, b->cap);
    buf_fini(b);
}

static char *fail(struct buf *b)
{
    b->failed = true;
    return NULL;
}

char *buf_reserve_more(struct buf *b, size_t n)
{
    size_t len = buf_len(b), cap = b->cap ? b->cap : CAP_FIRST;
    char *base;

    if (n > PTRDIFF_MAX - len || (b->limit && (n > b->limit || len > b->limit - n)))
        return fail(b);
    if (b->base && b->cap - b->end >= n)
        return b->base + b->end;
    // Sliding down pays only when at least half of the memory is behind the read end; else a slow reader makes it quadratic.
    if (b->base && b->cap - len >= n && b->start >= b->cap / 2) {
        memmove(b->base, b->base + b->start, len);
        b->start = 0;
        b->end = len;
        return b->base + len;
    }
    while (cap < len + n)
        cap = cap > PTRDIFF_MAX / 2 ? len + n : cap * 2;
    // Not realloc: what was moved away from might be a secret, and buf_wipe could no longer reach it.
    base = malloc(cap);
    if (!base)
        return fail(b);
    if (len)
        memcpy(base, b->base + b->start, len);
    secret_wipe(b->base, b->end);
    free(b->base);
    b->base = base;
    b->cap = cap;
    b->start = 0;
    b->end = len;
    return base + len;
}

bool buf_append(struct buf *b, struct span s)
{
    char *at;

    if (s.n == 0)
        return !b->failed;
    at = buf_reserve(b, s.n);
    if (!at)
        return false;
    memcpy(at, s.p, s.n);
    b->end += s.n;
    return true;
}

bool buf_uint(struct buf *b, uint64_t v)
{
    char text[20];
    size_t at = sizeof text;

    do
        text[--at] = (char)('0' + v % 10);
    while (v /= 10);
    return buf_append(b, span_of(text + at, sizeof text - at));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    size_t limit = b->limit;
    va_list args;
    char *at;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    // One more, for the NUL that vsnprintf insists on; it is never held, so it does not count against the limit.
    if (limit && limit < SIZE_MAX)
        b->limit = limit + 1;
    at = n < 0 ? fail(b) : buf_reserve(b, (size_t)n + 1);
    b->limit = limit;
    if (!at)
        return false;
    va_start(args, fmt);
    vsnprintf(at, (size_t)n + 1, fmt, args);
    va_end(args);
    b->end += (size_t)n;
    return true;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= buf_len(b));
    b->start += n;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buf_clear(struct buf *b)
{
    b->start = b->end = 0;
    b->failed = false;
}

void buf_release(struct buf *b)
{
    bool failed = b->failed;

    if (buf_len(b))
        return;
    buf_fini(b);
    b->failed = failed;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// A growable run of bytes with a read end and a write end: what arrives is appended, what was handled is consumed.
// A failed append marks the buffer and changes nothing else, so a writer may append many pieces and check once.
#ifndef SALLYPORT_BASE_BUF_H
#define SALLYPORT_BASE_BUF_H

#include <assert.h>

#include "gateway/base/span.h"

struct buf {
    char *base; // owned; NULL while nothing is held
    size_t start, end, cap;
    size_t limit; // most bytes held at once; 0: none
    bool failed;
};

void buf_init(struct buf *b, size_t limit);
// Frees the memory; usable again. buf_wipe zeroes it first (secrets).
void buf_fini(struct buf *b);
void buf_wipe(struct buf *b);
static inline size_t buf_len(const struct buf *b)
{
    return b->end - b->start;
}
static inline struct span buf_span(const struct buf *b)
{
    return span_of(b->base ? b->base + b->start : "", b->end - b->start);
}
// Room for at least n more bytes at the write end; NULL when out of memory or over the limit. Then buf_commit(used <= n).
char *buf_reserve_more(struct buf *b, size_t n); // the rest of buf_reserve
static inline char *buf_reserve(struct buf *b, size_t n)
{
    bool fits = b->base && n <= b->cap - b->end && (!b->limit || n + buf_len(b) <= b->limit);
    return fits ? b->base + b->end : buf_reserve_more(b, n);
}
static inline void buf_commit(struct buf *b, size_t n)
{
    assert(n <= b->cap - b->end);
    b->end += n;
}
bool buf_append(struct buf *b, struct span s);
static inline bool buf_byte(struct buf *b, char c)
{
    if (b->end == b->cap || (b->limit && buf_len(b) >= b->limit))
        return buf_append(b, span_of(&c, 1));
    b->base[b->end++] = c;
    return true;
}
bool buf_uint(struct buf *b, uint64_t v); // in decimal
bool buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// Drops n bytes from the read end; memory is kept. buf_clear drops all and clears `failed`.
void buf_consume(struct buf *b, size_t n);
void buf_clear(struct buf *b);
// Gives the memory back when nothing is held: an idle connection holds no buffer.
void buf_release(struct buf *b);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// An arena hands out memory that is freed all at once: one arena an exchange, one a configuration, one a parse.
// Allocation never fails towards the caller: when the allocator has no memory, or the arena its limit, the arena
// is marked `failed` and a static scratch area is NOT handed out: NULL is. Callers check the pointer, or, where
// they build many small things, `arena->failed` once at the end.
#ifndef SALLYPORT_BASE_ARENA_H
#define SALLYPORT_BASE_ARENA_H

#include "gateway/base/span.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *head;
    size_t used;  // bytes handed out, for limits and metrics
    size_t limit; // 0: none
    bool failed;
};

// Nothing is allocated until the first arena_alloc. `limit` bounds the bytes handed out in total.
void arena_init(struct arena *a, size_t limit);
// Frees everything; the arena may be used again.
void arena_fini(struct arena *a);
// Zeroed memory aligned for any type; NULL when out of memory or over the limit.
void *arena_alloc(struct arena *a, size_t n);
// n * size with overflow check.
void *arena_array(struct arena *a, size_t n, size_t size);
// Copies; the copy is followed by a NUL that is not counted. SPAN_NONE stays SPAN_NONE; on failure SPAN_NONE.
struct span arena_dup(struct arena *a, struct span s);
// Two texts with a character between them, whatever is in them. SPAN_NONE when it fails.
struct span arena_join(struct arena *a, struct span head, char between, struct span tail);
// Formats into the arena; SPAN_NONE on failure. NUL-terminated.
struct span arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

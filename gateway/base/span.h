// SPDX-License-Identifier: GPL-3.0-or-later
// Borrowed bytes. A span points into memory that somebody else owns and keeps alive; nothing here depends on a NUL,
// allocates, or looks past `n`. An absent value is SPAN_NONE (p == NULL), which is not the same as an empty one.
#ifndef SALLYPORT_BASE_SPAN_H
#define SALLYPORT_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
#define SPAN_NONE ((struct span){ NULL, 0 })
// For printf("%.*s", SPAN_FMT(s)); spans longer than INT_MAX never get that far, every reader bounds its input.
#define SPAN_FMT(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct span span_of(const void *p, size_t n)
{
    return (struct span){ p, n };
}
static inline struct span span_str(const char *s)
{
    return (struct span){ s, s ? strlen(s) : 0 };
}
static inline bool span_is_none(struct span s)
{
    return s.p == NULL;
}
static inline bool span_eq(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// Bytes [from, to), clipped to the span.
struct span span_sub(struct span s, size_t from, size_t to);
// ASCII case-insensitive equality (field names, schemes).
bool span_ieq(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);
// memcmp order, shorter first on a tie: for sorted const tables.
int span_cmp(struct span a, struct span b);
// Index of the first `c`, or s.n.
size_t span_find(struct span s, char c);
// Cuts `*rest` at the first `sep`: returns what is before it, leaves what is after it in `*rest`. Without a `sep`
// returns all and leaves SPAN_NONE, so that `while (!span_is_none(rest))` visits "a", "" of "a," and "" of "".
struct span span_cut(struct span *rest, char sep);
// Without leading and trailing SP and HTAB (RFC 9110 §5.6.3 OWS).
struct span span_trim(struct span s);
// Length (1-4) of the well-formed UTF-8 sequence (RFC 3629: no overlong forms, no surrogates) that starts at s.p[i]; 0: none does.
size_t span_utf8(struct span s, size_t i);
// What comes from elsewhere, as one line of ASCII for people: at most n - 1 bytes of it into `out`, a '?' for each byte that is not printable, then a NUL.
// Returns how many stand before the NUL; `n` is at least 1.
size_t span_show(struct span s, char *out, size_t n);
// Strict decimal without sign or leading zeros beyond "0"; false on anything else or on overflow, `*out` untouched.
bool span_to_u64(struct span s, uint64_t *out);

#endif

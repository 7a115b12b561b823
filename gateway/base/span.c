// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/span.h"

static unsigned char lower(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

struct span span_sub(struct span s, size_t from, size_t to)
{
    if (to > s.n)
        to = s.n;
    if (from > to)
        from = to;
    return s.p ? span_of(s.p + from, to - from) : SPAN_NONE;
}

bool span_ieq(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower((unsigned char)a.p[i]) != lower((unsigned char)b.p[i]))
            return false;
    return true;
}

bool span_starts(struct span s, struct span prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool span_ends(struct span s, struct span suffix)
{
    return s.n >= suffix.n && (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

int span_cmp(struct span a, struct span b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;

    if (order)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

size_t span_find(struct span s, char c)
{
    const char *at = s.n ? memchr(s.p, c, s.n) : NULL;

    return at ? (size_t)(at - s.p) : s.n;
}

struct span span_cut(struct span *rest, char sep)
{
    struct span all = *rest;
    size_t at = span_find(all, sep);

    *rest = at < all.n ? span_of(all.p + at + 1, all.n - at - 1) : SPAN_NONE;
    return span_of(all.p, at);
}

struct span span_trim(struct span s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.n--;
    }
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

size_t span_utf8(struct span s, size_t i)
{
    const unsigned char *p = (const unsigned char *)s.p + i;
    size_t left = i < s.n ? s.n - i : 0;
    unsigned low = 0x80, high = 0xbf; // of the second byte
    size_t n;

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (left < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t k = 2; k < n; k++)
        if ((p[k] & 0xc0) != 0x80)
            return 0;
    return n;
}

size_t span_show(struct span s, char *out, size_t n)
{
    size_t shown = s.n < n ? s.n : n - 1;

    for (size_t i = 0; i < shown; i++)
        out[i] = (char)(s.p[i] < 0x20 || s.p[i] > 0x7e ? '?' : s.p[i]);
    out[shown] = '\0';
    return shown;
}

bool span_to_u64(struct span s, uint64_t *out)
{
    uint64_t v = 0;

    if (s.n == 0 || (s.n > 1 && s.p[0] == '0'))
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
            return false;
    }
    *out = v;
    return true;
}

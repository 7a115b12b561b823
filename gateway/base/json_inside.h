// SPDX-License-Identifier: GPL-3.0-or-later
// What the files of JSON know of each other: json_read.c makes a document, json_numbers.c checks arrays of numbers in it, json.c hands
// its values out, json_writer.c writes text.
//
// A document is a copy of the text, in which strings are unescaped in place, and a tape: a node a value, and one a member's name, in
// the order of the text. An array of nothing but numbers, which is what a vector is, is one node: its elements are where they stand in
// the text, and their handles say so by being odd.
#ifndef SALLYPORT_BASE_JSON_INSIDE_H
#define SALLYPORT_BASE_JSON_INSIDE_H

#include "gateway/base/arena.h"
#include "gateway/base/json.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

// Bytes that may be read behind the text. They are zero, which nothing takes for a part of a value.
enum { JSON_PADDING = 64 };

struct json_value_ {
    const char *p;  // a string's first byte; else the value's first character
    uint32_t n;     // bytes of the string, or of the value's text
    uint32_t count; // members or elements
    uint32_t skip;  // nodes from here to what follows; of what is still open: its parent, as json_read.c counts them
    uint8_t type;   // enum json_type; numbers are JSON_REAL
    bool same;      // its text is what the writer would write: no space between tokens, no escapes
    bool numbers;   // an array whose elements have no nodes
};

enum { JSON_NODES = 24 }; // what a search, a proof or a token needs

struct json_doc {
    struct json_value_ *nodes; // `first`, until they are too few
    uint32_t n, cap;
    struct arena *arena; // what all of it is in; NULL: the heap
    struct json_value_ first[JSON_NODES];
    char text[]; // and JSON_PADDING
};

static inline bool json_is_element_(json v)
{
    return (uintptr_t)v & 1;
}
static inline json json_element_(const char *text)
{
    return (json)((uintptr_t)text << 1 | 1);
}
static inline const char *json_element_text_(json v)
{
    return (const char *)((uintptr_t)v >> 1);
}

// One past the number that begins at p.
static inline const char *json_number_end_(const char *p)
{
    while ((*p >= '0' && *p <= '9') || *p == '.' || *p == '-' || *p == '+' || (*p | 0x20) == 'e')
        p++;
    return p;
}

// The number after this one in an array of numbers.
static inline const char *json_number_next_(const char *p)
{
    for (p = json_number_end_(p); (unsigned char)*p <= ' ' || *p == ',';)
        p++;
    return p;
}

// Appends the numbers from p to the array's end without what is between them.
bool json_numbers_write_(struct buf *out, struct span array);

// p is where the first element of an array begins. When there is nothing in the array but numbers and space between them: where its ']' is,
// how many they are, and whether there is any space. Else NULL, the others untouched.
const char *json_numbers_(const char *p, uint32_t *count, bool *spaced);

#if defined(__SSE2__)
// A bit for each byte that does not stand for itself in a string: all but ASCII, controls, quotes and backslashes.
static inline unsigned json_odd_(__m128i c)
{
    __m128i odd = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('"')), _mm_cmpeq_epi8(c, _mm_set1_epi8('\\')));
    // As signed numbers, 0x80 and above are below the space, too.
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(odd, _mm_cmplt_epi8(c, _mm_set1_epi8(' '))));
}
#endif

// How many of the 16 bytes at p, from the first on, stand for themselves in a string.
static inline unsigned json_plain_(const char *p)
{
#if defined(__SSE2__)
    return (unsigned)__builtin_ctz(json_odd_(_mm_loadu_si128((const __m128i *)(const void *)p)) | 0x10000);
#else
    unsigned n = 0;
    while (n < 16 && (signed char)p[n] >= ' ' && p[n] != '"' && p[n] != '\\')
        n++;
    return n;
#endif
}

// Whether all 16 bytes of two words do.
static inline bool json_plain_words_(uint64_t a, uint64_t b)
{
#if defined(__SSE2__)
    return json_odd_(_mm_set_epi64x((long long)b, (long long)a)) == 0;
#else
    char text[16];
    memcpy(text, &a, 8);
    memcpy(text + 8, &b, 8);
    return json_plain_(text) == 16;
#endif
}

// Appends the string between quotes.
void json_quoted_(struct buf *out, struct span s);
// Appends the shortest text that reads as the same number; null for infinities and not-a-numbers.
void json_real_write_(struct buf *out, double v);

#endif

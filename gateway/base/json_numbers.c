// SPDX-License-Identifier: GPL-3.0-or-later
// Arrays of numbers, which is what the bodies of vector databases are: 64 bytes at a time become a word for each kind of character, a bit a
// byte, and RFC 8259's grammar of numbers becomes statements about bits beside each other. Where something depends on how a run of digits
// began, an addition carries a bit from the run's start to what is behind its end.
#include "gateway/base/json_inside.h"

enum { BLOCK = 64 };

struct marks {
    uint64_t digit, zero, minus, dot, comma; // zeros are digits, too
};

struct rare {
    uint64_t exponent, plus, space;
};

#if defined(__SSE2__)

struct block {
    __m128i c[4];
};

static inline struct block block_of(const char *p)
{
    const __m128i *at = (const __m128i *)(const void *)p;

    return (struct block){ { _mm_loadu_si128(at), _mm_loadu_si128(at + 1), _mm_loadu_si128(at + 2),
                             _mm_loadu_si128(at + 3) } };
}

static inline uint64_t bits(__m128i a, __m128i b, __m128i c, __m128i d)
{
    uint64_t low = (uint64_t)(unsigned)_mm_movemask_epi8(a) | (uint64_t)(unsigned)_mm_movemask_epi8(b) << 16;

    return low | (uint64_t)(unsigned)_mm_movemask_epi8(c) << 32 | (uint64_t)(unsigned)_mm_movemask_epi8(d) << 48;
}

static inline uint64_t equal(const struct block *b, char to)
{
    __m128i all = _mm_set1_epi8(to);

    return bits(_mm_cmpeq_epi8(b->c[0], all), _mm_cmpeq_epi8(b->c[1], all), _mm_cmpeq_epi8(b->c[2], all),
                _mm_cmpeq_epi8(b->c[3], all));
}

static inline __m128i is_digit(__m128i c)
{
    __m128i value = _mm_sub_epi8(c, _mm_set1_epi8('0'));

    return _mm_cmpeq_epi8(_mm_min_epu8(value, _mm_set1_epi8(9)), value);
}

static inline struct marks marks_of(const char *p)
{
    const struct block b = block_of(p);

    return (struct marks){
        .digit = bits(is_digit(b.c[0]), is_digit(b.c[1]), is_digit(b.c[2]), is_digit(b.c[3])),
        .zero = equal(&b, '0'),
        .minus = equal(&b, '-'),
        .dot = equal(&b, '.'),
        .comma = equal(&b, ','),
    };
}

static inline struct rare rare_of(const char *p)
{
    const struct block b = block_of(p);

    return (struct rare){
        .exponent = equal(&b, 'e') | equal(&b, 'E'),
        .plus = equal(&b, '+'),
        .space = equal(&b, ' ') | equal(&b, '\n') | equal(&b, '\r') | equal(&b, '\t'),
    };
}

#else

static inline struct marks marks_of(const char *p)
{
    struct marks m = { 0 };
    for (int i = 0; i < BLOCK; i++) {
        m.digit |= (uint64_t)((unsigned char)(p[i] - '0') <= 9) << i;
        m.zero |= (uint64_t)(p[i] == '0') << i;
        m.minus |= (uint64_t)(p[i] == '-') << i;
        m.dot |= (uint64_t)(p[i] == '.') << i;
        m.comma |= (uint64_t)(p[i] == ',') << i;
    }
    return m;
}

static struct rare rare_of(const char *p)
{
    struct rare r = { 0 };
    for (int i = 0; i < BLOCK; i++) {
        r.exponent |= (uint64_t)((p[i] | 0x20) == 'e') << i;
        r.plus |= (uint64_t)(p[i] == '+') << i;
        r.space |= (uint64_t)(p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t') << i;
    }
    return r;
}

#endif

static inline uint32_t ones(uint64_t v)
{
    v -= v >> 1 & 0x5555555555555555;
    v = (v & 0x3333333333333333) + (v >> 2 & 0x3333333333333333);
    return (uint32_t)(((v + (v >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56);
}

// What the last byte of the block before was, one bit each.
struct before {
    uint64_t begin; // a comma, or space behind one: a number begins
    uint64_t digit; // a digit
    uint64_t ended; // space behind a number
    uint64_t minus; // a number's sign
    uint64_t zero;  // a number's leading zero
    uint64_t dot;
    uint64_t fraction; // a digit of one
    uint64_t exponent; // the letter
    uint64_t sign;     // the exponent's sign
    uint64_t power;    // a digit of one
};

// What stands behind each of the marks.
static inline uint64_t behind(uint64_t marks, uint64_t *carry)
{
    uint64_t moved = marks << 1 | *carry;

    *carry = marks >> 63;
    return moved;
}

// What is behind those runs of `in` that begin at `starts`. `*reached`: which of the runs these were.
static inline uint64_t behind_runs(uint64_t starts, uint64_t in, uint64_t *reached, uint64_t *carry)
{
    uint64_t sum;

    *carry = __builtin_add_overflow(starts, in, &sum);
    *reached = in & ~sum;
    return sum & ~in;
}

// Exponents, and space, which moves where numbers begin and where they may end. What is wrong with them.
static uint64_t wrong_in_rare(const struct marks *m, const struct rare *r, uint64_t term, uint64_t *begin,
                              uint64_t *end, struct before *b)
{
    uint64_t digit_before = *end, before_it, after_it, reached, carry, bad = b->ended & ~(r->space | term);

    // Space is behind a comma, or before what ends a number.
    uint64_t moved = behind_runs(*begin & r->space, r->space, &before_it, &carry);
    *begin = (*begin & ~r->space) | moved;
    b->begin |= carry;
    *end |= b->ended;
    moved = behind_runs(*end & r->space, r->space, &after_it, &b->ended);
    *end = (*end & ~r->space) | moved;
    bad |= (moved & ~term) | (r->space & ~(before_it | after_it));

    uint64_t after_e = behind(r->exponent, &b->exponent), sign = (r->plus | m->minus) & after_e;
    uint64_t after_sign = behind(sign, &b->sign);
    bad |= (r->exponent & ~digit_before) | (r->plus & ~after_e) | (m->minus & ~(*begin | after_e));
    bad |= (after_e & ~(m->digit | sign)) | (after_sign & ~m->digit);
    // Neither a fraction nor another exponent follows an exponent's digits.
    uint64_t power = ((after_e | after_sign) & m->digit) | b->power;
    bad |= behind_runs(power, m->digit, &reached, &b->power) & (m->dot | r->exponent);
    return bad;
}

const char *json_numbers_(const char *p, uint32_t *count, bool *spaced)
{
    struct before b = { .begin = 1 };
    uint64_t space = 0, reached;
    uint32_t n = 1;

    for (;; p += BLOCK) {
        struct marks m = marks_of(p);
        struct rare r = { 0 };
        uint64_t odd = ~(m.digit | m.minus | m.dot | m.comma), last = 0, bad;
        bool rare = odd || b.ended || b.exponent || b.sign || b.power;
        if (odd) {
            r = rare_of(p);
            odd &= ~(r.exponent | r.plus | r.space);
            last = odd & (0 - odd);
        }
        if (last) { // nothing behind it counts
            uint64_t in = last - 1;
            m = (struct marks){ m.digit & in, m.zero & in, m.minus & in, m.dot & in, m.comma & in };
            r = (struct rare){ r.exponent & in, r.plus & in, r.space & in };
        }
        uint64_t term = m.comma | last, begin = behind(m.comma, &b.begin);
        uint64_t digit_before = behind(m.digit, &b.digit), end = digit_before;
        bad = rare ? wrong_in_rare(&m, &r, term, &begin, &end, &b) : m.minus & ~begin;
        uint64_t after_minus = behind(m.minus & begin, &b.minus), after_dot = behind(m.dot, &b.dot);
        bad |= begin & ~(m.digit | m.minus);
        bad |= (after_minus | after_dot) & ~m.digit;
        bad |= behind(m.zero & (begin | after_minus), &b.zero) & m.digit;
        bad |= (term & ~end) | (m.dot & ~digit_before);
        bad |= behind_runs(after_dot | b.fraction, m.digit, &reached, &b.fraction) & m.dot;
        if (bad)
            return NULL;
        n += ones(m.comma);
        space |= r.space;
        if (!last)
            continue;
        p += __builtin_ctzll(last);
        if (*p != ']')
            return NULL;
        *count = n;
        *spaced = space != 0;
        return p;
    }
}

// What is no text of numbers is space. Blocks are copied from space to space, 16 bytes at once: what was too much is written over.
bool json_numbers_write_(struct buf *out, struct span array)
{
    char *start = buf_reserve(out, array.n), *to = start;
    const char *p = array.p, *end = p + array.n;

    if (!start)
        return false;
    for (; end - p >= BLOCK + 16; p += BLOCK) {
        uint64_t space = rare_of(p).space;
        unsigned from = 0, n;
        do {
            n = (space ? (unsigned)__builtin_ctzll(space) : BLOCK) - from;
            for (unsigned i = 0; i < n; i += 16)
                memcpy(to + i, p + from + i, 16);
            to += n;
            from += n + 1;
            space &= space - 1;
        } while (from < BLOCK);
    }
    for (; p < end; p++) {
        *to = *p;
        to += (unsigned char)*p > ' ';
    }
    buf_commit(out, (size_t)(to - start));
    return true;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Characters are mapped by arithmetic on masks instead of a table or comparisons, so neither the branch predictor nor the cache
// sees the data: (x - y) >> 8 is all ones where x < y, and zero where 0 <= x - y < 256 (the shift of a negative int is arithmetic
// with every compiler this is built with).
#include "gateway/base/base64url.h"

#include "gateway/base/secret.h"

static char encode_6(unsigned v)
{
    int c = (int)(v & 63);

    return (char)(c + 'A' + (((25 - c) >> 8) & 6) - (((51 - c) >> 8) & 75) - (((61 - c) >> 8) & 13) +
                  (((62 - c) >> 8) & 49));
}

// 0..63, or -1 for a character outside the alphabet.
static int decode_6(char character)
{
    int c = (unsigned char)character;

    return -1 + ((((64 - c) & (c - 91)) >> 8) & (c - 64)) + ((((96 - c) & (c - 123)) >> 8) & (c - 70)) +
           ((((47 - c) & (c - 58)) >> 8) & (c + 5)) + ((((44 - c) & (c - 46)) >> 8) & 63) +
           ((((94 - c) & (c - 96)) >> 8) & 64);
}

// So many characters are mapped at once, by what compilers make vector instructions of: comparisons there are masks, not branches.
enum { RUN = 32 };

// The same for a run; negative when one of them is outside.
static int decode_run(const char *in, signed char out[static RUN])
{
    signed char bad = 0;

    for (int i = 0; i < RUN; i++) {
        signed char c = (signed char)in[i];
        signed char upper = (signed char)-((c >= 'A') & (c <= 'Z')), lower = (signed char)-((c >= 'a') & (c <= 'z'));
        signed char digit = (signed char)-((c >= '0') & (c <= '9')), dash = (signed char)-(c == '-');
        signed char line = (signed char)-(c == '_');
        out[i] =
            (signed char)(-1 + (upper & (c - 64)) + (lower & (c - 70)) + (digit & (c + 5)) + (dash & 63) + (line & 64));
        bad |= out[i];
    }
    return bad;
}

// 24 bytes as a run of characters.
static void encode_run(const unsigned char in[static RUN / 4 * 3], char out[static RUN])
{
    signed char value[RUN];

    for (int i = 0, o = 0; o < RUN; i += 3, o += 4) {
        value[o] = (signed char)(in[i] >> 2);
        value[o + 1] = (signed char)((in[i] & 3) << 4 | in[i + 1] >> 4);
        value[o + 2] = (signed char)((in[i + 1] & 15) << 2 | in[i + 2] >> 6);
        value[o + 3] = (signed char)(in[i + 2] & 63);
    }
    for (int i = 0; i < RUN; i++) {
        signed char c = value[i];
        signed char lower = (signed char)-(c > 25), digit = (signed char)-(c > 51), dash = (signed char)-(c > 61);
        signed char line = (signed char)-(c > 62);
        out[i] = (char)(c + 'A' + (lower & 6) - (digit & 75) - (dash & 13) + (line & 49));
    }
    secret_wipe(value, sizeof value);
}

size_t base64url_encode(struct span in, char *out)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t i = 0, o = 0;

    for (; in.n - i >= RUN / 4 * 3; i += RUN / 4 * 3, o += RUN)
        encode_run(p + i, out + o);
    for (; in.n - i >= 3; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (unsigned)p[i + 1] << 8 | p[i + 2];
        out[o++] = encode_6(v >> 18);
        out[o++] = encode_6(v >> 12);
        out[o++] = encode_6(v >> 6);
        out[o++] = encode_6(v);
    }
    if (in.n - i == 2) {
        unsigned v = (unsigned)p[i] << 16 | (unsigned)p[i + 1] << 8;
        out[o++] = encode_6(v >> 18);
        out[o++] = encode_6(v >> 12);
        out[o++] = encode_6(v >> 6);
    } else if (in.n - i == 1) {
        unsigned v = (unsigned)p[i] << 16;
        out[o++] = encode_6(v >> 18);
        out[o++] = encode_6(v >> 12);
    }
    return o;
}

bool base64url_decode(struct span in, void *out, size_t *n)
{
    unsigned char *to = out;
    size_t tail = in.n % 4, i = 0, o = 0;
    int bad = 0; // negative once any character or stray bit was wrong
    signed char value[RUN];

    if (tail == 1)
        return false;
    for (; in.n - i >= RUN; i += RUN) {
        bad |= decode_run(in.p + i, value);
        for (int k = 0; k < RUN; k += 4) {
            unsigned v = ((unsigned)value[k] & 63) << 18 | ((unsigned)value[k + 1] & 63) << 12 |
                         ((unsigned)value[k + 2] & 63) << 6 | ((unsigned)value[k + 3] & 63);
            to[o++] = (unsigned char)(v >> 16);
            to[o++] = (unsigned char)(v >> 8);
            to[o++] = (unsigned char)v;
        }
    }
    if (i > 0)
        secret_wipe(value, sizeof value);
    for (; i + 4 <= in.n; i += 4) {
        int a = decode_6(in.p[i]), b = decode_6(in.p[i + 1]), c = decode_6(in.p[i + 2]), d = decode_6(in.p[i + 3]);
        unsigned v = ((unsigned)a & 63) << 18 | ((unsigned)b & 63) << 12 | ((unsigned)c & 63) << 6 | ((unsigned)d & 63);
        bad |= a | b | c | d;
        to[o++] = (unsigned char)(v >> 16);
        to[o++] = (unsigned char)(v >> 8);
        to[o++] = (unsigned char)v;
    }
    if (tail) {
        int a = decode_6(in.p[i]), b = decode_6(in.p[i + 1]), c = tail == 3 ? decode_6(in.p[i + 2]) : 0;
        unsigned v = ((unsigned)a & 63) << 18 | ((unsigned)b & 63) << 12 | ((unsigned)c & 63) << 6;
        bad |= a | b | c;
        // The bits below the last whole byte must be zero, or two texts would decode to the same bytes.
        bad |= -(tail == 2 ? b & 15 : c & 3);
        to[o++] = (unsigned char)(v >> 16);
        if (tail == 3)
            to[o++] = (unsigned char)(v >> 8);
    }
    if (bad < 0)
        return false;
    *n = o;
    return true;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/percent.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool gw_is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

bool gw_is_pchar(char c)
{
    if (gw_is_unreserved(c))
        return true;
    switch (c) {
    case '!':
    case '$':
    case '&':
    case '\'':
    case '(':
    case ')':
    case '*':
    case '+':
    case ',':
    case ';':
    case '=':
    case ':':
    case '@': return true;
    default: return false;
    }
}

int gw_percent_byte(struct span s, size_t i)
{
    if (s.n < 3 || i > s.n - 3 || s.p[i] != '%')
        return -1;
    int hi = hex_digit(s.p[i + 1]), lo = hex_digit(s.p[i + 2]);
    return hi < 0 || lo < 0 ? -1 : hi << 4 | lo;
}

// The length of the character at s.p[i] and its code point, or 0 when it is not UTF-8 (RFC 3629 §4).
static size_t utf8_at(struct span s, size_t i, uint32_t *point)
{
    static const struct {
        uint8_t mask, lead, n;
        uint32_t least;
    } forms[] = {
        { 0x80, 0x00, 1, 0 },
        { 0xe0, 0xc0, 2, 0x80 },
        { 0xf0, 0xe0, 3, 0x800 },
        { 0xf8, 0xf0, 4, 0x10000 },
    };
    const uint8_t *p = (const uint8_t *)s.p + i;
    for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        if ((p[0] & forms[f].mask) != forms[f].lead)
            continue;
        if (s.n - i < forms[f].n)
            return 0;
        uint32_t v = p[0] & (uint32_t)(uint8_t)~forms[f].mask;
        for (size_t k = 1; k < forms[f].n; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
            v = v << 6 | (p[k] & 0x3f);
        }
        if (v < forms[f].least || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
            return 0;
        *point = v;
        return forms[f].n;
    }
    return 0;
}

bool gw_is_utf8(struct span s)
{
    uint32_t point;
    for (size_t i = 0, n; i < s.n; i += n)
        if ((n = utf8_at(s, i, &point)) == 0)
            return false;
    return true;
}

bool gw_is_text(struct span s)
{
    uint32_t v;
    for (size_t i = 0, n; i < s.n; i += n)
        if ((n = utf8_at(s, i, &v)) == 0 || v < 0x20 || (v >= 0x7f && v <= 0x9f))
            return false;
    return true;
}

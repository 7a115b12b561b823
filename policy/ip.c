// SPDX-License-Identifier: GPL-3.0-or-later
// Addresses and ranges of IPv4 and IPv6, in the forms that Cedar takes: four decimal numbers without leading zeros, or up
// to eight groups of hexadecimal digits with one "::" for a run of zeros; never an IPv4 address inside of an IPv6 one, and
// no zones. A prefix length may follow a '/'.
#include "policy/ext.h"

#include <stdio.h>

enum { V4_BITS = 32, V6_BITS = 128, V6_GROUPS = 8, NO_GAP = V6_GROUPS + 1 };

static int digit(char c, int base)
{
    int v = c >= '0' && c <= '9'   ? c - '0'
            : c >= 'a' && c <= 'f' ? c - 'a' + 10
            : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                   : base;

    return v < base ? v : -1;
}

// A decimal number up to `most` without leading zeros, at most three digits; how many characters it has, 0: none.
static size_t number(struct span s, size_t at, uint32_t most, uint32_t *out)
{
    uint32_t v = 0;
    size_t n = 0;

    for (; n < 4 && at + n < s.n && digit(s.p[at + n], 10) >= 0; n++)
        v = v * 10 + (uint32_t)digit(s.p[at + n], 10);
    if (n > 3 || (n > 1 && s.p[at] == '0') || v > most)
        return 0;
    *out = v;
    return n;
}

static bool read_v4(struct span s, uint32_t *out)
{
    uint32_t address = 0, byte;
    size_t at = 0, n;

    for (unsigned i = 0; i < 4; i++) {
        if (i > 0 && (at == s.n || s.p[at++] != '.'))
            return false;
        n = number(s, at, 255, &byte);
        if (n == 0)
            return false;
        at += n;
        address = address << 8 | byte;
    }
    *out = address;
    return at == s.n;
}

// One to four hexadecimal digits.
static size_t group(struct span s, size_t at, uint16_t *out)
{
    unsigned v = 0;
    size_t n = 0;

    for (; n < 5 && at + n < s.n && digit(s.p[at + n], 16) >= 0; n++)
        v = v << 4 | (unsigned)digit(s.p[at + n], 16);
    *out = (uint16_t)v;
    return n <= 4 ? n : 0;
}

static bool read_groups(struct span s, uint16_t groups[V6_GROUPS], unsigned *n, unsigned *gap)
{
    size_t at = 0, digits;

    *n = 0;
    *gap = NO_GAP;
    if (span_starts(s, SPAN("::"))) {
        *gap = 0;
        at = 2;
    }
    while (at < s.n) {
        if (*n == V6_GROUPS || (digits = group(s, at, &groups[*n])) == 0)
            return false;
        ++*n;
        at += digits;
        if (at == s.n)
            break;
        if (s.p[at++] != ':' || at == s.n)
            return false;
        if (s.p[at] == ':') {
            if (*gap != NO_GAP)
                return false;
            *gap = *n;
            at++;
        }
    }
    return *gap == NO_GAP ? *n == V6_GROUPS : *n < V6_GROUPS;
}

static bool read_v6(struct span s, uint8_t out[16])
{
    uint16_t groups[V6_GROUPS];
    unsigned n, gap;

    if (!read_groups(s, groups, &n, &gap))
        return false;
    memset(out, 0, 16);
    for (unsigned i = 0; i < n; i++) {
        unsigned to = i < gap ? i : V6_GROUPS - n + i;

        out[2 * to] = (uint8_t)(groups[i] >> 8);
        out[2 * to + 1] = (uint8_t)groups[i];
    }
    return true;
}

const char *pol_ip_read(struct span text, struct arena *arena, struct pol_value *out)
{
    static const char no[] = "not an address or range such as \"10.0.0.1\", \"10.0.0.0/8\" or \"fe80::/10\"";
    size_t slash = span_find(text, '/');
    bool ranged = slash < text.n;
    struct span address = span_sub(text, 0, slash);
    uint8_t wide[16];
    uint8_t *kept;
    uint32_t v4 = 0, prefix;
    bool is_v4 = read_v4(address, &v4);
    uint32_t bits = is_v4 ? V4_BITS : V6_BITS;

    if (!is_v4 && !read_v6(address, wide))
        return no;
    prefix = bits;
    if (ranged && (slash + 1 == text.n || slash + 1 + number(text, slash + 1, bits, &prefix) != text.n))
        return no;
    *out = (struct pol_value){ .kind = POL_IP, .n = prefix, .ip4 = v4 };
    if (is_v4)
        return NULL;
    kept = arena_alloc(arena, sizeof wide);
    if (!kept)
        return "out of memory";
    memcpy(kept, wide, sizeof wide);
    out->n |= POL_IPV6;
    out->ip6 = kept;
    return NULL;
}

// ------------------------------------------------------------------------------------------------------------ methods

static bool is_v6(const struct pol_value *v)
{
    return (v->n & POL_IPV6) != 0;
}

static uint32_t prefix_of(const struct pol_value *v)
{
    return v->n & (POL_IPV6 - 1);
}

static bool is_one(const uint8_t *ip6)
{
    static const uint8_t one[16] = { [15] = 1 };

    return memcmp(ip6, one, sizeof one) == 0;
}

// A range is loopback or multicast when all of it is.
bool pol_ip_is(enum pol_ext_fn fn, const struct pol_value *v)
{
    switch (fn) {
    case EXT_IS_IPV4: return !is_v6(v);
    case EXT_IS_IPV6: return is_v6(v);
    case EXT_IS_LOOPBACK:
        return is_v6(v) ? is_one(v->ip6) && prefix_of(v) == V6_BITS : v->ip4 >> 24 == 127 && prefix_of(v) >= 8;
    default: return is_v6(v) ? v->ip6[0] == 0xff && prefix_of(v) >= 8 : v->ip4 >> 28 == 0xe && prefix_of(v) >= 4;
    }
}

bool pol_ip_in_range(const struct pol_value *v, const struct pol_value *range)
{
    uint32_t bits = prefix_of(range);

    if (is_v6(v) != is_v6(range) || prefix_of(v) < bits)
        return false;
    if (!is_v6(v))
        return bits == 0 || (v->ip4 ^ range->ip4) >> (V4_BITS - bits) == 0;
    if (memcmp(v->ip6, range->ip6, bits / 8) != 0)
        return false;
    return bits % 8 == 0 || (v->ip6[bits / 8] ^ range->ip6[bits / 8]) >> (8 - bits % 8) == 0;
}

// ----------------------------------------------------------------------------------------------------------- as texts

// As RFC 5952 has it: the first of the longest runs of two or more zero groups is "::".
static size_t v6_text(const uint8_t *ip6, char *out)
{
    unsigned groups[V6_GROUPS], from = V6_GROUPS, longest = 1;
    size_t n = 0;

    for (unsigned i = 0; i < V6_GROUPS; i++)
        groups[i] = (unsigned)ip6[2 * i] << 8 | ip6[2 * i + 1];
    for (unsigned i = 0, run = 0; i < V6_GROUPS; i++) {
        run = groups[i] ? 0 : run + 1;
        if (run > longest) {
            longest = run;
            from = i + 1 - run;
        }
    }
    for (unsigned i = 0; i < V6_GROUPS; i++) {
        if (i == from) {
            n += (size_t)sprintf(out + n, "::");
            i += longest - 1;
        } else {
            n += (size_t)sprintf(out + n, n && out[n - 1] != ':' ? ":%x" : "%x", groups[i]);
        }
    }
    return n;
}

void pol_ip_text(const struct pol_value *v, char out[POL_EXT_TEXT_MAX])
{
    uint32_t a = v->ip4;
    size_t n = is_v6(v) ? v6_text(v->ip6, out)
                        : (size_t)sprintf(out, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);

    if (prefix_of(v) != (is_v6(v) ? V6_BITS : V4_BITS))
        snprintf(out + n, POL_EXT_TEXT_MAX - n, "/%u", prefix_of(v));
}

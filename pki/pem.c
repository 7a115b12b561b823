// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/pem.h"
#include "gateway/base/err.h"

#define LINE 64

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pki_base64(struct buf *out, struct span s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n; i += 3) {
        size_t left = s.n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);
        char four[4] = { alphabet[v >> 18], alphabet[v >> 12 & 63], left > 1 ? alphabet[v >> 6 & 63] : '=',
                         left > 2 ? alphabet[v & 63] : '=' };
        buf_append(out, span_of(four, sizeof four));
    }
}

void pki_pem_write(struct buf *out, struct span label, struct span der)
{
    buf_printf(out, "-----BEGIN %.*s-----\n", SPAN_FMT(label));
    for (size_t at = 0; at < der.n; at += LINE / 4 * 3) {
        pki_base64(out, span_sub(der, at, at + LINE / 4 * 3));
        buf_byte(out, '\n');
    }
    buf_printf(out, "-----END %.*s-----\n", SPAN_FMT(label));
}

static int value(char c)
{
    const char *at = c ? memchr(alphabet, c, 64) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// White space is passed over; padding only at the end, and whole groups of four only.
static int decode(struct span s, struct buf *out)
{
    uint32_t v = 0;
    unsigned have = 0, pad = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (is_space(s.p[i])) {
            continue;
        }
        int d = s.p[i] == '=' ? 0 : value(s.p[i]);
        if (d < 0 || (pad && s.p[i] != '=')) {
            return ERR_CERT_MALFORMED;
        }
        pad += s.p[i] == '=';
        v = v << 6 | (uint32_t)d;
        if (++have < 4) {
            continue;
        }
        char three[3] = { (char)(v >> 16), (char)(v >> 8), (char)v };
        if (pad > 2 || (pad == 1 && (v & 0xff)) || (pad == 2 && (v & 0xffff))) {
            return ERR_CERT_MALFORMED;
        }
        if (!buf_append(out, span_of(three, 3 - pad))) {
            return ERR_NOMEM;
        }
        have = 0;
        v = 0;
        if (pad) {
            pad = 3; // whatever follows is one too many
        }
    }
    return have ? ERR_CERT_MALFORMED : 0;
}

// Where `needle` starts in `s` at the beginning of a line, or s.n.
static size_t find_line(struct span s, struct span needle)
{
    for (size_t i = 0; i + needle.n <= s.n; i++) {
        const char *hit = memmem(s.p + i, s.n - i, needle.p, needle.n);
        if (!hit) {
            break;
        }
        i = (size_t)(hit - s.p);
        if (i == 0 || s.p[i - 1] == '\n' || s.p[i - 1] == '\r') {
            return i;
        }
    }
    return s.n;
}

bool pki_pem_looks_like(struct span text)
{
    return find_line(text, SPAN("-----BEGIN ")) < text.n;
}

int pki_pem_next(struct span *rest, struct span *label, struct buf *der)
{
    static const struct span begin = SPAN("-----BEGIN "), end = SPAN("-----END "), dashes = SPAN("-----");
    struct span s = *rest;
    size_t at = find_line(s, begin);
    if (at == s.n) {
        return 0;
    }
    s = span_sub(s, at + begin.n, s.n);
    const char *close = memmem(s.p, s.n, dashes.p, dashes.n);
    if (!close || memchr(s.p, '\n', (size_t)(close - s.p))) {
        return ERR_CERT_MALFORMED;
    }
    struct span name = span_of(s.p, (size_t)(close - s.p));
    s = span_sub(s, name.n + dashes.n, s.n);
    at = find_line(s, end);
    struct span body = span_sub(s, 0, at), tail = span_sub(s, at + end.n, s.n);
    if (at == s.n || !span_starts(tail, name) || !span_starts(span_sub(tail, name.n, tail.n), dashes)) {
        return ERR_CERT_MALFORMED;
    }
    buf_clear(der);
    int rc = decode(body, der);
    if (rc) {
        return rc;
    }
    *rest = span_sub(tail, name.n + dashes.n, tail.n);
    *label = name;
    return 1;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/der.h"
#include <assert.h>
#include <stdio.h>

const struct span pki_oid_ec_sha256 = SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x02");       // 1.2.840.10045.4.3.2
const struct span pki_oid_ec_sha384 = SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x03");       // …3
const struct span pki_oid_ec_sha512 = SPAN("\x2a\x86\x48\xce\x3d\x04\x03\x04");       // …4
const struct span pki_oid_ed25519 = SPAN("\x2b\x65\x70");                             // 1.3.101.112
const struct span pki_oid_rsa_sha256 = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b");  // 1.2.840.113549.1.1.11
const struct span pki_oid_rsa_sha384 = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c");  // …12
const struct span pki_oid_rsa_sha512 = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d");  // …13
const struct span pki_oid_common_name = SPAN("\x55\x04\x03");                         // 2.5.4.3
const struct span pki_oid_organization = SPAN("\x55\x04\x0a");                        // 2.5.4.10
const struct span pki_oid_ext_request = SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"); // 1.2.840.113549.1.9.14
const struct span pki_oid_skid = SPAN("\x55\x1d\x0e");                                // 2.5.29.14
const struct span pki_oid_key_usage = SPAN("\x55\x1d\x0f");                           // 2.5.29.15
const struct span pki_oid_san = SPAN("\x55\x1d\x11");                                 // 2.5.29.17
const struct span pki_oid_basic_constraints = SPAN("\x55\x1d\x13");                   // 2.5.29.19
const struct span pki_oid_crl_number = SPAN("\x55\x1d\x14");                          // 2.5.29.20
const struct span pki_oid_reason = SPAN("\x55\x1d\x15");                              // 2.5.29.21
const struct span pki_oid_name_constraints = SPAN("\x55\x1d\x1e");                    // 2.5.29.30
const struct span pki_oid_akid = SPAN("\x55\x1d\x23");                                // 2.5.29.35
const struct span pki_oid_ext_key_usage = SPAN("\x55\x1d\x25");                       // 2.5.29.37
const struct span pki_oid_server_auth = SPAN("\x2b\x06\x01\x05\x05\x07\x03\x01");     // 1.3.6.1.5.5.7.3.1
const struct span pki_oid_client_auth = SPAN("\x2b\x06\x01\x05\x05\x07\x03\x02");     // 1.3.6.1.5.5.7.3.2

// ---- writing

struct pki_der pki_der(struct buf *out)
{
    return (struct pki_der){ .out = out };
}

void pki_der_begin(struct pki_der *d, int tag)
{
    assert(d->depth < PKI_DER_DEPTH);
    buf_byte(d->out, (char)tag);
    d->open[d->depth++] = buf_len(d->out);
}

// Writes the length of `n` into `out`; returns how many bytes that took.
static size_t put_length(size_t n, char out[static 1 + sizeof(size_t)])
{
    if (n < 0x80) {
        out[0] = (char)n;
        return 1;
    }
    size_t bytes = 0;
    for (size_t v = n; v; v >>= 8) {
        bytes++;
    }
    out[0] = (char)(0x80 | bytes);
    for (size_t i = 0; i < bytes; i++) {
        out[1 + i] = (char)(n >> (8 * (bytes - 1 - i)));
    }
    return 1 + bytes;
}

void pki_der_end(struct pki_der *d)
{
    char length[1 + sizeof(size_t)];
    assert(d->depth > 0);
    size_t start = d->open[--d->depth];
    if (d->out->failed) {
        return;
    }
    size_t n = buf_len(d->out) - start, k = put_length(n, length);
    if (!buf_reserve(d->out, k)) {
        return;
    }
    char *content = d->out->base + d->out->start + start;
    memmove(content + k, content, n);
    memcpy(content, length, k);
    buf_commit(d->out, k);
}

void pki_der_put(struct pki_der *d, int tag, struct span content)
{
    char length[1 + sizeof(size_t)];
    buf_byte(d->out, (char)tag);
    buf_append(d->out, span_of(length, put_length(content.n, length)));
    buf_append(d->out, content);
}

void pki_der_raw(struct pki_der *d, struct span der)
{
    buf_append(d->out, der);
}

void pki_der_oid(struct pki_der *d, struct span oid)
{
    pki_der_put(d, PKI_DER_OID, oid);
}

void pki_der_uint(struct pki_der *d, struct span v)
{
    while (v.n > 1 && v.p[0] == 0) {
        v = span_sub(v, 1, v.n);
    }
    pki_der_begin(d, PKI_DER_INTEGER);
    if (v.n == 0 || (v.p[0] & 0x80)) {
        buf_byte(d->out, 0);
    }
    buf_append(d->out, v);
    pki_der_end(d);
}

void pki_der_int(struct pki_der *d, uint64_t v)
{
    char bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (char)(v >> (56 - 8 * i));
    }
    pki_der_uint(d, span_of(bytes, sizeof bytes));
}

void pki_der_bool(struct pki_der *d, bool v)
{
    pki_der_put(d, PKI_DER_BOOLEAN, v ? SPAN("\xff") : span_of("", 1));
}

void pki_der_bits(struct pki_der *d, struct span bytes)
{
    pki_der_begin(d, PKI_DER_BIT_STRING);
    buf_byte(d->out, 0);
    buf_append(d->out, bytes);
    pki_der_end(d);
}

// ---- dates: proleptic Gregorian days, by the usual shift of the year to March

static void civil(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = days / 146097, doe = days % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

static int64_t days_of(int year, int month, int day)
{
    int64_t y = year - (month <= 2), era = y / 400, yoe = y - era * 400;
    int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void pki_der_time(struct pki_der *d, int64_t seconds)
{
    int year, month, day, s = (int)(seconds % 86400);
    char text[48];
    assert(seconds >= 0 && seconds <= 253402300799); // 9999-12-31T23:59:59Z
    civil(seconds / 86400, &year, &month, &day);
    bool utc = year < 2050;
    int n = snprintf(text, sizeof text, "%0*d%02d%02d%02d%02d%02dZ", utc ? 2 : 4, utc ? year % 100 : year, month, day,
                     s / 3600, s / 60 % 60, s % 60);
    pki_der_put(d, utc ? PKI_DER_UTC_TIME : PKI_DER_GENERALIZED_TIME, span_of(text, (size_t)n));
}

// ---- reading

// The header of the first element. Returns its size, or 0.
static size_t header(struct span s, int *tag, size_t *length)
{
    const unsigned char *p = (const unsigned char *)s.p;
    if (s.n < 2 || (p[0] & 0x1f) == 0x1f) { // high tag numbers are in none of our structures
        return 0;
    }
    size_t n = p[1], used = 2;
    if (n >= 0x80) {
        size_t bytes = n & 0x7f;
        if (bytes == 0 || bytes > 4 || s.n < 2 + bytes || p[2] == 0) {
            return 0;
        }
        n = 0;
        for (size_t i = 0; i < bytes; i++) {
            n = n << 8 | p[2 + i];
        }
        if (n < 0x80) {
            return 0;
        }
        used += bytes;
    }
    if (n > s.n - used) {
        return 0;
    }
    *tag = p[0];
    *length = n;
    return used;
}

bool pki_der_next(struct span *rest, int *tag, struct span *content, struct span *whole)
{
    size_t n, h = rest->n ? header(*rest, tag, &n) : 0;
    if (h == 0) {
        return false;
    }
    *content = span_of(rest->p + h, n);
    if (whole) {
        *whole = span_of(rest->p, h + n);
    }
    *rest = span_of(rest->p + h + n, rest->n - h - n);
    return true;
}

bool pki_der_peek(struct span rest, int tag)
{
    return rest.n > 0 && (unsigned char)rest.p[0] == tag;
}

bool pki_der_take(struct span *rest, int tag, struct span *content)
{
    int got;
    return pki_der_peek(*rest, tag) && pki_der_next(rest, &got, content, NULL);
}

bool pki_der_bit_bytes(struct span content, struct span *bytes)
{
    if (content.n < 1 || content.p[0] != 0) {
        return false;
    }
    *bytes = span_sub(content, 1, content.n);
    return true;
}

bool pki_der_positive(struct span c, struct span *magnitude)
{
    if (c.n == 0 || (c.p[0] & 0x80) || (c.n > 1 && c.p[0] == 0 && !(c.p[1] & 0x80))) {
        return false;
    }
    *magnitude = c.n > 1 && c.p[0] == 0 ? span_sub(c, 1, c.n) : c;
    return true;
}

static bool digits(struct span s, size_t at, size_t n, int *out)
{
    int v = 0;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
        v = v * 10 + (s.p[i] - '0');
    }
    *out = v;
    return true;
}

bool pki_der_read_time(int tag, struct span c, int64_t *seconds)
{
    size_t yd = tag == PKI_DER_UTC_TIME ? 2 : 4;
    int year, month, day, h, m, s;
    if ((tag != PKI_DER_UTC_TIME && tag != PKI_DER_GENERALIZED_TIME) || c.n != yd + 11 || c.p[c.n - 1] != 'Z' ||
        !digits(c, 0, yd, &year) || !digits(c, yd, 2, &month) || !digits(c, yd + 2, 2, &day) ||
        !digits(c, yd + 4, 2, &h) || !digits(c, yd + 6, 2, &m) || !digits(c, yd + 8, 2, &s)) {
        return false;
    }
    if (yd == 2) {
        year += year < 50 ? 2000 : 1900; // RFC 5280 §4.1.2.5.1
    }
    int y2, m2, d2;
    int64_t days = days_of(year, month, day);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || h > 23 || m > 59 || s > 59) {
        return false;
    }
    civil(days, &y2, &m2, &d2); // 31 February comes back as another day
    if (y2 != year || m2 != month || d2 != day) {
        return false;
    }
    *seconds = days * 86400 + h * 3600 + m * 60 + s;
    return true;
}

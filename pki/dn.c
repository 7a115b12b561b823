// SPDX-License-Identifier: GPL-3.0-or-later
// A distinguished name as RFC 4514 text: what people write into mapping rules and read in the audit log.
#include "pki/cert.h"

#include "gateway/base/buf.h"
#include "pki/der.h"

#include <stdio.h>

// RFC 4514 §3, and the e-mail address that OpenSSL users put into names.
static const struct {
    struct span oid;
    struct span name;
} attributes[] = {
    { SPAN("\x55\x04\x03"), SPAN("CN") },
    { SPAN("\x55\x04\x06"), SPAN("C") },
    { SPAN("\x55\x04\x07"), SPAN("L") },
    { SPAN("\x55\x04\x08"), SPAN("ST") },
    { SPAN("\x55\x04\x09"), SPAN("STREET") },
    { SPAN("\x55\x04\x0a"), SPAN("O") },
    { SPAN("\x55\x04\x0b"), SPAN("OU") },
    { SPAN("\x55\x04\x05"), SPAN("serialNumber") },
    { SPAN("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"), SPAN("UID") },
    { SPAN("\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"), SPAN("DC") },
    { SPAN("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"), SPAN("emailAddress") },
};

static void put_oid(struct buf *out, struct span oid)
{
    uint64_t v = 0;
    bool first = true;
    for (size_t i = 0; i < oid.n; i++) {
        v = (v << 7) | ((unsigned char)oid.p[i] & 0x7f);
        if ((unsigned char)oid.p[i] & 0x80)
            continue;
        if (first) {
            uint64_t top = v < 80 ? v / 40 : 2;
            buf_printf(out, "%llu.%llu", (unsigned long long)top, (unsigned long long)(v - 40 * top));
        } else {
            buf_printf(out, ".%llu", (unsigned long long)v);
        }
        first = false;
        v = 0;
    }
}

// RFC 4514 §2.4. Everything outside printable ASCII is written as \XX, so the text is safe in a log line and comparable byte for byte.
static void put_value(struct buf *out, struct span v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        bool edge = (i == 0 && (c == ' ' || c == '#')) || (i == v.n - 1 && c == ' ');
        if (c < 0x20 || c > 0x7e)
            buf_printf(out, "\\%02x", c);
        else if (edge || strchr("\"+,;<>\\", c))
            buf_printf(out, "\\%c", c);
        else
            buf_byte(out, (char)c);
    }
}

static bool put_attribute(struct buf *out, struct span attribute)
{
    int tag;
    struct span oid, value, whole;
    if (!pki_der_take(&attribute, PKI_DER_OID, &oid) || !pki_der_next(&attribute, &tag, &value, &whole) ||
        attribute.n != 0)
        return false;
    bool known = false;
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0] && !known; i++)
        if ((known = span_eq(oid, attributes[i].oid)))
            buf_append(out, attributes[i].name);
    if (!known)
        put_oid(out, oid);
    buf_byte(out, '=');
    // Strings whose bytes are ASCII or UTF-8 as they stand; anything else is shown as its encoding (§2.4).
    if (tag == PKI_DER_UTF8 || tag == PKI_DER_PRINTABLE || tag == PKI_DER_IA5) {
        put_value(out, value);
    } else {
        buf_byte(out, '#');
        for (size_t i = 0; i < whole.n; i++)
            buf_printf(out, "%02x", (unsigned char)whole.p[i]);
    }
    return true;
}

#define MAX_RDNS 32

struct span pki_dn_text(struct span name, struct arena *arena)
{
    struct span rdns, set[MAX_RDNS];
    size_t n = 0;
    if (!pki_der_take(&name, PKI_DER_SEQUENCE, &rdns) || name.n != 0)
        return SPAN_NONE;
    while (rdns.n)
        if (n == MAX_RDNS || !pki_der_take(&rdns, PKI_DER_SET, &set[n++]))
            return SPAN_NONE;
    struct buf out;
    buf_init(&out, 0);
    bool ok = true;
    for (size_t i = n; i-- > 0 && ok;) {
        if (i + 1 < n)
            buf_byte(&out, ',');
        struct span rest = set[i], attribute;
        for (bool first = true; rest.n && ok; first = false) {
            if (!first)
                buf_byte(&out, '+');
            ok = pki_der_take(&rest, PKI_DER_SEQUENCE, &attribute) && put_attribute(&out, attribute);
        }
    }
    struct span text = ok && !out.failed ? arena_dup(arena, buf_span(&out)) : SPAN_NONE;
    buf_fini(&out);
    return text;
}

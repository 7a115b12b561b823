// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/hsm_uri.h"

#include <stdlib.h>

static const struct span scheme = { "pkcs11:", 7 };

enum part { IN_PATH, IN_QUERY };

// Lengths are those of the fields in CK_TOKEN_INFO, and bounds of ours for the rest.
static const struct attribute {
    struct span name;
    enum part part;
    size_t at; // in struct pki_hsm_uri
    size_t max;
    const char *too_long;
} attributes[] = {
#define AT(member) offsetof(struct pki_hsm_uri, member)
    { { "token", 5 }, IN_PATH, AT(token), 32, "a token's label has at most 32 bytes" },
    { { "serial", 6 }, IN_PATH, AT(serial), 16, "a token's serial has at most 16 bytes" },
    { { "manufacturer", 12 }, IN_PATH, AT(manufacturer), 32, "a token's manufacturer has at most 32 bytes" },
    { { "model", 5 }, IN_PATH, AT(model), 16, "a token's model has at most 16 bytes" },
    { { "object", 6 }, IN_PATH, AT(object), 128, "the object's name has more than 128 bytes" },
    { { "id", 2 }, IN_PATH, AT(id), 64, "the object's id has more than 64 bytes" },
    { { "module-path", 11 }, IN_QUERY, AT(module_path), 1024, "module-path is longer than 1,024 bytes" },
    { { "pin-source", 10 }, IN_QUERY, AT(pin_source), 1024, "pin-source is longer than 1,024 bytes" },
#undef AT
};

bool pki_hsm_is_uri(struct span s)
{
    return span_starts(s, scheme);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

// Into `to`, with a NUL behind it; false for anything that RFC 3986 has no place for.
static bool decode(struct span raw, char *to, size_t *n)
{
    size_t at = 0;
    for (size_t i = 0; i < raw.n; i++) {
        unsigned char c = (unsigned char)raw.p[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return false;
        if (c == '%') {
            bool whole = raw.n - i > 2;
            int high = whole ? hex_digit(raw.p[i + 1]) : -1, low = whole ? hex_digit(raw.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (unsigned char)(high * 16 + low);
            i += 2;
        }
        to[at++] = (char)c;
    }
    to[at] = '\0';
    *n = at;
    return true;
}

static const struct attribute *attribute_of(struct span name, enum part part)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (attributes[i].part == part && span_eq(attributes[i].name, name))
            return &attributes[i];
    return NULL;
}

// What is not in the table, and why.
static const char *refusal(struct span name)
{
    if (span_eq(name, SPAN("pin-value")))
        return "pin-value is refused: a PIN does not belong into a command line or a configuration; write "
               "pin-source=/path/of/a/file";
    if (span_eq(name, SPAN("module-name")))
        return "module-name is not supported; write module-path=/path/of/the/module.so";
    if (span_eq(name, SPAN("slot-id")))
        return "slot-id is not supported, slots move; write token=LABEL or serial=SERIAL";
    return "an attribute of the URI is not known here, or in the wrong part (RFC 7512: path attributes come first, "
           "with ; between them, then ? and module-path and pin-source with & between them)";
}

static int read_part(struct span rest, enum part part, char **cursor, struct pki_hsm_uri *u, const char **what)
{
    while (!span_is_none(rest)) {
        struct span value = span_cut(&rest, part == IN_PATH ? ';' : '&'), name = span_cut(&value, '=');
        if (span_is_none(value) || value.n == 0) {
            *what = "an attribute of the URI has no value";
            return ERR_HSM;
        }
        if (part == IN_PATH && span_eq(name, SPAN("type")) && span_eq(value, SPAN("private")))
            continue; // what p11tool prints
        const struct attribute *a = attribute_of(name, part);
        if (!a) {
            *what = refusal(name);
            return ERR_HSM;
        }
        struct span *slot = (struct span *)(void *)((char *)u + a->at);
        size_t n;
        if (!span_is_none(*slot)) {
            *what = "an attribute is in the URI twice";
            return ERR_HSM;
        }
        if (!decode(value, *cursor, &n) || (slot != &u->id && memchr(*cursor, '\0', n))) {
            *what = "the URI has a character that must be percent-encoded, or a malformed % sequence";
            return ERR_HSM;
        }
        if (n > a->max) {
            *what = a->too_long;
            return ERR_HSM;
        }
        *slot = span_of(*cursor, n);
        *cursor += n + 1;
    }
    return 0;
}

static int check(struct pki_hsm_uri *u, const char **what)
{
    *what = NULL;
    if (span_is_none(u->token) && span_is_none(u->serial))
        *what = "the URI names no token; write token=LABEL";
    else if (span_is_none(u->module_path))
        *what = "the URI has no module-path; write ?module-path=/path/of/the/module.so";
    else if (u->module_path.p[0] != '/')
        *what = "module-path is not an absolute path";
    if (!*what && !span_is_none(u->pin_source)) {
        // RFC 8089 §2: file:/path and file:///path are one; there is no other host than this.
        struct span file = SPAN("file:"), local = SPAN("file:///");
        size_t skip = span_starts(u->pin_source, local)             ? local.n - 1
                      : span_starts(u->pin_source, SPAN("file://")) ? 0
                      : span_starts(u->pin_source, file)            ? file.n
                                                                    : 0;
        u->pin_source = span_sub(u->pin_source, skip, u->pin_source.n);
        if (u->pin_source.n == 0 || u->pin_source.p[0] != '/')
            *what = "pin-source is not the absolute path of a file";
    }
    return *what ? ERR_HSM : 0;
}

int pki_hsm_uri_parse_(struct span text, struct pki_hsm_uri *out, const char **what)
{
    struct pki_hsm_uri u = { .store = NULL };
    if (!pki_hsm_is_uri(text) || text.n > PKI_HSM_URI_MAX) {
        *what = text.n > PKI_HSM_URI_MAX ? "the URI is longer than 4,096 bytes" : "this is no pkcs11: URI";
        return ERR_HSM;
    }
    struct span query = span_sub(text, scheme.n, text.n), path = span_cut(&query, '?');
    // Each value is shorter than its text with the name, so its NUL has room too.
    char *cursor = u.store = malloc(text.n + 1);
    if (!cursor) {
        *what = "out of memory";
        return ERR_NOMEM;
    }
    int rc = path.n ? read_part(path, IN_PATH, &cursor, &u, what) : 0;
    if (!rc)
        rc = read_part(query, IN_QUERY, &cursor, &u, what);
    if (!rc)
        rc = check(&u, what);
    if (rc) {
        free(u.store);
        return rc;
    }
    *out = u;
    return 0;
}

void pki_hsm_uri_fini_(struct pki_hsm_uri *u)
{
    free(u->store);
    *u = (struct pki_hsm_uri){ .store = NULL };
}

int pki_hsm_check_uri(struct span uri, bool key, const char **what)
{
    struct pki_hsm_uri u;
    int rc = pki_hsm_uri_parse_(uri, &u, what);
    if (rc)
        return rc;
    bool names_one = !span_is_none(u.object) || !span_is_none(u.id);
    pki_hsm_uri_fini_(&u);
    if (names_one == key)
        return 0;
    *what = key ? "the URI names no key; write object=NAME or id=ID"
                : "the URI must name a token only: object and id are chosen for each key that is made";
    return ERR_HSM;
}

static void encode(struct span s, struct buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] && strchr(plain, s.p[i]))
            buf_byte(out, s.p[i]);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)s.p[i]);
    }
}

int pki_hsm_with_object(struct span uri, struct span object, struct buf *out, const char **what)
{
    struct pki_hsm_uri u;
    struct buf made;
    int rc = pki_hsm_uri_parse_(uri, &u, what);
    if (rc)
        return rc;
    pki_hsm_uri_fini_(&u);
    buf_init(&made, 0);
    struct span query = span_sub(uri, scheme.n, uri.n), path = span_cut(&query, '?');
    buf_append(&made, scheme);
    while (!span_is_none(path)) {
        struct span one = span_cut(&path, ';');
        if (span_starts(one, SPAN("object=")) || span_starts(one, SPAN("id=")))
            continue;
        buf_append(&made, one);
        buf_byte(&made, ';');
    }
    buf_append(&made, SPAN("object="));
    encode(object, &made);
    buf_byte(&made, '?');
    buf_append(&made, query);
    // Once more: a name may be too long, or empty.
    rc = made.failed ? ERR_NOMEM : pki_hsm_check_uri(buf_span(&made), true, what);
    if (!rc && !buf_append(out, buf_span(&made)))
        rc = ERR_NOMEM;
    if (rc == ERR_NOMEM)
        *what = "out of memory";
    buf_fini(&made);
    return rc;
}

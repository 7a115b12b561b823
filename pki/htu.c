// SPDX-License-Identifier: GPL-3.0-or-later
#include "pki/htu.h"

// Bytes of a URI (RFC 3986 appendix A), by what a path may hold.
static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_unreserved(char c)
{
    return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~';
}
static bool is_sub_delim(char c)
{
    return c != 0 && strchr("!$&'()*+,;=", c) != NULL;
}
static bool is_pchar(char c)
{
    return is_unreserved(c) || is_sub_delim(c) || c == ':' || c == '@';
}
static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static int hex(char c)
{
    if (is_digit(c))
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// reg-name without percent-encoding, IPv4, or an IP literal in brackets.
static bool put_host(struct span host, char *out)
{
    bool literal = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (host.n == 0)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        bool bracket = literal && (i == 0 || i == host.n - 1);
        bool ok = literal ? bracket || hex(c) >= 0 || c == ':' || c == '.' : is_unreserved(c) || is_sub_delim(c);
        if (!ok)
            return false;
        out[i] = lower(c);
    }
    return true;
}

// authority = host [":" port]; userinfo is refused. Returns the bytes written, 0 when malformed.
static size_t put_authority(struct span authority, unsigned default_port, char *out)
{
    struct span host = authority, port = SPAN_NONE;
    size_t colon = authority.n;
    while (colon > 0 && is_digit(authority.p[colon - 1]))
        colon--;
    if (colon > 0 && authority.p[colon - 1] == ':') {
        host = span_sub(authority, 0, colon - 1);
        port = span_sub(authority, colon, authority.n);
    }
    if (!put_host(host, out))
        return 0;
    if (port.n == 0)
        return host.n;
    uint64_t number = 0;
    while (port.n > 1 && port.p[0] == '0') // the scheme's port is a number (RFC 3986 §6.2.3)
        port = span_sub(port, 1, port.n);
    if (!span_to_u64(port, &number) || number > 65535)
        return 0;
    if (number == default_port)
        return host.n;
    out[host.n] = ':';
    memcpy(out + host.n + 1, port.p, port.n);
    return host.n + 1 + port.n;
}

// Percent-encoding first, so that an encoded dot is a dot when the dot segments go. False on a byte that no path has.
static bool put_path(struct span path, char *out, size_t *n)
{
    size_t at = 0;
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        if (c == '/' || is_pchar(c)) {
            out[at++] = c;
            continue;
        }
        if (c != '%' || path.n - i < 3 || hex(path.p[i + 1]) < 0 || hex(path.p[i + 2]) < 0)
            return false;
        char decoded = (char)(hex(path.p[i + 1]) * 16 + hex(path.p[i + 2]));
        i += 2;
        if (is_unreserved(decoded)) {
            out[at++] = decoded;
            continue;
        }
        static const char digits[] = "0123456789ABCDEF";
        out[at++] = '%';
        out[at++] = digits[(unsigned char)decoded >> 4];
        out[at++] = digits[decoded & 15];
    }
    *n = at;
    return true;
}

// RFC 3986 §5.2.4 on an absolute path, in place: each segment is kept, skipped ("."), or takes one back ("..").
static size_t remove_dots(char *path, size_t n)
{
    size_t to = 0;
    for (size_t from = 0; from < n;) {
        size_t end = from + 1; // path[from] is the slash before the segment
        while (end < n && path[end] != '/')
            end++;
        struct span segment = span_of(path + from + 1, end - from - 1);
        bool last = end == n;
        if (span_eq(segment, SPAN("."))) {
            if (last)
                path[to++] = '/';
        } else if (span_eq(segment, SPAN(".."))) {
            while (to > 0 && path[--to] != '/')
                ;
            if (last)
                path[to++] = '/';
        } else {
            memmove(path + to, path + from, end - from);
            to += end - from;
        }
        from = end;
    }
    return to;
}

size_t pki_htu_normalise(struct span uri, char *out)
{
    if (uri.n > PKI_HTU_MAX)
        return 0;
    struct span https = SPAN("https://"), http = SPAN("http://"), scheme;
    if (span_ieq(span_sub(uri, 0, https.n), https))
        scheme = https;
    else if (span_ieq(span_sub(uri, 0, http.n), http))
        scheme = http;
    else
        return 0;
    struct span rest = span_sub(uri, scheme.n, uri.n);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '?' && rest.p[end] != '#')
        end++;
    rest.n = end;
    size_t slash = span_find(rest, '/');

    memcpy(out, scheme.p, scheme.n);
    size_t at = scheme.n, n;
    size_t authority = put_authority(span_sub(rest, 0, slash), scheme.n == https.n ? 443 : 80, out + at);
    if (authority == 0)
        return 0;
    at += authority;
    if (slash == rest.n) {
        out[at++] = '/';
        return at;
    }
    if (!put_path(span_sub(rest, slash, rest.n), out + at, &n))
        return 0;
    return at + remove_dots(out + at, n);
}

struct span pki_htu_normalise_dup(struct arena *a, struct span uri)
{
    char *p = uri.n <= PKI_HTU_MAX ? arena_alloc(a, uri.n + 1) : NULL;
    size_t n = p ? pki_htu_normalise(uri, p) : 0;
    return n > 0 ? span_of(p, n) : SPAN_NONE;
}

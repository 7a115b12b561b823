// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/target.h"

#include <arpa/inet.h>

#include "gateway/http/percent.h"

static int refuse(const char **what, const char *text, int error)
{
    if (what)
        *what = text;
    return error;
}

static struct span join(struct arena *arena, const struct span *parts, size_t n)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++)
        length += parts[i].n;
    char *all = arena_alloc(arena, length + 1), *at = all;
    for (size_t i = 0; all && i < n; i++)
        if (parts[i].n > 0)
            at = mempcpy(at, parts[i].p, parts[i].n);
    return all ? span_of(all, length) : SPAN_NONE;
}

// ------------------------------------------------------------------------------------------------ authority

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

// Splits off ":port"; `*port` is 0 when there is none.
static bool split_port(struct span s, size_t colon, struct span *host, unsigned *port)
{
    uint64_t value = 0;
    if (colon < s.n &&
        (s.n - colon > 6 || !span_to_u64(span_sub(s, colon + 1, s.n), &value) || value == 0 || value > 65535))
        return false;
    *host = span_sub(s, 0, colon);
    *port = (unsigned)value;
    return true;
}

// Lower-cased, or for an IPv6 address in its one canonical form (RFC 5952), into out.
static bool normalise_host(struct span host, char out[static 256])
{
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']' && host.n < 64) {
        char text[64];
        struct in6_addr address;
        memcpy(text, host.p + 1, host.n - 2);
        text[host.n - 2] = 0;
        if (inet_pton(AF_INET6, text, &address) != 1 || !inet_ntop(AF_INET6, &address, out + 1, 200))
            return false;
        out[0] = '[';
        strcat(out, "]");
        return true;
    }
    if (host.n == 0 || host.n > 253)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!is_alnum(c) && c != '-' && c != '_' && (c != '.' || i == 0 || host.p[i - 1] == '.'))
            return false;
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    out[host.n] = 0;
    return true;
}

int gw_authority_normalise(struct span s, struct span scheme, struct arena *arena, struct span *out)
{
    struct span host;
    unsigned port;
    char text[256];
    size_t bracket = s.n && s.p[0] == '[' ? span_find(s, ']') : 0;
    size_t colon = bracket < s.n ? bracket + span_find(span_sub(s, bracket, s.n), ':') : s.n;
    if (!split_port(s, colon, &host, &port) || !normalise_host(host, text))
        return ERR_HTTP_HOST;
    if ((port == 443 && span_eq(scheme, SPAN("https"))) || (port == 80 && span_eq(scheme, SPAN("http"))))
        port = 0;
    char digits[8];
    size_t at = sizeof digits;
    for (; port; port /= 10)
        digits[--at] = (char)('0' + port % 10);
    if (at < sizeof digits)
        digits[--at] = ':';
    const struct span parts[] = { span_str(text), span_of(digits + at, sizeof digits - at) };
    struct span normal = join(arena, parts, 2);
    if (span_is_none(normal))
        return ERR_NOMEM;
    *out = normal;
    return 0;
}

// ----------------------------------------------------------------------------------------------------- path

// What a path becomes while it is read: the normalised text and the decoded segments, each in its own memory.
struct path_writer {
    char *text, *decoded;
    size_t text_n, decoded_n;
    size_t start; // of the segment, in `decoded`
    struct span *segments;
    size_t n;
};

static const char *end_segment(struct path_writer *w, bool last)
{
    struct span s = span_of(w->decoded + w->start, w->decoded_n - w->start);
    struct span before_parameters = span_sub(s, 0, span_find(s, ';'));
    if (s.n == 0 && !last)
        return "empty path segment";
    if (span_eq(before_parameters, SPAN(".")) || span_eq(before_parameters, SPAN("..")))
        return "dot segment";
    if (!gw_is_utf8(s))
        return "path is not UTF-8";
    if (!gw_is_text(s))
        return "control character in path";
    if (w->n == GW_TARGET_SEGMENTS)
        return "too many path segments";
    w->segments[w->n++] = s;
    w->start = w->decoded_n;
    return NULL;
}

// One "%XX": decoded where that changes nothing, upper-cased where it must stay.
static const char *put_encoded(struct path_writer *w, int byte)
{
    if (byte < 0)
        return "bad percent-encoding";
    if (byte == '/')
        return "encoded slash";
    if (byte == '\\')
        return "backslash";
    if (byte < 0x20 || byte == 0x7f)
        return "control character in path";
    w->decoded[w->decoded_n++] = (char)byte;
    if (gw_is_unreserved((char)byte)) {
        w->text[w->text_n++] = (char)byte;
        return NULL;
    }
    w->text[w->text_n++] = '%';
    w->text[w->text_n++] = "0123456789ABCDEF"[byte >> 4];
    w->text[w->text_n++] = "0123456789ABCDEF"[byte & 15];
    return NULL;
}

static const char *read_path(struct path_writer *w, struct span raw)
{
    const char *bad = NULL;
    w->text[w->text_n++] = '/';
    for (size_t i = 1; i < raw.n && !bad; i++) {
        char c = raw.p[i];
        if (c == '%') {
            bad = put_encoded(w, gw_percent_byte(raw, i));
            i += 2;
        } else if (c == '/') {
            bad = end_segment(w, false);
            w->text[w->text_n++] = '/';
        } else if (gw_is_pchar(c)) {
            w->text[w->text_n++] = w->decoded[w->decoded_n++] = c;
        } else {
            bad = c == '\\' ? "backslash" : "character not allowed in a path";
        }
    }
    return bad || raw.n == 1 ? bad : end_segment(w, true);
}

static int normalise_path(struct span raw, struct arena *arena, struct gw_target *t, const char **what)
{
    size_t slashes = 0;
    for (size_t i = 0; i < raw.n; i++)
        slashes += raw.p[i] == '/';
    struct path_writer w = {
        .text = arena_alloc(arena, raw.n),
        .decoded = arena_alloc(arena, raw.n),
        .segments =
            arena_array(arena, slashes < GW_TARGET_SEGMENTS ? slashes : GW_TARGET_SEGMENTS, sizeof(struct span)),
    };
    if (!w.text || !w.decoded || !w.segments)
        return ERR_NOMEM;
    const char *bad = read_path(&w, raw);
    if (bad)
        return refuse(what, bad, ERR_HTTP_TARGET);
    t->path = span_of(w.text, w.text_n);
    t->segments = w.segments;
    t->n_segments = w.n;
    return 0;
}

static bool query_is_valid(struct span q)
{
    for (size_t i = 0; i < q.n; i++) {
        if (q.p[i] == '%') {
            if (gw_percent_byte(q, i) < 0)
                return false;
            i += 2;
        } else if (!gw_is_pchar(q.p[i]) && q.p[i] != '/' && q.p[i] != '?') {
            return false;
        }
    }
    return true;
}

// --------------------------------------------------------------------------------------------------- target

// absolute-form: cuts "scheme://authority" off `*rest`.
static int cut_absolute(struct span *rest, const struct gw_target_options *options, struct span *authority,
                        const char **what)
{
    size_t colon = span_find(*rest, ':');
    struct span scheme = span_sub(*rest, 0, colon), after = span_sub(*rest, colon, rest->n);
    if (!span_starts(after, SPAN("://")))
        return refuse(what, "neither origin-form nor absolute-form", ERR_HTTP_TARGET);
    if (!span_ieq(scheme, options->scheme))
        return refuse(what, "absolute-form with another scheme", ERR_HTTP_AUTHORITY);
    after = span_sub(after, 3, after.n);
    size_t end = 0;
    while (end < after.n && after.p[end] != '/' && after.p[end] != '?')
        end++;
    *authority = span_sub(after, 0, end);
    *rest = span_sub(after, end, after.n);
    return 0;
}

static bool is_served(struct span authority, const struct gw_target_options *options)
{
    for (size_t i = 0; i < options->n_authorities; i++)
        if (span_eq(authority, options->authorities[i]))
            return true;
    return options->any_authority;
}

int gw_target_parse(enum gw_method method, struct span target, struct span host,
                    const struct gw_target_options *options, struct arena *arena, struct gw_target *out,
                    const char **what)
{
    struct gw_target t = { .query = SPAN_NONE };
    struct span authority = host, rest = target;
    int rc = 0;
    if (span_find(target, '#') < target.n)
        return refuse(what, "fragment", ERR_HTTP_TARGET);
    bool absolute = target.n && target.p[0] != '/' && !span_eq(target, SPAN("*"));
    // Host is checked even when absolute-form overrides it: it has to be valid (RFC 9112 §3.2.2).
    if ((rc = gw_authority_normalise(host, options->scheme, arena, &t.authority)) != 0)
        return refuse(what, "invalid Host", rc);
    if (absolute && (rc = cut_absolute(&rest, options, &authority, what)) != 0)
        return rc;
    if (absolute && (rc = gw_authority_normalise(authority, options->scheme, arena, &t.authority)) != 0)
        return refuse(what, "invalid authority in the target", rc == ERR_HTTP_HOST ? ERR_HTTP_TARGET : rc);
    if (!is_served(t.authority, options))
        return refuse(what, "authority is not served here", ERR_HTTP_AUTHORITY);

    t.asterisk = method == GW_METHOD_OPTIONS && (span_eq(rest, SPAN("*")) || (absolute && rest.n == 0));
    if (t.asterisk) {
        t.path = SPAN("*");
        *out = t;
        return 0;
    }
    struct span path = span_cut(&rest, '?');
    t.query = rest;
    if (path.n == 0 && absolute)
        path = SPAN("/");
    if (path.n == 0 || path.p[0] != '/')
        return refuse(what, "not a path", ERR_HTTP_TARGET);
    if (!query_is_valid(t.query))
        return refuse(what, "character not allowed in a query", ERR_HTTP_TARGET);
    if ((rc = normalise_path(path, arena, &t, what)) != 0)
        return rc;
    *out = t;
    return 0;
}

int gw_target_of(const struct gw_request *r, const struct gw_target_options *options, struct arena *arena,
                 struct gw_target *out, const char **what)
{
    return gw_target_parse(r->method, r->target, gw_headers_get(&r->headers, GW_FIELD_HOST), options, arena, out, what);
}

struct span gw_target_htu(const struct gw_target *t, struct span scheme, struct arena *arena)
{
    const struct span parts[] = { scheme, SPAN("://"), t->authority, t->asterisk ? SPAN("") : t->path };
    return join(arena, parts, 4);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The request target, decoded once (checklist 32, 35; RFC 9112 §3.2, RFC 3986 §6.2.2). What comes out is the one
// truth: DPoP's htu, the API tables, policy, audit and the shard all see this and nothing else.
//
// Normalised: percent-encoded unreserved characters are decoded, the hex digits of the others upper-cased, the
// host lower-cased, the scheme's default port removed. Refused, never repaired: a fragment, userinfo, an encoded
// slash or NUL, a backslash raw or encoded, dot segments raw or encoded (also before a `;`), empty segments (a
// trailing slash is allowed), control characters, what is not UTF-8 once decoded, characters RFC 3986 does not
// allow.
#ifndef SALLYPORT_HTTP_TARGET_H
#define SALLYPORT_HTTP_TARGET_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/http/request.h"

struct gw_target {
    struct span path;      // "/a/b%20c": normalised, still encoded; "*" for OPTIONS *
    struct span query;     // without '?', as sent but checked; SPAN_NONE when there is none
    struct span authority; // "host" or "host:port", normalised
    bool asterisk;
    // "/a/b%20c" → "a", "b c". "/" has none; a trailing slash is a last, empty segment, so that it is never
    // mistaken for the path without it.
    struct span *segments;
    size_t n_segments;
};

struct gw_target_options {
    struct span scheme;             // "https" or "http": of the listener, also what absolute-form must say
    const struct span *authorities; // normalised by gw_authority_normalise; what this gateway serves
    size_t n_authorities;
    bool any_authority; // for the plain operations listener: valid, but not compared
};

#define GW_TARGET_SEGMENTS 64 // most segments of a path

// `target` as in the request line, `host` the one Host field's value. 0, ERR_HTTP_TARGET, ERR_HTTP_HOST (invalid),
// ERR_HTTP_AUTHORITY (not ours, or another scheme), ERR_NOMEM. `*what` (may be NULL) says what was wrong, static
// text. `*out` borrows from the arena, and `query` from `target`.
int gw_target_parse(enum gw_method method, struct span target, struct span host,
                    const struct gw_target_options *options, struct arena *arena, struct gw_target *out,
                    const char **what);
// The same for a parsed request (exactly one Host is the parser's promise).
int gw_target_of(const struct gw_request *r, const struct gw_target_options *options, struct arena *arena,
                 struct gw_target *out, const char **what);

// host[:port] with a registered name of letters, digits, '-', '_' and '.', an IPv4 address or a bracketed IPv6
// address. The port is removed when it is `scheme`'s. 0, ERR_HTTP_HOST, ERR_NOMEM.
int gw_authority_normalise(struct span s, struct span scheme, struct arena *arena, struct span *out);

// "https://authority/path", normalised, without query: what a proof's htu must name (RFC 9449 §4.3 (9)). SPAN_NONE
// when out of memory.
struct span gw_target_htu(const struct gw_target *t, struct span scheme, struct arena *arena);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// One request and one response as the gateway understands them, whatever protocol brought them: HTTP/1.1 today,
// HTTP/2 later. Filled by the protocol's parser, read by everything above it. All spans live as long as the
// exchange's arena.
#ifndef SALLYPORT_HTTP_REQUEST_H
#define SALLYPORT_HTTP_REQUEST_H

#include "gateway/http/headers.h"

// The methods that are served; every other one is ERR_HTTP_METHOD (CONNECT: ERR_HTTP_UPGRADE).
#define GW_METHOD_TABLE(X) X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)
enum gw_method {
    GW_METHOD_NONE,
#define X(name) GW_METHOD_##name,
    GW_METHOD_TABLE(X)
#undef X
};
// Case-sensitive (RFC 9110 §9.1). SPAN_NONE for GW_METHOD_NONE.
enum gw_method gw_method_parse(struct span s);
struct span gw_method_name(enum gw_method m);
// May be sent a second time after a failure (RFC 9110 §9.2.2): all but POST and PATCH.
bool gw_method_is_idempotent(enum gw_method m);

// How the end of a body is known (RFC 9112 §6.3).
enum gw_framing {
    GW_FRAMING_NONE,    // no body
    GW_FRAMING_LENGTH,  // content_length bytes
    GW_FRAMING_CHUNKED, // chunked, and nothing else
    GW_FRAMING_CLOSE,   // until the connection closes: responses only
};

struct gw_request {
    enum gw_method method;
    struct span target; // as sent; see target.h
    unsigned minor;     // 0 or 1: HTTP/1.minor
    struct gw_headers headers;
    enum gw_framing framing;
    uint64_t content_length; // with GW_FRAMING_LENGTH, else 0. Content-Length: 0 is LENGTH with 0
    bool keep_alive;         // false for HTTP/1.0 and `Connection: close`
    bool expect_continue;    // 100-continue is awaited before the body (never for HTTP/1.0 or without a body)
};

struct gw_response {
    unsigned status; // 200–599
    unsigned minor;
    struct gw_headers headers;
    enum gw_framing framing;
    bool has_length; // a Content-Length was sent; it stands in answers to HEAD and in 304 although no body follows
    uint64_t content_length;
    bool keep_alive; // the connection may carry another exchange, once the body was read whole and nothing is left over
};

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The header fields of one message, in the order they came: name in lower case, value without surrounding white
// space. Names the gateway knows carry a number, and one table says for each what may happen to it: whether it
// goes to a shard, whether it goes back to a client, whether it belongs to one connection only, and whether
// `Connection` may name it (checklist 19, 31). What the table does not know is not forwarded unless the API in
// question lists it.
//
// Fields borrow the message's memory (the exchange arena); a `gw_headers` owns nothing.
#ifndef SALLYPORT_HTTP_HEADERS_H
#define SALLYPORT_HTTP_HEADERS_H

#include "gateway/base/span.h"

enum {
    GW_TO_SHARD = 1,  // on the request allow list
    GW_TO_CLIENT = 2, // on the response allow list
    GW_HOP = 4,       // of one connection only (RFC 9110 §7.6.1)
    GW_SECRET = 8,    // a credential: never forwarded, never logged
    GW_OURS = 16,     // asserted by the gateway or another proxy; stripped from what comes in
};

// X(ID, "name", flags). A known field without GW_HOP may not be named by Connection.
#define GW_FIELD_TABLE(X)                                                        \
    X(ACCEPT, "accept", GW_TO_SHARD)                                             \
    X(ACCEPT_ENCODING, "accept-encoding", GW_TO_SHARD)                           \
    X(ALLOW, "allow", GW_TO_CLIENT)                                              \
    X(API_KEY, "api-key", GW_SECRET)                                             \
    X(AUTHORIZATION, "authorization", GW_SECRET)                                 \
    X(CACHE_CONTROL, "cache-control", GW_TO_CLIENT)                              \
    X(CLIENT_CERT, "client-cert", GW_OURS)                                       \
    X(CLIENT_CERT_CHAIN, "client-cert-chain", GW_OURS)                           \
    X(CONNECTION, "connection", GW_HOP)                                          \
    X(CONTENT_ENCODING, "content-encoding", GW_TO_SHARD | GW_TO_CLIENT)          \
    X(CONTENT_LENGTH, "content-length", 0)                                       \
    X(CONTENT_TYPE, "content-type", GW_TO_SHARD | GW_TO_CLIENT)                  \
    X(COOKIE, "cookie", GW_SECRET)                                               \
    X(DATE, "date", GW_TO_CLIENT)                                                \
    X(DPOP, "dpop", GW_SECRET)                                                   \
    X(DPOP_NONCE, "dpop-nonce", GW_OURS)                                         \
    X(ETAG, "etag", GW_TO_CLIENT)                                                \
    X(EXPECT, "expect", 0)                                                       \
    X(FORWARDED, "forwarded", GW_OURS)                                           \
    X(HOST, "host", 0)                                                           \
    X(HTTP2_SETTINGS, "http2-settings", GW_HOP)                                  \
    X(KEEP_ALIVE, "keep-alive", GW_HOP)                                          \
    X(LAST_MODIFIED, "last-modified", GW_TO_CLIENT)                              \
    X(PROXY_AUTHENTICATE, "proxy-authenticate", GW_HOP | GW_SECRET)              \
    X(PROXY_AUTHORIZATION, "proxy-authorization", GW_HOP | GW_SECRET)            \
    X(PROXY_CONNECTION, "proxy-connection", GW_HOP)                              \
    X(RETRY_AFTER, "retry-after", GW_TO_CLIENT)                                  \
    X(SERVER, "server", 0)                                                       \
    X(SET_COOKIE, "set-cookie", GW_SECRET)                                       \
    X(TE, "te", GW_HOP)                                                          \
    X(TRACEPARENT, "traceparent", GW_TO_SHARD)                                   \
    X(TRACESTATE, "tracestate", GW_TO_SHARD)                                     \
    X(TRAILER, "trailer", GW_HOP)                                                \
    X(TRANSFER_ENCODING, "transfer-encoding", 0)                                 \
    X(UPGRADE, "upgrade", GW_HOP)                                                \
    X(USER_AGENT, "user-agent", GW_TO_SHARD)                                     \
    X(VARY, "vary", GW_TO_CLIENT)                                                \
    X(VIA, "via", GW_OURS)                                                       \
    X(WWW_AUTHENTICATE, "www-authenticate", GW_OURS)                             \
    X(X_API_KEY, "x-api-key", GW_SECRET)                                         \
    X(X_CHROMA_TOKEN, "x-chroma-token", GW_SECRET)                               \
    X(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms", GW_OURS) \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert", GW_OURS)               \
    X(X_REAL_IP, "x-real-ip", GW_OURS)                                           \
    X(X_REQUEST_ID, "x-request-id", GW_OURS)

enum gw_field {
    GW_FIELD_OTHER, // not in the table
#define X(id, name, flags) GW_FIELD_##id,
    GW_FIELD_TABLE(X)
#undef X
        GW_FIELD_COUNT
};

struct gw_header {
    struct span name;  // lower case
    struct span value; // trimmed of SP and HTAB; may be empty, never SPAN_NONE
    enum gw_field id;
    bool hop; // removed when forwarded: hop-by-hop by the table, or named by Connection
};

struct gw_headers {
    struct gw_header *v;
    size_t n;
    uint64_t present; // bit GW_FIELD_x for every known field in v
};

// The number of a lower-case name.
enum gw_field gw_field_id(struct span name);
struct span gw_field_name(enum gw_field id); // SPAN_NONE for GW_FIELD_OTHER
unsigned gw_field_flags(enum gw_field id);
// True for names that only the gateway, or a proxy in front of it, could assert (`x-forwarded-*`, `x-ssl-*`,
// `client-cert`…), and for credentials: none of them is ever passed on, even if an API's list names it.
bool gw_field_is_reserved(struct span name);

static inline bool gw_headers_has(const struct gw_headers *h, enum gw_field id)
{
    return h->present >> id & 1;
}
// The first field with that id or lower-case name; SPAN_NONE when there is none.
struct span gw_headers_get(const struct gw_headers *h, enum gw_field id);
struct span gw_headers_find(const struct gw_headers *h, struct span name);
// How many fields (lines) have it. 0, 1, many matters for Host, Authorization and DPoP.
size_t gw_headers_count(const struct gw_headers *h, enum gw_field id);
size_t gw_headers_count_name(const struct gw_headers *h, struct span name);

// RFC 9110 §5.6.2 token, not empty. RFC 9110 §5.5 field value (visible, SP, HTAB, obs-text; so no CR, LF, NUL).
bool gw_is_token(struct span s);
bool gw_is_field_value(struct span s);

#endif

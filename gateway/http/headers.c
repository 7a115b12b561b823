// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/headers.h"

static const struct {
    struct span name;
    unsigned flags;
} fields[GW_FIELD_COUNT] = {
#define X(id, text, mask) [GW_FIELD_##id] = { { text, sizeof(text) - 1 }, mask },
    GW_FIELD_TABLE(X)
#undef X
};

_Static_assert(GW_FIELD_COUNT <= 64, "gw_headers.present has a bit a field");

#define TRY(id)                                                    \
    if (memcmp(name.p, fields[GW_FIELD_##id].name.p, name.n) == 0) \
    return GW_FIELD_##id

// By length first: most names share their length with at most two others.
enum gw_field gw_field_id(struct span name)
{
    switch (name.n) {
    case 2: TRY(TE); break;
    case 3: TRY(VIA); break;
    case 4:
        TRY(HOST);
        TRY(DPOP);
        TRY(DATE);
        TRY(ETAG);
        TRY(VARY);
        break;
    case 5: TRY(ALLOW); break;
    case 6:
        TRY(ACCEPT);
        TRY(COOKIE);
        TRY(EXPECT);
        TRY(SERVER);
        break;
    case 7:
        TRY(API_KEY);
        TRY(UPGRADE);
        TRY(TRAILER);
        break;
    case 9:
        TRY(FORWARDED);
        TRY(X_API_KEY);
        TRY(X_REAL_IP);
        break;
    case 10:
        TRY(CONNECTION);
        TRY(USER_AGENT);
        TRY(KEEP_ALIVE);
        TRY(SET_COOKIE);
        TRY(DPOP_NONCE);
        TRY(TRACESTATE);
        break;
    case 11:
        TRY(CLIENT_CERT);
        TRY(RETRY_AFTER);
        TRY(TRACEPARENT);
        break;
    case 12:
        TRY(CONTENT_TYPE);
        TRY(X_REQUEST_ID);
        break;
    case 13:
        TRY(AUTHORIZATION);
        TRY(CACHE_CONTROL);
        TRY(LAST_MODIFIED);
        break;
    case 14:
        TRY(CONTENT_LENGTH);
        TRY(HTTP2_SETTINGS);
        TRY(X_CHROMA_TOKEN);
        break;
    case 15: TRY(ACCEPT_ENCODING); break;
    case 16:
        TRY(CONTENT_ENCODING);
        TRY(PROXY_CONNECTION);
        TRY(WWW_AUTHENTICATE);
        break;
    case 17:
        TRY(TRANSFER_ENCODING);
        TRY(CLIENT_CERT_CHAIN);
        break;
    case 18: TRY(PROXY_AUTHENTICATE); break;
    case 19: TRY(PROXY_AUTHORIZATION); break;
    case 23: TRY(X_FORWARDED_CLIENT_CERT); break;
    case 30: TRY(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS); break;
    default: break;
    }
    return GW_FIELD_OTHER;
}

#undef TRY

struct span gw_field_name(enum gw_field id)
{
    return fields[id].name;
}

unsigned gw_field_flags(enum gw_field id)
{
    return fields[id].flags;
}

bool gw_field_is_reserved(struct span name)
{
    static const struct span prefixes[] = {
        { "x-forwarded-", 12 }, { "x-ssl-", 6 }, { "x-client-cert", 13 }, { "x-sallyport-", 12 }, { "proxy-", 6 },
    };
    if (fields[gw_field_id(name)].flags & (GW_OURS | GW_SECRET))
        return true;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (span_starts(name, prefixes[i]))
            return true;
    return false;
}

struct span gw_headers_get(const struct gw_headers *h, enum gw_field id)
{
    if (gw_headers_has(h, id))
        for (size_t i = 0; i < h->n; i++)
            if (h->v[i].id == id)
                return h->v[i].value;
    return SPAN_NONE;
}

struct span gw_headers_find(const struct gw_headers *h, struct span name)
{
    for (size_t i = 0; i < h->n; i++)
        if (span_eq(h->v[i].name, name))
            return h->v[i].value;
    return SPAN_NONE;
}

size_t gw_headers_count(const struct gw_headers *h, enum gw_field id)
{
    size_t count = 0;
    if (gw_headers_has(h, id))
        for (size_t i = 0; i < h->n; i++)
            count += h->v[i].id == id;
    return count;
}

size_t gw_headers_count_name(const struct gw_headers *h, struct span name)
{
    size_t count = 0;
    for (size_t i = 0; i < h->n; i++)
        count += span_eq(h->v[i].name, name);
    return count;
}

static bool is_tchar(char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    switch (c) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '.':
    case '^':
    case '_':
    case '`':
    case '|':
    case '~': return true;
    default: return false;
    }
}

bool gw_is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_tchar(s.p[i]))
            return false;
    return s.n > 0;
}

bool gw_is_field_value(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

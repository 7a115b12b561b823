// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/connect/caller.h"

static bool is_loopback_v4(struct span host)
{
    size_t parts = 0;
    for (struct span rest = host; !span_is_none(rest); parts++) {
        struct span text = span_cut(&rest, '.');
        uint64_t part;
        if (text.n > 3 || !span_to_u64(text, &part) || part > 255 || (parts == 0 && part != 127))
            return false;
    }
    return parts == 4;
}

bool gw_caller_is_loopback(struct span authority)
{
    if (span_starts(authority, SPAN("[::1]")))
        return authority.n == 5 || authority.p[5] == ':';
    struct span rest = authority, host = span_cut(&rest, ':');
    return span_eq(host, SPAN("localhost")) || is_loopback_v4(host);
}

int gw_caller_check(const struct gw_request *r, struct span authority)
{
    if (!gw_caller_is_loopback(authority))
        return ERR_CONNECT_HOST;
    if (gw_headers_count_name(&r->headers, SPAN("origin")) > 0)
        return ERR_CONNECT_ORIGIN;
    // "none" is a person who wrote the address into a browser; "same-origin" a page that came from here itself. No browser says it twice.
    struct span site = gw_headers_find(&r->headers, SPAN("sec-fetch-site"));
    bool foreign = !span_is_none(site) && !span_eq(site, SPAN("none")) && !span_eq(site, SPAN("same-origin"));
    return foreign || gw_headers_count_name(&r->headers, SPAN("sec-fetch-site")) > 1 ? ERR_CONNECT_ORIGIN : 0;
}

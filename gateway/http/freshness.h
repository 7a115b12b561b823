// SPDX-License-Identifier: GPL-3.0-or-later
// How long an answer says that it may be kept (RFC 9111 §4.2): Cache-Control's max-age, else Expires, less the age it has already. For the
// gateway's own fetches; what clients and shards say to each other about caching is theirs.
#ifndef SALLYPORT_HTTP_FRESHNESS_H
#define SALLYPORT_HTTP_FRESHNESS_H

#include "gateway/base/span.h"

// Fields of the answer as they came; SPAN_NONE where there is none.
struct gw_freshness {
    struct span cache_control, age, expires, date;
};

// Seconds, 0 for no-store and no-cache; -1 when the answer does not say.
int64_t gw_freshness_s(const struct gw_freshness *f);
// IMF-fixdate (RFC 9110 §5.6.7), "Sun, 06 Nov 1994 08:49:37 GMT" → seconds since the epoch. False on anything else.
bool gw_http_date_parse(struct span s, int64_t *out);

#endif

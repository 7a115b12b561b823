// SPDX-License-Identifier: GPL-3.0-or-later
// Whether an endpoint is worth a new connection. After GW_BREAKER_FAILURES of them in a row that came to nothing it rests for GW_BREAKER_REST_MS, or, when
// the last was refused at once, for GW_BREAKER_REFUSED_MS: to ask again costs next to nothing then, and a server that starts again is back when it is. Then one try goes out, and until its outcome is known, or as long again has passed, no other. One that succeeds ends it.
// It counts connections that nobody took or that did not get through their handshake, never answers: those are a request's own. Of one loop.
#ifndef SALLYPORT_NET_BREAKER_H
#define SALLYPORT_NET_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define GW_BREAKER_FAILURES 5
#define GW_BREAKER_REST_MS 1000 // what Retry-After says of it, too
#define GW_BREAKER_REFUSED_MS 100

struct gw_breaker { // zeroed: closed
    unsigned failures;
    int64_t until_ms;
};

static inline bool gw_breaker_ready(const struct gw_breaker *b, int64_t now_ms)
{
    return b->failures < GW_BREAKER_FAILURES || now_ms >= b->until_ms;
}

// True: try it, and say what came of it.
static inline bool gw_breaker_take(struct gw_breaker *b, int64_t now_ms)
{
    if (!gw_breaker_ready(b, now_ms))
        return false;
    if (b->failures >= GW_BREAKER_FAILURES)
        b->until_ms = now_ms + GW_BREAKER_REST_MS;
    return true;
}

static inline void gw_breaker_failed(struct gw_breaker *b, int64_t now_ms, bool refused)
{
    if (b->failures < GW_BREAKER_FAILURES)
        b->failures++;
    b->until_ms = now_ms + (refused ? GW_BREAKER_REFUSED_MS : GW_BREAKER_REST_MS);
}

static inline void gw_breaker_succeeded(struct gw_breaker *b)
{
    b->failures = 0;
}

#endif

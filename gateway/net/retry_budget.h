// SPDX-License-Identifier: GPL-3.0-or-later
// How many requests may be sent to a shard a second time, after a failure or beside the first (hedge.c). Each request that begins earns a share of a retry, and time earns a few; what is not
// used is kept, up to a bound. So a shard that fails everything gets a little more than its load, never twice as much. Of one loop and shard.
#ifndef SALLYPORT_NET_RETRY_BUDGET_H
#define SALLYPORT_NET_RETRY_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

#define GW_RETRY_BUDGET_MOST 20 // retries that may be saved up

// Thousandths of a retry.
struct gw_retry_budget {
    int64_t saved, at_ms;
    unsigned percent, per_second;
};

// Full, so that the first failure after the start can be mended. Both 0: never again.
static inline void gw_retry_budget_init(struct gw_retry_budget *b, unsigned percent, unsigned per_second,
                                        int64_t now_ms)
{
    bool any = percent > 0 || per_second > 0;
    *b = (struct gw_retry_budget){ any ? GW_RETRY_BUDGET_MOST * 1000 : 0, now_ms, percent, per_second };
}

static inline void gw_retry_budget_add_(struct gw_retry_budget *b, int64_t thousandths)
{
    b->saved += thousandths;
    if (b->saved > GW_RETRY_BUDGET_MOST * 1000)
        b->saved = GW_RETRY_BUDGET_MOST * 1000;
}

// A request begins.
static inline void gw_retry_budget_earn(struct gw_retry_budget *b)
{
    gw_retry_budget_add_(b, (int64_t)b->percent * 10);
}

// Whether one may be sent again.
static inline bool gw_retry_budget_has(struct gw_retry_budget *b, int64_t now_ms)
{
    if (now_ms > b->at_ms) {
        int64_t passed = now_ms - b->at_ms < 3600000 ? now_ms - b->at_ms : 3600000;
        gw_retry_budget_add_(b, passed * b->per_second);
        b->at_ms = now_ms;
    }
    return b->saved >= 1000;
}

// The same; true takes it out of the budget.
static inline bool gw_retry_budget_take(struct gw_retry_budget *b, int64_t now_ms)
{
    if (!gw_retry_budget_has(b, now_ms))
        return false;
    b->saved -= 1000;
    return true;
}

#endif

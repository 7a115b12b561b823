// SPDX-License-Identifier: GPL-3.0-or-later
// How many requests a shard can work on at once, found by watching how long its answers take. While they come as fast as when it has little to
// do, the limit grows by about its square root; when they take more than twice as long, or do not come, requests are waiting inside the shard, and
// the limit sinks in proportion. What is over it is refused at once, while it is cheap. Of one loop and shard.
//
// It is looked at in windows of GW_CONCURRENCY_WINDOW_MS with ten answers or more. "Little to do" is the fastest window seen; windows in which the
// limit does not bind bring it up to date. Where it binds all the time, every GW_CONCURRENCY_MEASURE windows a few go by with a quarter of the limit, so
// that a shard which grew slower for good is not strangled for ever.
#ifndef SALLYPORT_NET_CONCURRENCY_H
#define SALLYPORT_NET_CONCURRENCY_H

#include <stdbool.h>
#include <stdint.h>

#define GW_CONCURRENCY_FIRST 32
#define GW_CONCURRENCY_LEAST 4
#define GW_CONCURRENCY_WINDOW_MS 250
#define GW_CONCURRENCY_MEASURE 240

struct gw_concurrency {
    double limit, most; // now, and ever
    double base_us;     // an answer's time when there is little to do; 0: not known yet
    double sum_us;      // of the window, with the rest
    unsigned answers, failures, peak;
    unsigned bound;    // windows in a row in which the limit bound
    unsigned measures; // windows left of a measurement; 0: none is under way
    double fastest_us; // of it
    double back_to;    // the limit behind it
    int64_t since_ms;
};

void gw_concurrency_init(struct gw_concurrency *c, unsigned most, int64_t now_ms);
// Whether one more may begin beside those under way.
static inline bool gw_concurrency_allows(const struct gw_concurrency *c, unsigned under_way)
{
    return under_way < (unsigned)c->limit;
}
// An answer began `us` after its request was whole; `under_way`: with it.
void gw_concurrency_answered(struct gw_concurrency *c, unsigned under_way, int64_t us, int64_t now_ms);
// None came in time, or the shard said that it is overloaded.
void gw_concurrency_failed(struct gw_concurrency *c, unsigned under_way, int64_t now_ms);

#endif

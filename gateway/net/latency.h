// SPDX-License-Identifier: GPL-3.0-or-later
// How long a shard's answers take to begin, as a small histogram that forgets: what is older than two turns of GW_LATENCY_TURN_MS does not count.
// Buckets grow by an eighth of a doubling, so a quantile is at most 13 % too high and never too low. Times are milliseconds. Of one loop and shard.
#ifndef SALLYPORT_NET_LATENCY_H
#define SALLYPORT_NET_LATENCY_H

#include <stdint.h>

#define GW_LATENCY_TURN_MS 30000
#define GW_LATENCY_LEAST 50    // answers, before there is a quantile to speak of
#define GW_LATENCY_BUCKETS 144 // up to 8 ms one each, then eight a doubling: up to 1,048 s

struct gw_latency { // zeroed: nothing is known
    uint32_t counts[2][GW_LATENCY_BUCKETS], n[2];
    unsigned turn; // the half that is filled
    int64_t since_ms;
};

void gw_latency_add(struct gw_latency *l, int64_t took_ms, int64_t now_ms);
// What `percent` of the answers took at most. -1: there are too few.
int64_t gw_latency_quantile(struct gw_latency *l, unsigned percent, int64_t now_ms);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// How long a shard's answers take, as a histogram of about nineteen percent a step from 64 µs to over an hour. It forgets: when it holds GW_LATENCY_MEMORY
// answers, each count is halved. Of one loop and shard.
#ifndef SALLYPORT_NET_LATENCY_H
#define SALLYPORT_NET_LATENCY_H

#include <stdint.h>

#define GW_LATENCY_STEPS 104
#define GW_LATENCY_MEMORY 2000
#define GW_LATENCY_ENOUGH 50 // fewer say nothing

struct gw_latency { // zeroed: empty
    uint32_t count[GW_LATENCY_STEPS];
    uint32_t all;
};

void gw_latency_add(struct gw_latency *l, int64_t us);
// A time that `percent` of the answers did not take longer than, in µs, rounded up to its step. 0: not known yet.
int64_t gw_latency_at(const struct gw_latency *l, unsigned percent);

#endif

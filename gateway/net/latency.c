// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/latency.h"

#include <string.h>

#define PER_DOUBLING 8

static unsigned bucket(int64_t ms)
{
    uint64_t v = ms > 0 ? (uint64_t)ms : 0;
    if (v < PER_DOUBLING)
        return (unsigned)v;
    unsigned shift = 0;
    while (v >> shift >= 2 * PER_DOUBLING)
        shift++;
    uint64_t i = (uint64_t)(shift + 1) * PER_DOUBLING + ((v >> shift) - PER_DOUBLING);
    return i < GW_LATENCY_BUCKETS ? (unsigned)i : GW_LATENCY_BUCKETS - 1;
}

// The longest time that falls into it.
static int64_t top(unsigned i)
{
    if (i < PER_DOUBLING)
        return i;
    unsigned shift = i / PER_DOUBLING - 1;
    return ((int64_t)(i % PER_DOUBLING + PER_DOUBLING + 1) << shift) - 1;
}

static void begin(struct gw_latency *l, unsigned turn)
{
    memset(l->counts[turn], 0, sizeof l->counts[turn]);
    l->n[turn] = 0;
}

static void turn(struct gw_latency *l, int64_t now_ms)
{
    int64_t passed = now_ms - l->since_ms;
    if (passed < GW_LATENCY_TURN_MS)
        return;
    if (passed >= 2 * GW_LATENCY_TURN_MS)
        begin(l, l->turn);
    l->turn = !l->turn;
    begin(l, l->turn);
    l->since_ms = now_ms;
}

void gw_latency_add(struct gw_latency *l, int64_t took_ms, int64_t now_ms)
{
    turn(l, now_ms);
    l->counts[l->turn][bucket(took_ms)]++;
    l->n[l->turn]++;
}

int64_t gw_latency_quantile(struct gw_latency *l, unsigned percent, int64_t now_ms)
{
    turn(l, now_ms);
    uint64_t n = (uint64_t)l->n[0] + l->n[1], below = 0;
    if (n < GW_LATENCY_LEAST)
        return -1;
    for (unsigned i = 0; i < GW_LATENCY_BUCKETS; i++) {
        below += (uint64_t)l->counts[0][i] + l->counts[1][i];
        if (below * 100 >= n * percent)
            return top(i);
    }
    return top(GW_LATENCY_BUCKETS - 1);
}

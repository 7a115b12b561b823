// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/latency.h"

#include <stddef.h>

#define SMALLEST 6 // log2 of µs; below, all is one

// Four steps between two powers of two.
static size_t step_of(int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    if (v < (1u << SMALLEST))
        return 0;
    unsigned power = 63 - (unsigned)__builtin_clzll(v);
    size_t step = 1 + (power - SMALLEST) * 4 + (v >> (power - 2) & 3);
    return step < GW_LATENCY_STEPS ? step : GW_LATENCY_STEPS - 1;
}

// The first value behind the step.
static int64_t end_of(size_t step)
{
    if (step == 0)
        return 1 << SMALLEST;
    unsigned power = SMALLEST + (unsigned)(step - 1) / 4;
    return ((int64_t)1 << power) + (int64_t)((step - 1) % 4 + 1) * ((int64_t)1 << (power - 2));
}

void gw_latency_add(struct gw_latency *l, int64_t us)
{
    l->count[step_of(us)]++;
    if (++l->all < GW_LATENCY_MEMORY)
        return;
    l->all = 0;
    for (size_t i = 0; i < GW_LATENCY_STEPS; i++)
        l->all += l->count[i] /= 2;
}

int64_t gw_latency_at(const struct gw_latency *l, unsigned percent)
{
    if (l->all < GW_LATENCY_ENOUGH)
        return 0;
    uint64_t seen = 0;
    for (size_t i = 0; i < GW_LATENCY_STEPS; i++) {
        seen += l->count[i];
        if (seen * 100 >= (uint64_t)l->all * percent)
            return end_of(i);
    }
    return end_of(GW_LATENCY_STEPS - 1);
}

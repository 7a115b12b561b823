// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/outlier.h"

#define FORGET_MS 60000 // of good answers: one ejection less
#define LIGHTEST 10

bool gw_outlier_failed(struct gw_outlier *o)
{
    if (o->failures < GW_OUTLIER_FAILURES)
        o->failures++;
    return o->failures == GW_OUTLIER_FAILURES;
}

void gw_outlier_succeeded(struct gw_outlier *o, int64_t now_ms)
{
    o->failures = 0;
    if (o->ejections > 0 && now_ms - o->until_ms >= FORGET_MS) {
        o->ejections--;
        o->until_ms = now_ms; // the next minute begins
        if (o->back_ms == 0)
            o->back_ms = now_ms;
    }
}

void gw_outlier_eject(struct gw_outlier *o, int64_t now_ms)
{
    int64_t away = (int64_t)++o->ejections * GW_OUTLIER_BASE_MS;
    if (away >= GW_OUTLIER_LONGEST_MS) {
        away = GW_OUTLIER_LONGEST_MS;
        o->ejections = GW_OUTLIER_LONGEST_MS / GW_OUTLIER_BASE_MS;
    }
    o->failures = 0;
    o->until_ms = o->back_ms = now_ms + away;
}

void gw_outlier_is_back(struct gw_outlier *o, int64_t now_ms)
{
    o->back_ms = now_ms;
    o->failures = 0;
}

unsigned gw_outlier_weight(const struct gw_outlier *o, int64_t now_ms)
{
    int64_t since = now_ms - o->back_ms;
    if (o->back_ms == 0 || since >= GW_OUTLIER_SLOW_START_MS)
        return GW_OUTLIER_WEIGHT;
    if (since < 0)
        since = 0;
    return LIGHTEST + (unsigned)((GW_OUTLIER_WEIGHT - LIGHTEST) * since / GW_OUTLIER_SLOW_START_MS);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/concurrency.h"

#define ANSWERS 10    // a window has at least
#define TOLERANCE 2.0 // times slower than with little to do
#define STEEPEST 0.5  // a window halves the limit at most …
#define FAILING 0.7   // … and takes this much of it when requests failed
#define SMOOTHING 0.3 // of a window's finding, the rest stays
#define DRIFT 0.05    // of the base towards the present, a window in which the limit does not bind
#define MEASURES 3    // windows; during the first, what was under way ends

// Newton's; libm is not worth it.
static double root(double v)
{
    double r = v > 1 ? v / 2 : 1;
    for (int i = 0; i < 12; i++)
        r = (r + v / r) / 2;
    return r;
}

void gw_concurrency_init(struct gw_concurrency *c, unsigned most, int64_t now_ms)
{
    double top = most > GW_CONCURRENCY_LEAST ? most : GW_CONCURRENCY_LEAST;
    *c = (struct gw_concurrency){ .limit = top < GW_CONCURRENCY_FIRST ? top : GW_CONCURRENCY_FIRST,
                                  .most = top,
                                  .since_ms = now_ms };
}

static void bound(struct gw_concurrency *c)
{
    if (c->limit < GW_CONCURRENCY_LEAST)
        c->limit = GW_CONCURRENCY_LEAST;
    if (c->limit > c->most)
        c->limit = c->most;
}

static void measure(struct gw_concurrency *c, double mean)
{
    bool first = c->measures == MEASURES;
    if (!first && mean > 0 && (c->fastest_us <= 0 || mean < c->fastest_us))
        c->fastest_us = mean;
    if (--c->measures > 0)
        return;
    if (c->fastest_us > 0)
        c->base_us = c->fastest_us;
    c->limit = c->back_to;
}

static void begin_measure(struct gw_concurrency *c)
{
    c->bound = 0;
    c->measures = MEASURES;
    c->fastest_us = 0;
    c->back_to = c->limit;
    c->limit /= 4;
    bound(c);
}

static void conclude(struct gw_concurrency *c)
{
    double mean = c->answers > 0 ? c->sum_us / c->answers : 0, gradient = 1;
    if (c->measures > 0) {
        measure(c, mean);
        return;
    }
    bool binds = c->peak * 2 >= (unsigned)c->limit;
    c->bound = binds ? c->bound + 1 : 0;
    if (mean > 0) {
        if (c->base_us <= 0 || mean < c->base_us)
            c->base_us = mean;
        gradient = TOLERANCE * c->base_us / mean;
        if (!binds)
            c->base_us += (mean - c->base_us) * DRIFT;
    }
    if (c->failures > 0 && gradient > FAILING)
        gradient = FAILING;
    gradient = gradient > 1 ? 1 : gradient < STEEPEST ? STEEPEST : gradient;
    // Windows in which there was less to do teach nothing about more.
    if (gradient < 1 || binds) {
        double next = c->limit * gradient + (c->failures > 0 ? 0 : root(c->limit));
        c->limit += (next - c->limit) * SMOOTHING;
        bound(c);
    }
    if (c->bound >= GW_CONCURRENCY_MEASURE)
        begin_measure(c);
}

static void look(struct gw_concurrency *c, unsigned under_way, int64_t now_ms)
{
    if (under_way > c->peak)
        c->peak = under_way;
    if (now_ms - c->since_ms < GW_CONCURRENCY_WINDOW_MS || c->answers + c->failures < ANSWERS)
        return;
    conclude(c);
    c->since_ms = now_ms;
    c->sum_us = 0;
    c->answers = c->failures = c->peak = 0;
}

void gw_concurrency_answered(struct gw_concurrency *c, unsigned under_way, int64_t us, int64_t now_ms)
{
    c->sum_us += us > 0 ? (double)us : 1;
    c->answers++;
    look(c, under_way, now_ms);
}

void gw_concurrency_failed(struct gw_concurrency *c, unsigned under_way, int64_t now_ms)
{
    c->failures++;
    look(c, under_way, now_ms);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Hedged requests: a read whose answer takes longer than most do is sent to a second endpoint as well, and whichever answers first has answered.
// Nothing is blamed on the other one, whose connection is closed. The histogram counts first sends only, and of one that lost how long it had
// been silent, which was longer than the quantile: so hedging does not bring down what it is timed by.
#include "gateway/net/upstream_inside.h"

#include <stddef.h>

#define SOONEST_MS 10 // what is faster is not worth a second request

static const struct gw_remote_hedge *config_of(const struct gw_pool *p)
{
    return &p->config->care.hedge;
}

static void learn(struct gw_pool *p, int64_t took_ms)
{
    if (config_of(p)->quantile > 0)
        gw_latency_add(&p->latency, took_ms, p->now->mono_ms);
}

void gw_hedge_learn(struct gw_upstream *u)
{
    if (u->nth == 1 && u->call->sent)
        learn(u->pool, u->pool->now->mono_ms - u->sent_ms);
}

static int64_t delay(struct gw_pool *p)
{
    const struct gw_remote_hedge *h = config_of(p);
    int64_t ms = h->quantile > 0 ? gw_latency_quantile(&p->latency, h->quantile, p->now->mono_ms) : h->after_ms;
    return ms >= 0 && ms < SOONEST_MS ? SOONEST_MS : ms;
}

// Neither the shard nor the budgets are short. True takes it out of them.
static bool is_affordable(struct gw_pool *p)
{
    if (p->waiting || (p->config->care.adaptive && !gw_concurrency_allows(&p->concurrency, p->under_way)))
        return false;
    return gw_retry_budget_has(&p->retries, p->now->mono_ms) && gw_retry_budget_take(&p->hedges, p->now->mono_ms) &&
           gw_retry_budget_take(&p->retries, p->now->mono_ms);
}

static void leave_one(struct gw_call *c)
{
    c->other = NULL;
    c->admitted--;
    c->pool->under_way--;
}

static void on_due(struct gw_deadline *d)
{
    struct gw_call *c = (struct gw_call *)((char *)d - offsetof(struct gw_call, hedge_due));
    struct gw_pool *p = c->pool;
    struct gw_upstream *first = c->upstream;
    // What is not with the first endpoint yet, or already on its second try, is not late for want of an answer.
    if (!first || first->state != GW_UP_BUSY || c->sends != 1 || c->answered || first->socket.queued > 0)
        return;
    if (c->answer_by_ms != 0 && p->now->mono_ms >= c->answer_by_ms)
        return;
    struct gw_response *spare = arena_alloc(c->arena, sizeof *spare);
    c->other = first; // from now on its endpoint is not looked at
    if (!spare || !gw_pool_has_good(p, c) || !is_affordable(p)) {
        c->other = NULL;
        return;
    }
    c->spare = spare;
    c->hedged = true;
    c->admitted++;
    p->under_way++;
    if (gw_pool_attempt_beside(c)) { // the call may be over
        gw_count(p->metrics, GW_METRIC_UPSTREAM_HEDGED, 1);
        return;
    }
    c->hedged = false;
    leave_one(c);
}

void gw_hedge_arm(struct gw_call *c)
{
    struct gw_pool *p = c->pool;
    const struct gw_remote_hedge *h = config_of(p);
    if (h->percent == 0 || !c->may_hedge || c->sends != 1)
        return;
    gw_retry_budget_earn(&p->hedges);
    int64_t ms = p->n_endpoints > 1 ? delay(p) : -1;
    if (ms < 0)
        return;
    c->hedge_due.on_due = on_due;
    gw_deadline_set(p->wheel, &c->hedge_due, p->now->mono_ms + ms);
}

bool gw_hedge_leave(struct gw_upstream *u)
{
    struct gw_call *c = u->call;
    if (!c->other)
        return false;
    if (c->upstream == u)
        c->upstream = c->other;
    c->unread = false; // of that one
    leave_one(c);
    return true;
}

void gw_hedge_answered(struct gw_upstream *u)
{
    struct gw_call *c = u->call;
    gw_deadline_remove(&c->hedge_due);
    struct gw_upstream *loser = u == c->upstream ? c->other : c->upstream;
    if (loser) {
        gw_hedge_learn(loser);
        gw_hedge_leave(loser);
        gw_upstream_close(loser);
    }
    if (u->hedge)
        gw_count(c->pool->metrics, GW_METRIC_UPSTREAM_HEDGE_WON, 1);
    if (u->h1.response != &c->response) {
        c->response = *u->h1.response;
        u->h1.response = &c->response;
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
// What a pool learns from how its requests end, and what follows from it: who is an outlier, who may be sent again, how many may be under way.
#include "gateway/net/upstream_inside.h"

#define SENDS_MOST 3 // of one request

static int64_t now_ms(const struct gw_pool *p)
{
    return p->now->mono_ms;
}

// ------------------------------------------------------------------------------------------------------- under way

bool gw_pool_admit(struct gw_call *c)
{
    struct gw_pool *p = c->pool;
    if (p->config->care.adaptive && !gw_concurrency_allows(&p->concurrency, p->under_way)) {
        gw_count(p->metrics, GW_METRIC_UPSTREAM_SHED, 1);
        return false;
    }
    gw_retry_budget_earn(&p->retries);
    p->under_way++;
    c->admitted = 1;
    return true;
}

void gw_pool_release(struct gw_call *c)
{
    c->started = false;
    gw_deadline_remove(&c->hedge_due);
    if (c->admitted > 0) // else it may never have had a pool
        c->pool->under_way -= c->admitted;
    c->admitted = 0;
}

// -------------------------------------------------------------------------------------------------------- outliers

// No more than half of a shard's endpoints are away at once: when most of them fail, it is not they who are the outliers.
static bool may_eject(const struct gw_pool *p)
{
    size_t out = 1;
    for (size_t i = 0; i < p->n_endpoints; i++)
        out += gw_outlier_is_out(&p->endpoints[i]->outlier, now_ms(p));
    return out * 2 <= p->n_endpoints;
}

static void tell_outlier(struct gw_pool *p, struct gw_pool_endpoint *at, bool failed)
{
    if (!failed) {
        gw_outlier_succeeded(&at->outlier, now_ms(p));
    } else if (gw_outlier_failed(&at->outlier) && !at->gone && !gw_outlier_is_out(&at->outlier, now_ms(p)) &&
               may_eject(p)) {
        gw_outlier_eject(&at->outlier, now_ms(p));
        gw_count(p->metrics, GW_METRIC_UPSTREAM_EJECTED, 1);
    }
}

void gw_pool_heard(struct gw_upstream *u)
{
    struct gw_call *c = u->call;
    struct gw_pool *p = u->pool;
    unsigned status = u->h1.response->status;
    if (status < 500)
        gw_hedge_learn(u);
    if (!c->sent || u->sent_ns == 0)
        return;
    int64_t took_ns = clock_mono_ns() - u->sent_ns;
    if (p->counts)
        gw_histogram_add(&p->counts->first_byte, GW_BOUNDS_COARSE, took_ns);
    if (!p->config->care.adaptive)
        return;
    if (gw_outlier_is_failure(status) || status == 429)
        gw_concurrency_failed(&p->concurrency, p->under_way, now_ms(p));
    else
        gw_concurrency_answered(&p->concurrency, p->under_way, took_ns / 1000, now_ms(p));
}

void gw_pool_count(struct gw_pool *p, unsigned status)
{
    if (p->counts)
        gw_count_answer(p->counts, status);
}

void gw_pool_answered(struct gw_upstream *u, unsigned status)
{
    gw_pool_count(u->pool, status);
    if (u->pool->config->care.on)
        tell_outlier(u->pool, u->at, gw_outlier_is_failure(status));
}

void gw_pool_unanswered(struct gw_upstream *u, int err)
{
    struct gw_pool *p = u->pool;
    gw_pool_count(p, 0);
    if (!p->config->care.on || (err != ERR_SHARD_TIMEOUT && err != ERR_SHARD_ANSWER && err != ERR_SHARD_CUT))
        return;
    // A kept connection may end whenever the server likes, and a later try has only what time the first one left, as every one has only what the
    // client gave: nobody shall make an endpoint an outlier by being in a hurry.
    if ((u->reused && !u->heard && err == ERR_SHARD_ANSWER) ||
        (err == ERR_SHARD_TIMEOUT && (u->nth > 1 || gw_call_is_hurried(u->call))))
        return;
    if (err == ERR_SHARD_TIMEOUT)
        gw_hedge_learn(u);
    tell_outlier(p, u->at, true);
    if (p->config->care.adaptive && err == ERR_SHARD_TIMEOUT)
        gw_concurrency_failed(&p->concurrency, p->under_way, now_ms(p));
}

// --------------------------------------------------------------------------------------------------------- retries

static bool within_budget(struct gw_pool *p)
{
    if (!p->config->care.on)
        return true;
    if (gw_retry_budget_take(&p->retries, now_ms(p)))
        return true;
    gw_count(p->metrics, GW_METRIC_UPSTREAM_RETRY_REFUSED, 1);
    return false;
}

bool gw_pool_may_send_again(struct gw_upstream *u, int err)
{
    struct gw_call *c = u->call;
    struct gw_pool *p = u->pool;
    bool stale = u->reused && !u->heard;
    if (!c->may_retry || c->answered || c->sends >= SENDS_MOST)
        return false;
    if (c->answer_by_ms != 0 && now_ms(p) >= c->answer_by_ms)
        return false;
    if (err == ERR_SHARD_TIMEOUT || err == ERR_NOMEM)
        return false;
    if (!stale) {
        // It did reach the server, which is not asked a second time.
        if (!p->config->care.on)
            return false;
        gw_pool_mark_tried(u);
        if (!gw_pool_has_good(p, c))
            return false;
    }
    return within_budget(p);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/upstream_inside.h"

#include <stdlib.h>

// ------------------------------------------------------------------------------------------------------- endpoints

void gw_pool_endpoint_unref(struct gw_pool_endpoint *at)
{
    if (--at->refs > 0)
        return;
    gw_endpoints_unref(at->from);
    gw_health_unref(at->health);
    free(at);
}

static struct gw_pool_endpoint *find(const struct gw_pool *p, const struct gw_endpoint *e)
{
    for (size_t i = 0; i < p->n_endpoints; i++)
        if (gw_endpoint_same(p->endpoints[i]->endpoint, e))
            return p->endpoints[i];
    return NULL;
}

static struct gw_pool_endpoint *endpoint_new(const struct gw_pool *p, struct gw_endpoints *from, size_t i)
{
    struct gw_pool_endpoint *at = calloc(1, sizeof *at);
    if (!at)
        return NULL;
    at->refs = 1;
    at->from = gw_endpoints_ref(from);
    at->endpoint = &from->v[i];
    at->target = p->config->target;
    if (span_is_none(at->target.spiffe_id) && span_is_none(at->target.dns))
        at->target.dns = at->endpoint->name;
    if (p->config->health && !span_is_none(p->config->care.checked_as))
        at->health = gw_health_of(p->config->health, p->config->care.checked_as, at->endpoint);
    return at;
}

static void close_idle(struct gw_pool_endpoint *at)
{
    while (at->idle)
        gw_upstream_close(at->idle);
}

static void drop(struct gw_pool_endpoint *at)
{
    at->gone = true;
    close_idle(at);
    gw_pool_endpoint_unref(at);
}

// Those that stay keep their slots, the others get what is left.
static void number(struct gw_pool_endpoint **v, size_t n, const bool *fresh)
{
    uint64_t taken = 0;
    for (size_t i = 0; i < n; i++)
        if (!fresh[i])
            taken |= (uint64_t)1 << v[i]->slot;
    unsigned slot = 0;
    for (size_t i = 0; i < n; i++) {
        if (!fresh[i])
            continue;
        while (taken >> slot & 1)
            slot++;
        v[i]->slot = slot++;
    }
}

int gw_pool_set(struct gw_pool *p, struct gw_endpoints *set)
{
    struct gw_pool_endpoint *next[GW_ENDPOINTS_MAX], *old[GW_ENDPOINTS_MAX];
    bool fresh[GW_ENDPOINTS_MAX];
    size_t n = set ? set->n : 0, n_old = p->n_endpoints;
    for (size_t i = 0; i < n; i++) {
        next[i] = find(p, &set->v[i]);
        fresh[i] = !next[i];
        if (!next[i] && !(next[i] = endpoint_new(p, set, i))) {
            while (i-- > 0)
                if (fresh[i])
                    gw_pool_endpoint_unref(next[i]);
            return ERR_NOMEM;
        }
    }
    number(next, n, fresh);
    memcpy(old, p->endpoints, n_old * sizeof *old);
    memcpy(p->endpoints, next, n * sizeof *next);
    p->n_endpoints = n;
    for (size_t i = 0; i < n_old; i++)
        if (!find(p, old[i]->endpoint))
            drop(old[i]);
    gw_pool_serve_waiting(p);
    return 0;
}

void gw_pool_outcome(struct gw_pool *p, struct gw_pool_endpoint *at, enum gw_pool_outcome outcome)
{
    if (!p->config->care.on)
        return;
    if (outcome == GW_POOL_CONNECTED)
        gw_breaker_succeeded(&at->breaker);
    else
        gw_breaker_failed(&at->breaker, p->now->mono_ms, outcome == GW_POOL_REFUSED);
}

// ---------------------------------------------------------------------------------------------------------- choice

// Also while it is there. That alone does not keep it from going there again, should its connection turn out to have been dead.
static bool tried(const struct gw_call *c, const struct gw_pool_endpoint *at)
{
    return (c->tried >> at->slot & 1) != 0 || (c->other && c->other->at == at);
}

bool gw_pool_has_other(const struct gw_pool *p, const struct gw_call *c)
{
    for (size_t i = 0; i < p->n_endpoints; i++)
        if (!tried(c, p->endpoints[i]))
            return true;
    return false;
}

static void mark(struct gw_call *c, const struct gw_pool_endpoint *at)
{
    if (!at->gone)
        c->tried |= (uint64_t)1 << at->slot;
}

void gw_pool_mark_tried(struct gw_upstream *u)
{
    mark(u->call, u->at);
}

enum standing { PASSED_OVER, EJECTED, GOOD };

static enum standing standing(const struct gw_pool *p, const struct gw_call *c, const struct gw_pool_endpoint *at)
{
    bool rests = p->config->care.on && !gw_breaker_ready(&at->breaker, p->now->mono_ms);
    if (tried(c, at) || rests || gw_health_is_sick(at->health))
        return PASSED_OVER;
    return gw_outlier_is_out(&at->outlier, p->now->mono_ms) ? EJECTED : GOOD;
}

// One that was away begins anew with a small part of the load.
static void notice(const struct gw_pool *p, struct gw_pool_endpoint *at)
{
    bool away = at->breaker.failures >= GW_BREAKER_FAILURES || gw_health_is_sick(at->health);
    if (at->away && !away)
        gw_outlier_is_back(&at->outlier, p->now->mono_ms);
    at->away = away;
}

static bool has_room(const struct gw_pool *p, const struct gw_pool_endpoint *at)
{
    return at->idle || at->open < p->config->max_connections;
}

bool gw_pool_has_good(const struct gw_pool *p, const struct gw_call *c)
{
    for (size_t i = 0; i < p->n_endpoints; i++)
        if (standing(p, c, p->endpoints[i]) == GOOD && has_room(p, p->endpoints[i]))
            return true;
    return false;
}

// Whether `a` has less to do, were it given one more.
static bool is_lighter(const struct gw_pool *p, const struct gw_pool_endpoint *a, const struct gw_pool_endpoint *b)
{
    int64_t now_ms = p->now->mono_ms;
    return (a->under_way + 1) * gw_outlier_weight(&b->outlier, now_ms) <
           (b->under_way + 1) * gw_outlier_weight(&a->outlier, now_ms);
}

// Where the call goes. NULL: nowhere now; `*wait`: but it might when a connection becomes free.
static struct gw_pool_endpoint *choose(struct gw_pool *p, const struct gw_call *c, bool *wait)
{
    struct gw_pool_endpoint *best = NULL;
    enum standing best_standing = EJECTED;
    size_t at_turn = 0;
    *wait = p->n_endpoints == 0;
    for (size_t i = 0; i < p->n_endpoints; i++) {
        size_t k = (p->turn + i) % p->n_endpoints;
        struct gw_pool_endpoint *at = p->endpoints[k];
        enum standing is = standing(p, c, at);
        notice(p, at);
        if (is < best_standing)
            continue;
        if (is > best_standing) {
            best = NULL; // whoever can, waits for a good one rather than going to one that is ejected
            *wait = false;
            best_standing = is;
        }
        if (!has_room(p, at)) {
            *wait = true;
        } else if (!best || is_lighter(p, at, best)) {
            best = at;
            at_turn = k;
        }
    }
    if (best)
        p->turn = at_turn + 1;
    return best;
}

// A kept connection that can carry a call. What arrived on it since its last answer, an answer to nothing or its end, may lie in the kernel
// and the loop not know of it yet: the first would be taken for the answer to this call, the second would cost it.
static struct gw_upstream *kept(struct gw_pool_endpoint *at)
{
    while (at->idle && !gw_socket_quiet(&at->idle->socket))
        gw_upstream_close(at->idle);
    return at->idle;
}

static void fail(struct gw_call *c, int err, const char *what)
{
    gw_pool_release(c);
    gw_pool_count(c->pool, 0);
    c->on_failed(c, err, what);
}

// Nothing of it was sent. True: it is to be tried again, with another endpoint.
static bool attempt(struct gw_call *c)
{
    struct gw_pool *p = c->pool;
    bool wait;
    struct gw_pool_endpoint *at = choose(p, c, &wait);
    if (!at && wait) {
        gw_pool_enqueue(c);
        return false;
    }
    if (!at) {
        fail(c, ERR_SHARD_DOWN, NULL);
        return false;
    }
    // A second try never rides on another old connection, which may be just as dead.
    struct gw_upstream *u = c->attempts == 0 ? kept(at) : NULL;
    if (!u && at->open >= p->config->max_connections) {
        // Kept ones that turned out to be dead, or that a second try leaves alone, still count until they are closed.
        if (c->attempts > 0 && at->idle)
            gw_upstream_close(at->idle);
        gw_pool_enqueue(c);
        return false;
    }
    if (u) {
        c->attempts++;
        gw_pool_unkeep(u);
        gw_count(p->metrics, GW_METRIC_UPSTREAM_REUSED, 1);
        gw_upstream_reuse(u, c);
        return false;
    }
    if (p->config->care.on)
        gw_breaker_take(&at->breaker, p->now->mono_ms);
    int err = gw_upstream_open(p, at, c);
    if (err == 0) {
        c->attempts++;
        return false;
    }
    // There is no way to it from here, which the system says at once. Others may be reached.
    mark(c, at);
    if (err == ERR_SHARD_CONNECT && gw_pool_has_other(p, c))
        return true;
    gw_count(p->metrics, GW_METRIC_UPSTREAM_FAILED, 1);
    fail(c, err, NULL);
    return false;
}

void gw_pool_attempt(struct gw_call *c)
{
    while (attempt(c))
        ;
}

// Nobody waits for a second connection: it is there, or can be opened, or there is none.
bool gw_pool_attempt_beside(struct gw_call *c)
{
    struct gw_pool *p = c->pool;
    bool wait;
    struct gw_pool_endpoint *at = choose(p, c, &wait);
    struct gw_upstream *u = at ? kept(at) : NULL;
    if (u) {
        c->attempts++;
        u->hedge = true;
        gw_pool_unkeep(u);
        gw_count(p->metrics, GW_METRIC_UPSTREAM_REUSED, 1);
        gw_upstream_reuse(u, c);
        return true;
    }
    if (at && at->open < p->config->max_connections && gw_upstream_open(p, at, c) == 0) {
        gw_breaker_take(&at->breaker, p->now->mono_ms);
        c->attempts++;
        c->upstream->hedge = true;
        return true;
    }
    return false;
}

// ----------------------------------------------------------------------------------------------------- who waits

void gw_pool_unqueue(struct gw_call *c)
{
    struct gw_pool *p = c->pool;
    struct gw_call **link = &p->waiting;
    while (*link != c)
        link = &(*link)->next;
    *link = c->next;
    if (!c->next)
        p->waiting_end = link;
    p->n_waiting--;
    c->in_queue = false;
    gw_deadline_remove(&c->deadline);
}

static void on_waited(struct gw_deadline *d)
{
    struct gw_call *c = (struct gw_call *)((char *)d - offsetof(struct gw_call, deadline));
    gw_pool_unqueue(c);
    if (c->until_ms != 0 && c->pool->now->mono_ms >= c->until_ms)
        fail(c, ERR_SHARD_TIMEOUT, GW_POOL_UNTIL);
    else if (c->pool->n_endpoints == 0)
        fail(c, ERR_SHARD_DOWN, "no endpoint of it is known");
    else
        fail(c, ERR_SHARD_BUSY, "no connection became free in time");
}

void gw_pool_enqueue(struct gw_call *c)
{
    struct gw_pool *p = c->pool;
    if (p->n_waiting >= p->config->max_waiting) {
        fail(c, ERR_SHARD_BUSY, NULL);
        return;
    }
    c->next = NULL;
    *p->waiting_end = c;
    p->waiting_end = &c->next;
    p->n_waiting++;
    c->in_queue = true;
    c->deadline = (struct gw_deadline){ .on_due = on_waited };
    // Whoever has to wait again does not wait longer for it.
    if (c->wait_until_ms == 0)
        c->wait_until_ms = p->now->mono_ms + p->config->connect_ms;
    if (c->until_ms != 0 && c->until_ms < c->wait_until_ms)
        c->wait_until_ms = c->until_ms;
    gw_deadline_set(p->wheel, &c->deadline, c->wait_until_ms);
}

static bool any_room(const struct gw_pool *p)
{
    for (size_t i = 0; i < p->n_endpoints; i++)
        if (has_room(p, p->endpoints[i]))
            return true;
    return false;
}

void gw_pool_serve_waiting(struct gw_pool *p)
{
    // One that has to wait on goes to the end, and is not asked twice.
    for (size_t left = p->n_waiting; left > 0 && p->waiting && any_room(p); left--) {
        struct gw_call *c = p->waiting;
        gw_pool_unqueue(c);
        gw_pool_attempt(c);
    }
}

// ------------------------------------------------------------------------------------------------------- what is kept

void gw_pool_keep(struct gw_upstream *u)
{
    struct gw_pool_endpoint *at = u->at;
    u->prev = NULL;
    u->next = at->idle;
    if (at->idle)
        at->idle->prev = u;
    at->idle = u;
    at->n_idle++;
}

void gw_pool_unkeep(struct gw_upstream *u)
{
    struct gw_pool_endpoint *at = u->at;
    if (u->prev)
        u->prev->next = u->next;
    else
        at->idle = u->next;
    if (u->next)
        u->next->prev = u->prev;
    u->next = u->prev = NULL;
    at->n_idle--;
}

// -------------------------------------------------------------------------------------------------------- lifetime

void gw_pool_init(struct gw_pool *p, const struct gw_pool_config *config, struct gw_dialler dialler,
                  struct gw_wheel *wheel, const struct clock_now *now, struct gw_metrics *metrics)
{
    *p = (struct gw_pool){ .config = config, .dialler = dialler, .wheel = wheel, .now = now, .metrics = metrics };
    p->waiting_end = &p->waiting;
    gw_retry_budget_init(&p->retries, config->care.retry_percent, config->care.retries_per_second, now->mono_ms);
    gw_retry_budget_init(&p->hedges, config->care.hedge.percent, 0, now->mono_ms);
    gw_concurrency_init(&p->concurrency, (unsigned)(config->max_connections * GW_ENDPOINTS_MAX), now->mono_ms);
}

void gw_pool_retire(struct gw_pool *p)
{
    p->retired = true;
    for (size_t i = 0; i < p->n_endpoints; i++)
        close_idle(p->endpoints[i]);
    if (p->open == 0 && p->on_empty)
        p->on_empty(p);
}

void gw_pool_fini(struct gw_pool *p)
{
    for (size_t i = 0; i < p->n_endpoints; i++)
        gw_pool_endpoint_unref(p->endpoints[i]);
    p->n_endpoints = 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/sweep.h"

#include "gateway/net/flow_inside.h"
#include "gateway/stages/standing.h"

#include <stdatomic.h>
#include <stddef.h>

// From the verdict to the record. Before it the stages look for themselves, behind it the answer has left.
static bool under_way(const struct gw_flow *f)
{
    return f && f->x.verdict == GW_ALLOW && !f->recorded;
}

static void end(struct gw_flow *f, int err)
{
    struct gw_client *c = f->client;
    gw_flow_unlink(f);
    gw_call_abort(&f->call);
    gw_gather_free(f->gather);
    f->gather = NULL;
    f->x.close = f->x.close || err == ERR_CERT_REVOKED || err == ERR_CERT_UNTRUSTED || err == ERR_CERT_EXPIRED;
    gw_flow_refuse(f, err);
    gw_client_resume(c);
}

void gw_sweep(struct gw_core *core)
{
    // Cutting one leaves it in the list until its socket is closed.
    for (struct gw_client *c = core->clients; c; c = c->next) {
        if (!under_way(c->flow))
            continue;
        struct gw_exchange *x = &c->flow->x;
        int err = gw_standing(x, core->now, x->snapshot->config->revocations.grace);
        if (err != 0)
            end(c->flow, err);
    }
}

// What the pools of the present view hold, for who scrapes: a look a second spares every request the counting.
static void measure(const struct gw_core *core)
{
    const struct gw_view *v = core->view;
    uint64_t sums[GW_NAMED_ROWS + 1][3] = { 0 };
    for (size_t i = 0; i < v->n_shards; i++) {
        const struct gw_pool *p = &v->shards[i].origin.pool;
        if (!p->counts)
            continue;
        uint64_t *sum = sums[p->counts - core->metrics->shard];
        for (size_t k = 0; k < p->n_endpoints; k++) {
            sum[0] += p->endpoints[k]->n_idle;
            sum[1] += p->endpoints[k]->under_way;
        }
        sum[2] += p->n_waiting;
    }
    for (size_t i = 0; i <= GW_NAMED_ROWS; i++) {
        struct gw_shard_counts *c = &core->metrics->shard[i];
        atomic_store_explicit(&c->idle, sums[i][0], memory_order_relaxed);
        atomic_store_explicit(&c->busy, sums[i][1], memory_order_relaxed);
        atomic_store_explicit(&c->waiting, sums[i][2], memory_order_relaxed);
    }
}

static void on_due(struct gw_deadline *d)
{
    struct gw_core *core = (struct gw_core *)((char *)d - offsetof(struct gw_core, sweep));
    gw_deadline_set(&core->wheel, d, core->now.mono_ms + GW_SWEEP_MS);
    gw_sweep(core);
    measure(core);
}

void gw_sweep_begin(struct gw_core *core)
{
    core->sweep.on_due = on_due;
    gw_deadline_set(&core->wheel, &core->sweep, core->now.mono_ms + GW_SWEEP_MS);
}

void gw_sweep_end(struct gw_core *core)
{
    gw_deadline_remove(&core->sweep);
}

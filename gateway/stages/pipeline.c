// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/pipeline.h"

#include "gateway/stages/observe.h"

static const struct {
    const char *name;
    int (*run)(struct gw_exchange *x);
} stages[GW_STAGE_COUNT] = {
    // The certificate verified at the handshake still stands: not expired, not revoked, its CA not removed.
    [GW_STAGE_identity] = { "identity", gw_stage_identity },
    // Host is ours and the path has one reading.
    [GW_STAGE_target] = { "target", gw_stage_target },
    // The token is genuine and says who, for whom, and how far.
    [GW_STAGE_token] = { "token", gw_stage_token },
    // It is bound to the key or certificate that is here now, and belongs to this workload.
    [GW_STAGE_binding] = { "binding", gw_stage_binding },
    // The request is one that the database's table knows.
    [GW_STAGE_api] = { "api", gw_stage_api },
    // The token's scopes cover it and the policies permit it, for every collection it touches.
    [GW_STAGE_policy] = { "policy", gw_stage_policy },
    // It is within every limit that it counts for.
    [GW_STAGE_limits] = { "limits", gw_stage_limits },
    // There is a shard for it.
    [GW_STAGE_route] = { "route", gw_stage_route },
};

struct span gw_stage_name(unsigned stage)
{
    return stage < GW_STAGE_COUNT ? span_str(stages[stage].name) : SPAN("forward");
}

// A body may take a minute to come, an answer some seconds: what expired or was revoked meanwhile counts. Costs no signature.
static int look_again(struct gw_exchange *x)
{
    int rc = gw_stage_identity(x);
    if (rc == 0 && x->stage > GW_STAGE_binding && x->token)
        rc = gw_binding_check(x);
    return rc < 0 ? gw_observe(x, rc) : rc;
}

// Before anything is looked at that costs more than reading the request did: whoever sent too much of late that did not hold is not heard for a while.
static int check_failures(struct gw_exchange *x)
{
    struct gw_failures *f = x->services->failures;
    int64_t wait_ms = f && x->peer ? gw_failures_workload(f, &x->snapshot->config->limits.failures.requests,
                                                          x->peer->identity.spiffe_id, x->now.mono_ms)
                                   : 0;
    if (wait_ms == 0)
        return 0;
    x->retry_after_s = (uint64_t)(wait_ms + 999) / 1000;
    return gw_refuse(x, ERR_FAILING, SPAN_NONE);
}

static void count_failure(struct gw_exchange *x)
{
    struct gw_failures *f = x->services->failures;
    if (f && x->peer && gw_failures_counts(x->error))
        gw_failures_add_workload(f, &x->snapshot->config->limits.failures.requests, x->peer->identity.spiffe_id,
                                 x->now.mono_ms);
}

int gw_pipeline_run(struct gw_exchange *x)
{
    int64_t before = clock_mono_ns();
    if (x->stage > GW_STAGE_identity) {
        x->error = look_again(x);
        if (x->error != 0)
            return x->error;
    }
    while (x->stage < GW_STAGE_COUNT) {
        int rc = stages[x->stage].run(x);
        if (rc == GW_PASS && x->stage == GW_STAGE_identity)
            rc = check_failures(x);
        if (rc < 0)
            rc = gw_observe(x, rc);
        int64_t after = clock_mono_ns();
        x->stage_ns[x->stage] += after - before;
        before = after;
        if (rc == GW_PASS)
            x->stage++;
        if (rc == GW_PASS || rc == GW_AGAIN)
            continue;
        if (rc < 0) {
            x->error = rc;
            count_failure(x);
        }
        return rc;
    }
    x->verdict = GW_ALLOW;
    return GW_PASS;
}

void gw_exchange_fini(struct gw_exchange *x)
{
    gw_introspection_leave(&x->asked);
    gw_decisions_release(x);
    pki_token_unref(x->token);
    x->token = NULL;
    pki_token_unref(x->observed[GW_GATE_TOKEN].token);
    x->observed[GW_GATE_TOKEN].token = NULL;
    if (x->proven)
        pki_proof_fini(&x->proof);
    x->proven = false;
    arena_fini(&x->arena);
}

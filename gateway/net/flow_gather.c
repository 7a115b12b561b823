// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/flow_inside.h"

#include "gateway/http/answer.h"
#include "gateway/stages/pipeline.h"

// Every shard must have carried it out: the first answer that says otherwise is the one that is given.
static void answer_all(struct gw_flow *f, const struct gw_gather *g, struct gw_answer *a)
{
    const struct gw_fetch *chosen = &g->fetches[0];
    for (size_t i = 0; i < g->n; i++) {
        const struct gw_fetch *one = &g->fetches[i];
        bool good = one->error == 0 && one->status < 300;
        bool chosen_good = chosen->error == 0 && chosen->status < 300;
        if (!good && chosen_good)
            chosen = one;
    }
    if (chosen->error != 0) {
        gw_flow_fail(f, chosen->error, "not every shard carried it out");
        return;
    }
    if (is_refusal(chosen->status)) {
        gw_flow_fail(f, ERR_SHARD_ANSWER, GW_FLOW_REFUSAL);
        return;
    }
    a->status = chosen->status;
    a->body = buf_span(&chosen->answer);
}

static bool visible(void *ctx, unsigned shard, struct span database, struct span tenant, struct span collection)
{
    struct gw_flow *f = ctx;
    unsigned placed;
    // A copy on a shard where the rules do not place it cannot be reached, so it is not shown.
    if (!span_is_none(collection) &&
        (gw_placement_find(placement_of(f), database, tenant, collection, &placed) != 0 || placed != shard))
        return false;
    return gw_policy_shows(&f->x, database, tenant, collection);
}

// For the record: every shard whose part is missing.
static const char *name_failed(struct gw_flow *f, const struct gw_api_list_result *result)
{
    struct span list = SPAN("");
    for (size_t i = 0; i < result->n_failed; i++)
        list = arena_printf(&f->x.arena, "%.*s%s%.*s", SPAN_FMT(list), i > 0 ? ", " : "",
                            SPAN_FMT(placement_of(f)->names[result->failed[i]]));
    const char *what =
        arena_printf(&f->x.arena, "no list of shard%s %.*s", result->n_failed == 1 ? "" : "s", SPAN_FMT(list)).p;
    return what ? what : "a shard did not answer";
}

// The client's own time is over, which is what the shards failed of.
static bool is_late(const struct gw_flow *f)
{
    return f->x.until_ms != 0 && core_of(f)->now.mono_ms >= f->x.until_ms;
}

static void answer_merged(struct gw_flow *f, const struct gw_gather *g, struct gw_answer *a)
{
    struct gw_exchange *x = &f->x;
    struct gw_api_list_answer *answers = arena_array(&x->arena, g->n, sizeof *answers);
    struct gw_api_list_result result;
    if (!answers) {
        gw_flow_fail(f, ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < g->n; i++)
        answers[i] =
            (struct gw_api_list_answer){ g->shards[i], g->fetches[i].error == 0 ? (int)g->fetches[i].status : 0,
                                         buf_span(&g->fetches[i].answer) };
    int rc = gw_api_list_merge(&x->meaning, answers, g->n, visible, f, &x->arena, &result);
    if (rc == 0 && x->arena.failed)
        rc = ERR_NOMEM; // something may have been hidden for want of memory, not of permission
    if (rc != 0) {
        gw_flow_fail(f, is_late(f) ? ERR_SHARD_TIMEOUT : rc, "no shard gave a list that can be used");
        return;
    }
    // Half a list that looks whole would be a lie to the client: a shard that is down makes the list unavailable.
    if (result.n_failed > 0) {
        gw_flow_fail(f, is_late(f) ? ERR_SHARD_TIMEOUT : ERR_SHARD_ANSWER, name_failed(f, &result));
        return;
    }
    a->status = 200;
    a->body = result.body;
}

static void on_gathered(struct gw_gather *g)
{
    struct gw_flow *f = g->owner;
    struct gw_exchange *x = &f->x;
    struct gw_client *c = f->client;
    char nonce[PKI_NONCE_TEXT];
    struct gw_answer a = {
        .content_type = SPAN("application/json"),
        .request_id = span_str(x->id),
        .fields = x->fields,
        .n_fields = GW_ANSWER_FIELDS,
        .wall_ms = core_of(f)->now.wall_ms,
        .head = x->request.method == GW_METHOD_HEAD,
        .close = !x->request.keep_alive || x->close || core_of(f)->draining,
    };
    if (x->nonce_due) {
        pki_nonce_make(x->services->nonces, x->now.wall_ms, nonce);
        a.dpop_nonce = span_of(nonce, sizeof nonce);
    }
    if (x->meaning.fan == GW_API_FAN_MERGE)
        answer_merged(f, g, &a);
    else
        answer_all(f, g, &a);
    if (a.status != 0) {
        struct buf out;
        buf_init(&out, 0);
        if (gw_answer_write(&a, &out) == 0) {
            x->status = a.status;
            x->bytes_out = a.body.n;
            f->keep_alive = !a.close;
            f->answered = true;
            gw_client_send(c, buf_span(&out));
            gw_flow_conclude(f);
        } else {
            gw_client_cut(c);
        }
        buf_fini(&out);
    }
    gw_client_resume(c);
}

void gw_flow_gather(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    struct gw_gather_request r = {
        .view = f->view,
        .api = x->api,
        .shards = &x->shards,
        .method = span_is_none(x->meaning.method) ? x->request.method : gw_method_parse(x->meaning.method),
        .target = x->meaning.target,
        .body = gw_flow_whole_body(f),
        .request_id = x->id,
        .traceparent = gw_flow_traceparent(f),
        .tracestate = f->x.trace.state,
        .until_ms = x->until_ms,
    };
    if (r.method == GW_METHOD_HEAD)
        r.method = GW_METHOD_GET;
    if (span_is_none(r.target))
        r.target = span_is_none(x->to.query)
                       ? x->to.path
                       : arena_printf(&x->arena, "%.*s?%.*s", SPAN_FMT(x->to.path), SPAN_FMT(x->to.query));
    f->gather = span_is_none(r.target) ? NULL : gw_gather_new(&r);
    if (!f->gather) {
        gw_flow_fail(f, ERR_NOMEM, NULL);
        return;
    }
    x->upstream_ns = clock_mono_ns();
    f->gather->owner = f;
    f->gather->on_done = on_gathered;
    f->state = GW_FLOW_GATHER;
    gw_gather_start(f->gather);
}

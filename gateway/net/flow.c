// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/flow_inside.h"

#include "gateway/http/forward.h"
#include "gateway/net/introspect.h"
#include "gateway/stages/account.h"
#include "gateway/stages/pipeline.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

// All that one exchange may hold: a list request decides about every collection in it.
#define ARENA_MAX (64u << 20)
// Answers that name collections are read along up to this size; a longer one teaches nothing.
#define LESSON_MAX (4u << 20)
// Bytes for the shard that are worth a write of their own before the wake-up ends.
#define UP_HIGH (64u << 10)
// How long a request waits for a key of its issuer to be fetched.
#define KEYS_WAIT_MS 3000

// ------------------------------------------------------------------------------------------------------ decided

void gw_flow_start(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    if (x->request.expect_continue && !f->whole) {
        struct buf out;
        buf_init(&out, 0);
        gw_forward_continue(&out);
        gw_client_send(f->client, buf_span(&out));
        buf_fini(&out);
        x->request.expect_continue = false;
    }
    // Bodies of requests to several shards are small and were read by the api stage, or there is none.
    if (x->meaning.fan == GW_API_FAN_ONE)
        gw_flow_call(f);
    else
        gw_flow_gather(f);
}

static void forward(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    assert(x->verdict == GW_ALLOW);
    const struct gw_audit *audit = core_of(f)->shared->audit;
    if (gw_audit_refuses(audit)) {
        gw_flow_fail(f, ERR_AUDIT_FULL, "the audit log cannot be written just now");
        return;
    }
    if (gw_account_first(x)) {
        if (gw_flow_submit(f, GW_AUDIT_INTENT) != 0) {
            gw_flow_fail(f, ERR_AUDIT_FULL, "no record, no change");
            return;
        }
        if (gw_flow_must_wait(f)) {
            f->state = GW_FLOW_INTENT;
            gw_flow_link(&core_of(f)->awaiting, f);
            return;
        }
    }
    gw_flow_start(f);
}

static void wait_for(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    f->state = GW_FLOW_WAIT;
    switch (x->waits_for) {
    case GW_WAIT_LISTING:
        gw_flow_link(&f->view->waiting, f);
        if (x->until_ms != 0)
            gw_flow_wait_at_most(f, x->until_ms - core_of(f)->now.mono_ms);
        gw_listing_begin(f->view, x->api, &x->wait); // may come back to this flow, or end it, before it returns
        break;
    case GW_WAIT_KEYS:
        gw_flow_link(&core_of(f)->keyless, f);
        gw_flow_wait_at_most(f, KEYS_WAIT_MS);
        break;
    case GW_WAIT_INTROSPECTION:
        gw_introspect(f); // likewise
        break;
    default: assert(0 && "a wait that nobody ends");
    }
}

static void run(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    f->state = GW_FLOW_DECIDE;
    x->now = core_of(f)->now;
    int rc = gw_pipeline_run(x);
    switch (rc) {
    case GW_PASS: forward(f); break;
    case GW_BODY:
        f->state = GW_FLOW_COLLECT;
        if (x->request.expect_continue) {
            struct buf out;
            buf_init(&out, 0);
            gw_forward_continue(&out);
            gw_client_send(f->client, buf_span(&out));
            buf_fini(&out);
            x->request.expect_continue = false;
        }
        break;
    case GW_WAIT: wait_for(f); break;
    default: gw_flow_refuse(f, rc); break;
    }
}

void gw_flow_again(struct gw_flow *f)
{
    struct gw_client *c = f->client;
    gw_flow_unlink(f);
    if (f->x.waits_for == GW_WAIT_LISTING && f->x.until_ms != 0 && core_of(f)->now.mono_ms >= f->x.until_ms)
        gw_flow_fail(f, ERR_SHARD_TIMEOUT, "no listing within the time that the client gave");
    else
        run(f);
    gw_client_resume(c);
}

static void on_patience(struct gw_deadline *d)
{
    gw_flow_again((struct gw_flow *)((char *)d - offsetof(struct gw_flow, patience)));
}

void gw_flow_wait_at_most(struct gw_flow *f, int64_t ms)
{
    struct gw_core *core = core_of(f);
    f->patience.on_due = on_patience;
    gw_deadline_set(&core->wheel, &f->patience, core->now.mono_ms + ms);
}

static bool answered(const struct gw_core *core, const struct gw_key_wait *wait)
{
    for (size_t i = 0; i < core->present.n_bells; i++)
        if (span_eq(core->present.bells[i].iss, wait->iss))
            return core->present.bells[i].answered >= wait->ticket;
    return true; // its keys are not fetched any more
}

void gw_flow_keys_came(struct gw_core *core)
{
    struct gw_flow *again = core->keyless;
    core->keyless = NULL;
    if (again)
        again->link = &again;
    while (again) {
        struct gw_flow *f = again;
        if (answered(core, &f->x.key_wait)) {
            gw_flow_again(f);
            continue;
        }
        again = f->next;
        if (again)
            again->link = &again;
        f->link = NULL;
        gw_flow_link(&core->keyless, f);
    }
}

void gw_flow_listed(struct gw_view *view)
{
    struct gw_flow *again = view->waiting;
    view->waiting = NULL;
    if (again)
        again->link = &again;
    while (again)
        gw_flow_again(again);
}

// ----------------------------------------------------------------------------------------------- from the client

struct gw_flow *gw_flow_new(struct gw_client *c)
{
    struct gw_core *core = c->core;
    struct gw_flow *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->client = c;
    f->view = gw_view_ref(core->view);
    struct gw_exchange *x = &f->x;
    arena_init(&x->arena, ARENA_MAX);
    x->snapshot = f->view->snapshot;
    x->services = &f->view->services;
    x->peer = c->conn.tls.peer;
    x->tls = &c->conn.tls.facts;
    x->remote = c->conn.remote;
    x->now = core->now;
    x->started_ns = clock_mono_ns();
    gw_core_random_id(core, x->id);
    buf_init(&f->up, 0);
    buf_init(&f->collected, x->snapshot->inspected_body);
    buf_init(&f->lesson, LESSON_MAX);
    return f;
}

void gw_flow_free(struct gw_flow *f)
{
    gw_flow_unlink(f);
    gw_call_abort(&f->call);
    gw_gather_free(f->gather);
    f->gather = NULL;
    if (!f->recorded) {
        if (f->x.error == 0)
            f->x.error = ERR_CLIENT_GONE;
        gw_flow_record(f); // nobody is left to be refused
    }
    gw_exchange_fini(&f->x);
    buf_wipe(&f->up);
    buf_fini(&f->collected);
    buf_fini(&f->lesson);
    gw_view_unref(f->view);
    free(f);
}

void gw_flow_head(struct gw_flow *f)
{
    f->whole = f->x.request.framing == GW_FRAMING_NONE;
    gw_flow_trace(f);
    run(f);
}

void gw_flow_body(struct gw_flow *f, struct span piece)
{
    f->x.bytes_in += piece.n;
    switch (f->state) {
    case GW_FLOW_COLLECT:
        if (!buf_append(&f->collected, piece))
            gw_flow_refuse(f, f->collected.limit > 0 ? ERR_HTTP_BODY_SIZE : ERR_NOMEM);
        break;
    case GW_FLOW_FORWARD:
        if (piece.n >= PASS_MIN && gw_body_pass(&f->up_body, piece)) {
            gw_flow_flush(f);
            gw_call_write(&f->call, piece);
        } else if (gw_body_write(&f->up_body, piece, &f->up) != 0) {
            gw_flow_fail(f, ERR_INTERNAL, "the request's body could not be passed on");
        } else if (buf_len(&f->up) >= UP_HIGH) {
            gw_flow_flush(f);
        }
        break;
    default:
        f->discarded += piece.n;
        if (f->discarded > DISCARD_MAX)
            gw_client_done(f->client, true);
        break;
    }
}

void gw_flow_end(struct gw_flow *f)
{
    bool was_whole = f->whole;
    f->whole = true;
    switch (f->state) {
    case GW_FLOW_COLLECT:
        f->x.body = buf_span(&f->collected);
        run(f);
        break;
    case GW_FLOW_FORWARD:
        if (!was_whole)
            gw_flow_request_ended(f);
        break;
    case GW_FLOW_DISCARD: gw_client_done(f->client, false); break;
    default: break;
    }
}

void gw_flow_bad(struct gw_flow *f, int err, const char *what)
{
    f->x.close = true;
    if (f->state == GW_FLOW_DISCARD) { // its refusal is out already
        gw_client_done(f->client, true);
        return;
    }
    f->x.detail = span_str(what);
    gw_flow_unlink(f);
    gw_introspection_leave(&f->x.asked);
    gw_call_abort(&f->call);
    gw_flow_refuse(f, err);
}

void gw_flow_drained(struct gw_flow *f)
{
    if (f->state == GW_FLOW_FORWARD)
        gw_call_pause(&f->call, false);
}

bool gw_flow_streams(const struct gw_flow *f)
{
    return f->state == GW_FLOW_FORWARD && !f->whole && gw_call_queued(&f->call) == 0;
}

bool gw_flow_takes(const struct gw_flow *f)
{
    switch (f->state) {
    case GW_FLOW_HEAD:
    case GW_FLOW_DISCARD: return true;
    case GW_FLOW_COLLECT: return !f->whole;
    case GW_FLOW_FORWARD: return !f->whole && !gw_call_congested(&f->call);
    default: return false;
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/ask.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

struct gw_ask {
    struct gw_snapshot *snapshot;   // counted: certificates, trust and the credential are there
    struct gw_endpoints *endpoints; // likewise
    struct gw_remote remote;        // as configured, but for where
    struct gw_h1_limits limits;
    struct gw_origin origin;
    struct gw_fetch fetch;
    struct gw_fetch_field credential;
    struct gw_deadline soon; // so that nothing is told before the question was given back
    struct arena arena;
    gw_ask_answered on_done;
    void *ctx;
};

static void on_empty(struct gw_origin *o)
{
    struct gw_ask *a = o->owner;
    gw_origin_fini(&a->origin);
    gw_endpoints_unref(a->endpoints);
    gw_snapshot_unref(a->snapshot);
    arena_fini(&a->arena);
    free(a);
}

static void on_done(struct gw_fetch *f)
{
    struct gw_ask *a = f->owner;
    const struct gw_ask_reply answer = {
        .error = f->error, .what = f->what, .status = f->status, .body = buf_span(&f->answer)
    };
    a->on_done(a->ctx, &answer);
}

static void on_soon(struct gw_deadline *d)
{
    struct gw_ask *a = (struct gw_ask *)((char *)d - offsetof(struct gw_ask, soon));
    gw_fetch_start(&a->fetch);
}

static void fill(struct gw_ask *a, const struct gw_ask_question *q)
{
    a->credential = q->credential;
    a->remote = *q->remote;
    a->remote.endpoints = a->endpoints->v;
    a->remote.n_endpoints = a->endpoints->n;
    a->remote.care = (struct gw_remote_care){ 0 };
    a->remote.max_idle = 0;
    a->limits = gw_h1_default_limits;
    a->limits.body = q->answer_max;
    a->fetch = (struct gw_fetch){
        .origin = &a->origin,
        .method = q->method,
        .target = arena_dup(&a->arena, q->target),
        .body = span_is_none(q->body) ? SPAN_NONE : arena_dup(&a->arena, q->body),
        .fields = &a->credential,
        .n_fields = span_is_none(q->credential.name) ? 0 : 1,
        .answer_max = q->answer_max,
        .within_ms = q->within_ms,
        .repeatable = q->repeatable,
        .on_done = on_done,
        .owner = a,
    };
}

struct gw_ask *gw_ask_new(const struct gw_origin_ground *ground, struct gw_snapshot *s, const struct gw_ask_question *q,
                          gw_ask_answered answered, void *ctx)
{
    struct gw_ask *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    arena_init(&a->arena, 64 << 10);
    a->snapshot = gw_snapshot_ref(s);
    a->endpoints = gw_endpoints_ref(q->endpoints);
    a->on_done = answered;
    a->ctx = ctx;
    a->soon.on_due = on_soon;
    fill(a, q);
    struct diags diags;
    diags_init(&diags);
    bool ok = !a->arena.failed &&
              gw_origin_init(&a->origin, &a->remote, &a->limits, ground, ground->now->wall_ms / 1000, &diags) == 0;
    diags_fini(&diags);
    a->origin.owner = a;
    a->origin.on_empty = on_empty;
    if (!ok) {
        on_empty(&a->origin);
        return NULL;
    }
    gw_deadline_set(ground->wheel, &a->soon, ground->now->mono_ms);
    return a;
}

void gw_ask_free(struct gw_ask *a)
{
    if (!a)
        return;
    gw_deadline_remove(&a->soon);
    gw_fetch_fini(&a->fetch);
    gw_origin_retire(&a->origin);
}

// ----------------------------------------------------------------------------------------------------- and waiting

struct wait {
    struct gw_control control;
    struct gw_ask *ask;
    struct gw_ask_reply *answer;
    struct buf *body;
};

static void on_end(uv_timer_t *t)
{
    struct wait *w = (struct wait *)((char *)t - offsetof(struct wait, control.tick));
    gw_ask_free(w->ask);
    uv_close((uv_handle_t *)t, NULL);
}

// Its connections go in a moment of their own, for this is called by one of them. It need not be the wheel's next one: who asks a thousand questions,
// one after the other, would wait for a tick each time.
static void on_answer(void *ctx, const struct gw_ask_reply *a)
{
    struct wait *w = ctx;
    *w->answer = *a;
    w->answer->body = SPAN_NONE;
    if (a->error == 0 && !buf_append(w->body, a->body))
        w->answer->error = ERR_SHARD_ANSWER;
    uv_timer_start(&w->control.tick, on_end, 0, 0);
}

void gw_ask_now(struct gw_snapshot *s, const struct gw_tls_trust *bundles, const struct gw_ask_question *q,
                struct gw_ask_reply *answer, struct buf *body)
{
    uv_loop_t uv;
    struct wait *w = calloc(1, sizeof *w);
    *answer = (struct gw_ask_reply){ .error = ERR_NOMEM, .what = "out of memory", .body = SPAN_NONE };
    if (!w || uv_loop_init(&uv) != 0) {
        free(w);
        return;
    }
    signal(SIGPIPE, SIG_IGN);
    w->answer = answer;
    w->body = body;
    if (gw_control_init(&w->control, &uv) == 0) {
        const struct gw_origin_ground ground = gw_control_ground(&w->control);
        w->control.bundles = *bundles;
        w->ask = gw_ask_new(&ground, s, q, on_answer, w);
        if (w->ask) {
            gw_deadline_remove(&w->ask->soon);
            on_soon(&w->ask->soon);
        } else {
            *answer = (struct gw_ask_reply){ .error = ERR_INTERNAL,
                                             .what = "its TLS options cannot be used",
                                             .body = SPAN_NONE };
            uv_close((uv_handle_t *)&w->control.tick, NULL);
        }
        uv_run(&uv, UV_RUN_DEFAULT);
        uv_loop_close(&uv);
        gw_control_fini(&w->control);
    } else {
        uv_loop_close(&uv);
    }
    free(w);
}

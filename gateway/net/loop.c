// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/loop.h"

#include "gateway/net/client.h"
#include "gateway/net/door.h"
#include "gateway/net/flow.h"
#include "gateway/net/sweep.h"

#include <stdlib.h>

static void on_wake_up(struct gw_tcp_loop *tcp)
{
    struct gw_loop *l = (struct gw_loop *)((char *)tcp - offsetof(struct gw_loop, tcp));
    l->core.now = clock_read();
}

struct taken {
    struct gw_loop *l;
    uv_tcp_t *handle; // NULL: it is a client's
    char remote[GW_SOCKET_PEER];
};

static int accept_one(void *ctx, struct gw_socket *s, char remote[static GW_SOCKET_PEER])
{
    struct taken *t = ctx;
    int rc = gw_tcp_adopt(&t->l->tcp, t->handle, s);
    if (rc != 0)
        return rc;
    t->handle = NULL;
    memcpy(remote, t->remote, sizeof t->remote);
    return 0;
}

// False: there is no memory for it, and libuv, which has taken it from the kernel's queue, asks for no other before it was accepted.
static bool take_in(struct gw_loop *l, uv_stream_t *listener)
{
    struct taken t = { .l = l };
    int64_t from_ns = clock_mono_ns();
    if (!gw_tcp_take(&l->tcp, listener, &t.handle, t.remote))
        return false;
    if (t.handle && gw_door_open(&l->core, t.remote))
        gw_client_new(&l->core, accept_one, &t);
    if (t.handle)
        gw_tcp_turn_away(t.handle);
    gw_turns_spent(&l->turns, from_ns);
    return true;
}

// Whoever is not taken up now waits in the kernel's queue: libuv asks for no other before he was.
static void on_connection(uv_stream_t *listener, int status)
{
    struct gw_loop *l = listener->data;
    if (status != 0)
        return;
    on_wake_up(&l->tcp);
    l->held[(uv_tcp_t *)listener - l->listeners] = !gw_turns_open(&l->turns) || !take_in(l, listener);
}

static void on_go_on(uv_idle_t *i)
{
    (void)i; // that it is there keeps the loop awake
}

static void on_round(uv_check_t *c)
{
    struct gw_loop *l = c->data;
    bool more = l->turns.first != NULL;
    if (more) {
        on_wake_up(&l->tcp);
        more = gw_turns_run(&l->turns);
    }
    for (size_t i = 0; i < l->n_listeners; i++) {
        if (!l->held[i] || uv_is_closing((uv_handle_t *)&l->listeners[i]))
            continue;
        if (gw_turns_open(&l->turns)) {
            on_wake_up(&l->tcp);
            l->held[i] = !take_in(l, (uv_stream_t *)&l->listeners[i]); // without memory: again behind the next event
        } else {
            more = true;
        }
    }
    if (more)
        uv_idle_start(&l->go_on, on_go_on);
    else
        uv_idle_stop(&l->go_on);
}

static void on_tick(uv_timer_t *t)
{
    struct gw_loop *l = t->data;
    on_wake_up(&l->tcp);
    gw_wheel_advance(&l->core.wheel, l->core.now.mono_ms);
    gw_door_tell(&l->core, false);
}

static void on_audit_progress(void *ctx)
{
    struct gw_loop *l = ctx;
    uv_async_send(&l->wake);
}

// libuv has taken whoever is held from the kernel's queue: nobody else could serve him.
static void close_listeners(struct gw_loop *l)
{
    for (size_t i = 0; i < l->n_listeners; i++) {
        if (uv_is_closing((uv_handle_t *)&l->listeners[i]))
            continue;
        if (l->held[i])
            take_in(l, (uv_stream_t *)&l->listeners[i]);
        l->held[i] = false;
        uv_close((uv_handle_t *)&l->listeners[i], NULL);
    }
}

static void drained(struct gw_core *core)
{
    struct gw_loop *l = core->owner;
    if (!atomic_exchange(&l->drained, true) && l->on_drained)
        l->on_drained(l->ctx);
}

static void begin_drain(struct gw_loop *l)
{
    l->core.draining = true;
    close_listeners(l);
    for (struct gw_client *c = l->core.clients, *next; c; c = next) {
        next = c->next;
        gw_client_drain(c);
    }
    if (l->core.n_clients == 0)
        drained(&l->core);
}

static void take_up(struct gw_loop *l)
{
    struct gw_generation *g = atomic_exchange(&l->next, NULL);
    if (!g)
        return;
    if (g->revocations)
        gw_core_adopt_revocations(&l->core, g->revocations);
    if (g->directory)
        gw_core_adopt_directory(&l->core, g->directory);
    if (g->own)
        gw_core_adopt_own(&l->core, g->own);
    if (g->snapshot && gw_core_adopt(&l->core, g->snapshot) != 0)
        log_error(l->core.shared->log, "loop %u: the new configuration could not be taken up; the old one stays",
                  l->core.index);
    gw_sweep(&l->core);
    gw_flow_keys_came(&l->core);
    free(g);
}

static void on_wake(uv_async_t *a)
{
    struct gw_loop *l = a->data;
    if (l->over)
        return;
    on_wake_up(&l->tcp);
    take_up(l);
    gw_flow_audit_progress(&l->core);
    if (atomic_load(&l->drain) && !l->core.draining)
        begin_drain(l);
    if (atomic_load(&l->stop))
        uv_stop(&l->uv);
}

static void close_handle(uv_handle_t *h, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void run(void *ctx)
{
    struct gw_loop *l = ctx;
    uv_run(&l->uv, UV_RUN_DEFAULT);
    on_wake_up(&l->tcp);
    close_listeners(l);
    gw_door_tell(&l->core, true);
    for (struct gw_client *c = l->core.clients, *next; c; c = next) {
        next = c->next;
        gw_client_cut(c);
    }
    // Callbacks of what was closed run before the things they belong to are gone.
    uv_run(&l->uv, UV_RUN_NOWAIT);
    l->over = true;
    gw_core_fini(&l->core);
    uv_close((uv_handle_t *)&l->tick, NULL);
    uv_close((uv_handle_t *)&l->round, NULL);
    uv_close((uv_handle_t *)&l->go_on, NULL);
    // The audit's thread still reports progress: what it wakes us with stays open until gw_loop_fini.
    uv_unref((uv_handle_t *)&l->wake);
    uv_run(&l->uv, UV_RUN_DEFAULT);
}

int gw_loop_init(struct gw_loop *l, const struct gw_shared *shared, unsigned index, size_t loops, const int *fds,
                 size_t n_fds, struct gw_snapshot *snapshot, struct gw_revocations *revocations)
{
    *l = (struct gw_loop){ .n_listeners = 0 };
    if (uv_loop_init(&l->uv) != 0 || gw_tcp_loop_init(&l->tcp, &l->uv) != 0)
        goto fail;
    l->tcp.on_wake = on_wake_up;
    if (uv_async_init(&l->uv, &l->wake, on_wake) != 0 || uv_timer_init(&l->uv, &l->tick) != 0)
        goto fail;
    if (uv_check_init(&l->uv, &l->round) != 0 || uv_idle_init(&l->uv, &l->go_on) != 0)
        goto fail;
    l->wake.data = l->tick.data = l->round.data = l;
    gw_turns_init(&l->turns, clock_mono_ns);
    l->listeners = calloc(n_fds, sizeof *l->listeners);
    l->held = calloc(n_fds, sizeof *l->held);
    if (!l->listeners || !l->held)
        goto fail;
    int rc = gw_core_init(&l->core, shared, index, loops, gw_tcp_dialler(&l->tcp), &l->metrics, snapshot, revocations);
    if (rc != 0)
        return rc;
    l->core.owner = l;
    l->core.turns = &l->turns;
    uv_check_start(&l->round, on_round);
    l->core.on_idle = drained;
    for (size_t i = 0; i < n_fds; i++) {
        uv_tcp_init(&l->uv, &l->listeners[i]);
        l->listeners[i].data = l;
        l->n_listeners++;
        if (uv_tcp_open(&l->listeners[i], fds[i]) != 0 ||
            uv_listen((uv_stream_t *)&l->listeners[i], 1024, on_connection) != 0)
            return ERR_INTERNAL;
    }
    uv_timer_start(&l->tick, on_tick, GW_WHEEL_TICK_MS, GW_WHEEL_TICK_MS);
    return 0;
fail:
    gw_snapshot_unref(snapshot);
    gw_revocations_unref(revocations);
    return ERR_NOMEM;
}

int gw_loop_start(struct gw_loop *l)
{
    gw_audit_listen(l->core.shared->audit, l->core.index, on_audit_progress, l);
    l->started = uv_thread_create(&l->thread, run, l) == 0;
    return l->started ? 0 : ERR_NOMEM;
}

void gw_generation_free(struct gw_generation *g)
{
    if (!g)
        return;
    gw_snapshot_unref(g->snapshot);
    gw_revocations_unref(g->revocations);
    gw_directory_unref(g->directory);
    gw_own_certificate_unref(g->own);
    free(g);
}

void gw_generation_publish(_Atomic(struct gw_generation *) *slot, struct gw_generation *g)
{
    // Taken back before the new one is published: from then on it is the loop's, and may be gone. Only this thread publishes.
    struct gw_generation *missed = atomic_exchange(slot, NULL);
    // What is newer must not push out what is only newer of something else: it goes along.
    if (missed && !g->snapshot) {
        g->snapshot = missed->snapshot;
        missed->snapshot = NULL;
    }
    if (missed && !g->revocations) {
        g->revocations = missed->revocations;
        missed->revocations = NULL;
    }
    if (missed && !g->directory) {
        g->directory = missed->directory;
        missed->directory = NULL;
    }
    if (missed && !g->own) {
        g->own = missed->own;
        missed->own = NULL;
    }
    gw_generation_free(missed);
    atomic_store(slot, g);
}

void gw_loop_adopt(struct gw_loop *l, struct gw_generation *g)
{
    gw_generation_publish(&l->next, g);
    uv_async_send(&l->wake);
}

void gw_loop_drain(struct gw_loop *l)
{
    atomic_store(&l->drain, true);
    uv_async_send(&l->wake);
}

void gw_loop_stop(struct gw_loop *l)
{
    atomic_store(&l->stop, true);
    uv_async_send(&l->wake);
    if (l->started)
        uv_thread_join(&l->thread);
    else
        run(l);
    gw_generation_free(atomic_exchange(&l->next, NULL));
}

void gw_loop_fini(struct gw_loop *l)
{
    uv_walk(&l->uv, close_handle, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_loop_close(&l->uv);
    gw_tcp_loop_fini(&l->tcp);
    free(l->listeners);
    free(l->held);
}

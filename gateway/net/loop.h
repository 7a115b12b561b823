// SPDX-License-Identifier: GPL-3.0-or-later
// An event loop: a thread, libuv, its own listeners and a core. Other threads speak to it in three ways only: a new generation to take up, the
// word to drain, the word to stop.
#ifndef SALLYPORT_NET_LOOP_H
#define SALLYPORT_NET_LOOP_H

#include "gateway/net/core.h"
#include "gateway/net/tcp.h"
#include "gateway/net/turns.h"

#include <stdatomic.h>

// A configuration and the revocations that were read with it, or revocations alone, or where shards are.
struct gw_generation {
    struct gw_snapshot *snapshot; // each NULL: unchanged
    struct gw_revocations *revocations;
    struct gw_directory *directory;
    struct gw_own_certificate *own;
};

struct gw_loop {
    struct gw_core core;
    struct gw_metrics metrics;
    struct gw_tcp_loop tcp;
    uv_loop_t uv;
    uv_async_t wake;
    uv_timer_t tick;
    uv_check_t round; // its end: handshakes take their turns
    uv_idle_t go_on;  // while some of them wait
    struct gw_turns turns;
    uv_tcp_t *listeners;
    bool *held; // of each: somebody waits to be accepted
    size_t n_listeners;
    uv_thread_t thread;
    _Atomic(struct gw_generation *) next;
    atomic_bool drain, stop, drained;
    bool started;
    bool over;                     // the thread's work is done
    void (*on_drained)(void *ctx); // from the loop's thread
    void *ctx;
};

// `fds` are listening sockets of its own (bound, with SO_REUSEPORT); they are taken over. References are taken over. 0 or an error.
int gw_loop_init(struct gw_loop *l, const struct gw_shared *shared, unsigned index, size_t loops, const int *fds,
                 size_t n_fds, struct gw_snapshot *snapshot, struct gw_revocations *revocations);
int gw_loop_start(struct gw_loop *l);
// From the control thread. `g` is taken over; one that was not taken up yet is replaced.
void gw_loop_adopt(struct gw_loop *l, struct gw_generation *g);
void gw_generation_free(struct gw_generation *g); // NULL is fine
// Puts `g` where its taker finds it; of one that was not taken up yet, what is not in `g` goes along. One thread publishes.
void gw_generation_publish(_Atomic(struct gw_generation *) *slot, struct gw_generation *g);
// No new connection; the present ones end after their request. Then on_drained.
void gw_loop_drain(struct gw_loop *l);
// Ends the thread, cutting what is still there, and joins it. One that was never started ends as well.
void gw_loop_stop(struct gw_loop *l);
// Frees a stopped loop, when the audit it listens to is closed.
void gw_loop_fini(struct gw_loop *l);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/key_bell.h"

#include <stdatomic.h>
#include <stdlib.h>

struct gw_key_bell {
    _Atomic(unsigned) refs;
    _Atomic(uint64_t) asked;
    _Atomic(int64_t) open_ms; // before this nobody gets a new ticket
    int64_t pause_ms;
    void (*on_rung)(void *ctx);
    void *ctx;
};

struct gw_key_bell *gw_key_bell_new(int64_t pause_ms, void (*on_rung)(void *ctx), void *ctx)
{
    struct gw_key_bell *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->refs = 1;
    b->open_ms = INT64_MIN;
    b->pause_ms = pause_ms;
    b->on_rung = on_rung;
    b->ctx = ctx;
    return b;
}

struct gw_key_bell *gw_key_bell_ref(struct gw_key_bell *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void gw_key_bell_unref(struct gw_key_bell *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        free(b);
}

uint64_t gw_key_bell_ring(struct gw_key_bell *b, uint64_t answered, int64_t mono_ms)
{
    uint64_t asked = atomic_load(&b->asked);
    if (asked > answered)
        return asked;
    if (mono_ms < atomic_load(&b->open_ms))
        return 0;
    // Of two that come at once, the second finds the first's ticket in `asked`.
    if (!atomic_compare_exchange_strong(&b->asked, &asked, asked + 1))
        return asked;
    atomic_store(&b->open_ms, mono_ms + b->pause_ms);
    b->on_rung(b->ctx);
    return asked + 1;
}

uint64_t gw_key_bell_rung(const struct gw_key_bell *b)
{
    return atomic_load(&b->asked);
}

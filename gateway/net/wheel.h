// SPDX-License-Identifier: GPL-3.0-or-later
// Deadlines of many connections under one libuv timer. A deadline that moves away costs one store: the entry stays in its slot and is
// put further along when the slot comes round. Only a deadline that moves nearer is re-filed at once. One wheel a loop, no locks.
#ifndef SALLYPORT_NET_WHEEL_H
#define SALLYPORT_NET_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define GW_WHEEL_SLOTS 512
#define GW_WHEEL_TICK_MS 50

struct gw_deadline {
    struct gw_deadline *next, **link;      // link == NULL: not filed
    int64_t due_ms;                        // monotonic; INT64_MAX: none at present
    int64_t filed_ms;                      // the due time of the slot it stands in
    void (*on_due)(struct gw_deadline *d); // called unfiled; may set again or free its owner
};

struct gw_wheel {
    struct gw_deadline *slots[GW_WHEEL_SLOTS];
    int64_t tick; // last tick that was served
};

void gw_wheel_init(struct gw_wheel *w, int64_t mono_ms);
// `d` must be zeroed, with on_due set, before its first use.
void gw_deadline_set(struct gw_wheel *w, struct gw_deadline *d, int64_t due_ms);
// Stays filed until its slot comes round; costs one store.
static inline void gw_deadline_clear(struct gw_deadline *d)
{
    d->due_ms = INT64_MAX;
}
// Must be called before the owner is freed.
void gw_deadline_remove(struct gw_deadline *d);
// Calls on_due for everything due at `mono_ms`.
void gw_wheel_advance(struct gw_wheel *w, int64_t mono_ms);

#endif

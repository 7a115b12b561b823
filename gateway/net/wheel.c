// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/wheel.h"

#include <stddef.h>

void gw_wheel_init(struct gw_wheel *w, int64_t mono_ms)
{
    *w = (struct gw_wheel){ .tick = mono_ms / GW_WHEEL_TICK_MS };
}

static void file(struct gw_wheel *w, struct gw_deadline *d, int64_t due_ms)
{
    // Rounded up, so that a slot is never served before its entries are due, and never into a tick already served.
    int64_t tick = (due_ms + GW_WHEEL_TICK_MS - 1) / GW_WHEEL_TICK_MS;
    if (tick <= w->tick)
        tick = w->tick + 1;
    // Beyond one turn it waits in the furthest slot and is filed again from there.
    if (tick > w->tick + GW_WHEEL_SLOTS - 1)
        tick = w->tick + GW_WHEEL_SLOTS - 1;
    struct gw_deadline **slot = &w->slots[tick % GW_WHEEL_SLOTS];
    d->filed_ms = tick * GW_WHEEL_TICK_MS;
    d->next = *slot;
    if (d->next)
        d->next->link = &d->next;
    d->link = slot;
    *slot = d;
}

void gw_deadline_remove(struct gw_deadline *d)
{
    if (!d->link)
        return;
    *d->link = d->next;
    if (d->next)
        d->next->link = d->link;
    d->link = NULL;
    d->next = NULL;
}

void gw_deadline_set(struct gw_wheel *w, struct gw_deadline *d, int64_t due_ms)
{
    d->due_ms = due_ms;
    if (d->link && due_ms >= d->filed_ms)
        return;
    gw_deadline_remove(d);
    file(w, d, due_ms);
}

void gw_wheel_advance(struct gw_wheel *w, int64_t mono_ms)
{
    int64_t now_tick = mono_ms / GW_WHEEL_TICK_MS;
    // After a long sleep one whole turn visits every slot; more would visit them twice.
    if (now_tick > w->tick + GW_WHEEL_SLOTS)
        w->tick = now_tick - GW_WHEEL_SLOTS;
    while (w->tick < now_tick) {
        w->tick++;
        struct gw_deadline **slot = &w->slots[w->tick % GW_WHEEL_SLOTS];
        // Entries are taken one by one from the head: on_due may remove any other entry of this slot.
        struct gw_deadline *keep = NULL;
        for (struct gw_deadline *d; (d = *slot) != NULL;) {
            gw_deadline_remove(d);
            if (d->due_ms == INT64_MAX)
                continue;
            if (d->due_ms > mono_ms) {
                // Filing now could put it back into this very slot (a turn ahead), which would never end.
                d->next = keep;
                if (keep)
                    keep->link = &d->next;
                d->link = &keep;
                keep = d;
                continue;
            }
            d->on_due(d);
        }
        for (struct gw_deadline *d; (d = keep) != NULL;) {
            gw_deadline_remove(d);
            file(w, d, d->due_ms);
        }
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/turns.h"

#define OTHERS_NS 20000000 // somebody is at work who was so long ago
#define CREDIT_NS 1000000  // that can be saved up: what a round of the loop may be longer
#define NS_PER_MS 1000000

void gw_turns_init(struct gw_turns *t, int64_t (*clock)(void))
{
    *t = (struct gw_turns){ .clock = clock, .seen_ns = clock(), .others_ns = INT64_MIN / 2 };
    t->last = &t->first;
}

bool gw_turns_put(struct gw_turns *t, struct gw_turn *turn, struct span in)
{
    if (buf_len(&turn->in) + in.n > GW_TURNS_SMALL && t->bytes + in.n > GW_TURNS_BYTES)
        return false;
    if (!buf_append(&turn->in, in))
        return false;
    t->bytes += in.n;
    if (turn->link)
        return true;
    turn->next = NULL;
    turn->link = t->last;
    *t->last = turn;
    t->last = &turn->next;
    return true;
}

static void unlink_turn(struct gw_turns *t, struct gw_turn *turn)
{
    *turn->link = turn->next;
    if (turn->next)
        turn->next->link = turn->link;
    else
        t->last = turn->link;
    turn->link = NULL;
    t->bytes -= buf_len(&turn->in);
}

void gw_turns_drop(struct gw_turns *t, struct gw_turn *turn)
{
    if (!turn->link)
        return;
    unlink_turn(t, turn);
    buf_fini(&turn->in);
}

void gw_turns_others(struct gw_turns *t, int64_t now_ms)
{
    t->others_ns = now_ms * NS_PER_MS;
}

// Until now nothing went into handshakes.
static void earn(struct gw_turns *t)
{
    int64_t now = t->clock();
    t->credit_ns += now - t->seen_ns;
    if (t->credit_ns > CREDIT_NS || now - t->others_ns > OTHERS_NS)
        t->credit_ns = CREDIT_NS;
    t->seen_ns = now;
}

bool gw_turns_open(struct gw_turns *t)
{
    earn(t);
    return t->credit_ns > 0;
}

void gw_turns_spent(struct gw_turns *t, int64_t from_ns)
{
    int64_t now = t->clock();
    t->credit_ns -= now - from_ns;
    t->seen_ns = now;
}

bool gw_turns_run(struct gw_turns *t)
{
    if (t->first)
        earn(t);
    while (t->first && t->credit_ns > 0) {
        struct gw_turn *turn = t->first;
        struct buf in = turn->in;
        int64_t from = t->seen_ns;
        unlink_turn(t, turn);
        buf_init(&turn->in, 0);
        turn->on_turn(turn, buf_span(&in)); // it may be gone behind this
        buf_fini(&in);
        gw_turns_spent(t, from);
    }
    return t->first != NULL;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes take turns. A handshake costs as much as several requests, anybody can begin one, and there may be a thousand at once: what clients send in
// theirs is kept, in order, until the end of the loop's round. While connections that are past their first answer are at work, handshakes get as
// much of the loop's time as everything else together, and never two of them in a row at somebody's cost; when nobody is, they get all of it. So a
// storm of them takes at most half of what the others could do.
//
// A loop's own; loop.h calls it. Bounded in bytes, together; what is small finds room all the same, so that who sends much shuts nobody out.
#ifndef SALLYPORT_NET_TURNS_H
#define SALLYPORT_NET_TURNS_H

#include "gateway/base/buf.h"

#define GW_TURNS_BYTES (8u << 20) // of what waits …
#define GW_TURNS_SMALL (6u << 10) // … beyond so much of each, which a handshake's own messages fit into

// Of one connection, which has it in itself.
struct gw_turn {
    struct gw_turn *next, **link; // NULL: it does not wait
    struct buf in;                // what came
    void (*on_turn)(struct gw_turn *turn, struct span in);
};

struct gw_turns {
    int64_t (*clock)(void); // monotonic, ns
    struct gw_turn *first, **last;
    size_t bytes;
    int64_t credit_ns, seen_ns; // what handshakes may take; up to when that was counted
    int64_t others_ns;          // when others were at work
};

void gw_turns_init(struct gw_turns *t, int64_t (*clock)(void));
// Keeps the bytes until it is this connection's turn; more of them than one connection's go with those that wait already. False: there is no room.
bool gw_turns_put(struct gw_turns *t, struct gw_turn *turn, struct span in);
// It does not wait any more, and what it sent is dropped. Fine for one that does not wait.
void gw_turns_drop(struct gw_turns *t, struct gw_turn *turn);
// Somebody whose handshake is long over is at work.
void gw_turns_others(struct gw_turns *t, int64_t now_ms);
// Whether a new connection may be taken up now; else it is left where it is until gw_turns_run.
bool gw_turns_open(struct gw_turns *t);
// Time went into handshakes elsewhere, since `from_ns`: into taking up a connection.
void gw_turns_spent(struct gw_turns *t, int64_t from_ns);
// The end of a round. True: some still wait, and the loop must not sleep.
bool gw_turns_run(struct gw_turns *t);

#endif

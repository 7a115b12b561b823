// SPDX-License-Identifier: GPL-3.0-or-later
// What was allowed once is not allowed for ever: exchanges that are under way are looked at again, once a second for what expires by itself, and
// whenever newer revocations or bundles were taken up. One whose certificate or token no longer stands (stages/standing.h) ends where it is: the
// call to the shard is given up; a client that has had nothing of the answer is told, another one sees it cut; the record says why.
//
// Idle connections learn of it with their next request.
#ifndef SALLYPORT_NET_SWEEP_H
#define SALLYPORT_NET_SWEEP_H

#include "gateway/net/core.h"

#define GW_SWEEP_MS 1000

// All exchanges of the loop, now. Not from within a callback of one of them.
void gw_sweep(struct gw_core *core);
// Begins, and ends, the sweep once a second by the core's wheel.
void gw_sweep_begin(struct gw_core *core);
void gw_sweep_end(struct gw_core *core);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Asks every endpoint of every shard, again and again, whether it is ready (health_check.h), and writes the judgement where the loops read it
// (health.h). Once a process, on the control thread; each question on a connection of its own, since that is what a new request may need.
//
// An endpoint that answered badly is asked every second, until it is well again or the shard is taken out of the configuration. When all of a
// shard are sick its requests are refused at once; so only what the server itself says or does not say counts against it. An answer that shows
// a wrong path or credential does not: it is logged once.
#ifndef SALLYPORT_NET_PROBER_H
#define SALLYPORT_NET_PROBER_H

#include "gateway/base/log.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/directory.h"
#include "gateway/net/health.h"
#include "gateway/net/origin.h"

struct gw_prober;

// `ground`, `log` and `board` outlive it. NULL: out of memory.
struct gw_prober *gw_prober_new(const struct gw_origin_ground *ground, struct log *log, struct gw_health_board *board);
// Another snapshot is in force; references are taken. False: out of memory, some endpoints are not checked and count as ready.
bool gw_prober_adopt(struct gw_prober *p, struct gw_snapshot *s);
// The endpoints of the shards whose configuration does not name them are these now. False as above.
bool gw_prober_find(struct gw_prober *p, const struct gw_directory *directory);
// Asks nothing more, and lets its connections go; they close while the loop goes on, after which the prober may be gone.
void gw_prober_free(struct gw_prober *p);

// Fills rows for metrics, at most `most`; returns how many there are. Texts live until the next of either.
size_t gw_prober_count(const struct gw_prober *p, struct gw_metrics_endpoint *rows, size_t most);

#endif

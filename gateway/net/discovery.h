// SPDX-License-Identifier: GPL-3.0-or-later
// Finds out, on the main thread, where the shards are whose configuration says `discover`, again and again, and tells when something changed:
//
//   DNS: asked when the answer's TTL ends, at the earliest a second and at the latest `refresh` after the last one; what failed is asked again
//        after a second, then two, four … up to half a minute.
//   files: looked at every second, read when they are others than before.
//
// What was found stays until something else is found. An answer that fails, or has nothing in it, changes nothing: a name server that is down, a file that is being
// written, a service whose last pod is just restarting must not take away endpoints that may well be alive; whether they are is for connections and health checks to
// say. It is logged, once until it is answered again, and counted.
//
// Equal look-ups of several shards are one. A reload keeps what was found for look-ups that are in the new configuration too.
#ifndef SALLYPORT_NET_DISCOVERY_H
#define SALLYPORT_NET_DISCOVERY_H

#include "gateway/base/log.h"
#include "gateway/config/snapshot.h"
#include "gateway/endpoint/metrics.h"
#include "gateway/net/directory.h"

#include <uv.h>

struct gw_discovery;

struct gw_discovery_options {
    uv_loop_t *uv;
    struct log *log;
    void (*on_news)(void *ctx); // from the loop, never from within gw_discovery_adopt
    void *ctx;
};

// NULL: out of memory. The loop must be there.
struct gw_discovery *gw_discovery_new(const struct gw_discovery_options *options);
// Another snapshot is in force; a reference is taken. Files are read, names are asked about from now on.
void gw_discovery_adopt(struct gw_discovery *d, struct gw_snapshot *s);
// What is known now; one reference. NULL: out of memory.
struct gw_directory *gw_discovery_directory(const struct gw_discovery *d);
// A row for each shard of the snapshot, up to `max`; returns how many. NULL is fine.
size_t gw_discovery_describe(const struct gw_discovery *d, struct gw_metrics_shard *rows, size_t max);
// Asks nothing more; what it has open closes while the loop goes on. NULL is fine.
void gw_discovery_retire(struct gw_discovery *d);
// After the loop has closed its handles. NULL is fine.
void gw_discovery_free(struct gw_discovery *d);

#endif

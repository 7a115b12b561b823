// SPDX-License-Identifier: GPL-3.0-or-later
// The way to one server that the main thread keeps asking, as a snapshot describes it: the feed of revocations, the audit log's collector, the traces'
// collector. It keeps the snapshot alive that its TLS and its timeouts are of. With another snapshot another line is dialled, and the old one hung up.
#ifndef SALLYPORT_NET_LINE_H
#define SALLYPORT_NET_LINE_H

#include "gateway/config/snapshot.h"
#include "gateway/net/origin.h"

struct gw_line {
    struct gw_origin origin;
    struct gw_remote remote;      // a copy, which its caller may have adapted; what it points to is the snapshot's
    struct gw_snapshot *snapshot; // counted
};

// NULL: out of memory, or the server cannot be reached as it is configured; the reasons are in `diags`.
struct gw_line *gw_line_dial(struct gw_snapshot *s, const struct gw_remote *remote,
                             const struct gw_origin_ground *ground, struct diags *diags);
// Frees itself once its connections are closed. A fetch on it is ended before. NULL is fine.
void gw_line_hang_up(struct gw_line *l);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Sends the audit log to a collector, batch by batch, from its files (audit/spool.h). It runs on the control thread, never in a request's way; what is not
// sent when the process ends is sent by the next one. A batch counts as taken with any 2xx; whatever else comes is tried again, so that each record arrives
// once at least, and its `seq` says which ones came twice.
#ifndef SALLYPORT_NET_SHIPPER_H
#define SALLYPORT_NET_SHIPPER_H

#include "gateway/audit/writer.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/fetch.h"

struct gw_shipper;

// NULL: out of memory.
struct gw_shipper *gw_shipper_new(const struct gw_origin_ground *ground, struct log *log, struct gw_audit *audit);
// Another snapshot is in force: with a collector, another one, or none.
void gw_shipper_adopt(struct gw_shipper *s, struct gw_snapshot *snapshot);
// In two steps, as origins end: no request any more; then freed, when the loop has run. NULL is fine.
void gw_shipper_retire(struct gw_shipper *s);
void gw_shipper_free(struct gw_shipper *s);

#endif

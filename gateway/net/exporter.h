// SPDX-License-Identifier: GPL-3.0-or-later
// Sends spans to a collector, OTLP/HTTP in JSON, batch by batch, on the control thread. Loops put their spans into a ring each, without a lock and without waiting:
// where there is no room a span is dropped and counted. A collector that is down or overloaded is asked again, slower and slower, about the same batch, for about a
// minute; then that is dropped and the next one tried. What is still in the rings when the process ends gets one short chance.
#ifndef SALLYPORT_NET_EXPORTER_H
#define SALLYPORT_NET_EXPORTER_H

#include "gateway/config/snapshot.h"
#include "gateway/net/fetch.h"

struct gw_exporter;

// For so many loops. NULL: out of memory.
struct gw_exporter *gw_exporter_new(const struct gw_origin_ground *ground, struct log *log, size_t loops);
// By the loop with that number: whole lines of gw_span_write. False: there is no room.
bool gw_exporter_put(struct gw_exporter *e, unsigned loop, struct span lines);

// Another snapshot is in force: with a collector, another one, or none.
void gw_exporter_adopt(struct gw_exporter *e, struct gw_snapshot *s);
// Spans that a collector took, and those that none did, so far.
void gw_exporter_count(const struct gw_exporter *e, uint64_t *taken, uint64_t *lost);
// No loop makes any more: sends what is left, for two seconds at most, and then calls back, perhaps before it returns.
void gw_exporter_flush(struct gw_exporter *e, void (*on_flushed)(void *ctx), void *ctx);
// In two steps, as origins end: no request any more; then freed, when the loop has run. NULL is fine.
void gw_exporter_retire(struct gw_exporter *e);
void gw_exporter_free(struct gw_exporter *e);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Asks the shards whether they are made for the filters that requests to them are confined by (api/survey.h), once loops have told of such a
// request (stages/sightings.h). On the control thread; no request waits for it, and nothing is decided by it: it warns in the log, once for
// each finding, and counts in the metrics.
//
// One question at a time, at most five a second. What was found is looked at again when requests like it still come a quarter of an hour later, and when
// another configuration is in force; a shard that does not answer is left alone for a minute. Bounded: 1,024 pairs of collection and field are
// known at once. What was not used for half an hour goes, and collections that turned out not to be there give way to others; when that is not enough,
// further ones are counted only.
#ifndef SALLYPORT_NET_SURVEYOR_H
#define SALLYPORT_NET_SURVEYOR_H

#include "gateway/base/log.h"
#include "gateway/net/directory.h"
#include "gateway/net/ask.h"
#include "gateway/stages/sightings.h"

struct gw_surveyor;

// `ground`, `log` and `sightings` outlive it. NULL: out of memory.
struct gw_surveyor *gw_surveyor_new(const struct gw_origin_ground *ground, struct log *log,
                                    struct gw_sightings *sightings);
// Another snapshot is in force (a reference is taken): what was found before is forgotten.
void gw_surveyor_adopt(struct gw_surveyor *s, struct gw_snapshot *snapshot);
// Where shards are whose configuration does not say it (a reference is taken).
void gw_surveyor_find(struct gw_surveyor *s, struct gw_directory *directory);
// Ends what is under way; its connection closes while the loop goes on. NULL is fine.
void gw_surveyor_free(struct gw_surveyor *s);

// For metrics: a row for each shard that was asked, at most `most`; how many were written.
size_t gw_surveyor_count(const struct gw_surveyor *s, struct gw_metrics_survey *rows, size_t most);
// Questions that were answered, that were not, and pairs there was no room for.
void gw_surveyor_totals(const struct gw_surveyor *s, struct gw_metrics_surveyor *totals);

#endif

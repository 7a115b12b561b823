// SPDX-License-Identifier: GPL-3.0-or-later
// How the loops tell the main thread which collections they confine requests to, and by which fields, so that it can ask the shards whether
// that is done well there (net/surveyor.h). A request pays a few hashes and a look at a table for it, and waits for nothing: what was told
// already is not told again for a quarter of an hour, or until another configuration is in force.
//
// Bounded: the table remembers the last 4,096 or so; what falls out of it is told once more. 256 wait to be taken; what comes then, while
// another thread is just telling, or with names longer than any server takes, is dropped, and told when it is seen the next time.
// Shared by all threads.
#ifndef SALLYPORT_STAGES_SIGHTINGS_H
#define SALLYPORT_STAGES_SIGHTINGS_H

#include "gateway/api/survey.h"

#define GW_SIGHTINGS_AGAIN_MS (15 * 60 * 1000)
#define GW_SIGHTINGS_WAITING 256

struct gw_sighting {
    struct gw_sighting *next;
    uint64_t generation; // of the configuration
    unsigned shard;      // of its snapshot
    struct gw_survey_subject subject;
    char text[]; // its names
};

struct gw_sightings;

// `key`: random, against chosen collisions. NULL: out of memory.
struct gw_sightings *gw_sightings_new(const uint64_t key[static 2]);
void gw_sightings_free(struct gw_sightings *s);
// Copies what it keeps. `now_ms` is monotonic.
void gw_sightings_tell(struct gw_sightings *s, uint64_t generation, unsigned shard,
                       const struct gw_survey_subject *subject, int64_t now_ms);
// All that wait, in order; each is the caller's to free.
struct gw_sighting *gw_sightings_take(struct gw_sightings *s);

#endif

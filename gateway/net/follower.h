// SPDX-License-Identifier: GPL-3.0-or-later
// Follows the authority's revocation feed on the control thread: asks, hands the answers to config/revoked_feed.h, which decides what they mean, and says
// until when requests may be decided by the set that is in force (config/revoked_term.h), which each loop looks at on every request.
//
// A configuration that is taken up while the process runs and names a feed for the first time has its first max_stale to hear from it, and one that names another
// feed what is left of the old one's; what was in force before stays so meanwhile. At the start there is no such time: nothing is decided before the first
// whole set is there.
#ifndef SALLYPORT_NET_FOLLOWER_H
#define SALLYPORT_NET_FOLLOWER_H

#include <stdatomic.h>

#include "gateway/base/log.h"
#include "gateway/config/revoked_feed.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/fetch.h"

#define GW_FOLLOWER_TEXT 256

struct gw_follower;

// `revocations` is where the present generation is found. NULL: out of memory.
struct gw_follower *gw_follower_new(const struct gw_origin_ground *ground, struct log *log,
                                    struct gw_revocations *const *revocations);
// The freshness of the first generation, before anything was adopted: nothing is fresh. One reference.
struct gw_revoked_term *gw_follower_fresh(const struct gw_follower *f);
// Another snapshot is in force; a reference is taken. Also for one that names no feed: then everything is fresh for ever.
void gw_follower_adopt(struct gw_follower *f, struct gw_snapshot *s);
// Whether the set is another one than at the last call, and then the new one (NULL when no feed is followed) and its freshness: one reference each. A few
// times a second.
bool gw_follower_look(struct gw_follower *f, struct pki_revoked **set, struct gw_revoked_term **fresh);
// Asks nothing more, and lets its connections go; they close while the loop goes on.
void gw_follower_retire(struct gw_follower *f);
// After that. NULL is fine.
void gw_follower_free(struct gw_follower *f);

// For readiness: one line when the feed is not fresh; else SPAN_NONE. NULL is fine.
struct span gw_follower_fault(const struct gw_follower *f, char text[static GW_FOLLOWER_TEXT]);

struct gw_feed_state;
void gw_follower_describe(const struct gw_follower *f, struct gw_feed_state *out); // NULL is fine

#endif

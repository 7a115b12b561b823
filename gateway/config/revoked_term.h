// SPDX-License-Identifier: GPL-3.0-or-later
// Until when requests may be decided by a set of revocations that came over the feed. It goes with the set, in the same generation: a loop that has not taken
// up the newer set yet must not take the newer moment for its own. While the authority has nothing new to say, the control thread moves it on.
#ifndef SALLYPORT_CONFIG_REVOKED_TERM_H
#define SALLYPORT_CONFIG_REVOKED_TERM_H

#include <stdatomic.h>
#include <stdint.h>

struct gw_revoked_term {
    _Atomic unsigned refs;
    _Atomic int64_t until_ms; // monotonic; INT64_MAX: no feed is followed
};

struct gw_revoked_term *gw_revoked_term_new(int64_t until_ms);          // one reference; NULL: out of memory
struct gw_revoked_term *gw_revoked_term_ref(struct gw_revoked_term *f); // NULL is fine, and gives NULL
void gw_revoked_term_unref(struct gw_revoked_term *f);                  // NULL is fine

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// A gateway's side of the revocation feed: what to ask the authority next, and what its answers do to the set that is in force. Without a socket and without a
// clock; net/follower.h carries questions and answers.
//
// The whole set is in memory. It is asked for whole once (in parts, which count when the last of them is there), and followed by its changes after that. Whatever
// breaks the order (another registry, a gap, a point that the authority no longer knows) makes it ask for the whole anew, and until that is there the old one
// stays in force. Nothing is kept on a disk.
//
// Fresh is what was signed not longer ago than `max_stale`: the batch's own `iat`, not the moment it arrived, and never a moment in the future, so that playing
// an old batch again neither takes a revocation back nor makes the feed look fresh. What counts is told as a moment of the monotonic clock, so that
// setting the wall clock afterwards does not stretch it.
#ifndef SALLYPORT_CONFIG_REVOKED_FEED_H
#define SALLYPORT_CONFIG_REVOKED_FEED_H

#include "gateway/base/clock.h"
#include "pki/revocation_feed.h"

struct gw_revoked_feed;

struct gw_revoked_feed_options {
    int64_t max_stale_ms;
    int64_t skew_s;
    uint32_t seed; // of the jitter
};

struct gw_revoked_feed *gw_revoked_feed_new(const struct gw_revoked_feed_options *options); // NULL: out of memory
void gw_revoked_feed_free(struct gw_revoked_feed *f);                                       // NULL is fine
void gw_revoked_feed_set(struct gw_revoked_feed *f, const struct gw_revoked_feed_options *options);

// When to ask next: a moment of the monotonic clock.
int64_t gw_revoked_feed_due_ms(const struct gw_revoked_feed *f);
// What to ask then. The answer is taken as one to the last question.
struct pki_feed_ask gw_revoked_feed_ask(struct gw_revoked_feed *f, struct clock_now now);
unsigned gw_revoked_feed_patience_s(
    const struct gw_revoked_feed *f); // the most that a question asks the authority to wait
// The answer, a batch, or that there was none. Signature and rules first, then order; of `rules` the last three are filled in here. 0; what pki_feed_read says; ERR_REVOCATIONS_STALE: it does not follow on
// what is there, and is asked for anew; ERR_STORE_FAILED: more than PKI_REVOKED_MAX. After an error nothing has changed but when to ask next.
int gw_revoked_feed_take(struct gw_revoked_feed *f, struct span answer, struct pki_feed_rules rules,
                         struct clock_now now);
void gw_revoked_feed_failed(struct gw_revoked_feed *f, struct clock_now now);

// Until when requests may be decided by it, of the monotonic clock; 0: nothing was heard yet.
int64_t gw_revoked_feed_fresh_until_ms(const struct gw_revoked_feed *f);
// The set as it is now, one reference; a copy of what is in memory, so its cost grows with the set. NULL: out of memory, or never whole.
struct pki_revoked *gw_revoked_feed_build(struct gw_revoked_feed *f, int64_t now_s);
bool gw_revoked_feed_changed(const struct gw_revoked_feed *f); // since the last build

struct gw_revoked_feed_facts {
    bool whole;              // once it was
    int64_t heard_ms;        // monotonic: when what is in force was signed
    uint64_t sequence, head; // applied; newest that the authority spoke of
    uint64_t entries, batches, failures, resets;
};
struct gw_revoked_feed_facts gw_revoked_feed_facts(const struct gw_revoked_feed *f);

#endif

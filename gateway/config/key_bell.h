// SPDX-License-Identifier: GPL-3.0-or-later
// What a loop rings when a token names a key (`kid`) that its issuer, whose keys are fetched by URL, was not known to have: they may be newer
// than what was fetched. However many requests ring, one refetch follows, and none for a while after it: the rate is bounded here, where requests are,
// so that one which is over it is refused at once instead of waiting for a refusal.
//
// A ring is a ticket. The revocation generation says up to which ticket refetches have ended (`answered`), so that a request looks again only
// when the keys that came, or did not, are in force on its loop. Used from any thread, without a lock.
#ifndef SALLYPORT_CONFIG_KEY_BELL_H
#define SALLYPORT_CONFIG_KEY_BELL_H

#include "gateway/base/span.h"

struct gw_key_bell;

// `on_rung` is called by the thread that rings first, and must be fit for any. One reference; NULL: out of memory.
struct gw_key_bell *gw_key_bell_new(int64_t pause_ms, void (*on_rung)(void *ctx), void *ctx);
struct gw_key_bell *gw_key_bell_ref(struct gw_key_bell *b);
void gw_key_bell_unref(struct gw_key_bell *b); // NULL is fine
// The ticket to wait for: of a refetch that is asked for already, or of a new one. 0: the last began less than the pause ago, and has ended.
uint64_t gw_key_bell_ring(struct gw_key_bell *b, uint64_t answered, int64_t mono_ms);
// The last ticket given out.
uint64_t gw_key_bell_rung(const struct gw_key_bell *b);

// A bell as a revocation generation knows it.
struct gw_issuer_bell {
    struct span iss;
    struct gw_key_bell *bell; // counted
    uint64_t answered;
};

#endif

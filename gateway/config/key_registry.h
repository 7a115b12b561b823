// SPDX-License-Identifier: GPL-3.0-or-later
// The control thread's hold on the registry of API keys while the gateway runs: it finds out that somebody created, rotated or revoked a key, and
// writes back when keys were used. The keys themselves are read with the revocation generation (snapshot.h).
#ifndef SALLYPORT_CONFIG_KEY_REGISTRY_H
#define SALLYPORT_CONFIG_KEY_REGISTRY_H

#include "gateway/config/snapshot.h"

#define GW_KEY_FLUSH_MS 5000 // between two writes

// All zero at the start.
struct gw_key_registry {
    struct pki_api_key_store *store;
    uint64_t device, inode; // of the open file
    bool replaced;          // it is another than before, and nobody was told yet
    int64_t flushed_ms;
    bool failing; // it was complained about
};

void gw_key_registry_fini(struct gw_key_registry *k);
// Whether the registry is no longer what `r` was read from: another version, or another file. False when it cannot be read now: then it
// ages towards max_stale, and reading it again complains.
bool gw_key_registry_changed(struct gw_key_registry *k, const struct gw_config *config, const struct gw_revocations *r);
// Writes back what is known of use, at most every GW_KEY_FLUSH_MS of `mono_ms` unless `now`. What fails is kept for the next time. NULL, or a
// complaint, which comes once for each run of failures.
const char *gw_key_registry_flush(struct gw_key_registry *k, const struct gw_config *config,
                                  const struct gw_revocations *r, int64_t mono_ms, bool now);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The authority's revocation feed as the configuration generation knows it: where it is, and whose keys sign it.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_FEED_H
#define SALLYPORT_CONFIG_SNAPSHOT_FEED_H

#include "gateway/config/remote.h"
#include "pki/issuer.h"

struct gw_snapshot_feed {
    const struct gw_config_feed *config; // NULL: none is followed, and nothing below is set
    struct gw_remote remote;
    const struct pki_issuer *issuer; // of the snapshot
};

// What no single key can tell.
void gw_config_feed_check(const struct gw_config *c, struct diags *diags);
// After the issuers.
void gw_snapshot_feed_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags);

#endif

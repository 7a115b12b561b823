// SPDX-License-Identifier: GPL-3.0-or-later
// Which collections a shard says it has: asked over HTTP as the gateway would, with its credential and the TLS of the configuration. What a database does not list cannot
// be found: Chroma's tenants have to be named.
#ifndef SALLYPORT_CLI_SHARD_LISTING_H
#define SALLYPORT_CLI_SHARD_LISTING_H

#include "gateway/config/discover.h"
#include "gateway/config/snapshot.h"
#include "gateway/tls/peer.h"

struct gw_listed {
    struct span database, tenant, collection; // SPAN_NONE where the API has none
};

struct gw_shard_listing {
    struct arena *arena;
    struct gw_snapshot *snapshot;
    const struct gw_shard *shard;       // of it
    struct gw_endpoints *endpoints;     // to be asked; NULL: those that it has now
    struct span api;                    // its name
    const struct gw_tls_trust *bundles; // of the trust domains
    const struct span *tenants;         // of Chroma
    size_t n_tenants;
    int64_t within_ms;                                           // of each request
    void (*on_collection)(void *ctx, const struct gw_listed *c); // its texts live as long as the arena
    void (*on_complaint)(void *ctx, const char *what);           // why it did not tell all
    void *ctx;
};

// True when the shard was asked and told all; else there was a complaint, and some may have been told.
bool gw_shard_list(const struct gw_shard_listing *l);
// Where a shard is now. One reference. NULL: `what` says why.
struct gw_endpoints *gw_shard_endpoints(const struct gw_shard *shard, char what[static GW_ENDPOINT_FILE_WHAT]);

#endif

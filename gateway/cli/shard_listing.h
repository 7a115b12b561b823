// SPDX-License-Identifier: GPL-3.0-or-later
// Which collections a shard says it has: asked over HTTP as the gateway would, with its credential and the TLS of the configuration. What a database does not list cannot
// be found: Chroma's tenants have to be named.
#ifndef SALLYPORT_CLI_SHARD_LISTING_H
#define SALLYPORT_CLI_SHARD_LISTING_H

#include "gateway/cli/cli.h"
#include "gateway/config/snapshot.h"
#include "gateway/tls/peer.h"

struct gw_listed {
    struct span database, tenant, collection; // SPAN_NONE where the API has none
};

struct gw_shard_listing {
    struct gw_cli *cli; // for its arena, and complaints
    const struct gw_shard *shard;
    struct span api;                    // its name
    const struct gw_tls_trust *bundles; // of the trust domains
    const struct span *tenants;         // of Chroma
    size_t n_tenants;
    void (*on_collection)(void *ctx, const struct gw_listed *c); // its texts live as long as the arena
    void *ctx;
};

// True when the shard was asked and told all; else a complaint was printed, and some may have been told.
bool gw_shard_list(const struct gw_shard_listing *l);

#endif

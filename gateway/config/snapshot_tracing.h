// SPDX-License-Identifier: GPL-3.0-or-later
// The tracing part of a snapshot: which requests begin a trace, the collector, and what it is shown.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_TRACING_H
#define SALLYPORT_CONFIG_SNAPSHOT_TRACING_H

#include "gateway/config/remote.h"

#define GW_OTLP_HEADERS 8

struct gw_snapshot_tracing {
    const struct gw_config_tracing *config; // NULL: there is none, and `traceparent` goes through as it came
    uint32_t sample_ppm;                    // of the requests without one, in millionths
    struct gw_remote collector;
    struct span header_text; // secret; what follows points into it
    struct {
        struct span name, value; // lower case
    } headers[GW_OTLP_HEADERS];
    size_t n_headers;
};

struct gw_snapshot;
void gw_config_tracing_check(const struct gw_config *c, struct diags *diags);
void gw_snapshot_tracing_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags);
void gw_snapshot_tracing_fini(struct gw_snapshot_tracing *t); // wipes secrets
// "0.05" in millionths. False: it is no share.
bool gw_config_share(struct span s, uint32_t *ppm);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Whether the process can do its work, and if not, why: what /readyz answers. Each part that can go stale or break is asked in turn; the first
// that complains is the reason.
#ifndef SALLYPORT_NET_READINESS_H
#define SALLYPORT_NET_READINESS_H

#include "gateway/audit/writer.h"
#include "gateway/config/revoked_source.h"
#include "gateway/config/snapshot.h"
#include "gateway/net/follower.h"
#include "gateway/net/issuer_keys.h"

#define GW_READINESS_TEXT 768

// What is looked at; of the present generations.
struct gw_readiness {
    const struct gw_snapshot *snapshot;
    int64_t own_not_after_s; // of the listener's certificate, when it was enrolled; 0: it is the snapshot's
    const struct gw_revocations *revocations;
    const struct gw_audit *audit;
    const struct gw_revoked_source *revoked;
    const struct gw_issuer_keys *issuer_keys;
    const struct gw_follower *follower;
    bool draining;
};

// SPAN_NONE: ready. Else one line for an operator, static or in `text`.
struct span gw_not_ready(const struct gw_readiness *r, int64_t now_s, char text[static GW_READINESS_TEXT]);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// What the connect role works with, of the configuration generation: its workload's certificate and key, the gateways, and the token endpoint,
// each ready to be connected to. The certificate's files belong to somebody else, who renews them: a pair that does not match, or half of one, is an
// error like any other, and the generation before goes on.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_CONNECT_H
#define SALLYPORT_CONFIG_SNAPSHOT_CONNECT_H

#include "gateway/config/config.h"
#include "gateway/config/remote.h"

struct gw_snapshot_connect {
    const struct gw_config_connect *config; // NULL: this process has no such role, and nothing below is set
    struct gw_remote *gateways;             // as many as the configuration has
    struct gw_remote token;                 // n_endpoints 0: tokens come from a file
    int64_t certificate_not_after_s;
    uint8_t leaf_sha256[32]; // of the certificate
};

struct gw_enrolled;
struct gw_snapshot;
// Reads what `connect:` names into the snapshot; nothing when it is not there. `enrolled`: the certificate, where it comes from `enrol:`; NULL: there is none yet,
// and nothing can be connected to. Complaints in `diags`.
void gw_snapshot_connect_load(struct gw_snapshot *s, const struct gw_enrolled *enrolled, int64_t now_s,
                              struct diags *diags);
void gw_snapshot_connect_fini(struct gw_snapshot_connect *c); // wipes secrets

// The files that a configuration of this role names, of which some may not be there yet. How many were written to `out`, at most `n`.
size_t gw_connect_files(const struct gw_config_connect *c, const char **out, size_t n);

#endif

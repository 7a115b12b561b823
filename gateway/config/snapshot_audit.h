// SPDX-License-Identifier: GPL-3.0-or-later
// The audit log's part of a snapshot: the key that signs checkpoints, as text that was found good, and the collector.
#ifndef SALLYPORT_CONFIG_SNAPSHOT_AUDIT_H
#define SALLYPORT_CONFIG_SNAPSHOT_AUDIT_H

#include "gateway/config/remote.h"
#include "pki/key.h"

struct gw_snapshot_audit {
    struct span key_pem, passphrase; // secret; SPAN_NONE: none, or in a token
    struct gw_remote collector;      // n_endpoints 0: none
};

struct gw_snapshot;
// What no single key can tell.
void gw_config_audit_check(const struct gw_config *c, struct diags *diags);
void gw_snapshot_audit_load(struct gw_snapshot *s, int64_t now_s, struct diags *diags);
void gw_snapshot_audit_fini(struct gw_snapshot_audit *a); // wipes secrets
// The key pair that is configured, opened anew and the caller's; NULL: none is, or after a complaint.
struct pki_key *gw_snapshot_audit_key(const struct gw_snapshot *s, struct diags *diags);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The policies of a snapshot: from the files that the configuration names (policy_files.h), or from a bundle (policy_bundle.h) and, when that does not load at
// the start, from the last good one (last_good.h).
//
// Nothing is written here: a bundle is kept as the last good one when its snapshot was accepted whole and is put in force.
#ifndef SALLYPORT_CONFIG_POLICY_LOAD_H
#define SALLYPORT_CONFIG_POLICY_LOAD_H

#include "gateway/base/log.h"
#include "gateway/config/policy_bundle.h"
#include "gateway/config/policy_files.h"

enum gw_policy_when {
    GW_POLICY_RELOAD, // or to check: a bad bundle is an error
    GW_POLICY_START,  // the last good one takes the place of a bad one
};

// NULL with the reasons in `diags`. `*bundle` is what the set was made of, the caller's to free; NULL: files.
struct pol_set *gw_policy_load(const struct gw_config *c, const struct gw_config_policy *policy,
                               enum gw_policy_role role, enum gw_policy_when when, gw_on_file on_file, void *ctx,
                               struct gw_policy_bundle **bundle, struct diags *diags);

// All texts of `policy`, wherever they come from, for commands that look at them: a bundle is verified, but not compared with what is kept. False after
// the complaints.
bool gw_policy_read(const struct gw_config *c, const struct gw_config_policy *policy, gw_on_file on_file, void *ctx,
                    struct gw_policy_texts *t, struct diags *diags);

// Verified and read, but neither compiled nor compared with what is kept: for commands. NULL after the complaints.
struct gw_policy_bundle *gw_policy_bundle_read(const char *file, const struct pki_jwks *keys, struct diags *diags);

// Whether `next` may take the place of `now` in a running process: not an older version of the same file, nor the same version with other content. True
// where one of the two is no bundle. False after a complaint.
bool gw_policy_follows(const struct gw_config *c, const struct gw_config_policy *policy,
                       const struct gw_policy_bundle *now, const struct gw_config_policy *next_policy,
                       const struct gw_policy_bundle *next, struct diags *diags);
// What was accepted is kept, where the configuration says so, and gives its bytes back. NULL is fine. Failures are in the log: the bundle is in force nevertheless.
void gw_policy_keep(const struct gw_config_policy *policy, struct gw_policy_bundle *bundle, struct log *log);

#endif

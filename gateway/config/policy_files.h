// SPDX-License-Identifier: GPL-3.0-or-later
// The policies and entities that a configuration names, read and compiled. `policy.files` are .cedar files, folders of them, or globs; the order of
// the files is that of their names, so that the same folder gives the same policy ids on every node.
#ifndef SALLYPORT_CONFIG_POLICY_FILES_H
#define SALLYPORT_CONFIG_POLICY_FILES_H

#include "gateway/config/config.h"
#include "policy/set.h"

// Called with each path that was read (and each folder that was listed), NUL-terminated, for the watcher.
typedef void (*gw_on_file)(void *ctx, const char *path);

// What the gateway decides by: `policy`, with the actions on databases. NULL with the reasons in `diags`.
struct pol_set *gw_policy_files_load(const struct gw_config *c, gw_on_file on_file, void *ctx, struct diags *diags);
// The same for another part's policies, whose actions are these and no others.
struct pol_set *gw_policy_files_load_part(const struct gw_config *c, const struct gw_config_policy *policy,
                                          const struct span *actions, size_t n, gw_on_file on_file, void *ctx,
                                          struct diags *diags);

#endif

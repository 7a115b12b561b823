// SPDX-License-Identifier: GPL-3.0-or-later
// The policies, entities, links and schemas that a configuration names, read and compiled. `policy.files` are .cedar files, folders of them, or globs; the order of
// the files is that of their names, so that the same folder gives the same policy ids on every node.
#ifndef SALLYPORT_CONFIG_POLICY_FILES_H
#define SALLYPORT_CONFIG_POLICY_FILES_H

#include "gateway/config/config.h"
#include "gateway/config/policy_texts.h"

// Called with each path that was read (and each folder that was listed), NUL-terminated, for the watcher.
typedef void (*gw_on_file)(void *ctx, const char *path);

// All texts that `policy` names. False after the complaints, which say where the configuration names the file.
bool gw_policy_files_read(const struct gw_config *c, const struct gw_config_policy *policy, gw_on_file on_file,
                          void *ctx, struct gw_policy_texts *t, struct diags *diags);
// The same, compiled and (unless it says `validate: false`) validated for who decides by it. NULL with the reasons in `diags`.
struct pol_set *gw_policy_files_load(const struct gw_config *c, const struct gw_config_policy *policy,
                                     enum gw_policy_role role, gw_on_file on_file, void *ctx, struct diags *diags);

#endif

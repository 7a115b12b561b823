// SPDX-License-Identifier: GPL-3.0-or-later
// The folder where a gateway keeps the last policy bundle that was in force, for a start at which the one of the configuration is broken or gone: archive
// and signature, as they were, under the version:
//
//   bundle-42.tar.sig   written first
//   bundle-42.tar       counts once it is there; then older versions are removed
//
// so at every moment, also after a crash, one whole bundle is there. Its signature is verified again when it is used. The version in the name is also the lowest that
// is accepted from then on: an older bundle, signed as it is, is an old one played again. The folder is the gateway's own, mode 0700; who may write
// there may also remove it, which forgets the version.
#ifndef SALLYPORT_CONFIG_LAST_GOOD_H
#define SALLYPORT_CONFIG_LAST_GOOD_H

#include "gateway/config/policy_bundle.h"

struct gw_last_good {
    uint64_t version;                    // 0: nothing is kept
    char archive[4096], signature[4096]; // paths
};

// 0, also when there is no folder yet; or -errno.
int gw_last_good_look(const char *folder, struct gw_last_good *out);
// Makes the folder if it is not there (not its parents), and keeps the bundle, which still has its bytes. Nothing happens when it is there already. 0 or -errno.
int gw_last_good_keep(const char *folder, const struct gw_policy_bundle *b);

#endif

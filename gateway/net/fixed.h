// SPDX-License-Identifier: GPL-3.0-or-later
// What of a configuration is fixed when the process starts: a change of it waits for the next start.
#ifndef SALLYPORT_NET_FIXED_H
#define SALLYPORT_NET_FIXED_H

#include "gateway/base/log.h"
#include "gateway/config/config.h"

// Which parts there are. A file with others is refused: whether a process is a gateway, an authority, or both, it was when it began.
bool gw_fixed_roles(const struct gw_config *old, const struct gw_config *new, struct diags *diags);
// Says in the log what else changed and waits.
void gw_fixed_warn(struct log *log, const struct gw_config *old, const struct gw_config *new);
// Whether two say the same of where a certificate comes from.
bool gw_fixed_same_enrol(const struct gw_config_enrol *a, const struct gw_config_enrol *b);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Less than the process was started with: another user, no capabilities, nothing gained by starting a program, memory that is never swapped out.
//
//   gw_privileges_drop   before anything is read: what the user may not read shows at the start, not at the first reload
//   gw_privileges_lock   memory; needs a capability that the next one takes
//   gw_privileges_seal   after the listeners are bound (ports below 1024)
//
// All of it is for good, and for all threads that the process will have; at each of the three there must be one thread only that matters: the kernel
// keeps capabilities and users a thread, and only the C library's wrappers of setuid and its kin tell the others.
#ifndef SALLYPORT_NET_PRIVILEGES_H
#define SALLYPORT_NET_PRIVILEGES_H

#include "gateway/base/log.h"
#include "gateway/config/config.h"

// Becomes `process.user` and `process.group`, without their other groups' absence or presence being left to chance: the groups are the ones the
// system has for that user. Of root's capabilities those are kept that gw_privileges_lock and binding need. Without a user in the configuration
// nothing changes but no_new_privs. 0, or ERR_CONFIG with the reason in `diags`.
int gw_privileges_drop(const struct gw_config *c, struct diags *diags);
// Locks what memory the process has and will touch (mlock(2): swap would keep keys and tokens on a disk). With process.lock_memory `auto` what is not
// allowed is said in the log if this machine swaps at all; with `required` it is an ERR_CONFIG in `diags`.
int gw_privileges_lock(const struct gw_config *c, struct log *log, struct diags *diags);
// Gives up every capability, unless the process is root's on purpose (no process.user). 0, or a negative errno.
int gw_privileges_seal(const struct gw_config *c);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// What the process may ask of the kernel once it serves: a seccomp(2) filter over all its threads, which none of them can take off again.
//
// Three answers: what the gateway does is allowed; what only somebody who took it over would want (starting a program, another process's memory,
// mounting, loading a module) kills the process, so that it shows in the kernel's log and the supervisor's; anything else is told that this kernel
// does not know it (ENOSYS), from which the C library falls back to older calls, whichever comes with its next version.
#ifndef SALLYPORT_NET_SANDBOX_H
#define SALLYPORT_NET_SANDBOX_H

#include <stdbool.h>

// Whether this build can: not under sanitizers, whose own threads start processes and look at memory.
bool gw_sandbox_possible(void);
// For good. 0, or a negative errno: -ENOSYS where !gw_sandbox_possible().
int gw_sandbox_enter(void);

#endif

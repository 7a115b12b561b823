// SPDX-License-Identifier: GPL-3.0-or-later
// The gateway as a process: reads its configuration, binds, starts a loop a core, and then, on the main thread, looks after them: signals,
// files that changed, reloads, the operations listener, the end.
//
//   SIGHUP   reload everything; SIGUSR1  open the audit file anew (log rotation); SIGTERM, SIGINT  drain and end; a second one ends at once
#ifndef SALLYPORT_NET_PROCESS_H
#define SALLYPORT_NET_PROCESS_H

#include <stdbool.h>

struct gw_process_options {
    const char *config; // path
    bool take_over;     // from the process that listens at `process.handover`, if there is one
};

// Returns the exit status: 0 after a drain, 1 when it could not start (the reasons are on standard error).
int gw_process_run(const struct gw_process_options *options);

#endif

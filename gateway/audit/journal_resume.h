// SPDX-License-Identifier: GPL-3.0-or-later
// Where the chain goes on when a log is opened that has lines already. For journal.c only.
#ifndef SALLYPORT_AUDIT_JOURNAL_RESUME_H
#define SALLYPORT_AUDIT_JOURNAL_RESUME_H

#include "gateway/audit/journal.h"

// Finds the last line of the chain, in the present file or, when that has none, in the one that was rotated last; what stands behind it goes into `torn`.
// A line that only lacks its '\n' gets it. Without any chain a new one begins behind what is there. 0 or -errno.
int gw_journal_resume(struct gw_journal *j);

#endif

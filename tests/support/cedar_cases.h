// SPDX-License-Identifier: GPL-3.0-or-later
// The published Cedar cases: those that people wrote, and those that a machine made, which come as an archive. Each is a file in the
// integration-test format; what it names is found from `root`.
#ifndef SALLYPORT_TESTS_CEDAR_CASES_H
#define SALLYPORT_TESTS_CEDAR_CASES_H

#include "gateway/base/buf.h"

enum { CEDAR_HAND_WRITTEN = 22, CEDAR_MACHINE_MADE = 1500 };

typedef void (*cedar_case)(void *ctx, const char *root, const char *file);

// Calls `one` for each. False: the vectors are not there.
bool cedar_hand_written(cedar_case one, void *ctx);
bool cedar_machine_made(cedar_case one, void *ctx);

bool cedar_read(struct buf *b, const char *root, struct span path);

#endif

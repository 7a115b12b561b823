// SPDX-License-Identifier: GPL-3.0-or-later
// The two habits every secret needs: compared in constant time, wiped when done.
#ifndef SALLYPORT_BASE_SECRET_H
#define SALLYPORT_BASE_SECRET_H

#include "gateway/base/span.h"

// True when equal; time depends on the lengths only.
bool secret_eq(struct span a, struct span b);
// Not removed by the optimiser.
void secret_wipe(void *p, size_t n);

#endif

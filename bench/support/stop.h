// SPDX-License-Identifier: GPL-3.0-or-later
// How the load programs end early: a line that says why, and an exit status: 1, an answer was not as expected; 2, bad usage.
#ifndef SALLYPORT_BENCH_SUPPORT_STOP_H
#define SALLYPORT_BENCH_SUPPORT_STOP_H

#include "gateway/base/span.h"

_Noreturn void stop(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
// A whole file of at most 64 MiB, kept until the end of the process; ends it when that cannot be read.
struct span read_file(const char *path);

#endif

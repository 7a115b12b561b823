// SPDX-License-Identifier: GPL-3.0-or-later
// Times in nanoseconds, counted in buckets as HdrHistogram's are: 128 equal ones to each power of two, so that every value is kept to
// within 0.8 % of itself, whatever its size, in a fixed 57 KiB.
#ifndef SALLYPORT_BENCH_SUPPORT_HISTOGRAM_H
#define SALLYPORT_BENCH_SUPPORT_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 128
#define HISTOGRAM_POWERS 57 // 63 bits

struct histogram {
    uint64_t n;
    uint64_t counts[HISTOGRAM_POWERS][HISTOGRAM_SUB];
};

void histogram_add(struct histogram *h, int64_t ns); // a negative one counts as 0
// The value that `share` (0 to 1) of those added are not above, in ns: the upper end of its bucket. 0 without any.
int64_t histogram_at(const struct histogram *h, double share);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Bodies of requests to Qdrant, the same on each run. They live in the arena.
#ifndef SALLYPORT_BENCH_SUPPORT_BODIES_H
#define SALLYPORT_BENCH_SUPPORT_BODIES_H

#include "gateway/base/arena.h"

// A search by a vector of 8 digits a number, 4 KiB in all.
struct span bodies_search(struct arena *a);
// A query with a filter, or an upsert of one point; 768 numbers of so many digits.
struct span bodies_query(struct arena *a, unsigned digits);
struct span bodies_upsert(struct arena *a, unsigned digits);

#endif

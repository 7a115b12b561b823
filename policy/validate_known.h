// SPDX-License-Identifier: GPL-3.0-or-later
// What is known to be there: sets of numbers (shapes of "this attribute of that expression"), as tries that share what
// they have in common. None is ever changed; NULL is the empty set.
#ifndef SALLYPORT_POLICY_VALIDATE_KNOWN_H
#define SALLYPORT_POLICY_VALIDATE_KNOWN_H

#include "gateway/base/arena.h"

struct pol_known {
    uint32_t key; // of a leaf; else what its leaves' keys start with
    uint32_t bit; // where its branches part; 0: a leaf
    const struct pol_known *zero, *one;
};

// All three: when the arena is full it is marked failed, and the answer may be any set.
const struct pol_known *pol_known_one(struct arena *a, uint32_t key);
const struct pol_known *pol_known_both(struct arena *a, const struct pol_known *x, const struct pol_known *y); // union
const struct pol_known *pol_known_common(struct arena *a, const struct pol_known *x, const struct pol_known *y);
bool pol_known_has(const struct pol_known *x, uint32_t key);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The promise of policy/partial.h, for one request: what was decided beforehand changes nothing about an answer.
#ifndef SALLYPORT_TESTS_PARTIAL_CHECK_H
#define SALLYPORT_TESTS_PARTIAL_CHECK_H

#include "policy/decide.h"
#include "policy/partial.h"
#include "policy/request_json.h"

struct partial_check {
    struct pol_partials *partials; // of the set; whatever it holds
    enum pol_mode mode;
    uint32_t budget; // 0: the usual
    uint32_t known;  // bit i: member i of the context belongs to the key
    // Counted:
    unsigned found, all;
};

// Decides the request (as request_json.h has them) with and without, and compares all of both answers. What is different; SPAN_NONE: nothing, also
// where the request cannot be read. In the arena.
struct span partial_difference(struct partial_check *c, const struct pol_set *set, json request, struct arena *arena);

#endif

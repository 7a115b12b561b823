// SPDX-License-Identifier: GPL-3.0-or-later
// Growing arrays for the compiler, which does not know sizes beforehand. Heap memory; what is kept is copied into the
// set's arena at the end. Not used while deciding.
#ifndef SALLYPORT_POLICY_VEC_H
#define SALLYPORT_POLICY_VEC_H

#include <stdlib.h>

#include "gateway/base/span.h"

// Declares `struct NAME { TYPE *at; uint32_t n, cap; }`.
#define POL_VEC(name, type) \
    struct name {           \
        type *at;           \
        uint32_t n, cap;    \
    }

// The next free element, or NULL when out of memory; then nothing changed.
#define pol_vec_add(v) \
    (pol_vec_grow_((void **)&(v)->at, &(v)->cap, (v)->n, sizeof *(v)->at) ? &(v)->at[(v)->n++] : NULL)
#define pol_vec_free(v) (free((v)->at), (v)->at = NULL, (v)->n = (v)->cap = 0)

static inline bool pol_vec_grow_(void **at, uint32_t *cap, uint32_t n, size_t size)
{
    uint32_t want = *cap ? *cap * 2 : 16;
    void *p;

    if (n < *cap)
        return true;
    if (want <= *cap || size > SIZE_MAX / want)
        return false;
    p = realloc(*at, size * want);
    if (!p)
        return false;
    *at = p;
    *cap = want;
    return true;
}

#endif

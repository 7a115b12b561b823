// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/secret.h"

bool secret_eq(struct span a, struct span b)
{
    // volatile, so that the compiler cannot see the first difference and leave early.
    volatile unsigned char difference = 0;

    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        difference = (unsigned char)(difference | ((unsigned char)a.p[i] ^ (unsigned char)b.p[i]));
    return difference == 0;
}

void secret_wipe(void *p, size_t n)
{
    if (p && n)
        explicit_bzero(p, n);
}

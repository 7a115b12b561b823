// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/histogram.h"

// Row 0 holds 0…127 themselves; row r > 0 the values of 7 + r bits, by the seven bits that follow the first.
void histogram_add(struct histogram *h, int64_t ns)
{
    uint64_t v = ns > 0 ? (uint64_t)ns : 0;
    unsigned bits = v ? 64u - (unsigned)__builtin_clzll(v) : 0;
    unsigned row = bits > 7 ? bits - 7 : 0;
    unsigned column = (unsigned)(row > 0 ? v >> (row - 1) : v) & (HISTOGRAM_SUB - 1);
    h->counts[row][column]++;
    h->n++;
}

int64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)(share * (double)h->n);
    if (wanted >= h->n && h->n > 0)
        wanted = h->n - 1;
    for (unsigned row = 0; row < HISTOGRAM_POWERS && h->n > 0; row++)
        for (unsigned column = 0; column < HISTOGRAM_SUB; column++) {
            seen += h->counts[row][column];
            if (seen > wanted)
                return row == 0 ? column : (int64_t)((((uint64_t)HISTOGRAM_SUB + column + 1) << (row - 1)) - 1);
        }
    return 0;
}

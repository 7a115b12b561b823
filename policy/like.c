// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/eval.h"

// The first run is anchored at the start and the last at the end; every run between is taken at its first place, which
// leaves the most for those behind it, so nothing is ever tried again. Bytes will do: no UTF-8 sequence starts inside
// another.
bool pol_like(const struct pol_pattern *p, struct span text)
{
    struct span first = p->runs[0], last = p->runs[p->n - 1];

    if (p->n == 1)
        return span_eq(text, first);
    if (text.n < first.n + last.n || !span_starts(text, first) || !span_ends(text, last))
        return false;
    text = span_sub(text, first.n, text.n - last.n);
    for (uint32_t i = 1; i + 1 < p->n; i++) {
        struct span run = p->runs[i];
        const char *found = run.n ? memmem(text.p, text.n, run.p, run.n) : text.p;

        if (!found)
            return false;
        text = span_sub(text, (size_t)(found - text.p) + run.n, text.n);
    }
    return true;
}

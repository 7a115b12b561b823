// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/named_rows.h"

uint16_t gw_named_row(struct gw_named_rows *r, struct span name, uint16_t others)
{
    for (size_t i = 0; i < r->n; i++)
        if (span_eq(span_str(r->names[i]), name))
            return (uint16_t)i;
    if (r->n == GW_NAMED_ROWS || name.n > GW_NAMED_ROW_NAME)
        return others;
    memcpy(r->names[r->n], name.p, name.n);
    r->names[r->n][name.n] = 0;
    return (uint16_t)r->n++;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/limit_rows.h"

#include <inttypes.h>
#include <stdatomic.h>

static uint16_t row_of(struct gw_limit_rows *r, struct span name)
{
    for (size_t i = 0; i < r->n; i++)
        if (span_eq(span_str(r->names[i]), name))
            return (uint16_t)i;
    if (r->n == GW_LIMIT_ROWS || name.n > GW_LIMIT_NAME)
        return GW_LIMIT_ROW_OTHERS;
    memcpy(r->names[r->n], name.p, name.n);
    r->names[r->n][name.n] = 0;
    return (uint16_t)r->n++;
}

const uint16_t *gw_limit_rows_take(struct gw_limit_rows *r, const struct gw_config_rates *limits, struct arena *arena)
{
    uint16_t *rows = arena_array(arena, limits->rules_n + 1, sizeof *rows);
    for (size_t i = 0; rows && i < limits->rules_n; i++)
        rows[i] = row_of(r, limits->rules[i].name.v);
    return rows;
}

void gw_limit_rows_write(struct buf *out, const struct gw_limit_rows *r, struct gw_metrics *const *loops, size_t n)
{
    bool begun = false;
    for (size_t row = 0; r && row < GW_LIMIT_ROWS + 2; row++) {
        const char *name = row < r->n                     ? r->names[row]
                           : row == GW_LIMIT_ROW_POLICIES ? "@limit"
                           : row == GW_LIMIT_ROW_OTHERS   ? "(others)"
                                                          : NULL;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += atomic_load_explicit(&loops[i]->limit[row], memory_order_relaxed);
        if (!name || (row >= GW_LIMIT_ROWS && sum == 0))
            continue;
        if (!begun)
            buf_append(out, SPAN("# HELP sallyport_limit_refusals_total Requests refused by a rate limit, by the limit "
                                 "that would have to be waited for longest.\n"
                                 "# TYPE sallyport_limit_refusals_total counter\n"));
        begun = true;
        buf_printf(out, "sallyport_limit_refusals_total{rule=\"%s\"} %" PRIu64 "\n", name, sum);
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/limit_rows.h"

#include <inttypes.h>
#include <stdatomic.h>

const uint16_t *gw_limit_rows_take(struct gw_named_rows *r, const struct gw_config_rates *limits, struct arena *arena)
{
    uint16_t *rows = arena_array(arena, limits->rules_n + 1, sizeof *rows);
    for (size_t i = 0; rows && i < limits->rules_n; i++)
        rows[i] = gw_named_row(r, limits->rules[i].name.v, GW_LIMIT_ROW_OTHERS);
    return rows;
}

void gw_limit_rows_write(const struct gw_page *page, const struct gw_named_rows *r, struct gw_metrics *const *loops,
                         size_t n)
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
            gw_page_family(page, GW_FAMILY_LIMIT_REFUSALS);
        begun = true;
        buf_printf(page->out, "sallyport_limit_refusals_total{rule=\"%s\"} %" PRIu64 "\n", name, sum);
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/policy_rows.h"

#include <inttypes.h>
#include <stdatomic.h>

#define ID_MAX 256 // bytes of an id that tell it from others

void gw_policy_rows_init(struct gw_policy_rows *p)
{
    // A few hundred names that the operator chose: nobody gains by their collisions.
    static const uint64_t key[2] = { 0 };
    p->n = 0;
    arena_init(&p->arena, 0);
    map_init(&p->places, key);
}

void gw_policy_rows_fini(struct gw_policy_rows *p)
{
    map_fini(&p->places);
    arena_fini(&p->arena);
}

static uint16_t shared_row(const struct pol_policy_info *info)
{
    return (uint16_t)(GW_POLICY_ROWS + 2 * info->shadow + (info->effect == POL_FORBID));
}

static uint16_t row_of(struct gw_policy_rows *p, const struct pol_policy_info *info)
{
    // One id may be a permit today and a forbid tomorrow; a counter has one set of labels.
    char name[1 + ID_MAX];
    struct span id = span_sub(info->id, 0, ID_MAX);
    name[0] = (char)('0' + shared_row(info) - GW_POLICY_ROWS);
    memcpy(name + 1, id.p, id.n);
    struct span key = span_of(name, 1 + id.n);
    const struct gw_policy_row *known = map_get(&p->places, key);
    if (known)
        return (uint16_t)(known - p->rows);
    struct gw_policy_row *row = p->n < GW_POLICY_ROWS ? &p->rows[p->n] : NULL;
    if (!row || span_is_none(key = arena_dup(&p->arena, key)) || !map_put(&p->places, key, row, NULL))
        return shared_row(info);
    *row = (struct gw_policy_row){ span_sub(key, 1, key.n), info->effect, info->shadow };
    return (uint16_t)p->n++;
}

const uint16_t *gw_policy_rows_take(struct gw_policy_rows *p, const struct pol_set *set, struct arena *arena)
{
    size_t n = pol_set_count(set);
    uint16_t *rows = arena_array(arena, n ? n : 1, sizeof *rows);
    for (size_t i = 0; rows && i < n; i++)
        rows[i] = row_of(p, pol_set_policy(set, (uint32_t)i));
    return rows;
}

static void write_row(const struct gw_page *page, const struct gw_policy_row *row, size_t place,
                      struct gw_metrics *const *loops, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += atomic_load_explicit(&loops[i]->policy[place], memory_order_relaxed);
    if (place >= GW_POLICY_ROWS && sum == 0)
        return;
    buf_append(page->out, SPAN("sallyport_policy_decisions_total{policy=\""));
    gw_page_quoted(page, row->id);
    buf_printf(page->out, "\",effect=\"%s\"%s} %" PRIu64 "\n", row->effect == POL_FORBID ? "forbid" : "permit",
               row->shadow ? ",mode=\"shadow\"" : "", sum);
}

void gw_policy_rows_write(const struct gw_page *page, const struct gw_policy_rows *p, struct gw_metrics *const *loops,
                          size_t n)
{
    if (!p || p->n == 0)
        return;
    gw_page_family(page, GW_FAMILY_POLICY_DECISIONS);
    for (size_t i = 0; i < p->n; i++)
        write_row(page, &p->rows[i], i, loops, n);
    for (size_t i = 0; i < GW_POLICY_SHARED; i++)
        write_row(page, &(struct gw_policy_row){ SPAN("(others)"), i % 2 ? POL_FORBID : POL_PERMIT, i / 2 },
                  GW_POLICY_ROWS + i, loops, n);
}

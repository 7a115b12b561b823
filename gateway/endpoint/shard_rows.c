// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/shard_rows.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

const uint16_t *gw_shard_rows_take(struct gw_named_rows *r, const struct gw_config *config, struct arena *arena)
{
    uint16_t *rows = arena_array(arena, config->shards_n + 1, sizeof *rows);
    for (size_t i = 0; rows && i < config->shards_n; i++)
        rows[i] = gw_named_row(r, config->shards[i].name.v, GW_SHARD_ROW_OTHERS);
    return rows;
}

struct place {
    const char *name;
    size_t row;
};

static uint64_t sum_of(struct gw_metrics *const *loops, size_t n, size_t offset)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += atomic_load_explicit((_Atomic uint64_t *)((char *)loops[i] + offset), memory_order_relaxed);
    return sum;
}

#define AT(place, member)                                                                 \
    (offsetof(struct gw_metrics, shard) + (place)->row * sizeof(struct gw_shard_counts) + \
     offsetof(struct gw_shard_counts, member))

static void write_first_bytes(const struct gw_page *page, const struct place *p, struct gw_metrics *const *loops,
                              size_t n)
{
    struct gw_histogram *all[GW_METRICS_LOOPS_MAX];
    char label[GW_NAMED_ROW_NAME + 16];
    for (size_t i = 0; i < n; i++)
        all[i] = &loops[i]->shard[p->row].first_byte;
    snprintf(label, sizeof label, "shard=\"%s\"", p->name);
    gw_histogram_write(page, GW_FAMILY_SHARD_FIRST_BYTE, label, GW_BOUNDS_COARSE, all, n);
}

static void write_answers(const struct gw_page *page, const struct place *p, struct gw_metrics *const *loops, size_t n)
{
    for (size_t k = 0; k < GW_SHARD_OUTCOMES; k++) {
        const char status[] = { (char)('1' + k), 'x', 'x', '\0' };
        buf_printf(page->out, "sallyport_shard_answers_total{shard=\"%s\",status=\"%s\"} %" PRIu64 "\n", p->name,
                   k == 0 ? "none" : status, sum_of(loops, n, AT(p, answers) + k * sizeof(uint64_t)));
    }
}

static void write_connections(const struct gw_page *page, const struct place *p, struct gw_metrics *const *loops,
                              size_t n)
{
    buf_printf(page->out,
               "sallyport_shard_connections{shard=\"%s\",state=\"idle\"} %" PRIu64
               "\nsallyport_shard_connections{shard=\"%s\",state=\"busy\"} %" PRIu64 "\n",
               p->name, sum_of(loops, n, AT(p, idle)), p->name, sum_of(loops, n, AT(p, busy)));
}

static void write_waiting(const struct gw_page *page, const struct place *p, struct gw_metrics *const *loops, size_t n)
{
    buf_printf(page->out, "sallyport_shard_waiting{shard=\"%s\"} %" PRIu64 "\n", p->name,
               sum_of(loops, n, AT(p, waiting)));
}

void gw_shard_rows_write(const struct gw_page *page, const struct gw_named_rows *r, struct gw_metrics *const *loops,
                         size_t n)
{
    static const struct {
        enum gw_family_id family;
        void (*write)(const struct gw_page *page, const struct place *p, struct gw_metrics *const *loops, size_t n);
    } parts[] = {
        { GW_FAMILY_SHARD_FIRST_BYTE, write_first_bytes },
        { GW_FAMILY_SHARD_ANSWERS, write_answers },
        { GW_FAMILY_SHARD_CONNECTIONS, write_connections },
        { GW_FAMILY_SHARD_WAITING, write_waiting },
    };
    if (!r || r->n == 0 || n > GW_METRICS_LOOPS_MAX)
        return;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        gw_page_family(page, parts[i].family);
        for (size_t row = 0; row < r->n; row++)
            parts[i].write(page, &(struct place){ r->names[row], row }, loops, n);
        if (r->n == GW_NAMED_ROWS)
            parts[i].write(page, &(struct place){ "(others)", GW_SHARD_ROW_OTHERS }, loops, n);
    }
}

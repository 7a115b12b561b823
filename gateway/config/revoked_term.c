// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/revoked_term.h"

#include <stdlib.h>

struct gw_revoked_term *gw_revoked_term_new(int64_t until_ms)
{
    struct gw_revoked_term *f = malloc(sizeof *f);
    if (!f)
        return NULL;
    atomic_init(&f->refs, 1);
    atomic_init(&f->until_ms, until_ms);
    return f;
}

struct gw_revoked_term *gw_revoked_term_ref(struct gw_revoked_term *f)
{
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void gw_revoked_term_unref(struct gw_revoked_term *f)
{
    if (f && atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) == 1)
        free(f);
}

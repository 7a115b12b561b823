// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/own_certificate.h"

#include <stdlib.h>

struct gw_own_certificate *gw_own_certificate_new(const struct gw_enrolled *e)
{
    struct gw_own_certificate *o = calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->refs = 1;
    if (gw_enrolled_copy(&o->e, e))
        return o;
    free(o);
    return NULL;
}

struct gw_own_certificate *gw_own_certificate_ref(struct gw_own_certificate *o)
{
    if (o)
        atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    return o;
}

void gw_own_certificate_unref(struct gw_own_certificate *o)
{
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) != 1)
        return;
    gw_enrolled_fini(&o->e);
    free(o);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/line.h"

#include <stdlib.h>

static void line_free(struct gw_origin *o)
{
    struct gw_line *l = o->owner;
    gw_origin_fini(&l->origin);
    gw_snapshot_unref(l->snapshot);
    free(l);
}

struct gw_line *gw_line_dial(struct gw_snapshot *s, const struct gw_remote *remote,
                             const struct gw_origin_ground *ground, struct diags *diags)
{
    struct gw_line *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->remote = *remote;
    if (gw_origin_init(&l->origin, &l->remote, &s->response_limits, ground, ground->now->wall_ms / 1000, diags) != 0) {
        free(l);
        return NULL;
    }
    l->snapshot = gw_snapshot_ref(s);
    l->origin.owner = l;
    l->origin.on_empty = line_free;
    return l;
}

void gw_line_hang_up(struct gw_line *l)
{
    if (l)
        gw_origin_retire(&l->origin);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The target is read once; htu, API table, policy, audit and shard see this reading and no other (checklist 32, 35).
#include "gateway/http/time_left.h"
#include "gateway/stages/pipeline.h"

int gw_stage_target(struct gw_exchange *x)
{
    const char *what = NULL;
    int rc = gw_target_of(&x->request, &x->snapshot->target, &x->arena, &x->to, &what);
    if (rc != 0)
        return gw_refuse(x, rc, span_str(what));
    int64_t left_ms;
    rc = gw_time_left(&x->request.headers, &left_ms);
    if (rc != 0)
        return gw_refuse(x, rc, SPAN(GW_TIME_LEFT_FIELD));
    if (left_ms > 0)
        x->until_ms = x->now.mono_ms + left_ms;
    return GW_PASS;
}

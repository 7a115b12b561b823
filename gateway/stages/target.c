// SPDX-License-Identifier: GPL-3.0-or-later
// The target is read once; htu, API table, policy, audit and shard see this reading and no other (checklist 32, 35).
#include "gateway/stages/pipeline.h"

int gw_stage_target(struct gw_exchange *x)
{
    const char *what = NULL;
    int rc = gw_target_of(&x->request, &x->snapshot->target, &x->arena, &x->to, &what);
    return rc == 0 ? GW_PASS : gw_refuse(x, rc, span_str(what));
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/visit.h"

#include "gateway/http/answer.h"

void gw_visit_problem(struct gw_visit *v, int err)
{
    const struct err_info *info = err_info(err);
    struct buf body;
    buf_init(&body, 4096);
    v->status = (unsigned)info->status;
    v->answer = SPAN("");
    v->content_type = SPAN_NONE;
    if (gw_problem_body(err, span_str(v->id), &body) == 0) {
        struct span copy = arena_dup(v->arena, buf_span(&body));
        v->answer = span_is_none(copy) ? SPAN("") : copy;
        v->content_type = SPAN("application/problem+json");
    }
    buf_fini(&body);
    v->no_store = true;
    if ((info->status == 503 || info->status == 429) && v->n_fields < GW_VISIT_FIELDS)
        v->fields[v->n_fields++] = (struct gw_visit_field){ SPAN("retry-after"), SPAN("1") };
    v->audited = true;
    v->record.err = err;
    v->record.allowed = false;
}

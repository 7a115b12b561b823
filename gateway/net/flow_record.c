// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/flow_inside.h"

#include "gateway/http/answer.h"
#include "gateway/stages/account.h"
#include "gateway/stages/challenge.h"
#include "gateway/stages/observe.h"

#define RECORD_KEPT 65536 // bytes of memory for the next record; one that took more is rare

void gw_flow_link(struct gw_flow **head, struct gw_flow *f)
{
    f->next = *head;
    if (f->next)
        f->next->link = &f->next;
    f->link = head;
    *head = f;
}

void gw_flow_unlink(struct gw_flow *f)
{
    gw_deadline_remove(&f->patience);
    if (!f->link)
        return;
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    f->link = NULL;
    f->next = NULL;
}

int gw_flow_submit(struct gw_flow *f, enum gw_audit_kind kind)
{
    struct gw_core *core = core_of(f);
    struct buf *line = &core->record;
    buf_clear(line);
    int rc = gw_account(&f->x, kind, line) ? 0 : ERR_AUDIT_FULL;
    if (rc == 0)
        rc = gw_audit_submit(core->shared->audit, core->index, buf_span(line), &f->ticket);
    if (line->cap > RECORD_KEPT)
        buf_fini(line);
    gw_count(core->metrics, rc == 0 ? GW_METRIC_AUDIT_WRITTEN : GW_METRIC_AUDIT_REFUSED, 1);
    return rc;
}

bool gw_flow_must_wait(const struct gw_flow *f)
{
    const struct gw_core *core = core_of(f);
    const struct gw_config_audit *config = &f->view->snapshot->config->audit;
    return config->sync_request && gw_audit_acked(core->shared->audit, core->index) < f->ticket &&
           !(config->drop_when_full && gw_audit_failing(core->shared->audit)); // then its record is dropped
}

int gw_flow_record(struct gw_flow *f)
{
    struct gw_core *core = core_of(f);
    f->recorded = true;
    f->x.hedged = f->call.hedged;
    f->x.now = core->now;
    f->x.done_ns = clock_mono_ns();
    gw_count(core->metrics,
             f->x.verdict != GW_ALLOW ? GW_METRIC_REQUEST_DENIED
             : gw_observed(&f->x)     ? GW_METRIC_REQUEST_OBSERVED
                                      : GW_METRIC_REQUEST_ALLOWED,
             1);
    for (size_t g = 0; g < GW_GATE_COUNT; g++)
        gw_count_observed(core->metrics, (enum gw_gate)g, f->x.observed[g].error); // no error counts nowhere
    if (f->x.error != 0)
        gw_count_refused(core->metrics, f->x.error);
    gw_histogram_add(&core->metrics->request, GW_BOUNDS_COARSE, f->x.done_ns - f->x.started_ns);
    for (size_t i = 0; i < GW_STAGE_COUNT; i++)
        if (f->x.stage_ns[i] > 0) // it was reached
            gw_histogram_add(&core->metrics->stage[i], GW_BOUNDS_FINE, f->x.stage_ns[i]);
    gw_flow_trace_end(f);
    return gw_flow_submit(f, GW_AUDIT_REQUEST);
}

static void after_record(struct gw_flow *f)
{
    struct gw_client *c = f->client;
    bool close = f->x.close || !f->keep_alive;
    // The rest of a request that nobody wants is read, if it is short, so that the connection can go on.
    bool short_rest = !f->x.request.expect_continue &&
                      (f->x.request.framing != GW_FRAMING_LENGTH || f->x.request.content_length <= DISCARD_MAX);
    if (!f->whole && !close && short_rest) {
        f->state = GW_FLOW_DISCARD;
        c->hold = false;
        gw_client_resume(c);
        return;
    }
    gw_client_done(c, close || !f->whole);
}

// The record is not on the disk and nobody knows when it will be. A refusal is given all the same: waiting for the disk would be a
// hang, and it gives nothing away. Anything else is cut off, unless records may be dropped.
static void go_without_record(struct gw_flow *f)
{
    if (f->x.error != 0 || f->view->snapshot->config->audit.drop_when_full)
        after_record(f);
    else
        gw_client_cut(f->client);
}

void gw_flow_conclude(struct gw_flow *f)
{
    gw_call_abort(&f->call);
    f->state = GW_FLOW_RECORD;
    if (gw_flow_record(f) != 0) { // the configured choice: no record, no answer, but the one that says so
        if (f->x.error == ERR_AUDIT_FULL)
            after_record(f);
        else
            gw_client_cut(f->client);
        return;
    }
    if (!gw_flow_must_wait(f)) {
        after_record(f);
        return;
    }
    if (gw_audit_failing(core_of(f)->shared->audit)) {
        go_without_record(f);
        return;
    }
    f->client->hold = true;
    gw_flow_link(&core_of(f)->awaiting, f);
}

void gw_flow_refuse(struct gw_flow *f, int err)
{
    struct gw_exchange *x = &f->x;
    struct gw_client *c = f->client;
    x->error = err;
    if (f->answered &&
        !gw_client_retract(c)) { // too late to say anything: the answer ends short and the client can tell
        gw_client_cut(c);
        return;
    }
    x->bytes_out = x->answer_head_n = 0;
    x->close = x->close || gw_problem_must_close(err) || (!f->whole && x->request.expect_continue);
    bool whole_head = f->state != GW_FLOW_HEAD;
    f->keep_alive = whole_head && x->request.keep_alive && !x->close && !core_of(f)->draining;
    char nonce[PKI_NONCE_TEXT];
    struct span challenges[2];
    struct gw_problem p = {
        .error = err,
        .request_id = span_str(x->id),
        .challenges = challenges,
        .n_challenges = whole_head ? gw_challenge(x, challenges) : 0,
        .fields = x->fields,
        .n_fields = GW_ANSWER_FIELDS,
        .retry_after_s = x->retry_after_s,
        .never = x->never,
        .wall_ms = core_of(f)->now.wall_ms,
        .head = x->request.method == GW_METHOD_HEAD,
        .close = !f->keep_alive,
    };
    if (x->nonce_due) {
        pki_nonce_make(x->services->nonces, x->now.wall_ms, nonce);
        p.dpop_nonce = span_of(nonce, sizeof nonce);
    }
    struct buf out;
    buf_init(&out, 0);
    if (gw_problem_write(&p, &out) != 0) {
        buf_fini(&out);
        gw_client_cut(c);
        return;
    }
    x->status = (unsigned)err_info(err)->status;
    f->answered = true;
    gw_client_send(c, buf_span(&out));
    buf_fini(&out);
    gw_flow_conclude(f);
}

void gw_flow_fail(struct gw_flow *f, int err, const char *what)
{
    f->x.detail = span_str(what);
    gw_flow_refuse(f, err);
}

void gw_flow_audit_progress(struct gw_core *core)
{
    bool failing = gw_audit_failing(core->shared->audit);
    struct gw_flow *all = core->awaiting;
    core->awaiting = NULL;
    if (all)
        all->link = &all;
    while (all) {
        struct gw_flow *f = all;
        struct gw_client *c = f->client;
        gw_flow_unlink(f);
        bool lost = gw_flow_must_wait(f);
        // Where records are dropped a failing disk holds up nobody; what is still waited for then comes after it has recovered.
        if (lost && (!failing || f->view->snapshot->config->audit.drop_when_full)) {
            gw_flow_link(&core->awaiting, f);
            continue;
        }
        if (f->state == GW_FLOW_INTENT && lost)
            gw_flow_fail(f, ERR_AUDIT_FULL, "the audit log cannot be written just now");
        else if (f->state == GW_FLOW_INTENT)
            gw_flow_start(f);
        else if (lost)
            go_without_record(f);
        else
            after_record(f);
        gw_client_resume(c);
    }
}

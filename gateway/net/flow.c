// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/flow.h"

#include "gateway/http/answer.h"
#include "gateway/http/forward.h"
#include "gateway/stages/account.h"
#include "gateway/stages/challenge.h"
#include "gateway/stages/pipeline.h"

#include <assert.h>
#include <stdlib.h>

// All that one exchange may hold: a list request decides about every collection in it.
#define ARENA_MAX (64u << 20)
// What is read and thrown away behind a refusal so that the connection can be kept; a longer rest closes it.
#define DISCARD_MAX (256u << 10)
// Answers that name collections are read along up to this size; a longer one teaches nothing.
#define LESSON_MAX (4u << 20)
// Bytes for the shard that are worth a write of their own before the wake-up ends.
#define UP_HIGH (64u << 10)

static struct gw_core *core_of(const struct gw_flow *f)
{
    return f->client->core;
}

static void list_add(struct gw_flow **head, struct gw_flow *f)
{
    f->next = *head;
    if (f->next)
        f->next->link = &f->next;
    f->link = head;
    *head = f;
}

static void list_remove(struct gw_flow *f)
{
    if (!f->link)
        return;
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
    f->link = NULL;
    f->next = NULL;
}

// ------------------------------------------------------------------------------------------------------ audit

// Hands a record over. 0 or ERR_AUDIT_FULL; `f->ticket` is set.
static int submit(struct gw_flow *f, enum gw_audit_kind kind)
{
    struct gw_core *core = core_of(f);
    struct buf line;
    buf_init(&line, 0);
    int rc = gw_account(&f->x, kind, &line) ? 0 : ERR_AUDIT_FULL;
    if (rc == 0)
        rc = gw_audit_submit(core->shared->audit, core->index, buf_span(&line), &f->ticket);
    buf_fini(&line);
    gw_count(core->metrics, rc == 0 ? GW_METRIC_AUDIT_WRITTEN : GW_METRIC_AUDIT_REFUSED, 1);
    return rc;
}

static bool must_wait(const struct gw_flow *f)
{
    const struct gw_core *core = core_of(f);
    return f->view->snapshot->config->audit.sync_request &&
           gw_audit_acked(core->shared->audit, core->index) < f->ticket;
}

static int record(struct gw_flow *f)
{
    struct gw_core *core = core_of(f);
    f->recorded = true;
    f->x.now = core->now;
    f->x.done_ns = clock_mono_ns();
    gw_count(core->metrics, f->x.verdict == GW_ALLOW ? GW_METRIC_REQUEST_ALLOWED : GW_METRIC_REQUEST_DENIED, 1);
    if (f->x.error != 0)
        gw_count_refused(core->metrics, f->x.error);
    gw_count_duration(core->metrics, (f->x.done_ns - f->x.started_ns) / 1000);
    return submit(f, GW_AUDIT_REQUEST);
}

// The answer is queued whole. Its record goes first; then, at once or with the acknowledgement, the answer.
static void conclude(struct gw_flow *f);

static void after_record(struct gw_flow *f)
{
    struct gw_client *c = f->client;
    bool close = f->x.close || !f->keep_alive || core_of(f)->draining;
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
// hang, and it gives nothing away. Anything else is cut off.
static void go_without_record(struct gw_flow *f)
{
    if (f->x.error != 0)
        after_record(f);
    else
        gw_client_cut(f->client);
}

static void conclude(struct gw_flow *f)
{
    gw_call_abort(&f->call);
    f->state = GW_FLOW_RECORD;
    if (record(f) != 0) { // the configured choice: no record, no answer, but the one that says so
        if (f->x.error == ERR_AUDIT_FULL)
            after_record(f);
        else
            gw_client_cut(f->client);
        return;
    }
    if (!must_wait(f)) {
        after_record(f);
        return;
    }
    if (gw_audit_failing(core_of(f)->shared->audit)) {
        go_without_record(f);
        return;
    }
    f->client->hold = true;
    list_add(&core_of(f)->awaiting, f);
}

static void refuse(struct gw_flow *f, int err)
{
    struct gw_exchange *x = &f->x;
    struct gw_client *c = f->client;
    x->error = err;
    if (f->answered) { // too late to say anything: the answer ends short and the client can tell
        gw_client_cut(c);
        return;
    }
    x->close = x->close || gw_problem_must_close(err) || (!f->whole && x->request.expect_continue);
    bool whole_head = f->state != GW_FLOW_HEAD;
    f->keep_alive = whole_head && x->request.keep_alive && !x->close;
    char nonce[PKI_NONCE_TEXT];
    struct span challenges[2];
    struct gw_problem p = {
        .error = err,
        .request_id = span_str(x->id),
        .challenges = challenges,
        .n_challenges = whole_head ? gw_challenge(x, challenges) : 0,
        .wall_ms = core_of(f)->now.wall_ms,
        .head = x->request.method == GW_METHOD_HEAD,
        .close = !f->keep_alive || core_of(f)->draining,
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
    conclude(f);
}

// An error of ours or the shard's, after the request was allowed.
static void fail(struct gw_flow *f, int err, const char *what)
{
    f->x.detail = span_str(what);
    refuse(f, err);
}

// The same from a call's callback, where nobody above sends what was queued.
static void fail_call(struct gw_flow *f, int err, const char *what)
{
    struct gw_client *c = f->client;
    fail(f, err, what);
    gw_client_resume(c);
}

// --------------------------------------------------------------------------------------------------- to the shard

static const struct gw_placement *placement(const struct gw_flow *f)
{
    return &f->x.snapshot->apis[f->x.api].placement;
}

static struct gw_view_shard *shard_of(struct gw_flow *f)
{
    return &f->view->shards[f->x.snapshot->apis[f->x.api].shards[f->x.shard]];
}

void gw_flow_flush(struct gw_flow *f)
{
    if (buf_len(&f->up) == 0)
        return;
    gw_call_write(&f->call, buf_span(&f->up));
    buf_fini(&f->up);
}

// The request's body when the gateway sends it whole: re-serialised, or as it was collected. SPAN_NONE: it streams.
static struct span whole_body(const struct gw_flow *f)
{
    const struct gw_exchange *x = &f->x;
    if (!span_is_none(x->meaning.body))
        return x->meaning.body;
    return x->body_asked ? x->body : SPAN_NONE;
}

static void forget_names(struct gw_flow *f)
{
    const struct gw_api_authorisation *a = &f->x.meaning.authorisations[0];
    if (f->x.meaning.forgets_names)
        gw_name_map_forget(f->view->services.names, (struct gw_name_scope){ f->x.shard, a->tenant, a->database },
                           SPAN_NONE, SPAN_NONE);
}

static void finish_request(struct gw_flow *f)
{
    if (gw_body_end(&f->up_body, &f->up) != 0) {
        fail_call(f, ERR_INTERNAL, "the request's body did not end where it should");
        return;
    }
    gw_flow_flush(f);
    gw_call_sent(&f->call);
}

static void on_ready(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    struct gw_exchange *x = &f->x;
    const struct gw_shard *shard = shard_of(f)->shard;
    struct gw_to_shard to = gw_to_shard(&x->request, &x->to);
    struct span body = whole_body(f);
    to.host = shard->endpoints[call->endpoint].authority;
    to.request_id = span_str(x->id);
    to.credential_name = shard->credential_name;
    to.credential = shard->credential;
    to.plain_answer = f->learns;
    if (!span_is_none(x->meaning.method))
        to.method = gw_method_parse(x->meaning.method);
    if (!span_is_none(x->meaning.target)) {
        to.query = x->meaning.target;
        to.path = span_cut(&to.query, '?');
    }
    if (!span_is_none(body)) {
        to.framing = body.n > 0 ? GW_FRAMING_LENGTH : GW_FRAMING_NONE;
        to.content_length = body.n;
        to.body_rewritten = true;
    }
    buf_fini(&f->up);
    int rc = gw_forward_request(&to, &f->up, &f->up_body);
    if (rc == 0 && !span_is_none(body) && body.n > 0)
        rc = gw_body_write(&f->up_body, body, &f->up);
    if (rc != 0) {
        fail_call(f, rc, "the request for the shard could not be written");
        return;
    }
    x->upstream_ns = clock_mono_ns();
    f->state = GW_FLOW_FORWARD;
    if (!span_is_none(body) || f->whole)
        finish_request(f);
    else
        gw_client_resume(f->client); // takes what is there of the body, then flushes it together with the head
}

static void on_drained(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    gw_client_resume(f->client);
}

// ------------------------------------------------------------------------------------------------ from the shard

// What the shard refused is the gateway's own credential. Passed on, it would send the client off to mend its token.
static bool is_refusal(unsigned status)
{
    return status == 401 || status == 403 || status == 407;
}
static const char refusal[] = "the shard refused the gateway's credential";

static void on_answer(struct gw_call *call, const struct gw_response *r)
{
    struct gw_flow *f = call->owner;
    struct gw_exchange *x = &f->x;
    if (is_refusal(r->status)) {
        fail_call(f, ERR_SHARD_ANSWER, refusal);
        return;
    }
    char nonce[PKI_NONCE_TEXT];
    struct gw_to_client to = {
        .response = r,
        .method = x->request.method,
        .minor = x->request.minor,
        .keep_alive = x->request.keep_alive && !x->close && !core_of(f)->draining,
        .request_id = span_str(x->id),
    };
    if (x->nonce_due) {
        pki_nonce_make(x->services->nonces, x->now.wall_ms, nonce);
        to.dpop_nonce = span_of(nonce, sizeof nonce);
    }
    struct buf out;
    buf_init(&out, 0);
    int rc = gw_forward_response(&to, &out, &f->down_body, &f->keep_alive);
    if (rc != 0) {
        buf_fini(&out);
        fail_call(f, ERR_SHARD_ANSWER, "its head cannot be passed on");
        return;
    }
    x->status = r->status;
    f->answered = true;
    f->learns = f->learns && r->status == 200;
    gw_client_send(f->client, buf_span(&out));
    buf_fini(&out);
}

static void on_piece(struct gw_call *call, struct span piece)
{
    struct gw_flow *f = call->owner;
    struct buf out;
    buf_init(&out, 0);
    f->x.bytes_out += piece.n;
    if (f->learns)
        buf_append(&f->lesson, piece);
    int rc = f->down_body.framing == GW_FRAMING_NONE ? 0 : gw_body_write(&f->down_body, piece, &out);
    if (rc == 0)
        gw_client_send(f->client, buf_span(&out));
    buf_fini(&out);
    if (rc != 0)
        fail_call(f, ERR_SHARD_ANSWER, "more of an answer than it announced");
}

static void on_lull(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    struct gw_client *c = f->client;
    gw_client_resume(c); // sends what was queued, and may end the flow
    if (c->flow == f && gw_client_congested(c))
        gw_call_pause(call, true);
}

static void on_answered(struct gw_call *call)
{
    struct gw_flow *f = call->owner;
    struct gw_exchange *x = &f->x;
    struct buf out;
    buf_init(&out, 0);
    int rc = f->down_body.framing == GW_FRAMING_NONE ? 0 : gw_body_end(&f->down_body, &out);
    if (rc == 0)
        gw_client_send(f->client, buf_span(&out));
    buf_fini(&out);
    if (rc != 0) {
        fail_call(f, ERR_SHARD_CUT, "less of an answer than it announced");
        return;
    }
    forget_names(f);
    const struct gw_api_authorisation *a = &x->meaning.authorisations[0];
    if (f->learns && !f->lesson.failed)
        gw_name_map_learn(f->view->services.names, (struct gw_name_scope){ x->shard, a->tenant, a->database },
                          buf_span(&f->lesson), core_of(f)->now.mono_ms);
    struct gw_client *c = f->client;
    conclude(f);
    gw_client_resume(c);
}

static void on_failed(struct gw_call *call, int err, const char *what)
{
    fail_call(call->owner, err, what);
}

// ------------------------------------------------------------------------------------------------ several shards

// Every shard must have carried it out: the first answer that says otherwise is the one that is given.
static void answer_all(struct gw_flow *f, const struct gw_gather *g, struct gw_answer *a)
{
    const struct gw_fetch *chosen = &g->fetches[0];
    for (size_t i = 0; i < g->n; i++) {
        const struct gw_fetch *one = &g->fetches[i];
        bool good = one->error == 0 && one->status < 300;
        bool chosen_good = chosen->error == 0 && chosen->status < 300;
        if (!good && chosen_good)
            chosen = one;
    }
    if (chosen->error != 0) {
        fail(f, chosen->error, "not every shard carried it out");
        return;
    }
    if (is_refusal(chosen->status)) {
        fail(f, ERR_SHARD_ANSWER, refusal);
        return;
    }
    a->status = chosen->status;
    a->body = buf_span(&chosen->answer);
}

static bool visible(void *ctx, unsigned shard, struct span database, struct span tenant, struct span collection)
{
    struct gw_flow *f = ctx;
    unsigned placed;
    // A copy on a shard where the rules do not place it cannot be reached, so it is not shown.
    if (!span_is_none(collection) &&
        (gw_placement_find(placement(f), database, tenant, collection, &placed) != 0 || placed != shard))
        return false;
    return gw_policy_shows(&f->x, database, tenant, collection);
}

static void answer_merged(struct gw_flow *f, const struct gw_gather *g, struct gw_answer *a)
{
    struct gw_exchange *x = &f->x;
    struct gw_api_list_answer *answers = arena_array(&x->arena, g->n, sizeof *answers);
    struct gw_api_list_result result;
    if (!answers) {
        fail(f, ERR_NOMEM, NULL);
        return;
    }
    for (size_t i = 0; i < g->n; i++)
        answers[i] =
            (struct gw_api_list_answer){ g->shards[i], g->fetches[i].error == 0 ? (int)g->fetches[i].status : 0,
                                         buf_span(&g->fetches[i].answer) };
    int rc = gw_api_list_merge(&x->meaning, answers, g->n, visible, f, &x->arena, &result);
    if (rc == 0 && x->arena.failed)
        rc = ERR_NOMEM; // something may have been hidden for want of memory, not of permission
    if (rc != 0) {
        fail(f, rc, "no shard gave a list that can be used");
        return;
    }
    // Half a list that looks whole would be a lie to the client: a shard that is down makes the list unavailable.
    if (result.n_failed > 0) {
        fail(f, ERR_SHARD_ANSWER,
             arena_printf(&x->arena, "shard %.*s did not answer", SPAN_FMT(placement(f)->names[result.failed[0]])).p);
        return;
    }
    a->status = 200;
    a->body = result.body;
}

static void on_gathered(struct gw_gather *g)
{
    struct gw_flow *f = g->owner;
    struct gw_exchange *x = &f->x;
    struct gw_client *c = f->client;
    char nonce[PKI_NONCE_TEXT];
    struct gw_answer a = {
        .content_type = SPAN("application/json"),
        .request_id = span_str(x->id),
        .wall_ms = core_of(f)->now.wall_ms,
        .head = x->request.method == GW_METHOD_HEAD,
        .close = !x->request.keep_alive || x->close || core_of(f)->draining,
    };
    if (x->nonce_due) {
        pki_nonce_make(x->services->nonces, x->now.wall_ms, nonce);
        a.dpop_nonce = span_of(nonce, sizeof nonce);
    }
    if (x->meaning.fan == GW_API_FAN_MERGE)
        answer_merged(f, g, &a);
    else
        answer_all(f, g, &a);
    if (a.status != 0) {
        struct buf out;
        buf_init(&out, 0);
        if (gw_answer_write(&a, &out) == 0) {
            x->status = a.status;
            x->bytes_out = a.body.n;
            f->keep_alive = !a.close;
            f->answered = true;
            gw_client_send(c, buf_span(&out));
            conclude(f);
        } else {
            gw_client_cut(c);
        }
        buf_fini(&out);
    }
    gw_client_resume(c);
}

static void gather(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    struct gw_gather_request r = {
        .view = f->view,
        .api = x->api,
        .shards = &x->shards,
        .method = span_is_none(x->meaning.method) ? x->request.method : gw_method_parse(x->meaning.method),
        .target = x->meaning.target,
        .body = whole_body(f),
        .request_id = x->id,
    };
    if (r.method == GW_METHOD_HEAD)
        r.method = GW_METHOD_GET;
    if (span_is_none(r.target))
        r.target = span_is_none(x->to.query)
                       ? x->to.path
                       : arena_printf(&x->arena, "%.*s?%.*s", SPAN_FMT(x->to.path), SPAN_FMT(x->to.query));
    f->gather = span_is_none(r.target) ? NULL : gw_gather_new(&r);
    if (!f->gather) {
        fail(f, ERR_NOMEM, NULL);
        return;
    }
    x->upstream_ns = clock_mono_ns();
    f->gather->owner = f;
    f->gather->on_done = on_gathered;
    f->state = GW_FLOW_GATHER;
    gw_gather_start(f->gather);
}

// ------------------------------------------------------------------------------------------------------ decided

static void start(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    if (x->request.expect_continue && !f->whole) {
        struct buf out;
        buf_init(&out, 0);
        gw_forward_continue(&out);
        gw_client_send(f->client, buf_span(&out));
        buf_fini(&out);
        x->request.expect_continue = false;
    }
    if (x->meaning.fan != GW_API_FAN_ONE) {
        // Bodies of such requests are small and were read by the api stage, or there is none.
        gather(f);
        return;
    }
    forget_names(f);
    f->learns = x->meaning.teaches_names;
    struct span body = whole_body(f);
    bool replayable = !span_is_none(body) || x->request.framing == GW_FRAMING_NONE;
    f->call = (struct gw_call){
        .owner = f,
        .pool = &shard_of(f)->pool,
        .arena = &x->arena,
        .head_request = x->request.method == GW_METHOD_HEAD,
        .may_retry = x->meaning.idempotent && replayable,
        .on_ready = on_ready,
        .on_head = on_answer,
        .on_body = on_piece,
        .on_lull = on_lull,
        .on_end = on_answered,
        .on_failed = on_failed,
        .on_drained = on_drained,
    };
    f->state = GW_FLOW_CONNECT;
    gw_call_start(&f->call);
}

static void forward(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    assert(x->verdict == GW_ALLOW);
    const struct gw_audit *audit = core_of(f)->shared->audit;
    if (!f->view->snapshot->config->audit.drop_when_full && gw_audit_failing(audit)) {
        fail(f, ERR_AUDIT_FULL, "the audit log cannot be written just now");
        return;
    }
    if (x->meaning.changes_data) {
        if (submit(f, GW_AUDIT_INTENT) != 0) {
            fail(f, ERR_AUDIT_FULL, "no record, no change");
            return;
        }
        if (must_wait(f)) {
            f->state = GW_FLOW_INTENT;
            list_add(&core_of(f)->awaiting, f);
            return;
        }
    }
    start(f);
}

static void run(struct gw_flow *f)
{
    struct gw_exchange *x = &f->x;
    f->state = GW_FLOW_DECIDE;
    x->now = core_of(f)->now;
    int rc = gw_pipeline_run(x);
    switch (rc) {
    case GW_PASS: forward(f); break;
    case GW_BODY:
        f->state = GW_FLOW_COLLECT;
        if (x->request.expect_continue) {
            struct buf out;
            buf_init(&out, 0);
            gw_forward_continue(&out);
            gw_client_send(f->client, buf_span(&out));
            buf_fini(&out);
            x->request.expect_continue = false;
        }
        break;
    case GW_WAIT:
        f->state = GW_FLOW_WAIT;
        list_add(&f->view->waiting, f);
        gw_listing_begin(f->view, x->api, &x->wait); // may come back to this flow, or end it, before it returns
        break;
    default: refuse(f, rc); break;
    }
}

void gw_flow_listed(struct gw_view *view)
{
    struct gw_flow *again = view->waiting;
    view->waiting = NULL;
    if (again)
        again->link = &again;
    while (again) {
        struct gw_flow *f = again;
        struct gw_client *c = f->client;
        list_remove(f);
        run(f);
        gw_client_resume(c);
    }
}

void gw_flow_audit_progress(struct gw_core *core)
{
    uint64_t acked = gw_audit_acked(core->shared->audit, core->index);
    bool failing = gw_audit_failing(core->shared->audit);
    struct gw_flow *all = core->awaiting;
    core->awaiting = NULL;
    if (all)
        all->link = &all;
    while (all) {
        struct gw_flow *f = all;
        struct gw_client *c = f->client;
        list_remove(f);
        if (acked < f->ticket && !failing) {
            list_add(&core->awaiting, f);
            continue;
        }
        bool lost = acked < f->ticket;
        if (f->state == GW_FLOW_INTENT && lost)
            fail(f, ERR_AUDIT_FULL, "the audit log cannot be written just now");
        else if (f->state == GW_FLOW_INTENT)
            start(f);
        else if (lost)
            go_without_record(f);
        else
            after_record(f);
        gw_client_resume(c);
    }
}

// ----------------------------------------------------------------------------------------------- from the client

struct gw_flow *gw_flow_new(struct gw_client *c)
{
    struct gw_core *core = c->core;
    struct gw_flow *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->client = c;
    f->view = gw_view_ref(core->view);
    struct gw_exchange *x = &f->x;
    arena_init(&x->arena, ARENA_MAX);
    x->snapshot = f->view->snapshot;
    x->services = &f->view->services;
    x->peer = c->tls.peer;
    x->tls = &c->tls.facts;
    x->remote = c->remote;
    x->now = core->now;
    x->started_ns = clock_mono_ns();
    gw_core_random_id(core, x->id);
    buf_init(&f->up, 0);
    buf_init(&f->collected, x->snapshot->request_limits.body);
    buf_init(&f->lesson, LESSON_MAX);
    return f;
}

void gw_flow_free(struct gw_flow *f)
{
    list_remove(f);
    gw_call_abort(&f->call);
    gw_gather_free(f->gather);
    f->gather = NULL;
    if (!f->recorded) {
        if (f->x.error == 0)
            f->x.error = ERR_CLIENT_GONE;
        record(f); // nobody is left to be refused
    }
    gw_exchange_fini(&f->x);
    buf_wipe(&f->up);
    buf_fini(&f->collected);
    buf_fini(&f->lesson);
    gw_view_unref(f->view);
    free(f);
}

void gw_flow_head(struct gw_flow *f)
{
    f->whole = f->x.request.framing == GW_FRAMING_NONE;
    run(f);
}

void gw_flow_body(struct gw_flow *f, struct span piece)
{
    f->x.bytes_in += piece.n;
    switch (f->state) {
    case GW_FLOW_COLLECT:
        if (!buf_append(&f->collected, piece))
            refuse(f, f->collected.limit > 0 ? ERR_HTTP_BODY_SIZE : ERR_NOMEM);
        break;
    case GW_FLOW_FORWARD:
        if (gw_body_write(&f->up_body, piece, &f->up) != 0)
            fail(f, ERR_INTERNAL, "the request's body could not be passed on");
        else if (buf_len(&f->up) >= UP_HIGH)
            gw_flow_flush(f);
        break;
    default:
        f->discarded += piece.n;
        if (f->discarded > DISCARD_MAX)
            gw_client_done(f->client, true);
        break;
    }
}

void gw_flow_end(struct gw_flow *f)
{
    bool was_whole = f->whole;
    f->whole = true;
    switch (f->state) {
    case GW_FLOW_COLLECT:
        f->x.body = buf_span(&f->collected);
        run(f);
        break;
    case GW_FLOW_FORWARD:
        if (!was_whole)
            finish_request(f);
        break;
    case GW_FLOW_DISCARD: gw_client_done(f->client, false); break;
    default: break;
    }
}

void gw_flow_bad(struct gw_flow *f, int err, const char *what)
{
    f->x.close = true;
    if (f->state == GW_FLOW_DISCARD) { // its refusal is out already
        gw_client_done(f->client, true);
        return;
    }
    f->x.detail = span_str(what);
    list_remove(f);
    gw_call_abort(&f->call);
    refuse(f, err);
}

void gw_flow_drained(struct gw_flow *f)
{
    if (f->state == GW_FLOW_FORWARD)
        gw_call_pause(&f->call, false);
}

bool gw_flow_takes(const struct gw_flow *f)
{
    switch (f->state) {
    case GW_FLOW_HEAD:
    case GW_FLOW_DISCARD: return true;
    case GW_FLOW_COLLECT: return !f->whole;
    case GW_FLOW_FORWARD: return !f->whole && !gw_call_congested(&f->call);
    default: return false;
    }
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/introspect.h"

#include "gateway/base/log.h"
#include "gateway/net/flow.h"
#include "gateway/stages/pipeline.h"
#include "pki/introspected.h"

#include <assert.h>
#include <stdlib.h>

struct gw_inquiry {
    struct gw_inquiry *next, **link; // among core->inquiries
    struct gw_view *view;            // counted
    struct gw_introspector *at;
    struct gw_question *question;
    struct buf body; // holds the token: wiped
    size_t token_n;
    char *token; // as it was sent to us, behind the struct
    struct gw_fetch_field authorization;
    struct gw_fetch fetch;
};

static void inquiry_free(struct gw_inquiry *q)
{
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    gw_fetch_fini(&q->fetch);
    buf_wipe(&q->body);
    explicit_bzero(q->token, q->token_n);
    gw_view_unref(q->view);
    free(q);
}

// Everybody who waited goes on. Each may end, and take others with it; those leave the list by themselves.
static void go_on(struct gw_introspection_wait **waiters)
{
    while (*waiters) {
        struct gw_introspection_wait *w = *waiters;
        *waiters = w->next;
        if (w->next)
            w->next->link = waiters;
        w->link = NULL;
        w->next = NULL;
        gw_flow_again(w->owner);
    }
}

// "application/json", perhaps with parameters.
static bool is_json(struct span content_type)
{
    struct span rest = content_type, type = span_cut(&rest, ';');
    while (type.n > 0 && (type.p[type.n - 1] == ' ' || type.p[type.n - 1] == '\t'))
        type.n--;
    return span_ieq(type, SPAN("application/json"));
}

static void complain(struct gw_inquiry *q, unsigned status)
{
    if (!atomic_exchange(&q->at->complained, true))
        log_write(
            q->view->core->shared->log, LOG_ERROR,
            "the introspection server of issuer %.*s answers %u: it does not take the gateway's client_id, secret or "
            "certificate, or is another endpoint; opaque tokens of that issuer are refused",
            SPAN_FMT(q->at->issuer->name), status);
}

// The token that the answer is, or the refusal; ERR_INTROSPECTION for what is no answer.
static int read_answer(struct gw_inquiry *q, struct pki_token **token)
{
    const struct gw_fetch *f = &q->fetch;
    if (f->error != 0)
        return f->error == ERR_NOMEM ? ERR_NOMEM : ERR_INTROSPECTION;
    if (f->status == 400 || f->status == 401 || f->status == 403)
        complain(q, f->status);
    if (f->status != 200 || !is_json(gw_fetch_header(f, SPAN("content-type"))))
        return ERR_INTROSPECTION;
    return pki_introspected_read(q->at->issuer, span_of(q->token, q->token_n), gw_question_sha256(q->question),
                                 buf_span(&f->answer), gw_core_now_s(q->view->core), NULL, token);
}

// Without an answer: a server that cannot be reached, is late, breaks off, is overloaded or does not know us would fail any other token as well.
// What else it says may be about this one.
static enum gw_question_fault fault_of(const struct gw_fetch *f, int rc)
{
    if (rc == ERR_NOMEM)
        return GW_FAULT_OURS;
    bool said = f->status != 0 && (f->error == 0 || f->error == ERR_SHARD_ANSWER);
    bool ill = f->status == 401 || f->status == 429 || f->status >= 500;
    return said && !ill ? GW_FAULT_TOKEN : GW_FAULT_SERVER;
}

static void on_done(struct gw_fetch *f)
{
    struct gw_inquiry *q = f->owner;
    struct gw_view *view = gw_view_ref(q->view);
    int64_t now_ms = view->core->now.mono_ms;
    struct gw_introspection_wait *waiters;
    struct pki_token *token = NULL;
    int rc = read_answer(q, &token);
    if (rc == ERR_INTROSPECTION || rc == ERR_NOMEM)
        gw_question_failed(q->question, rc, fault_of(f, rc), now_ms, &waiters);
    else
        gw_question_answered(q->question, rc, token, now_ms, &waiters);
    pki_token_unref(token);
    inquiry_free(q);
    go_on(&waiters);
    gw_view_unref(view);
}

// NULL: out of memory.
static struct gw_inquiry *inquiry_new(struct gw_view *view, struct gw_question *question, struct span token)
{
    size_t server = gw_question_server(question);
    struct gw_introspector *at = &view->snapshot->introspectors[server];
    struct gw_inquiry *q = calloc(1, sizeof *q + token.n);
    if (!q)
        return NULL;
    q->at = at;
    q->question = question;
    q->token = (char *)(q + 1);
    q->token_n = token.n;
    memcpy(q->token, token.p, token.n);
    buf_init(&q->body, 0);
    buf_append(&q->body, SPAN("token="));
    gw_form_encode(&q->body, token);
    buf_append(&q->body, at->parameters);
    q->authorization = (struct gw_fetch_field){ SPAN("authorization"), at->authorization };
    q->fetch = (struct gw_fetch){
        .origin = &view->introspectors[server],
        .method = GW_METHOD_POST,
        .target = at->config->server.target,
        .body = buf_span(&q->body),
        .content_type = SPAN("application/x-www-form-urlencoded"),
        .fields = &q->authorization,
        .n_fields = span_is_none(at->authorization) ? 0 : 1,
        .answer_max = PKI_INTROSPECTED_MAX,
        .within_ms = at->config->timeout,
        .repeatable = true, // asking changes nothing
        .on_done = on_done,
        .owner = q,
    };
    if (q->body.failed) {
        buf_wipe(&q->body);
        free(q);
        return NULL;
    }
    q->view = gw_view_ref(view);
    q->link = &view->core->inquiries;
    q->next = *q->link;
    if (q->next)
        q->next->link = &q->next;
    *q->link = q;
    return q;
}

void gw_introspect(struct gw_flow *f)
{
    struct gw_introspection_wait *w = &f->x.asked, *waiters;
    w->owner = f;
    if (!w->begin)
        return;
    w->begin = false;
    struct gw_inquiry *q = inquiry_new(f->view, w->question, f->x.opaque);
    if (q) {
        gw_fetch_start(&q->fetch);
        return;
    }
    gw_question_failed(w->question, ERR_NOMEM, GW_FAULT_OURS, f->view->core->now.mono_ms, &waiters);
    go_on(&waiters);
}

void gw_inquiries_end(struct gw_core *core)
{
    while (core->inquiries) {
        struct gw_inquiry *q = core->inquiries;
        struct gw_introspection_wait *nobody;
        gw_question_failed(q->question, ERR_NOMEM, GW_FAULT_OURS, core->now.mono_ms, &nobody);
        assert(!nobody);
        inquiry_free(q);
    }
}

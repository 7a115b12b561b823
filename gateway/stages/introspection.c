// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/stages/introspection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pki/lru.h"

#define REFUSAL_BYTES (4u << 20)

struct gw_question {
    struct gw_introspection *of;
    size_t server;
    uint8_t sha256[32];
    struct gw_introspection_wait *waiting;
    bool probe; // the one question that an open breaker lets out
    struct gw_question *next, **link;
    size_t workload_n;
    char workload[]; // who asked first
};

struct server {
    struct gw_introspection_limits limits;
    size_t calls;
    unsigned failed;       // in a row
    int64_t open_until_ms; // once `failed` is at its limit
    bool probing;
};

struct gw_introspection {
    struct gw_metrics *metrics;
    struct gw_question *questions;
    size_t waiters;
    struct pki_lru refusals;
    size_t n;
    struct server servers[];
};

struct refusal {
    struct pki_lru_item item; // first: on_drop gets it back
    uint8_t sha256[32];
    int error;
    int64_t until_ms;
};

static void on_drop(struct pki_lru_item *item)
{
    free(item);
}

struct gw_introspection *gw_introspection_new(const struct gw_introspection_limits *limits, size_t servers,
                                              struct gw_metrics *metrics)
{
    struct gw_introspection *in = calloc(1, sizeof *in + servers * sizeof *in->servers);
    if (!in)
        return NULL;
    in->metrics = metrics;
    in->n = servers;
    for (size_t i = 0; i < servers; i++)
        in->servers[i].limits = limits[i];
    pki_lru_init(&in->refusals, GW_INTROSPECTION_REFUSALS, REFUSAL_BYTES, 0, on_drop);
    return in;
}

static bool is_open(const struct server *s)
{
    return s->failed >= s->limits.failures;
}

void gw_introspection_free(struct gw_introspection *in)
{
    if (!in)
        return;
    assert(!in->questions);
    for (size_t i = 0; i < in->n; i++)
        if (is_open(&in->servers[i]))
            gw_count_down(in->metrics, GW_METRIC_INTROSPECTION_OPEN);
    pki_lru_fini(&in->refusals);
    free(in);
}

// ---- refusals

static int remembered(struct gw_introspection *in, const uint8_t sha256[static 32], int64_t now_ms)
{
    struct refusal *r = (struct refusal *)pki_lru_get(&in->refusals, span_of(sha256, 32));
    if (!r)
        return 0;
    if (now_ms < r->until_ms)
        return r->error;
    pki_lru_drop(&in->refusals, &r->item);
    return 0;
}

// For those who bring it again; without memory for it they ask again.
static void remember(const struct gw_question *q, int error, int64_t now_ms)
{
    struct gw_introspection *in = q->of;
    int64_t keep_ms = in->servers[q->server].limits.refusal_ms;
    struct refusal *r = keep_ms > 0 ? malloc(sizeof *r) : NULL;
    if (!r)
        return;
    *r = (struct refusal){ .error = error, .until_ms = now_ms + keep_ms };
    memcpy(r->sha256, q->sha256, sizeof r->sha256);
    r->item.key = span_of(r->sha256, sizeof r->sha256);
    r->item.bytes = sizeof *r;
    if (!pki_lru_put(&in->refusals, &r->item, span_of(q->workload, q->workload_n)))
        free(r);
}

// ---- asking

static size_t quarter(size_t n)
{
    return n / 4 > 0 ? n / 4 : 1;
}

static bool may_wait(const struct gw_introspection *in, struct span workload)
{
    size_t own = 0;
    if (in->waiters >= GW_INTROSPECTION_WAITERS)
        return false;
    if (in->waiters < quarter(GW_INTROSPECTION_WAITERS))
        return true;
    for (const struct gw_question *q = in->questions; q; q = q->next)
        for (const struct gw_introspection_wait *w = q->waiting; w; w = w->next)
            own += span_eq(w->workload, workload);
    return own < quarter(GW_INTROSPECTION_WAITERS);
}

static bool may_ask(const struct gw_introspection *in, size_t server, struct span workload)
{
    const struct server *s = &in->servers[server];
    size_t own = 0;
    if (s->calls >= s->limits.calls)
        return false;
    for (const struct gw_question *q = in->questions; q; q = q->next)
        own += q->server == server && span_eq(span_of(q->workload, q->workload_n), workload);
    return own < quarter(s->limits.calls);
}

static void wait_for(struct gw_question *q, struct span workload, struct gw_introspection_wait *w)
{
    *w = (struct gw_introspection_wait){ .question = q, .workload = workload, .owner = w->owner };
    w->next = q->waiting;
    if (w->next)
        w->next->link = &w->next;
    w->link = &q->waiting;
    q->waiting = w;
    q->of->waiters++;
}

static struct gw_question *question_new(struct gw_introspection *in, size_t server, const uint8_t sha256[static 32],
                                        struct span workload)
{
    struct gw_question *q = malloc(sizeof *q + workload.n);
    if (!q)
        return NULL;
    *q = (struct gw_question){ .of = in, .server = server, .workload_n = workload.n };
    memcpy(q->sha256, sha256, sizeof q->sha256);
    if (workload.n > 0)
        memcpy(q->workload, workload.p, workload.n);
    q->next = in->questions;
    if (q->next)
        q->next->link = &q->next;
    q->link = &in->questions;
    in->questions = q;
    in->servers[server].calls++;
    return q;
}

static struct gw_question *running(const struct gw_introspection *in, size_t server, const uint8_t sha256[static 32])
{
    for (struct gw_question *q = in->questions; q; q = q->next)
        if (q->server == server && memcmp(q->sha256, sha256, sizeof q->sha256) == 0)
            return q;
    return NULL;
}

// 0, or ERR_INTROSPECTION while the server is given a rest; `*probe` when this is the question that ends it.
static int ask_breaker(const struct server *s, int64_t now_ms, bool *probe, uint64_t *retry_after_s)
{
    *probe = false;
    if (!is_open(s))
        return 0;
    int64_t left_ms = s->open_until_ms - now_ms;
    if (left_ms <= 0 && !s->probing) {
        *probe = true;
        return 0;
    }
    *retry_after_s = left_ms > 0 ? (uint64_t)((left_ms + 999) / 1000) : 1;
    return ERR_INTROSPECTION;
}

int gw_introspection_ask(struct gw_introspection *in, size_t server, const uint8_t sha256[static 32],
                         struct span workload, int64_t now_ms, struct gw_introspection_wait *w)
{
    assert(server < in->n && !w->link);
    struct server *s = &in->servers[server];
    bool probe = false;
    int rc = remembered(in, sha256, now_ms);
    if (rc != 0) {
        gw_count(in->metrics, GW_METRIC_INTROSPECTION_REFUSED, 1);
        return rc;
    }
    struct gw_question *q = running(in, server, sha256);
    if (!q && (rc = ask_breaker(s, now_ms, &probe, &w->retry_after_s)) != 0) {
        gw_count(in->metrics, GW_METRIC_INTROSPECTION_TURNED_AWAY, 1);
        return rc;
    }
    if (!may_wait(in, workload) || (!q && !may_ask(in, server, workload))) {
        gw_count(in->metrics, GW_METRIC_INTROSPECTION_TURNED_AWAY, 1);
        w->retry_after_s = 1;
        return ERR_OVERLOADED;
    }
    if (q) {
        wait_for(q, workload, w);
        gw_count(in->metrics, GW_METRIC_INTROSPECTION_JOINED, 1);
        return 0;
    }
    q = question_new(in, server, sha256, workload);
    if (!q)
        return ERR_NOMEM;
    q->probe = probe;
    s->probing = s->probing || probe;
    wait_for(q, workload, w);
    w->begin = true;
    gw_count(in->metrics, GW_METRIC_INTROSPECTION_ASKED, 1);
    return 0;
}

void gw_introspection_leave(struct gw_introspection_wait *w)
{
    if (w->link) {
        *w->link = w->next;
        if (w->next)
            w->next->link = w->link;
    }
    if (w->question)
        w->question->of->waiters--;
    pki_token_unref(w->token);
    *w = (struct gw_introspection_wait){ .owner = NULL };
}

size_t gw_question_server(const struct gw_question *q)
{
    return q->server;
}
const uint8_t *gw_question_sha256(const struct gw_question *q)
{
    return q->sha256;
}

// ---- the end of a question

static void end(struct gw_question *q, int error, struct pki_token *token, uint64_t retry_after_s,
                struct gw_introspection_wait **waiters)
{
    for (struct gw_introspection_wait *w = q->waiting; w; w = w->next) {
        w->question = NULL;
        w->answered = true;
        w->error = error;
        w->token = error == 0 ? pki_token_ref(token) : NULL;
        w->retry_after_s = retry_after_s;
        q->of->waiters--;
    }
    *waiters = q->waiting;
    if (*waiters)
        (*waiters)->link = waiters;
    q->of->servers[q->server].calls--;
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    free(q);
}

static void close_breaker(struct gw_question *q)
{
    struct server *s = &q->of->servers[q->server];
    if (is_open(s))
        gw_count_down(q->of->metrics, GW_METRIC_INTROSPECTION_OPEN);
    s->failed = 0;
    s->probing = false;
}

void gw_question_answered(struct gw_question *q, int error, struct pki_token *token, int64_t now_ms,
                          struct gw_introspection_wait **waiters)
{
    close_breaker(q);
    if (error != 0)
        remember(q, error, now_ms);
    end(q, error, token, 0, waiters);
}

static void count_failure(struct gw_question *q, int64_t now_ms)
{
    struct server *s = &q->of->servers[q->server];
    bool was_open = is_open(s);
    if (!was_open)
        s->failed++;
    // Those that were on their way when it opened say nothing new; the probe does.
    if (is_open(s) && (!was_open || q->probe))
        s->open_until_ms = now_ms + s->limits.open_ms;
    if (is_open(s) && !was_open)
        gw_count(q->of->metrics, GW_METRIC_INTROSPECTION_OPEN, 1);
}

void gw_question_failed(struct gw_question *q, int error, enum gw_question_fault fault, int64_t now_ms,
                        struct gw_introspection_wait **waiters)
{
    struct server *s = &q->of->servers[q->server];
    uint64_t retry_after_s = 1;
    if (q->probe)
        s->probing = false;
    if (fault != GW_FAULT_OURS)
        gw_count(q->of->metrics, GW_METRIC_INTROSPECTION_FAILED, 1);
    if (fault == GW_FAULT_SERVER)
        count_failure(q, now_ms);
    else if (fault == GW_FAULT_TOKEN && q->probe)
        close_breaker(q);
    if (fault != GW_FAULT_OURS && is_open(s) && s->open_until_ms > now_ms)
        retry_after_s = (uint64_t)((s->open_until_ms - now_ms + 999) / 1000);
    end(q, error, NULL, retry_after_s, waiters);
}

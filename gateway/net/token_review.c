// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/token_review.h"

#include "gateway/config/bearer.h"
#include "gateway/endpoint/attest.h"
#include "gateway/endpoint/visit.h"
#include "gateway/net/fetch.h"
#include "pki/digest.h"

#include <stdlib.h>

#define WITHIN_MS 7000

// The connection of a question, which may outlive it.
struct line {
    struct gw_origin origin;
    struct gw_h1_limits limits;
    struct gw_fetch_field authorization;
    struct buf bearer, body; // both secret
    struct gw_snapshot *snapshot;
};

struct gw_review {
    struct gw_reviews *all;
    struct gw_review *next;
    size_t cluster;
    uint64_t generation;
    uint8_t sha256[PKI_SHA256];
    struct line *line; // NULL: it was answered
    struct gw_fetch fetch;
    int error;
    int64_t answered_ms;
};

static const struct gw_config_cluster *cluster(const struct gw_snapshot *s, size_t i)
{
    return &s->authority.config->enrolment.clusters[i];
}

static void on_empty(struct gw_origin *o)
{
    struct line *l = o->owner;
    gw_origin_fini(&l->origin);
    buf_wipe(&l->bearer);
    buf_wipe(&l->body);
    gw_snapshot_unref(l->snapshot);
    free(l);
}

static struct line *line_new(struct gw_reviews *r, struct gw_snapshot *s, size_t at, struct span token)
{
    const struct gw_config_cluster *c = cluster(s, at);
    struct line *l = calloc(1, sizeof *l);
    struct diags diags;
    if (!l)
        return NULL;
    buf_init(&l->bearer, 0);
    buf_init(&l->body, 0);
    l->snapshot = gw_snapshot_ref(s);
    l->limits = gw_h1_default_limits;
    l->limits.body = GW_REVIEW_ANSWER_MAX;
    diags_init(&diags);
    bool ok = gw_bearer_read(c->review.bearer_token_file.v.p, &l->bearer);
    if (!ok)
        log_error(r->log, "cluster %.*s: there is no token in %.*s, so nothing can be reviewed", SPAN_FMT(c->name.v),
                  SPAN_FMT(c->review.bearer_token_file.v));
    ok = ok && gw_attest_ask(token, c->review.audience.v, &l->body) &&
         gw_origin_init(&l->origin, &s->authority.reviewers[at], &l->limits, &r->ground, r->ground.now->wall_ms / 1000,
                        &diags) == 0;
    diags_fini(&diags);
    l->origin.owner = l;
    l->origin.on_empty = on_empty;
    l->authorization = (struct gw_fetch_field){ SPAN("authorization"), buf_span(&l->bearer) };
    if (ok)
        return l;
    on_empty(&l->origin);
    return NULL;
}

static void end_line(struct gw_review *q)
{
    struct line *l = q->line;
    q->line = NULL;
    if (l)
        gw_origin_retire(&l->origin);
}

static void review_free(struct gw_review *q)
{
    buf_wipe(&q->fetch.answer); // the server sends the token back
    gw_fetch_fini(&q->fetch);
    end_line(q);
    q->all->n--;
    free(q);
}

static void on_done(struct gw_fetch *f)
{
    struct gw_review *q = f->owner;
    struct gw_reviews *r = q->all;
    const struct gw_config_cluster *c = cluster(q->line->snapshot, q->cluster);
    q->error = f->error != 0 || f->status < 200 || f->status > 299 ? ERR_REVIEW_FAILED : 0;
    if (q->error != 0 && f->error == 0)
        log_error(r->log, "cluster %.*s: TokenReview is answered %u; does our token have system:auth-delegator?",
                  SPAN_FMT(c->name.v), f->status);
    else if (q->error != 0)
        log_error(r->log, "cluster %.*s: TokenReview: %s", SPAN_FMT(c->name.v),
                  f->what ? f->what : err_info(f->error)->reason.p);
    q->answered_ms = r->ground.now->mono_ms;
    end_line(q);
    if (!r->asking)
        r->on_answer(r->ctx);
}

static struct gw_review *find(struct gw_reviews *r, uint64_t generation, size_t at, const uint8_t *sha256)
{
    for (struct gw_review *q = r->first; q; q = q->next)
        if (q->cluster == at && q->generation == generation && memcmp(q->sha256, sha256, PKI_SHA256) == 0)
            return q;
    return NULL;
}

static struct gw_review *ask(struct gw_reviews *r, struct gw_snapshot *s, size_t at, struct span token,
                             const uint8_t *sha256)
{
    const struct gw_config_token_review *c = &cluster(s, at)->review;
    struct gw_review *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->line = line_new(r, s, at, token);
    if (!q->line) {
        free(q);
        return NULL;
    }
    q->all = r;
    q->cluster = at;
    q->generation = s->generation;
    memcpy(q->sha256, sha256, PKI_SHA256);
    q->next = r->first;
    r->first = q;
    r->n++;
    q->fetch = (struct gw_fetch){
        .origin = &q->line->origin,
        .method = GW_METHOD_POST,
        .target = span_eq(c->server.target, SPAN("/")) ? GW_REVIEW_PATH : c->server.target,
        .body = buf_span(&q->line->body),
        .fields = &q->line->authorization,
        .n_fields = 1,
        .answer_max = GW_REVIEW_ANSWER_MAX,
        .within_ms = WITHIN_MS,
        .repeatable = true, // asking changes nothing
        .on_done = on_done,
        .owner = q,
    };
    r->asking = true;
    gw_fetch_start(&q->fetch);
    r->asking = false;
    return q;
}

int gw_reviews_ask(struct gw_reviews *r, struct gw_snapshot *s, size_t at, struct span token,
                   const uint8_t sha256[static PKI_SHA256], struct span *answer)
{
    gw_reviews_look(r);
    struct gw_review *q = find(r, s->generation, at, sha256);
    if (!q && r->n >= GW_REVIEWS_MAX)
        return ERR_OVERLOADED;
    if (!q && !(q = ask(r, s, at, token, sha256)))
        return ERR_REVIEW_FAILED;
    if (q->line)
        return GW_VISIT_WAITS;
    if (q->error == 0)
        *answer = buf_span(&q->fetch.answer);
    return q->error;
}

void gw_reviews_look(struct gw_reviews *r)
{
    for (struct gw_review **link = &r->first; *link;) {
        struct gw_review *q = *link;
        if (q->line || r->ground.now->mono_ms < q->answered_ms + GW_REVIEW_KEPT_MS) {
            link = &q->next;
            continue;
        }
        *link = q->next;
        review_free(q);
    }
}

void gw_reviews_end(struct gw_reviews *r)
{
    while (r->first) {
        struct gw_review *q = r->first;
        r->first = q->next;
        review_free(q);
    }
}

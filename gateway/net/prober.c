// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/prober.h"

#include "gateway/net/fetch.h"
#include "gateway/net/health_check.h"
#include "pki/digest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define SICK_MS 1000 // between two questions to one that is not well
#define ANSWER_MAX (64u << 10)
#define APART_MS 5 // of two first questions: a thousand endpoints are not asked at once, then or ever after

// One endpoint. Its end is in two steps, as its origin's.
struct probe {
    struct gw_prober *all;
    struct probe *next;
    size_t shard;                 // of the snapshot
    struct gw_snapshot *snapshot; // counted
    struct gw_endpoints *from;    // likewise; `endpoint` is one of it
    const struct gw_endpoint *endpoint;
    struct gw_health *health;
    struct gw_health_check check;
    struct gw_remote remote; // the shard's, but for where and how long
    struct gw_origin origin;
    struct gw_fetch fetch;
    struct gw_fetch_field credential;
    struct gw_deadline deadline;
    uint64_t good, bad;
    bool odd; // it was said
};

struct gw_prober {
    struct gw_origin_ground ground;
    struct log *log;
    struct gw_health_board *board;
    struct gw_snapshot *snapshot;
    struct probe *first;
};

static const struct gw_shard *shard_of(const struct probe *p)
{
    return &p->snapshot->shards[p->shard];
}

// --------------------------------------------------------------------------------------------------------- asking

// So that the gateways of a fleet do not all ask at once: from nine tenths to eleven.
static int64_t about(int64_t ms)
{
    uint16_t random;
    pki_random(&random, sizeof random);
    return ms - ms / 10 + ms * random / 5 / 65536;
}

static void say(struct probe *p, enum gw_health_answer answer, bool turned, unsigned status, const char *what)
{
    struct log *log = p->all->log;
    struct span shard = shard_of(p)->name, at = p->endpoint->authority;
    char text[32];
    snprintf(text, sizeof text, "status %u", status);
    what = what ? what : status > 0 ? text : "no answer";
    if (turned && answer == GW_HEALTH_SICK)
        log_warn(log, "shard %.*s: endpoint %.*s (%s) is not ready and gets no requests: %s", SPAN_FMT(shard),
                 SPAN_FMT(at), p->endpoint->host, what);
    else if (turned)
        log_info(log, "shard %.*s: endpoint %.*s (%s) is ready again", SPAN_FMT(shard), SPAN_FMT(at),
                 p->endpoint->host);
    if (answer == GW_HEALTH_ODD && !p->odd)
        log_warn(log,
                 "shard %.*s: endpoint %.*s answers %s to the question whether it is ready, and counts as ready; set "
                 "health.path, or health.interval to 0s",
                 SPAN_FMT(shard), SPAN_FMT(at), text);
    p->odd = answer == GW_HEALTH_ODD;
}

static void on_done(struct gw_fetch *f)
{
    struct probe *p = f->owner;
    const struct gw_config_health *config = &shard_of(p)->config->health;
    enum gw_health_answer answer =
        f->error != 0 ? GW_HEALTH_SICK : gw_health_answer(&p->check, f->status, buf_span(&f->answer));
    bool good = answer != GW_HEALTH_SICK;
    *(good ? &p->good : &p->bad) += 1;
    bool turned = gw_health_told(p->health, good, config->unhealthy, config->healthy);
    say(p, answer, turned, f->error != 0 ? 0 : f->status, f->what);
    bool hurry = !good || gw_health_is_sick(p->health);
    int64_t pause = hurry && config->interval > SICK_MS ? SICK_MS : config->interval;
    gw_deadline_set(p->all->ground.wheel, &p->deadline, p->all->ground.now->mono_ms + about(pause));
}

static void on_due(struct gw_deadline *d)
{
    struct probe *p = (struct probe *)((char *)d - offsetof(struct probe, deadline));
    const struct gw_shard *shard = shard_of(p);
    p->credential = (struct gw_fetch_field){ shard->credential_name, shard->credential };
    gw_fetch_fini(&p->fetch);
    p->fetch = (struct gw_fetch){
        .origin = &p->origin,
        .method = p->check.method,
        .target = p->check.target,
        .body = p->check.body,
        .fields = &p->credential,
        .n_fields = span_is_none(shard->credential_name) ? 0 : 1,
        .answer_max = ANSWER_MAX,
        .within_ms = shard->config->health.timeout,
        .on_done = on_done,
        .owner = p,
    };
    gw_fetch_start(&p->fetch);
}

// ------------------------------------------------------------------------------------------------------ their life

static void on_empty(struct gw_origin *o)
{
    struct probe *p = o->owner;
    gw_origin_fini(&p->origin);
    gw_endpoints_unref(p->from);
    gw_snapshot_unref(p->snapshot);
    free(p);
}

static void probe_retire(struct probe *p)
{
    gw_fetch_fini(&p->fetch);
    gw_deadline_remove(&p->deadline);
    gw_health_unref(p->health);
    p->health = NULL;
    gw_origin_retire(&p->origin);
}

static struct probe *probe_new(struct gw_prober *all, size_t shard, struct gw_endpoints *from, size_t i,
                               int64_t after_ms)
{
    const struct gw_shard *s = &all->snapshot->shards[shard];
    struct probe *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->all = all;
    p->shard = shard;
    p->snapshot = gw_snapshot_ref(all->snapshot);
    p->from = gw_endpoints_ref(from);
    p->endpoint = &from->v[i];
    p->check = gw_health_check_of(s->config->api_name.v, s->config->health.path.v);
    p->deadline.on_due = on_due;
    p->remote = s->remote;
    p->remote.endpoints = p->endpoint;
    p->remote.n_endpoints = 1;
    p->remote.care = (struct gw_remote_care){ 0 };
    p->remote.connect_ms = p->remote.first_byte_ms = p->remote.idle_ms = s->config->health.timeout;
    p->remote.max_idle = 0;
    p->health = gw_health_of(all->board, s->name, p->endpoint);
    struct diags diags;
    diags_init(&diags);
    bool ok = p->health && gw_origin_init(&p->origin, &p->remote, &all->snapshot->response_limits, &all->ground,
                                          all->ground.now->wall_ms / 1000, &diags) == 0;
    diags_fini(&diags);
    p->origin.owner = p;
    p->origin.on_empty = on_empty;
    if (!ok) {
        gw_health_unref(p->health);
        on_empty(&p->origin);
        return NULL;
    }
    gw_deadline_set(all->ground.wheel, &p->deadline, all->ground.now->mono_ms + after_ms);
    return p;
}

// `before`: how many others were put with these; their first questions are asked one after the other.
static bool put(struct gw_prober *all, size_t shard, struct gw_endpoints *set, size_t *before)
{
    bool ok = set != NULL;
    const struct gw_config_shard *config = all->snapshot->shards[shard].config;
    if (span_is_none(gw_health_check_of(config->api_name.v, config->health.path.v).target))
        return ok;
    for (size_t i = 0; set && i < set->n; i++) {
        struct probe *p = probe_new(all, shard, set, i, (int64_t)(*before)++ * APART_MS);
        ok = ok && p;
        if (!p)
            continue;
        p->next = all->first;
        all->first = p;
    }
    return ok;
}

// Out of the list; of all shards when `shard` is SIZE_MAX. What they know of their endpoints stays as long as the returned ones are there.
static struct probe *take(struct gw_prober *all, size_t shard)
{
    struct probe *out = NULL;
    for (struct probe **link = &all->first; *link;) {
        struct probe *p = *link;
        if (shard != SIZE_MAX && p->shard != shard) {
            link = &p->next;
            continue;
        }
        *link = p->next;
        p->next = out;
        out = p;
    }
    return out;
}

static void retire(struct probe *first)
{
    for (struct probe *p = first, *next; p; p = next) {
        next = p->next;
        probe_retire(p);
    }
}

struct gw_prober *gw_prober_new(const struct gw_origin_ground *ground, struct log *log, struct gw_health_board *board)
{
    struct gw_prober *p = calloc(1, sizeof *p);
    if (p)
        *p = (struct gw_prober){ .ground = *ground, .log = log, .board = board };
    return p;
}

bool gw_prober_adopt(struct gw_prober *p, struct gw_snapshot *s)
{
    struct probe *old = take(p, SIZE_MAX);
    bool ok = true;
    size_t n = 0;
    gw_snapshot_unref(p->snapshot);
    p->snapshot = gw_snapshot_ref(s);
    for (size_t i = 0; i < s->n_shards; i++) {
        const struct gw_remote *r = &s->shards[i].remote;
        if (span_is_none(r->care.checked_as) || r->n_endpoints == 0)
            continue;
        struct gw_endpoints *set = gw_endpoints_new(r->endpoints, r->n_endpoints);
        ok = put(p, i, set, &n) && ok;
        gw_endpoints_unref(set);
    }
    retire(old);
    return ok;
}

static const struct gw_endpoints *present(const struct gw_prober *p, size_t shard)
{
    for (const struct probe *one = p->first; one; one = one->next)
        if (one->shard == shard)
            return one->from;
    return NULL;
}

bool gw_prober_find(struct gw_prober *p, const struct gw_directory *directory)
{
    bool ok = true;
    size_t n = 0;
    for (size_t i = 0; p->snapshot && i < p->snapshot->n_shards; i++) {
        const struct gw_shard *s = &p->snapshot->shards[i];
        struct gw_endpoints *set =
            s->config->discover.present ? gw_directory_get(directory, s->config->discover.key) : NULL;
        if (!set || span_is_none(s->remote.care.checked_as) || gw_endpoints_same(set, present(p, i)))
            continue;
        struct probe *old = take(p, i);
        ok = put(p, i, set, &n) && ok;
        retire(old);
    }
    return ok;
}

void gw_prober_free(struct gw_prober *p)
{
    if (!p)
        return;
    retire(take(p, SIZE_MAX));
    gw_snapshot_unref(p->snapshot);
    free(p);
}

size_t gw_prober_count(const struct gw_prober *p, struct gw_metrics_endpoint *rows, size_t most)
{
    size_t n = 0;
    for (const struct probe *one = p->first; one; one = one->next, n++)
        if (n < most)
            rows[n] = (struct gw_metrics_endpoint){
                .shard = shard_of(one)->name,
                .address = span_str(one->endpoint->host),
                .port = one->endpoint->port,
                .ready = !gw_health_is_sick(one->health),
                .good = one->good,
                .bad = one->bad,
            };
    return n;
}

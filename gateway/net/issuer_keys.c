// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/issuer_keys.h"

#include "gateway/config/bearer.h"
#include "gateway/config/key_source.h"
#include "gateway/net/fetch.h"
#include "pki/digest.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

// One request, whatever the timeouts of its parts.
#define WITHIN_MS 15000
// However many requests meet a key that nobody knows.
#define BELL_PAUSE_MS 10000

// The connections of one request. It frees itself when they are closed, and may outlive the rest.
struct hop {
    struct gw_origin origin;
    struct gw_remote remote; // as the configuration has it, but for where
    struct gw_endpoint endpoint;
    struct arena arena;
    struct gw_h1_limits limits;
    struct gw_fetch_field fields[2];
    size_t n_fields;
    struct buf bearer;            // secret
    struct gw_snapshot *snapshot; // counted: certificates and trust are there
};

struct issuer {
    struct gw_issuer_keys *all;
    struct issuer *next;
    struct gw_snapshot *snapshot; // counted: in force …
    size_t index;                 // … among its configuration's issuers
    struct gw_key_source *source;
    struct gw_key_bell *bell;
    uint64_t asked, answered; // tickets: when the round under way began, and of those that ended
    struct hop *hop;          // under way; NULL: none
    struct gw_fetch fetch;
    struct gw_deadline deadline;
    uint64_t fetched, failed;
    bool known, failing; // a state was logged, and which
};

struct gw_issuer_keys {
    struct gw_issuer_keys_options options;
    struct issuer *first;
};

static const struct gw_config_issuer *config_of(const struct issuer *i)
{
    return &i->snapshot->config->issuers[i->index];
}

// ---------------------------------------------------------------------------------------------------------- a hop

static void on_empty(struct gw_origin *o)
{
    struct hop *h = o->owner;
    gw_origin_fini(&h->origin);
    gw_snapshot_unref(h->snapshot);
    buf_wipe(&h->bearer);
    arena_fini(&h->arena);
    free(h);
}

// The token of our own that the configured server wants, and nobody else: metadata may name another one.
static bool add_bearer(struct hop *h, const struct gw_config_issuer *config, const struct gw_key_question *q)
{
    const struct gw_config_text *path = &config->bearer_token_file;
    buf_init(&h->bearer, 0);
    if (span_is_none(path->v) || !q->tls || !span_eq(q->authority, config->keys.endpoint.authority))
        return true;
    if (!gw_bearer_read(path->v.p, &h->bearer))
        return false;
    h->fields[h->n_fields++] = (struct gw_fetch_field){ SPAN("authorization"), buf_span(&h->bearer) };
    return true;
}

// NULL: it cannot be made, and `*what` says why.
static struct hop *hop_new(const struct issuer *i, const struct gw_key_question *q, const char **what)
{
    const struct gw_remote *configured = &i->snapshot->key_servers[i->index];
    const struct gw_origin_ground *ground = &i->all->options.ground;
    struct hop *h = calloc(1, sizeof *h);
    *what = "out of memory";
    if (!h)
        return NULL;
    arena_init(&h->arena, 64 << 10);
    h->snapshot = gw_snapshot_ref(i->snapshot);
    h->remote = *configured;
    h->endpoint = (struct gw_endpoint){ .host = arena_dup(&h->arena, span_str(q->host)).p,
                                        .port = q->port,
                                        .authority = arena_dup(&h->arena, q->authority) };
    h->endpoint.name = span_str(h->endpoint.host ? h->endpoint.host : "");
    if (!span_is_none(q->etag))
        h->fields[h->n_fields++] = (struct gw_fetch_field){ SPAN("if-none-match"), arena_dup(&h->arena, q->etag) };
    h->remote.endpoints = &h->endpoint;
    h->remote.n_endpoints = 1;
    h->remote.max_idle = 0;
    h->limits = gw_h1_default_limits;
    h->limits.body = GW_KEY_ANSWER_MAX;
    struct diags diags;
    diags_init(&diags);
    // Metadata on this machine may name keys that are not; then nothing was configured to vouch for them.
    bool ok = !h->arena.failed;
    if (ok && !add_bearer(h, config_of(i), q)) {
        *what = "there is no token in fetch.bearer_token_file";
        ok = false;
    }
    if (ok && q->tls && !configured->tls) {
        *what = "nothing vouches for it: the metadata are not https";
        ok = false;
    }
    h->remote.tls = q->tls;
    if (ok && gw_origin_init(&h->origin, &h->remote, &h->limits, ground, ground->now->wall_ms / 1000, &diags) != 0) {
        *what = "its TLS options cannot be used";
        ok = false;
    }
    diags_fini(&diags);
    h->origin.owner = h;
    h->origin.on_empty = on_empty;
    if (ok)
        return h;
    on_empty(&h->origin);
    return NULL;
}

// --------------------------------------------------------------------------------------------------------- rounds

static void begin(struct issuer *i);

static void say(struct issuer *i, bool failing, bool news)
{
    struct log *log = i->all->options.log;
    struct span name = config_of(i)->name.v;
    if (failing && (!i->known || !i->failing))
        log_warn(log, "issuer %.*s: its keys cannot be fetched: %.*s%s", SPAN_FMT(name),
                 SPAN_FMT(gw_key_source_fault(i->source)),
                 gw_key_source_count(i->source) > 0 ? "; the last good ones count until max_stale" : "");
    else if (!failing && (!i->known || i->failing || news))
        log_info(log, "issuer %.*s: %zu keys fetched", SPAN_FMT(name), gw_key_source_count(i->source));
    i->known = true;
    i->failing = failing;
}

static void schedule(struct issuer *i)
{
    const struct gw_origin_ground *g = &i->all->options.ground;
    // What was asked for while the round was under way may have been put up behind it.
    if (gw_key_bell_rung(i->bell) > i->answered)
        gw_key_source_hurry(i->source);
    int64_t due = gw_key_source_due_ms(i->source);
    gw_deadline_set(g->wheel, &i->deadline, due < g->now->mono_ms ? g->now->mono_ms : due);
}

static void end_hop(struct issuer *i)
{
    struct hop *h = i->hop;
    i->hop = NULL;
    gw_fetch_fini(&i->fetch);
    if (h)
        gw_origin_retire(&h->origin);
}

static void take(struct issuer *i, const struct gw_key_answer *a)
{
    uint64_t before = gw_key_source_version(i->source), answered = i->answered;
    enum gw_key_step step = gw_key_source_take(i->source, a, *i->all->options.ground.now);
    end_hop(i);
    if (step == GW_KEYS_MORE) {
        begin(i);
        return;
    }
    i->answered = i->asked;
    *(step == GW_KEYS_FAILED ? &i->failed : &i->fetched) += 1;
    say(i, step == GW_KEYS_FAILED, step == GW_KEYS_NEW);
    schedule(i);
    if (before != gw_key_source_version(i->source) || answered != i->answered)
        i->all->options.on_news(i->all->options.ctx);
}

static void on_done(struct gw_fetch *f)
{
    struct issuer *i = f->owner;
    const struct gw_key_answer a = {
        .error = f->error,
        .what = f->what,
        .status = f->status,
        .freshness = {
            .cache_control = gw_fetch_header(f, SPAN("cache-control")),
            .age = gw_fetch_header(f, SPAN("age")),
            .expires = gw_fetch_header(f, SPAN("expires")),
            .date = gw_fetch_header(f, SPAN("date")),
        },
        .etag = gw_fetch_header(f, SPAN("etag")),
        .retry_after = gw_fetch_header(f, SPAN("retry-after")),
        .body = buf_span(&f->answer),
    };
    take(i, &a);
}

// The next request of a round.
static void begin(struct issuer *i)
{
    struct gw_key_question q;
    const char *what;
    gw_key_source_ask(i->source, &q);
    i->hop = hop_new(i, &q, &what);
    if (!i->hop) {
        take(i, &(struct gw_key_answer){ .error = ERR_INTERNAL, .what = what });
        return;
    }
    i->fetch = (struct gw_fetch){
        .origin = &i->hop->origin,
        .method = GW_METHOD_GET,
        .target = q.target,
        .accept = SPAN("application/json, application/jwk-set+json"),
        .fields = i->hop->fields,
        .n_fields = i->hop->n_fields,
        .answer_max = GW_KEY_ANSWER_MAX,
        .within_ms = WITHIN_MS,
        .on_done = on_done,
        .owner = i,
    };
    gw_fetch_start(&i->fetch);
}

static void on_due(struct gw_deadline *d)
{
    struct issuer *i = (struct issuer *)((char *)d - offsetof(struct issuer, deadline));
    if (i->hop)
        return; // its end looks at what is due
    i->asked = gw_key_bell_rung(i->bell);
    begin(i);
}

void gw_issuer_keys_rung(struct gw_issuer_keys *k)
{
    for (struct issuer *i = k->first; i; i = i->next)
        if (!i->hop && gw_key_bell_rung(i->bell) > i->answered)
            on_due(&i->deadline);
}

// ------------------------------------------------------------------------------------------------------------ life

struct gw_issuer_keys *gw_issuer_keys_new(const struct gw_issuer_keys_options *options)
{
    struct gw_issuer_keys *k = calloc(1, sizeof *k);
    if (k)
        k->options = *options;
    return k;
}

static void issuer_free(struct issuer *i)
{
    end_hop(i);
    gw_deadline_remove(&i->deadline);
    gw_key_source_free(i->source);
    gw_key_bell_unref(i->bell);
    gw_snapshot_unref(i->snapshot);
    free(i);
}

void gw_issuer_keys_free(struct gw_issuer_keys *k)
{
    for (struct issuer *i = k ? k->first : NULL, *next; i; i = next) {
        next = i->next;
        issuer_free(i);
    }
    free(k);
}

static struct issuer *find(const struct gw_issuer_keys *k, const struct gw_config_issuer *config)
{
    for (struct issuer *i = k->first; i; i = i->next)
        if (gw_key_source_is(i->source, config))
            return i;
    return NULL;
}

static struct issuer *issuer_new(struct gw_issuer_keys *k, const struct gw_config_issuer *config)
{
    struct issuer *i = calloc(1, sizeof *i);
    uint64_t seed;
    if (!i)
        return NULL;
    pki_random(&seed, sizeof seed);
    i->all = k;
    i->deadline.on_due = on_due;
    i->source = gw_key_source_new(config, seed);
    i->bell = gw_key_bell_new(BELL_PAUSE_MS, k->options.on_rung, k->options.ctx);
    if (i->source && i->bell)
        return i;
    issuer_free(i);
    return NULL;
}

bool gw_issuer_keys_adopt(struct gw_issuer_keys *k, struct gw_snapshot *s)
{
    struct issuer *kept = NULL, *i;
    bool ok = true;
    for (size_t n = 0; n < s->config->issuers_n; n++) {
        const struct gw_config_issuer *config = &s->config->issuers[n];
        if (span_is_none(config->keys.url.v))
            continue;
        i = find(k, config);
        if (i) {
            struct issuer **link = &k->first;
            while (*link != i)
                link = &(*link)->next;
            *link = i->next;
            gw_key_source_set(i->source, config);
        } else if (!(i = issuer_new(k, config))) {
            ok = false;
            continue;
        }
        gw_snapshot_unref(i->snapshot);
        i->snapshot = gw_snapshot_ref(s);
        i->index = n;
        i->next = kept;
        kept = i;
    }
    while (k->first) {
        i = k->first;
        k->first = i->next;
        issuer_free(i);
    }
    k->first = kept;
    for (i = kept; i; i = i->next)
        if (!i->hop)
            schedule(i);
    return ok;
}

bool gw_issuer_keys_give(const struct gw_issuer_keys *k, const struct gw_config *config, struct gw_revocations *r)
{
    struct gw_issuer_bell *bells = arena_array(&r->arena, config->issuers_n + 1, sizeof *bells);
    size_t n = 0;
    bool ok = bells != NULL;
    for (size_t c = 0; ok && c < config->issuers_n; c++) {
        const struct issuer *i = find(k, &config->issuers[c]);
        if (!i)
            continue;
        ok = gw_key_source_put(i->source, &config->issuers[c], r->keys) == 0;
        bells[n] = (struct gw_issuer_bell){ arena_dup(&r->arena, config->issuers[c].issuer.v), i->bell, i->answered };
        ok = ok && !span_is_none(bells[n].iss);
        if (ok)
            gw_key_bell_ref(bells[n++].bell);
    }
    r->bells = bells;
    r->n_bells = n;
    return ok;
}

struct span gw_issuer_keys_fault(const struct gw_issuer_keys *k, struct span iss)
{
    for (const struct issuer *i = k->first; i; i = i->next)
        if (span_eq(config_of(i)->issuer.v, iss))
            return gw_key_source_fault(i->source);
    return SPAN_NONE;
}

size_t gw_issuer_keys_count(const struct gw_issuer_keys *k, struct gw_metrics_issuer *rows, size_t most)
{
    size_t n = 0;
    for (const struct issuer *i = k->first; i; i = i->next) {
        if (n < most)
            rows[n] = (struct gw_metrics_issuer){
                .name = config_of(i)->name.v,
                .fetched = i->fetched,
                .failed = i->failed,
                .keys = gw_key_source_count(i->source),
                .read_s = gw_key_source_read_s(i->source),
                .max_stale_s = config_of(i)->max_stale / 1000,
            };
        n++;
    }
    return n;
}

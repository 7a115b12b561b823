// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/surveyor.h"

#include "gateway/base/map.h"
#include "pki/digest.h"

#include <stdlib.h>
#include <string.h>

#define STEP_MS 200            // between two looks, and so between two questions
#define WITHIN_MS 10000        // one question
#define PAUSE_MS 60000         // of a shard that did not answer
#define FORGET_MS (30 * 60000) // what nobody told of any more
#define KNOWN_MAX 1024
#define LINES_MAX 20       // a minute, in the log
#define ENDED_MS INT64_MAX // nothing is due

struct known {
    struct known *next;
    struct span key; // in `seen`
    struct gw_sighting *sighting;
    int64_t told_ms, due_ms;
    unsigned found; // bits, 1 << enum gw_finding
    bool answered;
};

struct gw_surveyor {
    struct gw_origin_ground ground;
    struct log *log;
    struct gw_sightings *sightings;
    struct gw_snapshot *snapshot;
    struct gw_directory *directory;
    struct map seen; // key → struct known
    struct known *first, **last;
    struct known *asking; // in the list, or given up meanwhile: NULL
    struct gw_ask *ask;
    struct gw_deadline step;
    int64_t paused_ms[GW_PLACEMENT_SHARDS_MAX]; // until then
    int64_t minute_ms;
    unsigned lines;
    struct gw_metrics_surveyor totals;
    bool full; // it was said
};

// --------------------------------------------------------------------------------------------------------- known

static void known_free(struct known *k)
{
    free((void *)(uintptr_t)k->key.p);
    free(k->sighting);
    free(k);
}

static void forget(struct gw_surveyor *s, struct known **link)
{
    struct known *k = *link;
    *link = k->next;
    if (s->last == &k->next)
        s->last = link;
    map_del(&s->seen, k->key);
    if (s->asking == k)
        s->asking = NULL;
    known_free(k);
}

// Everything that the question and its meaning depend on; names are apart, since none of them holds a NUL.
static bool write_key(const struct gw_sighting *one, struct buf *out)
{
    const struct gw_survey_subject *q = &one->subject;
    const struct span names[] = { q->database, q->tenant, q->collection, q->field };
    buf_printf(out, "%u %u %u", one->shard, (unsigned)q->aspect, (unsigned)q->of);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        buf_byte(out, span_is_none(names[i]) ? '\1' : '\0');
        buf_append(out, span_is_none(names[i]) ? SPAN("") : names[i]);
    }
    return !out->failed;
}

static void complain_full(struct gw_surveyor *s)
{
    s->totals.unasked++;
    if (!s->full)
        log_warn(s->log,
                 "filters hold in more collections than are looked at (%d): whether the fields of the others have an "
                 "index is not asked; 'sallyport check --live' asks all",
                 KNOWN_MAX);
    s->full = true;
}

// Names that nothing has, which whoever may ask for any collection can make up, do not keep out those that are there.
static bool make_room(struct gw_surveyor *s)
{
    for (struct known **link = &s->first; *link && s->seen.len >= KNOWN_MAX; link = &(*link)->next)
        if ((*link)->answered && (*link)->found == 1u << GW_FINDING_UNSEEN && *link != s->asking) {
            forget(s, link);
            break;
        }
    return s->seen.len < KNOWN_MAX;
}

static bool add(struct gw_surveyor *s, struct span key, struct gw_sighting *one, int64_t now_ms)
{
    struct known *k = calloc(1, sizeof *k);
    char *text = malloc(key.n);
    if (!k || !text) {
        free(k);
        free(text);
        return false;
    }
    memcpy(text, key.p, key.n);
    *k = (struct known){ .key = span_of(text, key.n), .sighting = one, .told_ms = now_ms, .due_ms = now_ms };
    if (!map_put(&s->seen, k->key, k, NULL)) {
        k->sighting = NULL; // the caller's still
        known_free(k);
        return false;
    }
    *s->last = k;
    s->last = &k->next;
    return true;
}

static void take(struct gw_surveyor *s, struct gw_sighting *one, int64_t now_ms)
{
    struct buf key;
    buf_init(&key, 0);
    bool current = s->snapshot && one->generation == s->snapshot->generation && one->shard < s->snapshot->n_shards;
    current = current && s->snapshot->shards[one->shard].config->filter_checks;
    struct known *k = current && write_key(one, &key) ? map_get(&s->seen, buf_span(&key)) : NULL;
    bool kept = false;
    if (k) {
        k->told_ms = now_ms;
        if (k->due_ms == ENDED_MS)
            k->due_ms = now_ms;
    } else if (current && !key.failed && make_room(s)) {
        kept = add(s, buf_span(&key), one, now_ms);
    } else if (current && !key.failed) {
        complain_full(s);
    }
    if (!kept)
        free(one);
    buf_fini(&key);
}

// ---------------------------------------------------------------------------------------------------------- telling

// A few lines a minute: what is wrong with one collection is often wrong with all.
static bool may_say(struct gw_surveyor *s, int64_t now_ms)
{
    if (now_ms - s->minute_ms >= 60000) {
        s->minute_ms = now_ms;
        s->lines = 0;
    }
    if (++s->lines == LINES_MAX + 1)
        log_warn(s->log, "more was found about filters: see sallyport_filter_findings, and 'sallyport check --live'");
    return s->lines <= LINES_MAX;
}

static void say(struct gw_surveyor *s, const struct known *k, const struct gw_survey_finding *f)
{
    struct span shard = s->snapshot->shards[k->sighting->shard].name;
    if (f->weight == GW_SURVEY_NOTE || (k->found >> f->kind & 1) || !may_say(s, s->ground.now->mono_ms))
        return;
    log_write(s->log, f->weight == GW_SURVEY_ERROR ? LOG_ERROR : LOG_WARN, "shard %.*s: %.*s", SPAN_FMT(shard),
              SPAN_FMT(f->text));
}

static bool conclude(struct gw_surveyor *s, struct known *k, const struct gw_ask_reply *a)
{
    struct gw_survey_finding f[GW_SURVEY_FINDINGS_MAX];
    struct arena arena;
    size_t n = 0;
    unsigned bits = 0;
    arena_init(&arena, 256 << 10);
    int rc = a->error ? a->error : gw_survey_read(&k->sighting->subject, a->status, a->body, &arena, f, &n);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        say(s, k, &f[i]);
        bits |= 1u << f[i].kind;
    }
    arena_fini(&arena);
    if (rc == 0) {
        k->found = bits;
        k->answered = true;
    }
    return rc == 0;
}

static void on_answer(void *ctx, const struct gw_ask_reply *a)
{
    struct gw_surveyor *s = ctx;
    struct known *k = s->asking;
    int64_t now_ms = s->ground.now->mono_ms;
    unsigned shard = k ? k->sighting->shard : 0;
    bool good = k && conclude(s, k, a);
    if (k && !good) {
        log_debug(s->log, "shard %.*s does not say how it takes filters; it is asked again in a minute",
                  SPAN_FMT(s->snapshot->shards[shard].name));
        s->paused_ms[shard] = now_ms + PAUSE_MS;
    }
    *(good ? &s->totals.answered : &s->totals.failed) += 1;
    if (k)
        k->due_ms = good ? ENDED_MS : now_ms + PAUSE_MS;
    struct gw_ask *ask = s->ask;
    s->asking = NULL;
    s->ask = NULL;
    gw_ask_free(ask);
}

// ----------------------------------------------------------------------------------------------------------- asking

static struct gw_endpoints *endpoints_of(const struct gw_surveyor *s, const struct gw_shard *shard)
{
    if (shard->config->discover.present)
        return gw_endpoints_ref(gw_directory_get(s->directory, shard->config->discover.key));
    return gw_endpoints_new(shard->remote.endpoints, shard->remote.n_endpoints);
}

// False: it cannot be asked now.
static bool ask(struct gw_surveyor *s, struct known *k)
{
    const struct gw_shard *shard = &s->snapshot->shards[k->sighting->shard];
    struct gw_endpoints *endpoints = endpoints_of(s, shard);
    struct gw_survey_question q;
    struct arena arena;
    arena_init(&arena, 64 << 10);
    if (endpoints && gw_survey_ask(&k->sighting->subject, &arena, &q) == 0) {
        const struct gw_ask_question question = {
            .remote = &shard->remote,
            .endpoints = endpoints,
            .credential = { shard->credential_name, shard->credential },
            .method = q.method,
            .target = q.target,
            .body = q.body,
            .answer_max = GW_SURVEY_ANSWER_MAX,
            .within_ms = WITHIN_MS,
            .repeatable = true,
        };
        s->ask = gw_ask_new(&s->ground, s->snapshot, &question, on_answer, s);
        s->asking = s->ask ? k : NULL;
    }
    arena_fini(&arena);
    gw_endpoints_unref(endpoints);
    return s->ask != NULL;
}

static void ask_next(struct gw_surveyor *s, int64_t now_ms)
{
    for (struct known *k = s->first; k && !s->ask; k = k->next) {
        if (k->due_ms > now_ms || s->paused_ms[k->sighting->shard] > now_ms)
            continue;
        if (!ask(s, k))
            k->due_ms = now_ms + PAUSE_MS;
    }
}

static void on_step(struct gw_deadline *d)
{
    struct gw_surveyor *s = (struct gw_surveyor *)((char *)d - offsetof(struct gw_surveyor, step));
    int64_t now_ms = s->ground.now->mono_ms;
    for (struct gw_sighting *one = gw_sightings_take(s->sightings), *next; one; one = next) {
        next = one->next;
        take(s, one, now_ms);
    }
    for (struct known **link = &s->first; *link;)
        if (now_ms - (*link)->told_ms >= FORGET_MS && *link != s->asking)
            forget(s, link);
        else
            link = &(*link)->next;
    if (!s->ask)
        ask_next(s, now_ms);
    gw_deadline_set(s->ground.wheel, d, now_ms + STEP_MS);
}

// ------------------------------------------------------------------------------------------------------------- life

struct gw_surveyor *gw_surveyor_new(const struct gw_origin_ground *ground, struct log *log,
                                    struct gw_sightings *sightings)
{
    struct gw_surveyor *s = calloc(1, sizeof *s);
    uint64_t key[2];
    if (!s)
        return NULL;
    pki_random(key, sizeof key);
    *s = (struct gw_surveyor){ .ground = *ground, .log = log, .sightings = sightings, .step.on_due = on_step };
    s->last = &s->first;
    map_init(&s->seen, key);
    return s;
}

static void forget_all(struct gw_surveyor *s)
{
    gw_ask_free(s->ask);
    s->ask = NULL;
    while (s->first)
        forget(s, &s->first);
}

void gw_surveyor_adopt(struct gw_surveyor *s, struct gw_snapshot *snapshot)
{
    forget_all(s);
    s->full = false;
    memset(s->paused_ms, 0, sizeof s->paused_ms);
    gw_snapshot_unref(s->snapshot);
    s->snapshot = gw_snapshot_ref(snapshot);
    gw_deadline_set(s->ground.wheel, &s->step, s->ground.now->mono_ms + STEP_MS);
}

void gw_surveyor_find(struct gw_surveyor *s, struct gw_directory *directory)
{
    gw_directory_unref(s->directory);
    s->directory = gw_directory_ref(directory);
}

void gw_surveyor_free(struct gw_surveyor *s)
{
    if (!s)
        return;
    forget_all(s);
    gw_deadline_remove(&s->step);
    map_fini(&s->seen);
    gw_directory_unref(s->directory);
    gw_snapshot_unref(s->snapshot);
    free(s);
}

size_t gw_surveyor_count(const struct gw_surveyor *s, struct gw_metrics_survey *rows, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; s->snapshot && i < s->snapshot->n_shards && n < most; i++) {
        struct gw_metrics_survey row = { .shard = s->snapshot->shards[i].name };
        bool any = false;
        for (const struct known *k = s->first; k; k = k->next) {
            if (k->sighting->shard != i || !k->answered)
                continue;
            any = true;
            for (unsigned f = 0; f < GW_FINDING_COUNT; f++)
                row.found[f] += k->found >> f & 1;
        }
        if (any)
            rows[n++] = row;
    }
    return n;
}

void gw_surveyor_totals(const struct gw_surveyor *s, struct gw_metrics_surveyor *totals)
{
    *totals = s->totals;
}

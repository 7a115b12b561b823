// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/config/revoked_feed.h"

#include "gateway/base/err.h"
#include "gateway/config/revoked_ledger.h"
#include "pki/digest.h"

#include <stdlib.h>

#define BACKOFF_FIRST_MS 200
#define BACKOFF_MOST_MS 4000
#define IDLE_MS 200 // between two questions, when the authority has nothing to say and does not wait
#define WAIT_MOST_S 30

struct gw_revoked_feed {
    struct gw_revoked_feed_options options;
    // What is in force: everything up to `at`. NULL: never whole yet.
    struct gw_revoked_ledger *ledger;
    struct pki_revoked_point at;
    // The whole set that is coming in parts; NULL: none is.
    struct gw_revoked_ledger *coming;
    struct pki_revoked_point coming_at;
    uint64_t place;
    int64_t coming_iat_s;
    bool reset; // the whole set is to be asked for

    struct pki_feed_ask asked;
    int64_t asked_ms, due_ms;
    unsigned failed; // in a row
    uint64_t random;
    int64_t latest_iat_s; // of any batch that was taken
    int64_t heard_ms;     // monotonic: when what is in force was signed
    int64_t dropped_s;    // the latest moment by which a build dropped what had expired
    bool heard, changed;
    struct gw_revoked_feed_facts facts;
};

struct gw_revoked_feed *gw_revoked_feed_new(const struct gw_revoked_feed_options *options)
{
    struct gw_revoked_feed *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->options = *options;
    f->random = options->seed;
    f->reset = true;
    return f;
}

void gw_revoked_feed_free(struct gw_revoked_feed *f)
{
    if (!f)
        return;
    gw_revoked_ledger_free(f->ledger);
    gw_revoked_ledger_free(f->coming);
    free(f);
}

void gw_revoked_feed_set(struct gw_revoked_feed *f, const struct gw_revoked_feed_options *options)
{
    f->options = *options;
}

// -------------------------------------------------------------------------------------------------------- questions

int64_t gw_revoked_feed_due_ms(const struct gw_revoked_feed *f)
{
    return f->due_ms;
}

// A third of max_stale, so that two in a row may be lost; never so long that a proxy in between loses patience.
unsigned gw_revoked_feed_patience_s(const struct gw_revoked_feed *f)
{
    int64_t s = f->options.max_stale_ms / 3000;
    return s < 1 ? 1 : s > WAIT_MOST_S ? WAIT_MOST_S : (unsigned)s;
}

// By a clock that was ahead, entries were dropped that have not expired: no change will ever bring them back.
static void mind_the_clock(struct gw_revoked_feed *f, int64_t now_s)
{
    if (now_s >= f->dropped_s - f->options.skew_s)
        return;
    f->dropped_s = now_s;
    f->reset = true;
}

struct pki_feed_ask gw_revoked_feed_ask(struct gw_revoked_feed *f, struct clock_now now)
{
    mind_the_clock(f, now.wall_ms / 1000);
    struct pki_feed_ask ask = { .reset = f->reset, .after = f->at };
    if (f->reset && f->coming && f->place > 0) {
        ask.place = f->place;
        ask.after = f->coming_at;
    }
    pki_random(&ask.nonce, sizeof ask.nonce);
    ask.wait_s = f->reset ? 0 : gw_revoked_feed_patience_s(f);
    f->asked = ask;
    f->asked_ms = now.mono_ms;
    return ask;
}

// xorshift64*: that many gateways do not come back in step. No secret.
static int64_t jitter(struct gw_revoked_feed *f, int64_t most)
{
    uint64_t x = f->random ? f->random : 88172645463325252u;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    f->random = x;
    return (int64_t)((x * 2685821657736338717u) >> 33) % (most + 1);
}

void gw_revoked_feed_failed(struct gw_revoked_feed *f, struct clock_now now)
{
    int64_t pause = BACKOFF_FIRST_MS;
    for (unsigned i = 0; i < f->failed && pause < BACKOFF_MOST_MS; i++)
        pause *= 2;
    if (pause > BACKOFF_MOST_MS)
        pause = BACKOFF_MOST_MS;
    f->failed++;
    f->facts.failures++;
    f->due_ms = now.mono_ms + pause / 2 + jitter(f, pause / 2);
}

// ---------------------------------------------------------------------------------------------------------- answers

static void begin_again(struct gw_revoked_feed *f)
{
    gw_revoked_ledger_free(f->coming);
    f->coming = NULL;
    f->place = 0;
    f->reset = true;
}

// What is in force was true when this was signed.
static void hear(struct gw_revoked_feed *f, int64_t iat_s, struct clock_now now)
{
    int64_t age = now.wall_ms - iat_s * 1000, ms = now.mono_ms - (age > 0 ? age : 0);
    if (!f->heard || ms > f->heard_ms)
        f->heard_ms = ms;
    f->heard = true;
}

static int apply_all(struct gw_revoked_ledger *l, const struct pki_feed_batch *b)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < b->n; i++)
        rc = gw_revoked_ledger_apply(l, &b->changes[i]);
    return rc;
}

static int take_part(struct gw_revoked_feed *f, const struct pki_feed_batch *b, struct clock_now now)
{
    bool first = b->from == 0;
    if (first) {
        begin_again(f);
        f->facts.resets++;
        f->coming = gw_revoked_ledger_new();
        f->coming_at = b->to;
        f->coming_iat_s = b->iat_s;
        if (!f->coming)
            return ERR_NOMEM;
    } else if (!f->coming || f->asked.place != b->from || !pki_revoked_point_eq(&f->coming_at, &b->to)) {
        begin_again(f);
        return ERR_REVOCATIONS_STALE;
    }
    int rc = apply_all(f->coming, b);
    if (rc != 0) {
        begin_again(f);
        return rc;
    }
    f->place = b->next;
    if (b->next > 0)
        return 0;
    gw_revoked_ledger_free(f->ledger);
    f->ledger = f->coming;
    f->coming = NULL;
    f->at = f->coming_at;
    f->reset = false;
    f->changed = true;
    f->facts.whole = true;
    hear(f, f->coming_iat_s, now);
    return 0;
}

static int take_changes(struct gw_revoked_feed *f, const struct pki_feed_batch *b, struct clock_now now)
{
    bool follows = !f->asked.reset && f->ledger && memcmp(b->to.feed, f->at.feed, sizeof f->at.feed) == 0 &&
                   b->from == f->at.sequence && (b->n > 0 || b->to.mark == f->at.mark);
    if (!follows) {
        begin_again(f);
        return ERR_REVOCATIONS_STALE;
    }
    f->changed = f->changed || b->n > 0;
    // Should memory run out in the middle, `at` stays, and the same changes come again.
    int rc = apply_all(f->ledger, b);
    if (rc != 0)
        return rc;
    f->at = b->to;
    // With more to come the set is as old as what is still missing.
    if (b->head == b->to.sequence)
        hear(f, b->iat_s, now);
    return 0;
}

int gw_revoked_feed_take(struct gw_revoked_feed *f, struct span answer, struct pki_feed_rules rules,
                         struct clock_now now)
{
    struct pki_feed_batch b;
    struct arena arena;
    int64_t now_s = now.wall_ms / 1000, oldest_s = now_s - f->options.max_stale_ms / 1000 - f->options.skew_s;
    // After both clocks were ahead and were set right, the latest is in the future: it must not refuse everything until then.
    int64_t latest_s = f->latest_iat_s < now_s ? f->latest_iat_s : now_s;
    rules.skew_s = f->options.skew_s;
    rules.oldest_s = latest_s - rules.skew_s > oldest_s ? latest_s - rules.skew_s : oldest_s;
    rules.nonce = f->asked.nonce;
    arena_init(&arena, 0);
    int rc = pki_feed_read(answer, &rules, now_s, &arena, &b);
    if (rc == 0)
        rc = b.reset ? take_part(f, &b, now) : take_changes(f, &b, now);
    if (rc == 0) {
        f->failed = 0;
        f->latest_iat_s = b.iat_s > latest_s ? b.iat_s : latest_s;
        f->facts.batches++;
        f->facts.head = b.head;
        f->due_ms = b.n == 0 && !b.reset && f->asked_ms + IDLE_MS > now.mono_ms ? f->asked_ms + IDLE_MS : now.mono_ms;
    } else {
        gw_revoked_feed_failed(f, now);
    }
    // The question was answered: the same answer again is none.
    pki_random(&f->asked.nonce, sizeof f->asked.nonce);
    arena_fini(&arena);
    return rc;
}

// ------------------------------------------------------------------------------------------------------ what is known

int64_t gw_revoked_feed_fresh_until_ms(const struct gw_revoked_feed *f)
{
    return f->heard ? f->heard_ms + f->options.max_stale_ms : 0;
}

bool gw_revoked_feed_changed(const struct gw_revoked_feed *f)
{
    return f->changed;
}

struct pki_revoked *gw_revoked_feed_build(struct gw_revoked_feed *f, int64_t now_s)
{
    struct pki_revoked *set = f->ledger ? gw_revoked_ledger_copy(f->ledger, now_s) : NULL;
    if (!set)
        return NULL;
    f->changed = false;
    f->dropped_s = now_s > f->dropped_s ? now_s : f->dropped_s;
    return set;
}

struct gw_revoked_feed_facts gw_revoked_feed_facts(const struct gw_revoked_feed *f)
{
    struct gw_revoked_feed_facts facts = f->facts;
    facts.heard_ms = f->heard_ms;
    facts.sequence = f->at.sequence;
    facts.entries = gw_revoked_ledger_count(f->ledger);
    return facts;
}

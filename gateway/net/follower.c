// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/follower.h"

#include "gateway/config/key_bell.h"
#include "gateway/net/core.h"
#include "gateway/net/line.h"
#include "pki/digest.h"

#include <stdio.h>
#include <stdlib.h>

#define SLACK_MS 5000 // beyond the timeouts and the authority's own waiting, before a question counts as lost

struct gw_follower {
    struct gw_origin_ground ground;
    struct log *log;
    struct gw_revocations *const *revocations;
    struct gw_revoked_term *fresh; // of the set that was given out last
    struct gw_revoked_feed *feed;  // NULL: none is followed
    struct gw_line *line;          // likewise
    struct gw_fetch fetch;
    struct gw_deadline due;
    struct buf target; // of the fetch
    int64_t floor_ms;  // fresh until then whatever is heard: of a feed that came with a reload
    int64_t built_ms;  // when the last set was built, and how long that took
    int64_t cost_ms;
    bool dropped; // the set is to go
    bool dialled; // the line is new, and was not asked anything yet
    bool adopted; // once
    bool ended;
    char fault[160]; // of the last answer; "": it was good
    bool said;       // it was logged
};

// --------------------------------------------------------------------------------------------------------- the state

static int64_t fresh_until_ms(const struct gw_follower *f)
{
    int64_t until = f->feed ? gw_revoked_feed_fresh_until_ms(f->feed) : INT64_MAX;
    return f->feed && f->floor_ms > until ? f->floor_ms : until;
}

// What was heard counts for the set that is in force only if it said nothing new; else the next set brings it.
static void publish(struct gw_follower *f)
{
    if (!f->dropped && !(f->feed && gw_revoked_feed_changed(f->feed)))
        atomic_store_explicit(&f->fresh->until_ms, fresh_until_ms(f), memory_order_relaxed);
}

static void went_wrong(struct gw_follower *f, struct span what)
{
    snprintf(f->fault, sizeof f->fault, "%.*s", SPAN_FMT(what));
    if (!f->said)
        log_warn(f->log, "the revocation feed: %s; it is tried again", f->fault);
    f->said = true;
}

static void went_well(struct gw_follower *f)
{
    if (f->said)
        log_info(f->log, "the revocation feed is heard again");
    f->said = false;
    f->fault[0] = '\0';
}

static void set_due(struct gw_follower *f)
{
    if (!f->ended)
        gw_deadline_set(f->ground.wheel, &f->due, gw_revoked_feed_due_ms(f->feed));
}

// -------------------------------------------------------------------------------------------------------- the answer

static void ask(struct gw_follower *f);

// The authority signs with a key that is newer than those we have, after one was lost perhaps: nobody may ever bring a token that it signed.
static void ask_for_keys(struct gw_follower *f, const struct pki_issuer *issuer)
{
    const struct gw_revocations *r = *f->revocations;
    for (size_t i = 0; r && i < r->n_bells; i++)
        if (span_eq(r->bells[i].iss, issuer->iss))
            gw_key_bell_ring(r->bells[i].bell, r->bells[i].answered, f->ground.now->mono_ms);
}

static void take(struct gw_follower *f, struct span answer)
{
    const struct pki_issuer *issuer = f->line->snapshot->feed.issuer;
    const struct pki_key_view *view = *f->revocations ? (*f->revocations)->keys : NULL;
    struct pki_feed_rules rules = {
        .iss = issuer->iss,
        .algs = issuer->algs,
        .keys = pki_key_view_keys(view, issuer),
        .issuer = issuer,
        .view = view,
    };
    uint64_t resets = gw_revoked_feed_facts(f->feed).resets;
    int rc = gw_revoked_feed_take(f->feed, answer, rules, *f->ground.now);
    struct gw_revoked_feed_facts facts = gw_revoked_feed_facts(f->feed);
    if (rc != 0) {
        went_wrong(f, err_info(rc)->reason);
        if (rc == ERR_TOKEN_KEY)
            ask_for_keys(f, issuer);
        return;
    }
    went_well(f);
    if (facts.resets != resets)
        log_info(f->log, "the revocation feed: the whole set, as of number %llu", (unsigned long long)facts.head);
}

static void on_done(struct gw_fetch *fetch)
{
    struct gw_follower *f = fetch->owner;
    char text[128];
    if (fetch->error == 0 && fetch->status == 200) {
        take(f, buf_span(&fetch->answer));
    } else {
        gw_revoked_feed_failed(f->feed, *f->ground.now);
        struct span shard = SPAN("the shard "),
                    what = fetch->what ? span_str(fetch->what) : err_info(fetch->error)->reason;
        if (fetch->error == 0)
            snprintf(text, sizeof text, "the authority answered with %u%s", fetch->status,
                     fetch->status == 403 ? "; list this gateway in its followers" : "");
        else if (span_starts(what, shard)) // connections know no other word for who is at their end
            snprintf(text, sizeof text, "the authority %.*s", SPAN_FMT(span_sub(what, shard.n, what.n)));
        else
            snprintf(text, sizeof text, "%.*s", SPAN_FMT(what));
        went_wrong(f, span_str(text));
    }
    publish(f);
    // At once where there is more: a tick of the wheel between all parts of a large set would be most of the time it takes.
    if (!f->ended && gw_revoked_feed_due_ms(f->feed) <= f->ground.now->mono_ms)
        ask(f);
    else
        set_due(f);
}

static void ask(struct gw_follower *f)
{
    const struct gw_config_feed *config = f->line->snapshot->feed.config;
    struct pki_feed_ask ask = gw_revoked_feed_ask(f->feed, *f->ground.now);
    // The question that the old line waited for was lost with it. Where reloads come faster than the authority lets wait, as with certificates that live
    // for seconds, nothing would be heard any more.
    if (f->dialled)
        ask.wait_s = 0;
    f->dialled = false;
    buf_clear(&f->target);
    buf_append(&f->target, config->remote.target);
    buf_byte(&f->target, '?');
    pki_feed_ask_write(&ask, &f->target);
    if (f->target.failed) {
        gw_revoked_feed_failed(f->feed, *f->ground.now);
        set_due(f);
        return;
    }
    f->fetch.origin = &f->line->origin;
    f->fetch.method = GW_METHOD_GET;
    f->fetch.target = buf_span(&f->target);
    f->fetch.body = SPAN_NONE;
    f->fetch.accept = SPAN("application/jwt");
    f->fetch.answer_max = PKI_FEED_MOST;
    f->fetch.within_ms =
        config->remote.timeouts.connect + config->remote.timeouts.first_byte + 1000 * (int64_t)ask.wait_s + SLACK_MS;
    f->fetch.on_done = on_done;
    f->fetch.owner = f;
    gw_fetch_start(&f->fetch);
}

static void on_due(struct gw_deadline *d)
{
    ask((struct gw_follower *)((char *)d - offsetof(struct gw_follower, due)));
}

// ------------------------------------------------------------------------------------------------------------ the line

static void hang_up(struct gw_follower *f)
{
    gw_deadline_remove(&f->due);
    gw_fetch_fini(&f->fetch);
    gw_line_hang_up(f->line);
    f->line = NULL;
}

static void complain(struct gw_follower *f, const struct diags *diags)
{
    struct arena arena;
    arena_init(&arena, 0);
    for (const struct diag *d = diags->first; d; d = d->next)
        log_write(f->log, d->warning ? LOG_WARN : LOG_ERROR, "%.*s", SPAN_FMT(diag_format(&arena, d)));
    arena_fini(&arena);
}

static struct gw_line *dial(struct gw_follower *f, struct gw_snapshot *s)
{
    // Patience for long polls.
    struct gw_remote remote = s->feed.remote;
    struct diags diags;
    remote.first_byte_ms += 1000 * (int64_t)gw_revoked_feed_patience_s(f->feed);
    diags_init(&diags);
    struct gw_line *l = gw_line_dial(s, &remote, &f->ground, &diags);
    complain(f, &diags);
    diags_fini(&diags);
    return l;
}

struct gw_follower *gw_follower_new(const struct gw_origin_ground *ground, struct log *log,
                                    struct gw_revocations *const *revocations)
{
    struct gw_follower *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->fresh = gw_revoked_term_new(0);
    if (!f->fresh) {
        free(f);
        return NULL;
    }
    f->ground = *ground;
    f->log = log;
    f->revocations = revocations;
    f->due.on_due = on_due;
    buf_init(&f->target, 0);
    return f;
}

struct gw_revoked_term *gw_follower_fresh(const struct gw_follower *f)
{
    return gw_revoked_term_ref(f->fresh);
}

static bool same_place(const struct gw_snapshot *a, const struct gw_snapshot *b)
{
    return span_eq(a->feed.config->remote.url.v, b->feed.config->remote.url.v) &&
           span_eq(a->feed.issuer->iss, b->feed.issuer->iss);
}

// The state for what `s` names: the one there is, or a new one.
static bool prepare(struct gw_follower *f, const struct gw_snapshot *s)
{
    struct gw_revoked_feed_options options = { .max_stale_ms = s->feed.config->max_stale,
                                               .skew_s = s->feed.issuer->skew_s };
    pki_random(&options.seed, sizeof options.seed);
    if (f->feed && f->line && same_place(f->line->snapshot, s)) {
        gw_revoked_feed_set(f->feed, &options);
        return true;
    }
    struct gw_revoked_feed *feed = gw_revoked_feed_new(&options);
    if (!feed)
        return false;
    // What is there now stays in force, and counts, until the new one was heard or max_stale is over. What was heard from another feed
    // counts no longer than it did.
    int64_t until_ms = f->feed ? fresh_until_ms(f) : INT64_MAX, most_ms = f->ground.now->mono_ms + options.max_stale_ms;
    if (f->adopted)
        f->floor_ms = until_ms < most_ms ? until_ms : most_ms;
    gw_revoked_feed_free(f->feed);
    f->feed = feed;
    f->dropped = false;
    return true;
}

void gw_follower_adopt(struct gw_follower *f, struct gw_snapshot *s)
{
    if (f->ended)
        return;
    if (!s->feed.config) {
        hang_up(f);
        f->dropped = f->feed != NULL;
        gw_revoked_feed_free(f->feed);
        f->feed = NULL;
    } else {
        bool ok = prepare(f, s);
        struct gw_line *l = ok ? dial(f, s) : NULL;
        // Without memory, or with files that cannot be used any more, the old line stays; without one it is stale in time.
        if (l) {
            hang_up(f);
            f->line = l;
            f->dialled = true;
            gw_deadline_set(f->ground.wheel, &f->due, f->ground.now->mono_ms);
        } else {
            log_error(f->log, "the revocation feed cannot be followed as it is configured now");
        }
    }
    f->adopted = true;
    publish(f);
}

// While more is known to come: a large set after each batch would take the time in which all of them could be taken, and the more
// there is to revoke the later would it be in force. Half of the time goes into sets all the same, since there may be more for ever.
static bool better_later(const struct gw_follower *f)
{
    struct gw_revoked_feed_facts facts = gw_revoked_feed_facts(f->feed);
    return facts.head > facts.sequence && clock_read().mono_ms < f->built_ms + f->cost_ms;
}

static struct pki_revoked *build(struct gw_follower *f)
{
    struct clock_now before = clock_read();
    struct pki_revoked *set = gw_revoked_feed_build(f->feed, before.wall_ms / 1000);
    f->built_ms = clock_read().mono_ms;
    f->cost_ms = f->built_ms - before.mono_ms;
    return set;
}

bool gw_follower_look(struct gw_follower *f, struct pki_revoked **set, struct gw_revoked_term **fresh)
{
    struct pki_revoked *built = NULL;
    bool changed = f->feed && gw_revoked_feed_changed(f->feed);
    if (!f->dropped && (!changed || better_later(f)))
        return false;
    struct gw_revoked_term *until = gw_revoked_term_new(fresh_until_ms(f));
    if (until && changed)
        built = build(f);
    if (!until || (changed && !built)) {
        gw_revoked_term_unref(until);
        return false; // out of memory: the next time
    }
    f->dropped = false;
    gw_revoked_term_unref(f->fresh);
    f->fresh = gw_revoked_term_ref(until);
    *fresh = until;
    *set = built;
    return true;
}

void gw_follower_retire(struct gw_follower *f)
{
    if (!f)
        return;
    f->ended = true;
    hang_up(f);
}

void gw_follower_free(struct gw_follower *f)
{
    if (!f)
        return;
    gw_follower_retire(f);
    gw_revoked_feed_free(f->feed);
    gw_revoked_term_unref(f->fresh);
    buf_fini(&f->target);
    free(f);
}

// ------------------------------------------------------------------------------------------------------ what is known

struct span gw_follower_fault(const struct gw_follower *f, char text[static GW_FOLLOWER_TEXT])
{
    int64_t now = f ? clock_read().mono_ms : 0, until = f ? atomic_load(&f->fresh->until_ms) : INT64_MAX;
    if (now < until)
        return SPAN_NONE;
    if (!f->feed || !gw_revoked_feed_facts(f->feed).whole)
        snprintf(text, GW_FOLLOWER_TEXT, "the revocation feed was not heard yet%s%s", f->fault[0] ? ": " : "",
                 f->fault);
    else
        snprintf(text, GW_FOLLOWER_TEXT, "the revocation feed was last heard longer than max_stale ago%s%s",
                 f->fault[0] ? ": " : "", f->fault);
    return span_str(text);
}

void gw_follower_describe(const struct gw_follower *f, struct gw_feed_state *out)
{
    *out = (struct gw_feed_state){ .followed = f && f->feed };
    if (!out->followed)
        return;
    struct gw_revoked_feed_facts facts = gw_revoked_feed_facts(f->feed);
    out->sequence = facts.sequence;
    out->head = facts.head;
    out->entries = facts.entries;
    out->batches = facts.batches;
    out->failures = facts.failures;
    out->resets = facts.resets;
    out->max_stale_ms = f->line ? f->line->snapshot->feed.config->max_stale : 0;
    out->age_ms = facts.whole ? clock_read().mono_ms - facts.heard_ms : -1;
}

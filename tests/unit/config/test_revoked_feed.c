// SPDX-License-Identifier: GPL-3.0-or-later
// A gateway that follows the feed, against a real registry: order, gaps, old batches played again, freshness.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/err.h"
#include "gateway/config/revoked_feed.h"

#define ISS SPAN("https://authority.test")
#define START_MS INT64_C(1800000000000)
#define MONO_MS 50000

struct bench {
    char dir[64], path[128];
    struct pki_revoked_store *store;
    struct pki_key *key, *other;
    struct pki_jwks *keys;
    struct gw_revoked_feed *feed;
    struct clock_now now;
    struct buf answer;
    struct pki_feed_ask asked;
};

static void bench_init(struct bench *b)
{
    struct diags diags;
    struct buf set;
    *b = (struct bench){ .dir = "/tmp/sallyport-follow-XXXXXX", .now = { START_MS, MONO_MS } };
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->path, sizeof b->path, "%s/revoked.db", b->dir);
    assert_int_equal(0, pki_revoked_store_create(b->path, &b->store));
    diags_init(&diags);
    buf_init(&set, 0);
    b->key = pki_key_generate(PKI_KEY_ED25519, 0);
    b->other = pki_key_generate(PKI_KEY_ED25519, 0);
    enum pki_alg alg = PKI_EDDSA;
    assert_int_equal(0, pki_jwks_write((const struct pki_key *const *)&b->key, &alg, 1, &set));
    b->keys = pki_jwks_read(buf_span(&set), PKI_ALG_BIT(PKI_EDDSA), SPAN("k"), &diags);
    assert_non_null(b->keys);
    buf_fini(&set);
    diags_fini(&diags);
    b->feed = gw_revoked_feed_new(&(struct gw_revoked_feed_options){ .max_stale_ms = 30000, .skew_s = 5, .seed = 7 });
    assert_non_null(b->feed);
    buf_init(&b->answer, 0);
}

static void remove_store(struct bench *b)
{
    char command[600];
    pki_revoked_store_close(b->store);
    b->store = NULL;
    snprintf(command, sizeof command, "rm -f %s %s-wal %s-shm", b->path, b->path, b->path);
    assert_int_equal(0, system(command));
}

static void bench_fini(struct bench *b)
{
    remove_store(b);
    assert_int_equal(0, rmdir(b->dir));
    gw_revoked_feed_free(b->feed);
    pki_jwks_free(b->keys);
    pki_key_free(b->key);
    pki_key_free(b->other);
    buf_fini(&b->answer);
}

static struct pki_revoked_entry jti(const char *value)
{
    return (struct pki_revoked_entry){ .kind = PKI_REVOKED_JTI, .value = span_str(value), .revoked_s = 5 };
}

static void add(struct bench *b, const char *value)
{
    struct pki_revoked_entry e = jti(value);
    assert_int_equal(0, pki_revoked_store_add(b->store, &e, 1, b->now.wall_ms / 1000));
}

static void lift(struct bench *b, const char *value)
{
    struct pki_revoked_entry e = jti(value);
    assert_int_equal(0, pki_revoked_store_lift(b->store, &e));
}

static void pass(struct bench *b, int64_t ms)
{
    b->now.wall_ms += ms;
    b->now.mono_ms += ms;
}

// The question as it goes over the wire, and what the authority answers to it.
static void ask(struct bench *b)
{
    struct buf query;
    buf_init(&query, 0);
    struct pki_feed_ask wanted = gw_revoked_feed_ask(b->feed, b->now);
    pki_feed_ask_write(&wanted, &query);
    assert_true(pki_feed_ask_read(buf_span(&query), &b->asked));
    buf_fini(&query);
}

static void answer_as(struct bench *b, const struct pki_key *key, int64_t iat_s)
{
    struct pki_feed_signer signer = { .iss = ISS, .key = key, .alg = PKI_EDDSA };
    buf_clear(&b->answer);
    assert_int_equal(0, pki_feed_make(b->store, &b->asked, &signer, iat_s, &b->answer, NULL));
}

static void answer(struct bench *b)
{
    answer_as(b, b->key, b->now.wall_ms / 1000);
}

static int take(struct bench *b)
{
    struct pki_feed_rules rules = { .iss = ISS, .algs = PKI_ALG_BIT(PKI_EDDSA), .keys = b->keys };
    return gw_revoked_feed_take(b->feed, buf_span(&b->answer), rules, b->now);
}

static int poll(struct bench *b)
{
    ask(b);
    answer(b);
    return take(b);
}

static bool refuses(struct bench *b, const char *value)
{
    static const struct pki_issuer issuer = { .iss = { "i", 1 } };
    struct pki_token t = { .issuer = &issuer, .jti = span_str(value) };
    struct pki_revoked *set = gw_revoked_feed_build(b->feed, b->now.wall_ms / 1000);
    bool hit = pki_revoked_token(set, &t, b->now.wall_ms / 1000, NULL) == ERR_TOKEN_REVOKED;
    pki_revoked_unref(set);
    return hit;
}

static uint64_t sequence(const struct bench *b)
{
    return gw_revoked_feed_facts(b->feed).sequence;
}

// ---- order

static void nothing_is_fresh_before_the_first_whole_set(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    add(&b, "a");
    assert_int_equal(0, gw_revoked_feed_fresh_until_ms(b.feed));
    assert_null(gw_revoked_feed_build(b.feed, START_MS / 1000));
    assert_true(gw_revoked_feed_due_ms(b.feed) <= b.now.mono_ms);
    assert_int_equal(0, poll(&b));
    assert_int_equal(MONO_MS + 30000, gw_revoked_feed_fresh_until_ms(b.feed));
    assert_true(refuses(&b, "a"));
    assert_false(refuses(&b, "b"));
    assert_int_equal(1, sequence(&b));
    bench_fini(&b);
}

static void changes_are_applied_in_order_and_a_lift_takes_back(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, poll(&b));
    add(&b, "a");
    add(&b, "b");
    lift(&b, "a");
    assert_int_equal(0, poll(&b));
    assert_false(b.asked.reset);
    assert_true(!refuses(&b, "a") && refuses(&b, "b"));
    lift(&b, "b");
    add(&b, "a");
    assert_int_equal(0, poll(&b));
    assert_true(refuses(&b, "a") && !refuses(&b, "b"));
    assert_int_equal(5, sequence(&b));
    assert_int_equal(1, gw_revoked_feed_facts(b.feed).entries);
    bench_fini(&b);
}

static void an_entry_that_expired_is_dropped(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    struct pki_revoked_entry e = jti("short");
    e.expires_s = START_MS / 1000 + 10;
    assert_int_equal(0, pki_revoked_store_add(b.store, &e, 1, START_MS / 1000));
    assert_int_equal(0, poll(&b));
    assert_true(refuses(&b, "short"));
    pass(&b, 10000);
    assert_false(refuses(&b, "short"));
    assert_int_equal(0, gw_revoked_feed_facts(b.feed).entries);
    bench_fini(&b);
}

static void a_large_set_comes_in_parts_and_counts_when_it_is_whole(void **state)
{
    (void)state;
    enum { N = 2 * PKI_FEED_CHANGES + 5 };
    static char names[N][16];
    static struct pki_revoked_entry many[N];
    struct bench b;
    bench_init(&b);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        many[i] = jti(names[i]);
    }
    assert_int_equal(0, pki_revoked_store_add(b.store, many, N, 5));
    assert_int_equal(0, poll(&b));
    assert_int_equal(0, gw_revoked_feed_fresh_until_ms(b.feed));
    lift(&b, "n3"); // in the part that was sent
    add(&b, "late");
    pass(&b, 2000);
    assert_int_equal(0, poll(&b));
    assert_null(gw_revoked_feed_build(b.feed, 0));
    pass(&b, 2000);
    assert_int_equal(0, poll(&b));
    // As fresh as its first part.
    assert_int_equal(MONO_MS + 30000, gw_revoked_feed_fresh_until_ms(b.feed));
    assert_int_equal(0, poll(&b));
    assert_false(b.asked.reset);
    assert_true(!refuses(&b, "n3") && refuses(&b, "n4") && refuses(&b, "n2004") && refuses(&b, "late"));
    assert_int_equal(N, gw_revoked_feed_facts(b.feed).entries);
    assert_int_equal(MONO_MS + 34000, gw_revoked_feed_fresh_until_ms(b.feed));
    bench_fini(&b);
}

static void a_set_that_lags_behind_is_no_fresher_for_it(void **state)
{
    (void)state;
    enum { N = PKI_FEED_CHANGES + 1 };
    static char names[N][16];
    static struct pki_revoked_entry many[N];
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, poll(&b));
    int64_t until = gw_revoked_feed_fresh_until_ms(b.feed);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        many[i] = jti(names[i]);
    }
    assert_int_equal(0, pki_revoked_store_add(b.store, many, N, 5));
    pass(&b, 5000);
    assert_int_equal(0, poll(&b)); // one change is still missing
    assert_int_equal(until, gw_revoked_feed_fresh_until_ms(b.feed));
    assert_true(gw_revoked_feed_due_ms(b.feed) <= b.now.mono_ms);
    assert_int_equal(0, poll(&b));
    assert_int_equal(until + 5000, gw_revoked_feed_fresh_until_ms(b.feed));
    bench_fini(&b);
}

// ---- what breaks the order

static void another_registry_is_noticed_and_taken_whole(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    add(&b, "old");
    assert_int_equal(0, poll(&b));
    remove_store(&b);
    assert_int_equal(0, pki_revoked_store_create(b.path, &b.store));
    add(&b, "new");
    assert_int_equal(0, poll(&b));
    assert_true(!refuses(&b, "old") && refuses(&b, "new"));
    assert_int_equal(2, gw_revoked_feed_facts(b.feed).resets);
    bench_fini(&b);
}

static void a_gap_is_refused_and_the_whole_set_asked_for(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    add(&b, "a");
    assert_int_equal(0, poll(&b));
    struct pki_revoked_point at;
    add(&b, "b");
    assert_int_equal(0, pki_revoked_log_head(b.store, &at));
    add(&b, "c");
    ask(&b);
    b.asked.after = at; // an authority that leaves one out
    answer(&b);
    assert_int_equal(ERR_REVOCATIONS_STALE, take(&b));
    assert_true(refuses(&b, "a") && !refuses(&b, "c"));
    assert_int_equal(1, sequence(&b));
    assert_int_equal(0, poll(&b));
    assert_true(b.asked.reset);
    assert_true(refuses(&b, "a") && refuses(&b, "b") && refuses(&b, "c"));
    bench_fini(&b);
}

static void a_log_that_was_trimmed_leads_to_the_whole_set(void **state)
{
    (void)state;
    struct bench b;
    enum { N = PKI_REVOKED_LOG + 1 };
    bench_init(&b);
    add(&b, "gone");
    assert_int_equal(0, poll(&b));
    lift(&b, "gone");
    char(*names)[16] = calloc(N, sizeof *names);
    struct pki_revoked_entry *many = calloc(N, sizeof *many);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        many[i] = jti(names[i]);
    }
    assert_int_equal(0, pki_revoked_store_add(b.store, many, N, 5));
    size_t polls = 0;
    do {
        assert_int_equal(0, poll(&b));
        assert_true(++polls < 100);
    } while (sequence(&b) < N + 2);
    assert_true(!refuses(&b, "gone") && refuses(&b, "n0") && refuses(&b, "n65536"));
    free(many);
    free(names);
    bench_fini(&b);
}

// ---- who answers

static void a_batch_by_another_key_changes_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, poll(&b));
    int64_t until = gw_revoked_feed_fresh_until_ms(b.feed);
    add(&b, "a");
    pass(&b, 1000);
    ask(&b);
    answer_as(&b, b.other, b.now.wall_ms / 1000);
    assert_int_equal(ERR_TOKEN_SIGNATURE, take(&b));
    assert_false(refuses(&b, "a"));
    assert_int_equal(until, gw_revoked_feed_fresh_until_ms(b.feed));
    assert_int_equal(1, gw_revoked_feed_facts(b.feed).failures);
    bench_fini(&b);
}

static void an_old_batch_played_again_neither_rewinds_nor_refreshes(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    add(&b, "a");
    ask(&b);
    answer(&b);
    struct buf whole; // "a" alone
    buf_init(&whole, 0);
    buf_append(&whole, buf_span(&b.answer));
    assert_int_equal(0, take(&b));
    add(&b, "b");
    assert_int_equal(0, poll(&b));
    int64_t until = gw_revoked_feed_fresh_until_ms(b.feed);
    // At once, as an answer to the same question again, and to every later one.
    assert_int_equal(ERR_TOKEN_EXPIRED, take(&b));
    for (int i = 0; i < 4; i++) {
        pass(&b, 3000);
        ask(&b);
        buf_clear(&b.answer);
        buf_append(&b.answer, buf_span(&whole));
        assert_int_equal(ERR_TOKEN_EXPIRED, take(&b));
        assert_true(refuses(&b, "b"));
        assert_int_equal(2, sequence(&b));
        assert_int_equal(until, gw_revoked_feed_fresh_until_ms(b.feed));
    }
    buf_fini(&whole);
    bench_fini(&b);
}

static void an_authority_whose_clock_goes_back_does_not_look_fresh(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, poll(&b));
    int64_t until = gw_revoked_feed_fresh_until_ms(b.feed);
    ask(&b);
    answer_as(&b, b.key, START_MS / 1000 - 3); // within the skew: applied, and no fresher
    assert_int_equal(0, take(&b));
    assert_int_equal(until, gw_revoked_feed_fresh_until_ms(b.feed));
    ask(&b);
    answer_as(&b, b.key, START_MS / 1000 - 6);
    assert_int_equal(ERR_TOKEN_EXPIRED, take(&b));
    ask(&b);
    answer_as(&b, b.key, START_MS / 1000 + 6);
    assert_int_equal(ERR_TOKEN_NOT_YET, take(&b));
    assert_int_equal(until, gw_revoked_feed_fresh_until_ms(b.feed));
    bench_fini(&b);
}

static void a_batch_from_the_future_is_no_fresher_than_now(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    ask(&b);
    answer_as(&b, b.key, START_MS / 1000 + 5);
    assert_int_equal(0, take(&b));
    assert_int_equal(MONO_MS + 30000, gw_revoked_feed_fresh_until_ms(b.feed));
    bench_fini(&b);
}

// Two clocks that were ahead by an hour and are set right, not at once: no batch may be refused for being older than one from that hour.
static void a_clock_that_was_set_right_does_not_deafen(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    b.now.wall_ms += 3600000;
    assert_int_equal(0, poll(&b));
    b.now.wall_ms -= 3600000;
    pass(&b, 4000);
    add(&b, "a");
    assert_int_equal(0, poll(&b));
    assert_true(refuses(&b, "a"));
    assert_int_equal(MONO_MS + 34000, gw_revoked_feed_fresh_until_ms(b.feed));
    bench_fini(&b);
}

static void what_a_clock_ahead_dropped_comes_back_when_it_is_set_right(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    struct pki_revoked_entry e = jti("leaked");
    e.expires_s = START_MS / 1000 + 600;
    assert_int_equal(0, pki_revoked_store_add(b.store, &e, 1, START_MS / 1000));
    assert_int_equal(0, poll(&b));
    assert_true(refuses(&b, "leaked"));
    b.now.wall_ms += 3600000; // only here, and for a moment
    assert_false(refuses(&b, "leaked"));
    b.now.wall_ms -= 3600000;
    pass(&b, 1000);
    assert_int_equal(0, poll(&b));
    assert_true(refuses(&b, "leaked"));
    assert_int_equal(0, poll(&b));
    assert_false(b.asked.reset); // once is enough
    bench_fini(&b);
}

static void an_empty_batch_keeps_it_fresh_and_silence_does_not(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, poll(&b));
    pass(&b, 10000);
    assert_int_equal(0, poll(&b));
    assert_int_equal(MONO_MS + 40000, gw_revoked_feed_fresh_until_ms(b.feed));
    assert_false(gw_revoked_feed_changed(b.feed) && gw_revoked_feed_facts(b.feed).batches != 2);
    pass(&b, 10000);
    gw_revoked_feed_failed(b.feed, b.now);
    assert_int_equal(MONO_MS + 40000, gw_revoked_feed_fresh_until_ms(b.feed));
    gw_revoked_feed_set(b.feed, &(struct gw_revoked_feed_options){ .max_stale_ms = 10000, .skew_s = 5 });
    assert_int_equal(MONO_MS + 20000, gw_revoked_feed_fresh_until_ms(b.feed));
    bench_fini(&b);
}

// ---- when to ask

static void failures_are_answered_with_longer_pauses_that_differ(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    int64_t longest = 0, last = 0;
    bool differ = false;
    for (int i = 0; i < 40; i++) {
        gw_revoked_feed_failed(b.feed, b.now);
        int64_t pause = gw_revoked_feed_due_ms(b.feed) - b.now.mono_ms;
        assert_true(pause >= 100 && pause <= 4000);
        differ = differ || (i > 6 && pause != last);
        last = pause;
        longest = pause > longest ? pause : longest;
    }
    assert_true(differ && longest > 2000);
    assert_int_equal(0, poll(&b));
    gw_revoked_feed_failed(b.feed, b.now);
    assert_true(gw_revoked_feed_due_ms(b.feed) - b.now.mono_ms <= 200); // a success begins anew
    bench_fini(&b);
}

static void an_authority_that_does_not_wait_is_not_asked_in_a_rush(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b);
    assert_int_equal(0, poll(&b));
    assert_int_equal(b.now.mono_ms, gw_revoked_feed_due_ms(b.feed));
    assert_int_equal(0, poll(&b)); // empty, and at once
    assert_int_equal(b.now.mono_ms + 200, gw_revoked_feed_due_ms(b.feed));
    assert_int_equal(10, b.asked.wait_s); // a third of max_stale
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_fresh_before_the_first_whole_set),
        cmocka_unit_test(changes_are_applied_in_order_and_a_lift_takes_back),
        cmocka_unit_test(an_entry_that_expired_is_dropped),
        cmocka_unit_test(a_large_set_comes_in_parts_and_counts_when_it_is_whole),
        cmocka_unit_test(a_set_that_lags_behind_is_no_fresher_for_it),
        cmocka_unit_test(another_registry_is_noticed_and_taken_whole),
        cmocka_unit_test(a_gap_is_refused_and_the_whole_set_asked_for),
        cmocka_unit_test(a_log_that_was_trimmed_leads_to_the_whole_set),
        cmocka_unit_test(a_batch_by_another_key_changes_nothing),
        cmocka_unit_test(an_old_batch_played_again_neither_rewinds_nor_refreshes),
        cmocka_unit_test(an_authority_whose_clock_goes_back_does_not_look_fresh),
        cmocka_unit_test(a_batch_from_the_future_is_no_fresher_than_now),
        cmocka_unit_test(a_clock_that_was_set_right_does_not_deafen),
        cmocka_unit_test(what_a_clock_ahead_dropped_comes_back_when_it_is_set_right),
        cmocka_unit_test(an_empty_batch_keeps_it_fresh_and_silence_does_not),
        cmocka_unit_test(failures_are_answered_with_longer_pauses_that_differ),
        cmocka_unit_test(an_authority_that_does_not_wait_is_not_asked_in_a_rush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

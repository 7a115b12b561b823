// SPDX-License-Identifier: GPL-3.0-or-later
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pki/replay.h"

#define T INT64_C(1700000000000)

static const uint8_t jkt_a[32] = { 1 }, jkt_b[32] = { 2 };

static struct pki_replay_entry proof(const char *jti, const char *workload)
{
    return (struct pki_replay_entry){
        .jkt = jkt_a,
        .jti = span_str(jti),
        .htm = SPAN("GET"),
        .htu = SPAN("https://gw/a"),
        .workload = span_str(workload),
        .iat_ms = T,
        .keep_until_ms = T + 65000,
    };
}

static void rule_16_second_use_is_refused(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .not_before_ms = T - 1000 });
    struct pki_replay_entry e = proof("j", "w");
    assert_int_equal(pki_replay_insert(r, &e, T), 0);
    assert_int_equal(pki_replay_insert(r, &e, T), ERR_PROOF_REPLAYED);
    // Until the very last moment, also under another workload's name.
    e.workload = SPAN("other");
    assert_int_equal(pki_replay_insert(r, &e, T + 64999), ERR_PROOF_REPLAYED);
    assert_int_equal(pki_replay_count(r), 1);
    // Its place is free afterwards, also for what has the same key.
    e.iat_ms = T + 66000;
    e.keep_until_ms = T + 131000;
    assert_int_equal(pki_replay_insert(r, &e, T + 66000), 0);
    assert_int_equal(pki_replay_count(r), 1);
    pki_replay_free(r);
}

static void rule_16_key_is_thumbprint_jti_htm_and_htu(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .not_before_ms = T - 1000 });
    struct pki_replay_entry e = proof("j", "w");
    assert_int_equal(pki_replay_insert(r, &e, T), 0);
    struct pki_replay_entry other = e;
    other.jkt = jkt_b;
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    other = e;
    other.jti = SPAN("k");
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    other = e;
    other.htm = SPAN("PUT");
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    other = e;
    other.htu = SPAN("https://gw/b");
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    // Nothing moves from one part into the next.
    other = e;
    other.jti = SPAN("jG");
    other.htm = SPAN("ET");
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    assert_int_equal(pki_replay_insert(r, &other, T), ERR_PROOF_REPLAYED);
    // iat and expiry are not part of it.
    other = e;
    other.iat_ms = T + 1000;
    other.keep_until_ms = T + 100000;
    assert_int_equal(pki_replay_insert(r, &other, T), ERR_PROOF_REPLAYED);
    // A long jti is hashed whole.
    static char long_jti[4000];
    memset(long_jti, 'x', sizeof long_jti);
    other = e;
    other.jti = span_of(long_jti, sizeof long_jti);
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    long_jti[sizeof long_jti - 1] = 'y';
    assert_int_equal(pki_replay_insert(r, &other, T), 0);
    assert_int_equal(pki_replay_insert(r, &other, T), ERR_PROOF_REPLAYED);
    pki_replay_free(r);
}

static void rule_16_one_workload_cannot_fill_it_for_the_others(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(
        &(struct pki_replay_options){ .entries = 8192, .share_percent = 25, .stripes = 4, .not_before_ms = T - 1000 });
    char jti[32];
    size_t taken = 0, refused = 0;
    for (int i = 0; i < 20000; i++) {
        snprintf(jti, sizeof jti, "%d", i);
        struct pki_replay_entry e = proof(jti, "greedy");
        int rc = pki_replay_insert(r, &e, T);
        assert_true(rc == 0 || rc == ERR_REPLAY_FULL);
        *(rc == 0 ? &taken : &refused) += 1;
    }
    assert_int_equal(taken, 2048); // its share, everywhere
    assert_int_equal(refused, 20000 - 2048);
    for (int i = 0; i < 1500; i++) {
        snprintf(jti, sizeof jti, "%d", i);
        struct pki_replay_entry e = proof(jti, "modest");
        e.jkt = jkt_b;
        assert_int_equal(pki_replay_insert(r, &e, T), 0);
    }
    // Its old proofs stay known, and its share comes back when they expire.
    struct pki_replay_entry e = proof("0", "greedy");
    assert_int_equal(pki_replay_insert(r, &e, T), ERR_PROOF_REPLAYED);
    e = proof("new", "greedy");
    assert_int_equal(pki_replay_insert(r, &e, T), ERR_REPLAY_FULL);
    e.iat_ms = T + 66000;
    e.keep_until_ms = T + 131000;
    assert_int_equal(pki_replay_insert(r, &e, T + 66000), 0);
    pki_replay_free(r);
}

// Proofs fall into stripes as chance has it, and the first stripe in which a workload's part is full refuses it.
static void a_workload_gets_most_of_its_share_also_of_a_small_store(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1024, 4096, 65536 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct pki_replay *r =
            pki_replay_new(&(struct pki_replay_options){ .entries = sizes[i], .not_before_ms = T - 1000 });
        char jti[32];
        size_t taken = 0;
        for (int rc = 0; rc == 0; taken += rc == 0) {
            snprintf(jti, sizeof jti, "%zu", taken);
            struct pki_replay_entry e = proof(jti, "busy");
            rc = pki_replay_insert(r, &e, T);
        }
        assert_in_range(taken, sizes[i] / 10 * 3 / 4, sizes[i] / 10);
        pki_replay_free(r);
    }
}

static void rule_16_full_store_denies(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(
        &(struct pki_replay_options){ .entries = 256, .share_percent = 100, .stripes = 2, .not_before_ms = T - 1000 });
    char jti[32], workload[32];
    size_t taken = 0;
    for (int i = 0; i < 1000; i++) {
        snprintf(jti, sizeof jti, "%d", i);
        snprintf(workload, sizeof workload, "w%d", i % 100);
        struct pki_replay_entry e = proof(jti, workload);
        taken += pki_replay_insert(r, &e, T) == 0;
    }
    assert_int_equal(taken, 256);
    assert_int_equal(pki_replay_count(r), pki_replay_capacity(r));
    struct pki_replay_entry e = proof("0", "w0");
    assert_int_equal(pki_replay_insert(r, &e, T), ERR_PROOF_REPLAYED); // nothing was evicted
    pki_replay_free(r);
}

static void rule_16_proof_from_before_the_start_is_refused(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .not_before_ms = T + 300 });
    struct pki_replay_entry e = proof("j", "w"); // iat has whole seconds: T is before T + 300 ms
    assert_int_equal(pki_replay_insert(r, &e, T + 500), ERR_PROOF_BEFORE_START);
    e.iat_ms = T + 1000;
    assert_int_equal(pki_replay_insert(r, &e, T + 1000), 0);
    pki_replay_free(r);
}

// The wall clock is set back after a proof was forgotten: its iat is in the window again, and it must not be news.
static void rule_16_clock_set_back_does_not_bring_proofs_back(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .stripes = 1, .not_before_ms = T - 1000 });
    struct pki_replay_entry e = proof("j", "w"), later = proof("later", "w");
    assert_int_equal(pki_replay_insert(r, &e, T), 0);
    later.iat_ms = T + 100000;
    later.keep_until_ms = T + 165000;
    assert_int_equal(pki_replay_insert(r, &later, T + 100000), 0); // forgets the first
    assert_int_equal(pki_replay_count(r), 1);
    assert_int_equal(pki_replay_insert(r, &e, T + 10000), ERR_PROOF_REPLAYED);
    // Nobody else pays for it: what was made after the step is new, although the store has seen later seconds.
    struct pki_replay_entry fresh = proof("fresh", "w");
    fresh.iat_ms = T + 10000;
    fresh.keep_until_ms = T + 75000;
    assert_int_equal(pki_replay_insert(r, &fresh, T + 10000), 0);
    assert_int_equal(pki_replay_insert(r, &fresh, T + 10000), ERR_PROOF_REPLAYED);
    pki_replay_free(r);
}

// A reload makes the window wider, and with it proofs good again that were let go of under the old one.
static void rule_16_wider_window_does_not_bring_proofs_back(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .stripes = 1, .not_before_ms = T - 1000 });
    struct pki_replay_entry e = proof("j", "w"), long_kept = proof("nonce", "w"), later = proof("later", "w");
    assert_int_equal(pki_replay_insert(r, &e, T), 0);
    long_kept.keep_until_ms =
        T + 86400000; // a nonce of a day: its entry says less about its iat, and must not say less than it was
    assert_int_equal(pki_replay_insert(r, &long_kept, T), 0);
    e.keep_until_ms = T + 605000;
    assert_int_equal(pki_replay_insert(r, &e, T + 100000), ERR_PROOF_REPLAYED);
    later.iat_ms = T + 90000000;
    later.keep_until_ms = T + 90605000;
    assert_int_equal(pki_replay_insert(r, &later, T + 90000000), 0);
    assert_int_equal(pki_replay_insert(r, &long_kept, T + 90000000), ERR_PROOF_REPLAYED);
    pki_replay_free(r);
}

// With `ahead` 0 a proof is good up to and including iat + window, which is when its entry ends; and loops read their clocks at
// different moments, so that another may have passed it already.
static void rule_16_last_acceptable_moment_is_still_remembered(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .stripes = 1, .not_before_ms = T - 1000 });
    struct pki_replay_entry e = proof("j", "w"), other = proof("other", "w");
    e.keep_until_ms = T + 60000;
    assert_int_equal(pki_replay_insert(r, &e, T), 0);
    assert_int_equal(pki_replay_insert(r, &e, T + 60000), ERR_PROOF_REPLAYED);
    other.iat_ms = T + 60000;
    other.keep_until_ms = T + 120000;
    assert_int_equal(pki_replay_insert(r, &other, T + 61500), 0); // a loop that is ahead
    assert_int_equal(pki_replay_insert(r, &e, T + 60000), ERR_PROOF_REPLAYED);
    pki_replay_free(r);
}

// Ten thousand entries with every kind of lifetime, checked against a plain list.
static void entries_live_exactly_as_long_as_they_must(void **state)
{
    (void)state;
    enum { N = 10000 };
    static int64_t until[N];
    struct pki_replay *r =
        pki_replay_new(&(struct pki_replay_options){ .entries = 1 << 16, .share_percent = 100, .not_before_ms = T });
    uint32_t random = 1;
    int64_t now = T;
    for (int i = 0; i < N; i++) {
        random = random * 1664525u + 1013904223u;
        now += random >> 24;
        until[i] = now + (int64_t)((random >> 8) % 3000000); // up to 3,000 s: three rounds of the wheel
        char jti[32];
        snprintf(jti, sizeof jti, "%d", i);
        struct pki_replay_entry e = proof(jti, "w");
        e.iat_ms = now;
        e.keep_until_ms = until[i];
        assert_int_equal(pki_replay_insert(r, &e, now), 0);
        int back = (int)(random % (uint32_t)(i + 1));
        snprintf(jti, sizeof jti, "%d", back);
        e = proof(jti, "w");
        e.iat_ms = now;
        e.keep_until_ms = until[back];
        int rc = pki_replay_insert(r, &e, now);
        // Kept at least as long as asked, and at most two seconds longer.
        if (now < until[back])
            assert_int_equal(rc, ERR_PROOF_REPLAYED);
        else if (now >= until[back] + 2000)
            assert_int_equal(rc, 0);
        else
            assert_true(rc == 0 || rc == ERR_PROOF_REPLAYED);
        if (rc == 0) // it is there again, for a moment
            until[back] = now;
    }
    struct pki_replay_entry last = proof("last", "w");
    for (int i = 0; i < 2000; i++) { // touch every stripe after everything expired
        char jti[32];
        snprintf(jti, sizeof jti, "t%d", i);
        last = proof(jti, "w");
        last.iat_ms = now + 3000000 + 4000;
        last.keep_until_ms = now + 3000000 + 5000;
        assert_int_equal(pki_replay_insert(r, &last, now + 3000000 + 4000), 0);
    }
    assert_int_equal(pki_replay_count(r), 2000);
    pki_replay_free(r);
}

struct racer {
    struct pki_replay *store;
    pthread_t thread;
    size_t won;
};

static void *race(void *ctx)
{
    struct racer *me = ctx;
    for (int i = 0; i < 5000; i++) {
        char jti[32];
        snprintf(jti, sizeof jti, "%d", i);
        struct pki_replay_entry e = proof(jti, "w");
        me->won += pki_replay_insert(me->store, &e, T + i) == 0;
    }
    return NULL;
}

static void proof_replayed_on_second_loop_is_refused(void **state)
{
    (void)state;
    struct pki_replay *r = pki_replay_new(&(struct pki_replay_options){ .share_percent = 100, .not_before_ms = T });
    struct racer racers[4] = { { .store = r }, { .store = r }, { .store = r }, { .store = r } };
    size_t won = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(racers[i].thread, NULL);
        won += racers[i].won;
    }
    assert_int_equal(won, 5000); // each proof once, whoever came first
    pki_replay_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_16_second_use_is_refused),
        cmocka_unit_test(rule_16_key_is_thumbprint_jti_htm_and_htu),
        cmocka_unit_test(rule_16_one_workload_cannot_fill_it_for_the_others),
        cmocka_unit_test(a_workload_gets_most_of_its_share_also_of_a_small_store),
        cmocka_unit_test(rule_16_full_store_denies),
        cmocka_unit_test(rule_16_proof_from_before_the_start_is_refused),
        cmocka_unit_test(rule_16_clock_set_back_does_not_bring_proofs_back),
        cmocka_unit_test(rule_16_wider_window_does_not_bring_proofs_back),
        cmocka_unit_test(rule_16_last_acceptable_moment_is_still_remembered),
        cmocka_unit_test(entries_live_exactly_as_long_as_they_must),
        cmocka_unit_test(proof_replayed_on_second_loop_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

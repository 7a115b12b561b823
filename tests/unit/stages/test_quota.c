// SPDX-License-Identifier: GPL-3.0-or-later
// Buckets: what comes out of one in any time is never more than what was in it and what came back, whoever asks and from how many threads.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/stages/quota.h"

#define MINUTE_MS 60000
#define START 1000000 // of the monotonic clock

static struct gw_quota *table(size_t buckets, unsigned share)
{
    struct gw_quota *q =
        gw_quota_new(&(struct gw_quota_options){ .buckets = buckets, .share_percent = share, .key = { 1, 2 } });
    assert_non_null(q);
    return q;
}

static struct gw_quota_charge charge(const struct gw_quota *q, const char *name, uint64_t count, int64_t period_ms,
                                     uint64_t burst, uint64_t cost)
{
    struct span part = span_str(name);
    struct gw_quota_charge c = { .rate = gw_quota_rate(count, period_ms, burst), .cost = cost };
    c.bucket = gw_quota_bucket(q, &part, 1, &c.rate);
    return c;
}

// Of one bucket of `burst` and 60 a minute.
static int take(struct gw_quota *q, const char *name, uint64_t burst, uint64_t cost, int64_t now_ms,
                struct gw_quota_charge *out)
{
    *out = charge(q, name, 60, MINUTE_MS, burst, cost);
    return gw_quota_take(q, out, 1, 7, now_ms);
}

static void a_full_bucket_gives_its_burst_and_then_what_comes_back(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_charge c;
    for (uint64_t i = 0; i < 5; i++) {
        assert_int_equal(take(q, "a", 5, 1, START, &c), 0);
        assert_int_equal(c.remaining, 4 - i);
        assert_int_equal(c.reset_ns, (int64_t)(i + 1) * 1000000000);
    }
    assert_int_equal(take(q, "a", 5, 1, START, &c), ERR_RATE);
    assert_int_equal(c.outcome, GW_QUOTA_WAIT);
    assert_int_equal(c.wait_ns, 1000000000);
    assert_int_equal(c.remaining, 0);
    assert_int_equal(take(q, "a", 5, 1, START + 999, &c), ERR_RATE);
    assert_int_equal(c.wait_ns, 1000000);
    assert_int_equal(take(q, "a", 5, 1, START + 1000, &c), 0);
    assert_int_equal(take(q, "a", 5, 1, START + 1000, &c), ERR_RATE);
    // Full again, and never more than full.
    assert_int_equal(take(q, "a", 5, 5, START + 3600000, &c), 0);
    assert_int_equal(take(q, "a", 5, 1, START + 3600000, &c), ERR_RATE);
    gw_quota_free(q);
}

static void a_refused_charge_takes_nothing(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_charge c;
    assert_int_equal(take(q, "a", 5, 4, START, &c), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(take(q, "a", 5, 2, START, &c), ERR_RATE);
    assert_int_equal(c.remaining, 1);
    assert_int_equal(take(q, "a", 5, 1, START, &c), 0);
    gw_quota_free(q);
}

static void a_cost_over_the_burst_is_refused_for_ever_and_says_so(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_charge c;
    for (int64_t now = START; now < START + 86400000; now += 3600000) {
        assert_int_equal(take(q, "a", 5, 6, now, &c), ERR_RATE);
        assert_int_equal(c.outcome, GW_QUOTA_NEVER);
        assert_int_equal(c.wait_ns, 0);
        assert_int_equal(c.remaining, 5);
    }
    assert_int_equal(take(q, "a", 5, UINT64_MAX, START, &c), ERR_RATE);
    assert_int_equal(c.outcome, GW_QUOTA_NEVER);
    assert_int_equal(gw_quota_used(q), 0);
    gw_quota_free(q);
}

static void time_that_jumps_back_gives_nothing(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_charge c;
    assert_int_equal(take(q, "a", 5, 5, START, &c), 0);
    assert_int_equal(take(q, "a", 5, 1, START - 500000, &c), ERR_RATE);
    assert_int_equal(take(q, "a", 5, 1, 0, &c), ERR_RATE);
    assert_int_equal(c.remaining, 0);
    assert_int_equal(take(q, "a", 5, 1, START + 1000, &c), 0);
    gw_quota_free(q);
}

static void extreme_rates_do_not_overflow(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    static const struct {
        uint64_t count;
        int64_t period_ms;
        uint64_t burst;
    } rows[] = {
        { 1, 86400000, 1 },  { UINT64_MAX, 1, UINT64_MAX }, { 1, INT64_MAX, UINT64_MAX },
        { 1, INT64_MAX, 1 }, { 3, 1000, 1000000000 },       { 1, 1, UINT64_MAX },
        { 7, 1000, 7 },      { 1000000000, 86400000, 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct gw_quota_rate r = gw_quota_rate(rows[i].count, rows[i].period_ms, rows[i].burst);
        assert_true(r.unit_ns >= 1 && r.burst >= 1 && r.full_ns >= r.unit_ns && r.full_ns <= (int64_t)1 << 61);
        assert_true(r.burst <= rows[i].burst);
        char name[8];
        snprintf(name, sizeof name, "%zu", i);
        struct gw_quota_charge c = charge(q, name, rows[i].count, rows[i].period_ms, rows[i].burst, r.burst);
        // To the end of the clock that it takes, if need be.
        int64_t last = ((int64_t)1 << 61) / 1000000 - 1;
        assert_int_equal(gw_quota_take(q, &c, 1, 7, last), 0);
        assert_int_equal(c.remaining, 0);
        c.cost = 1;
        assert_int_equal(gw_quota_take(q, &c, 1, 7, last), ERR_RATE);
        assert_int_equal(c.outcome, GW_QUOTA_WAIT);
        assert_true(c.wait_ns > 0);
    }
    gw_quota_free(q);
}

static void what_one_limit_refuses_costs_the_others_nothing(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_charge c[3], seen;
    assert_int_equal(take(q, "empty", 5, 5, START, &seen), 0);
    for (int i = 0; i < 50; i++) {
        c[0] = charge(q, "a", 60, MINUTE_MS, 3, 1);
        c[1] = charge(q, "empty", 60, MINUTE_MS, 5, 1);
        c[2] = charge(q, "b", 60, MINUTE_MS, 3, 1);
        assert_int_equal(gw_quota_take(q, c, 3, 7, START), ERR_RATE);
        assert_int_equal(c[0].outcome, GW_QUOTA_OK);
        assert_int_equal(c[1].outcome, GW_QUOTA_WAIT);
        assert_int_equal(c[2].outcome, GW_QUOTA_OK);
    }
    assert_int_equal(take(q, "a", 3, 3, START, &seen), 0);
    assert_int_equal(take(q, "b", 3, 3, START, &seen), 0);
    gw_quota_free(q);
}

static void what_has_to_be_given_back_is_given_back(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_charge c[3];
    // Both look possible, and the second charge of the same bucket is not: as when another thread was faster.
    c[0] = charge(q, "a", 60, MINUTE_MS, 3, 1);
    c[1] = c[2] = charge(q, "b", 60, MINUTE_MS, 3, 2);
    assert_int_equal(gw_quota_take(q, c, 3, 7, START), ERR_RATE);
    assert_int_equal(c[2].outcome, GW_QUOTA_WAIT);
    c[0].cost = 3;
    assert_int_equal(gw_quota_take(q, &c[0], 1, 7, START), 0);
    c[1].cost = 3;
    assert_int_equal(gw_quota_take(q, &c[1], 1, 7, START), 0);
    gw_quota_free(q);
}

static void names_do_not_run_into_each_other(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct gw_quota_rate r = gw_quota_rate(1, 1000, 1), s = gw_quota_rate(1, 1000, 2);
    const struct span parts[][2] = {
        { SPAN("ab"), SPAN("c") },  { SPAN("a"), SPAN("bc") },  { SPAN("abc"), SPAN("") },
        { SPAN("abc"), SPAN_NONE }, { SPAN_NONE, SPAN("abc") }, { SPAN(""), SPAN("abc") },
    };
    uint64_t seen[12];
    size_t n = 0;
    for (size_t i = 0; i < 6; i++) {
        seen[n++] = gw_quota_bucket(q, parts[i], 2, &r);
        seen[n++] = gw_quota_bucket(q, parts[i], 2, &s); // another rate: another bucket
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(seen[i] != seen[k]);
    gw_quota_free(q);
}

static void a_workload_cannot_use_up_the_others_buckets(void **state)
{
    (void)state;
    struct gw_quota *q = table(4096, 25);
    struct gw_quota_charge c;
    size_t taken = 0, refused = 0;
    char name[32];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "attacker %d", i);
        c = charge(q, name, 1, 86400000, 1, 1);
        int rc = gw_quota_take(q, &c, 1, 666, START);
        taken += rc == 0;
        refused += rc != 0;
        assert_true(rc == 0 || (rc == ERR_RATE && c.outcome == GW_QUOTA_SHARE));
    }
    assert_int_equal(taken, gw_quota_buckets(q) / 4);
    assert_int_equal(gw_quota_used(q), taken);
    // Nobody else notices.
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "other %d", i);
        c = charge(q, name, 1, 86400000, 1, 1);
        assert_int_equal(gw_quota_take(q, &c, 1, 7, START), 0);
        assert_int_equal(gw_quota_take(q, &c, 1, 7, START), ERR_RATE);
    }
    // And what it has is still held against it.
    c = charge(q, "attacker 0", 1, 86400000, 1, 1);
    assert_int_equal(gw_quota_take(q, &c, 1, 666, START), ERR_RATE);
    assert_int_equal(c.outcome, GW_QUOTA_WAIT);
    gw_quota_free(q);
}

static void places_of_full_buckets_are_used_again(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 50);
    struct gw_quota_charge c;
    char name[32];
    int64_t now = START;
    // Ten times as many as there is room for, a hundred at a time, each full again before the next come.
    for (int round = 0; round < 100; round++, now += 2000)
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof name, "%d %d", round, i);
            c = charge(q, name, 1, 1000, 1, 1);
            assert_int_equal(gw_quota_take(q, &c, 1, 7, now), 0);
            assert_int_equal(gw_quota_take(q, &c, 1, 7, now), ERR_RATE);
        }
    assert_true(gw_quota_used(q) <= gw_quota_buckets(q));
    gw_quota_free(q);
}

static void a_table_without_room_refuses(void **state)
{
    (void)state;
    struct gw_quota *q = table(GW_QUOTA_GROUP, 100);
    struct gw_quota_charge c;
    char name[32];
    for (int i = 0; i <= GW_QUOTA_GROUP; i++) {
        snprintf(name, sizeof name, "%d", i);
        c = charge(q, name, 1, 1000, 1, 1);
        int rc = gw_quota_take(q, &c, 1, (uint64_t)i, START);
        assert_int_equal(rc, i < GW_QUOTA_GROUP ? 0 : ERR_OVERLOADED);
    }
    assert_int_equal(c.outcome, GW_QUOTA_CROWDED);
    assert_int_equal(gw_quota_take(q, &c, 1, 99, START + 1001), 0);
    gw_quota_free(q);
}

// ------------------------------------------------------------------------------------------------------- many threads

#define THREADS 4
#define ROUNDS 6000
#define NAMES 200 // in one group at most a sixth of them has a place: they push each other out all the time

struct crowd {
    struct gw_quota *q;
    _Atomic uint64_t admitted[NAMES];
    _Atomic int64_t now_ms;
    unsigned seed;
};

struct member {
    struct crowd *crowd;
    unsigned seed;
};

static void *press(void *arg)
{
    struct member *m = arg;
    struct crowd *c = m->crowd;
    for (int i = 0; i < ROUNDS; i++) {
        struct gw_quota_charge two[2];
        char name[2][16];
        unsigned which[2];
        // Clocks of loops differ; none is ahead of the true one.
        int64_t now = c->now_ms - (int64_t)(rand_r(&m->seed) % 3);
        for (int k = 0; k < 2; k++) {
            which[k] = (unsigned)rand_r(&m->seed) % NAMES;
            snprintf(name[k], sizeof name[k], "%u", which[k]);
            two[k] = charge(c->q, name[k], 1000, 1000, 5, 1 + (unsigned)k);
        }
        size_t n = which[0] == which[1] ? 1 : 2;
        if (gw_quota_take(c->q, two, n, (uint64_t)which[0], now) == 0)
            for (size_t k = 0; k < n; k++)
                c->admitted[which[k]] += two[k].cost;
        if (i % 16 == 0)
            c->now_ms++;
    }
    return NULL;
}

static void no_number_of_threads_gets_more_than_burst_and_time_allow(void **state)
{
    (void)state;
    for (size_t buckets = GW_QUOTA_GROUP; buckets <= 1024; buckets *= 32) {
        struct crowd c = { .q = table(buckets, 100), .now_ms = START };
        struct member members[THREADS];
        pthread_t threads[THREADS];
        for (unsigned i = 0; i < THREADS; i++) {
            members[i] = (struct member){ &c, i + 1 };
            assert_int_equal(pthread_create(&threads[i], NULL, press, &members[i]), 0);
        }
        for (unsigned i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        uint64_t most = 5 + (uint64_t)(c.now_ms - START), sum = 0;
        for (unsigned i = 0; i < NAMES; i++) {
            assert_true(c.admitted[i] <= most);
            sum += c.admitted[i];
        }
        assert_true(sum > 0);
        gw_quota_free(c.q);
    }
}

struct one {
    struct gw_quota *q;
    uint64_t admitted;
};

static void *drain(void *arg)
{
    struct one *o = arg;
    for (int i = 0; i < 20000; i++) {
        struct gw_quota_charge c = charge(o->q, "the one", 1, 86400000, 10000, 1);
        o->admitted += gw_quota_take(o->q, &c, 1, 7, START) == 0;
    }
    return NULL;
}

static void threads_share_one_budget_to_the_last_token(void **state)
{
    (void)state;
    struct gw_quota *q = table(1024, 25);
    struct one ones[THREADS] = { { q, 0 }, { q, 0 }, { q, 0 }, { q, 0 } };
    pthread_t threads[THREADS];
    uint64_t sum = 0;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, drain, &ones[i]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum += ones[i].admitted;
    }
    assert_int_equal(sum, 10000);
    gw_quota_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bucket_gives_its_burst_and_then_what_comes_back),
        cmocka_unit_test(a_refused_charge_takes_nothing),
        cmocka_unit_test(a_cost_over_the_burst_is_refused_for_ever_and_says_so),
        cmocka_unit_test(time_that_jumps_back_gives_nothing),
        cmocka_unit_test(extreme_rates_do_not_overflow),
        cmocka_unit_test(what_one_limit_refuses_costs_the_others_nothing),
        cmocka_unit_test(what_has_to_be_given_back_is_given_back),
        cmocka_unit_test(names_do_not_run_into_each_other),
        cmocka_unit_test(a_workload_cannot_use_up_the_others_buckets),
        cmocka_unit_test(places_of_full_buckets_are_used_again),
        cmocka_unit_test(a_table_without_room_refuses),
        cmocka_unit_test(no_number_of_threads_gets_more_than_burst_and_time_allow),
        cmocka_unit_test(threads_share_one_budget_to_the_last_token),
    };
    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}

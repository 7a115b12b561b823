// SPDX-License-Identifier: GPL-3.0-or-later
// Reads that are slow to be answered and go to a second endpoint as well: which do, whose answer is given, and what is left behind.
#include "tests/support/shards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define HEDGED(endpoints, more) SHARD(endpoints, ", hedge: { after: 200ms, percent: 100 }" more)
#define SOON 150
#define LATE 300

static const struct gw_pool *pool_of(struct before_shards *b)
{
    return &b->r.core.view->shards[0].origin.pool;
}

static void assert_nothing_under_way(struct before_shards *b)
{
    const struct gw_pool *p = pool_of(b);
    assert_int_equal(p->under_way, 0);
    for (size_t i = 0; i < p->n_endpoints; i++)
        assert_int_equal(p->endpoints[i]->under_way, 0);
}

static uint64_t hedged(struct before_shards *b)
{
    return b->r.metrics.value[GW_METRIC_UPSTREAM_HEDGED];
}

static uint64_t won(struct before_shards *b)
{
    return b->r.metrics.value[GW_METRIC_UPSTREAM_HEDGE_WON];
}

// A read that was hedged: its two connections are the last two.
static void ask_slow(struct before_shards *b)
{
    size_t before = b->r.n_shards;
    ask(&b->c, "GET", POINT, NULL);
    rig_sleep(&b->r, SOON);
    assert_int_equal(b->r.n_shards, before + 1);
    rig_sleep(&b->r, LATE - SOON);
    assert_int_equal(b->r.n_shards, before + 2);
    assert_int_not_equal(b->r.ports[before], b->r.ports[before + 1]);
}

static void the_second_endpoints_answer_is_given_when_it_comes_first(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    ask_slow(&b);
    assert_int_equal(pool_of(&b)->under_way, 2);
    assert_true(has(rig_shard_got(&b.r, 1), "GET " POINT " HTTP/1.1\r\n"));
    assert_true(has(rig_shard_got(&b.r, 1), b.r.ports[1] == 2 ? "host: 127.0.0.1:2\r\n" : "host: 127.0.0.1:3\r\n"));
    rig_shard_say(&b.r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    assert_true(b.r.shards[0]->near_end);
    assert_nothing_under_way(&b);
    assert_int_equal(hedged(&b), 1);
    assert_int_equal(won(&b), 1);
    assert_int_equal(b.r.metrics.value[GW_METRIC_UPSTREAM_RETRIED], 0);
    assert_true(rig_audited(&b.r, "\"hedged\":true"));
    rig_shard_say(&b.r, 0, OK_ANSWER); // nobody hears it
    rig_sleep(&b.r, 30000);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    end(&b);
}

static void the_first_endpoints_answer_is_given_when_it_comes_first(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    ask_slow(&b);
    // Half of a head decides nothing.
    rig_shard_say(&b.r, 1, "HTTP/1.1 404 Not Found\r\n");
    rig_shard_say(&b.r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    assert_int_equal(count(rig_received(&b.c), "404"), 0);
    assert_true(b.r.shards[1]->near_end);
    assert_nothing_under_way(&b);
    assert_int_equal(won(&b), 0);
    end(&b);
}

static void a_search_goes_out_whole_both_times(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    ask(&b.c, "POST", COUNT, "{\"exact\":true}");
    rig_sleep(&b.r, LATE);
    assert_int_equal(b.r.n_shards, 2);
    assert_true(has(rig_shard_got(&b.r, 0), "{\"exact\":true}"));
    assert_true(has(rig_shard_got(&b.r, 1), "{\"exact\":true}"));
    rig_shard_say(&b.r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    end(&b);
}

// Answers whose heads came in parts, from both, and connections that are kept: what is read is never mixed up.
static void the_winners_connection_serves_the_next_request(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD_POOL(TWO, "max_idle: 4", ", hedge: { after: 200ms, percent: 100 }"));
    for (size_t i = 0; i < 2; i++) {
        ask(&b.c, "GET", POINT, NULL);
        rig_sleep(&b.r, LATE);
        assert_int_equal(b.r.n_shards, 2 + i); // the second time a kept one, and a new one beside it
        size_t winner = 1 + i, loser = i == 0 ? 0 : 1;
        rig_shard_say(&b.r, loser, "HTTP/1.1 200 O");
        rig_shard_say(&b.r, winner, "HTTP/1.1 404 Not Found\r\nContent-");
        rig_shard_say(&b.r, winner, "Length: 4\r\n\r\nnone");
        assert_int_equal(count(rig_received(&b.c), "404 Not Found"), 1 + i);
        assert_true(b.r.shards[loser]->near_end);
        assert_false(b.r.shards[winner]->near_end);
    }
    ask(&b.c, "GET", POINT, NULL);
    assert_int_equal(b.r.n_shards, 3);
    rig_shard_say(&b.r, 2, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    assert_nothing_under_way(&b);
    end(&b);
}

static void rule_35_what_must_not_be_sent_twice_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *shards, *method, *path, *body;
    } cases[] = {
        { HEDGED(TWO, ""), "POST", DELETE_POINTS, "{\"points\":[1]}" },                  // changes data
        { HEDGED(ONE, ""), "GET", POINT, NULL },                                         // there is one endpoint
        { SHARD(TWO, ""), "GET", POINT, NULL },                                          // nobody asked for it
        { HEDGED(TWO, ", retries: { percent: 0, per_second: 0 }"), "GET", POINT, NULL }, // no budget
        { SHARD(TWO, ", hedge: {}"), "GET", POINT, NULL },                               // p95 of too few answers
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct before_shards b;
        begin(&b, cases[i].shards);
        ask(&b.c, cases[i].method, cases[i].path, cases[i].body);
        rig_sleep(&b.r, 10000);
        assert_int_equal(b.r.n_shards, 1);
        rig_shard_say(&b.r, 0, OK_ANSWER);
        assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
        assert_false(rig_audited(&b.r, "\"hedged\""));
        assert_nothing_under_way(&b);
        end(&b);
    }
}

static void an_endpoint_that_takes_no_requests_takes_no_second_ones(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    const struct gw_endpoint *e = b.r.core.view->snapshot->shards[0].remote.endpoints;
    struct gw_health *health = gw_health_of(b.r.shared.health, SPAN("one"), &e[1]);
    assert_true(gw_health_told(health, false, 1, 1));
    ask(&b.c, "GET", POINT, NULL);
    rig_sleep(&b.r, 10000);
    assert_int_equal(b.r.n_shards, 1);
    gw_health_unref(health);
    end(&b);
}

// A kept connection that turns out to be dead is replaced, be it by one to the same endpoint: also when a second one was thought of meanwhile.
static void a_read_that_could_not_be_hedged_may_still_go_to_its_endpoint_again(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD_POOL(TWO, "max_idle: 4", ", hedge: { after: 200ms, percent: 100 }"));
    const struct gw_endpoint *e = b.r.core.view->snapshot->shards[0].remote.endpoints;
    struct gw_health *health = gw_health_of(b.r.shared.health, SPAN("one"), &e[1]);
    assert_true(gw_health_told(health, false, 1, 1));
    ask(&b.c, "GET", POINT, NULL);
    rig_shard_say(&b.r, 0, OK_ANSWER);
    rig_shard_forget(&b.r, 0);
    ask(&b.c, "GET", POINT, NULL);
    assert_true(has(rig_shard_got(&b.r, 0), "GET "));
    rig_sleep(&b.r, LATE);
    assert_int_equal(b.r.n_shards, 1);
    rig_shard_close(&b.r, 0);
    assert_int_equal(b.r.n_shards, 2);
    rig_shard_say(&b.r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 2);
    assert_nothing_under_way(&b);
    gw_health_unref(health);
    end(&b);
}

static void no_more_than_their_percentage_are_hedged(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD(TWO, ", hedge: { after: 200ms, percent: 5 }"));
    for (size_t i = 0; i < 100; i++) {
        size_t before = b.r.n_shards;
        ask(&b.c, "GET", POINT, NULL);
        rig_sleep(&b.r, LATE);
        rig_shard_say(&b.r, before, OK_ANSWER);
    }
    assert_in_range(hedged(&b), GW_RETRY_BUDGET_MOST, GW_RETRY_BUDGET_MOST + 5);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 100);
    end(&b);
}

static void a_shard_at_its_limit_is_not_hedged(void **state)
{
    (void)state;
    static struct rig_client more[GW_CONCURRENCY_FIRST - 1];
    struct before_shards b;
    begin(&b, HEDGED(TWO, ", concurrency: adaptive"));
    ask(&b.c, "GET", POINT, NULL);
    for (size_t i = 0; i < GW_CONCURRENCY_FIRST - 1; i++) {
        rig_client_init(&more[i], &b.r, "rag");
        ask(&more[i], "GET", POINT, NULL);
    }
    rig_sleep(&b.r, LATE);
    assert_int_equal(b.r.n_shards, GW_CONCURRENCY_FIRST);
    assert_int_equal(b.r.metrics.value[GW_METRIC_UPSTREAM_SHED], 0);
    rig_shard_say(&b.r, 0, OK_ANSWER);
    rig_shard_say(&b.r, 1, OK_ANSWER);
    ask(&b.c, "GET", POINT, NULL); // one below: its hedge takes the last place
    rig_sleep(&b.r, LATE);
    assert_int_equal(b.r.n_shards, GW_CONCURRENCY_FIRST + 2);
    assert_int_equal(pool_of(&b)->under_way, GW_CONCURRENCY_FIRST);
    for (size_t i = 0; i < GW_CONCURRENCY_FIRST - 1; i++)
        rig_client_fini(&more[i]);
    rig_client_fini(&b.c);
    rig_run(&b.r);
    assert_nothing_under_way(&b);
    rig_fini(&b.r);
}

static void whichever_fails_the_other_one_answers(void **state)
{
    (void)state;
    for (size_t fails = 0; fails < 2; fails++)
        for (size_t how = 0; how < 2; how++) {
            struct before_shards b;
            begin(&b, HEDGED(TWO, ""));
            ask_slow(&b);
            if (how == 0)
                rig_shard_close(&b.r, fails);
            else
                rig_shard_say(&b.r, fails, UNAVAILABLE);
            assert_string_equal(rig_received(&b.c), "");
            assert_int_equal(pool_of(&b)->under_way, 1);
            rig_shard_say(&b.r, !fails, OK_ANSWER);
            assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
            assert_int_equal(b.r.n_shards, 2);
            assert_nothing_under_way(&b);
            end(&b);
        }
}

static void both_failing_is_the_last_ones_failure_and_once(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    ask_slow(&b);
    rig_shard_say(&b.r, 0, UNAVAILABLE);
    rig_shard_close(&b.r, 1);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 502 "), 1);
    ask_slow(&b);
    rig_sleep(&b.r, 25000);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), 1);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 "), 2);
    assert_nothing_under_way(&b);
    end(&b);
}

static void a_second_endpoint_that_takes_no_connection_changes_nothing(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    ask(&b.c, "GET", POINT, NULL);
    b.r.port_down = b.r.ports[0] == 2 ? 3 : 2;
    rig_sleep(&b.r, LATE);
    assert_int_equal(pool_of(&b)->under_way, 1);
    rig_shard_say(&b.r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    assert_nothing_under_way(&b);
    b.r.port_unreachable = b.r.port_down;
    size_t before = b.r.n_shards;
    ask(&b.c, "GET", POINT, NULL);
    rig_sleep(&b.r, LATE);
    rig_shard_say(&b.r, before, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 2);
    assert_nothing_under_way(&b);
    end(&b);
}

static void the_slower_one_is_not_blamed(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    for (size_t i = 0; i < 3 * GW_OUTLIER_FAILURES; i++) {
        ask_slow(&b);
        size_t last = b.r.n_shards - 1;
        rig_shard_say(&b.r, b.r.ports[last] == 3 ? last : last - 1, OK_ANSWER); // never the other
    }
    assert_int_equal(b.r.metrics.value[GW_METRIC_UPSTREAM_EJECTED], 0);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pool_of(&b)->endpoints[i]->outlier.failures, 0);
    end(&b);
}

static void a_client_that_leaves_takes_both_along(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, HEDGED(TWO, ""));
    ask_slow(&b);
    rig_client_fini(&b.c);
    rig_run(&b.r);
    assert_true(b.r.shards[0]->near_end && b.r.shards[1]->near_end);
    assert_nothing_under_way(&b);
    rig_fini(&b.r);
}

static void answer_after(struct before_shards *b, int64_t ms)
{
    size_t before = b->r.n_shards;
    ask(&b->c, "GET", POINT, NULL);
    rig_sleep(&b->r, ms);
    assert_int_equal(b->r.n_shards, before + 1);
    rig_shard_say(&b->r, before, OK_ANSWER);
}

// Also when hedges win all the time: what they beat counts as slow.
static void the_delay_is_what_nearly_all_answers_take(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD(TWO, ", hedge: { after: p95, percent: 100 }, retries: { percent: 100 }"));
    for (size_t i = 0; i < GW_LATENCY_LEAST; i++)
        answer_after(&b, 300);
    assert_int_equal(hedged(&b), 0);
    for (size_t i = 0; i < 3; i++) {
        size_t before = b.r.n_shards;
        ask(&b.c, "GET", POINT, NULL);
        rig_sleep(&b.r, 300);
        assert_int_equal(b.r.n_shards, before + 1);
        rig_sleep(&b.r, 150);
        assert_int_equal(b.r.n_shards, before + 2);
        rig_shard_say(&b.r, before + 1, OK_ANSWER);
    }
    assert_int_equal(won(&b), 3);
    end(&b);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_endpoints_answer_is_given_when_it_comes_first),
        cmocka_unit_test(the_first_endpoints_answer_is_given_when_it_comes_first),
        cmocka_unit_test(a_search_goes_out_whole_both_times),
        cmocka_unit_test(the_winners_connection_serves_the_next_request),
        cmocka_unit_test(rule_35_what_must_not_be_sent_twice_is_not),
        cmocka_unit_test(an_endpoint_that_takes_no_requests_takes_no_second_ones),
        cmocka_unit_test(a_read_that_could_not_be_hedged_may_still_go_to_its_endpoint_again),
        cmocka_unit_test(no_more_than_their_percentage_are_hedged),
        cmocka_unit_test(a_shard_at_its_limit_is_not_hedged),
        cmocka_unit_test(whichever_fails_the_other_one_answers),
        cmocka_unit_test(both_failing_is_the_last_ones_failure_and_once),
        cmocka_unit_test(a_second_endpoint_that_takes_no_connection_changes_nothing),
        cmocka_unit_test(the_slower_one_is_not_blamed),
        cmocka_unit_test(a_client_that_leaves_takes_both_along),
        cmocka_unit_test(the_delay_is_what_nearly_all_answers_take),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

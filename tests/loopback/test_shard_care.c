// SPDX-License-Identifier: GPL-3.0-or-later
// How shards are kept well: what goes out a second time and what does not, who is ejected and comes back, how many may be under way.
#include "tests/support/shards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static size_t last(const struct rig *r)
{
    return r->n_shards - 1;
}

static void a_read_whose_endpoint_died_goes_to_another(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_shard_close(&r, 0);
    assert_int_equal(r.n_shards, 2);
    assert_int_not_equal(r.ports[0], r.ports[1]);
    assert_int_equal(count(rig_shard_got(&r, 1), "GET "), 1);
    rig_shard_say(&r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 1);
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_RETRIED], 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_read_whose_endpoint_cannot_answer_goes_to_another_and_that_ones_word_is_final(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_shard_say(&r, 0, UNAVAILABLE);
    assert_int_equal(r.n_shards, 2);
    rig_shard_say(&r, 1, UNAVAILABLE);
    assert_int_equal(r.n_shards, 2);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    assert_int_equal(count(rig_received(&c), "busy"), 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_write_is_never_sent_again(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", DELETE_POINTS, "{\"points\":[1]}");
    rig_shard_say(&r, 0, UNAVAILABLE);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    ask(&c, "POST", DELETE_POINTS, "{\"points\":[1]}");
    rig_shard_close(&r, 1);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 1);
    assert_int_equal(r.n_shards, 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

// A search is a POST, and reads.
static void a_search_is_sent_again_whole(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{\"exact\":true}");
    rig_shard_close(&r, 0);
    assert_int_equal(r.n_shards, 2);
    assert_true(has(rig_shard_got(&r, 1), "{\"exact\":true}"));
    rig_shard_say(&r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void with_no_budget_nothing_is_sent_again(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ", retries: { percent: 0, per_second: 0 }"), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_shard_say(&r, 0, UNAVAILABLE);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    ask(&c, "GET", POINT, NULL);
    rig_shard_close(&r, 1);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 1);
    assert_int_equal(r.n_shards, 2);
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_RETRY_REFUSED], 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_shard_that_fails_everything_gets_no_storm_of_retries(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO ", \"http://127.0.0.1:4\"", ", retries: { percent: 20, per_second: 0 }"), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    for (size_t i = 0; i < 100; i++) {
        size_t before = r.n_shards;
        ask(&c, "GET", POINT, NULL);
        for (size_t k = before; k < r.n_shards; k++)
            rig_shard_say(&r, k, UNAVAILABLE);
    }
    assert_int_equal(count(rig_received(&c), "\nbusy"), 100);
    assert_in_range(r.n_shards, 100 + GW_RETRY_BUDGET_MOST, 100 + 20 + GW_RETRY_BUDGET_MOST);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void later_tries_have_the_time_that_the_first_one_left(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_sleep(&r, 15000);
    rig_shard_close(&r, 0);
    assert_int_equal(r.n_shards, 2);
    rig_sleep(&r, 4000);
    assert_string_equal(rig_received(&c), "");
    rig_sleep(&r, 2000);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 504 "), 1);
    assert_int_equal(r.n_shards, 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_client_that_leaves_takes_its_request_along(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    assert_false(r.shards[0]->near_end);
    rig_client_fini(&c);
    rig_run(&r);
    assert_true(r.shards[0]->near_end);
    assert_int_equal(r.n_shards, 1);
    rig_fini(&r);
}

// ------------------------------------------------------------------------------------------------------- outliers

// One read; the endpoint of port `sick` says `answer`, the others that all is well. Gives how many times `sick` was asked.
static size_t read_once(struct rig *r, struct rig_client *c, uint16_t sick, const char *answer)
{
    size_t before = r->n_shards, asked = 0;
    ask(c, "GET", POINT, NULL);
    for (size_t i = before; i < r->n_shards; i++) {
        asked += r->ports[i] == sick;
        if (r->ports[i] != sick)
            rig_shard_say(r, i, OK_ANSWER);
        else if (answer)
            rig_shard_say(r, i, answer);
        else
            rig_shard_close(r, i);
    }
    return asked;
}

static size_t read_often(struct rig *r, struct rig_client *c, uint16_t sick, const char *answer, size_t n)
{
    size_t asked = 0;
    while (n-- > 0)
        asked += read_once(r, c, sick, answer);
    return asked;
}

static void an_endpoint_that_fails_is_ejected_for_a_growing_time_and_no_client_sees_it(void **state)
{
    (void)state;
    static const char *const answers[] = { UNAVAILABLE, NULL };
    for (size_t i = 0; i < 2; i++) {
        struct rig r;
        struct rig_client c;
        rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
        rig_client_init(&c, &r, "rag");
        assert_int_equal(read_often(&r, &c, 3, answers[i], 30), GW_OUTLIER_FAILURES);
        assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_EJECTED], 1);
        rig_sleep(&r, GW_OUTLIER_BASE_MS - 1000);
        assert_int_equal(read_often(&r, &c, 3, answers[i], 10), 0);
        rig_sleep(&r, 1000 + GW_OUTLIER_SLOW_START_MS);
        assert_int_equal(read_often(&r, &c, 3, answers[i], 30), GW_OUTLIER_FAILURES);
        rig_sleep(&r, 2 * GW_OUTLIER_BASE_MS - 1000);
        assert_int_equal(read_often(&r, &c, 3, answers[i], 10), 0);
        assert_int_equal(count(rig_received(&c), "200 OK"), 80);
        assert_int_equal(count(rig_received(&c), "HTTP/1.1 50"), 0);
        rig_client_fini(&c);
        rig_fini(&r);
    }
}

static void one_that_recovers_gets_its_part_again(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    read_often(&r, &c, 3, UNAVAILABLE, 30);
    rig_sleep(&r, GW_OUTLIER_BASE_MS);
    assert_int_equal(read_often(&r, &c, 3, OK_ANSWER, 10), 0); // slow: as long as another is idle, that one
    rig_sleep(&r, GW_OUTLIER_SLOW_START_MS);
    assert_int_equal(read_often(&r, &c, 3, OK_ANSWER, 20), 10);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void no_more_than_half_are_ejected_and_one_alone_never(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ", retries: { percent: 0, per_second: 0 }"), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    for (size_t i = 0; i < 40; i++) {
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, last(&r), UNAVAILABLE);
    }
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_EJECTED], 1);
    assert_int_equal(r.n_shards, 40); // whoever is left is asked
    rig_client_fini(&c);
    rig_fini(&r);
    rig_init_shards(&r, SHARD("\"http://127.0.0.1:2\"", ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    for (size_t i = 0; i < 20; i++) {
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, last(&r), UNAVAILABLE);
    }
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_EJECTED], 0);
    assert_int_equal(r.n_shards, 20);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void an_error_that_a_request_may_cause_ejects_nobody(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    for (size_t i = 0; i < 40; i++) {
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, last(&r),
                      i % 2 ? "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
                            : "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n");
    }
    assert_int_equal(r.n_shards, 40);
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_EJECTED], 0);
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_RETRIED], 0);
    rig_client_fini(&c);
    rig_fini(&r);
}

// ---------------------------------------------------------------------------------------------------- concurrency

static void what_is_over_the_adaptive_limit_is_503_with_retry_after_at_once(void **state)
{
    (void)state;
    static struct rig_client c[GW_CONCURRENCY_FIRST + 1];
    struct rig r;
    rig_init_shards(&r, SHARD(TWO, ", concurrency: adaptive"), NULL, NULL);
    for (size_t i = 0; i <= GW_CONCURRENCY_FIRST; i++) {
        rig_client_init(&c[i], &r, "rag");
        ask(&c[i], "GET", POINT, NULL);
    }
    struct rig_client *late = &c[GW_CONCURRENCY_FIRST];
    assert_int_equal(r.n_shards, GW_CONCURRENCY_FIRST);
    assert_int_equal(count(rig_received(late), "HTTP/1.1 503 "), 1);
    assert_true(has(rig_received(late), "shard_busy"));
    assert_true(has(rig_received(late), "retry-after: ") || has(rig_received(late), "Retry-After: "));
    assert_int_equal(r.metrics.value[GW_METRIC_UPSTREAM_SHED], 1);
    rig_shard_say(&r, 0, OK_ANSWER); // one leaves, one may come
    ask(late, "GET", POINT, NULL);
    assert_int_equal(r.n_shards, GW_CONCURRENCY_FIRST + 1);
    rig_client_fini(&c[1]); // one whose client left leaves, too
    rig_run(&r);
    ask(&c[0], "GET", POINT, NULL);
    assert_int_equal(r.n_shards, GW_CONCURRENCY_FIRST + 2);
    for (size_t i = 0; i <= GW_CONCURRENCY_FIRST; i++)
        if (i != 1)
            rig_client_fini(&c[i]);
    rig_fini(&r);
}

static void endpoints_that_checks_found_sick_get_nothing_and_all_sick_is_503(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    const struct gw_endpoint *e;
    struct gw_health *health[2];
    rig_init_shards(&r, SHARD(TWO, ""), NULL, NULL);
    rig_client_init(&c, &r, "rag");
    for (size_t i = 0; i < 2; i++) {
        e = &r.core.view->snapshot->shards[0].remote.endpoints[i];
        health[i] = gw_health_of(r.shared.health, SPAN("one"), e);
    }
    assert_true(gw_health_told(health[1], false, 1, 1));
    assert_int_equal(read_often(&r, &c, 3, OK_ANSWER, 10), 0);
    assert_true(gw_health_told(health[0], false, 1, 1));
    size_t before = r.n_shards;
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(r.n_shards, before);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    assert_true(gw_health_told(health[1], true, 1, 1));
    assert_int_equal(read_often(&r, &c, 3, OK_ANSWER, 10), 10);
    for (size_t i = 0; i < 2; i++)
        gw_health_unref(health[i]);
    rig_client_fini(&c);
    rig_fini(&r);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_whose_endpoint_died_goes_to_another),
        cmocka_unit_test(a_read_whose_endpoint_cannot_answer_goes_to_another_and_that_ones_word_is_final),
        cmocka_unit_test(a_write_is_never_sent_again),
        cmocka_unit_test(a_search_is_sent_again_whole),
        cmocka_unit_test(with_no_budget_nothing_is_sent_again),
        cmocka_unit_test(a_shard_that_fails_everything_gets_no_storm_of_retries),
        cmocka_unit_test(later_tries_have_the_time_that_the_first_one_left),
        cmocka_unit_test(a_client_that_leaves_takes_its_request_along),
        cmocka_unit_test(an_endpoint_that_fails_is_ejected_for_a_growing_time_and_no_client_sees_it),
        cmocka_unit_test(one_that_recovers_gets_its_part_again),
        cmocka_unit_test(no_more_than_half_are_ejected_and_one_alone_never),
        cmocka_unit_test(an_error_that_a_request_may_cause_ejects_nobody),
        cmocka_unit_test(what_is_over_the_adaptive_limit_is_503_with_retry_after_at_once),
        cmocka_unit_test(endpoints_that_checks_found_sick_get_nothing_and_all_sick_is_503),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_few_answers_say_nothing(void **state)
{
    (void)state;
    struct gw_latency l = { 0 };
    for (int i = 1; i < GW_LATENCY_LEAST; i++)
        gw_latency_add(&l, 5, i);
    assert_int_equal(gw_latency_quantile(&l, 95, 100), -1);
    gw_latency_add(&l, 5, 100);
    assert_int_equal(gw_latency_quantile(&l, 95, 100), 5);
}

static void a_quantile_is_never_too_low_and_at_most_an_eighth_too_high(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms < 1000000; ms += 1 + ms / 50) {
        struct gw_latency l = { 0 };
        for (int i = 0; i < GW_LATENCY_LEAST; i++)
            gw_latency_add(&l, ms, 0);
        assert_in_range(gw_latency_quantile(&l, 95, 0), ms, ms + ms / 8);
    }
}

static void what_is_slower_than_the_last_bucket_and_what_is_negative_is_counted(void **state)
{
    (void)state;
    struct gw_latency l = { 0 };
    for (int i = 0; i < GW_LATENCY_LEAST; i++)
        gw_latency_add(&l, i % 2 ? INT64_MAX : INT64_MIN, 0);
    assert_int_equal(gw_latency_quantile(&l, 50, 0), 0);
    assert_true(gw_latency_quantile(&l, 99, 0) > 1000000);
}

static void the_quantile_is_where_it_should_be(void **state)
{
    (void)state;
    struct gw_latency l = { 0 };
    for (int i = 0; i < 1000; i++)
        gw_latency_add(&l, i % 100 < 95 ? 3 : 6, 0);
    assert_int_equal(gw_latency_quantile(&l, 95, 0), 3);
    assert_int_equal(gw_latency_quantile(&l, 96, 0), 6);
}

static void what_is_old_is_forgotten(void **state)
{
    (void)state;
    struct gw_latency l = { 0 };
    for (int i = 0; i < 1000; i++)
        gw_latency_add(&l, 7, 0);
    assert_int_equal(gw_latency_quantile(&l, 95, GW_LATENCY_TURN_MS), 7);
    for (int i = 0; i < GW_LATENCY_LEAST; i++)
        gw_latency_add(&l, 2, GW_LATENCY_TURN_MS);
    assert_int_equal(gw_latency_quantile(&l, 95, GW_LATENCY_TURN_MS), 7);
    assert_int_equal(gw_latency_quantile(&l, 95, 2 * GW_LATENCY_TURN_MS), 2);
    assert_int_equal(gw_latency_quantile(&l, 95, 4 * GW_LATENCY_TURN_MS), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_answers_say_nothing),
        cmocka_unit_test(a_quantile_is_never_too_low_and_at_most_an_eighth_too_high),
        cmocka_unit_test(what_is_slower_than_the_last_bucket_and_what_is_negative_is_counted),
        cmocka_unit_test(the_quantile_is_where_it_should_be),
        cmocka_unit_test(what_is_old_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_percentile_is_right_to_a_quarter(void **state)
{
    (void)state;
    struct gw_latency l = { { 0 }, 0 };
    for (int64_t us = 1000; us < 2000; us++)
        gw_latency_add(&l, us * 10);
    assert_in_range(gw_latency_at(&l, 50), 15000, 15000 * 5 / 4);
    assert_in_range(gw_latency_at(&l, 95), 19500, 19500 * 5 / 4);
}

static void few_answers_say_nothing(void **state)
{
    (void)state;
    struct gw_latency l = { { 0 }, 0 };
    for (int i = 1; i < GW_LATENCY_ENOUGH; i++)
        gw_latency_add(&l, 5000);
    assert_int_equal(gw_latency_at(&l, 95), 0);
    gw_latency_add(&l, 5000);
    assert_true(gw_latency_at(&l, 95) > 5000);
}

static void the_past_is_forgotten(void **state)
{
    (void)state;
    struct gw_latency l = { { 0 }, 0 };
    for (int i = 0; i < 100000; i++)
        gw_latency_add(&l, 900000);
    assert_true(gw_latency_at(&l, 95) >= 900000);
    for (int i = 0; i < 10 * GW_LATENCY_MEMORY; i++)
        gw_latency_add(&l, 1000);
    assert_true(gw_latency_at(&l, 95) < 1500);
    assert_true(l.all < GW_LATENCY_MEMORY);
}

static void every_time_has_a_place(void **state)
{
    (void)state;
    const int64_t times[] = { INT64_MIN, -1, 0, 1, 63, 64, 65, 1 << 20, (int64_t)1 << 40, INT64_MAX };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct gw_latency l = { { 0 }, 0 };
        for (int n = 0; n < GW_LATENCY_ENOUGH; n++)
            gw_latency_add(&l, times[i]);
        assert_true(gw_latency_at(&l, 95) > 0);
        if (times[i] < (int64_t)1 << 30)
            assert_true(gw_latency_at(&l, 95) > times[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_percentile_is_right_to_a_quarter),
        cmocka_unit_test(few_answers_say_nothing),
        cmocka_unit_test(the_past_is_forgotten),
        cmocka_unit_test(every_time_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

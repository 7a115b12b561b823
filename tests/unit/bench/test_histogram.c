// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct histogram h;

static void every_value_is_kept_to_within_one_percent(void **state)
{
    (void)state;
    for (int64_t v = 1; v < INT64_C(40000000000000); v += v / 37 + 1) {
        memset(&h, 0, sizeof h);
        histogram_add(&h, v);
        int64_t got = histogram_at(&h, 0.5);
        assert_in_range(got, v, v + v / 100);
    }
}

static void percentiles_are_of_what_was_added(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    for (int64_t v = 1; v <= 1000; v++)
        histogram_add(&h, v * 1000);
    assert_int_equal(h.n, 1000);
    assert_in_range(histogram_at(&h, 0.5), 500000, 506000);
    assert_in_range(histogram_at(&h, 0.99), 990000, 1000000);
    assert_in_range(histogram_at(&h, 1), 1000000, 1008000);
    assert_in_range(histogram_at(&h, 0), 1000, 1008);
}

static void the_ends_do_not_overflow(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    assert_int_equal(histogram_at(&h, 0.5), 0);
    histogram_add(&h, -5);
    histogram_add(&h, 0);
    assert_int_equal(histogram_at(&h, 1), 0);
    histogram_add(&h, INT64_MAX);
    assert_true(histogram_at(&h, 1) > INT64_MAX / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_kept_to_within_one_percent),
        cmocka_unit_test(percentiles_are_of_what_was_added),
        cmocka_unit_test(the_ends_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

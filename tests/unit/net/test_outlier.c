// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/outlier.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void eject(struct gw_outlier *o, int64_t now_ms)
{
    for (int i = 1; i < GW_OUTLIER_FAILURES; i++)
        assert_false(gw_outlier_failed(o));
    assert_true(gw_outlier_failed(o));
    gw_outlier_eject(o, now_ms);
}

static void five_failures_in_a_row_make_an_outlier(void **state)
{
    (void)state;
    struct gw_outlier o = { 0 };
    eject(&o, 1000);
    assert_true(gw_outlier_is_out(&o, 1000 + GW_OUTLIER_BASE_MS - 1));
    assert_false(gw_outlier_is_out(&o, 1000 + GW_OUTLIER_BASE_MS));
}

static void a_good_answer_between_starts_the_count_anew(void **state)
{
    (void)state;
    struct gw_outlier o = { 0 };
    for (int i = 0; i < 100; i++) {
        assert_false(gw_outlier_failed(&o));
        if (i % 4 == 3)
            gw_outlier_succeeded(&o, i);
    }
}

static void each_ejection_is_longer_up_to_a_bound(void **state)
{
    (void)state;
    struct gw_outlier o = { 0 };
    int64_t now = 1, before = 0;
    for (int i = 0; i < 100; i++) {
        eject(&o, now);
        int64_t away = o.until_ms - now;
        assert_true(away >= before);
        if (i < 10)
            assert_int_equal(away, (i + 1) * GW_OUTLIER_BASE_MS);
        before = away;
        now = o.until_ms;
    }
    assert_int_equal(before, GW_OUTLIER_LONGEST_MS);
}

static void ejections_are_forgotten_one_by_one_while_answers_are_good(void **state)
{
    (void)state;
    struct gw_outlier o = { 0 };
    eject(&o, 0);
    eject(&o, o.until_ms);
    int64_t t = o.until_ms;
    assert_int_equal(o.ejections, 2);
    for (int64_t s = 0; s <= 61; s++)
        gw_outlier_succeeded(&o, t + s * 1000);
    assert_int_equal(o.ejections, 1);
    for (int64_t s = 62; s <= 130; s++)
        gw_outlier_succeeded(&o, t + s * 1000);
    assert_int_equal(o.ejections, 0);
    assert_false(gw_outlier_is_out(&o, t + 130000));
}

static void one_that_comes_back_begins_with_a_tenth_and_grows(void **state)
{
    (void)state;
    struct gw_outlier o = { 0 };
    assert_int_equal(gw_outlier_weight(&o, 5000), GW_OUTLIER_WEIGHT);
    eject(&o, 5000);
    unsigned before = 0;
    for (int64_t t = 0; t <= GW_OUTLIER_SLOW_START_MS; t += GW_OUTLIER_SLOW_START_MS / 10) {
        unsigned w = gw_outlier_weight(&o, o.until_ms + t);
        assert_true(w > before);
        before = w;
    }
    assert_int_equal(gw_outlier_weight(&o, o.until_ms), 10);
    assert_int_equal(before, GW_OUTLIER_WEIGHT);
    gw_outlier_is_back(&o, 100000);
    assert_int_equal(gw_outlier_weight(&o, 100000), 10);
    assert_int_equal(gw_outlier_weight(&o, 99000), 10);
}

static void only_what_a_gateway_or_an_overloaded_server_says_is_a_failure(void **state)
{
    (void)state;
    for (unsigned status = 100; status < 600; status++)
        assert_int_equal(gw_outlier_is_failure(status), status == 502 || status == 503 || status == 504);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_in_a_row_make_an_outlier),
        cmocka_unit_test(a_good_answer_between_starts_the_count_anew),
        cmocka_unit_test(each_ejection_is_longer_up_to_a_bound),
        cmocka_unit_test(ejections_are_forgotten_one_by_one_while_answers_are_good),
        cmocka_unit_test(one_that_comes_back_begins_with_a_tenth_and_grows),
        cmocka_unit_test(only_what_a_gateway_or_an_overloaded_server_says_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/retry_budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// How many of `n` requests that all fail are sent again, one a millisecond.
static unsigned retried(struct gw_retry_budget *b, unsigned n, int64_t from_ms)
{
    unsigned again = 0;
    for (unsigned i = 0; i < n; i++) {
        gw_retry_budget_earn(b);
        again += gw_retry_budget_take(b, from_ms + i);
    }
    return again;
}

static void a_shard_that_fails_everything_gets_a_fifth_more_and_not_twice_its_load(void **state)
{
    (void)state;
    struct gw_retry_budget b;
    gw_retry_budget_init(&b, 20, 3, 1000);
    unsigned again = retried(&b, 10000, 1000);
    assert_in_range(again, 2000, 2000 + 30 + GW_RETRY_BUDGET_MOST);
}

static void few_requests_may_each_be_sent_again(void **state)
{
    (void)state;
    struct gw_retry_budget b;
    gw_retry_budget_init(&b, 20, 3, 0);
    for (int64_t t = 0; t < 100000; t += 400) {
        gw_retry_budget_earn(&b);
        assert_true(gw_retry_budget_take(&b, t));
    }
}

static void what_is_saved_is_bounded(void **state)
{
    (void)state;
    struct gw_retry_budget b;
    gw_retry_budget_init(&b, 20, 3, 0);
    for (int i = 0; i < 100000; i++)
        gw_retry_budget_earn(&b);
    unsigned again = 0;
    while (gw_retry_budget_take(&b, 86400000))
        again++;
    assert_int_equal(again, GW_RETRY_BUDGET_MOST);
}

static void a_budget_of_nothing_retries_nothing(void **state)
{
    (void)state;
    struct gw_retry_budget b;
    gw_retry_budget_init(&b, 0, 0, 0);
    assert_int_equal(retried(&b, 1000, 0), 0);
}

static void a_clock_that_stands_still_or_goes_back_earns_nothing(void **state)
{
    (void)state;
    struct gw_retry_budget b;
    gw_retry_budget_init(&b, 0, 3, 5000);
    for (int i = 0; i < GW_RETRY_BUDGET_MOST; i++)
        assert_true(gw_retry_budget_take(&b, 5000));
    assert_false(gw_retry_budget_take(&b, 5000));
    assert_false(gw_retry_budget_take(&b, 10));
    assert_true(gw_retry_budget_take(&b, 5400));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shard_that_fails_everything_gets_a_fifth_more_and_not_twice_its_load),
        cmocka_unit_test(few_requests_may_each_be_sent_again),
        cmocka_unit_test(what_is_saved_is_bounded),
        cmocka_unit_test(a_budget_of_nothing_retries_nothing),
        cmocka_unit_test(a_clock_that_stands_still_or_goes_back_earns_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

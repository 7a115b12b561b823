// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/concurrency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST 1000

// A shard that works on `workers` requests at once, each for `us`; what is more waits inside it. `offered` requests are always there. One step is a
// window; gives the limit after `windows`.
static unsigned settle(struct gw_concurrency *c, double workers, double us, unsigned offered, unsigned windows,
                       int64_t *t)
{
    for (unsigned w = 0; w < windows; w++) {
        unsigned under_way = (unsigned)c->limit < offered ? (unsigned)c->limit : offered;
        double takes = under_way > workers ? us * under_way / workers : us;
        for (unsigned i = 0; i < 20; i++)
            gw_concurrency_answered(c, under_way, (int64_t)takes, *t);
        *t += GW_CONCURRENCY_WINDOW_MS;
    }
    return (unsigned)c->limit;
}

static void the_limit_finds_what_the_shard_can_do(void **state)
{
    (void)state;
    for (unsigned workers = 8; workers <= 128; workers *= 2) {
        struct gw_concurrency c;
        int64_t t = 0;
        gw_concurrency_init(&c, MOST, t);
        settle(&c, workers, 2000, 1, 10, &t); // learns what an answer takes
        unsigned limit = settle(&c, workers, 2000, MOST, 3000, &t);
        assert_in_range(limit, workers, 4 * workers);
    }
}

static void a_shard_that_becomes_slow_gets_less_and_one_that_recovers_gets_more_again(void **state)
{
    (void)state;
    struct gw_concurrency c;
    int64_t t = 0;
    gw_concurrency_init(&c, MOST, t);
    settle(&c, 64, 2000, 1, 10, &t);
    unsigned well = settle(&c, 64, 2000, MOST, 200, &t);
    unsigned sick = settle(&c, 64, 40000, MOST, 40, &t);
    assert_true(sick * 4 < well);
    assert_true(sick >= GW_CONCURRENCY_LEAST);
    unsigned again = settle(&c, 64, 2000, MOST, 200, &t);
    assert_true(again * 10 >= well * 7);
}

static void one_that_grew_slower_for_good_is_not_strangled_for_ever(void **state)
{
    (void)state;
    struct gw_concurrency c;
    int64_t t = 0;
    gw_concurrency_init(&c, MOST, t);
    settle(&c, 64, 2000, 1, 10, &t);
    settle(&c, 64, 2000, MOST, 100, &t);
    settle(&c, 64, 10000, MOST, 2000, &t);
    assert_true(settle(&c, 64, 10000, MOST, 2000, &t) >= 32);
}

static void failures_halve_it_step_by_step_down_to_a_few(void **state)
{
    (void)state;
    struct gw_concurrency c;
    int64_t t = 0;
    gw_concurrency_init(&c, MOST, t);
    for (int i = 0; i < 5000; i++)
        gw_concurrency_failed(&c, (unsigned)c.limit, t += 10);
    assert_int_equal((unsigned)c.limit, GW_CONCURRENCY_LEAST);
    assert_true(gw_concurrency_allows(&c, GW_CONCURRENCY_LEAST - 1));
    assert_false(gw_concurrency_allows(&c, GW_CONCURRENCY_LEAST));
}

static void little_traffic_teaches_nothing_about_much(void **state)
{
    (void)state;
    struct gw_concurrency c;
    int64_t t = 0;
    gw_concurrency_init(&c, MOST, t);
    unsigned before = (unsigned)c.limit;
    assert_int_equal(settle(&c, 64, 2000, 3, 1000, &t), before);
}

static void it_never_passes_its_bounds(void **state)
{
    (void)state;
    struct gw_concurrency c;
    int64_t t = 0;
    gw_concurrency_init(&c, 1, t);
    assert_int_equal((unsigned)c.limit, GW_CONCURRENCY_LEAST);
    gw_concurrency_init(&c, 50, t);
    assert_in_range(settle(&c, 100000, 100, MOST, 1000, &t), 40, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_finds_what_the_shard_can_do),
        cmocka_unit_test(a_shard_that_becomes_slow_gets_less_and_one_that_recovers_gets_more_again),
        cmocka_unit_test(one_that_grew_slower_for_good_is_not_strangled_for_ever),
        cmocka_unit_test(failures_halve_it_step_by_step_down_to_a_few),
        cmocka_unit_test(little_traffic_teaches_nothing_about_much),
        cmocka_unit_test(it_never_passes_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

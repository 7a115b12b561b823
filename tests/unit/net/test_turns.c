// SPDX-License-Identifier: GPL-3.0-or-later
// Handshakes take at most half of the loop's time while others are at work, all of it when nobody is, and are bounded in what waits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/net/turns.h"

#define US 1000
#define COST (300 * US) // of one handshake's step

static int64_t time_ns;

static int64_t tell(void)
{
    return time_ns;
}

static struct gw_turns *turns;
static size_t taken;
static const void *order[64];

static void on_turn(struct gw_turn *turn, struct span in)
{
    assert_int_equal(in.n, 5);
    time_ns += COST;
    order[taken++ % 64] = turn;
}

static struct gw_turn *make(size_t n)
{
    static struct gw_turns all;
    struct gw_turn *list = calloc(n, sizeof *list);
    time_ns = 1000000 * US;
    taken = 0;
    gw_turns_init(&all, tell);
    turns = &all;
    for (size_t i = 0; i < n; i++) {
        buf_init(&list[i].in, 0);
        list[i].on_turn = on_turn;
    }
    return list;
}

static void they_go_in_order_and_all_of_them_when_nobody_else_is_at_work(void **state)
{
    (void)state;
    struct gw_turn *list = make(20);
    for (size_t i = 0; i < 20; i++)
        assert_true(gw_turns_put(turns, &list[i], SPAN("hello")));
    int rounds = 1;
    int64_t before = time_ns;
    for (; gw_turns_run(turns); rounds++)
        time_ns += 2 * US; // a look at the sockets
    assert_int_equal(taken, 20);
    assert_in_range(rounds, 2, 10); // a round stays short
    assert_in_range(time_ns - before, 20 * COST, 20 * COST + 20 * 2 * US);
    for (size_t i = 0; i < 20; i++)
        assert_ptr_equal(order[i], &list[i]);
    assert_int_equal(turns->bytes, 0);
    free(list);
}

static void a_storm_takes_no_more_than_half_of_the_time_of_others(void **state)
{
    (void)state;
    struct gw_turn *list = make(64);
    int64_t others = 0, began = time_ns;
    while (time_ns - began < 1000000 * US) {
        for (size_t i = 0; i < 64; i++)
            if (!list[i].link)
                assert_true(gw_turns_put(turns, &list[i], SPAN("hello")));
        time_ns += 80 * US; // one request of somebody whose handshake is over
        others += 80 * US;
        gw_turns_others(turns, time_ns / 1000000);
        assert_true(gw_turns_run(turns));
    }
    // And they get their half.
    assert_in_range(others * 100 / (time_ns - began), 49, 55);
    for (size_t i = 0; i < 64; i++)
        gw_turns_drop(turns, &list[i]);
    free(list);
}

static void new_connections_wait_as_handshakes_do(void **state)
{
    (void)state;
    struct gw_turn *list = make(1);
    assert_true(gw_turns_open(turns));
    gw_turns_others(turns, time_ns / 1000000);
    int64_t from = time_ns;
    time_ns += 5 * COST;
    gw_turns_spent(turns, from);
    assert_false(gw_turns_open(turns));
    time_ns += 5 * COST;
    assert_true(gw_turns_open(turns));
    free(list);
}

static void whoever_left_has_no_turn_and_what_waits_is_bounded(void **state)
{
    (void)state;
    struct gw_turn *list = make(3);
    char *much = calloc(1, GW_TURNS_BYTES);
    for (size_t i = 0; i < 3; i++)
        assert_true(gw_turns_put(turns, &list[i], SPAN("hello")));
    assert_false(gw_turns_put(turns, &list[0], span_of(much, GW_TURNS_BYTES - 14)));
    gw_turns_drop(turns, &list[1]);
    gw_turns_drop(turns, &list[1]);
    gw_turns_drop(turns, &list[2]);
    assert_int_equal(turns->bytes, 5);
    assert_true(gw_turns_put(turns, &list[2], SPAN("hello"))); // the end of the row is where it was
    while (gw_turns_run(turns))
        time_ns += US;
    assert_int_equal(taken, 2);
    assert_ptr_equal(order[0], &list[0]);
    assert_ptr_equal(order[1], &list[2]);
    free(much);
    free(list);
}

static void who_sends_much_shuts_nobody_out(void **state)
{
    (void)state;
    enum { OTHERS = 16 };
    struct gw_turn *list = make(1 + OTHERS);
    char *much = calloc(1, GW_TURNS_BYTES);
    assert_true(gw_turns_put(turns, &list[0], span_of(much, GW_TURNS_BYTES)));
    assert_false(gw_turns_put(turns, &list[0], SPAN("more")));
    for (size_t i = 1; i <= OTHERS; i++) { // a hello, and what comes behind the server's
        assert_true(gw_turns_put(turns, &list[i], span_of(much, 2000)));
        assert_true(gw_turns_put(turns, &list[i], span_of(much, 4000)));
        assert_false(gw_turns_put(turns, &list[i], span_of(much, 4000)));
    }
    for (size_t i = 0; i <= OTHERS; i++)
        gw_turns_drop(turns, &list[i]);
    assert_int_equal(turns->bytes, 0);
    free(much);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_go_in_order_and_all_of_them_when_nobody_else_is_at_work),
        cmocka_unit_test(a_storm_takes_no_more_than_half_of_the_time_of_others),
        cmocka_unit_test(new_connections_wait_as_handshakes_do),
        cmocka_unit_test(whoever_left_has_no_turn_and_what_waits_is_bounded),
        cmocka_unit_test(who_sends_much_shuts_nobody_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/health.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct gw_endpoint one = { "10.0.0.1", 6333, { "db:6333", 7 }, { "db", 2 } };

static void what_nobody_checked_counts_as_ready(void **state)
{
    (void)state;
    struct gw_health_board *b = gw_health_board_new();
    struct gw_health *h = gw_health_of(b, SPAN("a"), &one);
    assert_false(gw_health_is_sick(h));
    assert_false(gw_health_is_sick(NULL));
    gw_health_unref(h);
    gw_health_unref(NULL);
    gw_health_board_free(b);
}

static void it_turns_after_so_many_answers_in_a_row(void **state)
{
    (void)state;
    struct gw_health_board *b = gw_health_board_new();
    struct gw_health *h = gw_health_of(b, SPAN("a"), &one);
    for (int i = 0; i < 100; i++) // two bad ones are never enough
        assert_false(gw_health_told(h, i % 3 == 2, 3, 2));
    assert_false(gw_health_told(h, true, 3, 2));
    assert_false(gw_health_told(h, false, 3, 2));
    assert_false(gw_health_told(h, false, 3, 2));
    assert_true(gw_health_told(h, false, 3, 2));
    assert_true(gw_health_is_sick(h));
    assert_false(gw_health_told(h, true, 3, 2));
    assert_false(gw_health_told(h, false, 3, 2));
    assert_false(gw_health_told(h, true, 3, 2));
    assert_true(gw_health_told(h, true, 3, 2));
    assert_false(gw_health_is_sick(h));
    gw_health_unref(h);
    gw_health_board_free(b);
}

static void an_endpoint_is_the_same_for_all_and_of_one_shard_only(void **state)
{
    (void)state;
    struct gw_health_board *b = gw_health_board_new();
    struct gw_endpoint port = one, host = one, authority = one, name = one;
    port.port = 6334;
    host.host = "10.0.0.2";
    authority.authority = SPAN("db:6334");
    name.name = SPAN("d");
    struct gw_health *h = gw_health_of(b, SPAN("a"), &one), *again = gw_health_of(b, SPAN("a"), &one);
    const struct gw_endpoint *others[] = { &port, &host, &authority, &name };
    assert_ptr_equal(h, again);
    for (size_t i = 0; i < 4; i++) {
        struct gw_health *other = gw_health_of(b, SPAN("a"), others[i]);
        assert_ptr_not_equal(h, other);
        gw_health_unref(other);
    }
    struct gw_health *elsewhere = gw_health_of(b, SPAN("b"), &one);
    assert_ptr_not_equal(h, elsewhere);
    gw_health_unref(elsewhere);
    gw_health_told(h, false, 1, 1);
    gw_health_unref(h);
    assert_true(gw_health_is_sick(again)); // its state lives as long as anybody holds it …
    gw_health_unref(again);
    h = gw_health_of(b, SPAN("a"), &one);
    assert_false(gw_health_is_sick(h)); // … and not longer
    gw_health_unref(h);
    gw_health_board_free(b);
}

#define ROUNDS 20000

static void *read_and_let_go(void *board)
{
    size_t *sick = calloc(1, sizeof *sick);
    for (int i = 0; i < ROUNDS; i++) {
        struct gw_health *h = gw_health_of(board, SPAN("a"), &one);
        *sick += gw_health_is_sick(h);
        gw_health_unref(h);
    }
    return sick;
}

// For ThreadSanitizer, mostly.
static void loops_read_while_the_judge_turns_it(void **state)
{
    (void)state;
    struct gw_health_board *b = gw_health_board_new();
    struct gw_health *h = gw_health_of(b, SPAN("a"), &one);
    pthread_t loops[3];
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&loops[i], NULL, read_and_let_go, b), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_true(gw_health_told(h, i % 2 == 1, 1, 1));
    for (size_t i = 0; i < 3; i++) {
        void *sick;
        pthread_join(loops[i], &sick);
        assert_true(*(size_t *)sick <= ROUNDS);
        free(sick);
    }
    assert_int_equal(h->refs, 1);
    gw_health_unref(h);
    gw_health_board_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nobody_checked_counts_as_ready),
        cmocka_unit_test(it_turns_after_so_many_answers_in_a_row),
        cmocka_unit_test(an_endpoint_is_the_same_for_all_and_of_one_shard_only),
        cmocka_unit_test(loops_read_while_the_judge_turns_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

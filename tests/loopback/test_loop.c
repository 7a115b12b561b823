// SPDX-License-Identifier: GPL-3.0-or-later
// An event loop as its own thread, and the control thread that hands it new generations.
#include "gateway/net/loop.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void hand_over(struct rig *r, struct gw_loop *l, bool snapshot)
{
    struct gw_generation *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->snapshot = snapshot ? gw_snapshot_ref(r->core.view->snapshot) : NULL;
    g->revocations = gw_revocations_ref(r->core.revocations);
    gw_loop_adopt(l, g);
}

static void loop_start(struct rig *r, struct gw_loop *l)
{
    assert_int_equal(gw_loop_init(l, &r->shared, 0, 1, NULL, 0, gw_snapshot_ref(r->core.view->snapshot),
                                  gw_revocations_ref(r->core.revocations)),
                     0);
}

// The loop takes a generation whenever it likes, also in the middle of the next one being handed over.
static void generations_in_a_burst_are_each_somebodys(void **state)
{
    (void)state;
    struct rig r;
    struct gw_loop *l = calloc(1, sizeof *l);
    assert_non_null(l);
    rig_init(&r, NULL, NULL);
    loop_start(&r, l);
    assert_int_equal(gw_loop_start(l), 0);
    for (int i = 0; i < 20000; i++)
        hand_over(&r, l, i % 2 == 0);
    gw_loop_stop(l);
    gw_loop_fini(l);
    free(l);
    rig_fini(&r);
}

static void revocations_do_not_push_out_a_configuration(void **state)
{
    (void)state;
    struct rig r;
    struct gw_loop *l = calloc(1, sizeof *l);
    assert_non_null(l);
    rig_init(&r, NULL, NULL);
    loop_start(&r, l);
    hand_over(&r, l, true); // nobody runs yet: both wait
    hand_over(&r, l, false);
    hand_over(&r, l, false);
    struct gw_generation *g = atomic_load(&l->next);
    assert_non_null(g);
    assert_ptr_equal(g->snapshot, r.core.view->snapshot);
    assert_ptr_equal(g->revocations, r.core.revocations);
    assert_int_equal(gw_loop_start(l), 0);
    gw_loop_stop(l);
    gw_loop_fini(l);
    free(l);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generations_in_a_burst_are_each_somebodys),
        cmocka_unit_test(revocations_do_not_push_out_a_configuration),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "pki/nonce_demand.h"

#define A SPAN("spiffe://example.org/a")
#define B SPAN("spiffe://example.org/b")
#define T INT64_C(1000000)

static void rule_10_a_demand_is_of_one_workload_and_ends(void **state)
{
    (void)state;
    struct pki_nonce_demands *d = pki_nonce_demands_new();
    assert_non_null(d);
    assert_false(pki_nonce_demanded(d, A, 0));
    assert_false(pki_nonce_demanded(d, A, T));
    pki_nonce_demand(d, A, T + 600);
    assert_true(pki_nonce_demanded(d, A, T));
    assert_true(pki_nonce_demanded(d, A, T + 599));
    assert_false(pki_nonce_demanded(d, A, T + 600));
    pki_nonce_demands_free(d);
}

static void rule_10_a_demand_is_never_shortened(void **state)
{
    (void)state;
    struct pki_nonce_demands *d = pki_nonce_demands_new();
    pki_nonce_demand(d, A, T + 600);
    pki_nonce_demand(d, A, T + 100);
    assert_true(pki_nonce_demanded(d, A, T + 599));
    pki_nonce_demand(d, A, T + 900);
    assert_true(pki_nonce_demanded(d, A, T + 899));
    pki_nonce_demands_free(d);
}

// The key is drawn anew, so two names share a slot by accident only, and never the same two in every process.
static void others_are_left_alone(void **state)
{
    (void)state;
    unsigned met = 0;
    for (int i = 0; i < 8; i++) {
        struct pki_nonce_demands *d = pki_nonce_demands_new();
        pki_nonce_demand(d, A, T + 600);
        met += pki_nonce_demanded(d, B, T);
        pki_nonce_demands_free(d);
    }
    assert_true(met < 4);
}

static void more_workloads_than_slots_are_all_demanded_of(void **state)
{
    (void)state;
    struct pki_nonce_demands *d = pki_nonce_demands_new();
    char name[64];
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 20000; i++) {
            struct span s = span_of(name, (size_t)snprintf(name, sizeof name, "spiffe://example.org/w/%d", i));
            if (pass == 0)
                pki_nonce_demand(d, s, T + 1 + i % 7);
            else
                assert_true(pki_nonce_demanded(d, s, T + i % 7));
        }
    pki_nonce_demands_free(d);
}

struct racer {
    struct pki_nonce_demands *d;
    int64_t first;
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int64_t i = 0; i < 20000; i++)
        pki_nonce_demand(r->d, A, T + r->first + 2 * i);
    return NULL;
}

static void the_longest_demand_of_two_loops_wins(void **state)
{
    (void)state;
    struct pki_nonce_demands *d = pki_nonce_demands_new();
    struct racer racers[2] = { { d, 0 }, { d, 1 } };
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_true(pki_nonce_demanded(d, A, T + 39998));
    assert_false(pki_nonce_demanded(d, A, T + 39999));
    pki_nonce_demands_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_10_a_demand_is_of_one_workload_and_ends),
        cmocka_unit_test(rule_10_a_demand_is_never_shortened),
        cmocka_unit_test(others_are_left_alone),
        cmocka_unit_test(more_workloads_than_slots_are_all_demanded_of),
        cmocka_unit_test(the_longest_demand_of_two_loops_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

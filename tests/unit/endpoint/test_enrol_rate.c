// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/enrol_rate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct gw_enrol_rate rate;

static int setup(void **state)
{
    (void)state;
    gw_enrol_rate_init(&rate);
    return 0;
}

static void an_address_has_so_many_attempts_whatever_its_port(void **state)
{
    char remote[64];
    (void)state;
    for (int i = 0; i < 10; i++) {
        snprintf(remote, sizeof remote, "192.0.2.1:%d", 1000 + i);
        assert_true(gw_enrol_rate_take(&rate, span_str(remote), 10, 5000));
    }
    assert_false(gw_enrol_rate_take(&rate, SPAN("192.0.2.1:9"), 10, 5000));
    assert_true(gw_enrol_rate_take(&rate, SPAN("192.0.2.2:9"), 10, 5000));
    assert_true(gw_enrol_rate_take(&rate, SPAN("192.0.2.1:9"), 10, 11000)); // one came back
    assert_false(gw_enrol_rate_take(&rate, SPAN("192.0.2.1:9"), 10, 11000));
}

// How many of `n` attempts from addresses with a number of their own between `before` and `after` were let through.
static int from_many(const char *before, const char *after, int n)
{
    char remote[80];
    int taken = 0;
    for (int i = 0; i < n; i++) {
        snprintf(remote, sizeof remote, "%s%d%s", before, i, after);
        taken += gw_enrol_rate_take(&rate, span_str(remote), 10, 5000);
    }
    return taken;
}

static void addresses_of_one_ipv6_network_do_not_make_attempts(void **state)
{
    (void)state;
    assert_int_equal(10 * GW_ENROL_RATE_NETWORK, from_many("[2001:db8:1:2::", "]:443", 1000));
    assert_int_equal(200, from_many("[2001:db8:2:", "::1]:443", 200)); // other networks
    assert_false(gw_enrol_rate_take(&rate, SPAN("[2001:db8:1:2:ffff::1]:443"), 10, 5000));
}

static void ipv4_inside_ipv6_is_no_network(void **state)
{
    (void)state;
    assert_int_equal(200, from_many("[::ffff:198.51.100.", "]:443", 200));
    assert_int_equal(9, from_many("[::ffff:198.51.100.7]:", "", 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_address_has_so_many_attempts_whatever_its_port, setup),
        cmocka_unit_test_setup(addresses_of_one_ipv6_network_do_not_make_attempts, setup),
        cmocka_unit_test_setup(ipv4_inside_ipv6_is_no_network, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

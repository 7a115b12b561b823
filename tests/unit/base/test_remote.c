// SPDX-License-Identifier: GPL-3.0-or-later
// Networks that a configuration names hold the addresses of connections that are in them, and no others.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/base/remote.h"

static bool in(const char *remote, const char *network)
{
    return remote_in(remote_host(span_str(remote)), span_str(network));
}

static void addresses_are_in_their_networks_alone(void **state)
{
    (void)state;
    assert_true(in("127.0.0.1:4711", "127.0.0.0/8"));
    assert_true(in("127.255.0.9:4711", "127.0.0.0/8"));
    assert_false(in("128.0.0.1:4711", "127.0.0.0/8"));
    assert_true(in("10.1.2.3:1", "10.1.2.3"));
    assert_false(in("10.1.2.4:1", "10.1.2.3"));
    assert_true(in("10.1.3.255:1", "10.1.2.0/23"));
    assert_false(in("10.1.4.0:1", "10.1.2.0/23"));
    assert_true(in("192.0.2.1:1", "0.0.0.0/0"));
    assert_false(in("[2001:db8::1]:1", "0.0.0.0/0"));
    assert_true(in("[2001:db8::1]:1", "::/0"));
    assert_true(in("[::1]:1", "::1"));
    assert_false(in("[::2]:1", "::1"));
    assert_true(in("[2001:db8:ffff::1]:1", "2001:db8::/32"));
    assert_false(in("[2001:db9::1]:1", "2001:db8::/32"));
    // A socket of both families says so of an IPv4 address.
    assert_true(in("[::ffff:10.1.2.3]:1", "10.0.0.0/8"));
}

static void nobody_is_where_nothing_is_known_of_him(void **state)
{
    (void)state;
    assert_false(in("", "0.0.0.0/0"));
    assert_false(in(":1", "::/0"));
    assert_false(in("[]:1", "::/0"));
    assert_false(in("unix", "::/0"));
}

static void what_is_no_network_is_not_taken_for_one(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",       "/",         "10.0.0.0/",    "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8",
        "::/129", "localhost", "10.0.0.0/8/8", "[::1]",       "1.2.3.4:5",   " 10.0.0.1"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(remote_network_parses(span_str(bad[i])));
    assert_true(remote_network_parses(SPAN("10.0.0.0/0")) && remote_network_parses(SPAN("2001:db8::/128")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_in_their_networks_alone),
        cmocka_unit_test(nobody_is_where_nothing_is_known_of_him),
        cmocka_unit_test(what_is_no_network_is_not_taken_for_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

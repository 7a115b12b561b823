// SPDX-License-Identifier: GPL-3.0-or-later
// Who fails too often is turned away for a while, and nobody else is.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/stages/failures.h"

#define START 1000000
static const struct gw_config_failure bound = { .count = 10, .period = 1000, .burst = 5 };
static const uint64_t key[2] = { 1, 2 };
#define BAD SPAN("spiffe://example.org/bad")
#define GOOD SPAN("spiffe://example.org/good")

static void a_workload_that_fails_is_turned_away_until_time_went_by(void **state)
{
    (void)state;
    struct gw_failures *f = gw_failures_new(key);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(gw_failures_workload(f, &bound, BAD, START), 0);
        gw_failures_add_workload(f, &bound, BAD, START);
    }
    assert_int_equal(gw_failures_workload(f, &bound, BAD, START), 100);
    for (int i = 0; i < 100; i++) // what is not looked at any more does not make it longer
        gw_failures_add_workload(f, &bound, BAD, START);
    assert_int_equal(gw_failures_workload(f, &bound, BAD, START), 100);
    assert_int_equal(gw_failures_workload(f, &bound, BAD, START + 100), 0);
    assert_int_equal(gw_failures_workload(f, &bound, GOOD, START), 0);
    gw_failures_free(f);
}

static void an_address_is_known_without_its_port_and_an_ipv6_one_by_its_network(void **state)
{
    (void)state;
    struct gw_failures *f = gw_failures_new(key);
    for (int i = 0; i < 5; i++) {
        char remote[64];
        snprintf(remote, sizeof remote, "192.0.2.1:%d", 4000 + i);
        gw_failures_add_source(f, &bound, span_str(remote), START);
        snprintf(remote, sizeof remote, "[2001:db8:0:1::%d]:4711", i);
        gw_failures_add_source(f, &bound, span_str(remote), START);
    }
    assert_int_not_equal(gw_failures_source(f, &bound, SPAN("192.0.2.1:1"), START), 0);
    assert_int_equal(gw_failures_source(f, &bound, SPAN("192.0.2.2:1"), START), 0);
    assert_int_not_equal(gw_failures_source(f, &bound, SPAN("[2001:db8:0:1:ffff::1]:1"), START), 0);
    assert_int_equal(gw_failures_source(f, &bound, SPAN("[2001:db8:0:2::1]:1"), START), 0);
    // An address is no workload of the same name.
    assert_int_equal(gw_failures_workload(f, &bound, SPAN("192.0.2.1"), START), 0);
    gw_failures_free(f);
}

// Many who fail fill the table, which cannot grow; whoever is not in it is heard.
static void a_full_table_locks_nobody_out(void **state)
{
    (void)state;
    struct gw_failures *f = gw_failures_new(key);
    for (int i = 0; i < 200000; i++) {
        char name[64];
        snprintf(name, sizeof name, "spiffe://example.org/bad/%d", i);
        gw_failures_add_workload(f, &bound, span_str(name), START);
    }
    assert_int_equal(gw_failures_workload(f, &bound, GOOD, START), 0);
    for (int i = 0; i < 5; i++)
        gw_failures_add_workload(f, &bound, BAD, START + 100000); // all others are over
    assert_int_not_equal(gw_failures_workload(f, &bound, BAD, START + 100000), 0);
    gw_failures_free(f);
}

static void only_credentials_that_were_sent_and_did_not_hold_count(void **state)
{
    (void)state;
    static const int failures[] = { ERR_TOKEN_SIGNATURE, ERR_TOKEN_MALFORMED, ERR_TOKEN_REVOKED, ERR_TOKEN_WORKLOAD,
                                    ERR_PROOF_SIGNATURE, ERR_PROOF_REPLAYED,  ERR_PROOF_ATH,     ERR_PROOF_JKT,
                                    ERR_TOKEN_AUDIENCE,  ERR_CNF_CERTIFICATE, ERR_APIKEY_UNKNOWN };
    static const int others[] = { 0,
                                  ERR_TOKEN_MISSING,
                                  ERR_PROOF_MISSING,
                                  ERR_PROOF_NONCE,
                                  ERR_PROOF_BEFORE_START,
                                  ERR_SCOPE,
                                  ERR_POLICY_NO_PERMIT,
                                  ERR_RATE,
                                  ERR_REPLAY_FULL,
                                  ERR_KEYS_STALE,
                                  ERR_INTROSPECTION,
                                  ERR_SHARD_DOWN,
                                  ERR_HTTP_MALFORMED,
                                  ERR_FAILING };
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        assert_true(gw_failures_counts(failures[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(gw_failures_counts(others[i]));
}

// A fleet whose tokens ran out at once, whose clocks are off or whose issuer has a new key is not locked out for it.
static void what_a_whole_fleet_may_send_in_good_faith_does_not_count(void **state)
{
    (void)state;
    static const int others[] = { ERR_TOKEN_EXPIRED, ERR_TOKEN_NOT_YET, ERR_TOKEN_KEY,
                                  ERR_TOKEN_ISSUER,  ERR_PROOF_IAT,     ERR_PROOF_NONCE_INVENTED };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(gw_failures_counts(others[i]));
}

static void what_the_gateway_cannot_do_is_nobody_elses_failure(void **state)
{
    (void)state;
    for (int e = -1; e >= -ERR_INDEX_COUNT; e--)
        assert_false(gw_failures_counts(e) && err_info(e)->status >= 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_workload_that_fails_is_turned_away_until_time_went_by),
        cmocka_unit_test(an_address_is_known_without_its_port_and_an_ipv6_one_by_its_network),
        cmocka_unit_test(a_full_table_locks_nobody_out),
        cmocka_unit_test(only_credentials_that_were_sent_and_did_not_hold_count),
        cmocka_unit_test(what_a_whole_fleet_may_send_in_good_faith_does_not_count),
        cmocka_unit_test(what_the_gateway_cannot_do_is_nobody_elses_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

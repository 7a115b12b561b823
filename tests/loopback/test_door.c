// SPDX-License-Identifier: GPL-3.0-or-later
// Who is turned away for failures, and who must not be: whoever shares an address, or waits for us.
#include "gateway/net/door.h"
#include "gateway/stages/failures.h"
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE "rate: 1/day, burst: 1"
#define LIMITS(more) "limits: { failures: { requests: { " ONE " }, handshakes: { " ONE " }" more " } }\n"
#define FROM "192.0.2.7:4711" // rig.c

static int64_t no_time(void)
{
    return 0;
}

static void a_handshake_that_waits_too_long_for_its_turn_is_not_its_senders_failure(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    struct gw_turns turns;
    rig_init(&r, LIMITS(""), "");
    gw_turns_init(&turns, no_time);
    r.core.turns = &turns;
    rig_client_init(&c, &r, "rag");
    assert_non_null(turns.first);
    rig_sleep(&r, 60000);
    assert_null(turns.first);
    assert_int_equal(turns.bytes, 0);
    assert_true(rig_audited(&r, "waited too long for its turn"));
    assert_true(gw_door_open(&r.core, FROM));
    rig_client_fini(&c);
    r.core.turns = NULL;
    rig_fini(&r);
}

static void an_address_that_many_share_is_not_shut_out_for_one_of_them(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, LIMITS(", shared_addresses: [192.0.2.0/24, '2001:db8::/32']"), "");
    static const char *const shared[] = { "192.0.2.7:1", "[2001:db8:1::1]:1" }, *const alone[] = { "198.51.100.1:1",
                                                                                                   "[2001:db9::1]:1" };
    for (size_t i = 0; i < 2; i++) {
        for (int n = 0; n < 10; n++) {
            gw_door_failed(&r.core, shared[i], ERR_TLS);
            gw_door_failed(&r.core, alone[i], ERR_TLS);
        }
        assert_true(gw_door_open(&r.core, shared[i]));
        assert_false(gw_door_open(&r.core, alone[i]));
    }
    rig_fini(&r);
}

static void what_the_gateway_cannot_tell_is_held_against_no_address(void **state)
{
    (void)state;
    static const int ours[] = { ERR_NOMEM, ERR_INTERNAL, ERR_CRL_STALE, ERR_REVOCATIONS_STALE, ERR_OVERLOADED };
    struct rig r;
    rig_init(&r, LIMITS(""), "");
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        gw_door_failed(&r.core, FROM, ours[i]);
    assert_true(gw_door_open(&r.core, FROM));
    gw_door_failed(&r.core, FROM, ERR_CERT_EXPIRED);
    assert_false(gw_door_open(&r.core, FROM));
    rig_fini(&r);
}

static void everybody_who_is_turned_away_is_in_a_record(void **state)
{
    (void)state;
    struct rig r;
    rig_init(&r, LIMITS(""), "");
    gw_door_failed(&r.core, FROM, ERR_TLS);
    for (int i = 0; i < 8; i++)
        assert_false(gw_door_open(&r.core, FROM));
    assert_true(rig_audited(&r, "1 connections of such addresses"));
    rig_sleep(&r, 1000);
    gw_door_tell(&r.core, false);
    gw_door_tell(&r.core, false);
    assert_true(rig_audited(&r, "7 connections of such addresses"));
    assert_false(gw_door_open(&r.core, FROM));
    gw_door_tell(&r.core, true); // the process ends
    assert_int_equal(rig_audit_lines(&r, "1 connections of such addresses"), 2);
    rig_fini(&r);
}

// A request of a workload that failed already, once: its connection is not read from for a while.
static void pause_it(struct rig *r, struct rig_client *c)
{
    rig_init(r, LIMITS(""), "");
    gw_failures_add_workload(r->shared.failures, &r->core.view->snapshot->config->limits.failures.requests,
                             SPAN(RIG_RAG), r->core.now.mono_ms);
    rig_client_init(c, r, "rag");
    char *request = rig_request(r, "GET", "/collections/docs", NULL);
    rig_send(c, request);
    rig_run(r);
    assert_non_null(strstr(rig_received(c), "429 "));
    assert_non_null(strstr(rig_received(c), "too_many_failures"));
    rig_send(c, request); // waits, though it came
    rig_run(r);
    free(request);
    assert_null(strstr(strstr(rig_received(c), "429 ") + 1, "429 "));
}

static void who_is_told_to_wait_is_heard_again_behind_it(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    pause_it(&r, &c);
    rig_sleep(&r, 1500);
    assert_non_null(strstr(strstr(rig_received(&c), "429 ") + 1, "429 "));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void who_waits_may_be_cut_off_or_drained(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    pause_it(&r, &c);
    gw_client_cut(r.core.clients);
    rig_run(&r);
    rig_sleep(&r, 3000);
    assert_null(r.core.clients);
    rig_client_fini(&c);
    rig_fini(&r);
    pause_it(&r, &c);
    r.core.draining = true;
    gw_client_drain(r.core.clients);
    rig_sleep(&r, 10000);
    assert_null(r.core.clients);
    assert_non_null(strstr(strstr(rig_received(&c), "429 ") + 1, "429 "));
    rig_client_fini(&c);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_handshake_that_waits_too_long_for_its_turn_is_not_its_senders_failure),
        cmocka_unit_test(an_address_that_many_share_is_not_shut_out_for_one_of_them),
        cmocka_unit_test(what_the_gateway_cannot_tell_is_held_against_no_address),
        cmocka_unit_test(everybody_who_is_turned_away_is_in_a_record),
        cmocka_unit_test(who_is_told_to_wait_is_heard_again_behind_it),
        cmocka_unit_test(who_waits_may_be_cut_off_or_drained),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

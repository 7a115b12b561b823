// SPDX-License-Identifier: GPL-3.0-or-later
// Clients that are slow, greedy or gone, and what may have changed while the gateway waited.
#include "tests/support/exchange.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <cmocka.h>

#define UUID "/api/v2/tenants/acme/databases/main/collections/0f8fad5b-d9cb-469f-a165-70867728950e/count"

static const char chroma[] = "shards:\n"
                             "  - { name: a, api: chroma, endpoints: [\"http://127.0.0.1:2\"] }\n"
                             "routes:\n"
                             "  - { shard: a }\n";

static void ask_the_last(struct rig_client *c, const char *path)
{
    char request[8192];
    char *token = rig_token(c->rig, RIG_RAG, NULL), *credentials = rig_credentials(c->rig, token, "GET", path);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\nConnection: close\r\n%s\r\n", path,
             credentials);
    rig_send(c, request);
    free(token);
    free(credentials);
    rig_run(c->rig);
}

static void a_slow_reader_gets_the_last_answer_whole(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask_the_last(&c, POINT);
    c.pipe->window = 10;
    rig_shard_say(&r, 0, OK_ANSWER);
    rig_sleep(&r, 5000);
    c.pipe->window = 0;
    rig_run(&r);
    assert_true(has(rig_received(&c), "{\"status\":\"ok\"}"));
    assert_true(c.closed);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void who_reads_nothing_of_the_last_answer_is_not_waited_for_long(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask_the_last(&c, POINT);
    c.pipe->window = 10;
    rig_shard_say(&r, 0, OK_ANSWER);
    rig_sleep(&r, 80000);
    assert_int_equal(r.core.n_clients, 0);
    rig_client_fini(&c);
    rig_fini(&r);
}

// Checklist 30: a body may take a minute to come; what was revoked meanwhile counts.
static void rule_30_what_is_revoked_while_the_body_comes_is_refused(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    char *request = rig_request(&r, "POST", COUNT, "{\"exact\":true}");
    size_t n = strlen(request);
    rig_send_span(&c, span_of(request, n - 3));
    rig_run(&r);
    rig_revoke(&r, "rag");
    rig_send_span(&c, span_of(request + n - 3, 3));
    rig_run(&r);
    assert_true(has(rig_received(&c), "403 Forbidden"));
    assert_true(has(rig_received(&c), "certificate_revoked"));
    assert_int_equal(r.n_shards, 0);
    free(request);
    rig_client_fini(&c);
    rig_fini(&r);
}

// The design's promise to a security team: the stream that is already running stops too.
static void rule_30_a_revocation_ends_the_answer_that_is_under_way(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c, other;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    rig_client_init(&other, &r, "thief");
    ask(&c, "GET", POINT, NULL);
    rig_shard_say(&r, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    rig_revoke(&r, "thief"); // somebody else
    rig_run(&r);
    assert_false(c.cut);
    rig_revoke(&r, "rag");
    rig_run(&r);
    assert_true(c.cut);
    assert_int_equal(rig_audit_lines(&r, "CERT_REVOKED"), 1);
    rig_client_fini(&c);
    rig_client_fini(&other);
    rig_fini(&r);
}

static void a_token_that_expires_while_a_listing_runs_is_refused(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, chroma, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", UUID, NULL);
    assert_true(has(rig_shard_got(&r, 0), "/collections?"));
    r.core.now.wall_ms += 600000; // the token lives 300 seconds
    rig_shard_say(&r, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]");
    assert_true(has(rig_received(&c), "401 Unauthorized"));
    assert_true(has(rig_received(&c), "token_expired"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void pipelining_buys_a_waiting_request_no_time(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, chroma, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", UUID, NULL);
    for (int i = 0; i < 9; i++) {
        rig_sleep(&r, 2000);
        rig_send(&c, "G");
        rig_run(&r);
    }
    assert_true(has(rig_received(&c), "504 Gateway Timeout"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void who_pipelines_and_never_reads_is_bounded_and_cut(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    c.pipe->window = 1000;
    for (int i = 0; i < 20000; i++)
        rig_send(&c, "GET /nothing HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\n\r\n");
    rig_run(&r);
    const struct gw_client *inside = r.core.clients;
    assert_true(buf_len(&inside->held) < (192u << 10));
    assert_true(buf_len(&inside->conn.out) < (128u << 10));
    assert_true(buf_len(&c.pipe->from_gateway) < (1u << 20));
    assert_true(buf_len(&c.pipe->to_gateway) > 0);
    rig_sleep(&r, 80000);
    assert_int_equal(r.core.n_clients, 0);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_disk_that_hangs_holds_no_request_for_ever(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client change, look;
    rig_init(&r, NULL, "sync: request");
    rig_client_init(&change, &r, "rag");
    rig_client_init(&look, &r, "rag");
    r.disk_hangs = true;
    ask(&look, "GET", POINT, NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    ask(&change, "PUT", POINTS, "{\"points\":[]}");
    rig_shard_forget(&r, 0);
    rig_sleep(&r, 60000);
    assert_true(look.cut && change.cut);
    assert_int_equal(buf_len(&look.received), 0);
    assert_string_equal(rig_shard_got(&r, 0), "");
    r.disk_hangs = false;
    assert_int_equal(rig_audit_lines(&r, "\"kind\":\"request\""), 2);
    assert_true(rig_audited(&r, "AUDIT_FULL"));
    rig_client_fini(&change);
    rig_client_fini(&look);
    rig_fini(&r);
}

// on_full: drop means that service goes on, also for those who wait for their record.
static void dropping_records_cuts_nobody_off(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, "sync: request, on_full: drop");
    rig_client_init(&c, &r, "rag");
    struct rlimit before, none = { 0, 0 };
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    for (int i = 0; i < 5; i++) {
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, 0, OK_ANSWER);
        ask(&c, "PUT", POINTS, "{\"points\":[]}");
        rig_shard_say(&r, 0, OK_ANSWER);
    }
    setrlimit(RLIMIT_FSIZE, &before);
    assert_false(c.cut);
    assert_int_equal(count(rig_received(&c), "200 OK"), 10);
    // Nobody waits for the writer, who counts what he gives up when he is done with it.
    for (int i = 0; i < 5000 && gw_audit_dropped(r.shared.audit) == 0; i++)
        usleep(1000);
    assert_true(gw_audit_dropped(r.shared.audit) > 0);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_handshake_that_is_reset_leaves_a_record(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_begin(&c, &r, "rag");
    buf_append(&c.pipe->to_gateway, SPAN("\x16\x03\x01\x02\x00\x01")); // the start of a ClientHello
    c.pipe->window = 1;                                                // and no more of it
    rig_run(&r);
    c.pipe->reset = true;
    rig_run(&r);
    assert_int_equal(rig_audit_lines(&r, "\"kind\":\"handshake\""), 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

// What there is no memory for here is not held against the shard.
static void an_answer_that_finds_no_memory_is_cut_and_is_not_the_shards_fault(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{}");
    rig_shard_say(&r, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n");
    r.core.clients->conn.out.limit = 1000;
    char piece[2001];
    memset(piece, ' ', 2000);
    piece[2000] = '\0';
    rig_shard_say(&r, 0, piece);
    assert_true(c.cut || c.closed);
    assert_true(rig_audited(&r, "NOMEM"));
    assert_false(rig_audited(&r, "SHARD_ANSWER"));
    rig_client_fini(&c);
    rig_fini(&r);
}

// No time passes: a turn comes when it is given.
static int64_t still(void)
{
    return 0;
}

// What waits is kept, and there is room for so much: who sends on and on in its handshake must not take the others'.
static void a_handshake_that_waits_for_its_turn_is_not_read_from(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client greedy, good;
    struct gw_turns turns;
    static char rubbish[1 << 20];
    gw_turns_init(&turns, still);
    rig_init(&r, NULL, NULL);
    r.core.turns = &turns;
    rig_client_begin(&greedy, &r, "rag");
    rig_run(&r);
    size_t hello = turns.bytes;
    assert_true(hello > 0);
    buf_append(&greedy.pipe->to_gateway, span_of(rubbish, sizeof rubbish));
    rig_run(&r);
    assert_int_equal(turns.bytes, hello);
    rig_client_begin(&good, &r, "rag");
    for (int i = 0; i < 8; i++) {
        rig_run(&r);
        gw_turns_run(&turns);
    }
    rig_run(&r);
    // Its refusal reaches the one, and is not lost to what nobody read of it; the other is served.
    assert_int_equal(buf_len(&greedy.pipe->to_gateway), 0);
    assert_int_equal(turns.bytes, 0);
    ask(&good, "GET", POINT, NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&good), "HTTP/1.1 200 OK\r\n"));
    rig_client_fini(&greedy);
    rig_client_fini(&good);
    rig_fini(&r);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_reader_gets_the_last_answer_whole),
        cmocka_unit_test(who_reads_nothing_of_the_last_answer_is_not_waited_for_long),
        cmocka_unit_test(rule_30_what_is_revoked_while_the_body_comes_is_refused),
        cmocka_unit_test(rule_30_a_revocation_ends_the_answer_that_is_under_way),
        cmocka_unit_test(a_token_that_expires_while_a_listing_runs_is_refused),
        cmocka_unit_test(pipelining_buys_a_waiting_request_no_time),
        cmocka_unit_test(who_pipelines_and_never_reads_is_bounded_and_cut),
        cmocka_unit_test(a_disk_that_hangs_holds_no_request_for_ever),
        cmocka_unit_test(dropping_records_cuts_nobody_off),
        cmocka_unit_test(a_handshake_that_is_reset_leaves_a_record),
        cmocka_unit_test(an_answer_that_finds_no_memory_is_cut_and_is_not_the_shards_fault),
        cmocka_unit_test(a_handshake_that_waits_for_its_turn_is_not_read_from),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Shards that misbehave, and the connections to them: what was said too early or too much is nobody's answer, and nothing of
// one exchange outlives it.
#include "tests/support/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define EVIL_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\nevil"
#define UUID "/api/v2/tenants/acme/databases/main/collections/0f8fad5b-d9cb-469f-a165-70867728950e/count"

static const char tls_shard[] =
    "shards:\n"
    "  - name: one\n"
    "    api: qdrant\n"
    "    endpoints: [\"https://127.0.0.1:2\"]\n"
    "    tls: { spiffe_id: \"" RIG_SHARD "\", certificate: gateway.pem, key: gateway.key }\n"
    "    pool: { idle_timeout: 10m }\n"
    "routes:\n"
    "  - { shard: one }\n";

static const char two_chromas[] = "shards:\n"
                                  "  - { name: a, api: chroma, endpoints: [\"http://127.0.0.1:2\"] }\n"
                                  "  - { name: b, api: chroma, endpoints: [\"http://127.0.0.1:3\"] }\n"
                                  "routes:\n"
                                  "  - { hash: [a, b] }\n";

static const char two_endpoints[] =
    "shards:\n"
    "  - { name: one, api: qdrant, endpoints: [\"http://127.0.0.1:2\", \"http://127.0.0.1:3\"] }\n"
    "routes:\n"
    "  - { shard: one }\n";

static const char one_connection[] =
    "shards:\n"
    "  - { name: one, api: qdrant, endpoints: [\"http://127.0.0.1:2\"], pool: { max_connections: 1, max_idle: 1 } }\n"
    "routes:\n"
    "  - { shard: one }\n";

static void rule_35_surplus_records_of_a_tls_shard_retire_the_connection(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, tls_shard, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    char *one = rig_request(&r, "GET", POINT, NULL), *two = rig_request(&r, "GET", POINT, NULL);
    rig_send(&c, one);
    rig_send(&c, two);
    rig_run(&r);
    assert_int_equal(count(rig_shard_got(&r, 0), "GET "), 1);
    rig_shard_write(&r, 0, OK_ANSWER);
    rig_shard_write(&r, 0, EVIL_ANSWER); // a record of its own, in the same read
    rig_run(&r);
    assert_false(has(rig_received(&c), "evil"));
    assert_int_equal(r.n_shards, 2);
    rig_shard_say(&r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 2);
    free(one);
    free(two);
    rig_client_fini(&c);
    rig_fini(&r);
}

// `say` brings bytes that nobody asked for behind an answer: the next request goes to another connection, and gets its own answer.
static void unasked_bytes_retire_the_connection(const char *shards,
                                                void (*say)(struct rig *r, size_t shard, const char *text))
{
    struct rig r;
    struct rig_client c;
    if (shards)
        rig_init_shards(&r, shards, NULL, NULL);
    else
        rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    say(&r, 0, EVIL_ANSWER);
    ask(&c, "GET", POINT, NULL);
    assert_false(has(rig_received(&c), "evil"));
    assert_int_equal(r.n_shards, 2);
    rig_shard_say(&r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void rule_35_what_a_tls_shard_says_unasked_retires_the_connection(void **state)
{
    (void)state;
    unasked_bytes_retire_the_connection(tls_shard, rig_shard_say);
}

// Both arrive while the next request is on its way in, and lie in the kernel when the pool is asked for a connection.
static void rule_35_what_lies_unread_on_a_kept_connection_is_nobodys_answer(void **state)
{
    (void)state;
    unasked_bytes_retire_the_connection(NULL, rig_shard_write);
}

static void rule_35_an_answer_that_begins_before_the_request_ends_retires_the_connection(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    char *request = rig_request(&r, "PUT", "/collections/docs/points", "{\"points\":[]}");
    size_t n = strlen(request);
    rig_send_span(&c, span_of(request, n - 3));
    rig_run(&r);
    rig_shard_say(&r, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{");
    rig_send_span(&c, span_of(request + n - 3, 3));
    rig_run(&r);
    rig_shard_say(&r, 0, "}");
    assert_true(has(rig_received(&c), "{}"));
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(r.n_shards, 2);
    free(request);
    rig_client_fini(&c);
    rig_fini(&r);
}

// A client that catches up lets a paused answer end, and the next request take over the connection, all in one callback.
static void a_pause_may_end_with_the_answer_and_the_next_request(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, tls_shard, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    char *one = rig_request(&r, "GET", POINT, NULL), *two = rig_request(&r, "GET", POINT, NULL);
    c.pipe->window = 1000;
    rig_send(&c, one);
    rig_send(&c, two);
    rig_run(&r);
    char piece[20001];
    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = '\0';
    // In one read: what comes behind the record that congests the client waits with the connection.
    rig_shard_write(&r, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 40000\r\n\r\n");
    rig_shard_write(&r, 0, piece);
    rig_shard_write(&r, 0, piece);
    rig_run(&r);
    c.pipe->window = 0;
    rig_run(&r);
    assert_int_equal(count(rig_shard_got(&r, 0), "GET "), 3);
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 3);
    free(one);
    free(two);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_listing_that_fails_at_once_spoils_no_other(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, two_chromas, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    r.dial_fails = true;
    ask(&c, "GET", UUID, NULL);
    assert_true(has(rig_received(&c), "HTTP/1.1 502"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_listing_under_way_ends_with_the_loop(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, two_chromas, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", UUID, NULL);
    assert_true(has(rig_shard_got(&r, 0), "GET /api/v2/tenants/acme/databases/main/collections?"));
    rig_client_fini(&c);
    rig_fini(&r); // no connection may be left
}

// It is the gateway's credential that was refused, and no fault of the client's token.
static void a_shard_that_refuses_the_gateway_is_a_502(void **state)
{
    (void)state;
    static const char *const rows[] = { "401 Unauthorized", "403 Forbidden", "407 Proxy Authentication Required" };
    struct rig r;
    rig_init(&r, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char answer[128];
        struct rig_client c;
        snprintf(answer, sizeof answer, "HTTP/1.1 %s\r\nContent-Length: 6\r\n\r\nsecret", rows[i]);
        rig_client_init(&c, &r, "rag");
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, r.n_shards - 1, answer);
        if (!has(rig_received(&c), "502 Bad Gateway") || has(rig_received(&c), "secret"))
            fail_msg("%s: %s", rows[i], rig_received(&c));
        rig_client_fini(&c);
    }
    assert_int_equal(rig_audit_lines(&r, "refused the gateway"), 3);
    rig_fini(&r);
}

// Nobody waits for what was seen to be down five times in a row: 503 at once, with the time to come back. One that refuses is tried again soon, so that
// one that starts again is back when it is.
static void a_shard_that_is_down_rests_and_is_tried_again(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    r.shard_down = true;
    for (int i = 0; i < 5; i++)
        ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 5);
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    assert_true(has(rig_received(&c), "retry-after: 1\r\n"));
    assert_true(rig_audited(&r, "\"SHARD_DOWN\""));
    rig_sleep(&r, 110);
    ask(&c, "GET", POINT, NULL); // the try
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 6);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 2);
    r.shard_down = false;
    rig_sleep(&r, 110);
    size_t n = r.n_shards;
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(r.n_shards, n + 1);
    rig_shard_say(&r, n, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

// What a forged answer of the DNS, or a wrong certificate, puts in an endpoint's place has the least to do of all: it would be asked first by each request.
static void an_impostor_rests_like_one_that_takes_no_connection(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r,
                    "shards:\n"
                    "  - { name: one, api: qdrant, endpoints: [\"https://127.0.0.1:2\"],\n"
                    "      tls: { spiffe_id: \"spiffe://example.org/somebody-else\" } }\n"
                    "routes:\n"
                    "  - { shard: one }\n",
                    NULL, NULL);
    rig_client_init(&c, &r, "rag");
    for (size_t i = 0; i < 8; i++)
        ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 5);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 3);
    assert_int_equal(r.n_shards, 5);
    rig_sleep(&r, 200);
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 4);
    rig_sleep(&r, 900);
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 6);
    rig_client_fini(&c);
    rig_fini(&r);
}

// A request goes past an endpoint that rests without asking it.
static void an_endpoint_that_rests_is_passed_over(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, two_endpoints, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    r.port_down = 2;
    for (int i = 0; i < 24; i++) {
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, r.n_shards - 1, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 204 "), 24);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 50"), 0);
    assert_true(r.n_shards <= 24 + 5);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void who_waits_for_a_connection_goes_before_who_comes_later(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client greedy, patient;
    rig_init_shards(&r, one_connection, NULL, NULL);
    rig_client_init(&greedy, &r, "rag");
    rig_client_init(&patient, &r, "rag");
    char *one = rig_request(&r, "GET", POINT, NULL), *two = rig_request(&r, "GET", POINT, NULL);
    rig_send(&greedy, one);
    rig_send(&greedy, two);
    rig_run(&r);
    ask(&patient, "GET", "/collections/docs/points/2", NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_shard_got(&r, 0), "/points/2"));
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&patient), "200 OK"), 1);
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&greedy), "200 OK"), 2);
    assert_int_equal(r.n_shards, 1);
    free(one);
    free(two);
    rig_client_fini(&greedy);
    rig_client_fini(&patient);
    rig_fini(&r);
}

// One of two equivalent endpoints is down: no request fails for it, whatever became of kept connections.
static void an_endpoint_that_is_down_costs_no_request(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, two_endpoints, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", POINT, NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    r.port_down = 3;
    ask(&c, "GET", POINT, NULL); // on the kept connection, which dies
    rig_shard_close(&r, 0);
    assert_int_equal(r.n_shards, 3); // the one that is down, then the other
    rig_shard_say(&r, 2, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

// What broke before any of it went out is no answer; behind it, the client could only be cut off.
static void an_answer_that_breaks_in_the_read_that_brought_its_head_is_502(void **state)
{
    (void)state;
    static const char *const broken[] = { "zz\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n-1\r\n", "5\r\nhello0\r\n\r\n" };
    for (size_t i = 0; i < 2 * sizeof broken / sizeof *broken; i++) {
        struct rig r;
        struct rig_client c;
        rig_init(&r, NULL, NULL);
        rig_client_init(&c, &r, "rag");
        ask(&c, "GET", POINT, NULL);
        bool at_once = i % 2 == 0;
        rig_shard_write(&r, 0, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n");
        if (!at_once)
            rig_run(&r);
        rig_shard_say(&r, 0, broken[i / 2]);
        assert_int_equal(count(rig_received(&c), "200 OK"), !at_once);
        assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), at_once);
        assert_int_equal(c.cut, !at_once);
        assert_true(rig_audited(&r, "\"error\":\"SHARD_ANSWER\""));
        if (at_once) { // it is an answer like any other: the connection goes on
            assert_true(has(rig_received(&c), "\"shard_invalid\""));
            ask(&c, "GET", POINT, NULL);
            rig_shard_say(&r, 1, OK_ANSWER);
            assert_int_equal(count(rig_received(&c), "200 OK"), 1);
        }
        rig_client_fini(&c);
        rig_fini(&r);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_breaks_in_the_read_that_brought_its_head_is_502),
        cmocka_unit_test(rule_35_surplus_records_of_a_tls_shard_retire_the_connection),
        cmocka_unit_test(rule_35_what_a_tls_shard_says_unasked_retires_the_connection),
        cmocka_unit_test(rule_35_what_lies_unread_on_a_kept_connection_is_nobodys_answer),
        cmocka_unit_test(rule_35_an_answer_that_begins_before_the_request_ends_retires_the_connection),
        cmocka_unit_test(a_pause_may_end_with_the_answer_and_the_next_request),
        cmocka_unit_test(a_listing_that_fails_at_once_spoils_no_other),
        cmocka_unit_test(a_listing_under_way_ends_with_the_loop),
        cmocka_unit_test(a_shard_that_refuses_the_gateway_is_a_502),
        cmocka_unit_test(an_endpoint_that_is_down_costs_no_request),
        cmocka_unit_test(a_shard_that_is_down_rests_and_is_tried_again),
        cmocka_unit_test(an_impostor_rests_like_one_that_takes_no_connection),
        cmocka_unit_test(an_endpoint_that_rests_is_passed_over),
        cmocka_unit_test(who_waits_for_a_connection_goes_before_who_comes_later),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

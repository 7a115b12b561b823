// SPDX-License-Identifier: GPL-3.0-or-later
// Whole requests through TLS, HTTP, stages, forwarding and audit, without a socket.
#include "tests/support/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void an_allowed_request_reaches_the_shard_and_is_answered(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{\"exact\":true}");
    assert_true(has(rig_shard_got(&r, 0), "POST " COUNT " HTTP/1.1\r\n"));
    assert_true(has(rig_shard_got(&r, 0), "{\"exact\":true}"));
    assert_false(has(rig_shard_got(&r, 0), "uthorization"));
    assert_false(has(rig_shard_got(&r, 0), "dpop"));
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    assert_true(has(rig_received(&c), "{\"status\":\"ok\"}"));
    assert_true(rig_audited(&r, "\"decision\":\"allow\""));
    assert_true(rig_audited(&r, "\"policies\":[\"rag\"]"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void every_refusal_is_answered_recorded_and_kept_from_the_shard(void **state)
{
    (void)state;
    static const struct {
        const char *workload, *method, *path, *body, *status, *code;
    } rows[] = {
        { "rag", "POST", "/collections/secret/points/count", "{}", "403", "\"denied\"" },
        { "rag", "GET", "/nothing/here", NULL, "403", "\"api_unknown\"" },
        { "rag", "DELETE", "/collections/docs", NULL, "403", "\"denied\"" },
        { "rag", "POST", COUNT, "{\"exact\":true,\"exact\":false}", "400", "\"api_body\"" },
        { "thief", "POST", COUNT, "{}", "401", "\"token_not_yours\"" },
    };
    struct rig r;
    rig_init(&r, NULL, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig_client c;
        rig_client_init(&c, &r, rows[i].workload);
        ask(&c, rows[i].method, rows[i].path, rows[i].body);
        if (!has(rig_received(&c), rows[i].status) || !has(rig_received(&c), rows[i].code))
            fail_msg("row %zu: %s", i, rig_received(&c));
        rig_client_fini(&c);
        assert_int_equal(rig_audit_lines(&r, "\"decision\":\"deny\""), i + 1);
    }
    assert_int_equal(r.n_shards, 0);
    rig_fini(&r);
}

static void a_client_without_certificate_is_refused_and_recorded(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, NULL);
    ask(&c, "POST", COUNT, "{}");
    assert_int_equal(buf_len(&c.received), 0);
    assert_true(rig_audited(&r, "\"kind\":\"handshake\""));
    assert_true(rig_audited(&r, "CERT_MISSING"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_replayed_proof_is_refused_on_another_connection(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client a, b;
    rig_init(&r, NULL, NULL);
    rig_client_init(&a, &r, "rag");
    rig_client_init(&b, &r, "rag");
    char *request = rig_request(&r, "POST", COUNT, "{}");
    rig_send(&a, request);
    rig_run(&r);
    rig_shard_say(&r, 0, OK_ANSWER);
    rig_shard_forget(&r, 0);
    rig_send(&b, request);
    rig_run(&r);
    assert_true(has(rig_received(&a), "200 OK"));
    assert_true(has(rig_received(&b), "401 Unauthorized"));
    assert_true(has(rig_received(&b), "proof_replayed"));
    assert_string_equal(rig_shard_got(&r, 0), "");
    free(request);
    rig_client_fini(&a);
    rig_client_fini(&b);
    rig_fini(&r);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    char *one = rig_request(&r, "POST", COUNT, "{\"exact\":true}"),
         *two = rig_request(&r, "GET", "/nothing/here", NULL),
         *three = rig_request(&r, "GET", "/collections/docs/points/3", NULL);
    rig_send(&c, one);
    rig_send(&c, two);
    rig_send(&c, three);
    rig_run(&r);
    assert_int_equal(buf_len(&c.received), 0);
    rig_shard_say(&r, 0, OK_ANSWER);
    const char *got = rig_received(&c);
    assert_true(has(got, "200 OK") && has(got, "403 Forbidden"));
    assert_true(strstr(got, "200 OK") < strstr(got, "403 Forbidden"));
    assert_int_equal(count(got, "200 OK"), 1);
    assert_int_equal(count(rig_shard_got(&r, 0), "HTTP/1.1\r\n"), 2);
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 2);
    assert_int_equal(r.n_shards, 1);
    free(one);
    free(two);
    free(three);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_request_that_comes_byte_by_byte_is_the_same_request(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    char *request = rig_request(&r, "PUT", "/collections/docs/points?wait=true", "{\"points\":[]}");
    free(request);
    char *token = rig_token(&r, RIG_RAG, NULL),
         *credentials = rig_credentials(&r, token, "PUT", "/collections/docs/points");
    struct buf text;
    buf_init(&text, 0);
    buf_printf(&text,
               "PUT /collections/docs/points?wait=true HTTP/1.1\r\nHost: " RIG_AUTHORITY
               "\r\n%sContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
               "7\r\n{\"point\r\n6\r\ns\":[]}\r\n0\r\nTrailer: dropped\r\n\r\n",
               credentials);
    for (size_t i = 0; i < buf_len(&text); i++) {
        rig_send_span(&c, span_of(buf_span(&text).p + i, 1));
        rig_run(&r);
    }
    const char *got = rig_shard_got(&r, 0);
    assert_true(has(got, "PUT /collections/docs/points?wait=true HTTP/1.1\r\n"));
    assert_true(has(got, "transfer-encoding: chunked\r\n"));
    assert_true(has(got, "0\r\n\r\n"));
    assert_false(has(got, "railer"));
    for (const char *p = OK_ANSWER; *p; p++)
        rig_shard_say(&r, 0, (char[]){ *p, '\0' });
    assert_true(has(rig_received(&c), "{\"status\":\"ok\"}"));
    buf_fini(&text);
    free(token);
    free(credentials);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void what_changes_data_is_recorded_before_the_shard_hears_of_it(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, "sync: request");
    rig_client_init(&c, &r, "rag");
    r.shard_down = false;
    ask(&c, "PUT", "/collections/docs/points", "{\"points\":[]}");
    assert_true(has(rig_shard_got(&r, 0), "PUT "));
    assert_int_equal(rig_audit_lines(&r, "\"kind\":\"intent\""), 1);
    assert_int_equal(rig_audit_lines(&r, "\"kind\":\"request\""), 0);
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "{\"status\":\"ok\"}"));
    assert_int_equal(rig_audit_lines(&r, "\"kind\":\"request\""), 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_shard_that_cuts_its_answer_cuts_the_clients(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{}");
    rig_shard_say(&r, 0, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"half\":");
    rig_shard_close(&r, 0);
    assert_true(c.cut);
    assert_false(c.closed);
    assert_true(rig_audited(&r, "SHARD_CUT"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_shard_that_is_down_is_a_502(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    r.shard_down = true;
    ask(&c, "POST", COUNT, "{}");
    assert_true(has(rig_received(&c), "502 Bad Gateway"));
    assert_true(has(rig_received(&c), "shard_unreachable"));
    assert_true(rig_audited(&r, "\"decision\":\"allow\""));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_silent_shard_is_a_504(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{}");
    rig_sleep(&r, 61000);
    assert_true(has(rig_received(&c), "504 Gateway Timeout"));
    rig_client_fini(&c);
    rig_fini(&r);
}

// Checklist 35: a request is sent once; only an idempotent one again, on a kept connection that died before a byte of the answer.
static void rule_35_only_what_is_idempotent_is_sent_again(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", "/collections/docs/points/1", NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    ask(&c, "GET", "/collections/docs/points/2", NULL);
    rig_shard_close(&r, 0); // the kept connection, with the second request on it
    assert_int_equal(r.n_shards, 2);
    assert_true(has(rig_shard_got(&r, 1), "GET /collections/docs/points/2"));
    rig_shard_say(&r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 2);
    ask(&c, "PUT", "/collections/docs/points", "{\"points\":[]}");
    rig_shard_close(&r, 1);
    assert_int_equal(r.n_shards, 2);
    assert_true(has(rig_received(&c), "502 Bad Gateway"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void rule_35_surplus_bytes_retire_the_connection(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", "/collections/docs/points/1", NULL);
    rig_shard_say(&r, 0, OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    ask(&c, "GET", "/collections/docs/points/2", NULL);
    assert_int_equal(r.n_shards, 2);
    assert_false(has(rig_received(&c), "evil"));
    rig_shard_say(&r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "200 OK"), 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void rule_30_a_revoked_certificate_ends_an_open_connection(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", "/collections/docs/points/1", NULL);
    rig_shard_say(&r, 0, OK_ANSWER);
    rig_revoke(&r, "rag");
    rig_shard_forget(&r, 0);
    ask(&c, "GET", "/collections/docs/points/2", NULL);
    assert_true(has(rig_received(&c), "403 Forbidden"));
    assert_true(has(rig_received(&c), "certificate_revoked"));
    assert_true(c.closed);
    assert_string_equal(rig_shard_got(&r, 0), "");
    rig_client_fini(&c);
    rig_fini(&r);
}

static void rule_34_a_slow_request_is_a_408(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client head, body;
    rig_init(&r, NULL, NULL);
    rig_client_init(&head, &r, "rag");
    rig_client_init(&body, &r, "rag");
    rig_send(&head, "GET /collections HTTP/1.1\r\nHost: ");
    char *request = rig_request(&r, "POST", COUNT, "{\"exact\":true}");
    rig_send_span(&body, span_sub(span_str(request), 0, strlen(request) - 3));
    rig_run(&r);
    for (int i = 0; i < 9; i++) { // progress does not buy more time
        rig_sleep(&r, 1000);
        rig_send(&head, "x");
        rig_run(&r);
    }
    assert_int_equal(buf_len(&head.received), 0);
    rig_sleep(&r, 2000);
    assert_true(has(rig_received(&head), "408 Request Timeout"));
    assert_true(head.closed);
    rig_sleep(&r, 60000);
    assert_true(has(rig_received(&body), "408 Request Timeout"));
    assert_int_equal(r.n_shards, 0);
    free(request);
    rig_client_fini(&head);
    rig_client_fini(&body);
    rig_fini(&r);
}

static void a_malformed_request_gets_400_and_the_connection_closes(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    rig_send(&c, "GET / HTTP/1.1\r\nHost: " RIG_AUTHORITY
                 "\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabcGET / HTTP/1.1\r\n\r\n");
    rig_run(&r);
    assert_true(has(rig_received(&c), "400 Bad Request"));
    assert_int_equal(count(rig_received(&c), "HTTP/1.1"), 1);
    assert_true(c.closed);
    assert_int_equal(r.n_shards, 0);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_client_that_does_not_read_stops_the_shard(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", "/collections/docs/points/1", NULL);
    c.pipe->window = 10000;
    size_t total = 4u << 20, said = 0;
    char head[128], piece[65537];
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             total);
    rig_shard_say(&r, 0, head);
    memset(piece, 'x', sizeof piece - 1);
    piece[sizeof piece - 1] = '\0';
    while (said < total && r.shards[0]->socket->reading) {
        rig_shard_say(&r, 0, piece);
        said += sizeof piece - 1;
    }
    assert_true(said < (1u << 20)); // it stopped taking long before the end
    while (said < total) {
        buf_append(&r.shards[0]->to_gateway, span_str(piece));
        said += sizeof piece - 1;
    }
    c.pipe->window = 0;
    rig_run(&r);
    assert_int_equal(buf_len(&c.received) - (size_t)(strstr(rig_received(&c), "\r\n\r\n") + 4 - rig_received(&c)),
                     total);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_nonce_is_demanded_and_given(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, "dpop: { nonce: required }\n", NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{}");
    assert_true(has(rig_received(&c), "401 Unauthorized"));
    assert_true(has(rig_received(&c), "error=\"use_dpop_nonce\""));
    assert_true(has(rig_received(&c), "dpop-nonce: "));
    assert_int_equal(r.n_shards, 0);
    rig_client_fini(&c);
    rig_fini(&r);
}

// It is parsed before anybody is asked whether he may: that costs ten times its size and a loop's time.
static void a_body_that_must_be_read_has_a_bound_of_its_own(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, NULL, NULL);
    size_t n = 300000;
    char *body = malloc(n + 1);
    assert_non_null(body);
    memset(body, ' ', n);
    memcpy(body, "{\"exact\":true", 13);
    strcpy(body + n - 1, "}");
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, body);
    assert_true(has(rig_received(&c), "HTTP/1.1 413 "));
    assert_string_equal(rig_shard_got(&r, 0), "");
    rig_client_fini(&c);
    // In chunks nobody knows the length beforehand.
    rig_client_init(&c, &r, "rag");
    char *token = rig_token(&r, RIG_RAG, NULL), *credentials = rig_credentials(&r, token, "POST", COUNT), head[8192];
    snprintf(head, sizeof head,
             "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY
             "\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n%s\r\n%zx\r\n",
             credentials, n);
    rig_send(&c, head);
    rig_send(&c, body);
    rig_send(&c, "\r\n0\r\n\r\n");
    rig_run(&r);
    assert_true(has(rig_received(&c), "HTTP/1.1 413 "));
    assert_string_equal(rig_shard_got(&r, 0), "");
    rig_client_fini(&c);
    free(token);
    free(credentials);
    // What streams is held to body_bytes only.
    rig_client_init(&c, &r, "rag");
    ask(&c, "PUT", "/collections/docs/points", body);
    assert_true(has(rig_shard_got(&r, 0), "PUT /collections/docs/points HTTP/1.1\r\n"));
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    rig_client_fini(&c);
    free(body);
    rig_fini(&r);
}

// The listing is made with the gateway's own credential; and 404 or 403 would tell a token without the scope whether there is one.
static void a_token_without_the_scope_does_not_make_the_gateway_look_a_name_up(void **state)
{
    (void)state;
    static const char path[] =
        "/api/v2/tenants/acme/databases/main/collections/3f2b8c1e-9d4a-4e6b-8f70-1a2b3c4d5e6f/count";
    struct rig r;
    struct rig_client c;
    rig_init_shards(
        &r,
        "shards:\n  - { name: one, api: chroma, endpoints: [\"http://127.0.0.1:2\"] }\nroutes:\n  - { shard: one "
        "}\n",
        NULL, NULL);
    rig_client_init(&c, &r, "rag");
    char *token = rig_token(&r, RIG_RAG, "other"), *credentials = rig_credentials(&r, token, "GET", path), head[8192];
    snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\n%s\r\n", path, credentials);
    rig_send(&c, head);
    rig_run(&r);
    assert_string_equal(rig_shard_got(&r, 0), "");
    assert_true(has(rig_received(&c), "HTTP/1.1 403 "));
    assert_true(has(rig_received(&c), "insufficient_scope"));
    free(token);
    free(credentials);
    ask(&c, "GET", path, NULL);
    assert_true(has(rig_shard_got(&r, 0), "GET /api/v2/tenants/acme/databases/main/collections?limit="));
    rig_client_fini(&c);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_without_the_scope_does_not_make_the_gateway_look_a_name_up),
        cmocka_unit_test(a_body_that_must_be_read_has_a_bound_of_its_own),
        cmocka_unit_test(an_allowed_request_reaches_the_shard_and_is_answered),
        cmocka_unit_test(every_refusal_is_answered_recorded_and_kept_from_the_shard),
        cmocka_unit_test(a_client_without_certificate_is_refused_and_recorded),
        cmocka_unit_test(a_replayed_proof_is_refused_on_another_connection),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_request_that_comes_byte_by_byte_is_the_same_request),
        cmocka_unit_test(what_changes_data_is_recorded_before_the_shard_hears_of_it),
        cmocka_unit_test(a_shard_that_cuts_its_answer_cuts_the_clients),
        cmocka_unit_test(a_shard_that_is_down_is_a_502),
        cmocka_unit_test(a_silent_shard_is_a_504),
        cmocka_unit_test(rule_35_only_what_is_idempotent_is_sent_again),
        cmocka_unit_test(rule_35_surplus_bytes_retire_the_connection),
        cmocka_unit_test(rule_30_a_revoked_certificate_ends_an_open_connection),
        cmocka_unit_test(rule_34_a_slow_request_is_a_408),
        cmocka_unit_test(a_malformed_request_gets_400_and_the_connection_closes),
        cmocka_unit_test(a_client_that_does_not_read_stops_the_shard),
        cmocka_unit_test(a_nonce_is_demanded_and_given),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Bytes through the engine: records in pieces, back-pressure, the end of a connection, a context swapped under it, and what an idle one costs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/tls/context_inside.h"
#include "tests/support/raw_client.h"

static struct certs certs;
static int64_t now;
static struct tls_config server_config, client_config;
static struct tls_side server_side, client_side;
static struct gw_tls_ticket_keys *keys;
static struct gw_tls_peers *peers;

static void pair(struct tls_pair *p)
{
    tls_pair_init(p, &server_side, &client_side, "spiffe://one.test/gateway", now);
    tls_pair_pump(p, now);
    assert_int_equal(p->server.state, GW_TLS_OPEN);
    assert_int_equal(p->client.state, GW_TLS_OPEN);
}

static size_t read_all(struct gw_tls_engine *e, struct buf *into)
{
    char piece[3000];
    ssize_t n;
    size_t total = 0;
    while ((n = gw_tls_read(e, piece, sizeof piece)) > 0) {
        buf_append(into, span_of(piece, (size_t)n));
        total += (size_t)n;
    }
    return total;
}

static void handshake_works_a_byte_at_a_time(void **state)
{
    (void)state;
    struct tls_pair p;
    tls_pair_init(&p, &server_side, &client_side, "spiffe://one.test/gateway", now);
    for (int i = 0; i < 100000 && (gw_tls_output(&p.client).n || gw_tls_output(&p.server).n); i++) {
        struct gw_tls_engine *from = gw_tls_output(&p.client).n ? &p.client : &p.server;
        struct gw_tls_engine *to = from == &p.client ? &p.server : &p.client;
        char one = gw_tls_output(from).p[0];
        assert_int_equal(gw_tls_feed(to, span_of(&one, 1), now), 0);
        gw_tls_sent(from, 1);
    }
    assert_int_equal(p.server.state, GW_TLS_OPEN);
    assert_int_equal(p.client.state, GW_TLS_OPEN);
    tls_pair_fini(&p);
}

static void data_arrives_whole_in_both_directions(void **state)
{
    (void)state;
    struct tls_pair p;
    struct buf sent, got;
    pair(&p);
    buf_init(&sent, 0);
    buf_init(&got, 0);
    for (size_t i = 0; i < 1000000; i++)
        buf_byte(&sent, (char)(i * 7 + i / 251));
    size_t at = 0;
    while (buf_len(&got) < buf_len(&sent)) {
        ssize_t n = gw_tls_write(&p.client, span_sub(buf_span(&sent), at, buf_len(&sent)));
        assert_true(n >= 0);
        at += (size_t)n;
        struct span out = gw_tls_output(&p.client);
        size_t piece = out.n < 5000 ? out.n : 5000; // not at record boundaries
        assert_true(gw_tls_wants_input(&p.server));
        assert_int_equal(gw_tls_feed(&p.server, span_sub(out, 0, piece), now), 0);
        gw_tls_sent(&p.client, piece);
        read_all(&p.server, &got);
    }
    assert_true(span_eq(buf_span(&sent), buf_span(&got)));
    assert_int_equal(gw_tls_write(&p.server, SPAN("answer")), 6);
    tls_pair_pump(&p, now);
    buf_clear(&got);
    assert_int_equal(read_all(&p.client, &got), 6);
    assert_true(span_eq(buf_span(&got), SPAN("answer")));
    buf_fini(&sent), buf_fini(&got);
    tls_pair_fini(&p);
}

static void bytes_that_were_lent_and_not_read_are_kept(void **state)
{
    (void)state;
    struct tls_pair p;
    struct buf sent, got;
    char piece[5000], some[16384];
    pair(&p);
    buf_init(&sent, 0);
    buf_init(&got, 0);
    for (size_t i = 0; i < 60000; i++)
        buf_byte(&sent, (char)(i * 7 + i / 251));
    assert_int_equal(gw_tls_write(&p.client, buf_span(&sent)), 60000);
    for (unsigned turn = 0; gw_tls_output(&p.client).n > 0; turn++) {
        struct span out = span_sub(gw_tls_output(&p.client), 0, turn % 2 == 0 ? sizeof piece : 1000);
        memcpy(piece, out.p, out.n);
        assert_int_equal(gw_tls_lend(&p.server, span_of(piece, out.n), now), 0);
        ssize_t n = turn % 3 == 0 ? gw_tls_read(&p.server, some, 100) : 0; // now and then a little is read
        assert_true(n >= 0);
        buf_append(&got, span_of(some, (size_t)n));
        assert_int_equal(gw_tls_keep(&p.server), 0);
        memset(piece, 0, sizeof piece);
        gw_tls_sent(&p.client, out.n);
    }
    read_all(&p.server, &got);
    assert_true(span_eq(buf_span(&got), buf_span(&sent)));
    buf_fini(&sent);
    buf_fini(&got);
    tls_pair_fini(&p);
}

static void no_plaintext_before_the_handshake_is_over(void **state)
{
    (void)state;
    struct tls_pair p;
    char buf[16];
    tls_pair_init(&p, &server_side, &client_side, "spiffe://one.test/gateway", now);
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), 0);
    assert_true(gw_tls_write(&p.server, SPAN("x")) < 0);
    assert_true(gw_tls_write(&p.client, SPAN("x")) < 0);
    tls_pair_fini(&p);
}

static void output_above_the_high_mark_is_not_taken(void **state)
{
    (void)state;
    struct tls_pair p;
    struct buf big;
    pair(&p);
    buf_init(&big, 0);
    memset(buf_reserve(&big, 2u << 20), 'x', 2u << 20);
    buf_commit(&big, 2u << 20);
    ssize_t n = gw_tls_write(&p.server, buf_span(&big));
    assert_true(n > 0 && (size_t)n < buf_len(&big));
    assert_true(gw_tls_output(&p.server).n < 400u << 10);
    assert_int_equal(gw_tls_write(&p.server, buf_span(&big)), 0);
    assert_false(gw_tls_wants_input(&p.server));
    gw_tls_sent(&p.server, gw_tls_output(&p.server).n);
    assert_true(gw_tls_wants_input(&p.server));
    buf_fini(&big);
    tls_pair_fini(&p);
}

static void input_above_the_high_mark_is_not_wanted(void **state)
{
    (void)state;
    struct tls_pair p;
    static char zeros[128 << 10];
    pair(&p);
    assert_true(gw_tls_write(&p.client, span_of(zeros, sizeof zeros)) > 0);
    struct span out = gw_tls_output(&p.client);
    assert_int_equal(gw_tls_feed(&p.server, out, now), 0);
    assert_false(gw_tls_wants_input(&p.server));
    struct buf got;
    buf_init(&got, 0);
    read_all(&p.server, &got);
    assert_true(gw_tls_wants_input(&p.server));
    buf_fini(&got);
    tls_pair_fini(&p);
}

static void key_update_requests_do_not_pile_up_answers(void **state)
{
    (void)state;
    struct raw_client client;
    struct gw_tls_engine server;
    char buf[64];
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    raw_client_meet(&client, &server, &server_side, false, now);
    assert_int_equal(server.state, GW_TLS_OPEN);
    size_t most = 0;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 500; i++)
            if (wolfSSL_update_keys(client.ssl) != WOLFSSL_SUCCESS)
                break;
        struct span out = buf_span(&client.out);
        if (!gw_tls_wants_input(&server))
            break;
        gw_tls_feed(&server, out, now);
        buf_consume(&client.out, out.n);
        gw_tls_read(&server, buf, sizeof buf);
        if (gw_tls_output(&server).n > most)
            most = gw_tls_output(&server).n;
    }
    assert_true(most < 400u << 10);
    gw_tls_fini(&server);
    raw_client_fini(&client);
}

static void close_notify_is_told_from_truncation(void **state)
{
    (void)state;
    struct tls_pair p;
    char buf[64];
    pair(&p);
    gw_tls_write(&p.client, SPAN("last words"));
    gw_tls_shutdown(&p.client);
    assert_int_equal(p.client.state, GW_TLS_CLOSED);
    assert_true(gw_tls_write(&p.client, SPAN("more")) < 0);
    tls_pair_pump(&p, now);
    assert_int_equal(gw_tls_feed_eof(&p.server), 0); // data first, verdict later
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), 10);
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), 0);
    assert_int_equal(p.server.state, GW_TLS_PEER_CLOSED);
    assert_int_equal(gw_tls_write(&p.server, SPAN("goodbye")), 7); // half-closed: we may still answer
    gw_tls_shutdown(&p.server);
    assert_int_equal(p.server.state, GW_TLS_CLOSED);
    tls_pair_fini(&p);

    pair(&p);
    gw_tls_write(&p.client, SPAN("last words"));
    tls_pair_pump(&p, now);
    assert_int_equal(gw_tls_feed_eof(&p.server), 0);
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), 10);
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), ERR_CLIENT_GONE);
    assert_int_equal(p.server.state, GW_TLS_FAILED);
    tls_pair_fini(&p);

    pair(&p);
    assert_int_equal(gw_tls_feed_eof(&p.server), ERR_CLIENT_GONE);
    tls_pair_fini(&p);

    tls_pair_init(&p, &server_side, &client_side, "spiffe://one.test/gateway", now);
    assert_int_equal(gw_tls_feed_eof(&p.server), ERR_TLS);
    tls_pair_fini(&p);
}

static void a_record_that_was_changed_ends_the_connection(void **state)
{
    (void)state;
    struct tls_pair p;
    char buf[64], record[256];
    pair(&p);
    gw_tls_write(&p.client, SPAN("hello"));
    struct span out = gw_tls_output(&p.client);
    memcpy(record, out.p, out.n);
    record[out.n - 1] ^= 1;
    gw_tls_feed(&p.server, span_of(record, out.n), now);
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), ERR_TLS);
    assert_int_equal(p.server.state, GW_TLS_FAILED);
    assert_int_equal(gw_tls_read(&p.server, buf, sizeof buf), ERR_TLS);
    assert_true(gw_tls_output(&p.server).n > 0); // the alert
    tls_pair_fini(&p);
}

static void garbage_instead_of_a_client_hello_fails_cleanly(void **state)
{
    (void)state;
    static const struct span openings[] = { SPAN("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), SPAN("\x16\x03\x01\xff\xff\x01"),
                                            SPAN("\x15\x03\x03\x00\x02\x02\x28"),
                                            SPAN("\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
                                            SPAN("\x17\x03\x03\x00\x05hello") };
    for (size_t i = 0; i < sizeof openings / sizeof openings[0]; i++) {
        struct gw_tls_engine e;
        char buf[16];
        assert_int_equal(gw_tls_server_init(&e, server_side.context, &server_side.trust), 0);
        gw_tls_feed(&e, openings[i], now);
        gw_tls_feed_eof(&e);
        assert_int_equal(e.state, GW_TLS_FAILED);
        assert_int_equal(e.error, ERR_TLS);
        assert_true(gw_tls_read(&e, buf, sizeof buf) < 0);
        gw_tls_fini(&e);
    }
}

static void context_swapped_under_live_connections_is_safe(void **state)
{
    (void)state;
    struct tls_side s;
    struct tls_pair p[8];
    char buf[16];
    tls_side_init(&s, true, &server_config.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    for (size_t i = 0; i < 8; i++) {
        tls_pair_init(&p[i], &s, &client_side, "spiffe://one.test/gateway", now);
        if (i % 2)
            tls_pair_pump(&p[i], now); // half are open, half have not begun
        if (i == 3) {
            struct diags diags;
            diags_init(&diags);
            gw_tls_context_unref(s.context); // the loop's own reference goes; the engines' stay
            s.context = gw_tls_context_server(&server_config.config, now, &diags);
            assert_non_null(s.context);
            diags_fini(&diags);
        }
    }
    for (size_t i = 0; i < 8; i++) {
        tls_pair_pump(&p[i], now);
        assert_int_equal(p[i].server.state, GW_TLS_OPEN);
        gw_tls_write(&p[i].client, SPAN("still here"));
        tls_pair_pump(&p[i], now);
        assert_int_equal(gw_tls_read(&p[i].server, buf, sizeof buf), 10);
        tls_pair_fini(&p[i]);
    }
    tls_side_fini(&s);
}

static void idle_connection_holds_no_buffer(void **state)
{
    (void)state;
    enum { N = 200 };
    char buf[64];
    struct raw_client client;
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    static struct gw_tls_engine server[N];
    raw_client_meet(&client, &server[0], &server_side, false, now); // whatever is made once is there
    gw_tls_fini(&server[0]);
    raw_client_begin(&client, false);
    struct mallinfo2 before = mallinfo2();
    for (size_t i = 0; i < N; i++) {
        raw_client_meet(&client, &server[i], &server_side, i % 2 == 1, now);
        assert_int_equal(server[i].state, GW_TLS_OPEN);
        assert_int_equal(wolfSSL_write(client.ssl, "request", 7), 7);
        raw_client_exchange(&client, &server[i], now);
        assert_int_equal(gw_tls_read(&server[i], buf, sizeof buf), 7);
        gw_tls_write(&server[i], SPAN("answer"));
        raw_client_exchange(&client, &server[i], now);
        assert_null(server[i].in.base);
        assert_null(server[i].out.base);
    }
    raw_client_begin(&client, false);
    struct mallinfo2 after = mallinfo2();
    size_t each = (after.uordblks - before.uordblks) / N + sizeof(struct gw_tls_engine);
    print_message("idle session: %zu.%zu KiB\n", each / 1024, each % 1024 * 10 / 1024);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(each < 8 * 1024);
#endif
    for (size_t i = 0; i < N; i++)
        gw_tls_fini(&server[i]);
    raw_client_fini(&client);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    gw_tls_process_init();
    certs_ca(&certs, "ca");
    certs_workload(&certs, "gateway", "ca", "spiffe://one.test/gateway");
    certs_workload(&certs, "client", "ca", "spiffe://one.test/a");
    now = tls_now();
    keys = gw_tls_ticket_keys_new(0);
    peers = gw_tls_peers_new(64);
    tls_config_init(&server_config, &certs, "gateway");
    server_config.config.tickets = keys;
    server_config.config.peers = peers;
    tls_config_init(&client_config, &certs, "client");
    tls_side_init(&server_side, true, &server_config.config);
    tls_side_init(&client_side, false, &client_config.config);
    tls_side_trust(&server_side, &certs, "one.test", "ca");
    tls_side_trust(&client_side, &certs, "one.test", "ca");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_side_fini(&server_side);
    tls_side_fini(&client_side);
    tls_config_fini(&server_config);
    tls_config_fini(&client_config);
    gw_tls_peers_free(peers);
    gw_tls_ticket_keys_free(keys);
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_works_a_byte_at_a_time),
        cmocka_unit_test(data_arrives_whole_in_both_directions),
        cmocka_unit_test(bytes_that_were_lent_and_not_read_are_kept),
        cmocka_unit_test(no_plaintext_before_the_handshake_is_over),
        cmocka_unit_test(output_above_the_high_mark_is_not_taken),
        cmocka_unit_test(input_above_the_high_mark_is_not_wanted),
        cmocka_unit_test(key_update_requests_do_not_pile_up_answers),
        cmocka_unit_test(close_notify_is_told_from_truncation),
        cmocka_unit_test(a_record_that_was_changed_ends_the_connection),
        cmocka_unit_test(garbage_instead_of_a_client_hello_fails_cleanly),
        cmocka_unit_test(context_swapped_under_live_connections_is_safe),
        cmocka_unit_test(idle_connection_holds_no_buffer),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Session tickets (checklist 30a): a resumed session is the workload it was, judged again, or it is a full handshake. Never anything else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/tls/engine_inside.h"
#include "tests/support/raw_client.h"

#define ID "spiffe://one.test/a"

static struct certs certs;
static int64_t now;

// A listener with tickets, and a client that has been there once.
struct bench {
    struct tls_config config;
    struct gw_tls_ticket_keys *keys;
    struct gw_tls_peers *peers;
    struct tls_side side;
    struct raw_client client;
    struct gw_tls_engine server;
};

static void listener(struct bench *b, struct tls_side *s)
{
    tls_side_init(s, true, &b->config.config);
    tls_side_trust(s, &certs, "one.test", "ca");
}

static void bench_init(struct bench *b, int64_t lifetime_s)
{
    *b = (struct bench){ .keys = gw_tls_ticket_keys_new(lifetime_s), .peers = gw_tls_peers_new(64) };
    tls_config_init(&b->config, &certs, "gateway");
    b->config.config.tickets = b->keys;
    b->config.config.peers = b->peers;
    b->config.config.listener = 7;
    listener(b, &b->side);
    raw_client_init(&b->client, &certs, "client", NULL, GW_TLS_1_3);
    raw_client_meet(&b->client, &b->server, &b->side, false, now);
    assert_int_equal(b->server.state, GW_TLS_OPEN);
    assert_false(b->server.facts.resumed);
    assert_int_equal(gw_tls_peers_count(b->peers), 1);
    gw_tls_fini(&b->server);
}

static void bench_fini(struct bench *b)
{
    raw_client_fini(&b->client);
    tls_side_fini(&b->side);
    tls_config_fini(&b->config);
    gw_tls_peers_free(b->peers);
    gw_tls_ticket_keys_free(b->keys);
}

enum outcome { RESUMED, FULL, REFUSED };

// The client comes back to `side` with its ticket.
static enum outcome come_back(struct bench *b, struct tls_side *side, int64_t now_s, int *error)
{
    raw_client_meet(&b->client, &b->server, side, true, now_s);
    struct gw_tls_engine *e = &b->server;
    enum outcome o = e->state != GW_TLS_OPEN ? REFUSED : e->facts.resumed ? RESUMED : FULL;
    if (o == REFUSED)
        assert_null(e->peer);
    else
        assert_true(e->peer && span_eq(e->peer->identity.spiffe_id, SPAN(ID)));
    if (error)
        *error = e->error;
    gw_tls_fini(e);
    return o;
}

static void rule_30a_resumption_brings_the_identity_back(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    assert_int_equal(come_back(&b, &b.side, now, NULL), RESUMED);
    raw_client_meet(&b.client, &b.server, &b.side, true, now);
    assert_true(b.server.facts.resumed);
    struct buf der = certs_der(&certs, "client");
    assert_true(span_eq(b.server.peer->identity.steps[0].der, buf_span(&der)));
    assert_int_equal(gw_tls_recheck(&b.server, now), 0);
    buf_fini(&der);
    gw_tls_fini(&b.server);
    bench_fini(&b);
}

static void rule_30a_tickets_are_good_on_another_loop_and_after_a_swap(void **state)
{
    (void)state;
    struct bench b;
    struct tls_side other;
    bench_init(&b, 0);
    listener(&b, &other);
    assert_int_equal(come_back(&b, &other, now, NULL), RESUMED);
    tls_side_fini(&b.side); // the first one is gone
    assert_int_equal(come_back(&b, &other, now, NULL), RESUMED);
    b.side = other;
    bench_fini(&b);
}

static void rule_30a_ticket_of_another_listener_is_a_full_handshake(void **state)
{
    (void)state;
    struct bench b;
    struct tls_side other;
    bench_init(&b, 0);
    b.config.config.listener = 8;
    listener(&b, &other);
    assert_int_equal(come_back(&b, &other, now, NULL), FULL);
    tls_side_fini(&other);
    bench_fini(&b);
}

static void rule_30a_ticket_of_another_trust_generation_is_a_full_handshake(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    b.side.trust.trust_generation++;
    assert_int_equal(come_back(&b, &b.side, now, NULL), FULL);
    assert_int_equal(come_back(&b, &b.side, now, NULL), RESUMED);
    bench_fini(&b);
}

static void rule_30a_revoked_since_is_refused(void **state)
{
    (void)state;
    struct bench b;
    int error = 0;
    bench_init(&b, 0);
    const char *const names[] = { "client", NULL };
    certs_crl(&certs, "crl", "ca", 1, names);
    tls_side_crl(&b.side, &certs, "one.test", "crl");
    assert_int_equal(come_back(&b, &b.side, now + 1, &error), REFUSED);
    assert_int_equal(error, ERR_CERT_REVOKED);
    bench_fini(&b);
}

static void rule_30a_ca_gone_from_the_bundle_since_is_refused(void **state)
{
    (void)state;
    struct bench b;
    struct tls_side other;
    int error = 0;
    bench_init(&b, 0);
    tls_side_init(&other, true, &b.config.config);
    tls_side_trust(&other, &certs, "one.test",
                   "ca2"); // same generation number: the identity is looked at, not the number
    assert_int_equal(come_back(&b, &other, now, &error), REFUSED);
    assert_int_equal(error, ERR_CERT_UNTRUSTED);
    tls_side_fini(&other);
    bench_fini(&b);
}

static void rule_30a_without_the_peer_in_the_table_it_is_a_full_handshake(void **state)
{
    (void)state;
    struct bench b;
    struct tls_side other;
    bench_init(&b, 0);
    struct gw_tls_peers *empty = gw_tls_peers_new(64);
    b.config.config.peers = empty;
    listener(&b, &other);
    assert_int_equal(come_back(&b, &other, now, NULL), FULL);
    tls_side_fini(&other);
    gw_tls_peers_free(empty);
    bench_fini(&b);
}

static void rule_30a_resumption_without_a_peer_certificate_is_refused(void **state)
{
    (void)state;
    // A thief has the session, not the key: where the ticket is not taken, a certificate is demanded.
    struct bench b;
    struct tls_side other;
    struct raw_client thief;
    bench_init(&b, 0);
    struct gw_tls_peers *empty = gw_tls_peers_new(64);
    b.config.config.peers = empty;
    listener(&b, &other);
    raw_client_init(&thief, &certs, NULL, NULL, GW_TLS_1_3);
    thief.session = b.client.session;
    b.client.session = NULL;
    raw_client_meet(&thief, &b.server, &other, true, now);
    assert_int_equal(b.server.state, GW_TLS_FAILED);
    assert_int_equal(b.server.error, ERR_CERT_MISSING);
    assert_null(b.server.peer);
    gw_tls_fini(&b.server);
    raw_client_fini(&thief);
    tls_side_fini(&other);
    gw_tls_peers_free(empty);
    bench_fini(&b);
}

static void rule_30a_ticket_keys_of_another_process_are_a_full_handshake(void **state)
{
    (void)state;
    struct bench b;
    struct tls_side other;
    bench_init(&b, 0);
    struct gw_tls_ticket_keys *fresh = gw_tls_ticket_keys_new(0);
    b.config.config.tickets = fresh;
    listener(&b, &other);
    assert_int_equal(come_back(&b, &other, now, NULL), FULL);
    tls_side_fini(&other);
    gw_tls_ticket_keys_free(fresh);
    bench_fini(&b);
}

static void rule_30a_ticket_age_is_judged_by_our_clock(void **state)
{
    (void)state;
    // wolfSSL's clock stands still here; ours is the argument.
    struct bench b;
    bench_init(&b, 1000);
    assert_int_equal(come_back(&b, &b.side, now + 400, NULL), RESUMED);
    assert_int_equal(come_back(&b, &b.side, now + 3000, NULL), FULL);
    bench_fini(&b);
    bench_init(&b, 1000);
    assert_int_equal(come_back(&b, &b.side, now + 400, NULL), RESUMED);
    assert_int_equal(come_back(&b, &b.side, now, NULL), FULL); // that ticket is from the future
    bench_fini(&b);
}

static void rule_30a_ticket_does_not_outlive_the_certificate(void **state)
{
    (void)state;
    struct bench b;
    int error = 0;
    bench_init(&b, 6 * 86400);
    assert_int_equal(come_back(&b, &b.side, now + 2 * 86400, &error), REFUSED);
    assert_int_equal(error, ERR_CERT_EXPIRED);
    bench_fini(&b);
}

static void rule_30a_chained_resumptions_end_before_the_256th_fails(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    int resumed = 0, full = 0, last_full = 0;
    for (int i = 1; i <= 450; i++) {
        enum outcome o = come_back(&b, &b.side, now, NULL);
        assert_int_not_equal(o, REFUSED);
        resumed += o == RESUMED;
        if (o == FULL) {
            full++;
            last_full = i;
        }
    }
    assert_int_equal(full, 2);
    assert_int_equal(resumed, 448);
    assert_int_equal(last_full, 2 * (GW_TLS_TICKET_CHAIN_MAX + 1));
    bench_fini(&b);
}

static void rule_30a_tampered_ticket_is_a_full_handshake(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    static const size_t places[] = { 0, 20, 60, 120, 180 };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        unsigned char ticket[1024];
        word32 n = sizeof ticket;
        assert_int_equal(gw_tls_server_init(&b.server, b.side.context, &b.side.trust), 0);
        raw_client_begin(&b.client, true);
        assert_int_equal(wolfSSL_get_SessionTicket(b.client.ssl, ticket, &n), WOLFSSL_SUCCESS);
        assert_true(n > 200);
        ticket[places[i]] ^= 1;
        assert_int_equal(wolfSSL_set_SessionTicket(b.client.ssl, ticket, n), WOLFSSL_SUCCESS);
        raw_client_run(&b.client, &b.server, now);
        assert_int_equal(b.server.state, GW_TLS_OPEN);
        assert_false(b.server.facts.resumed);
        gw_tls_fini(&b.server);
    }
    bench_fini(&b);
}

static void rule_30a_ticket_of_32_bytes_does_not_reach_a_session_cache(void **state)
{
    (void)state;
    // wolfSSL takes an identity of that size for a session id, and asks its process-wide cache instead of our callback.
    struct bench b;
    unsigned char ticket[32];
    bench_init(&b, 0);
    assert_int_equal(gw_tls_server_init(&b.server, b.side.context, &b.side.trust), 0);
    raw_client_begin(&b.client, true);
    memset(ticket, 'x', sizeof ticket);
    assert_int_equal(wolfSSL_set_SessionTicket(b.client.ssl, ticket, sizeof ticket), WOLFSSL_SUCCESS);
    raw_client_run(&b.client, &b.server, now);
    assert_int_equal(b.server.state, GW_TLS_OPEN);
    assert_false(b.server.facts.resumed);
    gw_tls_fini(&b.server);
    bench_fini(&b);
}

static void rule_30a_second_ticket_in_one_handshake_is_not_opened(void **state)
{
    (void)state;
    // wolfSSL tries the offered identities once for each cipher suite and decrypts each only the first time. An attacker who puts somebody
    // else's ticket behind his own would be that somebody if the last one opened counted.
    struct bench b;
    uint8_t mine[GW_TLS_TICKET_TAG] = { 1 }, theirs[GW_TLS_TICKET_TAG] = { 2 };
    bench_init(&b, 0);
    raw_client_meet(&b.client, &b.server, &b.side, false, now);
    struct gw_tls_ticket_facts a = { .issued_s = now, .until_s = now + 100, .listener = 7, .trust_generation = 1 },
                               v = a;
    memcpy(a.leaf_sha256, b.server.peer->identity.leaf_sha256, 32);
    struct gw_tls_engine second;
    struct raw_client victim;
    raw_client_init(&victim, &certs, "victim", NULL, GW_TLS_1_3);
    raw_client_meet(&victim, &second, &b.side, false, now);
    memcpy(v.leaf_sha256, second.peer->identity.leaf_sha256, 32);
    struct gw_tls_engine e;
    assert_int_equal(gw_tls_server_init(&e, b.side.context, &b.side.trust), 0);
    e.now_s = now;
    assert_true(gw_tls_ticket_accept(&e, &a, mine));
    assert_false(gw_tls_ticket_accept(&e, &v, theirs));
    assert_true(gw_tls_ticket_accept(&e, &a, mine)); // again after a HelloRetryRequest
    assert_true(span_eq(e.resumed->identity.spiffe_id, SPAN(ID)));
    gw_tls_fini(&e);
    gw_tls_fini(&second);
    gw_tls_fini(&b.server);
    raw_client_fini(&victim);
    bench_fini(&b);
}

// Feeds the ClientHello and lets a test tamper with the engine before the rest.
static void resume_halfway(struct bench *b)
{
    assert_int_equal(gw_tls_server_init(&b->server, b->side.context, &b->side.trust), 0);
    raw_client_begin(&b->client, true);
    assert_int_not_equal(wolfSSL_connect(b->client.ssl), WOLFSSL_SUCCESS);
    raw_client_exchange(&b->client, &b->server, now);
    assert_non_null(b->server.resumed);
    assert_int_equal(b->server.state, GW_TLS_HANDSHAKE);
}

static void rule_30a_session_resumed_without_our_ticket_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    resume_halfway(&b);
    gw_tls_peer_unref(b.server.resumed);
    b.server.resumed = NULL;
    raw_client_run(&b.client, &b.server, now);
    assert_int_equal(b.server.state, GW_TLS_FAILED);
    assert_null(b.server.peer);
    gw_tls_fini(&b.server);
    bench_fini(&b);
}

static void rule_30a_certificate_inside_a_resumed_handshake_is_refused(void **state)
{
    (void)state;
    // wolfSSL's state machine lets a client send one; no CertificateVerify would prove that it is the client's.
    struct bench b;
    bench_init(&b, 0);
    resume_halfway(&b);
    b.server.callback_ran = true;
    raw_client_run(&b.client, &b.server, now);
    assert_int_equal(b.server.state, GW_TLS_FAILED);
    assert_null(b.server.peer);
    gw_tls_fini(&b.server);
    bench_fini(&b);
}

static void rule_30a_revoked_between_hello_and_finished_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    resume_halfway(&b);
    const char *const names[] = { "client", NULL };
    certs_crl(&certs, "crl", "ca", 1, names);
    tls_side_crl(&b.side, &certs, "one.test", "crl");
    raw_client_run(&b.client, &b.server, now + 1);
    assert_int_equal(b.server.state, GW_TLS_FAILED);
    assert_int_equal(b.server.error, ERR_CERT_REVOKED);
    gw_tls_fini(&b.server);
    bench_fini(&b);
}

static void rule_30a_psk_ke_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 0);
    assert_int_equal(gw_tls_server_init(&b.server, b.side.context, &b.side.trust), 0);
    raw_client_begin(&b.client, true);
    assert_int_equal(wolfSSL_no_dhe_psk(b.client.ssl), 0);
    raw_client_run(&b.client, &b.server, now);
    assert_int_equal(b.server.state, GW_TLS_FAILED);
    assert_null(b.server.peer);
    gw_tls_fini(&b.server);
    bench_fini(&b);
}

static void without_ticket_keys_there_are_no_tickets(void **state)
{
    (void)state;
    struct bench b;
    struct tls_side other;
    bench_init(&b, 0);
    b.config.config.tickets = NULL;
    listener(&b, &other);
    assert_int_equal(come_back(&b, &other, now, NULL), FULL);
    unsigned char ticket[1024];
    word32 n = sizeof ticket;
    raw_client_meet(&b.client, &b.server, &other, false, now);
    assert_int_equal(b.server.state, GW_TLS_OPEN);
    int r = wolfSSL_get_SessionTicket(b.client.ssl, ticket, &n);
    assert_true(r != WOLFSSL_SUCCESS || n == 0);
    gw_tls_fini(&b.server);
    tls_side_fini(&other);
    bench_fini(&b);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    gw_tls_process_init();
    certs_ca(&certs, "ca");
    certs_ca(&certs, "ca2");
    certs_workload(&certs, "gateway", "ca", "spiffe://one.test/gateway");
    certs_workload(&certs, "client", "ca", ID);
    certs_workload(&certs, "victim", "ca", "spiffe://one.test/victim");
    now = tls_now();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_30a_resumption_brings_the_identity_back),
        cmocka_unit_test(rule_30a_tickets_are_good_on_another_loop_and_after_a_swap),
        cmocka_unit_test(rule_30a_ticket_of_another_listener_is_a_full_handshake),
        cmocka_unit_test(rule_30a_ticket_of_another_trust_generation_is_a_full_handshake),
        cmocka_unit_test(rule_30a_revoked_since_is_refused),
        cmocka_unit_test(rule_30a_ca_gone_from_the_bundle_since_is_refused),
        cmocka_unit_test(rule_30a_without_the_peer_in_the_table_it_is_a_full_handshake),
        cmocka_unit_test(rule_30a_resumption_without_a_peer_certificate_is_refused),
        cmocka_unit_test(rule_30a_ticket_keys_of_another_process_are_a_full_handshake),
        cmocka_unit_test(rule_30a_ticket_age_is_judged_by_our_clock),
        cmocka_unit_test(rule_30a_ticket_does_not_outlive_the_certificate),
        cmocka_unit_test(rule_30a_chained_resumptions_end_before_the_256th_fails),
        cmocka_unit_test(rule_30a_tampered_ticket_is_a_full_handshake),
        cmocka_unit_test(rule_30a_ticket_of_32_bytes_does_not_reach_a_session_cache),
        cmocka_unit_test(rule_30a_second_ticket_in_one_handshake_is_not_opened),
        cmocka_unit_test(rule_30a_session_resumed_without_our_ticket_is_refused),
        cmocka_unit_test(rule_30a_certificate_inside_a_resumed_handshake_is_refused),
        cmocka_unit_test(rule_30a_revoked_between_hello_and_finished_is_refused),
        cmocka_unit_test(rule_30a_psk_ke_is_refused),
        cmocka_unit_test(without_ticket_keys_there_are_no_tickets),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>

#include "gateway/tls/peer.h"
#include "gateway/tls/ticket.h"
#include "tests/support/tls_pair.h"

static struct gw_tls_peer *fake(unsigned n, const char *id)
{
    struct gw_tls_peer *p = calloc(1, sizeof *p);
    p->refs = 1;
    arena_init(&p->arena, 0);
    p->mapped = arena_alloc(&p->arena, sizeof *p->mapped);
    memcpy(p->identity.leaf_sha256, &n, sizeof n);
    p->identity.spiffe_id = arena_dup(&p->arena, span_str(id));
    p->identity.dns = SPAN_NONE;
    return p;
}

static bool has(struct gw_tls_peers *t, unsigned n)
{
    uint8_t hash[32] = { 0 };
    memcpy(hash, &n, sizeof n);
    struct gw_tls_peer *p = gw_tls_peers_get(t, hash, 100);
    gw_tls_peer_unref(p);
    return p != NULL;
}

static void table_is_bounded_and_the_oldest_goes(void **state)
{
    (void)state;
    struct gw_tls_peers *t = gw_tls_peers_new(64);
    // All fall into one set of the eight: their low bits are the same.
    for (unsigned i = 0; i < 8; i++)
        gw_tls_peer_unref(gw_tls_peers_put(t, fake(i << 16, "spiffe://a/b"), (int64_t)i));
    assert_int_equal(gw_tls_peers_count(t), 8);
    assert_true(has(t, 0)); // used now
    gw_tls_peer_unref(gw_tls_peers_put(t, fake(9 << 16, "spiffe://a/b"), 200));
    assert_int_equal(gw_tls_peers_count(t), 8);
    assert_true(has(t, 0));
    assert_false(has(t, 1 << 16));
    for (unsigned i = 0; i < 10000; i++)
        gw_tls_peer_unref(gw_tls_peers_put(t, fake(i, "spiffe://a/b"), 300));
    assert_true(gw_tls_peers_count(t) <= 64);
    gw_tls_peers_free(t);
}

static void same_certificate_is_shared_and_a_new_mapping_replaces(void **state)
{
    (void)state;
    struct gw_tls_peers *t = gw_tls_peers_new(64);
    struct gw_tls_peer *a = gw_tls_peers_put(t, fake(1, "spiffe://a/one"), 1),
                       *b = gw_tls_peers_put(t, fake(1, "spiffe://a/one"), 2);
    assert_ptr_equal(a, b);
    struct gw_tls_peer *c = gw_tls_peers_put(t, fake(1, "spiffe://a/two"), 3);
    assert_ptr_not_equal(a, c);
    assert_int_equal(gw_tls_peers_count(t), 1);
    assert_true(span_eq(a->identity.spiffe_id, SPAN("spiffe://a/one"))); // a connection keeps what it was given
    gw_tls_peer_unref(a), gw_tls_peer_unref(b), gw_tls_peer_unref(c);
    gw_tls_peers_free(t);
}

// ---- loops at once

#define LOOPS 4
#define ROUNDS 400

static struct certs certs;
static struct tls_config server_config, client_config;
static struct pki_trust *bundles;
static struct pki_revocation *revocation;

// One loop: contexts and trust slot of its own; keys, table, bundles and CRLs are everybody's.
static void *loop(void *failed)
{
    struct tls_side s, k;
    struct diags diags;
    diags_init(&diags);
    s = (struct tls_side){ .context = gw_tls_context_server(&server_config.config, tls_now(), &diags) };
    k = (struct tls_side){ .context = gw_tls_context_client(&client_config.config, tls_now(), &diags) };
    s.trust.trust = k.trust.trust = bundles;
    s.trust.revocation = k.trust.revocation = revocation;
    for (int i = 0; i < ROUNDS / 20; i++) {
        struct tls_pair p;
        tls_pair_init(&p, &s, &k, "spiffe://one.test/gateway", tls_now());
        tls_pair_pump(&p, tls_now());
        for (int r = 0; r < 20; r++)
            if (p.server.state != GW_TLS_OPEN || gw_tls_recheck(&p.server, tls_now()) != 0)
                *(_Atomic(int) *)failed = 1;
        tls_pair_fini(&p);
    }
    gw_tls_context_unref(s.context);
    gw_tls_context_unref(k.context);
    diags_fini(&diags);
    return NULL;
}

static void loops_share_peers_tickets_bundles_and_crls(void **state)
{
    (void)state;
    _Atomic(int) failed = 0;
    pthread_t threads[LOOPS];
    const char *const none[] = { NULL };
    certs_init(&certs);
    assert_int_equal(gw_tls_process_init(), 0);
    certs_ca(&certs, "ca");
    certs_workload(&certs, "gateway", "ca", "spiffe://one.test/gateway");
    certs_workload(&certs, "client", "ca", "spiffe://one.test/a");
    certs_crl(&certs, "crl", "ca", 1, none);
    tls_config_init(&server_config, &certs, "gateway");
    tls_config_init(&client_config, &certs, "client");
    server_config.config.tickets = gw_tls_ticket_keys_new(0);
    server_config.config.peers = gw_tls_peers_new(64);
    struct diags diags;
    struct buf ca = certs_pem(&certs, "ca"), crl = certs_read_crl(&certs, "crl");
    diags_init(&diags);
    bundles = pki_trust_new();
    revocation = pki_revocation_new();
    assert_int_equal(pki_trust_add_pem(bundles, SPAN("one.test"), buf_span(&ca), SPAN("f"), &diags), 0);
    assert_int_equal(pki_revocation_add_crl(revocation, SPAN("one.test"), buf_span(&crl), SPAN("f"), &diags), 0);
    for (int i = 0; i < LOOPS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, loop, &failed), 0);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failed, 0);
    assert_int_equal(gw_tls_peers_count(server_config.config.peers), 1);
    gw_tls_peers_free(server_config.config.peers);
    gw_tls_ticket_keys_free(server_config.config.tickets);
    pki_trust_free(bundles);
    pki_revocation_free(revocation);
    buf_fini(&ca), buf_fini(&crl);
    diags_fini(&diags);
    tls_config_fini(&server_config);
    tls_config_fini(&client_config);
    gw_tls_process_fini();
    certs_fini(&certs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_bounded_and_the_oldest_goes),
        cmocka_unit_test(same_certificate_is_shared_and_a_new_mapping_replaces),
        cmocka_unit_test(loops_share_peers_tickets_bundles_and_crls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Who gets through gate one, in whole handshakes: the traps of wolfSSL that were reproduced, each under its name, and rules 27–30.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/tls/context_inside.h"
#include <wolfssl/error-ssl.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include "tests/support/raw_client.h"

#define ID "spiffe://one.test/a"

static struct certs certs;
static int64_t now;
static struct tls_config gateway;
static struct tls_side side; // trusts "ca" for one.test, "ca2" for two.test

// A client with these certificates meets the listener. The engine is the caller's to end.
static int meet(struct gw_tls_engine *server, struct tls_side *s, const char *leaf, const char *chain)
{
    struct raw_client client;
    raw_client_init(&client, &certs, leaf, chain, GW_TLS_1_3);
    raw_client_meet(&client, server, s, false, now);
    raw_client_fini(&client);
    if (server->state == GW_TLS_OPEN) {
        assert_non_null(server->peer);
        return 0;
    }
    assert_int_equal(server->state, GW_TLS_FAILED);
    assert_null(server->peer);
    return server->error;
}

static int outcome(struct tls_side *s, const char *leaf, const char *chain)
{
    struct gw_tls_engine server;
    int e = meet(&server, s, leaf, chain);
    gw_tls_fini(&server);
    return e;
}

static void a_workload_gets_in_by_its_certificate(void **state)
{
    (void)state;
    struct gw_tls_engine server;
    assert_int_equal(meet(&server, &side, "client", NULL), 0);
    assert_true(span_eq(server.peer->identity.spiffe_id, SPAN(ID)));
    assert_true(span_eq(server.facts.version, SPAN("TLSv1.3")));
    assert_true(span_eq(server.facts.alpn, SPAN("http/1.1")));
    assert_true(server.facts.group.n && server.facts.cipher.n && !server.facts.resumed);
    gw_tls_fini(&server);
}

static void rule_27_no_certificate_is_refused(void **state)
{
    (void)state;
    assert_int_equal(outcome(&side, NULL, NULL), ERR_CERT_MISSING);
}

static void trap_attacker_ca_in_the_chain_is_not_kept(void **state)
{
    (void)state;
    // wolfSSL adds a CA of the peer's chain to the context when a callback overrides "no signer" for it; the next connection then
    // verifies under it and no callback runs.
    for (int i = 0; i < 3; i++) {
        assert_int_equal(outcome(&side, "forged", "evil"), ERR_CERT_UNTRUSTED);
        assert_int_equal(outcome(&side, "forged", NULL), ERR_CERT_UNTRUSTED);
    }
    // A good connection in between, with the attacker's CA behind its own leaf, does not carry it in either.
    assert_int_equal(outcome(&side, "client", "evil"), 0);
    assert_int_equal(outcome(&side, "forged", NULL), ERR_CERT_UNTRUSTED);
}

static void trap_verified_intermediate_does_not_stay_in_the_context(void **state)
{
    (void)state;
    assert_int_equal(outcome(&side, "below", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(outcome(&side, "below", "issuing"), 0);
    assert_int_equal(outcome(&side, "below", NULL), ERR_CERT_UNTRUSTED);
}

static void trap_look_alike_cas_of_two_domains_stay_apart(void **state)
{
    (void)state;
    struct tls_side s;
    tls_side_init(&s, true, &gateway.config);
    tls_side_trust(&s, &certs, "one.test", "twin1");
    tls_side_trust(&s, &certs, "two.test", "twin2");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(outcome(&s, "of1", "twin1"), 0);
        assert_int_equal(outcome(&s, "of2", "twin2"), 0);
        assert_int_equal(outcome(&s, "cross", NULL), ERR_CERT_UNTRUSTED);
        assert_int_equal(outcome(&s, "cross", "twin2"), ERR_CERT_UNTRUSTED);
    }
    tls_side_fini(&s);
}

static void trap_dns_name_holding_spiffe_is_refused(void **state)
{
    (void)state;
    assert_int_equal(outcome(&side, "dnsname", NULL), ERR_CERT_UNMAPPED);
}

static void trap_verify_callback_that_did_not_run_is_refused(void **state)
{
    (void)state;
    // Once because verification is off …
    struct gw_tls_engine server;
    struct raw_client client;
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    assert_int_equal(gw_tls_server_init(&server, side.context, &side.trust), 0);
    wolfSSL_set_verify(server.ssl, WOLFSSL_VERIFY_NONE, NULL);
    raw_client_begin(&client, false);
    raw_client_run(&client, &server, now);
    assert_int_equal(server.state, GW_TLS_FAILED);
    assert_false(server.callback_ran);
    assert_null(server.peer);
    gw_tls_fini(&server);
    // … once because wolfSSL's own store vouches for the CA, so there is no error to call back for.
    struct tls_side s;
    tls_side_init(&s, true, &gateway.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    struct buf pem = certs_pem(&certs, "ca");
    struct span text = buf_span(&pem);
    assert_int_equal(wolfSSL_CTX_load_verify_buffer(s.context->ctx, (const unsigned char *)text.p, (long)text.n,
                                                    WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    assert_int_equal(gw_tls_server_init(&server, s.context, &s.trust), 0);
    raw_client_begin(&client, false);
    raw_client_run(&client, &server, now);
    assert_int_equal(server.state, GW_TLS_FAILED);
    assert_int_equal(server.error, ERR_CERT_UNTRUSTED); // ours: wolfSSL was content
    assert_string_equal(server.detail, "the certificate was not verified");
    assert_false(server.callback_ran);
    assert_null(server.peer);
    gw_tls_fini(&server);
    buf_fini(&pem);
    tls_side_fini(&s);
    raw_client_fini(&client);
}

static void trap_only_no_signer_is_turned_into_success(void **state)
{
    (void)state;
    struct gw_tls_engine server;
    assert_int_equal(gw_tls_server_init(&server, side.context, &side.trust), 0);
    server.now_s = now;
    struct buf leaf = certs_der(&certs, "client");
    WOLFSSL_BUFFER_INFO sent[1] = { { (unsigned char *)buf_span(&leaf).p, (unsigned)buf_len(&leaf) } };
    static const int others[] = { ASN_AFTER_DATE_E,  ASN_BEFORE_DATE_E,  ASN_SIG_CONFIRM_E,  ASN_SELF_SIGNED_E,
                                  ASN_PATHLEN_INV_E, ASN_NAME_INVALID_E, KEYUSE_SIGNATURE_E, EXTKEYUSE_AUTH_E,
                                  ASN_CRIT_EXT_E,    CRL_CERT_REVOKED,   OCSP_CERT_REVOKED,  -1 };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        WOLFSSL_X509_STORE_CTX store = { .userCtx = &server, .error = others[i], .totalCerts = 1, .certs = sent };
        server.error = 0;
        assert_int_equal(gw_tls_on_verify(0, &store), 0);
        assert_null(server.verified);
        assert_int_not_equal(server.error, 0);
    }
    // "No signer" anywhere but at the leaf is not answered either.
    WOLFSSL_X509_STORE_CTX above = {
        .userCtx = &server, .error = ASN_NO_SIGNER_E, .error_depth = 1, .totalCerts = 1, .certs = sent
    };
    server.error = 0;
    assert_int_equal(gw_tls_on_verify(0, &above), 0);
    assert_null(server.verified);
    // And this is what is.
    WOLFSSL_X509_STORE_CTX good = { .userCtx = &server, .error = ASN_NO_SIGNER_E, .totalCerts = 1, .certs = sent };
    server.error = 0;
    assert_int_equal(gw_tls_on_verify(0, &good), 1);
    assert_non_null(server.verified);
    gw_tls_fini(&server);
    buf_fini(&leaf);
}

static void expired_certificate_is_refused_by_our_clock(void **state)
{
    (void)state;
    struct gw_tls_engine server;
    struct raw_client client;
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    assert_int_equal(gw_tls_server_init(&server, side.context, &side.trust), 0);
    raw_client_begin(&client, false);
    raw_client_run(&client, &server, now + 3 * 86400); // wolfSSL, by the machine's clock, sees nothing wrong
    assert_int_equal(server.error, ERR_CERT_EXPIRED);
    gw_tls_fini(&server);
    raw_client_fini(&client);
}

static void rules_28_29_hold_in_a_handshake_and_name_their_reason(void **state)
{
    (void)state;
    assert_int_equal(outcome(&side, "twouris", NULL), ERR_CERT_SAN);
    assert_int_equal(outcome(&side, "badid", NULL), ERR_CERT_SPIFFE_ID);
    assert_int_equal(outcome(&side, "elsewhere", NULL), ERR_CERT_TRUST_DOMAIN);
    assert_int_equal(outcome(&side, "nousage", NULL), ERR_CERT_USAGE);
    assert_int_equal(outcome(&side, "serveronly", NULL), ERR_CERT_USAGE);
    assert_int_equal(outcome(&side, "selfsigned", NULL), ERR_CERT_UNTRUSTED);
    assert_int_equal(outcome(&side, "ca", NULL), ERR_CERT_UNMAPPED);
}

static void revoked_certificate_is_refused_in_the_handshake(void **state)
{
    (void)state;
    struct tls_side s;
    const char *const names[] = { "client", NULL };
    certs_crl(&certs, "crl", "ca", 1, names);
    tls_side_init(&s, true, &gateway.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    assert_int_equal(outcome(&s, "client", NULL), 0);
    tls_side_crl(&s, &certs, "one.test", "crl");
    assert_int_equal(outcome(&s, "client", NULL), ERR_CERT_REVOKED);
    tls_side_fini(&s);
}

static void revoked_after_the_handshake_is_seen_at_the_next_request(void **state)
{
    (void)state;
    struct tls_side s;
    struct gw_tls_engine server;
    tls_side_init(&s, true, &gateway.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    assert_int_equal(meet(&server, &s, "client", NULL), 0);
    assert_int_equal(gw_tls_recheck(&server, now), 0);
    const char *const names[] = { "client", NULL };
    certs_crl(&certs, "crl", "ca", 1, names);
    tls_side_crl(&s, &certs, "one.test", "crl");
    assert_int_equal(gw_tls_recheck(&server, now), ERR_CERT_REVOKED);
    gw_tls_fini(&server);
    tls_side_fini(&s);
}

static void expired_while_connected_is_seen_at_the_next_request(void **state)
{
    (void)state;
    struct gw_tls_engine server;
    assert_int_equal(meet(&server, &side, "client", NULL), 0);
    assert_int_equal(gw_tls_recheck(&server, now + 3600), 0);
    assert_int_equal(gw_tls_recheck(&server, now + 86400 + 60), ERR_CERT_EXPIRED);
    gw_tls_fini(&server);
}

static void mapping_changed_while_connected_is_seen_at_the_next_request(void **state)
{
    (void)state;
    static const struct pki_identity_rule first[] = {
        { .dns = SPAN("job.test"), .subject = SPAN_NONE, .spiffe_id = SPAN("spiffe://one.test/job") }
    };
    static const struct pki_identity_rule second[] = {
        { .dns = SPAN("job.test"), .subject = SPAN_NONE, .spiffe_id = SPAN("spiffe://one.test/other-job") }
    };
    static const struct pki_identity_map before = { first, 1 }, after = { second, 1 };
    struct gw_tls_engine server, direct;
    side.trust.options.map = &before;
    assert_int_equal(meet(&server, &side, "mapped", NULL), 0);
    assert_int_equal(meet(&direct, &side, "client", NULL), 0);
    assert_true(span_eq(server.peer->identity.spiffe_id, SPAN("spiffe://one.test/job")));
    side.trust.trust_generation++;
    assert_int_equal(gw_tls_recheck(&server, now), 0); // a reload that changes nothing here
    side.trust.trust_generation++;
    side.trust.options.map = &after;
    assert_int_equal(gw_tls_recheck(&server, now), ERR_CERT_UNMAPPED);
    assert_int_equal(gw_tls_recheck(&server, now), ERR_CERT_UNMAPPED);
    assert_int_equal(gw_tls_recheck(&direct, now), 0);
    side.trust.options.map = NULL;
    gw_tls_fini(&server);
    gw_tls_fini(&direct);
}

static void trust_swapped_during_the_handshake_counts_at_once(void **state)
{
    (void)state;
    struct tls_side s, other;
    struct gw_tls_engine server;
    struct raw_client client;
    tls_side_init(&s, true, &gateway.config);
    tls_side_init(&other, true, &gateway.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    tls_side_trust(&other, &certs, "one.test", "ca2");
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    assert_int_equal(gw_tls_server_init(&server, s.context, &s.trust), 0);
    raw_client_begin(&client, false);
    assert_int_not_equal(wolfSSL_connect(client.ssl), WOLFSSL_SUCCESS);
    raw_client_exchange(&client, &server, now);
    s.trust = other.trust;
    raw_client_run(&client, &server, now);
    assert_int_equal(server.error, ERR_CERT_UNTRUSTED);
    gw_tls_fini(&server);
    raw_client_fini(&client);
    tls_side_fini(&other);
    tls_side_fini(&s);
}

// ---- versions and groups

static int version_outcome(enum gw_tls_version server_min, bool ems, struct gw_tls_engine *server)
{
    struct tls_config config;
    struct tls_side s;
    struct raw_client client;
    tls_config_init(&config, &certs, "gateway");
    config.config.min_version = server_min;
    tls_side_init(&s, true, &config.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_2);
    assert_int_equal(gw_tls_server_init(server, s.context, &s.trust), 0);
    raw_client_begin(&client, false);
    if (!ems)
        assert_int_equal(wolfSSL_DisableExtendedMasterSecret(client.ssl), WOLFSSL_SUCCESS);
    raw_client_run(&client, server, now);
    int e = server->state == GW_TLS_OPEN ? 0 : server->error;
    if (e == 0)
        assert_true(span_eq(server->facts.version, SPAN("TLSv1.2")));
    gw_tls_fini(server);
    raw_client_fini(&client);
    tls_side_fini(&s);
    tls_config_fini(&config);
    return e;
}

static void rule_30a_tls_1_2_is_refused_by_default(void **state)
{
    (void)state;
    struct gw_tls_engine server;
    assert_int_equal(version_outcome(GW_TLS_1_3, true, &server), ERR_TLS);
}

static void rule_30a_tls_1_2_needs_extended_master_secret(void **state)
{
    (void)state;
    struct gw_tls_engine server;
    assert_int_equal(version_outcome(GW_TLS_1_2, true, &server), 0);
    assert_int_equal(version_outcome(GW_TLS_1_2, false, &server), ERR_TLS);
}

static void groups_that_are_not_configured_are_refused(void **state)
{
    (void)state;
    static const struct span p256[] = { SPAN("secp256r1") };
    struct tls_config config;
    struct tls_side s;
    struct raw_client client;
    struct gw_tls_engine server;
    int group[] = { WOLFSSL_ECC_SECP256R1 };
    tls_config_init(&config, &certs, "gateway");
    config.config.groups = p256;
    config.config.groups_n = 1;
    tls_side_init(&s, true, &config.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    assert_int_equal(wolfSSL_CTX_set_groups(client.ctx, group, 1), WOLFSSL_SUCCESS);
    raw_client_meet(&client, &server, &side, false, now); // X25519MLKEM768 and X25519 only
    assert_int_equal(server.state, GW_TLS_FAILED);
    gw_tls_fini(&server);
    raw_client_meet(&client, &server, &s, false, now);
    assert_int_equal(server.state, GW_TLS_OPEN);
    assert_true(span_eq(server.facts.group, SPAN("SECP256R1")));
    gw_tls_fini(&server);
    raw_client_fini(&client);
    tls_side_fini(&s);
    tls_config_fini(&config);
}

static void alpn_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    static const struct span h2[] = { SPAN("h2") };
    struct tls_config config;
    struct tls_side s;
    struct raw_client client; // offers http/1.1
    struct gw_tls_engine server;
    tls_config_init(&config, &certs, "gateway");
    config.config.alpn = h2;
    config.config.alpn_n = 1;
    tls_side_init(&s, true, &config.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    raw_client_meet(&client, &server, &s, false, now);
    assert_int_equal(server.state, GW_TLS_FAILED);
    gw_tls_fini(&server);
    raw_client_fini(&client);
    tls_side_fini(&s);
    tls_config_fini(&config);
}

static void rule_30a_early_data_is_never_read(void **state)
{
    (void)state;
    // The build has no early data (context.c refuses to compile with it). Records that come where it would be are not plaintext.
    struct gw_tls_engine server;
    struct raw_client client;
    char buf[64];
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    assert_int_equal(gw_tls_server_init(&server, side.context, &side.trust), 0);
    raw_client_begin(&client, false);
    assert_int_not_equal(wolfSSL_connect(client.ssl), WOLFSSL_SUCCESS);
    buf_append(&client.out, SPAN("\x17\x03\x03\x00\x20GET / HTTP/1.1\r\nHost: early\r\n\r\n  "));
    raw_client_exchange(&client, &server, now);
    assert_true(gw_tls_read(&server, buf, sizeof buf) <= 0);
    raw_client_run(&client, &server, now);
    assert_int_equal(server.state, GW_TLS_FAILED);
    gw_tls_fini(&server);
    raw_client_fini(&client);
}

// ---- our own side as client

static int client_outcome(const char *target, const char *gateway_cert)
{
    struct tls_config sc, cc;
    struct tls_side s, k;
    struct tls_pair p;
    tls_config_init(&sc, &certs, gateway_cert);
    tls_config_init(&cc, &certs, "client");
    tls_side_init(&s, true, &sc.config);
    tls_side_init(&k, false, &cc.config);
    tls_side_trust(&s, &certs, "one.test", "ca");
    tls_side_trust(&k, &certs, "one.test", "ca");
    tls_side_trust(&k, &certs, "", "ca2");
    tls_pair_init(&p, &s, &k, target, now);
    tls_pair_pump(&p, now);
    int e = p.client.state == GW_TLS_OPEN ? 0 : p.client.error;
    assert_true((e == 0) == (p.client.peer != NULL));
    if (e)
        assert_int_not_equal(p.server.state, GW_TLS_OPEN); // it heard of it
    tls_pair_fini(&p);
    tls_side_fini(&s), tls_side_fini(&k);
    tls_config_fini(&sc), tls_config_fini(&cc);
    return e;
}

static void client_pins_the_servers_spiffe_id_or_name(void **state)
{
    (void)state;
    assert_int_equal(client_outcome("spiffe://one.test/gateway", "gateway"), 0);
    assert_int_equal(client_outcome("spiffe://one.test/other", "gateway"), ERR_CERT_SPIFFE_ID);
    assert_int_equal(client_outcome("spiffe://one.test/gateway", "fakegateway"), ERR_CERT_UNTRUSTED);
    assert_int_equal(client_outcome("shard.test", "web"), 0);
    assert_int_equal(client_outcome("127.0.0.1", "web"), 0);
    assert_int_equal(client_outcome("other.test", "web"), ERR_CERT_SAN);
    // A name is vouched for by the CAs for servers, an ID by its trust domain's; neither stands in for the other.
    assert_int_equal(client_outcome("gateway.one.test", "gateway"), ERR_CERT_UNTRUSTED);
    assert_int_equal(client_outcome("spiffe://one.test/gateway", "web"), ERR_CERT_UNMAPPED);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    gw_tls_process_init();
    certs_ca(&certs, "ca");
    certs_ca(&certs, "ca2");
    certs_ca(&certs, "evil");
    certs_make(&certs, "gateway", "ca", "/O=x",
               CERTS_LEAF "subjectAltName=URI:spiffe://one.test/gateway,DNS:gateway.one.test\n", 0);
    certs_workload(&certs, "fakegateway", "evil", "spiffe://one.test/gateway");
    certs_make(&certs, "web", "ca2", "/O=x", CERTS_LEAF "subjectAltName=DNS:shard.test,IP:127.0.0.1\n", 0);
    certs_workload(&certs, "client", "ca", ID);
    certs_workload(&certs, "forged", "evil", ID);
    certs_make(&certs, "issuing", "ca", "/O=Issuing", CERTS_CA, 0);
    certs_workload(&certs, "below", "issuing", ID);
    for (int i = 1; i <= 2; i++)
        certs_make(&certs, i == 1 ? "twin1" : "twin2", NULL, "/O=Twin",
                   "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=01020304\n",
                   0);
    certs_workload(&certs, "of1", "twin1", "spiffe://one.test/a");
    certs_workload(&certs, "of2", "twin2", "spiffe://two.test/a");
    certs_workload(&certs, "cross", "twin2", "spiffe://one.test/a");
    certs_make(&certs, "dnsname", "ca", "/O=x", CERTS_LEAF "subjectAltName=DNS:" ID "\n", 0);
    certs_make(&certs, "mapped", "ca", "/O=x", CERTS_LEAF "subjectAltName=DNS:job.test\n", 0);
    certs_make(&certs, "twouris", "ca", "/O=x", CERTS_LEAF "subjectAltName=URI:" ID ",URI:spiffe://one.test/b\n", 0);
    certs_make(&certs, "badid", "ca", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://one.test/\n", 0);
    certs_make(&certs, "elsewhere", "ca", "/O=x", CERTS_LEAF "subjectAltName=URI:spiffe://three.test/a\n", 0);
    certs_make(&certs, "nousage", "ca", "/O=x", "basicConstraints=critical,CA:FALSE\n" CERTS_URI(ID), 0);
    certs_make(&certs, "serveronly", "ca", "/O=x",
               "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage="
               "serverAuth\n" CERTS_URI(ID),
               0);
    certs_make(&certs, "selfsigned", NULL, "/O=x", CERTS_LEAF CERTS_URI(ID), 0);
    now = tls_now();
    tls_config_init(&gateway, &certs, "gateway");
    tls_side_init(&side, true, &gateway.config);
    tls_side_trust(&side, &certs, "one.test", "ca");
    tls_side_trust(&side, &certs, "two.test", "ca2");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_side_fini(&side);
    tls_config_fini(&gateway);
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_workload_gets_in_by_its_certificate),
        cmocka_unit_test(rule_27_no_certificate_is_refused),
        cmocka_unit_test(trap_attacker_ca_in_the_chain_is_not_kept),
        cmocka_unit_test(trap_verified_intermediate_does_not_stay_in_the_context),
        cmocka_unit_test(trap_look_alike_cas_of_two_domains_stay_apart),
        cmocka_unit_test(trap_dns_name_holding_spiffe_is_refused),
        cmocka_unit_test(trap_verify_callback_that_did_not_run_is_refused),
        cmocka_unit_test(trap_only_no_signer_is_turned_into_success),
        cmocka_unit_test(expired_certificate_is_refused_by_our_clock),
        cmocka_unit_test(rules_28_29_hold_in_a_handshake_and_name_their_reason),
        cmocka_unit_test(revoked_certificate_is_refused_in_the_handshake),
        cmocka_unit_test(revoked_after_the_handshake_is_seen_at_the_next_request),
        cmocka_unit_test(expired_while_connected_is_seen_at_the_next_request),
        cmocka_unit_test(mapping_changed_while_connected_is_seen_at_the_next_request),
        cmocka_unit_test(trust_swapped_during_the_handshake_counts_at_once),
        cmocka_unit_test(rule_30a_tls_1_2_is_refused_by_default),
        cmocka_unit_test(rule_30a_tls_1_2_needs_extended_master_secret),
        cmocka_unit_test(groups_that_are_not_configured_are_refused),
        cmocka_unit_test(alpn_that_is_not_ours_is_refused),
        cmocka_unit_test(rule_30a_early_data_is_never_read),
        cmocka_unit_test(client_pins_the_servers_spiffe_id_or_name),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

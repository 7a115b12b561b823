// SPDX-License-Identifier: GPL-3.0-or-later
// A listener where a client may come without a certificate (the authority's, when its configuration says so): none is nobody, a bad one is refused
// as ever, and nobody becomes somebody by resumption. The gateway's listener has no such option (rule 27).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gateway/tls/context_inside.h"
#include "tests/support/raw_client.h"

#define ID "spiffe://one.test/a"

static struct certs certs;
static struct tls_config own;
static int64_t now;

static void side_with(struct tls_side *s, bool optional, enum gw_tls_version version)
{
    struct gw_tls_config config = own.config;
    config.certificate_optional = optional;
    config.min_version = version;
    tls_side_init(s, true, &config);
    tls_side_trust(s, &certs, "one.test", "ca");
}

// What becomes of a client with this certificate; the state's engine is ended.
static int outcome_at(int64_t at, bool optional, enum gw_tls_version version, const char *name, bool *somebody)
{
    struct tls_side s;
    struct raw_client client;
    struct gw_tls_engine server;
    side_with(&s, optional, version);
    raw_client_init(&client, &certs, name, NULL, version);
    raw_client_meet(&client, &server, &s, false, at);
    int e = server.state == GW_TLS_OPEN ? 0 : server.error;
    *somebody = server.peer != NULL;
    if (server.state == GW_TLS_OPEN && !server.peer)
        assert_int_equal(gw_tls_recheck(&server, at), ERR_CERT_MISSING);
    gw_tls_fini(&server);
    raw_client_fini(&client);
    tls_side_fini(&s);
    return e;
}

static int outcome(bool optional, enum gw_tls_version version, const char *name, bool *somebody)
{
    return outcome_at(now, optional, version, name, somebody);
}

static void rule_27_no_certificate_is_refused_where_nobody_said_optional(void **state)
{
    (void)state;
    bool somebody;
    assert_false((struct gw_tls_config){ 0 }.certificate_optional);
    assert_int_equal(outcome(false, GW_TLS_1_3, NULL, &somebody), ERR_CERT_MISSING);
    assert_false(somebody);
    assert_int_equal(outcome(false, GW_TLS_1_2, NULL, &somebody), ERR_CERT_MISSING);
    assert_false(somebody);
}

static void an_optional_certificate_that_is_not_there_is_nobody(void **state)
{
    (void)state;
    bool somebody = true;
    assert_int_equal(outcome(true, GW_TLS_1_3, NULL, &somebody), 0);
    assert_false(somebody);
    somebody = true;
    assert_int_equal(outcome(true, GW_TLS_1_2, NULL, &somebody), 0);
    assert_false(somebody);
}

static void an_optional_certificate_that_is_there_is_somebody(void **state)
{
    (void)state;
    bool somebody = false;
    assert_int_equal(outcome(true, GW_TLS_1_3, "client", &somebody), 0);
    assert_true(somebody);
    somebody = false;
    assert_int_equal(outcome(true, GW_TLS_1_2, "client", &somebody), 0);
    assert_true(somebody);
}

static void an_optional_certificate_that_is_bad_fails_as_ever(void **state)
{
    (void)state;
    const struct {
        const char *name;
        int error;
        int64_t at;
    } bad[] = {
        { "forged", ERR_CERT_UNTRUSTED, now },
        { "selfsigned", ERR_CERT_UNTRUSTED, now },
        { "client", ERR_CERT_EXPIRED, now + 3 * 86400 },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool somebody;
        int strict = outcome_at(bad[i].at, false, GW_TLS_1_3, bad[i].name, &somebody);
        assert_int_equal(strict, bad[i].error);
        assert_int_equal(outcome_at(bad[i].at, true, GW_TLS_1_3, bad[i].name, &somebody), strict);
        assert_false(somebody);
        assert_int_equal(outcome_at(bad[i].at, true, GW_TLS_1_2, bad[i].name, &somebody), strict);
        assert_false(somebody);
    }
}

// Should wolfSSL's own store ever vouch for a CA, so that we are not asked, its word makes nobody somebody.
static void a_certificate_that_we_did_not_look_at_is_nobodys(void **state)
{
    (void)state;
    struct tls_side s;
    struct raw_client client;
    struct gw_tls_engine server;
    struct buf pem = certs_pem(&certs, "ca");
    side_with(&s, true, GW_TLS_1_3);
    assert_int_equal(wolfSSL_CTX_load_verify_buffer(s.context->ctx, (const unsigned char *)buf_span(&pem).p,
                                                    (long)buf_len(&pem), WOLFSSL_FILETYPE_PEM),
                     WOLFSSL_SUCCESS);
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    raw_client_meet(&client, &server, &s, false, now);
    assert_int_equal(server.state, GW_TLS_OPEN);
    assert_null(server.peer);
    gw_tls_fini(&server);
    raw_client_fini(&client);
    tls_side_fini(&s);
    buf_fini(&pem);
}

// Tickets of another listener's keys and peers are there, and still none is given or taken.
static void nobody_resumes_where_certificates_are_optional(void **state)
{
    (void)state;
    struct gw_tls_config config = own.config;
    config.tickets = gw_tls_ticket_keys_new(3600);
    config.peers = gw_tls_peers_new(64);
    config.certificate_optional = false;
    struct tls_side strict, open;
    tls_side_init(&strict, true, &config);
    tls_side_trust(&strict, &certs, "one.test", "ca");
    config.certificate_optional = true;
    tls_side_init(&open, true, &config);
    tls_side_trust(&open, &certs, "one.test", "ca");

    struct raw_client client, bare;
    struct gw_tls_engine server;
    raw_client_init(&client, &certs, "client", NULL, GW_TLS_1_3);
    raw_client_meet(&client, &server, &strict, false, now);
    assert_int_equal(server.state, GW_TLS_OPEN);
    gw_tls_fini(&server);
    // The session of the strict listener, by a client that has no certificate any more.
    raw_client_init(&bare, &certs, NULL, NULL, GW_TLS_1_3);
    bare.session = client.session;
    client.session = NULL;
    raw_client_meet(&bare, &server, &strict, true, now);
    assert_true(server.state == GW_TLS_OPEN && server.facts.resumed && server.peer);
    gw_tls_fini(&server);
    raw_client_meet(&bare, &server, &open, true, now);
    assert_int_equal(server.state, GW_TLS_OPEN);
    assert_false(server.facts.resumed);
    assert_null(server.peer);
    gw_tls_fini(&server);
    // What the open one gave is no ticket either.
    raw_client_meet(&bare, &server, &open, true, now);
    assert_false(server.facts.resumed);
    assert_null(server.peer);
    gw_tls_fini(&server);
    raw_client_fini(&client);
    raw_client_fini(&bare);
    tls_side_fini(&strict);
    tls_side_fini(&open);
    gw_tls_ticket_keys_free(config.tickets);
    gw_tls_peers_free(config.peers);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    if (gw_tls_process_init() != 0)
        return -1;
    certs_ca(&certs, "ca");
    certs_ca(&certs, "evil");
    certs_workload(&certs, "own", "ca", "spiffe://one.test/authority");
    certs_workload(&certs, "client", "ca", ID);
    certs_workload(&certs, "forged", "evil", ID);
    certs_make(&certs, "selfsigned", NULL, "/O=x", CERTS_LEAF CERTS_URI(ID), 0);
    now = tls_now();
    tls_config_init(&own, &certs, "own");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_config_fini(&own);
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_27_no_certificate_is_refused_where_nobody_said_optional),
        cmocka_unit_test(an_optional_certificate_that_is_not_there_is_nobody),
        cmocka_unit_test(an_optional_certificate_that_is_there_is_somebody),
        cmocka_unit_test(an_optional_certificate_that_is_bad_fails_as_ever),
        cmocka_unit_test(a_certificate_that_we_did_not_look_at_is_nobodys),
        cmocka_unit_test(nobody_resumes_where_certificates_are_optional),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

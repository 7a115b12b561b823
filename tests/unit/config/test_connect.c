// SPDX-License-Identifier: GPL-3.0-or-later
// The connect role's part of a configuration: what is enough, and every way it can be wrong, with its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/config.h"
#include "gateway/config/snapshot_connect.h"

#define F "/etc/f.yaml:"
// connect: stands in line 1; line 5 and what follows is the test's.
#define LEAST                   \
    "connect:\n"                \
    "  certificate: cert.pem\n" \
    "  key: key.pem\n"          \
    "  ca: ca.pem\n"
#define GATEWAY "  gateways: [{url: \"https://gw.example:8443\", spiffe_id: \"spiffe://example.org/gw\"}]\n"
#define TOKEN "  token: {endpoint: {url: \"https://as.example/token\"}}\n"
#define FILE_TOKEN "  token: {file: token}\n"

static struct gw_config *parse(const char *text, struct diags *diags)
{
    struct gw_config *c = NULL;
    diags_init(diags);
    gw_config_parse(span_str(text), SPAN("/etc/f.yaml"), &c, diags);
    return c;
}

static void expect(const char *text, const char *expected)
{
    struct diags diags;
    struct arena a;
    bool found = false;
    arena_init(&a, 0);
    struct gw_config *c = parse(text, &diags);
    for (const struct diag *d = diags.first; d; d = d->next)
        found |= span_starts(diag_format(&a, d), span_str(expected));
    if (c || !found) {
        for (const struct diag *d = diags.first; d; d = d->next)
            print_error("  got: %s\n", diag_format(&a, d).p);
        fail_msg("%s", expected);
    }
    diags_fini(&diags);
    arena_fini(&a);
}

static struct gw_config *good(const char *text)
{
    struct diags diags;
    struct arena a;
    arena_init(&a, 0);
    struct gw_config *c = parse(text, &diags);
    if (!c)
        fail_msg("%s", diag_format(&a, diags.first).p);
    diags_fini(&diags);
    arena_fini(&a);
    return c;
}

static void a_file_of_connect_needs_nothing_of_a_gateways(void **state)
{
    (void)state;
    struct gw_config *c = good(LEAST GATEWAY TOKEN);
    const struct gw_config_connect *k = &c->connect;
    const char *files[8];
    assert_true(k->present);
    assert_false(c->listener.present || c->authority.present || c->audit.present);
    assert_int_equal(k->binding, GW_BINDING_DPOP);
    assert_int_equal(k->listen.n, 0);
    assert_int_equal(k->buffer, 1 << 20);
    assert_int_equal(k->wait, 10000);
    assert_false(k->host_network);
    assert_string_equal(k->gateways[0].server.tls.ca.v.p, "/etc/ca.pem");
    assert_string_equal(k->token.endpoint.server.tls.ca.v.p, "/etc/ca.pem");
    assert_int_equal(k->gateways[0].server.timeouts.first_byte, 60000);
    // What is watched: certificate, key, and the CA of the token endpoint and of the gateway.
    assert_int_equal(gw_connect_files(k, files, 8), 4);
    assert_string_equal(files[0], "/etc/cert.pem");
    gw_config_free(c);
}

static void it_stands_alone(void **state)
{
    (void)state;
    expect(LEAST GATEWAY TOKEN "audit: {file: l}\n", F "2:3: error: 'audit' belongs to a gateway or an authority");
    expect(LEAST GATEWAY TOKEN "trust_domains: [{name: a, bundle: b}]\n", F "2:3: error: 'trust_domains' belongs to");
}

static void no_other_machine_can_reach_it(void **state)
{
    (void)state;
    static const char *const bad[] = { "0.0.0.0:6333", "10.0.0.1:6333", "[::]:6333",   "localhost:6333", "127.0.0.1",
                                       "unix:",        "unix:relative", "128.0.0.1:1", "127.0.0.1:65536" };
    static const char *const fine[] = { "127.0.0.1:6333", "127.0.0.9:0", "[::1]:8000", "unix:/run/x.sock" };
    char text[1024];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, LEAST GATEWAY TOKEN "  listen: [\"%s\"]\n", bad[i]);
        expect(text, F "7:12: error: ");
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        snprintf(text, sizeof text, LEAST GATEWAY TOKEN "  listen: [\"%s\"]\n", fine[i]);
        gw_config_free(good(text));
    }
}

static void a_gateway_is_pinned_and_has_no_path(void **state)
{
    (void)state;
    expect(LEAST TOKEN "  gateways: [{url: \"https://gw.example\"}]\n", F "6:14: error: 'spiffe_id' is missing");
    expect(LEAST TOKEN "  gateways: [{url: \"https://gw.example/api\", spiffe_id: \"spiffe://example.org/gw\"}]\n",
           F "6:20: error: a gateway's URL has no path");
    expect(LEAST TOKEN "  gateways: [{url: \"http://127.0.0.1:8443\", spiffe_id: \"spiffe://example.org/gw\"}]\n",
           F "6:20: error: the gateway is not https");
    expect(LEAST TOKEN "  gateways: []\n", F "6:");
    expect(LEAST TOKEN, F "2:3: error: 'gateways' is missing");
}

static void an_address_may_come_from_the_environment(void **state)
{
    (void)state;
#define AT(address)                                                                                              \
    LEAST TOKEN                                                                                                  \
        "  gateways: [{url: \"https://gw.example\", spiffe_id: \"spiffe://example.org/gw\", address: \"" address \
        "\"}]\n"
    setenv("TEST_NODE", "10.1.2.3", 1);
    struct gw_config *c = good(AT("$TEST_NODE:8443"));
    assert_true(span_eq(c->connect.gateways[0].host, SPAN("10.1.2.3")));
    assert_int_equal(c->connect.gateways[0].port, 8443);
    assert_true(span_eq(c->connect.gateways[0].server.endpoint.authority, SPAN("gw.example")));
    gw_config_free(c);
    setenv("TEST_NODE", "fd00::7", 1);
    c = good(AT("$TEST_NODE:8443"));
    assert_true(span_eq(c->connect.gateways[0].host, SPAN("fd00::7")));
    gw_config_free(c);
    setenv("TEST_NODE", "a b", 1);
    expect(AT("$TEST_NODE:8443"), F "6:");
    unsetenv("TEST_NODE");
    expect(AT("$TEST_NODE:8443"), F "6:");
    expect(AT("$lower:8443"), F "6:");
}

static void a_token_comes_from_one_place_and_fits_its_binding(void **state)
{
    (void)state;
    expect(LEAST GATEWAY, F "2:3: error: 'token' is missing");
    expect(LEAST GATEWAY "  token: {}\n", F "2:3: error: token has either 'endpoint' or 'file'");
    expect(LEAST GATEWAY "  token: {file: t, endpoint: {url: \"https://as.example/\"}}\n",
           F "6:17: error: token has either");
    expect(LEAST GATEWAY FILE_TOKEN, F "6:17: error: the token of a file cannot be bound to connect's key");
    expect(LEAST GATEWAY "  token: {endpoint: {url: \"https://as.example/\", scope: \"a  b\"}}\n", F "6:");
    gw_config_free(good(LEAST GATEWAY FILE_TOKEN "  binding: certificate\n"));
}

static void a_certificate_comes_from_files_or_from_the_authority(void **state)
{
    (void)state;
#define ENROL "  enrol: {url: \"https://as.example:8445\", ca: ca.pem, token_file: t}\n"
    expect(LEAST GATEWAY TOKEN ENROL, F "7:");
    expect("connect:\n" GATEWAY TOKEN, F "2:3: error: 'certificate' is missing");
    struct gw_config *c = good("connect:\n" GATEWAY TOKEN ENROL);
    // Who vouches comes with the certificate.
    assert_true(span_is_none(c->connect.gateways[0].server.tls.ca.v));
    gw_config_free(c);
    expect("connect:\n  certificate: c\n  key: k\n" GATEWAY TOKEN,
           F "4:20: error: nothing vouches for the gateway; set connect.ca");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_connect_needs_nothing_of_a_gateways),
        cmocka_unit_test(it_stands_alone),
        cmocka_unit_test(no_other_machine_can_reach_it),
        cmocka_unit_test(a_gateway_is_pinned_and_has_no_path),
        cmocka_unit_test(an_address_may_come_from_the_environment),
        cmocka_unit_test(a_token_comes_from_one_place_and_fits_its_binding),
        cmocka_unit_test(a_certificate_comes_from_files_or_from_the_authority),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

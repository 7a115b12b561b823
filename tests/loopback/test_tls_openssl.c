// SPDX-License-Identifier: GPL-3.0-or-later
// The engine against another implementation: `openssl s_client` on a Unix socket, driven by a loop of a few lines.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/tls_pair.h"

static struct certs certs;
static struct tls_config config;
static struct gw_tls_ticket_keys *keys;
static struct gw_tls_peers *peers;

struct talk {
    enum gw_tls_state state;
    int error, alert;
    bool resumed;
    char version[16], group[32], id[64], heard[64];
};

// Starts `openssl s_client` with `options` and `input` on its standard input, serves it until it goes away.
static void talk(struct tls_side *side, const char *options, const char *input, struct talk *t)
{
    char path[96], command[1024];
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(path, sizeof path, "%s/socket", certs.dir);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    unlink(path);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    snprintf(command, sizeof command,
             "cd %s && { printf '%s'; sleep 0.4; } | timeout 10 openssl s_client -unix socket %s >s_client.log 2>&1",
             certs.dir, input, options);
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    struct pollfd wait_for = { .fd = listener, .events = POLLIN };
    assert_int_equal(poll(&wait_for, 1, 10000), 1);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);

    struct gw_tls_engine e;
    char bytes[16384];
    ssize_t n;
    *t = (struct talk){ 0 };
    assert_int_equal(gw_tls_server_init(&e, side->context, &side->trust), 0);
    while ((n = read(fd, bytes, sizeof bytes)) > 0) {
        gw_tls_feed(&e, span_of(bytes, (size_t)n), tls_now());
        while (e.state == GW_TLS_OPEN && (n = gw_tls_read(&e, bytes, sizeof bytes - 1)) > 0) {
            bytes[n] = 0;
            snprintf(t->heard + strlen(t->heard), sizeof t->heard - strlen(t->heard), "%.40s", bytes);
            gw_tls_write(&e, SPAN("answer\n"));
        }
        struct span out = gw_tls_output(&e);
        if (out.n && write(fd, out.p, out.n) == (ssize_t)out.n)
            gw_tls_sent(&e, out.n);
        if (e.state == GW_TLS_FAILED)
            break;
    }
    t->state = e.state;
    t->error = e.error;
    t->alert = e.alert;
    t->resumed = e.facts.resumed;
    snprintf(t->version, sizeof t->version, "%.*s", SPAN_FMT(e.facts.version));
    snprintf(t->group, sizeof t->group, "%.*s", SPAN_FMT(e.facts.group));
    if (e.peer)
        snprintf(t->id, sizeof t->id, "%.*s", SPAN_FMT(e.peer->identity.spiffe_id));
    gw_tls_fini(&e);
    close(fd);
    close(listener);
    waitpid(child, NULL, 0);
}

static bool log_has(const char *file, const char *text)
{
    char command[512];
    snprintf(command, sizeof command, "grep -sq -- '%s' %s/%s", text, certs.dir, file);
    return system(command) == 0; // NOLINT
}

static void side_with(struct tls_side *s, enum gw_tls_version min_version)
{
    config.config.min_version = min_version;
    tls_side_init(s, true, &config.config);
    tls_side_trust(s, &certs, "one.test", "ca");
}

#define CERT "-cert client.pem -key client.key -CAfile ca.pem "

static void openssl_gets_in_with_tls_1_3(void **state)
{
    (void)state;
    struct tls_side s;
    struct talk t;
    side_with(&s, GW_TLS_1_3);
    talk(&s, CERT "-tls1_3 -alpn http/1.1", "hello", &t);
    assert_string_equal(t.id, "spiffe://one.test/a");
    assert_string_equal(t.version, "TLSv1.3");
    assert_string_equal(t.heard, "hello");
    assert_true(log_has("s_client.log", "answer"));
    assert_true(log_has("s_client.log", "Verify return code: 0"));
    assert_int_equal(t.state, GW_TLS_PEER_CLOSED);
    tls_side_fini(&s);
}

static void openssl_without_a_certificate_is_refused(void **state)
{
    (void)state;
    struct tls_side s;
    struct talk t;
    side_with(&s, GW_TLS_1_3);
    talk(&s, "-CAfile ca.pem", "hello", &t);
    assert_int_equal(t.error, ERR_CERT_MISSING);
    assert_string_equal(t.id, "");
    assert_string_equal(t.heard, "");
    tls_side_fini(&s);
}

static void openssl_resumes_and_is_the_same_workload(void **state)
{
    (void)state;
    struct tls_side s;
    struct talk t;
    side_with(&s, GW_TLS_1_3);
    talk(&s, CERT "-tls1_3 -sess_out session", "hello", &t);
    assert_false(t.resumed);
    // No certificate this time: the session says who it is.
    talk(&s, "-CAfile ca.pem -tls1_3 -sess_in session", "hello again", &t);
    assert_true(t.resumed);
    assert_string_equal(t.id, "spiffe://one.test/a");
    assert_string_equal(t.heard, "hello again");
    // With psk_ke allowed by the client we still do a key exchange.
    talk(&s, "-CAfile ca.pem -tls1_3 -groups X25519 -allow_no_dhe_kex -sess_in session", "x", &t);
    assert_true(t.resumed);
    assert_string_equal(t.group, "X25519");
    tls_side_fini(&s);
}

static void rule_30a_tickets_promise_no_early_data(void **state)
{
    (void)state;
    struct tls_side s;
    struct talk t;
    char command[256];
    side_with(&s, GW_TLS_1_3);
    talk(&s, CERT "-tls1_3 -sess_out session", "hello", &t);
    snprintf(command, sizeof command,
             "cd %s && openssl sess_id -in session -noout -text >session.txt && printf early >early", certs.dir);
    assert_int_equal(system(command), 0); // NOLINT
    assert_true(log_has("session.txt", "TLS session ticket lifetime hint: 28800"));
    assert_false(log_has("session.txt", "Max Early Data: [1-9]"));
    talk(&s, CERT "-tls1_3 -sess_in session -early_data early", "late", &t);
    assert_true(t.state == GW_TLS_FAILED || strcmp(t.heard, "late") == 0);
    assert_null(strstr(t.heard, "early"));
    tls_side_fini(&s);
}

static void rule_30a_tls_1_2_is_refused_unless_configured_and_never_renegotiates(void **state)
{
    (void)state;
    struct tls_side s;
    struct talk t;
    side_with(&s, GW_TLS_1_3);
    talk(&s, CERT "-tls1_2", "hello", &t);
    assert_int_equal(t.state, GW_TLS_FAILED);
    assert_string_equal(t.heard, "");
    tls_side_fini(&s);

    side_with(&s, GW_TLS_1_2);
    talk(&s, CERT "-tls1_2 -sess_out session12", "hello", &t);
    assert_string_equal(t.version, "TLSv1.2");
    assert_string_equal(t.id, "spiffe://one.test/a");
    assert_string_equal(t.heard, "hello");
    // Neither a ticket nor a session id: there is nothing to resume with.
    assert_false(log_has("s_client.log", "TLS session ticket:"));
    assert_false(log_has("session12", "BEGIN"));
    // "R" on a line of its own makes s_client renegotiate.
    talk(&s, CERT "-tls1_2 -legacy_renegotiation", "R\\nafter\\n", &t);
    assert_null(strstr(t.heard, "after"));
    // The same version of the engine still prefers 1.3.
    talk(&s, CERT, "hello", &t);
    assert_string_equal(t.version, "TLSv1.3");
    tls_side_fini(&s);
}

static int setup(void **state)
{
    (void)state;
    certs_init(&certs);
    gw_tls_process_init();
    certs_ca(&certs, "ca");
    certs_workload(&certs, "gateway", "ca", "spiffe://one.test/gateway");
    certs_workload(&certs, "client", "ca", "spiffe://one.test/a");
    keys = gw_tls_ticket_keys_new(0);
    peers = gw_tls_peers_new(64);
    tls_config_init(&config, &certs, "gateway");
    config.config.tickets = keys;
    config.config.peers = peers;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tls_config_fini(&config);
    gw_tls_peers_free(peers);
    gw_tls_ticket_keys_free(keys);
    gw_tls_process_fini();
    certs_fini(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_gets_in_with_tls_1_3),
        cmocka_unit_test(openssl_without_a_certificate_is_refused),
        cmocka_unit_test(openssl_resumes_and_is_the_same_workload),
        cmocka_unit_test(rule_30a_tickets_promise_no_early_data),
        cmocka_unit_test(rule_30a_tls_1_2_is_refused_unless_configured_and_never_renegotiates),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The authority's thread with its stores and sockets: generations in a burst while clients come and go, an end at any moment, and keys that are
// there again afterwards. For the thread sanitizer above all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/net/authority.h"
#include "pki/revocation_feed.h"
#include "tests/support/tls_pair.h"

#define ID "spiffe://example.org/a"

static struct certs certs;
static struct log quiet;

struct place {
    struct gw_shared shared;
    struct pki_nonce_keys nonces;
    struct gw_snapshot *snapshot;
    struct gw_revocations *revocations;
    struct gw_authority_server server;
    uint16_t port;
};

static void write_file(const char *name, const char *content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", certs.dir, name);
    assert_int_equal(file_write(path, span_str(content), 0600), 0);
}

static int listening(uint16_t *port)
{
    const char *what = "";
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    int fd;
    assert_int_equal(gw_tcp_bind(SPAN("127.0.0.1:0"), false, &fd, &what), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void place_init(struct place *p)
{
    char path[128];
    struct diags diags;
    int64_t now_s = clock_read().wall_ms / 1000;
    *p = (struct place){ .port = 0 };
    diags_init(&diags);
    snprintf(path, sizeof path, "%s/f.yaml", certs.dir);
    p->snapshot = gw_snapshot_load(path, 1, now_s, &diags);
    assert_non_null(p->snapshot);
    p->revocations = gw_revocations_load(p->snapshot->config, NULL, 1, now_s, &diags);
    assert_non_null(p->revocations);
    pki_nonce_keys_init(&p->nonces, 10000, 60000);
    p->shared = (struct gw_shared){ .log = &quiet,
                                    .replay = pki_replay_new(&(struct pki_replay_options){ .entries = 1024 }),
                                    .nonces = &p->nonces,
                                    .tickets = gw_tls_ticket_keys_new(3600),
                                    .peers = gw_tls_peers_new(64) };
    snprintf(path, sizeof path, "%s/audit.jsonl", certs.dir);
    struct gw_audit_options audit = {
        .journal = { .file = path }, .queue = 1 << 20, .interval_ms = 10, .producers = 1
    };
    assert_int_equal(gw_audit_open(&audit, &p->shared.audit), 0);
    int fd = listening(&p->port);
    assert_int_equal(gw_authority_server_init(&p->server, &p->shared, 0, &fd, 1, gw_snapshot_ref(p->snapshot),
                                              gw_revocations_ref(p->revocations), &diags),
                     0);
    diags_fini(&diags);
}

static void place_fini(struct place *p)
{
    gw_authority_server_stop(&p->server);
    gw_audit_close(p->shared.audit, 5000);
    gw_authority_server_fini(&p->server);
    gw_snapshot_unref(p->snapshot);
    gw_revocations_unref(p->revocations);
    pki_replay_free(p->shared.replay);
    gw_tls_ticket_keys_free(p->shared.tickets);
    gw_tls_peers_free(p->shared.peers);
}

// One request over a connection of its own; what came back. False: no connection.
static bool request(struct place *p, struct tls_side *side, const char *path, char out[static 4096])
{
    struct gw_tls_engine e;
    struct gw_tls_target target = { .spiffe_id = SPAN("spiffe://example.org/authority"),
                                    .dns = SPAN_NONE,
                                    .sni = SPAN_NONE };
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons(p->port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    char text[256], in[16384];
    size_t got = 0;
    bool said = false;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ .tv_sec = 20 }, sizeof(struct timeval));
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        close(fd);
        return false;
    }
    snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: auth.example.org\r\nConnection: close\r\n\r\n", path);
    assert_int_equal(gw_tls_client_init(&e, side->context, &side->trust, &target, tls_now()), 0);
    for (ssize_t n = 1; n > 0 && e.state != GW_TLS_PEER_CLOSED && e.state != GW_TLS_FAILED;) {
        if (e.state == GW_TLS_OPEN && !said) {
            said = true;
            assert_true(gw_tls_write(&e, span_str(text)) > 0);
        }
        struct span send_now = gw_tls_output(&e);
        if (send_now.n > 0) {
            if (send(fd, send_now.p, send_now.n, MSG_NOSIGNAL) != (ssize_t)send_now.n)
                break;
            gw_tls_sent(&e, send_now.n);
            if (e.state == GW_TLS_OPEN && !said)
                continue;
        }
        n = recv(fd, in, sizeof in, 0);
        if (n > 0)
            gw_tls_feed(&e, span_of(in, (size_t)n), tls_now());
        for (ssize_t m; got < 4095 && (m = gw_tls_read(&e, out + got, 4095 - got)) > 0;)
            got += (size_t)m;
    }
    out[got] = '\0';
    gw_tls_fini(&e);
    close(fd);
    return true;
}

static void hand_over(struct place *p, bool snapshot)
{
    struct gw_generation *g = calloc(1, sizeof *g);
    assert_non_null(g);
    g->snapshot = snapshot ? gw_snapshot_ref(p->snapshot) : NULL;
    g->revocations = gw_revocations_ref(p->revocations);
    gw_authority_server_adopt(&p->server, g);
}

static void side_init(struct tls_side *side, struct tls_config *config)
{
    tls_config_init(config, &certs, "client");
    tls_side_init(side, false, &config->config);
    tls_side_trust(side, &certs, "example.org", "ca");
}

static void generations_in_a_burst_disturb_no_request(void **state)
{
    (void)state;
    struct place *p = calloc(1, sizeof *p);
    struct tls_side side;
    struct tls_config config;
    char answer[4096];
    place_init(p);
    side_init(&side, &config);
    assert_int_equal(gw_authority_server_start(&p->server), 0);
    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 50; k++)
            hand_over(p, k % 2 == 0);
        assert_true(request(p, &side, i % 2 ? "/oauth2/jwks" : "/nowhere", answer));
        assert_non_null(strstr(answer, i % 2 ? "HTTP/1.1 200 OK" : "HTTP/1.1 404 Not Found"));
        assert_true(span_is_none(gw_authority_server_fault(&p->server, clock_read().mono_ms)));
    }
    place_fini(p);
    tls_side_fini(&side);
    tls_config_fini(&config);
    free(p);
}

static atomic_bool over;

static void on_drained(void *ctx)
{
    (void)ctx;
    atomic_store(&over, true);
}

static void draining_says_so_and_closes_the_listeners(void **state)
{
    (void)state;
    struct place *p = calloc(1, sizeof *p);
    struct tls_side side;
    struct tls_config config;
    char answer[4096];
    place_init(p);
    side_init(&side, &config);
    p->server.on_drained = on_drained;
    assert_int_equal(gw_authority_server_start(&p->server), 0);
    assert_true(request(p, &side, "/oauth2/jwks", answer));
    gw_authority_server_drain(&p->server);
    for (int i = 0; i < 1000 && !atomic_load(&over); i++)
        usleep(10000);
    assert_true(atomic_load(&over));
    assert_false(request(p, &side, "/oauth2/jwks", answer));
    place_fini(p);
    tls_side_fini(&side);
    tls_config_fini(&config);
    free(p);
}

static void one_that_was_never_started_ends(void **state)
{
    (void)state;
    struct place *p = calloc(1, sizeof *p);
    place_init(p);
    hand_over(p, true);
    place_fini(p);
    struct gw_authority_server zeroed = { .made = false };
    gw_authority_server_stop(&zeroed);
    gw_authority_server_fini(&zeroed);
    free(p);
}

static void a_wrong_passphrase_is_said_under_its_place(void **state)
{
    (void)state;
    struct place *p = calloc(1, sizeof *p);
    place_init(p); // makes the keys
    place_fini(p);
    write_file("passphrase", "another passphrase\n");
    char path[128];
    struct diags diags;
    struct arena a;
    arena_init(&a, 0);
    diags_init(&diags);
    snprintf(path, sizeof path, "%s/f.yaml", certs.dir);
    int64_t now_s = clock_read().wall_ms / 1000;
    struct gw_snapshot *s = gw_snapshot_load(path, 1, now_s, &diags);
    struct gw_revocations *r = gw_revocations_load(s->config, NULL, 1, now_s, &diags);
    struct gw_shared shared = { .log = &quiet };
    assert_int_not_equal(gw_authority_server_init(&p->server, &shared, 0, NULL, 0, s, r, &diags), 0);
    assert_true(diags.errors > 0);
    assert_non_null(strstr(diag_format(&a, diags.first).p, "f.yaml:5:10: error: "));
    assert_null(strstr(diag_format(&a, diags.first).p, "another passphrase"));
    usleep(1200000); // a slow machine: timers that look at what could not be opened would be due by now
    uv_update_time(&p->server.uv);
    gw_authority_server_stop(&p->server);
    gw_authority_server_fini(&p->server);
    write_file("passphrase", "secret\n");
    diags_fini(&diags);
    arena_fini(&a);
    free(p);
}

static struct pki_revoked_store *registry(void)
{
    char path[128];
    struct pki_revoked_store *s = NULL;
    snprintf(path, sizeof path, "%s/revoked.db", certs.dir);
    assert_int_equal(pki_revoked_store_open(path, 1000, &s), 0);
    return s;
}

// As `sallyport token revoke` does it: the authority is not told.
static void *revoke_in_a_while(void *store)
{
    const struct pki_revoked_entry e = { .kind = PKI_REVOKED_JTI, .value = SPAN("leaked"), .revoked_s = 5 };
    usleep(300000);
    return pki_revoked_store_add(store, &e, 1, tls_now()) == 0 ? store : NULL;
}

static void a_follower_hears_of_a_revocation_although_the_control_thread_is_busy(void **state)
{
    (void)state;
    struct place *p = calloc(1, sizeof *p);
    struct pki_revoked_store *store = registry();
    struct tls_side side;
    struct tls_config config;
    struct pki_feed_ask ask = { .nonce = 7, .wait_s = 15 };
    struct buf target;
    pthread_t revoker;
    void *done = NULL;
    char answer[4096];
    place_init(p);
    side_init(&side, &config);
    assert_int_equal(gw_authority_server_start(&p->server), 0);
    assert_int_equal(pki_revoked_log_head(store, &ask.after), 0);
    buf_init(&target, 0);
    buf_printf(&target, "/revocations?");
    pki_feed_ask_write(&ask, &target);
    buf_byte(&target, '\0');
    assert_int_equal(pthread_create(&revoker, NULL, revoke_in_a_while, store), 0);
    int64_t before_ms = clock_read().mono_ms;
    assert_true(request(p, &side, buf_span(&target).p, answer));
    int64_t took_ms = clock_read().mono_ms - before_ms;
    assert_int_equal(pthread_join(revoker, &done), 0);
    assert_ptr_equal(done, store);
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    assert_true(took_ms >= 200 && took_ms < 8000); // it would have been told at 15 s that there is nothing
    buf_fini(&target);
    pki_revoked_store_close(store);
    place_fini(p);
    tls_side_fini(&side);
    tls_config_fini(&config);
    free(p);
}

static int setup(void **state)
{
    (void)state;
    char path[128];
    certs_init(&certs);
    if (gw_tls_process_init() != 0)
        return -1;
    certs_ca(&certs, "ca");
    certs_workload(&certs, "own", "ca", "spiffe://example.org/authority");
    certs_workload(&certs, "client", "ca", ID);
    snprintf(path, sizeof path, "%s/own.key", certs.dir);
    assert_int_equal(chmod(path, 0600), 0);
    snprintf(path, sizeof path, "%s/state", certs.dir);
    assert_int_equal(mkdir(path, 0700), 0);
    struct pki_revoked_store *store = NULL;
    snprintf(path, sizeof path, "%s/revoked.db", certs.dir);
    assert_int_equal(pki_revoked_store_create(path, &store), 0);
    pki_revoked_store_close(store);
    write_file("passphrase", "secret\n");
    write_file("issue.cedar", "permit (principal, action, resource);\n");
    write_file("f.yaml", "authority:\n"
                         "  issuer: https://auth.example.org\n"
                         "  addresses: [\"127.0.0.1:1\"]\n"
                         "  tls: {certificate: own.pem, key: own.key}\n"
                         "  state: state\n"
                         "  signing: {passphrase_file: passphrase}\n"
                         "  audiences: [sallyport]\n"
                         "  policy: {files: [issue.cedar]}\n"
                         "  feed: true\n"
                         "  followers: [\"spiffe://example.org/*\"]\n"
                         "revocations: {store: revoked.db}\n"
                         "trust_domains:\n  - {name: example.org, bundle: ca.pem}\n"
                         "audit: {file: audit.jsonl}\n");
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
        cmocka_unit_test(generations_in_a_burst_disturb_no_request),
        cmocka_unit_test(a_follower_hears_of_a_revocation_although_the_control_thread_is_busy),
        cmocka_unit_test(draining_says_so_and_closes_the_listeners),
        cmocka_unit_test(one_that_was_never_started_ends),
        cmocka_unit_test(a_wrong_passphrase_is_said_under_its_place),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// A mutual TLS 1.3 handshake in memory, as the server has it: its engine from its making to its end, without what the client does meanwhile.
#include "bench/support/micro.h"
#include "gateway/base/clock.h"
#include "tests/support/raw_client.h"

#define SERVER "spiffe://prod.example/gateway"
#define CLIENT "spiffe://prod.example/ns/rag/sa/api"

enum how { FULL, HYBRID, RESUMED };

struct setting {
    struct certs certs;
    struct tls_config config;
    struct tls_side side;
    struct raw_client clients[3];
    int64_t now_s, took_ns;
};

static void set_up(void *ctx)
{
    struct setting *s = ctx;
    int groups[] = { [FULL] = WOLFSSL_ECC_X25519, [HYBRID] = WOLFSSL_X25519MLKEM768, [RESUMED] = WOLFSSL_ECC_X25519 };
    micro_must(gw_tls_process_init() == 0, "set up");
    s->now_s = tls_now();
    certs_init(&s->certs);
    certs_ca(&s->certs, "ca");
    certs_workload(&s->certs, "server", "ca", SERVER);
    certs_workload(&s->certs, "client", "ca", CLIENT);
    tls_config_init(&s->config, &s->certs, "server");
    s->config.config.tickets = gw_tls_ticket_keys_new(0);
    s->config.config.peers = gw_tls_peers_new(64);
    tls_side_init(&s->side, true, &s->config.config);
    tls_side_trust(&s->side, &s->certs, "prod.example", "ca");
    for (int how = 0; how < 3; how++) {
        raw_client_init(&s->clients[how], &s->certs, "client", NULL, GW_TLS_1_3);
        micro_must(wolfSSL_CTX_set_groups(s->clients[how].ctx, &groups[how], 1) == WOLFSSL_SUCCESS, "group");
    }
}

static void tear_down(void *ctx)
{
    struct setting *s = ctx;
    for (int how = 0; how < 3; how++)
        raw_client_fini(&s->clients[how]);
    tls_side_fini(&s->side);
    gw_tls_ticket_keys_free(s->config.config.tickets);
    gw_tls_peers_free(s->config.config.peers);
    tls_config_fini(&s->config);
    certs_fini(&s->certs);
    gw_tls_process_fini();
}

// A ticket of a handshake just made: a chain of resumptions has an end.
static void before_resumed(void *ctx, unsigned how)
{
    struct setting *s = ctx;
    struct gw_tls_engine server;
    raw_client_meet(&s->clients[how], &server, &s->side, false, s->now_s);
    gw_tls_fini(&server);
}

static void run(void *ctx, unsigned how)
{
    struct setting *s = ctx;
    struct raw_client *c = &s->clients[how];
    struct gw_tls_engine server;
    int64_t began = clock_mono_ns();
    micro_must(gw_tls_server_init(&server, s->side.context, &s->side.trust) == 0, "engine");
    s->took_ns = clock_mono_ns() - began;
    raw_client_begin(c, how == RESUMED);
    c->server_ns = 0;
    raw_client_run(c, &server, s->now_s);
    micro_must(server.state == GW_TLS_OPEN && server.peer && server.facts.resumed == (how == RESUMED), "handshake");
    began = clock_mono_ns();
    gw_tls_fini(&server);
    s->took_ns += clock_mono_ns() - began + c->server_ns;
}

static int64_t took_ns(void *ctx, unsigned how)
{
    const struct setting *s = ctx;
    (void)how;
    return s->took_ns;
}

int main(int argc, char **argv)
{
    static struct setting s;
    static const struct micro all[] = {
        { .name = "handshake-full",
          .what = "X25519, P-256 certificates",
          .rounds = 1000,
          .arg = FULL,
          .run = run,
          .took_ns = took_ns },
        { .name = "handshake-hybrid",
          .what = "X25519MLKEM768",
          .rounds = 1000,
          .arg = HYBRID,
          .run = run,
          .took_ns = took_ns },
        { .name = "handshake-resumed",
          .what = "X25519 and a ticket; the identity is judged again",
          .rounds = 1000,
          .arg = RESUMED,
          .before = before_resumed,
          .run = run,
          .took_ns = took_ns },
    };
    return micro_main(
        argc, argv,
        &(struct micro_program){
            .stages = all, .n = sizeof all / sizeof *all, .ctx = &s, .set_up = set_up, .tear_down = tear_down });
}

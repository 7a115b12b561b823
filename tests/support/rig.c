// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/rig.h"

#include "gateway/base/file.h"
#include "gateway/net/flow.h"
#include "gateway/net/sweep.h"
#include "pki/digest.h"
#include "pki/jwks.h"
#include "pki/mint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define READ 65536

static void require(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "rig: %s\n", what);
    abort();
}

static void put(struct rig *r, const char *name, struct span content)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", r->dir, name);
    require(file_write(path, content, 0600) == 0, path);
}

static void put_buf(struct rig *r, const char *name, struct buf b)
{
    put(r, name, buf_span(&b));
    buf_wipe(&b);
}

// ------------------------------------------------------------------------------------------------ sockets of memory

static void mem_write(struct gw_socket *s, struct span bytes)
{
    struct rig_pipe *p = s->impl;
    if (p->near_end)
        return;
    buf_append(&p->from_gateway, bytes);
    s->queued = p->window && buf_len(&p->from_gateway) > p->window ? buf_len(&p->from_gateway) : 0;
    if (s->queued > 0)
        s->congested = true;
}

static void mem_nothing(struct gw_socket *s)
{
    (void)s;
}

static void mem_shutdown(struct gw_socket *s)
{
    struct rig_pipe *p = s->impl;
    p->near_end = true;
}

static void mem_close(struct gw_socket *s)
{
    struct rig_pipe *p = s->impl;
    p->near_end = true;
    s->reading = false;
    if (s->queued > 0)
        buf_clear(&p->from_gateway); // what was not with the kernel yet is dropped
}

static bool mem_quiet(struct gw_socket *s)
{
    const struct rig_pipe *p = s->impl;
    return buf_len(&p->to_gateway) == 0 && !p->far_end && !p->reset;
}

static const struct gw_socket_ops ops = {
    .write = mem_write,
    .read_start = mem_nothing,
    .read_stop = mem_nothing,
    .shutdown = mem_shutdown,
    .close = mem_close,
    .quiet = mem_quiet,
};

static struct rig_pipe *pipe_new(struct rig *r, struct gw_socket *s)
{
    struct rig_pipe *p = calloc(1, sizeof *p);
    require(p != NULL, "out of memory");
    p->socket = s;
    p->next = r->pipes;
    r->pipes = p;
    s->ops = &ops;
    s->impl = p;
    return p;
}

static int dial(void *ctx, struct gw_socket *s, const char *host, uint16_t port, gw_on_connected on_connected)
{
    struct rig *r = ctx;
    (void)host;
    if (r->dial_fails)
        return -EMFILE;
    if (port == r->port_unreachable)
        return -ENETUNREACH;
    struct rig_pipe *p = pipe_new(r, s);
    if (r->shard_tls) {
        p->tls = calloc(1, sizeof *p->tls);
        require(p->tls && gw_tls_server_init(p->tls, r->shard_tls, &r->client_trust) == 0, "no TLS for a shard");
    }
    p->connecting = true;
    p->refused = port == r->port_down;
    p->on_connected = on_connected;
    require(r->n_shards < 512, "too many connections to the shard");
    r->ports[r->n_shards] = port;
    r->shards[r->n_shards++] = p;
    return 0;
}

static int accept_pipe(void *ctx, struct gw_socket *s, char remote[static GW_SOCKET_PEER])
{
    struct rig_client *c = ctx;
    c->pipe = pipe_new(c->rig, s);
    strcpy(remote, "192.0.2.7:4711");
    return 0;
}

// One step of one connection; false when nothing moved.
static bool step(struct rig *r, struct rig_pipe *p)
{
    struct gw_socket *s = p->socket;
    if (!s)
        return false;
    if (s->closing) {
        p->socket = NULL;
        s->impl = NULL;
        s->on_closed(s);
        return true;
    }
    if (p->connecting) {
        p->connecting = false;
        p->on_connected(s, r->shard_down || p->refused ? "connection refused" : NULL);
        return true;
    }
    if (p->reset) {
        p->reset = false;
        s->on_error(s, -ECONNRESET);
        return true;
    }
    if (s->reading && buf_len(&p->to_gateway) > 0) {
        // As much at once as a read gives. The bytes are moved away first: what the callback does may add to the pipe.
        struct span in = span_sub(buf_span(&p->to_gateway), 0, READ);
        char *copy = malloc(in.n);
        require(copy != NULL, "out of memory");
        memcpy(copy, in.p, in.n);
        buf_consume(&p->to_gateway, in.n);
        s->on_bytes(s, span_of(copy, in.n));
        free(copy);
        return true;
    }
    if (s->reading && p->far_end && !p->told_end) {
        p->told_end = true;
        s->reading = false;
        s->on_end(s);
        return true;
    }
    if (s->congested && (!p->window || buf_len(&p->from_gateway) <= p->window)) {
        s->congested = false;
        s->queued = 0;
        s->on_drained(s);
        return true;
    }
    return false;
}

static bool client_step(struct rig_client *c)
{
    char plain[4096];
    ssize_t n;
    bool moved = false;
    struct span in = span_sub(buf_span(&c->pipe->from_gateway), 0, READ);
    if (in.n > 0) {
        gw_tls_feed(&c->tls, in, gw_core_now_s(&c->rig->core));
        buf_consume(&c->pipe->from_gateway, in.n);
        moved = true;
    }
    while ((n = gw_tls_read(&c->tls, plain, sizeof plain)) > 0)
        buf_append(&c->received, span_of(plain, (size_t)n));
    c->closed = c->closed || c->tls.state == GW_TLS_PEER_CLOSED;
    if (c->pipe->near_end && buf_len(&c->pipe->from_gateway) == 0 && !c->pipe->far_end) {
        c->cut = !c->closed;
        c->pipe->far_end = true;
        moved = true;
    }
    struct span out = gw_tls_output(&c->tls);
    if (out.n > 0) {
        buf_append(&c->pipe->to_gateway, out);
        gw_tls_sent(&c->tls, out.n);
        moved = true;
    }
    return moved;
}

static bool shard_step(struct rig *r, struct rig_pipe *p)
{
    char plain[4096];
    ssize_t n;
    bool moved = false;
    if (!p->tls)
        return false;
    struct span in = span_sub(buf_span(&p->from_gateway), 0, READ);
    if (in.n > 0) {
        gw_tls_feed(p->tls, in, gw_core_now_s(&r->core));
        buf_consume(&p->from_gateway, in.n);
        moved = true;
    }
    while ((n = gw_tls_read(p->tls, plain, sizeof plain)) > 0)
        buf_append(&p->plain, span_of(plain, (size_t)n));
    struct span out = gw_tls_output(p->tls);
    if (out.n > 0) {
        buf_append(&p->to_gateway, out);
        gw_tls_sent(p->tls, out.n);
        moved = true;
    }
    return moved;
}

#define CLIENTS 64
static struct rig_client *clients[CLIENTS];

void rig_run(struct rig *r)
{
    for (bool moved = true; moved;) {
        moved = false;
        for (struct rig_pipe *p = r->pipes; p; p = p->next) {
            moved = step(r, p) || moved;
            moved = shard_step(r, p) || moved;
        }
        for (size_t i = 0; i < CLIENTS; i++)
            if (clients[i] && clients[i]->rig == r && !clients[i]->pipe->window)
                moved = client_step(clients[i]) || moved;
        if (!moved && r->core.awaiting && !r->disk_hangs) {
            usleep(1000);
            gw_flow_audit_progress(&r->core);
            moved = true;
        }
    }
}

void rig_sleep(struct rig *r, int64_t ms)
{
    // In steps, as a loop's timer would, so that what falls due is told in order.
    for (int64_t step_ms; ms > 0; ms -= step_ms) {
        step_ms = ms < 1000 ? ms : 1000;
        r->core.now.wall_ms += step_ms;
        r->core.now.mono_ms += step_ms;
        gw_wheel_advance(&r->core.wheel, r->core.now.mono_ms);
        rig_run(r);
    }
}

// ------------------------------------------------------------------------------------------------------ the gateway

static const char config[] = "listener:\n"
                             "  addresses: [\"127.0.0.1:1\"]\n"
                             "  authorities: [\"" RIG_AUTHORITY "\"]\n"
                             "  tls: { certificate: gateway.pem, key: gateway.key }\n"
                             "  limits: { body_bytes: 1MiB, inspected_body_bytes: 256KiB }\n"
                             "trust_domains:\n"
                             "  - { name: example.org, bundle: ca.pem }\n"
                             "issuers:\n"
                             "  - name: local\n"
                             "    issuer: https://issuer.test\n"
                             "    jwks: issuer.json\n"
                             "    audiences: [vectors]\n"
                             "    scopes: { read: [readonly], write: [readwrite, admin] }\n"
                             "    asserts: { trust_domains: [example.org] }\n";
static const char policy[] = "policy: { files: [rules.cedar] }\n";

static const char one_shard[] =
    "shards:\n"
    "  - { name: one, api: qdrant, endpoints: [\"http://127.0.0.1:2\"], pool: { idle_timeout: 10m } }\n"
    "routes:\n"
    "  - { shard: one }\n";

static const char policies[] = "@id(\"rag\") permit(principal == Workload::\"" RIG_RAG
                               "\", action in [Action::\"readwrite\", Action::\"create\"], resource);\n"
                               "@id(\"no-secrets\") forbid(principal, action, resource == Collection::\"secret\");\n";

static void write_files(struct rig *r, const char *issuers, const char *shards, const char *extra, const char *audit)
{
    struct certs *c = &r->certs;
    certs_ca(c, "ca");
    certs_workload(c, "gateway", "ca", "spiffe://example.org/gateway");
    certs_workload(c, "rag", "ca", RIG_RAG);
    certs_workload(c, "thief", "ca", RIG_THIEF);
    certs_workload(c, "shard", "ca", RIG_SHARD);
    put_buf(r, "ca.pem", certs_pem(c, "ca"));
    put_buf(r, "gateway.pem", certs_pem(c, "gateway"));
    put_buf(r, "gateway.key", certs_key(c, "gateway"));
    put(r, "rules.cedar", span_str(policies));
    struct buf out;
    buf_init(&out, 0);
    const enum pki_alg alg = PKI_ES256;
    const struct pki_key *key = r->issuer;
    require(pki_jwks_write(&key, &alg, 1, &out) == 0, "no key set");
    put_buf(r, "issuer.json", out);
    buf_init(&out, 0);
    buf_printf(&out, "%s%s%s%saudit: { file: audit.jsonl%s%s }\n%s", config, issuers, policy, shards, audit ? ", " : "",
               audit ? audit : "", extra ? extra : "");
    put_buf(r, "gateway.yaml", out);
}

static void complain(const struct diags *d)
{
    for (const struct diag *x = d->first; x; x = x->next)
        fprintf(stderr, "rig: %.*s:%u: %.*s\n", SPAN_FMT(x->file), x->line, SPAN_FMT(x->text));
}

// What the shard's side of TLS is made of, when the configuration says https.
static void make_shard_tls(struct rig *r, struct diags *diags)
{
    struct buf cert = certs_pem(&r->certs, "shard"), key = certs_key(&r->certs, "shard");
    struct gw_tls_config tls = {
        .cert_pem = buf_span(&cert), .cert_file = SPAN("cert"), .key_pem = buf_span(&key), .key_file = SPAN("key")
    };
    r->shard_tls = gw_tls_context_server(&tls, gw_core_now_s(&r->core), diags);
    require(r->shard_tls != NULL, "no TLS context for the shard");
    buf_fini(&cert);
    buf_wipe(&key);
}

int rig_setup(void **state)
{
    (void)state;
    return gw_tls_process_init();
}

int rig_teardown(void **state)
{
    (void)state;
    gw_tls_process_fini();
    return 0;
}

void rig_init(struct rig *r, const char *extra, const char *audit)
{
    rig_init_shards(r, one_shard, extra, audit);
}

static void init(struct rig *r, const char *issuers, const char *shards, const char *extra, const char *audit);

void rig_init_shards(struct rig *r, const char *shards, const char *extra, const char *audit)
{
    init(r, "", shards, extra, audit);
}

void rig_init_issuers(struct rig *r, const char *issuers, const char *extra)
{
    init(r, issuers, one_shard, extra, NULL);
}

static void init(struct rig *r, const char *issuers, const char *shards, const char *extra, const char *audit)
{
    *r = (struct rig){ .log = { .sink = log_to_stderr } };
    certs_init(&r->certs);
    strcpy(r->dir, "/tmp/sallyport-rig-XXXXXX");
    require(mkdtemp(r->dir) != NULL, "no temporary folder");
    r->issuer = pki_key_generate(PKI_KEY_P256, 0);
    r->dpop = pki_key_generate(PKI_KEY_P256, 0);
    write_files(r, issuers, shards, extra, audit);
    char path[128];
    snprintf(path, sizeof path, "%s/gateway.yaml", r->dir);
    struct diags diags;
    diags_init(&diags);
    struct clock_now now = clock_read();
    struct gw_snapshot *snapshot = gw_snapshot_load(path, 1, now.wall_ms / 1000, &diags);
    complain(&diags);
    require(snapshot != NULL, "the configuration was refused");
    struct gw_revocations *revocations = gw_revocations_load(snapshot->config, NULL, 1, now.wall_ms / 1000, &diags);
    require(revocations && diags.errors == 0, "the revocations were refused");
    diags_fini(&diags);
    pki_nonce_keys_init(&r->nonces, 60000, 300000);
    r->shared = (struct gw_shared){
        .health = gw_health_board_new(),
        .log = &r->log,
        .replay = pki_replay_new(&(struct pki_replay_options){ .entries = 4096 }),
        .nonces = &r->nonces,
        .demands = pki_nonce_demands_new(),
        .quota = gw_quota_new(&(struct gw_quota_options){ .buckets = 1024, .share_percent = 25, .key = { 1, 2 } }),
        .failures = gw_failures_new((const uint64_t[2]){ 3, 4 }),
        .tickets = gw_tls_ticket_keys_new(0),
        .peers = gw_tls_peers_new(64),
    };
    const struct gw_config_audit *a = &snapshot->config->audit;
    struct gw_audit_options options = {
        .journal = { .file = a->file.v.p, .log = &r->log },
        .sync = a->sync_request ? GW_AUDIT_SYNC_REQUEST : GW_AUDIT_SYNC_BATCH,
        .on_full = a->drop_when_full ? GW_AUDIT_DROP : GW_AUDIT_REFUSE,
        .queue = (size_t)a->queue,
        .interval_ms = 5,
        .producers = 1,
    };
    require(gw_audit_open(&options, &r->shared.audit) == 0, "no audit file");
    require(gw_core_init(&r->core, &r->shared, 0, 1, (struct gw_dialler){ dial, r }, &r->metrics, snapshot,
                         revocations) == 0,
            "no core");
    struct buf pem = certs_pem(&r->certs, "ca");
    r->trust = pki_trust_new();
    pki_trust_add_pem(r->trust, SPAN("example.org"), buf_span(&pem), SPAN("ca"), &diags);
    buf_fini(&pem);
    r->client_trust = (struct gw_tls_trust){ .trust = r->trust };
    if (strstr(shards, "https://"))
        make_shard_tls(r, &diags);
    r->target = (struct gw_tls_target){ .spiffe_id = SPAN("spiffe://example.org/gateway") };
}

void rig_fini(struct rig *r)
{
    while (r->core.clients) {
        gw_client_cut(r->core.clients);
        rig_run(r);
    }
    gw_core_fini(&r->core);
    rig_run(r);
    gw_audit_close(r->shared.audit, 1000);
    pki_replay_free(r->shared.replay);
    pki_nonce_demands_free(r->shared.demands);
    gw_quota_free(r->shared.quota);
    gw_failures_free(r->shared.failures);
    gw_health_board_free(r->shared.health);
    gw_tls_ticket_keys_free(r->shared.tickets);
    gw_tls_peers_free(r->shared.peers);
    pki_trust_free(r->trust);
    gw_tls_context_unref(r->shard_tls);
    pki_key_free(r->issuer);
    pki_key_free(r->dpop);
    for (struct rig_pipe *p = r->pipes, *next; p; p = next) {
        next = p->next;
        require(p->socket == NULL, "a connection was left open");
        if (p->tls)
            gw_tls_fini(p->tls);
        free(p->tls);
        buf_fini(&p->plain);
        buf_fini(&p->to_gateway);
        buf_fini(&p->from_gateway);
        free(p);
    }
    certs_fini(&r->certs);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", r->dir);
    require(system(command) == 0, "the temporary folder stays");
}

size_t rig_audit_lines(struct rig *r, const char *text)
{
    char path[128];
    size_t found = 0;
    struct buf file;
    snprintf(path, sizeof path, "%s/audit.jsonl", r->dir);
    // The writer is a thread of its own: what was handed over is there soon.
    for (int i = 0; i < 200; i++)
        if (usleep(2000) == 0 && gw_audit_written(r->shared.audit) >= r->metrics.value[GW_METRIC_AUDIT_WRITTEN])
            break;
    buf_init(&file, 0);
    require(file_read(path, 64u << 20, &file) == 0, "no audit file");
    for (struct span rest = buf_span(&file), line; !span_is_none(rest);) {
        line = span_cut(&rest, '\n');
        if (line.n > 0 && memmem(line.p, line.n, text, strlen(text)))
            found++;
    }
    buf_fini(&file);
    return found;
}

bool rig_audited(struct rig *r, const char *text)
{
    return rig_audit_lines(r, text) > 0;
}

void rig_revoke(struct rig *r, const char *name)
{
    struct diags diags;
    struct gw_revocations *v = calloc(1, sizeof *v);
    diags_init(&diags);
    certs_crl(&r->certs, "crl", "ca", 1, (const char *const[]){ name, NULL });
    struct buf crl = certs_read_crl(&r->certs, "crl");
    v->refs = 1;
    v->generation = r->core.revocations->generation + 1;
    v->certificates = pki_revocation_new();
    arena_init(&v->arena, 0);
    require(pki_revocation_add_crl(v->certificates, SPAN("example.org"), buf_span(&crl), SPAN("crl"), &diags) == 0,
            "no CRL");
    buf_fini(&crl);
    diags_fini(&diags);
    gw_core_adopt_revocations(&r->core, v);
    gw_sweep(&r->core);
}

// ---------------------------------------------------------------------------------------------------------- clients

void rig_client_begin(struct rig_client *c, struct rig *r, const char *name)
{
    struct diags diags;
    *c = (struct rig_client){ .rig = r };
    diags_init(&diags);
    struct buf cert = { 0 }, key = { 0 };
    struct gw_tls_config tls = { .cert_file = SPAN("cert"), .key_file = SPAN("key") };
    if (name) {
        cert = certs_pem(&r->certs, name);
        key = certs_key(&r->certs, name);
        tls.cert_pem = buf_span(&cert);
        tls.key_pem = buf_span(&key);
    }
    c->context = gw_tls_context_client(&tls, gw_core_now_s(&r->core), &diags);
    complain(&diags);
    require(c->context != NULL, "no client context");
    diags_fini(&diags);
    buf_fini(&cert);
    buf_wipe(&key);
    require(gw_tls_client_init(&c->tls, c->context, &r->client_trust, &r->target, gw_core_now_s(&r->core)) == 0,
            "no client");
    require(gw_client_new(&r->core, accept_pipe, c) != NULL, "no connection");
    for (size_t i = 0; i < CLIENTS; i++)
        if (!clients[i]) {
            clients[i] = c;
            break;
        }
}

void rig_client_init(struct rig_client *c, struct rig *r, const char *name)
{
    rig_client_begin(c, r, name);
    rig_run(r);
}

void rig_client_fini(struct rig_client *c)
{
    for (size_t i = 0; i < CLIENTS; i++)
        if (clients[i] == c)
            clients[i] = NULL;
    c->pipe->window = 0;
    c->pipe->far_end = true;
    rig_run(c->rig);
    gw_tls_fini(&c->tls);
    gw_tls_context_unref(c->context);
    buf_fini(&c->received);
}

void rig_send_span(struct rig_client *c, struct span s)
{
    while (s.n > 0) {
        ssize_t n = gw_tls_write(&c->tls, s);
        if (n < 0)
            return;
        s = span_sub(s, (size_t)n, s.n);
        struct span out = gw_tls_output(&c->tls);
        buf_append(&c->pipe->to_gateway, out);
        gw_tls_sent(&c->tls, out.n);
    }
}

void rig_send(struct rig_client *c, const char *text)
{
    rig_send_span(c, span_str(text));
}

const char *rig_received(struct rig_client *c)
{
    *buf_reserve(&c->received, 1) = '\0';
    return buf_span(&c->received).p;
}

// ------------------------------------------------------------------------------------------------------ credentials

static char *text_of(struct buf *b)
{
    char *s = malloc(buf_len(b) + 1);
    require(s != NULL && !b->failed, "out of memory");
    memcpy(s, buf_span(b).p, buf_len(b));
    s[buf_len(b)] = '\0';
    buf_fini(b);
    return s;
}

char *rig_token(struct rig *r, const char *workload, const char *scope)
{
    uint8_t jkt[32];
    struct span audience = SPAN("vectors");
    struct buf out;
    buf_init(&out, 0);
    pki_key_thumbprint(r->dpop, jkt);
    struct pki_mint m = {
        .iss = SPAN("https://issuer.test"),
        .subject = span_str(workload),
        .client_id = SPAN("test"),
        .audiences = { &audience, 1 },
        .scope = span_str(scope ? scope : "read write"),
        .iat_s = gw_core_now_s(&r->core),
        .lifetime_s = 300,
        .jkt = jkt,
    };
    require(pki_mint_token(&m, r->issuer, PKI_ALG_NONE, &out) == 0, "no token");
    return text_of(&out);
}

char *rig_credentials(struct rig *r, const char *token, const char *method, const char *path)
{
    uint8_t ath[PKI_SHA256];
    char uri[512];
    struct buf proof, out;
    buf_init(&proof, 0);
    buf_init(&out, 0);
    pki_sha256(span_str(token), ath);
    snprintf(uri, sizeof uri, "https://" RIG_AUTHORITY "%s", path);
    require(pki_dpop_make(r->dpop, PKI_ALG_NONE, span_str(method), span_str(uri), ath, SPAN_NONE,
                          gw_core_now_s(&r->core), &proof) == 0,
            "no proof");
    buf_printf(&out, "Authorization: DPoP %s\r\nDPoP: %.*s\r\n", token, SPAN_FMT(buf_span(&proof)));
    buf_fini(&proof);
    return text_of(&out);
}

char *rig_request(struct rig *r, const char *method, const char *path, const char *body)
{
    char *token = rig_token(r, RIG_RAG, NULL);
    char *credentials = rig_credentials(r, token, method, path);
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%s %s HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\n%s", method, path, credentials);
    if (body)
        buf_printf(&out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", strlen(body));
    buf_printf(&out, "\r\n%s", body ? body : "");
    free(token);
    free(credentials);
    return text_of(&out);
}

// -------------------------------------------------------------------------------------------------------- the shard

const char *rig_shard_got(struct rig *r, size_t n)
{
    if (n >= r->n_shards)
        return "";
    struct buf *got = r->shards[n]->tls ? &r->shards[n]->plain : &r->shards[n]->from_gateway;
    *buf_reserve(got, 1) = '\0';
    return buf_span(got).p;
}

void rig_shard_forget(struct rig *r, size_t n)
{
    buf_fini(r->shards[n]->tls ? &r->shards[n]->plain : &r->shards[n]->from_gateway);
}

void rig_shard_write(struct rig *r, size_t n, const char *text)
{
    struct rig_pipe *p = r->shards[n];
    if (!p->tls) {
        buf_append(&p->to_gateway, span_str(text));
        return;
    }
    for (struct span s = span_str(text); s.n > 0;) {
        ssize_t took = gw_tls_write(p->tls, s);
        require(took >= 0, "the shard cannot write");
        s = span_sub(s, (size_t)took, s.n);
        struct span out = gw_tls_output(p->tls);
        buf_append(&p->to_gateway, out);
        gw_tls_sent(p->tls, out.n);
    }
}

void rig_shard_say(struct rig *r, size_t n, const char *text)
{
    rig_shard_write(r, n, text);
    rig_run(r);
}

void rig_shard_close(struct rig *r, size_t n)
{
    r->shards[n]->far_end = true;
    rig_run(r);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Closed-loop load on a gateway: N mutual-TLS connections, each with one request under way at any time, and the CPU time that the
// gateway's process used for them. Every proof is signed before the first request, so that what is measured is the gateway;
// every answer is checked, since a fast refusal would measure nothing.
//
// It runs in phases: connect and warm up (handshakes, caches, upstream connections); then the measured window, which begins and
// ends with no request under way. It speaks to loopback addresses only and sends at most 200,000 requests.
#include "bench/load/process_cpu.h"
#include "gateway/base/base64url.h"
#include "gateway/base/clock.h"
#include "gateway/base/file.h"
#include "gateway/http/h1.h"
#include "gateway/tls/engine.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/mint.h"
#include "pki/spiffe.h"
#include "pki/token.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 200000
#define CONNECTIONS_MAX 4096
#define FILE_MAX (4u << 20)
#define STALLED_MS 10000

static const char usage[] =
    "usage: load --connect IP:PORT --authority HOST[:PORT] --spiffe-id ID --bundle FILE --cert FILE --key FILE\n"
    "            --token FILE [--dpop-key FILE] [--method M] [--path P] [--body FILE]\n"
    "            [--issuer-key FILE] [--connections 32] [--requests 20000] [--seconds S] [--warmup 2000]\n"
    "            [--status 200] [--answer-bytes N] [--pid GATEWAY] [--name TEXT] [--spin] [--json]\n"
    "\n"
    "With --dpop-key each request carries a fresh proof, signed ahead; without it the token is sent as Bearer and must "
    "be\n"
    "bound to the certificate. With --issuer-key each request has a token of its own: the given one with another jti.\n"
    "--seconds ends the window early. --spin: never sleeps, gives its core away instead. Exit status: 0, 1 when an\n"
    "answer was not as expected, 2 for bad usage.\n";

struct connection {
    struct load *load;
    int fd;
    struct gw_tls_engine tls;
    struct gw_h1 h1;
    struct arena arena; // of one answer
    struct gw_response response;
    uint64_t answer_bytes;
    int64_t sent_ns;
    bool ready, waiting;
};

struct load {
    // options
    const char *connect, *authority, *spiffe_id, *bundle, *cert, *key, *token_file, *dpop_file, *issuer_key, *body_file,
        *name;
    const char *method, *path;
    long connections, requests, seconds, warmup, status, answer_bytes, pid;
    bool json, spin;
    // what every request has in common: before the proof, and after it
    struct span token;
    struct buf head, tail;
    // proofs, one behind the other; tokens likewise, when each request has one of its own
    struct buf proofs, tokens;
    size_t *proof_ends, *token_ends;
    // TLS
    struct pki_trust *trust;
    struct gw_tls_trust tls_trust;
    struct gw_tls_target target;
    struct gw_tls_context *tls;
    // the run
    int epoll;
    struct connection *all;
    long sent, done, limit;
    uint32_t *latency_us; // of the window's requests
    struct buf request;   // scratch
};

static _Noreturn void stop(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static _Noreturn void stop(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("load: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(status);
}

static struct span read_file(const char *path)
{
    struct buf b;
    buf_init(&b, 0);
    int rc = file_read(path, FILE_MAX, &b);
    if (rc != 0)
        stop(2, "%s: %s", path, strerror(-rc));
    return buf_span(&b); // kept until the end of the process
}

// ------------------------------------------------------------------------------------------------------- prepare

static void prepare_tls(struct load *l)
{
    struct pki_spiffe id;
    const char *why = "";
    struct diags diags;
    diags_init(&diags);
    gw_tls_process_init();
    if (pki_spiffe_parse(span_str(l->spiffe_id), &id, &why) != 0)
        stop(2, "--spiffe-id %s: %s", l->spiffe_id, why);
    l->trust = pki_trust_new();
    int rc = pki_trust_add_pem(l->trust, id.trust_domain, read_file(l->bundle), span_str(l->bundle), &diags);
    struct gw_tls_config config = {
        .cert_pem = read_file(l->cert),
        .cert_file = span_str(l->cert),
        .key_pem = read_file(l->key),
        .key_file = span_str(l->key),
    };
    l->tls = gw_tls_context_client(&config, clock_read().wall_ms / 1000, &diags);
    for (const struct diag *d = diags.first; d; d = d->next)
        fprintf(stderr, "load: %.*s: %.*s\n", SPAN_FMT(d->file), SPAN_FMT(d->text));
    if (rc != 0 || !l->tls)
        stop(2, "certificate, key or bundle cannot be used");
    l->tls_trust = (struct gw_tls_trust){ .trust = l->trust };
    l->target = (struct gw_tls_target){ .spiffe_id = span_str(l->spiffe_id), .dns = SPAN_NONE, .sni = SPAN_NONE };
}

static void prepare_requests(struct load *l)
{
    l->token = span_trim(read_file(l->token_file));
    if (l->token.n > 0 && l->token.p[l->token.n - 1] == '\n')
        l->token.n--;
    buf_printf(&l->head, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s ", l->method, l->path, l->authority,
               l->dpop_file ? "DPoP" : "Bearer");
    struct span body = l->body_file ? read_file(l->body_file) : SPAN("");
    if (l->body_file)
        buf_printf(&l->tail, "Content-Type: application/json\r\nContent-Length: %zu\r\n", body.n);
    buf_append(&l->tail, SPAN("\r\n"));
    buf_append(&l->tail, body);
}

// The given token under another jti, signed by the issuer's key: what no cache has seen.
static void mint_ahead(struct load *l)
{
    struct pki_key *key;
    struct span rest = l->token, header = span_cut(&rest, '.'), payload = span_cut(&rest, '.');
    uint8_t claims[PKI_TOKEN_MAX];
    char text[BASE64URL_ENCODED(PKI_TOKEN_MAX)], signature[256];
    size_t n;
    if (!l->issuer_key)
        return;
    if (pki_key_read_private(read_file(l->issuer_key), SPAN_NONE, &key) != 0)
        stop(2, "%s: not a private key, or it is encrypted", l->issuer_key);
    if (l->token.n > PKI_TOKEN_MAX || !base64url_decode(payload, claims, &n))
        stop(2, "%s: not a JWT", l->token_file);
    uint8_t *jti = memmem(claims, n, "\"jti\":\"", 7);
    if (!jti || claims + n - jti < 7 + 16)
        stop(2, "%s: no jti of 16 characters", l->token_file);
    l->token_ends = calloc((size_t)(l->warmup + l->requests), sizeof *l->token_ends);
    for (long i = 0; i < l->warmup + l->requests; i++) {
        struct buf raw;
        buf_init(&raw, 0);
        char number[17];
        snprintf(number, sizeof number, "%016lx", (unsigned long)i);
        memcpy(jti + 7, number, 16);
        size_t from = buf_len(&l->tokens);
        buf_printf(&l->tokens, "%.*s.%.*s", SPAN_FMT(header), (int)base64url_encode(span_of(claims, n), text), text);
        struct span signed_part = span_sub(buf_span(&l->tokens), from, buf_len(&l->tokens));
        if (!l->token_ends || pki_key_sign(key, pki_mint_alg(key), signed_part, &raw) != 0)
            stop(2, "a token cannot be made");
        buf_printf(&l->tokens, ".%.*s", (int)base64url_encode(buf_span(&raw), signature), signature);
        l->token_ends[i] = buf_len(&l->tokens);
        buf_fini(&raw);
    }
    pki_key_free(key);
}

static struct span nth(const struct buf *all, const size_t *ends, long i)
{
    return span_sub(buf_span(all), i > 0 ? ends[i - 1] : 0, ends[i]);
}

static struct span token_of(const struct load *l, long i)
{
    return l->token_ends ? nth(&l->tokens, l->token_ends, i) : l->token;
}

static void sign_ahead(struct load *l)
{
    if (!l->dpop_file)
        return;
    struct pki_key *key;
    uint8_t ath[PKI_SHA256];
    char uri[1024];
    if (pki_key_read_private(read_file(l->dpop_file), SPAN_NONE, &key) != 0)
        stop(2, "%s: not a private key, or it is encrypted", l->dpop_file);
    snprintf(uri, sizeof uri, "https://%s%s", l->authority, l->path);
    long n = l->warmup + l->requests;
    l->proof_ends = calloc((size_t)n, sizeof *l->proof_ends);
    for (long i = 0; i < n; i++) {
        pki_sha256(token_of(l, i), ath);
        if (!l->proof_ends || pki_dpop_make(key, PKI_ALG_NONE, span_str(l->method), span_str(uri), ath, SPAN_NONE,
                                            clock_read().wall_ms / 1000, &l->proofs) != 0)
            stop(2, "a proof cannot be made");
        l->proof_ends[i] = buf_len(&l->proofs);
    }
    pki_key_free(key);
}

// ----------------------------------------------------------------------------------------------------- one connection

static void flush(struct connection *c)
{
    struct span out;
    while ((out = gw_tls_output(&c->tls)).n > 0) {
        ssize_t n = send(c->fd, out.p, out.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return; // the edge that tells of room comes by itself
        if (n < 0)
            stop(1, "the gateway closed a connection: %s", strerror(errno));
        gw_tls_sent(&c->tls, (size_t)n);
    }
}

static void send_next(struct connection *c)
{
    struct load *l = c->load;
    if (!c->ready || c->waiting || l->sent == l->limit)
        return;
    buf_clear(&l->request);
    buf_append(&l->request, buf_span(&l->head));
    buf_append(&l->request, token_of(l, l->sent));
    buf_append(&l->request, SPAN("\r\n"));
    if (l->proof_ends)
        buf_printf(&l->request, "DPoP: %.*s\r\n", SPAN_FMT(nth(&l->proofs, l->proof_ends, l->sent)));
    buf_append(&l->request, buf_span(&l->tail));
    l->sent++;
    c->waiting = true;
    c->answer_bytes = 0;
    c->sent_ns = clock_mono_ns();
    gw_h1_begin_response(&c->h1, &c->arena, &c->response, false);
    if (gw_tls_write(&c->tls, buf_span(&l->request)) != (ssize_t)buf_len(&l->request))
        stop(1, "a request cannot be written");
    flush(c);
}

static void answered(struct connection *c)
{
    struct load *l = c->load;
    if (c->response.status != (unsigned)l->status || !c->response.keep_alive)
        stop(1, "answer %ld: status %u%s", l->done + 1, c->response.status,
             c->response.keep_alive ? "" : ", and the connection is closed");
    if (l->answer_bytes >= 0 && c->answer_bytes != (uint64_t)l->answer_bytes)
        stop(1, "answer %ld: a body of %llu bytes", l->done + 1, (unsigned long long)c->answer_bytes);
    if (l->done >= l->warmup)
        l->latency_us[l->done - l->warmup] = (uint32_t)((clock_mono_ns() - c->sent_ns) / 1000);
    l->done++;
    c->waiting = false;
    arena_fini(&c->arena);
    send_next(c);
}

static void receive(struct connection *c, struct span in)
{
    for (;;) {
        size_t used = 0;
        enum gw_h1_event event = gw_h1_feed(&c->h1, in, &used);
        in = span_sub(in, used, in.n);
        switch (event) {
        case GW_H1_NEED_MORE: return;
        case GW_H1_HEAD: break;
        case GW_H1_BODY: c->answer_bytes += c->h1.body.n; break;
        case GW_H1_END:
            if (in.n > 0)
                stop(1, "answer %ld: more than was asked for", c->load->done + 1);
            answered(c);
            return;
        default: stop(1, "answer %ld: %s", c->load->done + 1, c->h1.what ? c->h1.what : "not expected");
        }
    }
}

static void on_event(struct connection *c)
{
    char bytes[65536];
    ssize_t n;
    flush(c);
    while ((n = read(c->fd, bytes, sizeof bytes)) > 0) {
        if (gw_tls_feed(&c->tls, span_of(bytes, (size_t)n), clock_read().wall_ms / 1000) != 0)
            stop(1, "TLS: %s", c->tls.detail ? c->tls.detail : "refused");
        flush(c);
        if (!c->ready && c->tls.state == GW_TLS_OPEN) {
            c->ready = true;
            send_next(c);
        }
        char plain[16384];
        for (ssize_t m; c->ready && (m = gw_tls_read(&c->tls, plain, sizeof plain)) > 0;)
            receive(c, span_of(plain, (size_t)m));
        if (c->tls.state == GW_TLS_PEER_CLOSED || c->tls.state == GW_TLS_FAILED)
            stop(1, "the gateway ended a TLS connection: %s", c->tls.detail ? c->tls.detail : "close_notify");
        if ((size_t)n < sizeof bytes)
            return;
    }
    if (n == 0 || errno != EAGAIN)
        stop(1, "the gateway closed a connection");
}

static void open_connection(struct connection *c, const struct sockaddr *at, socklen_t at_n)
{
    struct load *l = c->load;
    int one = 1;
    c->fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, at, at_n) != 0)
        stop(1, "%s: %s", l->connect, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    static const struct gw_h1_limits *limits = &gw_h1_default_limits;
    gw_h1_init_client(&c->h1, limits);
    arena_init(&c->arena, 0);
    if (gw_tls_client_init(&c->tls, l->tls, &l->tls_trust, &l->target, clock_read().wall_ms / 1000) != 0)
        stop(1, "TLS cannot begin");
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        stop(2, "epoll: %s", strerror(errno));
    flush(c);
}

// ------------------------------------------------------------------------------------------------------- the run

// Requests are sent and answered until `more` are done, or the time is up. Nothing is under way before or after.
static void run_phase(struct load *l, long more, int64_t until_ms)
{
    int64_t heard_ms = clock_read().mono_ms;
    l->limit = l->sent + more;
    for (long i = 0; i < l->connections; i++)
        send_next(&l->all[i]);
    while (l->done < l->limit) {
        struct epoll_event events[64];
        int n = epoll_wait(l->epoll, events, 64, l->spin ? 0 : STALLED_MS);
        if (n > 0)
            heard_ms = clock_read().mono_ms;
        else if (clock_read().mono_ms - heard_ms >= STALLED_MS)
            stop(1, "nothing happened for %d s; %ld of %ld answers came", STALLED_MS / 1000, l->done, l->limit);
        else
            sched_yield();
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
        if (until_ms > 0 && clock_read().mono_ms >= until_ms)
            l->limit = l->sent;
    }
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(struct load *l, long n, double seconds, struct process_cpu before, struct process_cpu after)
{
    double user = (after.user_s - before.user_s) * 1e6 / (double)n;
    double system = (after.system_s - before.system_s) * 1e6 / (double)n;
    qsort(l->latency_us, (size_t)n, sizeof *l->latency_us, compare);
    uint32_t p50 = l->latency_us[n / 2], p99 = l->latency_us[n - 1 - n / 100];
    if (l->json) {
        printf("{\"name\":\"%s\",\"requests\":%ld,\"connections\":%ld,\"seconds\":%.3f,\"requests_per_second\":%.0f,"
               "\"p50_us\":%u,\"p99_us\":%u",
               l->name, n, l->connections, seconds, (double)n / seconds, p50, p99);
        if (l->pid > 0)
            printf(",\"cpu_us\":%.1f,\"user_us\":%.1f,\"system_us\":%.1f", user + system, user, system);
        printf("}\n");
        return;
    }
    printf("%s: %ld requests in %.2f s, %.0f a second; half within %u us, 99 %% within %u us\n", l->name, n, seconds,
           (double)n / seconds, p50, p99);
    if (l->pid > 0)
        printf("%s: %.1f us of the gateway's CPU a request (%.1f user, %.1f system)\n", l->name, user + system, user,
               system);
}

static void read_options(struct load *l, int argc, char **argv)
{
    const struct {
        const char *name;
        const char **text;
        long *number;
    } rows[] = {
        { "connect", &l->connect, NULL },
        { "authority", &l->authority, NULL },
        { "spiffe-id", &l->spiffe_id, NULL },
        { "bundle", &l->bundle, NULL },
        { "cert", &l->cert, NULL },
        { "key", &l->key, NULL },
        { "token", &l->token_file, NULL },
        { "dpop-key", &l->dpop_file, NULL },
        { "issuer-key", &l->issuer_key, NULL },
        { "method", &l->method, NULL },
        { "path", &l->path, NULL },
        { "body", &l->body_file, NULL },
        { "name", &l->name, NULL },
        { "connections", NULL, &l->connections },
        { "requests", NULL, &l->requests },
        { "seconds", NULL, &l->seconds },
        { "warmup", NULL, &l->warmup },
        { "status", NULL, &l->status },
        { "answer-bytes", NULL, &l->answer_bytes },
        { "pid", NULL, &l->pid },
    };
    enum { N = sizeof rows / sizeof *rows };
    struct option options[N + 4] = { { 0 } };
    for (int i = 0; i < N; i++)
        options[i] = (struct option){ rows[i].name, required_argument, NULL, i };
    options[N] = (struct option){ "json", no_argument, NULL, N };
    options[N + 1] = (struct option){ "help", no_argument, NULL, N + 1 };
    options[N + 2] = (struct option){ "spin", no_argument, NULL, N + 2 };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        if (o == N)
            l->json = true;
        else if (o == N + 1)
            exit(fputs(usage, stdout) < 0);
        else if (o == N + 2)
            l->spin = true;
        else if (o < N && rows[o].text)
            *rows[o].text = optarg;
        else if (o < N && (*rows[o].number = strtol(optarg, &end, 10)) >= 0 && end != optarg && !*end)
            continue;
        else
            exit((fputs(usage, stderr), 2));
    }
    if (optind != argc || !l->connect || !l->authority || !l->spiffe_id || !l->bundle || !l->cert || !l->key ||
        !l->token_file)
        exit((fputs(usage, stderr), 2));
    if (l->requests < 1 || l->warmup < 1 || l->requests + l->warmup > REQUESTS_MAX)
        stop(2, "--requests and --warmup: at least one each, %d together at most", REQUESTS_MAX);
    if (l->connections < 1 || l->connections > CONNECTIONS_MAX)
        stop(2, "--connections: 1 to %d", CONNECTIONS_MAX);
}

// IP:PORT, [IP]:PORT; loopback only: this is no tool against other people's machines.
static socklen_t read_address(const char *text, struct sockaddr_storage *out)
{
    char host[64];
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;
    bool bracket = n > 2 && text[0] == '[' && text[n - 1] == ']';
    if (n == 0 || n >= sizeof host || port < 1 || port > 65535)
        stop(2, "--connect %s: not IP:PORT", text);
    snprintf(host, sizeof host, "%.*s", (int)(bracket ? n - 2 : n), text + bracket);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *out = (struct sockaddr_storage){ 0 };
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1 && ntohl(v4->sin_addr.s_addr) >> 24 == 127) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr)) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof *v6;
    }
    stop(2, "--connect %s: not a loopback address", text);
}

int main(int argc, char **argv)
{
    struct load l = { .method = "GET",
                      .path = "/",
                      .name = "load",
                      .connections = 32,
                      .requests = 20000,
                      .warmup = 2000,
                      .status = 200,
                      .answer_bytes = -1 };
    struct sockaddr_storage at;
    struct process_cpu before = { 0, 0 }, after = { 0, 0 };
    read_options(&l, argc, argv);
    socklen_t at_n = read_address(l.connect, &at);
    prepare_tls(&l);
    prepare_requests(&l);
    mint_ahead(&l);
    sign_ahead(&l);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.all = calloc((size_t)l.connections, sizeof *l.all);
    l.latency_us = calloc((size_t)l.requests, sizeof *l.latency_us);
    if (!l.all || !l.latency_us || l.epoll < 0)
        stop(2, "out of memory");
    for (long i = 0; i < l.connections; i++) {
        l.all[i].load = &l;
        open_connection(&l.all[i], (struct sockaddr *)&at, at_n);
    }
    run_phase(&l, l.warmup, 0);
    if (l.pid > 0 && !process_cpu_read(l.pid, &before))
        stop(2, "--pid %ld: no such process", l.pid);
    int64_t began = clock_mono_ns();
    run_phase(&l, l.requests, l.seconds > 0 ? clock_read().mono_ms + l.seconds * 1000 : 0);
    int64_t ended = clock_mono_ns();
    if (l.pid > 0 && !process_cpu_read(l.pid, &after))
        stop(1, "the gateway ended");
    report(&l, l.done - l.warmup, (double)(ended - began) / 1e9, before, after);
    return 0;
}

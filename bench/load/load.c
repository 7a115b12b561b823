// SPDX-License-Identifier: GPL-3.0-or-later
// Load on a gateway: N mutual-TLS connections, and the CPU time that the gateway's process used for them. Every proof is signed before the
// first request, so that what is measured is the gateway; every answer is checked, since a fast refusal would measure nothing.
//
// Closed loop: each connection has one request under way at any time. Open loop (--rate): requests are due at fixed times whatever
// the gateway does, and what is timed begins when a request is due, not when it could be sent: a stall costs every request that was due
// in it (no coordinated omission).
//
// It runs in phases: connect and warm up (handshakes, caches, upstream connections); then the measured window, which begins and
// ends with no request under way. It speaks to loopback addresses only and sends at most 400,000 requests.
#include "bench/support/address.h"
#include "bench/support/credentials.h"
#include "bench/support/histogram.h"
#include "bench/support/options.h"
#include "bench/support/process.h"
#include "bench/support/stop.h"
#include "bench/support/workloads.h"
#include "gateway/base/clock.h"
#include "gateway/http/h1.h"
#include "gateway/tls/engine.h"
#include "pki/spiffe.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUESTS_MAX 400000
#define CONNECTIONS_MAX 16384
#define OPENING_MAX 64 // handshakes at once: the backlog of a listener is no part of this
#define STALLED_MS 10000
#define NS_PER_MS (int64_t)1000000
#define NS_PER_S 1000000000
#define SHARE_MORE 64
#define JWS_MAX 8192
#define DIGITS 16
#define SETTLE_S 3 // before memory at rest is read

static const char usage[] =
    "usage: load --connect IP:PORT --authority HOST[:PORT]\n"
    "            [--plain | --spiffe-id ID --bundle FILE (--cert FILE --key FILE | --ca DIR --workload-id ID "
    "--workloads N)]\n"
    "            [--token FILE] [--dpop-key FILE] [--issuer-key FILE] [--keys N] [--method M] [--path P] [--body "
    "FILE]\n"
    "            [--connections 32] [--requests 20000] [--seconds S] [--warmup 2000] [--rate N] [--idle]\n"
    "            [--bad proof|token] [--source IP] [--status 200] [--answer-bytes N] [--pid GATEWAY] [--name TEXT] "
    "[--spin] [--json]\n"
    "\n"
    "With --dpop-key each request carries a fresh proof, signed ahead; without it the token is sent as Bearer. With "
    "--issuer-key\n"
    "each request has a token of its own, the given one with another jti; with --keys N there are N of them, bound to "
    "N new keys,\n"
    "used in turn. --workloads: N certificates made with the CA in DIR, one a connection in turn, each with a token, a "
    "key and\n"
    "proofs of its own (the given token names ID, which ends in five digits). --rate: so many requests a second, on "
    "whatever connection is free. --idle: instead of requests, the "
    "gateway's\n"
    "memory a connection once they are all at rest. --plain: HTTP without TLS, for the shard alone. --seconds ends the "
    "window\n"
    "early, and so does SIGTERM. --bad: a flood; each request carries a proof, or a token, whose signature is another "
    "one's, and is "
    "to be\n"
    "answered 401 or 429. --source: the address that connections come from. --spin: never sleeps, gives its core away "
    "instead. Exit status: 0, 1 when an answer was not as expected, 2 "
    "for bad\n"
    "usage.\n";

static volatile sig_atomic_t enough; // somebody has had enough

static void on_term(int signal)
{
    (void)signal;
    enough = 1;
}

struct connection {
    struct load *load;
    long number, used; // which one it is; of several workloads: how many requests it began
    int fd;
    struct gw_tls_engine tls;
    struct gw_h1 h1;
    struct arena arena; // of one answer
    struct gw_response response;
    struct buf head;  // of the request under way, what is still to be written of it
    struct span body; // likewise
    uint64_t answer_bytes;
    int64_t due_ns;
    bool ready, waiting;
};

struct load {
    // options
    const char *connect, *authority, *spiffe_id, *bundle, *cert, *key, *body_file, *name, *method, *path, *ca;
    const char *bad, *source;
    long workloads, connections, requests, seconds, warmup, status, answer_bytes, pid, rate;
    bool json, spin, plain, idle;
    struct credentials credentials;
    // what every request has in common: before the token, after the proof, and the body
    struct buf head, tail;
    struct span body;
    // TLS
    struct pki_trust *trust;
    struct gw_tls_trust tls_trust;
    struct gw_tls_target target;
    struct gw_tls_context **tls; // of each workload
    long share;                  // requests that a connection may begin; 0: any number
    // the run
    int epoll;
    struct connection *all;
    struct connection **free; // open loop: those without a request
    long free_n;
    int64_t began_ns; // open loop: when the first of the window is due; 0 outside it
    long sent, done, limit, ready;
    struct histogram latency; // of the window's requests
};

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
    if (pki_trust_add_pem(l->trust, id.trust_domain, read_file(l->bundle), span_str(l->bundle), &diags) != 0)
        stop(2, "--bundle %s cannot be used", l->bundle);
    long n = l->workloads > 0 ? l->workloads : 1;
    struct workload one = { SPAN_NONE, SPAN_NONE }, *all = &one;
    if (l->workloads > 0)
        all = workloads_make(l->ca, l->credentials.workload_id, n);
    else
        one = (struct workload){ read_file(l->cert), read_file(l->key) };
    if (!(l->tls = calloc((size_t)n, sizeof *l->tls)))
        stop(2, "out of memory");
    for (long i = 0; i < n; i++) {
        struct gw_tls_config config = {
            .cert_pem = all[i].cert_pem,
            .cert_file = span_str(l->cert ? l->cert : l->ca),
            .key_pem = all[i].key_pem,
            .key_file = span_str(l->key ? l->key : l->ca),
        };
        l->tls[i] = gw_tls_context_client(&config, clock_read().wall_ms / 1000, &diags);
        for (const struct diag *d = l->tls[i] ? NULL : diags.first; d; d = d->next)
            fprintf(stderr, "load: %.*s: %.*s\n", SPAN_FMT(d->file), SPAN_FMT(d->text));
        if (!l->tls[i])
            stop(2, "certificate or key cannot be used");
    }
    l->tls_trust = (struct gw_tls_trust){ .trust = l->trust };
    l->target = (struct gw_tls_target){ .spiffe_id = span_str(l->spiffe_id), .dns = SPAN_NONE, .sni = SPAN_NONE };
}

static void prepare_requests(struct load *l)
{
    char uri[1024];
    snprintf(uri, sizeof uri, "https://%s%s", l->authority, l->path);
    long n = l->bad ? 1 : l->warmup + l->requests;
    if (l->workloads > 0 && l->bad)
        l->credentials.keys = n = l->workloads;
    else if (l->bad && l->credentials.keys > 0)
        n = l->credentials.keys;
    else if (l->workloads > 0) { // connections are not equally fast
        l->share = n / l->connections + n / l->connections / 4 + SHARE_MORE;
        l->credentials.keys = l->workloads;
        n = l->share * l->connections;
    }
    credentials_make(&l->credentials, span_str(l->method), span_str(uri), n);
    buf_printf(&l->head, "%s %s HTTP/1.1\r\nHost: %s\r\n", l->method, l->path, l->authority);
    l->body = l->body_file ? read_file(l->body_file) : SPAN("");
    if (l->body_file)
        buf_printf(&l->tail, "Content-Type: application/json\r\nContent-Length: %zu\r\n", l->body.n);
    buf_append(&l->tail, SPAN("\r\n"));
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

// How much of it could be written now.
static size_t write_some(struct connection *c, struct span bytes)
{
    ssize_t n = c->load->plain ? send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL) : gw_tls_write(&c->tls, bytes);
    if (n < 0 && c->load->plain && errno == EAGAIN)
        return 0;
    if (n < 0)
        stop(1, "a request cannot be written");
    return (size_t)n;
}

// Writes what there is of the request, until the socket takes no more.
static void pump(struct connection *c)
{
    for (size_t n = 1; n > 0;) {
        if (!c->load->plain)
            flush(c);
        struct span rest = buf_len(&c->head) > 0 ? buf_span(&c->head) : c->body;
        if (rest.n == 0 || (!c->load->plain && gw_tls_output(&c->tls).n > 0))
            return;
        n = write_some(c, rest);
        if (buf_len(&c->head) > 0)
            buf_consume(&c->head, n);
        else
            c->body = span_sub(c->body, n, c->body.n);
    }
}

// Digits of the number in the middle of its signature: never the same twice, and base64url as before.
static struct span spoil(struct span jws, long i, char out[static JWS_MAX])
{
    char digits[DIGITS + 1];
    if (jws.n > JWS_MAX || jws.n < 2 * DIGITS)
        stop(2, "--bad: a token or a proof of %zu bytes", jws.n);
    memcpy(out, jws.p, jws.n);
    snprintf(digits, sizeof digits, "%0*ld", DIGITS, i);
    memcpy(out + jws.n - 2 * DIGITS, digits, DIGITS);
    return span_of(out, jws.n);
}

static void send_request(struct connection *c, int64_t due_ns)
{
    struct load *l = c->load;
    char spoilt[JWS_MAX];
    // A workload's own: connections are a multiple of the workloads, so that number and index are of the same one.
    long index = l->workloads > 0 ? c->used++ * l->connections + c->number : l->sent;
    if (l->bad)
        index %= l->credentials.keys > 0 ? l->credentials.keys : 1; // of the same workload still
    struct span token = credentials_token(&l->credentials, index), proof = credentials_proof(&l->credentials, index);
    if (l->bad && strcmp(l->bad, "proof") == 0)
        proof = spoil(proof, l->sent, spoilt);
    else if (l->bad)
        token = spoil(token, l->sent, spoilt);
    buf_clear(&c->head);
    buf_append(&c->head, buf_span(&l->head));
    if (!span_is_none(token))
        buf_printf(&c->head, "Authorization: %s %.*s\r\n", span_is_none(proof) ? "Bearer" : "DPoP", SPAN_FMT(token));
    if (!span_is_none(proof))
        buf_printf(&c->head, "DPoP: %.*s\r\n", SPAN_FMT(proof));
    buf_append(&c->head, buf_span(&l->tail));
    if (buf_len(&c->head) + l->body.n < 16384) { // one record, as clients do
        buf_append(&c->head, l->body);
        c->body = SPAN("");
    } else {
        c->body = l->body;
    }
    l->sent++;
    c->waiting = true;
    c->answer_bytes = 0;
    c->due_ns = due_ns;
    gw_h1_begin_response(&c->h1, &c->arena, &c->response, false);
    pump(c);
}

// A connection without a request: the next one, or, in the open loop, it waits for one that is due.
static void next(struct connection *c)
{
    struct load *l = c->load;
    if (!c->ready || c->waiting || (l->share > 0 && c->used == l->share))
        return;
    if (l->began_ns != 0)
        l->free[l->free_n++] = c;
    else if (l->sent < l->limit && !l->idle)
        send_request(c, clock_mono_ns());
}

static void answered(struct connection *c)
{
    struct load *l = c->load;
    bool refused = l->bad && (c->response.status == 401 || c->response.status == 429);
    if ((!refused && c->response.status != (unsigned)l->status) || !c->response.keep_alive)
        stop(1, "answer %ld: status %u%s", l->done + 1, c->response.status,
             c->response.keep_alive ? "" : ", and the connection is closed");
    if (l->answer_bytes >= 0 && c->answer_bytes != (uint64_t)l->answer_bytes)
        stop(1, "answer %ld: a body of %llu bytes", l->done + 1, (unsigned long long)c->answer_bytes);
    if (l->done >= l->warmup)
        histogram_add(&l->latency, clock_mono_ns() - c->due_ns);
    l->done++;
    c->waiting = false;
    arena_fini(&c->arena);
    next(c);
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

static void on_ready(struct connection *c)
{
    c->ready = true;
    c->load->ready++;
    next(c);
}

static void receive_tls(struct connection *c, struct span in)
{
    char plain[16384];
    if (gw_tls_feed(&c->tls, in, clock_read().wall_ms / 1000) != 0)
        stop(1, "TLS: %s", c->tls.detail ? c->tls.detail : "refused");
    flush(c);
    if (!c->ready && c->tls.state == GW_TLS_OPEN)
        on_ready(c);
    for (ssize_t n; c->ready && (n = gw_tls_read(&c->tls, plain, sizeof plain)) > 0;)
        receive(c, span_of(plain, (size_t)n));
    if (c->tls.state == GW_TLS_PEER_CLOSED || c->tls.state == GW_TLS_FAILED)
        stop(1, "the gateway ended a TLS connection: %s", c->tls.detail ? c->tls.detail : "close_notify");
}

static void on_event(struct connection *c)
{
    char bytes[65536];
    ssize_t n;
    pump(c);
    while ((n = read(c->fd, bytes, sizeof bytes)) > 0) {
        if (c->load->plain)
            receive(c, span_of(bytes, (size_t)n));
        else
            receive_tls(c, span_of(bytes, (size_t)n));
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
    if (c->fd >= 0 && l->source && !comes_from(c->fd, l->source))
        stop(2, "--source %s: %s", l->source, strerror(errno));
    if (c->fd < 0 || connect(c->fd, at, at_n) != 0)
        stop(1, "%s: %s", l->connect, strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    gw_h1_init_client(&c->h1, &gw_h1_default_limits);
    arena_init(&c->arena, 0);
    buf_init(&c->head, 0);
    c->body = SPAN("");
    if (!l->plain && gw_tls_client_init(&c->tls, l->tls[l->workloads > 0 ? c->number % l->workloads : 0], &l->tls_trust,
                                        &l->target, clock_read().wall_ms / 1000) != 0)
        stop(1, "TLS cannot begin");
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        stop(2, "epoll: %s", strerror(errno));
    if (l->plain)
        on_ready(c);
    else
        flush(c);
}

// ------------------------------------------------------------------------------------------------------- the run

// What happened, within so many nanoseconds. Ends the process when nothing did for STALLED_MS.
static void wait_events(struct load *l, int64_t *heard_ms, int64_t timeout_ns)
{
    struct epoll_event events[64];
    struct timespec timeout = { timeout_ns / NS_PER_S, timeout_ns % NS_PER_S };
    int n = epoll_pwait2(l->epoll, events, 64, &timeout, NULL);
    if (n < 0 && errno != EINTR)
        stop(2, "epoll_pwait2: %s", strerror(errno));
    if (n > 0)
        *heard_ms = clock_read().mono_ms;
    else if (clock_read().mono_ms - *heard_ms >= STALLED_MS)
        stop(1, "nothing happened for %d s; %ld of %ld answers came", STALLED_MS / 1000, l->done, l->limit);
    else if (l->spin)
        sched_yield();
    for (int i = 0; i < n; i++)
        on_event(events[i].data.ptr);
}

static void open_all(struct load *l, const struct sockaddr *at, socklen_t at_n)
{
    int64_t heard_ms = clock_read().mono_ms;
    for (long opened = 0; l->ready < l->connections;) {
        for (; opened < l->connections && opened - l->ready < OPENING_MAX; opened++) {
            l->all[opened].load = l;
            l->all[opened].number = opened;
            open_connection(&l->all[opened], at, at_n);
        }
        if (l->ready < opened)
            wait_events(l, &heard_ms, l->spin ? 0 : STALLED_MS * NS_PER_MS);
    }
}

// Requests are sent and answered until `more` are done, or the time is up. Nothing is under way before or after.
static void run_closed(struct load *l, long more, int64_t until_ms)
{
    int64_t heard_ms = clock_read().mono_ms;
    l->limit = l->sent + more;
    for (long i = 0; i < l->connections; i++)
        next(&l->all[i]);
    while (l->done < l->limit) {
        wait_events(l, &heard_ms, l->spin ? 0 : STALLED_MS * NS_PER_MS);
        if (enough || (until_ms > 0 && clock_read().mono_ms >= until_ms))
            l->limit = l->sent;
    }
}

// Request i of the window is due i/rate seconds after its start.
static int64_t due_ns(const struct load *l, long i)
{
    return l->began_ns + (int64_t)((double)i * 1e9 / (double)l->rate);
}

// How long it may sleep: until the next one is due, or, with no connection free for it, until an answer comes. A timer that is late counts against the
// gateway, by some 50 us; never to sleep would be worse where the shard has the same core, since it would wait for its turn.
static int64_t rest_ns(const struct load *l, long first)
{
    if (l->spin)
        return 0;
    if (l->sent == l->limit || l->free_n == 0)
        return STALLED_MS * NS_PER_MS;
    int64_t left = due_ns(l, l->sent - first) - clock_mono_ns();
    return left > 0 ? left : 0;
}

static void run_open(struct load *l, long more, int64_t until_ms)
{
    int64_t heard_ms = clock_read().mono_ms;
    long first = l->sent;
    l->limit = l->sent + more;
    l->began_ns = clock_mono_ns();
    for (long i = 0; i < l->connections; i++)
        next(&l->all[i]);
    while (l->done < l->limit) {
        while (l->sent < l->limit && l->free_n > 0 && clock_mono_ns() >= due_ns(l, l->sent - first))
            send_request(l->free[--l->free_n], due_ns(l, l->sent - first));
        wait_events(l, &heard_ms, rest_ns(l, first));
        if (until_ms > 0 && clock_read().mono_ms >= until_ms)
            l->limit = l->sent;
    }
}

// Every connection has one request, a few at a time, so that few upstream connections are opened for them.
static void run_each(struct load *l)
{
    int64_t heard_ms = clock_read().mono_ms;
    l->limit = l->connections;
    for (long i = 0; l->done < l->connections;) {
        for (; i < l->connections && l->sent - l->done < 16; i++)
            send_request(&l->all[i], clock_mono_ns());
        wait_events(l, &heard_ms, l->spin ? 0 : STALLED_MS * NS_PER_MS);
    }
}

static void report(const struct load *l, long n, double seconds, struct process_cpu before, struct process_cpu after)
{
    double each = 1e6 / (double)n;
    double p50 = (double)histogram_at(&l->latency, 0.5) / 1e3, p99 = (double)histogram_at(&l->latency, 0.99) / 1e3;
    double p999 = (double)histogram_at(&l->latency, 0.999) / 1e3, most = (double)histogram_at(&l->latency, 1) / 1e3;
    if (l->json) {
        printf("{\"name\":\"%s\",\"requests\":%ld,\"connections\":%ld,\"seconds\":%.3f,\"requests_per_second\":%.0f,"
               "\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
               l->name, n, l->connections, seconds, (double)n / seconds, p50, p99, p999, most);
        if (l->pid > 0)
            printf(",\"cpu_us\":%.2f,\"user_us\":%.1f,\"system_us\":%.1f", (after.total_s - before.total_s) * each,
                   (after.user_s - before.user_s) * each, (after.system_s - before.system_s) * each);
        printf("}\n");
        return;
    }
    printf("%s: %ld requests in %.2f s, %.0f a second; half within %.0f us, 99 %% within %.0f us\n", l->name, n,
           seconds, (double)n / seconds, p50, p99);
    if (l->pid > 0)
        printf("%s: %.1f us of the gateway's CPU a request (%.1f user, %.1f system)\n", l->name,
               (after.total_s - before.total_s) * each, (after.user_s - before.user_s) * each,
               (after.system_s - before.system_s) * each);
}

// The gateway's own memory a connection: what it grew by since `before`, once each has had a request and they are all at rest.
static void report_idle(const struct load *l, long before_kib)
{
    sleep(SETTLE_S);
    long after_kib = process_memory_kib(l->pid);
    if (after_kib < 0)
        stop(1, "the gateway ended");
    for (long i = 0; i < l->connections; i++) {
        char byte;
        if (recv(l->all[i].fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
            stop(1, "the gateway closed a connection that was at rest");
    }
    double each = (double)(after_kib - before_kib) / (double)l->connections;
    printf(l->json ? "{\"name\":\"%s\",\"connections\":%ld,\"kib\":%.2f}\n"
                   : "%s: %ld connections at rest, %.2f KiB each\n",
           l->name, l->connections, each);
}

static void read_options(struct load *l, int argc, char **argv)
{
    const struct option_row rows[] = {
        { "connect", &l->connect, NULL, NULL },
        { "authority", &l->authority, NULL, NULL },
        { "spiffe-id", &l->spiffe_id, NULL, NULL },
        { "bundle", &l->bundle, NULL, NULL },
        { "cert", &l->cert, NULL, NULL },
        { "key", &l->key, NULL, NULL },
        { "token", &l->credentials.token_file, NULL, NULL },
        { "dpop-key", &l->credentials.dpop_file, NULL, NULL },
        { "issuer-key", &l->credentials.issuer_file, NULL, NULL },
        { "keys", NULL, &l->credentials.keys, NULL },
        { "method", &l->method, NULL, NULL },
        { "path", &l->path, NULL, NULL },
        { "body", &l->body_file, NULL, NULL },
        { "name", &l->name, NULL, NULL },
        { "connections", NULL, &l->connections, NULL },
        { "requests", NULL, &l->requests, NULL },
        { "seconds", NULL, &l->seconds, NULL },
        { "warmup", NULL, &l->warmup, NULL },
        { "rate", NULL, &l->rate, NULL },
        { "status", NULL, &l->status, NULL },
        { "answer-bytes", NULL, &l->answer_bytes, NULL },
        { "pid", NULL, &l->pid, NULL },
        { "json", NULL, NULL, &l->json },
        { "spin", NULL, NULL, &l->spin },
        { "plain", NULL, NULL, &l->plain },
        { "idle", NULL, NULL, &l->idle },
        { "ca", &l->ca, NULL, NULL },
        { "bad", &l->bad, NULL, NULL },
        { "source", &l->source, NULL, NULL },
        { "workload-id", &l->credentials.workload_id, NULL, NULL },
        { "workloads", NULL, &l->workloads, NULL },
    };
    options_read(rows, sizeof rows / sizeof *rows, argc, argv, usage);
    bool many = l->ca && l->credentials.workload_id && l->workloads > 0 && l->credentials.issuer_file;
    bool tls = l->spiffe_id && l->bundle && ((l->cert && l->key) || many);
    if (!l->connect || !l->authority || (!tls && !l->plain) || (l->idle && l->pid < 1) || (l->workloads > 0 && !many))
        options_wrong(usage);
    bool proven = l->credentials.keys > 0 || l->credentials.dpop_file || l->workloads > 0;
    bool proofs = l->bad && proven && strcmp(l->bad, "proof") == 0, tokens = l->bad && strcmp(l->bad, "token") == 0;
    if (l->bad && (!l->credentials.token_file || (!proofs && !tokens)))
        options_wrong(usage);
    if (l->workloads > 0 && (l->connections % l->workloads != 0 || l->rate > 0))
        stop(2, "--workloads: --connections is a multiple of it, and there is no --rate");
    if (l->requests < 1 || l->warmup < 1 || l->requests + l->warmup > REQUESTS_MAX)
        stop(2, "--requests and --warmup: at least one each, %d together at most", REQUESTS_MAX);
    if (l->idle && l->warmup + l->requests < l->connections)
        l->warmup = l->connections; // a proof for each
    if (l->connections < 1 || l->connections > CONNECTIONS_MAX)
        stop(2, "--connections: 1 to %d", CONNECTIONS_MAX);
}

int main(int argc, char **argv)
{
    static struct load l = { .method = "GET",
                             .path = "/",
                             .name = "load",
                             .connections = 32,
                             .requests = 20000,
                             .warmup = 2000,
                             .status = 200,
                             .answer_bytes = -1 };
    struct sockaddr_storage at;
    signal(SIGTERM, on_term);
    prctl(PR_SET_TIMERSLACK,
          1UL); // open loop: whoever waits for a request that is due is not woken later to save power
    struct process_cpu before = { 0, 0, 0 }, after = { 0, 0, 0 };
    read_options(&l, argc, argv);
    socklen_t at_n = loopback_address(l.connect, &at);
    if (!l.plain)
        prepare_tls(&l);
    prepare_requests(&l);
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.all = calloc((size_t)l.connections, sizeof *l.all);
    l.free = calloc((size_t)l.connections, sizeof *l.free);
    if (!l.all || !l.free || l.epoll < 0)
        stop(2, "out of memory");
    long before_kib = process_memory_kib(l.pid);
    open_all(&l, (struct sockaddr *)&at, at_n);
    if (l.idle)
        return (run_each(&l), report_idle(&l, before_kib), 0);
    run_closed(&l, l.warmup, 0);
    if (l.pid > 0 && !process_cpu_read(l.pid, &before))
        stop(2, "--pid %ld: no such process", l.pid);
    int64_t began = clock_mono_ns(), until_ms = l.seconds > 0 ? clock_read().mono_ms + l.seconds * 1000 : 0;
    if (l.rate > 0)
        run_open(&l, l.requests, until_ms);
    else
        run_closed(&l, l.requests, until_ms);
    int64_t ended = clock_mono_ns();
    if (l.pid > 0 && !process_cpu_read(l.pid, &after))
        stop(1, "the gateway ended");
    report(&l, l.done - l.warmup, (double)(ended - began) / 1e9, before, after);
    return 0;
}

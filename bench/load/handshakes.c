// SPDX-License-Identifier: GPL-3.0-or-later
// New mutual-TLS connections one after the other, a few at once, full or resumed, and the CPU time that the gateway's process used for
// them: connect, handshake, close. In TLS 1.3 a client has finished before the server has looked at its certificate; a handshake therefore counts
// when the server's session ticket came, which it sends when it is content with the client. Before the measured ones, each slot sends a request and
// reads its answer, so that what is measured is known to be a gateway at work. With --ask the measured ones do so, too: BoringSSL sends its tickets
// only with the first answer.
//
// The client is wolfSSL's own, since the gateway's engine never resumes as a client. It speaks to loopback addresses only.
#include "bench/support/address.h"
#include "bench/support/credentials.h"
#include "bench/support/options.h"
#include "bench/support/process.h"
#include "bench/support/stop.h"
#include "bench/support/workloads.h"
#include "gateway/base/clock.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HANDSHAKES_MAX 200000
#define SLOTS_MAX 256
#define STALLED_MS 10000
#define WARMUPS 4 // of each slot, before the measured ones

static const char usage[] =
    "usage: handshakes --connect IP:PORT --authority HOST[:PORT] --bundle FILE --pid GATEWAY\n"
    "                  (--cert FILE --key FILE | --ca DIR --workload-id ID --workloads N --issuer-key FILE)\n"
    "                  [--token FILE] [--path P] [--group X25519|X25519MLKEM768] [--resume] [--ask] [--handshakes "
    "2000]\n"
    "                  [--at-once 4] [--bad garbage|aborted|refused] [--source IP] [--spiffe-id ID] [--name TEXT] "
    "[--json]\n"
    "\n"
    "CPU time of the gateway a handshake. --resume: each connection offers the last ticket of its slot. --ask: each "
    "has a\n"
    "request. --workloads: N certificates made with the CA in DIR, used in turn, each with a token and proofs of its "
    "own\n"
    "(the given token names ID, which ends in five digits). --bad: a flood, until SIGTERM; bytes that are no TLS, "
    "connections that\n"
    "are closed when the server has answered the first flight, or a certificate that it refuses. --source: the address "
    "that\n"
    "connections come from; any: each from another. Exit status: 0, 1 when one of them did not go as expected, "
    "2\n"
    "for bad usage.\n";

static volatile sig_atomic_t enough; // somebody has had enough

static void on_term(int signal)
{
    (void)signal;
    enough = 1;
}

struct slot {
    struct run *run;
    int fd;
    WOLFSSL *ssl;
    WOLFSSL_SESSION *session;
    bool flown;              // of a flood: the first flight is sent
    bool open, ticket, asks; // asks: this connection carries a request
    long number;             // of the connection
    char answer[4096];
    size_t answer_n;
};

struct run {
    const char *connect, *authority, *bundle, *cert, *key, *path, *group, *name, *spiffe_id, *ca;
    const char *bad, *source;
    long pid, handshakes, at_once, workloads;
    bool resume, ask, json;
    struct credentials credentials;
    struct sockaddr_storage at;
    socklen_t at_n;
    struct workload *all; // of the workloads; NULL: one certificate
    int group_id, epoll;
    WOLFSSL_CTX *ctx;
    long begun, done, limit, resumed;
};

static int on_ticket(WOLFSSL *ssl, const unsigned char *ticket, int n, void *slot)
{
    (void)ssl, (void)ticket, (void)n;
    ((struct slot *)slot)->ticket = true;
    return 0;
}

static void prepare(struct run *r)
{
    static const struct {
        const char *name;
        int id;
    } groups[] = { { "X25519", WOLFSSL_ECC_X25519 }, { "X25519MLKEM768", WOLFSSL_X25519MLKEM768 } };
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (strcmp(r->group, groups[i].name) == 0)
            r->group_id = groups[i].id;
    if (r->group_id == 0)
        stop(2, "--group %s: not known", r->group);
    wolfSSL_Init();
    r->ctx = wolfSSL_CTX_new(wolfTLSv1_3_client_method());
    if (!r->ctx || wolfSSL_CTX_load_verify_locations(r->ctx, r->bundle, NULL) != WOLFSSL_SUCCESS ||
        (r->cert && wolfSSL_CTX_use_certificate_chain_file(r->ctx, r->cert) != WOLFSSL_SUCCESS) ||
        (r->key && wolfSSL_CTX_use_PrivateKey_file(r->ctx, r->key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS) ||
        wolfSSL_CTX_set_cipher_list(r->ctx, "TLS13-AES128-GCM-SHA256") != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(r->ctx, &r->group_id, 1) != WOLFSSL_SUCCESS)
        stop(2, "certificate, key or bundle cannot be used");
    wolfSSL_CTX_set_verify(r->ctx, WOLFSSL_VERIFY_PEER, NULL);
    char uri[1024];
    snprintf(uri, sizeof uri, "https://%s%s", r->authority, r->path);
    if (r->workloads > 0)
        r->all = workloads_make(r->ca, r->credentials.workload_id, r->workloads);
    r->credentials.keys = r->workloads;
    credentials_make(&r->credentials, SPAN("GET"), span_str(uri), r->bad ? 1 : r->handshakes + WARMUPS * r->at_once);
}

static void write_request(struct slot *s)
{
    const struct run *r = s->run;
    struct span token = credentials_token(&r->credentials, s->number),
                proof = credentials_proof(&r->credentials, s->number);
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", r->path, r->authority);
    if (!span_is_none(token))
        buf_printf(&b, "Authorization: %s %.*s\r\n", span_is_none(proof) ? "Bearer" : "DPoP", SPAN_FMT(token));
    if (!span_is_none(proof))
        buf_printf(&b, "DPoP: %.*s\r\n", SPAN_FMT(proof));
    buf_append(&b, SPAN("\r\n"));
    if (wolfSSL_write(s->ssl, buf_span(&b).p, (int)buf_len(&b)) != (int)buf_len(&b))
        stop(1, "a request cannot be written");
    buf_fini(&b);
}

static bool use_workload(WOLFSSL *ssl, const struct workload *w)
{
    return wolfSSL_use_certificate_chain_buffer(ssl, (const unsigned char *)w->cert_pem.p, (long)w->cert_pem.n) ==
               WOLFSSL_SUCCESS &&
           wolfSSL_use_PrivateKey_buffer(ssl, (const unsigned char *)w->key_pem.p, (long)w->key_pem.n,
                                         WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
}

static void on_event(struct slot *s);

static void begin(struct slot *s)
{
    struct run *r = s->run;
    char alpn[] = "http/1.1";
    int one = 1;
    s->number = r->begun++;
    s->open = s->ticket = s->flown = false;
    s->answer_n = 0;
    s->fd = socket(r->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char any[24];
    const char *source = r->source;
    snprintf(any, sizeof any, "127.%ld.%ld.%ld", 1 + s->number / 62500 % 250, s->number / 250 % 250,
             1 + s->number % 250);
    if (source && strcmp(source, "any") == 0)
        source = any;
    if (s->fd >= 0 && source && !comes_from(s->fd, source))
        stop(2, "--source %s: %s", source, strerror(errno));
    if (s->fd < 0 || (connect(s->fd, (struct sockaddr *)&r->at, r->at_n) != 0 && !r->bad)) // a flood may be turned away
        stop(1, "%s: %s", r->connect, strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    s->ssl = wolfSSL_new(r->ctx);
    if (!s->ssl || (r->all && !use_workload(s->ssl, &r->all[s->number % r->workloads])) ||
        wolfSSL_set_fd(s->ssl, s->fd) != WOLFSSL_SUCCESS ||
        wolfSSL_UseKeyShare(s->ssl, (word16)r->group_id) != WOLFSSL_SUCCESS ||
        wolfSSL_UseALPN(s->ssl, alpn, sizeof alpn - 1, WOLFSSL_ALPN_FAILED_ON_MISMATCH) != WOLFSSL_SUCCESS ||
        wolfSSL_set_SessionTicket_cb(s->ssl, on_ticket, s) != WOLFSSL_SUCCESS)
        stop(2, "TLS cannot begin");
    if (r->resume && s->session && wolfSSL_set_session(s->ssl, s->session) != WOLFSSL_SUCCESS)
        stop(1, "a session cannot be offered again");
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = s };
    if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, s->fd, &e) != 0)
        stop(2, "epoll: %s", strerror(errno));
    on_event(s); // the first flight
}

static void finish(struct slot *s)
{
    struct run *r = s->run;
    r->done++;
    if (enough)
        r->limit = r->begun;
    r->resumed += wolfSSL_session_reused(s->ssl) != 0;
    if (r->resume) {
        if (s->session)
            wolfSSL_SESSION_free(s->session);
        s->session = wolfSSL_get1_session(s->ssl);
    }
    if (!r->bad)
        wolfSSL_shutdown(s->ssl);
    wolfSSL_free(s->ssl);
    close(s->fd);
    s->ssl = NULL;
    if (r->begun < r->limit)
        begin(s);
}

// False: it only has to wait.
static bool failed(const struct slot *s, int result, const char *what)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    int error = wolfSSL_get_error(s->ssl, result);
    if (error == WOLFSSL_ERROR_WANT_READ || error == WOLFSSL_ERROR_WANT_WRITE)
        return false;
    if (!s->run->bad)
        stop(1, "%s: %s", what, wolfSSL_ERR_error_string((unsigned long)error, text));
    return true;
}

// The answer is a 200; its end is the end of what comes: nothing is asked for behind it.
static bool answer_whole(struct slot *s)
{
    s->answer[s->answer_n] = '\0';
    const char *body = strstr(s->answer, "\r\n\r\n"), *length = strcasestr(s->answer, "\r\ncontent-length:");
    if (!body || !length || length > body)
        return false;
    if (strncmp(s->answer, "HTTP/1.1 200 ", 13) != 0)
        stop(1, "the answer is %.*s", (int)strcspn(s->answer, "\r"), s->answer);
    return s->answer_n >= (size_t)(body + 4 - s->answer) + strtoul(length + 17, NULL, 10);
}

static void bad_event(struct slot *s)
{
    static const char garbage[] = "these bytes are not a ClientHello, nor any other record of TLS";
    const char *bad = s->run->bad;
    if (!s->flown) { // what becomes of it is for the next event: begin() and finish() call each other
        s->flown = true;
        if (strcmp(bad, "garbage") == 0)
            (void)!send(s->fd, garbage, sizeof garbage, MSG_NOSIGNAL);
        else
            (void)wolfSSL_connect(s->ssl);
        return;
    }
    if (strcmp(bad, "refused") == 0) {
        int n = s->open ? wolfSSL_read(s->ssl, s->answer, sizeof s->answer) : wolfSSL_connect(s->ssl);
        s->open |= n == WOLFSSL_SUCCESS;
        if (n > 0 || !failed(s, n, ""))
            return;
    }
    finish(s);
}

static void on_event(struct slot *s)
{
    int n;
    if (s->run->bad) {
        bad_event(s);
        return;
    }
    if (!s->open) {
        if ((n = wolfSSL_connect(s->ssl)) != WOLFSSL_SUCCESS) {
            failed(s, n, "the handshake");
            return;
        }
        s->open = true;
        if (s->asks)
            write_request(s);
    }
    while ((n = wolfSSL_read(s->ssl, s->answer + s->answer_n, (int)(sizeof s->answer - 1 - s->answer_n))) > 0)
        s->answer_n += (size_t)n;
    failed(s, n, "the connection");
    if (s->ticket && (!s->asks || answer_whole(s)))
        finish(s);
}

static void run_phase(struct run *r, struct slot *slots, long more, bool asks)
{
    r->limit = r->begun + more;
    for (long i = 0; i < r->at_once && r->begun < r->limit; i++)
        begin(&slots[i]);
    for (long i = 0; i < r->at_once; i++)
        slots[i].asks = asks;
    while (r->done < r->limit) {
        struct epoll_event events[64];
        int n = epoll_wait(r->epoll, events, 64, STALLED_MS);
        if (n == 0)
            stop(1, "nothing happened for %d s; %ld of %ld handshakes are done (does the server send tickets?)",
                 STALLED_MS / 1000, r->done, r->limit);
        for (int i = 0; i < n; i++)
            on_event(events[i].data.ptr);
    }
}

static void read_options(struct run *r, int argc, char **argv)
{
    const struct option_row rows[] = {
        { "connect", &r->connect, NULL, NULL },
        { "authority", &r->authority, NULL, NULL },
        { "bundle", &r->bundle, NULL, NULL },
        { "cert", &r->cert, NULL, NULL },
        { "key", &r->key, NULL, NULL },
        { "token", &r->credentials.token_file, NULL, NULL },
        { "path", &r->path, NULL, NULL },
        { "group", &r->group, NULL, NULL },
        { "spiffe-id", &r->spiffe_id, NULL, NULL },
        { "name", &r->name, NULL, NULL },
        { "handshakes", NULL, &r->handshakes, NULL },
        { "at-once", NULL, &r->at_once, NULL },
        { "pid", NULL, &r->pid, NULL },
        { "resume", NULL, NULL, &r->resume },
        { "ask", NULL, NULL, &r->ask },
        { "json", NULL, NULL, &r->json },
        { "issuer-key", &r->credentials.issuer_file, NULL, NULL },
        { "ca", &r->ca, NULL, NULL },
        { "bad", &r->bad, NULL, NULL },
        { "source", &r->source, NULL, NULL },
        { "workload-id", &r->credentials.workload_id, NULL, NULL },
        { "workloads", NULL, &r->workloads, NULL },
    };
    options_read(rows, sizeof rows / sizeof *rows, argc, argv, usage);
    bool many = r->ca && r->credentials.workload_id && r->workloads > 0 && r->credentials.issuer_file;
    if (!r->connect || !r->authority || !r->bundle || (!many && (!r->cert || !r->key)) || r->pid < 1)
        options_wrong(usage);
    if (r->bad && strcmp(r->bad, "garbage") != 0 && strcmp(r->bad, "aborted") != 0 && strcmp(r->bad, "refused") != 0)
        options_wrong(usage);
    if (r->bad)
        r->handshakes = LONG_MAX / 2;
    else if (r->handshakes < 1 || r->handshakes > HANDSHAKES_MAX)
        stop(2, "--handshakes: 1 to %d", HANDSHAKES_MAX);
    if (r->at_once < 1 || r->at_once > SLOTS_MAX)
        stop(2, "--at-once: 1 to %d", SLOTS_MAX);
}

int main(int argc, char **argv)
{
    static struct run r = { .path = "/", .group = "X25519", .name = "handshakes", .handshakes = 2000, .at_once = 4 };
    static struct slot slots[SLOTS_MAX];
    struct process_cpu before, after;
    read_options(&r, argc, argv);
    signal(SIGTERM, on_term);
    signal(SIGPIPE, SIG_IGN);
    r.at_n = loopback_address(r.connect, &r.at);
    prepare(&r);
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < r.at_once; i++)
        slots[i].run = &r;
    if (!r.bad)
        run_phase(&r, slots, r.at_once * WARMUPS, true);
    long resumed = r.resumed;
    if (!process_cpu_read(r.pid, &before))
        stop(2, "--pid %ld: no such process", r.pid);
    int64_t began = clock_mono_ns();
    run_phase(&r, slots, r.handshakes, r.ask);
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    if (!process_cpu_read(r.pid, &after))
        stop(1, "the gateway ended");
    resumed = r.resumed - resumed;
    if (r.bad)
        r.handshakes = r.done;
    // Now and then a server wants a full one (a chain of tickets has an end); else each is what it was asked to be.
    if (r.resume ? resumed < r.handshakes - r.handshakes / 50 : resumed > 0)
        stop(1, "%ld of %ld handshakes were resumed", resumed, r.handshakes);
    double each = 1e6 / (double)r.handshakes;
    printf(
        r.json
            ? "{\"name\":\"%s\",\"handshakes\":%ld,\"resumed\":%ld,\"seconds\":%.3f,\"cpu_us\":%.1f,\"user_us\":%.1f,"
              "\"system_us\":%.1f}\n"
            : "%s: %ld handshakes, %ld of them resumed, in %.2f s: %.1f us of the gateway's CPU each (%.1f user, %.1f "
              "system)\n",
        r.name, r.handshakes, resumed, seconds, (after.total_s - before.total_s) * each,
        (after.user_s - before.user_s) * each, (after.system_s - before.system_s) * each);
    return 0;
}

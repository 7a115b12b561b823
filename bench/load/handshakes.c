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
#include "bench/support/process.h"
#include "bench/support/stop.h"
#include "gateway/base/clock.h"

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define HANDSHAKES_MAX 200000
#define SLOTS_MAX 256
#define STALLED_MS 10000

static const char usage[] =
    "usage: handshakes --connect IP:PORT --authority HOST[:PORT] --bundle FILE --cert FILE --key FILE --pid GATEWAY\n"
    "                  [--token FILE] [--path P] [--group X25519|X25519MLKEM768] [--resume] [--ask] [--handshakes "
    "2000] "
    "[--at-once 4]\n"
    "                  [--spiffe-id ID] [--name TEXT] [--json]\n"
    "\n"
    "CPU time of the gateway a handshake. --resume: each connection offers the last ticket of its slot. --ask: each "
    "has a request. Exit status: "
    "0, 1 when\n"
    "one of them did not go as expected, 2 for bad usage.\n";

struct slot {
    struct run *run;
    int fd;
    WOLFSSL *ssl;
    WOLFSSL_SESSION *session;
    bool open, ticket, asks; // asks: this connection carries a request
    char answer[4096];
    size_t answer_n;
};

struct run {
    const char *connect, *authority, *bundle, *cert, *key, *path, *group, *name, *spiffe_id;
    long pid, handshakes, at_once;
    bool resume, ask, json;
    struct credentials credentials;
    struct sockaddr_storage at;
    socklen_t at_n;
    struct buf request;
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
        wolfSSL_CTX_use_certificate_chain_file(r->ctx, r->cert) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_use_PrivateKey_file(r->ctx, r->key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_cipher_list(r->ctx, "TLS13-AES128-GCM-SHA256") != WOLFSSL_SUCCESS ||
        wolfSSL_CTX_set_groups(r->ctx, &r->group_id, 1) != WOLFSSL_SUCCESS)
        stop(2, "certificate, key or bundle cannot be used");
    wolfSSL_CTX_set_verify(r->ctx, WOLFSSL_VERIFY_PEER, NULL);
    credentials_make(&r->credentials, SPAN("GET"), SPAN(""), 1);
    buf_printf(&r->request, "GET %s HTTP/1.1\r\nHost: %s\r\n", r->path, r->authority);
    if (!span_is_none(r->credentials.token))
        buf_printf(&r->request, "Authorization: Bearer %.*s\r\n", SPAN_FMT(r->credentials.token));
    buf_append(&r->request, SPAN("\r\n"));
}

static void on_event(struct slot *s);

static void begin(struct slot *s)
{
    struct run *r = s->run;
    char alpn[] = "http/1.1";
    int one = 1;
    r->begun++;
    s->open = s->ticket = false;
    s->answer_n = 0;
    s->fd = socket(r->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&r->at, r->at_n) != 0)
        stop(1, "%s: %s", r->connect, strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(s->fd, F_SETFL, O_NONBLOCK);
    s->ssl = wolfSSL_new(r->ctx);
    if (!s->ssl || wolfSSL_set_fd(s->ssl, s->fd) != WOLFSSL_SUCCESS ||
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
    r->resumed += wolfSSL_session_reused(s->ssl) != 0;
    if (r->resume) {
        if (s->session)
            wolfSSL_SESSION_free(s->session);
        s->session = wolfSSL_get1_session(s->ssl);
    }
    wolfSSL_shutdown(s->ssl);
    wolfSSL_free(s->ssl);
    close(s->fd);
    s->ssl = NULL;
    if (r->begun < r->limit)
        begin(s);
}

static void failed(const struct slot *s, int result, const char *what)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    int error = wolfSSL_get_error(s->ssl, result);
    if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
        stop(1, "%s: %s", what, wolfSSL_ERR_error_string((unsigned long)error, text));
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

static void on_event(struct slot *s)
{
    int n;
    if (!s->open) {
        if ((n = wolfSSL_connect(s->ssl)) != WOLFSSL_SUCCESS) {
            failed(s, n, "the handshake");
            return;
        }
        s->open = true;
        struct span request = buf_span(&s->run->request);
        if (s->asks && wolfSSL_write(s->ssl, request.p, (int)request.n) != (int)request.n)
            stop(1, "a request cannot be written");
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
    const struct {
        const char *name;
        const char **text;
        long *number;
        bool *flag;
    } rows[] = {
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
    };
    enum { N = sizeof rows / sizeof *rows };
    struct option options[N + 2] = { { 0 } };
    for (int i = 0; i < N; i++)
        options[i] = (struct option){ rows[i].name, rows[i].flag ? no_argument : required_argument, NULL, i };
    options[N] = (struct option){ "help", no_argument, NULL, N };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        if (o == N)
            exit(fputs(usage, stdout) < 0);
        else if (o < N && rows[o].flag)
            *rows[o].flag = true;
        else if (o < N && rows[o].text)
            *rows[o].text = optarg;
        else if (o < N && (*rows[o].number = strtol(optarg, &end, 10)) > 0 && end != optarg && !*end)
            continue;
        else
            exit((fputs(usage, stderr), 2));
    }
    if (optind != argc || !r->connect || !r->authority || !r->bundle || !r->cert || !r->key || r->pid < 1)
        exit((fputs(usage, stderr), 2));
    if (r->handshakes > HANDSHAKES_MAX || r->at_once > SLOTS_MAX)
        stop(2, "--handshakes: at most %d; --at-once: at most %d", HANDSHAKES_MAX, SLOTS_MAX);
}

int main(int argc, char **argv)
{
    static struct run r = { .path = "/", .group = "X25519", .name = "handshakes", .handshakes = 2000, .at_once = 4 };
    static struct slot slots[SLOTS_MAX];
    struct process_cpu before, after;
    read_options(&r, argc, argv);
    r.at_n = loopback_address(r.connect, &r.at);
    prepare(&r);
    r.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < r.at_once; i++)
        slots[i].run = &r;
    run_phase(&r, slots, r.at_once * 4, true);
    long resumed = r.resumed;
    if (!process_cpu_read(r.pid, &before))
        stop(2, "--pid %ld: no such process", r.pid);
    int64_t began = clock_mono_ns();
    run_phase(&r, slots, r.handshakes, r.ask);
    double seconds = (double)(clock_mono_ns() - began) / 1e9;
    if (!process_cpu_read(r.pid, &after))
        stop(1, "the gateway ended");
    resumed = r.resumed - resumed;
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

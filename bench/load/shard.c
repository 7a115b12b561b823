// SPDX-License-Identifier: GPL-3.0-or-later
// A shard that costs next to nothing: HTTP/1.1 over keep-alive connections on a loopback port, and the same 200 of N bytes of
// JSON for every request, whatever it asks, or of M bytes where the path has "bulk" in it. One thread, epoll. It prints its port and runs until
// it is killed.
//
//   shard [--port P] [--answer-bytes N] [--bulk-bytes M] [--spin]
//
// --spin: it never sleeps, but gives its core to whoever wants it (see bench/run).
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 16384
#define ANSWER_MAX (64 << 20)

struct connection {
    int fd;
    size_t head_n;   // bytes of a head that is not whole yet
    size_t body_due; // bytes of the body still to come; the answer follows them
    bool in_body, bulk;
    const char *out; // of an answer, what the socket did not take yet
    size_t out_n;
    char head[HEAD_MAX];
};

struct answer {
    char *bytes;
    size_t n;
};

struct answers {
    struct answer small, bulk;
};

static void fail(const char *what)
{
    perror(what);
    exit(2);
}

static struct answer make_answer(size_t body)
{
    static const char before[] = "{\"result\":\"", after[] = "\",\"status\":\"ok\"}";
    size_t fixed = sizeof before - 1 + sizeof after - 1;
    if (body < fixed)
        body = fixed;
    struct answer a = { malloc(body + 256), 0 };
    if (!a.bytes)
        fail("memory");
    a.n = (size_t)sprintf(a.bytes, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          body, before);
    memset(a.bytes + a.n, 'x', body - fixed);
    a.n += body - fixed;
    memcpy(a.bytes + a.n, after, sizeof after - 1);
    a.n += sizeof after - 1;
    return a;
}

// False when the connection must end.
static bool write_out(struct connection *c)
{
    while (c->out_n > 0) {
        ssize_t n = send(c->fd, c->out, c->out_n, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        c->out += n;
        c->out_n -= (size_t)n;
    }
    return true;
}

// Takes one read's worth of bytes. False when the connection must end: not HTTP that this shard understands, or not writable.
static bool take(struct connection *c, const char *p, size_t n, const struct answers *a)
{
    while (n > 0) {
        if (!c->in_body) {
            // A byte at a time would do, but heads come whole as a rule.
            size_t room = HEAD_MAX - 1 - c->head_n, copy = n < room ? n : room;
            memcpy(c->head + c->head_n, p, copy);
            c->head[c->head_n + copy] = '\0';
            const char *end = strstr(c->head, "\r\n\r\n");
            if (!end) {
                c->head_n += copy;
                return copy == n;
            }
            size_t used = (size_t)(end + 4 - c->head) - c->head_n;
            const char *length = strcasestr(c->head, "\r\ncontent-length:");
            c->body_due = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
            const char *bulk = strstr(c->head, "bulk"), *line = strstr(c->head, "\r\n");
            c->bulk = bulk && bulk < line;
            c->in_body = true;
            c->head_n = 0;
            p += used;
            n -= used;
        }
        size_t body = n < c->body_due ? n : c->body_due;
        c->body_due -= body;
        p += body;
        n -= body;
        if (c->body_due > 0)
            return true;
        c->in_body = false;
        if (c->out_n > 0)
            return false; // a request before the last one was answered: no proxy of ours sends that
        const struct answer *answer = c->bulk ? &a->bulk : &a->small;
        c->out = answer->bytes;
        c->out_n = answer->n;
        if (!write_out(c))
            return false;
    }
    return true;
}

static int listen_on(unsigned short port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t n = sizeof at;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, (struct sockaddr *)&at, n) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &n) != 0)
        fail("listen");
    printf("%u\n", (unsigned)ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static void watch(int epoll, int fd, void *who)
{
    struct epoll_event e = { .events = who ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN, .data.ptr = who };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0)
        fail("epoll_ctl");
}

static void accept_all(int epoll, int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
        struct connection *c = calloc(1, sizeof *c);
        int one = 1;
        if (!c)
            fail("memory");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        c->fd = fd;
        watch(epoll, fd, c);
    }
}

// Everything that can be read and written now. False when the connection is over.
static bool serve(struct connection *c, const struct answers *answers)
{
    char in[65536];
    if (!write_out(c))
        return false;
    for (;;) {
        ssize_t got = read(c->fd, in, sizeof in);
        if (got < 0)
            return errno == EAGAIN;
        if (got == 0 || !take(c, in, (size_t)got, answers))
            return false;
        if ((size_t)got < sizeof in)
            return true;
    }
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "port", required_argument, NULL, 'p' },
                                             { "answer-bytes", required_argument, NULL, 'a' },
                                             { "bulk-bytes", required_argument, NULL, 'b' },
                                             { "spin", no_argument, NULL, 's' },
                                             { NULL, 0, NULL, 0 } };
    unsigned long port = 0, bytes = 1024, bulk = 1024;
    bool spin = false;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'p')
            port = strtoul(optarg, NULL, 10);
        else if (o == 'a')
            bytes = strtoul(optarg, NULL, 10);
        else if (o == 'b')
            bulk = strtoul(optarg, NULL, 10);
        else if (o == 's')
            spin = true;
    }
    if (optind != argc || port > 65535 || bytes > ANSWER_MAX || bulk > ANSWER_MAX) {
        fprintf(stderr, "usage: shard [--port P] [--answer-bytes N] [--bulk-bytes M] [--spin]\n");
        return 2;
    }
    struct answers answers = { make_answer(bytes), make_answer(bulk) };
    int listener = listen_on((unsigned short)port), epoll = epoll_create1(0);
    watch(epoll, listener, NULL);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, spin ? 0 : -1);
        if (n == 0)
            sched_yield();
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) {
                accept_all(epoll, listener);
            } else if (!serve(c, &answers)) {
                close(c->fd);
                free(c);
            }
        }
    }
}

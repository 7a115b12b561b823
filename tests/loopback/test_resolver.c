// SPDX-License-Identifier: GPL-3.0-or-later
// How long an answer of the DNS holds, and questions that are called off. What whole answers come to is in tests/e2e/shards.test.mjs.
#include "gateway/net/resolver.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

// Two records of one name: 300 s and 7 s.
static const unsigned char message[] = {
    0,    1,   0x85, 0x80, 0, 1, 0, 2, 0, 0,  0, 0,              // head
    2,    'd', 'b',  0,    0, 1, 0, 1,                           // question
    0xc0, 12,  0,    1,    0, 1, 0, 0, 1, 44, 0, 4, 10, 0, 0, 1, // an answer
    0xc0, 12,  0,    1,    0, 1, 0, 0, 0, 7,  0, 4, 10, 0, 0, 2,
};

static void the_least_ttl_counts(void **state)
{
    (void)state;
    uint32_t ttl = 0;
    assert_true(gw_resolver_ttl(message, sizeof message, &ttl));
    assert_int_equal(ttl, 7);
}

static void a_message_that_is_cut_anywhere_is_none(void **state)
{
    (void)state;
    uint32_t ttl = 99;
    for (size_t n = 0; n < sizeof message; n++) {
        unsigned char cut[sizeof message];
        memcpy(cut, message, n);
        assert_false(gw_resolver_ttl(cut, n, &ttl));
    }
    assert_int_equal(ttl, 99);
}

static void a_ttl_beyond_31_bits_is_none_at_all(void **state)
{
    (void)state;
    unsigned char m[sizeof message];
    uint32_t ttl = 99;
    memcpy(m, message, sizeof m);
    m[26] = 0x80;
    assert_true(gw_resolver_ttl(m, sizeof m, &ttl));
    assert_int_equal(ttl, 0);
}

static void a_name_that_points_to_itself_ends(void **state)
{
    (void)state;
    unsigned char m[sizeof message];
    uint32_t ttl = 99;
    memcpy(m, message, sizeof m);
    m[21] = 20; // to its own place
    assert_false(gw_resolver_ttl(m, sizeof m, &ttl));
}

static void on_answer(void *ctx, const struct gw_resolver_answer *a)
{
    (void)a;
    *(bool *)ctx = true;
}

static void a_question_called_off_is_never_answered(void **state)
{
    (void)state;
    uv_loop_t uv;
    bool answered = false;
    uv_loop_init(&uv);
    // Nobody answers there, and nobody says so.
    const struct gw_resolver_request r = {
        .uv = &uv, .name = "db.test", .servers = SPAN("127.0.0.1:9"), .on_answer = on_answer, .ctx = &answered
    };
    struct gw_resolver *q = gw_resolver_ask(&r);
    assert_non_null(q);
    gw_resolver_cancel(q);
    gw_resolver_cancel(NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_false(answered);
    assert_int_equal(uv_loop_close(&uv), 0);
}

static void on_failed(void *ctx, const struct gw_resolver_answer *a)
{
    assert_non_null(a->what);
    assert_int_equal(a->n, 0);
    *(bool *)ctx = true;
}

static void a_name_server_that_is_not_there_is_an_answer(void **state)
{
    (void)state;
    uv_loop_t uv;
    bool answered = false;
    uv_loop_init(&uv);
    const struct gw_resolver_request r = { .uv = &uv,
                                           .name = "_db._tcp.test",
                                           .service = true,
                                           .servers = SPAN("127.0.0.1:9"),
                                           .on_answer = on_failed,
                                           .ctx = &answered };
    assert_non_null(gw_resolver_ask(&r));
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_true(answered);
    assert_int_equal(uv_loop_close(&uv), 0);
}

// -------------------------------------------------------------------------------------------- a hostile name server

// It says of _db._tcp.test what `records` writes, by TCP, since it is much, and of every other name that it is 10.0.0.1.
struct server {
    int udp, tcp;
    uint16_t port;
    pthread_t thread;
    atomic_bool over;
    size_t first; // of the records, which begin elsewhere each time
    size_t (*records)(const struct server *s, unsigned char *at);
    unsigned n_records;
};

// Behind what was asked, whose length it returns with it.
static size_t reply(const struct server *s, const unsigned char *question, size_t n, unsigned char *out, bool tcp)
{
    static const unsigned char ten[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1 };
    size_t at = 12;
    while (question[at] != 0)
        at += question[at] + 1u;
    n = at + 5; // without what comes behind the question
    memcpy(out, question, n);
    out[2] = 0x85, out[3] = 0x80;
    memset(out + 6, 0, 6);
    unsigned type = (unsigned)question[at + 1] << 8 | question[at + 2];
    if (type == 33 && !tcp) {
        out[2] |= 2; // cut off
    } else if (type == 33) {
        out[6] = (unsigned char)(s->n_records >> 8), out[7] = (unsigned char)s->n_records;
        n += s->records(s, out + n);
    } else if (type == 1) {
        out[7] = 1;
        memcpy(out + n, ten, sizeof ten);
        n += sizeof ten;
    }
    return n;
}

static void serve_tcp(struct server *s)
{
    static unsigned char in[65537], out[65537];
    int c = accept(s->tcp, NULL, NULL);
    ssize_t n = recv(c, in, sizeof in, 0);
    if (n > 14) {
        size_t m = reply(s, in + 2, (size_t)n - 2, out + 2, true);
        out[0] = (unsigned char)(m >> 8), out[1] = (unsigned char)m;
        for (size_t sent = 0; sent < m + 2;) {
            ssize_t k = send(c, out + sent, m + 2 - sent, MSG_NOSIGNAL);
            if (k <= 0)
                break;
            sent += (size_t)k;
        }
    }
    close(c);
}

static void *serve(void *ctx)
{
    struct server *s = ctx;
    while (!atomic_load(&s->over)) {
        struct pollfd fds[] = { { s->udp, POLLIN, 0 }, { s->tcp, POLLIN, 0 } };
        unsigned char in[1024], out[1024];
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        if (poll(fds, 2, 20) <= 0)
            continue;
        if (fds[1].revents)
            serve_tcp(s);
        ssize_t n = fds[0].revents ? recvfrom(s->udp, in, sizeof in, 0, (struct sockaddr *)&from, &len) : 0;
        if (n > 12)
            sendto(s->udp, out, reply(s, in, (size_t)n, out, false), 0, (struct sockaddr *)&from, len);
    }
    return NULL;
}

static void server_begin(struct server *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    s->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    s->tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->udp, (struct sockaddr *)&at, len), 0);
    assert_int_equal(getsockname(s->udp, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(bind(s->tcp, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(s->tcp, 8), 0);
    s->port = ntohs(at.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_end(struct server *s)
{
    atomic_store(&s->over, true);
    pthread_join(s->thread, NULL);
    close(s->udp);
    close(s->tcp);
}

// One record; the target is one label and "test".
static size_t record(unsigned char *at, unsigned priority, unsigned port, const char *label)
{
    size_t n = strlen(label);
    const unsigned char head[] = { 0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, (unsigned char)(6 + 1 + n + 6) };
    const unsigned char rest[] = { (unsigned char)(priority >> 8),
                                   (unsigned char)priority,
                                   0,
                                   0,
                                   (unsigned char)(port >> 8),
                                   (unsigned char)port,
                                   (unsigned char)n };
    memcpy(at, head, sizeof head);
    memcpy(at + sizeof head, rest, sizeof rest);
    memcpy(at + sizeof head + sizeof rest, label, n);
    memcpy(at + sizeof head + sizeof rest + n, "\4test", 6);
    return sizeof head + sizeof rest + n + 6;
}

static void on_copied(void *ctx, const struct gw_resolver_answer *a)
{
    *(struct gw_resolver_answer *)ctx = *a;
}

static void ask_service(const struct server *s, struct gw_resolver_answer *out)
{
    uv_loop_t uv;
    char servers[32];
    uv_loop_init(&uv);
    int n = snprintf(servers, sizeof servers, "127.0.0.1:%u", (unsigned)s->port);
    const struct gw_resolver_request r = { .uv = &uv,
                                           .name = "_db._tcp.test",
                                           .service = true,
                                           .servers = span_of(servers, (size_t)n),
                                           .on_answer = on_copied,
                                           .ctx = out };
    assert_non_null(gw_resolver_ask(&r));
    uv_run(&uv, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&uv), 0);
}

// A thousand, of which the preferred ten come last, or first, or in the middle.
static size_t thousand(const struct server *s, unsigned char *at)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_records; i++) {
        unsigned k = (unsigned)((i + s->first) % s->n_records);
        n += record(at + n, k < 990 ? 20 : 10, 1000 + k, "a");
    }
    return n;
}

static void thousands_of_records_do_not_push_out_the_preferred_ones(void **state)
{
    (void)state;
    struct server s = { .records = thousand, .n_records = 1000 };
    static struct gw_resolver_answer a;
    server_begin(&s);
    ask_service(&s, &a);
    server_end(&s);
    assert_null(a.what);
    assert_int_equal(a.n, 10);
    for (size_t i = 0; i < a.n; i++)
        assert_int_equal(a.v[i].port, 1990 + i);
}

static size_t hundred(const struct server *s, unsigned char *at)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_records; i++)
        n += record(at + n, 10, 1000 + (unsigned)((i + s->first) % s->n_records), i % 2 == s->first % 2 ? "a" : "A");
    return n;
}

static void records_in_another_order_or_case_are_the_same_endpoints(void **state)
{
    (void)state;
    static struct gw_resolver_answer a, b;
    struct server s = { .records = hundred, .n_records = 100 },
                  t = { .records = hundred, .n_records = 100, .first = 51 };
    server_begin(&s);
    ask_service(&s, &a);
    server_end(&s);
    server_begin(&t);
    ask_service(&t, &b);
    server_end(&t);
    assert_int_equal(a.n, GW_ENDPOINTS_MAX);
    assert_true(a.more && b.more);
    assert_int_equal(b.n, a.n);
    for (size_t i = 0; i < a.n; i++) {
        assert_int_equal(a.v[i].port, b.v[i].port);
        assert_string_equal(a.v[i].name, b.v[i].name);
        assert_string_equal(a.v[i].name, "a.test");
    }
}

static size_t hostile(const struct server *s, unsigned char *at)
{
    (void)s;
    size_t n = record(at, 1, 1, "a\r\nx");
    n += record(at + n, 1, 2, "a b");
    n += record(at + n, 1, 3, "a/b");
    n += record(at + n, 1, 4, "a:1");
    n += record(at + n, 1, 5, "a@b");
    n += record(at + n, 1, 0, "no-port");
    return n + record(at + n, 2, 6, "good");
}

static void a_target_that_is_no_host_name_never_gets_into_a_host_field(void **state)
{
    (void)state;
    struct server s = { .records = hostile, .n_records = 7 };
    static struct gw_resolver_answer a;
    server_begin(&s);
    ask_service(&s, &a);
    server_end(&s);
    assert_int_equal(a.n, 1);
    assert_string_equal(a.v[0].name, "good.test");
    assert_int_equal(a.v[0].port, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_ttl_counts),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_none),
        cmocka_unit_test(a_ttl_beyond_31_bits_is_none_at_all),
        cmocka_unit_test(a_name_that_points_to_itself_ends),
        cmocka_unit_test(a_question_called_off_is_never_answered),
        cmocka_unit_test(a_name_server_that_is_not_there_is_an_answer),
        cmocka_unit_test(thousands_of_records_do_not_push_out_the_preferred_ones),
        cmocka_unit_test(records_in_another_order_or_case_are_the_same_endpoints),
        cmocka_unit_test(a_target_that_is_no_host_name_never_gets_into_a_host_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

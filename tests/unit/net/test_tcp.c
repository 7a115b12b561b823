// SPDX-License-Identifier: GPL-3.0-or-later
// Who connects while there is no memory is not lost, and neither is the listener: libuv hears of nobody else before he was accepted.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/net/tcp.h"
#include "tests/unit/base/failmalloc.h"

static unsigned calls;

static void on_connection(uv_stream_t *listener, int status)
{
    (void)listener;
    assert_int_equal(status, 0);
    calls++;
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static void await_calls(uv_loop_t *uv, unsigned n)
{
    while (calls < n)
        uv_run(uv, UV_RUN_ONCE);
}

static void take_and_close(struct gw_tcp_loop *l, uv_stream_t *listener)
{
    char remote[GW_SOCKET_PEER];
    uv_tcp_t *taken = NULL;
    assert_true(gw_tcp_take(l, listener, &taken, remote));
    assert_non_null(taken);
    assert_true(span_starts(span_str(remote), SPAN("127.0.0.1:")));
    gw_tcp_turn_away(taken);
}

static void without_memory_a_connection_waits_and_the_listener_stays(void **state)
{
    (void)state;
    uv_loop_t uv;
    uv_tcp_t listener;
    struct gw_tcp_loop l;
    const char *what;
    char remote[GW_SOCKET_PEER];
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    int fd;
    if (!fail_works)
        skip();
    assert_int_equal(uv_loop_init(&uv), 0);
    assert_int_equal(gw_tcp_loop_init(&l, &uv), 0);
    assert_int_equal(gw_tcp_bind(SPAN("127.0.0.1:0"), false, &fd, &what), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    uv_tcp_init(&uv, &listener);
    assert_int_equal(uv_tcp_open(&listener, fd), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&listener, 8, on_connection), 0);
    int first = connect_to(ntohs(at.sin_port));
    await_calls(&uv, 1);
    uv_tcp_t *taken = &listener;
    fail_after = 0;
    bool took = gw_tcp_take(&l, (uv_stream_t *)&listener, &taken, remote);
    fail_after = -1;
    assert_false(took);
    assert_null(taken);
    take_and_close(&l, (uv_stream_t *)&listener); // he still waits …
    int second = connect_to(ntohs(at.sin_port));
    await_calls(&uv, 2); // … and then others are heard of
    take_and_close(&l, (uv_stream_t *)&listener);
    close(first);
    close(second);
    uv_close((uv_handle_t *)&listener, NULL);
    uv_run(&uv, UV_RUN_DEFAULT);
    gw_tcp_loop_fini(&l);
    assert_int_equal(uv_loop_close(&uv), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_a_connection_waits_and_the_listener_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

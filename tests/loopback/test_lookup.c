// SPDX-License-Identifier: GPL-3.0-or-later
// Names that do not resolve, or only after a long while, must not keep others from being resolved: libuv lends lookups a few threads of the whole
// process, and one that is under way cannot be called off. getaddrinfo is ours here.
#include "gateway/net/tcp.h"

#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define STUCK "stuck.test"
#define DIALS 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static bool stuck;
static unsigned under_way, begun;

int getaddrinfo(const char *host, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    typedef int (*function)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    function real;
    memcpy(&real, &symbol, sizeof real);
    if (strcmp(host, STUCK) != 0)
        return real(host, service, hints, out);
    pthread_mutex_lock(&lock);
    begun++;
    under_way++;
    pthread_cond_broadcast(&change);
    while (stuck)
        pthread_cond_wait(&change, &lock);
    under_way--;
    pthread_mutex_unlock(&lock);
    return real("127.0.0.1", service, hints, out);
}

static void set_stuck(bool to)
{
    pthread_mutex_lock(&lock);
    stuck = to;
    begun = to ? 0 : begun;
    pthread_cond_broadcast(&change);
    pthread_mutex_unlock(&lock);
}

static void await_one_under_way(void)
{
    pthread_mutex_lock(&lock);
    while (under_way == 0)
        pthread_cond_wait(&change, &lock);
    pthread_mutex_unlock(&lock);
}

struct world {
    uv_loop_t uv;
    struct gw_tcp_loop tcp;
    uv_timer_t patience;
    uint16_t port;
    int listener;
    unsigned connected, failed, closed;
    bool late;
};

static void on_bytes(struct gw_socket *s, struct span in)
{
    (void)s;
    (void)in;
}

static void on_event(struct gw_socket *s)
{
    (void)s;
}

static void on_error(struct gw_socket *s, int why)
{
    (void)s;
    (void)why;
}

static void on_closed(struct gw_socket *s)
{
    struct world *w = s->owner;
    w->closed++;
}

static void on_connected(struct gw_socket *s, const char *why)
{
    struct world *w = s->owner;
    *(why ? &w->failed : &w->connected) += 1;
    gw_socket_close(s);
}

static void on_late(uv_timer_t *t)
{
    struct world *w = t->data;
    w->late = true;
    uv_stop(&w->uv);
}

static void world_init(struct world *w)
{
    const char *what;
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    *w = (struct world){ .port = 0 };
    assert_int_equal(uv_loop_init(&w->uv), 0);
    assert_int_equal(gw_tcp_loop_init(&w->tcp, &w->uv), 0);
    assert_int_equal(gw_tcp_bind(SPAN("127.0.0.1:0"), false, &w->listener, &what), 0);
    assert_int_equal(listen(w->listener, 16), 0);
    assert_int_equal(getsockname(w->listener, (struct sockaddr *)&at, &n), 0);
    w->port = ntohs(at.sin_port);
    uv_timer_init(&w->uv, &w->patience);
    w->patience.data = w;
}

static void world_fini(struct world *w)
{
    set_stuck(false);
    uv_close((uv_handle_t *)&w->patience, NULL);
    assert_int_equal(uv_run(&w->uv, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&w->uv), 0);
    gw_tcp_loop_fini(&w->tcp);
    close(w->listener);
}

static void dial(struct world *w, struct gw_socket *s, const char *host)
{
    struct gw_dialler d = gw_tcp_dialler(&w->tcp);
    *s = (struct gw_socket){ .owner = w,
                             .on_bytes = on_bytes,
                             .on_end = on_event,
                             .on_error = on_error,
                             .on_drained = on_event,
                             .on_closed = on_closed };
    assert_int_equal(d.dial(d.ctx, s, host, w->port, on_connected), 0);
}

// Until so many were closed, or two seconds have passed.
static void run_until_closed(struct world *w, unsigned n)
{
    w->late = false;
    uv_timer_start(&w->patience, on_late, 2000, 0);
    while (w->closed < n && !w->late)
        uv_run(&w->uv, UV_RUN_ONCE);
    uv_timer_stop(&w->patience);
    assert_int_equal(w->closed, n);
}

static void a_name_that_hangs_keeps_no_other_from_being_resolved(void **state)
{
    (void)state;
    struct world w;
    struct gw_socket hang[DIALS], other;
    set_stuck(true);
    world_init(&w);
    for (size_t i = 0; i < DIALS; i++) {
        dial(&w, &hang[i], STUCK);
        await_one_under_way();
        usleep(20000);             // long enough for another thread to take up another lookup
        gw_socket_close(&hang[i]); // given up by whoever wanted it; and tried again
    }
    dial(&w, &other, "localhost");
    run_until_closed(&w, DIALS + 1);
    assert_int_equal(w.connected, 1);
    assert_int_equal(begun, 1);
    world_fini(&w);
}

static void who_wants_the_same_name_shares_one_lookup_and_each_connects(void **state)
{
    (void)state;
    struct world w;
    struct gw_socket s[DIALS];
    set_stuck(true);
    world_init(&w);
    for (size_t i = 0; i < DIALS; i++)
        dial(&w, &s[i], STUCK);
    await_one_under_way();
    gw_socket_close(&s[0]); // the first, one in the middle, the last: the others still come
    gw_socket_close(&s[3]);
    gw_socket_close(&s[DIALS - 1]);
    set_stuck(false);
    run_until_closed(&w, DIALS);
    assert_int_equal(w.connected, DIALS - 3);
    assert_int_equal(w.failed, 0);
    assert_int_equal(begun, 1);
    // What was looked up is not remembered: names move.
    dial(&w, &s[0], STUCK);
    run_until_closed(&w, DIALS + 1);
    assert_int_equal(w.connected, DIALS - 2);
    assert_int_equal(begun, 2);
    world_fini(&w);
}

static struct gw_socket *victims;

// The first that is told closes the others, in the middle of it.
static void on_connected_close_all(struct gw_socket *s, const char *why)
{
    struct world *w = s->owner;
    (void)why;
    w->connected++;
    for (size_t i = 0; i < 3; i++)
        if (!victims[i].closing)
            gw_socket_close(&victims[i]);
}

static void a_failure_that_ends_others_of_the_same_name_touches_none_that_is_gone(void **state)
{
    (void)state;
    struct world w;
    struct gw_socket s[3];
    struct gw_dialler d;
    set_stuck(false);
    world_init(&w);
    d = gw_tcp_dialler(&w.tcp);
    victims = s;
    for (size_t i = 0; i < 3; i++) {
        s[i] = (struct gw_socket){ .owner = &w,
                                   .on_bytes = on_bytes,
                                   .on_end = on_event,
                                   .on_error = on_error,
                                   .on_drained = on_event,
                                   .on_closed = on_closed };
        assert_int_equal(d.dial(d.ctx, &s[i], "no such name", 1, on_connected_close_all), 0);
    }
    run_until_closed(&w, 3);
    assert_int_equal(w.connected, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_hangs_keeps_no_other_from_being_resolved),
        cmocka_unit_test(who_wants_the_same_name_shares_one_lookup_and_each_connects),
        cmocka_unit_test(a_failure_that_ends_others_of_the_same_name_touches_none_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// How long an answer of the DNS holds, and questions that are called off. What whole answers come to is in tests/e2e/shards.test.mjs.
#include "gateway/net/resolver.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_ttl_counts),
        cmocka_unit_test(a_message_that_is_cut_anywhere_is_none),
        cmocka_unit_test(a_ttl_beyond_31_bits_is_none_at_all),
        cmocka_unit_test(a_name_that_points_to_itself_ends),
        cmocka_unit_test(a_question_called_off_is_never_answered),
        cmocka_unit_test(a_name_server_that_is_not_there_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

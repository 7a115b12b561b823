// SPDX-License-Identifier: GPL-3.0-or-later
// Responses of shards through the parser: held to the same framing rules as requests (checklist 33).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/http_run.h"

#define S(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }
#define OK "HTTP/1.1 200 OK\r\n"

static void run_both(struct http_run *r, struct span in, const struct gw_h1_limits *limits, bool head)
{
    struct http_run bytes;
    http_run_response(r, in, limits, head, http_split_whole, NULL);
    http_run_response(&bytes, in, limits, head, http_split_bytes, NULL);
    assert_true(span_eq(buf_span(&r->text), buf_span(&bytes.text)));
    if (r->broken)
        fail_msg("%s", r->broken);
    http_run_fini(&bytes);
}

static void read_as(struct span in, bool head, const char *transcript)
{
    struct http_run r;
    run_both(&r, in, &gw_h1_default_limits, head);
    buf_byte(&r.text, 0);
    assert_string_equal(buf_span(&r.text).p, transcript);
    http_run_fini(&r);
}

static void answers_of_every_framing_are_understood(void **state)
{
    (void)state;
    read_as(SPAN(OK "Content-Length: 5\r\n\r\nhello"), false,
            "200 1.1 length 5 keep\n  content-length: 5\nbody 5 helloend at 43\n");
    read_as(SPAN(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n"), false,
            "200 1.1 chunked 0 keep\n  transfer-encoding: chunked\nbody 5 helloend at 68\n");
    read_as(SPAN(OK "\r\nhello"), false, "200 1.1 close 0\nbody 5 helloend at 24\n");
    read_as(SPAN("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello"), false,
            "200 1.0 length 5\n  content-length: 5\n  connection: keep-alive (hop)\nbody 5 helloend at 67\n");
    read_as(SPAN("HTTP/1.1 404\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), false,
            "404 1.1 length 0\n  content-length: 0\n  connection: close (hop)\nbody 0 end at 54\n");
}

static void answers_without_a_body_have_none_whatever_they_say(void **state)
{
    (void)state;
    read_as(SPAN(OK "Content-Length: 5\r\n\r\n"), true, "200 1.1 none 5 keep\n  content-length: 5\nbody 0 end at 38\n");
    read_as(SPAN(OK "Transfer-Encoding: chunked\r\n\r\n"), true,
            "200 1.1 none 0 keep\n  transfer-encoding: chunked\nbody 0 end at 47\n");
    read_as(SPAN("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), false,
            "304 1.1 none 5 keep\n  content-length: 5\nbody 0 end at 48\n");
    read_as(SPAN("HTTP/1.1 204 No Content\r\n\r\n"), false, "204 1.1 none 0 keep\nbody 0 end at 27\n");
}

static void interim_answers_are_dropped(void **state)
{
    (void)state;
    read_as(SPAN("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" OK
                 "Content-Length: 1\r\n\r\nx"),
            false, "interim 100\ninterim 103\n200 1.1 length 1 keep\n  content-length: 1\nbody 1 xend at 104\n");
}

static void rule_35_surplus_bytes_of_a_shard_are_left_over(void **state)
{
    (void)state;
    read_as(SPAN(OK "Content-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n\r\n"), false,
            "200 1.1 length 1 keep\n  content-length: 1\nbody 1 xend at 39 surplus\n");
    read_as(SPAN("HTTP/1.1 204 No Content\r\n\r\nhello"), false, "204 1.1 none 0 keep\nbody 0 end at 27 surplus\n");
    read_as(SPAN(OK "Content-Length: 5\r\n\r\nhello"), true,
            "200 1.1 none 5 keep\n  content-length: 5\nbody 0 end at 38 surplus\n");
}

static void rule_33_holds_for_shards_too(void **state)
{
    (void)state;
    static const struct span cases[] = {
        S(OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        S(OK "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
        S(OK "Content-Length: 1,1\r\n\r\nx"),
        S(OK "Content-Length: -1\r\n\r\nx"),
        S(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        S(OK "Transfer-Encoding: identity\r\n\r\nx"),
        S(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        S("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        S(OK "X: a\r\n b\r\n\r\n"),
        S(OK "X : a\r\n\r\n"),
        S(OK "X: a\n\r\n"),
        S(OK "X: a\rb\r\n\r\n"),
        S(OK "X: a\0b\r\n\r\n"),
        S("HTTP/1.1 200 OK\n\r\n"),
        S("\r\nHTTP/1.1 200 OK\r\n\r\n"),
        S("HTTP/1.1 2000 OK\r\n\r\n"),
        S("HTTP/1.1 099 OK\r\n\r\n"),
        S("HTTP/1.1 600 OK\r\n\r\n"),
        S("HTTP/1.1  200 OK\r\n\r\n"),
        S("HTTP/2.0 200 OK\r\n\r\n"),
        S("HTTP/0.9 200 OK\r\n\r\n"),
        S("ICY 200 OK\r\n\r\n"),
        S("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        S("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
        S("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        S("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello"),
        S(OK "Connection: set-cookie\r\nContent-Length: 0\r\n\r\n"),
        S(OK "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n"),
        S(OK "Transfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n"),
        S(OK "Transfer-Encoding: chunked\r\n\r\n1;\r\nx\r\n0\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_run r;
        run_both(&r, cases[i], &gw_h1_default_limits, false);
        if (r.error != ERR_SHARD_ANSWER)
            fail_msg("case %zu was not refused: %.*s", i, SPAN_FMT(buf_span(&r.text)));
        http_run_fini(&r);
    }
}

static void an_answer_that_ends_early_is_cut(void **state)
{
    (void)state;
    static const struct span cases[] = {
        S("HTTP/1.1 200 OK\r\nContent-Le"),
        S(OK "Content-Length: 5\r\n\r\nhell"),
        S(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
        S("HTTP/1.1 100 Continue\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_run r;
        run_both(&r, cases[i], &gw_h1_default_limits, false);
        assert_int_equal(r.error, ERR_SHARD_CUT);
        http_run_fini(&r);
    }
}

static void rule_34_a_shard_is_bounded_too(void **state)
{
    (void)state;
    struct gw_h1_limits l = gw_h1_default_limits;
    struct http_run r;
    struct buf many;
    l.body = 4;
    run_both(&r, SPAN(OK "\r\nhello"), &l, false);
    assert_int_equal(r.error, ERR_SHARD_ANSWER);
    http_run_fini(&r);
    buf_init(&many, 0);
    for (int i = 0; i < 9; i++)
        buf_append(&many, SPAN("HTTP/1.1 102 Processing\r\n\r\n"));
    buf_append(&many, SPAN(OK "Content-Length: 0\r\n\r\n"));
    run_both(&r, buf_span(&many), &gw_h1_default_limits, false);
    assert_int_equal(r.error, ERR_SHARD_ANSWER);
    http_run_fini(&r);
    buf_fini(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_every_framing_are_understood),
        cmocka_unit_test(answers_without_a_body_have_none_whatever_they_say),
        cmocka_unit_test(interim_answers_are_dropped),
        cmocka_unit_test(rule_35_surplus_bytes_of_a_shard_are_left_over),
        cmocka_unit_test(rule_33_holds_for_shards_too),
        cmocka_unit_test(an_answer_that_ends_early_is_cut),
        cmocka_unit_test(rule_34_a_shard_is_bounded_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

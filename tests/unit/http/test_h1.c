// SPDX-License-Identifier: GPL-3.0-or-later
// Requests through the parser: rules 31 to 34 of the checklist, and the contract of events, bounds and back-pressure.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/http_run.h"

struct refusal {
    struct span text; // the whole request
    int error;
};

// A case is text with its CRLFs written out; `S` keeps embedded NULs.
#define S(text)                \
    {                          \
        text, sizeof(text) - 1 \
    }
#define HOST "Host: a\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void run_both(struct http_run *r, struct span in, const struct gw_h1_limits *limits)
{
    struct http_run bytes;
    http_run_requests(r, in, limits, http_split_whole, NULL);
    http_run_requests(&bytes, in, limits, http_split_bytes, NULL);
    assert_true(span_eq(buf_span(&r->text), buf_span(&bytes.text)));
    if (r->broken)
        fail_msg("%s", r->broken);
    http_run_fini(&bytes);
}

static void each_is_refused(const struct refusal *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct http_run r;
        run_both(&r, cases[i].text, &gw_h1_default_limits);
        if (r.error != cases[i].error || r.messages)
            fail_msg("case %zu: %s, wanted %s; %s\n%.*s", i, r.error ? err_info(r.error)->name.p : "accepted",
                     err_info(cases[i].error)->name.p, r.what ? r.what : "", SPAN_FMT(cases[i].text));
        http_run_fini(&r);
    }
}
#define EACH_IS_REFUSED(cases) each_is_refused(cases, sizeof(cases) / sizeof((cases)[0]))

static void accepted_as(struct span in, const char *transcript)
{
    struct http_run r;
    run_both(&r, in, &gw_h1_default_limits);
    buf_byte(&r.text, 0);
    assert_string_equal(buf_span(&r.text).p, transcript);
    http_run_fini(&r);
}

// ------------------------------------------------------------------------------------------- what is understood

static void a_plain_request_is_understood(void **state)
{
    (void)state;
    accepted_as(SPAN("GET /a?b=c HTTP/1.1\r\nHOST: x.test:8443\r\nX-Empty:\r\nAccept: \t a, b \t\r\n\r\n"),
                "GET /a?b=c 1.1 none 0 keep\n  host: x.test:8443\n  x-empty: \n  accept: a, b\nbody 0 end at 70\n");
}

static void pipelined_requests_come_one_after_the_other(void **state)
{
    (void)state;
    accepted_as(SPAN("PUT /1 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc\r\nDELETE /2 HTTP/1.1\r\n" HOST
                     "Connection: close\r\n\r\nGET /3 HTTP/1.1\r\n" HOST "\r\n"),
                "PUT /1 1.1 length 3 keep\n  host: a\n  content-length: 3\nbody 3 abcend at 50\n"
                "DELETE /2 1.1 none 0\n  host: a\n  connection: close (hop)\nbody 0 end at 102\n");
}

static void chunks_are_joined_extensions_and_trailers_dropped(void **state)
{
    (void)state;
    accepted_as(SPAN(CHUNKED "3;a=\"b;\\\"c\"\r\nabc\r\n00A;x\r\n0123456789\r\n0\r\nTrailer: x\r\nHost: b\r\n\r\nGET"),
                "POST / 1.1 chunked 0 keep\n  host: a\n  transfer-encoding: chunked\nbody 13 abc0123456789end at 119\n"
                "error CLIENT_GONE\n");
}

static void http_1_0_never_keeps_alive(void **state)
{
    (void)state;
    accepted_as(
        SPAN("GET / HTTP/1.0\r\n" HOST "Connection: keep-alive\r\nExpect: 100-continue\r\n\r\n"),
        "GET / 1.0 none 0\n  host: a\n  connection: keep-alive (hop)\n  expect: 100-continue\nbody 0 end at 73\n");
}

static void expect_100_continue_is_reported_when_a_body_follows(void **state)
{
    (void)state;
    accepted_as(
        SPAN(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx"),
        "POST / 1.1 length 1 keep expect\n  host: a\n  expect: 100-Continue\n  content-length: 1\nbody 1 xend at 70\n");
}

// ------------------------------------------------------------------------------------------------ what is refused

static void rule_33_ambiguous_framing_is_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 5, 5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: +5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: -5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 5 5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 0x5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 005\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length:\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Content-Length: 18446744073709551616\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding: identity\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Transfer-Encoding:\r\n\r\n"), ERR_HTTP_FRAMING },
        { S("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(POST "Content_Length: 5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S(POST "Transfer--Encoding: chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S("GET / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"), ERR_HTTP_FRAMING },
        { S("HEAD / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
    };
    EACH_IS_REFUSED(cases);
}

static void rule_33_folding_spaces_and_bare_line_ends_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S(POST "X: a\r\n b\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\r\n\tb\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S("POST / HTTP/1.1\r\n Host: a\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X : a\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X\t: a\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST ": a\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X(: a\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\r\n\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\rb\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\r\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\0b\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\x01\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "X: a\x7f\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S("POST / HTTP/1.1\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("\nPOST / HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("\r\n\r\nPOST / HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
    };
    EACH_IS_REFUSED(cases);
}

static void rule_33_bad_chunks_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "+3\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED ";a\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3\rabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;;a\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;a=\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;a=\"b\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;a\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;a\0\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3;a=\"\r\"\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3\r\nabcd\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3\r\nabc0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "3\r\nabc\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "0\r\nX: a\r\n b\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(CHUNKED "0\r\nX : a\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "0\r\nX: a\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "0\r\nContent-Length: 5\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "0\r\nTRANSFER-Encoding: chunked\r\n\r\n"), ERR_HTTP_FRAMING },
    };
    EACH_IS_REFUSED(cases);
}

static void rule_32_exactly_one_host(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S("GET / HTTP/1.1\r\n\r\n"), ERR_HTTP_HOST },
        { S("GET / HTTP/1.0\r\n\r\n"), ERR_HTTP_HOST },
        { S("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), ERR_HTTP_HOST },
        { S("GET https://a/ HTTP/1.1\r\n\r\n"), ERR_HTTP_HOST },
    };
    EACH_IS_REFUSED(cases);
}

static void rule_31_connection_cannot_name_an_identity_header(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S(POST "Connection: authorization\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: close, DPoP\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: Host\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: content-length\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: transfer-encoding\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: content-type\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: x-request-id\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: X-Forwarded-For\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: client-cert\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: cookie\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: a b\r\n\r\n"), ERR_HTTP_MALFORMED },
        { S(POST "Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\r\n\r\n"), ERR_HTTP_MALFORMED },
    };
    EACH_IS_REFUSED(cases);
}

static void rule_31_what_connection_names_is_hop_by_hop(void **state)
{
    (void)state;
    accepted_as(
        SPAN("GET / HTTP/1.1\r\n" HOST "X-Mine: 1\r\nConnection: , TE, x-MINE,\r\nTE: trailers\r\nX-Other: 2\r\n\r\n"),
        "GET / 1.1 none 0 keep\n  host: a\n  x-mine: 1 (hop)\n  connection: , TE, x-MINE, (hop)\n  te: trailers (hop)\n"
        "  x-other: 2\nbody 0 end at 91\n");
}

static void upgrades_connect_and_other_versions_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S("GET / HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), ERR_HTTP_UPGRADE },
        { S("GET / HTTP/1.1\r\n" HOST
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n"),
          ERR_HTTP_UPGRADE },
        { S("GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\n\r\n"), ERR_HTTP_UPGRADE },
        { S("GET / HTTP/1.1\r\n" HOST "Connection: upgrade\r\n\r\n"), ERR_HTTP_UPGRADE },
        { S("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_UPGRADE },
        { S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ERR_HTTP_VERSION },
        { S("GET / HTTP/2.0\r\n" HOST "\r\n"), ERR_HTTP_VERSION },
        { S("GET / HTTP/1.2\r\n" HOST "\r\n"), ERR_HTTP_VERSION },
        { S("GET / HTTP/0.9\r\n" HOST "\r\n"), ERR_HTTP_VERSION },
        { S("GET /\r\n"), ERR_HTTP_VERSION },
    };
    EACH_IS_REFUSED(cases);
}

static void request_lines_that_are_not_exact_are_refused(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        { S("GET  / HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET /  HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET / HTTP/1.1 \r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET / http/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET / HTTP/1.10\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("GET /\x01 HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_MALFORMED },
        { S("\x16\x03\x01\x02"), ERR_HTTP_MALFORMED },
        { S("get / HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_METHOD },
        { S("TRACE / HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_METHOD },
        { S("FROBNICATE / HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_METHOD },
        { S(POST "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"), ERR_HTTP_EXPECT },
        { S(POST "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"), ERR_HTTP_EXPECT },
        { S(POST "Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"), ERR_HTTP_MALFORMED },
    };
    EACH_IS_REFUSED(cases);
}

// --------------------------------------------------------------------------------------------------------- bounds

static void rule_34_every_size_is_bounded(void **state)
{
    (void)state;
    const struct gw_h1_limits l = {
        .line = 40,
        .header_bytes = 80,
        .header_count = 3,
        .body = 10,
        .chunk_line = 20,
        .extensions = 30,
        .trailer_bytes = 20,
        .trailer_count = 2,
    };
    static const struct {
        struct span text;
        int error; // 0: exactly at the bound
    } cases[] = {
        { S("GET /aaaaaaaaaabbbbbbbbbbccccccc HTTP/1.1\r\n" HOST "\r\n"), ERR_HTTP_LINE_SIZE },
        { S("GET /aaaaaaaaaabbbbbbbbbbcccccc HTTP/1.1\r\n" HOST "\r\n"), 0 },
        { S("GET / HTTP/1.1\r\n" HOST "X: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggggg\r\n\r\n"),
          ERR_HTTP_HEADER_SIZE },
        { S("GET / HTTP/1.1\r\n" HOST "X: aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggg\r\n\r\n"),
          0 },
        { S("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\nC: 3\r\n\r\n"), ERR_HTTP_HEADER_SIZE },
        { S("GET / HTTP/1.1\r\n" HOST "A: 1\r\nB: 2\r\n\r\n"), 0 },
        { S(POST "Content-Length: 11\r\n\r\n01234567890"), ERR_HTTP_BODY_SIZE },
        { S(POST "Content-Length: 10\r\n\r\n0123456789"), 0 },
        { S(CHUNKED "a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n"), ERR_HTTP_BODY_SIZE },
        { S(CHUNKED "9\r\n012345678\r\n1\r\nx\r\n0\r\n\r\n"), 0 },
        { S(CHUNKED "1;aaaaaaaaaaaaaaaaa\r\nx\r\n0\r\n\r\n"), ERR_HTTP_FRAMING },
        { S(CHUNKED "1;aaaaaaaaaaaaaaaa\r\nx\r\n0\r\n\r\n"), 0 },
        { S(CHUNKED "1;aaaaaa\r\nx\r\n1;aaaaaa\r\nx\r\n1;aaaaaa\r\nx\r\n1;aaaaaa\r\nx\r\n0\r\n\r\n"),
          ERR_HTTP_FRAMING },
        { S(CHUNKED "0\r\nX: aaaaaaaaaaaaaaaa\r\n\r\n"), ERR_HTTP_HEADER_SIZE },
        { S(CHUNKED "0\r\nX: aaaaaaaaaaaaaaa\r\n\r\n"), 0 },
        { S(CHUNKED "0\r\nA: 1\r\nB: 2\r\nC:\r\n\r\n"), ERR_HTTP_HEADER_SIZE },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_run r;
        run_both(&r, cases[i].text, &l);
        if (r.error != cases[i].error)
            fail_msg("case %zu: %s, %s", i, r.error ? err_info(r.error)->name.p : "accepted", r.what ? r.what : "");
        http_run_fini(&r);
    }
}

static void rule_34_a_request_line_without_end_is_cut_off_early(void **state)
{
    (void)state;
    struct arena arena;
    struct gw_h1 h;
    struct gw_request r;
    size_t n, fed = 0;
    arena_init(&arena, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, &arena, &r);
    while (gw_h1_feed(&h, SPAN("AAAAAAAAAAAAAAAA"), &n) == GW_H1_NEED_MORE && fed < 100000)
        fed += n;
    assert_int_equal(h.error, ERR_HTTP_LINE_SIZE);
    assert_true(fed <= gw_h1_default_limits.line + 16);
    assert_true(arena.used < 4 * gw_h1_default_limits.line);
    arena_fini(&arena);
}

static void out_of_memory_is_an_error_at_every_allocation(void **state)
{
    (void)state;
    const struct span in = SPAN("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n");
    unsigned refused = 0, accepted = 0;
    for (size_t limit = 1; limit < 4096; limit += 16) {
        struct arena arena;
        struct gw_h1 h;
        struct gw_request r;
        size_t n;
        arena_init(&arena, limit);
        gw_h1_init_server(&h, &gw_h1_default_limits);
        gw_h1_begin_request(&h, &arena, &r);
        enum gw_h1_event event = gw_h1_feed(&h, in, &n);
        assert_true(event == GW_H1_HEAD || (event == GW_H1_ERROR && h.error == ERR_NOMEM));
        refused += event == GW_H1_ERROR;
        accepted += event == GW_H1_HEAD;
        arena_fini(&arena);
    }
    assert_true(refused > 2 && accepted > 2);
}

// ------------------------------------------------------------------------------------------------------- contract

static void parsing_pauses_at_the_head_and_at_the_end(void **state)
{
    (void)state;
    const struct span in = SPAN(POST "Content-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n");
    struct arena arena;
    struct gw_h1 h;
    struct gw_request r;
    size_t n;
    arena_init(&arena, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    assert_true(gw_h1_idle(&h));
    gw_h1_begin_request(&h, &arena, &r);
    assert_true(gw_h1_idle(&h));
    assert_int_equal(gw_h1_feed(&h, span_sub(in, 0, 20), &n), GW_H1_NEED_MORE);
    assert_true(gw_h1_in_head(&h) && !gw_h1_idle(&h));
    struct span rest = span_sub(in, 20, in.n);
    assert_int_equal(gw_h1_feed(&h, rest, &n), GW_H1_HEAD);
    assert_true(gw_h1_in_body(&h));
    rest = span_sub(rest, n, rest.n);
    assert_true(span_starts(rest, SPAN("abc")));
    assert_int_equal(gw_h1_feed(&h, rest, &n), GW_H1_BODY);
    assert_true(h.body.p == rest.p && h.body.n == 3 && n == 3);
    assert_int_equal(gw_h1_feed(&h, span_sub(rest, 3, rest.n), &n), GW_H1_END);
    assert_int_equal(n, 0);
    assert_true(gw_h1_idle(&h));
    arena_fini(&arena);
}

static void an_error_stays(void **state)
{
    (void)state;
    struct arena arena;
    struct gw_h1 h;
    struct gw_request r;
    size_t n;
    arena_init(&arena, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, &arena, &r);
    assert_int_equal(gw_h1_feed(&h, SPAN("\n"), &n), GW_H1_ERROR);
    assert_int_equal(gw_h1_feed(&h, SPAN("GET / HTTP/1.1\r\n" HOST "\r\n"), &n), GW_H1_ERROR);
    assert_int_equal(n, 0);
    assert_int_equal(gw_h1_eof(&h), GW_H1_ERROR);
    arena_fini(&arena);
}

static void every_known_field_is_found_by_its_name(void **state)
{
    (void)state;
    for (int id = GW_FIELD_OTHER + 1; id < GW_FIELD_COUNT; id++)
        assert_int_equal(gw_field_id(gw_field_name((enum gw_field)id)), id);
    assert_int_equal(gw_field_id(SPAN("x-unknown")), GW_FIELD_OTHER);
    assert_int_equal(gw_field_id(SPAN("")), GW_FIELD_OTHER);
}

static void repeated_fields_are_counted(void **state)
{
    (void)state;
    const struct span in = SPAN("GET / HTTP/1.1\r\n" HOST "DPoP: a\r\ndpop: b\r\nX: 1\r\nx: 2\r\n\r\n");
    struct arena arena;
    struct gw_h1 h;
    struct gw_request r;
    size_t n;
    arena_init(&arena, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, &arena, &r);
    assert_int_equal(gw_h1_feed(&h, in, &n), GW_H1_HEAD);
    assert_int_equal(gw_headers_count(&r.headers, GW_FIELD_DPOP), 2);
    assert_int_equal(gw_headers_count(&r.headers, GW_FIELD_AUTHORIZATION), 0);
    assert_int_equal(gw_headers_count_name(&r.headers, SPAN("x")), 2);
    assert_true(span_eq(gw_headers_get(&r.headers, GW_FIELD_DPOP), SPAN("a")));
    assert_true(span_eq(gw_headers_find(&r.headers, SPAN("x")), SPAN("1")));
    assert_true(span_is_none(gw_headers_find(&r.headers, SPAN("y"))));
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_request_is_understood),
        cmocka_unit_test(pipelined_requests_come_one_after_the_other),
        cmocka_unit_test(chunks_are_joined_extensions_and_trailers_dropped),
        cmocka_unit_test(http_1_0_never_keeps_alive),
        cmocka_unit_test(expect_100_continue_is_reported_when_a_body_follows),
        cmocka_unit_test(rule_33_ambiguous_framing_is_refused),
        cmocka_unit_test(rule_33_folding_spaces_and_bare_line_ends_are_refused),
        cmocka_unit_test(rule_33_bad_chunks_are_refused),
        cmocka_unit_test(rule_32_exactly_one_host),
        cmocka_unit_test(rule_31_connection_cannot_name_an_identity_header),
        cmocka_unit_test(rule_31_what_connection_names_is_hop_by_hop),
        cmocka_unit_test(upgrades_connect_and_other_versions_are_refused),
        cmocka_unit_test(request_lines_that_are_not_exact_are_refused),
        cmocka_unit_test(rule_34_every_size_is_bounded),
        cmocka_unit_test(rule_34_a_request_line_without_end_is_cut_off_early),
        cmocka_unit_test(out_of_memory_is_an_error_at_every_allocation),
        cmocka_unit_test(parsing_pauses_at_the_head_and_at_the_end),
        cmocka_unit_test(an_error_stays),
        cmocka_unit_test(every_known_field_is_found_by_its_name),
        cmocka_unit_test(repeated_fields_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

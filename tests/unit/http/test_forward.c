// SPDX-License-Identifier: GPL-3.0-or-later
// What goes to a shard and what comes back: rules 19, 31 and 35 of the checklist.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/http/forward.h"
#include "gateway/http/h1.h"

#define HOST "Host: gw.test\r\n"

struct fixture {
    struct arena arena;
    struct buf out;
    struct gw_request request;
    struct gw_response response;
    struct gw_target target;
};

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){ 0 };
    arena_init(&f.arena, 0);
    buf_init(&f.out, 0);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_fini(&f->arena);
    buf_fini(&f->out);
    return 0;
}

static struct gw_to_shard request_of(struct fixture *f, struct span text)
{
    struct gw_h1 h;
    size_t n;
    struct gw_target_options any = { .scheme = SPAN("https"), .any_authority = true };
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, &f->arena, &f->request);
    assert_int_equal(gw_h1_feed(&h, text, &n), GW_H1_HEAD);
    assert_int_equal(gw_target_of(&f->request, &any, &f->arena, &f->target, NULL), 0);
    struct gw_to_shard to = gw_to_shard(&f->request, &f->target);
    to.host = SPAN("shard.test:6333");
    return to;
}

static struct gw_to_client response_of(struct fixture *f, struct span text, enum gw_method method, unsigned minor)
{
    struct gw_h1 h;
    size_t n;
    gw_h1_init_client(&h, &gw_h1_default_limits);
    gw_h1_begin_response(&h, &f->arena, &f->response, method == GW_METHOD_HEAD);
    assert_int_equal(gw_h1_feed(&h, text, &n), GW_H1_HEAD);
    return (struct gw_to_client){ .response = &f->response, .method = method, .minor = minor, .keep_alive = true };
}

static void wrote(struct fixture *f, const char *text)
{
    buf_byte(&f->out, 0);
    assert_string_equal(buf_span(&f->out).p, text);
}

static void rule_19_only_listed_fields_reach_the_shard(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    struct gw_to_shard to =
        request_of(f, SPAN("POST /%41?q=1 HTTP/1.1\r\n" HOST
                           "Client-Cert: x\r\nClient-Cert-Chain: x\r\nX-Forwarded-Client-Cert: x\r\n"
                           "X-SSL-Client-Verify: SUCCESS\r\nForwarded: for=x\r\nX-Forwarded-For: x\r\n"
                           "X-Forwarded-Host: x\r\nX-Real-IP: x\r\nVia: x\r\nX-Request-Id: forged\r\n"
                           "X-Sallyport-Workload: forged\r\nX-Client-Cert: x\r\n"
                           "Content-Type: application/json\r\nAccept: */*\r\nUser-Agent: u\r\n"
                           "X-Unknown: x\r\nX-Api: 1\r\nContent-Length: 2\r\n\r\n"));
    static const struct span allow[] = { { "x-api", 5 }, { "x-forwarded-for", 15 }, { "client-cert", 11 } };
    to.allow = allow;
    to.n_allow = 3;
    to.request_id = SPAN("01J");
    to.credential_name = SPAN("api-key");
    to.credential = SPAN("secret");
    assert_int_equal(gw_forward_request(&to, &f->out, &body), 0);
    wrote(f, "POST /A?q=1 HTTP/1.1\r\nhost: shard.test:6333\r\ncontent-length: 2\r\ncontent-type: "
             "application/json\r\naccept: */*\r\n"
             "user-agent: u\r\nx-api: 1\r\nx-request-id: 01J\r\napi-key: secret\r\n\r\n");
}

static void rule_35_credentials_never_reach_a_shard(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    struct gw_to_shard to =
        request_of(f, SPAN("GET / HTTP/1.1\r\n" HOST
                           "Authorization: DPoP t\r\nDPoP: p\r\nCookie: c\r\nApi-Key: k\r\nX-Api-Key: k\r\n"
                           "X-Chroma-Token: t\r\nProxy-Authorization: p\r\n\r\n"));
    static const struct span allow[] = { { "authorization", 13 }, { "dpop", 4 }, { "cookie", 6 }, { "api-key", 7 } };
    to.allow = allow; // even a table that names them
    to.n_allow = 4;
    assert_int_equal(gw_forward_request(&to, &f->out, &body), 0);
    wrote(f, "GET / HTTP/1.1\r\nhost: shard.test:6333\r\n\r\n");
}

static void rule_31_hop_by_hop_fields_are_removed(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    static const struct span allow[] = { { "x-mine", 6 }, { "te", 2 }, { "keep-alive", 10 } };
    struct gw_to_shard to =
        request_of(f, SPAN("DELETE / HTTP/1.1\r\n" HOST
                           "Connection: x-mine, keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\nTrailer: x\r\n"
                           "Proxy-Connection: close\r\nX-Mine: 1\r\nExpect: 100-continue\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"));
    to.allow = allow;
    to.n_allow = 3;
    assert_int_equal(gw_forward_request(&to, &f->out, &body), 0);
    wrote(f, "DELETE / HTTP/1.1\r\nhost: shard.test:6333\r\ntransfer-encoding: chunked\r\n\r\n");
}

static void a_rewritten_body_is_framed_anew(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    struct gw_to_shard to =
        request_of(f, SPAN("POST / HTTP/1.1\r\n" HOST
                           "Accept-Encoding: gzip\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n"));
    to.framing = GW_FRAMING_LENGTH;
    to.content_length = 4;
    to.body_rewritten = true;
    to.plain_answer = true;
    assert_int_equal(gw_forward_request(&to, &f->out, &body), 0);
    assert_int_equal(gw_body_write(&body, SPAN("{}\r\n"), &f->out), 0);
    assert_int_equal(gw_body_end(&body, &f->out), 0);
    wrote(f, "POST / HTTP/1.1\r\nhost: shard.test:6333\r\ncontent-length: 4\r\ncontent-type: application/json\r\n"
             "accept-encoding: identity\r\n\r\n{}\r\n");
    // A body that became none has no type.
    buf_clear(&f->out);
    to.method = GW_METHOD_GET;
    to.framing = GW_FRAMING_NONE;
    to.content_length = 0;
    assert_int_equal(gw_forward_request(&to, &f->out, &body), 0);
    wrote(f, "GET / HTTP/1.1\r\nhost: shard.test:6333\r\naccept-encoding: identity\r\n\r\n");
}

static void an_empty_post_says_so(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    struct gw_to_shard to = request_of(f, SPAN("POST / HTTP/1.1\r\n" HOST "\r\n"));
    assert_int_equal(gw_forward_request(&to, &f->out, &body), 0);
    assert_int_equal(gw_body_end(&body, &f->out), 0);
    wrote(f, "POST / HTTP/1.1\r\nhost: shard.test:6333\r\ncontent-length: 0\r\n\r\n");
}

static void nothing_can_be_smuggled_into_a_head(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    const struct gw_to_shard good = request_of(f, SPAN("GET / HTTP/1.1\r\n" HOST "\r\n"));
    buf_append(&f->out, SPAN("before"));
    struct gw_to_shard bad[] = { good, good, good, good, good, good };
    bad[0].path = SPAN("/ HTTP/1.1\r\nx: y");
    bad[1].query = SPAN("a b");
    bad[2].host = SPAN("a\r\nb: c");
    bad[3].request_id = SPAN("a\nb");
    bad[4].credential_name = SPAN("a: b\r\nc");
    bad[4].credential = SPAN("x");
    bad[5].framing = GW_FRAMING_CLOSE;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(gw_forward_request(&bad[i], &f->out, &body), ERR_INTERNAL);
    wrote(f, "before");
}

static void rule_31_answers_are_rewritten(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    bool alive;
    struct gw_to_client to =
        response_of(f,
                    SPAN("HTTP/1.1 201 Fantastic\r\nServer: x\r\nSet-Cookie: a=b\r\nX-Mine: 1\r\n"
                         "Connection: x-mine\r\nWWW-Authenticate: Basic\r\nX-Request-Id: forged\r\n"
                         "DPoP-Nonce: forged\r\nContent-Type: a/b\r\nX-Trace: t\r\nContent-Length: 3\r\n\r\n"),
                    GW_METHOD_POST, 1);
    static const struct span allow[] = { { "x-trace", 7 }, { "set-cookie", 10 }, { "x-mine", 6 } };
    to.allow = allow;
    to.n_allow = 3;
    to.request_id = SPAN("01J");
    to.dpop_nonce = SPAN("n");
    assert_int_equal(gw_forward_response(&to, &f->out, &body, &alive), 0);
    assert_true(alive && body.framing == GW_FRAMING_LENGTH && body.left == 3);
    wrote(f, "HTTP/1.1 201 Created\r\ncontent-type: a/b\r\nx-trace: t\r\ncontent-length: 3\r\nx-request-id: 01J\r\n"
             "dpop-nonce: n\r\n\r\n");
}

static void answers_are_framed_for_the_client(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct span from;
        enum gw_method method;
        unsigned minor;
        enum gw_framing framing;
        bool alive;
        const char *head;
    } cases[] = {
        { { "HTTP/1.1 200 x\r\n\r\n", 18 },
          GW_METHOD_GET,
          1,
          GW_FRAMING_CHUNKED,
          true,
          "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" },
        { { "HTTP/1.1 200 x\r\n\r\n", 18 },
          GW_METHOD_GET,
          0,
          GW_FRAMING_CLOSE,
          false,
          "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" },
        { { "HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", 37 },
          GW_METHOD_GET,
          1,
          GW_FRAMING_NONE,
          true,
          "HTTP/1.1 204 No Content\r\n\r\n" },
        { { "HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n", 37 },
          GW_METHOD_GET,
          1,
          GW_FRAMING_NONE,
          true,
          "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n" },
        { { "HTTP/1.1 200 x\r\nContent-Length: 7\r\n\r\n", 37 },
          GW_METHOD_HEAD,
          1,
          GW_FRAMING_NONE,
          true,
          "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n" },
        { { "HTTP/1.1 299 x\r\nContent-Length: 7\r\n\r\n", 37 },
          GW_METHOD_GET,
          0,
          GW_FRAMING_LENGTH,
          false,
          "HTTP/1.1 299 \r\ncontent-length: 7\r\nconnection: close\r\n\r\n" },
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gw_body body;
        bool alive;
        struct gw_to_client to = response_of(f, cases[i].from, cases[i].method, cases[i].minor);
        buf_clear(&f->out);
        assert_int_equal(gw_forward_response(&to, &f->out, &body, &alive), 0);
        assert_true(body.framing == cases[i].framing && alive == cases[i].alive);
        wrote(f, cases[i].head);
    }
}

static void pieces_that_are_passed_on_keep_it_too(void **state)
{
    struct fixture *f = *state;
    struct gw_body b = gw_body(GW_FRAMING_LENGTH, 5);
    assert_false(gw_body_pass(&b, SPAN("123456")));
    assert_true(gw_body_pass(&b, SPAN("123")));
    assert_int_equal(gw_body_end(&b, &f->out), ERR_INTERNAL);
    assert_false(gw_body_pass(&b, SPAN("456")));
    assert_int_equal(gw_body_write(&b, SPAN("45"), &f->out), 0);
    assert_int_equal(gw_body_end(&b, &f->out), 0);
    assert_false(gw_body_pass(&b, SPAN("")));
    b = gw_body(GW_FRAMING_CHUNKED, 0); // a chunk needs its size
    assert_false(gw_body_pass(&b, SPAN("123")));
    b = gw_body(GW_FRAMING_NONE, 0);
    assert_false(gw_body_pass(&b, SPAN("123")));
    b = gw_body(GW_FRAMING_CLOSE, 0);
    assert_true(gw_body_pass(&b, SPAN("123")));
    assert_int_equal(gw_body_end(&b, &f->out), 0);
}

static void a_body_keeps_the_promise_of_its_head(void **state)
{
    struct fixture *f = *state;
    struct gw_body b = gw_body(GW_FRAMING_LENGTH, 3);
    assert_int_equal(gw_body_write(&b, SPAN("ab"), &f->out), 0);
    assert_int_equal(gw_body_end(&b, &f->out), ERR_INTERNAL);
    assert_int_equal(gw_body_write(&b, SPAN("cd"), &f->out), ERR_INTERNAL);
    assert_int_equal(gw_body_write(&b, SPAN("c"), &f->out), 0);
    assert_int_equal(gw_body_end(&b, &f->out), 0);
    assert_int_equal(gw_body_end(&b, &f->out), ERR_INTERNAL);
    b = gw_body(GW_FRAMING_NONE, 0);
    assert_int_equal(gw_body_write(&b, SPAN("x"), &f->out), ERR_INTERNAL);
    assert_int_equal(gw_body_end(&b, &f->out), 0);
    b = gw_body(GW_FRAMING_CHUNKED, 0);
    assert_int_equal(gw_body_write(&b, SPAN(""), &f->out), 0);
    assert_int_equal(gw_body_write(&b, SPAN("0123456789abcdefg"), &f->out), 0);
    assert_int_equal(gw_body_end(&b, &f->out), 0);
    wrote(f, "abc11\r\n0123456789abcdefg\r\n0\r\n\r\n");
}

static void a_full_buffer_leaves_no_half_head(void **state)
{
    struct fixture *f = *state;
    struct gw_body body;
    struct gw_to_shard to = request_of(f, SPAN("GET / HTTP/1.1\r\n" HOST "\r\n"));
    for (size_t limit = 1; limit < 64; limit++) {
        struct buf small;
        buf_init(&small, limit);
        int rc = gw_forward_request(&to, &small, &body);
        assert_true(rc == 0 || (rc == ERR_NOMEM && buf_len(&small) == 0));
        buf_fini(&small);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rule_19_only_listed_fields_reach_the_shard, setup, teardown),
        cmocka_unit_test_setup_teardown(rule_35_credentials_never_reach_a_shard, setup, teardown),
        cmocka_unit_test_setup_teardown(rule_31_hop_by_hop_fields_are_removed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_rewritten_body_is_framed_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_post_says_so, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_can_be_smuggled_into_a_head, setup, teardown),
        cmocka_unit_test_setup_teardown(rule_31_answers_are_rewritten, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_are_framed_for_the_client, setup, teardown),
        cmocka_unit_test_setup_teardown(a_body_keeps_the_promise_of_its_head, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces_that_are_passed_on_keep_it_too, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_buffer_leaves_no_half_head, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "gateway/http/answer.h"

static void problem_is(const struct gw_problem *p, const char *text)
{
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(gw_problem_write(p, &out), 0);
    buf_byte(&out, 0);
    assert_string_equal(buf_span(&out).p, text);
    buf_fini(&out);
}

static void a_problem_says_status_and_code_and_no_more(void **state)
{
    (void)state;
    problem_is(
        &(struct gw_problem){ .error = ERR_POLICY_FORBID, .request_id = SPAN("01J"), .wall_ms = 784111777000 },
        "HTTP/1.1 403 Forbidden\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-type: application/problem+json\r\n"
        "content-length: 90\r\ncache-control: no-store\r\nx-request-id: 01J\r\n\r\n"
        "{\"type\":\"about:blank\",\"title\":\"Forbidden\",\"status\":403,\"code\":\"denied\",\"request_id\":\"01J\"}");
}

static void a_401_carries_its_challenges_and_nonce(void **state)
{
    (void)state;
    static const struct span challenges[] = { { "DPoP error=\"use_dpop_nonce\"", 27 }, { "Bearer", 6 } };
    problem_is(&(struct gw_problem){ .error = ERR_PROOF_NONCE,
                                     .challenges = challenges,
                                     .n_challenges = 2,
                                     .dpop_nonce = SPAN("n"),
                                     .head = true },
               "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/problem+json\r\ncontent-length: 79\r\n"
               "www-authenticate: DPoP error=\"use_dpop_nonce\"\r\nwww-authenticate: Bearer\r\ndpop-nonce: n\r\n"
               "cache-control: no-store\r\n\r\n");
}

static void overload_says_when_to_come_back_and_bad_http_closes(void **state)
{
    (void)state;
    problem_is(&(struct gw_problem){ .error = ERR_RATE, .retry_after_s = 7, .head = true },
               "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\ncontent-length: 85\r\n"
               "retry-after: 7\r\ncache-control: no-store\r\n\r\n");
    problem_is(&(struct gw_problem){ .error = ERR_DRAINING, .head = true },
               "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: 83\r\n"
               "retry-after: 1\r\ncache-control: no-store\r\nconnection: close\r\n\r\n");
    problem_is(&(struct gw_problem){ .error = ERR_HTTP_FRAMING, .head = true },
               "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: 78\r\n"
               "cache-control: no-store\r\nconnection: close\r\n\r\n");
}

static void every_error_has_a_name_for_its_status(void **state)
{
    (void)state;
    for (int i = 0; i < ERR_INDEX_COUNT; i++) {
        unsigned status = (unsigned)err_info(-1 - i)->status;
        // 499 is for audit only: there is nobody left to answer.
        assert_true(status == 499 || gw_status_reason(status).n > 0);
    }
}

static void a_challenge_cannot_split_the_answer(void **state)
{
    (void)state;
    const struct span challenge = SPAN("DPoP error=\"x\"\r\nset-cookie: a");
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(
        gw_problem_write(
            &(struct gw_problem){ .error = ERR_TOKEN_MISSING, .challenges = &challenge, .n_challenges = 1 }, &out),
        ERR_INTERNAL);
    assert_int_equal(buf_len(&out), 0);
    buf_fini(&out);
}

static void answers_without_a_body_have_none(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(gw_answer_write(&(struct gw_answer){ .status = 204, .body = SPAN("x") }, &out), 0);
    assert_int_equal(
        gw_answer_write(&(struct gw_answer){ .status = 200, .content_type = SPAN("text/plain"), .body = SPAN("ok\n") },
                        &out),
        0);
    assert_true(
        span_eq(buf_span(&out), SPAN("HTTP/1.1 204 No Content\r\n\r\n"
                                     "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nok\n")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_says_status_and_code_and_no_more),
        cmocka_unit_test(a_401_carries_its_challenges_and_nonce),
        cmocka_unit_test(overload_says_when_to_come_back_and_bad_http_closes),
        cmocka_unit_test(every_error_has_a_name_for_its_status),
        cmocka_unit_test(a_challenge_cannot_split_the_answer),
        cmocka_unit_test(answers_without_a_body_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Refusals as an application developer reads them, and which of them are mended before he does.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/json.h"
#include "gateway/connect/explain.h"
#include "gateway/http/answer.h"

static struct span member(struct json_doc *doc, const char *name)
{
    return json_string(json_get(json_root(doc), span_str(name)));
}

static void every_refusal_of_a_gateway_has_words(void **state)
{
    (void)state;
    // The families of errors that a request through a gateway can meet behind its handshake.
    static const char *const met[] = { "CERT_",        "TOKEN_",        "CNF_",   "APIKEY_",  "PROOF_",     "API_",
                                       "POLICY_",      "SCOPE",         "RATE",   "ROUTE_",   "SHARD_",     "KEYS_",
                                       "REVOCATIONS_", "INTROSPECTION", "AUDIT_", "DRAINING", "OVERLOADED", "REPLAY_" };
    for (int e = -1; e >= -(int)ERR_INDEX_COUNT; e--) {
        struct span code = err_info(e)->code;
        bool quiet = true;
        for (size_t i = 0; i < sizeof met / sizeof *met; i++)
            quiet = quiet && !span_starts(err_info(e)->name, span_str(met[i]));
        // connect sends one credential.
        quiet = quiet || e == ERR_TOKEN_WAYS;
        if (quiet)
            continue;
        struct buf body, out;
        buf_init(&body, 0);
        buf_init(&out, 0);
        assert_int_equal(gw_problem_body(e, SPAN("0123"), &body), 0);
        if (!gw_explain_answer(buf_span(&body), "", &out))
            fail_msg("nothing explains '%.*s'", SPAN_FMT(code));
        struct json_doc *doc = json_parse(buf_span(&out), NULL, NULL);
        assert_non_null(doc);
        assert_true(span_eq(member(doc, "code"), code));
        assert_true(span_eq(member(doc, "request_id"), SPAN("0123")));
        assert_true(member(doc, "detail").n > 10 && member(doc, "gate").n > 0);
        assert_true(span_eq(member(doc, "detail"), member(doc, "message")));
        json_free(doc);
        buf_fini(&body);
        buf_fini(&out);
    }
}

static void what_a_database_said_is_left_as_it_is(void **state)
{
    (void)state;
    static const char *const others[] = { "",
                                          "{}",
                                          "[]",
                                          "{\"code\":7}",
                                          "{\"code\":\"something_else\"}",
                                          "{\"code\":\"denied\",\"detail\":\"own\"}",
                                          "{\"code\":\"denied\",\"message\":\"own\"}",
                                          "not json",
                                          "{\"code\":\"denied\"} x",
                                          "{\"code\":\"denied\",\"code\":\"denied\"}" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct buf out;
        buf_init(&out, 0);
        assert_false(gw_explain_answer(span_str(others[i]), "", &out));
        assert_int_equal(buf_len(&out), 0);
        buf_fini(&out);
    }
}

static void why_there_is_no_better_token_is_said_with_it(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    assert_true(gw_explain_answer(SPAN("{\"status\":401,\"code\":\"token_expired\"}"),
                                  "the token endpoint answered 503", &out));
    struct json_doc *doc = json_parse(buf_span(&out), NULL, NULL);
    assert_true(span_ends(member(doc, "detail"), SPAN(": the token endpoint answered 503")));
    json_free(doc);
    buf_fini(&out);
}

static void own_errors_are_documents_with_a_stable_code(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(gw_explain_own(ERR_CONNECT_TOKEN, SPAN("abcd"), "the token endpoint answered 400", &out), 0);
    struct json_doc *doc = json_parse(buf_span(&out), NULL, NULL);
    assert_true(span_eq(member(doc, "code"), SPAN("no_token")));
    assert_true(span_eq(member(doc, "request_id"), SPAN("abcd")));
    assert_true(span_eq(member(doc, "detail"), SPAN("no token could be had: the token endpoint answered 400")));
    json_free(doc);
    buf_fini(&out);
}

static void only_what_can_do_no_harm_is_tried_again(void **state)
{
    (void)state;
    assert_int_equal(gw_remedy_of(401, SPAN("proof_nonce"), true), GW_REMEDY_PROOF);
    assert_int_equal(gw_remedy_of(401, SPAN_NONE, true), GW_REMEDY_PROOF);
    assert_int_equal(gw_remedy_of(401, SPAN("proof_stale"), false), GW_REMEDY_PROOF);
    assert_int_equal(gw_remedy_of(401, SPAN("token_expired"), false), GW_REMEDY_TOKEN);
    assert_int_equal(gw_remedy_of(503, SPAN("draining"), false), GW_REMEDY_GATEWAY);
    // The shard may have done it; the policies have decided.
    static const char *const final[] = { "shard_timeout", "shard_cut",          "shard_invalid",
                                         "denied",        "insufficient_scope", "proof_missing" };
    for (size_t i = 0; i < sizeof final / sizeof *final; i++)
        assert_int_equal(gw_remedy_of(502, span_str(final[i]), false), GW_REMEDY_NONE);
    assert_int_equal(gw_remedy_of(403, SPAN_NONE, false), GW_REMEDY_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_of_a_gateway_has_words),
        cmocka_unit_test(what_a_database_said_is_left_as_it_is),
        cmocka_unit_test(why_there_is_no_better_token_is_said_with_it),
        cmocka_unit_test(own_errors_are_documents_with_a_stable_code),
        cmocka_unit_test(only_what_can_do_no_harm_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

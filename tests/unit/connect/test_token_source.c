// SPDX-License-Identifier: GPL-3.0-or-later
// When the next token is asked for, what an answer of the token endpoint means, and what people are told when there is none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "gateway/base/base64url.h"
#include "gateway/connect/token_source.h"

#define S 1000
static struct clock_now at(int64_t mono_ms)
{
    return (struct clock_now){ 1700000000000 + mono_ms, mono_ms };
}

static int answer(struct gw_token_source *s, unsigned status, const char *text, int64_t mono_ms)
{
    gw_token_source_asked(s);
    return gw_token_source_answered(s, status, span_str(text), SPAN_NONE, true, at(mono_ms), 0);
}

#define GIVEN "{\"access_token\":\"a.b.c\",\"token_type\":\"DPoP\",\"expires_in\":300}"

static void it_is_refreshed_before_it_expires(void **state)
{
    (void)state;
    struct gw_token_source s;
    gw_token_source_init(&s);
    assert_true(gw_token_source_due(&s, 0));
    gw_token_source_asked(&s);
    assert_false(gw_token_source_due(&s, 0));
    assert_int_equal(answer(&s, 200, GIVEN, 0), 0);
    assert_true(span_eq(gw_token_source_get(&s, 0), SPAN("a.b.c")));
    assert_false(gw_token_source_due(&s, 199 * S));
    assert_true(gw_token_source_due(&s, 200 * S));
    // While the next is asked for, and when it cannot be had, the present one counts until its end, and not a moment longer.
    gw_token_source_asked(&s);
    gw_token_source_failed(&s, "nobody there", 201 * S);
    assert_string_equal(s.why, "nobody there");
    assert_false(span_is_none(gw_token_source_get(&s, 299 * S)));
    assert_true(span_is_none(gw_token_source_get(&s, 300 * S)));
    gw_token_source_fini(&s);
}

static void those_that_started_together_do_not_ask_together(void **state)
{
    (void)state;
    struct gw_token_source s;
    gw_token_source_init(&s);
    gw_token_source_answered(&s, 200, SPAN(GIVEN), SPAN_NONE, true, at(0), 255);
    assert_true(gw_token_source_due(&s, 163 * S));
    assert_false(gw_token_source_due(&s, 162 * S));
    gw_token_source_fini(&s);
}

static void an_endpoint_that_refuses_is_asked_ever_less_often(void **state)
{
    (void)state;
    struct gw_token_source s;
    int64_t now = 0, longest = 0;
    gw_token_source_init(&s);
    for (int i = 0; i < 20; i++) {
        assert_true(gw_token_source_due(&s, now));
        assert_int_not_equal(answer(&s, 503, "{\"error\":\"temporarily_unavailable\"}", now), 0);
        int64_t began = now;
        while (!gw_token_source_due(&s, now))
            now += 50;
        assert_true(now - began >= longest);
        longest = now - began;
    }
    assert_int_equal(longest, 30 * S);
    assert_int_equal(answer(&s, 200, GIVEN, now), 0);
    assert_int_equal(s.failures, 0);
    gw_token_source_fini(&s);
}

static void a_refusal_is_told_without_what_could_harm_a_line(void **state)
{
    (void)state;
    struct gw_token_source s;
    gw_token_source_init(&s);
    answer(&s, 400, "{\"error\":\"invalid_scope\",\"error_description\":\"too \\n\\u001b[31m much\"}", 0);
    assert_string_equal(s.why, "the token endpoint answered 400 invalid_scope: too ??[31m much");
    answer(&s, 502, "<html>", S);
    assert_string_equal(s.why, "the token endpoint answered 502");
    char text[4096] = "{\"error\":\"";
    memset(text + 10, 'x', 3000);
    strcpy(text + 3010, "\"}");
    answer(&s, 400, text, 2 * S);
    assert_true(strlen(s.why) < sizeof s.why);
    gw_token_source_fini(&s);
}

static void a_nonce_challenge_is_answered_once_and_at_once(void **state)
{
    (void)state;
    static const char text[] = "{\"error\":\"use_dpop_nonce\"}";
    struct gw_token_source s;
    gw_token_source_init(&s);
    for (int i = 0; i < 2; i++) {
        gw_token_source_asked(&s);
        gw_token_source_answered(&s, 400, span_str(text), SPAN("n1"), true, at(0), 0);
        assert_true(span_eq(buf_span(&s.nonce), SPAN("n1")));
        assert_int_equal(gw_token_source_due(&s, 0), i == 0);
    }
    gw_token_source_fini(&s);
}

static void a_token_that_is_bound_otherwise_is_not_taken(void **state)
{
    (void)state;
    struct gw_token_source s;
    gw_token_source_init(&s);
    assert_int_equal(answer(&s, 200, "{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":9}", 0),
                     ERR_TOKEN_UNBOUND);
    gw_token_source_asked(&s);
    assert_int_equal(gw_token_source_answered(&s, 200, SPAN(GIVEN), SPAN_NONE, false, at(9 * S), 0), ERR_TOKEN_UNBOUND);
    assert_true(span_is_none(gw_token_source_get(&s, 9 * S)));
    gw_token_source_fini(&s);
}

static void what_is_no_token_never_becomes_a_header(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"access_token\":\"a\"}",
        "{\"token_type\":\"DPoP\"}",
        "{\"access_token\":7,\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"a\\r\\nx: y\",\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"a b\",\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"\",\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"=\",\"token_type\":\"DPoP\"}",
        "{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":\"DPoP\"}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct gw_token_source s;
        gw_token_source_init(&s);
        assert_int_not_equal(answer(&s, 200, bad[i], 0), 0);
        assert_true(span_is_none(gw_token_source_get(&s, 0)));
        gw_token_source_fini(&s);
    }
}

static void a_token_without_expires_in_ends_when_it_says_itself(void **state)
{
    (void)state;
    char token[256], text[512], payload[64];
    struct gw_token_source s;
    size_t n = base64url_encode(SPAN("{\"exp\":1700000090}"), payload);
    snprintf(token, sizeof token, "aaa.%.*s.ccc", (int)n, payload);
    snprintf(text, sizeof text, "{\"access_token\":\"%s\",\"token_type\":\"dpop\"}", token);
    gw_token_source_init(&s);
    assert_int_equal(answer(&s, 200, text, 0), 0);
    assert_int_equal(s.ends_ms, 90 * S);
    assert_true(gw_token_source_due(&s, 60 * S));
    // The same from a file: nothing is asked, it only ends.
    assert_int_equal(gw_token_source_read(&s, span_str(token), NULL, at(10 * S)), 0);
    assert_int_equal(s.ends_ms, 90 * S);
    assert_true(span_is_none(gw_token_source_get(&s, 90 * S)));
    gw_token_source_fini(&s);
}

static void a_file_holds_one_token_or_changes_nothing(void **state)
{
    (void)state;
    struct gw_token_source s;
    gw_token_source_init(&s);
    assert_int_equal(gw_token_source_read(&s, SPAN("sp_live_68d8b32150ef69a3_x\r\n"), NULL, at(0)), 0);
    unsigned serial = s.serial;
    assert_int_not_equal(gw_token_source_read(&s, SPAN("a b"), NULL, at(0)), 0);
    assert_int_not_equal(gw_token_source_read(&s, SPAN("\n"), NULL, at(0)), 0);
    assert_int_not_equal(gw_token_source_read(&s, SPAN("a\nb\n"), NULL, at(0)), 0);
    assert_int_equal(s.serial, serial);
    assert_true(span_eq(gw_token_source_get(&s, INT64_MAX - 1), SPAN("sp_live_68d8b32150ef69a3_x")));
    gw_token_source_fini(&s);
}

static void a_file_token_of_the_next_certificate_waits_for_it(void **state)
{
    (void)state;
    uint8_t old[32] = { 1 }, next[32] = { 2 };
    char x5t[64], payload[256], text[512], body[256];
    struct gw_token_source s;
    x5t[base64url_encode(span_of(next, 32), x5t)] = '\0';
    snprintf(body, sizeof body, "{\"exp\":1700000090,\"cnf\":{\"x5t#S256\":\"%s\"}}", x5t);
    size_t n = base64url_encode(span_str(body), payload);
    snprintf(text, sizeof text, "aaa.%.*s.ccc", (int)n, payload);
    gw_token_source_init(&s);
    assert_int_equal(gw_token_source_read(&s, SPAN("present"), old, at(0)), 0);
    assert_int_equal(gw_token_source_read(&s, span_str(text), old, at(0)), ERR_CNF_CERTIFICATE);
    assert_true(span_eq(gw_token_source_get(&s, 0), SPAN("present")));
    assert_int_equal(gw_token_source_read(&s, span_str(text), next, at(0)), 0);
    assert_true(span_eq(gw_token_source_get(&s, 0), span_str(text)));
    gw_token_source_fini(&s);
}

static void a_token_that_gateways_refuse_is_replaced_but_not_for_ever(void **state)
{
    (void)state;
    struct gw_token_source s;
    gw_token_source_init(&s);
    answer(&s, 200, GIVEN, 100 * S);
    unsigned serial = s.serial;
    assert_true(gw_token_source_refused(&s, serial, 100 * S + 500));
    assert_false(gw_token_source_due(&s, 101 * S));
    assert_true(gw_token_source_due(&s, 102 * S));
    answer(&s, 200, GIVEN, 102 * S);
    // Somebody who was refused with the one before asks for nothing.
    assert_false(gw_token_source_refused(&s, serial, 103 * S));
    assert_false(gw_token_source_due(&s, 150 * S));
    gw_token_source_fini(&s);
}

static void what_is_asked_is_a_form(void **state)
{
    (void)state;
    const struct span audiences[] = { SPAN("https://a/?b&c"), SPAN("d") };
    struct buf out;
    buf_init(&out, 0);
    assert_true(gw_token_request(&out, SPAN("vectors.rw b"), audiences, 2, SPAN_NONE));
    assert_true(span_eq(
        buf_span(&out),
        SPAN("grant_type=client_credentials&scope=vectors.rw%20b&audience=https%3A%2F%2Fa%2F%3Fb%26c&audience=d")));
    buf_clear(&out);
    assert_true(gw_token_request(&out, SPAN_NONE, NULL, 0, SPAN("x=y")));
    assert_true(span_eq(buf_span(&out), SPAN("grant_type=client_credentials&client_id=x%3Dy")));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_refreshed_before_it_expires),
        cmocka_unit_test(those_that_started_together_do_not_ask_together),
        cmocka_unit_test(an_endpoint_that_refuses_is_asked_ever_less_often),
        cmocka_unit_test(a_refusal_is_told_without_what_could_harm_a_line),
        cmocka_unit_test(a_nonce_challenge_is_answered_once_and_at_once),
        cmocka_unit_test(a_token_that_is_bound_otherwise_is_not_taken),
        cmocka_unit_test(what_is_no_token_never_becomes_a_header),
        cmocka_unit_test(a_token_without_expires_in_ends_when_it_says_itself),
        cmocka_unit_test(a_file_holds_one_token_or_changes_nothing),
        cmocka_unit_test(a_file_token_of_the_next_certificate_waits_for_it),
        cmocka_unit_test(a_token_that_gateways_refuse_is_replaced_but_not_for_ever),
        cmocka_unit_test(what_is_asked_is_a_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/base/json.h"

static void refused(const char *text, size_t n, const char *what, unsigned line, unsigned column)
{
    struct json_error err = { 0 };

    assert_null(json_parse(span_of(text, n), NULL, &err));
    assert_non_null(err.what);
    if (what)
        assert_non_null(strstr(err.what, what));
    if (line) {
        assert_int_equal(err.line, line);
        assert_int_equal(err.column, column);
    }
}
#define REFUSED(text, ...) refused(text, sizeof(text) - 1, __VA_ARGS__)

static void duplicate_members_are_refused(void **state)
{
    (void)state;
    REFUSED("{\"a\":1,\"a\":1}", "duplicate", 1, 8);
    REFUSED("[{\"x\":{\n\"b\":1,\"b\":2}}]", "duplicate", 2, 7);
}

static void duplicates_that_differ_in_their_escapes_are_refused(void **state)
{
    (void)state;
    REFUSED("{\"alg\":1,\"\\u0061lg\":2}", "duplicate", 1, 10);
    REFUSED("{\"\":1,\"\":2}", "duplicate", 0, 0);
}

static void duplicates_in_a_large_object_are_refused(void **state)
{
    struct buf b;
    struct json_error err;

    (void)state;
    buf_init(&b, 0);
    buf_byte(&b, '{');
    for (int i = 0; i < 500; i++)
        buf_printf(&b, "\"k%d\":%d,", i, i);
    buf_printf(&b, "\"\\u006b250\":0}");
    assert_null(json_parse(buf_span(&b), NULL, &err));
    assert_string_equal(err.what, "duplicate member");
    // The second of the two is the one complained about.
    assert_memory_equal(buf_span(&b).p + err.offset, "\"\\u006b250", 10);
    buf_fini(&b);
}

static void many_members_do_not_cost_the_square(void **state)
{
    struct json_limits limits = { .bytes = 16 << 20 };
    struct json_doc *doc;
    struct timespec from, to;
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_byte(&b, '{');
    for (int i = 0; i < 400000; i++)
        buf_printf(&b, "%s\"%d\":0", i ? "," : "", i);
    buf_byte(&b, '}');
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    doc = json_parse(buf_span(&b), &limits, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    assert_non_null(doc);
    assert_int_equal(json_count(json_root(doc)), 400000);
    // Pairs would be 8e10 comparisons: minutes. Sorting is a fraction of a second, sanitizers included a few.
    assert_true(to.tv_sec - from.tv_sec < 20);
    json_free(doc);
    buf_fini(&b);
}

static void depth_is_bounded_before_anything_is_built(void **state)
{
    struct json_limits limits = { .depth = 4 };
    struct json_error err;
    struct json_doc *doc;
    char *deep;

    (void)state;
    doc = json_parse(SPAN("[[[[\"[[[[[\"]]]]"), &limits, NULL);
    assert_non_null(doc);
    json_free(doc);
    assert_null(json_parse(SPAN("[[[[[]]]]]"), &limits, &err));
    assert_string_equal(err.what, "nested too deeply");
    assert_int_equal(err.offset, 4);
    // Also where the caller's own bound is generous.
    limits.depth = 1000000;
    deep = malloc(200000);
    assert_non_null(deep);
    memset(deep, '[', 100000);
    memset(deep + 100000, ']', 100000);
    assert_null(json_parse(span_of(deep, 200000), &limits, &err));
    assert_string_equal(err.what, "nested too deeply");
    free(deep);
}

// The text is looked at in words of eight bytes where nothing happens: wherever in a word a bracket, quote or backslash stands, it counts.
static void brackets_count_at_every_offset(void **state)
{
    struct json_limits limits = { .depth = 2 };
    struct json_error err;
    char text[128];

    (void)state;
    for (int i = 0; i < 24; i++)
        for (int k = 0; k < 24; k++) {
            // Brackets in a string, with an escaped quote and an escaped backslash in it, are text; the third one behind it is not.
            snprintf(text, sizeof text, "[%*s[%.*s1,\"%.*s\\\"[[[{{{\\\\\",%*s[]]]", i, "", k & ~1,
                     "1,1,1,1,1,1,1,1,1,1,1,1", i, "aaaaaaaaaaaaaaaaaaaaaaaa", k, "");
            assert_null(json_parse(span_str(text), &limits, &err));
            assert_string_equal(err.what, "nested too deeply");
            assert_int_equal(err.offset, strlen(text) - 4);
            limits.depth = 3;
            struct json_doc *doc = json_parse(span_str(text), &limits, &err);
            assert_non_null(doc);
            json_free(doc);
            limits.depth = 2;
        }
}

static void size_is_bounded(void **state)
{
    struct json_limits limits = { .bytes = 4 };
    struct json_doc *doc = json_parse(SPAN("1234"), &limits, NULL);

    (void)state;
    assert_non_null(doc);
    json_free(doc);
    assert_null(json_parse(SPAN("12345"), &limits, NULL));
}

static void invalid_utf8_and_lone_surrogates_are_refused(void **state)
{
    (void)state;
    REFUSED("\"\xc0\x80\"", NULL, 0, 0);
    REFUSED("\"\xed\xa0\x80\"", NULL, 0, 0);
    REFUSED("\"\xff\"", NULL, 0, 0);
    REFUSED("\"\xf4\x90\x80\x80\"", NULL, 0, 0);
    REFUSED("\"\\ud800\"", NULL, 0, 0);
    REFUSED("\"\\udc00\"", NULL, 0, 0);
    REFUSED("\"\\ud800\\u0041\"", NULL, 0, 0);
    REFUSED("{\"\\ud800\":1}", NULL, 0, 0);
}

static void nul_in_a_member_name_is_refused_and_in_a_string_kept(void **state)
{
    struct json_doc *doc = json_parse(SPAN("\"a\\u0000b\""), NULL, NULL);

    (void)state;
    assert_non_null(doc);
    assert_int_equal(json_string(json_root(doc)).n, 3);
    json_free(doc);
    REFUSED("{\"a\\u0000\":1}", "NUL", 1, 2);
    REFUSED("\"a\0b\"", NULL, 0, 0);
}

static void what_is_not_json_is_refused(void **state)
{
    (void)state;
    REFUSED("", NULL, 0, 0);
    REFUSED(" ", NULL, 0, 0);
    REFUSED("\xef\xbb\xbf{}", NULL, 1, 1);
    REFUSED("{} x", NULL, 1, 4);
    REFUSED("{}{}", NULL, 0, 0);
    REFUSED("[1,]", NULL, 0, 0);
    REFUSED("{\"a\":1,}", NULL, 0, 0);
    REFUSED("[1] // x", NULL, 0, 0);
    REFUSED("{'a':1}", NULL, 0, 0);
    REFUSED("[01]", NULL, 0, 0);
    REFUSED("[+1]", NULL, 0, 0);
    REFUSED("[.5]", NULL, 0, 0);
    REFUSED("[NaN]", NULL, 0, 0);
    REFUSED("[Infinity]", NULL, 0, 0);
    REFUSED("[1e400]", NULL, 0, 0);
    REFUSED("\"a\nb\"", NULL, 0, 0);
    REFUSED("\"\\x\"", NULL, 0, 0);
    REFUSED("\"a", NULL, 0, 0);
    REFUSED("[1", NULL, 0, 0);
    REFUSED("tru", NULL, 0, 0);
}

static void numbers_have_their_types(void **state)
{
    static const struct {
        const char *text;
        enum json_type type;
        bool fits;
        int64_t v;
    } rows[] = {
        { "0", JSON_UINT, true, 0 },
        { "9223372036854775807", JSON_UINT, true, INT64_MAX },
        { "9223372036854775808", JSON_UINT, false, 0 },
        { "18446744073709551615", JSON_UINT, false, 0 },
        { "18446744073709551616", JSON_REAL, false, 0 },
        { "-1", JSON_INT, true, -1 },
        { "-9223372036854775808", JSON_INT, true, INT64_MIN },
        { "-9223372036854775809", JSON_REAL, false, 0 },
        { "1.0", JSON_REAL, false, 0 },
        { "1e2", JSON_REAL, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_doc *doc = json_parse(span_str(rows[i].text), NULL, NULL);
        int64_t v = 5;
        double d;
        assert_non_null(doc);
        assert_int_equal(json_type(json_root(doc)), rows[i].type);
        assert_int_equal(json_i64(json_root(doc), &v), rows[i].fits);
        assert_true(v == (rows[i].fits ? rows[i].v : 5));
        assert_true(json_real(json_root(doc), &d));
        json_free(doc);
    }
}

static void members_and_elements_are_visited_in_order(void **state)
{
    struct json_doc *doc = json_parse(SPAN("{\"b\":[1,[2],{\"x\":3}],\"a\":\"t\"}"), NULL, NULL);
    struct json_iter it = json_iter(json_root(doc));
    struct span name;
    json v, list;
    bool flag = true;
    int64_t i;

    (void)state;
    assert_true(json_next(&it, &name, &v));
    assert_true(span_eq(name, SPAN("b")));
    assert_int_equal(json_count(v), 3);
    list = v;
    assert_true(json_next(&it, &name, &v));
    assert_true(span_eq(json_string(v), SPAN("t")));
    assert_false(json_next(&it, &name, &v));
    it = json_iter(list);
    assert_true(json_next(&it, &name, &v));
    assert_true(span_is_none(name));
    assert_true(json_i64(json_get(json_at(list, 2), SPAN("x")), &i));
    assert_int_equal(i, 3);
    assert_null(json_at(list, 3));
    assert_null(json_get(json_root(doc), SPAN("c")));
    assert_null(json_get(list, SPAN("b")));
    assert_true(span_is_none(json_string(list)));
    assert_int_equal(json_type(NULL), JSON_ABSENT);
    assert_false(json_bool(list, &flag));
    assert_true(flag);
    json_free(doc);
}

static void written_text_is_the_parsed_one(void **state)
{
    static const char text[] = "{\"b\":[1,-2,0.1,true,false,null],\"a\":\"\\\"\\\\\xc3\xa9\",\"c\":{}}";
    struct json_doc *doc = json_parse(span_str(text), NULL, NULL);
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    assert_true(json_write(&b, json_root(doc)));
    assert_true(span_eq(buf_span(&b), span_str(text)));
    buf_fini(&b);
    json_free(doc);
}

static void writer_makes_valid_json_of_any_bytes(void **state)
{
    char all[256];
    struct json_doc *doc;
    struct json_writer w;
    struct buf b;

    (void)state;
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    buf_init(&b, 0);
    w = json_writer(&b);
    json_w_object(&w);
    json_w_key(&w, SPAN("a\n\""));
    json_w_array(&w);
    json_w_int(&w, INT64_MIN);
    json_w_uint(&w, UINT64_MAX);
    json_w_real(&w, 0.1);
    json_w_real(&w, 1e308 * 10);
    json_w_bool(&w, true);
    json_w_null(&w);
    json_w_string(&w, SPAN_NONE);
    json_w_string(&w, span_of(all, sizeof all));
    json_w_raw(&w, SPAN("{\"x\":1}"));
    json_w_object(&w);
    json_w_end(&w);
    json_w_end(&w);
    json_w_key(&w, SPAN("b"));
    json_w_uint(&w, 1);
    json_w_end(&w);
    assert_false(b.failed);
    assert_int_equal(span_find(buf_span(&b), '\n'), buf_len(&b));
    doc = json_parse(buf_span(&b), NULL, NULL);
    assert_non_null(doc);
    assert_int_equal(json_count(json_get(json_root(doc), SPAN("a\n\""))), 10);
    json_free(doc);
    buf_fini(&b);
}

static void writer_escapes_at_every_offset(void **state)
{
    static const struct {
        char byte;
        const char *written;
    } cases[] = { { '"', "\\\"" },  { '\\', "\\\\" },    { 0x1f, "\\u001f" },
                  { 0, "\\u0000" }, { '\n', "\\u000a" }, { (char)0x80, "\xef\xbf\xbd" },
                  { 0x20, " " },    { 0x7f, "\x7f" },    { (char)0xff, "\xef\xbf\xbd" } };
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t n = 1; n < 20; n++)
        for (size_t at = 0; at < n; at++)
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char in[20], want[64];
                memset(in, 'a', sizeof in);
                in[at] = cases[i].byte;
                snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, "aaaaaaaaaaaaaaaaaaaa", cases[i].written,
                         (int)(n - at - 1), "aaaaaaaaaaaaaaaaaaaa");
                buf_clear(&b);
                struct json_writer w = json_writer(&b);
                json_w_string(&w, span_of(in, n));
                assert_true(span_eq(buf_span(&b), span_str(want)));
            }
    buf_fini(&b);
}

static void writer_that_nests_too_deeply_fails(void **state)
{
    struct json_writer w;
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    w = json_writer(&b);
    for (int i = 0; i < 63; i++)
        json_w_array(&w);
    assert_false(b.failed);
    json_w_array(&w);
    assert_true(b.failed);
    buf_fini(&b);
}

static void numbers_kept_as_text_come_back_digit_by_digit(void **state)
{
    static const char text[] = "[0.10,-0,1E5,18446744073709551615,-9223372036854775808,1e999,7,"
                               "0.1000000000000000055511151231257827,123456789012345678901234567890,true]";
    static const enum json_type types[] = { JSON_REAL, JSON_INT,  JSON_REAL, JSON_UINT, JSON_INT,
                                            JSON_REAL, JSON_UINT, JSON_REAL, JSON_REAL, JSON_BOOL };
    static const char *const bad[] = { "01",       "1.", ".5",    "+1",  "1e",  "0x1", "NaN",
                                       "Infinity", "-",  "[1 2]", "1,2", "--1", "1-" };
    const struct json_limits limits = { .raw_numbers = true };
    struct json_doc *doc = json_parse(span_str(text), &limits, NULL);
    struct buf b;
    int64_t n;
    double d;

    (void)state;
    assert_non_null(doc);
    buf_init(&b, 0);
    assert_true(json_write(&b, json_root(doc)));
    assert_true(span_eq(buf_span(&b), span_str(text)));
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_int_equal(json_type(json_at(json_root(doc), i)), types[i]);
    assert_true(json_i64(json_at(json_root(doc), 4), &n) && n == INT64_MIN);
    assert_true(json_i64(json_at(json_root(doc), 6), &n) && n == 7);
    assert_false(json_i64(json_at(json_root(doc), 0), &n));
    assert_false(json_i64(json_at(json_root(doc), 3), &n));
    assert_true(json_real(json_at(json_root(doc), 0), &d) && d == 0.1);
    assert_true(json_real(json_at(json_root(doc), 3), &d) && d == 18446744073709551615.0);
    assert_false(json_real(json_at(json_root(doc), 5), &d));
    assert_true(span_is_none(json_string(json_at(json_root(doc), 6))));
    json_free(doc);
    doc = json_parse(SPAN("42"), &limits, NULL);
    assert_true(json_i64(json_root(doc), &n) && n == 42);
    json_free(doc);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(json_parse(span_str(bad[i]), &limits, NULL));
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(duplicate_members_are_refused),
        cmocka_unit_test(duplicates_that_differ_in_their_escapes_are_refused),
        cmocka_unit_test(duplicates_in_a_large_object_are_refused),
        cmocka_unit_test(many_members_do_not_cost_the_square),
        cmocka_unit_test(depth_is_bounded_before_anything_is_built),
        cmocka_unit_test(brackets_count_at_every_offset),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(invalid_utf8_and_lone_surrogates_are_refused),
        cmocka_unit_test(nul_in_a_member_name_is_refused_and_in_a_string_kept),
        cmocka_unit_test(what_is_not_json_is_refused),
        cmocka_unit_test(numbers_have_their_types),
        cmocka_unit_test(numbers_kept_as_text_come_back_digit_by_digit),
        cmocka_unit_test(members_and_elements_are_visited_in_order),
        cmocka_unit_test(written_text_is_the_parsed_one),
        cmocka_unit_test(writer_makes_valid_json_of_any_bytes),
        cmocka_unit_test(writer_escapes_at_every_offset),
        cmocka_unit_test(writer_that_nests_too_deeply_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

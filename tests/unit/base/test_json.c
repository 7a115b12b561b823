// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/json_reference.h"

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
    } cases[] = { { '"', "\\\"" },  { '\\', "\\\\" }, { 0x1f, "\\u001f" },
                  { 0, "\\u0000" }, { '\n', "\\n" },  { (char)0x80, "\xef\xbf\xbd" },
                  { 0x20, " " },    { 0x7f, "\x7f" }, { (char)0xff, "\xef\xbf\xbd" } };
    static const char as[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t n = 1; n < 40; n++)
        for (size_t at = 0; at < n; at++)
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char in[40], want[96];
                memset(in, 'a', sizeof in);
                in[at] = cases[i].byte;
                snprintf(want, sizeof want, "\"%.*s%s%.*s\"", (int)at, as, cases[i].written, (int)(n - at - 1), as);
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

// A proof's claims: their memory is the exchange's.
static void a_document_in_an_arena_is_whole_or_an_error(void **state)
{
    struct json_limits limits = { .raw_numbers = true };
    struct json_error err = { 0 };
    struct arena arena;
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    buf_byte(&b, '[');
    for (int i = 0; i < 300; i++)
        buf_printf(&b, "%s{\"n\":\"%d\"}", i ? "," : "", i);
    buf_byte(&b, ']');
    arena_init(&arena, 0);
    struct json_doc *doc = json_parse_in(&arena, buf_span(&b), &limits, &err);
    assert_non_null(doc);
    memset(b.base, 'x', b.end); // the text may go away
    json root = json_root(doc);
    assert_int_equal(json_count(root), 300);
    assert_true(span_eq(json_string(json_get(json_at(root, 299), SPAN("n"))), SPAN("299")));
    json_free(doc);
    assert_true(span_eq(json_string(json_get(json_at(root, 0), SPAN("n"))), SPAN("0")));
    arena_fini(&arena);

    buf_clear(&b);
    buf_printf(&b, "[\"%0300d\"", 0);
    for (int i = 0; i < 300; i++)
        buf_printf(&b, ",\"\"");
    buf_byte(&b, ']');
    for (size_t most = 0; most < 20000; most += 100) {
        arena_init(&arena, most);
        doc = json_parse_in(&arena, buf_span(&b), &limits, &err);
        assert_int_equal(!doc, arena.failed);
        if (doc)
            assert_int_equal(json_count(json_root(doc)), 301);
        else
            assert_string_equal(err.what, "out of memory");
        arena_fini(&arena);
    }
    buf_fini(&b);
}

static void agreed(struct span text)
{
    struct json_limits limits = { .bytes = 1 << 20, .depth = 32 };

    for (int raw = 0; raw < 2; raw++) {
        limits.raw_numbers = raw;
        const char *what = json_differs(text, &limits);
        if (what)
            fail_msg("%s: %.*s", what, SPAN_FMT(text));
    }
}

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

// Arrays of numbers are checked 64 bytes at a time: whatever is where in such a block, it is the grammar that decides.
static void numbers_of_arrays_are_those_of_another_reader(void **state)
{
    static const char *const pieces[] = { "0",     "-0",    "1",
                                          "-12",   "0.5",   "-0.25",
                                          "1e5",   "1E-07", "2.5e+10",
                                          "00",    "01",    "-01",
                                          "1.",    ".5",    "+1",
                                          "1e",    "1e+",   "1.5.5",
                                          "1e5.5", "1e5e5", "--1",
                                          "-",     "1-",    "",
                                          "1 2",   "1 .5",  "1e 5",
                                          "e5",    "1e-",   "1.e5",
                                          "-e5",   "1e05",  "0e0",
                                          "0.0",   "-.5",   "1+1",
                                          "0x1",   "x",     "123456789012345678901",
                                          "true",  "\"1\"", "[1,2]",
                                          "{}",    "1\v2",  "1\f" };
    static const char *const gaps[] = { ",", ",", ",", ",", ", ", " ,", " , ", ",\n\t", "\r\n,", "  ,   ", ",,", " " };
    uint32_t seed = 2463534242;
    char text[512];

    (void)state;
    for (int i = 0; i < 60000; i++) {
        // Most are right, but for one piece or none.
        size_t n = 0, want = 1 + next_random(&seed) % 30, odd = next_random(&seed) % 45;
        size_t spaces = next_random(&seed) % 4 ? 4 : sizeof gaps / sizeof *gaps - 2 * (next_random(&seed) % 3 != 0);
        n += (size_t)snprintf(text, sizeof text, "%*s[%s", (int)(next_random(&seed) % 3), "", spaces > 4 ? " " : "");
        for (size_t k = 0; k < want; k++) {
            size_t which = next_random(&seed) % 9;
            if (k == odd)
                which = next_random(&seed) % (sizeof pieces / sizeof *pieces);
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", k ? gaps[next_random(&seed) % spaces] : "",
                                  pieces[which]);
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "%s]%s", spaces > 4 && next_random(&seed) % 2 ? " " : "",
                              next_random(&seed) % 16 ? "" : ",");
        agreed(span_of(text, n));
    }
}

static void every_short_run_of_a_numbers_characters_is_decided_as_by_another_reader(void **state)
{
    static const char alphabet[] = "01-+.e, ]";
    char text[96];

    (void)state;
    // At the seam of two blocks, too: what came before is then remembered in bits.
    for (size_t at = 0; at < 5; at++) {
        size_t pad = at == 0 ? 0 : 58 + at * 2;
        memset(text, '1', sizeof text);
        text[0] = '[';
        if (pad)
            text[pad] = ',';
        for (unsigned i = 0; i < 9 * 9 * 9 * 9 * 9; i++) {
            unsigned left = i;
            size_t n = pad + 1;
            for (int k = 0; k < 5; k++, left /= 9)
                text[n++] = alphabet[left % 9];
            text[n++] = ']';
            struct json_limits limits = { .bytes = 1 << 20, .depth = 32, .raw_numbers = true };
            const char *what = json_differs(span_of(text, n), &limits);
            if (what)
                fail_msg("%s: %.*s", what, (int)n, text);
        }
    }
}

// Texts of which some reader somewhere is wrong about one.
static void our_reader_and_another_are_one_dialect(void **state)
{
#define ONE(text)                 \
    {                             \
        "" text, sizeof(text) - 1 \
    }
    static const struct span texts[] = {
        ONE(""),
        ONE(" "),
        ONE("\xef\xbb\xbf{}"),
        ONE("[]"),
        ONE(" [ ] "),
        ONE("[[]   ]"),
        ONE("[,]"),
        ONE("[1,,2]"),
        ONE("[1,]"),
        ONE("[1"),
        ONE("[\"a\""),
        ONE("]"),
        ONE("[1}"),
        ONE("{\"a\":1]"),
        ONE("{}"),
        ONE("{ }"),
        ONE("{,}"),
        ONE("{\"a\"}"),
        ONE("{\"a\":}"),
        ONE("{\"a\":1,}"),
        ONE("{\"a\" : 1 , \"b\" : [ 1 , 2 ] }"),
        ONE("{a:1}"),
        ONE("{1:1}"),
        ONE("{\"a\":1 \"b\":2}"),
        ONE("{\"a\",1}"),
        ONE("{\"a\"::1}"),
        ONE("nul"),
        ONE("nulll"),
        ONE("true"),
        ONE("tru"),
        ONE("True"),
        ONE("false"),
        ONE("[null,true,false]"),
        ONE("0"),
        ONE("-0"),
        ONE("-"),
        ONE("-a"),
        ONE("00"),
        ONE("-00"),
        ONE("1e1"),
        ONE("1E+1"),
        ONE("0e"),
        ONE("0e+"),
        ONE("1.0e"),
        ONE("1e400"),
        ONE("-1e400"),
        ONE("1e-400"),
        ONE("[1e400]"),
        ONE("0.1e1"),
        ONE("18446744073709551616"),
        ONE("9223372036854775808"),
        ONE("-9223372036854775808"),
        ONE("-9223372036854775809"),
        ONE("1\0"),
        ONE("1\xa0"),
        ONE("[\"\xc3\xa9\"]"),
        ONE("\"\xe2\x82\""),
        ONE("\"\xf0\x9f\x98\x80\""),
        ONE("\"\xf8\x88\x80\x80\x80\""),
        ONE("\"\xc1\xbf\""),
        ONE("\"\xe0\x80\x80\""),
        ONE("\"\xef\xbf\xbf\""),
        ONE("\"\xed\xbf\xbf\""),
        ONE("\"\\\""),
        ONE("\"\\u\""),
        ONE("\"\\u00\""),
        ONE("\"\\u00zz\""),
        ONE("\"\\u00AF\\u00af\""),
        ONE("\"\\U0041\""),
        ONE("\"\\a\""),
        ONE("\"\\b\\f\\n\\r\\t\\/\\\\\\\"\""),
        ONE("\"\\ud83d\\ude00\""),
        ONE("\"\\ud83d\""),
        ONE("\"\\ude00\""),
        ONE("\"\\ud83d\\ud83d\""),
        ONE("\"\\ud83dx\""),
        ONE("\"\\ud83d\\n\""),
        ONE("\"\\uffff\\ufffe\""),
        ONE("\"\\u0000\""),
        ONE("{\"\\u0000\":1}"),
        ONE("\"\x7f\""),
        ONE("\"\x1f\""),
        ONE("\"\t\""),
        ONE("\"\0\""),
        ONE("{\"a\":1,\"a\":1}"),
        ONE("{\"a\":1,\"\\u0061\":1}"),
        ONE("{\"\":1,\"\":1}"),
        ONE("{\"a\":{\"a\":1}}"),
        ONE("{\"a\":[{\"b\":1,\"c\":2,\"b\":3}]}"),
        ONE("{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"a\":1}"),
        ONE("1 2"),
        ONE("[] []"),
        ONE("[]]"),
        ONE("{}}"),
        ONE("[]x"),
        ONE("/**/1"),
        ONE("1//"),
        ONE("[1]#"),
        ONE("'a'"),
        ONE("`"),
        ONE("\f1"),
        ONE("\v1"),
        ONE("\xe2\x80\xa8[]"),
        ONE("[\xc2\x85]"),
        ONE("[NaN]"),
        ONE("[-Infinity]"),
        ONE("[1,\"a\",2]"),
        ONE("[1,[2,[3]]]"),
    };
    char joined[256];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        agreed(texts[i]);
        // Inside others, with a long string and a long number before it, so that it stands at another place of a vector.
        for (int k = 0; k < 20; k++) {
            int n = snprintf(joined, sizeof joined, "{\"%.*s\":[%.*s,", k, "abcdefghijklmnopqrst", k + 1,
                             "1.5555555555555555555");
            memcpy(joined + n, texts[i].p, texts[i].n);
            memcpy(joined + n + texts[i].n, "]}", 2);
            agreed(span_of(joined, (size_t)n + texts[i].n + 2));
        }
    }
#undef ONE
}

// What is sound, with a byte or two changed, as a fuzzer would.
static void changed_texts_are_read_as_by_another_reader(void **state)
{
    static const char sound[] =
        "{\"limit\": 10,\"query\":{\"nearest\":[0.5,-0.25,1e-05,3,4,5,6,7.125,0.33333334,12,-1.5E+3,0.1,0.2,0.3]},\n "
        "\"filter\":"
        "{\"must\":[{\"key\":\"na\\\"me\",\"match\":{\"value\":\"\xc3\xa9\\ud83d\\ude00 and some more, so that it is "
        "long\"}}]},"
        "\"a\":true,\"b\":null,\"c\":[[],[1,2],{},\"x\"]}";
    static const char bytes[] = "{}[]\",:\\ 019-+.eEtfnu\n\x7f\x80\xc3\xed\x00\x1f";
    uint32_t seed = 88172645;
    char text[sizeof sound + 4];

    (void)state;
    for (int i = 0; i < 60000; i++) {
        size_t n = sizeof sound - 1;
        memcpy(text, sound, n);
        for (uint32_t changes = next_random(&seed) % 3; changes-- > 0;) {
            size_t at = next_random(&seed) % n;
            char c = bytes[next_random(&seed) % (sizeof bytes - 1)];
            switch (next_random(&seed) % 3) {
            case 0: text[at] = c; break;
            case 1: memmove(text + at, text + at + 1, --n - at); break;
            default: memmove(text + at + 1, text + at, n++ - at); text[at] = c;
            }
        }
        agreed(span_of(text, n));
    }
}

static void what_stands_as_it_would_be_written_is_that_and_nothing_else(void **state)
{
    static const struct {
        const char *text, *written;
        bool stands;
    } rows[] = {
        { "{\"a\":[1,2.50,-0],\"b\":\"x\xc3\xa9\"}", "{\"a\":[1,2.50,-0],\"b\":\"x\xc3\xa9\"}", true },
        { " [1,2]\n", "[1,2]", true }, // around it
        { "[1, 2]", "[1,2]", false },
        { "[ 1,2]", "[1,2]", false },
        { "[1,2\n]", "[1,2]", false },
        { "{\"a\": 1}", "{\"a\":1}", false },
        { "{\"a\" :1}", "{\"a\":1}", false },
        { "{ }", "{}", false },
        { "[]", "[]", true },
        { "[\"\\u0041\"]", "[\"A\"]", false },
        { "{\"\\u0041\":1}", "{\"A\":1}", false },
        { "[\"\\/\"]", "[\"/\"]", false },
        { "[\"\\n\"]", "[\"\\n\"]", false }, // it would, but the escape is gone
        { "{\"a\":[\"\\n\"],\"b\":[ 1],\"c\":[1]}", "{\"a\":[\"\\n\"],\"b\":[1],\"c\":[1]}", false },
        { "\"a b\"", "\"a b\"", true },
    };
    const struct json_limits limits = { .raw_numbers = true };
    struct buf b;

    (void)state;
    buf_init(&b, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct json_doc *doc = json_parse(span_str(rows[i].text), &limits, NULL);
        assert_non_null(doc);
        buf_clear(&b);
        assert_true(json_write(&b, json_root(doc)));
        assert_true(span_eq(buf_span(&b), span_str(rows[i].written)));
        struct span stands = json_as_written(json_root(doc));
        assert_int_equal(!span_is_none(stands), rows[i].stands);
        assert_true(!rows[i].stands || span_eq(stands, span_str(rows[i].written)));
        json_free(doc);
    }
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
        cmocka_unit_test(numbers_of_arrays_are_those_of_another_reader),
        cmocka_unit_test(every_short_run_of_a_numbers_characters_is_decided_as_by_another_reader),
        cmocka_unit_test(our_reader_and_another_are_one_dialect),
        cmocka_unit_test(a_document_in_an_arena_is_whole_or_an_error),
        cmocka_unit_test(changed_texts_are_read_as_by_another_reader),
        cmocka_unit_test(what_stands_as_it_would_be_written_is_that_and_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

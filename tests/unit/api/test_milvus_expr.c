// SPDX-License-Identifier: GPL-3.0-or-later
// Milvus's filters, read: what is of the language goes on token by token, what could end early, or be cut otherwise by the server, is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/api/milvus_expr.h"
#include "gateway/base/err.h"

static void check(const char *text, const char *expected)
{
    struct buf out;
    const char *problem = NULL;
    buf_init(&out, 0);
    int rc = gw_milvus_expr_read(span_str(text), SPAN("sallyport_"), &out, &problem);
    bool same = expected ? rc == 0 && span_eq(buf_span(&out), span_str(expected)) : rc == ERR_API_BODY && problem;
    if (!same)
        print_error("%s\n  expected %s\n  got      %.*s (%s)\n", text, expected ? expected : "a refusal",
                    SPAN_FMT(buf_span(&out)), problem ? problem : "");
    buf_fini(&out);
    assert_true(same);
}

static void what_is_of_the_language_goes_on(void **state)
{
    (void)state;
    check("", "");
    check(" \t\r\n", "");
    check("a==1", "a == 1 ");
    check("a > 1 and b<2", "a > 1 and b < 2 ");
    check("1 < a <= 5 || !(b && c)", "1 < a <= 5 || ! ( b && c ) ");
    check("a in [1,2,] and b not in ['x']", "a in [ 1 , 2 , ] and b not in [ 'x' ] ");
    check("a in[1]", "a in [ 1 ] ");
    check("color like \"red%\" AND NOT (a IN [])", "color like \"red%\" AND NOT ( a IN [ ] ) ");
    check("a is null or b IS NOT NULL", "a is null or b IS NOT NULL ");
    check("$meta[\"x\"] == 'a' and m['a'][0][\"b\"] != -5", "$meta[\"x\"] == 'a' and m['a'][0][\"b\"] != - 5 ");
    check("exists j['a'] and json_contains(j['l'], 1)", "exists j['a'] and json_contains ( j['l'] , 1 ) ");
    check("TEXT_MATCH(t, 'x y', minimum_should_match=2)", "TEXT_MATCH ( t , 'x y' , minimum_should_match = 2 ) ");
    check("a ** 2 + b%3 << 1 == 0x1F | 017", "a ** 2 + b % 3 << 1 == 0x1F | 017 ");
    check("x == 1.5 or x == .5 or x == 5. or x == 1e-3 or x == 0b11",
          "x == 1.5 or x == .5 or x == 5. or x == 1e-3 or x == 0b11 ");
    check("a in {list} and b > {low}", "a in { list } and b > { low } ");
    check("t > ISO '2025-01-01T00:00:00Z' and t + INTERVAL 'P1D' < iso \"2026-01-01T00:00:00Z\"",
          "t > ISO '2025-01-01T00:00:00Z' and t + INTERVAL 'P1D' < iso \"2026-01-01T00:00:00Z\" ");
    check("s =~ r'\\d+' and s !~ R\"x\"", "s =~ r'\\d+' and s !~ R\"x\" ");
    check("s == u8'x' or s == L\"y\"", "s == u8'x' or s == L\"y\" ");
    check("flag == True and open == FALSE", "flag == True and open == FALSE ");
    // In another case they are names to the server, too.
    check("Like == 1 and And > 2", "Like == 1 and And > 2 ");
    check("st_within(g, 'POLYGON((0 0, 1 1))')", "st_within ( g , 'POLYGON((0 0, 1 1))' ) ");
}

static void what_is_in_a_string_stays_in_it(void **state)
{
    (void)state;
    check("a == ') or (1==1'", "a == ') or (1==1' ");
    check("a == \") or \\\") (\"", "a == \") or \\\") (\" ");
    check("a == '\\\\'", "a == '\\\\' ");
    check("a == '\\\\' or b == ') or (c'", "a == '\\\\' or b == ') or (c' ");
    check("a == \"'\" and b == '\"'", "a == \"'\" and b == '\"' ");
    check("a == 'a\\'b'", "a == 'a\\'b' ");
    check("a == '{sallyport_0}'", "a == '{sallyport_0}' ");
    check("a == r'\\\\' or a == R'\\\"'", "a == r'\\\\' or a == R'\\\"' ");
    check("a == '\xe4\xb8\xad\xe6\x96\x87'", "a == '\xe4\xb8\xad\xe6\x96\x87' ");
}

static void what_would_end_early_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a == 1) or (b == 1",
        "a == 1)",
        "(a == 1",
        "(a == 1]",
        "a in [1",
        "a in [1)",
        "a == 'x",
        "a == 'x\\'",
        "a == \"x'",
        "a in {x",
        "{x) or (y}",
        "m['x'",
        "m['x') or (b",
        "m[']",
        "a == 1; b == 2",
        "a == 1 or",
        "or a == 1",
        "a b",
        "a == == 1",
        "a == 1 2",
        "not",
        "()",
        "a == 'x' 'y'",
        "a == 1 # or",
        "a == 1 // or",
        "a == 1 /* */",
        "a in [1,,2]",
        "a in [,]",
        "json_contains(a",
        "json_contains(a,,b)",
        "json_contains",
        "a == 'x\ny'",
        "a == 'x\\\ny'",
        "a == \x01",
        "a == `x`",
        "a \xe4\xb8\xad == 1",
        "a == 1\xc2\xa0",
        "\xe2\x80\x9cx\xe2\x80\x9d == 1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check(texts[i], NULL);
}

static void what_the_server_could_cut_otherwise_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1a == 1",    "a == 018",        "a == 0x",    "a == 0b2",
        "a == 1e",    "a == 1.2.3",      "a == 1_000", "a == 5.x",
        "a is  null", "a is nullx",      "a is\tnull", "a Is Null",
        "a is not",   "1 is null",       "$x == 1",    "$metax == 1",
        "$[a] == 1",  "$ == 1",          "m[ 'x' ]",   "m[]",
        "m[-1]",      "m['x'y]",         "{1}",        "{in}",
        "{a b}",      "a == {a['x']}",   "not in [1]", "a not == 1",
        "!~ a",       "a = 1",           "like",       "a like like 'x'",
        "iso == 1",   "a == interval 5", "threshold",  "minimum_should_match = 1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check(texts[i], NULL);
}

// To a server that takes a raw string to its letter the first of these is `(a == r'\' or b == ') or (1 == 1) …`: out of our parentheses.
static void a_raw_string_that_could_end_early_is_refused(void **state)
{
    (void)state;
    check("a == r'\\' or b == ') or (1 == 1) or (c == '", NULL);
    check("a == r'\\' or x'", NULL);
    check("a == R\"\\\" or x\"", NULL);
    check("a == r'x\\\\\\' or x'", NULL);
    check("m[r'\\' or x'] == 1", NULL);
}

static void what_is_no_condition_on_a_record_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "random_sample(0.1)",
        "a == 1 and RANDOM_SAMPLE(0.5)",
        "element_filter(s, $[x] > 1)",
        "match_any(s, $[x] > 1)",
        "MATCH_LEAST(s, a > 1, threshold=2)",
        "unknown(1)",
        "Random_Sample(0.1)",
        "json_contains(a, b)(c)",
        "text_match(a, 'x', minimum_should_match='1')",
        "text_match(a, 'x', threshold)",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check(texts[i], NULL);
}

static void a_parameter_of_the_gateways_is_refused(void **state)
{
    (void)state;
    check("a == {sallyport_0}", NULL);
    check("a == { sallyport_x }", NULL);
    check("a == {Sallyport_0}", "a == { Sallyport_0 } ");
    check("sallyport_0 == 1", "sallyport_0 == 1 ");
}

static void nesting_has_a_bound(void **state)
{
    (void)state;
    struct buf text;
    for (unsigned depth = GW_MILVUS_EXPR_DEPTH; depth <= GW_MILVUS_EXPR_DEPTH + 1; depth++) {
        struct buf out;
        const char *problem = NULL;
        buf_init(&text, 0);
        buf_init(&out, 0);
        for (unsigned i = 0; i < depth; i++)
            buf_byte(&text, i % 2 ? '[' : '(');
        buf_byte(&text, 'a');
        for (unsigned i = depth; i-- > 0;)
            buf_byte(&text, i % 2 ? ']' : ')');
        int rc = gw_milvus_expr_read(buf_span(&text), SPAN_NONE, &out, &problem);
        assert_int_equal(rc, depth <= GW_MILVUS_EXPR_DEPTH ? 0 : ERR_API_BODY);
        buf_fini(&out);
        buf_fini(&text);
    }
}

static void a_field_is_a_plain_name(void **state)
{
    (void)state;
    assert_true(gw_milvus_expr_is_field(SPAN("tenant")));
    assert_true(gw_milvus_expr_is_field(SPAN("_t1")));
    static const char *const no[] = { "",    "a.b",  "a b", "1a",           "$meta",  "in",
                                      "NOT", "true", "iso", "array_length", "m['x']", "\xc3\xa9" };
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        assert_false(gw_milvus_expr_is_field(span_str(no[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_of_the_language_goes_on),
        cmocka_unit_test(what_is_in_a_string_stays_in_it),
        cmocka_unit_test(what_would_end_early_is_refused),
        cmocka_unit_test(what_the_server_could_cut_otherwise_is_refused),
        cmocka_unit_test(a_raw_string_that_could_end_early_is_refused),
        cmocka_unit_test(what_is_no_condition_on_a_record_is_refused),
        cmocka_unit_test(a_parameter_of_the_gateways_is_refused),
        cmocka_unit_test(nesting_has_a_bound),
        cmocka_unit_test(a_field_is_a_plain_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

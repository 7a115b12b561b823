// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/base/secret.h"
#include "gateway/base/span.h"

#define assert_span(got, text)                     \
    do {                                           \
        struct span got_ = (got);                  \
        assert_int_equal(got_.n, strlen(text));    \
        assert_memory_equal(got_.p, text, got_.n); \
    } while (0)

static void cut_visits_every_element_and_the_empty_ones(void **state)
{
    struct span rest = SPAN("a,,b,");

    (void)state;
    assert_span(span_cut(&rest, ','), "a");
    assert_span(span_cut(&rest, ','), "");
    assert_span(span_cut(&rest, ','), "b");
    assert_false(span_is_none(rest));
    assert_span(span_cut(&rest, ','), "");
    assert_true(span_is_none(rest));
}

static void sub_is_clipped(void **state)
{
    (void)state;
    assert_span(span_sub(SPAN("abc"), 1, 99), "bc");
    assert_span(span_sub(SPAN("abc"), 5, 2), "");
    assert_true(span_is_none(span_sub(SPAN_NONE, 0, 3)));
}

static void trim_takes_spaces_and_tabs_only(void **state)
{
    (void)state;
    assert_span(span_trim(SPAN(" \ta b\t ")), "a b");
    assert_span(span_trim(SPAN("\ra\n")), "\ra\n");
    assert_span(span_trim(SPAN("  ")), "");
}

static void comparisons_hold_for_empty_and_absent(void **state)
{
    (void)state;
    assert_true(span_eq(SPAN(""), SPAN_NONE));
    assert_false(span_is_none(SPAN("")));
    assert_true(span_ieq(SPAN("DPoP"), SPAN("dpop")));
    assert_false(span_ieq(SPAN("[["), SPAN("{{")));
    assert_true(span_starts(SPAN("abc"), SPAN("ab")));
    assert_false(span_starts(SPAN("a"), SPAN("ab")));
    assert_true(span_ends(SPAN("abc"), SPAN("")));
    assert_true(span_cmp(SPAN("ab"), SPAN("abc")) < 0);
    assert_true(span_cmp(SPAN("\xff"), SPAN("a")) > 0);
}

static void decimal_is_strict(void **state)
{
    static const char *const bad[] = { "", "+1", "-1", " 1", "1 ", "01", "00", "0x1", "1e3", "18446744073709551616" };
    uint64_t v = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(span_to_u64(span_str(bad[i]), &v));
    assert_int_equal(v, 7);
    assert_true(span_to_u64(SPAN("0"), &v));
    assert_int_equal(v, 0);
    assert_true(span_to_u64(SPAN("18446744073709551615"), &v));
    assert_true(v == UINT64_MAX);
}

static void what_is_shown_is_one_line_of_ascii_and_fits(void **state)
{
    char out[6];

    (void)state;
    assert_int_equal(5, span_show(SPAN("a\x1b\n\xc3z"), out, sizeof out));
    assert_string_equal("a???z", out);
    assert_int_equal(5, span_show(SPAN("longer"), out, sizeof out));
    assert_string_equal("longe", out);
    assert_int_equal(0, span_show(SPAN_NONE, out, sizeof out));
    assert_string_equal("", out);
    assert_int_equal(0, span_show(SPAN("a"), out, 1));
    assert_string_equal("", out);
}

static void utf8_refuses_overlong_surrogate_and_beyond(void **state)
{
    static const struct {
        struct span text;
        size_t n;
    } rows[] = {
        { { "a", 1 }, 1 },
        { { "\xc3\xa9", 2 }, 2 },
        { { "\xe2\x82\xac", 3 }, 3 },
        { { "\xf0\x9f\x94\x92", 4 }, 4 },
        { { "\xf4\x8f\xbf\xbf", 4 }, 4 },
        { { "\xc0\x80", 2 }, 0 }, // overlong NUL
        { { "\xc1\xbf", 2 }, 0 },
        { { "\xe0\x9f\xbf", 3 }, 0 },     // overlong
        { { "\xed\xa0\x80", 3 }, 0 },     // surrogate
        { { "\xf0\x8f\xbf\xbf", 4 }, 0 }, // overlong
        { { "\xf4\x90\x80\x80", 4 }, 0 }, // above U+10FFFF
        { { "\xf5\x80\x80\x80", 4 }, 0 },
        { { "\x80", 1 }, 0 },
        { { "\xe2\x82", 2 }, 0 }, // cut short
        { { "", 0 }, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(span_utf8(rows[i].text, 0), rows[i].n);
}

static void secrets_are_equal_only_when_they_are(void **state)
{
    char secret[] = "hunter2";

    (void)state;
    assert_true(secret_eq(SPAN("abc"), SPAN("abc")));
    assert_true(secret_eq(SPAN(""), SPAN("")));
    assert_false(secret_eq(SPAN("abc"), SPAN("abd")));
    assert_false(secret_eq(SPAN("bbc"), SPAN("abc")));
    assert_false(secret_eq(SPAN("abc"), SPAN("ab")));
    secret_wipe(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++)
        assert_int_equal(secret[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_visits_every_element_and_the_empty_ones),
        cmocka_unit_test(sub_is_clipped),
        cmocka_unit_test(trim_takes_spaces_and_tabs_only),
        cmocka_unit_test(comparisons_hold_for_empty_and_absent),
        cmocka_unit_test(decimal_is_strict),
        cmocka_unit_test(utf8_refuses_overlong_surrogate_and_beyond),
        cmocka_unit_test(what_is_shown_is_one_line_of_ascii_and_fits),
        cmocka_unit_test(secrets_are_equal_only_when_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/err.h"
#include "gateway/http/time_left.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int read_field(const char *value, size_t times, int64_t *ms)
{
    struct gw_header v[2];
    struct gw_headers h = { v, times, times ? (uint64_t)1 << GW_FIELD_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS : 0 };
    for (size_t i = 0; i < times; i++)
        v[i] = (struct gw_header){ SPAN(GW_TIME_LEFT_FIELD), span_str(value), gw_field_id(SPAN(GW_TIME_LEFT_FIELD)),
                                   false };
    return gw_time_left(&h, ms);
}

static void a_time_is_milliseconds_in_digits_and_there_once(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",   "0",  "-1",  "+1",       "1.5",
                                         "1 ", "1s", "0x1", "86400001", "18446744073709551617" };
    int64_t ms = 7;
    assert_int_equal(read_field("", 0, &ms), 0);
    assert_int_equal(ms, 0);
    assert_int_equal(read_field("86400000", 1, &ms), 0);
    assert_int_equal(ms, 86400000);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_field(wrong[i], 1, &ms), ERR_HTTP_TIME_LEFT);
    assert_int_equal(read_field("5", 2, &ms), ERR_HTTP_TIME_LEFT);
    assert_int_equal(ms, 86400000); // as it was
}

static void a_query_says_no_more_than_there_is_and_nothing_else_of_it_changes(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int64_t ms;
        const char *out;
    } cases[] = {
        { NULL, 1000, "timeout=1" },
        { "", 1001, "timeout=2" },
        { "a=1&b=%26", 1, "a=1&b=%26&timeout=1" },
        { "timeout=3&a=1", 2000, "a=1&timeout=2" },
        { "a=1&time%6fut=3", 2000, "a=1&timeout=2" },
        { "a=1&timeout=2&b", 2000, "a=1&timeout=2&b" },
        { "timeout=1", 2000, "timeout=1" },
        { "timeout=0", 2000, "timeout=2" }, // to some servers that is for ever
        { "timeout=soon", 2000, "timeout=soon" },
    };
    struct arena arena;
    arena_init(&arena, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct span query = cases[i].query ? span_str(cases[i].query) : SPAN_NONE, out;
        assert_int_equal(gw_time_left_in_query(query, SPAN("timeout"), cases[i].ms, &arena, &out), 0);
        assert_true(span_eq(out, span_str(cases[i].out)));
    }
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_milliseconds_in_digits_and_there_once),
        cmocka_unit_test(a_query_says_no_more_than_there_is_and_nothing_else_of_it_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

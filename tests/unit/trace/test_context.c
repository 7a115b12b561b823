// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/trace/context.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"

static void what_is_well_formed_is_read_and_written_back(void **state)
{
    (void)state;
    struct gw_trace_context c;
    char text[GW_TRACEPARENT_TEXT + 1];
    assert_true(gw_traceparent_read(SPAN("00-" TRACE "-" PARENT "-01"), &c));
    assert_string_equal(c.trace_id, TRACE);
    assert_string_equal(c.span_id, PARENT);
    assert_int_equal(c.flags, GW_TRACE_SAMPLED);
    gw_traceparent_write(&c, text);
    assert_string_equal(text, "00-" TRACE "-" PARENT "-01");
    assert_true(gw_traceparent_read(SPAN("00-" TRACE "-" PARENT "-00"), &c));
    assert_int_equal(c.flags, 0);
    // Flags that are not known say nothing (§3.2.2.5).
    assert_true(gw_traceparent_read(SPAN("00-" TRACE "-" PARENT "-fe"), &c));
    assert_int_equal(c.flags, GW_TRACE_RANDOM);
}

static void a_version_to_come_is_read_as_far_as_it_is_known(void **state)
{
    (void)state;
    struct gw_trace_context c;
    assert_true(gw_traceparent_read(SPAN("01-" TRACE "-" PARENT "-01"), &c));
    assert_true(gw_traceparent_read(SPAN("cc-" TRACE "-" PARENT "-01-what-the-future-brings"), &c));
    assert_false(gw_traceparent_read(SPAN("cc-" TRACE "-" PARENT "-01.what-the-future-brings"), &c));
}

static void what_is_malformed_is_not_there(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "00",
        "00-" TRACE "-" PARENT,
        "00-" TRACE "-" PARENT "-0",
        "00-" TRACE "-" PARENT "-01-more",
        "00-" TRACE "-" PARENT "-01 ",
        "00_" TRACE "_" PARENT "_01",
        "0-" TRACE "-" PARENT "-01x",
        "ff-" TRACE "-" PARENT "-01",
        "0g-" TRACE "-" PARENT "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" PARENT "-01",
        "00-" TRACE "-00F067AA0BA902B7-01",
        "00-" TRACE "-" PARENT "-0X",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-" TRACE PARENT "--01",
    };
    struct gw_trace_context c = { .flags = 77 };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gw_traceparent_read(span_str(bad[i]), &c))
            fail_msg("%s", bad[i]);
    assert_false(gw_traceparent_read(SPAN_NONE, &c));
    assert_int_equal(c.flags, 77);
}

static void a_list_of_other_systems_goes_on_only_if_it_is_one(void **state)
{
    (void)state;
    static const char *const good[] = {
        "congo=t61rcWkgMzE",  "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "rojo=1 ,\t congo=2", "fw529a3039@dt=FfAA,",
        "0a*/-_=x y!",        ",,a=1,,",
    };
    static const char *const bad[] = {
        "",        ",",    "congo", "=x",    "a=",     "A=1",        "a=1,a=2",
        "a@b@c=1", "a@=1", "a b=1", "a=1=2", "a=\x7f", "a=\xc3\xa4", "-a=1",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!gw_tracestate_holds(span_str(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gw_tracestate_holds(span_str(bad[i])))
            fail_msg("%s", bad[i]);
    char many[GW_TRACESTATE_MOST + 64] = "";
    size_t n = 0;
    for (int i = 0; i < 33; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "%sk%d=1", i > 0 ? "," : "", i);
    assert_false(gw_tracestate_holds(span_str(many)));
    memset(many, 'v', sizeof many);
    memcpy(many, "k=", 2);
    assert_true(gw_tracestate_holds(span_of(many, 2 + 256)));
    assert_false(gw_tracestate_holds(span_of(many, 2 + 257)));
    assert_false(gw_tracestate_holds(SPAN_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_formed_is_read_and_written_back),
        cmocka_unit_test(a_version_to_come_is_read_as_far_as_it_is_known),
        cmocka_unit_test(what_is_malformed_is_not_there),
        cmocka_unit_test(a_list_of_other_systems_goes_on_only_if_it_is_one),
    };
    return cmocka_run_group_tests_name("trace context", tests, NULL, NULL);
}

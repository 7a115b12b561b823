// SPDX-License-Identifier: GPL-3.0-or-later
// Limits as somebody writes them: what they become, and what is wrong with those that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/api/action.h"
#include "gateway/config/config.h"
#include "tests/unit/config/least.h"

static struct gw_config *parse(const char *limits, struct diags *diags)
{
    struct gw_config *c = NULL;
    struct buf b;
    diags_init(diags);
    buf_init(&b, 0);
    buf_printf(&b, LEAST "limits:\n%s", limits);
    gw_config_parse(buf_span(&b), SPAN("f.yaml"), &c, diags);
    buf_fini(&b);
    return c;
}

static void limits_become_what_is_counted_by(void **state)
{
    (void)state;
    struct diags diags;
    struct gw_config *c = parse("  headers: false\n  buckets: 2048\n  rules:\n"
                                "    - {name: a, rate: 1000/min}\n"
                                "    - {name: b, rate: 5 / day, burst: 9, per: workload, cost: results, unit: 100,\n"
                                "       match: {actions: [readonly, write], tenants: [acme, \"x*\"]}}\n"
                                "    - {name: c, rate: 1/s}\n"
                                "    - {name: d, rate: 1000000000/h, per: collection}\n",
                                &diags);
    assert_non_null(c);
    assert_int_equal(c->limits.rules_n, 4);
    assert_false(c->limits.headers);
    assert_int_equal(c->limits.buckets, 2048);
    const struct gw_config_limit *r = c->limits.rules;
    assert_int_equal(r[0].count, 1000);
    assert_int_equal(r[0].period, 60000);
    assert_int_equal(r[0].burst, 1000);
    assert_int_equal(r[0].per, GW_LIMIT_PER_SUBJECT);
    assert_int_equal(r[0].match.actions, 0);
    assert_false(r[0].by_results);
    assert_int_equal(r[1].count, 5);
    assert_int_equal(r[1].period, 86400000);
    assert_int_equal(r[1].burst, 9);
    assert_int_equal(r[1].per, GW_LIMIT_PER_WORKLOAD);
    assert_true(r[1].by_results);
    assert_int_equal(r[1].unit, 100);
    assert_int_equal(r[1].match.actions, GW_ACTIONS_READONLY | GW_ACTION_BIT(GW_ACTION_WRITE));
    assert_int_equal(r[1].match.tenants.n, 2);
    assert_int_equal(r[2].period, 1000);
    assert_int_equal(r[3].period, 3600000);
    assert_int_equal(r[3].per, GW_LIMIT_PER_COLLECTION);
    gw_config_free(c);
    diags_fini(&diags);
}

static void what_is_no_limit_is_an_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *expected;
    } rows[] = {
        { "{name: a}", "'rate' is missing" },
        { "{rate: 1/s}", "'name' is missing" },
        { "{name: a, rate: 10}", "a number a period is expected" },
        { "{name: a, rate: 10/minute}", "a number a period is expected" },
        { "{name: a, rate: 10/MIN}", "a number a period is expected" },
        { "{name: a, rate: 0/s}", "a number a period is expected" },
        { "{name: a, rate: -1/s}", "a number a period is expected" },
        { "{name: a, rate: 1.5/s}", "a number a period is expected" },
        { "{name: a, rate: /s}", "a number a period is expected" },
        { "{name: a, rate: 99999999999999999999/day}", "a number a period is expected" },
        { "{name: a, rate: 1000001/s}", "this is no limit" },
        { "{name: a, rate: 1000000001/day}", "this is no limit" },
        { "{name: a, rate: 1/day, burst: 31}", "takes more than a month" },
        { "{name: a, rate: 1/s, burst: 0}", "burst" },
        { "{name: a, rate: 1/s, unit: 0}", "unit" },
        { "{name: a, rate: 1/s, per: token}", "per" },
        { "{name: a, rate: 1/s, match: {actions: [serach]}}", "did you mean 'search'" },
        { "{name: a, rate: 1/s, match: {subject: x}}", "unknown key 'subject'" },
        { "{name: \"a b\", rate: 1/s}", "a name of at most 64" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct diags diags;
        char text[160];
        bool found = false;
        snprintf(text, sizeof text, "  rules:\n    - %s\n", rows[i].rule);
        struct gw_config *c = parse(text, &diags);
        assert_null(c);
        for (const struct diag *d = diags.first; d; d = d->next)
            found |= d->line > 0 && memmem(d->text.p, d->text.n, rows[i].expected, strlen(rows[i].expected));
        if (!found || diags.errors != 1) {
            for (const struct diag *d = diags.first; d; d = d->next)
                print_error("%u: %.*s\n", d->line, SPAN_FMT(d->text));
            fail_msg("%s", rows[i].rule);
        }
        diags_fini(&diags);
    }
}

static void names_differ_and_are_not_too_many(void **state)
{
    (void)state;
    struct diags diags;
    assert_null(parse("  rules:\n    - {name: a, rate: 1/s}\n    - {name: a, rate: 2/s}\n", &diags));
    assert_int_equal(diags.errors, 1);
    assert_non_null(memmem(diags.first->text.p, diags.first->text.n, "names must differ", 17));
    diags_fini(&diags);
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "  rules:\n");
    for (int i = 0; i < 65; i++)
        buf_printf(&b, "    - {name: a%d, rate: 1/s}\n", i);
    buf_byte(&b, 0);
    assert_null(parse(buf_span(&b).p, &diags));
    assert_int_equal(diags.errors, 1);
    diags_fini(&diags);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_become_what_is_counted_by),
        cmocka_unit_test(what_is_no_limit_is_an_error_with_its_place),
        cmocka_unit_test(names_differ_and_are_not_too_many),
    };
    return cmocka_run_group_tests_name("schema_limits", tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Which gates only observe, for whom, and that it ends by itself.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/base/clock.h"
#include "gateway/config/modes.h"
#include "tests/unit/config/least.h"

static struct gw_config *parse(const char *modes, struct diags *diags)
{
    struct gw_config *c = NULL;
    struct buf b;
    diags_init(diags);
    buf_init(&b, 0);
    buf_printf(&b, "%s%s", LEAST, modes);
    gw_config_parse(buf_span(&b), SPAN("f.yaml"), &c, diags);
    buf_fini(&b);
    return c;
}

static int64_t at(const char *when)
{
    int64_t ms = 0;
    assert_true(clock_parse_date(span_str(when), &ms));
    return ms;
}

static bool both(const struct gw_config *c, const char *workload, const char *when)
{
    bool token = gw_gate_observes(c, GW_GATE_TOKEN, span_str(workload), at(when));
    assert_int_equal(token, gw_gate_observes(c, GW_GATE_POLICY, span_str(workload), at(when)));
    return token;
}

static void without_a_word_about_it_everything_is_enforced(void **state)
{
    (void)state;
    struct diags diags;
    struct gw_config *c = parse("", &diags);
    int64_t end;
    assert_non_null(c);
    assert_false(both(c, "spiffe://a/x", "2026-01-01"));
    assert_int_equal(gw_gate_observers(c, GW_GATE_TOKEN, at("2026-01-01"), &end), 0);
    assert_int_equal(end, 0);
    gw_modes_warn(c, at("2026-01-01"), &diags);
    assert_int_equal(diags.warnings, 0);
    gw_config_free(c);
    diags_fini(&diags);
}

static void a_rule_is_about_its_workloads_and_the_first_one_decides(void **state)
{
    (void)state;
    struct diags diags;
    struct gw_config *c =
        parse("modes:\n"
              "  - {workloads: spiffe://a/ns/team/sa/done}\n"
              "  - {workloads: spiffe://a/ns/team/, token: observe, policy: observe, until: 2026-06-30}\n"
              "  - {workloads: spiffe://a/one, token: observe, until: 2026-07-01T12:00:00Z}\n",
              &diags);
    int64_t end;
    assert_non_null(c);
    assert_true(both(c, "spiffe://a/ns/team/sa/x", "2026-06-01"));
    assert_false(both(c, "spiffe://a/ns/team/sa/done", "2026-06-01"));
    assert_false(both(c, "spiffe://a/ns/team", "2026-06-01"));
    assert_false(both(c, "spiffe://a/ns/teams/sa/x", "2026-06-01"));
    assert_false(both(c, "spiffe://b/ns/team/sa/x", "2026-06-01"));
    assert_true(gw_gate_observes(c, GW_GATE_TOKEN, SPAN("spiffe://a/one"), at("2026-06-01")));
    assert_false(gw_gate_observes(c, GW_GATE_POLICY, SPAN("spiffe://a/one"), at("2026-06-01")));
    assert_false(gw_gate_observes(c, GW_GATE_TOKEN, SPAN("spiffe://a/one/more"), at("2026-06-01")));
    assert_int_equal(gw_gate_observers(c, GW_GATE_TOKEN, at("2026-06-01"), &end), 2);
    assert_int_equal(end, at("2026-07-01"));
    assert_int_equal(gw_gate_observers(c, GW_GATE_POLICY, at("2026-06-01"), &end), 1);
    gw_config_free(c);
    diags_fini(&diags);
}

static void observing_ends_by_itself_after_its_last_day(void **state)
{
    (void)state;
    struct diags diags;
    struct gw_config *c =
        parse("modes:\n  - {workloads: spiffe://a/, token: observe, policy: observe, until: 2026-06-30}\n", &diags);
    int64_t end;
    assert_non_null(c);
    assert_true(both(c, "spiffe://a/x", "2026-06-30T23:59:59Z"));
    assert_false(both(c, "spiffe://a/x", "2026-07-01T00:00:00Z"));
    assert_int_equal(gw_gate_observers(c, GW_GATE_TOKEN, at("2026-07-01"), &end), 0);
    // Either way the log says it.
    gw_modes_warn(c, at("2026-06-30"), &diags);
    gw_modes_warn(c, at("2026-07-02"), &diags);
    assert_int_equal(diags.warnings, 2);
    // In the moment that it ends, once.
    gw_modes_warn_ended(c, at("2026-06-30T23:59:58Z"), at("2026-06-30T23:59:59Z"), &diags);
    assert_int_equal(diags.warnings, 2);
    gw_modes_warn_ended(c, at("2026-06-30T23:59:59Z"), at("2026-07-01T00:00:00Z"), &diags);
    assert_int_equal(diags.warnings, 3);
    gw_modes_warn_ended(c, at("2026-07-01T00:00:00Z"), at("2026-07-01T00:00:01Z"), &diags);
    assert_int_equal(diags.warnings, 3);
    assert_int_equal(diags.errors, 0);
    gw_config_free(c);
    diags_fini(&diags);
}

static void what_is_no_mode_is_an_error_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *modes, *expected;
    } rows[] = {
        { "modes:\n  - {token: observe, until: 2026-06-30}\n", "'workloads' is missing" },
        { "modes:\n  - {workloads: spiffe://a/x, token: observe}\n", "'observe' needs an end" },
        { "modes:\n  - {workloads: spiffe://a/x, policy: observe}\n", "'observe' needs an end" },
        { "modes:\n  - {workloads: spiffe://a/x, token: observe, until: 2026-02-30}\n",
          "a day or a moment in UTC is expected" },
        { "modes:\n  - {workloads: spiffe://a/x, token: observe, until: never}\n",
          "a day or a moment in UTC is expected" },
        { "modes:\n  - {workloads: spiffe://a/x, token: off, until: 2026-06-30}\n", "observe" },
        { "modes:\n  - {workloads: spiffe://a/x, certificate: observe, until: 2026-06-30}\n", "certificate" },
        { "modes:\n  - {workloads: spiffe://a, token: observe, until: 2026-06-30}\n",
          "a workload's SPIFFE ID is expected" },
        { "modes:\n  - {workloads: \"spiffe://a/*\", token: observe, until: 2026-06-30}\n",
          "a workload's SPIFFE ID is expected" },
        { "modes:\n  - {workloads: team-a/, token: observe, until: 2026-06-30}\n",
          "a workload's SPIFFE ID is expected" },
        { "modes:\n  - {workloads: spiffe://b/x, token: observe, until: 2026-06-30}\n",
          "trust domain 'b' is not among trust_domains" },
        { "modes:\n  - {workloads: spiffe://a/}\n  - {workloads: spiffe://a/x, token: observe, until: 2026-06-30}\n",
          "never reached: the rule in line 16" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct diags diags;
        struct gw_config *c = parse(rows[i].modes, &diags);
        bool found = false;
        for (const struct diag *d = diags.first; d; d = d->next)
            found |= d->line > 14 && memmem(d->text.p, d->text.n, rows[i].expected, strlen(rows[i].expected));
        if (!found || diags.errors != 1) {
            for (const struct diag *d = diags.first; d; d = d->next)
                print_error("%u: %.*s\n", d->line, SPAN_FMT(d->text));
            fail_msg("%s: expected \"%s\"", rows[i].modes, rows[i].expected);
        }
        gw_config_free(c);
        diags_fini(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_word_about_it_everything_is_enforced),
        cmocka_unit_test(a_rule_is_about_its_workloads_and_the_first_one_decides),
        cmocka_unit_test(observing_ends_by_itself_after_its_last_day),
        cmocka_unit_test(what_is_no_mode_is_an_error_with_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

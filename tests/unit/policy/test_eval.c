// SPDX-License-Identifier: GPL-3.0-or-later
// Expressions: what they yield, and how they fail. Each is the condition of a permit.
#include "tests/unit/policy/support.h"

#include "gateway/base/buf.h"

static const char entities[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{\"level\":5,\"team\":{\"__entity\":{\"type\":\"Team\","
    "\"id\":\"red\"}},"
    "\"tags\":[\"a\",\"b\",\"a\"],\"addr\":{\"city\":{\"zip\":\"1000\"}},\"odd name\":true},"
    "\"parents\":[{\"type\":\"Team\",\"id\":\"red\"}]},"
    "{\"uid\":{\"type\":\"Team\",\"id\":\"red\"},\"attrs\":{},\"parents\":[{\"type\":\"Org\",\"id\":\"acme\"}]}]";

// "allow", "deny", or the text of the error.
static void assert_yields(const char *expr, const char *expected)
{
    struct fixture f;
    char text[8192];

    snprintf(text, sizeof text, "permit(principal, action, resource) when { %s };", expr);
    fixture_init(&f, text, entities);
    ask(&f, "ann", "read", "d1");
    pol_request_context(&f.r, SPAN("n"), pol_long(7));
    pol_request_context(&f.r, SPAN("s"), pol_string(SPAN("hello")));
    pol_request_context(&f.r, SPAN("yes"), pol_bool(true));
    pol_decide(&f.r, POL_MODE_CEDAR, 0, &f.a);
    if (f.a.n_failures) {
        if (!strstr(f.a.failures[0].text.p, expected))
            print_error("%s: %s\n", expr, f.a.failures[0].text.p);
        assert_non_null(strstr(f.a.failures[0].text.p, expected));
        assert_int_equal(f.a.failures[0].line, 1);
        assert_false(f.a.allow);
    } else {
        if (strcmp(f.a.allow ? "allow" : "deny", expected) != 0)
            print_error("%s\n", expr);
        assert_string_equal(f.a.allow ? "allow" : "deny", expected);
    }
    fixture_fini(&f);
}

struct row {
    const char *expr, *expected;
};

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_yields(rows[i].expr, rows[i].expected);
}
#define ROWS(rows) assert_rows((rows), sizeof(rows) / sizeof *(rows))

static void logic_short_circuits_and_demands_booleans(void **state)
{
    static const struct row rows[] = {
        { "true && true", "allow" },
        { "false && context.absent", "deny" },
        { "true || context.absent", "allow" },
        { "context.yes || context.absent", "allow" },
        { "!context.yes && context.absent", "deny" },
        { "context.yes && context.absent", "no attribute 'absent'" },
        { "context.absent && false", "no attribute 'absent'" },
        { "context.n && true", "expected bool, got long" },
        { "true && context.n", "expected bool, got long" },
        { "false || context.s", "expected bool, got string" },
        { "context.n", "expected bool, got long" },
        { "5", "expected bool, got long" },
        { "!5", "expected bool, got long" },
        { "!!context.yes", "allow" },
        { "if context.yes then true else context.absent", "allow" },
        { "if !context.yes then context.absent else true", "allow" },
        { "if 1 then true else true", "expected bool, got long" },
        { "if true then 1 else true", "expected bool, got long" },
        { "(if context.yes then 1 else true) == 1", "allow" },
        { "context.yes && (if context.yes then 5 else 1 == 1)", "expected bool, got long" },
        { "true && context.yes && true && true", "allow" },
        { "context.yes && false && context.absent", "deny" },
    };

    (void)state;
    ROWS(rows);
}

static void equality_across_types_is_false(void **state)
{
    static const struct row rows[] = {
        { "1 == \"1\"", "deny" },
        { "context.n == \"7\"", "deny" },
        { "context.n != \"7\"", "allow" },
        { "true == 1", "deny" },
        { "principal == \"ann\"", "deny" },
        { "principal == User::\"ann\"", "allow" },
        { "principal == Admin::\"ann\"", "deny" },
        { "[1, 2, 2] == [2, 1]", "allow" },
        { "[1, [2, 3]] == [[3, 2, 3], 1]", "allow" },
        { "[context.n] == [7, context.n]", "allow" },
        { "{a: 1, \"b\": context.n} == {b: 7, a: 1}", "allow" },
        { "{a: 1} == {a: 1, b: 2}", "deny" },
        { "[] == {}", "deny" },
        { "context == {n: 7, s: \"hello\", yes: true}", "allow" },
        { "\"\\u{e9}\\x41\\n\\t\\0\" == \"\\u{00E9}A\n\\t\\u{0}\"", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void arithmetic_overflow_is_an_error(void **state)
{
    static const struct row rows[] = {
        { "1 + 2 * 3 - 4 == 3", "allow" },
        { "context.n - 2 - 3 == 2", "allow" },
        { "-context.n == -7", "allow" },
        { "9223372036854775807 + 1 == 0", "overflow" },
        { "9223372036854775807 + context.n == 0", "overflow" },
        { "-9223372036854775808 - 1 == 0", "overflow" },
        { "--9223372036854775808 == 0", "overflow" },
        { "-9223372036854775808 * -1 == 0", "overflow" },
        { "-9223372036854775808 < 0", "allow" },
        { "4611686018427387904 * 2 == 0", "overflow" },
        { "1 + \"a\" == 2", "expected long, got string" },
        { "true + 1 == 2", "expected long, got bool" },
        { "-true == 1", "expected long, got bool" },
        { "true || 9223372036854775807 + 1 == 0", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void comparisons_are_for_longs(void **state)
{
    static const struct row rows[] = {
        { "context.n < 8 && context.n <= 7 && context.n > 6 && context.n >= 7", "allow" },
        { "context.n < 7 || context.n > 7", "deny" },
        { "context.s < \"z\"", "expected long, datetime or duration, got string" },
        { "1 <= true", "expected long, got bool" },
        { "principal.level >= 5", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void attributes_and_has(void **state)
{
    static const struct row rows[] = {
        { "principal has level", "allow" },
        { "principal has \"odd name\" && principal[\"odd name\"]", "allow" },
        { "principal has nothing", "deny" },
        { "principal has addr.city.zip", "allow" },
        { "principal has addr.town.zip", "deny" },
        { "principal has level.x", "expected entity or record, got long" },
        { "principal.addr.city.zip == \"1000\"", "allow" },
        { "principal.nothing == 1", "User::\"ann\" has no attribute 'nothing'" },
        { "principal.addr.nothing == 1", "the record has no attribute 'nothing'" },
        { "User::\"ghost\" has level", "deny" },
        { "User::\"ghost\".level == 1", "User::\"ghost\" does not exist" },
        { "context has n && context.n == 7", "allow" },
        { "1 has x", "expected entity or record, got long" },
        { "\"a\".x == 1", "expected entity or record, got string" },
        { "principal.team has x", "deny" },
        { "{a: {b: true}}.a.b", "allow" },
        { "{a: {b: true}} has a.b", "allow" },
        { "{a: 1} has a.b", "expected entity or record, got long" },
        { "{principal: 1}.principal == 1", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void hierarchy_is_transitive_and_reflexive(void **state)
{
    static const struct row rows[] = {
        { "principal in Team::\"red\"", "allow" },
        { "principal in Org::\"acme\"", "allow" },
        { "principal in principal", "allow" },
        { "Team::\"red\" in Org::\"acme\"", "allow" },
        { "Org::\"acme\" in Team::\"red\"", "deny" },
        { "principal.team in Org::\"acme\"", "allow" },
        { "principal in [Team::\"blue\", Org::\"acme\"]", "allow" },
        { "principal in []", "deny" },
        { "User::\"ghost\" in User::\"ghost\"", "allow" },
        { "principal in [Team::\"red\", 1]", "expected set of entities, an element is a long" },
        { "principal in [Team::\"red\", [1]]", "expected set of entities" },
        { "principal in 5", "expected entity or set of entities, got long" },
        { "\"ann\" in Team::\"red\"", "expected entity, got string" },
        { "principal is User", "allow" },
        { "principal is Acme::User", "deny" },
        { "principal is User in Org::\"acme\"", "allow" },
        { "principal is Doc in 5", "deny" },
        { "principal is User in 5", "expected entity or set of entities, got long" },
        { "1 is User", "expected entity, got long" },
        { "resource is Doc && action is Action", "allow" },
    };

    (void)state;
    ROWS(rows);
}

static void sets(void **state)
{
    static const struct row rows[] = {
        { "principal.tags.contains(\"a\")", "allow" },
        { "principal.tags.contains(\"c\")", "deny" },
        { "principal.tags.contains(1)", "deny" },
        { "principal.tags.containsAll([\"b\", \"a\"])", "allow" },
        { "principal.tags.containsAll([])", "allow" },
        { "principal.tags.containsAll([\"b\", \"z\"])", "deny" },
        { "principal.tags.containsAny([\"z\", \"b\"])", "allow" },
        { "principal.tags.containsAny([])", "deny" },
        { "[].isEmpty() && !principal.tags.isEmpty()", "allow" },
        { "[principal, resource].contains(principal)", "allow" },
        { "[1, 2].contains(context.n - 5)", "allow" },
        { "[[1], {a: 1}].contains({a: 1})", "allow" },
        { "context.s.contains(1)", "expected set, got string" },
        { "[1].containsAll(1)", "expected set, got long" },
        { "[1].containsAny(context.s)", "expected set, got string" },
        { "context.n.isEmpty()", "expected set, got long" },
        { "[context.absent].contains(1)", "no attribute 'absent'" },
    };

    (void)state;
    ROWS(rows);
}

static void like_matches_wildcards_only_where_they_are_unescaped(void **state)
{
    static const struct row rows[] = {
        { "context.s like \"hello\"", "allow" },
        { "context.s like \"h*o\"", "allow" },
        { "context.s like \"*ell*\"", "allow" },
        { "context.s like \"*\"", "allow" },
        { "context.s like \"hell\"", "deny" },
        { "context.s like \"h*l*l*o\"", "allow" },
        { "context.s like \"h*l*l*l*o\"", "deny" },
        { "context.s like \"hello*o\"", "deny" },
        { "context.s like \"\"", "deny" },
        { "\"a*c\" like \"a\\*c\"", "allow" },
        { "\"abc\" like \"a\\*c\"", "deny" },
        { "\"abab\" like \"ab*ab\"", "allow" },
        { "\"ab\" like \"ab*ab\"", "deny" },
        { "\"xaxbx\" like \"**a**b**\"", "allow" },
        { "\"\" like \"**\"", "allow" },
        { "\"h\\u{e9}\" like \"*\\u{e9}\"", "allow" },
        { "context.n like \"7\"", "expected string, got long" },
    };

    (void)state;
    ROWS(rows);
}

static void constants_that_fail_fail_when_reached_and_not_before(void **state)
{
    static const struct row rows[] = {
        { "context.yes || (1 + \"a\" == 2)", "allow" },
        { "context.yes && (1 + \"a\" == 2)", "expected long" },
        { "[1, 1 + 9223372036854775807].contains(1)", "overflow" },
        { "{a: {}.b} has a", "no attribute 'b'" },
    };

    (void)state;
    ROWS(rows);
}

static void tags_are_apart_from_attributes(void **state)
{
    static const char tagged[] =
        "[{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{\"a\":1,\"k\":\"b\"},\"tags\":{\"b\":2,\"a\":[3],\"\":"
        "4},"
        "\"parents\":[]},{\"uid\":{\"type\":\"User\",\"id\":\"bob\"},\"attrs\":{},\"parents\":[]}]";
    static const struct row rows[] = {
        { "principal.getTag(\"b\") == 2 && principal.getTag(\"a\") == [3] && principal.a == 1", "allow" },
        { "principal.hasTag(\"b\") && !principal.hasTag(\"k\") && !(principal has b)", "allow" },
        { "principal.getTag(principal.k) == 2 && principal.hasTag(\"\")", "allow" },
        { "principal.getTag(if principal.hasTag(\"x\") then \"x\" else \"b\") == 2", "allow" },
        { "User::\"bob\".hasTag(\"b\") || User::\"eve\".hasTag(\"b\") || context.e.hasTag(\"b\")", "deny" },
        { "principal.getTag(\"k\") == 1", "User::\"ann\" has no such tag" },
        { "User::\"eve\".getTag(\"k\") == 1", "the entity User::\"eve\" does not exist" },
        { "principal.hasTag(1)", "expected string, got long" },
        { "context.hasTag(\"a\")", "expected entity, got record" },
        { "context.getTag(\"a\") == 1", "expected entity, got record" },
        // The request's come before those of the file.
        { "resource.getTag(\"r\") == 1 && principal.getTag(\"b\") == 2", "allow" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        char text[512];

        snprintf(text, sizeof text, "permit(principal, action, resource) when { %s };", rows[i].expr);
        fixture_init(&f, text, tagged);
        ask(&f, "ann", "read", "d1");
        pol_request_tag(&f.r, f.r.resource, SPAN("r"), pol_long(1));
        pol_request_context(&f.r, SPAN("e"), pol_request_ref(&f.r, SPAN("User"), SPAN("new")));
        pol_decide(&f.r, POL_MODE_CEDAR, 0, &f.a);
        if (f.a.n_failures)
            assert_non_null(strstr(f.a.failures[0].text.p, rows[i].expected));
        else
            assert_string_equal(f.a.allow ? "allow" : "deny", rows[i].expected);
        fixture_fini(&f);
    }
}

static void a_tag_of_the_request_hides_the_files(void **state)
{
    static const char tagged[] =
        "[{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{},\"tags\":{\"t\":1,\"u\":2}}]";
    struct fixture f;
    struct buf b;

    (void)state;
    fixture_init(
        &f,
        "permit(principal, action, resource) when { principal.getTag(\"t\") == 9 && principal.getTag(\"u\") == 2 "
        "};",
        tagged);
    ask(&f, "ann", "read", "d1");
    pol_request_tag(&f.r, f.r.principal, SPAN("t"), pol_long(9));
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    buf_init(&b, 0);
    assert_true(pol_request_to_json(&f.r, &b));
    assert_non_null(memmem(buf_span(&b).p, buf_len(&b), "\"tags\":{\"t\":9,\"u\":2}", 20));
    // The audit form says it all without the file.
    fixture_again(&f);
    assert_true(pol_request_from_json(&f.r, SPAN("audit"), buf_span(&b), false, &f.diags));
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    buf_fini(&b);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logic_short_circuits_and_demands_booleans),
        cmocka_unit_test(equality_across_types_is_false),
        cmocka_unit_test(arithmetic_overflow_is_an_error),
        cmocka_unit_test(comparisons_are_for_longs),
        cmocka_unit_test(attributes_and_has),
        cmocka_unit_test(hierarchy_is_transitive_and_reflexive),
        cmocka_unit_test(sets),
        cmocka_unit_test(like_matches_wildcards_only_where_they_are_unescaped),
        cmocka_unit_test(constants_that_fail_fail_when_reached_and_not_before),
        cmocka_unit_test(tags_are_apart_from_attributes),
        cmocka_unit_test(a_tag_of_the_request_hides_the_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

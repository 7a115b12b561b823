// SPDX-License-Identifier: GPL-3.0-or-later
// Policies that load and policies that do not, with the place and the words of the complaint.
#include "tests/unit/policy/support.h"

#define ANY "permit(principal, action, resource)"
#define SLOTS "?principal stands for principal's entity in the scope, ?resource for resource's, and nowhere else"

static void assert_loads(const char *text)
{
    struct fixture f;

    fixture_init(&f, text, NULL);
    fixture_fini(&f);
}

static void whole_grammar_loads(void **state)
{
    static const char *const texts[] = {
        "",
        "// nothing\n",
        ANY ";",
        "forbid(principal, action, resource,);",
        "@id(\"a\") @flag @note(\"\") permit(principal == A::B::User::\"x\", action == Action::\"r\", resource in "
        "Doc::\"d\");",
        "permit(principal is User, action in Action::\"g\", resource is N::Doc in Fold::\"f\");",
        "permit(principal in G::\"g\", action in [N::Action::\"a\", Action::\"b\",], resource == D::\"d\");",
        "permit(principal, action in [], resource);",
        ANY " when { true } unless { false } when { context.a.b[\"c d\"].e }; " ANY ";",
        ANY " when { if a::\"1\" in [b::\"2\", c::\"3\",] then {x: 1, \"y z\": [],} == {} else !!!!true };",
        ANY " when { principal.permit.when.principal == context.action };",
        ANY " when { ----5 == 5 && -(5) == - 5 };",
        ANY "\n\twhen\xc2\xa0{ true };\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_loads(texts[i]);
}

static void complaints_have_place_and_advice(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "permit(principal, action, resource)",
          "p.cedar:1:36: error: the text ends where 'when', 'unless' or ';' is due; complete the policy" },
        { "\n  allow(principal, action, resource);",
          "p.cedar:2:3: error: expected 'permit' or 'forbid', found 'allow'" },
        { "permit(action, principal, resource);", "p.cedar:1:8: error: expected 'principal', found 'action'" },
        { "permit(principal = User::\"a\", action, resource);",
          "p.cedar:1:18: error: '=' is no operator; did you mean '=='?" },
        { "permit(principal == ?resource, action, resource);", "p.cedar:1:21: error: the slot ?resource here; " SLOTS },
        { "permit(principal, action == ?action, resource);", "p.cedar:1:29: error: the slot ?action here; " SLOTS },
        { "permit(principal, action in [?principal], resource);",
          "p.cedar:1:30: error: the slot ?principal here; " SLOTS },
        { "permit(principal is ?principal, action, resource);",
          "p.cedar:1:21: error: the slot ?principal here; " SLOTS },
        { ANY " when { principal == ?principal };", "p.cedar:1:57: error: the slot ?principal here; " SLOTS },
        { "permit(principal in [A::\"a\"], action, resource);",
          "p.cedar:1:21: error: only 'action in' takes a list; use a when clause or a group" },
        { "permit(principal is A == B::\"x\", action, resource);",
          "p.cedar:1:23: error: 'is' with '=='; use '==' alone, it names the type already" },
        { "permit(principal in B::\"x\" is A, action, resource);",
          "p.cedar:1:28: error: 'is' stands before 'in': 'principal is Type in Entity'" },
        { "permit(principal, action is A, resource);",
          "p.cedar:1:26: error: 'action is' does not exist; use '==' or 'in'" },
        { "permit(principal, action == User::\"r\", resource);",
          "p.cedar:1:26: error: User is no action type; actions are Action::\"…\"" },
        { ANY " when { };", "p.cedar:1:44: error: an empty condition; write one, or leave the clause out" },
        { ANY " when { principl.a };", "p.cedar:1:44: error: unknown name 'principl'; did you mean 'principal'?" },
        { ANY " when { xyzzy };", "p.cedar:1:44: error: unknown name 'xyzzy'; known are principal, action, resource, "
                                  "context, and entities such as Role::\"x\"" },
        { ANY " when { 1 < 2 < 3 };", "p.cedar:1:50: error: two comparisons in a row; put parentheses around one" },
        { ANY " when { context has a == true };",
          "p.cedar:1:58: error: two comparisons in a row; put parentheses around one" },
        { ANY " when { !!!!!true };", "p.cedar:1:48: error: more than four '!' in a row; remove pairs" },
        { ANY " when { 9223372036854775808 == 0 };",
          "p.cedar:1:44: error: 9223372036854775808 does not fit in 64 bits; longs go up to 9223372036854775807" },
        { ANY " when { 4 / 2 == 2 };", "p.cedar:1:46: error: Cedar has no '/'; compare multiples instead" },
        { ANY " when { [1].contain(1) };",
          "p.cedar:1:48: error: there is no method 'contain'; did you mean 'contains'?" },
        { ANY " when { [1].contains(1, 2) };", "p.cedar:1:48: error: contains() takes one argument" },
        { ANY " when { principal.getTag() == 1 };", "p.cedar:1:54: error: getTag() takes one argument" },
        { ANY " when { \"1.2.3.4\".ip() == 1 };", "p.cedar:1:54: error: ip is a function, not a method; write ip(…)" },
        { ANY " when { lessThan(decimal(\"1.0\"), decimal(\"2.0\")) };",
          "p.cedar:1:44: error: lessThan is a method, not a function; write value.lessThan(…)" },
        { ANY " when { contains([1], 1) };",
          "p.cedar:1:44: error: contains is a method, not a function; write value.contains(…)" },
        { ANY " when { decimel(\"1.0\") == 1 };",
          "p.cedar:1:44: error: there is no function 'decimel'; did you mean 'decimal'?" },
        { ANY " when { A::ip(\"1.0\") == 1 };",
          "p.cedar:1:44: error: there is no function 'A::ip'; known are ip, decimal, datetime, duration" },
        { ANY " when { principal.isIpv5() };",
          "p.cedar:1:54: error: there is no method 'isIpv5'; did you mean 'isIpv4'?" },
        { ANY " when { principal.quux() };",
          "p.cedar:1:54: error: there is no method 'quux'; known are contains, containsAll, containsAny, isEmpty, "
          "getTag, hasTag, and those of extension types" },
        { ANY " when { context() };",
          "p.cedar:1:44: error: there is no function 'context'; known are ip, decimal, datetime, duration" },
        { ANY " when { foo(1) };",
          "p.cedar:1:44: error: there is no function 'foo'; known are ip, decimal, datetime, duration" },
        { ANY " when { context.if };",
          "p.cedar:1:52: error: 'if' is a reserved word; use another name, or [\"if\"] for an attribute" },
        { ANY " when { \"\\q\" == \"\" };", "p.cedar:1:44: error: unknown escape in a string; known are \\n \\r \\t "
                                            "\\\\ \\0 \\' \\\" \\xHH (up to 7F), \\u{H…} and, in patterns, \\*" },
        { ANY " when { \"\\*\" == \"\" };", "p.cedar:1:44: error: unknown escape in a string; known are \\n \\r \\t "
                                            "\\\\ \\0 \\' \\\" \\xHH (up to 7F), \\u{H…} and, in patterns, \\*" },
        { ANY " when { \"\\u{d800}\" == \"\" };",
          "p.cedar:1:44: error: unknown escape in a string; known are \\n \\r \\t \\\\ \\0 \\' \\\" \\xHH (up to 7F), "
          "\\u{H…} and, in patterns, \\*" },
        { ANY " when { \"abc };", "p.cedar:1:44: error: a string that is not closed; put a '\"' at its end" },
        { ANY " when { {a: 1, \"a\": 2} == 1 };", "p.cedar:1:51: error: the record has 'a' twice; keep one" },
        { ANY " when { é };", "p.cedar:1:44: error: expected an expression, found 'é'" },
        { "@id(\"é\") @id(\"b\") " ANY ";", "p.cedar:1:10: error: @id stands twice; keep one" },
        { "\xff", "p.cedar:1:1: error: not UTF-8, or a byte order mark; save the file as plain UTF-8" },
        { "\xef\xbb\xbf" ANY ";", "p.cedar:1:1: error: not UTF-8, or a byte order mark; save the file as plain UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_refused(rows[i].text, NULL, &lax_, rows[i].complaint);
}

static void every_faulty_policy_is_shown_in_one_run(void **state)
{
    struct fixture f;

    (void)state;
    fixture_try(&f, "permit(x);\n" ANY ";\nforbid(principal, action, resource) when { y };\n@oops permit;", NULL,
                &strict_);
    assert_null(f.set);
    assert_int_equal(f.diags.errors, 4);
    assert_int_equal(f.diags.first->line, 1);
    assert_int_equal(f.diags.first->next->line, 3);
    assert_int_equal(f.diags.last->line, 4);
    fixture_fini(&f);
}

// Checklist rule 37.
static void rule37_unknown_annotations_are_load_errors(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "@mode(\"Shadow\") " ANY ";",
          "p.cedar:1:1: error: @mode(\"Shadow\") is not understood; write @mode(\"shadow\") or remove it" },
        { "@mode " ANY ";", "p.cedar:1:1: error: @mode(\"\") is not understood; write @mode(\"shadow\") or remove it" },
        { "@fliter(\"x\") " ANY ";", "p.cedar:1:1: error: unknown annotation @fliter; did you mean @filter?" },
        { "@descripton(\"x\") " ANY ";",
          "p.cedar:1:1: error: unknown annotation @descripton; did you mean @description?" },
        { "@zzzzzzzz " ANY ";", "p.cedar:1:1: error: unknown annotation @zzzzzzzz; accepted are @id, @description, "
                                "@owner, @advice, @reason, @ticket, @filter, @limit, @audit, @mode" },
        { "@id(\"\") " ANY ";",
          "p.cedar:1:1: error: @id is empty or longer than 256 bytes; give the policy a short name" },
    };
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_refused(rows[i].text, NULL, &strict_, rows[i].complaint);
    fixture_try(&f,
                "@id(\"a\") @description(\"d\") @owner(\"o\") @advice(\"x\") @reason(\"r\") @ticket(\"t\") " ANY ";",
                NULL, &strict_);
    assert_non_null(f.set);
    fixture_fini(&f);
}

static char *repeat(const char *before, const char *unit, size_t n, const char *after)
{
    size_t m = strlen(unit);
    char *text = malloc(strlen(before) + n * m + strlen(after) + 1), *p = text;

    assert_non_null(text);
    p = stpcpy(p, before);
    for (size_t i = 0; i < n; i++)
        p = stpcpy(p, unit);
    stpcpy(p, after);
    return text;
}

static void nesting_of_10000_is_refused_clearly(void **state)
{
    static const char *const openers[] = { "(", "[", "{a:", "if ", "[].contains(", "!(", "1 + (", "principal in [" };

    (void)state;
    for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) {
        char *text = repeat(ANY " when { ", openers[i], 10000, "");
        struct fixture f;

        fixture_try(&f, text, NULL, &lax_);
        assert_null(f.set);
        assert_int_equal(f.diags.errors, 1);
        assert_non_null(strstr(complaint(&f), ": nested deeper than 128; simplify the expression"));
        fixture_fini(&f);
        free(text);
    }
}

static void chains_are_as_long_as_the_text(void **state)
{
    static const char *const rows[][3] = {
        { ANY " when { context.x", " && context.x", " };" },
        { ANY " when { context.x", " || true && context.x", " };" },
        { ANY " when { 0 == context.x", " + 1 - context.x * 2", " };" },
        { ANY " when { context", ".x", " };" },
        { ANY " when { context has a", ".x", " };" },
        { ANY "", " when { context.x }", ";" },
        { ANY " when { context.s like \"a", "*b", "\" };" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = repeat(rows[i][0], rows[i][1], 20000, rows[i][2]);
        struct fixture f;

        fixture_init(&f, text, NULL);
        ask(&f, "a", "r", "d");
        pol_request_context(&f.r, SPAN("s"), pol_string(SPAN("abbbbb")));
        pol_decide(&f.r, POL_MODE_CEDAR, 0, &f.a);
        assert_false(f.a.allow);
        fixture_fini(&f);
        free(text);
    }
}

static void set_of_100000_elements_is_refused_clearly(void **state)
{
    char *text = repeat(ANY " when { [1", ",1", 100000, "].contains(2) };");
    struct fixture f;

    (void)state;
    fixture_try(&f, text, NULL, &lax_);
    assert_null(f.set);
    assert_string_equal(complaint(&f),
                        "p.cedar:1:44: error: a set of more than 65536 elements; put the data into entities");
    fixture_fini(&f);
    free(text);
}

static void policies_of_one_mebibyte_load(void **state)
{
    char *text = repeat(
        "", "permit(principal == User::\"a\", action == Action::\"r\", resource) when { context.x == \"abc\" };\n",
        12000, "");
    struct fixture f;

    (void)state;
    assert_true(strlen(text) > 1 << 20);
    fixture_init(&f, text, NULL);
    assert_int_equal(pol_set_count(f.set), 12000);
    fixture_fini(&f);
    free(text);
}

static void text_over_the_bound_is_refused(void **state)
{
    char *text = repeat("", "                ", POL_TEXT_MAX / 16 + 1, "");

    (void)state;
    assert_refused(text, NULL, &lax_, "p.cedar: error: the text is over 16 MiB; split it");
    free(text);
}

static void policies_are_named(void **state)
{
    static const struct pol_options position = { .ids_by_position = true };
    struct pol_source two[] = { { SPAN("a.cedar"), SPAN("@id(\"first\") " ANY ";" ANY ";") },
                                { SPAN("b.cedar"), SPAN("@owner(\"x\")\n " ANY ";") } };
    struct pol_set *s;
    struct diags d;

    (void)state;
    diags_init(&d);
    s = pol_set_new(two, 2, NULL, 0, &strict_, &d);
    assert_non_null(s);
    assert_true(span_eq(pol_set_policy(s, 0)->id, SPAN("first")));
    assert_true(span_eq(pol_set_policy(s, 1)->id, SPAN("a.cedar#policy1")));
    assert_true(span_eq(pol_set_policy(s, 2)->id, SPAN("b.cedar#policy0")));
    assert_true(span_eq(pol_set_policy(s, 2)->file, SPAN("b.cedar")));
    assert_int_equal(pol_set_policy(s, 2)->line, 2);
    assert_int_equal(pol_set_policy(s, 2)->column, 2);
    assert_true(span_eq(pol_set_policy(s, 2)->annotations[0].value, SPAN("x")));
    pol_set_free(s);
    s = pol_set_new(two, 2, NULL, 0, &position, &d);
    assert_true(span_eq(pol_set_policy(s, 0)->id, SPAN("policy0")));
    assert_true(span_eq(pol_set_policy(s, 2)->id, SPAN("policy2")));
    pol_set_free(s);
    diags_fini(&d);
    assert_refused("@id(\"x\") " ANY ";\n@id(\"x\") " ANY ";", NULL, &strict_,
                   "p.cedar:2:10: error: the id 'x' belongs to the policy at p.cedar:1 already; choose another");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_grammar_loads),
        cmocka_unit_test(complaints_have_place_and_advice),
        cmocka_unit_test(every_faulty_policy_is_shown_in_one_run),
        cmocka_unit_test(rule37_unknown_annotations_are_load_errors),
        cmocka_unit_test(nesting_of_10000_is_refused_clearly),
        cmocka_unit_test(chains_are_as_long_as_the_text),
        cmocka_unit_test(set_of_100000_elements_is_refused_clearly),
        cmocka_unit_test(policies_of_one_mebibyte_load),
        cmocka_unit_test(text_over_the_bound_is_refused),
        cmocka_unit_test(policies_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

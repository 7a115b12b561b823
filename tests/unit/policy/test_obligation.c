// SPDX-License-Identifier: GPL-3.0-or-later
// Checklist rule 37, as far as policies go: what an obligation may be, that every one of every determining permit reaches the answer, and that
// what cannot be evaluated denies.
#include "tests/unit/policy/support.h"

#include "policy/analyze.h"
#include "policy/format.h"
#include "policy/print.h"
#include "policy/schema.h"

#define ANY "permit (principal, action, resource)"
#define SAYS(what) "p.cedar:1:1: error: " what

static const char world[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{\"tenant\":\"acme\",\"age\":7,\"adult\":false,\"some\":["
    "\"b\",\"a\",\"b\"],\"none\":[],\"mixed\":[1,\"a\"],\"deep\":[[1]],\"rec\":{\"a\":1}},\"parents\":[]}]";

static void decide(struct fixture *f, enum pol_mode mode, uint32_t budget)
{
    fixture_again(f);
    ask(f, "ann", "search", "d");
    pol_decide(&f->r, mode, budget, &f->a);
}

static void load(struct fixture *f, const char *policies)
{
    fixture_try(f, policies, world, &strict_);
    if (!f->set)
        print_error("%s: %s\n", policies, complaint(f));
    assert_non_null(f->set);
}

// The answer's obligations, one after the other, as people see them.
static const char *obliged(struct fixture *f)
{
    struct buf b;
    char *text;

    buf_init(&b, 0);
    for (size_t i = 0; i < f->a.n_obligations; i++) {
        buf_append(&b, i ? SPAN("; ") : SPAN(""));
        pol_print_obligation(&b, &f->r, &f->a.obligations[i], 200);
    }
    buf_byte(&b, '\0');
    text = arena_alloc(&f->arena, buf_len(&b));
    memcpy(text, buf_span(&b).p, buf_len(&b));
    buf_fini(&b);
    return text;
}

static void rule37_what_cannot_be_read_is_a_load_error_with_its_place(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "@filter " ANY ";", SAYS("@filter says nothing; write @filter(\"tenant_id\", \"principal.tenant\")") },
        { "@limit " ANY ";", SAYS("@limit says nothing; write @limit(\"1000/min\")") },
        { "@audit(\"some\") " ANY ";",
          SAYS("@audit(\"some\") is not understood; write @audit(\"full\") or remove it") },
        { "@filter(\"tenant\") " ANY ";",
          "p.cedar:1:16: error: the text ends where '==' behind the field of @filter is due; complete the policy" },
        { "@filter(\"principal.tenant == tenant\") " ANY ";",
          "p.cedar:1:10: error: @filter: the record's field stands to the left of '==', what it must be to the right: "
          "\"tenant_id == principal.tenant\"" },
        { "@filter(\"t == 1 || u == 2\") " ANY ";",
          "p.cedar:1:17: error: @filter: '||' cannot be asked for; name a set of values: any of them is enough" },
        { "@filter(\"t != 1\") " ANY ";",
          "p.cedar:1:12: error: expected '==' behind the field of @filter, found '!='" },
        { "@filter(\"t == 1 == 2\") " ANY ";",
          "p.cedar:1:17: error: expected '&&' or the end of the filter, found '=='" },
        { "@filter(\"t\", \"1, 2\") " ANY ";",
          "p.cedar:1:16: error: expected an operator or the end of the expression, found ','" },
        { "@filter(\"t\", \"\") " ANY ";",
          "p.cedar:1:15: error: the text ends where an expression is due; complete the policy" },
        { "@filter(\"\", \"1\") " ANY ";", SAYS("@filter: the field's name is empty or longer than 256 bytes") },
        { "@filter(\"a\\nb\", \"1\") " ANY ";", SAYS("@filter: a control character in the field's name; remove it") },
        // Places are those in the file, whatever stands escaped before them.
        { "@filter(\"t\", \"\\\"\\u{1F600}\\\" == nobody\") " ANY ";",
          "p.cedar:1:32: error: unknown name 'nobody'; known are principal, action, resource, context, and entities "
          "such as Role::\"x\"" },
        { "@filter(\"t\",\n  \"1 +\n nobody\") " ANY ";",
          "p.cedar:3:2: error: unknown name 'nobody'; known are principal, action, resource, context, and entities "
          "such as Role::\"x\"" },
        { "@filter(\"t == ?principal\") " ANY ";",
          "p.cedar:1:15: error: the slot ?principal here; ?principal stands for principal's entity in the scope, "
          "?resource for resource's, and nowhere else" },
        { "@filter(\"t\", \"1\", \"2\") " ANY ";", "p.cedar:1:17: error: expected ')', found ','" },
        { "@filter(\"t == 1\") @filter(\"u == 2\") " ANY ";",
          "p.cedar:1:19: error: @filter stands twice; keep one, and join what they ask for by '&&'" },
        { "@limit(\"1/s\") @limit(\"2/s\") " ANY ";", "p.cedar:1:15: error: @limit stands twice; keep one" },
        { "@limit(\"1/s\") forbid (principal, action, resource);",
          SAYS("@limit on a forbid: what is forbidden is not done, so there is nothing to oblige to; remove it, or put "
               "it on the permit") },
        { "@filter(\"t == 1\") forbid (principal, action, resource);",
          SAYS("@filter on a forbid: what is forbidden is not done, so there is nothing to oblige to; remove it, or "
               "put it on the permit") },
    };
    static const char *const limits[] = {
        "",     "1",     "/s",   "0/s",          "01/s", "1/",    "1/sec",
        "-1/s", "1 / s", "1/s ", "1000000001/s", "1/S",  "1.5/s", "99999999999999999999/s"
    };
    char text[256], expected[256];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_refused(rows[i].text, NULL, &strict_, rows[i].complaint);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        snprintf(text, sizeof text, "@limit(\"%s\") " ANY ";", limits[i]);
        snprintf(expected, sizeof expected,
                 SAYS("@limit(\"%s\") is not understood; write @limit(\"1000/min\"): 1 to 1000000000 requests, of the "
                      "periods s, min, h, day"),
                 limits[i]);
        assert_refused(text, NULL, &strict_, expected);
    }
}

static void nesting_in_a_filter_is_bounded_as_elsewhere(void **state)
{
    struct fixture f;
    char *text = malloc(25000);
    size_t n;

    (void)state;
    assert_non_null(text);
    n = (size_t)sprintf(text, "@filter(\"t\", \"");
    memset(text + n, '(', 10000);
    n += 10000;
    n += (size_t)sprintf(text + n, "1");
    memset(text + n, ')', 10000);
    n += 10000;
    sprintf(text + n, "\") " ANY ";");
    fixture_try(&f, text, NULL, &strict_);
    assert_null(f.set);
    assert_non_null(strstr(complaint(&f), "nested deeper than 128"));
    fixture_fini(&f);
    free(text);
}

static void rule37_who_can_meet_no_obligation_refuses_them(void **state)
{
    static const struct pol_options o = { .strict_annotations = true, .no_obligations = true };

    (void)state;
    assert_refused("@audit(\"full\") " ANY ";", NULL, &o,
                   SAYS("@audit obliges the gateway, and can be met by nobody else; remove it"));
}

static void to_cedar_they_are_annotations_like_any_other(void **state)
{
    struct fixture f;

    (void)state;
    fixture_try(&f, "@filter(\"what ever\") @limit @audit(\"x\") forbid (principal, action, resource);", world, &lax_);
    assert_non_null(f.set);
    fixture_fini(&f);
    assert_refused("@filter(\"t\", \"1\") " ANY ";", NULL, &lax_, "p.cedar:1:12: error: expected ')', found ','");
    load(&f, "@filter(\"t == principal.gone\") " ANY ";");
    decide(&f, POL_MODE_CEDAR, 0);
    assert_true(f.a.allow);
    assert_int_equal(f.a.n_obligations, 0);
    fixture_fini(&f);
}

static void rule37_every_obligation_of_every_determining_permit_is_in_the_answer(void **state)
{
    static const struct {
        const char *policies, *obligations;
    } rows[] = {
        { ANY ";", "" },
        { "@filter(\"tenant_id\", \"principal.tenant\") " ANY ";", "filter tenant_id = \"acme\"" },
        { "@filter(\"tenant_id == principal.tenant\") " ANY ";", "filter tenant_id = \"acme\"" },
        { "@filter(\"a.b == 1 + 2 * 3 && \\\"c d\\\" == principal.adult && e == (1 == 1 || 1 == 2)\") " ANY ";",
          "filter \"a.b\" = 7; filter \"c d\" = false; filter e = true" },
        { "@filter(\"t\", \"if principal.adult then 1 else principal.age\") " ANY ";", "filter t = 7" },
        { "@filter(\"t\", \"principal.some\") " ANY ";", "filter t in [\"a\", \"b\"]" },
        { "@filter(\"t == principal.none\") " ANY ";", "filter t in []" },
        { "@limit(\"1000/min\") @audit(\"full\") @filter(\"t == 1\") " ANY ";",
          "limit 1000/min; audit full; filter t = 1" },
        { "@limit(\"1/s\") " ANY "; @limit(\"2/h\") " ANY "; @limit(\"1000000000/day\") " ANY ";",
          "limit 1/s; limit 2/h; limit 1000000000/day" },
        // One without a filter takes nothing from another.
        { ANY "; @filter(\"t == 1\") " ANY "; " ANY ";", "filter t = 1" },
        // The same once; another value, or another field, as well.
        { "@filter(\"t == 1 && t == 1\") " ANY "; @filter(\"t\", \"3 - 2\") " ANY "; @filter(\"t == 2\") " ANY
          "; @filter(\"u == 1\") " ANY ";",
          "filter t = 1; filter t = 2; filter u = 1" },
        // A limit is its policy's own.
        { "@limit(\"1/s\") " ANY "; @limit(\"1/s\") " ANY ";", "limit 1/s; limit 1/s" },
        // Only of those that hold.
        { ANY "; @filter(\"t == principal.gone\") " ANY " when { 1 == 2 }; @filter(\"u == 1\") permit (principal, "
              "action == Action::\"write\", resource);",
          "" },
        // Not of those that are tried out.
        { ANY "; @mode(\"shadow\") @filter(\"t == principal.gone\") " ANY ";", "" },
    };
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        load(&f, rows[i].policies);
        decide(&f, POL_MODE_GATEWAY, 0);
        assert_true(f.a.allow);
        assert_int_equal(f.a.err, 0);
        assert_string_equal(obliged(&f), rows[i].obligations);
        fixture_fini(&f);
    }
}

static void a_denied_request_has_none(void **state)
{
    struct fixture f;

    (void)state;
    load(&f, "@filter(\"t == 1\") " ANY "; forbid (principal, action, resource);");
    decide(&f, POL_MODE_GATEWAY, 0);
    assert_int_equal(f.a.err, ERR_POLICY_FORBID);
    assert_int_equal(f.a.n_obligations, 0);
    fixture_fini(&f);
}

static void rule37_a_filter_that_fails_or_is_no_value_of_a_field_denies(void **state)
{
    static const struct {
        const char *value, *failure;
        unsigned column;
    } rows[] = {
        { "principal.gone", "User::\"ann\" has no attribute 'gone'", 25 },
        { "9223372036854775807 + principal.age", "integer overflow", 35 },
        { "principal", "@filter: expected string, long, bool or a set of one of them, got entity", 15 },
        { "principal.rec", "@filter: expected string, long, bool or a set of one of them, got record", 15 },
        { "[principal]", "@filter: expected string, long, bool or a set of one of them, got set of something else",
          15 },
        { "principal.deep", "@filter: expected string, long, bool or a set of one of them, got set of something else",
          15 },
        { "principal.mixed",
          "@filter: expected string, long, bool or a set of one of them, got set of elements of several kinds", 15 },
        { "ip(\\\"10.0.0.1\\\")", "@filter: expected string, long, bool or a set of one of them, got ipaddr", 15 },
    };
    char text[512];
    struct fixture f;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text,
                 "@filter(\"t\", \"%s\") " ANY ";\n" ANY " when { context.gone };\n@audit(\"full\")" ANY ";\n" ANY
                 " when { context.gone };",
                 rows[i].value);
        load(&f, text);
        decide(&f, POL_MODE_GATEWAY, 0);
        assert_false(f.a.allow);
        assert_int_equal(f.a.err, ERR_POLICY_OBLIGATION);
        assert_int_equal(f.a.n_obligations, 0);
        // Who would have permitted stays known, and the failures stay in order.
        assert_int_equal(f.a.n_determining, 2);
        assert_int_equal(f.a.permit_errors, 3);
        assert_int_equal(f.a.n_failures, 3);
        assert_int_equal(f.a.failures[0].policy, 0);
        assert_int_equal(f.a.failures[0].line, 1);
        assert_string_equal(f.a.failures[0].text.p, rows[i].failure);
        assert_int_equal(f.a.failures[0].column, rows[i].column);
        assert_int_equal(f.a.failures[1].policy, 1);
        assert_int_equal(f.a.failures[2].policy, 3);
        fixture_fini(&f);
    }
}

static void shadow_policies_change_nothing_of_what_is_obliged_to(void **state)
{
    struct fixture f;

    (void)state;
    // A shadow permit cannot mend what fails in force...
    load(&f, "@filter(\"t == principal.gone\") " ANY "; @mode(\"shadow\") " ANY ";");
    decide(&f, POL_MODE_GATEWAY, 0);
    assert_int_equal(f.a.err, ERR_POLICY_OBLIGATION);
    assert_int_equal(f.a.shadow.err, ERR_POLICY_OBLIGATION);
    assert_false(f.a.shadow.differs);
    fixture_fini(&f);
    // ... and its own are not looked at.
    load(&f, "@mode(\"shadow\") @filter(\"t == principal.gone\") " ANY ";");
    decide(&f, POL_MODE_GATEWAY, 0);
    assert_int_equal(f.a.err, ERR_POLICY_NO_PERMIT);
    assert_true(f.a.shadow.differs);
    assert_int_equal(f.a.shadow.err, 0);
    fixture_fini(&f);
}

static void steps_of_filters_are_steps_of_the_decision(void **state)
{
    struct fixture f;
    uint32_t needed;

    (void)state;
    load(&f, "@filter(\"t == principal.tenant && u == principal.some\") " ANY "; @filter(\"t == principal.age\") " ANY
             "; @mode(\"shadow\") forbid (principal, action, resource);");
    decide(&f, POL_MODE_GATEWAY, 0);
    assert_true(f.a.allow);
    needed = f.a.steps;
    for (uint32_t budget = 1; budget <= needed; budget++) {
        decide(&f, POL_MODE_GATEWAY, budget);
        assert_false(f.a.allow);
        assert_int_equal(f.a.err, ERR_POLICY_BUDGET);
        assert_int_equal(f.a.n_obligations, 0);
        assert_int_equal(f.a.n_determining, 0);
        assert_false(f.a.shadow.differs);
    }
    decide(&f, POL_MODE_GATEWAY, needed + 2);
    assert_true(f.a.allow);
    assert_int_equal(f.a.n_obligations, 3);
    fixture_fini(&f);
}

static void a_link_obliges_as_its_template_does(void **state)
{
    static const struct pol_link links[] = {
        { SPAN("t"), SPAN("one"), { SPAN("User"), SPAN("ann") }, { SPAN_NONE, SPAN_NONE }, SPAN("l"), 1, 1 },
        { SPAN("t"), SPAN("two"), { SPAN("User"), SPAN("bob") }, { SPAN_NONE, SPAN_NONE }, SPAN("l"), 2, 1 },
        { SPAN("t"), SPAN("three"), { SPAN("User"), SPAN("ann") }, { SPAN_NONE, SPAN_NONE }, SPAN("l"), 3, 1 },
    };
    static const struct pol_options o = { .strict_annotations = true, .links = links, .n_links = 3 };
    struct fixture f;

    (void)state;
    fixture_try(
        &f,
        "@id(\"t\") @filter(\"t == principal.tenant\") @limit(\"5/s\") permit (principal == ?principal, action, "
        "resource);",
        world, &o);
    assert_non_null(f.set);
    decide(&f, POL_MODE_GATEWAY, 0);
    assert_string_equal(obliged(&f), "filter t = \"acme\"; limit 5/s; limit 5/s");
    assert_true(span_eq(pol_set_policy(f.set, f.a.obligations[0].policy)->id, SPAN("one")));
    assert_true(span_eq(pol_set_policy(f.set, f.a.obligations[2].policy)->id, SPAN("three")));
    fixture_fini(&f);
}

// ---------------------------------------------------------------------------------------------------- schema, formatter

static const char schema_text[] =
    "entity User { tenant?: String, age: Long, tenants: Set<String>, rec: { a: Long }, at: datetime, f: User };\n"
    "entity Doc; action read appliesTo { principal: User, resource: Doc, context: {} };";

static void a_filter_is_held_to_the_schema(void **state)
{
    static const struct {
        const char *policy, *complaint; // NULL: none
    } rows[] = {
        { "@filter(\"t == principal.age\") " ANY ";", NULL },
        { "@filter(\"t == principal.tenants && u == true\") " ANY ";", NULL },
        { "@filter(\"t == principal.tenant\") " ANY " when { principal has tenant };", NULL },
        { "@filter(\"t == principal.tenant\") " ANY ";", "the attribute 'tenant' may be absent; ask with 'has' first" },
        { "@filter(\"t == principal.tenat\") " ANY ";", "User has no attribute 'tenat'; did you mean 'tenant'?" },
        { "@filter(\"t == principal\") " ANY ";",
          "this is of the type User, where @filter takes a String, a Long, a Bool or a set of those" },
        { "@filter(\"t == principal.rec\") " ANY ";", "where @filter takes a String" },
        { "@filter(\"t == [principal.f]\") " ANY ";", "where @filter takes a String" },
        { "@filter(\"t == principal.at\") " ANY ";", "where @filter takes a String" },
        { "@filter(\"t == principal.age && u == [1, principal.rec]\") " ANY ";", "must be of one type" },
        { "@filter(\"t == (if principal in Nobody::\\\"x\\\" then 1 else 2)\") " ANY ";",
          "there is no entity type 'Nobody' in the schema" },
    };
    struct diags d;
    struct pol_schema *schema;

    (void)state;
    diags_init(&d);
    schema = pol_schema_new(&(struct pol_source){ SPAN("s"), span_of(schema_text, sizeof schema_text - 1) }, 1, &d);
    assert_non_null(schema);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        bool ok =
            pol_schema_validate(schema, &(struct pol_source){ SPAN("p"), span_str(rows[i].policy) }, 1, &strict_, &d);

        arena_init(&arena, 0);
        if (ok != !rows[i].complaint || (!ok && !strstr(diag_format(&arena, d.first).p, rows[i].complaint)))
            fail_msg("%s: %s", rows[i].policy, d.first ? diag_format(&arena, d.first).p : "no complaint");
        arena_fini(&arena);
        diags_fini(&d);
        diags_init(&d);
    }
    pol_schema_free(schema);
    diags_fini(&d);
}

static void the_formatter_keeps_both_forms(void **state)
{
    static const char wanted[] = "// why\n"
                                 "@filter(\"t\", \"principal . tenant\") // beside\n"
                                 "@limit(\"1/s\")\n"
                                 "permit (principal, action, resource);\n"
                                 "\n"
                                 "@filter(\"t == \\\"a\\\"   && u==2\")\n"
                                 "permit (principal, action, resource);\n";
    static const struct pol_source messy = {
        SPAN("p"), SPAN("// why\n@filter  (\"t\"\n,\"principal . tenant\"  ) // beside\n"
                        "@limit( \"1/s\")permit(principal,action,resource);\n"
                        "@filter(\"t == \\\"a\\\"   && u==2\")permit(principal,action,resource);")
    };
    struct diags d;
    struct buf once, twice;

    (void)state;
    diags_init(&d);
    buf_init(&once, 0);
    buf_init(&twice, 0);
    assert_true(pol_format(&messy, &once, &d));
    assert_true(span_eq(buf_span(&once), span_str(wanted)));
    assert_true(pol_format(&(struct pol_source){ SPAN("p"), buf_span(&once) }, &twice, &d));
    assert_true(span_eq(buf_span(&twice), span_str(wanted)));
    buf_fini(&once);
    buf_fini(&twice);
    diags_fini(&d);
}

// What covers a policy does not make its obligations superfluous.
static void a_permit_that_obliges_is_never_superfluous(void **state)
{
    static const struct {
        const char *policies;
        size_t superfluous;
    } rows[] = {
        { ANY "; " ANY " when { context.x };", 1 },
        { ANY "; @filter(\"t == 1\") " ANY " when { context.x };", 0 },
        { "@filter(\"t == 1\") " ANY "; " ANY ";", 1 },
        { ANY "; @audit(\"full\") " ANY ";", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pol_analysis a = { 0 };
        struct fixture f;
        size_t n = 0;

        load(&f, rows[i].policies);
        assert_true(pol_analyze(f.set, &a, &f.arena));
        for (size_t k = 0; k < a.n; k++)
            n += a.findings[k].kind == POL_COVERED || a.findings[k].kind == POL_SAME;
        assert_int_equal(n, rows[i].superfluous);
        fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule37_what_cannot_be_read_is_a_load_error_with_its_place),
        cmocka_unit_test(nesting_in_a_filter_is_bounded_as_elsewhere),
        cmocka_unit_test(rule37_who_can_meet_no_obligation_refuses_them),
        cmocka_unit_test(to_cedar_they_are_annotations_like_any_other),
        cmocka_unit_test(rule37_every_obligation_of_every_determining_permit_is_in_the_answer),
        cmocka_unit_test(a_denied_request_has_none),
        cmocka_unit_test(rule37_a_filter_that_fails_or_is_no_value_of_a_field_denies),
        cmocka_unit_test(shadow_policies_change_nothing_of_what_is_obliged_to),
        cmocka_unit_test(steps_of_filters_are_steps_of_the_decision),
        cmocka_unit_test(a_link_obliges_as_its_template_does),
        cmocka_unit_test(a_filter_is_held_to_the_schema),
        cmocka_unit_test(the_formatter_keeps_both_forms),
        cmocka_unit_test(a_permit_that_obliges_is_never_superfluous),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

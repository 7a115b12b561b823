// SPDX-License-Identifier: GPL-3.0-or-later
// Schemas in both syntaxes: what they may say, where names lead, and what is refused, with its place.
#include "tests/unit/policy/support.h"

#include "policy/schema.h"

static struct pol_schema *read_schema(const char *text, struct diags *d)
{
    diags_init(d);
    return pol_schema_new(&(struct pol_source){ SPAN("s"), span_str(text) }, 1, d);
}

// Reads, or not with just this complaint first ("line:column: what" without "error: ").
static void reads(const char *text)
{
    struct diags d;
    struct pol_schema *s = read_schema(text, &d);

    if (!s)
        print_error("%s\n-> %.*s\n", text, SPAN_FMT(d.first->text));
    assert_non_null(s);
    assert_int_equal(d.errors, 0);
    pol_schema_free(s);
    diags_fini(&d);
}

static void refuses(const char *text, unsigned line, unsigned column, const char *part)
{
    struct diags d;
    struct pol_schema *s = read_schema(text, &d);

    if (s || !d.first || d.first->line != line || d.first->column != column ||
        !memmem(d.first->text.p, d.first->text.n, part, strlen(part)))
        print_error("%s\n-> %u:%u %.*s\n", text, d.first ? d.first->line : 0, d.first ? d.first->column : 0,
                    SPAN_FMT(d.first ? d.first->text : SPAN("nothing")));
    assert_null(s);
    assert_non_null(d.first);
    assert_int_equal(d.first->line, line);
    assert_int_equal(d.first->column, column);
    assert_non_null(memmem(d.first->text.p, d.first->text.n, part, strlen(part)));
    diags_fini(&d);
}

static void everything_that_can_be_declared_is_read(void **state)
{
    (void)state;
    reads("");
    reads("// nothing\n");
    reads("@doc(\"x\") @flag namespace A::B {\n"
          "  type T = { a: Long, \"b c\"?: Set<Set<String>>, @x e: { f: decimal, } };\n"
          "  entity U, V in [U, A::B::V] = { t: T, ip?: ipaddr, at: __cedar::datetime } tags Set<duration>;\n"
          "  entity W enum [\"x\", \"y\"];\n"
          "  action \"a b\", c in [\"g\", A::B::Action::\"h\"] appliesTo { principal: U, resource: [V, W], context: T, "
          "};\n"
          "  action g, h appliesTo { context: {}, resource: [U], principal: [U] } attributes {};\n"
          "}\n"
          "entity Z in [A::B::U];");
    reads("entity entity, type, namespace { in_: Long, \"in\": Long };");
    // The last of a name counts, and the others not at all.
    reads("entity A { a: Nowhere, b: { c?: Nowhere, c: A }, a: Long };");
    reads("type A = B; type B = { c: C }; type C = Set<E>; entity E in E { a: A };");
    reads(
        "{\"\": {\"commonTypes\": {\"T\": {\"type\": \"Record\", \"attributes\": {\"a\": {\"type\": \"Long\", "
        "\"required\": false}}}},\n\"entityTypes\": {\"U\": {\"memberOfTypes\": [\"U\"], \"shape\": {\"type\": \"T\"}, "
        "\"tags\": {\"type\": \"Extension\", \"name\": \"ipaddr\"}}, \"E\": {\"enum\": [\"x\"]}},\n"
        "\"actions\": {\"a\": {\"memberOf\": [{\"id\": \"b\"}], \"appliesTo\": {\"principalTypes\": [\"U\"], "
        "\"resourceTypes\": [\"E\"], \"context\": {\"type\": \"Record\", \"attributes\": {\"s\": {\"type\": \"Set\", "
        "\"element\": {\"type\": \"Entity\", \"name\": \"U\"}}, \"b\": {\"type\": \"Bool\"}}}}}, \"b\": {}}}}");
}

static void what_is_wrong_has_its_place(void **state)
{
    (void)state;
    refuses("entity A\nentity B;", 2, 1, "expected ';'");
    refuses("entiti A;", 1, 1, "did you mean 'entity'?");
    refuses("entity A { a: Strin };", 1, 15, "did you mean 'String'?");
    refuses("entity User;\nentity A in Usr;", 2, 13, "did you mean 'User'?");
    refuses("entity A; entity A;", 1, 18, "declared at s:1 already");
    refuses("type T = Long; type T = Long;", 1, 21, "already");
    refuses("action a; action a;", 1, 18, "already");
    refuses("type A = { b: B }; type B = Set<A>;", 1, 6, "made of itself");
    refuses("type A = A;", 1, 6, "made of itself");
    refuses("action a in b; action b in a;", 0, 0, "is in itself");
    refuses("action a in b;", 1, 13, "there is no action \"b\"");
    refuses("type Long = Long;", 1, 6, "word of the schema language");
    refuses("entity Action;", 1, 8, "for actions");
    refuses("entity in;", 1, 8, "reserved");
    refuses("namespace __cedar { }", 1, 11, "reserved");
    refuses("namespace A { } namespace A { }", 1, 27, "already");
    refuses("entity A; namespace N { entity A; }", 1, 32, "hides the type");
    refuses("action a; namespace N { action a; }", 1, 32, "hides the one");
    refuses("entity A; action a appliesTo { principal: A };", 1, 30, "without 'resource'");
    refuses("entity A; action a appliesTo { principal: [], resource: A };", 1, 30, "no principal types");
    refuses("action a appliesTo { principal: Action, resource: Action };", 1, 33, "no entity type 'Action'");
    refuses("entity A; action a appliesTo { principal: A, resource: A, context: A };", 1, 68, "there is no type 'A'");
    refuses("type L = Set<Long>; entity A; action a appliesTo { principal: A, resource: A, context: L };", 1, 88,
            "must be a record");
    refuses("@a @a entity A;", 1, 5, "keep one");
    refuses("entity A enum [];", 1, 16, "expected a string");
    refuses("\xff", 1, 1, "UTF-8");
    refuses("{\"\": {\"entityTypes\": {}, \"action\": {}}}", 1, 26, "did you mean 'actions'?");
    refuses("{\"\":\n {\"entityTypes\": {\"A\": {\"shape\": {\"type\": \"Strin\"}}}, \"actions\": {}}}", 2, 34,
            "did you mean 'String'?");
    refuses("{\"\": {\"entityTypes\": {\"A\": {\"shape\": {\"type\": \"Long\"}}}, \"actions\": {}}}", 1, 38, "record");
    refuses("{\"\": {\"entityTypes\": {\"A\": {\"enum\": [\"x\"], \"tags\": {\"type\": \"Long\"}}}, \"actions\": {}}}",
            1, 28, "no memberOfTypes");
    refuses("{\"\": {\"entityTypes\": {}, \"actions\": {}}", 1, 40, "not JSON");
}

static void a_fault_hides_no_later_one(void **state)
{
    struct diags d;

    (void)state;
    assert_null(read_schema("entity A { a: { b };\nentity ;\nnamespace N { action x; type = 1; }\nentity B in;", &d));
    assert_int_equal(d.errors, 4);
    diags_fini(&d);
}

static void a_name_is_looked_for_inside_then_outside(void **state)
{
    struct diags d;
    struct pol_schema *s;

    (void)state;
    // N::Long is an entity type; __cedar::Long is what it always is.
    s = read_schema(
        "namespace N { entity Long; entity A { a: Long, b: __cedar::Long }; action a appliesTo { principal: A,"
        " resource: A }; }",
        &d);
    assert_non_null(s);
    assert_int_equal(d.warnings, 1);
    struct pol_source good = { SPAN("p"), SPAN("permit(principal, action, resource) when { principal.b < 1 && "
                                               "principal.a == N::Long::\"x\" };") },
                      bad = { SPAN("p"), SPAN("permit(principal, action, resource) when { principal.a < 1 };") };
    assert_true(pol_schema_validate(s, &good, 1, &lax_, &d));
    assert_false(pol_schema_validate(s, &bad, 1, &lax_, &d));
    pol_schema_free(s);
    diags_fini(&d);
}

static void several_files_are_one_schema_in_either_syntax(void **state)
{
    static const struct pol_source texts[] = {
        { SPAN("a.cedarschema"), SPAN("namespace N { entity A in B; }") },
        { SPAN("b.json"), SPAN(" {\"N\": {\"entityTypes\": {\"B\": {}}, \"actions\": {\"x\": {\"appliesTo\": "
                               "{\"principalTypes\": [\"A\"], \"resourceTypes\": [\"B\"]}}}}}") },
    };
    struct diags d;
    struct pol_schema *s;

    (void)state;
    diags_init(&d);
    s = pol_schema_new(texts, 2, &d);
    assert_non_null(s);
    assert_int_equal(pol_schema_types(s), 2);
    assert_int_equal(pol_schema_actions(s), 1);
    assert_true(pol_schema_has_action(s, SPAN("N::Action"), SPAN("x")));
    assert_false(pol_schema_has_action(s, SPAN("Action"), SPAN("x")));
    pol_schema_free(s);
    assert_null(pol_schema_new(texts, 1, &d));
    diags_fini(&d);
}

static void depth_is_bounded_however_it_is_made(void **state)
{
    static char text[200000];
    struct diags d;
    size_t n;

    (void)state;
    strcpy(text, "type T = ");
    for (unsigned i = 0; i < 10000; i++)
        strcat(text + 9 + i * 4 - (i ? 4 : 0), "Set<");
    assert_null(read_schema(text, &d));
    assert_non_null(memmem(d.first->text.p, d.first->text.n, "nested deeper", 13));
    diags_fini(&d);
    n = 0;
    for (unsigned i = 0; i < 5000; i++)
        n += (size_t)sprintf(text + n, "type T%u = {a: T%u};\n", i, i + 1);
    sprintf(text + n, "type T5000 = Long;");
    assert_null(read_schema(text, &d));
    diags_fini(&d);
    // A hundred levels of two each: 2^100 attributes, if anybody wrote them out.
    n = 0;
    for (unsigned i = 0; i < 100; i++)
        n += (size_t)sprintf(text + n, "type T%u = {a: T%u, b: T%u}; type U%u = {a: U%u, b: U%u};\n", i, i + 1, i + 1,
                             i, i + 1, i + 1);
    sprintf(text + n, "type T100 = {a: Long}; type U100 = {a: String}; entity A { t: T0, u: U0 };"
                      "action x appliesTo { principal: A, resource: A };");
    struct pol_schema *s = read_schema(text, &d);
    assert_non_null(s);
    struct pol_source p = { SPAN("p"),
                            SPAN("permit(principal, action, resource) when { principal.t == principal.u };") };
    assert_false(pol_schema_validate(s, &p, 1, &lax_, &d));
    p.text = SPAN("permit(principal, action, resource) when { principal.t == resource.t };");
    assert_true(pol_schema_validate(s, &p, 1, &lax_, &d) || d.errors == 1);
    pol_schema_free(s);
    diags_fini(&d);
}

static void the_shipped_schema_is_good_and_knows_every_action(void **state)
{
    static const char *const actions[] = { "search",
                                           "read",
                                           "list",
                                           "meta",
                                           "write",
                                           "delete",
                                           "create",
                                           "alter",
                                           "drop",
                                           "export",
                                           "ops",
                                           "readonly",
                                           "admin",
                                           "readwrite",
                                           "token:issue",
                                           "token:exchange",
                                           "token:impersonate" };
    struct diags d;
    struct pol_schema *s;

    (void)state;
    diags_init(&d);
    s = pol_schema_new(&pol_schema_shipped, 1, &d);
    assert_non_null(s);
    assert_int_equal(d.warnings, 0);
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        assert_true(pol_schema_has_action(s, SPAN("Action"), span_str(actions[i])));
    pol_schema_free(s);
    diags_fini(&d);
}

static void who_decides_about_some_actions_is_asked_about_no_others(void **state)
{
    static const struct pol_source gateway = { SPAN("p"), SPAN("forbid(principal, action, resource) unless { "
                                                               "context.token.bound_to == \"dpop\" };") },
                                   authority = { SPAN("p"),
                                                 SPAN("permit(principal is Workload, action, resource) when { "
                                                      "if resource is Audience then context.grant_type == "
                                                      "\"refresh_token\" else context.derived };") };
    struct pol_schema *s;
    struct diags d;

    (void)state;
    for (unsigned with = 0; with < 2; with++) {
        diags_init(&d);
        s = pol_schema_new(&pol_schema_shipped, 1, &d);
        assert_false(pol_schema_validate(s, &gateway, 1, &lax_, &d));
        assert_false(pol_schema_validate(s, &authority, 1, &lax_, &d));
        pol_schema_confine(s, (struct span[]){ SPAN("token:"), SPAN("svid:") }, 2, with);
        assert_int_equal(pol_schema_validate(s, &gateway, 1, &lax_, &d), with);
        assert_int_equal(pol_schema_validate(s, &authority, 1, &lax_, &d), !with);
        pol_schema_free(s);
        diags_fini(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_that_can_be_declared_is_read),
        cmocka_unit_test(what_is_wrong_has_its_place),
        cmocka_unit_test(a_fault_hides_no_later_one),
        cmocka_unit_test(a_name_is_looked_for_inside_then_outside),
        cmocka_unit_test(several_files_are_one_schema_in_either_syntax),
        cmocka_unit_test(depth_is_bounded_however_it_is_made),
        cmocka_unit_test(who_decides_about_some_actions_is_asked_about_no_others),
        cmocka_unit_test(the_shipped_schema_is_good_and_knows_every_action),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

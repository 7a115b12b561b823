// SPDX-License-Identifier: GPL-3.0-or-later
// Strict validation: what passes, what does not, and where it says so. Each rule is Cedar's.
#include "tests/unit/policy/support.h"

#include "policy/schema.h"

static const char schema_text[] = "entity Group in Group { name: String };\n"
                                  "entity User in Group { name: String, age?: Long, r: { x?: Long, y: Long }, best?: "
                                  "User, at: datetime } tags Long;\n"
                                  "entity Doc { owner: User, tags_: Set<String>, n: decimal };\n"
                                  "entity Color enum [\"red\", \"green\"];\n"
                                  "action all; action read, write in all appliesTo { principal: [User], resource: "
                                  "[Doc, Color], context: { n?: Long, u: "
                                  "User, ip: ipaddr } };";

static struct pol_schema *schema;

static int setup(void **state)
{
    struct diags d;

    (void)state;
    diags_init(&d);
    schema = pol_schema_new(&(struct pol_source){ SPAN("s"), span_of(schema_text, sizeof schema_text - 1) }, 1, &d);
    diags_fini(&d);
    return schema ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pol_schema_free(schema);
    return 0;
}

static bool validates(const char *policy, struct diags *d)
{
    diags_init(d);
    return pol_schema_validate(schema, &(struct pol_source){ SPAN("p"), span_str(policy) }, 1, &lax_, d);
}

static void good(const char *policy)
{
    struct diags d;

    if (!validates(policy, &d))
        print_error("%s\n-> %.*s\n", policy, SPAN_FMT(d.first->text));
    assert_int_equal(d.errors, 0);
    assert_int_equal(d.warnings, 0);
    diags_fini(&d);
}

static void bad(const char *policy, const char *part)
{
    struct diags d;
    bool ok = validates(policy, &d), found = false;

    for (const struct diag *e = d.first; e; e = e->next)
        found = found || memmem(e->text.p, e->text.n, part, strlen(part));
    if (ok || !found)
        print_error("%s\n-> %.*s\n", policy, SPAN_FMT(d.first ? d.first->text : SPAN("nothing")));
    assert_false(ok);
    assert_true(found);
    diags_fini(&d);
}

#define WHEN(condition) "permit(principal, action, resource is Doc) when { " condition " };"

static void names_must_be_declared(void **state)
{
    (void)state;
    good("permit(principal == User::\"a\", action == Action::\"read\", resource == Color::\"red\");");
    bad("permit(principal is Usr, action, resource);", "did you mean 'User'?");
    bad("permit(principal, action == Action::\"raed\", resource);", "did you mean Action::\"read\"?");
    bad("permit(principal, action, resource == Color::\"rad\");", "did you mean \"red\"?");
    bad(WHEN("resource.owner == Grup::\"x\""), "did you mean 'Group'?");
    bad(WHEN("resource.owner is Nobody"), "no entity type 'Nobody'");
    bad(WHEN("resource.ownr == principal"), "did you mean 'owner'?");
    bad("permit(principal, action in [], resource);", "no actions");
}

static void a_scope_that_nothing_fits_is_an_error(void **state)
{
    (void)state;
    good("permit(principal in Group::\"g\", action in Action::\"all\", resource);");
    bad("permit(principal == Group::\"g\", action, resource);", "did you mean 'principal in'?");
    bad("permit(principal is Doc, action, resource);", "fits no principal");
    bad("permit(principal, action == Action::\"all\", resource);", "appliesTo");
}

static void an_optional_attribute_is_asked_for_first(void **state)
{
    (void)state;
    good(WHEN("principal has age && principal.age > 3"));
    good(WHEN("principal.r has x && principal.r.x == 1"));
    good(WHEN("principal has best.age && principal.best.age == 1"));
    good(WHEN("if principal has age then principal.age == 1 else false"));
    good("permit(principal, action, resource) when { context has n } when { context.n == 1 };");
    good(WHEN("(principal has age && context has n) && principal.age == context.n"));
    good(WHEN("(principal has age || principal has age) && principal.age == 1"));
    bad(WHEN("principal.age > 3"), "may be absent");
    bad(WHEN("principal has age || principal.age > 3"), "may be absent");
    bad(WHEN("(principal has age || context has n) && principal.age == 1"), "may be absent");
    bad(WHEN("!(principal has age) && principal.age == 1"), "may be absent");
    bad(WHEN("resource.owner has age && principal.age == 1"), "may be absent");
    bad("permit(principal, action, resource) unless { context has n } when { context.n == 1 };", "may be absent");
}

static void tags_are_asked_for_first(void **state)
{
    (void)state;
    good(WHEN("principal.hasTag(\"a\") && principal.getTag(\"a\") == 1"));
    good(WHEN("principal.hasTag(principal.name) && principal.getTag(principal.name) > 1"));
    bad(WHEN("principal.getTag(\"a\") == 1"), "hasTag()");
    bad(WHEN("principal.hasTag(\"a\") && principal.getTag(\"b\") == 1"), "hasTag()");
    bad(WHEN("principal.hasTag(\"a\") && principal.getTag(\"a\") == \"x\""), "one type");
    bad(WHEN("principal.hasTag(1)"), "String");
}

static void types_are_held_apart(void **state)
{
    (void)state;
    good(WHEN("principal.name like \"a*\" && principal.r.y + 1 == 2"));
    good(WHEN("principal in [Group::\"a\", Group::\"b\"]"));
    good(WHEN("resource.tags_.contains(\"x\") && !resource.tags_.isEmpty()"));
    good(WHEN("principal.at < datetime(\"2025-01-01\") && context.ip.isInRange(ip(\"10.0.0.0/8\"))"));
    good(WHEN("resource.n.lessThan(decimal(\"1.5\"))"));
    good(WHEN("{a: 1, b: principal} == {b: resource.owner, a: 2}"));
    bad(WHEN("principal.name == 1"), "one type");
    bad(WHEN("principal.name < \"x\""), "cannot be ordered");
    bad(WHEN("principal.name + \"x\" == \"y\""), "strings cannot be joined");
    bad(WHEN("principal.r.y"), "where a Bool is due");
    bad(WHEN("[1, \"a\"].contains(1)"), "of one type");
    bad(WHEN("[].contains(1)"), "empty set");
    bad(WHEN("[User::\"a\", Group::\"b\"].contains(principal)"), "of one type");
    bad(WHEN("resource.tags_.contains(1)"), "cannot hold");
    bad(WHEN("{a: 1} == {b: 1}"), "one type");
    bad(WHEN("(if principal has age then 1 else \"x\") == 1"), "both branches");
    bad(WHEN("principal.name in Group::\"x\""), "where an entity is due");
    bad(WHEN("ip(principal.name).isIpv4()"), "stands here");
    bad(WHEN("ip(\"1.2.3\").isIpv4()"), "cannot read");
    bad(WHEN("resource.n == decimal(\"1.23456\")"), "cannot read");
    bad(WHEN("principal.at.toDays() == 1"), "duration is due");
    // Literals may be of any; && and || of literals are one to Cedar, what else is known to be true is none.
    good(WHEN("true == \"x\" || true"));
    good(WHEN("(true && true && (false || true)) == \"x\" || true"));
    good(WHEN("\"x\" != (true || false)"));
    bad(WHEN("(!true) == \"x\" || true"), "one type");
    bad(WHEN("(1 == 1) == \"x\" || true"), "one type");
    bad(WHEN("(true && 1 == 1) == \"x\" || true"), "one type");
}

static void what_is_never_evaluated_may_be_anything(void **state)
{
    (void)state;
    good(WHEN("false || (principal.name == \"x\" || true)"));
    good("permit(principal, action, resource) when { if resource is Doc then resource.owner == principal else true };");
    good("permit(principal, action, resource) when { resource is Color || resource.owner == principal };");
    good("permit(principal, action, resource) when { action == Action::\"write\" || 1 == 1 || context.nothing };");
    good(WHEN("1 == \"a\" || principal.r.y == 1"));
}

static void a_policy_that_never_applies_is_a_warning(void **state)
{
    struct diags d;

    (void)state;
    assert_true(validates(WHEN("principal == resource"), &d));
    assert_int_equal(d.warnings, 1);
    assert_non_null(memmem(d.first->text.p, d.first->text.n, "never apply", 11));
    diags_fini(&d);
    assert_true(validates(WHEN("resource has nothing"), &d));
    assert_int_equal(d.warnings, 1);
    diags_fini(&d);
    good("permit(principal, action, resource) when { resource has owner };");
}

static void a_complaint_is_made_once_and_has_its_place(void **state)
{
    struct diags d;

    (void)state;
    // Two actions and two resource types: four environments, one fault.
    assert_false(validates("permit(principal, action,\n resource) when { principal.nme == \"x\" };", &d));
    assert_int_equal(d.errors, 1);
    assert_int_equal(d.first->line, 2);
    assert_int_equal(d.first->column, 29);
    assert_non_null(memmem(d.first->text.p, d.first->text.n, "did you mean 'name'?", 20));
    diags_fini(&d);
}

static void templates_are_validated_and_their_links_too(void **state)
{
    static const struct pol_source p = {
        SPAN("p"), SPAN("@id(\"t\") permit(principal in ?principal, action, resource == ?resource) when { "
                        "principal.name == \"x\" };")
    };
    struct pol_link links[] = {
        { .template_id = SPAN("t"),
          .id = SPAN("a"),
          .principal = { SPAN("Group"), SPAN("g") },
          .resource = { SPAN("Doc"), SPAN("d") },
          .file = SPAN("l"),
          .line = 3,
          .column = 4 },
    };
    struct pol_options o = { .links = links, .n_links = 1 };
    struct diags d;

    (void)state;
    diags_init(&d);
    assert_true(pol_schema_validate(schema, &p, 1, &o, &d));
    links[0].resource.type = SPAN("User");
    assert_false(pol_schema_validate(schema, &p, 1, &o, &d));
    assert_int_equal(d.last->line, 3);
    links[0].resource.type = SPAN("Dc");
    assert_false(pol_schema_validate(schema, &p, 1, &o, &d));
    diags_fini(&d);
    bad("permit(principal == ?principal, action, resource) when { principal.nam == \"x\" };", "did you mean 'name'?");
}

static void long_policies_need_no_deep_stack(void **state)
{
    enum { TERMS = 20000 };
    char *text = malloc(TERMS * 64);
    size_t n = (size_t)sprintf(text, "permit(principal, action, resource) when { true");

    (void)state;
    for (unsigned i = 0; i < TERMS; i++)
        n += (size_t)sprintf(text + n, " && context has n && context.n + 1 != %u", i);
    sprintf(text + n, " };");
    good(text);
    n = (size_t)sprintf(text, "permit(principal, action, resource is Doc) when { resource.owner");
    for (unsigned i = 0; i < TERMS; i++)
        n += (size_t)sprintf(text + n, ".best");
    sprintf(text + n, " == principal };");
    bad(text, "may be absent");
    free(text);
}

static bool entities_fit(const char *text, bool whole, struct diags *d)
{
    diags_init(d);
    return pol_schema_validate_entities(schema, &(struct pol_source){ SPAN("e"), span_str(text) }, 1, whole, d);
}

static void entities_are_held_to_the_schema(void **state)
{
    static const struct {
        const char *text, *part; // NULL: good
        unsigned line, column;
    } cases[] = {
        { "[{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\"attrs\":{\"name\":\"x\"},\"parents\":[]}]", NULL, 0, 0 },
        { "[{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\"attrs\":{},\"parents\":[]}]", "name: missing", 1, 43 },
        { "[{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\n\"attrs\":{\"name\":1},\"parents\":[]}]", "String", 2, 9 },
        { "[{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\"attrs\":{\"name\":\"\",\"nam\":\"\"},\"parents\":[]}]",
          "did you mean 'name'?", 1, 43 },
        { "[{\"uid\":{\"type\":\"Grp\",\"id\":\"g\"},\"attrs\":{},\"parents\":[]}]", "has no Grp", 1, 2 },
        { "[{\"uid\":{\"type\":\"Color\",\"id\":\"blue\"},\"attrs\":{},\"parents\":[]}]", "has no Color", 1, 2 },
        { "[{\"uid\":{\"type\":\"Color\",\"id\":\"red\"},\"attrs\":{},\"parents\":[{\"type\":\"Group\",\"id\":\"g\"}]}"
          "]",
          "cannot be in", 1, 59 },
        { "[{\"uid\":{\"type\":\"Color\",\"id\":\"red\"},\"attrs\":{},\"tags\":{\"a\":1},\"parents\":[]}]", "no tags",
          1, 55 },
        { "[{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"attrs\":{},\"parents\":[{\"type\":\"Action\",\"id\":"
          "\"all\"}]}]",
          NULL, 0, 0 },
        { "[{\"uid\":{\"type\":\"Action\",\"id\":\"raed\"},\"attrs\":{},\"parents\":[]}]", "has no Action", 1, 2 },
    };
    struct diags d;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool ok = entities_fit(cases[i].text, true, &d);

        if (ok != !cases[i].part)
            print_error("%s\n-> %.*s\n", cases[i].text, SPAN_FMT(d.first ? d.first->text : SPAN("nothing")));
        assert_int_equal(ok, !cases[i].part);
        if (cases[i].part) {
            assert_non_null(memmem(d.first->text.p, d.first->text.n, cases[i].part, strlen(cases[i].part)));
            assert_int_equal(d.first->line, cases[i].line);
            assert_int_equal(d.first->column, cases[i].column);
        }
        diags_fini(&d);
    }
    assert_true(entities_fit(cases[1].text, false, &d));
    diags_fini(&d);
}

static bool request_fits(const char *text, bool whole, const char *part)
{
    struct fixture f;
    bool ok, found = !part;

    fixture_init(&f, "", "[]");
    assert_true(pol_request_from_json(&f.r, SPAN("r"), span_str(text), false, &f.diags));
    ok = pol_schema_validate_request(schema, &f.r, whole, SPAN("r"), &f.diags);
    for (const struct diag *e = f.diags.first; e; e = e->next)
        found = found || memmem(e->text.p, e->text.n, part, strlen(part));
    if (!found || ok != !part)
        print_error("%s\n-> %.*s\n", text, SPAN_FMT(f.diags.first ? f.diags.first->text : SPAN("nothing")));
    assert_true(found);
    fixture_fini(&f);
    return ok;
}

#define REQUEST(p, a, r, context) \
    "{\"principal\":\"" p "\",\"action\":\"Action::\\\"" a "\\\"\",\"resource\":\"" r "\",\"context\":" context "}"
#define USER "User::\\\"u\\\""
#define RED "Color::\\\"red\\\""
#define IP "\"ip\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"::1\"}}"
#define BY "\"u\":{\"__entity\":{\"type\":\"User\",\"id\":\"v\"}}"

static void requests_are_held_to_the_schema(void **state)
{
    (void)state;
    assert_true(request_fits(REQUEST(USER, "read", RED, "{" IP "," BY "}"), false, NULL));
    assert_false(request_fits(REQUEST(USER, "read", RED, "{" IP "," BY "}"), true, "principal.name: missing"));
    assert_false(request_fits(REQUEST(USER, "read", RED, "{" IP "}"), false, "context.u: missing"));
    assert_false(request_fits(REQUEST(USER, "read", RED, "{" IP "," BY ",\"n\":true}"), false, "context.n: a bool"));
    assert_false(request_fits(REQUEST(USER, "read", RED, "{" IP "," BY ",\"m\":1}"), false, "context.m: not declared"));
    assert_false(request_fits(REQUEST(RED, "read", RED, "{" IP "," BY "}"), false, "does not apply to a Color"));
    assert_false(request_fits(REQUEST(USER, "all", RED, "{}"), false, "does not apply"));
    assert_false(request_fits(REQUEST(USER, "rd", RED, "{}"), false, "has no Action"));
    assert_false(request_fits(REQUEST(USER, "read", "Color::\\\"x\\\"", "{" IP "," BY "}"), false, "has no Color"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_must_be_declared),
        cmocka_unit_test(a_scope_that_nothing_fits_is_an_error),
        cmocka_unit_test(an_optional_attribute_is_asked_for_first),
        cmocka_unit_test(tags_are_asked_for_first),
        cmocka_unit_test(types_are_held_apart),
        cmocka_unit_test(what_is_never_evaluated_may_be_anything),
        cmocka_unit_test(a_policy_that_never_applies_is_a_warning),
        cmocka_unit_test(a_complaint_is_made_once_and_has_its_place),
        cmocka_unit_test(templates_are_validated_and_their_links_too),
        cmocka_unit_test(long_policies_need_no_deep_stack),
        cmocka_unit_test(entities_are_held_to_the_schema),
        cmocka_unit_test(requests_are_held_to_the_schema),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

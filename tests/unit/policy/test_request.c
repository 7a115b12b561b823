// SPDX-License-Identifier: GPL-3.0-or-later
// What a request brings, and how it comes together with the entities file.
#include "tests/unit/policy/support.h"

static const char file[] = "[{\"uid\":{\"type\":\"Role\",\"id\":\"idp/"
                           "reader\"},\"attrs\":{\"rank\":3},\"parents\":[{\"type\":\"Role\",\"id\":\"staff\"}]},"
                           "{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{\"level\":1,\"team\":\"red\","
                           "\"boss\":{\"__entity\":{\"type\":\"User\",\"id\":\"bob\"}}},"
                           "\"parents\":[{\"type\":\"Group\",\"id\":\"g\"}]},"
                           "{\"uid\":{\"type\":\"User\",\"id\":\"bob\"},\"attrs\":{\"level\":9},\"parents\":[{\"type\":"
                           "\"Role\",\"id\":\"idp/reader\"}]}]";

static bool holds(struct fixture *f)
{
    pol_decide(&f->r, POL_MODE_GATEWAY, 0, &f->a);
    return f->a.allow;
}

static void roles_of_a_token_have_the_ancestors_that_the_file_gives_them(void **state)
{
    struct pol_entity *p;
    struct fixture f;

    (void)state;
    fixture_init(
        &f, "permit(principal in Role::\"staff\", action, resource) when { principal in Role::\"idp/reader\" };", file);
    p = pol_request_principal(&f.r, SPAN("Workload"), SPAN("spiffe://x/y"));
    pol_request_parent(&f.r, p, SPAN("Role"), SPAN("idp/unknown"));
    pol_request_parent(&f.r, p, SPAN("Role"), SPAN("idp/reader"));
    pol_request_action(&f.r, SPAN("Action"), SPAN("read"));
    pol_request_resource(&f.r, SPAN("Doc"), SPAN("d"));
    assert_true(holds(&f));
    fixture_again(&f);
    p = pol_request_principal(&f.r, SPAN("Workload"), SPAN("spiffe://x/y"));
    pol_request_parent(&f.r, p, SPAN("Role"), SPAN("idp/unknown"));
    pol_request_action(&f.r, SPAN("Action"), SPAN("read"));
    pol_request_resource(&f.r, SPAN("Doc"), SPAN("d"));
    assert_false(holds(&f));
    fixture_fini(&f);
}

static void parents_given_by_the_request_reach_through_the_file(void **state)
{
    struct pol_entity *e;
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal in Top::\"t\", action, resource) when { principal.boss in Top::\"t\" && "
                 "User::\"bob\" in Mid::\"m\" };",
                 file);
    ask(&f, "ann", "read", "d");
    e = pol_request_entity(&f.r, SPAN("Role"), SPAN("staff"));
    pol_request_parent(&f.r, e, SPAN("Mid"), SPAN("m"));
    e = pol_request_entity(&f.r, SPAN("Mid"), SPAN("m"));
    pol_request_parent(&f.r, e, SPAN("Top"), SPAN("t"));
    // ann → g (file) → staff (request) → m (request) → t (request)
    e = pol_request_entity(&f.r, SPAN("Group"), SPAN("g"));
    pol_request_parent(&f.r, e, SPAN("Role"), SPAN("staff"));
    assert_true(holds(&f));
    fixture_fini(&f);
}

// Few entities and many are kept in different ways.
static void ancestors_do_not_depend_on_how_many_entities_are_declared(void **state)
{
    static const char *const ids[] = { "e0", "e1",  "e2",  "e3",  "e4",  "e5",  "e6",  "e7",  "e8",
                                       "e9", "e10", "e11", "e12", "e13", "e14", "e15", "e16", "e17" };
    struct fixture f;

    (void)state;
    fixture_init(
        &f,
        "permit(principal in Top::\"t\", action, resource in Shelf::\"s\") when { !(resource in Top::\"t\") && "
        "User::\"bob\" in Role::\"staff\" && !(User::\"bob\" in Top::\"t\") && principal.level == 1 };",
        file);
    for (unsigned n = 0; n <= sizeof ids / sizeof *ids; n++) {
        for (unsigned wrong = 0; wrong < 3; wrong++) {
            struct pol_entity *e;

            fixture_again(&f);
            for (unsigned i = 0; i < n; i++) {
                e = pol_request_entity(&f.r, SPAN("Other"), span_str(ids[i]));
                pol_request_parent(&f.r, e, SPAN("Heap"), span_str(ids[(i + 7) % 18]));
            }
            ask(&f, "ann", "read", "d");
            pol_request_parent(&f.r, f.r.resource, SPAN("Shelf"), SPAN("s"));
            // ann → g (file) → new (request) → t (request); wrong: not, or in a circle.
            e = pol_request_entity(&f.r, SPAN("Group"), SPAN("g"));
            pol_request_parent(&f.r, e, SPAN("Group"), SPAN("new"));
            e = pol_request_entity(&f.r, SPAN("Group"), SPAN("new"));
            if (wrong != 1)
                pol_request_parent(&f.r, e, SPAN("Top"), SPAN("t"));
            if (wrong == 2)
                pol_request_parent(&f.r, e, SPAN("User"), SPAN("ann"));
            assert_int_equal(holds(&f), wrong == 0);
            assert_int_equal(f.a.err, wrong == 0 ? 0 : wrong == 1 ? ERR_POLICY_NO_PERMIT : ERR_INTERNAL);
        }
    }
    fixture_fini(&f);
}

static void verified_attribute_beats_the_file(void **state)
{
    struct pol_entity *p;
    struct fixture f;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource) when { principal.level == 7 && principal.team == \"red\" };",
                 file);
    p = pol_request_principal(&f.r, SPAN("User"), SPAN("ann"));
    pol_request_attr(&f.r, p, SPAN("level"), pol_long(7));
    pol_request_action(&f.r, SPAN("Action"), SPAN("read"));
    pol_request_resource(&f.r, SPAN("Doc"), SPAN("d"));
    assert_true(holds(&f));
    fixture_fini(&f);
}

static void context_nests_records_and_sets(void **state)
{
    static const struct span scopes[] = { SPAN("b"), SPAN("a"), SPAN("b") };
    struct pol_record *token;
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal, action, resource) when { context.token.scopes == [\"a\", \"b\"] && "
                 "context.token.iss like \"https://*\" &&"
                 "context has token.exp && context.who == principal && context.ids.contains(Doc::\"d\") };",
                 file);
    ask(&f, "zoe", "read", "d");
    token = pol_record_new(&f.r);
    pol_record_put(&f.r, token, SPAN("scopes"), pol_request_strings(&f.r, scopes, 3));
    pol_record_put(&f.r, token, SPAN("iss"), pol_string(SPAN("https://idp")));
    pol_record_put(&f.r, token, SPAN("exp"), pol_long(5));
    pol_request_context(&f.r, SPAN("token"), pol_record_value(token));
    pol_request_context(&f.r, SPAN("who"), pol_request_ref(&f.r, SPAN("User"), SPAN("zoe")));
    pol_request_context(
        &f.r, SPAN("ids"),
        pol_request_set(&f.r, (struct pol_value[]){ pol_request_ref(&f.r, SPAN("Doc"), SPAN("d")) }, 1));
    assert_true(holds(&f));
    fixture_fini(&f);
}

static void principal_and_resource_may_be_the_same_entity(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource) when { principal == resource };", NULL);
    pol_request_principal(&f.r, SPAN("User"), SPAN("me"));
    pol_request_action(&f.r, SPAN("Action"), SPAN("read"));
    pol_request_resource(&f.r, SPAN("User"), SPAN("me"));
    assert_true(holds(&f));
    fixture_fini(&f);
}

static void misuse_denies(void **state)
{
    struct fixture f;
    struct pol_entity *e;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource);", file);
    pol_request_principal(&f.r, SPAN("User"), SPAN("a"));
    assert_false(holds(&f));
    assert_int_equal(f.a.err, ERR_INTERNAL);

    fixture_again(&f);
    ask(&f, "a", "b", "c");
    pol_request_principal(&f.r, SPAN("User"), SPAN("other"));
    assert_false(holds(&f));
    assert_int_equal(f.a.err, ERR_INTERNAL);

    fixture_again(&f);
    ask(&f, "a", "b", "c");
    pol_request_context(&f.r, SPAN("x"), pol_long(1));
    pol_request_context(&f.r, SPAN("x"), pol_long(2));
    assert_false(holds(&f));

    fixture_again(&f);
    ask(&f, "a", "b", "c");
    pol_request_context(&f.r, SPAN("x"), pol_string(SPAN_NONE));
    assert_false(holds(&f));

    fixture_again(&f);
    ask(&f, "a", "b", "c");
    assert_true(holds(&f));
    pol_request_context(&f.r, SPAN("late"), pol_long(1));
    assert_false(holds(&f));

    // bob is in idp/reader by the file, idp/reader in bob by the request.
    fixture_again(&f);
    ask(&f, "bob", "b", "c");
    e = pol_request_entity(&f.r, SPAN("Role"), SPAN("idp/reader"));
    pol_request_parent(&f.r, e, SPAN("User"), SPAN("bob"));
    assert_false(holds(&f));
    assert_int_equal(f.a.err, ERR_INTERNAL);
    assert_string_equal(f.r.why, "an entity is its own ancestor");
    fixture_fini(&f);
}

static void many_entities_are_bounded(void **state)
{
    char names[5000][16];
    struct fixture f;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource) when { principal in Role::\"r4000\" };", NULL);
    for (int i = 0; i < 5000; i++)
        snprintf(names[i], sizeof names[i], "r%d", i);
    ask(&f, "a", "b", "c");
    for (int i = 0; i < 4001; i++)
        pol_request_parent(&f.r, f.r.principal, SPAN("Role"), span_str(names[i]));
    for (int i = 0; i < 4001; i++)
        pol_request_attr(&f.r, pol_request_entity(&f.r, SPAN("Role"), span_str(names[i])), SPAN("n"), pol_long(i));
    assert_true(holds(&f));

    fixture_again(&f);
    ask(&f, "a", "b", "c");
    for (int i = 0; i < 5000; i++)
        pol_request_parent(&f.r, f.r.principal, SPAN("Role"), span_str(names[i]));
    assert_false(holds(&f));
    assert_int_equal(f.a.err, ERR_NOMEM);
    fixture_fini(&f);
}

static bool from_json(struct fixture *f, const char *text)
{
    fixture_again(f);
    return pol_request_from_json(&f->r, SPAN("r.json"), span_str(text), false, &f->diags);
}

static void request_as_json(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal == N::User::\"a\\\"b\", action, resource) when { context.ref in Role::\"staff\" && "
                 "principal.x };",
                 file);
    assert_true(from_json(
        &f,
        "{\"principal\":\"N::User::\\\"a\\\\\\\"b\\\"\",\"action\":{\"type\":\"Action\",\"id\":\"read\"},"
        "\"resource\":{\"__entity\":{\"type\":\"Doc\",\"id\":\"d\"}},"
        "\"context\":{\"ref\":{\"__entity\":{\"type\":\"User\",\"id\":\"bob\"}}},"
        "\"entities\":[{\"uid\":{\"type\":\"N::User\",\"id\":\"a\\\"b\"},\"attrs\":{\"x\":true},\"parents\":[]}]}"));
    assert_true(holds(&f));
    fixture_fini(&f);
}

static void faulty_json_requests_are_refused(void **state)
{
    static const struct {
        const char *text, *complaint;
    } rows[] = {
        { "{", "r.json:1:2: error: not valid JSON: " },
        { "[]", "r.json: error: request: expected {\"principal\": …, \"action\": …, \"resource\": …}" },
        { "{\"principle\":1}", "r.json: error: unknown member 'principle' of a request; did you mean principal" },
        { "{\"principal\":\"User\",\"action\":\"\",\"resource\":\"\"}",
          "r.json: error: principal: 'User' is no entity; write Type::\\\"id\\\"" },
        { "{\"principal\":\"U::\\\"a\\\"\"}", "r.json: error: action: is missing;" },
        { "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"in::\\\"a\\\"\"}",
          "r.json: error: resource: 'in::\"a\"' is no entity" },
        { "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"D::\\\"a\\\"\",\"context\":{"
          "\"a\":[{\"b\":null}]}}",
          "r.json: error: context: at .a[0].b: Cedar has no null; leave the attribute out" },
        { "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"D::\\\"a\\\"\",\"context\":{"
          "\"a\":1.5}}",
          "r.json: error: context: at .a: Cedar has no fractions" },
        { "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"D::\\\"a\\\"\",\"context\":{"
          "\"a\":9223372036854775808}}",
          "r.json: error: context: at .a: a number that does not fit in 64 bits" },
        { "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"a\\\"\",\"resource\":\"D::\\\"a\\\"\",\"context\":{"
          "\"a\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"1\"}}}}",
          "r.json: error: context: at .a: ip(): not an address or range such as \"10.0.0.1\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;

        fixture_init(&f, "permit(principal, action, resource);", NULL);
        assert_false(from_json(&f, rows[i].text));
        if (strncmp(complaint(&f), rows[i].complaint, strlen(rows[i].complaint)) != 0)
            print_error("%s\n", complaint(&f));
        assert_int_equal(strncmp(complaint(&f), rows[i].complaint, strlen(rows[i].complaint)), 0);
        fixture_fini(&f);
    }
}

static void audit_json_decides_the_same_without_the_file(void **state)
{
    static const char policies[] =
        "permit(principal in Role::\"staff\", action, resource) when { principal.boss.level > principal.level && "
        "User::\"bob\" in Role::\"staff\" && context.n == 1 };";
    struct pol_entity *e;
    struct fixture f, again;
    struct buf b;

    (void)state;
    fixture_init(&f, policies, file);
    ask(&f, "ann", "read", "d");
    pol_request_attr(&f.r, f.r.principal, SPAN("level"), pol_long(2));
    e = pol_request_entity(&f.r, SPAN("Group"), SPAN("g"));
    pol_request_parent(&f.r, e, SPAN("Role"), SPAN("staff"));
    pol_request_context(&f.r, SPAN("n"), pol_long(1));
    assert_true(holds(&f));
    buf_init(&b, 0);
    assert_true(pol_request_to_json(&f.r, &b));
    assert_true(buf_byte(&b, '\0'));
    assert_string_equal(
        b.base,
        "{\"principal\":{\"type\":\"User\",\"id\":\"ann\"},\"action\":{\"type\":\"Action\",\"id\":\"read\"},"
        "\"resource\":{\"type\":\"Doc\",\"id\":\"d\"},\"context\":{\"n\":1},\"entities\":["
        "{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{\"boss\":{\"__entity\":{\"type\":\"User\",\"id\":"
        "\"bob\"}},\"team\":\"red\",\"level\":2},"
        "\"parents\":[{\"type\":\"Role\",\"id\":\"staff\"},{\"type\":\"Group\",\"id\":\"g\"}]},"
        "{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"attrs\":{},\"parents\":[]},"
        "{\"uid\":{\"type\":\"Doc\",\"id\":\"d\"},\"attrs\":{},\"parents\":[]},"
        "{\"uid\":{\"type\":\"Group\",\"id\":\"g\"},\"attrs\":{},\"parents\":[{\"type\":\"Role\",\"id\":\"staff\"}]},"
        "{\"uid\":{\"type\":\"User\",\"id\":\"bob\"},\"attrs\":{\"level\":9},\"parents\":[{\"type\":\"Role\",\"id\":"
        "\"staff\"},{\"type\":\"Role\",\"id\":\"idp/reader\"}]}]}");
    fixture_init(&again, policies, NULL);
    assert_true(pol_request_from_json(&again.r, SPAN("audit"), span_str(b.base), false, &again.diags));
    assert_true(holds(&again));
    fixture_fini(&again);
    buf_fini(&b);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_of_a_token_have_the_ancestors_that_the_file_gives_them),
        cmocka_unit_test(parents_given_by_the_request_reach_through_the_file),
        cmocka_unit_test(ancestors_do_not_depend_on_how_many_entities_are_declared),
        cmocka_unit_test(verified_attribute_beats_the_file),
        cmocka_unit_test(context_nests_records_and_sets),
        cmocka_unit_test(principal_and_resource_may_be_the_same_entity),
        cmocka_unit_test(misuse_denies),
        cmocka_unit_test(many_entities_are_bounded),
        cmocka_unit_test(request_as_json),
        cmocka_unit_test(faulty_json_requests_are_refused),
        cmocka_unit_test(audit_json_decides_the_same_without_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy format, test, analyze and bench: what looks at files of policies.
#include "tests/unit/cli/policy_case.h"

static void formatting_keeps_comments_and_is_done_once(void **state)
{
    (void)state;
    cmd_put("f.cedar",
            "// head\n\n\n// about\n@id(\"a\") // beside\npermit(principal,action in [Action::\"x\",],resource) "
            "when{principal.a==1&&-1- -2<3 // here\n||!(context.b)};forbid(principal,action,resource); // tail\n//last",
            0600);
    cmd_expect(1, "policy format --check f.cedar");
    cmd_says("f.cedar\n");
    cmd_expect(0, "policy format f.cedar");
    assert_string_equal(cmd.out, "// head\n"
                                 "\n"
                                 "// about\n"
                                 "@id(\"a\") // beside\n"
                                 "permit (principal, action in [Action::\"x\"], resource)\n"
                                 "when {\n"
                                 "  principal.a == 1 &&\n"
                                 "    -1 - -2 <\n"
                                 "      3 // here\n"
                                 "  ||\n"
                                 "  !(context.b)\n"
                                 "};\n"
                                 "\n"
                                 "forbid (principal, action, resource); // tail\n"
                                 "\n"
                                 "//last\n");
    cmd_expect(0, "policy format --write f.cedar");
    cmd_expect(0, "policy format --check f.cedar");
    cmd_expect(0, "policy format --write f.cedar");
    assert_string_equal(cmd.out, "");
}

static void what_is_no_policy_is_not_rewritten(void **state)
{
    (void)state;
    cmd_put("bad.cedar", "permit (principal, action);", 0600);
    cmd_put("good.cedar", "permit(principal,action,resource);", 0640);
    cmd_expect(2, "policy format --write bad.cedar good.cedar");
    char *bad = cmd_get("bad.cedar"), *good = cmd_get("good.cedar");
    assert_string_equal(bad, "permit (principal, action);");
    assert_string_equal(good, "permit (principal, action, resource);\n");
    free(bad);
    free(good);
    struct stat st;
    assert_int_equal(0, stat("good.cedar", &st));
    assert_int_equal(st.st_mode & 0777, 0640);
}

#define TEST_FILE(decision, reason, errors)                                                                            \
    "{\"policies\":\"t/p.cedar\",\"entities\":\"t/e.json\",\"requests\":[{\"description\":\"one\",\"principal\":"      \
    "{\"type\":\"U\",\"id\":\"a\"},\"action\":{\"type\":\"Action\",\"id\":\"r\"},\"resource\":{\"type\":\"D\",\"id\":" \
    "\"d\"},\"context\":{},\"decision\":\"" decision "\",\"reason\":[" reason "],\"errors\":[" errors "]}]}"

static void test_files_are_run_and_failures_told(void **state)
{
    (void)state;
    assert_int_equal(0, mkdir("t", 0700));
    assert_int_equal(0, mkdir("t/sub", 0700));
    cmd_put("t/p.cedar",
            "permit(principal, action, resource);\npermit(principal, action, resource) when { context.x };", 0600);
    cmd_put("t/e.json", "[]", 0600);
    cmd_put("t/1.json", TEST_FILE("allow", "\"policy0\"", "\"policy1\""), 0600);
    cmd_expect(0, "policy test t/1.json");
    cmd_says("1 file, 1 request, 0 validations: 0 failed\n");
    cmd_put("t/sub/2.json", TEST_FILE("deny", "", ""), 0600);
    // The entities file is passed over; it is no test file.
    cmd_expect(1, "policy test t");
    cmd_says("t/sub/2.json: request 0 (one): expected deny; got allow by policy0, errors in policy1");
    cmd_says("2 files, 2 requests, 0 validations: 1 failed\n");
    cmd_expect(1, "policy test t --json");
    cmd_says("\"failed\":1");
    cmd_put("t/3.json", TEST_FILE("allow", "\"policy1\"", "\"policy0\""), 0600);
    cmd_expect(1, "policy test --root . t/3.json");
    cmd_expect(1, "policy test --root t t/1.json");
    cmd_says("policies 't/p.cedar': No such file");
    cmd_expect(2, "policy test t/e.json");
    cmd_complains("no test file");
}

static void should_validate_is_compared(void **state)
{
    (void)state;
    static const char file[] =
        "{\"policies\":\"p.cedar\",\"schema\":\"s.cedarschema\",\"shouldValidate\":%s,\"requests\":[]}";
    char text[256];
    cmd_put("s.cedarschema", "entity U; entity D; action r appliesTo { principal: U, resource: D };", 0600);
    cmd_put("p.cedar", "permit(principal, action == Action::\"r\", resource) when { principal.nope };", 0600);
    snprintf(text, sizeof text, file, "false");
    cmd_put("1.json", text, 0600);
    cmd_expect(0, "policy test 1.json");
    cmd_says("1 validation: 0 failed");
    snprintf(text, sizeof text, file, "true");
    cmd_put("1.json", text, 0600);
    cmd_expect(1, "policy test 1.json");
    cmd_says("expected to validate");
}

static void analyze_finds_what_decides_nothing(void **state)
{
    (void)state;
    cmd_put(
        "a.cedar",
        "@id(\"a\") permit (principal in Role::\"corp/reader\", action in Action::\"readonly\", resource);\n"
        "@id(\"b\") permit (principal in Role::\"corp/reader\", action == Action::\"search\", resource == "
        "Collection::\"d\");\n"
        "@id(\"c\") permit (principal, action in [Action::\"write\", Action::\"read\"], resource is Collection);\n"
        "@id(\"d\") permit (principal == Workload::\"w\", action, resource) when { principal has a && principal.a == 1 "
        "};\n"
        "@id(\"e\") permit (principal == Workload::\"w\", action, resource) when { principal has a && principal.a == 1 "
        "};\n"
        "@id(\"f\") forbid (principal, action == Action::\"drop\", resource);\n"
        "@id(\"g\") permit (principal is Workload, action == Action::\"drop\", resource) when { context has token };\n"
        "@id(\"h\") permit (principal, action, resource) when { 1 == 2 };\n"
        "@id(\"i\") permit (principal, action in [], resource);\n"
        "@id(\"j\") permit (principal == Workload::\"w\", action, resource) when { principal has a && principal.a == 2 "
        "};\n",
        0600);
    cmd_expect(1, "policy analyze --policies a.cedar");
    assert_string_equal(cmd.out, "a.cedar:1:10: a: nobody has the role Role::\"corp/reader\"\n"
                                 "a.cedar:2:10: b: changes nothing beside a (a.cedar:1)\n"
                                 "a.cedar:3:10: c: everybody may read, write everywhere\n"
                                 "a.cedar:5:10: e: says the same as d (a.cedar:4)\n"
                                 "a.cedar:7:10: g: never permits: whatever it permits is forbidden by f (a.cedar:6)\n"
                                 "a.cedar:8:10: h: never holds: its condition is constantly false\n"
                                 "a.cedar:9:10: i: never holds: its list of actions is empty\n"
                                 "10 policies, 7 findings\n");
    cmd_put("e.json",
            "[{\"uid\":{\"type\":\"Workload\",\"id\":\"w\"},\"attrs\":{},\"parents\":[{\"type\":\"Role\",\"id\":\"corp/"
            "reader\"}]}]",
            0600);
    cmd_put("a.cedar", "permit (principal in Role::\"corp/reader\", action in Action::\"readonly\", resource);", 0600);
    cmd_expect(0, "policy analyze --policies a.cedar --entities e.json --json");
    cmd_says("\"findings\":[]");
}

// The grants that do not ask who it is, named with what they open; and what no request can fit.
static void analyze_finds_grants_that_do_not_ask_who_it_is(void **state)
{
    (void)state;
    cmd_put(
        "e.json",
        "[{\"uid\":{\"type\":\"Collection\",\"id\":\"acme/main/docs\"},\"attrs\":{},\"parents\":[{\"type\":"
        "\"Tenant\",\"id\":\"acme\"}]},{\"uid\":{\"type\":\"Tenant\",\"id\":\"acme\"},\"attrs\":{},\"parents\":[]}]",
        0600);
    cmd_put("a.cedar",
            "@id(\"a\") permit (principal, action in Action::\"readwrite\", resource in Tenant::\"acme\");\n"
            "@id(\"b\") permit (principal is Workload, action, resource) when { context.request has points && "
            "context.request.points < 9 };\n"
            "@id(\"c\") permit (principal in TrustDomain::\"t\", action in Action::\"admin\", resource) when { "
            "context.http.method == \"PUT\" };\n"
            "@id(\"d\") forbid (principal is User, action, resource);\n"
            "@id(\"e\") forbid (principal, action == Action::\"admin\", resource);\n"
            // Not these: they ask.
            "@id(\"f\") permit (principal, action, resource) when { context.token.bound_to == \"dpop\" };\n"
            "@id(\"g\") permit (principal, action == Action::\"write\", resource) when { resource.hasTag(\"x\") && "
            "principal in resource };\n"
            "@id(\"h\") permit (principal, action == Action::\"delete\", resource) when { context == {} };\n"
            "@id(\"i\") permit (principal, action in Action::\"readonly\", resource == Collection::\"faq\");\n"
            "@id(\"j\") permit (principal in TrustDomain::\"t\", action == Action::\"write\", resource);\n"
            // Superfluous, but for what it obliges to.
            "@id(\"k\") @audit(\"full\") permit (principal, action == Action::\"write\", resource in Tenant::\"acme\") "
            "when { principal has a };\n",
            0600);
    cmd_expect(1, "policy analyze --policies a.cedar --entities e.json");
    assert_string_equal(
        cmd.out,
        "a.cedar:1:10: a: whoever it is may write, delete on Tenant::\"acme\" (acme/main/docs)\n"
        "a.cedar:2:10: b: whoever it is may write, delete, create, alter, drop, export, ops everywhere, by conditions "
        "that "
        "do not ask who it is\n"
        "a.cedar:3:10: c: every workload of TrustDomain::\"t\" may create, alter, drop, export everywhere, by "
        "conditions "
        "that do not ask who it is\n"
        "a.cedar:4:10: d: can never apply: no request has a principal or resource of the type User\n"
        "a.cedar:5:10: e: can never apply: no request has the action Action::\"admin\"; a group stands behind `in`\n"
        "11 policies, 5 findings\n");
    cmd_expect(1, "policy analyze --policies a.cedar --entities e.json --json");
    cmd_says("{\"kind\":\"anybody\",\"policy\":\"a\"");
    cmd_says("\"within\":[\"acme/main/docs\"],\"within_count\":1");
}

static void bench_measures(void **state)
{
    (void)state;
    cmd_put("audit.jsonl", RECORD("r1", "dpop", 10) RECORD("r2", "dpop", 500), 0600);
    cmd_expect(0, "policy bench --policies p.cedar --gateway --requests audit.jsonl --decisions 100 --json");
    cmd_says("\"policies\":4,");
    cmd_says("\"requests\":2,\"allowed\":1,");
    cmd_expect(0, "policy bench --policies p.cedar --gateway --requests audit.jsonl --decisions 10");
    cmd_says("2: 1 allowed");
    cmd_put("audit.jsonl", "", 0600);
    cmd_expect(2, "policy bench --policies p.cedar --requests audit.jsonl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(formatting_keeps_comments_and_is_done_once, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(what_is_no_policy_is_not_rewritten, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(test_files_are_run_and_failures_told, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(should_validate_is_compared, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(analyze_finds_what_decides_nothing, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(analyze_finds_grants_that_do_not_ask_who_it_is, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(bench_measures, case_init, cmd_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

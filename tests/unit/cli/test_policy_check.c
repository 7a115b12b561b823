// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/cli/policy_case.h"

static void good_policies_pass_by_the_shipped_schema(void **state)
{
    (void)state;
    cmd_put(
        "p.cedar",
        "permit(principal in Role::\"corp/reader\", action in Action::\"readonly\", resource in Tenant::\"acme\");\n"
        "forbid(principal, action, resource) unless { [\"dpop\", \"both\"].contains(context.token.bound_to) };\n",
        0600);
    cmd_expect(0, "policy check p.cedar --entities e.json --gateway");
    cmd_says("2 policies: good\n");
    // A folder, and the option that other commands have for it.
    cmd_expect(0, "policy check --policies .");
    cmd_expect(0, "policy check p.cedar --json");
    cmd_says("{\"valid\":true,\"policies\":2,\"findings\":[]}\n");
}

static void a_fault_is_shown_in_its_line(void **state)
{
    (void)state;
    cmd_put("q.cedar",
            "permit(principal is Workload, action == Action::\"search\", resource is Collection)\n"
            "when { \"ü\" == principal.pth };\n",
            0600);
    cmd_expect(1, "policy check q.cedar");
    cmd_says("q.cedar:2:25: error: Workload has no attribute 'pth'; did you mean 'path'?");
    cmd_says("    when { \"ü\" == principal.pth };\n                            ^~~\n");
    cmd_expect(1, "policy check --json q.cedar");
    cmd_says("\"valid\":false");
    cmd_says("\"line\":2,\"column\":25");
    cmd_expect(0, "policy check --no-schema q.cedar");
    cmd_put("q.cedar", "permit(principal, action, resource", 0600);
    cmd_expect(1, "policy check --no-schema q.cedar");
}

static void another_schema_may_be_named(void **state)
{
    (void)state;
    cmd_put("s.cedarschema", "entity U, D; action r appliesTo { principal: U, resource: D };", 0600);
    cmd_put("q.cedar", "permit(principal == U::\"a\", action == Action::\"r\", resource);", 0600);
    cmd_expect(0, "policy check q.cedar --schema s.cedarschema");
    cmd_expect(1, "policy check q.cedar");
    cmd_put("s.cedarschema", "entity U, D; action r appliesTo { principal: U, resource: E };", 0600);
    cmd_expect(1, "policy check q.cedar --schema s.cedarschema");
    cmd_says("s.cedarschema:1:59: error: there is no entity type 'E'");
}

static void the_authority_has_questions_of_its_own(void **state)
{
    (void)state;
    cmd_put("q.cedar", "permit(principal is Client, action == Action::\"token:issue\", resource);", 0600);
    cmd_expect(0, "policy check q.cedar --authority");
    cmd_expect(1, "policy check q.cedar");
}

static void an_entities_file_is_held_to_the_schema(void **state)
{
    (void)state;
    cmd_put("q.cedar", "permit(principal, action, resource);", 0600);
    cmd_put("f.json", "[{\"uid\":{\"type\":\"Workload\",\"id\":\"w\"},\n\"attrs\":{\"tenant\":1},\"parents\":[]}]",
            0600);
    cmd_expect(1, "policy check q.cedar --entities f.json");
    cmd_says("f.json:2:9: error: Workload::\"w\".tenant: a long, where the schema has String");
}

static void the_schema_can_be_had(void **state)
{
    (void)state;
    cmd_expect(0, "policy check --print-schema");
    cmd_says("entity Workload in");
}

static void misuse_is_a_usage_error(void **state)
{
    (void)state;
    cmd_expect(2, "policy check");
    cmd_expect(2, "policy check nowhere.cedar");
    cmd_expect(2, "policy check p.cedar --schema s --no-schema");
    cmd_complains("exclude each other");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(good_policies_pass_by_the_shipped_schema, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(a_fault_is_shown_in_its_line, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(another_schema_may_be_named, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(the_authority_has_questions_of_its_own, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(an_entities_file_is_held_to_the_schema, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(the_schema_can_be_had, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(misuse_is_a_usage_error, case_init, cmd_fini),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

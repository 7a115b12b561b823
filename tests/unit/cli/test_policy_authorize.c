// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/unit/cli/policy_case.h"

#define ASK "policy authorize --policies p.cedar --entities e.json " ASKED

static void the_exit_status_is_the_decision(void **state)
{
    (void)state;
    cmd_expect(0, ASK " --gateway --context small.json");
    cmd_says("allow\n  permit  small  p.cedar:10:1\n");
    cmd_expect(1, ASK " --gateway --context large.json");
    cmd_says("deny  no policy permits the request\n");
    cmd_expect(2, ASK " --gateway --context absent.json");
}

static void a_forbid_that_cannot_be_evaluated_denies_by_the_gateways_rules_only(void **state)
{
    (void)state;
    cmd_put("p.cedar",
            "permit(principal, action, resource);\n@id(\"f\") forbid(principal, action, resource) when { context.x };",
            0600);
    cmd_expect(0, ASK);
    cmd_says("error   f  p.cedar:2:");
    cmd_expect(1, ASK " --gateway");
    cmd_says("deny  a forbid could not be evaluated");
}

static void obligations_are_told_by_the_gateways_rules(void **state)
{
    (void)state;
    cmd_put("p.cedar", "@id(\"p\") @filter(\"t\", \"[1, 2]\") @limit(\"5/h\") permit(principal, action, resource);",
            0600);
    cmd_expect(2, ASK);
    cmd_expect(0, ASK " --gateway");
    cmd_says("allow\n  permit  p  p.cedar:1:47\n  oblige  filter t in [1, 2]  (p)\n  oblige  limit 5/h  (p)\n");
    cmd_expect(0, ASK " --gateway --json");
    cmd_says(
        "\"obligations\":[{\"policy\":\"p\",\"filter\":\"t\",\"value\":[1,2]},{\"policy\":\"p\",\"limit\":\"5/h\"}]");
    cmd_put("p.cedar", "@filter(\"t\", \"1 + 9223372036854775807\") permit(principal, action, resource);", 0600);
    cmd_expect(1, ASK " --gateway");
    cmd_says("deny  an obligation of the policies cannot be met\n  permit  policy0  p.cedar:1:41\n  error   policy0  "
             "p.cedar:1:");
}

static void a_request_that_the_schema_does_not_have_is_not_decided(void **state)
{
    (void)state;
    cmd_put("s.cedarschema",
            "entity Workload; entity Collection;"
            "action search appliesTo { principal: Workload, resource: Collection, context: { limit: Long } };",
            0600);
    cmd_put("p.cedar", "permit(principal, action, resource);", 0600);
    cmd_put("fits.json", "{\"limit\": 1}", 0600);
    cmd_put("odd.json", "{\"limit\": \"1\"}", 0600);
    cmd_expect(0, "policy authorize --policies p.cedar " ASKED " --schema s.cedarschema --context fits.json");
    cmd_expect(2, "policy authorize --policies p.cedar " ASKED " --schema s.cedarschema --context odd.json");
    cmd_complains("context.limit: a string, where the schema has Long");
    cmd_expect(0, "policy authorize --policies p.cedar " ASKED " --context odd.json");
    cmd_expect(2, "policy authorize --policies p.cedar " ASKED " --schema absent.cedarschema --context fits.json");
}

static void json_names_policies_and_errors(void **state)
{
    (void)state;
    cmd_expect(1, ASK " --gateway --context none.json --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_non_null(doc);
    json root = json_root(doc), e = json_at(json_get(root, SPAN("errors")), 0);
    assert_true(span_eq(json_string(json_get(root, SPAN("decision"))), SPAN("deny")));
    assert_true(span_eq(json_string(json_get(root, SPAN("error"))), SPAN("POLICY_FORBID_ERROR")));
    assert_true(span_eq(json_string(json_get(e, SPAN("policy"))), SPAN("bound-only")));
    json_free(doc);
}

static void of_a_list_of_requests_all_must_be_allowed(void **state)
{
    (void)state;
#define ONE(resource) \
    "{\"principal\":\"U::\\\"a\\\"\",\"action\":\"Action::\\\"r\\\"\",\"resource\":\"D::\\\"" resource "\\\"\"}"
    cmd_put("q.cedar", "permit(principal, action, resource == D::\"x\");", 0600);
    cmd_put("good.json", "[" ONE("x") "," ONE("x") "]", 0600);
    cmd_put("bad.json", "[" ONE("x") "," ONE("y") "]", 0600);
    cmd_expect(0, "policy authorize --policies q.cedar --request good.json");
    cmd_expect(1, "policy authorize --policies q.cedar --request bad.json --json");
    cmd_says("\"decision\":\"deny\"}");
    cmd_put("bad.json", "[]", 0600);
    cmd_expect(2, "policy authorize --policies q.cedar --request bad.json");
}

static void what_is_missing_or_twice_is_said(void **state)
{
    (void)state;
    cmd_expect(2, "policy authorize --policies p.cedar --principal 'U::\"a\"'");
    cmd_complains("--action is missing");
    cmd_expect(2, ASK " --request small.json");
    cmd_complains("--request holds the whole request");
    cmd_expect(2, "policy authorize " ASKED);
    cmd_complains("no policies");
    cmd_put("p.cedar", "permit (principle, action, resource);", 0600);
    cmd_expect(2, ASK);
    cmd_complains("p.cedar:1:9: error:");
}

static void a_folder_links_and_yaml_entities_are_read(void **state)
{
    (void)state;
    assert_int_equal(0, mkdir("set", 0700));
    cmd_put("set/t.cedar", "@id(\"t\") permit(principal == ?principal, action, resource) when { principal.n == 1 };",
            0600);
    cmd_put("l.json", "[{\"template_id\":\"t\",\"link_id\":\"l\",\"args\":{\"?principal\":\"U::\\\"a\\\"\"}}]", 0600);
    cmd_put("e.yaml", "- uid: {type: U, id: a}\n  attrs: {n: 1}\n  parents: []\n", 0600);
    cmd_expect(0, "policy authorize --policies set --links l.json --entities e.yaml --principal 'U::\"a\"' --action "
                  "'Action::\"r\"' --resource 'D::\"d\"'");
    cmd_says("permit  l  ");
    cmd_expect(1, "policy authorize --policies set --links l.json --entities e.yaml --principal 'U::\"b\"' --action "
                  "'Action::\"r\"' --resource 'D::\"d\"'");
    assert_int_equal(0, mkdir("empty", 0700));
    cmd_expect(2, "policy authorize --policies empty " ASKED);
    cmd_complains("no .cedar file in this folder");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_that_the_schema_does_not_have_is_not_decided, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(the_exit_status_is_the_decision, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(a_forbid_that_cannot_be_evaluated_denies_by_the_gateways_rules_only, case_init,
                                        cmd_fini),
        cmocka_unit_test_setup_teardown(obligations_are_told_by_the_gateways_rules, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(json_names_policies_and_errors, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(of_a_list_of_requests_all_must_be_allowed, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(what_is_missing_or_twice_is_said, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(a_folder_links_and_yaml_entities_are_read, case_init, cmd_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

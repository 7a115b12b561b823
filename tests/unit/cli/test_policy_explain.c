// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy explain and diff: both look at decisions again.
#include "tests/unit/cli/policy_case.h"

#define ASK "policy explain --policies p.cedar --entities e.json --gateway " ASKED

static void a_denial_names_what_the_nearest_permits_lacked_with_the_values(void **state)
{
    (void)state;
    cmd_expect(1, ASK " --context large.json");
    cmd_says("nearest to permitting:\n"
             "  permit own-tenant (p.cedar:6): a condition does not hold\n"
             "    7:72  principal.tenant == resource.tenant  is false\n"
             "      principal.tenant = \"acme\"\n"
             "      resource.tenant = \"globex\"\n"
             "  permit small (p.cedar:10): a condition does not hold\n"
             "    11:59  context.request.limit <= 100  is false\n"
             "      context.request.limit = 500\n");
    cmd_says("1 policy is about something else");
    assert_null(strstr(cmd.out, "readers"));
}

static void a_scope_that_does_not_fit_is_shown_with_its_ancestors(void **state)
{
    (void)state;
    cmd_expect(1, ASK " --context large.json --all");
    cmd_says("principal in Role::\"corp/reader\"  is false\n"
             "      principal = Workload::\"spiffe://prod.example/rag\"\n"
             "      ancestors of principal = [TrustDomain::\"prod.example\"]\n");
}

static void an_allowed_request_says_what_held(void **state)
{
    (void)state;
    cmd_expect(0, ASK " --context small.json --json");
    struct json_doc *doc = json_parse(span_str(cmd.out), NULL, NULL);
    assert_non_null(doc);
    json small = json_at(json_get(json_root(doc), SPAN("policies")), 1);
    assert_true(span_eq(json_string(json_get(small, SPAN("policy"))), SPAN("small")));
    assert_true(span_eq(json_string(json_get(small, SPAN("became"))), SPAN("held")));
    assert_int_equal(json_count(json_get(small, SPAN("because"))), 3);
    json_free(doc);
}

static void an_error_says_where_and_what_was_missing(void **state)
{
    (void)state;
    cmd_expect(1, ASK " --context none.json");
    cmd_says("a forbid could not be evaluated");
    cmd_says(
        "16:10  [\"dpop\", \"both\"].contains(context.token.bound_to)  error: the record has no attribute 'token'");
    assert_null(strstr(cmd.out, "nearest"));
}

static void what_the_compiler_left_out_is_not_evaluated(void **state)
{
    (void)state;
    // The entity and the type in the dead parts have no number in the set.
    cmd_put(
        "p.cedar",
        "permit(principal, action, resource) when { false && principal == Never::\"seen\" };\n"
        "permit(principal, action, resource) when { if true then principal has nope else principal in Other::\"x\" };\n"
        "permit(principal, action, resource) when { principal has tenant } when { true } unless { true } "
        "when { resource == Dead::\"y\" };\n",
        0600);
    cmd_expect(1, ASK);
    cmd_says("false  is false");
    cmd_says("principal has nope  is false");
}

static void a_policy_that_is_tried_out_is_told_apart_and_grants_nothing(void **state)
{
    (void)state;
    cmd_put("p.cedar",
            "@id(\"wide\") @mode(\"shadow\")\npermit (principal, action, resource);\n"
            "@id(\"docs\")\npermit (principal, action == Action::\"search\", resource == Collection::\"other\");\n",
            0600);
    cmd_expect(1, ASK " --context small.json");
    cmd_says("nearest to permitting:\n  permit docs (p.cedar:4)");
    cmd_says("permit wide (p.cedar:2): tried out, has no say: holds, it has no condition\n");
    cmd_run("policy analyze --policies p.cedar");
    assert_null(strstr(cmd.out, "wide"));
}

static void a_record_of_an_audit_log_is_explained_by_its_own_facts(void **state)
{
    (void)state;
    cmd_put("audit.jsonl", "{\"kind\":\"handshake\"}\n" RECORD("r1", "dpop", 50) RECORD("r2", "dpop", 500), 0600);
    cmd_expect(0, "policy explain --policies p.cedar --audit audit.jsonl --request-id r1");
    cmd_says("recorded 2026-11-22T04:00:00.000Z: allow\n");
    cmd_expect(1, "policy explain --policies p.cedar --audit audit.jsonl --request-id r2");
    cmd_says("context.request.limit = 500");
    cmd_expect(2, "policy explain --policies p.cedar --audit audit.jsonl --request-id r3");
    cmd_complains("no record of request r3");
    cmd_expect(2, "policy explain --policies p.cedar --audit audit.jsonl");
}

static void diff_shows_each_decision_that_would_change(void **state)
{
    (void)state;
    cmd_put("audit.jsonl",
            RECORD("r1", "dpop", 10) RECORD("r2", "dpop", 60) RECORD("r3", "dpop", 500)
                RECORD("r4", "nothing", 10) "{\"kind\":\"handshake\"}\n",
            0600);
    cmd_put(
        "q.cedar",
        "@id(\"tiny\") permit (principal, action == Action::\"search\", resource) when { context.request.limit <= 50 };"
        "@id(\"bound-only\") forbid (principal, action, resource) unless { context.token.bound_to == \"dpop\" };",
        0600);
    cmd_expect(1, "policy diff p.cedar q.cedar --requests audit.jsonl");
    cmd_says("audit.jsonl:2: r2  Workload::\"spiffe://prod.example/rag\"  Action::\"search\"  Collection::\"docs\"\n"
             "  old  allow  a policy permits it: small\n"
             "  new  deny   no policy permits the request\n");
    cmd_says("4 requests of 4 records: 1 would change, 1 would be decided the same by other policies\n");
    cmd_expect(0, "policy diff p.cedar p.cedar --requests audit.jsonl --json");
    cmd_says("\"changed\":0");
    cmd_put("audit.jsonl", RECORD("r1", "dpop", 10) "{\"inputs\":[", 0600);
    cmd_expect(2, "policy diff p.cedar p.cedar --requests audit.jsonl");
    cmd_complains("audit.jsonl:2:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_denial_names_what_the_nearest_permits_lacked_with_the_values, case_init,
                                        cmd_fini),
        cmocka_unit_test_setup_teardown(a_scope_that_does_not_fit_is_shown_with_its_ancestors, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(an_allowed_request_says_what_held, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(an_error_says_where_and_what_was_missing, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(what_the_compiler_left_out_is_not_evaluated, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(a_policy_that_is_tried_out_is_told_apart_and_grants_nothing, case_init,
                                        cmd_fini),
        cmocka_unit_test_setup_teardown(a_record_of_an_audit_log_is_explained_by_its_own_facts, case_init, cmd_fini),
        cmocka_unit_test_setup_teardown(diff_shows_each_decision_that_would_change, case_init, cmd_fini),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// From policies to the answer: which win, what is reported, and that the files by entity change nothing but the time.
#include "tests/unit/policy/support.h"

static const char world[] =
    "[{\"uid\":{\"type\":\"Action\",\"id\":\"search\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readonly\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"read\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readonly\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"write\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readwrite\"}]},"
    "{\"uid\":{\"type\":\"Action\",\"id\":\"readonly\"},\"parents\":[{\"type\":\"Action\",\"id\":\"readwrite\"}]},"
    "{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"parents\":[{\"type\":\"Role\",\"id\":\"staff\"}]},"
    "{\"uid\":{\"type\":\"Role\",\"id\":\"staff\"},\"parents\":[{\"type\":\"Role\",\"id\":\"all\"}]},"
    "{\"uid\":{\"type\":\"Doc\",\"id\":\"d\"},\"attrs\":{\"tenant\":\"acme\"},\"parents\":[{\"type\":\"Folder\",\"id\":"
    "\"f\"}]}]";

static void decide(struct fixture *f, enum pol_mode mode, const char *principal, const char *action,
                   const char *resource)
{
    fixture_again(f);
    ask(f, principal, action, resource);
    pol_decide(&f->r, mode, 0, &f->a);
}

static bool determined_by(const struct fixture *f, const char *ids)
{
    char text[256] = "";

    for (size_t i = 0; i < f->a.n_determining; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.*s", i ? " " : "",
                 SPAN_FMT(pol_answer_id(&f->r, &f->a, i)));
    if (strcmp(text, ids) != 0)
        print_error("determined by '%s'\n", text);
    return strcmp(text, ids) == 0;
}

static void rule36_deny_is_the_default(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "", NULL);
    ask(&f, "ann", "read", "d");
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), ERR_POLICY_NO_PERMIT);
    assert_false(f.a.allow);
    assert_int_equal(f.a.n_determining, 0);
    fixture_fini(&f);
}

static void rule36_forbid_beats_permit(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(
        &f,
        "permit(principal, action, resource); forbid(principal == User::\"ann\", action, resource);"
        "permit(principal == User::\"ann\", action, resource); forbid(principal, action, resource in Folder::\"f\");",
        world);
    decide(&f, POL_MODE_GATEWAY, "ann", "read", "d");
    assert_int_equal(f.a.err, ERR_POLICY_FORBID);
    assert_false(f.a.allow);
    assert_true(determined_by(&f, "policy1 policy3"));
    decide(&f, POL_MODE_GATEWAY, "bob", "read", "other");
    assert_true(f.a.allow);
    assert_int_equal(f.a.err, 0);
    assert_true(determined_by(&f, "policy0"));
    decide(&f, POL_MODE_GATEWAY, "ann", "read", "other");
    assert_true(determined_by(&f, "policy1"));
    fixture_fini(&f);
}

static void rule36_gateway_denies_when_a_forbid_errors(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal, action, resource);\nforbid(principal, action, resource)\nwhen { context.missing };",
                 NULL);
    decide(&f, POL_MODE_CEDAR, "ann", "read", "d");
    assert_true(f.a.allow);
    assert_int_equal(f.a.forbid_errors, 1);
    decide(&f, POL_MODE_GATEWAY, "ann", "read", "d");
    assert_false(f.a.allow);
    assert_int_equal(f.a.err, ERR_POLICY_FORBID_ERROR);
    assert_int_equal(f.a.n_determining, 0);
    assert_int_equal(f.a.n_failures, 1);
    assert_int_equal(f.a.failures[0].policy, 1);
    assert_int_equal(f.a.failures[0].line, 3);
    assert_int_equal(f.a.failures[0].column, 16);
    assert_string_equal(f.a.failures[0].text.p, "the record has no attribute 'missing'");
    fixture_fini(&f);
}

static void erroring_permit_is_skipped_and_counted(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal, action, resource) when { context.missing };"
                 "permit(principal, action, resource);"
                 "permit(principal, action, resource) when { 1 < \"\" };",
                 NULL);
    decide(&f, POL_MODE_GATEWAY, "ann", "read", "d");
    assert_true(f.a.allow);
    assert_int_equal(f.a.permit_errors, 2);
    assert_int_equal(f.a.forbid_errors, 0);
    assert_true(determined_by(&f, "policy1"));
    fixture_fini(&f);
}

static void scope_is_looked_at_before_the_condition(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f, "permit(principal == User::\"bob\", action, resource) when { context.missing };", NULL);
    decide(&f, POL_MODE_CEDAR, "ann", "read", "d");
    assert_int_equal(f.a.n_failures, 0);
    assert_int_equal(f.a.candidates, 0);
    fixture_fini(&f);
}

static void budget_that_runs_out_denies(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal, action, resource);"
                 "permit(principal, action, resource) when { context.a == 1 || context.a == 2 || context.a == 3 };",
                 NULL);
    for (int mode = POL_MODE_GATEWAY; mode <= POL_MODE_CEDAR; mode++) {
        fixture_again(&f);
        ask(&f, "ann", "read", "d");
        pol_request_context(&f.r, SPAN("a"), pol_long(9));
        assert_int_equal(pol_decide(&f.r, (enum pol_mode)mode, 8, &f.a), ERR_POLICY_BUDGET);
        assert_false(f.a.allow);
        assert_int_equal(f.a.n_determining, 0);
        assert_int_equal(pol_decide(&f.r, (enum pol_mode)mode, 100, &f.a), 0);
        assert_true(f.a.allow);
    }
    fixture_fini(&f);
}

static void large_sets_count_against_the_budget(void **state)
{
    struct pol_value *items = calloc(60000, sizeof *items);
    struct fixture f;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource) when { context.a == context.b };", NULL);
    ask(&f, "ann", "read", "d");
    for (int i = 0; i < 60000; i++)
        items[i] = pol_long(i);
    pol_request_context(&f.r, SPAN("a"), pol_request_set(&f.r, items, 60000));
    pol_request_context(&f.r, SPAN("b"), pol_request_set(&f.r, items, 60000));
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 50000, &f.a), ERR_POLICY_BUDGET);
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    free(items);
    fixture_fini(&f);
}

static void action_groups_are_parents_of_actions(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "@id(\"ro\") permit(principal, action in Action::\"readonly\", resource);"
                 "@id(\"rw\") permit(principal, action in [Action::\"readwrite\", Action::\"admin\", "
                 "Action::\"readonly\"], resource);",
                 world);
    decide(&f, POL_MODE_GATEWAY, "ann", "search", "d");
    assert_true(determined_by(&f, "ro rw"));
    decide(&f, POL_MODE_GATEWAY, "ann", "write", "d");
    assert_true(determined_by(&f, "rw"));
    decide(&f, POL_MODE_GATEWAY, "ann", "drop", "d");
    assert_false(f.a.allow);
    decide(&f, POL_MODE_GATEWAY, "ann", "readonly", "d");
    assert_true(determined_by(&f, "ro rw"));
    fixture_fini(&f);
}

static void policy_listed_under_several_actions_counts_once(void **state)
{
    struct fixture f;

    (void)state;
    fixture_init(&f,
                 "permit(principal, action in [Action::\"search\", Action::\"readonly\", Action::\"readwrite\"], "
                 "resource) when { context.missing };",
                 world);
    decide(&f, POL_MODE_CEDAR, "ann", "search", "d");
    assert_int_equal(f.a.n_failures, 1);
    assert_int_equal(f.a.candidates, 1);
    fixture_fini(&f);
}

// The same policies, each once plain and once with a condition that keeps it out of no file, over every combination of scopes.
static void files_find_what_looking_at_every_policy_finds(void **state)
{
    static const char *const principals[] = {
        "principal",         "principal == User::\"ann\"",           "principal in Role::\"all\"",
        "principal is User", "principal is User in Role::\"staff\"", "principal in Role::\"none\"",
        "principal is Robot"
    };
    static const char *const actions[] = { "action", "action == Action::\"search\"", "action in Action::\"readwrite\"",
                                           "action in [Action::\"read\", Action::\"write\"]", "action in []" };
    static const char *const resources[] = { "resource", "resource == Doc::\"d\"", "resource in Folder::\"f\"",
                                             "resource is Doc", "resource is Doc in Folder::\"f\"" };
    static const char *const asked[][3] = {
        { "ann", "search", "d" }, { "bob", "read", "e" }, { "ann", "write", "e" }, { "bob", "drop", "d" }
    };
    size_t n = 0;
    char *text = calloc(1, 65536), *end = text;
    struct fixture f, one;

    (void)state;
    for (size_t p = 0; p < 7; p++)
        for (size_t a = 0; a < 5; a++)
            for (size_t r = 0; r < 5; r++, n++)
                end += sprintf(end, "permit(%s, %s, %s);\n", principals[p], actions[a], resources[r]);
    fixture_init(&f, text, world);
    for (size_t q = 0; q < 4; q++) {
        size_t found = 0;

        decide(&f, POL_MODE_GATEWAY, asked[q][0], asked[q][1], asked[q][2]);
        // Alone in its set a policy is found whatever it is filed under, or the vectors of Cedar would not hold.
        for (size_t i = 0; i < n; i++) {
            char single[512];

            snprintf(single, sizeof single, "permit(%s, %s, %s);", principals[i / 25], actions[i / 5 % 5],
                     resources[i % 5]);
            fixture_init(&one, single, world);
            decide(&one, POL_MODE_GATEWAY, asked[q][0], asked[q][1], asked[q][2]);
            if (one.a.allow) {
                assert_true(found < f.a.n_determining);
                assert_int_equal(f.a.determining[found], i);
                found++;
            }
            fixture_fini(&one);
        }
        assert_int_equal(found, f.a.n_determining);
        assert_true(found > 0);
    }
    fixture_fini(&f);
    free(text);
}

static void only_candidates_cost_steps(void **state)
{
    char *text = calloc(1, 1 << 20), *end = text;
    struct fixture f;

    (void)state;
    for (int i = 0; i < 5000; i++)
        end += sprintf(
            end, "permit(principal == User::\"u%d\", action, resource) when { resource.tenant == \"acme\" };\n", i);
    fixture_init(&f, text, world);
    decide(&f, POL_MODE_GATEWAY, "u4321", "read", "d");
    assert_true(f.a.allow);
    assert_int_equal(f.a.candidates, 1);
    assert_true(f.a.steps < 20);
    fixture_fini(&f);
    free(text);
}

static void arena_that_is_full_denies(void **state)
{
    struct fixture f;
    bool allowed = false;

    (void)state;
    fixture_init(&f, "permit(principal, action, resource) when { [context.a].contains(1) };", world);
    for (size_t limit = 1; limit < 16384 && !allowed; limit += 32) {
        struct arena small;

        arena_init(&small, limit);
        pol_request_init(&f.r, f.set, &small);
        ask(&f, "ann", "read", "d");
        pol_request_context(&f.r, SPAN("a"), pol_long(1));
        pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a);
        assert_true(f.a.allow ? f.a.err == 0 : f.a.err == ERR_NOMEM);
        allowed = f.a.allow;
        arena_fini(&small);
    }
    assert_true(allowed);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule36_deny_is_the_default),
        cmocka_unit_test(rule36_forbid_beats_permit),
        cmocka_unit_test(rule36_gateway_denies_when_a_forbid_errors),
        cmocka_unit_test(erroring_permit_is_skipped_and_counted),
        cmocka_unit_test(scope_is_looked_at_before_the_condition),
        cmocka_unit_test(budget_that_runs_out_denies),
        cmocka_unit_test(large_sets_count_against_the_budget),
        cmocka_unit_test(action_groups_are_parents_of_actions),
        cmocka_unit_test(policy_listed_under_several_actions_counts_once),
        cmocka_unit_test(files_find_what_looking_at_every_policy_finds),
        cmocka_unit_test(only_candidates_cost_steps),
        cmocka_unit_test(arena_that_is_full_denies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

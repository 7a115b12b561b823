// SPDX-License-Identifier: GPL-3.0-or-later
// A team's policies say nothing about what is not the team's: in every form that a scope has, as permits and as forbids, in templates and their links.
#include "tests/unit/policy/support.h"

#include "policy/links_json.h"

// a owns the folder docs and what is in it, and through its part `a/b` the document deep.
#define ENTITIES                                                                                                     \
    "[{\"uid\":{\"type\":\"Doc\",\"id\":\"one\"},\"attrs\":{},\"parents\":[{\"type\":\"Folder\",\"id\":\"docs\"}]}," \
    "{\"uid\":{\"type\":\"Folder\",\"id\":\"docs\"},\"attrs\":{},\"parents\":[{\"type\":\"NS\",\"id\":\"a\"}]},"     \
    "{\"uid\":{\"type\":\"Doc\",\"id\":\"deep\"},\"attrs\":{},\"parents\":[{\"type\":\"NS\",\"id\":\"a/b\"}]},"      \
    "{\"uid\":{\"type\":\"NS\",\"id\":\"a/b\"},\"attrs\":{},\"parents\":[{\"type\":\"NS\",\"id\":\"a\"}]},"          \
    "{\"uid\":{\"type\":\"NS\",\"id\":\"a\"},\"attrs\":{},\"parents\":[{\"type\":\"NS\",\"id\":\"all\"}]},"          \
    "{\"uid\":{\"type\":\"Doc\",\"id\":\"other\"},\"attrs\":{},\"parents\":[{\"type\":\"NS\",\"id\":\"b\"}]}]"

static const struct pol_owner team_a = {
    .name = SPAN("team-a"), .within = { SPAN("NS"), SPAN("a") }, .first = 1, .n = 1
};

// The platform's text, which may speak of everything, then the team's.
static void loaded(struct fixture *f, const char *platform, const char *team, const char *links)
{
    struct pol_options o = { .owners = &team_a, .n_owners = 1, .hash_key = 3 };
    struct pol_source p[] = { { SPAN("platform.cedar"), span_str(platform) }, { SPAN("a.cedar"), span_str(team) } };
    struct pol_source e = { SPAN("e.json"), SPAN(ENTITIES) }, l = { SPAN("links.json"), span_str(links ? links : "") };

    diags_init(&f->diags);
    arena_init(&f->arena, 0);
    f->set = NULL;
    if (!links || pol_links_read(&l, &f->arena, &o.links, &o.n_links, &f->diags))
        f->set = pol_set_new(p, 2, &e, 1, &o, &f->diags);
    if (f->set)
        pol_request_init(&f->r, f->set, &f->arena);
}

static bool loads(const char *team)
{
    struct fixture f;
    bool ok;

    loaded(&f, "permit(principal, action, resource);", team, NULL);
    ok = f.set != NULL;
    assert_true(ok || f.diags.errors == 1);
    assert_true(ok || strstr(complaint(&f), ": error: policies of team-a may only speak of what is in NS::\"a\""));
    fixture_fini(&f);
    return ok;
}

static void a_scope_within_what_the_team_owns_is_accepted_in_every_form(void **state)
{
    (void)state;
    assert_true(loads("permit(principal, action, resource == NS::\"a\");"));
    assert_true(loads("permit(principal, action, resource in NS::\"a\");"));
    assert_true(loads("permit(principal, action, resource is Doc in NS::\"a\");"));
    assert_true(loads("permit(principal, action, resource == Folder::\"docs\");"));
    assert_true(loads("permit(principal, action, resource in Folder::\"docs\");"));
    assert_true(loads("permit(principal, action, resource is Doc in Folder::\"docs\");"));
    assert_true(loads("forbid(principal, action, resource in NS::\"a\");"));
    assert_true(loads(""));
}

static void parents_are_followed_through(void **state)
{
    (void)state;
    assert_true(loads("permit(principal, action, resource == Doc::\"one\");"));
    assert_true(loads("permit(principal, action, resource in NS::\"a/b\");"));
    assert_true(loads("permit(principal, action, resource == Doc::\"deep\");"));
}

static void a_policy_about_everything_is_refused(void **state)
{
    (void)state;
    assert_false(loads("permit(principal, action, resource);"));
    assert_false(loads("permit(principal, action, resource is Doc);"));
    // What a condition says is not looked at: it may fail, and a forbid that fails denies.
    assert_false(loads("permit(principal, action, resource) when { resource in NS::\"a\" };"));
    // Neither are principals of the team's.
    assert_false(loads("permit(principal in NS::\"a\", action, resource);"));
}

static void what_another_team_owns_is_refused_in_every_form(void **state)
{
    (void)state;
    assert_false(loads("permit(principal, action, resource == Doc::\"other\");"));
    assert_false(loads("permit(principal, action, resource in NS::\"b\");"));
    assert_false(loads("permit(principal, action, resource is Doc in NS::\"b\");"));
    assert_false(loads("permit(principal, action, resource in NS::\"all\");")); // above it
    assert_false(loads("permit(principal, action, resource == Doc::\"nowhere\");"));
    assert_false(loads("permit(principal, action, resource in Folder::\"a\");")); // another type
}

static void a_forbid_is_confined_as_a_permit_is(void **state)
{
    (void)state;
    assert_false(loads("forbid(principal, action, resource);"));
    assert_false(loads("forbid(principal, action, resource in NS::\"b\");"));
    assert_false(loads("@mode(\"shadow\") forbid(principal, action, resource is Doc);"));
    // Constantly false, and all the same none of the team's.
    assert_false(loads("forbid(principal, action, resource) when { false };"));
}

static void every_fault_is_named_at_its_place_with_what_to_write(void **state)
{
    struct fixture f;

    (void)state;
    loaded(&f, "",
           "permit(principal, action, resource in NS::\"a\");\n  forbid(principal, action, resource == NS::\"b\");\n"
           "permit(principal, action, resource);",
           NULL);
    assert_null(f.set);
    assert_int_equal(f.diags.errors, 2);
    assert_string_equal(complaint(&f),
                        "a.cedar:2:3: error: policies of team-a may only speak of what is in NS::\"a\", and "
                        "NS::\"b\" is not, by the entities; put it there, or write `resource in NS::\"a\"`");
    assert_string_equal(
        diag_format(&f.arena, f.diags.first->next).p,
        "a.cedar:3:1: error: policies of team-a may only speak of what is in NS::\"a\"; write `resource in "
        "NS::\"a\"`");
    fixture_fini(&f);
}

static void the_platforms_own_policies_are_not_confined(void **state)
{
    struct fixture f;

    (void)state;
    loaded(&f, "permit(principal, action, resource == Doc::\"other\");",
           "forbid(principal, action, resource in NS::\"a\");", NULL);
    assert_non_null(f.set);
    ask(&f, "ann", "read", "other");
    assert_true(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a) == 0 && f.a.allow);
    fixture_fini(&f);
}

// The team's forbid would fail for every resource, and failing denies: but it is not asked about what others own.
static void a_teams_broken_forbid_denies_nobody_else(void **state)
{
    struct fixture f;

    (void)state;
    loaded(&f, "permit(principal, action, resource);",
           "forbid(principal, action, resource in NS::\"a\") when { principal.nothing };", NULL);
    assert_non_null(f.set);
    ask(&f, "ann", "read", "other");
    assert_true(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a) == 0 && f.a.allow);
    fixture_again(&f);
    ask(&f, "ann", "read", "deep");
    pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a);
    assert_false(f.a.allow);
    fixture_fini(&f);
}

static uint32_t steps_about_other(const char *team)
{
    struct fixture f;
    uint32_t steps;

    loaded(&f, "permit(principal, action, resource);", team, NULL);
    assert_non_null(f.set);
    ask(&f, "ann", "read", "other");
    assert_true(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a) == 0 && f.a.allow);
    steps = f.a.steps;
    fixture_fini(&f);
    return steps;
}

// Many of them would use up the steps of everybody's requests, and what goes over its budget is denied.
static void a_teams_policies_take_no_step_of_a_request_about_anothers_resource(void **state)
{
    static const char team[] =
        "@id(\"1\") permit(principal == User::\"ann\", action, resource in NS::\"a\");"
        "@id(\"2\") forbid(principal, action == Action::\"read\", resource in NS::\"a\");"
        "@id(\"3\") forbid(principal, action in [Action::\"read\", Action::\"write\"], resource in NS::\"a\");"
        "@id(\"4\") permit(principal == User::\"ann\", action, resource is Doc in NS::\"a\");";

    (void)state;
    assert_int_equal(steps_about_other(team), steps_about_other(""));
}

// A request may put its resource into more, never out of what the entities say.
static void what_a_request_brings_takes_nothing_out_of_the_teams_scope(void **state)
{
    struct fixture f;

    (void)state;
    loaded(&f, "", "permit(principal, action, resource in Folder::\"docs\");", NULL);
    assert_non_null(f.set);
    pol_request_principal(&f.r, SPAN("User"), SPAN("ann"));
    pol_request_action(&f.r, SPAN("Action"), SPAN("read"));
    struct pol_entity *e = pol_request_resource(&f.r, SPAN("Doc"), SPAN("one"));
    pol_request_parent(&f.r, e, SPAN("NS"), SPAN("b"));
    pol_request_context(&f.r, SPAN("parents"), pol_long(0));
    assert_true(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a) == 0 && f.a.allow);
    fixture_again(&f);
    ask(&f, "ann", "read", "other");
    pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a);
    assert_false(f.a.allow);
    fixture_fini(&f);
}

#define LINK(resource) \
    "[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{\"?resource\":{\"type\":\"NS\",\"id\":\"" resource "\"}}}]"
#define TEMPLATE "@id(\"t\") permit(principal, action, resource in ?resource);"

static void a_template_is_confined_by_what_its_links_say(void **state)
{
    struct fixture f;

    (void)state;
    loaded(&f, "", TEMPLATE, LINK("a/b"));
    assert_non_null(f.set);
    fixture_fini(&f);
    loaded(&f, "", TEMPLATE, LINK("b"));
    assert_null(f.set);
    assert_int_equal(f.diags.errors, 1);
    assert_string_equal(
        complaint(&f),
        "links.json: error: the link 'l': policies of team-a may only speak of what is in NS::\"a\", and NS::\"b\" "
        "is not, by the entities; put it there, or write `resource in NS::\"a\"`");
    fixture_fini(&f);
    // The same template is the platform's to link as it likes.
    loaded(&f, TEMPLATE, "", LINK("b"));
    assert_non_null(f.set);
    fixture_fini(&f);
}

static void a_template_about_everything_is_refused_linked_or_not(void **state)
{
    static const char wide[] = "@id(\"t\") permit(principal == ?principal, action, resource);";
    static const char link[] =
        "[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{\"?principal\":{\"type\":\"User\",\"id\":\"ann\"}}}]";
    struct fixture f;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        loaded(&f, "", wide, i ? link : NULL);
        assert_null(f.set);
        assert_int_equal(f.diags.errors, 1);
        assert_non_null(
            strstr(diag_format(&f.arena, f.diags.last).p, "a.cedar:1:10: error: policies of team-a may only"));
        fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_within_what_the_team_owns_is_accepted_in_every_form),
        cmocka_unit_test(parents_are_followed_through),
        cmocka_unit_test(a_policy_about_everything_is_refused),
        cmocka_unit_test(what_another_team_owns_is_refused_in_every_form),
        cmocka_unit_test(a_forbid_is_confined_as_a_permit_is),
        cmocka_unit_test(every_fault_is_named_at_its_place_with_what_to_write),
        cmocka_unit_test(the_platforms_own_policies_are_not_confined),
        cmocka_unit_test(a_teams_broken_forbid_denies_nobody_else),
        cmocka_unit_test(a_teams_policies_take_no_step_of_a_request_about_anothers_resource),
        cmocka_unit_test(what_a_request_brings_takes_nothing_out_of_the_teams_scope),
        cmocka_unit_test(a_template_is_confined_by_what_its_links_say),
        cmocka_unit_test(a_template_about_everything_is_refused_linked_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

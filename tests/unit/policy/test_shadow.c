// SPDX-License-Identifier: GPL-3.0-or-later
// Shadow policies: asked, reported, and without any say.
#include "tests/unit/policy/support.h"

#define SHADOW "@mode(\"shadow\") "
#define ANYBODY "(principal, action, resource)"

static void shadow_init(struct fixture *f, const char *policies)
{
    fixture_try(f, policies, NULL, &strict_);
    if (!f->set)
        print_error("%s\n", complaint(f));
    assert_non_null(f->set);
    ask(f, "ann", "read", "d");
}

// What is decided, and what would have been, by which shadow policies.
struct row {
    const char *policies;
    int err, would;
    bool differs;
    const char *by; // "a b"
};

static void assert_row(const struct row *row)
{
    struct fixture f;
    char by[256] = "";

    shadow_init(&f, row->policies);
    pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a);
    assert_int_equal(f.a.err, row->err);
    assert_int_equal(f.a.allow, row->err == 0);
    assert_int_equal(f.r.err, 0);
    assert_int_equal(f.a.shadow.err, row->would);
    assert_int_equal(f.a.shadow.differs, row->differs);
    assert_int_equal(pol_answer_would_allow(&f.a), row->would == 0);
    for (size_t i = 0; i < f.a.shadow.n; i++)
        sprintf(by + strlen(by), "%s%.*s", i ? " " : "", SPAN_FMT(pol_set_policy(f.set, f.a.shadow.policies[i])->id));
    assert_string_equal(by, row->by);
    fixture_fini(&f);
}

#define PERMIT "@id(\"p\") permit" ANYBODY ";\n"
#define S_PERMIT SHADOW "@id(\"sp\") permit" ANYBODY ";\n"
#define S_FORBID SHADOW "@id(\"sf\") forbid" ANYBODY ";\n"
#define WHEN_ERROR " when { context.absent };\n"

static void shadow_policies_never_decide_and_say_what_they_would(void **state)
{
    static const struct row rows[] = {
        // A permit that is tried out does not permit, a forbid does not forbid.
        { S_PERMIT, ERR_POLICY_NO_PERMIT, 0, true, "sp" },
        { PERMIT S_FORBID, 0, ERR_POLICY_FORBID, true, "sf" },
        { PERMIT S_PERMIT, 0, 0, false, "sp" },
        { S_FORBID, ERR_POLICY_NO_PERMIT, ERR_POLICY_FORBID, false, "sf" },
        { S_PERMIT S_FORBID, ERR_POLICY_NO_PERMIT, ERR_POLICY_FORBID, false, "sf" },
        { "forbid" ANYBODY ";" S_PERMIT, ERR_POLICY_FORBID, ERR_POLICY_FORBID, false, "" },
        // Nor does one that cannot be evaluated deny, as a forbid in force would.
        { PERMIT SHADOW "@id(\"sf\") forbid" ANYBODY WHEN_ERROR, 0, ERR_POLICY_FORBID_ERROR, true, "sf" },
        { PERMIT SHADOW "permit" ANYBODY WHEN_ERROR, 0, 0, false, "" },
        { "forbid" ANYBODY WHEN_ERROR S_PERMIT, ERR_POLICY_FORBID_ERROR, ERR_POLICY_FORBID_ERROR, false, "" },
        { "forbid" ANYBODY WHEN_ERROR PERMIT S_FORBID, ERR_POLICY_FORBID_ERROR, ERR_POLICY_FORBID, false, "sf" },
        // Of others, or false: nothing.
        { PERMIT SHADOW "forbid(principal == User::\"bob\", action, resource);", 0, 0, false, "" },
        { PERMIT SHADOW "forbid" ANYBODY " when { false };", 0, 0, false, "" },
        { SHADOW "permit" ANYBODY " when { principal == User::\"bob\" };", ERR_POLICY_NO_PERMIT, ERR_POLICY_NO_PERMIT,
          false, "" },
        // Filed by any part of the scope, and several: in their order.
        { PERMIT SHADOW
          "@id(\"a\") forbid(principal == User::\"ann\", action, resource);" SHADOW
          "@id(\"b\") forbid(principal, action in [Action::\"write\", Action::\"read\"], resource);" SHADOW
          "@id(\"c\") forbid(principal, action, resource == Doc::\"d\");",
          0, ERR_POLICY_FORBID, true, "a b c" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_row(&rows[i]);
}

static void a_set_without_shadows_reports_none(void **state)
{
    struct fixture f;

    (void)state;
    shadow_init(&f, PERMIT);
    assert_int_equal(pol_set_shadows(f.set), 0);
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    assert_false(f.a.shadow.differs);
    assert_int_equal(f.a.shadow.n + f.a.shadow.errors, 0);
    fixture_fini(&f);
}

static void errors_of_shadows_are_counted_apart(void **state)
{
    struct fixture f;

    (void)state;
    shadow_init(&f, PERMIT SHADOW "permit" ANYBODY WHEN_ERROR SHADOW "forbid" ANYBODY WHEN_ERROR);
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    assert_int_equal(f.a.shadow.errors, 2);
    assert_int_equal(f.a.permit_errors + f.a.forbid_errors + f.a.n_failures, 0);
    fixture_fini(&f);
}

// A set that takes many steps to look through, `n` times.
static char *costly(const char *head, unsigned n)
{
    struct buf b;

    buf_init(&b, 0);
    buf_printf(&b, "%s", head);
    for (unsigned i = 0; i < n; i++)
        buf_printf(&b, "%s%u", i ? ", " : "", i);
    buf_printf(&b, "].contains(context.n) };%c", 0);
    return b.base;
}

static void what_shadows_spend_is_not_the_decisions(void **state)
{
    char *text = costly(PERMIT SHADOW "@id(\"sf\") forbid" ANYBODY " when { [context.n, ", 2000);
    struct fixture f;

    (void)state;
    shadow_init(&f, text);
    pol_request_context(&f.r, SPAN("n"), pol_long(-1));
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 100, &f.a), 0);
    assert_true(f.a.allow);
    assert_true(f.a.steps < 20);
    assert_true(f.a.shadow.differs);
    assert_int_equal(f.a.shadow.err, ERR_POLICY_BUDGET);
    assert_int_equal(f.a.shadow.n, 1);
    assert_int_equal(f.r.err, 0);
    fixture_fini(&f);
    free(text);
}

static void memory_that_shadows_lack_does_not_fail_the_request(void **state)
{
    struct fixture f;

    (void)state;
    shadow_init(&f, PERMIT S_FORBID);
    f.arena.limit = f.arena.used + 48; // enough for the permit that is noted, not for the forbid
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    assert_true(f.a.allow);
    assert_int_equal(f.r.err, 0);
    assert_false(f.arena.failed);
    assert_int_equal(f.a.shadow.err, ERR_POLICY_BUDGET);
    f.arena.limit = 0;
    fixture_fini(&f);
}

static void to_cedar_a_shadow_is_a_policy_and_to_the_lax_no_mode_is(void **state)
{
    struct fixture f;

    (void)state;
    shadow_init(&f, PERMIT S_FORBID);
    assert_int_equal(pol_decide(&f.r, POL_MODE_CEDAR, 0, &f.a), ERR_POLICY_FORBID);
    assert_int_equal(f.a.n_determining, 1);
    assert_int_equal(f.a.shadow.n, 0);
    fixture_fini(&f);
    fixture_init(&f, PERMIT S_FORBID "@mode(\"whatever\") permit" ANYBODY ";", NULL);
    ask(&f, "ann", "read", "d");
    assert_int_equal(pol_set_shadows(f.set), 0);
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), ERR_POLICY_FORBID);
    fixture_fini(&f);
}

static void links_of_a_shadow_template_are_shadows(void **state)
{
    static const struct pol_link link = {
        .template_id = SPAN("t"), .id = SPAN("l"), .principal = { SPAN("User"), SPAN("ann") }, .file = SPAN("links")
    };
    static const struct pol_options options = { .strict_annotations = true, .links = &link, .n_links = 1 };
    struct fixture f;

    (void)state;
    fixture_try(&f, SHADOW "@id(\"t\") permit(principal == ?principal, action, resource);", NULL, &options);
    assert_non_null(f.set);
    ask(&f, "ann", "read", "d");
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), ERR_POLICY_NO_PERMIT);
    assert_true(f.a.shadow.differs);
    assert_true(span_eq(pol_set_policy(f.set, f.a.shadow.policies[0])->id, SPAN("l")));
    fixture_fini(&f);
}

static void more_shadows_than_can_be_asked_each_time_do_not_load(void **state)
{
    struct buf b;
    struct fixture f;

    (void)state;
    buf_init(&b, 0);
    for (unsigned i = 0; i <= POL_SHADOWS_MAX; i++)
        buf_printf(&b, "%s", SHADOW "forbid" ANYBODY ";\n");
    buf_byte(&b, 0);
    assert_refused(b.base, NULL, &strict_,
                   "p.cedar:1025:17: error: more than 1024 policies with @mode(\"shadow\"); try fewer out at a time");
    b.base[b.end - 1 - strlen(SHADOW "forbid" ANYBODY ";\n")] = 0;
    shadow_init(&f, b.base);
    assert_int_equal(pol_set_shadows(f.set), POL_SHADOWS_MAX);
    fixture_fini(&f);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shadow_policies_never_decide_and_say_what_they_would),
        cmocka_unit_test(a_set_without_shadows_reports_none),
        cmocka_unit_test(errors_of_shadows_are_counted_apart),
        cmocka_unit_test(what_shadows_spend_is_not_the_decisions),
        cmocka_unit_test(memory_that_shadows_lack_does_not_fail_the_request),
        cmocka_unit_test(to_cedar_a_shadow_is_a_policy_and_to_the_lax_no_mode_is),
        cmocka_unit_test(links_of_a_shadow_template_are_shadows),
        cmocka_unit_test(more_shadows_than_can_be_asked_each_time_do_not_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

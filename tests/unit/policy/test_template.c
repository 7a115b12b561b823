// SPDX-License-Identifier: GPL-3.0-or-later
// Templates and their links: what a link makes of a template, and what it may not.
#include "tests/unit/policy/support.h"

#include "policy/links_json.h"

static const char entities[] =
    "[{\"uid\":{\"type\":\"User\",\"id\":\"ann\"},\"attrs\":{\"n\":1},\"parents\":[{\"type\":"
    "\"Team\",\"id\":\"red\"}]}]";

static void linked_try(struct fixture *f, const char *policies, const char *links)
{
    struct pol_source p = { SPAN("p.cedar"), span_str(policies) }, e = { SPAN("e.json"), span_str(entities) };
    struct pol_source l = { SPAN("l.json"), span_str(links) };
    struct pol_options o = lax_;

    *f = (struct fixture){ 0 };
    diags_init(&f->diags);
    arena_init(&f->arena, 0);
    if (!pol_links_read(&l, &f->arena, &o.links, &o.n_links, &f->diags))
        return;
    f->set = pol_set_new(&p, 1, &e, 1, &o, &f->diags);
    if (f->set)
        pol_request_init(&f->r, f->set, &f->arena);
}

static void linked_init(struct fixture *f, const char *policies, const char *links)
{
    linked_try(f, policies, links);
    if (!f->set)
        print_error("%s\n", complaint(f));
    assert_non_null(f->set);
}

static void assert_link_refused(const char *policies, const char *links, const char *expected)
{
    const struct diag *d;
    struct fixture f;
    const char *text;

    linked_try(&f, policies, links);
    assert_null(f.set);
    for (d = f.diags.first; d && d->warning; d = d->next) {
    }
    assert_non_null(d);
    text = diag_format(&f.arena, d).p;
    if (strncmp(text, expected, strlen(expected)) != 0)
        print_error("%s\n", text);
    assert_int_equal(strncmp(text, expected, strlen(expected)), 0);
    fixture_fini(&f);
}

#define T "@id(\"t\") permit(principal == ?principal, action, resource);"
#define LINK(template, id, values) "{\"templateId\":\"" template "\",\"newId\":\"" id "\",\"values\":{" values "}}"
#define ANN "\"?principal\":{\"type\":\"User\",\"id\":\"ann\"}"
#define BOB "\"?principal\":{\"type\":\"User\",\"id\":\"bob\"}"
#define RED "\"?principal\":{\"type\":\"Team\",\"id\":\"red\"}"
#define D1 "\"?resource\":{\"type\":\"Doc\",\"id\":\"d1\"}"

static bool allows(struct fixture *f, const char *principal, const char *resource)
{
    fixture_again(f);
    ask(f, principal, "read", resource);
    pol_decide(&f->r, POL_MODE_GATEWAY, 0, &f->a);
    return f->a.allow;
}

static void a_link_answers_under_its_own_id(void **state)
{
    struct fixture f;
    const struct pol_policy_info *info;

    (void)state;
    linked_init(&f, "@owner(\"sec\") " T, "[" LINK("t", "l1", ANN) "," LINK("t", "l2", BOB) "]");
    assert_int_equal(pol_set_count(f.set), 2);
    assert_true(allows(&f, "ann", "d1"));
    assert_int_equal(f.a.n_determining, 1);
    assert_true(span_eq(pol_answer_id(&f.r, &f.a, 0), SPAN("l1")));
    info = pol_set_policy(f.set, f.a.determining[0]);
    assert_true(span_eq(info->template_id, SPAN("t")));
    assert_int_equal(info->line, 1);
    assert_int_equal(info->n_annotations, 2);
    assert_true(allows(&f, "bob", "d1"));
    assert_true(span_eq(pol_answer_id(&f.r, &f.a, 0), SPAN("l2")));
    assert_false(allows(&f, "eve", "d1"));
    fixture_fini(&f);
}

static void slots_stand_in_every_form_of_scope(void **state)
{
    static const struct {
        const char *policy, *values, *allowed, *denied;
    } rows[] = {
        { "@id(\"t\") permit(principal == ?principal, action, resource);", ANN, "ann", "bob" },
        { "@id(\"t\") permit(principal in ?principal, action, resource);", RED, "ann", "bob" },
        { "@id(\"t\") permit(principal in (?principal), action, resource,);", ANN, "ann", "bob" },
        { "@id(\"t\") permit(principal is User in ?principal, action, resource);", RED, "ann", "bob" },
        { "@id(\"t\") permit(principal is User in ?principal, action, resource == ?resource);", RED "," D1, "ann",
          "bob" },
        { "@id(\"t\") permit(principal == User::\"ann\", action, resource in ?resource);", D1, "ann", "bob" },
        { "@id(\"t\") permit(principal == User::\"ann\", action, resource is Doc in ?resource);", D1, "ann", "bob" },
        { "@id(\"t\") permit(principal == ?principal, action, resource) when { principal.n == 1 };", ANN, "ann",
          "bob" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        char links[512];

        snprintf(links, sizeof links, "[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{%s}}]", rows[i].values);
        linked_init(&f, rows[i].policy, links);
        assert_true(allows(&f, rows[i].allowed, "d1"));
        assert_false(allows(&f, rows[i].denied, "d1"));
        if (strstr(rows[i].policy, "?resource"))
            assert_false(allows(&f, rows[i].allowed, "d2"));
        fixture_fini(&f);
    }
}

static void errors_and_forbids_name_the_link(void **state)
{
    struct fixture f;

    (void)state;
    linked_init(&f,
                "permit(principal, action, resource);\n"
                "@id(\"t\") forbid(principal == ?principal, action, resource) when { principal.n == 2 || "
                "resource.absent };",
                "[" LINK("t", "l1", ANN) "]");
    assert_false(allows(&f, "ann", "d1"));
    assert_int_equal(f.a.err, ERR_POLICY_FORBID_ERROR);
    assert_int_equal(f.a.n_failures, 1);
    assert_true(span_eq(pol_set_policy(f.set, f.a.failures[0].policy)->id, SPAN("l1")));
    assert_int_equal(f.a.failures[0].line, 2);
    assert_true(allows(&f, "bob", "d1"));
    fixture_fini(&f);
}

static void a_template_without_links_has_no_effect_and_is_told(void **state)
{
    struct fixture f;

    (void)state;
    linked_init(
        &f, "permit(principal, action, resource); @id(\"t\") forbid(principal == ?principal, action, resource);", "[]");
    assert_int_equal(pol_set_count(f.set), 1);
    assert_int_equal(f.diags.warnings, 1);
    assert_string_equal(complaint(&f), "p.cedar:1:47: warning: no link uses the template 't', so it has no effect");
    assert_true(allows(&f, "ann", "d1"));
    fixture_fini(&f);
}

static void a_forbid_template_that_nobody_linked_does_not_load_in_the_gateway(void **state)
{
    static const struct pol_options gateway = { .strict_annotations = true, .linked_templates = true };

    (void)state;
    assert_refused("@id(\"t\") forbid(principal == ?principal, action, resource);", NULL, &gateway,
                   "p.cedar:1:10: error: no link uses the template 't', so it has no effect");
}

static void links_must_fit_their_template(void **state)
{
    (void)state;
    assert_link_refused(T, "[" LINK("x", "l", ANN) "]", "l.json: error: the link 'l': there is no template 'x'");
    assert_link_refused("@id(\"s\") permit(principal, action, resource);", "[" LINK("s", "l", "") "]",
                        "l.json: error: the link 'l': there is no template 's'");
    assert_link_refused(T, "[" LINK("t", "l", "") "]",
                        "l.json: error: the link 'l': no value for the slot '?principal'");
    assert_link_refused(T, "[" LINK("t", "l", ANN "," D1) "]",
                        "l.json: error: the link 'l': the template has no slot '?resource'");
    assert_link_refused(T, "[" LINK("t", "", ANN) "]", "l.json: error: a link's id is empty");
    assert_link_refused("@id(\"t\") permit(principal == ?principal, action, resource in ?resource);",
                        "[" LINK("t", "l", ANN) "]", "l.json: error: the link 'l': no value for the slot '?resource'");
}

static void ids_of_links_templates_and_policies_differ(void **state)
{
    (void)state;
    assert_link_refused(T, "[" LINK("t", "t", ANN) "]",
                        "l.json: error: the id 't' belongs to the policy at p.cedar:1 already");
    assert_link_refused(T "permit(principal, action, resource);", "[" LINK("t", "policy1", ANN) "]",
                        "l.json: error: the id 'policy1' belongs to the policy at p.cedar:1 already");
    assert_link_refused(T, "[" LINK("t", "l", ANN) "," LINK("t", "l", BOB) "]",
                        "l.json: error: the id 'l' belongs to the policy at p.cedar:1 already");
    assert_link_refused(T "\n" T, "[" LINK("t", "l", ANN) "]",
                        "p.cedar:2:10: error: the id 't' belongs to the policy at p.cedar:1 already");
    assert_link_refused(T "\n@id(\"t\") permit(principal, action, resource);", "[]",
                        "p.cedar:1:10: error: the id 't' belongs to the policy at p.cedar:2 already");
}

static void links_are_read_in_both_of_cedars_forms(void **state)
{
    static const char *const good[] = {
        "[{\"template_id\":\"t\",\"link_id\":\"l\",\"args\":{\"?principal\":\"User::\\\"ann\\\"\"}}]",
        "{\"templateLinks\":[" LINK("t", "l", ANN) "]}",
        "[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{\"?principal\":{\"__entity\":{\"type\":\"User\",\"id\":"
        "\"ann\"}}}"
        "}]",
    };
    static const char *const bad[][2] = {
        { "{", "l.json:1:2: error: not valid JSON" },
        { "{}", "l.json: error: link 0: expected a list" },
        { "[1]", "l.json: error: link 1: expected {\"templateId\"" },
        { "[{\"templateId\":\"t\",\"newId\":\"l\"}]", "l.json: error: link 1: missing: values" },
        { "[{\"templateId\":\"t\",\"template_id\":\"t\",\"newId\":\"l\",\"values\":{}}]",
          "l.json: error: link 1: two of the same: templateId" },
        { "[{\"templateId\":1,\"newId\":\"l\",\"values\":{}}]", "l.json: error: link 1: a string is due: templateId" },
        { "[" LINK("t", "l", "\"?x\":1") "]",
          "l.json: error: link 1: slots are ?principal and ?resource; there is no ?x" },
        { "[" LINK("t", "l", "\"?principal\":1") "]", "l.json: error: link 1: expected an entity reference" },
        { "[" LINK("t", "l", "\"?principal\":\"in::\\\"x\\\"\"") "]",
          "l.json: error: link 1: 'in::\"x\"' is no entity" },
        { "[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":{},\"x\":1}]", "l.json: error: link 1: unknown member x" },
        { "[{\"templateId\":\"t\",\"newId\":\"l\",\"values\":[]}]",
          "l.json: error: link 1: the values must be an object" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct fixture f;

        linked_init(&f, T, good[i]);
        assert_true(allows(&f, "ann", "d1"));
        fixture_fini(&f);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_link_refused(T, bad[i][0], bad[i][1]);
}

static void templates_count_in_the_numbering(void **state)
{
    struct fixture f;

    (void)state;
    linked_init(
        &f, "permit(principal == ?principal, action, resource); permit(principal == User::\"eve\", action, resource);",
        "[" LINK("policy0", "l", ANN) "]");
    assert_true(allows(&f, "eve", "d1"));
    assert_true(span_eq(pol_answer_id(&f.r, &f.a, 0), SPAN("policy1")));
    assert_true(allows(&f, "ann", "d1"));
    fixture_fini(&f);
}

static void many_links_share_one_condition(void **state)
{
    enum { MANY = 2000 };
    struct pol_link *links = calloc(MANY, sizeof *links);
    struct pol_options o = { .hash_key = 5, .links = links, .n_links = MANY };
    struct pol_source p = { SPAN("p"), SPAN("@id(\"t\") permit(principal == ?principal, action, resource) when { "
                                            "[1, 2, 3].contains(context.n) && context.s like \"a*\" };") };
    struct arena a;
    struct diags d;
    struct pol_set *s;
    struct pol_request r;
    struct pol_answer answer;

    (void)state;
    assert_non_null(links);
    arena_init(&a, 0);
    diags_init(&d);
    for (unsigned i = 0; i < MANY; i++) {
        links[i].template_id = SPAN("t");
        links[i].id = arena_printf(&a, "l%u", i);
        links[i].principal.type = SPAN("User");
        links[i].principal.id = arena_printf(&a, "u%u", i);
    }
    s = pol_set_new(&p, 1, NULL, 0, &o, &d);
    assert_non_null(s);
    assert_int_equal(pol_set_count(s), MANY);
    pol_request_init(&r, s, &a);
    pol_request_principal(&r, SPAN("User"), SPAN("u1234"));
    pol_request_action(&r, SPAN("Action"), SPAN("x"));
    pol_request_resource(&r, SPAN("Doc"), SPAN("x"));
    pol_request_context(&r, SPAN("n"), pol_long(3));
    pol_request_context(&r, SPAN("s"), pol_string(SPAN("abc")));
    assert_int_equal(pol_decide(&r, POL_MODE_GATEWAY, 0, &answer), 0);
    assert_true(span_eq(pol_answer_id(&r, &answer, 0), SPAN("l1234")));
    // The index found it; the others were not looked at.
    assert_int_equal(answer.candidates, 1);
    assert_true(answer.steps < 30);
    pol_set_free(s);
    diags_fini(&d);
    arena_fini(&a);
    free(links);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_answers_under_its_own_id),
        cmocka_unit_test(slots_stand_in_every_form_of_scope),
        cmocka_unit_test(errors_and_forbids_name_the_link),
        cmocka_unit_test(a_template_without_links_has_no_effect_and_is_told),
        cmocka_unit_test(a_forbid_template_that_nobody_linked_does_not_load_in_the_gateway),
        cmocka_unit_test(links_must_fit_their_template),
        cmocka_unit_test(ids_of_links_templates_and_policies_differ),
        cmocka_unit_test(links_are_read_in_both_of_cedars_forms),
        cmocka_unit_test(templates_count_in_the_numbering),
        cmocka_unit_test(many_links_share_one_condition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

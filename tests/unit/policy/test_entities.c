// SPDX-License-Identifier: GPL-3.0-or-later
// Entities texts: what loads, what is refused and where it stands.
#include "tests/unit/policy/support.h"

#define E(type, id, rest) "{\"uid\":{\"type\":\"" type "\",\"id\":\"" id "\"}" rest "}"
#define PARENT(type, id) ",\"parents\":[{\"type\":\"" type "\",\"id\":\"" id "\"}]"

static void assert_entities_refused(const char *entities, const char *expected)
{
    struct fixture f;

    fixture_try(&f, "", entities, &lax_);
    assert_null(f.set);
    if (strncmp(complaint(&f), expected, strlen(expected)) != 0)
        print_error("%s\n", complaint(&f));
    assert_int_equal(strncmp(complaint(&f), expected, strlen(expected)), 0);
    fixture_fini(&f);
}

static void faults_have_the_place_of_their_entity(void **state)
{
    (void)state;
    assert_entities_refused("{}", "e.json:1:1: error: expected a list of entities");
    assert_entities_refused("[1]", "e.json:1:2: error: expected an entity");
    assert_entities_refused("[" E("A", "a\\\"]", "") ",\n\n  {\"uid\":1}]",
                            "e.json:3:3: error: expected an entity reference");
    assert_entities_refused("[\n " E("A", "é", "") ", " E("in", "b", "") "]",
                            "e.json:2:33: error: 'in' is no entity type");
    assert_entities_refused("[" E("A", "a", ",\"parent\":[]") "]",
                            "e.json:1:2: error: unknown member 'parent' of an entity; did you mean parents");
    assert_entities_refused("[" E("A", "a", ",\"tags\":[1]") "]", "e.json:1:2: error: 'tags' must be an object");
    assert_entities_refused("[" E("A", "a", ",\"tags\":{\"x\":[null]}") "]",
                            "e.json:1:2: error: A::\"a\": at .x[0]: Cedar has no null; leave the attribute out");
    assert_entities_refused("[" E("Action", "a", ",\"parents\":[{\"type\":\"A\",\"id\":\"a\"}]") "]",
                            "e.json:1:2: error: a parent of an action must be an action");
    assert_entities_refused("[" E("A", "a", ",\"attrs\":{\"x\":{\"y\":[1,null]}}") "]",
                            "e.json:1:2: error: A::\"a\": at .x.y[1]: Cedar has no null; leave the attribute out");
    assert_entities_refused("[" E("A", "a", ",\"attrs\":{\"x\":{\"__extn\":{\"fn\":\"ip\",\"arg\":\"1.1.1\"}}}") "]",
                            "e.json:1:2: error: A::\"a\": at .x: ip(): not an address or range such as \"10.0.0.1\"");
    assert_entities_refused(
        "[" E("A", "a", ",\"attrs\":{\"x\":{\"__entity\":{\"type\":\"B\",\"id\":\"b\"},\"y\":1}}") "]",
        "e.json:1:2: error: A::\"a\": at .x: '__entity' stands alone in its object");
    assert_entities_refused("[" E("A", "a", ",\"attrs\":{\"x\":1,\"x\":2}") "]",
                            "e.json:1:46: error: not valid JSON: duplicate member");
    assert_entities_refused("[" E("A", "a", "") ",\n" E("A", "a", ",\"attrs\":{\"x\":1}") "]",
                            "e.json:2:1: error: A::\"a\" is defined differently at e.json:1; keep one");
}

static void cycle_is_a_load_error(void **state)
{
    (void)state;
    assert_entities_refused("[" E("A", "a", PARENT("A", "a")) "]",
                            "e.json:1:2: error: A::\"a\" is its own ancestor; remove one of the parents");
    assert_entities_refused(
        "[" E("A", "a", PARENT("A", "b")) ",\n" E("A", "b", PARENT("A", "c")) ",\n" E("A", "c", PARENT("A", "a")) "]",
        "e.json:2:1: error: A::\"b\" is its own ancestor; remove one of the parents");
}

static void same_entity_twice_is_accepted_when_equal(void **state)
{
    struct pol_source two[] = { { SPAN("built-in"), SPAN("[" E("A", "a", PARENT("B", "b")) "]") },
                                { SPAN("user"), SPAN("[" E("A", "a", PARENT("B", "b")) "," E("B", "b", "") "]") } };
    struct pol_set *s;
    struct diags d;

    (void)state;
    diags_init(&d);
    s = pol_set_new(NULL, 0, two, 2, &lax_, &d);
    assert_non_null(s);
    assert_int_equal(pol_set_entities(s), 2);
    assert_true(pol_set_bytes(s) > 0);
    pol_set_free(s);
    diags_fini(&d);
}

static void complaints_of_an_earlier_load_do_not_matter(void **state)
{
    struct pol_source bad = { SPAN("bad"), SPAN("permit;") },
                      good = { SPAN("good"), SPAN("permit(principal, action, resource);") };
    struct fixture f;

    (void)state;
    diags_init(&f.diags);
    arena_init(&f.arena, 0);
    assert_null(pol_set_new(&bad, 1, NULL, 0, &lax_, &f.diags));
    f.set = pol_set_new(&good, 1, NULL, 0, &lax_, &f.diags);
    assert_non_null(f.set);
    fixture_again(&f);
    ask(&f, "a", "b", "c");
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    fixture_fini(&f);
}

static void deep_values_are_refused(void **state)
{
    char text[512] = "[{\"uid\":{\"type\":\"A\",\"id\":\"a\"},\"attrs\":{\"x\":";

    (void)state;
    for (int i = 0; i < 34; i++)
        strcat(text, "[");
    for (int i = 0; i < 34; i++)
        strcat(text, "]");
    strcat(text, "}}]");
    assert_entities_refused(text, "e.json:1:2: error: A::\"a\": at .x[0][0]");
}

static void long_chains_of_parents_close(void **state)
{
    enum { N = 2000 };
    char *text = calloc(1, (size_t)N * 100), *end = text;
    struct fixture f;

    (void)state;
    end += sprintf(end, "[");
    for (int i = 0; i < N; i++)
        end += sprintf(end, "%s{\"uid\":{\"type\":\"A\",\"id\":\"%d\"},\"parents\":[{\"type\":\"A\",\"id\":\"%d\"}]}",
                       i ? "," : "", i, i + 1);
    sprintf(end, "]");
    fixture_init(&f,
                 "permit(principal, action, resource) when { A::\"0\" in A::\"2000\" && !(A::\"2000\" in A::\"0\") };",
                 text);
    ask(&f, "a", "b", "c");
    assert_int_equal(pol_decide(&f.r, POL_MODE_GATEWAY, 0, &f.a), 0);
    fixture_fini(&f);
    free(text);
}

static void what_an_entity_was_given_can_be_read_back(void **state)
{
    (void)state;
    struct pol_source entities = {
        SPAN("e.json"),
        SPAN("[{\"uid\":{\"type\":\"W\",\"id\":\"a\"},\"attrs\":{\"tenant\":\"acme\",\"level\":3},\"parents\":"
             "[{\"type\":\"Role\",\"id\":\"reader\"},{\"type\":\"Team\",\"id\":\"x\"},{\"type\":\"Role\",\"id\":"
             "\"admin\"}]},"
             "{\"uid\":{\"type\":\"Role\",\"id\":\"reader\"},\"attrs\":{},\"parents\":[{\"type\":\"Role\",\"id\":"
             "\"any\"}]}]")
    };
    struct diags diags;
    diags_init(&diags);
    struct pol_set *s = pol_set_new(NULL, 0, &entities, 1, &(struct pol_options){ .hash_key = 3 }, &diags);
    assert_non_null(s);
    assert_true(span_eq(pol_set_text(s, SPAN("W"), SPAN("a"), SPAN("tenant")), SPAN("acme")));
    assert_true(span_is_none(pol_set_text(s, SPAN("W"), SPAN("a"), SPAN("level"))));
    assert_true(span_is_none(pol_set_text(s, SPAN("W"), SPAN("b"), SPAN("tenant"))));
    assert_true(span_is_none(pol_set_text(s, SPAN("Role"), SPAN("any"), SPAN("tenant"))));
    struct span roles[3] = { SPAN_NONE, SPAN_NONE, SPAN_NONE };
    assert_int_equal(pol_set_parents(s, SPAN("W"), SPAN("a"), SPAN("Role"), roles, 3), 2);
    bool reader_first = span_eq(roles[0], SPAN("reader"));
    assert_true(span_eq(roles[!reader_first], SPAN("reader")) && span_eq(roles[reader_first], SPAN("admin")));
    assert_true(span_is_none(roles[2]));
    assert_int_equal(pol_set_parents(s, SPAN("W"), SPAN("a"), SPAN("Role"), roles, 1), 2);
    assert_int_equal(pol_set_parents(s, SPAN("W"), SPAN("a"), SPAN("Unheard"), roles, 3), 0);
    assert_int_equal(pol_set_parents(s, SPAN("Role"), SPAN("any"), SPAN("Role"), roles, 3), 0);
    pol_set_free(s);
    diags_fini(&diags);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_have_the_place_of_their_entity),
        cmocka_unit_test(cycle_is_a_load_error),
        cmocka_unit_test(same_entity_twice_is_accepted_when_equal),
        cmocka_unit_test(complaints_of_an_earlier_load_do_not_matter),
        cmocka_unit_test(deep_values_are_refused),
        cmocka_unit_test(long_chains_of_parents_close),
        cmocka_unit_test(what_an_entity_was_given_can_be_read_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

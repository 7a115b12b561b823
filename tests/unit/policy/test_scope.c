// SPDX-License-Identifier: GPL-3.0-or-later
// Which policies' filters may hold for an action and a resource, before anybody has asked.
#include "tests/unit/policy/support.h"

#include "policy/scope.h"

static const char entities[] = "[{\"uid\":{\"type\":\"Action\",\"id\":\"search\"},\"attrs\":{},\"parents\":[{\"type\":"
                               "\"Action\",\"id\":\"readonly\"}]},"
                               "{\"uid\":{\"type\":\"Action\",\"id\":\"readonly\"},\"attrs\":{},\"parents\":[]},"
                               "{\"uid\":{\"type\":\"Collection\",\"id\":\"faq\"},\"attrs\":{},\"parents\":[{\"type\":"
                               "\"Namespace\",\"id\":\"team\"}]}]";

static bool holds(struct fixture *f, const char *policy, const char *action, const char *collection)
{
    struct pol_request r;
    struct arena arena;
    fixture_try(f, policy, entities, &strict_);
    if (!f->set)
        fail_msg("%s: %s", policy, complaint(f));
    arena_init(&arena, 0);
    pol_request_init(&r, f->set, &arena);
    pol_request_action(&r, SPAN("Action"), span_str(action));
    pol_request_parent(&r, pol_request_resource(&r, SPAN("Collection"), span_str(collection)), SPAN("Server"),
                       SPAN("qdrant"));
    bool may = pol_filter_may_hold(&r, 0);
    arena_fini(&arena);
    return may;
}

#define FILTER "@filter(\"tenant\", \"context.token.tenant\") "

static void a_scope_that_cannot_fit_rules_a_filter_out(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *action, *collection;
        bool holds;
    } rows[] = {
        { FILTER "permit (principal, action, resource);", "search", "docs", true },
        { FILTER "permit (principal, action in Action::\"readonly\", resource);", "search", "docs", true },
        { FILTER "permit (principal, action in Action::\"readonly\", resource);", "write", "docs", false },
        { FILTER "permit (principal, action == Action::\"readonly\", resource);", "search", "docs", false },
        { FILTER "permit (principal, action, resource == Collection::\"docs\");", "search", "docs", true },
        { FILTER "permit (principal, action, resource == Collection::\"docs\");", "search", "faq", false },
        { FILTER "permit (principal, action, resource in Namespace::\"team\");", "search", "faq", true },
        { FILTER "permit (principal, action, resource in Namespace::\"team\");", "search", "docs", false },
        { FILTER "permit (principal, action, resource in Server::\"qdrant\");", "search", "docs", true },
        { FILTER "permit (principal, action, resource is Database);", "search", "docs", false },
        { FILTER "permit (principal, action, resource is Collection in Namespace::\"team\");", "search", "faq", true },
        // Who it is, and what conditions say, is not known yet.
        { FILTER "permit (principal == Workload::\"w\", action, resource) when { context.x };", "search", "docs",
          true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f = { 0 };
        if (holds(&f, rows[i].policy, rows[i].action, rows[i].collection) != rows[i].holds)
            fail_msg("%s: %s on %s", rows[i].policy, rows[i].action, rows[i].collection);
        fixture_fini(&f);
    }
}

static void filters_are_told_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *field;
        size_t n;
        enum pol_kind kind;
        bool one;
    } rows[] = {
        { FILTER "permit (principal, action, resource);", "tenant", 1, POL_NONE, false },
        { "@filter(\"a\", \"\\\"x\\\"\") permit (principal, action, resource == Collection::\"docs\");", "a", 1,
          POL_STRING, true },
        { "@filter(\"a\", \"[1, 2]\") permit (principal, action, resource in Namespace::\"team\");", "a", 1, POL_LONG,
          false },
        { "@filter(\"a == true && b == 3\") permit (principal, action, resource);", "a", 2, POL_BOOL, false },
        { "@limit(\"3/min\") permit (principal, action, resource);", NULL, 0, POL_NONE, false },
        { "@mode(\"shadow\") " FILTER "permit (principal, action, resource);", NULL, 0, POL_NONE, false },
        { FILTER "permit (principal, action, resource) when { false };", NULL, 0, POL_NONE, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f = { 0 };
        struct pol_filter filter;
        size_t n = 0;
        fixture_try(&f, rows[i].policy, entities, &strict_);
        if (!f.set)
            fail_msg("%s: %s", rows[i].policy, complaint(&f));
        while (pol_filter_at(f.set, 0, n, &filter))
            n++;
        assert_int_equal(n, rows[i].n);
        if (n > 0) {
            assert_true(pol_filter_at(f.set, 0, 0, &filter));
            assert_true(span_eq(filter.field, span_str(rows[i].field)));
            assert_int_equal(filter.kind, rows[i].kind);
            assert_int_equal(filter.one_resource, rows[i].one);
            assert_int_equal(filter.line, 1);
        }
        fixture_fini(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scope_that_cannot_fit_rules_a_filter_out),
        cmocka_unit_test(filters_are_told_as_they_are_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar's own integration tests, hand-written and machine-made: a policy set passes validation against its schema exactly
// when Cedar's strict validator lets it pass.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "gateway/base/json.h"
#include "policy/schema.h"
#include "tests/support/cedar_cases.h"

struct tally {
    unsigned cases, pass, failed, refused; // cases that should pass; schemas that were not read
};

static void complain(const char *name, const char *what, const struct diags *d)
{
    struct arena a;

    arena_init(&a, 0);
    print_error("%s: %s\n", name, what);
    for (const struct diag *e = d->first; e; e = e->next)
        print_error("    %s\n", diag_format(&a, e).p);
    arena_fini(&a);
}

static void one_case(void *ctx, const char *root, const char *file)
{
    struct tally *t = ctx;
    static const struct pol_options options = { .ids_by_position = true };
    struct buf text, policies, schema;
    struct json_doc *doc;
    struct pol_schema *s;
    bool expected = false, got;
    struct diags d;
    json v;

    buf_init(&text, 0);
    buf_init(&policies, 0);
    buf_init(&schema, 0);
    diags_init(&d);
    assert_true(cedar_read(&text, root, span_str(file)));
    doc = json_parse(buf_span(&text), &(struct json_limits){ .nul_names = true }, NULL);
    assert_non_null(doc);
    v = json_root(doc);
    assert_true(json_bool(json_get(v, SPAN("shouldValidate")), &expected));
    assert_true(cedar_read(&policies, root, json_string(json_get(v, SPAN("policies")))));
    assert_true(cedar_read(&schema, root, json_string(json_get(v, SPAN("schema")))));
    t->cases++;
    t->pass += expected;
    s = pol_schema_new(&(struct pol_source){ SPAN("schema"), buf_span(&schema) }, 1, &d);
    if (s) {
        got = pol_schema_validate(s, &(struct pol_source){ SPAN("policies"), buf_span(&policies) }, 1, &options, &d);
        if (got != expected) {
            t->failed++;
            complain(file, expected ? "should validate" : "should not validate", &d);
        }
    } else {
        t->refused++;
        complain(file, "the schema should be read", &d);
    }
    pol_schema_free(s);
    json_free(doc);
    diags_fini(&d);
    buf_fini(&text);
    buf_fini(&policies);
    buf_fini(&schema);
}

static void report(const char *what, const struct tally *t)
{
    print_message("%s: %u cases, of which %u are to pass; %u differ, %u schemas not read\n", what, t->cases, t->pass,
                  t->failed, t->refused);
}

static void hand_written_cases_validate_as_cedar(void **state)
{
    struct tally t = { 0 };

    (void)state;
    if (!cedar_hand_written(one_case, &t))
        skip();
    report("hand-written", &t);
    assert_int_equal(t.failed + t.refused, 0);
    assert_int_equal(t.cases, CEDAR_HAND_WRITTEN);
}

static void machine_made_cases_validate_as_cedar(void **state)
{
    struct tally t = { 0 };

    (void)state;
    if (!cedar_machine_made(one_case, &t))
        skip();
    report("machine-made", &t);
    assert_int_equal(t.failed + t.refused, 0);
    assert_int_equal(t.cases, CEDAR_MACHINE_MADE);
    assert_true(t.pass > 100 && t.pass < t.cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_written_cases_validate_as_cedar),
        cmocka_unit_test(machine_made_cases_validate_as_cedar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

#include <dirent.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "policy/schema.h"

struct tally {
    unsigned cases, pass, failed, refused; // cases that should pass; schemas that were not read
};

static const char *vectors(void)
{
    const char *dir = getenv("SALLYPORT_VECTORS");

    return dir ? dir : "../shared/vectors";
}

static bool read_all(struct buf *b, const char *root, struct span path)
{
    char full[4096];

    snprintf(full, sizeof full, "%s/%.*s", root, SPAN_FMT(path));
    return file_read(full, 16u << 20, b) == 0;
}

static void complain(const char *name, const char *what, const struct diags *d)
{
    struct arena a;

    arena_init(&a, 0);
    print_error("%s: %s\n", name, what);
    for (const struct diag *e = d->first; e; e = e->next)
        print_error("    %s\n", diag_format(&a, e).p);
    arena_fini(&a);
}

static void one_case(struct tally *t, const char *root, const char *file)
{
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
    assert_true(read_all(&text, root, span_str(file)));
    doc = json_parse(buf_span(&text), &(struct json_limits){ .nul_names = true }, NULL);
    assert_non_null(doc);
    v = json_root(doc);
    assert_true(json_bool(json_get(v, SPAN("shouldValidate")), &expected));
    assert_true(read_all(&policies, root, json_string(json_get(v, SPAN("policies")))));
    assert_true(read_all(&schema, root, json_string(json_get(v, SPAN("schema")))));
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

static void folder(struct tally *t, const char *root, const char *sub)
{
    char path[4096], file[4096];
    struct dirent *e;
    DIR *dir;

    snprintf(path, sizeof path, "%s/%s", root, sub);
    dir = opendir(path);
    assert_non_null(dir);
    while ((e = readdir(dir))) {
        struct span name = span_str(e->d_name);

        if (!span_ends(name, SPAN(".json")) || span_ends(name, SPAN(".entities.json")))
            continue;
        snprintf(file, sizeof file, "%s/%s", sub, e->d_name);
        one_case(t, root, file);
    }
    closedir(dir);
}

static void report(const char *what, const struct tally *t)
{
    print_message("%s: %u cases, of which %u are to pass; %u differ, %u schemas not read\n", what, t->cases, t->pass,
                  t->failed, t->refused);
}

static void hand_written_cases_validate_as_cedar(void **state)
{
    static const char *const folders[] = { "tests/example_use_cases", "tests/multi", "tests/ip", "tests/decimal" };
    char root[4096];
    struct tally t = { 0 };

    (void)state;
    snprintf(root, sizeof root, "%s/cedar", vectors());
    if (access(root, R_OK) != 0)
        skip();
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        folder(&t, root, folders[i]);
    report("hand-written", &t);
    assert_int_equal(t.failed + t.refused, 0);
    assert_true(t.cases >= 14);
}

static void machine_made_cases_validate_as_cedar(void **state)
{
    char archive[4096], dir[] = "/tmp/sallyport-cedar-XXXXXX", command[8300];
    struct tally t = { 0 };

    (void)state;
    snprintf(archive, sizeof archive, "%s/cedar/corpus.tar.xz", vectors());
    if (access(archive, R_OK) != 0)
        skip();
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command, "tar -xJf '%s' -C '%s'", archive, dir);
    assert_int_equal(system(command), 0);
    folder(&t, dir, "corpus-tests");
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
    report("machine-made", &t);
    assert_int_equal(t.failed + t.refused, 0);
    assert_true(t.cases >= 1000 && t.pass > 100 && t.pass < t.cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hand_written_cases_validate_as_cedar),
        cmocka_unit_test(machine_made_cases_validate_as_cedar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

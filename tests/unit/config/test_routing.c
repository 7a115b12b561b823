// SPDX-License-Identifier: GPL-3.0-or-later
// A set of shards that collections are spread over does not change without a word.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/config/routing.h"
#include "tests/unit/config/least.h"

static struct gw_config *config(const char *routes)
{
    char text[4096];
    struct gw_config *c = NULL;
    struct diags diags;
    diags_init(&diags);
    snprintf(text, sizeof text,
             LEAST_BUT_PLACES "shards:\n"
                              "  - { name: a, api: qdrant, endpoints: [\"http://h:1\"] }\n"
                              "  - { name: b, api: qdrant, endpoints: [\"http://h:2\"] }\n"
                              "  - { name: c, api: qdrant, endpoints: [\"http://h:3\"] }\n"
                              "  - { name: x, api: chroma, endpoints: [\"http://h:4\"] }\n"
                              "  - { name: y, api: chroma, endpoints: [\"http://h:5\"] }\n"
                              "routes:\n%s",
             routes);
    int rc = gw_config_parse(span_str(text), SPAN("t.yaml"), &c, &diags);
    for (const struct diag *d = diags.first; rc != 0 && d; d = d->next)
        print_message("%.*s\n", SPAN_FMT(d->text));
    diags_fini(&diags);
    assert_int_equal(rc, 0);
    return c;
}

// Whether the second may follow the first; `*warnings` are counted.
static bool follows(const char *before, const char *after, size_t *warnings)
{
    struct gw_config *now = config(before), *next = config(after);
    struct diags diags;
    diags_init(&diags);
    bool ok = gw_config_hashes_follow(now, next, &diags);
    assert_int_equal(ok, diags.errors == 0);
    if (warnings)
        *warnings = diags.warnings;
    diags_fini(&diags);
    gw_config_free(now);
    gw_config_free(next);
    return ok;
}

static void a_set_that_lost_gained_or_renamed_a_shard_is_refused(void **state)
{
    (void)state;
    const char *ab = "  - { hash: [a, b] }\n";
    assert_true(follows(ab, ab, NULL));
    assert_true(follows(ab, "  - { hash: [b, a] }\n", NULL));
    assert_false(follows(ab, "  - { hash: [a, b, c] }\n", NULL));
    assert_false(follows(ab, "  - { hash: [a] }\n", NULL));
    assert_false(follows(ab, "  - { hash: [a, c] }\n", NULL));
    assert_false(follows(ab, "  - { shard: a }\n", NULL));
    assert_false(follows("  - { shard: a }\n", ab, NULL)); // the first step to more than one shard
}

static void only_the_set_before_confirms_a_change(void **state)
{
    (void)state;
    const char *ab = "  - { hash: [a, b] }\n";
    assert_true(follows(ab, "  - { hash: [a, b, c], moved_from: [b, a] }\n", NULL));
    assert_false(follows(ab, "  - { hash: [a, b, c], moved_from: [a] }\n", NULL));
    assert_false(follows(ab, "  - { hash: [a, b, c], moved_from: [a, b, c] }\n", NULL));
    assert_false(follows(ab, "  - { hash: [a, b, c], moved_from: [] }\n", NULL));
    // Said of one change, it says nothing about the next, and does no harm without one.
    assert_true(follows("  - { hash: [a, b, c], moved_from: [a, b] }\n",
                        "  - { hash: [a, b, c], moved_from: [a, b] }\n", NULL));
    assert_false(
        follows("  - { hash: [a, b, c], moved_from: [a, b] }\n", "  - { hash: [b, c], moved_from: [a, b] }\n", NULL));
}

static void rules_are_told_apart_by_database_and_patterns(void **state)
{
    (void)state;
    size_t warnings;
    const char *before = "  - { collection: hot*, hash: [a, b] }\n  - { hash: [x, y] }\n  - { shard: a }\n";
    assert_true(follows(before, "  - { hash: [y, x] }\n  - { collection: hot*, hash: [a, b] }\n  - { shard: b }\n",
                        &warnings)); // a rule without a hash may say what it likes
    assert_int_equal(warnings, 0);
    assert_true(follows(before, "  - { collection: warm*, hash: [b, c] }\n  - { hash: [x, y] }\n  - { shard: a }\n",
                        &warnings));
    assert_int_equal(warnings, 1); // but a hash that nobody has any more is worth a word
    assert_true(follows("  - { hash: [a, b] }\n", "  - { collection: \"*\", hash: [a, b] }\n", &warnings));
    assert_int_equal(warnings, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_that_lost_gained_or_renamed_a_shard_is_refused),
        cmocka_unit_test(only_the_set_before_confirms_a_change),
        cmocka_unit_test(rules_are_told_apart_by_database_and_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

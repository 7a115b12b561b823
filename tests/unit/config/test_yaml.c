// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/json.h"
#include "gateway/config/yaml.h"

// Parses `text`, expects failure and a complaint that starts with `expected`.
static void refused(struct span text, const char *expected)
{
    struct gw_yaml *root = NULL;
    struct diags diags;
    struct arena a;

    arena_init(&a, 0);
    diags_init(&diags);
    assert_int_equal(gw_yaml_parse(text, SPAN("f"), &a, &diags, &root), ERR_CONFIG);
    assert_null(root);
    assert_true(diags.errors > 0);
    if (!span_starts(diag_format(&a, diags.first), span_str(expected)))
        fail_msg("expected \"%s\", got \"%s\"", expected, diag_format(&a, diags.first).p);
    diags_fini(&diags);
    arena_fini(&a);
}
#define REFUSED(text, expected) refused(SPAN(text), expected)

static void anchors_aliases_merge_keys_and_tags_are_refused(void **state)
{
    (void)state;
    REFUSED("a: &x 1\n", "f:1:4: error: an anchor");
    REFUSED("a: &x [1]\n", "f:1:4: error: an anchor");
    REFUSED("a: &x {b: 1}\n", "f:1:4: error: an anchor");
    REFUSED("a: 1\nb: *x\n", "f:2:4: error: an alias");
    REFUSED("<<: {a: 1}\n", "f:1:1: error: a merge key");
    REFUSED("a: !!str 1\n", "f:1:4: error: a tag");
    REFUSED("a: !!python/object:os.system [x]\n", "f:1:4: error: a tag");
}

static void duplicate_keys_are_refused(void **state)
{
    (void)state;
    REFUSED("a: 1\nb: 2\na: 3\n", "f:3:1: error: 'a' is already set in line 1");
    REFUSED("x: {k: 1, \"k\": 2}\n", "f:1:11: error: 'k' is already set in line 1");
    REFUSED("a: 1\n\"\\u0061\": 2\n", "f:2:1: error: 'a' is already set in line 1");
}

static void a_second_document_and_directives_are_refused(void **state)
{
    (void)state;
    REFUSED("a: 1\n---\nb: 2\n", "f:2:1: error: a second document");
    REFUSED("%YAML 1.1\n---\na: 1\n", "f:1:1: error: a directive");
}

static void keys_that_are_no_words_are_refused(void **state)
{
    (void)state;
    REFUSED("? [a]\n: 1\n", "f:1:3: error: a key that is not a word");
    REFUSED("{{a: 1}: 2}\n", "f:1:2: error: a key that is not a word");
    REFUSED("\"\": 1\n", "f:1:1: error: an empty key");
}

static void tabs_bad_bytes_and_marks_are_named(void **state)
{
    (void)state;
    REFUSED("a:\n\tb: 1\n", "f:2:1: error: a tab in the indentation");
    REFUSED("a:\n  b: 1\n \tc: 2\n", "f:3:2: error: a tab in the indentation");
    REFUSED("\xef\xbb\xbf"
            "a: 1\n",
            "f:1:1: error: the file starts with a byte order mark");
    REFUSED("a: b\nc: \xff\n", "f:2:4: error: not UTF-8");
    REFUSED("\xff\xfe"
            "a\0:\0 \0",
            "f:1:1: error: not UTF-8");
    REFUSED("a: \x01\n", "f:1:4: error: a control character");
    REFUSED("a: b\0c\n", "f:1:5: error: a control character");
    REFUSED("a: \"b\\0c\"\n", "f:1:4: error: a NUL character");
}

static void broken_syntax_has_its_place(void **state)
{
    (void)state;
    REFUSED("a: [1, 2\nb: 3\n", "f:2:");
    REFUSED("a: 'x\n", "f:2:1: error: not YAML");
    REFUSED("a: b: c\n", "f:1:5: error: not YAML");
    REFUSED("a: 1\n b: 2\n", "f:2:");
}

static void depth_is_bounded(void **state)
{
    char text[200];

    (void)state;
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    refused(span_of(text, 200), "f:1:33: error: nested too deeply");
    refused(span_of(text, 100), "f:1:33: error: nested too deeply");
}

static void places_and_texts_are_kept(void **state)
{
    struct gw_yaml *root = NULL;
    const struct gw_yaml *v;
    struct diags diags;
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    diags_init(&diags);
    assert_int_equal(gw_yaml_parse(SPAN("# first\na: on\nb:\n  - \"x\"\n  - |\n    y\n    z\nc: {d: ~, e: 'null'}\n"),
                                   SPAN("f"), &a, &diags, &root),
                     0);
    assert_int_equal(root->count, 3);
    v = gw_yaml_get(root, SPAN("a"));
    assert_string_equal(v->text.p, "on");
    assert_int_equal(v->line, 2);
    assert_int_equal(v->column, 4);
    assert_int_equal(v->key_column, 1);
    assert_false(v->quoted);
    v = gw_yaml_get(root, SPAN("b"));
    assert_int_equal(v->kind, GW_YAML_LIST);
    assert_true(v->first->quoted);
    assert_string_equal(v->first->next->text.p, "y\nz\n");
    v = gw_yaml_get(root, SPAN("c"));
    assert_true(gw_yaml_is_null(gw_yaml_get(v, SPAN("d"))));
    assert_false(gw_yaml_is_null(gw_yaml_get(v, SPAN("e"))));
    assert_null(gw_yaml_get(v, SPAN("x")));
    diags_fini(&diags);
    arena_fini(&a);
}

static void an_empty_text_has_no_root(void **state)
{
    struct gw_yaml *root = NULL;
    struct diags diags;
    struct arena a;

    (void)state;
    arena_init(&a, 0);
    diags_init(&diags);
    assert_int_equal(gw_yaml_parse(SPAN("# only a comment\n"), SPAN("f"), &a, &diags, &root), 0);
    assert_null(root);
    diags_fini(&diags);
    arena_fini(&a);
}

static void converted(const char *yaml, const char *json_text)
{
    struct diags diags;
    struct buf b;

    diags_init(&diags);
    buf_init(&b, 0);
    assert_int_equal(gw_yaml_to_json(span_str(yaml), SPAN("f"), &b, &diags), 0);
    assert_int_equal(buf_len(&b), strlen(json_text));
    assert_memory_equal(buf_span(&b).p, json_text, strlen(json_text));
    buf_fini(&b);
    diags_fini(&diags);
}

static void plain_scalars_become_json_by_its_own_grammar(void **state)
{
    (void)state;
    converted("[null, ~, true, false, 0, -12, 1.5, 1e3, abc, '1', \"true\", 10.0.0.1, 1.2.3, a:b]",
              "[null,null,true,false,0,-12,1.5,1e3,\"abc\",\"1\",\"true\",\"10.0.0.1\",\"1.2.3\",\"a:b\"]");
    converted("{a: , b: {c: []}}", "{\"a\":null,\"b\":{\"c\":[]}}");
    converted("", "null");
}

static void values_keep_their_lines(void **state)
{
    struct json_error err = { 0 };
    struct diags diags;
    struct buf b;

    (void)state;
    converted("- a: 1\n\n  b:\n    - x\n- c\n", "[{\"a\":1\n\n,\"b\":\n[\"x\"]}\n,\"c\"]");
    diags_init(&diags);
    buf_init(&b, 0);
    assert_int_equal(gw_yaml_to_json(SPAN("a: 1\nb:\n  - 1\n  - [[2]]\n"), SPAN("f"), &b, &diags), 0);
    assert_null(json_parse(buf_span(&b), &(struct json_limits){ .depth = 3 }, &err));
    assert_int_equal(err.line, 4);
    buf_fini(&b);
    diags_fini(&diags);
}

static void ambiguous_scalars_are_refused(void **state)
{
    static const char *const words[] = {
        "yes",        "No",
        "ON",         "off",
        "y",          "N",
        "True",       "FALSE",
        "Null",       "NULL",
        "0777",       "+1",
        "0x1f",       "1_000",
        ".5",         "1.",
        ".inf",       "-.Inf",
        ".NaN",       "1:30",
        "2024-01-01", "2024-01-01T00:00:00Z",
        "00",         "-01",
        "0o17",       "1e",
        "0b1",        "-0x1F",
        "1__0",       "1.5e",
        "12:30:45.5", "2024-1-1 00:00",
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        struct diags diags;
        struct buf b;
        diags_init(&diags);
        buf_init(&b, 0);
        snprintf(text, sizeof text, "a:\n  - %s\n", words[i]);
        if (gw_yaml_to_json(span_str(text), SPAN("f"), &b, &diags) != ERR_CONFIG)
            fail_msg("%s was accepted as %.*s", words[i], SPAN_FMT(buf_span(&b)));
        assert_int_equal(diags.first->line, 2);
        assert_int_equal(diags.first->column, 5);
        assert_int_equal(buf_len(&b), 0);
        buf_fini(&b);
        diags_fini(&diags);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anchors_aliases_merge_keys_and_tags_are_refused),
        cmocka_unit_test(duplicate_keys_are_refused),
        cmocka_unit_test(a_second_document_and_directives_are_refused),
        cmocka_unit_test(keys_that_are_no_words_are_refused),
        cmocka_unit_test(tabs_bad_bytes_and_marks_are_named),
        cmocka_unit_test(broken_syntax_has_its_place),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(places_and_texts_are_kept),
        cmocka_unit_test(an_empty_text_has_no_root),
        cmocka_unit_test(plain_scalars_become_json_by_its_own_grammar),
        cmocka_unit_test(values_keep_their_lines),
        cmocka_unit_test(ambiguous_scalars_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// docs/config.md says of every key what the tables say: the reference between its two marks is rendered from them here and compared. With
// SALLYPORT_UPDATE_DOCS set in the environment it is put right instead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/file.h"
#include "gateway/config/schema.h"

#define DOCS SALLYPORT_SOURCE_DIR "/docs/config.md"
#define BEGIN SPAN("<!-- keys: rendered from gateway/config/schema.c -->\n")
#define END SPAN("<!-- /keys -->\n")

static const char *type_name(const struct gw_field *f)
{
    switch (f->type) {
    case GW_FIELD_TEXT: return "text";
    case GW_FIELD_PATH: return "path";
    case GW_FIELD_TEXTS: return f->choices ? "list of names" : "list of texts";
    case GW_FIELD_PATHS: return "list of paths";
    case GW_FIELD_BOOL: return "true, false";
    case GW_FIELD_COUNT:
    case GW_FIELD_NUMBER: return "number";
    case GW_FIELD_SIZE: return "size";
    case GW_FIELD_DURATION: return "duration";
    case GW_FIELD_CHOICE:
    case GW_FIELD_SWITCH: return "name";
    case GW_FIELD_FLAGS: return "list of names";
    case GW_FIELD_MAP: return "map";
    case GW_FIELD_LIST: return "list of maps";
    case GW_FIELD_CUSTOM:
        return span_eq(f->key, SPAN("scopes"))      ? "map, or `none`"
               : span_eq(f->key, SPAN("endpoints")) ? "list of URLs"
               : span_eq(f->key, SPAN("method"))    ? "name"
               : span_eq(f->key, SPAN("members"))   ? "list of texts, or `any`"
               : span_eq(f->key, SPAN("after"))     ? "p50 to p99, or duration, 10ms to 5m"
               : span_eq(f->key, SPAN("discovery")) ? "`true`, or a URL"
                                                    : "URL";
    }
    return "";
}

static void render(struct buf *out, const struct gw_schema *schema, const char *path)
{
    char low[32], high[32], below[256];

    for (size_t i = 0; i < schema->n; i++) {
        const struct gw_field *f = &schema->fields[i];
        buf_printf(out, "| `%.*s` | %s", SPAN_FMT(f->key), type_name(f));
        if (f->low || f->high) {
            gw_config_format(f->type, f->low, low, sizeof low);
            gw_config_format(f->type, f->high, high, sizeof high);
            buf_printf(out, ", %s to %s", low, high);
        }
        if (f->required && f->unless.n > 0)
            for (struct span rest = f->unless; rest.n > 0;) {
                struct span key = span_cut(&rest, ' ');
                buf_printf(out, "%s`%.*s`", key.p == f->unless.p ? " | required without " : " or ", SPAN_FMT(key));
            }
        else if (f->required)
            buf_printf(out, " | required");
        else if (f->fallback)
            buf_printf(out, " | `%s`", f->fallback);
        else
            buf_printf(out, " | –");
        buf_printf(out, " | %s |\n", f->doc);
    }
    for (size_t i = 0; i < schema->n; i++) {
        const struct gw_field *f = &schema->fields[i];
        if (!f->schema)
            continue;
        snprintf(below, sizeof below, "%s%.*s%s", path, SPAN_FMT(f->key), f->type == GW_FIELD_LIST ? "[]" : "");
        buf_printf(out, "\n### `%s`\n\n| key | value | default | meaning |\n|---|---|---|---|\n", below);
        strcat(below, ".");
        render(out, f->schema, below);
    }
}

static size_t find(struct span s, struct span what)
{
    for (size_t i = 0; i + what.n <= s.n; i++)
        if (span_starts(span_sub(s, i, s.n), what))
            return i;
    return s.n;
}

static void every_key_is_documented_as_it_is_read(void **state)
{
    struct buf docs, keys, fresh;
    size_t from, to;

    (void)state;
    buf_init(&docs, 0);
    buf_init(&keys, 0);
    buf_init(&fresh, 0);
    assert_int_equal(file_read(DOCS, 1 << 20, &docs), 0);
    buf_printf(&keys, "\n### At the top\n\n| key | value | default | meaning |\n|---|---|---|---|\n");
    render(&keys, &gw_config_schema, "");
    buf_byte(&keys, '\n');
    from = find(buf_span(&docs), BEGIN) + BEGIN.n;
    to = find(buf_span(&docs), END);
    assert_true(from <= to && to < buf_len(&docs));
    if (getenv("SALLYPORT_UPDATE_DOCS")) {
        buf_append(&fresh, span_sub(buf_span(&docs), 0, from));
        buf_append(&fresh, buf_span(&keys));
        buf_append(&fresh, span_sub(buf_span(&docs), to, buf_len(&docs)));
        assert_int_equal(file_write(DOCS, buf_span(&fresh), 0644), 0);
    } else if (!span_eq(span_sub(buf_span(&docs), from, to), buf_span(&keys))) {
        fail_msg("docs/config.md differs from the tables; run this test with SALLYPORT_UPDATE_DOCS=1");
    }
    buf_fini(&docs);
    buf_fini(&keys);
    buf_fini(&fresh);
}

static void the_documented_example_is_valid(void **state)
{
    struct gw_config *c = NULL;
    struct diags diags;
    struct arena a;
    struct buf docs;
    struct span text;

    (void)state;
    arena_init(&a, 0);
    diags_init(&diags);
    buf_init(&docs, 0);
    assert_int_equal(file_read(DOCS, 1 << 20, &docs), 0);
    text = span_sub(buf_span(&docs), find(buf_span(&docs), SPAN("```yaml\n")) + 8, buf_len(&docs));
    text = span_sub(text, 0, find(text, SPAN("```\n")));
    assert_true(text.n > 500);
    if (gw_config_parse(text, SPAN("example"), &c, &diags) || diags.warnings)
        fail_msg("%s", diag_format(&a, diags.first).p);
    gw_config_free(c);
    buf_fini(&docs);
    diags_fini(&diags);
    arena_fini(&a);
}

static void every_key_has_a_line_of_explanation(const struct gw_schema *schema)
{
    for (size_t i = 0; i < schema->n; i++) {
        const struct gw_field *f = &schema->fields[i];
        assert_true(f->key.n && f->doc && strlen(f->doc) > 5);
        assert_false(f->required && f->fallback);
        assert_true(f->low <= f->high);
        if (f->schema)
            every_key_has_a_line_of_explanation(f->schema);
    }
}

static void the_tables_are_sane(void **state)
{
    (void)state;
    every_key_has_a_line_of_explanation(&gw_config_schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_documented_as_it_is_read),
        cmocka_unit_test(the_documented_example_is_valid),
        cmocka_unit_test(the_tables_are_sane),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

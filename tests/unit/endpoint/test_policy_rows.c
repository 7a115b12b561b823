// SPDX-License-Identifier: GPL-3.0-or-later
// Decisions by policy: every policy its counter, which keeps its place over reloads, and never more of them than a scraper can bear.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/endpoint/policy_rows.h"

#define ANYBODY "(principal, action, resource);\n"

struct fixture {
    struct gw_policy_rows rows;
    struct gw_metrics loops[2];
    struct arena arena;
    struct buf page;
};

static void fixture_init(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    gw_policy_rows_init(&f->rows);
    arena_init(&f->arena, 0);
    buf_init(&f->page, 0);
}

static void fixture_fini(struct fixture *f)
{
    gw_policy_rows_fini(&f->rows);
    arena_fini(&f->arena);
    buf_fini(&f->page);
}

static const uint16_t *take(struct fixture *f, struct span policies)
{
    static const struct pol_options options = { .strict_annotations = true };
    struct pol_source source = { SPAN("p.cedar"), policies };
    struct diags diags;
    diags_init(&diags);
    struct pol_set *set = pol_set_new(&source, 1, NULL, 0, &options, &diags);
    assert_non_null(set);
    const uint16_t *rows = gw_policy_rows_take(&f->rows, set, &f->arena);
    assert_non_null(rows);
    pol_set_free(set);
    diags_fini(&diags);
    return rows;
}

static bool shown(struct fixture *f, const char *line)
{
    struct gw_metrics *const loops[2] = { &f->loops[0], &f->loops[1] };
    f->page.start = f->page.end = 0;
    gw_policy_rows_write(&(struct gw_page){ .out = &f->page }, &f->rows, loops, 2);
    return memmem(buf_span(&f->page).p, buf_len(&f->page), line, strlen(line)) != NULL;
}

static void decisions_are_summed_over_loops_by_id_effect_and_mode(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f);
    assert_false(shown(&f, "sallyport_policy_decisions_total"));
    const uint16_t *rows =
        take(&f, SPAN("@id(\"readers\") permit" ANYBODY "@id(\"a \\\"b\\\" \\\\ c\\nd\") forbid" ANYBODY
                      "@id(\"new\") @mode(\"shadow\") forbid" ANYBODY));
    gw_count_policy(&f.loops[0], rows[0]);
    gw_count_policy(&f.loops[1], rows[0]);
    gw_count_policy(&f.loops[1], rows[2]);
    assert_true(shown(&f, "\nsallyport_policy_decisions_total{policy=\"readers\",effect=\"permit\"} 2\n"));
    assert_true(shown(&f, "{policy=\"a \\\"b\\\" \\\\ c\\nd\",effect=\"forbid\"} 0\n"));
    assert_true(shown(&f, "{policy=\"new\",effect=\"forbid\",mode=\"shadow\"} 1\n"));
    assert_false(shown(&f, "(others)"));
    fixture_fini(&f);
}

static void a_reload_neither_moves_nor_resets_a_counter(void **state)
{
    struct fixture f;
    (void)state;
    fixture_init(&f);
    uint16_t readers = take(&f, SPAN("@id(\"readers\") permit" ANYBODY "@id(\"gone\") forbid" ANYBODY))[0];
    gw_count_policy(&f.loops[0], readers);
    const uint16_t *rows = take(&f, SPAN("@id(\"fresh\") permit" ANYBODY "@id(\"readers\") permit" ANYBODY));
    assert_int_equal(rows[1], readers);
    assert_true(shown(&f, "{policy=\"readers\",effect=\"permit\"} 1\n"));
    assert_true(shown(&f, "{policy=\"gone\",effect=\"forbid\"} 0\n"));
    // What a policy does is part of its labels: a shadow that is put in force begins at nothing.
    assert_int_not_equal(take(&f, SPAN("@id(\"readers\") @mode(\"shadow\") permit" ANYBODY))[0], readers);
    assert_int_not_equal(take(&f, SPAN("@id(\"readers\") forbid" ANYBODY))[0], readers);
    fixture_fini(&f);
}

static void however_many_policies_there_are_the_page_is_bounded(void **state)
{
    struct fixture f;
    struct buf text;
    (void)state;
    fixture_init(&f);
    buf_init(&text, 0);
    for (unsigned i = 0; i < GW_POLICY_ROWS + 100; i++)
        buf_printf(&text, "@id(\"p%u\") %s %s", i, i % 2 ? "@mode(\"shadow\") forbid" : "permit", ANYBODY);
    const uint16_t *rows = take(&f, buf_span(&text));
    for (unsigned i = 0; i < GW_POLICY_ROWS + 100; i++)
        gw_count_policy(&f.loops[i % 2], rows[i]);
    assert_true(shown(&f, "{policy=\"p255\",effect=\"forbid\",mode=\"shadow\"} 1\n"));
    assert_false(shown(&f, "\"p256\""));
    assert_true(shown(&f, "{policy=\"(others)\",effect=\"permit\"} 50\n"));
    assert_true(shown(&f, "{policy=\"(others)\",effect=\"forbid\",mode=\"shadow\"} 50\n"));
    assert_false(shown(&f, "{policy=\"(others)\",effect=\"forbid\"}"));
    buf_fini(&text);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions_are_summed_over_loops_by_id_effect_and_mode),
        cmocka_unit_test(a_reload_neither_moves_nor_resets_a_counter),
        cmocka_unit_test(however_many_policies_there_are_the_page_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

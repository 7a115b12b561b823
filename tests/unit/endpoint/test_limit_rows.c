// SPDX-License-Identifier: GPL-3.0-or-later
// Which counter a limit has: the same one through reloads, and a bounded number of them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/endpoint/limit_rows.h"

static void a_name_keeps_its_counter_through_reloads(void **state)
{
    (void)state;
    struct gw_named_rows rows = { .n = 0 };
    struct gw_metrics *m = aligned_alloc(64, sizeof *m);
    struct arena a;
    arena_init(&a, 0);
    memset(m, 0, sizeof *m);
    const struct gw_config_limit first[] = { { .name.v = SPAN("a") }, { .name.v = SPAN("b") } };
    const struct gw_config_limit then[] = { { .name.v = SPAN("c") }, { .name.v = SPAN("b") } };
    const uint16_t *one = gw_limit_rows_take(&rows, &(struct gw_config_rates){ .rules = first, .rules_n = 2 }, &a);
    gw_count_limit(m, one[1]);
    const uint16_t *two = gw_limit_rows_take(&rows, &(struct gw_config_rates){ .rules = then, .rules_n = 2 }, &a);
    gw_count_limit(m, two[1]);
    gw_count_limit(m, GW_LIMIT_ROW_POLICIES);
    struct buf out;
    buf_init(&out, 0);
    gw_limit_rows_write(&(struct gw_page){ .out = &out }, &rows, &m, 1);
    buf_byte(&out, 0);
    const char *text = buf_span(&out).p;
    assert_non_null(strstr(text, "# TYPE sallyport_limit_refusals_total counter\n"));
    assert_non_null(strstr(text, "sallyport_limit_refusals_total{rule=\"a\"} 0\n"));
    assert_non_null(strstr(text, "sallyport_limit_refusals_total{rule=\"b\"} 2\n"));
    assert_non_null(strstr(text, "sallyport_limit_refusals_total{rule=\"c\"} 0\n"));
    assert_non_null(strstr(text, "sallyport_limit_refusals_total{rule=\"@limit\"} 1\n"));
    assert_null(strstr(text, "others"));
    buf_fini(&out);
    arena_fini(&a);
    free(m);
}

static void the_number_of_counters_is_bounded(void **state)
{
    (void)state;
    struct gw_named_rows rows = { .n = 0 };
    struct arena a;
    char name[16];
    arena_init(&a, 0);
    for (int i = 0; i < 3 * GW_LIMIT_ROWS; i++) {
        snprintf(name, sizeof name, "n%d", i);
        const struct gw_config_limit rule = { .name.v = span_str(name) };
        const uint16_t *row = gw_limit_rows_take(&rows, &(struct gw_config_rates){ .rules = &rule, .rules_n = 1 }, &a);
        assert_int_equal(row[0], i < GW_LIMIT_ROWS ? i : GW_LIMIT_ROW_OTHERS);
    }
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_keeps_its_counter_through_reloads),
        cmocka_unit_test(the_number_of_counters_is_bounded),
    };
    return cmocka_run_group_tests_name("limit rows", tests, NULL, NULL);
}

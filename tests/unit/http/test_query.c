// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/http/query.h"

static void pairs_are_decoded(void **state)
{
    (void)state;
    struct arena a;
    struct span n, v;
    arena_init(&a, 0);
    struct gw_query q = gw_query(SPAN("a=1&b%20c=x+%2B%26&d&e="), &a);
    assert_int_equal(gw_query_next(&q, &n, &v), 1);
    assert_true(span_eq(n, SPAN("a")) && span_eq(v, SPAN("1")));
    assert_int_equal(gw_query_next(&q, &n, &v), 1);
    assert_true(span_eq(n, SPAN("b c")) && span_eq(v, SPAN("x +&")));
    assert_int_equal(gw_query_next(&q, &n, &v), 1);
    assert_true(span_eq(n, SPAN("d")) && span_is_none(v));
    assert_int_equal(gw_query_next(&q, &n, &v), 1);
    assert_true(span_eq(n, SPAN("e")) && v.n == 0 && !span_is_none(v));
    assert_int_equal(gw_query_next(&q, &n, &v), 0);
    arena_fini(&a);
}

static int get(const char *query, const char *name, const char *want)
{
    struct arena a;
    struct span v = SPAN_NONE;
    arena_init(&a, 0);
    int rc = gw_query_get(query ? span_str(query) : SPAN_NONE, span_str(name), &a, &v);
    bool same = want ? span_eq(v, span_str(want)) && !span_is_none(v) : span_is_none(v);
    arena_fini(&a);
    return rc ? rc : same ? 0 : 1;
}

static void a_parameter_that_matters_is_there_once(void **state)
{
    (void)state;
    assert_int_equal(get("tenant=a&x=1", "tenant", "a"), 0);
    assert_int_equal(get("x=1", "tenant", NULL), 0);
    assert_int_equal(get(NULL, "tenant", NULL), 0);
    assert_int_equal(get("", "tenant", NULL), 0);
    assert_int_equal(get("Tenant=a", "tenant", NULL), 0);
    assert_int_equal(get("tenant=a&tenant=a", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=a&%74enant=b", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=a&x;tenant=b", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=a&&x=1", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=a&=1", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=a&", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=%", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=%00", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=%c0%ae", "tenant", NULL), ERR_API_QUERY);
    assert_int_equal(get("tenant=a&x=%ff", "tenant", NULL), ERR_API_QUERY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_decoded),
        cmocka_unit_test(a_parameter_that_matters_is_there_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

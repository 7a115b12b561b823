// SPDX-License-Identifier: GPL-3.0-or-later
// What may be asked twice by somebody who does not know which database he speaks to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/api/api.h"

static bool reads(const char *method, const char *path)
{
    struct span segments[GW_API_SEGMENTS_MAX], rest = span_str(path + 1);
    size_t n = 0;
    while (!span_is_none(rest))
        segments[n++] = span_cut(&rest, '/');
    return gw_api_only_reads(span_str(method), segments, n);
}

static void searches_only_read_though_they_are_posts(void **state)
{
    (void)state;
    assert_true(reads("POST", "/collections/docs/points/search"));
    assert_true(reads("POST", "/collections/docs/points/query/batch"));
    assert_true(reads("POST", "/api/v2/tenants/t/databases/d/collections/5/query"));
    assert_true(reads("POST", "/v2/vectordb/entities/search"));
    assert_true(reads("POST", "/v1/graphql"));
}

static void what_changes_something_or_is_unknown_is_not_asked_twice(void **state)
{
    (void)state;
    assert_false(reads("POST", "/collections/docs/points/delete"));
    assert_false(reads("POST", "/collections/docs/points/batch"));
    assert_false(reads("POST", "/api/v2/tenants/t/databases/d/collections/5/add"));
    assert_false(reads("POST", "/v2/vectordb/entities/insert"));
    assert_false(reads("POST", "/v1/objects"));
    assert_false(reads("POST", "/no/such/thing"));
    assert_false(reads("POST", "/collections/docs/points/search/"));
    assert_false(reads("POST", "/collections/docs/points/search/x"));
    assert_false(reads("PATCH", "/collections/docs/points/search"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_only_read_though_they_are_posts),
        cmocka_unit_test(what_changes_something_or_is_unknown_is_not_asked_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

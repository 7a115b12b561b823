// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/api/api.h"
#include "gateway/net/health_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_api_has_a_question_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; gw_api_def_at(i); i++) {
        struct gw_health_check c = gw_health_check_of(gw_api_def_name(gw_api_def_at(i)), SPAN_NONE);
        assert_false(span_is_none(c.target));
        assert_int_equal(c.target.n, strlen(c.target.p));
        assert_int_equal(c.target.p[0], '/');
        assert_int_equal(c.method == GW_METHOD_POST, !span_is_none(c.body));
        if (!span_is_none(c.body))
            assert_int_equal(c.body.n, strlen(c.body.p));
    }
    assert_true(span_is_none(gw_health_check_of(SPAN("own"), SPAN_NONE).target));
    assert_true(span_eq(gw_health_check_of(SPAN("own"), SPAN("/up")).target, SPAN("/up")));
    assert_true(span_eq(gw_health_check_of(SPAN("qdrant"), SPAN_NONE).target, SPAN("/readyz")));
}

static void a_path_of_the_operators_own_is_asked_with_get(void **state)
{
    (void)state;
    struct gw_health_check c = gw_health_check_of(SPAN("milvus"), SPAN("/healthz?deep"));
    assert_int_equal(c.method, GW_METHOD_GET);
    assert_true(span_eq(c.target, SPAN("/healthz?deep")));
    assert_true(span_is_none(c.body));
    assert_int_equal(gw_health_answer(&c, 200, SPAN("{\"code\":1}")), GW_HEALTH_WELL);
}

static void errors_of_the_server_are_sick_and_a_wrong_path_is_only_odd(void **state)
{
    (void)state;
    struct gw_health_check c = gw_health_check_of(SPAN("qdrant"), SPAN_NONE);
    for (unsigned status = 200; status < 600; status++)
        assert_int_equal(gw_health_answer(&c, status, SPAN("")), status < 300                     ? GW_HEALTH_WELL
                                                                 : status == 429 || status >= 500 ? GW_HEALTH_SICK
                                                                                                  : GW_HEALTH_ODD);
}

static void milvus_says_in_its_code_that_it_is_not_ready(void **state)
{
    (void)state;
    struct gw_health_check c = gw_health_check_of(SPAN("milvus"), SPAN_NONE);
    assert_int_equal(gw_health_answer(&c, 200, SPAN("{\"code\":0,\"data\":{\"has\":false}}")), GW_HEALTH_WELL);
    assert_int_equal(gw_health_answer(&c, 200, SPAN("{\"code\":1,\"message\":\"service not ready\"}")), GW_HEALTH_SICK);
    assert_int_equal(gw_health_answer(&c, 200, SPAN("{\"code\":1800,\"message\":\"auth\"}")), GW_HEALTH_WELL);
    assert_int_equal(gw_health_answer(&c, 200, SPAN("not JSON")), GW_HEALTH_WELL);
    assert_int_equal(gw_health_answer(&c, 404, SPAN("")), GW_HEALTH_ODD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_api_has_a_question_of_its_own),
        cmocka_unit_test(a_path_of_the_operators_own_is_asked_with_get),
        cmocka_unit_test(errors_of_the_server_are_sick_and_a_wrong_path_is_only_odd),
        cmocka_unit_test(milvus_says_in_its_code_that_it_is_not_ready),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

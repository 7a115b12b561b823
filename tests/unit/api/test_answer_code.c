// SPDX-License-Identifier: GPL-3.0-or-later
// How answers begin that say with 200 what went wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/api/answer_code.h"

static void the_code_is_read_from_the_beginning(void **state)
{
    (void)state;
    static const struct {
        struct span head;
        int64_t code;
    } rows[] = {
        { SPAN("{\"code\":0,\"data\":[{\"id\":1"), 0 },
        { SPAN("{\"code\":100,\"message\":\"collection not found"), 100 },
        { SPAN(" {\n\"code\" : 1801 }"), 1801 },
        { SPAN("{\"code\":-1}"), -1 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t code = 77;
        assert_true(gw_api_answer_code(rows[i].head, &code));
        assert_int_equal(code, rows[i].code);
    }
}

static void what_begins_otherwise_has_no_code(void **state)
{
    (void)state;
    static const struct span rows[] = {
        SPAN(""),
        SPAN("{"),
        SPAN("{\"code\":"),
        SPAN("{\"code\":10"), // it may go on
        SPAN("{\"code\":1.5,"),
        SPAN("{\"code\":1e3,"),
        SPAN("{\"code\":99999999999,"),
        SPAN("{\"code\":- 1}"),
        SPAN("{\"code\":\"0\",\"data\":[]}"),
        SPAN("{\"data\":[],\"code\":0}"),
        SPAN("[{\"code\":0}]"),
        SPAN("\x1f\x8b\x08"),
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int64_t code = 77;
        if (gw_api_answer_code(rows[i], &code))
            fail_msg("%s", rows[i].p);
        assert_int_equal(code, 77);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code_is_read_from_the_beginning),
        cmocka_unit_test(what_begins_otherwise_has_no_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

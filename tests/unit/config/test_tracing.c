// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "gateway/config/fault.h"
#include "gateway/config/snapshot_tracing.h"

static void a_share_is_a_number_from_0_to_1(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t ppm;
    } good[] = {
        { "0", 0 },        { "1", 1000000 },  { "1.0", 1000000 },     { "0.5", 500000 },
        { "0.05", 50000 }, { "0.000001", 1 }, { "0.999999", 999999 },
    };
    static const char *const bad[] = {
        "",    ".",    ".5",  "0.",   "2",         "1.1", "1.000001", "-0",
        "0,5", "0.5%", "50%", "00.5", "0.0000001", "0x1", " 0",       "0.5e1",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint32_t ppm = 7;
        if (!gw_config_share(span_str(good[i].text), &ppm) || ppm != good[i].ppm ||
            gw_fault_share(span_str(good[i].text)))
            fail_msg("%s: %u", good[i].text, ppm);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t ppm = 7;
        if (gw_config_share(span_str(bad[i]), &ppm) || ppm != 7 || !gw_fault_share(span_str(bad[i])))
            fail_msg("%s: %u", bad[i], ppm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(a_share_is_a_number_from_0_to_1) };
    return cmocka_run_group_tests_name("tracing", tests, NULL, NULL);
}

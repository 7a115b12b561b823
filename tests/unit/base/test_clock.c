// SPDX-License-Identifier: GPL-3.0-or-later
// What the clocks of the process do that no argument can stand in for.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/clock.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

#define SLEPT_S 1000
#define CANNOT 77

static int64_t awake_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

// A process of a time namespace whose machine has slept for SLEPT_S, as far as it can tell.
static int after_a_sleep(void)
{
    static const char offset[] = "boottime 1000 0\n";
    int64_t slept_before_ms = clock_read().mono_ms - awake_ms();
    if (unshare(CLONE_NEWUSER | CLONE_NEWTIME) != 0 && unshare(CLONE_NEWTIME) != 0)
        return CANNOT;
    int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, offset, strlen(offset)) < 0)
        return CANNOT;
    pid_t child = fork();
    if (child == 0) {
        int64_t slept_ms = clock_read().mono_ms - awake_ms() - slept_before_ms;
        _exit(slept_ms > (SLEPT_S - 10) * 1000 && slept_ms < (SLEPT_S + 10) * 1000 ? 0 : 1);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void time_that_the_machine_slept_counts_as_time_that_passed(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0)
        _exit(after_a_sleep());
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == CANNOT)
        skip();
    assert_int_equal(0, WEXITSTATUS(status));
}

static void the_monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t last = clock_read().mono_ms;
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_read().mono_ms;
        assert_true(now >= last);
        last = now;
    }
}

static void a_day_of_the_week_is_that_of_the_calendar_also_before_1970(void **state)
{
    const int64_t day = 86400000;
    (void)state;
    assert_true(span_eq(clock_weekday(0), SPAN("thursday")));
    assert_true(span_eq(clock_weekday(day - 1), SPAN("thursday")));
    assert_true(span_eq(clock_weekday(day), SPAN("friday")));
    assert_true(span_eq(clock_weekday(-1), SPAN("wednesday")));
    assert_true(span_eq(clock_weekday(-day), SPAN("wednesday")));
    assert_true(span_eq(clock_weekday(-day - 1), SPAN("tuesday")));
    assert_true(span_eq(clock_weekday(1795320000000), SPAN("sunday")));
    assert_true(span_eq(clock_weekday(1798761600000), SPAN("friday")));
    assert_false(span_is_none(clock_weekday(INT64_MIN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_that_the_machine_slept_counts_as_time_that_passed),
        cmocka_unit_test(the_monotonic_clock_does_not_go_back),
        cmocka_unit_test(a_day_of_the_week_is_that_of_the_calendar_also_before_1970),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

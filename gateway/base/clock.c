// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/clock.h"

#include <time.h>

struct clock_now clock_read(void)
{
    struct timespec wall, mono;

    clock_gettime(CLOCK_REALTIME, &wall);
    // The monotonic clock that goes on while the machine is suspended: what was fresh before is not fresh for the time it slept.
    if (clock_gettime(CLOCK_BOOTTIME, &mono) != 0)
        clock_gettime(CLOCK_MONOTONIC, &mono);
    return (struct clock_now){
        .wall_ms = (int64_t)wall.tv_sec * 1000 + wall.tv_nsec / 1000000,
        .mono_ms = (int64_t)mono.tv_sec * 1000 + mono.tv_nsec / 1000000,
    };
}

int64_t clock_mono_ns(void)
{
    struct timespec mono;

    clock_gettime(CLOCK_MONOTONIC, &mono);
    return (int64_t)mono.tv_sec * 1000000000 + mono.tv_nsec;
}

static char *digits(char *p, int64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
    return p + n;
}

void clock_format(int64_t wall_ms, char out[static CLOCK_TEXT])
{
    // -0400-03-01, and what four digits of a year can say.
    const int64_t origin = -74784816000000, first = -62167219200000, last = 253402300799999;
    int64_t ms, s, days, era, day_of_era, year_of_era, day_of_year, month, day, year;
    char *p = out;

    if (wall_ms < first)
        wall_ms = first;
    if (wall_ms > last)
        wall_ms = last;
    // Counted from a March, so that a leap day is the last day of its year; all terms below are non-negative.
    ms = wall_ms - origin;
    s = ms / 1000;
    days = s / 86400;
    era = days / 146097;
    day_of_era = days % 146097;
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153;
    day = day_of_year - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year = (era - 1) * 400 + year_of_era + (month <= 2);

    p = digits(p, year, 4);
    *p++ = '-';
    p = digits(p, month, 2);
    *p++ = '-';
    p = digits(p, day, 2);
    *p++ = 'T';
    p = digits(p, s / 3600 % 24, 2);
    *p++ = ':';
    p = digits(p, s / 60 % 60, 2);
    *p++ = ':';
    p = digits(p, s % 60, 2);
    *p++ = '.';
    p = digits(p, ms % 1000, 3);
    *p++ = 'Z';
    *p = '\0';
}

bool clock_parse_duration(struct span s, int64_t *ms)
{
    static const struct {
        struct span unit;
        int64_t ms;
    } units[] = {
        { { "ms", 2 }, 1 },      { { "s", 1 }, 1000 },     { { "m", 1 }, 60000 },
        { { "h", 1 }, 3600000 }, { { "d", 1 }, 86400000 },
    };
    size_t n = 0;
    uint64_t count;

    while (n < s.n && s.p[n] >= '0' && s.p[n] <= '9')
        n++;
    if (!span_to_u64(span_sub(s, 0, n), &count) || count > INT64_MAX)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (span_eq(span_sub(s, n, s.n), units[i].unit))
            return !__builtin_mul_overflow((int64_t)count, units[i].ms, ms);
    return false;
}

static bool read_digits(struct span s, size_t at, size_t n, int *out)
{
    int v = 0;

    if (at + n > s.n)
        return false;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (s.p[i] - '0');
    }
    *out = v;
    return true;
}

bool clock_parse_date(struct span s, int64_t *wall_ms)
{
    int year, month, day, hour = 0, minute = 0, second = 0;

    if (!read_digits(s, 0, 4, &year) || !read_digits(s, 5, 2, &month) || !read_digits(s, 8, 2, &day) || s.p[4] != '-' ||
        s.p[7] != '-')
        return false;
    if (s.n != 10 &&
        (s.n != 20 || s.p[10] != 'T' || s.p[13] != ':' || s.p[16] != ':' || s.p[19] != 'Z' ||
         !read_digits(s, 11, 2, &hour) || !read_digits(s, 14, 2, &minute) || !read_digits(s, 17, 2, &second)))
        return false;
    struct tm tm = {
        .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day, .tm_hour = hour, .tm_min = minute, .tm_sec = second
    };
    time_t t = timegm(&tm);
    // timegm takes the 31st of February for the 3rd of March.
    if (tm.tm_mon != month - 1 || tm.tm_mday != day || tm.tm_hour != hour || tm.tm_min != minute || tm.tm_sec != second)
        return false;
    *wall_ms = (int64_t)t * 1000;
    return true;
}

struct span clock_weekday(int64_t wall_ms)
{
    static const struct span names[] = { SPAN("thursday"), SPAN("friday"),  SPAN("saturday"), SPAN("sunday"),
                                         SPAN("monday"),   SPAN("tuesday"), SPAN("wednesday") };
    int64_t day_ms = 86400000, day = wall_ms / day_ms - (wall_ms % day_ms < 0);
    return names[(day % 7 + 7) % 7];
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Datetimes and durations as texts. A datetime is YYYY-MM-DD, or that and Thh:mm:ss, milliseconds .SSS or none, and Z or an
// offset +hhmm. The calendar is the Gregorian one for all years from 0 on; there are no leap seconds. A duration is a sign
// or none and amounts of d, h, m, s, ms: each at most once, in this order.
#include "policy/ext.h"

#include <stdio.h>

#include "gateway/base/clock.h"

enum { DAY_SECONDS = 86400, DAYS_OF_400_YEARS = 146097, EPOCH_DAY = 719468 };

// Days since 1970-01-01. Years begin in March here, so that a leap day ends its year.
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    int64_t era, of_era, of_year;

    year -= month <= 2;
    era = (year >= 0 ? year : year - 399) / 400;
    of_era = year - era * 400;
    of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * DAYS_OF_400_YEARS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAY;
}

static bool leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static bool date_exists(unsigned year, unsigned month, unsigned day)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap(year) ? 1u : 0u);
}

// Exactly n digits.
static bool digits(struct span s, size_t at, unsigned n, unsigned *out)
{
    *out = 0;
    if (s.n < n || at > s.n - n)
        return false;
    for (size_t i = at; i < at + n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        *out = *out * 10 + (unsigned)(s.p[i] - '0');
    }
    return true;
}

static bool sign(struct span s, size_t at, char c)
{
    return at < s.n && s.p[at] == c;
}

// "Z", "+hhmm" or "-hhmm" up to the end, in seconds east.
static const char *offset(struct span s, size_t at, int64_t *out)
{
    unsigned hours, minutes;

    *out = 0;
    if (sign(s, at, 'Z') && at + 1 == s.n)
        return NULL;
    if ((!sign(s, at, '+') && !sign(s, at, '-')) || at + 5 != s.n || !digits(s, at + 1, 2, &hours) ||
        !digits(s, at + 3, 2, &minutes))
        return "not a datetime: it ends with Z or an offset such as +0100";
    if (hours > 23 || minutes > 59)
        return "not a datetime: the offset is beyond 2359";
    *out = (int64_t)hours * 3600 + (int64_t)minutes * 60;
    if (s.p[at] == '-')
        *out = -*out;
    return NULL;
}

static const char *time_of_day(struct span s, int64_t *out)
{
    unsigned hour, minute, second, ms = 0;
    size_t at = 19;
    int64_t east;
    const char *wrong;

    if (!sign(s, 10, 'T') || !digits(s, 11, 2, &hour) || !sign(s, 13, ':') || !digits(s, 14, 2, &minute) ||
        !sign(s, 16, ':') || !digits(s, 17, 2, &second))
        return "not a datetime: Thh:mm:ss is due behind the date";
    if (sign(s, at, '.')) {
        if (!digits(s, at + 1, 3, &ms))
            return "not a datetime: milliseconds have three digits";
        at += 4;
    }
    wrong = offset(s, at, &east);
    if (wrong)
        return wrong;
    if (hour > 23 || minute > 59 || second > 59)
        return "not a datetime: there is no such time of day";
    *out = ((int64_t)hour * 3600 + (int64_t)minute * 60 + second - east) * 1000 + ms;
    return NULL;
}

const char *pol_datetime_read(struct span text, int64_t *out)
{
    unsigned year, month, day;
    const char *wrong;
    int64_t ms = 0;

    if (!digits(text, 0, 4, &year) || !sign(text, 4, '-') || !digits(text, 5, 2, &month) || !sign(text, 7, '-') ||
        !digits(text, 8, 2, &day))
        return "not a datetime such as \"2026-01-31\" or \"2026-01-31T12:00:00Z\"";
    wrong = text.n > 10 ? time_of_day(text, &ms) : NULL;
    if (wrong)
        return wrong;
    if (!date_exists(year, month, day))
        return "not a datetime: there is no such day";
    *out = days_of(year, month, day) * DAY_SECONDS * 1000 + ms;
    return NULL;
}

bool pol_datetime_text(int64_t ms, char out[POL_EXT_TEXT_MAX])
{
    _Static_assert(CLOCK_TEXT <= POL_EXT_TEXT_MAX, "a point in time fits");
    if (ms < days_of(0, 1, 1) * DAY_SECONDS * 1000 || ms >= (days_of(9999, 12, 31) + 1) * DAY_SECONDS * 1000)
        return false;
    clock_format(ms, out);
    return true;
}

// ---------------------------------------------------------------------------------------------------------- durations

static const struct {
    struct span name;
    int64_t ms;
} units[] = {
    { SPAN("d"), 86400000 }, { SPAN("h"), 3600000 }, { SPAN("m"), 60000 }, { SPAN("s"), 1000 }, { SPAN("ms"), 1 }
};

enum { UNITS = sizeof units / sizeof *units };

// The unit that stands here, UNITS: none. "m" only where no "ms" does.
static unsigned unit_at(struct span s, size_t at)
{
    unsigned found = UNITS;

    for (unsigned i = 0; i < UNITS; i++)
        if (span_starts(span_sub(s, at, s.n), units[i].name))
            found = i;
    return found;
}

const char *pol_duration_read(struct span text, int64_t *out)
{
    static const char no[] = "not a duration such as \"1d2h3m4s5ms\" or \"-90s\"";
    bool negative = text.n && text.p[0] == '-', over = false;
    size_t at = negative;
    int64_t sum = 0;

    if (at == text.n)
        return no;
    for (unsigned next = 0; at < text.n; next++) {
        size_t from = at;
        int64_t v = 0;
        unsigned unit;

        // Counted downwards, as there is one more below zero than above.
        for (; at < text.n && text.p[at] >= '0' && text.p[at] <= '9'; at++)
            over = over || __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, text.p[at] - '0', &v);
        unit = unit_at(text, at);
        if (at == from || unit == UNITS || unit < next)
            return no;
        at += units[unit].name.n;
        next = unit;
        over = over || __builtin_mul_overflow(v, units[unit].ms, &v) || __builtin_add_overflow(sum, v, &sum);
    }
    if (over || (!negative && __builtin_sub_overflow((int64_t)0, sum, &sum)))
        return "a duration of more than 64 bits of milliseconds";
    *out = sum;
    return NULL;
}

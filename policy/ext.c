// SPDX-License-Identifier: GPL-3.0-or-later
#include "policy/ext.h"

static const struct pol_ext_function functions[] = {
    [EXT_IP] = { SPAN("ip"), false, 1 },
    [EXT_DECIMAL] = { SPAN("decimal"), false, 1 },
    [EXT_DATETIME] = { SPAN("datetime"), false, 1 },
    [EXT_DURATION] = { SPAN("duration"), false, 1 },
    [EXT_LESS_THAN] = { SPAN("lessThan"), true, 2 },
    [EXT_LESS_THAN_OR_EQUAL] = { SPAN("lessThanOrEqual"), true, 2 },
    [EXT_GREATER_THAN] = { SPAN("greaterThan"), true, 2 },
    [EXT_GREATER_THAN_OR_EQUAL] = { SPAN("greaterThanOrEqual"), true, 2 },
    [EXT_IS_IPV4] = { SPAN("isIpv4"), true, 1 },
    [EXT_IS_IPV6] = { SPAN("isIpv6"), true, 1 },
    [EXT_IS_LOOPBACK] = { SPAN("isLoopback"), true, 1 },
    [EXT_IS_MULTICAST] = { SPAN("isMulticast"), true, 1 },
    [EXT_IS_IN_RANGE] = { SPAN("isInRange"), true, 2 },
    [EXT_OFFSET] = { SPAN("offset"), true, 2 },
    [EXT_DURATION_SINCE] = { SPAN("durationSince"), true, 2 },
    [EXT_TO_DATE] = { SPAN("toDate"), true, 1 },
    [EXT_TO_TIME] = { SPAN("toTime"), true, 1 },
    [EXT_TO_MILLISECONDS] = { SPAN("toMilliseconds"), true, 1 },
    [EXT_TO_SECONDS] = { SPAN("toSeconds"), true, 1 },
    [EXT_TO_MINUTES] = { SPAN("toMinutes"), true, 1 },
    [EXT_TO_HOURS] = { SPAN("toHours"), true, 1 },
    [EXT_TO_DAYS] = { SPAN("toDays"), true, 1 },
};

// What the first and the second argument must be.
static const struct {
    uint8_t first, second;
} kinds[] = {
    [EXT_IP] = { POL_STRING, POL_NONE },
    [EXT_DECIMAL] = { POL_STRING, POL_NONE },
    [EXT_DATETIME] = { POL_STRING, POL_NONE },
    [EXT_DURATION] = { POL_STRING, POL_NONE },
    [EXT_LESS_THAN] = { POL_DECIMAL, POL_DECIMAL },
    [EXT_LESS_THAN_OR_EQUAL] = { POL_DECIMAL, POL_DECIMAL },
    [EXT_GREATER_THAN] = { POL_DECIMAL, POL_DECIMAL },
    [EXT_GREATER_THAN_OR_EQUAL] = { POL_DECIMAL, POL_DECIMAL },
    [EXT_IS_IPV4] = { POL_IP, POL_NONE },
    [EXT_IS_IPV6] = { POL_IP, POL_NONE },
    [EXT_IS_LOOPBACK] = { POL_IP, POL_NONE },
    [EXT_IS_MULTICAST] = { POL_IP, POL_NONE },
    [EXT_IS_IN_RANGE] = { POL_IP, POL_IP },
    [EXT_OFFSET] = { POL_DATETIME, POL_DURATION },
    [EXT_DURATION_SINCE] = { POL_DATETIME, POL_DATETIME },
    [EXT_TO_DATE] = { POL_DATETIME, POL_NONE },
    [EXT_TO_TIME] = { POL_DATETIME, POL_NONE },
    [EXT_TO_MILLISECONDS] = { POL_DURATION, POL_NONE },
    [EXT_TO_SECONDS] = { POL_DURATION, POL_NONE },
    [EXT_TO_MINUTES] = { POL_DURATION, POL_NONE },
    [EXT_TO_HOURS] = { POL_DURATION, POL_NONE },
    [EXT_TO_DAYS] = { POL_DURATION, POL_NONE },
};

enum pol_ext_fn pol_ext_find(struct span name)
{
    for (unsigned i = 0; i < EXT_NONE; i++)
        if (span_eq(name, functions[i].name))
            return (enum pol_ext_fn)i;
    return EXT_NONE;
}

const struct pol_ext_function *pol_ext_function(enum pol_ext_fn fn)
{
    return &functions[fn];
}

// ----------------------------------------------------------------------------------------------------------- decimals

enum { FRACTION = 4, ONE = 10000 };

const char *pol_decimal_read(struct span text, int64_t *out)
{
    bool negative = text.n && text.p[0] == '-';
    size_t i = negative, whole, digits = 0;
    int64_t v = 0;
    bool over = false;

    // Counted downwards, as there is one more below zero than above.
    for (whole = i; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        over = over || __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, text.p[i] - '0', &v);
    if (i == whole || i == text.n || text.p[i] != '.')
        return "not a decimal such as \"12.34\"";
    for (i++; i < text.n && text.p[i] >= '0' && text.p[i] <= '9'; i++, digits++)
        if (digits < FRACTION)
            over = over || __builtin_mul_overflow(v, 10, &v) || __builtin_sub_overflow(v, text.p[i] - '0', &v);
    if (digits == 0 || i != text.n)
        return "not a decimal such as \"12.34\"";
    if (digits > FRACTION)
        return "a decimal with more than four digits behind the point";
    for (; digits < FRACTION; digits++)
        over = over || __builtin_mul_overflow(v, 10, &v);
    if (over || (!negative && __builtin_sub_overflow((int64_t)0, v, &v)))
        return "a decimal out of range; they go up to 922337203685477.5807";
    *out = v;
    return NULL;
}

static void put_digits(char **at, uint64_t v, unsigned least)
{
    char digits[20];
    unsigned n = 0;

    for (; v || n < least; v /= 10)
        digits[n++] = (char)('0' + v % 10);
    while (n > 0)
        *(*at)++ = digits[--n];
}

static void decimal_text(int64_t v, char *out)
{
    uint64_t size = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

    if (v < 0)
        *out++ = '-';
    put_digits(&out, size / ONE, 1);
    *out++ = '.';
    put_digits(&out, size % ONE, FRACTION);
    *out = '\0';
}

static void duration_text(int64_t v, char *out)
{
    if (v < 0)
        *out++ = '-';
    put_digits(&out, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 1);
    memcpy(out, "ms", 3);
}

bool pol_ext_text(const struct pol_value *v, char out[POL_EXT_TEXT_MAX])
{
    switch (v->kind) {
    case POL_DECIMAL: decimal_text(v->i, out); return true;
    case POL_DURATION: duration_text(v->i, out); return true;
    case POL_DATETIME: return pol_datetime_text(v->i, out);
    case POL_IP: pol_ip_text(v, out); return true;
    default: return false;
    }
}

// -------------------------------------------------------------------------------------------------------------- calls

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

static bool construct(enum pol_ext_fn fn, struct span text, struct arena *arena, struct pol_value *out,
                      struct pol_ext_error *error)
{
    int64_t v = 0;

    switch (fn) {
    case EXT_IP: error->what = pol_ip_read(text, arena, out); break;
    case EXT_DECIMAL:
        error->what = pol_decimal_read(text, &v);
        *out = pol_decimal(v);
        break;
    case EXT_DATETIME:
        error->what = pol_datetime_read(text, &v);
        *out = pol_datetime(v);
        break;
    default:
        error->what = pol_duration_read(text, &v);
        *out = pol_duration(v);
        break;
    }
    return error->what == NULL;
}

// The milliseconds since midnight, also before 1970.
static int64_t in_day(int64_t ms)
{
    return ms % DAY < 0 ? ms % DAY + DAY : ms % DAY;
}

static bool of_datetimes(enum pol_ext_fn fn, const struct pol_value *args, struct pol_value *out,
                         struct pol_ext_error *error)
{
    int64_t a = args[0].i;
    bool over = false;

    switch (fn) {
    case EXT_OFFSET:
        over = __builtin_add_overflow(a, args[1].i, &a);
        *out = pol_datetime(a);
        break;
    case EXT_DURATION_SINCE:
        over = __builtin_sub_overflow(a, args[1].i, &a);
        *out = pol_duration(a);
        break;
    case EXT_TO_DATE:
        over = __builtin_sub_overflow(a, in_day(a), &a);
        *out = pol_datetime(a);
        break;
    default: *out = pol_duration(in_day(a)); break;
    }
    if (over)
        error->what = "datetime overflow";
    return !over;
}

bool pol_ext_call(enum pol_ext_fn fn, const struct pol_value *args, struct arena *arena, struct pol_value *out,
                  struct pol_ext_error *error)
{
    const struct pol_value *wrong = args[0].kind != kinds[fn].first                                    ? &args[0]
                                    : functions[fn].arguments == 2 && args[1].kind != kinds[fn].second ? &args[1]
                                                                                                       : NULL;

    *error = (struct pol_ext_error){ 0 };
    if (wrong) {
        error->wanted = wrong == &args[0] ? kinds[fn].first : kinds[fn].second;
        error->got = wrong->kind;
        return false;
    }
    switch (fn) {
    case EXT_IP:
    case EXT_DECIMAL:
    case EXT_DATETIME:
    case EXT_DURATION: return construct(fn, pol_value_span(args[0]), arena, out, error);
    case EXT_LESS_THAN: *out = pol_bool(args[0].i < args[1].i); return true;
    case EXT_LESS_THAN_OR_EQUAL: *out = pol_bool(args[0].i <= args[1].i); return true;
    case EXT_GREATER_THAN: *out = pol_bool(args[0].i > args[1].i); return true;
    case EXT_GREATER_THAN_OR_EQUAL: *out = pol_bool(args[0].i >= args[1].i); return true;
    case EXT_IS_IPV4:
    case EXT_IS_IPV6:
    case EXT_IS_LOOPBACK:
    case EXT_IS_MULTICAST: *out = pol_bool(pol_ip_is(fn, &args[0])); return true;
    case EXT_IS_IN_RANGE: *out = pol_bool(pol_ip_in_range(&args[0], &args[1])); return true;
    case EXT_OFFSET:
    case EXT_DURATION_SINCE:
    case EXT_TO_DATE:
    case EXT_TO_TIME: return of_datetimes(fn, args, out, error);
    case EXT_TO_MILLISECONDS: *out = pol_long(args[0].i); return true;
    case EXT_TO_SECONDS: *out = pol_long(args[0].i / SECOND); return true;
    case EXT_TO_MINUTES: *out = pol_long(args[0].i / MINUTE); return true;
    case EXT_TO_HOURS: *out = pol_long(args[0].i / HOUR); return true;
    case EXT_TO_DAYS: *out = pol_long(args[0].i / DAY); return true;
    case EXT_NONE: break;
    }
    error->what = "no such function";
    return false;
}

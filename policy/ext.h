// SPDX-License-Identifier: GPL-3.0-or-later
// Cedar's extension types: decimal, ipaddr, datetime, duration. Each has a constructor that reads a string and methods;
// datetime and duration can also be compared with < <= > >=. A call that cannot be evaluated – a string that is no
// decimal, an overflow, a value of another type, a wrong number of arguments – is an evaluation error; a function nobody
// knows is an error of the text that names it.
//
// A decimal is a 64-bit count of 1/10000, a datetime of milliseconds since 1970 (without leap seconds), a duration of
// milliseconds. An address is 4 or 16 bytes and the length of its prefix, host bits kept: ip("10.0.0.1/8") and
// ip("10.0.0.0/8") differ.
#ifndef SALLYPORT_POLICY_EXT_H
#define SALLYPORT_POLICY_EXT_H

#include "policy/value.h"

enum pol_ext_fn {
    EXT_IP,
    EXT_DECIMAL,
    EXT_DATETIME,
    EXT_DURATION,
    EXT_LESS_THAN,
    EXT_LESS_THAN_OR_EQUAL,
    EXT_GREATER_THAN,
    EXT_GREATER_THAN_OR_EQUAL,
    EXT_IS_IPV4,
    EXT_IS_IPV6,
    EXT_IS_LOOPBACK,
    EXT_IS_MULTICAST,
    EXT_IS_IN_RANGE,
    EXT_OFFSET,
    EXT_DURATION_SINCE,
    EXT_TO_DATE,
    EXT_TO_TIME,
    EXT_TO_MILLISECONDS,
    EXT_TO_SECONDS,
    EXT_TO_MINUTES,
    EXT_TO_HOURS,
    EXT_TO_DAYS,
    EXT_NONE,
};

struct pol_ext_function {
    struct span name;
    bool method;       // x.name(…); else name(…)
    uint8_t arguments; // with the receiver: 1 or 2
};

// What went wrong: `what`, a static text; or, if that is NULL, a value of kind `got` where `wanted` is due.
struct pol_ext_error {
    const char *what;
    uint8_t wanted, got; // enum pol_kind
};

// EXT_NONE for a name that is none.
enum pol_ext_fn pol_ext_find(struct span name);
const struct pol_ext_function *pol_ext_function(enum pol_ext_fn fn); // not of EXT_NONE

// Applies to as many arguments as the function takes. `arena` gets what does not fit into a value (IPv6 addresses);
// when it is full, `what` says so and arena->failed is set.
bool pol_ext_call(enum pol_ext_fn fn, const struct pol_value *args, struct arena *arena, struct pol_value *out,
                  struct pol_ext_error *error);

// The constructors: NULL, or what is wrong with the text.
const char *pol_decimal_read(struct span text, int64_t *out);
const char *pol_ip_read(struct span text, struct arena *arena, struct pol_value *out);
const char *pol_datetime_read(struct span text, int64_t *out);
const char *pol_duration_read(struct span text, int64_t *out);

// The constructor's argument that yields the value again, canonical. False for a datetime outside of the years 0 to
// 9999, which only offset() can make.
#define POL_EXT_TEXT_MAX 64
bool pol_ext_text(const struct pol_value *v, char out[POL_EXT_TEXT_MAX]);

// The methods of addresses (ip.c).
bool pol_ip_is(enum pol_ext_fn fn, const struct pol_value *v); // EXT_IS_IPV4 … EXT_IS_MULTICAST
bool pol_ip_in_range(const struct pol_value *v, const struct pol_value *range);
void pol_ip_text(const struct pol_value *v, char out[POL_EXT_TEXT_MAX]);
bool pol_datetime_text(int64_t ms, char out[POL_EXT_TEXT_MAX]);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Time as an argument. The edges of the process read the clocks once per wake-up and pass the result down; everything
// below takes `now`, so that a test can stand at any moment.
#ifndef SALLYPORT_BASE_CLOCK_H
#define SALLYPORT_BASE_CLOCK_H

#include "gateway/base/span.h"

struct clock_now {
    int64_t wall_ms; // since 1970-01-01T00:00:00Z: for exp, iat, certificates, audit
    int64_t mono_ms; // monotonic, also through a suspend: for timeouts, and for how long something counts
};

// For the edges only: net/, main, commands.
struct clock_now clock_read(void);
int64_t clock_mono_ns(void);
// "2026-11-21T23:52:55.123Z" (24 characters, RFC 3339) into out; NUL-terminated.
#define CLOCK_TEXT 25
void clock_format(int64_t wall_ms, char out[static CLOCK_TEXT]);
// "monday" … "sunday", in UTC.
struct span clock_weekday(int64_t wall_ms);
// RFC 3339 in UTC, the date or date and time to the second: "2026-11-21", "2026-11-21T23:52:55Z". False on anything else, a date that the calendar does not have
// included.
bool clock_parse_date(struct span s, int64_t *wall_ms);
// "24h", "90s", "15m", "7d", "250ms" → milliseconds; a bare number is refused. False on anything else.
bool clock_parse_duration(struct span s, int64_t *ms);

#endif

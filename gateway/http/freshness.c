// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/freshness.h"

#include "gateway/base/clock.h"

#include <stdio.h>

// Longer is as good as for ever, and cannot overflow.
#define MOST_S (INT64_C(10) * 365 * 86400)

bool gw_http_date_parse(struct span s, int64_t *out)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char text[CLOCK_TEXT];
    int64_t wall_ms;
    // As a date that clock_parse_date knows, calendar included: the name of the day says nothing more.
    if (s.n != 29 || s.p[3] != ',' || s.p[4] != ' ' || s.p[7] != ' ' || s.p[11] != ' ' || s.p[16] != ' ' ||
        !span_eq(span_sub(s, 25, 29), SPAN(" GMT")))
        return false;
    for (unsigned m = 0; m < 12; m++) {
        if (memcmp(months + 3 * m, s.p + 8, 3) != 0)
            continue;
        snprintf(text, sizeof text, "%.4s-%02u-%.2sT%.8sZ", s.p + 12, m + 1, s.p + 5, s.p + 17);
        if (!clock_parse_date(span_str(text), &wall_ms))
            return false;
        *out = wall_ms / 1000;
        return true;
    }
    return false;
}

static struct span unquoted(struct span s)
{
    bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
    return quoted ? span_sub(s, 1, s.n - 1) : s;
}

// -1: the field does not say. A value that is no number counts as stale (RFC 9111 §4.2.1).
static int64_t max_age(struct span field)
{
    int64_t found = -1;
    for (struct span rest = field; !span_is_none(rest);) {
        struct span value = span_trim(span_cut(&rest, ','));
        struct span name = span_cut(&value, '=');
        uint64_t seconds;
        if (span_ieq(name, SPAN("no-store")) || span_ieq(name, SPAN("no-cache")))
            return 0;
        if (!span_ieq(name, SPAN("max-age")) || found >= 0)
            continue;
        if (span_is_none(value) || !span_to_u64(unquoted(value), &seconds))
            found = 0;
        else
            found = seconds < MOST_S ? (int64_t)seconds : MOST_S;
    }
    return found;
}

int64_t gw_freshness_s(const struct gw_freshness *f)
{
    int64_t life = max_age(f->cache_control), expires, date;
    uint64_t age = 0;
    if (life < 0 && !span_is_none(f->expires)) {
        bool dated = gw_http_date_parse(f->expires, &expires) && gw_http_date_parse(f->date, &date);
        life = !dated || expires < date ? 0 : expires - date;
    }
    if (life <= 0)
        return life;
    if (!span_is_none(f->age) && !span_to_u64(f->age, &age))
        age = 0;
    return age < (uint64_t)life ? life - (int64_t)age : 0;
}

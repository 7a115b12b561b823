// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/argument.h"

#include <inttypes.h>
#include <stdlib.h>

#include "gateway/base/clock.h"

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
// Year 9999: past it RFC 3339 has no text.
#define LAST_SECOND 253402300799LL

// ---- in

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct span trim(struct span s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s = span_sub(s, 1, s.n);
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

struct span gw_cli_text(struct gw_cli *cli, const char *arg, size_t max)
{
    bool is_stdin = strcmp(arg, "-") == 0, is_file = arg[0] == '@';
    const char *from = is_stdin ? "standard input" : is_file ? arg + 1 : "the argument";
    struct span s = span_str(arg);

    // A few bytes more than allowed, for the newline at the end.
    if (is_stdin || is_file)
        s = gw_cli_read(cli, is_stdin ? "-" : arg + 1, max + 16);
    if (span_is_none(s))
        return s;
    s = trim(s);
    if (s.n == 0 || s.n > max) {
        gw_cli_usage(cli, s.n == 0 ? "%s is empty" : "%s is longer than %zu bytes", from, max);
        return SPAN_NONE;
    }
    return s;
}

static bool parse_time(struct span s, int64_t now_ms, int64_t *ms)
{
    uint64_t seconds;
    int64_t delta;

    if (s.n > 1 && (s.p[0] == '+' || s.p[0] == '-')) {
        if (!clock_parse_duration(span_sub(s, 1, s.n), &delta) || delta > LAST_SECOND * SECOND - now_ms)
            return false;
        *ms = s.p[0] == '+' ? now_ms + delta : now_ms - delta;
        return true;
    }
    if (span_to_u64(s, &seconds)) {
        if (seconds > LAST_SECOND)
            return false;
        *ms = (int64_t)seconds * SECOND;
        return true;
    }
    return clock_parse_date(s, ms);
}

bool gw_cli_time(struct gw_cli *cli, const char *name, int64_t *wall_ms)
{
    const char *v = gw_cli_get(cli, name);
    int64_t now_ms = clock_read().wall_ms;

    if (!v) {
        *wall_ms = now_ms;
        return true;
    }
    if (parse_time(span_str(v), now_ms, wall_ms))
        return true;
    gw_cli_usage(
        cli, "--%s: '%s' is no moment; write 2026-11-21T23:52:55Z, seconds since the epoch, or +5m and -1h from now",
        name, v);
    return false;
}

// ---- out

void gw_cli_words(int64_t ms, char out[static GW_CLI_WORDS])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = { { DAY, "day" }, { HOUR, "hour" }, { MINUTE, "minute" }, { SECOND, "second" } };
    const size_t n = sizeof units / sizeof *units;
    size_t i = 0;
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;

    while (i < n - 1 && left < (uint64_t)units[i].ms)
        i++;
    uint64_t big = left / (uint64_t)units[i].ms;
    left %= (uint64_t)units[i].ms;
    int used = snprintf(out, GW_CLI_WORDS, "%" PRIu64 " %s%s", big, units[i].name, big == 1 ? "" : "s");
    if (i + 1 < n && left >= (uint64_t)units[i + 1].ms) {
        uint64_t small = left / (uint64_t)units[i + 1].ms;
        snprintf(out + used, (size_t)(GW_CLI_WORDS - used), " %" PRIu64 " %s%s", small, units[i + 1].name,
                 small == 1 ? "" : "s");
    }
}

void gw_cli_moment(int64_t s, int64_t now_ms, char out[static GW_CLI_MOMENT])
{
    char text[CLOCK_TEXT], words[GW_CLI_WORDS];

    if (s < 0 || s > LAST_SECOND) {
        snprintf(out, GW_CLI_MOMENT, "beyond the calendar");
        return;
    }
    int64_t delta = s * SECOND - now_ms;
    clock_format(s * SECOND, text);
    gw_cli_words(delta, words);
    // Without the milliseconds, which a claim does not have.
    snprintf(out, GW_CLI_MOMENT, "%.19sZ, %s%s%s", text, delta < 0 ? "" : "in ", words, delta < 0 ? " ago" : "");
}

static unsigned code_point(struct span s, size_t i, size_t n)
{
    static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    unsigned c = (unsigned char)s.p[i] & lead[n];

    for (size_t k = 1; k < n; k++)
        c = c << 6 | ((unsigned char)s.p[i + k] & 0x3f);
    return c;
}

static bool is_harmful(unsigned c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

void gw_cli_print(FILE *out, struct span s)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = span_utf8(s, i);
        unsigned c = n ? code_point(s, i, n) : 0xfffd;
        if (n == 0)
            fputs("\xef\xbf\xbd", out);
        else if (is_harmful(c))
            fprintf(out, "\\u%04x", c);
        else
            fwrite(s.p + i, 1, n, out);
        i += n ? n : 1;
    }
}

void gw_cli_diags(const struct gw_cli *cli, FILE *out, const struct diags *diags)
{
    struct arena scratch;

    arena_init(&scratch, 0);
    for (const struct diag *d = diags->first; d; d = d->next) {
        bool styled = out == cli->out;
        if (styled)
            fputs(gw_cli_style(cli, d->warning ? GW_STYLE_WARN : GW_STYLE_BAD), out);
        gw_cli_print(out, diag_format(&scratch, d));
        fprintf(out, "%s\n", styled ? gw_cli_style(cli, GW_STYLE_PLAIN) : "");
    }
    if (diags->dropped)
        fprintf(out, "... and %zu more\n", diags->dropped);
    arena_fini(&scratch);
}

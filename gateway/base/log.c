// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "gateway/base/clock.h"

enum { TEXT_MOST = 2048, LINE_MOST = TEXT_MOST * 2 };

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
};

void log_to_stderr(void *ctx, enum log_level level, const char *line, size_t n)
{
    struct iovec parts[2] = { { (void *)(uintptr_t)line, n }, { (void *)(uintptr_t) "\n", 1 } };

    (void)ctx;
    (void)level;
    while (writev(STDERR_FILENO, parts, 2) < 0 && errno == EINTR)
        ;
}

// Bytes that could forge a line or steer a terminal, or are not UTF-8, become escapes that are valid in JSON too.
static size_t escape(struct span text, bool json, char *out, size_t cap)
{
    static const char hex[] = "0123456789abcdef";
    size_t o = 0, n;

    for (size_t i = 0; i < text.n && cap - o >= 6; i += n ? n : 1) {
        unsigned char c = (unsigned char)text.p[i];
        n = span_utf8(text, i);
        if (n == 0 || c < 0x20 || c == 0x7f) {
            memcpy(out + o, "\\u00", 4);
            out[o + 4] = hex[c >> 4];
            out[o + 5] = hex[c & 15];
            o += 6;
            continue;
        }
        if (json && (c == '"' || c == '\\'))
            out[o++] = '\\';
        memcpy(out + o, text.p + i, n);
        o += n;
    }
    return o;
}

void log_write(struct log *l, enum log_level level, const char *fmt, ...)
{
    char text[TEXT_MOST], escaped[LINE_MOST], line[LINE_MOST + 128], when[CLOCK_TEXT];
    va_list args;
    size_t n;
    int len;

    if (!l || !l->sink || (int)level > atomic_load_explicit(&l->level, memory_order_relaxed))
        return;
    va_start(args, fmt);
    len = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (len < 0)
        return;
    n = escape(span_of(text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1), l->json, escaped,
               sizeof escaped);
    clock_format(clock_read().wall_ms, when);
    len =
        snprintf(line, sizeof line, l->json ? "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%.*s\"}" : "%s %s %.*s",
                 when, level_names[level], (int)n, escaped);
    if (len > 0)
        l->sink(l->ctx, level, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

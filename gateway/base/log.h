// SPDX-License-Identifier: GPL-3.0-or-later
// The program's own messages (not the audit log): a level, a text, optional key/value pairs. One line each, to a sink set
// once at start. Callers never pass a token, proof, key or body; values are escaped, so input cannot forge a line.
#ifndef SALLYPORT_BASE_LOG_H
#define SALLYPORT_BASE_LOG_H

#include "gateway/base/span.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

// `line` has no newline. Called from any thread; the sink writes it whole.
typedef void (*log_sink)(void *ctx, enum log_level level, const char *line, size_t n);

struct log {
    log_sink sink;
    void *ctx;
    _Atomic(int) level; // most verbose level that is written
    _Atomic(bool) json; // else "time level text"
};

// The sink for standard error, one write(2) a line.
void log_to_stderr(void *ctx, enum log_level level, const char *line, size_t n);
void log_write(struct log *l, enum log_level level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
#define log_error(l, ...) log_write((l), LOG_ERROR, __VA_ARGS__)
#define log_warn(l, ...) log_write((l), LOG_WARN, __VA_ARGS__)
#define log_info(l, ...) log_write((l), LOG_INFO, __VA_ARGS__)
#define log_debug(l, ...) log_write((l), LOG_DEBUG, __VA_ARGS__)

#endif

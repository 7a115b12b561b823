// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/stop.h"

#include "gateway/base/buf.h"
#include "gateway/base/file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (64u << 20)

void stop(int status, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "%s: ", program_invocation_short_name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(status);
}

struct span read_file(const char *path)
{
    struct buf b;
    buf_init(&b, 0);
    int rc = file_read(path, FILE_MAX, &b);
    if (rc != 0)
        stop(2, "%s: %s", path, strerror(-rc));
    return buf_span(&b);
}

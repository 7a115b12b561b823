// SPDX-License-Identifier: GPL-3.0-or-later
// Files that people and tools lay out: read whole under a bound, written so that a reader sees the old or the new one, never half.
#ifndef SALLYPORT_BASE_FILE_H
#define SALLYPORT_BASE_FILE_H

#include "gateway/base/buf.h"

// Appends the whole of a regular file to `out`. 0, or -errno (EFBIG over `max` bytes, EISDIR, ...). `path` is NUL-terminated.
int file_read(const char *path, size_t max, struct buf *out);
// Writes a temporary file beside `path`, fsyncs it, renames it over `path`, fsyncs the folder. 0 or -errno; on error nothing is left.
int file_write(const char *path, struct span content, unsigned mode);

#endif

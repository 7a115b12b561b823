// SPDX-License-Identifier: GPL-3.0-or-later
// The audit file itself: opened for appending, healed when its last line is torn, written, cut back, synced. One thread's.
#ifndef SALLYPORT_AUDIT_SINK_H
#define SALLYPORT_AUDIT_SINK_H

#include <sys/uio.h>

#include "gateway/base/span.h"

struct gw_sink {
    int fd;
    uint64_t size; // as we left it; another size means that somebody else writes too
    bool torn;     // the file ends in the middle of a line: the next write starts with a newline
};

// Creates it with mode 0600 if it is missing (and makes the name durable). 0, or -errno (-EINVAL: no regular file).
int gw_sink_open(struct gw_sink *s, const char *path);
void gw_sink_close(struct gw_sink *s);
// All of the pieces, or -errno with what went out before in `*written`.
int gw_sink_write(struct gw_sink *s, const struct iovec *pieces, int n, size_t *written);
// Takes back the last `n` bytes. False when that is not possible (append-only file, or somebody else wrote).
bool gw_sink_cut(struct gw_sink *s, uint64_t n);
// fdatasync. 0 or -errno.
int gw_sink_sync(struct gw_sink *s);

#endif

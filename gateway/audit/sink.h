// SPDX-License-Identifier: GPL-3.0-or-later
// The audit file itself: opened for appending, written, cut back, synced. Or standard output, which can only be written. One thread's.
#ifndef SALLYPORT_AUDIT_SINK_H
#define SALLYPORT_AUDIT_SINK_H

#include "gateway/base/span.h"

struct gw_sink {
    int fd;
    bool stream;   // standard output: a terminal, a pipe, or what a container makes of it
    int wait_ms;   // for who reads a stream, with each 4 KiB
    uint64_t size; // as we left it; another size means that somebody else writes too
};

// Creates it with mode 0600 if it is missing (and makes the name durable). 0, or -errno (-EINVAL: no regular file).
int gw_sink_open(struct gw_sink *s, const char *path);
// A descriptor that stays the caller's, and open.
void gw_sink_stream(struct gw_sink *s, int fd, int wait_ms);
void gw_sink_close(struct gw_sink *s);
// All of it, or -errno with what went out before in `*written`.
int gw_sink_write(struct gw_sink *s, struct span text, size_t *written);
// Takes back the last `n` bytes. False when that is not possible (a stream, an append-only file, or somebody else wrote).
bool gw_sink_cut(struct gw_sink *s, uint64_t n);
// fdatasync. 0 or -errno.
int gw_sink_sync(struct gw_sink *s);
// Whether `path` is still the file that was opened.
bool gw_sink_is(const struct gw_sink *s, const char *path);
// Makes the names in the folder of `path` durable. 0 or -errno.
int gw_sink_sync_folder(const char *path);

#endif

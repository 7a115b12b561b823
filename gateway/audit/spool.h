// SPDX-License-Identifier: GPL-3.0-or-later
// What of the audit log has been sent on, and what is next: the log's own files are the spool, and a small file beside them, NAME.cursor, says how far they are
// sent. It is written anew, and synced, when a batch was taken, so a kill repeats one batch at most and loses none. No I/O but these files, no clock.
//
//   due ─▶ next ─▶ GW_SPOOL_BATCH: send `body` ─▶ gw_spool_sent, or gw_spool_failed ─▶ due …
//            └───▶ GW_SPOOL_NOTHING: all of it is sent
#ifndef SALLYPORT_AUDIT_SPOOL_H
#define SALLYPORT_AUDIT_SPOOL_H

#include "gateway/audit/journal.h"

struct gw_spool_options {
    const char *file; // of the log; copied
    size_t batch;     // bytes of a body; a line that is longer goes alone
    bool array;       // a JSON array; else lines
    struct log *log;  // may be NULL
    uint32_t seed;    // of the jitter; random
};

struct gw_spool_cursor {
    char log[GW_CHAIN_LOG];
    uint32_t file;   // 0: nothing was sent yet
    uint64_t offset; // in it, between two lines
    uint64_t seq;    // of the last line that was sent
};

struct gw_spool {
    // The batch.
    struct buf body;
    uint64_t first, last; // numbers of its first and last line
    size_t lines;
    bool full; // there may be more

    char *path, *cursor_path;
    struct gw_spool_cursor at, next; // next: behind the batch
    size_t batch, most;              // most: of what the collector takes, after it said that something was too large
    bool array;
    struct log *log;
    int fd; // of file at.file; -1: none
    unsigned failures;
    uint32_t jitter;
};

enum gw_spool_step { GW_SPOOL_NOTHING, GW_SPOOL_BATCH, GW_SPOOL_FAULT };

// Reads the cursor. 0 or -errno. Without one, or where its file is of another log by now, the oldest file there is comes first.
int gw_spool_open(struct gw_spool *s, const struct gw_spool_options *options);
void gw_spool_close(struct gw_spool *s);
// Gathers the next batch out of what is on the disk. FAULT: files cannot be read; that was logged.
enum gw_spool_step gw_spool_next(struct gw_spool *s, const struct gw_journal_end *end);
// The batch was taken. 0 or -errno: the cursor could not be written, and the batch counts as not taken.
int gw_spool_sent(struct gw_spool *s);
// It was not. Returns after how many ms it is tried again: twice as long each time, up to a minute, less up to a quarter at random; at once, with half of it,
// where it was too large.
int64_t gw_spool_failed(struct gw_spool *s, bool too_large);
// Bytes that are on the disk and not sent.
uint64_t gw_spool_unsent(const struct gw_spool *s, const struct gw_journal_end *end);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// The audit log as a chain of lines in files: takes lines, links and signs them (chain.h), writes and syncs them, begins files anew. One thread's; it
// knows nothing of loops and rings, and its caller keeps the records until a flush says that they are on the disk:
//
//   gw_journal_add … gw_journal_add, gw_journal_flush ─▶ 0: all of it is on the disk
//                                     └─▶ -errno, nothing held: none of it counts, what went out was taken back; add it again
//                                     └─▶ -errno, held: some of it is in the file and cannot be taken back; flush again
//
// What a kill leaves is found when the log is opened again: the chain goes on from the last line that is whole, and its first line then says what
// stands in between.
#ifndef SALLYPORT_AUDIT_JOURNAL_H
#define SALLYPORT_AUDIT_JOURNAL_H

#include "gateway/audit/chain.h"
#include "gateway/audit/sink.h"
#include "gateway/base/clock.h"
#include "gateway/base/log.h"

// How far the log is on the disk.
struct gw_journal_end {
    char log[GW_CHAIN_LOG];
    uint32_t file; // the number that the present file gets when it is rotated
    uint64_t size; // of it, all whole lines
    uint64_t seq;
};

struct gw_journal_options {
    const char *file; // NULL: standard output is the log, and has no rotation
    bool copy;        // to standard output, as far as somebody reads it there
    int stream_fd;    // of standard output
    const struct gw_chain_key
        *key;                // signs checkpoints; NULL: nobody does. Outlives the journal; nobody else signs with it
    int64_t sign_every_ms;   // after the first line that is not signed …
    uint64_t sign_lines;     // … or after so many of them
    uint64_t rotate_size;    // bytes; 0: however large
    int64_t rotate_every_ms; // 0: however old
    uint32_t keep;           // rotated files; 0: all
    // The log of another process, who still writes it: ours begins apart from it, in a new file. NULL: there is none. Copied.
    const struct gw_journal_end *beside;
    struct log *log; // may be NULL; outlives the journal
};

struct gw_journal {
    struct gw_journal_options o;
    char *path; // NULL: standard output, or the path is left to another process:
    char *left;
    struct gw_sink sink, copy;
    struct gw_chain chain;     // as the file has it
    struct gw_chain next;      // with what is in `out`
    struct buf out;            // lines, linked
    size_t done;               // bytes of them that are in the file, and cannot be taken back
    enum gw_chain_cause begin; // due before the next line
    struct buf torn;           // what stands behind the last line of the chain, without a '\n' at its end …
    bool newline_due;          // … which is due first, if that is in the present file
    uint64_t out_records;      // in `out`
    uint32_t number;           // of the file
    uint32_t needed;           // rotated files from this number on are not deleted; set by the owner
    uint64_t records;          // in the file since it was begun
    uint64_t unsigned_n;       // lines since the last checkpoint
    int64_t unsigned_since_ms; // monotonic, as all that follow but begun_ms
    int64_t sign_after_ms;     // not before: it failed
    int64_t rotate_after_ms;   // likewise
    int64_t look_at_ms;        // when the file's name is looked at next
    int64_t begun_ms;          // wall: when the file was begun
    bool signs;                // `out` ends with a checkpoint
    bool sign_now,
        sign_failed; // a checkpoint is due whatever the options say; the last one could not be made, and that was said
    bool away;       // the file has its rotated name already
    struct buf unread; // of the copy: what nobody has taken yet
    uint64_t unread_lost;
};

// Opens the file, or goes on with the one that is there. 0, or -errno.
int gw_journal_open(struct gw_journal *j, const struct gw_journal_options *options, struct clock_now now);
// Ends the chain as a process that ends does, if the disk lets it, and closes.
void gw_journal_close(struct gw_journal *j, struct clock_now now);

// One record, whole with its '\n', in one or two pieces. False when out of memory. Not while something is held.
bool gw_journal_add(struct gw_journal *j, struct span a, struct span b, struct clock_now now);
size_t gw_journal_pending(const struct gw_journal *j); // bytes in `out`
bool gw_journal_held(const struct gw_journal *j);
// Writes and syncs, checkpoints included; rotates when that is due.
int gw_journal_flush(struct gw_journal *j, struct clock_now now);
// Gives up what is held or pending.
void gw_journal_discard(struct gw_journal *j);

// Whether a flush without records has something to do, and when, monotonic; INT64_MAX: never.
int64_t gw_journal_due_ms(const struct gw_journal *j, struct clock_now now);
// After the file was moved away: opens the path anew, if it is another file by now. 0, or -errno: the old file stays in use. What is held stays behind
// in the old file.
int gw_journal_reopen(struct gw_journal *j, struct clock_now now);
// Leaves the path to another process: the file gets its rotated name now, and all that is still to come goes there. 0, or -errno: nothing changed.
int gw_journal_leave(struct gw_journal *j, struct clock_now now);
// Takes the path again, since the other process is gone: goes on behind whatever it wrote there, or behind its own last line. 0 (also when it never left),
// or -errno: it goes on where it is.
int gw_journal_come_back(struct gw_journal *j, struct clock_now now);
struct gw_journal_end gw_journal_end(const struct gw_journal *j);

#endif

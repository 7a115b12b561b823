// SPDX-License-Identifier: GPL-3.0-or-later
// The audit file and the one thread that writes it. Every event loop is a *producer* with a ring of bytes of its own, so submitting is a copy
// and two atomic stores: no lock, no allocation. The writer takes what all rings hold, writes it, fdatasyncs it and then acknowledges.
//
// A submitted record is known by its ticket, a position that only grows; it is *acknowledged* once gw_audit_acked() of its producer is not below it.
// What that promises:
//   - Acknowledged: on the disk (written and fdatasync'ed). Neither kill -9 nor a power cut loses it.
//   - Handed over (submit returned 0) and not acknowledged: lost with a kill -9. With GW_AUDIT_SYNC_REQUEST the writer starts at once,
//     and whoever holds back the answer until the acknowledgement loses no record of an answered request. With GW_AUDIT_SYNC_BATCH nobody waits and
//     the writer starts after `interval_ms`, or when a ring is half full: at most the last batch is lost.
//   - Full (the ring is, because the disk is slow or gone): with GW_AUDIT_REFUSE submit gives ERR_AUDIT_FULL, also from a failed write on
//     until one succeeds again; nothing that was taken is given up while the process lives. With GW_AUDIT_DROP records are dropped and
//     counted; with GW_AUDIT_SYNC_REQUEST a failed write drops what is pending, so that nobody waits for a dead disk.
//   - Every line is whole: a line cut short by a full disk is cut back, or completed later. A line torn by an earlier kill
//     gets its newline when the file is opened, and the next line tells of it.
// On its way into the file each record becomes a link of the chain of hashes (chain.h), by the writer's thread: it costs whoever submits nothing.
// The file belongs to one process at a time.
#ifndef SALLYPORT_AUDIT_WRITER_H
#define SALLYPORT_AUDIT_WRITER_H

#include "gateway/audit/journal.h"

enum gw_audit_sync { GW_AUDIT_SYNC_BATCH, GW_AUDIT_SYNC_REQUEST };
enum gw_audit_on_full { GW_AUDIT_REFUSE, GW_AUDIT_DROP };

struct gw_audit_options {
    struct gw_journal_options journal; // its file is created with mode 0600 if missing, and copied; log may be NULL
    enum gw_audit_sync sync;
    enum gw_audit_on_full on_full;
    size_t queue;        // bytes a producer; rounded up to a power of two, 64 KiB at least
    int64_t interval_ms; // between batches
    unsigned producers;
    bool sent_on; // no rotated file is deleted before gw_audit_need says which are sent
};

struct gw_audit;

// Opens the file and starts the thread. 0 and `*out`, or -errno (of the file; -ENOMEM; -EINVAL: no regular file).
int gw_audit_open(const struct gw_audit_options *options, struct gw_audit **out);
// Writes what is pending, waiting at most `patience_ms` for a disk that fails, joins the thread and frees. Returns how many records were given up.
// No producer may submit any more. NULL is fine.
uint64_t gw_audit_close(struct gw_audit *a, int64_t patience_ms);

// Called from the writer's thread whenever acknowledgements of this producer advanced, and when the writer began or ceased to fail. Set it
// before the first submit, from the producer's thread.
typedef void (*gw_audit_on_progress)(void *ctx);
void gw_audit_listen(struct gw_audit *a, unsigned producer, gw_audit_on_progress on_progress, void *ctx);

// Hands over one line (a whole JSON object with members, and its '\n'). Only from the producer's own thread. 0 with its `*ticket` (may be NULL; 0 for a dropped record, which counts as
// acknowledged), or ERR_AUDIT_FULL: also for a record that is larger than the whole queue, whatever `on_full` says.
int gw_audit_submit(struct gw_audit *a, unsigned producer, struct span line, uint64_t *ticket);
// Any thread.
uint64_t gw_audit_acked(const struct gw_audit *a, unsigned producer);
bool gw_audit_failing(const struct gw_audit *a); // the last write failed and has not been made good
// Nothing may be begun that would want a record: the last write failed, or too much of the log is not sent on yet, and records are not dropped.
bool gw_audit_refuses(const struct gw_audit *a);
uint64_t gw_audit_dropped(const struct gw_audit *a);
uint64_t gw_audit_written(const struct gw_audit *a); // records acknowledged, of all producers

// After the file was moved away (logrotate): what is pending goes to the old one, then the path is opened anew. Returns at once; when opening
// fails the old file stays in use and the log says so. `gw_audit_reopened` counts the successes.
void gw_audit_reopen(struct gw_audit *a);
// Another process takes the path over (`beside` of its journal): this one's file gets its rotated name, and what is still to come goes there. Waits
// for it. 0, or -errno: this one goes on as it was, with -ETIMEDOUT as soon as its disk answers.
int gw_audit_leave(struct gw_audit *a, int64_t patience_ms);
// The other process is gone: back to the path, behind whatever it wrote there.
void gw_audit_come_back(struct gw_audit *a);
uint64_t gw_audit_reopened(const struct gw_audit *a);

// For whoever sends the log on from its files. Any thread. Where it ends on the disk; and that rotated files before `needed` are sent (all may be
// deleted with UINT32_MAX, which is so at first). `behind`: too much is not; nothing new is begun until that is over, unless records may be dropped.
struct gw_journal_end gw_audit_end(struct gw_audit *a);
void gw_audit_need(struct gw_audit *a, uint32_t needed, bool behind);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/journal_resume.h"

enum {
    LOOK_MS = 1000,       // how often the file's name is looked at
    AGAIN_MS = 60 * 1000, // before a rotation that failed is tried again
    STREAM_MS = 250,      // for whoever reads the log from standard output
    UNREAD_MS = 200,      // between two looks whether somebody reads the copy
    UNREAD_MAX = 4 << 20, // bytes of the copy that wait for that
};

// --------------------------------------------------------------------------------------------------------- what is due

bool gw_journal_held(const struct gw_journal *j)
{
    return j->done > 0;
}

size_t gw_journal_pending(const struct gw_journal *j)
{
    return buf_len(&j->out);
}

static uint64_t unsigned_lines(const struct gw_journal *j)
{
    return j->unsigned_n + (buf_len(&j->out) ? j->next.seq - j->chain.seq : 0);
}

static bool sign_due(const struct gw_journal *j, int64_t mono_ms)
{
    uint64_t n = j->o.key ? unsigned_lines(j) : 0;

    if (n == 0 || mono_ms < j->sign_after_ms)
        return false;
    return j->sign_now || n >= j->o.sign_lines ||
           (j->unsigned_n > 0 && mono_ms >= j->unsigned_since_ms + j->o.sign_every_ms);
}

// Wall time until the file is old enough; 0: it is, INT64_MAX: it never will be.
static int64_t until_old(const struct gw_journal *j, int64_t wall_ms)
{
    int64_t at = j->begun_ms + j->o.rotate_every_ms;

    if (!j->path || j->o.rotate_every_ms == 0 || j->records == 0)
        return INT64_MAX;
    return wall_ms >= at ? 0 : at - wall_ms;
}

static bool rotate_due(const struct gw_journal *j, struct clock_now now)
{
    if (!j->path || now.mono_ms < j->rotate_after_ms)
        return false;
    // A file of nothing but its first line is not full, however small the bound.
    bool full = j->o.rotate_size > 0 && j->sink.size >= j->o.rotate_size && j->records > 0;
    return j->away || full || until_old(j, now.wall_ms) == 0;
}

int64_t gw_journal_due_ms(const struct gw_journal *j, struct clock_now now)
{
    int64_t due = INT64_MAX, old = until_old(j, now.wall_ms);

    if (j->begin != GW_CHAIN_GOES_ON)
        return now.mono_ms;
    if (j->o.key && j->unsigned_n > 0)
        due = j->sign_now ? now.mono_ms : j->unsigned_since_ms + j->o.sign_every_ms;
    if (due < j->sign_after_ms)
        due = j->sign_after_ms;
    if (j->away)
        old = 0;
    if (old != INT64_MAX) {
        int64_t at = now.mono_ms + old > j->rotate_after_ms ? now.mono_ms + old : j->rotate_after_ms;
        due = at < due ? at : due;
    }
    if (buf_len(&j->unread) && now.mono_ms + UNREAD_MS < due)
        due = now.mono_ms + UNREAD_MS;
    return due;
}

// -------------------------------------------------------------------------------------------------------------- lines

// The first of a batch goes behind what is in the file, and behind what the chain itself has to say.
static bool begin_batch(struct gw_journal *j, int64_t wall_ms)
{
    if (buf_len(&j->out))
        return true;
    j->next = j->chain;
    j->out_records = 0;
    if (j->begin == GW_CHAIN_GOES_ON)
        return true;
    bool ok = !j->newline_due || buf_byte(&j->out, '\n');
    ok = ok && gw_chain_mark(&j->next, j->begin, j->number, buf_len(&j->torn) ? buf_span(&j->torn) : SPAN_NONE, wall_ms,
                             &j->out);
    if (!ok)
        buf_clear(&j->out);
    return ok;
}

bool gw_journal_add(struct gw_journal *j, struct span a, struct span b, struct clock_now now)
{
    if (!begin_batch(j, now.wall_ms) || !gw_chain_add(&j->next, a, b, &j->out))
        return false;
    j->out_records++;
    return true;
}

static void sign(struct gw_journal *j, struct clock_now now)
{
    int rc = begin_batch(j, now.wall_ms) ? gw_chain_sign(&j->next, j->o.key, now.wall_ms, &j->out) : ERR_NOMEM;

    j->signs = rc == 0;
    if (rc == 0)
        return;
    j->sign_after_ms = now.mono_ms + j->o.sign_every_ms;
    if (!j->sign_failed)
        log_error(j->o.log, "audit: checkpoints cannot be signed: %.*s; the chain goes on without them",
                  SPAN_FMT(err_info(rc)->reason));
    j->sign_failed = true;
}

// ------------------------------------------------------------------------------------------------------------ the file

// What went out counts, since it cannot be taken back: the chain goes on behind its last whole line, and says what stands behind that.
static void settle(struct gw_journal *j)
{
    struct span rest = span_sub(buf_span(&j->out), 0, j->done);

    if (j->newline_due && rest.n) {
        rest = span_sub(rest, 1, rest.n);
        j->newline_due = false;
    }
    while (span_find(rest, '\n') < rest.n) {
        gw_chain_follow(&j->chain, span_cut(&rest, '\n'));
        j->begin = GW_CHAIN_GOES_ON;
        buf_clear(&j->torn);
        j->unsigned_n++;
    }
    if (rest.n) {
        if (buf_len(&j->torn))
            buf_byte(&j->torn, '\n');
        buf_append(&j->torn, rest);
        j->newline_due = true;
        j->begin = GW_CHAIN_TORN;
    }
    buf_clear(&j->out);
    j->done = 0;
    j->signs = false;
}

static void take_back(struct gw_journal *j)
{
    if (j->done && !gw_sink_cut(&j->sink, j->done))
        return;
    buf_clear(&j->out);
    j->done = 0;
    j->signs = false;
}

static void copy_out(struct gw_journal *j, struct span text)
{
    size_t out = 0;

    if (buf_len(&j->unread)) {
        (void)gw_sink_write(&j->copy, buf_span(&j->unread), &out);
        buf_consume(&j->unread, out);
        out = 0;
    }
    if (text.n && buf_len(&j->unread) == 0)
        (void)gw_sink_write(&j->copy, text, &out);
    text = span_sub(text, out, text.n);
    // The rest of a line that somebody has begun to read is never left out.
    if (text.n && (out || buf_len(&j->unread) + text.n <= UNREAD_MAX)) {
        buf_append(&j->unread, text);
    } else if (text.n) {
        if (j->unread_lost++ == 0)
            log_warn(j->o.log, "audit: nobody reads standard output; the copy there misses records, the file has them");
    } else if (j->unread_lost) {
        log_warn(j->o.log, "audit: standard output is read again; its copy misses %llu batches, see their seq",
                 (unsigned long long)j->unread_lost);
        j->unread_lost = 0;
    }
}

static void commit(struct gw_journal *j, int64_t mono_ms)
{
    uint64_t lines = j->next.seq - j->chain.seq;

    if (j->signs)
        j->sign_failed = j->sign_now = false;
    else if (j->unsigned_n == 0)
        j->unsigned_since_ms = mono_ms;
    j->unsigned_n = j->signs ? 0 : j->unsigned_n + lines;
    j->records += j->out_records;
    j->chain = j->next;
    j->begin = GW_CHAIN_GOES_ON;
    j->signs = j->newline_due = false;
    buf_clear(&j->torn);
    if (j->o.copy)
        copy_out(j, buf_span(&j->out));
    buf_clear(&j->out);
    j->done = 0;
    j->out_records = 0;
}

static int write_out(struct gw_journal *j, struct clock_now now)
{
    size_t more = 0;
    int e;

    if (!gw_journal_held(j) && !begin_batch(j, now.wall_ms))
        return -ENOMEM;
    if (!gw_journal_held(j) && sign_due(j, now.mono_ms))
        sign(j, now);
    if (buf_len(&j->out) == 0) {
        if (j->o.copy && buf_len(&j->unread))
            copy_out(j, SPAN_NONE);
        return 0;
    }
    e = gw_sink_write(&j->sink, span_sub(buf_span(&j->out), j->done, buf_len(&j->out)), &more);
    j->done += more;
    if (e) {
        take_back(j);
        return e;
    }
    e = gw_sink_sync(&j->sink);
    if (e) {
        // The kernel may have thrown the pages away and call the next sync a success, so all is written again. What cannot be taken back is in
        // the file then, and its records follow once more with numbers of their own, under the same request ids.
        take_back(j);
        if (gw_journal_held(j))
            settle(j);
        return e;
    }
    commit(j, now.mono_ms);
    return 0;
}

// ------------------------------------------------------------------------------------------------------------ files

static void begin_file(struct gw_journal *j, struct gw_sink fresh, enum gw_chain_cause cause, struct clock_now now)
{
    gw_sink_close(&j->sink);
    j->sink = fresh;
    j->number++;
    j->begin = cause;
    j->begun_ms = now.wall_ms;
    j->records = 0;
    j->rotate_after_ms = now.mono_ms; // whatever was in the way of the old one's
    // What is torn stays behind, and the first line here tells of it.
    j->away = j->newline_due = false;
}

static void prune(struct gw_journal *j)
{
    struct gw_audit_numbers n = { 0 };

    if (j->o.keep == 0 || gw_audit_numbers(j->path, &n) != 0)
        return;
    for (size_t i = 0; n.n - i > j->o.keep && n.v[i] < j->needed; i++) {
        char *name = gw_audit_file_name(j->path, n.v[i]);
        if (!name || unlink(name) != 0)
            log_warn(j->o.log, "audit: %s cannot be deleted: %s", name ? name : "a file", strerror(errno));
        free(name);
    }
    gw_audit_numbers_fini(&n);
}

static int move_away(struct gw_journal *j)
{
    char *name = gw_audit_file_name(j->path, j->number);
    int e = 0;

    if (name && access(name, F_OK) == 0) {
        // Somebody put a file there; ours gets the next number that is free.
        struct gw_audit_numbers n = { 0 };
        if (gw_audit_numbers(j->path, &n) == 0 && n.n)
            j->number = n.v[n.n - 1] + 1;
        gw_audit_numbers_fini(&n);
        free(name);
        name = gw_audit_file_name(j->path, j->number);
    }
    if (!name || j->number > GW_AUDIT_NUMBER_MAX)
        e = -ENOMEM;
    else if (rename(j->path, name) != 0)
        e = -errno;
    else
        j->away = true;
    free(name);
    return e;
}

static void rotate(struct gw_journal *j, struct clock_now now)
{
    struct gw_sink fresh;
    int e = 0;

    // So that a file can be verified without the next one.
    if (!j->away && j->o.key && j->unsigned_n > 0) {
        j->sign_now = true;
        if (write_out(j, now) != 0) {
            j->rotate_after_ms = now.mono_ms + LOOK_MS;
            return;
        }
    }
    if (!j->away)
        e = move_away(j);
    if (!e)
        e = gw_sink_open(&fresh, j->path);
    if (e) {
        log_error(j->o.log, "audit: %s cannot be rotated: %s; the old file stays in use", j->path, strerror(-e));
        j->rotate_after_ms = now.mono_ms + AGAIN_MS;
        return;
    }
    (void)gw_sink_sync_folder(j->path);
    begin_file(j, fresh, GW_CHAIN_ROTATE, now);
    // Should it fail, the line is due with the next flush.
    (void)write_out(j, now);
    prune(j);
}

int gw_journal_reopen(struct gw_journal *j, struct clock_now now)
{
    struct gw_sink fresh;
    int e;

    if (!j->path || gw_sink_is(&j->sink, j->path))
        return 0;
    e = gw_sink_open(&fresh, j->path);
    if (e)
        return e;
    if (gw_journal_held(j))
        settle(j);
    begin_file(j, fresh, GW_CHAIN_REOPEN, now);
    return 0;
}

int gw_journal_leave(struct gw_journal *j, struct clock_now now)
{
    int e = j->path && !j->away ? move_away(j) : 0;

    if (e)
        return e;
    if (j->path)
        (void)gw_sink_sync_folder(j->path);
    // Nothing is rotated, looked for or deleted any more.
    if (j->path)
        j->left = j->path;
    j->path = NULL;
    j->sign_now = true;
    (void)write_out(j, now);
    return 0;
}

static void look_at_name(struct gw_journal *j, struct clock_now now)
{
    int e;

    // Before a rotation in any case: what has the name may be somebody else's.
    if (!j->path || j->away || (now.mono_ms < j->look_at_ms && !rotate_due(j, now)))
        return;
    j->look_at_ms = now.mono_ms + LOOK_MS;
    if (gw_sink_is(&j->sink, j->path))
        return;
    e = gw_journal_reopen(j, now);
    if (e) {
        j->look_at_ms = j->rotate_after_ms = now.mono_ms + AGAIN_MS;
        log_error(j->o.log, "audit: %s is gone and cannot be opened anew: %s; the old file stays in use", j->path,
                  strerror(-e));
    } else {
        log_warn(j->o.log, "audit: %s was moved away or removed; a new file was begun", j->path);
        (void)write_out(j, now);
    }
}

int gw_journal_flush(struct gw_journal *j, struct clock_now now)
{
    int e = write_out(j, now);

    if (e)
        return e;
    look_at_name(j, now);
    if (rotate_due(j, now))
        rotate(j, now);
    return 0;
}

void gw_journal_discard(struct gw_journal *j)
{
    if (gw_journal_held(j))
        settle(j);
    buf_clear(&j->out);
    j->signs = false;
}

struct gw_journal_end gw_journal_end(const struct gw_journal *j)
{
    struct gw_journal_end end = { .file = j->number, .size = j->sink.size - j->done, .seq = j->chain.seq };

    memcpy(end.log, j->chain.log, sizeof end.log);
    return end;
}

// ------------------------------------------------------------------------------------------------- begin and end

// As if nobody had written yet; what is there is found by gw_journal_resume.
static void begin_log(struct gw_journal *j, struct clock_now now)
{
    gw_chain_begin(&j->chain);
    buf_clear(&j->torn);
    j->begin = GW_CHAIN_START;
    j->number = 1;
    j->begun_ms = now.wall_ms;
    j->records = j->unsigned_n = 0;
    j->sign_now = true;
    j->away = j->newline_due = false;
    j->look_at_ms = now.mono_ms + LOOK_MS;
}

int gw_journal_open(struct gw_journal *j, const struct gw_journal_options *options, struct clock_now now)
{
    int e = 0;

    *j = (struct gw_journal){ .o = *options, .needed = UINT32_MAX };
    buf_init(&j->out, 0);
    buf_init(&j->torn, 0);
    buf_init(&j->unread, 0);
    gw_sink_stream(&j->copy, options->stream_fd, 0);
    gw_sink_stream(&j->sink, options->stream_fd, STREAM_MS);
    begin_log(j, now);
    if (options->file) {
        j->path = strdup(options->file);
        e = j->path ? gw_sink_open(&j->sink, j->path) : -ENOMEM;
        if (!e)
            e = gw_journal_resume(j);
    }
    if (e) {
        gw_sink_close(&j->sink);
        buf_fini(&j->torn);
        free(j->path);
        j->path = NULL;
    }
    return e;
}

static void end_chain(struct gw_journal *j, struct clock_now now)
{
    if (!gw_journal_held(j) && begin_batch(j, now.wall_ms) &&
        gw_chain_mark(&j->next, GW_CHAIN_STOP, j->number, SPAN_NONE, now.wall_ms, &j->out)) {
        j->sign_now = true;
        j->sign_after_ms = 0;
        (void)write_out(j, now);
    }
}

int gw_journal_come_back(struct gw_journal *j, struct clock_now now)
{
    struct gw_sink fresh;
    int e = j->left ? gw_sink_open(&fresh, j->left) : 0;

    if (e || !j->left)
        return e;
    end_chain(j, now);
    gw_journal_discard(j);
    gw_sink_close(&j->sink);
    j->sink = fresh;
    j->path = j->left;
    j->left = NULL;
    begin_log(j, now);
    return gw_journal_resume(j);
}

void gw_journal_close(struct gw_journal *j, struct clock_now now)
{
    end_chain(j, now);
    gw_sink_close(&j->sink);
    buf_fini(&j->out);
    buf_fini(&j->torn);
    buf_fini(&j->unread);
    free(j->path);
    free(j->left);
}

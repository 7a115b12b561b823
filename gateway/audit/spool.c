// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/read.h"
#include "gateway/base/file.h"

enum { CURSOR_MAX = 4096, RETRY_FIRST_MS = 1000, RETRY_MOST_MS = 60 * 1000, LEAST = 1024, FIRST_MAX = 4096 };

// ------------------------------------------------------------------------------------------------------------- cursor

static bool read_cursor(struct span text, struct gw_spool_cursor *out)
{
    struct json_doc *doc = json_parse(text, NULL, NULL);
    json root = doc ? json_root(doc) : NULL;
    struct span log = json_string(json_get(root, SPAN("log")));
    int64_t file, offset, seq;
    bool ok = gw_chain_is_log(log) && json_i64(json_get(root, SPAN("file")), &file) && file > 0 &&
              file <= GW_AUDIT_NUMBER_MAX && json_i64(json_get(root, SPAN("offset")), &offset) && offset >= 0 &&
              json_i64(json_get(root, SPAN("seq")), &seq) && seq >= 0;

    if (ok) {
        *out = (struct gw_spool_cursor){ .file = (uint32_t)file, .offset = (uint64_t)offset, .seq = (uint64_t)seq };
        memcpy(out->log, log.p, log.n);
    }
    json_free(doc);
    return ok;
}

static int write_cursor(const struct gw_spool *s, const struct gw_spool_cursor *c)
{
    char text[256];
    int n = snprintf(text, sizeof text, "{\"log\":\"%s\",\"file\":%u,\"offset\":%llu,\"seq\":%llu}\n", c->log,
                     (unsigned)c->file, (unsigned long long)c->offset, (unsigned long long)c->seq);

    return file_write(s->cursor_path, span_of(text, (size_t)n), 0600);
}

int gw_spool_open(struct gw_spool *s, const struct gw_spool_options *o)
{
    struct buf text;
    int e;

    *s = (struct gw_spool){
        .batch = o->batch, .most = o->batch, .array = o->array, .log = o->log, .fd = -1, .jitter = o->seed | 1
    };
    buf_init(&s->body, 0);
    s->path = strdup(o->file);
    if (!s->path || asprintf(&s->cursor_path, "%s.cursor", o->file) < 0) {
        s->cursor_path = NULL;
        gw_spool_close(s);
        return -ENOMEM;
    }
    buf_init(&text, 0);
    e = file_read(s->cursor_path, CURSOR_MAX, &text);
    if (!e && !read_cursor(buf_span(&text), &s->at))
        log_warn(s->log, "audit: %s cannot be understood; all records that are there are sent again", s->cursor_path);
    buf_fini(&text);
    if (e && e != -ENOENT) {
        gw_spool_close(s);
        return e;
    }
    return 0;
}

static void close_file(struct gw_spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void gw_spool_close(struct gw_spool *s)
{
    if (!s->path)
        return;
    close_file(s);
    buf_fini(&s->body);
    free(s->path);
    free(s->cursor_path);
    s->path = s->cursor_path = NULL;
}

// -------------------------------------------------------------------------------------------------------------- files

// The number that the first line of a file gives it, 0: it gives none, and the log that the file is of; "": nobody knows.
static uint32_t number_of(int fd, char log[static GW_CHAIN_LOG])
{
    char text[FIRST_MAX];
    ssize_t n = pread(fd, text, sizeof text, 0);
    struct span all = span_of(text, n > 0 ? (size_t)n : 0);
    struct json_doc *doc = json_parse(span_sub(all, 0, span_find(all, '\n')), NULL, NULL);
    json root = doc ? json_root(doc) : NULL;
    int64_t number = 0;

    if (!span_eq(json_string(json_get(root, SPAN("kind"))), SPAN("chain")) ||
        !json_i64(json_get(root, SPAN("file")), &number) || number < 0 || number > GW_AUDIT_NUMBER_MAX)
        number = 0;
    struct span name = number ? json_string(json_get(root, SPAN("log"))) : SPAN_NONE;
    memset(log, 0, GW_CHAIN_LOG);
    if (name.n == GW_CHAIN_LOG - 1)
        memcpy(log, name.p, name.n);
    json_free(doc);
    return (uint32_t)number;
}

// The oldest file from number `from` on; the present one when no rotated one is left.
static uint32_t oldest(const struct gw_spool *s, uint32_t from, uint32_t present)
{
    struct gw_audit_numbers n = { 0 };
    uint32_t found = present;

    if (gw_audit_numbers(s->path, &n) != 0)
        return present;
    for (size_t i = 0; i < n.n; i++) {
        if (n.v[i] >= from && n.v[i] < present) {
            found = n.v[i];
            break;
        }
    }
    gw_audit_numbers_fini(&n);
    return found;
}

static int open_number(const struct gw_spool *s, uint32_t number, uint32_t present)
{
    char *name = gw_audit_file_name(s->path, number == present ? 0 : number);
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;

    free(name);
    return fd;
}

static void start_over(struct gw_spool *s, const struct gw_journal_end *end)
{
    close_file(s);
    s->at = (struct gw_spool_cursor){ .file = oldest(s, 1, end->file) };
}

// The file that the cursor stands in. False: the next time.
static bool open_file(struct gw_spool *s, const struct gw_journal_end *end)
{
    char log[GW_CHAIN_LOG];
    struct stat st;

    if (s->at.file == 0 || s->at.file > end->file)
        start_over(s, end);
    if (s->fd >= 0)
        return true;
    s->fd = open_number(s, s->at.file, end->file);
    if (s->fd < 0 && errno == ENOENT && s->at.file < end->file) {
        uint32_t next = oldest(s, s->at.file + 1, end->file);
        log_error(s->log, "audit: file %u of %s is gone before it was sent; it goes on with file %u",
                  (unsigned)s->at.file, s->path, (unsigned)next);
        s->at.file = next;
        s->at.offset = 0;
        s->fd = open_number(s, next, end->file);
    }
    if (s->fd < 0)
        return false;
    // It may have been rotated since `end` was looked at. A file from before the chain has no number, and is the first.
    uint32_t number = number_of(s->fd, log);
    bool right = number == 0 || number == s->at.file;
    if (!right || fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        close_file(s);
        return false;
    }
    // Where an upgrade passed the log on, the files after it are of another log, and it is sent through all of them. A file that is not of the log that it
    // was in means that somebody began anew.
    if (log[0] && s->at.offset > 0 && strcmp(s->at.log, log) != 0) {
        start_over(s, end);
        return open_file(s, end);
    }
    memcpy(s->at.log, log[0] ? log : end->log, sizeof s->at.log);
    if (s->at.offset > (uint64_t)st.st_size) {
        log_error(s->log, "audit: file %u of %s is shorter than what was sent of it; it is sent again",
                  (unsigned)s->at.file, s->path);
        s->at.offset = 0;
    }
    return true;
}

static uint64_t size_of(const struct gw_spool *s, const struct gw_journal_end *end)
{
    struct stat st;

    if (s->at.file == end->file)
        return end->size;
    return fstat(s->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

// -------------------------------------------------------------------------------------------------------------- batches

// Puts a line into the body. What is no line of the chain, such as what a kill left, is not sent: the next line tells of it.
static bool put(struct gw_spool *s, struct span line)
{
    struct json_limits limits = { .bytes = GW_AUDIT_LINE_MAX, .depth = 200, .nul_names = true };
    struct json_doc *doc = json_parse(line, &limits, NULL);
    uint8_t prev[GW_CHAIN_HASH];
    uint64_t seq = 0;
    bool linked = doc && gw_chain_read(json_root(doc), &seq, prev), ok = true;

    // Lines from before the chain have no number, and go as they are.
    if (doc && json_type(json_root(doc)) == JSON_OBJECT) {
        if (s->array)
            ok = buf_byte(&s->body, s->lines ? ',' : '[');
        ok = ok && buf_append(&s->body, line) && (s->array || buf_byte(&s->body, '\n'));
        s->lines += ok;
        if (linked && ok) {
            if (s->first == 0)
                s->first = seq;
            s->last = s->next.seq = seq;
        }
    }
    json_free(doc);
    return ok;
}

static bool read_at(int fd, uint64_t offset, size_t n, struct buf *out)
{
    char *room = buf_reserve(out, n);

    for (size_t have = 0; room && have < n;) {
        ssize_t some = pread(fd, room + have, n - have, (off_t)(offset + have));
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return false;
        have += (size_t)some;
    }
    if (room)
        buf_commit(out, n);
    return room != NULL;
}

// Whole lines of the present file, up to the bound. False: it cannot be read.
static bool gather(struct gw_spool *s, uint64_t size)
{
    uint64_t left = size > s->next.offset ? size - s->next.offset : 0;
    struct span rest;
    struct buf text;
    bool ok = true;

    buf_init(&text, 0);
    for (size_t n = s->most; left > 0; n *= 4) {
        size_t some = n < left ? n : (size_t)left;
        buf_clear(&text);
        ok = some <= 2 * GW_AUDIT_LINE_MAX && read_at(s->fd, s->next.offset, some, &text);
        // A line that is longer than a batch goes alone.
        if (!ok || memchr(buf_span(&text).p, '\n', buf_len(&text)) || some == left)
            break;
    }
    rest = buf_span(&text);
    while (ok && rest.n) {
        size_t end = span_find(rest, '\n');
        if (end == rest.n || (s->lines > 0 && buf_len(&s->body) + end > s->most)) {
            s->full = true;
            break;
        }
        ok = put(s, span_sub(rest, 0, end));
        s->next.offset += end + 1;
        rest = span_sub(rest, end + 1, rest.n);
    }
    s->full = s->full || size > s->next.offset;
    buf_fini(&text);
    return ok;
}

enum gw_spool_step gw_spool_next(struct gw_spool *s, const struct gw_journal_end *end)
{
    buf_clear(&s->body);
    s->first = s->last = 0;
    s->lines = 0;
    s->full = false;
    for (;;) {
        if (!open_file(s, end))
            return s->fd < 0 ? GW_SPOOL_FAULT : GW_SPOOL_NOTHING;
        s->next = s->at;
        uint64_t size = size_of(s, end);
        if (!gather(s, size)) {
            log_error(s->log, "audit: file %u of %s cannot be read to be sent", (unsigned)s->at.file, s->path);
            return GW_SPOOL_FAULT;
        }
        if (s->lines > 0)
            break;
        bool passed = s->next.offset > s->at.offset;
        s->at = s->next; // over what is not sent
        // A batch's worth of it: what stands behind is looked at before the file is done with.
        if (passed && s->at.offset < size) {
            s->full = false;
            continue;
        }
        if (s->at.file == end->file)
            return GW_SPOOL_NOTHING;
        // Its end may be torn: what is there is told of by the next file's first line.
        close_file(s);
        s->at.file = oldest(s, s->at.file + 1, end->file);
        s->at.offset = 0;
    }
    if (s->array)
        buf_byte(&s->body, ']');
    s->full = s->full || s->next.file != end->file;
    return s->body.failed ? GW_SPOOL_FAULT : GW_SPOOL_BATCH;
}

int gw_spool_sent(struct gw_spool *s)
{
    int e = write_cursor(s, &s->next);

    if (e)
        return e;
    s->at = s->next;
    s->failures = 0;
    if (s->most < s->batch)
        s->most = s->most * 2 < s->batch ? s->most * 2 : s->batch;
    return 0;
}

int64_t gw_spool_failed(struct gw_spool *s, bool too_large)
{
    int64_t ms = RETRY_FIRST_MS;

    if (too_large && s->lines > 1 && s->most > LEAST) {
        s->most /= 2;
        return 0;
    }
    for (unsigned i = 0; i < s->failures && ms < RETRY_MOST_MS; i++)
        ms *= 2;
    if (ms > RETRY_MOST_MS)
        ms = RETRY_MOST_MS;
    s->failures++;
    s->jitter = s->jitter * 1664525u + 1013904223u;
    return ms - (int64_t)((uint64_t)ms * (s->jitter >> 16) / (4u << 16));
}

uint64_t gw_spool_unsent(const struct gw_spool *s, const struct gw_journal_end *end)
{
    uint64_t unsent = 0;
    struct stat st;

    for (uint32_t n = s->at.file ? s->at.file : 1; n < end->file; n++) {
        char *name = gw_audit_file_name(s->path, n);
        if (name && stat(name, &st) == 0)
            unsent += (uint64_t)st.st_size;
        free(name);
    }
    unsent += end->size;
    return unsent > s->at.offset ? unsent - s->at.offset : 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/journal_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/read.h"

#define WINDOW ((size_t)256 << 10) // of the file's end that is looked at first
#define FIRST_MAX ((size_t)64 << 10)

struct ending {
    bool found, linked; // a line of a chain; any whole line
    uint64_t seq;
    uint8_t head[GW_CHAIN_HASH]; // of that line
    bool complete;               // and it only lacks its '\n'
    size_t behind;               // bytes behind the line
};

static json parse(struct span line, struct json_doc **doc)
{
    struct json_limits limits = { .bytes = GW_AUDIT_LINE_MAX, .depth = 200, .nul_names = true };

    *doc = line.n ? json_parse(line, &limits, NULL) : NULL;
    return *doc ? json_root(*doc) : NULL;
}

static bool is_linked(struct span line, uint64_t *seq)
{
    uint8_t prev[GW_CHAIN_HASH];
    struct json_doc *doc;
    bool ok = gw_chain_read(parse(line, &doc), seq, prev);

    json_free(doc);
    return ok;
}

// The last line of a chain in `text`, which begins at a line's start unless `cut`. `whole`: the last line that ends, whatever it is.
static void look_back(struct span text, bool cut, struct ending *e)
{
    size_t end = text.n;
    bool last = true; // what is behind the last '\n'

    *e = (struct ending){ .behind = text.n };
    for (;;) {
        const char *before = end ? memrchr(text.p, '\n', end) : NULL;
        size_t from = before ? (size_t)(before - text.p) + 1 : 0;
        struct span line = span_sub(text, from, end);
        struct gw_chain link = { 0 };

        if (from == 0 && cut)
            return;
        if (is_linked(line, &e->seq)) {
            gw_chain_follow(&link, line);
            memcpy(e->head, link.head, sizeof e->head);
            e->found = e->linked = true;
            e->complete = last;
            e->behind = last ? 0 : text.n - end - 1;
            return;
        }
        // The last whole line, in case that none is of a chain.
        if (!last && !e->linked) {
            gw_chain_follow(&link, line);
            memcpy(e->head, link.head, sizeof e->head);
            e->linked = true;
            e->behind = text.n - end - 1;
        }
        if (from == 0)
            return;
        last = false;
        end = from - 1;
    }
}

static int read_end(int fd, uint64_t size, size_t n, struct buf *out)
{
    char *to = buf_reserve(out, n);

    if (!to)
        return -ENOMEM;
    for (size_t have = 0; have < n;) {
        ssize_t some = pread(fd, to + have, n - have, (off_t)(size - n + have));
        if (some < 0 && errno == EINTR)
            continue;
        if (some <= 0)
            return some < 0 ? -errno : -EIO;
        have += (size_t)some;
    }
    buf_commit(out, n);
    return 0;
}

// Looks at more and more of the end, until there is a line of a chain. What is behind it goes into `torn`.
static int look_at_end(int fd, uint64_t size, struct ending *found, struct buf *torn)
{
    int e = 0;

    for (size_t n = WINDOW; !e; n *= 4) {
        struct buf text;
        size_t some = n < size ? n : (size_t)size;
        bool whole = some == size || n >= GW_AUDIT_LINE_MAX;

        buf_init(&text, 0);
        e = read_end(fd, size, some, &text);
        if (!e)
            look_back(buf_span(&text), some < size, found);
        if (!e && (found->found || whole)) {
            buf_clear(torn);
            e = buf_append(torn, span_sub(buf_span(&text), buf_len(&text) - found->behind, buf_len(&text))) ? 0
                                                                                                            : -ENOMEM;
            buf_fini(&text);
            break;
        }
        buf_fini(&text);
    }
    return e;
}

// What the first line of a file says: the log's name, the file's number, when it was begun.
static void read_first(struct gw_journal *j, int fd, uint32_t *number)
{
    char text[FIRST_MAX];
    ssize_t n = pread(fd, text, sizeof text, 0);
    struct span all = span_of(text, n > 0 ? (size_t)n : 0);
    struct json_doc *doc;
    json first = parse(span_sub(all, 0, span_find(all, '\n')), &doc);
    struct span log = json_string(json_get(first, SPAN("log"))), time = json_string(json_get(first, SPAN("time")));
    char second[32];
    int64_t v;

    if (span_eq(json_string(json_get(first, SPAN("kind"))), SPAN("chain")) && gw_chain_is_log(log)) {
        memcpy(j->chain.log, log.p, log.n);
        if (json_i64(json_get(first, SPAN("file")), &v) && v > 0 && v <= GW_AUDIT_NUMBER_MAX)
            *number = (uint32_t)v;
    }
    // "2026-11-21T23:52:55.123Z" to the second.
    if (time.n == CLOCK_TEXT - 1) {
        memcpy(second, time.p, 19);
        memcpy(second + 19, "Z", 2);
        if (clock_parse_date(span_str(second), &v) && v < j->begun_ms)
            j->begun_ms = v;
    }
    json_free(doc);
}

static void go_on(struct gw_journal *j, const struct ending *end)
{
    j->chain.seq = end->found ? end->seq : 0;
    j->chain.linked = end->linked;
    memcpy(j->chain.head, end->head, sizeof j->chain.head);
}

// Behind a file that was rotated, or moved away and not yet replaced, when the process ended.
static int resume_from(struct gw_journal *j, uint32_t number)
{
    char *name = gw_audit_file_name(j->path, number);
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1, e = name ? 0 : -ENOMEM;
    int64_t begun_ms = j->begun_ms;
    struct ending end = { 0 };
    uint32_t ignored = 0;
    struct stat st;

    free(name);
    if (e)
        return e;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        log_warn(j->o.log, "audit: the rotated file %u of %s cannot be read; a new chain begins", (unsigned)number,
                 j->path);
        if (fd >= 0)
            close(fd);
        return 0;
    }
    read_first(j, fd, &ignored);
    j->begun_ms = begun_ms;
    if (st.st_size > 0)
        e = look_at_end(fd, (uint64_t)st.st_size, &end, &j->torn);
    close(fd);
    if (!e)
        go_on(j, &end);
    return e;
}

int gw_journal_resume(struct gw_journal *j)
{
    struct gw_audit_numbers rotated = { 0 };
    int e = gw_audit_numbers(j->path, &rotated);
    uint32_t last = !e && rotated.n ? rotated.v[rotated.n - 1] : 0, number = 0;
    struct ending end = { 0 };
    size_t written;

    gw_audit_numbers_fini(&rotated);
    j->number = last + 1;
    if (j->o.beside) {
        memcpy(j->chain.before, j->o.beside->log, sizeof j->chain.before);
        j->chain.before_seq = j->o.beside->seq;
        j->begin = GW_CHAIN_TAKEOVER;
        j->o.beside = NULL;
        return e;
    }
    // A folder that may be written and not listed is no reason not to start.
    if (e && e != -EACCES)
        return e;
    if (j->sink.size == 0)
        return last ? resume_from(j, last) : 0;
    read_first(j, j->sink.fd, &number);
    if (number > last)
        j->number = number;
    e = look_at_end(j->sink.fd, j->sink.size, &end, &j->torn);
    if (e)
        return e;
    j->newline_due = end.complete && gw_sink_write(&j->sink, SPAN("\n"), &written) != 0;
    // Nothing but the torn first line of a file that had just been begun.
    if (!end.linked && last) {
        struct buf torn = j->torn;
        buf_init(&j->torn, 0);
        e = resume_from(j, last);
        if (!e && buf_len(&j->torn))
            buf_byte(&j->torn, '\n');
        if (!e && !buf_append(&j->torn, buf_span(&torn)))
            e = -ENOMEM;
        buf_fini(&torn);
        j->newline_due = true;
        return e;
    }
    go_on(j, &end);
    // Before the first line of a chain nothing tells a torn line from another one, so the chain begins behind it.
    if (!end.found && buf_len(&j->torn)) {
        gw_chain_follow(&j->chain, buf_span(&j->torn));
        j->chain.seq = 0;
        j->newline_due = true;
        buf_clear(&j->torn);
    }
    j->records = 1; // whatever is there may be rotated
    // What ends with a '\n' of its own is told of as it stands, without that.
    if (!end.complete && buf_len(&j->torn)) {
        struct span torn = buf_span(&j->torn);
        j->newline_due = torn.p[torn.n - 1] != '\n';
        if (!j->newline_due)
            j->torn.end--;
    }
    return 0;
}

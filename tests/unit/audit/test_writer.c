// SPDX-License-Identifier: GPL-3.0-or-later
// What the writer promises, with real files, a disk that is full (a file size limit, which cuts writes in the middle as ENOSPC does), and kill -9.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/audit/ring.h"
#include "gateway/audit/writer.h"
#include "gateway/base/buf.h"
#include "gateway/base/file.h"
#include "gateway/base/json.h"

struct place {
    char folder[64], file[96], moved[96];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->folder, sizeof p->folder, "/tmp/sallyport-audit-XXXXXX");
    if (!p || !mkdtemp(p->folder))
        return -1;
    snprintf(p->file, sizeof p->file, "%s/audit.log", p->folder);
    snprintf(p->moved, sizeof p->moved, "%s/audit.log.1", p->folder);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;

    unlink(p->file);
    unlink(p->moved);
    rmdir(p->folder);
    free(p);
    return 0;
}

static void nap(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

// Waits at most ten seconds for what the writer's thread does.
#define EVENTUALLY(condition)                            \
    do {                                                 \
        int naps_ = 0;                                   \
        bool held_;                                      \
        while (!(held_ = (condition)) && naps_++ < 2000) \
            nap(5);                                      \
        assert_true(held_);                              \
    } while (0)

static struct gw_audit *open_writer(const struct place *p, enum gw_audit_sync sync, enum gw_audit_on_full on_full,
                                    unsigned producers)
{
    struct gw_audit_options o = {
        .journal = { .file = p->file }, .sync = sync, .on_full = on_full, .interval_ms = 20, .producers = producers
    };
    struct gw_audit *a = NULL;

    assert_int_equal(gw_audit_open(&o, &a), 0);
    return a;
}

static int submit(struct gw_audit *a, unsigned producer, unsigned number, size_t padding, uint64_t *ticket)
{
    static _Thread_local char line[8192];
    int n = snprintf(line, sizeof line, "{\"p\":%u,\"n\":%u,\"pad\":\"%0*d\"}\n", producer, number, (int)padding, 0);

    return gw_audit_submit(a, producer, span_of(line, (size_t)n), ticket);
}

struct seen {
    size_t lines, broken;
    unsigned next[8]; // of each producer: the number that must come next
    bool in_order;
};

// Every line of the file is looked at; those that are no whole JSON are `broken`.
static struct seen look(const char *file)
{
    struct seen seen = { .in_order = true };
    struct span rest;
    struct buf b;

    buf_init(&b, 0);
    assert_int_equal(file_read(file, 256u << 20, &b), 0);
    rest = buf_span(&b);
    while (rest.n) {
        struct span line = span_cut(&rest, '\n');
        struct json_doc *doc = json_parse(line, NULL, NULL);
        int64_t producer, number;
        // The chain's own lines are looked at by test_journal.
        struct span kind = json_string(json_get(doc ? json_root(doc) : NULL, SPAN("kind")));
        if (span_eq(kind, SPAN("chain")) || span_eq(kind, SPAN("checkpoint"))) {
            json_free(doc);
            continue;
        }
        seen.lines++;
        if (!doc || !json_i64(json_get(json_root(doc), SPAN("p")), &producer) ||
            !json_i64(json_get(json_root(doc), SPAN("n")), &number)) {
            seen.broken++;
        } else {
            seen.in_order &= number == (int64_t)seen.next[producer];
            seen.next[producer] = (unsigned)number + 1;
        }
        json_free(doc);
    }
    buf_fini(&b);
    return seen;
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void ring_gives_back_what_was_put_across_its_end(void **state)
{
    struct gw_ring r;
    struct iovec pieces[2];
    uint64_t end = 0, tail = 0;
    char text[1000];

    (void)state;
    assert_true(gw_ring_init(&r, 4096));
    assert_int_equal(r.cap, 4096);
    for (int round = 0; round < 50; round++) {
        memset(text, 'a' + round % 26, sizeof text);
        assert_true(gw_ring_put(&r, span_of(text, sizeof text), &end));
        int n = gw_ring_view(&r, tail, gw_ring_head(&r), pieces);
        size_t total = 0;
        for (int i = 0; i < n; i++) {
            assert_memory_equal(pieces[i].iov_base, text + total, pieces[i].iov_len);
            total += pieces[i].iov_len;
        }
        assert_int_equal(total, sizeof text);
        tail = end;
        gw_ring_release(&r, tail);
    }
    assert_true(gw_ring_put(&r, span_of(text, 1000), &end));
    assert_true(gw_ring_put(&r, span_of(text, 1000), &end));
    assert_true(gw_ring_put(&r, span_of(text, 1000), &end));
    assert_true(gw_ring_put(&r, span_of(text, 1000), &end));
    assert_false(gw_ring_put(&r, span_of(text, 97), &end));
    assert_true(gw_ring_put(&r, span_of(text, 96), &end));
    assert_int_equal(gw_ring_used(&r), 4096);
    gw_ring_fini(&r);
}

static void the_file_is_made_private(void **state)
{
    struct place *p = *state;
    mode_t before = umask(0);
    struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_BATCH, GW_AUDIT_REFUSE, 1);
    struct stat st;

    umask(before);
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(gw_audit_close(a, 1000), 0);
}

static void a_file_that_cannot_be_written_is_an_error_at_the_start(void **state)
{
    struct place *p = *state;
    struct gw_audit_options o = { .journal = { .file = p->folder }, .producers = 1, .interval_ms = 10 };
    struct gw_audit *a = NULL;

    assert_int_equal(gw_audit_open(&o, &a), -EISDIR);
    o.journal.file = "/nonexistent/audit.log";
    assert_int_equal(gw_audit_open(&o, &a), -ENOENT);
    assert_int_equal(mkfifo(p->moved, 0600), 0);
    o.journal.file = p->moved;
    assert_int_equal(gw_audit_open(&o, &a), -EINVAL);
    assert_null(a);
}

static void an_acknowledged_record_is_in_the_file(void **state)
{
    struct place *p = *state;

    for (int sync = GW_AUDIT_SYNC_BATCH; sync <= GW_AUDIT_SYNC_REQUEST; sync++) {
        struct gw_audit *a = open_writer(p, (enum gw_audit_sync)sync, GW_AUDIT_REFUSE, 1);
        uint64_t ticket, last = 0;
        unlink(p->moved);
        for (unsigned i = 0; i < 50; i++) {
            assert_int_equal(submit(a, 0, i, 10, &ticket), 0);
            assert_true(ticket > last);
            last = ticket;
            if (i % 10 == 0) {
                EVENTUALLY(gw_audit_acked(a, 0) >= ticket);
                assert_true(look(p->file).next[0] == i + 1);
            }
        }
        EVENTUALLY(gw_audit_written(a) == 50);
        assert_int_equal(gw_audit_close(a, 1000), 0);
        assert_int_equal(look(p->file).broken, 0);
        assert_int_equal(rename(p->file, p->moved), 0);
    }
}

static void closing_writes_what_is_pending(void **state)
{
    struct place *p = *state;
    struct gw_audit_options o = { .journal = { .file = p->file }, .interval_ms = 60000, .producers = 2 };
    struct gw_audit *a = NULL;
    struct seen seen;

    assert_int_equal(gw_audit_open(&o, &a), 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(submit(a, 0, i, 1, NULL), 0);
        assert_int_equal(submit(a, 1, i, 1, NULL), 0);
    }
    assert_int_equal(gw_audit_close(a, 1000), 0);
    seen = look(p->file);
    assert_int_equal(seen.lines, 20);
    assert_int_equal(seen.broken, 0);
    assert_true(seen.in_order);
}

static void batches_wait_for_their_interval_or_half_a_ring(void **state)
{
    struct place *p = *state;
    struct gw_audit_options o = {
        .journal = { .file = p->file }, .interval_ms = 60000, .producers = 1, .queue = 64 * 1024
    };
    struct gw_audit *a = NULL;
    unsigned n = 0;

    assert_int_equal(gw_audit_open(&o, &a), 0);
    assert_int_equal(submit(a, 0, n++, 1000, NULL), 0);
    nap(100);
    assert_int_equal(gw_audit_written(a), 0);
    while (n < 40)
        assert_int_equal(submit(a, 0, n++, 1000, NULL), 0);
    EVENTUALLY(gw_audit_written(a) >= 30);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    assert_int_equal(look(p->file).next[0], 40);
}

static void a_line_torn_by_an_earlier_kill_is_closed(void **state)
{
    struct place *p = *state;
    struct gw_audit *a;
    struct seen seen;

    assert_int_equal(file_write(p->file, SPAN("{\"p\":0,\"n\":0}\n{\"p\":0,\"n"), 0600), 0);
    a = open_writer(p, GW_AUDIT_SYNC_REQUEST, GW_AUDIT_REFUSE, 1);
    assert_int_equal(submit(a, 0, 1, 1, NULL), 0);
    assert_int_equal(submit(a, 0, 2, 1, NULL), 0);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    seen = look(p->file);
    assert_int_equal(seen.lines, 4);
    assert_int_equal(seen.broken, 1);
    assert_int_equal(seen.next[0], 3);
    assert_true(seen.in_order);
}

// A disk that fills up in the middle of a line, then has room again.
static void a_full_disk_refuses_then_recovers_and_no_line_is_torn(void **state)
{
    struct place *p = *state;
    struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_REQUEST, GW_AUDIT_REFUSE, 1);
    unsigned taken = 0;
    struct seen seen;

    limit_file_size(1050);
    while (!gw_audit_failing(a) && taken < 1000) {
        if (submit(a, 0, taken, 77, NULL) == 0)
            taken++;
        nap(2);
    }
    assert_true(gw_audit_failing(a));
    assert_int_equal(submit(a, 0, taken, 77, NULL), ERR_AUDIT_FULL);
    // The half line was taken back: what is there is whole.
    seen = look(p->file);
    assert_int_equal(seen.broken, 0);
    assert_true(seen.lines > 0 && seen.lines < taken);
    assert_int_equal(gw_audit_written(a), seen.lines);

    limit_file_size(RLIM_INFINITY);
    EVENTUALLY(!gw_audit_failing(a));
    EVENTUALLY(gw_audit_written(a) == taken);
    assert_int_equal(submit(a, 0, taken, 77, NULL), 0);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    seen = look(p->file);
    assert_int_equal(seen.broken, 0);
    assert_int_equal(seen.next[0], taken + 1);
    assert_true(seen.in_order);
    assert_int_equal(seen.lines, taken + 1);
}

static bool set_append_only(const char *file, bool on)
{
    int fd = open(file, O_RDONLY), flags = 0;
    bool ok = fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0;

    flags = on ? flags | FS_APPEND_FL : flags & ~FS_APPEND_FL;
    ok = ok && ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

// Nothing can be cut away from a file that is append-only (chattr +a): the rest of the line follows when there is room.
static void a_half_line_that_cannot_be_taken_back_is_completed(void **state)
{
    struct place *p = *state;
    unsigned taken[2] = { 0 };
    struct gw_audit *a;
    struct seen seen;

    assert_int_equal(file_write(p->file, SPAN(""), 0600), 0);
    if (!set_append_only(p->file, true))
        skip();
    a = open_writer(p, GW_AUDIT_SYNC_REQUEST, GW_AUDIT_REFUSE, 2);
    limit_file_size(1050);
    for (int i = 0; !gw_audit_failing(a) && i < 1000; i++) {
        taken[0] += submit(a, 0, taken[0], 77, NULL) == 0;
        taken[1] += submit(a, 1, taken[1], 77, NULL) == 0;
        nap(2);
    }
    assert_true(gw_audit_failing(a));
    assert_int_equal(look(p->file).broken, 1);
    limit_file_size(RLIM_INFINITY);
    EVENTUALLY(gw_audit_written(a) == taken[0] + taken[1]);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    assert_true(set_append_only(p->file, false));
    seen = look(p->file);
    assert_int_equal(seen.broken, 0);
    assert_true(seen.in_order);
    assert_int_equal(seen.lines, taken[0] + taken[1]);
}

static void a_full_disk_drops_and_counts_when_that_was_chosen(void **state)
{
    struct place *p = *state;
    struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_REQUEST, GW_AUDIT_DROP, 1);
    uint64_t ticket = 0;
    unsigned n = 0;
    struct seen seen;

    limit_file_size(500);
    while (gw_audit_dropped(a) < 5 && n < 1000) {
        assert_int_equal(submit(a, 0, n++, 77, &ticket), 0);
        // Nobody waits for a dead disk: dropped or written, it is acknowledged.
        EVENTUALLY(gw_audit_acked(a, 0) >= ticket);
    }
    assert_true(gw_audit_dropped(a) >= 5);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(submit(a, 0, n++, 77, &ticket), 0);
    EVENTUALLY(gw_audit_acked(a, 0) >= ticket && !gw_audit_failing(a));
    assert_int_equal(gw_audit_written(a) + gw_audit_dropped(a), n);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    seen = look(p->file);
    assert_int_equal(seen.broken, 0);
    assert_int_equal(seen.next[0], n);
}

static void a_ring_that_is_full_refuses_or_drops(void **state)
{
    struct place *p = *state;
    struct gw_audit *a;
    unsigned n = 0;
    int e = 0;

    limit_file_size(10);
    a = open_writer(p, GW_AUDIT_SYNC_BATCH, GW_AUDIT_DROP, 1);
    for (; n < 100; n++)
        assert_int_equal(submit(a, 0, n, 4000, NULL), 0);
    assert_true(gw_audit_dropped(a) >= 100 - 64 * 1024 / 4000 - 1);
    // What is pending when the patience ends is given up, and said.
    assert_int_equal(gw_audit_close(a, 100) + 0, 16);
    limit_file_size(RLIM_INFINITY);

    struct gw_audit_options o = {
        .journal = { .file = p->file }, .interval_ms = 60000, .producers = 1, .on_full = GW_AUDIT_REFUSE
    };
    assert_int_equal(gw_audit_open(&o, &a), 0);
    for (n = 0; n < 100000 && !e; n++)
        e = submit(a, 0, n, 8000, NULL);
    assert_int_equal(e, ERR_AUDIT_FULL);
    EVENTUALLY(submit(a, 0, n - 1, 8000, NULL) == 0);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    assert_int_equal(look(p->file).broken, 0);
    assert_int_equal(look(p->file).next[0], n);
    assert_true(look(p->file).in_order);
}

// Also where records are dropped: what never fits would be a way to act without a record.
static void a_record_larger_than_the_ring_is_refused(void **state)
{
    static const enum gw_audit_on_full modes[] = { GW_AUDIT_REFUSE, GW_AUDIT_DROP };
    struct place *p = *state;
    char *big = malloc(100000);

    memset(big, ' ', 100000);
    big[99999] = '\n';
    for (size_t i = 0; i < 2; i++) {
        struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_REQUEST, modes[i], 1);

        assert_int_equal(gw_audit_submit(a, 0, span_of(big, 100000), NULL), ERR_AUDIT_FULL);
        assert_int_equal(submit(a, 0, 0, 1, NULL), 0);
        assert_int_equal(gw_audit_dropped(a), 0);
        assert_int_equal(gw_audit_close(a, 1000), 0);
        assert_int_equal(look(p->file).lines, i + 1);
    }
    free(big);
}

static void rotation_loses_and_splits_nothing(void **state)
{
    struct place *p = *state;
    struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_REQUEST, GW_AUDIT_REFUSE, 1);
    struct seen old, new;
    unsigned n = 0;

    for (; n < 100; n++)
        assert_int_equal(submit(a, 0, n, 10, NULL), 0);
    assert_int_equal(rename(p->file, p->moved), 0);
    gw_audit_reopen(a);
    for (; n < 200; n++)
        assert_int_equal(submit(a, 0, n, 10, NULL), 0);
    EVENTUALLY(gw_audit_reopened(a) == 1);
    for (; n < 300; n++)
        assert_int_equal(submit(a, 0, n, 10, NULL), 0);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    old = look(p->moved);
    new = look(p->file);
    assert_true(old.lines >= 100 && new.lines >= 100);
    assert_int_equal(old.lines + new.lines, 300);
    assert_int_equal(old.broken + new.broken, 0);
    assert_int_equal(new.next[0], 300);
}

static void a_failed_rotation_keeps_the_old_file(void **state)
{
    struct place *p = *state;
    struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_REQUEST, GW_AUDIT_REFUSE, 1);

    assert_int_equal(rename(p->file, p->moved), 0);
    assert_int_equal(mkdir(p->file, 0700), 0);
    gw_audit_reopen(a);
    nap(50);
    assert_int_equal(submit(a, 0, 0, 10, NULL), 0);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    assert_int_equal(rmdir(p->file), 0);
    assert_int_equal(look(p->moved).lines, 1);
}

struct waiter {
    struct gw_audit *a;
    unsigned index;
    unsigned count;
    bool wait;
    _Atomic(unsigned) told;
};

static void on_progress(void *ctx)
{
    struct waiter *w = ctx;

    atomic_fetch_add(&w->told, 1);
}

static void *produce(void *ctx)
{
    struct waiter *w = ctx;
    uint64_t ticket;

    gw_audit_listen(w->a, w->index, on_progress, w);
    for (unsigned i = 0; i < w->count; i++) {
        while (submit(w->a, w->index, i, 40 + i % 300, &ticket) != 0)
            nap(1);
        while (w->wait && gw_audit_acked(w->a, w->index) < ticket)
            nap(1);
    }
    return NULL;
}

static void several_loops_write_at_once_and_each_keeps_its_order(void **state)
{
    struct place *p = *state;
    struct gw_audit *a = open_writer(p, GW_AUDIT_SYNC_BATCH, GW_AUDIT_REFUSE, 3);
    struct waiter w[3];
    pthread_t threads[3];
    struct seen seen;

    for (unsigned i = 0; i < 3; i++) {
        w[i] = (struct waiter){ .a = a, .index = i, .count = i == 2 ? 30 : 5000, .wait = i == 2 };
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &w[i]), 0);
    }
    gw_audit_reopen(a);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    EVENTUALLY(gw_audit_written(a) == 10030);
    assert_int_equal(gw_audit_close(a, 1000), 0);
    seen = look(p->file);
    assert_int_equal(seen.lines, 10030);
    assert_int_equal(seen.broken, 0);
    assert_true(seen.in_order);
    for (unsigned i = 0; i < 3; i++)
        assert_true(atomic_load(&w[i].told) > 0);
}

// The child tells, after each acknowledgement, which record's answer it would have completed; then it is killed.
static void child(const struct place *p, int out)
{
    struct gw_audit_options o = {
        .journal = { .file = p->file }, .sync = GW_AUDIT_SYNC_REQUEST, .interval_ms = 20, .producers = 1
    };
    struct gw_audit *a = NULL;
    uint64_t ticket;

    if (gw_audit_open(&o, &a) != 0)
        _exit(1);
    for (unsigned i = 0;; i++) {
        if (submit(a, 0, i, 100, &ticket) != 0)
            _exit(2);
        while (gw_audit_acked(a, 0) < ticket)
            sched_yield();
        if (write(out, &i, sizeof i) != sizeof i)
            _exit(3);
    }
}

static void kill_9_loses_no_record_whose_answer_was_complete(void **state)
{
    struct place *p = *state;

    for (int round = 0; round < 5; round++) {
        int ends[2], status;
        unsigned answered = 0, i;
        struct seen seen;
        pid_t pid;

        unlink(p->file);
        assert_int_equal(pipe(ends), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(ends[0]);
            child(p, ends[1]);
        }
        close(ends[1]);
        // Killed in the middle of its work, however long a busy machine took to begin it.
        assert_int_equal(read(ends[0], &i, sizeof i), sizeof i);
        answered = i + 1;
        nap(40 + 17 * round);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        while (read(ends[0], &i, sizeof i) == sizeof i)
            answered = i + 1;
        close(ends[0]);
        assert_true(answered > 0);
        seen = look(p->file);
        assert_true(seen.next[0] >= answered);
        assert_true(seen.in_order);
        // At most the line that was being written when it was killed.
        assert_true(seen.broken <= 1);
    }
}

// The file that a process finds when it starts may be due to be rotated, before anybody knows what was sent.
static void what_nobody_has_sent_yet_is_not_deleted_at_a_start(void **state)
{
    struct place *p = *state;

    for (int sent_on = 1; sent_on >= 0; sent_on--) {
        struct gw_audit_options o = { .journal = { .file = p->file, .rotate_size = 400, .keep = 2 },
                                      .sync = GW_AUDIT_SYNC_REQUEST,
                                      .interval_ms = 20,
                                      .producers = 1,
                                      .sent_on = sent_on };
        struct gw_audit *a = NULL;
        char rotated[5][112];
        for (int i = 0; i < 5; i++) {
            snprintf(rotated[i], sizeof rotated[i], "%s.%06d", p->file, i + 1);
            if (i < 4)
                assert_int_equal(file_write(rotated[i], SPAN("{}\n"), 0600), 0);
        }
        char old[1000];
        memset(old, ' ', sizeof old);
        old[sizeof old - 1] = '\n';
        assert_int_equal(file_write(p->file, span_of(old, sizeof old), 0600), 0);
        assert_int_equal(gw_audit_open(&o, &a), 0);
        EVENTUALLY(gw_audit_end(a).file == 6);
        gw_audit_close(a, 1000);
        assert_int_equal(access(rotated[0], F_OK) == 0, sent_on);
        assert_int_equal(access(rotated[4], F_OK), 0);
        for (int i = 0; i < 5; i++)
            unlink(rotated[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_gives_back_what_was_put_across_its_end),
        cmocka_unit_test_setup_teardown(the_file_is_made_private, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_written_is_an_error_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(an_acknowledged_record_is_in_the_file, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_writes_what_is_pending, setup, teardown),
        cmocka_unit_test_setup_teardown(batches_wait_for_their_interval_or_half_a_ring, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_torn_by_an_earlier_kill_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_refuses_then_recovers_and_no_line_is_torn, setup, teardown),
        cmocka_unit_test_setup_teardown(a_half_line_that_cannot_be_taken_back_is_completed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_drops_and_counts_when_that_was_chosen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_ring_that_is_full_refuses_or_drops, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_larger_than_the_ring_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(rotation_loses_and_splits_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_rotation_keeps_the_old_file, setup, teardown),
        cmocka_unit_test_setup_teardown(several_loops_write_at_once_and_each_keeps_its_order, setup, teardown),
        cmocka_unit_test_setup_teardown(kill_9_loses_no_record_whose_answer_was_complete, setup, teardown),
        cmocka_unit_test_setup_teardown(what_nobody_has_sent_yet_is_not_deleted_at_a_start, setup, teardown),
    };

    // A file size limit also kills: the writer's thread blocks the signal, the tests' own must not die of it.
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

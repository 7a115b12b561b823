// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/audit/writer.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "gateway/audit/ring.h"
#include "gateway/base/clock.h"

enum { QUEUE_LEAST = 64 * 1024, BATCH_MOST = 4 << 20, BACKOFF_FIRST_MS = 50, BACKOFF_MOST_MS = 2000 };

// What a submit has to do for the writer: nothing, or wake it.
enum sleep { AWAKE, UNTIL_ANY, UNTIL_HALF_FULL };

struct producer {
    struct gw_ring ring; // its tail is the acknowledgement
    uint64_t taken;      // writer's: in the journal up to here, not yet on the disk …
    uint64_t records;    // … so many of them
    gw_audit_on_progress on_progress;
    void *ctx;
    _Atomic(bool) listens; // published after the two above
};

struct gw_audit {
    struct producer *producers;
    unsigned n;
    unsigned turn;             // producer to start the next batch with
    struct gw_journal journal; // the writer's
    bool sync_request, drop;
    int64_t interval_ms;
    int wake; // eventfd
    pthread_t thread;
    _Atomic(int) sleep;
    _Atomic(bool) failing, stop, reopen, behind;
    _Atomic(bool) leave; // with reopen: to nobody's file but the one it has …
    _Atomic(bool) back;  // … and back to the path
    _Atomic(int) left;   // 0: not yet; 1: done; -errno
    _Atomic(uint32_t) needed;
    _Atomic(int64_t) stop_by_ms; // valid with stop
    _Atomic(uint64_t) dropped, acked_records, reopened;
    uint64_t lost; // writer's; read after the join
    pthread_mutex_t end_lock;
    struct gw_journal_end end;
};

static void wake(struct gw_audit *a)
{
    uint64_t one = 1;

    // It can only fail by being full, and then the writer is awake.
    (void)!write(a->wake, &one, sizeof one);
}

// ---------------------------------------------------------------------------------------------------- the writer's thread

static void tell(struct gw_audit *a, unsigned i)
{
    struct producer *p = &a->producers[i];

    if (atomic_load_explicit(&p->listens, memory_order_acquire))
        p->on_progress(p->ctx);
}

static uint64_t records_in(const struct gw_ring *r, uint64_t from, uint64_t to)
{
    struct iovec pieces[2];
    int n = gw_ring_view(r, from, to, pieces);
    uint64_t count = 0;

    for (int i = 0; i < n; i++) {
        const char *p = pieces[i].iov_base, *end = p + pieces[i].iov_len;
        while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
            count++;
            p++;
        }
    }
    return count;
}

static uint64_t tail_of(const struct producer *p)
{
    return atomic_load_explicit(&p->ring.tail, memory_order_relaxed);
}

// Nothing of what is not on the disk counts as taken.
static void take_anew(struct gw_audit *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        a->producers[i].taken = tail_of(&a->producers[i]);
        a->producers[i].records = 0;
    }
}

// Hands the first line behind `taken` to the journal. 0: there is none; or its bytes, or -ENOMEM.
static int64_t take_line(struct gw_audit *a, struct producer *p, struct clock_now now)
{
    struct iovec pieces[2] = { { NULL, 0 }, { NULL, 0 } };
    int n = gw_ring_view(&p->ring, p->taken, gw_ring_head(&p->ring), pieces);
    struct span first = span_of(pieces[0].iov_base, pieces[0].iov_len), second = SPAN("");
    size_t end = span_find(first, '\n');

    if (n == 0)
        return 0;
    if (end < first.n) {
        first.n = end + 1;
    } else {
        second = span_of(pieces[1].iov_base, pieces[1].iov_len);
        second.n = span_find(second, '\n') + 1;
    }
    if (!gw_journal_add(&a->journal, first, second, now))
        return -ENOMEM;
    return (int64_t)(first.n + second.n);
}

static int take_all(struct gw_audit *a, struct clock_now now)
{
    for (unsigned k = 0; k < a->n; k++) {
        struct producer *p = &a->producers[(a->turn + k) % a->n];
        int64_t n;
        while ((n = take_line(a, p, now)) > 0) {
            p->taken += (uint64_t)n;
            p->records++;
            // What is left comes with the next batch, which begins with another producer.
            if (gw_journal_pending(&a->journal) >= BATCH_MOST)
                return 0;
        }
        if (n < 0 && gw_journal_pending(&a->journal) == 0)
            return (int)n;
    }
    return 0;
}

static void acknowledge(struct gw_audit *a)
{
    for (unsigned i = 0; i < a->n; i++) {
        struct producer *p = &a->producers[i];

        if (p->taken == tail_of(p))
            continue;
        atomic_fetch_add_explicit(&a->acked_records, p->records, memory_order_relaxed);
        p->records = 0;
        gw_ring_release(&p->ring, p->taken);
        tell(a, i);
    }
}

static void publish_end(struct gw_audit *a)
{
    struct gw_journal_end end = gw_journal_end(&a->journal);

    pthread_mutex_lock(&a->end_lock);
    a->end = end;
    pthread_mutex_unlock(&a->end_lock);
}

// `take`: with the records that wait; else what the journal itself has to write.
static int batch(struct gw_audit *a, bool take)
{
    struct clock_now now = clock_read();
    int e = !take || gw_journal_held(&a->journal) ? 0 : take_all(a, now);

    a->journal.needed = atomic_load(&a->needed);
    if (!e)
        e = gw_journal_flush(&a->journal, now);
    if (!e) {
        a->turn = (a->turn + 1) % a->n;
        publish_end(a);
        acknowledge(a);
    } else if (!gw_journal_held(&a->journal)) {
        take_anew(a);
    }
    return e;
}

// Gives up what is pending.
static uint64_t discard(struct gw_audit *a)
{
    uint64_t n = 0;

    gw_journal_discard(&a->journal);
    for (unsigned i = 0; i < a->n; i++) {
        struct producer *p = &a->producers[i];
        uint64_t head = gw_ring_head(&p->ring), tail = tail_of(p);

        n += records_in(&p->ring, tail, head);
        p->taken = head;
        p->records = 0;
        gw_ring_release(&p->ring, head);
        if (head != tail)
            tell(a, i);
    }
    return n;
}

static const char *name_of(const struct gw_audit *a)
{
    return a->journal.path ? a->journal.path : a->journal.left ? a->journal.left : "standard output";
}

static void set_failing(struct gw_audit *a, int e)
{
    bool failing = e != 0;

    if (atomic_exchange(&a->failing, failing) == failing)
        return;
    if (failing)
        log_error(a->journal.o.log, "audit: %s cannot be written: %s; %s until it can", name_of(a), strerror(-e),
                  a->drop ? "records are dropped and counted" : "requests are refused");
    else
        log_warn(a->journal.o.log, "audit: %s can be written again", name_of(a));
    for (unsigned i = 0; i < a->n; i++)
        tell(a, i);
}

static void leave(struct gw_audit *a)
{
    int e = gw_journal_leave(&a->journal, clock_read());

    atomic_store(&a->left, e ? e : 1);
}

static void come_back(struct gw_audit *a)
{
    int e = gw_journal_come_back(&a->journal, clock_read());

    if (e) {
        log_error(a->journal.o.log,
                  "audit: %s cannot be taken again: %s; the log goes on in the file that was rotated "
                  "last; SIGUSR1 tries once more",
                  name_of(a), strerror(-e));
        atomic_store(&a->back, true);
        return;
    }
    take_anew(a);
    publish_end(a);
}

static void open_anew(struct gw_audit *a)
{
    // A line that is half in the old file goes whole into the new one.
    int e = gw_journal_reopen(&a->journal, clock_read());

    if (e) {
        log_error(a->journal.o.log, "audit: %s cannot be opened anew: %s; the old file stays in use", name_of(a),
                  strerror(-e));
        return;
    }
    take_anew(a);
    atomic_fetch_add(&a->reopened, 1);
}

static void move(struct gw_audit *a)
{
    bool leaves = atomic_exchange(&a->leave, false);

    if (leaves)
        leave(a);
    if (atomic_exchange(&a->back, false))
        come_back(a);
    else if (!leaves)
        open_anew(a);
}

static bool anything(struct gw_audit *a, bool half_full)
{
    for (unsigned i = 0; i < a->n; i++) {
        struct gw_ring *r = &a->producers[i].ring;
        // What is there counts from the tail: what was written and not acknowledged is still to be done.
        if (gw_ring_head(r) - tail_of(&a->producers[i]) > (half_full ? r->cap / 2 : 0))
            return true;
    }
    return false;
}

static void rest(struct gw_audit *a, enum sleep how, int64_t ms)
{
    struct pollfd on = { .fd = a->wake, .events = POLLIN };
    uint64_t count;

    atomic_store(&a->sleep, how);
    // Looked at after it was said, or a record that came in between would lie there unseen.
    if ((how != AWAKE && anything(a, how == UNTIL_HALF_FULL)) || atomic_load(&a->stop) || atomic_load(&a->reopen))
        ms = how == AWAKE ? ms : 0;
    poll(&on, 1, (int)ms);
    atomic_store(&a->sleep, AWAKE);
    (void)!read(a->wake, &count, sizeof count);
}

// In batch mode records gather for an interval, or until a ring is half full.
static void linger(struct gw_audit *a)
{
    int64_t now = clock_read().mono_ms, due = now + a->interval_ms;

    for (; now < due && !anything(a, true); now = clock_read().mono_ms) {
        if (atomic_load(&a->stop) || atomic_load(&a->reopen))
            return;
        rest(a, UNTIL_HALF_FULL, due - now);
    }
}

// When the journal has something to do of its own, from now; -1: never.
static int64_t until_due(const struct gw_audit *a)
{
    struct clock_now now = clock_read();
    int64_t due = gw_journal_due_ms(&a->journal, now);

    if (due == INT64_MAX)
        return -1;
    return due <= now.mono_ms ? 0 : due - now.mono_ms < INT32_MAX ? due - now.mono_ms : INT32_MAX;
}

static void *writer(void *ctx)
{
    struct gw_audit *a = ctx;
    int64_t backoff = BACKOFF_FIRST_MS;

    for (;;) {
        bool stop = atomic_load(&a->stop), reopen = atomic_exchange(&a->reopen, false), pending = anything(a, false);
        int64_t due = until_due(a);
        int e = 0;

        if (!pending && stop)
            break;
        if (!pending && !reopen && due != 0) {
            rest(a, UNTIL_ANY, due);
            continue;
        }
        if (!a->sync_request && !reopen && due != 0)
            linger(a);
        if (pending || due == 0)
            e = batch(a, pending && (due != 0 || a->sync_request || stop));
        if (reopen)
            move(a);
        if (!e) {
            if (pending || due == 0)
                set_failing(a, 0);
            backoff = BACKOFF_FIRST_MS;
            continue;
        }
        set_failing(a, e);
        if (stop && clock_read().mono_ms >= atomic_load(&a->stop_by_ms)) {
            a->lost = discard(a);
            break;
        }
        if (a->drop && a->sync_request)
            atomic_fetch_add(&a->dropped, discard(a));
        if (!reopen)
            rest(a, AWAKE, stop ? BACKOFF_FIRST_MS : backoff);
        backoff = backoff * 2 < BACKOFF_MOST_MS ? backoff * 2 : BACKOFF_MOST_MS;
    }
    gw_journal_close(&a->journal, clock_read());
    return NULL;
}

// ---------------------------------------------------------------------------------------------------------------- public

static void destroy(struct gw_audit *a)
{
    for (unsigned i = 0; i < a->n && a->producers; i++)
        gw_ring_fini(&a->producers[i].ring);
    free(a->producers);
    if (a->wake >= 0)
        close(a->wake);
    pthread_mutex_destroy(&a->end_lock);
    free(a);
}

static int start(struct gw_audit *a)
{
    sigset_t all, before;
    int e;

    // Signals are the loops' business; a file size limit must end in an error, not in SIGXFSZ.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&a->thread, NULL, writer, a);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -e;
}

static int prepare(struct gw_audit *a, const struct gw_audit_options *o)
{
    size_t queue = o->queue > QUEUE_LEAST ? o->queue : QUEUE_LEAST;
    int e;

    a->producers = aligned_alloc(_Alignof(struct producer), o->producers * sizeof *a->producers);
    if (!a->producers)
        return -ENOMEM;
    for (; a->n < o->producers; a->n++) {
        struct producer *p = &a->producers[a->n];
        memset((void *)p, 0, sizeof *p);
        if (!gw_ring_init(&p->ring, queue))
            return -ENOMEM;
    }
    a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->wake < 0)
        return -errno;
    struct clock_now now = clock_read();
    e = gw_journal_open(&a->journal, &o->journal, now);
    if (e)
        return e;
    publish_end(a);
    e = start(a);
    if (e)
        gw_journal_close(&a->journal, now);
    return e;
}

int gw_audit_open(const struct gw_audit_options *options, struct gw_audit **out)
{
    struct gw_audit *a = calloc(1, sizeof *a);
    int e;

    assert(options->producers > 0);
    if (!a)
        return -ENOMEM;
    a->wake = -1;
    pthread_mutex_init(&a->end_lock, NULL);
    atomic_store(&a->needed, options->sent_on ? 1 : UINT32_MAX);
    a->sync_request = options->sync == GW_AUDIT_SYNC_REQUEST;
    a->drop = options->on_full == GW_AUDIT_DROP;
    a->interval_ms = options->interval_ms > 0 ? options->interval_ms : 1;
    e = prepare(a, options);
    if (e) {
        destroy(a);
        return e;
    }
    *out = a;
    return 0;
}

uint64_t gw_audit_close(struct gw_audit *a, int64_t patience_ms)
{
    uint64_t lost;

    if (!a)
        return 0;
    atomic_store(&a->stop_by_ms, clock_read().mono_ms + patience_ms);
    atomic_store(&a->stop, true);
    wake(a);
    pthread_join(a->thread, NULL);
    lost = a->lost;
    destroy(a);
    return lost;
}

void gw_audit_listen(struct gw_audit *a, unsigned producer, gw_audit_on_progress on_progress, void *ctx)
{
    struct producer *p = &a->producers[producer];

    assert(producer < a->n && !atomic_load(&p->listens));
    p->on_progress = on_progress;
    p->ctx = ctx;
    atomic_store_explicit(&p->listens, true, memory_order_release);
}

static bool is_due(struct gw_audit *a, const struct producer *p)
{
    int how = atomic_load(&a->sleep);

    if (how == AWAKE || (how == UNTIL_HALF_FULL && gw_ring_used(&p->ring) <= p->ring.cap / 2))
        return false;
    // One of the producers does it for all.
    return atomic_exchange(&a->sleep, AWAKE) != AWAKE;
}

int gw_audit_submit(struct gw_audit *a, unsigned producer, struct span line, uint64_t *ticket)
{
    struct producer *p = &a->producers[producer];
    uint64_t end = 0;

    assert(producer < a->n && line.n > 0 && line.p[line.n - 1] == '\n');
    if (!a->drop && atomic_load_explicit(&a->failing, memory_order_relaxed))
        return ERR_AUDIT_FULL;
    if (!gw_ring_put(&p->ring, line, &end)) {
        if (atomic_exchange(&a->sleep, AWAKE) != AWAKE)
            wake(a);
        // A record that never fits would be a way to act without one, so it is refused in any case.
        if (!a->drop || line.n > p->ring.cap)
            return ERR_AUDIT_FULL;
        atomic_fetch_add_explicit(&a->dropped, 1, memory_order_relaxed);
    } else if (is_due(a, p)) {
        wake(a);
    }
    if (ticket)
        *ticket = end;
    return 0;
}

uint64_t gw_audit_acked(const struct gw_audit *a, unsigned producer)
{
    return atomic_load_explicit(&a->producers[producer].ring.tail, memory_order_acquire);
}

bool gw_audit_failing(const struct gw_audit *a)
{
    return atomic_load(&a->failing);
}

bool gw_audit_refuses(const struct gw_audit *a)
{
    return !a->drop && (atomic_load(&a->failing) || atomic_load(&a->behind));
}

uint64_t gw_audit_dropped(const struct gw_audit *a)
{
    return atomic_load_explicit(&a->dropped, memory_order_relaxed);
}

uint64_t gw_audit_written(const struct gw_audit *a)
{
    return atomic_load_explicit(&a->acked_records, memory_order_relaxed);
}

void gw_audit_reopen(struct gw_audit *a)
{
    atomic_store(&a->reopen, true);
    wake(a);
}

int gw_audit_leave(struct gw_audit *a, int64_t patience_ms)
{
    int64_t until = clock_read().mono_ms + patience_ms;
    int left;

    atomic_store(&a->left, 0);
    atomic_store(&a->leave, true);
    atomic_store(&a->reopen, true);
    while ((left = atomic_load(&a->left)) == 0 && clock_read().mono_ms < until) {
        wake(a);
        poll(NULL, 0, 1);
    }
    // A disk that does not answer: whatever the writer is at, it stays in the end.
    if (left == 0 && !atomic_exchange(&a->leave, false))
        gw_audit_come_back(a);
    return left == 1 ? 0 : left == 0 ? -ETIMEDOUT : left;
}

void gw_audit_come_back(struct gw_audit *a)
{
    atomic_store(&a->back, true);
    atomic_store(&a->reopen, true);
    wake(a);
}

uint64_t gw_audit_reopened(const struct gw_audit *a)
{
    return atomic_load(&a->reopened);
}

struct gw_journal_end gw_audit_end(struct gw_audit *a)
{
    struct gw_journal_end end;

    pthread_mutex_lock(&a->end_lock);
    end = a->end;
    pthread_mutex_unlock(&a->end_lock);
    return end;
}

void gw_audit_need(struct gw_audit *a, uint32_t needed, bool behind)
{
    atomic_store(&a->needed, needed);
    atomic_store(&a->behind, behind);
}

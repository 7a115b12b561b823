// SPDX-License-Identifier: GPL-3.0-or-later
// The log's files as a spool: whatever happens between two batches, every record is in one that the collector took.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/spool.h"
#include "gateway/base/file.h"

enum { MOST = 2000 };

struct place {
    char folder[64], log[96];
    struct clock_now now;
    struct gw_journal j;
    struct gw_spool s;
    unsigned n;           // records written
    unsigned taken[MOST]; // how often the collector took each
    size_t batches;
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->folder, sizeof p->folder, "/tmp/sallyport-spool-XXXXXX");
    if (!mkdtemp(p->folder))
        return -1;
    snprintf(p->log, sizeof p->log, "%s/audit.log", p->folder);
    p->now = (struct clock_now){ .wall_ms = 1763769600000, .mono_ms = 1000 };
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char command[96];

    gw_journal_close(&p->j, p->now);
    gw_spool_close(&p->s);
    snprintf(command, sizeof command, "rm -r %s", p->folder);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static void begin(struct place *p, uint64_t rotate, uint32_t keep)
{
    struct gw_journal_options o = { .file = p->log, .rotate_size = rotate, .keep = keep };

    assert_int_equal(gw_journal_open(&p->j, &o, p->now), 0);
}

static void reopen(struct place *p, size_t batch, bool array)
{
    struct gw_spool_options o = { .file = p->log, .batch = batch, .array = array, .seed = 7 };

    gw_spool_close(&p->s);
    assert_int_equal(gw_spool_open(&p->s, &o), 0);
}

static void records(struct place *p, unsigned n, int padding)
{
    for (unsigned i = 0; i < n; i++) {
        char line[4096];
        int size = snprintf(line, sizeof line, "{\"kind\":\"request\",\"n\":%u,\"pad\":\"%0*d\"}\n", p->n, padding, 0);
        p->n++;
        assert_true(gw_journal_add(&p->j, span_of(line, (size_t)size), SPAN(""), p->now));
        assert_int_equal(gw_journal_flush(&p->j, p->now), 0);
    }
}

static enum gw_spool_step next(struct place *p)
{
    struct gw_journal_end end = gw_journal_end(&p->j);

    return gw_spool_next(&p->s, &end);
}

// The collector takes the batch.
static void take(struct place *p, bool array)
{
    struct span rest = buf_span(&p->s.body);
    struct json_doc *all = array ? json_parse(rest, NULL, NULL) : NULL;
    size_t lines = 0;

    p->batches++;
    if (array)
        assert_non_null(all);
    for (size_t i = 0; array ? i < json_count(json_root(all)) : rest.n > 0; i++) {
        struct json_doc *doc = array ? NULL : json_parse(span_cut(&rest, '\n'), NULL, NULL);
        json r = array ? json_at(json_root(all), i) : doc ? json_root(doc) : NULL;
        int64_t n;
        assert_non_null(r);
        if (json_i64(json_get(r, SPAN("n")), &n))
            p->taken[n]++;
        lines++;
        json_free(doc);
    }
    assert_int_equal(lines, p->s.lines);
    json_free(all);
}

// All that is there; returns how many batches it took.
static size_t send_all(struct place *p, bool array)
{
    size_t before = p->batches;

    while (next(p) == GW_SPOOL_BATCH) {
        take(p, array);
        assert_int_equal(gw_spool_sent(&p->s), 0);
    }
    return p->batches - before;
}

static void all_taken(const struct place *p, unsigned from, unsigned most)
{
    for (unsigned i = from; i < p->n; i++)
        if (p->taken[i] < 1 || p->taken[i] > most)
            fail_msg("record %u was taken %u times", i, p->taken[i]);
}

static void every_record_is_in_a_batch_once_over_rotated_files(void **state)
{
    struct place *p = *state;

    for (int array = 0; array < 2; array++) {
        unsigned from = p->n;
        if (array == 0)
            begin(p, 3000, 0);
        reopen(p, 1000, array);
        records(p, 100, 40);
        assert_true(send_all(p, array) > 10);
        all_taken(p, from, 1);
        struct gw_journal_end end = gw_journal_end(&p->j);
        assert_int_equal(gw_spool_unsent(&p->s, &end), 0);
    }
}

// A batch may be small enough to hold nothing but what a kill left.
static void behind_a_piece_of_a_line_that_is_as_long_as_a_batch_every_record_is_sent(void **state)
{
    struct place *p = *state;
    char torn[900];

    begin(p, 6000, 0);
    reopen(p, 1000, false);
    records(p, 5, 40);
    send_all(p, false);
    memset(torn, 'x', sizeof torn);
    assert_int_equal(write(p->j.sink.fd, torn, sizeof torn), sizeof torn);
    close(p->j.sink.fd);
    buf_fini(&p->j.out);
    buf_fini(&p->j.torn);
    buf_fini(&p->j.unread);
    free(p->j.path);
    begin(p, 6000, 0);
    records(p, 60, 40);
    assert_true(gw_journal_end(&p->j).file > 1);
    send_all(p, false);
    all_taken(p, 0, 1);
}

static void a_kill_repeats_one_batch_and_loses_none(void **state)
{
    struct place *p = *state;

    begin(p, 4000, 0);
    for (int round = 0; round < 20; round++) {
        reopen(p, 600, false);
        records(p, 13, 30 + round);
        for (int i = 0; i < round % 4 && next(p) == GW_SPOOL_BATCH; i++) {
            take(p, false);
            // Killed before it was written down, every now and then.
            if ((round + i) % 3)
                assert_int_equal(gw_spool_sent(&p->s), 0);
        }
    }
    reopen(p, 600, false);
    send_all(p, false);
    all_taken(p, 0, 20);
}

static void what_a_kill_left_of_a_line_is_not_sent(void **state)
{
    struct place *p = *state;

    begin(p, 0, 0);
    records(p, 5, 20);
    // Killed in the middle of the next line, and of one more.
    for (int i = 0; i < 2; i++) {
        FILE *f = fopen(p->log, "ae");
        fputs("{\"kind\":\"request\",\"n\":99", f);
        fclose(f);
        close(p->j.sink.fd);
        buf_fini(&p->j.out);
        buf_fini(&p->j.torn);
        buf_fini(&p->j.unread);
        free(p->j.path);
        begin(p, 0, 0);
        records(p, 5, 20);
    }
    reopen(p, 700, true);
    send_all(p, true);
    all_taken(p, 0, 1);
}

static void a_line_longer_than_a_batch_goes_alone(void **state)
{
    struct place *p = *state;

    begin(p, 0, 0);
    reopen(p, 1024, false);
    records(p, 2, 10);
    records(p, 1, 3500);
    records(p, 2, 10);
    assert_int_equal(send_all(p, false), 3);
    all_taken(p, 0, 1);
}

static void a_batch_that_is_too_large_is_halved_and_grows_again(void **state)
{
    struct place *p = *state;
    size_t lines;

    begin(p, 0, 0);
    reopen(p, 16384, false);
    records(p, 200, 100);
    assert_int_equal(next(p), GW_SPOOL_BATCH);
    lines = p->s.lines;
    assert_int_equal(gw_spool_failed(&p->s, true), 0);
    assert_int_equal(next(p), GW_SPOOL_BATCH);
    assert_true(p->s.lines <= lines / 2 + 1);
    send_all(p, false);
    all_taken(p, 0, 1);
    assert_int_equal(p->s.most, 16384);
}

static void a_collector_that_is_down_is_asked_ever_less_often_up_to_a_minute(void **state)
{
    struct place *p = *state;
    int64_t last = 0;

    begin(p, 0, 0);
    reopen(p, 1024, false);
    for (int i = 0; i < 20; i++) {
        int64_t ms = gw_spool_failed(&p->s, false);
        assert_true(ms >= 750 && ms <= 60000 && ms >= last / 2);
        last = ms;
    }
    assert_true(last > 40000);
}

static void a_file_that_is_deleted_unsent_is_passed_over(void **state)
{
    struct place *p = *state;

    begin(p, 2000, 2);
    records(p, 100, 40);
    reopen(p, 1000, false);
    send_all(p, false);
    assert_true(p->taken[0] == 0 && p->taken[99] == 1);
    unsigned from = p->n;
    // It stands in one that goes away under it, and keeps reading that; then in one that is gone.
    records(p, 60, 40);
    assert_int_equal(next(p), GW_SPOOL_BATCH);
    take(p, false);
    assert_int_equal(gw_spool_sent(&p->s), 0);
    records(p, 100, 40);
    send_all(p, false);
    assert_int_equal(p->taken[p->n - 1], 1);
    assert_true(from < p->n);
}

static void a_damaged_cursor_or_another_log_sends_all_again(void **state)
{
    struct place *p = *state;
    char cursor[128];

    begin(p, 2000, 0);
    records(p, 30, 40);
    reopen(p, 1000, false);
    send_all(p, false);
    snprintf(cursor, sizeof cursor, "%s.cursor", p->log);
    static const char *const bad[] = {
        "", "{}", "{\"log\":\"x\",\"file\":1,\"offset\":0,\"seq\":0}",
        "{\"log\":\"0123456789abcdef0123456789abcdef\",\"file\":3,\"offset\":9,\"seq\":1}", "\xff\xfe"
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(file_write(cursor, span_str(bad[i]), 0600), 0);
        reopen(p, 1000, false);
        send_all(p, false);
        assert_int_equal(p->taken[0], i + 2);
    }
    reopen(p, 1000, false);
    assert_int_equal(send_all(p, false), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(every_record_is_in_a_batch_once_over_rotated_files),
        CASE(behind_a_piece_of_a_line_that_is_as_long_as_a_batch_every_record_is_sent),
        CASE(a_kill_repeats_one_batch_and_loses_none),
        CASE(what_a_kill_left_of_a_line_is_not_sent),
        CASE(a_line_longer_than_a_batch_goes_alone),
        CASE(a_batch_that_is_too_large_is_halved_and_grows_again),
        CASE(a_collector_that_is_down_is_asked_ever_less_often_up_to_a_minute),
        CASE(a_file_that_is_deleted_unsent_is_passed_over),
        CASE(a_damaged_cursor_or_another_log_sends_all_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

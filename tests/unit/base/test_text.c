// SPDX-License-Identifier: GPL-3.0-or-later
// Times, complaints, log lines, the table of errors, files.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/clock.h"
#include "gateway/base/diag.h"
#include "gateway/base/err.h"
#include "gateway/base/file.h"
#include "gateway/base/json.h"
#include "gateway/base/log.h"

static void times_are_rfc3339_in_utc(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 1763769600123, "2025-11-22T00:00:00.123Z" },
        { 4107542399999, "2100-02-28T23:59:59.999Z" },
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { INT64_MAX, "9999-12-31T23:59:59.999Z" },
        { -62162035200000, "0000-03-01T00:00:00.000Z" },
        { -62162035200001, "0000-02-29T23:59:59.999Z" },
        { -62167219200000, "0000-01-01T00:00:00.000Z" },
        { INT64_MIN, "0000-01-01T00:00:00.000Z" },
    };
    char out[CLOCK_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        clock_format(rows[i].ms, out);
        assert_string_equal(out, rows[i].text);
    }
}

static void durations_need_their_unit(void **state)
{
    static const char *const bad[] = {
        "", "5", "s", "5 s", "5S", "-5s", "1.5h", "05s", "1h30m", "5ss", "99999999999999999999s", "9223372036854775807d"
    };
    int64_t ms = 7;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(clock_parse_duration(span_str(bad[i]), &ms));
    assert_true(clock_parse_duration(SPAN("250ms"), &ms) && ms == 250);
    assert_true(clock_parse_duration(SPAN("90s"), &ms) && ms == 90000);
    assert_true(clock_parse_duration(SPAN("15m"), &ms) && ms == 900000);
    assert_true(clock_parse_duration(SPAN("24h"), &ms) && ms == 86400000);
    assert_true(clock_parse_duration(SPAN("7d"), &ms) && ms == 604800000);
    assert_true(clock_parse_duration(SPAN("0s"), &ms) && ms == 0);
}

static void complaints_are_collected_with_their_places(void **state)
{
    struct diags d;
    struct arena a;

    (void)state;
    diags_init(&d);
    arena_init(&a, 0);
    diag_error(&d, SPAN("f.yaml"), 3, 7, "bad '%s'; do this", "x");
    diag_warning(&d, SPAN("f.yaml"), 4, 0, "odd");
    diag_error(&d, SPAN("f.yaml"), 0, 0, "whole");
    assert_int_equal(d.errors, 2);
    assert_int_equal(d.warnings, 1);
    assert_string_equal(diag_format(&a, d.first).p, "f.yaml:3:7: error: bad 'x'; do this");
    assert_string_equal(diag_format(&a, d.first->next).p, "f.yaml:4: warning: odd");
    assert_string_equal(diag_format(&a, d.last).p, "f.yaml: error: whole");
    arena_fini(&a);
    diags_fini(&d);
}

static void a_complaint_cannot_steer_the_terminal(void **state)
{
    struct diags d;

    (void)state;
    diags_init(&d);
    diag_error(&d, SPAN("f"), 1, 1, "bad '%s'", "\x1b[31m\nf:2:2: error: forged");
    assert_int_equal(span_find(d.first->text, '\x1b'), d.first->text.n);
    assert_int_equal(span_find(d.first->text, '\n'), d.first->text.n);
    diags_fini(&d);
}

static void complaints_are_bounded_and_still_counted(void **state)
{
    struct diags d;

    (void)state;
    diags_init(&d);
    for (int i = 0; i < 1000; i++)
        diag_error(&d, SPAN("f"), 1, 1, "%d", i);
    assert_int_equal(d.errors, 1000);
    assert_int_equal(d.dropped, 800);
    diags_fini(&d);
}

static void many_warnings_hide_no_error(void **state)
{
    (void)state;
    struct diags d;

    diags_init(&d);
    for (int i = 0; i < 1000; i++)
        diag_warning(&d, SPAN("f"), 1, 1, "%d", i);
    diag_error(&d, SPAN("f"), 1, 1, "what is wrong");
    assert_int_equal(d.dropped, 800);
    assert_true(span_eq(d.last->text, SPAN("what is wrong")));
    diags_fini(&d);
}

static void near_misses_are_suggested_and_far_ones_not(void **state)
{
    static const struct span words[] = { { "tenant", 6 }, { "collection", 10 }, { "id", 2 } };

    (void)state;
    assert_true(span_eq(diag_suggest(SPAN("tenat"), words, 3), SPAN("tenant")));
    assert_true(span_eq(diag_suggest(SPAN("tennat"), words, 3), SPAN("tenant")));
    assert_true(span_eq(diag_suggest(SPAN("colection"), words, 3), SPAN("collection")));
    assert_true(span_is_none(diag_suggest(SPAN("x"), words, 3)));
    assert_true(span_is_none(diag_suggest(SPAN("zz"), words, 3)));
    assert_true(span_is_none(diag_suggest(SPAN("database"), words, 3)));
    assert_true(span_is_none(diag_suggest(SPAN(""), words, 3)));
}

struct captured {
    char line[8192];
    size_t n, lines;
};

static void capture(void *ctx, enum log_level level, const char *line, size_t n)
{
    struct captured *c = ctx;

    (void)level;
    assert_true(n < sizeof c->line);
    memcpy(c->line, line, n);
    c->line[n] = '\0';
    c->n = n;
    c->lines++;
}

static void input_cannot_forge_a_log_line(void **state)
{
    struct captured c = { .n = 0 };
    struct log l = { .sink = capture, .ctx = &c, .level = LOG_INFO };
    struct json_doc *doc;

    (void)state;
    log_info(&l, "path %s", "a\r\n2026-01-01T00:00:00.000Z info forged\x1b[2J\xff");
    assert_int_equal(c.lines, 1);
    assert_null(strpbrk(c.line, "\r\n\x1b\xff"));
    l.json = true;
    log_info(&l, "path %s", "\",\"level\":\"x\n\xff\\ \xc3\xa9");
    doc = json_parse(span_of(c.line, c.n), NULL, NULL);
    assert_non_null(doc);
    assert_int_equal(json_count(json_root(doc)), 3);
    assert_true(span_eq(json_string(json_get(json_root(doc), SPAN("level"))), SPAN("info")));
    json_free(doc);
}

static void log_lines_below_the_level_are_not_made(void **state)
{
    struct captured c = { .n = 0 };
    struct log l = { .sink = capture, .ctx = &c, .level = LOG_WARN };

    (void)state;
    log_info(&l, "no");
    log_warn(&l, "yes");
    log_error(NULL, "no sink, no crash");
    assert_int_equal(c.lines, 1);
}

static void a_long_log_message_is_cut_not_overrun(void **state)
{
    struct captured c = { .n = 0 };
    struct log l = { .sink = capture, .ctx = &c, .level = LOG_INFO, .json = true };
    static char text[10000];
    struct json_doc *doc;

    (void)state;
    memset(text, '"', sizeof text - 1);
    log_info(&l, "%s", text);
    doc = json_parse(span_of(c.line, c.n), NULL, NULL);
    assert_non_null(doc);
    json_free(doc);
}

static void every_error_has_name_status_and_code(void **state)
{
    (void)state;
    for (int e = -1; e >= -(int)ERR_INDEX_COUNT; e--) {
        const struct err_info *info = err_info(e);
        assert_true(info->name.n && info->code.n && info->reason.n);
        assert_in_range(info->status, 400, 599);
        // RFC 6750 §3.1: which code goes with which status.
        if (span_eq(info->oauth, SPAN("insufficient_scope")))
            assert_int_equal(info->status, 403);
        else if (span_eq(info->oauth, SPAN("invalid_request")))
            assert_int_equal(info->status, 400);
        else if (info->oauth.n)
            assert_int_equal(info->status, 401);
    }
    assert_true(span_eq(err_info(ERR_PROOF_REPLAYED)->name, SPAN("PROOF_REPLAYED")));
    assert_true(span_eq(err_info(-100000)->name, SPAN("INTERNAL")));
    assert_true(span_eq(err_info(0)->name, SPAN("INTERNAL")));
}

static void files_are_read_whole_or_not_at_all(void **state)
{
    char folder[] = "/tmp/sallyport-file-XXXXXX", path[128], fifo[128];
    struct stat st;
    struct buf b;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(fifo, sizeof fifo, "%s/f", folder);
    buf_init(&b, 0);
    assert_int_equal(file_write(path, SPAN("first"), 0600), 0);
    assert_int_equal(file_write(path, SPAN("hello"), 0640), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    buf_append(&b, SPAN(">"));
    assert_int_equal(file_read(path, 5, &b), 0);
    assert_true(span_eq(buf_span(&b), SPAN(">hello")));
    assert_int_equal(file_read(path, 4, &b), -EFBIG);
    assert_int_equal(file_read(folder, 100, &b), -EISDIR);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(file_read(fifo, 100, &b), -EINVAL);
    snprintf(path, sizeof path, "%s/none/a", folder);
    assert_int_equal(file_read(path, 100, &b), -ENOENT);
    assert_int_equal(file_write(path, SPAN("x"), 0600), -ENOENT);
    assert_int_equal(buf_len(&b), 6);
    buf_fini(&b);
    snprintf(path, sizeof path, "rm -r %s", folder);
    assert_int_equal(system(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_rfc3339_in_utc),
        cmocka_unit_test(durations_need_their_unit),
        cmocka_unit_test(complaints_are_collected_with_their_places),
        cmocka_unit_test(a_complaint_cannot_steer_the_terminal),
        cmocka_unit_test(complaints_are_bounded_and_still_counted),
        cmocka_unit_test(many_warnings_hide_no_error),
        cmocka_unit_test(near_misses_are_suggested_and_far_ones_not),
        cmocka_unit_test(input_cannot_forge_a_log_line),
        cmocka_unit_test(log_lines_below_the_level_are_not_made),
        cmocka_unit_test(a_long_log_message_is_cut_not_overrun),
        cmocka_unit_test(every_error_has_name_status_and_code),
        cmocka_unit_test(files_are_read_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

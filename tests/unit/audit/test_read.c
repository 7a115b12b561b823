// SPDX-License-Identifier: GPL-3.0-or-later
// An audit log read back: whole lines of rotated files, in the order in which they were written.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/audit/files.h"
#include "gateway/audit/read.h"
#include "gateway/base/file.h"

struct place {
    char folder[64], log[96];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    snprintf(p->folder, sizeof p->folder, "/tmp/sallyport-read-XXXXXX");
    if (!mkdtemp(p->folder))
        return -1;
    snprintf(p->log, sizeof p->log, "%s/audit.log", p->folder);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char command[96];

    snprintf(command, sizeof command, "rm -r %s", p->folder);
    assert_int_equal(system(command), 0);
    free(p);
    return 0;
}

static void put(const struct place *p, const char *suffix, const char *text)
{
    char path[160];

    snprintf(path, sizeof path, "%s%s", p->log, suffix);
    assert_int_equal(file_write(path, span_str(text), 0600), 0);
}

static void numbers_are_read_from_names_and_nothing_else_is_one(void **state)
{
    struct place *p = *state;
    struct gw_audit_numbers n;

    put(p, "", "x\n");
    put(p, ".000010", "x\n");
    put(p, ".000002", "x\n");
    put(p, ".1000000", "x\n");
    put(p, ".1", "of logrotate\n");
    put(p, ".0000003", "x\n");
    put(p, ".00000a", "x\n");
    put(p, ".000000", "x\n");
    put(p, ".cursor", "x\n");
    put(p, "s.000004", "of another log\n");
    assert_int_equal(gw_audit_numbers(p->log, &n), 0);
    assert_int_equal(n.n, 3);
    assert_int_equal(n.v[0], 2);
    assert_int_equal(n.v[1], 10);
    assert_int_equal(n.v[2], 1000000);
    gw_audit_numbers_fini(&n);
    char *name = gw_audit_file_name("a/audit.log", 42);
    assert_string_equal(name, "a/audit.log.000042");
    free(name);
    assert_int_not_equal(gw_audit_numbers("/nonexistent/audit.log", &n), 0);
}

static void a_log_stands_for_its_rotated_files_in_their_order(void **state)
{
    struct place *p = *state;
    struct gw_audit_list l;
    char one[128], two[128];

    put(p, "", "c\n");
    put(p, ".000001", "a\n");
    put(p, ".000002", "b\n");
    snprintf(one, sizeof one, "%s.000001", p->log);
    snprintf(two, sizeof two, "%s.000002", p->log);
    // As it is said, and as a shell sorts audit.log*.
    const char *by_hand[] = { p->log }, *by_shell[] = { p->log, one, two }, *backwards[] = { two, one, p->log };
    const char *const *ways[] = { by_hand, by_shell, backwards };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(gw_audit_list(ways[i], i ? 3 : 1, &l), 0);
        assert_int_equal(l.n, 3);
        assert_string_equal(l.paths[0], one);
        assert_string_equal(l.paths[1], two);
        assert_string_equal(l.paths[2], p->log);
        gw_audit_list_fini(&l);
    }
    const char *alone[] = { two };
    assert_int_equal(gw_audit_list(alone, 1, &l), 0);
    assert_int_equal(l.n, 1);
    gw_audit_list_fini(&l);
}

static void lines_come_whole_numbered_and_with_their_json(void **state)
{
    struct place *p = *state;
    struct gw_audit_list l;
    struct gw_audit_reader r;
    struct json_error error;
    const char *paths[] = { p->log };
    size_t size = 300000;
    char *large = malloc(size + 64);

    snprintf(large, size + 64, "{\"n\":4,\"pad\":\"%0*d\"}\n{\"n\":5", (int)size, 0);
    put(p, ".000001", "{\"n\":1}\nno record\n\n");
    put(p, "", large);
    assert_int_equal(gw_audit_list(paths, 1, &l), 0);
    gw_audit_reader_init(&r, l.paths, l.n);

    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_LINE);
    assert_true(r.first && r.whole && r.number == 1);
    assert_true(span_eq(r.line, SPAN("{\"n\":1}")));
    assert_int_equal(json_count(gw_audit_reader_json(&r, NULL)), 1);
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_LINE);
    assert_null(gw_audit_reader_json(&r, &error));
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_LINE);
    assert_true(r.line.n == 0 && r.number == 3 && !r.first);

    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_LINE);
    assert_true(r.first && r.number == 1 && r.line.n > size);
    assert_string_equal(r.file, p->log);
    assert_non_null(gw_audit_reader_json(&r, NULL));
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_LINE);
    assert_false(r.whole);
    assert_null(gw_audit_reader_json(&r, NULL));
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_END);
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_END);
    gw_audit_reader_fini(&r);
    gw_audit_list_fini(&l);
    free(large);
}

static void what_cannot_be_read_is_said(void **state)
{
    struct place *p = *state;
    struct gw_audit_reader r;
    char *paths[] = { p->log, p->folder };

    put(p, "", "0123456789012345678901234567890123456789\n");
    gw_audit_reader_init(&r, paths, 2);
    r.line_max = 8;
    // The bound is looked at with each chunk that is read, so a short file stays under it.
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_LINE);
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_FAULT);
    assert_string_equal(r.file, p->folder);
    assert_string_equal(r.what, "Is a directory");
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_END);
    gw_audit_reader_fini(&r);

    char *gone[] = { "/nonexistent/audit.log" };
    gw_audit_reader_init(&r, gone, 1);
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_FAULT);
    assert_string_equal(r.what, "No such file or directory");
    gw_audit_reader_fini(&r);

    char *zeros[] = { "/dev/zero" };
    gw_audit_reader_init(&r, zeros, 1);
    r.line_max = 1 << 20;
    assert_int_equal(gw_audit_reader_next(&r), GW_AUDIT_FAULT);
    gw_audit_reader_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_are_read_from_names_and_nothing_else_is_one, setup, teardown),
        cmocka_unit_test_setup_teardown(a_log_stands_for_its_rotated_files_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(lines_come_whole_numbered_and_with_their_json, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_said, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

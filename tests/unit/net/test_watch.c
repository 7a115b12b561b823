// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define AT(f, ...) (snprintf((f)->path, sizeof(f)->path, __VA_ARGS__), (f)->path)

struct fixture {
    char folder[64], path[256];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strcpy(f->folder, "/tmp/sallyport-watch-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->folder);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static void put(struct fixture *f, const char *name, const char *text)
{
    FILE *file = fopen(AT(f, "%s/%s", f->folder, name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void link_to(struct fixture *f, const char *target, const char *name)
{
    assert_int_equal(symlink(target, AT(f, "%s/%s", f->folder, name)), 0);
}

// What the kubelet does to a ConfigMap: the file's name stays a link to ..data/name, and ..data becomes a link to another folder, in one rename.
static void a_swap_of_a_configmap_is_seen_though_its_names_and_sizes_stay(void **state)
{
    struct fixture *f = *state;
    char file[128], from[128], to[128];
    assert_int_equal(mkdir(AT(f, "%s/..one", f->folder), 0755), 0);
    assert_int_equal(mkdir(AT(f, "%s/..two", f->folder), 0755), 0);
    put(f, "..one/a.cedar", "permit");
    put(f, "..two/a.cedar", "forbid");
    link_to(f, "..one", "..data");
    link_to(f, "..data/a.cedar", "a.cedar");
    snprintf(file, sizeof file, "%s/a.cedar", f->folder);
    const char *const files[] = { file };
    const char *const folders[] = { f->folder };
    uint64_t before = gw_watch_look(files, 1), folder = gw_watch_look(folders, 1);
    assert_true(gw_watch_look(files, 1) == before);
    link_to(f, "..two", "..data_tmp");
    snprintf(from, sizeof from, "%s/..data_tmp", f->folder);
    snprintf(to, sizeof to, "%s/..data", f->folder);
    assert_int_equal(rename(from, to), 0);
    assert_true(gw_watch_look(files, 1) != before);
    assert_true(gw_watch_look(folders, 1) != folder);
}

static void a_file_that_comes_or_goes_is_seen(void **state)
{
    struct fixture *f = *state;
    char file[128];
    snprintf(file, sizeof file, "%s/new", f->folder);
    const char *const files[] = { file };
    uint64_t absent = gw_watch_look(files, 1);
    put(f, "new", "x");
    uint64_t present = gw_watch_look(files, 1);
    assert_true(present != absent);
    assert_int_equal(unlink(file), 0);
    assert_true(gw_watch_look(files, 1) == absent);
}

static void two_files_that_change_places_are_seen(void **state)
{
    struct fixture *f = *state;
    char a[128], b[128];
    put(f, "a", "1");
    put(f, "b", "2");
    snprintf(a, sizeof a, "%s/a", f->folder);
    snprintf(b, sizeof b, "%s/b", f->folder);
    const char *const one[] = { a, b }, *const other[] = { b, a };
    assert_true(gw_watch_look(one, 2) != gw_watch_look(other, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_swap_of_a_configmap_is_seen_though_its_names_and_sizes_stay, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_comes_or_goes_is_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(two_files_that_change_places_are_seen, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

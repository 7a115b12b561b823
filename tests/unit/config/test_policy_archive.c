// SPDX-License-Identifier: GPL-3.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/base/err.h"
#include "gateway/base/file.h"
#include "gateway/config/policy_archive.h"

// Where things stand in a header.
enum { NAME = 0, MODE = 100, SIZE = 124, MTIME = 136, SUM = 148, TYPE = 156, LINK = 157, MAGIC = 257, MAJOR = 329 };
enum { PREFIX = 345, REST = 500, BLOCK = 512 };

static const struct gw_archive_member two[] = {
    { { "bundle.json", 11 }, { "{}", 2 } },
    { { "policies/a.cedar", 16 }, { "permit (principal, action, resource);\n", 38 } },
};

static struct buf good(void)
{
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(gw_archive_write(two, 2, 0, &b, NULL), 0);
    return b;
}

static char *at(struct buf *b, size_t i)
{
    return b->base + b->start + i;
}

static void checksum(struct buf *b, size_t header)
{
    unsigned s = 0;
    memset(at(b, header + SUM), ' ', 8);
    for (size_t i = 0; i < BLOCK; i++)
        s += (unsigned char)*at(b, header + i);
    snprintf(at(b, header + SUM), 8, "%06o", s);
}

// Empty when it was read.
static const char *read_fault(struct span bytes, size_t *offset)
{
    struct arena arena;
    struct gw_archive a;
    struct gw_archive_fault fault = { "", 0 };
    arena_init(&arena, 0);
    int rc = gw_archive_read(bytes, &arena, &a, &fault);
    assert_true(rc == 0 || rc == ERR_CONFIG);
    assert_int_equal(rc == 0, fault.what[0] == 0);
    if (offset)
        *offset = fault.offset;
    arena_fini(&arena);
    return fault.what;
}

// A good archive with these bytes in it and the checksum of its first header made right.
static const char *patched(size_t where, const char *bytes, size_t n)
{
    struct buf b = good();
    memcpy(at(&b, where), bytes, n);
    checksum(&b, 0);
    const char *what = read_fault(buf_span(&b), NULL);
    buf_fini(&b);
    return what;
}
#define PATCHED(where, literal) patched(where, literal, sizeof(literal) - 1)

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct buf b = good(), again = good();
    struct arena arena;
    struct gw_archive a;
    struct gw_archive_fault fault;
    arena_init(&arena, 0);
    assert_int_equal(gw_archive_read(buf_span(&b), &arena, &a, &fault), 0);
    assert_int_equal(a.n, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_true(span_eq(a.v[i].name, two[i].name));
        assert_true(span_eq(a.v[i].content, two[i].content));
    }
    assert_ptr_equal(gw_archive_find(&a, SPAN("policies/a.cedar")), &a.v[1]);
    assert_null(gw_archive_find(&a, SPAN("policies/a.ceda")));
    assert_true(span_eq(buf_span(&b), buf_span(&again))); // the same bytes every time
    assert_int_equal(buf_len(&b), 6 * BLOCK);
    arena_fini(&arena);
    buf_fini(&b);
    buf_fini(&again);
}

static void tar_lists_what_was_written(void **state)
{
    (void)state;
    struct buf b = good(), listed;
    char path[] = "/tmp/sallyport-archive-XXXXXX", command[128];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_write(path, buf_span(&b), 0600), 0);
    snprintf(command, sizeof command, "tar tf %s 2>&1", path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    buf_init(&listed, 0);
    listed.end += fread(buf_reserve(&listed, 4096), 1, 4096, f);
    int rc = pclose(f);
    unlink(path);
    if (rc == 127 << 8)
        skip(); // no tar here
    assert_int_equal(rc, 0);
    assert_true(span_eq(buf_span(&listed), SPAN("bundle.json\npolicies/a.cedar\n")));
    buf_fini(&listed);
    buf_fini(&b);
}

static void long_names_are_of_two_parts(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'a', sizeof name);
    name[150] = '/';
    struct gw_archive_member m = { span_of(name, 250), SPAN("x") };
    struct buf b;
    struct arena arena;
    struct gw_archive a;
    struct gw_archive_fault fault;
    size_t bad = 7;
    buf_init(&b, 0);
    arena_init(&arena, 0);
    assert_int_equal(gw_archive_write(&m, 1, 0, &b, &bad), 0);
    assert_int_equal(gw_archive_read(buf_span(&b), &arena, &a, &fault), 0);
    assert_true(span_eq(a.v[0].name, m.name));
    m.name.n = 252; // 101 bytes behind the '/'
    assert_int_equal(gw_archive_write(&m, 1, 0, &b, &bad), ERR_CONFIG);
    assert_int_equal(bad, 0);
    arena_fini(&arena);
    buf_fini(&b);
}

static void name_that_leaves_the_archive_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "/etc/passwd", "..",      "../a",  "a/../b", "a/..", ".",
                                         "./a",         "a//b",    "a/",    "a\\b",   "a\nb", "\x7f",
                                         "\xc3\xa4",    "\x1b[2J", "a/./b", "" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char field[100] = "";
        snprintf(field, sizeof field, "%s", names[i]);
        assert_string_equal(patched(NAME, field, sizeof field),
                            "a member's name is not a relative path in printable ASCII without '..'");
        assert_false(gw_archive_is_name(span_str(names[i])));
        struct gw_archive_member m = { span_str(names[i]), SPAN("x") };
        struct buf b;
        buf_init(&b, 0);
        assert_int_equal(gw_archive_write(&m, 1, 0, &b, NULL), ERR_CONFIG);
        assert_int_equal(buf_len(&b), 0);
    }
    // In the part in front, too.
    assert_string_equal(PATCHED(PREFIX, ".."),
                        "a member's name is not a relative path in printable ASCII without '..'");
    assert_string_equal(PATCHED(PREFIX, "a/"),
                        "a member's name is not a relative path in printable ASCII without '..'");
    assert_string_equal(PATCHED(PREFIX, "a"), "");
}

static void anything_but_a_regular_file_is_refused(void **state)
{
    (void)state;
    // Hard and symbolic links, devices, folders, FIFOs, contiguous files, pax and GNU extensions; and the old spelling of a file.
    for (const char *type = "1234567xgLKSNVMDA"; *type; type++)
        assert_string_equal(patched(TYPE, type, 1), "a member is not a regular file");
    assert_string_equal(patched(TYPE, "", 1), "a member is not a regular file");
    assert_string_equal(PATCHED(LINK, "b"), "a header says more than a regular file has");
    assert_string_equal(PATCHED(MAJOR, "0000001"), "a header says more than a regular file has");
    assert_string_equal(PATCHED(REST, "x"), "a header says more than a regular file has");
    assert_string_equal(PATCHED(NAME + 20, "hidden"), "there are bytes behind the end of a name");
    assert_string_equal(PATCHED(PREFIX + 9, "hidden"), "there are bytes behind the end of a name");
}

static void another_format_is_refused(void **state)
{
    (void)state;
    assert_string_equal(PATCHED(MAGIC, "ustar  "), "not a header of a tar archive (ustar)");             // GNU
    assert_string_equal(patched(MAGIC, "\0\0\0\0\0\0\0\0", 8), "not a header of a tar archive (ustar)"); // V7
    char zip[1024] = "PK\3\4";
    assert_string_equal(read_fault(span_of(zip, sizeof zip), NULL), "not a header of a tar archive (ustar)");
    assert_string_equal(read_fault(SPAN("\x1f\x8b\x08"), NULL),
                        "its size is not a multiple of 512 bytes; it was cut off, or is compressed");
}

static void wrong_checksum_is_refused(void **state)
{
    (void)state;
    struct buf b = good();
    (*at(&b, NAME))++;
    assert_string_equal(read_fault(buf_span(&b), NULL), "the checksum of a header is wrong");
    (*at(&b, NAME))--;
    *at(&b, SUM) = '9';
    assert_string_equal(read_fault(buf_span(&b), NULL), "the checksum of a header is wrong");
    buf_fini(&b);
}

static void number_that_is_not_octal_is_refused(void **state)
{
    (void)state;
    static const char what[] = "a number of a header is not octal";
    assert_string_equal(PATCHED(SIZE, "00000000008"), what);
    assert_string_equal(PATCHED(SIZE, "-0000000001"), what);
    assert_string_equal(PATCHED(SIZE, "           "), what);
    assert_string_equal(PATCHED(SIZE, "0000000 002"), what);
    assert_string_equal(PATCHED(SIZE, "000000000002"), what);               // not ended
    assert_string_equal(PATCHED(SIZE, "\x80\0\0\0\0\0\0\0\0\0\0\2"), what); // GNU's binary numbers
    assert_string_equal(PATCHED(MODE, "rw-r--r"), what);
    assert_string_equal(PATCHED(MTIME, "now"), what);
    assert_string_equal(PATCHED(SIZE, "2\0\0\0\0\0\0\0\0\0\0\0"), "");
}

static void size_that_reaches_out_is_refused(void **state)
{
    (void)state;
    assert_string_equal(PATCHED(SIZE, "00000010000"), "a member is longer than the archive");
    assert_string_equal(PATCHED(SIZE, "00077777777"), "a member is longer than the archive");
    assert_string_equal(PATCHED(SIZE, "00100000001"), "a member is too large");
    assert_string_equal(PATCHED(SIZE, "77777777777"), "a member is too large");
    // Over the next header: that one is content then, and its padding is not empty.
    assert_string_equal(PATCHED(SIZE, "00000001001"), "there are bytes behind the end of a member");
    // All there is: no end is left.
    assert_string_equal(PATCHED(SIZE, "00000005000"), "it ends before its two empty blocks");
}

static void archive_without_its_end_is_refused(void **state)
{
    (void)state;
    struct buf b = good();
    size_t offset = 0;
    for (size_t n = 0; n < buf_len(&b); n++)
        assert_string_not_equal(read_fault(span_sub(buf_span(&b), 0, n), NULL), "");
    assert_string_equal(read_fault(span_sub(buf_span(&b), 0, 5 * BLOCK), &offset),
                        "it ends before its two empty blocks");
    assert_int_equal(offset, 4 * BLOCK);
    assert_string_equal(read_fault(SPAN(""), NULL), "it ends before its two empty blocks");
    buf_fini(&b);
}

static void bytes_behind_the_end_are_refused(void **state)
{
    (void)state;
    struct buf b = good();
    *at(&b, 6 * BLOCK - 1) = 1;
    assert_string_equal(read_fault(buf_span(&b), NULL), "there are bytes behind the archive's end");
    *at(&b, 6 * BLOCK - 1) = 0;
    // tar writes whole records of twenty blocks.
    char *more = buf_reserve(&b, 4 * BLOCK);
    memset(more, 0, 4 * BLOCK);
    buf_commit(&b, 4 * BLOCK);
    assert_string_equal(read_fault(buf_span(&b), NULL), "");
    *at(&b, 10 * BLOCK - 1) = 1;
    assert_string_equal(read_fault(buf_span(&b), NULL), "there are bytes behind the archive's end");
    // A second archive behind the first, which tar -i would show.
    struct buf twice = good(), second = good();
    buf_append(&twice, buf_span(&second));
    assert_string_equal(read_fault(buf_span(&twice), NULL), "there are bytes behind the archive's end");
    *at(&second, BLOCK + 2) = 1;
    assert_string_equal(read_fault(buf_span(&second), NULL), "there are bytes behind the end of a member");
    buf_fini(&twice);
    buf_fini(&second);
    buf_fini(&b);
}

static const char *fault_of_names(const char *const *names, size_t n)
{
    struct gw_archive_member v[8];
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct gw_archive_member){ span_str(names[i]), SPAN("x") };
    assert_int_equal(gw_archive_write(v, n, 0, &b, NULL), 0);
    const char *what = read_fault(buf_span(&b), NULL);
    buf_fini(&b);
    return what;
}

static void name_that_is_there_twice_is_refused(void **state)
{
    (void)state;
    static const char *const same[] = { "a.cedar", "b.cedar", "a.cedar" }, *const folder[] = { "a/b", "a-c", "a" };
    static const char *const fine[] = { "a/b", "a-c", "a/c", "aa" };
    assert_string_equal(fault_of_names(same, 3), "two members have the same name");
    assert_string_equal(fault_of_names(folder, 3), "a member has the name of another one's folder");
    assert_string_equal(fault_of_names(fine, 4), "");
    // Once whole and once in two parts.
    struct buf b = good();
    memset(at(&b, 2 * BLOCK + NAME), 0, 100);
    memcpy(at(&b, 2 * BLOCK + NAME), "b", 1);
    memcpy(at(&b, 2 * BLOCK + PREFIX), "a", 1);
    memset(at(&b, NAME), 0, 100);
    memcpy(at(&b, NAME), "a/b", 3);
    checksum(&b, 0);
    checksum(&b, 2 * BLOCK);
    assert_string_equal(read_fault(buf_span(&b), NULL), "two members have the same name");
    buf_fini(&b);
}

static void number_and_size_of_members_are_bounded(void **state)
{
    (void)state;
    struct gw_archive_member *v = calloc(GW_ARCHIVE_MEMBERS_MAX + 1, sizeof *v);
    char *names = calloc(GW_ARCHIVE_MEMBERS_MAX + 1, 8);
    size_t n = GW_ARCHIVE_MEMBERS_MAX, bad = 0;
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i <= n; i++) {
        snprintf(names + 8 * i, 8, "%zu", i);
        v[i] = (struct gw_archive_member){ span_str(names + 8 * i), SPAN("") };
    }
    assert_int_equal(gw_archive_write(v, n + 1, 0, &b, &bad), ERR_CONFIG);
    assert_int_equal(bad, n);
    assert_int_equal(gw_archive_write(v, n, 0, &b, &bad), 0);
    assert_string_equal(read_fault(buf_span(&b), NULL), "");
    // One more, put in front of the end.
    char *more = buf_reserve(&b, BLOCK);
    memset(more, 0, BLOCK);
    buf_commit(&b, BLOCK);
    memcpy(at(&b, n * BLOCK), at(&b, 0), BLOCK);
    memcpy(at(&b, n * BLOCK), "z", 2);
    checksum(&b, n * BLOCK);
    assert_string_equal(read_fault(buf_span(&b), NULL), "too many members");
    buf_fini(&b);

    size_t most = GW_ARCHIVE_MEMBER_MAX;
    char *large = calloc(1, most + 1);
    for (size_t i = 0; i < 5; i++)
        v[i].content = span_of(large, most);
    buf_init(&b, 0);
    assert_int_equal(gw_archive_write(v, 5, 0, &b, &bad), ERR_CONFIG);
    assert_int_equal(bad, 4);
    assert_int_equal(gw_archive_write(v, 4, 0, &b, &bad), 0);
    assert_string_equal(read_fault(buf_span(&b), NULL), "");
    v[0].content.n = most + 1;
    assert_int_equal(gw_archive_write(v, 1, 0, &b, &bad), ERR_CONFIG);
    buf_fini(&b);
    free(large);
    free(names);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(tar_lists_what_was_written),
        cmocka_unit_test(long_names_are_of_two_parts),
        cmocka_unit_test(name_that_leaves_the_archive_is_refused),
        cmocka_unit_test(anything_but_a_regular_file_is_refused),
        cmocka_unit_test(another_format_is_refused),
        cmocka_unit_test(wrong_checksum_is_refused),
        cmocka_unit_test(number_that_is_not_octal_is_refused),
        cmocka_unit_test(size_that_reaches_out_is_refused),
        cmocka_unit_test(archive_without_its_end_is_refused),
        cmocka_unit_test(bytes_behind_the_end_are_refused),
        cmocka_unit_test(name_that_is_there_twice_is_refused),
        cmocka_unit_test(number_and_size_of_members_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

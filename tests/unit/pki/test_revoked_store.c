// SPDX-License-Identifier: GPL-3.0-or-later
// The registry of revocations under bad conditions: killed, shared, locked, full, somebody else's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/file.h"
#include "pki/revoked_store.h"

enum { NOW = 1800000000 };

struct place {
    char dir[64], path[128];
};

static void place_init(struct place *p)
{
    snprintf(p->dir, sizeof p->dir, "/tmp/sallyport-revoked-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof p->path, "%s/revoked.db", p->dir);
}

static void place_fini(struct place *p)
{
    char command[160];
    snprintf(command, sizeof command, "rm -rf %s", p->dir);
    assert_int_equal(0, system(command));
}

static struct pki_revoked_store *opened(const struct place *p)
{
    struct pki_revoked_store *s = NULL;
    if (pki_revoked_store_open(p->path, 10000, &s) != 0)
        fail_msg("%s", pki_revoked_store_what(s));
    return s;
}

static struct pki_revoked_store *created(struct place *p)
{
    struct pki_revoked_store *s = NULL;
    place_init(p);
    if (pki_revoked_store_create(p->path, &s) != 0)
        fail_msg("%s", pki_revoked_store_what(s));
    return s;
}

static struct pki_revoked_entry jti(const char *value)
{
    return (struct pki_revoked_entry){ .kind = PKI_REVOKED_JTI, .value = span_str(value), .revoked_s = NOW };
}

static void add(struct pki_revoked_store *s, struct pki_revoked_entry e, int64_t now_s)
{
    if (pki_revoked_store_add(s, &e, 1, now_s) != 0)
        fail_msg("%s", pki_revoked_store_what(s));
}

static int count_one(void *ctx, const struct pki_revoked_entry *e)
{
    (void)e;
    ++*(size_t *)ctx;
    return 0;
}

static size_t count(struct pki_revoked_store *s, int64_t now_s)
{
    size_t n = 0;
    assert_int_equal(0, pki_revoked_store_each(s, now_s, count_one, &n));
    return n;
}

static int into_set(void *ctx, const struct pki_revoked_entry *e)
{
    return pki_revoked_add(ctx, e);
}

static struct pki_revoked *set_of(struct pki_revoked_store *s)
{
    struct pki_revoked *r = pki_revoked_new();
    assert_non_null(r);
    assert_int_equal(0, pki_revoked_store_each(s, NOW, into_set, r));
    return r;
}

static bool has_jti(const struct pki_revoked *r, const char *value)
{
    static const struct pki_issuer issuer = { .iss = { "i", 1 } };
    struct pki_token t = { .issuer = &issuer, .jti = span_str(value) };
    return pki_revoked_token(r, &t, NOW, NULL) == ERR_TOKEN_REVOKED;
}

static int keep_entry(void *ctx, const struct pki_revoked_entry *e)
{
    struct pki_revoked_entry *out = ctx;
    static struct arena a; // of the last one
    arena_fini(&a);
    *out = *e;
    out->value = arena_dup(&a, e->value);
    out->issuer = arena_dup(&a, e->issuer);
    out->reason = arena_dup(&a, e->reason);
    return 0;
}

// ---- what is entered

static void what_is_entered_is_read_back_by_another_connection(void **state)
{
    (void)state;
    struct place p;
    struct stat st;
    struct pki_revoked_store *s = created(&p);
    struct pki_revoked_entry e = {
        .kind = PKI_REVOKED_SUBJECT, .value = SPAN("alice"),   .issuer = SPAN("https://i.test"),
        .before_s = NOW - 5,         .expires_s = NOW + 1000,  .revoked_s = NOW,
        .reason = SPAN("left"),
    }, got;
    add(s, e, NOW);
    pki_revoked_store_close(s);
    assert_int_equal(0, stat(p.path, &st));
    assert_int_equal(0600, st.st_mode & 07777);
    s = opened(&p);
    assert_int_equal(0, pki_revoked_store_each(s, NOW, keep_entry, &got));
    assert_int_equal(e.kind, got.kind);
    assert_true(span_eq(e.value, got.value) && span_eq(e.issuer, got.issuer) && span_eq(e.reason, got.reason));
    assert_int_equal(e.before_s, got.before_s);
    assert_int_equal(e.expires_s, got.expires_s);
    assert_int_equal(e.revoked_s, got.revoked_s);
    pki_revoked_store_close(s);
    place_fini(&p);
}

static void entered_twice_is_one_and_lasts_as_long_as_the_longer(void **state)
{
    (void)state;
    static const int64_t rows[][3] = {
        { NOW + 10, NOW + 20, NOW + 20 }, { NOW + 20, NOW + 10, NOW + 20 }, { 0, NOW + 10, 0 }, { NOW + 10, 0, 0 }
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct place p;
        struct pki_revoked_store *s = created(&p);
        struct pki_revoked_entry e = jti("x"), got;
        e.expires_s = rows[i][0];
        add(s, e, NOW);
        e.expires_s = rows[i][1];
        add(s, e, NOW);
        assert_int_equal(1, count(s, 0));
        assert_int_equal(0, pki_revoked_store_each(s, 0, keep_entry, &got));
        assert_int_equal(rows[i][2], got.expires_s);
        pki_revoked_store_close(s);
        place_fini(&p);
    }
}

static void expired_entries_are_not_given_and_dropped_at_the_next_write(void **state)
{
    (void)state;
    struct place p;
    struct pki_revoked_store *s = created(&p);
    struct pki_revoked_entry e = jti("short");
    e.expires_s = NOW + 10;
    add(s, e, NOW);
    add(s, jti("for-ever"), NOW);
    assert_int_equal(2, count(s, NOW + 9));
    assert_int_equal(1, count(s, NOW + 10));
    assert_int_equal(2, count(s, 0));
    add(s, jti("another"), NOW + 10);
    assert_int_equal(2, count(s, 0));
    pki_revoked_store_close(s);
    place_fini(&p);
}

static void what_was_revoked_by_mistake_can_be_lifted(void **state)
{
    (void)state;
    struct place p;
    struct pki_revoked_store *s = created(&p);
    struct pki_revoked_entry e = jti("x"), other = jti("x");
    other.issuer = SPAN("https://i.test");
    add(s, e, NOW);
    assert_int_equal(ERR_STORE_ABSENT, pki_revoked_store_lift(s, &other));
    assert_int_equal(0, pki_revoked_store_lift(s, &e));
    assert_int_equal(0, count(s, 0));
    assert_int_equal(ERR_STORE_ABSENT, pki_revoked_store_lift(s, &e));
    pki_revoked_store_close(s);
    place_fini(&p);
}

static void several_are_entered_all_or_none(void **state)
{
    (void)state;
    struct place p;
    sqlite3 *db;
    struct pki_revoked_store *s = created(&p);
    struct pki_revoked_entry two[] = { jti("a"), jti("b") };
    assert_int_equal(0, pki_revoked_store_add(s, two, 2, NOW));
    assert_int_equal(2, count(s, 0));
    // A trigger stands in for whatever may go wrong with the second.
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db,
                                             "CREATE TRIGGER t BEFORE INSERT ON revocation WHEN new.value = 'd' "
                                             "BEGIN SELECT raise(FAIL, 'no'); END",
                                             NULL, NULL, NULL));
    sqlite3_close(db);
    struct pki_revoked_entry more[] = { jti("c"), jti("d") };
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_add(s, more, 2, NOW));
    assert_int_equal(2, count(s, 0));
    pki_revoked_store_close(s);
    place_fini(&p);
}

// ---- changes

static void a_change_by_another_process_is_noticed_without_reading_a_row(void **state)
{
    (void)state;
    struct place p;
    bool changed = false;
    struct pki_revoked_store *s = created(&p), *other = opened(&p);
    assert_int_equal(0, pki_revoked_store_changed(s, &changed));
    assert_true(changed); // nothing was read yet
    assert_int_equal(0, pki_revoked_store_changed(s, &changed));
    assert_false(changed);
    add(other, jti("x"), NOW);
    assert_int_equal(0, pki_revoked_store_changed(s, &changed));
    assert_true(changed);
    assert_int_equal(1, count(s, 0));
    assert_int_equal(0, pki_revoked_store_changed(s, &changed));
    assert_false(changed);
    struct pki_revoked_entry e = jti("x");
    assert_int_equal(0, pki_revoked_store_lift(other, &e));
    assert_int_equal(0, pki_revoked_store_changed(s, &changed));
    assert_true(changed);
    pki_revoked_store_close(s);
    pki_revoked_store_close(other);
    place_fini(&p);
}

// ---- children that revoke

// Enters jtis "<name>-<i>" until `most`, writing each, 32 bytes long, to `out` once it is confirmed.
static void revoke_in_child(const struct place *p, const char *name, int out, int most)
{
    struct pki_revoked_store *s = NULL;
    if (pki_revoked_store_open(p->path, 30000, &s) != 0)
        _exit(1);
    for (int i = 0; i < most; i++) {
        char text[32] = { 0 };
        snprintf(text, sizeof text, "%s-%d", name, i);
        struct pki_revoked_entry e = jti(text);
        if (pki_revoked_store_add(s, &e, 1, NOW) != 0 || write(out, text, sizeof text) != sizeof text)
            _exit(2);
    }
    pki_revoked_store_close(s);
    _exit(0);
}

static size_t check_confirmed(const struct place *p, int in)
{
    struct pki_revoked_store *s = opened(p);
    struct pki_revoked *r = set_of(s);
    char text[32];
    size_t n = 0;
    while (read(in, text, sizeof text) == sizeof text) {
        if (!has_jti(r, text))
            fail_msg("%s was confirmed and is lost", text);
        n++;
    }
    pki_revoked_unref(r);
    pki_revoked_store_close(s);
    return n;
}

static int text_is_ok(void *ctx, int n, char **values, char **columns)
{
    (void)columns;
    *(bool *)ctx = n == 1 && strcmp(values[0], "ok") == 0;
    return 0;
}

static void check_whole(const struct place *p)
{
    bool ok = false;
    sqlite3 *db;
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p->path, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "PRAGMA integrity_check", text_is_ok, &ok, NULL));
    assert_true(ok);
    sqlite3_close(db);
}

static void nap(int ms)
{
    struct timespec t = { .tv_nsec = 1000000L * ms };
    nanosleep(&t, NULL);
}

static void kill_at_any_moment_loses_no_revocation_that_was_confirmed(void **state)
{
    enum { ROUNDS = 40 };
    struct place p;
    int fds[2], status;
    (void)state;
    pki_revoked_store_close(created(&p));
    assert_int_equal(0, pipe(fds));
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0); // no child ever waits for us
    srand(20261122);
    for (int i = 0; i < ROUNDS; i++) {
        char name[16];
        snprintf(name, sizeof name, "kill%d", i);
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            revoke_in_child(&p, name, fds[1], 1 << 20);
        }
        assert_true(child > 0);
        nap(5 + rand() % 40);
        assert_int_equal(0, kill(child, SIGKILL));
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status)); // it was still working, without an error
    }
    close(fds[1]);
    assert_true(check_confirmed(&p, fds[0]) > ROUNDS);
    check_whole(&p);
    close(fds[0]);
    place_fini(&p);
}

static void two_processes_at_once_lose_nothing_of_each_other(void **state)
{
    enum { EACH = 100 };
    struct place p;
    int fds[2], status;
    pid_t children[2];
    (void)state;
    pki_revoked_store_close(created(&p));
    assert_int_equal(0, pipe(fds));
    for (int i = 0; i < 2; i++)
        if ((children[i] = fork()) == 0) {
            close(fds[0]);
            revoke_in_child(&p, i ? "one" : "two", fds[1], EACH);
        }
    close(fds[1]);
    // A reader meanwhile sees more and more, never less.
    struct pki_revoked_store *s = opened(&p);
    for (size_t seen = 0, now; seen < 2 * EACH; seen = now) {
        now = count(s, 0);
        assert_true(now >= seen);
        nap(1);
    }
    pki_revoked_store_close(s);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(children[i], waitpid(children[i], &status, 0));
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(2 * EACH, check_confirmed(&p, fds[0]));
    check_whole(&p);
    close(fds[0]);
    place_fini(&p);
}

static void kill_during_creation_leaves_a_store_that_can_be_created(void **state)
{
    struct place p;
    int status;
    (void)state;
    place_init(&p);
    srand(7);
    for (int i = 0; i < 30; i++) {
        snprintf(p.path, sizeof p.path, "%s/%d.db", p.dir, i);
        pid_t child = fork();
        if (child == 0) {
            struct pki_revoked_store *s = NULL;
            _exit(pki_revoked_store_create(p.path, &s) == 0 ? 0 : 1);
        }
        struct timespec t = { .tv_nsec = 100000L * (rand() % 200) };
        nanosleep(&t, NULL);
        kill(child, SIGKILL);
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        struct pki_revoked_store *s = NULL;
        int rc = pki_revoked_store_open(p.path, 1000, &s);
        if (rc == ERR_STORE_ABSENT) {
            pki_revoked_store_close(s);
            s = NULL;
            rc = pki_revoked_store_create(p.path, &s);
        }
        if (rc != 0)
            fail_msg("round %d: %s", i, pki_revoked_store_what(s));
        add(s, jti("x"), NOW);
        pki_revoked_store_close(s);
    }
    place_fini(&p);
}

static void two_that_create_at_once_make_one_store(void **state)
{
    struct place p;
    int status, made = 0;
    pid_t children[2];
    (void)state;
    place_init(&p);
    for (int i = 0; i < 2; i++)
        if ((children[i] = fork()) == 0) {
            struct pki_revoked_store *s = NULL;
            int rc = pki_revoked_store_create(p.path, &s);
            _exit(rc == 0 ? 0 : rc == ERR_STORE_EXISTS ? 1 : 2);
        }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(children[i], waitpid(children[i], &status, 0));
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        made += WEXITSTATUS(status) == 0;
    }
    assert_int_equal(1, made);
    pki_revoked_store_close(opened(&p));
    place_fini(&p);
}

// ---- what is in the way

static void a_locked_store_is_a_clear_error_and_changes_nothing(void **state)
{
    struct place p;
    sqlite3 *db;
    struct pki_revoked_store *s = NULL;
    struct pki_revoked_entry e = jti("x");
    (void)state;
    pki_revoked_store_close(created(&p));
    assert_int_equal(0, pki_revoked_store_open(p.path, 30, &s));
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    assert_int_equal(ERR_STORE_BUSY, pki_revoked_store_add(s, &e, 1, NOW));
    assert_non_null(strstr(pki_revoked_store_what(s), "lock"));
    assert_int_equal(0, count(s, 0)); // a reader is not in anybody's way
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    add(s, e, NOW);
    pki_revoked_store_close(s);
    place_fini(&p);
}

// The file may not grow. Exits with what was wrong, 0 if all was as it should be.
static int revoke_until_full(const struct place *p)
{
    struct pki_revoked_store *s = NULL;
    struct rlimit limit = { 128 * 1024, 128 * 1024 };
    signal(SIGXFSZ, SIG_IGN);
    if (pki_revoked_store_open(p->path, 1000, &s) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    for (size_t i = 0; i < 10000; i++) {
        char text[32];
        snprintf(text, sizeof text, "full-%zu", i);
        struct pki_revoked_entry e = jti(text);
        int rc = pki_revoked_store_add(s, &e, 1, NOW);
        if (rc == 0)
            continue;
        // What was confirmed before is there, the last one is not.
        size_t n = 0;
        if (rc != ERR_STORE_FAILED || pki_revoked_store_what(s)[0] == '\0')
            return 2;
        return pki_revoked_store_each(s, NOW, count_one, &n) == 0 && n == i ? 0 : 3;
    }
    return 4;
}

static void a_full_disk_confirms_nothing_and_loses_nothing(void **state)
{
    struct place p;
    int status;
    (void)state;
    pki_revoked_store_close(created(&p));
    pid_t child = fork();
    if (child == 0)
        _exit(revoke_until_full(&p));
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(0, WEXITSTATUS(status));
    check_whole(&p);
    place_fini(&p);
}

static void a_full_store_confirms_nothing_more(void **state)
{
    struct place p;
    sqlite3 *db;
    char sql[256];
    struct pki_revoked_entry e = jti("one-too-many");
    (void)state;
    struct pki_revoked_store *s = created(&p);
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < %u) INSERT INTO revocation "
             "(kind, value, issuer, before, expires, revoked, reason) SELECT 1, 'v' || x, '', 0, %d, 0, '' FROM c",
             PKI_REVOKED_STORE_MAX, NOW + 10);
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, sql, NULL, NULL, NULL));
    sqlite3_close(db);
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_add(s, &e, 1, NOW));
    assert_non_null(strstr(pki_revoked_store_what(s), "full"));
    assert_int_equal(PKI_REVOKED_STORE_MAX, count(s, 0));
    add(s, e, NOW + 10); // the old ones have expired
    assert_int_equal(1, count(s, 0));
    pki_revoked_store_close(s);
    place_fini(&p);
}

static void somebody_elses_database_is_refused(void **state)
{
    struct place p;
    sqlite3 *db;
    struct pki_revoked_store *s = NULL;
    (void)state;
    place_init(&p);
    assert_int_equal(ERR_STORE_ABSENT, pki_revoked_store_open(p.path, 0, &s));
    assert_null(s);
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL));
    sqlite3_close(db);
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_open(p.path, 0, &s));
    assert_non_null(strstr(pki_revoked_store_what(s), "not a store of revocations"));
    pki_revoked_store_close(s);
    s = NULL;
    assert_int_equal(ERR_STORE_EXISTS, pki_revoked_store_create(p.path, &s));
    pki_revoked_store_close(s);
    s = NULL;
    assert_int_equal(0, file_write(p.path,
                                   SPAN("this is not a database, but longer than the header of one is, so that "
                                        "it is read as one .............."),
                                   0600));
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_open(p.path, 0, &s));
    assert_non_null(strstr(pki_revoked_store_what(s), "damaged"));
    pki_revoked_store_close(s);
    place_fini(&p);
}

static void an_entry_that_nobody_understands_is_an_error_not_passed_over(void **state)
{
    struct place p;
    sqlite3 *db;
    size_t n = 0;
    (void)state;
    struct pki_revoked_store *s = created(&p);
    add(s, jti("x"), NOW);
    assert_int_equal(SQLITE_OK, sqlite3_open(p.path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "UPDATE revocation SET kind = 99", NULL, NULL, NULL));
    sqlite3_close(db);
    assert_int_equal(ERR_STORE_FAILED, pki_revoked_store_each(s, NOW, count_one, &n));
    assert_int_equal(0, n);
    pki_revoked_store_close(s);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_entered_is_read_back_by_another_connection),
        cmocka_unit_test(entered_twice_is_one_and_lasts_as_long_as_the_longer),
        cmocka_unit_test(expired_entries_are_not_given_and_dropped_at_the_next_write),
        cmocka_unit_test(what_was_revoked_by_mistake_can_be_lifted),
        cmocka_unit_test(several_are_entered_all_or_none),
        cmocka_unit_test(a_change_by_another_process_is_noticed_without_reading_a_row),
        cmocka_unit_test(kill_at_any_moment_loses_no_revocation_that_was_confirmed),
        cmocka_unit_test(two_processes_at_once_lose_nothing_of_each_other),
        cmocka_unit_test(kill_during_creation_leaves_a_store_that_can_be_created),
        cmocka_unit_test(two_that_create_at_once_make_one_store),
        cmocka_unit_test(a_locked_store_is_a_clear_error_and_changes_nothing),
        cmocka_unit_test(a_full_disk_confirms_nothing_and_loses_nothing),
        cmocka_unit_test(a_full_store_confirms_nothing_more),
        cmocka_unit_test(somebody_elses_database_is_refused),
        cmocka_unit_test(an_entry_that_nobody_understands_is_an_error_not_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The registry of API keys: what it keeps, and what is left of it under kills, locks and other people's files.
#include "tests/unit/pki/api_key_fixture.h"

#include "gateway/base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct made expected;

static int same_record(void *ctx, const struct pki_api_key_record *r)
{
    const struct pki_api_key_record *e = &expected.r;
    assert_true(span_eq(r->id, e->id) && span_eq(r->env, e->env) && span_eq(r->owner, e->owner));
    assert_true(span_eq(r->scopes, e->scopes) && span_eq(r->roles, e->roles) && span_eq(r->tenant, e->tenant));
    assert_true(span_eq(r->note, e->note) && r->replaced_by.n == 0);
    assert_memory_equal(r->hash, e->hash, sizeof r->hash);
    assert_true(r->created_at == NOW && r->not_before == NOW && r->expires_at == NOW + 90 * DAY);
    assert_true(r->revoked_at == 0 && r->last_used == 0 && r->quota == 1000 && r->quota_period == 3600);
    ++*(size_t *)ctx;
    return 0;
}

static void what_was_added_is_read_back(void **state)
{
    (void)state;
    struct place p;
    size_t n = 0;
    uint64_t before, after;
    place_init(&p);
    make(&expected);
    expected.r.quota = 1000;
    expected.r.quota_period = 3600;
    assert_int_equal(0, pki_api_key_store_version(p.store, &before));
    assert_int_equal(0, pki_api_key_store_add(p.store, &expected.r));
    assert_int_equal(0, pki_api_key_store_version(p.store, &after));
    assert_true(after > before);
    assert_int_equal(ERR_STORE_EXISTS, pki_api_key_store_add(p.store, &expected.r));
    pki_api_key_store_close(p.store);
    assert_int_equal(0, pki_api_key_store_open(p.file, 1000, &p.store));
    struct pki_api_key_query all = { .id = SPAN_NONE, .owner = SPAN_NONE };
    assert_int_equal(0, pki_api_key_store_each(p.store, &all, same_record, &n));
    assert_int_equal(1, n);
    all.owner = SPAN("spiffe://example.org/other");
    assert_int_equal(0, pki_api_key_store_each(p.store, &all, count_one, &n));
    assert_int_equal(1, n);
    place_fini(&p);
}

static void the_file_is_private_and_holds_no_key(void **state)
{
    (void)state;
    struct place p;
    struct made m;
    struct stat st;
    struct buf file;
    mode_t mask = umask(0);
    place_init(&p);
    umask(mask);
    make(&m);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    pki_api_key_store_close(p.store); // so that all of it is in the one file
    assert_int_equal(0, stat(p.file, &st));
    assert_int_equal(0600, st.st_mode & 07777);
    buf_init(&file, 0);
    assert_int_equal(0, file_read(p.file, 1u << 24, &file));
    const char *secret = m.r.id.p + PKI_API_KEY_ID + 1;
    assert_null(memmem(buf_span(&file).p, buf_len(&file), secret, 12));
    assert_non_null(memmem(buf_span(&file).p, buf_len(&file), m.r.id.p, m.r.id.n));
    buf_fini(&file);
    assert_int_equal(0, pki_api_key_store_open(p.file, 1000, &p.store));
    place_fini(&p);
}

static void rotation_adds_one_and_ends_the_other_at_the_overlap(void **state)
{
    (void)state;
    struct place p;
    struct made old, fresh, third;
    place_init(&p);
    make(&old);
    make(&fresh);
    make(&third);
    assert_int_equal(0, pki_api_key_store_add(p.store, &old.r));
    assert_int_equal(ERR_STORE_ABSENT, pki_api_key_store_rotate(p.store, third.r.id, &fresh.r, NOW + 3600, NOW));
    assert_int_equal(0, pki_api_key_store_rotate(p.store, old.r.id, &fresh.r, NOW + 3600, NOW));
    struct got g = get(p.store, old.r.id);
    assert_int_equal(g.r.expires_at, NOW + 3600);
    assert_memory_equal(g.replaced_by, fresh.r.id.p, PKI_API_KEY_ID);
    assert_int_equal(get(p.store, fresh.r.id).r.expires_at, NOW + 90 * DAY);
    // Once only, and its reason names the successor.
    assert_int_equal(ERR_STORE_EXISTS, pki_api_key_store_rotate(p.store, old.r.id, &third.r, NOW + 3600, NOW));
    assert_non_null(strstr(pki_api_key_store_what(p.store), g.replaced_by));
    assert_int_equal(0, count(p.store, third.r.id));
    // An overlap never prolongs a key.
    assert_int_equal(0, pki_api_key_store_rotate(p.store, fresh.r.id, &third.r, NOW + 365 * DAY, NOW));
    assert_int_equal(get(p.store, fresh.r.id).r.expires_at, NOW + 90 * DAY);
    struct made fourth;
    make(&fourth);
    assert_int_equal(ERR_APIKEY_EXPIRED,
                     pki_api_key_store_rotate(p.store, third.r.id, &fourth.r, NOW + 100 * DAY, NOW + 90 * DAY));
    assert_int_equal(0, pki_api_key_store_revoke(p.store, &third.r.id, 1, NOW));
    assert_int_equal(ERR_APIKEY_REVOKED, pki_api_key_store_rotate(p.store, third.r.id, &fourth.r, NOW + 1, NOW));
    assert_int_equal(3, count(p.store, SPAN_NONE));
    place_fini(&p);
}

static void revocation_is_of_all_or_none_and_keeps_the_first_moment(void **state)
{
    (void)state;
    struct place p;
    struct made a, b;
    uint64_t v1, v2;
    place_init(&p);
    make(&a);
    make(&b);
    assert_int_equal(0, pki_api_key_store_add(p.store, &a.r));
    assert_int_equal(0, pki_api_key_store_version(p.store, &v1));
    struct span ids[] = { a.r.id, b.r.id };
    assert_int_equal(ERR_STORE_ABSENT, pki_api_key_store_revoke(p.store, ids, 2, NOW));
    assert_int_equal(0, get(p.store, a.r.id).r.revoked_at);
    assert_int_equal(0, pki_api_key_store_version(p.store, &v2));
    assert_int_equal(v1, v2);
    assert_int_equal(0, pki_api_key_store_revoke(p.store, ids, 1, NOW));
    assert_int_equal(0, pki_api_key_store_revoke(p.store, ids, 1, NOW + 5));
    assert_int_equal(NOW, get(p.store, a.r.id).r.revoked_at);
    place_fini(&p);
}

static void use_is_written_back_without_a_new_version(void **state)
{
    (void)state;
    struct place p;
    struct made a, b;
    uint64_t before, after;
    place_init(&p);
    make(&a);
    make(&b);
    assert_int_equal(0, pki_api_key_store_add(p.store, &a.r));
    assert_int_equal(0, pki_api_key_store_version(p.store, &before));
    struct pki_api_key_seen seen[] = {
        { .id = a.r.id, .last_used = NOW + 1, .quota_window = 7, .quota_used = 3 },
        { .id = a.r.id, .last_used = NOW, .quota_window = 7, .quota_used = 2 }, // another gateway
        { .id = b.r.id, .last_used = NOW, .quota_window = 7, .quota_used = 2 }, // gone meanwhile
    };
    assert_int_equal(0, pki_api_key_store_seen(p.store, seen, 3));
    struct got g = get(p.store, a.r.id);
    assert_true(g.r.last_used == NOW + 1 && g.r.quota_window == 7 && g.r.quota_used == 5);
    seen[0].quota_window = 6; // late
    assert_int_equal(0, pki_api_key_store_seen(p.store, seen, 1));
    assert_int_equal(get(p.store, a.r.id).r.quota_used, 5);
    seen[0].quota_window = 8;
    assert_int_equal(0, pki_api_key_store_seen(p.store, seen, 1));
    g = get(p.store, a.r.id);
    assert_true(g.r.quota_window == 8 && g.r.quota_used == 3);
    assert_int_equal(0, pki_api_key_store_version(p.store, &after));
    assert_int_equal(before, after);
    place_fini(&p);
}

// ---- children

// Creates keys until killed: each id goes to `out` when the key would be printed; every third is revoked, every fifth rotated, and told.
static void work_in_child(const struct place *p, int out, int most)
{
    struct pki_api_key_store *store = NULL;
    int rc = pki_api_key_store_open(p->file, 30000, &store);
    for (int i = 0; rc == 0 && i < most; i++) {
        struct made m, next;
        char line[PKI_API_KEY_ID + 1];
        make(&m);
        make(&next);
        rc = pki_api_key_store_add(store, &m.r);
        memcpy(line + 1, m.r.id.p, PKI_API_KEY_ID);
        line[0] = 'a';
        if (rc == 0 && write(out, line, sizeof line) != sizeof line)
            rc = 1;
        if (rc == 0 && i % 3 == 2) {
            rc = pki_api_key_store_revoke(store, &m.r.id, 1, NOW);
            line[0] = 'r';
        } else if (rc == 0 && i % 5 == 4) {
            rc = pki_api_key_store_rotate(store, m.r.id, &next.r, NOW + 60, NOW);
            line[0] = 'o';
        }
        if (rc == 0 && line[0] != 'a' && write(out, line, sizeof line) != sizeof line)
            rc = 1;
    }
    _exit(rc == 0 ? 0 : 1);
}

static size_t check_told(struct place *p, int in)
{
    char line[PKI_API_KEY_ID + 1];
    size_t n = 0;
    while (read(in, line, sizeof line) == sizeof line) {
        struct got g = get(p->store, span_of(line + 1, PKI_API_KEY_ID));
        if (line[0] == 'r')
            assert_int_equal(g.r.revoked_at, NOW);
        if (line[0] == 'o')
            assert_int_equal(g.r.expires_at, NOW + 60);
        n++;
    }
    return n;
}

static int text_is_ok(void *ctx, int n, char **values, char **names)
{
    (void)names;
    *(bool *)ctx = n == 1 && strcmp(values[0], "ok") == 0;
    return 0;
}

// Whole, and no rotation half done: whoever was replaced has a successor that is there.
static void check_whole(struct place *p)
{
    bool ok = false;
    sqlite3 *db;
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p->file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "PRAGMA integrity_check", text_is_ok, &ok, NULL));
    assert_true(ok);
    ok = false;
    assert_int_equal(SQLITE_OK, sqlite3_exec(db,
                                             "SELECT CASE count(*) WHEN 0 THEN 'ok' ELSE 'torn' END FROM api_key WHERE "
                                             "replaced_by <> '' AND replaced_by NOT IN (SELECT id FROM api_key)",
                                             text_is_ok, &ok, NULL));
    assert_true(ok);
    sqlite3_close(db);
}

static void kill_at_any_moment_loses_nothing_that_was_confirmed(void **state)
{
    enum { ROUNDS = 40 };
    struct place p;
    int fds[2];
    (void)state;
    place_init(&p);
    pki_api_key_store_close(p.store);
    assert_int_equal(0, pipe(fds));
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0); // no child ever waits for us
    srand(20270115);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            work_in_child(&p, fds[1], 1 << 20);
        }
        assert_true(child > 0);
        struct timespec nap = { .tv_nsec = 1000000L * (5 + rand() % 40) };
        nanosleep(&nap, NULL);
        assert_int_equal(0, kill(child, SIGKILL));
        int status;
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status)); // it was still working, without an error
    }
    close(fds[1]);
    assert_int_equal(0, pki_api_key_store_open(p.file, 10000, &p.store));
    assert_true(check_told(&p, fds[0]) > ROUNDS);
    check_whole(&p);
    close(fds[0]);
    place_fini(&p);
}

static void two_processes_at_once_write_without_loss(void **state)
{
    struct place p;
    int fds[2], status;
    pid_t children[2];
    (void)state;
    place_init(&p);
    pki_api_key_store_close(p.store);
    assert_int_equal(0, pipe(fds));
    for (int i = 0; i < 2; i++)
        if ((children[i] = fork()) == 0) {
            close(fds[0]);
            work_in_child(&p, fds[1], 50);
        }
    close(fds[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(children[i], waitpid(children[i], &status, 0));
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(0, pki_api_key_store_open(p.file, 10000, &p.store));
    // 50 each; of 0..49 sixteen are revoked, seven of the others rotated.
    assert_int_equal(2 * (50 + 16 + 7), check_told(&p, fds[0]));
    assert_int_equal(2 * (50 + 7), count(p.store, SPAN_NONE));
    check_whole(&p);
    close(fds[0]);
    place_fini(&p);
}

static void of_several_processes_that_make_the_file_one_succeeds(void **state)
{
    enum { N = 8 };
    struct place p;
    pid_t children[N];
    int made_it = 0;
    (void)state;
    place_init(&p);
    pki_api_key_store_close(p.store);
    assert_int_equal(0, unlink(p.file));
    for (int i = 0; i < N; i++)
        if ((children[i] = fork()) == 0) {
            struct pki_api_key_store *s;
            int rc = pki_api_key_store_create(p.file, &s);
            struct made m;
            make(&m);
            // Whoever was second uses what the first one made: it is there whole.
            if (rc == ERR_STORE_EXISTS) {
                pki_api_key_store_close(s);
                _exit(pki_api_key_store_open(p.file, 30000, &s) == 0 && pki_api_key_store_add(s, &m.r) == 0 ? 1 : 2);
            }
            _exit(rc == 0 && pki_api_key_store_add(s, &m.r) == 0 ? 0 : 2);
        }
    for (int i = 0; i < N; i++) {
        int status;
        assert_int_equal(children[i], waitpid(children[i], &status, 0));
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
        made_it += WEXITSTATUS(status) == 0;
    }
    assert_int_equal(1, made_it);
    assert_int_equal(0, pki_api_key_store_open(p.file, 10000, &p.store));
    assert_int_equal(N, count(p.store, SPAN_NONE));
    char command[128];
    snprintf(command, sizeof command, "test -z \"$(ls %s | grep new)\"", p.dir);
    assert_int_equal(0, system(command));
    place_fini(&p);
}

// ---- bad conditions

static void a_locked_registry_is_a_clear_error_and_changes_nothing(void **state)
{
    struct place p;
    struct made m;
    sqlite3 *db;
    (void)state;
    place_init(&p);
    pki_api_key_store_close(p.store);
    assert_int_equal(0, pki_api_key_store_open(p.file, 50, &p.store));
    make(&m);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p.file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    assert_int_equal(ERR_STORE_BUSY, pki_api_key_store_add(p.store, &m.r));
    assert_non_null(strstr(pki_api_key_store_what(p.store), "lock"));
    assert_int_equal(0, count(p.store, SPAN_NONE)); // reading goes on
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL));
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    sqlite3_close(db);
    place_fini(&p);
}

static void what_is_no_registry_of_ours_is_refused(void **state)
{
    struct place p;
    struct pki_api_key_store *s = NULL;
    sqlite3 *db;
    (void)state;
    place_init(&p);
    assert_int_equal(ERR_STORE_EXISTS, pki_api_key_store_create(p.file, &s));
    pki_api_key_store_close(s);
    char other[128];
    snprintf(other, sizeof other, "%s/none.db", p.dir);
    assert_int_equal(ERR_STORE_ABSENT, pki_api_key_store_open(other, 100, &s));
    assert_non_null(strstr(pki_api_key_store_what(s), "no such file"));
    pki_api_key_store_close(s);
    assert_int_equal(0, file_write(other, SPAN("this is text, and long enough to be looked at as a database"), 0600));
    assert_int_equal(ERR_STORE_FAILED, pki_api_key_store_open(other, 100, &s));
    pki_api_key_store_close(s);
    assert_int_equal(0, unlink(other));
    assert_int_equal(SQLITE_OK, sqlite3_open(other, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL));
    sqlite3_close(db);
    assert_int_equal(ERR_STORE_FAILED, pki_api_key_store_open(other, 100, &s));
    assert_non_null(strstr(pki_api_key_store_what(s), "is not the registry of API keys"));
    pki_api_key_store_close(s);
    snprintf(other, sizeof other, "%s/no/such/folder/keys.db", p.dir);
    assert_int_equal(ERR_STORE_FAILED, pki_api_key_store_create(other, &s));
    assert_non_null(strstr(pki_api_key_store_what(s), "No such file or directory"));
    pki_api_key_store_close(s);
    place_fini(&p);
}

// Stands in for a full disk: the file may not grow.
static int add_until_full(const struct place *p)
{
    struct pki_api_key_store *s = NULL;
    struct rlimit limit = { 96 * 1024, 96 * 1024 };
    signal(SIGXFSZ, SIG_IGN);
    if (pki_api_key_store_open(p->file, 1000, &s) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    for (int i = 0; i < 100000; i++) {
        struct made m;
        make(&m);
        int rc = pki_api_key_store_add(s, &m.r);
        if (rc != 0)
            return rc == ERR_STORE_FAILED && i > 0 && pki_api_key_store_what(s)[0] ? 0 : 2;
    }
    return 3;
}

static void a_full_disk_is_an_error_and_what_was_confirmed_stays(void **state)
{
    struct place p;
    struct made m;
    int status;
    (void)state;
    place_init(&p);
    make(&m);
    assert_int_equal(0, pki_api_key_store_add(p.store, &m.r));
    pki_api_key_store_close(p.store);
    pid_t child = fork();
    if (child == 0)
        _exit(add_until_full(&p));
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(0, WEXITSTATUS(status));
    assert_int_equal(0, pki_api_key_store_open(p.file, 1000, &p.store));
    assert_int_equal(1, count(p.store, m.r.id));
    check_whole(&p);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_read_back),
        cmocka_unit_test(the_file_is_private_and_holds_no_key),
        cmocka_unit_test(rotation_adds_one_and_ends_the_other_at_the_overlap),
        cmocka_unit_test(revocation_is_of_all_or_none_and_keeps_the_first_moment),
        cmocka_unit_test(use_is_written_back_without_a_new_version),
        cmocka_unit_test(kill_at_any_moment_loses_nothing_that_was_confirmed),
        cmocka_unit_test(two_processes_at_once_write_without_loss),
        cmocka_unit_test(of_several_processes_that_make_the_file_one_succeeds),
        cmocka_unit_test(a_locked_registry_is_a_clear_error_and_changes_nothing),
        cmocka_unit_test(what_is_no_registry_of_ours_is_refused),
        cmocka_unit_test(a_full_disk_is_an_error_and_what_was_confirmed_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

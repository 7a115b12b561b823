// SPDX-License-Identifier: GPL-3.0-or-later
// The registry under bad conditions: killed, shared, locked, full, somebody else's.
#include "tests/unit/pki/ca_fixture.h"

#include "gateway/base/file.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

// ---- children that issue

// Issues until `most` or for ever, writing each serial to `out` once the certificate is in the child's hands. Exits 0,
// or 1 on an error.
static void issue_in_child(const struct place *p, int out, int most)
{
    struct pki_ca *ca = NULL;
    char what[512];
    if (pki_ca_open(p->dir, 30000, &ca, what, sizeof what) != 0 ||
        pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, SPAN_NONE, NOW) != 0) {
        _exit(1);
    }
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    for (int i = 0; i < most; i++) {
        struct pki_ca_request request = request_for(SPAN("spiffe://example.org/child"), key);
        struct pki_ca_issued issued;
        struct buf der;
        buf_init(&der, 0);
        if (pki_ca_issue(ca, &request, &der, &issued) != 0 || buf_len(&der) == 0) {
            _exit(1);
        }
        // Every third is revoked again, so that a kill meets that transaction, too.
        struct span serial = span_str(issued.serial);
        if (write(out, issued.serial, 32) != 32 || (i % 3 == 2 && pki_ca_revoke(ca, &serial, 1, 1, NOW) != 0) ||
            (i % 5 == 4 && pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW) != 0)) {
            _exit(1);
        }
        buf_fini(&der);
    }
    _exit(0);
}

// Reads what the children handed out until all have closed the pipe; returns how many, each checked to be in the
// registry.
static size_t check_handed_out(struct place *p, int in)
{
    struct pki_ca *ca = open_ca(p, 10000);
    char serial[33] = { 0 };
    size_t n = 0;
    while (read(in, serial, 32) == 32) {
        size_t found = 0;
        assert_int_equal(0, pki_ca_store_each(pki_ca_store(ca),
                                              &(struct pki_ca_query){ .filter = PKI_CA_ALL,
                                                                      .now_s = NOW,
                                                                      .serial = span_str(serial),
                                                                      .spiffe_id = SPAN_NONE },
                                              count_one, &found));
        assert_int_equal(1, found);
        n++;
    }
    pki_ca_close(ca);
    return n;
}

static int text_is_ok(void *ctx, int n, char **values, char **names)
{
    (void)names;
    *(bool *)ctx = n == 1 && strcmp(values[0], "ok") == 0;
    return 0;
}

static int certificate_reads_back(void *ctx, const struct pki_ca_record *r)
{
    struct pki_x509_view view;
    (void)ctx;
    return pki_x509_view(r->certificate, &view); // what is recorded is whole
}

static void check_registry(struct place *p)
{
    char path[400];
    bool ok = false;
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/ca.db", p->dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "PRAGMA integrity_check", text_is_ok, &ok, NULL));
    assert_true(ok);
    sqlite3_close(db);
    struct pki_ca *ca = open_unlocked(p, 10000);
    assert_int_equal(
        0, pki_ca_store_each(pki_ca_store(ca),
                             &(struct pki_ca_query){
                                 .filter = PKI_CA_ALL, .now_s = NOW, .serial = SPAN_NONE, .spiffe_id = SPAN_NONE },
                             certificate_reads_back, NULL));
    assert_int_equal(0, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    pki_ca_close(ca);
}

static void kill_at_any_moment_loses_no_certificate_that_was_handed_out(void **state)
{
    enum { ROUNDS = 40 };
    struct place p;
    int fds[2];
    (void)state;
    pki_ca_close(new_ca(&p));
    assert_int_equal(0, pipe(fds));
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0); // no child ever waits for us
    srand(20270115);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = fork();
        if (child == 0) {
            close(fds[0]);
            issue_in_child(&p, fds[1], 1 << 20);
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
    size_t n = check_handed_out(&p, fds[0]);
    assert_true(n > ROUNDS);
    check_registry(&p);
    close(fds[0]);
    place_fini(&p);
}

static void two_processes_at_once_issue_fifty_each_with_different_serials(void **state)
{
    struct place p;
    int fds[2], status;
    pid_t children[2];
    (void)state;
    pki_ca_close(new_ca(&p));
    assert_int_equal(0, pipe(fds));
    for (int i = 0; i < 2; i++) {
        if ((children[i] = fork()) == 0) {
            close(fds[0]);
            issue_in_child(&p, fds[1], 50);
        }
    }
    close(fds[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(children[i], waitpid(children[i], &status, 0));
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(100, check_handed_out(&p, fds[0]));
    check_registry(&p);
    struct pki_ca *ca = open_ca(&p, 1000);
    assert_int_equal(101, count(ca, PKI_CA_ALL)); // and the issuing CA
    assert_int_equal(32, count(ca, PKI_CA_REVOKED));
    struct pki_ca_authority *list;
    struct arena arena;
    size_t n;
    arena_init(&arena, 0);
    assert_int_equal(0, pki_ca_store_authorities(pki_ca_store(ca), &arena, &list, &n));
    assert_int_equal(21, list[1].crl_number); // ten of each child, and check_registry's
    arena_fini(&arena);
    pki_ca_close(ca);
    close(fds[0]);
    place_fini(&p);
}

static void locked_registry_is_a_clear_error_and_changes_nothing(void **state)
{
    struct place p;
    char path[400];
    sqlite3 *db;
    struct pki_ca_issued issued = { .serial = "untouched" };
    struct buf der;
    (void)state;
    pki_ca_close(new_ca(&p));
    struct pki_ca *ca = open_unlocked(&p, 50);
    snprintf(path, sizeof path, "%s/ca.db", p.dir);
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
    buf_init(&der, 0);
    assert_int_equal(ERR_STORE_BUSY, issue_to(ca, SPAN("spiffe://example.org/a"), &der, &issued));
    assert_non_null(strstr(pki_ca_what(ca), "lock"));
    assert_int_equal(0, buf_len(&der));
    assert_string_equal("untouched", issued.serial);
    assert_int_equal(ERR_STORE_BUSY, pki_ca_sign_crl(ca, PKI_CA_ISSUING, DAY, NOW));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL));
    assert_int_equal(0, issue_to(ca, SPAN("spiffe://example.org/a"), &der, &issued));
    sqlite3_close(db);
    buf_fini(&der);
    pki_ca_close(ca);
    place_fini(&p);
}

// Stands in for a full disk: the file may not grow. Issues until the first failure; exits with what was wrong, 0 if all
// was as it should be.
static int issue_until_full(const struct place *p)
{
    struct pki_ca *ca = NULL;
    char what[512];
    struct rlimit limit = { 96 * 1024, 96 * 1024 };
    signal(SIGXFSZ, SIG_IGN);
    if (pki_ca_open(p->dir, 1000, &ca, what, sizeof what) != 0 ||
        pki_ca_unlock(ca, PKI_CA_ISSUING, NULL, SPAN_NONE, NOW) != 0) {
        return 1;
    }
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 2;
    }
    for (int i = 0; i < 1000; i++) {
        struct pki_ca_request request = request_for(SPAN("spiffe://example.org/full"), key);
        struct pki_ca_issued issued;
        struct buf der;
        buf_init(&der, 0);
        int rc = pki_ca_issue(ca, &request, &der, &issued);
        if (rc != 0) {
            return rc != ERR_STORE_FAILED ? 3 : buf_len(&der) != 0 ? 4 : pki_ca_what(ca)[0] == '\0' ? 5 : 0;
        }
        buf_fini(&der);
    }
    return 6;
}

static void full_disk_is_a_clear_error_and_leaves_the_registry_whole(void **state)
{
    struct place p;
    int status;
    (void)state;
    pki_ca_close(new_ca(&p));
    pid_t child = fork();
    if (child == 0) {
        _exit(issue_until_full(&p));
    }
    assert_int_equal(child, waitpid(child, &status, 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(0, WEXITSTATUS(status));
    check_registry(&p);
    place_fini(&p);
}

static void kill_during_init_leaves_no_ca_or_a_whole_one(void **state)
{
    struct place p;
    unsigned whole = 0;
    (void)state;
    place_init(&p);
    srand(7);
    for (int i = 0; i < 40; i++) {
        snprintf(p.dir, sizeof p.dir, "%s/ca%d", p.top, i);
        pid_t child = fork();
        if (child == 0) {
            struct pki_ca_init init = plain_init(&p);
            _exit(pki_ca_init(&init, p.what, sizeof p.what) == 0 ? 0 : 1);
        }
        struct timespec nap = { .tv_nsec = 100000L * (rand() % 300) };
        nanosleep(&nap, NULL);
        kill(child, SIGKILL);
        int status;
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
        if (access(p.dir, F_OK) == 0) {
            check_registry(&p);
            whole++;
        } else {
            assert_true(WIFSIGNALED(status));
        }
    }
    assert_true(whole < 40); // some were caught in the middle
    place_fini(&p);
}

static void somebody_elses_database_is_refused(void **state)
{
    struct place p;
    char path[400];
    sqlite3 *db;
    struct pki_ca *ca = NULL;
    (void)state;
    place_init(&p);
    assert_int_equal(0, mkdir(p.dir, 0700));
    assert_int_equal(ERR_STORE_ABSENT, pki_ca_open(p.dir, 0, &ca, p.what, sizeof p.what));
    snprintf(path, sizeof path, "%s/ca.db", p.dir);
    assert_int_equal(SQLITE_OK, sqlite3_open(path, &db));
    assert_int_equal(SQLITE_OK, sqlite3_exec(db, "CREATE TABLE t (a)", NULL, NULL, NULL));
    sqlite3_close(db);
    assert_int_equal(ERR_STORE_FAILED, pki_ca_open(p.dir, 0, &ca, p.what, sizeof p.what));
    assert_non_null(strstr(p.what, "not the registry"));
    assert_int_equal(
        0,
        file_write(path, SPAN("this is not a database, and longer than the header of one would be.................."),
                   0600));
    assert_int_equal(ERR_STORE_FAILED, pki_ca_open(p.dir, 0, &ca, p.what, sizeof p.what));
    assert_non_null(strstr(p.what, "damaged"));
    assert_null(ca);
    place_fini(&p);
}

static void serial_is_used_once(void **state)
{
    struct place p;
    (void)state;
    struct pki_ca *ca = new_ca(&p);
    struct pki_ca_record record = { .serial = SPAN("abcd"),
                                    .issuer = 2,
                                    .spiffe_id = SPAN("spiffe://example.org/a"),
                                    .dns = SPAN(""),
                                    .certificate = SPAN("x") };
    struct pki_ca_store *store = pki_ca_store(ca);
    assert_int_equal(0, pki_ca_store_begin(store));
    assert_int_equal(0, pki_ca_store_add(store, &record));
    assert_int_equal(ERR_STORE_EXISTS, pki_ca_store_add(store, &record));
    pki_ca_store_abort(store);
    assert_int_equal(1, count(ca, PKI_CA_ALL)); // an aborted transaction leaves nothing
    pki_ca_close(ca);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_at_any_moment_loses_no_certificate_that_was_handed_out),
        cmocka_unit_test(two_processes_at_once_issue_fifty_each_with_different_serials),
        cmocka_unit_test(locked_registry_is_a_clear_error_and_changes_nothing),
        cmocka_unit_test(full_disk_is_a_clear_error_and_leaves_the_registry_whole),
        cmocka_unit_test(kill_during_init_leaves_no_ca_or_a_whole_one),
        cmocka_unit_test(somebody_elses_database_is_refused),
        cmocka_unit_test(serial_is_used_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Signing keys: a kill at any moment, and several processes at once.
#include "signing_keys_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

// Rotates by a clock that runs a thousand times faster, and at once now and then; tells each key that signs, and the newest published.
static void work_in_child(const struct place *p, int out, int64_t now_s)
{
    struct pki_signing_keys *k = NULL;
    int rc = pki_signing_keys_open(&p->o, now_s, &k);
    for (int i = 0; rc == 0; i++, now_s += PUBLISH / 4) {
        rc = i % 50 == 49 ? pki_signing_keys_rotate(k, true, now_s) : pki_signing_keys_look(k, now_s, NULL);
        struct {
            int64_t now_s;
            struct kid active;
        } told = { now_s, rc == 0 ? kid_of(pki_signing_keys_active(k)) : (struct kid){ { 0 } } };
        if (rc == 0 && write(out, &told, sizeof told) != sizeof told)
            rc = 1;
    }
    if (k)
        fprintf(stderr, "child: %d %s\n", rc, pki_signing_keys_what(k));
    _exit(1);
}

static int64_t number(struct place *p, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    assert_int_equal(SQLITE_OK, sqlite3_open_v2(p->file, &db, SQLITE_OPEN_READWRITE, NULL));
    assert_int_equal(SQLITE_OK, sqlite3_prepare_v2(db, sql, -1, &q, NULL));
    assert_int_equal(SQLITE_ROW, sqlite3_step(q));
    int64_t n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

static void kill_at_any_moment_leaves_one_key_that_signs_and_was_published(void **state)
{
    enum { ROUNDS = 40 };
    struct place p;
    int64_t now_s = NOW;
    struct {
        int64_t now_s;
        struct kid active;
    } told;
    size_t n = 0;
    (void)state;
    place_init(&p);
    srand(20270117);
    for (int i = 0; i < ROUNDS; i++) {
        int fds[2], status;
        pki_signing_keys_close(p.k);
        p.k = NULL;
        assert_int_equal(0, pipe(fds));
        assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0);
        pid_t child = fork();
        if (child == 0)
            work_in_child(&p, fds[1], now_s);
        assert_true(child > 0);
        close(fds[1]);
        struct timespec nap = { .tv_nsec = 1000000L * (5 + rand() % 40) };
        nanosleep(&nap, NULL);
        assert_int_equal(0, kill(child, SIGKILL));
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status)); // it was still working, without an error
        bool any = false;
        while (read(fds[0], &told, sizeof told) == sizeof told) {
            any = true;
            now_s = told.now_s;
            n++;
        }
        close(fds[0]);
        reopen(&p, now_s); // no kill keeps it from starting
        assert_signs(pki_signing_keys_active(p.k));
        // What signed last is published still, if it is not what signs.
        bool found = !any;
        for (size_t j = 0; any && j < pki_signing_keys_count(p.k); j++)
            found |= strcmp(kid_of(pki_signing_keys_at(p.k, j)).p, told.active.p) == 0;
        assert_true(found);
        assert_int_equal(1, number(&p, "SELECT count(*) FROM signing_key WHERE state = 1"));
        // None signs that was not published, and committed, before.
        assert_int_equal(0, number(&p, "SELECT count(*) FROM signing_key WHERE state > 0 AND (published = 0 OR "
                                       "published > active)"));
        now_s += PUBLISH / 4;
    }
    assert_true(n > ROUNDS);
    place_fini(&p);
}

static void of_several_processes_that_start_at_once_one_makes_the_first_key(void **state)
{
    enum { N = 6 };
    struct place p;
    struct kid got[N];
    int fds[2];
    (void)state;
    place_fresh(&p);
    assert_int_equal(0, pipe(fds));
    for (int i = 0; i < N; i++)
        if (fork() == 0) {
            struct pki_signing_keys *k;
            bool ok = pki_signing_keys_open(&p.o, NOW, &k) == 0;
            struct kid a = ok ? kid_of(pki_signing_keys_active(k)) : (struct kid){ { 0 } };
            _exit(ok && write(fds[1], &a, sizeof a) == sizeof a ? 0 : 1);
        }
    for (int i = 0; i < N; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(0, status);
    }
    for (int i = 0; i < N; i++) {
        assert_int_equal(sizeof got[i], read(fds[0], &got[i], sizeof got[i]));
        assert_string_equal(got[0].p, got[i].p);
    }
    close(fds[0]);
    close(fds[1]);
    place_fini(&p);
}

static void two_processes_that_promote_at_once_promote_once(void **state)
{
    struct place p;
    (void)state;
    place_init(&p);
    look(&p, NOW + ROTATE - PUBLISH);
    struct kid next = kid_of(pki_signing_keys_at(p.k, 0));
    pki_signing_keys_close(p.k);
    p.k = NULL;
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            struct pki_signing_keys *k;
            _exit(pki_signing_keys_open(&p.o, NOW + ROTATE, &k) == 0 ? 0 : 1);
        }
    for (int i = 0; i < 4; i++) {
        int status;
        assert_true(wait(&status) > 0);
        assert_int_equal(0, status);
    }
    reopen(&p, NOW + ROTATE);
    assert_string_equal("AR", states(&p));
    assert_string_equal(next.p, active(&p).p);
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_at_any_moment_leaves_one_key_that_signs_and_was_published),
        cmocka_unit_test(of_several_processes_that_start_at_once_one_makes_the_first_key),
        cmocka_unit_test(two_processes_that_promote_at_once_promote_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

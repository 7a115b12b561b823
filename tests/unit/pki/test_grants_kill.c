// SPDX-License-Identifier: GPL-3.0-or-later
// Refresh tokens: no kill loses what was given out, and a crowd gets one successor.
#include "grants_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

// What a child says of each step, when it has it: 'b' begun, 'u' used (and what came of it), 'r' revoked.
struct told {
    char step;
    struct text token, next;
};

static void tell(int out, char step, const struct text *token, const struct text *next)
{
    struct told t = { .step = step, .token = *token };
    if (next)
        t.next = *next;
    if (write(out, &t, sizeof t) != sizeof t)
        _exit(1);
}

static void work_in_child(const char *file, int out)
{
    struct pki_grants *g = NULL;
    int rc = pki_grants_open(file, 30000, &g);
    for (int i = 0; rc == 0; i++) {
        struct text t = begin(g, "c"), next;
        tell(out, 'b', &t, NULL);
        for (int k = 0; rc == 0 && k < i % 4; k++) {
            if ((rc = use(g, &t, NOW, &next)) == 0)
                tell(out, 'u', &t, &next);
            t = next;
        }
        if (rc == 0 && i % 3 == 2 && (rc = pki_grants_revoke(g, span_str(t.p), NOW)) == 0)
            tell(out, 'r', &t, NULL);
    }
    _exit(1);
}

static void kill_at_any_moment_loses_nothing_that_was_given_out(void **state)
{
    enum { ROUNDS = 40, MOST = 4096 };
    static struct told all[MOST];
    static int round_of[MOST];
    struct place p;
    int fds[2];
    size_t n = 0;
    (void)state;
    place_init(&p);
    srand(20270116);
    for (int i = 0; i < ROUNDS; i++) {
        pki_grants_close(p.g);
        assert_int_equal(0, pipe(fds));
        assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0); // no child ever waits for us
        pid_t child = fork();
        if (child == 0)
            work_in_child(p.file, fds[1]);
        assert_true(child > 0);
        close(fds[1]);
        struct timespec nap = { .tv_nsec = 1000000L * (5 + rand() % 40) };
        nanosleep(&nap, NULL);
        assert_int_equal(0, kill(child, SIGKILL));
        int status;
        assert_int_equal(child, waitpid(child, &status, 0));
        assert_true(WIFSIGNALED(status)); // it was still working, without an error
        assert_int_equal(0, pki_grants_open(p.file, 10000, &p.g));
        while (n < MOST && read(fds[0], &all[n], sizeof all[n]) == sizeof all[n])
            round_of[n++] = i;
        close(fds[0]);
    }
    assert_true(n > ROUNDS);
    // The last that was told of each family decides; what came after it without being told may be one step.
    for (size_t i = 0; i < n; i++) {
        const struct text *newest = all[i].step == 'u' ? &all[i].next : &all[i].token;
        bool last = i + 1 == n || all[i + 1].step == 'b';
        if (all[i].step == 'r') {
            assert_int_equal(ERR_GRANT_REVOKED, use(p.g, newest, NOW + 1, NULL));
        } else if (last) {
            // Still the newest, or replaced or revoked by the step that the kill kept from being told.
            bool cut = i + 1 == n || round_of[i + 1] != round_of[i];
            int rc = use(p.g, newest, NOW + 1, NULL);
            assert_true(rc == 0 || (cut && rc == ERR_GRANT_REVOKED));
        }
    }
    // And a replaced one, of any family, is good for nothing.
    for (size_t i = 0; i < n; i++)
        if (all[i].step == 'u') {
            int rc = use(p.g, &all[i].token, NOW + 60, NULL);
            assert_true(rc == ERR_GRANT_REUSED || rc == ERR_GRANT_REVOKED);
        }
    assert_int_equal(number(&p, "SELECT count(*) FROM family"), number(&p, "SELECT families FROM state"));
    place_fini(&p);
}

static void of_two_processes_that_use_one_token_at_once_both_get_one_successor(void **state)
{
    enum { N = 6 };
    struct place p;
    struct text got[N];
    int fds[2];
    (void)state;
    place_init(&p);
    struct text t = begin(p.g, "c");
    pki_grants_close(p.g);
    assert_int_equal(0, pipe(fds));
    for (int i = 0; i < N; i++)
        if (fork() == 0) {
            struct pki_grants *g;
            struct text next;
            bool ok = pki_grants_open(p.file, 30000, &g) == 0 && use(g, &t, NOW, &next) == 0;
            _exit(ok && write(fds[1], &next, sizeof next) == sizeof next ? 0 : 1);
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
    assert_int_equal(0, pki_grants_open(p.file, 1000, &p.g));
    assert_int_equal(1, number(&p, "SELECT counter FROM family"));
    place_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kill_at_any_moment_loses_nothing_that_was_given_out),
        cmocka_unit_test(of_two_processes_that_use_one_token_at_once_both_get_one_successor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

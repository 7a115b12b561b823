// SPDX-License-Identifier: GPL-3.0-or-later
// The system call filter, in processes of its own: what a gateway does goes on, and what only an intruder would do ends it.
#include "gateway/net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

// How a process ends that does `what` behind the filter: what it returned, or 128 and the signal.
static int end_of(int (*what)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0); // no core of a death that is wanted
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        _exit(gw_sandbox_enter() == 0 ? what() : 99);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int start_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return 0;
}

static int start_a_process(void)
{
    fork();
    return 0;
}

static int trace_the_parent(void)
{
    ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    return 0;
}

static int read_the_parent(void)
{
    syscall(SYS_process_vm_readv, getppid(), NULL, 0UL, NULL, 0UL, 0UL);
    return 0;
}

static void what_only_an_intruder_does_kills_the_process(void **state)
{
    (void)state;
    if (!gw_sandbox_possible())
        skip();
    assert_int_equal(end_of(start_a_program), 128 + SIGSYS);
    assert_int_equal(end_of(start_a_process), 128 + SIGSYS);
    assert_int_equal(end_of(trace_the_parent), 128 + SIGSYS);
    assert_int_equal(end_of(read_the_parent), 128 + SIGSYS);
}

static int odd_calls(void)
{
    int bad = 0;
    bad += socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != ENOSYS;
    bad += kill(getppid(), 0) == 0 || errno != ENOSYS;
    bad += syscall(SYS_clone3, NULL, 0UL) != -1 || errno != ENOSYS;
    bad += ioctl(0, 0x5412UL, "x") == 0 || errno != ENOSYS; // TIOCSTI: typing into somebody's terminal
    bad += prctl(PR_SET_DUMPABLE, 1) == 0 || errno != ENOSYS;
    return bad;
}

static void what_is_not_needed_is_not_there(void **state)
{
    (void)state;
    if (!gw_sandbox_possible())
        skip();
    assert_int_equal(end_of(odd_calls), 0);
}

static void *in_a_thread(void *arg)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *(bool *)arg = fd >= 0 && close(fd) == 0;
    return NULL;
}

static int ordinary_work(void)
{
    char name[] = "/tmp/sandbox-XXXXXX";
    bool threaded = false;
    pthread_t thread;
    struct addrinfo *found = NULL;
    int fd = mkstemp(name);
    int bad = fd < 0 || write(fd, "x", 1) != 1 || fsync(fd) != 0 || unlink(name) != 0 || close(fd) != 0;
    bad += pthread_create(&thread, NULL, in_a_thread, &threaded) != 0 || pthread_join(thread, NULL) != 0 || !threaded;
    bad += getaddrinfo("localhost", "80", NULL, &found) != 0;
    if (found)
        freeaddrinfo(found);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad += page == MAP_FAILED || munmap(page, 4096) != 0;
    return bad;
}

static void what_a_gateway_does_goes_on(void **state)
{
    (void)state;
    if (!gw_sandbox_possible())
        skip();
    assert_int_equal(end_of(ordinary_work), 0);
}

// A thread from before the filter, as the loops are.
static void *outlive_the_filter(void *arg)
{
    int *pipes = arg;
    char byte;
    if (read(pipes[0], &byte, 1) == 1)
        execl("/bin/true", "true", (char *)NULL);
    return NULL;
}

static void threads_that_are_there_are_held_too(void **state)
{
    (void)state;
    if (!gw_sandbox_possible())
        skip();
    pid_t pid = fork();
    if (pid == 0) {
        int pipes[2];
        pthread_t thread;
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (pipe(pipes) != 0 || pthread_create(&thread, NULL, outlive_the_filter, pipes) != 0 ||
            gw_sandbox_enter() != 0 || write(pipes[1], "x", 1) != 1)
            _exit(99);
        pthread_join(thread, NULL);
        _exit(0);
    }
    int status = 0;
    assert_true(pid > 0 && waitpid(pid, &status, 0) == pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_an_intruder_does_kills_the_process),
        cmocka_unit_test(what_is_not_needed_is_not_there),
        cmocka_unit_test(what_a_gateway_does_goes_on),
        cmocka_unit_test(threads_that_are_there_are_held_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

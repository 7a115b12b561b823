// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define SANITIZED 1
#endif
#endif

// By name: libseccomp knows the numbers on each machine, and that one of them lacks some (open, poll, unlink …).
static const char *const allowed[] = {
    // Time, chance, itself.
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "getrandom",
    "getpid",
    "gettid",
    "getppid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "uname",
    "sysinfo",
    "getrusage",
    "getcpu",
    "times",
    "umask",
    "getcwd",
    // Threads and signals.
    "futex",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "exit",
    "exit_group",
    "sched_yield",
    "sched_getaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigtimedwait",
    "sigaltstack",
    "restart_syscall",
    "membarrier",
    // Memory.
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "mlock",
    "munlock",
    // Waiting.
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "poll",
    "ppoll",
    "select",
    "pselect6",
    "eventfd2",
    "pipe",
    "pipe2",
    // Sockets; which kinds is below.
    "connect",
    "bind",
    "listen",
    "accept",
    "accept4",
    "getsockname",
    "getpeername",
    "getsockopt",
    "setsockopt",
    "sendto",
    "sendmsg",
    "sendmmsg",
    "recvfrom",
    "recvmsg",
    "recvmmsg",
    "shutdown",
    // Files: configuration, keys, the audit log, SQLite.
    "read",
    "readv",
    "pread64",
    "preadv",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "open",
    "openat",
    "close",
    "lseek",
    "stat",
    "fstat",
    "lstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "fsync",
    "fdatasync",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "fchmod",
    "fchmodat",
    "chmod",
    "fchown",
    "utimensat",
    "fcntl",
    "flock",
    "dup",
    "dup2",
    "dup3",
};

static const char *const fatal[] = {
    "execve",
    "execveat",
    "fork",
    "vfork",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "bpf",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "setns",
    "unshare",
    "init_module",
    "finit_module",
    "delete_module",
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "swapon",
    "keyctl",
    "add_key",
    "request_key",
    "userfaultfd",
    "perf_event_open",
    "setuid",
    "setresuid",
    "setgid",
    "setresgid",
    "setgroups",
    "capset",
    "personality",
};

static int by_name(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        // Newer than this libseccomp, or not of this machine: then nothing here asks for it.
        if (number != __NR_SCMP_ERROR && number >= 0)
            rc = seccomp_rule_add(f, action, number, 0);
    }
    return rc;
}

// `call`, where its argument number `i` compares so. Spelled out, since the library's macros leave a field to its default.
static struct scmp_arg_cmp argument(unsigned i, enum scmp_compare op, scmp_datum_t a, scmp_datum_t b)
{
    return (struct scmp_arg_cmp){ .arg = i, .op = op, .datum_a = a, .datum_b = b };
}

static int when(scmp_filter_ctx f, uint32_t action, int call, struct scmp_arg_cmp one)
{
    return seccomp_rule_add_array(f, action, call, 1, &one);
}

static int when_equal(scmp_filter_ctx f, int call, unsigned i, scmp_datum_t v)
{
    return when(f, SCMP_ACT_ALLOW, call, argument(i, SCMP_CMP_EQ, v, 0));
}

static int with_arguments(scmp_filter_ctx f)
{
    static const scmp_datum_t families[] = { AF_INET, AF_INET6, AF_UNIX };
    static const scmp_datum_t controls[] = { FIONREAD, FIONBIO, FIOCLEX };
    static const scmp_datum_t options[] = { PR_SET_NAME, PR_GET_NAME };
    // The resolver asks which addresses this machine has.
    const struct scmp_arg_cmp routes[] = { argument(0, SCMP_CMP_EQ, AF_NETLINK, 0), argument(2, SCMP_CMP_EQ, 0, 0) };
    int rc = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, routes);
    for (size_t i = 0; rc == 0 && i < sizeof families / sizeof *families; i++)
        rc = when_equal(f, SCMP_SYS(socket), 0, families[i]);
    if (rc == 0)
        rc = when_equal(f, SCMP_SYS(socketpair), 0, AF_UNIX);
    for (size_t i = 0; rc == 0 && i < sizeof controls / sizeof *controls; i++)
        rc = when_equal(f, SCMP_SYS(ioctl), 1, controls[i]);
    for (size_t i = 0; rc == 0 && i < sizeof options / sizeof *options; i++)
        rc = when_equal(f, SCMP_SYS(prctl), 0, options[i]);
    if (rc == 0)
        rc = when_equal(f, SCMP_SYS(prlimit64), 2, 0); // limits may be read
    // Signals to itself: abort(3), and the C library's to its threads.
    if (rc == 0)
        rc = when_equal(f, SCMP_SYS(tgkill), 0, (scmp_datum_t)getpid());
    // A thread, and never a process. clone3(2) hides its flags where a filter cannot see: told that there is none, the C library takes clone(2).
    if (rc == 0)
        rc = when(f, SCMP_ACT_ALLOW, SCMP_SYS(clone), argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    if (rc == 0)
        rc = when(f, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    return rc;
}

bool gw_sandbox_possible(void)
{
#ifdef SANITIZED
    return false;
#else
    return true;
#endif
}

int gw_sandbox_enter(void)
{
    if (!gw_sandbox_possible())
        return -ENOSYS;
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (!f)
        return -ENOMEM;
    int rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1);
    // A call of another machine's numbering (x32, 32 bits) is nobody's mistake.
    if (rc == 0)
        rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (rc == 0)
        rc = by_name(f, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
    if (rc == 0)
        rc = by_name(f, SCMP_ACT_KILL_PROCESS, fatal, sizeof fatal / sizeof *fatal);
    if (rc == 0)
        rc = with_arguments(f);
    // Sorted as a tree: what each call costs must not depend on where it stands above.
    if (rc == 0)
        rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (rc == 0)
        rc = seccomp_load(f);
    seccomp_release(f);
    return rc;
}

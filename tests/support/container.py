#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a program as a container runtime starts that of a pod: in a root of its own that cannot be written but for the folders named, as a user who is
not root, without capabilities, without new privileges, under a seccomp profile. Without --root it sees the machine's files. Root is needed to do it.

usage: container.py [--root DIR] [--writable PATH]... [--user N] [--seccomp FILE] -- PROGRAM [ARGUMENT]...

Exit status: the program's; 77 if this machine cannot do it, with the reason on standard error.
"""
import argparse
import ctypes
import json
import os
import sys

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
libc = ctypes.CDLL(None, use_errno=True)


def cannot(what):
    print(f"container.py: {what}", file=sys.stderr)
    sys.exit(77)


def need(rc, what):
    if rc != 0:
        cannot(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, flags):
    need(libc.mount(source.encode(), target.encode(), None, ctypes.c_ulong(flags), None), f"mount {target}")


def filesystem(root, writable):
    need(libc.unshare(CLONE_NEWNS), "a mount namespace")
    mount("none", "/", MS_REC | MS_PRIVATE)
    mount(root, root, MS_BIND)
    mount("/proc", os.path.join(root, "proc"), MS_BIND | MS_REC)
    for path in writable:
        inside = root + path
        mount(inside, inside, MS_BIND)
        mount("none", inside, MS_BIND | MS_REMOUNT | MS_NOSUID | MS_NODEV)
    mount("none", root, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)
    os.chroot(root)
    os.chdir("/")


def filtered(profile):
    """Loads an OCI profile. What its list does not name is answered with its error."""
    try:
        seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    except OSError as e:
        cannot(f"no libseccomp: {e}")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = seccomp.seccomp_init(ctypes.c_uint32(ERRNO | profile.get("defaultErrnoRet", 1)))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    for group in profile["syscalls"]:
        assert group["action"] == "SCMP_ACT_ALLOW"
        for name in group["names"]:
            number = seccomp.seccomp_syscall_resolve_name(name.encode())
            if number == -1:
                print(f"container.py: libseccomp does not know {name}", file=sys.stderr)
            elif number >= 0:
                rc = seccomp.seccomp_rule_add_exact(ctypes.c_void_p(context), ctypes.c_uint32(ALLOW), number, 0)
                if rc != 0:
                    cannot(f"{name}: {os.strerror(-rc)}")
    return lambda: seccomp.seccomp_load(ctypes.c_void_p(context))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    parser.add_argument("--root")
    parser.add_argument("--writable", action="append", default=[])
    parser.add_argument("--user", type=int, default=65532)
    parser.add_argument("--seccomp")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    load = None
    if options.seccomp:
        with open(options.seccomp, encoding="utf-8") as f:
            load = filtered(json.load(f))
    if os.getuid() != 0:
        cannot("only root can do this")
    if options.root:
        filesystem(os.path.realpath(options.root), options.writable)
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    os.setgroups([options.user])
    os.setresgid(options.user, options.user, options.user)
    os.setresuid(options.user, options.user, options.user)
    need(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    environment = {"PATH": "/usr/bin", "HOME": "/nonexistent"}
    environment.update({k: v for k, v in os.environ.items() if k.startswith(("SALLYPORT_", "KUBERNETES_")) or k in ("POD_IP", "HOST_IP", "NODE_IP")})
    if load:
        rc = load()
        if rc != 0:
            cannot(f"seccomp: {os.strerror(-rc)}")
    os.execve(command[0], command, environment)


main()

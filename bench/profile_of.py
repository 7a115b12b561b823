# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile that `bench/run --perf FILE CASE` took: its samples, and which part of the work each belongs to. For bench/where and bench/flame."""
import re
import subprocess
from collections import Counter

# The first pattern that fits: on `function file`, or, of the kernel, on the functions of the stack.
PARTS = [
    ("P-256 signature of the proof", r"^(sp_256|L_256|sp_ecc|wc_ecc|ecc_|.*_mod_inv_)| .*pki/p256"),
    ("SHA-256", r"[Ss][Hh][Aa]_?256"),
    ("TLS records: AES-GCM and what is around it", r"AES|[Gg]hash|GCM|/wolfssl|gateway/tls/|[Ww]olfSSL|[Tt]ls13|BuildTls|DoTls|ProcessReply"),
    ("JSON: proof, body and audit record", r"yyjson|gateway/base/json"),
    ("HTTP/1.1", r"llhttp|gateway/http/"),
    ("token, proof and used proofs, but for the signature", r" .*pki/"),
    ("policy", r" .*policy/"),
    ("what the request is and needs", r" .*gateway/(api|endpoint)/"),
    ("audit record", r" .*gateway/audit/"),
    ("stages, metrics and traces", r" .*gateway/(stages|trace)/"),
    ("event loop and sockets", r" .*gateway/(net|cli)/|libuv|uv_"),
    ("buffers, base64, hashes of tables", r" .*gateway/base/"),
    ("memory and strings (libc)", r"libc\.so"),
    ("the clock", r"vdso"),
]
SYSCALLS = [("kernel: send", r"sock_write_iter|tcp_sendmsg|sock_sendmsg"), ("kernel: receive", r"sock_recvmsg|sock_read_iter|tcp_recvmsg"),
            ("kernel: wait for events", r"epoll"), ("kernel: write the audit log", r"vfs_write|ksys_write|fsync")]


class Profile:
    def __init__(self, path, program):
        """`samples`: (thread, its stack), which is of (function, library), innermost first."""
        self.program = program
        self.samples = list(read(path))
        self.source = files(program, {stack[0][0] for _, stack in self.samples})

    def part(self, stack):
        name, library = stack[0]
        kernel = "kernel" in library
        if kernel:
            table, text = SYSCALLS, " ".join(f for f, _ in stack)
        else:
            table, text = PARTS, f"{name} {self.source.get(name, library) if library.endswith('/sallyport') else library}"
        return next((p for p, pattern in table if re.search(pattern, text)), "kernel: interrupts, page faults, the rest" if kernel else "the rest")


def read(path):
    script = subprocess.Popen(["perf", "script", "-i", path, "--no-inline", "-F", "tid,ip,sym,dso"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    thread, stack = None, []
    for line in [*script.stdout, ""]:
        if m := re.match(r"\s*[0-9a-f]+ (.*) \((.*)\)$", line):
            stack.append((m[1], m[2]))
            continue
        if stack:
            yield thread, stack
            stack = []
        if m := re.match(r"\s*(\d+)\s*$", line):
            thread = m[1]


def files(program, functions):
    """→ {function: its source file}"""
    at = {}
    for line in subprocess.run(["nm", "--defined-only", program], capture_output=True, text=True, check=True).stdout.splitlines():
        address, _, name = line.split(maxsplit=2)
        if name in functions:
            at[name] = address
    done = subprocess.run(["addr2line", "-e", program], input="\n".join(at.values()), capture_output=True, text=True, check=True)
    return dict(zip(at, (line.split(":")[0] for line in done.stdout.splitlines())))


def whole_stacks(profile):
    """→ [(part, stack)], outermost first and named for people. wolfSSL's assembly has no description of its stack, so a sample in it has lost its
    callers: it gets those that most of the same thread's other samples of the same part have, as far as they are ours."""
    out, lost, callers = [], [], {}
    for thread, stack in profile.samples:
        part = profile.part(stack)
        known = [(f, lib) for f, lib in stack if f != "[unknown]"]
        ours = [i for i, (_, lib) in enumerate(known) if lib.endswith("/sallyport")]
        if len(known) == 1 and ours:
            lost.append((thread, part, known[0][0]))
            continue
        names = [f.split(".")[0].removeprefix("__GI_") for f, _ in reversed(known)]
        out.append((thread, part, names))
        if ours and "kernel" not in stack[0][1]:
            # Up to the last function that is not the library's.
            of = next((i for i in ours if not is_library(known[i][0])), None)
            if of is not None:
                callers.setdefault((thread, part), Counter())[tuple(names[:len(known) - of])] += 1
    for thread, part, name in lost:
        most = callers.get((thread, part))
        out.append((thread, part, [*(most.most_common(1)[0][0] if most else ()), name.split(".")[0]]))
    return out


def is_library(function):
    return not re.match(r"(gw|pki|pol|json|arena|buf|span|map)_", function)

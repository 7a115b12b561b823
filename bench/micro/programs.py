# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of this folder that name stages (bench/support/micro.h), built and asked for them."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.realpath(os.path.join(HERE, "..", ".."))
PROGRAMS = ("handshake", "request", "proof", "p256", "confine")


def path(build, program):
    return os.path.join(build, "bench", "micro", program)


def configured(build):
    if not os.path.exists(os.path.join(build, "CMakeCache.txt")):
        subprocess.run(["cmake", "-S", TOP, "-B", build], check=True, stdout=subprocess.DEVNULL)


def built(build):
    """→ {program: [(stage, how many calls are counted)]}; ends the process when they do not build"""
    configured(build)
    done = subprocess.run(["cmake", "--build", build, "--target", *(f"bench_micro_{p}" for p in PROGRAMS)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{done.stdout[-3000:]}{done.stderr[-3000:]}\n{sys.argv[0]}: the programs of bench/micro do not build")
    return {p: [(name, int(counted)) for name, counted, _ in (line.split(maxsplit=2) for line in ask(build, p, "--list").splitlines())] for p in PROGRAMS}


def ask(build, program, *arguments):
    return subprocess.run([path(build, program), *arguments], stdout=subprocess.PIPE, text=True, check=True).stdout

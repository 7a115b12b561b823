// SPDX-License-Identifier: GPL-3.0-or-later
// What another process has used so far: CPU time of all its threads together, those that ended included, and memory that is its own.
//
// The CPU time is read from the process's clock (clock_getcpuclockid(3)), in nanoseconds; it is what utime + stime of /proc/PID/stat
// (proc(5)) say in ticks of 10 ms. How it divides into user and system comes from there, so that needs a window of seconds.
#ifndef SALLYPORT_BENCH_SUPPORT_PROCESS_H
#define SALLYPORT_BENCH_SUPPORT_PROCESS_H

#include <stdbool.h>

struct process_cpu {
    double total_s, user_s, system_s;
};

// False when there is no such process.
bool process_cpu_read(long pid, struct process_cpu *out);
// RssAnon of /proc/PID/status, in KiB; negative when there is no such process.
long process_memory_kib(long pid);

#endif

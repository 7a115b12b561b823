// SPDX-License-Identifier: GPL-3.0-or-later
// The CPU time another process has used so far, all its threads together, from /proc/PID/stat (proc(5)): utime and stime,
// in ticks of 10 ms as a rule, so a measured window should be seconds long.
#ifndef SALLYPORT_BENCH_PROCESS_CPU_H
#define SALLYPORT_BENCH_PROCESS_CPU_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct process_cpu {
    double user_s, system_s;
};

// False when there is no such process.
static inline bool process_cpu_read(long pid, struct process_cpu *out)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    // The second field, the name, may hold spaces and parentheses; after its last ')' come the third and the rest.
    const char *rest = strrchr(text, ')');
    unsigned long long user, system;
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return false;
    double tick = (double)sysconf(_SC_CLK_TCK);
    *out = (struct process_cpu){ (double)user / tick, (double)system / tick };
    return true;
}

#endif

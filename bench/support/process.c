// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// The start of a file of /proc, as text. False when it is not there.
static bool read_text(long pid, const char *name, char *out, size_t n)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", pid, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    out[fread(out, 1, n - 1, f)] = '\0';
    fclose(f);
    return true;
}

bool process_cpu_read(long pid, struct process_cpu *out)
{
    char text[1024];
    clockid_t clock;
    struct timespec t;
    if (!read_text(pid, "stat", text, sizeof text) || clock_getcpuclockid((pid_t)pid, &clock) != 0 ||
        clock_gettime(clock, &t) != 0)
        return false;
    // The second field, the name, may hold spaces and parentheses; after its last ')' come the third and the rest.
    const char *rest = strrchr(text, ')');
    unsigned long long user, system;
    if (!rest || sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return false;
    double tick = (double)sysconf(_SC_CLK_TCK);
    *out =
        (struct process_cpu){ (double)t.tv_sec + (double)t.tv_nsec / 1e9, (double)user / tick, (double)system / tick };
    return true;
}

long process_memory_kib(long pid)
{
    char text[4096];
    const char *at = read_text(pid, "status", text, sizeof text) ? strstr(text, "RssAnon:") : NULL;
    return at ? strtol(at + 8, NULL, 10) : -1;
}

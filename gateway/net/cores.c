// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/cores.h"

#include "gateway/base/file.h"

#include <sched.h>
#include <stdio.h>

// "max 100000" or "150000 100000": quota and period in microseconds. 0: no quota, or none that can be read.
static unsigned quota_of(const char *path)
{
    struct buf text;
    unsigned cores = 0;
    buf_init(&text, 0);
    if (file_read(path, 4096, &text) == 0) {
        struct span rest = span_trim(buf_span(&text));
        struct span quota = span_cut(&rest, ' ');
        struct span period = span_cut(&rest, '\n');
        uint64_t q, p;
        if (span_to_u64(quota, &q) && span_to_u64(period, &p) && p > 0)
            cores = (unsigned)((q + p - 1) / p);
    }
    buf_fini(&text);
    return cores;
}

static unsigned cgroup_cores(void)
{
    // A container sees its own group at the root of its cgroup file system; elsewhere /proc says where it is.
    unsigned cores = quota_of("/sys/fs/cgroup/cpu.max");
    struct buf text;
    buf_init(&text, 0);
    if (cores == 0 && file_read("/proc/self/cgroup", 65536, &text) == 0) {
        for (struct span rest = buf_span(&text), line; !span_is_none(rest);) {
            line = span_cut(&rest, '\n');
            if (!span_starts(line, SPAN("0::/")))
                continue;
            char path[1024];
            snprintf(path, sizeof path, "/sys/fs/cgroup%.*s/cpu.max", SPAN_FMT(span_sub(line, 3, line.n)));
            cores = quota_of(path);
        }
    }
    buf_fini(&text);
    return cores;
}

unsigned gw_usable_cores(void)
{
    cpu_set_t set;
    unsigned cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned quota = cgroup_cores();
    if (quota > 0 && quota < cores)
        cores = quota;
    return cores > 0 ? cores : 1;
}

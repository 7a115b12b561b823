// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/watch.h"

#include "gateway/base/map.h"

#include <sys/stat.h>

uint64_t gw_watch_look(const char *const *files, size_t n)
{
    static const uint64_t key[2] = { 0x73616c6c79706f72, 0x7400000000000000 }; // no secret: nobody gains by a collision
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        uint64_t facts[7] = { i, sum };
        if (stat(files[i], &st) == 0) {
            facts[2] = (uint64_t)st.st_dev;
            facts[3] = (uint64_t)st.st_ino;
            facts[4] = (uint64_t)st.st_size;
            facts[5] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
            facts[6] = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
        }
        sum = siphash24(key, span_of(facts, sizeof facts));
    }
    return sum;
}

// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/spare.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_zero(const char *page, size_t n)
{
    const uint64_t *v = (const uint64_t *)page;
    for (size_t i = 0; i < n / sizeof *v; i++)
        if (v[i] != 0)
            return false;
    return true;
}

static int spare_thread(struct dl_phdr_info *info, size_t size, void *ctx)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)ctx;
    if (size < sizeof *info || !info->dlpi_tls_data)
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_TLS)
            continue;
        uintptr_t from = ((uintptr_t)info->dlpi_tls_data + page - 1) / page * page;
        uintptr_t to = ((uintptr_t)info->dlpi_tls_data + h->p_memsz) / page * page;
        for (; from < to; from += page)
            if (is_zero((const char *)from, page))
                madvise((void *)from, page, MADV_DONTNEED);
    }
    return 0;
}

void gw_spare_thread(void)
{
    dl_iterate_phdr(spare_thread, NULL);
}

static int spare_segments(struct dl_phdr_info *info, size_t size, void *ctx)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    (void)size;
    (void)ctx;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        // What may be written to is ours alone by now: relocated, or changed.
        if (h->p_type != PT_LOAD || (h->p_flags & PF_W))
            continue;
        uintptr_t from = (info->dlpi_addr + h->p_vaddr + page - 1) / page * page;
        uintptr_t to = (info->dlpi_addr + h->p_vaddr + h->p_memsz) / page * page;
        if (from < to)
            madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void gw_spare_program(void)
{
    malloc_trim(0);
    dl_iterate_phdr(spare_segments, NULL);
}

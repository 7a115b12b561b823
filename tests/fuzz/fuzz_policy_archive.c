// SPDX-License-Identifier: GPL-3.0-or-later
// The archive of a policy bundle. What is read lies inside of the bytes, and written again it is read the same. Checksums are made right first, or
// nothing would get past them.
#include <stdlib.h>

#include "gateway/base/err.h"
#include "gateway/config/policy_archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define BLOCK 512u

static void checksums(uint8_t *p, size_t n)
{
    for (size_t at = 0; at + BLOCK <= n; at += BLOCK) {
        unsigned sum = 0;
        if (memcmp(p + at + 257, "ustar", 6) != 0)
            continue;
        memset(p + at + 148, ' ', 8);
        for (size_t i = 0; i < BLOCK; i++)
            sum += p[at + i];
        for (size_t i = 0; i < 6; i++)
            p[at + 153 - i] = (uint8_t)('0' + (sum >> (3 * i) & 7));
        p[at + 154] = 0;
    }
}

static void read_again(const struct gw_archive *a)
{
    struct buf out;
    struct arena arena;
    struct gw_archive b;
    struct gw_archive_fault fault;
    buf_init(&out, 0);
    arena_init(&arena, 0);
    // A name may have been cut in another place than we would have found.
    if (gw_archive_write(a->v, a->n, 0, &out, NULL) == 0) {
        if (gw_archive_read(buf_span(&out), &arena, &b, &fault) != 0 || b.n != a->n)
            abort();
        for (size_t i = 0; i < b.n; i++)
            if (!span_eq(a->v[i].name, b.v[i].name) || !span_eq(a->v[i].content, b.v[i].content))
                abort();
    }
    arena_fini(&arena);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    uint8_t *copy = malloc(n + 1);
    struct arena arena;
    struct gw_archive a;
    struct gw_archive_fault fault = { NULL, 0 };

    if (!copy)
        return 0;
    memcpy(copy, data, n);
    checksums(copy, n);
    arena_init(&arena, 0);
    int rc = gw_archive_read(span_of(copy, n), &arena, &a, &fault);
    if ((rc == ERR_CONFIG) != (fault.what != NULL) || fault.offset > n)
        abort();
    for (size_t i = 0; rc == 0 && i < a.n; i++)
        if (a.v[i].content.p < (char *)copy || a.v[i].content.p + a.v[i].content.n > (char *)copy + n ||
            !gw_archive_is_name(a.v[i].name))
            abort();
    if (rc == 0)
        read_again(&a);
    arena_fini(&arena);
    free(copy);
    return 0;
}

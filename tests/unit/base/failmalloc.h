// SPDX-License-Identifier: GPL-3.0-or-later
// An allocator that fails at the nth request, for one test program: it takes malloc's place (glibc lets a program define it). Under a
// sanitizer, which has an allocator of its own, it does nothing and `fail_works` says so.
#ifndef SALLYPORT_TESTS_FAILMALLOC_H
#define SALLYPORT_TESTS_FAILMALLOC_H

#include <errno.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAILMALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FAILMALLOC 0
#endif
#endif
#ifndef FAILMALLOC
#define FAILMALLOC 1
#endif

static long fail_after = -1; // requests that still succeed; -1: all
static const int fail_works = FAILMALLOC;

#if FAILMALLOC
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

static int fail_now(void)
{
    if (fail_after < 0 || fail_after-- > 0)
        return 0;
    fail_after = 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t n)
{
    return fail_now() ? NULL : __libc_malloc(n);
}
void *calloc(size_t n, size_t size)
{
    return fail_now() ? NULL : __libc_calloc(n, size);
}
void *realloc(void *p, size_t n)
{
    return fail_now() ? NULL : __libc_realloc(p, n);
}
#endif

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/micro.h"

#include "bench/support/stop.h"
#include "gateway/base/clock.h"

#include <gnu/libc-version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 2000
#define ROUNDS_MAX 1000000
#define WARM_UP 20

struct asked {
    long rounds;
    bool json, list, counted, toolchain;
    char **names;
    int n_names;
};

// Its calls are what is counted. Not the end of the function, so that it is left where it was entered.
__attribute__((noinline)) static void micro_measured(const struct micro *m, void *ctx)
{
    m->run(ctx, m->arg);
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void micro_counted(const struct micro *m)
{
    __asm__ volatile("" ::"r"(m) : "memory");
}

static int64_t call(const struct micro *m, void *ctx)
{
    if (m->before)
        m->before(ctx, m->arg);
    int64_t began = clock_mono_ns();
    micro_measured(m, ctx);
    int64_t took = clock_mono_ns() - began;
    if (m->took_ns)
        took = m->took_ns(ctx, m->arg);
    if (m->after)
        m->after(ctx, m->arg);
    return took;
}

static void nothing(void *ctx, unsigned arg)
{
    (void)ctx, (void)arg;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void time_stage(const struct micro *m, void *ctx, const struct asked *asked)
{
    static const struct micro empty = { .run = nothing };
    size_t n = m->rounds && m->rounds < asked->rounds ? m->rounds : (size_t)asked->rounds;
    int64_t *ns = calloc(n, sizeof *ns), clock = INT64_MAX;
    if (!ns)
        stop(1, "out of memory");
    for (size_t i = 0; i < 1000; i++) {
        int64_t took = call(&empty, NULL);
        clock = took < clock ? took : clock;
    }
    for (size_t i = 0; i < WARM_UP; i++)
        call(m, ctx);
    for (size_t i = 0; i < n; i++)
        ns[i] = call(m, ctx);
    qsort(ns, n, sizeof *ns, compare);
    int64_t median = ns[n / 2] - clock, least = ns[0] - clock;
    if (asked->json)
        printf("{\"stage\":\"%s\",\"what\":\"%s\",\"median_ns\":%lld,\"least_ns\":%lld,\"calls\":%zu}\n", m->name,
               m->what, (long long)(median > 0 ? median : 0), (long long)(least > 0 ? least : 0), n);
    else
        printf("%-18s %9lld %9lld  %s\n", m->name, (long long)(median > 0 ? median : 0),
               (long long)(least > 0 ? least : 0), m->what);
    fflush(stdout);
    free(ns);
}

static void count_stage(const struct micro *m, void *ctx)
{
    for (unsigned i = 0; i < WARM_UP; i++) {
        if (m->before)
            m->before(ctx, m->arg);
        m->run(ctx, m->arg);
        if (m->after)
            m->after(ctx, m->arg);
    }
    for (unsigned i = 0; i < m->counted; i++)
        call(m, ctx);
    micro_counted(m);
}

// The compiler's release and the C library's, and which of the latter's copies of memcpy and the like runs.
static void print_toolchain(void)
{
#if defined(__clang__)
    printf("clang-%d", __clang_major__);
#else
    printf("gcc-%d", __GNUC__);
#endif
#if defined(__x86_64__)
    printf(" x86_64%s", __builtin_cpu_supports("avx2") ? " avx2" : "");
#elif defined(__aarch64__)
    printf(" aarch64");
#else
    printf(" other");
#endif
    printf(" glibc-%s\n", gnu_get_libc_version());
}

static bool is_chosen(const struct micro *m, const struct asked *asked)
{
    for (int i = 0; i < asked->n_names; i++)
        if (strcmp(m->name, asked->names[i]) == 0)
            return true;
    return asked->n_names == 0;
}

static void read_arguments(int argc, char **argv, struct asked *asked)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        char *end = NULL;
        if (strcmp(argv[i], "--json") == 0)
            asked->json = true;
        else if (strcmp(argv[i], "--list") == 0)
            asked->list = true;
        else if (strcmp(argv[i], "--counted") == 0)
            asked->counted = true;
        else if (strcmp(argv[i], "--toolchain") == 0)
            asked->toolchain = true;
        else if (strcmp(argv[i], "--rounds") != 0 || ++i == argc || (asked->rounds = strtol(argv[i], &end, 10)) < 1 ||
                 asked->rounds > ROUNDS_MAX || *end)
            stop(2, "usage: %s [--json] [--rounds N] [--list | --counted | --toolchain] [STAGE...]", argv[0]);
    }
    asked->names = argv + i;
    asked->n_names = argc - i;
}

void micro_must(bool ok, const char *what)
{
    if (!ok)
        stop(1, "%s: not as expected", what);
}

int micro_main(int argc, char **argv, const struct micro_program *p)
{
    struct asked asked = { .rounds = ROUNDS };
    read_arguments(argc, argv, &asked);
    if (asked.toolchain) {
        print_toolchain();
        return 0;
    }
    for (size_t i = 0; asked.list && i < p->n; i++)
        printf("%s %u %s\n", p->stages[i].name, p->stages[i].counted, p->stages[i].what);
    if (asked.list)
        return 0;
    p->set_up(p->ctx);
    for (size_t i = 0; i < p->n; i++) {
        const struct micro *m = &p->stages[i];
        if (!is_chosen(m, &asked))
            continue;
        if (!asked.counted)
            time_stage(m, p->ctx, &asked);
        else if (m->counted)
            count_stage(m, p->ctx);
    }
    p->tear_down(p->ctx);
    return 0;
}

// SPDX-License-Identifier: GPL-3.0-or-later
// The main function of the programs in bench/micro: each names some stages of a request, and this times them or lets an instruction counter
// watch them. What a stage needs is made before each call and put away after it, off the clock.
//
//   PROGRAM [--json] [--rounds N] [STAGE…]   a line a stage: median and least of N calls, in ns, less what reading the clock takes
//   PROGRAM --list                           the stages: name, how many calls are counted (0: none), what it is
//   PROGRAM --counted                        for bench/micro/instructions: each counted stage so many times, in micro_measured; after each stage
//                                            micro_counted is called, where callgrind writes down what it has and starts anew
//   PROGRAM --toolchain                      what a number of instructions depends on, besides the source
#ifndef SALLYPORT_BENCH_SUPPORT_MICRO_H
#define SALLYPORT_BENCH_SUPPORT_MICRO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct micro {
    const char *name, *what;
    unsigned
        counted; // calls under the instruction counter; 0: the stage's time is cryptography's, which runs otherwise there
    unsigned rounds;                         // at most so many timed ones; 0: as asked for
    unsigned arg;                            // to all of the following
    void (*before)(void *ctx, unsigned arg); // may be NULL
    void (*run)(void *ctx, unsigned arg);
    void (*after)(void *ctx, unsigned arg);      // may be NULL
    int64_t (*took_ns)(void *ctx, unsigned arg); // NULL: all of `run`; else how much of it counts
};

struct micro_program {
    const struct micro *stages;
    size_t n;
    void *ctx; // of all calls
    void (*set_up)(void *ctx);
    void (*tear_down)(void *ctx);
};

// → exit status
int micro_main(int argc, char **argv, const struct micro_program *p);
// That a call did what it is measured for; else the program ends.
void micro_must(bool ok, const char *what);

#endif

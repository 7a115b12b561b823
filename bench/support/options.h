// SPDX-License-Identifier: GPL-3.0-or-later
// The command line of a load program: a table of what there is. Each row has one place to put it: a text, a number of at least 0, or a flag.
#ifndef SALLYPORT_BENCH_SUPPORT_OPTIONS_H
#define SALLYPORT_BENCH_SUPPORT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_MAX 48

struct option_row {
    const char *name;
    const char **text;
    long *number;
    bool *flag;
};

// Ends the process with `usage`: 0 after --help, 2 when the command line is not of these rows.
void options_read(const struct option_row *rows, size_t n, int argc, char **argv, const char *usage);
_Noreturn void options_wrong(const char *usage);

#endif

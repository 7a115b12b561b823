// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void options_wrong(const char *usage)
{
    fputs(usage, stderr);
    exit(2);
}

void options_read(const struct option_row *rows, size_t n, int argc, char **argv, const char *usage)
{
    struct option options[OPTIONS_MAX + 2] = { { 0 } };
    assert(n <= OPTIONS_MAX);
    for (size_t i = 0; i < n; i++)
        options[i] = (struct option){ rows[i].name, rows[i].flag ? no_argument : required_argument, NULL, (int)i };
    options[n] = (struct option){ "help", no_argument, NULL, (int)n };
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        char *end = NULL;
        if (o == (int)n)
            exit(fputs(usage, stdout) < 0);
        if (o < 0 || o > (int)n)
            options_wrong(usage);
        const struct option_row *row = &rows[o];
        if (row->flag)
            *row->flag = true;
        else if (row->text)
            *row->text = optarg;
        else if ((*row->number = strtol(optarg, &end, 10)) < 0 || end == optarg || *end)
            options_wrong(usage);
    }
    if (optind != argc)
        options_wrong(usage);
}

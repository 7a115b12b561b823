// SPDX-License-Identifier: GPL-3.0-or-later
// The command line's common ground: a command is a const row (name, one line, options, function) or a row with rows
// below it; the same row is what is parsed and what --help prints, so the two cannot disagree.
//
//   --name VALUE, --name=VALUE, --flag, `--` ends the options, everything else is an argument. No abbreviations, no
//   single letters but -h. An option given twice is an error unless its row says `repeat`. A complaint is one line on
//   standard error, `sallyport ca issue: unknown option --ttk; did you mean --ttl?`, and exit status 2.
//
// A command writes results to cli->out and everything else to cli->err, never to stdout or stderr by name: tests run
// commands on streams of their own.
#ifndef SALLYPORT_CLI_CLI_H
#define SALLYPORT_CLI_CLI_H

#include "gateway/base/arena.h"
#include "gateway/base/span.h"
#include <stdio.h>

enum gw_cli_exit {
    GW_EXIT_OK = 0,
    GW_EXIT_NO = 1,    // the answer is no: denied, invalid, a check failed
    GW_EXIT_USAGE = 2, // bad usage, unreadable input, or it could not be carried out
};

struct gw_cli_option {
    const char *name;  // without the dashes; NULL ends the table
    const char *value; // what --help calls its value ("FILE"); NULL: a flag
    const char *help;  // one line
    bool repeat;       // may be given more than once
    bool required;
};

// For commands that can answer in JSON: sets cli->json.
#define GW_CLI_OPTION_JSON                       \
    {                                            \
        .name = "json", .help = "answer in JSON" \
    }

struct gw_cli;

struct gw_cli_command {
    const char *name;    // one word
    const char *summary; // one line, for the table of the level above
    const char *args;    // how --help names the arguments: "METHOD URL"; NULL: none
    unsigned min_args, max_args;
    const char *about;                       // paragraphs for --help; may be NULL
    const struct gw_cli_option *options;     // may be NULL
    const struct gw_cli_command *const *sub; // NULL-terminated; then `run` is NULL
    int (*run)(struct gw_cli *cli);          // → exit status
};

struct gw_cli_value { // one option as given, in order
    const struct gw_cli_option *option;
    const char *value; // NULL for a flag
};

struct gw_cli {
    const struct gw_cli_command *command;
    const char *path; // "sallyport ca issue": starts every complaint
    FILE *out, *err;
    bool json;
    bool colour;       // `out` is a terminal, and neither NO_COLOR nor TERM=dumb says otherwise
    const char **args; // n_args arguments, NUL-terminated, from argv
    size_t n_args;
    struct gw_cli_value *values;
    size_t n_values;
    struct arena arena; // freed after run(); for whatever the command needs until then
};

// Finds the command in the tree below `commands` (NULL-terminated), parses, runs it and returns the exit status.
// argv[0] is skipped; `program` is printed instead. Handles --help, `help COMMAND` and, at the top, --version (prints
// `version`).
int gw_cli_main(const char *program, const char *version, const struct gw_cli_command *const *commands, int argc,
                char **argv, FILE *out, FILE *err);

// The value of an option given once; NULL when it was not given. The name must be in the command's table (asserted).
const char *gw_cli_get(const struct gw_cli *cli, const char *name);
bool gw_cli_has(const struct gw_cli *cli, const char *name);
// Repeated options: for (size_t i = 0; (v = gw_cli_next(cli, "dns", &i));)
const char *gw_cli_next(const struct gw_cli *cli, const char *name, size_t *i);

// Typed values. Not given: `*out` stays. False after the complaint was printed; the command returns GW_EXIT_USAGE.
bool gw_cli_duration(struct gw_cli *cli, const char *name, int64_t *ms); // "24h"
bool gw_cli_uint(struct gw_cli *cli, const char *name, uint64_t max, uint64_t *out);
// One word of a NULL-terminated list; `*out` is its index.
bool gw_cli_choice(struct gw_cli *cli, const char *name, const char *const *words, size_t *out);

// "sallyport ca issue: " + the text + newline on cli->err. gw_cli_usage returns GW_EXIT_USAGE, gw_cli_no GW_EXIT_NO, so
// a command says `return gw_cli_usage(cli, "...")`. gw_cli_note is for what is not an error.
int gw_cli_usage(struct gw_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int gw_cli_no(struct gw_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void gw_cli_note(struct gw_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

// A whole file under `max` bytes, "-" is standard input; NUL-terminated in the cli's arena. SPAN_NONE after the
// complaint. Secrets are read with gw_cli_passphrase or file_read + buf_wipe instead: the arena is not wiped.
struct span gw_cli_read(struct gw_cli *cli, const char *path, size_t max);

enum gw_cli_style { GW_STYLE_PLAIN, GW_STYLE_GOOD, GW_STYLE_BAD, GW_STYLE_WARN, GW_STYLE_DIM, GW_STYLE_BOLD };
// The escape that starts a style, "" without colour. GW_STYLE_PLAIN ends it.
const char *gw_cli_style(const struct gw_cli *cli, enum gw_cli_style style);

#endif

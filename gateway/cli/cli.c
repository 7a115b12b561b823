// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/cli.h"
#include "gateway/base/buf.h"
#include "gateway/base/clock.h"
#include "gateway/base/diag.h"
#include "gateway/base/file.h"
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_CANDIDATES 64
#define HELP_COLUMN 28 // where the help text of an option starts

static const char *const styles[] = {
    [GW_STYLE_PLAIN] = "\033[0m", [GW_STYLE_GOOD] = "\033[32m", [GW_STYLE_BAD] = "\033[31m",
    [GW_STYLE_WARN] = "\033[33m", [GW_STYLE_DIM] = "\033[2m",   [GW_STYLE_BOLD] = "\033[1m",
};

const char *gw_cli_style(const struct gw_cli *cli, enum gw_cli_style style)
{
    return cli->colour ? styles[style] : "";
}

static bool wants_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    int fd = fileno(out);
    return fd >= 0 && isatty(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

// ---- complaints

static void complain(struct gw_cli *cli, const char *fmt, va_list ap)
{
    fprintf(cli->err, "%s: ", cli->path);
    vfprintf(cli->err, fmt, ap);
    fputc('\n', cli->err);
}

int gw_cli_usage(struct gw_cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    complain(cli, fmt, ap);
    va_end(ap);
    return GW_EXIT_USAGE;
}

int gw_cli_no(struct gw_cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    complain(cli, fmt, ap);
    va_end(ap);
    return GW_EXIT_NO;
}

void gw_cli_note(struct gw_cli *cli, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    complain(cli, fmt, ap);
    va_end(ap);
}

// ---- help

static void print_option(FILE *out, const struct gw_cli_option *o)
{
    int n = fprintf(out, "  --%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    if (n >= HELP_COLUMN - 1) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s%s%s%s\n", HELP_COLUMN - n, "", o->help ? o->help : "", o->required ? " (required)" : "",
            o->repeat ? " (may be repeated)" : "");
}

static void print_sub(FILE *out, const struct gw_cli_command *const *sub)
{
    for (; *sub; sub++) {
        fprintf(out, "  %-12s %s\n", (*sub)->name, (*sub)->summary);
    }
}

static void print_help(FILE *out, const char *path, const struct gw_cli_command *c)
{
    if (c->sub) {
        fprintf(out, "usage: %s COMMAND [OPTIONS]\n\n%s\n\ncommands:\n", path, c->summary);
        print_sub(out, c->sub);
        if (c->about) {
            fprintf(out, "\n%s\n", c->about);
        }
        fprintf(out, "\n`%s COMMAND --help` describes a command.\n", path);
        return;
    }
    fprintf(out, "usage: %s [OPTIONS]%s%s\n\n%s\n\noptions:\n", path, c->args ? " " : "", c->args ? c->args : "",
            c->summary);
    for (const struct gw_cli_option *o = c->options; o && o->name; o++) {
        print_option(out, o);
    }
    print_option(out, &(struct gw_cli_option){ .name = "help", .help = "this text" });
    if (c->about) {
        fprintf(out, "\n%s\n", c->about);
    }
    fprintf(out, "\nexit status: 0 success, 1 the answer is no, 2 bad usage or it could not be done\n");
}

// ---- options

static const struct gw_cli_option *find_option(const struct gw_cli_command *c, struct span name)
{
    for (const struct gw_cli_option *o = c->options; o && o->name; o++) {
        if (span_eq(span_str(o->name), name)) {
            return o;
        }
    }
    return NULL;
}

static int unknown_option(struct gw_cli *cli, struct span name)
{
    struct span near[MAX_CANDIDATES];
    size_t n = 0;
    for (const struct gw_cli_option *o = cli->command->options; o && o->name && n < MAX_CANDIDATES - 1; o++) {
        near[n++] = span_str(o->name);
    }
    near[n++] = SPAN("help");
    struct span guess = diag_suggest(name, near, n);
    if (!span_is_none(guess)) {
        return gw_cli_usage(cli, "unknown option --%.*s; did you mean --%.*s?", SPAN_FMT(name), SPAN_FMT(guess));
    }
    return gw_cli_usage(cli, "unknown option --%.*s; see --help", SPAN_FMT(name));
}

static bool given(const struct gw_cli *cli, const struct gw_cli_option *o)
{
    for (size_t i = 0; i < cli->n_values; i++) {
        if (cli->values[i].option == o) {
            return true;
        }
    }
    return false;
}

// One "--name[=value]" at argv[*i]; steps over a value in the next word. 0, or GW_EXIT_USAGE after the complaint.
static int take_option(struct gw_cli *cli, int argc, char **argv, int *i)
{
    struct span rest = span_str(argv[*i] + 2);
    struct span name = span_cut(&rest, '=');
    const struct gw_cli_option *o = find_option(cli->command, name);
    if (!o) {
        return unknown_option(cli, name);
    }
    if (!o->repeat && given(cli, o)) {
        return gw_cli_usage(cli, "--%s is given twice", o->name);
    }
    const char *value = NULL;
    if (!o->value && !span_is_none(rest)) {
        return gw_cli_usage(cli, "--%s takes no value", o->name);
    }
    if (o->value && !span_is_none(rest)) {
        value = rest.p;
    } else if (o->value) {
        // A forgotten value must not swallow the next option.
        if (*i + 1 >= argc || strncmp(argv[*i + 1], "--", 2) == 0) {
            return gw_cli_usage(cli, "--%s needs a value (%s)", o->name, o->value);
        }
        value = argv[++*i];
    }
    cli->values[cli->n_values++] = (struct gw_cli_value){ o, value };
    return 0;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int parse(struct gw_cli *cli, int argc, char **argv, bool *helped)
{
    bool options = true;
    for (int i = 0; i < argc; i++) {
        int rc = 0;
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && is_help(argv[i])) {
            print_help(cli->out, cli->path, cli->command);
            *helped = true;
            return 0;
        } else if (options && strncmp(argv[i], "--", 2) == 0) {
            rc = take_option(cli, argc, argv, &i);
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            rc = gw_cli_usage(cli, "unknown option %s; options are written out, see --help", argv[i]);
        } else {
            cli->args[cli->n_args++] = argv[i];
        }
        if (rc) {
            return rc;
        }
    }
    return 0;
}

static int check_needed(struct gw_cli *cli)
{
    const struct gw_cli_command *c = cli->command;
    for (const struct gw_cli_option *o = c->options; o && o->name; o++) {
        if (o->required && !given(cli, o)) {
            return gw_cli_usage(cli, "--%s %s is required", o->name, o->value ? o->value : "");
        }
    }
    if (cli->n_args < c->min_args) {
        return gw_cli_usage(cli, "missing argument: %s", c->args);
    }
    if (cli->n_args > c->max_args) {
        return gw_cli_usage(cli, "unexpected argument '%s'; see --help", cli->args[c->max_args]);
    }
    return 0;
}

static int run_leaf(const char *path, const struct gw_cli_command *c, int argc, char **argv, FILE *out, FILE *err)
{
    struct gw_cli cli = { .command = c, .path = path, .out = out, .err = err, .colour = wants_colour(out) };
    bool helped = false;
    int rc = GW_EXIT_USAGE;
    arena_init(&cli.arena, 0);
    size_t words = argc > 0 ? (size_t)argc : 1;
    cli.args = arena_array(&cli.arena, words, sizeof *cli.args);
    cli.values = arena_array(&cli.arena, words, sizeof *cli.values);
    if (!cli.args || !cli.values) {
        rc = gw_cli_usage(&cli, "out of memory");
    } else if ((rc = parse(&cli, argc, argv, &helped)) == 0 && !helped && (rc = check_needed(&cli)) == 0) {
        const struct gw_cli_option *json = find_option(c, SPAN("json"));
        cli.json = json && given(&cli, json);
        rc = c->run(&cli);
    }
    // A full disk or a closed pipe must not look like success.
    if (fflush(out) != 0 && rc == GW_EXIT_OK) {
        rc = gw_cli_usage(&cli, "cannot write the output: %s", strerror(errno));
    }
    arena_fini(&cli.arena);
    return rc;
}

// ---- commands

static const struct gw_cli_command *find_command(const struct gw_cli_command *const *list, const char *name)
{
    for (; *list; list++) {
        if (strcmp((*list)->name, name) == 0) {
            return *list;
        }
    }
    return NULL;
}

static int unknown_command(const char *path, const struct gw_cli_command *const *list, const char *word, FILE *err)
{
    struct span near[MAX_CANDIDATES];
    size_t n = 0;
    for (; list[n] && n < MAX_CANDIDATES; n++) {
        near[n] = span_str(list[n]->name);
    }
    struct span guess = diag_suggest(span_str(word), near, n);
    if (!span_is_none(guess)) {
        fprintf(err, "%s: unknown command '%s'; did you mean '%.*s'?\n", path, word, SPAN_FMT(guess));
    } else {
        fprintf(err, "%s: unknown command '%s'; see %s --help\n", path, word, path);
    }
    return GW_EXIT_USAGE;
}

static int descend(const char *path, const struct gw_cli_command *c, int argc, char **argv, FILE *out, FILE *err)
{
    if (!c->sub) {
        return run_leaf(path, c, argc, argv, out, err);
    }
    bool help = argc > 0 && strcmp(argv[0], "help") == 0;
    if (argc > 0 && (is_help(argv[0]) || (help && argc == 1))) {
        print_help(out, path, c);
        return fflush(out) == 0 ? GW_EXIT_OK : GW_EXIT_USAGE;
    }
    if (argc == 0) {
        print_help(err, path, c);
        return GW_EXIT_USAGE;
    }
    const char *word = argv[help ? 1 : 0];
    const struct gw_cli_command *next = find_command(c->sub, word);
    if (!next) {
        return unknown_command(path, c->sub, word, err);
    }
    struct arena a;
    arena_init(&a, 0);
    struct span longer = arena_printf(&a, "%s %s", path, next->name);
    int rc = GW_EXIT_USAGE;
    if (!span_is_none(longer) && help) {
        print_help(out, longer.p, next);
        rc = fflush(out) == 0 ? GW_EXIT_OK : GW_EXIT_USAGE;
    } else if (!span_is_none(longer)) {
        rc = descend(longer.p, next, argc - 1, argv + 1, out, err);
    }
    arena_fini(&a);
    return rc;
}

int gw_cli_main(const char *program, const char *version, const struct gw_cli_command *const *commands, int argc,
                char **argv, FILE *out, FILE *err)
{
    const struct gw_cli_command top = {
        .name = program,
        .summary = "A gateway in front of vector databases: mutual TLS, bound tokens, policy.",
        .sub = commands,
    };
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        fprintf(out, "%s %s\n", program, version);
        return fflush(out) == 0 ? GW_EXIT_OK : GW_EXIT_USAGE;
    }
    if (argc > 1 && strncmp(argv[1], "--", 2) == 0 && !is_help(argv[1])) {
        fprintf(err, "%s: unknown option %s; see %s --help\n", program, argv[1], program);
        return GW_EXIT_USAGE;
    }
    return descend(program, &top, argc > 0 ? argc - 1 : 0, argv + (argc > 0), out, err);
}

// ---- values

const char *gw_cli_next(const struct gw_cli *cli, const char *name, size_t *i)
{
    const struct gw_cli_option *o = find_option(cli->command, span_str(name));
    assert(o && o->value);
    while (*i < cli->n_values) {
        const struct gw_cli_value *v = &cli->values[(*i)++];
        if (v->option == o) {
            return v->value;
        }
    }
    return NULL;
}

const char *gw_cli_get(const struct gw_cli *cli, const char *name)
{
    size_t i = 0;
    return gw_cli_next(cli, name, &i);
}

bool gw_cli_has(const struct gw_cli *cli, const char *name)
{
    const struct gw_cli_option *o = find_option(cli->command, span_str(name));
    assert(o);
    return given(cli, o);
}

bool gw_cli_duration(struct gw_cli *cli, const char *name, int64_t *ms)
{
    const char *v = gw_cli_get(cli, name);
    if (v && !clock_parse_duration(span_str(v), ms)) {
        gw_cli_usage(cli, "--%s: '%s' is no duration; write a number and a unit, like 24h, 15m or 7d", name, v);
        return false;
    }
    return true;
}

bool gw_cli_uint(struct gw_cli *cli, const char *name, uint64_t max, uint64_t *out)
{
    const char *v = gw_cli_get(cli, name);
    uint64_t n;
    if (!v) {
        return true;
    }
    if (!span_to_u64(span_str(v), &n) || n > max) {
        gw_cli_usage(cli, "--%s: '%s' is no number from 0 to %llu", name, v, (unsigned long long)max);
        return false;
    }
    *out = n;
    return true;
}

bool gw_cli_choice(struct gw_cli *cli, const char *name, const char *const *words, size_t *out)
{
    const char *v = gw_cli_get(cli, name);
    if (!v) {
        return true;
    }
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(words[i], v) == 0) {
            *out = i;
            return true;
        }
    }
    fprintf(cli->err, "%s: --%s: '%s' is not one of", cli->path, name, v);
    for (size_t i = 0; words[i]; i++) {
        fprintf(cli->err, " %s", words[i]);
    }
    fputc('\n', cli->err);
    return false;
}

// ---- files

static bool read_stdin(size_t max, struct buf *b)
{
    for (;;) {
        char *room = buf_reserve(b, 4096);
        if (!room) {
            errno = ENOMEM;
            return false;
        }
        ssize_t n = read(STDIN_FILENO, room, 4096);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0;
        }
        buf_commit(b, (size_t)n);
        if (buf_len(b) > max) {
            errno = EFBIG;
            return false;
        }
    }
}

struct span gw_cli_read(struct gw_cli *cli, const char *path, size_t max)
{
    struct buf b;
    struct span s = SPAN_NONE;
    int rc = 0;
    buf_init(&b, 0);
    if (strcmp(path, "-") == 0) {
        rc = read_stdin(max, &b) ? 0 : -errno;
    } else {
        rc = file_read(path, max, &b);
    }
    if (rc < 0) {
        gw_cli_usage(cli, "%s: %s", path, strerror(-rc));
    } else {
        s = arena_dup(&cli->arena, buf_span(&b));
        if (span_is_none(s)) {
            gw_cli_usage(cli, "%s: out of memory", path);
        }
    }
    buf_fini(&b);
    return s;
}

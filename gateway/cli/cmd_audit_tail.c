// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport audit tail: the last records of a log and those that come, through rotation.
#include "gateway/audit/read.h"
#include "gateway/cli/argument.h"
#include "gateway/cli/audit_row.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOK_MS = 250, WINDOW = 8 << 20, LINES_MOST = 100000, CHUNK = 64 * 1024 };

struct tail {
    struct gw_cli *cli;
    const char *path;
    FILE *f;
    struct stat st;
    struct buf in;
    bool denied; // only what was refused
};

static void show(struct tail *t, struct span line)
{
    struct json_limits limits = { .bytes = GW_AUDIT_LINE_MAX, .depth = 200, .nul_names = true };
    struct json_doc *doc = json_parse(line, &limits, NULL);
    json r = doc ? json_root(doc) : NULL;

    if (t->denied && !span_eq(gw_audit_text(r, SPAN("decision")), SPAN("deny"))) {
        json_free(doc);
        return;
    }
    if (t->cli->json)
        fprintf(t->cli->out, "%.*s\n", SPAN_FMT(line));
    else if (json_type(r) == JSON_OBJECT)
        gw_audit_row(t->cli, r);
    else
        fprintf(t->cli->out, "%sa line that is no record%s\n", gw_cli_style(t->cli, GW_STYLE_WARN),
                gw_cli_style(t->cli, GW_STYLE_PLAIN));
    json_free(doc);
}

static bool open_file(struct tail *t)
{
    t->f = fopen(t->path, "re");
    return t->f && fstat(fileno(t->f), &t->st) == 0;
}

// Shows what is whole, leaves the rest. `skip`: lines that are left out.
static void drain(struct tail *t, size_t skip)
{
    for (;;) {
        struct span all = buf_span(&t->in);
        size_t end = span_find(all, '\n');
        if (end == all.n)
            return;
        if (skip > 0)
            skip--;
        else
            show(t, span_sub(all, 0, end));
        buf_consume(&t->in, end + 1);
    }
}

static bool read_more(struct tail *t)
{
    for (;;) {
        char *room = buf_len(&t->in) < GW_AUDIT_LINE_MAX ? buf_reserve(&t->in, CHUNK) : NULL;
        size_t n = room ? fread(room, 1, CHUNK, t->f) : 0;
        if (!room)
            return gw_cli_usage(t->cli, "%s: a line is too long to be a record", t->path), false;
        buf_commit(&t->in, n);
        if (n < CHUNK)
            break;
    }
    clearerr(t->f);
    return true;
}

static bool show_last(struct tail *t, size_t lines)
{
    size_t n = 0;

    if (t->st.st_size > WINDOW && fseeko(t->f, t->st.st_size - WINDOW, SEEK_SET) != 0)
        return gw_cli_usage(t->cli, "%s: %s", t->path, strerror(errno)), false;
    if (!read_more(t))
        return false;
    struct span all = buf_span(&t->in);
    if (t->st.st_size > WINDOW) // in the middle of a line
        buf_consume(&t->in, span_find(all, '\n') + (span_find(all, '\n') < all.n));
    all = buf_span(&t->in);
    for (size_t i = 0; i < all.n; i++)
        n += all.p[i] == '\n';
    drain(t, n > lines ? n - lines : 0);
    return true;
}

// The file has another name by now, and a new one stands in its place.
static bool moved(const struct tail *t)
{
    struct stat st;

    return stat(t->path, &st) == 0 && (st.st_ino != t->st.st_ino || st.st_dev != t->st.st_dev);
}

static bool follow(struct tail *t)
{
    for (;;) {
        bool go_on = moved(t);
        // What was written before it was moved is read first.
        if (!read_more(t))
            return false;
        drain(t, 0);
        if (fflush(t->cli->out) != 0)
            return true; // whoever read us is gone
        if (go_on) {
            fclose(t->f);
            buf_clear(&t->in);
            if (!open_file(t))
                return gw_cli_usage(t->cli, "%s: %s", t->path, strerror(errno)), false;
            continue;
        }
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
    }
}

static int run(struct gw_cli *cli)
{
    struct tail t = { .cli = cli, .path = cli->args[0], .denied = gw_cli_has(cli, "denied") };
    uint64_t lines = 10;
    bool ok;

    if (!gw_cli_uint(cli, "lines", LINES_MOST, &lines))
        return GW_EXIT_USAGE;
    buf_init(&t.in, 0);
    ok = open_file(&t) || (gw_cli_usage(cli, "%s: %s", t.path, strerror(errno)), false);
    ok = ok && show_last(&t, (size_t)lines);
    if (ok && !gw_cli_has(cli, "no-follow"))
        ok = follow(&t);
    if (t.f)
        fclose(t.f);
    buf_fini(&t.in);
    return ok ? GW_EXIT_OK : GW_EXIT_USAGE;
}

static const struct gw_cli_option options[] = {
    { .name = "lines", .value = "N", .help = "how many of those that are there (10)" },
    { .name = "no-follow", .help = "and no more" },
    { .name = "denied", .help = "only what was refused" },
    { .name = "json", .help = "the lines as they are" },
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_audit_tail = {
    .name = "tail",
    .summary = "follow a log, a line a record for people",
    .args = "FILE",
    .min_args = 1,
    .max_args = 1,
    .about = "Goes on in the new file when the log is rotated. Ends with Ctrl-C.",
    .options = options,
    .run = run,
};

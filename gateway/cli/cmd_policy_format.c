// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy format: policies in their canonical layout, comments and all.
#include "gateway/base/file.h"
#include "gateway/cli/argument.h"
#include "policy/format.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

// Keeps the mode of a file that is replaced.
static bool replace(struct gw_cli *cli, const char *path, struct span text)
{
    struct stat st;
    int rc = stat(path, &st) == 0 ? file_write(path, text, st.st_mode & 0777) : -errno;

    if (rc != 0)
        gw_cli_usage(cli, "%s: %s", path, strerror(-rc));
    return rc == 0;
}

static int one(struct gw_cli *cli, const char *path, bool *differs)
{
    bool check = gw_cli_has(cli, "check"), write = gw_cli_has(cli, "write");
    struct span text = gw_cli_read(cli, path, POL_TEXT_MAX);
    struct pol_source source = { span_str(path), text };
    struct diags diags;
    struct buf out;
    int rc = 0;

    if (span_is_none(text))
        return GW_EXIT_USAGE;
    diags_init(&diags);
    buf_init(&out, 0);
    bool ok = pol_format(&source, &out, &diags);
    gw_cli_diags(cli, cli->err, &diags);
    bool same = ok && span_eq(buf_span(&out), text);
    if (!ok) {
        rc = GW_EXIT_USAGE;
    } else if (!check && !write) {
        fwrite(buf_span(&out).p, 1, buf_len(&out), cli->out);
    } else if (!same) {
        *differs = true;
        if (check || replace(cli, path, buf_span(&out)))
            fprintf(cli->out, "%s\n", path);
        else
            rc = GW_EXIT_USAGE;
    }
    buf_fini(&out);
    diags_fini(&diags);
    return rc;
}

static int run(struct gw_cli *cli)
{
    bool differs = false;
    int rc = 0;

    if (gw_cli_has(cli, "check") && gw_cli_has(cli, "write"))
        return gw_cli_usage(cli, "--check and --write exclude each other");
    // What is wrong with one file keeps no other from being looked at.
    for (size_t i = 0; i < cli->n_args; i++) {
        int e = one(cli, cli->args[i], &differs);
        rc = e ? e : rc;
    }
    return rc ? rc : differs && gw_cli_has(cli, "check") ? GW_EXIT_NO : GW_EXIT_OK;
}

static const struct gw_cli_option options[] = {
    { .name = "check", .help = "change nothing, name the files that are not formatted" },
    { .name = "write", .help = "put the result into the files, and name those that changed" },
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_policy_format = {
    .name = "format",
    .summary = "print policies in their canonical layout, with their comments",
    .args = "FILE...",
    .min_args = 1,
    .max_args = 4096,
    .about =
        "Formatting twice is formatting once, and what the policies decide is not changed. - is standard input.\n"
        "Exit status: 0 done (or, with --check, nothing to do), 1 with --check: a file is not formatted, 2 a file\n"
        "holds no Cedar policies or cannot be read or written.",
    .options = options,
    .run = run,
};

// SPDX-License-Identifier: GPL-3.0-or-later
// Where a passphrase comes from: a file, or the terminal without echo. Never from an argument or the environment
// itself, which other users of the machine and child processes can read; the environment may name the file.
#ifndef SALLYPORT_CLI_PASSPHRASE_H
#define SALLYPORT_CLI_PASSPHRASE_H

#include "gateway/base/buf.h"
#include "gateway/cli/cli.h"

#define GW_PASSPHRASE_MIN 8
#define GW_PASSPHRASE_MAX 1024

struct gw_passphrase_from {
    const char *file;   // path or NULL. The first line counts, without its newline
    const char *env;    // name of the variable that may hold a path instead; NULL: none
    const char *prompt; // "Passphrase for the CA keys: "
    bool confirm;       // asked twice on the terminal, and held to GW_PASSPHRASE_MIN: a new passphrase
};

// Appends the passphrase to `out` (the caller wipes it). 0, or GW_EXIT_USAGE after the complaint: the file cannot be
// read or is empty, others may read it, no file and no terminal, the two entries differ, too short, too long.
int gw_cli_passphrase(struct gw_cli *cli, const struct gw_passphrase_from *from, struct buf *out);

#endif

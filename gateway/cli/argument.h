// SPDX-License-Identifier: GPL-3.0-or-later
// Arguments that may be given in more than one way: tokens (which do not belong on a command line, where every user of the machine
// can read them), and moments. And the way back: moments and strangers' bytes in words a person and a terminal can take.
#ifndef SALLYPORT_CLI_ARGUMENT_H
#define SALLYPORT_CLI_ARGUMENT_H

#include "gateway/base/diag.h"
#include "gateway/cli/cli.h"

// A token or proof: itself, "@FILE", or "-" for standard input; without the white space around it. It lives as long as `cli`. SPAN_NONE
// after the complaint: unreadable, empty, longer than `max`.
struct span gw_cli_text(struct gw_cli *cli, const char *arg, size_t max);

// A moment: "2026-11-21T23:52:55Z", "2026-11-21", seconds since the epoch, or "+5m" and "-1h" from now. Not given: `*wall_ms` is now.
// False after the complaint.
bool gw_cli_time(struct gw_cli *cli, const char *name, int64_t *wall_ms);

// "4 minutes 12 seconds": the two largest units of a duration, without its sign.
#define GW_CLI_WORDS 64
void gw_cli_words(int64_t ms, char out[static GW_CLI_WORDS]);
// "2026-11-21T23:52:55Z, in 4 minutes 12 seconds" or ", 3 days ago", seen from `now_ms`.
#define GW_CLI_MOMENT 128
void gw_cli_moment(int64_t s, int64_t now_ms, char out[static GW_CLI_MOMENT]);

// Bytes that somebody else chose: controls (C0, DEL, C1) and what turns the direction of text are written \u001b, so that no
// token can move the cursor or rename itself; what is not UTF-8 becomes U+FFFD.
void gw_cli_print(FILE *out, struct span s);
// Every complaint of a reading, a line each.
void gw_cli_diags(const struct gw_cli *cli, FILE *out, const struct diags *diags);

#endif

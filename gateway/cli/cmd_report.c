// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport report: the subcommand table, a file each: cmd_report_NAME.c. A row a subcommand.
#include "gateway/cli/cli.h"

extern const struct gw_cli_command gw_cmd_report_observe;

static const struct gw_cli_command *const sub[] = { &gw_cmd_report_observe, NULL };

const struct gw_cli_command gw_cmd_report = {
    .name = "report",
    .summary = "say what audit logs show",
    .sub = sub,
};

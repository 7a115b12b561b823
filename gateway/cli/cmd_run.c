// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/cli.h"
#include "gateway/net/process.h"

static int run(struct gw_cli *cli)
{
    return gw_process_run(
        &(struct gw_process_options){ .config = gw_cli_get(cli, "config"), .take_over = gw_cli_has(cli, "take-over") });
}

static const struct gw_cli_option options[] = {
    { .name = "config", .value = "FILE", .help = "the configuration (YAML)", .required = true },
    { .name = "take-over",
      .help = "take over from the gateway that listens at process.handover: its sockets, without a refused connection; "
              "if there is none, simply start" },
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_run = {
    .name = "run",
    .summary = "the gateway, or the authority, as the configuration says",
    .about = "Runs in the foreground and logs to standard error.\n\n"
             "Signals: SIGHUP reloads configuration, policies, entities, keys, bundles and CRLs (changed files are "
             "noticed within a second without it); a "
             "configuration with an error is refused and the old one stays, but revocations, CRLs and removals apply "
             "all the same. SIGUSR1 opens the audit file "
             "anew. SIGUSR2 turns the log up to debug, and back. SIGTERM and SIGINT drain: no new connections, present "
             "requests end; a second one ends at once.",
    .options = options,
    .run = run,
};

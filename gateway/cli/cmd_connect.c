// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/cli/cli.h"
#include "gateway/net/connect.h"

static int run(struct gw_cli *cli)
{
    return gw_connect_run(&(struct gw_connect_options){ .config = gw_cli_get(cli, "config") });
}

static const struct gw_cli_option options[] = {
    { .name = "config", .value = "FILE", .help = "the configuration (YAML), with connect: in it", .required = true },
    { .name = NULL },
};

const struct gw_cli_command gw_cmd_connect = {
    .name = "connect",
    .summary = "localhost for unmodified clients: adds certificate, token and proof",
    .about = "Runs in the foreground and logs to standard error. Applications use their usual client with "
             "http://127.0.0.1:PORT, or a Unix\n"
             "socket; requests go on to a gateway over mutual TLS.\n\n"
             "Certificate, token and configuration are read again within a second of a change. Signals: SIGHUP reads "
             "them at once; "
             "SIGTERM\nand SIGINT drain: no new connections, present requests end; a second one ends at once.",
    .options = options,
    .run = run,
};

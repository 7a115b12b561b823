// SPDX-License-Identifier: GPL-3.0-or-later
// The subcommand table, nothing else. A row is declared here and defined in gateway/cli/cmd_NAME.c; it carries its own name,
// function and one-line description.
#include "gateway/cli/cli.h"

#ifndef SALLYPORT_VERSION
#define SALLYPORT_VERSION "0.1.0"
#endif

extern const struct gw_cli_command gw_cmd_apikey, gw_cmd_audit, gw_cmd_ca, gw_cmd_call, gw_cmd_check, gw_cmd_connect,
    gw_cmd_explain, gw_cmd_policy, gw_cmd_report, gw_cmd_route, gw_cmd_run, gw_cmd_token, gw_cmd_verify;

// clang-format off
static const struct gw_cli_command *const commands[] = {
    &gw_cmd_apikey,
    &gw_cmd_audit,
    &gw_cmd_ca,
    &gw_cmd_call,
    &gw_cmd_check,
    &gw_cmd_connect,
    &gw_cmd_explain,
    &gw_cmd_policy,
    &gw_cmd_report,
    &gw_cmd_route,
    &gw_cmd_run,
    &gw_cmd_token,
    &gw_cmd_verify,
    NULL,
};
// clang-format on

int main(int argc, char **argv)
{
    return gw_cli_main("sallyport", SALLYPORT_VERSION, commands, argc, argv, stdout, stderr);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport policy: the subcommand table, a file each: cmd_policy_NAME.c. A row a subcommand.
#include "gateway/cli/cli.h"

extern const struct gw_cli_command gw_cmd_policy_analyze, gw_cmd_policy_authorize, gw_cmd_policy_bench,
    gw_cmd_policy_bundle, gw_cmd_policy_check, gw_cmd_policy_diff, gw_cmd_policy_explain, gw_cmd_policy_format,
    gw_cmd_policy_suggest, gw_cmd_policy_test;

// clang-format off
static const struct gw_cli_command *const sub[] = {
    &gw_cmd_policy_analyze,
    &gw_cmd_policy_authorize,
    &gw_cmd_policy_bench,
    &gw_cmd_policy_bundle,
    &gw_cmd_policy_check,
    &gw_cmd_policy_diff,
    &gw_cmd_policy_explain,
    &gw_cmd_policy_format,
    &gw_cmd_policy_suggest,
    &gw_cmd_policy_test,
    NULL,
};
// clang-format on

const struct gw_cli_command gw_cmd_policy = {
    .name = "policy",
    .summary = "check, try out, explain and compare policies",
    .sub = sub,
};

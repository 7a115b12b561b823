// SPDX-License-Identifier: GPL-3.0-or-later
// Why requests are allowed or denied by a policy set, for people and as JSON: each policy whose scope fits with what its condition came to and the
// values that it saw, and on a denial the permits that came nearest. Of `policy explain` and `explain`.
#ifndef SALLYPORT_CLI_POLICY_ACCOUNT_H
#define SALLYPORT_CLI_POLICY_ACCOUNT_H

#include "gateway/cli/policy_files.h"

// Decides each question by `set`, which was compiled of `in`, and accounts for it: as text on cli->out, or with `w` as a JSON value (a list
// where the questions are one). The command has the flag --all. GW_EXIT_OK: all are allowed; GW_EXIT_NO; or GW_EXIT_USAGE after the complaint.
int gw_policy_account(struct gw_cli *cli, const struct gw_policy_input *in, struct pol_set *set,
                      const struct gw_policy_questions *q, struct json_writer *w);

#endif

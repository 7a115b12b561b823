// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport audit: the audit log as evidence. A file each: cmd_audit_verify.c, cmd_audit_trace.c, cmd_audit_tail.c.
#include "gateway/cli/cli.h"

extern const struct gw_cli_command gw_cmd_audit_verify, gw_cmd_audit_trace, gw_cmd_audit_tail;

static const struct gw_cli_command *const sub[] = { &gw_cmd_audit_verify, &gw_cmd_audit_trace, &gw_cmd_audit_tail,
                                                    NULL };

const struct gw_cli_command gw_cmd_audit = {
    .name = "audit",
    .summary = "verify the audit log, find where a credential was used, follow it",
    .about = "A log stands for the files that were rotated from it, too: audit.log is audit.log.000001, … and "
             "audit.log.\n"
             "\n"
             "  sallyport audit verify audit.log --key audit-public.pem\n"
             "  sallyport audit trace audit.log --jti 5f2ab1…\n"
             "  sallyport audit tail audit.log",
    .sub = sub,
};

// SPDX-License-Identifier: GPL-3.0-or-later
// What commands read of audit logs: the records of requests, file after file, from a moment on. A line that is no record (a signature of the log's,
// say) is passed over; one that is no JSON is a complaint.
#ifndef SALLYPORT_CLI_AUDIT_SCAN_H
#define SALLYPORT_CLI_AUDIT_SCAN_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"

// `file` and `line` are where it stands. False ends the reading, after the callback's own complaint or without one.
typedef bool (*gw_audit_on_record)(void *ctx, json record, const char *file, size_t line);

#define GW_AUDIT_OPTION_SINCE                                                                                      \
    {                                                                                                              \
        .name = "since", .value = "TIME", .help = "only what is not older: 2026-11-21, 2026-11-21T08:00:00Z, -24h" \
    }

// Of the command's option --since, if it has it (`since`); of each of `paths` with the files that were rotated from it, in order. False after a
// complaint, or when the callback returned false.
bool gw_audit_scan(struct gw_cli *cli, const char *const *paths, size_t n, bool since, gw_audit_on_record on_record,
                   void *ctx);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// A record of the audit log as a line for people: when, what was decided, what was asked, by whom, from where, under which request id. Whatever is in a record
// came from strangers; it is printed so that no terminal obeys it.
#ifndef SALLYPORT_CLI_AUDIT_ROW_H
#define SALLYPORT_CLI_AUDIT_ROW_H

#include "gateway/base/json.h"
#include "gateway/cli/cli.h"

// "" where it has none.
struct span gw_audit_text(json record, struct span name);
// Whether gateways recorded it, or it is of the chain itself.
bool gw_audit_is_record(json line);
void gw_audit_row(struct gw_cli *cli, json record);

#endif

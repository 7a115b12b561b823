// SPDX-License-Identifier: GPL-3.0-or-later
// sallyport route --moved OLD NEW: the collections that a change of the routes would leave behind.
#ifndef SALLYPORT_CLI_CMD_ROUTE_MOVED_H
#define SALLYPORT_CLI_CMD_ROUTE_MOVED_H

#include "gateway/cli/cli.h"

int gw_cmd_route_moved(struct gw_cli *cli); // → exit status

#endif

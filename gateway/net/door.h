// SPDX-License-Identifier: GPL-3.0-or-later
// Who is let in: a new connection is closed before anything is spent on it when its address has failed in too many handshakes of late
// (stages/failures.h), or has too many of them under way. It gets a reset, which tells it as much as an alert would, and costs us a few microseconds. They are
// counted as refused (FAILING_SOURCE); the audit log has one record a second of them, with their number. Addresses that many share
// (limits.failures.shared_addresses) are let in all the same.
//
// What is under way is counted by this loop, in a table of fixed size that addresses may share a place of: two that do so have one bound together.
#ifndef SALLYPORT_NET_DOOR_H
#define SALLYPORT_NET_DOOR_H

#include "gateway/net/core.h"

// Whether the connection of `remote` ("address:port") may be taken up.
bool gw_door_open(struct gw_core *c, const char *remote);
// Those that were turned away and are in no record yet get theirs, once a second; `last`: at once.
void gw_door_tell(struct gw_core *c, bool last);
// Its handshake begins, and is over: the number that the first gives is for the second.
unsigned gw_door_enter(struct gw_core *c, const char *remote);
void gw_door_leave(struct gw_core *c, unsigned place);
// It was refused.
void gw_door_failed(struct gw_core *c, const char *remote, int err);

#endif

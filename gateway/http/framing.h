// SPDX-License-Identifier: GPL-3.0-or-later
// The rules a parsed head must keep before anybody acts on it (checklist 31–33): how long the body is, without a
// second reading; what belongs to this connection only; Host, Expect and Upgrade. Pure functions over the header
// array, for every protocol version.
#ifndef SALLYPORT_HTTP_FRAMING_H
#define SALLYPORT_HTTP_FRAMING_H

#include "gateway/base/err.h"
#include "gateway/http/request.h"

// Fills framing, content_length, keep_alive and expect_continue, and marks hop-by-hop fields. 0, ERR_HTTP_FRAMING,
// ERR_HTTP_HOST (not exactly one), ERR_HTTP_UPGRADE, ERR_HTTP_EXPECT, ERR_HTTP_MALFORMED (Connection names what it
// may not). `*what` gets static text.
int gw_framing_request(struct gw_request *r, const char **what);
// The same for a response to a HEAD or not. ERR_SHARD_ANSWER for anything wrong.
int gw_framing_response(struct gw_response *r, bool head_request, const char **what);

#endif

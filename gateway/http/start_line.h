// SPDX-License-Identifier: GPL-3.0-or-later
// The first line of a message (RFC 9112 §3, §4), without its CRLF, read exactly: one space between the parts,
// nothing before or after them.
#ifndef SALLYPORT_HTTP_START_LINE_H
#define SALLYPORT_HTTP_START_LINE_H

#include "gateway/base/err.h"
#include "gateway/http/request.h"

// Fills method, target (borrowed) and minor; `r` may be NULL. 0, ERR_HTTP_MALFORMED, ERR_HTTP_VERSION,
// ERR_HTTP_UPGRADE (CONNECT), ERR_HTTP_METHOD; `*what` gets static text.
int gw_request_line(struct span line, struct gw_request *r, const char **what);
// Fills status and minor; `r` may be NULL. 0 or ERR_SHARD_ANSWER.
int gw_status_line(struct span line, struct gw_response *r, const char **what);

#endif

// SPDX-License-Identifier: GPL-3.0-or-later
// Writes the head of a message, field by field, so that nothing can be smuggled into it: a name that is no token,
// a value with CR, LF or NUL, a target with a space mark the writer failed, and `gw_head_end` says so before a
// byte is sent.
#ifndef SALLYPORT_HTTP_WRITER_H
#define SALLYPORT_HTTP_WRITER_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/http/request.h"

struct gw_head {
    struct buf *out;
    size_t mark; // bytes in `out` before the head
    bool failed;
};

// "METHOD path[?query] HTTP/1.1". `query` may be SPAN_NONE.
struct gw_head gw_head_request(struct buf *out, enum gw_method method, struct span path, struct span query);
// "HTTP/1.1 status reason".
struct gw_head gw_head_response(struct buf *out, unsigned status);
void gw_head_field(struct gw_head *h, struct span name, struct span value);
void gw_head_uint(struct gw_head *h, struct span name, uint64_t value);
// content-length, transfer-encoding, or neither.
void gw_head_framing(struct gw_head *h, enum gw_framing framing, uint64_t content_length);
// The empty line. 0, ERR_INTERNAL (something was not writable), ERR_NOMEM; on failure nothing of the head is left
// in the buffer (unless the buffer itself is marked failed).
int gw_head_end(struct gw_head *h);

// Drops what was appended behind the first `mark` bytes.
void gw_buf_rewind(struct buf *b, size_t mark);

// "Not Found"; empty for a status without a name.
struct span gw_status_reason(unsigned status);

#endif

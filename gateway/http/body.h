// SPDX-License-Identifier: GPL-3.0-or-later
// The sending half of a body: decoded bytes in, framed bytes out. It keeps the promise the head made: more bytes
// than the length said, or an end before it, is an error, and the connection cannot be used again (it must be cut,
// never padded).
#ifndef SALLYPORT_HTTP_BODY_H
#define SALLYPORT_HTTP_BODY_H

#include "gateway/base/buf.h"
#include "gateway/base/err.h"
#include "gateway/http/request.h"

struct gw_body {
    enum gw_framing framing;
    uint64_t left; // of a length
    bool ended;
};

struct gw_body gw_body(enum gw_framing framing, uint64_t content_length);
// Appends one piece, a chunk when chunked; an empty piece writes nothing. 0, ERR_INTERNAL (more than promised, or
// a body where there is none), ERR_NOMEM.
int gw_body_write(struct gw_body *b, struct span piece, struct buf *out);
// Whether a piece goes out as it is, and then it counts as written: the caller sends it behind what `out` of the calls before got, without a copy.
// False: gw_body_write has to do it.
bool gw_body_pass(struct gw_body *b, struct span piece);
// The end: the last chunk when chunked. 0, ERR_INTERNAL (bytes are missing: cut the connection), ERR_NOMEM.
int gw_body_end(struct gw_body *b, struct buf *out);

#endif

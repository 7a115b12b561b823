// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/body.h"

struct gw_body gw_body(enum gw_framing framing, uint64_t content_length)
{
    return (struct gw_body){ .framing = framing, .left = framing == GW_FRAMING_LENGTH ? content_length : 0 };
}

static bool append_chunk(struct span piece, struct buf *out)
{
    char line[18];
    size_t at = sizeof(line), n = piece.n;
    line[--at] = '\n';
    line[--at] = '\r';
    do {
        line[--at] = "0123456789abcdef"[n & 15];
        n >>= 4;
    } while (n);
    // Reserved at once, so that a chunk is written whole or not at all.
    if (!buf_reserve(out, sizeof(line) - at + piece.n + 2))
        return false;
    return buf_append(out, span_of(line + at, sizeof(line) - at)) && buf_append(out, piece) &&
           buf_append(out, SPAN("\r\n"));
}

int gw_body_write(struct gw_body *b, struct span piece, struct buf *out)
{
    if (piece.n == 0)
        return 0;
    if (b->ended || b->framing == GW_FRAMING_NONE || (b->framing == GW_FRAMING_LENGTH && piece.n > b->left))
        return ERR_INTERNAL;
    if (!(b->framing == GW_FRAMING_CHUNKED ? append_chunk(piece, out) : buf_append(out, piece)))
        return ERR_NOMEM;
    if (b->framing == GW_FRAMING_LENGTH)
        b->left -= piece.n;
    return 0;
}

bool gw_body_pass(struct gw_body *b, struct span piece)
{
    if (b->ended || (b->framing != GW_FRAMING_CLOSE && (b->framing != GW_FRAMING_LENGTH || piece.n > b->left)))
        return false;
    if (b->framing == GW_FRAMING_LENGTH)
        b->left -= piece.n;
    return true;
}

int gw_body_end(struct gw_body *b, struct buf *out)
{
    if (b->ended || b->left)
        return ERR_INTERNAL;
    if (b->framing == GW_FRAMING_CHUNKED && !buf_append(out, SPAN("0\r\n\r\n")))
        return ERR_NOMEM;
    b->ended = true;
    return 0;
}

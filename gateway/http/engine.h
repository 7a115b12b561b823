// SPDX-License-Identifier: GPL-3.0-or-later
// llhttp's half of the HTTP/1.1 parser, for h1.c only: it is given a whole head in one piece of memory, and the
// bytes of a chunked body as they come, and reports what it read. Always strict: no lenient flag is ever set.
#ifndef SALLYPORT_HTTP_ENGINE_H
#define SALLYPORT_HTTP_ENGINE_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/http/headers.h"

struct gw_h1_engine;

// What llhttp made of a head; borrows the head's memory.
struct gw_h1_reading {
    struct span url;          // requests
    struct gw_header *fields; // name as sent, value trimmed
    size_t n;
    bool chunked, has_length;
    uint64_t length;
};

// In the arena, to be used for one message; NULL when out of memory.
struct gw_h1_engine *gw_h1_engine_new(struct arena *arena, bool client);
// Reads a whole head of exactly `fields` header lines. 0, ERR_HTTP_MALFORMED, ERR_HTTP_FRAMING, ERR_HTTP_TARGET,
// ERR_NOMEM; `*what` static text. May be called again on the same engine for the head after an interim answer.
int gw_h1_engine_head(struct gw_h1_engine *e, struct span head, size_t fields, struct gw_h1_reading *out,
                      const char **what);

// After a head that says chunked: the bytes of its framing and data, in order. 0 or ERR_HTTP_FRAMING,
// ERR_HTTP_MALFORMED.
int gw_h1_engine_run(struct gw_h1_engine *e, struct span piece, const char **what);
// Each is true once after the piece that ended it: a chunk's size line, the CRLF after its data, the whole message.
bool gw_h1_engine_took_size(struct gw_h1_engine *e, uint64_t *size);
bool gw_h1_engine_took_chunk(struct gw_h1_engine *e);
bool gw_h1_engine_is_whole(const struct gw_h1_engine *e);

#endif

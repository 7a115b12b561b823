// SPDX-License-Identifier: GPL-3.0-or-later
// An incremental HTTP/1.1 parser (RFC 9112) without I/O: bytes in, events out. Server role reads a client's
// requests, client role a shard's responses; both are held to checklist 33 and 34, which is stricter than llhttp,
// the parser underneath: both must agree on a message's framing, or it is refused.
//
// One message:   begin(arena) → feed* → HEAD → feed* → BODY* → END.
//
// The parser keeps nothing between messages and never frees: a head that is still coming, and all that is parsed,
// live in the arena given to `begin`. Bytes it does not consume stay the caller's: not feeding is the
// back-pressure, and pipelined requests wait after END until the next `begin`. A body span borrows `in` and is
// gone with it.
//
// Not here: timeouts (net/), the target (target.h), the answer's form (forward.h).
#ifndef SALLYPORT_HTTP_H1_H
#define SALLYPORT_HTTP_H1_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/http/request.h"

struct gw_h1_limits {
    size_t line;          // request or status line, bytes: else ERR_HTTP_LINE_SIZE
    size_t header_bytes;  // all header lines together: else ERR_HTTP_HEADER_SIZE
    size_t header_count;  // header lines
    uint64_t body;        // decoded bytes, 0: no bound: else ERR_HTTP_BODY_SIZE
    size_t chunk_line;    // bytes of one chunk-size line with its extensions: else ERR_HTTP_FRAMING
    size_t extensions;    // bytes of all chunk-size lines beyond their plain form, over the whole body
    size_t trailer_bytes; // else ERR_HTTP_HEADER_SIZE
    size_t trailer_count;
};
// 8 KiB line, 32 KiB in 100 headers, 64 MiB body, 256 bytes a chunk line, 16 KiB of extensions, 4 KiB in 16 trailers.
extern const struct gw_h1_limits gw_h1_default_limits;

enum gw_h1_event {
    GW_H1_NEED_MORE, // everything fed was consumed, and no event is due
    GW_H1_HEAD,      // the struct given to begin is filled; not a byte of the body was taken
    GW_H1_INTERIM,   // client role: a 1xx answer came and was dropped; `interim` has its status. The final head follows
    GW_H1_BODY,      // gw_h1.body holds decoded bytes (never empty)
    GW_H1_END,       // the message is whole; nothing after it was consumed
    GW_H1_ERROR,     // gw_h1.error and gw_h1.what; it stays so
};

struct gw_h1_engine; // the llhttp half, in the arena

struct gw_h1 {
    // for the caller
    struct span body;    // with GW_H1_BODY: borrowed from `in`
    int error;           // enum err; in the client role always ERR_SHARD_ANSWER, ERR_SHARD_CUT or ERR_NOMEM
    const char *what;    // static text for the log and audit: which rule
    unsigned interim;    // with GW_H1_INTERIM
    uint64_t body_bytes; // decoded so far

    // the parser's own
    const struct gw_h1_limits *limits;
    struct arena *arena;
    struct gw_request *request;   // server role
    struct gw_response *response; // client role
    struct gw_h1_engine *engine;
    char *head; // the head so far, in the arena
    size_t head_n, head_cap;
    size_t line_n, line_first; // bytes of the line that is coming; of the first line
    size_t lines;
    uint64_t left; // of a body with a length
    size_t extensions, trailer_n, trailer_lines;
    unsigned interims;
    uint8_t state;
    bool client, head_request, in_extension;
};

// `limits` must outlive the parser. Nothing to free, ever.
void gw_h1_init_server(struct gw_h1 *h, const struct gw_h1_limits *limits);
void gw_h1_init_client(struct gw_h1 *h, const struct gw_h1_limits *limits);

// Starts the next message, whose memory comes from `arena`, into `*out`. Not before END of the one before
// (assert), and not after an error or a message with keep_alive false, whose connection must close. Call it when
// the first byte of a message is there, so that an idle connection has no arena.
void gw_h1_begin_request(struct gw_h1 *h, struct arena *arena, struct gw_request *out);
// `head_request`: the answer to a HEAD, which has no body whatever it says (RFC 9112 §6.3).
void gw_h1_begin_response(struct gw_h1 *h, struct arena *arena, struct gw_response *out, bool head_request);

// Takes bytes until an event is due; `*consumed` of `in` are done with (for BODY they include the framing around
// it). Call again with the rest, also with an empty span: END may be due without another byte.
enum gw_h1_event gw_h1_feed(struct gw_h1 *h, struct span in, size_t *consumed);

// The other side closed its sending direction. END when that ends the body rightly; NEED_MORE when no message was
// under way; else ERROR: ERR_CLIENT_GONE in the server role, ERR_SHARD_CUT in the client role.
enum gw_h1_event gw_h1_eof(struct gw_h1 *h);

// Between messages: nothing of the next one was seen yet (before begin, or begun and not a byte consumed).
bool gw_h1_idle(const struct gw_h1 *h);
// A head is under way, a body is under way: which timeout applies.
bool gw_h1_in_head(const struct gw_h1 *h);
bool gw_h1_in_body(const struct gw_h1 *h);

#endif

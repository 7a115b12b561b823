// SPDX-License-Identifier: GPL-3.0-or-later
// How the work is split. This file finds the lines of a head and of chunked framing by itself, holds them to the
// bounds and to CRLF, and gives llhttp whole heads and whole pieces. llhttp parses them under its own strict
// rules. Then framing.c decides what the body is, and llhttp's opinion must be the same. Because a head is parsed
// only when it is whole, in one piece of memory, how the network split it cannot matter.
#include "gateway/http/h1.h"

#include <assert.h>

#include "gateway/http/engine.h"
#include "gateway/http/framing.h"
#include "gateway/http/start_line.h"

const struct gw_h1_limits gw_h1_default_limits = {
    .line = 8192,
    .header_bytes = 32768,
    .header_count = 100,
    .body = UINT64_C(64) << 20,
    .chunk_line = 256,
    .extensions = 16384,
    .trailer_bytes = 4096,
    .trailer_count = 16,
};

enum { HEAD_FIRST = 1024, INTERIM_MOST = 8 };

enum state {
    STATE_IDLE,   // before begin
    STATE_START,  // begun, not a byte seen
    STATE_PREFIX, // the CR of one empty line before a request was seen
    STATE_HEAD,
    STATE_LENGTH, // a body of `left` bytes
    STATE_CLOSE,  // a body until the connection closes
    STATE_CHUNK_LINE,
    STATE_CHUNK_DATA,
    STATE_CHUNK_END, // the CRLF after the data
    STATE_TRAILERS,
    STATE_WHOLE, // END is due
    STATE_ERROR,
};

static enum gw_h1_event fail(struct gw_h1 *h, int error, const char *what)
{
    h->state = STATE_ERROR;
    h->error = h->client && error != ERR_NOMEM && error != ERR_SHARD_CUT ? ERR_SHARD_ANSWER : error;
    h->what = what;
    return GW_H1_ERROR;
}

// --------------------------------------------------------------------------------------------------------- head

// Room for n more bytes. What was outgrown stays in the arena until the exchange ends: at most as much again as
// the bounds allow.
static bool reserve_head(struct gw_h1 *h, size_t n)
{
    if (h->head_cap - h->head_n >= n)
        return true;
    size_t cap = h->head_cap ? h->head_cap * 2 : HEAD_FIRST;
    if (cap < h->head_n + n)
        cap = h->head_n + n;
    char *head = arena_alloc(h->arena, cap);
    if (!head)
        return false;
    if (h->head_n)
        memcpy(head, h->head, h->head_n);
    h->head = head;
    h->head_cap = cap;
    return true;
}

static int first_line(const struct gw_h1 *h, struct span line, const char **what)
{
    return h->client ? gw_status_line(line, NULL, what) : gw_request_line(line, NULL, what);
}

// What the first byte of a line may not be.
static const char *bad_start(const struct gw_h1 *h, char c)
{
    if (h->lines)
        return c == ' ' || c == '\t' ? "obsolete line folding or white space before a field" : NULL;
    return gw_is_token(span_of(&c, 1)) ? NULL : "not HTTP";
}

static int whole_line(struct gw_h1 *h, const char **what)
{
    struct span line = span_of(h->head + h->head_n - h->line_n, h->line_n);
    *what = "bare CR, bare LF or NUL";
    if (line.n < 2 || line.p[line.n - 2] != '\r')
        return ERR_HTTP_MALFORMED;
    line.n -= 2;
    if (span_find(line, '\r') < line.n || span_find(line, 0) < line.n)
        return ERR_HTTP_MALFORMED;
    if (h->lines == 0) {
        h->line_first = h->line_n;
        return first_line(h, line, what);
    }
    *what = "too many header fields";
    return line.n && h->lines > h->limits->header_count ? ERR_HTTP_HEADER_SIZE : 0;
}

// One line, or what there is of it. `*empty` is set at the end of the head.
static int head_piece(struct gw_h1 *h, struct span piece, bool complete, bool *empty, const char **what)
{
    if (h->line_n == 0 && (*what = bad_start(h, piece.p[0])) != NULL)
        return ERR_HTTP_MALFORMED;
    *what = h->lines ? "header fields over their bound" : "request line over its bound";
    if (h->lines == 0 && h->line_n + piece.n > h->limits->line + 2)
        return ERR_HTTP_LINE_SIZE;
    if (h->lines && h->head_n - h->line_first + piece.n > h->limits->header_bytes + 2)
        return ERR_HTTP_HEADER_SIZE;
    if (!reserve_head(h, piece.n))
        return ERR_NOMEM;
    memcpy(h->head + h->head_n, piece.p, piece.n);
    h->head_n += piece.n;
    h->line_n += piece.n;
    if (!complete)
        return 0;
    int rc = whole_line(h, what);
    *empty = h->line_n == 2;
    h->lines++;
    h->line_n = 0;
    return rc;
}

// Lower-cases the names in place (the head is ours) and numbers them.
static struct gw_headers finish_fields(struct gw_h1 *h, const struct gw_h1_reading *reading)
{
    struct gw_headers out = { .v = reading->fields, .n = reading->n };
    for (size_t i = 0; i < out.n; i++) {
        struct gw_header *f = &out.v[i];
        char *name = h->head + (f->name.p - h->head);
        for (size_t k = 0; k < f->name.n; k++)
            if (name[k] >= 'A' && name[k] <= 'Z')
                name[k] = (char)(name[k] | 0x20);
        f->id = gw_field_id(f->name);
        if (f->id != GW_FIELD_OTHER)
            out.present |= UINT64_C(1) << f->id;
    }
    return out;
}

static enum gw_h1_event head_accepted(struct gw_h1 *h, enum gw_framing framing, uint64_t length)
{
    static const uint8_t next[] = {
        [GW_FRAMING_NONE] = STATE_WHOLE,
        [GW_FRAMING_LENGTH] = STATE_LENGTH,
        [GW_FRAMING_CHUNKED] = STATE_CHUNK_LINE,
        [GW_FRAMING_CLOSE] = STATE_CLOSE,
    };
    if (framing == GW_FRAMING_LENGTH && h->limits->body && length > h->limits->body)
        return fail(h, ERR_HTTP_BODY_SIZE, "Content-Length over the bound");
    h->left = framing == GW_FRAMING_LENGTH ? length : 0;
    h->state = framing == GW_FRAMING_LENGTH && length == 0 ? STATE_WHOLE : next[framing];
    h->line_n = 0;
    return GW_H1_HEAD;
}

// Two parsers have read the head; a message on which they differ is exactly what smuggling needs.
static bool agree(const struct gw_h1_reading *reading, bool chunked, bool has_length, uint64_t length)
{
    return reading->chunked == chunked && reading->has_length == has_length &&
           (!has_length || reading->length == length);
}

static enum gw_h1_event request_head(struct gw_h1 *h, const struct gw_h1_reading *reading)
{
    struct gw_request r = { .headers = finish_fields(h, reading) };
    const char *what = NULL;
    int rc = gw_request_line(span_of(h->head, h->line_first - 2), &r, &what);
    if (rc == 0)
        rc = gw_framing_request(&r, &what);
    if (rc)
        return fail(h, rc, what);
    if (!span_eq(r.target, reading->url) ||
        !agree(reading, r.framing == GW_FRAMING_CHUNKED, r.framing == GW_FRAMING_LENGTH, r.content_length))
        return fail(h, ERR_HTTP_FRAMING, "two readings of one head");
    enum gw_h1_event event = head_accepted(h, r.framing, r.content_length);
    if (event == GW_H1_HEAD)
        *h->request = r;
    return event;
}

static void next_head(struct gw_h1 *h)
{
    h->head_n = h->line_n = h->line_first = h->lines = 0;
    h->state = STATE_HEAD;
}

static enum gw_h1_event response_head(struct gw_h1 *h, const struct gw_h1_reading *reading)
{
    struct gw_response r = { .headers = finish_fields(h, reading) };
    const char *what = NULL;
    int rc = gw_status_line(span_of(h->head, h->line_first - 2), &r, &what);
    if (rc == 0)
        rc = gw_framing_response(&r, h->head_request, &what);
    if (rc)
        return fail(h, rc, what);
    bool chunked = gw_headers_has(&r.headers, GW_FIELD_TRANSFER_ENCODING);
    if (!agree(reading, chunked, r.has_length, r.content_length))
        return fail(h, ERR_SHARD_ANSWER, "two readings of one head");
    if (r.status < 200) {
        if (++h->interims > INTERIM_MOST)
            return fail(h, ERR_SHARD_ANSWER, "too many interim answers");
        h->interim = r.status;
        next_head(h);
        return GW_H1_INTERIM;
    }
    enum gw_h1_event event = head_accepted(h, r.framing, r.content_length);
    if (event == GW_H1_HEAD)
        *h->response = r;
    return event;
}

static enum gw_h1_event head_whole(struct gw_h1 *h)
{
    struct gw_h1_reading reading;
    const char *what = NULL;
    if (!h->engine && !(h->engine = gw_h1_engine_new(h->arena, h->client)))
        return fail(h, ERR_NOMEM, "out of memory");
    // `lines` counts the first line and the empty one.
    int rc = gw_h1_engine_head(h->engine, span_of(h->head, h->head_n), h->lines - 2, &reading, &what);
    if (rc)
        return fail(h, rc, what);
    return h->client ? response_head(h, &reading) : request_head(h, &reading);
}

// RFC 9112 §2.2: one empty line before a request is ignored. Before an answer it is surplus, and refused like any
// other junk.
static enum gw_h1_event step_start(struct gw_h1 *h, struct span in, size_t *at)
{
    if (h->client || in.p[*at] != '\r') {
        h->state = STATE_HEAD;
        return GW_H1_NEED_MORE;
    }
    h->state = STATE_PREFIX;
    ++*at;
    return GW_H1_NEED_MORE;
}

static enum gw_h1_event step_prefix(struct gw_h1 *h, struct span in, size_t *at)
{
    if (in.p[*at] != '\n')
        return fail(h, ERR_HTTP_MALFORMED, "bare CR, bare LF or NUL");
    h->state = STATE_HEAD;
    ++*at;
    return GW_H1_NEED_MORE;
}

// The piece up to the next LF, or all there is.
static struct span next_piece(struct span in, size_t at, bool *complete)
{
    struct span rest = span_sub(in, at, in.n);
    size_t lf = span_find(rest, '\n');
    *complete = lf < rest.n;
    return span_sub(rest, 0, *complete ? lf + 1 : rest.n);
}

// Bytes of the head with its empty line; 0 when its end has not come. (memmem is slower by far where the needle is short.)
static size_t head_length(struct span s)
{
    for (size_t at = 0, lf; (lf = span_find(span_sub(s, at, s.n), '\n')) < s.n - at;) {
        at += lf + 1;
        if (s.n - at >= 2 && s.p[at] == '\r' && s.p[at + 1] == '\n')
            return at + 2;
    }
    return 0;
}

// When the head is whole in what came, its memory is one allocation of its size.
static bool first_reserve(struct gw_h1 *h, struct span rest)
{
    size_t n = head_length(rest), bound = h->limits->line + h->limits->header_bytes + 4;
    if (n == 0)
        n = HEAD_FIRST;
    return reserve_head(h, n < bound ? n : bound);
}

static enum gw_h1_event step_head(struct gw_h1 *h, struct span in, size_t *at)
{
    if (h->head_cap == 0 && !first_reserve(h, span_sub(in, *at, in.n)))
        return fail(h, ERR_NOMEM, "out of memory");
    bool complete, empty = false;
    struct span piece = next_piece(in, *at, &complete);
    const char *what = NULL;
    int rc = head_piece(h, piece, complete, &empty, &what);
    *at += piece.n;
    if (rc)
        return fail(h, rc, what);
    return empty ? head_whole(h) : GW_H1_NEED_MORE;
}

// --------------------------------------------------------------------------------------------------------- body

static enum gw_h1_event give_body(struct gw_h1 *h, struct span piece, size_t *at)
{
    h->body = piece;
    h->body_bytes += piece.n;
    *at += piece.n;
    return GW_H1_BODY;
}

static struct span at_most(struct span in, size_t at, uint64_t n)
{
    struct span rest = span_sub(in, at, in.n);
    return span_sub(rest, 0, n < rest.n ? (size_t)n : rest.n);
}

static enum gw_h1_event step_length(struct gw_h1 *h, struct span in, size_t *at)
{
    struct span piece = at_most(in, *at, h->left);
    h->left -= piece.n;
    if (h->left == 0)
        h->state = STATE_WHOLE;
    return give_body(h, piece, at);
}

static enum gw_h1_event step_close(struct gw_h1 *h, struct span in, size_t *at)
{
    uint64_t room = h->limits->body ? h->limits->body - h->body_bytes : UINT64_MAX;
    if (room == 0)
        return fail(h, ERR_HTTP_BODY_SIZE, "body over its bound");
    return give_body(h, at_most(in, *at, room), at);
}

// "size[;extension…]CRLF". Extensions are ignored (RFC 9112 §7.1.1), but cost something to read: each line and
// their sum are bounded.
static enum gw_h1_event step_chunk_line(struct gw_h1 *h, struct span in, size_t *at)
{
    bool complete;
    struct span piece = next_piece(in, *at, &complete);
    const char *what = NULL;
    size_t extension = h->in_extension ? 0 : span_find(piece, ';');
    h->in_extension |= extension < piece.n;
    h->extensions += piece.n - extension;
    h->line_n += piece.n;
    *at += piece.n;
    if (h->line_n > h->limits->chunk_line || h->extensions > h->limits->extensions)
        return fail(h, ERR_HTTP_FRAMING, "chunk line or extensions over their bound");
    int rc = gw_h1_engine_run(h->engine, piece, &what);
    if (rc)
        return fail(h, rc, what);
    if (!complete)
        return GW_H1_NEED_MORE;
    if (!gw_h1_engine_took_size(h->engine, &h->left))
        return fail(h, ERR_HTTP_FRAMING, "bad chunk size line");
    if (h->limits->body && h->left > h->limits->body - h->body_bytes)
        return fail(h, ERR_HTTP_BODY_SIZE, "body over its bound");
    h->line_n = 0;
    h->in_extension = false;
    h->state = h->left ? STATE_CHUNK_DATA : STATE_TRAILERS;
    return GW_H1_NEED_MORE;
}

static enum gw_h1_event step_chunk_data(struct gw_h1 *h, struct span in, size_t *at)
{
    struct span piece = at_most(in, *at, h->left);
    const char *what = NULL;
    int rc = gw_h1_engine_run(h->engine, piece, &what);
    if (rc)
        return fail(h, rc, what);
    h->left -= piece.n;
    if (h->left == 0)
        h->state = STATE_CHUNK_END;
    return give_body(h, piece, at);
}

static enum gw_h1_event step_chunk_end(struct gw_h1 *h, struct span in, size_t *at)
{
    struct span piece = at_most(in, *at, 2 - h->line_n);
    const char *what = NULL;
    int rc = gw_h1_engine_run(h->engine, piece, &what);
    if (rc)
        return fail(h, rc, what);
    *at += piece.n;
    h->line_n += piece.n;
    if (h->line_n < 2)
        return GW_H1_NEED_MORE;
    if (!gw_h1_engine_took_chunk(h->engine))
        return fail(h, ERR_HTTP_FRAMING, "no CRLF after a chunk");
    h->line_n = 0;
    h->state = STATE_CHUNK_LINE;
    return GW_H1_NEED_MORE;
}

// Trailer fields are parsed and dropped.
static enum gw_h1_event step_trailers(struct gw_h1 *h, struct span in, size_t *at)
{
    bool complete;
    struct span piece = next_piece(in, *at, &complete);
    const char *what = NULL;
    if (h->line_n == 0 && (piece.p[0] == ' ' || piece.p[0] == '\t'))
        return fail(h, ERR_HTTP_MALFORMED, "obsolete line folding in a trailer");
    size_t room = h->limits->trailer_bytes + 2 - h->trailer_n;
    bool over = piece.n > room;
    if (over)
        piece.n = room;
    int rc = gw_h1_engine_run(h->engine, piece, &what);
    if (rc)
        return fail(h, rc, what);
    if (over)
        return fail(h, ERR_HTTP_HEADER_SIZE, "trailers over their bound");
    *at += piece.n;
    h->trailer_n += piece.n;
    h->line_n += piece.n;
    if (gw_h1_engine_is_whole(h->engine)) {
        h->state = STATE_WHOLE;
        return complete && h->line_n == 2 ? GW_H1_NEED_MORE : fail(h, ERR_HTTP_FRAMING, "two readings of the trailers");
    }
    if (!complete)
        return GW_H1_NEED_MORE;
    if (h->line_n == 2)
        return fail(h, ERR_HTTP_FRAMING, "two readings of the trailers");
    h->line_n = 0;
    return ++h->trailer_lines > h->limits->trailer_count ? fail(h, ERR_HTTP_HEADER_SIZE, "too many trailers")
                                                         : GW_H1_NEED_MORE;
}

static enum gw_h1_event step_whole(struct gw_h1 *h, struct span in, size_t *at)
{
    (void)in;
    (void)at;
    h->state = STATE_IDLE;
    return GW_H1_END;
}

// ------------------------------------------------------------------------------------------------------- public

static void init(struct gw_h1 *h, const struct gw_h1_limits *limits, bool client)
{
    *h = (struct gw_h1){ .limits = limits, .client = client, .state = STATE_IDLE };
}

void gw_h1_init_server(struct gw_h1 *h, const struct gw_h1_limits *limits)
{
    init(h, limits, false);
}

void gw_h1_init_client(struct gw_h1 *h, const struct gw_h1_limits *limits)
{
    init(h, limits, true);
}

static void begin(struct gw_h1 *h, struct arena *arena)
{
    assert(h->state == STATE_IDLE);
    init(h, h->limits, h->client);
    h->arena = arena;
    h->state = STATE_START;
}

void gw_h1_begin_request(struct gw_h1 *h, struct arena *arena, struct gw_request *out)
{
    assert(!h->client);
    begin(h, arena);
    h->request = out;
}

void gw_h1_begin_response(struct gw_h1 *h, struct arena *arena, struct gw_response *out, bool head_request)
{
    assert(h->client);
    begin(h, arena);
    h->response = out;
    h->head_request = head_request;
}

// Every step but the last is called with at least one byte, and takes at least one or changes the state.
enum gw_h1_event gw_h1_feed(struct gw_h1 *h, struct span in, size_t *consumed)
{
    static enum gw_h1_event (*const steps[])(struct gw_h1 *, struct span, size_t *) = {
        [STATE_START] = step_start,           [STATE_PREFIX] = step_prefix,       [STATE_HEAD] = step_head,
        [STATE_LENGTH] = step_length,         [STATE_CLOSE] = step_close,         [STATE_CHUNK_LINE] = step_chunk_line,
        [STATE_CHUNK_DATA] = step_chunk_data, [STATE_CHUNK_END] = step_chunk_end, [STATE_TRAILERS] = step_trailers,
        [STATE_WHOLE] = step_whole,
    };
    assert(h->state != STATE_IDLE);
    enum gw_h1_event event = h->state == STATE_ERROR ? GW_H1_ERROR : GW_H1_NEED_MORE;
    size_t at = 0;
    h->body = SPAN_NONE;
    while (event == GW_H1_NEED_MORE && (at < in.n || h->state == STATE_WHOLE))
        event = steps[h->state](h, in, &at);
    *consumed = at;
    return event;
}

enum gw_h1_event gw_h1_eof(struct gw_h1 *h)
{
    switch (h->state) {
    case STATE_IDLE:
    case STATE_START:
    case STATE_PREFIX: return GW_H1_NEED_MORE;
    case STATE_CLOSE:
    case STATE_WHOLE: h->state = STATE_IDLE; return GW_H1_END;
    case STATE_ERROR: return GW_H1_ERROR;
    default: return fail(h, h->client ? ERR_SHARD_CUT : ERR_CLIENT_GONE, "the connection ended inside a message");
    }
}

bool gw_h1_idle(const struct gw_h1 *h)
{
    return h->state == STATE_IDLE || h->state == STATE_START;
}

bool gw_h1_in_head(const struct gw_h1 *h)
{
    return h->state == STATE_PREFIX || h->state == STATE_HEAD;
}

bool gw_h1_in_body(const struct gw_h1 *h)
{
    return h->state >= STATE_LENGTH && h->state <= STATE_TRAILERS;
}

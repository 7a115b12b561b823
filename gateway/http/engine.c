// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/http/engine.h"

#include <llhttp.h>

struct gw_h1_engine {
    llhttp_t parser;
    struct arena *arena;
    bool client;
    struct gw_h1_reading reading;
    size_t cap; // of reading.fields
    struct span name, value;
    uint64_t chunk_size;
    char trailer[24]; // the beginning of a trailer's name, which may come in pieces
    size_t trailer_n;
    bool head, took_size, took_chunk, whole;
    bool empty_extension;
};

// Pieces of one thing are contiguous, since a head is in one piece; a gap would be folding.
static int grow(struct span *s, const char *at, size_t n)
{
    if (s->p && s->p + s->n != at)
        return -1;
    *s = span_of(s->p ? s->p : at, s->n + n);
    return 0;
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct gw_h1_engine *e = p->data;
    return grow(&e->reading.url, at, n);
}

static int on_field(llhttp_t *p, const char *at, size_t n)
{
    struct gw_h1_engine *e = p->data;
    if (!e->head)
        return grow(&e->name, at, n);
    for (size_t i = 0; i < n; i++, e->trailer_n++)
        if (e->trailer_n < sizeof(e->trailer))
            e->trailer[e->trailer_n] = at[i];
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t n)
{
    struct gw_h1_engine *e = p->data;
    return e->head ? 0 : grow(&e->value, at, n);
}

// Trailers are dropped, but one that pretends to frame the message is refused (RFC 9110 §6.5.1).
static int trailer_complete(struct gw_h1_engine *e)
{
    struct span name = span_of(e->trailer, e->trailer_n < sizeof(e->trailer) ? e->trailer_n : 0);
    e->trailer_n = 0;
    return span_ieq(name, SPAN("content-length")) || span_ieq(name, SPAN("transfer-encoding")) ? -1 : 0;
}

static int on_value_complete(llhttp_t *p)
{
    struct gw_h1_engine *e = p->data;
    if (e->head)
        return trailer_complete(e);
    if (e->reading.n == e->cap || e->name.n == 0)
        return -1;
    struct span value = span_trim(e->value);
    e->reading.fields[e->reading.n++] = (struct gw_header){ .name = e->name, .value = value.p ? value : SPAN("") };
    e->name = e->value = SPAN_NONE;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct gw_h1_engine *e = p->data;
    e->head = true;
    e->reading.chunked = p->flags & F_CHUNKED;
    e->reading.has_length = p->flags & F_CONTENT_LENGTH;
    e->reading.length = p->content_length;
    return 0;
}

static int on_chunk_header(llhttp_t *p)
{
    struct gw_h1_engine *e = p->data;
    e->took_size = true;
    e->chunk_size = p->content_length;
    return 0;
}

static int on_chunk_complete(llhttp_t *p)
{
    struct gw_h1_engine *e = p->data;
    e->took_chunk = true;
    return 0;
}

static int on_extension(llhttp_t *p, const char *at, size_t n)
{
    struct gw_h1_engine *e = p->data;
    (void)at;
    e->empty_extension = e->empty_extension && n == 0;
    return 0;
}

// ";" without a name and "=" without a value are no extensions (RFC 9112 §7.1.1).
static int on_extension_complete(llhttp_t *p)
{
    struct gw_h1_engine *e = p->data;
    if (e->empty_extension)
        return -1;
    e->empty_extension = true;
    return 0;
}

static int on_message_complete(llhttp_t *p)
{
    struct gw_h1_engine *e = p->data;
    e->whole = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_header_value_complete = on_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_header = on_chunk_header,
    .on_chunk_complete = on_chunk_complete,
    .on_chunk_extension_name = on_extension,
    .on_chunk_extension_name_complete = on_extension_complete,
    .on_chunk_extension_value = on_extension,
    .on_chunk_extension_value_complete = on_extension_complete,
    .on_message_complete = on_message_complete,
};

struct gw_h1_engine *gw_h1_engine_new(struct arena *arena, bool client)
{
    struct gw_h1_engine *e = arena_alloc(arena, sizeof(*e));
    if (e) {
        e->arena = arena;
        e->client = client;
    }
    return e;
}

static int failure(const struct gw_h1_engine *e, int otherwise, const char **what)
{
    const char *reason = llhttp_get_error_reason(&e->parser);
    *what = reason && *reason ? reason : "not valid HTTP/1.1";
    switch (llhttp_get_errno(&e->parser)) {
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
    case HPE_INVALID_CHUNK_SIZE: return ERR_HTTP_FRAMING;
    case HPE_INVALID_URL: return ERR_HTTP_TARGET;
    default: return otherwise;
    }
}

int gw_h1_engine_head(struct gw_h1_engine *e, struct span head, size_t fields, struct gw_h1_reading *out,
                      const char **what)
{
    struct gw_header *array = arena_array(e->arena, fields ? fields : 1, sizeof(*array));
    if (!array) {
        *what = "out of memory";
        return ERR_NOMEM;
    }
    *e = (struct gw_h1_engine){
        .arena = e->arena,
        .client = e->client,
        .reading.fields = array,
        .cap = fields,
        .empty_extension = true,
    };
    llhttp_init(&e->parser, e->client ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    e->parser.data = e;
    llhttp_errno_t rc = llhttp_execute(&e->parser, head.p, head.n);
    // The two pauses come behind the head: no body follows, or an upgrade, which framing.c refuses by name.
    if ((rc != HPE_OK && rc != HPE_PAUSED && rc != HPE_PAUSED_UPGRADE) || !e->head || e->reading.n != fields)
        return failure(e, ERR_HTTP_MALFORMED, what);
    *out = e->reading;
    return 0;
}

int gw_h1_engine_run(struct gw_h1_engine *e, struct span piece, const char **what)
{
    llhttp_errno_t rc = llhttp_execute(&e->parser, piece.p, piece.n);
    return rc == HPE_OK || (rc == HPE_PAUSED && e->whole) ? 0 : failure(e, ERR_HTTP_FRAMING, what);
}

bool gw_h1_engine_took_size(struct gw_h1_engine *e, uint64_t *size)
{
    bool took = e->took_size;
    if (took)
        *size = e->chunk_size;
    e->took_size = false;
    return took;
}

bool gw_h1_engine_took_chunk(struct gw_h1_engine *e)
{
    bool took = e->took_chunk;
    e->took_chunk = false;
    return took;
}

bool gw_h1_engine_is_whole(const struct gw_h1_engine *e)
{
    return e->whole;
}

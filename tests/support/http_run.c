// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/support/http_run.h"

#include "gateway/http/forward.h"

size_t http_split_bytes(void *ctx)
{
    (void)ctx;
    return 1;
}

size_t http_split_whole(void *ctx)
{
    (void)ctx;
    return SIZE_MAX / 2;
}

// The input as a connection sees it: `at` was consumed, `seen` has arrived.
struct feed {
    struct span in;
    size_t at, seen;
    http_split split;
    void *ctx;
};

// Feeds until something other than NEED_MORE happens; at the end of the input, the end is told.
static enum gw_h1_event next_event(struct gw_h1 *h, struct feed *f)
{
    for (;;) {
        size_t n = 0;
        enum gw_h1_event event = gw_h1_feed(h, span_sub(f->in, f->at, f->seen), &n);
        f->at += n;
        if (event != GW_H1_NEED_MORE)
            return event;
        if (f->seen == f->in.n)
            return gw_h1_eof(h);
        size_t step = f->split(f->ctx);
        f->seen = step > f->in.n - f->seen ? f->in.n : f->seen + step;
    }
}

static const char *framing_name(enum gw_framing f)
{
    static const char *const names[] = { "none", "length", "chunked", "close" };
    return names[f];
}

static void write_headers(struct buf *text, const struct gw_headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        buf_printf(text, "  %.*s: %.*s%s\n", SPAN_FMT(h->v[i].name), SPAN_FMT(h->v[i].value),
                   h->v[i].hop ? " (hop)" : "");
}

static bool hidden_field_passed(const struct gw_headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].hop || gw_field_is_reserved(h->v[i].name))
            return true;
    return false;
}

// What was forwarded must be one request, whole, without a rest, of the same meaning.
static const char *reparse_request(const struct gw_request *sent, const struct gw_target *t, struct span body,
                                   struct span wire)
{
    struct arena arena;
    struct gw_h1 h;
    struct gw_request got;
    struct gw_target target;
    struct buf joined;
    const char *broken = NULL, *what;
    struct feed f = { .in = wire, .split = http_split_whole };
    enum gw_h1_event event;
    arena_init(&arena, 0);
    buf_init(&joined, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, &arena, &got);
    while ((event = next_event(&h, &f)) == GW_H1_HEAD || event == GW_H1_BODY)
        buf_append(&joined, h.body);
    struct gw_target_options any = { .scheme = SPAN("https"), .any_authority = true };
    if (event != GW_H1_END || f.at != wire.n)
        broken = "the forwarded request is not exactly one";
    else if (got.method != sent->method || !span_eq(buf_span(&joined), body))
        broken = "the forwarded request has another method or body";
    else if (gw_target_of(&got, &any, &arena, &target, &what) || !span_eq(target.path, t->path) ||
             !span_eq(target.query, t->query))
        broken = "the forwarded request has another target";
    else if (hidden_field_passed(&got.headers))
        broken = "a field was forwarded that must not be";
    buf_fini(&joined);
    arena_fini(&arena);
    return broken;
}

static const char *check_request(const struct gw_request *r, struct span body, struct arena *arena)
{
    struct gw_target t;
    struct gw_target_options any = { .scheme = SPAN("https"), .any_authority = true };
    const char *what, *broken = NULL;
    if (gw_target_of(r, &any, arena, &t, &what))
        return NULL;
    struct gw_target again;
    if (gw_target_parse(r->method, t.path, t.authority, &any, arena, &again, &what) || !span_eq(again.path, t.path) ||
        !span_eq(again.authority, t.authority) || again.n_segments != t.n_segments)
        return "normalising a target twice changes it";
    struct gw_to_shard f = gw_to_shard(r, &t);
    struct gw_body encoder;
    struct buf wire;
    buf_init(&wire, 0);
    f.host = SPAN("shard.test");
    if (gw_forward_request(&f, &wire, &encoder) || gw_body_write(&encoder, body, &wire) || gw_body_end(&encoder, &wire))
        broken = "an accepted request cannot be forwarded";
    else
        broken = reparse_request(r, &t, body, buf_span(&wire));
    buf_fini(&wire);
    return broken;
}

static void write_request(struct buf *text, const struct gw_request *r)
{
    struct span method = gw_method_name(r->method);
    buf_printf(text, "%.*s %.*s 1.%u %s %llu%s%s\n", SPAN_FMT(method), SPAN_FMT(r->target), r->minor,
               framing_name(r->framing), (unsigned long long)r->content_length, r->keep_alive ? " keep" : "",
               r->expect_continue ? " expect" : "");
    write_headers(text, &r->headers);
}

static void note_end(struct http_run *run, const struct gw_h1 *h, enum gw_h1_event event)
{
    if (event != GW_H1_ERROR)
        return;
    run->error = h->error;
    run->what = h->what;
    run->cut = h->error == ERR_CLIENT_GONE || h->error == ERR_SHARD_CUT;
    buf_printf(&run->text, "error %.*s\n", SPAN_FMT(err_info(h->error)->name));
}

// One request; false when the connection goes no further.
static bool one_request(struct http_run *run, struct gw_h1 *h, struct feed *f)
{
    struct arena arena;
    struct gw_request r = { 0 };
    struct buf body;
    enum gw_h1_event event;
    arena_init(&arena, 0);
    buf_init(&body, 0);
    gw_h1_begin_request(h, &arena, &r);
    while ((event = next_event(h, f)) == GW_H1_HEAD || event == GW_H1_BODY) {
        if (event == GW_H1_HEAD)
            write_request(&run->text, &r);
        buf_append(&body, h->body);
    }
    if (body.end || event == GW_H1_END)
        buf_printf(&run->text, "body %zu ", buf_len(&body));
    buf_append(&run->text, buf_span(&body));
    if (event == GW_H1_END) {
        run->messages++;
        buf_printf(&run->text, "end at %zu\n", f->at);
        if (!run->broken)
            run->broken = check_request(&r, buf_span(&body), &arena);
    }
    note_end(run, h, event);
    buf_fini(&body);
    arena_fini(&arena);
    return event == GW_H1_END && r.keep_alive;
}

void http_run_requests(struct http_run *run, struct span in, const struct gw_h1_limits *limits, http_split split,
                       void *ctx)
{
    struct gw_h1 h;
    struct feed f = { .in = in, .split = split, .ctx = ctx };
    *run = (struct http_run){ 0 };
    gw_h1_init_server(&h, limits);
    while (one_request(run, &h, &f))
        ;
}

static const char *check_response(const struct gw_response *r, struct span body, bool head_request)
{
    struct gw_to_client f = {
        .response = r,
        .method = head_request ? GW_METHOD_HEAD : GW_METHOD_GET,
        .minor = 1,
        .keep_alive = true,
    };
    struct gw_body encoder;
    struct buf wire, joined;
    struct arena arena;
    struct gw_h1 h;
    struct gw_response got = { 0 };
    enum gw_h1_event event;
    const char *broken = NULL;
    bool alive;
    buf_init(&wire, 0);
    buf_init(&joined, 0);
    arena_init(&arena, 0);
    if (gw_forward_response(&f, &wire, &encoder, &alive) || gw_body_write(&encoder, body, &wire) ||
        gw_body_end(&encoder, &wire)) {
        broken = "an accepted answer cannot be forwarded";
        goto done;
    }
    struct feed again = { .in = buf_span(&wire), .split = http_split_whole };
    gw_h1_init_client(&h, &gw_h1_default_limits);
    gw_h1_begin_response(&h, &arena, &got, head_request);
    while ((event = next_event(&h, &again)) == GW_H1_HEAD || event == GW_H1_BODY)
        buf_append(&joined, h.body);
    if (event != GW_H1_END || again.at != buf_len(&wire) || !got.keep_alive)
        broken = "the forwarded answer is not exactly one";
    else if (got.status != r->status || !span_eq(buf_span(&joined), body))
        broken = "the forwarded answer means something else";
    else if (hidden_field_passed(&got.headers))
        broken = "a field was forwarded that must not be";
done:
    arena_fini(&arena);
    buf_fini(&joined);
    buf_fini(&wire);
    return broken;
}

void http_run_response(struct http_run *run, struct span in, const struct gw_h1_limits *limits, bool head_request,
                       http_split split, void *ctx)
{
    struct gw_h1 h;
    struct arena arena;
    struct gw_response r = { 0 };
    struct buf body;
    struct feed f = { .in = in, .split = split, .ctx = ctx };
    enum gw_h1_event event;
    *run = (struct http_run){ 0 };
    arena_init(&arena, 0);
    buf_init(&body, 0);
    gw_h1_init_client(&h, limits);
    gw_h1_begin_response(&h, &arena, &r, head_request);
    while ((event = next_event(&h, &f)) == GW_H1_HEAD || event == GW_H1_BODY || event == GW_H1_INTERIM) {
        if (event == GW_H1_INTERIM)
            buf_printf(&run->text, "interim %u\n", h.interim);
        if (event == GW_H1_HEAD) {
            buf_printf(&run->text, "%u 1.%u %s %llu%s\n", r.status, r.minor, framing_name(r.framing),
                       (unsigned long long)r.content_length, r.keep_alive ? " keep" : "");
            write_headers(&run->text, &r.headers);
        }
        buf_append(&body, h.body);
    }
    buf_printf(&run->text, "body %zu ", buf_len(&body));
    buf_append(&run->text, buf_span(&body));
    if (event == GW_H1_END) {
        run->messages++;
        buf_printf(&run->text, "end at %zu%s\n", f.at, f.at < in.n ? " surplus" : "");
        run->broken = check_response(&r, buf_span(&body), head_request);
    }
    note_end(run, &h, event);
    buf_fini(&body);
    arena_fini(&arena);
}

void http_run_fini(struct http_run *run)
{
    buf_fini(&run->text);
}

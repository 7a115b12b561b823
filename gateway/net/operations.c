// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/net/operations.h"

#include "gateway/http/answer.h"
#include "gateway/http/h1.h"

#include <stdlib.h>

// Scrapers and probes are few; more than this is a mistake or an attack.
#define OPEN_MAX 64
#define TIMEOUT_MS 5000

struct gw_operations_visitor {
    struct gw_socket socket;
    struct gw_operations_listener *listener;
    struct gw_operations_visitor *next, **link;
    struct gw_h1 h1;
    struct gw_request request;
    struct arena arena;
    uv_timer_t *timer; // of its own, freed when closed
    bool answered;
};

static void on_timer_closed(uv_handle_t *h)
{
    free(h);
}

static void leave(struct gw_operations_visitor *v)
{
    if (v->timer) {
        uv_close((uv_handle_t *)v->timer, on_timer_closed);
        v->timer = NULL;
    }
    gw_socket_close(&v->socket);
}

static void answer(struct gw_operations_visitor *v)
{
    struct gw_operations_state state = { 0 };
    struct buf out;
    buf_init(&out, 0);
    v->listener->describe(v->listener->ctx, &state);
    struct span query = v->request.target, path = span_cut(&query, '?');
    gw_operations_answer(&out, gw_method_name(v->request.method), path,
                         gw_headers_get(&v->request.headers, GW_FIELD_ACCEPT), &state);
    gw_socket_write(&v->socket, buf_span(&out));
    buf_fini(&out);
    v->answered = true;
    gw_socket_shutdown(&v->socket);
}

static void on_bytes(struct gw_socket *s, struct span in)
{
    struct gw_operations_visitor *v = s->owner;
    size_t used;
    if (v->answered)
        return;
    switch (gw_h1_feed(&v->h1, in, &used)) {
    case GW_H1_NEED_MORE: return;
    case GW_H1_HEAD: answer(v); return;
    default: {
        struct gw_problem p = { .error = v->h1.error, .close = true };
        struct buf out;
        buf_init(&out, 0);
        if (gw_problem_write(&p, &out) == 0)
            gw_socket_write(s, buf_span(&out));
        buf_fini(&out);
        v->answered = true;
        gw_socket_shutdown(s);
        return;
    }
    }
}

static void on_end(struct gw_socket *s)
{
    leave(s->owner);
}

static void on_error(struct gw_socket *s, int why)
{
    (void)why;
    leave(s->owner);
}

static void on_drained(struct gw_socket *s)
{
    (void)s;
}

static void on_closed(struct gw_socket *s)
{
    struct gw_operations_visitor *v = s->owner;
    v->listener->open--;
    *v->link = v->next;
    if (v->next)
        v->next->link = v->link;
    arena_fini(&v->arena);
    free(v);
}

static void on_timeout(uv_timer_t *t)
{
    leave(t->data);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct gw_operations_listener *o = stream->data;
    if (status != 0)
        return;
    struct gw_operations_visitor *v = calloc(1, sizeof *v);
    if (!v)
        return;
    v->listener = o;
    v->socket = (struct gw_socket){ .owner = v,
                                    .on_bytes = on_bytes,
                                    .on_end = on_end,
                                    .on_error = on_error,
                                    .on_drained = on_drained,
                                    .on_closed = on_closed };
    arena_init(&v->arena, 1 << 20);
    gw_h1_init_server(&v->h1, &gw_h1_default_limits);
    gw_h1_begin_request(&v->h1, &v->arena, &v->request);
    if (gw_tcp_accept(stream->loop->data, stream, &v->socket) != 0) {
        arena_fini(&v->arena);
        free(v);
        return;
    }
    o->open++;
    v->link = &o->visitors;
    v->next = *v->link;
    if (v->next)
        v->next->link = &v->next;
    *v->link = v;
    v->timer = calloc(1, sizeof *v->timer);
    if (!v->timer || o->open > OPEN_MAX) {
        free(v->timer);
        v->timer = NULL;
        leave(v);
        return;
    }
    uv_timer_init(stream->loop, v->timer);
    v->timer->data = v;
    uv_timer_start(v->timer, on_timeout, TIMEOUT_MS, 0);
    gw_socket_read(&v->socket, true);
}

int gw_operations_listen(struct gw_operations_listener *o, uv_loop_t *uv, int fd)
{
    int rc = uv_tcp_init(uv, &o->handle);
    o->handle.data = o;
    if (rc == 0)
        rc = uv_tcp_open(&o->handle, fd);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&o->handle, 64, on_connection);
    return rc;
}

void gw_operations_close(struct gw_operations_listener *o)
{
    if (o->describe && !uv_is_closing((uv_handle_t *)&o->handle))
        uv_close((uv_handle_t *)&o->handle, NULL);
}

void gw_operations_end(struct gw_operations_listener *o)
{
    for (struct gw_operations_visitor *v = o->visitors; v; v = v->next)
        leave(v);
}

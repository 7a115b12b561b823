// SPDX-License-Identifier: GPL-3.0-or-later
#include "gateway/endpoint/operations.h"

#define PAGE_MAX (4u << 20)

static void answer(struct buf *out, const char *status, const char *type, struct span body, bool head_only)
{
    buf_printf(out,
               "HTTP/1.1 %s\r\ncontent-type: %s\r\ncontent-length: %zu\r\ncache-control: no-store\r\nconnection: "
               "close\r\n\r\n",
               status, type, body.n);
    if (!head_only)
        buf_append(out, body);
}

void gw_operations_answer(struct buf *out, struct span method, struct span path, struct span accept,
                          const struct gw_operations_state *state)
{
    static const char text[] = "text/plain; charset=utf-8";
    bool head_only = span_eq(method, SPAN("HEAD"));
    if (!head_only && !span_eq(method, SPAN("GET"))) {
        answer(out, "405 Method Not Allowed", text, SPAN("only GET and HEAD are served here\n"), false);
    } else if (span_eq(path, SPAN("/healthz"))) {
        answer(out, "200 OK", text, SPAN("ok\n"), head_only);
    } else if (span_eq(path, SPAN("/readyz"))) {
        if (span_is_none(state->not_ready)) {
            answer(out, "200 OK", text, SPAN("ready\n"), head_only);
            return;
        }
        struct buf body;
        buf_init(&body, 4096);
        buf_printf(&body, "not ready: %.*s\n", SPAN_FMT(state->not_ready));
        answer(out, "503 Service Unavailable", text, buf_span(&body), head_only);
        buf_fini(&body);
    } else if (span_eq(path, SPAN("/metrics"))) {
        struct buf body;
        buf_init(&body, PAGE_MAX);
        struct gw_page page = { &body, gw_page_wants_open(accept) };
        gw_metrics_write(&page, state->loops, state->n_loops, &state->process);
        answer(out, "200 OK",
               page.open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                         : "text/plain; version=0.0.4; charset=utf-8",
               buf_span(&body), head_only);
        buf_fini(&body);
    } else {
        answer(out, "404 Not Found", text, SPAN("served here: /healthz /readyz /metrics\n"), head_only);
    }
}

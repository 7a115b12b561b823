// SPDX-License-Identifier: GPL-3.0-or-later
#include "bench/support/bodies.h"

#include "gateway/base/buf.h"

#define NUMBERS 768

static struct span kept(struct arena *a, struct buf *b)
{
    struct span s = arena_dup(a, buf_span(b));
    buf_fini(b);
    return s;
}

struct span bodies_search(struct arena *a)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "{\"limit\":10,\"with_payload\":true,\"vector\":[0.5");
    for (unsigned seed = 7; buf_len(&b) < 4094 - 12; seed = seed * 1103515245 + 12345)
        buf_printf(&b, ",%s0.%08u", seed & 1 ? "-" : "", seed % 100000000);
    buf_printf(&b, "]}");
    return kept(a, &b);
}

static void numbers(struct buf *b, unsigned digits)
{
    unsigned seed = 7, most = 1;
    for (unsigned i = 0; i < digits; i++)
        most *= 10;
    for (unsigned i = 0; i < NUMBERS; i++, seed = seed * 1103515245 + 12345)
        buf_printf(b, "%s0.%0*u", i ? "," : "", (int)digits, (seed >> 8) % most);
}

struct span bodies_query(struct arena *a, unsigned digits)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "{\"limit\":10,\"query\":[");
    numbers(&b, digits);
    buf_printf(&b, "],\"filter\":{\"must\":[{\"key\":\"n\",\"match\":{\"value\":1}}]}}");
    return kept(a, &b);
}

struct span bodies_upsert(struct arena *a, unsigned digits)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "{\"points\":[{\"id\":1,\"payload\":{\"n\":1},\"vector\":[");
    numbers(&b, digits);
    buf_printf(&b, "]}]}");
    return kept(a, &b);
}

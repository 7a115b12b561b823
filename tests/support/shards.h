// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of a shard with several endpoints share: its configuration, and a rig with one client before it.
#ifndef SALLYPORT_TESTS_SHARDS_H
#define SALLYPORT_TESTS_SHARDS_H

#include "tests/support/exchange.h"

// Each request on a connection of its own, so that the last one made is that of the last try.
#define SHARD(endpoints, more) SHARD_POOL(endpoints, "max_idle: 0", more)
#define SHARD_POOL(endpoints, pool, more)                                                                 \
    "shards:\n  - { name: one, api: qdrant, endpoints: [" endpoints "], pool: { " pool " }, timeouts: { " \
    "first_byte: 20s, connect: 3s }" more " }\nroutes:\n  - { shard: one }\n"
#define ONE "\"http://127.0.0.1:2\""
#define TWO "\"http://127.0.0.1:2\", \"http://127.0.0.1:3\""
#define UNAVAILABLE "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"
#define DELETE_POINTS "/collections/docs/points/delete"

struct before_shards {
    struct rig r;
    struct rig_client c;
};

static inline void begin(struct before_shards *b, const char *shards)
{
    rig_init_shards(&b->r, shards, NULL, NULL);
    rig_client_init(&b->c, &b->r, "rag");
}

static inline void end(struct before_shards *b)
{
    rig_client_fini(&b->c);
    rig_fini(&b->r);
}

// With one more header field, "name: value\r\n".
static inline void ask_with(struct rig_client *c, const char *field, const char *method, const char *path,
                            const char *body)
{
    char *request = rig_request(c->rig, method, path, body), *rest = strstr(request, "\r\n") + 2;
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%.*s%s%s", (int)(rest - request), request, field, rest);
    free(request);
    rig_send_span(c, buf_span(&out));
    buf_fini(&out);
    rig_run(c->rig);
}

#endif

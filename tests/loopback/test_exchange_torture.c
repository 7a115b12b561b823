// SPDX-License-Identifier: GPL-3.0-or-later
// Anything may happen at any moment: pieces of requests and answers, closes, resets, slow readers, revocations, time. Nothing may be freed
// twice or used afterwards (sanitizers), no connection may be left, and every request that began has one record.
#include "tests/support/rig.h"

#include "gateway/config/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLIENTS 4
#define STEPS 1200

static const char plain_shard[] = "shards:\n"
                                  "  - { name: one, api: qdrant, endpoints: [\"http://127.0.0.1:2\"],"
                                  " pool: { max_connections: 2, max_idle: 2 } }\n"
                                  "routes:\n"
                                  "  - { shard: one }\n";
static const char tls_shard[] = "shards:\n"
                                "  - { name: one, api: qdrant, endpoints: [\"https://127.0.0.1:2\"],"
                                " tls: { spiffe_id: \"" RIG_SHARD "\", certificate: gateway.pem, key: gateway.key } }\n"
                                "routes:\n"
                                "  - { shard: one }\n";
// Everything that may happen to a request on its way to a shard of several endpoints.
static const char endpoints[] =
    "shards:\n"
    "  - name: one\n"
    "    api: qdrant\n"
    "    endpoints: [\"http://127.0.0.1:2\", \"http://127.0.0.1:3\", \"http://127.0.0.1:4\"]\n"
    "    pool: { max_connections: 3, max_idle: 2 }\n"
    "    timeouts: { first_byte: 2s, connect: 500ms }\n"
    "    hedge: { after: 50ms, percent: 100 }\n"
    "    retries: { percent: 100 }\n"
    "    concurrency: adaptive\n"
    "routes:\n"
    "  - { shard: one }\n";
static const char chromas[] = "shards:\n"
                              "  - { name: a, api: chroma, endpoints: [\"http://127.0.0.1:2\"] }\n"
                              "  - { name: b, api: chroma, endpoints: [\"http://127.0.0.1:3\"] }\n"
                              "routes:\n"
                              "  - { hash: [a, b] }\n";

#define CHROMA "/api/v2/tenants/acme/databases/main/collections"
static const struct {
    const char *method, *path, *body;
} asks[] = {
    { "GET", "/collections/docs/points/1", NULL },
    { "POST", "/collections/docs/points/count", "{\"exact\":true}" },
    { "PUT", "/collections/docs/points", "{\"points\":[]}" },
    { "GET", "/collections", NULL },
    { "GET", "/nothing", NULL },
    { "PUT", "/nothing", "{\"a\":1}" },
    { "HEAD", "/collections/docs", NULL },
    { "GET", CHROMA, NULL },
    { "GET", CHROMA "/0f8fad5b-d9cb-469f-a165-70867728950e/count", NULL },
    { "POST", CHROMA, "{\"name\":\"docs\",\"get_or_create\":true}" },
    { "DELETE", CHROMA "/docs", NULL },
};

static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{",
    "}  ",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n",
    "0\r\n\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy",
    "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
    "junk",
};

struct play {
    struct rig r;
    struct rig_client c[CLIENTS];
    bool there[CLIENTS];
    bool many; // endpoints
    uint32_t seed;
};

static uint32_t any(struct play *p, uint32_t below)
{
    p->seed = p->seed * 1664525u + 1013904223u;
    return (p->seed >> 8) % below;
}

// The same with the time that its client gives it.
static char *hurried(char *request, uint32_t ms)
{
    char *fields = strstr(request, "\r\n") + 2;
    struct buf out;
    buf_init(&out, 0);
    buf_printf(&out, "%.*sx-envoy-expected-rq-timeout-ms: %u\r\n%s", (int)(fields - request), request, ms, fields);
    buf_byte(&out, '\0');
    free(request);
    request = strdup(buf_span(&out).p);
    assert_non_null(request);
    buf_fini(&out);
    return request;
}

static void client_acts(struct play *p, size_t i)
{
    struct rig_client *c = &p->c[i];
    if (!p->there[i]) {
        rig_client_init(c, &p->r, "rag");
        p->there[i] = true;
        return;
    }
    switch (any(p, 8)) {
    case 0:
        rig_client_fini(c);
        p->there[i] = false;
        break;
    case 1: c->pipe->reset = c->pipe->socket != NULL; break;
    case 2: c->pipe->window = any(p, 2) ? 0 : 100; break;
    default: {
        size_t which = any(p, p->many && any(p, 4) ? 2 : sizeof asks / sizeof *asks);
        char *request = rig_request(&p->r, asks[which].method, asks[which].path, asks[which].body);
        if (p->many && any(p, 3) == 0)
            request = hurried(request, 1 + any(p, 3000));
        size_t n = strlen(request), part = any(p, p->many ? 20 : 4) ? n : any(p, (uint32_t)n);
        rig_send_span(c, span_of(request, part));
        if (any(p, 2))
            rig_run(&p->r);
        if (any(p, 4))
            rig_send_span(c, span_of(request + part, n - part));
        free(request);
        break;
    }
    }
}

static void shard_acts(struct play *p)
{
    if (p->r.n_shards == 0)
        return;
    size_t n = p->r.n_shards - 1 - any(p, p->r.n_shards < 4 ? (uint32_t)p->r.n_shards : 4);
    struct rig_pipe *pipe = p->r.shards[n];
    if (!pipe->socket || (pipe->tls && pipe->tls->state != GW_TLS_OPEN))
        return;
    switch (any(p, 12)) {
    case 0: pipe->far_end = true; break;
    case 1: pipe->reset = true; break;
    case 2: pipe->window = any(p, 2) ? 0 : 50; break;
    case 3: {
        char piece[30001];
        memset(piece, 'x', sizeof piece - 1);
        piece[sizeof piece - 1] = '\0';
        rig_shard_write(&p->r, n, "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n");
        for (int i = 0; i < 3; i++)
            rig_shard_write(&p->r, n, piece);
        break;
    }
    case 4:
    case 5:
    case 6: rig_shard_write(&p->r, n, answers[0]); break;
    default: rig_shard_write(&p->r, n, answers[any(p, sizeof answers / sizeof *answers)]); break;
    }
}

// Endpoints come, go, are out of reach; the configuration is taken up anew.
static void endpoints_change(struct play *p)
{
    struct gw_core *core = &p->r.core;
    const struct gw_remote *remote = &core->view->snapshot->shards[0].remote;
    switch (any(p, 4)) {
    case 0: p->r.port_down = (uint16_t)(1 + any(p, 4)); break;
    case 1: p->r.port_unreachable = (uint16_t)(1 + any(p, 4)); break;
    case 2: {
        size_t n = any(p, 8) ? 1 + any(p, 3) : 0, first = any(p, (uint32_t)(4 - n));
        struct gw_endpoints *set = gw_endpoints_new(remote->endpoints + first % 3, n);
        assert_non_null(set);
        assert_int_equal(gw_pool_set(&core->view->shards[0].origin.pool, set), 0);
        gw_endpoints_unref(set);
        break;
    }
    default: assert_int_equal(gw_core_adopt(core, gw_snapshot_ref(core->view->snapshot)), 0); break;
    }
}

static void assert_nothing_is_under_way(struct play *p)
{
    const struct gw_pool *pool = &p->r.core.view->shards[0].origin.pool;
    size_t idle = 0, open = 0;
    assert_int_equal(pool->under_way, 0);
    assert_int_equal(pool->n_waiting, 0);
    assert_null(pool->waiting);
    for (size_t i = 0; i < pool->n_endpoints; i++) {
        assert_int_equal(pool->endpoints[i]->under_way, 0);
        assert_int_equal(pool->endpoints[i]->refs, 1 + pool->endpoints[i]->open);
        idle += pool->endpoints[i]->n_idle;
        open += pool->endpoints[i]->open;
    }
    assert_int_equal(open, pool->open);
    assert_int_equal(open, idle);
}

// By the id that the gateway gave it.
static void assert_each_write_was_sent_once(struct play *p)
{
    static char seen[4096][33];
    size_t n = 0;
    for (size_t i = 0; i < p->r.n_shards; i++)
        for (const char *at = rig_shard_got(&p->r, i); (at = strstr(at, "PUT /")); at++) {
            const char *id = strcasestr(at, "x-request-id: ");
            if (!id || n == sizeof seen / sizeof *seen)
                continue;
            snprintf(seen[n], sizeof seen[n], "%.32s", id + strlen("x-request-id: "));
            for (size_t k = 0; k < n; k++)
                assert_string_not_equal(seen[k], seen[n]);
            n++;
        }
}

static uint32_t first_seed; // on the command line, for another game

static void play(uint32_t seed, const char *shards, const char *audit)
{
    bool many = shards == endpoints;
    struct play *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->seed = seed + first_seed;
    p->many = many;
    rig_init_shards(&p->r, shards, NULL, audit);
    for (int i = 0; i < STEPS && p->r.n_shards < 480; i++) {
        uint32_t what = any(p, 40);
        if (what < 18)
            client_acts(p, any(p, CLIENTS));
        else if (what < 36)
            shard_acts(p);
        else if (what == 36)
            rig_sleep(&p->r, any(p, many && any(p, 4) ? 200 : 20000));
        else if (many && any(p, 10) == 0)
            endpoints_change(p);
        else if (what == 37)
            p->r.dial_fails = any(p, 4) == 0;
        else if (what == 38)
            p->r.shard_down = any(p, 4) == 0;
        else
            rig_run(&p->r);
        if (many && any(p, 8) == 0)
            rig_sleep(&p->r, any(p, 200));
        else if (any(p, 3))
            rig_run(&p->r);
    }
    for (size_t i = 0; i < CLIENTS; i++)
        if (p->there[i])
            rig_client_fini(&p->c[i]);
    rig_sleep(&p->r, 120000); // the gateway's own errands end
    assert_nothing_is_under_way(p);
    assert_each_write_was_sent_once(p);
    assert_int_equal(rig_audit_lines(&p->r, "\"kind\":\"request\""),
                     p->r.metrics.value[GW_METRIC_REQUEST_ALLOWED] + p->r.metrics.value[GW_METRIC_REQUEST_DENIED]);
    rig_fini(&p->r);
    free(p);
}

static void one_shard_survives_anything(void **state)
{
    (void)state;
    play(1, plain_shard, NULL);
    play(2, plain_shard, "sync: request");
}

static void a_tls_shard_survives_anything(void **state)
{
    (void)state;
    play(3, tls_shard, NULL);
    play(4, tls_shard, "sync: request");
}

static void several_endpoints_survive_anything(void **state)
{
    (void)state;
    play(7, endpoints, NULL);
    play(8, endpoints, "sync: request");
}

static void several_shards_survive_anything(void **state)
{
    (void)state;
    play(5, chromas, NULL);
    play(6, chromas, "sync: request");
}

int main(int argc, char **argv)
{
    first_seed = argc > 1 ? (uint32_t)atoi(argv[1]) : 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_shard_survives_anything),
        cmocka_unit_test(a_tls_shard_survives_anything),
        cmocka_unit_test(several_endpoints_survive_anything),
        cmocka_unit_test(several_shards_survive_anything),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

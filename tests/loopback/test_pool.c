// SPDX-License-Identifier: GPL-3.0-or-later
// Which endpoint a request goes to, and what becomes of connections when the set of endpoints changes under them.
#include "tests/support/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

static const char three[] = "shards:\n"
                            "  - { name: one, api: qdrant, endpoints: [\"http://127.0.0.1:2\", \"http://127.0.0.1:3\", "
                            "\"http://127.0.0.1:4\"] }\n"
                            "routes:\n"
                            "  - { shard: one }\n";

static struct gw_pool *pool_of(struct rig *r)
{
    return &r->core.view->shards[0].origin.pool;
}

// Endpoints at these ports, the 0 ends them.
static void set(struct rig *r, const uint16_t *ports)
{
    struct gw_endpoint v[8];
    size_t n = 0;
    for (; ports[n]; n++)
        v[n] = (struct gw_endpoint){ "127.0.0.1", ports[n], SPAN("one.test"), SPAN("127.0.0.1") };
    struct gw_endpoints *e = gw_endpoints_new(v, n);
    assert_non_null(e);
    assert_int_equal(gw_pool_set(pool_of(r), e), 0);
    gw_endpoints_unref(e);
    rig_run(r);
}

static uint16_t port(struct rig *r, size_t connection)
{
    assert_true(connection < r->n_shards);
    return r->ports[connection];
}

// Three clients whose requests are not answered yet are on three endpoints, and the fourth goes where one was.
static void a_request_goes_where_the_fewest_are(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c[5];
    bool seen[5] = { false };
    rig_init_shards(&r, three, NULL, NULL);
    for (size_t i = 0; i < 5; i++)
        rig_client_init(&c[i], &r, "rag");
    for (size_t i = 0; i < 3; i++) {
        ask(&c[i], "GET", POINT, NULL);
        assert_false(seen[port(&r, i)]);
        seen[port(&r, i)] = true;
    }
    rig_shard_say(&r, 1, NO_CONTENT);
    size_t n = r.n_shards;
    ask(&c[3], "GET", POINT, NULL);
    assert_int_equal(r.n_shards, n); // on the connection that was kept
    assert_int_equal(count(rig_shard_got(&r, 1), "GET "), 2);
    rig_shard_say(&r, 1, NO_CONTENT);
    rig_shard_say(&r, 2, NO_CONTENT);
    // Two are free now: equals take turns.
    ask(&c[1], "GET", POINT, NULL);
    ask(&c[2], "GET", POINT, NULL);
    assert_int_equal(count(rig_shard_got(&r, 0), "GET "), 1);
    assert_int_equal(count(rig_shard_got(&r, 1), "GET "), 3);
    assert_int_equal(count(rig_shard_got(&r, 2), "GET "), 2);
    for (size_t i = 0; i < 5; i++)
        rig_client_fini(&c[i]);
    rig_fini(&r);
}

static void a_request_under_way_outlives_its_endpoint(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, three, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    set(&r, (const uint16_t[]){ 5, 0 });
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(port(&r, 0), 5);
    set(&r, (const uint16_t[]){ 6, 0 });
    assert_non_null(r.shards[0]->socket); // it is not cut …
    rig_shard_say(&r, 0, NO_CONTENT);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 204 "), 1);
    assert_true(r.shards[0]->near_end); // … and not kept
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(port(&r, 1), 6);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void what_is_kept_unused_goes_with_its_endpoint_and_stays_with_its_endpoint(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, three, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    set(&r, (const uint16_t[]){ 5, 6, 0 });
    for (size_t i = 0; i < 2; i++) {
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, i, NO_CONTENT);
    }
    assert_int_equal(r.n_shards, 2);
    size_t five = port(&r, 0) == 5 ? 0 : 1;
    set(&r, (const uint16_t[]){ 7, 5, 0 });
    assert_true(r.shards[1 - five]->near_end);
    assert_false(r.shards[five]->near_end);
    assert_int_equal(pool_of(&r)->open, 1);
    for (size_t i = 0; i < 4; i++) {
        size_t before = count(rig_shard_got(&r, five), "GET ");
        ask(&c, "GET", POINT, NULL);
        rig_shard_say(&r, count(rig_shard_got(&r, five), "GET ") > before ? five : 2, NO_CONTENT);
    }
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 204 "), 6);
    assert_int_equal(r.n_shards, 3); // one more, to the one that is new
    assert_int_equal(port(&r, 2), 7);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void requests_wait_for_the_first_endpoint(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, three, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    set(&r, (const uint16_t[]){ 0 });
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(r.n_shards, 0);
    set(&r, (const uint16_t[]){ 9, 0 });
    assert_int_equal(port(&r, 0), 9);
    rig_shard_say(&r, 0, NO_CONTENT);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 204 "), 1);
    rig_client_fini(&c);
    rig_fini(&r);
}

static void without_any_endpoint_it_is_503_and_not_a_hang(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, three, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    set(&r, (const uint16_t[]){ 0 });
    ask(&c, "GET", POINT, NULL);
    assert_string_equal(rig_received(&c), "");
    rig_sleep(&r, 3100);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    assert_true(has(rig_received(&c), "retry-after: "));
    rig_client_fini(&c);
    rig_fini(&r);
}

// An endpoint that takes no connection is left for every other one, each once.
static void every_endpoint_is_tried_before_a_request_fails(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, three, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    r.shard_down = true;
    ask(&c, "GET", POINT, NULL);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 502 "), 1);
    assert_int_equal(r.n_shards, 3);
    assert_int_equal(port(&r, 0) + port(&r, 1) + port(&r, 2), 2 + 3 + 4);
    rig_client_fini(&c);
    rig_fini(&r);
}

// The system says at once that there is no way to an endpoint, which whoever answers for the DNS may have named.
static void an_endpoint_without_a_route_costs_no_request(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init_shards(&r, three, NULL, NULL);
    rig_client_init(&c, &r, "rag");
    r.port_unreachable = 3;
    size_t served[2] = { 0 };
    for (size_t i = 1; i <= 12; i++) {
        ask(&c, "GET", POINT, NULL);
        for (size_t k = 0; k < r.n_shards; k++) {
            if (count(rig_shard_got(&r, k), "GET ") == served[k])
                continue;
            served[k]++;
            rig_shard_say(&r, k, NO_CONTENT);
        }
        assert_int_equal(count(rig_received(&c), "HTTP/1.1 204 "), i);
    }
    assert_int_equal(r.n_shards, 2);
    rig_client_fini(&c);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_where_the_fewest_are),
        cmocka_unit_test(a_request_under_way_outlives_its_endpoint),
        cmocka_unit_test(what_is_kept_unused_goes_with_its_endpoint_and_stays_with_its_endpoint),
        cmocka_unit_test(requests_wait_for_the_first_endpoint),
        cmocka_unit_test(without_any_endpoint_it_is_503_and_not_a_hang),
        cmocka_unit_test(every_endpoint_is_tried_before_a_request_fails),
        cmocka_unit_test(an_endpoint_without_a_route_costs_no_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

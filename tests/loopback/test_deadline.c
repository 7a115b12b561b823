// SPDX-License-Identifier: GPL-3.0-or-later
// How long a client waits, as it says: the gateway and the shard keep to it, and nobody but the client bears what comes of it.
#include "tests/support/shards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define FIELD "x-envoy-expected-rq-timeout-ms: "
#define WAITS(ms) FIELD ms "\r\n"

static void the_end_of_the_clients_time_is_504_and_blames_no_endpoint(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD(TWO, ", concurrency: adaptive"));
    double limit = b.r.core.view->shards[0].origin.pool.concurrency.limit;
    for (size_t i = 0; i < 3 * GW_OUTLIER_FAILURES; i++) {
        size_t before = b.r.n_shards;
        ask_with(&b.c, WAITS("1000"), "GET", POINT, NULL);
        rig_sleep(&b.r, 900);
        assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), i);
        rig_sleep(&b.r, 200);
        assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), i + 1);
        assert_int_equal(b.r.n_shards, before + 1);
        assert_true(b.r.shards[before]->near_end);
    }
    assert_true(has(rig_received(&b.c), "shard_timeout"));
    assert_true(rig_audited(&b.r, "within the time that the client gave"));
    const struct gw_pool *p = &b.r.core.view->shards[0].origin.pool;
    assert_int_equal(b.r.metrics.value[GW_METRIC_UPSTREAM_EJECTED], 0);
    assert_int_equal(p->endpoints[0]->outlier.failures + p->endpoints[1]->outlier.failures, 0);
    assert_int_equal(p->concurrency.failures, 0);
    assert_true(p->concurrency.limit >= limit);
    end(&b);
}

static void the_shards_own_time_is_never_made_longer(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD(TWO, ""));
    ask_with(&b.c, WAITS("86400000"), "GET", POINT, NULL);
    assert_true(has(rig_shard_got(&b.r, 0), WAITS("20000")));
    rig_sleep(&b.r, 21000);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), 1);
    end(&b);
}

static void a_later_try_is_told_what_the_first_one_left(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD(TWO, ""));
    ask_with(&b.c, WAITS("5000"), "GET", POINT, NULL);
    assert_true(has(rig_shard_got(&b.r, 0), WAITS("5000")));
    rig_sleep(&b.r, 3000);
    rig_shard_close(&b.r, 0);
    assert_true(has(rig_shard_got(&b.r, 1), WAITS("2000")));
    rig_sleep(&b.r, 2100);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), 1);
    end(&b);
}

static void qdrant_is_told_in_whole_seconds_where_it_reads(void **state)
{
    (void)state;
    static const struct {
        const char *field, *method, *path, *body, *sent;
    } cases[] = {
        { WAITS("2001"), "POST", COUNT, "{}", COUNT "?timeout=3 " },
        { WAITS("1"), "POST", COUNT, "{}", COUNT "?timeout=1 " },
        { WAITS("5000"), "POST", COUNT "?timeout=2", "{}", COUNT "?timeout=2 " }, // the client's own is shorter
        { WAITS("5000"), "POST", COUNT "?time%6Fut=9&consistency=all", "{}", COUNT "?consistency=all&timeout=5 " },
        { "", "POST", COUNT "?timeout=9", "{}", COUNT "?timeout=9 " },
        // Here it would be how long the change is waited for, not how long it may take.
        { WAITS("5000"), "POST", DELETE_POINTS "?timeout=9", "{\"points\":[1]}", DELETE_POINTS "?timeout=9 " },
        { WAITS("5000"), "GET", POINT, NULL, POINT " " }, // it has no such parameter
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct before_shards b;
        begin(&b, SHARD(ONE, ""));
        ask_with(&b.c, cases[i].field, cases[i].method, cases[i].path, cases[i].body);
        assert_true(has(rig_shard_got(&b.r, 0), cases[i].sent));
        assert_int_equal(count(rig_shard_got(&b.r, 0), FIELD), cases[i].field[0] != '\0');
        end(&b);
    }
}

static void waiting_for_a_connection_counts(void **state)
{
    (void)state;
    struct before_shards b;
    struct rig_client late;
    begin(&b, SHARD_POOL(ONE, "max_connections: 1, max_idle: 0", ""));
    rig_client_init(&late, &b.r, "rag");
    ask(&b.c, "GET", POINT, NULL);
    ask_with(&late, WAITS("500"), "GET", POINT, NULL);
    rig_sleep(&b.r, 600);
    assert_int_equal(b.r.n_shards, 1);
    assert_int_equal(count(rig_received(&late), "HTTP/1.1 504 "), 1);
    rig_shard_say(&b.r, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&b.c), "200 OK"), 1);
    rig_client_fini(&late);
    end(&b);
}

static void an_answer_that_has_begun_is_given_whole(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, SHARD(ONE, ""));
    ask_with(&b.c, WAITS("1000"), "GET", POINT, NULL);
    rig_shard_say(&b.r, 0, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nno");
    rig_sleep(&b.r, 3000);
    rig_shard_say(&b.r, 0, "ne");
    assert_int_equal(count(rig_received(&b.c), "\r\n\r\nnone"), 1);
    end(&b);
}

static void a_list_of_several_shards_keeps_to_it(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b, "shards:\n  - { name: a, api: qdrant, endpoints: [\"http://127.0.0.1:2\"] }\n"
              "  - { name: b, api: qdrant, endpoints: [\"http://127.0.0.1:3\"] }\nroutes:\n  - { hash: [a, b] }\n");
    ask_with(&b.c, WAITS("1000"), "GET", "/collections", NULL);
    assert_int_equal(b.r.n_shards, 2);
    rig_sleep(&b.r, 1100);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), 1);
    end(&b);
}

// The name behind a UUID is asked of the shard first.
static void waiting_for_a_name_counts(void **state)
{
    (void)state;
    struct before_shards b;
    begin(&b,
          "shards:\n  - { name: a, api: chroma, endpoints: [\"http://127.0.0.1:2\"] }\nroutes:\n  - { shard: a }\n");
    ask_with(&b.c, WAITS("1000"), "GET",
             "/api/v2/tenants/acme/databases/main/collections/0f8fad5b-d9cb-469f-a165-70867728950e/count", NULL);
    assert_int_equal(b.r.n_shards, 1);
    rig_sleep(&b.r, 900);
    assert_string_equal(rig_received(&b.c), "");
    rig_sleep(&b.r, 200);
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 504 "), 1);
    rig_shard_say(&b.r, 0, OK_ANSWER); // nobody waits for it
    assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 "), 1);
    end(&b);
}

static void what_is_no_time_is_400_and_says_which_field(void **state)
{
    (void)state;
    static const char *const wrong[] = { WAITS("0"),
                                         WAITS("-1"),
                                         WAITS("+5"),
                                         WAITS("1.5"),
                                         WAITS("10s"),
                                         WAITS("86400001"),
                                         WAITS(""),
                                         WAITS("0x10"),
                                         WAITS("5, 5"),
                                         WAITS("5") WAITS("5"),
                                         WAITS("99999999999999999999999") };
    struct before_shards b;
    begin(&b, SHARD(ONE, ""));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ask_with(&b.c, wrong[i], "GET", POINT, NULL);
        assert_int_equal(count(rig_received(&b.c), "HTTP/1.1 400 "), i + 1);
    }
    assert_int_equal(count(rig_received(&b.c), "\"bad_expected_rq_timeout\""), sizeof wrong / sizeof *wrong);
    assert_true(rig_audited(&b.r, "HTTP_TIME_LEFT"));
    assert_int_equal(b.r.n_shards, 0);
    end(&b);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_the_clients_time_is_504_and_blames_no_endpoint),
        cmocka_unit_test(the_shards_own_time_is_never_made_longer),
        cmocka_unit_test(a_later_try_is_told_what_the_first_one_left),
        cmocka_unit_test(qdrant_is_told_in_whole_seconds_where_it_reads),
        cmocka_unit_test(waiting_for_a_connection_counts),
        cmocka_unit_test(an_answer_that_has_begun_is_given_whole),
        cmocka_unit_test(a_list_of_several_shards_keeps_to_it),
        cmocka_unit_test(waiting_for_a_name_counts),
        cmocka_unit_test(what_is_no_time_is_400_and_says_which_field),
    };
    return cmocka_run_group_tests(tests, rig_setup, rig_teardown);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Rate limits as clients meet them: fields on every answer, 429 with the time to wait, and nothing at the shard.
#include "tests/support/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIST "/collections"

static const char few[] = "limits: { rules: [{ name: few, rate: 2/min }] }\n";

static void forget(struct rig_client *c)
{
    buf_clear(&c->received);
}

static void over_the_limit_is_429_and_never_reaches_the_shard(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, few, NULL);
    rig_client_init(&c, &r, "rag");
    for (int i = 0; i < 2; i++) {
        ask(&c, "POST", COUNT, "{}");
        rig_shard_say(&r, 0, OK_ANSWER);
        assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
        assert_true(has(rig_received(&c), "ratelimit-policy: \"few\";q=2;w=60\r\n"));
        assert_true(has(rig_received(&c), i ? "ratelimit: \"few\";r=0;t=60\r\n" : "ratelimit: \"few\";r=1;t=30\r\n"));
        assert_false(has(rig_received(&c), "retry-after"));
        forget(&c);
    }
    rig_shard_forget(&r, 0);
    ask(&c, "POST", COUNT, "{}");
    assert_true(has(rig_received(&c), "HTTP/1.1 429 Too Many Requests\r\n"));
    assert_true(has(rig_received(&c), "\"rate_limited\""));
    assert_true(has(rig_received(&c), "retry-after: 30\r\n"));
    assert_true(has(rig_received(&c), "ratelimit: \"few\";r=0;t=60\r\n"));
    assert_false(has(rig_shard_got(&r, 0), "POST"));
    assert_int_equal(r.n_shards, 1);
    assert_true(rig_audited(&r, "\"limit few\""));
    forget(&c);
    // The connection goes on, and so does the client after the time it was told.
    rig_sleep(&r, 30000);
    ask(&c, "POST", COUNT, "{}");
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void what_policies_refuse_is_not_charged(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, few, NULL);
    rig_client_init(&c, &r, "rag");
    for (int i = 0; i < 5; i++) {
        ask(&c, "POST", "/collections/secret/points/count", "{}");
        assert_true(has(rig_received(&c), "403"));
        assert_false(has(rig_received(&c), "ratelimit"));
        forget(&c);
    }
    ask(&c, "POST", COUNT, "{}");
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "ratelimit: \"few\";r=1;t=30\r\n"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void what_the_shard_fails_stays_charged_and_says_so(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, few, NULL);
    rig_client_init(&c, &r, "rag");
    r.shard_down = true;
    ask(&c, "POST", COUNT, "{}");
    assert_true(has(rig_received(&c), "HTTP/1.1 502 "));
    assert_true(has(rig_received(&c), "ratelimit: \"few\";r=1;t=30\r\n"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_shard_s_own_limit_fields_do_not_contradict(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, few, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", COUNT, "{}");
    rig_shard_say(&r, 0,
                  "HTTP/1.1 200 OK\r\nRateLimit: \"few\";r=999;t=1\r\nRateLimit-Policy: \"few\";q=999;w=1\r\n"
                  "X-RateLimit-Remaining: 999\r\nContent-Length: 2\r\n\r\n{}");
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    assert_int_equal(count(rig_received(&c), "ratelimit: "), 1);
    // What the shard says of its own; a request id may hold any digits.
    assert_false(has(rig_received(&c), "=999"));
    assert_false(has(rig_received(&c), ": 999"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void merged_lists_have_the_fields_too(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, few, NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "GET", LIST, NULL);
    rig_shard_say(&r, 0,
                  "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 64\r\n\r\n"
                  "{\"result\":{\"collections\":[{\"name\":\"docs\"}]},\"status\":\"ok\",\"x\":1}");
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    assert_true(has(rig_received(&c), "ratelimit: \"few\";r=1;t=30\r\n"));
    rig_client_fini(&c);
    rig_fini(&r);
}

static void a_search_that_no_bucket_can_hold_has_no_time_to_wait(void **state)
{
    (void)state;
    struct rig r;
    struct rig_client c;
    rig_init(&r, "limits: { rules: [{ name: results, rate: 100/min, cost: results }] }\n", NULL);
    rig_client_init(&c, &r, "rag");
    ask(&c, "POST", "/collections/docs/points/search", "{\"vector\":[1,2],\"limit\":10000}");
    assert_true(has(rig_received(&c), "HTTP/1.1 429 "));
    assert_false(has(rig_received(&c), "retry-after"));
    assert_true(rig_audited(&r, "a request that costs 1000 is more than its burst of 100"));
    forget(&c);
    ask(&c, "POST", "/collections/docs/points/search", "{\"vector\":[1,2],\"limit\":10}");
    rig_shard_say(&r, 0, OK_ANSWER);
    assert_true(has(rig_received(&c), "ratelimit: \"results\";r=99;t=1\r\n"));
    rig_client_fini(&c);
    rig_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(over_the_limit_is_429_and_never_reaches_the_shard),
        cmocka_unit_test(what_policies_refuse_is_not_charged),
        cmocka_unit_test(what_the_shard_fails_stays_charged_and_says_so),
        cmocka_unit_test(a_shard_s_own_limit_fields_do_not_contradict),
        cmocka_unit_test(merged_lists_have_the_fields_too),
        cmocka_unit_test(a_search_that_no_bucket_can_hold_has_no_time_to_wait),
    };
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}

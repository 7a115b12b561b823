// SPDX-License-Identifier: GPL-3.0-or-later
// A request whose token names a key that nobody knows waits for one refetch, through the whole gateway without a socket. The issuer's server is
// played by the test, over the same connections as the shard.
#include "tests/support/exchange.h"

#include "gateway/base/file.h"
#include "gateway/net/flow.h"
#include "gateway/net/issuer_keys.h"
#include "gateway/net/sweep.h"
#include "pki/jwks.h"
#include "pki/mint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ISS "https://far.test"
#define FAR                                                  \
    "  - name: far\n"                                        \
    "    issuer: " ISS "\n"                                  \
    "    jwks_url: http://127.0.0.1:7/keys\n"                \
    "    audiences: [vectors]\n"                             \
    "    scopes: { read: [readonly], write: [readwrite] }\n" \
    "    asserts: { trust_domains: [example.org] }\n"

struct world {
    struct rig rig;
    struct gw_issuer_keys *keys;
    struct pki_key *signers[2];
    size_t rung;
};

static void on_rung(void *ctx)
{
    struct world *w = ctx;
    w->rung++;
}

// What the process does with news, on one loop.
static void on_news(void *ctx)
{
    struct world *w = ctx;
    struct gw_core *c = &w->rig.core;
    struct gw_revocations *r = gw_revocations_derive(c->revocations, c->revocations->generation + 1);
    assert_non_null(r);
    assert_true(gw_issuer_keys_give(w->keys, c->view->snapshot->config, r));
    gw_core_adopt_revocations(c, r);
    gw_sweep(c);
    gw_flow_keys_came(c);
}

static void world_init(struct world *w)
{
    *w = (struct world){ .rung = 0 };
    rig_init_issuers(&w->rig, FAR, NULL);
    struct gw_core *c = &w->rig.core;
    for (size_t i = 0; i < 2; i++)
        w->signers[i] = pki_key_generate(PKI_KEY_P256, 0);
    const struct gw_issuer_keys_options options = {
        .ground = gw_core_ground(c), .log = &w->rig.log, .on_news = on_news, .on_rung = on_rung, .ctx = w
    };
    w->keys = gw_issuer_keys_new(&options);
    assert_non_null(w->keys);
    assert_true(gw_issuer_keys_adopt(w->keys, c->view->snapshot));
}

static void world_fini(struct world *w)
{
    gw_issuer_keys_free(w->keys);
    rig_fini(&w->rig);
    for (size_t i = 0; i < 2; i++)
        pki_key_free(w->signers[i]);
}

// The issuer's server answers on the nth connection with the first `n_keys` keys.
static void publish(struct world *w, size_t connection, size_t n_keys)
{
    const enum pki_alg algs[2] = { PKI_ES256, PKI_ES256 };
    const struct pki_key *keys[2] = { w->signers[0], w->signers[1] };
    char answer[4096];
    struct buf set;
    buf_init(&set, 0);
    assert_int_equal(pki_jwks_write(keys, algs, n_keys, &set), 0);
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", buf_len(&set),
             SPAN_FMT(buf_span(&set)));
    buf_fini(&set);
    assert_true(has(rig_shard_got(&w->rig, connection), "GET /keys HTTP/1.1\r\nhost: 127.0.0.1:7\r\n"));
    rig_shard_say(&w->rig, connection, answer);
}

static void ask_signed_by(struct world *w, struct rig_client *c, size_t signer)
{
    uint8_t jkt[32];
    struct span audience = SPAN("vectors");
    struct buf token, request;
    buf_init(&token, 0);
    buf_init(&request, 0);
    pki_key_thumbprint(w->rig.dpop, jkt);
    const struct pki_mint m = {
        .iss = SPAN(ISS),
        .subject = SPAN(RIG_RAG),
        .client_id = SPAN("test"),
        .audiences = { &audience, 1 },
        .scope = SPAN("read write"),
        .iat_s = gw_core_now_s(&w->rig.core),
        .lifetime_s = 300,
        .jkt = jkt,
    };
    assert_int_equal(pki_mint_token(&m, w->signers[signer], PKI_ALG_NONE, &token), 0);
    buf_byte(&token, '\0');
    char *credentials = rig_credentials(&w->rig, buf_span(&token).p, "POST", COUNT);
    buf_printf(&request,
               "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY
               "\r\n%sContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
               credentials);
    rig_send_span(c, buf_span(&request));
    free(credentials);
    buf_fini(&token);
    buf_fini(&request);
    rig_run(&w->rig);
}

// What on_rung has the process do.
static void ring(struct world *w)
{
    gw_issuer_keys_rung(w->keys);
    rig_run(&w->rig);
}

static void before_the_first_fetch_an_issuer_is_unavailable_and_others_are_not(void **state)
{
    struct world w;
    struct rig_client c;
    (void)state;
    world_init(&w);
    rig_client_init(&c, &w.rig, "rag");
    ask_signed_by(&w, &c, 0);
    assert_true(has(rig_received(&c), "HTTP/1.1 503 "));
    assert_true(rig_audited(&w.rig, "KEYS_STALE"));
    assert_int_equal(w.rung, 0);
    ask(&c, "POST", COUNT, "{}"); // of the issuer with a file
    rig_shard_say(&w.rig, 0, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 "), 1);
    rig_client_fini(&c);
    world_fini(&w);
}

static void an_unknown_kid_waits_for_one_refetch_and_is_decided_by_it(void **state)
{
    struct world w;
    struct rig_client a, b;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    assert_null(w.rig.shards[0]->socket); // no connection is kept
    rig_client_init(&a, &w.rig, "rag");
    rig_client_init(&b, &w.rig, "rag");
    ask_signed_by(&w, &a, 1);
    ask_signed_by(&w, &b, 1);
    assert_int_equal(w.rung, 1);
    assert_string_equal(rig_received(&a), "");
    assert_string_equal(rig_received(&b), "");
    ring(&w);
    assert_int_equal(w.rig.n_shards, 2);
    // Meanwhile what a known key can decide is decided.
    struct rig_client known;
    rig_client_init(&known, &w.rig, "rag");
    ask_signed_by(&w, &known, 0);
    rig_shard_say(&w.rig, 2, OK_ANSWER);
    assert_true(has(rig_received(&known), "HTTP/1.1 200 "));
    publish(&w, 1, 2);
    assert_int_equal(w.rig.n_shards, 4); // one on the kept connection, one on a new one
    rig_shard_say(&w.rig, 2, OK_ANSWER);
    rig_shard_say(&w.rig, 3, OK_ANSWER);
    assert_true(has(rig_received(&a), "HTTP/1.1 200 "));
    assert_true(has(rig_received(&b), "HTTP/1.1 200 "));
    assert_int_equal(w.rung, 1);
    rig_client_fini(&a);
    rig_client_fini(&b);
    rig_client_fini(&known);
    world_fini(&w);
}

static void a_refetch_without_the_key_refuses_and_the_next_is_refused_at_once(void **state)
{
    struct world w;
    struct rig_client c;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    rig_client_init(&c, &w.rig, "rag");
    ask_signed_by(&w, &c, 1);
    assert_string_equal(rig_received(&c), "");
    ring(&w);
    publish(&w, 1, 1);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 401 "), 1);
    ask_signed_by(&w, &c, 1);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 401 "), 2);
    assert_int_equal(w.rung, 1);
    assert_int_equal(rig_audit_lines(&w.rig, "TOKEN_KEY"), 2);
    rig_sleep(&w.rig, 10000);
    ask_signed_by(&w, &c, 1);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 401 "), 2);
    assert_int_equal(w.rung, 2);
    ring(&w);
    publish(&w, 2, 2);
    rig_shard_say(&w.rig, 3, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 "), 1);
    rig_client_fini(&c);
    world_fini(&w);
}

static void nobody_waits_longer_than_a_few_seconds(void **state)
{
    struct world w;
    struct rig_client c;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    rig_client_init(&c, &w.rig, "rag");
    ask_signed_by(&w, &c, 1);
    ring(&w); // and the server says nothing
    rig_sleep(&w.rig, 2000);
    assert_string_equal(rig_received(&c), "");
    rig_sleep(&w.rig, 2000);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 401 "), 1);
    // The fetch goes on, and what it brings counts for the next.
    publish(&w, 1, 2);
    ask_signed_by(&w, &c, 1);
    rig_shard_say(&w.rig, 2, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 "), 1);
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_client_that_leaves_while_it_waits_leaves_nothing(void **state)
{
    struct world w;
    struct rig_client c;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    rig_client_init(&c, &w.rig, "rag");
    ask_signed_by(&w, &c, 1);
    assert_non_null(w.rig.core.keyless);
    rig_client_fini(&c);
    rig_sleep(&w.rig, 5000);
    ring(&w);
    publish(&w, 1, 2);
    assert_null(w.rig.core.keyless);
    world_fini(&w);
}

// What the process does with a configuration that is in order, in its order.
static void reload(struct world *w, const char *url)
{
    struct gw_core *c = &w->rig.core;
    struct diags diags;
    struct buf text;
    char path[128];
    diags_init(&diags);
    buf_init(&text, 0);
    snprintf(path, sizeof path, "%s/gateway.yaml", w->rig.dir);
    assert_int_equal(file_read(path, 1 << 20, &text), 0);
    char *at = memmem(buf_span(&text).p, buf_len(&text), "/keys\n", 6);
    assert_non_null(at);
    memcpy(at, url, 5);
    assert_int_equal(file_write(path, buf_span(&text), 0600), 0);
    buf_fini(&text);
    struct gw_snapshot *next = gw_snapshot_load(path, c->view->snapshot->generation + 1, gw_core_now_s(c), &diags);
    assert_non_null(next);
    struct gw_revocations *r =
        gw_revocations_load(next->config, c->revocations, c->revocations->generation + 1, gw_core_now_s(c), &diags);
    assert_non_null(r);
    assert_true(gw_issuer_keys_give(w->keys, next->config, r));
    assert_true(gw_issuer_keys_adopt(w->keys, next));
    gw_core_adopt_revocations(c, r);
    assert_int_equal(gw_core_adopt(c, next), 0);
    gw_sweep(c);
    gw_flow_keys_came(c);
    diags_fini(&diags);
}

static void requests_behind_one_that_waits_are_answered_after_it_and_each_once(void **state)
{
    struct world w;
    struct rig_client c;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    rig_client_init(&c, &w.rig, "rag");
    ask_signed_by(&w, &c, 1);
    ask_signed_by(&w, &c, 0);
    ask_signed_by(&w, &c, 1);
    assert_string_equal(rig_received(&c), "");
    ring(&w);
    publish(&w, 1, 2);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 "), i);
        rig_shard_say(&w.rig, 2, OK_ANSWER);
    }
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 "), 3);
    assert_int_equal(rig_audit_lines(&w.rig, "\"decision\":\"allow\""), 3);
    assert_int_equal(w.rung, 1);
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_configuration_that_comes_while_one_waits_decides_nothing_twice(void **state)
{
    struct world w;
    struct rig_client a, b;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    rig_client_init(&a, &w.rig, "rag");
    ask_signed_by(&w, &a, 1);
    ring(&w);
    reload(&w, "/keys"); // the same: the fetch goes on
    assert_string_equal(rig_received(&a), "");
    publish(&w, 1, 2);
    rig_shard_say(&w.rig, 2, OK_ANSWER);
    assert_int_equal(count(rig_received(&a), "HTTP/1.1 200 "), 1);
    // Another URL: the fetch ends, its bell is gone, and so are the keys, until there are others.
    rig_client_init(&b, &w.rig, "rag");
    rig_sleep(&w.rig, 11000);
    pki_key_free(w.signers[1]);
    w.signers[1] = pki_key_generate(PKI_KEY_P256, 0);
    ask_signed_by(&w, &b, 1);
    assert_int_equal(w.rung, 2);
    ring(&w);
    assert_string_equal(rig_received(&b), "");
    reload(&w, "/else");
    ask_signed_by(&w, &a, 0);
    assert_int_equal(count(rig_received(&a), "HTTP/1.1 503 "), 1);
    rig_sleep(&w.rig, 4000);
    assert_int_equal(count(rig_received(&b), "HTTP/1.1 503 "), 1);
    assert_int_equal(count(rig_received(&b), "HTTP/1.1 "), 1);
    assert_null(w.rig.core.keyless);
    rig_client_fini(&a);
    rig_client_fini(&b);
    world_fini(&w);
}

static void an_end_while_some_wait_leaves_nothing(void **state)
{
    struct world w;
    struct rig_client c[3];
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    publish(&w, 0, 1);
    for (size_t i = 0; i < 3; i++) {
        rig_client_init(&c[i], &w.rig, "rag");
        ask_signed_by(&w, &c[i], 1);
    }
    ring(&w);
    // A drain leaves them their answer, a stop does not.
    w.rig.core.draining = true;
    for (struct gw_client *k = w.rig.core.clients; k; k = k->next)
        gw_client_drain(k);
    rig_run(&w.rig);
    assert_non_null(w.rig.core.keyless);
    gw_client_cut(w.rig.core.clients->next);
    rig_run(&w.rig);
    publish(&w, 1, 1);
    size_t refused = 0;
    for (size_t i = 0; i < 3; i++)
        refused += count(rig_received(&c[i]), "HTTP/1.1 401 ");
    assert_int_equal(refused, 2);
    assert_null(w.rig.core.keyless);
    assert_int_equal(rig_audit_lines(&w.rig, "CLIENT_GONE"), 1);
    for (size_t i = 0; i < 3; i++)
        rig_client_fini(&c[i]);
    world_fini(&w);
}

static void an_answer_of_a_mebibyte_is_cut_off(void **state)
{
    struct world w;
    (void)state;
    world_init(&w);
    rig_sleep(&w.rig, 100);
    char *junk = malloc((1u << 20) + 128);
    assert_non_null(junk);
    size_t n = (size_t)sprintf(junk, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
    memset(junk + n, ' ', 1u << 20);
    junk[n + (1u << 20)] = '\0';
    rig_shard_say(&w.rig, 0, junk);
    free(junk);
    assert_null(w.rig.shards[0]->socket);
    struct span fault = gw_issuer_keys_fault(w.keys, SPAN(ISS));
    assert_false(span_is_none(fault));
    assert_true(has(fault.p, "http://127.0.0.1:7/keys: "));
    world_fini(&w);
}

static int set_up(void **state)
{
    (void)state;
    return gw_tls_process_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_first_fetch_an_issuer_is_unavailable_and_others_are_not),
        cmocka_unit_test(an_unknown_kid_waits_for_one_refetch_and_is_decided_by_it),
        cmocka_unit_test(a_refetch_without_the_key_refuses_and_the_next_is_refused_at_once),
        cmocka_unit_test(nobody_waits_longer_than_a_few_seconds),
        cmocka_unit_test(a_client_that_leaves_while_it_waits_leaves_nothing),
        cmocka_unit_test(requests_behind_one_that_waits_are_answered_after_it_and_each_once),
        cmocka_unit_test(a_configuration_that_comes_while_one_waits_decides_nothing_twice),
        cmocka_unit_test(an_end_while_some_wait_leaves_nothing),
        cmocka_unit_test(an_answer_of_a_mebibyte_is_cut_off),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

// SPDX-License-Identifier: GPL-3.0-or-later
// Following the revocation feed, with a real registry behind an authority that the test plays: no socket.
#include "tests/support/exchange.h"

#include "gateway/base/base64url.h"
#include "gateway/net/flow.h"
#include "gateway/net/follower.h"
#include "gateway/net/issuer_keys.h"
#include "pki/jwks.h"
#include "pki/revocation_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ISS "https://far.test"
#define FAR                                                  \
    "  - name: far\n"                                        \
    "    issuer: " ISS "\n"                                  \
    "    jwks_url: http://127.0.0.1:7/keys\n"                \
    "    audiences: [vectors]\n"                             \
    "    scopes: { read: [readonly], write: [readwrite] }\n" \
    "    asserts: { trust_domains: [example.org] }\n"
#define MAX_STALE_MS 30000

struct world {
    struct rig rig;
    struct gw_issuer_keys *keys;
    struct gw_follower *follower;
    struct gw_config_feed config, elsewhere;
    struct gw_snapshot other; // the rig's, but for where the feed is
    struct pki_revoked *set;
    struct gw_revoked_term *term;
    struct pki_key *signers[2];
    struct pki_revoked_store *store;
    char dir[64], path[96];
    size_t rung;
};

static void on_rung(void *ctx)
{
    struct world *w = ctx;
    w->rung++;
}

static void on_news(void *ctx)
{
    struct world *w = ctx;
    struct gw_core *c = &w->rig.core;
    struct gw_revocations *r = gw_revocations_derive(c->revocations, c->revocations->generation + 1);
    assert_non_null(r);
    assert_true(gw_issuer_keys_give(w->keys, c->view->snapshot->config, r));
    gw_core_adopt_revocations(c, r);
}

// The configuration names a feed, which it could not over plain HTTP.
static void name_feed(struct gw_snapshot *s, const struct gw_config_feed *config)
{
    s->feed.config = config;
    s->feed.issuer = pki_issuers_find(s->issuers, SPAN(ISS));
    assert_non_null(s->feed.issuer);
    for (size_t i = 0; i < s->config->issuers_n; i++)
        if (s->key_servers[i].n_endpoints > 0)
            s->feed.remote = s->key_servers[i];
    assert_true(s->feed.remote.n_endpoints == 1);
}

static struct gw_snapshot *snapshot(struct world *w)
{
    return w->rig.core.view->snapshot;
}

static void world_init(struct world *w)
{
    *w = (struct world){ .dir = "/tmp/sallyport-follower-XXXXXX" };
    rig_init_issuers(&w->rig, FAR, NULL);
    struct gw_core *c = &w->rig.core;
    for (size_t i = 0; i < 2; i++)
        w->signers[i] = pki_key_generate(PKI_KEY_P256, 0);
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->path, sizeof w->path, "%s/revoked.db", w->dir);
    assert_int_equal(0, pki_revoked_store_create(w->path, &w->store));
    const struct gw_issuer_keys_options options = {
        .ground = gw_core_ground(c), .log = &w->rig.log, .on_news = on_news, .on_rung = on_rung, .ctx = w
    };
    w->keys = gw_issuer_keys_new(&options);
    assert_true(w->keys && gw_issuer_keys_adopt(w->keys, snapshot(w)));
    w->config.max_stale = MAX_STALE_MS;
    w->config.remote.url.v = SPAN("https://far.test/revocations");
    w->config.remote.target = SPAN("/revocations");
    w->config.remote.timeouts = (struct gw_config_remote_timeouts){ .connect = 1000, .first_byte = 2000 };
    w->elsewhere = w->config;
    w->elsewhere.remote.url.v = SPAN("https://else.test/revocations");
    w->follower = gw_follower_new(&options.ground, &w->rig.log, &c->revocations);
    assert_non_null(w->follower);
    w->term = gw_follower_fresh(w->follower);
}

static void world_fini(struct world *w)
{
    char command[400];
    gw_follower_retire(w->follower);
    gw_issuer_keys_free(w->keys);
    rig_sleep(&w->rig, 100);
    gw_follower_free(w->follower);
    snapshot(w)->feed = (struct gw_snapshot_feed){ .config = NULL };
    rig_fini(&w->rig);
    pki_revoked_unref(w->set);
    gw_revoked_term_unref(w->term);
    pki_revoked_store_close(w->store);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(0, system(command));
    for (size_t i = 0; i < 2; i++)
        pki_key_free(w->signers[i]);
}

// The keys are fetched on connection `n`, and there are `n_keys`.
static void publish(struct world *w, size_t n, size_t n_keys)
{
    const enum pki_alg algs[2] = { PKI_ES256, PKI_ES256 };
    const struct pki_key *keys[2] = { w->signers[0], w->signers[1] };
    char answer[4096];
    struct buf set;
    buf_init(&set, 0);
    assert_int_equal(0, pki_jwks_write(keys, algs, n_keys, &set));
    snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%.*s", buf_len(&set),
             SPAN_FMT(buf_span(&set)));
    buf_fini(&set);
    assert_true(has(rig_shard_got(&w->rig, n), "GET /keys HTTP/1.1\r\n"));
    rig_shard_say(&w->rig, n, answer);
}

static bool is_asked(struct world *w, size_t n)
{
    return has(rig_shard_got(&w->rig, n), "GET /revocations?");
}

// The authority answers the question on connection `n`, with the kid of its key.
static void answer(struct world *w, size_t n, size_t signer)
{
    char kid[BASE64URL_ENCODED(32)];
    uint8_t thumbprint[32];
    struct pki_feed_ask asked;
    struct buf batch, text;
    struct span got = span_str(rig_shard_got(&w->rig, n)), query;
    assert_true(is_asked(w, n));
    span_cut(&got, '?');
    query = span_cut(&got, ' ');
    assert_true(pki_feed_ask_read(query, &asked));
    rig_shard_forget(&w->rig, n);
    pki_key_thumbprint(w->signers[signer], thumbprint);
    struct pki_feed_signer s = { .iss = SPAN(ISS), .key = w->signers[signer], .alg = PKI_ES256 };
    s.kid = span_of(kid, base64url_encode(span_of(thumbprint, sizeof thumbprint), kid));
    buf_init(&batch, 0);
    buf_init(&text, 0);
    assert_int_equal(0, pki_feed_make(w->store, &asked, &s, gw_core_now_s(&w->rig.core), &batch, NULL));
    buf_printf(&text, "HTTP/1.1 200 OK\r\nContent-Type: application/jwt\r\nContent-Length: %zu\r\n\r\n%.*s",
               buf_len(&batch), SPAN_FMT(buf_span(&batch)));
    buf_byte(&text, '\0');
    rig_shard_say(&w->rig, n, buf_span(&text).p);
    buf_fini(&batch);
    buf_fini(&text);
}

static void look(struct world *w)
{
    struct pki_revoked *set;
    struct gw_revoked_term *term;
    if (!gw_follower_look(w->follower, &set, &term))
        return;
    pki_revoked_unref(w->set);
    gw_revoked_term_unref(w->term);
    w->set = set;
    w->term = term;
}

static bool is_fresh(struct world *w)
{
    look(w);
    return w->rig.core.now.mono_ms < atomic_load(&w->term->until_ms);
}

// With keys, and asked for the first time on connection 1.
static void follow(struct world *w)
{
    rig_sleep(&w->rig, 100);
    publish(w, 0, 1);
    name_feed(snapshot(w), &w->config);
    gw_follower_adopt(w->follower, snapshot(w));
    rig_sleep(&w->rig, 100);
    assert_true(is_asked(w, 1));
}

// Nobody brings a token of the new key, so that nobody else asks for it.
static void an_authority_that_had_to_change_its_key_at_once_is_understood_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    follow(&w);
    answer(&w, 1, 0);
    assert_true(is_fresh(&w));
    answer(&w, 1, 1);
    assert_int_equal(1, w.rung);
    gw_issuer_keys_rung(w.keys);
    rig_run(&w.rig);
    publish(&w, 2, 2);
    rig_sleep(&w.rig, 1000);
    struct pki_revoked_entry e = { .kind = PKI_REVOKED_JTI, .value = SPAN("a"), .revoked_s = 5 };
    assert_int_equal(0, pki_revoked_store_add(w.store, &e, 1, gw_core_now_s(&w.rig.core)));
    answer(&w, 1, 1);
    assert_true(is_fresh(&w));
    assert_int_equal(1, pki_revoked_count(w.set));
    assert_int_equal(1, w.rung);
    world_fini(&w);
}

static void the_parts_of_a_large_set_follow_one_another_without_a_pause(void **state)
{
    enum { N = 4 * PKI_FEED_CHANGES };
    static char names[N][16];
    static struct pki_revoked_entry many[N];
    (void)state;
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "n%zu", i);
        many[i] = (struct pki_revoked_entry){ .kind = PKI_REVOKED_JTI, .value = span_str(names[i]), .revoked_s = 5 };
    }
    assert_int_equal(0, pki_revoked_store_add(w.store, many, N, 5));
    follow(&w);
    for (int i = 0; i < 4; i++)
        answer(&w, 1, 0); // which asserts that it was asked, and no time passes in between
    assert_true(is_fresh(&w));
    assert_int_equal(N, pki_revoked_count(w.set));
    world_fini(&w);
}

// Each reload begins with another connection, and ends the question that the authority lets wait.
static void reloads_without_end_do_not_make_the_set_stale(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    follow(&w);
    answer(&w, 1, 0);
    for (size_t n = 2; n < 8; n++) {
        rig_sleep(&w.rig, MAX_STALE_MS / 5);
        assert_true(is_asked(&w, n - 1)); // and waits
        gw_follower_adopt(w.follower, snapshot(&w));
        rig_sleep(&w.rig, 100);
        assert_true(has(rig_shard_got(&w.rig, n), "&wait=0"));
        answer(&w, n, 0);
        assert_true(is_fresh(&w));
    }
    world_fini(&w);
}

static void a_feed_elsewhere_does_not_make_a_stale_set_fresh(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    follow(&w);
    answer(&w, 1, 0);
    assert_true(is_fresh(&w));
    w.other = *snapshot(&w);
    name_feed(&w.other, &w.elsewhere);
    w.other.refs = 1000; // it is no snapshot of its own, and not to be freed as one
    // While it is fresh, a reload takes nothing away, and adds nothing either.
    rig_sleep(&w.rig, MAX_STALE_MS - 5000);
    gw_follower_adopt(w.follower, &w.other);
    assert_true(is_fresh(&w));
    rig_sleep(&w.rig, 6000);
    assert_false(is_fresh(&w));
    gw_follower_adopt(w.follower, snapshot(&w));
    assert_false(is_fresh(&w));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_authority_that_had_to_change_its_key_at_once_is_understood_again),
        cmocka_unit_test(the_parts_of_a_large_set_follow_one_another_without_a_pause),
        cmocka_unit_test(reloads_without_end_do_not_make_the_set_stale),
        cmocka_unit_test(a_feed_elsewhere_does_not_make_a_stale_set_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

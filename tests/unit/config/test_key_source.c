// SPDX-License-Identifier: GPL-3.0-or-later
// When an issuer's keys are fetched, what is asked, and what is made of the answers.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/base/base64url.h"
#include "gateway/config/key_bell.h"
#include "gateway/config/key_source.h"
#include "tests/support/jose.h"

#define ISS "https://idp.example/tenant"
#define MINUTE INT64_C(60000)

struct world {
    struct gw_config_issuer config;
    struct gw_key_source *s;
    struct clock_now now;
    struct pki_key *keys[3];
    char *jwk[3];
};

static void world_init(struct world *w, enum gw_config_discovery discovery)
{
    *w = (struct world){
        .config = {
            .issuer = { .v = SPAN(ISS) },
            .keys = { .url = { .v = SPAN("https://idp.example/tenant/keys?a=b") },
                      .endpoint = { .tls = true, .host = SPAN("idp.example"), .port = 443, .authority = SPAN("idp.example") },
                      .target = SPAN("/tenant/keys?a=b") },
            .discovery = discovery,
            .refresh = 10 * MINUTE,
            .max_stale = 24 * 60 * MINUTE,
            .algorithms = PKI_ALG_BIT(PKI_ES256) | PKI_ALG_BIT(PKI_RS256),
        },
        .now = { .wall_ms = INT64_C(1800000000000), .mono_ms = 1000000 },
    };
    if (discovery == GW_DISCOVERY_WELL_KNOWN) {
        w->config.keys.url.v = SPAN(ISS);
        w->config.keys.target = SPAN("/tenant");
    }
    for (size_t i = 0; i < 3; i++) {
        w->keys[i] = pki_key_generate(PKI_KEY_P256, 0);
        w->jwk[i] = jose_jwk(w->keys[i], false);
    }
    w->s = gw_key_source_new(&w->config, 42);
    assert_non_null(w->s);
}

static void world_fini(struct world *w)
{
    gw_key_source_free(w->s);
    for (size_t i = 0; i < 3; i++) {
        pki_key_free(w->keys[i]);
        free(w->jwk[i]);
    }
}

// A set of the first keys from `from` to `to`, each with its number as kid; and `more` behind them.
static struct span set_of(struct world *w, size_t from, size_t to, const char *more)
{
    static char text[4096];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"keys\":[");
    for (size_t i = from; i < to; i++)
        n +=
            (size_t)snprintf(text + n, sizeof text - n, "%s{\"kid\":\"%zu\",%s", i > from ? "," : "", i, w->jwk[i] + 1);
    snprintf(text + n, sizeof text - n, "%s%s]}", to > from && *more ? "," : "", more);
    return span_str(text);
}

static enum gw_key_step take(struct world *w, unsigned status, struct span body)
{
    struct gw_key_question q;
    gw_key_source_ask(w->s, &q);
    return gw_key_source_take(w->s, &(struct gw_key_answer){ .status = status, .body = body }, w->now);
}

static int64_t wait_of(const struct world *w)
{
    return gw_key_source_due_ms(w->s) - w->now.mono_ms;
}

static enum gw_key_step fresh_for(struct world *w, const char *cache_control, const char *age)
{
    struct gw_key_question q;
    const struct gw_key_answer a = {
        .status = 200,
        .body = set_of(w, 0, 1, ""),
        .freshness = { .cache_control = span_str(cache_control), .age = age ? span_str(age) : SPAN_NONE },
    };
    gw_key_source_ask(w->s, &q);
    return gw_key_source_take(w->s, &a, w->now);
}

static bool fault_has(const struct world *w, const char *part)
{
    struct span fault = gw_key_source_fault(w->s);
    bool has = !span_is_none(fault) && strstr(fault.p, part);
    if (!has)
        print_message("said: %.*s\nwant: %s\n", (int)fault.n, span_is_none(fault) ? "" : fault.p, part);
    return has;
}

// ----------------------------------------------------------------------------------------------------------- when

static void the_first_fetch_is_due_at_once(void **state)
{
    struct world w;
    struct gw_key_question q;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    assert_true(gw_key_source_due_ms(w.s) <= 0);
    assert_int_equal(gw_key_source_count(w.s), 0);
    gw_key_source_ask(w.s, &q);
    assert_true(q.tls && q.port == 443 && strcmp(q.host, "idp.example") == 0);
    assert_true(span_eq(q.target, SPAN("/tenant/keys?a=b")) && span_is_none(q.etag));
    world_fini(&w);
}

static void cache_headers_count_within_bounds(void **state)
{
    static const struct {
        const char *cache_control, *age;
        int64_t low, high;
    } rows[] = {
        { "max-age=300", NULL, 270000, 300000 },
        { "public, max-age=\"300\"", "100", 180000, 200000 },
        { "max-age=5", NULL, 30000, 30000 }, // not for every token
        { "no-store", NULL, 30000, 30000 },  //
        { "max-age=300, no-cache", NULL, 30000, 30000 },
        { "max-age=x", NULL, 30000, 30000 },       // invalid is stale
        { "max-age=300", "400", 30000, 30000 },    // older than it may be
        { "max-age=86400", NULL, 540000, 600000 }, // `refresh` is the most
        { "max-age=99999999999999999999", NULL, 30000, 600000 },
        { "private", NULL, 540000, 600000 }, // says nothing
    };
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh_for(&w, rows[i].cache_control, rows[i].age);
        if (wait_of(&w) < rows[i].low || wait_of(&w) > rows[i].high)
            fail_msg("%s: %lld ms", rows[i].cache_control, (long long)wait_of(&w));
    }
    world_fini(&w);
}

static void a_date_says_how_long_too(void **state)
{
    struct gw_freshness f = { .expires = SPAN("Sun, 06 Nov 1994 08:54:37 GMT"),
                              .date = SPAN("Sun, 06 Nov 1994 08:49:37 GMT") };
    int64_t at;
    (void)state;
    assert_true(gw_http_date_parse(f.date, &at));
    assert_int_equal(at, 784111777);
    assert_int_equal(gw_freshness_s(&f), 300);
    f.age = SPAN("60");
    assert_int_equal(gw_freshness_s(&f), 240);
    f.cache_control = SPAN("max-age=10"); // wins
    f.age = SPAN_NONE;
    assert_int_equal(gw_freshness_s(&f), 10);
    f.cache_control = SPAN_NONE;
    f.expires = SPAN("0");
    assert_int_equal(gw_freshness_s(&f), 0);
    f.expires = SPAN("Sun, 31 Feb 1994 08:49:37 GMT");
    assert_int_equal(gw_freshness_s(&f), 0);
    assert_int_equal(gw_freshness_s(&(struct gw_freshness){ .age = SPAN("3") }), -1);
    assert_false(gw_http_date_parse(SPAN("Sunday, 06-Nov-94 08:49:37 GMT"), &at));
}

static void refresh_keeps_ahead_of_max_stale(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    w.config.max_stale = 60000;
    w.config.refresh = 30000;
    gw_key_source_set(w.s, &w.config);
    fresh_for(&w, "max-age=600", NULL);
    assert_true(wait_of(&w) <= 20000);
    assert_true(wait_of(&w) >= 18000);
    world_fini(&w);
}

static void jitter_spreads_gateways_that_began_together(void **state)
{
    struct world w;
    int64_t seen[16];
    size_t different = 0;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    for (size_t i = 0; i < 16; i++) {
        struct gw_key_source *s = w.s;
        w.s = gw_key_source_new(&w.config, 1000003 * (i + 1));
        fresh_for(&w, "max-age=500", NULL);
        seen[i] = wait_of(&w);
        assert_true(seen[i] >= 450000 && seen[i] <= 500000);
        bool before = false;
        for (size_t k = 0; k < i; k++)
            before = before || seen[k] == seen[i];
        different += !before;
        gw_key_source_free(w.s);
        w.s = s;
    }
    assert_true(different >= 12);
    world_fini(&w);
}

static void failures_are_tried_again_ever_less_often(void **state)
{
    struct world w;
    struct gw_key_question q;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    int64_t most = 1000;
    for (int i = 0; i < 100; i++) {
        gw_key_source_ask(w.s, &q);
        assert_int_equal(
            gw_key_source_take(w.s, &(struct gw_key_answer){ .error = ERR_SHARD_CONNECT, .what = "gone" }, w.now),
            GW_KEYS_FAILED);
        if (wait_of(&w) < most / 2 || wait_of(&w) > most)
            fail_msg("after %d failures: %lld ms of %lld", i + 1, (long long)wait_of(&w), (long long)most);
        most = most * 2 < 60000 ? most * 2 : 60000;
    }
    assert_true(fault_has(&w, "https://idp.example/tenant/keys?a=b: gone"));
    // One that is good begins anew.
    assert_int_equal(take(&w, 200, set_of(&w, 0, 1, "")), GW_KEYS_NEW);
    assert_true(span_is_none(gw_key_source_fault(w.s)));
    assert_int_equal(take(&w, 500, SPAN("")), GW_KEYS_FAILED);
    assert_true(wait_of(&w) <= 1000);
    // A server that asks for more patience gets some.
    gw_key_source_ask(w.s, &q);
    gw_key_source_take(w.s, &(struct gw_key_answer){ .status = 503, .retry_after = SPAN("120") }, w.now);
    assert_int_equal(wait_of(&w), 120000);
    gw_key_source_ask(w.s, &q);
    gw_key_source_take(w.s, &(struct gw_key_answer){ .status = 429, .retry_after = SPAN("99999999") }, w.now);
    assert_int_equal(wait_of(&w), 300000);
    world_fini(&w);
}

static void a_clock_that_is_set_back_makes_no_key_younger(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    assert_int_equal(take(&w, 200, set_of(&w, 0, 1, "")), GW_KEYS_NEW);
    int64_t read_s = gw_key_source_read_s(w.s);
    uint64_t version = gw_key_source_version(w.s);
    assert_int_equal(read_s, w.now.wall_ms / 1000);
    // Both go on as they should.
    w.now.wall_ms += 10 * MINUTE;
    w.now.mono_ms += 10 * MINUTE;
    assert_int_equal(take(&w, 500, SPAN("")), GW_KEYS_FAILED);
    assert_int_equal(gw_key_source_read_s(w.s), read_s);
    assert_int_equal(gw_key_source_version(w.s), version);
    // In the outage, an hour back: ten minutes and a bit is what they are old.
    w.now.wall_ms -= 60 * MINUTE;
    w.now.mono_ms += 1000;
    assert_int_equal(take(&w, 500, SPAN("")), GW_KEYS_FAILED);
    assert_int_equal(w.now.wall_ms / 1000 - gw_key_source_read_s(w.s), 601);
    assert_int_equal(gw_key_source_version(w.s), version + 1);
    // Ahead: they look older than they are, until an answer comes.
    read_s = gw_key_source_read_s(w.s);
    w.now.wall_ms += 120 * MINUTE;
    assert_int_equal(take(&w, 500, SPAN("")), GW_KEYS_FAILED);
    assert_int_equal(gw_key_source_read_s(w.s), read_s);
    assert_int_equal(gw_key_source_version(w.s), version + 1);
    world_fini(&w);
}

static size_t rung;
static void on_rung(void *ctx)
{
    (void)ctx;
    rung++;
}

static void an_unknown_kid_asks_once_however_many_requests(void **state)
{
    (void)state;
    rung = 0;
    struct gw_key_bell *b = gw_key_bell_new(10000, on_rung, NULL);
    assert_non_null(b);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(gw_key_bell_ring(b, 0, 5000 + i), 1);
    assert_int_equal(rung, 1);
    assert_int_equal(gw_key_bell_rung(b), 1);
    // The refetch has ended: for a while there is no other, and nobody waits.
    for (int i = 0; i < 1000; i++)
        assert_int_equal(gw_key_bell_ring(b, 1, 14999), 0);
    assert_int_equal(rung, 1);
    assert_int_equal(gw_key_bell_ring(b, 1, 15000), 2);
    assert_int_equal(gw_key_bell_ring(b, 1, 15001), 2);
    // A loop that has not heard of the end yet waits for what ended: it is told at once.
    assert_int_equal(gw_key_bell_ring(b, 0, 15001), 2);
    assert_int_equal(rung, 2);
    gw_key_bell_unref(b);
}

// ---------------------------------------------------------------------------------------------------------- answers

static void what_did_not_change_is_read_again(void **state)
{
    struct world w;
    struct gw_key_question q;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    gw_key_source_ask(w.s, &q);
    struct gw_key_answer a = { .status = 200, .body = set_of(&w, 0, 2, ""), .etag = SPAN("\"one\"") };
    assert_int_equal(gw_key_source_take(w.s, &a, w.now), GW_KEYS_NEW);
    uint64_t version = gw_key_source_version(w.s);
    w.now.wall_ms += 5000;
    gw_key_source_ask(w.s, &q);
    assert_true(span_eq(q.etag, SPAN("\"one\"")));
    assert_int_equal(gw_key_source_take(w.s, &(struct gw_key_answer){ .status = 304 }, w.now), GW_KEYS_SAME);
    assert_int_equal(gw_key_source_read_s(w.s), w.now.wall_ms / 1000);
    assert_true(gw_key_source_version(w.s) != version); // its age is news
    assert_int_equal(gw_key_source_count(w.s), 2);
    assert_int_equal(take(&w, 200, set_of(&w, 0, 2, "")), GW_KEYS_SAME);
    assert_int_equal(take(&w, 200, set_of(&w, 1, 3, "")), GW_KEYS_NEW);
    world_fini(&w);
}

static void nothing_unmodified_is_believed_before_something_was_read(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    assert_int_equal(take(&w, 304, SPAN("")), GW_KEYS_FAILED);
    assert_int_equal(gw_key_source_count(w.s), 0);
    world_fini(&w);
}

static void a_redirect_is_not_followed(void **state)
{
    static const unsigned statuses[] = { 301, 302, 303, 307, 308 };
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(take(&w, statuses[i], set_of(&w, 0, 1, "")), GW_KEYS_FAILED);
        assert_true(fault_has(&w, "redirect"));
    }
    assert_int_equal(gw_key_source_count(w.s), 0);
    world_fini(&w);
}

// Of what a set is refused for, each with the good key 0 beside it.
static void check_unusable(struct world *w, const char *bad, const char *why)
{
    assert_int_equal(take(w, 200, set_of(w, 0, 1, bad)), GW_KEYS_FAILED);
    assert_true(fault_has(w, why));
    assert_int_equal(gw_key_source_count(w->s), 2); // the last good ones stay
}

static int left(struct world *w, size_t key)
{
    const struct pki_issuer issuer = { .iss = SPAN(ISS), .fetched = true };
    uint8_t thumbprint[32];
    struct pki_key_view *v = pki_key_view_new();
    assert_int_equal(gw_key_source_put(w->s, &w->config, v), 0);
    pki_key_thumbprint(w->keys[key], thumbprint);
    int rc = pki_key_view_check(v, &issuer, thumbprint, w->now.wall_ms / 1000);
    pki_key_view_free(v);
    return rc;
}

static void a_set_that_is_no_use_leaves_the_last_good_keys_and_takes_what_it_lacks(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    assert_int_equal(take(&w, 200, set_of(&w, 0, 2, "")), GW_KEYS_NEW);
    // No set at all takes nothing.
    assert_int_equal(take(&w, 200, SPAN("<html>")), GW_KEYS_FAILED);
    assert_int_equal(take(&w, 200, SPAN("{\"keys\":7}")), GW_KEYS_FAILED);
    assert_int_equal(left(&w, 0), 0);
    assert_int_equal(left(&w, 1), 0);
    uint64_t version = gw_key_source_version(w.s);
    check_unusable(&w, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"x\",\"x\":\"AA\",\"y\":\"AA\"}", "keys[1]");
    assert_true(gw_key_source_version(w.s) != version);
    assert_int_equal(left(&w, 0), 0);
    assert_int_equal(left(&w, 1), ERR_TOKEN_REVOKED);
    // And it stays out, until a set that can be used has it again.
    struct span both = set_of(&w, 0, 2, "{\"kty\":\"EC\"}");
    assert_int_equal(take(&w, 200, both), GW_KEYS_FAILED);
    assert_int_equal(left(&w, 1), ERR_TOKEN_REVOKED);
    assert_int_equal(take(&w, 200, set_of(&w, 0, 2, "")), GW_KEYS_SAME);
    assert_int_equal(left(&w, 1), 0);
    // Empty is well formed, and says that there are none.
    assert_int_equal(take(&w, 200, SPAN("{\"keys\":[]}")), GW_KEYS_FAILED);
    assert_int_equal(left(&w, 0), ERR_TOKEN_REVOKED);
    world_fini(&w);
}

static void bad_keys_are_refused_with_bounded_work(void **state)
{
    struct world w;
    char modulus[2048], text[4096], n[BASE64URL_ENCODED(sizeof modulus) + 1];
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    assert_int_equal(take(&w, 200, set_of(&w, 0, 2, "")), GW_KEYS_NEW);
    memset(modulus, 0xff, sizeof modulus);
    n[base64url_encode(span_of(modulus, sizeof modulus), n)] = '\0';
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    snprintf(text, sizeof text, "{\"kty\":\"RSA\",\"kid\":\"huge\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\"%s\"}", n);
    check_unusable(&w, text, "keys[1]"); // 16,384 bits
    check_unusable(&w,
                   "{\"kty\":\"EC\",\"kid\":\"odds\",\"alg\":\"RS256\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-"
                   "34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\",\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\"}",
                   "`alg`"); // at odds with kty
    check_unusable(&w,
                   "{\"kty\":\"EC\",\"kid\":\"off\",\"alg\":\"ES256\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-"
                   "34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\",\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDE\"}",
                   "keys[1]"); // off the curve
    check_unusable(&w, "{\"kty\":\"oct\",\"kid\":\"s\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
                   "private or symmetric");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_true(after.tv_sec - before.tv_sec < 2);
    assert_int_equal(left(&w, 0), 0);
    // More keys than a set may have.
    struct buf many;
    buf_init(&many, 0);
    buf_printf(&many, "{\"keys\":[0");
    for (int i = 0; i < 200; i++)
        buf_printf(&many, ",0");
    buf_printf(&many, "]}");
    assert_int_equal(take(&w, 200, buf_span(&many)), GW_KEYS_FAILED);
    assert_true(fault_has(&w, "more than 128 keys"));
    buf_fini(&many);
    world_fini(&w);
}

static void another_set_of_algorithms_reads_the_kept_text_anew(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_NONE);
    assert_int_equal(take(&w, 200, set_of(&w, 0, 2, "")), GW_KEYS_NEW);
    struct gw_config_issuer other = w.config;
    other.algorithms = PKI_ALG_BIT(PKI_ES256);
    struct pki_jwks *keys = gw_key_source_keys(w.s, &other);
    assert_non_null(keys);
    assert_int_equal(pki_jwks_count(keys), 2);
    pki_jwks_free(keys);
    gw_key_source_set(w.s, &other);
    assert_int_equal(gw_key_source_count(w.s), 2);
    assert_true(wait_of(&w) > 0);
    // None of these fits any more: it is fetched again at once, whole.
    other.algorithms = PKI_ALG_BIT(PKI_EDDSA);
    gw_key_source_set(w.s, &other);
    assert_int_equal(gw_key_source_count(w.s), 0);
    assert_true(gw_key_source_due_ms(w.s) <= 0);
    world_fini(&w);
}

// -------------------------------------------------------------------------------------------------------- discovery

static void expect_target(struct world *w, const char *host, const char *target)
{
    struct gw_key_question q;
    gw_key_source_ask(w->s, &q);
    assert_string_equal(q.host, host);
    if (!span_eq(q.target, span_str(target)))
        fail_msg("%.*s, not %s", SPAN_FMT(q.target), target);
}

static void metadata_are_where_rfc8414_puts_them_or_else_openid(void **state)
{
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_WELL_KNOWN);
    expect_target(&w, "idp.example", "/.well-known/oauth-authorization-server/tenant");
    assert_int_equal(take(&w, 404, SPAN("")), GW_KEYS_MORE);
    expect_target(&w, "idp.example", "/tenant/.well-known/openid-configuration");
    assert_int_equal(take(&w, 200, SPAN("{\"issuer\":\"" ISS "\",\"jwks_uri\":\"https://keys.example:8443/k?x=1\"}")),
                     GW_KEYS_MORE);
    expect_target(&w, "keys.example", "/k?x=1");
    assert_int_equal(take(&w, 200, set_of(&w, 0, 1, "")), GW_KEYS_NEW);
    // The next round knows where the keys are, for an hour …
    expect_target(&w, "keys.example", "/k?x=1");
    w.now.mono_ms += 60 * MINUTE;
    assert_int_equal(take(&w, 200, set_of(&w, 0, 1, "")), GW_KEYS_SAME);
    expect_target(&w, "idp.example", "/.well-known/oauth-authorization-server/tenant");
    assert_int_equal(take(&w, 200, SPAN("{\"issuer\":\"" ISS "\",\"jwks_uri\":\"https://keys.example/\"}")),
                     GW_KEYS_MORE);
    // … or until they are not there.
    assert_int_equal(take(&w, 404, SPAN("")), GW_KEYS_FAILED);
    expect_target(&w, "idp.example", "/.well-known/oauth-authorization-server/tenant");
    world_fini(&w);
}

static void metadata_of_another_issuer_are_refused(void **state)
{
    static const char *const others[] = { ISS "/", "https://idp.example", "https://IDP.example/tenant",
                                          "https://evil.example/tenant", "" };
    char text[512];
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_WELL_KNOWN);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, "{\"issuer\":\"%s\",\"jwks_uri\":\"https://idp.example/k\"}", others[i]);
        assert_int_equal(take(&w, 200, span_str(text)), GW_KEYS_FAILED);
        assert_true(fault_has(&w, "`issuer` is not the issuer"));
    }
    assert_int_equal(take(&w, 200, SPAN("{\"jwks_uri\":\"https://idp.example/k\"}")), GW_KEYS_FAILED);
    assert_int_equal(take(&w, 200, SPAN("[]")), GW_KEYS_FAILED);
    assert_int_equal(take(&w, 200, SPAN("{\"issuer\":\"" ISS "\",\"issuer\":\"" ISS "\"}")), GW_KEYS_FAILED);
    assert_int_equal(take(&w, 302, SPAN("")), GW_KEYS_FAILED);
    world_fini(&w);
}

static void keys_are_at_an_https_url_or_nowhere(void **state)
{
    static const char *const uris[] = { "http://idp.example/k",   "http://127.0.0.1/k",
                                        "file:///etc/passwd",     "/k",
                                        "https://u@idp.example/", "https://",
                                        "https://idp.example/#f", "https://idp.example/a b" };
    char text[512];
    struct world w;
    (void)state;
    world_init(&w, GW_DISCOVERY_WELL_KNOWN);
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        snprintf(text, sizeof text, "{\"issuer\":\"" ISS "\",\"jwks_uri\":\"%s\"}", uris[i]);
        if (take(&w, 200, span_str(text)) != GW_KEYS_FAILED)
            fail_msg("%s was accepted", uris[i]);
        assert_true(fault_has(&w, "`jwks_uri`"));
    }
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_fetch_is_due_at_once),
        cmocka_unit_test(cache_headers_count_within_bounds),
        cmocka_unit_test(a_date_says_how_long_too),
        cmocka_unit_test(refresh_keeps_ahead_of_max_stale),
        cmocka_unit_test(jitter_spreads_gateways_that_began_together),
        cmocka_unit_test(failures_are_tried_again_ever_less_often),
        cmocka_unit_test(a_clock_that_is_set_back_makes_no_key_younger),
        cmocka_unit_test(an_unknown_kid_asks_once_however_many_requests),
        cmocka_unit_test(what_did_not_change_is_read_again),
        cmocka_unit_test(nothing_unmodified_is_believed_before_something_was_read),
        cmocka_unit_test(a_redirect_is_not_followed),
        cmocka_unit_test(a_set_that_is_no_use_leaves_the_last_good_keys_and_takes_what_it_lacks),
        cmocka_unit_test(bad_keys_are_refused_with_bounded_work),
        cmocka_unit_test(another_set_of_algorithms_reads_the_kept_text_anew),
        cmocka_unit_test(metadata_are_where_rfc8414_puts_them_or_else_openid),
        cmocka_unit_test(metadata_of_another_issuer_are_refused),
        cmocka_unit_test(keys_are_at_an_https_url_or_nowhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

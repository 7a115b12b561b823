// SPDX-License-Identifier: GPL-3.0-or-later
// Who may speak on the loopback listener, and what of his request goes on.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/base/base64url.h"
#include "gateway/base/json.h"
#include "gateway/connect/caller.h"
#include "gateway/connect/outgoing.h"
#include "gateway/http/h1.h"
#include "pki/digest.h"
#include "pki/dpop.h"
#include "pki/htu.h"

static void parse(const char *text, struct arena *arena, struct gw_request *r, struct gw_target *t)
{
    static const struct gw_target_options options = { .scheme = { "http", 4 }, .any_authority = true };
    struct gw_h1 h;
    size_t used;
    arena_init(arena, 0);
    gw_h1_init_server(&h, &gw_h1_default_limits);
    gw_h1_begin_request(&h, arena, r);
    assert_int_equal(gw_h1_feed(&h, span_str(text), &used), GW_H1_HEAD);
    assert_int_equal(gw_target_of(r, &options, arena, t, NULL), 0);
}

static int check(const char *fields)
{
    struct arena a;
    struct gw_request r;
    struct gw_target t;
    char text[512];
    snprintf(text, sizeof text, "GET /collections HTTP/1.1\r\n%s\r\n", fields);
    parse(text, &a, &r, &t);
    int rc = gw_caller_check(&r, t.authority);
    arena_fini(&a);
    return rc;
}

static void names_of_this_machine_are_loopback_and_no_others(void **state)
{
    (void)state;
    static const char *const good[] = { "localhost",      "localhost:6333", "127.0.0.1", "127.0.0.1:1",
                                        "127.255.0.9:80", "[::1]",          "[::1]:6333" };
    static const char *const bad[] = { "evil.example",
                                       "localhost.evil.example",
                                       "127.0.0.1.evil.example",
                                       "127.0.0",
                                       "127.0.0.256",
                                       "128.0.0.1",
                                       "0.0.0.0",
                                       "[::2]",
                                       "[::1].evil",
                                       "[::ffff:127.0.0.1]",
                                       "xlocalhost",
                                       "",
                                       "127.0.0.1.",
                                       "localhost.",
                                       "2130706433",
                                       "0x7f.0.0.1" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(gw_caller_is_loopback(span_str(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gw_caller_is_loopback(span_str(bad[i])))
            fail_msg("%s counts as loopback", bad[i]);
}

static void a_page_whose_name_was_rebound_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check("host: localhost:6333\r\n"), 0);
    assert_int_equal(check("host: LOCALHOST:6333\r\n"), 0);
    assert_int_equal(check("host: evil.example:6333\r\n"), ERR_CONNECT_HOST);
}

static void whatever_has_an_origin_is_refused(void **state)
{
    (void)state;
    assert_int_equal(check("host: localhost\r\norigin: https://evil.example\r\n"), ERR_CONNECT_ORIGIN);
    assert_int_equal(check("host: localhost\r\norigin: http://localhost\r\n"), ERR_CONNECT_ORIGIN);
    assert_int_equal(check("host: localhost\r\nOrigin:\r\n"), ERR_CONNECT_ORIGIN);
    assert_int_equal(check("host: localhost\r\nsec-fetch-site: cross-site\r\n"), ERR_CONNECT_ORIGIN);
    assert_int_equal(check("host: localhost\r\nsec-fetch-site: same-site\r\n"), ERR_CONNECT_ORIGIN);
    assert_int_equal(check("host: localhost\r\nsec-fetch-site: none\r\nsec-fetch-site: cross-site\r\n"),
                     ERR_CONNECT_ORIGIN);
    // Node's fetch sends this one.
    assert_int_equal(check("host: localhost\r\nsec-fetch-mode: cors\r\n"), 0);
    assert_int_equal(check("host: localhost\r\nsec-fetch-site: none\r\n"), 0);
}

#define TOKEN "aaa.bbb.ccc"
#define REQUEST                                                                                                    \
    "POST /collections/a%2db/points/search?limit=1 HTTP/1.1\r\nhost: localhost:6333\r\ncontent-type: "             \
    "application/json\r\n"                                                                                         \
    "content-length: 2\r\napi-key: LEAK\r\nauthorization: Bearer LEAK\r\nAuthorization: Basic LEAK\r\nx-api-key: " \
    "LEAK\r\n"                                                                                                     \
    "cookie: LEAK\r\ndpop: LEAK\r\nx-chroma-token: LEAK\r\nproxy-authorization: LEAK\r\nx-forwarded-for: LEAK\r\n" \
    "x-request-id: LEAK\r\nforwarded: LEAK\r\nx-unknown: LEAK\r\nconnection: x-unknown\r\ntraceparent: "           \
    "00-1-2-01\r\n\r\n"

static struct span write_it(const struct pki_key *key, struct span nonce, struct arena *a, struct buf *out)
{
    struct gw_request r;
    struct gw_target t;
    struct gw_body body;
    uint8_t ath[32];
    parse(REQUEST, a, &r, &t);
    pki_sha256(SPAN(TOKEN), ath);
    struct gw_outgoing o = { .request = &r,
                             .target = &t,
                             .host = SPAN("gw.example:8443"),
                             .token = SPAN(TOKEN),
                             .ath = ath,
                             .key = key,
                             .nonce = nonce,
                             .now_s = 1700000000 };
    buf_init(out, 0);
    assert_int_equal(gw_outgoing_write(&o, a, out, &body), 0);
    assert_int_equal(body.framing, GW_FRAMING_LENGTH);
    return buf_span(out);
}

static bool holds(struct span text, struct span what)
{
    for (size_t i = 0; i + what.n <= text.n; i++)
        if (memcmp(text.p + i, what.p, what.n) == 0)
            return true;
    return false;
}

static void no_credential_of_the_application_goes_on(void **state)
{
    (void)state;
    struct arena a;
    struct buf out;
    struct span head = write_it(NULL, SPAN_NONE, &a, &out);
    assert_false(holds(head, SPAN("LEAK")));
    assert_true(
        span_starts(head, SPAN("POST /collections/a-b/points/search?limit=1 HTTP/1.1\r\nhost: gw.example:8443\r\n")));
    assert_true(holds(head, SPAN("\r\nauthorization: Bearer " TOKEN "\r\n")));
    assert_true(holds(head, SPAN("\r\ntraceparent: 00-1-2-01\r\n")));
    assert_false(holds(head, SPAN("\r\ndpop:")));
    buf_fini(&out);
    arena_fini(&a);
}

// What a gateway would make of the proof of `head`.
static int verify(struct span head, struct arena *a, struct pki_proof *proof)
{
    static const char mark[] = "\r\ndpop: ";
    size_t at = 0;
    while (memcmp(head.p + at, mark, sizeof mark - 1) != 0)
        at++;
    struct span rest = span_sub(head, at + sizeof mark - 1, head.n);
    struct span text = span_cut(&rest, '\r');
    uint8_t ath[32];
    pki_sha256(SPAN(TOKEN), ath);
    struct pki_dpop_params params = { .algs = PKI_ALG_BIT(PKI_ES256), .window_ms = 60000, .ahead_ms = 1000 };
    struct pki_dpop_request request = { .method = SPAN("POST"),
                                        .htu = pki_htu_normalise_dup(
                                            a, SPAN("https://gw.example:8443/collections/a-b/points/search")),
                                        .ath = ath,
                                        .now_ms = 1700000000000 };
    return pki_dpop_verify(&params, &request, text, NULL, a, NULL, proof);
}

static void every_try_has_a_proof_of_its_own_for_the_gateways_url(void **state)
{
    (void)state;
    struct pki_key *key = pki_key_generate(PKI_KEY_P256, 0);
    struct arena a[2];
    struct buf out[2];
    struct pki_proof proof[2];
    for (int i = 0; i < 2; i++) {
        struct span head = write_it(key, SPAN_NONE, &a[i], &out[i]);
        assert_true(holds(head, SPAN("\r\nauthorization: DPoP " TOKEN "\r\n")));
        assert_int_equal(verify(head, &a[i], &proof[i]), 0);
    }
    assert_false(span_eq(proof[0].jti, proof[1].jti));
    for (int i = 0; i < 2; i++) {
        pki_proof_fini(&proof[i]);
        buf_fini(&out[i]);
        arena_fini(&a[i]);
    }
    pki_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_this_machine_are_loopback_and_no_others),
        cmocka_unit_test(a_page_whose_name_was_rebound_is_refused),
        cmocka_unit_test(whatever_has_an_origin_is_refused),
        cmocka_unit_test(no_credential_of_the_application_goes_on),
        cmocka_unit_test(every_try_has_a_proof_of_its_own_for_the_gateways_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

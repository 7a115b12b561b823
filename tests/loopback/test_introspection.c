// SPDX-License-Identifier: GPL-3.0-or-later
// Opaque tokens through the whole gateway: requests that wait for an issuer's answer, and what becomes of them. The introspection server is played by
// the test, like the shard: connections are numbered in the order the gateway made them.
#include "tests/support/exchange.h"

#include "gateway/base/base64url.h"
#include "gateway/base/file.h"
#include "pki/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOKEN "aB3~opaque/token+0001="
#define OTHER "aB3~opaque/token+0002="

struct world {
    struct rig r;
    char dir[64];
};

// `more` stands behind the other keys of `introspection`.
static void world_init(struct world *w, const char *more)
{
    char path[96], issuers[1024];
    strcpy(w->dir, "/tmp/sallyport-introspection-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(path, sizeof path, "%s/secret", w->dir);
    assert_int_equal(0, file_write(path, SPAN("s3cr:et/+ \n"), 0600));
    snprintf(issuers, sizeof issuers,
             "  - name: asked\n"
             "    issuer: https://asked.test\n"
             "    audiences: [vectors]\n"
             "    binding: either\n"
             "    scopes: { read: [readonly] }\n"
             "    asserts: { trust_domains: [example.org] }\n"
             "    introspection: { url: \"http://127.0.0.1:9/introspect?v=1\", client_id: \"gate:way\", "
             "client_secret_file: %s%s%s }\n",
             path, more ? ", " : "", more ? more : "");
    rig_init_issuers(&w->r, issuers, NULL);
}

static void world_fini(struct world *w)
{
    char command[128];
    rig_fini(&w->r);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(0, system(command));
}

static uint64_t counted(const struct world *w, enum gw_metric which)
{
    return w->r.metrics.value[which];
}

// A read with an opaque token, bound to the rig's DPoP key (`dpop`) or sent as Bearer.
static void ask_with(struct rig_client *c, const char *token, bool dpop)
{
    char *credentials = dpop ? rig_credentials(c->rig, token, "POST", COUNT) : NULL, request[8192];
    snprintf(request, sizeof request,
             "POST " COUNT " HTTP/1.1\r\nHost: " RIG_AUTHORITY "\r\n%s%s%sContent-Type: application/json\r\n"
             "Content-Length: 2\r\n\r\n{}",
             dpop ? credentials : "Authorization: Bearer ", dpop ? "" : token, dpop ? "" : "\r\n");
    free(credentials);
    rig_send(c, request);
    rig_run(c->rig);
}

static void hash_text(const uint8_t hash[static 32], char out[static 44])
{
    out[base64url_encode(span_of(hash, 32), out)] = '\0';
}

static void jkt_of(struct rig *r, char out[static 44])
{
    uint8_t jkt[32];
    pki_key_thumbprint(r->dpop, jkt);
    hash_text(jkt, out);
}

static void x5t_of(struct rig *r, const char *name, char out[static 44])
{
    uint8_t sha256[32];
    struct buf der = certs_der(&r->certs, name);
    pki_sha256(buf_span(&der), sha256);
    buf_fini(&der);
    hash_text(sha256, out);
}

// The server says this on connection `n`.
static void say_json(struct world *w, size_t n, const char *text)
{
    char answer[2048];
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(text), text);
    rig_shard_forget(&w->r, n);
    rig_shard_say(&w->r, n, answer);
}

// Active, for `workload`, with this cnf (JSON).
static void say_active(struct world *w, size_t n, const char *workload, const char *cnf)
{
    char text[1024];
    long now_s = (long)gw_core_now_s(&w->r.core);
    snprintf(
        text, sizeof text,
        "{\"active\":true,\"iss\":\"https://asked.test\",\"sub\":\"%s\",\"client_id\":\"c1\",\"aud\":[\"vectors\"],"
        "\"jti\":\"" TOKEN "\",\"iat\":%ld,\"exp\":%ld,\"scope\":\"read\",\"cnf\":%s}",
        workload, now_s, now_s + 600, cnf);
    say_json(w, n, text);
}

static void say_bound(struct world *w, size_t n)
{
    char jkt[44], cnf[80];
    jkt_of(&w->r, jkt);
    snprintf(cnf, sizeof cnf, "{\"jkt\":\"%s\"}", jkt);
    say_active(w, n, RIG_RAG, cnf);
}

static void rule_17_an_opaque_token_bound_to_a_dpop_key_is_asked_about_once_and_works(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    assert_int_equal(w.r.n_shards, 1);
    const char *got = rig_shard_got(&w.r, 0);
    assert_true(has(got, "POST /introspect?v=1 HTTP/1.1\r\n"));
    assert_true(has(got, "host: 127.0.0.1:9\r\n"));
    assert_true(has(got, "content-type: application/x-www-form-urlencoded\r\n"));
    // RFC 6749 §2.3.1: gate%3Away:s3cr%3Aet%2F%2B%20
    assert_true(has(got, "authorization: Basic Z2F0ZSUzQXdheTpzM2NyJTNBZXQlMkYlMkIlMjA=\r\n"));
    assert_true(has(got, "\r\n\r\ntoken=aB3~opaque%2Ftoken%2B0001%3D&token_type_hint=access_token"));
    assert_false(has(got, "client_id"));
    assert_string_equal(rig_received(&c), "");
    say_bound(&w, 0);
    assert_int_equal(w.r.n_shards, 2);
    assert_true(has(rig_shard_got(&w.r, 1), "POST " COUNT " HTTP/1.1\r\n"));
    assert_false(has(rig_shard_got(&w.r, 1), "opaque"));
    rig_shard_say(&w.r, 1, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    // From memory, with another proof.
    ask_with(&c, TOKEN, true);
    assert_string_equal(rig_shard_got(&w.r, 0), "");
    rig_shard_say(&w.r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 1);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_CACHED), 1);
    // The record names who it was, and the token is nowhere in it, although the server repeats it as its jti.
    assert_true(rig_audited(&w.r, "\"subject\":\"" RIG_RAG "\""));
    assert_true(rig_audited(&w.r, "\"jti\":\"sha256:"));
    assert_int_equal(rig_audit_lines(&w.r, "opaque"), 0);
    rig_client_fini(&c);
    world_fini(&w);
}

static void rule_17_an_opaque_token_bound_to_a_certificate_works_with_that_one_only(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c, thief;
    char x5t[44], cnf[80];
    world_init(&w, NULL);
    x5t_of(&w.r, "rag", x5t);
    snprintf(cnf, sizeof cnf, "{\"x5t#S256\":\"%s\"}", x5t);
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, false);
    say_active(&w, 0, RIG_RAG, cnf);
    rig_shard_say(&w.r, 1, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    // Stolen: what the loop remembers of it is held to its cnf.
    rig_client_init(&thief, &w.r, "thief");
    ask_with(&thief, TOKEN, false);
    assert_true(has(rig_received(&thief), "401") && has(rig_received(&thief), "\"token_not_yours\""));
    assert_true(rig_audited(&w.r, "CNF_CERTIFICATE"));
    // And what the server says of another one.
    ask_with(&thief, OTHER, false);
    say_active(&w, 0, RIG_THIEF, cnf);
    assert_int_equal(count(rig_received(&thief), "\"token_not_yours\""), 2);
    assert_int_equal(w.r.n_shards, 2);
    rig_client_fini(&thief);
    rig_client_fini(&c);
    world_fini(&w);
}

static void rule_17_what_the_answer_is_bound_to_is_demanded_of_the_request(void **state)
{
    (void)state;
    static const struct {
        const char *workload, *cnf, *code;
        bool dpop;
    } rows[] = {
        { RIG_RAG, "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}", "PROOF_JKT", true },
        { RIG_RAG, "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}", "BOUND_AS_BEARER", false },
        { RIG_RAG, "{\"x5t#S256\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}", "CNF_CERTIFICATE", false },
        { RIG_RAG, "{}", "TOKEN_UNBOUND", false },
        { RIG_RAG, "{\"kid\":\"k\"}", "CNF_UNKNOWN", false },
        { "spiffe://example.org/other", "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}", "TOKEN_WORKLOAD",
          true },
        { "spiffe://elsewhere.org/rag", "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}", "TOKEN_ASSERTS",
          true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct rig_client c;
        char error[64];
        world_init(&w, NULL);
        rig_client_init(&c, &w.r, "rag");
        ask_with(&c, TOKEN, rows[i].dpop);
        say_active(&w, 0, rows[i].workload, rows[i].cnf);
        assert_true(has(rig_received(&c), "HTTP/1.1 401 "));
        snprintf(error, sizeof error, "\"error\":\"%s\"", rows[i].code);
        if (!rig_audited(&w.r, error))
            fail_msg("row %zu is not %s: %s", i, rows[i].code, rig_received(&c));
        assert_int_equal(w.r.n_shards, 1);
        rig_client_fini(&c);
        world_fini(&w);
    }
}

static void an_inactive_token_is_refused_and_not_asked_about_again_for_a_while(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, "refusals: 5s");
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    say_json(&w, 0, "{\"active\":false}");
    assert_true(has(rig_received(&c), "HTTP/1.1 401 ") && has(rig_received(&c), "\"token_inactive\""));
    assert_true(has(rig_received(&c), "error=\"invalid_token\""));
    for (int i = 0; i < 3; i++)
        ask_with(&c, TOKEN, true);
    assert_int_equal(count(rig_received(&c), "\"token_inactive\""), 4);
    assert_string_equal(rig_shard_got(&w.r, 0), "");
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_REFUSED), 3);
    rig_sleep(&w.r, 5100);
    ask_with(&c, TOKEN, true);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 2);
    assert_true(has(rig_shard_got(&w.r, 0), "token=")); // the kept connection
    say_json(&w, 0, "{\"active\":false}");
    assert_int_equal(w.r.n_shards, 1);
    rig_client_fini(&c);
    world_fini(&w);
}

static void many_requests_wait_for_one_answer_and_one_of_them_goes(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c[6];
    world_init(&w, NULL);
    for (size_t i = 0; i < 6; i++) {
        rig_client_init(&c[i], &w.r, "rag");
        ask_with(&c[i], TOKEN, true);
    }
    assert_int_equal(w.r.n_shards, 1);
    assert_int_equal(count(rig_shard_got(&w.r, 0), "token="), 1);
    rig_client_fini(&c[0]); // the one who asked first
    rig_client_fini(&c[3]);
    say_bound(&w, 0);
    for (size_t i = 1; i < w.r.n_shards; i++)
        rig_shard_say(&w.r, i, OK_ANSWER);
    for (size_t i = 1; i < 6; i++) {
        if (i == 3)
            continue;
        assert_true(has(rig_received(&c[i]), "HTTP/1.1 200 OK\r\n"));
        rig_client_fini(&c[i]);
    }
    assert_int_equal(w.r.n_shards, 5);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_JOINED), 5);
    assert_int_equal(rig_audit_lines(&w.r, "CLIENT_GONE"), 2);
    world_fini(&w);
}

static void everybody_may_leave_and_the_answer_harms_nobody(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    rig_client_fini(&c);
    say_bound(&w, 0);
    assert_int_equal(w.r.n_shards, 1);
    // And the process may end while a question is under way.
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, OTHER, true);
    assert_true(has(rig_shard_got(&w.r, 0), "token="));
    rig_client_fini(&c);
    world_fini(&w);
}

static void an_answer_holds_for_its_time_and_then_the_issuer_can_take_it_back(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, "cache: 20s");
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    say_bound(&w, 0);
    rig_shard_say(&w.r, 1, OK_ANSWER);
    rig_sleep(&w.r, 18000);
    ask_with(&c, TOKEN, true);
    rig_shard_say(&w.r, 1, OK_ANSWER);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 200 OK\r\n"), 2);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 1);
    rig_sleep(&w.r, 3000);
    ask_with(&c, TOKEN, true);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 2);
    say_json(&w, 0, "{\"active\":false}");
    assert_true(has(rig_received(&c), "\"token_inactive\""));
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_token_whose_binding_fails_is_not_remembered(void **state)
{
    (void)state;
    struct world w;
    struct rig_client thief;
    world_init(&w, NULL);
    rig_client_init(&thief, &w.r, "thief");
    for (size_t i = 0; i < 2; i++) {
        ask_with(&thief, TOKEN, true);
        say_bound(&w, 0); // rag's
    }
    assert_int_equal(count(rig_received(&thief), "\"token_not_yours\""), 2);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 2);
    rig_client_fini(&thief);
    world_fini(&w);
}

static void what_is_no_answer_is_503_and_nothing_reaches_the_shard(void **state)
{
    (void)state;
    char *long_answer = malloc(70000 + 256);
    size_t n = (size_t)sprintf(long_answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: "
                                            "chunked\r\n\r\n11170\r\n");
    memset(long_answer + n, ' ', 70000);
    long_answer[n + 70000] = '\0';
    const char *const answers[] = {
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"active\":true}",
        "HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n{\"active\":true}",
        "HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"active\":true}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 15\r\n\r\n"
        "{\"active\":true}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"active\":1}\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n{",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "nonsense\r\n\r\n",
        long_answer,
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct world w;
        struct rig_client c;
        world_init(&w, NULL);
        rig_client_init(&c, &w.r, "rag");
        ask_with(&c, TOKEN, true);
        rig_shard_say(&w.r, 0, answers[i]);
        if (!has(rig_received(&c), "HTTP/1.1 503 ") || !has(rig_received(&c), "\"introspection_failed\"") ||
            !has(rig_received(&c), "retry-after: "))
            fail_msg("answer %zu: %s", i, rig_received(&c));
        assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_FAILED), 1);
        assert_true(rig_audited(&w.r, "asked at issuer asked"));
        assert_int_equal(w.r.n_shards, 1);
        // It is not remembered against the token.
        ask_with(&c, TOKEN, true);
        assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 2);
        rig_client_fini(&c);
        world_fini(&w);
    }
    free(long_answer);
}

// Whoever has a token that the server chokes on, or that a filter in front of it takes for an attack, could keep everybody else's from being asked about.
static void a_workload_whose_tokens_provoke_errors_does_not_open_the_breaker_for_others(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        uint64_t open; // breakers, after two of them
    } rows[] = {
        { "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 0 },
        { "HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\nattack", 0 },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n{", 0 },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", 0 },
        { "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", 1 },
        { "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", 1 },
        { "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 1 },
        { "nonsense\r\n\r\n", 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct world w;
        struct rig_client c;
        char token[32];
        world_init(&w, "breaker: { failures: 2, open: 10s }");
        rig_client_init(&c, &w.r, "rag");
        for (int k = 0; k < 2; k++) {
            snprintf(token, sizeof token, "../../etc/passwd-%04d", k);
            ask_with(&c, token, true);
            rig_shard_say(&w.r, w.r.n_shards - 1, rows[i].answer);
            assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), (size_t)k + 1);
        }
        if (counted(&w, GW_METRIC_INTROSPECTION_OPEN) != rows[i].open)
            fail_msg("answer %zu", i);
        assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_FAILED), 2);
        rig_client_fini(&c);
        world_fini(&w);
    }
}

static void a_server_that_is_silent_costs_the_timeout_and_then_nothing(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c, signs;
    char token[32];
    world_init(&w, "timeout: 2s, breaker: { failures: 2, open: 10s }");
    rig_client_init(&c, &w.r, "rag");
    rig_client_init(&signs, &w.r, "rag");
    for (int i = 0; i < 2; i++) {
        snprintf(token, sizeof token, "silent-token-%08d", i);
        ask_with(&c, token, true);
        rig_sleep(&w.r, 1500);
        assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), (size_t)i);
        rig_sleep(&w.r, 1000);
        assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), (size_t)i + 1);
    }
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_OPEN), 1);
    size_t dialled = w.r.n_shards;
    ask_with(&c, TOKEN, true);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 3); // at once
    assert_int_equal(w.r.n_shards, dialled);
    // Tokens that are signed do not care.
    ask(&signs, "POST", COUNT, "{}");
    assert_int_equal(w.r.n_shards, dialled + 1);
    rig_shard_say(&w.r, dialled, OK_ANSWER);
    assert_true(has(rig_received(&signs), "HTTP/1.1 200 OK\r\n"));
    // After its rest one question is tried, and all is well again.
    rig_sleep(&w.r, 10000);
    ask_with(&c, TOKEN, true);
    assert_int_equal(w.r.n_shards, dialled + 2);
    ask_with(&signs, OTHER, true);
    assert_true(has(rig_received(&signs), "HTTP/1.1 503 ")); // not before the probe is answered
    say_bound(&w, dialled + 1);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_OPEN), 0);
    rig_shard_say(&w.r, dialled, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    rig_client_fini(&signs);
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_server_that_cannot_be_reached_is_503_at_once(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    w.r.port_down = 9;
    ask_with(&c, TOKEN, true);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 1);
    w.r.port_down = 0;
    w.r.dial_fails = true; // it fails before the stage has returned to its caller
    ask_with(&c, TOKEN, true);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 503 "), 2);
    w.r.dial_fails = false;
    ask_with(&c, TOKEN, true);
    say_bound(&w, w.r.n_shards - 1);
    rig_shard_say(&w.r, w.r.n_shards - 1, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_kept_connection_that_is_dead_is_replaced_and_nobody_notices(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    say_json(&w, 0, "{\"active\":false}");
    ask_with(&c, OTHER, true);
    rig_shard_close(&w.r, 0);
    rig_run(&w.r);
    assert_int_equal(w.r.n_shards, 2);
    assert_true(has(rig_shard_got(&w.r, 1), "0002"));
    say_bound(&w, 1);
    rig_shard_say(&w.r, 2, OK_ANSWER);
    assert_true(has(rig_received(&c), "HTTP/1.1 200 OK\r\n"));
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_certificate_that_is_revoked_while_the_issuer_is_asked_is_refused(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    rig_revoke(&w.r, "rag");
    say_bound(&w, 0);
    assert_true(has(rig_received(&c), "\"certificate_revoked\""));
    assert_int_equal(w.r.n_shards, 1);
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_new_configuration_forgets_answers_and_refusals_and_waits_for_neither(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c, waiting;
    char path[128];
    struct diags diags;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    rig_client_init(&waiting, &w.r, "rag");
    ask_with(&c, TOKEN, true);
    say_bound(&w, 0);
    rig_shard_say(&w.r, 1, OK_ANSWER);
    ask_with(&c, OTHER, true);
    say_json(&w, 0, "{\"active\":false}");
    ask_with(&waiting, "third-opaque-token", true);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 3);
    diags_init(&diags);
    snprintf(path, sizeof path, "%s/gateway.yaml", w.r.dir);
    struct gw_snapshot *next = gw_snapshot_load(path, 2, gw_core_now_s(&w.r.core), &diags);
    assert_non_null(next);
    assert_int_equal(0, gw_core_adopt(&w.r.core, next));
    diags_fini(&diags);
    // What began under the old one ends under it.
    say_bound(&w, 0);
    size_t n = w.r.n_shards;
    rig_shard_say(&w.r, 1, OK_ANSWER);
    rig_shard_say(&w.r, n - 1, OK_ANSWER);
    assert_true(has(rig_received(&waiting), "HTTP/1.1 200 OK\r\n"));
    ask_with(&c, TOKEN, true);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 4);
    ask_with(&waiting, OTHER, true);
    assert_int_equal(counted(&w, GW_METRIC_INTROSPECTION_ASKED), 5);
    rig_client_fini(&waiting);
    rig_client_fini(&c);
    world_fini(&w);
}

static void a_signed_token_is_never_shown_to_the_introspection_server(void **state)
{
    (void)state;
    struct world w;
    struct rig_client c;
    world_init(&w, NULL);
    rig_client_init(&c, &w.r, "rag");
    char *token = rig_token(&w.r, RIG_RAG, NULL);
    token[strlen(token) - 3] ^= 1; // a signature that does not verify
    ask_with(&c, token, true);
    assert_true(has(rig_received(&c), "HTTP/1.1 401 "));
    ask_with(&c, "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aaaa.bbbb.cccc", true);
    ask_with(&c, "tooshort", true);
    assert_int_equal(count(rig_received(&c), "HTTP/1.1 401 "), 3);
    assert_true(rig_audited(&w.r, "TOKEN_ENCRYPTED"));
    assert_int_equal(w.r.n_shards, 0);
    free(token);
    rig_client_fini(&c);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rule_17_an_opaque_token_bound_to_a_dpop_key_is_asked_about_once_and_works),
        cmocka_unit_test(rule_17_an_opaque_token_bound_to_a_certificate_works_with_that_one_only),
        cmocka_unit_test(rule_17_what_the_answer_is_bound_to_is_demanded_of_the_request),
        cmocka_unit_test(an_inactive_token_is_refused_and_not_asked_about_again_for_a_while),
        cmocka_unit_test(many_requests_wait_for_one_answer_and_one_of_them_goes),
        cmocka_unit_test(everybody_may_leave_and_the_answer_harms_nobody),
        cmocka_unit_test(an_answer_holds_for_its_time_and_then_the_issuer_can_take_it_back),
        cmocka_unit_test(a_token_whose_binding_fails_is_not_remembered),
        cmocka_unit_test(what_is_no_answer_is_503_and_nothing_reaches_the_shard),
        cmocka_unit_test(a_workload_whose_tokens_provoke_errors_does_not_open_the_breaker_for_others),
        cmocka_unit_test(a_server_that_is_silent_costs_the_timeout_and_then_nothing),
        cmocka_unit_test(a_server_that_cannot_be_reached_is_503_at_once),
        cmocka_unit_test(a_kept_connection_that_is_dead_is_replaced_and_nobody_notices),
        cmocka_unit_test(a_certificate_that_is_revoked_while_the_issuer_is_asked_is_refused),
        cmocka_unit_test(a_new_configuration_forgets_answers_and_refusals_and_waits_for_neither),
        cmocka_unit_test(a_signed_token_is_never_shown_to_the_introspection_server),
    };
    gw_tls_process_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    gw_tls_process_fini();
    return failed;
}
